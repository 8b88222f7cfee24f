//! Instants as people write them on the command line: with an offset, or as our own output shows them.
//!
//! Must not know: which option they belong to.

use crate::desk::Since;
use dutyd_core::calendar::parse_duration;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

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

/// From when on: a span back from the end (`30d`, `12h`), a date, which begins at midnight of the zone, or a moment.
pub fn since(text: &str, zone: &TimeZone) -> Result<Since, String> {
    match parse_duration(text) {
        Ok(seconds) => Ok(Since::Back(SignedDuration::from_secs(seconds))),
        Err(_) => {
            day_or_moment(text, zone).map(Since::At).map_err(|wrong| format!("{wrong}, or a span back: 12h"))
        }
    }
}

/// A date, which begins at midnight of the zone, or a moment.
pub fn day_or_moment(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let day = || text.trim().parse::<Date>().ok()?.to_zoned(zone.clone()).ok();
    moment(text, zone).or_else(|wrong| match day() {
        Some(day) if !text.contains(':') => Ok(day.timestamp()),
        _ => Err(format!("{wrong}, or a date: 2026-03-27")),
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
    fn since_when_is_a_span_a_date_or_a_moment() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let table = [
            ("12h", Some("2026-03-31T00:00:00Z")),
            ("30d", Some("2026-03-01T12:00:00Z")),
            ("2026-03-03", Some("2026-03-02T23:00:00Z")),
            ("2026-03-02T13:07:01Z", Some("2026-03-02T13:07:01Z")),
            ("2026-03-02 13:07:01 CET", Some("2026-03-02T12:07:01Z")),
            ("2026-03-02 25:00", None),
            ("tomorrow", None),
            ("", None),
        ];
        let end: Timestamp = "2026-03-31T12:00:00Z".parse().expect("an instant");
        for (text, expected) in table {
            let expected: Option<Timestamp> = expected.map(|at| at.parse().expect("an instant"));
            assert_eq!(since(text, &zone).ok().map(|since| since.before(end)), expected, "{text}");
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
