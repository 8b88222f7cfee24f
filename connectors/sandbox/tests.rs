//! The stage as its users see it: determinism, lockstep, faults, webhooks, the log, the fidelity page.
//! Everything is called in-process or over loopback, on stepped time.

use crate::faults::{Fault, Faults, Match, Order, Seen, When};
use crate::hooks::Knobs;
use crate::route::{json, router};
use crate::{Options, Sandbox};
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

const START: &str = "2026-03-02T08:00:00Z";

pub fn stepped(cases: u64) -> Options {
    Options {
        calm: true,
        cases,
        vendors: vec!["servicenow".to_owned()],
        stepped_from: START.parse().ok(),
        ..Options::default()
    }
}

async fn body(response: Response) -> Value {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

/// One order to the control port.
pub async fn control(sandbox: &Sandbox, method: &str, path: &str, order: Value) -> Value {
    let order = if order.is_null() { Body::empty() } else { Body::from(order.to_string()) };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(order)
        .unwrap();
    body(sandbox.control_router().oneshot(request).await.unwrap()).await
}

/// One call as the integration user: status and JSON.
pub async fn call(sandbox: &Sandbox, method: &str, path: &str, sent: Value) -> (u16, Value) {
    let endpoints = sandbox.inner.endpoints();
    let user = &endpoints["servicenow"];
    let pair = format!("{}:{}", user["username"].as_str().unwrap(), user["password"].as_str().unwrap());
    let request = Request::builder()
        .method(method)
        .uri(path.replace(' ', "%20").replace('^', "%5E").replace('>', "%3E").replace('<', "%3C"))
        .header("host", "vendor.test:1234")
        .header("authorization", format!("Basic {}", BASE64_STANDARD.encode(pair)))
        .header("content-type", "application/json")
        .body(if sent.is_null() { Body::empty() } else { Body::from(sent.to_string()) })
        .unwrap();
    let response = sandbox.router("servicenow").unwrap().oneshot(request).await.unwrap();
    (response.status().as_u16(), body(response).await)
}

#[tokio::test]
async fn every_route_stands_in_the_fidelity_page() {
    let page = include_str!("FIDELITY.md");
    let options = Options { cases: 0, vendors: Vec::new(), ..stepped(0) };
    let sandbox = Sandbox::build(&options).await.unwrap();
    let vendors = sandbox.inner.stepper.vendors.iter().flat_map(|vendor| vendor.routes());
    let all = vendors.chain(crate::control::ROUTES.iter().map(|route| (*route).to_owned()));
    let missing: Vec<String> = all.filter(|route| !page.contains(&format!("`{route}`"))).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_world_and_another_seed_another() {
    let history = |seed| async move {
        Sandbox::build(&Options { seed, ..stepped(30) }).await.unwrap().history("servicenow").unwrap()
    };
    let (first, again, other) = (history(7).await, history(7).await, history(8).await);
    assert!(first == again);
    assert!(first != other);
}

#[tokio::test]
async fn the_past_has_exactly_the_ordered_number_of_cases() {
    for cases in [1, 37, 200] {
        let sandbox = Sandbox::build(&stepped(cases)).await.unwrap();
        let history: Value = serde_json::from_slice(&sandbox.history("servicenow").unwrap()).unwrap();
        assert_eq!(history["records"].as_array().unwrap().len() as u64, cases);
    }
}

#[test]
fn a_fault_depends_on_the_request_and_its_repetition_only() {
    let struck = |paths: &[String]| {
        let faults = Faults::new(5, true);
        let decide = |path: &String| {
            let seen = Seen { vendor: "v", method: "PATCH", path, body: b"{}" };
            (path.clone(), faults.decide(&seen).map(|(when, fault)| format!("{when:?} {fault:?}")))
        };
        let mut all: Vec<_> = paths.iter().map(decide).collect();
        all.sort();
        all
    };
    let forward: Vec<String> = (0..2_000).map(|n| format!("/row/{n}")).collect();
    let backward: Vec<String> = forward.iter().rev().cloned().collect();
    let all = struck(&forward);
    assert_eq!(all, struck(&backward));
    let count = all.iter().filter(|(_, fault)| fault.is_some()).count();
    assert!((60..240).contains(&count), "{count} of 2000 requests suffered");
}

#[test]
fn a_fault_does_not_strike_the_same_request_twice_in_a_row() {
    let faults = Faults::new(5, true);
    for path in (0..200).map(|n| format!("/row/{n}")) {
        let mut struck_before = false;
        for _ in 0..50 {
            let seen = Seen { vendor: "v", method: "GET", path: &path, body: b"" };
            let struck = faults.decide(&seen).is_some();
            assert!(!(struck && struck_before), "{path}");
            struck_before = struck;
        }
    }
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_change_was_made() {
    let sandbox = Sandbox::build(&stepped(1)).await.unwrap();
    let (_, list) = call(&sandbox, "GET", "/api/now/table/incident?sysparm_fields=sys_id", Value::Null).await;
    let path = format!("/api/now/table/incident/{}", list["result"][0]["sys_id"].as_str().unwrap());
    let order = json!({ "vendor": "servicenow", "match": { "method": "PATCH" }, "when": "after", "fault": { "kind": "reset" } });
    control(&sandbox, "POST", "/_sandbox/faults", order).await;
    let change = json!({ "u_dutyd_severity": "watch" });
    assert_eq!(call(&sandbox, "PATCH", &path, change.clone()).await.0, 599);
    let (status, read) = call(&sandbox, "GET", &path, Value::Null).await;
    assert_eq!((status, read["result"]["u_dutyd_severity"].as_str()), (200, Some("watch")));
    assert_eq!(call(&sandbox, "PATCH", &path, change).await.0, 200);
    let journal = control(&sandbox, "GET", "/_sandbox/journal?since=1", Value::Null).await;
    let statuses: Vec<_> = journal.as_array().unwrap().iter().map(|entry| entry["status"].clone()).collect();
    assert_eq!(statuses, [599, 200, 200]);
    assert_eq!(journal[0]["user"], "dutyd.integration");
}

#[tokio::test]
async fn a_process_can_be_killed_at_a_chosen_request_after_it_was_served() {
    use std::os::unix::process::ExitStatusExt;
    let sandbox = Sandbox::build(&stepped(0)).await.unwrap();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let fault = json!({ "kind": "kill_pid", "pid": child.id() });
    let order = json!({ "match": { "method": "POST", "path_contains": "incident" }, "when": "after", "skip": 1, "fault": fault });
    control(&sandbox, "POST", "/_sandbox/faults", order).await;
    let create = async || call(&sandbox, "POST", "/api/now/table/incident", json!({})).await.0;
    assert_eq!(create().await, 201);
    assert!(child.try_wait().unwrap().is_none());
    assert_eq!(create().await, 599);
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let (_, list) = call(&sandbox, "GET", "/api/now/stats/incident?sysparm_count=true", Value::Null).await;
    assert_eq!(list["result"]["stats"]["count"], "2");
}

#[test]
fn an_order_skips_and_repeats_as_told() {
    let faults = Faults::new(1, false);
    let matching = Match { path_contains: Some("/x".to_owned()), ..Match::default() };
    faults.order(Order {
        vendor: None,
        matching,
        when: When::Before,
        fault: Fault::Unavailable,
        skip: 2,
        times: 2,
    });
    let hit = |path: &str| faults.decide(&Seen { vendor: "v", method: "GET", path, body: b"" }).is_some();
    let seen: Vec<bool> = ["/x", "/y", "/x", "/x", "/y", "/x", "/x"].into_iter().map(hit).collect();
    assert_eq!(seen, [false, false, false, true, false, true, false]);
}

#[tokio::test]
async fn waiting_jumps_to_the_next_happening_and_never_past_the_limit() {
    let sandbox = Sandbox::build(&Options { live: true, ..stepped(50) }).await.unwrap();
    let begin: Timestamp = START.parse().unwrap();
    let mut now = begin;
    for _ in 0..50 {
        let step = sandbox.inner.stepper.wait(None).await;
        assert!(step.now >= now && step.happened > 0 && !step.ended);
        now = step.now;
    }
    let until = now + jiff::SignedDuration::from_millis(1);
    let step = sandbox.inner.stepper.wait(Some(until)).await;
    assert!(step.now <= until);
    sandbox.inner.freeze().await;
    let later = now + jiff::SignedDuration::from_hours(100);
    let step = sandbox.inner.stepper.wait(Some(later)).await;
    assert_eq!((step.now, step.ended, step.happened), (later, true, 0));
}

struct Receiver(Mutex<Vec<(String, String, Vec<u8>)>>);

fn receive(receiver: &Receiver, call: &crate::route::Call) -> Response {
    let header = |name: &str| call.header(name).unwrap_or("").to_owned();
    let received = (header("x-dutyd-timestamp"), header("x-dutyd-signature"), call.body.to_vec());
    receiver.0.lock().unwrap().push(received);
    assert_eq!(call.path, "/base/hooks/servicenow");
    json(202, &json!({}))
}

/// A sandbox whose webhooks reach a receiver on loopback.
async fn with_receiver(knobs: Knobs) -> (Sandbox, Arc<Receiver>, tokio::sync::watch::Sender<bool>) {
    let sandbox = Sandbox::build(&stepped(3)).await.unwrap();
    let receiver = Arc::new(Receiver(Mutex::new(Vec::new())));
    let routes = router(&receiver, &sandbox.inner.stage.clock, &[], receive);
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let bound = crate::serve::listen(([127, 0, 0, 1], 0).into(), routes, stopping).await.unwrap();
    sandbox.inner.stage.hooks.set_knobs(Knobs { to: Some(format!("http://{bound}/base/")), ..knobs });
    (sandbox, receiver, stop)
}

#[tokio::test]
async fn a_write_of_ours_rings_signed_and_collapsed() {
    let (sandbox, receiver, _stop) = with_receiver(Knobs::default()).await;
    let (_, list) = call(&sandbox, "GET", "/api/now/table/incident?sysparm_fields=sys_id", Value::Null).await;
    let id = list["result"][0]["sys_id"].as_str().unwrap();
    let path = format!("/api/now/table/incident/{id}");
    for why in ["one", "two"] {
        call(&sandbox, "PATCH", &path, json!({ "u_dutyd_why": why })).await;
    }
    let due = sandbox.inner.stepper.wait(None).await;
    assert_eq!((due.delivered, due.ended), (0, false), "time first, then the bell at that time");
    let step = sandbox.inner.stepper.wait(None).await;
    assert_eq!((step.delivered, step.ended, step.now), (1, true, due.now));
    let received = receiver.0.lock().unwrap().clone();
    let [(stamp, signature, body)] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(*stamp, step.now.as_second().to_string());
    let endpoints = sandbox.inner.endpoints();
    let secret = endpoints["servicenow"]["webhook_secret"].as_str().unwrap().to_owned();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&[stamp.as_bytes(), b".", body].concat());
    assert_eq!(*signature, format!("sha256={}", BASE64_STANDARD.encode(mac.finalize().into_bytes())));
    let told: Value = serde_json::from_slice(body).unwrap();
    assert_eq!((told["sys_id"].as_str(), told["op"].as_str()), (Some(id), Some("upsert")));
}

#[tokio::test]
async fn a_fraction_of_webhooks_is_dropped_and_another_comes_twice() {
    let (sandbox, receiver, _stop) =
        with_receiver(Knobs { drop: 0.2, duplicate: 0.1, ..Knobs::default() }).await;
    let at = sandbox.inner.stage.clock.now();
    for n in 0..1_000 {
        sandbox.inner.stage.hooks.queue(at, "servicenow", &format!("delete:{n}"), Value::Null, false);
    }
    let delivered = sandbox.inner.stepper.wait(None).await.delivered;
    assert_eq!(receiver.0.lock().unwrap().len(), delivered);
    let counts = sandbox.inner.stage.hooks.counts().remove("servicenow").unwrap();
    assert!((150..250).contains(&counts.dropped), "{counts:?}");
    assert_eq!(delivered as u64, 1_000 - counts.dropped + counts.duplicated);
}

const LOG: &str = "number,incident_state,active,reassignment_count,reopen_count,sys_mod_count,made_sla,caller_id,opened_by,opened_at,sys_created_by,sys_created_at,sys_updated_by,sys_updated_at,contact_type,location,category,subcategory,u_symptom,cmdb_ci,impact,urgency,priority,assignment_group,assigned_to,knowledge,u_priority_confirmation,notify,problem_id,rfc,vendor,caused_by,closed_code,resolved_by,resolved_at,closed_at
INC2,New,true,0,0,0,true,Caller 1,Opened by  8,29/2/2016 01:16,Created by 6,29/2/2016 01:23,Updated by 21,29/2/2016 01:23,Phone,Location 143,Category 55,?,?,?,2 - Medium,2 - Medium,3 - Moderate,Group 56,?,true,false,Do Not Notify,?,?,?,?,code 5,Resolved by 149,29/2/2016 11:29,5/3/2016 12:00
INC2,Closed,false,0,0,4,false,Caller 1,Opened by  8,29/2/2016 01:16,Created by 6,29/2/2016 01:23,Updated by 9,5/3/2016 12:00,Phone,Location 143,Category 55,?,?,?,2 - Medium,2 - Medium,3 - Moderate,Group 56,Resolver 3,true,false,Do Not Notify,?,?,?,?,code 5,Resolved by 149,29/2/2016 11:29,5/3/2016 12:00
INC2,Awaiting User Info,true,0,0,2,true,Caller 1,Opened by  8,29/2/2016 01:16,Created by 6,29/2/2016 01:23,Updated by 9,29/2/2016 08:53,Phone,Location 143,Category 55,?,?,?,2 - Medium,2 - Medium,3 - Moderate,Group 56,?,true,false,Do Not Notify,?,?,?,?,code 5,Resolved by 149,29/2/2016 11:29,5/3/2016 12:00
INC1,-100,true,0,0,0,true,?,?,29/2/2016 01:16,?,29/2/2016 01:23,Updated by 21,29/2/2016 01:23,Phone,?,?,?,?,?,2 - Medium,2 - Medium,3 - Moderate,?,?,true,false,Do Not Notify,?,?,?,?,?,?,?,?
";

#[tokio::test]
async fn a_log_is_replayed_without_showing_the_end_before_it_comes() {
    let directory = std::env::temp_dir().join(format!("sandbox-log-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("log.csv");
    std::fs::write(&path, LOG).unwrap();
    let sandbox = Sandbox::build(&Options { log: Some(path), ..stepped(0) }).await.unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let step = sandbox.inner.stepper.wait(None).await;
        let fields = "state,hold_reason,sys_mod_count,close_code,resolved_at,sys_updated_on,sys_updated_by,priority,made_sla";
        let path = format!("/api/now/table/incident?sysparm_fields={fields}&sysparm_query=number=INC2");
        let (_, list) = call(&sandbox, "GET", &path, Value::Null).await;
        let row = &list["result"][0];
        let values: Vec<_> =
            fields.split(',').map(|field| row[field].as_str().unwrap_or("-").to_owned()).collect();
        seen.push((values.join("|"), step.ended));
    }
    let expected = [
        ("-|-|-|-|-|-|-|-|-", false),
        ("1||0|||2016-02-29 01:23:30|updated.by.21|3|true", false),
        ("3|1|2|||2016-02-29 08:53:00|updated.by.9|3|true", false),
        ("7||4|code 5|2016-02-29 11:29:00|2016-03-05 12:00:00|updated.by.9|3|false", true),
    ];
    assert_eq!(seen, expected.map(|(row, ended)| (row.to_owned(), ended)));
    let query = "/api/now/table/sys_audit?sysparm_fields=newvalue&sysparm_query=fieldname=state^ORDERBYsys_created_on";
    let (_, audit) = call(&sandbox, "GET", query, Value::Null).await;
    assert_eq!(audit["result"], json!([{ "newvalue": "3" }, { "newvalue": "7" }]));
    let (_, odd) =
        call(&sandbox, "GET", "/api/now/table/incident?number=INC1&sysparm_fields=state", Value::Null).await;
    assert_eq!(odd["result"][0]["state"], "-100");
}

#[test]
fn a_log_tells_how_each_incident_ended() {
    let log = dutyd_incident_log::parse(LOG.as_bytes()).unwrap();
    let ends: Vec<_> =
        log.ends.iter().map(|end| (end.number.as_str(), end.made_sla, end.resolved_at)).collect();
    assert_eq!(ends, [("INC1", true, None), ("INC2", false, "2016-03-05T12:00:00Z".parse().ok())]);
    assert!(dutyd_incident_log::parse(&b"number,sys_updated_at\nINC1,yesterday\n"[..]).is_err());
}

#[tokio::test]
async fn a_world_can_be_loaded_from_the_history_of_another() {
    let one = Sandbox::build(&stepped(20)).await.unwrap();
    let history: Value = serde_json::from_slice(&one.history("servicenow").unwrap()).unwrap();
    let two = Sandbox::build(&Options { seed: 9, ..stepped(5) }).await.unwrap();
    let order = json!({ "vendor": "servicenow", "parts": { "records": history["records"], "sys_audit": history["sys_audit"] } });
    control(&two, "POST", "/_sandbox/load", order).await;
    let loaded: Value = serde_json::from_slice(&two.history("servicenow").unwrap()).unwrap();
    assert_eq!(loaded["records"], history["records"]);
    assert_eq!(loaded["sys_audit"], history["sys_audit"]);
}
