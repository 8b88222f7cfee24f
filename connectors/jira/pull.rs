//! The scan: which issues changed since the cursor, as hints.
//!
//! Knows: the cursor's form, and how to page over a list that moves while it is read. Must not know: issues beyond id
//! and `updated`.
//!
//! Pages are anchored anew on the last `updated` seen, so that issues which move to the end of the list shift nothing
//! that is still to come. Only within one tick of the vendor's clock the vendor's own paging is used.

use super::answer;
use super::config::{Config, Flavour};
use super::connector::Jira;
use super::normalize::is_id;
use super::wire::{SearchPage, SearchRow, parse_time};
use crate::{ConnectorError, Ctx, Cursor, Hint, Lane, Method, Page, Quarantined, Request, Response};
use dutyd_core::case::{CaseKey, Revision};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Version of the cursor's stored form.
pub const CURSOR_VERSION: u16 = 1;
/// Pages without progress after which a scan ends where it stands.
const STALLS_MAX: u8 = 3;

/// Where a source stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Everything with `updated` before this, in milliseconds, has been seen by finished scans.
    pub floor_ms: i64,
    /// The scan under way.
    pub scan: Option<Scan>,
}

/// A scan between two pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The vendor's clock at the first page, in milliseconds; `None` if it did not tell.
    pub began_ms: Option<i64>,
    /// Lower bound of the next page.
    pub from_ms: i64,
    /// The vendor's paging within one tick: a token (Cloud).
    pub token: Option<String>,
    /// The vendor's paging within one tick: rows already read (Data Center).
    pub skip: u64,
    /// Id of the last row read while `skip` counts.
    pub last_id: Option<String>,
    /// The latest `updated` seen.
    pub seen_ms: i64,
    pub stalls: u8,
}

impl Position {
    /// A cursor of another version or of no form of ours means: from the beginning.
    pub fn read(cursor: Option<&Cursor>, config: &Config) -> Self {
        let known = cursor.filter(|cursor| cursor.version == CURSOR_VERSION);
        let read = known.and_then(|cursor| serde_json::from_str(&cursor.body).ok());
        let floor_ms = config.read_from.map_or(0, |from| from.as_millisecond());
        read.unwrap_or(Self { floor_ms, scan: None })
    }

    pub fn to_cursor(&self) -> Cursor {
        let body = serde_json::to_string(self).expect("numbers and text have a JSON form");
        Cursor { version: CURSOR_VERSION, body }
    }
}

/// One row of a page: id and `updated`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: String,
    pub updated_ms: i64,
}

/// A page as far as paging is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub rows: Vec<Row>,
    pub token: Option<String>,
    pub more: bool,
    /// The vendor's clock.
    pub date_ms: Option<i64>,
}

/// How the scan goes on after a page. `tick_ms`: what the vendor's search can tell apart.
pub fn step(position: &Position, scan: Scan, turn: &Turn, config: &Config) -> Position {
    let tick_ms = tick(config.flavour);
    let mut scan = Scan { began_ms: scan.began_ms.or(turn.date_ms), ..scan };
    let last = turn.rows.iter().map(|row| row.updated_ms).max();
    scan.seen_ms = scan.seen_ms.max(last.unwrap_or(scan.seen_ms));
    if !turn.more {
        return finished(position, &scan, config);
    }
    let anchor = last.map_or(scan.from_ms, |last| last - last.rem_euclid(tick_ms));
    if anchor > scan.from_ms {
        let next = Scan { from_ms: anchor, token: None, skip: 0, last_id: None, stalls: 0, ..scan };
        return Position { scan: Some(next), ..position.clone() };
    }
    within_tick(position, scan, turn, config)
}

