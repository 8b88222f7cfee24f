//! Folding news into the state: snapshots, events, receipts, and the marks found on the record. Marks come first: what
//! stands on the record is taken up, and what a person took off is respected.

use super::{Decision, DecisionKind, RuleTrouble, answer};
use crate::action::{MarkedFlag, Marker, Receipt, Severity, Slot, Want};
use crate::case::{CaseChange, Revision, SeenMarks};
use crate::state::{CaseState, Flag, FlagState, News, Override, OverrideKind, Presence, ShownMark};
use crate::timeline::{self, ANSWER, Actor, EventKind, TimelineEvent};
use jiff::{SignedDuration, Timestamp};

/// How often a mark that automation takes off is put back before it is only reported.
const PUT_BACK_MAX: u8 = 2;

/// A flag is of another case if it was raised so long before this one: our idea of the vendor's time may lag a little.
const BEFORE_MIN: SignedDuration = SignedDuration::from_mins(1);

/// The most overrides kept per case; the oldest go first.
const OVERRIDES_MAX: usize = 32;

/// A state with the news in it, and what folding alone decided.
pub struct Folded {
    pub state: CaseState,
    pub decisions: Vec<Decision>,
    pub trouble: Vec<RuleTrouble>,
}

/// Folds the news, in their order, into the state or into a new one.
pub fn fold(state: Option<&CaseState>, news: &[News], now: Timestamp) -> Option<Folded> {
    let first = news.iter().find_map(|item| match item {
        News::Change(change) => Some(change),
        _ => None,
    });
    let state = state.cloned().or_else(|| first.map(|change| CaseState::new(change.case.clone())))?;
    let mut folded = Folded { state, decisions: Vec::new(), trouble: Vec::new() };
    for item in news {
        match item {
            News::Change(change) => folded.take_change(change, now),
            News::Settled { receipt, want } => folded.take_receipt(receipt, want),
            News::Gone { .. } => folded.state.presence = Presence::Gone,
            News::Hidden { .. } => folded.state.presence = Presence::Hidden,
        }
    }
    let excess = folded.state.overrides.len().saturating_sub(OVERRIDES_MAX);
    folded.state.overrides.drain(..excess);
    Some(folded)
}

impl Folded {
    /// Invariant: a stored case never moves to an older vendor version (`an_older_snapshot_changes_nothing`).
    fn take_change(&mut self, change: &CaseChange, now: Timestamp) {
        self.state.truncated |= timeline::merge(&mut self.state.events, &change.events);
        if change.case.revision < self.state.case.revision {
            return;
        }
        self.state.case = change.case.clone();
        self.state.presence = Presence::Present;
        // Invariant: marks that did not come were not taken off (`marks_that_cannot_be_read_are_not_taken_off`).
        if change.marks.unread {
            return;
        }
        self.take_marks(&change.marks, now);
        self.take_answer(change.marks.answer.as_deref(), now);
        self.state.marks = change.marks.clone();
    }

    fn take_receipt(&mut self, receipt: &Receipt, want: &Want) {
        let (Slot::Mark, Want::Mark(marker)) = (&receipt.slot, want) else { return };
        let mark = &mut self.state.mark;
        mark.in_flight.retain(|flight| flight.generation > receipt.generation);
        mark.shown = Some(ShownMark { marker: marker.clone(), at: receipt.at, revision: receipt.revision });
    }

    fn take_marks(&mut self, seen: &SeenMarks, now: Timestamp) {
        if !seen.severity_cleared && self.is_ours(&seen.marker) {
            self.settle_by_sight(seen);
            return;
        }
        // Where the severity and the list are written one after the other, half of a removal of ours may have landed.
        if seen.severity_cleared && self.state.mark.in_flight.iter().any(|flight| flight.marker.is_none()) {
            self.remember_seen(seen);
            return;
        }
        if self.is_newer_than_shown(self.state.case.revision) {
            self.respect_removal(seen, now);
        }
        self.adopt(seen, now);
    }

    /// Whether what was seen is what we last wanted, or a want of ours that may have landed unconfirmed.
    fn is_ours(&self, seen: &Option<Marker>) -> bool {
        let mark = &self.state.mark;
        mark.generation > 0 && mark.in_flight.iter().any(|flight| flight.marker == *seen)
    }

    fn settle_by_sight(&mut self, seen: &SeenMarks) {
        let flights = &mut self.state.mark.in_flight;
        let landed = flights.iter().rposition(|flight| flight.marker == seen.marker);
        flights.drain(..landed.map_or(0, |last| last + 1));
        self.remember_seen(seen);
    }

    /// Absence counts only in a read newer than our own write's receipt.
    fn is_newer_than_shown(&self, read: Revision) -> bool {
        match &self.state.mark.shown {
            None => false,
            Some(ShownMark { revision: Some(revision), .. }) => read > *revision,
            Some(ShownMark { at, .. }) => read.at_ms > at.as_millisecond(),
        }
    }

