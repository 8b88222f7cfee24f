//! Upkeep at leisure: retention, old delivery ids, the census, the write-ahead log.

use super::retry::after;
use super::{EngineError, Shared, Tick, Unit, lock};
use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
use std::sync::{Arc, Mutex};

const EVERY: SignedDuration = SignedDuration::from_mins(10);

/// See the module.
pub struct Sweep {
    shared: Arc<Shared>,
    next_at: Mutex<Option<Timestamp>>,
    /// The day on which the audit log's head was last shown.
    shown_on: Mutex<Option<civil::Date>>,
}

impl Sweep {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: shared.clone(), next_at: Mutex::default(), shown_on: Mutex::default() }
    }

    /// Once a day, and at each start: the journal keeps what the audit log then ended with, out of the database's reach.
    async fn show_head(&self, now: Timestamp) -> Result<(), EngineError> {
        let today = now.to_zoned(TimeZone::UTC).date();
        if lock(&self.shown_on).replace(today) == Some(today) {
            return Ok(());
        }
        let (head, rows) = self.shared.store.audit_head().await?;
        if rows > 0 {
            tracing::info!(
                head,
                rows,
                "audit log: {rows} rows, head {head}; `dutyd audit verify --head` checks it"
            );
        }
        Ok(())
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
        let swept = self.shared.store.sweep(self.shared.retention, now).await?;
        if swept.cases + swept.deliveries + swept.audited > 0 {
            tracing::info!(
                cases = swept.cases,
                deliveries = swept.deliveries,
                audited = swept.audited,
                "forgot what is past retention"
            );
        }
        if swept.more {
            return Ok(Tick::Worked);
        }
        self.show_head(now).await?;
        *lock(&self.next_at) = Some(after(now, EVERY));
        Ok(Tick::Idle { until: Some(after(now, EVERY)) })
    }
}
