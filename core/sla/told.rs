//! What one moment of a case tells a clock: begin, end, pause. The meaning of each built-in metric stands here.

use super::doc::Metric;
use super::spec::{Custom, Spec};
use crate::case::Case;
use crate::timeline::{Actor, EventKind, Moment};
use std::sync::Arc;

/// A moment with the one before it.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub case: &'a Case,
    pub moment: &'a Moment<'a>,
    pub before: Option<&'a Moment<'a>>,
    /// The case was opened by an agent, or nobody knows: its opening message is not an answer.
    pub opened_by_agent: bool,
}

/// What a clock hears.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub start: bool,
    pub stop: bool,
    /// The stop is a resolution, which a reopening takes back.
    pub by_resolution: bool,
    pub reset: bool,
    pub cancel: Option<&'static str>,
}

impl Turn<'_> {
    pub fn is_open(&self) -> bool {
        self.moment.status.is_open()
    }

    pub fn resolves(&self) -> bool {
        !self.is_open() && self.before.is_some_and(|before| before.status.is_open())
    }

    pub fn reopens(&self) -> bool {
        self.is_open() && self.before.is_some_and(|before| !before.status.is_open())
    }

    /// Whether a person on our side, or the customer, wrote something public just now.
    fn public_reply(&self, by: Actor) -> bool {
        let Some(event) = self.moment.event else { return false };
        let is_public = matches!(event.kind, EventKind::Replied { public: true, .. });
        is_public && event.actor == by && !(by == Actor::Agent && self.is_opening_message())
    }

    /// Vendor: a ticket that an agent opens is answered by the agent's next public comment, not by its first one.
    fn is_opening_message(&self) -> bool {
        self.opened_by_agent && self.moment.at == self.case.opened_at
    }

    fn note(&self) -> bool {
        let event = self.moment.event.filter(|event| event.actor == Actor::Agent);
        event.is_some_and(|event| matches!(event.kind, EventKind::Replied { public: false, .. }))
    }

    fn leaves_new(&self) -> bool {
        use crate::case::Status;
        let event = self.moment.event.filter(|event| event.actor != Actor::Customer);
        let change = event.map(|event| &event.kind);
        matches!(change, Some(EventKind::StatusChanged { from: Status::New, to }) if *to != Status::New)
    }

    fn becomes_owned(&self) -> bool {
        self.moment.owner.is_some() && self.before.is_some_and(|before| before.owner.is_none())
    }

    /// A team has the case and nobody in it.
    fn awaits_owner(&self) -> bool {
        self.is_open() && self.moment.team.is_some() && self.moment.owner.is_none()
    }

    fn changes_team(&self) -> bool {
        self.before.is_some_and(|before| before.team != self.moment.team)
    }

    fn begins_to_await_owner(&self) -> bool {
        let is_new = match self.before {
            None => true,
            Some(before) => {
                self.changes_team() || before.owner.is_some() || before.team.is_none() || self.reopens()
            }
        };
        self.awaits_owner() && is_new
    }

    /// What a built-in metric hears.
    #[inline]
    pub fn told(&self, metric: Metric, spec: &Spec) -> Told {
        let answered = self.public_reply(Actor::Agent);
        let stops = spec.stops;
        let by_resolution = stops.resolved && self.resolves();
        let by_act = stops.public_reply && answered
            || stops.note && self.note()
            || stops.leaves_new && self.leaves_new()
            || stops.owned && self.becomes_owned();
        let start = match metric {
            Metric::NextReply => self.public_reply(Actor::Customer),
            Metric::PeriodicUpdate | Metric::PausableUpdate => self.is_open() && answered,
            Metric::TimeToOwn => self.begins_to_await_owner(),
            _ => self.is_open(),
        };
        let cancel = match metric {
            Metric::TimeToOwn if self.changes_team() => Some("passed to another team"),
            _ => None,
        };
        Told {
            start,
            stop: by_act || by_resolution,
            by_resolution: by_resolution && !by_act,
            reset: false,
            cancel,
        }
    }

    /// Why a built-in metric does not count from this moment on; `None`: it does.
    #[inline]
    pub fn pause<'s>(&self, spec: &'s Spec, closed: &'s Arc<str>) -> Option<&'s Arc<str>> {
        if !self.is_open() {
            return Some(closed);
        }
        let holds = |pause: &&super::spec::Pause| {
            pause.status.contains(&self.moment.status)
                || pause.when.as_ref().is_some_and(|when| when.holds(self.case, self.moment) == Some(true))
        };
        spec.pauses.iter().find(holds).map(|pause| &pause.reason)
    }

    /// What a custom clock hears. A condition that cannot tell does nothing.
    pub fn told_custom(&self, custom: &Custom) -> Told {
        let holds = |when: &super::when::When| when.holds(self.case, self.moment);
        let is = |when: &Option<super::when::When>| when.as_ref().and_then(holds) == Some(true);
        let start = holds(&custom.start);
        let cancel = match () {
            () if is(&custom.cancel) => Some("its cancel condition holds"),
            () if custom.cancel_without_start && start == Some(false) => {
                Some("its start condition no longer holds")
            }
            () => None,
        };
        Told {
            start: start == Some(true),
            stop: is(&custom.stop),
            by_resolution: false,
            reset: is(&custom.reset),
            cancel,
        }
    }

    /// Whether a custom clock is to be paused after this moment, given whether it is now.
    pub fn custom_pause(&self, custom: &Custom, is_paused: bool) -> bool {
        let holds = |when: &super::when::When| when.holds(self.case, self.moment);
        let pause = custom.pause.as_ref().and_then(holds);
        match &custom.resume {
            Some(resume) if is_paused => holds(resume) != Some(true),
            _ => pause.unwrap_or(is_paused),
        }
    }
}
