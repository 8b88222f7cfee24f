//! Stamps, epoch durations, zones, and the script values of queries, recognised by pattern.
//! Knows the caller's zone; never runs a script.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// Who asks, as far as values depend on it.
#[derive(Clone, Debug)]
pub struct Caller {
    pub user_name: String,
    pub user_id: String,
    pub zone: TimeZone,
    pub now: Timestamp,
    /// Literals of queries are read in the caller's zone instead of UTC.
    pub literals_in_zone: bool,
}

/// The raw form of an instant: UTC, whole seconds.
pub fn stamp(at: Timestamp) -> String {
    at.strftime(FORMAT).to_string()
}

pub fn parse(stamp: &str) -> Option<Timestamp> {
    let local = DateTime::strptime(FORMAT, stamp).ok()?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// A raw stamp in the zone of the one who looks.
pub fn shown(stamp: &str, zone: &TimeZone) -> String {
    parse(stamp).map_or_else(|| stamp.to_owned(), |at| at.to_zoned(zone.clone()).strftime(FORMAT).to_string())
}

/// A duration as an offset from the epoch.
pub fn duration(seconds: i64) -> String {
    Timestamp::from_second(seconds.max(0)).map_or_else(|_| String::new(), stamp)
}

/// A local stamp as raw UTC.
pub fn from_zone(text: &str, zone: &TimeZone) -> Option<String> {
    let local = DateTime::strptime(FORMAT, text).ok()?;
    Some(stamp(local.to_zoned(zone.clone()).ok()?.timestamp()))
}

/// The value of a query's literal; `None` for a script that is not modelled.
pub fn literal(text: &str, caller: &Caller) -> Option<String> {
    let Some(script) = text.strip_prefix("javascript:") else {
        if caller.literals_in_zone {
            return Some(from_zone(text, &caller.zone).unwrap_or_else(|| text.to_owned()));
        }
        return Some(text.to_owned());
    };
    let script = script.trim().trim_end_matches(';');
    let (name, rest) = script.strip_prefix("gs.")?.split_once('(')?;
    let arguments: Vec<&str> = rest
        .strip_suffix(')')?
        .split(',')
        .map(|argument| argument.trim().trim_matches(['\'', '"']))
        .collect();
    call(name, &arguments, caller)
}

fn call(name: &str, arguments: &[&str], caller: &Caller) -> Option<String> {
    let here = caller.now.to_zoned(caller.zone.clone());
    let number = || arguments.first()?.parse::<i64>().ok();
    match name {
        "getUserID" => Some(caller.user_id.clone()),
        "getUserName" => Some(caller.user_name.clone()),
        "nowDateTime" | "now" => Some(stamp(caller.now)),
        "dateGenerate" => {
            let clock = match *arguments.get(1)? {
                "start" => "00:00:00",
                "end" => "23:59:59",
                clock => clock,
            };
            from_zone(&format!("{} {clock}", arguments.first()?), &caller.zone)
        }
        "daysAgo" => Some(stamp(here.checked_sub(number()?.days()).ok()?.timestamp())),
        "daysAgoStart" => day(&here, number()?, false),
        "daysAgoEnd" => day(&here, number()?, true),
        "hoursAgo" => ago(caller.now, number()?.checked_mul(3_600)?),
        "minutesAgo" => ago(caller.now, number()?.checked_mul(60)?),
        "beginningOfToday" => day(&here, 0, false),
        "endOfToday" => day(&here, 0, true),
        _ => None,
    }
}

fn ago(now: Timestamp, seconds: i64) -> Option<String> {
    Some(stamp(now.checked_sub(SignedDuration::from_secs(seconds)).ok()?))
}

fn day(here: &Zoned, days_ago: i64, end: bool) -> Option<String> {
    let days = i32::try_from(days_ago).ok()?;
    let start = here.checked_sub(days.days()).ok()?.start_of_day().ok()?;
    if !end {
        return Some(stamp(start.timestamp()));
    }
    let next = start.checked_add(1.day()).ok()?;
    Some(stamp(next.timestamp().checked_sub(SignedDuration::from_secs(1)).ok()?))
}

/// `@hour@ago@1` as a stamp.
pub fn relative(text: &str, caller: &Caller) -> Option<String> {
    let mut parts = text.trim_start_matches('@').split('@');
    let unit = match parts.next()? {
        "minute" => 60,
        "hour" => 3_600,
        "dayofweek" | "day" => 86_400,
        _ => return None,
    };
    let sign = match parts.next()? {
        "ago" => 1,
        "ahead" => -1,
        _ => return None,
    };
    ago(caller.now, parts.next()?.parse::<i64>().ok()?.checked_mul(unit * sign)?)
}
