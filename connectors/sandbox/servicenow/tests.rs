//! ServiceNow as a client sees it, called in-process on stepped time: queries, writes, errors, paging,
//! sign-in, batch, aggregates, rights.

mod files;
mod writes;

use crate::tests::{call, control, stepped};
use crate::{Options, Sandbox};
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tower::ServiceExt;

async fn world(cases: u64) -> Sandbox {
    Sandbox::build(&stepped(cases)).await.unwrap()
}

/// Five incidents whose titles are their names.
async fn five() -> Sandbox {
    let sandbox = world(0).await;
    for (title, impact, urgency, category) in [
        ("a", 1, 1, "net"),
        ("b", 2, 2, "net"),
        ("c", 3, 3, "mail"),
        ("d", 1, 2, ""),
        ("e^f", 2, 3, "mail box"),
    ] {
        let fields =
            json!({ "short_description": title, "impact": impact, "urgency": urgency, "category": category });
        assert_eq!(call(&sandbox, "POST", "/api/now/table/incident", fields).await.0, 201);
        sandbox.inner.stepper.wait("2026-03-02T08:00:00Z".parse().ok()).await;
        let next = sandbox.inner.stage.clock.now() + jiff::SignedDuration::from_secs(60);
        sandbox.inner.stepper.wait(Some(next)).await;
    }
    sandbox
}

fn titles(answer: &Value) -> Vec<String> {
    let rows = answer["result"].as_array().unwrap_or_else(|| panic!("no rows in {answer}"));
    rows.iter().map(|row| row["short_description"].as_str().unwrap().to_owned()).collect()
}

/// The titles found by a query, in order when it asks for one.
async fn found(sandbox: &Sandbox, query: &str) -> String {
    let mut address = url::form_urlencoded::Serializer::new("/api/now/table/incident?".to_owned());
    address.append_pair("sysparm_fields", "short_description").append_pair("sysparm_query", query);
    let (status, answer) = call(sandbox, "GET", &address.finish().replacen("?&", "?", 1), Value::Null).await;
    assert_eq!(status, 200, "{query}");
    let mut all = titles(&answer);
    if !query.contains("ORDERBY") {
        all.sort();
    }
    all.join(" ")
}

#[tokio::test]
async fn encoded_queries_find_what_their_grammar_says() {
    let sandbox = five().await;
    for (query, expected) in [
        ("", "a b c d e^f"),
        ("priority=1", "a"),
        ("priority!=1", "b c d e^f"),
        ("priority<3", "a d"),
        ("priority>=3^priority<=4", "b e^f"),
        ("priorityBETWEEN2@3", "b d"),
        ("priorityIN1,5", "a c"),
        ("priorityNOT IN1,5", "b d e^f"),
        ("category=net^priority=1^ORpriority=5", "a"),
        ("category=net^NQpriority=5", "a b c"),
        ("impact=1^ORimpact=3^urgency=2", "d"),
        ("categoryLIKEmail", "c e^f"),
        ("categoryNOT LIKEmail", "a b d"),
        ("category*box", "e^f"),
        ("categorySTARTSWITHma", "c e^f"),
        ("categoryENDSWITHil", "c"),
        ("categoryISEMPTY", "d"),
        ("category=", "d"),
        ("categoryISNOTEMPTY", "a b c e^f"),
        ("categoryANYTHING^priority=2", "d"),
        ("impactSAMEASurgency", "a b c"),
        ("impactLT_FIELDurgency", "d e^f"),
        ("short_description=e^^f", "e^f"),
        ("short_description=e^f", ""),
        ("priority=1^nonsense=4", "a"),
        ("nonsense=4", "a b c d e^f"),
        ("stateDATEPARTx", "a b c d e^f"),
        ("opened_by.user_name=dutyd.integration^priority=1", "a"),
        ("opened_by=javascript:gs.getUserID()^priority=5", "c"),
        ("opened_by.nobody=1^priority=5", "c"),
        ("sys_created_on<=javascript:gs.minutesAgo(4)", "a b"),
        ("sys_created_onRELATIVEGE@minute@ago@1", "e^f"),
        ("sys_created_on>=javascript:gs.dateGenerate('2026-03-02','08:03:00')", "d e^f"),
        ("sys_created_onONToday@javascript:gs.beginningOfToday()@javascript:gs.endOfToday()", "a b c d e^f"),
        ("sys_created_on<javascript:gs.beginningOfToday()", ""),
        ("ORDERBYpriority", "a d b e^f c"),
        ("ORDERBYDESCimpact^ORDERBYurgency", "c b e^f a d"),
        ("priority<5^ORDERBYDESCshort_description^EQ", "e^f d b a"),
        ("numberSTARTSWITHINC^GROUPBYstate^priority=1", "a"),
    ] {
        assert_eq!(found(&sandbox, query).await, expected, "{query:?}");
    }
}

