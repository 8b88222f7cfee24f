//! Answers of the Table API as bytes: what they hold, or which failure they are.
//!
//! Must not know: cases. Nothing here can panic, whatever the bytes are.

use crate::transport::http_date;
use crate::{Budget, ConnectorError, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// A column's value: raw, and as people see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    pub value: String,
    /// The same as `value` unless the answer told both.
    pub shown: String,
}

/// One record by column names.
pub type Row = BTreeMap<String, Cell>;

/// A list as received.
#[derive(Debug)]
pub struct Listed {
    pub rows: Vec<Box<RawValue>>,
    /// How many rows match, those we may not see included.
    pub total: Option<u64>,
    /// The instance's own time.
    pub server_now: Option<Timestamp>,
}

/// Why an answer is of no use.
#[derive(Debug)]
pub enum Problem {
    /// The instance stopped in the middle for time: the same question for less may succeed.
    Cut {
        reason: String,
    },
    Failed(ConnectorError),
}

impl Problem {
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Failed(ConnectorError::Unavailable { reason: reason.into() })
    }

    pub fn into_error(self) -> ConnectorError {
        match self {
            Self::Cut { reason } => ConnectorError::Unavailable { reason },
            Self::Failed(error) => error,
        }
    }
}

/// The envelope. Vendor: an answer that a quota cut off says 200 and may hold rows beside `error` (issue 76 of
/// ansible-collections/servicenow.itsm).
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(default)]
    status: Option<Cell>,
}

/// The rows of a list.
pub fn listed(response: &Response) -> Result<Listed, Problem> {
    let rows = serde_json::from_str(result(response)?.get())
        .map_err(|error| Problem::unavailable(format!("`result` is not a list: {error}")))?;
    let total = response.header("x-total-count").and_then(|text| text.trim().parse().ok());
    Ok(Listed { rows, total, server_now: response.date() })
}

/// The record of an answer about one record.
pub fn record(response: &Response) -> Result<Row, Problem> {
    serde_json::from_str(result(response)?.get())
        .map_err(|error| Problem::unavailable(format!("`result` is not a record: {error}")))
}

/// Success is 2xx, JSON, a `result` and no `error`.
fn result(response: &Response) -> Result<&RawValue, Problem> {
    if let Some(error) = failure(response) {
        return Err(Problem::Failed(error));
    }
    let envelope: Envelope = serde_json::from_slice(&response.body)
        .map_err(|error| Problem::Cut { reason: format!("the answer ends early or is not JSON: {error}") })?;
    let failed = envelope.status.as_ref().is_some_and(|status| status.value == "failure");
    match (envelope.error, envelope.result) {
        (None, Some(result)) if !failed => Ok(result),
        (None, None) => Err(Problem::unavailable("the answer has neither result nor error")),
        (error, _) => Err(error_inside(error.map_or("", RawValue::get))),
    }
}

/// An error told under HTTP 200.
fn error_inside(raw: &str) -> Problem {
    let reason = described(raw);
    if reason.contains("maximum execution time exceeded") || reason.contains("Transaction cancelled") {
        return Problem::Cut { reason };
    }
    if reason.contains("User Not Authenticated") {
        return Problem::Failed(ConnectorError::SignedOut { reason });
    }
    Problem::unavailable(format!("an error in an answer of status 200: {reason}"))
}

/// What the status line and the content type say already.
fn failure(response: &Response) -> Option<ConnectorError> {
    let status = response.status;
    let reason = || reason(response);
    let unavailable = |reason: String| Some(ConnectorError::Unavailable { reason });
    match status {
        200 | 201 if response.is_page() => unavailable(html_reason(&response.body)),
        // Vendor: an empty 202 means that a queue was full and the request was dropped (KB0635398).
        202 | 204 => unavailable(format!("empty answer of status {status}: the instance's queue is full")),
        200..=299 => None,
        300..=399 => unavailable(format!("redirected (status {status}): sign-in page or wrong address")),
        401 => Some(ConnectorError::SignedOut { reason: reason() }),
        429 => Some(ConnectorError::Throttled { until: wait_until(response) }),
        408 | 500..=599 => unavailable(reason()),
        _ => Some(ConnectorError::Refused { status, reason: reason() }),
    }
}

