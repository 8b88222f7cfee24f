//! Bulk API 2.0: queries whose results are fetched as tables, and tables that are uploaded to be written.
//! Knows jobs and their states; a job is done by the time it is asked about.
// Vendor: api-asynch/guide/bulk_api_2_0, "Query", "Ingest".

use super::Org;
use super::api::{Answer, Answered, Ask, Caller, ok};
use super::errors::ApiError;
use super::{ids, table, time};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;

/// Jobs of either API that are remembered; the oldest goes first.
const JOBS_MAX: usize = 200;
const DELIMITERS: &[(&str, u8)] = &[
    ("COMMA", b','),
    ("SEMICOLON", b';'),
    ("TAB", b'\t'),
    ("PIPE", b'|'),
    ("CARET", b'^'),
    ("BACKQUOTE", b'`'),
];

/// A job of this API or, with `batches`, of the older one.
#[derive(Clone, Default)]
pub struct Job {
    pub id: String,
    /// `query`, `ingest`, or `v1`.
    pub kind: String,
    pub owner: String,
    pub operation: String,
    pub object: String,
    pub content_type: String,
    pub external_id: String,
    pub state: String,
    pub made_at: String,
    pub delimiter: String,
    pub line_ending: String,
    pub query: String,
    pub error: Option<String>,
    pub found: table::Table,
    pub uploaded: String,
    pub verdicts: Vec<(table::Row, table::Verdict)>,
    pub batches: Vec<super::bulk::Batch>,
}

#[derive(Default)]
pub struct Jobs {
    kept: VecDeque<Job>,
    serial: u64,
}

impl Jobs {
    /// Keeps a job under a new id.
    pub fn add(&mut self, mut job: Job) -> &mut Job {
        self.serial += 1;
        job.id = ids::make("750", self.serial);
        if self.kept.len() >= JOBS_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(job);
        self.kept.back_mut().expect("a job was pushed")
    }

    pub fn get(&mut self, id: &str) -> Option<&mut Job> {
        let id = ids::long(id)?;
        self.kept.iter_mut().find(|job| job.id == id)
    }

    pub fn next_batch(&mut self) -> String {
        self.serial += 1;
        ids::make("751", self.serial)
    }
}

pub fn dispatch(org: &mut Org, caller: &Caller, ask: &Ask, kind: &str, rest: &[&str]) -> Answered {
    if !matches!(kind, "query" | "ingest") {
        return Err(ApiError::not_found());
    }
    if let Some(id) = rest.first() {
        let known = org.jobs.get(id).is_some_and(|job| job.kind == kind);
        if !known {
            return Err(ApiError::not_found());
        }
    }
    match (ask.method.as_str(), kind, rest) {
        ("POST", "query", []) => query(org, caller, ask),
        ("POST", _, []) => ingest(org, caller, ask),
        ("GET", _, []) => {
            let list: Vec<Value> =
                org.jobs.kept.iter().filter(|job| job.kind == kind).map(|job| shown(job, ask)).collect();
            ok(json!({ "done": true, "records": list, "nextRecordsUrl": null }))
        }
        ("GET", _, [id]) => told(org, ask, id),
        ("PATCH", _, [id]) => turned(org, caller, ask, id),
        ("DELETE", _, [id]) => {
            let id = ids::long(id).unwrap_or_default();
            org.jobs.kept.retain(|job| job.id != id);
            Ok(Answer { status: 204, body: Value::Null, headers: Vec::new() })
        }
        ("PUT", "ingest", [id, "batches"]) => upload(org, ask, id),
        ("GET", "query", [id, "results"]) => results(org, ask, id),
        ("GET", "ingest", [id, which @ ("successfulResults" | "failedResults" | "unprocessedrecords")]) => {
            verdicts(org, id, which)
        }
        _ => Err(ApiError::not_found()),
    }
}

