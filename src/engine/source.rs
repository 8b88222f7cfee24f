//! One source as the engine sees it: how it is set up, whether we hold it, how well we see it.

use super::lock;
use super::retry;
use crate::config::Mode;
use crate::store::{SourceLease, SourceRow, Store, StoreError, Token};
use dutyd_connectors::{Budget, Connector, ConnectorError, Ctx, Fetched, Transport};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Our cursor never relies on more overlap than this; it is part of the bound on how late we may learn of a change.
const OVERLAP: SignedDuration = SignedDuration::from_secs(60);
/// Deadlines reckoned with another offset than this of the vendor's clock are reckoned anew.
const OFFSET_CHANGE_MAX: SignedDuration = SignedDuration::from_secs(5);
/// A lease is renewed when less than this is left of it.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_secs(60);

/// So few cases come whole by the requests that the smallest allowance permits at once.
const BATCH_MIN: usize = 5;

/// A source as configured.
#[derive(Clone)]
pub struct SourceSetup {
    pub name: String,
    pub connector: Arc<dyn Connector>,
    pub http: Arc<dyn Transport>,
    pub mode: Mode,
    pub poll_interval: SignedDuration,
    pub writes_per_hour: u32,
    pub start_from: Option<Timestamp>,
}

/// How a source is doing, for status, health and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SourceHealth {
    pub source: String,
    pub vendor: &'static str,
    pub mode: Mode,
    pub paused: bool,
    /// Everything the vendor showed by then is known.
    pub caught_up_at: Option<Timestamp>,
    pub lag_seconds: Option<i64>,
    /// A lag beyond this is blindness.
    pub bound_seconds: i64,
    /// Since when changes can be unknown to us for longer than the bound allows.
    pub blind_since: Option<Timestamp>,
    pub signed_out: bool,
    /// Why the last read failed, if it did.
    pub read_trouble: Option<String>,
    pub read_again_at: Option<Timestamp>,
    /// Why the last write failed, if it did.
    pub write_trouble: Option<String>,
    pub write_again_at: Option<Timestamp>,
    /// `writes_per_hour` is spent until then.
    pub braked_until: Option<Timestamp>,
    /// How far the vendor's clock is ahead of ours.
    pub clock_offset_ms: i64,
}

/// Trouble in one direction.
#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
    because: Option<String>,
    again_at: Option<Timestamp>,
    signed_out: bool,
}

#[derive(Debug, Default)]
struct Memory {
    lease: Option<SourceLease>,
    caught_up_at: Option<Timestamp>,
    /// When a page is to be read next; `None`: now.
    poll_at: Option<Timestamp>,
    reading: Trouble,
    writing: Trouble,
    braked_until: Option<Timestamp>,
    blind_since: Option<Timestamp>,
    /// Since a jump of our clock we do not know the vendor's time, until the next scan tells it.
    unsure_since: Option<Timestamp>,
    /// The vendor's clock against ours, as deadlines were reckoned with.
    reckoned_offset: SignedDuration,
    /// Since when our clock may be wrong by more than the vendor has told: from a start or a jump to the next answer.
    unheard_since: Option<Timestamp>,
    paused: bool,
    observing: bool,
    unmarking: bool,
}

/// See the module.
pub struct Source {
    pub setup: SourceSetup,
    token: Token,
    memory: Mutex<Memory>,
    rung: AtomicBool,
    /// More of it is being read than one step takes.
    in_bulk: AtomicBool,
    /// Cases asked for at once: fewer while the allowance ends before their answer is whole.
    batch: AtomicUsize,
    /// A case was judged while we were blind, and must be judged again.
    judged_blind: AtomicBool,
}

/// Which way trouble was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Reading,
    Writing,
}

impl Source {
    pub fn new(setup: SourceSetup, token: Token, row: Option<&SourceRow>, now: Timestamp) -> Self {
        let memory = Memory {
            caught_up_at: row.and_then(|row| row.caught_up_at),
            paused: row.is_some_and(|row| row.paused),
            observing: setup.mode == Mode::Observe,
            unheard_since: Some(now),
            ..Memory::default()
        };
        Self {
            batch: AtomicUsize::new(setup.connector.profile().fetch_max.max(1)),
            setup,
            token,
            memory: Mutex::new(memory),
            rung: AtomicBool::default(),
            in_bulk: AtomicBool::default(),
            judged_blind: AtomicBool::default(),
        }
    }

