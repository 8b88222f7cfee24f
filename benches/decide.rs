//! How long `decide` takes for one case: `cargo bench --bench decide`.
//!
//! Prints microseconds per call with the shipped policy, on timelines of 20 and 50 events, without news (a due time was
//! reached) and with the whole history as news (the case was fetched).

use dutyd::config::shipped;
use dutyd_core::around::{Around, GroupFacts};
use dutyd_core::case::{Case, CaseChange, CaseKey, Party, Priority, Revision, SeenMarks, Status};
use dutyd_core::decide::decide;
use dutyd_core::policy::{Policy, PolicySet};
use dutyd_core::state::News;
use dutyd_core::timeline::{Actor, EventKind, TimelineEvent};
use dutyd_core::{SignedDuration, Timestamp};
use std::hint::black_box;
use std::sync::Arc;

/// Calls per round; the median round is printed.
const CALLS: u32 = 2_000;
const ROUNDS: usize = 9;

fn main() {
    let policy = Policy::load(&shipped::policy()).expect("the shipped policy is right");
    let rules = policy.rules.len();
    let policies = PolicySet { current: Arc::new(policy), ..PolicySet::default() };
    println!(
        "decide, shipped policy ({rules} rules), microseconds per call, median of {ROUNDS} rounds of {CALLS}:"
    );
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

#[allow(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn median(mut call: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = std::time::Instant::now();
            (0..CALLS).for_each(|_| call());
            begun.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
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
        key: CaseKey::new("desk", "1"),
        number: "D-1".to_owned(),
        title: "Printer on fire".to_owned(),
        link: None,
        status: Status::Open,
        status_raw: "2".to_owned(),
        priority: Some(Priority(2)),
        priority_raw: "2".to_owned(),
        customer: party("Acme"),
        tier: Some("gold".to_owned()),
        contract: None,
        requester: party("Ann"),
        owner: party("Bob"),
        team: party("Second line"),
        product: None,
        category: None,
        channel: None,
        tags: Vec::new(),
        fields: Default::default(),
        unread: Vec::new(),
        opened_at: start(),
        updated_at,
        resolved_at: None,
        due_at: None,
        links: Vec::new(),
        revision: Revision { at_ms: updated_at.as_millisecond(), count: 1 },
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
