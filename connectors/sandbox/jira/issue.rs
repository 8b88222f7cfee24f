//! An issue with its history, comments and properties, and the one way in which it changes.
//! Knows the vendor's rules of what a change leaves behind; knows no requests.

use super::site::{self, Site};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Text as it was given: a document or plain text.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Text(String),
    Document(Value),
}

#[derive(Clone, Debug)]
pub struct Comment {
    pub id: u64,
    pub author: usize,
    pub body: Body,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub internal: bool,
    pub visibility: Option<Value>,
    pub properties: BTreeMap<String, Value>,
}

/// One entry of the changelog.
#[derive(Clone, Debug)]
pub struct History {
    pub id: u64,
    pub author: usize,
    pub created: Timestamp,
    pub items: Vec<Item>,
    pub metadata: Option<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub field: String,
    pub field_id: String,
    pub from: Option<String>,
    pub from_text: Option<String>,
    pub to: Option<String>,
    pub to_text: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Link {
    pub id: u64,
    /// The other issue.
    pub to: u64,
    pub outward: bool,
}

#[derive(Clone, Debug)]
pub struct Issue {
    pub id: u64,
    pub project: usize,
    pub number: u64,
    pub kind: usize,
    pub summary: String,
    pub description: Option<Body>,
    pub status: usize,
    pub priority: usize,
    /// A priority of no scheme, as imports leave it behind.
    pub odd_priority: Option<String>,
    pub labels: Vec<String>,
    pub assignee: Option<usize>,
    pub reporter: usize,
    pub creator: usize,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub resolved: Option<Timestamp>,
    pub due: Option<String>,
    /// Teams of the cast.
    pub components: Vec<usize>,
    /// Customers of the cast.
    pub organizations: Vec<usize>,
    /// Values of other custom fields by id.
    pub custom: Map<String, Value>,
    pub comments: Vec<Comment>,
    pub histories: Vec<History>,
    pub properties: BTreeMap<String, Value>,
    pub links: Vec<Link>,
    pub remote_links: Vec<Value>,
    pub worklogs: Vec<super::work::Worklog>,
    pub files: Vec<super::files::File>,
    /// Positions in the site's users.
    pub watchers: std::collections::BTreeSet<usize>,
    /// Not to be seen by the integration's account.
    pub hidden: bool,
}

/// One change of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Summary(String),
    Description(Option<Body>),
    Status(usize),
    Priority(usize),
    Labels(Vec<String>),
    Assignee(Option<usize>),
    Components(Vec<usize>),
    Organizations(Vec<usize>),
    Due(Option<String>),
    Custom(String, Value),
    Project(usize),
}

/// Carries out changes at once, with one entry in the changelog for what really changed. Whether anything did.
pub fn change(
    site: &mut Site,
    id: u64,
    changes: &[Change],
    author: usize,
    at: Timestamp,
    metadata: Option<Value>,
) -> Vec<Item> {
    let Some(mut issue) = site.issues.remove(&id) else { return Vec::new() };
    let mut items = Vec::new();
    for change in changes {
        one(site, &mut issue, change, at, &mut items);
    }
    if !items.is_empty() {
        let history = History { id: site.next_id(), author, created: at, items: items.clone(), metadata };
        issue.histories.push(history);
        issue.updated = issue.updated.max(at);
    }
    site.issues.insert(id, issue);
    items
}

fn one(site: &mut Site, issue: &mut Issue, change: &Change, at: Timestamp, items: &mut Vec<Item>) {
    let mut note = |field: &str, from: Value2, to: Value2| {
        if from != to {
            items.push(item(field, field, from, to));
        }
    };
    match change {
        Change::Summary(text) => {
            note("summary", text_only(&issue.summary), text_only(text));
            issue.summary.clone_from(text);
        }
        Change::Description(body) => {
            if issue.description != *body {
                note("description", text_only("(before)"), text_only("(after)"));
            }
            issue.description.clone_from(body);
        }
        Change::Status(to) => {
            let word = |at: usize| {
                (Some(site::STATUSES[at].0.id.to_owned()), Some(site::STATUSES[at].0.name.to_owned()))
            };
            note("status", word(issue.status), word(*to));
            resolve(issue, *to, at, items);
            issue.status = *to;
        }
        Change::Priority(to) => {
            let word = |at: usize| {
                (Some(site::PRIORITIES[at].id.to_owned()), Some(site::PRIORITIES[at].name.to_owned()))
            };
            note("priority", word(issue.priority), word(*to));
            issue.priority = *to;
            issue.odd_priority = None;
        }
        Change::Labels(labels) => {
            let mut labels = labels.clone();
            labels.sort_unstable();
            labels.dedup();
            note("labels", text_only(&issue.labels.join(" ")), text_only(&labels.join(" ")));
            issue.labels = labels;
        }
        Change::Assignee(to) => {
            let person = |user: Option<usize>| match user {
                Some(user) => {
                    (Some(site.users[user].id.clone()), Some(site.users[user].display_name.clone()))
                }
                None => (None, None),
            };
            note("assignee", person(issue.assignee), person(*to));
            issue.assignee = *to;
        }
        Change::Components(to) => {
            let named = |team: &usize| {
                let (id, name) = site.component(*team);
                (Some(id), Some(name.to_owned()))
            };
            listed(items, ("Component", "components"), &issue.components, to, named);
            issue.components.clone_from(to);
        }
        Change::Organizations(to) => {
            let named = |customer: &usize| {
                (
                    Some((customer + 1).to_string()),
                    site.customers.get(*customer).map(|(name, _)| name.clone()),
                )
            };
            listed(items, ("Organizations", site::ORGANIZATIONS), &issue.organizations, to, named);
            issue.organizations.clone_from(to);
        }
        Change::Due(to) => {
            let day = |due: &Option<String>| (due.clone(), due.clone());
            note("duedate", day(&issue.due), day(to));
            issue.due.clone_from(to);
        }
        Change::Custom(field, value) => custom(issue, field, value, items),
        Change::Project(to) => move_to(site, issue, *to, items),
    }
}

