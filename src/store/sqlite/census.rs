//! The rolling census: every open case, and every one that could not be read, is asked for again within a week, although
//! nothing told of a change.
//!
//! Some edits leave no trace in what polls go by (ServiceNow: `autoSysFields(false)`; Salesforce: formula fields), some
//! deletions none anywhere, a right that was lost comes back without a change of what it hid, and a search index may show
//! a change later than any poll allows for. Whoever fetches finds all of them.

use super::open::{meta, set_meta};
use super::rows::{at, ms};
use crate::store::Result;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

/// One lap around all cases.
const LAP: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Cases that one slice asks for. Where more are open than this allows in a week, a lap takes longer.
const SLICE_MAX: usize = 200;

/// When this lap began and the last case it met: `began id`.
const PLACE: &str = "census";

/// Asks for the open cases between where the last slice ended and where the lap should be by now. Answers how many.
pub fn walk(db: &Connection, now: Timestamp) -> Result<usize> {
    let last: Option<i64> =
        db.prepare_cached("SELECT max(id) FROM cases")?.query_row([], |row| row.get(0))?;
    let (began, after) = place(db)?.filter(|(began, _)| *began <= now).unwrap_or((now, 0));
    let passed = now.duration_since(began).as_secs_f64() / LAP.as_secs_f64();
    let target = (last.unwrap_or(0) as f64 * passed.min(1.0)) as i64;
    let open = open_cases(db, after, target)?;
    for (_, source, vendor_id) in &open {
        db.prepare_cached(
            "INSERT INTO hint (source, vendor_id, lane, ready_at, since) VALUES (?1, ?2, 1, ?3, ?3)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![source, vendor_id, ms(now)])?;
    }
    let reached = open.last().filter(|_| open.len() == SLICE_MAX).map_or(target.max(after), |(id, _, _)| *id);
    let done = passed >= 1.0 && Some(reached) >= last;
    let (began, reached) = if done { (now, 0) } else { (began, reached) };
    set_meta(db, PLACE, &format!("{} {reached}", ms(began)))?;
    Ok(open.len())
}

fn place(db: &Connection) -> Result<Option<(Timestamp, i64)>> {
    let text = meta(db, PLACE)?;
    let parts = text.as_deref().and_then(|text| text.split_once(' '));
    Ok(parts.and_then(|(began, after)| Some((at(began.parse().ok()?), after.parse().ok()?))))
}

/// Open cases, and those that were absent when they were last read, with ids in `(after, until]`, of sources whose first import is done: id, source, vendor's id.
fn open_cases(db: &Connection, after: i64, until: i64) -> Result<Vec<(i64, i64, String)>> {
    let mut statement = db.prepare_cached(
        "SELECT id, source, vendor_id FROM cases WHERE id > ?1 AND id <= ?2 AND (open OR digest IS NULL)
           AND source IN (SELECT id FROM source WHERE imported)
         ORDER BY id LIMIT ?3",
    )?;
    let rows = statement
        .query_map(params![after, until, SLICE_MAX], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}
