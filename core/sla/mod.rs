//! SLA clocks: targets + timeline + calendar → readings. A clock is a fold over the timeline; nothing about it is stored.

#[cfg(test)]
pub(crate) mod dice;

mod compile;
mod cycle;
mod doc;
mod fold;
pub mod history;
mod life;
mod preset;
mod spec;
mod told;
mod when;

#[cfg(test)]
mod tests;

pub use compile::{ENTRIES_MAX, Placed};
pub use cycle::{Step, StepKind};
pub use life::{ClockLife, lives};
pub use preset::is_preset;
pub use spec::{Reach, SlaSet};

pub use doc::{
    CalendarChange, ClockDoc, Label, Metric, MetricDoc, OnPriorityChange, OnReopen, PauseDoc, PolicyEdit,
    PresetDoc, PresetName, Recurrence, SlaDoc, StopOn, TimeBasis,
};

use crate::calendar::Calendar;
use crate::policy::PolicySet;
use crate::state::CaseState;
use crate::timeline::{Actor, EventKind, TimelineEvent};
use cycle::Cycle;
use fold::Past;
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

/// All clocks of a case at `now`, the newest life of each. A clock that cannot be told, because the beginning of a very
/// long timeline is gone, is left out.
pub fn read_clocks(policies: &PolicySet, state: &CaseState, now: Timestamp) -> Vec<ClockReading> {
    let past = Past::of(&state.case, &state.events, state.truncated);
    fold::clocks(policies, &past)
        .into_iter()
        .filter_map(|clock| {
            let lives = fold::lives(policies, clock, &past, now, false);
            let cycle = lives.len() as u32;
            Some(reading(&clock.name, lives.into_iter().next_back()?, cycle, now))
        })
        .collect()
}

/// The adoptions of targets that this case's timeline should have and does not have yet: one for each life of a clock
/// that is running or paused with a target.
pub fn adoptions(policies: &PolicySet, state: &CaseState, now: Timestamp) -> Vec<TimelineEvent> {
    let policy = &policies.current;
    let past = Past::of(&state.case, &state.events, state.truncated);
    let mut events = Vec::new();
    for clock in &policy.sla.clocks {
        let lives = fold::lives(policies, clock, &past, now, false);
        let Some(life) = lives.last().filter(|life| life.is_active() && life.aim.seconds.is_some()) else {
            continue;
        };
        if past.adopted(&clock.name, life.attached_at).is_none() {
            events.push(TimelineEvent {
                id: format!("adopted:{}:{}", clock.name, life.attached_at.as_second()),
                at: now.max(life.attached_at),
                seen_at: now,
                actor: Actor::Dutyd,
                by: None,
                kind: EventKind::TargetAdopted { clock: clock.name.to_string(), policy: policy.id.clone() },
            });
        }
    }
    events
}

/// A cycle as rules read it.
fn reading(clock: &str, cycle: Cycle, nth: u32, now: Timestamp) -> ClockReading {
    let due_at = match cycle.running_since {
        Some(_) => cycle.due_at(),
        None => cycle.breached_at.or(cycle.due_when_stopped),
    };
    ClockReading {
        clock: clock.to_owned(),
        label: cycle.label,
        sla: Arc::clone(&cycle.sla),
        cycle: nth,
        target_seconds: cycle.aim.seconds,
        elapsed_seconds: cycle.elapsed_at(now),
        started_at: cycle.started_at,
        running_since: cycle.running_since,
        elapsed_before: cycle.elapsed_before,
        due_at,
        stopped_at: cycle.stopped_at,
        breached_at: cycle.breached_at,
        verdicts: cycle.verdicts,
        calendar: cycle.aim.calendar,
        state: cycle.state,
    }
}
