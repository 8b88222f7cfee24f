//! Webhooks: a doorbell. Verified over the raw bytes, noted durably, and only then answered with 2xx.
//!
//! Knows: one route, bounds of size and time. Must not know: what a delivery says; connectors read it, and the case is
//! fetched by the same code as in a poll.

mod accept;

pub use accept::{Bounds, serve};

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::Store;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use dutyd_connectors::{Connector, ConnectorError, Delivery};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The longest body.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a delivery waits to be made durable before the vendor is asked to come again.
const NOTE_MAX: Duration = Duration::from_secs(2);
/// When the vendor is asked to come again, in seconds.
const COME_AGAIN: &str = "5";

/// Told the source once a delivery of it is durable.
pub type Rung = Arc<dyn Fn(&str) + Send + Sync>;

/// All sources that can ring, and where their ringing is noted.
pub struct Intake {
    pub connectors: BTreeMap<String, Arc<dyn Connector>>,
    pub rung: Rung,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
}

/// What became of a delivery, one variant per answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Noted,
    Forged,
    UnknownSource,
    TooLarge,
    Encoded,
    NoLength,
    Unreadable,
    Busy,
    NoRoom,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Outcome::Noted => "noted",
            Outcome::Forged => "forged",
            Outcome::UnknownSource => "unknown_source",
            Outcome::TooLarge => "too_large",
            Outcome::Encoded => "encoded",
            Outcome::NoLength => "no_length",
            Outcome::Unreadable => "unreadable",
            Outcome::Busy => "busy",
            Outcome::NoRoom => "no_room",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Outcome::Noted => StatusCode::NO_CONTENT,
            Outcome::Forged => StatusCode::UNAUTHORIZED,
            Outcome::UnknownSource => StatusCode::NOT_FOUND,
            Outcome::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Outcome::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Outcome::NoLength => StatusCode::LENGTH_REQUIRED,
            Outcome::Unreadable => StatusCode::BAD_REQUEST,
            Outcome::Busy | Outcome::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Outcome {
    /// No body: a stranger learns nothing but the status.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        if matches!(self, Outcome::Busy | Outcome::NoRoom) {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static(COME_AGAIN));
        }
        // What was not read to its end would be read as the next request.
        if matches!(self, Outcome::TooLarge | Outcome::Encoded | Outcome::NoLength | Outcome::UnknownSource) {
            headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        }
        response
    }
}

/// The one route.
pub fn router(intake: Arc<Intake>) -> Router {
    Router::new().route("/hooks/{source}", post(deliver)).with_state(intake)
}

async fn deliver(
    State(intake): State<Arc<Intake>>,
    Path(source): Path<String>,
    request: Request<Body>,
) -> Response {
    // Invariant: a delivery answered 2xx is durable (webhook::tests::a_delivery_is_answered_only_once_it_is_noted).
    let outcome = match intake.connectors.get_key_value(&source) {
        None => Outcome::UnknownSource,
        Some((name, connector)) => take(&intake, name, connector.as_ref(), request).await,
    };
    // Strangers must not be able to make labels.
    let label = if outcome == Outcome::UnknownSource { "" } else { source.as_str() };
    intake.metrics.delivery(label, outcome.word());
    outcome.into_response()
}

async fn take(intake: &Intake, source: &str, connector: &dyn Connector, request: Request<Body>) -> Outcome {
    let (parts, body) = request.into_parts();
    if let Err(outcome) = acceptable(&parts.headers) {
        return outcome;
    }
    let body = match read(body).await {
        Ok(body) => body,
        Err(outcome) => return outcome,
    };
    let now = intake.clock.now();
    let delivery = Delivery { headers: plain(&parts.headers), body };
    let hints = match connector.hints(&delivery, now) {
        Ok(hints) => hints,
        Err(error) => return refuse(source, &error),
    };
    if intake.store.room().is_short() {
        return Outcome::NoRoom;
    }
    match tokio::time::timeout(NOTE_MAX, intake.store.note_delivery(source, hints, now)).await {
        Ok(Ok(_)) => {
            (intake.rung)(source);
            Outcome::Noted
        }
        Ok(Err(error)) => {
            tracing::error!(source, %error, "a webhook could not be noted; the vendor is asked to send it again");
            Outcome::Busy
        }
        Err(_) => Outcome::Busy,
    }
}

/// What can be refused before the body is read.
fn acceptable(headers: &HeaderMap) -> Result<(), Outcome> {
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|value| value != "identity") {
        return Err(Outcome::Encoded);
    }
    // Chunks beside a length are one request to us and may be two to somebody in front of us; hyper hides which came
    // along. Vendors send a length.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Outcome::NoLength);
    }
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
        return Err(Outcome::TooLarge);
    }
    Ok(())
}

async fn read(body: Body) -> Result<Bytes, Outcome> {
    // Either too long or broken off; nobody hears the answer to the latter.
    axum::body::to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| Outcome::TooLarge)
}

/// All of them: one that is not text must not vanish, or a header that stands twice would look as if it stood once.
fn plain(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn refuse(source: &str, error: &ConnectorError) -> Outcome {
    match error {
        ConnectorError::Refused { status: 401 | 403, .. } | ConnectorError::SignedOut { .. } => {
            tracing::debug!(source, "a webhook without a valid signature was refused");
            Outcome::Forged
        }
        ConnectorError::Refused { status: 413, .. } => Outcome::TooLarge,
        error => {
            tracing::warn!(source, %error, "a signed webhook could not be understood");
            Outcome::Unreadable
        }
    }
}

#[cfg(test)]
mod tests;
