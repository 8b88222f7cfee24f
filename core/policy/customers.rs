//! Who is one customer: aliases across sources. Only what an admin wrote down decides; nothing is guessed. And whose hours
//! a case follows: its customer's or its team's.

use super::document::CustomerDoc;
use crate::calendar::Calendar;
use crate::case::{Case, Party};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the policy says about customers.
#[derive(Debug, Default)]
pub struct Customers {
    /// By source, then by the vendor's id.
    by_id: BTreeMap<String, BTreeMap<String, String>>,
    /// By source, then by folded name.
    by_name: BTreeMap<String, BTreeMap<String, String>>,
    known: BTreeMap<String, Customer>,
    /// Customer by e-mail domain, for suggestions only.
    by_domain: BTreeMap<String, String>,
}

/// One customer.
#[derive(Debug, Default, Clone)]
pub struct Customer {
    pub important: bool,
}

/// Customers and teams with hours of their own.
#[derive(Debug, Default)]
pub struct Parties {
    pub customers: Customers,
    /// By canonical name.
    pub customer_hours: BTreeMap<String, Arc<Calendar>>,
    /// By name or id.
    pub team_hours: BTreeMap<String, Arc<Calendar>>,
}

impl Parties {
    /// The calendar of the case's customer, else of a team.
    pub fn calendar_of(&self, case: &Case, team: Option<&Party>) -> Option<&Arc<Calendar>> {
        let customer = || {
            let customer = case.customer.as_ref().filter(|_| !self.customer_hours.is_empty())?;
            self.customer_hours.get(self.customers.canonical(&case.key.source, customer)?)
        };
        let team = || self.team_hours.get(&team?.name).or_else(|| self.team_hours.get(&team?.id));
        customer().or_else(team)
    }

    /// All that decides, as text for a hash.
    pub fn said(&self) -> String {
        let ids = |hours: &BTreeMap<String, Arc<Calendar>>| -> Vec<(String, String)> {
            hours.iter().map(|(name, calendar)| (name.clone(), calendar.id.clone())).collect()
        };
        let aliases = if self.customer_hours.is_empty() { None } else { Some(&self.customers) };
        format!("{:?} {:?} {aliases:?}", ids(&self.customer_hours), ids(&self.team_hours))
    }
}

/// Two customers claim one alias.
pub struct Clash {
    /// Which of the later customer's aliases.
    pub alias: usize,
    pub other: String,
}

pub(super) const EVERY_SOURCE: &str = "*";

impl Customers {
    /// Adds a customer, known in every source by its canonical name, too. Returns aliases that another has already.
    pub fn add(&mut self, name: &str, doc: &CustomerDoc) -> Vec<Clash> {
        self.known.insert(name.to_owned(), Customer { important: doc.important });
        self.by_name
            .entry(EVERY_SOURCE.to_owned())
            .or_default()
            .entry(folded(name))
            .or_insert(name.to_owned());
        for domain in &doc.domains {
            self.by_domain.entry(folded(domain)).or_insert(name.to_owned());
        }
        let mut clashes = Vec::new();
        for (at, alias) in doc.aliases.iter().enumerate() {
            let alias = alias.get_ref();
            let by_id = alias.id.clone().map(|id| (&mut self.by_id, id));
            let by_name = alias.name.as_deref().map(|name| (&mut self.by_name, folded(name)));
            for (index, key) in by_id.into_iter().chain(by_name) {
                let other =
                    index.entry(alias.source.get_ref().clone()).or_default().insert(key, name.to_owned());
                clashes.extend(other.filter(|other| other != name).map(|other| Clash { alias: at, other }));
            }
        }
        clashes
    }

    /// The canonical name of a customer as one source calls it: by id, then by name.
    pub fn canonical(&self, source: &str, customer: &Party) -> Option<&str> {
        if self.known.is_empty() {
            return None;
        }
        let sources = [source, EVERY_SOURCE];
        let by_id = sources.iter().find_map(|source| self.by_id.get(*source)?.get(&customer.id));
        let name = folded(&customer.name);
        let by_name = || sources.iter().find_map(|source| self.by_name.get(*source)?.get(&name));
        by_id.or_else(by_name).map(String::as_str)
    }

    /// Whose e-mail domain this is, as the policy says.
    pub(super) fn of_domain(&self, domain: &str) -> Option<&str> {
        self.by_domain.get(domain).map(String::as_str)
    }

    pub fn get(&self, canonical: &str) -> Option<&Customer> {
        self.known.get(canonical)
    }
}

fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}
