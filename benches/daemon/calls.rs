//! How many requests each system gets from the daemon: on a day on which nothing happens, and per thousand changes.
//!
//! The real daemon follows a calm sandbox in its time, with webhooks, in observe mode, polling as shipped: marks cost
//! what the contract table says, on top.

use anyhow::Context;
use dutyd::config::Place;
use dutyd::daemon::Daemon;
use dutyd::demo::Stage;
use dutyd_sandbox::Options;
use dutyd_sandbox::world::{Happening, NewCase, Priority, Recorded, What};
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use tokio::sync::watch;

const VENDORS: [&str; 5] = ["servicenow", "jira", "jira_dc", "zendesk", "salesforce"];
const BEGINS_AT: &str = "2026-03-02T08:00:00Z";
/// As shipped.
const POLL: &str = "60s";
const CASES: u64 = 250;
/// Their numbers in the world, above those of its own past.
const FIRST: u64 = 1_000_000;
/// Until the first import is over.
const SETTLING: SignedDuration = SignedDuration::from_hours(2);
/// Well within it.
const OPENED_EVERY: SignedDuration = SignedDuration::from_secs(20);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const CHANGES: u64 = 1_000;
/// Over which the changes are spread evenly.
const CHANGING: SignedDuration = SignedDuration::from_hours(8);
/// Until the last change is known.
const LINGER: SignedDuration = SignedDuration::from_hours(1);

pub async fn measure() -> anyhow::Result<()> {
    let begins_at: Timestamp = BEGINS_AT.parse()?;
    println!(
        "calls: {CASES} cases per system, polled every {POLL}, webhooks on; a day without a change, then {CHANGES} changes within {CHANGING:#}, one after the other"
    );
    println!("| System | Requests on an idle day | Requests per thousand changes |");
    println!("|---|---|---|");
    for vendor in VENDORS {
        let [idle, changing] = count(vendor, begins_at).await.context(vendor)?;
        let polls = idle * (CHANGING + LINGER).as_secs_f64() / DAY.as_secs_f64();
        println!("| {vendor} | {idle:.0} | {:.0} |", (changing - polls).max(0.0) * 1_000.0 / CHANGES as f64);
    }
    Ok(())
}

/// Requests of the idle day, and from the first change to the end.
async fn count(vendor: &'static str, begins_at: Timestamp) -> anyhow::Result<[f64; 2]> {
    let (idle_from, idle_to) = (begins_at + SETTLING, begins_at + SETTLING + DAY);
    let ends_at = idle_to + CHANGING;
    let place = tempfile::tempdir()?;
    let options = Options {
        calm: true,
        vendors: vec![vendor.to_owned()],
        cases: 1,
        stepped_from: Some(begins_at),
        ends_at: Some(ends_at),
        linger_seconds: LINGER.as_secs(),
        ..Options::default()
    };
    let stage = Stage::raise(&place.path().join("dutyd"), options, POLL).await?;
    observe(&stage.dir, vendor)?;
    let sandbox = stage.running.sandbox().inner.clone();
    sandbox.stepper.life.lock().await.script =
        Some(Box::new(Recorded::new(script(vendor, begins_at, idle_to))));
    let daemon = Daemon::start(&Place { dir: stage.dir.clone(), dev: false }).await?;
    let (_stop, stopped) = watch::channel(false);
    daemon.run(stopped).await?;
    let entries = sandbox.journal.since(0, Some(vendor));
    let between = |from: Timestamp, to: Timestamp| {
        entries.iter().filter(|entry| from <= entry.at && entry.at < to).count() as f64
    };
    Ok([between(idle_from, idle_to), between(idle_to, ends_at + LINGER)])
}

fn observe(dir: &Path, vendor: &str) -> anyhow::Result<()> {
    let file = dir.join("connectors").join(format!("{vendor}.toml"));
    let text = std::fs::read_to_string(&file)?;
    Ok(std::fs::write(&file, text.replace("mode = \"write\"", "mode = \"observe\""))?)
}

/// Cases are opened one after the other; later a customer and an agent write in turns, each time about another case.
fn script(vendor: &'static str, begins_at: Timestamp, changes_from: Timestamp) -> Vec<Happening> {
    let opened = (0..CASES).map(|case| Happening {
        at: begins_at + OPENED_EVERY * i32::try_from(case).unwrap_or(0),
        vendor,
        case: FIRST + case,
        what: opening(case),
    });
    let apart = CHANGING / i32::try_from(CHANGES).unwrap_or(1);
    let changes = (0..CHANGES).map(|nth| Happening {
        at: changes_from + apart * i32::try_from(nth).unwrap_or(0),
        vendor,
        case: FIRST + nth % CASES,
        what: if nth % 2 == 0 {
            What::CustomerReplied { contact: 0, text: format!("Any news on this? ({nth})") }
        } else {
            What::AgentReplied { agent: 0, public: true, text: format!("We are looking into it. ({nth})") }
        },
    });
    opened.chain(changes).collect()
}

fn opening(case: u64) -> What {
    What::Opened(NewCase {
        customer: 0,
        contact: 0,
        product: 0,
        team: 0,
        agent: Some(0),
        priority: Priority::Normal,
        title: format!("Order screen at site {case} stays empty"),
        text: "Since the update of last night.".to_owned(),
    })
}
