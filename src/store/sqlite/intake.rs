//! What comes in: source leases, webhooks, pages, hints and what was fetched for them.

use super::bells::{self, Bell};
use super::rows::{Held, Known, add_news, at, count, held, insert_case, known, ms, source_id, wake};
use crate::store::{
    FetchResult, FetchedCase, HintBatch, Incoming, LEASE_LIFE, PageCommit, PageSaved, Result, SourceLease,
    StoreError, TakenHint, Token,
};
use dutyd_connectors::{Cursor, Hint, Quarantined};
use dutyd_core::case::CaseKey;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Characters kept of a record that could not be understood.
const RAW_MAX: usize = 65_536;
const DAY_MS: i64 = 86_400_000;
/// A hint that nothing hinders is fetched within this time.
const PROMPT: SignedDuration = SignedDuration::from_secs(60);
/// A delivery is recognised for seven days besides the current one.
const BEFORE_TODAY: &str = "SELECT 1 FROM delivery
    WHERE day IN (?1 - 1, ?1 - 2, ?1 - 3, ?1 - 4, ?1 - 5, ?1 - 6, ?1 - 7) AND hash = ?2";

pub fn lease_source(
    db: &Connection,
    source: &str,
    token: Token,
    now: Timestamp,
) -> Result<Option<SourceLease>> {
    let id = source_id(db, source)?;
    let until = now.saturating_add(LEASE_LIFE).unwrap_or(now);
    let changed = db
        .prepare_cached(
            "UPDATE source SET token = ?2, lease_until = ?3, watched_from = coalesce(watched_from, ?4)
             WHERE id = ?1 AND (token IS NULL OR token = ?2 OR lease_until <= ?4)",
        )?
        .execute(params![id, token.0, ms(until), ms(now)])?;
    Ok((changed == 1).then(|| SourceLease { source: source.to_owned(), token, until }))
}

pub fn cursor(db: &Connection, source: &str) -> Result<Option<Cursor>> {
    let found: Option<(Option<u16>, Option<String>)> = db
        .prepare_cached("SELECT cursor_version, cursor FROM source WHERE name = ?1")?
        .query_row([source], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.and_then(|(version, body)| Some(Cursor { version: version?, body: body? })))
}

/// A verified webhook as handed over.
pub struct Delivery {
    pub source: String,
    pub hints: Vec<Hint>,
    pub now: Timestamp,
}

/// Deliveries by source: new ones and repeated ones.
type Counted<'a> = BTreeMap<&'a str, (i64, usize, usize)>;

/// How many of each delivery were new.
///
/// Invariant: a delivery answered 2xx survives a power cut (`a_noted_delivery_survives_reopening`).
pub fn note_deliveries(db: &Connection, deliveries: &[Delivery]) -> Result<Vec<usize>> {
    let mut counted = Counted::new();
    let mut each = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let counts = match counted.entry(&delivery.source) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert((source_id(db, &delivery.source)?, 0, 0)),
        };
        let (new, repeated) = note_delivery(db, counts.0, delivery)?;
        (counts.1, counts.2) = (counts.1 + new, counts.2 + repeated);
        each.push(new);
    }
    for (source, new, repeated) in counted.into_values() {
        db.prepare_cached(
            "UPDATE source SET bells = bells + ?2, bells_repeated = bells_repeated + ?3 WHERE id = ?1",
        )?
        .execute(params![source, new, repeated])?;
    }
    Ok(each)
}

/// How many were new and how many repeated.
fn note_delivery(db: &Connection, source: i64, delivery: &Delivery) -> Result<(usize, usize)> {
    let (mut new, mut repeated) = (0, 0);
    let mut last: Option<(&str, bool)> = None;
    for hint in &delivery.hints {
        let is_new = match (&hint.delivery_id, last) {
            (None, _) => true,
            (Some(id), Some((before, is_new))) if id == before => is_new,
            (Some(id), _) => {
                let is_new = first_time(db, source, id, delivery.now)?;
                *(if is_new { &mut new } else { &mut repeated }) += 1;
                last = Some((id, is_new));
                is_new
            }
        };
        if is_new && !ring_again(db, source, &hint.key.id)? {
            ring(db, source, &hint.key.id, Ring { hot: true, rung: true }, delivery.now)?;
        }
        if hint.delivery_id.is_none() {
            new += 1;
        }
    }
    Ok((new, repeated))
}

