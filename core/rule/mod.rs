//! Rules: CEL conditions over a typed vocabulary, with three results and exact instants of change.
//!
//! A condition is parsed by the `cel` crate within bounds ([`parse`]), checked and typed against the one table of words
//! ([`words`], [`compile`]) into a small tree of our own ([`expr`]), and evaluated on typed facts ([`facts`], [`eval`]).
//! Readings that move with time are lines ([`line`]) and counts over windows are steps, so each answer comes with the
//! instant at which it may change.

mod call;
mod check;
mod choice;
mod compile;
mod eval;
mod evidence;
mod expr;
mod facts;
mod history;
mod line;
mod mention;
mod moment;
mod parse;
mod reach;
mod shown;
mod still;
mod template;
#[cfg(test)]
mod tests;
mod value;
mod vocabulary;
mod what_if;
mod words;
mod write;

pub use compile::compile;
pub use eval::{Judgement, View, earliest};
pub use expr::Condition;
pub use facts::Facts;
pub use mention::{Mention, mentions_in_condition, mentions_in_text};
pub use parse::Fault;
pub use reach::Threshold;
pub(crate) use shown::Language;
pub use shown::is_unseen;
pub use template::{Template, TemplateFault};
pub use value::{Comparison, Truth, Type, Value};
pub use vocabulary::{ClockWord, GroupWord, Names, Scope, find, reference};
pub use what_if::{Change, WhatIf};

use crate::action::Severity;
use crate::around::GroupKind;
use crate::evidence::Evidence;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use still::Still;
use vocabulary::{Mover, Read, SpanWord};

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
    /// What it is for, in a sentence.
    pub about: String,
    /// Rules whose flags this one's flag makes superfluous on the same case.
    pub covers: Vec<String>,
    /// Severities with their conditions, the highest first.
    pub(crate) ladder: Vec<(Severity, Condition)>,
    /// While raised, it stays until this holds.
    pub(crate) exit: Option<Condition>,
    /// Texts by language.
    pub(crate) texts: BTreeMap<String, Template>,
    /// What the events are that move a value the rule reads, with the fields' names.
    pub(crate) movers: BTreeSet<Mover>,
    pub(crate) fields: BTreeSet<String>,
}

impl Rule {
    /// Whether the rule fires. `open`: the flag is raised now, so its exit condition decides, where it has one.
    pub fn read(&self, facts: &Facts<'_>, open: bool) -> RuleReading {
        let mut reading = self.read_on(facts, open.then(|| self.raised_severity(facts)));
        reading.changes_at = earliest(reading.changes_at, facts.history().next_at);
        reading
    }

    /// The same on values from anywhere. `raised`: the severity of the flag if it is raised.
    fn read_on(&self, view: &dyn View, raised: Option<Severity>) -> RuleReading {
        let mut reading = self.climb(view, raised);
        if let (Verdict::Quiet, Some(raised), Some(exit)) = (&reading.verdict, raised, &self.exit) {
            let leaving = exit.judge(view);
            reading = RuleReading {
                verdict: match leaving.truth {
                    Truth::True => Verdict::Quiet,
                    Truth::False => Verdict::Fires(raised),
                    Truth::Unknown(because) => Verdict::CannotTell { because: because.into_owned() },
                },
                changes_at: earliest(reading.changes_at, leaving.changes_at),
            };
        }
        reading
    }

    /// The highest rung that holds. A higher one that cannot be told does not lower a raised flag.
    fn climb(&self, view: &dyn View, raised: Option<Severity>) -> RuleReading {
        let mut changes_at = None;
        let mut unknown: Option<String> = None;
        for (severity, condition) in &self.ladder {
            let judged = condition.judge(view);
            changes_at = earliest(changes_at, judged.changes_at);
            match judged.truth {
                Truth::True => {
                    let lowers = raised.is_some_and(|raised| *severity < raised);
                    let verdict = match unknown {
                        Some(because) if lowers => Verdict::CannotTell { because },
                        _ => Verdict::Fires(*severity),
                    };
                    return RuleReading { verdict, changes_at };
                }
                Truth::False => {}
                Truth::Unknown(because) => {
                    unknown.get_or_insert(because.into_owned());
                }
            }
        }
        let verdict = unknown.map_or(Verdict::Quiet, |because| Verdict::CannotTell { because });
        RuleReading { verdict, changes_at }
    }

    /// What the rule says of nothing but the values in an evidence.
    pub fn recompute(&self, evidence: &Evidence) -> Verdict {
        self.read_on(&Still::of_evidence(self, evidence), None).verdict
    }

    /// The severity of the raised flag; the lowest rung if there is none.
    fn raised_severity(&self, facts: &Facts<'_>) -> Severity {
        let raised = facts.state.flags.iter().find(|flag| flag.rule == self.name);
        let lowest = self.ladder.last().map_or(Severity::Watch, |(severity, _)| *severity);
        raised.map_or(lowest, |flag| flag.severity)
    }

    /// Learns from the conditions what kinds of events move the rule's values.
    pub(crate) fn learn_movers(&mut self) {
        let reads: Vec<Read> = self.conditions().flat_map(Condition::reads).collect();
        for read in &reads {
            let Some(word) = words::WORDS.iter().find(|word| word.key.is_of(read)) else { continue };
            self.movers.extend(word.moved_by.iter().cloned());
            if word.moved_by.contains(&Mover::Field) {
                let path = read.path();
                self.fields.insert(path.rsplit('.').next().unwrap_or_default().to_owned());
            }
        }
    }

    /// The facts of groups that the rule reads.
    pub(crate) fn groups_read(&self) -> Vec<(GroupKind, GroupWord)> {
        let reads = self.conditions().flat_map(Condition::reads);
        reads
            .filter_map(|read| match read {
                Read::Group(kind, fact) => Some((kind, fact)),
                _ => None,
            })
            .collect()
    }

    /// Whether the rule reads facts of linked cases.
    pub(crate) fn reads_links(&self) -> bool {
        let is_linked = |read| matches!(read, Read::Linked(_) | Read::Span(SpanWord::LinkedIdle, _));
        self.conditions().flat_map(Condition::reads).any(is_linked)
    }

    /// All conditions of the rule: the ladder from the top, then the exit.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.ladder.iter().map(|(_, condition)| condition).chain(&self.exit)
    }
}
