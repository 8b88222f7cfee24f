//! People, groups, organizations, fields, tags and settings over HTTP.
//! Knows parameters and envelopes; knows no tickets but to count their tags.

use super::auth::Caller;
use super::book::User;
use super::change::number;
use super::reply::{Answer, Reply, invalid, no_record, ok};
use super::tickets::{body, id_of, many};
use super::{Account, Zendesk, paging, shape};
use crate::route::Call;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub fn me(_: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    let Some(user) = caller.user.and_then(|id| account.book.users.get(&id)) else {
        return ok(shape::anonymous());
    };
    ok(json!({ "user": shape::user(user, &call.origin()) }))
}

fn people(zendesk: &Zendesk, account: &Account, call: &Call, fits: impl Fn(&User) -> bool) -> Answer {
    let ids: Vec<u64> = account.book.users.values().filter(|user| fits(user)).map(|user| user.id).collect();
    let origin = call.origin();
    paging::list(call, "users", &ids, zendesk.small_page(), |id| {
        shape::user(&account.book.users[id], &origin)
    })
}

pub fn users(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let roles: Vec<&str> = call
        .query
        .iter()
        .filter(|(name, _)| name == "role" || name == "role[]")
        .map(|(_, role)| role.as_str())
        .collect();
    people(zendesk, account, call, |user| roles.is_empty() || roles.contains(&user.role.as_str()))
}

pub fn users_of(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let id = id_of(call)?;
    people(zendesk, account, call, |user| user.organization == Some(id) || user.group == Some(id))
}

pub fn search_users(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let query = call.param("query").unwrap_or("").to_lowercase();
    let query = query.trim_start_matches("email:").trim_matches('"');
    people(zendesk, account, call, |user| {
        !query.is_empty() && (user.email == query || user.name.to_lowercase().contains(query))
    })
}

pub fn some_users(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (ids, origin) = (many(call)?, call.origin());
    let rows: Vec<Value> =
        ids.iter().filter_map(|id| Some(shape::user(account.book.users.get(id)?, &origin))).collect();
    ok(json!({ "count": rows.len(), "users": rows, "next_page": null, "previous_page": null }))
}

pub fn user(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let user = account.book.users.get(&id_of(call)?).ok_or_else(no_record)?;
    ok(json!({ "user": shape::user(user, &call.origin()) }))
}

pub fn create_user(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let given = body(call, "user")?;
    let text = |key: &str| given.get(key).and_then(Value::as_str).unwrap_or("");
    if text("name").is_empty() {
        return Err(invalid("name", "Name: is too short (minimum one character)"));
    }
    if account.book.by_email.contains_key(text("email")) {
        return Err(invalid(
            "email",
            &format!("Email: {} is already being used by another user", text("email")),
        ));
    }
    let role = if text("role").is_empty() { "end-user" } else { text("role") };
    let id = account.book.add_user(text("name"), text("email"), role, call.now.as_second());
    let user = account.book.users.get(&id).ok_or_else(no_record)?;
    let location = format!("{}/api/v2/users/{id}.json", call.origin());
    Ok(Reply::new(201, json!({ "user": shape::user(user, &call.origin()) })).with("location", location))
}

pub fn update_user(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let given = body(call, "user")?;
    change_user(account, call, id_of(call)?, given)
}

pub fn change_user(account: &mut Account, call: &Call, id: u64, given: Map<String, Value>) -> Answer {
    let user = account.book.users.get_mut(&id).ok_or_else(no_record)?;
    for (key, value) in given {
        match (key.as_str(), value.as_str()) {
            ("name", Some(name)) => user.name = name.to_owned(),
            ("role", Some(role)) => user.role = role.to_owned(),
            ("organization_id", _) => user.organization = number(&value),
            ("id" | "url" | "email" | "created_at" | "updated_at", _) => {}
            _ => drop(user.more.insert(key, value)),
        }
    }
    user.updated = call.now.as_second();
    ok(json!({ "user": shape::user(user, &call.origin()) }))
}

pub fn groups(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let ids: Vec<u64> = book.groups.keys().copied().collect();
    paging::list(call, "groups", &ids, zendesk.small_page(), |id| shape::group(book, *id, &origin))
}

pub fn group(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let id = id_of(call)?;
    account.book.groups.get(&id).ok_or_else(no_record)?;
    ok(json!({ "group": shape::group(&account.book, id, &call.origin()) }))
}

pub fn organizations(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let ids: Vec<u64> = book.organizations.keys().copied().collect();
    paging::list(call, "organizations", &ids, zendesk.small_page(), |id| {
        shape::organization(&book.organizations[id], &origin)
    })
}

pub fn some_organizations(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (ids, origin) = (many(call)?, call.origin());
    let book = &account.book;
    let rows: Vec<Value> =
        ids.iter().filter_map(|id| Some(shape::organization(book.organizations.get(id)?, &origin))).collect();
    ok(json!({ "count": rows.len(), "organizations": rows, "next_page": null, "previous_page": null }))
}

pub fn organization(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let one = account.book.organizations.get(&id_of(call)?).ok_or_else(no_record)?;
    ok(json!({ "organization": shape::organization(one, &call.origin()) }))
}

pub fn fields(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let ids: Vec<u64> = book.fields.keys().copied().collect();
    paging::list(call, "ticket_fields", &ids, zendesk.small_page(), |id| {
        shape::field(book, &book.fields[id], &origin)
    })
}

pub fn field(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let book = &account.book;
    let field = book.fields.get(&id_of(call)?).ok_or_else(no_record)?;
    ok(json!({ "ticket_field": shape::field(book, field, &call.origin()) }))
}

