//! `Policy`: the admin's rules, targets, calendars, signals and customers, checked and compiled as one value.
//!
//! Must not know: files on disk, vendors.

mod customers;
mod document;
mod example;
mod languages;
mod load;
mod maintenance;
mod read;
mod rules;
mod strangers;
mod suggest;
#[cfg(test)]
mod tests;
mod thresholds;

pub(crate) use customers::Parties;
pub use document::{
    AliasDoc, CustomerDoc, EventDoc, ExampleCaseDoc, ExampleDoc, LadderDoc, MaintenanceDoc, MannerDoc,
    RuleDoc, SignalDoc, TeamDoc,
};
pub use load::{Sections, schema};
pub use maintenance::Maintenance;
pub(crate) use read::place_in_text;
pub use strangers::{Known, strangers};
pub use suggest::Listed;

use crate::around::GroupKind;
use crate::calendar::{Calendar, Calendars};
use crate::case::{Case, CaseChange, Party};
use crate::problem::Problem;
use crate::rule::{GroupWord, Rule};
use crate::signal::Lexicon;
use crate::sla::SlaSet;
use example::Example;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// A file of the policy directory.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// As shown in messages.
    pub name: String,
    pub text: String,
}

/// Everything support leads decide. Immutable once loaded.
#[derive(Debug, Default)]
pub struct Policy {
    /// Hash of the content.
    pub id: String,
    pub rules: Vec<Rule>,
    pub calendars: Calendars,
    pub sla: SlaSet,
    pub lexicon: Lexicon,
    pub maintenance: Vec<Maintenance>,
    /// What an admin should know, though it stops nothing.
    findings: Vec<Problem>,
    parties: Arc<Parties>,
    examples: Vec<Example>,
    defaults: Manner,
    sources: BTreeMap<String, Manner>,
    groups_read: BTreeSet<(GroupKind, GroupWord)>,
    links_read: bool,
}

/// Calendar, zone and language, where said.
#[derive(Debug, Default, Clone)]
struct Manner {
    calendar: Option<String>,
    zone: Option<TimeZone>,
    language: Option<String>,
}

static EVERY_SECOND: LazyLock<Arc<Calendar>> = LazyLock::new(|| Arc::new(Calendar::round_the_clock()));

impl Policy {
    /// Reads, checks and compiles a policy. All problems are reported, not only the first.
    pub fn load(files: &[PolicyFile]) -> Result<Self, Vec<Problem>> {
        load::load(files)
    }

    /// What an admin should know, though it stops nothing: rules without examples, without a text.
    pub fn findings(&self) -> &[Problem] {
        &self.findings
    }

    /// Which customers, as the sources list them, may be one without the policy saying so: one sentence each.
    pub fn customer_suggestions(&self, listed: &[Listed]) -> Vec<String> {
        self.parties.customers.suggestions(listed)
    }

    /// Runs the examples of all rules. A problem for each that says something else than expected.
    pub fn run_examples(self: &Arc<Self>) -> Vec<Problem> {
        self.examples.iter().filter_map(|example| example.run(self)).collect()
    }

    /// How many examples there are.
    pub fn examples_count(&self) -> usize {
        self.examples.len()
    }

    /// Whether a flag of the one rule makes a flag of the other, if that is no more severe, superfluous on the same case.
    pub fn covers(&self, by: &str, rule: &str) -> bool {
        self.rules.iter().any(|known| known.name == by && known.covers.iter().any(|covered| covered == rule))
    }

    /// The canonical name of a case's customer, where the policy has one.
    pub fn customer_of(&self, case: &Case) -> Option<&str> {
        self.parties.customers.canonical(&case.key.source, case.customer.as_ref()?)
    }

    /// The customer's name across sources where aliases are configured, else `source:id`.
    pub fn customer_key(&self, source: &str, customer: &Party) -> String {
        match self.parties.customers.canonical(source, customer) {
            Some(name) => name.to_owned(),
            None => format!("{source}:{}", customer.id),
        }
    }

    pub fn is_important(&self, case: &Case) -> bool {
        let known = self.customer_of(case).and_then(|name| self.parties.customers.get(name));
        known.is_some_and(|known| known.important)
    }

    /// The calendar by which a case's business time is measured: of its customer, its team, its source, the policy; every
    /// second where none is said.
    pub fn calendar_for(&self, case: &Case) -> Arc<Calendar> {
        let source = self.sources.get(&case.key.source).and_then(|source| source.calendar.as_deref());
        let general = || self.calendars.get(source.or(self.defaults.calendar.as_deref())?);
        let own = self.parties.calendar_of(case, case.team.as_ref());
        own.or_else(general).cloned().unwrap_or_else(|| EVERY_SECOND.clone())
    }

    /// Language and zone in which people read about a case.
    pub fn manner_of(&self, case: &Case) -> (&str, TimeZone) {
        let source = self.sources.get(&case.key.source);
        let language = source.and_then(|source| source.language.as_deref()).unwrap_or(self.language());
        let zone = source.and_then(|source| source.zone.clone()).or_else(|| self.defaults.zone.clone());
        (language, zone.unwrap_or(TimeZone::UTC))
    }

    /// The language of texts written in the rules themselves.
    pub fn language(&self) -> &str {
        self.defaults.language.as_deref().unwrap_or("en")
    }

    /// Turns the texts of a change into signals on its messages, and drops the texts.
    pub fn distill(&self, change: &mut CaseChange) {
        self.lexicon.distill(change);
    }

    /// The end of the maintenance that the case is in now, if any: until then nothing new is raised.
    pub fn in_maintenance(&self, case: &Case, now: Timestamp) -> Option<Timestamp> {
        self.maintenance.iter().filter(|window| window.concerns(case, now)).map(|window| window.until).max()
    }

    /// Whether any rule reads this fact of such a group.
    pub fn reads_fact(&self, kind: GroupKind, fact: GroupWord) -> bool {
        self.groups_read.contains(&(kind, fact))
    }

    /// Whether any rule reads facts of linked cases.
    pub fn reads_links(&self) -> bool {
        self.links_read
    }
}

/// The policy in force and the older ones that open cases still refer to.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    pub current: Arc<Policy>,
    pub older: BTreeMap<String, Arc<Policy>>,
}
