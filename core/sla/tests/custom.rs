//! Clocks with conditions of their own, and entries chosen by condition.

use super::*;

fn clock(rest: &str) -> PolicySet {
    policies(&format!("[clocks.c]\n{rest}"))
}

fn told(set: &PolicySet, lines: &[&str], now: &str) -> Vec<String> {
    let shown = |life: &ClockLife| {
        let state = match &life.reading.state {
            ClockState::Paused { .. } => "paused".to_owned(),
            state => format!("{state:?}").to_lowercase(),
        };
        format!(
            "{} {state} {}",
            &life.reading.started_at.to_string()[11..16],
            life.reading.elapsed_seconds / MINUTE
        )
    };
    lives(set, &case_of(lines), at(now)).iter().map(shown).collect()
}

#[test]
fn vector_13_a_sequential_clock_waits_for_the_end_of_the_target_it_met() {
    let rest = "start = 'case.open'\nstop = 'event.type == \"replied\" && event.actor == \"agent\"'\ntarget = { any = \"1h calendar time\" }\n";
    let lines = ["12:00 created", "12:20 agent"];
    let table = [
        ("none", vec!["12:00 met 20"]),
        ("independent", vec!["12:00 met 20", "12:20 running 70"]),
        ("sequential", vec!["12:00 met 20", "13:00 running 30"]),
    ];
    for (recurrence, expected) in table {
        let set = clock(&format!("{rest}recurrence = \"{recurrence}\""));
        assert_eq!(told(&set, &lines, "13:30"), expected, "{recurrence}");
    }
    let late = clock(&format!("{rest}recurrence = \"sequential\""));
    assert_eq!(
        told(&late, &["12:00 created", "13:20 agent"], "13:30"),
        ["12:00 missed 80", "13:20 running 10"]
    );
}

#[test]
fn the_conditions_of_a_definition_in_order() {
    let table: [(&str, &str, &[&str], &[&str]); 8] = [
        (
            "start within stop never attaches",
            "start = 'case.priority == 1'\nstop = 'case.priority <= 2'",
            &["09:00 created", "10:00 priority 1"],
            &[],
        ),
        (
            "pause within start attaches paused",
            "start = 'case.open'\npause = 'case.status == \"new\"'",
            &["09:00 created", "10:00 status open"],
            &["09:00 running 60"],
        ),
        (
            "start and pause exclude each other: cancelled",
            "start = 'case.status == \"new\"'\npause = 'case.status == \"on_hold\"'\ncancel_without_start = true",
            &["09:00 created", "10:00 status on_hold"],
            &["09:00 cancelled 60"],
        ),
        (
            "a resume condition keeps the pause until it holds",
            "start = 'case.open'\npause = 'case.status == \"on_hold\"'\nresume = 'event.type == \"replied\"'\nstop = 'case.status == \"resolved\"'",
            &[
                "09:00 created",
                "09:30 status on_hold",
                "10:00 status open",
                "10:30 agent",
                "10:45 status resolved",
            ],
            &["09:00 met 45"],
        ),
        (
            "reset begins anew",
            "start = 'case.open'\nreset = 'event.type == \"team_changed\"'",
            &["09:00 created", "10:00 team db"],
            &["09:00 cancelled 60", "10:00 running 60"],
        ),
        (
            "a cancel condition",
            "start = 'case.open'\ncancel = 'case.priority == 4'\nrecurrence = \"none\"",
            &["09:00 created", "10:00 priority 4"],
            &["09:00 cancelled 60"],
        ),
        (
            "it matches again at a later event",
            "start = 'case.status == \"on_hold\"'\nstop = 'case.status != \"on_hold\"'",
            &["09:00 created", "09:10 status on_hold", "09:30 status open", "10:00 status on_hold"],
            &["09:10 met 20", "10:00 running 60"],
        ),
        (
            "a condition that cannot tell does nothing",
            "start = 'case.tier == \"gold\" || case.open'\nstop = 'case.status == \"closed\"'",
            &["09:00 created"],
            &["09:00 running 120"],
        ),
    ];
    for (name, rest, lines, expected) in table {
        assert_eq!(told(&clock(rest), lines, "11:00"), expected, "{name}");
    }
}

#[test]
fn a_custom_clock_that_begins_late_counts_back_if_told_to() {
    let rest = "start = 'case.priority == 1'\npause = 'case.status == \"on_hold\"'\n";
    let lines = ["09:00 created", "09:30 status on_hold", "10:30 status open", "12:00 priority 1"];
    let table = [
        ("false", "false", "12:00 running 60"),
        ("true", "false", "09:00 running 240"),
        ("true", "true", "09:00 running 180"),
    ];
    for (start, pause, expected) in table {
        let target = format!(
            "target = {{ any = \"4h calendar time\", retroactive_start = {start}, retroactive_pause = {pause} }}"
        );
        assert_eq!(told(&clock(&format!("{rest}{target}")), &lines, "13:00"), [expected], "{start} {pause}");
    }
}

