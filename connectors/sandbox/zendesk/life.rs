//! Happenings of the world and orders of the control port, as changes of tickets.
//! Knows both vocabularies; what a change does stands in `change.rs`.

use super::book::{Audit, SYSTEM_USER, Ticket, agent_id, contact_id, group_id, via};
use super::change::{Doer, number};
use super::tickets::{erase, merge_into};
use super::{Account, Zendesk, shape};
use crate::vendor::Command;
use crate::world::{Happening, NewCase, Priority, Status, What, Who};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

fn status_word(status: Status) -> &'static str {
    match status {
        Status::New => "new",
        Status::Open => "open",
        Status::Pending => "pending",
        Status::OnHold => "hold",
        Status::Resolved => "solved",
        Status::Closed => "closed",
    }
}

fn priority_word(priority: Priority) -> &'static str {
    match priority {
        Priority::Urgent => "urgent",
        Priority::High => "high",
        Priority::Normal => "normal",
        Priority::Low => "low",
    }
}

fn doer(who: Who, now: i64) -> Doer {
    match who {
        Who::Contact(index) => Doer::person(contact_id(index), "email", now),
        Who::Agent(index) => Doer::person(agent_id(index), "web", now),
        Who::System => Doer::automation(now),
    }
}

fn object(pairs: Vec<(&str, Value)>) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Something happened to a case of the world.
pub fn happening(zendesk: &Zendesk, account: &mut Account, happening: &Happening) {
    let now = happening.at.as_second();
    if let What::Opened(case) = &happening.what {
        open(zendesk, account, happening.case, case, now);
        return;
    }
    let Some(id) = account.book.cases.get(&happening.case).copied() else { return };
    let (who, change) = match &happening.what {
        What::CustomerReplied { contact, text } => {
            (Who::Contact(*contact), object(vec![("comment", json!({ "body": text, "public": true }))]))
        }
        What::AgentReplied { agent, public, text } => {
            (Who::Agent(*agent), object(vec![("comment", json!({ "body": text, "public": public }))]))
        }
        What::StatusChanged { to, by } => {
            // Vendor: only solved tickets are closed, by an automation (support.zendesk.com, "Ticket statuses").
            let solved = account.book.living_ticket(id).is_some_and(|ticket| ticket.status == "solved");
            let to = if *to == Status::Closed && !solved { Status::Resolved } else { *to };
            (*by, object(vec![("status", json!(status_word(to)))]))
        }
        What::PriorityChanged { to, by } => (*by, object(vec![("priority", json!(priority_word(*to)))])),
        What::TeamChanged { team, agent, by } => {
            let owner = agent.map(agent_id);
            (*by, object(vec![("group_id", json!(group_id(*team))), ("assignee_id", json!(owner))]))
        }
        What::OwnerChanged { agent, by } => (*by, object(vec![("assignee_id", json!(agent_id(*agent)))])),
        What::Reopened { by } => (*by, object(vec![("status", json!("open"))])),
        What::Opened(_) | What::Logged(_) => return,
    };
    let doer = doer(who, now);
    match account.book.update(id, &change, &doer) {
        Ok(made) => zendesk.rang(&account.book, &made.audit, false),
        // A closed ticket takes nothing more: who writes to it starts a follow-up.
        Err(_) => follow_up(zendesk, account, happening.case, id, &change, &doer),
    }
}

fn open(zendesk: &Zendesk, account: &mut Account, number: u64, case: &NewCase, now: i64) {
    let cast = &zendesk.stage.cast;
    let product = super::book::tag_of(cast.products[case.product].name);
    let field = account.book.field_titled("Product");
    let mut change = object(vec![
        ("subject", json!(case.title)),
        ("comment", json!({ "body": case.text, "public": true })),
        ("priority", json!(priority_word(case.priority))),
        ("type", json!("incident")),
        ("group_id", json!(group_id(case.team))),
        ("custom_fields", json!([{ "id": field, "value": product }])),
    ]);
    if let Some(agent) = case.agent {
        change.insert("assignee_id".to_owned(), json!(agent_id(agent)));
    }
    let channel = if number.is_multiple_of(3) { "web" } else { "email" };
    let doer = Doer::person(contact_id(case.contact), channel, now);
    if let Ok(made) = account.book.create(&change, &doer) {
        account.book.cases.insert(number, made.audit.ticket);
        zendesk.rang(&account.book, &made.audit, true);
    }
}

