//! From documents to calendars: names resolved, inheritance followed, every mistake found and placed.

use super::Calendar;
use super::doc::{CalendarDoc, WeekDoc, Windows, flat};
use super::holidays::{add_holiday, merged};
use super::hours::{DAY, Hours, Pattern, Window, day_number};
use super::written::{date_of, window_of};
use super::zone::zone_named;
use crate::policy::PolicyFile;
use crate::problem::{Problem, nearest};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// The most calendars a policy may have.
pub const CALENDARS_MAX: usize = 1_000;

/// The calendars of one policy file.
#[derive(Clone, Copy)]
pub struct Section<'a> {
    pub file: &'a PolicyFile,
    pub calendars: &'a BTreeMap<String, Spanned<CalendarDoc>>,
}

/// All calendars of a policy, by name.
#[derive(Debug, Default, Clone)]
pub struct Calendars {
    by_name: BTreeMap<String, Arc<Calendar>>,
}

impl Calendars {
    /// Compiles the calendars of all files. `files` are all files of the policy: `.ics` files are looked up there by
    /// name. All mistakes are reported.
    pub fn compile(sections: &[Section<'_>], files: &[PolicyFile]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut named: BTreeMap<&str, Entry<'_>> = BTreeMap::new();
        for section in sections {
            for (name, doc) in section.calendars {
                let entry = Entry { file: section.file, span: doc.span(), doc: doc.get_ref() };
                if let Some(first) = named.get(name.as_str()) {
                    let place = &first.file.name;
                    let message = format!("calendar `{name}` is defined twice, first in {place}");
                    problems.push(entry.problem(
                        &entry.span,
                        message,
                        "remove one of them or give it another name",
                    ));
                } else {
                    named.insert(name, entry);
                }
            }
        }
        if named.len() > CALENDARS_MAX {
            let message = format!("more than {CALENDARS_MAX} calendars");
            problems.push(Problem::of_file("policy", message, "let cases share calendars"));
            return Err(problems);
        }
        let mut by_name = BTreeMap::new();
        for name in named.keys() {
            match resolve(name, &named, files) {
                Ok(hours) => {
                    let calendar = Calendar::of_hours((*name).to_owned(), hours);
                    by_name.insert((*name).to_owned(), Arc::new(calendar));
                }
                Err(found) => problems.extend(
                    found.into_iter().filter(|problem| !problems.contains(problem)).collect::<Vec<_>>(),
                ),
            }
        }
        if problems.is_empty() { Ok(Self { by_name }) } else { Err(problems) }
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Calendar>> {
        self.by_name.get(name)
    }

    /// In order of name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

/// Compiles a file that is one calendar: `zone = …` and `[week]` at the top, or exactly one `[calendars.NAME]`.
/// `files` are the `.ics` files it may name.
pub fn compile_one(file: &PolicyFile, files: &[PolicyFile]) -> Result<Arc<Calendar>, Vec<Problem>> {
    let refused = |error: &toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        vec![Problem::at(
            &file.name,
            &file.text,
            offset,
            error.message(),
            "dutyd schema policy prints the keys of a calendar",
        )]
    };
    let table: toml::Table = toml::from_str(&file.text).map_err(|error| refused(&error))?;
    let calendars = if table.contains_key("calendars") {
        toml::from_str::<super::CalendarFileDoc>(&file.text).map_err(|error| refused(&error))?.calendars
    } else {
        let doc: CalendarDoc = toml::from_str(&file.text).map_err(|error| refused(&error))?;
        let stem = file.name.rsplit('/').next().unwrap_or_default();
        BTreeMap::from([(stem.trim_end_matches(".toml").to_owned(), Spanned::new(0..0, doc))])
    };
    let compiled = Calendars::compile(&[Section { file, calendars: &calendars }], files)?;
    match compiled.by_name.into_values().collect::<Vec<_>>().as_slice() {
        [only] => Ok(Arc::clone(only)),
        several => {
            let message = format!("the file has {} calendars, not one", several.len());
            Err(vec![Problem::of_file(
                &file.name,
                message,
                "name the calendar and give the policy with --policy",
            )])
        }
    }
}

#[derive(Clone)]
pub(super) struct Entry<'a> {
    pub file: &'a PolicyFile,
    span: Range<usize>,
    doc: &'a CalendarDoc,
}

impl Entry<'_> {
    pub fn problem(
        &self,
        span: &Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        Problem::at(&self.file.name, &self.file.text, span.start, message, remedy)
    }
}

