//! Evidence: why, for machines and for people. Enough to recompute the verdict.

use crate::action::Severity;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

/// One value a rule read: `customer.urgent`, `clock.first_response.percent`, …
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValueRead {
    pub path: String,
    /// As shown to people: `3`, `gold`, `5 h 12 min`, `none`.
    pub value: String,
    /// As read: spans in whole seconds, `null` for what is missing. Absent where it could not be told or is too long to
    /// keep.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub raw: Option<Json>,
    /// The value is a count known from below only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}

/// A value that is there, be it `null`.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(value).map(Some)
}

/// One atom of a condition with what it said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AtomRead {
    /// The atom as written in the rule.
    pub text: String,
    /// `None`: cannot tell.
    pub holds: Option<bool>,
    pub reads: Vec<ValueRead>,
    /// When the atom next changes if nothing happens.
    pub changes_at: Option<Timestamp>,
}

/// Why a rule said what it said at an instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    pub rule: String,
    /// Content hash of the policy.
    pub policy: String,
    pub now: Timestamp,
    pub severity: Option<Severity>,
    pub atoms: Vec<AtomRead>,
    /// Ids of the events that counted.
    pub events: Vec<String>,
}
