//! What another policy would make of a case: which flags it would raise, clear or change now. Decides nothing.

use crate::action::Severity;
use crate::around::Around;
use crate::policy::PolicySet;
use crate::rule::{Facts, Rule, Verdict};
use crate::sla;
use crate::state::{CaseState, Flag, FlagState, Presence};
use crate::timeline;
use jiff::Timestamp;

/// One flag that would be another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    pub rule: String,
    /// `None`: it is not raised now.
    pub from: Option<Severity>,
    /// `None`: it would not be raised.
    pub to: Option<Severity>,
}

/// The flags of one case that would be others under `policies`. `for`, dwell and cooldown, which only put a change off, are
/// left out; a rule that cannot tell changes nothing.
pub fn forecast(policies: &PolicySet, state: &CaseState, around: &Around, now: Timestamp) -> Vec<Shift> {
    if state.presence != Presence::Present || !state.case.status.is_open() {
        return Vec::new();
    }
    let mut state = state.clone();
    let adoptions = sla::adoptions(policies, &state, now);
    timeline::merge(&mut state.events, &adoptions);
    let policy = &policies.current;
    let clocks = sla::read_clocks(policies, &state, now);
    let facts = Facts::new(policy, &state, around, &clocks, now);
    let held_back = policy.in_maintenance(&state.case, now).is_some();
    let open = |rule: &str| {
        let mut open = state.flags.iter().filter(|flag| flag.state == FlagState::Open);
        open.find(|flag| flag.rule == rule)
    };
    let judged = policy.rules.iter().map(|rule| shift(rule, open(&rule.name), &facts, held_back));
    let gone = state.flags.iter().filter(|flag| {
        flag.state == FlagState::Open && !policy.rules.iter().any(|rule| rule.name == flag.rule)
    });
    let gone = gone.map(|flag| Shift { rule: flag.rule.clone(), from: Some(flag.severity), to: None });
    judged.chain(gone).filter(|shift| shift.from != shift.to).collect()
}

fn shift(rule: &Rule, flag: Option<&Flag>, facts: &Facts<'_>, held_back: bool) -> Shift {
    let from = flag.map(|flag| flag.severity);
    let to = match rule.read(facts, flag.is_some()).verdict {
        Verdict::Fires(_) if flag.is_none() && held_back => None,
        Verdict::Fires(severity) => Some(severity),
        Verdict::Quiet => None,
        Verdict::CannotTell { .. } => from,
    };
    Shift { rule: rule.name.clone(), from, to }
}
