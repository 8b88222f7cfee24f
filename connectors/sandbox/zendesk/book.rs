//! The tables of one Zendesk account: tickets with their audits, people, groups, organizations, fields.
//! Knows rows and how they are found; what an update does stands in `change.rs`.

use super::uploads::Uploads;
use crate::cast::{Cast, OWN_DOMAIN};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub const USERS_FROM: u64 = 20_000_000_000;
pub const CONTACTS_FROM: u64 = 21_000_000_000;
pub const GROUPS_FROM: u64 = 30_000_000_000;
pub const ORGANIZATIONS_FROM: u64 = 40_000_000_000;
pub const FIELDS_FROM: u64 = 50_000_000_000;
pub const EVENTS_FROM: u64 = 60_000_000_000;
pub const BRAND: u64 = 80_000_000_001;
pub const FORM: u64 = 80_000_000_002;
/// The accounts of the integration, of the person behind the API token, and of one who only looks.
pub const INTEGRATION_USER: u64 = USERS_FROM + 900;
pub const OWNER_USER: u64 = USERS_FROM + 901;
pub const READER_USER: u64 = USERS_FROM + 902;
/// Who triggers and automations act as.
pub const SYSTEM_USER: i64 = -1;

/// A ticket as it is now.
#[derive(Clone, Debug, Default)]
pub struct Ticket {
    pub id: u64,
    pub subject: String,
    pub description: String,
    pub status: String,
    pub priority: Option<String>,
    pub kind: Option<String>,
    pub requester: u64,
    pub submitter: u64,
    pub assignee: Option<u64>,
    pub group: Option<u64>,
    pub organization: Option<u64>,
    pub tags: Vec<String>,
    pub custom: BTreeMap<u64, Value>,
    pub external_id: Option<String>,
    pub problem: Option<u64>,
    pub due_at: Option<String>,
    pub collaborators: Vec<u64>,
    pub via: Value,
    /// Whether the first comment is public.
    pub public: bool,
    pub created: i64,
    pub updated: i64,
    /// Moves with every change, also with those that leave `updated` alone.
    pub generated: i64,
    pub metrics: Metrics,
    /// Status before a deletion, and who deleted it.
    pub deleted: Option<(String, i64, i64)>,
}

/// What is counted of a ticket.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub reopens: u64,
    pub replies: u64,
    pub groups: u64,
    pub assignees: u64,
    pub assigned_at: Option<i64>,
    pub first_assigned_at: Option<i64>,
    pub solved_at: Option<i64>,
    pub first_reply_at: Option<i64>,
    pub status_at: i64,
    pub assignee_at: Option<i64>,
    pub requester_at: i64,
    pub comment_at: i64,
}

#[derive(Clone, Debug)]
pub struct Audit {
    pub id: u64,
    pub ticket: u64,
    pub created: i64,
    pub author: i64,
    pub via: Value,
    /// `metadata` of the update.
    pub custom: Value,
    pub events: Vec<Value>,
}

#[derive(Clone, Debug)]
pub struct User {
    pub id: u64,
    pub name: String,
    pub email: String,
    pub role: String,
    pub zone: &'static str,
    pub organization: Option<u64>,
    pub group: Option<u64>,
    pub created: i64,
    pub updated: i64,
    /// What a client set besides.
    pub more: serde_json::Map<String, Value>,
}

#[derive(Clone, Debug)]
pub struct Organization {
    pub id: u64,
    pub name: String,
    pub domain: String,
    pub tier: String,
    pub created: i64,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub id: u64,
    pub kind: String,
    pub title: String,
    pub active: bool,
    pub system: bool,
    pub in_portal: bool,
    /// Name and tag of each option.
    pub options: Vec<(String, String)>,
}

/// An event of a ticket's measures.
#[derive(Clone, Debug)]
pub struct MetricEvent {
    pub id: u64,
    pub ticket: u64,
    pub metric: &'static str,
    pub instance: u64,
    pub kind: &'static str,
    pub at: i64,
}