/// A case that waits in the first lane already is only rung once more, which touches no index.
fn ring_again(db: &Connection, source: i64, vendor_id: &str) -> Result<bool> {
    let met = db
        .prepare_cached(
            "UPDATE hint SET rings = rings + 1, rung = 1 WHERE source = ?1 AND vendor_id = ?2 AND lane = 0",
        )?
        .execute(params![source, vendor_id])?;
    Ok(met == 1)
}

fn first_time(db: &Connection, source: i64, id: &str, now: Timestamp) -> Result<bool> {
    let mut hash = Sha256::new();
    hash.update(source.to_be_bytes());
    hash.update(id);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    let (hash, today) = (i64::from_be_bytes(first), ms(now).div_euclid(DAY_MS));
    if db.prepare_cached(BEFORE_TODAY)?.exists([today, hash])? {
        return Ok(false);
    }
    let added = db
        .prepare_cached("INSERT INTO delivery VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute([today, hash])?;
    Ok(added == 1)
}

#[derive(Clone, Copy)]
struct Ring {
    hot: bool,
    rung: bool,
}

fn ring(db: &Connection, source: i64, vendor_id: &str, ring: Ring, now: Timestamp) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO hint (source, vendor_id, lane, ready_at, since, rung) VALUES (?1, ?2, ?3, ?4, ?4, ?5)
         ON CONFLICT DO UPDATE SET rings = rings + 1, lane = min(lane, excluded.lane),
           since = CASE WHEN excluded.lane < lane THEN excluded.since ELSE since END,
           rung = max(rung, excluded.rung)",
    )?
    .execute(params![source, vendor_id, i64::from(!ring.hot), ms(now), ring.rung])?;
    Ok(())
}

/// Invariant: a cursor and the changes it covers commit together (`a_page_commits_whole_or_not_at_all`).
pub fn commit_page(
    db: &Connection,
    lease: &SourceLease,
    page: &PageCommit,
    now: Timestamp,
) -> Result<PageSaved> {
    let source = held(db, lease)?;
    let (mut saved, mut cases) = (PageSaved::default(), 0);
    let mut bells = BTreeMap::new();
    for change in &page.changes {
        let known = known(db, source.id, &change.key.id)?;
        let revision = (change.revision.at_ms, count(change.revision));
        if let Some(bell) = bells::judge(db, source, known, Some(revision), &change.key)? {
            bells.insert(&change.key.id, (bell, revision.0));
        }
        let taken = take_in(db, source, known, change, now)?;
        *(if taken == Taken::Known { &mut saved.known } else { &mut saved.changes }) += 1;
        cases += i64::from(taken == Taken::NewCase);
    }
    for hint in &page.hints {
        let known = known(db, source.id, &hint.key.id)?;
        let revision = hint.revision.map(|revision| (revision.at_ms, count(revision)));
        if let (Some(bell), Some(revision)) =
            (bells::judge(db, source, known, revision, &hint.key)?, revision)
        {
            bells.insert(&hint.key.id, (bell, revision.0));
        }
        if revision.is_some() && known.is_some_and(|known| known.full >= revision) {
            continue;
        }
        ring(db, source.id, &hint.key.id, Ring { hot: source.imported, rung: false }, now)?;
        saved.hints += 1;
    }
    for record in &page.quarantined {
        quarantine(db, source.id, record, now)?;
    }
    for (vendor_id, (_, at_ms)) in bells.iter().filter(|(_, (bell, _))| *bell == Bell::Missed) {
        bells::missed(db, source.id, vendor_id, *at_ms)?;
        saved.missed += 1;
    }
    saved.expected = bells.len();
    move_cursor(db, source, page, saved, now)?;
    count_changes(db, source.id, cases, saved.changes)?;
    Ok(saved)
}

