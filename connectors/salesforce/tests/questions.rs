//! Literals, ids, conditions, addresses and errors, as tables.

use super::config;
use crate::salesforce::soql::{condition_fault, fields_of, parse_instant, quoted, record_id};
use crate::salesforce::wire::{budget, failure, next_path, session_is_over};
use crate::salesforce::write::bounded;
use crate::{ConnectorError, Response};
use dutyd_core::case::Status;
use proptest::prelude::*;
use serde_json::json;

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body: body.to_owned().into() }
}

/// Reads a literal the way the vendor does; the text, if it ends exactly at the closing quote.
fn unquoted(literal: &str) -> Option<String> {
    let mut letters = literal.strip_prefix('\'')?.chars();
    let mut text = String::new();
    loop {
        match letters.next()? {
            '\'' => return letters.next().is_none().then_some(text),
            '\\' => match letters.next()? {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

proptest! {
    #[test]
    fn a_literal_says_what_it_was_made_of_and_ends_where_it_should(text in "\\PC*['\\\\]{0,3}\\PC*") {
        prop_assert_eq!(unquoted(&quoted(&text)), Some(text));
    }

    #[test]
    fn a_condition_that_passes_cannot_leave_its_parentheses(text in "[a-zA-Z0-9_'\\\\() =<>,.]{0,40}") {
        if condition_fault(&text).is_none() {
            let (mut depth, mut inside, mut escaped) = (0_i32, false, false);
            for letter in text.chars() {
                match letter {
                    _ if escaped => escaped = false,
                    '\\' if inside => escaped = true,
                    '\'' => inside = !inside,
                    '(' if !inside => depth += 1,
                    ')' if !inside => depth -= 1,
                    _ => {}
                }
                prop_assert!(depth >= 0);
            }
            prop_assert!(!inside && depth == 0);
        }
    }
}

#[test]
fn ids_are_taken_by_their_grammar_only() {
    let cases = [
        ("500dz0000000001", Some("500dz0000000001AAA")),
        ("500dz0000000001AAA", Some("500dz0000000001AAA")),
        ("500dz0000000001aaa", Some("500dz0000000001AAA")),
        ("0012800000abCDe", Some("0012800000abCDeAAM")),
        ("500dz0000000001AAB", None),
        ("500dz000000000", None),
        ("500dz0000000001'--", None),
        ("", None),
        ("../../etc/passwd00", None),
        ("500dz000000000é", None),
    ];
    for (text, wanted) in cases {
        assert_eq!(record_id(text).as_deref(), wanted, "{text}");
    }
}

#[test]
fn instants_of_answers_are_read_with_and_without_a_colon() {
    let at = "2026-05-01T07:25:37Z".parse().ok();
    for text in ["2026-05-01T07:25:37.000+0000", "2026-05-01T07:25:37Z", "2026-05-01T09:25:37.000+0200"] {
        assert_eq!(parse_instant(text), at, "{text}");
    }
    for text in ["", "yesterday", "2026-05-01", "+0000", "é+000"] {
        assert_eq!(parse_instant(text), None, "{text}");
    }
}

#[test]
fn a_scope_is_a_condition_and_nothing_else() {
    for good in
        ["", "Origin = 'Web'", "(Type = 'a' OR Type = 'it\\'s (odd') AND Account.Tier__c IN ('x','y')"]
    {
        assert_eq!(condition_fault(good), None, "{good}");
    }
    for bad in [
        "Id != null LIMIT 1",
        "Id = 'x') OR (Id != null",
        "Id IN (SELECT Id FROM User)",
        "Id = 'x",
        "a; b",
        "a = 1 ORDER BY Id",
    ] {
        assert!(condition_fault(bad).is_some(), "{bad}");
        assert!(config(json!({ "scope": bad })).validated().is_err(), "{bad}");
    }
    assert_eq!(
        fields_of("Origin = 'Web and From' AND Account.Tier__c != null"),
        ["Origin", "Account.Tier__c"]
    );
}

#[test]
fn a_next_page_is_followed_by_a_path_of_the_vendors_kind_only() {
    assert!(next_path("/services/data/v66.0/query/0r8xx5R2yF2gs3VASQ-2000").is_ok());
    for bad in [
        "https://evil.example/services/data/v66.0/query/x",
        "//evil.example/services/data/v66.0/query/x",
        "/services/data/v66.0/query/../sobjects/User",
        "/services/data/v66.0/query/x?y=1",
        "/services/data/v66.0/sobjects/User",
        "/services/data/v66.0/query/",
        "",
    ] {
        assert!(next_path(bad).is_err(), "{bad}");
    }
}

#[test]
fn errors_mean_what_the_engine_can_do_about_them() {
    let date = [("date", "Fri, 01 May 2026 07:25:37 GMT")];
    let error = |status, code: &str, message: &str| {
        let body = json!([{ "errorCode": code, "message": message }]).to_string();
        failure(&answer(status, &date, &body)).unwrap()
    };
    let daily = error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.");
    let until = "2026-05-01T07:40:37Z".parse().ok();
    assert_eq!(daily, ConnectorError::Throttled { until });
    let at_once =
        error(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.");
    assert_eq!(at_once, ConnectorError::Throttled { until: None });
    assert!(matches!(error(401, "INVALID_SESSION_ID", "x"), ConnectorError::SignedOut { .. }));
    assert!(matches!(error(403, "API_DISABLED_FOR_ORG", "x"), ConnectorError::SignedOut { .. }));
    assert!(matches!(error(400, "UNABLE_TO_LOCK_ROW", "x"), ConnectorError::Unavailable { .. }));
    assert!(matches!(error(400, "QUERY_TIMEOUT", "x"), ConnectorError::Unavailable { .. }));
    assert!(matches!(error(500, "UNKNOWN_EXCEPTION", "x"), ConnectorError::Unavailable { .. }));
    assert!(matches!(
        error(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "x"),
        ConnectorError::Refused { status: 400, .. }
    ));
    assert!(matches!(error(404, "ENTITY_IS_DELETED", "x"), ConnectorError::Refused { status: 404, .. }));
    let page = answer(503, &[("content-type", "text/html")], "<html>");
    assert!(matches!(failure(&page), Some(ConnectorError::Unavailable { .. })));
    let signed = answer(200, &[("content-type", "text/html")], "<html>log in</html>");
    assert!(matches!(failure(&signed), Some(ConnectorError::Unavailable { .. })));
    for body in ["", "null", "{}", "[[[[", "\u{0}", "[{\"errorCode\": 3}]"] {
        assert!(failure(&answer(400, &[], body)).is_some(), "{body:?}");
    }
}

#[test]
fn only_a_session_that_ended_asks_for_a_new_one() {
    let body = |message: &str| json!([{ "message": message, "errorCode": "INVALID_SESSION_ID" }]).to_string();
    assert!(session_is_over(&answer(401, &[], &body("Session expired or invalid"))));
    assert!(!session_is_over(&answer(
        401,
        &[],
        &body("This session is not valid for use with the REST API")
    )));
    assert!(!session_is_over(&answer(401, &[], &body("Connected app is not attached to Agent"))));
    assert!(session_is_over(&answer(403, &[], "Bad_OAuth_Token")));
    assert!(!session_is_over(&answer(403, &[], &body("no"))));
}

#[test]
fn the_limit_header_is_read_in_all_its_spellings() {
    for header in [
        "api-usage=18/5000",
        "api-usage=18/5000; api-bursts=1/750",
        "per-app-api-usage=17/250(appName=x); api-usage=18/5000",
    ] {
        let found = budget(&answer(200, &[("sforce-limit-info", header)], "")).unwrap();
        assert_eq!((found.limit, found.remaining), (Some(5_000), Some(4_982)), "{header}");
    }
    assert_eq!(budget(&answer(200, &[("sforce-limit-info", "nonsense")], "")), None);
    let dated = [("sforce-limit-info", "api-usage=4800/5000"), ("date", "Mon, 02 Mar 2026 09:00:00 GMT")];
    let found = budget(&answer(200, &dated, "")).unwrap();
    assert_eq!(found.resets_at, "2026-03-02T09:15:00Z".parse().ok(), "the day never ends: looked at anew");
}

#[test]
fn a_long_note_keeps_its_marker_and_fits() {
    for body in ["é".repeat(5_000), "short\n[dutyd:aabbccddeeff]".to_owned(), String::new()] {
        let note = bounded("aabbccddeeff", &body);
        assert!(note.len() <= 4_000);
        assert!(note.ends_with("\n[dutyd:aabbccddeeff]"));
        assert_eq!(note.matches("[dutyd:").count(), 1);
    }
}

#[test]
fn statuses_and_priorities_are_read_by_their_names_unless_told_otherwise() {
    let config =
        config(json!({ "statuses": { "With Engineering": "on_hold" }, "priorities": { "Blocker": 1 } }));
    for (name, status) in [
        ("New", Status::New),
        ("Working", Status::Open),
        ("Escalated", Status::Open),
        ("Waiting on Customer", Status::Pending),
        ("On Hold", Status::OnHold),
        ("with engineering", Status::OnHold),
        ("Resolved", Status::Resolved),
        ("Closed", Status::Closed),
        ("Something else", Status::Open),
        ("Pending", Status::Pending),
        ("Awaiting reply", Status::Pending),
        ("Waiting for more information", Status::Pending),
        ("With Client", Status::Pending),
        ("On Hold - Customer", Status::Pending),
        ("Customer Responded", Status::Open),
        ("Updated by Customer", Status::Open),
        ("Awaiting Customer - Replied", Status::Open),
        ("Customer Escalation", Status::Open),
        ("Waiting on Support", Status::Open),
        ("Waiting for Agent", Status::Open),
        ("Pending Internal", Status::Open),
        ("Stakeholder Review", Status::Open),
        ("Waiting on Third Party", Status::OnHold),
        ("With Vendor", Status::OnHold),
        ("Vendor Responded", Status::Open),
        ("Unresolved", Status::Open),
        ("Duplicate", Status::Closed),
    ] {
        assert_eq!(config.status(name), status, "{name}");
    }
    for (name, number) in
        [("Critical", 1), ("High", 2), ("Medium", 3), ("Low", 4), ("P2", 2), ("4 - Minor", 4), ("blocker", 1)]
    {
        assert_eq!(config.priority(name).map(|priority| priority.0), Some(number), "{name}");
    }
    assert_eq!(config.priority("Whenever you like"), None);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_its_key() {
    for (key, value) in [
        ("origin", json!("https://login.salesforce.com")),
        ("origin", json!("https://acme.my.salesforce.com/x")),
        ("overlap_seconds", json!(60)),
        ("page_size", json!(5_000)),
        ("api_version", json!("58.0")),
        ("user", json!(" ")),
        ("columns", json!({ "tier": "Account.Tier__c, Id" })),
        ("marks", json!({ "severity": "Status" })),
    ] {
        let error = config(json!({ key: value })).validated().unwrap_err().to_string();
        assert!(error.starts_with(key), "{key}: {error}");
    }
    assert!(config(json!({})).validated().is_ok());
}