#[tokio::test]
async fn an_invalid_part_can_be_made_to_return_no_rows() {
    let sandbox = five().await;
    let order = json!({ "vendor": "servicenow", "set": { "invalid_query_returns_no_rows": true } });
    control(&sandbox, "POST", "/_sandbox/switches", order).await;
    assert_eq!(found(&sandbox, "priority=1^nonsense=4").await, "");
    assert_eq!(found(&sandbox, "priority=1").await, "a");
}

#[tokio::test]
async fn keyset_pages_give_every_row_once() {
    let sandbox = world(150).await;
    let (mut stamp, mut id) = ("2000-01-01 00:00:00".to_owned(), String::new());
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let order = "ORDERBYsys_updated_on^ORDERBYsys_id";
        let query = format!("sys_updated_on>{stamp}^NQsys_updated_on={stamp}^sys_id>{id}^{order}");
        let path =
            format!("/api/now/table/incident?sysparm_no_count=true&sysparm_limit=7&sysparm_query={query}");
        let (_, answer) = call(&sandbox, "GET", &path, Value::Null).await;
        let rows = answer["result"].as_array().unwrap();
        let Some(last) = rows.last() else { break };
        for row in rows {
            assert!(seen.insert(row["sys_id"].as_str().unwrap().to_owned()), "twice: {row}");
        }
        (stamp, id) =
            (last["sys_updated_on"].as_str().unwrap().into(), last["sys_id"].as_str().unwrap().into());
    }
    assert_eq!(seen.len(), 150);
}

#[tokio::test]
async fn offset_pages_carry_a_total_and_links() {
    let sandbox = five().await;
    let path = "/api/now/table/incident?sysparm_limit=2&sysparm_offset=2&sysparm_query=ORDERBYnumber";
    let response = raw(&sandbox, "GET", path, None).await;
    assert_eq!(response.headers()["x-total-count"], "5");
    let link = response.headers()["link"].to_str().unwrap();
    for (rel, offset) in [("first", 0), ("prev", 0), ("next", 4), ("last", 4)] {
        assert!(link.contains(&format!("sysparm_offset={offset}>;rel=\"{rel}\"")), "{rel}: {link}");
    }
    assert!(link.starts_with("<http://vendor.test:1234/api/now/table/incident?"));
    let none = raw(&sandbox, "GET", &format!("{path}&sysparm_no_count=true"), None).await;
    assert!(!none.headers().contains_key("x-total-count") && !none.headers().contains_key("link"));
}

