//! Messages to people on their way: what is to be told, what goes together, what became of it.
//!
//! Must not know: how messages read, or how they are carried.

use super::audit;
use super::reads::{all, instant};
use super::rows::{at, ms};
use crate::audit::{Kind, digest};
use crate::store::{
    ChannelRow, LEASE_LIFE, LeasedMessage, NewNotice, NoticeBatch, NoticeBounds, NoticeVerdict, ParkedKind,
    ParkedRow, Result, Token,
};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

const WAITING: i64 = 2;
const FLYING: i64 = 3;
const PARKED: i64 = 5;
const TOLD: i64 = 6;

/// Never tried. What is news of a flag waits for what is older of it.
const FRESH: &str = "WHERE channel = ?1 AND stage = 0 AND stage <> 6
    AND subject NOT IN (SELECT subject FROM notice WHERE channel = ?1 AND stage IN (2, 3) AND stage <> 6)";

/// Over how long messages are counted for grouping.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);
/// What was told is remembered so long, and as long as its flag is open: it is not told again.
const REMEMBER: SignedDuration = SignedDuration::from_hours(24 * 30);
const PURGE_MAX: usize = 10_000;
const PARKED_MAX: usize = 1_000;

/// Takes up what an outcome tells. The same thing is never told twice, unless its end was told in between; an end is told
/// only of what was; and what was not told yet is taken back by its opposite.
pub fn add(db: &Connection, case: i64, notices: &[NewNotice], now: Timestamp) -> Result<()> {
    for notice in notices {
        let subject = params![case, notice.channel, notice.subject, notice.clears];
        db.prepare_cached(
            "DELETE FROM notice WHERE case_id = ?1 AND channel = ?2 AND subject = ?3 AND clears <> ?4
               AND attempts = 0 AND stage = 0",
        )?
        .execute(subject)?;
        // How often its end was told, and whether it was told after that.
        let (ends, told): (i64, bool) = db
            .prepare_cached(
                "SELECT coalesce(sum(clears), 0), coalesce(max(iif(clears, 0, id)) > max(iif(clears, id, 0)), 0) FROM notice
                 WHERE case_id = ?1 AND channel = ?2 AND subject = ?3",
            )?
            .query_row(&subject[..3], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if notice.clears && !(notice.aloud && told) {
            continue;
        }
        let key = if ends == 0 { notice.key.clone() } else { format!("{}-{ends}", notice.key) };
        insert(db, case, &NewNotice { key, ..notice.clone() }, now)?;
    }
    Ok(())
}

/// Whether it is new.
pub fn insert(db: &Connection, case: i64, notice: &NewNotice, now: Timestamp) -> Result<bool> {
    let inserted = db
        .prepare_cached(
            "INSERT OR IGNORE INTO notice (channel, key, case_id, subject, clears, rank, stage, since, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8)",
        )?
        .execute(params![
            notice.channel,
            notice.key,
            case,
            notice.subject,
            notice.clears,
            notice.rank,
            ms(now),
            notice.body
        ])?;
    Ok(inserted == 1)
}

pub fn is_known(db: &Connection, channel: &str, key: &str) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM notice WHERE channel = ?1 AND key = ?2")?.exists([channel, key])?)
}

/// After a start: what was in flight may or may not have arrived, and goes again under the same id.
pub fn recover(db: &Connection, now: Timestamp) -> Result<()> {
    db.execute("UPDATE notice SET ready_at = ?1 WHERE stage = 3 AND stage <> 6", [ms(now)])?;
    Ok(())
}

/// Whether there is anything to lease, and if not, when there may be.
pub fn outlook(db: &Connection, channel: &str) -> Result<Option<Timestamp>> {
    if db.prepare_cached(&format!("SELECT 1 FROM notice {FRESH}"))?.exists([channel])? {
        return Ok(Some(Timestamp::MIN));
    }
    let next: Option<i64> = db
        .prepare_cached(
            "SELECT min(ready_at) FROM notice WHERE channel = ?1 AND stage IN (2, 3) AND stage <> 6",
        )?
        .query_row([channel], |row| row.get(0))?;
    Ok(next.map(at))
}

