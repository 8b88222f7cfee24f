//! What every store promises. `exercise` runs against each of them.

mod whole;

use crate::fixture::{SOURCE, change, key, minutes, start};
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{
    Brakes, DueCase, FactsRead, FetchResult, FetchedCase, LEASE_LIFE, NEWS_VERSION, Order, OutcomeCommit,
    PageCommit, PageSaved, Retention, Sealed, Settlement, SourceLease, Store, StoreError, TakenHint, Token,
    Verdict, Watched, open_news, open_state, seal_change, seal_news, seal_state,
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
        case: due.case,
        token: due.token,
        rings: due.rings,
        news_to: due.news_to,
        state: Some(Sealed::from_bytes(b"state".to_vec())),
        number: format!("INC{}", due.key.id),
        open: true,
        status: Status::Open,
        updated_at: start(),
        moved_at: start(),
        links: Vec::new(),
        decisions: Vec::new(),
        actions: Vec::new(),
        notices: Vec::new(),
        withdrawn: Vec::new(),
        gone: false,
        held: false,
        rank: 0,
        flags: Vec::new(),
        groups: Vec::new(),
        due_at: None,
        blind: false,
        refetch: false,
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

async fn a_noted_delivery_survives_reopening(make: MakeStore) {
    let mut bed = Bed::new(make).await;
    let new = bed.store().note_delivery(SOURCE, vec![hint("a", Some("d1"))], start()).await;
    assert_eq!(new, Ok(1));
    bed.reopen(start()).await;
    let lease = bed.lease().await;
    let taken = bed.store().take_hints(&lease, 10, start()).await.expect("taken").hints;
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
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.store().note_delivery(SOURCE, vec![hint("a", None), hint("b", None)], start()).await.expect("noted");
    let taken = bed.store().take_hints(&lease, 10, start()).await.expect("taken").hints;
    assert!(bed.store().take_hints(&lease, 10, start()).await.expect("taken").hints.is_empty(), "leased");
    bed.store().note_delivery(SOURCE, vec![hint("a", None)], start()).await.expect("noted");
    let fetched = taken.into_iter().map(|hint| {
        let change = Box::new(seal_change(change(&hint.key.id, 1)).expect("sealed"));
        FetchedCase { hint, result: FetchResult::Case(change) }
    });
    assert_eq!(bed.store().commit_fetched(&lease, fetched.collect(), start()).await, Ok(2));
    let left = bed.store().take_hints(&lease, 10, start()).await.expect("taken").hints;
    assert_eq!(left.iter().map(|hint| hint.key.clone()).collect::<Vec<_>>(), [key("a")]);
}

async fn webhooks_go_before_pages_and_a_known_revision_is_not_fetched(make: MakeStore) {
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("known", 3)], true).await.expect("saved");
    let revision = |version| Some(change("x", version).case.revision);
    let mut hints = page(&[], true);
    hints.hints = vec![
        Hint { revision: revision(3), ..hint("known", None) },
        Hint { revision: revision(1), ..hint("page", None) },
    ];
    bed.store().commit_page(&lease, hints, start()).await.expect("saved");
    bed.store().note_delivery(SOURCE, vec![hint("bell", None)], start() + minutes(1)).await.expect("noted");
    let taken = bed.store().take_hints(&lease, 10, start() + minutes(1)).await.expect("taken").hints;
    assert_eq!(taken.iter().map(|hint| hint.key.id.as_str()).collect::<Vec<_>>(), ["bell", "page"]);
}

