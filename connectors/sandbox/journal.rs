//! The record of every request received: a bounded ring of entries and counters that never lose.
//! Knows nothing of what the requests mean.

use crate::clock::lock;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

/// The ring keeps this many entries; older ones are dropped, the counters stay.
pub const ENTRIES_MAX: usize = 100_000;
/// All entries together keep about so many bytes of text; beyond it the oldest are dropped too.
pub const BYTES_MAX: usize = 128 * 1024 * 1024;
/// So much of a request's address is kept: longer ones are refused by most servers, so whole ones can be sent again.
pub const PATH_SHOWN_MAX: usize = 8_192;
/// So much of a request's body is kept.
pub const SHOWN_MAX: usize = 1_000;

#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    pub seq: u64,
    pub at: Timestamp,
    pub vendor: String,
    pub method: String,
    /// Path and query as received, cut at `PATH_SHOWN_MAX`.
    pub path: String,
    pub user: String,
    pub status: u16,
    pub body: String,
    pub duration_ms: f64,
    /// What was done to this request on purpose.
    pub fault: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    pub requests: u64,
    pub writes: u64,
    pub faults: u64,
    pub by_account: BTreeMap<String, u64>,
    pub by_method: BTreeMap<String, u64>,
    pub by_status: BTreeMap<u16, u64>,
}

#[derive(Default)]
pub struct Journal {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seq: u64,
    ring: VecDeque<Entry>,
    /// Of the texts in the ring.
    bytes: usize,
    counts: BTreeMap<String, Counts>,
}

fn weight(entry: &Entry) -> usize {
    entry.path.len() + entry.body.len()
}

impl Journal {
    /// Adds an entry and gives it its number.
    pub fn record(&self, mut entry: Entry) {
        let mut state = lock(&self.state);
        state.seq += 1;
        entry.seq = state.seq;
        let counts = state.counts.entry(entry.vendor.clone()).or_default();
        counts.requests += 1;
        counts.writes += u64::from(!matches!(entry.method.as_str(), "GET" | "HEAD"));
        counts.faults += u64::from(entry.fault.is_some());
        *counts.by_account.entry(entry.user.clone()).or_default() += 1;
        *counts.by_method.entry(entry.method.clone()).or_default() += 1;
        *counts.by_status.entry(entry.status).or_default() += 1;
        state.bytes += weight(&entry);
        state.ring.push_back(entry);
        while state.ring.len() > ENTRIES_MAX || state.bytes > BYTES_MAX {
            let Some(oldest) = state.ring.pop_front() else { break };
            state.bytes -= weight(&oldest);
        }
    }

    /// Entries with a number above `since`, oldest first.
    pub fn since(&self, since: u64, vendor: Option<&str>) -> Vec<Entry> {
        let state = lock(&self.state);
        let first = state.ring.partition_point(|entry| entry.seq <= since);
        state
            .ring
            .range(first..)
            .filter(|entry| vendor.is_none_or(|name| entry.vendor == name))
            .cloned()
            .collect()
    }

    pub fn counts(&self) -> BTreeMap<String, Counts> {
        lock(&self.state).counts.clone()
    }
}
