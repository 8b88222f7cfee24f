//! The append-only timeline of a case: facts with the vendor's own ids, merged and ordered.
//!
//! Must not know: clocks or rules; they fold over what stands here.

use crate::case::{Case, Party, Priority, Status};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    Customer,
    Agent,
    /// Automation inside the vendor's system.
    Vendor,
    /// Ourselves. Such events never start, stop or pause a clock and never count as activity.
    Dutyd,
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineEvent {
    /// The vendor's own id of the fact, which makes re-reading harmless.
    pub id: String,
    /// Vendor time.
    pub at: Timestamp,
    /// When we learned it.
    pub seen_at: Timestamp,
    pub actor: Actor,
    /// Name of the person, where known.
    pub by: Option<String>,
    pub kind: EventKind,
}

/// What happened. `from` and `to` are the values before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum EventKind {
    /// Signals: what the lexicon found in the text that it was opened with.
    Created {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        signals: Vec<String>,
    },
    /// A message. Public: the customer can read it. Signals: what the lexicon found in its text.
    Replied {
        public: bool,
        signals: Vec<String>,
    },
    StatusChanged {
        from: Status,
        to: Status,
    },
    PriorityChanged {
        from: Option<Priority>,
        to: Option<Priority>,
    },
    OwnerChanged {
        from: Option<Party>,
        to: Option<Party>,
    },
    TeamChanged {
        from: Option<Party>,
        to: Option<Party>,
    },
    /// Any other mapped field, by its name in the connector file.
    FieldChanged {
        field: String,
        from: Option<String>,
        to: Option<String>,
    },
    /// The mark of ours on the record was changed: what people see as severity, before and after.
    MarkChanged {
        from: Option<String>,
        to: Option<String>,
    },
    MergedInto {
        case: String,
    },
    Linked {
        case: String,
    },
    Unlinked {
        case: String,
    },
    /// A clock took its target from this policy, by content hash.
    TargetAdopted {
        clock: String,
        policy: String,
    },
}

impl EventKind {
    /// What the lexicon found in its text, where it has one.
    pub fn signals(&self) -> Option<&[String]> {
        match self {
            EventKind::Created { signals } | EventKind::Replied { signals, .. } => Some(signals),
            _ => None,
        }
    }

    pub fn signals_mut(&mut self) -> Option<&mut Vec<String>> {
        match self {
            EventKind::Created { signals } | EventKind::Replied { signals, .. } => Some(signals),
            _ => None,
        }
    }

    /// Whether the change takes a case that was done back into work.
    pub fn is_reopening(&self) -> bool {
        matches!(self, EventKind::StatusChanged { from, to } if !from.is_open() && to.is_open())
    }
}

/// The longest timeline kept per case; beyond it the oldest events are dropped and the case is `truncated`.
pub const EVENTS_MAX: usize = 2_000;

/// Merges newly learned events into an ordered timeline. An id already known keeps its first `seen_at` and its
/// signals. Returns whether anything was dropped for length.
pub fn merge(timeline: &mut Vec<TimelineEvent>, news: &[TimelineEvent]) -> bool {
    for event in news {
        match timeline.iter().position(|known| known.id == event.id) {
            Some(known) => absorb(&mut timeline[known], event),
            None => timeline.push(event.clone()),
        }
    }
    timeline.sort_by(|a, b| (a.at, order(&a.kind), &a.id).cmp(&(b.at, order(&b.kind), &b.id)));
    for same in timeline.chunk_by_mut(|a, b| a.at == b.at && order(&a.kind) == order(&b.kind)) {
        if (2..=SAME_MAX).contains(&same.len()) {
            chain(same);
        }
    }
    let excess = timeline.len().saturating_sub(EVENTS_MAX);
    timeline.drain(..excess);
    excess > 0
}

/// A fact told again: the vendor may have corrected it, but when we first knew it does not change, and what was
/// read in its text stays, because the text is not kept.
fn absorb(known: &mut TimelineEvent, told: &TimelineEvent) {
    let seen_at = known.seen_at.min(told.seen_at);
    let mut told = told.clone();
    if let (Some(kept), Some(new)) = (known.kind.signals(), told.kind.signals_mut())
        && new.is_empty()
    {
        *new = kept.to_vec();
    }
    *known = TimelineEvent { seen_at, ..told };
}

/// Creation comes first among events of one instant, adoption of a target last; the rest by id.
fn order(kind: &EventKind) -> u8 {
    match kind {
        EventKind::Created { .. } => 0,
        EventKind::TargetAdopted { .. } => 2,
        _ => 1,
    }
}

/// What connectors call the field in which people answer to a mark.
pub const ANSWER: &str = "answer";

/// Events of one instant that are put into the order of their values; more stay ordered by id.
const SAME_MAX: usize = 16;

/// Changes of one value within one instant: each begins where the one before ended, whatever their ids.
fn chain(same: &mut [TimelineEvent]) {
    for place in 0..same.len() {
        let begins = |event: &TimelineEvent, others: &[TimelineEvent]| {
            !others.iter().any(|other| other.id != event.id && leads_to(&other.kind, &event.kind))
        };
        // Of the changes left, the first that none of the others leads to; in a circle, the first.
        let rest = &same[place..];
        if begins(&rest[0], rest) {
            continue;
        }
        let next =
            rest.iter().position(|event| same_value(&event.kind, &rest[0].kind) && begins(event, rest));
        if let Some(next) = next {
            same[place..=place + next].rotate_right(1);
        }
    }
}