async fn a_page_commits_whole_or_not_at_all(make: MakeStore) {
    let mut bed = Bed::new(make).await;
    let lease = bed.lease().await;
    let lost = SourceLease { token: Token(99), ..lease.clone() };
    let refused = bed.page(&lost, &[("a", 1)], true).await;
    assert_eq!(refused, Err(StoreError::LeaseLost(SOURCE.to_owned())));
    assert_eq!(bed.store().cursor(SOURCE).await, Ok(None));
    assert!(due(bed.store(), start()).await.is_empty());
    let saved = bed.page(&lease, &[("a", 1), ("b", 1)], true).await.expect("saved");
    assert_eq!((saved.changes, saved.known), (2, 0));
    bed.reopen(start()).await;
    assert_eq!(
        bed.store().cursor(SOURCE).await.expect("read").expect("a cursor").body,
        r#"[("a", 1), ("b", 1)]"#
    );
    assert_eq!(due(bed.store(), start()).await.len(), 2);
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
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    for (version, expected) in [(5, 1), (5, 0), (4, 0), (6, 1)] {
        let saved = bed.page(&lease, &[("a", version)], true).await.expect("saved");
        assert_eq!(saved.changes, expected, "version {version}");
    }
    let news = due(bed.store(), start()).await.remove(0).news;
    let versions: Vec<_> = news.iter().map(|sealed| open_news(sealed).expect("readable")).collect();
    assert!(matches!(&versions[..], [News::Change(five), News::Change(six)]
            if five.case.revision.count == 5 && six.case.revision.count == 6));
}

async fn a_case_with_unread_news_is_due(make: MakeStore) {
    let mut bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("a", 1)], true).await.expect("saved");
    let leased = due(bed.store(), start()).await;
    assert!(due(bed.store(), start()).await.is_empty(), "under lease");
    bed.page(&lease, &[("a", 2)], true).await.expect("saved");
    assert_eq!(commit(bed.store(), leased.iter().map(outcome).collect(), start()).await, 1);
    let again = due(bed.store(), start()).await;
    assert_eq!((again.len(), again[0].news.len()), (1, 1), "what came meanwhile is read next");
    bed.reopen(start()).await;
    assert_eq!(due(bed.store(), start()).await.len(), 1, "a lease of a dead process is dropped");
}

async fn a_lost_case_lease_cannot_commit(make: MakeStore) {
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("a", 1)], true).await.expect("saved");
    let first = due(bed.store(), start()).await.remove(0);
    let later = start() + LEASE_LIFE;
    let second = bed.store().lease_due(Token(6), 10, later).await.expect("leased").cases.remove(0);
    assert_eq!(commit(bed.store(), vec![wanting(&first, "stale", 1)], later).await, 0);
    assert_eq!(commit(bed.store(), vec![wanting(&second, "fresh", 1)], later).await, 1);
    let wanted = bed.store().wanted(second.case).await.expect("read");
    assert_eq!(wanted[0].action.want, Want::Why(Some("fresh".to_owned())));
}

async fn a_case_is_due_at_its_instant_and_not_before(make: MakeStore) {
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("a", 1), ("b", 1)], true).await.expect("saved");
    let cases = due(bed.store(), start()).await;
    let at = |count| Some(start() + minutes(count));
    let outcomes =
        cases.iter().zip([7, 5]).map(|(case, count)| OutcomeCommit { due_at: at(count), ..outcome(case) });
    commit(bed.store(), outcomes.collect(), start()).await;
    let early = bed.store().lease_due(Token(5), 10, start() + minutes(4)).await.expect("leased");
    assert_eq!((early.cases.len(), early.next_at), (0, at(5)));
    let late = due(bed.store(), start() + minutes(8)).await;
    assert_eq!(late.iter().map(|case| case.key.id.as_str()).collect::<Vec<_>>(), ["b", "a"], "nearest first");
}

async fn an_unsent_want_is_replaced_by_a_newer_one(make: MakeStore) {
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("a", 1)], true).await.expect("saved");
    let case = due(bed.store(), start()).await.remove(0);
    commit(bed.store(), vec![wanting(&case, "old", 1)], start()).await;
    bed.page(&lease, &[("a", 2)], true).await.expect("saved");
    let case = due(bed.store(), start()).await.remove(0);
    commit(bed.store(), vec![wanting(&case, "new", 2)], start()).await;
    let batch = bed.store().lease_actions(&lease, Token(21), BRAKES, start()).await.expect("leased");
    assert_eq!(batch.actions.len(), 1);
    assert_eq!(batch.actions[0].action.want, Want::Why(Some("new".to_owned())));
    assert!(!batch.actions[0].ask_first);
}

