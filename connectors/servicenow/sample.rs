//! Recorded answers of an instance and bodies of its business rules, read together by the same eyes as live ones.
//!
//! Must not know: how rows become a case (`normalize`, `history`); requests.

use super::ServiceNow;
use super::config::Table;
use super::history::{AuditRow, JournalRow};
use super::normalize::{self, Read};
use super::query::parse_stamp;
use super::wire::{Cell, Row};
use crate::sample::{NO_CASE, Sample, Taken, counted, json_of};
use crate::{ConnectorError, Quarantined};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dutyd_core::case::{CaseChange, CaseKey};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What states are called, for answers that show values only.
///
/// Vendor: c_IncidentManagementStateModel, case-api.
const INCIDENT_STATES: [(&str, &str); 7] = [
    ("New", "1"),
    ("In Progress", "2"),
    ("On Hold", "3"),
    ("Resolved", "6"),
    ("Closed", "7"),
    ("Canceled", "8"),
    ("Cancelled", "8"),
];
const CASE_STATES: [(&str, &str); 6] = [
    ("New", "1"),
    ("Open", "10"),
    ("Awaiting Info", "18"),
    ("Resolved", "6"),
    ("Closed", "3"),
    ("Cancelled", "7"),
];

/// What the documents hold, until all are read. Children by the record they belong to.
#[derive(Default)]
struct Pile {
    records: BTreeMap<String, (Table, Row, String)>,
    audit: BTreeMap<String, Vec<AuditRow>>,
    journal: BTreeMap<String, Vec<JournalRow>>,
    counts: BTreeMap<String, usize>,
    out: Sample,
}

pub fn read(servicenow: &ServiceNow, documents: &[&[u8]], now: Timestamp) -> Result<Sample, ConnectorError> {
    let mut pile = Pile::default();
    for (index, document) in documents.iter().enumerate() {
        let taken = pile.document(json_of(document, index + 1)?);
        pile.out.documents.push(taken);
    }
    Ok(pile.judged(servicenow, now))
}

fn told<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    let value = fields.get(name).unwrap_or(&Value::Null);
    value.as_str().or_else(|| value["value"].as_str()).unwrap_or_default()
}

/// What a record is: by its class, by its number, or by its columns.
fn kind_of(fields: &Map<String, Value>) -> Option<String> {
    let has = |names: &[&str]| names.iter().all(|name| fields.contains_key(*name));
    let class = told(fields, "sys_class_name");
    let by_columns = [
        ("sys_journal_field", &["element_id", "element"][..]),
        ("sys_audit", &["documentkey", "fieldname"]),
        ("sys_audit_delete", &["documentkey", "tablename"]),
        ("task_sla", &["task", "sla"]),
        ("sys_user", &["user_name"]),
        ("sys_attachment", &["file_name", "table_sys_id"]),
    ];
    let by_columns = by_columns.iter().find(|(_, names)| has(names)).map(|(kind, _)| *kind);
    let is_task =
        has(&["number"]) && (has(&["state"]) || has(&["incident_state"]) || has(&["short_description"]));
    let by_number = || match told(fields, "number") {
        number if number.starts_with("CS") => Table::CustomerCase.name(),
        _ => Table::Incident.name(),
    };
    let named = Some(class).filter(|class| !class.is_empty()).or(by_columns);
    named.or_else(|| is_task.then(by_number)).map(str::to_owned)
}

impl Pile {
    fn document(&mut self, value: Value) -> Taken {
        self.counts.clear();
        // A body that a business rule sends stands for itself, an answer is wrapped.
        let rings_for =
            value.as_object().map(|fields| told(fields, "sys_id").to_owned()).filter(|id| !id.is_empty());
        let is_bare = rings_for.is_some();
        self.take(value);
        let counts: Vec<(usize, String)> =
            self.counts.iter().map(|(what, count)| (*count, what.clone())).collect();
        let holds = if is_bare && counts.is_empty() {
            "webhook of a business rule".to_owned()
        } else {
            counted(&counts)
        };
        Taken { holds, rings_for: rings_for.into_iter().collect() }
    }

    /// Records wherever they stand: alone, in `result`, in a list, in the answer of a batch, or in somebody's own wrapping.
    fn take(&mut self, value: Value) {
        match value {
            Value::Array(items) => items.into_iter().for_each(|item| self.take(item)),
            Value::Object(fields) => match kind_of(&fields) {
                Some(kind) => self.record(&kind, fields),
                None if fields.contains_key("error") => {
                    let message = fields["error"]["message"].as_str().unwrap_or("without a message");
                    self.out.pass_over(format!("error: {message}"));
                    fields
                        .into_iter()
                        .filter(|(name, _)| name == "result")
                        .for_each(|(_, value)| self.take(value));
                }
                None if fields.contains_key("status_code") => {
                    let body = fields.get("body").and_then(Value::as_str).unwrap_or_default();
                    let body = BASE64_STANDARD.decode(body).unwrap_or_else(|_| body.as_bytes().to_vec());
                    self.take(serde_json::from_slice(&body).unwrap_or_default());
                }
                None => fields.into_values().for_each(|value| self.take(value)),
            },
            _ => {}
        }
    }

