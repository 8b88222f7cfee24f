//! `Case`: what a vendor told us about one case, in our words.
//!
//! Must not know: which vendor it was, or how it was asked.

use crate::action::Marker;
use crate::timeline::TimelineEvent;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Identity of a case in one configured source, by the vendor's immutable id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CaseKey {
    /// Name of the source as configured, for example `support-eu`.
    pub source: String,
    /// The vendor's immutable id. Numbers and keys change, ids do not.
    pub id: String,
}

impl CaseKey {
    pub fn new(source: impl Into<String>, id: impl Into<String>) -> Self {
        Self { source: source.into(), id: id.into() }
    }
}

impl fmt::Display for CaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.id)
    }
}

/// A vendor's version of a record. A larger one is newer; equal ones are the same.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
pub struct Revision {
    /// Vendor time of the version, in milliseconds since the epoch.
    pub at_ms: i64,
    /// Breaks ties within one tick of the vendor's clock (a modification count), 0 where there is none.
    pub count: u64,
}

/// Where a case stands, whatever the vendor calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has worked on it yet.
    New,
    /// Being worked on by us.
    Open,
    /// Waiting for the customer.
    Pending,
    /// Waiting for somebody else: a vendor, engineering, a change.
    OnHold,
    /// We say it is done; the customer may still disagree.
    Resolved,
    /// Done for good.
    Closed,
}

impl Status {
    pub const ALL: [Status; 6] =
        [Status::New, Status::Open, Status::Pending, Status::OnHold, Status::Resolved, Status::Closed];

    /// Whether somebody still has to do something.
    pub fn is_open(self) -> bool {
        !matches!(self, Status::Resolved | Status::Closed)
    }

    /// The word used in policies, stored data and output.
    pub fn word(self) -> &'static str {
        match self {
            Status::New => "new",
            Status::Open => "open",
            Status::Pending => "pending",
            Status::OnHold => "on_hold",
            Status::Resolved => "resolved",
            Status::Closed => "closed",
        }
    }
}

/// 1 is the most urgent. Vendors with other scales are mapped in the connector's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Priority(pub u8);

impl Priority {
    /// P1 and P2: what a manager means by "urgent".
    pub fn is_urgent(self) -> bool {
        self.0 <= 2
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}", self.0)
    }
}

/// A person, team or customer as a vendor knows it: the id that is compared and the name that is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Party {
    pub id: String,
    pub name: String,
}

/// Value of a mapped custom field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldValue {
    Text(String),
    Number(f64),
    Truth(bool),
    Instant(Timestamp),
    List(Vec<String>),
}

/// Normalized snapshot of a case. Every optional field is present as `None`; `None` means "the vendor has no value",
/// a field listed in `unread` means "nothing is known of it".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    pub key: CaseKey,
    /// What people call it: `INC0010001`, `SUP-12`, `#4711`.
    pub number: String,
    pub title: String,
    /// Address for people, opened in the vendor's own tool.
    pub link: Option<String>,
    pub status: Status,
    /// The vendor's own word or code for the status.
    pub status_raw: String,
    pub priority: Option<Priority>,
    pub priority_raw: String,
    /// The customer's account: who escalates.
    pub customer: Option<Party>,
    /// Contract tier of the customer, for example `gold`.
    pub tier: Option<String>,
    pub contract: Option<String>,
    /// The person who asked.
    pub requester: Option<Party>,
    pub owner: Option<Party>,
    pub team: Option<Party>,
    pub product: Option<String>,
    /// Kind of case in the vendor's words: `incident`, `problem`, `question`.
    pub category: Option<String>,
    pub channel: Option<String>,
    pub tags: Vec<String>,
    /// Custom fields by the name the connector file maps them to.
    pub fields: BTreeMap<String, FieldValue>,
    /// Names of fields that did not come, or not as we know them: our account may not read them, or the vendor changed.
    pub unread: Vec<String>,
    pub opened_at: Timestamp,
    pub updated_at: Timestamp,
    pub resolved_at: Option<Timestamp>,
    /// A due date kept on the case itself.
    pub due_at: Option<Timestamp>,
    /// Cases this one is linked to, in any source.
    pub links: Vec<CaseKey>,
    pub revision: Revision,
}

impl Case {
    /// A case of which no more is known than that it was opened.
    pub fn opened(key: CaseKey, at: Timestamp) -> Self {
        Self {
            number: key.id.clone(),
            key,
            title: String::new(),
            link: None,
            status: Status::New,
            status_raw: String::new(),
            priority: None,
            priority_raw: String::new(),
            customer: None,
            tier: None,
            contract: None,
            requester: None,
            owner: None,
            team: None,
            product: None,
            category: None,
            channel: None,
            tags: Vec::new(),
            fields: BTreeMap::new(),
            unread: Vec::new(),
            opened_at: at,
            updated_at: at,
            resolved_at: None,
            due_at: None,
            links: Vec::new(),
            revision: Revision::default(),
        }
    }

    /// Gives a field the value that it had before a change, as the vendor's history tells it.
    pub(crate) fn take_back(&mut self, field: &str, before: Option<String>) {
        match field {
            "title" => self.title = before.unwrap_or_default(),
            "tier" => self.tier = before,
            "contract" => self.contract = before,
            "product" => self.product = before,
            "category" => self.category = before,
            "channel" => self.channel = before,
            _ => match before {
                Some(text) => drop(self.fields.insert(field.to_owned(), FieldValue::Text(text))),
                None => drop(self.fields.remove(field)),
            },
        }
    }
}

/// What of ours was found on the vendor's record when it was read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SeenMarks {
    /// The mark and the flags it lists, exactly as found. `None`: the record carries no mark of ours.
    pub marker: Option<Marker>,
    /// Whether the severity that people see was empty although `marker` lists flags that are not dismissed: somebody
    /// emptied it. We never write that ourselves.
    pub severity_cleared: bool,
    /// The sentence that people see.
    pub why: Option<String>,
    /// Markers (12 hex digits) of the notes of ours that stand on the record. Complete only if `notes_complete`.
    pub notes: Vec<String>,
    pub notes_complete: bool,
    /// Whether what holds our marks did not come, or not as we know it: nothing is known of them then, least of all that
    /// somebody took them off.
    #[serde(default)]
    pub unread: bool,
    /// Reply of a person to the mark, in the field or tag meant for it: `snooze 4h`, `ack`, `escalated`, …
    pub answer: Option<String>,
}

/// What a connector delivers about one case: a snapshot plus events, never a diff. May be delivered again, late, or
/// out of order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseChange {
    pub case: Case,
    pub events: Vec<TimelineEvent>,
    pub marks: SeenMarks,
    /// Whether `events` is the whole history known to the vendor.
    pub events_complete: bool,
    /// Text of messages by event id, for the lexicon. Never stored: see [`crate::signal`].
    #[serde(skip)]
    pub texts: Vec<(String, String)>,
}
