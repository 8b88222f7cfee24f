//! Webhooks at a steady rate, whatever the answers take: each is timed from the moment at which it was to be sent. And a
//! minute of a thousand per second that ends with SIGKILL.

use crate::figure::{measured, wanted};
use crate::intake::{CASES, Load, NOTED, exchange};
use crate::place::{Place, Sandbox, Wishes};
use crate::{quantile, sorted};
use anyhow::bail;
use dutyd::daemon::DATABASE;
use dutyd::store::Store;
use dutyd::store::sqlite::SqliteStore;
use dutyd_connectors::Hint;
use dutyd_core::case::CaseKey;
use jiff::Timestamp;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

const PER_SECOND: u32 = 1_000;
/// Seconds, unless `DUTYD_PACED_SECONDS` says otherwise.
const SECONDS: u64 = 60;
/// They ring on until after the kill.
const BEYOND: Duration = Duration::from_secs(2);

/// How often, how long, and from where.
#[derive(Clone, Copy)]
pub struct Pace {
    pub per_second: u32,
    pub connections: u32,
    pub lasting: Duration,
    pub from: Ipv4Addr,
}

/// What became of the webhooks.
#[derive(Default)]
pub struct Came {
    pub acknowledged: Vec<String>,
    /// Seconds from the moment each was to be sent to its answer, whatever it was.
    pub latencies: Vec<f64>,
    pub sent_away: usize,
    /// Connections that broke off.
    pub broken: usize,
}

impl Came {
    /// Milliseconds below which this share was answered.
    pub fn within(&self, share: f64) -> f64 {
        quantile(&sorted(self.latencies.clone()), share) * 1e3
    }
}

pub async fn ring(load: &Arc<Load>, to: SocketAddr, round: &str, pace: Pace) -> anyhow::Result<Came> {
    let (began, mut callers) = (Instant::now(), JoinSet::new());
    for caller in 0..pace.connections {
        let (load, name) = (load.clone(), format!("{round}-{caller}"));
        callers.spawn(async move {
            let mut came = Came::default();
            if call(&load, to, &name, pace, (caller, began), &mut came).await.is_err() {
                came.broken = 1;
            }
            came
        });
    }
    let mut all = Came::default();
    while let Some(came) = callers.join_next().await {
        let came = came?;
        all.acknowledged.extend(came.acknowledged);
        all.latencies.extend(came.latencies);
        all.sent_away += came.sent_away;
        all.broken += came.broken;
    }
    Ok(all)
}

async fn call(
    load: &Load,
    to: SocketAddr,
    name: &str,
    pace: Pace,
    (caller, began): (u32, Instant),
    came: &mut Came,
) -> anyhow::Result<()> {
    let mut stream = connect(pace.from, to).await?;
    let each = Duration::from_secs(1) / pace.per_second;
    for nth in 0.. {
        let place = nth * pace.connections + caller;
        let due = began + each * place;
        if due >= began + pace.lasting {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let event = format!("{name}-{nth}");
        let answer = exchange(&mut stream, &load.request(place as usize, &event)?).await?;
        came.latencies.push(due.elapsed().as_secs_f64());
        match answer.starts_with(NOTED) {
            true => came.acknowledged.push(event),
            false => came.sent_away += 1,
        }
    }
    Ok(())
}

/// A connection from an address of loopback.
pub async fn connect(from: Ipv4Addr, to: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

pub async fn measure() -> anyhow::Result<()> {
    let sandbox = Sandbox::start(CASES)?;
    let place = Place::new(&sandbox, &Wishes::OBSERVING)?;
    let daemon = place.daemon_at_rest(CASES).await?;
    let load = Arc::new(Load::of(&sandbox).await?);
    let seconds = wanted("DUTYD_PACED_SECONDS", SECONDS);
    let (until_kill, from) = (Duration::from_secs(seconds), Ipv4Addr::LOCALHOST);
    let lasting = until_kill + BEYOND;
    let pace = Pace { per_second: PER_SECOND, connections: 64, lasting, from };
    let hooks = place.hooks;
    let ringing = tokio::spawn(async move { ring(&load, hooks, "paced", pace).await });
    tokio::time::sleep(until_kill).await;
    // SIGKILL.
    drop(daemon);
    let came = ringing.await??;
    let lost = forgotten(&place, &came.acknowledged).await?;
    let (p50, p99, worst) = (came.within(0.5), came.within(0.99), came.within(1.0));
    println!("paced: {PER_SECOND} webhooks per second for {seconds} s, then SIGKILL");
    println!(
        "  answered                    p50 {p50:.1} ms, p99 {p99:.1} ms, worst {worst:.1} ms   (goal p99 at most 250)"
    );
    println!("  sent away                   {:8}", came.sent_away);
    println!("  lost of those acknowledged  {lost:8} of {}", came.acknowledged.len());
    if lost > 0 {
        bail!("{lost} acknowledged webhooks are not in the database");
    }
    let count = came.acknowledged.len();
    measured(
        "G15",
        &format!(
            "{PER_SECOND}/s for {seconds} s: p50 {p50:.1} ms, p99 {p99:.1} ms, {} sent away; SIGKILL at the end: 0 of \
             {count} acknowledged lost",
            came.sent_away
        ),
    );
    Ok(())
}

/// How many of these acknowledged webhooks the database does not know.
async fn forgotten(place: &Place, acknowledged: &[String]) -> anyhow::Result<usize> {
    let store = SqliteStore::open(&place.state().join(DATABASE), 1, Timestamp::now()).await?;
    let hint = |id: &String| {
        let key = CaseKey::new("servicenow", "x");
        Hint { key, revision: None, delivery_id: Some(id.clone()) }
    };
    let lost = store.note_delivery("servicenow", acknowledged.iter().map(hint).collect(), Timestamp::now());
    let lost = lost.await?;
    store.close().await;
    Ok(lost)
}
