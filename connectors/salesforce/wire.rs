//! Answers of the REST API as bytes: what they hold, or which failure they are.
//!
//! Must not know: cases. Nothing here can panic, whatever the bytes are.

use crate::{Budget, ConnectorError, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Vendor: the daily limit is counted over the last 24 hours, so only waiting helps (platform-api limits).
const DAILY_WAIT: SignedDuration = SignedDuration::from_mins(15);
/// Messages of a 401 that no new session cures.
const NO_CURE: [&str; 2] =
    ["This session is not valid for use with the REST API", "Connected app is not attached to Agent"];

/// A page of a query.
#[derive(Debug, Deserialize)]
pub struct Found {
    #[serde(default)]
    pub records: Vec<Box<RawValue>>,
    #[serde(default = "truth")]
    pub done: bool,
    #[serde(default, rename = "nextRecordsUrl")]
    pub next: Option<String>,
}

fn truth() -> bool {
    true
}

/// One answer inside a composite.
#[derive(Debug, Deserialize)]
pub struct Part {
    pub body: Option<Box<RawValue>>,
    #[serde(rename = "httpStatusCode")]
    pub status: u16,
    #[serde(rename = "referenceId")]
    pub reference: String,
}

#[derive(Deserialize)]
struct Composite {
    #[serde(rename = "compositeResponse")]
    parts: Vec<Part>,
}

/// One element of an error array; collections call the code otherwise.
#[derive(Debug, Clone, Deserialize)]
pub struct Fault {
    #[serde(default)]
    pub message: String,
    #[serde(default, rename = "errorCode", alias = "statusCode")]
    pub code: String,
}

/// The verdict on one record of a collection.
#[derive(Debug, Deserialize)]
pub struct Verdict {
    pub success: bool,
    #[serde(default)]
    pub errors: Vec<Fault>,
}

/// Reads an answer that should be of type `T`.
pub fn read<T: serde::de::DeserializeOwned>(response: &Response) -> Result<T, ConnectorError> {
    if let Some(error) = failure(response) {
        return Err(error);
    }
    serde_json::from_slice(&response.body)
        .map_err(|error| unavailable(format!("the answer ends early or is not what was asked for: {error}")))
}

/// The parts of a composite, in the order of the questions.
pub fn parts(response: &Response, references: &[&str]) -> Result<Vec<Part>, ConnectorError> {
    let composite: Composite = read(response)?;
    let same = composite.parts.iter().map(|part| part.reference.as_str()).eq(references.iter().copied());
    match same {
        true => Ok(composite.parts),
        false => Err(unavailable("the answer's parts are not those that were asked for".to_owned())),
    }
}

impl Part {
    pub fn found(&self, now: Option<Timestamp>) -> Result<Found, ConnectorError> {
        let raw = self.body.as_ref().map_or("null", |body| body.get());
        if self.status != 200 {
            return Err(of_faults(self.status, &faults(raw), now));
        }
        serde_json::from_str(raw).map_err(|error| unavailable(format!("a part is not a page: {error}")))
    }

    pub fn faults(&self) -> Vec<Fault> {
        faults(self.body.as_ref().map_or("null", |body| body.get()))
    }
}

fn faults(raw: &str) -> Vec<Fault> {
    serde_json::from_str(raw).unwrap_or_default()
}

/// Whether a new session would cure this answer.
pub fn session_is_over(response: &Response) -> bool {
    match response.status {
        401 => {
            let text = String::from_utf8_lossy(&response.body);
            !NO_CURE.iter().any(|message| text.contains(message))
        }
        // Vendor: the userinfo endpoint says so with 403 and plain text (help, userinfo endpoint).
        403 => response.body.starts_with(b"Bad_OAuth_Token"),
        _ => false,
    }
}

/// What the status line and the error array say.
pub fn failure(response: &Response) -> Option<ConnectorError> {
    let status = response.status;
    match status {
        200..=299 if response.is_page() => {
            Some(unavailable("a page of HTML instead of JSON: a sign-in page".to_owned()))
        }
        200..=299 => None,
        300..=399 => Some(unavailable(format!("redirected (status {status}): wrong address of the org?"))),
        500..=599 | 408 if response.is_page() => {
            Some(unavailable(format!("status {status} with a page of HTML: maintenance")))
        }
        _ => Some(of_faults(status, &faults(&String::from_utf8_lossy(&response.body)), response.date())),
    }
}

/// What an error means for what was asked.
pub fn of_faults(status: u16, faults: &[Fault], now: Option<Timestamp>) -> ConnectorError {
    let first = faults.first();
    let code = first.map_or("", |fault| fault.code.as_str());
    let reason = first.map_or_else(|| format!("status {status}"), described);
    match (status, code) {
        (_, "REQUEST_LIMIT_EXCEEDED") => {
            // Vendor: "TotalRequests Limit exceeded." is the daily limit, "ConcurrentRequests …" the one on requests at
            // once, which passes in seconds.
            let daily = first.is_some_and(|fault| fault.message.starts_with("TotalRequests"));
            let until = now.filter(|_| daily).and_then(|now| now.checked_add(DAILY_WAIT).ok());
            ConnectorError::Throttled { until }
        }
        (401, _) | (403, "API_DISABLED_FOR_ORG" | "API_CURRENTLY_DISABLED") => {
            ConnectorError::SignedOut { reason }
        }
        (_, "UNABLE_TO_LOCK_ROW" | "QUERY_TIMEOUT" | "SERVER_UNAVAILABLE" | "UNKNOWN_EXCEPTION") => {
            unavailable(reason)
        }
        (_, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY") if reason.contains("UNABLE_TO_LOCK_ROW") => {
            unavailable(reason)
        }
        // Vendor: an approval process holds the record until it is decided (api: status codes).
        (_, "ENTITY_IS_LOCKED") => ConnectorError::Sealed { reason },
        (429, _) => ConnectorError::Throttled { until: None },
        (408 | 500..=599, _) => unavailable(reason),
        _ => ConnectorError::Refused { status, reason },
    }
}

fn described(fault: &Fault) -> String {
    let text = format!("{}: {}", fault.code, fault.message);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

pub fn unavailable(reason: String) -> ConnectorError {
    ConnectorError::Unavailable { reason }
}

/// Vendor: `api-usage=10018/100000`, newer releases append `; api-bursts=1/750`, older ones the use by app. The window
/// is the last 24 hours and ends at no instant (headers_api_usage): what is said counts for a while.
pub fn budget(response: &Response) -> Option<Budget> {
    let header = response.header("sforce-limit-info")?;
    let usage = header.split([';', ',']).find_map(|part| part.trim().strip_prefix("api-usage="))?;
    let (used, limit) = usage.split_once('/')?;
    let digits = |text: &str| {
        text.trim().chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u64>().ok()
    };
    let (used, limit) = (digits(used)?, digits(limit)?);
    let resets_at = response.date().and_then(|now| now.checked_add(DAILY_WAIT).ok());
    Some(Budget { limit: Some(limit), remaining: Some(limit.saturating_sub(used)), resets_at })
}

/// The value at the end of a dotted path of a record.
pub fn at<'a>(record: &'a Value, path: &str) -> &'a Value {
    path.split('.').try_fold(record, |value, step| value.get(step)).unwrap_or(&Value::Null)
}

/// The same as text; empty where there is none.
pub fn text<'a>(record: &'a Value, path: &str) -> &'a str {
    at(record, path).as_str().unwrap_or_default()
}

/// The path of the next page, if it is one of the vendor's kind and nothing else.
///
/// Vendor: `/services/data/v66.0/query/0r8xx5R2yF2gs3VASQ-2000` (resources_query). It is joined to the configured
/// origin, whatever an answer says.
pub fn next_path(next: &str) -> Result<String, ConnectorError> {
    let wrong = || ConnectorError::Malformed {
        where_: "nextRecordsUrl".to_owned(),
        reason: format!("{:?} is not the path of a page", next.chars().take(100).collect::<String>()),
    };
    let rest = next.strip_prefix("/services/data/v").ok_or_else(wrong)?;
    let (version, rest) = rest.split_once('/').ok_or_else(wrong)?;
    let locator = rest.strip_prefix("query/").ok_or_else(wrong)?;
    let plain = |text: &str, more: u8| {
        !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == more)
    };
    match plain(version, b'.') && plain(locator, b'-') {
        true => Ok(next.to_owned()),
        false => Err(wrong()),
    }
}
