//! The address for tokens with scopes: `/ex/jira/{cloudId}` before every path of the site.

use super::{CLOUD_ID, errors};
use crate::clock::Clock;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use std::sync::Arc;
use tower::ServiceExt;

/// Set on requests that came through the gateway; never taken from a client.
const HEADER: &str = "x-sandbox-through-gateway";
const PREFIX: &str = "/ex/jira/";

pub fn is_through(headers: &HeaderMap) -> bool {
    headers.contains_key(HEADER)
}

/// What stands before the paths of links.
pub fn prefix(headers: &HeaderMap) -> String {
    if is_through(headers) { format!("{PREFIX}{CLOUD_ID}") } else { String::new() }
}

/// The site's router, at the site's own paths and behind the gateway's.
pub fn around(site: Router, clock: Arc<Clock>) -> Router {
    Router::new().fallback(move |request: Request| {
        let (site, clock) = (site.clone(), clock.clone());
        async move { pass(site, &clock, request).await }
    })
}

async fn pass(site: Router, clock: &Clock, mut request: Request) -> Response {
    request.headers_mut().remove(HEADER);
    let path = request.uri().path().to_owned();
    if let Some(rest) = path.strip_prefix(PREFIX) {
        let (id, inner) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let inner: Option<Uri> = format!("{inner}{query}").parse().ok();
        let Some(inner) = inner.filter(|_| id == CLOUD_ID) else {
            return errors::no_site(&path, clock.now());
        };
        *request.uri_mut() = inner;
        request.headers_mut().insert(HEADER, HeaderValue::from_static("1"));
        if request.headers().get("authorization").is_none() {
            return errors::scope_mismatch();
        }
    }
    match site.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
