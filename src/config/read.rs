//! A TOML file over its defaults: every mistake with file, line, column and remedy, not only the first one.
//!
//! Must not know: what the keys mean.

use dutyd_core::problem::{Problem, nearest, unknown_key};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

/// Mistakes reported for one file; the rest follows when these are mended.
const PROBLEMS_MAX: usize = 50;

/// A parsed file whose values remember where they stand.
pub struct Document<'a> {
    pub file: &'a str,
    pub text: &'a str,
    pub table: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    /// Parses the syntax; all syntax mistakes are reported.
    pub fn parse(file: &'a str, text: &'a str) -> Result<Self, Vec<Problem>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { file, text, table });
        }
        let problems =
            errors.iter().take(PROBLEMS_MAX).map(|error| explain(file, text, error, &[])).collect();
        Err(problems)
    }

    /// Takes the named top-level keys out into a document of their own.
    pub fn split_off(&mut self, keys: &[&str]) -> Document<'a> {
        let mut taken = DeTable::new();
        for key in keys {
            if let Some((name, value)) = self.table.get_mut().remove_entry(*key) {
                taken.insert(name, value);
            }
        }
        Document { file: self.file, text: self.text, table: Spanned::new(self.table.span(), taken) }
    }

    /// The value as `T`, keys that the file leaves out taken from `defaults` (the text of a whole, correct file).
    pub fn read<T: DeserializeOwned>(&self, defaults: &str) -> Result<T, Vec<Problem>> {
        let defaults = DeTable::parse(defaults).map_err(|error| {
            vec![Problem::of_file("embedded defaults", error.message(), "this is a fault of the build")]
        })?;
        let mut own = self.table.clone();
        let mut problems: Vec<Problem> = Vec::new();
        while problems.len() < PROBLEMS_MAX {
            let merged = Spanned::new(own.span(), merge(own.get_ref(), defaults.get_ref()));
            let error = match T::deserialize(Deserializer::from(merged)) {
                Ok(value) if problems.is_empty() => return Ok(value),
                Ok(_) => break,
                Err(error) => error,
            };
            problems.push(explain(self.file, self.text, &error, &homes(defaults.get_ref(), "")));
            // What is missing cannot be taken out.
            let missing = error.message().starts_with("missing field");
            let mended = !missing && error.span().is_some_and(|span| remove_at(own.get_mut(), &span));
            if !mended {
                break;
            }
        }
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.dedup();
        Err(problems)
    }
}

/// `own` with what only `defaults` has; tables are merged key by key, everything else is replaced whole.
fn merge<'a>(own: &DeTable<'a>, defaults: &DeTable<'a>) -> DeTable<'a> {
    let mut merged = own.clone();
    for (key, default) in defaults.iter() {
        let value = match (own.get(key.get_ref().as_ref()), default.get_ref().as_table()) {
            (None, _) => default.clone(),
            (Some(value), Some(default_inner)) => match value.get_ref().as_table() {
                Some(inner) => Spanned::new(value.span(), DeValue::Table(merge(inner, default_inner))),
                None => continue,
            },
            (Some(_), None) => continue,
        };
        merged.insert(key.clone(), value);
    }
    merged
}

/// Takes the mistake out, so that the next one can be found. Whether anything was taken.
fn remove_at(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let mut doomed: Option<Cow<'_, str>> = None;
    for (key, value) in table.iter_mut() {
        if let DeValue::Table(inner) = value.get_mut()
            && remove_at(inner, span)
        {
            return true;
        }
        if within(key.span()) || within(value.span()) {
            doomed = Some(key.get_ref().clone());
        }
    }
    doomed.is_some_and(|key| table.remove(key.as_ref()).is_some())
}

/// A mistake in words, with the next step.
fn explain(file: &str, text: &str, error: &Error, homes: &[(String, String)]) -> Problem {
    let (message, remedy) = reword(error.message(), homes);
    match error.span() {
        Some(span) => Problem::at(file, text, span.start, message, remedy),
        None => Problem::of_file(file, message, remedy),
    }
}

/// Every key of the default file with the section it stands in.
fn homes(table: &DeTable<'_>, path: &str) -> Vec<(String, String)> {
    let section = if path.is_empty() { "the top of the file".to_owned() } else { format!("[{path}]") };
    let mut homes = Vec::new();
    for (key, value) in table.iter() {
        let key = key.get_ref().as_ref();
        match value.get_ref().as_table() {
            Some(inner) => {
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                homes.extend(self::homes(inner, &path));
            }
            None => homes.push((section.clone(), key.to_owned())),
        }
    }
    homes
}

fn reword(message: &str, homes: &[(String, String)]) -> (String, String) {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (wrong, known) = names.split_first().map_or(("", &[][..]), |(wrong, known)| (*wrong, known));
    let all = || format!("known here: {}", known.join(", "));
    let suggest = || match nearest(wrong, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {}", all()),
        None => all(),
    };
    if message.starts_with("unknown field") {
        let remedy = match unknown_key(wrong, known, homes) {
            Some(hint) if hint.ends_with('?') => format!("{hint} {}", all()),
            Some(hint) => format!("{hint}; {}", all()),
            None => all(),
        };
        return (format!("unknown key `{wrong}`"), remedy);
    }
    if message.starts_with("unknown variant") {
        return (format!("`{wrong}` is not a known value"), suggest());
    }
    if message.starts_with("missing field") {
        return (format!("the key `{wrong}` is missing"), format!("add `{wrong} = …`"));
    }
    if message.starts_with("invalid") {
        return (message.to_owned(), "write a value of the expected kind; the shipped file shows one".into());
    }
    let mut letters = message.chars();
    let lower = letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default();
    (lower, "see the comments in the shipped file".to_owned())
}