/// One message to be sent now: a new one, of several notices if many came at once, or one that was tried before.
pub fn lease(
    db: &Connection,
    channel: &str,
    token: Token,
    bounds: NoticeBounds,
    now: Timestamp,
) -> Result<NoticeBatch> {
    // One that nobody took holds up no other.
    let message = match (form(db, channel, bounds, now)?, again(db, channel, now)?) {
        (Formed::Message(message), _) | (_, Some(message)) => message,
        (Formed::Wait(until), None) => return Ok(NoticeBatch { message: None, next_at: Some(until) }),
        (Formed::Nothing, None) => {
            return Ok(NoticeBatch { message: None, next_at: outlook(db, channel)? });
        }
    };
    Ok(NoticeBatch { message: Some(fly(db, channel, message, token, now)?), next_at: None })
}

/// A message that is to be tried again: its answer said so, or there was none and its lease is over.
fn again(db: &Connection, channel: &str, now: Timestamp) -> Result<Option<String>> {
    Ok(db
        .prepare_cached(
            "SELECT message FROM notice WHERE channel = ?1 AND stage IN (2, 3) AND stage <> 6 AND ready_at <= ?2
               AND message IS NOT NULL ORDER BY rank, id LIMIT 1",
        )?
        .query_row(params![channel, ms(now)], |row| row.get(0))
        .optional()?)
}

enum Formed {
    Message(String),
    /// Too many messages in the last minute: the next ones become one then.
    Wait(Timestamp),
    Nothing,
}

fn form(db: &Connection, channel: &str, bounds: NoticeBounds, now: Timestamp) -> Result<Formed> {
    let fresh: Vec<(i64, String)> = all(db
        .prepare_cached(&format!("SELECT id, key FROM notice {FRESH} ORDER BY rank, id LIMIT ?2"))?
        .query_map(params![channel, bounds.together_max], |row| Ok((row.get(0)?, row.get(1)?)))?)?;
    let Some((_, worst)) = fresh.first().cloned() else { return Ok(Formed::Nothing) };
    let room = match bounds.group_above {
        None => fresh.len(),
        Some(above) => {
            let since = ms(now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN));
            let (formed, first): (usize, Option<i64>) = db
                .prepare_cached(
                    "SELECT count(DISTINCT message), min(formed_at) FROM notice WHERE channel = ?1 AND formed_at > ?2",
                )?
                .query_row(params![channel, since], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if formed >= above {
                let until = at(first.unwrap_or(ms(now))).saturating_add(WINDOW).unwrap_or(now);
                return Ok(Formed::Wait(until));
            }
            above - formed
        }
    };
    let (members, message) = if fresh.len() <= room {
        (&fresh[..1], worst)
    } else {
        let keys: Vec<&str> = fresh.iter().map(|(_, key)| key.as_str()).collect();
        let together = digest(&[], &keys.join(" "));
        (&fresh[..], format!("msg_{}", hex::encode(&together[..16])))
    };
    for (id, _) in members {
        db.prepare_cached("UPDATE notice SET message = ?2, formed_at = ?3 WHERE id = ?1")?
            .execute(params![id, message, ms(now)])?;
    }
    Ok(Formed::Message(message))
}

fn fly(
    db: &Connection,
    channel: &str,
    message: String,
    token: Token,
    now: Timestamp,
) -> Result<LeasedMessage> {
    let until = ms(now.saturating_add(LEASE_LIFE).unwrap_or(now));
    db.prepare_cached(
        "UPDATE notice SET stage = ?3, token = ?4, ready_at = ?5, attempts = attempts + 1
         WHERE channel = ?1 AND message = ?2 AND stage IN (0, 2, 3)",
    )?
    .execute(params![channel, message, FLYING, token.0, until])?;
    let rows: Vec<(u32, String)> = all(db
        .prepare_cached(
            "SELECT attempts, body FROM notice WHERE channel = ?1 AND message = ?2 AND stage = 3 ORDER BY rank, id",
        )?
        .query_map(params![channel, message], |row| Ok((row.get(0)?, row.get(1)?)))?)?;
    let attempt = rows.iter().map(|(attempts, _)| *attempts).max().unwrap_or(1);
    Ok(LeasedMessage { message, token, attempt, bodies: rows.into_iter().map(|(_, body)| body).collect() })
}

