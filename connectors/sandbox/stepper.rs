//! Moves time and lets what is due happen: happenings of the script and deliveries of webhooks.
//! In lockstep the daemon says until when it is idle; nobody else moves stepped time.

use crate::clock::{self, Clock, Stopwatch};
use crate::faults::{Faults, When};
use crate::gate::kill as kill_process;
use crate::hooks::{Hooks, Ring};
use crate::post::{Post, address};
use crate::vendor::Vendor;
use crate::world::Script;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Deliveries under way at once.
const DELIVERIES_MAX: usize = 64;
/// Happenings applied between two looks at the clock's other users.
const HAPPENINGS_MAX: usize = 10_000;

pub struct Stepper {
    pub clock: Arc<Clock>,
    pub hooks: Arc<Hooks>,
    /// What to calm when life ends; `None`: faults go on.
    pub faults: Option<Arc<Faults>>,
    pub pace: Pace,
    pub vendors: Vec<Arc<dyn Vendor>>,
    pub coalesce: std::sync::Mutex<SignedDuration>,
    pub post: Post,
    /// Held while time moves, so that two callers cannot move it at once.
    pub life: Mutex<Life>,
}

/// Holds stepped time back to so many of its seconds per second on the wall.
#[derive(Default)]
pub struct Pace {
    /// 0: not at all.
    pub per_second: u32,
    begun: std::sync::OnceLock<(Timestamp, Stopwatch)>,
}

impl Pace {
    pub fn new(per_second: u32) -> Pace {
        Pace { per_second, ..Pace::default() }
    }

    async fn hold(&self, now: Timestamp) {
        if self.per_second == 0 {
            return;
        }
        let (begun, watch) = self.begun.get_or_init(|| (now, Stopwatch::start()));
        let due = now.duration_since(*begun).as_secs_f64() / f64::from(self.per_second);
        let ahead = due - watch.millis() / 1e3;
        if ahead > 0.0 {
            clock::pause(std::time::Duration::from_secs_f64(ahead)).await;
        }
    }
}

/// What is still to happen.
pub struct Life {
    pub script: Option<Box<dyn Script>>,
    /// Past this instant nothing happens any more.
    pub ends_at: Option<Timestamp>,
    /// How long the world goes on after that before it counts as ended.
    pub linger: SignedDuration,
}

impl Life {
    fn next_at(&mut self) -> Option<Timestamp> {
        let at = self.script.as_mut()?.next_at();
        let ended = at.is_none_or(|at| self.ends_at.is_some_and(|end| at > end));
        if ended {
            self.script = None;
        }
        at.filter(|_| !ended)
    }

    /// When the world counts as ended; `None`: whenever nothing happens any more.
    fn over_at(&self) -> Option<Timestamp> {
        let ends_at = self.ends_at.filter(|_| self.linger > SignedDuration::ZERO)?;
        Some(ends_at.saturating_add(self.linger).unwrap_or(ends_at))
    }

    fn due(&mut self, until: Timestamp) -> Option<crate::world::Happening> {
        let at = self.next_at()?;
        if at <= until { self.script.as_mut()?.pop() } else { None }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub now: Timestamp,
    /// Nothing will happen any more and no webhook is waiting.
    pub ended: bool,
    /// Webhooks are due at this very instant: the next wait delivers them and moves no time.
    pub ringing: bool,
    /// Happenings of this step.
    pub happened: usize,
    /// Webhooks delivered in this step, answered or not.
    pub delivered: usize,
}

impl Stepper {
    /// The daemon has nothing to do until `until`: time jumps to it or to what happens before.
    pub async fn wait(&self, until: Option<Timestamp>) -> Step {
        let mut life = self.life.lock().await;
        // First what is due already: whoever waits has the same time as the one who rings, and signatures are fresh.
        let delivered = self.deliver().await;
        if delivered > 0 {
            return self.step(&mut life, 0, delivered);
        }
        let next = [life.next_at(), self.hooks.next_at()].into_iter().flatten().min();
        if let Some(faults) = self.faults.as_ref().filter(|_| life.script.is_none()) {
            faults.calm();
            self.hooks.calm();
        }
        let target = match (next, until) {
            (Some(next), Some(until)) if next > until => until,
            (Some(next), _) => next,
            (None, Some(until)) => until,
            (None, None) => life.over_at().unwrap_or(Timestamp::MIN).max(self.clock.now()),
        };
        let window = *crate::clock::lock(&self.coalesce);
        // Time jumps to the end of the window, so that whoever waits inside it is served once, not at each instant.
        let end = target.saturating_add(window).unwrap_or(target).max(self.clock.now());
        let happened = self.happen(&mut life, end);
        self.clock.set(end);
        self.pace.hold(self.clock.now()).await;
        self.step(&mut life, happened, 0)
    }

