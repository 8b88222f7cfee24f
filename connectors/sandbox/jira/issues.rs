//! Issues: read, create, edit whole or not at all, transitions, assignment, links.

use super::ask::{Answer, Ask};
use super::errors;
use super::fields::{self, Refusals};
use super::issue::{Change, Link};
use super::render::Wanted;
use super::search::listed;
use super::site::{self, Flavour};
use crate::route::json as answer;
use axum::response::Response;
use serde_json::{Map, Value, json};

fn refused(refusals: Refusals) -> Response {
    answer(400, &json!({ "errorMessages": [], "errors": refusals }))
}

pub fn get(ask: &mut Ask<'_>) -> Answer {
    let issue = ask.issue()?;
    let wanted = Wanted::new(&listed(ask, "fields"), "*all");
    Ok(errors::ok(&ask.look().issue(issue, &wanted, &listed(ask, "expand"), &listed(ask, "properties"))))
}

pub fn create(ask: &mut Ask<'_>) -> Answer {
    let body = ask.body()?;
    let given = body.get("fields").and_then(Value::as_object).cloned().ok_or_else(errors::payload)?;
    let project = given.get("project").map(|value| fields::set(ask.site, "project", value, false));
    let Some(Ok(Change::Project(project))) = project else {
        return Err(errors::field("project", "Specify a valid project ID or key"));
    };
    let Some(kind) = given.get("issuetype").and_then(|value| fields::word(site::TYPES, value)) else {
        return Err(errors::field("issuetype", "Specify an issue type"));
    };
    let (user, now) = (ask.user, ask.call.now);
    let mut issue = fields::blank(ask.site, project, user, now);
    issue.kind = kind;
    let mut rest: Map<String, Value> = given;
    rest.retain(|name, _| !matches!(name.as_str(), "project" | "issuetype" | "reporter"));
    rest.entry("summary").or_insert(Value::Null);
    let mut edit = Map::new();
    edit.insert("fields".to_owned(), Value::Object(rest));
    let changes = fields::changes(ask.site, &issue, &edit, ask.documents).map_err(refused)?;
    let id = issue.id;
    let shown = json!({ "id": id.to_string(), "key": ask.site.key(&issue), "self": format!("{}/issue/{id}", ask.base) });
    ask.jira.insert(ask.site, issue, &changes, now);
    Ok(answer(201, &shown))
}

pub fn edit(ask: &mut Ask<'_>) -> Answer {
    const KNOWN: &[&str] = &["fields", "update", "properties", "historyMetadata", "transition"];
    let body = ask.body()?;
    let issue = ask.issue()?;
    let id = issue.id;
    if body.keys().any(|key| !KNOWN.contains(&key.as_str())) {
        return Err(errors::payload());
    }
    if ["overrideScreenSecurity", "overrideEditableFlag"]
        .iter()
        .any(|name| ask.call.param(name) == Some("true"))
    {
        return Err(errors::forbidden());
    }
    if ask.site.is_read_only(issue) {
        return Err(refused(fields::all_off_screen(&body)));
    }
    let changes = fields::changes(ask.site, issue, &body, ask.documents).map_err(refused)?;
    let properties = properties(&body)?;
    let added = super::children::comments_in(ask, &body)?;
    ask.jira.may_write(ask.site, id, ask.call.now)?;
    ask.change(id, &changes, body.get("historyMetadata").cloned());
    for comment in added {
        ask.jira.comment(ask.site, id, comment, ask.call.now);
    }
    if let Some(issue) = ask.site.issues.get_mut(&id) {
        issue.properties.extend(properties);
    }
    if ask.call.param("returnIssue") == Some("true") && ask.site.flavour == Flavour::Cloud {
        let (issue, wanted) = (ask.issue()?, Wanted::new(&[], "*all"));
        return Ok(errors::ok(&ask.look().issue(issue, &wanted, &listed(ask, "expand"), &[])));
    }
    Ok(errors::nothing())
}

/// Properties that come with an edit.
fn properties(body: &Map<String, Value>) -> Result<Vec<(String, Value)>, Response> {
    let list = match body.get("properties") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(list) => list.as_array().ok_or_else(errors::payload)?,
    };
    let entry = |entry: &Value| {
        let key = entry.get("key").and_then(Value::as_str).ok_or_else(errors::payload)?;
        Ok((key.to_owned(), entry.get("value").cloned().unwrap_or(Value::Null)))
    };
    list.iter().map(entry).collect()
}

pub fn delete(ask: &mut Ask<'_>) -> Answer {
    let id = ask.issue_id()?;
    if !ask.is_admin() {
        return Err(errors::messages(403, "You do not have permission to delete issues in this project."));
    }
    ask.jira.delete(ask.site, id, ask.user, ask.call.now);
    Ok(errors::nothing())
}

pub fn assign(ask: &mut Ask<'_>) -> Answer {
    let id = ask.issue_id()?;
    let body = Value::Object(ask.body()?);
    let change = fields::assignee(ask.site, &body).map_err(|text| errors::field("assignee", &text))?;
    ask.change(id, &[change], None);
    Ok(errors::nothing())
}

pub fn transitions(ask: &mut Ask<'_>) -> Answer {
    let list = ask.look().transitions(ask.issue()?);
    Ok(errors::ok(&json!({ "expand": "transitions", "transitions": list })))
}

