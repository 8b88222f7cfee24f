//! What a copied case brings along of ours, or what somebody wrote where our mark stands, is neither taken over nor left.

use super::*;
use crate::action::MarkedFlag;

/// A severity with no list of flags behind it, as a copy shows it that carries labels and nothing else.
fn show(desk: &mut Desk, severity: Severity) {
    let marker = Marker { severity: Some(severity), flags: Vec::new() };
    desk.edit(|record| record.marks.marker = Some(marker));
}

#[test]
fn a_mark_without_flags_is_taken_off() {
    let mut desk = Desk::new(RULES);
    show(&mut desk, Severity::Critical);
    let outcome = desk.turn();
    assert_eq!(kinds(&outcome), []);
    assert_eq!(desk.record.marks.marker, None);
}

#[test]
fn a_mark_without_flags_gives_way_to_what_is_raised() {
    let mut desk = Desk::new(RULES);
    show(&mut desk, Severity::Critical);
    desk.set_priority(1);
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Raise]);
    assert_eq!(desk.severity(), Some(Severity::Candidate));
    assert_eq!(desk.record.marks.notes.len(), 1);
}

/// The line of a case that was marked an hour before this one was opened.
fn inherit(desk: &mut Desk, dismissed: bool, raised_at: Timestamp) {
    let flag = MarkedFlag {
        rule: "urgent".to_owned(),
        episode: "0123456789ab".to_owned(),
        severity: Severity::Critical,
        raised_at,
        dismissed,
    };
    let severity = (!dismissed).then_some(Severity::Critical);
    desk.edit(|record| {
        record.marks.marker = Some(Marker { severity, flags: vec![flag] });
        record.marks.why = Some("Priority was 1.".to_owned());
    });
}

#[test]
fn flags_raised_before_the_case_was_opened_are_not_taken_over() {
    for dismissed in [false, true] {
        let mut desk = Desk::new(RULES);
        inherit(&mut desk, dismissed, at(-1));
        assert_eq!(kinds(&desk.turn()), [], "dismissed: {dismissed}");
        assert_eq!((desk.record.marks.marker.clone(), desk.record.marks.why.clone()), (None, None));
        assert!(desk.state.as_ref().is_some_and(|state| state.overrides.is_empty()));
        desk.now = at(1);
        desk.set_priority(1);
        assert_eq!(kinds(&desk.turn()), [DecisionKind::Raise]);
        assert_eq!(desk.severity(), Some(Severity::Candidate), "nobody dismissed it here");
    }
}

#[test]
fn a_copy_whose_own_flag_is_raised_at_once_shows_its_own_episode() {
    let mut desk = Desk::new(RULES);
    inherit(&mut desk, true, at(-1));
    desk.set_priority(1);
    assert_eq!(kinds(&desk.turn()), [DecisionKind::Raise]);
    assert_eq!(desk.severity(), Some(Severity::Candidate));
    let marker = desk.record.marks.marker.as_ref().expect("a mark");
    assert_ne!(marker.flags[0].episode, "0123456789ab");
    assert_eq!(desk.record.marks.notes.len(), 1);
}

#[test]
fn a_flag_of_ours_is_taken_over_though_our_clock_lagged_or_the_opening_was_dated_later() {
    let mut lagging = Desk::new(RULES);
    inherit(&mut lagging, false, at(0) - 5.seconds());
    let mut redated = Desk::new(RULES);
    inherit(&mut redated, false, at(0));
    redated.record.case.opened_at = at(10);
    for mut desk in [lagging, redated] {
        assert_eq!(kinds(&desk.read())[0], DecisionKind::Adopt);
    }
}

#[test]
fn a_mark_that_comes_back_by_itself_is_taken_off_a_bounded_number_of_times() {
    let mut desk = Desk::new(RULES);
    let mut taken_off = 0;
    for minute in 0..20 {
        desk.now = at(0) + minute.minutes();
        show(&mut desk, Severity::Critical);
        desk.turn();
        taken_off += usize::from(desk.record.marks.marker.is_none());
    }
    assert_eq!(taken_off, 3, "once as found, and twice again");
}
