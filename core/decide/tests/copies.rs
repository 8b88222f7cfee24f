//! What a copied case brings along of ours, or what somebody wrote where our mark stands, is neither taken over nor left.

use super::*;

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
