//! The engine: units that each do one small step when asked, and the one loop that asks them.
//!
//! Knows: what is done when, what is done after a failure. Must not know: vendors, rules, SQL.

mod deliver;
mod dice;
mod digest;
mod evaluate;
mod pull;
mod retry;
mod scan;
mod source;
mod spoiled;
mod sweep;
mod tell;

pub use source::{SourceHealth, SourceSetup};
pub use tell::ChannelSetup;

use crate::clock::{Clock, Wake, Woke};
use crate::config::Mode;
use crate::notify::Channel;
use crate::store::{Order, Retention, Store, StoreError};
use async_trait::async_trait;
use dice::Dice;
use dutyd_core::action::{Action, Slot, Want};
use dutyd_core::policy::PolicySet;
use jiff::{SignedDuration, Timestamp};
use source::Source;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What one step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// There may be more to do at once.
    Worked,
    /// Nothing to do before this instant, or before somebody rings.
    Idle { until: Option<Timestamp> },
}

/// What a unit cannot handle itself.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The clock that is followed does not answer any more.
    #[error("the sandbox's clock cannot be followed any more")]
    ClockLost,
    /// A part of the engine panicked: our bug.
    #[error("a unit of the engine ended unexpectedly: {0}")]
    Ended(String),
}

/// One part of the engine. Ticks may be called in any order, at any time; each leaves the store consistent.
#[async_trait]
pub trait Unit: Send + Sync {
    /// For logs and the watchdog: `pull support-eu`.
    fn name(&self) -> &str;
    async fn tick(&self) -> Result<Tick, EngineError>;
}

/// What all units share.
pub struct Shared {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub policy: watch::Receiver<Arc<PolicySet>>,
    bells: Bells,
    dice: Dice,
    retention: Retention,
    channels: Vec<Arc<ChannelSetup>>,
    sources: BTreeMap<String, Arc<Source>>,
    /// A source is seen again after cases were judged blind.
    rejudge: AtomicBool,
    beats: Mutex<BTreeMap<String, Timestamp>>,
}

impl Shared {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sources whose cases a channel is told.
    fn told_sources(&self, channel: &Channel) -> Vec<String> {
        let told = |source: &&Arc<Source>| channel.observe || source.setup.mode == Mode::Write;
        self.sources.values().filter(told).map(|source| source.setup.name.clone()).collect()
    }
}

/// Who is rung for what.
#[derive(Default)]
struct Bells {
    pull: BTreeMap<String, Wake>,
    deliver: BTreeMap<String, Wake>,
    tell: BTreeMap<String, Wake>,
    evaluate: Wake,
}

/// After a failure that another try may mend, such as a full disk.
const STORE_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// A step that takes longer than this has hung.
pub const STEP_MAX: SignedDuration = SignedDuration::from_secs(300);
/// How long after the end of a followed world its last echoes may take.
const DRAIN_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What the engine is made of.
pub struct Setup {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub policy: watch::Receiver<Arc<PolicySet>>,
    pub sources: Vec<SourceSetup>,
    /// Where people are told.
    pub channels: Vec<ChannelSetup>,
    pub retention: Retention,
    /// For lease tokens and jitter. Must differ from start to start where a process may be restarted.
    pub seed: u64,
}

