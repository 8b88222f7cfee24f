//! Instants as people write them on the command line: with an offset, or as our own output shows them.
//!
//! Must not know: which option they belong to.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// An instant with offset, or date and time as `explain` and `list` print them: `2026-03-02 13:07:01 UTC`. `zone`: the one
/// in which they print, whose letters may stand behind the time. Twice-shown times are told apart by those letters.
pub fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    if let Ok(at) = text.trim().parse() {
        return Ok(at);
    }
    shown(text.trim(), zone).ok_or_else(|| {
        format!(
            "`{text}` is no instant; write date, time and offset: 2026-03-27T16:00:00+01:00, 2026-03-27T15:00:00Z, or as \
             dutyd prints it: \"{}\"",
            super::words::instant(Timestamp::from_second(1_774_623_600).unwrap_or_default(), zone)
        )
    })
}

fn shown(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let (time, letters) = match text.rsplit_once(' ') {
        Some((time, letters))
            if letters.starts_with(|letter: char| letter.is_alphabetic() || "+-".contains(letter)) =>
        {
            (time, Some(letters))
        }
        _ => (text, None),
    };
    let civil: DateTime = time.contains(':').then(|| time.parse().ok())??;
    let in_zone = |zone: &TimeZone| {
        let ambiguous = zone.to_ambiguous_timestamp(civil);
        [ambiguous.earlier(), ambiguous.later()].into_iter().flatten()
    };
    match letters {
        None => in_zone(zone).next(),
        Some("UTC" | "GMT") => in_zone(&TimeZone::UTC).next(),
        Some(letters) => {
            in_zone(zone).find(|at| at.to_zoned(zone.clone()).strftime("%Z").to_string() == letters)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::words;

    #[test]
    fn what_is_printed_can_be_asked_for() {
        let table = [
            ("2026-03-02T13:07:01Z", "Europe/Berlin", Some("2026-03-02T13:07:01Z")),
            ("2026-03-02T13:07:01.5+01:00", "UTC", Some("2026-03-02T12:07:01.5Z")),
            ("2026-03-02 13:07:01 UTC", "Europe/Berlin", Some("2026-03-02T13:07:01Z")),
            ("2026-03-02 13:07:01 CET", "Europe/Berlin", Some("2026-03-02T12:07:01Z")),
            ("2026-03-02 13:07 CET", "Europe/Berlin", Some("2026-03-02T12:07:00Z")),
            ("2026-03-02 13:07:01", "Europe/Berlin", Some("2026-03-02T12:07:01Z")),
            ("2026-10-25 02:30:00 CEST", "Europe/Berlin", Some("2026-10-25T00:30:00Z")),
            ("2026-10-25 02:30:00 CET", "Europe/Berlin", Some("2026-10-25T01:30:00Z")),
            ("2026-03-02 13:07:01 CEST", "Europe/Berlin", None),
            ("2026-03-02 13:07:01 EST", "Europe/Berlin", None),
            ("2026-03-02", "UTC", None),
            ("yesterday", "UTC", None),
            ("", "UTC", None),
        ];
        for (text, zone, expected) in table {
            let zone = TimeZone::get(zone).expect("a zone");
            let expected: Option<Timestamp> = expected.map(|at| at.parse().expect("an instant"));
            assert_eq!(moment(text, &zone).ok(), expected, "{text}");
        }
    }

    #[test]
    fn every_hour_of_a_day_with_a_changing_clock_is_read_as_it_is_printed() {
        for name in ["Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo", "UTC"] {
            let zone = TimeZone::get(name).expect("a zone");
            let start: Timestamp = "2026-10-24T20:00:00Z".parse().expect("an instant");
            for hour in 0..36 {
                let at = start + jiff::SignedDuration::from_hours(hour);
                assert_eq!(moment(&words::instant(at, &zone), &zone), Ok(at), "{name}");
            }
        }
    }
}
