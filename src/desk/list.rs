//! `dutyd list`: flagged cases across all sources, worst first.

use super::{Desk, Refusal};
use crate::notify::{Unseen, nearest_end, sentence_now};
use crate::store::{FlagRow, open_state};
use dutyd_core::action::Severity;
use dutyd_core::around::Around;
use dutyd_core::policy::PolicySet;
use dutyd_core::state::{CaseState, Override};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, btree_map};

/// The flagged cases at one instant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct List {
    pub now: Timestamp,
    /// Whether the daemon answered; else the database did.
    #[serde(default = "by_the_daemon")]
    pub running: bool,
    /// Sources whose flags may be old or missing.
    #[serde(default)]
    pub unseen: Vec<Unseen>,
    /// Open flags, those left out that a flag at least as severe on the same case covers.
    pub flags: Vec<FlagLine>,
    /// Cases by their worst flag, also those left out here: watch, warning, candidate, critical.
    pub cases: [u64; 4],
    /// Cases whose flags are all dismissed or snoozed.
    pub dismissed: u64,
}

/// One open flag, with what a person needs to act on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FlagLine {
    pub severity: Severity,
    pub source: String,
    pub number: String,
    pub title: String,
    pub link: Option<String>,
    pub customer: Option<String>,
    pub owner: Option<String>,
    pub team: Option<String>,
    pub rule: String,
    pub why: String,
    /// Whether that is of now; else its condition does not hold any more, and it is of the moment the flag was raised.
    #[serde(default)]
    pub why_is_of_now: bool,
    pub since: Timestamp,
    /// A person said no, or not now; shown last.
    pub dismissed: bool,
    /// What people said about it, the latest last.
    #[serde(default)]
    pub said: Vec<Override>,
    /// Which running clock of the case ends first, or ended.
    #[serde(default)]
    pub clock: Option<String>,
    /// When that clock ends.
    pub due_at: Option<Timestamp>,
}

/// A daemon that does not say so answered itself.
fn by_the_daemon() -> bool {
    true
}

impl List {
    /// Each case once, in the order of its worst flag: that flag and the others.
    pub fn by_case(&self) -> Vec<(&FlagLine, Vec<&FlagLine>)> {
        let mut cases: Vec<(&FlagLine, Vec<&FlagLine>)> = Vec::new();
        let mut places: HashMap<_, usize> = HashMap::new();
        for flag in &self.flags {
            match places.entry((&flag.source, &flag.number)) {
                Entry::Occupied(place) => cases[*place.get()].1.push(flag),
                Entry::Vacant(place) => {
                    place.insert(cases.len());
                    cases.push((flag, Vec::new()));
                }
            }
        }
        cases
    }

    /// Flagged cases that are not among these.
    pub fn left_out(&self) -> u64 {
        let all = self.cases.iter().sum::<u64>() + self.dismissed;
        all.saturating_sub(self.by_case().len() as u64)
    }
}

impl Desk {
    pub(super) async fn list(&self, max: usize) -> Result<List, Refusal> {
        let now = self.now();
        let policies = self.policies();
        let mut cases: BTreeMap<i64, Option<(CaseState, Around)>> = BTreeMap::new();
        let mut flags = Vec::new();
        let rows = self.store.open_flags(max).await?;
        for row in rows.iter().filter(|row| !covered(row, &rows, &policies)) {
            let known = match cases.entry(row.case) {
                btree_map::Entry::Occupied(known) => known.into_mut(),
                btree_map::Entry::Vacant(place) => place.insert(self.state_of(row).await?),
            };
            flags.push(line(row, known.as_ref(), &policies, now));
        }
        flags.sort_by_key(|flag| {
            (flag.dismissed, std::cmp::Reverse(flag.severity), flag.due_at.is_none(), flag.due_at, flag.since)
        });
        let counts = self.store.counts(now).await?;
        let sources = self.source_lines(now).await?;
        Ok(List {
            now,
            running: self.live.is_some(),
            unseen: sources.into_iter().filter_map(|source| source.unseen).collect(),
            flags,
            cases: counts.flagged,
            dismissed: counts.dismissed,
        })
    }

    async fn state_of(&self, row: &FlagRow) -> Result<Option<(CaseState, Around)>, Refusal> {
        let found = self.store.find_cases(&row.key.to_string()).await?;
        let exact = found.iter().find(|found| found.case == row.case);
        let Some(state) = exact.and_then(|found| open_state(&found.state).ok()) else { return Ok(None) };
        Ok(Some((state, self.store.around(row.case).await?)))
    }
}

/// Whether a flag at least as severe on the same case says it already. One that a person dismissed covers only such.
fn covered(flag: &FlagRow, flags: &[FlagRow], policies: &PolicySet) -> bool {
    flags
        .iter()
        .filter(|by| by.case == flag.case && by.severity >= flag.severity && by.dismissed <= flag.dismissed)
        .any(|by| policies.current.covers(&by.rule, &flag.rule))
}

fn line(
    row: &FlagRow,
    known: Option<&(CaseState, Around)>,
    policies: &PolicySet,
    now: Timestamp,
) -> FlagLine {
    let why = known.and_then(|(state, around)| sentence_now(policies, state, around, &row.rule, now));
    let state = known.map(|(state, _)| state);
    let case = state.map(|state| &state.case);
    let (clock, due_at) = state.and_then(|state| nearest_end(policies, state, now)).unzip();
    let named = |party: Option<&dutyd_core::case::Party>| party.map(|party| party.name.clone());
    FlagLine {
        severity: row.severity,
        source: row.key.source.clone(),
        number: row.number.clone(),
        title: case.map(|case| case.title.clone()).unwrap_or_default(),
        link: case.and_then(|case| case.link.clone()),
        customer: named(case.and_then(|case| case.customer.as_ref())),
        owner: named(case.and_then(|case| case.owner.as_ref())),
        team: named(case.and_then(|case| case.team.as_ref())),
        rule: row.rule.clone(),
        why_is_of_now: why.is_some(),
        why: why.unwrap_or_else(|| row.why.clone()),
        since: row.raised_at,
        dismissed: row.dismissed,
        said: state.map(|state| said(row, state)).unwrap_or_default(),
        clock,
        due_at,
    }
}

fn said(row: &FlagRow, state: &CaseState) -> Vec<Override> {
    let flag = state.flags.iter().find(|flag| flag.rule == row.rule);
    let about = |said: &&Override| flag.is_some_and(|flag| said.is_about(flag));
    state.overrides.iter().filter(about).cloned().collect()
}
