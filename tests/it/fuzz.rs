//! Broken input, thrown at everything that reads it: webhooks, vendors' pages, cursors, settings, policies, conditions,
//! calendars, rate headers. No panic, no reading without end, one bad record never takes its page along.
//!
//! Goal G17 (malformed inputs), G10 (pages without end), G18 and G19 (one bad record, drifted schemas), G20 (headers).
//! Ordinary: `cargo test --test it fuzz::`. Long: `DUTYD_FUZZ=20000 cargo test --release --test it fuzz:: -- --test-threads 1
//! --nocapture`, which counts tries per target, prints the slowest one and the peak memory, and fails when one takes more
//! than a second or memory passes 256 MiB. `DUTYD_FUZZ_SEED` begins elsewhere.
//!
//! The seeds are the corpus: the same number breaks the same input on every machine. What was found is kept as a test of its
//! own beside the target.

pub mod dice;
mod drift;
mod headers;
mod hooks;
pub mod mutate;
mod pages;
pub mod paging;
mod records;
pub mod signing;
pub mod tape;
mod texts;
mod watch;

pub use watch::Stopwatch;

/// Tries per target.
pub fn tries(ordinary: u64) -> u64 {
    number("DUTYD_FUZZ").unwrap_or(ordinary)
}

/// Whether this is the long run, which may look at the clock.
fn is_long() -> bool {
    number("DUTYD_FUZZ").is_some()
}

fn seed() -> u64 {
    number("DUTYD_FUZZ_SEED").unwrap_or(1)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
