//! ServiceNow's error envelopes, and faults dressed the way an instance shows them.
//! Knows shapes only; when an error happens is decided elsewhere.
// Vendor: api-reference/rest-apis/c_TableAPI, inbound-REST-API-rate-limiting.

use crate::faults::Fault;
use crate::route::{json, plain, set_header};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

pub fn envelope(status: u16, message: &str, detail: Option<&str>) -> Response {
    json(status, &json!({ "error": { "message": message, "detail": detail }, "status": "failure" }))
}

pub fn unauthenticated() -> Response {
    let mut response = envelope(401, "User Not Authenticated", Some("Required to provide Auth information"));
    set_header(&mut response, "www-authenticate", "BASIC realm=\"Service-now\"");
    response
}

pub fn no_record() -> Response {
    let detail = "Record doesn't exist or ACL restricts the record retrieval";
    envelope(404, "No Record found", Some(detail))
}

pub fn invalid_table(name: &str) -> Response {
    envelope(400, &format!("Invalid table {name}"), None)
}

pub fn no_resource(path: &str) -> Response {
    envelope(400, "Requested URI does not represent any resource", Some(path))
}

/// OAuth's own shape, the same for every cause.
pub fn oauth_denied() -> Response {
    json(401, &json!({ "error_description": "access_denied", "error": "server_error" }))
}

pub fn fault(fault: &Fault, acted: Option<(u16, &[u8])>, now: Timestamp) -> Response {
    match fault {
        Fault::Throttled { retry_after } => throttled(*retry_after, now),
        Fault::ThrottledBare => plain(StatusCode::TOO_MANY_REQUESTS, "text/html", ""),
        Fault::Hibernating => plain(
            StatusCode::OK,
            "text/html",
            "<html><head><title>Instance Hibernating page</title></head><body>Your instance is hibernating. Sign in to the developer site to wake it.</body></html>",
        ),
        Fault::Expired => unauthenticated(),
        Fault::Truncated => cut_short(acted),
        _ => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/html",
            "<html><body><h1>Service Unavailable</h1>The instance is under maintenance.</body></html>",
        ),
    }
}

/// A rate-limit rule's answer; the reset is told on the sandbox's clock.
pub fn throttled(retry_after: u64, now: Timestamp) -> Response {
    let detail = "Rate limit of 100 requests per hour for Table API exceeded";
    let mut response = envelope(429, "Rate limit exceeded", Some(detail));
    set_header(&mut response, "retry-after", &retry_after.to_string());
    set_header(&mut response, "x-ratelimit-limit", "100");
    set_header(
        &mut response,
        "x-ratelimit-reset",
        &(now.as_second() + retry_after.cast_signed()).to_string(),
    );
    set_header(&mut response, "x-ratelimit-rule", "aa11bb22cc33dd44ee55ff6600778899");
    response
}

/// The quota ran out in the middle: status 200 was sent already, some rows, then the error.
fn cut_short(acted: Option<(u16, &[u8])>) -> Response {
    let whole: Option<Value> = acted.and_then(|(_, body)| serde_json::from_slice(body).ok());
    let rows = match whole.as_ref().and_then(|value| value.get("result")) {
        Some(Value::Array(rows)) => rows[..rows.len() / 2].to_vec(),
        _ => Vec::new(),
    };
    let detail = "maximum execution time exceeded Check logs for error trace or enable glide.rest.debug property to verify REST request processing";
    let error =
        json!({ "message": "Transaction cancelled: maximum execution time exceeded", "detail": detail });
    json(200, &json!({ "result": rows, "error": error, "status": "failure" }))
}
