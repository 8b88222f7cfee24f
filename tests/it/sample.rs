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
    assert_eq!(read["documents"][0]["holds"], "1 organization, 1 ticket, 2 users");
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

    // Audits alone: the first one tells the creation, whose comment is the description.
    let opening = audit(
        5,
        0,
        21,
        json!([{ "id": 20, "type": "Comment", "public": true, "body": "It is down", "author_id": 21 },
        { "id": 21, "type": "Create", "field_name": "status", "value": "open" }]),
    );
    let alone = self::read("zendesk", &[json!({ "audits": [opening] })]);
    assert_eq!(told(&alone["loose_events"]["35"]), ["created by customer"]);
}

#[test]
fn rows_that_tell_too_little_of_a_case_are_named_and_spoil_nothing() {
    let mut deleted = ticket(36);
    deleted["status"] = json!("deleted");
    let read = |vendor, document| self::read(vendor, &[document]);
    let export = read(
        "zendesk",
        json!({ "tickets": [deleted, ticket(35)], "after_cursor": "x", "end_of_stream": true }),
    );
    assert_eq!(export["passed_over"], json!({ "deleted ticket": 1 }));
    assert_eq!(
        (&export["changes"][0]["case"]["number"], &export["quarantined"]),
        (&json!("#35"), &json!([]))
    );
    let search = read("jira", json!({ "issues": [{ "id": "10002" }, issue()], "isLast": true }));
    assert_eq!(search["passed_over"], json!({ "issue without its status": 1 }));
    assert_eq!(
        (&search["changes"][0]["case"]["number"], &search["quarantined"]),
        (&json!("SUP-7"), &json!([]))
    );
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
    for part in [
        "2 tickets",
        "#35 Export stops",
        "open (open), priority P2 (high)",
        "UTC  customer: created\n",
        "  36: ",
        "  1 × views",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

/// The id with the three characters behind it that make it independent of case.
fn org_id(short: &str) -> String {
    format!("{short}AAA")
}

#[test]
fn answers_of_salesforce_are_read_together_wherever_the_rows_stand() {
    let by = |name: &str| json!({ "attributes": { "type": "Name" }, "Name": name });
    let case = org_id("500dz0000000001");
    let history = |nth: u32, field: &str, old: Value, new: Value| {
        json!({ "attributes": { "type": "CaseHistory" }, "Id": org_id(&format!("017dz000000000{nth}")), "Field": field,
                "DataType": "DynamicEnum", "OldValue": old, "NewValue": new,
                "CreatedDate": format!("2026-03-02T08:0{nth}:00.000+0000"), "CreatedBy": by("Ann Agent") })
    };
    // A narrow question: no stamp, no closedness; histories inside, as a child query answers them.
    let page = json!({ "totalSize": 1, "done": true, "records": [{
        "attributes": { "type": "Case", "url": format!("/services/data/v58.0/sobjects/Case/{case}") }, "Id": case,
        "CaseNumber": "04646338", "Status": "In Progress", "Priority": "P4-CT", "CreatedDate": "2026-03-02T08:00:00.000+0000",
        "LastModifiedDate": "2026-03-02T09:00:00.000+0000", "Contact": null, "Tasks": null,
        "Histories": { "totalSize": 3, "done": true, "records": [
            history(1, "created", Value::Null, Value::Null), history(2, "Status", json!("New"), json!("In Progress")),
            history(3, "Closed_By__c", Value::Null, json!("Ann")),
        ] },
    }] });
    let comment = json!({ "attributes": { "type": "CaseComment" }, "Id": org_id("00adz0000000001"), "ParentId": case,
        "IsPublished": false, "CommentBody": "looked at it", "CreatedDate": "2026-03-02T08:10:00.000+0000", "CreatedBy": by("Ann Agent") });
    let composite = json!({ "compositeResponse": [
        { "body": { "totalSize": 1, "done": true, "records": [comment] }, "httpHeaders": {}, "httpStatusCode": 200, "referenceId": "a" },
        { "body": [{ "errorCode": "INVALID_FIELD", "message": "No such column" }], "httpHeaders": {}, "httpStatusCode": 400, "referenceId": "b" },
        { "body": null, "httpHeaders": {}, "httpStatusCode": 204, "referenceId": "c" },
    ] });
    let foreign = json!({ "attributes": { "type": "EmailMessage" }, "Id": org_id("02sdz0000000001"), "ParentId": org_id("500dz0000000009"),
        "Incoming": true, "Subject": "Re", "CreatedDate": "2026-03-02T08:20:00.000+0000", "FromName": "Carl" });
    let event = json!({ "schema": "x", "payload": { "Priority": "High", "ChangeEventHeader": { "entityName": "Case",
        "recordIds": [case], "changeType": "UPDATE", "changedFields": ["Priority"] } }, "event": { "replayId": 1 } });
    let read = read(
        "salesforce",
        &[
            page,
            composite,
            foreign,
            event,
            json!({ "records": [{ "attributes": { "type": "Task" }, "Id": "x" }] }),
        ],
    );
    let change = &read["changes"][0];
    let told_case = &change["case"];
    assert_eq!(
        (&told_case["number"], &told_case["status"], &told_case["priority"]),
        (&json!("04646338"), &json!("open"), &json!(4))
    );
    assert_eq!(told(&change["events"]), ["created by vendor", "status_changed by agent", "replied by agent"]);
    assert_eq!(told(&read["loose_events"][org_id("500dz0000000009")]), ["replied by customer"]);
    assert_eq!(
        read["passed_over"],
        json!({ "Task": 1, "change event UPDATE": 1, "error INVALID_FIELD": 1, "history of Closed_By__c": 1 })
    );
    assert_eq!(read["quarantined"], json!([]));
}

#[test]
fn answers_of_servicenow_and_bodies_of_its_rules_are_read_together() {
    let id = "1c741bd70b2322007518478d83673af3";
    let link = |table: &str| {
        json!({ "link": format!("https://dev1.service-now.com/api/now/table/{table}/5137153cc611227c000bbd1bd8cd2007"),
        "value": "5137153cc611227c000bbd1bd8cd2007" })
    };
    let record = json!({ "result": [{
        "sys_id": id, "number": "INC0000060", "sys_class_name": "incident", "state": "7", "priority": "3", "active": "false",
        "short_description": "Unable to connect to email", "assigned_to": link("sys_user"), "caller_id": link("sys_user"),
        "opened_at": "2026-03-02 08:00:00", "sys_created_on": "2026-03-02 08:00:00", "sys_updated_on": "2026-03-02 10:00:00",
        "resolved_at": "2026-03-02 09:30:00", "closed_at": "2026-03-02 10:00:00", "sys_mod_count": "15", "hold_reason": "",
        "business_duration": "1970-01-01 08:00:00", "sys_domain": { "link": "x", "value": "global" }, "sys_created_by": "employee",
    }] });
    let journal = json!({ "result": [
        { "sys_id": "a1", "name": "incident", "element": "comments", "element_id": id, "value": "Any news?",
          "sys_created_on": "2026-03-02 08:30:00", "sys_created_by": "guest", "sys_tags": "" },
        { "sys_id": "a2", "name": "incident", "element": "work_notes", "element_id": id, "value": "looked",
          "sys_created_on": "2026-03-02 08:40:00", "sys_created_by": "ann" },
        { "sys_id": "a3", "element": "comments", "element_id": id, "value": "x", "sys_created_on": "today" },
    ] });
    let sla = json!({ "result": { "sys_id": "b1", "task": link("task"), "sla": link("contract_sla"), "stage": "in_progress" } });
    let denied = json!({ "error": { "message": "User Not Authenticated", "detail": "Required to provide Auth information" }, "status": "failure" });
    let read = read("servicenow", &[record, journal, sla, denied]);
    assert_eq!(read["documents"][0], json!({ "holds": "1 incident", "rings_for": [] }));
    let change = &read["changes"][0];
    let case = &change["case"];
    assert_eq!(
        (&case["number"], &case["status"], &case["priority"]),
        (&json!("INC0000060"), &json!("closed"), &json!(3))
    );
    assert_eq!(told(&change["events"]), ["created by agent", "replied by customer", "replied by agent"]);
    assert_eq!(read["passed_over"], json!({ "error: User Not Authenticated": 1, "task_sla": 1 }));
    assert_eq!(read["quarantined"][0]["id"], "a3");

    let ring = json!({ "number": "INC1", "opened_at": "2026-03-02 08:00:00", "impact": "2", "sys_id": id, "state": "On Hold",
        "priority": "2 - High", "short_description": "x" });
    let rung = read_one("servicenow", ring);
    assert_eq!(rung["documents"][0], json!({ "holds": "1 incident", "rings_for": [id] }));
    assert_eq!(
        (&rung["changes"][0]["case"]["status"], &rung["changes"][0]["case"]["priority"]),
        (&json!("on_hold"), &json!(2))
    );
    let bare = read_one("servicenow", json!({ "table": "incident", "sys_id": id, "event_id": "e" }));
    assert_eq!(bare["documents"][0], json!({ "holds": "webhook of a business rule", "rings_for": [id] }));
}

fn read_one(vendor: &str, document: Value) -> Value {
    read(vendor, &[document])
}
