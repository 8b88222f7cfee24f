//! What is ServiceNow's own: access rules that thin out pages, two tables, states with reasons, quota answers, a shared
//! account, and what the check finds.

use crate::contract::subject::{SERVICENOW, Subject, secrets};
use crate::contract::wanted::critical;
use crate::contract::world::{Reader, SOURCE, Setting, World};
use dutyd_connectors::{ConnectorError, Fetched, Finding};
use dutyd_core::action::{Action, Severity, Want};
use dutyd_core::case::{CaseKey, Status};
use dutyd_core::timeline::{Actor, EventKind};
use serde_json::{Value, json};

async fn world(switches: &[(&'static str, Value)]) -> World {
    World::new(&SERVICENOW, &Setting { switches: switches.to_vec(), ..Setting::new(false) }).await
}

/// The subject with another connector configuration laid over its own.
fn configured(
    source: fn(&Value, u32) -> (dutyd_connectors::SourceConfig, dutyd_connectors::Secrets),
) -> &'static Subject {
    Box::leak(Box::new(Subject { source, ..SERVICENOW }))
}

fn overlaid(endpoints: &Value, page_size: u32, more: &Value) -> dutyd_connectors::SourceConfig {
    let (config, _) = (SERVICENOW.source)(endpoints, page_size);
    let mut config = serde_json::to_value(config).expect("a configuration is JSON");
    for (key, value) in more.as_object().expect("an object") {
        config["servicenow"][key] = value.clone();
    }
    serde_json::from_value(config).expect("a valid configuration")
}

fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row[column].as_str().unwrap_or_default()
}

#[tokio::test]
async fn records_hidden_by_access_rules_do_not_end_the_scan() {
    for fraction in [0.5, 0.95] {
        let switches = vec![("acl_hidden_fraction", json!(fraction))];
        let world = World::new(&SERVICENOW, &Setting { cases: 300, switches, ..Setting::new(false) }).await;
        world.pass(120).await;
        let mut reader = Reader::default();
        reader.sync(&world).await;
        let mut visible = 0;
        for id in (SERVICENOW.titles)(&world.history()).into_keys() {
            let shown =
                matches!(world.fetch(&[CaseKey::new(SOURCE, id.as_str())]).await[0], Fetched::Case(_));
            visible += usize::from(shown);
            assert_eq!(reader.cases.contains_key(&id), shown, "{id}");
        }
        assert!((1..299).contains(&visible), "some must be hidden, some not: {visible}");
    }
}

#[tokio::test]
async fn cases_of_both_tables_are_read_and_marked() {
    let world = world(&[("csm_fraction", json!(0.4))]).await;
    world.pass(120).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    assert_eq!(reader.titles(), (SERVICENOW.titles)(&world.history()));
    let history = world.history();
    let of_table = |table: &str| {
        let mut rows = history["records"].as_array().into_iter().flatten();
        let row = rows.find(|row| text(row, "sys_class_name") == table).expect("a case of each table");
        CaseKey::new(SOURCE, text(row, "sys_id"))
    };
    for table in ["incident", "sn_customerservice_case"] {
        let case = of_table(table);
        world.deliver(&[critical(&case)]).await;
        let change = world.read(&case).await;
        assert_eq!(
            change.marks.marker.and_then(|marker| marker.severity),
            Some(Severity::Critical),
            "{table}"
        );
        assert!(change.case.customer.is_some() && change.case.requester.is_some(), "{table}");
        assert!(change.case.link.is_some_and(|link| link.contains(table)));
    }
}

#[tokio::test]
async fn every_case_stands_where_its_history_ends() {
    let world = World::new(&SERVICENOW, &Setting { cases: 150, ..Setting::new(false) }).await;
    world.pass(120).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    let history = world.history();
    let mut seen = std::collections::BTreeSet::new();
    for row in history["records"].as_array().into_iter().flatten() {
        let expected = match (text(row, "state"), text(row, "hold_reason")) {
            ("1", _) => Status::New,
            ("2", _) => Status::Open,
            ("3", "1") => Status::Pending,
            ("3", _) => Status::OnHold,
            ("6", _) => Status::Resolved,
            ("7" | "8", _) => Status::Closed,
            other => panic!("{other:?}"),
        };
        seen.insert(expected);
        let change = &reader.cases[text(row, "sys_id")];
        assert_eq!(change.case.status, expected);
        let told = change.events.iter().filter_map(|event| match &event.kind {
            EventKind::StatusChanged { from, to } => Some((*from, *to)),
            _ => None,
        });
        let told: Vec<(Status, Status)> = told.collect();
        assert!(told.windows(2).all(|pair| pair[0].1 == pair[1].0), "a gap in {told:?}");
        assert!(told.last().is_none_or(|(_, to)| *to == expected), "{told:?} does not end at {expected:?}");
        let teams =
            change.events.iter().filter(|event| matches!(event.kind, EventKind::TeamChanged { .. })).count();
        assert_eq!(teams.to_string(), text(row, "reassignment_count"), "moves between teams");
    }
    assert!(seen.len() >= 4, "the world shows {seen:?} only");
}

