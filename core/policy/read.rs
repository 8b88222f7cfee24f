//! From the text of a policy file to documents: every mistake is found and placed, not only the first.
//!
//! Must not know: what the documents mean.

use super::PolicyFile;
use crate::problem::{Problem, not_a_choice, unknown_key, wrong_kind};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::ops::Range;
use std::sync::LazyLock;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// Every key of a policy file with the section it stands in.
static HOMES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let schema = super::schema();
    let mut homes = Vec::new();
    for (section, inner) in schema["properties"].as_object().into_iter().flatten() {
        note_homes(&schema, inner, section, &mut homes);
    }
    homes
});

/// Sections within sections, as in `[[rules.examples]]`.
const NESTED_MAX: usize = 3;

fn note_homes(root: &Json, schema: &Json, path: &str, homes: &mut Vec<(String, String)>) {
    let schema = resolved(root, schema);
    if let Some(items) = schema.get("items") {
        return note_keys(root, items, path, &format!("[[{path}]]"), homes);
    }
    match schema.get("additionalProperties").filter(|inner| inner.is_object()) {
        Some(inner) => note_homes(root, inner, &format!("{path}.NAME"), homes),
        None => note_keys(root, schema, path, &format!("[{path}]"), homes),
    }
}

fn note_keys(root: &Json, schema: &Json, path: &str, written: &str, homes: &mut Vec<(String, String)>) {
    let schema = resolved(root, schema);
    for (key, inner) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        homes.push((written.to_owned(), key.clone()));
        if path.split('.').count() < NESTED_MAX {
            note_homes(root, inner, &format!("{path}.{key}"), homes);
        }
    }
}

/// A value of a file that is still to be read as a document.
pub type Raw<'f> = Spanned<DeValue<'f>>;

/// One file, with the mistakes found in it so far.
pub struct Reader<'f> {
    pub file: &'f PolicyFile,
    pub problems: Vec<Problem>,
}

impl<'f> Reader<'f> {
    pub fn new(file: &'f PolicyFile) -> Self {
        Self { file, problems: Vec::new() }
    }

    pub fn problem(&mut self, at: usize, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem::at(&self.file.name, &self.file.text, at, message, remedy));
    }

    /// The file as a table; broken syntax is reported, and what could be read is returned.
    pub fn table(&mut self) -> DeTable<'f> {
        let (table, errors) = DeTable::parse_recoverable(&self.file.text);
        for error in errors.iter().take(10) {
            let at = error.span().map_or(0, |span| span.start);
            let message = format!("not TOML: {}", error.message());
            self.problem(
                at,
                message,
                "mend the syntax: texts stand in quotes, sections in [brackets], keys only once",
            );
        }
        table.into_inner()
    }

    /// The entries of a table whose keys are names, as `[customers.NAME]`.
    pub fn named(&mut self, section: &str, value: Raw<'f>) -> Vec<(Spanned<String>, Raw<'f>)> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => table
                .into_iter()
                .map(|(key, value)| (Spanned::new(key.span(), key.into_inner().into_owned()), value))
                .collect(),
            other => {
                let message = format!("`{section}` is {}, not a table", a(other.type_str()));
                self.problem(span.start, message, format!("write `[{section}.NAME]`"));
                Vec::new()
            }
        }
    }

    /// The elements of an array of tables, as `[[rules]]`.
    pub fn listed(&mut self, section: &str, value: Raw<'f>) -> Vec<Raw<'f>> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Array(array) => array.into_iter().collect(),
            other => {
                let message = format!("`{section}` is {}, not a list of tables", a(other.type_str()));
                self.problem(span.start, message, format!("write `[[{section}]]`"));
                Vec::new()
            }
        }
    }

    /// One value as a document. All unknown keys are reported, and the first value of a wrong type.
    pub fn document<T: DeserializeOwned + JsonSchema>(
        &mut self,
        what: &str,
        value: Raw<'f>,
    ) -> Option<Spanned<T>> {
        let schema = schemars::schema_for!(T).to_value();
        let known = self.problems.len();
        self.check_keys(&schema, &schema, what, &value);
        let span = value.span();
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(document) => Some(Spanned::new(span, document)),
            Err(error) => {
                let told = error.message().starts_with("unknown field") && self.problems.len() > known;
                if !told {
                    self.wrong_type(&schema, &error, span);
                }
                None
            }
        }
    }

    fn wrong_type(&mut self, schema: &Json, error: &toml::de::Error, whole: Range<usize>) {
        let at = error.span().unwrap_or(whole).start;
        let missing = error.message().strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        let (message, remedy) = match missing {
            Some(missing) => (
                format!("the key `{missing}` is missing"),
                format!("add `{missing}`: {}", described(schema, missing)),
            ),
            None => {
                not_a_choice(error.message()).or_else(|| wrong_kind(error.message())).unwrap_or_else(|| {
                    (error.message().to_owned(), "dutyd schema policy prints what may stand here".to_owned())
                })
            }
        };
        self.problem(at, message, remedy);
    }

    /// Reports keys that the schema does not have, here and below.
    fn check_keys(&mut self, root: &Json, schema: &Json, what: &str, value: &Raw<'f>) {
        let schema = resolved(root, schema);
        match value.get_ref() {
            DeValue::Table(table) => {
                let properties = schema.get("properties").and_then(Json::as_object);
                let others = schema.get("additionalProperties").filter(|others| others.is_object());
                for (key, inner) in table.iter() {
                    let name: &str = key.get_ref();
                    let property = properties.and_then(|known| known.get(name)).or(others);
                    match (property, properties) {
                        (Some(next), _) => self.check_keys(root, next, name, inner),
                        (None, Some(known)) => self.unknown_key(key.span().start, name, what, known),
                        (None, None) => {}
                    }
                }
            }
            DeValue::Array(array) => {
                if let Some(items) = schema.get("items") {
                    array.iter().for_each(|item| self.check_keys(root, items, what, item));
                }
            }
            _ => {}
        }
    }

    fn unknown_key(&mut self, at: usize, name: &str, what: &str, known: &serde_json::Map<String, Json>) {
        let known: Vec<&str> = known.keys().map(String::as_str).collect();
        let remedy =
            unknown_key(name, &known, &HOMES).unwrap_or_else(|| format!("known keys: {}", known.join(", ")));
        self.problem(at, format!("unknown key `{name}` in {what}"), remedy);
    }
}

