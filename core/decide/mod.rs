//! `decide`: what should happen to one case now. The heart; read this first.
//!
//! Four steps, in this order: *fold* the news into the state, *read* the clocks, *evaluate* the rules, *reconcile* the
//! flags and what the record should show. All branching between them stands in [`decide`].

mod answer;
mod fold;
mod forecast;
mod groups;
mod neighbourhood;
mod note;
mod reconcile;
mod retrace;
#[cfg(test)]
mod tests;
mod wants;

pub use answer::confirms;
pub use forecast::{Shift, forecast};
pub use groups::{Census, groups};
pub use neighbourhood::{Footprint, Gathering, Neighbourhood, moved_at};
pub use retrace::{Knowledge, Learned, Trace, retrace};

use crate::action::{Action, Severity};
use crate::around::Around;
use crate::evidence::Evidence;
use crate::policy::PolicySet;
use crate::rule::Facts;
use crate::sla;
use crate::state::{CaseState, News, Presence};
use crate::timeline;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What one evaluation of one case came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// News folded in, flags updated.
    pub state: CaseState,
    /// What changed, each with its evidence.
    pub decisions: Vec<Decision>,
    /// What the vendor's record should show from now on.
    pub actions: Vec<Action>,
    /// `None`: nothing can change without news.
    pub look_again_at: Option<Timestamp>,
    /// Rules that could not tell, and marks that automation keeps taking off.
    pub trouble: Vec<RuleTrouble>,
}

/// One entry of the decision log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub at: Timestamp,
    pub rule: String,
    pub severity: Severity,
    pub episode: String,
    pub kind: DecisionKind,
    pub why: String,
    pub evidence: Option<Evidence>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    Raise,
    /// The severity changed.
    Change,
    Clear,
    /// A person said otherwise; we do not fight people.
    Override,
    /// A mark found on the record was taken up again.
    Adopt,
}

/// A rule that neither raises nor clears, because it cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleTrouble {
    pub rule: String,
    pub because: String,
}

/// What should happen to one case at `now`. Total, deterministic, no I/O. `None` if there is neither a state nor a
/// change to make one from.
///
/// Invariant: run again on its own outcome without news, it decides nothing (`deciding_twice_decides_nothing_new`).
pub fn decide(
    policies: &PolicySet,
    state: Option<&CaseState>,
    around: &Around,
    news: &[News],
    now: Timestamp,
) -> Option<Outcome> {
    let now = whole_second(now);
    let mut folded = fold::fold(state, news, now)?;
    let adoptions = sla::adoptions(policies, &folded.state, now);
    folded.state.truncated |= timeline::merge(&mut folded.state.events, &adoptions);

    let policy = &policies.current;
    let clocks = sla::read_clocks(policies, &folded.state, now);
    let facts = Facts::new(policy, &folded.state, around, &clocks, now);
    let told = news.iter().any(|item| matches!(item, News::Change(_)));
    let sight = match around.blind_since {
        Some(_) if !told => reconcile::Sight::Blind,
        _ => reconcile::Sight::Clear,
    };
    let rules: &[_] = match folded.state.presence {
        Presence::Present if folded.state.case.status.is_open() => &policy.rules,
        _ => &[],
    };
    let wave = !folded.state.policy.is_empty() && folded.state.policy != policy.id;
    let judged = reconcile::reconcile(rules, &facts, sight, wave);
    folded.state.flags = judged.flags;
    let shown = wants::wants(policy, &mut folded, wave, now);
    folded.state.policy.clone_from(&policy.id);

    let look_again_at = judged.look_again_at.into_iter().chain(shown.look_again_at).min();
    folded.decisions.extend(judged.decisions);
    folded.trouble.extend(judged.trouble);
    Some(Outcome {
        state: folded.state,
        decisions: folded.decisions,
        actions: shown.actions,
        look_again_at: look_again_at.map(|at| at.max(now + SignedDuration::from_secs(1))),
        trouble: folded.trouble,
    })
}

/// The last instant of the second of `at`. A decision is dated by its second and counts what was learned within it, so
/// what was known "at" a second is what was known by its end.
pub fn end_of_second(at: Timestamp) -> Timestamp {
    Timestamp::new(at.as_second(), 999_999_999).unwrap_or(at)
}

/// Everything is decided in whole seconds, the grain that all four vendors can show.
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
