//! What a store promises about what goes out: it goes once, in its turn, and only while it is wanted.

use super::*;

pub async fn every(make: MakeStore) {
    an_unsent_want_is_replaced_by_a_newer_one(make).await;
    a_receipt_ends_the_action_and_makes_the_case_due(make).await;
    what_may_have_arrived_is_asked_about_after_its_quiet_time(make).await;
    a_throttle_is_no_attempt_and_a_failure_is_one(make).await;
    parked_actions_wait_for_a_person(make).await;
    the_writes_of_an_hour_are_bounded(make).await;
    held_actions_wait_until_their_case_changes(make).await;
    a_paused_source_sends_nothing(make).await;
    a_flag_that_is_back_after_its_end_was_told_is_told_again(make).await;
}

async fn a_flag_that_is_back_after_its_end_was_told_is_told_again(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    let mut told = Vec::new();
    // Whether it is over, and whether the channel can be reached.
    let steps = [
        (false, true),
        (false, true),
        (true, true),
        (false, true),
        (true, false),
        (false, true),
        (true, true),
    ];
    for (nth, (clears, reachable)) in (0..).zip(steps) {
        let now = start() + minutes(nth);
        let lease =
            bed.store().lease_source(SOURCE, lease.token, now).await.expect("stored").expect("a lease");
        bed.save(&lease, &[("a", nth + 1)]).await;
        let case = bed.due(now).await.remove(0);
        let notice = NewNotice {
            channel: "duty".to_owned(),
            key: if clears { "over" } else { "raised" }.to_owned(),
            subject: "episode".to_owned(),
            clears,
            aloud: true,
            rank: 0,
            body: "{}".to_owned(),
        };
        bed.commit(vec![OutcomeCommit { notices: vec![notice], ..outcome(&case) }], now).await;
        if !reachable {
            continue;
        }
        let bounds = NoticeBounds { group_above: None, together_max: 10 };
        let batch = bed.store().lease_notices("duty", Token(31), bounds, now).await.expect("leased");
        if let Some(message) = batch.message {
            told.push(message.message.clone());
            let settled = bed.store().settle_notices("duty", message, NoticeVerdict::Told, now).await;
            assert!(settled.expect("settled"));
        }
    }
    assert_eq!(told, ["raised", "over", "raised-1", "over-1"], "what was taken back untold is not told");
}

async fn an_unsent_want_is_replaced_by_a_newer_one(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.save(&lease, &[("a", 1)]).await;
    let case = bed.due(start()).await.remove(0);
    bed.commit(vec![wanting(&case, "old", 1)], start()).await;
    bed.save(&lease, &[("a", 2)]).await;
    let case = bed.due(start()).await.remove(0);
    bed.commit(vec![wanting(&case, "new", 2)], start()).await;
    let batch = bed.actions(&lease, start()).await;
    assert_eq!(batch.actions.len(), 1);
    assert_eq!(batch.actions[0].action.want, Want::Why(Some("new".to_owned())));
    assert!(!batch.actions[0].ask_first);
}

/// A case with one action under way.
async fn under_way(bed: &Bed) -> (SourceLease, dutyd::store::LeasedAction) {
    let lease = bed.lease().await;
    bed.save(&lease, &[("a", 1)]).await;
    let case = bed.due(start()).await.remove(0);
    bed.commit(vec![wanting(&case, "why", 1)], start()).await;
    let action = bed.actions(&lease, start()).await.actions.remove(0);
    (lease, action)
}

async fn a_receipt_ends_the_action_and_makes_the_case_due(make: MakeStore) {
    let bed = Bed::new(make).await;
    let (lease, action) = under_way(&bed).await;
    assert_eq!(bed.store().settle(&lease, settled(&action, done(&action)), start()).await, Ok(1));
    assert_eq!(
        bed.store().settle(&lease, settled(&action, done(&action)), start()).await,
        Ok(0),
        "only once"
    );
    assert!(bed.store().wanted(action.case).await.expect("read").is_empty());
    let case = bed.due(start()).await.remove(0);
    assert!(matches!(open_news(&case.news[0]), Ok(News::Settled { .. })));
}

async fn what_may_have_arrived_is_asked_about_after_its_quiet_time(make: MakeStore) {
    let mut bed = Bed::new(make).await;
    let (_, action) = under_way(&bed).await;
    bed.reopen(start() + minutes(1)).await;
    let lease = bed.lease().await;
    let soon = bed.actions(&lease, start() + minutes(1)).await;
    let quiet_until = start() + minutes(1) + LEASE_LIFE;
    assert_eq!((soon.actions.len(), soon.next_at), (0, Some(quiet_until)), "a write can land late");
    let then = bed.store().lease_actions(&lease, Token(22), BRAKES, quiet_until).await.expect("leased");
    assert!(then.actions[0].ask_first && then.actions[0].attempt == 2);
    let late = bed.store().settle(&lease, settled(&action, done(&action)), quiet_until).await;
    assert_eq!(late, Ok(0), "the dead process's answer comes too late");
}

