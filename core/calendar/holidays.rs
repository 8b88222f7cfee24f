//! Holidays as an admin lists them: dates, days of every year, and `.ics` files.

use super::compile::Entry;
use super::doc::DateText;
use super::hours::{Hours, day_number};
use super::ics;
use super::written::date_of;
use crate::policy::PolicyFile;
use crate::problem::Problem;
use toml::Spanned;

/// Adds a date, a day of every year, or what an `.ics` file closes.
pub(super) fn add_holiday(
    entry: &Entry<'_>,
    holiday: &Spanned<DateText>,
    files: &[PolicyFile],
    hours: &mut Hours,
    problems: &mut Vec<Problem>,
) {
    let text = holiday.get_ref().0.trim();
    if let Some(date) = date_of(text) {
        hours.holidays.insert(day_number(date));
    } else if let Some(date) = date_of(&format!("2000-{text}")) {
        hours.yearly.insert((date.month(), date.day()));
    } else if text.to_ascii_lowercase().ends_with(".ics") {
        match ics_of(text, entry.file, files) {
            Some(file) => match ics::closed_by(&file.text, &hours.zone) {
                Ok(closed) => {
                    hours.holidays.extend(closed.days);
                    hours.closures.extend(closed.hours);
                }
                Err(message) => problems.push(entry.problem(
                    &holiday.span(),
                    format!("holidays from {text}: {message}"),
                    "export the calendar again as .ics in UTF-8, or list the dates",
                )),
            },
            None => problems.push(entry.problem(
                &holiday.span(),
                format!("there is no file {text}, or it cannot be read"),
                "put it beside this file, readable; the path is relative to it",
            )),
        }
    } else {
        let remedy =
            "write a date as 2026-12-25, a day of every year as \"12-25\", or the name of an .ics file";
        problems.push(entry.problem(&holiday.span(), format!("`{text}` is not a holiday"), remedy));
    }
}

/// The file of that name beside the one that names it.
fn ics_of<'a>(name: &str, beside: &PolicyFile, files: &'a [PolicyFile]) -> Option<&'a PolicyFile> {
    let folder = beside.name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let path = format!("{folder}{}", name.trim_start_matches("./"));
    files.iter().find(|file| file.name == path).or_else(|| files.iter().find(|file| file.name == name))
}

/// Stretches in order and disjoint.
pub(super) fn merged(mut closures: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    closures.sort_unstable();
    let mut all: Vec<(i64, i64)> = Vec::new();
    for (start, end) in closures {
        match all.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => all.push((start, end)),
        }
    }
    all
}
