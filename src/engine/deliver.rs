//! What goes out: wanted marks, one source at a time, all of a case together.
//!
//! A second attempt asks first whether the mark stands already; an attempt without an answer is asked about only after
//! T_quiet, because a write can land late.

use super::retry::{self, QUIET, after, backoff, throttled};
use super::source::{Source, Way};
use super::{EngineError, Shared, Tick, Unit, lock};
use crate::store::{Brakes, LeasedAction, Settlement, SourceLease, StoreError, Verdict, seal_news};
use async_trait::async_trait;
use dutyd_connectors::ConnectorError;
use dutyd_core::action::{Action, Receipt};
use dutyd_core::state::News;
use futures::StreamExt;
use jiff::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Cases of one lease, at most. After an outage it starts from one and doubles with each lease that succeeds.
const CASES_MAX: usize = 64;
const RAMP_START: usize = 1;
/// So many failures in a row are the vendor's, not one record's: when they end, what failed meanwhile is tried again at
/// once, so that the oldest goes first. A record that fails by itself keeps its own growing wait.
const OUTAGE_MIN: u32 = 3;

/// See the module.
pub struct Deliver {
    name: String,
    shared: Arc<Shared>,
    source: Arc<Source>,
    ramp: Mutex<usize>,
    /// An outage has just ended.
    recovered: AtomicBool,
}

impl Deliver {
    pub fn new(shared: &Arc<Shared>, source: &Arc<Source>) -> Self {
        Self {
            name: format!("deliver {}", source.setup.name),
            shared: shared.clone(),
            source: source.clone(),
            ramp: Mutex::new(CASES_MAX),
            recovered: AtomicBool::default(),
        }
    }
}

#[async_trait]
impl Unit for Deliver {
    fn name(&self) -> &str {
        &self.name
    }

    async fn tick(&self) -> Result<Tick, EngineError> {
        let now = self.shared.now();
        if self.source.is_paused() || !self.source.may_write() {
            return Ok(Tick::Idle { until: None });
        }
        if let Some(until) = self.source.quiet_until(Way::Writing, now) {
            return Ok(Tick::Idle { until: Some(until) });
        }
        let Some(lease) = self.source.lease(self.shared.store.as_ref(), now).await? else {
            return Ok(Tick::Idle { until: Some(after(now, retry::WAIT_MAX)) });
        };
        let brakes = Brakes {
            cases_max: *lock(&self.ramp),
            writes_per_hour: self.source.setup.writes_per_hour,
            recovered: self.recovered.swap(false, Ordering::Relaxed),
        };
        let batch = self.shared.store.lease_actions(&lease, self.shared.dice.token(), brakes, now).await?;
        self.source.braked(batch.braked_until);
        if batch.actions.is_empty() {
            return Ok(Tick::Idle { until: batch.next_at });
        }
        self.send(&lease, batch.actions).await?;
        self.shared.bells.evaluate.ring();
        Ok(Tick::Worked)
    }
}

impl Deliver {
    async fn send(&self, lease: &SourceLease, actions: Vec<LeasedAction>) -> Result<(), EngineError> {
        let profile = self.source.setup.connector.profile();
        let groups = requests(actions, profile.apply_max.max(1));
        let at_once = if self.shared.clock.is_lockstep() { 1 } else { profile.concurrency.max(1) };
        let mut done =
            futures::stream::iter(groups.into_iter().map(|group| self.send_group(group))).buffered(at_once);
        let mut failed = false;
        while let Some(settled) = done.next().await {
            let (settlements, group_failed) = settled?;
            failed |= group_failed;
            self.shared.store.settle(lease, settlements, self.shared.now()).await?;
        }
        let mut ramp = lock(&self.ramp);
        *ramp = if failed { RAMP_START } else { (*ramp * 2).min(CASES_MAX) };
        Ok(())
    }

    /// Actions of one request: asks about those that may stand already, sends the rest. Answers whether the vendor
    /// failed.
    async fn send_group(&self, group: Vec<LeasedAction>) -> Result<(Vec<Settlement>, bool), StoreError> {
        let mut outcomes: Vec<(LeasedAction, Result<Receipt, ConnectorError>)> = Vec::new();
        let mut to_send = Vec::new();
        for action in group {
            let now = self.shared.now();
            if let Some(until) = self.source.quiet_until(Way::Writing, now) {
                outcomes.push((action, Err(ConnectorError::Throttled { until: Some(until) })));
            } else if !action.ask_first {
                to_send.push(action);
            } else {
                match self.source.setup.connector.holds(&self.source.cx(now), &action.action).await {
                    Ok(Some(receipt)) => outcomes.push((action, Ok(receipt))),
                    Ok(None) => to_send.push(action),
                    Err(error) => outcomes.push((action, Err(as_read(error)))),
                }
            }
        }
        outcomes.extend(self.apply(to_send).await);
        let mut failed = false;
        let mut settlements = Vec::with_capacity(outcomes.len());
        for (leased, result) in outcomes {
            failed |=
                matches!(result, Err(ConnectorError::Unavailable { .. } | ConnectorError::Unknown { .. }));
            settlements.push(self.settlement(leased, result)?);
        }
        Ok((settlements, failed))
    }

