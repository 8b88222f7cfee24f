//! Lengths of time, instants and times of day as people write them in a file, refused in words they understand.
//!
//! Must not know: which key they stand under.

use jiff::civil::Time;
use jiff::{SignedDuration, Timestamp};
use serde::de::{Deserializer, Error, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// What a text in quotes is called, and how it is written. Both are told behind "; write ", where the reader of the file
/// looks for the next step.
trait Written: FromStr {
    const KIND: &'static str;
    const HOW: &'static str;
}

impl Written for SignedDuration {
    const KIND: &'static str = "a length of time";
    const HOW: &'static str = "it in quotes with s, m or h: \"90s\", \"5m\", \"2h\"";
}

impl Written for Timestamp {
    const KIND: &'static str = "an instant";
    const HOW: &'static str =
        "date, time and offset in quotes: \"2026-03-01T00:00:00Z\", \"2026-03-01T00:00:00+01:00\"";
}

impl Written for Time {
    const KIND: &'static str = "a time of day";
    const HOW: &'static str = "it in quotes: \"08:00\"";
}

struct Text<T>(PhantomData<T>);

impl<T: Written> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; write {}", T::KIND, T::HOW)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|_| E::custom(format!("\"{text}\" is not {}; write {}", T::KIND, T::HOW)))
    }
}

pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    deserializer.deserialize_str(Text(PhantomData))
}

pub fn duration_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SignedDuration>, D::Error> {
    duration(deserializer).map(Some)
}

pub fn instant_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    deserializer.deserialize_str(Text(PhantomData)).map(Some)
}

pub fn time_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    deserializer.deserialize_str(Text(PhantomData)).map(Some)
}
