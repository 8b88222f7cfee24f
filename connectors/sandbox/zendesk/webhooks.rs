//! Webhooks: their administration, what an event looks like, how it is signed, and what became of each delivery.
//! Knows envelopes and signatures; when a bell rings is decided by the stage.

use super::auth::Caller;
use super::book::{Audit, Book};
use super::reply::{Answer, Reply, no_record, ok};
use super::tickets::body;
use super::{Account, Zendesk, paging, shape};
use crate::dice;
use crate::hooks::{Rendered, Ring};
use crate::route::Call;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Deliveries that are remembered.
const INVOCATIONS_MAX: usize = 2_000;
/// The circuit breaker's window, the fewest requests it judges, and how long it stays open.
const BREAKER_SECONDS: i64 = 300;
const BREAKER_LEAST: usize = 100;
const BREAKER_ERRORS_MAX: usize = 1_000;
const BREAKER_OPEN_SECONDS: i64 = 5;

#[derive(Clone, Debug)]
pub struct Webhook {
    id: String,
    secret: String,
    /// The row as clients gave it.
    row: Value,
}

#[derive(Clone, Debug)]
struct Invocation {
    id: String,
    at: i64,
    status: &'static str,
    code: Option<u16>,
}

/// The webhooks of an account. The first one is the integration's and is the one that delivers.
#[derive(Debug)]
pub struct Webhooks {
    pub list: Vec<Webhook>,
    invocations: VecDeque<Invocation>,
    outcomes: VecDeque<(i64, bool)>,
    open_until: i64,
    serial: u64,
    seed: u64,
    /// Deliver as a trigger would, with a body of the administrator's own.
    pub by_trigger: bool,
}

impl Webhooks {
    pub fn new(seed: u64) -> Webhooks {
        let (list, invocations, outcomes) = (Vec::new(), VecDeque::new(), VecDeque::new());
        let mut all =
            Webhooks { list, invocations, outcomes, open_until: 0, serial: 0, seed, by_trigger: false };
        all.add(json!({
            "name": "dutyd", "status": "active", "endpoint": "http://127.0.0.1/hooks/zendesk", "http_method": "POST",
            "request_format": "json", "subscriptions": ["zen:event-type:ticket.created", "zen:event-type:ticket.status_changed",
            "zen:event-type:ticket.priority_changed", "zen:event-type:ticket.comment_added"], "authentication": null,
        }));
        all
    }

    pub fn secret(&self) -> &str {
        self.list.first().map_or("", |webhook| webhook.secret.as_str())
    }

    fn add(&mut self, row: Value) -> Webhook {
        self.serial += 1;
        let name = self.serial.to_le_bytes();
        let id = ulid(self.seed, &name);
        let secret = STANDARD.encode(dice::hex_id(self.seed, &[b"signing", &name]));
        let webhook = Webhook { id, secret, row };
        self.list.push(webhook.clone());
        webhook
    }

    /// The integration's webhook leads to where the sandbox was told to deliver.
    pub fn lead_to(&mut self, endpoint: String) {
        if let Some(first) = self.list.first_mut() {
            first.row["endpoint"] = json!(endpoint);
        }
    }

    fn active(&self) -> bool {
        self.list.first().is_some_and(|webhook| webhook.row["status"] == "active")
    }

    fn note(&mut self, id: &str, now: i64, status: &'static str, code: Option<u16>) {
        if let Some(known) = self.invocations.iter_mut().find(|one| one.id == id) {
            (known.at, known.status, known.code) = (now, status, code);
            return;
        }
        self.invocations.push_back(Invocation { id: id.to_owned(), at: now, status, code });
        if self.invocations.len() > INVOCATIONS_MAX {
            self.invocations.pop_front();
        }
    }