/// The engine of one process.
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// Takes up where the store stands. Fails only if the store does.
    pub async fn new(setup: Setup) -> Result<Self, EngineError> {
        let dice = Dice::new(setup.seed);
        let now = setup.clock.now();
        let known = setup.store.sources(now).await?;
        let mut bells = Bells::default();
        let mut sources = BTreeMap::new();
        for source in setup.sources {
            let name = source.name.clone();
            bells.pull.insert(name.clone(), Wake::default());
            bells.deliver.insert(name.clone(), Wake::default());
            let row = known.iter().find(|row| row.source == name);
            sources.insert(name, Arc::new(Source::new(source, dice.token(), row, now)));
        }
        for setup in &setup.channels {
            bells.tell.insert(setup.channel.name.clone(), Wake::default());
        }
        let shared = Shared {
            store: setup.store,
            clock: setup.clock,
            policy: setup.policy,
            bells,
            dice,
            retention: setup.retention,
            channels: setup.channels.into_iter().map(Arc::new).collect(),
            sources,
            rejudge: AtomicBool::default(),
            beats: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// All units, in the order of a lockstep round: what comes in, what is decided, what goes out.
    pub fn units(&self) -> Vec<Arc<dyn Unit>> {
        let sources = || self.shared.sources.values();
        let mut units: Vec<Arc<dyn Unit>> = Vec::new();
        units.extend(sources().map(|s| Arc::new(pull::Pull::new(&self.shared, s)) as Arc<dyn Unit>));
        units.push(Arc::new(evaluate::Evaluate::new(&self.shared)));
        units.extend(sources().map(|s| Arc::new(deliver::Deliver::new(&self.shared, s)) as Arc<dyn Unit>));
        units.push(Arc::new(digest::DailyDigest::new(&self.shared)));
        let channels = self.shared.channels.iter();
        units.extend(channels.map(|c| Arc::new(tell::Tell::new(&self.shared, c)) as Arc<dyn Unit>));
        units.push(Arc::new(sweep::Sweep::new(&self.shared)));
        units
    }

    /// Runs until `stop` turns true, or, following a sandbox, until its world has ended and everything is drained. One
    /// task per unit, so that a slow vendor slows nobody else; in lockstep one task for all.
    pub async fn run(&self, stop: watch::Receiver<bool>) -> Result<(), EngineError> {
        if self.shared.clock.is_lockstep() {
            return drive(&self.shared, &self.units(), &Wake::default(), stop).await;
        }
        let mut tasks = tokio::task::JoinSet::new();
        let policy_watch = self.shared.clone();
        let mut policy = self.shared.policy.clone();
        tasks.spawn(async move {
            while policy.changed().await.is_ok() {
                policy_watch.bells.evaluate.ring();
            }
            std::future::pending::<Result<(), EngineError>>().await
        });
        let mut running = 0;
        for unit in self.units() {
            let (shared, stop) = (self.shared.clone(), stop.clone());
            let wake = self.wake_of(unit.name());
            running += 1;
            tasks.spawn(async move { drive(&shared, &[unit], &wake, stop).await });
        }
        while running > 0
            && let Some(ended) = tasks.join_next().await
        {
            ended.map_err(|error| EngineError::Ended(error.to_string()))??;
            running -= 1;
        }
        Ok(())
    }

    /// One step of one unit, as the loop takes it, for whoever chooses the order himself.
    pub async fn step(&self, unit: &dyn Unit) -> Result<Tick, EngineError> {
        step(&self.shared, unit).await
    }

    /// The clock was set, or the machine was suspended.
    pub async fn jumped(&self) -> Result<(), EngineError> {
        derive_again(&self.shared).await
    }

    fn wake_of(&self, unit: &str) -> Wake {
        let bells = &self.shared.bells;
        let found = match unit.split_once(' ') {
            Some(("pull", source)) => bells.pull.get(source),
            Some(("deliver", source)) => bells.deliver.get(source),
            Some(("tell", channel)) => bells.tell.get(channel),
            _ => (unit == "evaluate").then_some(&bells.evaluate),
        };
        found.cloned().unwrap_or_default()
    }

    /// A webhook's hints were noted: they can be fetched.
    pub fn rung(&self, source: &str) {
        if let Some(found) = self.shared.sources.get(source) {
            found.note_rung();
        }
        if let Some(wake) = self.shared.bells.pull.get(source) {
            wake.ring();
        }
    }

    /// Rings everybody: after an order, or to try again at once.
    pub fn wake(&self) {
        let bells = &self.shared.bells;
        let queues = [&bells.pull, &bells.deliver, &bells.tell];
        queues.into_iter().flat_map(BTreeMap::values).chain([&bells.evaluate]).for_each(Wake::ring);
    }

    /// Carries out an operator's order and wakes whom it concerns.
    pub async fn order(&self, order: Order) -> Result<usize, EngineError> {
        let pause = match &order {
            Order::Pause { source, paused } => self.shared.sources.get(source).map(|found| (found, *paused)),
            _ => None,
        };
        let met = self.shared.store.order(order, self.shared.now()).await?;
        if let Some((source, paused)) = pause {
            source.pause(paused);
        }
        self.wake();
        Ok(met)
    }

    /// Takes every mark of ours off the records of a source. It is in observe mode from here until the next start, or the
    /// marks would be put back.
    pub async fn unmark(&self, source: &str) -> Result<usize, EngineError> {
        let Some(found) = self.shared.sources.get(source) else { return Ok(0) };
        found.unmark();
        let hold = Order::Hold { source: source.to_owned() };
        self.shared.store.order(hold, self.shared.now()).await?;
        let (mut after, mut met) = (0, 0);
        loop {
            let rows = self.shared.store.states(after, 500).await?;
            let Some(last) = rows.last() else { break };
            after = last.case;
            let mut actions = Vec::new();
            for row in rows.iter().filter(|row| row.key.source == source) {
                let state = crate::store::open_state(&row.state)?;
                if state.is_marked() {
                    let generation = state.mark.generation + ABOVE_ALL;
                    let key = &state.case.key;
                    actions.push(Action::new(key, Slot::Mark, Want::Mark(None), generation));
                    actions.push(Action::new(key, Slot::Why, Want::Why(None), generation));
                    met += 1;
                }
            }
            self.shared.store.order(Order::Want { actions }, self.shared.now()).await?;
        }
        self.wake();
        Ok(met)
    }

    /// After a reload of settings: sources that were signed out are tried again at once.
    pub fn retry_now(&self) {
        self.shared.sources.values().for_each(|source| source.retry_now());
        self.wake();
    }

    /// How each source is doing.
    pub fn health(&self) -> Vec<SourceHealth> {
        let now = self.shared.now();
        self.shared.sources.values().map(|source| source.health(now)).collect()
    }

    /// Since when what happens to a case of this source may not be known, and time alone raises nothing.
    pub fn unseen_since(&self, source: &str, unread_since: Option<Timestamp>) -> Option<Timestamp> {
        self.shared.sources.get(source)?.unseen_since(unread_since, self.shared.now())
    }

    /// Units whose current step has taken too long; the watchdog is fed while there are none.
    pub fn stalled(&self) -> Vec<String> {
        let (now, beats) = (self.shared.now(), lock(&self.shared.beats));
        let hung = |(_, since): &(&String, &Timestamp)| now.duration_since(**since) > STEP_MAX;
        beats.iter().filter(hung).map(|(unit, _)| unit.clone()).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What takes marks off for good stands above all that a case may want meanwhile.
const ABOVE_ALL: u64 = 1 << 32;

/// The one loop: asks each unit in turn until all are idle, then sleeps until the first has something to do.
pub async fn drive(
    shared: &Shared,
    units: &[Arc<dyn Unit>],
    wake: &Wake,
    mut stop: watch::Receiver<bool>,
) -> Result<(), EngineError> {
    let mut ended_at: Option<Timestamp> = None;
    while !*stop.borrow() {
        let Tick::Idle { until } = round(shared, units).await? else { continue };
        if let Some(ended_at) = ended_at
            && is_drained(shared, ended_at).await?
        {
            return Ok(());
        }
        let woke = tokio::select! {
            woke = shared.clock.sleep_until(until, wake) => woke,
            _ = stop.changed() => return Ok(()),
        };
        match woke {
            Woke::Slept | Woke::Rung => {}
            Woke::Jumped => derive_again(shared).await?,
            Woke::Ended => ended_at = ended_at.or(Some(shared.now())),
            Woke::Lost => return Err(EngineError::ClockLost),
        }
    }
    Ok(())
}

/// The clock jumped: whatever was derived from the time is derived again.
async fn derive_again(shared: &Shared) -> Result<(), EngineError> {
    let now = shared.now();
    shared.sources.values().for_each(|source| source.jumped(now));
    Ok(shared.store.recover(now).await?)
}

/// One tick of a unit, under the eyes of the watchdog.
async fn step(shared: &Shared, unit: &dyn Unit) -> Result<Tick, EngineError> {
    lock(&shared.beats).insert(unit.name().to_owned(), shared.now());
    let tick = handle(shared, unit.name(), unit.tick().await)?;
    lock(&shared.beats).remove(unit.name());
    Ok(tick)
}

/// One tick of each unit. `Worked` if any did.
async fn round(shared: &Shared, units: &[Arc<dyn Unit>]) -> Result<Tick, EngineError> {
    let (mut worked, mut until) = (false, None::<Timestamp>);
    for unit in units {
        match step(shared, unit.as_ref()).await? {
            Tick::Worked => worked = true,
            Tick::Idle { until: next } => until = [until, next].into_iter().flatten().min(),
        }
    }
    Ok(if worked { Tick::Worked } else { Tick::Idle { until } })
}

/// What ends the process is passed on; what another try may mend is said and waited for.
fn handle(shared: &Shared, unit: &str, tick: Result<Tick, EngineError>) -> Result<Tick, EngineError> {
    let pause = || Tick::Idle { until: shared.now().checked_add(STORE_PAUSE).ok() };
    match tick {
        Err(EngineError::Store(StoreError::LeaseLost(source))) => {
            tracing::warn!(%source, unit, "lease lost; taking it again");
            if let Some(found) = shared.sources.get(&source) {
                found.drop_lease();
            }
            Ok(pause())
        }
        Err(EngineError::Store(error @ (StoreError::Full(_) | StoreError::Corrupt { .. }))) => {
            tracing::error!(unit, %error, "the store cannot do this now");
            Ok(pause())
        }
        other => other,
    }
}

/// Whether everything that had happened by `ended_at` is known, decided and shown.
async fn is_drained(shared: &Shared, ended_at: Timestamp) -> Result<bool, EngineError> {
    let now = shared.now();
    if now.duration_since(ended_at) > DRAIN_MAX {
        tracing::error!("the world ended a day ago and work is still left: giving up");
        return Ok(true);
    }
    if shared.store.counts(now).await?.due > 0 {
        return Ok(false);
    }
    if shared
        .store
        .channels()
        .await?
        .iter()
        .any(|row| row.pending > 0 && shared.bells.tell.contains_key(&row.channel))
    {
        return Ok(false);
    }
    let rows = shared.store.sources(now).await?;
    let drained = shared.sources.values().all(|source| {
        let Some(row) = rows.iter().find(|row| row.source == source.setup.name) else { return false };
        let seen_from = ended_at.saturating_add(source.setup.connector.profile().lag).unwrap_or(ended_at);
        let sent = source.setup.mode == Mode::Observe || row.outbox.pending() == 0;
        row.paused || (row.hints == 0 && sent && row.caught_up_at.is_some_and(|at| at >= seen_from))
    });
    Ok(drained)
}