#[derive(Debug, Default)]
pub struct Book {
    pub tickets: BTreeMap<u64, Ticket>,
    /// The order of the export.
    pub stream: BTreeSet<(i64, u64)>,
    pub audits: BTreeMap<u64, Vec<Audit>>,
    pub users: BTreeMap<u64, User>,
    pub by_email: HashMap<String, u64>,
    pub groups: BTreeMap<u64, String>,
    pub organizations: BTreeMap<u64, Organization>,
    pub fields: BTreeMap<u64, Field>,
    pub metric_events: Vec<MetricEvent>,
    pub uploads: Uploads,
    /// The ticket of each case of the world.
    pub cases: HashMap<u64, u64>,
    /// `Idempotency-Key`: when, the request's body, the ticket made.
    pub idempotency: HashMap<String, (i64, Vec<u8>, u64)>,
    /// Tickets that others name as their problem.
    pub problems: BTreeSet<u64>,
    pub began: i64,
    events: u64,
    last_ticket: u64,
}

impl Book {
    pub fn new(cast: &Cast, began: i64) -> Book {
        let mut book = Book { began, events: EVENTS_FROM, ..Book::default() };
        for (index, team) in cast.teams.iter().enumerate() {
            book.groups.insert(group_id(index), team.name.to_owned());
        }
        for (index, customer) in cast.customers.iter().enumerate() {
            let (id, tier) = (organization_id(index), customer.tier.name().to_lowercase());
            let (name, domain) = (customer.name.clone(), customer.domain.clone());
            book.organizations.insert(id, Organization { id, name, domain, tier, created: began });
        }
        for (index, agent) in cast.agents.iter().enumerate() {
            let (name, email) = (agent.full_name(), agent.email.clone());
            book.seed_user(
                (agent_id(index), name, email, "agent"),
                agent.zone,
                (None, Some(group_id(agent.team))),
            );
        }
        for (index, contact) in cast.contacts.iter().enumerate() {
            let (name, email) = (contact.full_name(), contact.email.clone());
            let zone = cast.customers[contact.customer].zone;
            let organization = Some(organization_id(contact.customer));
            book.seed_user((contact_id(index), name, email, "end-user"), zone, (organization, None));
        }
        for (id, name, login) in [
            (INTEGRATION_USER, "Dutyd", "dutyd"),
            (OWNER_USER, "Account Owner", "owner"),
            (READER_USER, "Demo Reader", "reader"),
        ] {
            let email = format!("{login}@{OWN_DOMAIN}");
            book.seed_user((id, name.to_owned(), email, "admin"), "Etc/UTC", (None, None));
        }
        book.seed_fields(cast);
        book
    }

    fn seed_user(
        &mut self,
        (id, name, email, role): (u64, String, String, &str),
        zone: &'static str,
        (organization, group): (Option<u64>, Option<u64>),
    ) {
        let (created, more) = (self.began, serde_json::Map::new());
        self.by_email.insert(email.clone(), id);
        let role = role.to_owned();
        self.users.insert(
            id,
            User { id, name, email, role, zone, organization, group, created, updated: created, more },
        );
    }

    fn seed_fields(&mut self, cast: &Cast) {
        let system = [
            ("subject", "Subject"),
            ("description", "Description"),
            ("status", "Status"),
            ("tickettype", "Type"),
            ("priority", "Priority"),
            ("group", "Group"),
            ("assignee", "Assignee"),
        ];
        for (kind, title) in system {
            self.add_field(kind, title, Vec::new(), true);
        }
        let products = cast.products.iter().map(|one| (one.name.to_owned(), tag_of(one.name))).collect();
        self.add_field("tagger", "Product", products, false);
        // What an administrator created on request of an integration.
        let severities = ["Watch", "Warning", "Candidate", "Critical"];
        let severities = severities.map(|name| (name.to_owned(), format!("dutyd_{}", name.to_lowercase())));
        self.add_field("tagger", "Dutyd severity", severities.to_vec(), false);
        self.add_field("text", "Dutyd why", Vec::new(), false);
        self.add_field("text", "Dutyd marks", Vec::new(), false);
        self.add_field("text", "Dutyd answer", Vec::new(), false);
    }

