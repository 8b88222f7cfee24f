//! What common clients ask for besides tickets and people: the audits of all tickets, addresses of people, organizations
//! made and found, and lists that are empty in an account where nobody made anything of the kind.

use super::auth::Caller;
use super::reply::{Answer, Reply, bad_parameter, invalid, no_record, ok};
use super::tickets::{body, id_of};
use super::{Account, Zendesk, directory, paging, shape};
use crate::route::Call;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const FIELD: u64 = 80_000_000_003;

/// A list without entries, named after the end of its address.
pub fn none(zendesk: &Zendesk, _: &mut Account, call: &Call, _: &Caller) -> Answer {
    let name = match call.path.rsplit('/').next().unwrap_or_default() {
        "policies" => "sla_policies",
        "problems" | "incidents" => "tickets",
        "collaborators" | "followers" => "users",
        "active" => call.path.split('/').nth(3).unwrap_or_default(),
        last => last,
    };
    paging::list(call, name, &[], zendesk.small_page(), |_| Value::Null)
}

/// Of a ticket that must be there: nobody is copied in, and no incident hangs on it.
pub fn none_of_ticket(zendesk: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    account.book.living_ticket(id_of(call)?).ok_or_else(no_record)?;
    none(zendesk, account, call, caller)
}

/// The one form that every account has.
pub fn forms(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let shown = default_form(account, &call.origin());
    paging::list(call, "ticket_forms", &[super::book::FORM], zendesk.small_page(), |_| shown.clone())
}

pub fn form(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    if id_of(call)? != super::book::FORM {
        return Err(no_record());
    }
    ok(json!({ "ticket_form": default_form(account, &call.origin()) }))
}

fn default_form(account: &Account, origin: &str) -> Value {
    let (at, id) = (shape::stamp(account.book.began), super::book::FORM);
    let fields: Vec<u64> = account.book.fields.keys().copied().collect();
    json!({ "id": id, "url": format!("{origin}/api/v2/ticket_forms/{id}.json"), "name": "Default Ticket Form",
            "raw_name": "Default Ticket Form", "display_name": "Default Ticket Form", "raw_display_name": "Default Ticket Form",
            "position": 1, "active": true, "default": true, "end_user_visible": true, "in_all_brands": true,
            "restricted_brand_ids": [], "ticket_field_ids": fields, "agent_conditions": [], "end_user_conditions": [],
            "created_at": at, "updated_at": at })
}

/// The one language of the account.
pub fn locales(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let at = shape::stamp(account.book.began);
    let url = format!("{}/api/v2/locales/en-US.json", call.origin());
    let english = json!({ "id": 1, "locale": "en-US", "name": "English", "native_name": "English", "presentation_name": "English",
                          "rtl": false, "default": true, "url": url, "created_at": at, "updated_at": at });
    ok(json!({ "locales": [english] }))
}

/// The one field that organizations have here, and the one of people.
pub fn organization_fields(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    field(zendesk, account, call, ("organization_fields", "tier", "text"))
}

pub fn user_fields(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    field(zendesk, account, call, ("user_fields", "vip", "checkbox"))
}

fn field(zendesk: &Zendesk, account: &Account, call: &Call, (list, key, kind): (&str, &str, &str)) -> Answer {
    let (began, origin) = (shape::stamp(account.book.began), call.origin());
    paging::list(call, list, &[FIELD], zendesk.small_page(), |id| {
        json!({ "id": id, "url": format!("{origin}/api/v2/{list}/{id}.json"), "key": key, "type": kind,
                "title": key, "description": "", "position": 0, "active": true, "system": false,
                "regexp_for_validation": null, "created_at": began, "updated_at": began })
    })
}

/// Audits in one answer of the older paging.
const AUDITS_MAX: usize = 1_000;

