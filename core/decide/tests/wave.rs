//! What a changed policy raises is raised without a note and tells nobody, whether at once or after a wait; what happens
//! later is news.

use super::*;

const WAITING: &str = "[[rules]]\nname = \"urgent\"\ntitle = \"Urgent\"\nwhen = \"case.priority <= 2\"\n\
                       severity = \"candidate\"\nfor = \"30m\"\n";

/// A case of priority `priority` under an empty policy, until `rules` come into force.
fn after_a_change(rules: &str, priority: u8) -> Desk {
    let mut desk = Desk::new("");
    desk.set_priority(priority);
    desk.turn();
    desk.now = at(1);
    desk.policies = policies(rules);
    assert!(desk.turn().decisions.is_empty(), "`for` has not passed");
    desk
}

#[test]
fn a_condition_that_held_at_the_change_is_raised_after_its_for_without_a_note() {
    let mut desk = after_a_change(WAITING, 1);
    desk.now = at(1) + 30.minutes();
    let outcome = desk.turn();
    assert_eq!(kinds(&outcome), [DecisionKind::Raise]);
    assert_eq!(desk.severity(), Some(Severity::Candidate), "the mark is there");
    assert_eq!(desk.record.marks.notes, Vec::<String>::new());
    desk.now = at(2);
    desk.turn();
    assert!(desk.record.marks.notes.is_empty(), "nor later");
}

#[test]
fn a_condition_that_begins_to_hold_after_the_change_is_news() {
    let mut desk = after_a_change(WAITING, 3);
    desk.now = at(1) + 1.minutes();
    desk.set_priority(1);
    desk.turn();
    desk.now = at(1) + 31.minutes();
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Raise]);
    assert_eq!(desk.record.marks.notes.len(), 1);
}

#[test]
fn a_condition_that_ended_and_begins_again_after_the_change_is_news() {
    let mut desk = after_a_change(WAITING, 1);
    for (minute, priority) in [(5, 3), (6, 1)] {
        desk.now = at(1) + minute.minutes();
        desk.set_priority(priority);
        desk.turn();
    }
    desk.now = at(1) + 36.minutes();
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Raise]);
    assert_eq!(desk.record.marks.notes.len(), 1);
}

#[test]
fn a_wait_that_began_before_the_change_is_news_when_it_ends() {
    let mut desk = Desk::new(WAITING);
    desk.set_priority(1);
    desk.turn();
    desk.now = at(0) + 10.minutes();
    desk.policies = policies(&format!("{WAITING}note_from = \"warning\"\n"));
    desk.turn();
    desk.now = at(0) + 30.minutes();
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Raise]);
    assert_eq!(desk.record.marks.notes.len(), 1);
}

#[test]
fn what_gets_worse_after_the_change_is_news() {
    let ladder = "[[rules]]\nname = \"urgent\"\nfor = \"30m\"\n[rules.ladder]\nwatch = \"case.open\"\n\
                  critical = \"case.priority <= 2\"";
    let mut desk = after_a_change(ladder, 3);
    desk.now = at(1) + 30.minutes();
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Raise]);
    desk.now = at(2);
    desk.set_priority(1);
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Change]);
    assert_eq!(desk.record.marks.notes.len(), 1);
}

#[test]
fn a_case_that_cannot_be_seen_at_the_change_belongs_to_the_wave_when_it_is_seen_again() {
    let mut desk = Desk::new("");
    desk.set_priority(1);
    desk.turn();
    desk.now = at(1);
    desk.policies = policies(RULES);
    let blind = Around { blind_since: Some(at(0)), ..Around::default() };
    let outcome = decide(&desk.policies, desk.state.as_ref(), &blind, &[], desk.now).expect("a state");
    assert!(outcome.decisions.is_empty(), "nothing is raised blindly");
    desk.state = Some(outcome.state);
    desk.now = at(2);
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Raise]);
    assert!(desk.record.marks.notes.is_empty());
}
