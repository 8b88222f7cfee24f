//! Several requests in one: series with references, batches, collections of records.
//! Knows envelopes; each request inside goes the way of an ordinary one.
// Vendor: api-rest/guide/resources_composite_composite, resources_composite_batch, resources_composite_sobjects_collections.

use super::Org;
use super::api::{self, Answer, Answered, Ask, Caller, dispatch, given, ok};
use super::errors::ApiError;
use super::{external, ids, rules};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Vendor: requests in one series or batch, and how many of them may be queries.
const PARTS_MAX: usize = 25;
const QUERIES_MAX: usize = 5;
/// Vendor: records of a collection, and kinds that may alternate in it.
const RECORDS_MAX: usize = 200;
const RETRIEVED_MAX: usize = 2_000;

fn wrong(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "INVALID_INPUT", message)
}

fn list<'a>(body: &'a Value, name: &str) -> Result<&'a Vec<Value>, ApiError> {
    body.get(name).and_then(Value::as_array).ok_or_else(|| wrong(format!("{name} is required")))
}

/// One request inside another.
fn part(
    outer: &Ask,
    method: &str,
    address: &str,
    body: Value,
    headers: Option<&Map<String, Value>>,
) -> Result<Ask, ApiError> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut steps = api::steps(path);
    if steps.is_empty() {
        return Err(wrong(format!("The Composite API does not support the address {path}")));
    }
    let version = steps.remove(0);
    api::version_of(&version)?;
    let headers = headers.into_iter().flatten().map(|(name, value)| {
        (name.to_ascii_lowercase(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    });
    Ok(Ask {
        method: method.to_ascii_uppercase(),
        steps,
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: headers.collect(),
        body,
        version,
        ..outer.clone()
    })
}

fn is_query(address: &str) -> bool {
    address.contains("/query") || address.contains("/composite/sobjects")
}

/// `POST /composite`: one after the other, later ones may quote earlier ones; one call, whatever is in it.
pub fn series(org: &mut Org, caller: &Caller, ask: &Ask) -> Answered {
    let parts = list(&ask.body, "compositeRequest")?;
    let all_or_none = ask.body.get("allOrNone").and_then(Value::as_bool).unwrap_or(false);
    let text = |part: &Value, name: &str| part.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    if parts.is_empty() || parts.len() > PARTS_MAX {
        return Err(wrong(format!("the series must have from 1 to {PARTS_MAX} subrequests")));
    }
    if parts.iter().filter(|part| is_query(&text(part, "url"))).count() > QUERIES_MAX {
        return Err(wrong(format!("at most {QUERIES_MAX} subrequests may be queries or collections")));
    }
    let mut results: BTreeMap<String, Value> = BTreeMap::new();
    let mut answers: Vec<(String, Answer)> = Vec::new();
    let mark = org.store.begin();
    for inner in parts {
        let reference = text(inner, "referenceId");
        if reference.is_empty() || results.contains_key(&reference) {
            org.store.end(mark, false);
            return Err(wrong("every subrequest needs a referenceId of its own"));
        }
        let answer = one(org, caller, ask, inner, &results).unwrap_or_else(refused);
        results.insert(reference.clone(), answer.body.clone());
        let failed = answer.status >= 400;
        answers.push((reference, answer));
        if failed && all_or_none {
            org.store.end(mark, false);
            return ok(json!({ "compositeResponse": halted(parts, answers) }));
        }
    }
    org.store.end(mark, true);
    let shown: Vec<Value> =
        answers.into_iter().map(|(reference, answer)| shown(&reference, answer)).collect();
    ok(json!({ "compositeResponse": shown }))
}

fn one(
    org: &mut Org,
    caller: &Caller,
    ask: &Ask,
    inner: &Value,
    results: &BTreeMap<String, Value>,
) -> Answered {
    let text = |name: &str| inner.get(name).and_then(Value::as_str).unwrap_or("");
    let address = quoted(text("url"), results)?;
    let body = match inner.get("body") {
        Some(body) => quoted_all(body, results)?,
        None => Value::Null,
    };
    let headers = inner.get("httpHeaders").and_then(Value::as_object);
    let part = part(ask, text("method"), &address, body, headers)?;
    if part.steps.first().is_some_and(|step| step == "composite")
        && part.steps.get(1).is_none_or(|step| step != "sobjects")
    {
        return Err(wrong("a composite cannot hold a composite"));
    }
    dispatch(org, caller, &part)
}

fn refused(error: ApiError) -> Answer {
    Answer { status: error.status, body: json!([error.to_value()]), headers: Vec::new() }
}

fn shown(reference: &str, answer: Answer) -> Value {
    let headers: Map<String, Value> = answer
        .headers
        .into_iter()
        .map(|(name, value)| {
            (if name == "location" { "Location" } else { "Last-Modified" }.to_owned(), json!(value))
        })
        .collect();
    json!({ "body": answer.body, "httpHeaders": headers, "httpStatusCode": answer.status, "referenceId": reference })
}

/// All of them did not happen: the one that failed says why, the others that they were halted.
fn halted(parts: &[Value], answers: Vec<(String, Answer)>) -> Vec<Value> {
    let failed = answers.len() - 1;
    let mut answers = answers.into_iter();
    let message = "The transaction was rolled back since another operation in the same transaction failed.";
    parts
        .iter()
        .enumerate()
        .map(|(at, part)| {
            let reference = part.get("referenceId").and_then(Value::as_str).unwrap_or("").to_owned();
            match answers.next() {
                Some((reference, answer)) if at == failed => shown(&reference, answer),
                _ => shown(&reference, refused(ApiError::new(400, "PROCESSING_HALTED", message))),
            }
        })
        .collect()
}

/// A text with its `@{reference.path}` replaced.
fn quoted(text: &str, results: &BTreeMap<String, Value>) -> Result<String, ApiError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("@{") {
        let (path, after) = behind.split_once('}').ok_or_else(|| wrong("an unclosed reference"))?;
        out.push_str(before);
        let value = looked_up(path, results)
            .ok_or_else(|| wrong(format!("Invalid reference specified. No value for {path} found")))?;
        out.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn quoted_all(value: &Value, results: &BTreeMap<String, Value>) -> Result<Value, ApiError> {
    Ok(match value {
        Value::String(text) => Value::String(quoted(text, results)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| quoted_all(item, results)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| Ok((name.clone(), quoted_all(value, results)?)));
            Value::Object(fields.collect::<Result<_, ApiError>>()?)
        }
        other => other.clone(),
    })
}

/// `ref.records[0].Id`.
fn looked_up<'a>(path: &str, results: &'a BTreeMap<String, Value>) -> Option<&'a Value> {
    let mut steps = path.split('.');
    let mut value = results.get(steps.next()?)?;
    for step in steps {
        let (name, indexes) = step.split_once('[').unwrap_or((step, ""));
        value = value.get(name)?;
        for index in indexes.split(['[', ']']).filter(|index| !index.is_empty()) {
            value = value.get(index.parse::<usize>().ok()?)?;
        }
    }
    Some(value)
}

