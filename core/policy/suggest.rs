//! Which customers of several sources may be one, because they share an e-mail domain. A suggestion to the admin; nothing is
//! decided by it.

use super::customers::Customers;
use crate::case::Party;
use std::collections::{BTreeMap, BTreeSet};

/// More suggestions than anybody reads are counted, not made.
const SUGGESTIONS_MAX: usize = 20;

/// A customer as one source lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub source: String,
    pub customer: Party,
    /// E-mail domains, as the source knows them.
    pub domains: Vec<String>,
}

impl Customers {
    /// One sentence per domain whose owners the policy does not know to be one customer.
    pub(super) fn suggestions(&self, listed: &[Listed]) -> Vec<String> {
        let mut owners: BTreeMap<String, Vec<&Listed>> = BTreeMap::new();
        for one in listed {
            for domain in one.domains.iter().map(|domain| plain(domain)).collect::<BTreeSet<_>>() {
                owners.entry(domain).or_default().push(one);
            }
        }
        owners.remove("");
        let mut told: Vec<String> =
            owners.iter().filter_map(|(domain, owners)| self.suggestion(domain, owners)).collect();
        let left = told.len().saturating_sub(SUGGESTIONS_MAX);
        told.truncate(SUGGESTIONS_MAX);
        if left > 0 {
            told.push(format!("{left} more domains are shared by customers without an alias"));
        }
        told
    }

    fn suggestion(&self, domain: &str, owners: &[&Listed]) -> Option<String> {
        let name_of = |one: &&&Listed| self.canonical(&one.source, &one.customer);
        if let Some(name) = self.of_domain(domain) {
            let strangers: Vec<&&Listed> = owners.iter().filter(|one| name_of(one).is_none()).collect();
            return (!strangers.is_empty()).then(|| {
                let shown = strangers.iter().map(|one| one.shown()).collect::<Vec<_>>().join(" and ");
                format!(
                    "{shown}: domain {domain} of customer {name:?}; if it is the same, add it to its aliases"
                )
            });
        }
        let sources: BTreeSet<&str> = owners.iter().map(|one| one.source.as_str()).collect();
        let names: BTreeSet<Option<&str>> = owners.iter().map(|one| name_of(&one)).collect();
        let known = names.len() == 1 && !names.contains(&None);
        (sources.len() > 1 && !known).then(|| {
            let shown = owners.iter().map(|one| one.shown()).collect::<Vec<_>>().join(" and ");
            format!("{shown} share the domain {domain}; if they are one customer, give it these aliases")
        })
    }
}

impl Listed {
    fn shown(&self) -> String {
        format!("{:?} ({}, id {})", self.customer.name, self.source, self.customer.id)
    }
}

/// A domain out of a domain, an address of a site, or an e-mail address.
fn plain(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let text = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let text = text.split(['/', '?', ':']).next().unwrap_or_default();
    let text = text.rsplit('@').next().unwrap_or_default();
    text.strip_prefix("www.").unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Policy, PolicyFile};

    fn suggestions(customers: &str, listed: &[(&str, &str, &str, &str)]) -> Vec<String> {
        let files = [PolicyFile { name: "customers.toml".to_owned(), text: customers.to_owned() }];
        let policy = Policy::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let listed = listed.iter().map(|(source, id, name, domain)| Listed {
            source: (*source).to_owned(),
            customer: Party { id: (*id).to_owned(), name: (*name).to_owned() },
            domains: vec![(*domain).to_owned()],
        });
        policy.customer_suggestions(&listed.collect::<Vec<_>>())
    }

    const DESK: (&str, &str, &str, &str) = ("desk", "7", "Acme", "acme.example");
    const CRM: (&str, &str, &str, &str) = ("crm", "001", "Acme Corp.", "https://www.ACME.example/en");

    #[test]
    fn a_shared_domain_suggests_and_an_alias_ends_the_suggestion() {
        let told = suggestions("", &[DESK, CRM]);
        assert_eq!(
            told,
            [
                "\"Acme\" (desk, id 7) and \"Acme Corp.\" (crm, id 001) share the domain acme.example; if they are one customer, give it these aliases"
            ]
        );
        let half = "[customers.Acme]\naliases = [{ source = \"desk\", id = \"7\" }]";
        assert_eq!(suggestions(half, &[DESK, CRM]).len(), 1);
        let whole = "[customers.Acme]\naliases = [{ source = \"desk\", id = \"7\" }, { source = \"crm\", id = \"001\" }]";
        assert_eq!(suggestions(whole, &[DESK, CRM]), [""; 0]);
    }

    #[test]
    fn a_domain_of_the_policy_suggests_its_customer_to_a_single_source() {
        let policy =
            "[customers.Acme]\naliases = [{ source = \"desk\", id = \"7\" }]\ndomains = [\"acme.example\"]";
        let told = suggestions(policy, &[DESK, CRM]);
        assert_eq!(
            told,
            [
                "\"Acme Corp.\" (crm, id 001): domain acme.example of customer \"Acme\"; if it is the same, add it to its aliases"
            ]
        );
    }

    #[test]
    fn other_domains_and_one_source_alone_suggest_nothing() {
        let other = ("crm", "002", "Umbra", "umbra.example");
        assert_eq!(
            suggestions("", &[DESK, other, ("desk", "8", "Acme 2", "acme.example"), ("forge", "1", "X", "")]),
            [""; 0]
        );
    }

    #[test]
    fn no_more_are_made_than_anybody_reads() {
        let domains: Vec<String> = (0..30).map(|number| format!("d{number}.example")).collect();
        let both = domains.iter().flat_map(|domain| {
            [("desk", domain.as_str(), "A", domain.as_str()), ("crm", domain.as_str(), "B", domain.as_str())]
        });
        let told = suggestions("", &both.collect::<Vec<_>>());
        assert_eq!(
            (told.len(), told.last().map(String::as_str)),
            (21, Some("10 more domains are shared by customers without an alias"))
        );
    }
}
