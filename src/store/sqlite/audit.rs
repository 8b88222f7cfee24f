//! The audit log in the database: a row is added in the transaction that does what it records.
//!
//! Must not know: what is decided, sent or ordered.

use super::ledger::Ledger;
use super::open::meta;
use super::rows::{at, ms};
use super::upkeep::forget;
use crate::audit::{Checkpoint, Erasure, Found, Hash, Kind, Link, Verified, Verifier, chain, digest};
use crate::store::{AuditQuestion, AuditRow, Result, StoreError, Watched};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

/// Rows removed by one sweep.
const REMOVE_MAX: usize = 20_000;
/// Old rows are removed when the oldest is so much older than it may be: a checkpoint a day is enough.
const REMOVE_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// What a row says: of its own, or in the decision log.
pub enum Body<'a> {
    Own(&'a str),
    Decision { row: i64, body: &'a str },
}

pub fn append(db: &Connection, kind: Kind, case: i64, body: &Body<'_>, now: Timestamp) -> Result<()> {
    let (before, last) = head(db)?;
    let (text, own, decision) = match body {
        Body::Own(text) => (*text, Some(*text), None),
        Body::Decision { row, body } => (*body, None, Some(*row)),
    };
    let salt: Vec<u8> = db.prepare_cached("SELECT randomblob(16)")?.query_row([], |row| row.get(0))?;
    let link = Link {
        seq: last + 1,
        at_ms: ms(now),
        kind: i64::from(kind.number()),
        case,
        digest: digest(&salt, text),
    };
    let hash = chain(&before, &link);
    db.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?.execute(params![
        link.seq,
        link.at_ms,
        link.kind,
        case,
        decision,
        salt,
        own,
        link.digest,
        hash
    ])?;
    Ok(())
}

/// A row with a content of its own.
pub fn note(db: &Connection, kind: Kind, case: i64, said: &impl Serialize, now: Timestamp) -> Result<()> {
    let body = serde_json::to_string(said)
        .map_err(|error| StoreError::Corrupt { what: "audit row", because: error.to_string() })?;
    append(db, kind, case, &Body::Own(&body), now)
}

/// Hash and number of the last row.
pub fn head(db: &Connection) -> Result<(Hash, i64)> {
    let found = db
        .prepare_cached("SELECT hash, seq FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.unwrap_or(([0; 32], 0)))
}

/// Everything about these cases, the content of their audit rows too; the chain says whose it was.
pub fn erase(db: &Connection, cases: &[i64], why: &str, now: Timestamp) -> Result<()> {
    if cases.is_empty() {
        return Ok(());
    }
    let mut ledger = Ledger::new(Watched::default());
    for case in cases {
        forget(db, *case, &mut ledger)?;
        db.prepare_cached("UPDATE audit SET salt = NULL, body = NULL WHERE case_id = ?1")?
            .execute([*case])?;
    }
    ledger.settle(db, now)?;
    let erasure = Erasure { why: why.to_owned(), cases: cases.to_vec() };
    note(db, Kind::Erasure, 0, &erasure, now)
}

/// Removes rows older than `before`, a bounded number at once, behind a checkpoint.
pub fn retain(db: &Connection, before: Timestamp, now: Timestamp) -> Result<usize> {
    let end: Option<(i64, Hash)> = db
        .prepare_cached(
            "SELECT seq, hash FROM (SELECT seq, hash, at FROM audit ORDER BY seq LIMIT ?2) WHERE at < ?1
             ORDER BY seq DESC LIMIT 1",
        )?
        .query_row(params![ms(before), REMOVE_MAX], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((removed_to, hash)) = end else { return Ok(0) };
    note(db, Kind::Checkpoint, 0, &Checkpoint { removed_to, hash: hex::encode(hash) }, now)?;
    Ok(db.execute("DELETE FROM audit WHERE seq <= ?1", [removed_to])?)
}

/// For the sweep: [`retain`], once a day.
pub fn retain_daily(db: &Connection, keep: SignedDuration, now: Timestamp) -> Result<usize> {
    let oldest: Option<i64> = db
        .prepare_cached("SELECT at FROM audit ORDER BY seq LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let before = now.saturating_sub(keep).unwrap_or(Timestamp::MIN);
    let late = before.saturating_sub(REMOVE_EVERY).unwrap_or(Timestamp::MIN);
    match oldest {
        Some(oldest) if at(oldest) < late => retain(db, before, now),
        _ => Ok(0),
    }
}

const COLUMNS: &str = "SELECT audit.seq, audit.at, audit.kind, audit.case_id, salt, coalesce(audit.body, decision.body), audit.digest,
    audit.hash,
    source.name, cases.number
    FROM audit LEFT JOIN decision ON decision.seq = audit.decision
    LEFT JOIN cases ON cases.id = audit.case_id LEFT JOIN source ON source.id = cases.source";

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let link = Link {
        seq: row.get(0)?,
        at_ms: row.get(1)?,
        kind: row.get(2)?,
        case: row.get(3)?,
        digest: row.get(6)?,
    };
    let content = row.get::<_, Option<Vec<u8>>>(4)?.zip(row.get::<_, Option<String>>(5)?);
    Ok(Found { link, content, hash: row.get(7)? })
}

/// Reads the whole chain.
pub fn verify(db: &Connection, head: Option<&str>) -> Result<Verified> {
    let mut statement = db.prepare(&format!("{COLUMNS} ORDER BY audit.seq"))?;
    let mut rows = statement.query([])?;
    let mut verifier = Verifier::new(head);
    while let Some(row) = rows.next()? {
        verifier.look(&found(row)?);
    }
    Ok(verifier.finish())
}

/// The newest rows that were asked for, oldest first.
pub fn rows(db: &Connection, question: &AuditQuestion) -> Result<Vec<AuditRow>> {
    let since = question.since.map_or(i64::MIN, ms);
    let chosen = match question.case {
        Some(_) => "audit.case_id = ?1 AND audit.at >= ?2",
        None => "?1 = 0 AND audit.at >= ?2",
    };
    let mut statement =
        db.prepare_cached(&format!("{COLUMNS} WHERE {chosen} ORDER BY audit.seq DESC LIMIT ?3"))?;
    let rows = statement.query_map(params![question.case.unwrap_or(0), since, question.max], |row| {
        let Found { link, content, hash } = found(row)?;
        let case = row.get::<_, Option<String>>(8)?.zip(row.get::<_, Option<String>>(9)?);
        Ok(AuditRow {
            seq: link.seq,
            at: at(link.at_ms),
            kind: Kind::from_number(link.kind),
            case: case.map(|(source, number)| format!("{source}/{number}")),
            said: content.and_then(|(_, body)| serde_json::from_str(&body).ok()),
            hash: hex::encode(hash),
        })
    })?;
    let mut rows: Vec<AuditRow> = rows.collect::<std::result::Result<_, _>>()?;
    rows.reverse();
    Ok(rows)
}

/// The policy in force, as the chain will say it.
pub fn note_policy(db: &Connection, policy: &str, now: Timestamp) -> Result<()> {
    let before = meta(db, "policy")?;
    note(db, Kind::Policy, 0, &serde_json::json!({ "policy": policy, "before": before }), now)
}
