//! How many requests a source may make: our own allowance, split into lanes, and what the vendor says is left.
//!
//! Must not know: HTTP. Time is the injected clock's, so that a replay's budgets follow the replay's time.

use crate::clock::Clock;
use dutyd_connectors::{Budget, Lane};
use governor::clock::{Clock as GovernorClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use jiff::{SignedDuration, Timestamp};
use std::num::NonZeroU32;
use std::ops::Add;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Of our allowance, what hot reads and backfill together may use; the rest is kept for writing back.
const HOT_SHARE: f64 = 0.70;
/// Of our allowance, what backfill may use.
const BACKFILL_SHARE: f64 = 0.60;
/// The longest time that a vendor's word can stop us.
const WAIT_MAX: SignedDuration = SignedDuration::from_hours(24);
/// What a lane may send beyond its share of what the vendor says is left, until the vendor's window ends. Other users may
/// keep that share spent for good: slow is better than blind, and one case needs a few requests in a row.
const BEYOND_MAX: u64 = BURST_MIN as u64;

/// The allowance of one source.
pub struct Allowance {
    clock: GovernedClock,
    all: Limiter,
    reads: Limiter,
    backfill: Limiter,
    closed: [Closed; 3],
    /// What the vendor said last, and when.
    told: Mutex<Option<(Budget, Timestamp)>>,
    beyond: Mutex<[Beyond; 3]>,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, GovernedClock, NoOpMiddleware<Moment>>;

impl Allowance {
    pub fn new(per_minute: u32, clock: Arc<dyn Clock>) -> Self {
        let clock = GovernedClock::new(clock);
        let limiter = |share: f64| RateLimiter::direct_with_clock(quota(per_minute, share), clock.clone());
        let (all, reads, backfill) = (limiter(1.0), limiter(HOT_SHARE), limiter(BACKFILL_SHARE));
        // Writes come back earlier than the reads, which would else take what both have waited for.
        let closed = [(1.0, 2), (HOT_SHARE, 1), (BACKFILL_SHARE, 1)];
        let closed = closed.map(|(share, part)| Closed::new(quota(per_minute, share), part));
        let beyond = Mutex::new([Beyond { until: Timestamp::MIN, left: 0 }; 3]);
        Self { clock, all, reads, backfill, closed, told: Mutex::new(None), beyond }
    }

    /// Takes one request out of the allowance, or says from when on there is one again.
    pub fn take(&self, lane: Lane) -> Result<(), Timestamp> {
        self.vendor_allows(lane)?;
        let (limiters, closed): (&[&Limiter], _) = match lane {
            Lane::Write => (&[&self.all], &self.closed[0]),
            Lane::Hot => (&[&self.reads, &self.all], &self.closed[1]),
            Lane::Backfill => (&[&self.backfill, &self.reads, &self.all], &self.closed[2]),
        };
        let now = self.clock.now();
        closed.is_over(now).map_err(|until| self.instant(until))?;
        match limiters.iter().try_for_each(|limiter| limiter.check()) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.instant(closed.begin(now))),
        }
    }

    /// Remembers what the vendor said is left.
    pub fn told(&self, budget: Budget) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some((budget, self.clock.wall()));
    }

    /// What the vendor last said.
    pub fn last_told(&self) -> Option<Budget> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).map(|(budget, _)| budget)
    }

    /// Whether what the vendor says is left is enough for this lane: the same shares are kept for writing back.
    fn vendor_allows(&self, lane: Lane) -> Result<(), Timestamp> {
        let now = self.clock.wall();
        let told = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((Budget { limit, remaining: Some(remaining), resets_at: Some(resets_at) }, told_at)) = told
        else {
            return Ok(());
        };
        // Said by a clock that was set back since, the end is anywhere.
        if resets_at <= now || told_at > now {
            return Ok(());
        }
        let share_kept = match lane {
            Lane::Write => 0.0,
            Lane::Hot => 1.0 - HOT_SHARE,
            Lane::Backfill => 1.0 - BACKFILL_SHARE,
        };
        let kept = (limit.unwrap_or(0) as f64 * share_kept) as u64;
        if remaining > kept {
            return Ok(());
        }
        let mut beyond = self.beyond.lock().unwrap_or_else(PoisonError::into_inner);
        let beyond = &mut beyond[lane as usize];
        if beyond.until <= now {
            let (until, left) = (resets_at.min(now + WAIT_MAX), BEYOND_MAX.min(remaining / 2));
            *beyond = Beyond { until, left };
        }
        match beyond.left.checked_sub(1) {
            Some(left) => {
                beyond.left = left;
                Ok(())
            }
            None => Err(beyond.until.min(resets_at)),
        }
    }

    fn instant(&self, moment: Moment) -> Timestamp {
        let ahead = moment.0.saturating_sub(self.clock.now().0);
        let ahead = SignedDuration::from_nanos(i64::try_from(ahead).unwrap_or(i64::MAX));
        self.clock.wall().saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }
}

