//! A TOML file over its defaults: every mistake with file, line, column and remedy, not only the first one.
//!
//! Must not know: what the keys mean.

use dutyd_core::problem::{Problem, nearest, not_a_choice, unknown_key, wrong_kind};
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
        match Self::parse_as_far(file, text) {
            (document, problems) if problems.is_empty() => Ok(document),
            (_, problems) => Err(problems),
        }
    }

    /// What can be understood, and every mistake in the syntax.
    pub fn parse_as_far(file: &'a str, text: &'a str) -> (Self, Vec<Problem>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let problems = errors.iter().take(PROBLEMS_MAX).map(|error| not_toml(file, text, error)).collect();
        (Self { file, text, table }, problems)
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
        match self.read_as_far(defaults) {
            (Some(value), problems) if problems.is_empty() => Ok(value),
            (_, problems) => Err(problems),
        }
    }

    /// The value as far as it can be understood, wrong keys taken from `defaults`, and every mistake.
    pub fn read_as_far<T: DeserializeOwned>(&self, defaults: &str) -> (Option<T>, Vec<Problem>) {
        let defaults = match DeTable::parse(defaults) {
            Ok(defaults) => defaults,
            Err(error) => {
                let remedy = "this is a fault of the build";
                return (None, vec![Problem::of_file("embedded defaults", error.message(), remedy)]);
            }
        };
        let mut own = self.table.clone();
        let homes = homes(defaults.get_ref(), "");
        let (mut problems, mut taken_out) = (Vec::<Problem>::new(), Vec::<String>::new());
        let mut read = None;
        while problems.len() < PROBLEMS_MAX {
            let merged = Spanned::new(own.span(), merge(own.get_ref(), defaults.get_ref()));
            let error = match T::deserialize(Deserializer::from(merged)) {
                Ok(value) => {
                    read = Some(value);
                    break;
                }
                Err(error) => error,
            };
            // What is missing cannot be taken out, and what was taken out, under whatever name, is not missing.
            if let Some(missing) = backticked(error.message(), "missing field") {
                if nearest(missing, taken_out.iter().map(String::as_str)).is_none() {
                    problems.push(explain(self.file, self.text, &error, &homes));
                }
                break;
            }
            problems.push(explain(self.file, self.text, &error, &homes));
            match error.span().and_then(|span| remove_at(own.get_mut(), &span)) {
                Some(key) => taken_out.push(key),
                None => break,
            }
        }
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.dedup();
        (read, problems)
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

/// Takes the mistake out, so that the next one can be found. The key that was taken, if any.
fn remove_at(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let mut doomed: Option<Cow<'_, str>> = None;
    for (key, value) in table.iter_mut() {
        if let DeValue::Table(inner) = value.get_mut()
            && let Some(key) = remove_at(inner, span)
        {
            return Some(key);
        }
        if within(key.span()) || within(value.span()) {
            doomed = Some(key.get_ref().clone());
        }
    }
    let doomed = doomed?;
    table.remove(doomed.as_ref()).map(|_| doomed.into_owned())
}

/// A mistake in words, with the next step.
fn explain(file: &str, text: &str, error: &Error, homes: &[(String, String)]) -> Problem {
    let written = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    let (message, remedy) = reword(error.message(), written, homes);
    match error.span() {
        Some(span) => Problem::at(file, text, span.start, message, remedy),
        None => Problem::of_file(file, message, remedy),
    }
}

/// A mistake in the syntax.
fn not_toml(file: &str, text: &str, error: &Error) -> Problem {
    let at = error.span().map_or(0, |span| span.start);
    let remedy = match text.get(at..).and_then(|rest| rest.chars().next()) {
        Some('“' | '”' | '„' | '‘' | '’' | '«' | '»') => "write straight quotes: \"",
        _ => "mend the syntax: `key = value`, texts in quotes, sections in [brackets], each key once",
    };
    Problem::at(file, text, at, format!("not TOML: {}", error.message()), remedy)
}

/// The name in backticks behind the words with which a message begins.
fn backticked<'m>(message: &'m str, begins: &str) -> Option<&'m str> {
    message.strip_prefix(begins)?.split('`').nth(1)
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

/// `written`: what stands at the place of the mistake.
fn reword(message: &str, written: &str, homes: &[(String, String)]) -> (String, String) {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (wrong, known) = names.split_first().map_or(("", &[][..]), |(wrong, known)| (*wrong, known));
    let all = |known: &[&str]| format!("known here: {}", known.join(", "));
    let unknown = |wrong: &str, known: &[&str]| {
        let remedy = match unknown_key(wrong, known, homes) {
            Some(hint) if hint.ends_with('?') => format!("{hint} {}", all(known)),
            Some(hint) => format!("{hint}; {}", all(known)),
            None => all(known),
        };
        (format!("unknown key `{wrong}`"), remedy)
    };
    if message.starts_with("unknown field") {
        return unknown(wrong, known);
    }
    if let Some((wrong, known)) = message
        .strip_prefix("unexpected keys in table: ")
        .and_then(|rest| rest.split_once(", available keys: "))
    {
        return unknown(wrong.split(", ").next().unwrap_or(wrong), &known.split(", ").collect::<Vec<_>>());
    }
    if message.starts_with("unknown variant")
        && known == PLACES_OF_SECRETS
        && written.starts_with(['"', '\''])
    {
        return (
            // Never the value itself: messages go to terminals and journals.
            "a secret stands in the file itself".to_owned(),
            "write it into a file that only dutyd may read, name that here, { file = \"/path\" } or { credential = \
             \"name\" }, and think of the secret as known"
                .to_owned(),
        );
    }
    if let Some(said) = not_a_choice(message).or_else(|| wrong_kind(message)) {
        return said;
    }
    if let Some(missing) = backticked(message, "missing field") {
        return (format!("the key `{missing}` is missing"), format!("add `{missing} = …`"));
    }
    if message == "wanted string or table" {
        return (
            "a text in quotes is expected".to_owned(),
            "see the comments in the shipped file".to_owned(),
        );
    }
    match message.split_once("; write ") {
        Some((what, how)) => (what.to_owned(), format!("write {how}")),
        None => (message.to_owned(), "see the comments in the shipped file".to_owned()),
    }
}

/// Keys that say where a secret is: the variants of [`super::secret::SecretSource`].
const PLACES_OF_SECRETS: [&str; 3] = ["credential", "file", "env"];
