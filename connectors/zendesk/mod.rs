//! Zendesk Support: the vendor's facts on one page.
//!
//! - **Read**: `incremental/tickets/cursor` says which tickets changed; the stream is ordered by
//!   `(generated_timestamp, id)`, an update moves a ticket to its end, and the last minute is withheld. Each changed
//!   ticket becomes a hint, read by `tickets/show_many` (≤ 100) and `tickets/{id}/audits`, which hold the comments too.
//!   Closed tickets met in the first scan can be taken as they stand (`history_of_closed = false`): they never change.
//! - **Version**: `generated_timestamp`, whole seconds, moves with every change; `updated_at` does not.
//! - **Written**: one `PUT tickets/{id}` per case with the drop-down, the two text fields, the private comment and
//!   `safe_update`. The ticket's `tags` are never sent. Note and mark commit together. Closed tickets refuse updates.
//! - **Webhooks**: signed over timestamp and body; a stale timestamp is refused. Subscribed events and trigger bodies.
//! - **Limits**: the account's requests per minute; 10 incremental requests and 100 updates per minute; 30 updates of
//!   one ticket in 10 minutes. Each refuses with 429 and `Retry-After`.
//! - **Deleted** tickets appear with status `deleted`; **merged** ones are closed with the tag `closed_by_merge`.
//!
//! Must not know: other vendors; waiting, storing, the time of day.

mod bearings;
mod check;
pub mod config;
mod connector;
mod fetch;
mod hook;
mod normalize;
mod refusals;
mod sample;
mod sample_event;
mod setup;
#[cfg(test)]
mod tests;
mod timeline;
mod wire;
mod write;

pub use config::Config;
pub use connector::Zendesk;
pub use setup::setup;

/// Name of the vendor in configuration and output.
pub const VENDOR: &str = "zendesk";

/// Every request that the connector sends, for scopes, proxies and tests: `METHOD /path`.
pub const REQUESTS: &[&str] = &[
    "POST /oauth/tokens",
    "GET /api/v2/oauth/tokens/current",
    "GET /api/v2/users/me",
    "GET /api/v2/users/show_many",
    "GET /api/v2/ticket_fields",
    "GET /api/v2/groups",
    "GET /api/v2/organizations",
    "GET /api/v2/webhooks",
    "GET /api/v2/incremental/tickets/cursor",
    "GET /api/v2/tickets/show_many",
    "GET /api/v2/tickets/{id}",
    "PUT /api/v2/tickets/{id}",
    "GET /api/v2/tickets/{id}/audits",
    "GET /api/v2/tickets/{id}/comments",
];
