//! The vectors of the reference, by number, and what each preset reproduces.

use super::*;

/// A clock with one target in a week of hours, after a preset.
fn in_hours(preset: &str, days: &[(&str, &str)], clock: &str, target: &str) -> PolicySet {
    let week: String = days.iter().map(|(day, hours)| format!("{day} = \"{hours}\"\n")).collect();
    policies(&format!(
        "[calendars.hours]\nzone = \"UTC\"\n[calendars.hours.week]\n{week}\
         [[sla]]\nname = \"a\"\ncalendar = \"hours\"\nlike = \"{preset}\"\n[sla.{clock}]\nany = \"{target}\""
    ))
}

const WORKING_DAYS: [&str; 5] = ["mon", "tue", "wed", "thu", "fri"];

#[test]
fn vector_1_a_day_is_24_working_hours() {
    let set = in_hours("servicenow", &WORKING_DAYS.map(|day| (day, "09:00-17:00")), "resolution", "1d");
    let state = case_of(&["09:00 created"]);
    assert_eq!(read(&set, &state, "resolution", "09:00").due_at, Some(at("wed 17:00")));
}

#[test]
fn vector_7_a_first_response_over_the_weekend() {
    let set = in_hours("zendesk", &WORKING_DAYS.map(|day| (day, "09:00-17:00")), "first_response", "1h");
    let state = case_of(&["fri 16:30 created"]);
    assert_eq!(read(&set, &state, "first_response", "fri 16:30").due_at, Some(at("mon2 09:30")));
}

#[test]
fn vector_8_four_hours_over_the_night() {
    let set = in_hours("zendesk", &WORKING_DAYS.map(|day| (day, "08:00-18:00")), "resolution", "4h");
    let state = case_of(&["16:00 created"]);
    assert_eq!(read(&set, &state, "resolution", "16:00").due_at, Some(at("tue 10:00")));
}

#[test]
fn vector_9_other_hours_each_day() {
    let days = [("mon", "09:00-17:00"), ("tue", "09:00-16:00"), ("thu", "08:00-17:00")];
    let set = in_hours("jira", &days, "resolution", "16h");
    let state = case_of(&["11:00 created"]);
    assert_eq!(read(&set, &state, "resolution", "11:00").due_at, Some(at("thu 11:00")));
}

#[test]
fn vector_2_business_and_actual_time() {
    let set = policies(
        "[calendars.office]\nzone = \"UTC\"\n[calendars.office.week]\nmon = \"08:00-17:00\"\ntue = \"08:00-17:00\"\n\
         wed = \"08:00-17:00\"\nthu = \"08:00-17:00\"\nfri = \"08:00-17:00\"\n\
         [[sla]]\nname = \"a\"\ncalendar = \"office\"\nlike = \"servicenow\"\n[sla.resolution]\nany = \"8h\"\n\
         [sla.agent_work]\nany = \"8h calendar time\"",
    );
    let state = case_of(&["fri 21:00 created"]);
    let business = read(&set, &state, "resolution", "mon2 09:30");
    assert_eq!((business.elapsed_seconds, business.target_seconds), (5_400, Some(8 * HOUR)));
    assert_eq!(business.breached_at, None);
    let actual = read(&set, &state, "agent_work", "mon2 09:30");
    assert_eq!(actual.elapsed_seconds, 60 * HOUR + 1_800);
    assert_eq!(actual.breached_at, Some(at("sat 05:00")));
}

#[test]
fn vector_3_a_due_date_moves_to_the_next_opening_and_a_past_one_is_a_breach_after_a_second() {
    let set = policies(
        "[calendars.office]\nzone = \"UTC\"\n[calendars.office.week]\nwed = \"08:00-16:00\"\nthu = \"08:00-16:00\"\n\
         [[sla]]\nname = \"a\"\ncalendar = \"office\"\nlike = \"servicenow\"\n[sla.resolution]\nany = \"due date\"",
    );
    let mut state = case_of(&["09:00 created", "10:00 status on_hold", "tue 10:00 status open"]);
    state.case.due_at = Some(at("wed 20:30"));
    assert_eq!(read(&set, &state, "resolution", "09:30").due_at, Some(at("thu 08:00")));
    let paused = read(&set, &state, "resolution", "11:00");
    assert_eq!(
        (paused.state, paused.due_at),
        (ClockState::Running, Some(at("thu 08:00"))),
        "pauses do not move it"
    );
    state.case.due_at = Some(at("08:00"));
    let past = read(&set, &state, "resolution", "09:30");
    assert_eq!((past.due_at, past.breached_at), (Some(at("09:00:01")), Some(at("09:00:01"))));
    state.case.due_at = None;
    assert_eq!(read(&set, &state, "resolution", "09:30").target_seconds, None);
}

