//! What people answer counts from when they said it, and a new answer takes the place of the old one.

use super::*;
use crate::state::Override;

fn answer(desk: &mut Desk, said: &str, by: &str) {
    let (id, now) = (format!("answer-{}", desk.record.events.len()), desk.now);
    desk.edit(|record| {
        let from = record.marks.answer.replace(said.to_owned());
        let kind = EventKind::FieldChanged { field: "answer".to_owned(), from, to: Some(said.to_owned()) };
        let event = event(&id, now, Actor::Agent, kind);
        record.events.push(TimelineEvent { by: Some(by.to_owned()), ..event });
    });
}

fn urgent() -> Desk {
    let mut desk = Desk::new(RULES);
    desk.set_priority(1);
    desk.turn();
    assert_eq!(desk.severity(), Some(Severity::Candidate));
    desk
}

fn overrides(desk: &Desk) -> &[Override] {
    &desk.state.as_ref().expect("a state").overrides
}

#[test]
fn a_snooze_counts_from_when_it_was_said_and_names_who() {
    let mut desk = urgent();
    desk.now = at(1);
    answer(&mut desk, "2h", "Ann");
    desk.now = at(2);
    let outcome = desk.turn();
    assert_eq!(desk.severity(), None);
    assert_eq!(outcome.look_again_at, Some(at(3)), "two hours from one o'clock, though read at two");
    let said = &overrides(&desk)[0];
    assert_eq!((said.at, said.by.as_deref()), (at(1), Some("Ann")));
    desk.now = at(3);
    desk.turn();
    assert_eq!(desk.severity(), Some(Severity::Candidate), "the snooze is over");
}

#[test]
fn a_snooze_survives_the_loss_of_memory_as_a_snooze_and_ends_in_time() {
    for (lost_at, shown) in [(2, None), (5, Some(Severity::Candidate))] {
        let mut desk = urgent();
        desk.now = at(1);
        answer(&mut desk, "2h", "Ann");
        desk.turn();
        assert_eq!(desk.severity(), None);
        desk.state = None;
        desk.now = at(lost_at);
        desk.turn();
        assert_eq!(desk.severity(), shown, "lost at {lost_at}");
        assert_eq!(desk.doubled(), 0);
    }
}

#[test]
fn a_new_answer_takes_the_place_of_the_old_one() {
    let mut desk = urgent();
    desk.now = at(1);
    answer(&mut desk, "2d", "Ann");
    desk.turn();
    desk.now = at(2);
    answer(&mut desk, "ack", "Bob");
    desk.turn();
    assert_eq!(desk.severity(), Some(Severity::Candidate), "seen is not silenced");
    let kinds: Vec<_> = overrides(&desk).iter().map(|said| (&said.kind, said.by.as_deref())).collect();
    assert_eq!(kinds, [(&OverrideKind::Acknowledged, Some("Bob"))]);
}

#[test]
fn a_forecast_names_what_another_policy_would_raise_clear_and_change() {
    let mut desk = urgent();
    desk.now = at(5);
    desk.turn();
    let told = |rules: &str| {
        let state = desk.state.as_ref().expect("a state");
        let shifts = forecast(&policies(rules), state, &Around::default(), desk.now);
        shifts.into_iter().map(|shift| (shift.rule, shift.from, shift.to)).collect::<Vec<_>>()
    };
    assert_eq!(told(RULES), []);
    let (candidate, warning, watch) =
        (Some(Severity::Candidate), Some(Severity::Warning), Some(Severity::Watch));
    let softer = RULES.replace("severity = \"candidate\"", "severity = \"warning\"");
    assert_eq!(told(&softer), [("urgent".to_owned(), candidate, warning)]);
    let later = RULES.replace("hours(4)", "hours(6)");
    assert_eq!(told(&later), [("idle".to_owned(), watch, None)]);
    let renamed = RULES.replace("\"urgent\"", "\"hot\"");
    let expected = [("hot".to_owned(), None, candidate), ("urgent".to_owned(), candidate, None)];
    assert_eq!(told(&renamed), expected);
}

/// G19
#[test]
fn marks_that_cannot_be_read_are_not_taken_off() {
    let mut desk = urgent();
    desk.now = at(1);
    let marks = desk.record.marks.clone();
    desk.edit(|record| record.marks = SeenMarks { unread: true, ..SeenMarks::default() });
    let outcome = desk.turn();
    assert_eq!(kinds(&outcome), []);
    assert!(overrides(&desk).is_empty() && outcome.actions.is_empty(), "{:?}", outcome.actions);
    desk.now = at(2);
    desk.edit(|record| record.marks = marks);
    assert_eq!(kinds(&desk.turn()), []);
}

#[test]
fn an_answer_that_came_with_a_copied_case_is_no_answer() {
    let mut desk = Desk::new(RULES);
    desk.record.marks.answer = Some("snooze 4h".to_owned());
    desk.turn();
    assert!(overrides(&desk).is_empty());
    desk.now = at(1);
    desk.set_priority(1);
    desk.turn();
    assert_eq!(desk.severity(), Some(Severity::Candidate), "nobody said so of this case");
    answer(&mut desk, "ack", "Ann");
    desk.turn();
    assert_eq!(overrides(&desk).len(), 1);
}

#[test]
fn an_answer_whose_giving_is_known_counts_though_nothing_is_flagged_any_more() {
    let mut desk = urgent();
    desk.now = at(1);
    answer(&mut desk, "4h", "Ann");
    desk.turn();
    desk.set_priority(3);
    desk.turn();
    assert_eq!(desk.record.marks.marker, None);
    desk.state = None;
    desk.turn();
    let said = &overrides(&desk)[0];
    assert_eq!((said.at, said.by.as_deref()), (at(1), Some("Ann")));
}