/// `POST /composite/batch`: independent requests; each of them costs a call.
pub fn batch(org: &mut Org, caller: &Caller, ask: &Ask) -> Answered {
    let parts = list(&ask.body, "batchRequests")?;
    let halt = ask.body.get("haltOnError").and_then(Value::as_bool).unwrap_or(false);
    if parts.is_empty() || parts.len() > PARTS_MAX {
        return Err(wrong(format!("a batch must have from 1 to {PARTS_MAX} subrequests")));
    }
    org.spend(parts.len() as u64 - 1, caller.now);
    let mut results = Vec::new();
    let mut has_errors = false;
    for inner in parts {
        let text = |name: &str| inner.get(name).and_then(Value::as_str).unwrap_or("");
        if halt && has_errors {
            let error = ApiError::new(412, "BATCH_PROCESSING_HALTED", "Batch processing halted per request");
            results.push(json!({ "statusCode": 412, "result": [error.to_value()] }));
            continue;
        }
        // Vendor: the address begins with the version here.
        let address = format!(
            "/services/data/{}",
            text("url").trim_start_matches("/services/data/").trim_start_matches('/')
        );
        let body = inner.get("richInput").cloned().unwrap_or_default();
        let answer =
            part(ask, text("method"), &address, body, None).and_then(|part| dispatch(org, caller, &part));
        let answer = answer.unwrap_or_else(refused);
        has_errors |= answer.status >= 400;
        results.push(json!({ "statusCode": answer.status, "result": answer.body }));
    }
    ok(json!({ "hasErrors": has_errors, "results": results }))
}

/// `/composite/sobjects`: up to 200 records, each with a verdict at its place.
pub fn collection(org: &mut Org, caller: &Caller, ask: &Ask) -> Answered {
    let write = |org: &mut Org, record: &Value| {
        let id = write_one(org, caller, ask, record)?;
        Ok(json!({ "id": id, "success": true, "errors": [] }))
    };
    if ask.method == "DELETE" {
        let ids = ask
            .param("ids")
            .unwrap_or("")
            .split(',')
            .filter(|id| !id.is_empty())
            .map(|id| json!({ "id": id }));
        let all_or_none = ask.param("allOrNone") == Some("true");
        let records: Vec<Value> = ids.collect();
        return each(org, &records, all_or_none, write);
    }
    let all_or_none = ask.body.get("allOrNone").and_then(Value::as_bool).unwrap_or(false);
    let records = list(&ask.body, "records")?;
    each(org, records, all_or_none, write)
}

