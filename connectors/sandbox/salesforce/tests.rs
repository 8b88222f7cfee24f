//! The org as clients see it: sessions, queries, pages, writes, several in one, limits, deletion.
//! Everything is called in-process on stepped time.

mod clients;

use crate::{Options, Sandbox};
use axum::body::Body;
use serde_json::{Value, json};
use tower::ServiceExt;

const DATA: &str = "/services/data/v66.0";

struct Org {
    sandbox: Sandbox,
    token: String,
}

impl Org {
    async fn new(switches: &[(&str, Value)]) -> Org {
        let switch =
            |(name, value): &(&str, Value)| ("salesforce".to_owned(), (*name).to_owned(), value.clone());
        let options = Options {
            calm: true,
            vendors: vec!["salesforce".to_owned()],
            cases: 12,
            past_days: 5,
            stepped_from: "2026-03-02T09:00:00Z".parse().ok(),
            switches: switches.iter().map(switch).collect(),
            ..Options::default()
        };
        let mut org = Org { sandbox: Sandbox::build(&options).await.unwrap(), token: String::new() };
        let (_, answer) = org.grant("client_credentials", &org.client()).await;
        org.token = answer["access_token"].as_str().unwrap().to_owned();
        org
    }

    fn endpoints(&self) -> Value {
        self.sandbox.inner.endpoints()["salesforce"].clone()
    }

    fn client(&self) -> Vec<(&'static str, String)> {
        let endpoints = self.endpoints();
        let text = |name: &str| endpoints[name].as_str().unwrap().to_owned();
        vec![("client_id", text("client_id")), ("client_secret", text("client_secret"))]
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> (u16, Value, Vec<(String, String)>) {
        let mut request = axum::http::Request::builder().method(method).uri(path).header("host", "here:1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let Ok(answer) =
            self.sandbox.router("salesforce").unwrap().oneshot(request.body(Body::from(body)).unwrap()).await;
        let status = answer.status().as_u16();
        let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let text = || if body.is_empty() { Value::Null } else { json!(String::from_utf8_lossy(&body)) };
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| text()), headers)
    }

    async fn grant(&self, grant: &str, fields: &[(&str, String)]) -> (u16, Value) {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", grant);
        form.extend_pairs(fields);
        let (status, body, _) = self.send("POST", "/services/oauth2/token", &[], form.finish()).await;
        (status, body)
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("sforce-auto-assign", "FALSE")];
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let (status, body, _) = self.send(method, &format!("{DATA}/{path}"), &headers, text).await;
        (status, body)
    }

    async fn query(&self, soql: &str) -> (u16, Value) {
        let pair = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", soql).finish();
        self.call("GET", &format!("query?{pair}"), Value::Null).await
    }

    async fn rows(&self, soql: &str) -> Vec<Value> {
        let (status, body) = self.query(soql).await;
        assert_eq!(status, 200, "{soql}: {body}");
        body["records"].as_array().unwrap().clone()
    }

    async fn a_case(&self) -> String {
        self.rows("SELECT Id FROM Case WHERE IsClosed = false ORDER BY Id LIMIT 1").await[0]["Id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn control(&self, verb: &str, id: &str, body: Value) {
        let path = format!("/_sandbox/cases/salesforce/{id}/{verb}");
        let request = axum::http::Request::builder()
            .method("POST")
            .uri(path)
            .body(Body::from(body.to_string()))
            .unwrap();
        let Ok(answer) = self.sandbox.control_router().oneshot(request).await;
        assert!(answer.status().is_success(), "{verb}");
    }

    async fn pass(&self, seconds: i64) {
        let to = self.sandbox.inner.stage.clock.now() + jiff::SignedDuration::from_secs(seconds);
        self.sandbox.inner.stepper.advance(to).await;
    }
}

