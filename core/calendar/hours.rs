//! Which hours of which civil day are worked, and the instants this means in the zone.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const DAY: i64 = 86_400;

/// Seconds of a civil day on the wall clock, half open. `close` may pass midnight in a weekly pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    pub open: i32,
    pub close: i32,
}

impl Window {
    pub const WHOLE_DAY: Window = Window { open: 0, close: DAY as i32 };
}

/// Days since 1970-01-01, which was a Thursday.
pub(super) fn day_number(day: Date) -> i32 {
    let since = day.duration_since(jiff::civil::date(1970, 1, 1));
    (since.as_secs() / DAY) as i32
}

/// Monday is 0.
fn weekday(day: i32) -> usize {
    (i64::from(day) + 3).rem_euclid(7) as usize
}

/// A weekly pattern and the first day on which it applies.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub from: i32,
    pub days: [Vec<Window>; 7],
}

/// A stretch of time with one offset from UTC; seconds of the epoch, half open.
struct Stretch {
    start: i64,
    end: i64,
    offset: i64,
}

/// A calendar with inheritance resolved and everything checked.
#[derive(Debug, Clone)]
pub(super) struct Hours {
    pub zone_name: String,
    pub zone: TimeZone,
    /// Ordered by `from`; the first applies to all days before the second.
    pub patterns: Vec<Pattern>,
    pub holidays: BTreeSet<i32>,
    /// Days of every year: month and day.
    pub yearly: BTreeSet<(i8, i8)>,
    pub exceptions: BTreeMap<i32, Vec<Window>>,
    /// Stretches closed at a time of day, from `.ics` events with times; seconds of the epoch, in order, disjoint.
    pub closures: Vec<(i64, i64)>,
}

impl Hours {
    /// The strongest statement about a civil day decides it: an exception, then a holiday, then the weekly pattern.
    /// The part of a window after midnight belongs to the civil day it falls on.
    pub fn windows_on(&self, day: i32) -> Vec<Window> {
        if self.is_holiday(day) && !self.exceptions.contains_key(&day) {
            return Vec::new();
        }
        let (today, yesterday) = match self.exceptions.get(&day) {
            Some(own) => (own, None),
            None => (self.planned(day), Some(self.planned_yesterday(day))),
        };
        let midnight = DAY as i32;
        let head = today.iter().map(|w| Window { open: w.open, close: w.close.min(midnight) });
        let tail = yesterday.into_iter().flatten().filter(|w| w.close > midnight);
        let mut windows: Vec<Window> =
            tail.map(|w| Window { open: 0, close: w.close - midnight }).chain(head).collect();
        windows.sort_unstable();
        windows.dedup_by(|next, last| {
            let meets = next.open <= last.close;
            if meets {
                last.close = last.close.max(next.close);
            }
            meets
        });
        windows
    }

    /// Windows of the day before that may pass midnight: its exception if it has one, else its plan.
    fn planned_yesterday(&self, day: i32) -> &[Window] {
        match self.exceptions.get(&(day - 1)) {
            Some(own) if own.iter().any(|w| w.close > DAY as i32) => own,
            _ => self.planned(day - 1),
        }
    }

    fn planned(&self, day: i32) -> &Vec<Window> {
        let later = self.patterns.iter().skip(1).take_while(|pattern| pattern.from <= day).count();
        &self.patterns[later].days[weekday(day)]
    }

    fn is_holiday(&self, day: i32) -> bool {
        if self.holidays.contains(&day) {
            return true;
        }
        if self.yearly.is_empty() {
            return false;
        }
        let noon = Timestamp::from_second(i64::from(day) * DAY).ok();
        let date = noon.map(|at| at.to_zoned(TimeZone::UTC).date());
        date.is_some_and(|date| self.yearly.contains(&(date.month(), date.day())))
    }

    /// Open stretches within `from .. to` (seconds of the epoch), in order, disjoint, none empty, none touching.
    pub fn open_between(&self, from: i64, to: i64) -> Vec<(i64, i64)> {
        let mut open = Vec::new();
        for stretch in self.offsets(from, to) {
            let first = (stretch.start + stretch.offset).div_euclid(DAY);
            let last = (stretch.end - 1 + stretch.offset).div_euclid(DAY);
            for day in first..=last {
                self.open_in(&stretch, day as i32, &mut open);
            }
        }
        self.without_closures(open)
    }

    /// Open stretches of one civil day, wherever on the time line the zone puts it.
    pub fn open_on(&self, day: i32) -> Vec<(i64, i64)> {
        let midnight = i64::from(day) * DAY;
        let mut open = Vec::new();
        for stretch in self.offsets(midnight - 2 * DAY, midnight + 3 * DAY) {
            self.open_in(&stretch, day, &mut open);
        }
        self.without_closures(open)
    }

    /// Adds what a civil day has open while one offset holds.
    fn open_in(&self, stretch: &Stretch, day: i32, open: &mut Vec<(i64, i64)>) {
        let midnight = i64::from(day) * DAY - stretch.offset;
        for window in self.windows_on(day) {
            let opens = (midnight + i64::from(window.open)).max(stretch.start);
            let closes = (midnight + i64::from(window.close)).min(stretch.end);
            push_joined(open, opens, closes);
        }
    }

    /// Stretches of one UTC offset each that cover `from .. to`.
    fn offsets(&self, from: i64, to: i64) -> Vec<Stretch> {
        let mut stretches = Vec::new();
        let mut start = from;
        while start < to && stretches.len() < OFFSETS_MAX {
            let Ok(instant) = Timestamp::from_second(start) else { break };
            let offset = i64::from(self.zone.to_offset(instant).seconds());
            let next =
                self.zone.following(instant).next().map(|transition| transition.timestamp().as_second());
            let end = next.map_or(to, |next| next.min(to));
            stretches.push(Stretch { start, end, offset });
            start = end;
        }
        stretches
    }

    fn without_closures(&self, open: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
        if self.closures.is_empty() {
            return open;
        }
        let mut left = Vec::new();
        for (mut opens, closes) in open {
            let first = self.closures.partition_point(|(_, end)| *end <= opens);
            for &(start, end) in self.closures[first..].iter().take_while(|(start, _)| *start < closes) {
                push_joined(&mut left, opens, start);
                opens = opens.max(end);
            }
            push_joined(&mut left, opens, closes);
        }
        left
    }

    /// Hash of everything that decides which seconds count, but not of the zone's rules.
    pub fn digest(&self) -> String {
        let said = format!(
            "{} {:?} {:?} {:?} {:?} {:?}",
            self.zone_name, self.patterns, self.holidays, self.yearly, self.exceptions, self.closures
        );
        Sha256::digest(said.as_bytes())[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A zone has a handful of transitions a year; a stretch of hours asked for at once is about a year.
const OFFSETS_MAX: usize = 1_000;

fn push_joined(open: &mut Vec<(i64, i64)>, opens: i64, closes: i64) {
    match open.last_mut() {
        _ if opens >= closes => {}
        Some(last) if last.1 == opens => last.1 = closes,
        _ => open.push((opens, closes)),
    }
}
