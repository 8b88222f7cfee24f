//! Salesforce's error shapes, and faults dressed the way an org shows them.
//! Knows shapes only; when an error happens is decided elsewhere.
// Vendor: api-rest/guide/errorcodes.

use crate::faults::Fault;
use crate::route::{json, plain};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

/// A throttle announced for at least this long is the daily limit, a shorter one the limit on requests at once.
const DAILY_SECONDS: u64 = 600;

/// What went wrong, before it is known in which envelope it goes out.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    /// Present for errors of a write.
    pub fields: Option<Vec<String>>,
}

impl ApiError {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { status, code, message: message.into(), fields: None }
    }

    pub fn of_fields(code: &'static str, message: impl Into<String>, fields: &[&str]) -> ApiError {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        ApiError { status: 400, code, message: message.into(), fields: Some(fields) }
    }

    pub fn not_found() -> ApiError {
        ApiError::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub fn malformed(message: impl Into<String>) -> ApiError {
        ApiError::new(400, "MALFORMED_QUERY", message)
    }

    /// As REST tells it: one element of the error array.
    pub fn to_value(&self) -> Value {
        match &self.fields {
            Some(fields) => json!({ "message": self.message, "errorCode": self.code, "fields": fields }),
            None => json!({ "message": self.message, "errorCode": self.code }),
        }
    }

    /// As collections tell it, where the key is another one.
    pub fn to_status_value(&self) -> Value {
        let fields = self.fields.clone().unwrap_or_default();
        json!({ "statusCode": self.code, "message": self.message, "fields": fields })
    }

    pub fn response(&self) -> Response {
        json(self.status, &json!([self.to_value()]))
    }
}

pub fn session_expired() -> ApiError {
    ApiError::new(401, "INVALID_SESSION_ID", "Session expired or invalid")
}

pub fn daily_limit() -> ApiError {
    ApiError::new(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
}

pub fn concurrent_limit() -> ApiError {
    ApiError::new(
        403,
        "REQUEST_LIMIT_EXCEEDED",
        "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
    )
}

/// OAuth's own shape.
pub fn oauth(error: &str, description: &str) -> Response {
    json(400, &json!({ "error": error, "error_description": description }))
}

/// Vendor: a page made for people, with no sign of JSON.
pub fn maintenance() -> Response {
    plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "text/html",
        "<html><body><h1>Down for maintenance</h1>Sorry to interrupt. This page has an error.</body></html>",
    )
}

pub fn fault(fault: &Fault, acted: Option<(u16, &[u8])>) -> Response {
    match fault {
        Fault::Throttled { retry_after } if *retry_after >= DAILY_SECONDS => daily_limit().response(),
        Fault::Throttled { .. } | Fault::ThrottledBare => concurrent_limit().response(),
        Fault::Expired => session_expired().response(),
        Fault::Hibernating => plain(
            StatusCode::OK,
            "text/html",
            "<html><head><title>Login | Salesforce</title></head><body>To access this page, log in.</body></html>",
        ),
        Fault::Truncated => {
            let body = acted.map_or(&b""[..], |(_, body)| &body[..body.len() / 2]);
            plain(StatusCode::OK, "application/json;charset=UTF-8", body.to_vec())
        }
        _ => maintenance(),
    }
}

/// A fault at an address where neither the session nor the API limit counts.
pub fn fault_outside(fault: &Fault, acted: Option<(u16, &[u8])>) -> Response {
    match fault {
        Fault::Truncated | Fault::Hibernating => self::fault(fault, acted),
        _ => maintenance(),
    }
}
