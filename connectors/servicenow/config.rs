//! What an administrator says about a ServiceNow source.
//!
//! Must not know: the secrets themselves, or how often the engine polls.

use super::query::{is_field, is_literal};
use crate::settings::{FieldConfig, address, within};
use crate::{BuildError, SecretRef};
use dutyd_core::case::Status;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use url::Url;

/// One ServiceNow instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the instance, for example `https://acme.service-now.com`.
    pub origin: String,
    /// User name of the account that dutyd works as. Its time zone must be GMT.
    pub user: String,
    pub sign_in: SignInConfig,
    /// Secrets that the business rule may sign with. Two during a rotation; none: webhooks are refused.
    #[serde(default)]
    pub webhook_secrets: Vec<SecretRef>,
    /// Tables whose records are cases.
    #[serde(default = "default_tables")]
    pub tables: Vec<Table>,
    /// Encoded query that every case must match, for example `assignment_group.nameSTARTSWITHSupport`. Filter on what
    /// does not change: a case that leaves the scope is seen no more.
    #[serde(default)]
    pub scope: String,
    /// Cases last changed before this instant are not read.
    #[serde(default)]
    pub read_from: Option<Timestamp>,
    /// Rows per page of a scan.
    #[serde(default = "default_page_size")]
    pub page_size: u32,
    /// How far each scan reaches back behind the last one, for changes that became visible late.
    #[serde(default = "default_overlap_seconds")]
    pub overlap_seconds: u32,
    /// The cursor stays at least this far behind the instance's own clock.
    #[serde(default = "default_lag_seconds")]
    pub lag_seconds: u32,
    #[serde(default = "default_requests_per_minute")]
    pub requests_per_minute: u32,
    /// Requests at once. An instance serves few: its API pool has typically four places per node.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// Columns that hold what rules read.
    #[serde(default)]
    pub columns: Columns,
    /// Columns that carry our marks.
    #[serde(default)]
    pub marks: Marks,
    /// Custom columns for rules, by the name that rules use.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldConfig>,
    /// Meaning of state codes, where they differ from those shipped by the vendor.
    #[serde(default)]
    pub states: BTreeMap<String, Status>,
    /// User names whose comments are the customer's, besides the caller; `*` stands for anything.
    #[serde(default = "default_customer_users")]
    pub customer_users: Vec<String>,
    /// User names of automation; `*` stands for anything.
    #[serde(default = "default_automation_users")]
    pub automation_users: Vec<String>,
}

/// How dutyd signs in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignInConfig {
    /// User name and password.
    Basic { password: SecretRef },
    /// OAuth client credentials; the client's application user must be `user`.
    Oauth { client_id: String, client_secret: SecretRef },
}

/// A table whose records are cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Table {
    #[serde(rename = "incident")]
    Incident,
    #[serde(rename = "sn_customerservice_case")]
    CustomerCase,
}

impl Table {
    pub fn name(self) -> &'static str {
        match self {
            Table::Incident => "incident",
            Table::CustomerCase => "sn_customerservice_case",
        }
    }

    /// The column with the person who asked.
    pub fn requester(self) -> &'static str {
        match self {
            Table::Incident => "caller_id",
            Table::CustomerCase => "contact",
        }
    }
}

/// Columns that hold what rules read. Dot-walked names are allowed. An empty name: not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// The customer's account, a reference. `None`: `company` of an incident, `account` of a customer service case.
    pub customer: Option<String>,
    /// Contract tier, for example `company.u_tier`.
    pub tier: String,
    pub contract: String,
    /// `None`: `cmdb_ci` of an incident, `product` of a customer service case.
    pub product: Option<String>,
    pub category: String,
    pub channel: String,
    /// A due date kept on the case.
    pub due: String,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            customer: None,
            tier: String::new(),
            contract: String::new(),
            product: None,
            category: "category".to_owned(),
            channel: "contact_type".to_owned(),
            due: "due_date".to_owned(),
        }
    }
}

impl Columns {
    pub fn customer(&self, table: Table) -> &str {
        self.customer.as_deref().unwrap_or(match table {
            Table::Incident => "company",
            Table::CustomerCase => "account",
        })
    }

    pub fn product(&self, table: Table) -> &str {
        self.product.as_deref().unwrap_or(match table {
            Table::Incident => "cmdb_ci",
            Table::CustomerCase => "product",
        })
    }
}

