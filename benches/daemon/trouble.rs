//! One vendor in trouble beside a sound one: from a webhook of the sound one to its mark, while the other hangs, sends a byte
//! a second, or breaks off in the middle.

use crate::figure::measured;
use crate::latency::{Doorman, marks_seen};
use crate::place::{Place, Sandbox, Wishes};
use crate::{quantile, sorted};
use anyhow::Context;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const CASES: u64 = 200;
/// Until the daemon has met the trouble.
const MEETS: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Sound,
    /// Takes requests and never answers.
    Hangs,
    /// Sends a byte of a long answer each second.
    Trickles,
    /// Resets the connection in the middle of an answer.
    Breaks,
}

/// Each of them between two calm ones, which show how much is noise.
const WAYS: [Way; 5] = [Way::Sound, Way::Hangs, Way::Trickles, Way::Breaks, Way::Sound];

pub async fn measure(marks: usize) -> anyhow::Result<()> {
    let sandbox = Sandbox::of(CASES, "servicenow,zendesk")?;
    let place = Place::new(&sandbox, &Wishes::WRITING)?;
    let (way, ways) = watch::channel(Way::Sound);
    let vendor = sandbox.endpoints["zendesk"]["base_url"].as_str().context("no Zendesk")?;
    let vendor = vendor.trim_start_matches("http://").trim_end_matches('/').to_owned();
    place.add_zendesk(&sandbox, &between(vendor, ways).await?)?;
    let _daemon = place.daemon_at_rest(CASES).await?;
    let doorman = Doorman::before(&sandbox, &place).await?;
    println!(
        "trouble: from a webhook of one vendor to its mark, {marks} marks each, while the other vendor …"
    );
    let mut figures = Vec::new();
    for now in WAYS {
        way.send_replace(now);
        tokio::time::sleep(MEETS).await;
        let (seconds, _) = marks_seen(&sandbox, &doorman, marks).await?;
        let seconds = sorted(seconds);
        let (p50, p99) = (quantile(&seconds, 0.5) * 1e3, quantile(&seconds, 0.99) * 1e3);
        let word = format!("{now:?}").to_lowercase();
        println!("  {word:<26}  p50 {p50:.0} ms, p99 {p99:.0} ms");
        figures.push(format!("{word} {p50:.0} / {p99:.0}"));
    }
    measured(
        "G30",
        &format!("p50 / p99 in ms of {marks} marks each, while the other is: {}", figures.join(", ")),
    );
    Ok(())
}

/// A place between daemon and vendor, whose way can be changed. Answers its address.
async fn between(vendor: String, ways: watch::Receiver<Way>) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((caller, _)) = listener.accept().await {
            let (vendor, mut ways) = (vendor.clone(), ways.clone());
            tokio::spawn(async move {
                let way = *ways.borrow_and_update();
                tokio::select! {
                    // Callers of a sound vendor hang up when they like.
                    _ = behave(way, caller, &vendor) => {}
                    // No connection outlives a change of ways.
                    _ = ways.changed() => {}
                }
            });
        }
    });
    Ok(format!("http://{address}"))
}

async fn behave(way: Way, mut caller: TcpStream, vendor: &str) -> anyhow::Result<()> {
    let mut request = [0; 16_384];
    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{";
    match way {
        Way::Sound => drop(copy_bidirectional(&mut caller, &mut TcpStream::connect(vendor).await?).await?),
        Way::Hangs => while caller.read(&mut request).await? > 0 {},
        Way::Trickles => {
            caller.read_u8().await?;
            caller.write_all(ANSWER).await?;
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                caller.write_all(b" ").await?;
            }
        }
        Way::Breaks => {
            caller.read_u8().await?;
            caller.write_all(ANSWER).await?;
            // With this the end of the connection is a reset.
            caller.set_zero_linger()?;
        }
    }
    Ok(())
}