#[test]
fn the_first_entry_that_holds_at_the_moment_gives_the_target() {
    let set = policies(
        "[[sla]]\nname = \"db\"\nwhen = 'case.team == \"db\"'\n[sla.resolution]\nany = \"1h calendar time\"\n\
         [[sla]]\nname = \"urgent\"\nwhen = 'case.urgent'\n[sla.resolution]\nany = \"2h calendar time\"\n\
         [[sla]]\nname = \"rest\"\n[sla.resolution]\nany = \"8h calendar time\"\n[sla.first_response]\nany = \"1h calendar time\"",
    );
    let state = case_of(&["09:00 created", "10:00 priority 2", "10:30 team db", "10:40 priority 3"]);
    let table = [
        ("09:30", "rest", "17:00"),
        ("10:10", "urgent", "11:00"),
        ("10:35", "db", "10:00"),
        ("10:50", "db", "10:00"),
    ];
    for (now, sla, due) in table {
        let reading = read(&set, &state, "resolution", now);
        assert_eq!((&*reading.sla, reading.due_at), (sla, Some(at(due))), "{now}");
        assert_eq!(&*read(&set, &state, "first_response", now).sla, "rest");
    }
    assert_eq!(read(&set, &state, "resolution", "10:50").breached_at, Some(at("10:30")));
}

#[test]
fn a_case_that_leaves_all_entries_has_its_clock_cancelled() {
    let set = policies(
        "[[sla]]\nname = \"a\"\nwhen = 'case.priority == 3'\n[sla.resolution]\nany = \"4h calendar time\"",
    );
    let reading = read(&set, &case_of(&["09:00 created", "10:00 priority 1"]), "resolution", "11:00");
    assert_eq!((reading.state, reading.elapsed_seconds), (ClockState::Cancelled, HOUR));
}

#[test]
fn another_calendar_counts_again_or_from_then_on() {
    let calendars = "[calendars.early]\nzone = \"UTC\"\n[calendars.early.week]\nmon = \"08:00-12:00\"\n\
                     [calendars.late]\nzone = \"UTC\"\n[calendars.late.week]\nmon = \"10:00-20:00\"\n";
    let state = case_of(&["08:00 created", "11:00 team db"]);
    for (change, minutes) in [("last", 120), ("sum", 240)] {
        let set = policies(&format!(
            "{calendars}[[sla]]\nname = \"a\"\ncalendar = \"early\"\ncalendar_change = \"{change}\"\n\
             [sla.resolution]\nany = \"8h\"\n[sla.agent_work]\ncalendar = \"early\"\nany = \"8h\"\n[teams.db]\ncalendar = \"late\""
        ));
        let reading = read(&set, &state, "resolution", "12:00");
        assert_eq!(reading.elapsed_seconds / MINUTE, minutes, "{change}");
        let own = read(&set, &state, "agent_work", "12:00");
        assert_eq!(own.elapsed_seconds / MINUTE, 240, "a clock's own calendar stays");
    }
}

#[test]
fn a_customers_hours_are_stronger_than_the_teams_and_the_entrys() {
    let week = |name: &str, hours: &str| {
        format!("[calendars.{name}]\nzone = \"UTC\"\n[calendars.{name}.week]\nmon = \"{hours}\"\n")
    };
    let calendars = week("a", "08:00-09:00") + &week("b", "08:00-10:00") + &week("c", "08:00-11:00");
    let rest = "[[sla]]\nname = \"a\"\ncalendar = \"a\"\n[sla.resolution]\nany = \"8h\"\n[teams.desk]\ncalendar = \"b\"\n\
                [customers.ACME]\naliases = [{ source = \"*\", id = \"7\" }]\ncalendar = \"c\"\n";
    let set = policies(&format!("{calendars}{rest}"));
    let mut state = case_of(&["08:00 created"]);
    let hours = |state: &CaseState| read(&set, state, "resolution", "12:00").elapsed_seconds / HOUR;
    assert_eq!(hours(&state), 2);
    state.case.customer = Some(Party { id: "7".to_owned(), name: "Acme Corporation".to_owned() });
    assert_eq!(hours(&state), 3);
    (state.case.customer, state.case.team) = (None, None);
    assert_eq!(hours(&state), 1);
}

#[test]
fn a_pause_may_have_a_condition_and_says_why() {
    let set = policies(
        "[[sla]]\nname = \"a\"\n[sla.resolution]\nany = \"4h calendar time\"\n\
         pauses = [{ when = 'case.team == \"vendor\"', reason = \"with the vendor\" }]",
    );
    let reading = read(&set, &case_of(&["09:00 created", "10:00 team vendor"]), "resolution", "12:00");
    assert_eq!(reading.state, ClockState::Paused { reason: "with the vendor".to_owned() });
    assert_eq!(reading.elapsed_seconds, HOUR);
}
