//! `decide`: what should happen to one case now. The heart; read this first.

use crate::action::{Action, Severity};
use crate::around::Around;
use crate::evidence::Evidence;
use crate::policy::PolicySet;
use crate::state::{CaseState, News};
use jiff::Timestamp;
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
    /// Rules that could not tell.
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
pub fn decide(
    _policies: &PolicySet,
    _state: Option<&CaseState>,
    _around: &Around,
    _news: &[News],
    _now: Timestamp,
) -> Option<Outcome> {
    None
}
