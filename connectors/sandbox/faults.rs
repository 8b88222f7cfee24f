//! What is done to requests on purpose: faults ordered on the control port, and the seeded hostility that
//! is on by default. Decisions are hashes of the request and of how often it was seen, so they do not
//! depend on timing. Knows no vendor's shapes; a vendor dresses a fault in its own words.

use crate::clock::lock;
use crate::dice;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ordered faults that may wait at once.
pub const ORDERS_MAX: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// This status, with these headers and this body.
    Status {
        status: u16,
        #[serde(default)]
        headers: Vec<(String, String)>,
        #[serde(default)]
        body: String,
    },
    /// A throttle as the vendor announces it, with its headers.
    Throttled {
        #[serde(default = "some_seconds")]
        retry_after: u64,
    },
    /// A bare 429.
    ThrottledBare,
    /// 503 with a page made for people.
    Unavailable,
    /// 200 with a page made for people.
    Hibernating,
    /// The answer breaks off, or says success and carries an error, as the vendor does it.
    Truncated,
    /// The credentials shown are taken for expired.
    Expired,
    /// The connection is dropped without an answer. With `when = after`: an answer lost.
    Reset,
    /// The answer comes late, in real milliseconds.
    Slow { millis: u64 },
    /// SIGKILL to a process; the request then ends without an answer. With `later_ms` it is answered like any other, and
    /// the signal comes so many real milliseconds after.
    KillPid {
        pid: u32,
        #[serde(default)]
        later_ms: u64,
    },
}

fn some_seconds() -> u64 {
    30
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before the vendor acts: nothing has changed.
    #[default]
    Before,
    /// After it acted: the change is made, only the answer suffers.
    After,
}

/// Which requests an order is for; absent fields match all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    pub method: Option<String>,
    pub path_contains: Option<String>,
    pub body_contains: Option<String>,
}

/// A fault to come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub vendor: Option<String>,
    #[serde(default, rename = "match")]
    pub matching: Match,
    #[serde(default)]
    pub when: When,
    pub fault: Fault,
    /// So many matching requests pass unharmed first.
    #[serde(default)]
    pub skip: u64,
    #[serde(default = "once")]
    pub times: u64,
}

fn once() -> u64 {
    1
}

/// What identifies a request to the dice.
pub struct Seen<'a> {
    pub vendor: &'a str,
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    pub body: &'a [u8],
}

pub struct Faults {
    seed: u64,
    hostile: AtomicBool,
    ever_hostile: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    orders: Vec<Order>,
    seen: HashMap<u64, u64>,
}

impl Faults {
    pub fn new(seed: u64, hostile: bool) -> Faults {
        let (now, ever) = (AtomicBool::new(hostile), AtomicBool::new(hostile));
        Faults { seed, hostile: now, ever_hostile: ever, state: Mutex::default() }
    }

    /// Whether the world is hostile now. Vendors ask this for their own unpleasantness (page sizes, late rows).
    pub fn hostile(&self) -> bool {
        self.hostile.load(Ordering::Relaxed)
    }

    /// Whether it ever was: what a hostile world left out of a record does not come back with calm.
    pub fn ever_hostile(&self) -> bool {
        self.ever_hostile.load(Ordering::Relaxed)
    }

    pub fn set_hostile(&self, hostile: bool) {
        self.hostile.store(hostile, Ordering::Relaxed);
        self.ever_hostile.fetch_or(hostile, Ordering::Relaxed);
    }

    /// Ends all faults, the ordered ones too.
    pub fn calm(&self) {
        self.set_hostile(false);
        lock(&self.state).orders.clear();
    }

    /// True with this probability when hostile; the same question has the same answer.
    pub fn chance(&self, probability: f64, parts: &[&[u8]]) -> bool {
        self.hostile() && dice::fraction(dice::hash(self.seed, parts)) < probability
    }

    /// Adds an order; `false` when too many wait.
    pub fn order(&self, order: Order) -> bool {
        let mut state = lock(&self.state);
        let room = state.orders.len() < ORDERS_MAX;
        if room {
            state.orders.push(order);
        }
        room
    }

    pub fn orders(&self) -> Vec<Order> {
        lock(&self.state).orders.clone()
    }

    pub fn clear_orders(&self) {
        lock(&self.state).orders.clear();
    }

    /// What happens to this request. Counts it as seen.
    pub fn decide(&self, request: &Seen<'_>) -> Option<(When, Fault)> {
        let key = dice::hash(
            self.seed,
            &[request.vendor.as_bytes(), request.method.as_bytes(), request.path.as_bytes(), request.body],
        );
        let mut state = lock(&self.state);
        let nth = state.seen.entry(key).or_default();
        *nth += 1;
        let nth = *nth;
        ordered(&mut state.orders, request).or_else(|| self.hostile_fault(request.method, key, nth))
    }

    /// Never twice in a row for the same request: whoever asks again gets through.
    // Invariant: a_fault_does_not_strike_the_same_request_twice_in_a_row
    fn hostile_fault(&self, method: &str, key: u64, nth: u64) -> Option<(When, Fault)> {
        let again = nth > 1 && strikes(method, key, nth - 1).is_some();
        if again || !self.hostile() { None } else { strikes(method, key, nth) }
    }
}

fn ordered(orders: &mut Vec<Order>, request: &Seen<'_>) -> Option<(When, Fault)> {
    let index = orders.iter_mut().position(|order| {
        if !matches(order, request) {
            return false;
        }
        let ripe = order.skip == 0;
        order.skip = order.skip.saturating_sub(1);
        ripe
    })?;
    let order = &mut orders[index];
    let due = (order.when, order.fault.clone());
    order.times = order.times.saturating_sub(1);
    if order.times == 0 {
        orders.remove(index);
    }
    Some(due)
}

fn matches(order: &Order, request: &Seen<'_>) -> bool {
    let wanted = &order.matching;
    order.vendor.as_deref().is_none_or(|vendor| vendor == request.vendor)
        && wanted.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(request.method))
        && wanted.path_contains.as_deref().is_none_or(|part| request.path.contains(part))
        && wanted
            .body_contains
            .as_deref()
            .is_none_or(|part| String::from_utf8_lossy(request.body).contains(part))
}

/// The table of hostility: so many in ten thousand of the requests each.
fn strikes(method: &str, key: u64, nth: u64) -> Option<(When, Fault)> {
    let roll = dice::hash(key, &[b"strike", &nth.to_le_bytes()]) % 10_000;
    let reading = matches!(method, "GET" | "HEAD");
    let fault = match roll {
        0..80 => (When::Before, Fault::Throttled { retry_after: 5 + roll % 25 }),
        80..110 => (When::Before, Fault::ThrottledBare),
        110..180 => (When::Before, Fault::Unavailable),
        180..195 => (When::Before, Fault::Hibernating),
        195..255 => (When::Before, Fault::Reset),
        255..285 => (When::Before, Fault::Expired),
        285..335 => (When::After, Fault::Slow { millis: 20 + roll % 60 }),
        335..385 if reading => (When::After, Fault::Truncated),
        335..635 if !reading => (When::After, Fault::Reset),
        635..685 if !reading => (When::After, Fault::Unavailable),
        _ => return None,
    };
    Some(fault)
}
