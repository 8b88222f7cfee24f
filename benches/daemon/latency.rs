//! From a webhook's arrival to the mark on the vendor's record, with nothing else to do.
//!
//! A doorman stands between sandbox and daemon: he notes when a webhook came to the door and hands it on, so the time
//! of handing it on is counted against the daemon.

use crate::place::{Place, Sandbox, Wishes};
use crate::{quantile, sorted};
use anyhow::{Context, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const CASES: u64 = 200;
const MARK_MAX: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Until the last webhook and what it caused have come and gone.
const REST: Duration = Duration::from_millis(500);

pub async fn measure(marks: usize) -> anyhow::Result<()> {
    let sandbox = Sandbox::start(CASES)?;
    let place = Place::new(&sandbox, &Wishes::WRITING)?;
    let _daemon = place.daemon_at_rest(CASES).await?;
    let doorman = Doorman::before(&sandbox, &place).await?;
    let (seconds, by_poll) = marks_seen(&sandbox, &doorman, marks).await?;
    let seconds = sorted(seconds);
    let at = |share| quantile(&seconds, share) * 1e3;
    println!(
        "latency: webhook at the door to the mark on the record, one urgent case after the other, each at the customer's cry for help"
    );
    println!(
        "  over {} cases               p50 {:.0} ms, p99 {:.0} ms, worst {:.0} ms   (goal p99 at most 1,000)",
        seconds.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    if by_poll > 0 {
        println!("  {by_poll} more were marked by the poll before their webhook came, and are not counted");
    }
    bare(&sandbox).await
}

/// Seconds from door to mark of so many cases, and how many were marked before their webhook came.
pub async fn marks_seen(
    sandbox: &Sandbox,
    doorman: &Doorman,
    marks: usize,
) -> anyhow::Result<(Vec<f64>, usize)> {
    let mut seconds = Vec::new();
    let mut by_poll = 0;
    let mut since = last(&sandbox.journal(0).await?, 0);
    for nth in 0..marks {
        let fields = json!({ "priority": "1", "title": format!("Order screen at site {nth} stays empty") });
        let made =
            sandbox.order("/_sandbox/cases", &json!({ "vendor": "servicenow", "fields": fields })).await?;
        let id = made["sys_id"].as_str().or(made["id"].as_str()).context("no id of the case")?.to_owned();
        // The case is known before the customer says what makes it a matter for a manager.
        tokio::time::sleep(REST).await;
        doorman.forget(&id);
        let reply =
            json!({ "text": "Production is down and nobody can work. I want to speak to your manager." });
        sandbox.order(&format!("/_sandbox/cases/servicenow/{id}/reply"), &reply).await?;
        let marked_at = mark(sandbox, &id, &mut since).await?;
        match doorman.came_at(&id).filter(|came| *came <= marked_at) {
            Some(came) => seconds.push(marked_at.duration_since(came).as_secs_f64()),
            None => by_poll += 1,
        }
        tokio::time::sleep(REST).await;
    }
    Ok((seconds, by_poll))
}

/// The requests of one mark alone, one after the other: record, changes, messages, write.
async fn bare(sandbox: &Sandbox) -> anyhow::Result<()> {
    let journal = sandbox.journal(0).await?;
    let reads: Vec<&str> = journal
        .iter()
        .filter(|entry| entry["method"] == "GET" && entry["status"] == 200)
        .filter_map(|entry| entry["path"].as_str())
        .collect();
    let reads = &reads[reads.len().saturating_sub(3)..];
    let mut samples = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        for path in reads {
            sandbox.fetch(path).await?;
        }
        samples.push(began.elapsed().as_secs_f64());
    }
    let samples = sorted(samples);
    let (p50, p99) = (quantile(&samples, 0.5) * 1e3, quantile(&samples, 0.99) * 1e3);
    println!(
        "  bare: three reads in a row  p50 {p50:.1} ms, p99 {p99:.1} ms   (the daemon gathers rings for 40 ms first)"
    );
    Ok(())
}

fn last(journal: &[Value], before: u64) -> u64 {
    journal.last().and_then(|entry| entry["seq"].as_u64()).unwrap_or(before)
}

/// When the mark was set on the record, by the vendor's own journal.
async fn mark(sandbox: &Sandbox, id: &str, since: &mut u64) -> anyhow::Result<Timestamp> {
    let began = Instant::now();
    while began.elapsed() < MARK_MAX {
        let entries = sandbox.journal(*since).await?;
        *since = last(&entries, *since);
        let is_mark = |entry: &&Value| {
            let text = |name: &str| entry[name].as_str().unwrap_or("");
            text("method") == "PATCH"
                && entry["status"] == 200
                && text("path").contains(id)
                && text("body").contains("u_dutyd_severity")
        };
        if let Some(entry) = entries.iter().find(is_mark) {
            return Ok(entry["at"].as_str().context("no time")?.parse()?);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!("case {id} was not marked within {MARK_MAX:?}")
}

/// Notes arrivals and hands on.
pub struct Doorman {
    client: reqwest::Client,
    onward: String,
    came: Mutex<HashMap<String, Timestamp>>,
}

impl Doorman {
    /// Stands before the daemon's door from now on.
    pub async fn before(sandbox: &Sandbox, place: &Place) -> anyhow::Result<Arc<Self>> {
        let doorman = Arc::new(Self {
            client: sandbox.client.clone(),
            onward: format!("http://{}/hooks/servicenow", place.hooks),
            came: Mutex::default(),
        });
        let door = stand(doorman.clone()).await?;
        sandbox.order("/_sandbox/webhooks", &json!({ "to": door })).await?;
        Ok(doorman)
    }

    fn forget(&self, id: &str) {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// When the first webhook about that case came, of those not forgotten.
    fn came_at(&self, id: &str) -> Option<Timestamp> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }
}

async fn stand(doorman: Arc<Doorman>) -> anyhow::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/hooks/servicenow", post(hand_on)).with_state(doorman);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}"))
}

async fn hand_on(State(doorman): State<Arc<Doorman>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let now = Timestamp::now();
    let ring: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(id) = ring["sys_id"].as_str() {
        let mut came = doorman.came.lock().unwrap_or_else(PoisonError::into_inner);
        came.entry(id.to_owned()).or_insert(now);
    }
    let mut request = doorman.client.post(&doorman.onward).body(body);
    for name in ["content-type", "x-dutyd-timestamp", "x-dutyd-signature"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value.as_bytes());
        }
    }
    let answer =
        request.send().await.ok().and_then(|answer| StatusCode::from_u16(answer.status().as_u16()).ok());
    answer.unwrap_or(StatusCode::BAD_GATEWAY)
}