    pub fn cx(&self, now: Timestamp) -> Ctx<'_> {
        Ctx { http: self.setup.http.as_ref(), now: retry::after(now, self.offset()) }
    }

    /// How many cases to ask for at once, and whether that is as many as the vendor allows.
    pub fn batch(&self) -> (usize, bool) {
        let batch = self.batch.load(Ordering::Relaxed);
        (batch, batch >= self.setup.connector.profile().fetch_max)
    }

    /// A batch that was held back before a single case was whole would be again: half of it is asked for next. One that
    /// told something makes room for twice as many.
    ///
    /// Shown by `the_smallest_allowance_is_enough_for_each_system_to_come_to_an_end`.
    pub fn fetched(&self, asked: usize, answer: &Result<Vec<Fetched>, ConnectorError>) {
        let held_back = |error: &ConnectorError| matches!(error, ConnectorError::Throttled { .. });
        let in_vain = match answer {
            Ok(fetched) => {
                fetched.iter().all(|one| matches!(one, Fetched::Unread(_, error) if held_back(error)))
            }
            Err(error) => held_back(error),
        };
        let most = self.setup.connector.profile().fetch_max.max(1);
        let batch = if in_vain {
            (asked / 2).max(BATCH_MIN.min(most))
        } else {
            self.batch().0.saturating_mul(2).min(most)
        };
        self.batch.store(batch, Ordering::Relaxed);
    }

    pub fn offset(&self) -> SignedDuration {
        self.setup.http.offset()
    }

    /// The source's lease, renewed in time. `None`: another instance holds it.
    pub async fn lease(&self, store: &dyn Store, now: Timestamp) -> Result<Option<SourceLease>, StoreError> {
        let held = lock(&self.memory).lease.clone();
        if let Some(lease) = held.filter(|lease| lease.until.duration_since(now) > RENEW_BEFORE) {
            return Ok(Some(lease));
        }
        let lease = store.lease_source(&self.setup.name, self.token, now).await?;
        lock(&self.memory).lease.clone_from(&lease);
        Ok(lease)
    }

    pub fn drop_lease(&self) {
        lock(&self.memory).lease = None;
    }

    /// How late we may learn of a change in normal operation: the bound B.
    pub fn bound(&self) -> SignedDuration {
        self.setup.poll_interval + self.setup.connector.profile().lag + OVERLAP
    }

    pub fn is_paused(&self) -> bool {
        lock(&self.memory).paused
    }

    pub fn pause(&self, paused: bool) {
        lock(&self.memory).paused = paused;
    }

    /// Whether marks may be written; taking ours off again is allowed in any mode.
    pub fn may_write(&self) -> bool {
        let memory = lock(&self.memory);
        !memory.observing || memory.unmarking
    }

    /// Decisions are recorded and not sent while marks are being taken off.
    pub fn is_unmarking(&self) -> bool {
        lock(&self.memory).unmarking
    }

    pub fn unmark(&self) {
        let mut memory = lock(&self.memory);
        (memory.observing, memory.unmarking) = (true, true);
    }

    pub fn note_rung(&self) {
        self.rung.store(true, Ordering::Relaxed);
    }

    pub fn take_rung(&self) -> bool {
        self.rung.swap(false, Ordering::Relaxed)
    }

    pub fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Relaxed)
    }

    /// Answers whether that is news.
    pub fn note_bulk(&self, in_bulk: bool) -> bool {
        self.in_bulk.swap(in_bulk, Ordering::Relaxed) != in_bulk
    }

    pub fn is_read_in_bulk(&self) -> bool {
        self.in_bulk.load(Ordering::Relaxed)
    }

    /// Until when nothing may be tried this way.
    pub fn quiet_until(&self, way: Way, now: Timestamp) -> Option<Timestamp> {
        let memory = lock(&self.memory);
        trouble(&memory, way).again_at.filter(|at| *at > now)
    }

    pub fn poll_at(&self) -> Option<Timestamp> {
        lock(&self.memory).poll_at
    }

    /// Our clock jumped: what was to wait until an instant of it waits no longer, and the vendor's time is not known
    /// before it is heard again.
    pub fn jumped(&self, now: Timestamp) {
        let mut memory = lock(&self.memory);
        (memory.lease, memory.poll_at, memory.braked_until) = (None, None, None);
        (memory.reading.again_at, memory.writing.again_at) = (None, None);
        memory.caught_up_at = memory.caught_up_at.map(|at| at.min(now));
        (memory.unsure_since, memory.unheard_since) = (Some(now), Some(now));
    }

    /// Since when the vendor's time is not known. A source that is paused is not asked for it.
    pub fn unheard_since(&self) -> Option<Timestamp> {
        let memory = lock(&self.memory);
        memory.unheard_since.filter(|_| !memory.paused)
    }

    /// A scan that began at `begun` has reached its end.
    pub fn caught_up(&self, begun: Timestamp, now: Timestamp) {
        let offset = self.offset();
        let mut memory = lock(&self.memory);
        if (offset - memory.reckoned_offset).abs() > OFFSET_CHANGE_MAX {
            memory.reckoned_offset = offset;
            self.note_judged_blind();
        }
        memory.unsure_since = None;
        memory.caught_up_at = Some(begun);
        memory.poll_at = Some(retry::after(now, self.setup.poll_interval));
        if let Some(since) = memory.blind_since.take() {
            tracing::info!(source = %self.setup.name, %since, "source is seen again");
        }
    }

    /// Notes trouble and until when to be quiet; says it once.
    pub fn failed(&self, way: Way, error: &ConnectorError, again_at: Timestamp) {
        let source = &self.setup.name;
        let mut memory = lock(&self.memory);
        let trouble = trouble_mut(&mut memory, way);
        let first = trouble.because.is_none();
        trouble.because = Some(error.to_string());
        trouble.again_at = Some(again_at);
        match error {
            ConnectorError::Throttled { .. } => {
                let because = format!("{error}{}", self.left());
                tracing::info!(%source, until = %again_at, "{way:?} paused: {because}");
                trouble.because = Some(because);
            }
            ConnectorError::SignedOut { .. } => {
                trouble.signed_out = true;
                tracing::error!(%source, until = %again_at,
                    "source stopped: {error}; mend the credentials, then reload");
            }
            _ => {
                trouble.failures += 1;
                let attempt = trouble.failures;
                if first {
                    tracing::warn!(%source, attempt, until = %again_at, "{way:?} failed: {error}");
                } else {
                    tracing::debug!(%source, attempt, until = %again_at, "{way:?} failed again: {error}");
                }
            }
        }
    }

    /// What is left by the vendor's own count, as the end of a sentence.
    fn left(&self) -> String {
        let Some(Budget { limit: Some(limit), remaining: Some(left), .. }) = self.setup.http.budget() else {
            return String::new();
        };
        format!("; the vendor says that {left} of {limit} requests are left")
    }

    pub fn failures(&self, way: Way) -> u32 {
        trouble(&lock(&self.memory), way).failures
    }

    /// Answers how many failures in a row this ends.
    pub fn succeeded(&self, way: Way) -> u32 {
        let mut memory = lock(&self.memory);
        memory.unheard_since = None;
        std::mem::take(trouble_mut(&mut memory, way)).failures
    }

    pub fn retry_now(&self) {
        let mut memory = lock(&self.memory);
        (memory.reading, memory.writing) = (Trouble::default(), Trouble::default());
        memory.poll_at = None;
    }

    pub fn braked(&self, until: Option<Timestamp>) {
        let mut memory = lock(&self.memory);
        if let Some(until) = until.filter(|_| memory.braked_until.is_none()) {
            tracing::warn!(source = %self.setup.name, per_hour = self.setup.writes_per_hour, %until,
                "writes_per_hour is spent: marks wait");
        }
        memory.braked_until = until;
    }

    /// Since when we cannot see the source's changes within the bound, also while it is paused; says so once, loudly, unless
    /// it is.
    pub fn blind_since(&self, now: Timestamp) -> Option<Timestamp> {
        let bound = self.bound();
        let mut memory = lock(&self.memory);
        let seen = memory.caught_up_at?;
        if now.duration_since(seen) <= bound {
            return memory.unsure_since;
        }
        if memory.blind_since.is_none() && !memory.paused {
            memory.blind_since = Some(seen);
            let because = memory.reading.because.clone().unwrap_or_else(|| "no scan has ended".to_owned());
            tracing::error!(source = %self.setup.name, since = %seen, bound_seconds = bound.as_secs(),
                "blind on source {}: nothing newer than {seen} is known: {because}", self.setup.name);
        }
        Some(seen)
    }

    /// Since when what happens to one of its cases may not be known to us. `unread_since`: when we heard of a change of it
    /// that we have not read.
    pub fn unseen_since(&self, unread_since: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let unread = unread_since.filter(|since| now.duration_since(*since) > self.bound());
        self.blind_since(now).or(unread)
    }

    pub fn note_judged_blind(&self) {
        self.judged_blind.store(true, Ordering::Relaxed);
    }

    pub fn take_judged_blind(&self) -> bool {
        self.judged_blind.swap(false, Ordering::Relaxed)
    }

    pub fn health(&self, now: Timestamp) -> SourceHealth {
        let blind_since = self.blind_since(now);
        let memory = lock(&self.memory);
        SourceHealth {
            source: self.setup.name.clone(),
            vendor: self.setup.connector.profile().vendor,
            mode: if memory.observing { Mode::Observe } else { Mode::Write },
            paused: memory.paused,
            caught_up_at: memory.caught_up_at,
            lag_seconds: memory.caught_up_at.map(|at| now.duration_since(at).as_secs()),
            bound_seconds: self.bound().as_secs(),
            blind_since: blind_since.filter(|_| !memory.paused),
            signed_out: memory.reading.signed_out || memory.writing.signed_out,
            read_trouble: memory.reading.because.clone(),
            read_again_at: memory.reading.again_at,
            write_trouble: memory.writing.because.clone(),
            write_again_at: memory.writing.again_at,
            braked_until: memory.braked_until,
            clock_offset_ms: i64::try_from(self.offset().as_millis()).unwrap_or(i64::MAX),
        }
    }
}

fn trouble(memory: &Memory, way: Way) -> &Trouble {
    match way {
        Way::Reading => &memory.reading,
        Way::Writing => &memory.writing,
    }
}

fn trouble_mut(memory: &mut Memory, way: Way) -> &mut Trouble {
    match way {
        Way::Reading => &mut memory.reading,
        Way::Writing => &mut memory.writing,
    }
}
