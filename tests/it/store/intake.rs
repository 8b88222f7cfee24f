//! What a store promises about what comes in: webhooks, pages, what was fetched, and what nobody told of.

use super::*;

pub async fn every(make: MakeStore) {
    a_noted_delivery_survives_reopening(make).await;
    a_delivery_counts_once_for_seven_days(make).await;
    a_hint_rung_again_while_it_is_fetched_stays(make).await;
    webhooks_go_before_pages_and_a_known_revision_is_not_fetched(make).await;
    a_page_commits_whole_or_not_at_all(make).await;
    a_lost_source_lease_cannot_commit(make).await;
    an_older_version_is_not_taken_in_and_the_same_one_only_once(make).await;
    missed_webhooks_are_counted_and_late_ones_are_not(make).await;
    quarantined_records_are_kept_and_can_be_fetched_again(make).await;
    every_open_case_is_asked_for_again_within_a_week(make).await;
    an_unreadable_state_is_noticed_and_fetched_again(make).await;
}

async fn a_noted_delivery_survives_reopening(make: MakeStore) {
    let mut bed = Bed::new(make).await;
    let new = bed.store().note_delivery(SOURCE, vec![hint("a", Some("d1"))], start()).await;
    assert_eq!(new, Ok(1));
    bed.reopen(start()).await;
    let lease = bed.lease().await;
    let taken = bed.hints(&lease, start()).await;
    assert_eq!(taken.iter().map(|hint| hint.key.clone()).collect::<Vec<_>>(), [key("a")]);
}

async fn a_delivery_counts_once_for_seven_days(make: MakeStore) {
    let bed = Bed::new(make).await;
    let days = |count: i64| start() + minutes(count * 24 * 60);
    for (day, expected) in [(0, 1), (0, 0), (1, 0), (7, 0), (9, 1)] {
        let new = bed.store().note_delivery(SOURCE, vec![hint("a", Some("d1"))], days(day)).await;
        assert_eq!(new, Ok(expected), "day {day}");
    }
    let row = bed.store().sources(start()).await.expect("read").remove(0);
    assert_eq!((row.bells, row.bells_repeated, row.hints), (2, 3, 1));
}

async fn a_hint_rung_again_while_it_is_fetched_stays(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.ring(vec![hint("a", None), hint("b", None)], start()).await;
    let taken = bed.hints(&lease, start()).await;
    assert!(bed.hints(&lease, start()).await.is_empty(), "leased");
    bed.ring(vec![hint("a", None)], start()).await;
    let fetched = taken.into_iter().map(|hint| {
        let change = Box::new(seal_change(change(&hint.key.id, 1)).expect("sealed"));
        FetchedCase { hint, result: FetchResult::Case(change) }
    });
    assert_eq!(bed.store().commit_fetched(&lease, fetched.collect(), start()).await, Ok(2));
    let left = bed.hints(&lease, start()).await;
    assert_eq!(left.iter().map(|hint| hint.key.clone()).collect::<Vec<_>>(), [key("a")]);
}

async fn webhooks_go_before_pages_and_a_known_revision_is_not_fetched(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.save(&lease, &[("known", 3)]).await;
    let revision = |version| Some(change("x", version).case.revision);
    let mut hints = page(&[], true);
    hints.hints = vec![
        Hint { revision: revision(3), ..hint("known", None) },
        Hint { revision: revision(1), ..hint("page", None) },
    ];
    bed.store().commit_page(&lease, hints, start()).await.expect("saved");
    bed.ring(vec![hint("bell", None)], start() + minutes(1)).await;
    let taken = bed.hints(&lease, start() + minutes(1)).await;
    assert_eq!(taken.iter().map(|hint| hint.key.id.as_str()).collect::<Vec<_>>(), ["bell", "page"]);
}

async fn a_page_commits_whole_or_not_at_all(make: MakeStore) {
    let (mut bed, lease) = Bed::leased(make).await;
    let lost = SourceLease { token: Token(99), ..lease.clone() };
    let refused = bed.page(&lost, &[("a", 1)], true).await;
    assert_eq!(refused, Err(StoreError::LeaseLost(SOURCE.to_owned())));
    assert_eq!(bed.store().cursor(SOURCE).await, Ok(None));
    assert!(bed.due(start()).await.is_empty());
    let saved = bed.save(&lease, &[("a", 1), ("b", 1)]).await;
    assert_eq!((saved.changes, saved.known), (2, 0));
    bed.reopen(start()).await;
    assert_eq!(
        bed.store().cursor(SOURCE).await.expect("read").expect("a cursor").body,
        r#"[("a", 1), ("b", 1)]"#
    );
    assert_eq!(bed.due(start()).await.len(), 2);
}

async fn a_lost_source_lease_cannot_commit(make: MakeStore) {
    let bed = Bed::new(make).await;
    let first = bed.lease().await;
    let none = bed.store().lease_source(SOURCE, Token(12), start()).await;
    assert_eq!(none, Ok(None), "held by the first");
    let later = start() + LEASE_LIFE;
    let second = bed.store().lease_source(SOURCE, Token(12), later).await.expect("stored").expect("expired");
    assert!(bed.store().commit_page(&first, page(&[("a", 1)], true), later).await.is_err());
    assert!(bed.store().settle(&first, Vec::new(), later).await.is_err());
    assert!(bed.store().commit_page(&second, page(&[("a", 1)], true), later).await.is_ok());
}

