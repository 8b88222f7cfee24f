//! What is wrong in an admin's file: where, what, and what to do about it.

use serde::Serialize;
use std::fmt;

/// One mistake in a configuration or policy file. Line and column count from 1; 0 means "the file as a whole".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub file: String,
    pub line: u32,
    pub column: u32,
    /// What is wrong, as a lower-case fragment that names the thing.
    pub message: String,
    /// What to do next.
    pub remedy: String,
}

impl Problem {
    /// A problem at a byte offset of a file's text.
    pub fn at(
        file: &str,
        text: &str,
        offset: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() as u32 + 1;
        Self::new(file, (line, column), message.into(), remedy.into())
    }

    /// A problem of a file as a whole.
    pub fn of_file(file: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(file, (0, 0), message.into(), remedy.into())
    }

    fn new(file: &str, (line, column): (u32, u32), message: String, remedy: String) -> Self {
        Self { file: file.to_owned(), line, column, message: shortened(message), remedy }
    }
}

/// The longest word of a message; a value pasted into the wrong place can be very long.
const WORD_MAX: usize = 120;

fn shortened(message: String) -> String {
    if message.split(' ').all(|word| word.len() <= WORD_MAX) {
        return message;
    }
    let short = |word: &str| match word.char_indices().nth(WORD_MAX / 2) {
        Some((end, _)) if word.len() > WORD_MAX => format!("{}…", &word[..end]),
        _ => word.to_owned(),
    };
    message.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message)?,
            line => write!(f, "{}:{}:{}: {}", self.file, line, self.column, self.message)?,
        }
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "\n  -> {}", self.remedy) }
    }
}

/// The known name nearest to a mistyped one, if any is near enough to be worth suggesting.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 4)
        .min()
        .map(|(_, name)| name)
}

/// Sections named at most for a key that stands in several.
const HOMES_MAX: usize = 3;

/// Where a key that is unknown here belongs, if it is known in another section, or but for one letter: "`free_min` belongs
/// to [storage]". `others`: sections as they are written, each with one of its keys.
fn belongs(wrong: &str, others: &[(String, String)]) -> Option<String> {
    let far = |key: &str| strsim::damerau_levenshtein(wrong, key);
    let key =
        others.iter().map(|(_, key)| key.as_str()).filter(|key| far(key) <= 1).min_by_key(|key| far(key))?;
    let mut homes: Vec<&str> =
        others.iter().filter(|(_, known)| known == key).map(|(section, _)| section.as_str()).collect();
    homes.dedup();
    homes.truncate(HOMES_MAX);
    Some(format!("`{key}` belongs to {}", homes.join(" or ")))
}

/// What to do about a key that is unknown here: where it stands by exactly this name, else what it is near to.
pub fn unknown_key(wrong: &str, known: &[&str], others: &[(String, String)]) -> Option<String> {
    let elsewhere = others.iter().any(|(_, key)| key == wrong).then(|| belongs(wrong, others)).flatten();
    let near = nearest(wrong, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    elsewhere.or(near).or_else(|| belongs(wrong, others))
}

/// What serde says of a word that is none of those that may stand here, as message and remedy.
pub fn not_a_choice(message: &str) -> Option<(String, String)> {
    let mut names = message.strip_prefix("unknown variant ")?.split('`').skip(1).step_by(2);
    let wrong = names.next()?;
    let known: Vec<&str> = names.collect();
    let all = format!("it is one of {}", known.join(", "));
    let remedy = match nearest(wrong, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {all}"),
        None => all,
    };
    Some((format!("`{wrong}` is not a known value"), remedy))
}

/// What serde says of a value of a wrong kind, as message and remedy.
pub fn wrong_kind(message: &str) -> Option<(String, String)> {
    let (found, expected) = message.strip_prefix("invalid ")?.split_once(", expected ")?;
    let (kind, example) = expected_kind(expected);
    Some((format!("{} stands here, expected is {kind}", found_kind(found)), example))
}

/// What was found, without its value, which may be a secret in the wrong place.
fn found_kind(found: &str) -> &'static str {
    let kind = found.split_once(": ").map_or(found, |(_, kind)| kind);
    match kind.split([' ', '`']).next() {
        Some("integer" | "floating") => "a number",
        Some("string") => "a text",
        Some("boolean") => "true or false",
        Some("sequence") => "a list",
        Some("map") => "a table or a date without quotes",
        _ => "something else",
    }
}

/// What was expected, as people call it, and how it is written.
fn expected_kind(expected: &str) -> (String, String) {
    let number =
        |most: u64| (format!("a whole number from 0 to {most}"), "write it without quotes".to_owned());
    let said = |kind: &str, example: &str| (kind.to_owned(), example.to_owned());
    match expected {
        "u8" => number(u8::MAX.into()),
        "u16" => number(u16::MAX.into()),
        "u32" => number(u32::MAX.into()),
        "u64" | "usize" => number(i64::MAX as u64),
        "i64" | "i32" => said("a whole number", "write it without quotes"),
        "a boolean" => said("true or false", "write true or false, without quotes"),
        "a string" => said("a text in quotes", "write it in quotes, as in \"30m\" or \"gold\""),
        "a sequence" => said("a list", "write [\"…\", \"…\"]"),
        "a map" => said("a table", "write { key = \"…\" }"),
        table if table.starts_with("struct ") => said("a table", "write { key = \"…\" }"),
        other => match other.split_once("; write ") {
            Some((kind, how)) => (kind.to_owned(), format!("write {how}")),
            None => said(other, "see the comments in the shipped file"),
        },
    }
}
