//! Why a rule says what it says: its atoms with what they read, the events that count, the episode, and the sentence.

use super::eval::View;
use super::expr::{Atom, Test};
use super::shown::show;
use super::still::recorded;
use super::vocabulary::{Mover, Read};
use super::{Facts, Rule, Verdict};
use crate::evidence::{AtomRead, Evidence, ValueRead};
use crate::timeline::{Actor, EventKind, TimelineEvent};
use jiff::Timestamp;

/// The most event ids one evidence names; the newest are kept.
const EVENTS_MAX: usize = 50;
/// How many changes are looked through for the instant at which a rule turns.
const STEPS_MAX: usize = 64;

impl Rule {
    /// Why, in full. Costs more than [`Rule::read`]; called when a flag changes and by `explain`.
    pub fn evidence(&self, facts: &Facts<'_>) -> Evidence {
        let severity = match self.read(facts, false).verdict {
            Verdict::Fires(severity) => Some(severity),
            _ => None,
        };
        let mut atoms: Vec<AtomRead> = Vec::new();
        let mut counted: Vec<usize> = Vec::new();
        for atom in self.conditions().flat_map(|condition| &condition.atoms) {
            if atoms.iter().any(|known| known.text == atom.text) {
                continue;
            }
            atoms.push(read_atom(atom, facts));
            counted.extend(events_of(atom, facts));
        }
        counted.sort_unstable();
        counted.dedup();
        let skipped = counted.len().saturating_sub(EVENTS_MAX);
        Evidence {
            rule: self.name.clone(),
            policy: facts.policy.id.clone(),
            now: facts.now,
            severity,
            atoms,
            events: counted[skipped..].iter().map(|index| facts.state.events[*index].id.clone()).collect(),
        }
    }

    /// Id of the last event that changed a value the rule reads: it names the episode. The creation's id where there
    /// is none, else the case's.
    pub fn episode(&self, facts: &Facts<'_>) -> String {
        let now = facts.now.as_second();
        let events = &facts.state.events;
        let last = events
            .iter()
            .rev()
            .filter(|event| event.actor != Actor::Dutyd && event.at.as_second() <= now)
            .find(|event| self.is_moved_by(event));
        let created = || events.iter().find(|event| matches!(event.kind, EventKind::Created { .. }));
        last.or_else(created).map_or_else(|| facts.state.case.key.id.clone(), |event| event.id.clone())
    }

    fn is_moved_by(&self, event: &TimelineEvent) -> bool {
        let person = matches!(event.actor, Actor::Customer | Actor::Agent);
        if person && self.movers.contains(&Mover::Activity) {
            return true;
        }
        let mover = match &event.kind {
            EventKind::Created { .. } => Mover::Created,
            EventKind::Replied { public: true, .. } if event.actor == Actor::Customer => Mover::CustomerReply,
            EventKind::Replied { public: true, .. } if event.actor == Actor::Agent => Mover::PublicReply,
            EventKind::Replied { .. } => Mover::InternalNote,
            EventKind::StatusChanged { .. } => Mover::Status,
            EventKind::PriorityChanged { .. } => Mover::Priority,
            EventKind::OwnerChanged { .. } => Mover::Owner,
            EventKind::TeamChanged { .. } => Mover::Team,
            EventKind::FieldChanged { field, .. } => {
                return self.movers.contains(&Mover::Field) && self.fields.contains(field);
            }
            EventKind::Linked { .. } | EventKind::Unlinked { .. } | EventKind::MergedInto { .. } => {
                Mover::Link
            }
            EventKind::MarkChanged { .. } | EventKind::TargetAdopted { .. } => return false,
        };
        self.movers.contains(&mover)
    }

    /// One or two sentences for people: what is true, since when, what it means.
    pub fn why(&self, facts: &Facts<'_>) -> String {
        let (language, _) = facts.policy.manner_of(&facts.state.case);
        let template = self.texts.get(language).or_else(|| self.texts.get(facts.policy.language()));
        match template {
            Some(template) => template.render(facts),
            None => self.bare_why(facts),
        }
    }

    /// For a rule without a text: its title and what holds.
    fn bare_why(&self, facts: &Facts<'_>) -> String {
        let held: Vec<String> = self
            .conditions()
            .flat_map(|condition| &condition.atoms)
            .filter(|atom| atom.judge(facts).truth.is_true())
            .map(|atom| atom.text.clone())
            .collect();
        if held.is_empty() { self.title.clone() } else { format!("{}: {}.", self.title, held.join(", ")) }
    }

    /// The instant at which a quiet rule fires, or a firing one is quiet, if nothing happens. `None`: never, as far as can
    /// be seen.
    pub fn turns_at(&self, facts: &Facts<'_>, open: bool) -> Option<Timestamp> {
        let now = self.read(facts, open);
        let wanted = match now.verdict {
            Verdict::Fires(_) => |verdict: &Verdict| *verdict == Verdict::Quiet,
            _ => |verdict: &Verdict| matches!(verdict, Verdict::Fires(_)),
        };
        let mut at = now.changes_at?;
        for _ in 0..STEPS_MAX {
            let reading = self.read(&facts.at(at), open);
            if wanted(&reading.verdict) {
                return Some(at);
            }
            at = reading.changes_at?;
        }
        None
    }
}

fn read_atom(atom: &Atom, facts: &Facts<'_>) -> AtomRead {
    let judged = atom.judge(facts);
    let reads = atom.reads.iter().map(|read| {
        let (value, raw) = match facts.read(read) {
            Ok(value) => (show(read, &value, facts), recorded(&value)),
            Err(reason) => (format!("cannot tell: {reason}"), None),
        };
        ValueRead { path: read.path(), value, raw, at_least: facts.is_at_least(read) }
    });
    AtomRead {
        text: atom.text.clone(),
        holds: judged.truth.known(),
        reads: reads.collect(),
        changes_at: judged.changes_at,
    }
}

/// The events behind an atom: those it counts, and those from which it measures.
fn events_of(atom: &Atom, facts: &Facts<'_>) -> Vec<usize> {
    let mut events: Vec<usize> = Vec::new();
    for read in &atom.reads {
        match read {
            Read::Span(word, _) => events.extend(facts.span_start(*word).map(|start| start.index)),
            _ => events.extend(facts.counted(read).iter().map(|counted| counted.index)),
        }
    }
    if matches!(atom.test, Test::Free(_)) && events.is_empty() {
        events.extend(last_mover(atom, facts));
    }
    events
}

/// For a value of the case itself: the last event that changed it.
fn last_mover(atom: &Atom, facts: &Facts<'_>) -> Option<usize> {
    let history = facts.history();
    atom.reads.iter().find_map(|read| match read {
        Read::Case(word) => history.last_change(*word).map(|counted| counted.index),
        _ => None,
    })
}
