//! What hangs on an issue: comments, changelog, properties.

use super::ask::{Answer, Ask};
use super::errors;
use super::issue::{Body, Comment};
use super::search::listed;
use super::site::Flavour;
use crate::route::json as answer;
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Vendor: characters of a property's value, and of its key.
const PROPERTY_MAX: usize = 32_768;
const KEY_MAX: usize = 255;
const COMMENTS_MAX: usize = 5_000;

/// A comment before it has its place.
pub struct NewComment {
    pub author: usize,
    pub body: Body,
    pub internal: bool,
    pub visibility: Option<Value>,
    pub properties: BTreeMap<String, Value>,
}

pub fn comments(ask: &mut Ask<'_>) -> Answer {
    let issue = ask.issue()?;
    let (start, max) = ask.paging(if ask.site.flavour == Flavour::Cloud { 100 } else { 1_048_576 }, 5_000);
    let max = if ask.site.flavour == Flavour::Cloud { max.min(100) } else { max };
    let max = if ask.jira.stage.faults.hostile() { max.min(7) } else { max };
    let mut list: Vec<&Comment> = issue.comments.iter().collect();
    match ask.call.param("orderBy") {
        None | Some("created" | "+created" | " created") => {}
        Some("-created") => list.reverse(),
        Some(other) => {
            return Err(errors::messages(400, &format!("The value '{other}' is not valid for orderBy.")));
        }
    }
    let (look, with_properties) = (ask.look(), listed(ask, "expand").iter().any(|name| name == "properties"));
    let page = list.iter().skip(start).take(max);
    let shown: Vec<Value> = page
        .map(|comment| match with_properties {
            true => look.comment_with_properties(issue, comment),
            false => look.comment(issue, comment),
        })
        .collect();
    Ok(errors::ok(&json!({ "startAt": start, "maxResults": max, "total": list.len(), "comments": shown })))
}

fn which<'a>(ask: &'a Ask<'_>) -> Result<(&'a super::issue::Issue, &'a Comment), Response> {
    let issue = ask.issue()?;
    let wanted = ask.call.capture("comment");
    let found = issue.comments.iter().find(|comment| comment.id.to_string() == wanted);
    found
        .map(|comment| (issue, comment))
        .ok_or_else(|| errors::messages(404, &format!("Can not find a comment for the id: {wanted}.")))
}

pub fn comment(ask: &mut Ask<'_>) -> Answer {
    let (issue, comment) = which(ask)?;
    Ok(errors::ok(&ask.look().comment(issue, comment)))
}

pub fn add_comment(ask: &mut Ask<'_>) -> Answer {
    let body = ask.body()?;
    let issue = ask.issue()?;
    let (id, count) = (issue.id, issue.comments.len());
    if count >= COMMENTS_MAX {
        return Err(errors::messages(413, "The issue has reached its limit of comments."));
    }
    let new = read(ask, id, &body)?;
    ask.jira.may_write(ask.site, id, ask.call.now)?;
    let made = ask.jira.comment(ask.site, id, new, ask.call.now);
    let issue = ask.site.issues.get(&id).ok_or_else(errors::no_issue)?;
    let comment = issue.comments.iter().find(|comment| comment.id == made).ok_or_else(errors::no_issue)?;
    Ok(answer(201, &ask.look().comment(issue, comment)))
}

/// A comment from a body.
fn read(ask: &Ask<'_>, id: u64, body: &Map<String, Value>) -> Result<NewComment, Response> {
    const KNOWN: &[&str] = &["body", "visibility", "properties", "public", "jsdPublic", "author"];
    if body.keys().any(|key| !KNOWN.contains(&key.as_str())) {
        return Err(errors::payload());
    }
    let text = body.get("body").and_then(|body| Body::read(body, ask.documents));
    let Some(text) = text.filter(|text| !text.text().trim().is_empty()) else {
        return Err(errors::field("comment", "Comment body is not valid!"));
    };
    let mut properties = BTreeMap::new();
    for entry in body.get("properties").and_then(Value::as_array).into_iter().flatten() {
        let key = entry.get("key").and_then(Value::as_str).ok_or_else(errors::payload)?;
        properties.insert(key.to_owned(), entry.get("value").cloned().unwrap_or(Value::Null));
    }
    let desk =
        ask.site.issues.get(&id).is_some_and(|issue| ask.site.projects[issue.project].kind == "service_desk");
    let visibility = body.get("visibility").filter(|value| !value.is_null()).cloned();
    if let Some(visibility) = &visibility
        && !matches!(visibility.get("type").and_then(Value::as_str), Some("role" | "group"))
    {
        return Err(errors::field("commentLevel", "Invalid comment level type"));
    }
    Ok(NewComment {
        author: ask.user,
        body: text,
        internal: desk && is_internal(&properties),
        visibility,
        properties,
    })
}

