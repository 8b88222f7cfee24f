//! Reconciling flags with what the rules say: raise, change, clear, or wait for `for`, dwell, cooldown and the refire budget.

use super::{Decision, DecisionKind, RuleTrouble};
use crate::action::{Severity, episode_tag};
use crate::rule::{Facts, Rule, RuleReading, Verdict};
use crate::state::{Flag, FlagState};
use jiff::{SignedDuration, Timestamp};
use std::cmp::Ordering;

/// The window of the refire budget.
const REFIRE_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// Whether we see the source well enough to raise on the passage of time alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    Clear,
    Blind,
}

#[derive(Default)]
pub struct Judged {
    pub flags: Vec<Flag>,
    pub decisions: Vec<Decision>,
    pub trouble: Vec<RuleTrouble>,
    pub look_again_at: Option<Timestamp>,
    wave: bool,
}

/// What one rule's flag becomes.
enum Next {
    /// As it is.
    Stay,
    /// No flag at all.
    Forget,
    Pending,
    Raise(Severity),
    Change(Severity),
    /// Quiet, but the dwell holds it.
    Linger,
    Clear,
}

/// Judges every rule once. Flags of rules that no longer apply are cleared. In a `wave` the policy changed: what begins to
/// wait now waits because of that.
pub fn reconcile(rules: &[Rule], facts: &Facts<'_>, sight: Sight, wave: bool) -> Judged {
    let mut judged = Judged { wave, ..Judged::default() };
    let quiet_until = facts.policy.in_maintenance(&facts.state.case, facts.now);
    for rule in rules {
        let flag = facts.state.flags.iter().find(|flag| flag.rule == rule.name);
        let reading = rule.read(facts, flag.is_some_and(|flag| flag.state == FlagState::Open));
        let (next, wake) = judge(rule, flag, &reading, facts.now, sight, quiet_until);
        let next = if wave && sight == Sight::Blind { unseen(next, flag, &reading) } else { next };
        judged.look_again_at = [judged.look_again_at, reading.changes_at, wake].into_iter().flatten().min();
        if let Verdict::CannotTell { because } = reading.verdict {
            judged.trouble.push(RuleTrouble { rule: rule.name.clone(), because });
        }
        judged.carry_out(rule, flag, next, facts);
    }
    judged.clear_orphans(rules, facts);
    judged
}

/// What becomes of a flag, and when to look again if only waiting is needed. `quiet_until`: the end of a maintenance window,
/// in which nothing new is raised.
fn judge(
    rule: &Rule,
    flag: Option<&Flag>,
    reading: &RuleReading,
    now: Timestamp,
    sight: Sight,
    quiet_until: Option<Timestamp>,
) -> (Next, Option<Timestamp>) {
    let state = flag.map(|flag| flag.state);
    match (&reading.verdict, state) {
        (Verdict::CannotTell { .. }, _) => (Next::Stay, None),
        (Verdict::Fires(severity), Some(FlagState::Open)) => {
            let flag = flag.expect("an open flag exists");
            match severity.cmp(&flag.severity) {
                Ordering::Equal => (Next::Stay, None),
                Ordering::Greater => (Next::Change(*severity), None),
                Ordering::Less => leave(rule, flag, Next::Change(*severity), now),
            }
        }
        (Verdict::Fires(_), _) if sight == Sight::Blind => (Next::Stay, None),
        (Verdict::Fires(severity), _) => match held_until(rule, flag, now).max(quiet_until) {
            Some(until) => (Next::Pending, Some(until)),
            None => (Next::Raise(*severity), None),
        },
        (Verdict::Quiet, Some(FlagState::Open)) => {
            leave(rule, flag.expect("an open flag exists"), Next::Clear, now)
        }
        (Verdict::Quiet, Some(FlagState::Pending)) => (Next::Forget, None),
        (Verdict::Quiet, _) => (Next::Stay, None),
    }
}

/// What a changed policy would raise if its case could be seen waits for that, as part of the wave.
fn unseen(next: Next, flag: Option<&Flag>, reading: &RuleReading) -> Next {
    let rises = matches!(reading.verdict, Verdict::Fires(_));
    match flag.map(|flag| flag.state) {
        None | Some(FlagState::Cleared) if rises => Next::Pending,
        _ => next,
    }
}

/// A flag becomes less only after its dwell.
fn leave(rule: &Rule, flag: &Flag, next: Next, now: Timestamp) -> (Next, Option<Timestamp>) {
    let until = later(flag.leaving_since.unwrap_or(now), rule.dwell);
    if until > now { (Next::Linger, Some(until)) } else { (next, None) }
}

/// Until when a firing rule must not be raised yet: its `for`, its cooldown, its refire budget. `None`: raise now.
fn held_until(rule: &Rule, flag: Option<&Flag>, now: Timestamp) -> Option<Timestamp> {
    let began = match flag {
        Some(flag) if flag.state == FlagState::Pending => flag.since,
        _ => now,
    };
    let cooled = flag.and_then(cleared_at).map(|cleared_at| later(cleared_at, rule.cooldown));
    let spent = flag.and_then(|flag| {
        let recent: Vec<_> = flag.raises.iter().filter(|at| later(**at, REFIRE_WINDOW) > now).collect();
        let oldest = recent.len().checked_sub(rule.refires_max.max(1))?;
        Some(later(*recent[oldest], REFIRE_WINDOW))
    });
    [Some(later(began, rule.hold_for)), cooled, spent]
        .into_iter()
        .flatten()
        .max()
        .filter(|until| *until > now)
}

