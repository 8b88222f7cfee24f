//! What an administrator says about a Jira source.
//!
//! Must not know: the secrets themselves, or how often the engine polls.

use crate::settings::{address, within};
use crate::{BuildError, SecretRef};
use dutyd_core::case::Status;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use url::Url;

/// One Jira site or Data Center instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which of the two products answers.
    #[serde(default)]
    pub flavour: Flavour,
    /// Where requests go: `https://acme.atlassian.net`; for a token with scopes
    /// `https://api.atlassian.com/ex/jira/CLOUD-ID`; for Data Center the address with its context path, if it has one.
    pub base_url: String,
    /// Where people open issues, if not at `base_url`: needed with a token with scopes.
    #[serde(default)]
    pub site_url: Option<String>,
    pub sign_in: SignInConfig,
    /// Secrets that webhooks may be signed with. Two during a rotation; none: webhooks are refused.
    #[serde(default)]
    pub webhook_secrets: Vec<SecretRef>,
    /// Keys of the projects whose issues are cases. Empty: all that the account can see.
    #[serde(default)]
    pub projects: Vec<String>,
    /// JQL that every case must match, for example `issuetype in ("Incident", "Service Request")`. Without `ORDER BY`.
    #[serde(default)]
    pub scope: String,
    /// Issues last changed before this instant are not read.
    #[serde(default)]
    pub read_from: Option<Timestamp>,
    /// Rows per page of a scan.
    #[serde(default = "default_page_size")]
    pub page_size: u32,
    /// The cursor stays at least this far behind Jira's own clock, because the search index is late.
    #[serde(default = "default_lag_seconds")]
    pub lag_seconds: u32,
    /// How far each scan reaches back behind the cursor.
    #[serde(default = "default_overlap_seconds")]
    pub overlap_seconds: u32,
    #[serde(default = "default_requests_per_minute")]
    pub requests_per_minute: u32,
    /// Requests at once.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// Fields that hold what rules read, by name or id.
    #[serde(default)]
    pub columns: Columns,
    /// More fields for rules: the name that rules use, and the field's name or id.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// Meaning of statuses by name, where the shipped reading is not right.
    #[serde(default)]
    pub statuses: BTreeMap<String, Status>,
    /// Meaning of priorities by name: 1 is the most urgent.
    #[serde(default)]
    pub priorities: BTreeMap<String, u8>,
    /// Account ids (Data Center: user keys) of people who are customers although Jira does not say so.
    #[serde(default)]
    pub customer_accounts: Vec<String>,
    /// Account ids of automation. Apps are known as such on Cloud.
    #[serde(default)]
    pub automation_accounts: Vec<String>,
    #[serde(default)]
    pub notes: Notes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flavour {
    #[default]
    Cloud,
    DataCenter,
}

/// How dutyd signs in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignInConfig {
    /// Cloud: the account's e-mail address and an API token, with or without scopes.
    ApiToken { email: String, token: SecretRef },
    /// Data Center: a personal access token.
    PersonalAccessToken { token: SecretRef },
}

/// Fields that hold what rules read: a field's name (`Support team`) or id (`customfield_10060`). Empty: not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// The customer's account. Empty: the Service Management organization.
    pub customer: String,
    /// Contract tier.
    pub tier: String,
    pub contract: String,
    /// The team that works on the case: `components` (the first one), `project`, or a field.
    pub team: String,
    pub product: String,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            customer: String::new(),
            tier: "Customer tier".to_owned(),
            contract: String::new(),
            team: "components".to_owned(),
            product: "Product".to_owned(),
        }
    }
}

/// Who may read our notes in projects that are not Service Management. There, notes are always internal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Notes {
    /// No notes there, only marks.
    #[default]
    None,
    /// Members of this project role.
    Role(String),
    /// Members of this group.
    Group(String),
}

fn default_page_size() -> u32 {
    100
}

fn default_lag_seconds() -> u32 {
    300
}

fn default_overlap_seconds() -> u32 {
    60
}

fn default_requests_per_minute() -> u32 {
    600
}

fn default_concurrency() -> usize {
    4
}

const EXAMPLE: &str = "https://acme.atlassian.net";

impl Config {
    /// Every secret that the connector needs.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let token = match &self.sign_in {
            SignInConfig::ApiToken { token, .. } | SignInConfig::PersonalAccessToken { token } => token,
        };
        [token].into_iter().chain(&self.webhook_secrets).collect()
    }

    /// Refuses what could not work, and whatever could change the meaning of a query; the base address, parsed.
    pub fn validated(&self) -> Result<Url, BuildError> {
        self.check_sign_in()?;
        self.check_scope()?;
        self.check_numbers()?;
        if let Some(site) = &self.site_url {
            address("site_url", site, false, EXAMPLE)?;
        }
        address("base_url", &self.base_url, false, EXAMPLE)
    }

    fn check_sign_in(&self) -> Result<(), BuildError> {
        match (self.flavour, &self.sign_in) {
            (Flavour::Cloud, SignInConfig::ApiToken { email, .. }) if email.contains('@') => Ok(()),
            (Flavour::Cloud, SignInConfig::ApiToken { .. }) => {
                Err(BuildError::invalid("sign_in.api_token.email", "must be an e-mail address"))
            }
            (Flavour::DataCenter, SignInConfig::PersonalAccessToken { .. }) => Ok(()),
            (Flavour::Cloud, _) => Err(BuildError::invalid("sign_in", "Cloud signs in with api_token")),
            (Flavour::DataCenter, _) => {
                Err(BuildError::invalid("sign_in", "Data Center signs in with personal_access_token"))
            }
        }
    }

    fn check_scope(&self) -> Result<(), BuildError> {
        for project in &self.projects {
            if !is_project_key(project) {
                let reason = format!("{project:?} is not a project key, like SUP");
                return Err(BuildError::invalid("projects", reason));
            }
        }
        if !is_closed(&self.scope) {
            return Err(BuildError::invalid("scope", "quotes or parentheses are not closed"));
        }
        if self.scope.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ").contains("order by") {
            return Err(BuildError::invalid("scope", "must be conditions only, without ORDER BY"));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), BuildError> {
        let bounds = [
            ("page_size", self.page_size.into(), 2, 1_000),
            ("lag_seconds", self.lag_seconds.into(), 0, 86_400),
            ("overlap_seconds", self.overlap_seconds.into(), 1, 86_400),
            ("requests_per_minute", self.requests_per_minute.into(), 10, 100_000),
            ("concurrency", self.concurrency as u64, 1, 64),
        ];
        within(&bounds)?;
        if let Some((name, _)) = self.priorities.iter().find(|(_, level)| !(1..=9).contains(*level)) {
            return Err(BuildError::invalid(format!("priorities.{name}"), "must be from 1 to 9"));
        }
        Ok(())
    }
}

fn is_project_key(key: &str) -> bool {
    let mut letters = key.bytes();
    letters.next().is_some_and(|first| first.is_ascii_uppercase())
        && letters.all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == b'_')
}

/// Whether quotes and parentheses close, so that the text stays one condition inside parentheses of ours.
fn is_closed(jql: &str) -> bool {
    let (mut depth, mut quote, mut escaped) = (0_i32, None, false);
    for letter in jql.chars() {
        match (quote, letter) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0 && quote.is_none() && !escaped
}
