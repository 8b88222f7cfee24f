//! From Zendesk's words to ours: a ticket in, case and marks out. Plain functions.
//!
//! Must not know: how anything is asked for. Vendor words stop here.

use super::config::Config;
use super::wire::{Audit, Organization, Ticket, id_of, text_of};
use dutyd_core::action::{Marker, Severity};
use dutyd_core::case::{Case, CaseChange, CaseKey, FieldValue, Party, Priority, Revision, SeenMarks, Status};
use dutyd_core::timeline::EventKind;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Prefix of the tags that our drop-down's options carry.
pub const TAG_PREFIX: &str = "dutyd_";
/// Key in `ticket.metadata` of our updates; comes back in `audit.metadata.custom`.
pub const METADATA_KEY: &str = "dutyd";
/// Tag of a ticket that was merged into another one.
pub const MERGED_TAG: &str = "closed_by_merge";

/// Ids of the ticket fields we use, resolved from titles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FieldIds {
    pub severity: Option<u64>,
    pub why: Option<u64>,
    pub flags: Option<u64>,
    pub answer: Option<u64>,
    pub product: Option<u64>,
    /// Name that rules use, and the field, if it was found.
    pub mapped: Vec<(String, Option<u64>)>,
}

impl FieldIds {
    pub(super) fn is_ours(&self, id: u64) -> bool {
        [self.severity, self.why, self.flags].contains(&Some(id))
    }
}

/// A person as the directory knows them.
#[derive(Debug, Clone, Default)]
pub struct Person {
    pub name: String,
    pub role: String,
}

/// Names and roles by id.
#[derive(Debug, Default)]
pub struct Directory {
    pub people: HashMap<i64, Person>,
    pub groups: HashMap<i64, String>,
    pub organizations: HashMap<i64, Organization>,
}

/// What a ticket is looked at through.
pub struct Lens<'a> {
    pub source: &'a str,
    pub origin: &'a str,
    pub config: &'a Config,
    pub fields: &'a FieldIds,
    pub directory: &'a Directory,
    /// Our own account's id.
    pub own_id: i64,
    /// When we learned it.
    pub seen_at: Timestamp,
    /// Vendor time of the read.
    pub read_at: Timestamp,
}

/// Zendesk's status words. `None` for a word that is not known, and for `deleted`.
pub fn status_of(word: &str) -> Option<Status> {
    Some(match word {
        "new" => Status::New,
        "open" => Status::Open,
        "pending" => Status::Pending,
        "hold" => Status::OnHold,
        "solved" => Status::Resolved,
        "closed" => Status::Closed,
        _ => return None,
    })
}

/// Whether a customer wrote to a closed ticket and so began this one.
fn is_follow_up(ticket: &Ticket) -> bool {
    ticket.via.as_ref().is_some_and(|via| via.rel() == "follow_up")
}

/// Whether the ticket was merged into another one. A follow-up has the tags of the closed ticket, this one among them.
pub fn is_merged(ticket: &Ticket) -> bool {
    ticket.status == "closed"
        && !is_follow_up(ticket)
        && ticket.tags.iter().flatten().any(|tag| tag == MERGED_TAG)
}

/// The version of a ticket as read at `read_at`.
// Vendor: `generated_timestamp` moves on every change, `updated_at` does not; create and update answers carry 0.
// It has whole seconds: a read within the same second may be older than another one, hence the count.
// Invariant: a_read_within_the_second_of_a_change_is_older_than_one_after_it
pub fn revision_of(generated: Option<i64>, updated_at: Timestamp, read_at: Timestamp) -> Revision {
    let second = generated.filter(|second| *second > 0).unwrap_or_else(|| updated_at.as_second());
    Revision { at_ms: second.saturating_mul(1_000), count: u64::from(read_at.as_second() > second) }
}

