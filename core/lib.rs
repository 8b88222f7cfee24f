//! The functional core of dutyd: what a case is, what happened to it, which clocks run, which rules fire, and why.
//!
//! Knows: cases, timelines, SLA policies, calendars, rules, flags, evidence, actions.
//! Must not know: vendors, HTTP, SQL, files, the time of day. Every function is given `now`.
//!
//! Start with [`decide`]: it is the heart, and everything else here exists to feed it or to explain it.

pub mod action;
pub mod around;
pub mod calendar;
pub mod case;
pub mod decide;
pub mod evidence;
#[cfg(test)]
#[path = "../tests/it/reliability/figure.rs"]
mod figure;
pub mod policy;
pub mod problem;
pub mod rule;
pub mod signal;
pub mod sla;
pub mod state;
pub mod timeline;

pub use jiff::{SignedDuration, Timestamp};
