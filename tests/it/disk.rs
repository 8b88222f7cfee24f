//! A failing disk under the real binary: syncs that fail, no room left, a damaged database. Nothing acknowledged is lost,
//! and the daemon says what is wrong.

use crate::play::{End, Play, world};
use crate::power::forgotten;
use crate::reliability::{measured, wanted};
use crate::rig::Rig;
use crate::shim::{Cut, Dial, Environment, over};
use dutyd::daemon::DATABASE;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Failing syncs and full disks of the ordinary suite; `DUTYD_EIO` and `DUTYD_FULL` ask for more.
const FAILING: u64 = 5;
const FULL: u64 = 3;
const CALLERS: usize = 8;

/// Reading or writing failed: the service manager starts it again.
const EXIT_STORAGE: Option<i32> = Some(74);

/// What each caller sends at most until the sync is reached.
const DELIVERIES: usize = 2_000;
/// The sync that fails: each one in a long run, some of the first hundred in a short one.
fn failing(nth: u64, all: u64) -> u64 {
    if all > FAILING { nth + 1 } else { 1 + nth * 29 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_ends_the_daemon_and_nothing_acknowledged_is_lost() {
    let rig = Rig::new().await;
    let cases = rig.import().await;
    let (all, mut acknowledged) = (wanted("DUTYD_EIO", FAILING), 0);
    for nth in 0..all {
        let disk = Cut::beside(&rig.state_dir());
        let mut environment = disk.arm(0, nth);
        environment.push(("SHIM_EIO", failing(nth, all).to_string().into()));
        let daemon = rig.start(&environment);
        let came = rig.hammer(&format!("eio{nth}"), CALLERS, DELIVERIES, &cases).await;
        daemon.signal("TERM");
        assert_eq!(daemon.end().code(), EXIT_STORAGE, "sync {}: {}", failing(nth, all), rig.log());
        // What a power cut would leave now: the page cache knows more than the disk.
        disk.restore();
        let gone = forgotten(&rig, &came.acknowledged).await;
        assert_eq!(gone, 0, "sync {}: of {} acknowledged", failing(nth, all), came.acknowledged.len());
        acknowledged += came.acknowledged.len();
    }
    measured(
        "G24.sync",
        &format!("{all} failed syncs: each ended with 74, 0 of {acknowledged} acknowledged lost"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_syncs_fail_is_started_again_and_misses_and_doubles_nothing() {
    let mut play = Play::of(world(8)).await;
    let disk = Cut::beside(&play.state_dir());
    let mut failed = 0;
    for nth in [6, 20, 45, 80] {
        play.disturbed = disk.arm(0, nth);
        play.disturbed.push(("SHIM_EIO", nth.to_string().into()));
        if play.run_disturbed().await == End::Drained {
            break;
        }
        failed += 1;
        disk.restore();
    }
    play.disturbed.clear();
    play.run().await;
    assert!(failed > 1, "{failed} syncs failed");
    play.is_right("failing syncs").await;
    play.nobody_is_obeyed("failing syncs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_sends_webhooks_away_says_so_and_goes_on_once_there_is_room() {
    let rig = Rig::new().await;
    let cases = rig.import().await;
    let (all, mut acknowledged, mut sent_away) = (wanted("DUTYD_FULL", FULL), 0, 0);
    for nth in 0..all {
        let room = Dial::at(&rig.file("room"), 100_000 + (nth as i64 * 77_773) % 900_000);
        let mut environment = over(&rig.state_dir());
        environment.push(("SHIM_ROOM", room.path()));
        let daemon = rig.start(&environment);
        let mut came = rig.hammer(&format!("full{nth}"), CALLERS, 100, &cases).await;
        for round in 0..100 {
            if came.busy > 0 {
                break;
            }
            came.add(rig.hammer(&format!("full{nth}-{round}"), CALLERS, 100, &cases).await);
        }
        assert!(came.busy > 0, "the disk never filled up");
        let status = rig.until(&["status"], |status| status["storage"]["full"] == true);
        assert_eq!(status["running"], true, "{}", rig.log());
        let (code, body) = rig.page("/readyz").await;
        assert!(code == 503 && body.contains("disk full"), "{code} {body}");

        room.turn(i64::MAX);
        rig.until(&["status"], |status| status["storage"]["full"] == false);
        let again = rig.hammer(&format!("room{nth}"), CALLERS, 10, &cases).await;
        assert_eq!((again.acknowledged.len(), again.busy), (CALLERS * 10, 0), "{}", rig.log());
        sent_away += came.busy;
        came.add(again);
        daemon.signal("KILL");
        daemon.end();
        assert_eq!(forgotten(&rig, &came.acknowledged).await, 0, "of {}", came.acknowledged.len());
        acknowledged += came.acknowledged.len();
    }
    measured(
        "G24.full",
        &format!(
            "{all} full disks: {sent_away} sent away, 0 of {acknowledged} acknowledged lost, went on by itself"
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_little_free_webhooks_are_sent_away_and_work_goes_on() {
    let rig = Rig::new().await;
    rig.keeping_free("900TB");
    let cases = rig.import().await;
    let daemon = rig.start(&Environment::new());
    let came = rig.hammer("short", 2, 5, &cases).await;
    assert_eq!((came.acknowledged.len(), came.busy), (0, 10));
    let status = rig.until(&["status"], |status| status["sources"][0]["row"]["imported"] == true);
    assert!(status["storage"]["free_bytes"].as_u64() < status["storage"]["least_bytes"].as_u64(), "{status}");
    let (code, body) = rig.page("/readyz").await;
    assert!(code == 503 && body.contains("disk short"), "{code} {body}");
    assert_eq!(daemon.stop().code(), Some(0), "{}", rig.log());
}

/// A file system in memory, where nobody else takes or gives room meanwhile.
const OWN_DISK: &str = "/dev/shm";
/// How much more than must stay free is free, and what is put there.
const SPARE_BYTES: u64 = 16_000_000;
const BALLAST_BYTES: u64 = 32_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_running_daemon_whose_disk_gets_short_sends_webhooks_away_and_goes_on_once_there_is_room() {
    let rig = Rig::on(Path::new(OWN_DISK)).await;
    let cases = rig.import().await;
    let disk = rustix::fs::statvfs(OWN_DISK).expect("the disk");
    rig.keeping_free(&format!("{}MB", (disk.f_bavail * disk.f_frsize - SPARE_BYTES) / 1_000_000));
    let daemon = rig.start(&Environment::new());
    let mut kept = rig.hammer("before", 2, 20, &cases).await;
    assert_eq!((kept.acknowledged.len(), kept.busy), (40, 0), "{}", rig.log());
    for round in 0..3 {
        let ballast = rig.file("ballast");
        std::fs::write(&ballast, vec![0; BALLAST_BYTES as usize]).expect("ballast");
        let came = rig.hammer(&format!("short{round}"), 2, 20, &cases).await;
        assert_eq!((came.acknowledged.len(), came.busy), (0, 40), "{}", rig.log());
        let status = rig.json(&["status"]);
        assert!(
            status["storage"]["free_bytes"].as_u64() < status["storage"]["least_bytes"].as_u64(),
            "{status}"
        );
        assert_eq!(status["running"], true);
        let (code, body) = rig.page("/readyz").await;
        assert!(
            code == 503 && body.contains("disk short") && body.contains("until there is room"),
            "{code} {body}"
        );

        std::fs::remove_file(&ballast).expect("room");
        let came = rig.hammer(&format!("room{round}"), 2, 20, &cases).await;
        assert_eq!((came.acknowledged.len(), came.busy), (40, 0), "{}", rig.log());
        assert_eq!(rig.page("/readyz").await.0, 200, "{}", rig.log());
        kept.add(came);
    }
    assert!(rig.log().contains("the disk has room again"), "{}", rig.log());
    daemon.signal("KILL");
    daemon.end();
    assert_eq!(forgotten(&rig, &kept.acknowledged).await, 0, "of {}", kept.acknowledged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_set_aside_and_everything_is_read_anew() {
    let rig = Rig::new().await;
    rig.import().await;
    let path = rig.state_dir().join(DATABASE);
    for nth in 1..=3 {
        let file = std::fs::File::options().write(true).open(&path).expect("the database");
        file.write_all_at(&[0xa5; 8_192], 4_096).expect("damage");
        rig.import().await;
        assert!(rig.log().contains("set aside"), "{}", rig.log());
        assert!(rig.state_dir().join(format!("{DATABASE}.damaged-{nth}")).exists());
    }
    let file = std::fs::File::options().write(true).open(&path).expect("the database");
    file.write_all_at(&[0xa5; 8_192], 4_096).expect("damage");
    let daemon = rig.start(&Environment::new());
    assert_eq!(daemon.end().code(), EXIT_STORAGE);
    assert!(rig.log().contains("this machine's disk or memory is failing"), "{}", rig.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_none_any_more_ends_the_daemon_once_and_the_next_start_reads_everything_anew() {
    let rig = Rig::new().await;
    rig.import().await;
    let database = rusqlite::Connection::open(rig.state_dir().join(DATABASE)).expect("the database");
    let damaged = database.execute("UPDATE meta SET value = CAST(x'ff41' AS TEXT) WHERE key = 'policy'", []);
    assert_eq!(damaged.expect("damaged"), 1);
    drop(database);
    let daemon = rig.start(&Environment::new());
    assert_eq!(daemon.end().code(), EXIT_STORAGE, "{}", rig.log());
    assert!(rig.log().contains("the database is damaged"), "{}", rig.log());
    rig.import().await;
    assert!(rig.log().contains("set aside"), "{}", rig.log());
    assert!(rig.state_dir().join(format!("{DATABASE}.damaged-1")).exists());
}