fn follow_up(
    zendesk: &Zendesk,
    account: &mut Account,
    case: u64,
    closed: u64,
    change: &Map<String, Value>,
    doer: &Doer,
) {
    let Some(old) = account.book.tickets.get(&closed).cloned() else { return };
    let Some(comment) = change.get("comment").filter(|_| old.status == "closed") else { return };
    // Vendor: a follow-up takes over tags and the values of custom fields (support.zendesk.com, "About follow-up tickets").
    let fields = old.custom.iter().map(|(id, value)| json!({ "id": id, "value": value }));
    let again = object(vec![
        ("subject", json!(format!("Re: {}", old.subject))),
        ("comment", comment.clone()),
        ("requester_id", json!(old.requester)),
        ("priority", json!(old.priority)),
        ("group_id", json!(old.group)),
        ("tags", json!(old.tags)),
        ("custom_fields", Value::Array(fields.collect())),
    ]);
    let from = json!({ "ticket_id": closed, "subject": old.subject, "channel": "email" });
    let linked = Doer {
        via: json!({ "channel": "email", "source": { "from": from, "to": {}, "rel": "follow_up" } }),
        ..doer.clone()
    };
    if let Ok(made) = account.book.create(&again, &linked) {
        account.book.cases.insert(case, made.audit.ticket);
        zendesk.rang(&account.book, &made.audit, true);
    }
}

fn shown(account: &Account, id: u64) -> Result<Value, String> {
    let ticket = account.book.tickets.get(&id).ok_or_else(|| format!("no ticket {id}"))?;
    let (status, updated) = (&ticket.status, shape::stamp(ticket.updated));
    Ok(json!({ "id": id.to_string(), "number": format!("#{id}"), "status": status, "updated_at": updated }))
}

fn parsed(account: &Account, id: &str) -> Result<u64, String> {
    let id: u64 = id.trim_start_matches('#').parse().map_err(|_| format!("{id:?} is not a ticket id"))?;
    account.book.tickets.get(&id).map(|_| id).ok_or_else(|| format!("no ticket {id}"))
}

/// Who `by` names: an address, an id, or an agent of the cast.
fn person(zendesk: &Zendesk, account: &Account, by: Option<&str>, otherwise: u64) -> Result<u64, String> {
    let Some(by) = by else { return Ok(otherwise) };
    let agent = zendesk.stage.cast.agent_named(by).map(agent_id);
    account.book.user_like(by).or(agent).ok_or_else(|| format!("nobody is called {by:?}"))
}

/// Common words and the titles of fields, as a ticket's keys.
fn translated(
    zendesk: &Zendesk,
    account: &Account,
    fields: &Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let (cast, mut change) = (&zendesk.stage.cast, Map::new());
    let mut custom = fields.get("custom_fields").and_then(Value::as_array).cloned().unwrap_or_default();
    for (key, value) in fields {
        let text = value.as_str().unwrap_or("");
        match key.as_str() {
            "title" => drop(change.insert("subject".to_owned(), value.clone())),
            "text" => drop(change.insert("comment".to_owned(), json!({ "body": text, "public": true }))),
            "team" => {
                let team = cast.team_named(text).ok_or_else(|| format!("no team {text:?}"))?;
                change.insert("group_id".to_owned(), json!(group_id(team)));
            }
            "agent" => {
                let agent = person(zendesk, account, Some(text).filter(|text| !text.is_empty()), 0)?;
                change.insert("assignee_id".to_owned(), json!(Some(agent).filter(|id| *id > 0)));
            }
            "customer" | "contact" | "custom_fields" => {}
            _ => match account.book.field_titled(key) {
                Some(id) => custom.push(json!({ "id": id, "value": value })),
                None => drop(change.insert(key.clone(), value.clone())),
            },
        }
    }
    if !custom.is_empty() {
        change.insert("custom_fields".to_owned(), Value::Array(custom));
    }
    Ok(change)
}

