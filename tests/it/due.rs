//! Thresholds in virtual time: the real evaluation over a real store, the clock set to whatever instant it asks for.

use crate::fixture::{HandClock, SOURCE, change, minutes, start};
use dutyd::engine::{Engine, Setup, Tick};
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{PageCommit, Store, Token, seal_change};
use dutyd_core::action::Severity;
use dutyd_core::policy::{Policy, PolicyFile, PolicySet};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tokio::sync::watch;

/// Half, three quarters, the whole target and an hour after it; half an hour on the wall before the end of a target in
/// business time.
const POLICY: &str = r#"
[calendars.office]
zone = "Europe/Berlin"
week = { mon = ["09:00-17:00"] }

[[sla]]
name = "a"
calendar = "office"

[sla.first_response]
any = "2h"

[sla.resolution]
any = "4h calendar time"

[[rules]]
name = "resolution"
text = "Late."

[rules.ladder]
watch = "clock.resolution.percent >= 50"
warning = "clock.resolution.remaining <= hours(1)"
candidate = "clock.resolution.percent >= 100"
critical = "clock.resolution.remaining <= -hours(1)"

[[rules]]
name = "answer-soon"
text = "Soon."
severity = "watch"
when = "clock.first_response.due_in.wall <= minutes(30)"
"#;

const CASES: i64 = 200;
/// From the opening of one case to that of the next.
const APART: i64 = 17;

fn opened(nth: i64) -> Timestamp {
    start() + SignedDuration::from_secs(APART * nth)
}

async fn filled(store: &SqliteStore) {
    let lease = store.lease_source(SOURCE, Token(3), start()).await.expect("asked").expect("a lease");
    let changes = (0..CASES).map(|nth| {
        let mut change = change(&format!("{nth}"), 1);
        change.case.opened_at = opened(nth);
        change.events[0].at = opened(nth);
        seal_change(change).expect("sealed")
    });
    let page = PageCommit { changes: changes.collect(), ..PageCommit::default() };
    store.commit_page(&lease, page, start()).await.expect("committed");
}

#[tokio::test]
async fn thresholds_fire_in_order_once_and_at_their_second() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("dutyd.db");
    let store = Arc::new(SqliteStore::open(&path, 7, start()).await.expect("a store"));
    filled(&store).await;
    let file = PolicyFile { name: "p.toml".to_owned(), text: POLICY.to_owned() };
    let current = Arc::new(Policy::load(&[file]).unwrap_or_else(|problems| panic!("{problems:#?}")));
    let (_keep, policy) = watch::channel(Arc::new(PolicySet { current, ..PolicySet::default() }));
    let clock = Arc::new(HandClock::new(start()));
    let setup = Setup {
        store: store.clone(),
        clock: clock.clone(),
        policy,
        sources: Vec::new(),
        channels: Vec::new(),
        retention: Default::default(),
        seed: 1,
    };
    let engine = Engine::new(setup).await.expect("an engine");
    let units = engine.units();
    let evaluate = units.iter().find(|unit| unit.name() == "evaluate").expect("the unit");

    let end = start() + SignedDuration::from_hours(10);
    let mut looks = 0;
    loop {
        match evaluate.tick().await.expect("no failure of the store") {
            Tick::Worked => continue,
            Tick::Idle { until: Some(until) } if until <= end => {
                assert!(until > clock.read(), "it asks for the future");
                clock.set(until);
                looks += 1;
            }
            Tick::Idle { .. } => break,
        }
    }
    // The opening and five thresholds of each case; nothing is looked at in between.
    assert!(looks <= 6 * CASES, "{looks}");

    let mut seen = 0;
    let mut all: Vec<(i64, Timestamp)> = Vec::new();
    for row in store.states(0, 1_000).await.expect("read") {
        let nth: i64 = row.key.id.parse().expect("a number");
        let decisions = store.decisions(row.case).await.expect("read");
        let fired: Vec<(&str, Severity, Timestamp)> = decisions
            .iter()
            .map(|row| (row.decision.rule.as_str(), row.decision.severity, row.decision.at))
            .collect();
        let at = |after: i64| opened(nth) + minutes(after);
        let expected = [
            ("answer-soon", Severity::Watch, at(90)),
            ("resolution", Severity::Watch, at(120)),
            ("resolution", Severity::Warning, at(180)),
            ("resolution", Severity::Candidate, at(240)),
            ("resolution", Severity::Critical, at(300)),
        ];
        assert_eq!(fired, expected, "case {nth}");
        all.extend(decisions.iter().map(|row| (row.seq, row.decision.at)));
        seen += 1;
    }
    assert_eq!(seen, CASES);
    all.sort_unstable_by_key(|(seq, _)| *seq);
    assert!(all.is_sorted_by_key(|(_, at)| *at), "decided in the order of their instants");
}
