//! What comes in: pages by poll, cases by hint. The next page is fetched while the last one is stored.

use super::retry::{self, read_again};
use super::scan::Scan;
use super::source::{Source, Way};
use super::spoiled::Records;
use super::{EngineError, Shared, Tick, Unit, derive_again, lock};
use crate::clock::{Wake, Woke};
use crate::store::{
    FetchResult, FetchedCase, HintBatch, Incoming, PageCommit, SourceLease, StoreError, TakenHint,
    seal_change, seal_news,
};
use async_trait::async_trait;
use dutyd_connectors::{ConnectorError, Fetched, Page, Quarantined};
use dutyd_core::case::{CaseChange, CaseKey};
use dutyd_core::policy::PolicySet;
use dutyd_core::state::News;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio::task::JoinError;

/// Webhooks that come within this window are fetched together.
const GATHER: SignedDuration = SignedDuration::from_millis(40);
/// While another instance holds the source.
const STANDBY: SignedDuration = SignedDuration::from_secs(10);

/// Requests for cases under way or answered and not stored, so that answers are read while others come.
const ASKED_MAX: usize = 3;
/// Batches of hints taken at once.
const LOT: usize = 4;
/// Lots of one step, and pages.
const LOTS_MAX: usize = 16;
const PAGES_MAX: usize = 4;
/// No batch is begun after a step has taken this long. Less than the life of a hint's lease.
const STEP_LONG: SignedDuration = SignedDuration::from_secs(20);

/// Hints taken, and what came of them.
struct Batch {
    hints: Vec<TakenHint>,
    answer: Answer,
}

enum Answer {
    Told(Result<Vec<Fetched>, ConnectorError>),
    /// The vendor was not asked: it may be then.
    NotAsked(Timestamp),
}

/// See the module.
pub struct Pull {
    name: String,
    shared: Arc<Shared>,
    source: Arc<Source>,
    scan: Mutex<Option<Scan>>,
    records: Mutex<Records>,
}

impl Pull {
    pub fn new(shared: &Arc<Shared>, source: &Arc<Source>) -> Self {
        Self {
            name: format!("pull {}", source.setup.name),
            shared: shared.clone(),
            source: source.clone(),
            scan: Mutex::default(),
            records: Mutex::default(),
        }
    }
}

#[async_trait]
impl Unit for Pull {
    fn name(&self) -> &str {
        &self.name
    }

    async fn tick(&self) -> Result<Tick, EngineError> {
        let now = self.shared.now();
        self.source.blind_since(now);
        if self.source.is_paused() {
            return Ok(Tick::Idle { until: None });
        }
        if let Some(until) = self.source.quiet_until(Way::Reading, now) {
            return Ok(Tick::Idle { until: Some(until) });
        }
        let Some(lease) = self.source.lease(self.shared.store.as_ref(), now).await? else {
            return Ok(Tick::Idle { until: Some(retry::after(now, STANDBY)) });
        };
        if self.source.take_rung() && !self.shared.clock.is_lockstep() {
            let gathered = retry::after(now, GATHER);
            // Whoever looks first hears of a jump, and has to tell the others.
            if self.shared.clock.sleep_until(Some(gathered), &Wake::default()).await == Woke::Jumped {
                derive_again(&self.shared).await?;
                self.source.note_rung();
                return Ok(Tick::Worked);
            }
        }
        // In lockstep the vendor must see requests in a fixed order.
        let (hints, page) = if self.shared.clock.is_lockstep() {
            (self.fetch_hints(&lease, now).await?, self.read_page(&lease, now).await?)
        } else {
            let (hints, page) = tokio::join!(self.fetch_hints(&lease, now), self.read_pages(&lease, now));
            (hints?, page?)
        };
        let changed = self.source.note_bulk(hints.more || page.more);
        if hints.worked || page.worked || changed {
            self.shared.bells.evaluate.ring();
        }
        if hints.worked || page.worked {
            return Ok(Tick::Worked);
        }
        let quiet = self.source.quiet_until(Way::Reading, self.shared.now());
        let until = [hints.until, page.until].into_iter().flatten().min();
        Ok(Tick::Idle { until: quiet.or(until) })
    }
}

/// What one half of a tick came to.
#[derive(Default)]
struct Half {
    worked: bool,
    /// There is more of it.
    more: bool,
    until: Option<Timestamp>,
}

impl Pull {
    fn fail(&self, error: &ConnectorError, now: Timestamp) -> Half {
        let failures = self.source.failures(Way::Reading) + 1;
        let again_at = read_again(error, failures, now, &self.shared.dice);
        self.source.failed(Way::Reading, error, again_at);
        Half { until: Some(again_at), ..Half::default() }
    }

