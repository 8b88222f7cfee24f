//! Salesforce Service Cloud: cases by the REST API.
//!
//! The vendor's facts, in one page (addresses are those of the developer documentation's pages):
//!
//! - **Rows** carry instants like `2026-05-01T07:25:37.000+0000`, in whole seconds in practice. A record's version is its
//!   `SystemModstamp`. Ids have 15 or 18 characters; answers have 18.
//! - **Scan**: keyset over `(SystemModstamp, Id)` by `queryAll`, which shows the recycle bin too. Cases, comments, mails
//!   and history rows are separate streams, since a child need not move its case's stamp; all of them go in one composite
//!   request, which costs one call. A stamp is set inside the transaction and the row is seen after it: each scan
//!   reaches back ten minutes or more and remembers what it saw there.
//! - **Children** are asked for many cases at once; pages continue at `nextRecordsUrl`, which is followed by its path only.
//! - **Writing**: one composite request per case, all or none: our fields, the private comments, and the record read
//!   back in the same transaction. Where there is no note, many records go in one collection with a verdict each.
//!   `Sforce-Auto-Assign: FALSE` always: without it any change may hand the case to another owner (headers_autoassign).
//! - **Limits**: the daily one and the one on requests at once share an error code and differ in the message; there is
//!   no `Retry-After` (resources_limits, errorcodes).
//! - **Sign-in**: client credentials or JWT bearer, at the org's own host. An answer of 401 asks for a new session,
//!   except where its message says that the session is not the trouble.
//!
//! Lag: a change is visible when its transaction commits; the overlap covers commits later than the stamp.
//! Residual: what becomes visible by sharing keeps its old stamp and is seen with its next change; a record purged
//! from the recycle bin before we saw it there reads as hidden.

mod check;
mod client;
mod config;
mod connector;
mod fetch;
mod history;
mod normalize;
mod sample;
mod scan;
mod setup;
mod soql;
#[cfg(test)]
mod tests;
mod wire;
mod words;
mod write;

pub use config::{Columns, Config, Marks, SignInConfig};
pub use connector::Salesforce;
pub use setup::setup;

/// The vendor's name in configuration and output.
pub const VENDOR: &str = "salesforce";

/// Every request this connector may send; whatever else stood in a journal would be a defect.
pub const REQUESTS: &[&str] = &[
    "POST /services/oauth2/token",
    "GET /services/oauth2/userinfo",
    "GET /services/data",
    "POST /services/data/{version}/composite",
    "PATCH /services/data/{version}/composite/sobjects",
    "GET /services/data/{version}/query",
    "GET /services/data/{version}/query/{locator}",
    "GET /services/data/{version}/limits",
    "GET /services/data/{version}/sobjects/{object}/describe",
    "GET /services/data/{version}/sobjects/Case/{id}",
];
