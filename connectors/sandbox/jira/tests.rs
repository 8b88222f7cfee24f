//! Jira's behaviours one by one, as its checklist names them: search, index, edits, comments, errors, webhooks.

use super::jql;
use crate::hooks::Knobs;
use crate::{Options, Sandbox};
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt;

struct Desk {
    sandbox: Sandbox,
    vendor: &'static str,
    endpoints: Value,
}

struct Said {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Said {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

impl Desk {
    async fn new(vendor: &'static str, switches: &[(&str, Value)]) -> Desk {
        let from: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let switch = |(name, value): &(&str, Value)| (vendor.to_owned(), (*name).to_owned(), value.clone());
        let options = Options {
            calm: true,
            cases: 25,
            vendors: vec![vendor.to_owned()],
            past_days: 5,
            stepped_from: Some(from),
            switches: switches.iter().map(switch).collect(),
            webhooks: Knobs { to: Some("http://127.0.0.1:9/".to_owned()), ..Knobs::default() },
            ..Options::default()
        };
        let sandbox = Sandbox::build(&options).await.unwrap();
        let endpoints = sandbox.inner.endpoints()[vendor].clone();
        Desk { sandbox, vendor, endpoints }
    }

    fn word(&self, key: &str) -> &str {
        self.endpoints[key].as_str().unwrap()
    }

    fn basic(&self, email: &str, token: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", self.word(email), self.word(token))))
    }

    fn own(&self) -> String {
        match self.vendor {
            "jira" => self.basic("email", "api_token"),
            _ => format!("Bearer {}", self.word("pat")),
        }
    }