/// A call with this `Authorization`, or the integration user's.
async fn raw(sandbox: &Sandbox, method: &str, path: &str, authorization: Option<&str>) -> Response {
    let endpoints = sandbox.inner.endpoints();
    let user = &endpoints["servicenow"];
    let pair = format!("{}:{}", user["username"].as_str().unwrap(), user["password"].as_str().unwrap());
    let own = format!("Basic {}", BASE64_STANDARD.encode(pair));
    let request = Request::builder().method(method).uri(path).header("host", "vendor.test:1234");
    let request = request.header("authorization", authorization.unwrap_or(&own)).body(Body::empty()).unwrap();
    sandbox.router("servicenow").unwrap().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn references_are_shown_in_all_modes() {
    let sandbox = world(1).await;
    let read = async |parameters: &str| {
        let path = format!("/api/now/table/incident?sysparm_fields=caller_id,state&{parameters}");
        let (_, answer) = call(&sandbox, "GET", &path, Value::Null).await;
        answer["result"][0].clone()
    };
    let bare = read("sysparm_exclude_reference_link=true").await;
    let id = bare["caller_id"].as_str().unwrap().to_owned();
    let name =
        read("sysparm_display_value=True&sysparm_exclude_reference_link=True").await["caller_id"].clone();
    let link = format!("http://vendor.test:1234/api/now/table/sys_user/{id}");
    assert_eq!(read("").await["caller_id"], json!({ "link": link, "value": id }));
    assert_eq!(
        read("sysparm_display_value=true").await["caller_id"],
        json!({ "display_value": name, "link": link })
    );
    let all = read("sysparm_display_value=all").await;
    assert_eq!(all["caller_id"], json!({ "display_value": name, "link": link, "value": id }));
    assert_eq!(all["state"]["value"], bare["state"]);
}

#[tokio::test]
async fn errors_come_in_the_vendors_envelope() {
    let sandbox = world(0).await;
    let none = "/api/now/table/incident/00000000000000000000000000000000";
    for (method, path, sent, status, message) in [
        ("GET", "/api/now/table/nosuch", Value::Null, 400, "Invalid table nosuch"),
        ("GET", "/api/now/nothing", Value::Null, 400, "Requested URI does not represent any resource"),
        ("GET", none, Value::Null, 404, "No Record found"),
        ("PATCH", none, json!({ "state": 2 }), 404, "No Record found"),
        ("DELETE", none, Value::Null, 404, "No Record found"),
        ("GET", "/api/now/v1/table/incident?state=9", Value::Null, 404, "No Record found"),
        ("POST", "/api/now/table/sys_user", json!({}), 403, "Operation Failed"),
        ("PATCH", "/api/now/table/incident", json!({}), 405, "Method not supported"),
    ] {
        let (got, answer) = call(&sandbox, method, path, sent).await;
        assert_eq!((got, answer["error"]["message"].as_str()), (status, Some(message)), "{method} {path}");
        assert_eq!(answer["status"], "failure");
    }
    let (status, answer) = call(&sandbox, "GET", "/api/now/v2/table/incident?state=9", Value::Null).await;
    assert_eq!((status, answer), (200, json!({ "result": [] })));
    let (_, made) = call(&sandbox, "POST", "/api/now/table/incident", json!({})).await;
    let path = format!("/api/now/table/incident/{}", made["result"]["sys_id"].as_str().unwrap());
    let (status, answer) = call(&sandbox, "PATCH", &path, json!({ "state": 6 })).await;
    assert_eq!(status, 403);
    let detail = answer["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("close_code") && detail.contains("close_notes"), "{detail}");
    let taken = json!({ "sys_id": made["result"]["sys_id"] });
    assert_eq!(call(&sandbox, "POST", "/api/now/table/incident", taken).await.0, 403);
    let refused = raw(&sandbox, "GET", "/api/now/table/incident", Some("Basic bm9ib2R5Om5vdGhpbmc=")).await;
    assert_eq!(refused.status(), 401);
}

async fn token(sandbox: &Sandbox, form: &str) -> (u16, Value) {
    let endpoints = sandbox.inner.endpoints();
    let user = &endpoints["servicenow"];
    let form =
        ["username", "password", "client_id", "client_secret"].iter().fold(form.to_owned(), |form, name| {
            form.replace(&format!("<{name}>"), user[*name].as_str().unwrap())
        });
    let request = Request::builder().method("POST").uri("/oauth_token.do");
    let request =
        request.header("content-type", "application/x-www-form-urlencoded").body(Body::from(form)).unwrap();
    let response = sandbox.router("servicenow").unwrap().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn tokens_are_the_same_while_they_live_and_end_on_the_sandboxs_clock() {
    let sandbox = world(0).await;
    let client = "client_id=<client_id>&client_secret=<client_secret>";
    let form = format!("grant_type=client_credentials&{client}");
    let (status, first) = token(&sandbox, &form).await;
    assert_eq!((status, first["expires_in"].as_i64()), (200, Some(1_799)));
    let bearer = format!("Bearer {}", first["access_token"].as_str().unwrap());
    assert_eq!(raw(&sandbox, "GET", "/api/now/table/incident", Some(&bearer)).await.status(), 200);
    control(&sandbox, "POST", "/_sandbox/clock/advance", json!({ "seconds": 600 })).await;
    let (_, again) = token(&sandbox, &form).await;
    assert_eq!((&again["access_token"], again["expires_in"].as_i64()), (&first["access_token"], Some(1_199)));
    control(&sandbox, "POST", "/_sandbox/clock/advance", json!({ "seconds": 1_200 })).await;
    assert_eq!(raw(&sandbox, "GET", "/api/now/table/incident", Some(&bearer)).await.status(), 401);
    let refresh = first["refresh_token"].as_str().unwrap();
    for (form, status) in [
        (format!("grant_type=refresh_token&refresh_token={refresh}&{client}"), 200),
        (format!("grant_type=password&username=<username>&password=<password>&{client}"), 200),
        (format!("grant_type=password&username=<username>&password=wrong&{client}"), 401),
        ("grant_type=client_credentials&client_id=<client_id>&client_secret=wrong".to_owned(), 401),
        (format!("grant_type=magic&{client}"), 401),
    ] {
        assert_eq!(token(&sandbox, &form).await.0, status, "{form}");
    }
}

#[tokio::test]
async fn a_batch_answers_item_by_item() {
    let sandbox = five().await;
    let headers = json!([{ "name": "Content-Type", "value": "application/json" }]);
    let body = BASE64_STANDARD.encode(json!({ "short_description": "batched" }).to_string());
    let items = json!([
        { "id": 1, "method": "GET", "url": "/api/now/table/incident?sysparm_limit=1&sysparm_fields=number", "headers": headers },
        { "id": "2", "method": "POST", "url": "/api/now/table/incident", "headers": headers, "body": body },
        { "id": "3", "method": "GET", "url": "/api/now/table/nosuch", "headers": headers },
    ]);
    let (status, answer) =
        call(&sandbox, "POST", "/api/now/v1/batch", json!({ "batch_request_id": 7, "rest_requests": items }))
            .await;
    assert_eq!((status, answer["batch_request_id"].as_str()), (200, Some("7")));
    let served = answer["serviced_requests"].as_array().unwrap();
    let statuses: Vec<_> = served
        .iter()
        .map(|item| (item["id"].as_str().unwrap(), item["status_code"].as_u64().unwrap()))
        .collect();
    assert_eq!(statuses, [("1", 200), ("2", 201), ("3", 400)]);
    let first = BASE64_STANDARD.decode(served[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&first).unwrap()["result"].as_array().unwrap().len(), 1);
    assert_eq!(found(&sandbox, "short_description=batched").await, "batched");
}

#[tokio::test]
async fn aggregates_count_and_group() {
    let sandbox = five().await;
    let (_, count) = call(&sandbox, "GET", "/api/now/stats/incident?sysparm_count=true", Value::Null).await;
    assert_eq!(count, json!({ "result": { "stats": { "count": "5" } } }));
    let path =
        "/api/now/stats/incident?sysparm_count=true&sysparm_avg_fields=urgency&sysparm_group_by=impact";
    let (_, grouped) = call(&sandbox, "GET", path, Value::Null).await;
    let first = json!({ "stats": { "count": "2", "avg": { "urgency": "1.5000" } }, "groupby_fields": [{ "field": "impact", "value": "1" }] });
    assert_eq!(grouped["result"][0], first);
}

#[tokio::test]
async fn missing_rights_look_like_missing_rows() {
    let sandbox = world(20).await;
    let audit = async || {
        let (_, answer) =
            call(&sandbox, "GET", "/api/now/table/sys_audit?sysparm_limit=1", Value::Null).await;
        answer["result"].as_array().unwrap().len()
    };
    assert_eq!(audit().await, 1);
    let order = json!({ "vendor": "servicenow", "set": { "rights": "too_few" } });
    control(&sandbox, "POST", "/_sandbox/switches", order).await;
    assert_eq!(audit().await, 0);
    let (_, list) = call(&sandbox, "GET", "/api/now/table/incident?sysparm_limit=1", Value::Null).await;
    let path = format!("/api/now/table/incident/{}", list["result"][0]["sys_id"].as_str().unwrap());
    assert_eq!(call(&sandbox, "PATCH", &path, json!({ "u_dutyd_why": "x" })).await.0, 403);
    let held = "/api/now/table/sys_user_has_role?sysparm_fields=role.name&sysparm_query=user=javascript:gs.getUserID()";
    let (_, roles) = call(&sandbox, "GET", held, Value::Null).await;
    assert_eq!(roles["result"], json!([{ "role.name": "itil" }]));
}

#[tokio::test]
async fn the_columns_for_marks_can_be_absent() {
    let switches = vec![("servicenow".to_owned(), "custom_columns".to_owned(), json!(false))];
    for (switches, expected) in [(Vec::new(), 4), (switches, 0)] {
        let sandbox = Sandbox::build(&Options { switches, ..stepped(2) }).await.unwrap();
        let path = "/api/now/table/sys_dictionary?sysparm_query=name=incident^elementSTARTSWITHu_dutyd";
        let (_, answer) = call(&sandbox, "GET", path, Value::Null).await;
        assert_eq!(answer["result"].as_array().unwrap().len(), expected);
    }
}

#[tokio::test]
async fn a_rate_rule_tells_when_it_ends() {
    let sandbox = world(0).await;
    let order = json!({ "vendor": "servicenow", "set": { "rate_limit_per_hour": 2 } });
    control(&sandbox, "POST", "/_sandbox/switches", order).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let response = raw(&sandbox, "GET", "/api/now/table/incident", None).await;
        let after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        statuses.push((response.status().as_u16(), after));
    }
    assert_eq!(statuses, [(200, None), (200, None), (429, Some("3600".to_owned()))]);
    control(&sandbox, "POST", "/_sandbox/clock/advance", json!({ "seconds": 3_600 })).await;
    assert_eq!(raw(&sandbox, "GET", "/api/now/table/incident", None).await.status(), 200);
}

#[tokio::test]
async fn a_hostile_instance_gives_short_pages_and_every_row_in_the_end() {
    let sandbox = Sandbox::build(&Options { calm: false, ..stepped(120) }).await.unwrap();
    let mut seen = BTreeSet::new();
    let mut last = String::new();
    let mut short = 0;
    for _ in 0..60 {
        let path =
            format!("/api/now/table/incident?sysparm_limit=20&sysparm_query=sys_id>{last}^ORDERBYsys_id");
        let (status, answer) = call(&sandbox, "GET", &path, Value::Null).await;
        if status != 200 || answer.get("error").is_some() || answer.is_null() {
            continue;
        }
        let rows = answer["result"].as_array().unwrap();
        short += u32::from(rows.len() < 20);
        let Some(row) = rows.last() else { break };
        last = row["sys_id"].as_str().unwrap().to_owned();
        seen.extend(rows.iter().map(|row| row["sys_id"].to_string()));
    }
    assert_eq!(seen.len(), 120);
    assert!(short > 2, "{short} short pages");
}
