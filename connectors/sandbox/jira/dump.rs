//! The whole history of a site as rows, out and in again. Knows no requests.

use super::issue::{Body, Comment, History, Issue, Item};
use super::site::{self, AccountType, Site};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// An issue with everything about it, people by id.
pub fn exported(site: &Site, issue: &Issue) -> Value {
    let person = |user: usize| {
        let user = &site.users[user];
        let kind = match user.account_type {
            AccountType::Customer => "customer",
            AccountType::App => "app",
            AccountType::Atlassian => "atlassian",
        };
        json!({ "id": user.id, "name": user.display_name, "type": kind })
    };
    let histories: Vec<Value> = issue
        .histories
        .iter()
        .map(|History { id, author, created, items, .. }| {
            let items: Vec<Value> = items
                .iter()
                .map(|item| {
                    json!({
                        "field": item.field_id, "from": item.from, "from_text": item.from_text, "to": item.to,
                        "to_text": item.to_text,
                    })
                })
                .collect();
            json!({ "id": id, "author": person(*author), "created": created, "items": items })
        })
        .collect();
    let comments: Vec<Value> = issue
        .comments
        .iter()
        .map(|comment| {
            json!({
                "id": comment.id, "author": person(comment.author), "created": comment.created,
                "body": comment.body.text(), "internal": comment.internal,
                "visibility": comment.visibility, "properties": comment.properties,
            })
        })
        .collect();
    json!({
        "id": issue.id.to_string(), "key": site.key(issue), "summary": issue.summary,
        "description": issue.description.as_ref().map(Body::text),
        "status": site::STATUSES[issue.status].0.name, "priority": site::PRIORITIES[issue.priority].name,
        "odd_priority": issue.odd_priority, "type": site::TYPES[issue.kind].name,
        "labels": issue.labels, "assignee": issue.assignee.map(person), "reporter": person(issue.reporter),
        "creator": person(issue.creator), "created": issue.created, "updated": issue.updated,
        "resolved": issue.resolved, "due": issue.due,
        "components": issue.components.iter().map(|team| site.component(*team).1).collect::<Vec<_>>(),
        "organizations": issue.organizations.iter().map(|at| site.organization(*at)).collect::<Vec<_>>(),
        "custom": issue.custom, "properties": issue.properties, "hidden": issue.hidden,
        "histories": histories, "comments": comments,
    })
}

/// Puts an exported issue in place.
pub fn load(site: &mut Site, row: &Value) -> Result<(), String> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let missing = |name: &str| format!("an issue has no {name}");
    let id: u64 = text("id").and_then(|id| id.parse().ok()).ok_or_else(|| missing("id"))?;
    let (project, number) = text("key").and_then(|key| key.split_once('-')).ok_or_else(|| missing("key"))?;
    let project = site.project(project).ok_or_else(|| format!("no project {project:?}"))?;
    let number: u64 = number.parse().map_err(|_| missing("number in its key"))?;
    let person = |value: Option<&Value>| site.find_user(value?.get("id")?.as_str()?);
    let time = |value: Option<&Value>| value?.as_str()?.parse::<Timestamp>().ok();
    let strings = |name: &str| -> Vec<String> {
        let list = row.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
    };
    let word = |name: &str, words: Vec<&str>| {
        let wanted = text(name).ok_or_else(|| missing(name))?;
        words.iter().position(|known| *known == wanted).ok_or_else(|| format!("no {name} {wanted:?}"))
    };
    let reporter = person(row.get("reporter")).ok_or_else(|| missing("reporter"))?;
    let organizations = row.get("organizations").and_then(Value::as_array);
    let organization = |entry: &Value| entry.get("id")?.as_str()?.parse::<usize>().ok()?.checked_sub(1);
    let teams = strings("components");
    let issue = Issue {
        id,
        project,
        number,
        kind: word("type", site::TYPES.iter().map(|word| word.name).collect())?,
        summary: text("summary").unwrap_or("").to_owned(),
        description: text("description").map(|text| Body::Text(text.to_owned())),
        status: word("status", site::STATUSES.iter().map(|(word, _)| word.name).collect())?,
        priority: word("priority", site::PRIORITIES.iter().map(|word| word.name).collect())?,
        odd_priority: text("odd_priority").map(str::to_owned),
        labels: strings("labels"),
        assignee: person(row.get("assignee")),
        reporter,
        creator: person(row.get("creator")).unwrap_or(reporter),
        created: time(row.get("created")).ok_or_else(|| missing("created"))?,
        updated: time(row.get("updated")).ok_or_else(|| missing("updated"))?,
        resolved: time(row.get("resolved")),
        due: text("due").map(str::to_owned),
        components: teams
            .iter()
            .filter_map(|team| site.teams.iter().position(|known| known == team))
            .collect(),
        organizations: organizations.into_iter().flatten().filter_map(organization).collect(),
        custom: row.get("custom").and_then(Value::as_object).cloned().unwrap_or_default(),
        comments: rows(row, "comments").filter_map(|comment| comment_of(site, comment)).collect(),
        histories: rows(row, "histories").filter_map(|history| history_of(site, history)).collect(),
        properties: properties(row),
        links: Vec::new(),
        remote_links: Vec::new(),
        worklogs: Vec::new(),
        files: Vec::new(),
        watchers: std::collections::BTreeSet::new(),
        hidden: row.get("hidden") == Some(&Value::Bool(true)),
    };
    let last = site.projects[project].last;
    site.projects[project].last = last.max(number);
    let highest =
        issue.comments.iter().map(|comment| comment.id).chain(issue.histories.iter().map(|entry| entry.id));
    site.serial = site.serial.max(id).max(highest.max().unwrap_or(0));
    site.add(issue, SignedDuration::ZERO);
    Ok(())
}

fn rows<'a>(row: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    row.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn properties(row: &Value) -> BTreeMap<String, Value> {
    let held: Option<&Map<String, Value>> = row.get("properties").and_then(Value::as_object);
    held.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn author(site: &Site, row: &Value) -> usize {
    let id = row.pointer("/author/id").and_then(Value::as_str);
    id.and_then(|id| site.find_user(id)).unwrap_or(site.automation)
}

fn comment_of(site: &Site, row: &Value) -> Option<Comment> {
    let created: Timestamp = row.get("created")?.as_str()?.parse().ok()?;
    Some(Comment {
        id: row.get("id")?.as_u64()?,
        author: author(site, row),
        body: Body::Text(row.get("body")?.as_str()?.to_owned()),
        created,
        updated: created,
        internal: row.get("internal") == Some(&Value::Bool(true)),
        visibility: row.get("visibility").filter(|value| !value.is_null()).cloned(),
        properties: properties(row),
    })
}

fn history_of(site: &Site, row: &Value) -> Option<History> {
    let text = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let item = |item: &Value| {
        let field_id = text(item, "field")?;
        Some(Item {
            field: field_id.clone(),
            field_id,
            from: text(item, "from"),
            from_text: text(item, "from_text"),
            to: text(item, "to"),
            to_text: text(item, "to_text"),
        })
    };
    Some(History {
        id: row.get("id")?.as_u64()?,
        author: author(site, row),
        created: row.get("created")?.as_str()?.parse().ok()?,
        items: rows(row, "items").filter_map(item).collect(),
        metadata: None,
    })
}