/// When the episode before ended.
fn cleared_at(flag: &Flag) -> Option<Timestamp> {
    match flag.state {
        FlagState::Cleared => Some(flag.since),
        FlagState::Pending => flag.cleared_at,
        FlagState::Open => None,
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

impl Judged {
    fn carry_out(&mut self, rule: &Rule, flag: Option<&Flag>, next: Next, facts: &Facts<'_>) {
        let now = facts.now;
        match next {
            Next::Stay => self.flags.extend(flag.cloned().map(|flag| settled(flag, rule, now))),
            Next::Forget => self.keep_history(flag, now),
            Next::Pending => self.flags.push(pending(rule, flag, now, self.wave)),
            Next::Raise(severity) => {
                let raised = raised(rule, flag, severity, facts);
                self.log(DecisionKind::Raise, rule, &raised, facts);
                self.flags.push(raised);
            }
            Next::Change(severity) => {
                let mut changed = flag.cloned().expect("only an open flag changes");
                (changed.severity, changed.leaving_since, changed.of_wave) = (severity, None, false);
                changed.peak = changed.peak.max(severity);
                changed.why = rule.why(facts);
                self.log(DecisionKind::Change, rule, &changed, facts);
                self.flags.push(changed);
            }
            Next::Linger => self.flags.extend(
                flag.cloned().map(|flag| Flag { leaving_since: flag.leaving_since.or(Some(now)), ..flag }),
            ),
            Next::Clear => {
                let cleared = cleared(flag.cloned().expect("only an open flag clears"), now);
                self.log(DecisionKind::Clear, rule, &cleared, facts);
                self.flags.push(cleared);
            }
        }
    }

    /// A condition that stopped holding before it was raised leaves no trace, unless its refire budget needs one.
    fn keep_history(&mut self, flag: Option<&Flag>, now: Timestamp) {
        let Some(flag) = flag.filter(|flag| !flag.raises.is_empty()) else { return };
        self.flags.push(cleared(flag.clone(), cleared_at(flag).unwrap_or(now)));
    }

    fn log(&mut self, kind: DecisionKind, rule: &Rule, flag: &Flag, facts: &Facts<'_>) {
        self.decisions.push(Decision {
            at: facts.now,
            rule: rule.name.clone(),
            severity: flag.severity,
            episode: flag.episode.clone(),
            kind,
            why: flag.why.clone(),
            evidence: Some(rule.evidence(facts)),
        });
    }

    /// Flags whose rule is gone, or whose case is done or out of sight.
    fn clear_orphans(&mut self, rules: &[Rule], facts: &Facts<'_>) {
        let orphans =
            facts.state.flags.iter().filter(|flag| !rules.iter().any(|rule| rule.name == flag.rule));
        for flag in orphans {
            match flag.state {
                FlagState::Pending => {}
                FlagState::Cleared if later(flag.since, REFIRE_WINDOW) < facts.now => {}
                FlagState::Cleared => self.flags.push(flag.clone()),
                FlagState::Open => {
                    let cleared = cleared(flag.clone(), facts.now);
                    self.decisions.push(Decision {
                        at: facts.now,
                        rule: cleared.rule.clone(),
                        severity: cleared.severity,
                        episode: cleared.episode.clone(),
                        kind: DecisionKind::Clear,
                        why: "the rule no longer applies to this case".to_owned(),
                        evidence: None,
                    });
                    self.flags.push(cleared);
                }
            }
        }
    }
}

/// An untouched flag, without the lingering that a firing rule ends and without history nobody needs.
fn settled(flag: Flag, rule: &Rule, now: Timestamp) -> Flag {
    let raises = match flag.state {
        FlagState::Cleared if later(flag.since, rule.cooldown.max(REFIRE_WINDOW)) <= now => Vec::new(),
        _ => flag.raises.clone(),
    };
    Flag { leaving_since: None, raises, ..flag }
}

fn pending(rule: &Rule, flag: Option<&Flag>, now: Timestamp, wave: bool) -> Flag {
    if let Some(flag) = flag.filter(|flag| flag.state == FlagState::Pending) {
        return flag.clone();
    }
    Flag {
        rule: rule.name.clone(),
        state: FlagState::Pending,
        severity: Severity::Watch,
        peak: Severity::Watch,
        since: now,
        raised_at: now,
        episode: String::new(),
        why: String::new(),
        raises: flag.map(|flag| flag.raises.clone()).unwrap_or_default(),
        leaving_since: None,
        cleared_at: flag.and_then(cleared_at),
        of_wave: wave,
    }
}

fn raised(rule: &Rule, flag: Option<&Flag>, severity: Severity, facts: &Facts<'_>) -> Flag {
    let now = facts.now;
    let mut raises = flag.map(|flag| flag.raises.clone()).unwrap_or_default();
    raises.retain(|at| later(*at, REFIRE_WINDOW) > now);
    raises.push(now);
    Flag {
        rule: rule.name.clone(),
        state: FlagState::Open,
        severity,
        peak: severity,
        since: now,
        raised_at: now,
        episode: episode_tag(&rule.episode(facts)),
        why: rule.why(facts),
        raises,
        leaving_since: None,
        cleared_at: None,
        of_wave: flag.is_some_and(|flag| flag.state == FlagState::Pending && flag.of_wave),
    }
}

fn cleared(flag: Flag, now: Timestamp) -> Flag {
    Flag {
        state: FlagState::Cleared,
        since: now,
        leaving_since: None,
        cleared_at: None,
        of_wave: false,
        ..flag
    }
}
