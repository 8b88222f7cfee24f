//! Histories that are hard to follow: many changes in one second, changes between two pages, commits that become visible
//! late, a search index that lags, accounts in odd time zones. A reader without webhooks follows them and must end with
//! every case as it is.
//!
//! Connector and sandbox alone, without engine and store: so that there can be many. The reader's clock is the vendor's;
//! wrong clocks are the simulation's.

use crate::contract::subject::{SERVICENOW, Subject, ZENDESK};
use crate::contract::world::{Reader, SOURCE, Setting, World};
use crate::contract::{jira_sites, salesforce_org};
use crate::reliability::{measured, wanted};
use dutyd_core::case::CaseKey;
use dutyd_sandbox::dice;
use serde_json::json;
use std::cell::Cell;

/// Rounds of edits, time and reading.
const ROUNDS: u64 = 8;
/// The dearest commit that the connectors' overlap must cover, in seconds.
const LATE_COMMIT_MAX: u64 = 540;
const INDEX_LAG_MAX: u64 = 240;
const ZONES: [&str; 5] =
    ["UTC", "Pacific/Pago_Pago", "Pacific/Kiritimati", "Asia/Kathmandu", "Australia/Lord_Howe"];

/// Follows one history to its end; how many edits it had.
async fn follow(subject: &'static Subject, seed: u64) -> u64 {
    let roll = |what: &str, nth: u64, bound: u64| {
        dice::hash(seed, &[subject.vendor.as_bytes(), what.as_bytes(), &nth.to_le_bytes()]) % bound
    };
    let mut switches = Vec::new();
    if let Some(zone) = subject.zone_switch {
        switches.push((zone, json!(ZONES[roll("zone", 0, ZONES.len() as u64) as usize])));
    }
    match subject.vendor {
        "salesforce" => switches.push(("late_commit_seconds", json!(roll("late", 0, LATE_COMMIT_MAX)))),
        "jira" | "jira_dc" => switches.push(("index_lag_seconds", json!(roll("late", 0, INDEX_LAG_MAX)))),
        _ => {}
    }
    let setting = Setting {
        cases: 6,
        page_size: u32::try_from(roll("page", 0, 30) + 10).unwrap_or(10),
        switches,
        ..Setting::new(roll("hostile", 0, 3) == 0)
    };
    let world = World::new(subject, &setting).await;
    let mut ids: Vec<String> = (subject.titles)(&world.history()).into_keys().collect();
    let edits = Cell::new(0);
    let mut reader = Reader::default();
    for round in 0..ROUNDS {
        // All in the same second.
        for nth in 0..roll("burst", round, 12) {
            let id = &ids[roll("which", round * 100 + nth, ids.len() as u64) as usize];
            world.rename_if_open(&CaseKey::new(SOURCE, id.as_str()), &format!("{round}.{nth}")).await;
            edits.set(edits.get() + 1);
        }
        if roll("open", round, 3) == 0 {
            ids.push(world.create(&format!("opened in round {round}")).await.id);
        }
        world.pass(roll("pass", round, [2, 90, 900][roll("scale", round, 3) as usize]).cast_signed()).await;
        reader
            .sync_with(&world, async |page| {
                if page < 4 && roll("between", round * 10 + page as u64, 2) == 0 {
                    let id = &ids[roll("one", round * 10 + page as u64, ids.len() as u64) as usize];
                    let title = format!("behind page {page} of round {round}");
                    world.rename_if_open(&CaseKey::new(SOURCE, id.as_str()), &title).await;
                    edits.set(edits.get() + 1);
                }
            })
            .await;
    }
    world.sandbox.inner.freeze().await;
    world.pass(900).await;
    world.pass_the_lag().await;
    reader.sync(&world).await;
    assert_eq!(reader.titles(), (subject.titles)(&world.history()), "{} {seed}", subject.vendor);
    edits.get()
}

#[tokio::test]
async fn a_history_that_is_hard_to_read_is_read_to_the_last_change() {
    let histories = wanted("DUTYD_HISTORIES", 6);
    let subjects =
        [&SERVICENOW, &ZENDESK, &jira_sites::CLOUD, &jira_sites::DATA_CENTER, &salesforce_org::SALESFORCE];
    let mut edits = 0;
    for subject in subjects {
        for seed in 1..=histories {
            edits += follow(subject, seed).await;
        }
    }
    assert!(edits > 0, "nothing was edited");
    let figure = format!(
        "{histories} histories of each of {} systems, {edits} edits: 0 cases differ in the end",
        subjects.len()
    );
    measured("G9", &figure);
}
