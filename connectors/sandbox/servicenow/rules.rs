//! What the platform's own business rules change on a task: defaults, priority matrix, counts, resolution
//! and closing stamps, hold reasons, customer replies. Works on a copy of the row before it is written.
// Vendor: it-service-management/incident-management/c_IncidentManagementStateModel.

use super::store::{Writer, set};
use super::table::{Table, Text};
use super::time;

fn get<'a>(table: &Table, values: &'a [Text], field: &str) -> &'a str {
    table.column(field).map_or("", |column| &*values[column])
}

fn default(table: &Table, values: &mut [Text], field: &str, value: &str) {
    if get(table, values, field).is_empty() {
        set(table, values, field, value);
    }
}

/// Impact plus urgency less one.
pub fn matrix(impact: &str, urgency: &str) -> String {
    match (impact.parse::<u8>(), urgency.parse::<u8>()) {
        (Ok(impact @ 1..=3), Ok(urgency @ 1..=3)) => (impact + urgency - 1).to_string(),
        _ => "5".to_owned(),
    }
}

/// Impact and urgency that give a priority.
pub fn levels(priority: &str) -> (&'static str, &'static str) {
    match priority {
        "1" => ("1", "1"),
        "2" => ("1", "2"),
        "3" => ("2", "2"),
        "4" => ("2", "3"),
        _ => ("3", "3"),
    }
}

pub fn on_insert(table: &Table, values: &mut [Text], writer: &Writer<'_>, stamp: &str) {
    let incident = table.name == "incident";
    for (field, value) in [("state", "1"), ("active", "true"), ("escalation", "0"), ("made_sla", "true")] {
        default(table, values, field, value);
    }
    for field in ["reassignment_count", "reopen_count", "child_incidents"] {
        default(table, values, field, "0");
    }
    default(table, values, "impact", "3");
    default(table, values, "urgency", "3");
    default(table, values, "opened_at", stamp);
    default(table, values, "opened_by", writer.user_id);
    default(table, values, "sys_domain", "global");
    default(table, values, "sys_domain_path", "/");
    if incident {
        default(table, values, "severity", "3");
        default(table, values, "notify", "1");
        default(table, values, "caller_id", writer.user_id);
        let priority = matrix(get(table, values, "impact"), get(table, values, "urgency"));
        set(table, values, "priority", &priority);
        let state = get(table, values, "state").to_owned();
        set(table, values, "incident_state", &state);
    } else {
        default(table, values, "priority", "4");
    }
    let state = get(table, values, "state").to_owned();
    enter(table, values, &state, writer);
}

pub fn on_update(table: &Table, old: &[Text], values: &mut [Text], writer: &Writer<'_>, comment: bool) {
    let incident = table.name == "incident";
    if incident {
        prioritise(table, old, values);
        mirror_state(table, old, values);
    }
    if comment && incident && by_caller(table, values, writer) {
        caller_answers(table, old, values);
    }
    let moved = get(table, old, "assignment_group") != get(table, values, "assignment_group");
    if moved && !get(table, old, "assignment_group").is_empty() {
        count(table, values, "reassignment_count");
    }
    let (from, to) = (get(table, old, "state").to_owned(), get(table, values, "state").to_owned());
    if from == to {
        return;
    }
    if incident && to != "3" {
        set(table, values, "hold_reason", "");
    }
    if is_ended(table, &from) && !is_ended(table, &to) {
        count(table, values, "reopen_count");
        set(table, values, "reopened_time", &time::stamp(writer.at));
        set(table, values, "reopened_by", writer.user_id);
        for field in ["resolved_at", "resolved_by", "closed_at", "closed_by", "close_code", "close_notes"] {
            set(table, values, field, "");
        }
        set(table, values, "active", "true");
    }
    enter(table, values, &to, writer);
}

/// Stamps of resolving and closing.
fn enter(table: &Table, values: &mut [Text], state: &str, writer: &Writer<'_>) {
    let stamp = time::stamp(writer.at);
    if state == "6" || is_closed(table, state) {
        default(table, values, "resolved_at", &stamp);
        default(table, values, "resolved_by", writer.user_id);
    }
    if is_closed(table, state) {
        default(table, values, "closed_at", &stamp);
        default(table, values, "closed_by", writer.user_id);
        set(table, values, "active", "false");
    }
}

fn is_closed(table: &Table, state: &str) -> bool {
    if table.name == "incident" { matches!(state, "7" | "8") } else { matches!(state, "3" | "7") }
}

pub fn is_ended(table: &Table, state: &str) -> bool {
    state == "6" || is_closed(table, state)
}

/// The priority is computed; what was written into it directly is overwritten.
fn prioritise(table: &Table, old: &[Text], values: &mut [Text]) {
    let changed = |field| get(table, old, field) != get(table, values, field);
    if changed("impact") || changed("urgency") || changed("priority") {
        let priority = matrix(get(table, values, "impact"), get(table, values, "urgency"));
        set(table, values, "priority", &priority);
    }
}

/// `incident_state` follows `state`, and the other way round for old clients.
fn mirror_state(table: &Table, old: &[Text], values: &mut [Text]) {
    if get(table, old, "state") != get(table, values, "state") {
        let state = get(table, values, "state").to_owned();
        set(table, values, "incident_state", &state);
    } else if get(table, old, "incident_state") != get(table, values, "incident_state") {
        let state = get(table, values, "incident_state").to_owned();
        set(table, values, "state", &state);
    }
}

fn by_caller(table: &Table, values: &[Text], writer: &Writer<'_>) -> bool {
    !writer.user_id.is_empty() && get(table, values, "caller_id") == writer.user_id
}

/// A reply of the caller while the desk waits for it takes the incident off hold.
fn caller_answers(table: &Table, old: &[Text], values: &mut [Text]) {
    if get(table, old, "state") == "3" && get(table, old, "hold_reason") == "1" {
        set(table, values, "state", "2");
        set(table, values, "incident_state", "2");
        set(table, values, "hold_reason", "");
    }
}

fn count(table: &Table, values: &mut [Text], field: &str) {
    let next = get(table, values, field).parse::<u64>().unwrap_or(0) + 1;
    set(table, values, field, &next.to_string());
}
