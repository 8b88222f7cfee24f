//! The only file that reads the time or sleeps.
//!
//! Knows: the system's clocks, and how to follow a sandbox that owns the time.
//! Must not know: what anybody waits for.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// No sleep is longer than this, so that a suspended machine or a stepped clock is noticed in time.
pub const SLEEP_MAX: SignedDuration = SignedDuration::from_secs(5);

/// Wall clock and monotonic clock may drift apart by this much between two looks before it counts as a jump.
pub const JUMP_MIN: SignedDuration = SignedDuration::from_secs(2);

/// Ends a sleep early. A ring while nobody sleeps is kept for the next sleeper; many rings are one.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    pub fn ring(&self) {
        self.0.notify_one();
    }

    pub async fn rung(&self) {
        self.0.notified().await;
    }
}

/// Why a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woke {
    /// It is time, or as long as one sleep may take has passed.
    Slept,
    /// Somebody rang.
    Rung,
    /// Wall clock and monotonic clock went apart: the machine was suspended or the clock was set. Everything derived
    /// from the time must be derived again.
    Jumped,
    /// The world that owns the clock has nothing more to come: what is begun should be finished.
    Ended,
    /// The clock's owner does not answer any more.
    Lost,
}

/// Tells the time and waits.
#[async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Waits until the instant, a ring, or the longest sleep. `None`: no instant is known.
    async fn sleep_until(&self, until: Option<Timestamp>, wake: &Wake) -> Woke;

    /// Whether time stands still between two sleeps, so that all units run in one task, in a fixed order.
    fn is_lockstep(&self) -> bool {
        false
    }
}

/// The machine's own clock.
#[derive(Debug)]
pub struct SystemClock {
    /// Wall and monotonic time at the last look.
    looked: Mutex<(Timestamp, std::time::Instant)>,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { looked: Mutex::new(look()) }
    }
}

/// Both clocks at one moment.
#[allow(clippy::disallowed_methods, reason = "this file is where the time is read")]
fn look() -> (Timestamp, std::time::Instant) {
    (Timestamp::now(), std::time::Instant::now())
}

/// How far the wall clock went beyond the monotonic one. Linux stops the monotonic clock while the machine is
/// suspended, so a suspension shows here as well as a clock that was set.
fn jump(wall: SignedDuration, monotonic: SignedDuration) -> Option<SignedDuration> {
    let apart = wall - monotonic;
    (apart.abs() > JUMP_MIN).then_some(apart)
}

impl SystemClock {
    fn jumped(&self) -> bool {
        let (wall, monotonic) = look();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = SignedDuration::try_from(monotonic.saturating_duration_since(looked.1))
            .unwrap_or(SignedDuration::MAX);
        let jump = jump(wall.duration_since(looked.0), passed);
        *looked = (wall, monotonic);
        if let Some(apart) = jump {
            tracing::warn!(by = %apart, "the clock jumped: deriving all waiting times again");
        }
        jump.is_some()
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        look().0
    }

    async fn sleep_until(&self, until: Option<Timestamp>, wake: &Wake) -> Woke {
        let wanted = until.map_or(SLEEP_MAX, |at| at.duration_since(self.now()));
        let bounded = wanted.clamp(SignedDuration::ZERO, SLEEP_MAX).unsigned_abs();
        let rung = tokio::time::timeout(bounded, wake.rung()).await.is_ok();
        match (self.jumped(), rung) {
            (true, _) => Woke::Jumped,
            (false, true) => Woke::Rung,
            (false, false) => Woke::Slept,
        }
    }
}

/// Sends one JSON document to an address and gives back the answer's. `http.rs` makes it; nobody else opens connections.
pub type PostJson = Box<
    dyn Fn(&'static str, String) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>>
        + Send
        + Sync,
>;

/// Time that stands still: for looking at what a followed world left behind.
#[derive(Debug, Clone, Copy)]
pub struct StoppedClock(pub Timestamp);

#[async_trait]
impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep_until(&self, _until: Option<Timestamp>, wake: &Wake) -> Woke {
        wake.rung().await;
        Woke::Rung
    }
}

/// Follows the sandbox's clock over its control port. Time stands still while the daemon works and goes on when it
/// waits, so a run is as fast as the machine allows and the same seed gives the same run.
pub struct SandboxClock {
    post: PostJson,
    now: Mutex<Timestamp>,
}

/// Waits on the control port; webhooks are sent and answered while it does.
const WAIT_PATH: &str = "/_sandbox/clock/wait";
/// Moves time by a number of seconds; by none, it only tells the time.
const ADVANCE_PATH: &str = "/_sandbox/clock/advance";

#[derive(serde::Deserialize)]
struct Waited {
    now: Timestamp,
    ended: bool,
    /// Webhooks are due at this very instant; they come during the next wait.
    #[serde(default)]
    ringing: bool,
}

impl SandboxClock {
    /// `post` must carry to the control port of a sandbox on loopback; config refuses others. Asks for the time.
    pub async fn start(post: PostJson) -> Result<Self, String> {
        let clock = Self { post, now: Mutex::new(Timestamp::UNIX_EPOCH) };
        clock.order(ADVANCE_PATH, serde_json::json!({ "seconds": 0 })).await?;
        Ok(clock)
    }

    async fn order(&self, path: &'static str, order: serde_json::Value) -> Result<Waited, String> {
        let answer = (self.post)(path, order.to_string()).await?;
        let waited: Waited = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = waited.now;
        Ok(waited)
    }
}

#[async_trait]
impl Clock for SandboxClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A ring does not end the wait: the sandbox returns by itself once a webhook of its own is answered.
    async fn sleep_until(&self, until: Option<Timestamp>, _wake: &Wake) -> Woke {
        let wait = || self.order(WAIT_PATH, serde_json::json!({ "until": until }));
        let waited = match wait().await {
            // The time is known here before the bells ring, so that their signatures are judged by it.
            Ok(Waited { ringing: true, .. }) => wait().await,
            waited => waited,
        };
        match waited {
            Ok(Waited { ended: false, .. }) => Woke::Slept,
            Ok(_) => Woke::Ended,
            Err(reason) => {
                tracing::error!(%reason, "the sandbox's clock cannot be followed any more");
                Woke::Lost
            }
        }
    }

    fn is_lockstep(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
