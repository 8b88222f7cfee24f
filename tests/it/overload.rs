//! More than can be done at once: intake beyond what the disk takes, a backlog after an outage, a vendor that hangs. Nothing
//! acknowledged is lost, recovery has a limited rate, and one vendor's trouble stays his own.

use crate::play::{Play, all_systems, world};
use crate::power::forgotten;
use crate::reliability::{measured, wanted};
use crate::rig::Rig;
use crate::shim::{Environment, over};
use dutyd::clock::{Clock as _, SystemClock, Wake};
use dutyd_sandbox::faults::{Fault, Match, Order, When};
use dutyd_sandbox::journal::Entry;
use dutyd_sandbox::{Inner, Options};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Cases that wait at the end of the outage in the ordinary suite, at least; `DUTYD_BACKLOG` asks for more.
const BACKLOG: u64 = 200;
/// What the daemon allows itself.
const PER_MINUTE: u64 = 240;
/// Refused writes that make an outage of more than six hours: the daemon tries every quarter of an hour or sooner.
const REFUSALS: u64 = 80;
const OUTAGE: SignedDuration = SignedDuration::from_hours(6);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// Often enough that the sandbox's journal never runs over in between.
const LISTENS_EVERY: SignedDuration = SignedDuration::from_millis(200);

/// Fires one by one while the vendor takes no writes.
const RULE: &str = "[[rules]]\nname = \"old\"\ntitle = \"Old\"\ntext = \"Open for {case.age.wall}.\"\n\
                    severity = \"warning\"\nwhen = \"case.open && case.age.wall >= hours(20)\"\n";

fn all(fault: Fault, vendor: &str, method: Option<&str>, times: u64) -> Order {
    let matching = Match { method: method.map(str::to_owned), ..Match::default() };
    Order { vendor: Some(vendor.to_owned()), matching, when: When::Before, fault, skip: 0, times }
}

/// The most requests of any minute of the world's time, wherever it begins.
fn peak(entries: &[&Entry]) -> u64 {
    let within = |(nth, first): (usize, &&Entry)| {
        entries[nth..].partition_point(|entry| entry.at.duration_since(first.at) < MINUTE) as u64
    };
    entries.iter().enumerate().map(within).max().unwrap_or(0)
}

