//! One life of a clock, from attaching to its end: what counted, under which target, with what verdict.
//!
//! Must not know: what starts, pauses or stops a clock; it is told.

use super::doc::CalendarChange;
use super::spec::{Spec, Target};
use super::{ClockState, Verdict};
use crate::calendar::Calendar;
use crate::case::Case;
use crate::timeline::Moment;
use jiff::Timestamp;
use std::sync::Arc;

/// What happened to a clock at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepKind {
    /// The clock exists from here on.
    Attach,
    Run,
    Pause {
        reason: Arc<str>,
    },
    /// It took another target.
    Aim {
        because: &'static str,
    },
    /// The target was used up.
    Breach,
    Stop,
    Cancel {
        because: &'static str,
    },
}

/// One step of a clock's life, with where it stood just after.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub at: Timestamp,
    pub kind: StepKind,
    pub elapsed_seconds: i64,
    pub remaining_seconds: Option<i64>,
    pub due_at: Option<Timestamp>,
}

/// What a clock aims at, resolved for one case.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Aim {
    pub seconds: Option<i64>,
    pub calendar: Arc<Calendar>,
    /// Which target of which entry it came from.
    pub from: (usize, usize),
    /// Due at a fixed instant: pauses do not move it.
    pub is_fixed: bool,
}

impl Aim {
    /// Resolves a target. Instants are measured around the clock, so that the due time is exactly the instant named.
    pub fn resolve(
        spec: &Spec,
        from: (usize, usize),
        case: &Case,
        moment: &Moment<'_>,
        started_at: Timestamp,
    ) -> Self {
        let calendar = Arc::clone(spec.calendar_of(case, moment.team));
        let fixed = |due: Option<Timestamp>, calendar: Arc<Calendar>| match due {
            Some(due) => {
                // Vendor: a due date in the past is a breach one second after the start (c_SLADuration).
                let seconds = (due.as_second() - started_at.as_second()).max(1);
                Aim { seconds: Some(seconds), calendar: Arc::clone(&spec.wall), from, is_fixed: true }
            }
            None => Aim { seconds: None, calendar, from, is_fixed: false },
        };
        match &spec.targets[from.1] {
            None => Aim { seconds: None, calendar, from, is_fixed: false },
            Some(Target::Business(seconds)) => {
                Aim { seconds: Some(*seconds), calendar, from, is_fixed: false }
            }
            Some(Target::Wall(seconds)) => {
                Aim { seconds: Some(*seconds), calendar: Arc::clone(&spec.wall), from, is_fixed: false }
            }
            Some(Target::EndOfDay(nth)) => fixed(calendar.end_of_day(started_at, *nth), calendar),
            Some(Target::DueDate) => fixed(due_date(case, &calendar, started_at), calendar),
        }
    }
}

/// The due date kept on the case: at the next opening if outside the hours; as it is if already past.
fn due_date(case: &Case, calendar: &Calendar, started_at: Timestamp) -> Option<Timestamp> {
    let due = case.due_at?;
    if due <= started_at { Some(due) } else { calendar.within_hours(due) }
}

/// A stretch that counted.
#[derive(Debug, Clone, Copy)]
struct Counted {
    from: Timestamp,
    to: Timestamp,
    seconds: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Cycle {
    /// From when time counts.
    pub started_at: Timestamp,
    /// When the clock came to be; later than `started_at` if it counts back.
    pub attached_at: Timestamp,
    pub aim: Aim,
    pub sla: Arc<str>,
    pub label: super::Label,
    pub state: ClockState,
    counted: Vec<Counted>,
    pub elapsed_before: i64,
    pub running_since: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    pub breached_at: Option<Timestamp>,
    pub verdicts: Vec<Verdict>,
    /// Whether the stop was a resolution, which a reopening takes back.
    pub stopped_by_resolution: bool,
    /// When the target would have been used up, had the clock not stopped.
    pub due_when_stopped: Option<Timestamp>,
    /// Kept only when asked for.
    pub steps: Option<Vec<Step>>,
}

impl Cycle {
    /// A new life at `at`. `back`: stretches before that count as well, in order.
    pub fn attach(
        aim: Aim,
        spec: &Spec,
        at: Timestamp,
        back: &[(Timestamp, Timestamp)],
        record: bool,
    ) -> Self {
        let mut cycle = Self {
            started_at: back.first().map_or(at, |(from, _)| *from),
            attached_at: at,
            aim,
            sla: Arc::clone(&spec.sla),
            label: spec.label,
            state: ClockState::Running,
            counted: back.iter().map(|(from, to)| Counted { from: *from, to: *to, seconds: 0 }).collect(),
            elapsed_before: 0,
            running_since: Some(at),
            stopped_at: None,
            breached_at: None,
            verdicts: Vec::new(),
            stopped_by_resolution: false,
            due_when_stopped: None,
            steps: record.then(Vec::new),
        };
        cycle.count_again();
        cycle.step(at, StepKind::Attach);
        cycle
    }

