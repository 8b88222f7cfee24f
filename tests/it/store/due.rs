//! What a store promises about whose turn it is: by news, by time, by neighbours, by a new policy.

use super::*;

pub async fn every(make: MakeStore) {
    a_case_with_unread_news_is_due(make).await;
    a_lost_case_lease_cannot_commit(make).await;
    a_case_is_due_at_its_instant_and_not_before(make).await;
    a_changed_fact_wakes_only_the_members_that_read_it(make).await;
    a_case_that_joins_a_group_is_judged_by_what_the_group_knows(make).await;
    a_case_is_judged_again_once_its_links_are_known(make).await;
    everyone_who_links_to_a_case_is_judged_again_when_it_moves(make).await;
    a_large_group_is_woken_in_slices_and_a_small_one_does_not_wait(make).await;
    a_new_policy_makes_open_cases_due_nearest_deadline_first(make).await;
    what_is_past_retention_is_forgotten(make).await;
}

async fn a_case_with_unread_news_is_due(make: MakeStore) {
    let (mut bed, lease) = Bed::leased(make).await;
    bed.save(&lease, &[("a", 1)]).await;
    let leased = bed.due(start()).await;
    assert!(bed.due(start()).await.is_empty(), "under lease");
    bed.save(&lease, &[("a", 2)]).await;
    assert_eq!(bed.commit(leased.iter().map(outcome).collect(), start()).await, 1);
    let again = bed.due(start()).await;
    assert_eq!((again.len(), again[0].news.len()), (1, 1), "what came meanwhile is read next");
    bed.reopen(start()).await;
    assert_eq!(bed.due(start()).await.len(), 1, "a lease of a dead process is dropped");
}

async fn a_lost_case_lease_cannot_commit(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.save(&lease, &[("a", 1)]).await;
    let first = bed.due(start()).await.remove(0);
    let later = start() + LEASE_LIFE;
    let second = bed.store().lease_due(Token(6), 10, later).await.expect("leased").cases.remove(0);
    assert_eq!(bed.commit(vec![wanting(&first, "stale", 1)], later).await, 0);
    assert_eq!(bed.commit(vec![wanting(&second, "fresh", 1)], later).await, 1);
    let wanted = bed.store().wanted(second.case).await.expect("read");
    assert_eq!(wanted[0].action.want, Want::Why(Some("fresh".to_owned())));
}

async fn a_case_is_due_at_its_instant_and_not_before(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.save(&lease, &[("a", 1), ("b", 1)]).await;
    let cases = bed.due(start()).await;
    let at = |count| Some(start() + minutes(count));
    let outcomes =
        cases.iter().zip([7, 5]).map(|(case, count)| OutcomeCommit { due_at: at(count), ..outcome(case) });
    bed.commit(outcomes.collect(), start()).await;
    let early = bed.store().lease_due(Token(5), 10, start() + minutes(4)).await.expect("leased");
    assert_eq!((early.cases.len(), early.next_at), (0, at(5)));
    let late = bed.due(start() + minutes(8)).await;
    assert_eq!(late.iter().map(|case| case.key.id.as_str()).collect::<Vec<_>>(), ["b", "a"], "nearest first");
}

async fn a_changed_fact_wakes_only_the_members_that_read_it(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.save(&lease, &[("a", 1), ("b", 1), ("other", 1)]).await;
    let cases = bed.due(start()).await;
    let join: Vec<_> = cases
        .iter()
        .map(|case| if case.key.id == "other" { outcome(case) } else { in_group(case, false) })
        .collect();
    bed.commit(join, start()).await;
    assert!(bed.due(start()).await.is_empty(), "nobody reads the facts");
    for (reads_urgent, expected) in [(false, &[][..]), (true, &["a", "b"][..])] {
        bed.save(&lease, &[("a", 2 + i64::from(reads_urgent))]).await;
        let case = bed.due(start()).await.remove(0);
        let customer = FactsRead { urgent: reads_urgent, ..FactsRead::default() };
        let watched = Watched { customer, ..Watched::default() };
        let commit = vec![in_group(&case, !reads_urgent)];
        bed.store().commit_outcomes(commit, watched, start()).await.expect("committed");
        let mut woken: Vec<_> = bed.due(start()).await;
        woken.sort_by_key(|case| case.case);
        assert_eq!(woken.iter().map(|case| case.key.id.as_str()).collect::<Vec<_>>(), expected);
        if let Some(first) = woken.first() {
            let facts = first.around.customer.expect("facts");
            assert_eq!((facts.open, facts.urgent, facts.sources), (2, 0, 1));
        }
        let quiet = woken.iter().map(|case| OutcomeCommit { state: None, ..outcome(case) });
        bed.store().commit_outcomes(quiet.collect(), Watched::default(), start()).await.expect("committed");
    }
}