pub fn transition(ask: &mut Ask<'_>) -> Answer {
    let body = ask.body()?;
    let issue = ask.issue()?;
    let id = issue.id;
    let told = body.get("transition").and_then(|transition| transition.get("id"));
    let Some(told) = told.map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned)) else {
        return Err(errors::messages(400, "Missing 'transition' identifier"));
    };
    let Some((.., to)) = site::TRANSITIONS.iter().find(|(id, ..)| *id == told) else {
        let text = format!("Transition id '{told}' is not valid for this issue.");
        return Err(errors::messages(400, &text));
    };
    let mut changes = vec![Change::Status(*to)];
    changes.extend(fields::changes(ask.site, issue, &body, ask.documents).map_err(refused)?);
    let added = super::children::comments_in(ask, &body)?;
    ask.change(id, &changes, None);
    for comment in added {
        ask.jira.comment(ask.site, id, comment, ask.call.now);
    }
    Ok(errors::nothing())
}

/// The fields of the edit screen.
pub fn edit_meta(ask: &mut Ask<'_>) -> Answer {
    if ask.site.is_read_only(ask.issue()?) {
        return Ok(errors::ok(&json!({ "fields": {} })));
    }
    let on_screen = ["summary", "description", "priority", "assignee", "components", "duedate", "labels"];
    let off = ask.site.switches.labels_off_screen;
    let mut fields = Map::new();
    for (id, name, kind) in site::SYSTEM_FIELDS.iter().filter(|(id, ..)| on_screen.contains(id)) {
        if !(off && *id == "labels") {
            let operations = if *kind == "array" { json!(["add", "set", "remove"]) } else { json!(["set"]) };
            let schema = json!({ "type": kind, "system": id });
            let shown = json!({ "required": *id == "summary", "schema": schema, "name": name, "key": id, "operations": operations });
            fields.insert((*id).to_owned(), shown);
        }
    }
    Ok(errors::ok(&json!({ "fields": fields })))
}

/// Vendor: a duplicate is answered as created, and no id is told.
pub fn link(ask: &mut Ask<'_>) -> Answer {
    let body = ask.body()?;
    let end = |name: &str| {
        let told = body.get(name)?;
        let text = told.get("key").or_else(|| told.get("id"))?.as_str()?.to_owned();
        Some(ask.site.visible(&text, ask.user)?.id)
    };
    let (Some(inward), Some(outward)) = (end("inwardIssue"), end("outwardIssue")) else {
        return Err(errors::no_issue());
    };
    let known =
        ask.site.issues.get(&inward).is_some_and(|issue| issue.links.iter().any(|link| link.to == outward));
    if !known {
        let id = ask.site.next_id();
        for (from, to, outward) in [(inward, outward, true), (outward, inward, false)] {
            if let Some(issue) = ask.site.issues.get_mut(&from) {
                issue.links.push(Link { id, to, outward });
            }
            ask.jira.touch(ask.site, from, ask.call.now);
        }
    }
    Ok(crate::route::plain(axum::http::StatusCode::CREATED, "application/json;charset=UTF-8", ""))
}

pub fn link_types(_: &mut Ask<'_>) -> Answer {
    let kind = json!({ "id": "10003", "name": "Relates", "inward": "relates to", "outward": "relates to" });
    Ok(errors::ok(&json!({ "issueLinkTypes": [kind] })))
}

pub fn remote_links(ask: &mut Ask<'_>) -> Answer {
    let issue = ask.issue()?;
    if let Some(wanted) = ask.call.param("globalId") {
        let found = issue
            .remote_links
            .iter()
            .find(|link| link.get("globalId").and_then(Value::as_str) == Some(wanted));
        return found
            .map(errors::ok)
            .ok_or_else(|| errors::messages(404, "The remote issue link does not exist."));
    }
    Ok(errors::ok(&json!(issue.remote_links)))
}

/// Upsert by `globalId`; fields left out are nulled.
pub fn put_remote_link(ask: &mut Ask<'_>) -> Answer {
    let body = ask.body()?;
    let id = ask.issue_id()?;
    if body.get("object").and_then(|object| object.get("title")).and_then(Value::as_str).is_none() {
        return Err(errors::field("title", "'title' is required."));
    }
    let global = body.get("globalId").cloned().unwrap_or(Value::Null);
    let number = ask.site.next_id();
    let base = format!("{}/issue/{id}/remotelink", ask.base);
    let Some(issue) = ask.site.issues.get_mut(&id) else { return Err(errors::no_issue()) };
    let known =
        issue.remote_links.iter().position(|link| !global.is_null() && link.get("globalId") == Some(&global));
    let number = known.and_then(|at| issue.remote_links[at].get("id")?.as_u64()).unwrap_or(number);
    let link = json!({
        "id": number, "self": format!("{base}/{number}"), "globalId": global,
        "application": body.get("application"), "relationship": body.get("relationship"), "object": body.get("object"),
    });
    match known {
        Some(at) => issue.remote_links[at] = link,
        None => issue.remote_links.push(link),
    }
    let status = if known.is_some() { 200 } else { 201 };
    Ok(answer(status, &json!({ "id": number, "self": format!("{base}/{number}") })))
}

pub fn delete_remote_link(ask: &mut Ask<'_>) -> Answer {
    let id = ask.issue_id()?;
    let Some(wanted) = ask.call.param("globalId").map(str::to_owned) else { return Err(errors::payload()) };
    let Some(issue) = ask.site.issues.get_mut(&id) else { return Err(errors::no_issue()) };
    let before = issue.remote_links.len();
    issue.remote_links.retain(|link| link.get("globalId").and_then(Value::as_str) != Some(wanted.as_str()));
    if issue.remote_links.len() == before {
        return Err(errors::messages(404, "The remote issue link does not exist."));
    }
    Ok(errors::nothing())
}