/// `PATCH /composite/sobjects/{object}/{field}`: records by another system's key, each changed or created.
pub fn upserted(org: &mut Org, caller: &Caller, ask: &Ask, name: &str, field: &str) -> Answered {
    let all_or_none = ask.body.get("allOrNone").and_then(Value::as_bool).unwrap_or(false);
    let records = list(&ask.body, "records")?;
    let field = field.to_owned();
    let put = |org: &mut Org, record: &Value| {
        let mut fields = given(record)?.clone();
        let key = fields.keys().find(|key| key.eq_ignore_ascii_case(&field)).cloned();
        let value = key.and_then(|key| fields.remove(&key));
        let value = value
            .and_then(|value| value.as_str().map(str::to_owned))
            .ok_or_else(|| ApiError::of_fields("MISSING_ARGUMENT", format!("{field} not specified"), &[]))?;
        let (id, created) = external::put(org, caller, [name, &field, &value], &fields, &ask.writer(caller))?;
        Ok(json!({ "id": id, "success": true, "errors": [], "created": created }))
    };
    each(org, records, all_or_none, put)
}

fn each(
    org: &mut Org,
    records: &[Value],
    all_or_none: bool,
    write: impl Fn(&mut Org, &Value) -> Result<Value, ApiError>,
) -> Answered {
    if records.is_empty() || records.len() > RECORDS_MAX {
        let message =
            format!("record limit reached. cannot submit more than {RECORDS_MAX} records in one request");
        return Err(ApiError::new(400, "EXCEEDED_ID_LIMIT", message));
    }
    let mark = org.store.begin();
    let mut verdicts = Vec::new();
    for record in records {
        verdicts.push(write(org, record));
    }
    let stands = !all_or_none || verdicts.iter().all(Result::is_ok);
    org.store.end(mark, stands);
    let rolled_back = ApiError::new(
        400,
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using AllOrNone header",
    );
    let shown = verdicts.into_iter().map(|verdict| match verdict {
        Ok(verdict) if stands => verdict,
        Ok(_) => json!({ "success": false, "errors": [rolled_back.to_status_value()] }),
        Err(error) => json!({ "success": false, "errors": [error.to_status_value()] }),
    });
    ok(Value::Array(shown.collect()))
}

fn write_one(org: &mut Org, caller: &Caller, ask: &Ask, record: &Value) -> Result<String, ApiError> {
    let mut fields = given(record)?.clone();
    let writer = ask.writer(caller);
    let name = record.pointer("/attributes/type").and_then(Value::as_str).unwrap_or("").to_owned();
    let key = fields.keys().find(|key| key.eq_ignore_ascii_case("id")).cloned();
    let id = key.and_then(|key| fields.remove(&key)).and_then(|id| id.as_str().map(str::to_owned));
    if ask.method == "POST" {
        return rules::create(org, &name, &fields, &writer);
    }
    let text = id.unwrap_or_default();
    let id = ids::long(&text).ok_or_else(|| ApiError::new(400, "MALFORMED_ID", format!("bad id {text}")))?;
    // Vendor: an id of nothing is a wrong reference here, not a missing resource.
    let missing = |error: ApiError| match error.code {
        "NOT_FOUND" => ApiError::new(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
        _ => error,
    };
    if ask.method == "DELETE" {
        rules::delete(org, &id, &writer, None).map_err(missing)?;
    } else {
        rules::update(org, &name, &id, &fields, &writer).map_err(missing)?;
    }
    Ok(id)
}

/// Records by their ids, `null` where there is none.
pub fn retrieve(org: &mut Org, caller: &Caller, ask: &Ask, name: &str) -> Answered {
    let texts = |value: Option<&Value>| -> Vec<String> {
        value
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let split = |text: Option<&str>| {
        text.unwrap_or("").split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    let (wanted, fields): (Vec<String>, Vec<String>) = match ask.method.as_str() {
        "GET" => (split(ask.param("ids")), split(ask.param("fields"))),
        _ => (texts(ask.body.get("ids")), texts(ask.body.get("fields"))),
    };
    if wanted.len() > RETRIEVED_MAX {
        return Err(ApiError::new(400, "EXCEEDED_ID_LIMIT", "too many ids"));
    }
    let object = org.readable(name).ok_or_else(ApiError::not_found)?;
    let records = wanted.iter().map(|id| {
        let row = ids::long(id).and_then(|id| object.slot(&id)).and_then(|slot| object.row(slot));
        let cells =
            row.and_then(|row| row.visible(caller.now)).filter(|cells| !object.truth(cells, "IsDeleted"));
        cells.map_or(Ok(Value::Null), |cells| api::record(org, caller, object, cells, &fields, &ask.version))
    });
    ok(Value::Array(records.collect::<Result<_, _>>()?))
}
