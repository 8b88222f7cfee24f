//! Calendars against vectors, against a naive oracle that steps minutes, and against mistakes.

use super::*;
use crate::policy::PolicyFile;
use std::collections::BTreeMap;
use std::sync::Arc;

mod bad;
pub(crate) mod oracle;

fn file(name: &str, text: &str) -> PolicyFile {
    PolicyFile { name: name.to_owned(), text: text.to_owned() }
}

pub(super) fn calendar(text: &str) -> Arc<Calendar> {
    compile_one(&file("test.toml", text), &[]).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"))
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A calendar with the same hours from Monday to Friday.
fn office(zone: &str, hours: &str) -> Arc<Calendar> {
    let days: Vec<String> =
        ["mon", "tue", "wed", "thu", "fri"].iter().map(|day| format!("{day} = [{hours}]")).collect();
    calendar(&format!("zone = \"{zone}\"\n[week]\n{}", days.join("\n")))
}

fn always(zone: &str) -> Arc<Calendar> {
    let days: Vec<String> = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        .iter()
        .map(|day| format!("{day} = \"00:00-24:00\""))
        .collect();
    calendar(&format!("zone = \"{zone}\"\n[week]\n{}", days.join("\n")))
}

const HOUR: i64 = 3_600;

#[test]
fn vector_14_four_hours_over_a_change_of_clocks() {
    let berlin = always("Europe/Berlin");
    let table = [
        ("2026-03-29T00:30:00+01:00", "2026-03-29T05:30:00+02:00"),
        ("2026-10-25T00:30:00+02:00", "2026-10-25T03:30:00+01:00"),
    ];
    for (from, expected) in table {
        assert_eq!(berlin.add_seconds(at(from), 4 * HOUR), Some(at(expected)), "{from}");
    }
}

#[test]
fn vector_15_an_hour_that_the_clock_skips_is_not_worked() {
    let night = calendar("zone = \"Europe/Berlin\"\n[week]\nsun = \"00:00-06:00\"");
    let (from, to) = (at("2026-03-29T00:00:00+01:00"), at("2026-03-29T12:00:00+02:00"));
    assert_eq!(night.seconds_between(from, to), 5 * HOUR);
}

#[test]
fn adding_reaches_the_earliest_instant() {
    let nine = office("UTC", "\"09:00-17:00\"");
    // 2026-03-02 is a Monday.
    let table: [(&str, &Calendar, &str, i64, &str); 6] = [
        (
            "the earliest instant is closing time",
            &nine,
            "2026-03-02T09:00:00Z",
            8 * HOUR,
            "2026-03-02T17:00:00Z",
        ),
        (
            "one second more is the next day",
            &nine,
            "2026-03-02T09:00:00Z",
            8 * HOUR + 1,
            "2026-03-03T09:00:01Z",
        ),
        ("from closing time", &nine, "2026-03-02T17:00:00Z", 1, "2026-03-03T09:00:01Z"),
        ("nothing is the start itself", &nine, "2026-03-07T12:00:00Z", 0, "2026-03-07T12:00:00Z"),
        ("from a night", &nine, "2026-03-02T03:00:00Z", HOUR, "2026-03-02T10:00:00Z"),
        ("a whole week", &nine, "2026-03-02T09:00:00Z", 40 * HOUR, "2026-03-06T17:00:00Z"),
    ];
    for (name, calendar, from, seconds, expected) in table {
        assert_eq!(calendar.add_seconds(at(from), seconds), Some(at(expected)), "{name}");
    }
}

#[test]
fn measuring_counts_what_the_wall_clock_shows_inside_a_window() {
    let eight = office("UTC", "\"08:00-17:00\"");
    let night = calendar("zone = \"Europe/Berlin\"\n[week]\nsun = \"00:00-06:00\"");
    let open = always("Europe/Berlin");
    let shift = calendar("zone = \"UTC\"\n[week]\nmon = \"22:00-06:00\"");
    let lord_howe = always("Australia/Lord_Howe");
    let samoa = always("Pacific/Apia");
    let gap = calendar("zone = \"Europe/Berlin\"\n[week]\nsun = \"02:30-04:00\"");
    let fold = calendar("zone = \"Europe/Berlin\"\n[week]\nsun = \"01:00-02:30\"");
    let table: [(&str, &Calendar, &str, &str, i64); 12] = [
        (
            "a repeated hour is worked twice",
            &night,
            "2026-10-25T00:00:00+02:00",
            "2026-10-25T12:00:00+01:00",
            7 * HOUR,
        ),
        ("a day of 25 hours", &open, "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00", 25 * HOUR),
        ("a day of 23 hours", &open, "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", 23 * HOUR),
        ("over midnight", &shift, "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z", 8 * HOUR),
        ("over midnight, the tail", &shift, "2026-03-03T05:00:00Z", "2026-03-03T08:00:00Z", HOUR),
        ("backwards is nothing", &open, "2026-03-03T05:00:00Z", "2026-03-02T08:00:00Z", 0),
        ("an opening inside the gap", &gap, "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z", HOUR),
        ("a closing inside the fold", &fold, "2026-10-24T20:00:00Z", "2026-10-25T12:00:00Z", 2 * HOUR),
        (
            "Lord Howe, half an hour more",
            &lord_howe,
            "2026-04-05T00:00:00+11:00",
            "2026-04-06T00:00:00+10:30",
            88_200,
        ),
        (
            "Samoa, a day that was not",
            &samoa,
            "2011-12-29T00:00:00-10:00",
            "2012-01-01T00:00:00+14:00",
            48 * HOUR,
        ),
        ("closing time does not count", &eight, "2026-03-06T17:00:00Z", "2026-03-06T17:00:01Z", 0),
        ("the second before does", &eight, "2026-03-06T16:59:59Z", "2026-03-06T17:00:00Z", 1),
    ];
    for (name, calendar, from, to, expected) in table {
        assert_eq!(calendar.seconds_between(at(from), at(to)), expected, "{name}");
    }
}

#[test]
fn vector_3_a_due_date_outside_the_hours_moves_to_the_next_opening() {
    let schedule = office("UTC", "\"08:00-16:00\"");
    let table = [
        ("2026-03-04T20:30:00Z", "2026-03-05T08:00:00Z"),
        ("2026-03-04T16:00:00Z", "2026-03-04T16:00:00Z"),
        ("2026-03-04T12:00:00Z", "2026-03-04T12:00:00Z"),
        ("2026-03-06T18:00:00Z", "2026-03-09T08:00:00Z"),
    ];
    for (due, expected) in table {
        assert_eq!(schedule.within_hours(at(due)), Some(at(expected)), "{due}");
    }
}

#[test]
fn vector_12_business_minutes_add_up_per_calendar_in_use() {
    // The ticket's own schedules are not published; what is shown is that each stretch counts in its own calendar.
    let (first, second) = (office("UTC", "\"09:00-17:00\""), office("UTC", "\"12:00-20:00\""));
    let (start, switch, end) = ("2026-03-02T09:00:00Z", "2026-03-02T15:00:00Z", "2026-03-02T20:00:00Z");
    let cumulative =
        first.seconds_between(at(start), at(switch)) + second.seconds_between(at(switch), at(end));
    assert_eq!(cumulative, 11 * HOUR);
    assert_eq!(second.seconds_between(at(start), at(end)), 8 * HOUR);
}

#[test]
fn the_strongest_statement_about_a_day_decides_it() {
    let text = r#"
        [calendars.base]
        zone = "UTC"
        holidays = [2026-03-03, "12-25", "2026-03-05"]
        [calendars.base.week]
        mon = ["09:00-12:00", "13:00-17:00"]
        tue = "09:00-17:00"
        wed = "22:00-06:00"
        thu = "22:00-02:00"
        fri = ["09:00-17:00"]
        [calendars.base.exceptions]
        2026-03-07 = ["10:00-14:00"]
        "2026-03-05" = "08:00-09:00"

        [calendars.late]
        extends = "base"
        holidays = "2026-03-06"
        exceptions = { "2026-03-07" = [] }
        weeks = [{ from = 2026-03-09, mon = "12:00-20:00" }]
        week = { mon = "09:00-17:00" }
    "#;
    let doc: CalendarFileDoc = toml::from_str(text).unwrap();
    let file = file("policy/calendars.toml", text);
    let compiled = Calendars::compile(&[Section { file: &file, calendars: &doc.calendars }], &[]).unwrap();
    let open = |name: &str, day: &str| {
        let calendar = compiled.get(name).unwrap();
        let stretches = calendar.open_on(day.parse().unwrap());
        let hours = |at: &Timestamp| at.to_string()[11..16].to_owned();
        stretches
            .iter()
            .map(|(open, close)| format!("{}-{}", hours(open), hours(close)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let table = [
        ("base", "2026-03-02", "09:00-12:00 13:00-17:00"),
        ("base", "2026-03-03", ""),
        ("base", "2026-03-04", "22:00-00:00"),
        ("base", "2026-03-05", "08:00-09:00"),
        ("base", "2026-03-06", "00:00-02:00 09:00-17:00"),
        ("base", "2026-03-07", "10:00-14:00"),
        ("base", "2026-12-25", ""),
        ("base", "2026-03-12", "00:00-06:00 22:00-00:00"),
        ("late", "2026-03-02", "09:00-17:00"),
        ("late", "2026-03-06", ""),
        ("late", "2026-03-07", ""),
        ("late", "2026-03-09", "12:00-20:00"),
        ("late", "2026-12-25", ""),
    ];
    for (name, day, expected) in table {
        assert_eq!(open(name, day), expected, "{name} on {day}");
    }
}

#[test]
fn the_end_of_a_business_day() {
    let calendar = office("Europe/Berlin", "\"09:00-17:00\"");
    let table = [
        ("2026-03-04T10:00:00+01:00", 0, "2026-03-04T17:00:00+01:00"),
        ("2026-03-04T17:00:00+01:00", 0, "2026-03-05T17:00:00+01:00"),
        ("2026-03-07T10:00:00+01:00", 0, "2026-03-09T17:00:00+01:00"),
        ("2026-03-04T10:00:00+01:00", 1, "2026-03-05T17:00:00+01:00"),
        ("2026-03-06T23:00:00+01:00", 1, "2026-03-09T17:00:00+01:00"),
        ("2026-03-07T10:00:00+01:00", 1, "2026-03-09T17:00:00+01:00"),
        ("2026-03-27T10:00:00+01:00", 2, "2026-03-31T17:00:00+02:00"),
    ];
    for (from, nth, expected) in table {
        assert_eq!(calendar.end_of_day(at(from), nth), Some(at(expected)), "{from} + {nth}");
    }
}

#[test]
fn ics_files_close_days_and_hours() {
    let ics = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t\r\n\
        BEGIN:VEVENT\r\nUID:a\r\nDTSTART;VALUE=DATE:20200101\r\nDTEND;VALUE=DATE:20200102\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:New Year\r\nEND:VEVENT\r\n\
        BEGIN:VEVENT\r\nUID:b\r\nDTSTART;VALUE=DATE:20261224\r\nDTEND;VALUE=DATE:20261227\r\nEND:VEVENT\r\n\
        BEGIN:VEVENT\r\nUID:c\r\nDTSTART;VALUE=DATE:20200907\r\nRRULE:FREQ=YEARLY;BYMONTH=9;BYDAY=1MO\r\nEXDATE;VALUE=DATE:20270906\r\nEND:VEVENT\r\n\
        BEGIN:VEVENT\r\nUID:d\r\nDTSTART;TZID=Europe/Berlin:20260302T120000\r\nDTEND;TZID=Europe/Berlin:20260302T140000\r\nRRULE:FREQ=WEEKLY;COUNT=2\r\nEND:VEVENT\r\n\
        BEGIN:VEVENT\r\nUID:e\r\nDTSTART;VALUE=DATE:20260303\r\nSTATUS:CANCELLED\r\nEND:VEVENT\r\n\
        END:VCALENDAR\r\n";
    let text = "zone = \"UTC\"\nholidays = [\"feast.ics\", 2026-03-04]\n[week]\nmon = [\"09:00-17:00\"]\n\
                tue = \"09:00-17:00\"\nwed = \"09:00-17:00\"\nthu = \"09:00-17:00\"\nfri = \"09:00-17:00\"";
    let calendar = compile_one(&file("p/cal.toml", text), &[file("p/feast.ics", ics)]).unwrap();
    let worked = |day: &str| {
        let stretches = calendar.open_on(day.parse().unwrap());
        stretches.iter().map(|(open, close)| close.as_second() - open.as_second()).sum::<i64>() / HOUR
    };
    let table = [
        ("2026-01-01", 0),
        ("2030-01-01", 0),
        ("2019-01-01", 8),
        ("2026-12-24", 0),
        ("2026-12-25", 0),
        ("2026-12-28", 8),
        ("2026-09-07", 0),
        ("2027-09-06", 8),
        ("2028-09-04", 0),
        ("2026-03-02", 6),
        ("2026-03-09", 6),
        ("2026-03-16", 8),
        ("2026-03-03", 8),
        ("2026-03-04", 0),
    ];
    for (day, hours) in table {
        assert_eq!(worked(day), hours, "{day}");
    }
}

#[test]
fn no_input_hangs_or_panics() {
    let never_again =
        calendar("zone = \"UTC\"\nweeks = [{ from = 2027-01-01 }]\n[week]\nmon = \"09:00-10:00\"");
    let late = at("2026-12-31T00:00:00Z");
    assert_eq!(never_again.add_seconds(late, 1), None);
    assert_eq!(never_again.next_open(late), None);
    assert_eq!(never_again.end_of_day(late, 1), None);
    let open = always("Europe/Berlin");
    for calendar in [&*never_again, &*open, &Calendar::round_the_clock()] {
        assert!(calendar.seconds_between(Timestamp::MIN, Timestamp::MAX) > 0);
        assert_eq!(calendar.seconds_between(Timestamp::MAX, Timestamp::MIN), 0);
        for seconds in [i64::MIN, -1, 0, 1, i64::MAX] {
            let _ = calendar.add_seconds(Timestamp::MAX, seconds);
            let _ = calendar.add_seconds(Timestamp::MIN, seconds);
        }
        let _ = calendar.next_open(Timestamp::MIN);
        let _ = calendar.within_hours(Timestamp::MIN);
        let _ = calendar.end_of_day(Timestamp::MAX, 3);
    }
    assert_eq!(open.add_seconds(late, i64::MAX), None);
}

#[test]
fn a_calendar_is_told_by_what_it_measures() {
    let one = office("UTC", "\"09:00-17:00\"");
    assert_eq!(one.id, office("UTC", "\"09:00-17:00\"").id);
    assert_ne!(one.id, office("Europe/Berlin", "\"09:00-17:00\"").id);
    assert_ne!(one.id, office("UTC", "\"09:00-16:00\"").id);
}

#[test]
fn durations_as_people_write_them() {
    let good = [
        ("90m", 5_400),
        ("8h", 28_800),
        ("2d", 172_800),
        ("1h30m", 5_400),
        ("1h 30m", 5_400),
        ("45s", 45),
        ("1w", 604_800),
        ("0m", 0),
    ];
    for (text, seconds) in good {
        assert_eq!(parse_duration(text), Ok(seconds), "{text}");
    }
    for text in ["", "8", "h", "-1h", "1.5h", "30m1h", "8x", "99999d", "99999999999999999999d", "1h1h"] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
    let shown = [
        (0, "0 s"),
        (59, "59 s"),
        (18_720, "5 h 12 min"),
        (-2_880, "-48 min"),
        (86_400, "24 h"),
        (90, "1 min 30 s"),
    ];
    for (seconds, text) in shown {
        assert_eq!(format_seconds(seconds), text);
    }
}

/// The documents of one file, for tests of mistakes.
fn parsed(text: &str) -> BTreeMap<String, toml::Spanned<CalendarDoc>> {
    toml::from_str::<CalendarFileDoc>(text).unwrap_or_else(|error| panic!("{text}\n{error}")).calendars
}
