//! A record with its children into a `CaseChange`. Pure; the vendor's words stop here.
//!
//! Must not know: how the rows were asked for.

use super::config::{Config, Table};
use super::history::{AuditRow, JournalRow, Teller};
use super::query::parse_stamp;
use super::wire::{Cell, Row};
use crate::settings::{FieldConfig, FieldKind};
use dutyd_core::action::{Marker, Severity, note_markers};
use dutyd_core::case::{Case, CaseChange, CaseKey, FieldValue, Party, Priority, Revision, SeenMarks, Status};
use dutyd_core::timeline::{EventKind, TimelineEvent};
use jiff::Timestamp;
use std::collections::BTreeMap;
use url::Url;

/// All that was read of one case.
pub struct Read<'a> {
    pub key: &'a CaseKey,
    pub table: Table,
    pub row: &'a Row,
    pub audit: Vec<AuditRow>,
    pub journal: Vec<JournalRow>,
    pub audit_complete: bool,
    pub journal_complete: bool,
}

/// Columns of the record that are asked for.
pub fn columns(config: &Config, table: Table) -> Vec<String> {
    let requester = table.requester();
    let fixed = [
        "sys_id",
        "sys_class_name",
        "number",
        "sys_updated_on",
        "sys_mod_count",
        "sys_created_on",
        "sys_created_by",
        "opened_at",
        "resolved_at",
        "closed_at",
        "short_description",
        "description",
        "state",
        "priority",
        "assigned_to",
        "assignment_group",
        requester,
    ];
    let of_table: &[&str] = match table {
        Table::Incident => &["hold_reason", "parent_incident"],
        Table::CustomerCase => &["parent"],
    };
    let chosen = &config.columns;
    let mapped =
        [chosen.customer(table), &chosen.tier, &chosen.contract, chosen.product(table), &chosen.category];
    let (more, marks) = ([&chosen.channel, &chosen.due], &config.marks);
    let marks = [&marks.severity, &marks.why, &marks.flags, &marks.answer];
    let names = fixed.iter().chain(of_table).map(|name| (*name).to_owned());
    let names = names.chain([format!("{requester}.user_name")]).chain(mapped.map(str::to_owned));
    let names = names.chain(more.into_iter().chain(marks).cloned());
    let names = names.chain(config.fields.values().map(|field| field.column.clone()));
    let mut names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    let mut known = std::collections::BTreeSet::new();
    names.retain(|name| known.insert(name.clone()));
    names
}

/// Columns whose changes are read.
pub fn audited(config: &Config) -> Vec<String> {
    let marks = &config.marks;
    let fixed = ["state", "hold_reason", "priority", "assigned_to", "assignment_group"];
    let names = fixed.into_iter().chain([&*marks.severity, &marks.flags, &marks.answer]);
    let names = names.chain(config.fields.values().map(|field| field.column.as_str()));
    names.filter(|name| !name.is_empty() && !name.contains('.')).map(str::to_owned).collect()
}

/// The whole change, or why the record cannot be understood.
pub fn change(
    config: &Config,
    origin: &Url,
    read: Read<'_>,
    seen_at: Timestamp,
) -> Result<CaseChange, String> {
    let reader = Reader { config, table: read.table, row: read.row };
    let case = reader.case(read.key, origin)?;
    let teller = Teller {
        config,
        table: read.table,
        record: read.row,
        created_at: reader.instant("sys_created_on").unwrap_or(case.opened_at),
        seen_at,
        names: names(&case),
    };
    let notes = read.journal.iter().filter(|row| row.element.value == "work_notes");
    let notes = notes.flat_map(|row| note_markers(&row.value.value)).collect();
    let marks = reader.marks(notes, read.journal_complete);
    let (messages, mut texts) = teller.messages(&read.journal);
    let mut events = vec![reader.created(&case, &teller)];
    events.extend(teller.changes(read.audit));
    events.extend(messages);
    texts.push((case.key.id.clone(), reader.opening_text()));
    let events_complete = read.audit_complete && read.journal_complete;
    Ok(CaseChange { case, events, marks, events_complete, texts })
}

fn names(case: &Case) -> BTreeMap<String, String> {
    let parties = [&case.owner, &case.team, &case.requester].into_iter().flatten();
    parties.map(|party| (party.id.clone(), party.name.clone())).collect()
}