/// A case with one action under way.
async fn under_way(bed: &Bed) -> (SourceLease, dutyd::store::LeasedAction) {
    let lease = bed.lease().await;
    bed.page(&lease, &[("a", 1)], true).await.expect("saved");
    let case = due(bed.store(), start()).await.remove(0);
    commit(bed.store(), vec![wanting(&case, "why", 1)], start()).await;
    let action = bed
        .store()
        .lease_actions(&lease, Token(21), BRAKES, start())
        .await
        .expect("leased")
        .actions
        .remove(0);
    (lease, action)
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
    let case = due(bed.store(), start()).await.remove(0);
    assert!(matches!(open_news(&case.news[0]), Ok(News::Settled { .. })));
}

async fn what_may_have_arrived_is_asked_about_after_its_quiet_time(make: MakeStore) {
    let mut bed = Bed::new(make).await;
    let (_, action) = under_way(&bed).await;
    bed.reopen(start() + minutes(1)).await;
    let lease = bed.lease().await;
    let soon =
        bed.store().lease_actions(&lease, Token(21), BRAKES, start() + minutes(1)).await.expect("leased");
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
    let second =
        bed.store().lease_actions(&lease, Token(21), BRAKES, one).await.expect("leased").actions.remove(0);
    assert_eq!((second.attempt, second.ask_first), (1, false));
    bed.store().settle(&lease, settled(&second, again(two, true)), one).await.expect("settled");
    let third =
        bed.store().lease_actions(&lease, Token(21), BRAKES, two).await.expect("leased").actions.remove(0);
    assert_eq!((third.attempt, third.ask_first), (2, true));
}

async fn parked_actions_wait_for_a_person(make: MakeStore) {
    let bed = Bed::new(make).await;
    let (lease, action) = under_way(&bed).await;
    let refused = Verdict::Parked { because: "refused (403): no".to_owned() };
    bed.store().settle(&lease, settled(&action, refused), start()).await.expect("settled");
    let never =
        bed.store().lease_actions(&lease, Token(21), BRAKES, start() + minutes(9_999)).await.expect("leased");
    assert_eq!((never.actions.len(), never.next_at), (0, None));
    let parked = bed.store().parked().await.expect("read");
    assert_eq!((parked[0].what.as_str(), parked[0].slot.as_str()), ("INCa", "why"));
    let retry = Order::RetryParked { id: Some(parked[0].id.clone()) };
    assert_eq!(bed.store().order(retry, start()).await, Ok(1));
    assert_eq!(
        bed.store().lease_actions(&lease, Token(21), BRAKES, start()).await.expect("leased").actions.len(),
        1
    );
    for nothing in ["x9", "w", "w999", "", "é"] {
        let order = Order::DropParked { id: Some(nothing.to_owned()) };
        assert_eq!(bed.store().order(order, start()).await.expect("an answer"), 0, "{nothing}");
    }
}

async fn the_writes_of_an_hour_are_bounded(make: MakeStore) {
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("a", 1), ("b", 1), ("c", 1)], true).await.expect("saved");
    let cases = due(bed.store(), start()).await;
    let outcomes =
        cases.iter().zip([3, 1, 2]).map(|(case, rank)| OutcomeCommit { rank, ..wanting(case, "x", 1) });
    commit(bed.store(), outcomes.collect(), start()).await;
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
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("a", 1)], true).await.expect("saved");
    let case = due(bed.store(), start()).await.remove(0);
    commit(bed.store(), vec![OutcomeCommit { held: true, ..wanting(&case, "old case", 1) }], start()).await;
    assert!(
        bed.store()
            .lease_actions(&lease, Token(21), BRAKES, start())
            .await
            .expect("leased")
            .actions
            .is_empty()
    );
    bed.page(&lease, &[("a", 2)], true).await.expect("saved");
    let case = due(bed.store(), start()).await.remove(0);
    commit(bed.store(), vec![outcome(&case)], start()).await;
    assert_eq!(
        bed.store().lease_actions(&lease, Token(21), BRAKES, start()).await.expect("leased").actions.len(),
        1
    );
}

