//! What creating and updating a ticket does: fields, tags that follow drop-downs, the audit, the measures.
//! One path for clients, for people of the world and for triggers. Knows rules; knows no requests.

use super::book::{Audit, Book, MetricEvent, Ticket, via, via_rule};
use super::reply::{Reply, invalid, no_record, refused};
use serde_json::{Map, Value, json};

const STATUSES: &[&str] = &["new", "open", "pending", "hold", "solved", "closed"];
const PRIORITIES: &[&str] = &["urgent", "high", "normal", "low"];
const KINDS: &[&str] = &["problem", "incident", "question", "task"];
/// Keys of a ticket that an update may carry and that need no work of their own here.
const QUIET: &[&str] = &[
    "metadata",
    "safe_update",
    "updated_stamp",
    "comment",
    "custom_fields",
    "fields",
    "tags",
    "additional_tags",
    "remove_tags",
    "id",
    "submitter_id",
    "ticket_form_id",
    "brand_id",
    "custom_status_id",
    "is_public",
    "via_id",
    "attribute_value_ids",
    "requester",
    "description",
];

/// Who changes a ticket, when, and how it came.
#[derive(Clone, Debug)]
pub struct Doer {
    /// `SYSTEM_USER` for triggers and automations.
    pub user: i64,
    pub via: Value,
    pub now: i64,
}

impl Doer {
    pub fn api(user: u64, now: i64) -> Doer {
        Doer { user: user as i64, via: via("api"), now }
    }

    pub fn person(user: u64, channel: &str, now: i64) -> Doer {
        Doer { user: user as i64, via: via(channel), now }
    }

    pub fn automation(now: i64) -> Doer {
        let title = "Close ticket 4 days after status is set to solved";
        Doer { user: super::book::SYSTEM_USER, via: via_rule(title, "automation"), now }
    }
}

/// The audit made, and the keys that were silently ignored.
#[derive(Debug)]
pub struct Made {
    pub audit: Audit,
    pub ignored: Vec<String>,
}

/// An audit under way.
pub(super) struct Draft {
    pub(super) events: Vec<Value>,
}

impl Book {
    /// Makes a ticket. `change` is the body's `ticket` object.
    pub fn create(&mut self, change: &Map<String, Value>, doer: &Doer) -> Result<Made, Reply> {
        let text = first_comment(change).ok_or_else(|| invalid("base", "Description: cannot be blank"))?;
        let requester = self.requester_of(change, doer)?;
        let id = self.next_ticket();
        let subject = change.get("subject").and_then(Value::as_str).unwrap_or("").to_owned();
        let public = change.get("comment").and_then(|comment| comment["public"].as_bool()).unwrap_or(true);
        let ticket = Ticket {
            id,
            description: text.0.clone(),
            subject,
            status: "new".to_owned(),
            requester,
            submitter: u64::try_from(doer.user).unwrap_or(requester),
            organization: self.users.get(&requester).and_then(|user| user.organization),
            via: doer.via.clone(),
            public,
            created: doer.now,
            updated: doer.now,
            metrics: super::book::Metrics {
                status_at: doer.now,
                requester_at: doer.now,
                comment_at: doer.now,
                ..Default::default()
            },
            ..Ticket::default()
        };
        let before = ticket.clone();
        self.tickets.insert(id, ticket);
        let mut made = match self.revise(id, change, doer, None) {
            Ok(made) => made,
            Err(refusal) => {
                self.tickets.remove(&id);
                return Err(refusal);
            }
        };
        self.tell_creation(&before, requester, &text, &mut made.audit);
        made.audit.events[0]["attachments"] = self.uploads.under(change);
        self.audits.insert(id, vec![made.audit.clone()]);
        self.place(id, doer.now);
        self.measure(id, "reply_time", 1, "activate", doer.now);
        self.measure(id, "resolution_time", 1, "activate", doer.now);
        Ok(made)
    }

    /// The first audit says `Create` where later ones say `Change`, and leads with the first comment.
    fn tell_creation(&mut self, before: &Ticket, requester: u64, text: &(String, bool), audit: &mut Audit) {
        for event in &mut audit.events {
            if event["type"] == "Change" {
                event["type"] = json!("Create");
                if let Some(event) = event.as_object_mut() {
                    event.remove("previous_value");
                }
            }
        }
        let status = self.tickets.get(&before.id).map(|ticket| ticket.status.clone()).unwrap_or_default();
        audit.events.retain(|event| event["field_name"] != "status" && event["type"] != "Comment");
        let mut facts = vec![
            ("subject", json!(before.subject)),
            ("status", json!(status)),
            ("requester_id", json!(requester.to_string())),
        ];
        if let Some(organization) = before.organization {
            facts.push(("organization_id", json!(organization.to_string())));
        }
        for (field, value) in facts {
            if !audit.events.iter().any(|event| event["field_name"] == field) {
                let id = self.next_event();
                audit.events.push(json!({ "id": id, "type": "Create", "field_name": field, "value": value }));
            }
        }
        let comment = self.comment_event(audit.id, requester as i64, &text.0, text.1);
        audit.events.insert(0, comment);
    }