fn same_value(a: &EventKind, b: &EventKind) -> bool {
    match (a, b) {
        (EventKind::FieldChanged { field: a, .. }, EventKind::FieldChanged { field: b, .. }) => a == b,
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

/// Whether the one change ends at the value from which the other begins.
fn leads_to(before: &EventKind, after: &EventKind) -> bool {
    use EventKind::{FieldChanged, OwnerChanged, PriorityChanged, StatusChanged, TeamChanged};
    let id = |party: &Option<Party>| party.as_ref().map(|party| party.id.clone());
    same_value(before, after)
        && match (before, after) {
            (StatusChanged { to, .. }, StatusChanged { from, .. }) => to == from,
            (PriorityChanged { to, .. }, PriorityChanged { from, .. }) => to == from,
            (OwnerChanged { to, .. }, OwnerChanged { from, .. })
            | (TeamChanged { to, .. }, TeamChanged { from, .. }) => id(to) == id(from),
            (FieldChanged { to, .. }, FieldChanged { from, .. }) => to == from,
            _ => false,
        }
}

/// What a case looked like just after an event (or at its creation, before any).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment<'a> {
    pub at: Timestamp,
    pub event: Option<&'a TimelineEvent>,
    pub status: Status,
    pub priority: Option<Priority>,
    pub owner: Option<&'a Party>,
    pub team: Option<&'a Party>,
}

/// The life of a case: one moment per event, oldest first, led by the moment of its creation. Values before the
/// first change of a kind are that change's `from`; without any change they are today's. Events of our own are left out.
pub fn moments<'a>(case: &'a Case, timeline: &'a [TimelineEvent]) -> Vec<Moment<'a>> {
    let mut now = first_moment(case, timeline);
    let mut life = Vec::with_capacity(timeline.len() + 1);
    life.push(now);
    for event in timeline.iter().filter(|event| event.actor != Actor::Dutyd) {
        now.at = event.at.max(now.at);
        now.event = Some(event);
        match &event.kind {
            EventKind::StatusChanged { to, .. } => now.status = *to,
            EventKind::PriorityChanged { to, .. } => now.priority = *to,
            EventKind::OwnerChanged { to, .. } => now.owner = to.as_ref(),
            EventKind::TeamChanged { to, .. } => now.team = to.as_ref(),
            _ => {}
        }
        life.push(now);
    }
    life
}

fn first_moment<'a>(case: &'a Case, timeline: &'a [TimelineEvent]) -> Moment<'a> {
    let mut first = Moment {
        at: case.opened_at,
        event: None,
        status: case.status,
        priority: case.priority,
        owner: case.owner.as_ref(),
        team: case.team.as_ref(),
    };
    for event in timeline.iter().rev().filter(|event| event.actor != Actor::Dutyd) {
        match &event.kind {
            EventKind::StatusChanged { from, .. } => first.status = *from,
            EventKind::PriorityChanged { from, .. } => first.priority = *from,
            EventKind::OwnerChanged { from, .. } => first.owner = from.as_ref(),
            EventKind::TeamChanged { from, .. } => first.team = from.as_ref(),
            _ => {}
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(id: &str, from: Option<&str>, to: Option<&str>) -> TimelineEvent {
        let party = |name: &str| Party { id: name.to_owned(), name: name.to_owned() };
        let kind = EventKind::OwnerChanged { from: from.map(party), to: to.map(party) };
        let at = Timestamp::UNIX_EPOCH;
        TimelineEvent { id: id.to_owned(), at, seen_at: at, actor: Actor::Agent, by: None, kind }
    }

    fn status(id: &str, from: Status, to: Status) -> TimelineEvent {
        TimelineEvent { kind: EventKind::StatusChanged { from, to }, ..owner(id, None, None) }
    }

    #[test]
    fn changes_of_one_instant_stand_in_the_order_of_their_values_whatever_their_ids_and_order_of_arrival() {
        let events = [
            owner("a", Some("Bo"), Some("Cy")),
            status("b", Status::New, Status::Open),
            owner("c", Some("Ann"), Some("Bo")),
            owner("d", None, Some("Ann")),
        ];
        for turned in 0..events.len() {
            let mut news = events.to_vec();
            news.rotate_left(turned);
            let mut timeline = Vec::new();
            merge(&mut timeline, &news);
            let owners: Vec<&str> = timeline
                .iter()
                .filter(|event| matches!(event.kind, EventKind::OwnerChanged { .. }))
                .map(|event| event.id.as_str())
                .collect();
            assert_eq!(owners, ["d", "c", "a"], "{turned}");
        }
    }

    #[test]
    fn a_circle_within_one_instant_stays_in_the_order_of_ids() {
        let mut timeline = Vec::new();
        let circle = [owner("b", Some("Ann"), None), owner("a", None, Some("Ann"))];
        merge(&mut timeline, &circle);
        assert_eq!(timeline.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
}
