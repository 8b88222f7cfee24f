//! Jobs: bulk changes that are queued, worked and completed, some rows of which fail.
//! Knows progress by the clock; what a row does stands in `change.rs`.

use super::auth::Caller;
use super::change::Doer;
use super::reply::{Answer, Reply, no_record, ok, refused, too_many_values};
use super::tickets::{body, erase, id_of, many, merge_into};
use super::{Account, Zendesk};
use crate::route::Call;
use serde_json::{Map, Value, json};

const IN_FLIGHT_MAX: usize = 30;
const ROWS_MAX: usize = 100;
/// Seconds in which a job is queued, then worked.
const QUEUED_SECONDS: i64 = 1;
const WORKED_SECONDS: i64 = 2;
/// Results are forgotten after a day.
const KEPT_SECONDS: i64 = 86_400;

#[derive(Clone, Debug)]
pub struct Job {
    pub id: String,
    kind: &'static str,
    began: i64,
    total: usize,
    results: Value,
}

impl Job {
    fn shown(&self, now: i64, origin: &str) -> Value {
        let passed = now - self.began;
        let (status, progress) = match passed {
            ..QUEUED_SECONDS => ("queued", Value::Null),
            QUEUED_SECONDS..WORKED_SECONDS => ("working", json!(self.total / 2)),
            _ => ("completed", json!(self.total)),
        };
        let done = status == "completed";
        let at = super::shape::stamp(self.began + WORKED_SECONDS).replace('T', " ").replace('Z', " +0000");
        json!({
            "id": self.id, "job_type": self.kind, "url": format!("{origin}/api/v2/job_statuses/{}.json", self.id),
            "total": self.total, "progress": progress, "status": status,
            "message": done.then(|| format!("Completed at {at}")),
            "results": if done { self.results.clone() } else { Value::Null },
        })
    }

    fn runs(&self, now: i64) -> bool {
        now - self.began < WORKED_SECONDS
    }
}

/// Refuses when too many jobs are queued or running.
fn room(account: &mut Account, now: i64) -> Result<(), Reply> {
    account.jobs.retain(|job| now - job.began < KEPT_SECONDS);
    let running: Vec<&str> =
        account.jobs.iter().filter(|job| job.runs(now)).map(|job| job.id.as_str()).collect();
    if running.len() < IN_FLIGHT_MAX {
        return Ok(());
    }
    let text = "Too many bulk jobs are currently queued or running. Try again later.";
    let mut refusal = refused(429, "TooManyJobs", text).with("retry-after", "2");
    refusal.body["current_job_ids"] = json!(running);
    Err(refusal)
}

fn begin(
    zendesk: &Zendesk,
    account: &mut Account,
    call: &Call,
    kind: &'static str,
    results: Vec<Value>,
) -> Answer {
    let now = call.now.as_second();
    account.job_serial += 1;
    let id = format!(
        "V3-{}",
        crate::dice::hex_id(zendesk.stage.seed, &[b"job", &account.job_serial.to_le_bytes()])
    );
    let job = Job { id, kind, began: now, total: results.len(), results: Value::Array(results) };
    let shown = job.shown(now, &call.origin());
    account.jobs.push(job);
    let running = account.jobs.iter().filter(|job| job.runs(now)).count();
    let left = IN_FLIGHT_MAX.saturating_sub(running);
    let value = format!("total={IN_FLIGHT_MAX}; remaining={left}; resets=60");
    Ok(Reply::new(200, json!({ "job_status": shown })).with("zendesk-ratelimit-inflight-jobs", value))
}

fn failed(id: Option<u64>, index: usize, refusal: &Reply) -> Value {
    json!({ "id": id, "index": index, "success": false, "status": "Failed",
            "error": refusal.body["error"], "details": refusal.body["details"].to_string() })
}

/// `?ids=` with one change for all, or a change per ticket.
pub fn update_many(zendesk: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    room(account, call.now.as_second())?;
    let given: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
    let orders: Vec<(u64, Map<String, Value>)> = match given["tickets"].as_array() {
        Some(list) => {
            let order = |one: &Value| Some((super::change::number(&one["id"])?, one.as_object()?.clone()));
            list.iter().filter_map(order).collect()
        }
        None => {
            let change = body(call, "ticket")?;
            many(call)?.into_iter().map(|id| (id, change.clone())).collect()
        }
    };
    if orders.len() > ROWS_MAX {
        return Err(too_many_values());
    }
    let doer = Doer::api(caller.user.unwrap_or(0), call.now.as_second());
    let mut results = Vec::new();
    for (index, (id, change)) in orders.into_iter().enumerate() {
        results.push(match account.book.update(id, &change, &doer) {
            Ok(made) => {
                zendesk.rang(&account.book, &made.audit, false);
                json!({ "id": id, "action": "update", "status": "Updated", "success": true })
            }
            Err(refusal) => failed(Some(id), index, &refusal),
        });
    }
    begin(zendesk, account, call, "Bulk Update Ticket", results)
}

pub fn create_many(zendesk: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    room(account, call.now.as_second())?;
    let given: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
    let list = given["tickets"].as_array().cloned().unwrap_or_default();
    if list.len() > ROWS_MAX {
        return Err(too_many_values());
    }
    let doer = Doer::api(caller.user.unwrap_or(0), call.now.as_second());
    let mut results = Vec::new();
    for (index, one) in list.iter().enumerate() {
        let change = one.as_object().cloned().unwrap_or_default();
        results.push(match account.book.create(&change, &doer) {
            Ok(made) => {
                zendesk.rang(&account.book, &made.audit, true);
                json!({ "index": index, "id": made.audit.ticket, "account_id": super::ACCOUNT_ID })
            }
            Err(refusal) => failed(None, index, &refusal),
        });
    }
    begin(zendesk, account, call, "Bulk Create Ticket", results)
}

pub fn destroy_many(zendesk: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    let now = call.now.as_second();
    room(account, now)?;
    let mut results = Vec::new();
    for id in many(call)? {
        let done = erase(zendesk, account, id, caller.user.unwrap_or(0) as i64, now);
        results.push(json!({ "id": id, "action": "delete", "status": if done { "Deleted" } else { "Failed" }, "success": done }));
    }
    begin(zendesk, account, call, "Bulk Delete Ticket", results)
}

pub fn merge(zendesk: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    room(account, call.now.as_second())?;
    let target = id_of(call)?;
    account.book.living_ticket(target).ok_or_else(no_record)?;
    let order: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
    let sources: Vec<u64> =
        order["ids"].as_array().into_iter().flatten().filter_map(super::change::number).collect();
    let doer = Doer::api(caller.user.unwrap_or(0), call.now.as_second());
    let results = merge_into(zendesk, account, target, &sources, &order, &doer);
    begin(zendesk, account, call, "Merge Tickets", results)
}

pub fn show(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let job = account.jobs.iter().find(|job| job.id == call.capture("id")).ok_or_else(no_record)?;
    ok(json!({ "job_status": job.shown(call.now.as_second(), &call.origin()) }))
}

pub fn list(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let wanted: Option<Vec<&str>> = call.param("ids").map(|text| text.split(',').collect());
    let jobs =
        account.jobs.iter().filter(|job| wanted.as_ref().is_none_or(|ids| ids.contains(&job.id.as_str())));
    let rows: Vec<Value> = jobs.map(|job| job.shown(call.now.as_second(), &call.origin())).collect();
    ok(json!({ "count": rows.len(), "job_statuses": rows, "next_page": null, "previous_page": null }))
}
