//! What `decide` promises, as requirements, on a record that shows what we write to it.

use super::*;
use crate::action::{Marker, Receipt, Slot, Want};
use crate::case::{Case, CaseChange, CaseKey, Priority, Revision, SeenMarks, Status};
use crate::policy::{Policy, PolicyFile};
use crate::state::{FlagState, OverrideKind};
use crate::timeline::{Actor, EventKind, TimelineEvent};
use desk::Desk;
use jiff::ToSpan;
use proptest::prelude::*;
use std::sync::Arc;

mod answers;
mod calm;
mod copies;
mod desk;
mod echo;
mod notes;
mod retrace;
mod wave;

const RULES: &str = r#"
[[rules]]
name = "urgent"
title = "Urgent case"
when = "case.priority <= 2"
severity = "candidate"
dwell = "0m"
text = "Priority is {case.priority}."

[[rules]]
name = "idle"
title = "Nothing happens"
text = "Idle."
[rules.ladder]
watch = "idle.wall >= hours(4)"
critical = "idle.wall >= hours(8)"
"#;

fn at(hours: i64) -> Timestamp {
    "2026-03-02T00:00:00Z".parse::<Timestamp>().unwrap() + hours.hours()
}

fn policies(rules: &str) -> PolicySet {
    let file = PolicyFile { name: "test.toml".to_owned(), text: rules.to_owned() };
    let policy = Policy::load(&[file]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    PolicySet { current: Arc::new(policy), ..PolicySet::default() }
}

fn event(id: &str, at: Timestamp, actor: Actor, kind: EventKind) -> TimelineEvent {
    TimelineEvent { id: id.to_owned(), at, seen_at: at, actor, by: None, kind }
}

fn kinds(outcome: &Outcome) -> Vec<DecisionKind> {
    outcome.decisions.iter().map(|decision| decision.kind).collect()
}

#[test]
fn a_flag_is_raised_once_and_stands_on_the_record_with_a_note() {
    let mut desk = Desk::new(RULES);
    assert!(desk.turn().actions.is_empty(), "nothing is wrong yet");
    desk.now = at(1);
    desk.set_priority(1);
    let outcome = desk.turn();
    assert_eq!(kinds(&outcome), [DecisionKind::Raise]);
    assert_eq!(desk.severity(), Some(Severity::Candidate));
    assert_eq!(desk.record.marks.notes.len(), 1);
    let Some(Want::Note { marker, body }) =
        outcome.actions.iter().map(|action| &action.want).find(|want| matches!(want, Want::Note { .. }))
    else {
        panic!("no note in {:?}", outcome.actions)
    };
    assert!(body.ends_with(&format!("\n[dutyd:{marker}]")), "{body}");
}

#[test]
fn time_alone_raises_at_the_second_and_not_before() {
    let mut desk = Desk::new(RULES);
    let first = desk.turn();
    assert_eq!(first.look_again_at, Some(at(4)));
    desk.now = at(4) - 1.second();
    assert!(desk.decide(&[]).decisions.is_empty());
    desk.now = at(4);
    let outcome = desk.decide(&[]);
    assert_eq!(kinds(&outcome), [DecisionKind::Raise]);
    assert_eq!(outcome.look_again_at, Some(at(8)));
    desk.now = at(8);
    let outcome = desk.decide(&[]);
    assert_eq!(kinds(&outcome), [DecisionKind::Change]);
    assert_eq!(outcome.decisions[0].severity, Severity::Critical);
    assert_eq!(outcome.look_again_at, None);
}

#[test]
fn a_blind_source_raises_nothing_by_the_passage_of_time() {
    let mut desk = Desk::new(RULES);
    desk.turn();
    let around = Around { blind_since: Some(at(3)), ..Around::default() };
    let outcome = decide(&desk.policies, desk.state.as_ref(), &around, &[], at(5)).unwrap();
    assert!(outcome.decisions.is_empty());
}

/// A field that we may not read any more is not a field without a value.
#[test]
fn what_cannot_be_told_neither_raises_nor_clears() {
    let mut desk = Desk::new(RULES);
    desk.set_priority(1);
    desk.turn();
    desk.now = at(1);
    desk.edit(|record| {
        record.case.priority = None;
        record.case.unread.push("priority".to_owned());
    });
    let outcome = desk.turn();
    assert_eq!(kinds(&outcome), []);
    assert!(outcome.trouble.iter().any(|trouble| trouble.rule == "urgent"), "{:?}", outcome.trouble);
    assert_eq!(desk.severity(), Some(Severity::Candidate));
    desk.edit(|record| record.case.unread.clear());
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Clear], "now it is known to have none");
}

