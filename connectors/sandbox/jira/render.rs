//! Records as JSON, in the version and the zone of whoever asks; links lead back to where the client came from.
//! Knows no routes.

use super::issue::{Comment, History, Issue, Item};
use super::site::{self, AccountType, Flavour, Site};
use super::sla;
use super::text::stamp;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

/// How an answer is to look.
pub struct Look<'a> {
    pub site: &'a Site,
    pub user: usize,
    pub zone: TimeZone,
    /// `http://host:port/rest/api/3`.
    pub base: String,
    /// Version 3: texts are documents.
    pub documents: bool,
    pub now: Timestamp,
}

/// Fields that were asked for.
pub struct Wanted {
    all: bool,
    navigable: bool,
    named: Vec<String>,
    without: Vec<String>,
}

impl Wanted {
    /// `default`: what is meant when nothing is named.
    pub fn new(names: &[String], default: &str) -> Wanted {
        let names: Vec<String> = if names.is_empty() { vec![default.to_owned()] } else { names.to_vec() };
        let without: Vec<String> =
            names.iter().filter_map(|name| name.strip_prefix('-')).map(str::to_owned).collect();
        let only_without = without.len() == names.len();
        Wanted {
            all: names.iter().any(|name| name == "*all") || (only_without && default == "*all"),
            navigable: names.iter().any(|name| name == "*navigable")
                || (only_without && default == "*navigable"),
            named: names,
            without,
        }
    }

    fn has(&self, field: &str) -> bool {
        let navigable = !matches!(field, "comment" | "description" | "worklog" | "attachment");
        let meant = self.all || (self.navigable && navigable) || self.named.iter().any(|name| name == field);
        meant && !self.without.iter().any(|name| name == field)
    }

    /// Nothing but the id.
    fn is_id_only(&self) -> bool {
        self.named.iter().all(|name| name == "id")
    }

    fn is_key_only(&self) -> bool {
        self.named.iter().all(|name| name == "id" || name == "key" || name == "issuekey")
    }
}

