//! What an administrator says about a Salesforce source.
//!
//! Must not know: the secrets themselves, or how often the engine polls.

use super::soql::{condition_fault, is_field};
use super::words;
use crate::settings::{FieldConfig, address, within};
use crate::{BuildError, SecretRef};
use dutyd_core::case::{Priority, Status};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use url::Url;

/// One Salesforce org.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the org's My Domain, for example `https://acme.my.salesforce.com`.
    pub origin: String,
    /// User name of the account that dutyd works as.
    pub user: String,
    pub sign_in: SignInConfig,
    /// Version of the API.
    #[serde(default = "default_api_version")]
    pub api_version: String,
    /// Condition in SOQL that every case must match, for example `RecordType.DeveloperName = 'Support'`. Filter on what
    /// does not change: a case that leaves the scope is seen no more.
    #[serde(default)]
    pub scope: String,
    /// Cases last changed before this instant are not read.
    #[serde(default)]
    pub read_from: Option<Timestamp>,
    /// Rows per page of a scan.
    #[serde(default = "default_page_size")]
    pub page_size: u32,
    /// How far each scan reaches back behind the last one, for changes that became visible late. At least ten minutes.
    #[serde(default = "default_overlap_seconds")]
    pub overlap_seconds: u32,
    /// The cursor stays at least this far behind the org's own clock.
    #[serde(default = "default_lag_seconds")]
    pub lag_seconds: u32,
    #[serde(default = "default_requests_per_minute")]
    pub requests_per_minute: u32,
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// Fields that hold what rules read.
    #[serde(default)]
    pub columns: Columns,
    /// Fields that carry our marks.
    #[serde(default)]
    pub marks: Marks,
    /// Custom fields for rules, by the name that rules use.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldConfig>,
    /// Meaning of statuses, where their names do not say it.
    #[serde(default)]
    pub statuses: BTreeMap<String, Status>,
    /// Meaning of priorities, 1 being the most urgent, where their names do not say it.
    #[serde(default)]
    pub priorities: BTreeMap<String, u8>,
}

/// How dutyd signs in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignInConfig {
    /// OAuth client credentials; the app's run-as user must be `user`.
    ClientCredentials { client_id: String, client_secret: SecretRef },
    /// An assertion signed with the app's private key.
    JwtBearer {
        client_id: String,
        private_key: SecretRef,
        /// `https://test.salesforce.com` for sandboxes of the vendor.
        #[serde(default = "default_audience")]
        audience: String,
    },
}

/// Fields that hold what rules read, with relationships: `Account.Tier__c`. An empty name: not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// Contract tier, for example `Account.Tier__c`.
    pub tier: String,
    /// For example `Entitlement.Name`.
    pub contract: String,
    pub product: String,
    pub category: String,
    pub channel: String,
    /// A due date kept on the case.
    pub due: String,
    /// A field with the team. Empty: the queue that owns the case, or owned it last.
    pub team: String,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            tier: String::new(),
            contract: String::new(),
            product: String::new(),
            category: "Type".to_owned(),
            channel: "Origin".to_owned(),
            due: String::new(),
            team: String::new(),
        }
    }
}

/// Fields that carry our marks. `dutyd setup salesforce` says how to create them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Marks {
    /// What people see and may clear: `watch`, `warning`, `candidate`, `critical`.
    pub severity: String,
    /// One sentence for people.
    pub why: String,
    /// The flags behind the mark, for dutyd itself.
    pub flags: String,
    /// Where people answer the mark (`snooze 4h`, `ack`, …). Empty: there is no such field.
    pub answer: String,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            severity: "Dutyd_Severity__c".to_owned(),
            why: "Dutyd_Why__c".to_owned(),
            flags: "Dutyd_Marks__c".to_owned(),
            answer: String::new(),
        }
    }
}

fn default_api_version() -> String {
    "v66.0".to_owned()
}

fn default_audience() -> String {
    "https://login.salesforce.com".to_owned()
}

fn default_page_size() -> u32 {
    1_000
}

fn default_overlap_seconds() -> u32 {
    600
}

fn default_lag_seconds() -> u32 {
    10
}

fn default_requests_per_minute() -> u32 {
    120
}

fn default_concurrency() -> usize {
    2
}

/// Least version whose answers are known to be as described here.
const VERSION_MIN: u32 = 59;

