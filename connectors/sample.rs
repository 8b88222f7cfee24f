//! What recorded answers and webhook bodies say, as a connector reads them: for an admin who wants to see how a payload is
//! understood, and for anyone who holds recordings against our reading.
//!
//! Must not know: files, vendors' words.

use crate::{ConnectorError, Quarantined};
use dutyd_core::case::CaseChange;
use dutyd_core::timeline::TimelineEvent;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Documents read together: those that name people, fields or histories serve the others.
#[derive(Debug, Default, Serialize)]
pub struct Sample {
    /// What each document was taken for, in the order given.
    pub documents: Vec<Taken>,
    /// Cases whose record is in the documents, with the events that the documents tell of them.
    pub changes: Vec<CaseChange>,
    /// Events of cases whose own record is in no document, by the case's id; `?` where that is not told either.
    pub loose_events: BTreeMap<String, Vec<TimelineEvent>>,
    /// Records that could not be read.
    pub quarantined: Vec<Quarantined>,
    /// What dutyd makes nothing of, and how often it stands there.
    pub passed_over: BTreeMap<String, usize>,
}

/// What a document was taken for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// In the vendor's words: `3 tickets, 2 users`, `webhook ticket.comment_added`.
    pub holds: String,
    /// Ids of the cases that this webhook would make the daemon read.
    pub rings_for: Vec<String>,
}

/// Where events stand of which no document says to which case they belong.
pub const NO_CASE: &str = "?";

impl Sample {
    pub fn pass_over(&mut self, what: impl Into<String>) {
        *self.passed_over.entry(what.into()).or_default() += 1;
    }
}

impl Quarantined {
    /// A record of a sample that could not be read.
    pub(crate) fn sampled(record: &Value, reason: impl AsRef<str>) -> Self {
        Self::of(&record.to_string(), "id", reason)
    }
}

/// A document's JSON; `number` counts from 1.
pub fn json_of(document: &[u8], number: usize) -> Result<Value, ConnectorError> {
    serde_json::from_slice(document).map_err(|error| ConnectorError::Malformed {
        where_: format!("document {number}"),
        reason: format!("no JSON: {error}"),
    })
}

/// `3 tickets, 1 user`.
pub fn counted(counts: &[(usize, String)]) -> String {
    let part = |(count, what): &(usize, String)| match count {
        1 => format!("1 {}", singular(what)),
        count => format!("{count} {what}"),
    };
    counts.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// Of a vendor's name for a list: `tickets`, `categories`, `statuses`. What does not end as a plural is one already.
fn singular(what: &str) -> String {
    match (what.strip_suffix("ies"), what.strip_suffix("es"), what.strip_suffix('s')) {
        (Some(stem), ..) => format!("{stem}y"),
        (None, Some(stem), _) if stem.ends_with(['s', 'x']) => stem.to_owned(),
        (None, _, Some(stem)) if !stem.ends_with('s') => stem.to_owned(),
        _ => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_list_is_named_in_the_singular() {
        let table = [
            ("tickets", "1 ticket"),
            ("histories", "1 history"),
            ("statuses", "1 status"),
            ("Case", "1 Case"),
            ("access", "1 access"),
        ];
        for (what, expected) in table {
            assert_eq!(counted(&[(1, what.to_owned())]), expected);
            assert_eq!(counted(&[(2, what.to_owned())]), format!("2 {what}"));
        }
    }
}