/// Vendor: `GET /ticket_audits`, all audits of the account: by the common cursor, or by its own older one, which shows the
/// newest first and leads back by `before_url` (ticketing/tickets/ticket_audits).
pub fn all_audits(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let book = &account.book;
    let audits = book.living().filter_map(|ticket| book.audits.get(&ticket.id)).flatten();
    let known: BTreeMap<u64, _> = audits.map(|audit| (audit.id, audit)).collect();
    if call.query.iter().any(|(name, _)| name.starts_with("page[")) {
        let ids: Vec<u64> = known.keys().copied().collect();
        return paging::list(call, "audits", &ids, zendesk.small_page(), |id| shape::audit(known[id]));
    }
    let limit =
        call.param("limit").and_then(|text| text.parse().ok()).unwrap_or(AUDITS_MAX).clamp(1, AUDITS_MAX);
    let limit = zendesk.small_page().map_or(limit, |small| limit.min(small));
    let (newer, from) = match call.param("cursor").map(|text| text.split_once('_')) {
        None => (false, u64::MAX),
        Some(Some((side, id))) => {
            (side == "after", id.parse().map_err(|_| bad_parameter("cursor", "is not valid"))?)
        }
        Some(None) => return Err(bad_parameter("cursor", "is not valid")),
    };
    let mut page: Vec<u64> = if newer {
        known.range(from.saturating_add(1)..).map(|(id, _)| *id).take(limit).collect()
    } else {
        known.range(..from).rev().map(|(id, _)| *id).take(limit).collect()
    };
    page.sort_unstable_by(|a, b| b.cmp(a));
    let turn = |side: &str, id: Option<&u64>| id.map(|id| format!("{side}_{id}"));
    let (before, after) = (turn("before", page.last()), turn("after", page.first()));
    let url =
        |cursor: &Option<String>| cursor.as_ref().map(|cursor| paging::with(call, &[("cursor", cursor)], ""));
    ok(json!({ "audits": page.iter().map(|id| shape::audit(known[id])).collect::<Vec<_>>(),
               "before_url": url(&before), "after_url": url(&after), "before_cursor": before, "after_cursor": after }))
}

pub fn identities(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let user = account.book.users.get(&id_of(call)?).ok_or_else(no_record)?;
    let origin = call.origin();
    paging::list(call, "identities", &[user.id + 10_000_000], zendesk.small_page(), |id| {
        let at = shape::stamp(user.created);
        json!({ "id": id, "url": format!("{origin}/api/v2/users/{}/identities/{id}.json", user.id), "user_id": user.id,
                "type": "email", "value": user.email, "verified": true, "primary": true, "created_at": at, "updated_at": at })
    })
}

/// By address: changes the user who has it, or makes one.
pub fn create_or_update_user(
    zendesk: &Zendesk,
    account: &mut Account,
    call: &Call,
    caller: &Caller,
) -> Answer {
    let given = body(call, "user")?;
    let email = given.get("email").and_then(Value::as_str).unwrap_or("").to_lowercase();
    match account.book.by_email.get(&email).copied() {
        None => directory::create_user(zendesk, account, call, caller),
        Some(id) => directory::change_user(account, call, id, given),
    }
}

pub fn create_organization(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let given = body(call, "organization")?;
    let name = given.get("name").and_then(Value::as_str).unwrap_or("");
    if name.is_empty() {
        return Err(invalid("name", "Name: cannot be blank"));
    }
    if account.book.organizations.values().any(|one| one.name.eq_ignore_ascii_case(name)) {
        return Err(invalid("name", &format!("Name: {name} has already been taken")));
    }
    let id = account.book.add_organization(name, call.now.as_second());
    let one = account.book.organizations.get(&id).ok_or_else(no_record)?;
    Ok(Reply::new(201, json!({ "organization": shape::organization(one, &call.origin()) })))
}

/// By the exact name.
pub fn search_organizations(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let asked = call.param("name").or(call.param("external_id"));
    let name = asked.ok_or_else(|| bad_parameter("name", "is missing"))?.to_lowercase();
    let book = &account.book;
    let found = book.organizations.values().filter(|one| one.name.to_lowercase() == name);
    let ids: Vec<u64> = found.map(|one| one.id).collect();
    paging::list(call, "organizations", &ids, zendesk.small_page(), |id| {
        shape::organization(&book.organizations[id], &call.origin())
    })
}
