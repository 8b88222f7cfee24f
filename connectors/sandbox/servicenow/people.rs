//! Users, groups, companies and roles of the instance, made from the world's cast, and names from a log.
//! Knows which record stands for whom; nothing of incidents.

use super::auth::{Accounts, MINIMUM_ROLES};
use super::store::{Fields, Store, Writer};
use crate::cast::Cast;
use jiff::Timestamp;

/// Record ids by the cast's numbers.
#[derive(Default)]
pub struct People {
    pub contacts: Vec<String>,
    pub agents: Vec<String>,
    pub teams: Vec<String>,
    pub companies: Vec<String>,
    pub accounts: Vec<String>,
}

pub const SYSTEM: Writer<'static> =
    Writer { user_name: "system", user_id: "", at: Timestamp::UNIX_EPOCH, late_seconds: 0, revision: None };

fn fields(list: &[(&str, &str)]) -> Fields {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub fn add(store: &mut Store, table: &str, list: &[(&str, &str)]) -> String {
    store.insert(table, &fields(list), &SYSTEM).unwrap_or_default()
}

pub fn fill(store: &mut Store, cast: &Cast) -> People {
    let mut people = People::default();
    for customer in &cast.customers {
        let common = [
            ("name", customer.name.as_str()),
            ("customer", "true"),
            ("country", customer.country),
            ("website", customer.domain.as_str()),
            ("u_tier", customer.tier.name()),
        ];
        people.companies.push(add(store, "core_company", &common));
        people.accounts.push(add(store, "customer_account", &common));
    }
    for contact in &cast.contacts {
        let customer = &cast.customers[contact.customer];
        let company = people.companies[contact.customer].clone();
        let name = contact.full_name();
        people.contacts.push(add(
            store,
            "sys_user",
            &[
                ("user_name", &contact.email),
                ("name", &name),
                ("first_name", &contact.first_name),
                ("last_name", &contact.last_name),
                ("email", &contact.email),
                ("active", "true"),
                ("locked_out", "false"),
                ("time_zone", customer.zone),
                ("company", &company),
            ],
        ));
    }
    for team in &cast.teams {
        people.teams.push(add(store, "sys_user_group", &[("name", team.name), ("active", "true")]));
    }
    for agent in &cast.agents {
        let name = agent.full_name();
        people.agents.push(add(
            store,
            "sys_user",
            &[
                ("user_name", agent.login()),
                ("name", &name),
                ("first_name", &agent.first_name),
                ("last_name", &agent.last_name),
                ("email", &agent.email),
                ("active", "true"),
                ("locked_out", "false"),
                ("time_zone", agent.zone),
            ],
        ));
    }
    people
}

/// The two technical accounts and the roles there are.
pub fn fill_accounts(store: &mut Store, accounts: &Accounts) {
    for role in MINIMUM_ROLES.iter().chain(&["admin"]) {
        add(store, "sys_user_role", &[("name", role)]);
    }
    for user in [&accounts.integration, &accounts.reader] {
        add(
            store,
            "sys_user",
            &[
                ("user_name", &user.user_name),
                ("name", &user.user_name),
                ("active", "true"),
                ("locked_out", "false"),
                ("time_zone", "GMT"),
                ("web_service_access_only", "true"),
                ("user_password", "set"),
            ],
        );
        grant(store, &user.user_name, MINIMUM_ROLES);
    }
}

/// Gives a user exactly these roles.
pub fn grant(store: &mut Store, user_name: &str, roles: &[&str]) {
    let Some(user) = store.first_by("sys_user", "user_name", user_name) else { return };
    while let Some(held) = store.first_by("sys_user_has_role", "user", &user) {
        store.delete("sys_user_has_role", &held, &SYSTEM, true);
    }
    for role in roles {
        if let Some(role) = store.first_by("sys_user_role", "name", role) {
            let held = [
                ("user", user.as_str()),
                ("role", role.as_str()),
                ("state", "active"),
                ("inherited", "false"),
            ];
            add(store, "sys_user_has_role", &held);
        }
    }
}

/// The record of this name in a table of names, made when it is new. Empty stays empty.
pub fn named(store: &mut Store, table: &str, name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    if let Some(id) = store.first_by(table, "name", name) {
        return id;
    }
    let login = name.to_lowercase().replace(' ', ".");
    let list = [
        ("name", name),
        ("user_name", &login),
        ("active", "true"),
        ("time_zone", "GMT"),
        ("customer", "true"),
    ];
    add(store, table, &list)
}

/// A user by login, name, e-mail or id: who a control order says acts.
pub fn user(store: &Store, who: &str) -> Option<(String, String)> {
    let by = |column| store.first_by("sys_user", column, who);
    let id = by("user_name")
        .or_else(|| by("name"))
        .or_else(|| by("email"))
        .or_else(|| store.table("sys_user").and_then(|table| table.slot(who)).map(|_| who.to_owned()))?;
    let login = store.field("sys_user", &id, "user_name")?.to_string();
    Some((login, id))
}
