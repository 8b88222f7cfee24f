//! Webhooks: what is told when, signed, with an identifier that stays the same over retries.
//! Knows the payloads; when they are sent is the stage's.

use super::Jira;
use super::issue::Item;
use super::render::{Look, Wanted};
use super::site::{Flavour, Site};
use crate::clock::lock;
use crate::dice;
use crate::hooks::{Rendered, Ring};
use crate::vendor::Vendor;
use hmac::{Hmac, KeyInit, Mac};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Vendor: five retries, each after five to fifteen minutes.
const RETRIES_MAX: u32 = 5;
const RETRY_MINUTES: u64 = 5;
/// Without any success for so long, each event is tried once until one succeeds.
const DEGRADED_AFTER: SignedDuration = SignedDuration::from_mins(30);

/// Since when deliveries fail.
#[derive(Default)]
pub struct Deliveries {
    failing_since: Option<Timestamp>,
}

/// What a webhook is about.
pub struct Event<'a> {
    pub name: &'a str,
    /// `issue_event_type_name`.
    pub kind: &'a str,
    pub issue: u64,
    pub user: usize,
    pub history: Option<(u64, &'a [Item])>,
    pub comment: Option<u64>,
}

impl Jira {
    fn bell_look<'a>(&self, site: &'a Site, now: Timestamp) -> Look<'a> {
        let base = lock(&self.base_url).clone();
        // Vendor: payloads are rendered as version 2, whatever version the receiver speaks.
        Look {
            site,
            user: site.reader,
            zone: TimeZone::UTC,
            base: format!("{base}/rest/api/2"),
            documents: false,
            now,
        }
    }

    /// Something happened: the payload of this moment is queued.
    pub fn ring(&self, site: &mut Site, event: &Event<'_>, at: Timestamp) {
        if !self.stage.hooks.wanted() {
            return;
        }
        let serial = site.next_id();
        let note = json!({ "identifier": self.identifier(&serial.to_le_bytes()), "body": self.payload(site, event, at) });
        let soon = at.saturating_add(SignedDuration::from_secs(1)).unwrap_or(at);
        self.stage.hooks.queue(soon, self.name(), &event.issue.to_string(), note, false);
    }

    fn identifier(&self, of: &[u8]) -> String {
        dice::hex_id(self.stage.seed, &[self.name().as_bytes(), b"bell", of])
    }

    fn payload(&self, site: &Site, event: &Event<'_>, at: Timestamp) -> Value {
        let look = self.bell_look(site, at);
        let mut user = look.user(event.user);
        if let Some(fields) = user.as_object_mut() {
            fields.remove("emailAddress");
        }
        let mut body = json!({
            "timestamp": at.as_millisecond(), "webhookEvent": event.name, "user": user,
            "issue": self.issue_body(site, event.issue, at),
        });
        if event.name.starts_with("jira:") {
            body["issue_event_type_name"] = json!(event.kind);
        }
        if let Some((id, items)) = event.history {
            let items: Vec<Value> = items.iter().map(|item| look.item(item)).collect();
            body["changelog"] = json!({ "id": id.to_string(), "items": items });
        }
        let issue = site.issues.get(&event.issue);
        let comment = event.comment.and_then(|id| issue?.comments.iter().find(|comment| comment.id == id));
        if let (Some(issue), Some(comment)) = (issue, comment) {
            body["comment"] = look.comment(issue, comment);
        }
        body
    }

    /// What a bell says that carries no payload: the issue was changed, as it is now.
    fn present(&self, ring: &Ring, now: Timestamp) -> Option<Value> {
        let site = lock(&self.site);
        let (issue, user) = (ring.key.parse().ok()?, site.automation);
        let event = Event {
            name: "jira:issue_updated",
            kind: "issue_updated",
            issue,
            user,
            history: None,
            comment: None,
        };
        Some(
            json!({ "identifier": self.identifier(ring.key.as_bytes()), "body": self.payload(&site, &event, now) }),
        )
    }

    fn issue_body(&self, site: &Site, id: u64, now: Timestamp) -> Value {
        match site.issues.get(&id) {
            Some(issue) => self.bell_look(site, now).issue(issue, &Wanted::new(&[], "*navigable"), &[], &[]),
            None => json!({ "id": id.to_string() }),
        }
    }

    pub fn ring_comment(
        &self,
        site: &mut Site,
        name: &str,
        (issue, comment): (u64, u64),
        user: usize,
        at: Timestamp,
    ) {
        let event = Event { name, kind: "", issue, user, history: None, comment: Some(comment) };
        self.ring(site, &event, at);
        // Vendor: Data Center tells a comment twice, in two families of events.
        if site.flavour == Flavour::DataCenter && name == "comment_created" {
            let kind = "issue_commented";
            self.ring(site, &Event { name: "jira:issue_updated", kind, ..event }, at);
        }
    }

    /// The delivery with its headers.
    pub fn bell(&self, ring: &Ring, now: Timestamp) -> Option<Rendered> {
        let note = if ring.note.is_null() { self.present(ring, now)? } else { ring.note.clone() };
        let body = note.get("body")?.to_string();
        let identifier = note.get("identifier")?.as_str()?;
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(self.secrets.webhook.as_bytes()).ok()?;
        mac.update(body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned()),
            ("User-Agent".to_owned(), "Atlassian Webhook HTTP Client".to_owned()),
            ("X-Atlassian-Webhook-Identifier".to_owned(), identifier.to_owned()),
            ("X-Atlassian-Webhook-Flow".to_owned(), "Primary".to_owned()),
            ("X-Hub-Signature".to_owned(), signature),
        ];
        if ring.attempt > 0 {
            headers.push(("X-Atlassian-Webhook-Retry".to_owned(), ring.attempt.to_string()));
        }
        Some(Rendered { headers, body: body.into_bytes() })
    }

    /// When a delivery is tried again. Data Center does not.
    pub fn retry_at(&self, ring: &Ring, status: Option<u16>, now: Timestamp) -> Option<Timestamp> {
        let mut deliveries = lock(&self.deliveries);
        if status.is_some_and(|status| (200..300).contains(&status)) {
            deliveries.failing_since = None;
            return None;
        }
        let since = *deliveries.failing_since.get_or_insert(now);
        let again = match status {
            None => true,
            Some(status) => matches!(status, 408 | 409 | 425 | 429 | 500..=599),
        };
        let degraded = now.duration_since(since) > DEGRADED_AFTER;
        if self.flavour == Flavour::DataCenter || !again || degraded || ring.attempt >= RETRIES_MAX {
            return None;
        }
        let parts = [b"retry".as_slice(), ring.key.as_bytes(), &ring.attempt.to_le_bytes()];
        let seconds = RETRY_MINUTES * 60 + dice::hash(self.stage.seed, &parts) % (RETRY_MINUTES * 2 * 60);
        now.checked_add(SignedDuration::from_secs(seconds.cast_signed())).ok()
    }
}