fn is_internal(properties: &BTreeMap<String, Value>) -> bool {
    let flag = properties.get("sd.public.comment").and_then(|value| value.get("internal"));
    flag.is_some_and(|flag| flag.as_bool() == Some(true) || flag.as_str() == Some("true"))
}

/// Comments that an edit or a transition brings in `update.comment`.
pub fn comments_in(ask: &Ask<'_>, body: &Map<String, Value>) -> Result<Vec<NewComment>, Response> {
    let id = ask.issue_id()?;
    let operations = body.get("update").and_then(|update| update.get("comment")).and_then(Value::as_array);
    let one = |operation: &Value| match operation.get("add").and_then(Value::as_object) {
        Some(body) => read(ask, id, body),
        None => Err(errors::field("comment", "Only 'add' is supported.")),
    };
    operations.into_iter().flatten().map(one).collect()
}

pub fn edit_comment(ask: &mut Ask<'_>) -> Answer {
    let body = ask.body()?;
    let (issue, comment) = which(ask)?;
    let (id, wanted) = (issue.id, comment.id);
    let new = read(ask, id, &body)?;
    let now = ask.call.now;
    let at = ask.jira.touch(ask.site, id, now);
    let sends_properties = body.contains_key("properties");
    if let Some(comment) = ask
        .site
        .issues
        .get_mut(&id)
        .and_then(|issue| issue.comments.iter_mut().find(|comment| comment.id == wanted))
    {
        comment.body = new.body;
        comment.updated = at;
        comment.visibility = new.visibility.or(comment.visibility.take());
        if sends_properties {
            (comment.internal, comment.properties) = (new.internal, new.properties);
        }
    }
    ask.jira.ring_comment(ask.site, "comment_updated", (id, wanted), ask.user, at);
    let (issue, comment) = which(ask)?;
    Ok(errors::ok(&ask.look().comment(issue, comment)))
}

pub fn delete_comment(ask: &mut Ask<'_>) -> Answer {
    let (issue, comment) = which(ask)?;
    let (id, wanted, author) = (issue.id, comment.id, comment.author);
    if author != ask.user && !ask.is_admin() {
        return Err(errors::messages(400, "You do not have permission to delete this comment."));
    }
    ask.jira.ring_comment(ask.site, "comment_deleted", (id, wanted), ask.user, ask.call.now);
    if let Some(issue) = ask.site.issues.get_mut(&id) {
        issue.comments.retain(|comment| comment.id != wanted);
    }
    ask.jira.touch(ask.site, id, ask.call.now);
    Ok(errors::nothing())
}

/// Oldest first.
pub fn changelog(ask: &mut Ask<'_>) -> Answer {
    let issue = ask.issue()?;
    let (start, max) = ask.paging(100, 100);
    let look = ask.look();
    let total = issue.histories.len();
    let page: Vec<Value> =
        issue.histories.iter().skip(start).take(max).map(|history| look.history(history)).collect();
    let own = format!("{}/issue/{}/changelog", ask.base, issue.id);
    let last = start + page.len() >= total;
    let mut shown = json!({
        "self": format!("{own}?startAt={start}&maxResults={max}"), "maxResults": max, "startAt": start,
        "total": total, "isLast": last, "values": page,
    });
    if !last {
        shown["nextPage"] = json!(format!("{own}?startAt={}&maxResults={max}", start + max));
    }
    Ok(errors::ok(&shown))
}

