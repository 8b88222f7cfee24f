//! The fold: a clock's lives over the moments of a case.
//!
//! Invariant: late, repeated and reordered events give the same lives, because the timeline is ordered before it is
//! folded and nothing is remembered between folds (`the_order_of_news_does_not_matter`).

use super::cycle::{Aim, Cycle};
use super::doc::{Metric, OnPriorityChange, OnReopen, Recurrence};
use super::spec::{Clock, Custom, Kind, Spec};
use super::told::{Told, Turn};
use crate::case::Case;
use crate::policy::PolicySet;
use crate::timeline::{Actor, EventKind, Moment, TimelineEvent, moments};
use jiff::Timestamp;
use std::sync::Arc;

/// A case as its clocks see it. Built once for all of them.
pub(super) struct Past<'a> {
    pub case: &'a Case,
    life: Vec<Moment<'a>>,
    /// Adoptions of targets: when, clock, policy.
    adoptions: Vec<(Timestamp, &'a str, &'a str)>,
    opened_by_agent: bool,
    /// The beginning is not known any more.
    pub truncated: bool,
    closed: Arc<str>,
}

impl<'a> Past<'a> {
    pub fn of(case: &'a Case, events: &'a [TimelineEvent], truncated: bool) -> Self {
        let mut life = moments(case, events);
        if let Some(last) = life.last().copied().filter(|last| last.status != case.status) {
            let told_at = case.resolved_at.filter(|_| !case.status.is_open()).unwrap_or(case.updated_at);
            life.push(Moment { at: told_at.max(last.at), event: None, status: case.status, ..last });
        }
        let created = events.iter().find(|event| matches!(event.kind, EventKind::Created { .. }));
        let adoptions = events.iter().filter_map(|event| match &event.kind {
            EventKind::TargetAdopted { clock, policy } => Some((event.at, clock.as_str(), policy.as_str())),
            _ => None,
        });
        Self {
            case,
            life,
            adoptions: adoptions.collect(),
            opened_by_agent: created.is_none_or(|event| event.actor != Actor::Customer),
            truncated,
            closed: Arc::from("the case is resolved"),
        }
    }

    fn turn(&'a self, nth: usize) -> Turn<'a> {
        let before = nth.checked_sub(1).map(|before| &self.life[before]);
        Turn { case: self.case, moment: &self.life[nth], before, opened_by_agent: self.opened_by_agent }
    }

    /// The policy that a life of the clock beginning at `at` took its target from.
    pub fn adopted(&self, clock: &str, at: Timestamp) -> Option<&'a str> {
        self.adoptions
            .iter()
            .find(|(when, name, _)| *when >= at && *name == clock)
            .map(|(_, _, policy)| *policy)
    }
}

/// The clocks of the policy in force; after them those it no longer has, which this case adopted under one that keeps them.
pub(super) fn clocks<'p>(policies: &'p PolicySet, past: &Past<'_>) -> Vec<&'p Clock> {
    let mut clocks: Vec<&Clock> = policies.current.sla.clocks.iter().collect();
    for (_, name, policy) in past.adoptions.iter().rev() {
        if clocks.iter().all(|clock| *clock.name != **name) {
            let kept = policies.older.get(*policy).and_then(|older| older.sla.clock(name));
            clocks.extend(kept.filter(|clock| clock.keeps()));
        }
    }
    clocks
}

/// The lives of a clock up to `now`, oldest first. `record`: keep their steps.
pub(super) fn lives(
    policies: &PolicySet,
    clock: &Clock,
    past: &Past<'_>,
    now: Timestamp,
    record: bool,
) -> Vec<Cycle> {
    let mut fold = Fold {
        policies,
        current: clock,
        clock,
        is_removed: policies.current.sla.clock(&clock.name).is_none(),
        past,
        record,
        cycles: Vec::new(),
        is_answered: false,
        chosen: None,
    };
    for nth in 0..past.life.len() {
        // By the second, as everything is decided: what is known of this very second has happened.
        if past.life[nth].at.as_second() > now.as_second() || !fold.turn(nth) {
            break;
        }
    }
    if let Some(last) = fold.cycles.last_mut() {
        last.read(now);
    }
    fold.cycles
}

struct Fold<'a> {
    policies: &'a PolicySet,
    /// As the policy in force has it; as the newest one adopted, if that has it no more.
    current: &'a Clock,
    /// The policy in force does not have it: no life begins that adopted no older one.
    is_removed: bool,
    /// As the policy has it that the present life adopted.
    clock: &'a Clock,
    past: &'a Past<'a>,
    record: bool,
    cycles: Vec<Cycle>,
    /// Something ended the clock, or would have, had it run.
    is_answered: bool,
    /// The choice of an entry, where it cannot change between moments.
    chosen: Option<Option<usize>>,
}

