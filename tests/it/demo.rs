//! The demo as a whole: the real daemon against all vendors, read back with credentials that are not its own.

use crate::canary::Place;
use dutyd::demo::{Arguments, Summary, run};

async fn demo(hostile: bool) -> Summary {
    let directory = Place::new();
    let dir = directory.path().join("demo");
    run(&Arguments { seconds: 1, seed: 11, cases: 12, log: None, hostile, dir }, true)
        .await
        .expect("a summary")
}

fn assert_right(summary: &Summary) {
    let vendors: Vec<&str> = summary.vendors.keys().map(String::as_str).collect();
    assert_eq!(vendors, ["jira", "jira_dc", "salesforce", "servicenow", "zendesk"]);
    for (name, vendor) in &summary.vendors {
        assert!(vendor.flagged > 0 && vendor.notes > 0 && vendor.api_calls > 0, "{name}: {vendor:?}");
        assert_eq!((vendor.missing, vendor.doubled), (0, 0), "{name}: {vendor:?}");
    }
    let told = summary.told.as_ref().expect("a duty manager");
    assert!(told.raised > 0 && told.messages >= told.grouped, "{told:?}");
    assert_eq!((told.doubled, told.badly_signed, told.left), (0, 0, 0), "{told:?}");
    let evidence = &summary.evidence;
    assert!(evidence.decisions > 100, "{evidence:?}");
    assert_eq!(
        evidence.same, evidence.decisions,
        "evidence recomputes to the verdict acted on: {evidence:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_the_same_summary_of_all_systems() {
    let (first, second) = (demo(false).await, demo(false).await);
    assert_right(&first);
    assert_eq!(first.vendors, second.vendors);
    assert_eq!(first.told, second.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_vendors_make_the_demo_neither_miss_nor_double() {
    assert_right(&demo(true).await);
}
