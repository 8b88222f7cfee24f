//! Records that cannot be understood: one hinders nobody, many halt their source before they are quarantined by the
//! thousand.

use crate::engine::{Stage, page};
use crate::fixture::{change, minutes};
use crate::reliability::measured;
use dutyd::clock::Clock;
use dutyd::config::Mode;
use dutyd::store::Store;
use dutyd_connectors::{Page, Quarantined};

fn bad(nth: usize) -> Quarantined {
    Quarantined { id: format!("bad-{nth}"), reason: "no number".to_owned(), raw: "{}".to_owned() }
}

/// A page of so many good and bad records.
fn mixed(good: usize, bad_count: usize, cursor: &str) -> Page {
    let changes = (0..good).map(|nth| change(&format!("good-{nth}"), 1)).collect();
    Page { changes, quarantined: (0..bad_count).map(bad).collect(), ..page(&[], cursor) }
}

#[tokio::test]
async fn one_bad_record_among_ten_thousand_is_put_aside_and_the_others_are_taken_in() {
    let stage = Stage::new(Mode::Observe).await;
    stage.double.page(Ok(mixed(9_999, 1, "one")));
    stage.settle().await;
    let row = stage.store.sources(stage.clock.now()).await.expect("read").remove(0);
    assert_eq!((row.cases, row.quarantined), (9_999, 1));
    assert_eq!(
        stage.store.cursor(&row.source).await.expect("read").map(|cursor| cursor.body),
        Some("one".into())
    );
}

#[tokio::test]
async fn a_source_whose_records_are_all_bad_is_halted_where_it_stands_and_goes_on_once_they_are_good() {
    let stage = Stage::new(Mode::Observe).await;
    stage.double.page(Ok(mixed(50, 0, "one")));
    stage.settle().await;
    for _ in 0..3 {
        stage.clock.pass(minutes(5));
        stage.double.page(Ok(mixed(0, 100, "two")));
        stage.settle().await;
        let row = stage.store.sources(stage.clock.now()).await.expect("read").remove(0);
        assert_eq!((row.cases, row.quarantined), (50, 0), "nothing is quarantined by the hundred");
        let cursor = stage.store.cursor(&row.source).await.expect("read").map(|cursor| cursor.body);
        assert_eq!(cursor, Some("one".to_owned()));
        let trouble = stage.engine.health().remove(0).read_trouble.expect("it says why");
        assert!(trouble.contains("no number"), "{trouble}");
    }
    stage.clock.pass(minutes(5));
    stage.double.page(Ok(mixed(60, 0, "two")));
    stage.settle().await;
    let row = stage.store.sources(stage.clock.now()).await.expect("read").remove(0);
    assert_eq!((row.cases, row.quarantined), (60, 0));
    assert_eq!(stage.engine.health()[0].read_trouble, None);
    measured(
        "G18",
        "1 bad in 10,000: 1 quarantined, 9,999 taken in; all bad: halted at the first 100, cursor unmoved, 0 quarantined, goes on by itself",
    );
}
