//! Answers in Zendesk's four incompatible shapes of error, and the plain successful one.
//! Knows statuses and words; knows no tables.

use crate::route;
use axum::response::Response;
use serde_json::{Value, json};

/// An answer before it is dressed with the headers that every answer has.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
    pub headers: Vec<(&'static str, String)>,
}

/// A success, or a refusal of the same shape.
pub type Answer = Result<Reply, Reply>;

impl Reply {
    pub fn new(status: u16, body: Value) -> Reply {
        Reply { status, body, headers: Vec::new() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    pub fn into_response(self) -> Response {
        let mut response = if self.status == 204 {
            route::plain(route::code(204), "application/json; charset=utf-8", "")
        } else {
            route::plain(route::code(self.status), "application/json; charset=utf-8", self.body.to_string())
        };
        for (name, value) in &self.headers {
            route::set_header(&mut response, name, value);
        }
        response
    }
}

pub fn ok(body: Value) -> Answer {
    Ok(Reply::new(200, body))
}

/// The short shape: a code and a sentence.
pub fn refused(status: u16, error: &str, description: impl Into<String>) -> Reply {
    Reply::new(status, json!({ "error": error, "description": description.into() }))
}

pub fn unauthenticated() -> Reply {
    Reply::new(401, json!({ "error": "Couldn't authenticate you" }))
        .with("www-authenticate", "Basic realm=\"Web Password\"")
}

/// A token that is not or no longer good.
pub fn invalid_token() -> Reply {
    let text = "The access token provided is expired, revoked, malformed or invalid for other reasons.";
    Reply::new(401, json!({ "error": "invalid_token", "error_description": text }))
}

pub fn forbidden() -> Reply {
    let text = "You do not have access to this page. Please contact the account owner of this help desk for further help.";
    Reply::new(403, json!({ "error": { "title": "Forbidden", "message": text } }))
}

pub fn no_record() -> Reply {
    refused(404, "RecordNotFound", "Not found")
}

pub fn no_endpoint() -> Reply {
    refused(404, "InvalidEndpoint", "Not found")
}

/// The list shape.
pub fn listed(status: u16, code: &str, title: &str, detail: &str) -> Reply {
    Reply::new(status, json!({ "errors": [{ "code": code, "title": title, "detail": detail }] }))
}

/// The shape with details per field.
pub fn invalid(field: &str, description: &str) -> Reply {
    let details = json!({ field: [{ "description": description, "error": "InvalidValue" }] });
    Reply::new(
        422,
        json!({ "error": "RecordInvalid", "description": "Record validation errors", "details": details }),
    )
}

pub fn too_many_values() -> Reply {
    let text = "Parameter  cannot specify more than 100 values";
    Reply::new(400, json!({ "error": "TooManyValues", "description": text, "max_count": 100 }))
}

pub fn limited(description: &str, seconds: i64) -> Reply {
    refused(429, "APIRateLimitExceeded", description).with("retry-after", seconds.to_string())
}

pub fn bad_parameter(name: &str, text: &str) -> Reply {
    Reply::new(
        400,
        json!({ "error": { "title": "Invalid attribute", "message": format!("Invalid parameter: {name} {text}") } }),
    )
}
