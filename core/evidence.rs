//! Evidence: why, for machines and for people. Enough to recompute the verdict.

use crate::action::Severity;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One value a rule read: `customer.urgent`, `clock.first_response.percent`, …
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValueRead {
    pub path: String,
    /// As shown to people: `3`, `gold`, `5 h 12 min`, `none`.
    pub value: String,
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
