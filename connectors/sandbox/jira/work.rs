//! Work logged on an issue, and who watches it.
//! Knows spans as Jira writes them; knows no estimates.

use super::ask::{Answer, Ask};
use super::errors;
use super::issue::{Body, Issue};
use super::render::Look;
use crate::route::json as answer;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Vendor: an issue takes at most 10,000 entries of work.
const WORKLOGS_MAX: usize = 10_000;
/// Seconds of a unit; a working day has eight hours, a week five days.
const UNITS: [(char, u64); 4] = [('w', 144_000), ('d', 28_800), ('h', 3_600), ('m', 60)];

#[derive(Clone, Debug)]
pub struct Worklog {
    pub id: u64,
    author: usize,
    comment: Option<Body>,
    started: Timestamp,
    seconds: u64,
    pub updated: Timestamp,
}

/// `1h 30m` in seconds.
fn span(text: &str) -> Option<u64> {
    let part = |part: &str| {
        let (number, unit) = part.split_at_checked(part.len().checked_sub(1)?)?;
        let seconds = UNITS.iter().find(|(letter, _)| unit.starts_with(*letter))?.1;
        number.parse::<u64>().ok()?.checked_mul(seconds)
    };
    text.split_whitespace().try_fold(0, |sum: u64, one| sum.checked_add(part(one)?)).filter(|sum| *sum > 0)
}

fn span_text(seconds: u64) -> String {
    let mut rest = seconds;
    let parts = UNITS.iter().filter_map(|(letter, unit)| {
        let count = rest / unit;
        rest %= unit;
        (count > 0).then(|| format!("{count}{letter}"))
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn shown(look: &Look<'_>, issue: &Issue, log: &Worklog) -> Value {
    let mut shown = json!({
        "self": format!("{}/issue/{}/worklog/{}", look.base, issue.id, log.id), "id": log.id.to_string(),
        "issueId": issue.id.to_string(), "author": look.user(log.author), "updateAuthor": look.user(log.author),
        "created": look.at(log.updated), "updated": look.at(log.updated), "started": look.at(log.started),
        "timeSpent": span_text(log.seconds), "timeSpentSeconds": log.seconds,
    });
    if let Some(comment) = &log.comment {
        shown["comment"] = comment.render(look.documents);
    }
    shown
}

/// The field `worklog` of an issue, and the list of its own resource.
pub fn page(look: &Look<'_>, issue: &Issue) -> Value {
    let all: Vec<Value> = issue.worklogs.iter().map(|log| shown(look, issue, log)).collect();
    json!({ "startAt": 0, "maxResults": 5_000, "total": all.len(), "worklogs": all })
}

pub fn worklogs(ask: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&page(&ask.look(), ask.issue()?)))
}

fn which(issue: &Issue, wanted: &str) -> Result<usize, Response> {
    let found = issue.worklogs.iter().position(|log| log.id.to_string() == wanted);
    found.ok_or_else(|| errors::messages(404, &format!("Cannot find worklog with id: '{wanted}'.")))
}

pub fn one(ask: &mut Ask<'_>) -> Answer {
    let issue = ask.issue()?;
    let at = which(issue, ask.call.capture("worklog"))?;
    Ok(errors::ok(&shown(&ask.look(), issue, &issue.worklogs[at])))
}

pub fn add(ask: &mut Ask<'_>) -> Answer {
    let (body, id, author) = (ask.body()?, ask.issue_id()?, ask.user);
    let told = body.get("timeSpent").and_then(Value::as_str).and_then(span);
    let seconds = told.or_else(|| body.get("timeSpentSeconds")?.as_u64().filter(|seconds| *seconds > 0));
    let Some(seconds) = seconds else {
        return Err(errors::field("timeLogged", "You must indicate the time spent working."));
    };
    let started = match body.get("started").and_then(Value::as_str) {
        None => ask.call.now,
        Some(text) => Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).map_err(|_| errors::payload())?,
    };
    let comment = match body.get("comment").filter(|comment| !comment.is_null()) {
        None => None,
        Some(comment) => Some(
            Body::read(comment, ask.documents)
                .ok_or_else(|| errors::field("comment", "Comment body is not valid!"))?,
        ),
    };
    ask.jira.may_write(ask.site, id, ask.call.now)?;
    let number = ask.site.next_id();
    let updated = ask.jira.touch(ask.site, id, ask.call.now);
    let Some(issue) = ask.site.issues.get_mut(&id) else { return Err(errors::no_issue()) };
    if issue.worklogs.len() >= WORKLOGS_MAX {
        return Err(errors::messages(413, "The issue has reached its limit of worklogs."));
    }
    issue.worklogs.push(Worklog { id: number, author, comment, started, seconds, updated });
    let issue = ask.issue()?;
    let at = which(issue, &number.to_string())?;
    Ok(answer(201, &shown(&ask.look(), issue, &issue.worklogs[at])))
}