    /// A few pages, as long as the scan goes on.
    async fn read_pages(&self, lease: &SourceLease, now: Timestamp) -> Result<Half, EngineError> {
        let mut half = self.read_page(lease, now).await?;
        for _ in 1..PAGES_MAX {
            if !half.more {
                break;
            }
            half = self.read_page(lease, self.shared.now()).await?;
        }
        Ok(half)
    }

    /// Whether so many records are bad that it is not the records. Nothing of them is kept then; the source rests and is
    /// tried again.
    fn halts(&self, good: usize, bad: &[&Quarantined], now: Timestamp) -> Option<Timestamp> {
        if !lock(&self.records).are_spoiled_by(good, bad.len()) {
            return None;
        }
        let (source, until) = (&self.source.setup.name, retry::after(now, retry::PROBE));
        let because = bad.first().map_or("", |record| record.reason.as_str());
        let reason = format!("more than a fifth of the last 100 records, the last because {because}");
        tracing::error!(%source, %until,
            "source halted, nothing of it is taken in: it sends what cannot be understood: {reason}");
        let error = ConnectorError::Malformed { where_: "its records".to_owned(), reason };
        self.source.failed(Way::Reading, &error, until);
        Some(until)
    }

    async fn read_page(&self, lease: &SourceLease, now: Timestamp) -> Result<Half, EngineError> {
        let begun = lock(&self.scan).is_some();
        if let Some(at) = self.source.poll_at().filter(|at| !begun && *at > now) {
            return Ok(Half { until: Some(at), ..Half::default() });
        }
        let mut scan = lock(&self.scan).take().unwrap_or_else(|| Scan::new(now));
        let page = match scan.next.take() {
            Some(ready) => ready,
            None => {
                let from = self.shared.store.cursor(&lease.source).await?;
                match self.source.setup.connector.pull(&self.source.cx(now), from.as_ref()).await {
                    Ok(page) => page,
                    Err(error) => return Ok(self.fail(&error, now)),
                }
            }
        };
        let bad: Vec<&Quarantined> = page.quarantined.iter().collect();
        if let Some(until) = self.halts(page.changes.len() + page.hints.len(), &bad, now) {
            return Ok(Half { until: Some(until), ..Half::default() });
        }
        self.source.succeeded(Way::Reading);
        let (next, begun, more) = (page.next.clone(), scan.begun, page.more);
        if let Some(reason) = scan.stuck_at(&page) {
            // Kept is what stands on it; that the scan has seen everything is not.
            let page = self.prepare(page, begun, true).await?;
            self.shared.store.commit_page(lease, page, now).await?;
            return Ok(self.is_stuck(reason, now));
        }
        let page = self.prepare(page, begun, more).await?;
        let (store, cx) = (&self.shared.store, self.source.cx(now));
        if !more || self.shared.clock.is_lockstep() {
            store.commit_page(lease, page, now).await?;
            self.go_on(more.then_some(scan), begun, now);
            return Ok(Half { worked: true, more, until: None });
        }
        let reading = self.source.setup.connector.pull(&cx, next.as_ref());
        let (stored, read) = tokio::join!(store.commit_page(lease, page, now), reading);
        stored?;
        let more = read.is_ok();
        let read = read.map_err(|error| self.fail(&error, now));
        scan.next = read.ok();
        self.go_on(Some(scan), begun, now);
        Ok(Half { worked: true, more, until: None })
    }

    /// A scan that leads nowhere ends; the source is not seen to its end, says so, and is tried again.
    fn is_stuck(&self, reason: String, now: Timestamp) -> Half {
        let until = retry::after(now, retry::PROBE);
        let error = ConnectorError::Malformed { where_: "list of cases".to_owned(), reason };
        self.source.failed(Way::Reading, &error, until);
        Half { worked: true, more: false, until: Some(until) }
    }

    /// Remembers where the scan stands, or that it has ended.
    fn go_on(&self, scan: Option<Scan>, begun: Timestamp, now: Timestamp) {
        match scan {
            Some(_) => *lock(&self.scan) = scan,
            None => {
                self.source.caught_up(begun, now);
                // What was judged blind is judged again.
                if self.source.take_judged_blind() {
                    self.shared.rejudge.store(true, std::sync::atomic::Ordering::Relaxed);
                }
            }
        }
    }

    async fn prepare(&self, page: Page, begun: Timestamp, more: bool) -> Result<PageCommit, EngineError> {
        Ok(PageCommit {
            changes: self.seal(page.changes).await?,
            hints: page.hints,
            quarantined: page.quarantined,
            next: page.next,
            begun: Some(begun),
            more,
        })
    }

