//! The REST resources: from a call to an answer. The same for a request of its own and for one inside a composite.
//! Knows addresses and envelopes; rows, rules and queries are elsewhere.
// Vendor: api-rest/guide, one page per resource.

use super::errors::{self, ApiError};
use super::filter::View;
use super::rules::{self, Writer};
use super::store::{Cells, Object};
use super::{Org, Salesforce, composite, describe, external, ids, jobs, paging, run, search, soql, time};
use crate::route::{Call, code, json, plain, set_header};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

/// Versions that answer, all alike.
pub const VERSIONS: std::ops::RangeInclusive<u32> = 31..=68;
/// Vendor: these have been switched off.
const RETIRED: std::ops::RangeInclusive<u32> = 7..=30;

/// Who asks.
pub struct Caller {
    pub user_id: String,
    pub zone: TimeZone,
    pub now: Timestamp,
}

/// One request to a resource, on its own or inside another.
#[derive(Clone)]
pub struct Ask {
    pub method: String,
    /// What follows `/services/data/vXX.X/`.
    pub steps: Vec<String>,
    pub query: Vec<(String, String)>,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Value,
    pub version: String,
    /// The size of pages that a hostile org serves at most.
    pub page_max: usize,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub headers: Vec<(&'static str, String)>,
}

pub type Answered = Result<Answer, ApiError>;

pub fn ok(body: Value) -> Answered {
    Ok(Answer { status: 200, body, headers: Vec::new() })
}

impl Ask {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn writer(&self, caller: &Caller) -> Writer {
        let auto_assign =
            !self.header("sforce-auto-assign").is_some_and(|value| value.eq_ignore_ascii_case("false"));
        Writer { user_id: caller.user_id.clone(), at: caller.now, late_seconds: 0, api: true, auto_assign }
    }
}

/// Whether an address names a version that answers.
pub fn version_of(step: &str) -> Result<(), ApiError> {
    let number =
        step.strip_prefix('v').and_then(|text| text.strip_suffix(".0")).and_then(|text| text.parse().ok());
    match number {
        Some(number) if VERSIONS.contains(&number) => Ok(()),
        Some(number) if RETIRED.contains(&number) => {
            Err(ApiError::new(410, "UNSUPPORTED_API_VERSION", "This API version is retired"))
        }
        _ => Err(ApiError::not_found()),
    }
}

/// `GET /services/data`: needs no session and costs nothing.
pub fn versions(_: &Salesforce, _: &Call) -> Response {
    let season = |number: u32| {
        let (name, year) = match (number + 1) % 3 {
            0 => ("Winter", (number + 1) / 3 + 4),
            1 => ("Spring", number / 3 + 4),
            _ => ("Summer", number / 3 + 4),
        };
        format!("{name} '{year}")
    };
    let list: Vec<Value> = VERSIONS
        .map(|number| json!({ "label": season(number), "url": format!("/services/data/v{number}.0"), "version": format!("{number}.0") }))
        .collect();
    json(200, &Value::Array(list))
}

/// Every resource below `/services/data/vXX.X`.
pub fn rest(vendor: &Salesforce, call: &Call) -> Response {
    vendor.signed_in(call, |org, caller| {
        match ask_of(vendor, call).and_then(|ask| dispatch(org, caller, &ask)) {
            Ok(answer) => respond(answer),
            Err(error) => error.response(),
        }
    })
}

fn respond(answer: Answer) -> Response {
    let mut response = match answer.status {
        204 | 304 | 412 => plain(code(answer.status), "application/json;charset=UTF-8", ""),
        status if answer.headers.iter().any(|(name, _)| *name == "content-type") => {
            plain(code(status), "text/csv", answer.body.as_str().unwrap_or("").to_owned())
        }
        status => json(status, &answer.body),
    };
    for (name, value) in &answer.headers {
        set_header(&mut response, name, value);
    }
    response
}

fn ask_of(vendor: &Salesforce, call: &Call) -> Result<Ask, ApiError> {
    // A table of records goes as it is to whoever reads it.
    let raw = call.header("content-type").is_some_and(|kind| kind.starts_with("text/csv"));
    let body = match call.body.is_empty() || raw {
        true if raw => Value::String(String::from_utf8_lossy(&call.body).into_owned()),
        true => Value::Null,
        false => serde_json::from_slice(&call.body).map_err(|error| {
            ApiError::new(
                400,
                "JSON_PARSER_ERROR",
                format!("Unexpected character at [line:1, column:{}]", error.column()),
            )
        })?,
    };
    let headers = call
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let method = call.param("_HttpMethod").filter(|_| call.method == "POST").unwrap_or(call.method.as_str());
    let mut steps = steps(&call.path);
    let version = if steps.is_empty() { String::new() } else { steps.remove(0) };
    version_of(&version)?;
    Ok(Ask {
        method: method.to_owned(),
        steps,
        query: call.query.clone(),
        headers: headers.collect(),
        body,
        version,
        page_max: vendor.page_max(call),
    })
}

/// Version and resource of an address, decoded.
pub fn steps(path: &str) -> Vec<String> {
    let rest = path.strip_prefix("/services/data").unwrap_or("");
    let decode = |step: &str| {
        let pair = format!("x={}", step.replace('+', "%2B"));
        url::form_urlencoded::parse(pair.as_bytes())
            .next()
            .map_or_else(String::new, |(_, value)| value.into_owned())
    };
    rest.split('/').filter(|step| !step.is_empty()).map(decode).collect()
}

pub fn dispatch(org: &mut Org, caller: &Caller, ask: &Ask) -> Answered {
    let steps: Vec<&str> = ask.steps.iter().map(String::as_str).collect();
    match (ask.method.as_str(), steps.as_slice()) {
        ("GET", []) => ok(resources(&ask.version)),
        ("GET", ["limits"]) => ok(org.limits(caller.now)),
        ("GET", ["query" | "queryAll"]) => query(org, caller, ask, steps[0] == "queryAll"),
        ("GET", ["query" | "queryAll", locator]) => paging::next(org, caller, ask, locator),
        ("GET", ["sobjects"]) => ok(describe::global(org, &ask.version)),
        ("GET", ["sobjects", name]) => describe::basic(org, name, &ask.version),
        ("GET", ["sobjects", name, "describe"]) => describe::whole(org, name, ask),
        ("GET", ["sobjects", name, "updated" | "deleted"]) => {
            replicated(org, caller, ask, name, steps[2] == "deleted")
        }
        ("POST", ["sobjects", name]) => create(org, caller, ask, name),
        ("GET", ["sobjects", name, id]) => read(org, caller, ask, name, id),
        ("PATCH", ["sobjects", name, id]) => update(org, caller, ask, name, id),
        ("DELETE", ["sobjects", name, id]) => delete(org, caller, ask, name, id),
        ("GET", ["sobjects", name, field, value]) => external::get(org, caller, ask, [name, field, value]),
        ("PATCH", ["sobjects", name, field, value]) => {
            external::upsert(org, caller, ask, [name, field, value])
        }
        ("DELETE", ["sobjects", name, field, value]) => {
            external::delete(org, caller, ask, [name, field, value])
        }
        ("GET", ["search"]) => search::sosl(org, caller, ask),
        ("GET" | "POST", ["parameterizedSearch"]) => search::parameterized(org, caller, ask),
        ("GET", ["recent"]) => external::recent(),
        (_, ["jobs", kind, rest @ ..]) => jobs::dispatch(org, caller, ask, kind, rest),
        ("POST", ["composite"]) => composite::series(org, caller, ask),
        ("POST", ["composite", "batch"]) => composite::batch(org, caller, ask),
        ("POST" | "PATCH" | "DELETE", ["composite", "sobjects"]) => composite::collection(org, caller, ask),
        ("POST" | "GET", ["composite", "sobjects", name]) => composite::retrieve(org, caller, ask, name),
        ("PATCH", ["composite", "sobjects", name, field]) => {
            composite::upserted(org, caller, ask, name, field)
        }
        (
            _,
            ["limits" | "composite"]
            | ["query" | "queryAll", ..]
            | ["sobjects"]
            | ["composite", "batch" | "sobjects"],
        )
        | (_, ["sobjects", _] | ["sobjects", _, _]) => {
            let message =
                format!("HTTP Method '{}' not allowed. Allowed are HEAD,GET,POST,PATCH,DELETE", ask.method);
            Err(ApiError::new(405, "METHOD_NOT_ALLOWED", message))
        }
        _ => Err(ApiError::not_found()),
    }
}

fn resources(version: &str) -> Value {
    let names = [
        "limits",
        "sobjects",
        "query",
        "queryAll",
        "composite",
        "search",
        "parameterizedSearch",
        "recent",
        "jobs",
    ];
    let pairs = names.map(|name| (name.to_owned(), json!(format!("/services/data/{version}/{name}"))));
    Value::Object(pairs.into_iter().collect())
}

pub fn view<'a>(org: &'a Org, caller: &Caller) -> View<'a> {
    View { org, now: caller.now, zone: caller.zone.clone() }
}

