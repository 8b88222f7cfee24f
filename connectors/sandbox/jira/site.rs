//! One Jira: its people, projects, statuses and fields, its issues, and the search index that runs behind them.
//! Knows no requests.

use super::issue::Issue;
use crate::cast::Cast;
use crate::dice;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    Cloud,
    DataCenter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountType {
    Atlassian,
    App,
    Customer,
}

#[derive(Clone, Debug)]
pub struct User {
    /// Cloud: account id. Data Center: user key.
    pub id: String,
    /// Data Center: the login.
    pub name: String,
    pub display_name: String,
    pub email: String,
    pub account_type: AccountType,
    pub zone: String,
    pub admin: bool,
}

impl User {
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC)
    }
}

#[derive(Clone, Debug)]
pub struct Project {
    pub id: u64,
    pub key: &'static str,
    pub name: &'static str,
    /// `service_desk` or `software`.
    pub kind: &'static str,
    /// Number of the last issue.
    pub last: u64,
}

pub use super::words::*;

/// What an administrator registered to be called.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub id: u64,
    pub body: Value,
}

/// Behaviours that differ between sites.
#[derive(Clone, Debug)]
pub struct Switches {
    /// Seconds until a search sees a change; `None`: at once, or some minutes now and then when hostile.
    pub index_lag_seconds: Option<i64>,
    /// Requests per second and endpoint; `None`: no limit.
    pub burst_per_second: Option<u64>,
    /// Points per hour of the app quota; `None`: none, as for API tokens.
    pub quota_points_per_hour: Option<u64>,
    /// Rows that a page of a search holds at most.
    pub page_max: usize,
    /// Histories in the bulk changelog carry their time as a number.
    pub numeric_created: bool,
    /// Labels are not on the edit screen.
    pub labels_off_screen: bool,
    /// The workflow gives the status "Closed" the property `jira.issue.editable=false`.
    pub closed_read_only: bool,
    /// Data Center: user name and password are refused, as in Jira 11.
    pub basic_disabled: bool,
}

pub struct Site {
    pub flavour: Flavour,
    pub seed: u64,
    pub users: Vec<User>,
    /// Positions in `users`.
    pub contacts: Vec<usize>,
    pub agents: Vec<usize>,
    pub automation: usize,
    pub integration: usize,
    pub reader: usize,
    pub teams: Vec<&'static str>,
    pub customers: Vec<(String, &'static str)>,
    pub products: Vec<&'static str>,
    pub projects: Vec<Project>,
    pub issues: BTreeMap<u64, Issue>,
    /// Where an issue was before it was moved: old key to id.
    pub old_keys: HashMap<String, u64>,
    /// Issues of the world's cases.
    pub cases: HashMap<u64, u64>,
    pub webhooks: Vec<Webhook>,
    pub switches: Switches,
    pub serial: u64,
    index: Index,
}

/// What a search sees: by the `updated` it knows, and what it knows of issues whose change it has not read yet.
#[derive(Default)]
struct Index {
    by_updated: BTreeSet<(i64, u64)>,
    known: HashMap<u64, i64>,
    /// Instants at which changes become visible.
    waiting: BTreeSet<(Timestamp, u64)>,
    /// What a search still shows of a changed issue; `None`: nothing, it is new.
    stale: HashMap<u64, Option<Box<Issue>>>,
}

impl Site {
    /// Whether the workflow keeps this issue as it is.
    pub fn is_read_only(&self, issue: &Issue) -> bool {
        self.switches.closed_read_only && issue.status == CLOSED
    }

    pub fn new(flavour: Flavour, seed: u64, cast: &Cast) -> Site {
        let mut site = Site {
            flavour,
            seed,
            users: Vec::new(),
            contacts: Vec::new(),
            agents: Vec::new(),
            automation: 0,
            integration: 0,
            reader: 0,
            teams: cast.teams.iter().map(|team| team.name).collect(),
            customers: cast
                .customers
                .iter()
                .map(|customer| (customer.name.clone(), customer.tier.name()))
                .collect(),
            products: cast.products.iter().map(|product| product.name).collect(),
            projects: vec![
                Project { id: 10_000, key: "SUP", name: "Customer Support", kind: "service_desk", last: 0 },
                Project { id: 10_001, key: "ENG", name: "Engineering", kind: "software", last: 0 },
            ],
            issues: BTreeMap::new(),
            old_keys: HashMap::new(),
            cases: HashMap::new(),
            webhooks: Vec::new(),
            switches: Switches {
                index_lag_seconds: None,
                burst_per_second: None,
                quota_points_per_hour: None,
                page_max: 5_000,
                numeric_created: true,
                labels_off_screen: false,
                closed_read_only: false,
                basic_disabled: true,
            },
            serial: 10_000,
            index: Index::default(),
        };
        site.people(cast);
        site
    }

    fn people(&mut self, cast: &Cast) {
        for contact in &cast.contacts {
            let customer = &cast.customers[contact.customer];
            let user = self.user(contact.full_name(), &contact.email, AccountType::Customer, customer.zone);
            self.contacts.push(user);
        }
        for agent in &cast.agents {
            let user = self.user(agent.full_name(), &agent.email, AccountType::Atlassian, agent.zone);
            self.agents.push(user);
        }
        self.automation = self.user("Automation for Jira".to_owned(), "", AccountType::App, "UTC");
        // A zone that is not UTC: whoever writes dates into queries learns of it.
        self.integration = self.user(
            "dutyd".to_owned(),
            "dutyd@support.example",
            AccountType::Atlassian,
            "Australia/Sydney",
        );
        self.reader =
            self.user("Site Admin".to_owned(), "admin@support.example", AccountType::Atlassian, "UTC");
        let reader = self.reader;
        self.users[reader].admin = true;
    }