/// The chain from a calendar to the last one it extends, then its hours, eldest first.
fn resolve(
    name: &str,
    named: &BTreeMap<&str, Entry<'_>>,
    files: &[PolicyFile],
) -> Result<Hours, Vec<Problem>> {
    let Some(own) = named.get(name) else { return Err(Vec::new()) };
    let mut chain = vec![own];
    let mut names = vec![name];
    while let Some(parent) = chain.last().and_then(|last| last.doc.extends.as_ref()) {
        let child = chain[chain.len() - 1];
        let parent_name = parent.get_ref().as_str();
        if let Some(begins) = names.iter().position(|known| *known == parent_name) {
            return Err(circle(&names[begins..], name, child, &parent.span()).into_iter().collect());
        }
        names.push(parent_name);
        let Some(entry) = named.get(parent_name) else {
            let remedy = match nearest(parent_name, named.keys().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "define it as [calendars.NAME]".to_owned(),
            };
            return Err(vec![child.problem(
                &parent.span(),
                format!("there is no calendar `{parent_name}`"),
                remedy,
            )]);
        };
        chain.push(entry);
    }
    chain.reverse();
    assemble(name, own, &chain, files)
}

/// Told once, by the member whose name comes first.
fn circle(names: &[&str], name: &str, last: &Entry<'_>, place: &Range<usize>) -> Option<Problem> {
    if names.iter().min() != Some(&name) {
        return None;
    }
    let others: Vec<String> = names.iter().skip(1).map(|name| format!("`{name}`")).collect();
    let way = if others.is_empty() { String::new() } else { format!(" by way of {}", others.join(", ")) };
    let message = format!("calendar `{name}` extends itself{way}");
    Some(last.problem(place, message, "take one `extends` out of the circle"))
}

