//! What comes in: pages by poll, cases by hint. The next page is fetched while the last one is stored.

use super::retry::{self, read_again};
use super::source::{Source, Way};
use super::{EngineError, Shared, Tick, Unit, lock};
use crate::clock::Wake;
use crate::store::{
    FetchResult, FetchedCase, HintBatch, Incoming, PageCommit, SourceLease, StoreError, TakenHint,
    seal_change, seal_news,
};
use async_trait::async_trait;
use dutyd_connectors::{ConnectorError, Cursor, Fetched, Page};
use dutyd_core::case::{CaseChange, CaseKey};
use dutyd_core::policy::PolicySet;
use dutyd_core::state::News;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Webhooks that come within this window are fetched together.
const GATHER: SignedDuration = SignedDuration::from_millis(40);
/// While another instance holds the source.
const STANDBY: SignedDuration = SignedDuration::from_secs(10);

/// Cases fetched ahead are fetched again if they could not be stored within this. Less than the life of a hint's lease.
const AHEAD_MAX: SignedDuration = SignedDuration::from_secs(60);

/// A scan under way.
struct Scan {
    /// When it began: what it has seen at its end is all that stood there then.
    begun: Timestamp,
    /// A page already read, and where its reading began.
    next: Option<(Option<Cursor>, Page)>,
}

/// Hints taken, and what the vendor said.
struct Batch {
    taken_at: Timestamp,
    hints: Vec<TakenHint>,
    answer: Result<Vec<Fetched>, ConnectorError>,
}

/// See the module.
pub struct Pull {
    name: String,
    shared: Arc<Shared>,
    source: Arc<Source>,
    scan: Mutex<Option<Scan>>,
    /// Cases already fetched and not stored.
    ahead: Mutex<Option<Batch>>,
}