    async fn ask_as(&self, who: Option<String>, method: &str, path: &str, body: Value) -> Said {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request = Request::builder().method(method).uri(path).header("host", "acme.test:81");
        if let Some(who) = who {
            request = request.header("authorization", who);
        }
        let router = self.sandbox.router(self.vendor).unwrap();
        let Ok(answer) = router.oneshot(request.body(body).unwrap()).await;
        let (parts, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Said { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Said {
        self.ask_as(Some(self.own()), method, path, body).await
    }

    async fn get(&self, path: &str) -> Said {
        self.ask("GET", path, Value::Null).await
    }

    async fn search(&self, body: Value) -> Said {
        self.ask("POST", "/rest/api/3/search/jql", body).await
    }

    /// Ids that a query finds on Cloud.
    async fn found(&self, jql: &str) -> Vec<String> {
        let said = self.search(json!({ "jql": jql, "maxResults": 5000 })).await;
        assert_eq!(said.status, 200, "{jql}: {}", said.body);
        let issues = said.body["issues"].as_array().unwrap();
        issues.iter().map(|issue| issue["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The vendor's message about a query.
    async fn refused(&self, jql: &str) -> String {
        let said = self.search(json!({ "jql": jql })).await;
        assert_eq!(said.status, 400, "{jql}: {}", said.body);
        said.body["errorMessages"][0].as_str().unwrap().to_owned()
    }

    async fn create(&self, summary: &str) -> String {
        let fields =
            json!({ "project": { "key": "SUP" }, "issuetype": { "name": "Task" }, "summary": summary });
        let said = self.ask("POST", "/rest/api/2/issue", json!({ "fields": fields })).await;
        assert_eq!(said.status, 201, "{}", said.body);
        said.body["id"].as_str().unwrap().to_owned()
    }

    async fn pass(&self, seconds: i64) {
        let clock = &self.sandbox.inner.stage.clock;
        clock.set(clock.now() + SignedDuration::from_secs(seconds));
    }

    fn now(&self) -> Timestamp {
        self.sandbox.inner.stage.clock.now()
    }
}

#[tokio::test]
async fn a_search_gives_ids_unless_fields_are_named_and_its_body_is_closed() {
    let desk = Desk::new("jira", &[]).await;
    let said = desk.search(json!({ "jql": "project = SUP" })).await;
    assert_eq!(said.body["issues"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["id"]);
    let said = desk.search(json!({ "jql": "project = SUP", "fields": ["updated"] })).await;
    let fields = said.body["issues"][0]["fields"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["updated"]);
    for odd in [json!({ "startAt": 0 }), json!({ "validateQuery": true }), json!({ "expand": ["names"] })] {
        let mut body = odd;
        body["jql"] = json!("project = SUP");
        let said = desk.search(body).await;
        assert_eq!(said.status, 400);
        assert!(said.body.get("errors").is_none(), "this envelope has no errors: {}", said.body);
    }
    let said = desk.search(json!({ "jql": "project = SUP", "maxResults": 5001 })).await;
    assert_eq!(said.body["errorMessages"][0], "The max results parameter has to be between 1 and 5,000.");
}

#[tokio::test]
async fn pages_follow_a_token_that_belongs_to_its_query() {
    let desk = Desk::new("jira", &[]).await;
    let mut body = json!({ "jql": "project = SUP ORDER BY updated ASC", "maxResults": 10 });
    let mut seen = Vec::new();
    for _ in 0..5 {
        let said = desk.search(body.clone()).await;
        seen.extend(said.body["issues"].as_array().unwrap().iter().map(|issue| issue["id"].clone()));
        let Some(token) = said.body.get("nextPageToken") else {
            assert_eq!(said.body["isLast"], true);
            break;
        };
        body["nextPageToken"] = token.clone();
    }
    assert_eq!(seen.len(), 25);
    let stale = json!({ "jql": "project = ENG", "nextPageToken": body["nextPageToken"] });
    let invalid = "The provided next page token is invalid or expired.";
    assert_eq!(desk.search(stale).await.body["errorMessages"][0], invalid);
    desk.pass(8 * 24 * 3_600).await;
    assert_eq!(desk.search(body).await.body["errorMessages"][0], invalid);
}

#[tokio::test]
async fn nobody_finds_nothing_and_is_not_told_why() {
    let desk = Desk::new("jira", &[]).await;
    for who in [None, Some("Basic bm9ib2R5Om5vdGhpbmc=".to_owned())] {
        let said =
            desk.ask_as(who.clone(), "POST", "/rest/api/3/search/jql", json!({ "jql": "nonsense ((" })).await;
        assert_eq!((said.status, said.body), (200, json!({ "issues": [], "isLast": true })));
        assert_eq!(desk.ask_as(who, "GET", "/rest/api/3/myself", Value::Null).await.status, 401);
    }
    let center = Desk::new("jira_dc", &[]).await;
    let said = center.ask_as(None, "GET", "/rest/api/2/search?jql=project%20%3D%20SUP", Value::Null).await;
    assert_eq!((said.status, said.header("x-ausername"), &said.body["total"]), (200, "anonymous", &json!(0)));
}

#[tokio::test]
async fn what_was_removed_is_gone_and_what_never_was_is_a_problem() {
    let desk = Desk::new("jira", &[]).await;
    assert_eq!(desk.get("/rest/api/3/search?jql=project%20%3D%20SUP").await.status, 410);
    let said = desk.get("/rest/api/3/nothing").await;
    assert_eq!((said.status, said.header("content-type")), (404, "application/problem+json"));
    assert_eq!(desk.get("/rest/api/4/myself").await.status, 404);
    let center = Desk::new("jira_dc", &[]).await;
    assert_eq!(center.get("/rest/api/3/myself").await.status, 404);
    assert_eq!(center.get("/rest/api/2/search/jql?jql=project%20%3D%20SUP").await.status, 404);
    let said = center.get("/rest/api/2/search?jql=project%20%3D%20SUP&startAt=20&maxResults=10").await;
    assert_eq!((&said.body["total"], said.body["issues"].as_array().map(Vec::len)), (&json!(25), Some(5)));
    assert_eq!(said.header("x-ratelimit-limit"), "100");
}

#[tokio::test]
async fn the_gateway_takes_the_token_with_scopes_and_no_other() {
    let desk = Desk::new("jira", &[]).await;
    let path = format!("/ex/jira/{}/rest/api/3/myself", super::CLOUD_ID);
    let scoped = Some(desk.basic("email", "scoped_api_token"));
    let said = desk.ask_as(scoped.clone(), "GET", &path, Value::Null).await;
    assert_eq!(said.status, 200);
    let link = said.body["self"].as_str().unwrap();
    assert!(
        link.starts_with(&format!("http://acme.test:81/ex/jira/{}/rest/api/3/", super::CLOUD_ID)),
        "{link}"
    );
    assert_eq!(desk.get(&path).await.status, 401);
    assert_eq!(desk.ask_as(scoped, "GET", "/rest/api/3/myself", Value::Null).await.status, 401);
    assert_eq!(desk.get("/ex/jira/nobody/rest/api/3/myself").await.status, 404);
}

#[tokio::test]
async fn dates_in_queries_are_the_accounts_and_numbers_are_everybodys() {
    let desk = Desk::new("jira", &[("integration_zone", json!("Asia/Kathmandu"))]).await;
    desk.pass(3_600).await;
    let id = desk.create("fresh").await;
    let said = desk.get(&format!("/rest/api/3/issue/{id}")).await;
    let updated = said.body["fields"]["updated"].as_str().unwrap().to_owned();
    assert!(updated.ends_with("+0545"), "{updated}");
    let at = desk.now();
    // Milliseconds are exact.
    assert_eq!(desk.found(&format!("updated >= {}", at.as_millisecond())).await, [id.as_str()]);
    assert!(desk.found(&format!("updated > {}", at.as_millisecond())).await.is_empty());
    // A written date is local and cut to the minute.
    let local = at.to_zoned(jiff::tz::TimeZone::get("Asia/Kathmandu").unwrap());
    let written = local.strftime("%Y-%m-%d %H:%M").to_string();
    assert_eq!(desk.found(&format!("updated >= \"{written}\"")).await, [id.as_str()]);
    let universal = at.strftime("%Y-%m-%d %H:%M").to_string();
    assert!(
        desk.found(&format!("updated >= \"{universal}\"")).await.len() > 1,
        "UTC is five hours too early"
    );
    assert_eq!(desk.found("created >= -5m").await, [id.as_str()]);
    assert_eq!(desk.found("created >= now() AND created <= endOfDay()").await, [id.as_str()]);
    assert_eq!(desk.found("created < startOfDay(-1w)").await.len(), 0);
}

#[tokio::test]
async fn clauses_combine_as_they_should() {
    let desk = Desk::new("jira", &[]).await;
    let id = desk.create("Printer on fire").await;
    let edit = json!({ "update": { "labels": [{ "add": "vip" }, { "add": "hot" }] }, "fields": { "priority": { "name": "High" } } });
    assert_eq!(desk.ask("PUT", &format!("/rest/api/3/issue/{id}"), edit).await.status, 204);
    let yes = [
        "summary ~ \"printer\"",
        "text ~ 'fire'",
        "labels = vip AND labels in (hot, cold)",
        "labels = nothing OR (labels = vip AND NOT priority = Low)",
        "priority = \"High\" AND labels is not EMPTY AND assignee is EMPTY",
        "priority > Medium AND labels = vip",
        "project in (SUP, \"Engineering\") AND reporter = currentUser()",
        "issuetype = Task AND statusCategory = \"To Do\" AND resolution is EMPTY AND labels = vip",
        "cf[10071] is EMPTY AND labels = vip",
    ];
    for query in yes {
        assert_eq!(desk.found(query).await, [id.as_str()], "{query}");
    }
    for query in [
        "labels = vip AND labels = cold",
        "labels not in (vip) AND summary ~ printer",
        "id = 1 OR key = SUP-1 AND labels = vip",
    ] {
        let said = desk.search(json!({ "jql": query })).await;
        assert!(
            said.status == 400 || said.body["issues"].as_array().unwrap().is_empty(),
            "{query}: {}",
            said.body
        );
    }
    let all = desk.found("project = SUP ORDER BY key DESC").await;
    assert_eq!(all.first().unwrap(), &id);
}

#[tokio::test]
async fn queries_outside_the_subset_are_refused_in_the_vendors_words() {
    let desk = Desk::new("jira", &[]).await;
    let table = [
        (
            "project = SUP status = Open",
            "Expecting either 'OR' or 'AND' but got 'status'. (line 1, character 15)",
        ),
        ("project = SUP AND (", "Expecting a field name"),
        ("bogus = 1", "Field 'bogus' does not exist or you do not have permission to view it."),
        ("status = Bogus", "The value 'Bogus' does not exist for the field 'status'."),
        ("updated >= yesterday", "Date value 'yesterday' for field 'updated' is invalid."),
        ("summary ~ \"open", "has not been completed"),
        ("labels = a; DROP", "reserved JQL character"),
        ("key = \"NOPE-1\"", "An issue with key 'NOPE-1' does not exist for field 'key'."),
        ("assignee was currentUser()", "Expecting operator"),
        ("updated >= explode()", "Unable to find JQL function 'explode'."),
        ("", "Unbounded JQL queries are not allowed here."),
        ("ORDER BY created", "Unbounded JQL queries are not allowed here."),
    ];
    for (query, expected) in table {
        let said = desk.refused(query).await;
        assert!(said.contains(expected), "{query}: {said}");
    }
    assert!(jql::parse(&"(".repeat(10_000)).is_err());
    assert!(jql::parse(&"a = b or ".repeat(10_000)).is_err());
}

#[tokio::test]
async fn the_index_is_late_and_reading_by_id_is_not() {
    let desk = Desk::new("jira", &[("index_lag_seconds", json!(90))]).await;
    desk.pass(600).await;
    let id = desk.create("late").await;
    let number: u64 = id.parse().unwrap();
    let query = "summary ~ late AND created >= -5m";
    assert!(desk.found(query).await.is_empty());
    assert_eq!(desk.get(&format!("/rest/api/3/issue/{id}")).await.status, 200);
    let said = desk.search(json!({ "jql": query, "reconcileIssues": [number] })).await;
    assert_eq!(said.body["issues"].as_array().unwrap().len(), 1, "named issues are read consistently");
    desk.pass(91).await;
    assert_eq!(desk.found(query).await, [id.as_str()]);
    let edit = json!({ "fields": { "summary": "later" } });
    desk.ask("PUT", &format!("/rest/api/3/issue/{id}"), edit).await;
    assert!(desk.found("summary ~ later").await.is_empty(), "a search shows the issue as it was");
    assert_eq!(desk.found("summary ~ late").await, [id.as_str()]);
    desk.pass(91).await;
    assert_eq!(desk.found("summary ~ later").await, [id.as_str()]);
}

#[tokio::test]
async fn an_edit_is_made_whole_or_not_at_all() {
    let desk = Desk::new("jira", &[]).await;
    let id = desk.create("whole").await;
    let path = format!("/rest/api/3/issue/{id}");
    let refused = [
        json!({ "update": { "labels": [{ "add": "x" }] }, "fields": { "bogus": 1 } }),
        json!({ "update": { "labels": [{ "add": "x" }] }, "fields": { "labels": ["y"] } }),
        json!({ "update": { "labels": [{ "add": "with space" }] }, "fields": { "summary": "changed" } }),
        json!({ "fields": { "summary": "" , "labels": ["x"] } }),
        json!({ "surprise": 1 }),
    ];
    for edit in refused {
        let said = desk.ask("PUT", &path, edit.clone()).await;
        assert_eq!(said.status, 400, "{edit}");
        let fields = &desk.get(&path).await.body["fields"];
        assert_eq!((&fields["summary"], &fields["labels"]), (&json!("whole"), &json!([])), "{edit}");
    }
    let edit = json!({ "update": { "labels": [{ "add": "x" }] }, "properties": [{ "key": "p", "value": { "a": 1 } }] });
    let said = desk.ask("PUT", &format!("{path}?returnIssue=true"), edit.clone()).await;
    assert_eq!((said.status, &said.body["fields"]["labels"]), (200, &json!(["x"])));
    assert_eq!(desk.get(&format!("{path}/properties/p")).await.body["value"], json!({ "a": 1 }));
    let before = desk.get(&path).await.body["fields"]["updated"].clone();
    desk.pass(60).await;
    assert_eq!(desk.ask("PUT", &path, edit).await.status, 204);
    assert_eq!(
        desk.get(&path).await.body["fields"]["updated"],
        before,
        "a change of nothing changes nothing"
    );
    let said = desk.get(&format!("{path}/changelog")).await;
    assert_eq!(said.body["total"], 1);
}

#[tokio::test]
async fn a_property_leaves_no_trace_on_the_issue() {
    let desk = Desk::new("jira", &[]).await;
    let id = desk.create("quiet").await;
    let path = format!("/rest/api/3/issue/{id}");
    let before = desk.get(&path).await.body["fields"]["updated"].clone();
    desk.pass(60).await;
    let property = format!("{path}/properties/p");
    let statuses = [("PUT", 201), ("PUT", 200), ("GET", 200), ("DELETE", 204), ("DELETE", 404)];
    for (method, expected) in statuses {
        let body = if method == "PUT" { json!({ "a": 1 }) } else { Value::Null };
        assert_eq!(desk.ask(method, &property, body).await.status, expected, "{method}");
    }
    assert_eq!(desk.ask("PUT", &property, json!("x".repeat(40_000))).await.status, 400);
    assert_eq!(desk.get(&path).await.body["fields"]["updated"], before);
}

#[tokio::test]
async fn comments_are_documents_in_version_three_and_internal_where_asked() {
    let desk = Desk::new("jira", &[]).await;
    let id = desk.create("talk").await;
    let path = format!("/rest/api/3/issue/{id}/comment");
    let said = desk.ask("POST", &path, json!({ "body": "plain" })).await;
    assert_eq!((said.status, &said.body["errors"]["comment"]), (400, &json!("Comment body is not valid!")));
    let document = json!({ "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": [{ "type": "text", "text": "hi" }] }] });
    let internal = json!([{ "key": "sd.public.comment", "value": { "internal": true } }]);
    let said = desk.ask("POST", &path, json!({ "body": document, "properties": internal })).await;
    assert_eq!((said.status, &said.body["jsdPublic"], &said.body["body"]), (201, &json!(false), &document));
    let said = desk.ask("POST", &format!("/rest/api/2/issue/{id}/comment"), json!({ "body": "plain" })).await;
    assert_eq!((&said.body["jsdPublic"], &said.body["body"]), (&json!(true), &json!("plain")));
    let said = desk.get(&format!("{path}?orderBy=-created&maxResults=1")).await;
    assert_eq!((&said.body["total"], &said.body["comments"][0]["body"]["type"]), (&json!(2), &json!("doc")));
    assert_eq!(desk.get(&format!("{path}?orderBy=author")).await.status, 400);
    let broken = json!({ "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": [{ "type": "text", "text": "" }] }] });
    assert_eq!(desk.ask("POST", &path, json!({ "body": broken })).await.status, 400);
}

#[tokio::test]
async fn a_moved_issue_keeps_its_id_and_answers_to_its_old_key() {
    let desk = Desk::new("jira", &[]).await;
    let id = desk.create("moving").await;
    let old = desk.get(&format!("/rest/api/3/issue/{id}")).await.body["key"].as_str().unwrap().to_owned();
    let order = crate::vendor::Command::Other {
        verb: "move".to_owned(),
        id: id.clone(),
        fields: json!({ "project": "ENG" }).as_object().unwrap().clone(),
    };
    desk.sandbox.inner.vendor("jira").unwrap().command(&order, desk.now()).unwrap();
    let said = desk.get(&format!("/rest/api/3/issue/{old}")).await;
    assert_eq!(
        (said.body["id"].as_str().unwrap(), said.body["key"].as_str().unwrap()),
        (id.as_str(), "ENG-1")
    );
}

#[tokio::test]
async fn each_limit_says_which_one_it_is() {
    let desk = Desk::new("jira", &[]).await;
    let id = desk.create("busy").await;
    let path = format!("/rest/api/3/issue/{id}/properties/p");
    for _ in 0..20 {
        assert!(desk.ask("PUT", &path, json!(1)).await.status < 300);
    }
    let said = desk.ask("PUT", &path, json!(1)).await;
    assert_eq!((said.status, said.header("ratelimit-reason")), (429, "jira-per-issue-on-write"));
    let burst = Desk::new("jira", &[("burst_per_second", json!(2))]).await;
    let quota = Desk::new("jira", &[("quota_points_per_hour", json!(5))]).await;
    for (desk, reason, wait) in [(burst, "jira-burst-based", "1"), (quota, "jira-quota-tenant-based", "3600")]
    {
        for _ in 0..2 {
            assert_eq!(desk.get("/rest/api/3/myself").await.status, 200);
        }
        let said = desk.get("/rest/api/3/myself").await;
        assert_eq!((said.status, said.header("ratelimit-reason")), (429, reason));
        assert_eq!(said.header("retry-after"), wait);
        assert!(said.header("x-ratelimit-reset").parse::<Timestamp>().is_ok());
    }
}

#[tokio::test]
async fn an_sla_is_breached_by_the_clock_alone() {
    let desk = Desk::new("jira", &[]).await;
    let id = desk.create("slow").await;
    let path = format!("/rest/servicedeskapi/request/{id}/sla/1");
    let first = desk.get(&path).await.body;
    assert_eq!(first["ongoingCycle"]["breached"], false);
    let updated = desk.get(&format!("/rest/api/3/issue/{id}")).await.body["fields"]["updated"].clone();
    desk.pass(25 * 3_600).await;
    let second = desk.get(&path).await.body;
    assert_eq!(second["ongoingCycle"]["breached"], true);
    assert!(second["ongoingCycle"]["remainingTime"]["millis"].as_i64().unwrap() < 0);
    assert_eq!(desk.get(&format!("/rest/api/3/issue/{id}")).await.body["fields"]["updated"], updated);
}

#[tokio::test]
async fn a_webhook_is_signed_and_keeps_its_identifier_over_retries() {
    let desk = Desk::new("jira", &[]).await;
    desk.create("ringing").await;
    desk.pass(5).await;
    let rings = desk.sandbox.inner.stage.hooks.take(desk.now());
    assert_eq!(rings.len(), 1);
    let vendor = desk.sandbox.inner.vendor("jira").unwrap();
    let mut ring = rings[0].clone();
    let first = vendor.render(&ring, desk.now()).unwrap();
    let header = |rendered: &crate::hooks::Rendered, name: &str| {
        rendered.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(desk.word("webhook_secret").as_bytes()).unwrap();
    mac.update(&first.body);
    let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(header(&first, "X-Hub-Signature"), Some(expected));
    assert_eq!(header(&first, "X-Atlassian-Webhook-Retry"), None);
    let body: Value = serde_json::from_slice(&first.body).unwrap();
    assert_eq!(body["webhookEvent"], "jira:issue_created");
    // Refused for good, refused for now, and silence.
    assert_eq!(vendor.delivered(&ring, Some(404), desk.now()), None);
    for status in [Some(503), Some(429), None] {
        let again = vendor.delivered(&ring, status, desk.now()).unwrap().duration_since(desk.now()).as_secs();
        assert!((300..900).contains(&again), "{again}");
    }
    ring.attempt = 1;
    let second = vendor.render(&ring, desk.now()).unwrap();
    let identifier = |rendered| header(rendered, "X-Atlassian-Webhook-Identifier");
    assert_eq!(
        (identifier(&second), header(&second, "X-Atlassian-Webhook-Retry")),
        (identifier(&first), Some("1".to_owned()))
    );
    // Without a success for half an hour there is one attempt only.
    desk.pass(1_900).await;
    assert_eq!(vendor.delivered(&ring, Some(503), desk.now()), None);
}

#[tokio::test]
async fn a_history_loads_into_an_empty_site() {
    let desk = Desk::new("jira", &[]).await;
    let history: Value = serde_json::from_slice(&desk.sandbox.history("jira").unwrap()).unwrap();
    let other = Desk::new("jira", &[]).await;
    other.sandbox.inner.vendor("jira").unwrap().load(history.as_object().unwrap()).unwrap();
    let again: Value = serde_json::from_slice(&other.sandbox.history("jira").unwrap()).unwrap();
    assert_eq!(history["issues"].as_array().unwrap().len(), 25);
    assert_eq!(history["issues"], again["issues"]);
}
