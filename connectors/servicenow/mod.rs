//! ServiceNow: incidents and customer service cases by the Table API.
//!
//! The vendor's facts, in one page (addresses are those of the product documentation's pages):
//!
//! - **Rows** are strings only; instants are UTC with one second of precision and no zone mark (c_TableAPI). A record's
//!   version is `sys_updated_on` with `sys_mod_count`.
//! - **Scan**: keyset over `(sys_updated_on, sys_id)`, two groups joined by `^NQ`, inclusive lower bound with overlap,
//!   upper bound from the instance's `Date` header. The limit is applied before access rules, so a short or empty
//!   page ends nothing; the count in `X-Total-Count` does. An unknown column makes its condition vanish: each page is
//!   compared with what was asked.
//! - **Children**: messages are rows of `sys_journal_field`, changes rows of `sys_audit`; both are asked for many
//!   records at once. Deletions stand in `sys_audit_delete`.
//! - **Writing**: one PATCH per record sets our three columns and appends the note. Unknown or too short columns
//!   are no error there, so the answer is compared with what was sent. There is no conditional write.
//! - **Errors** may come as HTTP 200: with `error` in the body, cut off by the 60 s quota, or as a page of HTML.
//! - **Webhooks** do not exist; a business rule that we describe in [`setup`] signs and sends a hint.
//!
//! Lag: a change is visible to a poll when its transaction commits; the overlap covers commits later than the stamp.
//! Residual: scripts that update with `autoSysFields(false)` move neither `sys_updated_on` nor `sys_mod_count`; such an
//! edit is seen with the next ordinary one. A note whose write lands after T_quiet can stand twice.

mod check;
mod client;
mod config;
mod connector;
mod fetch;
mod history;
mod hook;
mod normalize;
mod paging;
mod query;
mod sample;
mod scan;
mod setup;
#[cfg(test)]
mod tests;
mod wire;
mod write;

pub use config::{Columns, Config, Marks, SignInConfig, Table};
pub use connector::ServiceNow;
pub use normalize::shipped_status;
pub use setup::setup;

/// The vendor's name in configuration and output.
pub const VENDOR: &str = "servicenow";

/// Every request this connector may send; whatever else stood in a journal would be a defect.
pub const REQUESTS: &[&str] = &[
    "POST /oauth_token.do",
    "GET /api/now/table/incident",
    "GET /api/now/table/incident/{sys_id}",
    "PATCH /api/now/table/incident/{sys_id}",
    "GET /api/now/table/sn_customerservice_case",
    "GET /api/now/table/sn_customerservice_case/{sys_id}",
    "PATCH /api/now/table/sn_customerservice_case/{sys_id}",
    "GET /api/now/table/sys_journal_field",
    "GET /api/now/table/sys_audit",
    "GET /api/now/table/sys_audit_delete",
    "GET /api/now/table/sys_user",
    "GET /api/now/table/core_company",
    "GET /api/now/table/customer_account",
    "GET /api/now/table/sys_user_has_role",
    "GET /api/now/table/sys_dictionary",
    "GET /api/now/table/sys_script",
];
