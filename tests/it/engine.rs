//! What the engine does after each kind of answer, with a scripted connector and a clock that moves only when told.

mod double;
mod sight;

pub use double::{Answer, Double, NoNetwork, Record, page};

use crate::fixture::{HandClock, SOURCE, change, key, minutes, start};
use dutyd::clock::Clock;
use dutyd::config::Mode;
use dutyd::engine::{Engine, Setup, SourceSetup, Unit};
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{Order, ParkedKind, Retention, Store, open_state};
use dutyd_connectors::{ConnectorError, Hint, Page};
use dutyd_core::action::{Action, Slot, Want};
use dutyd_core::case::SeenMarks;
use dutyd_core::policy::{Policy, PolicyFile, PolicySet};
use jiff::SignedDuration;
use std::sync::Arc;
use tokio::sync::watch;

/// An engine over one scripted source.
pub struct Stage {
    _directory: tempfile::TempDir,
    pub store: Arc<SqliteStore>,
    pub clock: Arc<HandClock>,
    pub double: Arc<Double>,
    pub engine: Engine,
    units: Vec<Arc<dyn Unit>>,
    _policy: watch::Sender<Arc<PolicySet>>,
}

impl Stage {
    pub async fn new(mode: Mode) -> Self {
        Self::with(mode, 1_000).await
    }

    async fn with(mode: Mode, writes_per_hour: u32) -> Self {
        let clock = Arc::new(HandClock::new(start()));
        Self::over(Arc::new(Double::new()), clock, PolicySet::default(), mode, writes_per_hour).await
    }

    /// A daemon with an empty database before a vendor as it stands.
    pub async fn over(
        double: Arc<Double>,
        clock: Arc<HandClock>,
        policies: PolicySet,
        mode: Mode,
        writes_per_hour: u32,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("dutyd.db");
        let store = Arc::new(SqliteStore::open(&path, 7, clock.now()).await.expect("a store"));
        let (policy, watched) = watch::channel(Arc::new(policies));
        let source = SourceSetup {
            name: SOURCE.to_owned(),
            connector: double.clone(),
            http: Arc::new(NoNetwork),
            mode,
            poll_interval: minutes(1),
            writes_per_hour,
            start_from: None,
        };
        let setup = Setup {
            store: store.clone(),
            clock: clock.clone(),
            policy: watched,
            sources: vec![source],
            channels: Vec::new(),
            retention: Retention::default(),
            seed: 1,
        };
        let engine = Engine::new(setup).await.expect("an engine");
        let units = engine.units();
        Self { _directory: directory, store, clock, double, engine, units, _policy: policy }
    }

    /// Ticks all units until none has anything to do now.
    pub async fn settle(&self) {
        crate::fixture::settle(&self.units, 100).await;
    }

    /// A case that is known, and a mark wanted on it.
    async fn with_a_want(mode: Mode) -> Self {
        let stage = Self::new(mode).await;
        stage.double.page(Ok(page(&["a"], "one")));
        stage.settle().await;
        stage.double.asked();
        stage.want("a", 1).await;
        stage
    }

    async fn want(&self, id: &str, generation: u64) {
        let key = key(id);
        let actions = vec![
            Action::new(&key, Slot::Mark, Want::Mark(None), generation),
            Action::new(&key, Slot::Why, Want::Why(Some("because".to_owned())), generation),
        ];
        self.store.order(Order::Want { actions }, self.clock.now()).await.expect("ordered");
    }

    async fn pending(&self) -> u64 {
        self.store.sources(self.clock.now()).await.expect("read")[0].outbox.pending()
    }

    /// What the vendor was asked apart from reading.
    fn writes(&self) -> Vec<String> {
        let reads = |asked: &String| asked.starts_with("pull") || asked.starts_with("fetch");
        self.double.asked().into_iter().filter(|asked| !reads(asked)).collect()
    }
}

#[tokio::test]
async fn pages_are_read_to_the_end_and_then_at_each_interval() {
    let stage = Stage::new(Mode::Observe).await;
    stage.double.page(Ok(Page { more: true, ..page(&["a", "b"], "one") }));
    stage.double.page(Ok(page(&["c"], "two")));
    stage.settle().await;
    assert_eq!(stage.double.asked(), ["pull from the beginning", "pull from one"]);
    assert_eq!(stage.store.counts(start()).await.expect("read").open, 3);
    stage.clock.pass(SignedDuration::from_secs(59));
    stage.settle().await;
    assert!(stage.double.asked().is_empty());
    stage.clock.pass(SignedDuration::from_secs(1));
    stage.settle().await;
    assert_eq!(stage.double.asked(), ["pull from two"]);
}