#[tokio::test]
async fn basic_sign_in_works_as_well() {
    let subject = configured(|endpoints, page_size| {
        let more = json!({ "sign_in": { "basic": { "password": "password" } }, "webhook_secrets": [] });
        (overlaid(endpoints, page_size, &more), secrets(&[("password", &endpoints["password"])]))
    });
    let world = World::new(subject, &Setting::new(false)).await;
    world.pass(120).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    assert_eq!(reader.titles(), (subject.titles)(&world.history()));
}

#[tokio::test]
async fn what_left_the_scope_or_vanished_without_trace_is_hidden() {
    let subject = configured(|endpoints, page_size| {
        let (_, secrets) = (SERVICENOW.source)(endpoints, page_size);
        (overlaid(endpoints, page_size, &json!({ "scope": "short_descriptionSTARTSWITHkept" })), secrets)
    });
    let world = World::new(subject, &Setting::new(false)).await;
    let (kept, outside, vanished) =
        (world.create("kept one").await, world.create("other").await, world.create("kept two").await);
    world.act(&vanished, "vanish", &json!({})).await;
    world.pass(120).await;
    let fetched = world.fetch(&[kept.clone(), outside, vanished]).await;
    assert!(
        matches!(&fetched[..], [Fetched::Case(_), Fetched::Hidden(_), Fetched::Hidden(_)]),
        "{fetched:?}"
    );
    let mut reader = Reader::default();
    reader.sync(&world).await;
    assert_eq!(reader.titles().into_keys().collect::<Vec<_>>(), [kept.id]);
}