/// Somebody does something, ordered on the control port.
pub fn command(
    zendesk: &Zendesk,
    account: &mut Account,
    command: &Command,
    now: Timestamp,
) -> Result<Value, String> {
    let now = now.as_second();
    match command {
        Command::Create { fields } => create(zendesk, account, fields, now),
        Command::Reply { id, from_customer, public, text, by } => {
            let id = parsed(account, id)?;
            let ticket = account.book.tickets.get(&id).cloned().unwrap_or_default();
            let otherwise =
                if *from_customer { ticket.requester } else { ticket.assignee.unwrap_or(agent_id(0)) };
            let user = person(zendesk, account, by.as_deref(), otherwise)?;
            let doer = Doer::person(user, if *from_customer { "email" } else { "web" }, now);
            change(
                zendesk,
                account,
                id,
                &object(vec![("comment", json!({ "body": text, "public": public }))]),
                &doer,
            )
        }
        Command::Change { id, fields, by } => {
            let id = parsed(account, id)?;
            let user = person(zendesk, account, by.as_deref(), agent_id(0))?;
            let fields = translated(zendesk, account, fields)?;
            change(zendesk, account, id, &fields, &Doer::person(user, "web", now))
        }
        Command::Delete { id } => {
            let id = parsed(account, id)?;
            if erase(zendesk, account, id, agent_id(0) as i64, now) {
                shown(account, id)
            } else {
                Err("deleted already".to_owned())
            }
        }
        Command::Other { verb, id, fields } => other(zendesk, account, verb, id, fields, now),
    }
}

fn change(
    zendesk: &Zendesk,
    account: &mut Account,
    id: u64,
    fields: &Map<String, Value>,
    doer: &Doer,
) -> Result<Value, String> {
    let made = account.book.update(id, fields, doer).map_err(|refusal| refusal.body.to_string())?;
    zendesk.rang(&account.book, &made.audit, false);
    shown(account, id)
}

fn create(
    zendesk: &Zendesk,
    account: &mut Account,
    fields: &Map<String, Value>,
    now: i64,
) -> Result<Value, String> {
    let cast = &zendesk.stage.cast;
    let mut change = translated(zendesk, account, fields)?;
    change.entry("comment").or_insert_with(|| json!({ "body": "Please help.", "public": true }));
    let customer = fields.get("customer").and_then(Value::as_str);
    let customer = customer
        .map(|name| cast.customer_named(name).ok_or_else(|| format!("no customer {name:?}")))
        .transpose()?;
    let contact = fields.get("contact").and_then(Value::as_str);
    let first =
        cast.customers.get(customer.unwrap_or(0)).and_then(|one| one.contacts.first()).copied().unwrap_or(0);
    let requester = person(zendesk, account, contact, contact_id(first))?;
    let doer = Doer::person(requester, "web", now);
    let made = account.book.create(&change, &doer).map_err(|refusal| refusal.body.to_string())?;
    zendesk.rang(&account.book, &made.audit, true);
    shown(account, made.audit.ticket)
}

/// `merge` into another ticket, `restore` a deleted one, `scrub` it, `system` for a change that moves
/// `generated_timestamp` only.
fn other(
    zendesk: &Zendesk,
    account: &mut Account,
    verb: &str,
    id: &str,
    fields: &Map<String, Value>,
    now: i64,
) -> Result<Value, String> {
    let id = parsed(account, id)?;
    match verb {
        "merge" => {
            let into = fields.get("into").and_then(number).ok_or("into: the ticket to merge into")?;
            parsed(account, &into.to_string())?;
            let doer = Doer::person(agent_id(0), "web", now);
            merge_into(zendesk, account, into, &[id], &Value::Null, &doer);
        }
        "restore" => {
            let ticket = account.book.tickets.get_mut(&id).ok_or("no such ticket")?;
            let (before, ..) = ticket.deleted.take().ok_or("not deleted")?;
            (ticket.status, ticket.updated) = (before, now);
            account.book.place(id, now);
            zendesk.rang_about(&account.book, id, "undeleted", SYSTEM_USER, now);
        }
        "scrub" => {
            let ticket = account.book.tickets.get_mut(&id).ok_or("no such ticket")?;
            "SCRUBBED".clone_into(&mut ticket.subject);
            "X".clone_into(&mut ticket.description);
            (ticket.organization, ticket.group) = (None, None);
            account.book.place(id, now);
        }
        "system" => account.book.place(id, now),
        _ => return Err(format!("zendesk has no verb {verb:?}")),
    }
    shown(account, id)
}