    fn step(&self, life: &mut Life, happened: usize, delivered: usize) -> Step {
        let over = life.over_at().is_none_or(|at| self.clock.now() >= at);
        let ended = over && life.next_at().is_none() && self.hooks.next_at().is_none();
        let now = self.clock.now();
        let ringing = self.hooks.next_at().is_some_and(|at| at <= now);
        Step { now, ended, ringing, happened, delivered }
    }

    /// Moves time by steps to `to`, everything on the way happening at its own instant.
    pub async fn advance(&self, to: Timestamp) -> Step {
        let mut total =
            Step { now: self.clock.now(), ended: false, ringing: false, happened: 0, delivered: 0 };
        loop {
            let step = self.wait(Some(to)).await;
            total.happened += step.happened;
            total.delivered += step.delivered;
            (total.now, total.ended) = (step.now, step.ended);
            if step.now >= to && step.delivered == 0 {
                total.delivered += self.deliver().await;
                return total;
            }
        }
    }

    /// Applies what is due until `end`, time following each happening.
    fn happen(&self, life: &mut Life, end: Timestamp) -> usize {
        let mut count = 0;
        while count < HAPPENINGS_MAX
            && let Some(happening) = life.due(end)
        {
            self.clock.set(happening.at);
            self.apply(&happening);
            count += 1;
        }
        count
    }

    fn apply(&self, happening: &crate::world::Happening) {
        if let Some(vendor) = self.vendors.iter().find(|vendor| vendor.name() == happening.vendor) {
            vendor.apply(happening);
        }
    }

    /// Delivers what is due now, several at once, each awaited to its answer or the bound.
    pub async fn deliver(&self) -> usize {
        let now = self.clock.now();
        let due = self.hooks.take(now);
        let Some(base) = self.hooks.knobs().to else { return 0 };
        let count = due.len();
        for slice in due.chunks(DELIVERIES_MAX) {
            futures::future::join_all(slice.iter().map(|ring| self.deliver_one(&base, ring, now))).await;
        }
        count
    }

    async fn deliver_one(&self, base: &str, ring: &Ring, now: Timestamp) {
        let Some(vendor) = self.vendors.iter().find(|vendor| vendor.name() == ring.vendor) else { return };
        let Some(rendered) = vendor.render(ring, now) else { return };
        let kill = self.hooks.take_kill();
        if let Some((When::Before, pid)) = kill {
            tokio::task::spawn_blocking(move || kill_process(pid));
        }
        let status = self.post.send(&address(base, ring.vendor), rendered).await;
        if let Some((When::After, pid)) = kill {
            kill_process(pid);
        }
        self.hooks.note_outcome(ring.vendor, status.is_some_and(|status| (200..300).contains(&status)));
        if let Some(at) = vendor.delivered(ring, status, now) {
            self.hooks.again(at, ring.clone());
        }
    }

    /// Runs the script to `until` without delivering anything: the past before the first request.
    pub async fn live_through(&self, until: Timestamp) {
        let mut life = self.life.lock().await;
        while self.happen(&mut life, until) == HAPPENINGS_MAX {}
    }

    /// Nothing more happens.
    pub async fn end_life(&self) {
        self.life.lock().await.script = None;
    }
}