    pub fn is_active(&self) -> bool {
        matches!(self.state, ClockState::Running | ClockState::Paused { .. })
    }

    /// Lets the clock begin no earlier than `at`, for a life that follows on another one's target.
    pub fn postpone(&mut self, at: Timestamp) {
        if at > self.started_at {
            self.started_at = at;
            self.running_since = Some(at);
        }
    }

    /// When the target is used up if the clock goes on running, or when it was; `None` while it does not run.
    pub fn due_at(&self) -> Option<Timestamp> {
        let (since, target) = (self.running_since?, self.aim.seconds?);
        let left = target - self.elapsed_before;
        if left < 0 { self.used_up_at(target) } else { self.aim.calendar.add_seconds(since, left) }
    }

    /// The instant within the stretches counted at which so many seconds had counted.
    fn used_up_at(&self, mut seconds: i64) -> Option<Timestamp> {
        for counted in &self.counted {
            if seconds <= counted.seconds {
                return self.aim.calendar.add_seconds(counted.from, seconds);
            }
            seconds -= counted.seconds;
        }
        None
    }

    /// Lets the stretch that counts end. A target used up exactly at its end is not exceeded.
    fn halt(&mut self, at: Timestamp) {
        let Some(from) = self.running_since.take() else { return };
        let to = at.max(from);
        let seconds = self.aim.calendar.seconds_between(from, to);
        self.note_breach(from, seconds, |elapsed, target| elapsed > target);
        self.counted.push(Counted { from, to, seconds });
        self.elapsed_before += seconds;
    }

    fn note_breach(&mut self, from: Timestamp, seconds: i64, is_over: fn(i64, i64) -> bool) {
        let Some(target) = self.aim.seconds.filter(|_| self.breached_at.is_none()) else { return };
        if is_over(self.elapsed_before + seconds, target) {
            let left = target - self.elapsed_before;
            let breached_at = self.aim.calendar.add_seconds(from, left);
            self.breached_at = breached_at;
            if let Some(at) = breached_at {
                self.push(Step {
                    at,
                    kind: StepKind::Breach,
                    elapsed_seconds: target,
                    remaining_seconds: Some(0),
                    due_at: Some(at),
                });
            }
        }
    }

    pub fn pause(&mut self, at: Timestamp, reason: &Arc<str>) {
        if matches!(&self.state, ClockState::Paused { reason: known } if known.as_str() == &**reason)
            || self.aim.is_fixed
        {
            return;
        }
        self.halt(at);
        self.state = ClockState::Paused { reason: reason.to_string() };
        self.step(at, StepKind::Pause { reason: Arc::clone(reason) });
    }

    pub fn resume(&mut self, at: Timestamp) {
        if self.running_since.is_some() {
            return;
        }
        self.state = ClockState::Running;
        self.running_since = Some(at.max(self.attached_at));
        self.stopped_at = None;
        self.step(at, StepKind::Run);
    }

    pub fn stop(&mut self, at: Timestamp, by_resolution: bool) {
        self.due_when_stopped = self.due_at();
        self.halt(at);
        self.state = if self.breached_at.is_some() { ClockState::Missed } else { ClockState::Met };
        self.stopped_at = Some(at);
        self.stopped_by_resolution = by_resolution;
        self.step(at, StepKind::Stop);
    }

