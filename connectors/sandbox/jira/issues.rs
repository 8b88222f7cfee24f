//! Issues: read, create, edit whole or not at all, transitions, assignment, links.

use super::ask::{Answer, Ask};
use super::errors;
use super::fields::{self, Refusals};
use super::issue::Change;
use super::render::Wanted;
use super::search::listed;
use super::site::{self, Flavour};
use crate::route::json as answer;
use axum::response::Response;
use serde_json::{Map, Value, json};

/// Issues that one request makes.
const CREATE_MAX: usize = 50;

fn refused(refusals: Refusals) -> Response {
    errors::refusal(400, json!({ "errorMessages": [], "errors": refusals }))
}

pub fn get(ask: &mut Ask<'_>) -> Answer {
    let issue = ask.issue()?;
    let wanted = Wanted::new(&listed(ask, "fields"), "*all");
    Ok(errors::ok(&ask.look().issue(issue, &wanted, &listed(ask, "expand"), &listed(ask, "properties"))))
}

pub fn create(ask: &mut Ask<'_>) -> Answer {
    let body = ask.body()?;
    Ok(answer(201, &create_one(ask, &body)?))
}

/// Vendor: each for itself; those refused are told beside those made.
pub fn create_many(ask: &mut Ask<'_>) -> Answer {
    let body = ask.body()?;
    let wanted = body.get("issueUpdates").and_then(Value::as_array).ok_or_else(errors::payload)?;
    if wanted.is_empty() || wanted.len() > CREATE_MAX {
        return Err(errors::messages(400, "Between 1 and 50 issues can be created at once."));
    }
    let (mut made, mut refused) = (Vec::new(), Vec::new());
    for (at, one) in wanted.iter().enumerate() {
        match create_one(ask, one.as_object().unwrap_or(&Map::new())) {
            Ok(shown) => made.push(shown),
            Err(refusal) => {
                let errors = refusal.extensions().get::<errors::Told>().map(|told| told.0.clone());
                refused.push(json!({ "status": 400, "elementErrors": errors, "failedElementNumber": at }));
            }
        }
    }
    let status = if made.is_empty() { 400 } else { 201 };
    Ok(answer(status, &json!({ "issues": made, "errors": refused })))
}

pub fn create_one(ask: &mut Ask<'_>, body: &Map<String, Value>) -> Result<Value, Response> {
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
    Ok(shown)
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
