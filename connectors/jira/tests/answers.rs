//! What answers and webhooks mean.

use super::config;
use crate::jira::answer::{accepted, budget, message, parsed};
use crate::jira::config::Flavour;
use crate::jira::hook;
use crate::jira::marks::Property;
use crate::jira::write::edit;
use crate::{ConnectorError, Delivery, Response};
use dutyd_core::action::{Marker, Want};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};

/// Names and values of headers.
type Headers<'a> = &'a [(&'a str, &'a str)];

fn now() -> Timestamp {
    "2026-11-21T09:30:00Z".parse().expect("a time")
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body: body.to_owned().into() }
}

#[test]
fn each_envelope_is_read() {
    let table = [
        (r#"{"errorMessages":["Issue does not exist"],"errors":{}}"#, "Issue does not exist"),
        (r#"{"errorMessages":[],"errors":{"labels":"cannot be set"}}"#, "labels: cannot be set"),
        (r#"{"errors":[{"message":"no"}]}"#, "no"),
        (r#"{"message":"Client must be authenticated","status-code":401}"#, "Client must be authenticated"),
        (
            r#"{"code":401,"message":"Unauthorized; scope does not match"}"#,
            "Unauthorized; scope does not match",
        ),
        (r#"{"errorMessage":"not found"}"#, "not found"),
        (r#"{"type":"about:blank","detail":"No endpoint GET /x."}"#, "No endpoint GET /x."),
        ("<html>sorry</html>", "<html>sorry</html>"),
        ("", ""),
        ("[1]", "[1]"),
    ];
    for (body, expected) in table {
        assert_eq!(message(body.as_bytes()), expected);
    }
    assert!(message("x".repeat(10_000).as_bytes()).len() <= 500);
}

/// The name of the error.
fn kind(result: Result<Response, ConnectorError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(ConnectorError::Throttled { .. }) => "throttled",
        Err(ConnectorError::Unavailable { .. }) => "unavailable",
        Err(ConnectorError::Unknown { .. }) => "unknown",
        Err(ConnectorError::SignedOut { .. }) => "signed out",
        Err(ConnectorError::Refused { .. }) => "refused",
        Err(ConnectorError::Sealed { .. }) => "sealed",
        Err(ConnectorError::Malformed { .. }) => "malformed",
    }
}

#[test]
fn each_status_has_one_meaning() {
    let table: [(u16, Headers<'_>, bool, &str); 15] = [
        (200, &[], true, "ok"),
        (204, &[], true, "ok"),
        (200, &[("x-ausername", "anonymous")], false, "signed out"),
        (200, &[("x-seraph-loginreason", "AUTHENTICATED_FAILED")], false, "signed out"),
        (200, &[("x-seraph-loginreason", "OK")], false, "ok"),
        (401, &[], false, "signed out"),
        (403, &[], true, "refused"),
        (403, &[("x-authentication-denied-reason", "CAPTCHA_CHALLENGE")], true, "signed out"),
        (400, &[], true, "refused"),
        (404, &[], true, "refused"),
        (409, &[], true, "unavailable"),
        (413, &[], true, "refused"),
        (429, &[], true, "throttled"),
        (503, &[], false, "unavailable"),
        (503, &[], true, "unknown"),
    ];
    for (status, headers, writing, expected) in table {
        assert_eq!(
            kind(accepted(response(status, headers, "{}"), writing, now())),
            expected,
            "{status} {headers:?}"
        );
    }
    assert_eq!(
        kind(accepted(response(302, &[("location", "https://evil.example")], ""), false, now())),
        "unavailable"
    );
}

#[test]
fn a_throttle_tells_its_end_where_the_vendor_does() {
    let table: [(Headers<'_>, Option<i64>); 9] = [
        (&[("retry-after", "7")], Some(7)),
        (&[("retry-after", "Sat, 21 Nov 2026 09:31:00 GMT")], Some(60)),
        (&[("retry-after", "-1")], None),
        (&[("retry-after", "NaN")], None),
        (&[("retry-after", "1000000000000")], None),
        (&[("x-ratelimit-reset", "2026-11-21T10:00:00Z")], Some(1_800)),
        (
            &[
                ("retry-after", "5"),
                ("x-ratelimit-reset", "2026-11-21T10:00:00Z"),
                ("ratelimit-reason", "jira-quota-tenant-based"),
            ],
            Some(1_800),
        ),
        (
            &[
                ("retry-after", "5"),
                ("x-ratelimit-reset", "2026-11-21T10:00:00Z"),
                ("ratelimit-reason", "jira-burst-based"),
            ],
            Some(5),
        ),
        (&[], None),
    ];
    for (headers, expected) in table {
        let expected = expected.map(|seconds| now() + SignedDuration::from_secs(seconds));
        let error = accepted(response(429, headers, ""), false, now()).expect_err("a throttle");
        assert_eq!(error, ConnectorError::Throttled { until: expected }, "{headers:?}");
    }
}

#[test]
fn a_page_for_people_or_half_an_answer_is_no_bad_record() {
    let unavailable =
        |response| matches!(parsed::<Value>(response, "x", now()), Err(ConnectorError::Unavailable { .. }));
    assert!(unavailable(response(200, &[("content-type", "text/html")], "<html>")));
    assert!(unavailable(response(200, &[], "{\"issues\":[{\"id\":")));
    let malformed = parsed::<Value>(response(200, &[], "{\"a\":nope}"), "x", now());
    assert!(matches!(malformed, Err(ConnectorError::Malformed { .. })));
}

#[test]
fn rate_headers_are_a_budget() {
    let read = budget(&response(200, &[("x-ratelimit-limit", "350"), ("x-ratelimit-remaining", "12")], ""));
    assert_eq!(read.and_then(|budget| budget.remaining), Some(12));
    assert_eq!(budget(&response(200, &[("x-ratelimit-limit", "many")], "")), None);
}

fn delivery(headers: &[(&str, &str)], body: &str) -> Delivery {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Delivery { headers, body: body.to_owned().into() }
}

fn signed(secret: &str, body: &str) -> Delivery {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    delivery(&[("x-hub-signature", &signature), ("x-atlassian-webhook-identifier", "d-1")], body)
}

fn secrets() -> Vec<SecretString> {
    vec!["old".to_owned().into(), "It's a Secret to Everybody".to_owned().into()]
}

#[test]
fn the_vendors_own_example_of_a_signature_verifies() {
    let signature = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";
    // Verified, and then found not to be JSON.
    let verdict =
        hook::hints("jira", &secrets(), &delivery(&[("x-hub-signature", signature)], "Hello World!"));
    assert!(matches!(verdict, Err(ConnectorError::Malformed { .. })), "{verdict:?}");
    for wrong in ["", "sha256=", "sha1=a4771c", "sha256=zz", &signature[7..], &signature.replace('a', "b")] {
        let verdict =
            hook::hints("jira", &secrets(), &delivery(&[("x-hub-signature", wrong)], "Hello World!"));
        assert!(matches!(verdict, Err(ConnectorError::Refused { status: 401, .. })), "{wrong}: {verdict:?}");
    }
    assert!(hook::hints("jira", &[], &signed("", "{}")).is_err(), "without a secret nothing is accepted");
}

#[test]
fn a_webhook_names_its_issue_in_each_of_its_clothes() {
    let table = [
        (json!({ "webhookEvent": "jira:issue_updated", "issue": { "id": "10002" } }), vec!["10002"]),
        (json!({ "webhookEvent": "jira:issue_deleted", "issue": { "id": 10002 } }), vec!["10002"]),
        (
            json!({ "webhookEvent": "comment_created", "comment": { "self": "https://x/rest/api/2/issue/10003/comment/1" } }),
            vec!["10003"],
        ),
        (
            json!({ "webhookEvent": "issuelink_created", "issueLink": { "sourceIssueId": 5, "destinationIssueId": 6 } }),
            vec!["5", "6"],
        ),
        (json!({ "issue": { "id": "../../secret" } }), vec![]),
        (json!({ "webhookEvent": "project_created" }), vec![]),
        (json!(null), vec![]),
    ];
    for (body, expected) in table {
        let hints =
            hook::hints("jira", &secrets(), &signed("old", &body.to_string())).expect("a genuine delivery");
        assert_eq!(hints.iter().map(|hint| &*hint.key.id).collect::<Vec<_>>(), expected, "{body}");
        assert!(
            hints.iter().all(|hint| hint.delivery_id.as_deref() == Some("d-1") && hint.revision.is_none())
        );
    }
}

#[test]
fn an_edit_says_only_what_changes() {
    let marker = Marker::from_line("v1 waits@aaaaaaaaaaaa:warning:1790000000").expect("a marker");
    let (mark, why) = (Want::Mark(Some(marker.clone())), Want::Why(Some("waits".to_owned())));
    let nothing = Property::default();
    let first = edit(&["vip".to_owned()], &nothing, [&mark, &why]);
    assert_eq!(first.labels, [json!({ "add": "dutyd" }), json!({ "add": "dutyd-warning" })]);
    let shown = first.property.expect("a property");
    assert_eq!(shown, Property { marks: Some(marker.to_line()), why: Some("waits".to_owned()) });
    let labels: Vec<String> = ["vip", "dutyd", "dutyd-warning"].map(String::from).into();
    let again = edit(&labels, &shown, [&mark, &why]);
    assert!(again.labels.is_empty() && again.property.is_none(), "what is shown is not written again");
    let gone = edit(&labels, &shown, [&Want::Mark(None), &Want::Why(None)]);
    assert_eq!(gone.labels, [json!({ "remove": "dutyd" }), json!({ "remove": "dutyd-warning" })]);
    assert!(gone.property.expect("a change").is_empty());
    let only_why = edit(&labels, &shown, [&Want::Why(Some("waits longer".to_owned()))]);
    assert!(only_why.labels.is_empty());
    assert_eq!(only_why.property.and_then(|property| property.marks), Some(marker.to_line()));
}

#[test]
fn what_an_administrator_is_told_names_no_secret_and_each_step() {
    let config = config(Flavour::Cloud, json!({ "projects": ["SUP"] }));
    let text = crate::jira::setup(&config, "https://dutyd.example/hooks/jira");
    for part in [
        "https://dutyd.example/hooks/jira",
        "Browse Projects, Edit Issues, Add Comments",
        "project in (SUP)",
        "`w`",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}