    /// Counts an outcome; too many failures open the breaker for some seconds.
    fn judge(&mut self, now: i64, good: bool) {
        self.outcomes.push_back((now, good));
        while self.outcomes.front().is_some_and(|(at, _)| *at <= now - BREAKER_SECONDS) {
            self.outcomes.pop_front();
        }
        let (all, bad) = (self.outcomes.len(), self.outcomes.iter().filter(|(_, good)| !good).count());
        if all >= BREAKER_LEAST && (bad * 10 >= all * 7 || bad > BREAKER_ERRORS_MAX) {
            self.open_until = now + BREAKER_OPEN_SECONDS;
        }
    }
}

fn ulid(seed: u64, parts: &[u8]) -> String {
    format!("01J{}", dice::hex_id(seed, &[b"ulid", parts])[..23].to_uppercase())
}

/// The body and signed headers of a delivery; `None` while the breaker is open or the webhook is not active.
pub fn render(account: &mut Account, ring: &Ring, now: Timestamp) -> Option<Rendered> {
    let hooks = &mut account.webhooks;
    let invocation = ring.note["invocation"].as_str().unwrap_or("").to_owned();
    if !hooks.active() {
        return None;
    }
    if now.as_second() < hooks.open_until {
        hooks.note(&invocation, now.as_second(), "circuit broken", None);
        return None;
    }
    let stamp = shape::stamp(now.as_second());
    let body = ring.note["body"].to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(hooks.secret().as_bytes()).ok()?;
    mac.update(stamp.as_bytes());
    mac.update(body.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let webhook = hooks.list.first()?.id.clone();
    let headers = [
        ("X-Zendesk-Webhook-Signature-Timestamp", stamp),
        ("X-Zendesk-Webhook-Signature", signature),
        ("Content-Type", "application/json; charset=utf-8".to_owned()),
        ("User-Agent", "Zendesk Webhook".to_owned()),
        ("X-Zendesk-Account-Id", super::ACCOUNT_ID.to_string()),
        ("X-Zendesk-Webhook-Id", webhook),
        ("X-Zendesk-Webhook-Invocation-Id", invocation),
    ];
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(Rendered { headers, body: body.into_bytes() })
}

/// When a delivery that went wrong is tried again: timeouts up to five times, 409, 429 and 503 up to three times,
/// everything else is final.
pub fn delivered(
    account: &mut Account,
    ring: &Ring,
    status: Option<u16>,
    now: Timestamp,
) -> Option<Timestamp> {
    let hooks = &mut account.webhooks;
    let invocation = ring.note["invocation"].as_str().unwrap_or("");
    let good = status.is_some_and(|status| (200..300).contains(&status));
    hooks.judge(now.as_second(), good);
    let word = if good { "success" } else { "failed" };
    hooks.note(invocation, now.as_second(), word, status);
    let tries_max = match status {
        None => 5,
        Some(409 | 429 | 503) => 3,
        Some(_) => 0,
    };
    let wait = SignedDuration::from_secs(5 * (i64::from(ring.attempt) + 1));
    (!good && ring.attempt < tries_max).then(|| now.saturating_add(wait).unwrap_or(now))
}

impl Zendesk {
    /// Bells for what an audit changed.
    pub fn rang(&self, book: &Book, audit: &Audit, created: bool) {
        if !self.stage.hooks.wanted() {
            return;
        }
        if created {
            return self.rang_about(book, audit.ticket, "created", audit.author, audit.created);
        }
        for (position, event) in audit.events.iter().enumerate() {
            if let Some((kind, what)) = event_of(event) {
                self.ring(
                    book,
                    (audit.ticket, &kind, audit.author, audit.created),
                    what,
                    (audit.id, position),
                );
            }
        }
    }

    /// A bell for something that leaves no event with values.
    pub fn rang_about(&self, book: &Book, ticket: u64, kind: &str, by: i64, now: i64) {
        if self.stage.hooks.wanted() {
            self.ring(book, (ticket, kind, by, now), json!({}), (now.unsigned_abs(), 0));
        }
    }

    fn ring(
        &self,
        book: &Book,
        (id, kind, by, now): (u64, &str, i64, i64),
        mut event: Value,
        sequence: (u64, usize),
    ) {
        let Some(ticket) = book.tickets.get(&id) else { return };
        let mut parts: Vec<&[u8]> = vec![kind.as_bytes()];
        let numbers = [
            id.to_le_bytes(),
            now.to_le_bytes(),
            sequence.0.to_le_bytes(),
            (sequence.1 as u64).to_le_bytes(),
        ];
        parts.extend(numbers.iter().map(|number| number.as_slice()));
        let (name, seed) = (dice::hex_id(self.stage.seed, &parts), self.stage.seed);
        event["meta"] = json!({ "sequence": { "id": ulid(seed, &numbers[2]), "position": sequence.1 + 1 } });
        let text = |id: Option<u64>| id.map(|id| id.to_string());
        let body = if self.by_trigger() {
            json!({ "ticket_id": id.to_string(), "status": ticket.status })
        } else {
            json!({
                "account_id": super::ACCOUNT_ID,
                "id": format!("{}-{}-{}-{}-{}", &name[..8], &name[8..12], &name[12..16], &name[16..20], &name[20..]),
                "type": format!("zen:event-type:ticket.{kind}"), "subject": format!("zen:ticket:{id}"),
                "time": shape::stamp(now).replace('Z', ".672717030Z"), "zendesk_event_version": "2022-11-06",
                "detail": {
                    "id": id.to_string(), "actor_id": by.to_string(), "assignee_id": text(ticket.assignee),
                    "brand_id": super::book::BRAND.to_string(), "created_at": shape::stamp(ticket.created),
                    "updated_at": shape::stamp(ticket.updated), "description": ticket.description,
                    "external_id": ticket.external_id, "form_id": super::book::FORM.to_string(), "group_id": text(ticket.group),
                    "is_public": ticket.public, "organization_id": text(ticket.organization),
                    "priority": ticket.priority.as_ref().map(|word| word.to_uppercase()),
                    "requester_id": ticket.requester.to_string(), "status": ticket.status.to_uppercase(),
                    "subject": ticket.subject, "submitter_id": ticket.submitter.to_string(), "tags": ticket.tags,
                    "type": ticket.kind.as_ref().map(|word| word.to_uppercase()), "via": { "channel": ticket.via["channel"] },
                },
                "event": event,
            })
        };
        let at = Timestamp::from_second(now + 1).unwrap_or(Timestamp::MAX);
        let note = json!({ "invocation": ulid(seed, name.as_bytes()), "body": body });
        self.stage.hooks.queue(at, super::NAME, &id.to_string(), note, self.by_trigger());
    }
}

/// The event type and its payload for an audit's event. `None`: there is no event type for it.
fn event_of(event: &Value) -> Option<(String, Value)> {
    if event["type"] == "Comment" {
        let (id, author) = (event["id"].to_string(), event["author_id"].to_string());
        let comment = json!({
            "id": id, "body": event["body"], "html_body": event["html_body"], "is_public": event["public"],
            "author": { "id": author, "is_staff": event["public"] == false, "name": "" },
        });
        return Some(("comment_added".to_owned(), json!({ "comment": comment })));
    }
    let field = event["field_name"].as_str()?;
    let (from, to) = (&event["previous_value"], &event["value"]);
    let upper = |value: &Value| value.as_str().map_or(Value::Null, |word| json!(word.to_uppercase()));
    let pair = |from: Value, to: Value| json!({ "previous": from, "current": to });
    let plain = |kind: &str| Some((kind.to_owned(), pair(from.clone(), to.clone())));
    match field {
        "status" | "priority" | "type" => Some((format!("{field}_changed"), pair(upper(from), upper(to)))),
        "assignee_id" => plain("agent_assignment_changed"),
        "group_id" => plain("group_assignment_changed"),
        "organization_id" => plain("organization_changed"),
        "requester_id" => plain("requester_changed"),
        "subject" => plain("subject_changed"),
        "external_id" => plain("external_id_changed"),
        "linked_id" => plain("problem_link_changed"),
        "due_at" => plain("task_due_at_changed"),
        "tags" => {
            let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
            let (before, after) = (list(from), list(to));
            let added: Vec<_> = after.iter().filter(|tag| !before.contains(tag)).collect();
            let removed: Vec<_> = before.iter().filter(|tag| !after.contains(tag)).collect();
            Some(("tags_changed".to_owned(), json!({ "tags_added": added, "tags_removed": removed })))
        }
        number => {
            number.parse::<u64>().ok()?;
            let mut what = pair(from.clone(), to.clone());
            what["field"] = json!({ "id": number });
            Some(("custom_field_changed".to_owned(), what))
        }
    }
}

fn shown(webhook: &Webhook) -> Value {
    let mut row = webhook.row.clone();
    row["id"] = json!(webhook.id);
    row["signing_secret"] = Value::Null;
    if let Some(row) = row.as_object_mut() {
        row.remove("signing_secret");
        if let Some(data) =
            row.get_mut("authentication").and_then(|one| one.get_mut("data")).and_then(Value::as_object_mut)
        {
            data.remove("password");
            data.remove("token");
        }
    }
    row
}

fn find<'a>(account: &'a mut Account, call: &Call) -> Result<&'a mut Webhook, Reply> {
    let id = call.capture("id");
    account.webhooks.list.iter_mut().find(|webhook| webhook.id == id).ok_or_else(no_record)
}

