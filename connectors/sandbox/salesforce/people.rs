//! Users, queues, accounts, contacts and the org's own records, made from the world's cast.
//! Knows which record stands for whom; nothing of cases.

use super::auth::{Accounts, Login};
use super::schema::STATUSES;
use super::store::Store;
use super::time;
use crate::cast::Cast;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Record ids by the cast's numbers.
#[derive(Default)]
pub struct People {
    pub contacts: Vec<String>,
    /// Users of the customers' portal; every other contact has one.
    pub portal: Vec<Option<String>>,
    pub agents: Vec<String>,
    pub teams: Vec<String>,
    pub accounts: Vec<String>,
    pub entitlements: Vec<String>,
    /// The queue that cases fall into when nobody decides.
    pub inbox: String,
    /// Who acts when no person does.
    pub system: String,
    pub integration: String,
    pub reader: String,
    pub org_id: String,
}

/// Inserts a record as given, past all rules.
fn add(store: &mut Store, name: &str, list: &[(&str, Value)]) -> String {
    let Some(object) = store.object(name) else { return String::new() };
    let mut cells = object.empty();
    let born = json!(time::stamp(Timestamp::from_second(1_577_836_800).unwrap_or_default()));
    for field in ["CreatedDate", "LastModifiedDate", "SystemModstamp"] {
        object.set(&mut cells, field, born.clone());
    }
    for (field, value) in list {
        object.set(&mut cells, field, value.clone());
    }
    store.insert(name, cells, None).unwrap_or_default()
}

pub fn fill(store: &mut Store, cast: &Cast, accounts: &Accounts) -> People {
    let mut people = People::default();
    let name = json!("Harbor & Atlas Support");
    people.org_id = add(
        store,
        "Organization",
        &[
            ("Name", name),
            ("OrganizationType", json!("Enterprise Edition")),
            ("TimeZoneSidKey", json!("GMT")),
        ],
    );
    fill_statuses(store);
    fill_accounts(store, &mut people, accounts);
    fill_customers(store, &mut people, cast);
    for team in &cast.teams {
        let name = json!(team.name);
        people.teams.push(add(store, "Group", &[("Name", name), ("Type", json!("Queue"))]));
    }
    for agent in &cast.agents {
        let user =
            user(&agent.email, (&agent.first_name, &agent.last_name), &agent.email, "Standard", agent.zone);
        people.agents.push(add(store, "User", &user));
    }
    people
}

fn fill_statuses(store: &mut Store) {
    for (order, (status, closed)) in STATUSES.iter().enumerate() {
        let fields = [
            ("ApiName", json!(status)),
            ("MasterLabel", json!(status)),
            ("IsClosed", json!(closed)),
            ("IsDefault", json!(order == 0)),
            ("SortOrder", json!(order + 1)),
        ];
        add(store, "CaseStatus", &fields);
    }
}

/// The two technical accounts, automation and the queue of unassigned cases.
fn fill_accounts(store: &mut Store, people: &mut People, accounts: &Accounts) {
    let technical =
        |login: &Login, name: &str| user(&login.username, ("", name), &login.username, "Standard", "GMT");
    people.integration = add(store, "User", &technical(&accounts.integration, "Duty Integration"));
    people.reader = add(store, "User", &technical(&accounts.reader, "Demo Reader"));
    people.system = add(
        store,
        "User",
        &user("autoproc@support.example", ("", "Automated Process"), "", "AutomatedProcess", "GMT"),
    );
    people.inbox = add(store, "Group", &[("Name", json!("Unassigned Cases")), ("Type", json!("Queue"))]);
    let permissions = add(store, "PermissionSet", &[("Name", json!("Integration"))]);
    for user in [&people.integration, &people.reader] {
        let fields = [("PermissionSetId", json!(permissions)), ("AssigneeId", json!(user))];
        add(store, "PermissionSetAssignment", &fields);
    }
}

fn fill_customers(store: &mut Store, people: &mut People, cast: &Cast) {
    for customer in &cast.customers {
        let account = add(
            store,
            "Account",
            &[
                ("Name", json!(customer.name)),
                ("Website", json!(customer.domain)),
                ("BillingCountry", json!(customer.country)),
                ("Tier__c", json!(customer.tier.name())),
            ],
        );
        let entitlement = add(
            store,
            "Entitlement",
            &[
                ("Name", json!(format!("{} support", customer.tier.name()))),
                ("AccountId", json!(account)),
                ("Status", json!("Active")),
                ("Type", json!("Web Support")),
            ],
        );
        people.accounts.push(account);
        people.entitlements.push(entitlement);
    }
    for (index, contact) in cast.contacts.iter().enumerate() {
        let account = json!(people.accounts[contact.customer]);
        let id = add(
            store,
            "Contact",
            &[
                ("AccountId", account),
                ("FirstName", json!(contact.first_name)),
                ("LastName", json!(contact.last_name)),
                ("Name", json!(contact.full_name())),
                ("Email", json!(contact.email)),
            ],
        );
        let zone = cast.customers[contact.customer].zone;
        let names = (contact.first_name.as_str(), contact.last_name.as_str());
        let portal = (index % 2 == 0).then(|| {
            let mut fields =
                user(&format!("portal.{}", contact.email), names, &contact.email, "CspLitePortal", zone);
            fields.push(("ContactId", json!(id)));
            add(store, "User", &fields)
        });
        people.contacts.push(id);
        people.portal.push(portal);
    }
}

fn user(
    username: &str,
    (first, last): (&str, &str),
    email: &str,
    user_type: &str,
    zone: &str,
) -> Vec<(&'static str, Value)> {
    vec![
        ("Username", json!(username)),
        ("Name", json!(format!("{first} {last}").trim())),
        ("FirstName", json!(first)),
        ("LastName", json!(last)),
        ("Email", json!(email)),
        ("Alias", json!(last.chars().take(8).collect::<String>())),
        ("IsActive", json!(true)),
        ("UserType", json!(user_type)),
        ("TimeZoneSidKey", json!(zone)),
    ]
}

/// A record of an object by the exact text of a field.
pub fn first_by(store: &Store, name: &str, field: &str, value: &str) -> Option<String> {
    let object = store.object(name)?;
    let mut rows = object.slots().filter_map(|slot| object.row(slot));
    let row = rows.find(|row| object.text(&row.cells, field).eq_ignore_ascii_case(value))?;
    Some(object.text(&row.cells, "Id").to_owned())
}

/// Whether the integration's permission set reaches over all data.
pub fn grant_all(org: &mut super::Org, all: bool) {
    let Some(id) = first_by(&org.store, "PermissionSet", "Name", "Integration") else { return };
    let Some((object, row)) = org.store.record(&id) else { return };
    let mut row = row.clone();
    for field in ["PermissionsModifyAllData", "PermissionsViewAllData", "PermissionsManageUsers"] {
        object.set(&mut row.cells, field, json!(all));
    }
    org.store.replace("PermissionSet", &id, row);
}

/// Moves the integration's user to another time zone.
pub fn move_to_zone(org: &mut super::Org, zone: &str) {
    let id = org.people.integration.clone();
    let Some((object, row)) = org.store.record(&id) else { return };
    let mut row = row.clone();
    object.set(&mut row.cells, "TimeZoneSidKey", json!(zone));
    org.store.replace("User", &id, row);
}
