//! A channel: where people are told, about which cases, and from which severity on.
//!
//! Must not know: the files that channels are read from.

use super::letter::{Letter, Parcel};
use super::{email, pagerduty, slack, teams, webhook};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use url::Url;

/// From which severity on somebody is told.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    #[default]
    Candidate,
    Critical,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Channel {
    pub name: String,
    /// As shown in messages.
    pub file: String,
    pub severity: Threshold,
    /// Names of sources; empty: all.
    pub sources: Vec<String>,
    /// Names or ids of teams; empty: all.
    pub teams: Vec<String>,
    /// Whether cases of sources that are only observed are told.
    pub observe: bool,
    /// More than so many messages within a minute become one.
    pub group_above: usize,
    pub digest: Option<DigestAt>,
    /// Of times in texts.
    pub zone: TimeZone,
    pub kind: Kind,
}

/// When the daily digest is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestAt(pub Time);

impl DigestAt {
    /// The day's digest is due then, in the channel's zone. An hour that the day skips counts as its end.
    pub fn on_day_of(self, now: Timestamp, zone: &TimeZone) -> (jiff::civil::Date, Timestamp) {
        let today = now.to_zoned(zone.clone()).date();
        (today, self.on(today, zone))
    }

    pub fn on(self, day: jiff::civil::Date, zone: &TimeZone) -> Timestamp {
        let at = zone.to_ambiguous_timestamp(day.to_datetime(self.0)).compatible();
        at.unwrap_or(Timestamp::MAX)
    }

    /// The first one after `now`'s day.
    pub fn tomorrow(self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let today = now.to_zoned(zone.clone()).date();
        today.tomorrow().map_or(now + SignedDuration::from_hours(24), |day| self.on(day, zone))
    }
}

/// How a channel is reached. Addresses that let anybody in who knows them are secrets.
#[derive(Debug, Clone)]
pub enum Kind {
    Webhook { url: Url, secret: SecretString },
    Slack { url: SecretString },
    Teams { url: SecretString },
    PagerDuty { url: Url, routing_key: SecretString },
    Email(MailSettings),
}

/// A mail relay, and between whom mails go.
#[derive(Debug, Clone)]
pub struct MailSettings {
    pub host: String,
    pub port: u16,
    pub tls: SmtpTls,
    pub user: Option<String>,
    pub password: Option<SecretString>,
    pub from: String,
    pub to: Vec<String>,
}

/// How the connection to a mail relay is secured.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// TLS from the first byte, usually port 465.
    #[default]
    Implicit,
    /// STARTTLS, refused if the relay does not offer it; usually port 587.
    Starttls,
    /// Plain text: to a relay on this machine only.
    None,
}

impl Kind {
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Webhook { .. } => "webhook",
            Kind::Slack { .. } => "slack",
            Kind::Teams { .. } => "teams",
            Kind::PagerDuty { .. } => "pagerduty",
            Kind::Email(_) => "email",
        }
    }
}

impl Channel {
    /// Whether the channel wants to hear that a flag is gone.
    pub fn hears_clears(&self) -> bool {
        matches!(self.kind, Kind::Webhook { .. } | Kind::PagerDuty { .. })
    }

    /// Whether a clear closes something open at the receiver: even a wave, which tells nobody, does that.
    pub fn keeps_open(&self) -> bool {
        matches!(self.kind, Kind::PagerDuty { .. })
    }

    /// How many messages of one minute make the next ones wait and become one. `None`: each goes alone.
    pub fn group_above(&self) -> Option<usize> {
        match self.kind {
            Kind::PagerDuty { .. } => None,
            _ => Some(self.group_above).filter(|above| *above > 0),
        }
    }

    /// The letter in the channel's form, ready to be carried.
    pub fn parcel(&self, letter: &Letter) -> Result<Parcel, String> {
        match &self.kind {
            Kind::Webhook { url, secret } => webhook::parcel(letter, url, secret),
            Kind::Slack { url } => slack::parcel(letter, url, &self.zone),
            Kind::Teams { url } => teams::parcel(letter, url, &self.zone),
            Kind::PagerDuty { url, routing_key } => pagerduty::parcel(letter, url, routing_key, &self.zone),
            Kind::Email(settings) => Ok(email::parcel(letter, settings, &self.zone)),
        }
    }
}
