//! Instants as Salesforce writes them: whole seconds in practice, milliseconds on paper, an offset without a colon.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `2026-05-01T07:25:37.000+0000`, cut to the second. Texts compare as the instants do.
pub fn stamp(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}

/// Reads what [`stamp`] writes.
pub fn parse(text: &str) -> Option<Timestamp> {
    let civil = text.strip_suffix("+0000").unwrap_or(text);
    format!("{civil}Z").parse().ok()
}

/// `Fri, 01 May 2026 07:25:37 GMT`.
pub fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}
