//! Holidays from `.ics` files: all-day events close their days, events with times close these hours.
//!
//! Dates are expanded as wall-clock times without a zone; the zone is applied afterwards by jiff, so that only one
//! database of zone rules is ever asked.

use super::hours::DAY;
use calcard::common::PartialDateTime;
use calcard::icalendar::dates::TimeOrDelta;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarFrequency, ICalendarParameterName,
    ICalendarProperty, ICalendarStatus, ICalendarValue,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};

/// Limits, so that a file from the network cannot stall a reload.
const TEXT_MAX: usize = 1 << 20;
const EVENTS_MAX: usize = 2_000;
/// One that never comes true, like a 30th of February, is looked for through 300 years: 15 ms each.
const RECURRING_MAX: usize = 50;
const OCCURRENCES_MAX: usize = 10_000;
const YEARS: std::ops::RangeInclusive<u16> = 1900..=2200;
const DAYS_MAX: i64 = 366;

/// What an `.ics` file closes.
#[derive(Debug, Default)]
pub(super) struct Closed {
    pub days: BTreeSet<i32>,
    /// Seconds of the epoch.
    pub hours: Vec<(i64, i64)>,
}

/// Reads the events of a file. `zone` is for events that name none.
pub(super) fn closed_by(text: &str, zone: &TimeZone) -> Result<Closed, String> {
    if text.len() > TEXT_MAX {
        return Err("the file is larger than 1 MiB".to_owned());
    }
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with("BEGIN:VCALENDAR") {
        return Err("this is not an iCalendar file".to_owned());
    }
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err("the file is not UTF-8".to_owned());
    }
    let parsed = ICalendar::parse(text).map_err(|_| "this is not a whole iCalendar file".to_owned())?;
    let events = grouped(parsed)?;
    let mut closed = Closed::default();
    for components in events.into_values() {
        expand(components, zone, &mut closed)?;
    }
    if closed.days.is_empty() && closed.hours.is_empty() {
        return Err("the file has no event that closes anything".to_owned());
    }
    Ok(closed)
}

/// Events of one identity together: a recurring one and its exceptions.
fn grouped(parsed: ICalendar) -> Result<BTreeMap<String, Vec<ICalendarComponent>>, String> {
    let mut groups: BTreeMap<String, Vec<ICalendarComponent>> = BTreeMap::new();
    let events = parsed.components.into_iter().filter(|c| c.component_type == ICalendarComponentType::VEvent);
    let mut recurring = 0;
    for (nth, event) in events.filter(|event| !is_cancelled(event)).enumerate() {
        let uid = event.uid().map_or_else(|| format!("\u{0}{nth}"), str::to_owned);
        recurring += usize::from(event.property(&ICalendarProperty::Rrule).is_some());
        if nth >= EVENTS_MAX || recurring > RECURRING_MAX {
            return Err(format!(
                "the file has more than {EVENTS_MAX} events or {RECURRING_MAX} recurring ones"
            ));
        }
        groups.entry(uid).or_default().push(event);
    }
    Ok(groups)
}

fn is_cancelled(event: &ICalendarComponent) -> bool {
    let status = event.property(&ICalendarProperty::Status).and_then(|entry| entry.values.first());
    matches!(status, Some(ICalendarValue::Status(ICalendarStatus::Cancelled)))
}

/// How the start of an event is written.
struct Start {
    has_time: bool,
    /// `None`: the calendar's own zone.
    zone: Option<TimeZone>,
    has_end: bool,
}

