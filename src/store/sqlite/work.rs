//! The due-queue: leasing cases to be evaluated, loading what they need, committing what came of it.

use super::ledger::Ledger;
use super::rows::{at, count, ms, ms_up, wake};
use super::{audit, notices, outbox, surroundings, upkeep};
use crate::audit::Kind;
use crate::store::{
    DueBatch, DueCase, LEASE_LIFE, OutcomeCommit, Result, Sealed, StoreError, Token, Watched,
};
use dutyd_core::action::Severity;
use dutyd_core::case::CaseKey;
use dutyd_core::decide::{Decision, DecisionKind};
use jiff::Timestamp;
use rusqlite::{Connection, params};

/// Unread news of one case that one evaluation takes up.
const NEWS_MAX: usize = 64;

/// Whether there is anything to lease, and if not, when.
pub struct Outlook {
    pub waking: bool,
    pub next_at: Option<Timestamp>,
}

pub fn outlook(db: &Connection, all: bool) -> Result<Outlook> {
    let first: Option<i64> = db
        .prepare_cached("SELECT min(ready_at) FROM due WHERE ready_at IS NOT NULL")?
        .query_row([], |row| row.get(0))?;
    let waking = all && (surroundings::is_waking(db)? || upkeep::is_waking(db)?);
    Ok(Outlook { waking, next_at: first.map(at) })
}

/// Cases leased, with how often each had been woken.
pub struct Leased {
    cases: Vec<(i64, i64)>,
    next_at: Option<Timestamp>,
}

/// Cases with news or a deadline go first; those that only a neighbour's fact or a new policy makes due fill up the batch.
pub fn lease_due(db: &Connection, token: Token, max: usize, all: bool, now: Timestamp) -> Result<Leased> {
    let mut cases = lease_ready(db, token, max, now)?;
    if all && cases.len() < max {
        surroundings::wake_slice(db, now)?;
        upkeep::wake_slice(db, now)?;
        cases.extend(lease_ready(db, token, max - cases.len(), now)?);
    }
    let outlook = outlook(db, all)?;
    let next_at = if outlook.waking { Some(now) } else { outlook.next_at };
    Ok(Leased { cases, next_at })
}

