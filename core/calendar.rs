//! Calendars: business hours, holidays and time zones, prepared once so that business time is added and measured fast.
//!
//! What counts, decided once: an instant is business time if and only if the wall clock of the calendar's zone then
//! shows a time inside a window. So an hour that the clock skips is not worked, an hour that it shows twice is worked
//! twice, and a day of 25 hours with the window `00:00-24:00` has 25. Windows are half open: the instant at closing
//! time is no longer business time, yet it is the instant at which work that needed the last second is done.
//!
//! Must not know: cases, clocks, files. Texts of `.ics` files are handed in.

mod compile;
mod doc;
mod duration;
mod holidays;
mod hours;
mod ics;
mod table;
mod written;
mod zone;

#[cfg(test)]
pub(crate) mod tests;

pub use compile::{CALENDARS_MAX, Calendars, Section, compile_one, ics_names_in};
pub use doc::{CalendarDoc, CalendarFileDoc, OneOrMany, WeekDoc};
pub use duration::{DURATION_MAX, format_seconds, parse_duration};
pub use hours::Window;
pub use zone::{ZoneFinding, zone_database_findings, zone_named};

use hours::Hours;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::fmt;
use table::Table;

/// A prepared calendar. Instants are compared in whole seconds.
pub struct Calendar {
    pub name: String,
    /// Hash of all that decides which seconds count; two calendars with the same one measure alike.
    pub id: String,
    /// `None`: every second counts.
    worked: Option<Worked>,
    /// The zone in which instants are shown if every second counts.
    shown_in: TimeZone,
}

struct Worked {
    hours: Hours,
    table: Table,
}

impl Calendar {
    /// Every second counts.
    pub fn round_the_clock() -> Self {
        Self::round_the_clock_in(TimeZone::UTC)
    }

    /// Every second counts; instants are shown in this zone.
    pub fn round_the_clock_in(shown_in: TimeZone) -> Self {
        Self { name: "round the clock".to_owned(), id: "round-the-clock".to_owned(), worked: None, shown_in }
    }

    fn of_hours(name: String, hours: Hours) -> Self {
        let table = Table::new();
        let shown_in = hours.zone.clone();
        Self { name, id: hours.digest(), worked: Some(Worked { hours, table }), shown_in }
    }

    /// Whether every second counts.
    pub fn is_round_the_clock(&self) -> bool {
        self.worked.is_none()
    }

    /// The zone in which its hours are meant.
    pub fn zone(&self) -> TimeZone {
        self.shown_in.clone()
    }

    /// Name of the zone.
    pub fn zone_name(&self) -> &str {
        self.shown_in.iana_name().unwrap_or("UTC")
    }

    /// Business seconds in `from .. to`; 0 if `to` is not after `from`. Seconds outside 1900 to 2200 do not count.
    pub fn seconds_between(&self, from: Timestamp, to: Timestamp) -> i64 {
        let (from, to) = (whole(from), whole(to));
        match &self.worked {
            _ if to <= from => 0,
            None => to - from,
            Some(worked) => worked.table.between(&worked.hours, from, to),
        }
    }

    /// The earliest instant at which `seconds` of business time have passed since `from`; `from` itself for none or
    /// fewer; `None` if never, or not before the year 2200.
    pub fn add_seconds(&self, from: Timestamp, seconds: i64) -> Option<Timestamp> {
        let from = whole(from);
        let at = match &self.worked {
            _ if seconds <= 0 => Some(from),
            None => from.checked_add(seconds),
            Some(worked) => worked.table.add(&worked.hours, from, seconds),
        };
        Timestamp::from_second(at?).ok()
    }

    /// Whether this second counts.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let at = whole(at);
        self.worked.as_ref().is_none_or(|worked| worked.table.between(&worked.hours, at, at + 1) == 1)
    }

    /// The earliest second from `at` on that counts.
    pub fn next_open(&self, at: Timestamp) -> Option<Timestamp> {
        Timestamp::from_second(whole(self.add_seconds(at, 1)?) - 1).ok()
    }

    /// `at` itself if work is possible up to it (open, or exactly closing time), else the next opening.
    pub fn within_hours(&self, at: Timestamp) -> Option<Timestamp> {
        let before = Timestamp::from_second(whole(at) - 1).ok()?;
        if self.is_open(at) || self.is_open(before) { Some(at) } else { self.next_open(at) }
    }

    /// Open stretches of one civil day of the zone, as instants in order. None on a day that the zone skips.
    pub fn open_on(&self, day: Date) -> Vec<(Timestamp, Timestamp)> {
        let midnight = |day: Date| day.to_zoned(self.zone()).map(|zoned| zoned.timestamp().as_second()).ok();
        let stretches = match &self.worked {
            None => midnight(day).zip(day.tomorrow().ok().and_then(midnight)).into_iter().collect(),
            Some(worked) => worked.hours.open_on(hours::day_number(day)),
        };
        let instant = |second| Timestamp::from_second(second).ok();
        stretches.into_iter().filter_map(|(open, close)| Some((instant(open)?, instant(close)?))).collect()
    }

    /// The windows that stand for a civil day: seconds of the day on the wall clock.
    pub fn windows_on(&self, day: Date) -> Vec<Window> {
        match &self.worked {
            None => vec![Window::WHOLE_DAY],
            Some(worked) => worked.hours.windows_on(hours::day_number(day)),
        }
    }

    /// Closing time of the `nth` business day after the civil day of `at`; 0 is that day itself while it lasts, else
    /// the next. A business day is a civil day of the zone with any open second.
    pub fn end_of_day(&self, at: Timestamp, nth: u32) -> Option<Timestamp> {
        let today = at.to_zoned(self.zone()).date();
        let closing = |day: Date| self.open_on(day).last().map(|(_, close)| *close);
        if let Some(close) = closing(today).filter(|close| nth == 0 && *close > at) {
            return Some(close);
        }
        let mut day = today;
        let mut left = nth.max(1);
        for _ in 0..DAYS_SEARCHED_MAX {
            day = day.tomorrow().ok()?;
            if let Some(close) = closing(day) {
                left -= 1;
                if left == 0 {
                    return Some(close);
                }
            }
        }
        None
    }
}

/// How many days ahead a business day is looked for.
const DAYS_SEARCHED_MAX: usize = 800;

/// Seconds since the epoch, rounded down.
fn whole(at: Timestamp) -> i64 {
    at.as_second() - i64::from(at.subsec_nanosecond() < 0)
}

impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.id == other.id
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Calendar({:?}, {})", self.name, self.zone_name())
    }
}