#[tokio::test]
async fn a_business_rule_that_aborts_the_write_is_a_refusal_with_its_name() {
    let world = world(&[("aborting_rule", json!("Freeze window"))]).await;
    let case = world.create("frozen").await;
    let applied = world.connector.apply(&world.cx(), &[critical(&case)]).await.expect("verdicts");
    let refused = applied[0].result.as_ref().expect_err("an aborted write");
    assert!(
        matches!(refused, ConnectorError::Refused { status: 403, reason } if reason.contains("Freeze window")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_severity_with_a_choice_list_is_not_emptied_and_the_verdict_says_why() {
    let world = world(&[("choice_column", json!("u_dutyd_severity"))]).await;
    let case = world.create("marked").await;
    world.deliver(&[critical(&case)]).await;
    let clear = Action { want: Want::Mark(None), ..critical(&case) };
    let applied = world.connector.apply(&world.cx(), std::slice::from_ref(&clear)).await.expect("verdicts");
    let refused = applied[0].result.as_ref().expect_err("the severity stays");
    assert!(
        matches!(refused, ConnectorError::Refused { reason, .. }
            if reason.contains("u_dutyd_severity was not emptied") && reason.contains("choice list")),
        "{refused:?}"
    );
    assert_eq!(world.connector.holds(&world.cx(), &clear).await.expect("an answer"), None);
    let history = world.history();
    let record =
        history["records"].as_array().into_iter().flatten().find(|row| text(row, "sys_id") == case.id);
    assert_eq!(record.map(|row| text(row, "u_dutyd_severity")), Some("critical"));
}

#[tokio::test]
async fn a_mark_taken_off_by_a_person_is_seen_as_theirs_whatever_the_account() {
    let world = world(&[]).await;
    let account = world.connector.profile().account.clone().expect("the account is configured");
    for by in [None, Some(account.as_str())] {
        let case = world.create("watched").await;
        world.deliver(&[critical(&case)]).await;
        let mut order = json!({ "fields": { "u_dutyd_severity": "" } });
        by.inspect(|by| order["by"] = json!(by));
        world.act(&case, "change", &order).await;
        let change = world.read(&case).await;
        assert!(change.marks.severity_cleared, "{by:?}");
        let actors: Vec<Actor> = change
            .events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::MarkChanged { .. }))
            .map(|event| event.actor)
            .collect();
        assert_eq!(actors, [Actor::Dutyd, Actor::Agent], "{by:?}");
    }
}

#[tokio::test]
async fn a_persons_edit_under_our_account_in_the_same_second_is_not_swallowed() {
    let world = world(&[]).await;
    let account = world.connector.profile().account.clone().expect("the account is configured");
    let case = world.create("watched").await;
    world.deliver(&[critical(&case)]).await;
    let edit = json!({ "fields": { "status": "open", "state": "2" }, "by": account });
    world.act(&case, "change", &edit).await;
    let reply = json!({ "from": "agent", "public": true, "text": "we are on it", "by": account });
    world.act(&case, "reply", &reply).await;
    let change = world.read(&case).await;
    let by_people: Vec<&EventKind> =
        change.events.iter().filter(|event| event.actor == Actor::Agent).map(|event| &event.kind).collect();
    let status = EventKind::StatusChanged { from: Status::New, to: Status::Open };
    assert!(by_people.contains(&&status), "{by_people:?}");
    assert!(by_people.contains(&&EventKind::Replied { public: true, signals: Vec::new() }), "{by_people:?}");
}

#[tokio::test]
async fn an_answer_cut_off_for_time_is_asked_for_again_with_half_the_page() {
    let world = world(&[]).await;
    let mut reader = Reader::default();
    world.connector.fetch(&world.cx(), &[]).await.expect("nothing to fetch");
    world.order_fault(json!({ "kind": "truncated" }), json!({ "path_contains": "limit=10&" }), "after").await;
    let subject = configured(|endpoints, page_size| (SERVICENOW.source)(endpoints, page_size * 4));
    let wide = World::new(subject, &Setting::new(false)).await;
    wide.order_fault(json!({ "kind": "truncated" }), json!({ "path_contains": "sys_mod_count" }), "after")
        .await;
    wide.pass(120).await;
    reader.sync(&wide).await;
    assert_eq!(reader.titles(), (SERVICENOW.titles)(&wide.history()));
    let journal = wide.sandbox.inner.journal.since(0, None);
    let limits: Vec<&str> = journal
        .iter()
        .filter(|entry| entry.path.contains("/incident?") && !entry.path.contains("sys_idIN"))
        .filter_map(|entry| entry.path.split("sysparm_limit=").nth(1)?.split('&').next())
        .collect();
    assert_eq!(limits[..2], ["40", "20"]);
    // At the smallest page there is nothing to halve: the engine backs off, the cursor stands.
    let error = world.connector.pull(&world.cx(), None).await.expect_err("a cut-off page");
    assert!(matches!(error, ConnectorError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_sleeping_instance_is_said_to_sleep() {
    let world = world(&[]).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    world.order_fault(json!({ "kind": "hibernating" }), json!({}), "before").await;
    let error = world.connector.pull(&world.cx(), reader.cursor.as_ref()).await.expect_err("asleep");
    assert!(
        matches!(&error, ConnectorError::Unavailable { reason } if reason.contains("hibernating")),
        "{error:?}"
    );
}

async fn findings(switches: &[(&'static str, Value)]) -> Vec<Finding> {
    let world = world(switches).await;
    world.connector.check(&world.cx()).await.expect("the check ends").findings
}

#[tokio::test]
async fn the_check_finds_what_is_wrong_and_says_what_to_do() {
    for (switches, blocking, said) in [
        (vec![("rights", json!("too_few"))], true, "sys_audit"),
        (vec![("rights", json!("too_few"))], true, "sys_journal_field"),
        (vec![("rights", json!("too_many"))], false, "admin"),
        (vec![("custom_columns", json!(false))], true, "u_dutyd_severity"),
        (
            vec![("choice_column", json!("u_dutyd_severity"))],
            true,
            "u_dutyd_severity of incident has a choice list",
        ),
        (vec![("user_time_zone", json!("Asia/Tokyo"))], false, "Asia/Tokyo"),
        (
            vec![("user_time_zone", json!("Asia/Tokyo")), ("query_literals_in_user_zone", json!(true))],
            true,
            "another zone",
        ),
        (vec![("acl_hidden_fraction", json!(1.0))], false, "no record of incident"),
    ] {
        let found = findings(&switches).await;
        let named: Vec<_> = found.iter().filter(|one| one.message.contains(said)).collect();
        assert!(
            named.iter().any(|one| one.blocking == blocking && !one.remedy.is_empty()),
            "{switches:?} {said}: {found:?}"
        );
    }
    let at_rest = findings(&[]).await;
    assert!(at_rest.iter().all(|one| !one.blocking), "{at_rest:?}");
}

#[tokio::test]
async fn a_scope_on_an_unknown_column_is_found_by_the_check() {
    let subject = configured(|endpoints, page_size| {
        let (_, secrets) = (SERVICENOW.source)(endpoints, page_size);
        (overlaid(endpoints, page_size, &json!({ "scope": "u_bunk=7", "tables": ["incident"] })), secrets)
    });
    let world = World::new(subject, &Setting::new(false)).await;
    let identity = world.connector.check(&world.cx()).await.expect("the check ends");
    assert!(
        identity.findings.iter().any(|one| one.blocking && one.message.contains("u_bunk")),
        "{identity:?}"
    );
}

#[tokio::test]
async fn a_hundred_cases_with_their_history_cost_three_requests() {
    let subject = configured(|endpoints, _| {
        let (_, secrets) = (SERVICENOW.source)(endpoints, 1_000);
        (overlaid(endpoints, 1_000, &json!({ "tables": ["incident"] })), secrets)
    });
    let world = World::new(subject, &Setting { cases: 100, ..Setting::new(false) }).await;
    let keys: Vec<CaseKey> =
        (subject.titles)(&world.history()).into_keys().map(|id| CaseKey::new(SOURCE, id)).collect();
    assert_eq!(keys.len(), world.connector.profile().fetch_max);
    world.connector.pull(&world.cx(), None).await.expect("a page");
    let sent = || world.sandbox.inner.journal.since(0, None).len();
    let before = sent();
    let fetched = world.fetch(&keys).await;
    assert!(fetched.iter().all(|answer| matches!(answer, Fetched::Case(_))));
    assert_eq!(sent() - before, 3);
}

/// What the webhook of this key names.
fn bell(world: &World, key: String) -> Vec<dutyd_connectors::Hint> {
    let ring = dutyd_sandbox::hooks::Ring { vendor: "servicenow", key, note: Value::Null, attempt: 0 };
    let vendor = world.sandbox.inner.vendor("servicenow").expect("the vendor is there");
    let rendered = vendor.render(&ring, world.now()).expect("something to say");
    let headers = rendered.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let delivery = dutyd_connectors::Delivery { headers: headers.collect(), body: rendered.body.into() };
    world.connector.hints(&delivery, world.now()).expect("a genuine delivery")
}

#[tokio::test]
async fn the_bell_of_a_deletion_names_the_case_too() {
    let world = world(&[]).await;
    let case = world.create("to be deleted").await;
    world.act(&case, "delete", &json!({})).await;
    let mut reader = Reader::default();
    reader.follow(&world, &bell(&world, format!("delete:{}", case.id))).await;
    assert_eq!(reader.gone, [case]);
}

#[tokio::test]
async fn a_record_of_a_class_that_extends_ours_is_read_with_its_history_marked_and_missed() {
    let world = world(&[]).await;
    let order = json!({ "vendor": "servicenow", "title": "no phone works", "table": "u_outage" });
    let made = world.control("POST", "/_sandbox/cases", &order).await;
    let case = CaseKey::new(SOURCE, made["id"].as_str().expect("an id"));
    world.act(&case, "change", &json!({ "fields": { "status": "open" } })).await;
    world.act(&case, "reply", &json!({ "from": "agent", "public": true, "text": "we are on it" })).await;
    world.deliver(&[critical(&case)]).await;

    let mut reader = Reader::default();
    reader.follow(&world, &bell(&world, case.id.clone())).await;
    let change = &reader.cases[&case.id];
    let kinds: Vec<&EventKind> = change.events.iter().map(|event| &event.kind).collect();
    let opened = EventKind::StatusChanged { from: Status::New, to: Status::Open };
    assert!(kinds.contains(&&opened), "{kinds:?}");
    assert!(kinds.iter().any(|kind| matches!(kind, EventKind::Replied { public: true, .. })), "{kinds:?}");
    assert!(kinds.iter().any(|kind| matches!(kind, EventKind::MarkChanged { .. })), "{kinds:?}");
    assert_eq!(change.marks.marker.as_ref().and_then(|marker| marker.severity), Some(Severity::Critical));

    world.act(&case, "delete", &json!({})).await;
    assert!(matches!(&world.fetch(std::slice::from_ref(&case)).await[..], [Fetched::Gone(_)]));
}
