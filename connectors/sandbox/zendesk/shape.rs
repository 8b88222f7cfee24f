//! Zendesk's JSON shapes: how rows look in answers. The key sets are those of recorded answers.
//! Knows rows and names; decides nothing.

use super::book::{Audit, BRAND, Book, FORM, Field, MetricEvent, Organization, Ticket, User};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Whole seconds, as Zendesk writes times.
pub fn stamp(second: i64) -> String {
    Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

fn when(second: Option<i64>) -> Value {
    second.map_or(Value::Null, |second| json!(stamp(second)))
}

/// A ticket. Answers to create and update say `generated_timestamp: 0` on creation.
pub fn ticket(book: &Book, ticket: &Ticket, origin: &str) -> Value {
    let custom: Vec<Value> = book
        .fields
        .values()
        .filter(|field| !field.system && field.active)
        .map(|field| json!({ "id": field.id, "value": ticket.custom.get(&field.id).cloned().unwrap_or(Value::Null) }))
        .collect();
    let mut value = json!({
        "url": format!("{origin}/api/v2/tickets/{}.json", ticket.id), "id": ticket.id,
        "external_id": ticket.external_id, "via": ticket.via,
        "created_at": stamp(ticket.created), "updated_at": stamp(ticket.updated),
        "generated_timestamp": ticket.generated, "type": ticket.kind,
        "subject": ticket.subject, "raw_subject": ticket.subject, "description": ticket.description,
        "priority": ticket.priority, "status": ticket.status, "recipient": null,
        "requester_id": ticket.requester, "submitter_id": ticket.submitter, "assignee_id": ticket.assignee,
        "organization_id": ticket.organization, "group_id": ticket.group,
        "collaborator_ids": ticket.collaborators, "follower_ids": [], "email_cc_ids": ticket.collaborators,
        "forum_topic_id": null, "problem_id": ticket.problem,
        "has_incidents": book.problems.contains(&ticket.id),
        "is_public": ticket.public, "due_at": ticket.due_at, "tags": ticket.tags,
        "satisfaction_rating": { "score": "unoffered" },
        "sharing_agreement_ids": [], "custom_status_id": custom_status(&ticket.status), "encoded_id": format!("Z{}-{}", ticket.id, ticket.created),
        "followup_ids": [], "ticket_form_id": FORM, "brand_id": BRAND,
        "allow_channelback": false, "allow_attachments": true, "from_messaging_channel": false,
    });
    value["fields"] = json!(custom);
    value["custom_fields"] = Value::Array(custom);
    value
}

fn custom_status(status: &str) -> u64 {
    let words = ["new", "open", "pending", "hold", "solved", "closed"];
    81_000_000_001 + words.iter().position(|word| *word == status).unwrap_or(5) as u64
}

pub fn audit(audit: &Audit) -> Value {
    json!({
        "id": audit.id, "ticket_id": audit.ticket, "created_at": stamp(audit.created), "author_id": audit.author,
        "metadata": {
            "system": { "client": "sandbox", "ip_address": "127.0.0.1", "location": "Loopback", "latitude": 0.0, "longitude": 0.0 },
            "custom": audit.custom,
        },
        "events": audit.events, "via": audit.via,
    })
}

/// A comment, from its event in an audit.
pub fn comment(audit: &Audit, event: &Value) -> Value {
    json!({
        "id": event["id"], "type": "Comment", "author_id": event["author_id"], "body": event["body"],
        "html_body": event["html_body"], "plain_body": event["plain_body"], "public": event["public"],
        "attachments": event["attachments"], "audit_id": audit.id, "via": audit.via, "created_at": stamp(audit.created),
        "metadata": { "system": { "client": "sandbox", "ip_address": "127.0.0.1" }, "custom": audit.custom },
    })
}

pub fn user(user: &User, origin: &str) -> Value {
    let mut value = json!({
        "id": user.id, "url": format!("{origin}/api/v2/users/{}.json", user.id), "name": user.name, "email": user.email,
        "created_at": stamp(user.created), "updated_at": stamp(user.updated), "time_zone": zone_name(user.zone),
        "iana_time_zone": user.zone, "phone": null, "shared_phone_number": null, "photo": null, "locale_id": 1,
        "locale": "en-US", "organization_id": user.organization, "role": user.role, "verified": true,
        "external_id": null, "tags": [], "alias": "", "active": true, "shared": false, "shared_agent": false,
        "last_login_at": null, "two_factor_auth_enabled": null, "signature": null, "details": "", "notes": "",
        "role_type": role_type(&user.role), "custom_role_id": null, "moderator": user.role != "end-user",
        "ticket_restriction": if user.role == "end-user" { json!("requested") } else { Value::Null },
        "only_private_comments": false, "restricted_agent": user.role == "end-user", "suspended": false,
        "default_group_id": user.group, "report_csv": user.role == "admin", "user_fields": {},
    });
    for (key, given) in &user.more {
        value[key.as_str()] = given.clone();
    }
    value
}

fn role_type(role: &str) -> Value {
    match role {
        "admin" => json!(4),
        "agent" => json!(0),
        _ => Value::Null,
    }
}

fn zone_name(zone: &str) -> &str {
    zone.rsplit('/').next().unwrap_or(zone)
}

/// What `users/me` says to nobody.
pub fn anonymous() -> Value {
    json!({ "user": {
        "id": null, "url": null, "name": "Anonymous user", "email": "invalid@example.com", "created_at": null,
        "updated_at": null, "time_zone": "UTC", "iana_time_zone": "Etc/UTC", "locale": "en-US", "role": "end-user",
        "active": null, "verified": false, "organization_id": null, "tags": [], "user_fields": {},
    }})
}

pub fn organization(one: &Organization, origin: &str) -> Value {
    json!({
        "url": format!("{origin}/api/v2/organizations/{}.json", one.id), "id": one.id, "name": one.name,
        "shared_tickets": false, "shared_comments": false, "external_id": null, "created_at": stamp(one.created),
        "updated_at": stamp(one.created), "domain_names": [one.domain], "details": "", "notes": "", "group_id": null,
        "tags": [], "organization_fields": { "tier": one.tier },
    })
}

pub fn group(book: &Book, id: u64, origin: &str) -> Value {
    json!({
        "url": format!("{origin}/api/v2/groups/{id}.json"), "id": id, "is_public": true,
        "name": book.groups.get(&id), "description": "", "default": false, "deleted": false,
        "created_at": stamp(book.began), "updated_at": stamp(book.began),
    })
}

pub fn field(book: &Book, field: &Field, origin: &str) -> Value {
    let mut value = json!({
        "url": format!("{origin}/api/v2/ticket_fields/{}.json", field.id), "id": field.id, "type": field.kind,
        "title": field.title, "raw_title": field.title, "description": "", "raw_description": "",
        "position": field.id % 1_000, "active": field.active, "required": false, "collapsed_for_agents": false,
        "regexp_for_validation": null, "title_in_portal": field.title, "raw_title_in_portal": field.title,
        "visible_in_portal": field.in_portal, "editable_in_portal": field.in_portal, "required_in_portal": false,
        "tag": null, "created_at": stamp(book.began), "updated_at": stamp(book.began), "removable": !field.system,
        "key": null, "agent_description": null,
    });
    if field.kind == "tagger" {
        let options = field.options.iter().enumerate().map(|(index, (name, tag))| {
            json!({ "id": field.id * 100 + index as u64, "name": name, "raw_name": name, "value": tag, "default": false })
        });
        value["custom_field_options"] = options.collect();
    }
    value
}

/// The row of `metric_sets`, which is also `tickets/{id}/metrics`.
pub fn metrics(ticket: &Ticket, origin: &str) -> Value {
    let measured = &ticket.metrics;
    let minutes = |until: Option<i64>| {
        let passed = until.map(|until| (until - ticket.created) / 60);
        json!({ "calendar": passed, "business": passed })
    };
    json!({
        "url": format!("{origin}/api/v2/ticket_metrics/{}.json", metric_id(ticket)), "id": metric_id(ticket),
        "ticket_id": ticket.id, "created_at": stamp(ticket.created), "updated_at": stamp(ticket.updated),
        "group_stations": measured.groups, "assignee_stations": measured.assignees, "reopens": measured.reopens,
        "replies": measured.replies, "assignee_updated_at": when(measured.assignee_at),
        "requester_updated_at": stamp(measured.requester_at), "status_updated_at": stamp(measured.status_at),
        "initially_assigned_at": when(measured.first_assigned_at), "assigned_at": when(measured.assigned_at),
        "solved_at": when(measured.solved_at), "latest_comment_added_at": stamp(measured.comment_at),
        "custom_status_updated_at": stamp(measured.status_at),
        "reply_time_in_minutes": minutes(measured.first_reply_at),
        "first_resolution_time_in_minutes": minutes(measured.solved_at),
        "full_resolution_time_in_minutes": minutes(measured.solved_at),
        "agent_wait_time_in_minutes": minutes(None), "requester_wait_time_in_minutes": minutes(measured.solved_at),
        "on_hold_time_in_minutes": { "calendar": 0, "business": 0 },
    })
}

fn metric_id(ticket: &Ticket) -> u64 {
    82_000_000_000 + ticket.id
}

pub fn metric_event(event: &MetricEvent) -> Value {
    json!({
        "id": event.id, "ticket_id": event.ticket, "metric": event.metric, "instance_id": event.instance,
        "type": event.kind, "time": stamp(event.at),
    })
}

/// Adds what `include=` asks for beside a page of tickets.
pub fn side_loads(book: &Book, include: &str, ids: &[u64], origin: &str, frame: &mut Map<String, Value>) {
    let tickets: Vec<&Ticket> = ids.iter().filter_map(|id| book.tickets.get(id)).collect();
    for word in include.split(',').map(str::trim) {
        let rows: Vec<Value> = match word {
            "users" => {
                let people = tickets.iter().flat_map(|one| {
                    [Some(one.requester), Some(one.submitter), one.assignee]
                        .into_iter()
                        .flatten()
                        .chain(one.collaborators.clone())
                });
                distinct(people).filter_map(|id| Some(user(book.users.get(&id)?, origin))).collect()
            }
            "groups" => distinct(tickets.iter().filter_map(|one| one.group))
                .map(|id| group(book, id, origin))
                .collect(),
            "organizations" => distinct(tickets.iter().filter_map(|one| one.organization))
                .filter_map(|id| Some(organization(book.organizations.get(&id)?, origin)))
                .collect(),
            "metric_sets" => {
                measured(book, frame, origin);
                continue;
            }
            _ => continue,
        };
        frame.insert(word.to_owned(), Value::Array(rows));
    }
}

/// Vendor: measures stand within each ticket, not beside the tickets; clients read `metric_set` there.
fn measured(book: &Book, frame: &mut Map<String, Value>, origin: &str) {
    for (name, rows) in frame.iter_mut().filter(|(name, _)| name.starts_with("ticket")) {
        let rows = match rows {
            Value::Array(rows) => rows.as_mut_slice(),
            row if name == "ticket" => std::slice::from_mut(row),
            _ => continue,
        };
        for row in rows {
            let ticket = row["id"].as_u64().and_then(|id| book.tickets.get(&id));
            row["metric_set"] = ticket.map_or(Value::Null, |ticket| metrics(ticket, origin));
        }
    }
}

fn distinct(ids: impl Iterator<Item = u64>) -> impl Iterator<Item = u64> {
    ids.collect::<std::collections::BTreeSet<_>>().into_iter()
}
