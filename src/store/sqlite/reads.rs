//! The read side: what commands, metrics and status pages ask. Nothing here scans a table that grows with the cases.

use super::notices;
use super::outbox::{HOUR_MINUTES, SEALED, stage_word};
use super::rows::{at, ms};
use crate::store::{
    Counts, DecisionRow, FlagRow, OutboxCounts, ParkedKind, ParkedRow, Result, Sealed, SourceRow, StateRow,
    StoreError, Wanted,
};
use dutyd_core::action::Severity;
use dutyd_core::case::CaseKey;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Rows counted at most; a count that reaches it means "at least".
const COUNT_MAX: i64 = 100_000;
/// Cases that one name may mean.
const SAME_NAME_MAX: usize = 20;
const PARKED_MAX: usize = 1_000;
const DECISIONS_MAX: usize = 1_000;

pub fn instant(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(at))
}

pub fn all<T>(rows: impl Iterator<Item = rusqlite::Result<T>>) -> Result<Vec<T>> {
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

const STATE_COLUMNS: &str = "SELECT cases.id, source.name, vendor_id, number, body FROM cases
    JOIN source ON source.id = cases.source JOIN state ON state.case_id = cases.id";

fn state_row(row: &Row<'_>) -> rusqlite::Result<StateRow> {
    Ok(StateRow {
        case: row.get(0)?,
        key: CaseKey::new(row.get::<_, String>(1)?, row.get::<_, String>(2)?),
        number: row.get(3)?,
        state: Sealed::from_bytes(row.get(4)?),
    })
}

pub fn find_cases(db: &Connection, name: &str) -> Result<Vec<StateRow>> {
    if let Some((source, rest)) = name.split_once('/') {
        let found = all(db
            .prepare_cached(&format!(
                "{STATE_COLUMNS} WHERE cases.source = (SELECT id FROM source WHERE name = ?1)
                   AND (number = ?2 OR vendor_id = ?2) LIMIT ?3"
            ))?
            .query_map(params![source, rest, SAME_NAME_MAX], state_row)?)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    all(db
        .prepare_cached(&format!("{STATE_COLUMNS} WHERE number = ?1 LIMIT ?2"))?
        .query_map(params![name, SAME_NAME_MAX], state_row)?)
}

pub fn states(db: &Connection, after: i64, max: usize) -> Result<Vec<StateRow>> {
    all(db
        .prepare_cached(&format!("{STATE_COLUMNS} WHERE cases.id > ?1 ORDER BY cases.id LIMIT ?2"))?
        .query_map(params![after, max], state_row)?)
}

fn severity(number: usize) -> Severity {
    Severity::ALL[number.min(Severity::ALL.len() - 1)]
}

pub fn open_flags(db: &Connection, max: usize) -> Result<Vec<FlagRow>> {
    all(db
        .prepare_cached(
            "SELECT flag.case_id, source.name, vendor_id, number, rule, severity, raised_at, episode, why,
               dismissed, due.ready_at
             FROM (SELECT case_id, max(iif(dismissed, -1, severity)) AS worst, min(raised_at) AS first
                   FROM flag GROUP BY case_id ORDER BY worst DESC, first LIMIT ?1) AS chosen
             JOIN flag USING (case_id)
             JOIN cases ON cases.id = flag.case_id JOIN source ON source.id = cases.source
             LEFT JOIN due ON due.case_id = flag.case_id
             ORDER BY severity DESC, raised_at",
        )?
        .query_map([max], |row| {
            Ok(FlagRow {
                case: row.get(0)?,
                key: CaseKey::new(row.get::<_, String>(1)?, row.get::<_, String>(2)?),
                number: row.get(3)?,
                rule: row.get(4)?,
                severity: severity(row.get(5)?),
                raised_at: at(row.get(6)?),
                episode: row.get(7)?,
                why: row.get(8)?,
                dismissed: row.get(9)?,
                due_at: instant(row, 10)?,
            })
        })?)
}

fn parse<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt { what, because: error.to_string() })
}

