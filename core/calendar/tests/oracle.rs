//! The calendar against an oracle that asks the wall clock minute by minute, and adding against measuring.

use super::*;
use crate::figure::measured;
use crate::sla::dice::{Dice, YEARS, zones};
use jiff::SignedDuration;
use jiff::tz::TimeZone;

/// Minutes of the day; the end may pass midnight.
type Minutes = (i32, i32);

/// A calendar as the oracle sees it.
pub(crate) struct Plan {
    zone: String,
    week: [Vec<Minutes>; 7],
    holidays: Vec<Date>,
    exceptions: Vec<(Date, Vec<Minutes>)>,
}

fn text_of((open, close): &Minutes) -> String {
    let shown = |minute: i32| format!("{:02}:{:02}", minute / 60, minute % 60);
    let close = if *close > 1_440 { close - 1_440 } else { *close };
    format!("\"{}-{}\"", shown(*open), shown(close))
}

fn list_of(windows: &[Minutes]) -> String {
    format!("[{}]", windows.iter().map(text_of).collect::<Vec<_>>().join(", "))
}

impl Plan {
    pub fn draw(dice: &mut Dice, zone: &str, around: Date) -> Self {
        let may_pass_midnight = dice.one_in(3);
        let mut week: [Vec<Minutes>; 7] = std::array::from_fn(|_| windows(dice, may_pass_midnight));
        if week.iter().all(Vec::is_empty) {
            week[2].push((540, 1_020));
        }
        let day = |dice: &mut Dice| around + SignedDuration::from_hours(24 * (dice.below(20) as i64 - 5));
        let holidays = (0..dice.below(4)).map(|_| day(dice)).collect();
        let mut exceptions: Vec<(Date, Vec<Minutes>)> = Vec::new();
        for _ in 0..dice.below(3) {
            let date = day(dice);
            if exceptions.iter().all(|(known, _)| *known != date) {
                exceptions.push((date, windows(dice, false)));
            }
        }
        Self { zone: zone.to_owned(), week, holidays, exceptions }
    }

    pub fn toml(&self) -> String {
        let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let week =
            days.iter().zip(&self.week).map(|(day, windows)| format!("{day} = {}\n", list_of(windows)));
        let exceptions =
            self.exceptions.iter().map(|(day, windows)| format!("{day} = {}\n", list_of(windows)));
        format!(
            "zone = \"{}\"\nholidays = [{}]\n[week]\n{}[exceptions]\n{}",
            self.zone,
            self.holidays.iter().map(Date::to_string).collect::<Vec<_>>().join(", "),
            week.collect::<String>(),
            exceptions.collect::<String>()
        )
    }

    /// Whether work goes on when the wall clock shows this.
    pub fn works(&self, day: Date, minute: i32) -> bool {
        if let Some((_, own)) = self.exceptions.iter().find(|(exception, _)| *exception == day) {
            return own.iter().any(|(open, close)| (*open..*close).contains(&minute));
        }
        if self.holidays.contains(&day) {
            return false;
        }
        let of = |date: Date| &self.week[date.weekday().to_monday_zero_offset() as usize];
        let today = of(day).iter().any(|(open, close)| (*open..*close).contains(&minute));
        let since_yesterday = day.yesterday().is_ok_and(|yesterday| {
            of(yesterday).iter().any(|(open, close)| (*open..*close).contains(&(minute + 1_440)))
        });
        today || since_yesterday
    }

    /// Seconds of work in `from .. to`, both on whole minutes, asked minute by minute.
    fn seconds(&self, zone: &TimeZone, from: i64, to: i64) -> i64 {
        let minutes = (from..to).step_by(60).filter(|second| {
            let shown = zone.to_datetime(Timestamp::from_second(*second).unwrap());
            self.works(shown.date(), i32::from(shown.hour()) * 60 + i32::from(shown.minute()))
        });
        minutes.count() as i64 * 60
    }
}

