//! Seven errors, one per thing the engine can do about it.

use crate::transport::TransportError;
use jiff::Timestamp;

/// Characters of a reason that are shown: it may repeat what a vendor sent, and stands in logs at every poll.
const SHOWN_MAX: usize = 1_000;

/// A reason on one line, cut, without what a terminal would obey.
pub fn shown(reason: &str) -> String {
    reason.chars().take(SHOWN_MAX).map(|one| if one.is_control() { ' ' } else { one }).collect()
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConnectorError {
    /// Wait until then; not counted as a failure.
    #[error("rate limit reached{}", until.map(|at| format!(", asked to wait until {at}")).unwrap_or_default())]
    Throttled { until: Option<Timestamp> },
    /// Back off and try again.
    #[error("unavailable: {}", shown(reason))]
    Unavailable { reason: String },
    /// Sent, no answer: it may have happened. Ask `holds` after T_quiet before any new attempt.
    #[error("no answer to a write: {}", shown(reason))]
    Unknown { reason: String },
    /// Stop this source and say so.
    #[error("signed out: {}", shown(reason))]
    SignedOut { reason: String },
    /// Park the action for a person; never loop.
    #[error("refused ({status}): {}", shown(reason))]
    Refused { status: u16, reason: String },
    /// The record takes no writes as it stands, whoever asks: closed for good, locked, not editable. Leave it be until it
    /// changes.
    #[error("takes no writes: {}", shown(reason))]
    Sealed { reason: String },
    /// Quarantine the record; keep the page going.
    #[error("malformed {where_}: {}", shown(reason))]
    Malformed { where_: String, reason: String },
}

impl ConnectorError {
    /// What a failed request means, given whether it could have changed something.
    pub fn of_transport(error: TransportError, writing: bool) -> Self {
        match error {
            TransportError::Throttled { until } => Self::Throttled { until: Some(until) },
            TransportError::SignedOut { reason } => Self::SignedOut { reason },
            TransportError::NotSent { reason } => Self::Unavailable { reason },
            TransportError::NoAnswer { reason } if writing => Self::Unknown { reason },
            TransportError::NoAnswer { reason } => Self::Unavailable { reason },
            TransportError::Forbidden { reason } => Self::Malformed { where_: "address".to_owned(), reason },
        }
    }
}
