//! SOQL and SOSL as words, signs and literals, with the vendor's errors for what is none of these.
//! Knows letters only; grammar is `soql.rs`'s.
// Vendor: soql-sosl-reference, "Date Formats and Date Literals", "Quoted String Escape Sequences".

use super::errors::ApiError;
use super::soql::{Literal, Parsed};

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Word(String),
    Text(String),
    Number(String),
    Sign(&'static str),
}

pub fn unexpected(token: &Token) -> ApiError {
    let shown = match token {
        Token::Word(text) | Token::Number(text) => text.clone(),
        Token::Text(text) => format!("'{text}'"),
        Token::Sign(sign) => (*sign).to_owned(),
    };
    ApiError::malformed(format!("unexpected token: '{shown}'"))
}

pub fn tokens(text: &str) -> Parsed<Vec<Token>> {
    const SIGNS: &[&str] = &["<=", ">=", "!=", "<>", "=", "<", ">", "(", ")", ","];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let (word, after) = quoted(&rest[1..])?;
            tokens.push(Token::Text(word));
            rest = after;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || "_.:+-".contains(c)))
                .unwrap_or(rest.len());
            if end == 0 {
                return Err(ApiError::malformed(format!(
                    "line 1:0 no viable alternative at character '{first}'"
                )));
            }
            let word = rest[..end].to_owned();
            let number = first.is_ascii_digit() || (matches!(first, '-' | '+') && end > 1);
            tokens.push(if number { Token::Number(word) } else { Token::Word(word) });
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// The text up to the closing quote, with its escapes resolved, and what follows.
fn quoted(text: &str) -> Parsed<(String, &str)> {
    let mut word = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' => return Ok((word, &text[at + 1..])),
            '\\' => match letters.next().map(|(_, escaped)| escaped) {
                Some('n' | 'N') => word.push('\n'),
                Some('r' | 'R') => word.push('\r'),
                Some('t' | 'T') => word.push('\t'),
                Some(escaped @ ('\\' | '\'' | '"' | '_' | '%')) => word.push(escaped),
                _ => {
                    return Err(ApiError::malformed(
                        "Invalid string literal. Illegal character sequence in string literal.",
                    ));
                }
            },
            '\n' | '\r' => return Err(ApiError::malformed("line breaks not allowed in string literals")),
            other => word.push(other),
        }
    }
    Err(ApiError::malformed("line 1:0 mismatched character '<EOF>' expecting '''"))
}

pub fn number_or_time(text: &str) -> Parsed<Literal> {
    let wrong = || ApiError::malformed(format!("unexpected token: '{text}'"));
    if text.contains('T') {
        // Vendor: an offset is written with a colon, or as Z; the form of the answers, without a colon, is refused.
        let instant: Result<jiff::Timestamp, _> = text.parse();
        let colonless = text.len() > 5 && text[text.len() - 5..].starts_with(['+', '-']);
        return if instant.is_ok() && !colonless {
            Ok(Literal::Instant(text.to_owned()))
        } else {
            Err(wrong())
        };
    }
    if let Ok(number) = text.parse::<f64>() {
        return Ok(Literal::Number(number));
    }
    let date: Result<jiff::civil::Date, _> = text.parse();
    date.map(|_| Literal::Date(text.to_owned())).map_err(|_| wrong())
}

/// Vendor: spans of days, weeks, months and years; `LAST_90_DAYS` is written as one word.
pub fn relative(word: &str) -> Option<Literal> {
    let word = word.to_ascii_uppercase();
    if let Some((name, count)) = word.split_once(':') {
        const COUNTED: &[&str] = &[
            "LAST_N_DAYS",
            "NEXT_N_DAYS",
            "N_DAYS_AGO",
            "LAST_N_WEEKS",
            "NEXT_N_WEEKS",
            "LAST_N_MONTHS",
            "NEXT_N_MONTHS",
            "LAST_N_YEARS",
            "NEXT_N_YEARS",
        ];
        let count = COUNTED.contains(&name).then(|| count.parse::<u16>().ok()).flatten()?;
        return Some(Literal::Relative(name.to_owned(), Some(i64::from(count))));
    }
    match word.as_str() {
        "LAST_90_DAYS" | "NEXT_90_DAYS" => Some(Literal::Relative(word.replace("90", "N"), Some(90))),
        "TODAY" | "YESTERDAY" | "TOMORROW" | "THIS_WEEK" | "LAST_WEEK" | "NEXT_WEEK" | "THIS_MONTH"
        | "LAST_MONTH" | "NEXT_MONTH" | "THIS_YEAR" | "LAST_YEAR" | "NEXT_YEAR" => {
            Some(Literal::Relative(word, None))
        }
        _ => None,
    }
}
