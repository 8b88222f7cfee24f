//! Records, changes and messages into core's words.

use super::super::config::{Config, Table};
use super::super::history::{AuditRow, JournalRow};
use super::super::normalize::{Read, change, columns, status};
use super::super::wire::Row;
use super::{config, instant};
use dutyd_core::action::Severity;
use dutyd_core::case::{CaseChange, CaseKey, FieldValue, Priority, Status};
use dutyd_core::timeline::{EventKind, TimelineEvent};
use serde_json::{Value, json};

const RECORD: &str = include_str!("../fixtures/incident.json");
const AUDIT: &str = include_str!("../fixtures/audit.json");
const JOURNAL: &str = include_str!("../fixtures/journal.json");

fn configured() -> Config {
    config(json!({
        "columns": { "tier": "company.u_tier" },
        "fields": {
            "seats": { "column": "u_seats", "kind": "number" },
            "region": { "column": "u_region" },
        },
    }))
}

/// The fixture with some of its columns replaced (`null`: left out), and these children.
fn read(config: &Config, edits: Value, audit: &str, journal: &str) -> Result<CaseChange, String> {
    let mut record: Value = serde_json::from_str(RECORD).unwrap();
    for (column, value) in edits.as_object().unwrap() {
        match value {
            Value::Null => drop(record.as_object_mut().unwrap().remove(column)),
            value => record[column] = value.clone(),
        }
    }
    let row: Row = serde_json::from_value(record).unwrap();
    let key = CaseKey::new("here", "0a000000000000000000000000000001");
    let audit: Vec<AuditRow> = serde_json::from_str(audit).unwrap();
    let journal: Vec<JournalRow> = serde_json::from_str(journal).unwrap();
    let table = Table::Incident;
    let read =
        Read { key: &key, table, row: &row, audit, journal, audit_complete: true, journal_complete: true };
    let origin = "https://acme.service-now.com".parse().unwrap();
    change(config, &origin, read, instant("2026-01-05T14:00:00Z"))
}

