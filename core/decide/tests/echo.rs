//! Our own writes come back: seen late, seen early, seen behind a newer wish, they are nobody's removal.

use super::*;

#[test]
fn our_own_write_seen_before_its_receipt_is_nobodys_removal() {
    let mut desk = Desk::new(RULES);
    desk.set_priority(1);
    desk.turn();
    desk.now = at(1);
    desk.set_priority(3);
    let cleared = desk.read();
    assert_eq!(kinds(&cleared), [DecisionKind::Clear]);
    let late = desk.write(&cleared.actions);
    desk.set_priority(1);
    let raised = desk.read();
    assert_eq!(kinds(&raised), [DecisionKind::Raise], "the empty mark on the record was ours");
    desk.decide(&late);
    let receipts = desk.write(&raised.actions);
    desk.decide(&receipts);
    assert_eq!(desk.severity(), Some(Severity::Candidate));
    assert_eq!(desk.doubled(), 0);
}

#[test]
fn a_read_from_before_our_own_write_is_nobodys_removal() {
    let mut desk = Desk::new(RULES);
    desk.set_priority(1);
    let before = desk.record.clone();
    let raised = desk.read();
    let receipts = desk.write(&raised.actions);
    desk.decide(&receipts);
    let late = desk.decide(&[News::Change(Box::new(before))]);
    assert_eq!(kinds(&late), []);
    assert!(late.actions.is_empty(), "{:?}", late.actions);
}

/// The history does not say yet who changed the mark, as where it lags behind its record.
#[test]
fn our_own_write_that_lands_behind_a_newer_wish_is_nobodys_removal() {
    let mut desk = Desk::new(RULES);
    desk.set_priority(1);
    desk.turn();
    desk.now = at(1);
    desk.set_priority(3);
    let cleared = desk.read();
    desk.set_priority(1);
    let raised = desk.read();
    assert_eq!(kinds(&raised), [DecisionKind::Raise]);
    // The answer to the first of the two is lost; what it wrote is read.
    desk.write(&cleared.actions);
    assert_eq!(desk.severity(), None);
    let seen = desk.read();
    assert_eq!(kinds(&seen), [], "{:?}", seen.decisions);
    let receipts = desk.write(&raised.actions);
    desk.decide(&receipts);
    assert_eq!(desk.severity(), Some(Severity::Candidate));
}
