//! How long a condition takes that was written to take long: `cargo bench --bench bombs [-- 10000]`, conditions of each kind.
//!
//! Each is refused, or judged about a case with 400 tags of 200 letters and a long title. Prints the slowest ones; with
//! `RECORD=1` the figure of goal G33 is kept for docs/RELIABILITY.md.

#[path = "../tests/it/reliability/figure.rs"]
#[allow(dead_code, reason = "this one takes its number from the command line")]
mod figure;
#[path = "../core/rule/tests/written.rs"]
mod written;

use dutyd_core::around::Around;
use dutyd_core::case::{Case, CaseKey, FieldValue};
use dutyd_core::decide::decide;
use dutyd_core::policy::{Policy, PolicyFile, PolicySet};
use dutyd_core::state::CaseState;
use dutyd_core::{SignedDuration, Timestamp};
use figure::measured;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::hint::black_box;
use std::sync::Arc;

/// Conditions of each kind.
const CONDITIONS: usize = 10_000;
/// Each is judged so often; the median counts.
const ROUNDS: usize = 3;
const SHOWN: usize = 5;
/// What goal G33 allows.
const MS_MAX: f64 = 25.0;
/// The longest that the vendors allow, and one that none of them does.
const TITLES: [usize; 2] = [255, 10_000];

fn main() {
    let asked = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(CONDITIONS);
    let mut runner = TestRunner::deterministic();
    let mut sources: Vec<String> = written::BOMBS.map(str::to_owned).to_vec();
    for _ in 0..asked {
        sources.push(drawn(&mut runner, written::expression()));
        sources.push(drawn(&mut runner, written::heavy()));
    }
    let allowed: Vec<_> = sources.iter().filter_map(|source| Some((source, policy(source)?))).collect();
    let mut figure = format!("of {} conditions {} refused", sources.len(), sources.len() - allowed.len());
    for letters in TITLES {
        let state = large(letters);
        let mut times: Vec<(f64, &String)> =
            allowed.iter().map(|(source, policies)| (judged(policies, &state), *source)).collect();
        times.sort_by(|one, other| other.0.total_cmp(&one.0));
        println!("the slowest with a title of {letters} letters, milliseconds per decision:");
        for (spent, source) in times.iter().take(SHOWN) {
            println!("  {spent:>8.3} {source:.200}");
        }
        let (worst, over) = (times[0].0, times.iter().filter(|(spent, _)| *spent > MS_MAX).count());
        figure += &format!("; title of {letters} letters: slowest {worst:.1} ms, {over} over {MS_MAX} ms");
    }
    measured("G33.time", &figure);
}

fn drawn(runner: &mut TestRunner, strategy: impl Strategy<Value = String>) -> String {
    strategy.new_tree(runner).expect("a condition").current()
}

/// A policy of one rule, unless it is refused.
fn policy(source: &str) -> Option<PolicySet> {
    let text = format!("[[rules]]\nname = \"bomb\"\nseverity = \"watch\"\nwhen = '''{source}'''\n");
    let policy = Policy::load(&[PolicyFile { name: "bomb.toml".to_owned(), text }]).ok()?;
    Some(PolicySet { current: Arc::new(policy), ..PolicySet::default() })
}

/// Milliseconds of one decision.
fn judged(policies: &PolicySet, state: &CaseState) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| timed(policies, state)).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

#[allow(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn timed(policies: &PolicySet, state: &CaseState) -> f64 {
    let begun = std::time::Instant::now();
    black_box(decide(
        policies,
        Some(state),
        &Around::default(),
        &[],
        start() + SignedDuration::from_hours(1),
    ));
    begun.elapsed().as_secs_f64() * 1e3
}

fn start() -> Timestamp {
    "2026-03-02T09:00:00Z".parse().expect("a constant instant")
}

fn large(letters: usize) -> CaseState {
    let tags: Vec<String> = (0..400).map(|index| format!("tag-{index}-{}", "x".repeat(200))).collect();
    let case = Case {
        title: "a".repeat(letters),
        fields: [("list".to_owned(), FieldValue::List(tags.clone()))].into(),
        tags,
        ..Case::opened(CaseKey::new("desk", "1"), start())
    };
    CaseState::new(case)
}