    /// Flags that stood on the record and no longer do were taken off: by a person, who is obeyed, or by automation,
    /// which is corrected a bounded number of times.
    fn respect_removal(&mut self, seen: &SeenMarks, now: Timestamp) {
        let Some(shown) = self.state.mark.shown.as_ref().and_then(|shown| shown.marker.clone()) else {
            return;
        };
        let removed: Vec<_> =
            shown.flags.iter().filter(|flag| !flag.dismissed && is_removed(flag, seen)).cloned().collect();
        let last = last_mark_change(&self.state.events).cloned();
        let unlisted = shown.flags.iter().any(|flag| is_unlisted(flag, seen));
        match last.as_ref().map(|event| event.actor) {
            _ if removed.is_empty() && !unlisted => {}
            // Only the list that people do not read was touched: the dismissals in it are worth keeping.
            _ if removed.is_empty() => self.put_back(seen),
            Some(Actor::Vendor) => self.put_back(seen),
            // We never empty the severity while flags are listed: that is a person's hand, whatever the account.
            Some(Actor::Dutyd) if !seen.severity_cleared => self.remember_seen(seen),
            _ => {
                let by = last.and_then(|event| event.by);
                for flag in removed {
                    self.dismiss(&flag, by.clone(), now);
                }
                self.remember_seen(seen);
            }
        }
    }

    fn put_back(&mut self, seen: &SeenMarks) {
        let mark = &mut self.state.mark;
        if mark.put_back >= PUT_BACK_MAX {
            let because = format!("automation took the mark off {} times; it is left off", mark.put_back + 1);
            self.trouble.push(RuleTrouble { rule: "mark".to_owned(), because });
            return;
        }
        mark.put_back += 1;
        self.remember_seen(seen);
    }

    fn remember_seen(&mut self, seen: &SeenMarks) {
        let (at, revision) = (self.state.case.updated_at, Some(self.state.case.revision));
        self.state.mark.shown = Some(ShownMark { marker: visible(seen), at, revision });
    }

    fn dismiss(&mut self, flag: &MarkedFlag, by: Option<String>, now: Timestamp) {
        let Some(open) =
            self.state.flags.iter().find(|open| open.rule == flag.rule && open.state == FlagState::Open)
        else {
            return;
        };
        let above = open.severity.max(flag.severity);
        let who = by.as_deref().unwrap_or("a person");
        self.decisions.push(Decision {
            at: now,
            rule: flag.rule.clone(),
            severity: above,
            episode: open.episode.clone(),
            kind: DecisionKind::Override,
            why: format!("{who} took the mark off; it stays off until severity rises above {}", above.word()),
            evidence: None,
        });
        self.add_override(Override {
            rule: Some(flag.rule.clone()),
            kind: OverrideKind::Dismissed { above },
            at: now,
            by,
        });
    }

    /// What is said of one rule replaces what was said of it before; a new answer to the whole mark, the old one.
    fn add_override(&mut self, new: Override) {
        self.state.overrides.retain(|old| old.rule != new.rule);
        self.state.overrides.push(new);
    }

    /// A mark of a rule that is not in our memory means: already raised. Its episode is taken over, so that losing the
    /// database doubles nothing. One that lists no flag of this case is nobody's: remembered as shown, it is wanted off.
    fn adopt(&mut self, seen: &SeenMarks, now: Timestamp) {
        let Some(marker) = &seen.marker else { return };
        let mut adopted = false;
        for flag in &marker.flags {
            let known = self.state.flags.iter().any(|known| known.rule == flag.rule && knows(known, flag));
            if known || self.is_of_another_case(flag) {
                continue;
            }
            adopted = true;
            self.state.flags.retain(|old| old.rule != flag.rule);
            self.state.flags.push(taken_up(flag, seen.why.as_deref()));
            self.decisions.push(Decision {
                at: now,
                rule: flag.rule.clone(),
                severity: flag.severity,
                episode: flag.episode.clone(),
                kind: DecisionKind::Adopt,
                why: "found on the record".to_owned(),
                evidence: None,
            });
            // A mark that a snooze silenced is no dismissal: the answer beside it is read next.
            let snoozed = seen.answer.as_deref().is_some_and(answer::is_snooze);
            if (flag.dismissed && !snoozed) || seen.severity_cleared {
                let kind = OverrideKind::Dismissed { above: flag.severity };
                self.add_override(Override { rule: Some(flag.rule.clone()), kind, at: now, by: None });
            }
        }
        let first = self.state.mark.generation == 0;
        let nobodys = marker.flags.iter().all(|flag| self.is_of_another_case(flag));
        if first && (adopted || nobodys) {
            self.state.mark.why.clone_from(&seen.why);
            self.remember_seen(seen);
        } else if nobodys && self.is_new_on_an_empty_place() {
            self.state.mark.put_back += 1;
            self.remember_seen(seen);
        }
    }