    async fn apply(&self, leased: Vec<LeasedAction>) -> Vec<(LeasedAction, Result<Receipt, ConnectorError>)> {
        if leased.is_empty() {
            return Vec::new();
        }
        let actions: Vec<Action> = leased.iter().map(|one| one.action.clone()).collect();
        let now = self.shared.now();
        match self.source.setup.connector.apply(&self.source.cx(now), &actions).await {
            Err(error) => leased.into_iter().map(|one| (one, Err(error.clone()))).collect(),
            Ok(mut applied) => leased
                .into_iter()
                .map(|one| {
                    let found = applied.iter().position(|verdict| verdict.action_id == one.action.id);
                    // A verdict that is missing says nothing about what happened.
                    let silent =
                        || ConnectorError::Unknown { reason: "no verdict for this action".to_owned() };
                    let result = found.map_or_else(|| Err(silent()), |at| applied.swap_remove(at).result);
                    (one, result)
                })
                .collect(),
        }
    }

    fn settlement(
        &self,
        leased: LeasedAction,
        result: Result<Receipt, ConnectorError>,
    ) -> Result<Settlement, StoreError> {
        let verdict = match result {
            Ok(receipt) => {
                if self.source.succeeded(Way::Writing) >= OUTAGE_MIN {
                    self.recovered.store(true, Ordering::Relaxed);
                }
                let news = News::Settled { receipt: receipt.clone(), want: leased.action.want.clone() };
                Verdict::Done { receipt, news: seal_news(&news)? }
            }
            Err(error) => self.verdict(&leased, &error, self.shared.now()),
        };
        Ok(Settlement {
            row: leased.row,
            token: leased.token,
            case: leased.case,
            generation: leased.action.generation,
            verdict,
        })
    }

    fn verdict(&self, leased: &LeasedAction, error: &ConnectorError, now: Timestamp) -> Verdict {
        let because = error.to_string();
        match error {
            ConnectorError::Throttled { until } => {
                let at = throttled(*until, now);
                self.hold_back(error, at, now);
                Verdict::Retry { at, counted: false, because }
            }
            ConnectorError::SignedOut { .. } => {
                let at = after(now, retry::PROBE);
                self.hold_back(error, at, now);
                Verdict::Retry { at, counted: false, because }
            }
            ConnectorError::Unavailable { .. } => {
                let at = after(now, backoff(leased.attempt, &self.shared.dice));
                let failures = self.source.failures(Way::Writing) + 1;
                self.hold_back(error, after(now, backoff(failures, &self.shared.dice)), now);
                Verdict::Retry { at, counted: true, because }
            }
            ConnectorError::Unknown { .. } => {
                let ask_at = after(now, QUIET);
                self.report(
                    leased,
                    "no answer to a write; asking later whether it arrived",
                    &because,
                    ask_at,
                );
                Verdict::Unknown { ask_at, because }
            }
            ConnectorError::Sealed { .. } => {
                tracing::info!(source = %leased.action.case.source, case = %leased.action.case,
                    action = %leased.action.id, slot = %leased.action.slot.word(),
                    "left as it is until the case changes: {because}");
                Verdict::Sealed { because }
            }
            ConnectorError::Refused { .. } | ConnectorError::Malformed { .. } => {
                tracing::error!(source = %leased.action.case.source, case = %leased.action.case,
                    action = %leased.action.id, slot = %leased.action.slot.word(), attempt = leased.attempt,
                    "write refused and parked for a person: {because}; see `dutyd parked list`");
                Verdict::Parked { because }
            }
        }
    }

    /// All writes to the source wait, told once for the whole batch.
    fn hold_back(&self, error: &ConnectorError, until: Timestamp, now: Timestamp) {
        if self.source.quiet_until(Way::Writing, now).is_none() {
            self.source.failed(Way::Writing, error, until);
        }
    }

    fn report(&self, leased: &LeasedAction, what: &str, because: &str, until: Timestamp) {
        tracing::warn!(source = %leased.action.case.source, case = %leased.action.case,
            action = %leased.action.id, attempt = leased.attempt, %until, "{what}: {because}");
    }
}

/// Asking changes nothing: without an answer there is nothing to be quiet about.
fn as_read(error: ConnectorError) -> ConnectorError {
    match error {
        ConnectorError::Unknown { reason } => ConnectorError::Unavailable { reason },
        other => other,
    }
}

/// Actions by request: those of one case never part, as long as a request can carry them.
fn requests(actions: Vec<LeasedAction>, apply_max: usize) -> Vec<Vec<LeasedAction>> {
    let mut requests: Vec<Vec<LeasedAction>> = Vec::new();
    for action in actions {
        match requests.last_mut() {
            Some(last)
                if last.len() < apply_max && last.last().is_some_and(|one| one.case == action.case) =>
            {
                last.push(action);
            }
            _ => requests.push(vec![action]),
        }
    }
    requests
}
