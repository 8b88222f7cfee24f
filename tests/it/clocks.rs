//! `dutyd sla`, `dutyd calendar` and `dutyd explain --timeline` as scripts and people use them.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn dutyd(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dutyd"));
    command.args(arguments).env_remove("RUST_LOG").env("NO_COLOR", "1").output().expect("dutyd runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(arguments: &[&str]) -> Value {
    let output = dutyd(&[arguments, &["--format", "json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

/// Six incidents of March and six of May, in which P3 has five hours.
fn log(into: &Path) -> String {
    let mut rows = "number,incident_state,sys_mod_count,opened_at,sys_created_at,sys_updated_at,sys_updated_by,priority,made_sla\n"
        .to_owned();
    for (nth, (month, hours)) in
        [3, 5].into_iter().flat_map(|month| [1, 3, 5, 6, 8, 12].map(|hours| (month, hours))).enumerate()
    {
        let opened = format!("7/{month}/2016 09:00");
        for (count, state, hour, made) in
            [(0, "New", 9, true), (1, "Resolved", 9 + hours, true), (2, "Closed", 23, hours <= 5)]
        {
            rows += &format!(
                "INC{nth},{state},{count},{opened},{opened},7/{month}/2016 {hour:02}:00,x,3 - Moderate,{made}\n"
            );
        }
    }
    let path = into.join("log.csv");
    std::fs::write(&path, rows).expect("a log");
    path.display().to_string()
}

#[test]
fn targets_are_fitted_on_earlier_incidents_of_a_log_and_judged_on_later_ones() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = log(dir.path());
    let told = json(&["sla", "fit", "--log", &log]);
    assert_eq!((&told["fitted_on"], &told["judged"]), (&6.into(), &6.into()), "{told:#}");
    let of = &told["calendar_time"]["priorities"][0];
    assert_eq!((&of["priority"], &of["target_seconds"]), (&3.into(), &18_000.into()), "{told:#}");
    assert_eq!((&of["agrees"], &of["agrees_blind"]), (&1.0.into(), &0.5.into()), "{told:#}");
    let page = text(&dutyd(&["sla", "fit", "--log", &log]).stdout);
    assert!(page.contains("  P3   5 h ") && page.contains("100.0 %"), "{page}");
}

#[test]
fn a_log_that_cannot_be_used_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = log(dir.path());
    let wrong = dir.path().join("wrong.csv");
    std::fs::write(&wrong, "number,incident_state\nINC1,New\n").expect("a file");
    let table: [(&[&str], i32, &str); 3] = [
        (&["--log", "/nonexistent.csv"], 74, "there is no log /nonexistent.csv"),
        (&["--log", &wrong.display().to_string()], 1, "line 2 of the log"),
        (&["--log", &log, "--split", "2016-12-01"], 1, "choose a split inside the log"),
    ];
    for (arguments, code, said) in table {
        let output = dutyd(&[&["sla", "fit"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
}

fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

const HOURS: &str = "zone = \"Europe/Berlin\"\nholidays = [2026-03-04]\n[week]\nmon = [\"09:00-12:00\", \"13:00-17:00\"]\n\
                     tue = [\"22:00-06:00\"]\nsun = [\"00:00-24:00\"]\n";

#[test]
fn a_calendar_file_on_its_own_is_asked_in_two_ways_and_they_agree() {
    let dir = tempfile::tempdir().expect("a directory");
    let hours = file(dir.path(), "hours.toml", HOURS);
    let table = [
        ("2026-03-02T09:00:00+01:00", "7h", 25_200, "2026-03-02T17:00:00+01:00"),
        ("2026-03-02T08:00:00Z", "3h", 10_800, "2026-03-02T12:00:00+01:00"),
        ("2026-03-03T12:00:00+09:00", "90m", 5_400, "2026-03-03T23:30:00+01:00"),
        // The part after midnight falls on a holiday.
        ("2026-03-03T22:00:00+01:00", "3h", 10_800, "2026-03-08T01:00:00+01:00"),
        // A day of 23 hours, and the next week.
        ("2026-03-29T00:00:00+01:00", "1d", 86_400, "2026-03-30T10:00:00+02:00"),
    ];
    for (from, duration, seconds, to) in table {
        let added = json(&["calendar", "add", &hours, from, duration]);
        assert_eq!(added, serde_json::json!({ "instant": to }), "{from} {duration}");
        let between = json(&["calendar", "between", &hours, from, to]);
        assert_eq!(between, serde_json::json!({ "business_seconds": seconds }), "{from} {to}");
    }
}

#[test]
fn a_question_that_cannot_be_answered_says_what_to_write() {
    let dir = tempfile::tempdir().expect("a directory");
    let hours = file(dir.path(), "hours.toml", HOURS);
    let latin = dir.path().join("latin.ics");
    std::fs::write(&latin, b"BEGIN:VCALENDAR\r\nSUMMARY:Dreik\xf6nig\r\nEND:VCALENDAR\r\n").expect("a file");
    let with_latin = file(dir.path(), "latin.toml", &HOURS.replace("2026-03-04", "\"latin.ics\""));
    let list = file(dir.path(), "list.json", "[{ \"at\": \"2026-03-02T09:00:00Z\", \"what\": \"created\" }]");
    let local = file(
        dir.path(),
        "local.json",
        "{ \"events\": [{ \"at\": \"2026-03-02T09:00:00\", \"what\": \"created\" }] }",
    );
    let at = "2026-03-02T09:00:00Z";
    let table: [(&[&str], &str); 7] = [
        (&["calendar", "add", &hours, "2026-03-02T09:00:00", "1h"], "write date, time and offset"),
        (&["calendar", "add", &hours, at, "8"], "write 90m, 8h or 2d"),
        (
            &["calendar", "between", &with_latin, at, at],
            "latin.toml:2:13: holidays from latin.ics: the file is not UTF-8",
        ),
        (&["calendar", "between", "/nonexistent.toml", at, at], "cannot read /nonexistent.toml"),
        (&["explain", "--timeline", &list], "this is a list; write {\"case\""),
        (&["explain", "--timeline", &local], "instants have an offset"),
        (&["explain", "--timeline", &list, "--at", "yesterday"], "write date, time and offset"),
    ];
    for (arguments, said) in table {
        let output = dutyd(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_timeline_is_told_as_of_any_instant() {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = "[calendars.c]\nzone = \"Europe/Berlin\"\n[calendars.c.week]\nmon = \"09:00-17:00\"\ntue = \"09:00-17:00\"\n\
                  [[sla]]\nname = \"a\"\ncalendar = \"c\"\n[sla.resolution]\nany = \"8h\"\n\
                  pauses = [{ status = [\"pending\"], reason = \"waiting\" }]\n";
    let rules = tempfile::tempdir().expect("a directory");
    file(rules.path(), "p.toml", policy);
    let policy = rules.path().display().to_string();
    let timeline = file(
        dir.path(),
        "t.json",
        r#"{ "events": [
            { "at": "2026-03-02T16:00:00Z", "what": "status", "to": "resolved" },
            { "at": "2026-03-02T09:00:00+01:00", "what": "created" },
            { "at": "2026-03-02T19:00:00+09:00", "what": "status", "to": "pending" },
            { "at": "2026-03-02T12:00:00+01:00", "what": "status", "to": "open" } ] }"#,
    );
    let table = [
        ("2026-03-02T08:30:00Z", "running", 1_800, 0),
        ("2026-03-02T11:30:00+01:00", "paused", 7_200, 1_800),
        ("2026-03-02T13:00:00+01:00", "running", 10_800, 3_600),
        ("2026-03-09T13:00:00+01:00", "met", 7 * 3_600, 3_600),
    ];
    for (at, state, elapsed, paused) in table {
        let told = json(&["explain", "--timeline", &timeline, "--policy", &policy, "--at", at]);
        let clock = &told["clocks"][0];
        let seen = (&clock["state"], &clock["elapsed_seconds"], &clock["paused_seconds"]);
        assert_eq!(seen, (&state.into(), &elapsed.into(), &paused.into()), "{at} {clock:#}");
    }
    let page = text(
        &dutyd(&["explain", "--timeline", &timeline, "--policy", &policy, "--at", "2026-03-01T09:00:00Z"])
            .stdout,
    );
    assert!(page.contains("The case was opened later: Mon 2026-03-02 08:00:00 UTC."), "{page}");
}
