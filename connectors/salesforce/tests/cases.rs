//! A record with its children, as the org sends them, into a case.

use super::config;
use crate::salesforce::normalize::{Read, change, columns};
use dutyd_core::action::Severity;
use dutyd_core::case::{CaseChange, CaseKey, Priority, Status};
use dutyd_core::timeline::{Actor, EventKind};
use serde_json::{Value, json};

const RECORDED: &str = include_str!("../fixtures/fetch.json");

/// The recorded case, with its row and children changed first.
fn read(edit: impl Fn(&mut Value)) -> Result<CaseChange, String> {
    let mut recorded: Value = serde_json::from_str(RECORDED).unwrap();
    edit(&mut recorded);
    let rows = |part: &str| recorded[part].as_array().cloned().unwrap_or_default();
    let config = config(json!({ "columns": { "tier": "Account.Tier__c" } }));
    let origin = config.validated().unwrap();
    let key = CaseKey::new("here", "500dz0000000001AAA");
    let read = Read {
        key: &key,
        row: &recorded["case"],
        comments: rows("comments"),
        mails: rows("mails"),
        history: rows("history"),
        comments_complete: true,
        complete: true,
        absent: &[],
    };
    change(&config, &origin, read, "2026-03-02T10:00:00Z".parse().unwrap())
}

#[test]
fn a_case_is_read_whole() {
    let change = read(|_| {}).unwrap();
    let case = &change.case;
    assert_eq!((case.number.as_str(), case.title.as_str()), ("00001026", "Sign-in fails"));
    assert_eq!((case.status, case.priority), (Status::Open, Some(Priority(2))));
    assert_eq!(case.tier.as_deref(), Some("Gold"));
    let name = |party: &Option<dutyd_core::case::Party>| {
        party.as_ref().map(|party| party.name.clone()).unwrap_or_default()
    };
    assert_eq!(name(&case.customer), "Castellan Bank");
    assert_eq!(name(&case.owner), "Ann Agent");
    assert_eq!(name(&case.team), "Network", "the queue that owned it last");
    assert_eq!(case.links, [CaseKey::new("here", "500dz0000000002AAA")]);
    assert_eq!(
        case.link.as_deref(),
        Some("https://acme.my.salesforce.com/lightning/r/Case/500dz0000000001AAA/view")
    );
    assert_eq!(case.category, None);
    let marks = &change.marks;
    assert_eq!(marks.marker.as_ref().and_then(|marker| marker.severity), Some(Severity::Candidate));
    assert_eq!(marks.notes, ["aabbccddeeff"], "only private comments carry notes of ours");
    assert!(!marks.severity_cleared && marks.notes_complete);
}

#[test]
fn who_did_what_is_told_from_users_and_content() {
    let change = read(|_| {}).unwrap();
    let told: Vec<(String, Actor, bool)> = change
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Replied { public, .. } => Some((event.id.clone(), event.actor, public)),
            _ => None,
        })
        .collect();
    let wanted = [
        ("02sdz0000000001AAA", Actor::Customer, true),
        ("02sdz0000000002AAA", Actor::Agent, true),
        ("00adz0000000001AAA", Actor::Customer, true),
        ("00adz0000000002AAA", Actor::Dutyd, false),
        ("00adz0000000003AAA", Actor::Agent, true),
    ];
    for (id, actor, public) in wanted {
        assert!(told.contains(&(id.to_owned(), actor, public)), "{id}: {told:?}");
    }
    assert_eq!(told.len(), wanted.len());
    let of = |wanted: fn(&EventKind) -> bool| {
        change.events.iter().filter(|event| wanted(&event.kind)).collect::<Vec<_>>()
    };
    assert_eq!(of(|kind| matches!(kind, EventKind::Created { .. }))[0].actor, Actor::Customer);
    assert_eq!(of(|kind| matches!(kind, EventKind::PriorityChanged { .. }))[0].actor, Actor::Vendor);
    assert_eq!(of(|kind| matches!(kind, EventKind::MarkChanged { .. }))[0].actor, Actor::Dutyd);
    assert_eq!(of(|kind| matches!(kind, EventKind::StatusChanged { .. })).len(), 1);
    assert_eq!(change.texts.iter().filter(|(_, text)| text.contains("hello")).count(), 1);
}

