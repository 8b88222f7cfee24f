//! Webhooks that are durable before they are answered, beside a bare receiver; in turns, so that both meet the same load.

use crate::place::{Place, Sandbox, Wishes};
use crate::process::Owned;
use crate::{quantile, receiver, sorted};
use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 64;
/// Few, so that the shipped allowance reads them at once.
pub const CASES: u64 = 500;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
/// The longest answer: a head without a body.
const ANSWER_MAX: usize = 4_096;

pub async fn measure() -> anyhow::Result<()> {
    let sandbox = Sandbox::start(CASES)?;
    let place = Place::new(&sandbox, &Wishes::OBSERVING)?;
    let _daemon = place.daemon_at_rest(CASES).await?;
    let database = place.state().join("bare.db").display().to_string();
    let (_bare, told) = Owned::role(receiver::ROLE, &[database, sandbox.webhook_secret.clone()])?;
    let bare: SocketAddr = told["address"].as_str().context("no address")?.parse()?;
    let load = Arc::new(Load::of(&sandbox).await?);
    let (mut ours, mut theirs) = (Side::default(), Side::default());
    for round in 0..ROUNDS {
        theirs.add(ring(&load, bare, &format!("b{round}")).await?);
        ours.add(ring(&load, place.hooks, &format!("d{round}")).await?);
    }
    let status = place.status().await?;
    let noted: u64 = status.sources.iter().map(|source| source.row.bells).sum();
    println!(
        "intake: {CONNECTIONS} connections, {ROUNDS} rounds of {} s each, in turns; all signed, all about known cases",
        ROUND.as_secs()
    );
    ours.print("dutyd");
    theirs.print("bare receiver");
    println!("  ratio                       {:8.2}     (goal at least 0.6)", ours.rate() / theirs.rate());
    println!("  noted by the daemon         {noted:8}     of {} acknowledged", ours.latencies.len());
    if usize::try_from(noted)? < ours.latencies.len() {
        bail!("an acknowledged webhook is not in the database");
    }
    Ok(())
}

/// What one receiver came to.
#[derive(Default)]
struct Side {
    rates: Vec<f64>,
    latencies: Vec<f64>,
}

impl Side {
    fn add(&mut self, (rate, latencies): (f64, Vec<f64>)) {
        self.rates.push(rate);
        self.latencies.extend(latencies);
    }

    /// The middle one of the rounds.
    fn rate(&self) -> f64 {
        quantile(&sorted(self.rates.clone()), 0.5)
    }

    fn print(&self, name: &str) {
        let latencies = sorted(self.latencies.clone());
        let (p50, p99) = (quantile(&latencies, 0.5) * 1e3, quantile(&latencies, 0.99) * 1e3);
        println!("  {name:<26}{:8.0} acknowledged/s, p50 {p50:.1} ms, p99 {p99:.1} ms", self.rate());
    }
}

/// What is rung about, and with which secret.
pub struct Load {
    secret: Vec<u8>,
    cases: Vec<String>,
}

impl Load {
    pub async fn of(sandbox: &Sandbox) -> anyhow::Result<Self> {
        Ok(Self { secret: sandbox.webhook_secret.clone().into_bytes(), cases: ids(sandbox).await? })
    }

    /// The webhook of this number, as ServiceNow's business rule sends it: about one case after the other.
    pub fn request(&self, nth: usize, event: &str) -> anyhow::Result<Vec<u8>> {
        let now = Timestamp::now();
        let body = json!({
            "table": "incident", "sys_id": self.cases[nth % self.cases.len()], "number": "INC0010001",
            "operation": "update", "event_id": event, "sys_mod_count": "7",
            "sys_updated_on": now.strftime("%Y-%m-%d %H:%M:%S").to_string(), "sys_updated_by": "somebody",
        })
        .to_string();
        Ok((self.head(body.as_bytes())? + &body).into_bytes())
    }

    /// The head of a request with this body, signed.
    pub fn head(&self, body: &[u8]) -> anyhow::Result<String> {
        let stamp = Timestamp::now().as_second().to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret)?;
        mac.update(stamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        Ok(format!(
            "POST /hooks/servicenow HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             X-Dutyd-Timestamp: {stamp}\r\nX-Dutyd-Signature: sha256={signature}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ))
    }
}

async fn ids(sandbox: &Sandbox) -> anyhow::Result<Vec<String>> {
    let path = format!("/api/now/table/incident?sysparm_fields=sys_id&sysparm_limit={CASES}");
    let answer: Value = serde_json::from_slice(&sandbox.get(&path).await?)?;
    let rows = answer["result"].as_array().context("no rows")?;
    Ok(rows.iter().filter_map(|row| row["sys_id"].as_str().map(str::to_owned)).collect())
}

/// All connections ring as fast as they are answered, for one round.
async fn ring(load: &Arc<Load>, to: SocketAddr, round: &str) -> anyhow::Result<(f64, Vec<f64>)> {
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CONNECTIONS {
        let (load, round) = (load.clone(), round.to_owned());
        callers
            .spawn(async move { call(&load, to, &format!("{round}-{caller}"), caller, began + ROUND).await });
    }
    let mut latencies = Vec::new();
    while let Some(ended) = callers.join_next().await {
        latencies.extend(ended??);
    }
    Ok((latencies.len() as f64 / began.elapsed().as_secs_f64(), latencies))
}

async fn call(
    load: &Load,
    to: SocketAddr,
    name: &str,
    caller: usize,
    until: Instant,
) -> anyhow::Result<Vec<f64>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    for nth in 0.. {
        if Instant::now() >= until {
            break;
        }
        let request = load.request(caller + nth * CONNECTIONS, &format!("{name}-{nth}"))?;
        let sent = Instant::now();
        let answer = exchange(&mut stream, &request).await?;
        if !answer.starts_with(NOTED) {
            bail!("a webhook was answered {}", String::from_utf8_lossy(&answer));
        }
        latencies.push(sent.elapsed().as_secs_f64());
    }
    Ok(latencies)
}

/// How the answer to a webhook begins that is durable.
pub const NOTED: &[u8] = b"HTTP/1.1 204";

/// One request and its answer, which has no body.
pub async fn exchange(stream: &mut TcpStream, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    stream.write_all(request).await?;
    let mut answer = Vec::with_capacity(ANSWER_MAX);
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() > ANSWER_MAX || stream.read_buf(&mut answer).await? == 0 {
            bail!("no answer to a webhook");
        }
    }
    Ok(answer)
}
