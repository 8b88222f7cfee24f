//! The scan for changed records: its cursor, its questions, and what a page means for it. Pure.
//!
//! Invariant: the cursor never passes the instance's own time minus the lag allowance, and moves by vendor data only
//! (`the_cursor_stays_behind_the_instances_clock`).

use super::config::{Config, Table};
use super::paging::{self, Asked, Next, SERVED_MIN};
use super::query::{List, is_sys_id, parse_stamp, stamp};
use super::wire::{Listed, Row};
use crate::{Cursor, Hint, Quarantined};
use dutyd_core::case::{CaseKey, Revision};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub const CURSOR_VERSION: u16 = 1;
const FIELDS: &str = "sys_id,sys_updated_on,sys_mod_count,number";
const ORDER: &str = "ORDERBYsys_updated_on^ORDERBYsys_id";
/// Below this page size a cut-off answer is the instance's trouble, not the page's.
pub const PAGE_MIN: u32 = 10;

/// Where the scan stands, one position per table, taken in turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    pub turn: usize,
    pub positions: Vec<Position>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    pub table: Table,
    /// The scope and lower bound it was made under; another one begins anew.
    pub under: String,
    /// All changes stamped up to then have been read. `None`: the first scan is not finished.
    pub read_to: Option<Timestamp>,
    /// The sweep under way.
    pub sweep: Option<Sweep>,
}

/// One pass from the lower bound to an upper bound that stands still, so that a busy table cannot make it endless.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// From the `Date` of its first answer.
    pub until: Option<Timestamp>,
    /// The last row read: stamp and `sys_id`.
    pub after: Option<(Timestamp, String)>,
    /// Rows per page: what is configured, or less where the instance cut a page off.
    pub limit: u32,
    pub counted: bool,
    /// Looking for the end of a stretch of hidden rows, so many rows on.
    pub hidden: Option<u32>,
}

/// The news of one page.
#[derive(Debug, Default)]
pub struct News {
    pub hints: Vec<Hint>,
    pub quarantined: Vec<Quarantined>,
}

/// A row of a scan that we understand.
struct Seen {
    at: Timestamp,
    id: String,
    count: u64,
}

impl Scan {
    /// Takes up a cursor. One that we do not understand, or of another scope, begins anew: reading again is harmless.
    pub fn resume(config: &Config, from: Option<&Cursor>) -> Self {
        let known: Option<Scan> = from
            .filter(|cursor| cursor.version == CURSOR_VERSION)
            .and_then(|cursor| serde_json::from_str(&cursor.body).ok());
        let (turn, known) = known.map_or((0, Vec::new()), |scan| (scan.turn, scan.positions));
        let under = under(config);
        let fresh = |table| Position { table, under: under.clone(), read_to: None, sweep: None };
        let positions: Vec<_> = config
            .tables
            .iter()
            .map(|table| {
                let kept = known.iter().find(|position| position.table == *table && position.under == under);
                kept.cloned().unwrap_or_else(|| fresh(*table))
            })
            .collect();
        Self { turn: if turn < positions.len() { turn } else { 0 }, positions }
    }

    pub fn cursor(&self) -> Cursor {
        let body = serde_json::to_string(self).expect("a cursor holds only text, numbers and instants");
        Cursor { version: CURSOR_VERSION, body }
    }

    pub fn position(&self) -> &Position {
        &self.positions[self.turn]
    }

    /// Takes in a page of the current table. The next turn comes when its sweep is done; whether there is more to
    /// read now is the answer.
    pub fn take(&mut self, config: &Config, source: &str, page: &Listed) -> Result<(News, bool), String> {
        let turn = self.turn;
        let news = self.positions[turn].take(config, source, page)?;
        if self.positions[turn].sweep.is_some() {
            return Ok((news, true));
        }
        self.turn = (turn + 1) % self.positions.len();
        Ok((news, self.turn != 0))
    }

    /// Asks for less from now on in this sweep. Whether that is still sensible is the answer.
    pub fn halve(&mut self, config: &Config) -> bool {
        let position = &mut self.positions[self.turn];
        let sweep = position.sweep.get_or_insert_with(|| Sweep::new(config, position.read_to));
        sweep.limit /= 2;
        sweep.limit >= PAGE_MIN
    }
}

fn under(config: &Config) -> String {
    format!("{}|{}", config.scope, config.read_from.map(stamp).unwrap_or_default())
}

impl Sweep {
    /// A sweep in the tail is short and wants its count at once; a first one is long and would have the instance
    /// count everything.
    fn new(config: &Config, read_to: Option<Timestamp>) -> Self {
        Self { until: None, after: None, limit: config.page_size, counted: read_to.is_some(), hidden: None }
    }

    fn asked(&self) -> Asked {
        match self.hidden {
            None => Asked { limit: self.limit, offset: 0, counted: self.counted },
            Some(offset) => Asked { limit: self.limit.min(SERVED_MIN), offset, counted: true },
        }
    }
}

impl Position {
    pub fn is_backfill(&self) -> bool {
        self.read_to.is_none()
    }

    fn lower(&self, config: &Config) -> Option<Timestamp> {
        let overlap = SignedDuration::from_secs(config.overlap_seconds.into());
        let reached = self.read_to.map(|at| at.saturating_sub(overlap).unwrap_or(at));
        reached.max(config.read_from.map(whole_seconds))
    }

