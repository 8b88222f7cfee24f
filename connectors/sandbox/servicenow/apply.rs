//! Happenings of the world as writes to ServiceNow's tables, and the webhooks that follow a write.
//! Knows both vocabularies; the platform's bookkeeping is done by the store.

use super::people;
use super::rules;
use super::schema::CHILD;
use super::store::{Fields, Writer};
use super::time;
use super::{Instance, ServiceNow, sla};
use crate::dice;
use crate::world::{Happening, LoggedRow, NewCase, Priority, Status, What, Who};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The case of the world that is a record of the class that extends `incident`.
const OF_CHILD: u64 = 3;

pub fn pairs(list: &[(&str, &str)]) -> Fields {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub fn priority_of(priority: Priority) -> &'static str {
    match priority {
        Priority::Urgent => "1",
        Priority::High => "2",
        Priority::Normal => "3",
        Priority::Low => "4",
    }
}

/// State and hold reason.
fn state_of(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::New => ("1", ""),
        Status::Open => ("2", ""),
        Status::Pending => ("3", "1"),
        Status::OnHold => ("3", "4"),
        Status::Resolved => ("6", ""),
        Status::Closed => ("7", ""),
    }
}

pub fn status_fields(status: Status) -> Fields {
    let (state, hold_reason) = state_of(status);
    let mut fields = pairs(&[("state", state)]);
    if !hold_reason.is_empty() {
        fields.extend(pairs(&[("hold_reason", hold_reason)]));
    }
    if matches!(status, Status::Resolved | Status::Closed) {
        fields.extend(pairs(&[
            ("close_code", "Solution provided"),
            ("close_notes", "Solved with the customer"),
        ]));
    }
    fields
}

pub fn priority_fields(priority: &str) -> Fields {
    let (impact, urgency) = rules::levels(priority);
    pairs(&[("impact", impact), ("urgency", urgency)])
}

/// User name and id of who does something.
fn who(instance: &Instance, who: Who) -> (String, String) {
    let id = match who {
        Who::Contact(contact) => instance.people.contacts.get(contact),
        Who::Agent(agent) => instance.people.agents.get(agent),
        Who::System => None,
    };
    let login = id.and_then(|id| instance.store.field("sys_user", id, "user_name"));
    match (id, login) {
        (Some(id), Some(login)) => (login.to_string(), id.clone()),
        _ => ("system".to_owned(), String::new()),
    }
}

pub fn happening(vendor: &ServiceNow, instance: &mut Instance, happening: &Happening) {
    let at = happening.at;
    if let What::Logged(row) = &happening.what {
        return logged(vendor, instance, happening.case, row, at);
    }
    if let What::Opened(new) = &happening.what {
        return opened(vendor, instance, happening.case, new, at);
    }
    let Some(id) = instance.cases.get(&happening.case).cloned() else { return };
    let (by, fields) = change_of(instance, &happening.what);
    write(vendor, instance, &id, &fields, by, at);
}

/// What a happening changes, and who does it.
fn change_of(instance: &Instance, what: &What) -> (Who, Fields) {
    let people = &instance.people;
    let agent_id = |agent: &usize| people.agents.get(*agent).map_or("", String::as_str);
    match what {
        What::CustomerReplied { contact, text } => (Who::Contact(*contact), pairs(&[("comments", text)])),
        What::AgentReplied { agent, public, text } => {
            (Who::Agent(*agent), pairs(&[(if *public { "comments" } else { "work_notes" }, text)]))
        }
        What::StatusChanged { to, by } => (*by, status_fields(*to)),
        What::PriorityChanged { to, by } => (*by, priority_fields(priority_of(*to))),
        What::TeamChanged { team, agent, by } => {
            let team = people.teams.get(*team).map_or("", String::as_str);
            (*by, pairs(&[("assignment_group", team), ("assigned_to", agent.as_ref().map_or("", agent_id))]))
        }
        What::OwnerChanged { agent, by } => (*by, pairs(&[("assigned_to", agent_id(agent)), ("state", "2")])),
        What::Reopened { by } => (*by, pairs(&[("state", "2")])),
        What::Opened(_) | What::Logged(_) => (Who::System, Fields::new()),
    }
}

fn write(vendor: &ServiceNow, instance: &mut Instance, id: &str, fields: &Fields, by: Who, at: Timestamp) {
    let (user_name, user_id) = who(instance, by);
    let late_seconds = vendor.lateness(id, at);
    let writer = Writer { user_name: &user_name, user_id: &user_id, at, late_seconds, revision: None };
    let Some((table, _)) = instance.store.find("task", id) else { return };
    let table = table.name;
    if instance.store.update(table, id, fields, &writer) {
        vendor.wrote(instance, table, id, at);
    }
}