    pub fn add_field(
        &mut self,
        kind: &str,
        title: &str,
        options: Vec<(String, String)>,
        system: bool,
    ) -> u64 {
        let id = self.fields.keys().next_back().map_or(FIELDS_FROM + 1, |last| last + 1);
        let (kind, title) = (kind.to_owned(), title.to_owned());
        self.fields.insert(id, Field { id, kind, title, active: true, system, in_portal: system, options });
        id
    }

    /// A field that clients fill, by title.
    pub fn field_titled(&self, title: &str) -> Option<u64> {
        self.fields.values().find(|field| !field.system && field.title == title).map(|field| field.id)
    }

    /// An organization that a client makes; its id.
    pub fn add_organization(&mut self, name: &str, now: i64) -> u64 {
        let id = self.organizations.keys().next_back().map_or(1, |last| last + 1);
        let (name, domain, tier) = (name.to_owned(), String::new(), String::new());
        self.organizations.insert(id, Organization { id, name, domain, tier, created: now });
        id
    }

    /// The next id of the sequence that audits, events and comments share.
    pub fn next_event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    pub fn next_ticket(&mut self) -> u64 {
        self.last_ticket = self.last_ticket.max(self.tickets.keys().next_back().copied().unwrap_or(0)) + 1;
        self.last_ticket
    }

    /// Tickets that are not deleted, by id.
    pub fn living(&self) -> impl DoubleEndedIterator<Item = &Ticket> {
        self.tickets.values().filter(|ticket| ticket.status != "deleted")
    }

    pub fn living_ticket(&self, id: u64) -> Option<&Ticket> {
        self.tickets.get(&id).filter(|ticket| ticket.status != "deleted")
    }

    /// Puts a ticket at its place in the export.
    pub fn place(&mut self, id: u64, generated: i64) {
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        self.stream.remove(&(ticket.generated, id));
        ticket.generated = generated;
        self.stream.insert((generated, id));
    }

    /// Comments of a ticket, oldest first, each with its audit.
    pub fn comments(&self, ticket: u64) -> impl Iterator<Item = (&Audit, &Value)> {
        let audits = self.audits.get(&ticket).into_iter().flatten();
        audits.flat_map(|audit| {
            audit.events.iter().filter(|event| event["type"] == "Comment").map(move |one| (audit, one))
        })
    }

    /// A user by id or address.
    pub fn user_like(&self, text: &str) -> Option<u64> {
        text.parse()
            .ok()
            .filter(|id| self.users.contains_key(id))
            .or_else(|| self.by_email.get(text).copied())
    }

    pub fn is_staff(&self, id: u64) -> bool {
        self.users.get(&id).is_some_and(|user| user.role != "end-user")
    }
}

pub fn agent_id(index: usize) -> u64 {
    USERS_FROM + 1 + index as u64
}

pub fn contact_id(index: usize) -> u64 {
    CONTACTS_FROM + 1 + index as u64
}

pub fn group_id(index: usize) -> u64 {
    GROUPS_FROM + 1 + index as u64
}

pub fn organization_id(index: usize) -> u64 {
    ORGANIZATIONS_FROM + 1 + index as u64
}

/// A name as a tag: lower case, no blanks.
pub fn tag_of(name: &str) -> String {
    name.to_lowercase().replace(' ', "_")
}

/// `via` of a channel.
pub fn via(channel: &str) -> Value {
    json!({ "channel": channel, "source": { "from": {}, "to": {}, "rel": null } })
}

/// `via` of a rule: a trigger or an automation.
pub fn via_rule(title: &str, rel: &str) -> Value {
    let from = json!({ "id": 70_000_000_100_u64, "title": title, "deleted": false });
    json!({ "channel": "rule", "source": { "from": from, "to": {}, "rel": rel } })
}
