//! An issue with its history and comments, as a case. Vendor words stop here.
//!
//! Must not know: requests. Plain functions from what was read to what core understands.

use super::adf;
use super::config::{Config, Flavour};
use super::marks::{self, Property};
use super::site::Site;
use super::timeline::{People, of_comment, of_history};
use super::wire::{self, Comment, History, Issue, Link, Project, User};
use super::words;
use crate::ConnectorError;
use dutyd_core::case::{Case, CaseChange, CaseKey, FieldValue, Party, Revision};
use dutyd_core::timeline::{EventKind, TimelineEvent};
use jiff::{Timestamp, civil, tz::TimeZone};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a source knows when it reads an issue.
pub struct Reader<'a> {
    pub source: &'a str,
    pub config: &'a Config,
    pub site: &'a Site,
    /// Where people open issues, without a slash at the end.
    pub browse: &'a str,
    pub now: Timestamp,
}

/// An issue read to the end, or as far as it could be.
pub struct Whole {
    pub issue: Issue,
    pub histories: Vec<History>,
    pub comments: Vec<Comment>,
    pub histories_complete: bool,
    pub comments_complete: bool,
}

impl Reader<'_> {
    /// The case, its events, and what of ours stands on it.
    pub fn change(&self, whole: &Whole) -> Result<CaseChange, ConnectorError> {
        let issue = &whole.issue;
        let project: Option<Project> = issue.field("project");
        let reporter: Option<User> = issue.field("reporter");
        let people = People {
            config: self.config,
            site: self.site,
            reporter: reporter.as_ref().and_then(User::id).map(str::to_owned),
            service_desk: project.as_ref().is_some_and(Project::is_service_desk),
        };
        let case = self.case(issue, project, reporter)?;
        let labels: Vec<String> = issue.field("labels").unwrap_or_default();
        let (mut events, mut texts) = (Vec::new(), Vec::new());
        let (created, text) = self.created(&people, issue, &case);
        texts.push((created.id.clone(), text));
        events.push(created);
        let mut notes = Vec::new();
        for comment in &whole.comments {
            let (event, text, markers) = of_comment(&people, comment, self.now);
            if markers.is_empty() && !text.is_empty() {
                texts.push((event.id.clone(), text));
            }
            notes.extend(markers);
            events.push(event);
        }
        events.extend(whole.histories.iter().flat_map(|history| of_history(&people, history, self.now)));
        let mut marks = marks::seen(&labels, &property(issue), notes, whole.comments_complete);
        // What a label of ours means, the property says; only a clone has the one without the other.
        marks.unread = match issue.field::<Vec<String>>("labels") {
            Some(labels) => issue.properties.is_none() && labels.iter().any(|label| marks::is_ours(label)),
            None => true,
        };
        let events_complete = whole.histories_complete && whole.comments_complete;
        Ok(CaseChange { case, events, marks, events_complete, texts })
    }

    fn created(&self, people: &People<'_>, issue: &Issue, case: &Case) -> (TimelineEvent, String) {
        let creator: Option<User> = issue.field("creator");
        let description =
            issue.field::<Value>("description").map_or_else(String::new, |body| adf::text(&body));
        let event = TimelineEvent {
            id: format!("created:{}", issue.id),
            at: case.opened_at,
            seen_at: self.now,
            actor: people.role(creator.as_ref()),
            by: creator.as_ref().map(|creator| creator.shown().to_owned()),
            kind: EventKind::Created { signals: Vec::new() },
        };
        (event, format!("{}\n{description}", case.title))
    }

    fn case(
        &self,
        issue: &Issue,
        project: Option<Project>,
        reporter: Option<User>,
    ) -> Result<Case, ConnectorError> {
        let malformed = |reason: &str| ConnectorError::Malformed {
            where_: format!("issue {}", issue.id),
            reason: reason.to_owned(),
        };
        if !is_id(&issue.id) {
            return Err(malformed("its id is not a number"));
        }
        let time = |name: &str| issue.field::<String>(name).as_deref().and_then(wire::parse_time);
        let updated_at = time("updated").ok_or_else(|| malformed("no readable `updated`"))?;
        let opened_at = time("created").ok_or_else(|| malformed("no readable `created`"))?;
        // By a category alone a status that waits for the customer would be one that waits for us.
        let status: Option<wire::Status> =
            issue.field("status").filter(|status: &wire::Status| !status.name.is_empty());
        let status = status.ok_or_else(|| malformed("no readable `status`"))?;
        let category = status.status_category.as_ref().map(|category| category.key.as_str());
        let category = category.or_else(|| self.site.category(&status.id, &status.name));
        let priority_raw = named(issue, "priority").map(|party| party.name).unwrap_or_default();
        let labels: Vec<String> = issue.field("labels").unwrap_or_default();
        Ok(Case {
            key: CaseKey::new(self.source, &issue.id),
            number: issue.key.clone(),
            title: issue.field("summary").unwrap_or_default(),
            link: Some(format!("{}/browse/{}", self.browse, issue.key)),
            status: words::status(self.config, &status.name, category),
            priority: words::priority(self.config, &priority_raw),
            status_raw: status.name,
            priority_raw,
            customer: self.customer(issue),
            tier: self.text_of(issue, &self.site.ids.tier),
            contract: self.text_of(issue, &self.site.ids.contract),
            requester: reporter.as_ref().and_then(person),
            owner: issue.field::<User>("assignee").as_ref().and_then(person),
            team: self.team(issue, project),
            product: self.text_of(issue, &self.site.ids.product),
            category: named(issue, "issuetype").map(|party| party.name),
            channel: None,
            tags: labels.into_iter().filter(|label| !marks::is_ours(label)).collect(),
            fields: self.custom_fields(issue),
            unread: self.unread(issue),
            opened_at,
            updated_at,
            resolved_at: time("resolutiondate"),
            due_at: issue.field::<String>("duedate").as_deref().and_then(end_of_day),
            links: self.links(issue),
            revision: Revision { at_ms: updated_at.as_millisecond(), count: 0 },
        })
    }

    fn customer(&self, issue: &Issue) -> Option<Party> {
        let ids = &self.site.ids;
        let id = ids.customer.as_deref().or(ids.organizations.as_deref())?;
        party_of(&issue.field::<Value>(id)?)
    }

    fn team(&self, issue: &Issue, project: Option<Project>) -> Option<Party> {
        match self.site.ids.team.as_deref()? {
            "project" => project.map(|project| Party { id: project.id, name: project.name }),
            field => party_of(&issue.field::<Value>(field)?),
        }
    }

    fn text_of(&self, issue: &Issue, id: &Option<String>) -> Option<String> {
        let value = issue.field::<Value>(id.as_deref()?)?;
        party_of(&value).map(|party| party.name)
    }

    fn custom_fields(&self, issue: &Issue) -> BTreeMap<String, FieldValue> {
        let ids = &self.site.ids;
        let request_type = ids.request_type.as_deref().and_then(|id| issue.field::<Value>(id));
        let request_type = request_type
            .as_ref()
            .and_then(|value| value.pointer("/requestType/name")?.as_str())
            .map(|name| ("request_type".to_owned(), FieldValue::Text(name.to_owned())));
        let mapped = ids
            .custom
            .iter()
            .filter_map(|(name, id)| Some((name.clone(), value_of(&issue.field::<Value>(id)?)?)));
        request_type.into_iter().chain(mapped).collect()
    }

    /// Fields that were asked for and did not come, or not as we know them: a field without a value comes as null.
    fn unread(&self, issue: &Issue) -> Vec<String> {
        let ids = &self.site.ids;
        let known = |field: &str, read: &dyn Fn(&Value) -> bool| {
            let value = issue.fields.get(field).map(|raw| serde_json::from_str::<Value>(raw.get()));
            matches!(value, Some(Ok(value)) if is_nothing(&value) || read(&value))
        };
        let party = |value: &Value| party_of(value).is_some();
        let text = |value: &Value| value.is_string();
        let person = |value: &Value| User::deserialize(value).ok().as_ref().and_then(person).is_some();
        let rank = |value: &Value| {
            party_of(value).is_some_and(|party| words::priority(self.config, &party.name).is_some())
        };
        let mut unread = Vec::new();
        let mut judge = |name: &str, field: Option<&str>, read: &dyn Fn(&Value) -> bool| {
            if field.is_some_and(|field| !known(field, read)) {
                unread.push(name.to_owned());
            }
        };
        judge("title", Some("summary"), &text);
        judge("priority", Some("priority"), &rank);
        judge("category", Some("issuetype"), &party);
        judge("tags", Some("labels"), &|value| Vec::<String>::deserialize(value).is_ok());
        judge("owner", Some("assignee"), &person);
        judge("requester", Some("reporter"), &person);
        judge("due_at", Some("duedate"), &|value| value.as_str().and_then(end_of_day).is_some());
        for (name, field) in [
            ("customer", &ids.customer),
            ("tier", &ids.tier),
            ("contract", &ids.contract),
            ("team", &ids.team),
            ("product", &ids.product),
        ] {
            judge(name, field.as_deref(), &party);
        }
        for (name, field) in &ids.custom {
            judge(name, Some(field), &|value| value_of(value).is_some());
        }
        // Vendor: a field of Service Management does not come with issues of other projects.
        let organizations = ids.organizations.as_deref().filter(|_| ids.customer.is_none());
        if let Some(raw) = organizations.and_then(|id| issue.fields.get(id)) {
            let odd = |value: Value| !is_nothing(&value) && party_of(&value).is_none();
            if serde_json::from_str(raw.get()).map_or(true, odd) {
                unread.push("customer".to_owned());
            }
        }
        unread
    }

    fn links(&self, issue: &Issue) -> Vec<CaseKey> {
        let links: Vec<Link> = issue.field("issuelinks").unwrap_or_default();
        let ends = links.into_iter().filter_map(|link| link.inward_issue.or(link.outward_issue)?.id);
        ends.map(|id| CaseKey::new(self.source, id)).collect()
    }
}

