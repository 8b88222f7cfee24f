//! One process that reads a source whole: with the daemon's own pull unit, or with a bare loop over the same requests.
//!
//! Knows: how a source is opened. Must not know: what the figures are held against.

use crate::process::{own_cpu_seconds, own_peak_mb, tell_owner};
use anyhow::{Context, bail};
use async_trait::async_trait;
use dutyd::clock::SystemClock;
use dutyd::config::{Config, Mode, Place};
use dutyd::daemon::load_policy;
use dutyd::engine::{Engine, Setup, SourceSetup, Tick};
use dutyd::http::{HttpTransport, client};
use dutyd::metrics::Metrics;
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{Retention, Store};
use dutyd_connectors::{Connector, Method, Request, Response, Transport, TransportError};
use dutyd_core::policy::PolicySet;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// First argument of this binary where it is to read as the daemon does.
pub const ROLE: &str = "--be-the-puller";
/// First argument of this binary where it is to read with nothing around it.
pub const BARE_ROLE: &str = "--be-the-bare-puller";
/// Answers that the bare loop stores with one sync.
const TOGETHER: usize = 100;
/// Until an idle unit is asked again.
const REST: Duration = Duration::from_millis(20);
const RESTS_MAX: usize = 6_000;

/// A request as it was sent, to be sent again.
#[derive(Serialize, Deserialize)]
struct Sent {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<(String, String)>,
}

/// Hands on, and writes down what it handed on.
struct Recorder {
    inner: HttpTransport,
    sent: Mutex<Vec<Sent>>,
}

#[async_trait]
impl Transport for Recorder {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let sent = Sent {
            method: match request.method {
                Method::Get => "GET".to_owned(),
                _ => "POST".to_owned(),
            },
            path: request.path.clone(),
            headers: request
                .headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            body: request
                .body
                .as_ref()
                .map(|(kind, body)| ((*kind).to_owned(), String::from_utf8_lossy(body).into_owned())),
        };
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
        self.inner.send(request).await
    }

    fn offset(&self) -> SignedDuration {
        self.inner.offset()
    }
}

/// Reads a source until all of it is stored. Arguments: directory of files, database, how many cases, a file for the
/// requests or `-`.
pub async fn pull(mut given: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut next = |what: &str| given.next().with_context(|| format!("{what}?"));
    let dir = PathBuf::from(next("directory")?);
    let database = PathBuf::from(next("database")?);
    let cases: u64 = next("cases")?.parse()?;
    let record = next("record")?;
    let place = Place { dir, dev: true };
    let config = Config::load(&place).map_err(|wrong| anyhow::anyhow!("{wrong:?}"))?;
    let policy = load_policy(&place).map_err(|wrong| anyhow::anyhow!("{wrong:?}"))?;
    let source = config.sources.first().context("no source")?;
    let clock = Arc::new(SystemClock::default());
    let connector: Arc<dyn Connector> = Arc::from(source.connector());
    let client = client(&config.settings.network, &source.origin).map_err(anyhow::Error::msg)?;
    let metrics = Arc::new(Metrics::default());
    let door = HttpTransport::new(&source.name, client, connector.clone(), clock.clone(), metrics)
        .map_err(anyhow::Error::msg)?;
    let recorder = Arc::new(Recorder { inner: door.unmetered(), sent: Mutex::default() });
    let store = Arc::new(SqliteStore::open(&database, 1, Timestamp::now()).await?);
    let set = PolicySet { current: policy, ..PolicySet::default() };
    let (_policies, policy) = watch::channel(Arc::new(set));
    let setup = SourceSetup {
        name: source.name.clone(),
        connector,
        http: recorder.clone(),
        mode: Mode::Observe,
        poll_interval: source.brakes.poll_interval,
        writes_per_hour: 1,
        start_from: None,
    };
    let engine = Engine::new(Setup {
        store: store.clone(),
        clock,
        policy,
        sources: vec![setup],
        channels: Vec::new(),
        seed: 1,
        retention: Retention::default(),
    })
    .await?;
    let unit = engine.units().into_iter().find(|unit| unit.name().starts_with("pull ")).context("no unit")?;
    let before = own_cpu_seconds()?;
    for rest in 0.. {
        while unit.tick().await? == Tick::Worked {}
        let rows = store.sources(Timestamp::now()).await?;
        if rows.first().is_some_and(|row| row.imported && row.hints == 0 && row.cases >= cases) {
            break;
        }
        if rest > RESTS_MAX {
            bail!("not all was read: {rows:?}");
        }
        tokio::time::sleep(REST).await;
    }
    let cpu = own_cpu_seconds()? - before;
    let rows = store.sources(Timestamp::now()).await?;
    let cases = rows.first().map_or(0, |row| row.cases);
    store.close().await;
    if record != "-" {
        let sent = recorder.sent.lock().unwrap_or_else(PoisonError::into_inner);
        std::fs::write(record, serde_json::to_vec(&*sent)?)?;
    }
    tell_owner(&json!({ "cpu": cpu, "peak_mb": own_peak_mb()?, "cases": cases }))
}

/// The same requests with reqwest, serde and SQLite alone. Arguments: the file of requests, database, base address,
/// user, password.
pub async fn pull_bare(mut given: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut next = |what: &str| given.next().with_context(|| format!("{what}?"));
    let requests: Vec<Sent> = serde_json::from_slice(&std::fs::read(next("requests")?)?)?;
    let db = Connection::open(next("database")?)?;
    let (base, user, password) = (next("base")?, next("user")?, next("password")?);
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE record (id TEXT PRIMARY KEY, body TEXT NOT NULL);",
    )?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let before = own_cpu_seconds()?;
    let mut bytes = 0;
    db.execute_batch("BEGIN IMMEDIATE")?;
    for (nth, sent) in requests.iter().enumerate() {
        let url = format!("{base}{}", sent.path);
        let mut request = if sent.method == "GET" { client.get(url) } else { client.post(url) };
        request = request.basic_auth(&user, Some(&password));
        for (name, value) in &sent.headers {
            request = request.header(name, value);
        }
        if let Some((kind, body)) = &sent.body {
            request = request.header("content-type", kind).body(body.clone());
        }
        let answer = request.send().await?;
        if !answer.status().is_success() {
            bail!("{} for {}", answer.status(), sent.path);
        }
        let body = answer.bytes().await?;
        bytes += body.len();
        keep(&db, &serde_json::from_slice(&body)?)?;
        if nth % TOGETHER == TOGETHER - 1 {
            db.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        }
    }
    db.execute_batch("COMMIT")?;
    let cpu = own_cpu_seconds()? - before;
    tell_owner(&json!({ "cpu": cpu, "peak_mb": own_peak_mb()?, "bytes": bytes, "requests": requests.len() }))
}

/// Each record of an answer's lists by its id.
fn keep(db: &Connection, answer: &Value) -> anyhow::Result<()> {
    let mut insert = db.prepare_cached("INSERT OR REPLACE INTO record VALUES (?1, ?2)")?;
    let lists = answer.as_object().into_iter().flatten();
    for (name, list) in lists {
        for record in list.as_array().into_iter().flatten().filter(|record| record.is_object()) {
            let id = record.get("id").or(record.get("issueId")).map(Value::to_string).unwrap_or_default();
            insert.execute([format!("{name} {id}"), record.to_string()])?;
        }
    }
    Ok(())
}
