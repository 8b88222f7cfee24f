//! The daemon's clock in a simulation: the sandbox's, plus how far ours is set wrong. It moves only when told.

use async_trait::async_trait;
use dutyd::clock::{Clock, Wake, Woke};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::Mutex;

pub struct SimClock {
    world: Arc<dutyd_sandbox::clock::Clock>,
    wrong_by: Mutex<SignedDuration>,
    lockstep: bool,
}

impl SimClock {
    pub fn new(world: Arc<dutyd_sandbox::clock::Clock>, lockstep: bool) -> Self {
        Self { world, wrong_by: Mutex::default(), lockstep }
    }

    /// The vendors' time: the truth.
    pub fn vendor_now(&self) -> Timestamp {
        self.world.now()
    }

    /// How far our clock is ahead of the truth.
    pub fn wrong_by(&self) -> SignedDuration {
        *super::wire::lock(&self.wrong_by)
    }

    pub fn set_wrong_by(&self, by: SignedDuration) {
        *super::wire::lock(&self.wrong_by) = by;
    }

    /// The vendors' time at which ours shows `ours`.
    pub fn in_truth(&self, ours: Timestamp) -> Timestamp {
        ours.saturating_sub(self.wrong_by()).unwrap_or(ours)
    }

    pub fn to(&self, vendor_time: Timestamp) {
        self.world.set(vendor_time);
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let now = self.vendor_now();
        now.saturating_add(self.wrong_by()).unwrap_or(now)
    }

    /// Nobody waits in a simulation: what is gathered meanwhile is gathered already.
    async fn sleep_until(&self, _until: Option<Timestamp>, _wake: &Wake) -> Woke {
        Woke::Slept
    }

    fn is_lockstep(&self) -> bool {
        self.lockstep
    }
}
