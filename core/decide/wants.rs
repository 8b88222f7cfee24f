//! What the vendor's record should show for the flags as they now stand: one mark, one sentence, one note per rule and
//! episode. Level-triggered: an action is given only where the want differs from the last one.

use super::fold::Folded;
use super::note::note;
use crate::action::{Action, MarkedFlag, Marker, Slot, Want, action_id};
use crate::policy::Policy;
use crate::rule::Language;
use crate::state::{CaseState, Flag, FlagState, InFlight, NoteMemory, Override, OverrideKind, Presence};
use jiff::Timestamp;

/// The most unconfirmed marks remembered; older ones can no longer turn up (T_quiet has long passed).
const IN_FLIGHT_MAX: usize = 8;

/// The most notes remembered per case.
const NOTES_MAX: usize = 64;

#[derive(Default)]
pub struct Shown {
    pub actions: Vec<Action>,
    /// When a snooze ends.
    pub look_again_at: Option<Timestamp>,
}

/// The actions that make the record show the flags. In a `wave` (the policy changed), and of what only waited since one,
/// marks change and no note is written.
pub fn wants(policy: &Policy, folded: &mut Folded, wave: bool, now: Timestamp) -> Shown {
    let state = &mut folded.state;
    if state.presence != Presence::Present {
        return Shown::default();
    }
    let mut shown = Shown { actions: Vec::new(), look_again_at: snooze_end(&state.overrides, now) };
    want_mark(policy, state, now, &mut shown.actions);
    want_notes(policy, state, wave, now, &mut shown.actions);
    shown
}

fn want_mark(policy: &Policy, state: &mut CaseState, now: Timestamp, actions: &mut Vec<Action>) {
    let marker = desired_marker(state, now);
    if marker.as_ref() == state.mark.expected() {
        return;
    }
    let why = marker.as_ref().and_then(|_| sentence(policy, state, now));
    let mark = &mut state.mark;
    mark.generation += 1;
    mark.in_flight.push(InFlight { generation: mark.generation, marker: marker.clone() });
    let excess = mark.in_flight.len().saturating_sub(IN_FLIGHT_MAX);
    mark.in_flight.drain(..excess);
    mark.why.clone_from(&why);
    actions.push(Action::new(&state.case.key, Slot::Mark, Want::Mark(marker), mark.generation));
    actions.push(Action::new(&state.case.key, Slot::Why, Want::Why(why), mark.generation));
}

fn want_notes(policy: &Policy, state: &mut CaseState, wave: bool, now: Timestamp, actions: &mut Vec<Action>) {
    let language = Language::of(policy.manner_of(&state.case).0);
    for flag in state.flags.iter().filter(|flag| flag.state == FlagState::Open) {
        let Some(rule) = policy.rules.iter().find(|rule| rule.name == flag.rule) else { continue };
        let due = flag.severity >= rule.note_from && !is_silenced(flag, &state.overrides, now);
        let known = state.notes.iter().any(|note| note.rule == flag.rule && note.episode == flag.episode);
        if !due || known || covered(flag, policy, &state.flags) {
            continue;
        }
        let slot = Slot::Note { rule: flag.rule.clone(), episode: flag.episode.clone() };
        let marker = action_id(&state.case.key, &slot);
        if !wave && !flag.of_wave && !state.marks.notes.contains(&marker) {
            let body = note(rule, flag, language, &marker);
            actions.push(Action::new(&state.case.key, slot, Want::Note { marker, body }, 1));
        }
        state.notes.push(NoteMemory { rule: flag.rule.clone(), episode: flag.episode.clone() });
    }
    let excess = state.notes.len().saturating_sub(NOTES_MAX);
    state.notes.drain(..excess);
}

fn desired_marker(state: &CaseState, now: Timestamp) -> Option<Marker> {
    let open = state.flags.iter().filter(|flag| flag.state == FlagState::Open);
    let mut flags: Vec<_> = open
        .map(|flag| MarkedFlag {
            rule: flag.rule.clone(),
            episode: flag.episode.clone(),
            severity: flag.severity,
            raised_at: flag.raised_at,
            dismissed: is_silenced(flag, &state.overrides, now),
        })
        .collect();
    flags.sort();
    let severity = flags.iter().filter(|flag| !flag.dismissed).map(|flag| flag.severity).max();
    (!flags.is_empty()).then_some(Marker { severity, flags })
}

/// The sentence of the worst flag that is shown, and how many others there are.
fn sentence(policy: &Policy, state: &CaseState, now: Timestamp) -> Option<String> {
    let mut shown: Vec<&Flag> = state
        .flags
        .iter()
        .filter(|flag| flag.state == FlagState::Open && !is_silenced(flag, &state.overrides, now))
        .filter(|flag| !covered(flag, policy, &state.flags))
        .collect();
    shown.sort_by(|a, b| (b.severity, a.raised_at, &a.rule).cmp(&(a.severity, b.raised_at, &b.rule)));
    let (worst, rest) = shown.split_first()?;
    let why = if worst.why.is_empty() { &worst.rule } else { &worst.why };
    Some(match rest.len() {
        0 => why.clone(),
        more => format!("{why} (+{more} more)"),
    })
}

/// Whether a person asked not to see the flag: dismissed or snoozed, and not worse since.
pub fn is_silenced(flag: &Flag, overrides: &[Override], now: Timestamp) -> bool {
    overrides.iter().filter(|said| said.is_about(flag)).any(|said| match &said.kind {
        OverrideKind::Dismissed { above } => flag.severity <= *above,
        OverrideKind::Snoozed { until, above } => {
            until.is_none_or(|until| now < until) && above.is_none_or(|above| flag.severity <= above)
        }
        OverrideKind::Acknowledged | OverrideKind::Escalated => false,
    })
}

/// Whether a flag at least as severe on the same case says it already.
fn covered(flag: &Flag, policy: &Policy, flags: &[Flag]) -> bool {
    flags
        .iter()
        .filter(|other| other.state == FlagState::Open && other.severity >= flag.severity)
        .any(|other| policy.covers(&other.rule, &flag.rule))
}

fn snooze_end(overrides: &[Override], now: Timestamp) -> Option<Timestamp> {
    overrides
        .iter()
        .filter_map(|said| match said.kind {
            OverrideKind::Snoozed { until, .. } => until.filter(|until| *until > now),
            _ => None,
        })
        .min()
}