#[tokio::test]
async fn pages_that_do_not_advance_end_the_scan_and_the_source_says_so() {
    let stage = Stage::new(Mode::Observe).await;
    for _ in 0..50 {
        stage.double.page(Ok(Page { more: true, ..page(&["a"], "stuck") }));
    }
    stage.settle().await;
    assert!(stage.double.asked().len() <= 3, "two repeats");
    let health = stage.engine.health().remove(0);
    assert!(health.read_trouble.is_some_and(|trouble| trouble.contains("lead back")));
    assert_eq!(health.caught_up_at, None, "nobody knows what stands behind these pages");
}

#[tokio::test]
async fn a_webhooks_case_is_fetched_at_once() {
    let stage = Stage::new(Mode::Observe).await;
    stage.settle().await;
    stage.double.asked();
    let hint = Hint { key: key("a"), revision: None, delivery_id: Some("d1".to_owned()) };
    stage.store.note_delivery(SOURCE, vec![hint], stage.clock.now()).await.expect("noted");
    stage.engine.rung(SOURCE);
    stage.settle().await;
    assert_eq!(stage.double.asked(), ["fetch a"]);
    assert_eq!(stage.store.find_cases("INCa").await.expect("read").len(), 1);
}

#[tokio::test]
async fn an_edit_that_left_no_trace_is_found_within_a_week() {
    let stage = Stage::new(Mode::Observe).await;
    let mut before = change("a", 1);
    before.case.title = "As it was".to_owned();
    stage.double.page(Ok(Page { changes: vec![before], ..page(&[], "one") }));
    stage.settle().await;
    for _ in 0..7 * 24 {
        stage.clock.pass(minutes(60));
        stage.settle().await;
    }
    let found = stage.store.find_cases("INCa").await.expect("read").remove(0);
    assert_eq!(open_state(&found.state).expect("a state").case.title, change("a", 1).case.title);
}

#[tokio::test]
async fn the_wants_of_a_case_go_in_one_request_and_their_receipt_ends_them() {
    let stage = Stage::with_a_want(Mode::Write).await;
    stage.settle().await;
    assert_eq!(stage.writes(), ["apply mark why"]);
    assert_eq!(stage.pending().await, 0);
}

#[tokio::test]
async fn observe_mode_records_and_sends_nothing() {
    let stage = Stage::with_a_want(Mode::Observe).await;
    stage.settle().await;
    assert!(stage.writes().is_empty());
    assert_eq!(stage.pending().await, 2);
}

#[tokio::test]
async fn a_throttle_waits_as_told_and_is_no_failed_attempt() {
    let stage = Stage::with_a_want(Mode::Write).await;
    let until = Some(start() + minutes(3));
    stage.double.write(Err(ConnectorError::Throttled { until }));
    stage.settle().await;
    assert_eq!(stage.writes(), ["apply mark why"]);
    stage.clock.pass(minutes(2));
    stage.settle().await;
    assert!(stage.writes().is_empty(), "not before the vendor said");
    stage.clock.pass(minutes(1));
    stage.settle().await;
    assert_eq!(stage.writes(), ["apply mark why"], "without asking first");
}

#[tokio::test]
async fn a_vendor_cannot_make_us_wait_for_a_year() {
    let stage = Stage::with_a_want(Mode::Write).await;
    let year = Some(start() + SignedDuration::from_hours(24 * 365));
    stage.double.write(Err(ConnectorError::Throttled { until: year }));
    stage.settle().await;
    stage.writes();
    stage.clock.pass(minutes(15));
    stage.settle().await;
    assert_eq!(stage.writes(), ["apply mark why"]);
}

