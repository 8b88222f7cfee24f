//! Cases and their ends from a vendor's real log, as timelines for our clocks.
//!
//! Must not know: targets, calendars.

use dutyd_connectors::servicenow::{Table, shipped_status};
use dutyd_core::Timestamp;
use dutyd_core::case::Status;
use dutyd_core::sla::history::{HistoryCase, HistoryDoc, HistoryEvent, What};
use dutyd_core::state::CaseState;
use dutyd_core::timeline::EventKind;
use dutyd_incident_log::Log;
use serde_json::Value;
use std::collections::HashMap;

/// A case that was resolved, and whether the log says that its SLA was missed.
pub struct Ended {
    pub state: CaseState,
    pub opened_at: Timestamp,
    /// When it was last closed, if it was.
    pub closed_at: Option<Timestamp>,
    /// Of the last row.
    pub priority: Option<u8>,
    pub missed: bool,
}

/// All cases of a log that are done at its end, in order of their first row; and how many are not.
pub fn ended(log: Log) -> Result<(Vec<Ended>, usize), String> {
    let mut told: HashMap<String, Telling> = HashMap::new();
    for row in log.rows {
        told.entry(row.number).or_default().row(row.at, row.fields);
    }
    let mut all = Vec::with_capacity(told.len());
    let cases = log.ends.len();
    for end in log.ends {
        let Some(telling) = told.remove(&end.number) else { continue };
        let doc = telling.document(&end.number, end.opened_at);
        let state = doc.state().map_err(|error| format!("{}: {error}", end.number))?;
        if state.case.status.is_open() {
            continue;
        }
        let is_closing =
            |kind: &EventKind| matches!(kind, EventKind::StatusChanged { to: Status::Closed, .. });
        all.push(Ended {
            opened_at: end.opened_at,
            closed_at: state.events.iter().rfind(|event| is_closing(&event.kind)).map(|event| event.at),
            priority: state.case.priority.map(|priority| priority.0),
            missed: !end.made_sla,
            state,
        });
    }
    let unresolved = cases - all.len();
    Ok((all, unresolved))
}

/// What the rows of one case said so far.
#[derive(Default)]
struct Telling {
    now: HashMap<&'static str, String>,
    first: HistoryCase,
    events: Vec<HistoryEvent>,
}

impl Telling {
    fn row(&mut self, at: Timestamp, fields: Vec<(&'static str, String)>) {
        let is_first = self.now.is_empty();
        self.now.extend(fields);
        let seen = self.seen();
        if is_first {
            self.first = HistoryCase {
                status: Some(Status::New),
                priority: seen.priority,
                team: seen.team.clone(),
                owner: seen.owner.clone(),
                ..HistoryCase::default()
            };
        }
        let before = self.events.iter().rev();
        let last = |what: What, opened: Value| {
            before.clone().find(|event| event.what == what).map_or(opened, |event| event.to.clone())
        };
        let changes = [
            (What::Priority, seen.priority.into(), self.first.priority.into()),
            (What::Team, seen.team.into(), self.first.team.clone().into()),
            (What::Owner, seen.owner.into(), self.first.owner.clone().into()),
            (What::Status, seen.status.word().into(), Status::New.word().into()),
        ];
        let news: Vec<HistoryEvent> = changes
            .into_iter()
            .filter(|(what, to, opened): &(What, Value, Value)| last(*what, opened.clone()) != *to)
            .map(|(what, to, _)| event(at, what, to))
            .collect();
        self.events.extend(news);
    }

    fn seen(&self) -> Seen {
        let raw = |column| self.now.get(column).map(String::as_str).unwrap_or_default();
        let name = |column| Some(raw(column)).filter(|name| !name.is_empty()).map(str::to_owned);
        Seen {
            status: shipped_status(Table::Incident, raw("state"), raw("hold_reason")),
            priority: raw("priority").parse().ok(),
            team: name("assignment_group"),
            owner: name("assigned_to"),
        }
    }

    fn document(self, number: &str, opened_at: Timestamp) -> HistoryDoc {
        let case = HistoryCase { number: Some(number.to_owned()), opened_at: Some(opened_at), ..self.first };
        let mut events = vec![event(opened_at, What::Created, Value::Null)];
        events.extend(self.events);
        HistoryDoc { case, events }
    }
}

/// One row as far as clocks read it.
struct Seen {
    status: Status,
    priority: Option<u8>,
    team: Option<String>,
    owner: Option<String>,
}

fn event(at: Timestamp, what: What, to: Value) -> HistoryEvent {
    HistoryEvent { id: None, at, by: None, what, to, field: None, signals: Vec::new() }
}
