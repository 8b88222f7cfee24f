//! `dutyd.toml` as typed settings. The shipped file is the documentation and the default of every key.

use super::written;
use crate::store::FreeMin;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The shipped file: what a key has that an admin leaves out.
pub const DEFAULTS: &str = include_str!("../../config/dutyd.toml");

/// How this machine runs dutyd.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the database lives.
    pub state_dir: PathBuf,
    /// Whether cases are marked in the vendors' systems.
    pub mode: Mode,
    /// Cases marked per hour and source, at most.
    pub writes_per_hour: u32,
    /// How often each source is asked for changes, for example `60s`.
    #[schemars(with = "String")]
    #[serde(deserialize_with = "written::duration")]
    pub poll_interval: SignedDuration,
    /// Older cases are tracked, and unmarked until they change.
    #[serde(default, deserialize_with = "written::instant_if_any")]
    pub start_from: Option<Timestamp>,
    pub webhook: WebhookSettings,
    pub metrics: MetricsSettings,
    pub control: ControlSettings,
    pub log: LogSettings,
    pub audit: AuditSettings,
    pub storage: StorageSettings,
    pub network: NetworkSettings,
    pub text: TextSettings,
    pub sandbox: SandboxSettings,
}

/// Whether dutyd writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decide and show, write nothing into the vendors' systems.
    #[default]
    Observe,
    /// Mark the cases in the vendors' systems.
    Write,
}

impl Mode {
    pub fn word(self) -> &'static str {
        match self {
            Mode::Observe => "observe",
            Mode::Write => "write",
        }
    }
}

/// Where webhooks arrive.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    pub listen: Listen,
    /// Connections at once from one address.
    pub connections_per_address: usize,
}

/// Where health and metrics are served.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricsSettings {
    pub listen: Listen,
}

/// Where the commands find the running daemon.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlSettings {
    pub socket: PathBuf,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    pub level: LogLevel,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    pub fn word(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

/// The log of what was decided, written, ordered and told.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// Older rows are removed.
    pub keep_days: u32,
}

/// The disk of the database.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageSettings {
    /// With less free, webhooks are sent away; a part of the disk or a size.
    pub free_min: FreeMin,
}

/// How requests reach the vendors.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// Proxy for all requests that do not go to loopback.
    pub proxy: Option<String>,
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// How texts for people are written.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextSettings {
    /// IANA name of the zone of times in texts.
    pub zone: String,
}

/// For demonstrations and replays only.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SandboxSettings {
    /// Address of the sandbox's control port, whose clock is followed.
    pub clock: Option<String>,
}

/// An address to listen on, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub enum Listen {
    Off,
    On(SocketAddr),
}

impl Listen {
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Listen::Off => None,
            Listen::On(address) => Some(address),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" {
            return Ok(Listen::Off);
        }
        text.parse().map(Listen::On).map_err(|_| {
            format!(
                "`{text}` is no address to listen on; write an IP address and port like \"127.0.0.1:8480\", or \"off\""
            )
        })
    }
}
