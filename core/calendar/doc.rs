//! Calendars as written in TOML. Places are kept, so that a mistake is shown where it stands.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use toml::Spanned;
use toml::value::Datetime;

/// One calendar: `[calendars.NAME]` in a policy file, or a file on its own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarDoc {
    /// IANA name of the time zone, for example `Europe/Berlin`. Taken over by `extends` if absent.
    #[schemars(with = "Option<String>")]
    pub zone: Option<Spanned<String>>,
    /// Name of a calendar whose zone, week, holidays and exceptions stand unless said otherwise here.
    #[schemars(with = "Option<String>")]
    pub extends: Option<Spanned<String>>,
    /// Hours by day of the week. Days left out are closed.
    pub week: Option<WeekDoc>,
    /// Other hours from a date on, each until the next one begins.
    #[serde(default)]
    pub weeks: Vec<WeekDoc>,
    /// Days that are closed from midnight to midnight: dates (`2026-12-25`), days of every year (`"12-25"`), and names
    /// of `.ics` files beside this one. Added to those of `extends`.
    #[schemars(with = "Option<OneOrMany<String>>")]
    pub holidays: Option<Spanned<OneOrMany<DateText>>>,
    /// Hours of single days, stronger than the week and the holidays: `"2026-03-07" = ["10:00-14:00"]`, `[]` for closed.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, OneOrMany<String>>")]
    pub exceptions: BTreeMap<String, Spanned<OneOrMany<String>>>,
}

/// A file that is one calendar and nothing else, or the `[calendars.NAME]` of a policy file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarFileDoc {
    pub calendars: BTreeMap<String, Spanned<CalendarDoc>>,
}

/// Windows per day of the week: `"09:00-12:00"`, over midnight `"22:00-06:00"`, all day `"00:00-24:00"`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeekDoc {
    /// First day on which these hours apply; only in `weeks`.
    #[schemars(with = "Option<String>")]
    pub from: Option<Spanned<DateText>>,
    #[serde(default)]
    pub mon: Windows,
    #[serde(default)]
    pub tue: Windows,
    #[serde(default)]
    pub wed: Windows,
    #[serde(default)]
    pub thu: Windows,
    #[serde(default)]
    pub fri: Windows,
    #[serde(default)]
    pub sat: Windows,
    #[serde(default)]
    pub sun: Windows,
}

impl WeekDoc {
    /// Monday first.
    pub fn days(&self) -> [&Windows; 7] {
        [&self.mon, &self.tue, &self.wed, &self.thu, &self.fri, &self.sat, &self.sun]
    }
}

/// The windows of one day, with their place in the file.
#[derive(Debug, Clone, Default)]
pub struct Windows(pub Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for Windows {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<OneOrMany<String>>::deserialize(from)?;
        Ok(Self(flat(&spanned)))
    }
}

impl JsonSchema for Windows {
    fn schema_name() -> Cow<'static, str> {
        "Windows".into()
    }
    fn json_schema(of: &mut SchemaGenerator) -> Schema {
        OneOrMany::<String>::json_schema(of)
    }
}

/// The values with the place of each; a lone value has the place of the whole.
pub(super) fn flat<T: Clone>(of: &Spanned<OneOrMany<T>>) -> Vec<Spanned<T>> {
    match of.get_ref() {
        OneOrMany::One(one) => vec![Spanned::new(of.span(), one.clone())],
        OneOrMany::Many(many) => many.clone(),
    }
}

/// A lone value or a list of them.
#[derive(Debug, Clone)]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<Spanned<T>>),
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }
    fn json_schema(of: &mut SchemaGenerator) -> Schema {
        let one = of.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list of values")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(de::value::StrDeserializer::new(text)).map(OneOrMany::One)
    }
    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(OneOrMany::One)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut many = Vec::new();
        while let Some(next) = seq.next_element::<Spanned<T>>()? {
            many.push(next);
        }
        Ok(OneOrMany::Many(many))
    }
}

/// A date written as a TOML date or as a string.
#[derive(Debug, Clone)]
pub struct DateText(pub String);

impl<'de> Deserialize<'de> for DateText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(DateTextVisitor)
    }
}

struct DateTextVisitor;

impl<'de> Visitor<'de> for DateTextVisitor {
    type Value = DateText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a date such as 2026-12-25, a day of every year such as \"12-25\", or the name of an .ics file",
        )
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<DateText, E> {
        Ok(DateText(text.to_owned()))
    }
    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<DateText, A::Error> {
        let date = Datetime::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(DateText(date.to_string()))
    }
}
