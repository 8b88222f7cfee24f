//! SLA policies checked and compiled: what each clock does, ready to be folded over a timeline.

use super::doc::{CalendarChange, Label, Metric, OnPriorityChange, OnReopen, PolicyEdit, Recurrence, StopOn};
use super::when::When;
use crate::calendar::Calendar;
use crate::case::{Case, Party, Priority, Status};
use crate::policy::Parties;
use std::sync::Arc;

/// All clocks of a policy.
#[derive(Debug, Default)]
pub struct SlaSet {
    pub(super) clocks: Vec<Clock>,
    /// Hash of all that decides readings.
    pub id: String,
}

impl SlaSet {
    /// Names of the clocks, which rules may read.
    pub fn clock_names(&self) -> impl Iterator<Item = &str> {
        self.clocks.iter().map(|clock| &*clock.name)
    }

    /// How far the targets of a clock reach.
    pub fn reach(&self, clock: &str) -> Reach {
        let specs = self.clock(clock).map_or(&[][..], |clock| &clock.specs);
        let targets = specs.iter().flat_map(|spec| spec.targets.iter().flatten());
        let seconds = targets.map(|target| match target {
            Target::Business(seconds) | Target::Wall(seconds) => Some(*seconds),
            Target::EndOfDay(_) | Target::DueDate => None,
        });
        let longest = seconds.collect::<Option<Vec<i64>>>().map(|seconds| seconds.into_iter().max());
        match longest {
            None => Reach::Endless,
            Some(None) => Reach::NoTarget,
            Some(Some(longest)) => Reach::Seconds(longest),
        }
    }

    pub(super) fn clock(&self, name: &str) -> Option<&Clock> {
        self.clocks.iter().find(|clock| &*clock.name == name)
    }
}

/// How far the targets of a clock reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    NoTarget,
    /// The longest, in seconds of its own measure.
    Seconds(i64),
    /// Some target is an instant, as far away as it happens to be.
    Endless,
}

/// One clock with the ways to aim it, first match wins.
#[derive(Debug)]
pub(super) struct Clock {
    pub name: Arc<str>,
    pub kind: Kind,
    pub specs: Vec<Spec>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Metric(Metric),
    Custom(Box<Custom>),
}

impl Clock {
    /// Whether its running lives keep the policy they began under.
    pub fn keeps(&self) -> bool {
        self.specs.iter().any(|spec| spec.policy_edit == PolicyEdit::Keep)
    }

    /// Everything that decides readings, as text for a hash.
    pub fn said(&self) -> String {
        let mut said = format!("{} ", self.name);
        match &self.kind {
            Kind::Metric(metric) => said += metric.word(),
            Kind::Custom(custom) => said += &custom.said(),
        }
        for spec in &self.specs {
            said += &spec.said();
        }
        said
    }
}

/// Conditions of a custom clock.
#[derive(Debug)]
pub(super) struct Custom {
    pub start: When,
    pub stop: Option<When>,
    pub pause: Option<When>,
    pub resume: Option<When>,
    pub reset: Option<When>,
    pub cancel: Option<When>,
    pub cancel_without_start: bool,
    pub pause_reason: Arc<str>,
    pub recurrence: Recurrence,
}

impl Custom {
    fn said(&self) -> String {
        let others = [&self.stop, &self.pause, &self.resume, &self.reset, &self.cancel];
        let sources = others.map(|when| when.as_ref().map(When::source));
        let (start, strict) = (self.start.source(), self.cancel_without_start);
        format!("{start:?} {sources:?} {strict} {:?}", self.recurrence)
    }
}

/// Targets and behaviour of a clock under one `[[sla]]` entry.
#[derive(Debug)]
pub(super) struct Spec {
    /// Name of the entry.
    pub sla: Arc<str>,
    pub when: Option<When>,
    pub label: Label,
    pub calendar: Arc<Calendar>,
    /// Every second counts; shown in the zone of `calendar`.
    pub wall: Arc<Calendar>,
    /// Whose hours are stronger than `calendar`; `None`: nobody's.
    pub parties: Option<Arc<Parties>>,
    pub calendar_change: CalendarChange,
    /// Of P1 to P5, then of any other.
    pub targets: [Option<Target>; 6],
    pub pauses: Vec<Pause>,
    pub stops: Stops,
    pub on_priority_change: OnPriorityChange,
    pub on_reopen: OnReopen,
    /// Wall seconds; 0: no reopening is ignored.
    pub ignore_within: i64,
    pub retroactive_start: bool,
    pub retroactive_pause: bool,
    pub policy_edit: PolicyEdit,
}

