//! A record with its children into a `CaseChange`. Pure; the vendor's words stop here.
//!
//! Must not know: how the rows were asked for.

use super::config::Config;
use super::history::{Teller, order};
use super::soql::parse_instant;
use super::wire::{at, text};
use crate::settings::{FieldConfig, FieldKind};
use dutyd_core::action::{Marker, Severity, note_markers};
use dutyd_core::case::{Case, CaseChange, CaseKey, FieldValue, Party, Revision, SeenMarks, Status};
use dutyd_core::timeline::{EventKind, TimelineEvent};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use url::Url;

/// Vendor: ids of queues begin with this, those of users with `005` (key prefixes).
pub const QUEUE_PREFIX: &str = "00G";

/// All that was read of one case.
pub struct Read<'a> {
    pub key: &'a CaseKey,
    pub row: &'a Value,
    pub comments: Vec<Value>,
    pub mails: Vec<Value>,
    pub history: Vec<Value>,
    pub comments_complete: bool,
    pub complete: bool,
    /// Configured fields that we may not read.
    pub absent: &'a [String],
}

const FIXED: [&str; 26] = [
    "Id",
    "IsDeleted",
    "MasterRecordId",
    "CaseNumber",
    "Subject",
    "Description",
    "Status",
    "IsClosed",
    "ClosedDate",
    "Priority",
    "Origin",
    "OwnerId",
    "Owner.Name",
    "AccountId",
    "Account.Name",
    "ContactId",
    "Contact.Name",
    "SuppliedName",
    "SuppliedEmail",
    "ParentId",
    "CreatedDate",
    "CreatedBy.Username",
    "CreatedBy.Name",
    "CreatedBy.UserType",
    "LastModifiedDate",
    "SystemModstamp",
];

/// Fields of the record that are asked for.
pub fn columns(config: &Config, absent: &[String]) -> Vec<String> {
    let named = config.named_columns();
    let names = FIXED.into_iter().chain(named.iter().map(|(_, column)| *column));
    let mut known = BTreeSet::new();
    let names = names.filter(|name| !absent.iter().any(|absent| absent == name));
    names.filter(|name| known.insert(name.to_ascii_lowercase())).map(str::to_owned).collect()
}

/// The whole change, or why the record cannot be understood.
pub fn change(
    config: &Config,
    origin: &Url,
    read: Read<'_>,
    seen_at: Timestamp,
) -> Result<CaseChange, String> {
    let reader = Reader { config, row: read.row, absent: read.absent };
    let status = reader.status()?;
    let teller = Teller { config, record: read.row, status, seen_at, severity: reader.called_for() };
    let mut history = read.history;
    history.sort_by(|a, b| order(a).cmp(&order(b)));
    let (changes, last_queue) = teller.changes(&history);
    let case = reader.case(read.key, origin, status, &changes, last_queue)?;
    let (messages, mut texts) = teller.messages(&read.comments, &read.mails);
    let private = read.comments.iter().filter(|row| at(row, "IsPublished") != &Value::Bool(true));
    let notes = private.flat_map(|row| note_markers(text(row, "CommentBody"))).collect();
    let marks = reader.marks(notes, read.comments_complete);
    let mut events = vec![teller.created(&case)];
    events.extend(changes);
    events.extend(messages);
    texts.push((case.key.id.clone(), [reader.raw("Subject"), reader.raw("Description")].join("\n")));
    Ok(CaseChange { case, events, marks, events_complete: read.complete, texts })
}

struct Reader<'a> {
    config: &'a Config,
    row: &'a Value,
    absent: &'a [String],
}