async fn a_throttle_is_no_attempt_and_a_failure_is_one(make: MakeStore) {
    let bed = Bed::new(make).await;
    let (lease, action) = under_way(&bed).await;
    let again = |at, counted| Verdict::Retry { at, counted, because: "busy".to_owned() };
    let (one, two) = (start() + minutes(1), start() + minutes(2));
    bed.store().settle(&lease, settled(&action, again(one, false)), start()).await.expect("settled");
    let second = bed.actions(&lease, one).await.actions.remove(0);
    assert_eq!((second.attempt, second.ask_first), (1, false));
    bed.store().settle(&lease, settled(&second, again(two, true)), one).await.expect("settled");
    let third = bed.actions(&lease, two).await.actions.remove(0);
    assert_eq!((third.attempt, third.ask_first), (2, true));
}

async fn parked_actions_wait_for_a_person(make: MakeStore) {
    let bed = Bed::new(make).await;
    let (lease, action) = under_way(&bed).await;
    let refused = Verdict::Parked { because: "refused (403): no".to_owned() };
    bed.store().settle(&lease, settled(&action, refused), start()).await.expect("settled");
    let never = bed.actions(&lease, start() + minutes(9_999)).await;
    assert_eq!((never.actions.len(), never.next_at), (0, None));
    let parked = bed.store().parked().await.expect("read");
    assert_eq!((parked[0].what.as_str(), parked[0].slot.as_str()), ("INCa", "why"));
    let retry = Order::RetryParked { id: Some(parked[0].id.clone()) };
    assert_eq!(bed.store().order(retry, start()).await, Ok(1));
    assert_eq!(bed.actions(&lease, start()).await.actions.len(), 1);
    for nothing in ["x9", "w", "w999", "", "é"] {
        let order = Order::DropParked { id: Some(nothing.to_owned()) };
        assert_eq!(bed.store().order(order, start()).await.expect("an answer"), 0, "{nothing}");
    }
}

async fn the_writes_of_an_hour_are_bounded(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.save(&lease, &[("a", 1), ("b", 1), ("c", 1)]).await;
    let cases = bed.due(start()).await;
    let outcomes =
        cases.iter().zip([3, 1, 2]).map(|(case, rank)| OutcomeCommit { rank, ..wanting(case, "x", 1) });
    bed.commit(outcomes.collect(), start()).await;
    let brakes = Brakes { writes_per_hour: 2, ..BRAKES };
    let batch = bed.store().lease_actions(&lease, Token(21), brakes, start()).await.expect("leased");
    let keys: Vec<_> = batch.actions.iter().map(|action| action.action.case.id.as_str()).collect();
    assert_eq!(keys, ["b", "c"], "the lowest rank first");
    for action in &batch.actions {
        bed.store().settle(&lease, settled(action, done(action)), start()).await.expect("settled");
    }
    let braked =
        bed.store().lease_actions(&lease, Token(21), brakes, start() + minutes(1)).await.expect("leased");
    assert_eq!((braked.actions.len(), braked.braked_until), (0, Some(start() + minutes(60))));
    let freed =
        bed.store().lease_actions(&lease, Token(21), brakes, start() + minutes(60)).await.expect("leased");
    assert_eq!(freed.actions.len(), 1);
}

async fn held_actions_wait_until_their_case_changes(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.save(&lease, &[("a", 1)]).await;
    let case = bed.due(start()).await.remove(0);
    bed.commit(vec![OutcomeCommit { held: true, ..wanting(&case, "old case", 1) }], start()).await;
    assert!(bed.actions(&lease, start()).await.actions.is_empty());
    bed.save(&lease, &[("a", 2)]).await;
    let case = bed.due(start()).await.remove(0);
    bed.commit(vec![outcome(&case)], start()).await;
    assert_eq!(bed.actions(&lease, start()).await.actions.len(), 1);
}

async fn a_paused_source_sends_nothing(make: MakeStore) {
    let bed = Bed::new(make).await;
    let (lease, action) = under_way(&bed).await;
    let again = Verdict::Retry { at: start(), counted: false, because: String::new() };
    bed.store().settle(&lease, settled(&action, again), start()).await.expect("settled");
    let pause = |paused| Order::Pause { source: SOURCE.to_owned(), paused };
    bed.store().order(pause(true), start()).await.expect("paused");
    let paused = bed.actions(&lease, start()).await;
    assert_eq!((paused.actions.len(), paused.next_at), (0, None));
    bed.store().order(pause(false), start()).await.expect("resumed");
    assert_eq!(bed.actions(&lease, start()).await.actions.len(), 1);
}