    fn requester_of(&mut self, change: &Map<String, Value>, doer: &Doer) -> Result<u64, Reply> {
        if let Some(id) = change.get("requester_id").and_then(number) {
            return self
                .users
                .contains_key(&id)
                .then_some(id)
                .ok_or_else(|| invalid("requester", "Requester is unknown"));
        }
        if let Some(person) = change.get("requester").and_then(Value::as_object) {
            let email = person.get("email").and_then(Value::as_str).unwrap_or("");
            if let Some(id) = self.by_email.get(email) {
                return Ok(*id);
            }
            let name = person.get("name").and_then(Value::as_str).unwrap_or(email).to_owned();
            return Ok(self.add_user(&name, email, "end-user", doer.now));
        }
        u64::try_from(doer.user).map_err(|_| invalid("requester", "Requester: is required"))
    }

    pub fn add_user(&mut self, name: &str, email: &str, role: &str, now: i64) -> u64 {
        let id = self.users.keys().next_back().map_or(super::book::CONTACTS_FROM + 5_000, |last| last + 1);
        let organization =
            self.organizations.values().find(|one| email.ends_with(&format!("@{}", one.domain)));
        let user = super::book::User {
            id,
            name: name.to_owned(),
            email: email.to_owned(),
            role: role.to_owned(),
            zone: "Etc/UTC",
            organization: organization.map(|one| one.id),
            group: None,
            created: now,
            updated: now,
            more: Map::new(),
        };
        self.users.insert(id, user);
        self.by_email.insert(email.to_owned(), id);
        id
    }

    /// Updates a ticket and keeps the audit.
    pub fn update(&mut self, id: u64, change: &Map<String, Value>, doer: &Doer) -> Result<Made, Reply> {
        let ticket = self.living_ticket(id).ok_or_else(no_record)?;
        if ticket.status == "closed" {
            return Err(invalid("status", "Status: closed prevents ticket update"));
        }
        // `safe_update: false` acts like true; only leaving the key out switches it off.
        if change.contains_key("safe_update") {
            let stamp = change.get("updated_stamp").and_then(Value::as_str).unwrap_or("");
            let same = stamp.parse::<jiff::Timestamp>().is_ok_and(|at| at.as_second() == ticket.updated);
            if !same {
                let text = "Safe Update prevented the update due to outdated ticket data. Please fetch the latest ticket data and try again.";
                return Err(refused(409, "UpdateConflict", text));
            }
        }
        let kept = ticket.clone();
        match self.revise(id, change, doer, Some(&kept)) {
            Ok(made) => {
                self.audits.entry(id).or_default().push(made.audit.clone());
                if let Some(ticket) = self.tickets.get_mut(&id) {
                    ticket.updated = doer.now;
                }
                self.place(id, doer.now);
                Ok(made)
            }
            Err(refusal) => {
                self.tickets.insert(id, kept);
                Err(refusal)
            }
        }
    }

    /// Carries out a change on the ticket as it stands. On error the caller puts the old one back.
    fn revise(
        &mut self,
        id: u64,
        change: &Map<String, Value>,
        doer: &Doer,
        before: Option<&Ticket>,
    ) -> Result<Made, Reply> {
        let mut draft = Draft { events: Vec::new() };
        let mut ignored = Vec::new();
        let audit_id = self.next_event();
        if before.is_some() {
            self.speak(id, audit_id, change, doer, &mut draft);
        }
        for (key, value) in change {
            if !QUIET.contains(&key.as_str()) && !self.set(id, key, value, doer, &mut draft)? {
                ignored.push(format!("ticket.{key}"));
            }
        }
        self.retag(id, change, &mut draft);
        for list in ["custom_fields", "fields"] {
            self.set_custom(id, change.get(list), &mut draft)?;
        }
        self.follow(id, change, doer, &mut draft)?;
        let custom = change.get("metadata").cloned().unwrap_or_else(|| json!({}));
        let audit = Audit {
            id: audit_id,
            ticket: id,
            created: doer.now,
            author: doer.user,
            via: doer.via.clone(),
            custom,
            events: draft.events,
        };
        Ok(Made { audit, ignored })
    }

