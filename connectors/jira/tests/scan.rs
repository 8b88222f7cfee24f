//! The scan's queries and its cursor, and the configuration that shapes them.

use super::config;
use crate::Cursor;
use crate::jira::config::Flavour;
use crate::jira::pull::{Position, Row, Scan, Turn, begin, jql, scope, step};
use serde_json::json;

fn rows(list: &[(&str, i64)]) -> Vec<Row> {
    list.iter().map(|(id, updated_ms)| Row { id: (*id).to_owned(), updated_ms: *updated_ms }).collect()
}

fn turn(list: &[(&str, i64)], token: Option<&str>, more: bool, date_ms: i64) -> Turn {
    Turn { rows: rows(list), token: token.map(str::to_owned), more, date_ms: Some(date_ms) }
}

fn scan(position: &Position) -> Scan {
    position.scan.clone().expect("the scan goes on")
}

const HOUR: i64 = 3_600_000;

#[test]
fn a_query_is_by_epoch_milliseconds_with_no_upper_bound() {
    let config =
        config(Flavour::Cloud, json!({ "projects": ["SUP", "OPS"], "scope": "labels = a OR labels = b" }));
    assert_eq!(
        jql(&config, 1_732_877_091_000),
        "project in (SUP, OPS) AND (labels = a OR labels = b) AND updated >= 1732877091000 ORDER BY updated ASC, key ASC"
    );
    let all = super::config(Flavour::Cloud, json!({}));
    assert_eq!(jql(&all, 0), "updated >= 0 ORDER BY updated ASC, key ASC");
    assert_eq!(scope(&all), "");
}

#[test]
fn a_scope_cannot_leave_its_parentheses() {
    let refused = [
        "labels = a) OR (1 = 1",
        "labels = \"a",
        "labels = 'a",
        "(labels = a",
        "labels = a ORDER BY created",
        "labels = a order\tby created",
        "labels = \"a\\\"",
    ];
    for scope in refused {
        let config = config(Flavour::Cloud, json!({ "scope": scope }));
        assert!(config.validated().is_err(), "{scope}");
    }
    for scope in ["summary ~ \")\" AND labels = a", "(a = b OR c in (d, e))", "summary ~ 'it\\'s (so'"] {
        let config = config(Flavour::Cloud, json!({ "scope": scope }));
        assert!(config.validated().is_ok(), "{scope}");
    }
    for project in ["sup", "SUP OR", "SUP)", "", "1A", "SUP\"", "Ä"] {
        let config = config(Flavour::Cloud, json!({ "projects": [project] }));
        assert!(config.validated().is_err(), "{project}");
    }
}

#[test]
fn addresses_and_sign_ins_that_cannot_work_are_refused() {
    for base_url in
        ["acme.atlassian.net", "https://user:pw@acme.example", "https://acme.example/?q=1", "mailto:x@y"]
    {
        let config = config(Flavour::Cloud, json!({ "base_url": base_url }));
        assert!(config.validated().is_err(), "{base_url}");
    }
    let gateway = config(Flavour::Cloud, json!({ "base_url": "https://api.atlassian.com/ex/jira/1-2" }));
    assert!(gateway.validated().is_ok());
    let crossed = config(Flavour::Cloud, json!({ "flavour": "data_center" }));
    assert!(crossed.validated().is_err());
}

#[test]
fn each_page_is_anchored_on_the_last_change_seen() {
    let config = config(Flavour::Cloud, json!({}));
    let start = Position::default();
    let first = step(
        &start,
        begin(&start, &config),
        &turn(&[("1", 5_000), ("2", 7_001)], Some("t"), true, HOUR),
        &config,
    );
    let next = scan(&first);
    assert_eq!((next.from_ms, next.token.as_deref(), next.skip), (7_001, None, 0));
    let center = super::config(Flavour::DataCenter, json!({}));
    let first =
        step(&start, begin(&start, &center), &turn(&[("1", 5_000), ("2", 7_001)], None, true, HOUR), &center);
    assert_eq!(scan(&first).from_ms, 7_000, "the index of Data Center keeps whole seconds");
}

