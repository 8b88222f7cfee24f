//! A reading that moves with time: a straight line over the seconds of a calendar, and where it crosses a value.
//!
//! Must not know: which reading it is.

use super::value::{Comparison, Value};
use crate::calendar::Calendar;
use jiff::Timestamp;

/// What is made of the seconds that have passed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// The seconds themselves.
    Passed,
    /// What is left of so many seconds.
    LeftOf(i64),
    /// Percent of so many seconds.
    PercentOf(i64),
}

/// A moving reading: seconds passed since an instant by a calendar, shaped.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// From when it moves; `None`: it stands still.
    pub since: Option<Timestamp>,
    /// Seconds already passed at `since`, or in all if it stands still.
    pub before: i64,
    /// `None`: wall time.
    pub calendar: Option<&'a Calendar>,
    pub shape: Shape,
}

impl Line<'_> {
    pub fn passed(&self, now: Timestamp) -> i64 {
        let Some(since) = self.since else { return self.before };
        let moved = match self.calendar {
            Some(calendar) => calendar.seconds_between(since, now),
            None => (now.as_second() - since.as_second()).max(0),
        };
        self.before.saturating_add(moved)
    }

    pub fn value(&self, now: Timestamp) -> Value<'static> {
        self.shaped(self.passed(now))
    }

    fn shaped(&self, passed: i64) -> Value<'static> {
        match self.shape {
            Shape::Passed => Value::Int(passed),
            Shape::LeftOf(total) => Value::Int(total.saturating_sub(passed)),
            Shape::PercentOf(total) => Value::Double(passed as f64 * 100.0 / total.max(1) as f64),
        }
    }

    /// When exactly so many seconds have passed; `None` if never.
    fn reached(&self, passed: i64) -> Option<Timestamp> {
        let since = self.since?;
        let more = passed.checked_sub(self.before)?;
        match self.calendar {
            Some(calendar) => calendar.add_seconds(since, more),
            None => Timestamp::from_second(since.as_second().checked_add(more)?).ok(),
        }
    }

    /// The earliest instant after `now` at which the comparison says something else.
    pub fn changes_at(&self, now: Timestamp, comparison: Comparison, bound: &Value<'_>) -> Option<Timestamp> {
        let crossing = self.crossing(bound.number()?)?;
        let passed = self.passed(now);
        let said = comparison.holds(&self.shaped(passed), bound).ok()?;
        (crossing.saturating_sub(2)..=crossing.saturating_add(2))
            .filter(|candidate| *candidate > passed)
            .find(|candidate| comparison.holds(&self.shaped(*candidate), bound) == Ok(!said))
            .and_then(|candidate| self.reached(candidate))
            .filter(|at| at.as_second() > now.as_second())
    }

    /// Seconds passed about where the shaped value equals `bound`, within a second or so.
    fn crossing(&self, bound: f64) -> Option<i64> {
        let passed = match self.shape {
            Shape::Passed => bound,
            Shape::LeftOf(total) => total as f64 - bound,
            Shape::PercentOf(total) => bound * total as f64 / 100.0,
        };
        (passed.is_finite() && passed.abs() < 9e15).then_some(passed.floor() as i64)
    }
}
