//! The body of a note of ours, as Jira takes it: text that nothing can turn into anything else.

use super::adf;
use super::config::{Flavour, Notes};
use super::marks;
use dutyd_core::action::note_marker_line;
use serde_json::{Value, json};

/// Longer notes are cut, above their last line.
const NOTE_MAX: usize = 4 * 1024;

/// Who may read a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience<'a> {
    /// Service Management: everybody but the customer.
    Internal,
    Role(&'a str),
    Group(&'a str),
}

/// The audience in a project; `None`: no notes there.
pub fn audience(service_desk: bool, notes: &Notes) -> Option<Audience<'_>> {
    match notes {
        _ if service_desk => Some(Audience::Internal),
        Notes::None => None,
        Notes::Role(role) => Some(Audience::Role(role)),
        Notes::Group(group) => Some(Audience::Group(group)),
    }
}

/// The request's body for a new comment.
pub fn comment(flavour: Flavour, audience: Audience<'_>, marker: &str, body: &str) -> Value {
    let text = bounded(marker, body);
    let body = match flavour {
        Flavour::Cloud => adf::document(&text),
        Flavour::DataCenter => Value::String(plain_wiki(&text)),
    };
    let mut properties = vec![json!({ "key": marks::NAME, "value": { "marker": marker } })];
    let mut comment = json!({ "body": body });
    match audience {
        // Vendor: internal from the start; a comment made internal later has already been mailed to the customer
        // (support.atlassian.com/jira/kb/a-customer-notification-was-sent-from-an-internal-comment-added-to-a-jsm-ticket).
        Audience::Internal => {
            properties.push(json!({ "key": "sd.public.comment", "value": { "internal": true } }))
        }
        Audience::Role(role) => comment["visibility"] = json!({ "type": "role", "value": role }),
        Audience::Group(group) => comment["visibility"] = json!({ "type": "group", "value": group }),
    }
    comment["properties"] = Value::Array(properties);
    comment
}

/// The text within its bound, the marker always on its last line.
fn bounded(marker: &str, body: &str) -> String {
    let last = note_marker_line(marker);
    let mut text = body.trim_end().strip_suffix(&last).unwrap_or(body).trim_end().to_owned();
    adf::cut(&mut text, NOTE_MAX);
    format!("{text}\n{last}")
}

/// Vendor: Data Center reads comments as wiki text; a backslash takes a character's meaning away
/// (jira.atlassian.com/secure/WikiRendererHelpAction.jspa).
fn plain_wiki(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        for letter in adf::printable(line).chars() {
            if matches!(letter, '\\' | '{' | '[' | '!' | '|' | '*' | '_' | '^' | '~') {
                out.push('\\');
            }
            out.push(letter);
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}
