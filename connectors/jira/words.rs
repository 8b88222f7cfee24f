//! Jira's words for statuses and priorities, in ours.
//!
//! The administrator's word counts first, then what teams commonly call things, then Jira's own category.

use super::config::Config;
use dutyd_core::case::{Priority, Status};

/// Names that tell more than their category. Compared in lower case.
const STATUSES: [(&str, Status); 20] = [
    ("open", Status::New),
    ("to do", Status::New),
    ("new", Status::New),
    ("reopened", Status::Open),
    ("waiting for support", Status::Open),
    ("in progress", Status::Open),
    ("escalated", Status::Open),
    ("waiting for customer", Status::Pending),
    ("waiting on customer", Status::Pending),
    ("awaiting customer", Status::Pending),
    ("pending customer", Status::Pending),
    ("pending", Status::OnHold),
    ("on hold", Status::OnHold),
    ("waiting", Status::OnHold),
    ("waiting for approval", Status::OnHold),
    ("waiting for vendor", Status::OnHold),
    ("resolved", Status::Resolved),
    ("closed", Status::Closed),
    ("canceled", Status::Closed),
    ("cancelled", Status::Closed),
];

/// The meaning of a status. `category`: Jira's own `new`, `indeterminate` or `done`.
pub fn status(config: &Config, name: &str, category: Option<&str>) -> Status {
    configured(&config.statuses, name).or_else(|| common(&STATUSES, name)).unwrap_or(match category {
        Some("new") => Status::New,
        Some("done") => Status::Resolved,
        _ => Status::Open,
    })
}

const PRIORITIES: [(&str, u8); 15] = [
    ("blocker", 1),
    ("critical", 1),
    ("highest", 1),
    ("urgent", 1),
    ("p1", 1),
    ("high", 2),
    ("major", 2),
    ("p2", 2),
    ("medium", 3),
    ("normal", 3),
    ("p3", 3),
    ("low", 4),
    ("minor", 4),
    ("lowest", 5),
    ("trivial", 5),
];

/// The meaning of a priority; `None` where nobody said what the word means.
pub fn priority(config: &Config, name: &str) -> Option<Priority> {
    configured(&config.priorities, name).or_else(|| common(&PRIORITIES, name)).map(Priority)
}

fn configured<T: Copy>(map: &std::collections::BTreeMap<String, T>, name: &str) -> Option<T> {
    map.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, meaning)| *meaning)
}

fn common<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    let name = name.trim().to_lowercase();
    table.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning)
}