/// What a change was to us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Known,
    News,
    NewCase,
}

/// Puts a change into the inbox unless we have it.
///
/// Invariant: a stored case never moves to an older version (`an_older_version_is_not_taken_in`).
fn take_in(
    db: &Connection,
    source: Held,
    known: Option<Known>,
    change: &Incoming,
    now: Timestamp,
) -> Result<Taken> {
    let revision = (change.revision.at_ms, count(change.revision));
    let Some(known) = known else {
        insert_case(db, source.id, change, now)?;
        return Ok(Taken::NewCase);
    };
    let same = known.seen == revision && known.digest == Some(change.digest);
    let completes = change.complete && known.full < Some(revision);
    if revision < known.seen || (same && !completes) {
        return Ok(Taken::Known);
    }
    db.prepare_cached(
        "UPDATE cases SET seen_ms = ?2, seen_count = ?3, digest = ?4,
           full_ms = CASE WHEN ?5 THEN ?2 ELSE full_ms END,
           full_count = CASE WHEN ?5 THEN ?3 ELSE full_count END
         WHERE id = ?1",
    )?
    .execute(params![known.id, revision.0, revision.1, change.digest, change.complete])?;
    add_news(db, known.id, &change.news, now)?;
    Ok(Taken::News)
}

fn count_changes(db: &Connection, source: i64, cases: i64, changes: usize) -> Result<()> {
    db.prepare_cached("UPDATE source SET cases = cases + ?2, changes = changes + ?3 WHERE id = ?1")?
        .execute(params![source, cases, changes])?;
    Ok(())
}

fn move_cursor(
    db: &Connection,
    source: Held,
    page: &PageCommit,
    saved: PageSaved,
    now: Timestamp,
) -> Result<()> {
    let begun = ms(page.begun.unwrap_or(now));
    db.prepare_cached(
        "UPDATE source SET pulled_at = ?2, pages = pages + 1, bells_missed = bells_missed + ?3,
           bells_expected = bells_expected + ?4, imported = max(imported, ?5),
           caught_up_at = CASE WHEN ?5 THEN ?6 ELSE caught_up_at END
         WHERE id = ?1",
    )?
    .execute(params![source.id, ms(now), saved.missed, saved.expected, !page.more, begun])?;
    if let Some(next) = &page.next {
        db.prepare_cached("UPDATE source SET cursor_version = ?2, cursor = ?3 WHERE id = ?1")?
            .execute(params![source.id, next.version, next.body])?;
    }
    Ok(())
}

fn quarantine(db: &Connection, source: i64, record: &Quarantined, now: Timestamp) -> Result<()> {
    let raw: String = record.raw.chars().take(RAW_MAX).collect();
    db.prepare_cached(
        "INSERT INTO quarantine (source, record, reason, raw, since) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET reason = excluded.reason, raw = excluded.raw",
    )?
    .execute(params![source, record.id, record.reason, raw, ms(now)])?;
    Ok(())
}

pub fn next_hint(db: &Connection, source: &str) -> Result<Option<Timestamp>> {
    let mut first = db.prepare_cached(
        "SELECT min(ready_at) FROM hint
         WHERE source = (SELECT id FROM source WHERE name = ?1) AND lane = ?2",
    )?;
    let mut earliest: Option<i64> = None;
    for lane in 0..=1 {
        let ready: Option<i64> = first.query_row(params![source, lane], |row| row.get(0))?;
        earliest = [earliest, ready].into_iter().flatten().min();
    }
    Ok(earliest.map(at))
}