async fn a_paused_source_sends_nothing(make: MakeStore) {
    let bed = Bed::new(make).await;
    let (lease, action) = under_way(&bed).await;
    let again = Verdict::Retry { at: start(), counted: false, because: String::new() };
    bed.store().settle(&lease, settled(&action, again), start()).await.expect("settled");
    let pause = |paused| Order::Pause { source: SOURCE.to_owned(), paused };
    bed.store().order(pause(true), start()).await.expect("paused");
    let paused = bed.store().lease_actions(&lease, Token(21), BRAKES, start()).await.expect("leased");
    assert_eq!((paused.actions.len(), paused.next_at), (0, None));
    bed.store().order(pause(false), start()).await.expect("resumed");
    assert_eq!(
        bed.store().lease_actions(&lease, Token(21), BRAKES, start()).await.expect("leased").actions.len(),
        1
    );
}

async fn a_changed_fact_wakes_only_the_members_that_read_it(make: MakeStore) {
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("a", 1), ("b", 1), ("other", 1)], true).await.expect("saved");
    let cases = due(bed.store(), start()).await;
    let join: Vec<_> = cases
        .iter()
        .map(|case| if case.key.id == "other" { outcome(case) } else { in_group(case, false) })
        .collect();
    commit(bed.store(), join, start()).await;
    assert!(due(bed.store(), start()).await.is_empty(), "nobody reads the facts");
    for (reads_urgent, expected) in [(false, &[][..]), (true, &["a", "b"][..])] {
        bed.page(&lease, &[("a", 2 + i64::from(reads_urgent))], true).await.expect("saved");
        let case = due(bed.store(), start()).await.remove(0);
        let customer = FactsRead { urgent: reads_urgent, ..FactsRead::default() };
        let watched = Watched { customer, ..Watched::default() };
        let commit = vec![in_group(&case, !reads_urgent)];
        bed.store().commit_outcomes(commit, watched, start()).await.expect("committed");
        let mut woken: Vec<_> = due(bed.store(), start()).await;
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
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    let customer = FactsRead { urgent: true, sources: true, ..FactsRead::default() };
    let watched = Watched { customer, ..Watched::default() };
    bed.page(&lease, &[("a", 1)], true).await.expect("saved");
    let first = due(bed.store(), start()).await.remove(0);
    let urgent = vec![in_group(&first, true)];
    bed.store().commit_outcomes(urgent, watched, start()).await.expect("committed");
    let again = due(bed.store(), start()).await.remove(0);
    let quiet = vec![OutcomeCommit { state: None, ..outcome(&again) }];
    bed.store().commit_outcomes(quiet, watched, start()).await.expect("committed");
    bed.page(&lease, &[("b", 1)], true).await.expect("saved");
    let second = due(bed.store(), start()).await.remove(0);
    assert_eq!(second.around.customer, None);
    bed.store().commit_outcomes(vec![in_group(&second, false)], watched, start()).await.expect("committed");
    let woken = due(bed.store(), start()).await;
    assert_eq!(woken.iter().map(|case| case.key.id.as_str()).collect::<Vec<_>>(), ["b"], "nobody else");
    assert_eq!(woken[0].around.customer.map(|facts| facts.urgent), Some(1));
}

