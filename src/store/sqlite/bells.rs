//! How many of a vendor's webhooks come: what a poll finds is held against what webhooks had told before it.
//!
//! Judged is, for each poll and case, the newest change: exactly one webhook should have announced it, while those before
//! it may hide behind it. Our own writes count only where they are known to ring; many setups leave them out.

use super::rows::{Held, Known};
use crate::store::Result;
use dutyd_core::case::CaseKey;
use rusqlite::{Connection, OptionalExtension, params};

/// What a poll says of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bell {
    /// A webhook had told it.
    Told,
    /// No webhook had.
    Missed,
}

/// Judges the version that a poll shows, once. Before the first import is done, and as long as no webhook ever came,
/// nothing is expected.
pub fn judge(
    db: &Connection,
    source: Held,
    known: Option<Known>,
    revision: Option<(i64, i64)>,
    key: &CaseKey,
) -> Result<Option<Bell>> {
    let Some(revision) = revision.filter(|_| source.imported && source.rings) else { return Ok(None) };
    let waiting = || -> Result<Option<bool>> {
        Ok(db
            .prepare_cached("SELECT rung FROM hint WHERE source = ?1 AND vendor_id = ?2")?
            .query_row(params![source.id, key.id], |row| row.get(0))
            .optional()?)
    };
    let Some(known) = known else {
        // Waiting to be fetched: a webhook told it, or a poll before judged it.
        return Ok(waiting()?.is_none().then_some(Bell::Missed));
    };
    if known.polled_ms >= Some(revision.0) {
        return Ok(None);
    }
    db.prepare_cached("UPDATE cases SET polled_ms = ?2 WHERE id = ?1")?.execute([known.id, revision.0])?;
    let echo = source.echoes && known.ours_ms == Some(revision.0) && known.told_ms < Some(revision.0);
    Ok(if revision > known.seen || echo {
        Some(if waiting()? == Some(true) { Bell::Told } else { Bell::Missed })
    } else {
        (known.told_ms > known.polled_ms).then_some(Bell::Told)
    })
}

/// Remembers what a poll found and no webhook had told, in case one still comes.
pub fn missed(db: &Connection, source: i64, vendor_id: &str, at_ms: i64) -> Result<()> {
    db.prepare_cached("UPDATE cases SET missed_ms = ?3 WHERE source = ?1 AND vendor_id = ?2")?
        .execute(params![source, vendor_id, at_ms])?;
    Ok(())
}

/// A webhook led to this version of a case: to one that was not known, to one that we wrote, or to the very one that a
/// poll had found first, and then it was late, not lost. A later change does not make up for a lost one.
pub fn rang(
    db: &Connection,
    source: i64,
    vendor_id: &str,
    known: Option<Known>,
    revision: (i64, i64),
) -> Result<()> {
    let ours = known.is_some_and(|known| known.ours_ms == Some(revision.0));
    if ours {
        db.prepare_cached("UPDATE source SET echoes = 1 WHERE id = ?1 AND echoes = 0")?.execute([source])?;
    }
    if ours || known.is_none_or(|known| revision > known.seen) {
        db.prepare_cached("UPDATE cases SET told_ms = ?3 WHERE source = ?1 AND vendor_id = ?2")?
            .execute(params![source, vendor_id, revision.0])?;
    }
    if let Some(known) = known.filter(|known| known.missed_ms == Some(revision.0)) {
        db.prepare_cached("UPDATE cases SET missed_ms = NULL WHERE id = ?1")?.execute([known.id])?;
        db.prepare_cached("UPDATE source SET bells_missed = max(0, bells_missed - 1) WHERE id = ?1")?
            .execute([source])?;
    }
    Ok(())
}
