//! Orders of the control port as writes to ServiceNow's tables: what a person would have done in the tool.
//! Knows the common words of orders and the raw fields they stand for.

use super::apply::{pairs, priority_fields, priority_of, status_fields};
use super::people;
use super::schema::{CHILD, TASKS};
use super::store::{Fields, Writer};
use super::{Instance, ServiceNow};
use crate::vendor::Command;
use crate::world::{Priority, Status};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// An order of the control port.
pub fn command(
    vendor: &ServiceNow,
    instance: &mut Instance,
    command: &Command,
    now: Timestamp,
) -> Result<Value, String> {
    match command {
        Command::Create { fields } => create(vendor, instance, fields, now),
        Command::Reply { id, from_customer, public, text, by } => {
            let (table, id) = known(instance, id)?;
            let person =
                if *from_customer { caller_of(instance, table, &id) } else { agent_of(instance, table, &id) };
            let by = by.as_deref().map_or(person, |by| people::user(&instance.store, by));
            let element = if *public || *from_customer { "comments" } else { "work_notes" };
            act(vendor, instance, (table, &id), &pairs(&[(element, text)]), by, now)
        }
        Command::Change { id, fields, by } => {
            let (table, id) = known(instance, id)?;
            let person = agent_of(instance, table, &id);
            let by = by.as_deref().map_or(person, |by| people::user(&instance.store, by));
            let fields = raw_fields(instance, table, fields);
            act(vendor, instance, (table, &id), &fields, by, now)
        }
        Command::Delete { id } => remove(vendor, instance, id, now, false),
        Command::Other { verb, id, .. } if verb == "vanish" => remove(vendor, instance, id, now, true),
        Command::Other { verb, id, fields } if verb == "silent_change" => {
            let (table, id) = known(instance, id)?;
            let fields = raw_fields(instance, table, fields);
            instance.store.change_silently(table, &id, &fields);
            Ok(shown(instance, table, &id))
        }
        Command::Other { verb, .. } => Err(format!("servicenow does not know {verb:?}")),
    }
}

fn remove(
    vendor: &ServiceNow,
    instance: &mut Instance,
    id: &str,
    now: Timestamp,
    silently: bool,
) -> Result<Value, String> {
    let (table, id) = known(instance, id)?;
    let answer = shown(instance, table, &id);
    instance.store.delete(table, &id, &Writer { at: now, ..people::SYSTEM }, silently);
    if !silently {
        vendor.deleted(&id, now);
    }
    Ok(answer)
}

type Person = Option<(String, String)>;

