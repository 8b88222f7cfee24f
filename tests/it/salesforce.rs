//! What is Salesforce's own: owners that a write must not move, two limits behind one code, a 401 that no sign-in cures,
//! writes that stand or fall together, verdicts by position, a scope, and the org's own escalation rules.

use crate::contract::salesforce_org::SALESFORCE;
use crate::contract::subject::Subject;
use crate::contract::wanted::{self, critical};
use crate::contract::world::{Reader, SOURCE, Setting, World};
use dutyd_connectors::{ConnectorError, Fetched};
use dutyd_core::action::Action;
use dutyd_core::case::CaseKey;
use jiff::SignedDuration;
use serde_json::{Value, json};

async fn world(switches: &[(&'static str, Value)]) -> World {
    World::new(&SALESFORCE, &Setting { switches: switches.to_vec(), ..Setting::new(false) }).await
}

async fn switch(world: &World, name: &str, value: Value) {
    let mut order = json!({ "vendor": "salesforce", "set": {} });
    order["set"][name] = value;
    world.control("POST", "/_sandbox/switches", &order).await;
}

fn note(case: &CaseKey) -> Action {
    wanted::note(case, wanted::EPISODE, "Customer waits for a reply.")
}

/// A field of a case, as the org truly holds it.
fn field(world: &World, case: &CaseKey, name: &str) -> Value {
    let history = world.history();
    let rows = history["cases"].as_array().expect("cases");
    rows.iter().find(|row| row["Id"] == case.id.as_str()).expect("the case")[name].clone()
}

fn requests(world: &World, path: &str) -> usize {
    let entries = world.sandbox.inner.journal.since(0, Some("salesforce"));
    entries.iter().filter(|entry| entry.path.starts_with(path)).count()
}

#[tokio::test]
async fn no_write_of_ours_hands_a_case_to_another_owner() {
    let world = world(&[("assignment_rule", json!(true))]).await;
    let (with_note, without) = (world.create("with a note").await, world.create("without").await);
    for case in [&with_note, &without] {
        world.act(case, "change", &json!({ "fields": { "agent": "005dz0000000003AAA" } })).await;
    }
    let owners = [&with_note, &without].map(|case| field(&world, case, "OwnerId"));
    world.deliver(&[critical(&with_note), note(&with_note)]).await;
    let applied = world
        .connector
        .apply(&world.cx(), &[critical(&without), critical(&with_note)])
        .await
        .expect("verdicts");
    assert!(applied.iter().all(|applied| applied.result.is_ok()), "{applied:?}");
    assert_eq!([&with_note, &without].map(|case| field(&world, case, "OwnerId")), owners);
    assert_eq!(field(&world, &without, "Dutyd_Severity__c"), "critical", "it was written");
}

#[tokio::test]
async fn fields_and_note_stand_or_fall_together() {
    let world = world(&[]).await;
    let case = world.create("watched").await;
    switch(&world, "validation_rule", json!("not today")).await;
    let actions = [critical(&case), note(&case)];
    let applied = world.connector.apply(&world.cx(), &actions).await.expect("verdicts");
    for applied in &applied {
        let refused = applied.result.as_ref().expect_err("the fields are refused, so the note is");
        assert!(
            matches!(refused, ConnectorError::Refused { reason, .. } if reason.contains("not today")),
            "{refused:?}"
        );
    }
    assert_eq!(
        (SALESFORCE.notes)(&world.history()).iter().filter(|note| note.contains("[dutyd:")).count(),
        0
    );
    switch(&world, "validation_rule", Value::Null).await;
    world.deliver(&actions).await;
    assert_eq!(field(&world, &case, "Dutyd_Severity__c"), "critical");
    assert_eq!(
        (SALESFORCE.notes)(&world.history()).iter().filter(|note| note.contains("[dutyd:")).count(),
        1
    );
}

#[tokio::test]
async fn each_record_of_a_collection_has_the_verdict_of_its_place() {
    let world = world(&[]).await;
    let (first, last) = (world.create("first").await, world.create("last").await);
    let (nowhere, gone) = (CaseKey::new(SOURCE, SALESFORCE.nowhere), world.create("gone").await);
    world.act(&gone, "vanish", &json!({})).await;
    let actions = [critical(&first), critical(&nowhere), critical(&gone), critical(&last)];
    let before = requests(&world, "/services/data/v66.0/composite/sobjects");
    let applied = world.connector.apply(&world.cx(), &actions).await.expect("verdicts");
    let fine: Vec<bool> = applied.iter().map(|applied| applied.result.is_ok()).collect();
    assert_eq!(fine, [true, false, false, true]);
    assert_eq!(
        requests(&world, "/services/data/v66.0/composite/sobjects") - before,
        1,
        "one request for all"
    );
    for case in [&first, &last] {
        assert_eq!(field(&world, case, "Dutyd_Severity__c"), "critical");
    }
}

#[tokio::test]
async fn the_daily_limit_waits_long_and_the_one_on_requests_at_once_does_not() {
    let world = world(&[]).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    world.order_fault(json!({ "kind": "throttled", "retry_after": 20 }), json!({}), "before").await;
    let at_once = world.connector.pull(&world.cx(), reader.cursor.as_ref()).await.expect_err("a throttle");
    assert!(matches!(at_once, ConnectorError::Throttled { until: None }), "{at_once:?}");
    switch(&world, "daily_limit", json!(1)).await;
    let daily = world.connector.pull(&world.cx(), reader.cursor.as_ref()).await.expect_err("a throttle");
    let ConnectorError::Throttled { until: Some(until) } = daily else { panic!("{daily:?}") };
    assert!(until.duration_since(world.now()) >= SignedDuration::from_mins(10), "{until}");
}

#[tokio::test]
async fn a_401_that_no_session_cures_is_told_and_asks_for_none() {
    let world = world(&[]).await;
    let case = world.create("seen").await;
    world.read(&case).await;
    let signed_in = requests(&world, "/services/oauth2/token");
    switch(&world, "not_for_rest", json!(true)).await;
    for _ in 0..3 {
        let error =
            world.connector.fetch(&world.cx(), std::slice::from_ref(&case)).await.expect_err("a refusal");
        assert!(matches!(error, ConnectorError::SignedOut { .. }), "{error:?}");
    }
    assert_eq!(requests(&world, "/services/oauth2/token"), signed_in, "no new session was asked for");
}

#[tokio::test]
async fn a_change_that_shows_nearly_ten_minutes_late_is_read() {
    let world = world(&[]).await;
    let (late, other) = (world.create("late").await, world.create("other").await);
    world.pass(700).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    // Stamped now, shown later: as a long transaction does it.
    world.act(&late, "hide", &json!({})).await;
    world.rename(&late, "told late").await;
    world.pass(560).await;
    world.rename(&other, "moves the cursor on").await;
    world.pass(15).await;
    reader.sync(&world).await;
    assert_eq!((&*reader.titles()[&late.id], &*reader.titles()[&other.id]), ("late", "moves the cursor on"));
    world.act(&late, "share", &json!({})).await;
    world.pass(15).await;
    reader.sync(&world).await;
    assert_eq!(reader.titles()[&late.id], "told late");
}

#[tokio::test]
async fn what_left_the_scope_is_hidden_and_not_read_again() {
    let subject: &'static Subject = Box::leak(Box::new(Subject { source: scoped, ..SALESFORCE }));
    let world = World::new(subject, &Setting { cases: 0, ..Setting::new(false) }).await;
    let (stays, leaves) = (world.create("stays").await, world.create("leaves").await);
    for case in [&stays, &leaves] {
        world.act(case, "change", &json!({ "fields": { "Type": "Problem" } })).await;
    }
    world.pass(120).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    assert_eq!(reader.titles().into_keys().collect::<Vec<_>>(), [stays.id.clone(), leaves.id.clone()]);
    world.act(&leaves, "change", &json!({ "fields": { "Type": "Question", "title": "left" } })).await;
    world.pass(120).await;
    reader.sync(&world).await;
    assert_ne!(
        reader.titles().get(&leaves.id).map(String::as_str),
        Some("left"),
        "the scan does not follow it"
    );
    let fetched = world.fetch(&[stays, leaves]).await;
    assert!(matches!(&fetched[..], [Fetched::Case(_), Fetched::Hidden(_)]), "{fetched:?}");
}

fn scoped(endpoints: &Value, page_size: u32) -> (dutyd_connectors::SourceConfig, dutyd_connectors::Secrets) {
    let (config, secrets) = (SALESFORCE.source)(endpoints, page_size);
    let mut config = serde_json::to_value(config).expect("a configuration is JSON");
    config["salesforce"]["scope"] = json!("Type = 'Problem' AND Subject LIKE '%s'");
    (serde_json::from_value(config).expect("a valid configuration"), secrets)
}

#[tokio::test]
async fn the_check_remarks_where_the_orgs_own_escalation_rules_run() {
    let world = World::new(&SALESFORCE, &Setting { cases: 0, ..Setting::new(false) }).await;
    let case = world.create("escalated by the org").await;
    let remarks = async || {
        let findings = world.connector.check(&world.cx()).await.expect("a check").findings;
        let native = findings.iter().filter(|finding| finding.message.contains("native escalation rules"));
        native
            .map(|finding| (finding.blocking, finding.remedy.contains("last modification time")))
            .collect::<Vec<_>>()
    };
    assert_eq!(remarks().await, []);
    world.act(&case, "change", &json!({ "fields": { "IsEscalated": true } })).await;
    assert_eq!(remarks().await, [(false, true)]);
}

#[tokio::test]
async fn the_check_names_the_statuses_that_stop_clocks_by_a_guess() {
    let world = world(&[]).await;
    let findings = world.connector.check(&world.cx()).await.expect("a check").findings;
    let said: Vec<&str> =
        findings.iter().filter(|one| !one.blocking).map(|one| one.message.as_str()).collect();
    let all = r#"read by their names alone: "Waiting on Customer" as pending, "On Hold" as on_hold; clocks may pause"#;
    assert!(said.iter().any(|message| message.contains(all)), "{said:?}");
}

#[tokio::test]
async fn a_merged_case_is_gone_its_messages_stand_with_the_winner_and_a_hidden_one_is_hidden() {
    let world = world(&[]).await;
    let (winner, loser, hidden) =
        (world.create("winner").await, world.create("loser").await, world.create("hidden").await);
    world.act(&loser, "reply", &json!({ "from": "customer", "public": true, "text": "still down" })).await;
    let replies = |change: &dutyd_core::case::CaseChange| {
        let events = change.events.iter();
        events.filter(|event| matches!(event.kind, dutyd_core::timeline::EventKind::Replied { .. })).count()
    };
    let before = replies(&world.read(&winner).await);
    world.act(&loser, "merge", &json!({ "into": winner.id })).await;
    world.act(&hidden, "hide", &json!({})).await;
    world.pass(60).await;
    let fetched = world.fetch(&[winner, loser, hidden]).await;
    let [Fetched::Case(kept), Fetched::Gone(_), Fetched::Hidden(_)] = &fetched[..] else {
        panic!("{fetched:?}")
    };
    assert_eq!(replies(kept), before + 1);
}
