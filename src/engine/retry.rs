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

#[cfg(test)]
mod tests {
    use super::*;

    /// G20. Whatever a header made of it: the engine waits between a second and a quarter of an hour.
    #[test]
    fn no_vendor_makes_us_wait_less_than_a_second_or_more_than_a_quarter_of_an_hour() {
        let now: Timestamp = "2026-03-02T08:00:00Z".parse().expect("an instant");
        let dice = Dice::new(1);
        let edges =
            [None, Some(Timestamp::MIN), Some(Timestamp::MAX), Some(Timestamp::UNIX_EPOCH), Some(now)];
        let near = (-50_000..50_000).map(|seconds| Some(now + SignedDuration::from_millis(seconds * 37)));
        for until in edges.into_iter().chain(near) {
            for at in [now, Timestamp::MIN, Timestamp::MAX - SignedDuration::from_hours(1)] {
                let again = read_again(&ConnectorError::Throttled { until }, 1, at, &dice);
                let wait = again.duration_since(at);
                assert!((WAIT_MIN..=WAIT_MAX).contains(&wait), "{until:?} at {at}: {wait:#}");
            }
        }
        for failures in [0, 1, 2, 16, 17, u32::MAX] {
            let error = ConnectorError::Unavailable { reason: String::new() };
            let wait = read_again(&error, failures, now, &dice).duration_since(now);
            assert!(wait >= WAIT_MIN && wait <= WAIT_MAX + WAIT_MIN, "{failures}: {wait:#}");
        }
    }
}