/// What a field without a value looks like.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// The issue property, empty where there is none of ours.
pub fn property(issue: &Issue) -> Property {
    let raw = issue.properties.as_ref().and_then(|properties| properties.get(marks::NAME));
    let value: Option<Value> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
    value.as_ref().map(Property::read).unwrap_or_default()
}

/// Ids are numbers; nothing else may enter an address or a query.
pub fn is_id(text: &str) -> bool {
    (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn named(issue: &Issue, field: &str) -> Option<Party> {
    party_of(&issue.field::<Value>(field)?)
}

fn person(user: &User) -> Option<Party> {
    Some(Party { id: user.id()?.to_owned(), name: user.shown().to_owned() })
}

/// The first value of a field as something with an id and a name: a person, an organization, an option, plain text.
fn party_of(value: &Value) -> Option<Party> {
    match value {
        Value::String(text) if !text.is_empty() => Some(Party { id: text.clone(), name: text.clone() }),
        Value::Number(number) => Some(Party { id: number.to_string(), name: number.to_string() }),
        Value::Array(list) => list.iter().find_map(party_of),
        Value::Object(fields) => {
            let text = |names: &[&str]| {
                names.iter().find_map(|name| match fields.get(*name)? {
                    Value::String(text) if !text.is_empty() => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                })
            };
            let name = text(&["displayName", "name", "value", "title", "key"]);
            let id = text(&["accountId", "id", "groupId", "key"]).or_else(|| name.clone())?;
            Some(Party { name: name.unwrap_or_else(|| id.clone()), id })
        }
        _ => None,
    }
}

fn value_of(value: &Value) -> Option<FieldValue> {
    match value {
        Value::Bool(truth) => Some(FieldValue::Truth(*truth)),
        Value::Number(number) => number.as_f64().map(FieldValue::Number),
        Value::String(text) => Some(match wire::parse_time(text) {
            Some(at) => FieldValue::Instant(at),
            None => FieldValue::Text(text.clone()),
        }),
        Value::Array(list) => {
            Some(FieldValue::List(list.iter().filter_map(party_of).map(|party| party.name).collect()))
        }
        Value::Object(fields) if fields.contains_key("content") => Some(FieldValue::Text(adf::text(value))),
        Value::Object(_) => party_of(value).map(|party| FieldValue::Text(party.name)),
        Value::Null => None,
    }
}

/// A due date is a day; it is over when the day is, in UTC.
fn end_of_day(text: &str) -> Option<Timestamp> {
    let day: civil::Date = text.parse().ok()?;
    Some(day.at(23, 59, 59, 0).to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The prefix of the REST version that we speak with a flavour.
pub fn api(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Cloud => "/rest/api/3",
        Flavour::DataCenter => "/rest/api/2",
    }
}
