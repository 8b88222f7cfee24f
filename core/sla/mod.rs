//! SLA clocks: targets + timeline + calendar → readings. A clock is a fold over the timeline; nothing about it is stored.

#[cfg(test)]
pub(crate) mod dice;

mod doc;

pub use doc::{
    CalendarChange, ClockDoc, Label, Metric, MetricDoc, OnPriorityChange, OnReopen, PauseDoc, PolicyEdit,
    PresetDoc, PresetName, Recurrence, SlaDoc, StopOn, TimeBasis,
};

use crate::calendar::Calendar;
use crate::policy::PolicySet;
use crate::state::CaseState;
use crate::timeline::TimelineEvent;
use jiff::Timestamp;
use std::sync::Arc;

/// What a clock is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClockState {
    Running,
    Paused { reason: String },
    Met,
    Missed,
    Cancelled,
}

/// A clock as read at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct ClockReading {
    /// `first_response`, `next_reply`, `resolution`, … or the name of a custom clock.
    pub clock: String,
    pub label: Label,
    /// Name of the `[[sla]]` entry that gave the target; the clock's own name for a custom clock.
    pub sla: Arc<str>,
    /// Which life of the clock this is: 1, 2, …
    pub cycle: u32,
    pub state: ClockState,
    pub calendar: Arc<Calendar>,
    /// Business seconds allowed; `None` for a clock without a target.
    pub target_seconds: Option<i64>,
    /// Business seconds used up at the instant of the reading, pauses taken out.
    pub elapsed_seconds: i64,
    pub started_at: Timestamp,
    /// The instant from which `elapsed_seconds` grows, while running.
    pub running_since: Option<Timestamp>,
    /// `elapsed_seconds` at `running_since`.
    pub elapsed_before: i64,
    /// When the target is reached if nothing happens; fixed once reached.
    pub due_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    /// When the target was used up while the clock ran, if it was.
    pub breached_at: Option<Timestamp>,
    /// Targets that this life of the clock had before, with what came of them.
    pub verdicts: Vec<Verdict>,
}

/// A target given up for another one while the clock ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub until: Timestamp,
    pub target_seconds: Option<i64>,
    pub breached_at: Option<Timestamp>,
}

impl ClockReading {
    /// Business seconds used up at `now`.
    pub fn elapsed_at(&self, now: Timestamp) -> i64 {
        match self.running_since {
            Some(since) => self.elapsed_before + self.calendar.seconds_between(since, now),
            None => self.elapsed_seconds,
        }
    }

    /// Business seconds left at `now`, negative after a breach; `None` without a target.
    pub fn remaining_at(&self, now: Timestamp) -> Option<i64> {
        Some(self.target_seconds? - self.elapsed_at(now))
    }

    /// Whether the clock may still change by itself.
    pub fn is_active(&self) -> bool {
        matches!(self.state, ClockState::Running | ClockState::Paused { .. })
    }

    /// The earliest instant at which `seconds` are used up if nothing happens; `None` if the clock does not run.
    pub fn reaches(&self, seconds: i64) -> Option<Timestamp> {
        self.calendar.add_seconds(self.running_since?, seconds - self.elapsed_before)
    }
}

/// All clocks of a case at `now`, the newest cycle of each.
pub fn read_clocks(_policies: &PolicySet, _state: &CaseState, _now: Timestamp) -> Vec<ClockReading> {
    Vec::new()
}

/// The adoptions of targets that this case's timeline should have and does not have yet.
pub fn adoptions(_policies: &PolicySet, _state: &CaseState, _now: Timestamp) -> Vec<TimelineEvent> {
    Vec::new()
}
