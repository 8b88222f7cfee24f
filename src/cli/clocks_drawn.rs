//! The lives of clocks for people: how all of them stand in a line each, then each with a picture and a table.

use super::clocks::{Told, ToldClock, ToldStep};
use super::words::line;
use dutyd_core::calendar::format_seconds;
use dutyd_core::sla::Label;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Characters of a picture.
const WIDTH: i64 = 72;
const LEGEND: &str = "█ counted  ▒ still to count  ░ outside the hours  ╌ paused  ! over the target";

/// All clocks of a case.
pub fn drawn(told: &Told) -> String {
    let zone = told.clocks.first().map_or(TimeZone::UTC, |clock| clock.hours.zone());
    let (case, policy) = (line(&told.case, 40), line(&told.policy, 12));
    let mut text =
        format!("{case}, clocks as of {} ({}), policy {policy}\n\n", long(told.at, &zone), utc(told.at));
    if told.clocks.is_empty() && told.at < told.opened_at {
        return text + &format!("The case was opened later: {}.\n", long(told.opened_at, &zone));
    }
    if told.clocks.is_empty() {
        return text + "No clock of the policy applies to this case.\n";
    }
    let summary = told.clocks.iter().map(|clock| summary(clock, &told.clocks)).collect();
    text += &aligned(summary, "  ");
    for clock in &told.clocks {
        text += &format!("\n{}", heading(clock, &told.clocks));
        text += &picture(clock, told.at);
        text += &table(clock);
    }
    text + &format!("\n  {LEGEND}\n")
}

/// The clock's name, numbered if it had several lives.
fn name(clock: &ToldClock, all: &[ToldClock]) -> String {
    let lives = all.iter().filter(|other| other.clock == clock.clock).count();
    if lives > 1 { format!("{} ({})", clock.clock, clock.cycle) } else { clock.clock.clone() }
}

fn summary(clock: &ToldClock, all: &[ToldClock]) -> Vec<String> {
    let due = clock.due_at.filter(|_| clock.state == "running").map(|due| {
        let verb = if clock.breached_at.is_some() { "was due" } else { "due" };
        format!("{verb} {}", long(due, &clock.hours.zone()))
    });
    vec![name(clock, all), standing(clock), used(clock), due.unwrap_or_default()]
}

/// `running, 2 h left`, `missed, 4 h late`, `paused, 27 h left: waiting for the customer`.
fn standing(clock: &ToldClock) -> String {
    let because =
        clock.paused_because.as_ref().map(|because| format!(": {}", line(because, 60))).unwrap_or_default();
    let left = match (clock.state, clock.remaining_seconds) {
        ("met" | "cancelled", _) | (_, None) => String::new(),
        ("missed", Some(left)) => format!(", {} late", format_seconds(-left)),
        (_, Some(left)) => format!(", {}", left_or_over(left)),
    };
    format!("{}{left}{because}", clock.state)
}

fn left_or_over(left: i64) -> String {
    if left < 0 {
        format!("{} over", format_seconds(-left))
    } else {
        format!("{} left", format_seconds(left))
    }
}

fn used(clock: &ToldClock) -> String {
    let used = format_seconds(clock.elapsed_seconds);
    match clock.target_seconds {
        Some(target) => format!("{used} of {}", format_seconds(target)),
        None => format!("{used}, no target"),
    }
}