#[test]
fn a_change_of_queue_is_the_teams_and_a_taking_is_the_owners() {
    let change = read(|_| {}).unwrap();
    let names = |kind: &EventKind| match kind {
        EventKind::TeamChanged { from, to } | EventKind::OwnerChanged { from, to } => {
            Some((from.as_ref().map(|party| party.name.clone()), to.as_ref().map(|party| party.name.clone())))
        }
        _ => None,
    };
    let told: Vec<_> = change.events.iter().filter_map(|event| names(&event.kind)).collect();
    let text = |name: &str| Some(name.to_owned());
    assert_eq!(told, [(text("First Line"), text("Network")), (None, text("Ann Agent"))]);
    let ids: std::collections::BTreeSet<_> = change.events.iter().map(|event| &event.id).collect();
    assert_eq!(ids.len(), change.events.len(), "event ids are unique");
}

#[test]
fn the_org_says_whether_a_case_is_closed() {
    let closed = read(|recorded| {
        recorded["case"]["Status"] = json!("Done and dusted");
        recorded["case"]["IsClosed"] = json!(true);
        recorded["case"]["ClosedDate"] = json!("2020-01-01T00:00:00.000+0000");
    });
    let case = closed.unwrap().case;
    assert_eq!(case.status, Status::Closed);
    assert_eq!(case.resolved_at, Some(case.opened_at), "an imported closing before the opening is clamped");
    let open = read(|recorded| recorded["case"]["Status"] = json!("Closed by partner")).unwrap().case;
    assert_eq!((open.status, open.resolved_at), (Status::Open, None));
}

#[test]
fn a_severity_that_somebody_emptied_is_seen_as_that() {
    let cleared = read(|recorded| {
        recorded["case"]["Dutyd_Severity__c"] = Value::Null;
        let mut row = recorded["history"][7].clone();
        row["Id"] = json!("017dz0000000009AAA");
        (row["OldValue"], row["NewValue"]) = (json!("candidate"), Value::Null);
        row["CreatedDate"] = json!("2026-03-02T09:10:00.000+0000");
        recorded["history"].as_array_mut().unwrap().push(row);
    });
    let change = cleared.unwrap();
    assert!(change.marks.severity_cleared);
    let last =
        change.events.iter().rfind(|event| matches!(event.kind, EventKind::MarkChanged { .. })).unwrap();
    assert_eq!(last.actor, Actor::Agent, "under our account, but not what we write");
}

#[test]
fn nulls_and_odd_values_cannot_harm_what_stands_beside_them() {
    let odd = read(|recorded| {
        for field in [
            "Subject",
            "Owner",
            "OwnerId",
            "Account",
            "AccountId",
            "Contact",
            "ContactId",
            "CreatedBy",
            "Priority",
        ] {
            recorded["case"][field] = Value::Null;
        }
        recorded["comments"][0]["CreatedDate"] = json!("yesterday");
        recorded["history"][5] = json!("not a row");
    });
    let change = odd.unwrap();
    assert_eq!((change.case.title.as_str(), change.case.customer, change.case.owner), ("", None, None));
    for field in ["SystemModstamp", "CreatedDate", "IsClosed"] {
        assert!(read(|recorded| recorded["case"][field] = json!("yesterday")).is_err(), "{field}");
    }
}