/// Columns that carry our marks. `dutyd setup servicenow` says how to create them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Marks {
    /// What people see and may clear: `watch`, `warning`, `candidate`, `critical`.
    pub severity: String,
    /// One sentence for people.
    pub why: String,
    /// The flags behind the mark, for dutyd itself.
    pub flags: String,
    /// Where people answer the mark (`snooze 4h`, `ack`, …). Empty: there is no such column.
    pub answer: String,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            severity: "u_dutyd_severity".to_owned(),
            why: "u_dutyd_why".to_owned(),
            flags: "u_dutyd_marks".to_owned(),
            answer: String::new(),
        }
    }
}

fn default_tables() -> Vec<Table> {
    vec![Table::Incident]
}

fn default_page_size() -> u32 {
    1_000
}

fn default_overlap_seconds() -> u32 {
    120
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

fn default_customer_users() -> Vec<String> {
    vec!["guest".to_owned()]
}

fn default_automation_users() -> Vec<String> {
    vec!["system".to_owned(), "workflow*".to_owned()]
}

impl Config {
    /// Every secret that the connector needs.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let sign_in = match &self.sign_in {
            SignInConfig::Basic { password } => password,
            SignInConfig::Oauth { client_secret, .. } => client_secret,
        };
        [sign_in].into_iter().chain(&self.webhook_secrets).collect()
    }

    /// Refuses what could not work, and whatever could change the meaning of a query; the origin, parsed.
    pub fn validated(&self) -> Result<Url, BuildError> {
        self.check_query_parts()?;
        self.check_numbers()?;
        address("origin", &self.origin, true, "https://acme.service-now.com")
    }

    fn check_query_parts(&self) -> Result<(), BuildError> {
        if !is_literal(&self.user) || self.user.is_empty() {
            return Err(BuildError::invalid("user", "must be a user name, without ^ and line breaks"));
        }
        for forbidden in ["^NQ", "ORDERBY", "GROUPBY", "^EQ", "RLQUERY", "JOIN", "\n", "\r"] {
            if self.scope.contains(forbidden) {
                return Err(BuildError::invalid(
                    "scope",
                    format!("must be conditions only, without {forbidden:?}"),
                ));
            }
        }
        if self.scope.starts_with('^') || self.scope.ends_with('^') {
            return Err(BuildError::invalid("scope", "must not begin or end with ^"));
        }
        for (key, column) in self.named_columns() {
            if !is_field(column) {
                return Err(BuildError::invalid(key, format!("{column:?} is not the name of a column")));
            }
        }
        Ok(())
    }

    /// Every configured column with the key that names it.
    pub fn named_columns(&self) -> Vec<(String, &str)> {
        let (columns, marks) = (&self.columns, &self.marks);
        let optional = [
            ("columns.customer", columns.customer.as_deref().unwrap_or_default()),
            ("columns.tier", &columns.tier),
            ("columns.contract", &columns.contract),
            ("columns.product", columns.product.as_deref().unwrap_or_default()),
            ("columns.category", &columns.category),
            ("columns.channel", &columns.channel),
            ("columns.due", &columns.due),
            ("marks.answer", &marks.answer),
        ];
        let required =
            [("marks.severity", &*marks.severity), ("marks.why", &marks.why), ("marks.flags", &marks.flags)];
        let fields =
            self.fields.iter().map(|(name, field)| (format!("fields.{name}.column"), &*field.column));
        let optional = optional.into_iter().filter(|(_, column)| !column.is_empty());
        optional.chain(required).map(|(key, column)| (key.to_owned(), column)).chain(fields).collect()
    }

    fn check_numbers(&self) -> Result<(), BuildError> {
        let bounds = [
            ("page_size", self.page_size.into(), 10, 10_000),
            ("overlap_seconds", self.overlap_seconds.into(), 1, 86_400),
            ("lag_seconds", self.lag_seconds.into(), 0, 3_600),
            ("requests_per_minute", self.requests_per_minute.into(), 10, 100_000),
            ("concurrency", self.concurrency as u64, 1, 16),
        ];
        within(&bounds)?;
        if self.tables.is_empty() {
            return Err(BuildError::invalid("tables", "must name at least one table"));
        }
        Ok(())
    }
}
