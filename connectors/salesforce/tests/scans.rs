//! The cursor: what is asked, what a page means, what is remembered.

use super::config;
use crate::salesforce::scan::Scan;
use crate::salesforce::wire::Found;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn page(rows: &[(&str, &str)], done: bool) -> Found {
    let records: Vec<Value> =
        rows.iter().map(|(id, stamp)| json!({ "Id": id, "SystemModstamp": stamp })).collect();
    serde_json::from_value(json!({ "records": records, "done": done })).unwrap()
}

const EARLY: &str = "2026-03-02T08:00:00.000+0000";
const ONE: &str = "500dz0000000001AAA";
const TWO: &str = "500dz0000000002AAA";

/// A scan that has read all there was at nine.
fn settled() -> Scan {
    let config = config(json!({}));
    let mut scan = Scan::resume(&config, None);
    let now = at("2026-03-02T09:00:00Z");
    let (_, more) = scan.take(&config, "here", vec![(0, page(&[(ONE, EARLY)], true))], now).unwrap();
    assert!(!more);
    scan
}

#[test]
fn the_first_scan_asks_for_cases_alone_and_later_ones_for_all_in_one_go() {
    let config = config(json!({ "scope": "Origin = 'Web' OR Origin = 'Email'" }));
    let scan = Scan::resume(&config, None);
    assert_eq!(scan.due(), [0]);
    assert_eq!(
        scan.positions[0].question(&config),
        "SELECT Id, SystemModstamp FROM Case WHERE (Origin = 'Web' OR Origin = 'Email') \
         ORDER BY SystemModstamp ASC, Id ASC LIMIT 10"
    );
    assert_eq!(settled().due(), [0, 1, 2, 3]);
}

#[test]
fn a_full_page_goes_on_behind_its_last_row_with_ties_told_apart() {
    let config = config(json!({}));
    let mut scan = Scan::resume(&config, None);
    let now = at("2026-03-02T09:00:00Z");
    // Short, but the org says that it is not all.
    let (_, more) =
        scan.take(&config, "here", vec![(0, page(&[(ONE, EARLY), (TWO, EARLY)], false))], now).unwrap();
    assert!(more);
    let question = scan.positions[0].question(&config);
    let keyset = "((SystemModstamp = 2026-03-02T08:00:00.000Z AND Id > '500dz0000000002AAA') OR SystemModstamp > 2026-03-02T08:00:00.000Z)";
    assert!(question.contains(keyset), "{question}");
}

#[test]
fn the_cursor_stays_behind_the_orgs_clock() {
    let config = config(json!({}));
    let scan = settled();
    let lag = SignedDuration::from_secs(config.lag_seconds.into());
    for position in &scan.positions {
        assert_eq!(position.read_to, Some(at("2026-03-02T09:00:00Z") - lag), "{:?}", position.stream);
    }
    // Ten minutes and the lag behind nine.
    assert!(scan.positions[1].question(&config).contains("SystemModstamp >= 2026-03-02T08:49:50.000Z"));
    assert!(scan.positions[3].question(&config).contains("CreatedDate >= 2026-03-02T08:49:50.000Z"));
}

#[test]
fn a_row_within_the_overlap_is_told_once_and_again_when_its_stamp_moves() {
    let config = config(json!({}));
    let mut scan = settled();
    let told = |scan: &mut Scan, stamp: &str, now: &str| {
        let (news, _) = scan.take(&config, "here", vec![(0, page(&[(ONE, stamp)], true))], at(now)).unwrap();
        news.hints.len()
    };
    assert_eq!(told(&mut scan, "2026-03-02T09:05:00.000+0000", "2026-03-02T09:06:00Z"), 1);
    assert_eq!(told(&mut scan, "2026-03-02T09:05:00.000+0000", "2026-03-02T09:06:15Z"), 0);
    let mut resumed = Scan::resume(&config, Some(&scan.cursor()));
    assert_eq!(told(&mut resumed, "2026-03-02T09:05:00.000+0000", "2026-03-02T09:06:30Z"), 0);
    assert_eq!(told(&mut resumed, "2026-03-02T09:06:35.000+0000", "2026-03-02T09:07:00Z"), 1);
}

#[test]
fn a_row_of_the_last_seconds_is_read_once_more() {
    let config = config(json!({}));
    let mut scan = settled();
    let fresh = "2026-03-02T09:05:58.000+0000";
    for (now, wanted) in
        [("2026-03-02T09:06:00Z", 1), ("2026-03-02T09:06:15Z", 1), ("2026-03-02T09:06:30Z", 0)]
    {
        let (news, _) = scan.take(&config, "here", vec![(0, page(&[(ONE, fresh)], true))], at(now)).unwrap();
        assert_eq!(news.hints.len(), wanted, "{now}");
    }
}

#[test]
fn a_row_that_does_not_belong_into_a_page_stops_the_scan_and_a_broken_one_does_not() {
    let config = config(json!({}));
    let now = at("2026-03-02T09:06:00Z");
    let old = page(&[(ONE, "2026-03-01T00:00:00.000+0000")], true);
    assert!(settled().take(&config, "here", vec![(0, old)], now).is_err());
    let broken =
        page(&[("' OR 1=1", EARLY), (TWO, "yesterday"), (ONE, "2026-03-02T09:05:00.000+0000")], true);
    let (news, _) = settled().take(&config, "here", vec![(0, broken)], now).unwrap();
    assert_eq!((news.hints.len(), news.quarantined.len()), (1, 2));
    assert_eq!(news.quarantined[1].id, TWO);
}

#[test]
fn another_scope_or_an_unreadable_cursor_begins_anew() {
    let scan = settled();
    let other = config(json!({ "scope": "Origin = 'Web'" }));
    assert!(Scan::resume(&other, Some(&scan.cursor())).is_backfill());
    let mut cursor = scan.cursor();
    cursor.body = cursor.body.replace("cases", "nothing");
    assert!(Scan::resume(&config(json!({})), Some(&cursor)).is_backfill());
}
