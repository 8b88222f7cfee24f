//! The limits, each with its own reason: writes to one issue, bursts per endpoint, points per hour.

use super::Jira;
use super::errors;
use super::site::{Flavour, Site};
use crate::clock::lock;
use crate::route::Call;
use axum::response::Response;
use jiff::Timestamp;

/// Vendor: writes to one issue within two and thirty seconds.
const WRITES: [(i64, usize); 2] = [(2_000, 20), (30_000, 100)];

impl Jira {
    /// The limit of writes to one issue.
    pub fn may_write(&self, site: &Site, id: u64, now: Timestamp) -> Result<(), Response> {
        let mut guard = crate::clock::lock(&self.writes);
        let now_ms = now.as_millisecond();
        let held = guard.entry(id).or_default();
        held.retain(|at| now_ms - at < WRITES[1].0);
        for (window, most) in WRITES {
            if site.flavour == Flavour::Cloud
                && held.iter().filter(|at| now_ms - **at < window).count() >= most
            {
                return Err(errors::throttled("jira-per-issue-on-write", 2, now));
            }
        }
        held.push(now_ms);
        Ok(())
    }

    /// The limits that are switched on: bursts per endpoint, points per hour.
    pub fn limited(&self, site: &Site, call: &Call) -> Option<Response> {
        let now = call.now.as_second();
        let mut used = lock(&self.used);
        let mut over = |key: String, window: i64, cost: u64, most: u64| {
            let entry = used.entry(key).or_insert((window, 0));
            if entry.0 != window {
                *entry = (window, 0);
            }
            entry.1 += cost;
            entry.1 > most
        };
        let endpoint: String = call
            .path
            .split('/')
            .map(|part| if part.bytes().any(|byte| byte.is_ascii_digit()) { "*" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        if let Some(most) = site.switches.burst_per_second
            && over(format!("{} {endpoint}", call.method), now, 1, most)
        {
            return Some(errors::throttled("jira-burst-based", 1, call.now));
        }
        let hour = now.div_euclid(3_600);
        if let Some(most) = site.switches.quota_points_per_hour
            && over("points".to_owned(), hour, if call.method == "GET" { 2 } else { 1 }, most)
        {
            let left = ((hour + 1) * 3_600 - now).unsigned_abs();
            return Some(errors::throttled("jira-quota-tenant-based", left, call.now));
        }
        None
    }
}
