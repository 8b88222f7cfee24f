//! Results of a query in pages, behind locators that expire.
//! Knows rendered rows; not what was asked.
// Vendor: api-rest/guide/headers_queryoptions; help 000004410 (INVALID_QUERY_LOCATOR).

use super::api::{Answered, Ask, Caller, ok};
use super::errors::ApiError;
use super::{Org, ids};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// Vendor: a page has from 200 to 2,000 rows.
const PAGE_MIN: usize = 200;
const PAGE_MAX: usize = 2_000;
/// Vendor: open locators of one user; the oldest goes first.
const OPEN_MAX: usize = 10;
const LIFE_SECONDS: i64 = 2 * 86_400;

struct Locator {
    id: String,
    user_id: String,
    made_at: i64,
    rows: Arc<Vec<Value>>,
}

#[derive(Default)]
pub struct Locators {
    open: VecDeque<Locator>,
    serial: u64,
}

fn size(ask: &Ask) -> usize {
    let options = ask.header("sforce-query-options").unwrap_or("");
    let asked = options.split([',', ';']).filter_map(|option| option.trim().strip_prefix("batchSize="));
    let asked = asked.filter_map(|text| text.trim().parse::<usize>().ok()).next();
    asked.unwrap_or(PAGE_MAX).clamp(PAGE_MIN, PAGE_MAX).min(ask.page_max)
}

/// The first page; the rest waits behind a locator.
pub fn first(org: &mut Org, caller: &Caller, ask: &Ask, rows: Vec<Value>) -> Value {
    let size = size(ask);
    if rows.len() <= size {
        return json!({ "totalSize": rows.len(), "done": true, "records": rows });
    }
    let rows = Arc::new(rows);
    let locators = &mut org.locators;
    locators.serial += 1;
    let id = ids::make("0r8", locators.serial);
    let mine = locators.open.iter().filter(|locator| locator.user_id == caller.user_id).count();
    if mine >= OPEN_MAX
        && let Some(oldest) = locators.open.iter().position(|locator| locator.user_id == caller.user_id)
    {
        locators.open.remove(oldest);
    }
    let made_at = caller.now.as_second();
    locators.open.push_back(Locator {
        id: id.clone(),
        user_id: caller.user_id.clone(),
        made_at,
        rows: rows.clone(),
    });
    page(&id, &rows, 0, size, &ask.version)
}

pub fn next(org: &Org, caller: &Caller, ask: &Ask, locator: &str) -> Answered {
    let invalid = || ApiError::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
    let (id, offset) = locator.rsplit_once('-').ok_or_else(invalid)?;
    let offset: usize = offset.parse().map_err(|_| invalid())?;
    let found = org.locators.open.iter().find(|known| known.id == id && known.user_id == caller.user_id);
    let found =
        found.filter(|known| caller.now.as_second() - known.made_at <= LIFE_SECONDS).ok_or_else(invalid)?;
    if offset >= found.rows.len() {
        return Err(invalid());
    }
    ok(page(id, &found.rows, offset, size(ask), &ask.version))
}

fn page(id: &str, rows: &[Value], from: usize, size: usize, version: &str) -> Value {
    let to = (from + size).min(rows.len());
    let mut page = json!({ "totalSize": rows.len(), "done": to == rows.len() });
    if to < rows.len() {
        page["nextRecordsUrl"] = json!(format!("/services/data/{version}/query/{id}-{to}"));
    }
    page["records"] = Value::Array(rows[from..to].to_vec());
    page
}
