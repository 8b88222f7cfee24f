//! Issues, histories and comments of the vendor, in our words.

use super::config;
use crate::jira::config::Flavour;
use crate::jira::normalize::{Reader, Whole, is_id};
use crate::jira::site::Site;
use crate::jira::wire::{Field, Status, User, parse_time, readable};
use crate::jira::words;
use dutyd_core::case::{self, CaseChange, CaseKey, FieldValue, Priority};
use dutyd_core::timeline::{Actor, EventKind, TimelineEvent};
use serde_json::json;

fn site(config: &crate::jira::Config) -> Site {
    let me: User = serde_json::from_value(json!({ "accountId": "self" })).expect("a user");
    let fields: Vec<Field> = serde_json::from_value(json!([
        { "id": "components", "name": "Components", "schema": { "type": "array" } },
        { "id": "customfield_10002", "name": "Organisationen", "schema": { "custom": "com.atlassian.servicedesk:sd-customer-organizations" } },
        { "id": "customfield_10010", "name": "Request Type", "schema": { "custom": "com.atlassian.servicedesk:vp-origin" } },
        { "id": "customfield_10070", "name": "Customer tier" },
        { "id": "customfield_10071", "name": "Product" },
        { "id": "customfield_10099", "name": "Go-live" },
    ]))
    .expect("fields");
    let statuses: Vec<Status> = serde_json::from_value(json!([
        { "id": "1", "name": "Open", "statusCategory": { "key": "new" } },
        { "id": "77", "name": "Shipped", "statusCategory": { "key": "done" } },
    ]))
    .expect("statuses");
    Site::new(config, &me, &fields, &statuses)
}

fn change(more: serde_json::Value) -> CaseChange {
    let config = config(Flavour::Cloud, more);
    let site = site(&config);
    let now = "2026-11-23T00:00:00Z".parse().expect("a time");
    let histories: Vec<Box<serde_json::value::RawValue>> =
        serde_json::from_str(include_str!("../fixtures/histories.json")).expect("histories");
    let comments: Vec<Box<serde_json::value::RawValue>> =
        serde_json::from_str(include_str!("../fixtures/comments.json")).expect("comments");
    let whole = Whole {
        issue: serde_json::from_str(include_str!("../fixtures/issue-cloud.json")).expect("an issue"),
        histories: readable(&histories).0,
        comments: readable(&comments).0,
        histories_complete: true,
        comments_complete: true,
    };
    assert_eq!((whole.histories.len(), whole.comments.len()), (4, 6), "every record of the fixtures is read");
    Reader { source: "jira", config: &config, site: &site, browse: "https://acme.atlassian.net", now }
        .change(&whole)
        .expect("a case")
}

#[test]
fn an_issue_is_read_as_a_case() {
    let case = change(json!({ "fields": { "go_live": "Go-live" } })).case;
    assert_eq!((case.key.id.as_str(), case.number.as_str()), ("10002", "SUP-7"));
    assert_eq!(case.link.as_deref(), Some("https://acme.atlassian.net/browse/SUP-7"));
    assert_eq!((case.status, case.status_raw.as_str()), (case::Status::Pending, "Waiting for customer"));
    assert_eq!(case.priority, Some(Priority(2)));
    let name = |party: &Option<case::Party>| party.as_ref().map(|party| party.name.clone());
    assert_eq!(name(&case.customer).as_deref(), Some("Castellan Bank"));
    assert_eq!(name(&case.team).as_deref(), Some("Platform Support"));
    assert_eq!((name(&case.owner).as_deref(), name(&case.requester).as_deref()), (Some("Mia"), Some("Kim")));
    assert_eq!((case.tier.as_deref(), case.product.as_deref()), (Some("Gold"), None));
    assert_eq!(case.tags, ["vip"]);
    assert_eq!(case.links, [CaseKey::new("jira", "10077")]);
    assert_eq!(case.opened_at, "2026-11-19T22:30:12.345Z".parse().expect("a time"));
    assert_eq!(case.due_at, Some("2026-11-30T23:59:59Z".parse().expect("a time")));
    assert_eq!(case.revision.at_ms, case.updated_at.as_millisecond());
    assert_eq!(case.fields["request_type"], FieldValue::Text("Report a problem".to_owned()));
    assert!(matches!(case.fields["go_live"], FieldValue::Instant(_)));
    assert!(case.unread.is_empty());
}

fn event<'a>(change: &'a CaseChange, id: &str) -> &'a TimelineEvent {
    change.events.iter().find(|event| event.id == id).unwrap_or_else(|| panic!("no event {id}"))
}