impl Reader<'_> {
    /// Vendor: whether a status closes a case is the org's choice; the record says it (object reference, Case.IsClosed).
    fn status(&self) -> Result<Status, String> {
        let name = self.row.get("Status").ok_or("the field Status may not be read")?;
        let name = name.as_str().or(name.is_null().then_some("")).ok_or("the field Status is no text")?;
        let closed = at(self.row, "IsClosed").as_bool().ok_or("IsClosed is neither true nor false")?;
        Ok(match self.config.status(name) {
            status if closed && status.is_open() => Status::Closed,
            Status::Closed if !closed => Status::Open,
            status => status,
        })
    }

    fn case(
        &self,
        key: &CaseKey,
        origin: &Url,
        status: Status,
        changes: &[TimelineEvent],
        last_queue: Option<Party>,
    ) -> Result<Case, String> {
        let updated_at = self.instant("SystemModstamp").ok_or("SystemModstamp is not an instant")?;
        let opened_at = self.instant("CreatedDate").ok_or("CreatedDate is not an instant")?;
        let chosen = &self.config.columns;
        let owner = self.party("OwnerId", "Owner.Name");
        let queue = owner.clone().filter(|owner| owner.id.starts_with(QUEUE_PREFIX));
        let team = match self.shown(&chosen.team) {
            Some(name) => Some(Party { id: name.clone(), name }),
            None if chosen.team.is_empty() => queue.or(last_queue),
            None => None,
        };
        Ok(Case {
            key: key.clone(),
            number: self.shown("CaseNumber").unwrap_or_else(|| key.id.clone()),
            title: self.raw("Subject").to_owned(),
            link: origin
                .join(&format!("/lightning/r/Case/{}/view", text(self.row, "Id")))
                .ok()
                .map(String::from),
            status,
            status_raw: self.raw("Status").to_owned(),
            priority: self.config.priority(self.raw("Priority")),
            priority_raw: self.raw("Priority").to_owned(),
            customer: self.party("AccountId", "Account.Name"),
            tier: self.shown(&chosen.tier),
            contract: self.shown(&chosen.contract),
            requester: self.requester(),
            owner: owner.filter(|owner| !owner.id.starts_with(QUEUE_PREFIX)),
            team,
            product: self.shown(&chosen.product),
            category: self.shown(&chosen.category),
            channel: self.shown(&chosen.channel),
            tags: Vec::new(),
            fields: self.fields(),
            unread: self.unread(),
            opened_at,
            updated_at,
            resolved_at: self.done_at(status, opened_at, changes),
            due_at: self.instant(&chosen.due),
            links: self.links(&key.source),
            revision: Revision { at_ms: updated_at.as_millisecond(), count: 0 },
        })
    }

    /// Vendor: imports may close a case before it was made (object reference, Case.ClosedDate).
    fn done_at(&self, status: Status, opened_at: Timestamp, changes: &[TimelineEvent]) -> Option<Timestamp> {
        if status.is_open() {
            return None;
        }
        let told = changes.iter().rev().find_map(|event| match event.kind {
            EventKind::StatusChanged { to, from } if !to.is_open() && from.is_open() => Some(event.at),
            _ => None,
        });
        let closed_at = self.instant("ClosedDate").or_else(|| self.instant("LastModifiedDate"));
        told.or(closed_at).map(|at| at.max(opened_at))
    }

    fn requester(&self) -> Option<Party> {
        let supplied = || {
            let id = self.shown("SuppliedEmail")?;
            Some(Party { name: self.shown("SuppliedName").unwrap_or_else(|| id.clone()), id })
        };
        self.party("ContactId", "Contact.Name").or_else(supplied)
    }

    fn links(&self, source: &str) -> Vec<CaseKey> {
        self.shown("ParentId").map(|parent| CaseKey::new(source, parent)).into_iter().collect()
    }

    fn fields(&self) -> BTreeMap<String, FieldValue> {
        let mapped = self.config.fields.iter();
        mapped.filter_map(|(name, field)| Some((name.clone(), self.field(field)?))).collect()
    }

    fn field(&self, field: &FieldConfig) -> Option<FieldValue> {
        let value = at(self.row, &field.column);
        let shown = self.shown(&field.column);
        Some(match field.kind {
            FieldKind::Text => FieldValue::Text(shown?),
            FieldKind::Number => {
                let number = value.as_f64().or_else(|| shown?.parse().ok());
                FieldValue::Number(number.filter(|number| number.is_finite())?)
            }
            FieldKind::Truth => FieldValue::Truth(value.as_bool()?),
            FieldKind::Instant => FieldValue::Instant(self.instant(&field.column)?),
            FieldKind::List => FieldValue::List(
                shown?.split(';').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect(),
            ),
        })
    }

    /// Fields that the account may not read, and those that did not come or not as we know them.
    fn unread(&self) -> Vec<String> {
        let chosen = &self.config.columns;
        let named = [
            ("title", "Subject"),
            ("priority", "Priority"),
            ("owner", "OwnerId"),
            ("team", if chosen.team.is_empty() { "OwnerId" } else { &chosen.team }),
            ("customer", "AccountId"),
            ("requester", "ContactId"),
            ("tier", &chosen.tier),
            ("contract", &chosen.contract),
            ("product", &chosen.product),
            ("category", &chosen.category),
            ("channel", &chosen.channel),
            ("due_at", &chosen.due),
        ];
        let untold = named.iter().filter(|(_, column)| !column.is_empty() && !self.is_told(column));
        let mut unread: Vec<String> = untold.map(|(name, _)| (*name).to_owned()).collect();
        let odd = |field: &FieldConfig| self.shown(&field.column).is_some() && self.field(field).is_none();
        let mapped = self.config.fields.iter();
        let untold = mapped.filter(|(_, field)| !self.is_told(&field.column) || odd(field));
        unread.extend(untold.map(|(name, _)| name.clone()));
        let priority = self.raw("Priority");
        if !priority.is_empty() && self.config.priority(priority).is_none() {
            unread.push("priority".to_owned());
        }
        if self.shown(&chosen.due).is_some() && self.instant(&chosen.due).is_none() {
            unread.push("due_at".to_owned());
        }
        unread.extend(self.refused());
        unread
    }

    /// Whether a field came, with a value or with none. Vendor: of a record that is not there, the path ends in null.
    fn is_told(&self, column: &str) -> bool {
        let mut node = self.row;
        for step in column.split('.') {
            match node {
                Value::Null => return true,
                _ => match node.get(step) {
                    Some(found) => node = found,
                    None => return false,
                },
            }
        }
        !node.is_object() && !node.is_array()
    }

    /// Those that the org said our account does not know.
    fn refused(&self) -> Vec<String> {
        let optional = self.config.optional_columns().into_iter();
        let absent = optional.filter(|(_, column)| self.absent.iter().any(|absent| absent == column));
        let name = |key: String| match key.strip_prefix("fields.").and_then(|key| key.strip_suffix(".column"))
        {
            Some(name) => name.to_owned(),
            None if key == "columns.due" => "due_at".to_owned(),
            None => key.rsplit('.').next().unwrap_or_default().to_owned(),
        };
        absent.map(|(key, _)| name(key)).collect()
    }

    /// The severity that the list of flags calls for.
    fn called_for(&self) -> Option<Severity> {
        Marker::from_line(self.raw(&self.config.marks.flags)).and_then(|marker| marker.severity)
    }

    fn marks(&self, notes: Vec<String>, notes_complete: bool) -> SeenMarks {
        let names = &self.config.marks;
        let severity = self.raw(&names.severity);
        let mut marker = Marker::from_line(self.raw(&names.flags)).filter(|marker| !marker.flags.is_empty());
        let called_for = marker.as_ref().and_then(|marker| marker.severity);
        if let (Some(marker), Some(found)) = (&mut marker, Severity::from_word(severity)) {
            marker.severity = Some(found);
        }
        SeenMarks {
            unread: !self.is_told(&names.severity) || !self.is_told(&names.flags),
            marker,
            severity_cleared: severity.is_empty() && called_for.is_some(),
            why: self.shown(&names.why),
            notes,
            notes_complete,
            answer: self.shown(&names.answer),
        }
    }

    fn raw(&self, column: &str) -> &str {
        text(self.row, column)
    }

    /// A value as people see it; an empty name and an empty value are none.
    fn shown(&self, column: &str) -> Option<String> {
        if column.is_empty() {
            return None;
        }
        match at(self.row, column) {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    }

    fn party(&self, id: &str, name: &str) -> Option<Party> {
        let id = self.shown(id)?;
        Some(Party { name: self.shown(name).unwrap_or_else(|| id.clone()), id })
    }

    /// Vendor: a date without a time is the start of that day (primitive types, date).
    fn instant(&self, column: &str) -> Option<Timestamp> {
        if column.is_empty() {
            return None;
        }
        let text = self.raw(column);
        let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
        parse_instant(text).or_else(|| day().map(|zoned| zoned.timestamp()))
    }
}
