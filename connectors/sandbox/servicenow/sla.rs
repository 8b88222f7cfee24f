//! The Task-SLA engine in small: one resolution SLA per incident by its priority, with pause and breach.
//! Its figures are refreshed only when the task changes: stale by design, as the vendor's are.
// Vendor: it-service-management/service-level-management, r_TaskSLATable.

use super::store::{Fields, Store, Writer};
use super::time;
use jiff::{SignedDuration, Timestamp};

/// Name, priority, hours to resolve.
pub const DEFINITIONS: &[(&str, &str, i64)] = &[
    ("Priority 1 resolution (4 hour)", "1", 4),
    ("Priority 2 resolution (8 hour)", "2", 8),
    ("Priority 3 resolution (3 day)", "3", 72),
    ("Priority 4 resolution (7 day)", "4", 168),
    ("Priority 5 resolution (10 day)", "5", 240),
];

pub fn fill(store: &mut Store, writer: &Writer<'_>) {
    for (name, priority, hours) in DEFINITIONS {
        let fields = fields(&[
            ("name", (*name).to_owned()),
            ("collection", "incident".to_owned()),
            ("type", "SLA".to_owned()),
            ("target", "resolution".to_owned()),
            ("active", "true".to_owned()),
            ("duration", time::duration(hours * 3_600)),
            ("schedule_source", "no_schedule".to_owned()),
            ("start_condition", format!("active=true^priority={priority}")),
            ("stop_condition", "stateIN6,7,8".to_owned()),
            ("pause_condition", "state=3".to_owned()),
        ]);
        // A fresh id cannot be taken.
        let _ = store.insert("contract_sla", &fields, writer);
    }
}

fn fields(list: &[(&str, String)]) -> Fields {
    list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// Brings the SLA of an incident in line with its state.
pub fn follow(store: &mut Store, task: &str, at: Timestamp) {
    let get = |field: &str| store.field("incident", task, field).unwrap_or_default();
    let (state, priority) = (get("state").to_string(), get("priority").to_string());
    let writer = Writer { user_name: "system", user_id: "", at, late_seconds: 0, revision: None };
    let ended = matches!(state.as_str(), "6" | "7" | "8");
    match current(store, task) {
        None if !ended => attach(store, task, &priority, &writer),
        None => {}
        Some(id) => {
            let definition = store.field("task_sla", &id, "sla").unwrap_or_default();
            if !ended && definition_of(store, &priority).is_some_and(|wanted| *wanted != *definition) {
                store.update("task_sla", &id, &closing("cancelled", at), &writer);
                attach(store, task, &priority, &writer);
            } else {
                let changes = moves(store, &id, &state, ended, at);
                store.update("task_sla", &id, &changes, &writer);
            }
        }
    }
}

/// The active SLA row of a task.
fn current(store: &Store, task: &str) -> Option<String> {
    let table = store.table("task_sla")?;
    let active = table.column("active")?;
    let slots = table.keyed(table.column("task")?, task)?;
    let row = slots.iter().filter_map(|slot| table.row(*slot)).find(|row| &*row.values[active] == "true")?;
    Some(row.values[super::table::SYS_ID].to_string())
}

fn definition_of(store: &Store, priority: &str) -> Option<String> {
    let (name, ..) = DEFINITIONS.iter().find(|(_, level, _)| *level == priority)?;
    store.first_by("contract_sla", "name", name)
}

fn attach(store: &mut Store, task: &str, priority: &str, writer: &Writer<'_>) {
    let Some((_, _, hours)) = DEFINITIONS.iter().find(|(_, level, _)| *level == priority) else { return };
    let Some(definition) = definition_of(store, priority) else { return };
    let due = writer.at.checked_add(SignedDuration::from_hours(*hours)).unwrap_or(writer.at);
    let fields = fields(&[
        ("task", task.to_owned()),
        ("sla", definition),
        ("stage", "in_progress".to_owned()),
        ("active", "true".to_owned()),
        ("has_breached", "false".to_owned()),
        ("start_time", time::stamp(writer.at)),
        ("planned_end_time", time::stamp(due)),
        ("original_breach_time", time::stamp(due)),
        ("timezone", "GMT".to_owned()),
        ("percentage", "0".to_owned()),
        ("pause_duration", time::duration(0)),
    ]);
    let _ = store.insert("task_sla", &fields, writer);
}

fn closing(stage: &str, at: Timestamp) -> Fields {
    fields(&[("stage", stage.to_owned()), ("active", "false".to_owned()), ("end_time", time::stamp(at))])
}

fn moves(store: &Store, id: &str, state: &str, ended: bool, at: Timestamp) -> Fields {
    let get = |field: &str| store.field("task_sla", id, field).unwrap_or_default();
    let instant = |field: &str| time::parse(&get(field));
    let paused = &*get("stage") == "paused";
    let mut due = instant("planned_end_time").unwrap_or(at);
    let mut changes = Fields::new();
    if paused && (ended || state != "3") {
        let rest = instant("pause_time").map_or(SignedDuration::ZERO, |from| at.duration_since(from));
        due = due.checked_add(rest).unwrap_or(due);
        let before = instant("pause_duration").map_or(0, |total| total.as_second());
        changes.extend(fields(&[
            ("stage", "in_progress".to_owned()),
            ("pause_time", String::new()),
            ("pause_duration", time::duration(before + rest.as_secs())),
            ("planned_end_time", time::stamp(due)),
        ]));
    } else if !paused && state == "3" {
        changes.extend(fields(&[("stage", "paused".to_owned()), ("pause_time", time::stamp(at))]));
    }
    if at > due && !(paused && state == "3") {
        changes.extend(fields(&[("has_breached", "true".to_owned())]));
    }
    if ended {
        changes.retain(|(name, _)| name != "stage");
        changes.extend(closing("completed", at));
    }
    changes
}