fn act(
    vendor: &ServiceNow,
    instance: &mut Instance,
    (table, id): (&'static str, &str),
    fields: &Fields,
    by: Person,
    now: Timestamp,
) -> Result<Value, String> {
    let (user_name, user_id) = by.ok_or("nobody of that name")?;
    let writer =
        Writer { user_name: &user_name, user_id: &user_id, at: now, late_seconds: 0, revision: None };
    if instance.store.update(table, id, fields, &writer) {
        vendor.wrote(instance, table, id, now);
    }
    Ok(shown(instance, table, id))
}

fn create(
    vendor: &ServiceNow,
    instance: &mut Instance,
    given: &Map<String, Value>,
    now: Timestamp,
) -> Result<Value, String> {
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    let table = match text("table").unwrap_or("incident") {
        "sn_customerservice_case" => "sn_customerservice_case",
        "incident" | CHILD => "incident",
        other => return Err(format!("no table {other:?} of cases")),
    };
    let customer = match given.get("customer") {
        None => 0,
        Some(Value::Number(number)) => number.as_u64().unwrap_or(0) as usize,
        Some(name) => {
            let name = name.as_str().unwrap_or("");
            vendor.stage.cast.customer_named(name).ok_or_else(|| format!("no customer {name:?}"))?
        }
    };
    let whose = vendor.stage.cast.customers.get(customer).ok_or("no such customer")?;
    let contact = instance.people.contacts[whose.contacts[0]].clone();
    let company = instance.people.companies[customer].clone();
    let account = instance.people.accounts[customer].clone();
    let mut fields = pairs(&[
        ("caller_id", &contact),
        ("contact", &contact),
        ("company", &company),
        ("account", &account),
    ]);
    if text("table") == Some(CHILD) {
        fields.extend(pairs(&[("sys_class_name", CHILD)]));
    }
    let team = instance.people.teams[0].clone();
    fields.extend(pairs(&[("assignment_group", &team)]));
    for (name, value) in raw_fields(instance, table, given) {
        fields.retain(|(held, _)| *held != name);
        fields.push((name, value));
    }
    let (user_name, user_id) = people::user(&instance.store, &contact).ok_or("no contact")?;
    let writer =
        Writer { user_name: &user_name, user_id: &user_id, at: now, late_seconds: 0, revision: None };
    let id = instance.store.insert(table, &fields, &writer)?;
    vendor.wrote(instance, table, &id, now);
    Ok(shown(instance, table, &id))
}

/// Common words as raw fields; names of people and teams as ids.
fn raw_fields(instance: &Instance, table: &str, given: &Map<String, Value>) -> Fields {
    let store = &instance.store;
    let mut fields = Fields::new();
    for (name, value) in given {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let id_in = |target: &str| {
            let found = if target == "sys_user" {
                people::user(store, &text).map(|(_, id)| id)
            } else {
                store.first_by(target, "name", &text)
            };
            found.unwrap_or_else(|| text.clone())
        };
        match name.as_str() {
            "table" | "customer" => {}
            "title" => fields.push(("short_description".to_owned(), text)),
            "text" => fields.push(("description".to_owned(), text)),
            "team" | "assignment_group" => {
                fields.push(("assignment_group".to_owned(), id_in("sys_user_group")))
            }
            "agent" | "assigned_to" => fields.push(("assigned_to".to_owned(), id_in("sys_user"))),
            "contact" | "caller_id" => {
                fields.extend([
                    ("caller_id".to_owned(), id_in("sys_user")),
                    ("contact".to_owned(), id_in("sys_user")),
                ]);
            }
            "priority" => {
                let level = match Priority::parse(&text) {
                    Some(priority) => priority_of(priority),
                    None => text.as_str(),
                };
                fields.extend(priority_fields(level));
                fields.extend(pairs(&[("priority", level)]));
            }
            "status" => fields.extend(status_word(&text)),
            _ if store.table(table).is_some_and(|table| table.column(name).is_some()) => {
                fields.push((name.clone(), text))
            }
            _ => {}
        }
    }
    fields
}

fn status_word(word: &str) -> Fields {
    match word {
        "new" => status_fields(Status::New),
        "pending" => status_fields(Status::Pending),
        "on_hold" | "hold" => status_fields(Status::OnHold),
        "resolved" | "solved" => status_fields(Status::Resolved),
        "closed" => status_fields(Status::Closed),
        _ => status_fields(Status::Open),
    }
}

/// Table and id of a case named by id or number.
fn known(instance: &Instance, id: &str) -> Result<(&'static str, String), String> {
    if let Some((table, _)) = instance.store.find("task", id) {
        return Ok((table.name, id.to_owned()));
    }
    let by_number = |table: &'static str| Some((table, instance.store.first_by(table, "number", id)?));
    TASKS.iter().find_map(|table| by_number(table)).ok_or_else(|| format!("no case {id:?}"))
}

fn caller_of(instance: &Instance, table: &str, id: &str) -> Person {
    let field = if table == "incident" { "caller_id" } else { "contact" };
    let caller = instance.store.field(table, id, field)?;
    people::user(&instance.store, &caller)
}

fn agent_of(instance: &Instance, table: &str, id: &str) -> Person {
    let assigned = instance.store.field(table, id, "assigned_to").filter(|agent| !agent.is_empty());
    let agent =
        assigned.map(|agent| agent.to_string()).or_else(|| instance.people.agents.first().cloned())?;
    people::user(&instance.store, &agent)
}

fn shown(instance: &Instance, table: &str, id: &str) -> Value {
    let field = |name: &str| {
        instance.store.field(table, id, name).map_or_else(String::new, |value| value.to_string())
    };
    json!({ "id": id, "number": field("number"), "table": table, "sys_updated_on": field("sys_updated_on"), "sys_mod_count": field("sys_mod_count") })
}