fn query(org: &mut Org, caller: &Caller, ask: &Ask, all: bool) -> Answered {
    let text =
        ask.param("q").ok_or_else(|| ApiError::malformed("SOQL statements cannot be empty or null"))?;
    let query = soql::parse(text)?;
    let found = view(org, caller).run(&query, all, &ask.version)?;
    if let Some(count) = found.count {
        return ok(json!({ "totalSize": count, "done": true, "records": [] }));
    }
    ok(paging::first(org, caller, ask, found.records))
}

/// An object that the API knows, with a record of it that the caller sees.
fn found<'a>(
    org: &'a Org,
    caller: &Caller,
    name: &str,
    id: &str,
) -> Result<(&'a Object, &'a Cells), ApiError> {
    let object = org.readable(name).ok_or_else(ApiError::not_found)?;
    let id = ids::long(id).ok_or_else(|| {
        ApiError::new(
            404,
            "NOT_FOUND",
            format!("Provided external ID field does not exist or is not accessible: {id}"),
        )
    })?;
    let row = object.slot(&id).and_then(|slot| object.row(slot)).ok_or_else(ApiError::not_found)?;
    let cells = row.visible(caller.now).ok_or_else(ApiError::not_found)?;
    match object.truth(cells, "IsDeleted") {
        true => Err(ApiError::new(404, "ENTITY_IS_DELETED", "entity is deleted")),
        false => Ok((object, cells)),
    }
}