/// Its first judgement comes before the store knows what it is linked to.
async fn a_case_is_judged_again_once_its_links_are_known(make: MakeStore) {
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    let linked = |case: &DueCase, to: &[&str]| {
        let links = to.iter().map(|id| key(id)).collect();
        OutcomeCommit { links, ..outcome(case) }
    };
    let woken = async || {
        let cases = due(bed.store(), start()).await;
        let told: Vec<_> =
            cases.iter().map(|case| format!("{} knows {}", case.key.id, case.around.linked.len())).collect();
        let quiet = cases.iter().map(|case| OutcomeCommit { state: None, ..outcome(case) }).collect();
        commit(bed.store(), quiet, start()).await;
        told
    };
    bed.page(&lease, &[("b", 1)], true).await.expect("saved");
    let b = due(bed.store(), start()).await.remove(0);
    commit(bed.store(), vec![linked(&b, &["unknown"])], start()).await;
    assert_eq!(woken().await, Vec::<String>::new(), "the linked case is not known yet");
    bed.page(&lease, &[("a", 1)], true).await.expect("saved");
    let a = due(bed.store(), start()).await.remove(0);
    commit(bed.store(), vec![linked(&a, &["b"])], start()).await;
    assert_eq!(woken().await, ["a knows 1"]);
    bed.page(&lease, &[("a", 2)], true).await.expect("saved");
    let a = due(bed.store(), start()).await.remove(0);
    commit(bed.store(), vec![linked(&a, &["b"])], start()).await;
    assert_eq!(woken().await, Vec::<String>::new(), "nothing new is linked");
    bed.page(&lease, &[("a", 3)], true).await.expect("saved");
    let a = due(bed.store(), start()).await.remove(0);
    commit(bed.store(), vec![linked(&a, &[])], start()).await;
    bed.page(&lease, &[("a", 4)], true).await.expect("saved");
    assert_eq!(woken().await, ["a knows 0"], "a link that was taken off is gone");
}

async fn a_large_group_is_woken_in_slices_and_a_small_one_does_not_wait(make: MakeStore) {
    const MEMBERS: usize = 10_000;
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    let ids: Vec<String> = (0..=MEMBERS).map(|number| format!("{number:05}")).collect();
    for part in ids.chunks(1_000) {
        let versions: Vec<_> = part.iter().map(|id| (id.as_str(), 1)).collect();
        bed.page(&lease, &versions, true).await.expect("saved");
    }
    let watched = Watched { customer: FactsRead::ALL, ..Watched::default() };
    let mut joined = 0;
    while joined <= MEMBERS {
        let cases = due(bed.store(), start()).await;
        joined += cases.len();
        let outcomes = cases.iter().map(|case| {
            let small = Group { kind: GroupKind::Customer, key: "small".to_owned() };
            let adds = Contribution { open: true, ..Contribution::default() };
            match case.key.id.as_str() {
                "00000" => OutcomeCommit { groups: vec![(small, adds)], ..outcome(case) },
                _ => in_group(case, false),
            }
        });
        commit(bed.store(), outcomes.collect(), start()).await;
    }
    for id in ["09999", "00000"] {
        bed.page(&lease, &[(id, 2)], true).await.expect("saved");
    }
    let both = due(bed.store(), start()).await;
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
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("idle", 1), ("late", 1), ("soon", 1), ("done", 1)], true).await.expect("saved");
    let cases = due(bed.store(), start()).await;
    let outcomes = cases.iter().map(|case| {
        let due_at = match case.key.id.as_str() {
            "soon" => Some(start() + minutes(30)),
            "late" => Some(start() + minutes(90)),
            _ => None,
        };
        OutcomeCommit { due_at, open: case.key.id != "done", ..outcome(case) }
    });
    commit(bed.store(), outcomes.collect(), start()).await;
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
        commit(bed.store(), batch.cases.iter().map(outcome).collect(), now).await;
    }
    let (timed, rest) = woken.split_at(2);
    assert!(timed.contains(&"soon".to_owned()) && timed.contains(&"late".to_owned()));
    assert_eq!(rest, ["idle"], "cases without a deadline after them, closed ones not at all, each once");
}

