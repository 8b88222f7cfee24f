//! A case judged again only at the instants that something names is judged as at every instant.

use super::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Everything lies on a grid of so many minutes, so that looking at each of its points misses nothing.
const GRID: i64 = 5;
const HOURS: i64 = 12;

const POLICY: &str = r#"
[[rules]]
name = "idle"
[rules.ladder]
watch = "idle.wall >= minutes(60)"
critical = "idle.wall >= minutes(180)"

[[rules]]
name = "asked-often"
when = "replies.customer.within(minutes(90)) >= 2"
severity = "warning"
dwell = "20m"
cooldown = "40m"

[[rules]]
name = "urgent"
when = "case.priority <= 2 && case.age.wall < hours(9)"
severity = "candidate"
for = "25m"
refires = 2

[[rules]]
name = "waiting"
when = "customer.waiting.wall >= minutes(45)"
exit = "customer.waiting.wall < minutes(5)"
severity = "warning"
"#;

fn on_grid(step: i64) -> Timestamp {
    at(0) + (GRID * step).minutes()
}

/// What happens: at which step, how many steps later it is learned, and what.
fn happenings() -> impl Strategy<Value = Vec<(i64, i64, u8)>> {
    let late = prop_oneof![3 => Just(0i64), 1 => 1i64..12];
    proptest::collection::vec((1..HOURS * 60 / GRID, late, 0u8..6), 0..14)
}

fn lived(mut steps: Vec<(i64, i64, u8)>) -> CaseState {
    steps.sort_unstable();
    let mut desk = Desk::new(POLICY);
    let mut status = Status::Open;
    for (nth, (step, late, what)) in steps.into_iter().enumerate() {
        desk.now = on_grid(step);
        let (actor, kind) = match what {
            0 | 1 => (Actor::Customer, EventKind::Replied { public: true, signals: Vec::new() }),
            2 => (Actor::Agent, EventKind::Replied { public: true, signals: Vec::new() }),
            3 => (Actor::Agent, EventKind::Replied { public: false, signals: Vec::new() }),
            4 => {
                let from = desk.record.case.priority;
                let to = Some(Priority(if from == Some(Priority(1)) { 3 } else { 1 }));
                desk.record.case.priority = to;
                (Actor::Vendor, EventKind::PriorityChanged { from, to })
            }
            _ => {
                let to = if status.is_open() { Status::Resolved } else { Status::Open };
                let from = std::mem::replace(&mut status, to);
                desk.record.case.status = to;
                (Actor::Agent, EventKind::StatusChanged { from, to })
            }
        };
        let seen_at = on_grid(step + late);
        let told = TimelineEvent { seen_at, ..event(&format!("e{nth:03}"), desk.now, actor, kind) };
        desk.edit(|record| record.events.push(told));
    }
    desk.now = on_grid(HOURS * 60 / GRID);
    desk.read().state
}

/// Judged at every point of the grid.
fn at_every_instant(policies: &PolicySet, learned: &Learned<'_>) -> Vec<Decision> {
    let moments: Vec<(Timestamp, CaseState)> = learned.moments().collect();
    let (mut flags, mut decisions) = (Vec::new(), Vec::new());
    for step in 0..=HOURS * 60 / GRID {
        let now = on_grid(step);
        let Some((_, known)) = moments.iter().rev().find(|(at, _)| *at <= now) else { continue };
        let known = CaseState { flags, policy: policies.current.id.clone(), ..known.clone() };
        let outcome = decide(policies, Some(&known), &Around::default(), &[], now).expect("a state");
        flags = outcome.state.flags;
        decisions.extend(outcome.decisions);
    }
    decisions
}

fn both(steps: Vec<(i64, i64, u8)>) -> (Vec<Decision>, Vec<Decision>) {
    let (policies, state) = (policies(POLICY), lived(steps));
    let until = on_grid(HOURS * 60 / GRID);
    let learned = Learned::of(&state, until);
    let trace = retrace(&policies, &learned, &Neighbourhood::default(), until);
    (trace.decisions, at_every_instant(&policies, &learned))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Invariant: an instant that nothing named changes no flag, and one that was named is the second of the change.
    #[test]
    fn judging_at_the_instants_named_is_judging_at_every_instant(steps in happenings()) {
        let (named, every) = both(steps);
        prop_assert_eq!(named, every);
    }
}

#[test]
fn the_timelines_of_that_property_raise_and_clear_flags_of_every_rule() {
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let steps = happenings().new_tree(&mut runner).expect("a tree").current();
        seen.extend(both(steps).0.into_iter().map(|one| (one.rule, one.kind == DecisionKind::Clear)));
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
}