/// A whole page lies within one tick of the clock: the vendor's own paging has to carry on.
fn within_tick(position: &Position, scan: Scan, turn: &Turn, config: &Config) -> Position {
    let repeated = turn.token.is_some() && turn.token == scan.token;
    let moved = scan.skip > 0 && turn.rows.first().map(|row| &row.id) != scan.last_id.as_ref();
    let stuck = turn.rows.is_empty() || repeated || moved;
    let stalls = if stuck { scan.stalls + 1 } else { scan.stalls };
    if stalls >= STALLS_MAX {
        // Invariant: a scan that cannot advance ends, and the cursor stays behind what it did not see
        // (`a_scan_without_progress_ends_and_does_not_move_the_cursor_past_it`).
        let stuck_at = Scan { seen_ms: scan.from_ms, ..scan };
        return finished(position, &stuck_at, config);
    }
    let next = match config.flavour {
        Flavour::Cloud => Scan { token: turn.token.clone().filter(|_| !repeated), stalls, ..scan },
        // Rows left the tick while it was read: what follows has shifted, so the tick is read again.
        Flavour::DataCenter if moved => Scan { skip: 0, last_id: None, stalls, ..scan },
        // One row of overlap shows at the next page whether anything shifted.
        Flavour::DataCenter => {
            let read = (turn.rows.len() as u64).saturating_sub(u64::from(scan.skip > 0));
            let skip = scan.skip + read - u64::from(scan.skip == 0 && read > 0);
            Scan { skip, last_id: turn.rows.last().map(|row| row.id.clone()), stalls, ..scan }
        }
    };
    Position { scan: Some(next), ..position.clone() }
}

/// The cursor never passes what was seen, nor the vendor's clock at the beginning of the scan less the lag of its
/// index. Without a clock the lag is taken off what was seen.
fn finished(position: &Position, scan: &Scan, config: &Config) -> Position {
    let lag_ms = i64::from(config.lag_seconds) * 1_000;
    let settled = scan.began_ms.unwrap_or(scan.seen_ms).saturating_sub(lag_ms);
    Position { floor_ms: position.floor_ms.max(scan.seen_ms.min(settled)), scan: None }
}

/// Vendor: the search index of Data Center keeps whole seconds; Cloud compares milliseconds.
fn tick(flavour: Flavour) -> i64 {
    match flavour {
        Flavour::Cloud => 1,
        Flavour::DataCenter => 1_000,
    }
}

/// A scan from the cursor, reaching back by the overlap.
pub fn begin(position: &Position, config: &Config) -> Scan {
    let overlap_ms = i64::from(config.overlap_seconds) * 1_000;
    let least = config.read_from.map_or(0, |from| from.as_millisecond());
    let from_ms = position.floor_ms.saturating_sub(overlap_ms).max(least);
    Scan {
        began_ms: None,
        from_ms: from_ms - from_ms.rem_euclid(tick(config.flavour)),
        token: None,
        skip: 0,
        last_id: None,
        seen_ms: position.floor_ms,
        stalls: 0,
    }
}

/// Conditions of the scope, each in parentheses: they cannot change the meaning of what follows.
pub fn scope(config: &Config) -> String {
    let mut conditions = Vec::new();
    if !config.projects.is_empty() {
        conditions.push(format!("project in ({})", config.projects.join(", ")));
    }
    if !config.scope.trim().is_empty() {
        conditions.push(format!("({})", config.scope.trim()));
    }
    conditions.join(" AND ")
}

/// Vendor: a date in JQL is read in the account's time zone and cut to the minute; a number is epoch milliseconds
/// (airbyte pull requests 48395 and 48838 measured it). No upper bound: it would hide issues that change often.
pub fn jql(config: &Config, from_ms: i64) -> String {
    let scope = scope(config);
    let joined = if scope.is_empty() { String::new() } else { format!("{scope} AND ") };
    format!("{joined}updated >= {from_ms} ORDER BY updated ASC, key ASC")
}

