//! A case and what happened to it as a JSON document: the input of `dutyd explain --timeline`.

use crate::case::{Case, CaseKey, FieldValue, Party, Priority, Status};
use crate::state::CaseState;
use crate::timeline::{self, Actor, EventKind, TimelineEvent};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A case and its timeline.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryDoc {
    /// The case as it was when it was opened. What is left out has no value; the status is `new` without it.
    #[serde(default)]
    pub case: HistoryCase,
    /// What happened. The order does not matter; events of one instant are taken in the order written.
    pub events: Vec<HistoryEvent>,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryCase {
    pub source: Option<String>,
    pub number: Option<String>,
    pub title: Option<String>,
    /// When it was opened; without it the instant of the event `created`, else of the first event.
    pub opened_at: Option<Timestamp>,
    pub status: Option<Status>,
    /// 1 is the most urgent.
    pub priority: Option<u8>,
    pub customer: Option<String>,
    pub tier: Option<String>,
    pub contract: Option<String>,
    pub requester: Option<String>,
    pub owner: Option<String>,
    pub team: Option<String>,
    pub product: Option<String>,
    pub category: Option<String>,
    pub channel: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    /// Due date kept on the case.
    pub due_at: Option<Timestamp>,
    /// Custom fields: texts, numbers, truth values or lists of texts.
    #[serde(default)]
    pub fields: BTreeMap<String, Value>,
}

/// One event.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryEvent {
    /// The vendor's id; an event told twice under one id counts once. Without it the place in the list.
    pub id: Option<String>,
    /// RFC 3339 with offset.
    pub at: Timestamp,
    /// Who: without it the customer for `created`, else an agent.
    pub by: Option<Actor>,
    pub what: What,
    /// The new value of status, priority, owner, team or field, null for none; for `merged` the other case.
    #[serde(default)]
    pub to: Value,
    /// Name of the changed field.
    pub field: Option<String>,
    /// What the lexicon found in a reply.
    #[serde(default)]
    pub signals: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Created,
    /// A message that the customer can read.
    Reply,
    /// A message that only we can read.
    Note,
    Status,
    Priority,
    Owner,
    Team,
    Field,
    Merged,
}

/// The most events of a document.
const DOCUMENT_EVENTS_MAX: usize = 100_000;

impl HistoryDoc {
    /// The case with all that happened. An error names the event, counted from 1.
    pub fn state(&self) -> Result<CaseState, String> {
        if self.events.len() > DOCUMENT_EVENTS_MAX {
            return Err(format!("more than {DOCUMENT_EVENTS_MAX} events"));
        }
        let created = self.events.iter().find(|event| event.what == What::Created).map(|event| event.at);
        let first = self.events.iter().map(|event| event.at).min();
        let opened_at =
            self.case.opened_at.or(created).or(first).ok_or("there is neither `opened_at` nor an event")?;
        let mut case = self.case.opened(opened_at)?;
        let mut order: Vec<usize> = (0..self.events.len()).collect();
        order.sort_by_key(|nth| (self.events[*nth].at, *nth));
        let mut events = Vec::with_capacity(order.len());
        for (place, nth) in order.into_iter().enumerate() {
            let doc = &self.events[nth];
            let kind = doc.happen(&mut case).map_err(|error| format!("event {}: {error}", nth + 1))?;
            case.updated_at = case.updated_at.max(doc.at);
            let by = if doc.what == What::Created { Actor::Customer } else { Actor::Agent };
            events.push(TimelineEvent {
                id: doc.id.clone().unwrap_or_else(|| format!("{place:06}")),
                at: doc.at,
                seen_at: doc.at,
                actor: doc.by.unwrap_or(by),
                by: None,
                kind,
            });
        }
        let mut state = CaseState::new(case);
        state.truncated = timeline::merge(&mut state.events, &events);
        Ok(state)
    }
}

impl HistoryCase {
    fn opened(&self, opened_at: Timestamp) -> Result<Case, String> {
        if self.priority == Some(0) {
            return Err("`priority` is 0; 1 is the most urgent".to_owned());
        }
        let party = |name: &Option<String>| name.as_deref().map(named);
        let (source, number) = (self.source.as_deref(), self.number.as_deref());
        let key = CaseKey::new(source.unwrap_or("timeline"), number.unwrap_or("case"));
        let status = self.status.unwrap_or(Status::New);
        let fields = self.fields.iter().map(|(name, value)| Ok((name.clone(), field_value(name, value)?)));
        Ok(Case {
            title: self.title.clone().unwrap_or_default(),
            status,
            status_raw: status.word().to_owned(),
            priority: self.priority.map(Priority),
            priority_raw: self.priority.map(|priority| priority.to_string()).unwrap_or_default(),
            customer: party(&self.customer),
            tier: self.tier.clone(),
            contract: self.contract.clone(),
            requester: party(&self.requester),
            owner: party(&self.owner),
            team: party(&self.team),
            product: self.product.clone(),
            category: self.category.clone(),
            channel: self.channel.clone(),
            tags: self.tags.clone(),
            fields: fields.collect::<Result<_, String>>()?,
            due_at: self.due_at,
            ..Case::opened(key, opened_at)
        })
    }
}