impl Look<'_> {
    pub fn at(&self, at: Timestamp) -> Value {
        json!(stamp(at, &self.zone))
    }

    pub fn user(&self, user: usize) -> Value {
        let person = &self.site.users[user];
        let mut shown = match self.site.flavour {
            Flavour::Cloud => json!({
                "self": format!("{}/user?accountId={}", self.base, person.id),
                "accountId": person.id,
                "accountType": match person.account_type {
                    AccountType::Atlassian => "atlassian",
                    AccountType::App => "app",
                    AccountType::Customer => "customer",
                },
                "avatarUrls": {},
                "displayName": person.display_name,
                "active": true,
                "timeZone": person.zone,
            }),
            Flavour::DataCenter => json!({
                "self": format!("{}/user?username={}", self.base, person.name),
                "name": person.name,
                "key": person.id,
                "emailAddress": person.email,
                "avatarUrls": {},
                "displayName": person.display_name,
                "active": true,
                "timeZone": person.zone,
            }),
        };
        // Vendor: addresses of others are often left out, for privacy.
        if user == self.user && !person.email.is_empty() {
            shown["emailAddress"] = json!(person.email);
        }
        shown
    }

    pub fn issue(&self, issue: &Issue, wanted: &Wanted, expand: &[String], properties: &[String]) -> Value {
        let mut shown = Map::new();
        shown.insert("id".to_owned(), json!(issue.id.to_string()));
        if wanted.is_id_only() && self.site.flavour == Flavour::Cloud {
            return Value::Object(shown);
        }
        shown.insert(
            "expand".to_owned(),
            json!("renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations"),
        );
        shown.insert("self".to_owned(), json!(format!("{}/issue/{}", self.base, issue.id)));
        shown.insert("key".to_owned(), json!(self.site.key(issue)));
        if !wanted.is_key_only() {
            shown.insert("fields".to_owned(), Value::Object(self.fields(issue, wanted)));
        }
        if !properties.is_empty() {
            let held =
                properties.iter().filter_map(|key| Some((key.clone(), issue.properties.get(key)?.clone())));
            shown.insert("properties".to_owned(), Value::Object(held.collect()));
        }
        if expand.iter().any(|name| name == "changelog") {
            // Vendor: newest first here, oldest first in the changelog's own resource.
            let histories: Vec<Value> =
                issue.histories.iter().rev().map(|history| self.history(history)).collect();
            let count = histories.len();
            let log = json!({ "startAt": 0, "maxResults": count, "total": count, "histories": histories });
            shown.insert("changelog".to_owned(), log);
        }
        if expand.iter().any(|name| name == "transitions") {
            shown.insert("transitions".to_owned(), json!(self.transitions(issue)));
        }
        if expand.iter().any(|name| name == "renderedFields") {
            let description =
                issue.description.as_ref().map(|body| format!("<p>{}</p>", escape(&body.text())));
            shown.insert("renderedFields".to_owned(), json!({ "description": description }));
        }
        Value::Object(shown)
    }

    /// Where the issue can go from here.
    pub fn transitions(&self, issue: &Issue) -> Vec<Value> {
        let open = site::TRANSITIONS.iter().filter(|(.., to)| *to != issue.status);
        open.map(|(id, name, to)| {
            json!({
                "id": id, "name": name, "to": self.status(*to), "hasScreen": false, "isGlobal": true,
                "isInitial": false, "isConditional": false, "isAvailable": true,
            })
        })
        .collect()
    }

    fn fields(&self, issue: &Issue, wanted: &Wanted) -> Map<String, Value> {
        let mut fields = Map::new();
        let system = site::SYSTEM_FIELDS.iter().map(|(id, ..)| *id);
        let custom = site::CUSTOM_FIELDS.iter().map(|(id, ..)| *id);
        for name in system.chain(custom).filter(|name| wanted.has(name)) {
            fields.insert(name.to_owned(), self.field(issue, name));
        }
        fields
    }

    fn field(&self, issue: &Issue, name: &str) -> Value {
        let site = self.site;
        match name {
            "summary" => json!(issue.summary),
            "status" => self.status(issue.status),
            "priority" => match &issue.odd_priority {
                Some(odd) => json!({ "self": format!("{}/priority/99", self.base), "id": "99", "name": odd }),
                None => self.priority(issue.priority),
            },
            "issuetype" => self.kind(issue.kind),
            "project" => self.project(issue.project),
            "labels" => json!(issue.labels),
            "assignee" => issue.assignee.map_or(Value::Null, |user| self.user(user)),
            "reporter" => self.user(issue.reporter),
            "creator" => self.user(issue.creator),
            "created" => self.at(issue.created),
            "updated" => self.at(issue.updated),
            "resolutiondate" => issue.resolved.map_or(Value::Null, |at| self.at(at)),
            "resolution" => match issue.resolved {
                Some(_) => {
                    json!({ "self": format!("{}/resolution/10000", self.base), "id": "10000", "name": "Done" })
                }
                None => Value::Null,
            },
            "duedate" => json!(issue.due),
            "issuelinks" => Value::Array(
                issue.links.iter().map(|link| self.link(link.id, link.to, link.outward)).collect(),
            ),
            "attachment" => issue.files.iter().map(|file| super::files::shown(self, file)).collect(),
            "worklog" => super::work::page(self, issue),
            "subtasks" => json!([]),
            "components" => Value::Array(issue.components.iter().map(|team| self.component(*team)).collect()),
            "description" => {
                issue.description.as_ref().map_or(Value::Null, |body| body.render(self.documents))
            }
            "comment" => {
                let comments: Vec<Value> = self.inline_comments(issue);
                let total = issue.comments.len();
                json!({
                    "comments": comments, "startAt": 0, "maxResults": comments.len(), "total": total,
                    "self": format!("{}/issue/{}/comment", self.base, issue.id),
                })
            }
            site::ORGANIZATIONS => {
                Value::Array(issue.organizations.iter().map(|at| site.organization(*at)).collect())
            }
            site::REQUEST_TYPE if site.projects[issue.project].kind == "service_desk" => json!({
                "requestType": { "id": "7", "name": "Report a problem", "serviceDeskId": "1" },
                "currentStatus": { "status": site::STATUSES[issue.status].0.name },
            }),
            site::TIME_TO_RESOLUTION | site::TIME_TO_FIRST_RESPONSE => sla::field(self, issue, name),
            other => issue.custom.get(other).cloned().unwrap_or(Value::Null),
        }
    }

    /// Vendor: an issue read with others brings some comments only; the rest is in their own resource.
    fn inline_comments(&self, issue: &Issue) -> Vec<Value> {
        let count = match self.site.flavour {
            Flavour::Cloud => 20,
            Flavour::DataCenter => usize::MAX,
        };
        issue.comments.iter().take(count).map(|comment| self.comment(issue, comment)).collect()
    }

    pub fn status(&self, status: usize) -> Value {
        let (word, category) = &site::STATUSES[status];
        let (id, name, color) = match *category {
            "new" => (2, "To Do", "blue-gray"),
            "done" => (3, "Done", "green"),
            _ => (4, "In Progress", "yellow"),
        };
        json!({
            "self": format!("{}/status/{}", self.base, word.id), "description": "", "iconUrl": "",
            "name": word.name, "id": word.id,
            "statusCategory": {
                "self": format!("{}/statuscategory/{id}", self.base), "id": id, "key": category, "colorName": color,
                "name": name,
            },
        })
    }

    pub fn priority(&self, priority: usize) -> Value {
        let word = &site::PRIORITIES[priority];
        json!({
            "self": format!("{}/priority/{}", self.base, word.id), "iconUrl": "", "name": word.name, "id": word.id,
            "statusColor": "#009900", "description": "", "isDefault": word.id == "3",
        })
    }

    pub fn kind(&self, kind: usize) -> Value {
        let word = &site::TYPES[kind];
        json!({
            "self": format!("{}/issuetype/{}", self.base, word.id), "id": word.id, "description": "", "iconUrl": "",
            "name": word.name, "subtask": false, "hierarchyLevel": 0,
        })
    }

    pub fn project(&self, project: usize) -> Value {
        let project = &self.site.projects[project];
        json!({
            "self": format!("{}/project/{}", self.base, project.id), "id": project.id.to_string(),
            "key": project.key, "name": project.name, "projectTypeKey": project.kind, "simplified": false,
            "style": "classic", "isPrivate": false, "avatarUrls": {},
        })
    }

    pub fn component(&self, team: usize) -> Value {
        let (id, name) = self.site.component(team);
        json!({ "self": format!("{}/component/{id}", self.base), "id": id, "name": name })
    }

    pub fn link(&self, id: u64, to: u64, outward: bool) -> Value {
        let mut shown = json!({
            "id": id.to_string(), "self": format!("{}/issueLink/{id}", self.base),
            "type": { "id": "10003", "name": "Relates", "inward": "relates to", "outward": "relates to" },
        });
        if let Some(other) = self.site.issues.get(&to) {
            let end = if outward { "outwardIssue" } else { "inwardIssue" };
            shown[end] = json!({
                "id": other.id.to_string(), "key": self.site.key(other),
                "self": format!("{}/issue/{}", self.base, other.id),
                "fields": { "summary": other.summary, "status": self.status(other.status) },
            });
        }
        shown
    }

    pub fn comment(&self, issue: &Issue, comment: &Comment) -> Value {
        let mut shown = json!({
            "self": format!("{}/issue/{}/comment/{}", self.base, issue.id, comment.id),
            "id": comment.id.to_string(),
            "author": self.user(comment.author),
            "body": comment.body.render(self.documents),
            "updateAuthor": self.user(comment.author),
            "created": self.at(comment.created),
            "updated": self.at(comment.updated),
        });
        if self.site.flavour == Flavour::Cloud {
            shown["jsdPublic"] = json!(!comment.internal);
        }
        if let Some(visibility) = &comment.visibility {
            shown["visibility"] = visibility.clone();
        }
        shown
    }

    /// With `expand=properties`.
    pub fn comment_with_properties(&self, issue: &Issue, comment: &Comment) -> Value {
        let mut shown = self.comment(issue, comment);
        let held = comment.properties.iter().map(|(key, value)| json!({ "key": key, "value": value }));
        shown["properties"] = Value::Array(held.collect());
        shown
    }

    pub fn history(&self, history: &History) -> Value {
        let mut shown = json!({
            "id": history.id.to_string(), "author": self.user(history.author), "created": self.at(history.created),
            "items": history.items.iter().map(|entry| self.item(entry)).collect::<Vec<_>>(),
        });
        if let Some(metadata) = &history.metadata {
            shown["historyMetadata"] = metadata.clone();
        }
        shown
    }

    pub fn item(&self, item: &Item) -> Value {
        let kind = if item.field_id.starts_with("customfield_") { "custom" } else { "jira" };
        json!({
            "field": item.field, "fieldtype": kind, "fieldId": item.field_id,
            "from": item.from, "fromString": item.from_text, "to": item.to, "toString": item.to_text,
        })
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
