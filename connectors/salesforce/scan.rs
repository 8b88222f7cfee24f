//! The scan for changed records: its cursor, its questions, and what a page means for it. Pure.
//!
//! Invariant: the cursor never passes the org's own time minus the lag allowance, and moves by vendor data only
//! (`the_cursor_stays_behind_the_orgs_clock`).

use super::config::Config;
use super::soql::{instant, parse_instant, quoted, record_id};
use super::wire::{self, Found};
use crate::{Cursor, Hint, Quarantined};
use dutyd_core::case::CaseKey;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeSet;

pub const CURSOR_VERSION: u16 = 1;
/// Below this page size a timed-out answer is the org's trouble, not the page's.
const PAGE_MIN: u32 = 10;
/// Rows remembered per stream within the overlap; the oldest are forgotten first, which costs reading a case again.
const SEEN_MAX: usize = 20_000;

/// One kind of record whose changes are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Cases,
    Comments,
    Mails,
    History,
}

impl Stream {
    pub const ALL: [Stream; 4] = [Stream::Cases, Stream::Comments, Stream::Mails, Stream::History];

    pub fn object(self) -> &'static str {
        match self {
            Stream::Cases => "Case",
            Stream::Comments => "CaseComment",
            Stream::Mails => "EmailMessage",
            Stream::History => "CaseHistory",
        }
    }

    /// Vendor: history rows never change and have no other stamp (object reference, CaseHistory).
    fn stamp(self) -> &'static str {
        if self == Stream::History { "CreatedDate" } else { "SystemModstamp" }
    }

    /// The field with the case's id.
    fn case(self) -> &'static str {
        match self {
            Stream::Cases => "Id",
            Stream::Comments | Stream::Mails => "ParentId",
            Stream::History => "CaseId",
        }
    }
}

/// Where the scan stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// The scope and lower bound it was made under; another one begins anew.
    pub under: String,
    pub positions: Vec<Position>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    pub stream: Stream,
    /// All changes stamped up to then have been read. `None`: the first scan is not finished.
    pub read_to: Option<Timestamp>,
    pub sweep: Option<Sweep>,
    /// Rows read already whose stamps lie within the overlap: stamp and id.
    pub seen: BTreeSet<(Timestamp, String)>,
}

/// One pass from the lower bound to an upper bound that stands still, so that a busy org cannot make it endless.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// From the `Date` of its first answer.
    pub until: Option<Timestamp>,
    /// The last row read: stamp and id.
    pub after: Option<(Timestamp, String)>,
    /// Rows per page: what is configured, or less where the org ran out of time.
    pub limit: u32,
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
    case: String,
}

impl Scan {
    /// Takes up a cursor. One that we do not understand, or of another scope, begins anew: reading again is harmless.
    pub fn resume(config: &Config, from: Option<&Cursor>) -> Self {
        let under = format!("{}|{}", config.scope, config.read_from.map(instant).unwrap_or_default());
        let known: Option<Scan> = from
            .filter(|cursor| cursor.version == CURSOR_VERSION)
            .and_then(|cursor| serde_json::from_str(&cursor.body).ok())
            .filter(|scan: &Scan| scan.under == under);
        let whole = |scan: &Scan| scan.positions.iter().map(|position| position.stream).eq(Stream::ALL);
        let fresh = |stream| Position { stream, read_to: None, sweep: None, seen: BTreeSet::new() };
        known.filter(whole).unwrap_or_else(|| Self { under, positions: Stream::ALL.map(fresh).into() })
    }

    pub fn cursor(&self) -> Cursor {
        let body = serde_json::to_string(self).expect("a cursor holds only text, numbers and instants");
        Cursor { version: CURSOR_VERSION, body }
    }

    fn cases(&self) -> &Position {
        &self.positions[0]
    }

    pub fn is_backfill(&self) -> bool {
        self.cases().read_to.is_none()
    }

    /// Indexes of the positions to ask about now. The first scan is for cases alone, since each is read with its
    /// children; those that change meanwhile are followed from its beginning on.
    pub fn due(&self) -> Vec<usize> {
        if self.is_backfill() {
            return vec![0];
        }
        let all = 0..self.positions.len();
        let open: Vec<usize> = all.clone().filter(|at| self.positions[*at].sweep.is_some()).collect();
        if open.is_empty() { all.collect() } else { open }
    }

    /// Takes in the pages of the positions asked about; whether there is more to read now comes with the news.
    pub fn take(
        &mut self,
        config: &Config,
        source: &str,
        pages: Vec<(usize, Found)>,
        server_now: Timestamp,
    ) -> Result<(News, bool), String> {
        let mut news = News::default();
        let began = self.is_backfill() && self.cases().sweep.is_none();
        for (at, page) in pages {
            self.positions[at].take(config, source, &page, server_now, &mut news)?;
        }
        if began {
            let start = behind(server_now, config.lag_seconds);
            self.positions[1..].iter_mut().for_each(|position| position.read_to = Some(start));
        }
        let mut known = BTreeSet::new();
        news.hints.retain(|hint| known.insert(hint.key.clone()));
        let more = self.positions.iter().any(|position| position.sweep.is_some());
        Ok((news, more))
    }
}

impl Position {
    fn lower(&self, config: &Config) -> Option<Timestamp> {
        let reached = self.read_to.map(|at| behind(at, config.overlap_seconds));
        match self.stream {
            Stream::Cases => reached.max(config.read_from),
            _ => reached,
        }
    }

