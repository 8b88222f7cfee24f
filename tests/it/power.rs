//! Power cuts on the real binary: of what it wrote, only what it had synced is there afterwards, and of the rest some
//! sectors by chance. See shim.c.

use crate::play::{End, Play, world};
use crate::reliability::{measured, wanted};
use crate::rig::{Rig, now};
use crate::shim::Cut;
use dutyd::daemon::DATABASE;
use dutyd::store::Store;
use dutyd::store::sqlite::SqliteStore;
use dutyd_connectors::Hint;
use dutyd_core::case::CaseKey;
use dutyd_sandbox::Options;

/// Cuts of each test in the ordinary suite; `DUTYD_CUTS` asks for more.
const CUTS: u64 = 6;
const CUTS_PER_WORLD: u64 = 20;
/// Callers that ring at once, so that a sync serves many.
const CALLERS: usize = 8;

/// The sync at which the power fails: soon after the start and far from it.
fn sync(nth: u64) -> u64 {
    1 + nth * 37 % 151
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cuts_at_any_sync_lose_and_double_nothing() {
    let (wanted, mut cuts, mut seed) = (wanted("DUTYD_CUTS", CUTS), 0, 1);
    while cuts < wanted {
        let mut play = Play::of(Options { seed, ..world(8) }).await;
        let disk = Cut::beside(&play.state_dir());
        for nth in 0..(wanted - cuts).min(CUTS_PER_WORLD) {
            play.disturbed = disk.arm(sync(cuts + nth), cuts + nth);
            if play.run_disturbed().await == End::Drained {
                break;
            }
            disk.restore();
        }
        play.disturbed.clear();
        play.run().await;
        let what = format!("power, seed {seed}, {} cuts", play.kills);
        play.is_right(&what).await;
        play.nobody_is_obeyed(&what).await;
        assert!(play.kills > 0, "the power never failed with seed {seed}");
        (cuts, seed) = (cuts + play.kills, seed + 1);
    }
}

/// How many of these acknowledged webhooks the database does not know.
pub async fn forgotten(rig: &Rig, acknowledged: &[String]) -> usize {
    let store = SqliteStore::open(&rig.state_dir().join(DATABASE), 1, now()).await.expect("a sound database");
    let of = |id: &String| {
        let key = CaseKey::new("desk", "x");
        Hint { key, revision: None, delivery_id: Some(id.clone()) }
    };
    store.note_delivery("desk", acknowledged.iter().map(of).collect(), now()).await.expect("noted")
}

/// Rings until the power fails, and looks. Answers how many were acknowledged and how many of them are gone.
async fn cut_under_load(rig: &Rig, cases: &[String], nth: u64, lies: bool) -> (usize, usize) {
    let disk = Cut::beside(&rig.state_dir());
    let mut environment = disk.arm(60 + sync(nth), nth);
    if lies {
        environment.push(("SHIM_LIES", "1".into()));
    }
    let daemon = rig.start(&environment);
    let came = rig.hammer(&format!("cut{nth}"), CALLERS, usize::MAX, cases).await;
    drop(daemon);
    disk.restore();
    (came.acknowledged.len(), forgotten(rig, &came.acknowledged).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_acknowledged_before_a_power_cut_is_in_the_database_after_it() {
    let rig = Rig::new().await;
    let cases = rig.import().await;
    let (cuts, mut acknowledged) = (wanted("DUTYD_CUTS", CUTS), 0);
    for nth in 0..cuts {
        let (told, gone) = cut_under_load(&rig, &cases, nth, false).await;
        assert_eq!(gone, 0, "cut {nth}: of {told} acknowledged");
        acknowledged += told;
    }
    assert!(acknowledged > 0, "nobody rang");
    measured(
        "G2",
        &format!("{cuts} cuts under load, torn sectors: 0 of {acknowledged} acknowledged lost, 0 damaged"),
    );
}

/// Shows that the test above would notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_lies_about_syncs_is_noticed_by_this_test() {
    let rig = Rig::new().await;
    let cases = rig.import().await;
    let (told, gone) = cut_under_load(&rig, &cases, 1, true).await;
    assert!(gone > 0, "of {told} acknowledged none is gone");
}
