//! What counts as a bad end, and what flags are worth beside it.

use super::figures::{Appearance, Sums};
use super::outcome::Outcome;
use super::*;
use dutyd_core::decide::Decision;
use dutyd_core::policy::{Policy, PolicyFile};
use dutyd_core::sla::history::HistoryDoc;
use jiff::SignedDuration;
use serde_json::json;
use std::sync::Arc;

fn at(hour: i64) -> Timestamp {
    "2026-03-02T00:00:00Z".parse::<Timestamp>().expect("an instant") + SignedDuration::from_hours(hour)
}

fn question(against: Against) -> Question {
    Question {
        since: at(0),
        until: at(95),
        source: None,
        severity: Severity::Watch,
        against,
        knowledge: Knowledge::AsLearned,
        zone: TimeZone::UTC,
    }
}

fn contest(text: &str) -> Contest {
    let file = PolicyFile { name: "policy.toml".to_owned(), text: text.to_owned() };
    let policy = Arc::new(Policy::load(&[file]).unwrap_or_else(|problems| panic!("{problems:#?}")));
    let set = || PolicySet { current: policy.clone(), ..PolicySet::default() };
    Contest { tried: set(), beside: None, clocks: set() }
}

const POLICY: &str = "[[rules]]\nname = \"r\"\nseverity = \"watch\"\nwhen = \"case.open\"\n\
    [[sla]]\nname = \"a\"\n[sla.first_response]\nany = \"1h calendar time\"\n[sla.resolution]\nany = \"4h calendar time\"\n";

fn ended(events: serde_json::Value) -> CaseState {
    let case = json!({"number": "C-1", "opened_at": at(0), "status": "open"});
    let doc: HistoryDoc =
        serde_json::from_value(json!({"case": case, "events": events})).expect("a document");
    doc.state().expect("a state")
}

fn outcome(against: Against, end: &CaseState, is_done: bool) -> Outcome {
    let question = question(against);
    question.against.outcome(&contest(POLICY).clocks, end, is_done, &question)
}

#[test]
fn a_bad_end_is_what_the_record_says() {
    let missed = |clock: Option<&str>| Against::Missed { clock: clock.map(str::to_owned) };
    let escalated = || Against::Escalated { field: "escalated".to_owned() };
    let created = json!({"at": at(0), "by": "customer", "what": "created"});
    let field = |hour, name: &str, to: &str| json!({"at": at(hour), "by": "agent", "what": "field", "field": name, "to": to});
    let quiet = ended(json!([created]));
    assert_eq!(outcome(missed(None), &quiet, false), Outcome::Bad(at(1)), "the first target of any clock");
    assert_eq!(outcome(missed(Some("resolution")), &quiet, false), Outcome::Bad(at(4)));
    let resolved = ended(json!([created, {"at": at(3), "by": "agent", "what": "status", "to": "resolved"}]));
    assert_eq!(outcome(missed(Some("resolution")), &resolved, true), Outcome::Good);
    let confirmed = ended(json!([created, field(2, "answer", "4h"), field(5, "answer", "escalated")]));
    assert_eq!(outcome(Against::Confirmed, &confirmed, false), Outcome::Bad(at(5)));
    assert_eq!(outcome(Against::Confirmed, &quiet, false), Outcome::Undecided, "it is open still");
    let marked = ended(json!([created, field(2, "escalated", "false"), field(7, "escalated", "true")]));
    assert_eq!(outcome(escalated(), &marked, false), Outcome::Bad(at(7)));
    assert_eq!(outcome(escalated(), &quiet, true), Outcome::Good);
    let earlier = Question { since: at(8), ..question(escalated()) };
    let judged = earlier.against.outcome(&contest(POLICY).clocks, &marked, false, &earlier);
    assert_eq!(judged, Outcome::Undecided, "it had come to a bad end before");
}

/// A case flagged at these hours.
fn flagged(name: &str, hours: &[i64], outcome: Outcome) -> JudgedCase {
    let mut flag = Appearance::default();
    for hour in hours {
        flag.appear(Decision {
            at: at(*hour),
            rule: "r".to_owned(),
            severity: Severity::Watch,
            episode: String::new(),
            kind: DecisionKind::Raise,
            why: format!("{name} at {hour}"),
            evidence: None,
        });
    }
    JudgedCase {
        name: name.to_owned(),
        truncated: false,
        gone: false,
        outcome,
        traces: vec![BTreeMap::from([("r".to_owned(), flag)])],
        judgements: 1,
        cut: false,
    }
}

#[test]
fn flags_are_right_wrong_late_or_undecided_and_days_without_any_count() {
    let (question, contest) = (question(Against::Confirmed), contest(POLICY));
    let mut sums = Sums::new(&question, &contest);
    for case in [
        flagged("early", &[1, 30], Outcome::Bad(at(31))),
        flagged("with it", &[2], Outcome::Bad(at(2))),
        flagged("false", &[3], Outcome::Good),
        flagged("late", &[40], Outcome::Bad(at(39))),
        flagged("open", &[50], Outcome::Undecided),
    ] {
        sums.take(case);
    }
    let found = sums.finish(&question, &contest, SeenCases { bad: 6, ..SeenCases::default() });
    let rule = found.rules["r"].tried.clone().expect("figures");
    assert_eq!((rule.raised, rule.cases), (6, 5));
    assert_eq!((rule.right, rule.wrong, rule.late, rule.undecided), (2, 1, 1, 1));
    assert_eq!((rule.precision, rule.recall), (Some(0.6667), Some(0.3333)));
    assert_eq!(rule.lead_seconds_median, Some(30 * 3_600), "of 0 h and 30 h the upper one");
    // Three flags on the first day, two on the second, one on the third, none on the fourth.
    assert_eq!((found.days, rule.per_day_median, rule.per_day_max), (4, 1.5, 3));
    assert_eq!(rule.busiest, Some(jiff::civil::date(2026, 3, 2)));
    assert_eq!(found.all.tried, Some(rule));
}
