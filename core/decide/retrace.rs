//! The life of one case judged again, from instant to instant, by what was known at each: for backtests.
//!
//! An instant is when something was learned, when a neighbour's fact changed, and when the last judgement asked to look
//! again. Must not know: where cases are kept, what came of them.

use super::{Decision, Neighbourhood, decide};
use crate::policy::PolicySet;
use crate::state::{CaseState, Flag, MarkMemory, Presence};
use crate::timeline::TimelineEvent;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Judgements of one case at most; a case that needs more is judged up to there and says so.
pub const STEPS_MAX: usize = 50_000;

/// From when an event counts as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// From when dutyd learned it.
    AsLearned,
    /// From when it happened, as if dutyd had been watching already.
    AsHappened,
}

/// What came of judging a case again.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Flags raised, changed and cleared, oldest first.
    pub decisions: Vec<Decision>,
    /// Of each rule that could not tell: at how many judgements.
    pub untold: BTreeMap<String, usize>,
    /// Judgements of the open case.
    pub judged: usize,
    /// It was given up at [`STEPS_MAX`].
    pub cut: bool,
}

/// A case with the instants at which something of it was learned, oldest first.
pub struct Learned<'a> {
    state: &'a CaseState,
    instants: Vec<Timestamp>,
}

impl<'a> Learned<'a> {
    /// `state`: by [`Learned::recast`] if events count from when they happened.
    pub fn of(state: &'a CaseState, until: Timestamp) -> Self {
        let mut instants: Vec<Timestamp> =
            state.events.iter().map(known_from).filter(|at| *at <= until).collect();
        instants.sort_unstable();
        instants.dedup();
        Self { state, instants }
    }

    /// The state with its events known from when `knowledge` says.
    pub fn recast(mut state: CaseState, knowledge: Knowledge) -> CaseState {
        if knowledge == Knowledge::AsHappened {
            state.events.iter_mut().for_each(|event| event.seen_at = event.at);
        }
        state
    }

    /// When something was last learned of it.
    pub fn last(&self) -> Option<Timestamp> {
        self.instants.last().copied()
    }

    /// The case as known just after each of the instants. A record that is gone today was there as long as something was
    /// learned of it.
    pub fn moments(&self) -> impl Iterator<Item = (Timestamp, CaseState)> {
        self.instants.iter().map(|at| (*at, self.known(*at)))
    }

    fn known(&self, at: Timestamp) -> CaseState {
        CaseState {
            presence: Presence::Present,
            flags: Vec::new(),
            overrides: Vec::new(),
            mark: MarkMemory::default(),
            notes: Vec::new(),
            ..self.state.as_known_at(at)
        }
    }
}

fn known_from(event: &TimelineEvent) -> Timestamp {
    event.at.max(event.seen_at)
}

/// Judges the case at each of its instants up to `until`, as if the policy had been in force all along.
pub fn retrace(
    policies: &PolicySet,
    learned: &Learned<'_>,
    around: &Neighbourhood,
    until: Timestamp,
) -> Trace {
    let mut trace = Trace::default();
    let mut flags: Vec<Flag> = Vec::new();
    let is_gone = learned.state.presence != Presence::Present;
    let mut instants = learned.instants.iter().copied().peekable();
    while let Some(learned_at) = instants.next() {
        let mut known = learned.known(learned_at);
        known.policy.clone_from(&policies.current.id);
        let stop = match instants.peek() {
            Some(next) => *next - SignedDuration::from_nanos(1),
            // When a record went is not kept.
            None if is_gone => learned_at,
            None => until,
        };
        let mut at = learned_at;
        loop {
            if trace.judged >= STEPS_MAX {
                trace.cut = true;
                break;
            }
            known.flags = std::mem::take(&mut flags);
            let is_open = known.case.status.is_open();
            let Some(outcome) = decide(policies, Some(&known), &around.around(&known, at), &[], at) else {
                break;
            };
            flags = outcome.state.flags;
            trace.decisions.extend(outcome.decisions);
            if is_open {
                trace.judged += 1;
                for trouble in outcome.trouble {
                    *trace.untold.entry(trouble.rule).or_default() += 1;
                }
            }
            let moved = if is_open { around.moves_after(&known, at) } else { None };
            match [outcome.look_again_at, moved].into_iter().flatten().min() {
                Some(next) if next <= stop => at = next,
                _ => break,
            }
        }
    }
    trace
}
