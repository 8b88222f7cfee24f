//! Recorded answers and webhook bodies of Zendesk, read together by the same eyes as live ones.
//!
//! Must not know: how tickets, audits and events become a case (`normalize`, `timeline`); requests.

use super::bearings::resolve;
use super::connector::Zendesk;
use super::normalize::{Directory, Lens};
use super::sample_event;
use super::timeline::opens;
use super::wire::{self, Audit, FieldDefinition, Ticket, User};
use crate::sample::{NO_CASE, Sample, Taken, counted, json_of};
use crate::{ConnectorError, Quarantined};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// What the documents hold, until all are read.
#[derive(Default)]
struct Pile {
    tickets: BTreeMap<u64, Ticket>,
    solved: HashMap<u64, Option<Timestamp>>,
    /// By ticket; those of a document that names none under `None`.
    audits: BTreeMap<Option<u64>, Vec<Audit>>,
    people: Directory,
    definitions: Vec<FieldDefinition>,
    out: Sample,
}

pub fn read(zendesk: &Zendesk, documents: &[&[u8]], now: Timestamp) -> Result<Sample, ConnectorError> {
    let mut pile = Pile::default();
    for (index, document) in documents.iter().enumerate() {
        let value = json_of(document, index + 1)?;
        let taken = pile.document(value);
        pile.out.documents.push(taken);
    }
    let fields = resolve(&zendesk.config, &pile.definitions);
    let people = std::mem::take(&mut pile.people);
    let lens = zendesk.lens_with(&fields, &people, now);
    Ok(pile.judged(&lens))
}

/// The records of an answer under their names. A record that stands for itself, or a list of such, goes under the name that
/// its keys tell; what has no records is a payload of an admin's own making.
fn lists_of(value: Value) -> Vec<(String, Vec<Value>)> {
    let lists = match value {
        Value::Array(records) => vec![(bare_name(records.first()), records)],
        record if !bare_name(Some(&record)).is_empty() => vec![(bare_name(Some(&record)), vec![record])],
        Value::Object(named) => {
            named.into_iter().filter_map(|(name, value)| Some((name, records_of(value)?))).collect()
        }
        _ => Vec::new(),
    };
    // Vendor: how a list is paged stands beside it.
    let is_told = |(name, _): &(String, Vec<Value>)| !matches!(name.as_str(), "meta" | "links" | "facets");
    lists.into_iter().filter(is_told).collect()
}

fn records_of(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(records) if records.iter().all(Value::is_object) => Some(records),
        // An answer about one ticket; a trigger's text about one has the keys that its author liked.
        Value::Object(record) if record.contains_key("created_at") => Some(vec![Value::Object(record)]),
        _ => None,
    }
}

fn bare_name(record: Option<&Value>) -> String {
    let has = |keys: &[&str]| record.is_some_and(|one| keys.iter().all(|key| one.get(*key).is_some()));
    let names = [
        ("audits", &["events", "created_at"][..]),
        ("tickets", &["status", "created_at", "requester_id"]),
        ("comments", &["author_id", "created_at", "public"]),
        ("users", &["role", "email", "created_at"]),
    ];
    names.iter().find(|(_, keys)| has(keys)).map_or(String::new(), |(name, _)| (*name).to_owned())
}

impl Pile {
    fn document(&mut self, value: Value) -> Taken {
        if let Some(kind) = wire::event_of(&value) {
            return self.event(kind, &value);
        }
        let named = wire::ticket_of(&value);
        let mut counts = Vec::new();
        for (name, records) in lists_of(value) {
            counts.push((records.len(), name.clone()));
            self.records(&name, records);
        }
        match named {
            Some(id) if counts.is_empty() => {
                Taken { holds: "webhook of a trigger".to_owned(), rings_for: vec![id.to_string()] }
            }
            _ => Taken { holds: counted(&counts), rings_for: Vec::new() },
        }
    }

