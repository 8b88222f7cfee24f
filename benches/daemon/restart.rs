//! A start over a database with very many open cases, and what the daemon uses while nothing happens.
//!
//! The cases are judged under the shipped policy; none is due before a month has passed, so that what is measured is the
//! start and the idling.

use crate::crowd::{Crowd, EVENTS, fill};
use crate::figure::measured;
use crate::place::{Place, Sandbox, Wishes};
use crate::process::Owned;
use anyhow::bail;
use dutyd::daemon::DATABASE;
use dutyd::store::sqlite::SqliteStore;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// Cases with news when the daemon starts.
const PENDING: usize = 10_000;
const IDLE: Duration = Duration::from_secs(10);
/// Until the first poll is over, and the look at all pages of the database.
const CALM_DOWN: Duration = Duration::from_secs(20);
const READY_MAX: Duration = Duration::from_secs(120);

pub async fn measure(open: usize) -> anyhow::Result<()> {
    let sandbox = Sandbox::start(1)?;
    let place = Place::new(&sandbox, &Wishes::OBSERVING)?;
    let database = place.state().join(DATABASE);
    let began = Instant::now();
    let month = Timestamp::now() + SignedDuration::from_hours(24 * 30);
    fill(&place, &Crowd { open, opened_at: None, due_at: month, pending: PENDING.min(open) }).await?;
    let megabytes = std::fs::metadata(&database)?.len() / 1_000_000;
    let made = began.elapsed().as_secs_f64();
    println!(
        "restart: {open} open cases with {EVENTS} events each, {megabytes} MB (made in {made:.0} s), {} of them with news",
        PENDING.min(open)
    );
    // The same for a store that is only opened, in the same run: the bare limit of a start.
    let began = Instant::now();
    let store = SqliteStore::open(&database, 1, Timestamp::now()).await?;
    let bare = began.elapsed().as_secs_f64();
    store.close().await;
    drop(store);

    let (daemon, ready, page) = start(&place).await?;
    println!(
        "  after an orderly stop       ready in {:.2} s, /readyz says so after {page:.2} s   (goal at most 5; the database alone opens in {bare:.2} s)",
        ready.as_secs_f64()
    );
    // SIGKILL.
    drop(daemon);
    let (daemon, after_kill, page) = start(&place).await?;
    let waiting = place.status().await?.counts.due;
    println!(
        "  after SIGKILL               ready in {:.2} s, /readyz says so after {page:.2} s, {waiting} cases due",
        after_kill.as_secs_f64()
    );
    let began = Instant::now();
    daemon.stop()?;
    let stop = began.elapsed().as_secs_f64();
    println!("  an orderly stop at work     {stop:8.2} s   (goal at most 10)");
    let (daemon, _, _) = start(&place).await?;
    place.worked_off(READY_MAX).await?;
    tokio::time::sleep(CALM_DOWN).await;
    idle(&daemon).await?;
    println!("  peak memory                 {:8.1} MB", daemon.peak_mb()?);
    measured(
        "G27",
        &format!(
            "{open} open cases, {megabytes} MB, {waiting} due: ready {:.2} s after SIGKILL ({:.2} s after an orderly \
             stop), stopped in order in {stop:.2} s",
            after_kill.as_secs_f64(),
            ready.as_secs_f64()
        ),
    );
    Ok(())
}

async fn idle(daemon: &Owned) -> anyhow::Result<()> {
    let (before, began) = (daemon.cpu_seconds()?, Instant::now());
    tokio::time::sleep(IDLE).await;
    let used = daemon.cpu_seconds()? - before;
    let share = 100.0 * used / began.elapsed().as_secs_f64();
    println!("  idle over {} s              {share:8.2} % of one core   (goal below 1)", IDLE.as_secs());
    Ok(())
}

/// The daemon, when it called itself ready, and when its page did: seconds since the start.
async fn start(place: &Place) -> anyhow::Result<(Owned, Duration, f64)> {
    let began = Instant::now();
    let (daemon, ready) = place.daemon()?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://{}/readyz", place.pages);
    loop {
        let answer = client.get(&url).send().await;
        let text = match answer {
            Ok(answer) if answer.status().is_success() => {
                return Ok((daemon, ready, began.elapsed().as_secs_f64()));
            }
            Ok(answer) => answer.text().await?,
            Err(error) => error.to_string(),
        };
        if began.elapsed() > READY_MAX {
            bail!("not ready after {READY_MAX:?}: {text}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