fn assemble(
    name: &str,
    own: &Entry<'_>,
    chain: &[&Entry<'_>],
    files: &[PolicyFile],
) -> Result<Hours, Vec<Problem>> {
    let mut problems = Vec::new();
    let Some((zone_name, zone)) = zone_of(name, own, chain, &mut problems) else { return Err(problems) };
    let mut hours = Hours {
        zone_name,
        zone,
        patterns: Vec::new(),
        holidays: BTreeSet::new(),
        yearly: BTreeSet::new(),
        exceptions: BTreeMap::new(),
        closures: Vec::new(),
    };
    for entry in chain {
        if entry.doc.week.is_some() || !entry.doc.weeks.is_empty() {
            hours.patterns = patterns(entry, &mut problems);
        }
        for holiday in entry.doc.holidays.iter().flat_map(flat) {
            add_holiday(entry, &holiday, files, &mut hours, &mut problems);
        }
        for (day, windows) in &entry.doc.exceptions {
            match date_of(day) {
                Some(date) => {
                    let listed = Windows(flat(windows));
                    hours.exceptions.insert(day_number(date), windows_of(entry, &listed, &mut problems));
                }
                None => problems.push(entry.problem(
                    &windows.span(),
                    format!("`{day}` is not a date"),
                    "write it as \"2026-12-24\" = [\"09:00-12:00\"]",
                )),
            }
        }
    }
    hours.closures = merged(std::mem::take(&mut hours.closures));
    let is_empty = hours.patterns.iter().all(|pattern| pattern.days.iter().all(Vec::is_empty));
    if problems.is_empty() && is_empty {
        let message = format!("calendar `{name}` has no working hours at all");
        problems.push(own.problem(&own.span, message, "give it a [week] with at least one window"));
    }
    if problems.is_empty() { Ok(hours) } else { Err(problems) }
}

fn zone_of(
    name: &str,
    own: &Entry<'_>,
    chain: &[&Entry<'_>],
    problems: &mut Vec<Problem>,
) -> Option<(String, TimeZone)> {
    let written = chain.iter().rev().find_map(|entry| Some((entry, entry.doc.zone.as_ref()?)));
    let Some((entry, zone)) = written else {
        let message = format!("calendar `{name}` has no time zone");
        problems.push(own.problem(&own.span, message, "add zone = \"Europe/Berlin\" or the zone you mean"));
        return None;
    };
    match zone_named(zone.get_ref()) {
        Ok(found) => Some((zone.get_ref().clone(), found)),
        Err((message, remedy)) => {
            problems.push(entry.problem(&zone.span(), message, remedy));
            None
        }
    }
}

/// The undated week first, then the dated ones in order.
fn patterns(entry: &Entry<'_>, problems: &mut Vec<Problem>) -> Vec<Pattern> {
    let mut all = Vec::new();
    if let Some(week) = &entry.doc.week {
        if let Some(from) = &week.from {
            problems.push(entry.problem(
                &from.span(),
                "`from` in [week]",
                "move hours that begin on a date to [[weeks]]",
            ));
        }
        all.push(Pattern { from: i32::MIN, days: days_of(entry, week, problems) });
    } else {
        all.push(Pattern { from: i32::MIN, days: Default::default() });
    }
    let mut dated = Vec::new();
    for week in &entry.doc.weeks {
        let days = days_of(entry, week, problems);
        match week.from.as_ref().map(|from| (from.span(), date_of(&from.get_ref().0))) {
            Some((_, Some(from))) => dated.push(Pattern { from: day_number(from), days }),
            Some((span, None)) => {
                problems.push(entry.problem(&span, "`from` is not a date", "write it as from = 2026-04-01"))
            }
            None => problems.push(entry.problem(
                &entry.span,
                "an entry of `weeks` has no `from`",
                "add from = 2026-04-01",
            )),
        }
    }
    dated.sort_by_key(|pattern| pattern.from);
    if let Some(twice) = dated.windows(2).find(|pair| pair[0].from == pair[1].from) {
        let twice = date_of_number(twice[0].from);
        problems.push(entry.problem(
            &entry.span,
            format!("two entries of `weeks` begin on {twice}"),
            "keep one of them",
        ));
    }
    all.extend(dated);
    all
}

fn date_of_number(day: i32) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch
        .checked_add(jiff::SignedDuration::from_hours(24 * i64::from(day)))
        .map_or_else(|_| day.to_string(), |d| d.to_string())
}

fn days_of(entry: &Entry<'_>, week: &WeekDoc, problems: &mut Vec<Problem>) -> [Vec<Window>; 7] {
    let days = week.days();
    let parsed: [Vec<Window>; 7] = std::array::from_fn(|day| windows_of(entry, days[day], problems));
    for day in 0..7 {
        let tail = parsed[(day + 6) % 7].iter().map(|window| window.close - DAY as i32).max().unwrap_or(0);
        let head = parsed[day].iter().map(|window| window.open).min().unwrap_or(i32::MAX);
        if tail > head
            && let Some(first) = days[day].0.first()
        {
            let message =
                format!("{} overlaps the window of the day before that passes midnight", first.get_ref());
            problems.push(entry.problem(&first.span(), message, "end the one before the other begins"));
        }
    }
    parsed
}

/// The windows of one day, in order, refused if they overlap.
fn windows_of(entry: &Entry<'_>, listed: &Windows, problems: &mut Vec<Problem>) -> Vec<Window> {
    let mut windows: Vec<(Window, &Spanned<String>)> = Vec::new();
    for text in &listed.0 {
        match window_of(text.get_ref()) {
            Ok(window) => windows.push((window, text)),
            Err(message) => problems.push(entry.problem(
                &text.span(),
                message,
                "write a window as \"09:00-17:00\", over midnight as \"22:00-06:00\", all day as \"00:00-24:00\"",
            )),
        }
    }
    windows.sort_by_key(|(window, _)| *window);
    for pair in windows.windows(2) {
        if pair[1].0.open < pair[0].0.close {
            let message = format!("{} overlaps {}", pair[1].1.get_ref(), pair[0].1.get_ref());
            problems.push(entry.problem(&pair[1].1.span(), message, "join the two or move one of them"));
        }
    }
    windows.into_iter().map(|(window, _)| window).collect()
}

/// Names of the `.ics` files that a policy or calendar file speaks of, so that whoever reads files can hand them in.
pub fn ics_names_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    if let Ok(table) = toml::from_str::<toml::Table>(text) {
        let mut left: Vec<&toml::Value> = table.values().collect();
        while let Some(value) = left.pop() {
            match value {
                toml::Value::String(text) if text.to_ascii_lowercase().ends_with(".ics") => {
                    names.push(text.clone())
                }
                toml::Value::Array(values) => left.extend(values),
                toml::Value::Table(table) => left.extend(table.values()),
                _ => {}
            }
        }
    }
    names.sort();
    names.dedup();
    names
}