    pub(super) fn changed(&mut self, draft: &mut Draft, field: &str, from: Value, to: Value) {
        if from != to {
            let id = self.next_event();
            draft.events.push(
                json!({ "id": id, "type": "Change", "field_name": field, "value": to, "previous_value": from }),
            );
        }
    }

    fn comment_event(&mut self, audit: u64, author: i64, text: &str, public: bool) -> Value {
        let id = self.next_event();
        let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br>");
        json!({
            "id": id, "type": "Comment", "author_id": author, "body": text, "plain_body": text,
            "html_body": format!("<div class=\"zd-comment\" dir=\"auto\"><p dir=\"auto\">{html}</p></div>"),
            "public": public, "attachments": [], "audit_id": audit,
        })
    }

    /// The comment of an update, and what a comment brings about.
    fn speak(&mut self, id: u64, audit: u64, change: &Map<String, Value>, doer: &Doer, draft: &mut Draft) {
        let Some((text, said_public)) = first_comment(change) else { return };
        let Some(ticket) = self.tickets.get(&id) else { return };
        let public = change
            .get("comment")
            .and_then(|one| one["public"].as_bool())
            .unwrap_or(ticket.public && said_public);
        let given = change.get("comment").and_then(|one| number(&one["author_id"]));
        let author = given.filter(|id| self.users.contains_key(id)).map_or(doer.user, |id| id as i64);
        let mut event = self.comment_event(audit, author, &text, public);
        event["attachments"] = self.uploads.under(change);
        draft.events.push(event);
        let staff = u64::try_from(author).is_ok_and(|author| self.is_staff(author));
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        ticket.metrics.comment_at = doer.now;
        if staff && public {
            ticket.metrics.replies += 1;
            if ticket.metrics.first_reply_at.is_none() {
                ticket.metrics.first_reply_at = Some(doer.now);
                self.measure(id, "reply_time", 1, "fulfill", doer.now);
            }
        } else if !staff {
            ticket.metrics.requester_at = doer.now;
        }
        let asleep = self
            .tickets
            .get(&id)
            .is_some_and(|one| matches!(one.status.as_str(), "pending" | "solved" | "hold"));
        if !staff && public && asleep && !change.contains_key("status") {
            self.set_status(id, "open", doer, draft);
        }
    }

    /// One plain key. `Ok(false)`: unknown here.
    fn set(
        &mut self,
        id: u64,
        key: &str,
        value: &Value,
        doer: &Doer,
        draft: &mut Draft,
    ) -> Result<bool, Reply> {
        let word = |allowed: &[&str], title: &str| match value.as_str() {
            None | Some("") => Ok(None),
            Some(word) if allowed.contains(&word) => Ok(Some(word.to_owned())),
            Some(word) => Err(invalid(key, &format!("{title}: {word} is not valid"))),
        };
        let old = self.tickets.get(&id).ok_or_else(no_record)?.clone();
        let Some(ticket) = self.tickets.get_mut(&id) else { return Ok(false) };
        let (from, to) = match key {
            "status" => {
                let Some(word) = word(STATUSES, "Status")? else { return Ok(true) };
                self.set_status(id, &word, doer, draft);
                return Ok(true);
            }
            "priority" => {
                (json!(old.priority), json!(set(&mut ticket.priority, word(PRIORITIES, "Priority")?)))
            }
            "type" => (json!(old.kind), json!(set(&mut ticket.kind, word(KINDS, "Type")?))),
            "subject" => (json!(old.subject), json!(set(&mut ticket.subject, text(value)))),
            "external_id" => (
                json!(old.external_id),
                json!(set(&mut ticket.external_id, value.as_str().map(str::to_owned))),
            ),
            "due_at" => {
                (json!(old.due_at), json!(set(&mut ticket.due_at, value.as_str().map(str::to_owned))))
            }
            "problem_id" => {
                self.problems.extend(number(value));
                (id_text(old.problem), id_text(set(&mut ticket.problem, number(value))))
            }
            "requester_id" => {
                let to = number(value).filter(|id| self.users.contains_key(id));
                let to = to.ok_or_else(|| invalid("requester", "Requester is unknown"))?;
                (json!(old.requester.to_string()), json!(set(&mut ticket.requester, to).to_string()))
            }
            "organization_id" => {
                (id_text(old.organization), id_text(set(&mut ticket.organization, number(value))))
            }
            "collaborator_ids" => {
                ticket.collaborators = value.as_array().into_iter().flatten().filter_map(number).collect();
                return Ok(true);
            }
            "group_id" => {
                ticket.metrics.groups += 1;
                (id_text(old.group), id_text(set(&mut ticket.group, number(value))))
            }
            "assignee_id" => {
                self.assign(id, number(value), doer, draft)?;
                return Ok(true);
            }
            "assignee_email" => {
                let to = value.as_str().and_then(|email| self.by_email.get(email)).copied();
                self.assign(id, to, doer, draft)?;
                return Ok(true);
            }
            _ => return Ok(false),
        };
        let field = if key == "problem_id" { "linked_id" } else { key };
        self.changed(draft, field, from, to);
        Ok(true)
    }