impl Jira {
    pub(super) async fn next_page(
        &self,
        cx: &Ctx<'_>,
        from: Option<&Cursor>,
    ) -> Result<Page, ConnectorError> {
        let position = Position::read(from, &self.config);
        let fresh = position.scan.is_none();
        let scan = position.scan.clone().unwrap_or_else(|| begin(&position, &self.config));
        let lane = if position.floor_ms == 0 { Lane::Backfill } else { Lane::Hot };
        let response = match self.send(cx, self.search(&scan, lane), false).await {
            Err(ConnectorError::Refused { status: 400, .. }) if scan.token.is_some() => {
                // Vendor: a page token dies after seven days. The tick is read again from its beginning.
                let again = Scan { token: None, ..scan };
                let next = Position { scan: Some(again), ..position }.to_cursor();
                return Ok(Page { next: Some(next), more: true, ..Page::default() });
            }
            other => other?,
        };
        if fresh && !answer::names_account(&response) {
            // Vendor: to a caller whose credentials do not count, a search answers 200 and finds nothing.
            self.me(cx).await?;
        }
        let date_ms = response.date().map(|at| at.as_millisecond());
        let page: SearchPage = self.decode(cx, response, "search result")?;
        Ok(self.page_of(&position, scan, &page, date_ms))
    }

    fn page_of(&self, position: &Position, scan: Scan, answer: &SearchPage, date_ms: Option<i64>) -> Page {
        let (mut rows, mut page) = (Vec::new(), Page::default());
        for raw in &answer.issues {
            match row(raw.get()) {
                Ok(row) => {
                    page.hints.push(self.hint(&row));
                    rows.push(row);
                }
                Err(reason) => page.quarantined.push(quarantine(raw.get(), reason)),
            }
        }
        let more = match self.config.flavour {
            Flavour::Cloud => answer.next_page_token.is_some(),
            Flavour::DataCenter => answer.total.unwrap_or(0) > scan.skip + answer.issues.len() as u64,
        };
        let (turn, from_ms) =
            (Turn { rows, token: answer.next_page_token.clone(), more, date_ms }, scan.from_ms);
        let next = step(position, scan, &turn, &self.config);
        page.more = next.scan.is_some();
        // Invariant: a scan that ended before its end has not seen everything (tests/it/hostile/paging.rs).
        page.stuck = (more && !page.more)
            .then(|| format!("the search goes on and does not advance at `updated >= {from_ms}`"));
        page.next = Some(next.to_cursor());
        page
    }

    fn hint(&self, row: &Row) -> Hint {
        let revision = Some(Revision { at_ms: row.updated_ms, count: 0 });
        Hint { key: CaseKey::new(&self.source, &row.id), revision, delivery_id: None }
    }

    fn search(&self, scan: &Scan, lane: Lane) -> Request {
        let jql = jql(&self.config, scan.from_ms);
        let size = self.config.page_size;
        let (path, body) = match (self.config.flavour, &scan.token) {
            (Flavour::Cloud, None) => {
                ("search/jql", json!({ "jql": jql, "maxResults": size, "fields": ["updated"] }))
            }
            (Flavour::Cloud, Some(token)) => (
                "search/jql",
                json!({ "jql": jql, "maxResults": size, "fields": ["updated"], "nextPageToken": token }),
            ),
            (Flavour::DataCenter, _) => (
                "search",
                json!({ "jql": jql, "startAt": scan.skip, "maxResults": size, "fields": ["updated"] }),
            ),
        };
        Request::json(Method::Post, self.path(path), body.to_string(), lane)
    }

    /// The answer's JSON; for the reading requests of this file and its neighbours.
    pub(super) fn decode<T: serde::de::DeserializeOwned>(
        &self,
        cx: &Ctx<'_>,
        response: Response,
        what: &str,
    ) -> Result<T, ConnectorError> {
        answer::parsed(response, what, cx.now)
    }
}

fn row(raw: &str) -> Result<Row, String> {
    let row: SearchRow = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    if !is_id(&row.id) {
        return Err("its id is not a number".to_owned());
    }
    let updated = row.fields.updated.ok_or("no `updated`")?;
    let updated_at = parse_time(&updated).ok_or_else(|| format!("`updated` is not a time: {updated}"))?;
    Ok(Row { id: row.id, updated_ms: updated_at.as_millisecond() })
}

/// A record that could not be understood, named as well as possible.
pub fn quarantine(raw: &str, reason: String) -> Quarantined {
    Quarantined::of(raw, "id", reason)
}