pub fn list(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    if let Some(to) = zendesk.stage.hooks.knobs().to {
        account.webhooks.lead_to(crate::post::address(&to, super::NAME));
    }
    let ids: Vec<u64> = (0..account.webhooks.list.len() as u64).collect();
    paging::list(call, "webhooks", &ids, None, |index| shown(&account.webhooks.list[*index as usize]))
}

pub fn create(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let mut row = Value::Object(body(call, "webhook")?);
    row["created_at"] = json!(shape::stamp(call.now.as_second()).replace('Z', ".123456789Z"));
    row["updated_at"] = row["created_at"].clone();
    Ok(Reply::new(201, json!({ "webhook": shown(&account.webhooks.add(row)) })))
}

pub fn show(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    ok(json!({ "webhook": shown(find(account, call)?) }))
}

pub fn change(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let given = body(call, "webhook")?;
    let webhook = find(account, call)?;
    for (key, value) in given {
        webhook.row[key.as_str()] = value;
    }
    Ok(Reply::new(204, Value::Null))
}

pub fn delete(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let id = find(account, call)?.id.clone();
    account.webhooks.list.retain(|webhook| webhook.id != id);
    Ok(Reply::new(204, Value::Null))
}

/// GET shows the secret, POST makes a new one.
pub fn secret(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let rotating = call.method == axum::http::Method::POST;
    account.webhooks.serial += 1;
    let serial = account.webhooks.serial.to_le_bytes();
    let webhook = find(account, call)?;
    if rotating {
        webhook.secret = STANDARD.encode(dice::hex_id(zendesk.stage.seed, &[b"rotated", &serial]));
    }
    let secret = json!({ "signing_secret": { "secret": webhook.secret, "algorithm": "SHA256" } });
    Ok(Reply::new(if rotating { 201 } else { 200 }, secret))
}

pub fn invocations(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    find(account, call)?;
    let all = &account.webhooks.invocations;
    let ids: Vec<u64> = (0..all.len() as u64).collect();
    paging::list(call, "invocations", &ids, None, |index| {
        let one = &all[*index as usize];
        let mut row =
            json!({ "id": one.id, "status": one.status, "latest_completed_at": shape::stamp(one.at) });
        if let Some(code) = one.code {
            row["status_code"] = json!(code);
        }
        row
    })
}
