//! What very many open clocks cost while few of them are due, and how late thresholds fire with 100,000 of them open.
//!
//! `cargo bench --bench due [-- 10000 100000 …]`. The first part runs the real evaluation in virtual time: a thousand cases
//! whose thresholds come due one after the other, among so many others that are not; it prints the time of a tick with
//! nothing due, and of one with a case due, its decision stored and synced. Of cases that are not due there are rows of the case and of the due-queue;
//! their states, which nothing reads, are left out. The second part runs by the machine's own clock.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]
#![allow(clippy::unwrap_used, reason = "a benchmark may stop")]

use async_trait::async_trait;
use dutyd::clock::{Clock, SystemClock, Wake, Woke};
use dutyd::engine::{Engine, Setup, Tick, Unit};
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{PageCommit, Store, Token, seal_change};
use dutyd_core::case::{CaseChange, SeenMarks};
use dutyd_core::policy::{Policy, PolicyFile, PolicySet};
use dutyd_core::sla::history::HistoryDoc;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::watch;

const OPEN: [i64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// Cases whose thresholds come due in the first part, a second apart.
const DUE: i64 = 1_000;
const IDLE_TICKS: u32 = 1_000;
/// The second part: open clocks, how many of them come due, and within how many seconds.
const LIVE: i64 = 100_000;
const LIVE_DUE: i64 = 20_000;
const LIVE_SECONDS: i64 = 30;
/// Before the first of them comes due, while the rest is taken in.
const LIVE_LEAD: i64 = 150;
const PAGE: i64 = 1_000;
const TARGET: i64 = 4 * 3_600;
const SOURCE: &str = "desk";
const POLICY: &str = "[[sla]]\nname = \"a\"\n[sla.resolution]\nany = \"4h calendar time\"\n\
    [[rules]]\nname = \"late\"\nseverity = \"warning\"\ntext = \"Late.\"\nwhen = \"clock.resolution.percent >= 100\"\n";

struct HandClock(Mutex<Timestamp>);

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep_until(&self, _until: Option<Timestamp>, _wake: &Wake) -> Woke {
        Woke::Slept
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let asked: Vec<i64> = std::env::args().filter_map(|word| word.replace('_', "").parse().ok()).collect();
    let open = if asked.is_empty() { OPEN.to_vec() } else { asked };
    println!(
        "open clocks      a tick with nothing due      a tick with one due, in the middle, stored and synced"
    );
    for open in open {
        runtime.block_on(virtually(open));
    }
    runtime.block_on(live());
}

async fn virtually(open: i64) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dutyd.db");
    let start: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
    // All of them were opened by then.
    let opened = start + SignedDuration::from_secs(DUE);
    let clock = Arc::new(HandClock(Mutex::new(opened)));
    let store = Arc::new(SqliteStore::open(&path, 7, start).await.unwrap());
    take_in(&store, DUE, start, |nth| start + SignedDuration::from_secs(TARGET + nth)).await;
    let first = engine(store.clone(), clock.clone()).await;
    settle(first.as_ref()).await;
    drop(first);
    store.close().await;
    drop(store);
    crowd(&path, open - DUE, start);

    let store = Arc::new(SqliteStore::open(&path, 7, start).await.unwrap());
    let evaluate = engine(store.clone(), clock.clone()).await;
    settle(evaluate.as_ref()).await;
    let began = Instant::now();
    for _ in 0..IDLE_TICKS {
        assert!(matches!(evaluate.tick().await.unwrap(), Tick::Idle { .. }), "nothing is due");
    }
    let idle = began.elapsed() / IDLE_TICKS;
    let mut each = Vec::new();
    for nth in 0..DUE {
        *clock.0.lock().unwrap() = start + SignedDuration::from_secs(TARGET + nth);
        let began = Instant::now();
        assert_eq!(settle(evaluate.as_ref()).await, 1, "each at its second");
        each.push(began.elapsed());
    }
    each.sort_unstable();
    let each = each[each.len() / 2];
    println!(
        "{open:>11}      {:>17.1} µs      {:>9.1} µs",
        idle.as_secs_f64() * 1e6,
        each.as_secs_f64() * 1e6
    );
    store.close().await;
}