/// Its first judgement comes before the store knows which groups it belongs to.
async fn a_case_that_joins_a_group_is_judged_by_what_the_group_knows(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    let customer = FactsRead { urgent: true, sources: true, ..FactsRead::default() };
    let watched = Watched { customer, ..Watched::default() };
    bed.save(&lease, &[("a", 1)]).await;
    let first = bed.due(start()).await.remove(0);
    let urgent = vec![in_group(&first, true)];
    bed.store().commit_outcomes(urgent, watched, start()).await.expect("committed");
    let again = bed.due(start()).await.remove(0);
    let quiet = vec![OutcomeCommit { state: None, ..outcome(&again) }];
    bed.store().commit_outcomes(quiet, watched, start()).await.expect("committed");
    bed.save(&lease, &[("b", 1)]).await;
    let second = bed.due(start()).await.remove(0);
    assert_eq!(second.around.customer, None);
    bed.store().commit_outcomes(vec![in_group(&second, false)], watched, start()).await.expect("committed");
    let woken = bed.due(start()).await;
    assert_eq!(woken.iter().map(|case| case.key.id.as_str()).collect::<Vec<_>>(), ["b"], "nobody else");
    assert_eq!(woken[0].around.customer.map(|facts| facts.urgent), Some(1));
}

/// A problem record with as many incidents as any has.
async fn everyone_who_links_to_a_case_is_judged_again_when_it_moves(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    let ids: Vec<String> = (0..300).map(|nth| format!("incident{nth}")).collect();
    let mut versions: Vec<(&str, i64)> = ids.iter().map(|id| (id.as_str(), 1)).collect();
    versions.push(("problem", 1));
    bed.save(&lease, &versions).await;
    let links = |case: &DueCase| if case.key.id == "problem" { Vec::new() } else { vec![key("problem")] };
    loop {
        let cases = bed.due(start()).await;
        if cases.is_empty() {
            break;
        }
        let outcomes = cases.iter().map(|case| OutcomeCommit { links: links(case), ..outcome(case) });
        bed.commit(outcomes.collect(), start()).await;
    }
    bed.save(&lease, &[("problem", 2)]).await;
    let problem = bed.due(start()).await.remove(0);
    bed.commit(vec![OutcomeCommit { moved_at: start() + minutes(1), ..outcome(&problem) }], start()).await;
    assert_eq!(bed.due(start()).await.len(), 300);
}

/// Its first judgement comes before the store knows what it is linked to.
async fn a_case_is_judged_again_once_its_links_are_known(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    let linked = |case: &DueCase, to: &[&str]| {
        let links = to.iter().map(|id| key(id)).collect();
        OutcomeCommit { links, ..outcome(case) }
    };
    let woken = async || {
        let cases = bed.due(start()).await;
        let told: Vec<_> =
            cases.iter().map(|case| format!("{} knows {}", case.key.id, case.around.linked.len())).collect();
        let quiet = cases.iter().map(|case| OutcomeCommit { state: None, ..outcome(case) }).collect();
        bed.commit(quiet, start()).await;
        told
    };
    bed.save(&lease, &[("b", 1)]).await;
    let b = bed.due(start()).await.remove(0);
    bed.commit(vec![linked(&b, &["unknown"])], start()).await;
    assert_eq!(woken().await, Vec::<String>::new(), "the linked case is not known yet");
    bed.save(&lease, &[("a", 1)]).await;
    let a = bed.due(start()).await.remove(0);
    bed.commit(vec![linked(&a, &["b"])], start()).await;
    assert_eq!(woken().await, ["a knows 1"]);
    bed.save(&lease, &[("a", 2)]).await;
    let a = bed.due(start()).await.remove(0);
    bed.commit(vec![linked(&a, &["b"])], start()).await;
    assert_eq!(woken().await, Vec::<String>::new(), "nothing new is linked");
    bed.save(&lease, &[("a", 3)]).await;
    let a = bed.due(start()).await.remove(0);
    bed.commit(vec![linked(&a, &[])], start()).await;
    bed.save(&lease, &[("a", 4)]).await;
    assert_eq!(woken().await, ["a knows 0"], "a link that was taken off is gone");
}

