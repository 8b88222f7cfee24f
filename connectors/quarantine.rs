//! A record that could not be understood: its id, as far as it still tells it, and its text for a person.
//!
//! Must not know: vendors. A record may be broken in any way that is still JSON by its grammar: a number out of range, half
//! a surrogate pair, a nesting that no parser follows.

use crate::Quarantined;
use crate::error::shown;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// Bytes kept of a record.
const RAW_MAX: usize = 64 * 1024;

impl Quarantined {
    /// `key`: under which the record tells its id. Empty where it does not.
    pub fn of(raw: &str, key: &str, reason: impl AsRef<str>) -> Self {
        Self::named(told(raw, key).unwrap_or_default(), raw, reason)
    }

    /// A record whose id is known.
    pub fn named(id: impl Into<String>, raw: &str, reason: impl AsRef<str>) -> Self {
        let end = (0..=RAW_MAX.min(raw.len())).rev().find(|at| raw.is_char_boundary(*at)).unwrap_or(0);
        Self { id: id.into(), reason: shown(reason.as_ref()), raw: raw[..end].to_owned() }
    }
}

/// What a record tells under a key, however broken it is elsewhere: a text or a number, or the `value` of an object.
pub fn told(raw: &str, key: &str) -> Option<String> {
    let mut found = None;
    // Broken off or not, what was found before counts.
    let _ = serde_json::Deserializer::from_str(raw).deserialize_map(Sought { key, found: &mut found });
    let found = found?;
    match found.get("value").unwrap_or(&found) {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Reads the values of one key and steps over all others without looking into them.
struct Sought<'a> {
    key: &'a str,
    found: &'a mut Option<Value>,
}

impl<'de> Visitor<'de> for Sought<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            if name == self.key {
                *self.found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Quarantined, told};

    #[test]
    fn a_record_broken_elsewhere_still_tells_its_id() {
        let deep = format!("{{\"id\":7,\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        for raw in [
            r#"{"id":"7","a":1e999}"#,
            r#"{"a":"\ud800","id":7}"#,
            r#"{"a":1,"a":2,"id":{"value":"7","display_value":"seven"}}"#,
            r#"{"id":"7","a":NaN"#,
            &deep,
        ] {
            assert_eq!(told(raw, "id").as_deref(), Some("7"), "{}", &raw[..raw.len().min(80)]);
        }
        for raw in ["", "[]", "{}", "null", r#"{"id":null}"#, r#"{"id":[7]}"#, r#"{"a":{"id":7}}"#] {
            assert_eq!(told(raw, "id"), None, "{raw}");
        }
        assert_eq!(Quarantined::of(&deep, "id", "too deep").raw.len(), super::RAW_MAX);
        assert_eq!(Quarantined::of(&"ä".repeat(super::RAW_MAX), "id", "no JSON").raw.len(), super::RAW_MAX);
    }
}