    /// The next question.
    ///
    /// Vendor: an OR of ANDs needs `^NQ`, with the scope repeated in both groups; ordering applies to the whole.
    pub fn question(&self, config: &Config) -> List<'static> {
        let sweep = self.sweep.clone().unwrap_or_else(|| Sweep::new(config, self.read_to));
        let until = sweep.until.map(|until| format!("sys_updated_on<={}", stamp(until)));
        let groups = match &sweep.after {
            None => {
                let from = self.lower(config).map(|lower| format!("sys_updated_on>={}", stamp(lower)));
                vec![vec![from, until]]
            }
            Some((at, id)) => {
                let at = stamp(*at);
                vec![
                    vec![Some(format!("sys_updated_on>{at}")), until],
                    vec![Some(format!("sys_updated_on={at}")), Some(format!("sys_id>{id}"))],
                ]
            }
        };
        let scope = Some(config.scope.clone()).filter(|scope| !scope.is_empty());
        let groups = groups.into_iter().map(|group| {
            let parts: Vec<String> = scope.iter().cloned().chain(group.into_iter().flatten()).collect();
            parts.join("^")
        });
        let filter = groups.collect::<Vec<_>>().join("^NQ");
        let query = if filter.is_empty() { ORDER.to_owned() } else { format!("{filter}^{ORDER}") };
        let asked = sweep.asked();
        let mut list = List::new(self.table.name(), query, FIELDS, asked.limit);
        (list.offset, list.counted) = (asked.offset, asked.counted);
        list
    }

    fn take(&mut self, config: &Config, source: &str, page: &Listed) -> Result<News, String> {
        let mut sweep = self.sweep.take().unwrap_or_else(|| Sweep::new(config, self.read_to));
        let mut news = News::default();
        let seen = self.sift(config, &sweep, page, &mut news)?;
        if sweep.until.is_none() {
            let now = page.server_now.map(whole_seconds);
            sweep.until = now.map(|now| self.read_to.map_or(now, |read_to| read_to.max(now)));
        }
        news.hints.extend(seen.iter().map(|row| hint(source, row)));
        let last = seen.last().map(|row| (row.at, row.id.clone()));
        let past_end = matches!((&last, sweep.until), (Some((at, _)), Some(until)) if *at > until);
        match paging::next(sweep.asked(), page.rows.len(), page.total) {
            _ if past_end => self.finish(config, &sweep, last),
            Next::Done => self.finish(config, &sweep, last),
            Next::Behind { counted } => {
                let after = last.ok_or("a whole page of records without a readable id and time")?;
                self.sweep = Some(Sweep { after: Some(after), counted, hidden: None, ..sweep });
            }
            Next::Again { offset } => self.sweep = Some(Sweep { hidden: Some(offset), ..sweep }),
            Next::Lost => {
                return Err(format!(
                    "more than {} records in a row are hidden from the account; narrow the scope",
                    paging::OFFSET_MAX
                ));
            }
        }
        Ok(news)
    }

    fn finish(&mut self, config: &Config, sweep: &Sweep, last: Option<(Timestamp, String)>) {
        let lag = SignedDuration::from_secs(config.lag_seconds.into());
        let newest = last.or_else(|| sweep.after.clone()).map(|(at, _)| at);
        // Without a `Date` the newest row is all we know of the instance's time.
        let reached = sweep.until.or(newest).and_then(|at| at.checked_sub(lag).ok());
        self.read_to = self.read_to.max(reached);
        self.sweep = None;
    }

    /// The rows of a page, compared with what was asked.
    ///
    /// Vendor: an unknown or malformed condition is dropped and the rest is run (c_TableAPI), and an instance that
    /// reads instants in another zone answers for another range: either would lose or repeat records silently.
    fn sift(
        &self,
        config: &Config,
        sweep: &Sweep,
        page: &Listed,
        news: &mut News,
    ) -> Result<Vec<Seen>, String> {
        let lower = self.lower(config);
        let mut seen: Vec<Seen> = Vec::with_capacity(page.rows.len());
        for raw in &page.rows {
            let row = match parse(raw) {
                Ok(row) => row,
                Err(quarantined) => {
                    news.quarantined.push(quarantined);
                    continue;
                }
            };
            let before = seen.last().map(|row| (row.at, row.id.as_str()));
            let before = before.or_else(|| sweep.after.as_ref().map(|(at, id)| (*at, id.as_str())));
            let follows = before.is_none_or(|(at, id)| order(at, id) < order(row.at, &row.id));
            let inside =
                lower.is_none_or(|lower| row.at >= lower) && sweep.until.is_none_or(|until| row.at <= until);
            if !follows || !inside {
                return Err(format!(
                    "the answer does not match the question: record {} of {} does not belong there; is the \
                     account's time zone GMT, and every column of the scope known?",
                    row.id,
                    stamp(row.at)
                ));
            }
            seen.push(row);
        }
        Ok(seen)
    }
}

/// The database orders ids without regard to case.
fn order(at: Timestamp, id: &str) -> (Timestamp, String) {
    (at, id.to_ascii_lowercase())
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn parse(raw: &RawValue) -> Result<Seen, Quarantined> {
    let bad = |reason: String| Quarantined::of(raw.get(), "sys_id", reason);
    let row: Row = serde_json::from_str(raw.get()).map_err(|error| bad(error.to_string()))?;
    let text = |column: &str| row.get(column).map(|cell| cell.value.as_str()).unwrap_or_default();
    let id = text("sys_id");
    if !is_sys_id(id) {
        return Err(bad("sys_id is not 32 hexadecimal digits".to_owned()));
    }
    let at = text("sys_updated_on");
    let at = parse_stamp(at).ok_or_else(|| bad(format!("sys_updated_on {at:?} is not an instant")))?;
    let count = text("sys_mod_count").parse().unwrap_or(0);
    Ok(Seen { at, id: id.to_owned(), count })
}

fn hint(source: &str, row: &Seen) -> Hint {
    let revision = Revision { at_ms: row.at.as_millisecond(), count: row.count };
    Hint { key: CaseKey::new(source, row.id.clone()), revision: Some(revision), delivery_id: None }
}