fn opened(vendor: &ServiceNow, instance: &mut Instance, case: u64, new: &NewCase, at: Timestamp) {
    let people = &instance.people;
    let get = |list: &[String], index: usize| list.get(index).cloned().unwrap_or_default();
    let (contact, company) = (get(&people.contacts, new.contact), get(&people.companies, new.customer));
    let (team, account) = (get(&people.teams, new.team), get(&people.accounts, new.customer));
    let agent = new.agent.map(|agent| get(&people.agents, agent)).unwrap_or_default();
    let csm = dice::fraction(dice::hash(vendor.stage.seed, &[b"csm", &case.to_le_bytes()]))
        < instance.switches.csm_fraction;
    let product = vendor.stage.cast.products.get(new.product).map_or("", |product| product.name);
    let mut fields = pairs(&[
        ("short_description", &new.title),
        ("description", &new.text),
        ("company", &company),
        ("assignment_group", &team),
        ("assigned_to", &agent),
        ("contact_type", "email"),
        ("category", "software"),
        ("u_product", product),
        ("product", product),
        ("caller_id", &contact),
        ("contact", &contact),
        ("account", &account),
        ("opened_by", &contact),
        ("priority", priority_of(new.priority)),
    ]);
    fields.extend(priority_fields(priority_of(new.priority)));
    surprise(vendor, case, &mut fields);
    let table = if csm { "sn_customerservice_case" } else { "incident" };
    if case == OF_CHILD && !csm {
        fields.extend(pairs(&[("sys_class_name", CHILD)]));
    }
    let (user_name, user_id) = who(instance, Who::Contact(new.contact));
    let late_seconds = vendor.lateness(&case.to_string(), at);
    let writer = Writer { user_name: &user_name, user_id: &user_id, at, late_seconds, revision: None };
    if let Ok(id) = instance.store.insert(table, &fields, &writer) {
        instance.cases.insert(case, id.clone());
        vendor.wrote(instance, table, &id, at);
    }
}

/// Now and then a hostile world has a record with something odd in it.
fn surprise(vendor: &ServiceNow, case: u64, fields: &mut Fields) {
    if !vendor.stage.faults.chance(0.06, &[b"surprise", &case.to_le_bytes()]) {
        return;
    }
    let (field, value) = match dice::hash(vendor.stage.seed, &[b"odd", &case.to_le_bytes()]) % 5 {
        0 => ("description", "лось 🦌🔥 \u{202e}desrever\u{202c} \u{0} \u{7} \u{1b}[31mred".to_owned()),
        1 => ("description", "A very long story. ".repeat(4_000)),
        2 => ("contact_type", "carrier_pigeon".to_owned()),
        3 => ("state", "-100".to_owned()),
        _ => ("short_description", String::new()),
    };
    fields.retain(|(name, _)| name != field);
    fields.push((field.to_owned(), value));
}

/// References of a log are names; the records they stand for are made as they come.
const NAMED: &[(&str, &str)] = &[
    ("caller_id", "sys_user"),
    ("opened_by", "sys_user"),
    ("resolved_by", "sys_user"),
    ("assigned_to", "sys_user"),
    ("assignment_group", "sys_user_group"),
    ("location", "cmn_location"),
    ("company", "core_company"),
];

fn logged(vendor: &ServiceNow, instance: &mut Instance, case: u64, row: &LoggedRow, at: Timestamp) {
    let mut fields = Fields::new();
    for (field, value) in &row.fields {
        let table = NAMED.iter().find(|(name, _)| name == field).map(|(_, table)| *table);
        let value =
            table.map_or_else(|| value.clone(), |table| people::named(&mut instance.store, table, value));
        fields.push(((*field).to_owned(), value));
    }
    let updater = people::named(&mut instance.store, "sys_user", &row.by);
    let user_name = instance.store.field("sys_user", &updater, "user_name").unwrap_or_default();
    let writer = Writer {
        user_name: &user_name,
        user_id: &updater,
        at,
        late_seconds: 0,
        revision: Some(row.revision),
    };
    let id = match instance.cases.get(&case).cloned() {
        Some(id) => {
            // Our own marks count as changes too: the log's count must not make the record older.
            let known = instance.store.field("incident", &id, "sys_mod_count");
            let known = known.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
            let writer = Writer { revision: Some(row.revision.max(known + 1)), ..writer };
            instance.store.update("incident", &id, &fields, &writer);
            id
        }
        None => {
            fields.extend(pairs(&[
                ("number", &row.number),
                ("short_description", &format!("Incident {}", row.number)),
            ]));
            let Ok(id) = instance.store.insert("incident", &fields, &writer) else { return };
            instance.cases.insert(case, id.clone());
            id
        }
    };
    vendor.ring(&id, at);
}

/// After a write that the rules take part in: SLA and webhook.
pub fn wrote(vendor: &ServiceNow, instance: &mut Instance, table: &str, id: &str, at: Timestamp) {
    if table == "incident" {
        sla::follow(&mut instance.store, id, at);
    }
    if super::schema::TASKS.contains(&table) {
        vendor.ring(id, at);
    }
}

/// The body of a delivery about a record as it is now, or of its deletion.
pub fn payload(instance: &Instance, key: &str, event_id: &str) -> Value {
    let (id, op) = key.strip_prefix("delete:").map_or((key, "upsert"), |id| (id, "delete"));
    let mut body = json!({ "v": 1, "source": "sandbox", "table": "incident", "sys_id": id, "op": op, "event_id": event_id });
    if let Some((table, slot)) = instance.store.find("task", id)
        && let Some(row) = table.row(slot)
    {
        body["table"] = json!(&*instance.store.class(id));
        for name in ["number", "sys_mod_count", "sys_updated_on", "sys_updated_by"] {
            body[name] = json!(table.column(name).map(|column| &*row.values[column]));
        }
    }
    body
}

/// Seconds since the epoch, as the signature's header has them.
pub fn epoch(now: Timestamp) -> String {
    time::parse(&time::stamp(now)).unwrap_or(now).as_second().to_string()
}
