//! What every store promises. `exercise` runs against each of them.

mod due;
mod intake;
mod outbox;
mod whole;

use crate::fixture::{SOURCE, change, key, minutes, start};
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{
    ActionBatch, Brakes, DueCase, FactsRead, FetchResult, FetchedCase, LEASE_LIFE, NEWS_VERSION, NewNotice,
    NoticeBounds, NoticeVerdict, Order, OutcomeCommit, PageCommit, PageSaved, Retention, Sealed, Settlement,
    SourceLease, Store, StoreError, TakenHint, Token, Verdict, Watched, open_news, open_state, seal_change,
    seal_news, seal_state,
};
use dutyd_connectors::{Cursor, Hint, Quarantined};
use dutyd_core::action::{Action, Receipt, Slot, Want};
use dutyd_core::around::{Around, Contribution, Group, GroupKind};
use dutyd_core::case::Status;
use dutyd_core::decide::decide;
use dutyd_core::policy::PolicySet;
use dutyd_core::state::{News, STATE_VERSION};
use jiff::Timestamp;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

type Opening = Pin<Box<dyn Future<Output = Box<dyn Store>>>>;
type MakeStore = fn(PathBuf, Timestamp) -> Opening;

fn sqlite(path: PathBuf, now: Timestamp) -> Opening {
    Box::pin(async move { Box::new(opened(&path, now).await) as Box<dyn Store> })
}

/// A process that another test starts holds every file of ours, and so the lock, until it has become itself.
async fn opened(path: &Path, now: Timestamp) -> SqliteStore {
    let mut tries = 0;
    loop {
        match SqliteStore::open(path, 7, now).await {
            Err(StoreError::InUse(_)) if tries < TRIES_MAX => tokio::task::yield_now().await,
            opened => return opened.expect("a store"),
        }
        tries += 1;
    }
}

/// Far more than a process needs to start.
const TRIES_MAX: usize = 100_000;

/// A store of its own for one promise.
struct Bed {
    make: MakeStore,
    directory: tempfile::TempDir,
    store: Option<Box<dyn Store>>,
}

impl Bed {
    async fn new(make: MakeStore) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut bed = Self { make, directory, store: None };
        bed.reopen(start()).await;
        bed
    }

    async fn leased(make: MakeStore) -> (Self, SourceLease) {
        let bed = Self::new(make).await;
        let lease = bed.lease().await;
        (bed, lease)
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("dutyd.db")
    }

    /// As after a crash: nothing is closed in order.
    async fn reopen(&mut self, now: Timestamp) {
        self.store = None;
        self.store = Some((self.make)(self.path(), now).await);
    }

    fn store(&self) -> &dyn Store {
        self.store.as_deref().expect("an open store")
    }

    async fn lease(&self) -> SourceLease {
        self.store().lease_source(SOURCE, Token(11), start()).await.expect("stored").expect("a lease")
    }

    async fn page(
        &self,
        lease: &SourceLease,
        versions: &[(&str, i64)],
        more: bool,
    ) -> Result<PageSaved, StoreError> {
        self.store().commit_page(lease, page(versions, more), start()).await
    }

    /// A page of a scan that goes on.
    async fn save(&self, lease: &SourceLease, versions: &[(&str, i64)]) -> PageSaved {
        self.page(lease, versions, true).await.expect("saved")
    }

    async fn ring(&self, hints: Vec<Hint>, now: Timestamp) {
        self.store().note_delivery(SOURCE, hints, now).await.expect("noted");
    }

    async fn hints(&self, lease: &SourceLease, now: Timestamp) -> Vec<TakenHint> {
        self.store().take_hints(lease, 10, now).await.expect("taken").hints
    }

    async fn due(&self, now: Timestamp) -> Vec<DueCase> {
        due(self.store(), now).await
    }

    async fn commit(&self, outcomes: Vec<OutcomeCommit>, now: Timestamp) -> usize {
        commit(self.store(), outcomes, now).await
    }

    async fn actions(&self, lease: &SourceLease, now: Timestamp) -> ActionBatch {
        self.store().lease_actions(lease, Token(21), BRAKES, now).await.expect("leased")
    }
}

