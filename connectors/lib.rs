//! Connectors: vendors to core and back.
//!
//! Knows: how each vendor is asked, what its answers mean in core's words, how our marks are put on its records.
//! Must not know: waiting, retrying, storing, the time of day, tokens. `src` does those.
//!
//! Adding a connector: a directory with the five files, one arm in [`SourceConfig`] and in [`build`].

pub mod error;
pub mod jira;
mod plain;
mod quarantine;
pub mod salesforce;
pub mod sample;
pub mod servicenow;
mod settings;
pub mod signature;
mod steps;
pub mod trail;
pub mod transport;
pub mod zendesk;

pub use error::ConnectorError;
pub use sample::Sample;
pub use transport::{Lane, Method, Request, Response, Transport, TransportError};

use async_trait::async_trait;
use dutyd_core::action::{Action, Receipt};
use dutyd_core::case::{CaseChange, CaseKey, Revision};
use dutyd_core::policy::Listed;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How one source is reached, by vendor. In a file it is the table named after the vendor, for example `[servicenow]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum SourceConfig {
    #[serde(rename = "servicenow")]
    ServiceNow(Box<servicenow::Config>),
    #[serde(rename = "jira")]
    Jira(Box<jira::Config>),
    #[serde(rename = "zendesk")]
    Zendesk(Box<zendesk::Config>),
    #[serde(rename = "salesforce")]
    Salesforce(Box<salesforce::Config>),
}

impl SourceConfig {
    /// `servicenow`, `jira`, `zendesk`, `salesforce`.
    pub fn vendor(&self) -> &'static str {
        match self {
            Self::ServiceNow(_) => servicenow::VENDOR,
            Self::Jira(_) => jira::VENDOR,
            Self::Zendesk(_) => zendesk::VENDOR,
            Self::Salesforce(_) => salesforce::VENDOR,
        }
    }

    /// Which shipped connector file it is like: the vendor's, or `jira-dc`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Jira(config) if config.flavour == jira::Flavour::DataCenter => "jira-dc",
            _ => self.vendor(),
        }
    }

    /// Custom fields, by the names that rules use.
    pub fn fields(&self) -> Vec<&str> {
        fn names<T>(fields: &BTreeMap<String, T>) -> Vec<&str> {
            fields.keys().map(String::as_str).collect()
        }
        match self {
            Self::ServiceNow(config) => names(&config.fields),
            Self::Jira(config) => names(&config.fields),
            Self::Zendesk(config) => names(&config.fields),
            Self::Salesforce(config) => names(&config.fields),
        }
    }

    /// Which records of the system are its cases, as written.
    pub fn selects(&self) -> String {
        match self {
            Self::ServiceNow(config) => format!("{:?} {}", config.tables, config.scope),
            Self::Jira(config) => format!("{:?} {}", config.projects, config.scope),
            Self::Zendesk(config) => format!("{:?}", config.scope),
            Self::Salesforce(config) => config.scope.clone(),
        }
    }

    /// Every secret that [`build`] will ask for.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        match self {
            Self::ServiceNow(config) => config.secrets(),
            Self::Jira(config) => config.secrets(),
            Self::Zendesk(config) => config.secrets(),
            Self::Salesforce(config) => config.secrets(),
        }
    }
}

/// The connector of a configured source. `secrets` holds what [`SourceConfig::secrets`] names.
pub fn build(name: &str, config: &SourceConfig, secrets: &Secrets) -> Result<Box<dyn Connector>, BuildError> {
    match config {
        SourceConfig::ServiceNow(config) => Ok(Box::new(servicenow::ServiceNow::new(name, config, secrets)?)),
        SourceConfig::Jira(config) => Ok(Box::new(jira::Jira::new(name, config, secrets)?)),
        SourceConfig::Zendesk(config) => Ok(Box::new(zendesk::Zendesk::new(name, config, secrets)?)),
        SourceConfig::Salesforce(config) => Ok(Box::new(salesforce::Salesforce::new(name, config, secrets)?)),
    }
}

/// What an administrator creates in the vendor's system, as text with copyable steps. `hook_url`: where webhooks go.
pub fn setup(config: &SourceConfig, hook_url: &str) -> String {
    match config {
        SourceConfig::ServiceNow(config) => servicenow::setup(config, hook_url),
        SourceConfig::Jira(config) => jira::setup(config, hook_url),
        SourceConfig::Zendesk(config) => zendesk::setup(config, hook_url),
        SourceConfig::Salesforce(config) => salesforce::setup(config, hook_url),
    }
}

/// Name of a secret. Configuration never holds a secret itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretRef(pub String);

/// Secrets by their name, as read by `src`.
#[derive(Debug, Clone, Default)]
pub struct Secrets(pub BTreeMap<String, SecretString>);

impl Secrets {
    /// The secret behind a reference.
    pub fn get(&self, name: &SecretRef) -> Result<SecretString, BuildError> {
        self.0.get(&name.0).cloned().ok_or_else(|| BuildError::NoSecret { name: name.0.clone() })
    }
}

/// Why a source cannot be built from its configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("secret {name:?} is not there")]
    NoSecret { name: String },
    /// `key` is the path of the key in the vendor's table, for example `sign_in.basic.password`.
    #[error("{key}: {reason}")]
    Invalid { key: String, reason: String },
}

impl BuildError {
    pub fn invalid(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { key: key.into(), reason: reason.into() }
    }
}

/// One vendor system. Async, but never waits, retries or stores.
#[async_trait]
pub trait Connector: Send + Sync {
    /// What it can write, its limits, how it signs in. Fixed per source.
    fn profile(&self) -> &Profile;

    /// Who are we there, in which time zone, with which rights and fields. For `check --online` and at start.
    async fn check(&self, cx: &Ctx<'_>) -> Result<Identity, ConnectorError>;

    /// What changed since the cursor. `None`: from the beginning.
    async fn pull(&self, cx: &Ctx<'_>, from: Option<&Cursor>) -> Result<Page, ConnectorError>;

    /// The cases with all their children, in the vendor's bulk form. At most `profile().fetch_max` keys; one answer per key.
    async fn fetch(&self, cx: &Ctx<'_>, cases: &[CaseKey]) -> Result<Vec<Fetched>, ConnectorError>;

    /// Whether the record shows what the action wants, by a strongly consistent read.
    async fn holds(&self, cx: &Ctx<'_>, action: &Action) -> Result<Option<Receipt>, ConnectorError>;

    /// Makes the actions true. One verdict per action, in their order. Actions of one case go in one request where the
    /// vendor allows it.
    async fn apply(&self, cx: &Ctx<'_>, actions: &[Action]) -> Result<Vec<Applied>, ConnectorError>;

    /// Verifies a webhook over its raw bytes and says which cases it is about. Pure.
    fn hints(&self, delivery: &Delivery, now: Timestamp) -> Result<Vec<Hint>, ConnectorError>;

    /// What recorded answers and webhook bodies say, read together; signatures are not looked at. Pure.
    fn sample(&self, documents: &[&[u8]], now: Timestamp) -> Result<Sample, ConnectorError> {
        let _ = (documents, now);
        let reason = format!("samples of {} cannot be read", self.profile().vendor);
        Err(ConnectorError::Malformed { where_: "sample".to_owned(), reason })
    }

    /// Whether this answer says that the token is no good any more and a new one would help. Pure.
    fn session_is_over(&self, response: &Response) -> bool {
        response.status == 401
    }

    /// What the vendor's rate headers say, if anything. Pure.
    fn budget(&self, _response: &Response) -> Option<Budget> {
        None
    }
}

/// What a connector call gets besides its arguments.
pub struct Ctx<'a> {
    pub http: &'a dyn Transport,
    pub now: Timestamp,
}

/// Opaque to the engine, typed in the connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub version: u16,
    /// JSON text of the connector's own cursor type.
    pub body: String,
}

/// One step of a scan.
#[derive(Debug, Default)]
pub struct Page {
    /// Changes that are complete as they stand.
    pub changes: Vec<CaseChange>,
    /// Cases whose children must be read with `fetch`.
    pub hints: Vec<Hint>,
    pub quarantined: Vec<Quarantined>,
    /// Where to go on; commits together with what stands above.
    pub next: Option<Cursor>,
    /// Whether the scan has more to read now.
    pub more: bool,
    /// Why there is no more although the vendor says so: its pages lead nowhere. The scan begins anew from `next` later.
    pub stuck: Option<String>,
}

/// "Look at this case."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub key: CaseKey,
    /// The record's version, where the hint tells it: lets us skip what we already have.
    pub revision: Option<Revision>,
    /// The vendor's id of the delivery, for dedupe. Webhooks only.
    pub delivery_id: Option<String>,
}

/// A record that could not be understood, kept raw for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    pub id: String,
    pub reason: String,
    pub raw: String,
}

/// What became of one requested case.
#[derive(Debug)]
pub enum Fetched {
    Case(Box<CaseChange>),
    /// Deleted, or merged away.
    Gone(CaseKey),
    /// Not visible to our account, or out of our scope.
    Hidden(CaseKey),
    Quarantined(CaseKey, Quarantined),
    /// Not read this time: its children could not be read to the end, for example before a throttle. The others of the
    /// batch stand; only this one is asked for again, as the error says.
    Unread(CaseKey, ConnectorError),
}

/// The verdict on one action.
#[derive(Debug)]
pub struct Applied {
    pub action_id: String,
    pub result: Result<Receipt, ConnectorError>,
}

/// A webhook request as it arrived.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: bytes::Bytes,
}

impl Delivery {
    /// First value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The account we use, as measured.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Identity {
    pub account: String,
    pub time_zone: Option<String>,
    /// Each thing that is not as it should be.
    pub findings: Vec<Finding>,
    /// Customers whose e-mail domains the system knows, as many as a look shows.
    #[serde(skip)]
    pub customers: Vec<Listed>,
}

/// One finding of `check --online`, in plain words with the remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether dutyd cannot work correctly until it is mended.
    pub blocking: bool,
    pub message: String,
    pub remedy: String,
}

impl Finding {
    pub fn new(blocking: bool, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { blocking, message: message.into(), remedy: remedy.into() }
    }
}

/// What is fixed about a connector.
#[derive(Debug, Clone)]
pub struct Profile {
    /// `servicenow`, `jira`, `zendesk`, `salesforce`.
    pub vendor: &'static str,
    pub origin: url::Url,
    pub sign_in: transport::SignIn,
    /// How late the vendor may show a change to a poll, at most, in normal operation: with the poll interval it makes
    /// the bound B.
    pub lag: SignedDuration,
    pub fetch_max: usize,
    /// Actions that one `apply` may carry.
    pub apply_max: usize,
    /// Requests per minute that we allow ourselves, and how many at once.
    pub requests_per_minute: u32,
    pub concurrency: usize,
    /// The account that writes our marks, where known before signing in; its events may be ours.
    pub account: Option<String>,
}

/// What a vendor's rate headers say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    pub limit: Option<u64>,
    pub remaining: Option<u64>,
    pub resets_at: Option<Timestamp>,
}