async fn missed_webhooks_are_counted_and_late_ones_are_not(make: MakeStore) {
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.store().note_delivery(SOURCE, vec![hint("first", Some("d0"))], start()).await.expect("noted");
    bed.page(&lease, &[("a", 1), ("b", 1), ("c", 1)], false).await.expect("saved");
    let missed = |row: &[dutyd::store::SourceRow]| (row[0].bells_missed, row[0].missed_share());
    assert_eq!(
        missed(&bed.store().sources(start()).await.expect("read")),
        (0, Some(0.0)),
        "the import expects none"
    );
    bed.store().note_delivery(SOURCE, vec![hint("a", Some("d1"))], start()).await.expect("noted");
    let saved = bed.page(&lease, &[("a", 2), ("b", 2), ("c", 2)], false).await.expect("saved");
    assert_eq!(saved.missed, 2, "a was rung");
    for (id, version, delivery) in [("b", 3, "d2"), ("c", 2, "d3")] {
        let rung = vec![hint(id, Some(delivery))];
        bed.store().note_delivery(SOURCE, rung, start() + minutes(1)).await.expect("noted");
        let hints = bed.store().take_hints(&lease, 10, start() + minutes(1)).await.expect("taken").hints;
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
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    let bad = Quarantined { id: "bad".to_owned(), reason: "no state".to_owned(), raw: "{}".to_owned() };
    let page = PageCommit { quarantined: vec![bad], ..page(&[("a", 1)], true) };
    bed.store().commit_page(&lease, page, start()).await.expect("saved");
    let parked = bed.store().parked().await.expect("read");
    assert_eq!((parked.len(), parked[0].what.as_str()), (1, "bad"));
    bed.store().order(Order::RetryParked { id: None }, start()).await.expect("ordered");
    let hints = bed.store().take_hints(&lease, 10, start()).await.expect("taken").hints;
    assert_eq!(hints[0].key, key("bad"));
    assert!(bed.store().parked().await.expect("read").is_empty());
}

async fn what_is_past_retention_is_forgotten(make: MakeStore) {
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("old", 1), ("open", 1)], true).await.expect("saved");
    let cases = due(bed.store(), start()).await;
    let outcomes =
        cases.iter().map(|case| OutcomeCommit { open: case.key.id == "open", ..in_group(case, false) });
    commit(bed.store(), outcomes.collect(), start()).await;
    let year = start() + minutes(60 * 24 * 401);
    bed.store().note_delivery(SOURCE, vec![hint("x", Some("d"))], start()).await.expect("noted");
    let swept = bed.store().sweep(Retention::default(), year).await.expect("swept");
    assert_eq!((swept.cases, swept.deliveries), (1, 1));
    assert!(bed.store().find_cases("INCold").await.expect("read").is_empty());
    assert_eq!(bed.store().find_cases("desk/INCopen").await.expect("read").len(), 1);
}

async fn every_open_case_is_asked_for_again_within_a_week(make: MakeStore) {
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("a", 1), ("b", 1), ("closed", 1), ("d", 1)], false).await.expect("saved");
    let cases = due(bed.store(), start()).await;
    let outcomes = cases.iter().map(|case| OutcomeCommit { open: case.key.id != "closed", ..outcome(case) });
    commit(bed.store(), outcomes.collect(), start()).await;
    let mut asked = Vec::new();
    for hours in 0..=7 * 24 {
        let now = start() + minutes(60 * hours);
        let lease =
            bed.store().lease_source(SOURCE, lease.token, now).await.expect("stored").expect("a lease");
        bed.store().sweep(Retention::default(), now).await.expect("swept");
        let hints = bed.store().take_hints(&lease, 10, now).await.expect("taken").hints;
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
    let bed = Bed::new(make).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("a", 1)], true).await.expect("saved");
    let case = due(bed.store(), start()).await.remove(0);
    assert!(open_state(&Sealed::from_bytes(b"flipped bytes".to_vec())).is_err());
    commit(bed.store(), vec![OutcomeCommit { refetch: true, state: None, ..outcome(&case) }], start()).await;
    let hints = bed.store().take_hints(&lease, 10, start()).await.expect("taken").hints;
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

