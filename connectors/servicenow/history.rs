//! Changes and messages of a record into timeline events. Pure.
//!
//! Must not know: how the rows were asked for.

use super::config::{Config, Table};
use super::normalize::{parse_priority, status};
use super::query::parse_stamp;
use super::wire::{Cell, Row};
use dutyd_core::action::{Marker, note_markers};
use dutyd_core::case::Party;
use dutyd_core::timeline::{ANSWER, Actor, EventKind, TimelineEvent};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A row of `sys_audit`. Vendor: references are `sys_id`s, instants UTC; `user` is a user name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AuditRow {
    pub sys_id: Cell,
    pub documentkey: Cell,
    pub fieldname: Cell,
    pub oldvalue: Cell,
    pub newvalue: Cell,
    pub user: Cell,
    pub sys_created_on: Cell,
    /// Number of the update within the record; rows of one update share it.
    pub record_checkpoint: Cell,
}

/// A row of `sys_journal_field`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct JournalRow {
    pub sys_id: Cell,
    pub element_id: Cell,
    pub element: Cell,
    pub value: Cell,
    pub sys_created_on: Cell,
    pub sys_created_by: Cell,
}

/// What telling the history of one record needs.
pub struct Teller<'a> {
    pub config: &'a Config,
    pub table: Table,
    pub record: &'a Row,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
    /// Names by id, as far as the record tells them.
    pub names: BTreeMap<String, String>,
}

/// Columns whose meaning comes from several together, as they stood at some moment.
#[derive(Debug, Clone)]
struct Standing {
    state: String,
    hold_reason: String,
    severity: String,
    flags: String,
}

/// An audit row with its time parsed.
struct Change {
    at: Timestamp,
    row: AuditRow,
}

