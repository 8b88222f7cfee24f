//! Zendesk's records as they come over the wire: tickets, audits, users, fields, webhook payloads.
//!
//! Knows: names and shapes of JSON. Must not know: what they mean for a case, how they are asked for.

use crate::{ConnectorError, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};

/// A page of the incremental cursor export. Tickets stay raw, so that one that cannot be read does not cost the page.
#[derive(Deserialize)]
pub struct ExportPage<'a> {
    #[serde(borrow)]
    pub tickets: Vec<&'a RawValue>,
    #[serde(default)]
    pub users: Vec<User>,
    #[serde(default)]
    pub groups: Vec<Group>,
    #[serde(default)]
    pub organizations: Vec<Organization>,
    #[serde(default)]
    pub metric_sets: Vec<MetricSet>,
    #[serde(default)]
    pub after_cursor: Option<String>,
    pub end_of_stream: bool,
}

/// What of a ticket a scan must know to decide whether to read the rest.
#[derive(Debug, Deserialize)]
pub struct Row {
    pub id: u64,
    pub status: String,
    #[serde(default)]
    pub generated_timestamp: Option<i64>,
}

/// Answer of `tickets/show_many`.
#[derive(Deserialize)]
pub struct ShowMany<'a> {
    #[serde(borrow)]
    pub tickets: Vec<&'a RawValue>,
    #[serde(default)]
    pub users: Vec<User>,
    #[serde(default)]
    pub groups: Vec<Group>,
    #[serde(default)]
    pub organizations: Vec<Organization>,
}

/// Answer of `tickets/{id}`, and of an update, which adds the audit that it made.
#[derive(Deserialize)]
pub struct ShowOne<'a> {
    #[serde(borrow)]
    pub ticket: &'a RawValue,
    #[serde(default)]
    pub audit: Option<Audit>,
    #[serde(default)]
    pub users: Vec<User>,
    #[serde(default)]
    pub groups: Vec<Group>,
    #[serde(default)]
    pub organizations: Vec<Organization>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Ticket {
    pub id: u64,
    pub subject: Option<String>,
    pub status: String,
    pub priority: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub requester_id: Option<i64>,
    pub assignee_id: Option<i64>,
    pub group_id: Option<i64>,
    pub organization_id: Option<i64>,
    pub brand_id: Option<i64>,
    pub ticket_form_id: Option<i64>,
    pub problem_id: Option<u64>,
    pub tags: Option<Vec<String>>,
    pub custom_fields: Option<Vec<CustomField>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub generated_timestamp: Option<i64>,
    pub due_at: Option<Timestamp>,
    pub via: Option<Via>,
    /// Vendor: with `include=metric_sets` the measures stand within each ticket; older answers have them beside the tickets.
    #[serde(default)]
    pub metric_set: Option<MetricSet>,
    /// Fields of a case whose keys did not come. Vendor: a ticket tells every one of them, with null where there is none.
    #[serde(skip)]
    pub absent: Vec<&'static str>,
}

/// Whether a key stands there, whatever its value.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Stands(bool);

impl<'de> Deserialize<'de> for Stands {
    fn deserialize<D: serde::Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(value).map(|_| Self(true))
    }
}

/// The keys of a ticket that rules depend on.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Keys {
    subject: Stands,
    priority: Stands,
    #[serde(rename = "type")]
    kind: Stands,
    requester_id: Stands,
    assignee_id: Stands,
    group_id: Stands,
    organization_id: Stands,
    tags: Stands,
    due_at: Stands,
    via: Stands,
}

