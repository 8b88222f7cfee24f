//! The APIs beside the Table API: batch, shortened URLs, OAuth tokens.
//! Knows their envelopes; the work inside a batch is done by the same handlers as outside.
// Vendor: api-reference/rest-apis/batch-api.

use super::{ROUTES, ServiceNow, errors};
use crate::dice;
use crate::route::{Account, Call, json};
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::FutureExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Items of one batch that are serviced; the rest is listed as not serviced.
const BATCH_MAX: usize = 100;
/// Shortened URLs kept.
const TINY_MAX: usize = 1_000;

/// POST /oauth_token.do
pub fn token(vendor: &ServiceNow, call: &Call) -> Response {
    let form =
        call.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if !form {
        return errors::oauth_denied();
    }
    let mut fields = call.form();
    // A client may name itself in the header instead, as OAuth libraries do (RFC 6749, 2.3.1).
    if let Some((id, secret)) = crate::route::basic(&call.headers) {
        fields.extend([("client_id".to_owned(), id), ("client_secret".to_owned(), secret)]);
    }
    let granted = vendor.lock().accounts.grant(&fields, call.now.as_second());
    granted.map_or_else(errors::oauth_denied, |fields| json(200, &fields))
}

/// POST /api/now/tinyurl
pub fn tiny(vendor: &ServiceNow, call: &Call) -> Response {
    vendor.signed_in(call, |instance, _| {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let Some(url) = body.get("url").and_then(Value::as_str) else {
            return errors::envelope(400, "Exception while reading request", Some("url is missing"));
        };
        let id = dice::hex_id(vendor.stage.seed, &[b"tiny", url.as_bytes()]);
        if instance.tiny.len() >= TINY_MAX {
            instance.tiny.pop_first();
        }
        instance.tiny.insert(id.clone(), url.to_owned());
        let path = url.split('?').next().unwrap_or(url);
        json(201, &json!({ "result": format!("{path}?sysparm_tiny={id}") }))
    })
}

/// POST /api/now/v1/batch
pub fn batch(vendor: &ServiceNow, call: &Call) -> Response {
    let Some(user_name) = vendor.lock().accounts.caller(&call.headers, call.now) else {
        return errors::unauthenticated();
    };
    let Ok(order) = serde_json::from_slice::<Value>(&call.body) else {
        return errors::envelope(
            400,
            "Exception while reading request",
            Some("The payload is not valid JSON"),
        );
    };
    let id = match &order["batch_request_id"] {
        Value::String(id) => id.clone(),
        other => other.to_string(),
    };
    let items = order["rest_requests"].as_array().cloned().unwrap_or_default();
    let serviced: Vec<Value> = items.iter().take(BATCH_MAX).map(|item| service(vendor, call, item)).collect();
    let rest: Vec<Value> = items.iter().skip(BATCH_MAX).map(|item| item["id"].clone()).collect();
    let answer =
        json!({ "batch_request_id": id, "serviced_requests": serviced, "unserviced_requests": rest });
    let mut response = json(200, &answer);
    response.extensions_mut().insert(Account(user_name));
    response
}

fn service(vendor: &ServiceNow, outer: &Call, item: &Value) -> Value {
    let id = match &item["id"] {
        Value::String(id) => id.clone(),
        other => other.to_string(),
    };
    let mut response = inner_call(outer, item).map_or_else(
        || errors::envelope(400, "Exception while reading request", Some("malformed item")),
        |call| dispatch(vendor, &call),
    );
    let status = response.status();
    let body = std::mem::take(response.body_mut());
    let bytes =
        axum::body::to_bytes(body, usize::MAX).now_or_never().and_then(Result::ok).unwrap_or_default();
    let headers: Vec<Value> = response
        .headers()
        .iter()
        .map(|(name, value)| json!({ "name": name.as_str(), "value": value.to_str().unwrap_or("") }))
        .collect();
    let bare = item["exclude_response_headers"].as_bool().unwrap_or(false);
    json!({
        "id": id,
        "status_code": status.as_u16(),
        "status_text": status.canonical_reason().unwrap_or(""),
        "headers": if bare { Vec::new() } else { headers },
        "body": BASE64_STANDARD.encode(&bytes),
        "execution_time": 1,
    })
}

/// An item as a call of its own, with the caller's credentials.
fn inner_call(outer: &Call, item: &Value) -> Option<Call> {
    let url = item["url"].as_str()?;
    let (path, raw_query) = url.split_once('?').unwrap_or((url, ""));
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let mut headers = HeaderMap::new();
    for header in item["headers"].as_array().into_iter().flatten() {
        let name = HeaderName::from_bytes(header["name"].as_str()?.as_bytes()).ok()?;
        headers.insert(name, HeaderValue::from_str(header["value"].as_str()?).ok()?);
    }
    for name in ["authorization", "host"] {
        if let Some(value) = outer.headers.get(name) {
            headers.insert(name, value.clone());
        }
    }
    let body = match item["body"].as_str() {
        Some(encoded) => BASE64_STANDARD.decode(encoded).ok()?,
        None => Vec::new(),
    };
    Some(Call {
        method: Method::from_bytes(item["method"].as_str().unwrap_or("GET").as_bytes()).ok()?,
        query: url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect(),
        raw_query: raw_query.to_owned(),
        path,
        captures: BTreeMap::new(),
        headers,
        body: Bytes::from(body),
        now: outer.now,
    })
}

/// The route table once more, for calls that come inside a batch.
fn dispatch(vendor: &ServiceNow, call: &Call) -> Response {
    for route in ROUTES {
        if route.method != call.method.as_str() || route.path.ends_with("/batch") {
            continue;
        }
        if let Some(captures) = captures(route.path, &call.path) {
            return (route.answer)(vendor, &Call { captures, ..call.clone() });
        }
    }
    errors::no_resource(&call.path)
}

pub fn captures(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut found = BTreeMap::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(found),
            (Some(wanted), Some(given)) => {
                match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    Some(name) => {
                        found.insert(name.to_owned(), given.to_owned());
                    }
                    None if wanted == given => {}
                    None => return None,
                }
            }
            _ => return None,
        }
    }
}