#[tokio::test]
async fn a_write_without_an_answer_is_asked_about_after_its_quiet_time() {
    for (held, expected) in [
        (true, &["holds mark", "holds why"][..]),
        (false, &["holds mark", "holds why", "apply mark why"][..]),
    ] {
        let stage = Stage::with_a_want(Mode::Write).await;
        stage.double.write(Err(ConnectorError::Unknown { reason: "connection reset".to_owned() }));
        *stage.double.held.lock().expect("not poisoned") = held;
        stage.settle().await;
        assert_eq!(stage.writes(), ["apply mark why"]);
        stage.clock.pass(SignedDuration::from_secs(119));
        stage.settle().await;
        assert!(stage.writes().is_empty(), "a write can land late");
        stage.clock.pass(SignedDuration::from_secs(1));
        stage.settle().await;
        assert_eq!(stage.writes(), expected);
        assert_eq!(stage.pending().await, 0);
    }
}

#[tokio::test]
async fn a_failed_write_is_tried_again_later_and_asks_first() {
    let stage = Stage::with_a_want(Mode::Write).await;
    stage.double.write(Err(ConnectorError::Unavailable { reason: "503".to_owned() }));
    stage.settle().await;
    assert_eq!(stage.writes(), ["apply mark why"]);
    stage.clock.pass(minutes(1));
    stage.settle().await;
    assert_eq!(stage.writes(), ["holds mark", "holds why", "apply mark why"]);
}

#[tokio::test]
async fn a_refused_write_is_parked_and_never_tried_again() {
    let stage = Stage::with_a_want(Mode::Write).await;
    stage.double.write(Err(ConnectorError::Refused { status: 403, reason: "no right".to_owned() }));
    stage.settle().await;
    stage.writes();
    stage.clock.pass(minutes(600));
    stage.settle().await;
    assert!(stage.writes().is_empty());
    assert_eq!(stage.store.parked().await.expect("read").len(), 2);
}

#[tokio::test]
async fn a_source_that_signed_us_out_is_left_alone_until_told_otherwise() {
    let stage = Stage::new(Mode::Write).await;
    stage.double.page(Err(ConnectorError::SignedOut { reason: "401".to_owned() }));
    stage.settle().await;
    assert_eq!(stage.double.asked().len(), 1);
    assert!(stage.engine.health()[0].signed_out);
    stage.clock.pass(minutes(4));
    stage.settle().await;
    assert!(stage.double.asked().is_empty());
    stage.engine.retry_now();
    stage.settle().await;
    assert_eq!(stage.double.asked().len(), 1);
    assert!(!stage.engine.health()[0].signed_out);
}

#[tokio::test]
async fn writes_per_hour_brakes_and_says_so() {
    let stage = Stage::with(Mode::Write, 1).await;
    stage.double.page(Ok(page(&["a", "b"], "one")));
    stage.settle().await;
    stage.double.asked();
    stage.want("a", 1).await;
    stage.want("b", 1).await;
    stage.settle().await;
    assert_eq!(stage.writes().len(), 1);
    assert_eq!(stage.engine.health()[0].braked_until, Some(start() + minutes(60)));
    stage.clock.pass(minutes(60));
    stage.settle().await;
    assert_eq!(stage.writes().len(), 1);
    assert_eq!(stage.engine.health()[0].braked_until, None);
}

#[tokio::test]
async fn a_paused_source_is_neither_read_nor_written() {
    let stage = Stage::with_a_want(Mode::Write).await;
    let pause = |paused| Order::Pause { source: SOURCE.to_owned(), paused };
    stage.engine.order(pause(true)).await.expect("paused");
    stage.clock.pass(minutes(10));
    stage.settle().await;
    assert!(stage.double.asked().is_empty());
    stage.engine.order(pause(false)).await.expect("resumed");
    stage.settle().await;
    assert!(!stage.double.asked().is_empty());
}

#[tokio::test]
async fn our_own_write_coming_back_changes_nothing() {
    let stage = Stage::with_a_want(Mode::Write).await;
    stage.settle().await;
    stage.writes();
    let before = stage.store.find_cases("INCa").await.expect("read");
    for _ in 0..3 {
        stage.double.page(Ok(page(&["a"], "one")));
        stage.clock.pass(minutes(1));
        stage.settle().await;
    }
    assert!(stage.writes().is_empty());
    assert_eq!(stage.store.find_cases("INCa").await.expect("read"), before);
}

