//! Recorded answers of an org, read together by the same eyes as live ones; and what an org pushes, named.
//!
//! Must not know: how rows become a case (`normalize`, `history`); requests.

use super::Salesforce;
use super::normalize::{self, Read};
use super::soql::{parse_instant, record_id};
use super::wire::{at, text};
use crate::sample::{NO_CASE, Sample, Taken, counted, json_of};
use crate::{ConnectorError, Quarantined};
use dutyd_core::case::{CaseChange, CaseKey};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Vendor: the first three characters of an id tell its object (key prefixes).
const PREFIXES: [(&str, &str); 4] =
    [("500", "Case"), ("00a", "CaseComment"), ("02s", "EmailMessage"), ("017", "CaseHistory")];
/// Children inside a case: their relation, object, and the field that leads back.
const CHILDREN: [(&str, &str); 3] =
    [("CaseComments", "ParentId"), ("EmailMessages", "ParentId"), ("Histories", "CaseId")];

/// What the documents hold, until all are read. Children by the case they belong to.
#[derive(Default)]
struct Pile {
    cases: BTreeMap<String, Value>,
    children: BTreeMap<String, Children>,
    counts: BTreeMap<String, usize>,
    out: Sample,
}

#[derive(Default)]
struct Children {
    comments: Vec<Value>,
    mails: Vec<Value>,
    history: Vec<Value>,
}

pub fn read(salesforce: &Salesforce, documents: &[&[u8]], now: Timestamp) -> Result<Sample, ConnectorError> {
    let mut pile = Pile::default();
    for (index, document) in documents.iter().enumerate() {
        let taken = match outbound_message(document) {
            Some(taken) => taken,
            None => pile.document(json_of(document, index + 1)?),
        };
        pile.out.documents.push(taken);
    }
    Ok(pile.judged(salesforce, now))
}

/// Vendor: an outbound message is SOAP with the ids of the records it is about (api, Outbound Messaging). This source is
/// polled, so it rings for nobody.
fn outbound_message(document: &[u8]) -> Option<Taken> {
    let document = String::from_utf8_lossy(document);
    if !document.trim_start().starts_with('<') {
        return None;
    }
    let ids: Vec<String> = document.split(['<', '>']).filter_map(|word| record_id(word.trim())).collect();
    let cases: Vec<&String> = ids.iter().filter(|id| id.starts_with("500")).collect();
    let holds = format!("outbound message, {}", counted(&[(cases.len(), "cases".to_owned())]));
    Some(Taken { holds, rings_for: Vec::new() })
}

fn kind_of(fields: &Map<String, Value>) -> Option<String> {
    let told = fields.get("attributes").and_then(|attributes| attributes["type"].as_str());
    let id = fields.get("Id").and_then(Value::as_str).and_then(record_id);
    let of_id = id.and_then(|id| PREFIXES.iter().find(|(prefix, _)| id.starts_with(prefix)));
    told.or(of_id.map(|(_, kind)| *kind)).map(str::to_owned)
}

impl Pile {
    fn document(&mut self, value: Value) -> Taken {
        self.counts.clear();
        self.take(value);
        let counts: Vec<(usize, String)> =
            self.counts.iter().map(|(what, count)| (*count, what.clone())).collect();
        Taken { holds: counted(&counts), rings_for: Vec::new() }
    }

    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    /// Records wherever they stand: alone, in a list, a page, a composite or a batch, or in somebody's own wrapping.
    fn take(&mut self, value: Value) {
        match value {
            Value::Array(items) => items.into_iter().for_each(|item| self.take(item)),
            Value::Object(fields) => match kind_of(&fields) {
                Some(kind) => self.record(&kind, fields),
                None if fields.contains_key("ChangeEventHeader") => {
                    let header = &fields["ChangeEventHeader"];
                    self.count(&format!("change event of {}", header["entityName"].as_str().unwrap_or("?")));
                    self.out
                        .pass_over(format!("change event {}", header["changeType"].as_str().unwrap_or("?")));
                }
                None => {
                    if let Some(code) =
                        fields.get("errorCode").or(fields.get("error")).and_then(Value::as_str)
                    {
                        self.out.pass_over(format!("error {code}"));
                    }
                    fields.into_values().for_each(|value| self.take(value));
                }
            },
            _ => {}
        }
    }

