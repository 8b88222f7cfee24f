//! The control port: `/_sandbox/…` on a listener of its own, JSON in and out.
//! Knows the sandbox's parts; what a vendor must do is handed to it as a `Command`.

use crate::Inner;
use crate::faults::Order;
use crate::hooks::Knobs;
use crate::route::json;
use crate::vendor::{Command, Vendor};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

type Shared = State<Arc<Inner>>;
type Answer = Result<Response, Response>;

/// Bodies of orders; a world to load may be this large.
const BODY_MAX: usize = 512 * 1024 * 1024;

/// Every route of the control port, as FIDELITY.md lists them.
pub const ROUTES: &[&str] = &[
    "GET /_sandbox/clock",
    "POST /_sandbox/clock/wait",
    "POST /_sandbox/clock/advance",
    "POST /_sandbox/freeze",
    "POST /_sandbox/cases",
    "POST /_sandbox/cases/{vendor}/{id}/{verb}",
    "GET /_sandbox/faults",
    "POST /_sandbox/faults",
    "POST /_sandbox/faults/clear",
    "POST /_sandbox/webhooks",
    "POST /_sandbox/switches",
    "GET /_sandbox/journal",
    "GET /_sandbox/stats",
    "GET /_sandbox/endpoints",
    "GET /_sandbox/{vendor}/history",
    "POST /_sandbox/load",
];

pub fn router(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/_sandbox/clock", get(clock))
        .route("/_sandbox/clock/wait", post(wait))
        .route("/_sandbox/clock/advance", post(advance))
        .route("/_sandbox/freeze", post(freeze))
        .route("/_sandbox/cases", post(create))
        .route("/_sandbox/cases/{vendor}/{id}/{verb}", post(act))
        .route("/_sandbox/faults", get(faults).post(order))
        .route("/_sandbox/faults/clear", post(clear_faults))
        .route("/_sandbox/webhooks", post(webhooks))
        .route("/_sandbox/switches", post(switches))
        .route("/_sandbox/journal", get(journal))
        .route("/_sandbox/stats", get(stats))
        .route("/_sandbox/endpoints", get(endpoints))
        .route("/_sandbox/{vendor}/history", get(history))
        .route("/_sandbox/load", post(load))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_MAX))
        .with_state(inner)
}

fn refuse(status: u16, message: impl std::fmt::Display) -> Response {
    json(status, &json!({ "error": message.to_string() }))
}

/// Reads a JSON order; an empty body is an empty object.
fn parse<T: for<'de> Deserialize<'de>>(body: &Bytes) -> Result<T, Response> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text).map_err(|error| refuse(400, error))
}

fn shown(value: &impl serde::Serialize) -> Response {
    serde_json::to_value(value).map_or_else(|error| refuse(500, error), |value| json(200, &value))
}

async fn clock(State(inner): Shared) -> Response {
    json(200, &json!({ "now": inner.stage.clock.now() }))
}

#[derive(Deserialize)]
struct Wait {
    until: Option<Timestamp>,
}

async fn wait(State(inner): Shared, body: Bytes) -> Answer {
    let order: Wait = parse(&body)?;
    // On a task of its own: what is being delivered is delivered to its end, even if the asker is killed meanwhile.
    let step = tokio::spawn(async move { inner.stepper.wait(order.until).await });
    step.await.map(|step| shown(&step)).map_err(|error| refuse(500, error))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: i64,
}

async fn advance(State(inner): Shared, body: Bytes) -> Answer {
    let order: Advance = parse(&body)?;
    let by = SignedDuration::from_secs(order.seconds.max(0));
    let to = inner.stage.clock.now().checked_add(by).map_err(|error| refuse(400, error))?;
    Ok(shown(&inner.stepper.advance(to).await))
}

async fn freeze(State(inner): Shared) -> Response {
    inner.freeze().await;
    json(200, &json!({ "now": inner.stage.clock.now() }))
}

fn vendor_named(inner: &Inner, name: &str) -> Result<Arc<dyn Vendor>, Response> {
    inner.vendor(name).ok_or_else(|| refuse(404, format!("no vendor {name:?}")))
}

