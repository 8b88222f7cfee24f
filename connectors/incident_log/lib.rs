//! A real ServiceNow incident log (UCI dataset 498), read row by row: its columns, its traps, and how each incident ended.
//!
//! Must not know: what is done with it; the sandbox replays it, `dutyd sla fit` measures by it.

use anyhow::{Context, bail};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

/// How an incident ended, by the log: what a judge compares with.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEnd {
    pub number: String,
    /// As the incident's last row has it.
    pub made_sla: bool,
    /// The first row whose state is Resolved or Closed.
    pub resolved_at: Option<Timestamp>,
    pub opened_at: Timestamp,
}

/// The whole log.
pub struct Log {
    pub begins_at: Timestamp,
    /// In order of time.
    pub rows: Vec<Row>,
    /// In order of each incident's first row.
    pub ends: Vec<LogEnd>,
}

/// The log's columns that become columns of the table, and their names there.
const COLUMNS: &[(&str, &str)] = &[
    ("active", "active"),
    ("reassignment_count", "reassignment_count"),
    ("reopen_count", "reopen_count"),
    ("made_sla", "made_sla"),
    ("caller_id", "caller_id"),
    ("opened_by", "opened_by"),
    ("contact_type", "contact_type"),
    ("location", "location"),
    ("location", "company"),
    ("category", "category"),
    ("subcategory", "subcategory"),
    ("u_symptom", "u_symptom"),
    ("cmdb_ci", "cmdb_ci"),
    ("impact", "impact"),
    ("urgency", "urgency"),
    ("priority", "priority"),
    ("assignment_group", "assignment_group"),
    ("assigned_to", "assigned_to"),
    ("knowledge", "knowledge"),
    ("u_priority_confirmation", "u_priority_confirmation"),
    ("notify", "notify"),
    ("problem_id", "problem_id"),
    ("rfc", "rfc"),
    ("vendor", "vendor"),
];

/// Columns that hold their final value from the first row on: shown only once the incident is resolved.
const FINAL_COLUMNS: &[(&str, &str)] = &[
    ("caused_by", "caused_by"),
    ("closed_code", "close_code"),
    ("resolved_by", "resolved_by"),
    ("resolved_at", "resolved_at"),
    ("closed_at", "closed_at"),
];

/// Column of the table and raw value, the same columns in every row.
pub type Fields = Vec<(&'static str, String)>;

/// An incident as it stood after one update.
pub struct Row {
    pub number: String,
    /// The log's minute, spread over its seconds.
    pub at: Timestamp,
    pub revision: u64,
    pub by: String,
    pub fields: Fields,
    state: String,
    made_sla: bool,
    opened_at: Timestamp,
}

/// Reads the log at `path`; `.xz` is unpacked on the way.
pub fn read(path: &Path) -> anyhow::Result<Log> {
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot open the log {}", path.display()))?;
    let file = std::io::BufReader::new(file);
    if path.extension().is_some_and(|extension| extension == "xz") {
        parse(lzma_rust2::XzReader::new(file, true))
    } else {
        parse(file)
    }
}

/// Parses the log's CSV text.
pub fn parse(text: impl Read) -> anyhow::Result<Log> {
    let mut reader = csv::Reader::from_reader(text);
    let headers: HashMap<String, usize> =
        reader.headers()?.iter().enumerate().map(|(index, name)| (name.to_owned(), index)).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let cells = Cells { headers: &headers, record: &record };
        let line = record.position().map_or(0, csv::Position::line);
        rows.push(row(&cells).with_context(|| format!("line {line} of the log"))?);
    }
    rows.sort_by(|a, b| (a.at, &a.number, a.revision).cmp(&(b.at, &b.number, b.revision)));
    spread(&mut rows);
    let Some(begins_at) = rows.first().map(|row| row.at) else { bail!("the log has no rows") };
    Ok(Log { begins_at, ends: ends(&rows), rows })
}

/// One line of the log by column name; a column that is not there reads as missing.
struct Cells<'a> {
    headers: &'a HashMap<String, usize>,
    record: &'a csv::StringRecord,
}

impl Cells<'_> {
    fn get(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|index| self.record.get(*index)).unwrap_or("?")
    }
}

