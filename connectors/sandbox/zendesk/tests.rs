//! Zendesk's behaviours one by one, as its checklist names them: exports, updates, errors, limits, tokens, webhooks.

use crate::hooks::Knobs;
use crate::{Options, Sandbox};
use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt;

struct Desk {
    sandbox: Sandbox,
    basic: String,
    endpoints: Value,
}

struct Said {
    status: u16,
    body: Value,
    headers: axum::http::HeaderMap,
}

impl Said {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

impl Desk {
    async fn new(cases: u64) -> Desk {
        let from: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let webhooks = Knobs { to: Some("http://127.0.0.1:9/".to_owned()), ..Knobs::default() };
        let vendors = vec!["zendesk".to_owned()];
        let options = Options {
            calm: true,
            cases,
            vendors,
            past_days: 5,
            stepped_from: Some(from),
            webhooks,
            ..Options::default()
        };
        let sandbox = Sandbox::build(&options).await.unwrap();
        let endpoints = sandbox.inner.endpoints()["zendesk"].clone();
        let word = |key: &str| endpoints[key].as_str().unwrap().to_owned();
        let pair = format!("{}/token:{}", word("email"), word("api_token"));
        Desk { sandbox, basic: format!("Basic {}", STANDARD.encode(pair)), endpoints }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Said {
        self.ask_as(&self.basic, method, path, &[], body).await
    }

    async fn get(&self, path: &str) -> Said {
        self.ask("GET", path, Value::Null).await
    }

    async fn ask_as(
        &self,
        who: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Said {
        let path = path
            .replace('[', "%5B")
            .replace(']', "%5D")
            .replace(' ', "%20")
            .replace('<', "%3C")
            .replace('>', "%3E")
            .replace('"', "%22");
        let mut request = Request::builder().method(method).uri(path).header("host", "desk.test:4711");
        if !who.is_empty() {
            request = request.header("authorization", who);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let router = self.sandbox.router("zendesk").unwrap();
        let answer = router.oneshot(request.body(body).unwrap()).await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        Said { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    fn pass(&self, seconds: i64) {
        let clock = &self.sandbox.inner.stage.clock;
        clock.set(clock.now() + SignedDuration::from_secs(seconds));
    }

    async fn new_ticket(&self, subject: &str) -> u64 {
        let ticket = json!({ "ticket": { "subject": subject, "comment": { "body": "It does not work." },
                             "requester": { "name": "Zoe", "email": "zoe@new.example" } } });
        let made = self.ask("POST", "/api/v2/tickets.json", ticket).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.body["ticket"]["id"].as_u64().unwrap()
    }

    async fn change(&self, id: u64, ticket: Value) -> Said {
        self.ask("PUT", &format!("/api/v2/tickets/{id}.json"), json!({ "ticket": ticket })).await
    }

    async fn token(&self, scope: &str) -> Value {
        let order = json!({ "grant_type": "client_credentials", "client_id": self.endpoints["client_id"],
                            "client_secret": self.endpoints["client_secret"], "scope": scope });
        self.ask_as("", "POST", "/oauth/tokens", &[], order).await.body
    }
}

fn bearer(token: &Value) -> String {
    format!("Bearer {}", token["access_token"].as_str().unwrap())
}

#[tokio::test]
async fn the_export_is_a_keyset_over_generated_timestamp_and_id() {
    let desk = Desk::new(0).await;
    for number in 0..7 {
        desk.new_ticket(&format!("t{number}")).await;
    }
    desk.pass(61);
    let (mut path, mut ids, mut pages) =
        ("/api/v2/incremental/tickets/cursor.json?start_time=1&per_page=3".to_owned(), Vec::new(), 0);
    loop {
        let page = desk.get(&path).await;
        pages += 1;
        ids.extend(page.body["tickets"].as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()));
        let after = page.body["after_cursor"].as_str().unwrap();
        let plain = String::from_utf8(STANDARD.decode(after).unwrap()).unwrap();
        let stamp =
            page.body["tickets"].as_array().unwrap().last().unwrap()["generated_timestamp"].to_string();
        assert_eq!(plain, format!("{stamp}.0||{}|", ids.last().unwrap()));
        let url = page.body["after_url"].as_str().unwrap();
        assert!(
            url.starts_with("http://desk.test:4711/api/v2/incremental/tickets/cursor.json?cursor="),
            "{url}"
        );
        if page.body["end_of_stream"] == true {
            break;
        }
        path = url.trim_start_matches("http://desk.test:4711").to_owned();
    }
    assert_eq!((ids, pages), (vec![1, 2, 3, 4, 5, 6, 7], 3));
}

#[tokio::test]
async fn the_last_minute_is_withheld_and_an_update_moves_a_ticket_to_the_end() {
    let desk = Desk::new(0).await;
    let (first, second) = (desk.new_ticket("a").await, desk.new_ticket("b").await);
    let rows = async |from: &str| {
        let page = desk.get(&format!("/api/v2/incremental/tickets/cursor.json?{from}")).await;
        let ids: Vec<_> =
            page.body["tickets"].as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()).collect();
        (ids, page.body["after_cursor"].as_str().map(|cursor| cursor.replace('=', "%3D")))
    };
    assert_eq!(rows("start_time=1").await, (vec![], None));
    desk.pass(61);
    let (ids, cursor) = rows("start_time=1").await;
    assert_eq!(ids, [first, second]);
    assert_eq!(desk.change(first, json!({ "priority": "high" })).await.status, 200);
    let cursor = format!("cursor={}", cursor.unwrap());
    assert_eq!(rows(&cursor).await.0, Vec::<u64>::new());
    desk.pass(61);
    assert_eq!(rows(&cursor).await.0, [first]);
    let recent = desk.sandbox.inner.stage.clock.now().as_second() - 30;
    let refused = desk.get(&format!("/api/v2/incremental/tickets/cursor.json?start_time={recent}")).await;
    assert_eq!((refused.status, &refused.body["error"]), (400, &json!("StartTimeTooRecent")));
}

#[tokio::test]
async fn a_system_change_moves_generated_timestamp_and_leaves_updated_at() {
    let desk = Desk::new(0).await;
    let id = desk.new_ticket("a").await;
    let before = desk.get(&format!("/api/v2/tickets/{id}")).await.body;
    desk.pass(90);
    let order = crate::vendor::Command::Other {
        verb: "system".to_owned(),
        id: id.to_string(),
        fields: serde_json::Map::new(),
    };
    let now = desk.sandbox.inner.stage.clock.now();
    desk.sandbox.inner.vendor("zendesk").unwrap().command(&order, now).unwrap();
    let after = desk.get(&format!("/api/v2/tickets/{id}.json")).await.body;
    assert_eq!(before["ticket"]["updated_at"], after["ticket"]["updated_at"]);
    assert!(
        before["ticket"]["generated_timestamp"].as_i64() < after["ticket"]["generated_timestamp"].as_i64()
    );
}

#[tokio::test]
async fn exports_have_a_bucket_of_ten_a_minute() {
    let desk = Desk::new(0).await;
    let path = "/api/v2/incremental/tickets/cursor.json?start_time=1";
    for left in (0..10).rev() {
        let said = desk.get(path).await;
        let level = said.header("zendesk-ratelimit-incremental-exports-cursor").to_owned();
        assert!(level.starts_with(&format!("total=10; remaining={left}; resets=")), "{level}");
    }
    let said = desk.get("/api/v2/incremental/users.json?start_time=1").await;
    assert_eq!((said.status, &said.body["error"]), (429, &json!("APIRateLimitExceeded")));
    assert_eq!(said.header("retry-after"), "60");
    assert_eq!(said.header("x-rate-limit"), "700");
    assert_eq!(desk.get("/api/v2/tickets/count").await.status, 200, "the account's own bucket is not empty");
    desk.pass(60);
    assert_eq!(desk.get(path).await.status, 200);
}

#[tokio::test]
async fn an_update_sets_only_what_is_named_and_leaves_an_audit() {
    let desk = Desk::new(0).await;
    let id = desk.new_ticket("a").await;
    let severity = desk.get("/api/v2/ticket_fields").await.body["ticket_fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["title"] == "Dutyd severity")
        .unwrap()["id"]
        .as_u64()
        .unwrap();
    desk.change(id, json!({ "tags": ["vip"] })).await;
    let said = desk.change(id, json!({
        "custom_fields": [{ "id": severity, "value": "dutyd_watch" }, { "id": 1, "value": "nobody knows this field" }],
        "comment": { "body": "look", "public": false }, "metadata": { "rev": "17" }, "wrong": 1, "additional_tags": ["x"],
    })).await;
    assert_eq!(said.body["ticket"]["tags"], json!(["dutyd_watch", "vip"]), "a drop-down brings its tag");
    assert_eq!(said.body["audit"]["metadata"]["custom"], json!({ "rev": "17" }));
    assert!(said.header("x-zendesk-api-warn").contains("\"ticket.wrong\""));
    assert!(said.header("x-zendesk-api-warn").contains("\"ticket.additional_tags\""));
    let events = said.body["audit"]["events"].as_array().unwrap();
    assert!(events.iter().any(|one| one["type"] == "Comment" && one["public"] == false));
    assert!(
        events
            .iter()
            .any(|one| one["field_name"] == json!(severity.to_string()) && one["value"] == "dutyd_watch")
    );
    // Replacing the tags takes the drop-down's choice away.
    let said = desk.change(id, json!({ "tags": ["other"] })).await;
    let fields = said.body["ticket"]["custom_fields"].as_array().unwrap();
    assert_eq!(fields.iter().find(|one| one["id"] == severity).unwrap()["value"], Value::Null);
    let said = desk.change(id, json!({ "custom_fields": [{ "id": severity, "value": "nonsense" }] })).await;
    assert_eq!((said.status, &said.body["error"]), (422, &json!("RecordInvalid")));
}

#[tokio::test]
async fn a_safe_update_loses_against_a_newer_ticket() {
    let desk = Desk::new(0).await;
    let id = desk.new_ticket("a").await;
    let stamp = desk.get(&format!("/api/v2/tickets/{id}")).await.body["ticket"]["updated_at"].clone();
    desk.pass(2);
    desk.change(id, json!({ "priority": "low" })).await;
    for flag in [true, false] {
        let said =
            desk.change(id, json!({ "priority": "high", "safe_update": flag, "updated_stamp": stamp })).await;
        assert_eq!(
            (said.status, &said.body["error"]),
            (409, &json!("UpdateConflict")),
            "safe_update: {flag}"
        );
    }
    let stamp = desk.get(&format!("/api/v2/tickets/{id}")).await.body["ticket"]["updated_at"].clone();
    let said =
        desk.change(id, json!({ "priority": "high", "safe_update": true, "updated_stamp": stamp })).await;
    assert_eq!((said.status, &said.body["ticket"]["priority"]), (200, &json!("high")));
}

#[tokio::test]
async fn a_ticket_takes_thirty_updates_in_ten_minutes() {
    let desk = Desk::new(0).await;
    let id = desk.new_ticket("a").await;
    for nth in 0..30 {
        let said = desk.change(id, json!({ "subject": format!("s{nth}") })).await;
        let left = format!("total=30; remaining={}; ", 29 - nth);
        assert!(said.header("zendesk-ratelimit-per-ticket-updates").starts_with(&left));
    }
    assert_eq!(desk.change(id, json!({ "subject": "one too many" })).await.status, 429);
    let other = desk.new_ticket("b").await;
    assert_eq!(desk.change(other, json!({ "subject": "another" })).await.status, 200);
    desk.pass(600);
    assert_eq!(desk.change(id, json!({ "subject": "later" })).await.status, 200);
}

#[tokio::test]
async fn the_verbs_of_the_tags_set_add_and_remove() {
    let desk = Desk::new(0).await;
    let id = desk.new_ticket("a").await;
    let path = format!("/api/v2/tickets/{id}/tags.json");
    let table = [("POST", json!(["A", "b"]), 201), ("PUT", json!(["c"]), 200), ("DELETE", json!(["b"]), 204)];
    let expected = [json!(["a", "b"]), json!(["a", "b", "c"]), json!(["a", "c"])];
    for ((method, tags, status), expected) in table.into_iter().zip(expected) {
        assert_eq!(desk.ask(method, &path, json!({ "tags": tags })).await.status, status);
        assert_eq!(desk.get(&path).await.body["tags"], expected, "{method}");
    }
}

#[tokio::test]
async fn merged_closed_and_deleted_tickets_are_told_apart() {
    let desk = Desk::new(0).await;
    let (source, target, gone) =
        (desk.new_ticket("a").await, desk.new_ticket("b").await, desk.new_ticket("c").await);
    let job =
        desk.ask("POST", &format!("/api/v2/tickets/{target}/merge.json"), json!({ "ids": [source] })).await;
    assert_eq!(job.body["job_status"]["status"], "queued");
    let merged = desk.get(&format!("/api/v2/tickets/{source}.json")).await.body["ticket"].clone();
    assert_eq!((&merged["status"], &merged["tags"]), (&json!("closed"), &json!(["closed_by_merge"])));
    let refused = desk.change(source, json!({ "priority": "low" })).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.body["details"]["status"][0]["description"], "Status: closed prevents ticket update");
    assert_eq!(desk.ask("DELETE", &format!("/api/v2/tickets/{gone}.json"), Value::Null).await.status, 204);
    let said = desk.get(&format!("/api/v2/tickets/{gone}.json")).await;
    assert_eq!((said.status, &said.body["error"]), (404, &json!("RecordNotFound")));
    let many = desk.get(&format!("/api/v2/tickets/show_many.json?ids={gone},{target}")).await;
    assert_eq!(many.body["count"], 1);
    desk.pass(61);
    let export = desk.get("/api/v2/incremental/tickets/cursor.json?start_time=1").await;
    let states: Vec<_> = export.body["tickets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["id"].as_u64().unwrap(), one["status"].as_str().unwrap()))
        .collect();
    assert!(states.contains(&(gone, "deleted")), "{states:?}");
}

#[tokio::test]
async fn a_completed_job_may_contain_failed_rows() {
    let desk = Desk::new(0).await;
    let id = desk.new_ticket("a").await;
    let path = format!("/api/v2/tickets/update_many.json?ids={id},999");
    let job = desk.ask("PUT", &path, json!({ "ticket": { "additional_tags": ["esc"] } })).await;
    let status = format!("/api/v2/job_statuses/{}.json", job.body["job_status"]["id"].as_str().unwrap());
    let mut seen = vec![job.body["job_status"]["status"].clone()];
    for _ in 0..2 {
        desk.pass(1);
        seen.push(desk.get(&status).await.body["job_status"]["status"].clone());
    }
    assert_eq!(seen, ["queued", "working", "completed"]);
    let results = desk.get(&status).await.body["job_status"]["results"].clone();
    assert_eq!((&results[0]["success"], &results[1]["success"]), (&json!(true), &json!(false)));
    let many: Vec<String> = (0..101).map(|id| id.to_string()).collect();
    let refused = desk.get(&format!("/api/v2/tickets/show_many.json?ids={}", many.join(","))).await;
    assert_eq!((refused.status, &refused.body["max_count"]), (400, &json!(100)));
    for _ in 0..30 {
        desk.ask("PUT", &path, json!({ "ticket": {} })).await;
    }
    let refused = desk.ask("PUT", &path, json!({ "ticket": {} })).await;
    assert_eq!((refused.status, &refused.body["error"]), (429, &json!("TooManyJobs")));
}

#[tokio::test]
async fn an_idempotency_key_holds_for_two_hours() {
    let desk = Desk::new(0).await;
    let ask = async |subject: &str| {
        let ticket = json!({ "ticket": { "subject": subject, "comment": { "body": "x" } } });
        desk.ask_as(&desk.basic, "POST", "/api/v2/tickets.json", &[("idempotency-key", "k")], ticket).await
    };
    let first = ask("a").await;
    assert_eq!((first.status, first.header("x-idempotency-lookup")), (201, "miss"));
    assert_eq!(first.body["ticket"]["generated_timestamp"], 0);
    let again = ask("a").await;
    assert_eq!(
        (again.header("x-idempotency-lookup"), &again.body["ticket"]["id"]),
        ("hit", &first.body["ticket"]["id"])
    );
    let other = ask("b").await;
    assert_eq!((other.status, &other.body["error"]), (400, &json!("IdempotentRequestError")));
    desk.pass(7_201);
    assert_eq!(ask("b").await.header("x-idempotency-lookup"), "miss");
}

#[tokio::test]
async fn tokens_end_are_renewed_and_know_their_scopes() {
    let desk = Desk::new(0).await;
    let nobody = desk.ask_as("", "GET", "/api/v2/users/me.json", &[], Value::Null).await;
    assert_eq!(
        (nobody.status, &nobody.body["user"]["id"], &nobody.body["user"]["name"]),
        (200, &Value::Null, &json!("Anonymous user"))
    );
    assert_eq!(desk.ask_as("", "GET", "/api/v2/tickets.json", &[], Value::Null).await.status, 401);
    let password =
        format!("Basic {}", STANDARD.encode(format!("{}:secret", desk.endpoints["email"].as_str().unwrap())));
    assert_eq!(desk.ask_as(&password, "GET", "/api/v2/tickets.json", &[], Value::Null).await.status, 401);
    let misspelled = desk.token("raed").await;
    let said = desk.ask_as(&bearer(&misspelled), "GET", "/api/v2/tickets.json", &[], Value::Null).await;
    assert_eq!((said.status, &said.body["error"]["title"]), (403, &json!("Forbidden")));
    let reader = desk.token("read").await;
    assert_eq!(
        desk.ask_as(&bearer(&reader), "GET", "/api/v2/tickets.json", &[], Value::Null).await.status,
        200
    );
    let change = json!({ "ticket": { "subject": "x", "comment": { "body": "x" } } });
    assert_eq!(desk.ask_as(&bearer(&reader), "POST", "/api/v2/tickets.json", &[], change).await.status, 403);
    let order = json!({ "grant_type": "refresh_token", "refresh_token": reader["refresh_token"],
                        "client_id": desk.endpoints["client_id"], "client_secret": desk.endpoints["client_secret"] });
    let renewed = desk.ask_as("", "POST", "/oauth/tokens", &[], order.clone()).await;
    assert_eq!(
        desk.ask_as(&bearer(&reader), "GET", "/api/v2/tickets.json", &[], Value::Null).await.status,
        401
    );
    assert_eq!(desk.ask_as("", "POST", "/oauth/tokens", &[], order).await.status, 400);
    assert_eq!(
        desk.ask_as(&bearer(&renewed.body), "GET", "/api/v2/tickets.json", &[], Value::Null).await.status,
        200
    );
    desk.pass(1_801);
    assert_eq!(
        desk.ask_as(&bearer(&renewed.body), "GET", "/api/v2/tickets.json", &[], Value::Null).await.status,
        401
    );
}

#[tokio::test]
async fn lists_page_by_cursor_and_by_offset_to_the_same_rows() {
    let desk = Desk::new(25).await;
    let all = desk.get("/api/v2/tickets/count.json").await.body["count"]["value"].as_u64().unwrap();
    for first in ["/api/v2/tickets.json?page[size]=7", "/api/v2/tickets.json?per_page=7"] {
        let (mut path, mut ids) = (first.to_owned(), Vec::new());
        loop {
            let page = desk.get(&path).await.body;
            ids.extend(page["tickets"].as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()));
            let next = page["links"]["next"].as_str().or(page["next_page"].as_str());
            let Some(next) = next else { break };
            path = next.strip_prefix("http://desk.test:4711").expect("links lead back").to_owned();
        }
        assert_eq!(ids, (1..=all).collect::<Vec<_>>(), "{first}");
    }
    let deep = desk.get("/api/v2/tickets.json?page=101&per_page=100").await;
    assert_eq!((deep.status, &deep.body["errors"][0]["code"]), (400, &json!("InvalidPaginationDepth")));
}

#[tokio::test]
async fn search_finds_what_its_terms_say_and_refuses_what_it_does_not_know() {
    let desk = Desk::new(0).await;
    let id = desk.new_ticket("Printer on fire").await;
    desk.change(id, json!({ "priority": "urgent", "tags": ["hot"] })).await;
    desk.new_ticket("Quiet question").await;
    for (query, found) in [
        ("type:ticket", 2),
        ("printer", 1),
        ("type:ticket status<solved priority>normal", 1),
        ("tags:hot", 1),
        ("-tags:hot", 1),
        ("requester:zoe@new.example", 2),
        ("created>2026-03-01", 2),
        ("created<2026-03-02", 0),
        ("updated>=2026-03-02T09:00:00Z", 2),
        ("subject:\"on fire\"", 1),
    ] {
        let said = desk.get(&format!("/api/v2/search.json?query={query}")).await;
        assert_eq!(said.body["count"], found, "{query}: {}", said.body);
    }
    let refused = desk.get("/api/v2/search.json?query=colour:red").await;
    assert_eq!((refused.status, &refused.body["error"]), (422, &json!("invalid")));
    let export =
        desk.get("/api/v2/search/export.json?query=status:new&filter[type]=ticket&page[size]=1").await;
    assert_eq!((export.status, &export.body["meta"]["has_more"]), (200, &json!(true)));
}

#[tokio::test]
async fn a_webhook_is_signed_over_timestamp_and_body_and_tells_a_snapshot() {
    let desk = Desk::new(0).await;
    let id = desk.new_ticket("a").await;
    desk.change(id, json!({ "status": "open", "comment": { "body": "hello", "public": true } })).await;
    desk.pass(5);
    let now = desk.sandbox.inner.stage.clock.now();
    let rings = desk.sandbox.inner.stage.hooks.take(now);
    let vendor = desk.sandbox.inner.vendor("zendesk").unwrap();
    let mut kinds = Vec::new();
    for ring in &rings {
        let rendered = vendor.render(ring, now).unwrap();
        let header = |name: &str| &rendered.headers.iter().find(|(known, _)| known == name).unwrap().1;
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(
            desk.endpoints["webhook_secret"].as_str().unwrap().as_bytes(),
        )
        .unwrap();
        mac.update(header("X-Zendesk-Webhook-Signature-Timestamp").as_bytes());
        mac.update(&rendered.body);
        assert_eq!(*header("X-Zendesk-Webhook-Signature"), STANDARD.encode(mac.finalize().into_bytes()));
        let body: Value = serde_json::from_slice(&rendered.body).unwrap();
        assert_eq!(body["detail"]["id"], json!(id.to_string()));
        kinds.push(body["type"].as_str().unwrap().rsplit('.').next().unwrap().to_owned());
        if body["type"] == "zen:event-type:ticket.status_changed" {
            assert_eq!(
                (&body["event"]["current"], &body["detail"]["status"]),
                (&json!("OPEN"), &json!("OPEN"))
            );
        }
    }
    kinds.sort();
    assert_eq!(kinds, ["comment_added", "created", "status_changed"]);
    // Conflicts are tried again three times, answers that never came five times, all else is final.
    let tries = |status: Option<u16>| {
        (0..9)
            .take_while(|attempt| {
                vendor
                    .delivered(&crate::hooks::Ring { attempt: *attempt, ..rings[0].clone() }, status, now)
                    .is_some()
            })
            .count()
    };
    assert_eq!([tries(Some(200)), tries(Some(500)), tries(Some(409)), tries(None)], [0, 0, 3, 5]);
}