impl Spec {
    fn said(&self) -> String {
        let pauses: Vec<_> =
            self.pauses.iter().map(|pause| (&pause.status, pause.when.as_ref().map(When::source))).collect();
        format!(
            "{} {:?} {} {:?} {:?} {:?} {pauses:?} {:?} {:?} {:?} {} {} {}",
            self.sla,
            self.when.as_ref().map(When::source),
            self.calendar.id,
            self.parties.as_ref().map(|parties| parties.said()),
            self.calendar_change,
            self.targets,
            self.stops,
            self.on_priority_change,
            self.on_reopen,
            self.ignore_within,
            self.retroactive_start,
            self.retroactive_pause,
        )
    }

    /// Which target stands for a priority: an index into `targets`.
    pub fn slot(&self, priority: Option<Priority>) -> usize {
        let listed =
            priority.map(|priority| usize::from(priority.0).wrapping_sub(1)).filter(|slot| *slot < 5);
        listed.filter(|slot| self.targets[*slot].is_some()).unwrap_or(5)
    }

    /// The calendar for a case in a team: the clock's own, else the customer's, else the team's, else the entry's.
    pub fn calendar_of(&self, case: &Case, team: Option<&Party>) -> &Arc<Calendar> {
        let of_party = self.parties.as_ref().and_then(|parties| parties.calendar_of(case, team));
        of_party.unwrap_or(&self.calendar)
    }

    /// Whether the calendar can change while a case lives.
    pub fn calendar_moves(&self) -> bool {
        self.parties.as_ref().is_some_and(|parties| !parties.team_hours.is_empty())
    }
}

/// What a clock aims at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    /// Seconds in the calendar of the case.
    Business(i64),
    /// Seconds around the clock.
    Wall(i64),
    /// Closing time of the n-th business day.
    EndOfDay(u32),
    /// The due date kept on the case.
    DueDate,
}

impl Target {
    /// `4h`, `4h calendar time`, `4h business time`, `end of [next] business day`, `due date`.
    pub fn parse(text: &str, is_wall: bool) -> Result<Self, String> {
        let text = text.trim();
        if text == "due date" {
            return Ok(Target::DueDate);
        }
        if let Some(day) = text.strip_prefix("end of ").and_then(|rest| rest.strip_suffix("business day")) {
            return match day.trim() {
                "" | "the" => Ok(Target::EndOfDay(0)),
                "next" | "the next" => Ok(Target::EndOfDay(1)),
                _ => Err(format!("`{text}` is not a target")),
            };
        }
        let (duration, is_wall) =
            match (text.strip_suffix("calendar time"), text.strip_suffix("business time")) {
                (Some(duration), _) => (duration, true),
                (_, Some(duration)) => (duration, false),
                _ => (text, is_wall),
            };
        match crate::calendar::parse_duration(duration)? {
            seconds if seconds < 1 => Err(format!("the target `{text}` is shorter than a second")),
            seconds if is_wall => Ok(Target::Wall(seconds)),
            seconds => Ok(Target::Business(seconds)),
        }
    }

    pub fn needs_calendar(&self) -> bool {
        matches!(self, Target::Business(_) | Target::EndOfDay(_))
    }
}

/// A stretch in which the clock does not count.
#[derive(Debug)]
pub(super) struct Pause {
    pub status: Vec<Status>,
    pub when: Option<When>,
    pub reason: Arc<str>,
}

/// What ends a clock, as a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stops {
    pub public_reply: bool,
    pub note: bool,
    pub leaves_new: bool,
    pub owned: bool,
    pub resolved: bool,
}

impl Stops {
    pub fn of(listed: &[StopOn]) -> Self {
        let has = |stop| listed.contains(&stop);
        Self {
            public_reply: has(StopOn::PublicReply),
            note: has(StopOn::Note),
            leaves_new: has(StopOn::LeavesNew),
            owned: has(StopOn::Owned),
            resolved: has(StopOn::Resolved),
        }
    }
}