pub fn decisions(db: &Connection, case: i64) -> Result<Vec<DecisionRow>> {
    let rows: Vec<(i64, String)> = all(db
        .prepare_cached("SELECT seq, body FROM decision WHERE case_id = ?1 ORDER BY seq DESC LIMIT ?2")?
        .query_map(params![case, DECISIONS_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?)?;
    let parsed = rows
        .into_iter()
        .rev()
        .map(|(seq, body)| Ok(DecisionRow { seq, decision: parse("decision", &body)? }));
    parsed.collect()
}

pub fn parked(db: &Connection) -> Result<Vec<ParkedRow>> {
    let mut found = all(db
        .prepare_cached(
            "SELECT outbox.id, source.name, number, slot, coalesce(because, ''), since, stage FROM outbox
             JOIN source ON source.id = outbox.source JOIN cases ON cases.id = outbox.case_id
             WHERE outbox.stage IN (5, 6) ORDER BY outbox.stage, outbox.id LIMIT ?1",
        )?
        .query_map([PARKED_MAX], |row| {
            let sealed = row.get::<_, i64>(6)? == SEALED;
            parked_row(row, 'w', if sealed { ParkedKind::Sealed } else { ParkedKind::Write })
        })?)?;
    found.extend(all(db
        .prepare_cached(
            "SELECT quarantine.id, source.name, record, '', reason, since FROM quarantine
             JOIN source ON source.id = quarantine.source ORDER BY quarantine.id LIMIT ?1",
        )?
        .query_map([PARKED_MAX], |row| parked_row(row, 'r', ParkedKind::Record))?)?);
    found.extend(notices::parked(db)?);
    Ok(found)
}

fn parked_row(row: &Row<'_>, letter: char, kind: ParkedKind) -> rusqlite::Result<ParkedRow> {
    Ok(ParkedRow {
        id: format!("{letter}{}", row.get::<_, i64>(0)?),
        kind,
        source: row.get(1)?,
        what: row.get(2)?,
        slot: row.get(3)?,
        because: row.get(4)?,
        since: at(row.get(5)?),
    })
}

pub fn wanted(db: &Connection, case: i64) -> Result<Vec<Wanted>> {
    type Columns = (String, i64, u32, Option<Timestamp>, Option<String>);
    let rows: Vec<Columns> = all(db
        .prepare_cached(
            "SELECT body, stage, attempts, ready_at, because FROM outbox WHERE case_id = ?1 ORDER BY id",
        )?
        .query_map([case], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, instant(row, 3)?, row.get(4)?))
        })?)?;
    rows.into_iter()
        .map(|(body, stage, attempts, next_at, because)| {
            Ok(Wanted {
                action: parse("action", &body)?,
                stage: stage_word(stage),
                attempts,
                next_at,
                because,
            })
        })
        .collect()
}

pub fn sources(db: &Connection, now: Timestamp) -> Result<Vec<SourceRow>> {
    let rows: Vec<(i64, SourceRow)> = all(db
        .prepare_cached(
            "SELECT id, name, paused, pulled_at, caught_up_at, imported, cases, pages, changes, bells,
               bells_repeated, bells_missed, writes, bells_expected FROM source ORDER BY name",
        )?
        .query_map([], |row| {
            let source = SourceRow {
                source: row.get(1)?,
                paused: row.get(2)?,
                pulled_at: instant(row, 3)?,
                caught_up_at: instant(row, 4)?,
                imported: row.get(5)?,
                cases: row.get(6)?,
                pages: row.get(7)?,
                changes: row.get(8)?,
                bells: row.get(9)?,
                bells_repeated: row.get(10)?,
                bells_missed: row.get(11)?,
                writes: row.get(12)?,
                bells_expected: row.get(13)?,
                ..SourceRow::default()
            };
            Ok((row.get(0)?, source))
        })?)?;
    rows.into_iter().map(|(id, source)| with_queues(db, id, source, now)).collect()
}

