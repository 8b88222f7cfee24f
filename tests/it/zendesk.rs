//! What is Zendesk's own: a throttle in the middle of a batch, updates against tickets that change, closed and merged
//! tickets, a shared account, and what the check finds.

use crate::contract::subject::{Subject, ZENDESK};
use crate::contract::wanted::{EPISODE, wants};
use crate::contract::world::{Reader, Setting, World};
use dutyd_connectors::{ConnectorError, Fetched, Secrets, SourceConfig};
use dutyd_core::action::{Action, Severity};
use dutyd_core::case::{CaseKey, Status};
use dutyd_core::timeline::{Actor, EventKind};
use serde_json::{Value, json};

async fn world(switches: &[(&'static str, Value)]) -> World {
    World::new(&ZENDESK, &Setting { switches: switches.to_vec(), ..Setting::new(false) }).await
}

fn marked(case: &CaseKey) -> Vec<Action> {
    wants(case, Severity::Critical, EPISODE, "because", "why")
}

#[tokio::test]
async fn a_throttle_in_the_middle_of_a_batch_costs_only_the_cases_not_read() {
    let world = world(&[]).await;
    let mut keys = Vec::new();
    for number in 0..6 {
        keys.push(world.create(&format!("case {number}")).await);
    }
    world.fetch(&keys[..1]).await;
    let matching = json!({ "path_contains": format!("/tickets/{}/audits", keys[3].id) });
    world.order_fault(json!({ "kind": "throttled", "retry_after": 40 }), matching, "before").await;
    let fetched = world.connector.fetch(&world.cx(), &keys).await.expect("a part was read");
    for (index, answer) in fetched.iter().enumerate() {
        match answer {
            Fetched::Case(change) => assert!(index < 3 && change.case.key == keys[index]),
            Fetched::Unread(key, ConnectorError::Throttled { .. }) => {
                assert!(index >= 3 && *key == keys[index])
            }
            other => panic!("{index}: {other:?}"),
        }
    }
    let journal = world.sandbox.inner.journal.since(0, Some(ZENDESK.vendor));
    let asked_after =
        journal.iter().any(|entry| entry.path.contains(&format!("/tickets/{}/audits", keys[4].id)));
    assert!(!asked_after, "nothing more is asked after a throttle");
    world.pass(41).await;
    let rest = world.connector.fetch(&world.cx(), &keys[3..]).await.expect("the rest");
    assert!(rest.iter().all(|answer| matches!(answer, Fetched::Case(_))));
}

#[tokio::test]
async fn a_thousand_changed_tickets_are_worked_off_within_the_plan_without_loss() {
    let setting = Setting {
        cases: 1_000,
        page_size: 1_000,
        switches: vec![("requests_per_minute", json!(200))],
        ..Setting::new(false)
    };
    let world = World::new(&ZENDESK, &setting).await;
    world.pass(120).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    assert_eq!(reader.titles(), (ZENDESK.titles)(&world.history()));
    assert!(reader.cases.values().all(|change| change.events_complete));
    let journal = world.sandbox.inner.journal.since(0, Some(ZENDESK.vendor));
    let throttled = journal.iter().filter(|entry| entry.status == 429).count();
    assert!((1..40).contains(&throttled), "{throttled} throttles");
}

#[tokio::test]
async fn a_cursor_that_is_not_taken_any_more_loses_nothing_and_little_is_read_again() {
    let world = world(&[]).await;
    world.pass_the_lag().await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    let cursor = reader.cursor.as_ref().expect("a cursor").body.clone();
    let seen = serde_json::from_str::<Value>(&cursor).expect("JSON")["seen"].as_i64().expect("seconds");
    world.pass(3_600).await;
    let case = world.create("while the cursor died").await;
    world.pass_the_lag().await;
    let refused = json!({ "kind": "status", "status": 400, "body": "{\"error\":\"InvalidCursor\"}" });
    world.order_fault(refused, json!({ "path_contains": "cursor?cursor=" }), "before").await;
    let read_before = world.sandbox.inner.journal.since(0, Some(ZENDESK.vendor)).len();
    reader.sync(&world).await;
    assert_eq!(reader.titles().get(&case.id).map(String::as_str), Some("while the cursor died"));
    assert_eq!(reader.titles(), (ZENDESK.titles)(&world.history()));
    let journal = world.sandbox.inner.journal.since(0, Some(ZENDESK.vendor));
    let again = journal[read_before..].iter().find_map(|entry| entry.path.split_once("start_time="));
    let (_, from) = again.expect("a scan by time");
    let from: i64 = from.split('&').next().and_then(|from| from.parse().ok()).expect("seconds");
    // Rows of the newest stamp, and of a little before it, can have become visible since.
    assert!((seen - 3_600..seen).contains(&from), "seen up to {seen}, begun again from {from}");
}

#[tokio::test]
async fn an_update_that_loses_against_a_person_reads_again_and_wins() {
    let world = world(&[]).await;
    let case = world.create("contested").await;
    let lost = json!({ "kind": "status", "status": 409, "body": "{\"error\":\"UpdateConflict\",\"description\":\"x\"}" });
    world.order_fault(lost, json!({ "method": "PUT" }), "before").await;
    let actions = marked(&case);
    let applied = world.connector.apply(&world.cx(), &actions).await.expect("verdicts");
    assert!(applied.iter().all(|verdict| verdict.result.is_ok()), "{applied:?}");
    let journal = world.sandbox.inner.journal.since(0, Some(ZENDESK.vendor));
    assert_eq!(journal.iter().filter(|entry| entry.method == "PUT").count(), 2, "one refused, one made");
    for action in &actions {
        assert!(world.holds(action).await, "{:?}", action.slot);
    }
}

#[tokio::test]
async fn marks_and_note_of_a_ticket_go_in_one_update_and_no_customer_sees_them() {
    let world = world(&[]).await;
    let case = world.create("to be marked").await;
    world.connector.apply(&world.cx(), &marked(&case)).await.expect("verdicts");
    let history = world.history();
    let audits = history["audits"].as_array().expect("audits");
    let ours: Vec<&Value> =
        audits.iter().filter(|audit| audit["metadata"]["custom"]["dutyd"].is_string()).collect();
    assert_eq!(ours.len(), 1);
    let events = ours[0]["events"].as_array().expect("events");
    let comments: Vec<_> = events.iter().filter(|event| event["type"] == "Comment").collect();
    assert!(comments.len() == 1 && comments[0]["public"] == false);
    let tickets = history["tickets"].as_array().expect("tickets");
    let ticket = tickets.iter().find(|row| row["id"].as_u64() == case.id.parse().ok()).expect("the ticket");
    assert_eq!(ticket["tags"], json!(["dutyd_critical"]));
    assert!(world.read(&case).await.case.tags.is_empty(), "our tag is no fact of the case");
}

#[tokio::test]
async fn closed_tickets_refuse_marks_and_merged_ones_are_gone() {
    let world = world(&[]).await;
    let (closed, merged, kept) =
        (world.create("closed").await, world.create("merged").await, world.create("kept").await);
    world.act(&closed, "change", &json!({ "fields": { "status": "solved" } })).await;
    world.act(&closed, "change", &json!({ "fields": { "status": "closed" } })).await;
    world.act(&merged, "merge", &json!({ "into": kept.id })).await;
    for verdict in world.connector.apply(&world.cx(), &marked(&closed)).await.expect("verdicts") {
        assert!(matches!(verdict.result, Err(ConnectorError::Sealed { .. })), "{verdict:?}");
    }
    world.pass(60).await;
    let change = world.read(&closed).await;
    assert_eq!(change.case.status, Status::Closed);
    assert!(change.case.resolved_at.is_some());
    assert!(matches!(world.fetch(&[merged]).await[0], Fetched::Gone(_)));
    assert!(matches!(world.fetch(&[kept]).await[0], Fetched::Case(_)));
}

#[tokio::test]
async fn a_person_under_our_account_is_not_taken_for_us() {
    let world = world(&[]).await;
    let case = world.create("shared").await;
    world.deliver(&marked(&case)).await;
    let by = "dutyd@support.example";
    world
        .act(&case, "reply", &json!({ "from": "agent", "public": true, "text": "I am a person.", "by": by }))
        .await;
    world.act(&case, "change", &json!({ "fields": { "Dutyd severity": null }, "by": by })).await;
    world.pass(60).await;
    let change = world.read(&case).await;
    let reply =
        change.events.iter().find(|event| matches!(event.kind, EventKind::Replied { public: true, .. }));
    assert_eq!(reply.map(|event| event.actor), Some(Actor::Agent));
    let marks = change.events.iter().filter(|event| matches!(event.kind, EventKind::MarkChanged { .. }));
    assert_eq!(marks.map(|event| event.actor).collect::<Vec<_>>(), [Actor::Dutyd, Actor::Agent]);
    assert!(change.marks.severity_cleared);
}

#[tokio::test]
async fn the_check_says_what_is_missing_and_what_is_too_much() {
    let inactive = world(&[("dutyd_fields", json!(false))]).await;
    let found = inactive.connector.check(&inactive.cx()).await.expect("an identity").findings;
    assert_eq!(
        found.iter().filter(|one| one.blocking && one.message.contains("not active")).count(),
        3,
        "{found:?}"
    );
    let agent = world(&[("integration_role", json!("agent"))]).await;
    let found = agent.connector.check(&agent.cx()).await.expect("an identity").findings;
    assert!(found.iter().any(|one| one.blocking && one.message.contains("role is \"agent\"")), "{found:?}");
    assert!(found.iter().any(|one| one.blocking && one.message.contains("export is refused")), "{found:?}");
    let broad: &'static Subject = Box::leak(Box::new(Subject { source: with_broad_scopes, ..ZENDESK }));
    let broad = World::new(broad, &Setting::new(false)).await;
    let found = broad.connector.check(&broad.cx()).await.expect("an identity").findings;
    assert!(
        found.iter().any(|one| !one.blocking && one.message.contains("more than dutyd needs")),
        "{found:?}"
    );
}

fn with_broad_scopes(endpoints: &Value, page_size: u32) -> (SourceConfig, Secrets) {
    overlaid(endpoints, page_size, |config| config["sign_in"]["oauth"]["scopes"] = json!("read write"))
}

fn without_closed_history(endpoints: &Value, page_size: u32) -> (SourceConfig, Secrets) {
    overlaid(endpoints, page_size, |config| config["history_of_closed"] = json!(false))
}

fn overlaid(endpoints: &Value, page_size: u32, change: fn(&mut Value)) -> (SourceConfig, Secrets) {
    let (config, secrets) = (ZENDESK.source)(endpoints, page_size);
    let mut config = serde_json::to_value(config).expect("a configuration is JSON");
    change(&mut config["zendesk"]);
    (serde_json::from_value(config).expect("a valid configuration"), secrets)
}

#[tokio::test]
async fn closed_tickets_of_the_past_can_be_taken_as_they_stand() {
    let subject: &'static Subject =
        Box::leak(Box::new(Subject { source: without_closed_history, ..ZENDESK }));
    let world = World::new(subject, &Setting { cases: 60, ..Setting::new(false) }).await;
    world.pass(120).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    assert_eq!(reader.titles(), (ZENDESK.titles)(&world.history()));
    let journal = world.sandbox.inner.journal.since(0, Some(ZENDESK.vendor));
    let (closed, open): (Vec<_>, Vec<_>) =
        reader.cases.values().partition(|change| change.case.status == Status::Closed);
    assert!(!closed.is_empty() && !open.is_empty());
    for change in closed {
        let path = format!("/tickets/{}/audits", change.case.key.id);
        assert!(!journal.iter().any(|entry| entry.path.contains(&path)), "{path} was asked for");
        assert!(!change.events_complete && change.case.resolved_at.is_some());
        assert_ne!(change.case.customer.as_ref().map(|one| one.name.clone()), None);
    }
}
