//! What came of a case, as the record says it: what flags are held against.

use super::Question;
use dutyd_core::decide::confirms;
use dutyd_core::policy::PolicySet;
use dutyd_core::sla::{Label, lives};
use dutyd_core::state::{CaseState, OverrideKind};
use dutyd_core::timeline::{ANSWER, EventKind};
use jiff::Timestamp;
use serde::Serialize;

/// What counts as a bad end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Against {
    /// A clock missed its target, by the clocks of the policy in force. `None`: any that is labelled as an SLA.
    Missed { clock: Option<String> },
    /// A person confirmed the case as an escalation.
    Confirmed,
    /// The vendor's own record says that it is escalated, in the field that the connector file maps to this name.
    Escalated { field: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Bad(Timestamp),
    Good,
    /// The case is open still, or had come to a bad end before.
    Undecided,
}

impl Against {
    /// `end`: the case as known at the end of the time asked about.
    pub fn outcome(
        &self,
        clocks: &PolicySet,
        end: &CaseState,
        is_done: bool,
        question: &Question,
    ) -> Outcome {
        let bad = match self {
            Against::Missed { clock } => missed(clocks, end, clock.as_deref(), question.until),
            Against::Confirmed => confirmed(end),
            Against::Escalated { field } => escalated(end, field),
        };
        match bad.filter(|at| *at <= question.until) {
            Some(at) if at < question.since => Outcome::Undecided,
            Some(at) => Outcome::Bad(at),
            None if is_done => Outcome::Good,
            None => Outcome::Undecided,
        }
    }
}

/// When the first target was missed.
fn missed(clocks: &PolicySet, end: &CaseState, clock: Option<&str>, until: Timestamp) -> Option<Timestamp> {
    let counts = |name: &str, label: Label| clock.map_or(label == Label::Sla, |clock| clock == name);
    let lives = lives(clocks, end, until).into_iter().map(|life| life.reading);
    lives.filter(|life| counts(&life.clock, life.label)).filter_map(|life| life.breached_at).min()
}

/// By the record's history, else by the last answer that stands.
fn confirmed(end: &CaseState) -> Option<Timestamp> {
    let told = end.events.iter().filter(|event| match &event.kind {
        EventKind::FieldChanged { field, to: Some(to), .. } => field == ANSWER && confirms(to),
        _ => false,
    });
    let stands = end.overrides.iter().filter(|said| said.kind == OverrideKind::Escalated);
    told.map(|event| event.at).chain(stands.map(|said| said.at)).min()
}

/// By the record's history; a value without one counts from the case's opening.
fn escalated(end: &CaseState, field: &str) -> Option<Timestamp> {
    let told = end.events.iter().filter_map(|event| match &event.kind {
        EventKind::FieldChanged { field: named, from, to } if named == field => {
            Some((event.at, from.as_deref().is_some_and(is_set), to.as_deref().is_some_and(is_set)))
        }
        _ => None,
    });
    let mut set_at = None;
    let mut any = false;
    for (at, was, is) in told {
        if !any && was {
            return Some(end.case.opened_at);
        }
        any = true;
        if is {
            set_at = set_at.or(Some(at));
        }
    }
    let stands = end.case.fields.get(field).is_some_and(stands);
    set_at.or((!any && stands).then_some(end.case.opened_at))
}

fn is_set(text: &str) -> bool {
    !matches!(text.trim().to_lowercase().as_str(), "" | "0" | "false" | "no" | "none" | "null")
}

fn stands(value: &dutyd_core::case::FieldValue) -> bool {
    use dutyd_core::case::FieldValue;
    match value {
        FieldValue::Text(text) => is_set(text),
        FieldValue::Number(number) => *number > 0.0,
        FieldValue::Truth(truth) => *truth,
        FieldValue::Instant(_) => true,
        FieldValue::List(list) => !list.is_empty(),
    }
}

/// Whether staff dismissed the rule's flag, or all flags of the case.
pub fn is_dismissed(end: &CaseState, rule: &str) -> bool {
    end.overrides.iter().any(|said| {
        matches!(said.kind, OverrideKind::Dismissed { .. })
            && said.rule.as_ref().is_none_or(|named| named == rule)
    })
}
