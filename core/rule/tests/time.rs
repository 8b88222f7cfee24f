//! The instant at which an answer changes is named to the second: nothing changes before it, and it changes then.

use super::*;
use crate::policy::{PolicyFile, PolicySet};
use crate::sla;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

const TEXT: &str = r#"
[defaults]
calendar = "office"
[calendars.office]
zone = "Europe/Berlin"
[calendars.office.week]
mon = ["09:00-12:00", "13:00-17:30"]
tue = ["09:00-17:00"]
wed = ["22:00-06:00"]
fri = ["00:00-24:00"]
[[sla]]
name = "all"
calendar = "office"
[sla.first_response]
any = "3h"
[sla.resolution]
any = "11h"
pauses = [{ status = ["pending"], reason = "waiting" }]
[signals.asks_to_escalate]
phrases.en = ["escalate"]
"#;

static POLICY: LazyLock<PolicySet> = LazyLock::new(|| {
    let file = PolicyFile { name: "policy.toml".to_owned(), text: TEXT.to_owned() };
    let policy = Policy::load(&[file]).unwrap_or_else(|problems| panic!("{problems:?}"));
    PolicySet { current: Arc::new(policy), older: BTreeMap::new() }
});

/// Atoms that move with time; `#` is a number of seconds or a count.
const ATOMS: [&str; 22] = [
    "case.age.wall >= seconds(#)",
    "case.age.business > seconds(#)",
    "idle.wall < seconds(#)",
    "idle.business <= seconds(#)",
    "idle.business == seconds(#)",
    "status_for.business != seconds(#)",
    "seconds(#) <= team_for.wall",
    "customer.waiting.business >= seconds(#)",
    "customer.waiting.wall == seconds(#)",
    "since_priority_raise.business > seconds(#)",
    "case.due_in.wall <= seconds(#)",
    "case.due_in.business < seconds(#)",
    "clock.first_response.elapsed >= seconds(#)",
    "clock.resolution.remaining <= seconds(#)",
    "clock.resolution.percent >= 75",
    "clock.resolution.percent > 33.3",
    "clock.first_response.percent == 100",
    "clock.resolution.breached",
    "reassignments.within(seconds(#)) >= 2",
    "replies.customer.within(seconds(#)) == 1",
    "priority_raises.within(seconds(#)) > 0",
    "signals.asks_to_escalate.within(seconds(#)) < 2",
];

fn happenings() -> impl Strategy<Value = Vec<TimelineEvent>> {
    proptest::collection::vec((0i64..200_000, 0u8..8), 0..12).prop_map(|steps| {
        let mut steps = steps;
        steps.sort_unstable();
        let (mut status, mut priority) = (Status::Open, Priority(3));
        let mut events = vec![event(0, Actor::Customer, EventKind::Created { signals: Vec::new() })];
        for (at, what) in steps {
            let next = match what {
                0 | 1 => reply(at, Actor::Customer),
                2 => reply(at, Actor::Agent),
                3 => passed(at),
                4 => {
                    let to = if status == Status::Open { Status::Pending } else { Status::Open };
                    let kind = EventKind::StatusChanged { from: status, to };
                    status = to;
                    event(at, Actor::Agent, kind)
                }
                5 => {
                    let to = Priority(if priority.0 == 3 { 2 } else { 3 });
                    let kind = EventKind::PriorityChanged { from: Some(priority), to: Some(to) };
                    priority = to;
                    event(at, Actor::Agent, kind)
                }
                6 => event(at, Actor::Agent, EventKind::Replied { public: false, signals: Vec::new() }),
                _ => reply(at, Actor::Dutyd),
            };
            events.push(next);
        }
        events
    })
}

fn played(mut events: Vec<TimelineEvent>, due: i64) -> CaseState {
    let mut case = Case { due_at: Some(at(due)), priority: Some(Priority(3)), ..case() };
    for event in &events {
        match event.kind {
            EventKind::StatusChanged { to, .. } => case.status = to,
            EventKind::PriorityChanged { to, .. } => case.priority = to,
            _ => {}
        }
    }
    events.iter_mut().enumerate().for_each(|(index, event)| event.id = format!("e{index:03}"));
    state(case, events)
}

/// The answer at an instant, everything read anew as then.
fn judged(condition: &Condition, state: &CaseState, now: Timestamp) -> Judgement {
    let clocks = sla::read_clocks(&POLICY, state, now);
    let around = Around::default();
    condition.judge(&Facts::new(&POLICY.current, state, &around, &clocks, now))
}