/// An event in one line, its id by the last two digits.
fn line(event: &TimelineEvent) -> String {
    let party = |party: &Option<dutyd_core::case::Party>| {
        party.as_ref().map_or("-".to_owned(), |party| party.name.clone())
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let priority =
        |priority: &Option<Priority>| priority.map_or("-".to_owned(), |priority| priority.to_string());
    let what = match &event.kind {
        EventKind::Created { .. } => "created".to_owned(),
        EventKind::Replied { public, .. } => {
            format!("replied {}", if *public { "publicly" } else { "internally" })
        }
        EventKind::StatusChanged { from, to } => format!("status {} > {}", from.word(), to.word()),
        EventKind::PriorityChanged { from, to } => format!("priority {} > {}", priority(from), priority(to)),
        EventKind::OwnerChanged { from, to } => format!("owner {} > {}", party(from), party(to)),
        EventKind::TeamChanged { from, to } => format!("team {} > {}", party(from), party(to)),
        EventKind::MarkChanged { from, to } => format!("mark {} > {}", text(from), text(to)),
        EventKind::FieldChanged { field, from, to } => format!("{field} {} > {}", text(from), text(to)),
        other => format!("{other:?}"),
    };
    let (id, by) = (&event.id[30..], event.by.as_deref().unwrap_or("-"));
    format!("{} {id} {:?} {by}: {what}", event.at.strftime("%H:%M:%S"), event.actor)
}

fn lines(change: &CaseChange) -> Vec<String> {
    change.events.iter().map(line).collect()
}

#[test]
fn a_record_with_its_history_is_told_in_our_words() {
    let change = read(&configured(), json!({}), AUDIT, JOURNAL).unwrap();
    assert_eq!(
        lines(&change),
        [
            "08:00:00 01 Customer Mia Customer: created",
            "08:10:00 02 Agent ann.lee: team - > 0c000000000000000000000000000001",
            "08:10:00 03 Agent ann.lee: owner - > Ann Lee",
            "08:10:00 04 Agent ann.lee: status new > open",
            "09:00:00 05 Vendor system: priority P4 > P2",
            "10:00:00 06 Agent ann.lee: status open > on_hold",
            "11:00:00 08 Agent ann.lee: status on_hold > pending",
            "12:00:00 09 Dutyd dutyd: mark - > candidate",
            "12:00:30 11 Agent dutyd: mark candidate > -",
            "12:10:00 12 Agent ann.lee: mark - > candidate",
            "12:10:30 13 Agent dutyd: priority P2 > P1",
            "13:30:00 14 Agent ann.lee: team 0c000000000000000000000000000001 > Second Line",
            "08:30:00 01 Customer Mia Customer: replied publicly",
            "08:40:00 02 Agent ann.lee: replied publicly",
            "08:50:00 03 Agent ann.lee: replied internally",
            "12:00:00 04 Dutyd dutyd: replied internally",
            "12:00:00 05 Agent dutyd: replied internally",
            "12:20:00 06 Customer guest: replied publicly",
            "12:30:00 07 Vendor workflow.engine: replied publicly",
        ]
    );
    assert!(change.events_complete);
    assert!(change.texts.iter().any(|(_, text)| text.contains("Production is down")));
}

#[test]
fn the_snapshot_holds_raw_and_shown_values() {
    let case = read(&configured(), json!({}), "[]", "[]").unwrap().case;
    assert_eq!((case.number.as_str(), case.title.as_str()), ("INC0010001", "Export stops"));
    assert_eq!((case.status, case.status_raw.as_str()), (Status::Pending, "3/1"));
    assert_eq!((case.priority, case.priority_raw.as_str()), (Some(Priority(2)), "2"));
    assert_eq!(case.customer.map(|party| party.name).as_deref(), Some("Acme"));
    assert_eq!(
        (case.tier.as_deref(), case.contract, case.product.as_deref()),
        (Some("Gold"), None, Some("Billing"))
    );
    assert_eq!(case.fields.get("seats"), Some(&FieldValue::Number(1_200.0)));
    assert_eq!(case.unread, ["due_at", "region"], "columns that did not come");
    assert_eq!(case.opened_at, instant("2026-01-05T08:00:00Z"), "raw values are UTC, shown ones are not");
    assert_eq!((case.revision.at_ms, case.revision.count), (1_767_619_800_000, 9));
    assert_eq!(case.links, [CaseKey::new("here", "0a000000000000000000000000000009")]);
    let link = "https://acme.service-now.com/incident.do?sys_id=0a000000000000000000000000000001";
    assert_eq!(case.link.as_deref(), Some(link));
}

#[test]
fn the_marks_of_ours_are_found_as_they_stand() {
    let found = |edits: Value| read(&configured(), edits, "[]", JOURNAL).unwrap().marks;
    let ours = found(json!({}));
    assert_eq!(ours.marker.unwrap().severity, Some(Severity::Candidate));
    assert!(!ours.severity_cleared && ours.notes_complete);
    assert_eq!(
        ours.notes,
        ["00112233aabb"],
        "a marker in a message that customers see is not a note of ours"
    );
    let cleared = found(json!({ "u_dutyd_severity": "" }));
    assert!(cleared.severity_cleared && cleared.marker.is_some());
    let lowered = found(json!({ "u_dutyd_severity": "watch" }));
    assert_eq!(lowered.marker.unwrap().severity, Some(Severity::Watch), "exactly as found");
    let gone = found(json!({ "u_dutyd_severity": "", "u_dutyd_marks": "", "u_dutyd_why": "" }));
    assert!(gone.marker.is_none() && !gone.severity_cleared && gone.why.is_none());
    let scribbled = found(json!({ "u_dutyd_marks": "somebody typed here" }));
    assert!(scribbled.marker.is_none() && !scribbled.severity_cleared);
}

#[test]
fn states_are_mapped_and_unknown_ones_count_as_open() {
    let plain = config(json!({}));
    let own = config(json!({ "states": { "-5": "on_hold", "6": "closed" } }));
    let (incident, case) = (Table::Incident, Table::CustomerCase);
    for (config, table, state, reason, expected) in [
        (&plain, incident, "1", "", Status::New),
        (&plain, incident, "2", "", Status::Open),
        (&plain, incident, "3", "1", Status::Pending),
        (&plain, incident, "3", "4", Status::OnHold),
        (&plain, incident, "3", "", Status::OnHold),
        (&plain, incident, "6", "", Status::Resolved),
        (&plain, incident, "7", "", Status::Closed),
        (&plain, incident, "8", "", Status::Closed),
        (&plain, incident, "-100", "", Status::Open),
        (&plain, incident, "carrier pigeon", "", Status::Open),
        (&plain, case, "10", "", Status::Open),
        (&plain, case, "18", "", Status::Pending),
        (&plain, case, "3", "", Status::Closed),
        (&plain, case, "6", "", Status::Resolved),
        (&own, incident, "-5", "", Status::OnHold),
        (&own, incident, "6", "", Status::Closed),
    ] {
        assert_eq!(status(config, table, state, reason), expected, "{table:?} {state} {reason}");
    }
}

#[test]
fn a_record_that_lacks_the_essentials_is_not_guessed_at() {
    for (edits, reason) in [
        (json!({ "state": null }), "state"),
        (json!({ "sys_updated_on": "yesterday" }), "sys_updated_on"),
        (json!({ "opened_at": "", "sys_created_on": null }), "opened_at"),
    ] {
        let refused = read(&configured(), edits.clone(), "[]", "[]").unwrap_err();
        assert!(refused.contains(reason), "{edits}: {refused}");
    }
    let bare = json!({ "number": null, "short_description": null, "priority": "high", "sys_mod_count": "", "caller_id": null, "caller_id.user_name": null, "assigned_to": "" });
    let case = read(&configured(), bare, AUDIT, JOURNAL).unwrap().case;
    assert_eq!(
        (case.number.as_str(), case.priority, case.owner),
        ("0a000000000000000000000000000001", None, None)
    );
    assert!(case.unread.contains(&"requester".to_owned()) && !case.unread.contains(&"owner".to_owned()));
}

#[test]
fn updates_without_a_checkpoint_are_told_apart_by_second_and_user() {
    let audit = r#"[
        {"sys_id": "a1000000000000000000000000000001", "fieldname": "hold_reason", "oldvalue": "", "newvalue": "1", "user": "ann.lee", "sys_created_on": "2026-01-05 10:00:00"},
        {"sys_id": "a1000000000000000000000000000002", "fieldname": "state", "oldvalue": "2", "newvalue": "3", "user": "ann.lee", "sys_created_on": "2026-01-05 10:00:00"},
        {"sys_id": "a1000000000000000000000000000003", "fieldname": "state", "oldvalue": "3", "newvalue": "3", "user": "ann.lee", "sys_created_on": "2026-01-05 10:00:00"},
        {"sys_id": "a1000000000000000000000000000004", "fieldname": "state", "oldvalue": "x", "newvalue": "y", "user": "ann.lee", "sys_created_on": "some day"}
    ]"#;
    let change = read(&configured(), json!({}), audit, "[]").unwrap();
    assert_eq!(lines(&change)[1..], ["10:00:00 01 Agent ann.lee: status open > pending"]);
}

