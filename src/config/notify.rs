//! `notify/<name>.toml`: one channel by which people are told.
//!
//! Must not know: how messages of a channel look.

use super::Place;
use super::read::Document;
use super::secret::SecretSource;
use super::settings::Settings;
use super::source::{check_name, file_stem, one_table, resolve, tables_of};
use super::written;
use crate::http::channel_address;
use crate::notify::{Channel, DigestAt, Kind, MailSettings, SmtpTls, Threshold, signing_key};
use dutyd_core::calendar::zone_named;
use dutyd_core::problem::Problem;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Where PagerDuty takes events.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// Messages of a minute that may go alone, at most.
const GROUP_ABOVE_MAX: usize = 100;
/// Addresses that one channel mails to.
const RECIPIENTS_MAX: usize = 50;

/// The part of the file that every channel has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Common {
    /// Name of the channel in output and logs. Default: the file's name.
    name: Option<String>,
    /// From which severity on people are told.
    #[serde(default)]
    severity: Threshold,
    /// Only cases of these sources. Default: all.
    #[serde(default)]
    sources: Vec<String>,
    /// Only cases of these teams, by name or id. Default: all.
    #[serde(default)]
    teams: Vec<String>,
    /// Whether cases of sources in mode "observe" are told.
    #[serde(default)]
    observe: bool,
    /// More than so many messages within a minute become one; 0: never.
    #[serde(default = "group_above")]
    group_above: usize,
    /// Local time of the daily digest, for example `08:30`. Default: none.
    #[schemars(with = "Option<String>")]
    #[serde(default, deserialize_with = "written::time_if_any")]
    digest: Option<Time>,
    /// Zone of the digest and of times in texts. Default: `[text] zone` of dutyd.toml.
    zone: Option<String>,
    /// Secrets by the names that the channel's table uses for them.
    #[serde(default)]
    secrets: BTreeMap<String, SecretSource>,
}

fn group_above() -> usize {
    5
}

/// Keys of [`Common`].
const COMMON_KEYS: [&str; 9] =
    ["name", "severity", "sources", "teams", "observe", "group_above", "digest", "zone", "secrets"];

/// The table named after the kind of channel.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum KindDoc {
    Webhook(WebhookDoc),
    Slack(SlackDoc),
    MicrosoftTeams(TeamsDoc),
    Pagerduty(PagerDutyDoc),
    Email(EmailDoc),
}

/// A signed webhook with CloudEvents.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookDoc {
    /// Where events are posted.
    url: String,
    /// Name of the signing secret, `whsec_…`.
    signing_secret: String,
}

/// A Slack channel.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SlackDoc {
    /// Name of the secret that holds the incoming webhook's address.
    url_secret: String,
}

/// A Teams channel or chat.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamsDoc {
    /// Name of the secret that holds the workflow's address.
    url_secret: String,
}

/// A PagerDuty service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PagerDutyDoc {
    /// Default: https://events.pagerduty.com/v2/enqueue; in the EU https://events.eu.pagerduty.com/v2/enqueue.
    url: Option<String>,
    /// Name of the secret that holds the integration key.
    routing_key: String,
}

/// Mail by a relay.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmailDoc {
    host: String,
    /// Default: 465, with `starttls` 587, with `none` 25.
    port: Option<u16>,
    #[serde(default)]
    tls: SmtpTls,
    user: Option<String>,
    /// Name of the secret.
    password: Option<String>,
    from: String,
    to: Vec<String>,
}

impl KindDoc {
    fn secrets(&self) -> Vec<&str> {
        match self {
            KindDoc::Webhook(doc) => vec![&doc.signing_secret],
            KindDoc::Slack(SlackDoc { url_secret }) | KindDoc::MicrosoftTeams(TeamsDoc { url_secret }) => {
                vec![url_secret]
            }
            KindDoc::Pagerduty(doc) => vec![&doc.routing_key],
            KindDoc::Email(doc) => doc.password.iter().map(String::as_str).collect(),
        }
    }

    /// What looks like the channel's secret and opens nothing.
    fn stand_in(&self) -> SecretString {
        SecretString::from(match self {
            KindDoc::Webhook(_) => "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            KindDoc::Slack(_) | KindDoc::MicrosoftTeams(_) => "https://unknown.invalid/",
            KindDoc::Pagerduty(_) | KindDoc::Email(_) => "unknown",
        })
    }

    /// `Err`: the key that cannot work, and why.
    fn kind(self, mut secrets: BTreeMap<String, SecretString>) -> Result<Kind, (&'static str, String)> {
        let mut secret = |name: &str| secrets.remove(name).unwrap_or_default();
        let address = |url: &str| channel_address(url).map_err(|reason| ("url", reason));
        let hidden = |url: SecretString| match channel_address(url.expose_secret()) {
            Ok(_) => Ok(url),
            Err(reason) => Err(("url_secret", format!("the secret's content: {reason}"))),
        };
        Ok(match self {
            KindDoc::Webhook(doc) => {
                let secret = secret(&doc.signing_secret);
                signing_key(secret.expose_secret()).map_err(|reason| ("signing_secret", reason))?;
                Kind::Webhook { url: address(&doc.url)?, secret }
            }
            KindDoc::Slack(doc) => Kind::Slack { url: hidden(secret(&doc.url_secret))? },
            KindDoc::MicrosoftTeams(doc) => Kind::Teams { url: hidden(secret(&doc.url_secret))? },
            KindDoc::Pagerduty(doc) => {
                let url = address(doc.url.as_deref().unwrap_or(PAGERDUTY))?;
                Kind::PagerDuty { url, routing_key: secret(&doc.routing_key) }
            }
            KindDoc::Email(doc) => Kind::Email(doc.settings(secret)?),
        })
    }
}

