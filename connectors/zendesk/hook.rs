//! Webhooks: verified over their raw bytes, then read as "look at this ticket".
//!
//! Must not know: whether the ticket exists; it is fetched like any other.

use super::wire;
use crate::{ConnectorError, Delivery, Hint, signature};
use base64::Engine;
use dutyd_core::case::CaseKey;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

/// How far a signature's time may be from now, either way.
const AGE_MAX: SignedDuration = SignedDuration::from_mins(5);
const BODY_MAX: usize = 1024 * 1024;

/// The ticket a delivery is about. Empty: a genuine delivery about something else.
pub fn read(
    source: &str,
    secrets: &[SecretString],
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Vec<Hint>, ConnectorError> {
    verify(secrets, delivery, now)?;
    let malformed = |reason| ConnectorError::Malformed { where_: "webhook".to_owned(), reason };
    let ticket = wire::ticket_of_payload(&delivery.body).map_err(malformed)?;
    let delivery_id = delivery.header("x-zendesk-webhook-invocation-id").map(str::to_owned);
    let hint = |id: u64| Hint { key: CaseKey::new(source, id.to_string()), revision: None, delivery_id };
    Ok(ticket.map(hint).into_iter().collect())
}

fn refused(status: u16, reason: &str) -> ConnectorError {
    ConnectorError::Refused { status, reason: reason.to_owned() }
}

/// A header that must stand there exactly once: with two, it would depend on the reader which one counts.
fn sole<'a>(delivery: &'a Delivery, name: &str) -> Result<&'a str, ConnectorError> {
    let mut values =
        delivery.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(refused(401, &format!("{name} must be there once"))),
    }
}

/// Signature and age.
// Vendor: base64 of HMAC-SHA256 over timestamp and body, https://developer.zendesk.com/documentation/webhooks/verifying/
fn verify(secrets: &[SecretString], delivery: &Delivery, now: Timestamp) -> Result<(), ConnectorError> {
    if delivery.body.len() > BODY_MAX {
        return Err(refused(413, "webhook body too large"));
    }
    let stamp = sole(delivery, "x-zendesk-webhook-signature-timestamp")?;
    let mac = sole(delivery, "x-zendesk-webhook-signature")?;
    let mac = base64::engine::general_purpose::STANDARD
        .decode(mac)
        .map_err(|_| refused(401, "signature is not base64"))?;
    if !signature::verify_sha256(secrets, &[stamp.as_bytes(), &delivery.body], &mac) {
        return Err(refused(401, "signature does not match"));
    }
    let at: Timestamp = stamp.parse().map_err(|_| refused(401, "timestamp is not a time"))?;
    if at.duration_since(now).abs() > AGE_MAX {
        return Err(refused(401, "signed more than five minutes from now"));
    }
    Ok(())
}
