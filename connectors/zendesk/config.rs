//! What an administrator says about a Zendesk source.
//!
//! Must not know: the secrets themselves, or how often the engine polls.

use crate::settings::{address, within};
use crate::{BuildError, SecretRef};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use url::Url;

/// One Zendesk account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the account, for example `https://acme.zendesk.com`.
    pub origin: String,
    pub sign_in: SignInConfig,
    /// Signing secrets of the webhook. Two during a rotation; none: webhooks are refused.
    #[serde(default)]
    pub webhook_secrets: Vec<SecretRef>,
    /// Which tickets are cases. Empty lists: all.
    #[serde(default)]
    pub scope: Scope,
    /// Tickets last changed before this instant are not read.
    #[serde(default)]
    pub read_from: Option<Timestamp>,
    /// Whether the history of tickets that were closed before the first scan is read: one request for each of them.
    #[serde(default = "default_history_of_closed")]
    pub history_of_closed: bool,
    /// Tickets per page of the export.
    #[serde(default = "default_page_size")]
    pub page_size: u32,
    /// Requests per minute that dutyd allows itself, of all that the plan grants to the account.
    #[serde(default = "default_requests_per_minute")]
    pub requests_per_minute: u32,
    /// Requests at once.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// Where on a ticket stands what rules read.
    #[serde(default)]
    pub columns: Columns,
    /// Ticket fields that carry our marks.
    #[serde(default)]
    pub marks: Marks,
    /// Further ticket fields for rules, by the name that rules use: the field's id or its title.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// Urgency (1 is the most urgent) of each of Zendesk's priorities.
    #[serde(default = "default_priorities")]
    pub priorities: BTreeMap<String, u8>,
}

/// How dutyd signs in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignInConfig {
    /// OAuth client credentials.
    Oauth {
        client_id: String,
        client_secret: SecretRef,
        /// Scopes asked for, separated by blanks.
        #[serde(default = "default_scopes")]
        scopes: String,
    },
    /// An API token. Legacy: no new ones can be created, and all end on 2027-04-30.
    ApiToken { email: String, token: SecretRef },
}

/// Which tickets are cases. A ticket must match each list that is not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scope {
    pub groups: Vec<i64>,
    pub brands: Vec<i64>,
    pub forms: Vec<i64>,
}

/// Where on a ticket stands what rules read. Empty: not read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// Key of the organization field with the contract tier.
    pub tier: String,
    /// Key of the organization field with the contract.
    pub contract: String,
    /// Ticket field with the product: its id or its title.
    pub product: String,
}

/// Ticket fields that carry our marks, each by id or title. `dutyd setup zendesk` says how to create them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Marks {
    /// Drop-down that people see and may clear; its options carry the tags `dutyd_watch` to `dutyd_critical`.
    pub severity: String,
    /// Text field: one sentence for people.
    pub why: String,
    /// Text field: the flags behind the mark, for dutyd itself.
    pub flags: String,
    /// Text field where people answer the mark (`snooze 4h`, `ack`, …). Empty: there is none.
    pub answer: String,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            severity: "Dutyd severity".to_owned(),
            why: "Dutyd why".to_owned(),
            flags: "Dutyd marks".to_owned(),
            answer: String::new(),
        }
    }
}

fn default_history_of_closed() -> bool {
    true
}

fn default_page_size() -> u32 {
    1_000
}

fn default_requests_per_minute() -> u32 {
    400
}

fn default_concurrency() -> usize {
    4
}

fn default_scopes() -> String {
    "read tickets:write".to_owned()
}

fn default_priorities() -> BTreeMap<String, u8> {
    [("urgent", 1), ("high", 2), ("normal", 3), ("low", 4)].map(|(word, rank)| (word.to_owned(), rank)).into()
}

impl Config {
    /// Every secret that the connector needs.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let sign_in = match &self.sign_in {
            SignInConfig::Oauth { client_secret, .. } => client_secret,
            SignInConfig::ApiToken { token, .. } => token,
        };
        [sign_in].into_iter().chain(&self.webhook_secrets).collect()
    }

    /// Refuses what could not work; the origin, parsed.
    pub fn validated(&self) -> Result<Url, BuildError> {
        let bounds = [
            ("page_size", self.page_size.into(), 1, 1_000),
            ("requests_per_minute", self.requests_per_minute.into(), 10, 100_000),
            ("concurrency", self.concurrency as u64, 1, 16),
        ];
        within(&bounds)?;
        let marks = &self.marks;
        for (key, field) in
            [("marks.severity", &marks.severity), ("marks.why", &marks.why), ("marks.flags", &marks.flags)]
        {
            if field.trim().is_empty() {
                return Err(BuildError::invalid(key, "must be the id or the title of a ticket field"));
            }
        }
        for (word, rank) in &self.priorities {
            if !(1..=9).contains(rank) {
                return Err(BuildError::invalid(format!("priorities.{word}"), "must be from 1 to 9"));
            }
        }
        address("origin", &self.origin, true, "https://acme.zendesk.com")
    }
}
