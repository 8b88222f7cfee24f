//! Webhooks that do not come: polls find what they would have told, in time, and `status` says how many are lost.

use crate::play::{POLL, Play, dawn, world};
use dutyd_core::timeline::Actor;
use dutyd_sandbox::Options;
use dutyd_sandbox::hooks::Knobs;
use jiff::SignedDuration;

/// What the connector states: stamps are whole seconds, and a row may show a moment late.
const LAG: SignedDuration = SignedDuration::from_secs(10);

async fn watched(seed: u64, drop: f64) -> Play {
    let mut play = Play::of(Options { seed, cases_per_day: Some(240.0), ..world(14) }).await;
    play.webhooks(Knobs { drop, ..Knobs::default() });
    play.run().await;
    play
}

/// How long after it happened the daemon knew each thing that people did since the world began.
async fn delays(play: &Play) -> Vec<SignedDuration> {
    let memory = play.memory().await;
    let events = memory.iter().flat_map(|(state, _)| &state.events);
    let live =
        events.filter(|event| event.at > dawn() && matches!(event.actor, Actor::Customer | Actor::Agent));
    live.map(|event| event.seen_at.duration_since(event.at)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_fifth_of_the_webhooks_lost_every_change_is_seen_within_the_bound_and_the_loss_is_told() {
    let play = watched(1, 0.2).await;
    let delays = delays(&play).await;
    assert!(delays.len() > 200, "{} changes", delays.len());
    let worst = delays.iter().max().expect("there are some");
    assert!(*worst <= POLL + LAG, "seen after {worst:#}");
    let prompt = delays.iter().filter(|delay| **delay <= LAG).count() as f64 / delays.len() as f64;
    assert!((0.7..0.95).contains(&prompt), "the webhooks that came were heeded at once: {prompt}");
    play.is_right("a fifth lost").await;

    let hooks = &play.sandbox().stage.hooks.counts()["servicenow"];
    let lost = hooks.dropped as f64 / hooks.queued as f64;
    let status = play.json(&["status"]);
    let told = status["sources"][0]["missed_share"].as_f64().expect("a share");
    let expected = status["sources"][0]["row"]["bells_expected"].as_u64().expect("a count");
    println!("lost {lost:.3} of {} webhooks, told {told:.3} of {expected} judged", hooks.queued);
    assert!(expected > 150, "{expected} judged");
    assert!((told - lost).abs() <= 0.02, "lost {lost:.3}, told {told:.3}, of {expected} judged");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_webhook_lost_none_is_told_as_lost_and_with_none_coming_polls_do_it_all() {
    let play = watched(2, 0.0).await;
    let share = play.json(&["status"])["sources"][0]["missed_share"].as_f64().expect("a share");
    assert_eq!(share, 0.0);

    let play = watched(2, 1.0).await;
    let delays = delays(&play).await;
    assert!(*delays.iter().max().expect("there are some") <= POLL + LAG);
    assert!(play.json(&["status"])["sources"][0]["missed_share"].is_null(), "none was ever heard of");
    play.is_right("all lost").await;
}