#[test]
fn every_column_that_is_read_is_asked_for_once() {
    let asked = columns(&configured(), Table::Incident);
    for column in ["caller_id.user_name", "company.u_tier", "u_seats", "u_dutyd_marks", "hold_reason"] {
        assert_eq!(asked.iter().filter(|name| *name == column).count(), 1, "{column}");
    }
    assert!(asked.iter().all(|name| super::super::query::is_field(name)));
}

/// Records as instances were seen to answer them: references as links without a shown value, references to nothing, domains
/// that are no ids, columns of plug-ins, missing shown values, counts that are empty, durations as instants.
#[test]
fn records_in_the_shapes_of_real_instances_are_read_without_loss() {
    let link = |table: &str, id: &str| json!({ "link": format!("https://dev1.service-now.com/api/now/table/{table}/{id}"), "value": id });
    let user = "5137153cc611227c000bbd1bd8cd2007";
    let edits = json!({
        "assigned_to": link("sys_user", user), "caller_id": link("sys_user", user), "company": "",
        "assignment_group": link("sys_user_group", "287ebd7da9fe198100f92cc8d1d2154e"),
        "sys_domain": { "link": "https://dev1.service-now.com/api/now/table/sys_user_group/global", "value": "global" },
        "state": "7", "hold_reason": "", "closed_at": "2026-01-05 13:00:00", "resolved_at": "",
        "sys_mod_count": "15", "reassignment_count": "", "business_duration": "1970-01-01 08:00:00",
        "calendar_stc": "102197", "universal_request": "", "task_effective_number": "INC0010001",
        "sys_tags": "", "comments_and_work_notes": "", "u_custom_field_test": "NYC", "knowledge": false, "order": null,
    });
    let case = read(&configured(), edits, "[]", "[]").unwrap().case;
    let id = |party: &Option<dutyd_core::case::Party>| {
        party.as_ref().map(|party| (party.id.clone(), party.name.clone()))
    };
    assert_eq!(
        id(&case.owner),
        Some((user.to_owned(), user.to_owned())),
        "without a shown value the id stands for it"
    );
    assert_eq!(id(&case.team).map(|(id, _)| id).as_deref(), Some("287ebd7da9fe198100f92cc8d1d2154e"));
    assert_eq!((case.customer, case.status), (None, Status::Closed));
    assert_eq!(case.resolved_at, Some(instant("2026-01-05T13:00:00Z")));
    assert_eq!(case.revision.count, 15);
    let bare = json!({ "priority": "4", "state": "-5", "hold_reason": "", "sys_mod_count": "", "opened_at": "", "number": "" });
    let case = read(&configured(), bare, "[]", "[]").unwrap().case;
    assert_eq!((case.status, case.status_raw.as_str()), (Status::Open, "-5"), "a code of the customer's own");
    assert_eq!((case.number.as_str(), case.revision.count), ("0a000000000000000000000000000001", 0));
}