/// What became of a message. Whether it was still under its lease.
pub fn settle(
    db: &Connection,
    channel: &str,
    leased: &LeasedMessage,
    verdict: &NoticeVerdict,
    now: Timestamp,
) -> Result<bool> {
    let rows: Vec<(i64, i64, bool)> = all(db
        .prepare_cached(
            "SELECT id, case_id, clears FROM notice WHERE channel = ?1 AND message = ?2 AND token = ?3 AND stage = 3",
        )?
        .query_map(params![channel, leased.message, leased.token.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?)?;
    let (stage, ready_at, because, outcome) = match verdict {
        NoticeVerdict::Told => (TOLD, None, None, Some("told")),
        NoticeVerdict::Retry { at, because } => (WAITING, Some(ms(*at)), Some(because), None),
        NoticeVerdict::Parked { because } => (PARKED, None, Some(because), Some("parked")),
    };
    for (row, case, clears) in &rows {
        db.prepare_cached(
            "UPDATE notice SET stage = ?2, token = NULL, ready_at = ?3, because = ?4,
               body = CASE WHEN ?2 = 6 THEN '' ELSE body END WHERE id = ?1",
        )?
        .execute(params![row, stage, ready_at, because])?;
        if let Some(outcome) = outcome {
            let said = json!({
                "channel": channel, "message": leased.message, "outcome": outcome, "clears": clears,
                "attempts": leased.attempt, "because": because,
            });
            audit::note(db, Kind::Notice, *case, &said, now)?;
        }
    }
    Ok(!rows.is_empty())
}

/// What was told long ago and is not open any more.
pub fn purge(db: &Connection, now: Timestamp) -> Result<usize> {
    let before = ms(now.saturating_sub(REMEMBER).unwrap_or(Timestamp::MIN));
    Ok(db.execute(
        "DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE stage = 6 AND formed_at < ?1
           AND NOT EXISTS (SELECT 1 FROM flag WHERE flag.case_id = notice.case_id) LIMIT ?2)",
        params![before, PURGE_MAX],
    )?)
}

pub fn channels(db: &Connection) -> Result<Vec<ChannelRow>> {
    all(db
        .prepare_cached(
            "SELECT channel, sum(stage IN (0, 2, 3)), sum(stage = 5), max(CASE WHEN stage = 6 THEN formed_at END),
               min(CASE WHEN stage IN (0, 2, 3) THEN since END) FROM notice GROUP BY channel ORDER BY channel",
        )?
        .query_map([], |row| {
            Ok(ChannelRow {
                channel: row.get(0)?,
                pending: row.get(1)?,
                parked: row.get(2)?,
                told_at: instant(row, 3)?,
                since: instant(row, 4)?,
            })
        })?)
}

pub fn parked(db: &Connection) -> Result<Vec<ParkedRow>> {
    all(db
        .prepare_cached(
            "SELECT notice.id, channel, coalesce(source.name || '/' || number, 'digest'), coalesce(because, ''),
               notice.since
             FROM notice LEFT JOIN cases ON cases.id = notice.case_id LEFT JOIN source ON source.id = cases.source
             WHERE notice.stage = 5 ORDER BY notice.id LIMIT ?1",
        )?
        .query_map([PARKED_MAX], |row| {
            Ok(ParkedRow {
                id: format!("n{}", row.get::<_, i64>(0)?),
                kind: ParkedKind::Notice,
                source: row.get(1)?,
                what: row.get(2)?,
                slot: String::new(),
                because: row.get(3)?,
                since: at(row.get(4)?),
            })
        })?)
}

/// Parked messages are tried again, each from its first attempt. `None`: all.
pub fn retry_parked(db: &Connection, id: Option<i64>, now: Timestamp) -> Result<usize> {
    Ok(db.execute(
        "UPDATE notice SET stage = 2, attempts = 0, ready_at = ?2, because = NULL
         WHERE stage = 5 AND id = coalesce(?1, id)",
        params![id, ms(now)],
    )?)
}

/// Given up: remembered as told, so that it is not told again.
pub fn drop_parked(db: &Connection, id: Option<i64>) -> Result<usize> {
    Ok(db.execute(
        "UPDATE notice SET stage = 6, body = '' WHERE stage = 5 AND id = coalesce(?1, id)",
        params![id],
    )?)
}