async fn a_large_group_is_woken_in_slices_and_a_small_one_does_not_wait(make: MakeStore) {
    const MEMBERS: usize = 10_000;
    let (bed, lease) = Bed::leased(make).await;
    let ids: Vec<String> = (0..=MEMBERS).map(|number| format!("{number:05}")).collect();
    for part in ids.chunks(1_000) {
        let versions: Vec<_> = part.iter().map(|id| (id.as_str(), 1)).collect();
        bed.save(&lease, &versions).await;
    }
    let watched = Watched { customer: FactsRead::ALL, ..Watched::default() };
    let mut joined = 0;
    while joined <= MEMBERS {
        let cases = bed.due(start()).await;
        joined += cases.len();
        let outcomes = cases.iter().map(|case| {
            let small = Group { kind: GroupKind::Customer, key: "small".to_owned() };
            let adds = Contribution { open: true, ..Contribution::default() };
            match case.key.id.as_str() {
                "00000" => OutcomeCommit { groups: vec![(small, adds)], ..outcome(case) },
                _ => in_group(case, false),
            }
        });
        bed.commit(outcomes.collect(), start()).await;
    }
    for id in ["09999", "00000"] {
        bed.save(&lease, &[(id, 2)]).await;
    }
    let both = bed.due(start()).await;
    assert_eq!(both.len(), 2);
    let leave = both.iter().map(outcome).collect::<Vec<_>>();
    let join_urgent = leave.into_iter().zip(&both).map(|(plain, case)| {
        let mut groups = in_group(case, true).groups;
        if case.key.id == "00000" {
            groups[0].0.key = "small".to_owned();
        }
        OutcomeCommit { groups, ..plain }
    });
    bed.store().commit_outcomes(join_urgent.collect(), watched, start()).await.expect("committed");
    let (mut woken, mut leases) = (0, 0);
    loop {
        let batch = bed.store().lease_due(Token(5), 500, start()).await.expect("leased");
        if leases == 0 {
            assert_eq!(batch.cases[0].key.id, "00000", "the small group goes first");
        }
        if batch.cases.is_empty() && batch.next_at.is_none_or(|at| at > start()) {
            break;
        }
        assert!(batch.cases.len() <= 500);
        woken += batch.cases.len();
        leases += 1;
        let quiet = batch.cases.iter().map(|case| OutcomeCommit { state: None, ..outcome(case) });
        bed.store().commit_outcomes(quiet.collect(), watched, start()).await.expect("committed");
    }
    assert_eq!(woken, MEMBERS + 1, "each member once");
    assert!(leases > 20, "in slices, took {leases}");
}

async fn a_new_policy_makes_open_cases_due_nearest_deadline_first(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.save(&lease, &[("idle", 1), ("late", 1), ("soon", 1), ("done", 1)]).await;
    let cases = bed.due(start()).await;
    let outcomes = cases.iter().map(|case| {
        let due_at = match case.key.id.as_str() {
            "soon" => Some(start() + minutes(30)),
            "late" => Some(start() + minutes(90)),
            _ => None,
        };
        OutcomeCommit { due_at, open: case.key.id != "done", ..outcome(case) }
    });
    bed.commit(outcomes.collect(), start()).await;
    let now = start() + minutes(1);
    bed.store().wake_all("policy-2", now).await.expect("woken");
    bed.store().wake_all("policy-2", now).await.expect("woken");
    let mut woken = Vec::new();
    loop {
        let batch = bed.store().lease_due(Token(5), 10, now).await.expect("leased");
        if batch.cases.is_empty() && batch.next_at.is_none_or(|at| at > now) {
            break;
        }
        woken.extend(batch.cases.iter().map(|case| case.key.id.clone()));
        bed.commit(batch.cases.iter().map(outcome).collect(), now).await;
    }
    let (timed, rest) = woken.split_at(2);
    assert!(timed.contains(&"soon".to_owned()) && timed.contains(&"late".to_owned()));
    assert_eq!(rest, ["idle"], "cases without a deadline after them, closed ones not at all, each once");
}

async fn what_is_past_retention_is_forgotten(make: MakeStore) {
    let (bed, lease) = Bed::leased(make).await;
    bed.save(&lease, &[("old", 1), ("open", 1)]).await;
    let cases = bed.due(start()).await;
    let outcomes =
        cases.iter().map(|case| OutcomeCommit { open: case.key.id == "open", ..in_group(case, false) });
    bed.commit(outcomes.collect(), start()).await;
    let year = start() + minutes(60 * 24 * 401);
    bed.ring(vec![hint("x", Some("d"))], start()).await;
    let swept = bed.store().sweep(Retention::default(), year).await.expect("swept");
    assert_eq!((swept.cases, swept.deliveries), (1, 1));
    assert!(bed.store().find_cases("INCold").await.expect("read").is_empty());
    assert_eq!(bed.store().find_cases("desk/INCopen").await.expect("read").len(), 1);
}