async fn live() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::default());
    let start = clock.now();
    let store = Arc::new(SqliteStore::open(&directory.path().join("dutyd.db"), 7, start).await.unwrap());
    let first = Timestamp::from_second(start.as_second() + LIVE_LEAD).unwrap();
    let due = |nth: i64| match nth < LIVE_DUE {
        true => first + SignedDuration::from_secs(nth * LIVE_SECONDS / LIVE_DUE),
        false => first + SignedDuration::from_hours(24 + nth % 100),
    };
    take_in(&store, LIVE, start, due).await;
    let evaluate = engine(store.clone(), clock.clone()).await;
    settle(evaluate.as_ref()).await;
    assert!(clock.now() < first, "the cases were taken in too slowly: a longer lead is needed");
    let (end, mut longest) = (first + SignedDuration::from_secs(LIVE_SECONDS + 5), SignedDuration::ZERO);
    while clock.now() < end {
        let began = clock.now();
        let tick = evaluate.tick().await.unwrap();
        longest = longest.max(clock.now().duration_since(began));
        if let Tick::Idle { until } = tick {
            clock.sleep_until(Some(until.unwrap_or(end).min(end)), &Wake::default()).await;
        }
    }
    let (mut fired, mut early, mut late) = (Vec::new(), 0, Vec::new());
    let mut after = 0;
    loop {
        let rows = store.states(after, 1_000).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = last.case;
        for row in rows {
            let due = due(row.number.parse().unwrap());
            for decision in store.decisions(row.case).await.unwrap() {
                let at = decision.decision.at;
                early += i64::from(at < due);
                late.push(at.duration_since(due).as_secs_f64());
                fired.push((decision.seq, due));
            }
        }
    }
    late.sort_by(f64::total_cmp);
    fired.sort_unstable_by_key(|(seq, _)| *seq);
    let in_order = fired.is_sorted_by_key(|(_, due)| *due);
    println!("\n{LIVE} open clocks, {LIVE_DUE} of them due within {LIVE_SECONDS} s, by the machine's clock");
    println!("  fired {} (once each), early {early}, in order: {in_order}", fired.len());
    println!(
        "  late by {:.3} s in the middle, {:.3} s at most; the longest tick, to its commit, {:.3} s   (goal: within 1 s)",
        late[late.len() / 2],
        late[late.len() - 1],
        longest.as_secs_f64()
    );
    store.close().await;
}

/// The part of the engine that decides.
async fn engine(store: Arc<SqliteStore>, clock: Arc<dyn Clock>) -> Arc<dyn Unit> {
    let file = PolicyFile { name: "p.toml".to_owned(), text: POLICY.to_owned() };
    let current = Arc::new(Policy::load(&[file]).unwrap_or_else(|problems| panic!("{problems:?}")));
    let (_, policy) = watch::channel(Arc::new(PolicySet { current, ..PolicySet::default() }));
    let setup = Setup {
        store,
        clock,
        policy,
        sources: Vec::new(),
        channels: Vec::new(),
        retention: Default::default(),
        seed: 1,
    };
    let units = Engine::new(setup).await.unwrap().units();
    units.into_iter().find(|unit| unit.name() == "evaluate").unwrap()
}

/// Ticks until nothing is due now; how often there was something.
async fn settle(evaluate: &dyn Unit) -> i64 {
    let mut worked = 0;
    while evaluate.tick().await.unwrap() == Tick::Worked {
        worked += 1;
    }
    worked
}

/// Cases whose targets are used up at these instants.
async fn take_in(store: &SqliteStore, count: i64, now: Timestamp, due: impl Fn(i64) -> Timestamp) {
    let lease = store.lease_source(SOURCE, Token(3), now).await.unwrap().unwrap();
    for first in (0..count).step_by(PAGE as usize) {
        let nths = first..(first + PAGE).min(count);
        let changes = nths.map(|nth| seal_change(change(nth, due(nth))).unwrap()).collect();
        store.commit_page(&lease, PageCommit { changes, ..PageCommit::default() }, now).await.unwrap();
    }
}

fn change(nth: i64, due: Timestamp) -> CaseChange {
    let opened = due - SignedDuration::from_secs(TARGET);
    let text = format!(
        "{{\"case\":{{\"source\":\"{SOURCE}\",\"number\":\"{nth}\",\"status\":\"open\",\"priority\":3}},\
          \"events\":[{{\"id\":\"{nth}-1\",\"at\":\"{opened}\",\"what\":\"created\"}}]}}"
    );
    let state = serde_json::from_str::<HistoryDoc>(&text).unwrap().state().unwrap();
    CaseChange {
        case: state.case,
        events: state.events,
        marks: SeenMarks { notes_complete: true, ..SeenMarks::default() },
        events_complete: true,
        texts: Vec::new(),
    }
}

/// So many other open cases, due from a day after `start` on.
fn crowd(path: &Path, count: i64, start: Timestamp) {
    let mut db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;").unwrap();
    let changes = db.transaction().unwrap();
    let from = start.as_millisecond() + 86_400_000;
    changes
        .execute_batch(&format!(
            "CREATE TEMP TABLE crowd AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n;
             INSERT INTO cases (source, vendor_id, number, seen_ms, seen_count, open, status)
               SELECT 1, printf('%016x', i), 'X' || i, 0, 1, 1, 'open' FROM crowd;
             INSERT INTO due (case_id, ready_at)
               SELECT id, {from} + (id * 7919) % 2592000000 FROM cases WHERE number LIKE 'X%';"
        ))
        .unwrap();
    changes.commit().unwrap();
}