/// Where a record stands.
///
/// Vendor: incident states 1 New, 2 In Progress, 3 On Hold (with a reason; 1 is Awaiting Caller), 6 Resolved, 7 Closed,
/// 8 Canceled (c_IncidentManagementStateModel); case states 1 New, 10 Open, 18 Awaiting Info, 6 Resolved, 3 Closed,
/// 7 Cancelled (case-api). Codes that nobody knows count as open: better seen once too often than never.
pub fn status(config: &Config, table: Table, state: &str, hold_reason: &str) -> Status {
    config.states.get(state).copied().unwrap_or_else(|| shipped_status(table, state, hold_reason))
}

/// Where a record stands by the codes that the vendor ships.
pub fn shipped_status(table: Table, state: &str, hold_reason: &str) -> Status {
    match (table, state) {
        (_, "1") => Status::New,
        (Table::Incident, "3") if hold_reason == "1" => Status::Pending,
        (Table::Incident, "3") => Status::OnHold,
        (Table::CustomerCase, "18") => Status::Pending,
        (_, "6") => Status::Resolved,
        (Table::Incident, "7" | "8") | (Table::CustomerCase, "3" | "7") => Status::Closed,
        _ => Status::Open,
    }
}

/// 1 to 5; anything else is no priority to us.
pub fn parse_priority(raw: &str) -> Option<Priority> {
    raw.parse().ok().filter(|number| (1..=9).contains(number)).map(Priority)
}

struct Reader<'a> {
    config: &'a Config,
    table: Table,
    row: &'a Row,
}

