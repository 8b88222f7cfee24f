//! Wanted marks on their way to the vendor: what is wanted, what may be sent, what became of it.

use super::audit;
use super::open::{meta, set_meta};
use super::rows::{add_news, at, held, ms};
use super::work::note_revision;
use crate::audit::Kind;
use crate::store::{
    ActionBatch, Brakes, LEASE_LIFE, LeasedAction, OutcomeCommit, Result, Settlement, SourceLease,
    StoreError, Token, Verdict,
};
use dutyd_core::action::{Action, Slot};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;

pub const READY: i64 = 0;
pub const HELD: i64 = 1;
pub const WAITING: i64 = 2;
pub const FLYING: i64 = 3;
pub const UNKNOWN: i64 = 4;
pub const PARKED: i64 = 5;
pub const SEALED: i64 = 6;

pub fn stage_word(stage: i64) -> &'static str {
    match stage {
        READY => "ready",
        HELD => "held",
        WAITING => "waiting",
        FLYING => "flying",
        UNKNOWN => "unknown",
        SEALED => "sealed",
        _ => "parked",
    }
}

/// When the database was made. It may follow a lost one, whose last write can still be landing: notes wanted within
/// T_quiet of it wait until that is over, and are asked about first. So are those of an older copy.
const BORN: &str = "born_ms";
/// When it was found after a crash, which may have cost its end: notes wanted before or soon after are asked about first.
const FOUND: &str = "found_ms";
/// Which new database's first cases were read again.
const READ_AGAIN: &str = "born_read_ms";
/// T_quiet.
const YOUNG: SignedDuration = SignedDuration::from_secs(120);

/// `writes_per_hour` is counted by minutes.
const MINUTE_MS: i64 = 60_000;
pub const HOUR_MINUTES: i64 = 60;

/// Takes up what an outcome wants: one row per slot, the newest generation replacing an unsent older one. What may
/// already have been sent keeps its attempts, so that it is asked about first.
pub fn want(db: &Connection, outcome: &OutcomeCommit, now: Timestamp) -> Result<()> {
    let stage = if outcome.held { HELD } else { READY };
    for action in &outcome.actions {
        upsert(db, outcome.case, action, stage, outcome.rank, now)?;
    }
    for slot in &outcome.withdrawn {
        db.prepare_cached("DELETE FROM outbox WHERE case_id = ?1 AND slot = ?2 AND attempts = 0")?
            .execute(params![outcome.case, slot])?;
    }
    if outcome.gone {
        // What is under way settles by itself.
        db.prepare_cached("DELETE FROM outbox WHERE case_id = ?1 AND stage <> ?2")?
            .execute([outcome.case, FLYING])?;
    }
    if outcome.state.is_some() && !outcome.held {
        db.prepare_cached("UPDATE outbox SET stage = ?2 WHERE case_id = ?1 AND stage IN (?3, ?4)")?
            .execute([outcome.case, READY, HELD, SEALED])?;
    }
    Ok(())
}

pub fn upsert(
    db: &Connection,
    case: i64,
    action: &Action,
    stage: i64,
    rank: i64,
    now: Timestamp,
) -> Result<()> {
    let body = serde_json::to_string(action)
        .map_err(|error| StoreError::Corrupt { what: "action", because: error.to_string() })?;
    db.prepare_cached(
        "INSERT INTO outbox (source, case_id, slot, generation, stage, rank, since, body)
         SELECT source, id, ?2, ?3, ?4, ?5, ?6, ?7 FROM cases WHERE id = ?1
         ON CONFLICT DO UPDATE SET generation = excluded.generation, body = excluded.body, rank = excluded.rank,
           stage = CASE WHEN stage IN (0, 5, 6) THEN excluded.stage ELSE stage END,
           attempts = CASE WHEN stage IN (5, 6) THEN 0 ELSE attempts END
         WHERE excluded.generation >= generation",
    )?
    .execute(params![
        case,
        action.slot.word(),
        i64::try_from(action.generation).unwrap_or(i64::MAX),
        stage,
        rank,
        ms(now),
        body
    ])?;
    Ok(())
}

