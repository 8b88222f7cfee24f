//! Events of webhooks and comments of lists, written as tickets and audits, so that one reading serves all.
//!
//! Must not know: what tickets and audits mean.
// Vendor: ids are text there and words are upper case, https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events/

use super::wire::{event_of, id_of};
use serde_json::{Value, json};

/// Events that tell a field's value before and after, and the field.
const CHANGES: [(&str, &str); 5] = [
    ("status_changed", "status"),
    ("priority_changed", "priority"),
    ("agent_assignment_changed", "assignee_id"),
    ("group_assignment_changed", "group_id"),
    ("problem_link_changed", "problem_id"),
];

/// The snapshot that an event carries, with the keys and words of a ticket.
pub fn ticket_of_event(value: &Value) -> Value {
    let detail = &value["detail"];
    let id = |key: &str| id_of(&detail[key]);
    json!({
        "id": id("id"), "subject": detail["subject"], "tags": detail["tags"], "via": detail["via"],
        "status": lower(&detail["status"]), "priority": lower(&detail["priority"]), "type": lower(&detail["type"]),
        "requester_id": id("requester_id"), "assignee_id": id("assignee_id"), "group_id": id("group_id"),
        "organization_id": id("organization_id"), "brand_id": id("brand_id"), "ticket_form_id": id("form_id"),
        "created_at": detail["created_at"], "updated_at": detail["updated_at"],
    })
}

/// The audit of which an event tells. `None`: a kind that the timeline has no word for.
pub fn audit_of_event(value: &Value) -> Option<Value> {
    let kind = event_of(value)?.strip_prefix("ticket.")?;
    let event = &value["event"];
    let change = |field: Value| {
        let (from, to) = (lower(&event["previous"]), lower(&event["current"]));
        json!({ "id": value["id"], "type": "Change", "field_name": field, "previous_value": from, "value": to })
    };
    let told = match (kind, CHANGES.iter().find(|(known, _)| *known == kind)) {
        (_, Some((_, field))) => change(json!(field)),
        ("custom_field_changed", _) => {
            let (from, to) = (&event["previous"], &event["current"]);
            json!({ "id": value["id"], "type": "Change", "field_name": event["field"]["id"],
                "previous_value": from, "value": to })
        }
        ("comment_added", _) => {
            let comment = &event["comment"];
            json!({ "id": comment["id"], "type": "Comment", "public": comment["is_public"],
                "body": comment["body"], "author_id": comment["author"]["id"] })
        }
        _ => return None,
    };
    Some(json!({
        "ticket_id": id_of(&value["detail"]["id"]), "created_at": value["time"],
        "author_id": id_of(&value["detail"]["actor_id"]), "events": [told],
    }))
}

/// A comment of a list, as the audit that made it. Vendor: a comment does not say of which ticket it is.
pub fn audit_of_comment(comment: &Value) -> Value {
    json!({
        "created_at": comment["created_at"], "author_id": comment["author_id"], "via": comment["via"],
        "events": [comment],
    })
}

fn lower(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |word| json!(word.to_lowercase()))
}