impl<'a> Fold<'a> {
    /// One moment. False: nothing after it matters.
    fn turn(&mut self, nth: usize) -> bool {
        let turn = self.past.turn(nth);
        if matches!(turn.moment.event.map(|event| &event.kind), Some(EventKind::MergedInto { .. })) {
            if let Some(active) = self.active() {
                active.cancel(turn.moment.at, "merged into another case");
            }
            return false;
        }
        let chosen = self.choose(turn.moment);
        match &self.clock.kind {
            Kind::Metric(metric) => self.metric(*metric, nth, turn, chosen),
            Kind::Custom(custom) => self.custom(custom, nth, turn, chosen),
        }
        true
    }

    fn active(&mut self) -> Option<&mut Cycle> {
        self.cycles.last_mut().filter(|cycle| cycle.is_active())
    }

    /// The first entry whose condition holds.
    fn choose(&mut self, moment: &Moment<'_>) -> Option<usize> {
        if let Some(chosen) = self.chosen {
            return chosen;
        }
        let specs = &self.clock.specs;
        let holds = |spec: &Spec| {
            spec.when.as_ref().is_none_or(|when| when.holds(self.past.case, moment) == Some(true))
        };
        let chosen = specs.iter().position(holds);
        if !specs.iter().any(|spec| spec.when.as_ref().is_some_and(|when| when.moves)) {
            self.chosen = Some(chosen);
        }
        chosen
    }

    fn metric(&mut self, metric: Metric, nth: usize, turn: Turn<'a>, chosen: Option<usize>) {
        let at = turn.moment.at;
        let clock = self.clock;
        let Some(entry) = chosen else {
            if let Some(active) = self.active() {
                active.cancel(at, "no entry applies any more");
            }
            return;
        };
        let spec = &clock.specs[entry];
        let told = turn.told(metric, spec);
        if self.active().is_some() {
            self.tell(&told, nth, turn, entry);
        } else if turn.reopens() && metric.begins_with_the_case() && !self.cycles.is_empty() {
            self.reopen(metric, nth, turn, entry);
        } else if told.start && !(told.stop && metric.begins_with_the_case()) && self.may_begin(metric) {
            self.attach(nth, turn, entry, metric.begins_with_the_case() && nth > 0);
        }
        let is_chain = matches!(metric, Metric::PeriodicUpdate | Metric::PausableUpdate | Metric::TimeToOwn);
        if is_chain && told.start && self.active().is_none() {
            self.attach(nth, turn, entry, false);
        }
        self.is_answered |= told.stop;
        let closed = &self.past.closed;
        let pause = turn.pause(&clock.specs[entry], closed);
        if let Some(active) = self.active() {
            match pause {
                Some(reason) => active.pause(at, reason),
                None => active.resume(at),
            }
        }
    }

    /// A clock of the whole case begins once, unless it was answered before any entry applied.
    fn may_begin(&self, metric: Metric) -> bool {
        !metric.begins_with_the_case() || self.cycles.is_empty() && !self.is_answered && !self.past.truncated
    }

    /// A running or paused clock hears of the moment.
    fn tell(&mut self, told: &Told, nth: usize, turn: Turn<'a>, entry: usize) {
        let at = turn.moment.at;
        let Some(active) = self.active() else { return };
        if told.stop {
            active.stop(at, told.by_resolution);
        } else if let Some(because) = told.cancel {
            active.cancel(at, because);
        } else {
            self.aim(nth, turn, entry);
        }
    }

    /// Takes up another target if priority, entry or calendar ask for one.
    fn aim(&mut self, nth: usize, turn: Turn<'a>, entry: usize) {
        let spec = &self.clock.specs[entry];
        let from = (entry, spec.slot(turn.moment.priority));
        let calendar_may_move = spec.calendar_moves();
        let Some(active) = self.cycles.last_mut() else { return };
        if active.aim.from == from && !calendar_may_move {
            return;
        }
        let aim = Aim::resolve(spec, from, turn.case, turn.moment, active.started_at);
        let at = turn.moment.at;
        if active.aim.from == from {
            if active.aim.calendar != aim.calendar {
                active.take_aim(aim, spec, at, spec.calendar_change, "the calendar changed");
            }
            return;
        }
        let because =
            if active.aim.from.0 == entry { "the priority changed" } else { "another entry applies" };
        match spec.on_priority_change {
            OnPriorityChange::Carry => active.take_aim(aim, spec, at, spec.calendar_change, because),
            OnPriorityChange::Restart => {
                active.cancel(at, because);
                self.attach(nth, turn, entry, true);
            }
            OnPriorityChange::StricterWins => {
                let mut other = active.clone();
                other.take_aim(aim, spec, at, spec.calendar_change, because);
                if due_if_running(&other, at) < due_if_running(active, at) {
                    *active = other;
                } else {
                    active.aim.from = from;
                }
            }
        }
    }

    fn reopen(&mut self, metric: Metric, nth: usize, turn: Turn<'a>, entry: usize) {
        let spec = &self.clock.specs[entry];
        let at = turn.moment.at;
        let Some(last) = self.cycles.last_mut() else { return };
        let Some(stopped_at) = last.stopped_at else { return };
        let is_soon = spec.ignore_within > 0 && at.as_second() - stopped_at.as_second() <= spec.ignore_within;
        if is_soon || metric == Metric::FirstResponse && !last.stopped_by_resolution {
            return;
        }
        match spec.on_reopen {
            OnReopen::Resume => {
                last.resume(at);
                self.aim(nth, turn, entry);
            }
            OnReopen::NewCycle if metric == Metric::FirstResponse => {}
            OnReopen::NewCycle => self.attach(nth, turn, entry, false),
        }
    }

