//! `Around`: facts of the case's customer, owner, team and linked cases, each a number or an instant.
//!
//! Facts come from cases and clocks, never from flags, so there is no loop.

use crate::case::{CaseKey, Status};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a group of cases has in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// One customer, across all sources.
    Customer,
    /// One person in one source.
    Owner,
    /// One team in one source.
    Team,
}

/// A group a case belongs to. The key of a customer is its canonical name where aliases are configured, else
/// `source:id`; of an owner or team always `source:id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    pub kind: GroupKind,
    pub key: String,
}

/// What one case adds to the facts of its groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Contribution {
    pub open: bool,
    /// Open and P1 or P2.
    pub urgent: bool,
    /// Open and without an owner.
    pub unowned: bool,
    /// Open, and the customer's last message has no public answer.
    pub unanswered: bool,
}

/// Counts over the open cases of a group, the case itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GroupFacts {
    pub open: u32,
    pub urgent: u32,
    pub unowned: u32,
    pub unanswered: u32,
    /// How many sources have an open case of the group.
    pub sources: u32,
}

/// What is known of one linked case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkedCase {
    pub key: CaseKey,
    pub number: String,
    pub status: Status,
    /// When a person last did something to it.
    pub moved_at: Timestamp,
}

/// Facts around one case, read together with it. `None`: the case has no such group.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Around {
    pub customer: Option<GroupFacts>,
    pub owner: Option<GroupFacts>,
    pub team: Option<GroupFacts>,
    pub linked: Vec<LinkedCase>,
    /// Since when we cannot see the source's changes within its stated bound. While set, a raise that only the
    /// passage of time would cause is "cannot tell".
    pub blind_since: Option<Timestamp>,
}
