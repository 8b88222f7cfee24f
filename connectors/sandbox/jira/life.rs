//! How issues come to be and change: by clients, by the happenings of the world, and by orders of the control port.

use super::Jira;
use super::bells::Event;
use super::children::NewComment;
use super::fields;
use super::issue::{self, Body, Change, Comment, Issue, Item};
use super::site::{self, Site};
use super::text::millis;
use crate::dice;
use crate::world::{Happening, NewCase, Priority, Status, What, Who};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The lag of a hostile index stays below this.
const LAG_SECONDS_MAX: u64 = 240;
impl Jira {
    /// When a change happens to an issue: never at the very instant of the one before.
    fn moment(&self, site: &Site, id: u64, at: Timestamp) -> Timestamp {
        let at = millis(at);
        let last = site.issues.get(&id).map_or(at, |issue| issue.updated);
        let next = last.saturating_add(SignedDuration::from_millis(1)).unwrap_or(last);
        if site.issues.contains_key(&id) { at.max(next) } else { at }
    }

    /// How late the search index learns of a change.
    fn lag(&self, site: &Site, id: u64, at: Timestamp) -> SignedDuration {
        if let Some(seconds) = site.switches.index_lag_seconds {
            return SignedDuration::from_secs(seconds);
        }
        let parts = [b"lag".as_slice(), &id.to_le_bytes(), &at.as_second().to_le_bytes()];
        let late = self.stage.faults.chance(0.25, &parts);
        let seconds = if late { 1 + dice::hash(self.stage.seed, &parts) % LAG_SECONDS_MAX } else { 0 };
        SignedDuration::from_secs(seconds.cast_signed())
    }

    /// Does something to an issue with the index following.
    fn with<T>(
        &self,
        site: &mut Site,
        id: u64,
        at: Timestamp,
        act: impl FnOnce(&mut Site, Timestamp) -> T,
    ) -> T {
        let at = self.moment(site, id, at);
        let lag = self.lag(site, id, at);
        let before = if lag.is_zero() { None } else { site.issues.get(&id).cloned().map(Box::new) };
        let done = act(site, at);
        site.reindex(id, before, at, lag);
        done
    }

    pub fn change(
        &self,
        site: &mut Site,
        (id, changes): (u64, &[Change]),
        user: usize,
        at: Timestamp,
        metadata: Option<Value>,
    ) -> Vec<Item> {
        let at = self.moment(site, id, at);
        let items = self.with(site, id, at, |site, at| issue::change(site, id, changes, user, at, metadata));
        if !items.is_empty() {
            let history =
                site.issues.get(&id).and_then(|issue| issue.histories.last()).map_or(0, |last| last.id);
            let kind = kind_of(&items);
            let event = Event {
                name: "jira:issue_updated",
                kind,
                issue: id,
                user,
                history: Some((history, &items)),
                comment: None,
            };
            self.ring(site, &event, at);
        }
        items
    }

    /// Only `updated` moves.
    pub fn touch(&self, site: &mut Site, id: u64, at: Timestamp) -> Timestamp {
        self.with(site, id, at, |site, at| {
            if let Some(issue) = site.issues.get_mut(&id) {
                issue.updated = at;
            }
            at
        })
    }

    /// Adds a comment; its id.
    pub fn comment(&self, site: &mut Site, id: u64, new: NewComment, at: Timestamp) -> u64 {
        let number = site.next_id();
        let user = new.author;
        let at = self.with(site, id, at, |site, at| {
            if let Some(issue) = site.issues.get_mut(&id) {
                issue.comments.push(Comment {
                    id: number,
                    author: new.author,
                    body: new.body,
                    created: at,
                    updated: at,
                    internal: new.internal,
                    visibility: new.visibility,
                    properties: new.properties,
                });
                issue.updated = at;
            }
            at
        });
        self.ring_comment(site, "comment_created", (id, number), user, at);
        number
    }

    /// A new issue with its first values, which leave no history.
    pub fn insert(&self, site: &mut Site, new: Issue, changes: &[Change], at: Timestamp) {
        let (id, user) = (new.id, new.creator);
        site.issues.insert(id, new);
        issue::change(site, id, changes, user, millis(at), None);
        let Some(mut made) = site.issues.remove(&id) else { return };
        made.histories.clear();
        let lag = self.lag(site, id, at);
        site.add(made, lag);
        let event = Event {
            name: "jira:issue_created",
            kind: "issue_created",
            issue: id,
            user,
            history: None,
            comment: None,
        };
        self.ring(site, &event, at);
    }

    pub fn delete(&self, site: &mut Site, id: u64, user: usize, at: Timestamp) {
        let event = Event {
            name: "jira:issue_deleted",
            kind: "issue_deleted",
            issue: id,
            user,
            history: None,
            comment: None,
        };
        self.ring(site, &event, at);
        site.remove(id);
    }