    fn current(&self, config: &Config) -> Sweep {
        let fresh = Sweep { until: None, after: None, limit: config.page_size };
        self.sweep.clone().unwrap_or(fresh)
    }

    /// The next question. Vendor: AND and OR do not mix without parentheses (soql-sosl-reference, WHERE).
    pub fn question(&self, config: &Config) -> String {
        let (stamp, sweep) = (self.stream.stamp(), self.current(config));
        let mut conditions = Vec::new();
        match &sweep.after {
            None => conditions.extend(self.lower(config).map(|at| format!("{stamp} >= {}", instant(at)))),
            Some((at, id)) => {
                let (at, id) = (instant(*at), quoted(id));
                conditions.push(format!("(({stamp} = {at} AND Id > {id}) OR {stamp} > {at})"));
            }
        }
        match self.stream {
            Stream::Cases if !config.scope.is_empty() => conditions.push(format!("({})", config.scope)),
            Stream::Mails => conditions.push("ParentId != null".to_owned()),
            _ => {}
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        let case =
            if self.stream == Stream::Cases { String::new() } else { format!(", {}", self.stream.case()) };
        let (object, limit) = (self.stream.object(), sweep.limit);
        format!("SELECT Id, {stamp}{case} FROM {object}{filter} ORDER BY {stamp} ASC, Id ASC LIMIT {limit}")
    }

    /// Asks for less from now on in this sweep. Whether that is still sensible is the answer.
    pub fn halve(&mut self, config: &Config) -> bool {
        let mut sweep = self.current(config);
        sweep.limit /= 2;
        let sensible = sweep.limit >= PAGE_MIN;
        self.sweep = Some(sweep);
        sensible
    }

    fn take(
        &mut self,
        config: &Config,
        source: &str,
        page: &Found,
        server_now: Timestamp,
        news: &mut News,
    ) -> Result<(), String> {
        let mut sweep = self.current(config);
        let until = *sweep.until.get_or_insert(server_now.max(self.read_to.unwrap_or(server_now)));
        let rows = self.sift(config, &sweep, page, news)?;
        let settled = behind(server_now, config.lag_seconds);
        let kept_from = behind(settled.min(until), config.overlap_seconds);
        for row in &rows {
            if self.seen.contains(&(row.at, row.id.clone())) {
                continue;
            }
            // No revision: within one second of the vendor's clock two versions look the same.
            news.hints.push(Hint {
                key: CaseKey::new(source, &*row.case),
                revision: None,
                delivery_id: None,
            });
            // A row of the last seconds may change again without a new stamp, so it is read once more.
            if row.at <= settled && row.at >= kept_from {
                self.seen.insert((row.at, row.id.clone()));
            }
        }
        let last = rows.last().map(|row| (row.at, row.id.clone()));
        let past_end = last.as_ref().is_some_and(|(at, _)| *at > until);
        let full = page.records.len() >= sweep.limit as usize || !page.done;
        if past_end || !full {
            self.read_to = self.read_to.max(Some(behind(until, config.lag_seconds)));
            self.sweep = None;
            self.forget(config);
        } else {
            sweep.after = Some(last.ok_or("a whole page of records without a readable id and time")?);
            self.sweep = Some(sweep);
        }
        while self.seen.len() > SEEN_MAX {
            self.seen.pop_first();
        }
        Ok(())
    }

    fn forget(&mut self, config: &Config) {
        if let Some(lower) = self.read_to.map(|at| behind(at, config.overlap_seconds)) {
            self.seen = self.seen.split_off(&(lower, String::new()));
        }
    }

    /// The rows of a page, compared with what was asked.
    fn sift(
        &self,
        config: &Config,
        sweep: &Sweep,
        page: &Found,
        news: &mut News,
    ) -> Result<Vec<Seen>, String> {
        let lower = self.lower(config);
        let mut before = sweep.after.clone();
        let mut seen: Vec<Seen> = Vec::with_capacity(page.records.len());
        for raw in &page.records {
            let row = match parse(self.stream, raw) {
                Ok(row) => row,
                Err(quarantined) => {
                    news.quarantined.push(quarantined);
                    continue;
                }
            };
            let follows =
                before.as_ref().is_none_or(|(at, id)| *at < row.at || (*at == row.at && *id != row.id));
            if !follows || lower.is_some_and(|lower| row.at < lower) {
                return Err(format!(
                    "the answer does not match the question: {} {} of {} does not belong there",
                    self.stream.object(),
                    row.id,
                    instant(row.at)
                ));
            }
            before = Some((row.at, row.id.clone()));
            seen.push(row);
        }
        Ok(seen)
    }
}

fn behind(at: Timestamp, seconds: u32) -> Timestamp {
    at.saturating_sub(SignedDuration::from_secs(seconds.into())).unwrap_or(at)
}

fn parse(stream: Stream, raw: &RawValue) -> Result<Seen, Quarantined> {
    let bad = |reason: String| Quarantined::of(raw.get(), stream.case(), reason);
    let row: Value = serde_json::from_str(raw.get()).map_err(|error| bad(error.to_string()))?;
    let text = wire::text(&row, "Id");
    let case = wire::text(&row, stream.case());
    let id = record_id(text).ok_or_else(|| bad(format!("Id {text:?} is not a record's id")))?;
    let case = record_id(case).ok_or_else(|| bad(format!("{case:?} is not a case's id")))?;
    let stamp = wire::text(&row, stream.stamp());
    let at =
        parse_instant(stamp).ok_or_else(|| bad(format!("{} {stamp:?} is not an instant", stream.stamp())))?;
    Ok(Seen { at, id, case })
}
