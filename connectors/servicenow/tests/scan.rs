//! The scan against a small instance in memory: random stamps, page sizes, hidden rows, changes between pages.

use super::super::config::Config;
use super::super::query::{List, parse_stamp, stamp};
use super::super::scan::{CURSOR_VERSION, Scan};
use super::super::wire::Listed;
use super::{config, instant};
use crate::Cursor;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{json, value::to_raw_value};
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
struct Record {
    at: i64,
    id: String,
    count: u64,
    hidden: bool,
    /// Nobody sees it in this version before this second.
    visible_at: i64,
}

struct Instance {
    now: i64,
    records: Vec<Record>,
    date: bool,
}

const START: i64 = 1_767_600_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

impl Instance {
    /// Answers as the vendor does: the limit and the count come before what is hidden.
    fn answer(&self, list: &List<'_>) -> Listed {
        let mut found: Vec<&Record> = self
            .records
            .iter()
            .filter(|record| record.visible_at <= self.now && matches(&list.query, record))
            .collect();
        found.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let page = found.iter().skip(list.offset as usize).take(list.limit as usize);
        let row = |record: &Record| json!({ "sys_id": record.id, "sys_updated_on": stamp(at(record.at)), "sys_mod_count": record.count.to_string() });
        let rows =
            page.filter(|record| !record.hidden).map(|record| to_raw_value(&row(record)).unwrap()).collect();
        let total = list.counted.then_some(found.len() as u64);
        Listed { rows, total, server_now: self.date.then(|| at(self.now)) }
    }
}

/// The part of the query language that the scan uses.
fn matches(query: &str, record: &Record) -> bool {
    let filter = query.split("^ORDERBY").next().unwrap();
    let filter = if filter.starts_with("ORDERBY") { "" } else { filter };
    filter
        .split("^NQ")
        .any(|group| group.split('^').filter(|part| !part.is_empty()).all(|part| holds(part, record)))
}

fn holds(condition: &str, record: &Record) -> bool {
    if let Some(id) = condition.strip_prefix("sys_id>") {
        return record.id.as_str() > id;
    }
    let rest = condition.strip_prefix("sys_updated_on").unwrap();
    let text = rest.trim_start_matches(['<', '>', '=']);
    let wanted = parse_stamp(text).unwrap().as_second();
    match &rest[..rest.len() - text.len()] {
        ">=" => record.at >= wanted,
        "<=" => record.at <= wanted,
        ">" => record.at > wanted,
        "=" => record.at == wanted,
        other => panic!("{other}"),
    }
}

type Seen = BTreeSet<(String, u64)>;

/// One round of pulls, each from the stored cursor; `between` runs behind each page.
fn round(
    config: &Config,
    instance: &mut Instance,
    cursor: &mut Option<Cursor>,
    seen: &mut Seen,
    mut between: impl FnMut(&mut Instance),
) {
    for _ in 0..2_000 {
        let mut scan = Scan::resume(config, cursor.as_ref());
        let page = instance.answer(&scan.position().question(config));
        let (news, more) = scan.take(config, "here", &page).unwrap();
        assert_eq!(news.quarantined, Vec::new());
        seen.extend(news.hints.into_iter().map(|hint| (hint.key.id, hint.revision.unwrap().count)));
        let reached = scan.positions[0].read_to;
        let allowance = SignedDuration::from_secs(config.lag_seconds.into());
        assert!(reached.is_none_or(|reached| reached <= at(instance.now) - allowance), "{reached:?}");
        *cursor = Some(scan.cursor());
        between(instance);
        if !more {
            return;
        }
    }
    panic!("the scan does not end");
}

fn small(page_size: u32) -> Config {
    config(json!({ "page_size": page_size }))
}

