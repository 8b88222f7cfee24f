//! A soak: webhooks and polls for as long as asked, looking now and then at memory, descriptors and the log.

use crate::reliability::{measured, wanted};
use crate::rig::{Rig, now};
use crate::shim::Environment;
use dutyd::daemon::DATABASE;
use jiff::SignedDuration;

/// Seconds of the ordinary suite; `DUTYD_SOAK_SECONDS` asks for more.
const SECONDS: u64 = 6;
const CALLERS: usize = 4;
const LOG_MAX_MB: u64 = 128;
/// What memory may grow by after the first third, and descriptors.
const GROWTH_MAX_MB: u64 = 32;
const DESCRIPTORS_MORE_MAX: usize = 16;

#[derive(Debug, Clone, Copy)]
struct Look {
    memory_mb: u64,
    descriptors: usize,
    log_mb: u64,
}

fn look(rig: &Rig, pid: u32) -> Look {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count();
    let log = rig.state_dir().join(format!("{DATABASE}-wal"));
    let log_mb = std::fs::metadata(log).map_or(0, |data| data.len() / 1_000_000);
    Look { memory_mb: kilobytes / 1_000, descriptors, log_mb }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_descriptors_and_log_stay_flat_under_lasting_load() {
    let seconds = wanted("DUTYD_SOAK_SECONDS", SECONDS);
    let rig = Rig::new().await;
    let cases = rig.import().await;
    let daemon = rig.start(&Environment::new());
    let (began, mut looks, mut acknowledged) = (now(), Vec::new(), 0);
    let lasting = SignedDuration::from_secs(i64::try_from(seconds).expect("a span"));
    while now().duration_since(began) < lasting {
        let came = rig.hammer(&format!("soak{}", looks.len()), CALLERS, 50, &cases).await;
        assert_eq!(came.busy, 0);
        acknowledged += came.acknowledged.len();
        looks.push(look(&rig, daemon.child.id()));
    }
    let (early, last) = (looks[looks.len() / 3], looks[looks.len() - 1]);
    let log_mb = looks.iter().map(|look| look.log_mb).max().unwrap_or(0);
    assert!(last.memory_mb <= early.memory_mb + GROWTH_MAX_MB, "{early:?} {last:?}");
    assert!(last.descriptors <= early.descriptors + DESCRIPTORS_MORE_MAX, "{early:?} {last:?}");
    assert!(log_mb < LOG_MAX_MB, "{log_mb} MB");
    assert_eq!(daemon.stop().code(), Some(0), "{}", rig.log());
    measured(
        "G26",
        &format!(
            "{seconds} s, {acknowledged} webhooks: memory {} → {} MB, descriptors {} → {}, log at most {log_mb} MB",
            early.memory_mb, last.memory_mb, early.descriptors, last.descriptors
        ),
    );
}
