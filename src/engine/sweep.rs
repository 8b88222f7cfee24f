//! Upkeep at leisure: retention, old delivery ids, the write-ahead log.

use super::retry::after;
use super::{EngineError, Shared, Tick, Unit, lock};
use crate::store::Retention;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex};

const EVERY: SignedDuration = SignedDuration::from_mins(10);

/// See the module.
pub struct Sweep {
    shared: Arc<Shared>,
    next_at: Mutex<Option<Timestamp>>,
}

impl Sweep {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: shared.clone(), next_at: Mutex::default() }
    }
}

#[async_trait]
impl Unit for Sweep {
    fn name(&self) -> &str {
        "sweep"
    }

    async fn tick(&self) -> Result<Tick, EngineError> {
        let now = self.shared.now();
        if let Some(at) = lock(&self.next_at).filter(|at| *at > now) {
            return Ok(Tick::Idle { until: Some(at) });
        }
        let swept = self.shared.store.sweep(Retention::default(), now).await?;
        if swept.cases + swept.deliveries > 0 {
            tracing::info!(
                cases = swept.cases,
                deliveries = swept.deliveries,
                "forgot what is past retention"
            );
        }
        if swept.more {
            return Ok(Tick::Worked);
        }
        *lock(&self.next_at) = Some(after(now, EVERY));
        Ok(Tick::Idle { until: Some(after(now, EVERY)) })
    }
}
