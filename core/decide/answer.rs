//! What a person may answer to a mark, in the field or tag meant for it.

use crate::action::Severity;
use crate::state::OverrideKind;
use jiff::{SignedDuration, Timestamp, civil};

/// Reads an answer: `4h`, `90m`, `2d` or a date `2026-03-01` snooze until then, `worse` until severity rises above the
/// worst one shown now, `ack` acknowledges, `escalated` confirms, `no` or `dismiss` dismisses. A leading `snooze` is
/// allowed. `None`: not understood.
pub fn parse(said: &str, now: Timestamp, worst: Severity) -> Option<OverrideKind> {
    let said = said.trim().to_lowercase();
    let said = said.strip_prefix("snooze").map_or(said.as_str(), str::trim);
    match said {
        "ack" | "acknowledged" => return Some(OverrideKind::Acknowledged),
        "escalated" | "escalate" => return Some(OverrideKind::Escalated),
        "worse" => return Some(OverrideKind::Snoozed { until: None, above: Some(worst) }),
        "no" | "dismiss" | "dismissed" => return Some(OverrideKind::Dismissed { above: worst }),
        _ => {}
    }
    let until = span(said).and_then(|span| now.checked_add(span).ok()).or_else(|| date(said))?;
    Some(OverrideKind::Snoozed { until: Some(until), above: Some(worst) })
}

/// Whether an answer silences a mark for a time only.
pub fn is_snooze(said: &str) -> bool {
    let now = Timestamp::UNIX_EPOCH;
    matches!(parse(said, now, Severity::Watch), Some(OverrideKind::Snoozed { .. }))
}

/// Whether an answer confirms the case as an escalation.
pub fn confirms(said: &str) -> bool {
    parse(said, Timestamp::UNIX_EPOCH, Severity::Watch) == Some(OverrideKind::Escalated)
}

fn span(said: &str) -> Option<SignedDuration> {
    let minutes = [("m", 1), ("h", 60), ("d", 24 * 60)];
    let (digits, minutes) =
        minutes.iter().find_map(|(unit, minutes)| Some((said.strip_suffix(unit)?, *minutes)))?;
    let count: i64 = digits.trim().parse().ok().filter(|count| (1..=10_000).contains(count))?;
    Some(SignedDuration::from_mins(count * minutes))
}

/// The start of a day, in UTC.
fn date(said: &str) -> Option<Timestamp> {
    let date: civil::Date = said.parse().ok()?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood_or_refused_never_guessed() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let snoozed = |until: &str| {
            let until = Some(until.parse().unwrap());
            Some(OverrideKind::Snoozed { until, above: Some(Severity::Candidate) })
        };
        let table = [
            ("4h", snoozed("2026-03-01T14:00:00Z")),
            ("Snooze 2d", snoozed("2026-03-03T10:00:00Z")),
            ("90m", snoozed("2026-03-01T11:30:00Z")),
            ("2026-04-01", snoozed("2026-04-01T00:00:00Z")),
            ("worse", Some(OverrideKind::Snoozed { until: None, above: Some(Severity::Candidate) })),
            ("ACK", Some(OverrideKind::Acknowledged)),
            ("escalated", Some(OverrideKind::Escalated)),
            ("dismiss", Some(OverrideKind::Dismissed { above: Severity::Candidate })),
            ("later", None),
            ("0h", None),
            ("-4h", None),
            ("99999999999d", None),
            ("é", None),
            ("", None),
        ];
        for (said, expected) in table {
            assert_eq!(parse(said, now, Severity::Candidate), expected, "{said:?}");
        }
    }
}