impl EmailDoc {
    fn settings(
        self,
        mut secret: impl FnMut(&str) -> SecretString,
    ) -> Result<MailSettings, (&'static str, String)> {
        let local = self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if self.tls == SmtpTls::None && !local {
            return Err(("tls", "plain text is for a relay on this machine only".to_owned()));
        }
        if self.user.is_some() != self.password.is_some() {
            return Err(("user", "`user` and `password` belong together".to_owned()));
        }
        if self.to.is_empty() || self.to.len() > RECIPIENTS_MAX {
            return Err(("to", format!("between 1 and {RECIPIENTS_MAX} addresses")));
        }
        for (key, text) in
            std::iter::once(("from", &self.from)).chain(self.to.iter().map(|text| ("to", text)))
        {
            if let Err(error) = text.parse::<lettre::message::Mailbox>() {
                return Err((key, format!("`{text}` is no mail address: {error}")));
            }
        }
        let port = match self.tls {
            SmtpTls::Implicit => 465,
            SmtpTls::Starttls => 587,
            SmtpTls::None => 25,
        };
        Ok(MailSettings {
            host: self.host,
            port: self.port.unwrap_or(port),
            tls: self.tls,
            password: self.password.as_deref().map(&mut secret),
            user: self.user,
            from: self.from,
            to: self.to,
        })
    }
}

/// Reads a channel's file and resolves its secrets; without a place, stand-ins take theirs. All problems are reported.
pub(super) fn read(
    file: &str,
    text: &str,
    settings: &Settings,
    place: Option<&Place>,
) -> Result<Channel, Vec<Problem>> {
    let mut document = Document::parse(file, text)?;
    let common: Result<Common, _> = document.split_off(&COMMON_KEYS).read("");
    let doc: Result<KindDoc, _> =
        one_table(document, &COMMON_KEYS, &tables_of::<KindDoc>(), "kind of channel");
    let (common, doc) = match (common, doc) {
        (Ok(common), Ok(doc)) => (common, doc),
        (common, doc) => return Err([common.err(), doc.err()].into_iter().flatten().flatten().collect()),
    };
    let mut problems = implausible(file, text, &common, &doc);
    let secrets = match place {
        Some(place) => {
            let (secrets, of_secrets) = resolve(file, text, &common.secrets, &doc.secrets(), place);
            problems.extend(of_secrets);
            secrets
        }
        None => doc.secrets().into_iter().map(|name| (name.to_owned(), doc.stand_in())).collect(),
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let kind = doc.kind(secrets).map_err(|(key, reason)| {
        let at = super::offset_of(text, key);
        vec![Problem::at(
            file,
            text,
            at,
            format!("`{key}`: {reason}"),
            "dutyd notify example KIND prints a documented file",
        )]
    })?;
    let zone = common.zone.as_deref().unwrap_or(&settings.text.zone);
    Ok(Channel {
        name: common.name.unwrap_or_else(|| file_stem(file)),
        file: file.to_owned(),
        severity: common.severity,
        sources: common.sources,
        teams: common.teams,
        observe: common.observe,
        group_above: common.group_above,
        digest: common.digest.map(DigestAt),
        zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC),
        kind,
    })
}

fn implausible(file: &str, text: &str, common: &Common, doc: &KindDoc) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut complain = |key: &str, message: String, remedy: &str| {
        problems.push(Problem::at(file, text, super::offset_of(text, key), message, remedy));
    };
    let name = common.name.clone().unwrap_or_else(|| file_stem(file));
    if check_name(&name).is_err() {
        let remedy = "use lower-case letters, digits, `-` and `_`, at most 40, for example \"duty-slack\"";
        complain("name", format!("`{name}` cannot be the name of a channel"), remedy);
    }
    if let Some(Err((message, remedy))) = common.zone.as_deref().map(zone_named) {
        complain("zone", message, &remedy);
    }
    if common.group_above > GROUP_ABOVE_MAX {
        let message = format!("`group_above` must be at most {GROUP_ABOVE_MAX}");
        complain("group_above", message, "the shipped value is 5; 0 never groups");
    }
    if common.digest.is_some() && matches!(doc, KindDoc::Pagerduty(_)) {
        let message = "PagerDuty takes alerts, not digests".to_owned();
        complain("digest", message, "remove `digest` here and set it on a channel that people read");
    }
    problems
}

/// Channels that ask for sources which do not exist.
pub(super) fn strangers(channel: &Channel, text: &str, known: &[String]) -> Vec<Problem> {
    let strange = channel.sources.iter().filter(|name| !known.contains(name));
    let problem = |name: &String| {
        let near = dutyd_core::problem::nearest(name, known.iter().map(String::as_str));
        let remedy = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        let at = super::offset_of(text, "sources");
        Problem::at(&channel.file, text, at, format!("no source is called `{name}`"), remedy)
    };
    strange.map(problem).collect()
}

#[cfg(test)]
mod tests;
