//! Upkeep: after a start or a jump, after a change of policy, retention, and what operators order.

use super::ledger::Ledger;
use super::open::{meta, secure_delete, set_meta};
use super::rows::{ms, wake};
use super::surroundings;
use super::{audit, census, notices, outbox};
use crate::audit::Kind;
use crate::store::{LEASE_LIFE, Order, Result, Retention, Swept};
use dutyd_core::case::CaseKey;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use std::path::Path;

/// Cases that one slice of a change of policy makes due.
const WAKE_MAX: usize = 1_000;
/// Cases forgotten by one sweep.
const FORGET_MAX: usize = 500;
/// Delivery ids forgotten by one sweep.
const PURGE_MAX: usize = 10_000;
/// The write-ahead log is cut when it is larger than this.
const LOG_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Drops all leases. What was in flight may have arrived: it becomes unknown, and whatever may still land is given its
/// whole quiet time again, because nobody knows how long ago it was sent if the clock was set.
pub fn recover(db: &Connection, now: Timestamp) -> Result<()> {
    let now_ms = ms(now);
    let quiet_until = ms(now.saturating_add(LEASE_LIFE).unwrap_or(now));
    notices::recover(db, now)?;
    db.execute("UPDATE source SET token = NULL, lease_until = NULL WHERE token IS NOT NULL", [])?;
    db.execute("UPDATE due SET token = NULL, ready_at = ?1 WHERE token IS NOT NULL", [now_ms])?;
    db.execute("UPDATE hint SET ready_at = ?1, taken = 0 WHERE taken", [now_ms])?;
    db.execute(
        "UPDATE outbox SET stage = 4, token = NULL, ready_at = ?1 WHERE stage IN (3, 4)",
        [quiet_until],
    )?;
    // If the clock was set back, what was to wait until an instant of it would wait for hours.
    db.execute("UPDATE outbox SET ready_at = ?1 WHERE stage = 2 AND ready_at > ?1", [quiet_until])?;
    db.execute("UPDATE hint SET ready_at = ?1 WHERE ready_at > ?1", [quiet_until])?;
    outbox::pull_back(db, now)
}

/// The database is an older copy: nothing it says about writes or cursors can be relied on. All sources are read from
/// the beginning, which repeats nothing, and everything wanted is asked about before it is sent.
pub fn distrust(db: &Connection, now: Timestamp) -> Result<()> {
    outbox::note_birth(db, now)?;
    db.execute("UPDATE outbox SET attempts = max(attempts, 1)", [])?;
    db.execute("UPDATE outbox SET stage = 4, ready_at = ?1 WHERE stage IN (0, 2)", [ms(now)])?;
    db.execute("UPDATE source SET cursor = NULL, cursor_version = NULL, imported = 0", [])?;
    db.execute("UPDATE cases SET full_ms = NULL, full_count = NULL, digest = NULL", [])?;
    Ok(())
}

/// Which policy the open cases were last made due for, and how far that is: the number of the walk, its pass, and the
/// last row it met.
pub const EPOCH: &str = "policy";
const WALK: &str = "policy_walk";
/// Whether cases were judged of a source that could not be seen, since they were last made due.
const BLIND: &str = "judged_blind";
/// How the vendors' clocks stood to ours when what is due was derived.
const CLOCKS: &str = "clocks";

struct Walk {
    number: i64,
    pass: Pass,
    after: (i64, i64),
}

#[derive(Clone, Copy, PartialEq)]
enum Pass {
    /// Cases with a deadline, nearest first.
    Deadlines,
    /// The other open ones.
    Rest,
    Done,
}

