//! Zendesk's layered limits: the account's requests per minute, endpoints' own buckets, updates of one ticket.
//! Knows counts and windows by the sandbox's clock; knows no tables.

use super::reply::{Reply, limited};
use std::collections::HashMap;

/// A window of time with a number of requests in it.
#[derive(Clone, Copy, Debug)]
struct Window {
    began: i64,
    used: u64,
}

/// Per name: the account, an endpoint, or a ticket and user.
#[derive(Debug, Default)]
pub struct Limits {
    windows: HashMap<String, Window>,
}

/// A bucket as the headers tell it.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    pub total: u64,
    pub remaining: u64,
    pub resets: i64,
}

/// Windows kept; beyond it those that are over are dropped.
const WINDOWS_MAX: usize = 20_000;

impl Limits {
    /// Takes one of `total` per `seconds`. `Err`: none was left.
    pub fn take(&mut self, name: &str, total: u64, seconds: i64, now: i64) -> Result<Level, Level> {
        if self.windows.len() > WINDOWS_MAX {
            self.windows.retain(|_, window| window.began + 600 > now);
        }
        let window = self.windows.entry(name.to_owned()).or_insert(Window { began: now, used: 0 });
        if now >= window.began + seconds {
            *window = Window { began: now, used: 0 };
        }
        let resets = window.began + seconds - now;
        if window.used >= total {
            return Err(Level { total, remaining: 0, resets });
        }
        window.used += 1;
        Ok(Level { total, remaining: total - window.used, resets })
    }
}

/// Headers of the account's own bucket.
pub fn account_headers(level: Level) -> Vec<(&'static str, String)> {
    vec![
        ("x-rate-limit", level.total.to_string()),
        ("x-rate-limit-remaining", level.remaining.to_string()),
        ("ratelimit-limit", level.total.to_string()),
        ("ratelimit-remaining", level.remaining.to_string()),
        ("ratelimit-reset", level.resets.to_string()),
    ]
}

/// The value of an endpoint's header.
pub fn bucket_value(level: Level) -> String {
    format!("total={}; remaining={}; resets={}", level.total, level.remaining, level.resets)
}

/// Which endpoint bucket a request falls into: header, size, the sentence of its 429.
pub fn endpoint(method: &str, path: &str, query: &str) -> Option<(&'static str, u64, &'static str)> {
    let tail = path.strip_prefix("/api/v2/")?;
    let depth = tail.split('/').count();
    Some(match (method, tail) {
        ("GET", _) if tail.starts_with("incremental/tickets/cursor") => (
            "zendesk-ratelimit-incremental-exports-cursor",
            10,
            "Number of allowed incremental export API requests per minute exceeded",
        ),
        ("GET", _) if tail.starts_with("incremental/") => (
            "zendesk-ratelimit-incremental-exports",
            10,
            "Number of allowed incremental export API requests per minute exceeded",
        ),
        ("GET", "search/export") => (
            "zendesk-ratelimit-search-export",
            100,
            "Number of allowed search export API requests per minute exceeded",
        ),
        ("GET", "deleted_tickets") => (
            "zendesk-ratelimit-deleted-tickets",
            10,
            "Number of allowed requests to this endpoint per minute exceeded",
        ),
        ("GET", "tickets") if query.contains("page") => (
            "zendesk-ratelimit-tickets-index-pagination",
            100_000,
            "Number of allowed API requests per minute exceeded",
        ),
        ("PUT", _) if tail.starts_with("tickets/") && depth == 2 && tail != "tickets/update_many" => (
            "zendesk-ratelimit-update-ticket",
            100,
            "Number of allowed ticket update API requests per minute exceeded",
        ),
        _ => return None,
    })
}

/// The refusal of a bucket that is empty.
pub fn refusal(text: &str, level: Level) -> Reply {
    limited(text, level.resets.max(1))
}