    /// Takes in the records that stand under a name.
    fn records(&mut self, name: &str, records: Vec<Value>) {
        match name {
            // Vendor: a search mixes kinds, each with its `result_type`.
            "tickets" | "ticket" | "results" | "requests" => {
                for ticket in self.readable::<Ticket>(records) {
                    self.tickets.insert(ticket.id, ticket);
                }
            }
            "audits" | "audit" | "ticket_audits" => {
                for audit in self.readable::<Audit>(records) {
                    self.audits.entry(audit.ticket_id).or_default().push(audit);
                }
            }
            "comments" | "comment" => {
                let audits = records.iter().map(sample_event::audit_of_comment).collect();
                for audit in self.readable::<Audit>(audits) {
                    self.audits.entry(None).or_default().push(audit);
                }
            }
            "metric_sets" | "ticket_metrics" | "ticket_metric" => {
                let sets = self.readable::<wire::MetricSet>(records);
                self.solved.extend(sets.into_iter().map(|set| (set.ticket_id, set.solved_at)));
            }
            "users" | "user" => {
                let users = self.readable::<User>(records);
                super::fetch::note_people(&mut self.people.people, users);
            }
            "groups" | "group" => {
                let groups = self.readable::<wire::Group>(records);
                self.people.groups.extend(groups.into_iter().map(|group| (group.id, group.name)));
            }
            "organizations" | "organization" => {
                let known = self.readable::<wire::Organization>(records);
                self.people.organizations.extend(known.into_iter().map(|one| (one.id, one)));
            }
            "ticket_fields" | "ticket_field" => {
                let definitions = self.readable(records);
                self.definitions.extend(definitions);
            }
            _ => records.iter().for_each(|_| self.out.pass_over(name)),
        }
    }

    fn readable<T: DeserializeOwned>(&mut self, records: Vec<Value>) -> Vec<T> {
        let mut read = Vec::with_capacity(records.len());
        for record in records {
            // Vendor: only search results say what they are.
            if record["result_type"].as_str().is_some_and(|kind| kind != "ticket") {
                self.out.pass_over(format!("{} in a search", record["result_type"]));
                continue;
            }
            match serde_json::from_value(record.clone()) {
                Ok(one) => read.push(one),
                Err(error) => self.out.quarantined.push(Quarantined::sampled(&record, error.to_string())),
            }
        }
        read
    }

    fn event(&mut self, kind: &str, value: &Value) -> Taken {
        let rings_for = wire::ticket_of(value);
        let taken = Taken {
            holds: format!("webhook {kind}"),
            rings_for: rings_for.iter().map(u64::to_string).collect(),
        };
        if rings_for.is_none() {
            self.out.pass_over(format!("webhook {kind}"));
            return taken;
        }
        for ticket in self.readable::<Ticket>(vec![sample_event::ticket_of_event(value)]) {
            self.tickets.entry(ticket.id).or_insert(ticket);
        }
        match sample_event::audit_of_event(value) {
            Some(audit) => {
                for audit in self.readable::<Audit>(vec![audit]) {
                    self.audits.entry(audit.ticket_id).or_default().push(audit);
                }
            }
            None if kind == "ticket.created" => {}
            None => self.out.pass_over(format!("webhook {kind}")),
        }
        taken
    }

    fn judged(mut self, lens: &Lens<'_>) -> Sample {
        for audit in self.audits.values().flatten() {
            lens.passed_over(audit).into_iter().for_each(|what| self.out.pass_over(what));
        }
        // Comments name no ticket: with a single ticket in the documents they are its.
        let sole = self.tickets.keys().next().copied().filter(|_| self.tickets.len() == 1);
        if let (Some(id), Some(nameless)) = (sole, self.audits.remove(&None)) {
            self.audits.entry(Some(id)).or_default().extend(nameless);
        }
        for (id, ticket) in &self.tickets {
            let audits = self.audits.remove(&Some(*id)).unwrap_or_default();
            if ticket.status == "deleted" {
                self.out.pass_over("deleted ticket");
                continue;
            }
            match lens.change(ticket, &audits, false) {
                Ok(mut change) => {
                    let solved_at = ticket.solved_at(&self.solved).filter(|_| !change.case.status.is_open());
                    change.case.resolved_at = change.case.resolved_at.or(solved_at);
                    self.out.changes.push(change);
                }
                Err(reason) => {
                    let bad = Quarantined::named(id.to_string(), &format!("{ticket:?}"), reason);
                    self.out.quarantined.push(bad);
                }
            }
        }
        for (id, audits) in self.audits {
            let at = audits.iter().map(|audit| audit.created_at).min().unwrap_or(lens.seen_at);
            let absent = json!({
                "id": id.unwrap_or_default(), "status": "open", "created_at": at, "updated_at": at,
            });
            let Ok(ticket) = serde_json::from_value::<Ticket>(absent) else { continue };
            // Without the opening audit, the creation is nothing that the documents tell.
            let unseen = usize::from(!audits.iter().any(opens));
            let events = lens.history(&ticket, &audits).events.into_iter().skip(unseen).collect();
            self.out.loose_events.insert(id.map_or(NO_CASE.to_owned(), |id| id.to_string()), events);
        }
        self.out
    }
}