pub fn read(org: &Org, caller: &Caller, ask: &Ask, name: &str, id: &str) -> Answered {
    let (object, cells) = found(org, caller, name, id)?;
    let fields: Vec<String> = match ask.param("fields") {
        Some(list) => list.split(',').map(|field| field.trim().to_owned()).collect(),
        None => object.fields.iter().map(|field| field.name.to_owned()).collect(),
    };
    let record = record(org, caller, object, cells, &fields, &ask.version)?;
    let changed_at = time::parse(object.text(cells, "LastModifiedDate"));
    let headers = changed_at.map(|at| ("last-modified", time::http_date(at))).into_iter().collect();
    let since = ask.header("if-modified-since").and_then(time::parse_http_date);
    if matches!((since, changed_at), (Some(since), Some(at)) if at <= since) {
        return Ok(Answer { status: 304, body: Value::Null, headers });
    }
    Ok(Answer { status: 200, body: record, headers })
}

/// A record with these fields, which may be paths.
pub fn record(
    org: &Org,
    caller: &Caller,
    object: &Object,
    cells: &Cells,
    fields: &[String],
    version: &str,
) -> Result<Value, ApiError> {
    let view = view(org, caller);
    let mut record = Map::new();
    let (name, id) = (object.shape.name, object.text(cells, "Id"));
    record.insert("attributes".to_owned(), run::attributes(name, name, id, version));
    for field in fields {
        let (path, known) = view.known(object, field)?;
        let shown = if path.len() == 1 { known.name.to_owned() } else { field.clone() };
        record.insert(shown, view.value(object, cells, &path));
    }
    Ok(Value::Object(record))
}

/// The fields of a body that writes one record.
pub fn given(body: &Value) -> Result<&Map<String, Value>, ApiError> {
    body.as_object().ok_or_else(|| {
        ApiError::new(400, "JSON_PARSER_ERROR", "The HTTP entity body is required, and must be an object")
    })
}

fn create(org: &mut Org, caller: &Caller, ask: &Ask, name: &str) -> Answered {
    let id = rules::create(org, name, given(&ask.body)?, &ask.writer(caller))?;
    let location = format!("/services/data/{}/sobjects/{name}/{id}", ask.version);
    let body = json!({ "id": id, "success": true, "errors": [] });
    Ok(Answer { status: 201, body, headers: vec![("location", location)] })
}

/// Vendor: the time of the last change is compared by the second (api-rest, conditional requests).
fn update(org: &mut Org, caller: &Caller, ask: &Ask, name: &str, id: &str) -> Answered {
    let (object, cells) = found(org, caller, name, id)?;
    let (id, changed_at) =
        (object.text(cells, "Id").to_owned(), time::parse(object.text(cells, "LastModifiedDate")));
    if let Some(text) = ask.header("if-unmodified-since") {
        let since = time::parse_http_date(text)
            .ok_or_else(|| ApiError::new(400, "INVALID_HEADER", "Invalid value of If-Unmodified-Since"))?;
        if changed_at.is_some_and(|at| at > since) {
            return Ok(Answer { status: 412, body: Value::Null, headers: Vec::new() });
        }
    }
    rules::update(org, name, &id, given(&ask.body)?, &ask.writer(caller))?;
    Ok(Answer { status: 204, body: Value::Null, headers: Vec::new() })
}

fn delete(org: &mut Org, caller: &Caller, ask: &Ask, name: &str, id: &str) -> Answered {
    let (object, cells) = found(org, caller, name, id)?;
    let id = object.text(cells, "Id").to_owned();
    rules::delete(org, &id, &ask.writer(caller), None)?;
    Ok(Answer { status: 204, body: Value::Null, headers: Vec::new() })
}

