//! Mistakes in calendars: each is refused with its place and a remedy.

use super::*;
use crate::problem::Problem;

fn problems(text: &str, ics: &[PolicyFile]) -> Vec<Problem> {
    let file = file("policy/calendars.toml", text);
    let docs = parsed(text);
    Calendars::compile(&[Section { file: &file, calendars: &docs }], ics).expect_err(text)
}

const WEEK: &str = "[calendars.a.week]\nmon = [\"09:00-17:00\"]";

#[test]
fn each_mistake_has_a_place_and_a_remedy() {
    let table: [(&str, u32, &str, &str); 15] = [
        ("[calendars.a]\nzone = \"Europe/Berlim\"\nWEEK", 2, "no time zone `Europe/Berlim`", "Europe/Berlin"),
        ("[calendars.a]\nWEEK", 1, "has no time zone", "add zone"),
        ("[calendars.a]\nzone = \"UTC\"", 1, "no working hours", "[week]"),
        (
            "[calendars.a]\nzone = \"UTC\"\n[calendars.a.week]\nmon = [\"09:00-12:00\", \"11:00-13:00\"]",
            4,
            "overlaps",
            "join",
        ),
        (
            "[calendars.a]\nzone = \"UTC\"\n[calendars.a.week]\nmon = \"22:00-06:00\"\ntue = \"05:00-06:00\"",
            5,
            "overlaps",
            "end the one",
        ),
        (
            "[calendars.a]\nzone = \"UTC\"\n[calendars.a.week]\nmon = [\"9-17\"]",
            4,
            "not a window",
            "09:00-17:00",
        ),
        (
            "[calendars.a]\nzone = \"UTC\"\n[calendars.a.week]\nmon = [\"09:00-09:00\"]",
            4,
            "empty",
            "09:00-17:00",
        ),
        (
            "[calendars.a]\nzone = \"UTC\"\nextends = \"b\"\nWEEK\n[calendars.b]\nextends = \"a\"",
            7,
            "calendar `a` extends itself by way of `b`",
            "circle",
        ),
        ("[calendars.a]\nzone = \"UTC\"\nextends = \"a\"\nWEEK", 3, "calendar `a` extends itself", "circle"),
        (
            "[calendars.a]\nzone = \"UTC\"\nextends = \"bace\"\nWEEK\n[calendars.base]\nextends = \"a\"",
            3,
            "no calendar `bace`",
            "`base`",
        ),
        (
            "[calendars.a]\nzone = \"UTC\"\nholidays = [\"2026-02-30\"]\nWEEK",
            3,
            "not a holiday",
            "2026-12-25",
        ),
        (
            "[calendars.a]\nzone = \"UTC\"\nholidays = [\"absent.ics\"]\nWEEK",
            3,
            "no file absent.ics",
            "beside",
        ),
        (
            "[calendars.a]\nzone = \"UTC\"\nholidays = [2026-01-01,\n \"page.ics\"]\nWEEK",
            4,
            "not an iCalendar file",
            "export",
        ),
        (
            "[calendars.a]\nzone = \"UTC\"\nholidays = [\"latin.ics\"]\nWEEK",
            3,
            "holidays from latin.ics: the file is not UTF-8",
            "in UTF-8",
        ),
        (
            "[calendars.a]\nzone = \"UTC\"\nweeks = [{ mon = \"09:00-17:00\" }]\nWEEK",
            1,
            "no `from`",
            "add from",
        ),
    ];
    let latin =
        String::from_utf8_lossy(b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Dreik\xf6nig\r\n").into_owned();
    let ics = [file("policy/page.ics", "<html>not found</html>"), file("policy/latin.ics", &latin)];
    for (text, line, message, remedy) in table {
        let found = problems(&text.replace("WEEK", WEEK), &ics);
        let hit =
            found.iter().find(|problem| problem.message.contains(message) && problem.remedy.contains(remedy));
        let hit = hit.unwrap_or_else(|| panic!("{text}\n{found:#?}"));
        assert_eq!((hit.file.as_str(), hit.line), ("policy/calendars.toml", line), "{text}\n{hit}");
        assert!(hit.column > 0, "{text}");
    }
}

#[test]
fn a_circle_is_told_once_however_many_lead_into_it() {
    let text = "[calendars.d]\nextends = \"c\"\n[calendars.c]\nextends = \"b\"\n[calendars.b]\nextends = \"a\"\n[calendars.a]\nextends = \"c\"";
    let found = problems(text, &[]);
    let told: Vec<(u32, &str)> =
        found.iter().map(|problem| (problem.line, problem.message.as_str())).collect();
    assert_eq!(told, [(6, "calendar `a` extends itself by way of `c`, `b`")]);
}

#[test]
fn broken_ics_files_are_refused_in_time() {
    let event = |lines: &str| {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:x\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    };
    let refused = [
        String::new(),
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n".to_owned(),
        event("SUMMARY:no start"),
        event("DTSTART;VALUE=DATE:00010101"),
        event("DTSTART;TZID=Mars/Olympus:20260101T000000\r\nDTEND;TZID=Mars/Olympus:20260101T010000"),
        event("DTSTART:20260101T000000Z\r\nDTEND:20260101T000001Z\r\nRRULE:FREQ=SECONDLY"),
        "x".repeat(2 << 20),
    ];
    for text in &refused {
        assert!(ics::closed_by(text, &TimeZone::UTC).is_err(), "{}", &text[..text.len().min(200)]);
    }
    let bounded = [
        event("DTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=DAILY"),
        event("DTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=YEARLY;COUNT=4000000000"),
        event("DTSTART;VALUE=DATE:20260101\r\nDTEND;VALUE=DATE:21991231"),
    ];
    for text in &bounded {
        assert!(
            ics::closed_by(text, &TimeZone::UTC).is_ok_and(|closed| closed.days.len() <= 10_000),
            "{text}"
        );
    }
    let never = event("DTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30");
    assert!(ics::closed_by(&never, &TimeZone::UTC).is_err());
}