    fn assign(&mut self, id: u64, to: Option<u64>, doer: &Doer, draft: &mut Draft) -> Result<(), Reply> {
        if to.is_some_and(|user| !self.is_staff(user)) {
            return Err(invalid("assignee", "Assignee is not an agent"));
        }
        let group = to.and_then(|user| self.users.get(&user)?.group);
        let Some(ticket) = self.tickets.get_mut(&id) else { return Ok(()) };
        let from = ticket.assignee;
        if from == to {
            return Ok(());
        }
        ticket.assignee = to;
        ticket.metrics.assignees += u64::from(to.is_some());
        ticket.metrics.assignee_at = Some(doer.now);
        ticket.metrics.assigned_at = to.map(|_| doer.now);
        ticket.metrics.first_assigned_at = ticket.metrics.first_assigned_at.or(to.map(|_| doer.now));
        let old_group = ticket.group;
        if old_group.is_none() {
            ticket.group = group;
        }
        let new = ticket.status == "new";
        self.changed(draft, "assignee_id", id_text(from), id_text(to));
        if old_group.is_none() {
            self.changed(draft, "group_id", Value::Null, id_text(group));
        }
        if new && to.is_some() {
            self.set_status(id, "open", doer, draft);
        }
        Ok(())
    }

    fn set_status(&mut self, id: u64, to: &str, doer: &Doer, draft: &mut Draft) {
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        let from = std::mem::replace(&mut ticket.status, to.to_owned());
        if from == to {
            return;
        }
        let done = |word: &str| matches!(word, "solved" | "closed");
        ticket.metrics.status_at = doer.now;
        if done(to) && !done(&from) {
            ticket.metrics.solved_at = Some(doer.now);
        }
        let reopened = done(&from) && !done(to);
        ticket.metrics.reopens += u64::from(reopened);
        let instance = ticket.metrics.reopens + 1;
        if done(to) && !done(&from) {
            self.measure(id, "resolution_time", instance, "fulfill", doer.now);
        } else if reopened {
            self.measure(id, "resolution_time", instance, "activate", doer.now);
        }
        self.changed(draft, "status", json!(from), json!(to));
    }

    fn measure(&mut self, ticket: u64, metric: &'static str, instance: u64, kind: &'static str, at: i64) {
        let id = self.next_event();
        self.metric_events.push(MetricEvent { id, ticket, metric, instance, kind, at });
    }

    /// What has to hold after an update.
    fn follow(
        &mut self,
        id: u64,
        change: &Map<String, Value>,
        doer: &Doer,
        draft: &mut Draft,
    ) -> Result<(), Reply> {
        let Some(ticket) = self.tickets.get(&id) else { return Ok(()) };
        let unowned = ticket.assignee.is_none() && matches!(ticket.status.as_str(), "solved" | "closed");
        if unowned && change.contains_key("status") {
            let solver = u64::try_from(doer.user).ok().filter(|user| self.is_staff(*user));
            let anyone = solver.or_else(|| {
                self.users
                    .values()
                    .find(|user| user.group.is_some() && user.group == ticket.group)
                    .map(|user| user.id)
            });
            let owner =
                anyone.ok_or_else(|| invalid("base", "Assignee: is required when solving a ticket"))?;
            self.assign(id, Some(owner), doer, draft)?;
        }
        Ok(())
    }
}

/// Sets and gives back the new value.
fn set<T: Clone>(place: &mut T, value: T) -> T {
    *place = value.clone();
    value
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

/// An id in an audit's event: a string, or null.
fn id_text(id: Option<u64>) -> Value {
    id.map_or(Value::Null, |id| json!(id.to_string()))
}

/// An id, as number or string.
pub fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Text of the comment and whether it says to be public.
fn first_comment(change: &Map<String, Value>) -> Option<(String, bool)> {
    let comment = change.get("comment");
    let body = comment.and_then(|one| match one {
        Value::String(text) => Some(text.as_str()),
        other => other["body"].as_str().or_else(|| other["html_body"].as_str()),
    });
    let body = body.or_else(|| change.get("description")?.as_str()).filter(|text| !text.trim().is_empty())?;
    let public = comment.and_then(|one| one["public"].as_bool()).unwrap_or(true);
    Some((body.to_owned(), public))
}