impl Reader<'_> {
    fn case(&self, key: &CaseKey, origin: &Url) -> Result<Case, String> {
        let state = self.row.get("state").ok_or("the column state may not be read")?.value.as_str();
        if state.is_empty() {
            return Err("the column state has no value".to_owned());
        }
        let updated_at = self.instant("sys_updated_on").ok_or("sys_updated_on is not an instant")?;
        let opened_at = self.instant("opened_at").or_else(|| self.instant("sys_created_on"));
        let status = status(self.config, self.table, state, self.raw("hold_reason"));
        let chosen = &self.config.columns;
        Ok(Case {
            key: key.clone(),
            number: self.shown("number").unwrap_or_else(|| key.id.clone()),
            title: self.shown("short_description").unwrap_or_default(),
            link: origin.join(&format!("/{}.do?sys_id={}", self.table.name(), key.id)).ok().map(String::from),
            status,
            status_raw: self.state_raw(state),
            priority: parse_priority(self.raw("priority")),
            priority_raw: self.raw("priority").to_owned(),
            customer: self.party(chosen.customer(self.table)),
            tier: self.shown(&chosen.tier),
            contract: self.shown(&chosen.contract),
            requester: self.party(self.table.requester()),
            owner: self.party("assigned_to"),
            team: self.party("assignment_group"),
            product: self.shown(chosen.product(self.table)),
            category: self.shown(&chosen.category),
            channel: self.shown(&chosen.channel),
            tags: Vec::new(),
            fields: self.fields(),
            unread: self.unread(),
            opened_at: opened_at.ok_or("neither opened_at nor sys_created_on is an instant")?,
            updated_at,
            resolved_at: self.done_at(status),
            due_at: self.instant(&chosen.due),
            links: self.links(&key.source),
            revision: self.revision(updated_at),
        })
    }

    /// The code, with the reason where there is one: `3`, `3/1`.
    fn state_raw(&self, state: &str) -> String {
        match self.raw("hold_reason") {
            "" => state.to_owned(),
            reason => format!("{state}/{reason}"),
        }
    }

    fn done_at(&self, status: Status) -> Option<Timestamp> {
        let done = self.instant("resolved_at").or_else(|| self.instant("closed_at"));
        done.filter(|_| !status.is_open())
    }

    fn links(&self, source: &str) -> Vec<CaseKey> {
        let column = match self.table {
            Table::Incident => "parent_incident",
            Table::CustomerCase => "parent",
        };
        let parent = self.raw(column);
        let parent = Some(parent).filter(|parent| !parent.is_empty());
        parent.map(|parent| CaseKey::new(source, parent)).into_iter().collect()
    }

    fn revision(&self, updated_at: Timestamp) -> Revision {
        Revision { at_ms: updated_at.as_millisecond(), count: self.raw("sys_mod_count").parse().unwrap_or(0) }
    }

    fn fields(&self) -> BTreeMap<String, FieldValue> {
        let mapped = self.config.fields.iter();
        mapped.filter_map(|(name, field)| Some((name.clone(), self.field(field)?))).collect()
    }

    fn field(&self, field: &FieldConfig) -> Option<FieldValue> {
        let cell = self.row.get(&field.column).filter(|cell| !cell.value.is_empty())?;
        Some(match field.kind {
            FieldKind::Text => FieldValue::Text(cell.shown.clone()),
            FieldKind::Number => FieldValue::Number(cell.value.parse().ok().filter(|n: &f64| n.is_finite())?),
            FieldKind::Truth => FieldValue::Truth(cell.value == "true" || cell.value == "1"),
            FieldKind::Instant => FieldValue::Instant(parse_stamp(&cell.value)?),
            FieldKind::List => FieldValue::List(split(&cell.shown)),
        })
    }

    /// Vendor: columns that the account may not read are left out of the record without an error. What came and is no value
    /// of its kind is no more known than that.
    fn unread(&self) -> Vec<String> {
        let chosen = &self.config.columns;
        let fixed = [
            ("title", "short_description"),
            ("owner", "assigned_to"),
            ("team", "assignment_group"),
            ("requester", self.table.requester()),
            ("priority", "priority"),
            ("customer", chosen.customer(self.table)),
            ("tier", &chosen.tier),
            ("contract", &chosen.contract),
            ("product", chosen.product(self.table)),
            ("category", &chosen.category),
            ("channel", &chosen.channel),
            ("due_at", &chosen.due),
        ];
        let custom = self.config.fields.iter().map(|(name, field)| (name.as_str(), field.column.as_str()));
        let absent = fixed
            .into_iter()
            .chain(custom)
            .filter(|(_, column)| !column.is_empty() && !self.row.contains_key(*column));
        let odd_fields = self
            .config
            .fields
            .iter()
            .filter(|(_, field)| self.cell(&field.column).is_some() && self.field(field).is_none());
        let odd_priority = !self.raw("priority").is_empty() && parse_priority(self.raw("priority")).is_none();
        let odd_due = !self.raw(&chosen.due).is_empty() && self.instant(&chosen.due).is_none();
        let odd = [("priority", odd_priority), ("due_at", odd_due)].into_iter().filter(|(_, is_odd)| *is_odd);
        let odd = odd.map(|(name, _)| name.to_owned()).chain(odd_fields.map(|(name, _)| name.clone()));
        absent.map(|(name, _)| name.to_owned()).chain(odd).collect()
    }

    fn marks(&self, notes: Vec<String>, notes_complete: bool) -> SeenMarks {
        let names = &self.config.marks;
        let severity = self.raw(&names.severity);
        let mut marker = Marker::from_line(self.raw(&names.flags)).filter(|marker| !marker.flags.is_empty());
        let called_for = marker.as_ref().and_then(|marker| marker.severity);
        if let (Some(marker), Some(found)) = (&mut marker, Severity::from_word(severity)) {
            marker.severity = Some(found);
        }
        let text = |column: &str| Some(self.raw(column).to_owned()).filter(|text| !text.is_empty());
        let is_told = |column: &String| column.is_empty() || self.row.contains_key(column.as_str());
        SeenMarks {
            unread: !is_told(&names.severity) || !is_told(&names.flags),
            marker,
            severity_cleared: severity.is_empty() && called_for.is_some(),
            why: text(&names.why),
            notes,
            notes_complete,
            answer: text(&names.answer),
        }
    }

    /// The record itself is the fact that it was opened.
    fn created(&self, case: &Case, teller: &Teller<'_>) -> TimelineEvent {
        let user = self.raw("sys_created_by");
        TimelineEvent {
            id: case.key.id.clone(),
            at: case.opened_at,
            seen_at: teller.seen_at,
            actor: teller.actor(user),
            by: teller.person(user),
            kind: EventKind::Created { signals: Vec::new() },
        }
    }

    fn opening_text(&self) -> String {
        [self.raw("short_description"), self.raw("description")].join("\n")
    }

    fn cell(&self, column: &str) -> Option<&Cell> {
        self.row.get(column).filter(|cell| !cell.value.is_empty())
    }

    fn raw(&self, column: &str) -> &str {
        self.cell(column).map(|cell| cell.value.as_str()).unwrap_or_default()
    }

    fn shown(&self, column: &str) -> Option<String> {
        self.cell(column).map(|cell| cell.shown.clone())
    }

    fn party(&self, column: &str) -> Option<Party> {
        let cell = self.cell(column)?;
        let name = if cell.shown.is_empty() { &cell.value } else { &cell.shown };
        Some(Party { id: cell.value.clone(), name: name.clone() })
    }

    fn instant(&self, column: &str) -> Option<Timestamp> {
        parse_stamp(self.raw(column))
    }
}

fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
