//! Queries: nothing that stands in a value may change what is asked.

use super::super::paging::{Asked, Next, next};
use super::super::query::*;
use super::{config, instant};
use serde_json::json;

#[test]
fn a_value_with_a_caret_or_a_line_break_is_refused() {
    for (value, allowed) in [
        ("ann.lee", true),
        ("Ann O'Lee, Jr. (EU)", true),
        ("a^ORstate=1", false),
        ("a^NQ", false),
        ("a\nb", false),
        ("a\u{0}b", false),
    ] {
        assert_eq!(is_literal(value), allowed, "{value:?}");
    }
}

#[test]
fn configuration_cannot_smuggle_conditions() {
    for (more, key) in [
        (json!({ "user": "x^ORactive=true" }), "user"),
        (json!({ "user": "" }), "user"),
        (json!({ "scope": "active=true^NQactive=false" }), "scope"),
        (json!({ "scope": "active=true^ORDERBYnumber" }), "scope"),
        (json!({ "scope": "^active=true" }), "scope"),
        (json!({ "marks": { "severity": "u_x^y" } }), "marks.severity"),
        (json!({ "marks": { "severity": "" } }), "marks.severity"),
        (json!({ "columns": { "tier": "company.u tier" } }), "columns.tier"),
        (json!({ "fields": { "region": { "column": "u_region,x" } } }), "fields.region.column"),
        (json!({ "origin": "https://user:pw@acme.service-now.com" }), "origin"),
        (json!({ "origin": "https://acme.service-now.com/path" }), "origin"),
        (json!({ "page_size": 5 }), "page_size"),
        (json!({ "tables": [] }), "tables"),
    ] {
        let refused = config(more.clone()).validated().unwrap_err();
        assert!(refused.to_string().starts_with(&format!("{key}:")), "{more}: {refused}");
    }
    assert!(
        config(json!({ "scope": "priority=1^ORpriority=2^assignment_group.nameLIKEx" })).validated().is_ok()
    );
}

#[test]
fn only_columns_and_ids_of_the_vendors_grammar_pass() {
    for (name, valid) in [
        ("state", true),
        ("caller_id.user_name", true),
        ("u_x1", true),
        ("", false),
        ("a..b", false),
        ("A", false),
        ("a b", false),
    ] {
        assert_eq!(is_field(name), valid, "{name:?}");
    }
    for (id, valid) in [
        ("0a000000000000000000000000000001", true),
        ("0A000000000000000000000000000001", true),
        ("0a", false),
        ("0a00000000000000000000000000000^", false),
    ] {
        assert_eq!(is_sys_id(id), valid, "{id:?}");
    }
}

#[test]
fn instants_are_utc_with_whole_seconds() {
    let at = instant("2026-01-05T09:05:07+01:00");
    assert_eq!(stamp(at), "2026-01-05 08:05:07");
    assert_eq!(parse_stamp("2026-01-05 08:05:07"), Some(at));
    for text in ["", "yesterday", "2026-13-05 08:05:07", "2026-01-05", "05.01.2026 08:05:07"] {
        assert_eq!(parse_stamp(text), None, "{text:?}");
    }
}

#[test]
fn an_address_is_percent_encoded_whole() {
    let mut list = List::new("incident", "a=x&y#z^bIN1,2^ORDERBYsys_id", "sys_id,number", 10);
    list.counted = true;
    let path = list.path();
    assert!(
        path.starts_with("/api/now/table/incident?sysparm_query=a%3Dx%26y%23z%5EbIN1%2C2%5EORDERBYsys_id&"),
        "{path}"
    );
    assert!(!path.contains("no_count"));
    list.counted = false;
    assert!(list.path().contains("sysparm_no_count=true"));
}

#[test]
fn the_columns_of_a_scope_are_found() {
    let query = "active=true^priority=1^ORpriority=2^assignment_group.nameSTARTSWITHx^u_aISEMPTY";
    assert_eq!(fields_of(query), ["active", "priority", "priority", "assignment_group.name", "u_a"]);
}

#[test]
fn a_short_page_ends_nothing_unless_the_count_says_so() {
    let asked = |limit, offset, counted| Asked { limit, offset, counted };
    for (given, rows, total, expected) in [
        (asked(100, 0, false), 100, None, Next::Behind { counted: false }),
        (asked(100, 0, false), 30, None, Next::Behind { counted: true }),
        (asked(100, 0, false), 0, None, Next::Again { offset: 0 }),
        (asked(100, 0, true), 0, Some(0), Next::Done),
        (asked(100, 0, true), 30, Some(30), Next::Done),
        (asked(100, 0, true), 28, Some(30), Next::Done),
        (asked(1_000, 0, true), 120, Some(300), Next::Behind { counted: true }),
        (asked(1_000, 0, true), 0, Some(300), Next::Again { offset: 0 }),
        (asked(50, 0, true), 0, Some(300), Next::Again { offset: 50 }),
        (asked(50, 250, true), 0, Some(300), Next::Done),
        (asked(50, 250, true), 3, Some(400), Next::Behind { counted: true }),
        (asked(50, 0, true), 0, None, Next::Again { offset: 50 }),
        (asked(50, 50, true), 0, None, Next::Done),
        (asked(50, 1_000_000, true), 0, Some(9_000_000), Next::Lost),
    ] {
        assert_eq!(next(given, rows, total), expected, "{given:?} {rows} {total:?}");
    }
}

#[test]
fn the_setup_names_all_that_the_connector_uses() {
    let config = config(json!({
        "tables": ["incident", "sn_customerservice_case"],
        "marks": { "severity": "u_grade", "answer": "u_answer" },
        "webhook_secrets": ["hook-secret"],
    }));
    let text = super::super::setup(&config, "https://dutyd.example.com/hooks/here");
    for part in [
        "u_grade",
        "u_dutyd_why",
        "u_dutyd_marks",
        "u_answer",
        "sn_customerservice_case.work_notes",
        "https://dutyd.example.com/hooks/here",
        "\"hook-secret\"",
        "'x-dutyd-timestamp'",
        "'x-dutyd-signature'",
        "https://acme.service-now.com/incident_list.do?sysparm_query=active=true%5Eu_gradeINcandidate,critical%5EORDERBYDESCu_grade",
    ] {
        assert!(text.contains(part), "{part}");
    }
    for request in super::super::REQUESTS.iter().filter(|request| request.starts_with("GET")) {
        let table = request.trim_end_matches("/{sys_id}").rsplit('/').next().unwrap();
        assert!(text.contains(table), "no access rule for {table}");
    }
}