fn described<'s>(schema: &'s Json, key: &str) -> &'s str {
    schema["properties"][key]["description"].as_str().unwrap_or("it is needed")
}

fn a(word: &str) -> String {
    let article = if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {word}")
}

/// Follows references, also through the non-null part of an optional schema.
fn resolved<'s>(root: &'s Json, schema: &'s Json) -> &'s Json {
    let mut schema = schema;
    for _ in 0..8 {
        let referred =
            schema.get("$ref").and_then(Json::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
        if let Some(name) = referred {
            schema = &root["$defs"][name];
            continue;
        }
        let some = schema.get("anyOf").and_then(Json::as_array);
        match some.and_then(|parts| parts.iter().find(|part| part.get("$ref").is_some())) {
            Some(part) => schema = part,
            None => return schema,
        }
    }
    schema
}

/// Where a byte of a text's value stands in the file: the value may be written with escapes and in long quotes.
pub fn place_in_text(file: &str, span: &Range<usize>, offset: usize) -> usize {
    let raw = file.get(span.clone()).unwrap_or_default();
    let quote = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
    let escapes = raw.starts_with('"');
    let mut at = quote.min(raw.len());
    if quote == 3 {
        let first = if raw[at..].starts_with("\r\n") { 2 } else { usize::from(raw[at..].starts_with('\n')) };
        at += first;
    }
    let mut done = 0;
    while done < offset && at < raw.len() {
        let (taken, made) = step(&raw[at..], escapes);
        at += taken;
        done += made;
    }
    (span.start + at).min(span.end)
}

/// Bytes of the file taken for bytes of the value made.
fn step(raw: &str, escapes: bool) -> (usize, usize) {
    let Some(first) = raw.chars().next() else { return (1, 1) };
    if !escapes || first != '\\' {
        return (first.len_utf8(), first.len_utf8());
    }
    let digits = match raw.as_bytes().get(1) {
        Some(b'u') => 4,
        Some(b'U') => 8,
        Some(b'x') => 2,
        Some(b'\n' | b'\r' | b' ' | b'\t') => {
            let rest = raw[1..].trim_start();
            return (raw.len() - rest.len(), 0);
        }
        _ => return (2.min(raw.len()), 1),
    };
    let code = raw.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let made = code.and_then(char::from_u32).map_or(1, char::len_utf8);
    ((2 + digits).min(raw.len()), made)
}