    pub fn happen(&self, site: &mut Site, happening: &Happening) {
        let at = happening.at;
        if let What::Opened(new) = &happening.what {
            return self.open(site, happening.case, new, at);
        }
        let Some(id) = site.cases.get(&happening.case).copied() else { return };
        let who = |site: &Site, who: &Who| match who {
            Who::Contact(contact) => site.contacts[*contact],
            Who::Agent(agent) => site.agents[*agent],
            Who::System => site.automation,
        };
        let (changes, user) = match &happening.what {
            What::CustomerReplied { contact, text } => {
                let author = site.contacts[*contact];
                return self.say(site, id, author, text, true, at);
            }
            What::AgentReplied { agent, public, text } => {
                let author = site.agents[*agent];
                return self.say(site, id, author, text, *public, at);
            }
            What::StatusChanged { to, by } => (vec![Change::Status(status(*to))], who(site, by)),
            What::Reopened { by } => (vec![Change::Status(site::WAITING_FOR_SUPPORT)], who(site, by)),
            What::PriorityChanged { to, by } => (vec![Change::Priority(priority(*to))], who(site, by)),
            What::OwnerChanged { agent, by } => {
                (vec![Change::Assignee(Some(site.agents[*agent]))], who(site, by))
            }
            What::TeamChanged { team, agent, by } => {
                let agent = agent.map(|agent| site.agents[agent]);
                (vec![Change::Components(vec![*team]), Change::Assignee(agent)], who(site, by))
            }
            What::Opened(_) | What::Logged(_) => return,
        };
        self.change(site, (id, &changes), user, at, None);
    }

    pub fn say(&self, site: &mut Site, id: u64, author: usize, text: &str, public: bool, at: Timestamp) {
        let mut properties = BTreeMap::new();
        if !public {
            properties.insert("sd.public.comment".to_owned(), json!({ "internal": true }));
        }
        let body = Body::Text(text.to_owned());
        let new = NewComment { author, body, internal: !public, visibility: None, properties };
        self.comment(site, id, new, at);
    }

    fn open(&self, site: &mut Site, case: u64, new: &NewCase, at: Timestamp) {
        let reporter = site.contacts[new.contact];
        let mut made = fields::blank(site, 0, reporter, at);
        made.kind = usize::from(new.priority > Priority::High);
        let (_, tier) = site.customers[new.customer];
        let mut changes = vec![
            Change::Summary(new.title.clone()),
            Change::Description(Some(Body::Text(new.text.clone()))),
            Change::Priority(priority(new.priority)),
            Change::Components(vec![new.team]),
            Change::Organizations(vec![new.customer]),
            Change::Assignee(new.agent.map(|agent| site.agents[agent])),
            Change::Custom(site::TIER.to_owned(), issue::select(tier)),
            Change::Custom(site::PRODUCT.to_owned(), issue::select(site.products[new.product])),
        ];
        self.surprise(case, &mut made, &mut changes);
        site.cases.insert(case, made.id);
        self.insert(site, made, &changes, at);
    }

    /// Now and then a hostile world has a record with something odd in it.
    fn surprise(&self, case: u64, made: &mut Issue, changes: &mut Vec<Change>) {
        if !self.stage.faults.chance(0.06, &[b"surprise", &case.to_le_bytes()]) {
            return;
        }
        match dice::hash(self.stage.seed, &[b"odd", &case.to_le_bytes()]) % 5 {
            0 => changes.push(Change::Description(Some(Body::Text(
                "лось 🦌🔥 \u{202e}desrever\u{202c} {html}<b>[~admin]".to_owned(),
            )))),
            1 => changes.push(Change::Description(Some(Body::Text("A very long story. ".repeat(4_000))))),
            2 => made.odd_priority = Some("Show stopper".to_owned()),
            3 => changes.push(Change::Description(None)),
            _ => changes.push(Change::Organizations(Vec::new())),
        }
    }
}

fn kind_of(items: &[Item]) -> &'static str {
    match items {
        items if items.iter().any(|item| item.field_id == "status") => "issue_generic",
        [item] if item.field_id == "assignee" => "issue_assigned",
        items if items.iter().any(|item| item.field_id == "project") => "issue_moved",
        _ => "issue_updated",
    }
}

fn status(status: Status) -> usize {
    match status {
        Status::New => site::OPEN,
        Status::Open => site::WAITING_FOR_SUPPORT,
        Status::Pending => site::WAITING_FOR_CUSTOMER,
        Status::OnHold => site::PENDING,
        Status::Resolved => site::RESOLVED,
        Status::Closed => site::CLOSED,
    }
}

pub fn priority(priority: Priority) -> usize {
    match priority {
        Priority::Urgent => 0,
        Priority::High => 1,
        Priority::Normal => 2,
        Priority::Low => 3,
    }
}
