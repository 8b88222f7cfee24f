//! More than can be done at once: intake beyond what the disk takes, a backlog after an outage, a vendor that hangs. Nothing
//! acknowledged is lost, recovery has a limited rate, and one vendor's trouble stays his own.

use crate::play::{Play, world};
use crate::power::forgotten;
use crate::reliability::{measured, wanted};
use crate::rig::Rig;
use crate::shim::{Environment, over};
use dutyd_sandbox::Options;
use dutyd_sandbox::faults::{Fault, Match, Order, When};
use dutyd_sandbox::journal::Entry;
use jiff::SignedDuration;
use std::collections::BTreeMap;

/// Cases that wait at the end of the outage in the ordinary suite, about; `DUTYD_BACKLOG` asks for more.
const BACKLOG: u64 = 60;
/// What the daemon allows itself.
const PER_MINUTE: u64 = 240;
/// Refused writes that make an outage of about six hours: the daemon tries every quarter of an hour or sooner.
const REFUSALS: u64 = 45;

const SOON: SignedDuration = SignedDuration::from_mins(30);

/// Fires one by one while the vendor takes no writes.
const RULE: &str = "[[rules]]\nname = \"old\"\ntitle = \"Old\"\ntext = \"Open for {case.age.wall}.\"\n\
                    severity = \"warning\"\nwhen = \"case.open && case.age.wall >= hours(20)\"\n";

fn all(fault: Fault, vendor: &str, method: Option<&str>, times: u64) -> Order {
    let matching = Match { method: method.map(str::to_owned), ..Match::default() };
    Order { vendor: Some(vendor.to_owned()), matching, when: When::Before, fault, skip: 0, times }
}

/// Requests per minute of the world's time, for each minute.
fn by_minute<'a>(entries: impl Iterator<Item = &'a Entry>) -> BTreeMap<i64, u64> {
    let mut minutes = BTreeMap::new();
    entries.for_each(|entry| *minutes.entry(entry.at.as_second().div_euclid(60)).or_default() += 1);
    minutes
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_what_waits_is_written_at_a_limited_rate_oldest_first() {
    let backlog = wanted("DUTYD_BACKLOG", BACKLOG);
    // Cases of the last day: a good part of them grows old during the outage.
    let options = Options { cases: backlog * 3, past_days: 1, cases_per_day: Some(1.0), ..world(14) };
    let mut play = Play::of(options).await;
    std::fs::remove_dir_all(play.stage.dir.join("policy")).ok();
    std::fs::create_dir(play.stage.dir.join("policy")).expect("a folder");
    std::fs::write(play.stage.dir.join("policy/rules.toml"), RULE).expect("a policy");
    let connector = play.stage.dir.join("connectors/servicenow.toml");
    let text = std::fs::read_to_string(&connector).expect("a connector file");
    let limited = text.replace("requests_per_minute = 6000", &format!("requests_per_minute = {PER_MINUTE}"));
    assert_ne!(text, limited);
    std::fs::write(&connector, limited).expect("a connector file");
    assert!(play.sandbox().stage.faults.order(all(
        Fault::Unavailable,
        "servicenow",
        Some("PATCH"),
        REFUSALS
    )));
    play.run().await;

    let journal = play.sandbox().journal.since(0, Some("servicenow"));
    let refused: Vec<&Entry> = journal.iter().filter(|entry| entry.fault.is_some()).collect();
    let (first, last) = (refused.first().expect("an outage").at, refused.last().expect("an outage").at);
    let outage = last.duration_since(first);
    let after: Vec<&Entry> = journal.iter().filter(|entry| entry.at > last).collect();
    let peak = by_minute(after.iter().copied()).into_values().max().unwrap_or(0);
    let written: Vec<&str> =
        after.iter().filter(|entry| entry.method == "PATCH").map(|entry| entry.path.as_str()).collect();
    assert!(after.iter().all(|entry| entry.status < 400), "a second trip");
    // Governor lets half a minute's worth through at once.
    assert!(peak <= PER_MINUTE * 3 / 2, "{peak} requests in a minute");
    assert!(written.len() as u64 >= backlog / 4, "{} written after {outage:#}", written.len());
    let in_order = in_order(&play, &written).await;
    // New flags come in meanwhile, and go before older ones that are less severe.
    assert!(in_order > 0.8, "{in_order:.2} of {} writes in order", written.len());
    play.is_right("outage").await;
    let soon = |entry: &&&Entry| entry.method == "PATCH" && entry.at.duration_since(last) <= SOON;
    let at_once = after.iter().filter(soon).count();
    let hours = outage.as_secs_f64() / 3600.0;
    measured(
        "G28",
        &format!(
            "{hours:.1} h without writes; {at_once} records written in the 30 min after it, at most {peak} requests in a \
             minute at an allowance of {PER_MINUTE}; no second trip, oldest first"
        ),
    );
}

/// Share of neighbours in this sequence of writes that are in the order in which their flags were raised.
async fn in_order(play: &Play, written: &[&str]) -> f64 {
    let mut raised = BTreeMap::new();
    for (state, _) in play.memory().await {
        raised.insert(state.case.key.id.clone(), state.flags.iter().map(|flag| flag.raised_at).min());
    }
    let of = |path: &&str| raised.iter().find(|(id, _)| path.contains(id.as_str())).map(|(_, at)| *at);
    let order: Vec<_> = written.iter().filter_map(of).collect();
    let pairs = order.windows(2).count().max(1);
    order.windows(2).filter(|pair| pair[0] <= pair[1]).count() as f64 / pairs as f64
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
