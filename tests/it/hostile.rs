//! The hostile sandbox: rate limits, lost answers, late and doubled webhooks, short pages, expired tokens. Nothing is
//! missing and nothing doubled in the end, and the same seed gives the same account.

use crate::play::{End, Moment, Play, all_systems, world};
use dutyd_sandbox::Options;
use dutyd_sandbox::faults::When;

/// Worlds of the ordinary suite; `DUTYD_SEEDS` asks for more.
const SEEDS: u64 = 3;

fn hostile(seed: u64) -> Options {
    Options { seed, calm: false, ..world(10) }
}

fn seeds(ordinary: u64) -> u64 {
    std::env::var("DUTYD_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ordinary)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_vendors_make_nothing_missing_and_nothing_doubled() {
    for seed in 1..=seeds(SEEDS) {
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

/// Everything at once: all systems hostile, the daemon killed at their writes, its database lost every other time.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_systems_kills_and_lost_databases_together_lose_and_double_nothing() {
    for seed in 1..=seeds(1) {
        let mut play = Play::of(Options { seed, calm: false, ..all_systems(6) }).await;
        for (nth, method) in (0..).zip(["PATCH", "PUT", "GET", "POST", "PUT", "PATCH"]) {
            let moment = Moment {
                method: Some(method),
                path: None,
                body: None,
                when: When::After,
                later_ms: nth % 3 * 2,
            };
            if play.run_until(moment, nth * 13 % 17).await == End::Drained {
                break;
            }
            if nth % 2 == 1 {
                play.lose_database();
            }
        }
        play.run().await;
        assert!(play.kills > 1, "seed {seed}: {} kills", play.kills);
        let what = format!("hostile, kills and losses, seed {seed}");
        play.is_right(&what).await;
        play.nobody_is_obeyed(&what).await;
    }
}