/// Sorted by date, then issue; one issue's histories may go on in the next page.
pub fn bulk_changelog(ask: &mut Ask<'_>) -> Answer {
    const KNOWN: &[&str] = &["issueIdsOrKeys", "fieldIds", "maxResults", "nextPageToken"];
    let body = ask.body()?;
    if body.keys().any(|key| !KNOWN.contains(&key.as_str())) {
        return Err(errors::payload());
    }
    let texts = |name: &str| -> Vec<String> {
        let list = body.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        list.iter().filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
    };
    let (named, only) = (texts("issueIdsOrKeys"), texts("fieldIds"));
    let max = body.get("maxResults").and_then(Value::as_u64).unwrap_or(1_000);
    if named.is_empty() || named.len() > 1_000 || only.len() > 10 || !(1..=10_000).contains(&max) {
        return Err(errors::payload());
    }
    let max = if ask.jira.stage.faults.hostile() { max.min(40) } else { max };
    let start: usize = match body.get("nextPageToken").and_then(Value::as_str) {
        None => 0,
        Some(token) => token
            .strip_prefix("Ux")
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| errors::messages(400, "The provided next page token is invalid or expired."))?,
    };
    let look = ask.look();
    let mut all = Vec::new();
    for issue in named.iter().filter_map(|id| ask.site.visible(id, ask.user)) {
        let wanted = |history: &&super::issue::History| {
            only.is_empty() || history.items.iter().any(|item| only.contains(&item.field_id))
        };
        all.extend(issue.histories.iter().filter(wanted).map(|history| (history.created, issue.id, history)));
    }
    all.sort_by_key(|(at, id, history)| (*at, *id, history.id));
    all.dedup_by_key(|(_, _, history)| history.id);
    let total = all.len();
    let page = all.into_iter().skip(start).take(usize::try_from(max).unwrap_or(1));
    let mut logs: Vec<(u64, Vec<Value>)> = Vec::new();
    let mut read = 0;
    for (at, id, history) in page {
        read += 1;
        let mut shown = look.history(history);
        if ask.site.switches.numeric_created {
            shown["created"] = json!(at.as_millisecond());
        }
        match logs.iter_mut().find(|(known, _)| *known == id) {
            Some((_, list)) => list.push(shown),
            None => logs.push((id, vec![shown])),
        }
    }
    let logs: Vec<Value> = logs
        .into_iter()
        .map(|(id, list)| json!({ "issueId": id.to_string(), "changeHistories": list }))
        .collect();
    let mut shown = json!({ "issueChangeLogs": logs });
    if start + read < total {
        shown["nextPageToken"] = json!(format!("Ux{}", start + read));
    }
    Ok(errors::ok(&shown))
}

pub fn properties(ask: &mut Ask<'_>) -> Answer {
    let issue = ask.issue()?;
    let own = format!("{}/issue/{}/properties", ask.base, issue.id);
    let keys: Vec<Value> =
        issue.properties.keys().map(|key| json!({ "key": key, "self": format!("{own}/{key}") })).collect();
    Ok(errors::ok(&json!({ "keys": keys })))
}

pub fn property(ask: &mut Ask<'_>) -> Answer {
    let (issue, key) = (ask.issue()?, ask.call.capture("key"));
    match issue.properties.get(key) {
        Some(value) => Ok(errors::ok(&json!({ "key": key, "value": value }))),
        None => Err(no_property(key)),
    }
}

fn no_property(key: &str) -> Response {
    errors::messages(404, &format!("The property with key '{key}' does not exist."))
}

/// Vendor: a property changes without the issue's `updated`, without a mail and without an entry in the changelog.
pub fn put_property(ask: &mut Ask<'_>) -> Answer {
    let (id, key) = (ask.issue_id()?, ask.call.capture("key").to_owned());
    let value: Value = serde_json::from_slice(&ask.call.body).map_err(|_| errors::payload())?;
    if value.to_string().chars().count() > PROPERTY_MAX || key.chars().count() > KEY_MAX {
        return Err(errors::messages(400, "The property value or key is too long."));
    }
    ask.jira.may_write(ask.site, id, ask.call.now)?;
    let Some(issue) = ask.site.issues.get_mut(&id) else { return Err(errors::no_issue()) };
    let known = issue.properties.insert(key, value).is_some();
    let status = if known { axum::http::StatusCode::OK } else { axum::http::StatusCode::CREATED };
    Ok(crate::route::plain(status, "application/json;charset=UTF-8", ""))
}

pub fn delete_property(ask: &mut Ask<'_>) -> Answer {
    let (id, key) = (ask.issue_id()?, ask.call.capture("key").to_owned());
    let Some(issue) = ask.site.issues.get_mut(&id) else { return Err(errors::no_issue()) };
    issue.properties.remove(&key).map(|_| errors::nothing()).ok_or_else(|| no_property(&key))
}

/// The property of a comment, wherever the comment stands.
pub fn comment_property(ask: &mut Ask<'_>) -> Answer {
    let (wanted, key) = (ask.call.capture("comment"), ask.call.capture("key"));
    let comments = ask.site.issues.values().flat_map(|issue| &issue.comments);
    let comment = comments.into_iter().find(|comment| comment.id.to_string() == wanted);
    match comment.and_then(|comment| comment.properties.get(key)) {
        Some(value) => Ok(errors::ok(&json!({ "key": key, "value": value }))),
        None => Err(no_property(key)),
    }
}
