//! Questions in SOQL, built so that no value can change their meaning; ids and instants by their grammar.
//!
//! Vendor: soql-sosl-reference, "Quoted string escape sequences", "Date formats".

use jiff::Timestamp;
use jiff::tz::TimeZone;

const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
/// Words that end a condition or begin something else than one.
const FORBIDDEN: [&str; 12] = [
    "select", "from", "where", "order", "group", "having", "limit", "offset", "for", "with", "using",
    "typeof",
];

/// A text as a literal.
pub fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for letter in text.chars() {
        match letter {
            '\\' => literal.push_str("\\\\"),
            '\'' => literal.push_str("\\'"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            control if control.is_control() => {}
            other => literal.push(other),
        }
    }
    literal.push('\'');
    literal
}

/// A record's id with 18 characters; `None` if it is none.
///
/// Vendor: the last three say, five characters at a time, which of the first fifteen are upper case, so that ids survive
/// tools that ignore case. One whose ending says otherwise was mangled.
pub fn record_id(id: &str) -> Option<String> {
    if !matches!(id.len(), 15 | 18) || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let check = id.as_bytes()[..15].chunks(5).map(|chunk| {
        let bits = chunk.iter().enumerate().map(|(at, byte)| usize::from(byte.is_ascii_uppercase()) << at);
        char::from(CHECK[bits.sum::<usize>()])
    });
    let whole: String = id[..15].chars().chain(check).collect();
    (id.len() == 15 || id[15..].eq_ignore_ascii_case(&whole[15..])).then_some(whole)
}

/// Ids as a list of literals. They are ids by their grammar, so there is nothing to escape.
pub fn id_list(ids: &[&str]) -> String {
    let literals: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
    literals.join(",")
}

/// An instant as a literal: UTC, milliseconds.
pub fn instant(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Reads an instant of an answer: `2026-05-01T07:25:37.000+0000`, or RFC 3339.
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let offset_at = text.len().checked_sub(5)?;
    if text.is_char_boundary(offset_at) && text[offset_at..].starts_with(['+', '-']) {
        let (civil, offset) = text.split_at(offset_at);
        return format!("{civil}{}:{}", &offset[..3], offset.get(3..)?).parse().ok();
    }
    text.parse().ok()
}

/// Whether this is the name of a field, with its relationships before it: `Account.Tier__c`.
pub fn is_field(name: &str) -> bool {
    let part = |part: &str| {
        part.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    name.len() <= 255 && name.split('.').count() <= 6 && name.split('.').all(part)
}

/// Why a text is not a condition that can stand between parentheses; `None` if it can.
pub fn condition_fault(text: &str) -> Option<String> {
    let mut depth = 0_i32;
    let mut word = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_alphanumeric() || letter == '_' || letter == '.' {
            word.push(letter);
            continue;
        }
        if let Some(forbidden) = forbidden(&word) {
            return Some(forbidden);
        }
        word.clear();
        match letter {
            '\'' if !skip_text(&mut letters) => return Some("a text is not closed".to_owned()),
            '(' => depth += 1,
            ')' if depth == 0 => return Some("a parenthesis closes that was not opened".to_owned()),
            ')' => depth -= 1,
            '\'' | ' ' | '=' | '<' | '>' | '!' | ',' | ':' | '-' | '+' => {}
            other => return Some(format!("{other:?} cannot stand in a condition")),
        }
    }
    if depth > 0 {
        return Some("a parenthesis is not closed".to_owned());
    }
    forbidden(&word)
}

fn forbidden(word: &str) -> Option<String> {
    let found = FORBIDDEN.iter().any(|forbidden| word.eq_ignore_ascii_case(forbidden));
    found.then(|| format!("{word:?} cannot stand in a condition"))
}

fn skip_text(letters: &mut std::str::Chars<'_>) -> bool {
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => return true,
            '\\' if letters.next().is_none() => return false,
            _ => {}
        }
    }
    false
}

/// The fields that a condition names.
pub fn fields_of(condition: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut bare = String::new();
    let mut letters = condition.chars();
    while let Some(letter) = letters.next() {
        if letter == '\'' {
            skip_text(&mut letters);
            bare.push_str(" '' ");
        } else {
            bare.push(letter);
        }
    }
    let tokens: Vec<&str> = bare.split(|c: char| c.is_whitespace() || "()=<>!,".contains(c)).collect();
    for token in tokens {
        let keyword = ["and", "or", "not", "in", "like", "null", "true", "false", "includes", "excludes"];
        let is_keyword = keyword.iter().any(|keyword| token.eq_ignore_ascii_case(keyword));
        let is_day =
            token.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c == ':' || c.is_ascii_digit());
        if is_field(token) && !is_keyword && !is_day {
            fields.push(token.to_owned());
        }
    }
    fields
}

/// Path and query of a question.
pub fn path(version: &str, resource: &str, question: &str) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    pairs.append_pair("q", question);
    format!("/services/data/{version}/{resource}?{}", pairs.finish())
}