    fn record(&mut self, kind: &str, fields: Map<String, Value>) {
        *self.counts.entry(kind.to_owned()).or_default() += 1;
        let id = told(&fields, "sys_id").to_owned();
        let record = Value::Object(fields);
        let of = |value: &Cell| if value.value.is_empty() { NO_CASE.to_owned() } else { value.value.clone() };
        match kind {
            "sys_journal_field" => {
                if let Some(row) = self.readable::<JournalRow>(record, |row| &row.sys_created_on) {
                    self.journal.entry(of(&row.element_id)).or_default().push(row);
                }
            }
            "sys_audit" => {
                if let Some(row) = self.readable::<AuditRow>(record, |row| &row.sys_created_on) {
                    self.audit.entry(of(&row.documentkey)).or_default().push(row);
                }
            }
            _ => {
                match [Table::Incident, Table::CustomerCase].into_iter().find(|table| table.name() == kind) {
                    None => self.out.pass_over(kind),
                    Some(_) if id.is_empty() => {
                        self.out
                            .quarantined
                            .push(Quarantined::sampled(&record, "the record tells no sys_id"));
                    }
                    Some(table) => match serde_json::from_value::<Row>(record.clone()) {
                        Ok(row) => drop(self.records.insert(id, (table, row, record.to_string()))),
                        Err(error) => {
                            self.out.quarantined.push(Quarantined::sampled(&record, error.to_string()))
                        }
                    },
                }
            }
        }
    }

    fn readable<T: DeserializeOwned>(&mut self, record: Value, stamp: fn(&T) -> &Cell) -> Option<T> {
        let read = serde_json::from_value::<T>(record.clone()).map_err(|error| error.to_string());
        let read = read.and_then(|row| match parse_stamp(&stamp(&row).value) {
            Some(_) => Ok(row),
            None => Err("sys_created_on is no instant".to_owned()),
        });
        read.map_err(|reason| {
            let id = record["sys_id"].as_str().unwrap_or_default();
            self.out.quarantined.push(Quarantined::named(id, &record.to_string(), reason));
        })
        .ok()
    }

    fn judged(mut self, servicenow: &ServiceNow, now: Timestamp) -> Sample {
        let sole = self.records.keys().next().cloned().filter(|_| self.records.len() == 1);
        if let Some(id) = sole {
            let (audit, journal) = (self.audit.remove(NO_CASE), self.journal.remove(NO_CASE));
            self.audit.entry(id.clone()).or_default().extend(audit.unwrap_or_default());
            self.journal.entry(id).or_default().extend(journal.unwrap_or_default());
        }
        let told = normalize::audited(&servicenow.config);
        for row in self.audit.values().flatten().filter(|row| !told.contains(&row.fieldname.value)) {
            self.out.pass_over(format!("change of {}", row.fieldname.value));
        }
        for (id, (table, row, raw)) in self.records {
            let (audit, journal) = (self.audit.remove(&id), self.journal.remove(&id));
            let row = filled(table, row);
            match change(servicenow, table, &id, &row, (audit, journal), now) {
                Ok(change) => self.out.changes.push(change),
                Err(reason) => self.out.quarantined.push(Quarantined::named(id, &raw, reason)),
            }
        }
        let ids: std::collections::BTreeSet<String> =
            self.audit.keys().chain(self.journal.keys()).cloned().collect();
        for id in ids {
            let (audit, journal) = (self.audit.remove(&id), self.journal.remove(&id));
            let stamps = audit.iter().flatten().map(|row| &row.sys_created_on);
            let first = stamps
                .chain(journal.iter().flatten().map(|row| &row.sys_created_on))
                .map(|cell| &cell.value)
                .min();
            let first = Cell { value: first.cloned().unwrap_or_default(), shown: String::new() };
            let absent =
                Row::from([("state".to_owned(), Cell::default()), ("sys_updated_on".to_owned(), first)]);
            let absent = filled(Table::Incident, absent);
            if let Ok(change) = change(servicenow, Table::Incident, &id, &absent, (audit, journal), now) {
                // The first one is the creation of a record that we did not see.
                self.out.loose_events.insert(id, change.events.into_iter().skip(1).collect());
            }
        }
        self.out
    }
}

/// A record with what a narrower question than ours did not ask for, and codes for what is only shown.
fn filled(table: Table, mut row: Row) -> Row {
    let stamps = ["sys_updated_on", "sys_created_on", "opened_at"];
    let known = stamps.iter().find_map(|name| row.get(*name).filter(|cell| !cell.value.is_empty())).cloned();
    for name in stamps {
        if let Some(known) = known.clone() {
            row.entry(name.to_owned()).or_insert(known);
        }
    }
    if let Some(state) = row.get("incident_state").cloned() {
        row.entry("state".to_owned()).or_insert(state);
    }
    let words: &[(&str, &str)] = if table == Table::Incident { &INCIDENT_STATES } else { &CASE_STATES };
    if let Some(state) = row.get_mut("state")
        && let Some((_, code)) = words.iter().find(|(word, _)| *word == state.value)
    {
        (*code).clone_into(&mut state.value);
    }
    if let Some(priority) = row.get_mut("priority")
        && let Some((code, _)) = priority.value.clone().split_once(" - ")
    {
        code.clone_into(&mut priority.value);
    }
    row
}

fn change(
    servicenow: &ServiceNow,
    table: Table,
    id: &str,
    row: &Row,
    (audit, journal): (Option<Vec<AuditRow>>, Option<Vec<JournalRow>>),
    now: Timestamp,
) -> Result<CaseChange, String> {
    let key = CaseKey::new(&servicenow.source, id);
    let (audit, journal) = (audit.unwrap_or_default(), journal.unwrap_or_default());
    let read = Read { key: &key, table, row, audit, journal, audit_complete: false, journal_complete: false };
    normalize::change(&servicenow.config, servicenow.origin(), read, now)
}
