//! Recorded answers and webhook bodies of Jira, read together by the same eyes as live ones.
//!
//! Must not know: how issues, histories and comments become a case (`normalize`, `timeline`); requests.

use super::connector::Jira;
use super::hook::issue_ids;
use super::normalize::{Reader, Whole};
use super::site::Site;
use super::timeline::{People, of_comment, of_history, passed_over};
use super::wire::{Comment, Field, History, Issue, Status, User};
use crate::sample::{NO_CASE, Sample, Taken, counted, json_of};
use crate::{ConnectorError, Quarantined};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the documents hold, until all are read. What belongs to an issue stands under its id; `?`: the document does not say.
#[derive(Default)]
struct Pile {
    issues: BTreeMap<String, Issue>,
    histories: BTreeMap<String, Vec<History>>,
    comments: BTreeMap<String, Vec<Comment>>,
    fields: Vec<Field>,
    statuses: Vec<Status>,
    out: Sample,
}

pub fn read(jira: &Jira, documents: &[&[u8]], now: Timestamp) -> Result<Sample, ConnectorError> {
    let mut pile = Pile::default();
    for (index, document) in documents.iter().enumerate() {
        let value = json_of(document, index + 1)?;
        let taken = pile.document(value);
        pile.out.documents.push(taken);
    }
    let site = Site::new(&jira.config, &User::default(), &pile.fields, &pile.statuses);
    let reader =
        Reader { source: &jira.source, config: &jira.config, site: &site, browse: &jira.browse, now };
    Ok(pile.judged(&reader))
}

/// Kinds of records, each with the keys that only it has, told in this order.
const KINDS: [(&str, &[&str]); 7] = [
    ("issues", &["fields", "key"]),
    ("issueChangeLogs", &["issueId", "changeHistories"]),
    ("histories", &["items", "created"]),
    ("comments", &["body", "created"]),
    ("statuses", &["statusCategory", "name"]),
    ("fields", &["id", "name", "clauseNames"]),
    ("fields", &["id", "name", "orderable"]),
];

fn kind_of(record: &Value) -> Option<&'static str> {
    let is = |(_, keys): &&(&str, &[&str])| keys.iter().all(|key| record.get(*key).is_some());
    KINDS.iter().find(is).map(|(kind, _)| *kind)
}

impl Pile {
    fn document(&mut self, value: Value) -> Taken {
        if let Some(event) = value["webhookEvent"].as_str().map(str::to_owned) {
            let taken = Taken { holds: format!("webhook {event}"), rings_for: issue_ids(&value) };
            self.webhook(&event, value);
            return taken;
        }
        let mut counts: Vec<(usize, String)> = Vec::new();
        for (name, record) in records_of(value) {
            let what = kind_of(&record).map_or(name, str::to_owned);
            match counts.iter_mut().find(|(_, known)| *known == what) {
                Some((count, _)) => *count += 1,
                None => counts.push((1, what.clone())),
            }
            self.record(&what, NO_CASE, record);
        }
        Taken { holds: counted(&counts), rings_for: Vec::new() }
    }

    fn record(&mut self, what: &str, issue: &str, mut record: Value) {
        match what {
            "issues" => self.issue(record),
            "issueChangeLogs" => {
                let id = text(&record["issueId"]);
                for history in listed(record["changeHistories"].take()) {
                    self.record("histories", &id, history);
                }
            }
            "histories" => {
                let history = self.readable(record);
                self.histories.entry(issue.to_owned()).or_default().extend(history);
            }
            "comments" => {
                // Vendor: Service Management writes a comment's time as an object and says `public`.
                if let Some(at) = record["created"].get("epochMillis").cloned() {
                    let (public, body) = (record["public"] != json!(false), record["body"].take());
                    record = json!({ "id": record["id"], "author": record["author"], "body": body,
                        "created": at, "jsdPublic": public });
                }
                let comment = self.readable(record);
                self.comments.entry(issue.to_owned()).or_default().extend(comment);
            }
            "statuses" => {
                let status = self.readable(record);
                self.statuses.extend(status);
            }
            "fields" => {
                let field = self.readable(record);
                self.fields.extend(field);
            }
            other => self.out.pass_over(other),
        }
    }

    fn issue(&mut self, record: Value) {
        if record["fields"]["status"].is_null() {
            // A row of a search that asked for less: the daemon would read the issue by its id.
            return self.out.pass_over("issue without its status");
        }
        if let Some(issue) = self.readable::<Issue>(record) {
            self.issues.insert(issue.id.clone(), issue);
        }
    }

