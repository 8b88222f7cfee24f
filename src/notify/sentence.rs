//! What a flag says now: its own sentence is of the moment it was raised, and time goes on.

use dutyd_core::around::Around;
use dutyd_core::policy::PolicySet;
use dutyd_core::rule::{Facts, Verdict};
use dutyd_core::sla::read_clocks;
use dutyd_core::state::CaseState;
use jiff::Timestamp;

/// The sentence of a rule whose flag is raised, as of now. `None`: the rule is gone, or its condition does not hold any more
/// or cannot be told, so that only the sentence of then says why.
pub fn sentence_now(
    policies: &PolicySet,
    state: &CaseState,
    around: &Around,
    rule: &str,
    now: Timestamp,
) -> Option<String> {
    let policy = &policies.current;
    let rule = policy.rules.iter().find(|known| known.name == rule)?;
    let clocks = read_clocks(policies, state, now);
    let facts = Facts::new(policy, state, around, &clocks, now);
    matches!(rule.read(&facts, true).verdict, Verdict::Fires(_)).then(|| rule.why(&facts))
}