    /// Reads signals out of the texts, drops the texts, seals the rest: off the threads that wait.
    async fn seal(&self, changes: Vec<CaseChange>) -> Result<Vec<Incoming>, EngineError> {
        let policies = self.shared.policy.borrow().clone();
        let sealed = tokio::task::spawn_blocking(move || {
            changes.into_iter().map(|change| seal_change(distilled(&policies, change))).collect()
        });
        let sealed: Result<Vec<_>, StoreError> =
            sealed.await.map_err(|error| EngineError::Ended(error.to_string()))?;
        Ok(sealed?)
    }

    /// Cases of waiting hints: fetched in batches, stored as they come, several at once where storing takes longer.
    async fn fetch_hints(&self, lease: &SourceLease, now: Timestamp) -> Result<Half, EngineError> {
        let HintBatch { hints, next_at } = self.shared.store.take_hints(lease, self.lot(), now).await?;
        if hints.is_empty() {
            return Ok(Half { until: next_at, ..Half::default() });
        }
        let (fetched, to_store) = mpsc::channel(ASKED_MAX);
        let (more, stored) =
            tokio::join!(self.fetch_lots(lease, hints, fetched), self.store_batches(lease, to_store));
        stored?;
        Ok(Half { worked: true, more: more?, until: None })
    }

    /// Hints taken at once.
    fn lot(&self) -> usize {
        self.source.batch().0 * if self.shared.clock.is_lockstep() { 1 } else { LOT }
    }

    /// Lot after lot, the next one taken while the last is fetched. Answers whether there was more.
    async fn fetch_lots(
        &self,
        lease: &SourceLease,
        first: Vec<TakenHint>,
        fetched: mpsc::Sender<Batch>,
    ) -> Result<bool, EngineError> {
        let (began, lot, store) = (self.shared.now(), self.lot(), &self.shared.store);
        let mut hints = first;
        for nth in 1..=LOTS_MAX {
            let full = hints.len() == lot;
            let next = async {
                let now = self.shared.now();
                let in_time = nth < LOTS_MAX && now.duration_since(began) < STEP_LONG;
                let goes_on = full && in_time && !self.is_hindered(now);
                if goes_on { store.take_hints(lease, lot, now).await } else { Ok(HintBatch::default()) }
            };
            let (all_sent, next) = tokio::join!(self.fetch_lot(hints, &fetched), next);
            hints = next?.hints;
            if hints.is_empty() || !all_sent {
                return Ok(full);
            }
        }
        Ok(true)
    }

    /// Somebody rang, or the vendor cannot be read now, or everybody goes step by step: the rest waits its turn.
    fn is_hindered(&self, now: Timestamp) -> bool {
        self.shared.clock.is_lockstep()
            || self.source.is_rung()
            || self.source.quiet_until(Way::Reading, now).is_some()
    }