    /// A webhook rings; what it carries besides is shown as if it had been read.
    fn webhook(&mut self, event: &str, mut body: Value) {
        let id = issue_ids(&body).into_iter().next().unwrap_or_else(|| NO_CASE.to_owned());
        let changelog = body["changelog"].take();
        if changelog["items"].is_array() {
            let number = [&changelog["id"], &body["timestamp"]].into_iter().find(|one| !one.is_null());
            let history = json!({ "id": number, "items": changelog["items"],
                "created": body["timestamp"], "author": body["user"] });
            self.record("histories", &id, history);
        }
        let comment = body["comment"].take();
        if comment.is_object() && !event.ends_with("_deleted") {
            self.record("comments", &id, comment);
        }
        let issue = body["issue"].take();
        // Vendor: events about a comment or a link carry a slim issue, without its times.
        if issue["fields"]["updated"].is_string() && !event.ends_with("_deleted") {
            self.issue(issue);
        }
    }

    fn readable<T: DeserializeOwned>(&mut self, record: Value) -> Option<T> {
        // Through text: a field is kept raw, which a parsed value cannot give.
        let text = record.to_string();
        match serde_json::from_str(&text) {
            Ok(one) => Some(one),
            Err(error) => {
                self.out.quarantined.push(Quarantined::of(&text, "id", error.to_string()));
                None
            }
        }
    }

    fn judged(mut self, reader: &Reader<'_>) -> Sample {
        // Histories and comments that name no issue: with a single one in the documents they are its.
        let sole = self.issues.keys().next().cloned().filter(|_| self.issues.len() == 1);
        if let Some(id) = sole {
            let histories = self.histories.remove(NO_CASE).unwrap_or_default();
            self.histories.entry(id.clone()).or_default().extend(histories);
            let comments = self.comments.remove(NO_CASE).unwrap_or_default();
            self.comments.entry(id).or_default().extend(comments);
        }
        for (id, issue) in std::mem::take(&mut self.issues) {
            self.case(reader, &id, issue);
        }
        let people = People { config: reader.config, site: reader.site, reporter: None, service_desk: true };
        for (id, histories) in std::mem::take(&mut self.histories) {
            self.name_passed_over(&people, &histories);
            let events = histories.iter().flat_map(|history| of_history(&people, history, reader.now));
            self.out.loose_events.entry(id).or_default().extend(events);
        }
        for (id, comments) in std::mem::take(&mut self.comments) {
            let events = comments.iter().map(|comment| of_comment(&people, comment, reader.now).0);
            self.out.loose_events.entry(id).or_default().extend(events);
        }
        self.out.loose_events.retain(|_, events| !events.is_empty());
        self.out
    }

    fn case(&mut self, reader: &Reader<'_>, id: &str, issue: Issue) {
        let mut histories = self.histories.remove(id).unwrap_or_default();
        let own = issue.changelog.as_ref().map(|page| &page.histories).into_iter().flatten();
        for history in own.map(|raw| serde_json::from_str(raw.get())) {
            match history {
                Ok(history) => histories.push(history),
                Err(error) => {
                    self.out.quarantined.push(Quarantined::named(id, "", format!("history: {error}")))
                }
            }
        }
        let mut comments = self.comments.remove(id).unwrap_or_default();
        let inline: super::wire::CommentPage = issue.field("comment").unwrap_or_default();
        comments.extend(super::wire::readable(&inline.comments).0);
        let people = People { config: reader.config, site: reader.site, reporter: None, service_desk: true };
        self.name_passed_over(&people, &histories);
        let raw = serde_json::to_string(&issue.fields).unwrap_or_default();
        let whole = Whole { issue, histories, comments, histories_complete: false, comments_complete: false };
        match reader.change(&whole) {
            Ok(change) => self.out.changes.push(change),
            Err(error) => self.out.quarantined.push(Quarantined::named(id, &raw, error.to_string())),
        }
    }

    fn name_passed_over(&mut self, people: &People<'_>, histories: &[History]) {
        for what in histories.iter().flat_map(|history| passed_over(people, history)) {
            self.out.pass_over(what);
        }
    }
}

/// The records of an answer with the names they stand under: a list, a page of one, or one record.
fn records_of(value: Value) -> Vec<(String, Value)> {
    if kind_of(&value).is_some() {
        return vec![(String::new(), value)];
    }
    match value {
        Value::Array(records) => records.into_iter().map(|record| ("records".to_owned(), record)).collect(),
        Value::Object(named) => named
            .into_iter()
            .flat_map(|(name, value)| listed(value).into_iter().map(move |record| (name.clone(), record)))
            .collect(),
        _ => Vec::new(),
    }
}

fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(records) => records.into_iter().filter(Value::is_object).collect(),
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
