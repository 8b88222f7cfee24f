//! The shapes of Jira's answers that we read, tolerant of what we do not know.
//!
//! Must not know: what a case is. Records of a list stay raw here, so that one bad record spoils only itself.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// A page of `/search/jql` (Cloud) or `/search` (Data Center).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchPage {
    #[serde(default)]
    pub issues: Vec<Box<RawValue>>,
    /// Cloud only; absent or null on the last page.
    pub next_page_token: Option<String>,
    /// Data Center only.
    pub total: Option<u64>,
}

/// What a search row must tell to become a hint.
#[derive(Debug, Deserialize)]
pub struct SearchRow {
    pub id: String,
    #[serde(default)]
    pub fields: RowFields,
}

#[derive(Debug, Default, Deserialize)]
pub struct RowFields {
    pub updated: Option<String>,
}

/// Answer of `/issue/bulkfetch`.
#[derive(Debug, Deserialize)]
pub struct BulkIssues {
    #[serde(default)]
    pub issues: Vec<Box<RawValue>>,
}

/// One issue with the fields that were asked for, each still raw.
#[derive(Debug, Deserialize)]
pub struct Issue {
    pub id: String,
    pub key: String,
    #[serde(default)]
    pub fields: BTreeMap<String, Box<RawValue>>,
    /// Those that were asked for and are set; not there at all where nobody tells.
    pub properties: Option<BTreeMap<String, Box<RawValue>>>,
    /// With `expand=changelog`.
    pub changelog: Option<ChangelogPage>,
}

impl Issue {
    /// A field, if it is there, not null and of the expected shape.
    pub fn field<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Option<T> {
        let raw = self.fields.get(name)?;
        serde_json::from_str::<Option<T>>(raw.get()).ok().flatten()
    }
}

/// A page of histories, under either of the names the vendor gives the list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangelogPage {
    #[serde(default, alias = "values")]
    pub histories: Vec<Box<RawValue>>,
    pub total: Option<u64>,
}

/// Answer of `/changelog/bulkfetch`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkChangelogs {
    #[serde(default)]
    pub issue_change_logs: Vec<IssueHistories>,
    pub next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssueHistories {
    #[serde(deserialize_with = "text")]
    pub issue_id: String,
    #[serde(default)]
    pub change_histories: Vec<Box<RawValue>>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct History {
    #[serde(deserialize_with = "text")]
    pub id: String,
    pub created: Stamp,
    pub author: Option<User>,
    #[serde(default)]
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    #[serde(default)]
    pub field: String,
    /// Missing on Data Center before 9.
    pub field_id: Option<String>,
    pub from: Option<String>,
    pub from_string: Option<String>,
    pub to: Option<String>,
    #[serde(rename = "toString")]
    pub to_string: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub account_id: Option<String>,
    /// `atlassian`, `app` or `customer`; Cloud only.
    pub account_type: Option<String>,
    /// Data Center: immutable.
    pub key: Option<String>,
    /// Data Center: the login, which can change.
    pub name: Option<String>,
    pub display_name: Option<String>,
    pub email_address: Option<String>,
    pub time_zone: Option<String>,
}

impl User {
    /// The immutable id.
    pub fn id(&self) -> Option<&str> {
        self.account_id.as_deref().or(self.key.as_deref()).or(self.name.as_deref())
    }

    pub fn shown(&self) -> &str {
        self.display_name.as_deref().or(self.name.as_deref()).or(self.id()).unwrap_or("")
    }
}

#[derive(Debug, Default, Deserialize)]
pub struct CommentPage {
    #[serde(default)]
    pub comments: Vec<Box<RawValue>>,
    #[serde(default)]
    pub total: u64,
}

/// What tells one page of a list by offsets from the next.
pub fn rows_of(rows: &[Box<RawValue>]) -> Vec<&str> {
    rows.iter().map(|raw| raw.get()).collect()
}

/// The records of a list that can be read, and whether these are all of them.
pub fn readable<T: de::DeserializeOwned>(raw: &[Box<RawValue>]) -> (Vec<T>, bool) {
    let read: Vec<T> = raw.iter().filter_map(|record| serde_json::from_str(record.get()).ok()).collect();
    let all = read.len() == raw.len();
    (read, all)
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comment {
    #[serde(deserialize_with = "text")]
    pub id: String,
    pub author: Option<User>,
    /// A document in version 3, text in version 2.
    pub body: Option<Box<RawValue>>,
    pub created: Stamp,
    /// Whether the portal shows it. True outside Service Management too.
    pub jsd_public: Option<bool>,
    /// Set when only a role or group may read it.
    pub visibility: Option<serde_json::Value>,
    /// Data Center with `expand=properties`.
    #[serde(default)]
    pub properties: Vec<Property>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Property {
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub value: serde_json::Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    #[serde(default, deserialize_with = "text")]
    pub id: String,
    #[serde(default)]
    pub name: String,
    pub status_category: Option<StatusCategory>,
}

#[derive(Debug, Deserialize)]
pub struct StatusCategory {
    /// `new`, `indeterminate`, `done`; `undefined` where the administrator set none.
    #[serde(default)]
    pub key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    #[serde(deserialize_with = "text")]
    pub id: String,
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub name: String,
    /// `service_desk` for Service Management.
    pub project_type_key: Option<String>,
}

impl Project {
    pub fn is_service_desk(&self) -> bool {
        self.project_type_key.as_deref() == Some("service_desk")
    }
}

/// A link to another issue; one of the two ends is given.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    pub inward_issue: Option<LinkEnd>,
    pub outward_issue: Option<LinkEnd>,
}

#[derive(Debug, Deserialize)]
pub struct LinkEnd {
    pub id: Option<String>,
}

/// One row of `/field`.
#[derive(Debug, Deserialize)]
pub struct Field {
    pub id: String,
    #[serde(default)]
    pub name: String,
    pub schema: Option<FieldSchema>,
}

#[derive(Debug, Deserialize)]
pub struct FieldSchema {
    pub custom: Option<String>,
}

/// An instant as Jira writes it in its various places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub Timestamp);

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(StampVisitor)
    }
}

struct StampVisitor;

impl Visitor<'_> for StampVisitor {
    type Value = Stamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time as text or as an epoch number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Stamp, E> {
        parse_time(text).map(Stamp).ok_or_else(|| E::custom("not a time"))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Stamp, E> {
        epoch(number).map(Stamp).ok_or_else(|| E::custom("not a time"))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Stamp, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Above this an epoch number counts milliseconds: as seconds it would lie in the year 5138.
const SECONDS_MAX: i64 = 100_000_000_000;

/// Vendor: the bulk changelog's schema says date-time and its example shows an epoch number
/// (developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues). Seconds or milliseconds by magnitude.
fn epoch(number: i64) -> Option<Timestamp> {
    if number.abs() < SECONDS_MAX {
        Timestamp::from_second(number).ok()
    } else {
        Timestamp::from_millisecond(number).ok()
    }
}

/// `2026-11-21T09:30:12.345+0000`: the offset has no colon, which RFC 3339 readers refuse. Others are read too.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok().or_else(|| text.parse().ok())
}

/// An id that is text here and a number there.
fn text<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    struct TextVisitor;
    impl Visitor<'_> for TextVisitor {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an id as text or number")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
        fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
        fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }
    input.deserialize_any(TextVisitor)
}
