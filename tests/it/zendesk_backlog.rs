//! A page of a thousand changed tickets of Zendesk, whose comments are a thousand requests, worked off at the real limits
//! of a plan by the real daemon, across throttles and kills: nothing is lost, nothing stands twice, and writing back goes
//! before reading on.

use crate::play::{End, Moment, Play, world};
use dutyd_core::decide::DecisionKind;
use dutyd_sandbox::Options;
use dutyd_sandbox::faults::{Fault, Match, Order, When};
use dutyd_sandbox::journal::Entry;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;

const TICKETS: usize = 1_000;
/// Vendor: requests per minute of a Team plan, the smallest with an API.
const PLAN: u64 = 200;
/// After a kill it is waited so long before it is asked whether a write arrived.
const QUIET_SECONDS: i64 = 120;
const AUDITS: Moment =
    Moment { method: Some("GET"), path: Some("/audits"), body: None, when: When::After, later_ms: 0 };
const UPDATE: Moment = Moment { method: Some("PUT"), path: Some("/tickets/"), ..AUDITS };

fn throttles(play: &Play) {
    let matching = Match { path_contains: Some("/audits".to_owned()), ..Match::default() };
    let fault = Fault::Throttled { retry_after: 40 };
    let order =
        Order { vendor: Some("zendesk".to_owned()), matching, when: When::Before, fault, skip: 60, times: 5 };
    assert!(play.sandbox().stage.faults.order(order));
}

/// The ticket of an address like `/api/v2/tickets/17/audits?…`.
fn ticket_of(path: &str) -> Option<u64> {
    let rest = path.strip_prefix("/api/v2/tickets/")?;
    rest.split(['/', '?']).next()?.parse().ok()
}

fn is_history(entry: &Entry) -> bool {
    entry.method == "GET" && entry.path.contains("/audits") && entry.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_changed_tickets_are_worked_off_at_the_plans_limits_and_writes_go_first() {
    let switches = vec![("zendesk".to_owned(), "requests_per_minute".to_owned(), json!(PLAN))];
    let options = Options {
        vendors: vec!["zendesk".to_owned()],
        cases: TICKETS as u64,
        switches,
        cases_per_day: Some(2.0),
        ..world(1)
    };
    let mut play = Play::of(options).await;
    throttles(&play);
    assert_eq!(play.run_until(AUDITS, 250).await, End::Killed);
    throttles(&play);
    assert_eq!(play.run_until(UPDATE, 10).await, End::Killed);
    assert_eq!(play.run_until(AUDITS, 300).await, End::Killed);
    play.run().await;

    let summary = play.summary().await;
    let vendor = &summary.vendors["zendesk"];
    assert!(vendor.flagged > 0 && vendor.notes > 0, "{vendor:?}");
    assert_eq!((vendor.missing, vendor.doubled), (0, 0), "{vendor:?}");

    let journal = play.sandbox().journal.since(0, Some("zendesk"));
    let writer = &journal.iter().find(|entry| entry.method == "PUT").expect("the daemon writes").user;
    let daemons: Vec<&Entry> = journal.iter().filter(|entry| entry.user == *writer).collect();
    let mut reads: BTreeMap<u64, usize> = BTreeMap::new();
    for entry in daemons.iter().filter(|entry| is_history(entry)) {
        *reads.entry(ticket_of(&entry.path).expect("the ticket of a history")).or_default() += 1;
    }
    assert!(reads.len() >= TICKETS, "{} histories were read", reads.len());
    assert!(journal.iter().filter(|entry| entry.status == 429).count() > 1, "nothing was throttled");
    let memory = play.memory().await;
    let raised = memory.iter().filter_map(|(state, decisions)| {
        let first = decisions.iter().filter(|one| one.kind == DecisionKind::Raise).map(|one| one.at).min()?;
        Some((state.case.key.id.parse().ok()?, first))
    });
    writes_go_first(&daemons, &raised.collect());
    within_the_plan(&daemons);
}

/// From a flag to the mark it takes much less time than the backlog, whatever was read meanwhile.
fn writes_go_first(journal: &[&Entry], raised: &BTreeMap<u64, Timestamp>) {
    let histories: Vec<&&Entry> = journal.iter().filter(|entry| is_history(entry)).collect();
    let (first, last) = (histories[0].at, histories[TICKETS - 1].at);
    let backlog = last.duration_since(first);
    let mut marked: BTreeMap<u64, SignedDuration> = BTreeMap::new();
    for entry in journal.iter().filter(|entry| entry.method == "PUT" && entry.status == 200) {
        let ticket = ticket_of(&entry.path).expect("the ticket of an update");
        let wait = entry.at.duration_since(raised[&ticket]);
        marked.entry(ticket).or_insert(wait);
    }
    let mut waits: Vec<i64> = marked.values().map(|wait| wait.as_secs()).collect();
    waits.sort_unstable();
    assert!(backlog.as_secs() >= 300, "the backlog was worked off in {backlog:?}");
    assert!(waits.len() > 100, "{} tickets were marked", waits.len());
    let (most, longest) = (waits[waits.len() * 9 / 10], waits[waits.len() - 1]);
    // The notes that a new database holds back for two minutes then go between the marks.
    assert!(most <= 30, "nine of ten marks took up to {most} s while {backlog:?} were read");
    assert!(longest <= QUIET_SECONDS + 60, "one mark took {longest} s");
}

/// In no minute of the vendor's clock more is asked than the plan grants.
fn within_the_plan(journal: &[&Entry]) {
    let mut minutes: BTreeMap<i64, u64> = BTreeMap::new();
    for entry in journal.iter().filter(|entry| entry.status != 429) {
        *minutes.entry(entry.at.as_second().div_euclid(60)).or_default() += 1;
    }
    let busiest = minutes.values().max().copied().unwrap_or_default();
    assert!(busiest <= 2 * PLAN, "{busiest} requests in a minute");
}