#[test]
fn vector_4_priority_raised_without_and_with_retroactive_start_and_pause() {
    let state = case_of(&["09:00 created", "09:30 status on_hold", "10:30 status open", "12:00 priority 1"]);
    let table = [("false", "false", "16:00"), ("true", "false", "13:00"), ("true", "true", "14:00")];
    for (start, pause, due) in table {
        let set = like(
            "servicenow",
            &format!(
                "retroactive_start = {start}\nretroactive_pause = {pause}\n[sla.resolution]\np1 = \"4h calendar time\"\np3 = \"24h calendar time\""
            ),
        );
        assert_eq!(read(&set, &state, "resolution", "12:30").due_at, Some(at(due)), "{start} {pause}");
    }
}

#[test]
fn vector_5_each_change_of_priority_is_a_record_of_its_own() {
    let set = like(
        "servicenow",
        "time = \"calendar\"\n[sla.resolution]\np1 = \"4h\"\np2 = \"8h\""
            .replace("time = \"calendar\"\n", "")
            .replace("4h", "4h calendar time")
            .replace("8h", "8h calendar time")
            .as_str(),
    );
    let state = case_of(&["09:00 created", "09:00 priority 1", "10:00 priority 2", "11:00 priority 1"]);
    let all = lives(&set, &state, at("11:30"));
    let seen: Vec<(ClockState, Timestamp, Option<i64>, i64)> = all
        .iter()
        .map(|life| &life.reading)
        .map(|reading| {
            (reading.state.clone(), reading.started_at, reading.target_seconds, reading.elapsed_seconds)
        })
        .collect();
    let cancelled = ClockState::Cancelled;
    let expected = [
        (cancelled.clone(), at("09:00"), None, 0),
        (cancelled.clone(), at("09:00"), Some(4 * HOUR), HOUR),
        (cancelled, at("10:00"), Some(8 * HOUR), HOUR),
        (ClockState::Running, at("11:00"), Some(4 * HOUR), 30 * MINUTE),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn vector_6_reopening_after_the_target_flags_only_if_the_clock_goes_on() {
    let lines = ["09:00 created", "10:30 status resolved", "14:00 status open"];
    let state = case_of(&lines);
    let rest = "[sla.resolution]\nany = \"2h calendar time\"";
    let resumed = read(&like("zendesk", rest), &state, "resolution", "14:45");
    assert_eq!(
        (resumed.cycle, resumed.elapsed_seconds, resumed.breached_at),
        (1, 135 * MINUTE, Some(at("14:30")))
    );
    let anew = read(&like("jira", rest), &state, "resolution", "14:45");
    assert_eq!((anew.cycle, anew.elapsed_seconds, anew.breached_at), (2, 45 * MINUTE, None));
    let ignored = read(&like("salesforce", rest), &state, "resolution", "14:45");
    assert_eq!((ignored.state, ignored.elapsed_seconds), (ClockState::Met, 90 * MINUTE));
    let soon = format!("ignore_within = \"4h\"\n{rest}");
    assert_eq!(read(&like("jira", &soon), &state, "resolution", "14:45").state, ClockState::Met);
    let late = format!("ignore_within = \"3h\"\n{rest}");
    assert_eq!(read(&like("jira", &late), &state, "resolution", "14:45").cycle, 2);
}

#[test]
fn vector_10_the_oldest_unanswered_message_counts_once() {
    let set = like("zendesk", "[sla.next_reply]\nany = \"1h calendar time\"");
    for before in [&["09:00 created"][..], &["10:00 created"], &["09:00 created", "09:10 agent"]] {
        let lines = [before, &["10:00 customer", "10:20 customer", "10:50 agent"]].concat();
        let state = case_of(&lines);
        let replies: Vec<ClockLife> = lives(&set, &state, at("12:00"));
        assert_eq!(replies.len(), 1, "{lines:?}");
        assert_eq!(
            (replies[0].reading.elapsed_seconds, &replies[0].reading.state),
            (50 * MINUTE, &ClockState::Met)
        );
    }
    let twice = case_of(&["09:00 created", "10:00 customer", "10:50 agent", "11:00 customer", "11:05 ours"]);
    let second = read(&set, &twice, "next_reply", "11:30");
    assert_eq!((second.cycle, second.elapsed_seconds, second.state), (2, 30 * MINUTE, ClockState::Running));
}

#[test]
fn vector_11_what_each_metric_leaves_out() {
    let state = case_of(&[
        "09:00 created",
        "09:30 status open",
        "10:00 status pending",
        "12:00 status on_hold",
        "13:00 status open",
        "13:15 status resolved",
    ]);
    let set = like("zendesk", "[sla.agent_work]\n[sla.requester_wait]\n[sla.resolution]");
    let minutes = |clock| read(&set, &state, clock, "15:00").elapsed_seconds / MINUTE;
    assert_eq!((minutes("agent_work"), minutes("requester_wait"), minutes("resolution")), (75, 135, 255));
}

#[test]
fn vector_16_a_target_is_used_up_at_the_exact_second() {
    let set = like("servicenow", "[sla.resolution]\nany = \"30d calendar time\"");
    let state = case_of(&["09:00 created"]);
    let due: Timestamp = "2026-04-01T09:00:00Z".parse().unwrap();
    let early = due.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap();
    let read_at = |now| read_clocks(&set, &state, now).remove(0);
    assert_eq!((read_at(early).due_at, read_at(early).breached_at), (Some(due), None));
    assert_eq!(read_at(due).breached_at, Some(due));
    // A native engine that rounds the percentage to two decimals calls it from 99.995 % on: 129.6 s earlier.
    assert_eq!((30 * 86_400) * 5 / 100_000, 129);
}

#[test]
fn vector_17_resolved_while_paused_keeps_the_pause_out() {
    let set = like("servicenow", "[sla.resolution]\nany = \"2h calendar time\"");
    let state = case_of(&["09:00 created", "10:00 status on_hold", "15:00 status resolved"]);
    let reading = read(&set, &state, "resolution", "16:00");
    assert_eq!((reading.elapsed_seconds, reading.state), (HOUR, ClockState::Met));
    assert_eq!(reading.stopped_at, Some(at("15:00")));
}

#[test]
fn vector_18_raised_after_a_breach_keeps_the_old_verdict_and_judges_from_the_start() {
    let set = like("zendesk", "[sla.resolution]\np1 = \"1h calendar time\"\np3 = \"2h calendar time\"");
    let state = case_of(&["09:00 created", "12:00 priority 1"]);
    let reading = read(&set, &state, "resolution", "12:30");
    assert_eq!((reading.cycle, reading.started_at, reading.due_at), (1, at("09:00"), Some(at("10:00"))));
    assert_eq!(reading.breached_at, Some(at("11:00")), "in breach since the old target, not once more");
    let old = Verdict { until: at("12:00"), target_seconds: Some(2 * HOUR), breached_at: Some(at("11:00")) };
    assert_eq!(reading.verdicts, [old]);
    let lowered = read(
        &set,
        &case_of(&["09:00 created", "09:00 priority 1", "10:30 priority 3"]),
        "resolution",
        "10:45",
    );
    assert_eq!((lowered.breached_at, lowered.due_at), (None, Some(at("11:00"))));
    assert_eq!(lowered.verdicts.last().and_then(|verdict| verdict.breached_at), Some(at("10:00")));
}

#[test]
fn the_stricter_target_wins() {
    let rest = "on_priority_change = \"stricter_wins\"\n[sla.resolution]\np1 = \"1h calendar time\"\np2 = \"4h calendar time\"\np3 = \"2h calendar time\"";
    let set = like("zendesk", rest);
    let table = [("priority 1", "10:00"), ("priority 2", "11:00"), ("priority 5", "11:00")];
    for (change, due) in table {
        let line = format!("09:30 {change}");
        let reading = read(&set, &case_of(&["09:00 created", &line]), "resolution", "09:40");
        assert_eq!(reading.due_at, Some(at(due)), "{change}");
    }
}

#[test]
fn first_response_per_preset() {
    let table: [(&str, &[&str], ClockState, i64); 9] = [
        ("zendesk", &["09:00 created", "09:10 agent"], ClockState::Met, 10),
        ("zendesk", &["09:00 created", "09:10 note", "09:20 status open"], ClockState::Running, 60),
        ("zendesk", &["09:00 created", "09:05 ours", "09:10 customer"], ClockState::Running, 60),
        ("zendesk", &["09:00 opened-by-agent", "09:00 agent", "09:40 agent"], ClockState::Met, 40),
        ("zendesk", &["09:00 created", "09:30 status resolved"], ClockState::Met, 30),
        (
            "zendesk",
            &["09:00 created", "09:30 status resolved", "09:40 status open", "09:50 agent"],
            ClockState::Met,
            40,
        ),
        (
            "zendesk",
            &["09:00 created", "09:30 agent", "09:35 status resolved", "09:40 status open"],
            ClockState::Met,
            30,
        ),
        ("servicenow", &["09:00 created", "09:10 note", "09:20 status open"], ClockState::Met, 20),
        ("jira", &["09:00 created", "09:10 status pending"], ClockState::Running, 60),
    ];
    for (preset, lines, state, minutes) in table {
        let set = like(preset, "[sla.first_response]\nany = \"2h calendar time\"");
        let reading = read(&set, &case_of(lines), "first_response", "10:00");
        assert_eq!((reading.state, reading.elapsed_seconds / MINUTE), (state, minutes), "{preset} {lines:?}");
    }
}

#[test]
fn updates_are_counted_from_our_last_one() {
    let set = like(
        "zendesk",
        "[sla.periodic_update]\nany = \"1h calendar time\"\n[sla.pausable_update]\nany = \"1h calendar time\"",
    );
    let state = case_of(&["09:00 created", "09:30 agent", "09:40 status pending", "10:00 agent"]);
    let periodic = read(&set, &state, "periodic_update", "10:20");
    assert_eq!(
        (periodic.cycle, periodic.elapsed_seconds, periodic.state),
        (2, 20 * MINUTE, ClockState::Running)
    );
    let pausable = read(&set, &state, "pausable_update", "10:20");
    let reason = "waiting for the customer".to_owned();
    assert_eq!((pausable.elapsed_seconds, pausable.state), (0, ClockState::Paused { reason }));
    assert_eq!(pausable.due_at, None, "nothing comes due while paused");
}

#[test]
fn each_team_has_its_own_time_to_own() {
    let set = like("zendesk", "[sla.time_to_own]\nlabel = \"ola\"\nany = \"30m calendar time\"");
    let state = case_of(&[
        "09:00 created",
        "09:20 owner ann",
        "10:00 owner nobody",
        "10:10 team db",
        "10:50 owner bob",
        "11:00 owner carl",
    ]);
    let all: Vec<(Timestamp, i64, ClockState)> = lives(&set, &state, at("12:00"))
        .into_iter()
        .map(|life| (life.reading.started_at, life.reading.elapsed_seconds / MINUTE, life.reading.state))
        .collect();
    let expected = [
        (at("09:00"), 20, ClockState::Met),
        (at("10:00"), 10, ClockState::Cancelled),
        (at("10:10"), 40, ClockState::Missed),
    ];
    assert_eq!(all, expected);
}

#[test]
fn a_merged_case_has_no_clocks_left() {
    let set = like("zendesk", "[sla.resolution]\nany = \"2h calendar time\"");
    let state = case_of(&["09:00 created", "09:30 merged", "10:00 priority 1"]);
    assert_eq!(read(&set, &state, "resolution", "15:00").state, ClockState::Cancelled);
}

#[test]
fn the_second_of_the_target_is_in_time_for_an_act_and_a_breach_for_a_running_clock() {
    let set = like("zendesk", "[sla.first_response]\nany = \"1h calendar time\"");
    let table = [
        ("10:00 agent", ClockState::Met, None),
        ("10:00:01 agent", ClockState::Missed, Some(at("10:00"))),
        ("09:59:59 agent", ClockState::Met, None),
    ];
    for (line, state, breached_at) in table {
        let reading = read(&set, &case_of(&["09:00 created", line]), "first_response", "11:00");
        assert_eq!((reading.state, reading.breached_at), (state, breached_at), "{line}");
    }
    let waiting = case_of(&["09:00 created"]);
    assert_eq!(read(&set, &waiting, "first_response", "09:59:59").breached_at, None);
    assert_eq!(read(&set, &waiting, "first_response", "10:00").breached_at, Some(at("10:00")));
}

#[test]
fn the_end_of_the_next_business_day() {
    let set = policies(
        "[calendars.office]\nzone = \"Europe/Berlin\"\n[calendars.office.week]\nmon = \"09:00-17:00\"\nfri = \"09:00-17:00\"\n\
         [[sla]]\nname = \"a\"\ncalendar = \"office\"\n[sla.resolution]\nany = \"end of next business day\"",
    );
    let reading = read(&set, &case_of(&["09:00 created"]), "resolution", "10:00");
    assert_eq!(reading.due_at, Some(at("fri 16:00")));
    assert_eq!(reading.reaches(reading.target_seconds.unwrap()), Some(at("fri 16:00")));
}

#[test]
fn a_life_tells_every_step() {
    let set = like("servicenow", "[sla.resolution]\nany = \"2h calendar time\"");
    let state =
        case_of(&["09:00 created", "10:00 status on_hold", "11:00 status open", "13:00 status resolved"]);
    let life = lives(&set, &state, at("15:00")).remove(0);
    let steps: Vec<String> = life
        .steps
        .iter()
        .map(|step| {
            format!("{} {:?} {}", &step.at.to_string()[11..16], step.kind, step.elapsed_seconds / MINUTE)
        })
        .collect();
    let expected = [
        "09:00 Attach 0",
        "10:00 Pause { reason: \"on hold\" } 60",
        "11:00 Run 60",
        "12:00 Breach 120",
        "13:00 Stop 180",
    ];
    assert_eq!(steps, expected);
    assert_eq!((life.wall_seconds, life.paused_seconds, life.off_hours_seconds), (4 * HOUR, HOUR, 0));
}
