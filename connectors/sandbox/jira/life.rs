//! How issues come to be and change: by clients, by the happenings of the world, and by orders of the control port.

use super::Jira;
use super::bells::Event;
use super::children::NewComment;
use super::errors;
use super::fields;
use super::issue::{self, Body, Change, Comment, Issue, Item};
use super::site::{self, Flavour, Site};
use super::text::millis;
use crate::dice;
use crate::vendor::Command;
use crate::world::{Happening, NewCase, Priority, Status, What, Who};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The lag of a hostile index stays below this.
const LAG_SECONDS_MAX: u64 = 240;
/// Vendor: writes to one issue within two and thirty seconds.
const WRITES: [(i64, usize); 2] = [(2_000, 20), (30_000, 100)];

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

    /// The limit of writes to one issue.
    pub fn may_write(&self, site: &Site, id: u64, now: Timestamp) -> Result<(), Response> {
        let mut guard = crate::clock::lock(&self.writes);
        let now_ms = now.as_millisecond();
        let held = guard.entry(id).or_default();
        held.retain(|at| now_ms - at < WRITES[1].0);
        for (window, most) in WRITES {
            if site.flavour == Flavour::Cloud
                && held.iter().filter(|at| now_ms - **at < window).count() >= most
            {
                return Err(errors::throttled("jira-per-issue-on-write", 2, now));
            }
        }
        held.push(now_ms);
        Ok(())
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

    fn say(&self, site: &mut Site, id: u64, author: usize, text: &str, public: bool, at: Timestamp) {
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

    /// An order of the control port.
    pub fn obey(&self, site: &mut Site, command: &Command, now: Timestamp) -> Result<Value, String> {
        match command {
            Command::Create { fields } => self.order_issue(site, fields, now),
            Command::Reply { id, from_customer, public, text, by } => {
                let id = known(site, id)?;
                let author = match by {
                    Some(by) => site.find_user(by).ok_or_else(|| format!("nobody named {by:?}"))?,
                    None if *from_customer => site.issues[&id].reporter,
                    None => agent_of(site, id),
                };
                self.say(site, id, author, text, *public || *from_customer, now);
                Ok(shown(site, id))
            }
            Command::Change { id, fields, by } => {
                let id = known(site, id)?;
                let user = match by {
                    Some(by) => site.find_user(by).ok_or_else(|| format!("nobody named {by:?}"))?,
                    None => agent_of(site, id),
                };
                let changes = self.raw(site, fields)?;
                self.change(site, (id, &changes), user, now, None);
                Ok(shown(site, id))
            }
            Command::Delete { id } => {
                let id = known(site, id)?;
                let answer = shown(site, id);
                let reader = site.reader;
                self.delete(site, id, reader, now);
                Ok(answer)
            }
            Command::Other { verb, id, fields } => {
                let id = known(site, id)?;
                self.other(site, verb, id, fields, now)?;
                Ok(shown(site, id))
            }
        }
    }

    fn other(
        &self,
        site: &mut Site,
        verb: &str,
        id: u64,
        fields: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<(), String> {
        match verb {
            "hide" | "show" => {
                self.touch(site, id, now);
                if let Some(issue) = site.issues.get_mut(&id) {
                    issue.hidden = verb == "hide";
                }
            }
            "vanish" => drop(site.remove(id)),
            "move" => {
                let key = fields.get("project").and_then(Value::as_str).unwrap_or("ENG");
                let project = site.project(key).ok_or_else(|| format!("no project {key:?}"))?;
                let user = agent_of(site, id);
                self.change(site, (id, &[Change::Project(project)]), user, now, None);
            }
            _ => return Err(format!("jira does not know {verb:?}")),
        }
        Ok(())
    }

    fn order_issue(
        &self,
        site: &mut Site,
        given: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Value, String> {
        let text = |name: &str| given.get(name).and_then(Value::as_str);
        let customer = match given.get("customer") {
            None => 0,
            Some(Value::Number(number)) => number.as_u64().unwrap_or(0) as usize,
            Some(name) => {
                let name = name.as_str().unwrap_or("");
                self.stage.cast.customer_named(name).ok_or_else(|| format!("no customer {name:?}"))?
            }
        };
        let contacts = self.stage.cast.customers.get(customer).ok_or("no such customer")?.contacts.clone();
        let reporter = match text("contact") {
            Some(name) => site.find_user(name).ok_or_else(|| format!("nobody named {name:?}"))?,
            None => site.contacts[contacts[0]],
        };
        let project = match text("project") {
            Some(key) => site.project(key).ok_or_else(|| format!("no project {key:?}"))?,
            None => 0,
        };
        let mut made = fields::blank(site, project, reporter, now);
        made.kind = 0;
        let id = made.id;
        let (_, tier) = site.customers[customer];
        let mut changes = vec![
            Change::Summary(text("title").unwrap_or("A case").to_owned()),
            Change::Organizations(vec![customer]),
            Change::Components(vec![0]),
            Change::Custom(site::TIER.to_owned(), issue::select(tier)),
        ];
        let mut rest = given.clone();
        rest.retain(|name, _| !matches!(name.as_str(), "customer" | "contact" | "project" | "title"));
        changes.extend(self.raw(site, &rest)?);
        self.insert(site, made, &changes, now);
        Ok(shown(site, id))
    }

    /// Common words as changes; any other is a field as clients name it, texts as plain text.
    fn raw(&self, site: &Site, given: &Map<String, Value>) -> Result<Vec<Change>, String> {
        let mut changes = Vec::new();
        for (name, value) in given {
            let text = value.as_str().unwrap_or("");
            changes.push(match name.as_str() {
                "title" => Change::Summary(text.to_owned()),
                "text" => Change::Description(Some(Body::Text(text.to_owned()))),
                "status" => Change::Status(status_word(text)),
                "priority" => match Priority::parse(text) {
                    Some(level) => Change::Priority(priority(level)),
                    None => Change::Priority(
                        site::PRIORITIES
                            .iter()
                            .position(|word| word.name.eq_ignore_ascii_case(text))
                            .ok_or_else(|| format!("no priority {text:?}"))?,
                    ),
                },
                "team" => {
                    let team = self.stage.cast.team_named(text).ok_or_else(|| format!("no team {text:?}"))?;
                    Change::Components(vec![team])
                }
                "agent" if text.is_empty() => Change::Assignee(None),
                "agent" => Change::Assignee(Some(
                    site.find_user(text).ok_or_else(|| format!("nobody named {text:?}"))?,
                )),
                _ => fields::set(site, name, value, false)?,
            });
        }
        Ok(changes)
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

fn priority(priority: Priority) -> usize {
    match priority {
        Priority::Urgent => 0,
        Priority::High => 1,
        Priority::Normal => 2,
        Priority::Low => 3,
    }
}

/// A common word or a status's own name.
fn status_word(word: &str) -> usize {
    let named = site::STATUSES.iter().position(|(known, _)| known.name.eq_ignore_ascii_case(word));
    match word {
        "new" => site::OPEN,
        "open" => site::WAITING_FOR_SUPPORT,
        "pending" => site::WAITING_FOR_CUSTOMER,
        "on_hold" | "hold" => site::PENDING,
        "resolved" | "solved" => site::RESOLVED,
        "closed" => site::CLOSED,
        _ => named.unwrap_or(site::WAITING_FOR_SUPPORT),
    }
}

fn known(site: &Site, id: &str) -> Result<u64, String> {
    site.issue_id(id).ok_or_else(|| format!("no issue {id:?}"))
}

fn agent_of(site: &Site, id: u64) -> usize {
    site.issues.get(&id).and_then(|issue| issue.assignee).unwrap_or(site.agents[0])
}

fn shown(site: &Site, id: u64) -> Value {
    match site.issues.get(&id) {
        Some(issue) => json!({
            "id": id.to_string(), "number": site.key(issue), "updated": issue.updated.to_string(),
            "status": site::STATUSES[issue.status].0.name,
        }),
        None => json!({ "id": id.to_string(), "number": "" }),
    }
}