    pub fn cancel(&mut self, at: Timestamp, because: &'static str) {
        self.halt(at);
        self.state = ClockState::Cancelled;
        self.stopped_at = Some(at);
        self.step(at, StepKind::Cancel { because });
    }

    /// Takes another aim; time used stays used, counted by the new calendar unless `change` says otherwise.
    pub fn take_aim(
        &mut self,
        aim: Aim,
        spec: &Spec,
        at: Timestamp,
        change: CalendarChange,
        because: &'static str,
    ) {
        let was_running = self.running_since.is_some();
        self.halt(at);
        let is_other_calendar = self.aim.calendar != aim.calendar;
        if self.aim.seconds != aim.seconds || is_other_calendar {
            let (target_seconds, breached_at) = (self.aim.seconds, self.breached_at);
            self.verdicts.push(Verdict { until: at, target_seconds, breached_at });
        }
        self.aim = aim;
        self.sla = Arc::clone(&spec.sla);
        self.label = spec.label;
        if self.aim.is_fixed {
            self.counted = vec![Counted { from: self.started_at, to: at.max(self.started_at), seconds: 0 }];
        }
        if self.aim.is_fixed || is_other_calendar && change == CalendarChange::Last {
            self.count_again();
        }
        let is_over = self.aim.seconds.is_some_and(|target| self.elapsed_before > target);
        let was_breached = self.breached_at.is_some();
        self.breached_at = is_over.then(|| self.breached_at.unwrap_or(at));
        if was_running || self.aim.is_fixed {
            self.running_since = Some(at.max(self.attached_at));
            self.state = ClockState::Running;
        }
        self.step(at, StepKind::Aim { because });
        if is_over && !was_breached {
            self.step(at, StepKind::Breach);
        }
    }

    fn count_again(&mut self) {
        for counted in &mut self.counted {
            counted.seconds = self.aim.calendar.seconds_between(counted.from, counted.to);
        }
        self.elapsed_before = self.counted.iter().map(|counted| counted.seconds).sum();
    }

    /// Seconds counted up to `at`.
    pub fn elapsed_at(&self, at: Timestamp) -> i64 {
        let running = self.running_since.map_or(0, |since| self.aim.calendar.seconds_between(since, at));
        self.elapsed_before + running
    }

    /// Brings the cycle to `now`: a target used up while running is breached from that second on.
    pub fn read(&mut self, now: Timestamp) {
        let begun = |since: &Timestamp| since.as_second() <= now.as_second();
        if let Some(since) = self.running_since.filter(begun) {
            let seconds = self.aim.calendar.seconds_between(since, now);
            self.note_breach(since, seconds, |elapsed, target| elapsed >= target);
        }
    }

    fn step(&mut self, at: Timestamp, kind: StepKind) {
        if self.steps.is_none() {
            return;
        }
        let elapsed_seconds = self.elapsed_at(at);
        let remaining_seconds = self.aim.seconds.map(|target| target - elapsed_seconds);
        let due_at = self.due_at();
        self.push(Step { at, kind, elapsed_seconds, remaining_seconds, due_at });
    }

    fn push(&mut self, step: Step) {
        if let Some(steps) = &mut self.steps {
            steps.push(step);
        }
    }

    /// Wall seconds since the start that did not count because of pauses, up to `at`.
    pub fn paused_at(&self, at: Timestamp) -> i64 {
        let wall = |from: Timestamp, to: Timestamp| (to.as_second() - from.as_second()).max(0);
        let counted: i64 = self.counted.iter().map(|counted| wall(counted.from, counted.to)).sum();
        let running = self.running_since.map_or(0, |since| wall(since, at));
        wall(self.started_at, at) - counted - running
    }

    /// Wall seconds that were neither paused nor inside the hours of the calendar, up to `at`.
    pub fn off_hours_at(&self, at: Timestamp) -> i64 {
        let off =
            |from: Timestamp, to: Timestamp, seconds| (to.as_second() - from.as_second()).max(0) - seconds;
        let counted: i64 =
            self.counted.iter().map(|counted| off(counted.from, counted.to, counted.seconds)).sum();
        let running = self
            .running_since
            .map_or(0, |since| off(since, at, self.aim.calendar.seconds_between(since, at)));
        counted + running
    }
}
