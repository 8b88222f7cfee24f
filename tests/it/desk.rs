//! What the desk answers, over an engine whose vendor and clock are in our hands.

use crate::engine::{Double, Stage, page, policies};
use crate::fixture::{HandClock, SOURCE, change, minutes, start};
use crate::notify::{SIGNING_SECRET, channel};
use dutyd::clock::Clock;
use dutyd::config::{Brakes, Mode};
use dutyd::desk::{Answer, Ask, Desk, Desked, List};
use dutyd::notify::{DigestBuilder, Kind};
use dutyd::store::{Store, open_state};
use dutyd_connectors::Page;
use dutyd_core::around::Around;
use dutyd_core::case::{CaseChange, Priority};
use jiff::SignedDuration;
use std::sync::Arc;
use tokio::sync::watch;

const RULES: &str = r#"
[[rules]]
name = "burning"
title = "Burning case"
covers = ["old", "urgent"]
text = "Priority is {case.priority}."
severity = "critical"
when = "case.priority == 1"

[[rules]]
name = "urgent"
title = "Urgent case"
text = "Open for {case.age.wall}."
severity = "candidate"
when = "case.urgent"

[[rules]]
name = "old"
title = "Old case"
text = "Open for {case.age.wall}."
severity = "watch"
when = "case.age.wall >= minutes(1)"
"#;

fn of_priority(id: &str, priority: u8) -> CaseChange {
    let mut change = change(id, 1);
    change.case.priority = Some(Priority(priority));
    change
}

/// Two cases that burn, one urgent, two that are only old.
async fn five_cases() -> (Stage, Desk) {
    let clock = Arc::new(HandClock::new(start() + minutes(2)));
    let policies = policies(RULES);
    let stage = Stage::over(Arc::new(Double::new()), clock, policies, Mode::Observe, 1_000).await;
    let cases = [("a", 1), ("b", 3), ("c", 1), ("d", 2), ("e", 4)];
    let changes = cases.iter().map(|(id, priority)| of_priority(id, *priority)).collect();
    stage.double.page(Ok(Page { changes, ..page(&[], "one") }));
    stage.settle().await;
    let desk = desk(&stage, RULES);
    (stage, desk)
}

/// A desk over the database alone, with these rules.
fn desk(stage: &Stage, rules: &str) -> Desk {
    let (poll_interval, mode) = (minutes(1), Mode::Observe);
    let brakes = Brakes { mode, writes_per_hour: 1_000, poll_interval, start_from: None };
    let lag = SignedDuration::from_secs(30);
    let source = Desked { name: SOURCE.to_owned(), vendor: "servicenow", brakes, lag };
    Desk {
        store: stage.store.clone(),
        clock: stage.clock.clone(),
        policies: watch::channel(Arc::new(policies(rules))).1,
        sources: [source].into(),
        live: None,
    }
}

async fn list(desk: &Desk, max: usize) -> List {
    match desk.answer(Ask::List { max }).await {
        Ok(Answer::List(list)) => list,
        other => panic!("{other:?}"),
    }
}

/// Each case with its worst flag and the others.
fn shown(list: &List) -> Vec<String> {
    let one = |(worst, others): (&dutyd::desk::FlagLine, Vec<&dutyd::desk::FlagLine>)| {
        let others: Vec<&str> = others.iter().map(|other| other.rule.as_str()).collect();
        format!("{} {} {others:?}", worst.number, worst.rule)
    };
    list.by_case().into_iter().map(one).collect()
}

#[tokio::test]
async fn a_list_counts_cases_and_says_how_many_of_them_it_leaves_out() {
    let (_stage, desk) = five_cases().await;
    let table = [(50, 5, 0), (3, 3, 2), (1, 1, 4)];
    for (max, cases, left_out) in table {
        let list = list(&desk, max).await;
        assert_eq!((list.by_case().len(), list.left_out()), (cases, left_out), "--max {max}");
        assert_eq!((list.cases, list.dismissed), ([2, 0, 1, 2], 0), "--max {max}");
    }
}

#[tokio::test]
async fn a_list_leaves_out_flags_that_a_flag_at_least_as_severe_covers() {
    let (_stage, desk) = five_cases().await;
    let mut shown = shown(&list(&desk, 50).await);
    shown.sort();
    let expected =
        ["INCa burning []", "INCb old []", "INCc burning []", "INCd urgent [\"old\"]", "INCe old []"];
    assert_eq!(shown, expected);
}

/// Rules by which a priority of 2 is not urgent any more.
fn milder() -> String {
    RULES.replace("case.urgent", "case.priority == 5")
}

#[tokio::test]
async fn a_sentence_in_a_list_is_of_now_or_says_that_it_is_not() {
    let (stage, of_now) = five_cases().await;
    stage.clock.pass(minutes(178));
    let of_then = desk(&stage, &milder());
    for (desk, is_of_now, why) in [(of_now, true, "Open for 3 h."), (of_then, false, "Open for 2 min.")] {
        let list = list(&desk, 50).await;
        let flag = list.flags.iter().find(|flag| flag.rule == "urgent" && flag.number == "INCd");
        let flag = flag.expect("it is raised");
        assert_eq!((flag.why_is_of_now, flag.why.as_str()), (is_of_now, why));
    }
}

#[tokio::test]
async fn a_sentence_in_a_digest_is_of_now_or_says_that_it_is_not() {
    let (stage, _desk) = five_cases().await;
    let now = stage.clock.now() + minutes(178);
    let url = "http://127.0.0.1:1/x".parse().expect("an address");
    let channel = channel(Kind::Webhook { url, secret: SIGNING_SECRET.into() });
    let rows = stage.store.states(0, 10).await.expect("read");
    let row = rows.iter().find(|row| row.number == "INCd").expect("it is known");
    let (state, around) = (open_state(&row.state).expect("a state"), Around::default());
    for (rules, why) in [(RULES, "Open for 3 h."), (milder().as_str(), "When raised: Open for 2 min.")] {
        let mut builder = DigestBuilder::new(&channel, Vec::new(), now);
        builder.take(&policies(rules), &state, &around);
        let digest = builder.finish("2026-03-02".to_owned(), false);
        assert_eq!(digest.teams[0].flags[0].why, why);
    }
}

#[tokio::test]
async fn by_the_database_alone_a_source_is_not_seen_once_its_bound_is_over() {
    let (stage, desk) = five_cases().await;
    assert!(list(&desk, 50).await.unseen.is_empty());
    let read_at = stage.clock.now();
    stage.clock.pass(desk.sources[0].bound() + SignedDuration::from_secs(1));
    let list = list(&desk, 50).await;
    assert!(!list.running);
    assert_eq!((list.unseen.len(), list.unseen[0].since), (1, Some(read_at)));
}
