//! Webhooks that wait to be delivered, and the ways in which they go astray.
//! Knows when a bell is to ring; the vendor renders and signs it, `post.rs` sends it.

use crate::clock::lock;
use crate::dice;
use crate::faults::When;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// One delivery to come.
#[derive(Clone, Debug)]
pub struct Ring {
    pub vendor: &'static str,
    /// What it is about, for the vendor that renders it: a record id, mostly.
    pub key: String,
    /// More for the vendor, `Null` when the key says it all.
    pub note: Value,
    /// Deliveries already tried.
    pub attempt: u32,
}

/// A delivery as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Rendered {
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How deliveries suffer. All zero when calm.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Where to deliver: a base URL; `/hooks/<vendor>` is put behind its path.
    pub to: Option<String>,
    /// Fraction of deliveries that never come.
    pub drop: f64,
    /// Fraction that comes twice.
    pub duplicate: f64,
    /// Late by up to so many seconds, each by its own: so they overtake each other.
    pub delay_seconds: u64,
    /// SIGKILL to whom a delivery is made, once.
    pub kill: Option<Kill>,
}

/// When a receiver is killed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    pub pid: u32,
    /// So many deliveries pass unharmed first.
    #[serde(default)]
    pub skip: u64,
    /// Before: while it is being delivered; after: once it was answered.
    #[serde(default)]
    pub when: When,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct HookCounts {
    pub queued: u64,
    pub dropped: u64,
    pub duplicated: u64,
    pub delivered: u64,
    pub failed: u64,
}

pub struct Hooks {
    seed: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    knobs: Knobs,
    serial: u64,
    due: BTreeMap<(Timestamp, u64), Ring>,
    seen: BTreeMap<(String, String), u64>,
    counts: BTreeMap<String, HookCounts>,
}

impl Hooks {
    pub fn new(seed: u64, knobs: Knobs) -> Hooks {
        Hooks { seed, state: Mutex::new(State { knobs, ..State::default() }) }
    }

    pub fn knobs(&self) -> Knobs {
        lock(&self.state).knobs.clone()
    }

    pub fn set_knobs(&self, knobs: Knobs) {
        lock(&self.state).knobs = knobs;
    }

    /// Faults off, address kept.
    pub fn calm(&self) {
        let mut state = lock(&self.state);
        state.knobs = Knobs { to: state.knobs.to.take(), ..Knobs::default() };
    }

    /// Whether anybody listens; without a listener nothing is queued.
    pub fn wanted(&self) -> bool {
        lock(&self.state).knobs.to.is_some()
    }

    /// Queues a delivery at `at`. With `collapse`, one already waiting for the same key serves for both.
    pub fn queue(&self, at: Timestamp, vendor: &'static str, key: &str, note: Value, collapse: bool) {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        if state.knobs.to.is_none() {
            return;
        }
        if collapse
            && state.due.values().any(|ring| ring.vendor == vendor && ring.key == key && ring.attempt == 0)
        {
            return;
        }
        let nth = state.seen.entry((vendor.to_owned(), key.to_owned())).or_default();
        *nth += 1;
        let roll = |salt: &str, nth: u64| {
            let parts = [salt.as_bytes(), vendor.as_bytes(), key.as_bytes(), &nth.to_le_bytes()];
            dice::fraction(dice::hash(self.seed, &parts))
        };
        let nth = *nth;
        let counts = state.counts.entry(vendor.to_owned()).or_default();
        counts.queued += 1;
        if roll("drop", nth) < state.knobs.drop {
            counts.dropped += 1;
            return;
        }
        let twice = roll("duplicate", nth) < state.knobs.duplicate;
        counts.duplicated += u64::from(twice);
        for copy in 0..=u64::from(twice) {
            let late = roll("delay", nth * 2 + copy) * state.knobs.delay_seconds as f64;
            let at = at.saturating_add(SignedDuration::from_secs(late as i64)).unwrap_or(at);
            state.serial += 1;
            let ring = Ring { vendor, key: key.to_owned(), note: note.clone(), attempt: 0 };
            state.due.insert((at, state.serial), ring);
        }
    }

    /// Puts a failed delivery back for another attempt.
    pub fn again(&self, at: Timestamp, mut ring: Ring) {
        let mut state = lock(&self.state);
        ring.attempt += 1;
        state.serial += 1;
        let serial = state.serial;
        state.due.insert((at, serial), ring);
    }

    /// Whether the receiver of the delivery about to be made is to be killed. Counts it.
    pub fn take_kill(&self) -> Option<(When, u32)> {
        let mut state = lock(&self.state);
        let kill = state.knobs.kill.as_mut()?;
        if kill.skip > 0 {
            kill.skip -= 1;
            return None;
        }
        state.knobs.kill.take().map(|kill| (kill.when, kill.pid))
    }

    pub fn next_at(&self) -> Option<Timestamp> {
        lock(&self.state).due.keys().next().map(|(at, _)| *at)
    }

    /// Takes what is due at `now`.
    pub fn take(&self, now: Timestamp) -> Vec<Ring> {
        let mut state = lock(&self.state);
        let later = state.due.split_off(&(now, u64::MAX));
        std::mem::replace(&mut state.due, later).into_values().collect()
    }

    pub fn note_outcome(&self, vendor: &str, accepted: bool) {
        let mut state = lock(&self.state);
        let counts = state.counts.entry(vendor.to_owned()).or_default();
        if accepted {
            counts.delivered += 1;
        } else {
            counts.failed += 1;
        }
    }

    pub fn counts(&self) -> BTreeMap<String, HookCounts> {
        lock(&self.state).counts.clone()
    }
}
