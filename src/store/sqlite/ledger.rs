//! What a batch of outcomes adds up to, written once at its end: counts, facts of groups, whom these make due.

use super::rows::{tally, wake};
use crate::store::{FactsRead, Result, Watched};
use dutyd_core::around::{Group, GroupKind};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// See the module.
#[derive(Default)]
pub struct Ledger {
    watched: Watched,
    /// Cases opened, less those closed.
    pub open: i64,
    pub decisions: i64,
    crowds: BTreeMap<Group, i64>,
    shifts: BTreeMap<i64, Shift>,
    /// Cases that became open members of a group since their facts were read, with the group.
    joined: Vec<(i64, i64)>,
}

/// By how much the facts of one group change.
#[derive(Default)]
struct Shift {
    read: FactsRead,
    /// Open, urgent, unowned, unanswered.
    counts: [i64; 4],
    /// Open cases by source.
    open: BTreeMap<i64, i64>,
}

impl Ledger {
    pub fn new(watched: Watched) -> Self {
        Self { watched, ..Self::default() }
    }

    /// The group's number; makes it known if it is new.
    pub fn crowd_of(&mut self, db: &Connection, group: &Group) -> Result<i64> {
        if let Some(known) = self.crowds.get(group) {
            return Ok(*known);
        }
        let kind = number(group.kind);
        let found = db
            .prepare_cached("SELECT id FROM crowd WHERE kind = ?1 AND key = ?2")?
            .query_row(params![kind, group.key], |row| row.get(0))
            .optional()?;
        let crowd = match found {
            Some(id) => id,
            None => {
                db.prepare_cached("INSERT INTO crowd (kind, key) VALUES (?1, ?2)")?
                    .execute(params![kind, group.key])?;
                db.last_insert_rowid()
            }
        };
        self.crowds.insert(group.clone(), crowd);
        Ok(crowd)
    }

    /// A case of `source` changed what it adds to a group.
    pub fn shift(&mut self, kind: GroupKind, crowd: i64, source: i64, by: [i64; 4]) {
        if by != [0; 4] {
            let shift = self.shifts.entry(crowd).or_default();
            shift.read = self.watched.of(kind);
            shift.counts.iter_mut().zip(by).for_each(|(sum, by)| *sum += by);
            *shift.open.entry(source).or_default() += by[0];
        }
    }

    /// A case became an open member: it was judged without the group's facts.
    pub fn join(&mut self, kind: GroupKind, crowd: i64, case: i64) {
        if self.watched.of(kind) != FactsRead::default() {
            self.joined.push((case, crowd));
        }
    }

    pub fn settle(self, db: &Connection, now: Timestamp) -> Result<()> {
        for (crowd, shift) in &self.shifts {
            shift.settle(db, *crowd)?;
        }
        for (case, crowd) in &self.joined {
            if !is_awaited(db, *case, *crowd)? {
                wake(db, *case, now)?;
            }
        }
        tally(db, "open", self.open)?;
        tally(db, "decisions", self.decisions)
    }
}

impl Shift {
    fn settle(&self, db: &Connection, crowd: i64) -> Result<()> {
        if self.counts != [0; 4] {
            db.prepare_cached(
                "UPDATE crowd SET open = open + ?2, urgent = urgent + ?3, unowned = unowned + ?4,
                   unanswered = unanswered + ?5 WHERE id = ?1",
            )?
            .execute(params![
                crowd,
                self.counts[0],
                self.counts[1],
                self.counts[2],
                self.counts[3]
            ])?;
        }
        let mut sources = 0;
        for (source, by) in self.open.iter().filter(|(_, by)| **by != 0) {
            let open: i64 = db
                .prepare_cached(
                    "INSERT INTO crowd_source VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET open = open + excluded.open RETURNING open",
                )?
                .query_row([crowd, *source, *by], |row| row.get(0))?;
            sources += i64::from(open > 0) - i64::from(open - by > 0);
        }
        if self.read.any_of(self.counts, sources) {
            // A lap from where the walk is now: members already passed are passed again.
            db.prepare_cached(
                "INSERT INTO waking (crowd, at) VALUES (?1, 0)
                 ON CONFLICT DO UPDATE SET stop_at = at, wrapped = 0",
            )?
            .execute([crowd])?;
        }
        Ok(())
    }
}

/// Whether the group's walk is still to come by the case.
fn is_awaited(db: &Connection, case: i64, crowd: i64) -> Result<bool> {
    Ok(db
        .prepare_cached("SELECT 1 FROM waking WHERE crowd = ?1 AND NOT wrapped AND at < ?2")?
        .exists([crowd, case])?)
}

/// A kind of group as stored.
pub fn number(kind: GroupKind) -> i64 {
    match kind {
        GroupKind::Customer => 0,
        GroupKind::Owner => 1,
        GroupKind::Team => 2,
    }
}
