//! Changes and messages of a case into timeline events. Pure.
//!
//! Must not know: how the rows were asked for.

use super::config::Config;
use super::normalize::QUEUE_PREFIX;
use super::soql::{parse_instant, record_id};
use super::wire::{at, text};
use dutyd_core::action::{Severity, note_markers};
use dutyd_core::case::{Case, Party, Status};
use dutyd_core::timeline::{ANSWER, Actor, EventKind, TimelineEvent};
use jiff::Timestamp;
use serde_json::Value;

/// Vendor: an owner change is told under any of these (object reference, CaseHistory.Field).
const OWNER_FIELDS: [&str; 4] = ["Owner", "ownerAssignment", "ownerAccepted", "ownerEscalated"];

/// What telling the history of one record needs.
pub struct Teller<'a> {
    pub config: &'a Config,
    pub record: &'a Value,
    /// Where it stands now.
    pub status: Status,
    pub seen_at: Timestamp,
    /// The severity that our list of flags calls for now.
    pub severity: Option<Severity>,
}

/// An owner change: the row with the ids and, where there is one, the row with the names.
struct OwnerChange<'a> {
    row: &'a Value,
    from: Option<Party>,
    to: Option<Party>,
}

/// Sorts history rows; ids of one second rise as the rows were written.
pub fn order(row: &Value) -> (Option<Timestamp>, &str) {
    (parse_instant(text(row, "CreatedDate")), text(row, "Id"))
}

impl Teller<'_> {
    /// Changes from rows that are in order, and the queue that owned the case last.
    pub fn changes(&self, rows: &[Value]) -> (Vec<TimelineEvent>, Option<Party>) {
        let mut events: Vec<TimelineEvent> =
            rows.iter().filter_map(|row| self.field_change(row, rows)).collect();
        let mut queue: Option<Party> = None;
        for change in owner_changes(rows) {
            let of_queue =
                |party: &Option<Party>| party.clone().filter(|party| party.id.starts_with(QUEUE_PREFIX));
            let (from, to) = (of_queue(&change.from), of_queue(&change.to));
            let before = queue.clone().or(from);
            let person = |party: Option<Party>| party.filter(|party| !party.id.starts_with(QUEUE_PREFIX));
            if to.is_some() && to != before && self.config.columns.team.is_empty() {
                let kind = EventKind::TeamChanged { from: before.clone(), to: to.clone() };
                events.extend(self.event(change.row, ":team", self.actor(change.row), kind));
            }
            queue = to.or(before);
            let (from, to) = (person(change.from), person(change.to));
            if from != to {
                let kind = EventKind::OwnerChanged { from, to };
                events.extend(self.event(change.row, "", self.actor(change.row), kind));
            }
        }
        events.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        (events, queue)
    }

    fn field_change(&self, row: &Value, rows: &[Value]) -> Option<TimelineEvent> {
        let field = text(row, "Field");
        let value = |side: &str| match at(row, side) {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        let (from, to) = (value("OldValue"), value("NewValue"));
        let marks = &self.config.marks;
        let kind = match field {
            "Status" => self.status_change(from.as_deref(), to.as_deref())?,
            "Priority" => {
                let read = |name: Option<String>| name.and_then(|name| self.config.priority(&name));
                EventKind::PriorityChanged { from: read(from), to: read(to) }
            }
            field if field == marks.severity => {
                let author = self.mark_author(row, to.as_deref(), rows);
                return self.event(row, "", author, EventKind::MarkChanged { from, to });
            }
            field if !marks.answer.is_empty() && field == marks.answer => {
                EventKind::FieldChanged { field: ANSWER.to_owned(), from, to }
            }
            field if field == self.config.columns.team => {
                let party = |name: Option<String>| name.map(|name| Party { id: name.clone(), name });
                EventKind::TeamChanged { from: party(from), to: party(to) }
            }
            field => {
                let (name, _) = self.config.fields.iter().find(|(_, mapped)| mapped.column == field)?;
                EventKind::FieldChanged { field: name.clone(), from, to }
            }
        };
        self.event(row, "", self.actor(row), kind)
    }

    fn status_change(&self, from: Option<&str>, to: Option<&str>) -> Option<EventKind> {
        let now = text(self.record, "Status");
        let read = |name: &str| if name == now { self.status } else { self.config.status(name) };
        let (from, to) = (from.map_or(Status::New, read), read(to?));
        (from != to).then_some(EventKind::StatusChanged { from, to })
    }

    /// Our account's change of the mark is ours; the newest one only if it is what the list of flags beside it calls for.
    /// Anything else under that account is a person's hand.
    fn mark_author(&self, row: &Value, to: Option<&str>, rows: &[Value]) -> Actor {
        if text(row, "CreatedBy.Username") != self.config.user {
            return self.actor(row);
        }
        let severity = &self.config.marks.severity;
        let newest = rows.iter().rev().find(|row| text(row, "Field") == severity.as_str());
        let is_newest = newest.is_some_and(|newest| text(newest, "Id") == text(row, "Id"));
        let called_for = self.severity.map(Severity::word);
        if is_newest && to != called_for { Actor::Agent } else { Actor::Dutyd }
    }

    /// Messages, oldest first, with their texts by event id.
    pub fn messages(
        &self,
        comments: &[Value],
        mails: &[Value],
    ) -> (Vec<TimelineEvent>, Vec<(String, String)>) {
        let told = comments.iter().filter_map(|row| self.comment(row));
        let told = told.chain(mails.iter().filter_map(|row| self.mail(row)));
        let mut events: Vec<TimelineEvent> = told.collect();
        events.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let texts =
            comments.iter().map(|row| (text(row, "Id").to_owned(), text(row, "CommentBody").to_owned()));
        let bodies = mails.iter().map(|row| {
            (text(row, "Id").to_owned(), [text(row, "Subject"), text(row, "TextBody")].join("\n"))
        });
        (events, texts.chain(bodies).collect())
    }

    fn comment(&self, row: &Value) -> Option<TimelineEvent> {
        let public = at(row, "IsPublished") == &Value::Bool(true);
        let ours = text(row, "CreatedBy.Username") == self.config.user;
        let marked = !public && ours && !note_markers(text(row, "CommentBody")).is_empty();
        let actor = if marked { Actor::Dutyd } else { self.actor(row) };
        self.event(row, "", actor, EventKind::Replied { public, signals: Vec::new() })
    }

    /// Vendor: `MessageDate` is when a mail was sent, `CreatedDate` when the org took it in (object reference, EmailMessage).
    fn mail(&self, row: &Value) -> Option<TimelineEvent> {
        let incoming = at(row, "Incoming") == &Value::Bool(true);
        let actor = if incoming { Actor::Customer } else { self.actor(row) };
        let mut event =
            self.event(row, "", actor, EventKind::Replied { public: true, signals: Vec::new() })?;
        if incoming {
            event.by = Some(text(row, "FromName")).filter(|name| !name.is_empty()).map(str::to_owned);
        } else if let Some(sent_at) = parse_instant(text(row, "MessageDate")) {
            event.at = sent_at.min(event.at);
        }
        Some(event)
    }

    /// The record itself is the fact that it was opened.
    pub fn created(&self, case: &Case) -> TimelineEvent {
        let by_channel = matches!(text(self.record, "Origin"), "Email" | "Web") && case.requester.is_some();
        let actor = match self.actor(self.record) {
            Actor::Agent | Actor::Vendor if by_channel => Actor::Customer,
            actor => actor,
        };
        TimelineEvent {
            id: case.key.id.clone(),
            at: case.opened_at,
            seen_at: self.seen_at,
            actor,
            by: person(self.record),
            kind: EventKind::Created { signals: Vec::new() },
        }
    }

    /// Who made a row. Our own account is an agent here: what makes a fact ours is its content.
    ///
    /// Vendor: the kinds of users (object reference, User.UserType); customers sign in through a portal or community.
    fn actor(&self, row: &Value) -> Actor {
        let kind = text(row, "CreatedBy.UserType").to_ascii_lowercase();
        let portal = ["portal", "csp", "customersuccess", "partner", "guest"];
        // A user whose name we may see but not the sign-in is somebody; one of whom nothing is told is nobody.
        if [text(row, "CreatedBy.Username"), text(row, "CreatedBy.Name")].iter().all(|name| name.is_empty())
            || kind == "automatedprocess"
            || kind == "cloudintegrationuser"
        {
            Actor::Vendor
        } else if portal.iter().any(|word| kind.contains(word)) {
            Actor::Customer
        } else {
            Actor::Agent
        }
    }

    fn event(&self, row: &Value, suffix: &str, actor: Actor, kind: EventKind) -> Option<TimelineEvent> {
        Some(TimelineEvent {
            id: format!("{}{suffix}", record_id(text(row, "Id"))?),
            at: parse_instant(text(row, "CreatedDate"))?,
            seen_at: self.seen_at,
            actor,
            by: person(row),
            kind,
        })
    }
}