#[test]
fn histories_become_events_with_ids_of_their_own() {
    let change = change(json!({}));
    let at = |id: &str| event(&change, id);
    assert_eq!(
        at("500:00").kind,
        EventKind::StatusChanged { from: case::Status::New, to: case::Status::Pending }
    );
    let EventKind::TeamChanged { from, to } = &at("500:01").kind else { panic!("one hand-over is one fact") };
    assert_eq!(from.as_ref().map(|team| &*team.name), Some("Service Desk"));
    assert_eq!(to.as_ref().map(|team| &*team.name), Some("Platform Support"));
    assert!(
        matches!(&at("500:03").kind, EventKind::OwnerChanged { from: None, to: Some(to) } if to.id == "5b10a")
    );
    assert!(matches!(&at("503:02").kind, EventKind::Linked { case } if case == "ENG-3"));
    let ids: Vec<&str> = change.events.iter().map(|event| &*event.id).collect();
    assert!(!ids.contains(&"500:02") && !ids.contains(&"503:01"), "{ids:?}");
    assert!(change.events_complete);
}

#[test]
fn epoch_times_are_read_by_their_magnitude() {
    let change = change(json!({}));
    assert_eq!(event(&change, "501:00").at.as_millisecond(), 1_795_253_412_345);
    assert_eq!(event(&change, "502:00").at.as_second(), 1_795_253_413);
}

#[test]
fn what_is_ours_is_told_by_what_was_done_not_by_the_account_alone() {
    let change = change(json!({}));
    // Event, actor, whether public.
    let table = [
        ("created:10002", Actor::Customer, None),
        ("501:00", Actor::Dutyd, None),
        ("502:00", Actor::Agent, None),
        ("503:00", Actor::Agent, None),
        ("comment:900", Actor::Customer, Some(true)),
        ("comment:901", Actor::Agent, Some(false)),
        ("comment:902", Actor::Dutyd, Some(false)),
        ("comment:903", Actor::Agent, Some(true)),
        ("comment:904", Actor::Agent, Some(false)),
        ("comment:905", Actor::Agent, Some(false)),
    ];
    for (id, actor, expected) in table {
        let event = event(&change, id);
        assert_eq!(event.actor, actor, "{id}");
        let public = match &event.kind {
            EventKind::Replied { public, .. } => Some(*public),
            _ => None,
        };
        assert_eq!(public, expected, "{id}");
    }
}

#[test]
fn a_person_who_takes_the_label_off_has_cleared_the_mark() {
    let change = change(json!({}));
    let kind = &event(&change, "503:00").kind;
    assert_eq!(*kind, EventKind::MarkChanged { from: Some("warning".to_owned()), to: None });
}

#[test]
fn markers_in_comments_of_others_are_not_ours() {
    let change = change(json!({}));
    assert_eq!(change.marks.notes, ["0123456789ab"]);
    assert!(change.marks.notes_complete);
    assert_eq!(change.marks.why.as_deref(), Some("Customer waits."));
    let read: Vec<&str> = change.texts.iter().map(|(id, _)| &**id).collect();
    assert_eq!(
        read,
        ["created:10002", "comment:900", "comment:901", "comment:903", "comment:904", "comment:905"]
    );
    assert_eq!(change.texts[0].1, "Printer on fire\nIt burns.");
}

#[test]
fn statuses_are_read_by_the_administrators_word_then_by_custom_then_by_category() {
    let config = config(Flavour::Cloud, json!({ "statuses": { "With Engineering": "on_hold" } }));
    let table = [
        ("with engineering", Some("indeterminate"), case::Status::OnHold),
        ("Waiting for Customer", Some("indeterminate"), case::Status::Pending),
        ("Closed", Some("done"), case::Status::Closed),
        ("Ausgeliefert", Some("done"), case::Status::Resolved),
        ("Neu", Some("new"), case::Status::New),
        ("Wird geprüft", Some("indeterminate"), case::Status::Open),
        ("Gone from the site", None, case::Status::Open),
    ];
    for (name, category, expected) in table {
        assert_eq!(words::status(&config, name, category), expected, "{name}");
    }
}

#[test]
fn priorities_that_nobody_explained_are_none() {
    let config = config(Flavour::Cloud, json!({ "priorities": { "Show stopper": 1, "Medium": 2 } }));
    let table = [
        ("show STOPPER", Some(1)),
        ("medium", Some(2)),
        ("Highest", Some(1)),
        ("Trivial", Some(5)),
        ("Hot", None),
    ];
    for (name, expected) in table {
        assert_eq!(words::priority(&config, name).map(|priority| priority.0), expected, "{name}");
    }
}

#[test]
fn times_are_read_with_and_without_a_colon_in_their_offset() {
    let expected: jiff::Timestamp = "2026-11-21T09:30:12.345Z".parse().expect("a time");
    for text in ["2026-11-21T09:30:12.345+0000", "2026-11-21T20:30:12.345+1100", "2026-11-21T09:30:12.345Z"] {
        assert_eq!(parse_time(text), Some(expected), "{text}");
    }
    for text in ["", "yesterday", "2026-11-21", "2026-13-21T09:30:12.345+0000"] {
        assert_eq!(parse_time(text), None, "{text}");
    }
}

#[test]
fn nothing_but_a_number_is_an_id() {
    assert!(is_id("10002"));
    for text in ["", "SUP-1", "1/2", "1 OR 1=1", "..", "１", "99999999999999999999"] {
        assert!(!is_id(text), "{text}");
    }
}
