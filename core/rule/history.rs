//! One pass over the timeline for everything rules read of it: counts, last acts, and since when.
//!
//! Must not know: rules. Our own events are left out, and so is what lies after `now`.

use super::vocabulary::{CaseWord, Tally};
use crate::case::Priority;
use crate::state::CaseState;
use crate::timeline::{Actor, EventKind, TimelineEvent};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// An event that counts: when, in whole seconds, and which of the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub at: i64,
    pub index: usize,
}

/// What the timeline says up to `now`.
#[derive(Debug, Default)]
pub struct History<'a> {
    tallies: [Vec<Counted>; 8],
    signals: BTreeMap<&'a str, Vec<Counted>>,
    /// Last act of a customer or an agent.
    pub active: Option<Counted>,
    /// Our last public reply.
    pub replied: Option<Counted>,
    /// The oldest public message of the customer that has no public answer.
    pub waiting: Option<Counted>,
    pub status: Option<Counted>,
    pub owner: Option<Counted>,
    pub team: Option<Counted>,
    pub raised: Option<Counted>,
    /// The first event after `now`.
    pub next_at: Option<Timestamp>,
    /// The oldest event kept, where older ones were dropped.
    pub kept_from: Option<i64>,
}

impl<'a> History<'a> {
    pub fn of(state: &'a CaseState, now: Timestamp) -> Self {
        let mut history = Self::default();
        if state.truncated {
            history.kept_from = state.events.first().map(|event| event.at.as_second());
        }
        for (index, event) in state.events.iter().enumerate() {
            if event.actor == Actor::Dutyd {
                continue;
            }
            if event.at.as_second() > now.as_second() {
                history.next_at = Some(event.at);
                break;
            }
            history.take(event, Counted { at: event.at.as_second(), index });
        }
        history
    }

    fn take(&mut self, event: &'a TimelineEvent, counted: Counted) {
        if matches!(event.actor, Actor::Customer | Actor::Agent) {
            self.active = Some(counted);
        }
        match &event.kind {
            EventKind::Created { signals } if event.actor == Actor::Customer => self.signal(signals, counted),
            EventKind::Replied { public, signals } => self.reply(event.actor, *public, signals, counted),
            EventKind::StatusChanged { .. } => {
                self.status = Some(counted);
                self.count(&Tally::StatusChanges, counted);
                if event.kind.is_reopening() {
                    self.count(&Tally::Reopenings, counted);
                }
            }
            EventKind::PriorityChanged { from, to } if is_raise(*from, *to) => {
                self.raised = Some(counted);
                self.count(&Tally::PriorityRaises, counted);
            }
            EventKind::OwnerChanged { from, to } => {
                self.owner = Some(counted);
                if from.is_some() && to.is_some() {
                    self.count(&Tally::OwnerChanges, counted);
                }
            }
            EventKind::TeamChanged { from, to } => {
                self.team = Some(counted);
                if from.is_some() && to.is_some() {
                    self.count(&Tally::Reassignments, counted);
                }
            }
            _ => {}
        }
    }

    fn reply(&mut self, actor: Actor, public: bool, signals: &'a [String], counted: Counted) {
        match (actor, public) {
            (Actor::Customer, true) => {
                self.waiting.get_or_insert(counted);
                self.count(&Tally::CustomerReplies, counted);
                self.signal(signals, counted);
            }
            (Actor::Agent, true) => {
                self.waiting = None;
                self.replied = Some(counted);
                self.count(&Tally::PublicReplies, counted);
            }
            (Actor::Agent, false) => self.count(&Tally::InternalNotes, counted),
            _ => {}
        }
    }

    fn signal(&mut self, signals: &'a [String], counted: Counted) {
        for signal in signals {
            self.signals.entry(signal).or_default().push(counted);
        }
    }

    fn count(&mut self, tally: &Tally, counted: Counted) {
        if let Some(slot) = slot(tally) {
            self.tallies[slot].push(counted);
        }
    }

    /// All events of a tally, oldest first.
    pub fn tally(&self, tally: &Tally) -> &[Counted] {
        match tally {
            Tally::Signal(name) => self.signals.get(name.as_ref()).map_or(&[], Vec::as_slice),
            other => slot(other).map_or(&[], |slot| self.tallies[slot].as_slice()),
        }
    }

    /// The last event that changed a word of the case itself.
    pub fn last_change(&self, word: CaseWord) -> Option<Counted> {
        match word {
            CaseWord::Status | CaseWord::StatusRaw | CaseWord::Open => self.status,
            CaseWord::Owner => self.owner,
            CaseWord::Team => self.team,
            CaseWord::Priority | CaseWord::PriorityRaw | CaseWord::Urgent => self.raised,
            _ => None,
        }
    }

    /// Those since our last public reply.
    pub fn since_reply(&self, tally: &Tally) -> &[Counted] {
        let all = self.tally(tally);
        match self.replied {
            Some(reply) => &all[all.partition_point(|counted| counted.index <= reply.index)..],
            None => all,
        }
    }

    /// Those of the last so many seconds: `now − window < at ≤ now`.
    pub fn within(&self, tally: &Tally, seconds: i64, now: Timestamp) -> &[Counted] {
        let all = self.tally(tally);
        &all[all.partition_point(|counted| counted.at <= now.as_second() - seconds)..]
    }
}

fn slot(tally: &Tally) -> Option<usize> {
    Some(match tally {
        Tally::CustomerReplies => 0,
        Tally::PublicReplies => 1,
        Tally::InternalNotes => 2,
        Tally::Reassignments => 3,
        Tally::OwnerChanges => 4,
        Tally::Reopenings => 5,
        Tally::PriorityRaises => 6,
        Tally::StatusChanges => 7,
        Tally::Signal(_) => return None,
    })
}

/// More urgent than before, of two known priorities.
fn is_raise(from: Option<Priority>, to: Option<Priority>) -> bool {
    matches!((from, to), (Some(from), Some(to)) if to < from)
}
