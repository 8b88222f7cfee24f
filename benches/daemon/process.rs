//! Processes that end with their owner: the daemon, the sandbox, the bare receiver; what the kernel says of them.
//!
//! Must not know: what is measured.

use anyhow::Context;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// First argument of this binary where it is to be the sandbox.
pub const SANDBOX_ROLE: &str = "--be-the-sandbox";

/// A process that is killed when dropped.
pub struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Owned {
    /// This binary once more, in another role; it ends when its standard input does, even if we are killed. With its
    /// first line of output.
    pub fn role(role: &str, arguments: &[String]) -> anyhow::Result<(Self, Value)> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(role)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take();
        let owned = Self(child);
        let mut line = String::new();
        BufReader::new(output.context("no output")?).read_line(&mut line)?;
        let told = serde_json::from_str(&line).with_context(|| format!("{role} said `{line}`"))?;
        Ok((owned, told))
    }

    /// `dutyd run` over a directory of files, and how long it took until it called itself ready.
    pub fn daemon(config: &Path, notify: &Path) -> anyhow::Result<(Self, Duration)> {
        std::fs::remove_file(notify).ok();
        let told = UnixDatagram::bind(notify)?;
        told.set_read_timeout(Some(Duration::from_secs(120)))?;
        let began = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_dutyd"))
            .arg("--config")
            .arg(config)
            .args(["--dev", "run"])
            .env("NOTIFY_SOCKET", notify)
            .stdin(Stdio::null())
            .spawn()?;
        let owned = Self(child);
        let mut text = [0; 4_096];
        loop {
            let length = told.recv(&mut text).context("the daemon did not become ready")?;
            if text[..length].starts_with(b"READY=1") {
                return Ok((owned, began.elapsed()));
            }
        }
    }

    /// The most memory it ever held, in megabytes.
    pub fn peak_mb(&self) -> anyhow::Result<f64> {
        peak_mb(self.0.id())
    }

    /// The memory it holds now, in megabytes.
    pub fn memory_mb(&self) -> anyhow::Result<f64> {
        status_mb(self.0.id(), "VmRSS:")
    }

    /// Processor time used so far, in seconds.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        cpu_seconds(self.0.id())
    }

    /// Asks it to stop in order, and waits.
    pub fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        self.0.wait()?;
        Ok(())
    }
}

fn cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    // Linux counts in hundredths here.
    Ok((ticks(11) + ticks(12)) / 100.0)
}

fn peak_mb(process: u32) -> anyhow::Result<f64> {
    status_mb(process, "VmHWM:")
}

fn status_mb(process: u32, name: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes as f64 / 1_024.0)
}

/// Processor time that this process used so far, in seconds.
pub fn own_cpu_seconds() -> anyhow::Result<f64> {
    cpu_seconds(std::process::id())
}

/// The most memory that this process ever held, in megabytes.
pub fn own_peak_mb() -> anyhow::Result<f64> {
    peak_mb(std::process::id())
}

/// Ends when somebody asks us to.
pub async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// The sandbox in its own process until its owner is gone: calm vendors with so many cases each.
pub async fn be_the_sandbox(mut given: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let cases = given.next().context("how many cases?")?.parse()?;
    let vendors = given.next().context("which vendors?")?;
    let options = dutyd_sandbox::Options {
        calm: true,
        vendors: vendors.split(',').map(str::to_owned).collect(),
        cases,
        webhooks: dutyd_sandbox::hooks::Knobs::default(),
        ..dutyd_sandbox::Options::default()
    };
    let running = dutyd_sandbox::Sandbox::start(options).await?;
    tell_owner(&running.endpoints())?;
    tokio::task::spawn_blocking(outlive_owner).await?;
    running.stop();
    Ok(())
}

/// The first line of output.
pub fn tell_owner(what: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}")?;
    Ok(out.flush()?)
}

/// Returns when the owner has closed our input, or is gone.
pub fn outlive_owner() {
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()).ok();
}

/// What everything below was measured on.
pub fn print_machine() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    println!(
        "{cores} cores; load before the run {}: with others at work only the ratios count",
        load.join(" ")
    );
}
