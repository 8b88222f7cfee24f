//! Orders of the control port as writes to the org: what a person would have done in the tool.
//! Knows the common words of orders and the fields they stand for.

use super::apply::{agent_says, customer_says, fields, priority_word, status_word, writer};
use super::people::first_by;
use super::rules::{self, Writer};
use super::{Org, Salesforce, ids, time};
use crate::vendor::Command;
use crate::world::{Priority, Status};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub fn command(
    vendor: &Salesforce,
    org: &mut Org,
    command: &Command,
    now: Timestamp,
) -> Result<Value, String> {
    match command {
        Command::Create { fields } => create(vendor, org, fields, now),
        Command::Reply { id, from_customer: true, text, .. } => {
            let id = known(org, id)?;
            let contact = org.store.text(&id, "ContactId");
            let index = org.people.contacts.iter().position(|known| *known == contact);
            let portal = index.and_then(|index| org.people.portal[index].clone());
            customer_says(vendor, org, &id, (&contact, portal), text, now);
            Ok(shown(org, &id))
        }
        Command::Reply { id, public, text, by, .. } => {
            let id = known(org, id)?;
            let user = person(org, by.as_deref(), &id)?;
            agent_says(vendor, org, &id, &user, *public, text, now);
            Ok(shown(org, &id))
        }
        Command::Change { id, fields, by } => {
            let id = known(org, id)?;
            let user = person(org, by.as_deref(), &id)?;
            let given = raw_fields(org, fields);
            let writer = Writer { user_id: user, at: now, late_seconds: 0, api: false, auto_assign: false };
            rules::update(org, "Case", &id, &given, &writer).map_err(|error| error.message)?;
            Ok(shown(org, &id))
        }
        Command::Delete { id } => {
            let id = known(org, id)?;
            rules::delete(org, &id, &by_system(org, now), None).map_err(|error| error.message)?;
            Ok(shown(org, &id))
        }
        Command::Other { verb, id, fields } => other(org, verb, id, fields, now),
    }
}

fn by_system(org: &Org, now: Timestamp) -> Writer {
    Writer { user_id: org.people.system.clone(), at: now, late_seconds: 0, api: false, auto_assign: false }
}

/// `undelete`, `vanish` (purged from the recycle bin), `merge {into}`, `touch` (a stamp without a change),
/// `hide` and `share` (sharing, which moves no stamp).
fn other(
    org: &mut Org,
    verb: &str,
    id: &str,
    given: &Map<String, Value>,
    now: Timestamp,
) -> Result<Value, String> {
    let id = known(org, id)?;
    let writer = by_system(org, now);
    match verb {
        "lock" => drop(org.switches.in_approval.insert(id.clone())),
        "unlock" => drop(org.switches.in_approval.remove(&id)),
        "undelete" => rules::mark_deleted(org, &id, false, &writer, None),
        "vanish" => {
            let answer = shown(org, &id);
            org.store.purge(&id);
            return Ok(answer);
        }
        "merge" => {
            let into = given.get("into").and_then(Value::as_str).ok_or("merge wants {\"into\": id}")?;
            let into = known(org, into)?;
            rules::merge(org, &into, &id, &writer).map_err(|error| error.message)?;
        }
        "touch" | "hide" | "share" => {
            let Some((object, row)) = org.store.record(&id) else { return Err("no such case".to_owned()) };
            let mut row = row.clone();
            match verb {
                "touch" => object.set(&mut row.cells, "SystemModstamp", json!(time::stamp(now))),
                _ => row.unshared = verb == "hide",
            }
            org.store.replace("Case", &id, row);
        }
        _ => return Err(format!("salesforce does not know {verb:?}")),
    }
    Ok(shown(org, &id))
}

