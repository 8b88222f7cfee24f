//! Questions to the org: several in one request, and pages to their end.
//!
//! Must not know: what the rows mean.

use super::Salesforce;
use super::soql;
use super::wire::{self, Found, Part};
use crate::trail::Trail;
use crate::{ConnectorError, Ctx, Lane, Method, Request, Response};
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Pages behind the first of one question at most; what stands behind is left out and the history called incomplete.
const PAGES_MAX: usize = 200;
/// Vendor: rows per page, 200 to 2,000; the org may serve fewer (headers_queryoptions).
const BATCH_SIZE: u32 = 2_000;

/// One question of a composite request: its reference, `query` or `queryAll`, and the text.
pub struct Question {
    pub reference: &'static str,
    pub resource: &'static str,
    pub text: String,
}

/// Rows of a question, and whether they are all there are.
pub struct Rows {
    pub rows: Vec<Value>,
    /// Those that cannot be read.
    pub broken: Vec<Box<RawValue>>,
    /// Why the end was not reached. `Ok(false)`: there are more than we read.
    pub end: Result<bool, ConnectorError>,
}

impl Salesforce {
    pub(super) async fn send(
        &self,
        cx: &Ctx<'_>,
        request: Request,
        writing: bool,
    ) -> Result<Response, ConnectorError> {
        let request = request.header("accept", "application/json");
        cx.http.send(request).await.map_err(|error| ConnectorError::of_transport(error, writing))
    }

    pub(super) async fn get(
        &self,
        cx: &Ctx<'_>,
        path: String,
        lane: Lane,
    ) -> Result<Response, ConnectorError> {
        self.send(cx, Request::get(path, lane), false).await
    }

    /// The path of a resource in the configured version.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/services/data/{}/{rest}", self.config.api_version)
    }

    /// Asks up to five questions in one request, which costs one call; the org's time comes with the answers.
    pub(super) async fn ask(
        &self,
        cx: &Ctx<'_>,
        questions: &[Question],
        lane: Lane,
    ) -> Result<(Vec<Part>, Timestamp), ConnectorError> {
        let parts: Vec<Value> = questions
            .iter()
            .map(|question| {
                json!({
                    "method": "GET",
                    "url": soql::path(&self.config.api_version, question.resource, &question.text),
                    "referenceId": question.reference,
                    "httpHeaders": { "Sforce-Query-Options": format!("batchSize={BATCH_SIZE}") },
                })
            })
            .collect();
        let body = json!({ "allOrNone": false, "compositeRequest": parts }).to_string();
        let request = Request::json(Method::Post, self.path("composite"), body, lane);
        let response = self.send(cx, request, false).await?;
        let references: Vec<&str> = questions.iter().map(|question| question.reference).collect();
        let parts = wire::parts(&response, &references)?;
        let now = response
            .date()
            .ok_or_else(|| wire::unavailable("the answer tells no time (no Date)".to_owned()))?;
        Ok((parts, now))
    }

    /// The rows of a page and of all that follow it.
    pub(super) async fn to_the_end(&self, cx: &Ctx<'_>, first: Found, lane: Lane) -> Rows {
        let mut read = Rows { rows: Vec::new(), broken: Vec::new(), end: Ok(false) };
        let (mut page, mut trail) = (first, Trail::of_children());
        for _ in 0..PAGES_MAX {
            let rows = page.records.len();
            for raw in page.records {
                match serde_json::from_str(raw.get()) {
                    Ok(row) => read.rows.push(row),
                    Err(_) => read.broken.push(raw),
                }
            }
            let Some(next) = page.next.filter(|_| !page.done) else {
                return Rows { end: Ok(true), ..read };
            };
            let behind = match trail.follow("query result", &next, rows) {
                Ok(()) => self.page(cx, &next, lane).await,
                Err(error) => Err(error),
            };
            page = match behind {
                Ok(page) => page,
                Err(error) => return Rows { end: Err(error), ..read },
            };
        }
        read
    }

    async fn page(&self, cx: &Ctx<'_>, next: &str, lane: Lane) -> Result<Found, ConnectorError> {
        let response = self.get(cx, wire::next_path(next)?, lane).await?;
        wire::read(&response)
    }

    /// The rows of one question on its own, to the end.
    pub(super) async fn all(&self, cx: &Ctx<'_>, text: &str, lane: Lane) -> Result<Rows, ConnectorError> {
        let path = soql::path(&self.config.api_version, "query", text);
        let response = self.get(cx, path, lane).await?;
        let first: Found = wire::read(&response)?;
        Ok(self.to_the_end(cx, first, lane).await)
    }
}
