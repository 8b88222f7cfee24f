//! Questions to the instance: one list page, a list to its end, a list by ids.
//!
//! Must not know: what the rows mean.

use super::ServiceNow;
use super::paging::{self, Asked, Next, SERVED_MIN};
use super::query::{List, PATH_MAX};
use super::scan::PAGE_MIN;
use super::wire::{self, Listed, Problem};
use crate::trail::Trail;
use crate::{ConnectorError, Ctx, Lane, Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Pages of one list of children at most; what stands behind is left out and the history is called incomplete.
const PAGES_MAX: usize = 200;
/// A percent-encoded `sys_id` with the comma before it.
const ID_LENGTH: usize = 35;

/// Rows of children, and whether they are all there are.
#[derive(Debug)]
pub struct Children<T> {
    pub rows: Vec<T>,
    pub complete: bool,
}

/// What a keyset needs of a row.
#[derive(Deserialize)]
struct Identified {
    sys_id: wire::Cell,
}

impl ServiceNow {
    /// Reads, and says what stopped it in the words of a reading request.
    pub(super) async fn get(&self, cx: &Ctx<'_>, path: String, lane: Lane) -> Result<Response, Problem> {
        let request = Request::get(path, lane).header("accept", "application/json");
        cx.http
            .send(request)
            .await
            .map_err(|error| Problem::Failed(ConnectorError::of_transport(error, false)))
    }

    pub(super) async fn list(&self, cx: &Ctx<'_>, list: &List<'_>, lane: Lane) -> Result<Listed, Problem> {
        wire::listed(&self.get(cx, list.path(), lane).await?)
    }

    /// All rows that match the list's query, in the order of their ids, in as few pages as they fit in.
    pub(super) async fn to_the_end<T: DeserializeOwned>(
        &self,
        cx: &Ctx<'_>,
        whole: &List<'_>,
        lane: Lane,
    ) -> Result<Children<T>, ConnectorError> {
        let mut children = Children { rows: Vec::new(), complete: true };
        let (mut limit, mut after, mut hidden) = (whole.limit, String::new(), None);
        let mut trail = Trail::of_children();
        for _ in 0..PAGES_MAX {
            let small = limit.min(SERVED_MIN);
            let (limit_now, offset) = hidden.map_or((limit, 0), |offset| (small, offset));
            let asked = Asked { limit: limit_now, offset, counted: true };
            let query = format!("{}{after}^ORDERBYsys_id", whole.query);
            let list = List { query, limit: asked.limit, offset, counted: true, ..whole.clone() };
            let page = match self.list(cx, &list, lane).await {
                Err(Problem::Cut { .. }) if limit > 2 * PAGE_MIN => {
                    limit /= 2;
                    continue;
                }
                other => other.map_err(Problem::into_error)?,
            };
            children.take(&page);
            match paging::next(asked, page.rows.len(), page.total) {
                Next::Done => return Ok(children),
                Next::Behind { .. } => {
                    let last = page.rows.iter().rev().find_map(|raw| id_of(raw));
                    let moved = last.map(|id| format!("^sys_id>{id}"));
                    after = moved.ok_or_else(|| mismatch(whole.table))?;
                    trail.follow(whole.table, &after, page.rows.len())?;
                    hidden = None;
                }
                Next::Again { offset } => hidden = Some(offset),
                Next::Lost => break,
            }
        }
        children.complete = false;
        Ok(children)
    }

    /// Rows of children per page: there are several per case.
    pub(super) fn children_limit(&self) -> u32 {
        self.config.page_size.saturating_mul(4).min(10_000)
    }
}

impl<T: DeserializeOwned> Children<T> {
    fn take(&mut self, page: &Listed) {
        let before = self.rows.len();
        self.rows.extend(page.rows.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()));
        self.complete &= self.rows.len() - before == page.rows.len();
    }
}

fn id_of(raw: &RawValue) -> Option<String> {
    let row: Identified = serde_json::from_str(raw.get()).ok()?;
    super::query::is_sys_id(&row.sys_id.value).then_some(row.sys_id.value)
}

/// An answer with rows that were not asked for: the instance dropped a condition.
pub fn mismatch(table: &str) -> ConnectorError {
    ConnectorError::Unavailable {
        reason: format!("the answer from {table} does not match the question: a condition was ignored"),
    }
}

/// Splits ids so that each address stays within its bound. `rest`: length of everything but the ids.
pub fn by_address<'a>(ids: &'a [&'a str], rest: usize) -> impl Iterator<Item = &'a [&'a str]> {
    ids.chunks((PATH_MAX.saturating_sub(rest) / ID_LENGTH).max(1))
}
