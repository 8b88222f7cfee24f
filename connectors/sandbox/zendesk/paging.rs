//! Lists in pages, in both of Zendesk's styles: cursors (`page[size]`) and offsets (`page`, `per_page`).
//! Knows ids in an order; the rows are rendered only for the page that is shown.

use super::reply::{Answer, Reply, bad_parameter, listed, ok};
use crate::route::Call;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

const PAGE_MAX: usize = 100;
/// Offset paging ends here.
const OFFSET_ROWS_MAX: usize = 10_000;

/// What a page consists of.
pub struct Cut {
    pub ids: Vec<u64>,
    /// `meta` and `links`, or `next_page`, `previous_page` and `count`.
    pub frame: Map<String, Value>,
}

/// Cuts the page that was asked for out of `ids`. `small`: the most that a page holds here.
pub fn cut(call: &Call, ids: &[u64], small: Option<usize>) -> Result<Cut, Reply> {
    let bracketed = call.query.iter().any(|(name, _)| name.starts_with("page["));
    if bracketed { by_cursor(call, ids, small) } else { by_offset(call, ids) }
}

/// A whole answer: the page's rows under `name`.
pub fn list(
    call: &Call,
    name: &str,
    ids: &[u64],
    small: Option<usize>,
    render: impl FnMut(&u64) -> Value,
) -> Answer {
    let mut cut = cut(call, ids, small)?;
    cut.frame.insert(name.to_owned(), cut.ids.iter().map(render).collect());
    ok(Value::Object(cut.frame))
}

fn by_cursor(call: &Call, ids: &[u64], small: Option<usize>) -> Result<Cut, Reply> {
    let size = match call.param("page[size]") {
        None => PAGE_MAX,
        Some(text) => text
            .parse()
            .ok()
            .filter(|size| *size > 0)
            .ok_or_else(|| bad_parameter("page[size]", "must be an integer"))?,
    };
    if size > PAGE_MAX {
        return Err(bad_parameter("page[size]", "must be less than or equal to 100"));
    }
    let size = small.map_or(size, |small| size.min(small));
    let place = |name: &str| match call.param(name) {
        None => Ok(None),
        Some(text) => decode(text)
            .and_then(|id| ids.iter().position(|one| *one == id))
            .map(Some)
            .ok_or_else(|| bad_parameter(name, "is not valid")),
    };
    let (after, before) = (place("page[after]")?, place("page[before]")?);
    let start = match (after, before) {
        (Some(index), _) => index + 1,
        (None, Some(index)) => index.saturating_sub(size),
        (None, None) => 0,
    };
    let end = before.unwrap_or(usize::MAX).min(start.saturating_add(size)).min(ids.len());
    let page = ids[start.min(end)..end].to_vec();
    let more = if before.is_some() { start > 0 } else { end < ids.len() };
    let (first, last) = (page.first().map(|id| encode(*id)), page.last().map(|id| encode(*id)));
    let link = |name: &str, cursor: &Option<String>| {
        cursor.as_ref().map(|cursor| with(call, &[(name, cursor)], "page["))
    };
    let mut frame = Map::new();
    frame
        .insert("meta".to_owned(), json!({ "has_more": more, "after_cursor": last, "before_cursor": first }));
    let next = link("page[after]", &last).filter(|_| end < ids.len() || before.is_some());
    let prev = link("page[before]", &first).filter(|_| start > 0);
    frame.insert("links".to_owned(), json!({ "prev": prev, "next": next }));
    Ok(Cut { ids: page, frame })
}

fn by_offset(call: &Call, ids: &[u64]) -> Result<Cut, Reply> {
    let number =
        |name: &str, otherwise: usize| call.param(name).map_or(Some(otherwise), |text| text.parse().ok());
    let per_page =
        number("per_page", PAGE_MAX).filter(|size| *size > 0).map_or(PAGE_MAX, |size| size.min(PAGE_MAX));
    let page = number("page", 1)
        .filter(|page| *page > 0)
        .ok_or_else(|| bad_parameter("page", "must be an integer"))?;
    let start = (page - 1).saturating_mul(per_page);
    if start >= OFFSET_ROWS_MAX {
        let detail = "The page or per_page parameters exceed the maximum offset of 10,000 records: use cursor pagination";
        return Err(listed(400, "InvalidPaginationDepth", "Bad Request", detail));
    }
    let end = start.saturating_add(per_page).min(ids.len());
    let link = |number: usize| {
        with(call, &[("page", &number.to_string()), ("per_page", &per_page.to_string())], "page")
    };
    let mut frame = Map::new();
    frame.insert("next_page".to_owned(), json!((end < ids.len()).then(|| link(page + 1))));
    frame.insert("previous_page".to_owned(), json!((page > 1).then(|| link(page - 1))));
    frame.insert("count".to_owned(), json!(ids.len()));
    Ok(Cut { ids: ids[start.min(end)..end].to_vec(), frame })
}

/// The request's own address with parameters set anew: links lead to the host and port that the client used.
pub fn with(call: &Call, set: &[(&str, &str)], dropping: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in &call.query {
        let paging = name == "page[after]"
            || name == "page[before]"
            || (dropping == "page" && (name == "page" || name == "per_page"));
        if !paging && !set.iter().any(|(known, _)| known == name) {
            query.append_pair(name, value);
        }
    }
    for (name, value) in set {
        query.append_pair(name, value);
    }
    format!("{}{}.json?{}", call.origin(), call.path, query.finish())
}

fn encode(id: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{{\"o\":\"nice_id\",\"v\":\"{id}\"}}"))
}

fn decode(text: &str) -> Option<u64> {
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?).ok()?;
    let value: Value = serde_json::from_str(&plain).ok()?;
    value["v"].as_str()?.parse().ok()
}