fn compiled(source: &str) -> Condition {
    compile(source, Scope::Rule, &names()).unwrap_or_else(|faults| panic!("{source}: {faults:?}"))
}

fn seconds(from: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_second(from.as_second() + by).expect("within range")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(600), ..ProptestConfig::default() })]

    #[test]
    fn an_atom_changes_at_the_second_it_names_and_not_before(
        events in happenings(), atom in 0..ATOMS.len(), bound in 1i64..90_000, after in 200_000i64..500_000, due in 0i64..600_000,
    ) {
        let source = ATOMS[atom].replace('#', &bound.to_string());
        let condition = compiled(&source);
        let state = played(events, due);
        let now = at(after);
        let first = judged(&condition, &state, now);
        match first.changes_at {
            Some(change) => {
                prop_assert!(change > now, "{source}");
                let before = judged(&condition, &state, seconds(change, -1));
                prop_assert_eq!(&before.truth, &first.truth, "{} one second before {}", source, change);
                let then = judged(&condition, &state, change);
                prop_assert_ne!(&then.truth, &first.truth, "{} at {}", source, change);
                for part in 1..8 {
                    let between = now.as_second() + (change.as_second() - now.as_second()) * part / 8;
                    let between = Timestamp::from_second(between).expect("within range");
                    prop_assert_eq!(&judged(&condition, &state, between.max(now)).truth, &first.truth);
                }
            }
            None => for later in [1, 3_600, 86_400, 7 * 86_400, 400 * 86_400] {
                let then = judged(&condition, &state, seconds(now, later));
                prop_assert_eq!(&then.truth, &first.truth, "{} never changes", source);
            }
        }
    }

    #[test]
    fn nothing_changes_before_the_instant_a_whole_condition_names(
        events in happenings(), picks in proptest::collection::vec((0..ATOMS.len(), 1i64..90_000, any::<bool>()), 2..5),
        shape in 0u8..5, after in 200_000i64..400_000,
    ) {
        let atoms: Vec<String> = picks
            .iter()
            .map(|(atom, bound, not)| {
                let atom = ATOMS[*atom].replace('#', &bound.to_string());
                if *not { format!("!({atom})") } else { format!("({atom})") }
            })
            .collect();
        let source = match shape {
            0 => atoms.join(" && "),
            1 => atoms.join(" || "),
            2 => format!("({}) || case.priority == 1", atoms.join(" && ")),
            3 => format!("({}) && case.open", atoms.join(" || ")),
            _ => format!("case.open ? {} : {}", atoms[0], atoms[1]),
        };
        let condition = compile(&source, Scope::Rule, &names());
        prop_assume!(condition.is_ok(), "comparisons that exclude each other are refused");
        let condition = condition.expect("just seen");
        let state = played(events, 300_000);
        let now = at(after);
        let first = judged(&condition, &state, now);
        let until = first.changes_at.unwrap_or(seconds(now, 30 * 86_400));
        let span = until.as_second() - now.as_second();
        for part in 0..40 {
            let then = seconds(now, (span - 1) * part / 39);
            prop_assert_eq!(&judged(&condition, &state, then).truth, &first.truth, "{} at {}", source, then);
        }
    }

    #[test]
    fn a_rule_fires_at_the_instant_named_and_not_a_second_earlier(
        events in happenings(), bound in 60i64..90_000, after in 200_000i64..300_000,
    ) {
        let rule = rule(&format!("idle.business >= seconds({bound}) && case.age.wall >= seconds({}) || reassignments.within(seconds({bound})) >= 3", bound * 3));
        let state = played(events, 300_000);
        let around = Around::default();
        let fires = |now: Timestamp| {
            let facts = Facts::new(&POLICY.current, &state, &around, &[], now);
            matches!(rule.read(&facts, false).verdict, Verdict::Fires(_))
        };
        prop_assume!(!fires(at(after)));
        let facts = Facts::new(&POLICY.current, &state, &around, &[], at(after));
        let named = rule.turns_at(&facts, false);
        let end = named.unwrap_or(at(after + 40 * 86_400));
        prop_assert!(named.is_none_or(fires));
        for part in 0..60 {
            let then = seconds(at(after), (end.as_second() - at(after).as_second() - 1).max(0) * part / 59);
            prop_assert!(then >= end || !fires(then), "fires at {then}, before {end}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(600), ..ProptestConfig::default() })]

    /// Invariant: every flag's evidence recomputes to the same verdict, after it was stored.
    #[test]
    fn evidence_recomputes_to_the_verdict_it_was_made_for(
        events in happenings(), picks in proptest::collection::vec((0..ATOMS.len(), 1i64..90_000), 1..5),
        any_of in any::<bool>(), after in 0i64..400_000, truncated in any::<bool>(),
    ) {
        let atoms: Vec<String> =
            picks.iter().map(|(atom, bound)| ATOMS[*atom].replace('#', &bound.to_string())).collect();
        let source = atoms.join(if any_of { " || " } else { " && " });
        let text = format!("{TEXT}[[rules]]\nname = \"r\"\nseverity = \"watch\"\nwhen = '''{source}'''\n");
        let loaded = Policy::load(&[PolicyFile { name: "rules.toml".to_owned(), text }]);
        prop_assume!(loaded.is_ok(), "comparisons that exclude each other are refused");
        let policy = loaded.expect("just seen");
        let state = CaseState { truncated, ..played(events, 300_000) };
        let (clocks, around) = (sla::read_clocks(&POLICY, &state, at(after)), Around::default());
        let facts = Facts::new(&policy, &state, &around, &clocks, at(after));
        let rule = &policy.rules[0];
        let stored = serde_json::to_string(&rule.evidence(&facts)).expect("JSON");
        let again = rule.recompute(&serde_json::from_str(&stored).expect("what was stored"));
        let (verdict, known) = (rule.read(&facts, false).verdict, |verdict: &Verdict| !matches!(verdict, Verdict::CannotTell { .. }));
        prop_assert_eq!(known(&again), known(&verdict), "{}: {:?}", source, again);
        prop_assert!(again == verdict || !known(&verdict), "{}: {:?} and {:?}", source, again, verdict);
    }
}

/// `PROPTEST_CASES` asks for a longer run.
pub fn cases(ordinary: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(ordinary)
}

fn rule(source: &str) -> Rule {
    let text = format!("[[rules]]\nname = \"r\"\nseverity = \"watch\"\nwhen = '''{source}'''\n");
    let file = PolicyFile { name: "rules.toml".to_owned(), text };
    let policy = Policy::load(&[file]).unwrap_or_else(|problems| panic!("{problems:?}"));
    policy.rules.into_iter().next().expect("one rule")
}

#[test]
fn four_hours_are_reached_at_four_hours_and_exceeded_one_second_later() {
    let state = played(vec![event(0, Actor::Customer, EventKind::Created { signals: Vec::new() })], 0);
    for (source, second) in [
        ("idle.wall >= hours(4)", 14_400),
        ("idle.wall > hours(4)", 14_401),
        ("idle.wall < hours(4)", 14_400),
        ("idle.wall <= hours(4)", 14_401),
        ("idle.wall == hours(4)", 14_400),
        ("hours(4) < idle.wall", 14_401),
    ] {
        assert_eq!(judged(&compiled(source), &state, at(60)).changes_at, Some(at(second)), "{source}");
    }
    let past = judged(&compiled("idle.wall == hours(4)"), &state, at(14_400));
    assert_eq!((past.truth, past.changes_at), (Truth::True, Some(at(14_401))));
}

#[test]
fn a_window_counts_what_is_younger_than_it_is_long() {
    let state = played(vec![passed(100), passed(200), passed(200), passed(300)], 0);
    let window = |now| judged(&compiled("reassignments.within(minutes(10)) >= 2"), &state, at(now));
    assert_eq!(window(100).truth, Truth::False);
    assert_eq!(window(300), Judgement { truth: Truth::True, changes_at: Some(at(800)) });
    assert_eq!(window(799), Judgement { truth: Truth::True, changes_at: Some(at(800)) });
    assert_eq!(window(800), Judgement { truth: Truth::False, changes_at: None });
}

#[test]
fn what_is_settled_by_a_fixed_part_waits_for_nothing() {
    let state = played(vec![passed(100)], 0);
    for source in ["case.priority == 1 && idle.wall >= hours(4)", "idle.wall >= hours(4) || case.open"] {
        assert_eq!(judged(&compiled(source), &state, at(200)).changes_at, None, "{source}");
    }
}

#[test]
fn an_event_ahead_of_our_clock_counts_from_its_own_time_on() {
    let state = played(vec![passed(100), passed(500)], 0);
    let rule = rule("reassignments >= 2");
    let around = Around::default();
    let facts = Facts::new(&POLICY.current, &state, &around, &[], at(200));
    let reading = rule.read(&facts, false);
    assert_eq!((reading.verdict, reading.changes_at), (Verdict::Quiet, Some(at(500))));
}
