use dutyd::store::sqlite::SqliteStore;
use dutyd::store::*;
use dutyd_connectors::{Cursor, Hint};
use dutyd_core::around::Around;
use dutyd_core::case::*;
use dutyd_core::decide::decide;
use dutyd_core::policy::PolicySet;
use dutyd_core::state::News;
use dutyd_core::timeline::*;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

fn change(i: usize) -> CaseChange {
    let start: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
    let at = start + SignedDuration::from_secs(i as i64);
    let id = format!("{:032x}", (i as u128).wrapping_mul(0x9e3779b97f4a7c15f39cc0605cedc835));
    let p = |k: &str| Some(Party { id: format!("{k}{}", i % 500), name: format!("{k} number {}", i % 500) });
    let case = Case {
        key: CaseKey::new("desk", id.clone()),
        number: format!("INC{i:07}"),
        title: format!("Printer on floor {i} does not answer any more and nobody knows why"),
        link: Some(format!("https://example.service-now.com/incident.do?sys_id={id}")),
        status: Status::Open,
        status_raw: "2".into(),
        priority: Some(Priority(3)),
        priority_raw: "3".into(),
        customer: p("cust"),
        tier: None,
        contract: None,
        requester: p("user"),
        owner: p("own"),
        team: p("team"),
        product: None,
        category: Some("incident".into()),
        channel: None,
        tags: vec![],
        fields: BTreeMap::new(),
        unread: vec![],
        opened_at: at,
        updated_at: at,
        resolved_at: None,
        due_at: None,
        links: vec![],
        revision: Revision { at_ms: at.as_millisecond(), count: 1 },
    };
    let events = (0..8)
        .map(|n| TimelineEvent {
            id: format!("{id}-{n}"),
            at: at + SignedDuration::from_secs(n),
            seen_at: at,
            actor: Actor::Agent,
            by: Some("someone".into()),
            kind: if n == 0 {
                EventKind::Created
            } else {
                EventKind::Replied { public: n % 2 == 0, signals: vec![] }
            },
        })
        .collect();
    CaseChange {
        case,
        events,
        marks: SeenMarks { notes_complete: true, ..Default::default() },
        events_complete: true,
        texts: vec![],
    }
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: usize = args.get(1).map_or(100_000, |s| s.parse().unwrap());
    let dir = tempfile::tempdir_in(args.get(2).map_or("/tmp", |s| s)).unwrap();
    let path = dir.path().join("d.db");
    let now: Timestamp = "2026-03-22T08:00:00Z".parse().unwrap();
    let store = Arc::new(SqliteStore::open(&path, 1, now).await.unwrap());
    let lease = store.lease_source("desk", Token(3), now).await.unwrap().unwrap();
    let policies = PolicySet::default();
    let t = std::time::Instant::now();
    let mut seal = std::time::Duration::ZERO;
    let mut page_t = seal;
    let mut lease_t = seal;
    let mut dec_t = seal;
    let mut com_t = seal;
    let watched = Watched {
        team: FactsRead { urgent: true, ..Default::default() },
        customer: FactsRead { urgent: true, ..Default::default() },
        owner: FactsRead::default(),
    };
    for part in (0..n).collect::<Vec<_>>().chunks(1000) {
        let a = std::time::Instant::now();
        let changes = part.iter().map(|i| seal_change(change(*i)).unwrap()).collect();
        seal += a.elapsed();
        let a = std::time::Instant::now();
        store
            .commit_page(
                &lease,
                PageCommit {
                    changes,
                    next: Some(Cursor { version: 1, body: part[0].to_string() }),
                    more: true,
                    ..Default::default()
                },
                now,
            )
            .await
            .unwrap();
        page_t += a.elapsed();
        loop {
            let a = std::time::Instant::now();
            let due = store.lease_due(Token(9), 256, now).await.unwrap();
            lease_t += a.elapsed();
            let a = std::time::Instant::now();
            if due.cases.is_empty() {
                break;
            }
            let commits: Vec<_> = due
                .cases
                .iter()
                .map(|d| {
                    let news: Vec<News> = d.news.iter().map(|s| open_news(s).unwrap()).collect();
                    let before = d.state.as_ref().map(|s| open_state(s).unwrap());
                    let o = decide(&policies, before.as_ref(), &Around::default(), &news, now).unwrap();
                    OutcomeCommit {
                        case: d.case,
                        token: d.token,
                        rings: d.rings,
                        news_to: d.news_to,
                        state: Some(seal_state(&o.state).unwrap()),
                        number: o.state.case.number.clone(),
                        open: true,
                        status: Status::Open,
                        updated_at: now,
                        moved_at: now,
                        links: vec![],
                        decisions: vec![],
                        actions: vec![],
                        withdrawn: vec![],
                        held: false,
                        rank: 0,
                        flags: vec![],
                        groups: dutyd_core::decide::groups(&policies.current, &o.state),
                        due_at: Some(now + SignedDuration::from_hours(24)),
                        refetch: false,
                    }
                })
                .collect();
            dec_t += a.elapsed();
            let a = std::time::Instant::now();
            store.commit_outcomes(commits, watched, now).await.unwrap();
            com_t += a.elapsed();
        }
    }
    println!(
        "import {n}: {:?}  seal {seal:?} page {page_t:?} lease {lease_t:?} decide {dec_t:?} commit {com_t:?} size {} MB",
        t.elapsed(),
        std::fs::metadata(&path).unwrap().len() / 1_000_000
    );
    let t = std::time::Instant::now();
    println!("counts {:?} {:?}", store.counts(now).await.unwrap().cases, t.elapsed());
    store.wake_all("p2", now).await.unwrap();
    drop(store);
    let t = std::time::Instant::now();
    let store = Arc::new(SqliteStore::open(&path, 1, now).await.unwrap());
    let due = store.lease_due(Token(9), 256, now).await.unwrap();
    store.sources(now).await.unwrap();
    store.counts(now).await.unwrap();
    println!("reopen after crash + first lease ({} due): {:?}", due.cases.len(), t.elapsed());
    for clients in [1usize, 64] {
        let t = std::time::Instant::now();
        let per = if clients == 1 { 2000 } else { 2000 };
        let mut set = tokio::task::JoinSet::new();
        for c in 0..clients {
            let store = store.clone();
            set.spawn(async move {
                for i in 0..per {
                    let id = format!(
                        "{:032x}",
                        ((c * per + i) as u128).wrapping_mul(0x9e3779b97f4a7c15f39cc0605cedc835)
                    );
                    store
                        .note_delivery(
                            "desk",
                            vec![Hint {
                                key: CaseKey::new("desk", id.clone()),
                                revision: None,
                                delivery_id: Some(format!("{clients}-{id}")),
                            }],
                            now,
                        )
                        .await
                        .unwrap();
                }
            });
        }
        while set.join_next().await.is_some() {}
        println!("deliveries at {clients}: {:.0}/s", (clients * per) as f64 / t.elapsed().as_secs_f64());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap());
}