pub fn options(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let field = account.book.fields.get(&id_of(call)?).ok_or_else(no_record)?;
    let shown = shape::field(&account.book, field, &call.origin());
    let options = shown["custom_field_options"].as_array().cloned().unwrap_or_default();
    let ids: Vec<u64> = options.iter().filter_map(|one| one["id"].as_u64()).collect();
    paging::list(call, "custom_field_options", &ids, zendesk.small_page(), |id| {
        options.iter().find(|one| one["id"] == *id).cloned().unwrap_or_default()
    })
}

fn options_of(given: &serde_json::Map<String, Value>) -> Option<Vec<(String, String)>> {
    let list = given.get("custom_field_options")?.as_array()?;
    let pair = |one: &Value| Some((one["name"].as_str()?.to_owned(), one["value"].as_str()?.to_lowercase()));
    Some(list.iter().filter_map(pair).collect())
}

pub fn create_field(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let given = body(call, "ticket_field")?;
    let text = |key: &str| given.get(key).and_then(Value::as_str).unwrap_or("");
    if text("title").is_empty() {
        return Err(invalid("title", "Title: cannot be blank"));
    }
    let id =
        account.book.add_field(text("type"), text("title"), options_of(&given).unwrap_or_default(), false);
    change_field(account, call, id, &given, 201)
}

pub fn update_field(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (id, given) = (id_of(call)?, body(call, "ticket_field")?);
    change_field(account, call, id, &given, 200)
}

fn change_field(
    account: &mut Account,
    call: &Call,
    id: u64,
    given: &serde_json::Map<String, Value>,
    status: u16,
) -> Answer {
    let field = account.book.fields.get_mut(&id).ok_or_else(no_record)?;
    let truth = |key: &str| given.get(key).and_then(Value::as_bool);
    field.active = truth("active").unwrap_or(field.active);
    field.in_portal = truth("visible_in_portal").unwrap_or(field.in_portal);
    if let Some(title) = given.get("title").and_then(Value::as_str) {
        title.clone_into(&mut field.title);
    }
    if let Some(options) = options_of(given) {
        field.options = options;
    }
    let field = field.clone();
    Ok(Reply::new(status, json!({ "ticket_field": shape::field(&account.book, &field, &call.origin()) })))
}

pub fn delete_field(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let id = id_of(call)?;
    account.book.fields.get(&id).filter(|field| !field.system).ok_or_else(no_record)?;
    account.book.fields.remove(&id);
    Ok(Reply::new(204, Value::Null))
}

pub fn tags(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for tag in account.book.living().flat_map(|ticket| &ticket.tags) {
        *counts.entry(tag).or_default() += 1;
    }
    let list: Vec<(&str, u64)> = counts.into_iter().collect();
    let ids: Vec<u64> = (0..list.len() as u64).collect();
    paging::list(call, "tags", &ids, zendesk.small_page(), |index| {
        let (name, count) = list[*index as usize];
        json!({ "name": name, "count": count })
    })
}

pub fn settings(_: &Zendesk, _: &mut Account, call: &Call, _: &Caller) -> Answer {
    let host = call.header("host").unwrap_or("127.0.0.1");
    ok(json!({ "settings": {
        "branding": { "header_color": "03363D", "page_background_color": "333333", "tab_background_color": "03363D",
                      "text_color": "FFFFFF", "header_logo_url": null, "favicon_url": null },
        "apps": { "use": true, "create_private": false, "create_public": false },
        "tickets": { "comments_public_by_default": true, "is_first_comment_private_enabled": true, "list_newest_comments_first": true,
                     "collaboration": true, "tagging": true, "private_attachments": false, "email_attachments": true,
                     "list_empty_views": true, "maximum_personal_views_to_list": 8, "markdown_ticket_comments": false },
        "agents": { "agent_workspace": true, "agent_home": true },
        "groups": { "check_group_name_uniqueness": true },
        "localization": { "locale_ids": [1], "time_zone": "UTC", "iana_time_zone": "Etc/UTC" },
        "api": { "accepted_api_agreement": true, "api_password_access": "false", "api_token_access": "true" },
        "active_features": { "organization_access_enabled": true, "customer_satisfaction": false, "ticket_tagging": true, "ticket_forms": true, "custom_statuses_enabled": false, "user_tagging": true },
        "active_subdomain": host, "brands": { "default_brand_id": super::book::BRAND },
    }}))
}

pub fn brands(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (origin, at) = (call.origin(), shape::stamp(account.book.began));
    paging::list(call, "brands", &[super::book::BRAND], zendesk.small_page(), |id| {
        json!({ "id": id, "url": format!("{origin}/api/v2/brands/{id}.json"), "name": "Support", "brand_url": origin,
                "subdomain": "support", "host_mapping": null, "active": true, "default": true, "is_deleted": false, "logo": null,
                "has_help_center": false, "help_center_state": "disabled", "ticket_form_ids": [super::book::FORM],
                "signature_template": "{{agent.signature}}", "created_at": at, "updated_at": at })
    })
}

pub fn custom_statuses(_: &Zendesk, _: &mut Account, _: &Call, _: &Caller) -> Answer {
    let words = ["new", "open", "pending", "hold", "solved"];
    let rows = words.iter().enumerate().map(|(index, word)| {
        json!({ "id": 81_000_000_001_u64 + index as u64, "status_category": word, "agent_label": word,
                "end_user_label": word, "active": true, "default": true })
    });
    ok(json!({ "custom_statuses": rows.collect::<Vec<_>>() }))
}
