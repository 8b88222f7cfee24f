//! What Zendesk says besides records: four error envelopes, rate headers in all their spellings, waits.
//!
//! Knows: statuses, error bodies, header names. Must not know: which request it was.

use crate::{Budget, ConnectorError, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Longest wait that a header may ask of us.
const WAIT_MAX: SignedDuration = SignedDuration::from_mins(15);
/// Wait after a 429 that does not say how long.
const WAIT_UNSAID: SignedDuration = SignedDuration::from_secs(30);
/// Longest piece of an unknown error body that is shown to people.
const SAID_MAX: usize = 300;

/// What an error body says, in whichever of the four envelopes.
// Vendor: https://developer.zendesk.com/api-reference/introduction/requests/
pub fn said(body: &[u8]) -> (String, String) {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        let text: String = String::from_utf8_lossy(body).chars().take(SAID_MAX).collect();
        return (String::new(), text.trim().to_owned());
    };
    let word = |value: &Value| value.as_str().unwrap_or("").to_owned();
    if let Some(first) = value["errors"].as_array().and_then(|errors| errors.first()) {
        return (word(&first["code"]), joined(&[word(&first["title"]), word(&first["detail"])]));
    }
    if value["error"].is_object() {
        return (word(&value["error"]["title"]), word(&value["error"]["message"]));
    }
    let details = value["details"].as_object().map(|fields| {
        let lines = fields.iter().filter_map(|(field, list)| Some((field, list.as_array()?)));
        lines
            .flat_map(|(field, list)| list.iter().map(move |one| detail(field, one)))
            .collect::<Vec<_>>()
            .join("; ")
    });
    let description = word(&value["description"]);
    let message = if description.is_empty() { word(&value["message"]) } else { description };
    (word(&value["error"]), joined(&[message, details.unwrap_or_default()]))
}

fn detail(field: &str, one: &Value) -> String {
    format!("{field}: {}", one["description"].as_str().or(one.as_str()).unwrap_or("invalid"))
}

fn joined(parts: &[String]) -> String {
    let parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
    parts.join(": ")
}

/// The error that an answer stands for. `None`: it is a success.
pub fn error_of(response: &Response, now: Timestamp, writing: bool) -> Option<ConnectorError> {
    let status = response.status;
    if (200..300).contains(&status) {
        return None;
    }
    let (code, text) = said(&response.body);
    let reason =
        [code.as_str(), text.as_str()].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>();
    let reason = format!("{status} {}", reason.join(": ")).trim().to_owned();
    Some(match status {
        401 => ConnectorError::SignedOut { reason },
        // Vendor: a misspelled OAuth scope still yields a token, and every call then answers 403.
        403 if !writing => ConnectorError::SignedOut { reason },
        429 => ConnectorError::Throttled { until: Some(retry_at(response, now)) },
        503 if !writing && response.header("retry-after").is_some() => {
            ConnectorError::Throttled { until: Some(retry_at(response, now)) }
        }
        // Vendor: `DatabaseConflict` is a collision inside Zendesk; the update was not made.
        409 => ConnectorError::Unavailable { reason },
        408 | 500.. if writing => ConnectorError::Unknown { reason },
        400..500 if status != 408 => ConnectorError::Refused { status, reason },
        _ => ConnectorError::Unavailable { reason },
    })
}

/// Until when to wait: `Retry-After` (seconds or a date), else the emptiest bucket's reset, within bounds.
pub fn retry_at(response: &Response, now: Timestamp) -> Timestamp {
    let asked = response.header("retry-after").and_then(|text| wait_of(text, now));
    let bucket = || {
        let empty = buckets(response).into_iter().filter(|bucket| bucket.remaining == Some(0));
        let seconds = empty.filter_map(|bucket| bucket.resets).max()?;
        Some(SignedDuration::from_secs(i64::try_from(seconds).ok()?))
    };
    let wait = asked.or_else(bucket).unwrap_or(WAIT_UNSAID);
    let wait = wait.clamp(SignedDuration::from_secs(1), WAIT_MAX);
    now.saturating_add(wait).unwrap_or(now)
}

fn wait_of(text: &str, now: Timestamp) -> Option<SignedDuration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        let sane = seconds.is_finite() && (0.0..=86_400.0).contains(&seconds);
        return sane.then(|| SignedDuration::from_secs(seconds.ceil() as i64));
    }
    let at = crate::transport::http_date(text)?;
    Some(at.duration_since(now))
}

/// A limit on one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub name: String,
    pub total: Option<u64>,
    pub remaining: Option<u64>,
    /// Seconds.
    pub resets: Option<u64>,
}

/// Endpoint limits, in the spellings `zendesk-ratelimit-…` and `zendesk-rate-limit-…`.
// Vendor: https://developer.zendesk.com/api-reference/introduction/rate-limits/
pub fn buckets(response: &Response) -> Vec<Bucket> {
    let named = response.headers.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("zendesk-")?;
        let name = name.strip_prefix("ratelimit-").or_else(|| name.strip_prefix("rate-limit-"))?;
        Some((name, value))
    });
    named.map(|(name, value)| bucket(name, value)).collect()
}

fn bucket(name: &str, value: &str) -> Bucket {
    let part = |wanted: &str| {
        let mut parts = value.split([';', ',']).filter_map(|part| part.split_once('='));
        parts
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(wanted))
            .and_then(|(_, number)| number.trim().parse().ok())
    };
    Bucket {
        name: name.to_owned(),
        total: part("total"),
        remaining: part("remaining"),
        resets: part("resets"),
    }
}

/// The account's budget, in any of the spellings seen.
pub fn account_budget(response: &Response) -> Option<Budget> {
    let number =
        |names: &[&str]| names.iter().find_map(|name| response.header(name)?.trim().parse::<u64>().ok());
    let limit = number(&["x-rate-limit", "ratelimit-limit", "rate-limit-limit", "rate-limit"]);
    let remaining = number(&["x-rate-limit-remaining", "ratelimit-remaining", "rate-limit-remaining"]);
    let resets = number(&["ratelimit-reset", "rate-limit-reset", "x-rate-limit-reset"]);
    let resets_at = resets.zip(response.date()).and_then(|(seconds, date)| {
        let wait = SignedDuration::from_secs(i64::try_from(seconds).ok()?).min(WAIT_MAX);
        date.checked_add(wait).ok()
    });
    (limit.is_some() || remaining.is_some()).then_some(Budget { limit, remaining, resets_at })
}
