//! What the daemon as a whole costs, each figure beside its bare limit, measured in the same run.
//!
//! `cargo bench --bench daemon -- [import|intake|paced|latency|trouble|siege|restart|timers|pull|calls|all]
//! [--cases N] [--open N] [--marks N]`
//!
//! With `RECORD=1` the figures of the goals are kept for docs/RELIABILITY.md.
//!
//! Knows: the parts and their arguments. The sandbox and the bare receiver are this binary again, as processes of their
//! own, so that memory and time of the daemon are the daemon's.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]

mod calls;
mod crowd;
#[path = "../../tests/it/reliability/figure.rs"]
mod figure;
mod import;
mod intake;
mod latency;
mod paced;
mod place;
mod process;
mod pull;
mod puller;
mod receiver;
mod restart;
mod siege;
mod timers;
mod trouble;

use anyhow::{Context, bail};
use std::process::ExitCode;

/// Cases of the sandbox at the first import; the goal speaks of 100,000.
const CASES: u64 = 20_000;
/// Cases that are read from Zendesk and from Jira.
const PULLED: u64 = 2_000;
/// Open cases of the database at the restart; the goal speaks of 1,000,000.
const OPEN: usize = 100_000;
/// Urgent cases whose marks are timed.
const MARKS: usize = 60;

const PARTS: [&str; 11] =
    ["import", "intake", "paced", "latency", "trouble", "siege", "restart", "timers", "pull", "calls", "all"];

struct Arguments {
    part: String,
    cases: u64,
    open: usize,
    marks: usize,
}

impl Arguments {
    fn read(given: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut arguments = Self { part: "all".to_owned(), cases: CASES, open: OPEN, marks: MARKS };
        // Cargo adds --bench.
        let mut given = given.filter(|word| word != "--bench");
        while let Some(word) = given.next() {
            let mut number = || -> anyhow::Result<u64> {
                let text = given.next().with_context(|| format!("{word} wants a number"))?;
                text.replace('_', "").parse().with_context(|| format!("{word} {text}"))
            };
            match word.as_str() {
                "--cases" => arguments.cases = number()?,
                "--open" => arguments.open = usize::try_from(number()?)?,
                "--marks" => arguments.marks = usize::try_from(number()?)?.max(1),
                part if PARTS.contains(&part) => arguments.part = word,
                other => {
                    bail!("unknown word `{other}`: {}, --cases N, --open N, --marks N", PARTS.join(", "))
                }
            }
        }
        Ok(arguments)
    }

    fn wants(&self, part: &str) -> bool {
        self.part == "all" || self.part == part
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut given = std::env::args().skip(1);
    match given.next().as_deref() {
        Some(process::SANDBOX_ROLE) => return runtime.block_on(process::be_the_sandbox(given)),
        Some(puller::ROLE) => return runtime.block_on(puller::pull(given)),
        Some(puller::BARE_ROLE) => return runtime.block_on(puller::pull_bare(given)),
        Some(receiver::ROLE) => return runtime.block_on(receiver::serve(given)),
        _ => {}
    }
    let arguments = Arguments::read(std::env::args().skip(1))?;
    // Dropped when interrupted: that ends what was started.
    runtime.block_on(async {
        tokio::select! {
            done = measure(&arguments) => done,
            _ = process::interrupted() => bail!("interrupted"),
        }
    })
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    process::print_machine();
    if arguments.wants("import") {
        import::measure(arguments.cases).await.context("import")?;
    }
    if arguments.wants("intake") {
        intake::measure().await.context("intake")?;
    }
    if arguments.wants("paced") {
        paced::measure().await.context("paced")?;
    }
    if arguments.wants("latency") {
        latency::measure(arguments.marks).await.context("latency")?;
    }
    if arguments.wants("trouble") {
        trouble::measure(arguments.marks).await.context("trouble")?;
    }
    if arguments.wants("siege") {
        siege::measure().await.context("siege")?;
    }
    if arguments.wants("restart") {
        restart::measure(arguments.open).await.context("restart")?;
    }
    if arguments.wants("timers") {
        timers::measure(arguments.open).await.context("timers")?;
    }
    if arguments.wants("pull") {
        pull::measure(PULLED).await.context("pull")?;
    }
    if arguments.wants("calls") {
        calls::measure().await.context("calls")?;
    }
    Ok(())
}

/// The value below which `share` of the sorted samples lie.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

fn sorted(mut samples: Vec<f64>) -> Vec<f64> {
    samples.sort_by(f64::total_cmp);
    samples
}
