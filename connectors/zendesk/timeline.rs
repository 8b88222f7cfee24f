//! From Zendesk's audits to our timeline: what happened, and who did it. Plain functions.
//!
//! Must not know: how audits are asked for.

use super::normalize::{Lens, METADATA_KEY, TAG_PREFIX, status_of};
use super::wire::{Audit, AuditEvent, Ticket, Via, id_of, text_of};
use dutyd_core::action::note_markers;
use dutyd_core::timeline::{ANSWER, Actor, EventKind, TimelineEvent};
use serde_json::Value;

impl Lens<'_> {
    pub(super) fn created(&self, ticket: &Ticket) -> TimelineEvent {
        let actor = ticket.requester_id.map_or(Actor::Customer, |id| self.role(Some(id), ticket));
        TimelineEvent {
            id: created_id(ticket),
            at: ticket.created_at,
            seen_at: self.seen_at,
            actor,
            by: self.name(ticket.requester_id),
            kind: EventKind::Created { signals: Vec::new() },
        }
    }

    fn name(&self, id: Option<i64>) -> Option<String> {
        self.directory.people.get(&id?).map(|person| person.name.clone())
    }

    /// Who an account stands for on this ticket.
    fn role(&self, author: Option<i64>, ticket: &Ticket) -> Actor {
        let Some(id) = author.filter(|id| *id > 0) else { return Actor::Vendor };
        if ticket.requester_id == Some(id) {
            return Actor::Customer;
        }
        match self.directory.people.get(&id).map(|person| person.role.as_str()) {
            Some("end-user") => Actor::Customer,
            _ => Actor::Agent,
        }
    }

    pub(super) fn history(&self, ticket: &Ticket, audits: &[Audit]) -> History {
        let mut history =
            History { events: vec![self.created(ticket)], notes: Vec::new(), texts: Vec::new() };
        for audit in audits {
            let opening = opens(audit);
            for event in &audit.events {
                if opening && event.kind == "Comment" {
                    let text = [ticket.subject.clone(), text_of(&event.body)].into_iter().flatten();
                    history.texts.push((created_id(ticket), text.collect::<Vec<_>>().join("\n")));
                } else {
                    self.read(ticket, audit, event, &mut history);
                }
            }
        }
        history
    }

    fn read(&self, ticket: &Ticket, audit: &Audit, event: &AuditEvent, into: &mut History) {
        let kind = event.kind.as_str().unwrap_or("");
        if kind == "CommentPrivacyChange" {
            return into.set_public(&event_id(&event.comment_id), event.public == Value::Bool(true));
        }
        let Some((id, what)) = text_of(&event.id).map(|_| event_id(&event.id)).zip(self.kind(kind, event))
        else {
            return;
        };
        let author = id_of(&event.author_id).or(audit.author_id);
        if let EventKind::Replied { public, .. } = &what {
            let text = text_of(&event.body).or_else(|| text_of(&event.plain_body)).unwrap_or_default();
            if !public {
                into.notes.extend(note_markers(&text));
            }
            into.texts.push((id.clone(), text));
        }
        let actor = self.actor(ticket, audit, event, &what, author);
        let by = self.name(author);
        into.events.push(TimelineEvent {
            id,
            at: audit.created_at,
            seen_at: self.seen_at,
            actor,
            by,
            kind: what,
        });
    }

    /// What an audit tells that has no word of ours: the type, and the field that changed.
    pub(super) fn passed_over(&self, audit: &Audit) -> Vec<String> {
        let nothing = |event: &&AuditEvent| {
            let kind = event.kind.as_str().unwrap_or("");
            // Values at the creation are in the ticket itself.
            !matches!(kind, "Create" | "CommentPrivacyChange") && self.kind(kind, event).is_none()
        };
        let name = |event: &AuditEvent| match (event.kind.as_str(), text_of(&event.field_name)) {
            (Some("Change"), Some(field)) => format!("change of {field}"),
            (kind, _) => format!("audit event {}", kind.unwrap_or("without a type")),
        };
        audit.events.iter().filter(nothing).map(name).collect()
    }

    /// What an audit's event means. `None`: nothing that concerns us, such as a notification sent.
    fn kind(&self, kind: &str, event: &AuditEvent) -> Option<EventKind> {
        match kind {
            // Vendor: comments of calls and social channels are types of their own, with the same keys.
            "Comment" | "VoiceComment" | "FacebookComment" => {
                Some(EventKind::Replied { public: event.public != Value::Bool(false), signals: Vec::new() })
            }
            "Change" => self.changed(event),
            _ => None,
        }
    }

    fn changed(&self, event: &AuditEvent) -> Option<EventKind> {
        let (from, to) = (&event.previous_value, &event.value);
        let field = text_of(&event.field_name)?;
        match field.as_str() {
            "status" => {
                let (from, to) = (status_of(from.as_str()?)?, status_of(to.as_str()?)?);
                (from != to).then_some(EventKind::StatusChanged { from, to })
            }
            "priority" => {
                let rank = |value: &Value| self.priority(value.as_str()?);
                let (from, to) = (rank(from), rank(to));
                (from != to).then_some(EventKind::PriorityChanged { from, to })
            }
            "assignee_id" => {
                let person = |value: &Value| id_of(value).map(|id| self.person(id));
                Some(EventKind::OwnerChanged { from: person(from), to: person(to) })
            }
            "group_id" => {
                let group = |value: &Value| id_of(value).map(|id| self.group(id));
                Some(EventKind::TeamChanged { from: group(from), to: group(to) })
            }
            // Vendor: the ticket says `problem_id`, its audits say `linked_id`.
            "problem_id" | "linked_id" => match (id_of(from), id_of(to)) {
                (_, Some(id)) => Some(EventKind::Linked { case: id.to_string() }),
                (Some(id), None) => Some(EventKind::Unlinked { case: id.to_string() }),
                (None, None) => None,
            },
            number => self.custom_changed(number.parse().ok()?, from, to),
        }
    }

    fn custom_changed(&self, id: u64, from: &Value, to: &Value) -> Option<EventKind> {
        if self.fields.severity == Some(id) {
            let word = |value: &Value| {
                text_of(value).map(|text| text.strip_prefix(TAG_PREFIX).map(str::to_owned).unwrap_or(text))
            };
            return Some(EventKind::MarkChanged { from: word(from), to: word(to) });
        }
        if self.fields.answer == Some(id) {
            let field = ANSWER.to_owned();
            return Some(EventKind::FieldChanged { field, from: text_of(from), to: text_of(to) });
        }
        let (field, _) = self.fields.mapped.iter().find(|(_, mapped)| *mapped == Some(id))?;
        Some(EventKind::FieldChanged { field: field.clone(), from: text_of(from), to: text_of(to) })
    }

    /// Our own doing is told by account *and* content: the account may be shared with a person, who writes no mark of
    /// ours. Automation is told by the way it came.
    // Invariant: what_a_person_does_under_our_account_is_not_ours
    fn actor(
        &self,
        ticket: &Ticket,
        audit: &Audit,
        event: &AuditEvent,
        what: &EventKind,
        author: Option<i64>,
    ) -> Actor {
        if automated(event.via.as_ref()) || (event.via.is_none() && automated(audit.via.as_ref())) {
            return Actor::Vendor;
        }
        if audit.author_id == Some(self.own_id) && self.is_ours(audit, event, what) {
            return Actor::Dutyd;
        }
        self.role(author, ticket)
    }

    fn is_ours(&self, audit: &Audit, event: &AuditEvent, what: &EventKind) -> bool {
        let stamped = !audit.metadata["custom"][METADATA_KEY].is_null();
        match what {
            EventKind::Replied { public: false, .. } => {
                text_of(&event.body).is_some_and(|text| !note_markers(&text).is_empty())
            }
            EventKind::MarkChanged { .. } => stamped,
            EventKind::FieldChanged { .. } => {
                stamped && id_of(&event.field_name).is_some_and(|id| self.fields.is_ours(id as u64))
            }
            _ => false,
        }
    }
}