fn row(cells: &Cells<'_>) -> anyhow::Result<Row> {
    let state = cells.get("incident_state").to_owned();
    let (raw_state, hold_reason) = raw_state(&state);
    let mut fields = vec![
        ("state", raw_state.clone()),
        ("incident_state", raw_state),
        ("hold_reason", hold_reason.to_owned()),
        ("opened_at", stamp(cells.get("opened_at"))?),
        ("sys_created_on", stamp(cells.get("sys_created_at"))?),
        ("sys_created_by", raw(cells.get("sys_created_by"))),
    ];
    let ended = matches!(state.as_str(), "Resolved" | "Closed");
    for (from, to) in COLUMNS {
        let value = raw(cells.get(from));
        fields
            .push((to, if matches!(*to, "impact" | "urgency" | "priority") { level(&value) } else { value }));
    }
    for (from, to) in FINAL_COLUMNS {
        let value = cells.get(from);
        let shown = match *from {
            _ if !ended || value == "?" => String::new(),
            "resolved_at" | "closed_at" => stamp(value)?,
            _ => raw(value),
        };
        fields.push((to, shown));
    }
    Ok(Row {
        number: cells.get("number").to_owned(),
        at: time(cells.get("sys_updated_at"))?,
        revision: cells.get("sys_mod_count").parse().context("sys_mod_count")?,
        by: raw(cells.get("sys_updated_by")),
        state,
        made_sla: cells.get("made_sla") == "true",
        opened_at: time(cells.get("opened_at"))?,
        fields,
    })
}

/// The log's label as the table's `state` and `hold_reason`.
fn raw_state(label: &str) -> (String, &'static str) {
    let (state, hold_reason) = match label {
        "New" => ("1", ""),
        "Active" => ("2", ""),
        "Awaiting Problem" => ("3", "3"),
        "Awaiting User Info" => ("3", "1"),
        "Awaiting Vendor" => ("3", "4"),
        "Awaiting Evidence" => ("5", ""),
        "Resolved" => ("6", ""),
        "Closed" => ("7", ""),
        other => (other, ""),
    };
    (state.to_owned(), hold_reason)
}

/// A missing cell is an empty column; doubled blanks inside names are one.
fn raw(value: &str) -> String {
    if value == "?" { String::new() } else { value.split_whitespace().collect::<Vec<_>>().join(" ") }
}

/// `2 - Medium` as `2`.
fn level(value: &str) -> String {
    value.split(' ').next().unwrap_or("").to_owned()
}

/// `d/m/Y HH:MM`, taken for UTC.
fn time(text: &str) -> anyhow::Result<Timestamp> {
    let local = DateTime::strptime("%d/%m/%Y %H:%M", text).with_context(|| format!("bad time {text:?}"))?;
    Ok(local.to_zoned(TimeZone::UTC)?.timestamp())
}

fn stamp(text: &str) -> anyhow::Result<String> {
    if text == "?" { Ok(String::new()) } else { Ok(time(text)?.strftime("%Y-%m-%d %H:%M:%S").to_string()) }
}

fn ends(rows: &[Row]) -> Vec<LogEnd> {
    let mut order = Vec::new();
    let mut ends: HashMap<&str, LogEnd> = HashMap::new();
    for row in rows {
        let end = ends.entry(&row.number).or_insert_with(|| {
            order.push(row.number.as_str());
            LogEnd { number: row.number.clone(), made_sla: true, resolved_at: None, opened_at: row.opened_at }
        });
        end.made_sla = row.made_sla;
        if end.resolved_at.is_none() && matches!(row.state.as_str(), "Resolved" | "Closed") {
            end.resolved_at = Some(row.at);
        }
    }
    order.into_iter().filter_map(|number| ends.remove(number)).collect()
}

/// Spreads the rows of a minute over its seconds, in their order.
fn spread(rows: &mut [Row]) {
    for minute in rows.chunk_by_mut(|a, b| a.at == b.at) {
        let count = minute.len() as i64;
        for (nth, row) in minute.iter_mut().enumerate() {
            row.at += jiff::SignedDuration::from_secs(nth as i64 * 60 / count);
        }
    }
}