impl Teller<'_> {
    /// Status, priority, owner, team, mark and other mapped changes, oldest first.
    pub fn changes(&self, rows: Vec<AuditRow>) -> Vec<TimelineEvent> {
        let mut changes: Vec<Change> = rows
            .into_iter()
            .filter_map(|row| Some(Change { at: parse_stamp(&row.sys_created_on.value)?, row }))
            .filter(|change| change.row.oldvalue.value != change.row.newvalue.value)
            .collect();
        changes.sort_by(|a, b| order(a).cmp(&order(b)));
        let mut standing = self.first_standing(&changes);
        let mut events = Vec::new();
        for update in changes.chunk_by(same_update) {
            let before = standing.clone();
            update.iter().for_each(|change| standing.take(self, change));
            self.tell_update(update, &before, &standing, &mut events);
        }
        events
    }

    /// How things stood before the first change: its old values, or today's where nothing changed.
    fn first_standing(&self, changes: &[Change]) -> Standing {
        let first = |column: &str| {
            let change = changes.iter().find(|change| change.row.fieldname.value == column);
            match change {
                // The first value of a new record is told as a change from nothing.
                Some(change) if self.is_birth(change) => change.row.newvalue.value.clone(),
                Some(change) => change.row.oldvalue.value.clone(),
                None => self.text(column).to_owned(),
            }
        };
        let marks = &self.config.marks;
        Standing {
            state: first("state"),
            hold_reason: first("hold_reason"),
            severity: first(&marks.severity),
            flags: first(&marks.flags),
        }
    }

    /// A first value that came with the record. Later updates of its first second have a number of their own; a mark is
    /// never there from the beginning.
    fn is_birth(&self, change: &Change) -> bool {
        let field = &change.row.fieldname.value;
        let is_mark = *field == self.config.marks.severity || *field == self.config.marks.flags;
        let with_record = change.at <= self.created_at && checkpoint(change).is_none_or(|number| number == 0);
        with_record && !is_mark && change.row.oldvalue.value.is_empty()
    }

    fn tell_update(
        &self,
        update: &[Change],
        before: &Standing,
        after: &Standing,
        events: &mut Vec<TimelineEvent>,
    ) {
        let mut status_told = false;
        for change in update.iter().filter(|change| !self.is_birth(change)) {
            let field = change.row.fieldname.value.as_str();
            let told = match field {
                "state" | "hold_reason" if status_told => None,
                "state" | "hold_reason" => {
                    let told = self.status_change(before, after);
                    status_told = told.is_some();
                    told
                }
                _ => self.field_change(field, &change.row),
            };
            events.extend(told.map(|kind| self.event(change, self.author(change, &kind, after), kind)));
        }
    }

    fn status_change(&self, before: &Standing, after: &Standing) -> Option<EventKind> {
        let of =
            |standing: &Standing| status(self.config, self.table, &standing.state, &standing.hold_reason);
        let (from, to) = (of(before), of(after));
        (from != to).then_some(EventKind::StatusChanged { from, to })
    }

    fn field_change(&self, field: &str, row: &AuditRow) -> Option<EventKind> {
        let (old, new) = (row.oldvalue.value.as_str(), row.newvalue.value.as_str());
        let text = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
        let marks = &self.config.marks;
        Some(match field {
            "priority" => EventKind::PriorityChanged { from: parse_priority(old), to: parse_priority(new) },
            "assigned_to" => EventKind::OwnerChanged { from: self.party(old), to: self.party(new) },
            "assignment_group" => EventKind::TeamChanged { from: self.party(old), to: self.party(new) },
            field if field == marks.severity => EventKind::MarkChanged { from: text(old), to: text(new) },
            field if field == marks.answer => {
                EventKind::FieldChanged { field: ANSWER.to_owned(), from: text(old), to: text(new) }
            }
            field => {
                let (name, _) = self.config.fields.iter().find(|(_, mapped)| mapped.column == field)?;
                EventKind::FieldChanged { field: name.clone(), from: text(old), to: text(new) }
            }
        })
    }

    /// An audit row holds ids only; the name is told where the record still shows it.
    fn party(&self, id: &str) -> Option<Party> {
        let name = || self.names.get(id).cloned().unwrap_or_else(|| id.to_owned());
        (!id.is_empty()).then(|| Party { id: id.to_owned(), name: name() })
    }

    fn event(&self, change: &Change, actor: Actor, kind: EventKind) -> TimelineEvent {
        TimelineEvent {
            id: change.row.sys_id.value.clone(),
            at: change.at,
            seen_at: self.seen_at,
            actor,
            by: self.person(&change.row.user.value),
            kind,
        }
    }

    /// Our account's changes are ours only where they are what we write: a severity that the list of flags beside it
    /// calls for. Anything else under that account is a person's hand.
    fn author(&self, change: &Change, kind: &EventKind, after: &Standing) -> Actor {
        let user = change.row.user.value.as_str();
        if user != self.config.user {
            return self.actor(user);
        }
        let called_for = Marker::from_line(&after.flags).and_then(|marker| marker.severity);
        let called_for = called_for.map_or("", |severity| severity.word());
        match kind {
            EventKind::MarkChanged { .. } if after.severity == called_for => Actor::Dutyd,
            _ => Actor::Agent,
        }
    }

    /// Who a user name is. Our own account is an agent here: what makes a fact ours is its content.
    pub fn actor(&self, user: &str) -> Actor {
        let is_any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, user));
        if user.is_empty() || is_any(&self.config.automation_users) {
            Actor::Vendor
        } else if user == self.config.user {
            Actor::Agent
        } else if user == self.caller() || is_any(&self.config.customer_users) {
            Actor::Customer
        } else {
            Actor::Agent
        }
    }

    /// User name of the person who asked.
    pub fn caller(&self) -> &str {
        self.text(&format!("{}.user_name", self.table.requester()))
    }

    /// A user name for people to read; the caller's own name where it is the caller.
    pub fn person(&self, user: &str) -> Option<String> {
        if user.is_empty() {
            return None;
        }
        let caller = self.record.get(self.table.requester()).map(|cell| cell.shown.clone());
        let caller = caller.filter(|name| !name.is_empty() && user == self.caller());
        Some(caller.unwrap_or_else(|| user.to_owned()))
    }

    fn text(&self, column: &str) -> &str {
        self.record.get(column).map(|cell| cell.value.as_str()).unwrap_or_default()
    }

    /// Messages, oldest first, with their texts by event id.
    pub fn messages(&self, rows: &[JournalRow]) -> (Vec<TimelineEvent>, Vec<(String, String)>) {
        let told = rows.iter().filter_map(|row| self.message(row));
        let mut events: Vec<TimelineEvent> = told.collect();
        events.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let texts = rows.iter().map(|row| (row.sys_id.value.clone(), row.value.value.clone()));
        (events, texts.collect())
    }

    fn message(&self, row: &JournalRow) -> Option<TimelineEvent> {
        let public = match row.element.value.as_str() {
            "comments" => true,
            "work_notes" => false,
            _ => return None,
        };
        let user = row.sys_created_by.value.as_str();
        let marked = !public && user == self.config.user && !note_markers(&row.value.value).is_empty();
        Some(TimelineEvent {
            id: row.sys_id.value.clone(),
            at: parse_stamp(&row.sys_created_on.value)?,
            seen_at: self.seen_at,
            actor: if marked { Actor::Dutyd } else { self.actor(user) },
            by: self.person(user),
            kind: EventKind::Replied { public, signals: Vec::new() },
        })
    }
}

impl Standing {
    fn take(&mut self, teller: &Teller<'_>, change: &Change) {
        let new = change.row.newvalue.value.clone();
        let marks = &teller.config.marks;
        match change.row.fieldname.value.as_str() {
            "state" => self.state = new,
            "hold_reason" => self.hold_reason = new,
            field if field == marks.severity => self.severity = new,
            field if field == marks.flags => self.flags = new,
            _ => {}
        }
    }
}

fn order(change: &Change) -> (Timestamp, u64, &str) {
    (change.at, checkpoint(change).unwrap_or(0), &change.row.sys_id.value)
}

fn checkpoint(change: &Change) -> Option<u64> {
    change.row.record_checkpoint.value.parse().ok()
}

/// Vendor: `record_checkpoint` is not documented; without it, what one user did within one second is one update.
fn same_update(a: &Change, b: &Change) -> bool {
    match (checkpoint(a), checkpoint(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.at == b.at && a.row.user.value == b.row.user.value,
    }
}

/// Whether a user name matches a pattern in which `*` stands for anything.
fn matches(pattern: &str, user: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| user.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}