fn create(
    vendor: &Salesforce,
    org: &mut Org,
    given: &Map<String, Value>,
    now: Timestamp,
) -> Result<Value, String> {
    let customer = match given.get("customer") {
        None => 0,
        Some(Value::Number(number)) => number.as_u64().unwrap_or(0) as usize,
        Some(name) => {
            let name = name.as_str().unwrap_or("");
            vendor.stage.cast.customer_named(name).ok_or_else(|| format!("no customer {name:?}"))?
        }
    };
    let whose = vendor.stage.cast.customers.get(customer).ok_or("no such customer")?;
    let contact = whose.contacts.first().copied().unwrap_or_default();
    let mut made = fields(json!({
        "AccountId": org.people.accounts[customer],
        "ContactId": org.people.contacts[contact],
        "OwnerId": org.people.teams[0],
        "Origin": "Web",
    }));
    made.extend(raw_fields(org, given));
    let user = org.people.portal[contact].clone().unwrap_or_else(|| org.people.system.clone());
    let writer = Writer { late_seconds: 0, ..writer(vendor, org, user, "", now) };
    let id = rules::create(org, "Case", &made, &writer).map_err(|error| error.message)?;
    Ok(shown(org, &id))
}

/// Common words as fields; names of people and teams as ids.
fn raw_fields(org: &Org, given: &Map<String, Value>) -> Map<String, Value> {
    let mut raw = Map::new();
    for (name, value) in given {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let mut put = |field: &str, value: Value| drop(raw.insert(field.to_owned(), value));
        match name.as_str() {
            "customer" | "vendor" | "table" => {}
            "title" => put("Subject", json!(text)),
            "text" => put("Description", json!(text)),
            "team" => put("OwnerId", json!(first_by(&org.store, "Group", "Name", &text))),
            "agent" => put("OwnerId", json!(user(org, &text))),
            "contact" => put("ContactId", json!(first_by(&org.store, "Contact", "Name", &text))),
            "priority" => {
                put("Priority", Priority::parse(&text).map(priority_word).map_or(json!(text), Value::from))
            }
            "status" => put("Status", common_status(&text).map(status_word).map_or(json!(text), Value::from)),
            _ if org.store.object("Case").is_some_and(|object| object.column(name).is_some()) => {
                put(name, value.clone())
            }
            _ => {}
        }
    }
    raw
}

fn common_status(word: &str) -> Option<Status> {
    Some(match word {
        "new" => Status::New,
        "open" => Status::Open,
        "pending" => Status::Pending,
        "on_hold" | "hold" => Status::OnHold,
        "resolved" | "solved" => Status::Resolved,
        "closed" => Status::Closed,
        _ => return None,
    })
}

fn user(org: &Org, name: &str) -> Option<String> {
    let by = |field: &str| first_by(&org.store, "User", field, name);
    ids::long(name).or_else(|| by("Username")).or_else(|| by("Name")).or_else(|| by("Email"))
}

/// Who an order names, or the case's owner where that is a person, or the first agent.
fn person(org: &Org, by: Option<&str>, case: &str) -> Result<String, String> {
    if let Some(by) = by {
        return user(org, by).ok_or_else(|| format!("nobody is called {by:?}"));
    }
    let owner = org.store.text(case, "OwnerId");
    let owner = Some(owner).filter(|owner| owner.starts_with("005"));
    owner.or_else(|| org.people.agents.first().cloned()).ok_or_else(|| "no agent".to_owned())
}

/// The id of a case named by id or number.
fn known(org: &Org, id: &str) -> Result<String, String> {
    let by_id = ids::long(id)
        .filter(|id| org.store.record(id).is_some_and(|(object, _)| object.shape.name == "Case"));
    by_id.or_else(|| first_by(&org.store, "Case", "CaseNumber", id)).ok_or_else(|| format!("no case {id:?}"))
}

fn shown(org: &Org, id: &str) -> Value {
    let field = |name: &str| org.store.text(id, name);
    json!({ "id": id, "number": field("CaseNumber"), "SystemModstamp": field("SystemModstamp"), "Status": field("Status") })
}