/// Up to three windows of a day, in order, edges often where clocks are changed.
fn windows(dice: &mut Dice, may_pass_midnight: bool) -> Vec<Minutes> {
    if !may_pass_midnight && dice.one_in(8) {
        return vec![(0, 1_440)];
    }
    let mut edges: Vec<i32> = (0..2 * dice.below(4))
        .map(|_| if dice.one_in(2) { dice.below(9) as i32 * 30 } else { dice.below(1_440) as i32 })
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let mut windows: Vec<Minutes> = edges.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    if may_pass_midnight {
        windows.retain(|(open, close)| *open >= 360 && *close < 1_320);
        windows.push((1_320, 1_440 + 1 + dice.below(359) as i32));
    }
    windows
}

fn on_the_minute(second: i64) -> i64 {
    second - second.rem_euclid(60)
}

/// G21
#[test]
fn measuring_agrees_with_stepping_minutes_in_every_zone() {
    let zones = zones();
    assert!(zones.len() > 300, "this machine has no time zone database");
    for case in 0..Dice::cases(600) {
        let mut dice = Dice::new(case);
        let name = &zones[case as usize % zones.len()];
        let zone = TimeZone::get(name).unwrap();
        let moment = dice.moment(&zone);
        let day = zone.to_datetime(Timestamp::from_second(moment).unwrap()).date();
        let plan = Plan::draw(&mut dice, name, day);
        let calendar = calendar(&plan.toml());
        let longest = if dice.one_in(10) { 13 } else { 3 };
        let days = 1 + dice.below(longest) as i64;
        let from = on_the_minute(moment - dice.below(days as u64 * 86_400) as i64);
        let to = from + on_the_minute(dice.below(days as u64 * 86_400) as i64 + 3_600);
        let (start, end) = (Timestamp::from_second(from).unwrap(), Timestamp::from_second(to).unwrap());
        let seconds = calendar.seconds_between(start, end);
        assert_eq!(seconds, plan.seconds(&zone, from, to), "case {case}: {start} .. {end}\n{}", plan.toml());
        adding_inverts_measuring(&mut dice, &calendar, start, seconds);
    }
    let (cases, zones) = (Dice::cases(600), zones.len());
    measured("G21.hours", &format!("{cases} stretches of business hours in {zones} zones: 0 mismatches"));
}

/// The earliest instant: there it is measured, and a second earlier one second less.
fn adding_inverts_measuring(dice: &mut Dice, calendar: &Calendar, start: Timestamp, most: i64) {
    for seconds in [1, most, 1 + dice.below(most.max(1) as u64) as i64] {
        if seconds > most {
            continue;
        }
        if seconds > 0 {
            let reached = calendar.add_seconds(start, seconds).unwrap();
            let before = Timestamp::from_second(reached.as_second() - 1).unwrap();
            assert_eq!(calendar.seconds_between(start, reached), seconds);
            assert_eq!(calendar.seconds_between(start, before), seconds - 1);
        }
    }
}

#[test]
fn every_transition_of_every_zone_is_measured_like_the_wall_clock() {
    let week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let hours = "[\"00:00-00:30\", \"01:15-02:15\", \"02:30-03:10\", \"22:30-23:45\"]";
    let windows = [(0, 30), (75, 135), (150, 190), (1_350, 1_425)];
    let (from, until) =
        (Timestamp::from_second(YEARS.start).unwrap(), Timestamp::from_second(YEARS.end).unwrap());
    let long_run = Dice::cases(0) > 10_000;
    for name in zones() {
        let zone = TimeZone::get(name).unwrap();
        let days: String = week.iter().map(|day| format!("{day} = {hours}\n")).collect();
        let calendar = calendar(&format!("zone = \"{name}\"\n[week]\n{days}"));
        let plan = Plan {
            zone: name.to_string(),
            week: std::array::from_fn(|_| windows.to_vec()),
            holidays: Vec::new(),
            exceptions: Vec::new(),
        };
        let all = zone.following(from).map(|transition| transition.timestamp()).take_while(|at| *at < until);
        let checked: Vec<Timestamp> = if long_run { all.collect() } else { all.take(2).collect() };
        for transition in checked {
            let (start, end) = (transition.as_second() - 10_800, transition.as_second() + 10_800);
            let (a, b) = (Timestamp::from_second(start).unwrap(), Timestamp::from_second(end).unwrap());
            assert_eq!(
                calendar.seconds_between(a, b),
                plan.seconds(&zone, start, end),
                "{name} at {transition}"
            );
        }
    }
}
