//! Answers: which failure each one is, whatever the bytes.

use super::super::wire::{Cell, Problem, Row, budget, listed, record};
use super::{answer, instant};
use crate::ConnectorError;
use proptest::prelude::*;

const DATE: (&str, &str) = ("date", "Mon, 05 Jan 2026 08:00:00 GMT");

/// A failure in one word.
fn word(problem: &Problem) -> &'static str {
    match problem {
        Problem::Cut { .. } => "cut",
        Problem::Failed(ConnectorError::Throttled { until: None }) => "throttled",
        Problem::Failed(ConnectorError::Throttled { until: Some(_) }) => "throttled until",
        Problem::Failed(ConnectorError::Unavailable { .. }) => "unavailable",
        Problem::Failed(ConnectorError::SignedOut { .. }) => "signed out",
        Problem::Failed(ConnectorError::Refused { .. }) => "refused",
        Problem::Failed(_) => "other",
    }
}

#[test]
fn each_failure_is_told_by_what_can_be_done_about_it() {
    let json = ("content-type", "application/json;charset=UTF-8");
    let html = ("content-type", "text/html");
    let error =
        |message: &str| format!(r#"{{"error":{{"message":"{message}","detail":null}},"status":"failure"}}"#);
    for (status, headers, body, expected) in [
        (200, vec![json], r#"{"result":[]}"#.to_owned(), "ok"),
        (200, vec![json], r#"{"result":{}}"#.to_owned(), "unavailable"),
        (200, vec![json], r#"{}"#.to_owned(), "unavailable"),
        (200, vec![json], error("Transaction cancelled: maximum execution time exceeded"), "cut"),
        (200, vec![json], r#"{"result":[{"sys_id":"1"}],"error":{"message":"Transaction cancelled: maximum execution time exceeded","detail":""},"status":"failure"}"#.to_owned(), "cut"),
        (200, vec![json], r#"{"result":[{"sys_id":"1"},{"sys"#.to_owned(), "cut"),
        (200, vec![json], error("User Not Authenticated"), "signed out"),
        (200, vec![json], error("something else"), "unavailable"),
        (200, vec![json], r#"{"result":[],"status":"failure"}"#.to_owned(), "unavailable"),
        (200, vec![html], "<html><title>Instance Hibernating page</title>".to_owned(), "unavailable"),
        (200, vec![], "\n <html>".to_owned(), "unavailable"),
        (202, vec![], String::new(), "unavailable"),
        (302, vec![html], String::new(), "unavailable"),
        (401, vec![json], error("User Not Authenticated"), "signed out"),
        (400, vec![json], error("Invalid table foo"), "refused"),
        (403, vec![json], error("Operation Failed"), "refused"),
        (404, vec![json], error("No Record found"), "refused"),
        (429, vec![DATE, ("retry-after", "30")], String::new(), "throttled until"),
        (429, vec![("x-ratelimit-reset", "1767603600")], String::new(), "throttled until"),
        (429, vec![DATE, ("retry-after", "Mon, 05 Jan 2026 08:01:00 GMT")], String::new(), "throttled until"),
        (429, vec![DATE, ("retry-after", "-5")], String::new(), "throttled"),
        (429, vec![DATE, ("retry-after", "NaN")], String::new(), "throttled"),
        (429, vec![DATE, ("retry-after", "1000000000000")], String::new(), "throttled"),
        (429, vec![], String::new(), "throttled"),
        (503, vec![html], "<html>maintenance".to_owned(), "unavailable"),
        (504, vec![], String::new(), "unavailable"),
    ] {
        let told = listed(&answer(status, &headers, body.clone()));
        let told = told.as_ref().map_or_else(word, |_| "ok");
        assert_eq!(told, expected, "{status} {headers:?} {body}");
    }
}

#[test]
fn the_wait_counts_from_the_instances_own_clock() {
    let told = listed(&answer(429, &[DATE, ("retry-after", "30")], "")).unwrap_err().into_error();
    assert_eq!(told, ConnectorError::Throttled { until: Some(instant("2026-01-05T08:00:30Z")) });
}

#[test]
fn a_refusal_says_why_in_one_line() {
    let body = r#"{"error":{"message":"Operation Failed","detail":"aborted by Business Rule 'Close\nguard'"},"status":"failure"}"#;
    let told = record(&answer(403, &[], body)).unwrap_err().into_error();
    let reason = "status 403: Operation Failed: aborted by Business Rule 'Closeguard'".to_owned();
    assert_eq!(told, ConnectorError::Refused { status: 403, reason });
    let asleep =
        listed(&answer(200, &[("content-type", "text/html")], "<p>Your instance is hibernating</p>"));
    assert!(asleep.unwrap_err().into_error().to_string().contains("hibernating"));
}

#[test]
fn a_list_tells_rows_count_and_time() {
    let page =
        listed(&answer(200, &[DATE, ("x-total-count", "7")], r#"{"result":[{"a":"1"},{"a":"2"}]}"#)).unwrap();
    assert_eq!((page.rows.len(), page.total), (2, Some(7)));
    assert_eq!(page.server_now, Some(instant("2026-01-05T08:00:00Z")));
}

#[test]
fn a_cell_takes_every_form_of_a_value() {
    let row: Row = serde_json::from_str(
        r#"{"a":"x","b":{"display_value":"Ann","value":"0b","link":"https://h"},"c":{"link":"https://h","value":"0c"},
            "d":null,"e":7,"f":true,"g":["x"],"h":{"display_value":null,"value":null},"i":1.5,"j":{"display_value":"only"}}"#,
    )
    .unwrap();
    let cells: Vec<(&str, &str)> =
        row.values().map(|Cell { value, shown }| (value.as_str(), shown.as_str())).collect();
    let expected = [
        ("x", "x"),
        ("0b", "Ann"),
        ("0c", "0c"),
        ("", ""),
        ("7", "7"),
        ("true", "true"),
        ("", ""),
        ("", ""),
        ("1.5", "1.5"),
        ("only", "only"),
    ];
    assert_eq!(cells, expected);
}

#[test]
fn the_hourly_limit_is_read_from_its_headers() {
    let told = budget(&answer(200, &[("x-ratelimit-limit", "100"), ("x-ratelimit-reset", "1767603600")], ""))
        .unwrap();
    assert_eq!(
        (told.limit, told.remaining, told.resets_at),
        (Some(100), None, Some(instant("2026-01-05T09:00:00Z")))
    );
    assert!(budget(&answer(200, &[("x-ratelimit-limit", "many")], "")).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_and_no_headers_panic(
        status in 100u16..600,
        body in prop::collection::vec(any::<u8>(), 0..200),
        text in r#"[\[\]{}":,a-z0-9 <]{0,80}"#,
        header in "[ -~]{0,40}",
    ) {
        for body in [body.clone(), text.clone().into_bytes(), format!(r#"{{"result":[{text}]}}"#).into_bytes()] {
            let mut response = answer(status, &[("retry-after", &header), ("date", &header), ("x-total-count", &header), ("x-ratelimit-limit", &header), ("x-ratelimit-reset", &header)], "");
            response.body = body.into();
            let _ = listed(&response);
            let _ = record(&response);
            let _ = budget(&response);
        }
    }
}