fn expand(
    mut components: Vec<ICalendarComponent>,
    zone: &TimeZone,
    closed: &mut Closed,
) -> Result<(), String> {
    let starts = components.iter_mut().map(without_zones).collect::<Result<Vec<Start>, String>>()?;
    let group = ICalendar { components };
    let expanded = group.expand_dates(calcard::common::timezone::Tz::Floating, OCCURRENCES_MAX);
    if let Some(error) = expanded.errors.first() {
        return Err(format!("an event cannot be understood: {:?}", error.error));
    }
    for event in expanded.events {
        let Some(start) = starts.get(event.comp_id as usize) else { continue };
        let opens = event.start.naive_local().and_utc().timestamp();
        let closes = match event.end {
            TimeOrDelta::Time(end) => end.naive_local().and_utc().timestamp(),
            TimeOrDelta::Delta(length) => opens.saturating_add(length.num_seconds()),
        };
        if start.has_time {
            let zone = start.zone.as_ref().unwrap_or(zone);
            closed.hours.extend(instant(opens, zone).zip(instant(closes, zone)).filter(|(a, b)| a < b));
        } else {
            let first = opens.div_euclid(DAY);
            let end = if start.has_end { closes.div_euclid(DAY).max(first + 1) } else { first + 1 };
            closed.days.extend((first..end.min(first + DAYS_MAX)).map(|day| day as i32));
        }
    }
    Ok(())
}

/// The instant at which the wall clock of a zone shows this; the later one of a gap or fold.
fn instant(wall: i64, zone: &TimeZone) -> Option<i64> {
    let shown = Timestamp::from_second(wall).ok()?.to_zoned(TimeZone::UTC).datetime();
    Some(zone.to_ambiguous_timestamp(shown).later().ok()?.as_second())
}

/// Takes all zones out of an event, so that it expands on the wall clock, and says how its start was written.
fn without_zones(event: &mut ICalendarComponent) -> Result<Start, String> {
    let mut start = Start { has_time: false, zone: None, has_end: false };
    for entry in &mut event.entries {
        let is_start = entry.name == ICalendarProperty::Dtstart;
        start.has_end |= matches!(entry.name, ICalendarProperty::Dtend | ICalendarProperty::Duration);
        if is_start {
            let named = entry.params.iter().find(|param| param.name == ICalendarParameterName::Tzid);
            if let Some(name) = named.and_then(|param| param.value.as_text()) {
                let zone = TimeZone::get(name)
                    .map_err(|_| format!("an event names the unknown time zone `{name}`"))?;
                start.zone = Some(zone);
            }
        }
        entry.params.retain(|param| param.name != ICalendarParameterName::Tzid);
        for value in &mut entry.values {
            match value {
                ICalendarValue::PartialDateTime(date) => {
                    if is_start {
                        start.has_time = date.hour.is_some();
                        if date.tz_hour.is_some() {
                            start.zone = Some(TimeZone::UTC);
                        }
                    }
                    on_the_wall(date)?;
                }
                ICalendarValue::RecurrenceRule(rule) => {
                    bound(rule)?;
                }
                _ => {}
            }
        }
    }
    Ok(start)
}

fn on_the_wall(date: &mut PartialDateTime) -> Result<(), String> {
    date.tz_hour = None;
    date.tz_minute = None;
    match date.year {
        Some(year) if !YEARS.contains(&year) => Err(format!("the year {year} is not between 1900 and 2200")),
        _ => Ok(()),
    }
}

/// Bounds a recurrence: by days at most, and not past the last year.
fn bound(rule: &mut calcard::icalendar::ICalendarRecurrenceRule) -> Result<(), String> {
    if matches!(
        rule.freq,
        ICalendarFrequency::Hourly | ICalendarFrequency::Minutely | ICalendarFrequency::Secondly
    ) {
        return Err("an event repeats more often than daily".to_owned());
    }
    match &mut rule.until {
        Some(until) => on_the_wall(until)?,
        None if rule.count.is_none() => {
            let (year, month, day) = (Some(*YEARS.end()), Some(1), Some(1));
            rule.until = Some(PartialDateTime { year, month, day, ..PartialDateTime::default() });
        }
        None => rule.count = rule.count.map(|count| count.min(OCCURRENCES_MAX as u32)),
    }
    Ok(())
}
