//! What a long run measures: the processor time of the slowest try and the peak memory, as the kernel counts them for this
//! process, so that nobody's load disturbs. Tests of a long run go one after the other; each target has a peak of its own.

use super::is_long;
use crate::reliability::measured;
use std::sync::Mutex;

/// Processor time that one try may take in a long run.
const TRY_MS_MAX: u64 = 1_000;
/// The test process, with the sandbox in it, may grow so far in a long run.
const PEAK_KIB_MAX: u64 = 256 * 1024;
/// The kernel counts in hundredths of a second.
const TICK_MS: u64 = 10;

/// What all targets of a long run came to.
struct Sum {
    targets: u64,
    tries: u64,
    /// Milliseconds, and of which target.
    slowest: (u64, &'static str),
    peak_kib: u64,
}

static SUM: Mutex<Sum> = Mutex::new(Sum { targets: 0, tries: 0, slowest: (0, ""), peak_kib: 0 });

pub struct Stopwatch {
    target: &'static str,
    tries: u64,
    began: Option<(u64, u64)>,
    /// Milliseconds, and which try it was.
    slowest: (u64, u64),
}

impl Stopwatch {
    pub fn new(target: &'static str) -> Self {
        forget_peak();
        Self { target, tries: 0, began: None, slowest: (0, 0) }
    }

    pub fn start(&mut self, nth: u64) {
        self.tries += 1;
        self.began = is_long().then(|| (nth, spent_ms()));
    }

    pub fn stop(&mut self) {
        if let Some((nth, began)) = self.began.take() {
            self.slowest = self.slowest.max((spent_ms().saturating_sub(began), nth));
        }
    }

    /// Prints, and judges in a long run.
    pub fn tell(&self, more: &str) {
        let (target, tries) = (self.target, self.tries);
        let ((slowest, nth), peak) = (self.slowest, peak_kib());
        println!("{target}: {tries} tries, slowest {slowest} ms (try {nth}), peak {peak} KiB; {more}");
        if is_long() {
            assert!(slowest < TRY_MS_MAX, "{target}: try {nth} took {slowest} ms");
            assert!(peak < PEAK_KIB_MAX, "{target}: the process grew to {peak} KiB");
            self.add(peak);
        }
    }

    fn add(&self, peak_kib: u64) {
        let mut sum = SUM.lock().expect("a sum");
        sum.targets += 1;
        sum.tries += self.tries;
        sum.slowest = sum.slowest.max((self.slowest.0, self.target));
        sum.peak_kib = sum.peak_kib.max(peak_kib);
        let Sum { targets, tries, slowest: (slowest, target), peak_kib } = *sum;
        let peak = peak_kib / 1024;
        measured(
            "G17",
            &format!(
                "{tries} malformed inputs to {targets} targets: no panic, the slowest took {slowest} ms ({target}), peak {peak} MiB \
                 with the sandbox"
            ),
        );
    }
}

/// The peak of memory counts from here: what other tests needed before is not this one's. Where the kernel does not allow
/// that, it counts from the process's beginning.
fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").ok();
}

/// Most memory this process had since, as the kernel counts it.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// Processor time of this process so far.
fn spent_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold anything: user and system time are the 12th and 13th field.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * TICK_MS
}
