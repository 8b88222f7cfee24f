//! Seen from outside: /healthz, /readyz, /metrics, and the line in `systemctl status`.
//!
//! Must not know: how anything is counted; it reads the desk's status and the counters.

use crate::cli::words::flagged;
use crate::clock::{Clock, SystemClock, Wake};
use crate::desk::{Answer, Ask, Desk, Refusal, SourceLine, Status};
use crate::metrics::{Metrics, gauges};
use crate::systemd;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::SignedDuration;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::sync::watch;

/// How often `systemctl status` is brought up to date.
const STATUS_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// What the pages are made of.
struct Pages {
    desk: Arc<Desk>,
    metrics: Arc<Metrics>,
}

/// The three pages.
pub fn router(desk: Arc<Desk>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .with_state(Arc::new(Pages { desk, metrics }))
}

/// Alive: no part of the engine hangs.
async fn healthz(State(pages): State<Arc<Pages>>) -> Response {
    let stalled = pages.desk.live.as_ref().map(|live| live.engine.stalled()).unwrap_or_default();
    match stalled.is_empty() {
        true => (StatusCode::OK, "ok\n").into_response(),
        false => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("hanging: {}\n", stalled.join(", "))).into_response()
        }
    }
}

/// Of use: every source is seen, its first import is done, and the disk has room.
async fn readyz(State(pages): State<Arc<Pages>>) -> Response {
    let status = match status(&pages.desk).await {
        Ok(status) => status,
        Err(refusal) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{refusal}\n")).into_response(),
    };
    let hindered = hindrances(&status);
    match hindered.is_empty() {
        true => (StatusCode::OK, "ready\n").into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, hindered.join("\n") + "\n").into_response(),
    }
}

/// Why we are not fully of use now.
fn hindrances(status: &Status) -> Vec<String> {
    status.storage.shortage().into_iter().chain(status.sources.iter().filter_map(hindrance)).collect()
}

/// Why a source is not of use now.
fn hindrance(source: &SourceLine) -> Option<String> {
    let name = &source.name;
    if source.live.as_ref().is_some_and(|live| live.signed_out) {
        return Some(format!("{name}: signed out"));
    }
    if let Some(since) = source.blind_since {
        return Some(format!("{name}: blind since {since}"));
    }
    (!source.row.imported && !source.row.paused).then(|| format!("{name}: first import runs"))
}

async fn metrics_page(State(pages): State<Arc<Pages>>) -> Response {
    let mut registry = Registry::default();
    pages.metrics.register(&mut registry);
    match status(&pages.desk).await {
        Ok(status) => gauges(&mut registry, &status),
        Err(refusal) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{refusal}\n")).into_response(),
    }
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn status(desk: &Desk) -> Result<Status, Refusal> {
    match desk.answer(Ask::Status).await? {
        Answer::Status(status) => Ok(*status),
        _ => Err(Refusal::Io("the desk answered something else".to_owned())),
    }
}

/// Keeps the line in `systemctl status` up to date.
pub async fn tell_status(desk: Arc<Desk>, mut stop: watch::Receiver<bool>) {
    let (clock, never) = (SystemClock::default(), Wake::default());
    let mut next = clock.now();
    while !*stop.borrow() {
        let now = clock.now();
        // Far ahead: the clock was set back.
        if now >= next || next.duration_since(now) > STATUS_EVERY {
            if let Ok(status) = status(&desk).await {
                systemd::status(&in_one_line(&status));
            }
            next = clock.now().saturating_add(STATUS_EVERY).unwrap_or(jiff::Timestamp::MAX);
        }
        tokio::select! {
            _ = clock.sleep_until(Some(next), &never) => {}
            _ = stop.changed() => {}
        }
    }
}

fn in_one_line(status: &Status) -> String {
    let flagged = flagged(&status.counts.flagged, status.counts.dismissed);
    let hindered = hindrances(status);
    match hindered.is_empty() {
        true => format!("{flagged}; {} sources seen", status.sources.len()),
        false => format!("{flagged}; {}", hindered.join("; ")),
    }
}
