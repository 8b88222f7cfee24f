//! Requirements of what people read: counts, words of time, and what stands first.

use super::*;
use crate::notify::{Because, Unseen};
use dutyd_core::action::Severity;

fn now() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().expect("an instant")
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

fn flag(number: &str, severity: Severity) -> FlagLine {
    FlagLine {
        severity,
        source: "desk".to_owned(),
        number: number.to_owned(),
        title: "Export fails".to_owned(),
        link: None,
        customer: Some("Acme".to_owned()),
        owner: None,
        team: None,
        rule: "resolution".to_owned(),
        why: "Resolution target: overdue by 2 h of business time.".to_owned(),
        why_is_of_now: true,
        since: ago(258),
        dismissed: false,
        said: Vec::new(),
        clock: Some("resolution".to_owned()),
        due_at: Some(ago(90)),
    }
}

fn shown(told: &List) -> String {
    list(told, &TimeZone::UTC)
}

#[test]
fn a_list_says_when_a_flag_was_raised_and_of_when_its_reason_is() {
    let fresh = flag("INC1", Severity::Critical);
    let of_then = FlagLine { why_is_of_now: false, ..flag("INC2", Severity::Candidate) };
    let told = List {
        now: now(),
        running: true,
        unseen: Vec::new(),
        flags: vec![fresh, of_then],
        cases: [0, 0, 1, 1],
        dismissed: 1,
    };
    let expected = "\
flagged cases: 1 critical, 1 candidate, 0 warning, 0 watch; 1 dismissed

CRITICAL   desk/INC1  Acme  [resolution]
           Export fails
           Resolution target: overdue by 2 h of business time.
           raised 4 h 18 min ago; resolution OVERDUE, due 2026-03-02 10:30:00 UTC, 1 h 30 min ago; owner nobody

CANDIDATE  desk/INC2  Acme  [resolution]
           Export fails
           when raised: Resolution target: overdue by 2 h of business time.
           raised 4 h 18 min ago; resolution OVERDUE, due 2026-03-02 10:30:00 UTC, 1 h 30 min ago; owner nobody

… and 1 more case; --max shows them
";
    assert_eq!(shown(&told), expected);
}

#[test]
fn what_may_be_missing_from_a_list_stands_before_it() {
    let unseen = |source: &str| Unseen {
        source: source.to_owned(),
        since: Some(ago(120)),
        because: Because::SignedOut,
        trouble: None,
    };
    let told = List {
        now: now(),
        running: false,
        unseen: vec![unseen("desk"), unseen("jira")],
        flags: Vec::new(),
        cases: [0; 4],
        dismissed: 0,
    };
    let expected = "\
dutyd does not run; this is what its database says
not seen: desk since Mon 10:00 UTC (2 h ago): sign-in refused; dutyd status says more
not seen: jira since Mon 10:00 UTC (2 h ago): sign-in refused; dutyd status says more
known: no flagged cases
";
    assert_eq!(shown(&told), expected);
}

#[test]
fn what_is_parked_says_for_how_long() {
    let row = ParkedRow {
        id: "w1".to_owned(),
        kind: ParkedKind::Write,
        source: "desk".to_owned(),
        what: "INC1".to_owned(),
        slot: "mark".to_owned(),
        because: "no rights".to_owned(),
        since: ago(5),
    };
    let text = parked(&[row], now());
    assert!(
        text.starts_with("w1     desk/INC1  refused write (mark), 5 min ago\n       no rights\n"),
        "{text}"
    );
}
