//! Jira Cloud, Data Center and Service Management.
//!
//! What is particular about Jira, in one page. Documents: developer.atlassian.com/cloud/jira/platform (Cloud),
//! docs.atlassian.com/software/jira/docs/api/REST (Data Center), developer.atlassian.com/cloud/jira/service-desk.
//!
//! - One connector, two products. Cloud speaks version 3 with documents for text, pages by token and has bulk forms;
//!   Data Center speaks version 2 with wiki text, pages by position and reads one issue at a time.
//! - A token with scopes works at `api.atlassian.com/ex/jira/{cloudId}` only, one without at the site only.
//! - A search by a caller who is not signed in answers 200 and finds nothing. Who we are is asked of `/myself`.
//! - The search index is late by seconds to minutes; the cursor stays behind it. Reading by id is never late.
//! - Dates in a query are epoch milliseconds: written dates are read in the account's time zone, to the minute.
//! - The number of an issue changes when it moves to another project; its id does not.
//! - Histories do not contain comments, comments do not contain histories; both are read to their end.
//! - A deleted issue leaves no trace in a search. The webhook tells it, and a read by id then finds nothing.
//! - Edits are made whole or not at all; there is no key that makes a repeated request harmless. Labels are added and
//!   removed one by one, never sent as a list.
//! - Three limits answer 429; `RateLimit-Reason` says which. With an API token there is no hourly quota.
//!
//! What is ours on an issue: labels `dutyd` and `dutyd-<severity>`, the issue property `dutyd`, and comments with the
//! comment property `dutyd`, internal in Service Management, restricted to a role or group or absent elsewhere. A mark
//! commits whole; a note is a request of its own. Residual: a comment whose request lands after the 120 seconds that
//! pass before we look again can stand twice.

mod adf;
mod answer;
mod config;
mod connector;
mod fetch;
mod hook;
mod marks;
mod normalize;
mod note;
mod probe;
mod pull;
mod sample;
mod setup;
mod site;
mod timeline;
mod wire;
mod words;
mod write;

#[cfg(test)]
mod tests;

pub use config::{Columns, Config, Flavour, Notes, SignInConfig};
pub use connector::Jira;
pub use setup::setup;

/// The vendor's name in configuration and output.
pub const VENDOR: &str = "jira";

/// Every request this connector can send: `METHOD /path`, with `{…}` for one segment.
pub const REQUESTS: &[&str] = &[
    "GET /rest/api/3/myself",
    "GET /rest/api/3/field",
    "GET /rest/api/3/status",
    "GET /rest/api/3/mypermissions",
    "GET /rest/api/3/project/{key}",
    "GET /rest/webhooks/1.0/webhook",
    "POST /rest/api/3/search/jql",
    "POST /rest/api/3/issue/bulkfetch",
    "POST /rest/api/3/changelog/bulkfetch",
    "GET /rest/api/3/issue/{id}",
    "GET /rest/api/3/issue/{id}/editmeta",
    "GET /rest/api/3/issue/{id}/comment",
    "PUT /rest/api/3/issue/{id}",
    "PUT /rest/api/3/issue/{id}/properties/dutyd",
    "DELETE /rest/api/3/issue/{id}/properties/dutyd",
    "POST /rest/api/3/issue/{id}/comment",
];

/// The same for Data Center.
pub const REQUESTS_DATA_CENTER: &[&str] = &[
    "GET /rest/api/2/myself",
    "GET /rest/api/2/field",
    "GET /rest/api/2/status",
    "GET /rest/api/2/mypermissions",
    "GET /rest/api/2/project/{key}",
    "GET /rest/jira-webhook/1.0/webhooks",
    "GET /rest/webhooks/1.0/webhook",
    "POST /rest/api/2/search",
    "GET /rest/api/2/issue/{id}",
    "GET /rest/api/2/issue/{id}/editmeta",
    "GET /rest/api/2/issue/{id}/changelog",
    "GET /rest/api/2/issue/{id}/comment",
    "PUT /rest/api/2/issue/{id}",
    "PUT /rest/api/2/issue/{id}/properties/dutyd",
    "DELETE /rest/api/2/issue/{id}/properties/dutyd",
    "POST /rest/api/2/issue/{id}/comment",
];
