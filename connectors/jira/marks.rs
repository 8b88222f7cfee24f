//! Our marks as Jira shows them: labels that people see and may remove, and an issue property that they do not see.
//!
//! Knows both directions: what a marker looks like, and what was found. Must not know: requests.

use dutyd_core::action::{Marker, Severity};
use dutyd_core::case::SeenMarks;
use serde_json::{Value, json};

/// The label of every marked issue, and the key of the issue property and of the comment property.
pub const NAME: &str = "dutyd";
const PREFIX: &str = "dutyd-";
/// Vendor: an issue property holds at most 32,768 characters
/// (developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-properties).
pub const PROPERTY_MAX: usize = 32_768;

/// The label that shows a severity.
pub fn severity_label(severity: Severity) -> String {
    format!("{PREFIX}{}", severity.word())
}

/// Whether a label is part of the mark: `dutyd` or `dutyd-<severity>`.
pub fn is_mark_label(label: &str) -> bool {
    label == NAME || label_severity(label).is_some()
}

/// Whether a label belongs to dutyd at all: a mark, or a person's answer to one.
pub fn is_ours(label: &str) -> bool {
    label == NAME || label.starts_with(PREFIX)
}

fn label_severity(label: &str) -> Option<Severity> {
    Severity::from_word(label.strip_prefix(PREFIX)?)
}

/// The severity that people see.
pub fn shown_severity<'a>(labels: impl IntoIterator<Item = &'a str>) -> Option<Severity> {
    labels.into_iter().filter_map(label_severity).max()
}

/// Labels that a marker wants, in order.
pub fn wanted_labels(marker: Option<&Marker>) -> Vec<String> {
    match marker.and_then(|marker| marker.severity) {
        Some(severity) => vec![NAME.to_owned(), severity_label(severity)],
        None => Vec::new(),
    }
}

/// What to add to the labels and what to take away: nothing but our own, whatever else stands there.
pub fn label_changes(present: &[String], wanted: &[String]) -> Vec<Value> {
    let add = wanted.iter().filter(|label| !present.contains(label)).map(|label| json!({ "add": label }));
    let stale = present.iter().filter(|label| is_mark_label(label) && !wanted.contains(label));
    add.chain(stale.map(|label| json!({ "remove": label }))).collect()
}

/// Value of the issue property.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Property {
    /// The marker's line.
    pub marks: Option<String>,
    pub why: Option<String>,
}

impl Property {
    pub fn read(value: &Value) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Self { marks: text("marks"), why: text("why") }
    }

    pub fn is_empty(&self) -> bool {
        self.marks.is_none() && self.why.is_none()
    }

    pub fn to_value(&self) -> Value {
        json!({ "marks": self.marks, "why": self.why })
    }

    pub fn marker(&self) -> Option<Marker> {
        self.marks.as_deref().and_then(Marker::from_line)
    }
}

/// What of ours stands on an issue. `notes`: markers found in comments of our account.
pub fn seen(labels: &[String], property: &Property, notes: Vec<String>, notes_complete: bool) -> SeenMarks {
    let shown = shown_severity(labels.iter().map(String::as_str));
    let marker = match (property.marker(), shown) {
        (Some(listed), shown) => Some(Marker { severity: shown.or(listed.severity), ..listed }),
        // A cloned issue keeps labels, and no property: nobody's mark.
        (None, Some(severity)) => Some(Marker { severity: Some(severity), flags: Vec::new() }),
        (None, None) => None,
    };
    let severity_cleared = shown.is_none() && marker.as_ref().is_some_and(|marker| marker.severity.is_some());
    SeenMarks {
        unread: false,
        marker,
        severity_cleared,
        why: property.why.clone(),
        notes,
        notes_complete,
        answer: answer(labels),
    }
}

/// People answer with a label, because every screen has labels: `dutyd-ack`, `dutyd-escalated`, `dutyd-snooze-4h`,
/// `dutyd-worse`, `dutyd-dismiss`.
pub fn answer(labels: &[String]) -> Option<String> {
    let said = |label: &String| Some(label.strip_prefix(PREFIX)?.to_owned());
    let mut answers = labels.iter().filter(|label| !is_mark_label(label)).filter_map(said);
    answers.next().map(|said| match said.strip_prefix("snooze-") {
        Some(until) => format!("snooze {until}"),
        None => said,
    })
}