fn with_queues(db: &Connection, id: i64, mut source: SourceRow, now: Timestamp) -> Result<SourceRow> {
    (source.hints, source.hint_since) = db
        .prepare_cached(
            "SELECT count(*), min(since) FROM (SELECT since FROM hint WHERE source = ?1 LIMIT ?2)",
        )?
        .query_row([id, COUNT_MAX], |row| Ok((row.get(0)?, instant(row, 1)?)))?;
    source.quarantined = db
        .prepare_cached("SELECT count(*) FROM quarantine WHERE source = ?1")?
        .query_row([id], |row| row.get(0))?;
    let from = ms(now).div_euclid(60_000) - HOUR_MINUTES;
    source.writes_last_hour = db
        .prepare_cached("SELECT coalesce(sum(writes), 0) FROM spent WHERE source = ?1 AND minute > ?2")?
        .query_row([id, from], |row| row.get(0))?;
    let stages: Vec<(i64, u64, Option<Timestamp>)> = all(db
        .prepare_cached("SELECT stage, count(*), min(since) FROM outbox WHERE source = ?1 GROUP BY stage")?
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?, instant(row, 2)?)))?)?;
    source.outbox = outbox_counts(&stages);
    Ok(source)
}

fn outbox_counts(stages: &[(i64, u64, Option<Timestamp>)]) -> OutboxCounts {
    let mut counts = OutboxCounts::default();
    for (stage, count, since) in stages {
        match stage_word(*stage) {
            "ready" => counts.ready = *count,
            "held" => counts.held = *count,
            "waiting" => counts.waiting = *count,
            "flying" => counts.flying = *count,
            "unknown" => counts.unknown = *count,
            "sealed" => counts.sealed = *count,
            _ => counts.parked = *count,
        }
        if !matches!(stage_word(*stage), "held" | "parked" | "sealed") {
            counts.since = [counts.since, *since].into_iter().flatten().min();
        }
    }
    counts
}

pub fn counts(db: &Connection, now: Timestamp) -> Result<Counts> {
    let tally = |name: &str| -> Result<u64> {
        let found = db
            .prepare_cached("SELECT n FROM tally WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        Ok(found.unwrap_or(0))
    };
    let one =
        |sql: &str| -> Result<u64> { Ok(db.prepare_cached(sql)?.query_row([COUNT_MAX], |row| row.get(0))?) };
    let (due, due_since) = db
        .prepare_cached(
            "SELECT count(*), min(ready_at) FROM (SELECT ready_at FROM due WHERE ready_at <= ?1 LIMIT ?2)",
        )?
        .query_row([ms(now), COUNT_MAX], |row| Ok((row.get(0)?, instant(row, 1)?)))?;
    let (mut flags, mut flagged, mut dismissed) = ([0; 4], [0; 4], 0);
    let by_severity: Vec<(usize, u64)> = all(db
        .prepare_cached("SELECT severity, count(*) FROM flag WHERE NOT dismissed GROUP BY severity")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?)?;
    for (severity, count) in by_severity {
        flags[severity.min(3)] = count;
    }
    let by_worst: Vec<(i64, u64)> = all(db
        .prepare_cached(
            "SELECT worst, count(*) FROM (SELECT max(iif(dismissed, -1, severity)) AS worst FROM flag GROUP BY case_id)
             GROUP BY worst",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?)?;
    for (worst, count) in by_worst {
        match usize::try_from(worst) {
            Ok(severity) => flagged[severity.min(3)] = count,
            Err(_) => dismissed = count,
        }
    }
    Ok(Counts {
        cases: db
            .prepare_cached("SELECT coalesce(sum(cases), 0) FROM source")?
            .query_row([], |row| row.get(0))?,
        open: tally("open")?,
        due,
        due_since,
        inbox: one("SELECT count(*) FROM (SELECT 1 FROM inbox LIMIT ?1)")?,
        flags,
        flagged,
        dismissed,
        decisions: tally("decisions")?,
        waking: one("SELECT count(*) FROM (SELECT 1 FROM waking LIMIT ?1)")?,
    })
}