type Value2 = (Option<String>, Option<String>);

fn text_only(text: &str) -> Value2 {
    (None, Some(text.to_owned()))
}

fn item(field: &str, field_id: &str, from: Value2, to: Value2) -> Item {
    Item {
        field: field.to_owned(),
        field_id: field_id.to_owned(),
        from: from.0,
        from_text: from.1,
        to: to.0,
        to_text: to.1,
    }
}

/// A list has one item per value that went and one per value that came.
fn listed(
    items: &mut Vec<Item>,
    (field, field_id): (&str, &str),
    from: &[usize],
    to: &[usize],
    named: impl Fn(&usize) -> Value2,
) {
    for gone in from.iter().filter(|value| !to.contains(value)) {
        items.push(item(field, field_id, named(gone), (None, None)));
    }
    for come in to.iter().filter(|value| !from.contains(value)) {
        items.push(item(field, field_id, (None, None), named(come)));
    }
}

/// The resolution is set and taken away with the category `done`.
fn resolve(issue: &mut Issue, to: usize, at: Timestamp, items: &mut Vec<Item>) {
    let done = |status: usize| site::STATUSES[status].1 == "done";
    let resolution = (Some("10000".to_owned()), Some("Done".to_owned()));
    match (done(issue.status), done(to)) {
        (false, true) => {
            items.push(item("resolution", "resolution", (None, None), resolution));
            issue.resolved = Some(at);
        }
        (true, false) => {
            items.push(item("resolution", "resolution", resolution, (None, None)));
            issue.resolved = None;
        }
        _ => {}
    }
}

fn custom(issue: &mut Issue, field: &str, value: &Value, items: &mut Vec<Item>) {
    let name = site::CUSTOM_FIELDS.iter().find(|(id, ..)| *id == field).map_or(field, |(_, name, ..)| name);
    let shown = |value: Option<&Value>| -> Value2 {
        let text = value.map_or_else(String::new, option_text);
        (None, Some(text))
    };
    let before = issue.custom.get(field);
    if before != Some(value) {
        items.push(item(name, field, shown(before), shown(Some(value))));
    }
    issue.custom.insert(field.to_owned(), value.clone());
}

/// What people see of a custom value.
pub fn option_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(fields) => fields
            .get("value")
            .or_else(|| fields.get("name"))
            .and_then(Value::as_str)
            .map_or_else(|| value.to_string(), ToOwned::to_owned),
        Value::Array(list) => list.iter().map(option_text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A moved issue keeps its id and gets a new key; the old one still leads to it.
fn move_to(site: &mut Site, issue: &mut Issue, to: usize, items: &mut Vec<Item>) {
    if to == issue.project {
        return;
    }
    let before = site.key(issue);
    let named = |project: &site::Project| (Some(project.id.to_string()), Some(project.name.to_owned()));
    items.push(item("project", "project", named(&site.projects[issue.project]), named(&site.projects[to])));
    site.projects[to].last += 1;
    issue.project = to;
    issue.number = site.projects[to].last;
    let after = site.key(issue);
    items.push(item("Key", "issuekey", text_only(&before), text_only(&after)));
    site.old_keys.insert(after, issue.id);
}

/// An option as a select field holds it.
pub fn select(value: &str) -> Value {
    json!({ "value": value, "id": (20_000 + value.len() * 31 + value.bytes().map(usize::from).sum::<usize>()).to_string() })
}