    /// A new life. `late`: the clock could have begun earlier, so it may count back.
    fn attach(&mut self, nth: usize, turn: Turn<'a>, entry: usize, late: bool) {
        let at = turn.moment.at;
        if self.is_removed && self.past.adopted(&self.current.name, at).is_none() {
            return;
        }
        let entry = self.take_version(turn.moment, entry);
        let Some(spec) = self.clock.specs.get(entry) else { return };
        let back = if late && spec.retroactive_start { self.back(nth, spec) } else { Vec::new() };
        let started_at = back.first().map_or(at, |(from, _)| *from);
        let from = (entry, spec.slot(turn.moment.priority));
        let aim = Aim::resolve(spec, from, turn.case, turn.moment, started_at);
        self.cycles.push(Cycle::attach(aim, spec, at, &back, self.record));
    }

    /// Goes over to the version of the policy from which the life beginning now took its target.
    fn take_version(&mut self, moment: &Moment<'_>, entry: usize) -> usize {
        if self.policies.older.is_empty() {
            return entry;
        }
        let was = self.clock;
        let adopted = self.past.adopted(&self.current.name, moment.at).filter(|_| self.current.keeps());
        let older = adopted.and_then(|id| self.policies.older.get(id));
        self.clock = older.and_then(|policy| policy.sla.clock(&self.current.name)).unwrap_or(self.current);
        if std::ptr::eq(was, self.clock) {
            return entry;
        }
        self.chosen = None;
        self.choose(moment).unwrap_or(usize::MAX)
    }

    /// Stretches before a moment that count for a clock that begins late.
    fn back(&self, nth: usize, spec: &Spec) -> Vec<(Timestamp, Timestamp)> {
        let life = &self.past.life;
        if !spec.retroactive_pause {
            return vec![(life[0].at, life[nth].at)];
        }
        let mut is_paused = false;
        let mut back = Vec::new();
        for earlier in 0..nth {
            let turn = self.past.turn(earlier);
            is_paused = match &self.clock.kind {
                Kind::Metric(_) => turn.pause(spec, &self.past.closed).is_some(),
                Kind::Custom(custom) => turn.custom_pause(custom, is_paused),
            };
            let stretch = (life[earlier].at, life[earlier + 1].at);
            if !is_paused && stretch.0 < stretch.1 {
                back.push(stretch);
            } else if back.is_empty() {
                back.push((stretch.0, stretch.0));
            }
        }
        back
    }

    fn custom(&mut self, custom: &Custom, nth: usize, turn: Turn<'a>, chosen: Option<usize>) {
        let at = turn.moment.at;
        let Some(entry) = chosen else { return };
        let told = turn.told_custom(custom);
        let was_active = self.active().is_some();
        if was_active {
            if told.reset && told.start && !told.stop {
                if let Some(active) = self.active() {
                    active.cancel(at, "its reset condition holds");
                }
                self.attach(nth, turn, entry, false);
            } else {
                self.tell(&told, nth, turn, entry);
                self.recur(custom, &told, nth, turn, entry);
            }
        } else if told.start
            && !told.stop
            && (self.cycles.is_empty() || custom.recurrence == Recurrence::Rematch)
        {
            self.attach(nth, turn, entry, self.cycles.is_empty() && nth > 0);
        }
        if let Some(active) = self.active() {
            let is_paused = active.running_since.is_none();
            match turn.custom_pause(custom, is_paused) {
                true => active.pause(at, &custom.pause_reason),
                false => active.resume(at),
            }
        }
    }

    /// Begins again at once, where the clock is to recur.
    fn recur(&mut self, custom: &Custom, told: &Told, nth: usize, turn: Turn<'a>, entry: usize) {
        let is_recurring = matches!(custom.recurrence, Recurrence::Independent | Recurrence::Sequential);
        if !is_recurring || !told.stop || !told.start {
            return;
        }
        let Some(ended) = self.cycles.last() else { return };
        let met_early = ended.breached_at.is_none().then_some(ended.due_when_stopped).flatten();
        self.attach(nth, turn, entry, false);
        if let (Recurrence::Sequential, Some(due), Some(next)) =
            (custom.recurrence, met_early, self.cycles.last_mut())
        {
            next.postpone(due);
        }
    }
}

/// When the target is used up if the clock runs from `at` on; never is last.
fn due_if_running(cycle: &Cycle, at: Timestamp) -> Timestamp {
    let since = cycle.running_since.unwrap_or(at);
    let left = cycle.aim.seconds.map(|target| target - cycle.elapsed_before);
    left.and_then(|left| cycle.aim.calendar.add_seconds(since, left)).unwrap_or(Timestamp::MAX)
}
