//! How long `decide` takes for one case: `cargo bench --bench decide`.
//!
//! Prints microseconds per call with the shipped policy, on timelines of 20 and 50 events, without news (a due time was
//! reached) and with the whole history as news (the case was fetched).

use dutyd::config::shipped;
use dutyd_core::around::{Around, GroupFacts};
use dutyd_core::case::{Case, CaseChange, CaseKey, Party, Priority, Revision, SeenMarks, Status};
use dutyd_core::decide::decide;
use dutyd_core::policy::{Policy, PolicyFile, PolicySet};
use dutyd_core::state::News;
use dutyd_core::timeline::{Actor, EventKind, TimelineEvent};
use dutyd_core::{SignedDuration, Timestamp};
use std::hint::black_box;
use std::sync::Arc;

/// Calls per round; the median round is printed.
const CALLS: u32 = 2_000;
const ROUNDS: usize = 9;

fn main() {
    measure("shipped policy", shipped::policy());
    measure("shipped policy, enlarged", enlarged(50));
    heaviest();
}

/// The shipped policy with rules of its own told again under other names, up to so many.
fn enlarged(rules_max: usize) -> Vec<PolicyFile> {
    let mut files = shipped::policy();
    let shipped = Policy::load(&files).expect("the shipped policy is right");
    let is_rules = |file: &&mut PolicyFile| file.text.contains("[[rules]]");
    let file = files.iter_mut().find(is_rules).expect("a file of rules");
    let rules: Vec<String> = file
        .text
        .split("\n[[rules]]\n")
        .skip(1)
        .map(|rule| rule.split("\n[[rules.examples]]").next().unwrap_or_default().to_owned())
        .collect();
    for (index, rule) in rules.iter().cycle().take(rules_max - shipped.rules.len()).enumerate() {
        let renamed = rule.replacen("name = \"", &format!("name = \"again-{index}-"), 1);
        file.text.push_str(&format!("\n[[rules]]\n{renamed}\n"));
    }
    files
}

/// The most expensive conditions that are allowed, on lists as long as are read.
fn heaviest() {
    const CONDITIONS: [&str; 3] = [
        "case.tags.exists(a, case.tags.exists(b, a == b && a.contains(case.tier)))",
        "case.tags.all(a, size(case.tags.filter(b, b != a)) > 0)",
        "case.tags.exists(a, a.matches(\"(x+x+)+y\"))",
    ];
    println!("the heaviest conditions allowed, 100 tags of 200 letters, milliseconds per decision:");
    for condition in CONDITIONS {
        let text = format!("[[rules]]\nname = \"heavy\"\nseverity = \"watch\"\nwhen = '''{condition}'''\n");
        let Ok(policy) = Policy::load(&[PolicyFile { name: "heavy.toml".to_owned(), text }]) else {
            println!("  refused: {condition}");
            continue;
        };
        let policies = PolicySet { current: Arc::new(policy), ..PolicySet::default() };
        let mut change = change(1);
        change.case.tags = (0..100).map(|index| format!("{index:03}{}", "x".repeat(197))).collect();
        let state = decide(&policies, None, &around(), &[News::Change(Box::new(change))], start())
            .expect("a case")
            .state;
        let spent = median_of(20, || {
            black_box(decide(&policies, Some(&state), &around(), &[], start()));
        });
        println!("  {:>7.3} {condition}", spent / 1_000.0);
    }
}

fn measure(what: &str, files: Vec<PolicyFile>) {
    let policy = Policy::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let rules = policy.rules.len();
    let policies = PolicySet { current: Arc::new(policy), ..PolicySet::default() };
    println!("decide, {what} ({rules} rules), microseconds per call, median of {ROUNDS} rounds of {CALLS}:");
    for events in [20, 50] {
        let news = [News::Change(Box::new(change(events)))];
        let around = around();
        let now = start() + SignedDuration::from_hours(events as i64 + 1);
        let state = decide(&policies, None, &around, &news, now).expect("a case").state;
        let silent = median(|| {
            black_box(decide(&policies, Some(&state), &around, &[], now));
        });
        let told = median(|| {
            black_box(decide(&policies, Some(&state), &around, &news, now));
        });
        println!("  {events} events: {silent:>7.1} without news, {told:>7.1} with the history told again");
    }
}

fn median(call: impl FnMut()) -> f64 {
    median_of(CALLS, call)
}

/// Microseconds per call.
#[allow(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn median_of(calls: u32, mut call: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = std::time::Instant::now();
            (0..calls).for_each(|_| call());
            begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn start() -> Timestamp {
    "2026-03-02T09:00:00Z".parse().expect("a constant instant")
}

fn party(name: &str) -> Option<Party> {
    Some(Party { id: format!("id-{name}"), name: name.to_owned() })
}

fn around() -> Around {
    let facts = Some(GroupFacts { open: 12, urgent: 2, unowned: 1, unanswered: 3, sources: 2 });
    Around { customer: facts, owner: facts, team: facts, ..Around::default() }
}

/// A case with a life: messages, changes of status, owner, team and priority, in turns.
fn change(events: usize) -> CaseChange {
    let events: Vec<_> = (0..events).map(event).collect();
    let updated_at = events.last().map_or(start(), |event| event.at);
    let case = Case {
        number: "D-1".to_owned(),
        title: "Printer on fire".to_owned(),
        status: Status::Open,
        status_raw: "2".to_owned(),
        priority: Some(Priority(2)),
        priority_raw: "2".to_owned(),
        customer: party("Acme"),
        tier: Some("gold".to_owned()),
        requester: party("Ann"),
        owner: party("Bob"),
        team: party("Second line"),
        updated_at,
        revision: Revision { at_ms: updated_at.as_millisecond(), count: 1 },
        ..Case::opened(CaseKey::new("desk", "1"), start())
    };
    CaseChange { case, events, marks: SeenMarks::default(), events_complete: true, texts: Vec::new() }
}

fn event(index: usize) -> TimelineEvent {
    let at = start() + SignedDuration::from_hours(index as i64);
    let replied = |public| EventKind::Replied { public, signals: Vec::new() };
    let (actor, kind) = match index % 7 {
        _ if index == 0 => (Actor::Customer, EventKind::Created { signals: Vec::new() }),
        0 => (Actor::Agent, EventKind::PriorityChanged { from: Some(Priority(3)), to: Some(Priority(2)) }),
        1 => (Actor::Agent, EventKind::StatusChanged { from: Status::Open, to: Status::Pending }),
        2 => (Actor::Customer, replied(true)),
        3 => (Actor::Agent, EventKind::StatusChanged { from: Status::Pending, to: Status::Open }),
        4 => (Actor::Agent, EventKind::TeamChanged { from: party("First line"), to: party("Second line") }),
        5 => (Actor::Agent, replied(false)),
        _ => (Actor::Agent, replied(true)),
    };
    TimelineEvent { id: format!("event-{index}"), at, seen_at: at, actor, by: None, kind }
}