/// What was changed or deleted between two instants. Vendor: seconds are ignored, thirty days at most
/// (api-rest/guide/resources_getupdated, resources_getdeleted).
fn replicated(org: &Org, caller: &Caller, ask: &Ask, name: &str, deleted: bool) -> Answered {
    let object = org.readable(name).ok_or_else(ApiError::not_found)?;
    let wrong = |what: &str| ApiError::new(400, "INVALID_REPLICATION_DATE", what.to_owned());
    let instant = |key: &str| {
        let text = ask.param(key).ok_or_else(|| wrong("start and end are required"))?;
        let at: Timestamp = text.replace(' ', "+").parse().map_err(|_| wrong("not a dateTime"))?;
        Timestamp::from_second(at.as_second() / 60 * 60).map_err(|_| wrong("out of range"))
    };
    let (start, end) = (instant("start")?, instant("end")?);
    if end <= start {
        return Err(wrong("endDate before startDate"));
    }
    if caller.now.duration_since(start).as_hours() > 30 * 24 {
        return Err(wrong("startDate before org replication enabled date"));
    }
    let (from, to) = (time::stamp(start), time::stamp(end));
    let cells =
        object.stamped_from(&from).into_iter().filter_map(|slot| object.row(slot)?.visible(caller.now));
    let within = cells.filter(|cells| {
        object.truth(cells, "IsDeleted") == deleted
            && (from.as_str()..to.as_str()).contains(&object.text(cells, object.shape.stamp))
    });
    if deleted {
        let rows: Vec<Value> = within
            .map(|cells| json!({ "id": object.text(cells, "Id"), "deletedDate": object.text(cells, object.shape.stamp) }))
            .collect();
        return ok(json!({ "deletedRecords": rows, "earliestDateAvailable": from, "latestDateCovered": to }));
    }
    let ids: Vec<&str> = within.map(|cells| object.text(cells, "Id")).collect();
    ok(json!({ "ids": ids, "latestDateCovered": to }))
}

/// `POST /services/oauth2/token`.
pub fn token(vendor: &Salesforce, call: &Call) -> Response {
    let mut org = vendor.lock();
    let origin = call.origin();
    match org.accounts.grant(&call.form(), &call.headers, &origin, call.now) {
        Err((error, description)) => errors::oauth(error, description),
        Ok(username) => {
            let org_id = org.people.org_id.clone();
            let token = org.accounts.begin(&org_id, &username, call.now);
            let id = format!("{origin}/id/{org_id}/{}", org.user_id(&username));
            let issued_at = call.now.as_millisecond().to_string();
            let signature = org.accounts.signature(&id, &issued_at);
            json(
                200,
                &json!({
                    "access_token": token, "signature": signature, "scope": "api", "instance_url": origin,
                    "id": id, "token_type": "Bearer", "issued_at": issued_at,
                }),
            )
        }
    }
}

/// `POST /services/oauth2/revoke`.
pub fn revoke(vendor: &Salesforce, call: &Call) -> Response {
    let form = call.form();
    let token = form.iter().chain(&call.query).find(|(key, _)| key == "token").map_or("", |(_, token)| token);
    match vendor.lock().accounts.end(token) {
        true => plain(StatusCode::OK, "text/html", ""),
        false => errors::oauth("unsupported_token_type", "this token type is not supported"),
    }
}

/// `GET /services/oauth2/userinfo` and the identity address: who the token stands for.
pub fn userinfo(vendor: &Salesforce, call: &Call) -> Response {
    let mut org = vendor.lock();
    let Some(username) = org.accounts.caller(&call.headers, call.now) else {
        // Vendor: this endpoint answers 403 and plain text, where the API answers 401 and JSON.
        return plain(StatusCode::FORBIDDEN, "text/html", "Bad_OAuth_Token");
    };
    let (user, org_id) = (org.user_id(&username), org.people.org_id.clone());
    let field = |name: &str| org.store.text(&user, name);
    let origin = call.origin();
    let rest = format!("{origin}/services/data/v{{version}}/");
    let body = json!({
        "sub": format!("{origin}/id/{org_id}/{user}"), "id": format!("{origin}/id/{org_id}/{user}"),
        "user_id": user, "organization_id": org_id, "preferred_username": username, "username": username,
        "nickname": field("Alias"), "name": field("Name"), "display_name": field("Name"), "email": field("Email"),
        "email_verified": true, "user_type": "STANDARD", "zoneinfo": field("TimeZoneSidKey"),
        "timezone": field("TimeZoneSidKey"), "language": "en_US", "locale": "en_US", "active": true,
        "is_app_installed": true,
        "urls": {
            "rest": rest, "query": format!("{rest}query/"), "sobjects": format!("{rest}sobjects/"),
            "custom_domain": origin,
        },
    });
    let mut response = json(200, &body);
    response.extensions_mut().insert(crate::route::Account(username));
    response
}
