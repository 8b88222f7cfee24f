//! A soak: webhooks at a steady rate, replies and polls for as long as asked, looking each second at memory, descriptors
//! and the log.

use crate::reliability::{measured, wanted};
use crate::rig::{Rig, now};
use crate::shim::Environment;
use dutyd::clock::{Clock, SystemClock, Wake};
use dutyd::daemon::DATABASE;
use dutyd_sandbox::vendor::Command;
use jiff::SignedDuration;

/// Seconds of the ordinary suite; `DUTYD_SOAK_SECONDS` asks for more.
const SECONDS: u64 = 6;
/// What rings each second.
const CALLERS: usize = 5;
const WEBHOOKS_EACH: usize = 10;
/// A customer writes every so many seconds.
const REPLY_EVERY: usize = 10;
const LOG_MAX_MB: u64 = 128;
/// What memory may grow by after the first third, and descriptors.
const GROWTH_MAX_KB: u64 = 32_000;
const DESCRIPTORS_MORE_MAX: usize = 16;

#[derive(Debug, Clone, Copy)]
struct Look {
    seconds: f64,
    memory_kb: u64,
    descriptors: usize,
    log_mb: u64,
}

fn look(rig: &Rig, pid: u32, seconds: f64) -> Look {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    let memory_kb = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count();
    let log = rig.state_dir().join(format!("{DATABASE}-wal"));
    let log_mb = std::fs::metadata(log).map_or(0, |data| data.len() / 1_000_000);
    Look { seconds, memory_kb, descriptors, log_mb }
}

/// Kilobytes per hour, by least squares.
fn slope(looks: &[Look]) -> f64 {
    let count = looks.len() as f64;
    let middle = |of: fn(&Look) -> f64| looks.iter().map(of).sum::<f64>() / count;
    let (at, kb) = (middle(|look| look.seconds), middle(|look| look.memory_kb as f64));
    let together: f64 = looks.iter().map(|look| (look.seconds - at) * (look.memory_kb as f64 - kb)).sum();
    let spread: f64 = looks.iter().map(|look| (look.seconds - at).powi(2)).sum();
    3_600.0 * together / spread.max(f64::MIN_POSITIVE)
}

/// A customer writes to one case after the other.
fn reply(rig: &Rig, cases: &[String], nth: usize) {
    let sandbox = rig.sandbox.sandbox().inner.clone();
    let vendor = sandbox.vendor("servicenow").expect("ServiceNow plays");
    let id = cases[nth % cases.len()].clone();
    let text = format!("Any news? I ask for the {nth}th time.");
    let order = Command::Reply { id, from_customer: true, public: true, text, by: None };
    vendor.command(&order, sandbox.stage.clock.now()).expect("a reply");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_descriptors_and_log_stay_flat_under_lasting_load() {
    let seconds = usize::try_from(wanted("DUTYD_SOAK_SECONDS", SECONDS)).expect("a span");
    let rig = Rig::new().await;
    let cases = rig.import().await;
    let daemon = rig.start(&Environment::new());
    let (clock, began, mut looks, mut acknowledged) = (SystemClock::default(), now(), Vec::new(), 0);
    for nth in 0..seconds {
        if nth % REPLY_EVERY == 0 {
            reply(&rig, &cases, nth / REPLY_EVERY);
        }
        let came = rig.hammer(&format!("soak{nth}"), CALLERS, WEBHOOKS_EACH, &cases).await;
        assert_eq!(came.busy, 0);
        acknowledged += came.acknowledged.len();
        // The pace, not a wait for anything.
        let next = SignedDuration::from_secs(nth as i64 + 1);
        clock.sleep_until(Some(began + next), &Wake::default()).await;
        looks.push(look(&rig, daemon.child.id(), now().duration_since(began).as_secs_f64()));
    }
    let settled = &looks[looks.len() / 3..];
    let (early, last) = (settled[0], settled[settled.len() - 1]);
    let log_mb = looks.iter().map(|look| look.log_mb).max().unwrap_or(0);
    assert!(last.memory_kb <= early.memory_kb + GROWTH_MAX_KB, "{early:?} {last:?}");
    assert!(last.descriptors <= early.descriptors + DESCRIPTORS_MORE_MAX, "{early:?} {last:?}");
    assert!(log_mb < LOG_MAX_MB, "{log_mb} MB");
    assert_eq!(daemon.stop().code(), Some(0), "{}", rig.log());
    measured(
        "G26",
        &format!(
            "{:.0} s, {acknowledged} webhooks and {} replies: memory {:.1} → {:.1} MB after the first third, {:+.2} MB/h, \
             descriptors {} → {}, log at most {log_mb} MB",
            last.seconds,
            seconds.div_ceil(REPLY_EVERY),
            early.memory_kb as f64 / 1e3,
            last.memory_kb as f64 / 1e3,
            slope(settled) / 1e3,
            early.descriptors,
            last.descriptors
        ),
    );
}
