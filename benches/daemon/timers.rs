//! Very many timers that fire in the same second: how long until all are worked off, and what webhooks meet meanwhile.
//!
//! The database is made beforehand; each case is flagged by a rule on its age, so each timer ends in a decision, its audit
//! row and a mark that is wanted.

use crate::crowd::{Crowd, fill};
use crate::figure::measured;
use crate::intake::Load;
use crate::paced::{Pace, ring};
use crate::place::{Place, Sandbox, Wishes};
use anyhow::{Context, ensure};
use jiff::{SignedDuration, Timestamp};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const RULE: &str = "[[rules]]\nname = \"old\"\ntitle = \"Old\"\ntext = \"Open for {case.age.wall}.\"\n\
                    severity = \"warning\"\nwhen = \"case.open && case.age.wall >= hours(2)\"\n";
const AGE: SignedDuration = SignedDuration::from_hours(2);
/// Cases that rings are about.
const CASES: u64 = 200;
/// Cases that are made per second, at the least, and what the start may take: the timers fire after both.
const MADE_PER_SECOND: u64 = 1_500;
const LEAD: Duration = Duration::from_secs(60);
const RINGS_PER_SECOND: u32 = 100;
/// The daemon asks for open cases now and then; the sandbox does not know these, and what is gone needs no flag. One of so
/// many at most.
const LOST_SHARE: u64 = 100;
const DRAIN_MAX: Duration = Duration::from_secs(900);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const GOAL: Duration = Duration::from_secs(120);

pub async fn measure(count: usize) -> anyhow::Result<()> {
    let sandbox = Sandbox::start(CASES)?;
    let place = Place::new(&sandbox, &Wishes::OBSERVING)?;
    std::fs::create_dir_all(place.config().join("policy"))?;
    std::fs::write(place.config().join("policy/rules.toml"), RULE)?;
    let making = Duration::from_secs(count as u64 / MADE_PER_SECOND) + LEAD;
    let due_at = Timestamp::now() + SignedDuration::try_from(making)?;
    let began = Instant::now();
    let crowd = Crowd { open: count, opened_at: Some(due_at - AGE), due_at, pending: 0 };
    fill(&place, &crowd).await?;
    println!(
        "timers: {count} open cases, all due in the same second (made in {:.0} s)",
        began.elapsed().as_secs_f64()
    );
    let (daemon, _) = place.daemon()?;
    let load = Arc::new(Load::of(&sandbox).await?);
    let before = place.worked_off(making).await?;
    let left = due_at.duration_since(Timestamp::now());
    ensure!(left.is_positive(), "the cases were made too slowly: the timers have fired before all was ready");
    let before: u64 = before.counts.flags.iter().sum();
    ensure!(before <= CASES, "{before} timers fired early");
    tokio::time::sleep(Duration::try_from(left)?).await;

    let began = Instant::now();
    let (hooks, from) = (place.hooks, Ipv4Addr::LOCALHOST);
    let pace = Pace { per_second: RINGS_PER_SECOND, connections: 16, lasting: GOAL, from };
    let ringing = tokio::spawn(async move { ring(&load, hooks, "storm", pace).await });
    let flagged = loop {
        let counts = place.status().await?.counts;
        let flagged = counts.flags.iter().sum::<u64>() - before;
        let all = counts.due == 0 && flagged >= count as u64 - count as u64 / LOST_SHARE;
        if all || began.elapsed() > DRAIN_MAX {
            break flagged;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let drained = began.elapsed().as_secs_f64();
    let came = ringing.await??;
    let (p50, p99) = (came.within(0.5), came.within(0.99));
    let peak = daemon.peak_mb()?;
    println!(
        "  worked off                  {drained:8.1} s   ({flagged} flags, {:.0} per second; goal at most 120 s)",
        flagged as f64 / drained
    );
    println!(
        "  webhooks meanwhile          p50 {p50:.1} ms, p99 {p99:.1} ms, {} sent away   (goal p99 below 500)",
        came.sent_away
    );
    println!("  peak memory                 {peak:8.1} MB");
    ensure!(drained < DRAIN_MAX.as_secs_f64(), "{flagged} of {count} timers fired within {DRAIN_MAX:?}");
    daemon.stop().context("stop")?;
    measured(
        "G23",
        &format!(
            "{count} timers in one second, {flagged} new flags: worked off in {drained:.0} s; {} webhooks within {} s of it \
             answered at p50 {p50:.0} ms, p99 {p99:.0} ms, {} sent away; at most {peak:.0} MB of memory",
            came.latencies.len(),
            GOAL.as_secs(),
            came.sent_away
        ),
    );
    Ok(())
}
