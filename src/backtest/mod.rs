//! `dutyd backtest`: a policy judged on the kept past, beside the one in force, against what came of the cases.
//!
//! Reads only. Two passes over the cases in the order they were first seen: one rebuilds what their neighbours added up to
//! at every instant, one judges each case from instant to instant. Must not know: how the figures are printed.

mod figures;
mod outcome;
#[cfg(test)]
mod tests;

pub use figures::{Cases, Example, Figures, RuleFigures};
pub use outcome::Against;

use crate::store::{StateRow, Store, StoreError, open_state};
use dutyd_core::action::Severity;
use dutyd_core::decide::{
    DecisionKind, Footprint, Gathering, Knowledge, Learned, Neighbourhood, Trace, retrace,
};
use dutyd_core::policy::PolicySet;
use dutyd_core::state::{CaseState, Presence};
use figures::{Appearance, Sums};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use outcome::Outcome;
use serde::Serialize;
use std::collections::BTreeMap;

/// Cases read at once.
const PAGE: usize = 1_000;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// Flags raised from here on count.
    pub since: Timestamp,
    pub until: Timestamp,
    /// Only the cases of this source are judged; neighbours are counted everywhere.
    pub source: Option<String>,
    /// A flag counts from when it is at least so severe.
    pub severity: Severity,
    pub against: Against,
    pub knowledge: Knowledge,
    /// In which days begin.
    pub zone: TimeZone,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Backtest {
    /// Content hash of the policy that was tried.
    pub policy: String,
    /// Of the one in force, beside which it stands; `None`: it is the same, or not kept.
    pub beside: Option<String>,
    pub since: Timestamp,
    pub until: Timestamp,
    pub days: u32,
    pub severity: Severity,
    pub against: Against,
    pub seen: SeenCases,
    pub all: RuleFigures,
    pub rules: BTreeMap<String, RuleFigures>,
}

/// What the figures rest on, and what they cannot know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SeenCases {
    /// Cases of which something was known by the end.
    pub cases: u64,
    /// Of these, cases that were open or changed within the time asked about, and so were judged.
    pub judged: u64,
    /// Judgements made, of both policies.
    pub judgements: u64,
    /// Cases that came to a bad end within that time.
    pub bad: u64,
    /// Known once, pruned or erased since.
    pub forgotten: u64,
    /// Their state cannot be read.
    pub unreadable: u64,
    /// Their oldest events are not kept.
    pub truncated: u64,
    /// Deleted or hidden since; judged up to their last change.
    pub gone: u64,
    /// Given up after very many judgements.
    pub cut: u64,
    /// The facts of neighbours had more changes than are kept and were left out.
    pub alone: bool,
}

/// The policy to try and the one it stands beside.
pub struct Contest {
    pub tried: PolicySet,
    /// `None`: the same, or not kept.
    pub beside: Option<PolicySet>,
    /// By which clocks a target is missed: the policy in force with those before it.
    pub clocks: PolicySet,
}

/// Judges the past. `progress` hears how many cases were read so far, twice from the first to the last.
pub async fn run(
    store: &dyn Store,
    contest: &Contest,
    question: &Question,
    mut progress: impl FnMut(Pass, u64),
) -> Result<Backtest, StoreError> {
    let mut gatherings: Vec<Gathering> = contest.policies().map(|_| Gathering::default()).collect();
    let mut pages = Pages::default();
    while let Some(rows) = pages.next(store).await? {
        for prints in on_all_processors(&rows, |row| footprints(contest, question, row)) {
            gatherings.iter_mut().zip(prints).for_each(|(gathering, print)| gathering.take(print));
        }
        progress(Pass::Neighbours, pages.read);
    }
    let policies: Vec<&PolicySet> = contest.policies().collect();
    let around: Vec<Neighbourhood> = gatherings
        .into_iter()
        .zip(&policies)
        .map(|(gathering, set)| gathering.finish(set.current.clone()))
        .collect();
    let mut sums = Sums::new(question, contest);
    let mut seen = SeenCases {
        forgotten: store.past().await?.forgotten,
        alone: around.iter().any(|around| around.overfull),
        ..SeenCases::default()
    };
    let mut pages = Pages::default();
    while let Some(rows) = pages.next(store).await? {
        for judged in on_all_processors(&rows, |row| judge(contest, &around, question, row)) {
            seen.add(&judged);
            if let Judged::Case(case) = judged {
                sums.take(*case);
            }
        }
        progress(Pass::Cases, pages.read);
    }
    Ok(sums.finish(question, contest, seen))
}

/// Which pass a count is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    Neighbours,
    Cases,
}

impl Contest {
    fn policies(&self) -> impl Iterator<Item = &PolicySet> {
        std::iter::once(&self.tried).chain(&self.beside)
    }
}