impl Ticket {
    /// A ticket, and which of its keys are not there.
    pub fn read(raw: &str) -> serde_json::Result<Self> {
        let mut ticket: Self = serde_json::from_str(raw)?;
        let keys: Keys = serde_json::from_str(raw)?;
        let named = [
            ("title", keys.subject),
            ("priority", keys.priority),
            ("category", keys.kind),
            ("requester", keys.requester_id),
            ("owner", keys.assignee_id),
            ("team", keys.group_id),
            ("customer", keys.organization_id),
            ("tags", keys.tags),
            ("due_at", keys.due_at),
            ("channel", keys.via),
        ];
        ticket.absent = named.into_iter().filter(|(_, stands)| !stands.0).map(|(name, _)| name).collect();
        Ok(ticket)
    }

    /// When it was solved: by the measures within it, or by those beside it.
    pub fn solved_at(&self, beside: &HashMap<u64, Option<Timestamp>>) -> Option<Timestamp> {
        let within = self.metric_set.as_ref().and_then(|set| set.solved_at);
        within.or_else(|| beside.get(&self.id).copied().flatten())
    }

    /// The value of a custom field: `None` if the field is absent, which differs from being null.
    pub fn custom(&self, id: u64) -> Option<&Value> {
        self.custom_fields.as_ref()?.iter().find(|field| field.id == id).map(|field| &field.value)
    }

