//! Rules: CEL conditions over a typed vocabulary, with three results and exact instants of change.

use crate::action::Severity;
use crate::around::Around;
use crate::evidence::Evidence;
use crate::policy::Policy;
use crate::sla::ClockReading;
use crate::state::CaseState;
use jiff::{SignedDuration, Timestamp};

/// What rules read about one case at one instant. Built once per case, not per rule.
pub struct Facts<'a> {
    pub policy: &'a Policy,
    pub state: &'a CaseState,
    pub around: &'a Around,
    pub clocks: &'a [ClockReading],
    pub now: Timestamp,
}

impl<'a> Facts<'a> {
    pub fn new(
        policy: &'a Policy,
        state: &'a CaseState,
        around: &'a Around,
        clocks: &'a [ClockReading],
        now: Timestamp,
    ) -> Self {
        Self { policy, state, around, clocks, now }
    }
}

/// The three results of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The highest rung of the rule's ladder that holds.
    Fires(Severity),
    Quiet,
    /// Neither raises nor clears.
    CannotTell {
        because: String,
    },
}

/// A rule read at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleReading {
    pub verdict: Verdict,
    /// The earliest later instant at which the verdict may differ if nothing happens.
    pub changes_at: Option<Timestamp>,
}

/// A checked, compiled rule.
#[derive(Debug)]
pub struct Rule {
    pub name: String,
    /// Content hash of this rule, 12 hex digits: its version.
    pub version: String,
    /// How long the condition must hold before the flag is raised.
    pub hold_for: SignedDuration,
    /// How long the condition must have been quiet before a raised flag clears.
    pub dwell: SignedDuration,
    /// How long after clearing it may not be raised again.
    pub cooldown: SignedDuration,
    /// How often it may be raised on one case within a day.
    pub refires_max: usize,
    /// The lowest severity that writes a note.
    pub note_from: Severity,
    /// What people call the rule.
    pub title: String,
    /// Rules whose flags this one's flag makes superfluous on the same case.
    pub covers: Vec<String>,
}

impl Rule {
    /// Whether the rule fires. `open`: the flag is raised now, so its exit condition decides, where it has one.
    pub fn read(&self, _facts: &Facts<'_>, _open: bool) -> RuleReading {
        RuleReading { verdict: Verdict::Quiet, changes_at: None }
    }

    /// Why, in full. Costs more than [`Rule::read`]; called when a flag changes and by `explain`.
    pub fn evidence(&self, facts: &Facts<'_>) -> Evidence {
        Evidence {
            rule: self.name.clone(),
            policy: facts.policy.id.clone(),
            now: facts.now,
            severity: None,
            atoms: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Id of the last event that changed a value the rule reads: it names the episode. The case's id where there is none.
    pub fn episode(&self, facts: &Facts<'_>) -> String {
        facts.state.case.key.id.clone()
    }

    /// One or two sentences for people: what is true, since when, what it means.
    pub fn why(&self, _facts: &Facts<'_>) -> String {
        String::new()
    }
}