    fn user(&mut self, display_name: String, email: &str, account_type: AccountType, zone: &str) -> usize {
        let number = self.users.len();
        let hex = dice::hex_id(self.seed, &[b"account", display_name.as_bytes(), email.as_bytes()]);
        let id = match self.flavour {
            Flavour::Cloud if account_type == AccountType::Customer => {
                format!("qm:11111111-2222-3333-4444-555555555555:{}", &hex[..24])
            }
            Flavour::Cloud => format!("5b{}", &hex[..22]),
            Flavour::DataCenter => format!("JIRAUSER{}", 10_100 + number),
        };
        let name = email.split('@').next().filter(|name| !name.is_empty()).unwrap_or("automation").to_owned();
        self.users.push(User {
            id,
            name,
            display_name,
            email: email.to_owned(),
            account_type,
            zone: zone.to_owned(),
            admin: false,
        });
        number
    }

    /// A user by account id, key, login, address or shown name.
    pub fn find_user(&self, text: &str) -> Option<usize> {
        self.users.iter().position(|user| {
            user.id == text
                || user.name.eq_ignore_ascii_case(text)
                || (!user.email.is_empty() && user.email.eq_ignore_ascii_case(text))
                || user.display_name.eq_ignore_ascii_case(text)
        })
    }

    pub fn next_id(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub fn project(&self, text: &str) -> Option<usize> {
        self.projects.iter().position(|project| {
            project.key.eq_ignore_ascii_case(text)
                || project.name.eq_ignore_ascii_case(text)
                || project.id.to_string() == text
        })
    }

    /// The id of an issue named by id, key or a key it had.
    pub fn issue_id(&self, text: &str) -> Option<u64> {
        if let Ok(id) = text.parse::<u64>() {
            return self.issues.contains_key(&id).then_some(id);
        }
        let key = text.to_uppercase();
        self.old_keys.get(&key).copied().filter(|id| self.issues.contains_key(id))
    }

    /// The issue, if this user may see it.
    pub fn visible(&self, text: &str, user: usize) -> Option<&Issue> {
        let issue = self.issues.get(&self.issue_id(text)?)?;
        (!issue.hidden || self.users[user].admin).then_some(issue)
    }

    pub fn key(&self, issue: &Issue) -> String {
        format!("{}-{}", self.projects[issue.project].key, issue.number)
    }

    /// Puts a new issue in place.
    pub fn add(&mut self, issue: Issue, lag: SignedDuration) {
        let (id, at) = (issue.id, issue.updated);
        self.old_keys.insert(self.key(&issue), id);
        self.issues.insert(id, issue);
        self.reindex(id, None, at, lag);
    }

    /// After a change: the index follows, at once or after its lag, showing `before` until then.
    pub fn reindex(&mut self, id: u64, before: Option<Box<Issue>>, at: Timestamp, lag: SignedDuration) {
        if lag.is_zero() {
            self.index.stale.remove(&id);
            self.settle_one(id);
            return;
        }
        self.index.stale.entry(id).or_insert(before);
        self.index.waiting.insert((at.saturating_add(lag).unwrap_or(at), id));
    }

    fn settle_one(&mut self, id: u64) {
        if let Some(old) = self.index.known.remove(&id) {
            self.index.by_updated.remove(&(old, id));
        }
        if let Some(issue) = self.issues.get(&id) {
            let updated = issue.updated.as_millisecond();
            self.index.by_updated.insert((updated, id));
            self.index.known.insert(id, updated);
        }
    }

    /// Lets the index see what its lag has passed for.
    pub fn settle(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.index.waiting.first().copied().filter(|(at, _)| *at <= now) {
            self.index.waiting.remove(&(at, id));
            if !self.index.waiting.iter().any(|(_, waiting)| *waiting == id) {
                self.index.stale.remove(&id);
                self.settle_one(id);
            }
        }
    }

    pub fn remove(&mut self, id: u64) -> Option<Issue> {
        let issue = self.issues.remove(&id);
        self.index.stale.remove(&id);
        self.settle_one(id);
        issue
    }

    /// What a search sees of an issue; `reconciled`: the issue itself.
    pub fn searched(&self, id: u64, reconciled: bool) -> Option<&Issue> {
        match self.index.stale.get(&id) {
            Some(stale) if !reconciled => stale.as_deref(),
            _ => self.issues.get(&id),
        }
    }

    /// Ids that a search goes through, by `updated` from a lower bound on, in that order.
    pub fn by_updated(&self, from_ms: i64) -> impl Iterator<Item = u64> + '_ {
        self.index.by_updated.range((from_ms, 0)..).map(|(_, id)| *id)
    }

    pub fn clear(&mut self) {
        self.issues.clear();
        self.old_keys.clear();
        self.cases.clear();
        self.index = Index::default();
    }

    pub fn organization(&self, customer: usize) -> Value {
        let name = self.customers.get(customer).map_or("", |(name, _)| name);
        json!({ "id": (customer + 1).to_string(), "name": name })
    }

    pub fn component(&self, team: usize) -> (String, &'static str) {
        ((10_100 + team).to_string(), self.teams.get(team).copied().unwrap_or(""))
    }
}
