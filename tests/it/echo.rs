//! Our own writes come back by webhook and by poll and change nothing; what a person did beside them, or to them, counts.

use crate::play::{DAEMONS_ACCOUNT, Play, world};
use dutyd_core::case::Status;
use dutyd_core::decide::{Decision, DecisionKind};
use dutyd_core::state::{CaseState, FlagState};
use dutyd_core::timeline::{Actor, EventKind};
use dutyd_sandbox::Options;
use dutyd_sandbox::hooks::Knobs;
use dutyd_sandbox::vendor::Command;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

/// A world in which nothing happens but what a test does.
async fn still(knobs: Knobs) -> Play {
    let mut play =
        Play::polling(Options { live: false, ends_at: None, ..world(0) }, SignedDuration::from_secs(5)).await;
    play.webhooks(knobs);
    play.run().await;
    play
}

/// The case with the most severe flag, and its decisions.
async fn worst(play: &Play) -> (CaseState, Vec<Decision>) {
    let severity = |state: &CaseState| {
        let open = state.flags.iter().filter(|flag| flag.state == FlagState::Open);
        open.map(|flag| (flag.severity, state.case.number.clone())).max()
    };
    play.memory().await.into_iter().max_by_key(|(state, _)| severity(state)).expect("there are cases")
}

async fn of_case(play: &Play, id: &str) -> (CaseState, Vec<Decision>) {
    let memory = play.memory().await;
    memory.into_iter().find(|(state, _)| state.case.key.id == id).expect("the case is known")
}

fn change(id: &str, by: Option<&str>, fields: Value) -> Command {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    Command::Change { id: id.to_owned(), fields, by: by.map(str::to_owned) }
}

/// The severity on the record, as its field holds it.
async fn shown(play: &Play, id: &str) -> String {
    let history: Value =
        serde_json::from_slice(&play.stage.running.sandbox().history("servicenow").expect("a history"))
            .expect("JSON");
    let mut records = history["records"].as_array().into_iter().flatten();
    let record = records.find(|record| record["sys_id"] == id).expect("the record");
    record["u_dutyd_severity"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_writes_come_back_by_webhook_and_by_poll_and_change_nothing() {
    let ways = [
        ("by webhook", Knobs::default()),
        ("by webhook, twice, late", Knobs { duplicate: 1.0, delay_seconds: 40, ..Knobs::default() }),
        ("by poll", Knobs { drop: 1.0, ..Knobs::default() }),
    ];
    for (way, knobs) in ways {
        let mut play = still(knobs).await;
        let (writes, decided) = (play.writes(), decisions(&play).await);
        let marked = play.is_right(way).await;
        assert_eq!(writes, marked.flagged, "{way}: each record is written once");
        assert!(decided.iter().all(|decision| decision.kind == DecisionKind::Raise), "{way}: {decided:?}");
        play.run().await;
        assert_eq!((play.writes(), decisions(&play).await.len()), (writes, decided.len()), "{way}");
    }
}

async fn decisions(play: &Play) -> Vec<Decision> {
    play.memory().await.into_iter().flat_map(|(_, decisions)| decisions).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_edit_in_the_same_minute_under_our_account_is_not_swallowed() {
    let mut play = still(Knobs::default()).await;
    let (case, _) = worst(&play).await;
    let id = case.case.key.id.clone();
    let journal = play.sandbox().journal.since(0, Some("servicenow"));
    let ours = journal.iter().filter(|entry| entry.method == "PATCH" && entry.path.contains(&id));
    let marked = ours.map(|entry| entry.at).max().expect("the mark and its note stand");
    let by = Some(DAEMONS_ACCOUNT);
    let reply = Command::Reply {
        id: id.clone(),
        from_customer: false,
        public: true,
        text: "We are on it.".to_owned(),
        by: by.map(str::to_owned),
    };
    play.act(&reply);
    play.act(&change(&id, by, json!({ "status": "on_hold" })));
    play.run().await;

    let (state, _) = of_case(&play, &id).await;
    assert_eq!(state.case.status, Status::OnHold);
    let told: Vec<_> = state.events.iter().filter(|event| event.at >= marked).collect();
    let person = |wanted: fn(&EventKind) -> bool| {
        told.iter().find(|event| wanted(&event.kind) && event.actor == Actor::Agent)
    };
    let edited = person(|kind| matches!(kind, EventKind::StatusChanged { .. })).expect("the edit");
    person(|kind| matches!(kind, EventKind::Replied { public: true, .. })).expect("the reply");
    assert!(edited.at.duration_since(marked).as_secs() < 60, "in the same minute");
    assert!(told.iter().any(|event| event.actor == Actor::Dutyd), "our own note is there and known as ours");
    play.is_right("edited under our account").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_a_person_takes_off_stays_off_through_restarts_and_the_loss_of_the_database() {
    for by in [None, Some(DAEMONS_ACCOUNT)] {
        let mut play = still(Knobs::default()).await;
        let (case, _) = worst(&play).await;
        let id = case.case.key.id.clone();
        assert_ne!(shown(&play, &id).await, "", "the mark stands");
        play.act(&change(&id, by, json!({ "u_dutyd_severity": "" })));
        play.run().await;

        let (state, decided) = of_case(&play, &id).await;
        let said: Vec<_> = decided.iter().filter(|one| one.kind == DecisionKind::Override).collect();
        assert!(!said.is_empty(), "by {by:?}: {decided:?}");
        assert!(!state.overrides.is_empty() && said.iter().all(|one| one.why.contains("took the mark off")));
        assert_eq!(shown(&play, &id).await, "", "by {by:?}");

        play.act(&change(&id, None, json!({ "title": "Still the same" })));
        play.run().await;
        assert_eq!(shown(&play, &id).await, "", "after a restart, by {by:?}");

        play.lose_database();
        play.run().await;
        assert_eq!(shown(&play, &id).await, "", "after the loss of the database, by {by:?}");
        let vendor = play.summary().await.vendors.remove("servicenow").expect("ServiceNow plays");
        assert_eq!((vendor.missing, vendor.doubled), (0, 0), "by {by:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_change_of_a_person_dismisses_nothing() {
    let mut play = still(Knobs::default()).await;
    let (case, before) = worst(&play).await;
    let id = case.case.key.id.clone();
    let severity = shown(&play, &id).await;
    play.act(&Command::Change { id: id.clone(), fields: Map::new(), by: None });
    play.act(&change(&id, None, json!({ "title": "Renamed" })));
    play.run().await;
    let (state, after) = of_case(&play, &id).await;
    assert_eq!((state.case.title.as_str(), after.len()), ("Renamed", before.len()));
    assert_eq!(shown(&play, &id).await, severity);
}
