//! What a long run measures: the slowest try and the peak memory. An ordinary run looks at no clock.

use super::is_long;
use std::time::{Duration, Instant};

/// One try may take so long in a long run.
const TRY_MAX: Duration = Duration::from_secs(1);
/// The whole test process may grow so far in a long run.
const PEAK_KIB_MAX: u64 = 512 * 1024;

pub struct Stopwatch {
    target: &'static str,
    tries: u64,
    began: Option<(u64, Instant)>,
    slowest: (Duration, u64),
}

impl Stopwatch {
    pub fn new(target: &'static str) -> Self {
        Self { target, tries: 0, began: None, slowest: (Duration::ZERO, 0) }
    }

    #[allow(clippy::disallowed_methods, reason = "a long run looks for input that takes long")]
    pub fn start(&mut self, nth: u64) {
        self.tries += 1;
        self.began = is_long().then(|| (nth, Instant::now()));
    }

    pub fn stop(&mut self) {
        if let Some((nth, began)) = self.began.take() {
            self.slowest = self.slowest.max((began.elapsed(), nth));
        }
    }

    /// Prints, and judges in a long run.
    pub fn tell(&self, more: &str) {
        let (target, tries) = (self.target, self.tries);
        let (slowest, nth) = self.slowest;
        println!("{target}: {tries} tries, slowest {slowest:?} (try {nth}), peak {} KiB; {more}", peak_kib());
        if is_long() {
            assert!(slowest < TRY_MAX, "{target}: try {nth} took {slowest:?}");
            assert!(peak_kib() < PEAK_KIB_MAX, "{target}: the process grew to {} KiB", peak_kib());
        }
    }
}

/// Most memory this process ever had, as the kernel counts it.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