pub fn next_action(db: &Connection, source: &str) -> Result<Option<Timestamp>> {
    let found: Option<i64> = db
        .prepare_cached("SELECT id FROM source WHERE name = ?1 AND NOT paused")?
        .query_row([source], |row| row.get(0))
        .optional()?;
    let Some(source) = found else { return Ok(None) };
    let ready =
        db.prepare_cached("SELECT 1 FROM outbox WHERE source = ?1 AND stage = 0")?.exists([source])?;
    if ready { Ok(Some(Timestamp::MIN)) } else { next_waiting(db, source) }
}

fn next_waiting(db: &Connection, source: i64) -> Result<Option<Timestamp>> {
    let first: Option<i64> = db
        .prepare_cached("SELECT min(ready_at) FROM outbox WHERE source = ?1 AND stage BETWEEN 2 AND 4")?
        .query_row([source], |row| row.get(0))?;
    Ok(first.map(at))
}

pub fn lease_actions(
    db: &Connection,
    lease: &SourceLease,
    token: Token,
    brakes: Brakes,
    now: Timestamp,
) -> Result<ActionBatch> {
    let source = held(db, lease)?.id;
    if brakes.recovered {
        db.prepare_cached(
            "UPDATE outbox SET ready_at = ?2 WHERE source = ?1 AND stage = 2 AND ready_at > ?2",
        )?
        .execute([source, ms(now)])?;
    }
    db.prepare_cached(
        "UPDATE outbox SET stage = 0, token = NULL WHERE source = ?1 AND stage BETWEEN 2 AND 4 AND ready_at <= ?2",
    )?
    .execute([source, ms(now)])?;
    let grown_at = young_until(db, BORN)?;
    let asked_until = grown_at.max(young_until(db, FOUND)?);
    if grown_at.is_some_and(|at| now < at) {
        db.prepare_cached(
            "UPDATE outbox SET stage = 2, ready_at = ?2 WHERE source = ?1 AND stage = 0 AND slot LIKE 'note:%'",
        )?
        .execute(params![source, grown_at.map(ms)])?;
    }
    let (room, free_at) = budget(db, source, brakes.writes_per_hour, now)?;
    let cases = first_cases(db, source, brakes.cases_max.min(room))?;
    let mut batch = ActionBatch::default();
    for case in &cases {
        lease_case(db, *case, token, now, asked_until, &mut batch)?;
    }
    let left = next_action(db, &lease.source)?;
    if cases.is_empty() && room == 0 && left.is_some_and(|at| at <= now) {
        batch.braked_until = free_at;
    }
    batch.next_at = if batch.braked_until.is_some() { free_at } else { left };
    Ok(batch)
}

/// Remembers when the database was made.
pub fn note_birth(db: &Connection, now: Timestamp) -> Result<()> {
    set_meta(db, BORN, &ms(now).to_string())
}

/// The clock was set: a new database that was not seen to grow up begins to anew.
pub fn note_jump(db: &Connection, now: Timestamp) -> Result<()> {
    let born = meta(db, BORN)?;
    if born.is_some() && born != meta(db, READ_AGAIN)? { note_birth(db, now) } else { Ok(()) }
}

/// Remembers when it was found after a crash.
pub fn note_crash(db: &Connection, now: Timestamp) -> Result<()> {
    set_meta(db, FOUND, &ms(now).to_string())
}

/// Marks do not wait for T_quiet of a new database: what a lost one had under way can still land on one written meanwhile,
/// and not everywhere does that move the record's version. So these cases are read again, once, when it is over.
pub fn read_young_again(db: &Connection, now: Timestamp) -> Result<()> {
    let (born, done) = (meta(db, BORN)?, meta(db, READ_AGAIN)?);
    let Some(grown_at) = young_until(db, BORN)?.filter(|at| *at <= now && born != done) else {
        return Ok(());
    };
    db.execute(
        "INSERT INTO hint (source, vendor_id, lane, ready_at, since)
         SELECT DISTINCT source, vendor_id, 1, ?1, ?1 FROM audit JOIN cases ON cases.id = case_id
         WHERE kind = ?2 AND at BETWEEN ?3 AND ?4 ON CONFLICT DO NOTHING",
        params![ms(now), Kind::Write.number(), ms(grown_at - YOUNG), ms(grown_at)],
    )?;
    set_meta(db, READ_AGAIN, &born.unwrap_or_default())
}

