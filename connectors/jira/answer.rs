//! What an answer means: success, or which of the seven errors.
//!
//! Knows: the many envelopes in which Jira says no. Must not know: what was asked, beyond whether it was a write.

use crate::transport::http_date;
use crate::{Budget, ConnectorError, Response};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// So much of an unknown refusal is kept.
const EXCERPT_MAX: usize = 500;

/// The answer, if it is a success.
pub fn accepted(response: Response, writing: bool, now: Timestamp) -> Result<Response, ConnectorError> {
    signed_in(&response)?;
    match response.status {
        // A page for people says nothing of what became of a write.
        200..=299 if writing && response.is_page() => {
            Err(ConnectorError::Unknown { reason: "a page for people instead of an answer".to_owned() })
        }
        200..=299 => Ok(response),
        _ => Err(refusal(&response, writing, now)),
    }
}

/// The answer's JSON, if it is a success.
pub fn parsed<T: DeserializeOwned>(
    response: Response,
    what: &str,
    now: Timestamp,
) -> Result<T, ConnectorError> {
    let response = accepted(response, false, now)?;
    serde_json::from_slice(&response.body).map_err(|error| match response.is_page() {
        true => ConnectorError::Unavailable { reason: format!("{what}: a page for people instead of JSON") },
        // Vendor: an answer that breaks off in the middle is a broken connection, not a bad record.
        false if error.is_eof() => {
            ConnectorError::Unavailable { reason: format!("{what}: the answer breaks off") }
        }
        false => ConnectorError::Malformed { where_: what.to_owned(), reason: error.to_string() },
    })
}

/// Vendor: with credentials that do not count, searches are answered 200 and empty. Some answers say so in a header:
/// `X-AUSERNAME` (Data Center), `X-Seraph-LoginReason` (both).
fn signed_in(response: &Response) -> Result<(), ConnectorError> {
    let denied = response.header("x-ausername") == Some("anonymous")
        || response
            .header("x-seraph-loginreason")
            .is_some_and(|reason| reason.contains("FAILED") || reason.contains("DENIED"));
    let signed_out = response.status == 401 || (denied && response.status < 500 && response.status != 429);
    if signed_out {
        return Err(ConnectorError::SignedOut { reason: sign_in_reason(response) });
    }
    Ok(())
}

fn sign_in_reason(response: &Response) -> String {
    match response.header("x-authentication-denied-reason") {
        Some(denied) => format!("Jira denies sign-in: {}", excerpt(denied)),
        None => format!("Jira does not accept the credentials: {}", message(&response.body)),
    }
}

/// Whether an answer proves that we are signed in: it names an account.
pub fn names_account(response: &Response) -> bool {
    let named = |header| response.header(header).is_some_and(|name| !name.is_empty() && name != "anonymous");
    named("x-aaccountid") || named("x-ausername")
}

fn refusal(response: &Response, writing: bool, now: Timestamp) -> ConnectorError {
    let status = response.status;
    let reason = message(&response.body);
    match status {
        429 => ConnectorError::Throttled { until: until(response, now) },
        403 if response.header("x-authentication-denied-reason").is_some() => {
            ConnectorError::SignedOut { reason: sign_in_reason(response) }
        }
        // Vendor: an edit that meets another one is refused whole and may be tried again.
        409 | 408 | 425 => ConnectorError::Unavailable { reason: format!("{status} {reason}") },
        500..=599 if writing => ConnectorError::Unknown { reason: format!("{status} {reason}") },
        500..=599 => ConnectorError::Unavailable { reason: format!("{status} {reason}") },
        300..=399 => {
            ConnectorError::Unavailable { reason: format!("{status}: redirected, which we do not follow") }
        }
        _ => ConnectorError::Refused { status, reason },
    }
}

/// Until when a throttle asks us to wait: `Retry-After` in seconds or as a date, or the instant of the reset.
/// The later of both counts where the hourly quota is spent.
fn until(response: &Response, now: Timestamp) -> Option<Timestamp> {
    let retry = response.header("retry-after").and_then(|text| retry_after(text, now));
    let reset = response.header("x-ratelimit-reset").and_then(|text| text.parse::<Timestamp>().ok());
    let quota = response.header("ratelimit-reason").is_some_and(|reason| reason.starts_with("jira-quota"));
    if quota { retry.max(reset) } else { retry.or(reset) }
}

/// Longer waits are not believed; the engine clamps further.
const WAIT_MAX_SECONDS: i64 = 24 * 3600;

fn retry_after(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        let wait = SignedDuration::from_secs(seconds);
        return (0..=WAIT_MAX_SECONDS).contains(&seconds).then(|| now.checked_add(wait).ok()).flatten();
    }
    http_date(text)
}

/// What people can read in a refusal, in whichever envelope it came.
pub fn message(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return excerpt(&String::from_utf8_lossy(body));
    };
    let mut parts: Vec<String> = Vec::new();
    parts.extend(strings(value.get("errorMessages")));
    match value.get("errors") {
        Some(Value::Object(fields)) => {
            parts
                .extend(fields.iter().filter_map(|(name, text)| Some(format!("{name}: {}", text.as_str()?))));
        }
        Some(Value::Array(list)) => {
            parts.extend(list.iter().filter_map(|entry| entry.get("message")?.as_str().map(str::to_owned)));
        }
        _ => {}
    }
    let single = ["message", "errorMessage", "detail", "error_description", "error"];
    if parts.is_empty() {
        parts.extend(single.iter().filter_map(|name| value.get(name)?.as_str().map(str::to_owned)).take(1));
    }
    if parts.is_empty() { excerpt(&value.to_string()) } else { excerpt(&parts.join("; ")) }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
}

fn excerpt(text: &str) -> String {
    let mut text = super::adf::printable(text.trim());
    super::adf::cut(&mut text, EXCERPT_MAX);
    text
}

/// Vendor: Cloud sends limit and rest at any time and the reset only with a 429; Data Center sends bucket size and
/// rest with every answer (confluence.atlassian.com, "rate limiting HTTP headers").
pub fn budget(response: &Response) -> Option<Budget> {
    let number = |name| response.header(name).and_then(|text: &str| text.trim().parse::<u64>().ok());
    let (limit, remaining) = (number("x-ratelimit-limit"), number("x-ratelimit-remaining"));
    let resets_at = response.header("x-ratelimit-reset").and_then(|text| text.parse().ok());
    (limit.is_some() || remaining.is_some()).then_some(Budget { limit, remaining, resets_at })
}