#[test]
fn a_field_that_may_not_be_read_is_left_out_of_the_question() {
    let config = config(
        json!({ "columns": { "tier": "Account.Tier__c" }, "fields": { "region": { "column": "Region__c" } } }),
    );
    assert!(columns(&config, &[]).contains(&"Region__c".to_owned()));
    let asked = columns(&config, &["Region__c".to_owned()]);
    assert!(!asked.contains(&"Region__c".to_owned()) && asked.contains(&"Account.Tier__c".to_owned()));
}

/// Rows as orgs were seen to answer them: users shown as the common ground `Name`, history of fields that nobody mapped,
/// a second row for a derived field, values that are no texts, objects and lists where a text is expected.
#[test]
fn rows_in_the_shapes_of_real_orgs_are_read_without_loss() {
    let by = |name: &str| json!({ "attributes": { "type": "Name", "url": "/services/data/v58.0/sobjects/User/0058" }, "Name": name });
    let row = |nth: u32, field: &str, kind: &str, old: Value, new: Value, at: &str| {
        json!({ "attributes": { "type": "CaseHistory" }, "Id": format!("017VA0000000{nth:03}YAA"), "CaseId": "500dz0000000001AAA",
                "Field": field, "DataType": kind, "OldValue": old, "NewValue": new,
                "CreatedDate": format!("2026-03-02T{at}.000+0000"), "CreatedBy": by("Sam System") })
    };
    let change = read(|recorded| {
        let case = &mut recorded["case"];
        case["Status"] = json!("In Progress");
        case["Priority"] = json!("P4-CT");
        case["Unknown_Address__c"] = json!({ "city": "Ulm", "latitude": null });
        case["Skills__c"] = json!("Sanitation;Amendment");
        case["Tasks"] = Value::Null;
        case["Histories"] = json!({ "totalSize": 0, "done": true, "records": [] });
        recorded["history"] = json!([
            row(1, "created", "Text", Value::Null, Value::Null, "08:00:00"),
            row(2, "Status", "DynamicEnum", json!("New"), json!("Closed"), "08:10:00"),
            row(3, "Closed_By__c", "Text", Value::Null, json!("Sam System"), "08:10:00"),
            row(4, "Status", "DynamicEnum", json!("Closed"), json!("In Progress"), "08:20:00"),
            row(5, "IsEscalated", "Boolean", json!(false), json!(true), "08:21:00"),
            row(6, "Amount__c", "Double", json!(1.5), json!({ "odd": 1 }), "08:22:00"),
        ]);
        recorded["comments"] = json!([{ "Id": "00aVA0000000001YAA", "ParentId": "500dz0000000001AAA", "IsPublished": true,
            "CommentBody": null, "CreatedDate": "2026-03-02T08:30:00.000Z", "CreatedBy": by("Sam System") }]);
        recorded["mails"] = json!([{ "Id": "02sVA0000000001YAA", "ParentId": "500dz0000000001AAA", "Incoming": true,
            "Subject": null, "TextBody": null, "HtmlBody": "<p>hi</p>", "MessageDate": null,
            "CreatedDate": "2026-03-02T08:40:00.000+0000", "CreatedBy": null }]);
    })
    .unwrap();
    assert_eq!((change.case.status_raw.as_str(), change.case.status), ("In Progress", Status::Open));
    assert_eq!((change.case.priority_raw.as_str(), change.case.priority), ("P4-CT", Some(Priority(4))));
    let told: Vec<(&str, Actor, Option<&str>)> =
        change.events.iter().map(|event| (event.id.as_str(), event.actor, event.by.as_deref())).collect();
    let sam = Some("Sam System");
    for wanted in [
        ("017VA0000000002YAA", Actor::Agent, sam),
        ("017VA0000000004YAA", Actor::Agent, sam),
        ("00aVA0000000001YAA", Actor::Agent, sam),
        ("02sVA0000000001YAA", Actor::Customer, None),
    ] {
        assert!(told.contains(&wanted), "{wanted:?}: {told:?}");
    }
    assert_eq!(told.len(), 5, "rows of fields that nobody mapped tell nothing: {told:?}");
}