    /// Answers whether somebody was there to take all of it.
    async fn fetch_lot(&self, hints: Vec<TakenHint>, fetched: &mpsc::Sender<Batch>) -> bool {
        let (batch, is_whole) = self.source.batch();
        let at_once = if self.shared.clock.is_lockstep() || !is_whole { 1 } else { ASKED_MAX };
        let batches: Vec<_> = hints.chunks(batch).map(<[_]>::to_vec).collect();
        let mut asked = futures::stream::iter(batches).map(|hints| self.ask(hints)).buffered(at_once);
        while let Some(batch) = asked.next().await {
            // The one who stores ends only with an error of its own.
            if fetched.send(batch).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Asks the vendor for cases, in a task of its own: reading one answer does not keep the next from coming.
    async fn ask(&self, hints: Vec<TakenHint>) -> Batch {
        let now = self.shared.now();
        let hot = hints.iter().any(|hint| hint.hot);
        if let Some(until) = self.source.quiet_until(Way::Reading, now) {
            return Batch { hints, answer: Answer::NotAsked(until) };
        }
        if self.source.is_rung() && !hot {
            return Batch { hints, answer: Answer::NotAsked(now) };
        }
        let keys: Vec<CaseKey> = hints.iter().map(|hint| hint.key.clone()).collect();
        let source = self.source.clone();
        let asked = tokio::spawn(async move { source.setup.connector.fetch(&source.cx(now), &keys).await });
        let answer = match asked.await.map_err(JoinError::try_into_panic) {
            Ok(answer) => answer,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(ended)) => Err(ConnectorError::Unavailable { reason: ended.to_string() }),
        };
        self.source.fetched(hints.len(), &answer);
        Batch { hints, answer: Answer::Told(answer) }
    }

    async fn store_batches(
        &self,
        lease: &SourceLease,
        mut batches: mpsc::Receiver<Batch>,
    ) -> Result<(), EngineError> {
        while let Some(first) = batches.recv().await {
            let now = self.shared.now();
            let mut fetched = self.sorted_batch(first, now).await?;
            while let Ok(batch) = batches.try_recv() {
                fetched.extend(self.sorted_batch(batch, now).await?);
            }
            self.shared.store.commit_fetched(lease, fetched, now).await?;
            self.shared.bells.evaluate.ring();
        }
        Ok(())
    }

    async fn sorted_batch(&self, batch: Batch, now: Timestamp) -> Result<Vec<FetchedCase>, EngineError> {
        let quiet_until = self.source.quiet_until(Way::Reading, now);
        let halted_until = match &batch.answer {
            Answer::Told(Ok(fetched)) => self.halts_at(fetched, now),
            _ => None,
        };
        let later = match batch.answer {
            Answer::Told(Ok(_)) if let Some(until) = halted_until => until,
            Answer::Told(Ok(fetched)) => {
                // One that was under way when another was told to wait ends no waiting.
                if quiet_until.is_none() {
                    self.source.succeeded(Way::Reading);
                }
                return self.sort_out(batch.hints, fetched, now).await;
            }
            Answer::Told(Err(error)) => quiet_until.or_else(|| self.fail(&error, now).until).unwrap_or(now),
            Answer::NotAsked(until) => until,
        };
        let put_off = |hint| FetchedCase { hint, result: FetchResult::Later(later) };
        Ok(batch.hints.into_iter().map(put_off).collect())
    }

    fn halts_at(&self, fetched: &[Fetched], now: Timestamp) -> Option<Timestamp> {
        let bad = fetched.iter().filter_map(|one| match one {
            Fetched::Quarantined(_, record) => Some(record),
            _ => None,
        });
        let bad: Vec<&Quarantined> = bad.collect();
        let good = fetched.iter().filter(|one| matches!(one, Fetched::Case(_))).count();
        self.halts(good, &bad, now)
    }

    /// One result per hint. What the vendor did not answer for is asked again.
    async fn sort_out(
        &self,
        hints: Vec<TakenHint>,
        fetched: Vec<Fetched>,
        now: Timestamp,
    ) -> Result<Vec<FetchedCase>, EngineError> {
        let silent = ConnectorError::Unavailable { reason: "no answer for this case".to_owned() };
        let waiting: BTreeMap<CaseKey, Timestamp> =
            hints.iter().map(|hint| (hint.key.clone(), hint.since)).collect();
        let later = |key: &CaseKey, error: &ConnectorError| {
            let since = waiting.get(key).copied().unwrap_or(now);
            if now.duration_since(since) > self.source.bound() {
                tracing::warn!(case = %key, %since, "what happened to this case cannot be read: {error}");
            }
            FetchResult::Later(read_again(error, tries_since(since, now), now, &self.shared.dice))
        };
        let mut results: BTreeMap<CaseKey, FetchResult> = BTreeMap::new();
        let mut cases = Vec::new();
        for one in fetched {
            let (key, result) = match one {
                Fetched::Case(change) => {
                    cases.push(*change);
                    continue;
                }
                Fetched::Gone(key) => (key, FetchResult::Absent(seal_news(&News::Gone { at: now })?)),
                Fetched::Hidden(key) => (key, FetchResult::Absent(seal_news(&News::Hidden { at: now })?)),
                Fetched::Quarantined(key, record) => (key, FetchResult::Quarantined(record)),
                // Children that make no sense make none of one case alone.
                Fetched::Unread(key, error @ ConnectorError::Malformed { .. }) => {
                    let bad =
                        Quarantined { id: key.id.clone(), reason: error.to_string(), raw: String::new() };
                    (key, FetchResult::Quarantined(bad))
                }
                Fetched::Unread(key, error) => {
                    if matches!(error, ConnectorError::Throttled { .. } | ConnectorError::SignedOut { .. }) {
                        self.fail(&error, now);
                    }
                    let result = later(&key, &error);
                    (key, result)
                }
            };
            results.insert(key, result);
        }
        for sealed in self.seal(cases).await? {
            results.insert(sealed.key.clone(), FetchResult::Case(Box::new(sealed)));
        }
        Ok(hints
            .into_iter()
            .map(|hint| {
                let result = results.remove(&hint.key).unwrap_or_else(|| later(&hint.key, &silent));
                FetchedCase { hint, result }
            })
            .collect())
    }
}

/// How often somebody would have tried in vain who waits twice as long each time: one record that cannot be read is asked
/// for ever less often.
fn tries_since(since: Timestamp, now: Timestamp) -> u32 {
    let seconds = now.duration_since(since).as_secs().max(1);
    seconds.ilog2() + 1
}

/// Texts end here: what rules may read of them becomes signals, and nothing else is kept.
fn distilled(policies: &PolicySet, mut change: CaseChange) -> CaseChange {
    policies.current.distill(&mut change);
    change
}
