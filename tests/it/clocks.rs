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