fn person(row: &Value) -> Option<String> {
    Some(text(row, "CreatedBy.Name")).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Vendor: a change of a lookup writes two rows, one with the ids and one with the names (object reference,
/// CaseHistory). They are put together in their order within one second.
fn owner_changes(rows: &[Value]) -> Vec<OwnerChange<'_>> {
    let of_owner = |row: &&Value| OWNER_FIELDS.contains(&text(row, "Field"));
    let owners: Vec<&Value> = rows.iter().filter(of_owner).collect();
    let mut changes = Vec::new();
    for second in owners.chunk_by(|a, b| text(a, "CreatedDate") == text(b, "CreatedDate")) {
        let (ids, names): (Vec<&Value>, Vec<&Value>) = second.iter().copied().partition(|row| has_ids(row));
        for (nth, row) in ids.into_iter().enumerate() {
            let name = names.get(nth).copied().unwrap_or(&Value::Null);
            let party = |side: &str| {
                let id = record_id(text(row, side))?;
                let name = Some(text(name, side)).filter(|name| !name.is_empty());
                Some(Party { name: name.unwrap_or(&id).to_owned(), id })
            };
            changes.push(OwnerChange { row, from: party("OldValue"), to: party("NewValue") });
        }
    }
    changes
}

fn has_ids(row: &Value) -> bool {
    let is_id =
        |side: &str| record_id(text(row, side)).is_some_and(|id| ["005", QUEUE_PREFIX].contains(&&id[..3]));
    is_id("OldValue") || is_id("NewValue")
}
