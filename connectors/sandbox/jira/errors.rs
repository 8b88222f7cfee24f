//! Refusals and faults in Jira's own shapes.

use crate::faults::Fault;
use crate::route::{json as answer, plain, set_header};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// What a refusal says, for an answer that tells of several.
#[derive(Clone)]
pub struct Told(pub Value);

/// A refusal that can stand alone or among others.
pub fn refusal(status: u16, told: Value) -> Response {
    let mut response = answer(status, &told);
    response.extensions_mut().insert(Told(told));
    response
}

/// `errorMessages`, the common envelope.
pub fn messages(status: u16, text: &str) -> Response {
    refusal(status, json!({ "errorMessages": [text], "errors": {} }))
}

/// `errors` by field.
pub fn field(name: &str, text: &str) -> Response {
    let mut errors = Map::new();
    errors.insert(name.to_owned(), json!(text));
    refusal(400, json!({ "errorMessages": [], "errors": errors }))
}

pub fn no_issue() -> Response {
    messages(404, "Issue does not exist or you do not have permission to see it.")
}

/// A body that is no JSON, of the wrong type, or with a property that the schema does not know.
pub fn payload() -> Response {
    let text = "Invalid request payload. Refer to the REST API documentation and try again.";
    answer(400, &json!({ "errorMessages": [text] }))
}

pub fn unauthenticated() -> Response {
    let text = "Client must be authenticated to access this resource.";
    let mut response = answer(401, &json!({ "message": text, "status-code": 401 }));
    set_header(&mut response, "www-authenticate", "OAuth realm=\"sandbox\"");
    response
}

pub fn forbidden() -> Response {
    messages(403, "You do not have permission to perform this operation.")
}

/// A path that the vendor does not have.
pub fn no_endpoint(method: &str, path: &str) -> Response {
    let shown = path.trim_start_matches('/');
    let problem = json!({
        "type": "about:blank", "title": "Not Found", "status": 404,
        "detail": format!("No endpoint {method} /{shown}."), "instance": path,
    });
    plain(StatusCode::NOT_FOUND, "application/problem+json", problem.to_string())
}

/// An unknown site at the gateway.
pub fn no_site(path: &str, now: Timestamp) -> Response {
    let body = json!({
        "timestamp": now.to_string(), "status": 404, "error": "Not Found",
        "message": "No message available", "path": path,
    });
    answer(404, &body)
}

/// A token that does not belong at the gateway.
pub fn scope_mismatch() -> Response {
    answer(401, &json!({ "code": 401, "message": "Unauthorized; scope does not match" }))
}

/// 429 as the vendor says it, with the limit that was hit.
pub fn throttled(reason: &str, wait_seconds: u64, now: Timestamp) -> Response {
    let mut response = messages(429, "Rate limit exceeded");
    let wait = SignedDuration::from_secs(i64::try_from(wait_seconds).unwrap_or(60));
    let reset = now.saturating_add(wait).unwrap_or(now);
    let reset = Timestamp::from_second(reset.as_second()).unwrap_or(reset);
    for (name, value) in [
        ("retry-after", wait_seconds.to_string()),
        ("x-ratelimit-limit", "350".to_owned()),
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", reset.to_string()),
        ("ratelimit-reason", reason.to_owned()),
    ] {
        set_header(&mut response, name, &value);
    }
    response
}

/// How a fault looks here.
pub fn fault(fault: &Fault, acted: Option<(u16, &[u8])>, now: Timestamp) -> Response {
    match fault {
        Fault::Throttled { retry_after } => throttled("jira-burst-based", *retry_after, now),
        Fault::ThrottledBare => messages(429, "Rate limit exceeded"),
        Fault::Hibernating => plain(
            StatusCode::OK,
            "text/html;charset=UTF-8",
            "<!DOCTYPE html><html><head><title>Your site is being migrated</title></head><body></body></html>",
        ),
        Fault::Truncated => {
            let (status, body) = acted.unwrap_or((200, b"{}"));
            let half = body.get(..body.len() / 2).unwrap_or_default().to_vec();
            plain(crate::route::code(status), "application/json;charset=UTF-8", half)
        }
        Fault::Expired => unauthenticated(),
        _ => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/html;charset=UTF-8",
            "<html><head><title>Temporarily unavailable</title></head><body>Atlassian is unavailable.</body></html>",
        ),
    }
}

/// A value in the envelope of an answer that succeeded.
pub fn ok(value: &Value) -> Response {
    answer(200, value)
}

/// Success without a body.
pub fn nothing() -> Response {
    plain(StatusCode::NO_CONTENT, "application/json;charset=UTF-8", "")
}