impl HistoryEvent {
    /// Applies the event to the case and says what it was.
    fn happen(&self, case: &mut Case) -> Result<EventKind, String> {
        Ok(match self.what {
            What::Created => EventKind::Created { signals: self.signals.clone() },
            What::Reply => EventKind::Replied { public: true, signals: self.signals.clone() },
            What::Note => EventKind::Replied { public: false, signals: self.signals.clone() },
            What::Status => {
                let to: Status = serde_json::from_value(self.to.clone())
                    .map_err(|_| format!("`to` is not a status; write one of {}", status_words()))?;
                let from = std::mem::replace(&mut case.status, to);
                if !to.is_open() && from.is_open() {
                    case.resolved_at = Some(self.at);
                }
                EventKind::StatusChanged { from, to }
            }
            What::Priority => {
                let to = match &self.to {
                    Value::Null => None,
                    value => Some(
                        value
                            .as_u64()
                            .and_then(|to| u8::try_from(to).ok().filter(|to| *to > 0))
                            .map(Priority)
                            .ok_or("`to` is not a priority; write a number, 1 being the most urgent")?,
                    ),
                };
                EventKind::PriorityChanged { from: std::mem::replace(&mut case.priority, to), to }
            }
            What::Owner => {
                let to = self.party()?;
                EventKind::OwnerChanged { from: std::mem::replace(&mut case.owner, to.clone()), to }
            }
            What::Team => {
                let to = self.party()?;
                EventKind::TeamChanged { from: std::mem::replace(&mut case.team, to.clone()), to }
            }
            What::Field => {
                let field = self.field.clone().ok_or("`field` is missing")?;
                let from = case.fields.get(&field).map(shown);
                let to = match &self.to {
                    Value::Null => case.fields.remove(&field).and(None),
                    value => {
                        let value = field_value(&field, value)?;
                        let text = shown(&value);
                        case.fields.insert(field.clone(), value);
                        Some(text)
                    }
                };
                EventKind::FieldChanged { field, from, to }
            }
            What::Merged => EventKind::MergedInto { case: self.to.as_str().unwrap_or_default().to_owned() },
        })
    }

    fn party(&self) -> Result<Option<Party>, String> {
        match &self.to {
            Value::Null => Ok(None),
            Value::String(name) => Ok(Some(named(name))),
            _ => Err("`to` is neither a name nor null".to_owned()),
        }
    }
}

fn named(name: &str) -> Party {
    Party { id: name.to_owned(), name: name.to_owned() }
}

fn status_words() -> String {
    Status::ALL.map(Status::word).join(", ")
}

fn field_value(name: &str, value: &Value) -> Result<FieldValue, String> {
    let refused = || format!("field `{name}` is not a text, a number, a truth value or a list of texts");
    Ok(match value {
        Value::String(text) => FieldValue::Text(text.clone()),
        Value::Bool(truth) => FieldValue::Truth(*truth),
        Value::Number(number) => FieldValue::Number(number.as_f64().ok_or_else(refused)?),
        Value::Array(list) => {
            let texts: Option<Vec<String>> = list.iter().map(|one| one.as_str().map(str::to_owned)).collect();
            FieldValue::List(texts.ok_or_else(refused)?)
        }
        _ => return Err(refused()),
    })
}

fn shown(value: &FieldValue) -> String {
    match value {
        FieldValue::Text(text) => text.clone(),
        FieldValue::Number(number) => number.to_string(),
        FieldValue::Truth(truth) => truth.to_string(),
        FieldValue::Instant(at) => at.to_string(),
        FieldValue::List(texts) => texts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CaseState, String> {
        serde_json::from_str::<HistoryDoc>(text).map_err(|error| error.to_string())?.state()
    }

    #[test]
    fn a_document_becomes_a_case_as_it_is_after_its_events() {
        let state = read(
            r#"{ "case": { "priority": 3, "team": "desk", "fields": { "region": "eu" } }, "events": [
                { "at": "2026-03-02T10:00:00+01:00", "what": "status", "to": "on_hold" },
                { "at": "2026-03-02T09:00:00+01:00", "what": "created" },
                { "at": "2026-03-02T09:30:00+01:00", "what": "priority", "to": 1 },
                { "at": "2026-03-02T09:30:00+01:00", "what": "team", "to": null },
                { "at": "2026-03-02T09:40:00+01:00", "what": "field", "field": "region", "to": "us" },
                { "at": "2026-03-02T11:00:00+01:00", "what": "status", "to": "resolved" } ] }"#,
        )
        .unwrap();
        assert_eq!(
            (state.case.status, state.case.priority, state.case.team),
            (Status::Resolved, Some(Priority(1)), None)
        );
        assert_eq!(state.case.opened_at.to_string(), "2026-03-02T08:00:00Z");
        assert_eq!(state.case.resolved_at.map(|at| at.to_string()).as_deref(), Some("2026-03-02T10:00:00Z"));
        assert_eq!(state.events[0].kind, EventKind::Created { signals: Vec::new() });
        let (from, to) = (Status::New, Status::OnHold);
        assert!(state.events.iter().any(|event| event.kind == EventKind::StatusChanged { from, to }));
    }

    #[test]
    fn a_mistake_names_its_event() {
        let table = [
            (r#"{"events":[]}"#, "neither"),
            (
                r#"{"events":[{"at":"2026-03-02T10:00:00Z","what":"status","to":"oppen"}]}"#,
                "event 1: `to` is not a status",
            ),
            (
                r#"{"events":[{"at":"2026-03-02T10:00:00Z","what":"priority","to":"high"}]}"#,
                "event 1: `to` is not a priority",
            ),
            (
                r#"{"events":[{"at":"2026-03-02T10:00:00Z","what":"field","to":"x"}]}"#,
                "event 1: `field` is missing",
            ),
            (r#"{"events":[{"at":"2026-03-02T10:00:00","what":"created"}]}"#, "offset"),
            (r#"{"events":[{"at":"2026-03-02T10:00:00Z","what":"create"}]}"#, "unknown variant"),
            (r#"{"evants":[]}"#, "unknown field"),
            (
                r#"{"case":{"priority":0},"events":[{"at":"2026-03-02T10:00:00Z","what":"created"}]}"#,
                "most urgent",
            ),
        ];
        for (text, message) in table {
            let error = read(text).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
