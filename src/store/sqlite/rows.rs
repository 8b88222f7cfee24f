//! Rows that every verb touches: instants, sources, cases, tallies.

use crate::store::{Incoming, Result, Sealed, SourceLease, StoreError};
use dutyd_core::case::Revision;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// Milliseconds, rounded down: for what has happened.
pub fn ms(at: Timestamp) -> i64 {
    at.as_nanosecond().div_euclid(1_000_000).try_into().unwrap_or(i64::MAX)
}

/// Milliseconds, rounded up: for what is due, which must never be early.
pub fn ms_up(at: Timestamp) -> i64 {
    let floor = ms(at);
    if at.as_nanosecond().rem_euclid(1_000_000) == 0 { floor } else { floor.saturating_add(1) }
}

pub fn at(ms: i64) -> Timestamp {
    let bounded = ms.clamp(Timestamp::MIN.as_millisecond(), Timestamp::MAX.as_millisecond());
    Timestamp::from_millisecond(bounded).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub fn count(revision: Revision) -> i64 {
    i64::try_from(revision.count).unwrap_or(i64::MAX)
}

/// The source's number; makes it known if it is new.
pub fn source_id(db: &Connection, name: &str) -> Result<i64> {
    let known = db
        .prepare_cached("SELECT id FROM source WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => {
            db.prepare_cached("INSERT INTO source (name) VALUES (?1)")?.execute([name])?;
            Ok(db.last_insert_rowid())
        }
    }
}

/// The source under this lease.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub id: i64,
    pub imported: bool,
    /// A webhook has come.
    pub rings: bool,
    /// One for a write of ours has.
    pub echoes: bool,
}

/// Invariant: a lost lease cannot commit (`a_lost_source_lease_cannot_commit`).
pub fn held(db: &Connection, lease: &SourceLease) -> Result<Held> {
    db.prepare_cached("SELECT id, imported, bells > 0, echoes FROM source WHERE name = ?1 AND token = ?2")?
        .query_row(params![lease.source, lease.token.0], |row| {
            Ok(Held { id: row.get(0)?, imported: row.get(1)?, rings: row.get(2)?, echoes: row.get(3)? })
        })
        .optional()?
        .ok_or_else(|| StoreError::LeaseLost(lease.source.clone()))
}

/// What is known of a case's versions.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub id: i64,
    pub seen: (i64, i64),
    pub full: Option<(i64, i64)>,
    pub digest: Option<i64>,
    /// The newest version that a poll showed, and the newest that a webhook led to.
    pub polled_ms: Option<i64>,
    pub told_ms: Option<i64>,
    /// The newest that a poll found and no webhook told.
    pub missed_ms: Option<i64>,
    /// The newest that a write of ours made.
    pub ours_ms: Option<i64>,
}

pub fn known(db: &Connection, source: i64, vendor_id: &str) -> Result<Option<Known>> {
    let found = db
        .prepare_cached(
            "SELECT id, seen_ms, seen_count, full_ms, full_count, digest, polled_ms, told_ms, missed_ms, ours_ms FROM cases
             WHERE source = ?1 AND vendor_id = ?2",
        )?
        .query_row(params![source, vendor_id], |row| {
            let full: (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
            Ok(Known {
                id: row.get(0)?,
                seen: (row.get(1)?, row.get(2)?),
                full: full.0.zip(full.1),
                digest: row.get(5)?,
                polled_ms: row.get(6)?,
                told_ms: row.get(7)?,
                missed_ms: row.get(8)?,
                ours_ms: row.get(9)?,
            })
        })
        .optional()?;
    Ok(found)
}

/// A case seen for the first time, with its first news.
pub fn insert_case(db: &Connection, source: i64, incoming: &Incoming, now: Timestamp) -> Result<()> {
    let revision = (incoming.revision.at_ms, count(incoming.revision));
    let full = Some(revision).filter(|_| incoming.complete);
    db.prepare_cached(
        "INSERT INTO cases (source, vendor_id, number, seen_ms, seen_count, digest, full_ms, full_count)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        source,
        incoming.key.id,
        incoming.number,
        revision.0,
        revision.1,
        incoming.digest,
        full.map(|full| full.0),
        full.map(|full| full.1)
    ])?;
    let case = db.last_insert_rowid();
    db.prepare_cached("INSERT INTO due (case_id, ready_at, rings) VALUES (?1, ?2, 1)")?
        .execute([case, ms(now)])?;
    insert_news(db, case, &incoming.news)
}

/// Invariant: a case with unread news is due (`a_case_with_unread_news_is_due`).
pub fn add_news(db: &Connection, case: i64, news: &Sealed, now: Timestamp) -> Result<()> {
    insert_news(db, case, news)?;
    wake(db, case, now)
}

fn insert_news(db: &Connection, case: i64, news: &Sealed) -> Result<()> {
    db.prepare_cached("INSERT INTO inbox (case_id, body) VALUES (?1, ?2)")?
        .execute(params![case, news.bytes()])?;
    Ok(())
}

/// Makes a case due. One that is being evaluated is evaluated again afterwards.
pub fn wake(db: &Connection, case: i64, now: Timestamp) -> Result<()> {
    db.prepare_cached(
        "UPDATE due SET rings = rings + 1,
           ready_at = CASE WHEN token IS NULL THEN min(coalesce(ready_at, ?2), ?2) ELSE ready_at END
         WHERE case_id = ?1",
    )?
    .execute(params![case, ms(now)])?;
    Ok(())
}

pub fn tally(db: &Connection, name: &str, by: i64) -> Result<()> {
    if by != 0 {
        db.prepare_cached("INSERT INTO tally VALUES (?1, ?2) ON CONFLICT DO UPDATE SET n = n + excluded.n")?
            .execute(params![name, by])?;
    }
    Ok(())
}