#[tokio::test]
async fn silence_beyond_the_bound_is_blindness_and_ends_with_the_next_scan() {
    let stage = Stage::new(Mode::Observe).await;
    stage.settle().await;
    assert_eq!(stage.engine.health()[0].blind_since, None);
    for _ in 0..200 {
        stage.double.page(Err(ConnectorError::Unavailable { reason: "down".to_owned() }));
    }
    for _ in 0..4 {
        stage.clock.pass(minutes(1));
        stage.settle().await;
    }
    let health = stage.engine.health().remove(0);
    assert_eq!((health.blind_since, health.bound_seconds), (Some(start()), 150));
    assert!(health.read_trouble.is_some_and(|because| because.contains("down")));
    stage.double.pages.lock().expect("not poisoned").clear();
    stage.clock.pass(minutes(16));
    stage.settle().await;
    assert_eq!(stage.engine.health()[0].blind_since, None);
}

pub const UNOWNED: &str = r#"
[[rules]]
name = "urgent-unowned"
when = "case.urgent && case.owner == null && owner_for.wall >= minutes(15)"
severity = "candidate"
text = "Nobody owns it."
"#;

pub fn policies(text: &str) -> PolicySet {
    let file = PolicyFile { name: "rules.toml".to_owned(), text: text.to_owned() };
    let current = Policy::load(&[file]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    PolicySet { current: Arc::new(current), ..PolicySet::default() }
}

#[tokio::test]
async fn a_flag_rises_at_its_second_is_written_once_and_outlives_the_database() {
    let (double, clock) = (Arc::new(Double::new()), Arc::new(HandClock::new(start())));
    *double.record.lock().expect("not poisoned") =
        Some(Record { marks: SeenMarks { notes_complete: true, ..SeenMarks::default() }, version: 1 });
    let stage = Stage::over(double.clone(), clock.clone(), policies(UNOWNED), Mode::Write, 1_000).await;
    stage.settle().await;
    clock.pass(SignedDuration::from_secs(15 * 60 - 1));
    stage.settle().await;
    assert!(stage.writes().is_empty(), "a second too early");
    clock.pass(SignedDuration::from_secs(1));
    stage.settle().await;
    let writes = stage.writes();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert!(writes[0].starts_with("apply mark why note:urgent-unowned:"), "{writes:?}");
    for _ in 0..5 {
        clock.pass(minutes(1));
        stage.settle().await;
    }
    assert!(stage.writes().is_empty(), "our own write comes back and changes nothing");

    drop(stage);
    let amnesiac = Stage::over(double, clock.clone(), policies(UNOWNED), Mode::Write, 1_000).await;
    for _ in 0..5 {
        amnesiac.settle().await;
        clock.pass(minutes(1));
    }
    assert!(amnesiac.writes().is_empty(), "what stands on the record is taken up, not written again");
    let flags = amnesiac.store.open_flags(10).await.expect("read");
    assert_eq!((flags.len(), flags[0].rule.as_str()), (1, "urgent-unowned"));
    assert_eq!(flags[0].raised_at, start() + minutes(15));
}

#[tokio::test]
async fn a_record_that_takes_no_writes_parks_nothing_and_is_tried_again_once_it_changes() {
    let stage = Stage::with_a_want(Mode::Write).await;
    let sealed = || Err(ConnectorError::Sealed { reason: "ticket 1 is closed".to_owned() });
    stage.double.write(sealed());
    stage.settle().await;
    assert_eq!(stage.writes(), ["apply mark why"]);
    let source = stage.store.sources(start()).await.expect("read").remove(0);
    assert_eq!((source.outbox.sealed, source.outbox.parked, source.outbox.pending()), (2, 0, 0));
    assert_eq!(source.outbox.since, None, "nothing is overdue");
    let shown = stage.store.parked().await.expect("read");
    assert!(shown.iter().all(|row| row.kind == ParkedKind::Sealed && row.because.contains("closed")));
    stage.clock.pass(SignedDuration::from_hours(24));
    stage.settle().await;
    assert!(stage.writes().is_empty(), "no retry without a change");
    let reopened = change("a", 2);
    stage.double.page(Ok(Page { changes: vec![reopened], ..page(&[], "two") }));
    stage.clock.pass(minutes(1));
    stage.settle().await;
    assert_eq!(stage.writes(), ["apply mark why"]);
    assert_eq!(stage.store.sources(start()).await.expect("read")[0].outbox.sealed, 0);
}