impl Walk {
    fn read(db: &Connection) -> Result<Option<Self>> {
        let Some(text) = meta(db, WALK)? else { return Ok(None) };
        let mut parts = text.split(' ').map(|part| part.parse::<i64>().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        let (number, pass) = (next(), next());
        let pass = [Pass::Deadlines, Pass::Rest].get(usize::try_from(pass).unwrap_or(2)).copied();
        Ok(Some(Self { number, pass: pass.unwrap_or(Pass::Done), after: (next(), next()) }))
    }

    fn write(&self, db: &Connection) -> Result<()> {
        let (at, case) = self.after;
        set_meta(db, WALK, &format!("{} {} {at} {case}", self.number, self.pass as u8))
    }
}

pub fn wake_all(db: &Connection, epoch: &str, now: Timestamp) -> Result<()> {
    let (policy, again) = epoch.split_once('+').map_or((epoch, false), |(policy, _)| (policy, true));
    let same = meta(db, EPOCH)?.as_deref() == Some(policy);
    if same && !again && !is_judged_blind(db)? {
        return Ok(());
    }
    if !same {
        audit::note_policy(db, policy, now)?;
    }
    set_meta(db, EPOCH, policy)?;
    set_meta(db, BLIND, "")?;
    walk_again(db, now)
}

/// Invariant: what was judged blind is judged again, though the daemon ends before the source is seen
/// (`sim::reproductions::a_death_before_what_was_judged_blind_is_judged_again`).
pub fn note_blind(db: &Connection) -> Result<()> {
    if is_judged_blind(db)? { Ok(()) } else { set_meta(db, BLIND, "yes") }
}

fn is_judged_blind(db: &Connection) -> Result<bool> {
    Ok(meta(db, BLIND)?.is_some_and(|said| !said.is_empty()))
}

fn walk_again(db: &Connection, now: Timestamp) -> Result<()> {
    let number = Walk::read(db)?.map_or(1, |walk| walk.number + 1);
    Walk { number, pass: Pass::Deadlines, after: (ms(now), 0) }.write(db)
}

pub fn note_clocks(db: &Connection, clocks: &str, now: Timestamp) -> Result<()> {
    if meta(db, CLOCKS)?.unwrap_or_else(|| "{}".to_owned()) == clocks {
        return Ok(());
    }
    set_meta(db, CLOCKS, clocks)?;
    walk_again(db, now)
}

pub fn is_waking(db: &Connection) -> Result<bool> {
    Ok(Walk::read(db)?.is_some_and(|walk| walk.pass != Pass::Done))
}

/// Makes the next slice due. What is due already needs no waking.
pub fn wake_slice(db: &Connection, now: Timestamp) -> Result<()> {
    let Some(mut walk) = Walk::read(db)? else { return Ok(()) };
    let rows = match walk.pass {
        Pass::Deadlines => with_deadline(db, walk.after)?,
        Pass::Rest => without_deadline(db, &walk)?,
        Pass::Done => return Ok(()),
    };
    for (_, case, _) in rows.iter().filter(|(_, _, due)| *due) {
        wake(db, *case, now)?;
        db.prepare_cached("UPDATE due SET walk = ?2 WHERE case_id = ?1")?.execute([*case, walk.number])?;
    }
    match rows.last() {
        Some((at, case, _)) if rows.len() == WAKE_MAX => walk.after = (*at, *case),
        _ if walk.pass == Pass::Deadlines => (walk.pass, walk.after) = (Pass::Rest, (0, 0)),
        _ => walk.pass = Pass::Done,
    }
    walk.write(db)
}

/// Deadline, case, whether it is to be made due.
type Row = (i64, i64, bool);

fn with_deadline(db: &Connection, after: (i64, i64)) -> Result<Vec<Row>> {
    let mut statement = db.prepare_cached(
        "SELECT ready_at, case_id FROM due WHERE ready_at IS NOT NULL AND (ready_at, case_id) > (?1, ?2)
         ORDER BY ready_at, case_id LIMIT ?3",
    )?;
    let rows = statement
        .query_map(params![after.0, after.1, WAKE_MAX], |row| Ok((row.get(0)?, row.get(1)?, true)))?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

fn without_deadline(db: &Connection, walk: &Walk) -> Result<Vec<Row>> {
    let mut statement = db.prepare_cached(
        "SELECT case_id, open AND ready_at IS NULL AND walk < ?2 FROM due WHERE case_id > ?1
         ORDER BY case_id LIMIT ?3",
    )?;
    let rows = statement
        .query_map(params![walk.after.1, walk.number, WAKE_MAX], |row| Ok((0, row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

pub fn sweep(db: &Connection, retention: Retention, now: Timestamp) -> Result<Swept> {
    let before = ms(now.saturating_sub(retention.closed).unwrap_or(Timestamp::MIN));
    let old: Vec<i64> = db
        .prepare_cached(
            "SELECT id FROM cases WHERE open = 0 AND updated_at IS NOT NULL AND updated_at < ?1
               AND NOT EXISTS (SELECT 1 FROM outbox WHERE case_id = cases.id)
               AND NOT EXISTS (SELECT 1 FROM inbox WHERE case_id = cases.id)
             ORDER BY updated_at LIMIT ?2",
        )?
        .query_map(params![before, FORGET_MAX], |row| row.get(0))?
        .collect::<std::result::Result<_, _>>()?;
    audit::erase(db, &old, "past retention", now)?;
    let audited = audit::retain_daily(db, retention.audit, now)?;
    let day = ms(now.saturating_sub(retention.deliveries).unwrap_or(Timestamp::MIN)).div_euclid(86_400_000);
    let deliveries = db.execute(
        "DELETE FROM delivery WHERE (day, hash) IN (SELECT day, hash FROM delivery WHERE day < ?1 LIMIT ?2)",
        params![day, PURGE_MAX],
    )?;
    notices::purge(db, now)?;
    let minute = ms(now).div_euclid(60_000) - outbox::HOUR_MINUTES;
    db.execute("DELETE FROM spent WHERE minute <= ?1", [minute])?;
    outbox::read_young_again(db, now)?;
    census::walk(db, now)?;
    let more = old.len() == FORGET_MAX || deliveries == PURGE_MAX;
    Ok(Swept { cases: old.len(), deliveries, audited, more })
}

/// Everything about one case, its log of decisions too.
pub fn forget(db: &Connection, case: i64, ledger: &mut Ledger) -> Result<()> {
    surroundings::leave(db, case, ledger)?;
    db.prepare_cached(
        "UPDATE source SET cases = cases - 1 WHERE id = (SELECT source FROM cases WHERE id = ?1)",
    )?
    .execute([case])?;
    let decisions = db.prepare_cached("DELETE FROM decision WHERE case_id = ?1")?.execute([case])?;
    ledger.decisions -= i64::try_from(decisions).unwrap_or(0);
    for statement in [
        "DELETE FROM quarantine WHERE (source, record) IN (SELECT source, vendor_id FROM cases WHERE id = ?1)",
        "DELETE FROM hint WHERE (source, vendor_id) IN (SELECT source, vendor_id FROM cases WHERE id = ?1)",
        "DELETE FROM inbox WHERE case_id = ?1",
        "DELETE FROM outbox WHERE case_id = ?1",
        "DELETE FROM notice WHERE case_id = ?1",
        "DELETE FROM flag WHERE case_id = ?1",
        "DELETE FROM state WHERE case_id = ?1",
        "DELETE FROM due WHERE case_id = ?1",
        "DELETE FROM cases WHERE id = ?1",
    ] {
        db.prepare_cached(statement)?.execute([case])?;
    }
    Ok(())
}

/// Whether the write-ahead log has grown so much that it should be cut.
pub fn is_log_large(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|meta| meta.len() > LOG_BYTES_MAX)
}

pub fn order(db: &Connection, order: &Order, now: Timestamp) -> Result<usize> {
    if let Some(said) = audited(order) {
        audit::note(db, Kind::Order, 0, &said, now)?;
    }
    Ok(match order {
        Order::Pause { source, paused } => {
            db.execute("UPDATE source SET paused = ?2 WHERE name = ?1", params![source, paused])?
        }
        Order::RetryParked { id } => retry_parked(db, id.as_deref(), now)?,
        Order::DropParked { id } => drop_parked(db, id.as_deref())?,
        Order::Refetch { keys } => keys.iter().map(|key| refetch(db, key, now)).sum::<Result<usize>>()?,
        Order::Rewind { source } => db.execute(
            "UPDATE source SET cursor = NULL, cursor_version = NULL, imported = 0 WHERE name = ?1",
            [source],
        )?,
        Order::Hold { source } => db.execute(
            "UPDATE outbox SET stage = 1 WHERE stage IN (0, 2)
               AND source = (SELECT id FROM source WHERE name = ?1)",
            [source],
        )?,
        Order::Erase { cases } => {
            // Freed pages are overwritten too.
            secure_delete(db, "ON")?;
            let erased = audit::erase(db, cases, "ordered", now);
            secure_delete(db, "FAST")?;
            erased?;
            cases.len()
        }
        Order::RetainAudit { before } => audit::retain(db, *before, now)?,
        Order::Want { actions } => {
            let mut met = 0;
            for action in actions {
                if let Some(case) = case_of(db, &action.case)? {
                    outbox::upsert(db, case, action, outbox::READY, 0, now)?;
                    db.prepare_cached(
                        "UPDATE outbox SET stage = 0 WHERE case_id = ?1 AND slot = ?2 AND stage = 1",
                    )?
                    .execute(params![case, action.slot.word()])?;
                    met += 1;
                }
            }
            met
        }
    })
}

/// What an operator ordered, for the audit log; the engine's own orders are no decisions of a person.
fn audited(order: &Order) -> Option<serde_json::Value> {
    use serde_json::json;
    Some(match order {
        Order::Pause { source, paused } => {
            json!({ "order": if *paused { "pause" } else { "resume" }, "source": source })
        }
        Order::RetryParked { id } => json!({ "order": "retry parked", "id": id }),
        Order::DropParked { id } => json!({ "order": "drop parked", "id": id }),
        Order::Hold { source } => json!({ "order": "unmark", "source": source }),
        Order::Erase { cases } => json!({ "order": "erase", "cases": cases.len() }),
        Order::RetainAudit { before } => json!({ "order": "audit retain", "before": before }),
        Order::Refetch { .. } | Order::Rewind { .. } | Order::Want { .. } => return None,
    })
}

fn case_of(db: &Connection, key: &CaseKey) -> Result<Option<i64>> {
    let source = super::rows::source_id(db, &key.source)?;
    Ok(super::rows::known(db, source, &key.id)?.map(|known| known.id))
}

/// What a parked entry is: `w12` a write, `r7` a record, `n3` a message; anything else is none.
enum Entry {
    All,
    Write(i64),
    Record(i64),
    Notice(i64),
    Unknown,
}

impl Entry {
    fn of(id: Option<&str>) -> Self {
        let Some(id) = id else { return Self::All };
        let Some((kind, Ok(number))) = id.split_at_checked(1).map(|(kind, number)| (kind, number.parse()))
        else {
            return Self::Unknown;
        };
        match kind {
            "w" => Self::Write(number),
            "r" => Self::Record(number),
            "n" => Self::Notice(number),
            _ => Self::Unknown,
        }
    }
}

fn retry_parked(db: &Connection, id: Option<&str>, now: Timestamp) -> Result<usize> {
    let write = |id: Option<i64>| {
        db.execute(
            "UPDATE outbox SET stage = 0, because = NULL WHERE stage IN (5, 6) AND id = coalesce(?1, id)",
            [id],
        )
    };
    let record = |id: Option<i64>| {
        db.execute(
            "INSERT INTO hint (source, vendor_id, lane, ready_at, since)
             SELECT source, record, 0, ?2, ?2 FROM quarantine WHERE id = coalesce(?1, id)
             ON CONFLICT DO UPDATE SET rings = rings + 1, ready_at = excluded.ready_at",
            params![id, ms(now)],
        )?;
        db.execute("DELETE FROM quarantine WHERE id = coalesce(?1, id)", [id])
    };
    Ok(match Entry::of(id) {
        Entry::All => write(None)? + record(None)? + notices::retry_parked(db, None, now)?,
        Entry::Write(id) => write(Some(id))?,
        Entry::Record(id) => record(Some(id))?,
        Entry::Notice(id) => notices::retry_parked(db, Some(id), now)?,
        Entry::Unknown => 0,
    })
}

fn drop_parked(db: &Connection, id: Option<&str>) -> Result<usize> {
    let write = |id: Option<i64>| {
        db.execute("DELETE FROM outbox WHERE stage IN (5, 6) AND id = coalesce(?1, id)", [id])
    };
    let record = |id: Option<i64>| db.execute("DELETE FROM quarantine WHERE id = coalesce(?1, id)", [id]);
    Ok(match Entry::of(id) {
        Entry::All => write(None)? + record(None)? + notices::drop_parked(db, None)?,
        Entry::Write(id) => write(Some(id))?,
        Entry::Record(id) => record(Some(id))?,
        Entry::Notice(id) => notices::drop_parked(db, Some(id))?,
        Entry::Unknown => 0,
    })
}

fn refetch(db: &Connection, key: &CaseKey, now: Timestamp) -> Result<usize> {
    let source = super::rows::source_id(db, &key.source)?;
    Ok(db
        .prepare_cached(
            "INSERT INTO hint (source, vendor_id, lane, ready_at, since) VALUES (?1, ?2, 0, ?3, ?3)
             ON CONFLICT DO UPDATE SET rings = rings + 1, lane = 0",
        )?
        .execute(params![source, key.id, ms(now)])?)
}