/// What a lane may still send beyond its share, and until when that is all.
#[derive(Clone, Copy)]
struct Beyond {
    until: Timestamp,
    left: u64,
}

/// A lane that was refused stays closed until there is enough for several requests in a row. Whoever needs more than one
/// would otherwise spend each single one on beginning anew, and nobody would ever come to an end.
struct Closed {
    until: AtomicU64,
    nanos: u64,
}

impl Closed {
    /// For as long as it takes to gain this part of what may be sent at once.
    fn new(quota: Quota, part: u32) -> Self {
        let requests = (quota.burst_size().get() / part).max(BURST_MIN);
        let pause = quota.replenish_interval().saturating_mul(requests);
        Self { until: AtomicU64::new(0), nanos: u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX) }
    }

    fn is_over(&self, now: Moment) -> Result<(), Moment> {
        let until = self.until.load(Ordering::Relaxed);
        if now.0 < until { Err(Moment(until)) } else { Ok(()) }
    }

    fn begin(&self, now: Moment) -> Moment {
        let until = now.0.saturating_add(self.nanos);
        self.until.store(until, Ordering::Relaxed);
        Moment(until)
    }
}

/// `share` of `per_minute`, a fifth of it at once: no minute sees more than 1.2 times an allowance of 50 or more,
/// after an outage either.
fn quota(per_minute: u32, share: f64) -> Quota {
    let allowed = (f64::from(per_minute) * share).max(1.0) as u32;
    let period = Duration::from_secs(60) / allowed;
    let burst = NonZeroU32::new((allowed / 5).max(BURST_MIN)).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(period.max(Duration::from_nanos(1)))
        .expect("the period is at least a nanosecond")
        .allow_burst(burst)
}

/// Requests at once that even the smallest allowance permits: one case needs a few in a row.
const BURST_MIN: u32 = 10;

/// Our clock in governor's terms. Governor expects time that never goes back: a step back is left out.
#[derive(Clone)]
struct GovernedClock {
    clock: Arc<dyn Clock>,
    /// Wall time at the last look, and the nanoseconds that had passed.
    passed: Arc<Mutex<(Timestamp, u64)>>,
}

impl GovernedClock {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let passed = Arc::new(Mutex::new((clock.now(), 0)));
        Self { clock, passed }
    }

    fn wall(&self) -> Timestamp {
        self.clock.now()
    }
}

impl GovernorClock for GovernedClock {
    type Instant = Moment;

    fn now(&self) -> Moment {
        let wall = self.wall();
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let since = wall.duration_since(passed.0).as_nanos();
        *passed = (wall, passed.1.saturating_add(u64::try_from(since).unwrap_or(0)));
        Moment(passed.1)
    }
}

/// Nanoseconds since the allowance was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(u64);

impl Add<Nanos> for Moment {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        Self(self.0.saturating_add(nanos.as_u64()))
    }
}

impl Reference for Moment {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.saturating_sub(duration.as_u64()))
    }
}