fn begun(caller: &Caller, ask: &Ask, kind: &str) -> Result<Job, ApiError> {
    let word = |name: &str, otherwise: &str| ask.body[name].as_str().unwrap_or(otherwise).to_owned();
    let job = Job {
        kind: kind.to_owned(),
        owner: caller.user_id.clone(),
        operation: word("operation", ""),
        object: word("object", ""),
        external_id: word("externalIdFieldName", "Id"),
        content_type: "CSV".to_owned(),
        made_at: time::stamp(caller.now),
        delimiter: word("columnDelimiter", "COMMA"),
        line_ending: word("lineEnding", "LF"),
        query: word("query", ""),
        ..Job::default()
    };
    let wrong = |message: String| Err(ApiError::new(400, "INVALIDJOB", message));
    let allowed: &[&str] = match kind {
        "query" => &["query", "queryAll"],
        _ => &["insert", "update", "upsert", "delete", "hardDelete"],
    };
    if !allowed.contains(&job.operation.as_str()) {
        return wrong(format!("InvalidJob : Operation {:?} is not supported", job.operation));
    }
    if !DELIMITERS.iter().any(|(name, _)| *name == job.delimiter) {
        return wrong(format!("InvalidJob : unknown columnDelimiter {}", job.delimiter));
    }
    Ok(job)
}

/// Vendor: a query that cannot be parsed is refused at once.
fn query(org: &mut Org, caller: &Caller, ask: &Ask) -> Answered {
    let mut job = begun(caller, ask, "query")?;
    let found = table::queried(org, caller, &job.query, job.operation == "queryAll");
    (job.object, job.found) = found?;
    job.state = "UploadComplete".to_owned();
    let job = org.jobs.add(job);
    let answer = shown(job, ask);
    job.state = "JobComplete".to_owned();
    ok(answer)
}

fn ingest(org: &mut Org, caller: &Caller, ask: &Ask) -> Answered {
    let mut job = begun(caller, ask, "ingest")?;
    job.object = org.readable(&job.object).ok_or_else(ApiError::not_found)?.shape.name.to_owned();
    job.state = "Open".to_owned();
    ok(shown(org.jobs.add(job), ask))
}

fn shown(job: &Job, ask: &Ask) -> Value {
    let version = ask.version.trim_start_matches('v').parse::<f64>().unwrap_or(0.0);
    let mut fields = json!({
        "id": job.id, "operation": job.operation, "object": job.object, "createdById": job.owner,
        "createdDate": job.made_at, "systemModstamp": job.made_at, "state": job.state, "concurrencyMode": "Parallel",
        "contentType": "CSV", "apiVersion": version, "lineEnding": job.line_ending, "columnDelimiter": job.delimiter,
        "jobType": if job.kind == "query" { "V2Query" } else { "V2Ingest" },
    });
    if job.kind == "ingest" {
        fields["contentUrl"] = json!(format!("services/data/{}/jobs/ingest/{}/batches", ask.version, job.id));
        fields["externalIdFieldName"] =
            if job.operation == "upsert" { json!(job.external_id) } else { Value::Null };
    }
    fields
}

fn job<'a>(org: &'a mut Org, id: &str) -> Result<&'a mut Job, ApiError> {
    org.jobs.get(id).ok_or_else(ApiError::not_found)
}

fn told(org: &mut Org, ask: &Ask, id: &str) -> Answered {
    let job = job(org, id)?;
    let mut fields = shown(job, ask);
    let failed = job.verdicts.iter().filter(|(_, verdict)| verdict.is_err()).count();
    let done = if job.kind == "query" { job.found.rows.len() } else { job.verdicts.len() };
    let more: Map<String, Value> = [
        ("retries", json!(0)),
        ("totalProcessingTime", json!(1)),
        ("numberRecordsProcessed", json!(done)),
        ("numberRecordsFailed", json!(failed)),
        ("errorMessage", json!(job.error)),
    ]
    .into_iter()
    .filter(|(name, value)| !value.is_null() && (job.kind == "ingest" || !name.starts_with("numberRecordsF")))
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    fields.as_object_mut().into_iter().for_each(|fields| fields.extend(more.clone()));
    ok(fields)
}

fn upload(org: &mut Org, ask: &Ask, id: &str) -> Answered {
    let job = job(org, id)?;
    let (Value::String(text), "Open") = (&ask.body, job.state.as_str()) else {
        return Err(ApiError::new(
            400,
            "INVALIDJOBSTATE",
            "upload a table, as text/csv, to a job that is Open",
        ));
    };
    job.uploaded = text.clone();
    Ok(Answer { status: 201, body: Value::Null, headers: Vec::new() })
}

