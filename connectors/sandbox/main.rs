//! The binary: one sandbox on loopback until SIGTERM. Its first stdout line is one JSON object with
//! addresses and credentials; everything else goes to stderr.

use anyhow::Context;
use clap::Parser;
use dutyd_sandbox::hooks::Knobs;
use dutyd_sandbox::{Options, Sandbox};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Local servers of the vendors' APIs, hostile by default and seeded.
#[derive(Parser)]
#[command(name = "dutyd-sandbox", version)]
struct Arguments {
    /// No fault at all.
    #[arg(long)]
    calm: bool,
    /// The same seed gives the same world and the same faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cases per vendor in the world's past.
    #[arg(long, default_value_t = 200)]
    cases: u64,
    /// First of the consecutive ports (one per vendor, then the control port); port 0: any free ports.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where signed webhooks go: `/hooks/<vendor>` is put behind this URL's path.
    #[arg(long)]
    webhook_to: Option<String>,
    /// Life goes on after the start, at the pace of the clock.
    #[arg(long)]
    live: bool,
    /// Time stands still and moves only by the control port; starts at this instant (RFC 3339).
    #[arg(long)]
    stepped_from: Option<jiff::Timestamp>,
    /// Replays a real ServiceNow log (`.csv` or `.csv.xz`) in stepped time.
    #[arg(long)]
    log: Option<PathBuf>,
    /// In stepped time, happenings within so many seconds pass in one step.
    #[arg(long, default_value_t = 0)]
    coalesce_seconds: i64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    anyhow::ensure!(arguments.listen.ip().is_loopback(), "the sandbox listens on loopback only");
    let defaults = Options::default();
    let running = Sandbox::start(Options {
        seed: arguments.seed,
        calm: arguments.calm,
        cases: arguments.cases,
        live: arguments.live,
        stepped_from: arguments.stepped_from,
        log: arguments.log,
        coalesce_seconds: arguments.coalesce_seconds,
        webhooks: Knobs { to: arguments.webhook_to, ..defaults.webhooks.clone() },
        listen: arguments.listen,
        ..defaults
    })
    .await?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", running.endpoints())
        .and_then(|()| stdout.flush())
        .context("cannot write to stdout")?;
    drop(stdout);
    let mut terminated = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    running.stop();
    Ok(())
}