fn heading(clock: &ToldClock, all: &[ToldClock]) -> String {
    let label = match clock.label {
        Label::Sla => "SLA",
        Label::Ola => "OLA",
        Label::Uc => "UC",
    };
    let parts = [
        (clock.elapsed_seconds, "counted"),
        (clock.paused_seconds, "paused"),
        (clock.off_hours_seconds, "outside the hours"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(seconds, _)| *seconds > 0)
        .map(|(seconds, what)| format!("{} {what}", format_seconds(*seconds)))
        .collect();
    let sum = if parts.is_empty() { String::new() } else { format!(" = {}", parts.join(" + ")) };
    format!(
        "{}   {label} \"{}\", calendar {}, {}\n  {}, {}; {} on the wall{sum}\n",
        name(clock, all),
        line(&clock.sla, 40),
        clock.calendar,
        clock.zone,
        standing(clock),
        used(clock),
        format_seconds(clock.wall_seconds),
    )
}

/// One character per equal part of the time from the start to the end, or to the due time if that is still to come; each
/// as its middle is. Below, when it begins, where now is, and when it ends.
fn picture(clock: &ToldClock, now: Timestamp) -> String {
    let due = clock.due_at.filter(|due| clock.state == "running" && *due > now);
    let last = clock.stopped_at.or(due).unwrap_or(now);
    let start = clock.started_at.as_second();
    let end = last.as_second().max(start + 1);
    let part = |nth: i64| {
        let second = start + (end - start) * (2 * nth + 1) / (2 * WIDTH);
        let Ok(at) = Timestamp::from_second(second) else { return ' ' };
        let step = clock.steps.iter().rfind(|step| step.at <= at && step.what != "breach");
        let is_over = clock.breached_at.is_some_and(|breached| breached <= at);
        match step.map(|step| step.what) {
            Some("pause") => '╌',
            _ if !clock.hours.is_open(at) => '░',
            _ if at > now => '▒',
            _ if is_over => '!',
            _ => '█',
        }
    };
    let bar: String = (0..WIDTH).map(part).collect();
    let zone = clock.hours.zone();
    let (ended, close) = match (clock.stopped_at, due) {
        (Some(_), _) => (short(last, &zone), '|'),
        (None, Some(_)) => (format!("due {}", short(last, &zone)), '|'),
        (None, None) => (format!("now {}", short(last, &zone)), '>'),
    };
    let begun = short(clock.started_at, &zone);
    let mut below = vec![' '; WIDTH as usize + 2];
    write(&mut below, 0, &begun);
    let right = below.len().saturating_sub(ended.chars().count());
    write(&mut below, right, &ended);
    let at_now = 1 + (WIDTH * (now.as_second() - start) / (end - start)).clamp(0, WIDTH - 1) as usize;
    if due.is_some() && at_now > begun.chars().count() && at_now + 5 < right {
        write(&mut below, at_now, "^now");
    }
    format!("  |{bar}{close}\n  {}\n", below.into_iter().collect::<String>().trim_end())
}

fn write(line: &mut [char], at: usize, text: &str) {
    line.iter_mut().skip(at).zip(text.chars()).for_each(|(place, letter)| *place = letter);
}

fn table(clock: &ToldClock) -> String {
    let zone = clock.hours.zone();
    let head = ["in the calendar's zone", "UTC", "", "used", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(clock.steps.iter().map(|step| row(step, &zone)));
    if let (Some(due), None) = (clock.due_at, clock.breached_at.or(clock.stopped_at)) {
        let target = clock.target_seconds.map(format_seconds).unwrap_or_default();
        rows.push(vec![
            long(due, &zone),
            utc(due),
            "due if nothing happens".to_owned(),
            target,
            "0 s left".to_owned(),
        ]);
    }
    aligned(rows, "    ")
}

fn row(step: &ToldStep, zone: &TimeZone) -> Vec<String> {
    let target = step.remaining_seconds.map(|left| format_seconds(left + step.elapsed_seconds));
    let what = match (step.what, target) {
        ("attach", Some(target)) => format!("attach, target {target}"),
        ("aim", Some(target)) => format!("target now {target}"),
        ("aim", None) => "no target now".to_owned(),
        (what, _) => what.to_owned(),
    };
    let because = step.because.as_ref().map(|because| format!(": {}", line(because, 50))).unwrap_or_default();
    let left = step.remaining_seconds.map(left_or_over).unwrap_or_default();
    vec![long(step.at, zone), utc(step.at), what + &because, format_seconds(step.elapsed_seconds), left]
}

/// Columns as wide as their widest cell.
fn aligned(rows: Vec<Vec<String>>, margin: &str) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        text += &format!("{margin}{}\n", cells.join("  ").trim_end());
    }
    text
}

/// `Mon 2026-03-02 09:00:05 CET`.
fn long(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string()
}

/// `Mon 2 Mar 09:00`.
fn short(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %-d %b %H:%M").to_string()
}

/// `2026-03-02 08:00:05Z`.
fn utc(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