/// What a ticket's audits tell.
pub struct History {
    pub events: Vec<TimelineEvent>,
    pub notes: Vec<String>,
    pub texts: Vec<(String, String)>,
}

impl History {
    fn set_public(&mut self, id: &str, now_public: bool) {
        let replies = self.events.iter_mut().filter(|event| event.id == id);
        for event in replies {
            if let EventKind::Replied { public, .. } = &mut event.kind {
                *public = now_public;
            }
        }
    }
}

/// Vendor: the first audit is the one with `Create` events; its comment is the ticket's description.
pub fn opens(audit: &Audit) -> bool {
    audit.events.iter().any(|event| event.kind == "Create")
}

/// The id of a ticket's creation in our timeline, which no audit needs to be read for.
fn created_id(ticket: &Ticket) -> String {
    format!("t{}", ticket.id)
}

/// The id of an audit's event in our timeline.
fn event_id(id: &Value) -> String {
    format!("e{}", text_of(id).unwrap_or_default())
}

// Vendor: triggers, automations and macros' rules name themselves in `via`, https://developer.zendesk.com/documentation/ticketing/reference-guides/via-types/
fn automated(via: Option<&Via>) -> bool {
    let Some(via) = via else { return false };
    matches!(via.channel(), "rule" | "system") || matches!(via.rel(), "trigger" | "automation")
}

/// Everybody whom the changes of an audit name: owners before and after.
pub fn people_named(audits: &[Audit]) -> impl Iterator<Item = i64> {
    let events = audits.iter().flat_map(|audit| &audit.events);
    let owners = events.filter(|event| event.field_name == "assignee_id");
    owners.flat_map(|event| [id_of(&event.value), id_of(&event.previous_value)]).flatten()
}
