//! What commands, metrics and status pages read.

use super::codec::Sealed;
use crate::audit::Kind;
use dutyd_core::action::{Action, Severity};
use dutyd_core::case::CaseKey;
use dutyd_core::decide::Decision;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One case with its state, still sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct StateRow {
    /// The store's own number of the case, in the order cases were first seen.
    pub case: i64,
    pub key: CaseKey,
    pub number: String,
    pub state: Sealed,
}

/// One open flag.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FlagRow {
    pub case: i64,
    pub key: CaseKey,
    pub number: String,
    pub rule: String,
    pub severity: Severity,
    pub raised_at: Timestamp,
    pub episode: String,
    pub why: String,
    pub dismissed: bool,
    /// When the case is looked at again.
    pub due_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecisionRow {
    pub seq: i64,
    pub decision: Decision,
}

/// Which rows of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditQuestion {
    pub case: Option<i64>,
    pub since: Option<Timestamp>,
    /// The newest so many.
    pub max: usize,
}

/// One row of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    pub seq: i64,
    pub at: Timestamp,
    /// `None`: written by a later dutyd.
    pub kind: Option<Kind>,
    /// `source/number`; `None`: about no case, or about a forgotten one.
    pub case: Option<String>,
    /// `None`: erased.
    pub said: Option<serde_json::Value>,
    /// In hex.
    pub hash: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkedKind {
    /// The vendor refused a write.
    Write,
    /// The record takes no writes as it stands; nobody needs to act.
    Sealed,
    /// A record that could not be understood.
    Record,
    /// A message that nobody got.
    Notice,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedRow {
    /// For `parked retry` and `parked drop`: `w12`, `r7`.
    pub id: String,
    pub kind: ParkedKind,
    pub source: String,
    /// Number of the case, or the vendor's id of the record.
    pub what: String,
    /// `mark`, `why`, `note:…`; empty for records.
    pub slot: String,
    pub because: String,
    pub since: Timestamp,
}

/// A channel as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRow {
    pub channel: String,
    /// What waits to be told, and since when.
    pub pending: u64,
    pub since: Option<Timestamp>,
    pub parked: u64,
    /// When somebody was last told.
    pub told_at: Option<Timestamp>,
}

/// A want that the vendor has not confirmed yet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wanted {
    pub action: Action,
    /// `ready`, `held`, `waiting`, `flying`, `unknown`, `parked`, `sealed`.
    pub stage: &'static str,
    pub attempts: u32,
    pub next_at: Option<Timestamp>,
    pub because: Option<String>,
}

/// One source as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct SourceRow {
    pub source: String,
    pub paused: bool,
    /// When a page was last committed.
    pub pulled_at: Option<Timestamp>,
    /// When a scan last reached its end: everything before is known.
    pub caught_up_at: Option<Timestamp>,
    /// Whether the first import is done.
    pub imported: bool,
    pub cases: u64,
    pub pages: u64,
    /// Changes put into the inbox by pages and fetches.
    pub changes: u64,
    /// New webhook deliveries.
    pub bells: u64,
    /// Repeated webhook deliveries.
    pub bells_repeated: u64,
    /// Changes that a poll found and no webhook announced.
    pub bells_missed: u64,
    /// Changes that polls found and a webhook should have announced.
    pub bells_expected: u64,
    pub hints: u64,
    /// The longest a hint has been waiting.
    pub hint_since: Option<Timestamp>,
    /// Records written.
    pub writes: u64,
    /// Records written within the last hour, of `writes_per_hour`.
    pub writes_last_hour: u64,
    pub outbox: OutboxCounts,
    pub quarantined: u64,
}

impl SourceRow {
    /// Share of webhooks that did not come, 0 to 1; `None` before there were any.
    pub fn missed_share(&self) -> Option<f64> {
        (self.bells > 0).then(|| self.bells_missed as f64 / self.bells_expected.max(1) as f64)
    }
}

/// Actions by stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutboxCounts {
    pub ready: u64,
    /// Older than `start_from`.
    pub held: u64,
    pub waiting: u64,
    pub flying: u64,
    pub unknown: u64,
    pub parked: u64,
    /// On records that take no writes as they stand.
    #[serde(default)]
    pub sealed: u64,
    /// The longest an action has been wanted and not shown; held, parked and sealed ones left out.
    pub since: Option<Timestamp>,
}

impl OutboxCounts {
    /// Those that will be sent without anybody's help.
    pub fn pending(&self) -> u64 {
        self.ready + self.waiting + self.flying + self.unknown
    }
}

/// A policy that came into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRow {
    pub at: Timestamp,
    /// Content hash.
    pub policy: String,
    /// The one before.
    pub before: Option<String>,
}

/// What is kept of the past, apart from the cases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past {
    /// As the audit log has them, oldest first.
    pub policies: Vec<PolicyRow>,
    /// The policy that open cases were last made due for.
    pub policy: Option<String>,
    /// Cases that were known once and are pruned or erased.
    pub forgotten: u64,
    /// When each source was first read.
    pub watched_from: BTreeMap<String, Timestamp>,
}

impl Past {
    /// The policy in force at an instant, by content hash; `None`: nothing says.
    pub fn policy_at(&self, at: Timestamp) -> Option<&str> {
        let row = self.policies.iter().rev().find(|row| row.at <= at);
        let earliest = || match self.policies.first() {
            Some(first) => first.before.as_deref(),
            None => self.policy.as_deref(),
        };
        row.map_or_else(earliest, |row| Some(&row.policy))
    }
}

/// Counts over everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    pub cases: u64,
    pub open: u64,
    /// Cases due now.
    pub due: u64,
    /// The longest a case has been due.
    pub due_since: Option<Timestamp>,
    /// Unread news.
    pub inbox: u64,
    /// Open flags by severity, least severe first: watch, warning, candidate, critical.
    pub flags: [u64; 4],
    /// Cases by their worst flag that nobody dismissed, in the same order.
    #[serde(default)]
    pub flagged: [u64; 4],
    /// Cases whose flags are all dismissed or snoozed.
    #[serde(default)]
    pub dismissed: u64,
    pub decisions: u64,
    /// Groups whose members are still to be made due.
    pub waking: u64,
}
