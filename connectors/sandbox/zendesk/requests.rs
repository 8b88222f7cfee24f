//! Tickets as their requesters see them: `requests`, with public comments only.
//! Knows what is hidden from customers; knows no updates.

use super::auth::Caller;
use super::book::{Book, Ticket};
use super::reply::{Answer, no_record, ok};
use super::tickets::id_of;
use super::{Account, Zendesk, paging, shape};
use crate::route::Call;
use serde_json::{Value, json};

fn shown(book: &Book, ticket: &Ticket, origin: &str) -> Value {
    let whole = shape::ticket(book, ticket, origin);
    let kept = [
        "id",
        "status",
        "priority",
        "type",
        "subject",
        "description",
        "organization_id",
        "via",
        "custom_fields",
        "fields",
        "requester_id",
        "collaborator_ids",
        "email_cc_ids",
        "is_public",
        "due_at",
        "assignee_id",
        "created_at",
        "updated_at",
        "recipient",
        "ticket_form_id",
        "group_id",
        "custom_status_id",
    ];
    let mut request: serde_json::Map<String, Value> =
        kept.iter().map(|key| ((*key).to_owned(), whole[*key].clone())).collect();
    let solved = matches!(ticket.status.as_str(), "solved" | "closed");
    request.insert("url".to_owned(), json!(format!("{origin}/api/v2/requests/{}.json", ticket.id)));
    request.insert("can_be_solved_by_me".to_owned(), json!(false));
    request.insert("solved".to_owned(), json!(solved));
    request.insert("followup_source_id".to_owned(), Value::Null);
    Value::Object(request)
}

fn listed(zendesk: &Zendesk, account: &Account, call: &Call, fits: impl Fn(&Ticket) -> bool) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let ids: Vec<u64> = book.living().filter(|one| one.public && fits(one)).map(|one| one.id).collect();
    paging::list(call, "requests", &ids, zendesk.small_page(), |id| shown(book, &book.tickets[id], &origin))
}

/// The caller's own.
pub fn own(zendesk: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    listed(zendesk, account, call, |one| Some(one.requester) == caller.user)
}

pub fn of_user(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let id = id_of(call)?;
    listed(zendesk, account, call, |one| one.requester == id)
}

pub fn of_organization(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let id = id_of(call)?;
    listed(zendesk, account, call, |one| one.organization == Some(id))
}

pub fn request(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let ticket = account.book.living_ticket(id_of(call)?).ok_or_else(no_record)?;
    ok(json!({ "request": shown(&account.book, ticket, &call.origin()) }))
}

pub fn comments(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, id, origin) = (&account.book, id_of(call)?, call.origin());
    book.living_ticket(id).ok_or_else(no_record)?;
    let public: std::collections::BTreeMap<u64, Value> = book
        .comments(id)
        .filter(|(_, one)| one["public"] == true)
        .filter_map(|(audit, one)| Some((one["id"].as_u64()?, shape::comment(audit, one))))
        .collect();
    let ids: Vec<u64> = public.keys().copied().collect();
    paging::list(call, "comments", &ids, zendesk.small_page(), |one| {
        let mut comment = public[one].clone();
        comment["request_id"] = json!(id);
        comment["url"] = json!(format!("{origin}/api/v2/requests/{id}/comments/{one}.json"));
        comment
    })
}
