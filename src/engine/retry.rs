//! When to try again: full jitter on a growing delay, and what a vendor asks for within bounds.

use super::dice::Dice;
use backon::{BackoffBuilder, ExponentialBuilder};
use dutyd_connectors::ConnectorError;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// A vendor's "wait until" is taken within these bounds, so that a broken header stops nothing for a year.
pub const WAIT_MIN: SignedDuration = SignedDuration::from_secs(1);
pub const WAIT_MAX: SignedDuration = SignedDuration::from_mins(15);
/// Where a vendor says "slow down" and not until when.
const WAIT_UNTOLD: SignedDuration = SignedDuration::from_secs(30);
/// A write without an answer may land this much later: nobody asks, and nobody tries again, before.
pub const QUIET: SignedDuration = SignedDuration::from_secs(120);
/// How often a source that signed us out is probed.
pub const PROBE: SignedDuration = SignedDuration::from_mins(5);

const DELAY_MIN: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(900);
/// Attempts over which the delay grows.
const GROWTH_MAX: usize = 16;

pub fn after(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(now)
}

/// Full jitter: evenly between the least wait and the grown delay.
pub fn backoff(attempt: u32, dice: &Dice) -> SignedDuration {
    let delays = ExponentialBuilder::default()
        .with_min_delay(DELAY_MIN)
        .with_max_delay(DELAY_MAX)
        .with_max_times(GROWTH_MAX);
    let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX).min(GROWTH_MAX - 1);
    let grown = delays.build().nth(step).unwrap_or(DELAY_MAX);
    let most = SignedDuration::try_from(grown).unwrap_or(WAIT_MAX);
    WAIT_MIN + dice.up_to(most)
}

/// Until when to be quiet when told to slow down.
pub fn throttled(until: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let wait = until.map_or(WAIT_UNTOLD, |until| until.duration_since(now));
    after(now, wait.clamp(WAIT_MIN, WAIT_MAX))
}

/// When to read again after an error, given how many came in a row.
pub fn read_again(error: &ConnectorError, failures: u32, now: Timestamp, dice: &Dice) -> Timestamp {
    match error {
        ConnectorError::Throttled { until } => throttled(*until, now),
        ConnectorError::SignedOut { .. } => after(now, PROBE),
        ConnectorError::Unavailable { .. }
        | ConnectorError::Unknown { .. }
        | ConnectorError::Refused { .. }
        | ConnectorError::Sealed { .. }
        | ConnectorError::Malformed { .. } => after(now, backoff(failures, dice)),
    }
}
