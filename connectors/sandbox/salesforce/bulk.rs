//! The first Bulk API: jobs of batches, told in XML or JSON, their data as CSV or JSON.
//! Knows its envelopes; rows are applied by `table.rs`. A batch is done by the time it is asked about.
// Vendor: api-asynch/guide/asynch_api_intro, one page per request.

use super::api::Caller;
use super::errors::ApiError;
use super::jobs::Job;
use super::rules::Writer;
use super::{Org, Salesforce, soap, table, time};
use crate::route::{Call, code, json, plain};
use axum::response::Response;
use serde_json::{Map, Value, json};

const SPACE: &str = "http://www.force.com/2009/06/asyncapi/dataload";

/// A batch with its results: a table for a query, a verdict per row for the others.
#[derive(Clone, Default)]
pub struct Batch {
    id: String,
    failure: Option<String>,
    found: table::Table,
    verdicts: Vec<table::Verdict>,
}

/// What goes out, before it is known in which form.
enum Told {
    Info(&'static str, Vec<(&'static str, String)>),
    Infos(Vec<Vec<(&'static str, String)>>),
    ResultIds(Vec<String>),
    Table(table::Table),
    Verdicts(Vec<table::Verdict>),
}

/// `exceptionCode` and `exceptionMessage`.
type Answered = Result<Told, (&'static str, String)>;

/// Every address below `/services/async/{version}`.
pub fn answer(vendor: &Salesforce, call: &Call) -> Response {
    vendor.signed_in(call, |org, caller| {
        let steps: Vec<&str> = call.path.split('/').filter(|step| !step.is_empty()).skip(3).collect();
        let kind = call.header("content-type").unwrap_or("").to_owned();
        let of_job = steps.get(1).and_then(|id| org.jobs.get(id)).map(|job| job.content_type == "JSON");
        let as_json = match steps.len() {
            // Vendor: jobs are told as they are asked for, batches in the form of the job's data.
            0..=2 => kind.starts_with("application/json") || of_job == Some(true),
            _ => of_job == Some(true),
        };
        let told = dispatch(org, caller, call, &steps);
        let told = if matches!(told, Err(("NoRoute", _))) { None } else { Some(told) };
        told.map_or_else(|| ApiError::not_found().response(), |told| dressed(told, as_json))
    })
}

fn dispatch(org: &mut Org, caller: &Caller, call: &Call, steps: &[&str]) -> Answered {
    let id = steps.get(1).copied().unwrap_or("");
    if steps.len() > 1 && org.jobs.get(id).is_none_or(|job| job.kind != "v1") {
        return Err(("InvalidJob", format!("Unable to find object: {id}")));
    }
    let batch = |org: &mut Org| {
        let known = org
            .jobs
            .get(id)
            .and_then(|job| job.batches.iter().find(|batch| Some(&&*batch.id) == steps.get(3)).cloned());
        known.ok_or_else(|| ("InvalidBatch", "Unable to find batch".to_owned()))
    };
    match (call.method.as_str(), steps) {
        ("POST", ["job"]) => create(org, caller, call),
        ("GET", ["job", _]) => Ok(job_info(org, id)),
        ("POST", ["job", _]) => {
            let state = field(call, "state").unwrap_or_default();
            if !matches!(state.as_str(), "Closed" | "Aborted") {
                return Err(("InvalidJobState", format!("a job becomes Closed or Aborted, not {state:?}")));
            }
            org.jobs.get(id).into_iter().for_each(|job| job.state.clone_from(&state));
            Ok(job_info(org, id))
        }
        ("POST", ["job", _, "batch"]) => add(org, caller, call, id),
        ("GET", ["job", _, "batch"]) => {
            let job = org.jobs.get(id).map(|job| job.clone()).unwrap_or_default();
            Ok(Told::Infos(job.batches.iter().map(|batch| info(&job, batch, "Completed")).collect()))
        }
        ("GET", ["job", _, "batch", _]) => {
            let batch = batch(org)?;
            let job = org.jobs.get(id).map(|job| job.clone()).unwrap_or_default();
            let state = if batch.failure.is_some() { "Failed" } else { "Completed" };
            Ok(Told::Info("batchInfo", info(&job, &batch, state)))
        }
        ("GET", ["job", _, "batch", _, "result"]) => {
            let batch = batch(org)?;
            let query = org.jobs.get(id).is_some_and(|job| job.operation.starts_with("query"));
            Ok(if query {
                Told::ResultIds(vec![batch.id.replacen("751", "752", 1)])
            } else {
                Told::Verdicts(batch.verdicts)
            })
        }
        ("GET", ["job", _, "batch", _, "result", _]) => {
            let batch = batch(org)?;
            Ok(Told::Table(batch.found))
        }
        _ => Err(("NoRoute", String::new())),
    }
}

/// A field of a job's description, in either form.
fn field(call: &Call, name: &str) -> Option<String> {
    match serde_json::from_slice::<Value>(&call.body) {
        Ok(fields) => fields[name].as_str().map(str::to_owned),
        Err(_) => soap::element(&String::from_utf8_lossy(&call.body), name),
    }
}

fn create(org: &mut Org, caller: &Caller, call: &Call) -> Answered {
    let word = |name: &str| field(call, name).unwrap_or_default();
    let operation = word("operation");
    const KNOWN: &[&str] = &["query", "queryAll", "insert", "update", "upsert", "delete", "hardDelete"];
    let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(&operation));
    let operation = known.ok_or_else(|| ("InvalidJob", format!("Unsupported operation {operation:?}")))?;
    let object = word("object");
    let Some(object) = org.readable(&object).map(|object| object.shape.name.to_owned()) else {
        return Err(("InvalidJob", format!("Unable to find object: {object}")));
    };
    let content_type = field(call, "contentType").unwrap_or_else(|| "XML".to_owned());
    if !matches!(content_type.as_str(), "CSV" | "JSON") {
        return Err((
            "FeatureNotEnabled",
            format!("batches of content type {content_type} are not modelled"),
        ));
    }
    let job = Job {
        kind: "v1".to_owned(),
        owner: caller.user_id.clone(),
        operation: (*operation).to_owned(),
        object,
        content_type,
        external_id: field(call, "externalIdFieldName").unwrap_or_else(|| "Id".to_owned()),
        state: "Open".to_owned(),
        made_at: time::stamp(caller.now),
        ..Job::default()
    };
    let id = org.jobs.add(job).id.clone();
    Ok(job_info(org, &id))
}

fn job_info(org: &mut Org, id: &str) -> Told {
    let job = org.jobs.get(id).map(|job| job.clone()).unwrap_or_default();
    let count = job.batches.len().to_string();
    Told::Info(
        "jobInfo",
        vec![
            ("id", job.id),
            ("operation", job.operation),
            ("object", job.object),
            ("createdById", job.owner),
            ("createdDate", job.made_at.clone()),
            ("systemModstamp", job.made_at),
            ("state", job.state),
            ("concurrencyMode", "Parallel".to_owned()),
            ("contentType", job.content_type),
            ("numberBatchesQueued", "0".to_owned()),
            ("numberBatchesInProgress", "0".to_owned()),
            ("numberBatchesCompleted", count.clone()),
            ("numberBatchesFailed", "0".to_owned()),
            ("numberBatchesTotal", count),
        ],
    )
}

fn info(job: &Job, batch: &Batch, state: &str) -> Vec<(&'static str, String)> {
    let failed = batch.verdicts.iter().filter(|verdict| verdict.is_err()).count();
    let mut fields = vec![
        ("id", batch.id.clone()),
        ("jobId", job.id.clone()),
        ("state", state.to_owned()),
        ("createdDate", job.made_at.clone()),
        ("systemModstamp", job.made_at.clone()),
        ("numberRecordsProcessed", batch.found.rows.len().max(batch.verdicts.len()).to_string()),
        ("numberRecordsFailed", failed.to_string()),
        ("totalProcessingTime", "1".to_owned()),
        ("apiActiveProcessingTime", "1".to_owned()),
        ("apexProcessingTime", "0".to_owned()),
    ];
    fields.extend(batch.failure.clone().map(|failure| ("stateMessage", failure)));
    fields
}

fn add(org: &mut Org, caller: &Caller, call: &Call, id: &str) -> Answered {
    let job = org.jobs.get(id).map(|job| job.clone()).unwrap_or_default();
    if job.state != "Open" {
        return Err(("InvalidJobState", format!("Job is {}", job.state)));
    }
    let text = String::from_utf8_lossy(&call.body).into_owned();
    let mut batch = Batch { id: org.jobs.next_batch(), ..Batch::default() };
    if job.operation.starts_with("query") {
        match table::queried(org, caller, text.trim(), job.operation == "queryAll") {
            Ok((_, found)) => batch.found = found,
            Err(error) => {
                batch.failure =
                    Some(format!("InvalidBatch : Failed to process query: {}: {}", error.code, error.message))
            }
        }
    } else {
        let rows = if job.content_type == "JSON" { of_json(&text) } else { table::read(&text, b',') };
        match rows {
            Err(error) => batch.failure = Some(format!("InvalidBatch : {}", error.message)),
            Ok(rows) => {
                // Vendor: assignment rules run only where a job names one.
                let writer = Writer {
                    user_id: caller.user_id.clone(),
                    at: caller.now,
                    late_seconds: 0,
                    api: true,
                    auto_assign: false,
                };
                let order = (job.operation.as_str(), job.object.as_str(), job.external_id.as_str());
                batch.verdicts =
                    rows.iter().map(|row| table::apply(org, caller, &writer, order, row)).collect();
            }
        }
    }
    let told = info(&job, &batch, "Queued");
    org.jobs.get(id).into_iter().for_each(|job| job.batches.push(batch.clone()));
    Ok(Told::Info("batchInfo", told))
}

fn of_json(text: &str) -> Result<Vec<table::Row>, ApiError> {
    let wrong = || ApiError::new(400, "InvalidBatch", "Unable to parse JSON: a list of records is expected");
    let rows: Vec<Map<String, Value>> = serde_json::from_str(text).map_err(|_| wrong())?;
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Null => "#N/A".to_owned(),
        other => other.to_string(),
    };
    let plain = |row: Map<String, Value>| {
        row.into_iter()
            .filter(|(name, _)| name != "attributes")
            .map(|(name, value)| (name, text(value)))
            .collect()
    };
    Ok(rows.into_iter().map(plain).collect())
}

