//! What would change a rule's verdict: a smallest set of values which, being others, would raise or clear it.
//!
//! Values are supposed one by one; that one may bring another with it is left out.

use super::choice::{Choice, SOMETHING_ELSE, beside, choices};
use super::eval::View as _;
use super::shown::show;
use super::still::{Still, recorded};
use super::value::Value;
use super::vocabulary::Read;
use super::{Facts, Rule, Verdict};
use crate::action::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::cmp::Ordering;

/// The most values that are supposed otherwise together.
const CHANGES_MAX: usize = 3;

/// What would turn the verdict round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhatIf {
    /// What the rule would say then; `None`: it would be quiet.
    pub severity: Option<Severity>,
    /// All of these together, and no part of them alone.
    pub changes: Vec<Change>,
}

/// One value that would have to be another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    pub path: String,
    /// As shown to people.
    pub now: String,
    /// What it would have to be, as shown to people: `at least 4 h`, `gold`, `none`.
    pub becomes: String,
    /// One such value, as read: spans in whole seconds.
    pub to: Json,
}

impl Rule {
    /// A smallest change that raises a quiet rule or clears a firing one. `None`: the rule cannot tell, or nothing that
    /// can still happen to up to three values would do it.
    pub fn what_if(&self, facts: &Facts<'_>, open: bool) -> Option<WhatIf> {
        let raised = open.then(|| self.raised_severity(facts));
        let choices = choices(self, facts);
        let mut still = Still::of_facts(self, facts);
        let fires = match self.read_on(&still, raised).verdict {
            Verdict::CannotTell { .. } => return None,
            verdict => verdict != Verdict::Quiet,
        };
        let mut search = Search { rule: self, raised, fires, choices: &choices, still: &mut still };
        let (severity, found) =
            (1..=CHANGES_MAX).find_map(|size| search.smallest(0, size, &mut Vec::new()))?;
        let changes = found.into_iter().map(|at| search.told(&choices[at], facts)).collect();
        Some(WhatIf { severity, changes })
    }
}

struct Search<'s, 'v> {
    rule: &'s Rule,
    raised: Option<Severity>,
    fires: bool,
    choices: &'s [Choice],
    still: &'s mut Still<'v>,
}

impl Search<'_, '_> {
    /// The first set of `size` more choices, of different words, that turns the verdict; and what the rule says then. It
    /// stays supposed.
    fn smallest(
        &mut self,
        from: usize,
        size: usize,
        chosen: &mut Vec<usize>,
    ) -> Option<(Option<Severity>, Vec<usize>)> {
        if size == 0 {
            return self.turned().map(|severity| (severity, chosen.clone()));
        }
        let choices = self.choices;
        for (at, choice) in choices.iter().enumerate().skip(from) {
            if chosen.iter().any(|earlier| choices[*earlier].read == choice.read) {
                continue;
            }
            let Some(before) = self.still.suppose(&choice.read, Ok(choice.to.clone())) else { continue };
            chosen.push(at);
            if let Some(found) = self.smallest(at + 1, size - 1, chosen) {
                return Some(found);
            }
            chosen.pop();
            self.still.suppose(&choice.read, before);
        }
        None
    }

    /// What the rule says of the supposed values, if that is the other verdict; `None` of it: quiet.
    fn turned(&self) -> Option<Option<Severity>> {
        match (self.rule.read_on(self.still, self.raised).verdict, self.fires) {
            (Verdict::Fires(severity), false) => Some(Some(severity)),
            (Verdict::Quiet, true) => Some(None),
            _ => None,
        }
    }

    /// One choice in words: how far around it any value does, the others being as supposed.
    fn told(&mut self, choice: &Choice, facts: &Facts<'_>) -> Change {
        let shown = |value: &Value<'_>| show(&choice.read, value, facts);
        let now = facts.read(&choice.read).unwrap_or(Value::Null);
        let becomes = match &choice.to {
            to if to.number().is_some() => in_words(self.reach(choice, &now), &shown),
            to if to.equals(&Value::text(SOMETHING_ELSE)) => SOMETHING_ELSE.to_owned(),
            to => shown(to),
        };
        let to = recorded(&choice.to).unwrap_or_default();
        Change { path: choice.read.path(), now: shown(&now), becomes, to }
    }

    /// The lowest and the highest number about a choice with which the verdict turns; `None`: without end.
    fn reach(&mut self, choice: &Choice, now: &Value<'_>) -> [Option<Edge>; 2] {
        let same = self.choices.iter().filter(|other| other.read == choice.read);
        let is_line = choice.read.is_line();
        let edge =
            |other: &Choice| Edge { value: other.to.clone(), beside: if is_line { other.beside } else { 0 } };
        let mut numbers: Vec<Edge> =
            same.map(edge).chain([Edge { value: beside(now, 0), beside: 0 }]).collect();
        numbers.retain(|edge| edge.value.number().is_some());
        numbers.sort_by(|a, b| a.value.order(&b.value).unwrap_or(Ordering::Equal));
        let at = numbers.iter().position(|edge| edge.value == choice.to).unwrap_or(0);
        let turns: Vec<bool> =
            numbers.iter().map(|edge| self.turns_with(&choice.read, &edge.value)).collect();
        let low = (0..at).rev().find(|below| !turns[*below]).map(|below| below + 1);
        let high = (at + 1..numbers.len()).find(|above| !turns[*above]).map(|above| above - 1);
        [low, high].map(|end| end.map(|end| numbers[end].clone()))
    }

    fn turns_with(&mut self, read: &Read, value: &Value<'static>) -> bool {
        let before = self.still.suppose(read, Ok(value.clone()));
        let turned = self.turned().is_some();
        before.map(|before| self.still.suppose(read, before));
        turned
    }
}

/// Where a reach ends, and how far that is from the constant of the condition beside which it lies.
#[derive(Clone)]
struct Edge {
    value: Value<'static>,
    beside: i64,
}

fn in_words(reach: [Option<Edge>; 2], shown: &dyn Fn(&Value<'_>) -> String) -> String {
    let least = |edge: Edge| match edge.beside {
        1 => format!("more than {}", shown(&beside(&edge.value, -1))),
        _ => format!("at least {}", shown(&edge.value)),
    };
    let most = |edge: Edge| match edge.beside {
        -1 => format!("less than {}", shown(&beside(&edge.value, 1))),
        _ => format!("at most {}", shown(&edge.value)),
    };
    match reach {
        [Some(low), Some(high)] if low.value == high.value => shown(&low.value),
        [Some(low), Some(high)] => format!("{} and {}", least(low), most(high)),
        [Some(low), None] => least(low),
        [None, Some(high)] => most(high),
        [None, None] => "any value".to_owned(),
    }
}