fn taken(object: &mut Map<String, Value>, key: &str) -> Option<String> {
    match object.remove(key)? {
        Value::String(text) => Some(text),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

async fn create(State(inner): Shared, body: Bytes) -> Answer {
    let mut order: Map<String, Value> = parse(&body)?;
    let vendor = taken(&mut order, "vendor").ok_or_else(|| refuse(400, "missing vendor"))?;
    let fields = match order.remove("fields") {
        Some(Value::Object(fields)) => fields,
        None => order,
        Some(_) => return Err(refuse(400, "fields must be an object")),
    };
    command(&inner, &vendor, Command::Create { fields })
}

async fn act(
    State(inner): Shared,
    Path((vendor, id, verb)): Path<(String, String, String)>,
    body: Bytes,
) -> Answer {
    let mut order: Map<String, Value> = parse(&body)?;
    let by = taken(&mut order, "by");
    let order = match verb.as_str() {
        "reply" => Command::Reply {
            id,
            from_customer: taken(&mut order, "from").is_none_or(|from| from == "customer"),
            public: order.get("public").and_then(Value::as_bool).unwrap_or(true),
            text: taken(&mut order, "text").ok_or_else(|| refuse(400, "missing text"))?,
            by,
        },
        "change" => match order.remove("fields") {
            Some(Value::Object(fields)) => Command::Change { id, fields, by },
            _ => return Err(refuse(400, "missing fields")),
        },
        "delete" => Command::Delete { id },
        _ => {
            let fields = match order.remove("fields") {
                Some(Value::Object(fields)) => fields,
                _ => order,
            };
            Command::Other { verb, id, fields }
        }
    };
    command(&inner, &vendor, order)
}

fn command(inner: &Inner, vendor: &str, order: Command) -> Answer {
    let vendor = vendor_named(inner, vendor)?;
    match vendor.command(&order, inner.stage.clock.now()) {
        Ok(value) => Ok(json(200, &value)),
        Err(message) => Err(refuse(400, message)),
    }
}

async fn faults(State(inner): Shared) -> Response {
    json(200, &json!({ "hostile": inner.stage.faults.hostile(), "orders": inner.stage.faults.orders() }))
}

/// One order or a list of them.
async fn order(State(inner): Shared, body: Bytes) -> Answer {
    let given: Value = parse(&body)?;
    let list = if given.is_array() { given } else { Value::Array(vec![given]) };
    let orders: Vec<Order> = serde_json::from_value(list).map_err(|error| refuse(400, error))?;
    for order in orders {
        if !inner.stage.faults.order(order) {
            return Err(refuse(400, "too many faults wait already"));
        }
    }
    Ok(faults(State(inner)).await)
}

async fn clear_faults(State(inner): Shared) -> Response {
    inner.stage.faults.clear_orders();
    faults(State(inner)).await
}

/// Changes the knobs given and leaves the others.
async fn webhooks(State(inner): Shared, body: Bytes) -> Answer {
    let given: Map<String, Value> = parse(&body)?;
    let mut knobs = serde_json::to_value(inner.stage.hooks.knobs()).unwrap_or_default();
    for (key, value) in given {
        knobs[key.as_str()] = value;
    }
    let knobs: Knobs = serde_json::from_value(knobs).map_err(|error| refuse(400, error))?;
    inner.stage.hooks.set_knobs(knobs.clone());
    Ok(shown(&knobs))
}

#[derive(Deserialize)]
struct Switches {
    vendor: Option<String>,
    hostile: Option<bool>,
    coalesce_seconds: Option<i64>,
    #[serde(default)]
    set: Map<String, Value>,
}

async fn switches(State(inner): Shared, body: Bytes) -> Answer {
    let order: Switches = parse(&body)?;
    if let Some(hostile) = order.hostile {
        inner.stage.faults.set_hostile(hostile);
    }
    if let Some(seconds) = order.coalesce_seconds {
        *crate::clock::lock(&inner.stepper.coalesce) = SignedDuration::from_secs(seconds.max(0));
    }
    if let Some(name) = &order.vendor {
        let vendor = vendor_named(&inner, name)?;
        for (switch, value) in &order.set {
            vendor.switch(switch, value).map_err(|message| refuse(400, message))?;
        }
    }
    Ok(json(200, &json!({})))
}

async fn journal(State(inner): Shared, Query(query): Query<HashMap<String, String>>) -> Response {
    let since = query.get("since").and_then(|text| text.parse().ok()).unwrap_or(0);
    shown(&inner.journal.since(since, query.get("vendor").map(String::as_str)))
}

async fn stats(State(inner): Shared) -> Response {
    let counts = serde_json::to_value(inner.journal.counts()).unwrap_or_default();
    let hooks = serde_json::to_value(inner.stage.hooks.counts()).unwrap_or_default();
    json(200, &json!({ "vendors": counts, "webhooks": hooks, "now": inner.stage.clock.now() }))
}

async fn endpoints(State(inner): Shared) -> Response {
    json(200, &inner.endpoints())
}

/// Streams a vendor's whole history; rows are read a thousand at a time, so a slow reader blocks nobody.
async fn history(State(inner): Shared, Path(vendor): Path<String>) -> Answer {
    let vendor = vendor_named(&inner, &vendor)?;
    let chunks = crate::export::chunks(vendor).map(Ok::<_, std::convert::Infallible>);
    let mut response = Response::new(Body::from_stream(futures::stream::iter(chunks)));
    *response.status_mut() = StatusCode::OK;
    crate::route::set_header(&mut response, "content-type", "application/json");
    Ok(response)
}

#[derive(Deserialize)]
struct Load {
    vendor: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    parts: Map<String, Value>,
}

/// A world from a file on this machine (`path`) or from the body (`parts`), in the shape of a history.
async fn load(State(inner): Shared, body: Bytes) -> Answer {
    let mut order: Load = parse(&body)?;
    let vendor = vendor_named(&inner, &order.vendor)?;
    if let Some(path) = &order.path {
        let text =
            std::fs::read(path).map_err(|error| refuse(400, format!("cannot read {path}: {error}")))?;
        order.parts = serde_json::from_slice(&text).map_err(|error| refuse(400, error))?;
    }
    vendor.load(&order.parts).map_err(|message| refuse(400, message))?;
    Ok(json(200, &json!({})))
}
