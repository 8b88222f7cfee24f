//! The whole life of every clock of a case, step by step: for explanation, not for deciding.

use super::cycle::Step;
use super::fold::{self, Past};
use super::{ClockReading, reading};
use crate::policy::PolicySet;
use crate::state::CaseState;
use jiff::Timestamp;

/// One life of a clock with its steps.
#[derive(Debug, Clone)]
pub struct ClockLife {
    pub reading: ClockReading,
    pub steps: Vec<Step>,
    /// Wall seconds from the start to its end or `now`.
    pub wall_seconds: i64,
    /// Of these, seconds in which it was paused.
    pub paused_seconds: i64,
    /// Of these, seconds outside the hours of its calendar.
    pub off_hours_seconds: i64,
}

/// All lives of all clocks up to `now`: by clock, oldest first.
pub fn lives(policies: &PolicySet, state: &CaseState, now: Timestamp) -> Vec<ClockLife> {
    let past = Past::of(&state.case, &state.events, state.truncated);
    let mut all = Vec::new();
    for clock in fold::clocks(policies, &past) {
        for (nth, mut cycle) in fold::lives(policies, clock, &past, now, true).into_iter().enumerate() {
            let until = cycle.stopped_at.unwrap_or(now);
            let wall_seconds = (until.as_second() - cycle.started_at.as_second()).max(0);
            let paused_seconds = cycle.paused_at(until);
            let off_hours_seconds = cycle.off_hours_at(until);
            let steps = cycle.steps.take().unwrap_or_default();
            let reading = reading(&clock.name, cycle, nth as u32 + 1, now);
            all.push(ClockLife { reading, steps, wall_seconds, paused_seconds, off_hours_seconds });
        }
    }
    all
}