fn young_until(db: &Connection, since: &str) -> Result<Option<Timestamp>> {
    let since: Option<i64> = meta(db, since)?.and_then(|text| text.parse().ok());
    Ok(since.and_then(|since| at(since).checked_add(YOUNG).ok()))
}

/// Records that may still be written in this hour, and when there will be more.
fn budget(db: &Connection, source: i64, per_hour: u32, now: Timestamp) -> Result<(usize, Option<Timestamp>)> {
    let from = ms(now).div_euclid(MINUTE_MS) - HOUR_MINUTES;
    let (spent, first): (i64, Option<i64>) = db
        .prepare_cached(
            "SELECT coalesce(sum(writes), 0), min(minute) FROM spent WHERE source = ?1 AND minute > ?2",
        )?
        .query_row([source, from], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let room = usize::try_from(i64::from(per_hour) - spent).unwrap_or(0);
    Ok((room, first.map(|minute| at((minute + HOUR_MINUTES) * MINUTE_MS))))
}

/// The most severe, then the oldest.
fn first_cases(db: &Connection, source: i64, max: usize) -> Result<Vec<i64>> {
    let mut statement =
        db.prepare_cached("SELECT case_id FROM outbox WHERE source = ?1 AND stage = 0 ORDER BY rank, id")?;
    let mut rows = statement.query([source])?;
    let (mut cases, mut seen) = (Vec::new(), BTreeSet::new());
    while cases.len() < max
        && let Some(row) = rows.next()?
    {
        let case = row.get(0)?;
        if seen.insert(case) {
            cases.push(case);
        }
    }
    Ok(cases)
}

fn lease_case(
    db: &Connection,
    case: i64,
    token: Token,
    now: Timestamp,
    asked_until: Option<Timestamp>,
    batch: &mut ActionBatch,
) -> Result<()> {
    let mut ready = db.prepare_cached(
        "SELECT id, attempts, body, since FROM outbox WHERE case_id = ?1 AND stage = 0 ORDER BY id",
    )?;
    let rows = ready.query_map([case], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, u32>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?))
    })?;
    let until = ms(now.saturating_add(LEASE_LIFE).unwrap_or(now));
    for row in rows {
        let (row, attempts, body, since) = row?;
        let Ok(action) = serde_json::from_str::<Action>(&body) else {
            db.prepare_cached(
                "UPDATE outbox SET stage = 5, because = 'stored action cannot be read' WHERE id = ?1",
            )?
            .execute([row])?;
            continue;
        };
        db.prepare_cached(
            "UPDATE outbox SET stage = 3, token = ?2, ready_at = ?3, attempts = attempts + 1 WHERE id = ?1",
        )?
        .execute([row, token.0, until])?;
        let doubted = asked_until.is_some_and(|until| at(since) < until);
        let ask_first = attempts > 0 || (doubted && matches!(action.slot, Slot::Note { .. }));
        batch.actions.push(LeasedAction { row, token, case, action, attempt: attempts + 1, ask_first });
    }
    Ok(())
}

