//! Rate headers in all the spellings of the vendors and in none: seconds, dates, negative, huge, nonsense, several at once.
//! Through the real door to the network, the real connectors and the real engine: after a throttle nobody asks sooner than in
//! a second, waits longer than a quarter of an hour, or asks while he waits.
//!
//! Goal G20: `cargo test --test it fuzz::headers`; `DUTYD_HEADERS=100000` for the goal's own number, shared by five systems.

use super::dice::Dice;
use super::paging::engine;
use super::seed;
use crate::contract::jira_sites::{CLOUD, DATA_CENTER};
use crate::contract::salesforce_org::SALESFORCE;
use crate::contract::subject::{SERVICENOW, Subject, ZENDESK};
use crate::contract::world::{SOURCE, Setting, World};
use crate::fixture::{HandClock, minutes};
use crate::reliability::{measured, wanted};
use crate::security::standing::door_of;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use dutyd::config::NetworkSettings;
use dutyd_connectors::{Connector, build};
use jiff::SignedDuration;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const NAMES: [&str; 18] = [
    "retry-after",
    "Retry-After",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "ratelimit-reason",
    "x-rate-limit",
    "x-rate-limit-remaining",
    "x-rate-limit-reset",
    "zendesk-ratelimit-incremental-exports-cursor",
    "zendesk-ratelimit-tickets-index",
    "sforce-limit-info",
    "x-beta-ratelimit-policy",
    "x-ratelimit-nearlimit",
    "date",
];