#[derive(Default)]
struct Pages {
    after: i64,
    read: u64,
}

impl Pages {
    async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<StateRow>>, StoreError> {
        let rows = store.states(self.after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        self.after = last.case;
        self.read += rows.len() as u64;
        Ok(Some(rows))
    }
}

/// In order, each processor a part.
fn on_all_processors<T: Send>(rows: &[StateRow], work: impl Fn(&StateRow) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let part = rows.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let work = &work;
        let parts: Vec<_> = rows
            .chunks(part)
            .map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<T>>()))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn footprints(contest: &Contest, question: &Question, row: &StateRow) -> Vec<Footprint> {
    let Ok(state) = open_state(&row.state) else { return Vec::new() };
    let state = Learned::recast(state, question.knowledge);
    let learned = Learned::of(&state, question.until);
    contest.policies().map(|set| Footprint::of(&set.current, &learned)).collect()
}

/// What one case came to.
enum Judged {
    Unreadable,
    /// Nothing was known of it by the end.
    Unknown,
    /// Over before the time asked about.
    Over,
    Case(Box<JudgedCase>),
}

struct JudgedCase {
    name: String,
    truncated: bool,
    gone: bool,
    outcome: Outcome,
    /// Of the policy tried, and of the one it stands beside.
    traces: Vec<BTreeMap<String, Appearance>>,
    judgements: u64,
    cut: bool,
}

fn judge(contest: &Contest, around: &[Neighbourhood], question: &Question, row: &StateRow) -> Judged {
    let Ok(state) = open_state(&row.state) else { return Judged::Unreadable };
    if question.source.as_ref().is_some_and(|source| *source != row.key.source) {
        return Judged::Over;
    }
    let state = Learned::recast(state, question.knowledge);
    let learned = Learned::of(&state, question.until);
    let Some(last) = learned.last() else { return Judged::Unknown };
    let mut end = state.as_known_at(question.until);
    end.overrides.retain(|said| said.at <= question.until);
    let is_done = !end.case.status.is_open() || state.presence != Presence::Present;
    if is_done && last < question.since {
        return Judged::Over;
    }
    let traces: Vec<Trace> = contest
        .policies()
        .zip(around)
        .map(|(set, around)| retrace(set, &learned, around, question.until))
        .collect();
    Judged::Case(Box::new(JudgedCase {
        name: format!("{}/{}", row.key.source, row.number),
        outcome: question.against.outcome(&contest.clocks, &end, is_done, question),
        judgements: traces.iter().map(|trace| trace.judged as u64).sum(),
        cut: traces.iter().any(|trace| trace.cut),
        truncated: state.truncated,
        gone: state.presence != Presence::Present,
        traces: traces.into_iter().map(|trace| appearances(trace, question, &end)).collect(),
    }))
}

/// When each rule's flag appeared at least as severe as asked, within the time asked about.
fn appearances(trace: Trace, question: &Question, end: &CaseState) -> BTreeMap<String, Appearance> {
    let mut found: BTreeMap<String, Appearance> = BTreeMap::new();
    let mut shown: BTreeMap<String, Severity> = BTreeMap::new();
    for decision in trace.decisions {
        let was = shown.get(&decision.rule).is_some_and(|severity| *severity >= question.severity);
        match decision.kind {
            DecisionKind::Raise | DecisionKind::Change => {
                shown.insert(decision.rule.clone(), decision.severity);
                if !was && decision.severity >= question.severity && decision.at >= question.since {
                    found.entry(decision.rule.clone()).or_default().appear(decision);
                }
            }
            DecisionKind::Clear => drop(shown.remove(&decision.rule)),
            DecisionKind::Adopt | DecisionKind::Override => {}
        }
    }
    for (rule, untold) in trace.untold {
        let entry = found.entry(rule).or_default();
        entry.untold = true;
        entry.never_told = untold >= trace.judged;
    }
    for (rule, entry) in &mut found {
        entry.open = shown.get(rule).is_some_and(|severity| *severity >= question.severity);
        entry.dismissed = outcome::is_dismissed(end, rule);
    }
    found
}

impl SeenCases {
    fn add(&mut self, judged: &Judged) {
        match judged {
            Judged::Unreadable => self.unreadable += 1,
            Judged::Unknown => {}
            Judged::Over => self.cases += 1,
            Judged::Case(case) => {
                self.cases += 1;
                self.judged += 1;
                self.judgements += case.judgements;
                self.bad += u64::from(matches!(case.outcome, Outcome::Bad(_)));
                self.truncated += u64::from(case.truncated);
                self.gone += u64::from(case.gone);
                self.cut += u64::from(case.cut);
            }
        }
    }
}