    /// Whether a flag was raised before its case came to be: a copy or a follow-up shows what stood on the other one.
    fn is_of_another_case(&self, flag: &MarkedFlag) -> bool {
        let opened_at = self.state.case.opened_at;
        // A date of opening that people may edit says less than the first that happened.
        let begun = self.state.events.first().map_or(opened_at, |event| event.at.min(opened_at));
        flag.raised_at.saturating_add(BEFORE_MIN).is_ok_and(|latest| latest < begun)
    }

    /// Whether a mark was put where nothing of ours stood or was on its way. It is taken off, a bounded number of times.
    fn is_new_on_an_empty_place(&self) -> bool {
        let mark = &self.state.mark;
        let empty =
            mark.in_flight.is_empty() && mark.shown.as_ref().is_some_and(|shown| shown.marker.is_none());
        empty && mark.put_back < PUT_BACK_MAX && self.is_newer_than_shown(self.state.case.revision)
    }

    /// A person's answer in the field meant for it counts once, when it changes.
    fn take_answer(&mut self, said: Option<&str>, now: Timestamp) {
        let said = said.map(str::trim).filter(|said| !said.is_empty());
        if said == self.state.marks.answer.as_deref().map(str::trim) {
            return;
        }
        let Some(said) = said else { return };
        let given = self.who_answered(said);
        // A copy of a case carries the answer that was given to the other one, and no history of it.
        if given.is_none() && !self.was_flagged() {
            return;
        }
        let worst = self
            .state
            .flags
            .iter()
            .filter(|flag| flag.state == FlagState::Open)
            .map(|flag| flag.severity)
            .max();
        let (at, by) = given.unwrap_or((now, None));
        let Some(kind) = answer::parse(said, at, worst.unwrap_or(Severity::Watch)) else {
            let because = format!("the answer {said:?} on the record is not understood");
            self.trouble.push(RuleTrouble { rule: "answer".to_owned(), because });
            return;
        };
        self.decisions.push(Decision {
            at: now,
            rule: "answer".to_owned(),
            severity: worst.unwrap_or(Severity::Watch),
            episode: String::new(),
            kind: DecisionKind::Override,
            why: format!("{} answered {said:?}", by.as_deref().unwrap_or("a person")),
            evidence: None,
        });
        self.add_override(Override { rule: None, kind, at, by });
    }

    /// Whether there was a mark of ours on this case that somebody could answer.
    fn was_flagged(&self) -> bool {
        let raised = |flag: &Flag| flag.state != FlagState::Pending;
        self.state.mark.generation > 0 || self.state.flags.iter().any(raised)
    }

    /// When the answer was given, and by whom, where the record's history tells it.
    fn who_answered(&self, said: &str) -> Option<(Timestamp, Option<String>)> {
        let is_it = |event: &&TimelineEvent| match &event.kind {
            EventKind::FieldChanged { field, to: Some(to), .. } => field == ANSWER && to.trim() == said,
            _ => false,
        };
        self.state.events.iter().rev().find(is_it).map(|event| (event.at, event.by.clone()))
    }
}

/// The mark as people see it: with the severity emptied, nothing is shown.
fn visible(seen: &SeenMarks) -> Option<Marker> {
    let marker = seen.marker.clone()?;
    let severity = if seen.severity_cleared { None } else { marker.severity };
    Some(Marker { severity, ..marker })
}

fn is_removed(flag: &MarkedFlag, seen: &SeenMarks) -> bool {
    seen.severity_cleared || is_unlisted(flag, seen)
}

fn is_unlisted(flag: &MarkedFlag, seen: &SeenMarks) -> bool {
    !seen.marker.iter().flat_map(|marker| &marker.flags).any(|known| known.rule == flag.rule)
}

fn last_mark_change(events: &[TimelineEvent]) -> Option<&TimelineEvent> {
    events.iter().rev().find(|event| matches!(event.kind, EventKind::MarkChanged { .. }))
}

/// Whether memory already answers for a flag found on the record.
fn knows(known: &Flag, found: &MarkedFlag) -> bool {
    match known.state {
        FlagState::Open => true,
        FlagState::Cleared => known.since >= found.raised_at,
        FlagState::Pending => false,
    }
}

fn taken_up(found: &MarkedFlag, why: Option<&str>) -> Flag {
    Flag {
        rule: found.rule.clone(),
        state: FlagState::Open,
        severity: found.severity,
        peak: found.severity,
        since: found.raised_at,
        raised_at: found.raised_at,
        episode: found.episode.clone(),
        why: why.unwrap_or_default().to_owned(),
        raises: vec![found.raised_at],
        leaving_since: None,
        cleared_at: None,
        of_wave: false,
    }
}
