//! Encoded queries and list addresses, built so that no value can change a query's meaning.
//!
//! Vendor: encoded query strings, docs "Encoded query strings" (c_EncodedQueryStrings). `^` is AND, `^OR` binds
//! tighter, `^NQ` begins a new group and groups are OR-ed. An unknown field makes its condition vanish silently.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use url::form_urlencoded::Serializer;

/// Longest path and query we send; longer id lists are split.
pub const PATH_MAX: usize = 7_000;

/// Whether a value may stand in a query: no caret (it would start another condition) and no control character.
pub fn is_literal(value: &str) -> bool {
    !value.contains('^') && !value.chars().any(char::is_control)
}

/// Whether this is a column name, dot-walked or not.
pub fn is_field(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 160
        && name.split('.').all(|part| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        })
}

/// Whether this is a `sys_id`: 32 hexadecimal digits.
pub fn is_sys_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An instant as the vendor writes it: UTC, whole seconds, no zone mark.
pub fn stamp(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads what [`stamp`] writes.
pub fn parse_stamp(text: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text.trim()).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// The columns named by the conditions of an encoded query, for comparison with the data dictionary.
pub fn fields_of(query: &str) -> Vec<&str> {
    query
        .split('^')
        .map(|condition| condition.strip_prefix("OR").unwrap_or(condition))
        .map(|condition| {
            let end = condition
                .find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.'))
                .unwrap_or(condition.len());
            &condition[..end]
        })
        .filter(|field| is_field(field))
        .collect()
}

/// The address of a list of rows.
#[derive(Debug, Clone)]
pub struct List<'a> {
    pub table: &'a str,
    pub query: String,
    pub fields: String,
    pub limit: u32,
    pub offset: u32,
    /// Whether the answer shall say how many rows match, hidden ones included.
    pub counted: bool,
    /// Raw value and what people see, of every column.
    pub with_display: bool,
}

impl<'a> List<'a> {
    pub fn new(table: &'a str, query: impl Into<String>, fields: impl Into<String>, limit: u32) -> Self {
        Self {
            table,
            query: query.into(),
            fields: fields.into(),
            limit,
            offset: 0,
            counted: false,
            with_display: false,
        }
    }

    /// Path and query, percent-encoded.
    pub fn path(&self) -> String {
        let mut pairs = Serializer::new(String::new());
        pairs.append_pair("sysparm_query", &self.query);
        pairs.append_pair("sysparm_fields", &self.fields);
        pairs.append_pair("sysparm_limit", &self.limit.to_string());
        if self.offset > 0 {
            pairs.append_pair("sysparm_offset", &self.offset.to_string());
        }
        if !self.counted {
            pairs.append_pair("sysparm_no_count", "true");
        }
        pairs.append_pair("sysparm_suppress_pagination_header", "true");
        pairs.append_pair("sysparm_display_value", if self.with_display { "all" } else { "false" });
        pairs.append_pair("sysparm_exclude_reference_link", "true");
        format!("/api/now/table/{}?{}", self.table, pairs.finish())
    }
}

/// The address of one record, for reading it or writing to it.
/// Vendor: PATCH knows no `sysparm_exclude_reference_link` (c_TableAPI); ask for columns that are no references.
pub fn record_path(table: &str, sys_id: &str, fields: &str) -> String {
    let mut pairs = Serializer::new(String::new());
    pairs.append_pair("sysparm_fields", fields);
    pairs.append_pair("sysparm_display_value", "false");
    format!("/api/now/table/{table}/{sys_id}?{}", pairs.finish())
}