/// Rows of a part of the history, in the API's shapes.
pub fn history(account: &Account, part: &str, from: usize, most: usize) -> (Vec<Value>, Option<usize>) {
    let book = &account.book;
    let origin = "http://zendesk.sandbox";
    let (rows, total): (Vec<Value>, usize) = match part {
        "tickets" => (
            book.tickets.values().skip(from).take(most).map(|one| shape::ticket(book, one, origin)).collect(),
            book.tickets.len(),
        ),
        "audits" => {
            let audits = book.audits.values().flatten();
            (
                audits.skip(from).take(most).map(shape::audit).collect(),
                book.audits.values().map(Vec::len).sum(),
            )
        }
        "users" => (
            book.users.values().skip(from).take(most).map(|one| shape::user(one, origin)).collect(),
            book.users.len(),
        ),
        "organizations" => (
            book.organizations
                .values()
                .skip(from)
                .take(most)
                .map(|one| shape::organization(one, origin))
                .collect(),
            book.organizations.len(),
        ),
        "groups" => (
            book.groups.keys().skip(from).take(most).map(|id| shape::group(book, *id, origin)).collect(),
            book.groups.len(),
        ),
        "ticket_fields" => (
            book.fields.values().skip(from).take(most).map(|one| shape::field(book, one, origin)).collect(),
            book.fields.len(),
        ),
        _ => (Vec::new(), 0),
    };
    let next = from.saturating_add(most);
    (rows, (next < total).then_some(next))
}

/// Takes tickets and audits in the shapes that `history` gives.
pub fn load(account: &mut Account, parts: &Map<String, Value>) -> Result<(), String> {
    for (part, rows) in parts {
        let rows = rows.as_array().ok_or_else(|| format!("{part} is not a list"))?;
        match part.as_str() {
            "tickets" => {
                account.book.tickets.clear();
                account.book.stream.clear();
                account.book.audits.clear();
                for row in rows {
                    let ticket = loaded(row).ok_or_else(|| format!("not a ticket: {row}"))?;
                    account.book.stream.insert((ticket.generated, ticket.id));
                    account.book.tickets.insert(ticket.id, ticket);
                }
            }
            "audits" => {
                for row in rows {
                    let audit = loaded_audit(row).ok_or_else(|| format!("not an audit: {row}"))?;
                    account.book.audits.entry(audit.ticket).or_default().push(audit);
                }
            }
            "users" | "organizations" | "groups" | "ticket_fields" => {}
            _ => return Err(format!("no part {part:?}")),
        }
    }
    Ok(())
}

fn second(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<Timestamp>().ok().map(|at| at.as_second())
}

fn loaded(row: &Value) -> Option<Ticket> {
    let word = |key: &str| row[key].as_str().map(str::to_owned);
    let created = second(&row["created_at"])?;
    let updated = second(&row["updated_at"]).unwrap_or(created);
    let fields = row["custom_fields"].as_array().into_iter().flatten();
    let status = word("status")?;
    Some(Ticket {
        id: row["id"].as_u64()?,
        subject: word("subject").unwrap_or_default(),
        description: word("description").unwrap_or_default(),
        deleted: (status == "deleted").then(|| ("open".to_owned(), updated, SYSTEM_USER)),
        status,
        priority: word("priority"),
        kind: word("type"),
        requester: number(&row["requester_id"])?,
        submitter: number(&row["submitter_id"]).unwrap_or(0),
        assignee: number(&row["assignee_id"]),
        group: number(&row["group_id"]),
        organization: number(&row["organization_id"]),
        tags: super::fields::words(&row["tags"]),
        custom: fields.filter_map(|one| Some((number(&one["id"])?, one["value"].clone()))).collect(),
        external_id: word("external_id"),
        problem: number(&row["problem_id"]),
        due_at: word("due_at"),
        via: if row["via"].is_object() { row["via"].clone() } else { via("web") },
        public: row["is_public"].as_bool().unwrap_or(true),
        created,
        updated,
        generated: row["generated_timestamp"].as_i64().filter(|at| *at > 0).unwrap_or(updated),
        ..Ticket::default()
    })
}

fn loaded_audit(row: &Value) -> Option<Audit> {
    Some(Audit {
        id: row["id"].as_u64()?,
        ticket: row["ticket_id"].as_u64()?,
        created: second(&row["created_at"])?,
        author: row["author_id"].as_i64()?,
        via: row["via"].clone(),
        custom: row["metadata"]["custom"].clone(),
        events: row["events"].as_array()?.clone(),
    })
}