impl Lens<'_> {
    /// The ticket with its whole history.
    pub fn change(&self, ticket: &Ticket, audits: &[Audit], complete: bool) -> Result<CaseChange, String> {
        let history = self.history(ticket, audits);
        let mut case = self.case(ticket)?;
        let finished = history.events.iter().rev().find_map(|event| match &event.kind {
            EventKind::StatusChanged { from, to } if from.is_open() && !to.is_open() => Some(event.at),
            _ => None,
        });
        case.resolved_at = finished.filter(|_| !case.status.is_open());
        Ok(CaseChange {
            marks: self.marks(ticket, history.notes, complete),
            events: history.events,
            events_complete: complete,
            texts: history.texts,
            case,
        })
    }

    /// The ticket alone, as an export page tells it.
    pub fn snapshot(&self, ticket: &Ticket, solved_at: Option<Timestamp>) -> Result<CaseChange, String> {
        let mut case = self.case(ticket)?;
        case.resolved_at = solved_at.filter(|_| !case.status.is_open());
        let events = vec![self.created(ticket)];
        let marks = self.marks(ticket, Vec::new(), false);
        Ok(CaseChange { case, events, marks, events_complete: false, texts: Vec::new() })
    }

    fn case(&self, ticket: &Ticket) -> Result<Case, String> {
        let status =
            status_of(&ticket.status).ok_or_else(|| format!("unknown status {:?}", ticket.status))?;
        let organization = ticket.organization_id.and_then(|id| self.directory.organizations.get(&id));
        let column = |key: &str| {
            let fields = organization?.organization_fields.as_ref()?;
            text_of(fields.get(key).filter(|_| !key.is_empty())?)
        };
        let (fields, mut unread) = self.mapped(ticket);
        unread.extend(self.untold(ticket));
        Ok(Case {
            key: CaseKey::new(self.source, ticket.id.to_string()),
            number: format!("#{}", ticket.id),
            title: ticket.subject.clone().unwrap_or_default(),
            link: Some(format!("{}/agent/tickets/{}", self.origin, ticket.id)),
            status,
            status_raw: ticket.status.clone(),
            priority: ticket.priority.as_deref().and_then(|word| self.priority(word)),
            priority_raw: ticket.priority.clone().unwrap_or_default(),
            customer: ticket.organization_id.map(|id| {
                let name = organization.map(|known| known.name.clone()).unwrap_or_else(|| id.to_string());
                Party { id: id.to_string(), name }
            }),
            tier: column(&self.config.columns.tier),
            contract: column(&self.config.columns.contract),
            requester: ticket.requester_id.map(|id| self.person(id)),
            owner: ticket.assignee_id.map(|id| self.person(id)),
            team: ticket.group_id.map(|id| self.group(id)),
            product: ticket.custom_text(self.fields.product).map(str::to_owned),
            category: ticket.kind.clone(),
            channel: ticket.via.as_ref().map(|via| via.channel().to_owned()).filter(|word| !word.is_empty()),
            tags: ticket.tags.iter().flatten().filter(|tag| !tag.starts_with(TAG_PREFIX)).cloned().collect(),
            fields,
            unread,
            opened_at: ticket.created_at,
            updated_at: ticket.updated_at,
            resolved_at: None,
            due_at: ticket.due_at,
            links: self.links(ticket),
            revision: revision_of(ticket.generated_timestamp, ticket.updated_at, self.read_at),
        })
    }

    pub(super) fn priority(&self, word: &str) -> Option<Priority> {
        self.config.priorities.get(word).map(|rank| Priority(*rank))
    }

    pub(super) fn person(&self, id: i64) -> Party {
        let known = self.directory.people.get(&id).map(|person| person.name.clone());
        Party { id: id.to_string(), name: known.unwrap_or_else(|| id.to_string()) }
    }

    pub(super) fn group(&self, id: i64) -> Party {
        let known = self.directory.groups.get(&id).cloned();
        Party { id: id.to_string(), name: known.unwrap_or_else(|| id.to_string()) }
    }

    fn links(&self, ticket: &Ticket) -> Vec<CaseKey> {
        let earlier =
            ticket.via.as_ref().filter(|_| is_follow_up(ticket)).and_then(|via| via.source.as_ref());
        let earlier = earlier.and_then(|source| id_of(&source.from["ticket_id"]));
        let problem = ticket.problem_id.map(|id| id.to_string());
        problem
            .into_iter()
            .chain(earlier.map(|id| id.to_string()))
            .map(|id| CaseKey::new(self.source, id))
            .collect()
    }

    /// What of a ticket and of its organization did not come, or is no word that we know.
    fn untold(&self, ticket: &Ticket) -> Vec<String> {
        let mut untold: Vec<&str> = ticket.absent.clone();
        if ticket.priority.as_deref().is_some_and(|word| self.priority(word).is_none()) {
            untold.push("priority");
        }
        if self.fields.product.is_some_and(|id| ticket.custom(id).is_none()) {
            untold.push("product");
        }
        let organization = ticket.organization_id.map(|id| self.directory.organizations.get(&id));
        let columns = &self.config.columns;
        for (name, key) in [("tier", &columns.tier), ("contract", &columns.contract)] {
            let told = match organization {
                None => !ticket.absent.contains(&"customer"),
                Some(known) => known
                    .and_then(|known| known.organization_fields.as_ref()?.get(key))
                    .is_some_and(|value| !value.is_object() && !value.is_array()),
            };
            if !key.is_empty() && !told {
                untold.push(name);
            }
        }
        untold.into_iter().map(str::to_owned).collect()
    }

    /// Mapped fields, and the names of those that the account may not read.
    fn mapped(&self, ticket: &Ticket) -> (BTreeMap<String, FieldValue>, Vec<String>) {
        let (mut fields, mut unread) = (BTreeMap::new(), Vec::new());
        for (name, id) in &self.fields.mapped {
            match id.and_then(|id| ticket.custom(id)) {
                None => unread.push(name.clone()),
                Some(value) => {
                    if let Some(value) = field_value(value) {
                        fields.insert(name.clone(), value);
                    }
                }
            }
        }
        (fields, unread)
    }

    fn marks(&self, ticket: &Ticket, notes: Vec<String>, notes_complete: bool) -> SeenMarks {
        let shown = ticket.custom_text(self.fields.severity).and_then(severity_of);
        let line = ticket.custom_text(self.fields.flags).and_then(Marker::from_line);
        let listed = line.as_ref().is_some_and(|marker| marker.severity.is_some());
        let marker = match (line, shown) {
            (Some(marker), shown) => Some(Marker { severity: shown.or(marker.severity), ..marker }),
            (None, Some(severity)) => Some(Marker { severity: Some(severity), flags: Vec::new() }),
            (None, None) => None,
        };
        let is_told = |id: Option<u64>| id.is_none_or(|id| ticket.custom(id).is_some());
        SeenMarks {
            unread: !is_told(self.fields.severity) || !is_told(self.fields.flags),
            marker,
            severity_cleared: listed && shown.is_none(),
            why: ticket.custom_text(self.fields.why).map(str::to_owned),
            notes,
            notes_complete,
            answer: ticket.custom_text(self.fields.answer).map(str::to_owned),
        }
    }
}

/// The severity behind a tag of our drop-down.
pub fn severity_of(tag: &str) -> Option<Severity> {
    Severity::from_word(tag.strip_prefix(TAG_PREFIX)?)
}

fn field_value(value: &Value) -> Option<FieldValue> {
    match value {
        Value::Null => None,
        Value::Bool(truth) => Some(FieldValue::Truth(*truth)),
        Value::Number(number) => number.as_f64().map(FieldValue::Number),
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(FieldValue::Text(text.clone())),
        Value::Array(items) => Some(FieldValue::List(items.iter().filter_map(text_of).collect())),
        Value::Object(_) => Some(FieldValue::Text(value.to_string())),
    }
}