fn code(body: &Value) -> &str {
    body[0]["errorCode"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn each_grant_opens_a_session_and_each_refusal_says_why() {
    let org = Org::new(&[]).await;
    let endpoints = org.endpoints();
    let text = |name: &str| endpoints[name].as_str().unwrap().to_owned();
    let wrong = [("client_id", text("client_id")), ("client_secret", "wrong".to_owned())];
    assert_eq!(
        org.grant("client_credentials", &wrong).await,
        (400, json!({ "error": "invalid_client", "error_description": "invalid client credentials" }))
    );
    let now = org.sandbox.inner.stage.clock.now().as_second();
    let assertion = |audience: &str, ends: i64, user: &str| {
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(text("jwt_private_key_pem").as_bytes()).unwrap();
        let claims = json!({ "iss": text("client_id"), "sub": user, "aud": audience, "exp": ends });
        jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256), &claims, &key)
            .unwrap()
    };
    let login = "https://login.salesforce.com";
    let user = text("username");
    for (assertion, wanted) in [
        (assertion(login, now + 180, &user), None),
        (assertion(login, now * 1_000 + 300, &user), None),
        (assertion("https://elsewhere.example", now + 180, &user), Some("audience is invalid")),
        (assertion(login, now - 1, &user), Some("expired authorization code")),
        (assertion(login, now + 180, "nobody@nowhere"), Some("user hasn't approved this consumer")),
        ("e30.e30.AAAA".to_owned(), Some("invalid assertion")),
    ] {
        let (status, body) =
            org.grant("urn:ietf:params:oauth:grant-type:jwt-bearer", &[("assertion", assertion)]).await;
        assert_eq!(body["error_description"].as_str(), wanted, "{body}");
        assert_eq!(status, if wanted.is_some() { 400 } else { 200 });
        assert!(wanted.is_some() || body["instance_url"] == "http://here:1");
    }
}

#[tokio::test]
async fn a_session_lives_while_it_is_used_and_ends_after_two_idle_hours() {
    let org = Org::new(&[]).await;
    for _ in 0..3 {
        org.pass(7_000).await;
        assert_eq!(org.query("SELECT COUNT() FROM Case").await.0, 200);
    }
    org.pass(7_300).await;
    let (status, body) = org.query("SELECT COUNT() FROM Case").await;
    assert_eq!((status, code(&body)), (401, "INVALID_SESSION_ID"));
}