#[test]
fn a_daemon_that_lost_its_memory_doubles_nothing() {
    let mut desk = Desk::new(RULES);
    desk.set_priority(1);
    desk.turn();
    desk.now = at(2);
    desk.state = None;
    let outcome = desk.turn();
    assert_eq!(kinds(&outcome), [DecisionKind::Adopt]);
    assert!(outcome.actions.is_empty(), "{:?}", outcome.actions);
    assert_eq!(desk.doubled(), 0);
}

#[test]
fn a_daemon_that_lost_its_memory_remembers_a_dismissal_from_the_record() {
    let mut desk = Desk::new(RULES);
    desk.set_priority(1);
    desk.turn();
    desk.now = at(1);
    desk.take_off(Actor::Agent);
    desk.turn();
    assert_eq!(desk.severity(), None);
    desk.state = None;
    let outcome = desk.turn();
    assert!(outcome.actions.is_empty(), "{:?}", outcome.actions);
    assert_eq!(desk.severity(), None);
}

#[test]
fn a_person_who_takes_the_mark_off_is_obeyed_until_it_gets_worse() {
    let rules = RULES.replace("severity = \"candidate\"", "severity = \"warning\"");
    let mut desk = Desk::new(&rules);
    desk.set_priority(1);
    desk.turn();
    desk.now = at(1);
    desk.take_off(Actor::Agent);
    let outcome = desk.turn();
    assert_eq!(kinds(&outcome), [DecisionKind::Override]);
    assert!(outcome.decisions[0].why.contains("Ann"), "{}", outcome.decisions[0].why);
    assert_eq!(desk.severity(), None);
    desk.now = at(9);
    let outcome = desk.turn();
    assert_eq!(kinds(&outcome), [DecisionKind::Raise], "another rule may still speak");
    assert_eq!(desk.severity(), Some(Severity::Critical));
}

#[test]
fn an_emptied_severity_is_a_persons_hand_under_any_account() {
    for actor in [Actor::Dutyd, Actor::Agent] {
        let mut desk = Desk::new(RULES);
        desk.set_priority(1);
        desk.turn();
        desk.now = at(1);
        desk.edit(|record| {
            record.marks.severity_cleared = true;
            let kind = EventKind::MarkChanged { from: Some("candidate".to_owned()), to: None };
            record.events.push(event("mark", at(1), actor, kind));
        });
        let outcome = desk.read();
        assert_eq!(kinds(&outcome), [DecisionKind::Override], "{actor:?}");
        let dismissed = |over: &crate::state::Override| matches!(over.kind, OverrideKind::Dismissed { .. });
        assert!(outcome.state.overrides.iter().all(dismissed) && outcome.state.overrides.len() == 1);
    }
}

#[test]
fn automation_that_takes_the_mark_off_is_corrected_twice_then_reported() {
    let mut desk = Desk::new(RULES);
    desk.set_priority(1);
    desk.turn();
    for round in 1..=3 {
        desk.now = at(round);
        desk.take_off(Actor::Vendor);
        let outcome = desk.read();
        let receipts = desk.write(&outcome.actions);
        desk.decide(&receipts);
        assert_eq!(desk.severity().is_some(), round <= 2, "round {round}");
        assert_eq!(outcome.trouble.iter().any(|trouble| trouble.rule == "mark"), round > 2, "round {round}");
    }
    assert_eq!(desk.doubled(), 0);
}

#[test]
fn a_memory_restored_from_an_old_copy_neither_doubles_nor_dismisses() {
    let mut desk = Desk::new(RULES);
    desk.turn();
    let old = desk.state.clone();
    desk.now = at(1);
    desk.set_priority(1);
    desk.turn();
    let marked = desk.state.clone();
    desk.state = old;
    let outcome = desk.turn();
    assert_eq!(kinds(&outcome), [DecisionKind::Adopt]);
    assert!(outcome.actions.iter().all(|action| !matches!(action.slot, Slot::Note { .. })));
    desk.now = at(2);
    desk.state = marked;
    desk.set_priority(3);
    desk.turn();
    assert_eq!(desk.severity(), None);
    assert_eq!(desk.doubled(), 0);
}

#[test]
fn an_older_snapshot_changes_nothing() {
    let mut desk = Desk::new(RULES);
    let old = desk.record.clone();
    desk.now = at(1);
    desk.set_priority(1);
    desk.turn();
    let before = desk.state.clone();
    let outcome = desk.decide(&[News::Change(Box::new(old))]);
    assert_eq!(Some(outcome.state), before);
    assert!(outcome.actions.is_empty());
}