impl Pull {
    pub fn new(shared: &Arc<Shared>, source: &Arc<Source>) -> Self {
        Self {
            name: format!("pull {}", source.setup.name),
            shared: shared.clone(),
            source: source.clone(),
            scan: Mutex::default(),
            ahead: Mutex::default(),
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
            self.shared.clock.sleep_until(Some(retry::after(now, GATHER)), &Wake::default()).await;
        }
        // In lockstep the vendor must see requests in a fixed order.
        let (hints, page) = if self.shared.clock.is_lockstep() {
            (self.fetch_hints(&lease, now).await?, self.read_page(&lease, now).await?)
        } else {
            let (hints, page) = tokio::join!(self.fetch_hints(&lease, now), self.read_page(&lease, now));
            (hints?, page?)
        };
        if hints.worked || page.worked {
            self.shared.bells.evaluate.ring();
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
    until: Option<Timestamp>,
}

impl Pull {
    fn fail(&self, error: &ConnectorError, now: Timestamp) -> Half {
        let failures = self.source.failures(Way::Reading) + 1;
        let again_at = read_again(error, failures, now, &self.shared.dice);
        self.source.failed(Way::Reading, error, again_at);
        Half { worked: false, until: Some(again_at) }
    }

    async fn read_page(&self, lease: &SourceLease, now: Timestamp) -> Result<Half, EngineError> {
        let begun = lock(&self.scan).is_some();
        if let Some(at) = self.source.poll_at().filter(|at| !begun && *at > now) {
            return Ok(Half { worked: false, until: Some(at) });
        }
        let scan = lock(&self.scan).take().unwrap_or(Scan { begun: now, next: None });
        let (from, page) = match scan.next {
            Some(ready) => ready,
            None => {
                let from = self.shared.store.cursor(&lease.source).await?;
                match self.source.setup.connector.pull(&self.source.cx(now), from.as_ref()).await {
                    Ok(page) => (from, page),
                    Err(error) => return Ok(self.fail(&error, now)),
                }
            }
        };
        self.source.succeeded(Way::Reading);
        let (next, more) = (page.next.clone(), page.more);
        let stuck = more && next == from;
        if stuck {
            tracing::error!(source = %lease.source, "the vendor's pages do not advance; scan ended here");
        }
        let going_on = more && !stuck;
        let page = self.prepare(page, scan.begun, going_on).await?;
        let (store, cx) = (&self.shared.store, self.source.cx(now));
        if !going_on || self.shared.clock.is_lockstep() {
            store.commit_page(lease, page, now).await?;
            self.go_on(going_on.then_some((scan.begun, None)), scan.begun, now);
            return Ok(Half { worked: true, until: None });
        }
        let reading = self.source.setup.connector.pull(&cx, next.as_ref());
        let (stored, read) = tokio::join!(store.commit_page(lease, page, now), reading);
        stored?;
        match read {
            Ok(page) => self.go_on(Some((scan.begun, Some((next, page)))), scan.begun, now),
            Err(error) => {
                self.go_on(Some((scan.begun, None)), scan.begun, now);
                self.fail(&error, now);
            }
        }
        Ok(Half { worked: true, until: None })
    }

    /// Remembers where the scan stands, or that it has ended.
    #[allow(clippy::type_complexity)]
    fn go_on(
        &self,
        scan: Option<(Timestamp, Option<(Option<Cursor>, Page)>)>,
        begun: Timestamp,
        now: Timestamp,
    ) {
        match scan {
            Some((begun, next)) => *lock(&self.scan) = Some(Scan { begun, next }),
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

    /// The next cases are fetched while the last ones are stored, as long as batches are full.
    async fn fetch_hints(&self, lease: &SourceLease, now: Timestamp) -> Result<Half, EngineError> {
        let max = self.source.setup.connector.profile().fetch_max.max(1);
        let fresh = |batch: &Batch| now.duration_since(batch.taken_at) < AHEAD_MAX;
        let ahead = lock(&self.ahead).take().filter(fresh);
        let batch = match ahead {
            Some(batch) => batch,
            None => match self.take_batch(lease, max, now).await? {
                Ok(batch) => batch,
                Err(until) => return Ok(Half { worked: false, until }),
            },
        };
        let full = batch.hints.len() == max && batch.answer.is_ok();
        if !full || self.shared.clock.is_lockstep() {
            self.store_batch(lease, batch, now).await?;
            return Ok(Half { worked: true, until: None });
        }
        let (stored, next) =
            tokio::join!(self.store_batch(lease, batch, now), self.take_batch(lease, max, now));
        stored?;
        *lock(&self.ahead) = next?.ok();
        Ok(Half { worked: true, until: None })
    }

    /// Takes hints and asks the vendor for their cases. `Err`: there are none, and when there will be.
    async fn take_batch(
        &self,
        lease: &SourceLease,
        max: usize,
        now: Timestamp,
    ) -> Result<Result<Batch, Option<Timestamp>>, EngineError> {
        let HintBatch { hints, next_at } = self.shared.store.take_hints(lease, max, now).await?;
        if hints.is_empty() {
            return Ok(Err(next_at));
        }
        let keys: Vec<CaseKey> = hints.iter().map(|hint| hint.key.clone()).collect();
        let answer = self.source.setup.connector.fetch(&self.source.cx(now), &keys).await;
        Ok(Ok(Batch { taken_at: now, hints, answer }))
    }

    async fn store_batch(
        &self,
        lease: &SourceLease,
        batch: Batch,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let fetched = match batch.answer {
            Ok(fetched) => {
                self.source.succeeded(Way::Reading);
                self.sort_out(batch.hints, fetched, now).await?
            }
            Err(error) => {
                let half = self.fail(&error, now);
                let later = half.until.unwrap_or(now);
                let put_off = |hint| FetchedCase { hint, result: FetchResult::Later(later) };
                batch.hints.into_iter().map(put_off).collect()
            }
        };
        self.shared.store.commit_fetched(lease, fetched, now).await?;
        Ok(())
    }

    /// One result per hint. What the vendor did not answer for is asked again.
    async fn sort_out(
        &self,
        hints: Vec<TakenHint>,
        fetched: Vec<Fetched>,
        now: Timestamp,
    ) -> Result<Vec<FetchedCase>, EngineError> {
        let silent = ConnectorError::Unavailable { reason: "no answer for this case".to_owned() };
        let later = |error: &ConnectorError| FetchResult::Later(read_again(error, 1, now, &self.shared.dice));
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
                Fetched::Unread(key, error) => {
                    if matches!(error, ConnectorError::Throttled { .. } | ConnectorError::SignedOut { .. }) {
                        self.fail(&error, now);
                    }
                    let result = later(&error);
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
                let result = results.remove(&hint.key).unwrap_or_else(|| later(&silent));
                FetchedCase { hint, result }
            })
            .collect())
    }
}

/// Texts end here: what rules may read of them becomes signals, and nothing else is kept.
fn distilled(policies: &PolicySet, mut change: CaseChange) -> CaseChange {
    policies.current.distill(&mut change);
    change
}