impl Config {
    /// Every secret that the connector needs.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        match &self.sign_in {
            SignInConfig::ClientCredentials { client_secret, .. } => vec![client_secret],
            SignInConfig::JwtBearer { private_key, .. } => vec![private_key],
        }
    }

    /// Refuses what could not work, and whatever could change the meaning of a question; the origin, parsed.
    pub fn validated(&self) -> Result<Url, BuildError> {
        if self.user.trim().is_empty() {
            return Err(BuildError::invalid("user", "must be the user name of the account"));
        }
        if let Some(fault) = condition_fault(&self.scope) {
            return Err(BuildError::invalid("scope", fault));
        }
        for (key, column) in self.named_columns() {
            if !is_field(column) {
                return Err(BuildError::invalid(key, format!("{column:?} is not the name of a field")));
            }
        }
        let marks = [&self.marks.severity, &self.marks.why, &self.marks.flags];
        if let Some(column) =
            marks.into_iter().find(|column| !column.ends_with("__c") || column.contains('.'))
        {
            let reason =
                format!("{column:?} must be a custom field of the case; only such fields are written");
            return Err(BuildError::invalid("marks", reason));
        }
        self.check_numbers()?;
        let origin = address("origin", &self.origin, true, "https://acme.my.salesforce.com")?;
        // Vendor: client credentials are refused at the common sign-in hosts (help, client credentials flow).
        match origin.host_str() {
            Some("login.salesforce.com" | "test.salesforce.com") => Err(BuildError::invalid(
                "origin",
                "must be the org's My Domain, like https://acme.my.salesforce.com",
            )),
            _ => Ok(origin),
        }
    }

    /// Every configured field with the key that names it.
    pub fn named_columns(&self) -> Vec<(String, &str)> {
        let marks = &self.marks;
        let required =
            [("marks.severity", &*marks.severity), ("marks.why", &marks.why), ("marks.flags", &marks.flags)];
        let required = required.map(|(key, column)| (key.to_owned(), column));
        self.optional_columns().into_iter().chain(required).collect()
    }

    /// Fields that may be missing without harm to the rest.
    pub fn optional_columns(&self) -> Vec<(String, &str)> {
        let columns = &self.columns;
        let optional = [
            ("columns.tier", &*columns.tier),
            ("columns.contract", &columns.contract),
            ("columns.product", &columns.product),
            ("columns.category", &columns.category),
            ("columns.channel", &columns.channel),
            ("columns.due", &columns.due),
            ("columns.team", &columns.team),
            ("marks.answer", &self.marks.answer),
        ];
        let fields =
            self.fields.iter().map(|(name, field)| (format!("fields.{name}.column"), &*field.column));
        let optional = optional.into_iter().filter(|(_, column)| !column.is_empty());
        optional.map(|(key, column)| (key.to_owned(), column)).chain(fields).collect()
    }

    fn check_numbers(&self) -> Result<(), BuildError> {
        let bounds = [
            ("page_size", self.page_size.into(), 10, 2_000),
            ("overlap_seconds", self.overlap_seconds.into(), 600, 86_400),
            ("lag_seconds", self.lag_seconds.into(), 2, 3_600),
            ("requests_per_minute", self.requests_per_minute.into(), 10, 100_000),
            ("concurrency", self.concurrency as u64, 1, 16),
        ];
        within(&bounds)?;
        let number = self.api_version.strip_prefix('v').and_then(|text| text.strip_suffix(".0"));
        match number.and_then(|text| text.parse::<u32>().ok()) {
            Some(number) if number >= VERSION_MIN => Ok(()),
            _ => Err(BuildError::invalid("api_version", "must be v59.0 or later, written like v66.0")),
        }
    }

    /// Where a record stands, by the name of its status.
    pub fn status(&self, name: &str) -> Status {
        self.named_status(name).unwrap_or_else(|| words::guess(name))
    }

    /// What the administrator said that a status means.
    pub fn named_status(&self, name: &str) -> Option<Status> {
        let named = self.statuses.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, status)| *status)
    }

    pub fn priority(&self, name: &str) -> Option<Priority> {
        if let Some((_, number)) = self.priorities.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            return Some(Priority(*number));
        }
        let name = name.to_lowercase();
        Some(Priority(match name.trim_start_matches('p').chars().next() {
            _ if ["critical", "urgent"].contains(&&*name) => 1,
            _ if name == "high" => 2,
            _ if ["medium", "normal"].contains(&&*name) => 3,
            _ if name == "low" => 4,
            Some(digit @ '1'..='5') => digit as u8 - b'0',
            _ => return None,
        }))
    }
}