fn html_reason(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(16 * 1024)]).to_ascii_lowercase();
    match text.contains("hibernating") {
        true => "the instance is hibernating; wake it by signing in to the developer site".to_owned(),
        false => "a page of HTML instead of JSON: maintenance or a sign-in page".to_owned(),
    }
}

/// Vendor: `Retry-After` in seconds, or only `X-RateLimit-Reset` in seconds since the epoch, or neither when a
/// semaphore queue is full (inbound-REST-API-rate-limiting). The wait counts from the instance's own time.
fn wait_until(response: &Response) -> Option<Timestamp> {
    if let Some(text) = response.header("retry-after").map(str::trim) {
        if let Ok(seconds) = text.parse::<u32>() {
            let now = response.date()?;
            return now.checked_add(jiff::SignedDuration::from_secs(seconds.into())).ok();
        }
        return http_date(text);
    }
    let reset: i64 = response.header("x-ratelimit-reset")?.trim().parse().ok()?;
    Timestamp::from_second(reset).ok()
}

/// Vendor: there is no header for what remains of an hour's limit.
pub fn budget(response: &Response) -> Option<Budget> {
    let limit = response.header("x-ratelimit-limit")?.trim().parse().ok()?;
    let resets_at = response.header("x-ratelimit-reset").and_then(|text| text.trim().parse().ok());
    let resets_at = resets_at.and_then(|seconds| Timestamp::from_second(seconds).ok());
    Some(Budget { limit: Some(limit), remaining: None, resets_at })
}

/// One line for people, from an error answer of whatever shape.
fn reason(response: &Response) -> String {
    if response.is_page() {
        return format!("status {}: {}", response.status, html_reason(&response.body));
    }
    let envelope: Result<Envelope, _> = serde_json::from_slice(&response.body);
    match envelope.ok().and_then(|envelope| envelope.error) {
        Some(error) => format!("status {}: {}", response.status, described(error.get())),
        None => format!("status {}", response.status),
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: Cell,
    #[serde(default)]
    detail: Cell,
}

fn described(raw: &str) -> String {
    let body: Option<ErrorBody> = serde_json::from_str(raw).ok();
    let text = match body {
        Some(ErrorBody { message, detail }) if detail.value.is_empty() => message.value,
        Some(ErrorBody { message, detail }) => format!("{}: {}", message.value, detail.value),
        None => raw.to_owned(),
    };
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

/// Takes any JSON: text, a pair of raw and shown value, or (from scripted tables) a bare number or truth value.
struct CellVisitor;

impl Cell {
    fn plain(value: impl Into<String>) -> Self {
        let value = value.into();
        Self { shown: value.clone(), value }
    }
}

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a column")
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell, E> {
        Ok(Cell::plain(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Cell, E> {
        Ok(Cell::plain(text))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Cell, E> {
        Ok(Cell::plain(truth.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Cell, E> {
        Ok(Cell::plain(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Cell, E> {
        Ok(Cell::plain(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Cell, E> {
        Ok(Cell::plain(number.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::default())
    }

    fn visit_none<E>(self) -> Result<Cell, E> {
        Ok(Cell::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Cell, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Cell, A::Error> {
        let (mut value, mut shown) = (None, None);
        while let Some(key) = pairs.next_key::<String>()? {
            match key.as_str() {
                "value" => value = Some(pairs.next_value::<Cell>()?.value),
                "display_value" => shown = Some(pairs.next_value::<Cell>()?.value),
                _ => drop(pairs.next_value::<IgnoredAny>()?),
            }
        }
        let value = value.or_else(|| shown.clone()).unwrap_or_default();
        Ok(Cell { shown: shown.unwrap_or_else(|| value.clone()), value })
    }
}