fn dressed(told: Answered, as_json: bool) -> Response {
    let xml = |status: u16, text: String| {
        plain(code(status), "application/xml", format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{text}"))
    };
    match told {
        Err((word, message)) => {
            let fields = vec![("exceptionCode", word.to_owned()), ("exceptionMessage", message)];
            if as_json {
                plain(code(400), "application/json", object(&fields).to_string())
            } else {
                xml(400, element("error", &fields))
            }
        }
        Ok(Told::Info(name, fields)) => {
            let status = 201;
            if as_json { json(status, &object(&fields)) } else { xml(status, element(name, &fields)) }
        }
        Ok(Told::Infos(list)) if as_json => {
            json(200, &json!({ "batchInfo": list.iter().map(|fields| object(fields)).collect::<Vec<_>>() }))
        }
        Ok(Told::Infos(list)) => {
            let inner: String = list.iter().map(|fields| element("batchInfo", fields)).collect();
            xml(200, format!("<batchInfoList xmlns=\"{SPACE}\">{inner}</batchInfoList>"))
        }
        Ok(Told::ResultIds(ids)) if as_json => json(200, &json!(ids)),
        Ok(Told::ResultIds(ids)) => {
            let inner: String = ids.iter().map(|id| format!("<result>{id}</result>")).collect();
            xml(200, format!("<result-list xmlns=\"{SPACE}\">{inner}</result-list>"))
        }
        Ok(Told::Table(table::Table { columns, rows })) if as_json => {
            let record = |row: &Vec<String>| {
                Value::Object(columns.iter().cloned().zip(row.iter().map(|cell| json!(cell))).collect())
            };
            json(200, &rows.iter().map(record).collect())
        }
        Ok(Told::Table(table::Table { columns, rows })) => {
            plain(code(200), "text/csv", table::written(&columns, rows.iter(), b','))
        }
        Ok(Told::Verdicts(verdicts)) if as_json => {
            let told = verdicts.iter().map(|verdict| match verdict {
                Ok((id, created)) => json!({ "success": true, "created": created, "id": id, "errors": [] }),
                Err(error) => json!({ "success": false, "created": false, "id": null, "errors": [error.to_status_value()] }),
            });
            json(200, &told.collect())
        }
        Ok(Told::Verdicts(verdicts)) => {
            let columns = ["Id", "Success", "Created", "Error"].map(str::to_owned);
            let rows: Vec<Vec<String>> = verdicts
                .iter()
                .map(|verdict| match verdict {
                    Ok((id, created)) => {
                        vec![id.clone(), "true".to_owned(), created.to_string(), String::new()]
                    }
                    Err(error) => vec![
                        String::new(),
                        "false".to_owned(),
                        "false".to_owned(),
                        format!("{}:{}:--", error.code, error.message),
                    ],
                })
                .collect();
            plain(code(200), "text/csv", table::written(&columns, rows.iter(), b','))
        }
    }
}

fn object(fields: &[(&'static str, String)]) -> Value {
    Value::Object(fields.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect())
}

fn element(name: &str, fields: &[(&'static str, String)]) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let inner: String =
        fields.iter().map(|(name, text)| format!("<{name}>{}</{name}>", escaped(text))).collect();
    format!("<{name} xmlns=\"{SPACE}\">{inner}</{name}>")
}
