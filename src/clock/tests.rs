//! What a sleep promises.

use super::*;

#[test]
fn a_suspension_and_a_clock_that_was_set_are_jumps_and_drift_is_not() {
    let seconds = SignedDuration::from_secs;
    let table = [
        ("asleep for five seconds", 5, 5, false),
        ("drift", 7, 5, false),
        ("suspended for an hour", 3_605, 5, true),
        ("set forward", 185, 5, true),
        ("set back", -10_800, 5, true),
    ];
    for (what, wall, monotonic, expected) in table {
        assert_eq!(jump(seconds(wall), seconds(monotonic)).is_some(), expected, "{what}");
    }
}

#[tokio::test]
async fn a_ring_before_the_sleep_is_not_lost() {
    let (clock, wake) = (SystemClock::default(), Wake::default());
    wake.ring();
    wake.ring();
    let far = clock.now() + SignedDuration::from_hours(1);
    assert_eq!(clock.sleep_until(Some(far), &wake).await, Woke::Rung);
    assert_eq!(clock.sleep_until(Some(clock.now()), &wake).await, Woke::Slept, "two rings are one");
}

#[tokio::test]
async fn the_sandbox_clock_shows_the_time_it_was_told_and_ends_when_told() {
    let from: Timestamp = "2026-03-02T08:00:00Z".parse().expect("an instant");
    let later = from + SignedDuration::from_mins(3);
    let post: PostJson = Box::new(move |path, body| {
        let ended = body == r#"{"until":null}"#;
        let now = if path == "/_sandbox/clock/advance" { from } else { later };
        Box::pin(async move { Ok(serde_json::json!({"now": now, "ended": ended}).to_string()) })
    });
    let clock = SandboxClock::start(post).await.expect("a clock");
    assert_eq!(clock.now(), from);
    assert_eq!(clock.sleep_until(Some(later), &Wake::default()).await, Woke::Slept);
    assert_eq!(clock.now(), later);
    assert_eq!(clock.sleep_until(None, &Wake::default()).await, Woke::Ended);
}