pub fn settle(
    db: &Connection,
    lease: &SourceLease,
    settlements: &[Settlement],
    now: Timestamp,
) -> Result<usize> {
    let source = held(db, lease)?.id;
    let (mut settled, mut written) = (0, BTreeSet::new());
    for settlement in settlements {
        let flying: Option<(i64, String, String)> = db
            .prepare_cached(
                "SELECT generation, slot, body FROM outbox WHERE id = ?1 AND token = ?2 AND stage = 3",
            )?
            .query_row([settlement.row, settlement.token.0], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((generation, slot, body)) = flying else { continue };
        let newer = generation > i64::try_from(settlement.generation).unwrap_or(i64::MAX);
        note_in_audit(db, settlement, &slot, Some(&body).filter(|_| !newer), now)?;
        settle_one(db, settlement, newer, now)?;
        settled += 1;
        if matches!(settlement.verdict, Verdict::Done { .. } | Verdict::Unknown { .. }) {
            written.insert(settlement.case);
        }
    }
    note_writes(db, source, i64::try_from(written.len()).unwrap_or(i64::MAX), now)?;
    Ok(settled)
}

/// What a vendor was told, or refused. A want that a newer one has replaced meanwhile is known by its generation only.
fn note_in_audit(
    db: &Connection,
    settlement: &Settlement,
    slot: &str,
    body: Option<&String>,
    now: Timestamp,
) -> Result<()> {
    let (outcome, because) = match &settlement.verdict {
        Verdict::Done { .. } => ("written", None),
        Verdict::Unknown { because, .. } => ("unknown", Some(because)),
        Verdict::Parked { because } => ("refused", Some(because)),
        Verdict::Sealed { because } => ("sealed", Some(because)),
        Verdict::Retry { .. } => return Ok(()),
    };
    let action: Option<Action> = body.and_then(|body| serde_json::from_str(body).ok());
    let said = serde_json::json!({
        "slot": slot, "generation": settlement.generation, "outcome": outcome, "because": because,
        "id": action.as_ref().map(|action| &action.id), "want": action.as_ref().map(|action| &action.want),
    });
    audit::note(db, Kind::Write, settlement.case, &said, now)
}

/// `newer`: a newer want took the slot while this one was on its way.
fn settle_one(db: &Connection, settlement: &Settlement, newer: bool, now: Timestamp) -> Result<()> {
    let row = settlement.row;
    let put = |stage: i64, ready_at: Option<Timestamp>, uncount: bool, because: &str| {
        db.prepare_cached(
            "UPDATE outbox SET stage = ?2, token = NULL, ready_at = ?3, attempts = attempts - ?4, because = ?5
             WHERE id = ?1",
        )?
        .execute(params![row, stage, ready_at.map(ms), uncount, because])
    };
    match &settlement.verdict {
        Verdict::Done { receipt, news } => {
            if newer {
                db.prepare_cached(
                    "UPDATE outbox SET stage = 0, token = NULL, attempts = 0, because = NULL WHERE id = ?1",
                )?
                .execute([row])?;
            } else {
                db.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([row])?;
            }
            if let Some(revision) = receipt.revision {
                note_revision(db, settlement.case, revision)?;
            }
            add_news(db, settlement.case, news, now)?;
        }
        Verdict::Retry { at, counted, because } => {
            put(WAITING, Some(*at), !counted, because)?;
        }
        Verdict::Unknown { ask_at, because } => {
            put(UNKNOWN, Some(*ask_at), false, because)?;
        }
        // A newer want deserves its own try.
        Verdict::Parked { because } => {
            put(if newer { READY } else { PARKED }, None, newer, because)?;
        }
        Verdict::Sealed { because } => {
            put(if newer { READY } else { SEALED }, None, true, because)?;
        }
    }
    Ok(())
}

/// Writes that were counted in minutes yet to come were made before the clock was set back.
pub fn pull_back(db: &Connection, now: Timestamp) -> Result<()> {
    let minute = ms(now).div_euclid(MINUTE_MS);
    db.execute(
        "INSERT INTO spent SELECT source, ?1, sum(writes) FROM spent WHERE minute > ?1 GROUP BY source
         ON CONFLICT DO UPDATE SET writes = writes + excluded.writes",
        [minute],
    )?;
    db.execute("DELETE FROM spent WHERE minute > ?1", [minute])?;
    Ok(())
}

fn note_writes(db: &Connection, source: i64, records: i64, now: Timestamp) -> Result<()> {
    if records > 0 {
        db.prepare_cached(
            "INSERT INTO spent VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET writes = writes + excluded.writes",
        )?
        .execute([source, ms(now).div_euclid(MINUTE_MS), records])?;
        db.prepare_cached("UPDATE source SET writes = writes + ?2 WHERE id = ?1")?
            .execute([source, records])?;
    }
    Ok(())
}
