//! Sources that are not seen: what is shown of their cases may be old, and what should be shown may be missing.
//!
//! Knows: which these are, and the one line that says so. Must not know: how a source is read.

use super::wording::{NAME_MAX, clock_time, plain};
use crate::cli::words::relative;
use crate::engine::SourceHealth;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Longest reason shown of a failed reading.
const TROUBLE_MAX: usize = 120;

/// A source whose flags must not be taken for all there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    pub source: String,
    /// Nothing newer than this is known. `None`: its first import is not done.
    pub since: Option<Timestamp>,
    pub because: Because,
    /// Why the last reading failed, if it did.
    pub trouble: Option<String>,
}

/// Why a source is not seen, the most telling reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    Paused,
    SignedOut,
    /// Its first import still runs.
    Importing,
    /// No scan has ended within the source's bound.
    Blind,
}

impl Unseen {
    /// `None`: everything is seen within the bound.
    pub fn of(health: &SourceHealth) -> Option<Self> {
        let trouble = health.read_trouble.clone();
        let (since, because) = match health {
            SourceHealth { paused: true, .. } => (health.caught_up_at, Because::Paused),
            SourceHealth { signed_out: true, read_trouble: Some(_), .. } => {
                (health.caught_up_at, Because::SignedOut)
            }
            SourceHealth { caught_up_at: None, .. } => (None, Because::Importing),
            SourceHealth { blind_since: Some(since), .. } => (Some(*since), Because::Blind),
            _ => return None,
        };
        Some(Self { source: health.source.clone(), since, because, trouble })
    }
}

/// `not seen: servicenow since Mon 22:04 CET (2 h ago): sign-in refused`.
pub fn unseen_line(unseen: &Unseen, now: Timestamp, zone: &TimeZone) -> String {
    let source = plain(&unseen.source, NAME_MAX);
    let since =
        unseen.since.map(|at| format!(" since {} ({})", clock_time(at, now, zone), relative(at, now)));
    let trouble = unseen.trouble.as_deref().map(|trouble| plain(trouble, TROUBLE_MAX));
    let because = match (unseen.because, trouble) {
        (Because::Paused, _) => "paused".to_owned(),
        (Because::SignedOut, _) => "sign-in refused".to_owned(),
        (Because::Importing, None) => "its first import still runs".to_owned(),
        (Because::Importing, Some(trouble)) => format!("its first import is held up: {trouble}"),
        (Because::Blind, None) => "nothing was read to its end since".to_owned(),
        (Because::Blind, Some(trouble)) => trouble,
    };
    format!("not seen: {source}{}: {because}", since.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-03-02T{text}:00Z").parse().expect("an instant")
    }

    fn seen() -> SourceHealth {
        SourceHealth {
            source: "desk".to_owned(),
            caught_up_at: Some(at("21:04")),
            bound_seconds: 180,
            ..SourceHealth::default()
        }
    }

    fn said(health: &SourceHealth) -> Option<String> {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        Unseen::of(health).map(|unseen| unseen_line(&unseen, at("23:04"), &zone))
    }

    #[test]
    fn a_source_that_is_not_seen_says_since_when_and_why_and_one_that_is_says_nothing() {
        let refused = Some("unreachable:\n10.0.0.1 refuses connections".to_owned());
        let since = "not seen: desk since Mon 22:04 CET (2 h ago)";
        let table = [
            (seen(), None),
            (SourceHealth { read_trouble: refused.clone(), ..seen() }, None),
            (SourceHealth { signed_out: true, write_trouble: refused.clone(), ..seen() }, None),
            (SourceHealth { paused: true, ..seen() }, Some(format!("{since}: paused"))),
            (
                SourceHealth { signed_out: true, read_trouble: refused.clone(), ..seen() },
                Some(format!("{since}: sign-in refused")),
            ),
            (
                SourceHealth { blind_since: Some(at("21:04")), read_trouble: refused.clone(), ..seen() },
                Some(format!("{since}: unreachable: 10.0.0.1 refuses connections")),
            ),
            (
                SourceHealth { blind_since: Some(at("21:04")), ..seen() },
                Some(format!("{since}: nothing was read to its end since")),
            ),
            (
                SourceHealth { caught_up_at: None, ..seen() },
                Some("not seen: desk: its first import still runs".to_owned()),
            ),
            (
                SourceHealth { caught_up_at: None, read_trouble: refused, ..seen() },
                Some(
                    "not seen: desk: its first import is held up: unreachable: 10.0.0.1 refuses connections"
                        .to_owned(),
                ),
            ),
        ];
        for (health, expected) in table {
            assert_eq!(said(&health), expected, "{health:?}");
        }
    }
}
