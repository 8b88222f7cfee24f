//! Happenings of the world as writes to the org.
//! Knows both vocabularies; what follows from a write is in `rules.rs`.

use super::rules::{self, Writer};
use super::{Org, Salesforce};
use crate::dice;
use crate::world::{Happening, NewCase, Priority, Status, What, Who};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub fn priority_word(priority: Priority) -> &'static str {
    match priority {
        Priority::Urgent => "Critical",
        Priority::High => "High",
        Priority::Normal => "Medium",
        Priority::Low => "Low",
    }
}

pub fn status_word(status: Status) -> &'static str {
    match status {
        Status::New => "New",
        Status::Open => "Working",
        Status::Pending => "Waiting on Customer",
        Status::OnHold => "On Hold",
        Status::Resolved => "Resolved",
        Status::Closed => "Closed",
    }
}

/// Fields as a map; anything but an object is none.
pub fn fields(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn user_of(org: &Org, who: Who) -> String {
    let people = &org.people;
    let id = match who {
        Who::Contact(contact) => people.portal.get(contact).cloned().flatten(),
        Who::Agent(agent) => people.agents.get(agent).cloned(),
        Who::System => None,
    };
    id.unwrap_or_else(|| people.system.clone())
}

/// A writer who is not the API: late now and then.
pub fn writer(vendor: &Salesforce, org: &Org, user_id: String, key: &str, at: Timestamp) -> Writer {
    let late_seconds = org.switches.late_commit_seconds.unwrap_or_else(|| vendor.lateness(key, at));
    Writer { user_id, at, late_seconds, api: false, auto_assign: false }
}

pub fn happening(vendor: &Salesforce, org: &mut Org, happening: &Happening) {
    let at = happening.at;
    if let What::Opened(new) = &happening.what {
        return opened(vendor, org, happening.case, new, at);
    }
    let Some(id) = org.cases.get(&happening.case).cloned() else { return };
    match &happening.what {
        What::CustomerReplied { contact, text } => {
            let by = org.people.portal.get(*contact).cloned().flatten();
            let contact = org.people.contacts.get(*contact).cloned().unwrap_or_default();
            customer_says(vendor, org, &id, (&contact, by), text, at);
        }
        What::AgentReplied { agent, public, text } => {
            let user = user_of(org, Who::Agent(*agent));
            agent_says(vendor, org, &id, &user, *public, text, at);
        }
        what => {
            let (by, changes) = change_of(org, what);
            let user = user_of(org, by);
            for change in changes {
                let writer = writer(vendor, org, user.clone(), &id, at);
                // A case in the recycle bin does not change any more.
                let _ = rules::update(org, "Case", &id, &fields(change), &writer);
            }
        }
    }
}

/// What a happening changes, one step after the other.
fn change_of(org: &Org, what: &What) -> (Who, Vec<Value>) {
    let people = &org.people;
    let agent_id = |agent: usize| people.agents.get(agent).cloned().unwrap_or_default();
    match what {
        What::StatusChanged { to, by } => (*by, vec![json!({ "Status": status_word(*to) })]),
        What::PriorityChanged { to, by } => (*by, vec![json!({ "Priority": priority_word(*to) })]),
        What::TeamChanged { team, agent, by } => {
            let queue = people.teams.get(*team).cloned().unwrap_or_default();
            let taken = agent.map(|agent| json!({ "OwnerId": agent_id(agent) }));
            (*by, [json!({ "OwnerId": queue })].into_iter().chain(taken).collect())
        }
        What::OwnerChanged { agent, by } => {
            (*by, vec![json!({ "OwnerId": agent_id(*agent), "Status": "Working" })])
        }
        What::Reopened { by } => (*by, vec![json!({ "Status": "Working" })]),
        _ => (Who::System, Vec::new()),
    }
}

fn opened(vendor: &Salesforce, org: &mut Org, case: u64, new: &NewCase, at: Timestamp) {
    let get = |list: &[String], index: usize| list.get(index).cloned().unwrap_or_default();
    let by = org.people.portal.get(new.contact).cloned().flatten();
    let product = vendor.stage.cast.products.get(new.product).map_or("", |product| product.name);
    let mut given = fields(json!({
        "Subject": new.title,
        "Description": new.text,
        "AccountId": get(&org.people.accounts, new.customer),
        "ContactId": get(&org.people.contacts, new.contact),
        "EntitlementId": get(&org.people.entitlements, new.customer),
        "OwnerId": get(&org.people.teams, new.team),
        "Priority": priority_word(new.priority),
        "Origin": if by.is_some() { "Web" } else { "Email" },
        "Type": "Problem",
        "Product__c": product,
    }));
    surprise(vendor, case, &mut given);
    let user = by.unwrap_or_else(|| org.people.system.clone());
    let writer = writer(vendor, org, user, &case.to_string(), at);
    let Ok(id) = rules::create(org, "Case", &given, &writer) else { return };
    org.cases.insert(case, id.clone());
    if let Some(agent) = new.agent {
        let taken = fields(json!({ "OwnerId": get(&org.people.agents, agent) }));
        let system = org.people.system.clone();
        let writer = Writer { user_id: system, ..writer };
        // The case was created a line above.
        let _ = rules::update(org, "Case", &id, &taken, &writer);
    }
}

/// Now and then a hostile world has a record with something odd in it.
fn surprise(vendor: &Salesforce, case: u64, given: &mut Map<String, Value>) {
    if !vendor.stage.faults.chance(0.06, &[b"surprise", b"salesforce", &case.to_le_bytes()]) {
        return;
    }
    let (field, value) = match dice::hash(vendor.stage.seed, &[b"odd", &case.to_le_bytes()]) % 5 {
        0 => ("Description", json!("лось 🦌🔥 \u{202e}desrever\u{202c} \u{7} \u{1b}[31mred")),
        1 => ("Description", json!("A very long story. ".repeat(1_600))),
        2 => ("Origin", json!("Carrier Pigeon")),
        3 => ("Priority", json!("Whenever you like")),
        _ => ("Subject", Value::Null),
    };
    given.insert(field.to_owned(), value);
}

/// By mail, or, where there is a portal user, every other time as a comment there.
pub fn customer_says(
    vendor: &Salesforce,
    org: &mut Org,
    case: &str,
    (contact, portal): (&str, Option<String>),
    text: &str,
    at: Timestamp,
) {
    let coin = dice::hash(vendor.stage.seed, &[case.as_bytes(), text.as_bytes()]).is_multiple_of(2);
    match portal.filter(|_| coin) {
        Some(user) => {
            let given = json!({ "ParentId": case, "IsPublished": true, "CommentBody": text });
            say(vendor, org, "CaseComment", case, given, user, at);
        }
        None => {
            let given = json!({
                "ParentId": case,
                "Incoming": true,
                "Status": "0",
                "FromAddress": org.store.text(contact, "Email"),
                "FromName": org.store.text(contact, "Name"),
                "ToAddress": format!("support@{}", crate::cast::OWN_DOMAIN),
                "Subject": format!("Re: {}", org.store.text(case, "Subject")),
                "TextBody": text,
            });
            let system = org.people.system.clone();
            say(vendor, org, "EmailMessage", case, given, system, at);
        }
    }
}

/// Internal: a private comment. Public: a mail, or every other time a published comment.
pub fn agent_says(
    vendor: &Salesforce,
    org: &mut Org,
    case: &str,
    user: &str,
    public: bool,
    text: &str,
    at: Timestamp,
) {
    let mail = public && dice::hash(vendor.stage.seed, &[case.as_bytes(), text.as_bytes()]).is_multiple_of(2);
    if mail {
        let contact = org.store.text(case, "ContactId");
        let given = json!({
            "ParentId": case,
            "Incoming": false,
            "Status": "3",
            "FromAddress": org.store.text(user, "Email"),
            "FromName": org.store.text(user, "Name"),
            "ToAddress": org.store.text(&contact, "Email"),
            "Subject": format!("Re: {}", org.store.text(case, "Subject")),
            "TextBody": text,
        });
        say(vendor, org, "EmailMessage", case, given, user.to_owned(), at);
    } else {
        let given = json!({ "ParentId": case, "IsPublished": public, "CommentBody": text });
        say(vendor, org, "CaseComment", case, given, user.to_owned(), at);
    }
}

/// Vendor: a child does not move the stamps of its case.
fn say(
    vendor: &Salesforce,
    org: &mut Org,
    object: &str,
    case: &str,
    given: Value,
    user: String,
    at: Timestamp,
) {
    let writer = writer(vendor, org, user, case, at);
    // What the world says is short; nothing in it can be refused.
    let _ = rules::create(org, object, &fields(given), &writer);
}