async fn an_older_version_is_not_taken_in_and_the_same_one_only_once(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    for (version, expected) in [(5, 1), (5, 0), (4, 0), (6, 1)] {
        let saved = bed.save(&lease, &[("a", version)]).await;
        assert_eq!(saved.changes, expected, "version {version}");
    }
    let news = bed.due(start()).await.remove(0).news;
    let versions: Vec<_> = news.iter().map(|sealed| open_news(sealed).expect("readable")).collect();
    assert!(matches!(&versions[..], [News::Change(five), News::Change(six)]
            if five.case.revision.count == 5 && six.case.revision.count == 6));
}

async fn missed_webhooks_are_counted_and_late_ones_are_not(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.ring(vec![hint("first", Some("d0"))], start()).await;
    bed.page(&lease, &[("a", 1), ("b", 1), ("c", 1)], false).await.expect("saved");
    let missed = |row: &[dutyd::store::SourceRow]| (row[0].bells_missed, row[0].missed_share());
    assert_eq!(
        missed(&bed.store().sources(start()).await.expect("read")),
        (0, Some(0.0)),
        "the import expects none"
    );
    bed.ring(vec![hint("a", Some("d1"))], start()).await;
    let saved = bed.page(&lease, &[("a", 2), ("b", 2), ("c", 2)], false).await.expect("saved");
    assert_eq!(saved.missed, 2, "a was rung");
    for (id, version, delivery) in [("b", 3, "d2"), ("c", 2, "d3")] {
        let rung = vec![hint(id, Some(delivery))];
        bed.ring(rung, start() + minutes(1)).await;
        let hints = bed.hints(&lease, start() + minutes(1)).await;
        let hint = hints.into_iter().find(|hint| hint.key == key(id)).expect("rung");
        let sealed = Box::new(seal_change(change(id, version)).expect("sealed"));
        let fetched = FetchedCase { hint, result: FetchResult::Case(sealed) };
        bed.store().commit_fetched(&lease, vec![fetched], start() + minutes(1)).await.expect("committed");
    }
    assert_eq!(
        missed(&bed.store().sources(start()).await.expect("read")),
        (1, Some(1.0 / 3.0)),
        "c came late, b changed again"
    );
}

async fn quarantined_records_are_kept_and_can_be_fetched_again(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    let bad = Quarantined { id: "bad".to_owned(), reason: "no state".to_owned(), raw: "{}".to_owned() };
    let page = PageCommit { quarantined: vec![bad], ..page(&[("a", 1)], true) };
    bed.store().commit_page(&lease, page, start()).await.expect("saved");
    let parked = bed.store().parked().await.expect("read");
    assert_eq!((parked.len(), parked[0].what.as_str()), (1, "bad"));
    bed.store().order(Order::RetryParked { id: None }, start()).await.expect("ordered");
    let hints = bed.hints(&lease, start()).await;
    assert_eq!(hints[0].key, key("bad"));
    assert!(bed.store().parked().await.expect("read").is_empty());
}

async fn every_open_case_is_asked_for_again_within_a_week(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.page(&lease, &[("a", 1), ("b", 1), ("closed", 1), ("d", 1)], false).await.expect("saved");
    let cases = bed.due(start()).await;
    let outcomes = cases.iter().map(|case| OutcomeCommit { open: case.key.id != "closed", ..outcome(case) });
    bed.commit(outcomes.collect(), start()).await;
    let mut asked = Vec::new();
    for hours in 0..=7 * 24 {
        let now = start() + minutes(60 * hours);
        let lease =
            bed.store().lease_source(SOURCE, lease.token, now).await.expect("stored").expect("a lease");
        bed.store().sweep(Retention::default(), now).await.expect("swept");
        let hints = bed.hints(&lease, now).await;
        let gone = seal_news(&News::Gone { at: now }).expect("sealed");
        let answer = |hint: TakenHint| FetchedCase { hint, result: FetchResult::Absent(gone.clone()) };
        asked.extend(hints.iter().map(|hint| (hint.key.id.clone(), hours)));
        bed.store()
            .commit_fetched(&lease, hints.into_iter().map(answer).collect(), now)
            .await
            .expect("settled");
    }
    let ids: Vec<&str> = asked.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "d"]);
    let hours: Vec<i64> = asked.iter().map(|(_, hours)| *hours).collect();
    assert_eq!(hours, [42, 84, 168], "spread over the week");
}

async fn an_unreadable_state_is_noticed_and_fetched_again(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.save(&lease, &[("a", 1)]).await;
    let case = bed.due(start()).await.remove(0);
    assert!(open_state(&Sealed::from_bytes(b"flipped bytes".to_vec())).is_err());
    bed.commit(vec![OutcomeCommit { refetch: true, state: None, ..outcome(&case) }], start()).await;
    let hints = bed.hints(&lease, start()).await;
    assert_eq!(hints[0].key, key("a"));
    let fetched = FetchedCase {
        hint: hints[0].clone(),
        result: FetchResult::Case(Box::new(seal_change(change("a", 1)).expect("sealed"))),
    };
    assert_eq!(
        bed.store().commit_fetched(&lease, vec![fetched], start()).await,
        Ok(1),
        "the same version again"
    );
}
