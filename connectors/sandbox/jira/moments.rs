//! Instants in queries: epoch milliseconds, dates in the caller's zone, spans, functions.
//! Knows no fields.

use super::jql::Value;
use super::select::Eyes;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

/// An instant: epoch milliseconds, a date in the caller's zone cut to the minute, a span, or a function.
pub fn moment(value: &Value, name: &str, eyes: &Eyes<'_>) -> Result<Timestamp, String> {
    let here = eyes.now.to_zoned(eyes.zone.clone());
    match value {
        Value::Text { text, quoted } => {
            let number = text.parse::<i64>().ok().filter(|_| !quoted);
            let found = match number {
                Some(millis) => Timestamp::from_millisecond(millis).ok(),
                None => span(text)
                    .and_then(|span| eyes.now.checked_add(span).ok())
                    .or_else(|| dated(text, &eyes.zone)),
            };
            found.ok_or_else(|| {
                format!("Date value '{text}' for field '{name}' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'.")
            })
        }
        Value::Function { name: function, arguments } => {
            let start = function_start(&function.to_lowercase(), &here)
                .ok_or_else(|| format!("Unable to find JQL function '{function}'."))?;
            let shift = arguments.first().map(|text| span(text).or_else(|| span(&format!("{text}d"))));
            let shift = match shift {
                Some(None) => {
                    return Err(format!(
                        "Duration for function '{function}' should have the format (+/-)n(yMwdm), e.g -1M for 1 month earlier."
                    ));
                }
                Some(Some(shift)) => shift,
                None => SignedDuration::ZERO,
            };
            Ok(start.timestamp().saturating_add(shift).unwrap_or(eyes.now))
        }
    }
}

fn function_start(function: &str, here: &Zoned) -> Option<Zoned> {
    let day = |zoned: &Zoned| zoned.start_of_day().ok();
    let weekday = i64::from(here.weekday().to_monday_zero_offset());
    let last = |zoned: Zoned| zoned.checked_sub(1.millisecond()).ok();
    match function {
        "now" => Some(here.clone()),
        "startofday" => day(here),
        "endofday" => last(day(&here.checked_add(1.day()).ok()?)?),
        "startofweek" => day(&here.checked_sub(weekday.days()).ok()?),
        "endofweek" => last(day(&here.checked_add((7 - weekday).days()).ok()?)?),
        "startofmonth" => day(&here.first_of_month().ok()?),
        "endofmonth" => last(day(&here.first_of_month().ok()?.checked_add(1.month()).ok()?)?),
        "startofyear" => day(&here.first_of_year().ok()?),
        _ => None,
    }
}

/// `-15m`, `4w 2d`, `+1h`: weeks, days, hours, minutes.
fn span(text: &str) -> Option<SignedDuration> {
    let (negative, rest) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim().trim_start_matches('+')),
    };
    let mut minutes = 0_i64;
    if rest.is_empty() {
        return None;
    }
    for part in rest.split_whitespace() {
        let (number, unit) =
            part.split_at(part.len().checked_sub(1).filter(|at| part.is_char_boundary(*at))?);
        let number: i64 = number.parse().ok().filter(|number| (0..=1_000_000).contains(number))?;
        let each = match unit {
            "w" => 7 * 24 * 60,
            "d" => 24 * 60,
            "h" => 60,
            "m" => 1,
            _ => return None,
        };
        minutes += number * each;
    }
    Some(SignedDuration::from_mins(if negative { -minutes } else { minutes }))
}

/// A written date, at its beginning in the zone.
pub fn dated(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim().replace('/', "-");
    let local = match text.split_once(' ') {
        Some(_) => DateTime::strptime("%Y-%m-%d %H:%M", &text).ok()?,
        None => text.parse::<Date>().ok()?.at(0, 0, 0, 0),
    };
    Some(local.to_zoned(zone.clone()).ok()?.timestamp())
}
