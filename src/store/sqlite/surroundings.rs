//! Facts of groups and links: kept up as outcomes are committed, read with each due case.
//!
//! A changed fact makes the open members due whose policy reads it: in slices, so that a customer with ten thousand
//! cases stalls nobody.

use super::ledger::{Ledger, number};
use super::rows::{at, wake};
use crate::store::{OutcomeCommit, Result};
use dutyd_core::around::{Around, Contribution, GroupFacts, GroupKind, LinkedCase};
use dutyd_core::case::{CaseKey, Status};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;

/// Members made due by one slice.
const SLICE_MAX: usize = 256;
/// Linked cases that rules can see.
const LINKS_MAX: usize = 32;

const KINDS: [GroupKind; 3] = [GroupKind::Customer, GroupKind::Owner, GroupKind::Team];

fn bits(adds: Contribution) -> i64 {
    i64::from(adds.open)
        | i64::from(adds.urgent) << 1
        | i64::from(adds.unowned) << 2
        | i64::from(adds.unanswered) << 3
}

/// What a change of a case's contribution adds to the counts of its group.
fn difference(old: i64, new: i64) -> [i64; 4] {
    [0, 1, 2, 3].map(|bit| (new >> bit & 1) - (old >> bit & 1))
}

/// Brings the case's groups in line with the outcome.
pub fn join(
    db: &Connection,
    outcome: &OutcomeCommit,
    source: i64,
    is_new: bool,
    ledger: &mut Ledger,
) -> Result<()> {
    let old = if is_new { Vec::new() } else { memberships(db, outcome.case)? };
    for kind in KINDS {
        let before =
            old.iter().find(|(known, _, _)| *known == number(kind)).map(|(_, crowd, bits)| (*crowd, *bits));
        let now = outcome.groups.iter().find(|(group, _)| group.kind == kind);
        let after = match now {
            Some((group, adds)) => Some((ledger.crowd_of(db, group)?, bits(*adds))),
            None => None,
        };
        if before == after {
            continue;
        }
        let same = before.map(|(crowd, _)| crowd) == after.map(|(crowd, _)| crowd);
        if let Some((crowd, bits)) = before {
            let to = after.filter(|_| same).map_or(0, |(_, bits)| bits);
            ledger.shift(kind, crowd, source, difference(bits, to));
        }
        if let Some((crowd, bits)) = after.filter(|_| !same) {
            ledger.shift(kind, crowd, source, difference(0, bits));
        }
        let was_open = same && before.is_some_and(|(_, bits)| is_open(bits));
        if let Some((crowd, _)) = after.filter(|(_, bits)| is_open(*bits) && !was_open) {
            ledger.join(kind, crowd, outcome.case);
        }
        write_membership(db, outcome.case, kind, after)?;
    }
    Ok(())
}

fn is_open(bits: i64) -> bool {
    bits & 1 == 1
}

