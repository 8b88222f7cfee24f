//! What the business rule sends: verified over its raw bytes, then read as "look at this record".
//!
//! Must not know: whether the record exists; it is fetched like any other.

use super::query::{is_sys_id, parse_stamp};
use super::wire::Cell;
use crate::{ConnectorError, Delivery, Hint, signature};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dutyd_core::case::{CaseKey, Revision};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;

pub const TIMESTAMP_HEADER: &str = "x-dutyd-timestamp";
pub const SIGNATURE_HEADER: &str = "x-dutyd-signature";
/// How far a signed time may be from now, either way.
const AGE_MAX_SECONDS: i64 = 300;
const BODY_MAX: usize = 64 * 1024;

/// The body that our business rule sends. A rule that an administrator changed may send numbers, or values beside what is
/// shown of them, or leave out all but the record's id; more keys may stand there.
#[derive(Debug, Deserialize)]
struct Ring {
    sys_id: Cell,
    #[serde(default)]
    event_id: Cell,
    #[serde(default)]
    sys_mod_count: Cell,
    #[serde(default)]
    sys_updated_on: Cell,
}

/// Which record a delivery is about. Its table may be one that extends ours: whether it is ours, reading it tells.
pub fn read(
    source: &str,
    secrets: &[SecretString],
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Vec<Hint>, ConnectorError> {
    verify(secrets, delivery, now)?;
    let ring: Ring = serde_json::from_slice(&delivery.body).map_err(|error| unreadable(error.to_string()))?;
    if !is_sys_id(&ring.sys_id.value) {
        return Err(unreadable("sys_id is not 32 hexadecimal digits"));
    }
    if ring.event_id.value.len() > 64 {
        return Err(unreadable("event_id must have at most 64 characters"));
    }
    let revision = revision(&ring);
    let key = CaseKey::new(source, ring.sys_id.value);
    let delivery_id = Some(ring.event_id.value).filter(|id| !id.is_empty());
    Ok(vec![Hint { key, revision, delivery_id }])
}

fn verify(secrets: &[SecretString], delivery: &Delivery, now: Timestamp) -> Result<(), ConnectorError> {
    if delivery.body.len() > BODY_MAX {
        return Err(ConnectorError::Refused { status: 413, reason: "webhook body too large".to_owned() });
    }
    let stamp = sole_header(delivery, TIMESTAMP_HEADER)?;
    let signature = sole_header(delivery, SIGNATURE_HEADER)?;
    let mac = signature.strip_prefix("sha256=").and_then(|text| STANDARD.decode(text).ok());
    let mac = mac.ok_or_else(|| forged("signature is not sha256=<base64>"))?;
    if !signature::verify_sha256(secrets, &[stamp.as_bytes(), b".", &delivery.body], &mac) {
        return Err(forged("signature does not match"));
    }
    let signed_at: i64 = stamp.parse().map_err(|_| forged("timestamp is not a number of seconds"))?;
    if now.as_second().abs_diff(signed_at) > AGE_MAX_SECONDS.unsigned_abs() {
        return Err(forged("signed more than 300 seconds from now"));
    }
    Ok(())
}

/// A header that stands there exactly once: with two, the one that is verified may not be the one that is meant.
fn sole_header<'a>(delivery: &'a Delivery, name: &str) -> Result<&'a str, ConnectorError> {
    let mut values =
        delivery.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(forged(&format!("header {name} is missing"))),
        (Some(_), Some(_)) => Err(forged(&format!("header {name} stands twice"))),
    }
}

fn revision(ring: &Ring) -> Option<Revision> {
    let at = parse_stamp(&ring.sys_updated_on.value)?;
    let count = ring.sys_mod_count.value.parse().ok()?;
    Some(Revision { at_ms: at.as_millisecond(), count })
}

fn forged(reason: &str) -> ConnectorError {
    ConnectorError::Refused { status: 401, reason: reason.to_owned() }
}

fn unreadable(reason: impl Into<String>) -> ConnectorError {
    ConnectorError::Refused { status: 400, reason: reason.into() }
}