    /// A custom field's text; empty counts as none.
    pub fn custom_text(&self, id: Option<u64>) -> Option<&str> {
        self.custom(id?)?.as_str().filter(|text| !text.is_empty())
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct CustomField {
    pub id: u64,
    #[serde(default)]
    pub value: Value,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Via {
    /// A word, or in old records a number.
    pub channel: Value,
    pub source: Option<ViaSource>,
}

impl Via {
    pub fn channel(&self) -> &str {
        self.channel.as_str().unwrap_or("")
    }

    pub fn rel(&self) -> &str {
        self.source.as_ref().and_then(|source| source.rel.as_deref()).unwrap_or("")
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ViaSource {
    pub from: Value,
    pub rel: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct User {
    pub id: i64,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub role: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Group {
    pub id: i64,
    #[serde(default)]
    pub name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Organization {
    pub id: i64,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub organization_fields: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    pub domain_names: Option<Vec<String>>,
}

#[derive(Deserialize)]
pub struct OrganizationPage {
    pub organizations: Vec<Organization>,
    #[serde(default)]
    pub meta: Option<Meta>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct MetricSet {
    #[serde(default)]
    pub ticket_id: u64,
    #[serde(default)]
    pub solved_at: Option<Timestamp>,
}

/// A page of a ticket's audits.
#[derive(Deserialize)]
pub struct AuditPage {
    pub audits: Vec<Audit>,
    #[serde(default)]
    pub users: Vec<User>,
    #[serde(default)]
    pub meta: Option<Meta>,
}

/// Where a cursor-paged list goes on.
#[derive(Debug, Clone, Deserialize)]
pub struct Meta {
    pub has_more: bool,
    #[serde(default)]
    pub after_cursor: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Audit {
    #[serde(default)]
    pub ticket_id: Option<u64>,
    pub created_at: Timestamp,
    #[serde(default)]
    pub author_id: Option<i64>,
    #[serde(default)]
    pub via: Option<Via>,
    #[serde(default)]
    pub metadata: Value,
    #[serde(default)]
    pub events: Vec<AuditEvent>,
}

/// One event of an audit. Values are strings, ids too, tags are lists; nothing here can fail to parse but the frame.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AuditEvent {
    pub id: Value,
    #[serde(rename = "type")]
    pub kind: Value,
    pub field_name: Value,
    pub value: Value,
    pub previous_value: Value,
    pub public: Value,
    pub body: Value,
    pub plain_body: Value,
    pub author_id: Value,
    pub comment_id: Value,
    pub via: Option<Via>,
}

/// A page of a ticket's comments.
#[derive(Deserialize)]
pub struct CommentPage {
    pub comments: Vec<Comment>,
    #[serde(default)]
    pub meta: Option<Meta>,
}

#[derive(Deserialize)]
pub struct Comment {
    #[serde(default)]
    pub public: bool,
    #[serde(default)]
    pub body: Option<String>,
    pub created_at: Timestamp,
}

/// A ticket field's definition.
#[derive(Debug, Clone, Deserialize)]
pub struct FieldDefinition {
    pub id: u64,
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    #[serde(default)]
    pub active: bool,
    #[serde(default)]
    pub visible_in_portal: bool,
    #[serde(default)]
    pub custom_field_options: Vec<FieldOption>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct FieldOption {
    pub value: String,
}

#[derive(Deserialize)]
pub struct FieldPage {
    pub ticket_fields: Vec<FieldDefinition>,
    #[serde(default)]
    pub meta: Option<Meta>,
}

#[derive(Deserialize)]
pub struct GroupPage {
    pub groups: Vec<Group>,
    #[serde(default)]
    pub meta: Option<Meta>,
}

#[derive(Deserialize)]
pub struct UserPage {
    pub users: Vec<User>,
}

/// Answer of `users/me`. Without credentials it is 200 with a null id.
#[derive(Deserialize)]
pub struct MePage {
    pub user: Me,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Me {
    pub id: Option<i64>,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub role: Option<String>,
    #[serde(default)]
    pub iana_time_zone: Option<String>,
    #[serde(default)]
    pub time_zone: Option<String>,
}

#[derive(Deserialize)]
pub struct WebhookPage {
    pub webhooks: Vec<Webhook>,
}

#[derive(Deserialize)]
pub struct Webhook {
    #[serde(default)]
    pub endpoint: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub subscriptions: Vec<String>,
}

#[derive(Deserialize)]
pub struct TokenPage {
    pub token: Token,
}

#[derive(Deserialize)]
pub struct Token {
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// An id however it is written: a number, or a string of digits. `0`, `""` and null are none.
pub fn id_of(value: &Value) -> Option<i64> {
    let id = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())?;
    (id != 0).then_some(id)
}

/// A value of an audit event as text; null and `""` are none.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(items) => Some(items.iter().filter_map(text_of).collect::<Vec<_>>().join(" "))
            .filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

/// Reads an answer's JSON. A body that breaks off or is a page for people is the way's fault, not a record's.
pub fn parse<'a, T: Deserialize<'a>>(response: &'a Response, what: &str) -> Result<T, ConnectorError> {
    serde_json::from_slice(&response.body).map_err(|error| ConnectorError::Unavailable {
        reason: format!("answer to {what} is not readable: {error}"),
    })
}

/// The ticket a webhook is about, from either kind of payload: subscribed events in the vendor's envelope, or whatever
/// an admin put into a trigger. `Ok(None)`: about something else.
pub fn ticket_of_payload(body: &[u8]) -> Result<Option<u64>, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let ticket = ticket_of(&value);
    if ticket.is_none() && event_of(&value).is_none() {
        return Err(
            "no ticket id in the payload: give the trigger the body {\"ticket_id\":\"{{ticket.id}}\"}"
                .to_owned(),
        );
    }
    Ok(ticket)
}

/// The ticket that a payload names.
pub fn ticket_of(value: &Value) -> Option<u64> {
    let ticket = |value: &Value| id_of(value).and_then(|id| u64::try_from(id).ok());
    if let Some(kind) = event_of(value) {
        let subject = || value["subject"].as_str()?.strip_prefix("zen:ticket:")?.parse().ok();
        let about_ticket = kind.starts_with("ticket.");
        return about_ticket.then(|| ticket(&value["detail"]["id"]).or_else(subject)).flatten();
    }
    [&value["ticket_id"], &value["ticket"]["id"], &value["id"]].into_iter().find_map(ticket)
}

/// The type of a subscribed event, such as `ticket.status_changed`; `None` for what an admin put into a trigger.
pub fn event_of(value: &Value) -> Option<&str> {
    value["type"].as_str()?.strip_prefix("zen:event-type:")
}
