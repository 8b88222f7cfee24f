//! The hostile sandbox: rate limits, lost answers, late and doubled webhooks, short pages, expired tokens. Nothing is
//! missing and nothing doubled in the end, and the same seed gives the same account.

use crate::play::{Play, world};
use dutyd_sandbox::Options;

/// Worlds of the ordinary suite; `DUTYD_SEEDS` asks for more.
const SEEDS: u64 = 3;

fn hostile(seed: u64) -> Options {
    Options { seed, calm: false, ..world(10) }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_vendors_make_nothing_missing_and_nothing_doubled() {
    let seeds = std::env::var("DUTYD_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    for seed in 1..=seeds {
        let mut play = Play::of(hostile(seed)).await;
        play.run().await;
        let struck =
            play.sandbox().journal.since(0, None).iter().filter(|entry| entry.fault.is_some()).count();
        assert!(struck > 0, "seed {seed} was not hostile");
        play.is_right(&format!("hostile, seed {seed}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_the_same_account_and_another_one_another() {
    let mut accounts = Vec::new();
    for seed in [7, 7, 8] {
        let mut play = Play::of(hostile(seed)).await;
        play.run().await;
        accounts.push(serde_json::to_value(play.summary().await).expect("JSON"));
    }
    assert_eq!(accounts[0], accounts[1]);
    assert_ne!(accounts[0], accounts[2]);
}
