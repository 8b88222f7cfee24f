//! What a simulation came to, in numbers told by those to whom it happened: the sandbox's journal and queue of webhooks,
//! the wire, and the vendors who carried out an order. Knows how figures are added up, not what they are good for.

use super::run::Simulation;
use std::collections::BTreeMap;
use std::fmt::Display;

/// Figures by what they count.
#[derive(Debug, Default, Clone)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    pub fn add(&mut self, what: impl Display, count: u64) {
        if count > 0 {
            *self.0.entry(what.to_string()).or_default() += count;
        }
    }

    pub fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(what, count)| self.add(what, count));
    }

    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// Figures whose name begins so, without that beginning.
    pub fn under<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        self.0.iter().filter_map(move |(what, count)| Some((what.strip_prefix(beginning)?, *count)))
    }
}

impl Display for Tally {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> = self.0.iter().map(|(what, count)| format!("{what} {count}")).collect();
        to.write_str(&words.join(", "))
    }
}

impl Simulation {
    /// Takes the figures that the sandbox kept by itself.
    pub fn count_up(&mut self) {
        let hours = self.clock.vendor_now().duration_since(self.began_at).as_hours();
        let mut told = Tally::default();
        told.add("hours", u64::try_from(hours).unwrap_or(0));
        for entry in self.sandbox.inner.journal.since(0, None) {
            told.add("requests", 1);
            let Some(fault) = entry.fault else { continue };
            let words = fault.split(|letter: char| !letter.is_alphanumeric()).take(2);
            told.add(format_args!("fault {}", words.collect::<Vec<_>>().join(" ")), 1);
        }
        for counts in self.sandbox.inner.stage.hooks.counts().into_values() {
            told.add("webhooks", counts.queued);
            told.add("webhooks lost", counts.dropped);
            told.add("webhooks doubled", counts.duplicated);
        }
        for desk in &self.desks {
            let titles = (super::run::subject(desk.name).titles)(&self.history(desk.name));
            told.add("cases", titles.len() as u64);
        }
        told.add("intents", self.ledger.intents());
        super::wire::lock(&self.ledger.tally).merge(told);
    }
}