fn page(versions: &[(&str, i64)], more: bool) -> PageCommit {
    PageCommit {
        changes: versions.iter().map(|(id, v)| seal_change(change(id, *v)).expect("sealed")).collect(),
        next: Some(Cursor { version: 1, body: format!("{versions:?}") }),
        more,
        ..PageCommit::default()
    }
}

fn hint(id: &str, delivery: Option<&str>) -> Hint {
    Hint { key: key(id), revision: None, delivery_id: delivery.map(str::to_owned) }
}

/// What an evaluation of `due` comes to when nothing is wanted.
pub fn outcome(due: &DueCase) -> OutcomeCommit {
    OutcomeCommit {
        state: Some(Sealed::from_bytes(b"state".to_vec())),
        number: format!("INC{}", due.key.id),
        status: Status::Open,
        updated_at: start(),
        moved_at: start(),
        ..OutcomeCommit::nothing(due)
    }
}

pub fn wanting(due: &DueCase, why: &str, generation: u64) -> OutcomeCommit {
    let want = Want::Why(Some(why.to_owned()));
    OutcomeCommit { actions: vec![Action::new(&due.key, Slot::Why, want, generation)], ..outcome(due) }
}

fn in_group(due: &DueCase, urgent: bool) -> OutcomeCommit {
    let group = Group { kind: GroupKind::Customer, key: "acme".to_owned() };
    let adds = Contribution { open: true, urgent, ..Contribution::default() };
    OutcomeCommit { groups: vec![(group, adds)], ..outcome(due) }
}

pub const BRAKES: Brakes = Brakes { cases_max: 100, writes_per_hour: 1_000, recovered: false };

pub async fn due(store: &dyn Store, now: Timestamp) -> Vec<DueCase> {
    store.lease_due(Token(5), 1_000, now).await.expect("leased").cases
}

pub async fn commit(store: &dyn Store, outcomes: Vec<OutcomeCommit>, now: Timestamp) -> usize {
    store.commit_outcomes(outcomes, Watched::default(), now).await.expect("committed")
}

pub fn settled(action: &dutyd::store::LeasedAction, verdict: Verdict) -> Vec<Settlement> {
    let generation = action.action.generation;
    vec![Settlement { row: action.row, token: action.token, case: action.case, generation, verdict }]
}

pub fn done(action: &dutyd::store::LeasedAction) -> Verdict {
    let receipt =
        Receipt { slot: Slot::Why, generation: action.action.generation, at: start(), revision: None };
    let news = News::Settled { receipt: receipt.clone(), want: action.action.want.clone() };
    Verdict::Done { receipt, news: seal_news(&news).expect("sealed") }
}

/// All promises of a store.
async fn exercise(make: MakeStore) {
    intake::every(make).await;
    due::every(make).await;
    outbox::every(make).await;
}

#[tokio::test]
async fn sqlite_keeps_every_promise() {
    exercise(sqlite).await;
}

fn copy(from: &Path, to: &Path) {
    for name in ["dutyd.db", "dutyd.db-wal"] {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).expect("copied");
        }
    }
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let bed = Bed::new(sqlite).await;
    let second = SqliteStore::open(&bed.path(), 7, start()).await;
    assert!(matches!(second.err(), Some(StoreError::InUse(_))));
}

#[tokio::test]
async fn an_older_copy_is_recognised_and_everything_is_read_and_asked_again() {
    let (mut bed, lease) = Bed::leased(sqlite).await;
    bed.page(&lease, &[("a", 1)], false).await.expect("saved");
    let case = bed.due(start()).await.remove(0);
    bed.commit(vec![wanting(&case, "why", 1)], start()).await;
    let copied = tempfile::tempdir().expect("a directory");
    copy(bed.directory.path(), copied.path());
    bed.reopen(start()).await;
    bed.store = None;
    copy(copied.path(), bed.directory.path());
    let store = opened(&bed.path(), start()).await;
    assert!(store.start().restored);
    assert_eq!(store.cursor(SOURCE).await, Ok(None), "read from the beginning");
    let lease = store.lease_source(SOURCE, Token(11), start()).await.expect("stored").expect("a lease");
    let action =
        store.lease_actions(&lease, Token(21), BRAKES, start()).await.expect("leased").actions.remove(0);
    assert!(action.ask_first, "it may have been written after the copy was made");
}

