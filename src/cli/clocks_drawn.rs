//! The lives of clocks for people: a heading, a picture and a table each.

use super::clocks::{Told, ToldClock, ToldStep};
use super::words::line;
use dutyd_core::calendar::format_seconds;
use dutyd_core::sla::Label;
use jiff::Timestamp;

/// Characters of a picture.
const WIDTH: i64 = 72;

/// All clocks of a case.
pub fn drawn(told: &Told) -> String {
    let mut text =
        format!("{}, clocks as of {}, policy {}\n", line(&told.case, 40), told.at, line(&told.policy, 12));
    if told.clocks.is_empty() {
        text.push_str("\nNo clock of the policy applies to this case.\n");
    }
    for clock in &told.clocks {
        text.push('\n');
        text.push_str(&heading(clock));
        text.push_str(&format!("  {}\n", picture(clock, told.at)));
        text.push_str(&table(clock));
    }
    text.push_str("\n  █ counts  ░ outside the hours  ╌ paused  ! breached and counting\n");
    text
}

fn heading(clock: &ToldClock) -> String {
    let label = match clock.label {
        Label::Sla => "SLA",
        Label::Ola => "OLA",
        Label::Uc => "UC",
    };
    let cycle = if clock.cycle > 1 { format!(" ({})", clock.cycle) } else { String::new() };
    let because =
        clock.paused_because.as_ref().map(|because| format!(": {}", line(because, 60))).unwrap_or_default();
    let used = format_seconds(clock.elapsed_seconds);
    let target = match (clock.target_seconds, clock.remaining_seconds) {
        (Some(target), Some(left)) if left < 0 => {
            format!("{used} of {} used, {} over", format_seconds(target), format_seconds(-left))
        }
        (Some(target), Some(left)) => {
            format!("{used} of {} used, {} left", format_seconds(target), format_seconds(left))
        }
        _ => format!("{used} used, no target"),
    };
    let late = if clock.breached_at.is_some() && clock.state == "running" { ", breached" } else { "" };
    format!(
        "{}{cycle}  {label} \"{}\"  {}{because}{late}  {target}\n  calendar {}, {}; {} in all: {} counted, {} paused, {} outside the hours\n",
        clock.clock,
        line(&clock.sla, 40),
        clock.state,
        clock.calendar,
        clock.zone,
        format_seconds(clock.wall_seconds),
        used,
        format_seconds(clock.paused_seconds),
        format_seconds(clock.off_hours_seconds),
    )
}

/// One character per equal part of the time from the start to the end, each as its middle is.
fn picture(clock: &ToldClock, now: Timestamp) -> String {
    let start = clock.started_at.as_second();
    let end = clock.stopped_at.unwrap_or(now).as_second().max(start + 1);
    let part = |nth: i64| {
        let second = start + (end - start) * (2 * nth + 1) / (2 * WIDTH);
        let Ok(at) = Timestamp::from_second(second) else { return ' ' };
        let last = clock.steps.iter().rfind(|step| step.at <= at && step.what != "breach");
        let is_breached = clock.breached_at.is_some_and(|breached| breached <= at);
        match last.map(|step| step.what) {
            Some("pause") => '╌',
            _ if !clock.hours.is_open(at) => '░',
            _ if is_breached => '!',
            _ => '█',
        }
    };
    let bar: String = (0..WIDTH).map(part).collect();
    let close = if clock.stopped_at.is_some() { '|' } else { '>' };
    format!("|{bar}{close}")
}

fn table(clock: &ToldClock) -> String {
    let head = ["in the calendar's zone", "UTC", "", "used", "left"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(clock.steps.iter().map(row));
    if let (Some(due), None) = (clock.due_at, clock.stopped_at) {
        let local = super::calendar::local(due, &clock.hours.zone());
        let target = clock.target_seconds.map(format_seconds).unwrap_or_default();
        rows.push([local, due.to_string(), "due".to_owned(), target, "0 s".to_owned()]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        text.push_str(&format!("    {}\n", cells.join("  ").trim_end()));
    }
    text
}

fn row(step: &ToldStep) -> [String; 5] {
    let what = match &step.because {
        Some(because) => format!("{}: {}", step.what, line(because, 50)),
        None => step.what.to_owned(),
    };
    let left = step.remaining_seconds.map(format_seconds).unwrap_or_else(|| "-".to_owned());
    [step.at_local.clone(), step.at.to_string(), what, format_seconds(step.elapsed_seconds), left]
}