#[tokio::test]
async fn what_soql_refuses_is_refused_in_the_vendors_words() {
    let org = Org::new(&[]).await;
    for (soql, wanted) in [
        ("SELECT Foo FROM Case", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Id FROM Case WHERE SystemModstamp > '2026-03-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Case WHERE SystemModstamp > 2026-03-01T00:00:00.000+0000", "MALFORMED_QUERY"),
        ("SELECT Id FROM Case WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM CaseHistory WHERE NewValue = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Case ORDER BY Description", "MALFORMED_QUERY"),
        ("SELECT Id FROM Case WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Case WHERE IsClosed = true OR IsClosed = false AND Id != null", "MALFORMED_QUERY"),
        ("SELECT Id FROM Case WHERE Subject = 'open", "MALFORMED_QUERY"),
        ("SELECT Id FROM CaseMilestone", "INVALID_TYPE"),
        ("SELECT Id, Id FROM Case", "MALFORMED_QUERY"),
        ("DELETE FROM Case", "MALFORMED_QUERY"),
        ("", "MALFORMED_QUERY"),
    ] {
        let (status, body) = org.query(soql).await;
        assert_eq!((status, code(&body)), (400, wanted), "{soql}: {body}");
    }
}

#[tokio::test]
async fn what_soql_answers_is_what_was_asked() {
    let org = Org::new(&[]).await;
    let all = org.rows("SELECT Id, Subject, SystemModstamp FROM Case ORDER BY SystemModstamp, Id").await;
    assert_eq!(all.len(), 12);
    let (id, at) =
        (all[4]["Id"].as_str().unwrap(), all[4]["SystemModstamp"].as_str().unwrap().replace("+0000", "Z"));
    let behind = format!(
        "SELECT Id FROM Case WHERE ((SystemModstamp = {at} AND Id > '{id}') OR SystemModstamp > {at}) ORDER BY SystemModstamp, Id LIMIT 3"
    );
    let ids: Vec<&Value> = all[5..8].iter().map(|row| &row["Id"]).collect();
    assert_eq!(org.rows(&behind).await.iter().map(|row| &row["Id"]).collect::<Vec<_>>(), ids);
    for (condition, count) in [
        ("Id = '500dz0000000001'", 1),
        ("Subject LIKE '%'", 12),
        ("NOT Subject LIKE '%'", 0),
        ("Account.Name != null AND (IsClosed = true OR IsClosed = false)", 12),
        ("Id NOT IN ('500dz0000000001AAA')", 11),
        ("CreatedDate = LAST_N_DAYS:30", 12),
        ("Subject = 'O\\'Nobody'", 0),
    ] {
        let (status, body) = org.query(&format!("SELECT COUNT() FROM Case WHERE {condition}")).await;
        assert_eq!((status, &body["totalSize"]), (200, &json!(count)), "{condition}: {body}");
    }
    let (_, page) =
        org.query("SELECT Id, Owner.Name, Account.Name, (SELECT Id FROM Histories) FROM Case LIMIT 1").await;
    let row = &page["records"][0];
    assert!(row["Owner"]["attributes"]["type"] == "Name" && row["Owner"]["Name"].is_string());
    assert!(row["Account"]["Name"].is_string() && row["Histories"]["totalSize"].as_u64() > Some(0), "{row}");
}

#[tokio::test]
async fn pages_go_on_behind_locators_of_their_own_user() {
    let org = Org::new(&[]).await;
    let case = org.a_case().await;
    for number in 0..30 {
        for part in 0..10 {
            let text = format!("{number} {part}");
            org.control("reply", &case, json!({ "from": "agent", "public": false, "text": text })).await;
        }
    }
    let bearer = format!("Bearer {}", org.token);
    let headers = [("authorization", bearer.as_str()), ("sforce-query-options", "batchSize=1")];
    let path = format!("{DATA}/query?q=SELECT+Id+FROM+CaseComment+WHERE+IsPublished=false");
    let (_, first, _) = org.send("GET", &path, &headers, String::new()).await;
    assert_eq!(
        (first["records"].as_array().unwrap().len(), &first["done"]),
        (200, &json!(false)),
        "200 is the least"
    );
    let next =
        first["nextRecordsUrl"].as_str().unwrap().strip_prefix("/services/data/v66.0/").unwrap().to_owned();
    let (_, second) = org.call("GET", &next, Value::Null).await;
    assert_eq!(second["done"], true);
    assert_eq!(
        second["records"].as_array().unwrap().len() as u64 + 200,
        first["totalSize"].as_u64().unwrap()
    );
    org.pass(2 * 3_600 - 10).await;
    for wrong in ["query/0r8dz0000000009AAA-200", "query/nonsense"] {
        let (status, body) = org.call("GET", wrong, Value::Null).await;
        assert_eq!((status, code(&body)), (400, "INVALID_QUERY_LOCATOR"), "{wrong}");
    }
}

#[tokio::test]
async fn a_write_stamps_tells_the_history_and_leaves_the_owner_only_when_told_to() {
    let org = Org::new(&[]).await;
    let case = org.a_case().await;
    let path = format!("sobjects/Case/{case}");
    let owner = org.call("GET", &path, Value::Null).await.1["OwnerId"].clone();
    org.pass(5).await;
    assert_eq!(org.call("PATCH", &path, json!({ "Status": "Closed", "Priority": "Low" })).await.0, 204);
    let (_, row) = org.call("GET", &path, Value::Null).await;
    assert_eq!(
        (&row["IsClosed"], &row["OwnerId"], &row["SystemModstamp"]),
        (&json!(true), &owner, &json!("2026-03-02T09:00:05.000+0000"))
    );
    let history = org.rows(&format!("SELECT Field, NewValue FROM CaseHistory WHERE CaseId = '{case}' AND CreatedDate >= 2026-03-02T09:00:05Z")).await;
    let told = |field: &str| history.iter().any(|row| row["Field"] == field);
    assert!(told("closed") && told("Status"), "{history:?}");
    let bearer = format!("Bearer {}", org.token);
    let headers = [("authorization", bearer.as_str())];
    org.send("PATCH", &format!("{DATA}/{path}"), &headers, json!({ "Subject": "x" }).to_string()).await;
    let (_, stolen) = org.call("GET", &format!("{path}?fields=OwnerId"), Value::Null).await;
    assert_ne!(stolen["OwnerId"], owner, "the assignment rule took it");
    let names = org.rows(&format!("SELECT OldValue, NewValue FROM CaseHistory WHERE CaseId = '{case}' AND Field = 'Owner' AND CreatedDate >= 2026-03-02T09:00:05Z")).await;
    assert_eq!(names.len(), 2, "one row with the names, one with the ids");
}

#[tokio::test]
async fn what_may_not_be_written_is_refused_with_the_field() {
    let org = Org::new(&[]).await;
    let case = org.a_case().await;
    let path = format!("sobjects/Case/{case}");
    for (fields, wanted) in [
        (json!({ "IsClosed": true }), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({ "Nothing__c": 1 }), "INVALID_FIELD"),
        (json!({ "Subject": "x".repeat(256) }), "STRING_TOO_LONG"),
        (json!({ "Dutyd_Severity__c": "terrible" }), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (json!({ "OwnerId": "nobody" }), "MALFORMED_ID"),
    ] {
        let (status, body) = org.call("PATCH", &path, fields.clone()).await;
        assert_eq!((status, code(&body)), (400, wanted), "{fields}");
    }
    let note = json!({ "ParentId": case, "CommentBody": "é".repeat(2_001) });
    assert_eq!(
        code(&org.call("POST", "sobjects/CaseComment", note).await.1),
        "STRING_TOO_LONG",
        "counted in bytes"
    );
    let bearer = format!("Bearer {}", org.token);
    let since =
        [("authorization", bearer.as_str()), ("if-unmodified-since", "Mon, 05 Jan 2015 00:00:00 GMT")];
    let (status, ..) =
        org.send("PATCH", &format!("{DATA}/{path}"), &since, json!({ "Subject": "x" }).to_string()).await;
    assert_eq!(status, 412);
}

#[tokio::test]
async fn a_series_happens_whole_or_not_at_all_and_costs_one_call() {
    let org = Org::new(&[]).await;
    let case = org.a_case().await;
    let part = |method: &str, path: String, reference: &str, body: Value| {
        json!({ "method": method, "url": format!("{DATA}/{path}"), "referenceId": reference, "body": body,
                "httpHeaders": { "Sforce-Auto-Assign": "FALSE" } })
    };
    let series = |length: usize| {
        json!({ "allOrNone": true, "compositeRequest": [
            part("PATCH", format!("sobjects/Case/{case}"), "fields", json!({ "Subject": "in one" })),
            part("POST", "sobjects/CaseComment".to_owned(), "note", json!({ "ParentId": case, "CommentBody": "x".repeat(length) })),
            part("GET", "sobjects/CaseComment/@{note.id}".to_owned(), "after", Value::Null),
        ]})
    };
    let codes = |body: &Value| {
        body["compositeResponse"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["httpStatusCode"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let (status, body) = org.call("POST", "composite", series(5_000)).await;
    assert_eq!((status, codes(&body)), (200, vec![400, 400, 400]));
    assert_eq!(code(&body["compositeResponse"][0]["body"]), "PROCESSING_HALTED");
    assert_eq!(code(&body["compositeResponse"][1]["body"]), "STRING_TOO_LONG");
    assert_eq!(org.rows("SELECT Id FROM Case WHERE Subject = 'in one'").await.len(), 0);
    let used =
        org.call("GET", "limits", Value::Null).await.1["DailyApiRequests"]["Remaining"].as_u64().unwrap();
    let (_, body) = org.call("POST", "composite", series(5)).await;
    assert_eq!(codes(&body), [204, 201, 200]);
    let now =
        org.call("GET", "limits", Value::Null).await.1["DailyApiRequests"]["Remaining"].as_u64().unwrap();
    assert_eq!(used - now, 2, "the series and the question about the limits");
}

#[tokio::test]
async fn a_collection_has_a_verdict_at_each_place() {
    let org = Org::new(&[]).await;
    let case = org.a_case().await;
    let record = |id: &str| json!({ "attributes": { "type": "Case" }, "id": id, "Subject": "together" });
    let records = json!([record(&case), record("500dz000000zzzzAAA"), record("500dz0000000002AAA")]);
    let (_, body) =
        org.call("PATCH", "composite/sobjects", json!({ "allOrNone": false, "records": records })).await;
    let success: Vec<&Value> = body.as_array().unwrap().iter().map(|verdict| &verdict["success"]).collect();
    assert_eq!(success, [true, false, true]);
    assert_eq!(body[1]["errors"][0]["statusCode"], "INVALID_CROSS_REFERENCE_KEY");
    let (_, body) =
        org.call("PATCH", "composite/sobjects", json!({ "allOrNone": true, "records": records })).await;
    assert_eq!(body[0]["errors"][0]["statusCode"], "ALL_OR_NONE_OPERATION_ROLLED_BACK");
}

#[tokio::test]
async fn deleted_and_merged_cases_stand_in_query_all_only() {
    let org = Org::new(&[]).await;
    let ids = org.rows("SELECT Id FROM Case ORDER BY Id LIMIT 3").await;
    let id = |nth: usize| ids[nth]["Id"].as_str().unwrap().to_owned();
    org.control("delete", &id(0), json!({})).await;
    org.control("merge", &id(1), json!({ "into": id(2) })).await;
    let (status, body) = org.call("GET", &format!("sobjects/Case/{}", id(0)), Value::Null).await;
    assert_eq!((status, code(&body)), (404, "ENTITY_IS_DELETED"));
    assert_eq!(org.rows("SELECT Id FROM Case").await.len(), 10);
    let all = org
        .call("GET", "queryAll?q=SELECT+Id,MasterRecordId+FROM+Case+WHERE+IsDeleted=true", Value::Null)
        .await
        .1;
    let masters: Vec<&Value> =
        all["records"].as_array().unwrap().iter().map(|row| &row["MasterRecordId"]).collect();
    assert_eq!(masters, [&Value::Null, &json!(id(2))]);
    org.control("undelete", &id(0), json!({})).await;
    assert_eq!(org.rows("SELECT Id FROM Case").await.len(), 11);
}

#[tokio::test]
async fn switches_play_the_orgs_that_differ() {
    let org = Org::new(&[("daily_limit", json!(3)), ("api_bursts", json!(true))]).await;
    let bearer = format!("Bearer {}", org.token);
    let headers = [("authorization", bearer.as_str())];
    let (_, _, told) = org.send("GET", &format!("{DATA}/limits"), &headers, String::new()).await;
    assert!(told.contains(&("sforce-limit-info".to_owned(), "api-usage=1/3; api-bursts=1/750".to_owned())));
    org.query("SELECT COUNT() FROM Case").await;
    org.query("SELECT COUNT() FROM Case").await;
    let (status, body) = org.query("SELECT COUNT() FROM Case").await;
    assert_eq!((status, code(&body)), (403, "REQUEST_LIMIT_EXCEEDED"));
    let org = Org::new(&[("locked_rows", json!(1)), ("rights", json!("minimum"))]).await;
    let path = format!("sobjects/Case/{}", org.a_case().await);
    let mark = json!({ "Dutyd_Why__c": "waits" });
    assert_eq!(code(&org.call("PATCH", &path, mark.clone()).await.1), "UNABLE_TO_LOCK_ROW");
    assert_eq!(org.call("PATCH", &path, mark).await.0, 204);
    assert_eq!(
        code(&org.call("PATCH", &path, json!({ "Subject": "x" })).await.1),
        "INVALID_FIELD_FOR_INSERT_UPDATE"
    );
}