/// All promises of a store.
async fn exercise(make: MakeStore) {
    a_noted_delivery_survives_reopening(make).await;
    a_delivery_counts_once_for_seven_days(make).await;
    a_hint_rung_again_while_it_is_fetched_stays(make).await;
    webhooks_go_before_pages_and_a_known_revision_is_not_fetched(make).await;
    a_page_commits_whole_or_not_at_all(make).await;
    a_lost_source_lease_cannot_commit(make).await;
    an_older_version_is_not_taken_in_and_the_same_one_only_once(make).await;
    a_case_with_unread_news_is_due(make).await;
    a_lost_case_lease_cannot_commit(make).await;
    a_case_is_due_at_its_instant_and_not_before(make).await;
    an_unsent_want_is_replaced_by_a_newer_one(make).await;
    a_receipt_ends_the_action_and_makes_the_case_due(make).await;
    what_may_have_arrived_is_asked_about_after_its_quiet_time(make).await;
    a_throttle_is_no_attempt_and_a_failure_is_one(make).await;
    parked_actions_wait_for_a_person(make).await;
    the_writes_of_an_hour_are_bounded(make).await;
    held_actions_wait_until_their_case_changes(make).await;
    a_paused_source_sends_nothing(make).await;
    a_changed_fact_wakes_only_the_members_that_read_it(make).await;
    a_case_that_joins_a_group_is_judged_by_what_the_group_knows(make).await;
    a_case_is_judged_again_once_its_links_are_known(make).await;
    a_large_group_is_woken_in_slices_and_a_small_one_does_not_wait(make).await;
    a_new_policy_makes_open_cases_due_nearest_deadline_first(make).await;
    missed_webhooks_are_counted_and_late_ones_are_not(make).await;
    quarantined_records_are_kept_and_can_be_fetched_again(make).await;
    what_is_past_retention_is_forgotten(make).await;
    every_open_case_is_asked_for_again_within_a_week(make).await;
    an_unreadable_state_is_noticed_and_fetched_again(make).await;
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
    let mut bed = Bed::new(sqlite).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("a", 1)], false).await.expect("saved");
    let case = due(bed.store(), start()).await.remove(0);
    commit(bed.store(), vec![wanting(&case, "why", 1)], start()).await;
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
    let bed = Bed::new(sqlite).await;
    let lease = bed.lease().await;
    bed.page(&lease, &[("a", 1), ("b", 1)], false).await.expect("saved");
    let slot = || Slot::Note { rule: "idle".to_owned(), episode: "e".to_owned() };
    let note = |case: &DueCase| {
        let want = Want::Note { marker: "0123456789ab".to_owned(), body: "[dutyd:0123456789ab]".to_owned() };
        let mark = Action::new(&case.key, Slot::Why, Want::Why(None), 1);
        OutcomeCommit { actions: vec![mark, Action::new(&case.key, slot(), want, 1)], ..outcome(case) }
    };
    let cases = due(bed.store(), start()).await;
    let grown = start() + minutes(2);
    for (case, wanted, at, expected) in [
        (&cases[0], start(), start(), vec![("why", false)]),
        (&cases[0], start(), grown, vec![("why", true), ("note", true)]),
        (&cases[1], grown, grown, vec![("why", false), ("note", false)]),
    ] {
        commit(bed.store(), vec![note(case)], wanted).await;
        let batch = bed.store().lease_actions(&lease, Token(21), BRAKES, at).await.expect("leased");
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