/// Gives each source of a play this allowance.
fn limit(play: &Play, per_minute: u64) {
    for entry in std::fs::read_dir(play.stage.dir.join("connectors")).expect("connector files") {
        let file = entry.expect("a connector file").path();
        let text = std::fs::read_to_string(&file).expect("a connector file");
        let (before, rest) = text.split_once("requests_per_minute = ").expect("an allowance");
        let (_, after) = rest.split_once('\n').expect("a line");
        std::fs::write(&file, format!("{before}requests_per_minute = {per_minute}\n{after}"))
            .expect("written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_allowance_is_enough_for_each_system_to_come_to_an_end() {
    let mut play = Play::of(all_systems(6)).await;
    limit(&play, 10);
    play.run().await;
    play.is_right("the smallest allowance").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_whose_day_others_keep_nearly_spent_is_read_slowly_and_gets_its_marks() {
    const HOURS: i64 = 12;
    let vendors = vec!["salesforce".to_owned()];
    let set = ("salesforce".to_owned(), "used_by_others".to_owned(), 95_000.into());
    let options = Options { vendors, switches: vec![set], ..all_systems(HOURS) };
    let mut play = Play::polling(options, SignedDuration::from_secs(15)).await;
    play.run().await;
    let journal = play.sandbox().journal.since(0, Some("salesforce"));
    let writes = |entry: &&Entry| entry.method == "PATCH" || entry.body.contains(r#""method":"PATCH""#);
    let hour = |entry: &Entry| entry.at.duration_since(journal[0].at).as_hours();
    let reads = |nth| journal.iter().filter(|entry| !writes(entry) && hour(entry) == nth).count();
    let (written, busiest) = (journal.iter().filter(writes).count(), (0..HOURS).map(reads).max());
    println!("a day nearly spent: {written} writes, at most {busiest:?} reads in an hour");
    assert!(written > 0, "marks");
    // Ten in each quarter of an hour, as hot reads and as backfill, and some in the first before anything is told.
    assert!(busiest.is_some_and(|count| count <= 5 * 2 * 10), "{busiest:?} reads in an hour");
    let salesforce = play.sandbox();
    let salesforce = salesforce.vendor("salesforce").expect("the vendor plays");
    salesforce.switch("used_by_others", &0.into()).expect("a switch");
    let summary = play.summary().await;
    let read_back = &summary.vendors["salesforce"];
    assert!(read_back.flagged + read_back.notes > 0, "{read_back:?}");
    assert_eq!((read_back.missing, read_back.doubled), (0, 0), "{read_back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_what_waits_is_written_at_a_limited_rate_oldest_first() {
    let backlog = wanted("DUTYD_BACKLOG", BACKLOG);
    // Cases of the last day: two of five are old at the start or grow old during the outage.
    let options = Options { cases: backlog * 3, past_days: 1, cases_per_day: Some(1.0), ..world(10) };
    let mut play = Play::of(options).await;
    play.patience *= u32::try_from(backlog.div_ceil(BACKLOG)).expect("a backlog");
    std::fs::remove_dir_all(play.stage.dir.join("policy")).ok();
    std::fs::create_dir(play.stage.dir.join("policy")).expect("a folder");
    std::fs::write(play.stage.dir.join("policy/rules.toml"), RULE).expect("a policy");
    limit(&play, PER_MINUTE);
    assert!(play.sandbox().stage.faults.order(all(
        Fault::Unavailable,
        "servicenow",
        Some("PATCH"),
        REFUSALS
    )));
    let ended = Arc::new(AtomicBool::default());
    let listener = tokio::spawn(listen(play.sandbox(), ended.clone()));
    play.run().await;
    ended.store(true, Ordering::Relaxed);

    let journal = listener.await.expect("a journal");
    let refused: Vec<&Entry> = journal.iter().filter(|entry| entry.fault.is_some()).collect();
    let (first, last) = (refused.first().expect("an outage").at, refused.last().expect("an outage").at);
    let outage = last.duration_since(first);
    let after: Vec<&Entry> = journal.iter().filter(|entry| entry.at > last).collect();
    let peak = peak(&after);
    let written: Vec<&Entry> = after.iter().copied().filter(|entry| entry.method == "PATCH").collect();
    let waited = waited(&written, last);
    assert!(outage >= OUTAGE, "{outage:#}");
    assert!(waited.len() as u64 >= backlog, "{} waited", waited.len());
    assert!(after.iter().all(|entry| entry.status < 400), "a second trip");
    assert!(peak * 10 <= PER_MINUTE * 12, "{peak} requests in a minute");
    // The first one finds the vendor back, whichever it is.
    assert!(waited[1..].is_sorted(), "all of them, oldest first: {waited:?}");
    play.is_right("outage").await;
    let hours = outage.as_secs_f64() / 3600.0;
    let took = written[waited.len() - 1].at.duration_since(last);
    measured(
        "G28",
        &format!(
            "{hours:.1} h without writes, {} records waiting: all written within {:.1} h, at most {peak} requests in any \
             minute at an allowance of {PER_MINUTE}; no second trip, all oldest first",
            waited.len(),
            took.as_secs_f64() / 3600.0
        ),
    );
}

/// All requests from now on until the daemon has drained: the sandbox itself forgets the oldest.
async fn listen(sandbox: Arc<Inner>, ended: Arc<AtomicBool>) -> Vec<Entry> {
    let (clock, mut journal) = (SystemClock::default(), Vec::<Entry>::new());
    loop {
        let ends = ended.load(Ordering::Relaxed);
        let since = journal.last().map_or(0, |entry| entry.seq);
        journal.extend(sandbox.journal.since(since, Some("servicenow")));
        if ends {
            return journal;
        }
        clock.sleep_until(Some(clock.now() + LISTENS_EVERY), &Wake::default()).await;
    }
}

/// When the flags were raised that waited for the end of the outage, in the order of the writing: the mark says so.
fn waited(written: &[&Entry], end: Timestamp) -> Vec<i64> {
    let raised = |entry: &&Entry| {
        let (_, rest) = entry.body.split_once(":warning:")?;
        rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
    };
    written.iter().filter_map(raised).filter(|at| *at < end.as_second()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn intake_beyond_what_the_disk_takes_is_sent_away_and_what_was_acknowledged_is_kept() {
    let rig = Rig::new().await;
    let cases = rig.import().await;
    let mut environment = over(&rig.state_dir());
    environment.push(("SHIM_SLOW", "1500".into()));
    let daemon = rig.start(&environment);
    let came = rig.hammer("flood", 64, 4, &cases).await;
    assert!(came.busy > 0 && !came.acknowledged.is_empty(), "{} {}", came.busy, came.acknowledged.len());
    daemon.signal("KILL");
    daemon.end();
    assert_eq!(forgotten(&rig, &came.acknowledged).await, 0);
    println!("overload: {} sent away, 0 of {} acknowledged lost", came.busy, came.acknowledged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_hangs_slows_no_other() {
    let rig = Rig::new().await;
    let cases = rig.import().await;
    rig.add_zendesk();
    let daemon = rig.start(&Environment::new());
    let row = |status: &serde_json::Value, name: &str, key: &str| {
        let sources = status["sources"].as_array().cloned().unwrap_or_default();
        sources.iter().find(|source| source["name"] == name).map(|source| source["row"][key].clone())
    };
    let pages = |status: &serde_json::Value, name: &str| row(status, name, "pages").and_then(|n| n.as_u64());
    rig.until(&["status"], |status| row(status, "zendesk", "imported") == Some(true.into()));
    let hang = all(Fault::Slow { millis: 600_000 }, "zendesk", None, 1_000);
    assert!(rig.sandbox.sandbox().inner.stage.faults.order(hang));
    rig.until(&["status"], |status| pages(status, "desk") >= Some(2));
    let calm = rig.hammer("calm", 4, 50, &cases).await;
    let before = rig.json(&["status"]);
    let status =
        rig.until(&["status"], |status| pages(status, "desk") >= pages(&before, "desk").map(|n| n + 3));
    assert!(pages(&status, "zendesk") <= pages(&before, "zendesk").map(|n| n + 1), "zendesk hangs");
    assert_eq!((calm.acknowledged.len(), calm.busy), (200, 0));
    drop(daemon);
}