#[test]
fn a_resolved_case_loses_its_flags() {
    let mut desk = Desk::new(RULES);
    desk.set_priority(1);
    desk.turn();
    desk.now = at(1);
    desk.edit(|record| record.case.status = Status::Resolved);
    let outcome = desk.turn();
    assert_eq!(kinds(&outcome), [DecisionKind::Clear]);
    assert_eq!(desk.record.marks.marker, None);
    assert_eq!(outcome.look_again_at, None);
}

#[test]
fn input_that_flips_every_minute_for_a_day_makes_at_most_two_transitions() {
    let rules = RULES.replace("dwell = \"0m\"\n", "");
    let mut desk = Desk::new(&rules);
    let mut transitions = Vec::new();
    let mut note = |outcome: Outcome| {
        let urgent = outcome.decisions.into_iter().filter(|decision| decision.rule == "urgent");
        transitions.extend(urgent.map(|decision| decision.kind));
    };
    for minute in 0..1440 {
        desk.now = at(0) + minute.minutes();
        desk.set_priority(1 + 2 * (minute % 2) as u8);
        note(desk.turn());
    }
    desk.now = at(30);
    note(desk.turn());
    assert_eq!(transitions, [DecisionKind::Raise, DecisionKind::Clear]);
}

#[test]
fn a_rule_waits_for_its_for_and_its_cooldown_and_its_refire_budget() {
    let calm = "severity = \"candidate\"\nfor = \"30m\"\ncooldown = \"2h\"\nrefires = 2";
    let mut desk = Desk::new(&RULES.replace("severity = \"candidate\"", calm));
    desk.set_priority(1);
    let outcome = desk.turn();
    assert!(outcome.decisions.is_empty());
    assert_eq!(outcome.look_again_at, Some(at(0) + 30.minutes()));
    desk.now = at(0) + 30.minutes();
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Raise]);
    desk.now = at(1);
    desk.set_priority(3);
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Clear]);
    desk.set_priority(1);
    let outcome = desk.turn();
    assert_eq!((kinds(&outcome), outcome.look_again_at), (vec![], Some(at(3))));
    desk.now = at(3);
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Raise], "second within a day");
    desk.set_priority(3);
    desk.turn();
    desk.now = at(7);
    desk.set_priority(1);
    let mut urgent_at = |now: Timestamp| {
        desk.now = now;
        let decided = desk.turn().decisions.into_iter().filter(|decision| decision.rule == "urgent");
        decided.map(|decision| decision.kind).collect::<Vec<_>>()
    };
    for spent in [at(7), at(8), at(24) + 29.minutes()] {
        assert_eq!(urgent_at(spent), [], "the budget of a day is spent at {spent}");
    }
    assert_eq!(urgent_at(at(24) + 30.minutes()), [DecisionKind::Raise], "a day after the first");
}

#[test]
fn a_severity_that_flips_every_minute_rises_at_once_and_falls_once() {
    let ladder = "[[rules]]\nname = \"urgent\"\n[rules.ladder]\nwatch = \"case.open\"\ncritical = \"case.priority <= 2\"";
    let mut desk = Desk::new(ladder);
    let mut seen = Vec::new();
    for minute in 0..120 {
        desk.now = at(0) + minute.minutes();
        desk.set_priority(if minute < 60 { 1 + 2 * (minute % 2) as u8 } else { 3 });
        seen.extend(desk.turn().decisions.into_iter().map(|decision| (decision.kind, decision.severity)));
    }
    assert_eq!(seen, [(DecisionKind::Raise, Severity::Critical), (DecisionKind::Change, Severity::Watch)]);
}

#[test]
fn maintenance_holds_back_what_is_new_until_it_ends() {
    let window = "[[maintenance]]\nname = \"move\"\nfrom = \"2026-03-02T00:00:00Z\"\nuntil = \"2026-03-02T02:00:00Z\"\n";
    let mut desk = Desk::new(&format!("{RULES}{window}"));
    desk.set_priority(1);
    let outcome = desk.turn();
    assert_eq!((kinds(&outcome), outcome.look_again_at), (vec![], Some(at(2))));
    desk.now = at(2);
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Raise]);
}

#[test]
fn a_changed_policy_changes_marks_and_writes_no_notes() {
    let mut desk = Desk::new("");
    desk.set_priority(1);
    desk.turn();
    desk.policies = policies(RULES);
    let outcome = desk.turn();
    assert_eq!(kinds(&outcome), [DecisionKind::Raise]);
    assert_eq!(desk.severity(), Some(Severity::Candidate));
    assert!(desk.record.marks.notes.is_empty());
}

