//! Views: the two that every account begins with, their tickets and counts.
//! Knows what a view shows; knows no conditions that an admin would write.

use super::auth::Caller;
use super::book::{Book, Ticket};
use super::reply::{Answer, no_record, ok};
use super::tickets::{id_of, many, page};
use super::{Account, Zendesk, paging, shape};
use crate::route::Call;
use serde_json::{Value, json};

const UNSOLVED: u64 = 91_000_000_001;
const SOLVED: u64 = 91_000_000_002;
const VIEWS: [(u64, &str, &str); 2] =
    [(UNSOLVED, "All unsolved tickets", "less_than"), (SOLVED, "Recently solved tickets", "is")];
const COLUMNS: [(&str, &str); 4] =
    [("status", "Status"), ("subject", "Subject"), ("requester", "Requester"), ("created", "Requested")];

fn shown(book: &Book, id: u64, origin: &str) -> Option<Value> {
    let place = VIEWS.iter().position(|(known, ..)| *known == id)?;
    let (_, title, operator) = VIEWS[place];
    let at = shape::stamp(book.began);
    let columns: Vec<Value> = COLUMNS.iter().map(|(id, title)| json!({ "id": id, "title": title })).collect();
    Some(json!({
        "url": format!("{origin}/api/v2/views/{id}.json"), "id": id, "title": title, "raw_title": title, "active": true,
        "default": false, "position": place, "description": null, "created_at": at, "updated_at": at, "restriction": null,
        "watchable": true, "conditions": { "all": [{ "field": "status", "operator": operator, "value": "solved" }], "any": [] },
        "execution": { "group_by": null, "group_order": null, "sort_by": "nice_id", "sort_order": "desc", "group": null,
                       "sort": { "id": "ticket_id", "title": "ID", "order": "desc" }, "columns": columns, "fields": columns,
                       "custom_fields": [] },
    }))
}

fn fits(id: u64, ticket: &Ticket) -> bool {
    let open = !matches!(ticket.status.as_str(), "solved" | "closed");
    if id == UNSOLVED { open } else { ticket.status == "solved" }
}

fn tickets_of(book: &Book, id: u64) -> Result<Vec<u64>, super::reply::Reply> {
    VIEWS.iter().find(|(known, ..)| *known == id).ok_or_else(no_record)?;
    Ok(book.living().rev().filter(|ticket| fits(id, ticket)).map(|ticket| ticket.id).collect())
}

pub fn list(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let ids = VIEWS.map(|(id, ..)| id);
    paging::list(call, "views", &ids, zendesk.small_page(), |id| {
        shown(book, *id, &origin).unwrap_or_default()
    })
}

pub fn view(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    ok(json!({ "view": shown(&account.book, id_of(call)?, &call.origin()).ok_or_else(no_record)? }))
}

pub fn tickets(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let ids = tickets_of(&account.book, id_of(call)?)?;
    page(zendesk, call, account, &ids)
}

pub fn execute(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin, id) = (&account.book, call.origin(), id_of(call)?);
    let ids = tickets_of(book, id)?;
    let mut cut = paging::cut(call, &ids, zendesk.small_page())?;
    let row = |id: &u64| {
        let ticket = book.tickets.get(id)?;
        let shown = json!({ "id": id, "subject": ticket.subject, "description": ticket.description, "status": ticket.status,
                            "priority": ticket.priority, "type": ticket.kind,
                            "url": format!("{origin}/api/v2/tickets/{id}.json"), "last_comment": null });
        Some(json!({ "ticket_id": id, "ticket": shown, "status": ticket.status, "subject": ticket.subject,
                     "requester_id": ticket.requester, "created": shape::stamp(ticket.created) }))
    };
    cut.frame.insert("rows".to_owned(), cut.ids.iter().filter_map(row).collect());
    let whole = shown(book, id, &origin).ok_or_else(no_record)?;
    cut.frame.insert("columns".to_owned(), whole["execution"]["columns"].clone());
    cut.frame.insert("view".to_owned(), json!({ "id": id, "url": whole["url"] }));
    shape::side_loads(book, "users,groups,organizations", &cut.ids, &origin, &mut cut.frame);
    ok(Value::Object(cut.frame))
}

fn counted(book: &Book, id: u64, origin: &str) -> Result<Value, super::reply::Reply> {
    let value = tickets_of(book, id)?.len();
    Ok(json!({ "url": format!("{origin}/api/v2/views/{id}/count.json"), "view_id": id, "value": value,
               "pretty": value.to_string(), "fresh": true, "active": true, "refresh": "poll" }))
}

pub fn count(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    ok(json!({ "view_count": counted(&account.book, id_of(call)?, &call.origin())? }))
}

pub fn counts(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let counts: Vec<Value> =
        many(call)?.into_iter().filter_map(|id| counted(book, id, &origin).ok()).collect();
    ok(json!({ "view_counts": counts }))
}