/// A value as some system might write it, honest or not. The engine's clock stands in March 2026.
fn value(dice: &mut Dice) -> String {
    let number = [
        "0",
        "1",
        "-1",
        "-99999999999",
        "5",
        "30",
        "59.5",
        "60",
        "3600",
        "86400",
        "31536000",
        "1e9",
        "NaN",
        "inf",
        "",
        " 7 ",
        "7s",
        "0x10",
        "1772442000",
        "1772442060000",
        "4102444800",
        "9223372036854775807",
        "18446744073709551616",
        "99999999999999999999999999",
    ];
    let date = [
        "Mon, 02 Mar 2026 09:00:30 GMT",
        "Mon, 02 Mar 2026 23:00:00 +1400",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sat, 30 Feb 2026 25:61:61 GMT",
        "2026-03-02T09:00:30Z",
        "2026-03-02T09:00Z",
        "-9999-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ];
    let words = [
        "jira-burst-based",
        "jira-quota-global-based",
        "jira-per-issue-on-write",
        "total=100;remaining=0;resets=30",
        "total=100;remaining=0;resets=999999999999999999999",
        "total=-1;remaining=-1;resets=-1",
        "api-usage=100000/100000",
        "api-usage=0/0",
        "100;w=60, 1000;w=3600",
        "\u{e4}\u{f6}",
        "true",
        ",,,;;;===",
    ];
    match dice.below(10) {
        0..=3 => (*dice.pick(&number)).to_owned(),
        4..=5 => (*dice.pick(&date)).to_owned(),
        6..=7 => (*dice.pick(&words)).to_owned(),
        8 => dice.next().to_string(),
        _ => format!("-{}.{}", dice.next(), dice.next()),
    }
}

const STATUSES: [u16; 8] = [429, 429, 429, 503, 503, 403, 500, 200];
const BODIES: [&str; 5] = [
    "",
    "{}",
    "{\"error\":\"TooManyRequests\",\"description\":\"Number of allowed API requests per minute exceeded\"}",
    "[{\"errorCode\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"TotalRequests Limit exceeded.\"}]",
    "{\"errorMessages\":[\"Rate limit exceeded.\"],\"errors\":{}}",
];

fn answer(dice: &mut Dice) -> Response {
    let status = StatusCode::from_u16(*dice.pick(&STATUSES)).expect("a status");
    let mut answer = (status, (*dice.pick(&BODIES)).to_owned()).into_response();
    for _ in 0..dice.below(6) {
        if let Ok(value) = HeaderValue::from_bytes(value(dice).as_bytes()) {
            let name = HeaderName::from_bytes(dice.pick(&NAMES).to_lowercase().as_bytes()).expect("a name");
            // Once more is another header of the same name.
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

/// A vendor of throttles. What signs in is let in, mostly.
async fn vendor(asked: Arc<AtomicU64>) -> std::net::SocketAddr {
    let dice = Arc::new(Mutex::new(Dice::new(seed())));
    let handler = move |uri: Uri| {
        let (dice, asked) = (dice.clone(), asked.clone());
        async move {
            asked.fetch_add(1, Ordering::SeqCst);
            let mut dice = dice.lock().expect("no panic");
            if uri.path().contains("oauth") && !dice.one_in(8) {
                return Response::new(Body::from(r#"{"access_token":"a-token","expires_in":1800}"#));
            }
            answer(&mut dice)
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(handler))).await });
    address
}

async fn throttled(subject: &'static Subject) {
    let world = World::new(subject, &Setting { cases: 1, ..Setting::new(false) }).await;
    let asked: Arc<AtomicU64> = Arc::default();
    let mut endpoints = world.endpoints();
    endpoints["base_url"] = Value::from(format!("http://{}", vendor(asked.clone()).await));
    let (config, secrets) = (subject.source)(&endpoints, 10);
    let connector: Arc<dyn Connector> = Arc::from(build(SOURCE, &config, &secrets).expect("a connector"));
    let clock = Arc::new(HandClock::new(world.now()));
    let door = Arc::new(door_of(connector.clone(), &NetworkSettings::default(), clock.clone()));
    let (engine, _store, _directory) = engine(&world, connector, door, clock.clone()).await;
    let units = engine.units();
    let pull = units.iter().find(|unit| unit.name().starts_with("pull")).expect("the unit that reads");
    let (least, most) = (SignedDuration::from_secs(1), minutes(15) + SignedDuration::from_secs(1));
    let (mut shortest, mut longest, mut waited) = (most, least, 0_u64);
    let count = wanted("DUTYD_HEADERS", 1_000) / 5;
    for nth in 0..count {
        pull.tick().await.expect("no failure of the store");
        let health = engine.health().remove(0);
        if let Some(until) = health.read_again_at {
            let wait = until.duration_since(clock.read());
            assert!(
                (least..=most).contains(&wait),
                "{} {nth}: waits {wait:#}: {:?}",
                subject.vendor,
                health.read_trouble
            );
            (shortest, longest, waited) = (shortest.min(wait), longest.max(wait), waited + 1);
            // However often it is woken meanwhile, it does not ask.
            let before = asked.load(Ordering::SeqCst);
            for part in [0, 1, 2] {
                clock.set(until - wait / 3 * (3 - part));
                pull.tick().await.expect("no failure of the store");
            }
            assert_eq!(
                asked.load(Ordering::SeqCst),
                before,
                "{} {nth}: asked while it waits",
                subject.vendor
            );
            clock.set(until);
        } else {
            clock.pass(minutes(2));
        }
    }
    let asked = asked.load(Ordering::SeqCst);
    assert!(waited > count / 2 && asked > count / 10, "{}: {waited} waits, {asked} answers", subject.vendor);
    measured(
        &format!("G20.{}", subject.vendor),
        &format!(
            "{}: {asked} answers with such headers, {waited} waits of {} s to {} s, none interrupted",
            subject.vendor,
            shortest.as_secs(),
            longest.as_secs()
        ),
    );
}

/// G20
#[tokio::test]
async fn rate_headers_of_servicenow_make_waits_within_bounds() {
    throttled(&SERVICENOW).await;
}

/// G20
#[tokio::test]
async fn rate_headers_of_zendesk_make_waits_within_bounds() {
    throttled(&ZENDESK).await;
}

/// G20
#[tokio::test]
async fn rate_headers_of_jira_cloud_make_waits_within_bounds() {
    throttled(&CLOUD).await;
}

/// G20
#[tokio::test]
async fn rate_headers_of_jira_data_center_make_waits_within_bounds() {
    throttled(&DATA_CENTER).await;
}

/// G20
#[tokio::test]
async fn rate_headers_of_salesforce_make_waits_within_bounds() {
    throttled(&SALESFORCE).await;
}