pub fn take_hints(db: &Connection, lease: &SourceLease, max: usize, now: Timestamp) -> Result<HintBatch> {
    let source = held(db, lease)?;
    let mut hints = Vec::new();
    for lane in 0..=1 {
        let mut ready = db.prepare_cached(
            "SELECT vendor_id, rings, lane, rung, since FROM hint WHERE source = ?1 AND lane = ?2 AND ready_at <= ?3
             ORDER BY ready_at LIMIT ?4",
        )?;
        let room = max.saturating_sub(hints.len());
        let rows = ready.query_map(params![source.id, lane, ms(now), room], |row| {
            let key = CaseKey::new(lease.source.clone(), row.get::<_, String>(0)?);
            let (rings, hot) = (row.get(1)?, row.get::<_, i64>(2)? == 0);
            Ok(TakenHint { key, rings, hot, rung: row.get(3)?, since: at(row.get(4)?) })
        })?;
        for hint in rows {
            hints.push(hint?);
        }
    }
    let until = now.saturating_add(LEASE_LIFE).unwrap_or(now);
    for hint in &hints {
        db.prepare_cached("UPDATE hint SET ready_at = ?3, taken = 1 WHERE source = ?1 AND vendor_id = ?2")?
            .execute(params![source.id, hint.key.id, ms(until)])?;
    }
    Ok(HintBatch { hints, next_at: None })
}

pub fn commit_fetched(
    db: &Connection,
    lease: &SourceLease,
    fetched: &[FetchedCase],
    now: Timestamp,
) -> Result<usize> {
    let source = held(db, lease)?;
    let (mut cases, mut news) = (0, 0);
    for FetchedCase { hint, result } in fetched {
        let known = known(db, source.id, &hint.key.id)?;
        match result {
            FetchResult::Case(change) => {
                let revision = (change.revision.at_ms, count(change.revision));
                let taken = take_in(db, source, known, change, now)?;
                news += usize::from(taken != Taken::Known);
                cases += i64::from(taken == Taken::NewCase);
                if hint.rung {
                    bells::rang(db, source.id, &hint.key.id, known, revision)?;
                } else if known.is_none() && source.imported && source.rings {
                    bells::missed(db, source.id, &hint.key.id, revision.0)?;
                }
            }
            FetchResult::Absent(gone) => {
                if let Some(known) = known {
                    add_news(db, known.id, gone, now)?;
                    forget_version(db, known.id)?;
                    news += 1;
                }
            }
            FetchResult::Quarantined(record) => quarantine(db, source.id, record, now)?,
            FetchResult::Later(_) => {}
        }
        let again = match result {
            FetchResult::Later(then) => Some(*then),
            _ => None,
        };
        // While it waited the case may have been judged as one that is not seen.
        if let Some(known) = known.filter(|_| again.is_none() && waited(hint, now)) {
            wake(db, known.id, now)?;
        }
        put_down(db, source.id, hint, again, now)?;
    }
    count_changes(db, source.id, cases, news)?;
    Ok(news)
}

/// Whether a hint waited longer than any that nothing keeps from being fetched.
fn waited(hint: &TakenHint, now: Timestamp) -> bool {
    hint.hot && now.duration_since(hint.since) > PROMPT
}

/// Whatever is read of the case next is news, although its version is the one that was known.
fn forget_version(db: &Connection, case: i64) -> Result<()> {
    db.prepare_cached("UPDATE cases SET full_ms = NULL, full_count = NULL, digest = NULL WHERE id = ?1")?
        .execute([case])?;
    Ok(())
}

/// A hint is done with unless it was rung again while we were fetching.
fn put_down(
    db: &Connection,
    source: i64,
    hint: &TakenHint,
    again: Option<Timestamp>,
    now: Timestamp,
) -> std::result::Result<(), StoreError> {
    if again.is_none() {
        let done = db
            .prepare_cached("DELETE FROM hint WHERE source = ?1 AND vendor_id = ?2 AND rings = ?3")?
            .execute(params![source, hint.key.id, hint.rings])?;
        if done == 1 {
            return Ok(());
        }
    }
    // One that was rung again meanwhile waits since then, one that could not be fetched since it was first asked for.
    db.prepare_cached(
        "UPDATE hint SET ready_at = ?3, taken = 0, since = CASE WHEN ?4 THEN ?3 ELSE since END
         WHERE source = ?1 AND vendor_id = ?2",
    )?
    .execute(params![source, hint.key.id, ms(again.unwrap_or(now)), again.is_none()])?;
    Ok(())
}
