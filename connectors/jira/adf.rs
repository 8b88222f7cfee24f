//! Atlassian's document format: text out of a document, and a document out of text.
//!
//! Invariant: a document we build has no nodes but `doc`, `paragraph` and `text`, whatever the text says
//! (`hostile_text_stays_text`). Nothing in it can become a mention, a link or a macro.

pub use crate::plain::printable;
use serde_json::{Value, json};

/// Deeper nesting than this is not read; the vendor's own editor stays far below.
const DEPTH_MAX: usize = 40;
/// Longer texts are cut: the lexicon needs no more, and nobody reads a longer note.
pub const TEXT_MAX: usize = 32 * 1024;

/// A document with one paragraph per line. Empty lines are empty paragraphs, which the format allows.
pub fn document(text: &str) -> Value {
    let paragraphs: Vec<Value> = text.lines().map(paragraph).collect();
    json!({ "type": "doc", "version": 1, "content": paragraphs })
}

fn paragraph(line: &str) -> Value {
    let line = printable(line);
    if line.is_empty() {
        // Vendor: a text node must not be empty (developer.atlassian.com/cloud/jira/platform/apis/document/nodes/text).
        return json!({ "type": "paragraph", "content": [] });
    }
    json!({ "type": "paragraph", "content": [{ "type": "text", "text": line }] })
}

/// The text of a body: a document (version 3) or plain or wiki text (version 2 and Data Center).
pub fn text(body: &Value) -> String {
    let mut out = String::new();
    match body {
        Value::String(text) => out.push_str(text),
        other => collect(other, &mut out, 0),
    }
    cut(&mut out, TEXT_MAX);
    out.truncate(out.trim_end().len());
    out
}

/// Cuts at a character boundary.
pub fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}

fn collect(node: &Value, out: &mut String, depth: usize) {
    if depth > DEPTH_MAX || out.len() > TEXT_MAX {
        return;
    }
    let kind = node.get("type").and_then(Value::as_str).unwrap_or("");
    match kind {
        "text" => out.push_str(string(node, "/text")),
        "hardBreak" => out.push('\n'),
        "mention" | "emoji" | "status" | "date" => out.push_str(string(node, "/attrs/text")),
        "inlineCard" | "blockCard" | "embedCard" => out.push_str(string(node, "/attrs/url")),
        _ => {}
    }
    for child in node.get("content").and_then(Value::as_array).into_iter().flatten() {
        collect(child, out, depth + 1);
    }
    let ends_line = matches!(kind, "paragraph" | "heading" | "codeBlock" | "tableRow" | "rule" | "blockCard");
    if ends_line && !out.is_empty() {
        out.push('\n');
    }
}

fn string<'a>(node: &'a Value, pointer: &str) -> &'a str {
    node.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}