pub fn delete(ask: &mut Ask<'_>) -> Answer {
    let id = ask.issue_id()?;
    let at = which(ask.issue()?, ask.call.capture("worklog"))?;
    if let Some(issue) = ask.site.issues.get_mut(&id) {
        issue.worklogs.remove(at);
    }
    ask.jira.touch(ask.site, id, ask.call.now);
    Ok(errors::nothing())
}

/// Ids of entries changed since an instant, over all issues.
pub fn updated(ask: &mut Ask<'_>) -> Answer {
    let since: i64 = ask.call.param("since").and_then(|text| text.parse().ok()).unwrap_or(0);
    let own = format!("{}/worklog/updated?since={since}", ask.base);
    let logs = ask.site.issues.values().flat_map(|issue| &issue.worklogs);
    let mut values: Vec<(i64, u64)> = logs.map(|log| (log.updated.as_millisecond(), log.id)).collect();
    values.retain(|(at, _)| *at >= since);
    values.sort_unstable();
    let until = values.last().map_or(ask.call.now.as_millisecond(), |(at, _)| *at);
    let values: Vec<Value> = values
        .into_iter()
        .map(|(at, id)| json!({ "worklogId": id, "updatedTime": at, "properties": [] }))
        .collect();
    let page = json!({ "values": values, "since": since, "until": until, "self": own, "lastPage": true });
    Ok(errors::ok(&page))
}

pub fn by_id(ask: &mut Ask<'_>) -> Answer {
    let body = ask.body()?;
    let ids = body.get("ids").and_then(Value::as_array).ok_or_else(errors::payload)?;
    let look = ask.look();
    let issues = ask.site.issues.values();
    let logs = issues.flat_map(|issue| issue.worklogs.iter().map(move |log| (issue, log)));
    let wanted = logs.filter(|(_, log)| ids.iter().any(|id| id.as_u64() == Some(log.id)));
    Ok(errors::ok(&wanted.map(|(issue, log)| shown(&look, issue, log)).collect()))
}

pub fn watchers(ask: &mut Ask<'_>) -> Answer {
    let (look, issue) = (ask.look(), ask.issue()?);
    let people: Vec<Value> = issue.watchers.iter().map(|user| look.user(*user)).collect();
    Ok(errors::ok(&json!({
        "self": format!("{}/issue/{}/watchers", ask.base, issue.id), "isWatching": issue.watchers.contains(&ask.user),
        "watchCount": people.len(), "watchers": people,
    })))
}

/// Vendor: the body is the account's id as a JSON text, or nothing for the caller.
pub fn watch(ask: &mut Ask<'_>) -> Answer {
    let id = ask.issue_id()?;
    let named: Option<String> = serde_json::from_slice(&ask.call.body).ok();
    let user = match named {
        None => Some(ask.user),
        Some(name) => ask.site.find_user(&name),
    };
    let user = user.ok_or_else(|| errors::messages(400, "The user is not valid."))?;
    if let Some(issue) = ask.site.issues.get_mut(&id) {
        issue.watchers.insert(user);
    }
    Ok(errors::nothing())
}

pub fn unwatch(ask: &mut Ask<'_>) -> Answer {
    let id = ask.issue_id()?;
    let named = ["accountId", "username"].iter().find_map(|name| ask.call.param(name));
    let user = named.and_then(|name| ask.site.find_user(name));
    let user = user.ok_or_else(|| errors::messages(400, "The user is not valid."))?;
    if let Some(issue) = ask.site.issues.get_mut(&id) {
        issue.watchers.remove(&user);
    }
    Ok(errors::nothing())
}