#[test]
fn an_answer_on_the_record_snoozes_until_its_time() {
    let mut desk = Desk::new(RULES);
    desk.set_priority(1);
    desk.turn();
    desk.now = at(1);
    desk.edit(|record| record.marks.answer = Some("2h".to_owned()));
    let outcome = desk.turn();
    assert_eq!((desk.severity(), outcome.look_again_at), (None, Some(at(3))));
    desk.now = at(3);
    desk.turn();
    assert_eq!(desk.severity(), Some(Severity::Candidate));
    assert_eq!(desk.doubled(), 0);
}

#[test]
fn a_deleted_record_is_written_to_no_more() {
    let mut desk = Desk::new(RULES);
    desk.set_priority(1);
    desk.turn();
    let outcome = desk.decide(&[News::Gone { at: at(1) }]);
    assert_eq!(kinds(&outcome), [DecisionKind::Clear]);
    assert_eq!((outcome.actions.len(), outcome.look_again_at), (0, None));
}

#[test]
fn a_mark_survives_being_written_as_a_line() {
    let mut desk = Desk::new(RULES);
    desk.set_priority(1);
    desk.turn();
    desk.now = at(9);
    desk.turn();
    let marker = desk.record.marks.marker.expect("two rules fire");
    assert_eq!(marker.flags.len(), 2);
    assert_eq!(Marker::from_line(&marker.to_line()), Some(marker));
}

#[derive(Debug, Clone)]
enum Op {
    Wait(i64),
    Priority(u8),
    Status(Status),
    Read,
    ReadOld,
    TakeOff(Actor),
    Write,
    Tell,
    Forget,
}

fn op() -> impl Strategy<Value = Op> {
    let status = prop_oneof![Just(Status::Open), Just(Status::Pending), Just(Status::Resolved)];
    let hand = prop_oneof![Just(Actor::Agent), Just(Actor::Vendor)];
    prop_oneof![
        1 => (1i64..400).prop_map(Op::Wait),
        1 => (1u8..5).prop_map(Op::Priority),
        1 => status.prop_map(Op::Status),
        3 => Just(Op::Read),
        1 => Just(Op::ReadOld),
        1 => hand.prop_map(Op::TakeOff),
        3 => Just(Op::Write),
        3 => Just(Op::Tell),
        1 => Just(Op::Forget),
    ]
}

proptest! {
    /// I3, I4, I6 and I11 under any order of edits, reads, writes, receipts and losses of memory.
    #[test]
    fn any_order_of_news_converges_and_doubles_nothing(ops in prop::collection::vec(op(), 1..60)) {
        let mut desk = Desk::new(RULES);
        let mut old = desk.record.clone();
        let (mut unsent, mut untold): (Vec<Action>, Vec<News>) = (Vec::new(), Vec::new());
        for op in ops {
            let mut outcome = None;
            match op {
                Op::Wait(minutes) => desk.now += minutes.minutes(),
                Op::Priority(to) => desk.set_priority(to),
                Op::Status(to) => desk.edit(|record| record.case.status = to),
                Op::Read => outcome = Some(desk.read()),
                Op::ReadOld => {
                    let before = desk.state.as_ref().map(|state| state.case.revision);
                    let read = desk.decide(&[News::Change(Box::new(old.clone()))]);
                    prop_assert!(before.is_none_or(|before| read.state.case.revision >= before));
                    old = desk.record.clone();
                    outcome = Some(read);
                }
                Op::TakeOff(actor) => desk.take_off(actor),
                Op::Write => untold.extend(desk.write(&std::mem::take(&mut unsent))),
                Op::Tell if desk.state.is_some() => outcome = Some(desk.decide(&std::mem::take(&mut untold))),
                Op::Tell => {}
                // A daemon without memory reads by id: it cannot be told an older version than its own last write.
                Op::Forget => {
                    old = desk.record.clone();
                    (unsent, untold, desk.state) = (Vec::new(), Vec::new(), None);
                }
            }
            if let Some(outcome) = outcome {
                for action in outcome.actions {
                    unsent.retain(|older| older.slot != action.slot);
                    unsent.push(action);
                }
                let again = desk.decide(&[]);
                prop_assert!(again.decisions.is_empty(), "decided again: {:?}", again.decisions);
                prop_assert!(again.actions.is_empty(), "wanted again: {:?}", again.actions);
            }
        }
        untold.extend(desk.write(&unsent));
        if desk.state.is_some() {
            let last = desk.decide(&untold);
            let receipts = desk.write(&last.actions);
            desk.decide(&receipts);
        }
        let settled = desk.turn();
        prop_assert_eq!(desk.doubled(), 0);
        let open = settled.state.flags.iter().filter(|flag| flag.state == FlagState::Open).count();
        if settled.trouble.is_empty() {
            let listed = desk.record.marks.marker.as_ref().map_or(0, |marker| marker.flags.len());
            prop_assert_eq!(listed, open);
        }
    }
}