/// It may follow a lost one, whose last note is still on its way.
#[tokio::test]
async fn a_young_database_waits_and_asks_before_it_writes_a_note() {
    let (bed, lease) = Bed::leased(sqlite).await;
    bed.page(&lease, &[("a", 1), ("b", 1)], false).await.expect("saved");
    let slot = || Slot::Note { rule: "idle".to_owned(), episode: "e".to_owned() };
    let note = |case: &DueCase| {
        let want = Want::Note { marker: "0123456789ab".to_owned(), body: "[dutyd:0123456789ab]".to_owned() };
        let mark = Action::new(&case.key, Slot::Why, Want::Why(None), 1);
        OutcomeCommit { actions: vec![mark, Action::new(&case.key, slot(), want, 1)], ..outcome(case) }
    };
    let cases = bed.due(start()).await;
    let grown = start() + minutes(2);
    for (case, wanted, at, expected) in [
        (&cases[0], start(), start(), vec![("why", false)]),
        (&cases[0], start(), grown, vec![("why", true), ("note", true)]),
        (&cases[1], grown, grown, vec![("why", false), ("note", false)]),
    ] {
        bed.commit(vec![note(case)], wanted).await;
        let batch = bed.actions(&lease, at).await;
        let mine = batch.actions.iter().filter(|one| one.action.case == case.key);
        let word = |slot: &Slot| if *slot == Slot::Why { "why" } else { "note" };
        let asks: Vec<_> = mine.map(|one| (word(&one.action.slot), one.ask_first)).collect();
        assert_eq!(asks, expected, "at {at}");
    }
}

#[tokio::test]
async fn a_clean_stop_is_told_from_a_crash() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("dutyd.db");
    for (closed, expected) in [(true, (true, false)), (false, (false, false)), (true, (false, true))] {
        let store = opened(&path, start()).await;
        assert_eq!((store.start().new, store.start().unclean), expected);
        assert!(!store.start().restored);
        if closed {
            store.close().await;
        }
    }
}

/// Values of every version ever written. `UPDATE=1` writes those of today's versions anew.
#[test]
fn stored_values_of_every_version_still_open() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/stored");
    let news = News::Change(Box::new(change("a", 1)));
    let policies = PolicySet::default();
    let state =
        decide(&policies, None, &Around::default(), std::slice::from_ref(&news), start()).expect("a case");
    let fresh = [
        (format!("state_{STATE_VERSION}"), seal_state(&state.state).expect("sealed")),
        (format!("news_{NEWS_VERSION}"), seal_news(&news).expect("sealed")),
    ];
    for (name, sealed) in &fresh {
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(directory.join(name), sealed.bytes()).expect("written");
        }
    }
    let mut files: Vec<_> = std::fs::read_dir(&directory).expect("fixtures").flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    assert!(files.len() >= fresh.len());
    for file in files {
        let sealed = Sealed::from_bytes(std::fs::read(file.path()).expect("read"));
        let name = file.file_name().into_string().expect("a plain name");
        match name.split_once('_') {
            Some(("state", _)) => assert_eq!(open_state(&sealed).expect(&name).case.key, key("a"), "{name}"),
            _ => assert!(matches!(open_news(&sealed).expect(&name), News::Change(_)), "{name}"),
        }
    }
    let damaged = |at: usize| {
        let mut bytes = fresh[0].1.bytes().to_vec();
        bytes[at] ^= 4;
        open_state(&Sealed::from_bytes(bytes))
    };
    for at in 0..fresh[0].1.bytes().len() {
        assert!(damaged(at).is_err(), "a flipped bit at byte {at} goes unnoticed");
    }
}
