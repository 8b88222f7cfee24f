//! PagerDuty, Events API v2: one alert per episode of a flag, triggered and resolved under the same key.
//!
//! <https://developer.pagerduty.com/docs/send-alert-event>

use super::letter::{FlagNotice, Letter, Parcel, Post};
use super::wording;
use dutyd_core::action::Severity;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use url::Url;

/// PagerDuty cuts longer summaries.
const SUMMARY_MAX: usize = 1_000;

/// A letter to PagerDuty carries one flag: each alert is opened and closed by itself.
pub fn parcel(
    letter: &Letter,
    url: &Url,
    routing_key: &SecretString,
    zone: &TimeZone,
) -> Result<Parcel, String> {
    let [flag] = letter.flags()[..] else {
        return Err("a message to PagerDuty carries exactly one flag".to_owned());
    };
    let mut event = if flag.clears { resolve(flag) } else { trigger(flag, letter.now, zone) };
    event["routing_key"] = json!(routing_key.expose_secret());
    if letter.test && !flag.clears {
        event["payload"]["summary"] = json!(format!("TEST · {}", wording::TEST));
        event["payload"]["severity"] = json!("info");
    }
    Ok(Parcel::Post(Post {
        url: SecretString::from(url.as_str()),
        headers: vec![("content-type", "application/json".to_owned())],
        body: event.to_string(),
    }))
}

fn resolve(flag: &FlagNotice) -> Value {
    json!({ "event_action": "resolve", "dedup_key": flag.episode })
}

fn trigger(flag: &FlagNotice, now: Timestamp, zone: &TimeZone) -> Value {
    let summary =
        format!("{} · {} · {}", wording::headline(flag, now), wording::title(flag), wording::why(flag));
    let details: Map<String, Value> = [("Case".to_owned(), json!(wording::title(flag)))]
        .into_iter()
        .chain(
            wording::facts(flag, now, zone).into_iter().map(|(name, value)| (name.to_owned(), json!(value))),
        )
        .collect();
    let number = wording::plain(&flag.number, wording::NAME_MAX);
    let links: Vec<Value> = wording::web_link(&flag.link)
        .map(|href| json!({ "href": href, "text": format!("Open {number}") }))
        .into_iter()
        .collect();
    let team = flag.team.as_deref().map(|team| wording::plain(team, wording::NAME_MAX));
    let severity = match flag.severity {
        Severity::Critical => "critical",
        Severity::Candidate => "error",
        Severity::Warning => "warning",
        Severity::Watch => "info",
    };
    let mut event = json!({
        "event_action": "trigger",
        "dedup_key": flag.episode,
        "client": "dutyd",
        "links": links,
        "payload": {
            "summary": wording::cut(&summary, SUMMARY_MAX),
            "source": format!("{}/{number}", flag.source),
            "severity": severity,
            "timestamp": flag.raised_at,
            "component": flag.source,
            "class": flag.rule,
            "custom_details": details,
        },
    });
    if let Some(team) = team {
        event["payload"]["group"] = json!(team);
    }
    event
}
