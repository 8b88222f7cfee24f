//! Who belongs where, and what hangs on a person or an organization: memberships, counts, tags.
//! Knows people, groups and organizations; knows tickets only to count them.

use super::auth::Caller;
use super::book::User;
use super::reply::{Answer, no_record, ok};
use super::tickets::{body, id_of, page};
use super::{Account, Zendesk, paging, shape};
use crate::route::Call;
use serde_json::{Value, json};

const IN_GROUP: u64 = 5_000_000;
const IN_ORGANIZATION: u64 = 6_000_000;

/// Group memberships, and of which user or group the path asks.
pub fn in_groups(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let group_of = |user: &User| user.group;
    members(zendesk, account, call, ("group_memberships", "group_id", IN_GROUP), group_of)
}

pub fn in_organizations(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let organization_of = |user: &User| user.organization;
    members(
        zendesk,
        account,
        call,
        ("organization_memberships", "organization_id", IN_ORGANIZATION),
        organization_of,
    )
}

fn members(
    zendesk: &Zendesk,
    account: &Account,
    call: &Call,
    (list, key, offset): (&str, &str, u64),
    place_of: impl Fn(&User) -> Option<u64>,
) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let asked = id_of(call).ok();
    let of_users = call.path.starts_with("/api/v2/users/");
    let fits = |user: &&User| {
        let (Some(place), Some(asked)) = (place_of(user), asked) else { return place_of(user).is_some() };
        asked == if of_users { user.id } else { place }
    };
    let ids: Vec<u64> = book.users.values().filter(fits).map(|user| user.id).collect();
    paging::list(call, list, &ids, zendesk.small_page(), |id| {
        let (user, at) = (&book.users[id], shape::stamp(book.began));
        let mut row = json!({ "id": id + offset, "url": format!("{origin}/api/v2/{list}/{}.json", id + offset),
                              "user_id": id, "default": true, "created_at": at, "updated_at": at });
        row[key] = json!(place_of(user));
        if let Some(organization) =
            user.organization.and_then(|id| book.organizations.get(&id)).filter(|_| offset == IN_ORGANIZATION)
        {
            row["organization_name"] = json!(organization.name);
            row["view_tickets"] = json!(true);
        }
        row
    })
}

pub fn groups_of(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let ids: Vec<u64> = book.users.get(&id_of(call)?).ok_or_else(no_record)?.group.into_iter().collect();
    paging::list(call, "groups", &ids, zendesk.small_page(), |id| shape::group(book, *id, &origin))
}

pub fn organizations_of(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let user = book.users.get(&id_of(call)?).ok_or_else(no_record)?;
    let ids: Vec<u64> =
        user.organization.into_iter().filter(|id| book.organizations.contains_key(id)).collect();
    paging::list(call, "organizations", &ids, zendesk.small_page(), |id| {
        shape::organization(&book.organizations[id], &origin)
    })
}

pub fn user_related(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, id) = (&account.book, id_of(call)?);
    book.users.get(&id).ok_or_else(no_record)?;
    let count = |fits: &dyn Fn(&super::book::Ticket) -> bool| book.living().filter(|one| fits(one)).count();
    ok(json!({ "user_related": {
        "assigned_tickets": count(&|one| one.assignee == Some(id)), "requested_tickets": count(&|one| one.requester == id),
        "ccd_tickets": count(&|one| one.collaborators.contains(&id)), "organization_subscriptions": 0,
    }}))
}

pub fn organization_related(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, id) = (&account.book, id_of(call)?);
    book.organizations.get(&id).ok_or_else(no_record)?;
    let tickets = book.living().filter(|one| one.organization == Some(id)).count();
    let users = book.users.values().filter(|user| user.organization == Some(id)).count();
    ok(json!({ "organization_related": { "tickets_count": tickets, "users_count": users } }))
}

/// Tickets that a user is copied in on.
pub fn copied(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let id = id_of(call)?;
    let of = |one: &&super::book::Ticket| one.collaborators.contains(&id);
    let ids: Vec<u64> = account.book.living().filter(of).map(|one| one.id).collect();
    page(zendesk, call, account, &ids)
}

/// Nobody gave people or organizations tags here.
pub fn no_tags(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, id) = (&account.book, id_of(call)?);
    let known = book.users.contains_key(&id) || book.organizations.contains_key(&id);
    if known { ok(json!({ "tags": [] })) } else { Err(no_record()) }
}

/// Changes an organization's name and tier; other keys are read and not kept.
pub fn update_organization(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (id, given) = (id_of(call)?, body(call, "organization")?);
    let one = account.book.organizations.get_mut(&id).ok_or_else(no_record)?;
    if let Some(name) = given.get("name").and_then(Value::as_str) {
        name.clone_into(&mut one.name);
    }
    if let Some(tier) = given.get("organization_fields").and_then(|fields| fields["tier"].as_str()) {
        tier.clone_into(&mut one.tier);
    }
    ok(json!({ "organization": shape::organization(one, &call.origin()) }))
}

/// Organizations whose name begins so, at least two letters.
pub fn autocomplete(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let begun = call.param("name").unwrap_or("").to_lowercase();
    let found = book.organizations.values().filter(|one| one.name.to_lowercase().starts_with(&begun));
    let ids: Vec<u64> = found.map(|one| one.id).collect();
    paging::list(call, "organizations", &ids, zendesk.small_page(), |id| {
        shape::organization(&book.organizations[id], &origin)
    })
}

pub fn count(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let book = &account.book;
    let value = match call.path.trim_start_matches("/api/v2/").split('/').next() {
        Some("users") => book.users.len(),
        Some("groups") => book.groups.len(),
        _ => book.organizations.len(),
    };
    ok(json!({ "count": { "value": value, "refreshed_at": shape::stamp(call.now.as_second()) } }))
}