#[test]
fn within_one_tick_the_vendors_paging_carries_on() {
    let cloud = config(Flavour::Cloud, json!({}));
    let start = Position { floor_ms: 67_000, scan: None };
    let at_seven = begin(&start, &cloud);
    assert_eq!(at_seven.from_ms, 7_000);
    let first = step(&start, at_seven, &turn(&[("1", 7_000), ("2", 7_000)], Some("t1"), true, HOUR), &cloud);
    assert_eq!((scan(&first).from_ms, scan(&first).token.as_deref()), (7_000, Some("t1")));
    let center = config(Flavour::DataCenter, json!({}));
    let first =
        step(&start, begin(&start, &center), &turn(&[("1", 7_000), ("2", 7_400)], None, true, HOUR), &center);
    // One row of overlap.
    assert_eq!((scan(&first).skip, scan(&first).last_id.as_deref()), (1, Some("2")));
    let second = step(&first, scan(&first), &turn(&[("2", 7_400), ("3", 7_900)], None, true, HOUR), &center);
    assert_eq!((scan(&second).skip, scan(&second).last_id.as_deref()), (2, Some("3")));
    let shifted = step(&first, scan(&first), &turn(&[("3", 7_900), ("4", 7_950)], None, true, HOUR), &center);
    assert_eq!(
        (scan(&shifted).skip, scan(&shifted).stalls),
        (0, 1),
        "what follows has shifted: read the tick again"
    );
}

#[test]
fn a_scan_without_progress_ends_and_does_not_move_the_cursor_past_it() {
    let config = config(Flavour::Cloud, json!({}));
    let start = Position { floor_ms: 67_000, scan: None };
    let mut position = Position { scan: Some(begin(&start, &config)), ..start };
    let mut pages = 0;
    while let Some(scan) = position.scan.clone() {
        pages += 1;
        assert!(pages < 10, "it must end");
        position = step(&position, scan, &turn(&[], Some("same"), true, HOUR), &config);
    }
    assert_eq!(position.floor_ms, 67_000);
}

#[test]
fn the_cursor_never_passes_the_vendors_clock_less_the_lag_nor_what_was_seen() {
    let config = config(Flavour::Cloud, json!({ "lag_seconds": 300, "overlap_seconds": 60 }));
    let start = Position { floor_ms: 1_000, scan: None };
    // The last change seen, the vendor's clock, the cursor after it.
    let table = [
        (HOUR, HOUR + 10_000, HOUR - 290_000),
        (HOUR, 3 * HOUR, HOUR),
        (500, 3 * HOUR, 1_000),
        (HOUR, 200_000, 1_000),
    ];
    for (seen, date, expected) in table {
        let done = step(&start, begin(&start, &config), &turn(&[("1", seen)], None, false, date), &config);
        assert_eq!((done.floor_ms, done.scan.clone()), (expected, None), "seen {seen}, date {date}");
    }
    let unclocked = Turn { date_ms: None, ..turn(&[("1", HOUR)], None, false, 0) };
    let done = step(&start, begin(&start, &config), &unclocked, &config);
    assert_eq!(done.floor_ms, HOUR - 300_000, "without a clock the lag is taken off what was seen");
    assert_eq!(
        begin(&done, &config).from_ms,
        HOUR - 360_000,
        "and the next scan reaches back by the overlap"
    );
}

#[test]
fn the_clock_of_a_long_scan_is_that_of_its_first_page() {
    let config = config(Flavour::Cloud, json!({}));
    let start = Position::default();
    let first = step(&start, begin(&start, &config), &turn(&[("1", 5_000)], Some("t"), true, HOUR), &config);
    let last = step(&first, scan(&first), &turn(&[("2", 9 * HOUR)], None, false, 9 * HOUR), &config);
    assert_eq!(last.floor_ms, HOUR - 300_000);
}

#[test]
fn a_cursor_of_another_form_starts_from_the_beginning() {
    let config = config(Flavour::Cloud, json!({ "read_from": "1970-01-01T00:00:05Z" }));
    for (version, body) in [(0, "{\"floor_ms\":9}"), (1, "not JSON"), (7, "{}")] {
        let cursor = Cursor { version, body: body.to_owned() };
        assert_eq!(Position::read(Some(&cursor), &config), Position { floor_ms: 5_000, scan: None });
    }
    let position = Position { floor_ms: 77, scan: Some(begin(&Position::default(), &config)) };
    assert_eq!(Position::read(Some(&position.to_cursor()), &config), position);
}