fn memberships(db: &Connection, case: i64) -> Result<Vec<(i64, i64, i64)>> {
    let mut statement = db.prepare_cached("SELECT kind, crowd, bits FROM member WHERE case_id = ?1")?;
    let rows = statement.query_map([case], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

fn write_membership(db: &Connection, case: i64, kind: GroupKind, member: Option<(i64, i64)>) -> Result<()> {
    match member {
        Some((crowd, bits)) => db
            .prepare_cached(
                "INSERT INTO member VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET crowd = excluded.crowd, bits = excluded.bits",
            )?
            .execute([case, number(kind), crowd, bits])?,
        None => db
            .prepare_cached("DELETE FROM member WHERE case_id = ?1 AND kind = ?2")?
            .execute([case, number(kind)])?,
    };
    Ok(())
}

pub fn is_waking(db: &Connection) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM waking")?.exists([])?)
}

/// Makes the next slice of members of one group due; the group with the shortest way to go first, so that small ones do
/// not wait behind a large one.
pub fn wake_slice(db: &Connection, now: Timestamp) -> Result<()> {
    let next: Option<(i64, i64, Option<i64>, bool)> = db
        .prepare_cached(
            "SELECT waking.crowd, at, stop_at, wrapped FROM waking JOIN crowd ON crowd.id = waking.crowd
             ORDER BY crowd.open, waking.crowd LIMIT 1",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((crowd, from, stop_at, wrapped)) = next else { return Ok(()) };
    let end = if wrapped { stop_at.unwrap_or(i64::MAX) } else { i64::MAX };
    let members: Vec<i64> = db
        .prepare_cached(
            "SELECT case_id FROM member WHERE crowd = ?1 AND case_id > ?2 AND case_id <= ?3 AND bits & 1
             ORDER BY case_id LIMIT ?4",
        )?
        .query_map(params![crowd, from, end, SLICE_MAX], |row| row.get(0))?
        .collect::<std::result::Result<_, _>>()?;
    for case in &members {
        wake(db, *case, now)?;
    }
    match (members.last(), stop_at) {
        (Some(last), _) if members.len() == SLICE_MAX => {
            db.prepare_cached("UPDATE waking SET at = ?2 WHERE crowd = ?1")?.execute([crowd, *last])?;
        }
        (_, Some(_)) if !wrapped => {
            db.prepare_cached("UPDATE waking SET at = 0, wrapped = 1 WHERE crowd = ?1")?.execute([crowd])?;
        }
        _ => {
            db.prepare_cached("DELETE FROM waking WHERE crowd = ?1")?.execute([crowd])?;
        }
    }
    Ok(())
}

/// The facts around a case.
pub fn around(db: &Connection, case: i64) -> Result<Around> {
    let (linked, blind_since) = (linked(db, case)?, unread_since(db, case)?);
    let mut around = Around { linked, blind_since, ..Around::default() };
    let mut facts = db.prepare_cached(
        "SELECT kind, open, urgent, unowned, unanswered,
           (SELECT count(*) FROM crowd_source WHERE crowd = crowd.id AND crowd_source.open > 0)
         FROM crowd WHERE id IN (SELECT crowd FROM member WHERE case_id = ?1)",
    )?;
    let rows = facts.query_map([case], |row| {
        let facts = GroupFacts {
            open: row.get(1)?,
            urgent: row.get(2)?,
            unowned: row.get(3)?,
            unanswered: row.get(4)?,
            sources: row.get(5)?,
        };
        Ok((row.get::<_, i64>(0)?, facts))
    })?;
    for row in rows {
        let (kind, facts) = row?;
        match kind {
            0 => around.customer = Some(facts),
            1 => around.owner = Some(facts),
            _ => around.team = Some(facts),
        }
    }
    Ok(around)
}

/// Since when somebody waits who told of a change.
fn unread_since(db: &Connection, case: i64) -> Result<Option<Timestamp>> {
    Ok(db
        .prepare_cached(
            "SELECT hint.since FROM cases JOIN hint USING (source, vendor_id) WHERE cases.id = ?1 AND lane = 0",
        )?
        .query_row([case], |row| row.get(0))
        .optional()?
        .map(at))
}

fn links(db: &Connection, case: i64) -> Result<BTreeSet<CaseKey>> {
    let mut statement = db.prepare_cached("SELECT source, vendor_id FROM link WHERE case_id = ?1")?;
    let rows = statement
        .query_map([case], |row| Ok(CaseKey::new(row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

fn linked(db: &Connection, case: i64) -> Result<Vec<LinkedCase>> {
    let mut statement = db.prepare_cached(
        "SELECT link.source, link.vendor_id, cases.number, cases.status, cases.moved_at FROM link
         JOIN source ON source.name = link.source
         JOIN cases ON cases.source = source.id AND cases.vendor_id = link.vendor_id
         WHERE link.case_id = ?1 AND cases.status IS NOT NULL AND cases.moved_at IS NOT NULL LIMIT ?2",
    )?;
    let rows = statement.query_map(params![case, LINKS_MAX], |row| {
        let key = CaseKey::new(row.get::<_, String>(0)?, row.get::<_, String>(1)?);
        Ok((key, row.get(2)?, row.get::<_, String>(3)?, row.get(4)?))
    })?;
    let mut linked = Vec::new();
    for row in rows {
        let (key, number, word, moved_at) = row?;
        if let Some(status) = Status::ALL.into_iter().find(|status| status.word() == word) {
            linked.push(LinkedCase { key, number, status, moved_at: at(moved_at) });
        }
    }
    Ok(linked)
}

/// Notes the case's links, and makes due the cases that link to it if it moved, and the case itself if it has a link
/// that it was judged without.
pub fn link(
    db: &Connection,
    outcome: &OutcomeCommit,
    is_new: bool,
    moved: bool,
    now: Timestamp,
) -> Result<()> {
    let before = if is_new { BTreeSet::new() } else { links(db, outcome.case)? };
    let after: BTreeSet<CaseKey> = outcome.links.iter().take(LINKS_MAX).cloned().collect();
    for gone in before.difference(&after) {
        db.prepare_cached("DELETE FROM link WHERE case_id = ?1 AND source = ?2 AND vendor_id = ?3")?
            .execute(params![outcome.case, gone.source, gone.id])?;
    }
    let new: Vec<&CaseKey> = after.difference(&before).collect();
    for to in &new {
        db.prepare_cached("INSERT INTO link VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute(params![outcome.case, to.source, to.id])?;
    }
    // A linked case that nobody knows yet makes its linkers due once it is judged.
    if outcome.open && !new.is_empty() && linked(db, outcome.case)?.iter().any(|one| new.contains(&&one.key))
    {
        wake(db, outcome.case, now)?;
    }
    if moved {
        let linkers: Vec<i64> = db
            .prepare_cached(
                "SELECT link.case_id FROM cases JOIN source ON source.id = cases.source
                 JOIN link ON link.source = source.name AND link.vendor_id = cases.vendor_id
                 JOIN due ON due.case_id = link.case_id AND due.open
                 WHERE cases.id = ?1",
            )?
            .query_map([outcome.case], |row| row.get(0))?
            .collect::<std::result::Result<_, _>>()?;
        for linker in linkers {
            wake(db, linker, now)?;
        }
    }
    Ok(())
}

/// Takes a case out of everything around it, before it is forgotten.
pub fn leave(db: &Connection, case: i64, ledger: &mut Ledger) -> Result<()> {
    let source =
        db.prepare_cached("SELECT source FROM cases WHERE id = ?1")?.query_row([case], |row| row.get(0))?;
    for (kind, crowd, bits) in memberships(db, case)? {
        for kind in KINDS.into_iter().filter(|known| number(*known) == kind) {
            ledger.shift(kind, crowd, source, difference(bits, 0));
        }
    }
    db.prepare_cached("DELETE FROM member WHERE case_id = ?1")?.execute([case])?;
    db.prepare_cached("DELETE FROM link WHERE case_id = ?1")?.execute([case])?;
    Ok(())
}