/// Closed: the table is worked off. Or aborted.
fn turned(org: &mut Org, caller: &Caller, ask: &Ask, id: &str) -> Answered {
    let wanted = ask.body["state"].as_str().unwrap_or("").to_owned();
    let job = job(org, id)?;
    let told = match (wanted.as_str(), job.state.as_str()) {
        ("Aborted", _) => {
            "Aborted".clone_into(&mut job.state);
            return ok(shown(job, ask));
        }
        ("UploadComplete", "Open") => {
            "UploadComplete".clone_into(&mut job.state);
            shown(job, ask)
        }
        (_, state) => {
            let message = format!("Job in state {state} cannot become {wanted:?}");
            return Err(ApiError::new(400, "INVALIDJOBSTATE", message));
        }
    };
    let mut job = job.clone();
    let writer = ask.writer(caller);
    match table::read(&job.uploaded, delimiter(&job)) {
        Err(error) => {
            "Failed".clone_into(&mut job.state);
            job.error = Some(format!("{} : {}", error.code, error.message));
        }
        Ok(rows) => {
            let order = (job.operation.as_str(), job.object.as_str(), job.external_id.as_str());
            job.verdicts = rows
                .into_iter()
                .map(|row| {
                    let verdict = table::apply(org, caller, &writer, order, &row);
                    (row, verdict)
                })
                .collect();
            "JobComplete".clone_into(&mut job.state);
        }
    }
    if let Some(kept) = org.jobs.get(id) {
        *kept = job;
    }
    ok(told)
}

fn delimiter(job: &Job) -> u8 {
    DELIMITERS.iter().find(|(name, _)| *name == job.delimiter).map_or(b',', |(_, byte)| *byte)
}

fn as_table(text: String, mut headers: Vec<(&'static str, String)>) -> Answered {
    headers.push(("content-type", "text/csv".to_owned()));
    Ok(Answer { status: 200, body: Value::String(text), headers })
}

/// Vendor: the locator of the next part stands in a header, the word "null" behind the last one.
fn results(org: &mut Org, ask: &Ask, id: &str) -> Answered {
    let job = job(org, id)?;
    let wrong = |what: &str| ApiError::new(400, "API_ERROR", what.to_owned());
    let from: usize = match ask.param("locator").filter(|text| *text != "null") {
        None => 0,
        Some(text) => {
            text.strip_prefix("MT").and_then(|n| n.parse().ok()).ok_or_else(|| wrong("invalid locator"))?
        }
    };
    let count: usize =
        ask.param("maxRecords").and_then(|text| text.parse().ok()).unwrap_or(usize::MAX).max(1);
    let to = from.saturating_add(count).min(job.found.rows.len());
    let rows = job.found.rows.get(from.min(to)..to).unwrap_or_default();
    let next = if to < job.found.rows.len() { format!("MT{to}") } else { "null".to_owned() };
    let text = table::written(&job.found.columns, rows.iter(), delimiter(job));
    as_table(text, vec![("sforce-locator", next), ("sforce-numberofrecords", rows.len().to_string())])
}

fn verdicts(org: &mut Org, id: &str, which: &str) -> Answered {
    let job = job(org, id)?;
    let succeeded = which == "successfulResults";
    let told = job
        .verdicts
        .iter()
        .filter(|(_, verdict)| verdict.is_ok() == succeeded && which != "unprocessedrecords");
    let mut columns: Vec<String> = match which {
        "successfulResults" => vec!["sf__Id".to_owned(), "sf__Created".to_owned()],
        "failedResults" => vec!["sf__Id".to_owned(), "sf__Error".to_owned()],
        _ => Vec::new(),
    };
    let first = job.verdicts.first().map(|(row, _)| row.iter().map(|(name, _)| name.clone()).collect());
    columns.extend::<Vec<String>>(first.unwrap_or_default());
    let rows: Vec<Vec<String>> = told
        .map(|(row, verdict)| {
            let (id, word) = match verdict {
                Ok((id, created)) => (id.clone(), created.to_string()),
                Err(error) => {
                    let fields = error.fields.clone().unwrap_or_default().join(",");
                    (String::new(), format!("{}:{}:{} --", error.code, error.message, fields))
                }
            };
            [id, word].into_iter().chain(row.iter().map(|(_, text)| text.clone())).collect()
        })
        .collect();
    let text = table::written(&columns, rows.iter(), delimiter(job));
    as_table(text, Vec::new())
}
