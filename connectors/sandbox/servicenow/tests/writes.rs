//! What writes do: side effects, journals and audit, orders of the control port, the SLA engine.
//! Called in-process on stepped time.

use super::world;
use crate::tests::{call, control};
use serde_json::{Value, json};

/// One incident, changed by a list of bodies in turn; then the fields asked for.
async fn after(changes: &[Value], fields: &str) -> String {
    let sandbox = world(0).await;
    let (_, made) =
        call(&sandbox, "POST", "/api/now/table/incident", json!({ "short_description": "x" })).await;
    let path = format!("/api/now/table/incident/{}", made["result"]["sys_id"].as_str().unwrap());
    for change in changes {
        let (status, answer) = call(&sandbox, "PATCH", &path, change.clone()).await;
        assert_eq!(status, 200, "{answer}");
    }
    let (_, answer) =
        call(&sandbox, "GET", &format!("{path}?sysparm_exclude_reference_link=true"), Value::Null).await;
    let value = |field: &str| answer["result"][field].as_str().unwrap_or("-").to_owned();
    fields.split(' ').map(value).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn writes_have_the_platforms_side_effects() {
    let solved = json!({ "state": "6", "close_code": "Solved", "close_notes": "done" });
    for (changes, fields, expected) in [
        (vec![], "number state priority impact urgency active sys_mod_count", "INC0010001 1 5 3 3 true 0"),
        (vec![json!({ "impact": "1", "urgency": 2 })], "priority sys_mod_count", "2 1"),
        (vec![json!({ "priority": "1" })], "priority sys_mod_count", "5 0"),
        (vec![json!({ "short_description": "x" })], "sys_mod_count", "0"),
        (vec![json!({ "bunk": "1", "sys_mod_count": "99" })], "sys_mod_count", "0"),
        (vec![json!({ "state": 2 })], "incident_state sys_updated_by", "2 dutyd.integration"),
        (vec![json!({ "incident_state": 2 })], "state", "2"),
        (vec![json!({ "work_notes": "n" })], "work_notes sys_mod_count", " 1"),
        (vec![json!({ "assignment_group": "g1" })], "reassignment_count", "0"),
        (
            vec![json!({ "assignment_group": "g1" }), json!({ "assignment_group": "g2" })],
            "reassignment_count",
            "1",
        ),
        (vec![json!({ "state": 3, "hold_reason": 1 })], "state hold_reason", "3 1"),
        (vec![json!({ "state": 3, "hold_reason": 4 }), json!({ "state": 2 })], "state hold_reason", "2 "),
        (
            vec![json!({ "state": 3, "hold_reason": 1 }), json!({ "comments": "here" })],
            "state hold_reason",
            "2 ",
        ),
        (vec![solved.clone()], "resolved_at active", "2026-03-02 08:00:00 true"),
        (vec![solved.clone(), json!({ "state": 7 })], "closed_at active", "2026-03-02 08:00:00 false"),
        (vec![solved.clone(), json!({ "state": 2 })], "reopen_count resolved_at active", "1  true"),
    ] {
        assert_eq!(after(&changes, fields).await, expected, "{changes:?}");
    }
}

#[tokio::test]
async fn journals_and_audit_tell_who_wrote_what() {
    let sandbox = world(0).await;
    let (_, made) =
        call(&sandbox, "POST", "/api/now/table/incident", json!({ "short_description": "x" })).await;
    let id = made["result"]["sys_id"].as_str().unwrap();
    let change = json!({ "work_notes": "mark\n[dutyd:00]", "u_dutyd_severity": "watch" });
    call(&sandbox, "PATCH", &format!("/api/now/table/incident/{id}"), change).await;
    let fields = "sysparm_fields=element,value,sys_created_by";
    let path = format!("/api/now/table/sys_journal_field?{fields}&sysparm_query=element_idIN{id}");
    let (_, journal) = call(&sandbox, "GET", &path, Value::Null).await;
    let entry = json!({ "element": "work_notes", "value": "mark\n[dutyd:00]", "sys_created_by": "dutyd.integration" });
    assert_eq!(journal["result"], json!([entry]));
    let fields = "sysparm_fields=fieldname,oldvalue,newvalue,user";
    let path = format!("/api/now/table/sys_audit?{fields}&sysparm_query=documentkey={id}");
    let (_, audit) = call(&sandbox, "GET", &path, Value::Null).await;
    let row = json!({ "fieldname": "u_dutyd_severity", "oldvalue": "", "newvalue": "watch", "user": "dutyd.integration" });
    assert_eq!(audit["result"], json!([row]));
    let path = format!(
        "/api/now/table/incident/{id}?sysparm_display_value=true&sysparm_fields=work_notes,assigned_to"
    );
    let (_, shown) = call(&sandbox, "GET", &path, Value::Null).await;
    let text = "2026-03-02 08:00:00 - dutyd.integration (Work notes)\nmark\n[dutyd:00]\n\n";
    assert_eq!(shown["result"], json!({ "work_notes": text, "assigned_to": "" }));
}

#[tokio::test]
async fn people_act_through_the_control_port() {
    let sandbox = world(0).await;
    let order =
        json!({ "vendor": "servicenow", "title": "t", "priority": "high", "customer": "Castellan Bank" });
    let made = control(&sandbox, "POST", "/_sandbox/cases", order).await;
    let number = made["number"].as_str().unwrap();
    for (verb, order) in [
        ("change", json!({ "fields": { "status": "pending", "team": "Network Operations" } })),
        ("reply", json!({ "from": "agent", "public": false, "text": "inside" })),
        ("reply", json!({ "from": "customer", "text": "I want to escalate" })),
    ] {
        control(&sandbox, "POST", &format!("/_sandbox/cases/servicenow/{number}/{verb}"), order).await;
    }
    let fields = "state,priority,company.name,assignment_group.name,hold_reason";
    let path = format!("/api/now/table/incident?number={number}&sysparm_fields={fields}");
    let (_, answer) = call(&sandbox, "GET", &path, Value::Null).await;
    let expected = json!({ "state": "2", "priority": "2", "company.name": "Castellan Bank", "assignment_group.name": "Network Operations", "hold_reason": "" });
    assert_eq!(answer["result"][0], expected);
    let silent = json!({ "fields": { "category": "x" } });
    let path = format!("/_sandbox/cases/servicenow/{number}/silent_change");
    let unmoved = control(&sandbox, "POST", &path, silent).await;
    let path = format!("/api/now/table/incident?number={number}&category=x&sysparm_fields=sys_mod_count");
    let (_, answer) = call(&sandbox, "GET", &path, Value::Null).await;
    assert_eq!(answer["result"][0]["sys_mod_count"], unmoved["sys_mod_count"]);
    control(&sandbox, "POST", &format!("/_sandbox/cases/servicenow/{number}/delete"), json!({})).await;
    let (_, gone) =
        call(&sandbox, "GET", "/api/now/table/sys_audit_delete?sysparm_fields=display_value", Value::Null)
            .await;
    assert_eq!(gone["result"], json!([{ "display_value": number }]));
    let refused =
        control(&sandbox, "POST", "/_sandbox/cases/servicenow/INC0/reply", json!({ "text": "x" })).await;
    assert_eq!(refused["error"], "no case \"INC0\"");
}

#[tokio::test]
async fn the_sla_engine_pauses_and_completes() {
    let sandbox = world(0).await;
    let order = json!({ "vendor": "servicenow", "title": "t", "priority": "urgent" });
    let made = control(&sandbox, "POST", "/_sandbox/cases", order).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let mut seen = Vec::new();
    for (hours, fields) in [
        (0, json!({ "category": "a" })),
        (1, json!({ "status": "pending" })),
        (2, json!({ "status": "open" })),
        (3, json!({ "status": "resolved" })),
    ] {
        control(&sandbox, "POST", "/_sandbox/clock/advance", json!({ "seconds": hours * 3_600 })).await;
        control(
            &sandbox,
            "POST",
            &format!("/_sandbox/cases/servicenow/{id}/change"),
            json!({ "fields": fields }),
        )
        .await;
        let fields = "stage,has_breached,planned_end_time";
        let path = format!("/api/now/table/task_sla?sysparm_fields={fields}&sysparm_query=task={id}");
        let (_, answer) = call(&sandbox, "GET", &path, Value::Null).await;
        let row = &answer["result"][0];
        seen.push(fields.split(',').map(|field| row[field].as_str().unwrap()).collect::<Vec<_>>().join("|"));
    }
    assert_eq!(
        seen,
        [
            "in_progress|false|2026-03-02 12:00:00",
            "paused|false|2026-03-02 12:00:00",
            "in_progress|false|2026-03-02 14:00:00",
            "completed|false|2026-03-02 14:00:00",
        ]
    );
}