fn id(number: usize) -> String {
    format!("{:032x}", (number as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn record(number: usize, second: i64) -> Record {
    Record { at: START + second, id: id(number), count: 0, hidden: false, visible_at: 0 }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// Few seconds hold many records, some are hidden in stretches, some are committed up to 100 s after their stamp, and
    /// records change behind the pages.
    #[test]
    fn every_visible_change_is_read_once_the_instance_is_quiet(
        rows in prop::collection::vec((0i64..30, any::<bool>(), 0i64..100), 0..150),
        edits in prop::collection::vec((0usize..150, 0i64..100), 0..60),
        page_size in 10u32..60,
        hidden_run in 0usize..120,
        date in any::<bool>(),
    ) {
        let config = small(page_size);
        let mut records: Vec<Record> = rows
            .iter()
            .enumerate()
            .map(|(number, (second, _, late))| Record { visible_at: START + second + late, ..record(number, *second) })
            .collect();
        records.iter_mut().take(hidden_run).for_each(|record| record.hidden = true);
        let mut instance = Instance { now: START + 40, records, date };
        let (mut cursor, mut seen) = (None, Seen::new());
        let mut edits = edits.into_iter();
        for _ in 0..6 {
            round(&config, &mut instance, &mut cursor, &mut seen, |instance| {
                instance.now += 1;
                let Some((number, late)) = edits.next() else { return };
                let now = instance.now;
                if let Some(record) = instance.records.get_mut(number) {
                    (record.at, record.count, record.visible_at) = (now, record.count + 1, now + late);
                }
            });
            instance.now += 15;
        }
        instance.now += 300;
        // Without a `Date` header the tail is only as far as the newest row.
        round(&config, &mut instance, &mut cursor, &mut seen, |_| {});
        for record in instance.records.iter().filter(|record| !record.hidden) {
            prop_assert!(seen.contains(&(record.id.clone(), record.count)), "{record:?}");
        }
    }
}

#[test]
fn the_cursor_stays_behind_the_instances_clock() {
    let config = small(100);
    let mut instance = Instance { now: START + 1_000, records: vec![record(1, 999)], date: true };
    let (mut cursor, mut seen) = (None, Seen::new());
    round(&config, &mut instance, &mut cursor, &mut seen, |_| {});
    let reached = Scan::resume(&config, cursor.as_ref()).positions[0].read_to;
    assert_eq!(reached, Some(at(START + 990)));
    assert_eq!(seen.len(), 1, "what stands in front of the cursor is read all the same");
}

#[test]
fn a_poll_without_news_is_one_question_from_the_overlap_on() {
    let config = small(100);
    let mut instance = Instance { now: START + 1_000, records: vec![record(1, 0)], date: true };
    let (mut cursor, mut seen) = (None, Seen::new());
    round(&config, &mut instance, &mut cursor, &mut seen, |_| {});
    let question = Scan::resume(&config, cursor.as_ref()).position().question(&config);
    let lower = stamp(at(START + 1_000 - 10 - 120));
    assert_eq!(question.query, format!("sys_updated_on>={lower}^ORDERBYsys_updated_on^ORDERBYsys_id"));
    assert!(question.counted);
    let pages = std::cell::Cell::new(0);
    round(&config, &mut instance, &mut cursor, &mut seen, |_| pages.set(pages.get() + 1));
    assert_eq!(pages.get(), 1);
}

#[test]
fn the_scope_stands_in_both_groups() {
    let config = config(json!({ "page_size": 10, "scope": "priority=1^ORpriority=2" }));
    let mut scan = Scan::resume(&config, None);
    let records: Vec<_> = (0..10).map(|number| record(number, 5)).collect();
    let last = records.iter().map(|record| record.id.clone()).max().unwrap();
    let instance = Instance { now: START + 60, records, date: true };
    let open = Scan::resume(&small(10), None).position().question(&small(10));
    scan.take(&config, "here", &instance.answer(&open)).unwrap();
    let (at, until) = (stamp(at(START + 5)), stamp(at(START + 60)));
    let scope = "priority=1^ORpriority=2";
    assert_eq!(
        scan.position().question(&config).query,
        format!(
            "{scope}^sys_updated_on>{at}^sys_updated_on<={until}^NQ{scope}^sys_updated_on={at}^sys_id>{last}\
             ^ORDERBYsys_updated_on^ORDERBYsys_id"
        )
    );
}

#[test]
fn an_answer_that_ignores_the_question_is_not_taken() {
    let config = config(json!({ "page_size": 10, "read_from": "2026-01-05T00:00:00Z" }));
    let mut scan = Scan::resume(&config, None);
    let before = scan.clone();
    let instance = Instance { now: START, records: vec![record(1, -86_400 * 30)], date: true };
    let everything = Scan::resume(&small(10), None).position().question(&small(10));
    let refused = scan.take(&config, "here", &instance.answer(&everything)).unwrap_err();
    assert!(refused.contains("does not match the question"), "{refused}");
    assert_eq!(before.positions[0].read_to, scan.positions[0].read_to);
}

#[test]
fn another_scope_or_a_foreign_cursor_begins_anew() {
    let wide = small(10);
    let mut instance = Instance { now: START + 60, records: vec![record(1, 5)], date: true };
    let (mut cursor, mut seen) = (None, Seen::new());
    round(&wide, &mut instance, &mut cursor, &mut seen, |_| {});
    assert!(!Scan::resume(&wide, cursor.as_ref()).position().is_backfill());
    let narrow = config(json!({ "page_size": 10, "scope": "priority=1" }));
    assert!(Scan::resume(&narrow, cursor.as_ref()).position().is_backfill());
    for (version, body) in [(CURSOR_VERSION + 1, "{}"), (CURSOR_VERSION, "garbage"), (0, "")] {
        let foreign = Cursor { version, body: body.to_owned() };
        assert!(Scan::resume(&wide, Some(&foreign)).position().is_backfill());
    }
}

/// Every version ever written stays readable.
#[test]
fn a_cursor_of_version_1_is_taken_up() {
    let body = r#"{"turn":0,"positions":[{"table":"incident","under":"|","read_to":"2026-01-05T08:00:00Z","sweep":{"until":"2026-01-05T09:00:00Z","after":["2026-01-05T08:30:00Z","0a000000000000000000000000000001"],"limit":500,"counted":false,"hidden":null}}]}"#;
    let scan = Scan::resume(&small(1_000), Some(&Cursor { version: 1, body: body.to_owned() }));
    let position = scan.position();
    assert_eq!(position.read_to, Some(instant("2026-01-05T08:00:00Z")));
    assert_eq!(position.sweep.as_ref().unwrap().limit, 500);
    assert_eq!(scan.cursor().body, body);
}
