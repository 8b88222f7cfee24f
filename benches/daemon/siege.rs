//! Honest webhooks while others besiege the door: slow senders, endless bodies, packed bodies, deep JSON. What the honest
//! wait for, and what memory the daemon takes.

use crate::figure::measured;
use crate::intake::{CASES, Load};
use crate::paced::{Pace, connect, ring};
use crate::place::{Place, Sandbox, Wishes};
use crate::process::Owned;
use anyhow::bail;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

const SLOW: u32 = 2_000;
/// Addresses of the slow; each may hold as many connections as the settings allow.
const SLOW_ADDRESSES: u32 = 10;
const OTHERS: u32 = 4;
const LASTING: Duration = Duration::from_secs(40);
const HONEST: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);
const BYTE_EVERY: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const DEEP: usize = 1_000_000;
/// Ten megabytes of zeros come to about so much when packed.
const PACKED_BYTES: usize = 10_000;

pub async fn measure() -> anyhow::Result<()> {
    let sandbox = Sandbox::start(CASES)?;
    let place = Place::new(&sandbox, &Wishes::OBSERVING)?;
    let daemon = place.daemon_at_rest(CASES).await?;
    let (load, to) = (Arc::new(Load::of(&sandbox).await?), place.hooks);
    let pace = Pace { per_second: 50, connections: 8, lasting: LASTING, from: HONEST };
    let calm = ring(&load, to, "calm", pace).await?;
    let before = daemon.memory_mb()?;

    let siege = besiege(&load, to)?;
    let ringing = tokio::spawn(async move { ring(&load, to, "siege", pace).await });
    let most = watch(&daemon, LASTING).await?;
    let came = ringing.await??;
    drop(siege);
    println!(
        "siege: {SLOW} slow senders from {SLOW_ADDRESSES} addresses, {OTHERS} each with endless bodies, packed bodies, JSON {DEEP} deep"
    );
    println!("  honest before               p50 {:.1} ms, p99 {:.1} ms", calm.within(0.5), calm.within(0.99));
    let (p50, p99) = (came.within(0.5), came.within(0.99));
    println!(
        "  honest meanwhile            p50 {p50:.1} ms, p99 {p99:.1} ms, {} connections broken   (goal p99 below 250)",
        came.broken
    );
    println!(
        "  memory                      {before:.1} MB before, {most:.1} MB at most   (goal at most 16 more)"
    );
    if came.broken > 0 || came.acknowledged.len() < calm.acknowledged.len() {
        bail!(
            "{} honest webhooks were acknowledged, {} before",
            came.acknowledged.len(),
            calm.acknowledged.len()
        );
    }
    measured(
        "G35",
        &format!(
            "{SLOW} slow senders from {SLOW_ADDRESSES} addresses, endless and packed bodies, JSON {DEEP} deep: {} honest \
             webhooks answered at p50 {p50:.1} ms, p99 {p99:.1} ms, none broken; memory {before:.1} → {most:.1} MB",
            came.acknowledged.len()
        ),
    );
    Ok(())
}

/// The most memory within this time.
async fn watch(daemon: &Owned, lasting: Duration) -> anyhow::Result<f64> {
    let (began, mut most) = (Instant::now(), 0.0_f64);
    while began.elapsed() < lasting {
        most = most.max(daemon.memory_mb()?);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(most)
}

/// Dropping the set ends them all.
fn besiege(load: &Arc<Load>, to: SocketAddr) -> anyhow::Result<JoinSet<()>> {
    let mut all = JoinSet::new();
    for nth in 0..SLOW {
        let from = Ipv4Addr::new(127, 1, 0, (nth % SLOW_ADDRESSES + 1) as u8);
        all.spawn(again(move || slow(from, to)));
    }
    let deep = [vec![b'['; DEEP / 2], vec![b']'; DEEP / 2]].concat();
    for nth in 0..OTHERS {
        let from = Ipv4Addr::new(127, 2, 0, (nth + 1) as u8);
        all.spawn(again(move || endless(from, to)));
        all.spawn(again(move || packed(from, to)));
        let (load, deep) = (load.clone(), deep.clone());
        all.spawn(again(move || {
            let (load, deep) = (load.clone(), deep.clone());
            async move { send(from, to, (load.head(&deep)?.into_bytes(), deep)).await }
        }));
    }
    Ok(all)
}

/// Whoever is put out comes back.
async fn again<F: Future<Output = anyhow::Result<()>>>(attack: impl Fn() -> F) {
    loop {
        // That it is put out is what is hoped for.
        attack().await.ok();
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn slow(from: Ipv4Addr, to: SocketAddr) -> anyhow::Result<()> {
    let mut stream = connect(from, to).await?;
    stream.write_all(b"POST /hooks/servicenow HTTP/1.1\r\nx-slow: ").await?;
    loop {
        tokio::time::sleep(BYTE_EVERY).await;
        stream.write_all(b"x").await?;
    }
}

async fn endless(from: Ipv4Addr, to: SocketAddr) -> anyhow::Result<()> {
    let mut stream = connect(from, to).await?;
    let head = "POST /hooks/servicenow HTTP/1.1\r\nHost: x\r\nContent-Length: 10737418240\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    loop {
        stream.write_all(&[b' '; 65_536]).await?;
    }
}

async fn packed(from: Ipv4Addr, to: SocketAddr) -> anyhow::Result<()> {
    let head = format!(
        "POST /hooks/servicenow HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {PACKED_BYTES}\r\n\r\n"
    );
    send(from, to, (head.into_bytes(), vec![0x1f; PACKED_BYTES])).await
}

/// Head and body, then whatever is answered.
async fn send(from: Ipv4Addr, to: SocketAddr, (head, body): (Vec<u8>, Vec<u8>)) -> anyhow::Result<()> {
    let mut stream = connect(from, to).await?;
    stream.write_all(&head).await?;
    stream.write_all(&body).await?;
    // Answered or put out.
    stream.read_u8().await?;
    Ok(())
}
