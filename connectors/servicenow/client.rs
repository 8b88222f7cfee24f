//! Questions to the instance: one list page, a list to its end, a list by ids.
//!
//! Must not know: what the rows mean.

use super::ServiceNow;
use super::paging::{self, Asked, Next};
use super::query::{List, PATH_MAX};
use super::wire::{self, Listed, Problem};
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

    /// All rows that match `filter`, in the order of their ids, in as few pages as they fit in.
    pub(super) async fn to_the_end<T: DeserializeOwned>(
        &self,
        cx: &Ctx<'_>,
        table: &'static str,
        filter: &str,
        fields: &str,
    ) -> Result<Children<T>, ConnectorError> {
        let mut children = Children { rows: Vec::new(), complete: true };
        let mut after = String::new();
        let mut asked =
            Asked { limit: self.config.page_size.saturating_mul(4).min(10_000), offset: 0, counted: true };
        for _ in 0..PAGES_MAX {
            let mut list = List::new(table, format!("{filter}{after}^ORDERBYsys_id"), fields, asked.limit);
            (list.offset, list.counted) = (asked.offset, asked.counted);
            let page = match self.list(cx, &list, Lane::Hot).await {
                Err(Problem::Cut { .. }) if asked.limit > 2 * super::scan::PAGE_MIN => {
                    asked.limit /= 2;
                    continue;
                }
                other => other.map_err(Problem::into_error)?,
            };
            let last = page.rows.iter().rev().find_map(|raw| id_of(raw));
            let count = page.rows.len();
            children.rows.extend(page.rows.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()));
            match (paging::next(asked, count, page.total), last) {
                (Next::Done, _) => return Ok(children),
                (Next::Behind { counted }, Some(id)) => {
                    let moved = format!("^sys_id>{id}");
                    if moved == after {
                        return Err(mismatch(table));
                    }
                    after = moved;
                    asked = Asked { offset: 0, counted, ..asked };
                }
                (Next::Behind { .. }, None) => return Err(mismatch(table)),
                (Next::Again { offset, counted }, _) => asked = Asked { offset, counted, ..asked },
                (Next::Lost, _) => break,
            }
        }
        children.complete = false;
        Ok(children)
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