fn lease_ready(db: &Connection, token: Token, max: usize, now: Timestamp) -> Result<Vec<(i64, i64)>> {
    let cases: Vec<(i64, i64)> = db
        .prepare_cached(
            "SELECT case_id, rings FROM due WHERE ready_at <= ?1 ORDER BY ready_at, case_id LIMIT ?2",
        )?
        .query_map(params![ms(now), max], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<std::result::Result<_, _>>()?;
    let until = ms(now.saturating_add(LEASE_LIFE).unwrap_or(now));
    let mut lease = db.prepare_cached("UPDATE due SET token = ?2, ready_at = ?3 WHERE case_id = ?1")?;
    for (case, _) in &cases {
        lease.execute([*case, token.0, until])?;
    }
    Ok(cases)
}

/// Reads what the leased cases need. What arrives after the lease is seen by the next one.
pub fn load(db: &Connection, leased: &Leased, token: Token) -> Result<DueBatch> {
    // One look at the database for all of them.
    let _view = db.unchecked_transaction()?;
    let mut batch = DueBatch { cases: Vec::with_capacity(leased.cases.len()), next_at: leased.next_at };
    for &(case, rings) in &leased.cases {
        let (news, news_to) = news(db, case)?;
        let (key, watched_from, state) = key_and_state(db, case)?;
        let around = surroundings::around(db, case)?;
        batch.cases.push(DueCase { case, key, token, rings, state, news, news_to, around, watched_from });
    }
    Ok(batch)
}

/// And since when its source is read.
fn key_and_state(db: &Connection, case: i64) -> Result<(CaseKey, Option<Timestamp>, Option<Sealed>)> {
    Ok(db
        .prepare_cached(
            "SELECT source.name, vendor_id, body, watched_from FROM cases JOIN source ON source.id = cases.source
             LEFT JOIN state ON state.case_id = cases.id WHERE cases.id = ?1",
        )?
        .query_row([case], |row| {
            let key = CaseKey::new(row.get::<_, String>(0)?, row.get::<_, String>(1)?);
            let state = row.get::<_, Option<_>>(2)?.map(Sealed::from_bytes);
            Ok((key, row.get::<_, Option<i64>>(3)?.map(at), state))
        })?)
}

fn news(db: &Connection, case: i64) -> Result<(Vec<Sealed>, i64)> {
    let mut statement =
        db.prepare_cached("SELECT seq, body FROM inbox WHERE case_id = ?1 ORDER BY seq LIMIT ?2")?;
    let rows = statement
        .query_map(params![case, NEWS_MAX], |row| Ok((row.get(0)?, Sealed::from_bytes(row.get(1)?))))?;
    let (mut news, mut to) = (Vec::new(), 0);
    for row in rows {
        let (seq, sealed) = row?;
        news.push(sealed);
        to = seq;
    }
    Ok((news, to))
}

/// An outcome with its decisions as they are logged.
pub struct Prepared {
    outcome: OutcomeCommit,
    decisions: Vec<(Kind, String)>,
}

/// What can be done outside of the writer.
pub fn prepared(outcomes: Vec<OutcomeCommit>) -> Result<Vec<Prepared>> {
    let logged = |decision: &Decision| {
        let kind = match decision.kind {
            DecisionKind::Override => Kind::Override,
            _ => Kind::Decision,
        };
        Ok((kind, serde_json::to_string(decision)?))
    };
    let prepare = |outcome: OutcomeCommit| -> serde_json::Result<Prepared> {
        let decisions = outcome.decisions.iter().map(logged).collect::<serde_json::Result<_>>()?;
        Ok(Prepared { outcome, decisions })
    };
    let prepared = outcomes.into_iter().map(prepare).collect::<serde_json::Result<_>>();
    prepared.map_err(|error| StoreError::Corrupt { what: "decision", because: error.to_string() })
}

pub fn commit_outcomes(
    db: &Connection,
    outcomes: &[Prepared],
    watched: Watched,
    now: Timestamp,
) -> Result<usize> {
    let mut ledger = Ledger::new(watched);
    let mut committed = 0;
    for outcome in outcomes {
        committed += usize::from(commit_one(db, outcome, &mut ledger, now)?);
    }
    ledger.settle(db, now)?;
    if outcomes.iter().any(|prepared| prepared.outcome.blind) {
        upkeep::note_blind(db)?;
    }
    Ok(committed)
}

/// Invariant: a lost lease cannot commit (`a_lost_case_lease_cannot_commit`).
fn commit_one(db: &Connection, prepared: &Prepared, ledger: &mut Ledger, now: Timestamp) -> Result<bool> {
    let outcome = &prepared.outcome;
    let released = db
        .prepare_cached(
            "UPDATE due SET token = NULL, open = ?4,
               ready_at = CASE WHEN rings = ?3 THEN ?5 ELSE ?6 END
             WHERE case_id = ?1 AND token = ?2",
        )?
        .execute(params![
            outcome.case,
            outcome.token.0,
            outcome.rings,
            outcome.open,
            outcome.due_at.map(ms_up),
            ms(now)
        ])?;
    if released == 0 {
        return Ok(false);
    }
    if outcome.news_to > 0 {
        take_up_news(db, outcome, now)?;
    }
    if let Some(state) = &outcome.state {
        write_state(db, outcome, state, ledger, now)?;
    }
    log_decisions(db, prepared, ledger, now)?;
    outbox::want(db, outcome, now)?;
    notices::add(db, outcome.case, &outcome.notices, now)?;
    if outcome.refetch {
        refetch(db, outcome.case, now)?;
    }
    Ok(true)
}

/// News that came since the lease have made the case due again; what did not fit into one evaluation has not.
fn take_up_news(db: &Connection, outcome: &OutcomeCommit, now: Timestamp) -> Result<()> {
    let taken = db
        .prepare_cached("DELETE FROM inbox WHERE case_id = ?1 AND seq <= ?2")?
        .execute([outcome.case, outcome.news_to])?;
    if taken >= NEWS_MAX
        && db.prepare_cached("SELECT 1 FROM inbox WHERE case_id = ?1")?.exists([outcome.case])?
    {
        wake(db, outcome.case, now)?;
    }
    Ok(())
}

/// What the store knew of a case before an outcome.
struct Before {
    source: i64,
    number: String,
    open: bool,
    status: Option<String>,
    moved_at: Option<i64>,
}

fn before(db: &Connection, case: i64) -> Result<Before> {
    Ok(db
        .prepare_cached("SELECT source, number, open, status, moved_at FROM cases WHERE id = ?1")?
        .query_row([case], |row| {
            Ok(Before {
                source: row.get(0)?,
                number: row.get(1)?,
                open: row.get(2)?,
                status: row.get(3)?,
                moved_at: row.get(4)?,
            })
        })?)
}

fn write_state(
    db: &Connection,
    outcome: &OutcomeCommit,
    state: &Sealed,
    ledger: &mut Ledger,
    now: Timestamp,
) -> Result<()> {
    db.prepare_cached("INSERT INTO state VALUES (?1, ?2) ON CONFLICT DO UPDATE SET body = excluded.body")?
        .execute(params![outcome.case, state.bytes()])?;
    let before = before(db, outcome.case)?;
    if before.number != outcome.number {
        db.prepare_cached("UPDATE cases SET number = ?2 WHERE id = ?1")?
            .execute(params![outcome.case, outcome.number])?;
    }
    db.prepare_cached(
        "UPDATE cases SET open = ?2, status = ?3, updated_at = ?4, moved_at = ?5 WHERE id = ?1",
    )?
    .execute(params![
        outcome.case,
        outcome.open,
        outcome.status.word(),
        ms(outcome.updated_at),
        ms(outcome.moved_at)
    ])?;
    ledger.open += i64::from(outcome.open) - i64::from(before.open);
    let moved = before.status.as_deref() != Some(outcome.status.word())
        || before.moved_at != Some(ms(outcome.moved_at));
    // A case without a status is judged for the first time: it has no links, flags or groups yet.
    let is_new = before.status.is_none();
    surroundings::link(db, outcome, is_new, moved, now)?;
    surroundings::join(db, outcome, before.source, is_new, ledger)?;
    list_flags(db, outcome, is_new)
}

/// Least severe first, so that the index lists the worst by descending numbers.
pub fn severity_number(severity: Severity) -> i64 {
    match severity {
        Severity::Watch => 0,
        Severity::Warning => 1,
        Severity::Candidate => 2,
        Severity::Critical => 3,
    }
}

fn list_flags(db: &Connection, outcome: &OutcomeCommit, is_new: bool) -> Result<()> {
    if !is_new {
        db.prepare_cached("DELETE FROM flag WHERE case_id = ?1")?.execute([outcome.case])?;
    }
    for flag in &outcome.flags {
        db.prepare_cached("INSERT OR REPLACE INTO flag VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(
            params![
                outcome.case,
                flag.rule,
                severity_number(flag.severity),
                ms(flag.raised_at),
                flag.episode,
                flag.why,
                flag.dismissed
            ],
        )?;
    }
    Ok(())
}

fn log_decisions(db: &Connection, prepared: &Prepared, ledger: &mut Ledger, now: Timestamp) -> Result<()> {
    for (kind, body) in &prepared.decisions {
        db.prepare_cached("INSERT INTO decision (case_id, body) VALUES (?1, ?2)")?
            .execute(params![prepared.outcome.case, body])?;
        let body = audit::Body::Decision { row: db.last_insert_rowid(), body };
        audit::append(db, *kind, prepared.outcome.case, &body, now)?;
    }
    ledger.decisions += i64::try_from(prepared.decisions.len()).unwrap_or(i64::MAX);
    Ok(())
}

/// The stored state cannot be used: everything about the case is read again.
fn refetch(db: &Connection, case: i64, now: Timestamp) -> Result<()> {
    db.prepare_cached("UPDATE cases SET full_ms = NULL, full_count = NULL, digest = NULL, seen_ms = 0, seen_count = 0 WHERE id = ?1")?
        .execute([case])?;
    db.prepare_cached(
        "INSERT INTO hint (source, vendor_id, lane, ready_at, since)
         SELECT source, vendor_id, 0, ?2, ?2 FROM cases WHERE id = ?1
         ON CONFLICT DO UPDATE SET rings = rings + 1, lane = 0",
    )?
    .execute([case, ms(now)])?;
    Ok(())
}

/// For receipts: the version that our own write made.
pub fn note_revision(db: &Connection, case: i64, revision: dutyd_core::case::Revision) -> Result<()> {
    db.prepare_cached(
        "UPDATE cases SET seen_ms = ?2, seen_count = ?3, digest = NULL, ours_ms = ?2
         WHERE id = ?1 AND (seen_ms, seen_count) < (?2, ?3)",
    )?
    .execute([case, revision.at_ms, count(revision)])?;
    Ok(())
}
