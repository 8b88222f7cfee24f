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
