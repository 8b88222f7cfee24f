//! `dutyd sample`: recorded answers and webhook bodies are read to the last event, and what means nothing is named.

use serde_json::{Value, json};
use std::process::{Command, Output};

/// Writes the documents into files and has them read together.
fn sample(vendor: &str, format: &str, documents: &[Value]) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dutyd"));
    command.args(["--config", "/nonexistent", "--format", format, "sample", vendor]).env_remove("RUST_LOG");
    for (index, document) in documents.iter().enumerate() {
        let file = dir.path().join(format!("{index}.json"));
        std::fs::write(&file, document.to_string()).expect("a file");
        command.arg(file);
    }
    command.output().expect("dutyd runs")
}

fn read(vendor: &str, documents: &[Value]) -> Value {
    let output = sample(vendor, "json", documents);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// The words of the events of the only case, oldest first, with who is said to have done them.
fn told(events: &Value) -> Vec<String> {
    let mut events: Vec<&Value> = events.as_array().expect("events").iter().collect();
    events.sort_by_key(|event| event["at"].as_str().map(str::to_owned));
    let word = |event: &&Value| {
        format!(
            "{} by {}",
            event["kind"]["type"].as_str().unwrap_or("?"),
            event["actor"].as_str().unwrap_or("?")
        )
    };
    events.iter().map(word).collect()
}

fn ticket(id: u64) -> Value {
    json!({ "id": id, "subject": "Export stops", "status": "open", "priority": "high", "requester_id": 21,
        "assignee_id": 31, "group_id": 51, "organization_id": 41, "tags": ["export"], "custom_fields": [],
        "created_at": "2026-03-02T08:00:00Z", "updated_at": "2026-03-02T10:00:00Z", "generated_timestamp": 1_772_445_600 })
}

#[test]
fn answers_of_zendesk_are_read_together_and_what_means_nothing_is_named() {
    let tickets = json!({ "tickets": [ticket(35)], "users": [
        { "id": 21, "name": "Ada", "role": "end-user" }, { "id": 31, "name": "Bruno", "role": "agent" },
    ], "organizations": [{ "id": 41, "name": "Northwind" }], "count": 1, "next_page": null });
    let change = |id: u64, field: &str, from: &str, to: &str| json!({ "id": id, "type": "Change", "field_name": field, "previous_value": from, "value": to });
    let audit = |id: u64, minute: u32, author: i64, events: Value| {
        json!({ "id": id, "ticket_id": 35, "created_at": format!("2026-03-02T09:{minute:02}:00Z"),
            "author_id": author, "via": { "channel": "web" }, "metadata": {}, "events": events })
    };
    let audits = json!({ "audits": [
        audit(1, 1, 31, json!([change(11, "status", "new", "open"), change(12, "assignee_id", "", "31")])),
        audit(2, 2, 31, json!([{ "id": 13, "type": "Comment", "public": true, "body": "On it", "author_id": 31 }])),
        audit(3, 3, 21, json!([{ "id": 14, "type": "Comment", "public": true, "body": "Still down", "author_id": 21 }])),
        audit(4, 4, -1, json!([change(15, "priority", "normal", "high"), change(16, "subject", "a", "b"),
            { "id": 17, "type": "Notification", "subject": "x" }])),
    ], "next_page": null });
    let read = read("zendesk", &[tickets, audits]);
    assert_eq!(read["documents"][0]["holds"], "1 organizations, 1 tickets, 2 users");
    let case = &read["changes"][0]["case"];
    assert_eq!((&case["number"], &case["customer"]["name"]), (&json!("#35"), &json!("Northwind")));
    assert_eq!(case["owner"]["name"], "Bruno");
    let expected = [
        "created by customer",
        "status_changed by agent",
        "owner_changed by agent",
        "replied by agent",
        "replied by customer",
        "priority_changed by vendor",
    ];
    assert_eq!(told(&read["changes"][0]["events"]), expected);
    assert_eq!(read["passed_over"], json!({ "audit event Notification": 1, "change of subject": 1 }));
}

#[test]
fn a_webhook_of_zendesk_tells_its_ticket_its_snapshot_and_its_event() {
    let event = |kind: &str, event: Value| {
        json!({ "type": format!("zen:event-type:ticket.{kind}"), "account_id": 1, "id": "c0ffee", "subject": "zen:ticket:35",
            "time": "2026-03-02T10:12:07.672717030Z", "zendesk_event_version": "2022-11-06", "event": event,
            "detail": { "id": "35", "actor_id": "31", "assignee_id": "31", "requester_id": "21", "group_id": "",
                "organization_id": "0", "priority": "HIGH", "status": "OPEN", "type": "INCIDENT", "subject": "Export stops",
                "tags": null, "created_at": "2026-03-02T08:00:00Z", "updated_at": "2026-03-02T10:12:07Z",
                "via": { "channel": "web_service" } } })
    };
    let changed = event("status_changed", json!({ "current": "OPEN", "previous": "NEW" }));
    let read_change = read("zendesk", &[changed]);
    let taken = json!({ "holds": "webhook ticket.status_changed", "rings_for": ["35"] });
    assert_eq!(read_change["documents"][0], taken);
    assert_eq!(read_change["changes"][0]["case"]["status"], "open");
    assert_eq!(
        told(&read_change["changes"][0]["events"]),
        ["created by customer", "status_changed by agent"]
    );

    let comment = json!({ "id": "77", "body": "Still down", "is_public": true, "author": { "id": "21", "is_staff": false } });
    let said = read("zendesk", &[event("comment_added", json!({ "comment": comment }))]);
    assert_eq!(told(&said["changes"][0]["events"]), ["created by customer", "replied by customer"]);

    let other = read("zendesk", &[event("csat_requested", json!({ "csat_id": "1" }))]);
    assert_eq!(other["documents"][0]["rings_for"], json!(["35"]));
    assert_eq!(other["passed_over"], json!({ "webhook ticket.csat_requested": 1 }));

    for body in [json!({ "ticket_id": "35" }), json!({ "ticket": { "id": 35, "status": "Open" } })] {
        assert_eq!(read("zendesk", &[body])["documents"][0]["rings_for"], json!(["35"]));
    }
}

fn issue() -> Value {
    let person =
        |id: &str, name: &str| json!({ "accountId": id, "displayName": name, "accountType": "atlassian" });
    json!({ "id": "10002", "key": "SUP-7", "self": "https://acme.atlassian.net/rest/api/3/issue/10002", "fields": {
        "summary": "Export stops", "labels": ["export"], "created": "2026-03-02T08:00:00.000+0000",
        "updated": "2026-03-02T10:00:00.123+0000", "status": { "id": "3", "name": "In Progress",
            "statusCategory": { "key": "indeterminate" } },
        "priority": { "id": "2", "name": "High" }, "issuetype": { "id": "1", "name": "Incident" },
        "project": { "id": "1", "key": "SUP", "name": "Support", "projectTypeKey": "service_desk" },
        "reporter": person("c1", "Ada"), "creator": person("c1", "Ada"), "assignee": person("a1", "Bruno"),
    } })
}

#[test]
fn answers_of_jira_are_read_together_and_what_means_nothing_is_named() {
    let item = |field: &str, from: &str, to: &str| json!({ "field": field, "fieldId": field, "from": from, "fromString": from, "to": to, "toString": to });
    let histories = json!({ "issueChangeLogs": [{ "issueId": "10002", "changeHistories": [
        { "id": "1", "created": 1_772_442_060, "author": { "accountId": "a1", "displayName": "Bruno" },
          "items": [item("status", "To Do", "In Progress"), item("summary", "a", "b")] },
        { "id": "2", "created": "2026-03-02T09:02:00.000+0000", "author": { "accountId": "a1", "displayName": "Bruno" },
          "items": [item("priority", "Low", "High"), item("assignee", "", "a1")] },
    ] }] });
    let comments = json!({ "startAt": 0, "total": 2, "comments": [
        { "id": "50", "author": { "accountId": "a1" }, "created": "2026-03-02T09:03:00.000+0000", "jsdPublic": false,
          "body": { "type": "doc", "version": 1, "content": [] } },
        { "id": "51", "author": { "accountId": "c1", "accountType": "customer" }, "created": "2026-03-02T09:04:00.000+0000",
          "body": "Still down" },
    ] });
    let read = read("jira", &[json!({ "issues": [issue()], "isLast": true }), histories, comments]);
    assert_eq!(read["changes"][0]["case"]["number"], "SUP-7");
    let expected = [
        "created by customer",
        "status_changed by agent",
        "priority_changed by agent",
        "owner_changed by agent",
        "replied by agent",
        "replied by customer",
    ];
    assert_eq!(told(&read["changes"][0]["events"]), expected);
    assert_eq!(read["passed_over"], json!({ "change of summary": 1 }));
}

#[test]
fn a_webhook_of_jira_tells_its_issue_its_changelog_and_its_comment() {
    let body = json!({ "timestamp": 1_772_445_600_123_u64, "webhookEvent": "jira:issue_updated",
        "issue_event_type_name": "issue_generic", "user": { "accountId": "a1", "displayName": "Bruno" }, "issue": issue(),
        "changelog": { "id": "9", "items": [{ "field": "status", "fieldId": "status", "from": "1", "fromString": "Open",
            "to": "3", "toString": "In Progress" }] } });
    let changed = read("jira", &[body]);
    assert_eq!(
        changed["documents"][0],
        json!({ "holds": "webhook jira:issue_updated", "rings_for": ["10002"] })
    );
    assert_eq!(told(&changed["changes"][0]["events"]), ["created by customer", "status_changed by agent"]);

    // A comment's event carries a slim issue, or none.
    let comment = json!({ "id": "51", "self": "https://acme.atlassian.net/rest/api/2/issue/10002/comment/51",
        "author": { "accountId": "a1" }, "body": "On it", "created": "2026-03-02T09:04:00.000+0000" });
    let said =
        read("jira", &[json!({ "timestamp": 1, "webhookEvent": "comment_created", "comment": comment })]);
    assert_eq!(said["documents"][0]["rings_for"], json!(["10002"]));
    assert_eq!(told(&said["loose_events"]["10002"]), ["replied by agent"]);
}

#[test]
fn a_record_that_cannot_be_read_is_told_and_does_not_hide_the_others() {
    let mut bad = ticket(36);
    bad["created_at"] = json!("yesterday");
    let output =
        sample("zendesk", "text", &[json!({ "tickets": [bad, ticket(35)], "views": [{ "id": 1 }] })]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["2 tickets", "#35 Export stops", "open (open), priority P2 (high)", "  36: ", "  1 × views"]
    {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}