    fn record(&mut self, kind: &str, mut fields: Map<String, Value>) {
        self.count(kind);
        let id = fields.get("Id").and_then(Value::as_str).and_then(record_id);
        let known = PREFIXES.iter().any(|(_, known)| *known == kind);
        let Some(id) = id.filter(|_| known) else {
            let record = Value::Object(fields);
            match known {
                true => self.out.quarantined.push(Quarantined::sampled(&record, "Id is no id of a record")),
                false => self.out.pass_over(kind),
            }
            return;
        };
        if kind == "Case" {
            for (relation, parent) in CHILDREN {
                let inner = fields.remove(relation).unwrap_or_default();
                for mut child in inner["records"].as_array().cloned().unwrap_or_default() {
                    child[parent] = json!(id);
                    self.take(child);
                }
            }
            self.cases.insert(id, Value::Object(fields));
            return;
        }
        let record = Value::Object(fields);
        if parse_instant(text(&record, "CreatedDate")).is_none() {
            return self.out.quarantined.push(Quarantined::named(
                id,
                &record.to_string(),
                "CreatedDate is no instant",
            ));
        }
        let parent = if kind == "CaseHistory" { "CaseId" } else { "ParentId" };
        let parent = record_id(text(&record, parent)).unwrap_or_else(|| NO_CASE.to_owned());
        let children = self.children.entry(parent).or_default();
        match kind {
            "CaseComment" => children.comments.push(record),
            // Vendor: status 5 is a draft that nobody has sent (object reference, EmailMessage).
            "EmailMessage" if text(&record, "Status") == "5" => self.out.pass_over("draft of a mail"),
            "EmailMessage" => children.mails.push(record),
            _ => children.history.push(record),
        }
    }

    fn judged(mut self, salesforce: &Salesforce, now: Timestamp) -> Sample {
        // Rows that name no case: with a single case in the documents they are its.
        let sole = self.cases.keys().next().cloned().filter(|_| self.cases.len() == 1);
        if let (Some(id), Some(nameless)) = (sole, self.children.remove(NO_CASE)) {
            let children = self.children.entry(id).or_default();
            children.comments.extend(nameless.comments);
            children.mails.extend(nameless.mails);
            children.history.extend(nameless.history);
        }
        for row in self.children.values().flat_map(|children| &children.history) {
            if !is_told(salesforce, text(row, "Field")) {
                self.out.pass_over(format!("history of {}", text(row, "Field")));
            }
        }
        for (id, row) in std::mem::take(&mut self.cases) {
            let children = self.children.remove(&id).unwrap_or_default();
            let row = filled(salesforce, row);
            match change(salesforce, &id, &row, children, now) {
                Ok(change) => self.out.changes.push(change),
                Err(reason) => self.out.quarantined.push(Quarantined::named(id, &row.to_string(), reason)),
            }
        }
        for (id, children) in self.children {
            let rows = children.comments.iter().chain(&children.mails).chain(&children.history);
            let first = rows.map(|row| text(row, "CreatedDate").to_owned()).min();
            let absent = filled(salesforce, json!({ "Id": id, "Status": "", "CreatedDate": first }));
            if let Ok(change) = change(salesforce, &id, &absent, children, now) {
                // The first one is the creation of a case that we did not see.
                self.out.loose_events.insert(id, change.events.into_iter().skip(1).collect());
            }
        }
        self.out
    }
}

/// A row with what a narrower question than ours did not ask for, as far as the rest tells it.
fn filled(salesforce: &Salesforce, mut row: Value) -> Value {
    let instants = ["SystemModstamp", "LastModifiedDate", "CreatedDate"];
    let known = |row: &Value| {
        instants.map(|name| text(row, name).to_owned()).into_iter().find(|text| !text.is_empty())
    };
    for name in instants {
        if let (Value::Null, Some(instant)) = (at(&row, name), known(&row)) {
            row[name] = json!(instant);
        }
    }
    if at(&row, "IsClosed").is_null() {
        let closed = !salesforce.config.status(text(&row, "Status")).is_open();
        row["IsClosed"] = json!(closed);
    }
    row
}

fn change(
    salesforce: &Salesforce,
    id: &str,
    row: &Value,
    children: Children,
    now: Timestamp,
) -> Result<CaseChange, String> {
    let Children { comments, mails, history } = children;
    let key = CaseKey::new(&salesforce.source, id);
    let read = Read {
        key: &key,
        row,
        comments,
        mails,
        history,
        comments_complete: false,
        complete: false,
        absent: &[],
    };
    normalize::change(&salesforce.config, salesforce.origin(), read, now)
}

/// Whether a change of this field means something to us.
fn is_told(salesforce: &Salesforce, field: &str) -> bool {
    let config = &salesforce.config;
    let fixed = [
        "created",
        "closed",
        "Status",
        "Priority",
        "Owner",
        "ownerAssignment",
        "ownerAccepted",
        "ownerEscalated",
    ];
    let named = [&config.marks.severity, &config.marks.answer, &config.columns.team];
    fixed.contains(&field)
        || named
            .into_iter()
            .chain(config.fields.values().map(|mapped| &mapped.column))
            .any(|known| known == field)
}
