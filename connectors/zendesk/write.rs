//! From wants to one ticket update, and from its answer to receipts. Plain functions.
//!
//! Knows: which field and comment carry which want. Must not know: how a request is sent or retried.

use super::normalize::{FieldIds, METADATA_KEY, TAG_PREFIX, revision_of};
use super::wire::{Audit, Comment, Ticket};
use crate::{ConnectorError, plain};
use dutyd_core::action::{Action, Marker, Receipt, Want, note_markers};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What one update sets.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Field id and value.
    pub fields: Vec<(u64, Option<String>)>,
    /// Text of the private comment.
    pub note: Option<String>,
    /// Ids of the actions, for the audit's metadata.
    pub actions: Vec<String>,
}

/// The update that makes `actions` of one ticket true.
// Vendor: an update carries one comment; several notes go into it one after the other, each with its own last line.
pub fn update_of(actions: &[&Action], fields: &FieldIds) -> Result<Update, ConnectorError> {
    let mut update = Update { fields: Vec::new(), note: None, actions: Vec::new() };
    for action in actions {
        match &action.want {
            Want::Mark(marker) => {
                update.fields.push((known(fields.severity, "severity")?, severity_tag(marker.as_ref())));
                update.fields.push((known(fields.flags, "flags")?, marker.as_ref().map(Marker::to_line)));
            }
            Want::Why(why) => update.fields.push((known(fields.why, "why")?, why.clone())),
            Want::Note { body, .. } => match &mut update.note {
                Some(note) => *note = format!("{note}\n\n{}", plain::lines(body)),
                None => update.note = Some(plain::lines(body)),
            },
        }
        update.actions.push(action.id.clone());
    }
    Ok(update)
}

fn known(field: Option<u64>, name: &str) -> Result<u64, ConnectorError> {
    field.ok_or_else(|| ConnectorError::Refused {
        status: 0,
        reason: format!(
            "the ticket field for marks.{name} was not found: create it as `dutyd setup zendesk` says"
        ),
    })
}

fn severity_tag(marker: Option<&Marker>) -> Option<String> {
    Some(format!("{TAG_PREFIX}{}", marker?.severity?.word()))
}

/// The request's body.
// Vendor: `tags` is never sent, it would replace; `public` is always sent, its default follows the first comment;
// `safe_update:false` acts like true. https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/
pub fn body_of(update: &Update, updated_stamp: Timestamp) -> Vec<u8> {
    let mut ticket = Map::new();
    if !update.fields.is_empty() {
        let fields = update.fields.iter().map(|(id, value)| json!({ "id": id, "value": value }));
        ticket.insert("custom_fields".to_owned(), fields.collect());
    }
    if let Some(note) = &update.note {
        ticket.insert("comment".to_owned(), json!({ "body": note, "public": false }));
    }
    ticket.insert("metadata".to_owned(), json!({ METADATA_KEY: update.actions.join(" ") }));
    ticket.insert("safe_update".to_owned(), Value::Bool(true));
    ticket.insert("updated_stamp".to_owned(), json!(whole_second(updated_stamp)));
    json!({ "ticket": ticket }).to_string().into_bytes()
}

fn whole_second(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// Whether the ticket's fields show what the action wants. A note is not told by fields.
pub fn shows(ticket: &Ticket, action: &Action, fields: &FieldIds) -> bool {
    match &action.want {
        Want::Mark(marker) => {
            let line = marker.as_ref().map(Marker::to_line);
            ticket.custom_text(fields.severity) == severity_tag(marker.as_ref()).as_deref()
                && ticket.custom_text(fields.flags) == line.as_deref()
        }
        Want::Why(why) => ticket.custom_text(fields.why) == why.as_deref().filter(|text| !text.is_empty()),
        Want::Note { .. } => false,
    }
}

/// Whether our note stands among these comments.
pub fn note_stands(comments: &[Comment], marker: &str) -> Option<Timestamp> {
    let private = comments.iter().filter(|comment| !comment.public);
    let found = private.filter(|comment| {
        comment.body.as_deref().is_some_and(|body| note_markers(body).iter().any(|one| one == marker))
    });
    found.map(|comment| comment.created_at).next()
}

/// Whether the update's answer shows that it did what was asked: Zendesk leaves out fields that it does not know or
/// that are not active, and says nothing.
pub fn refused_silently(
    ticket: &Ticket,
    audit: Option<&Audit>,
    action: &Action,
    fields: &FieldIds,
) -> Option<ConnectorError> {
    let done = match &action.want {
        Want::Note { marker, .. } => audit.is_none_or(|audit| {
            audit.events.iter().any(|event| {
                event.kind == "Comment"
                    && event.public == Value::Bool(false)
                    && event.body.as_str().is_some_and(|body| note_markers(body).contains(marker))
            })
        }),
        _ => shows(ticket, action, fields),
    };
    (!done).then(|| ConnectorError::Refused {
        status: 200,
        reason: format!(
            "the update was accepted, but the ticket does not show {}: check that the field is active and its options \
             are those of `dutyd setup zendesk`",
            action.slot.word()
        ),
    })
}

pub fn receipt(action: &Action, ticket: &Ticket) -> Receipt {
    let revision = revision_of(ticket.generated_timestamp, ticket.updated_at, ticket.updated_at);
    Receipt {
        slot: action.slot.clone(),
        generation: action.generation,
        at: ticket.updated_at,
        revision: Some(revision),
    }
}
