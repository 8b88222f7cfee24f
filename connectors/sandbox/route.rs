//! A vendor's routes as a table of plain functions: from a received call to an answer, no waiting.
//! Knows HTTP; knows no vendor. The table is what the fidelity test reads.

use crate::clock::Clock;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bodies above this are refused with 413.
pub const BODY_MAX: usize = 32 * 1024 * 1024;

/// Name and secret of a Basic `Authorization` header.
pub fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get("authorization")?.to_str().ok()?;
    let encoded = header.strip_prefix("Basic ").or_else(|| header.strip_prefix("basic "))?;
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    text.split_once(':').map(|(name, secret)| (name.to_owned(), secret.to_owned()))
}

/// One request, read to the end.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    /// The path without the query.
    pub path: String,
    /// The query string as received, still encoded.
    pub raw_query: String,
    /// Query parameters in order, decoded.
    pub query: Vec<(String, String)>,
    /// Path captures, `{id}` of the route's pattern.
    pub captures: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub now: Timestamp,
}

impl Call {
    /// The first value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn capture(&self, name: &str) -> &str {
        self.captures.get(name).map_or("", String::as_str)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `http://host:port` as the client used it, so that links in answers lead back here. A TLS front before the sandbox
    /// says so in `X-Forwarded-Proto`.
    pub fn origin(&self) -> String {
        let scheme = self.header("x-forwarded-proto").filter(|scheme| *scheme == "https").unwrap_or("http");
        format!("{scheme}://{}", self.header("host").unwrap_or("127.0.0.1"))
    }

    /// Form fields of an `application/x-www-form-urlencoded` body.
    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// A row of a vendor's route table. `path` is an axum pattern: `/api/{table}/{id}`.
pub struct Route<V: 'static> {
    pub method: &'static str,
    pub path: &'static str,
    pub answer: fn(&V, &Call) -> Response,
}

/// Who the vendor took the caller for; put into the answer's extensions for the journal.
#[derive(Clone, Debug)]
pub struct Account(pub String);

/// The routes as the fidelity page writes them: `GET /api/{table}`.
pub fn names<V>(routes: &[Route<V>]) -> Vec<String> {
    routes.iter().map(|route| format!("{} {}", route.method, route.path)).collect()
}

/// An axum router over the table; what no row matches goes to `otherwise`.
pub fn router<V: Send + Sync + 'static>(
    vendor: &Arc<V>,
    clock: &Arc<Clock>,
    routes: &'static [Route<V>],
    otherwise: fn(&V, &Call) -> Response,
) -> Router {
    let mut router = Router::new();
    for route in routes {
        let filter = Method::from_bytes(route.method.as_bytes())
            .ok()
            .and_then(|method| MethodFilter::try_from(method).ok())
            .expect("a route table names HTTP methods");
        router = router.route(route.path, on(filter, handler(vendor, clock, route.answer)));
    }
    let refuse = handler(vendor, clock, otherwise);
    router.method_not_allowed_fallback(refuse.clone()).fallback(refuse)
}

type Answering = std::pin::Pin<Box<dyn Future<Output = Response> + Send>>;

fn handler<V: Send + Sync + 'static>(
    vendor: &Arc<V>,
    clock: &Arc<Clock>,
    answer: fn(&V, &Call) -> Response,
) -> impl Fn(Request) -> Answering + Clone + Send + Sync + 'static {
    let (vendor, clock) = (vendor.clone(), clock.clone());
    move |request| {
        let (vendor, clock) = (vendor.clone(), clock.clone());
        Box::pin(async move {
            match read(request, clock.now()).await {
                Ok(call) => answer(&vendor, &call),
                Err(refusal) => refusal,
            }
        })
    }
}

async fn read(request: Request, now: Timestamp) -> Result<Call, Response> {
    let (mut parts, body) = request.into_parts();
    // A fallback has no captures, which is no error.
    let captures = RawPathParams::from_request_parts(&mut parts, &()).await.map_or_else(
        |_| BTreeMap::new(),
        |params| params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    );
    let too_large = || plain(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "body too large");
    let body = axum::body::to_bytes(body, BODY_MAX).await.map_err(|_| too_large())?;
    let raw_query = parts.uri.query().unwrap_or("").to_owned();
    let query = url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect();
    let path = parts.uri.path().to_owned();
    Ok(Call { method: parts.method, path, raw_query, query, captures, headers: parts.headers, body, now })
}

/// A JSON answer.
pub fn json(status: u16, value: &Value) -> Response {
    plain(code(status), "application/json;charset=UTF-8", value.to_string())
}

/// An answer of any type.
pub fn plain(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Sets a header; a value that cannot stand in one is left out.
pub fn set_header(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

pub fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
