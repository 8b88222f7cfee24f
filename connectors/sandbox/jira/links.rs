//! Links: between issues, and from issues to addresses elsewhere.
//! Knows the two ends; knows one type of link.

use super::ask::{Answer, Ask};
use super::errors;
use super::issue::Link;
use crate::route::json as answer;
use axum::response::Response;
use serde_json::{Value, json};

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

/// The two ends of a link, seen from outside.
fn ends(ask: &Ask<'_>) -> Result<(u64, u64, u64), Response> {
    let wanted = ask.call.capture("link");
    let issues = ask.site.issues.values();
    let links = issues.flat_map(|issue| issue.links.iter().map(move |link| (issue.id, link)));
    let mut found = links.filter(|(_, link)| link.outward && link.id.to_string() == wanted);
    let (from, link) =
        found.next().ok_or_else(|| errors::messages(404, "No issue link with this id exists."))?;
    let seen = |id: u64| ask.site.visible(&id.to_string(), ask.user).is_some();
    if seen(from) && seen(link.to) { Ok((link.id, from, link.to)) } else { Err(errors::no_issue()) }
}

pub fn one_link(ask: &mut Ask<'_>) -> Answer {
    let (id, from, to) = ends(ask)?;
    let look = ask.look();
    let mut shown = look.link(id, to, true);
    shown["inwardIssue"] = look.link(id, from, false)["inwardIssue"].clone();
    Ok(errors::ok(&shown))
}

pub fn unlink(ask: &mut Ask<'_>) -> Answer {
    let (id, from, to) = ends(ask)?;
    for end in [from, to] {
        if let Some(issue) = ask.site.issues.get_mut(&end) {
            issue.links.retain(|link| link.id != id);
        }
        ask.jira.touch(ask.site, end, ask.call.now);
    }
    Ok(errors::nothing())
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

/// One of them, by its number.
pub fn remote_link(ask: &mut Ask<'_>) -> Answer {
    let (id, wanted) = (ask.issue_id()?, ask.call.capture("link").to_owned());
    let missing = || errors::messages(404, "The remote issue link does not exist.");
    let Some(issue) = ask.site.issues.get_mut(&id) else { return Err(errors::no_issue()) };
    let is = |link: &Value| link["id"].as_u64().is_some_and(|id| id.to_string() == wanted);
    let at = issue.remote_links.iter().position(is).ok_or_else(missing)?;
    if ask.call.method == axum::http::Method::DELETE {
        issue.remote_links.remove(at);
        return Ok(errors::nothing());
    }
    Ok(errors::ok(&issue.remote_links[at]))
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
