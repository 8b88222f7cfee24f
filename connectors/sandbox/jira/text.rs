//! Text in and out: documents for version 3, plain text for version 2. Times as Jira writes them.

use super::issue::Body;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// `2026-11-21T09:30:12.345+0000`, in the caller's zone.
pub fn stamp(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S.%3f%z").to_string()
}

/// Milliseconds are the vendor's precision.
pub fn millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

impl Body {
    /// Version 3: a document.
    pub fn document(&self) -> Value {
        match self {
            Body::Document(document) => document.clone(),
            Body::Text(text) => {
                let paragraphs: Vec<Value> = text.split('\n').map(paragraph).collect();
                json!({ "type": "doc", "version": 1, "content": paragraphs })
            }
        }
    }

    /// Version 2: text.
    pub fn text(&self) -> String {
        match self {
            Body::Text(text) => text.clone(),
            Body::Document(document) => {
                let mut text = String::new();
                flatten(document, &mut text, 0);
                text.trim_end().to_owned()
            }
        }
    }

    pub fn render(&self, documents: bool) -> Value {
        if documents { self.document() } else { Value::String(self.text()) }
    }

    /// What a client sent; `None`: not valid in this version.
    pub fn read(value: &Value, documents: bool) -> Option<Body> {
        match value {
            Value::String(text) if !documents => Some(Body::Text(text.clone())),
            Value::Object(_) if documents && is_document(value) => Some(Body::Document(value.clone())),
            _ => None,
        }
    }
}

fn paragraph(line: &str) -> Value {
    if line.is_empty() {
        return json!({ "type": "paragraph", "content": [] });
    }
    json!({ "type": "paragraph", "content": [{ "type": "text", "text": line }] })
}

/// Types of nodes, and which of them stand inside a line.
const BLOCKS: &[&str] = &[
    "paragraph",
    "heading",
    "bulletList",
    "orderedList",
    "listItem",
    "blockquote",
    "codeBlock",
    "panel",
    "rule",
    "table",
    "tableRow",
    "tableCell",
    "tableHeader",
    "mediaSingle",
    "mediaGroup",
    "media",
    "blockCard",
    "expand",
    "taskList",
    "taskItem",
];
const INLINES: &[&str] = &["text", "hardBreak", "mention", "emoji", "inlineCard", "status", "date"];

/// The shape that the vendor's validation asks for: `doc`, version 1, known nodes, no empty text.
fn is_document(value: &Value) -> bool {
    value.get("type").and_then(Value::as_str) == Some("doc")
        && value.get("version").and_then(Value::as_i64) == Some(1)
        && value
            .get("content")
            .and_then(Value::as_array)
            .is_some_and(|nodes| nodes.iter().all(|node| is_node(node, 0)))
}

fn is_node(node: &Value, depth: usize) -> bool {
    let kind = node.get("type").and_then(Value::as_str).unwrap_or("");
    let text = node.get("text").and_then(Value::as_str);
    let children = node.get("content").and_then(Value::as_array);
    depth < 60
        && (BLOCKS.contains(&kind) || INLINES.contains(&kind))
        && (kind == "text") == text.is_some_and(|text| !text.is_empty())
        && children.is_none_or(|nodes| nodes.iter().all(|node| is_node(node, depth + 1)))
}

fn flatten(node: &Value, out: &mut String, depth: usize) {
    if depth > 60 {
        return;
    }
    let kind = node.get("type").and_then(Value::as_str).unwrap_or("");
    match kind {
        "text" => out.push_str(node.get("text").and_then(Value::as_str).unwrap_or("")),
        "hardBreak" => out.push('\n'),
        "mention" => out.push_str(node.pointer("/attrs/text").and_then(Value::as_str).unwrap_or("")),
        _ => {}
    }
    for child in node.get("content").and_then(Value::as_array).into_iter().flatten() {
        flatten(child, out, depth + 1);
    }
    if matches!(kind, "paragraph" | "heading" | "codeBlock" | "rule") {
        out.push('\n');
    }
}
