//! Incremental exports: the cursor one over `(generated_timestamp, id)`, and the time-based ones with their traps.
//! Knows positions and the withheld minute; knows no updates.

use super::auth::Caller;
use super::book::Book;
use super::reply::{Answer, Reply, bad_parameter, ok, refused};
use super::{Account, Zendesk, paging, shape};
use crate::route::Call;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::ops::Bound;

const PAGE_MAX: usize = 1_000;
/// Changes of the last minute are withheld.
const WITHHELD_SECONDS: i64 = 60;
const SAMPLE_MAX: usize = 50;

fn start_time(call: &Call) -> Result<i64, Reply> {
    let text = call.param("start_time").ok_or_else(|| bad_parameter("start_time", "is missing"))?;
    // A number with a point is cut: clients send what their languages call a timestamp.
    let whole = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let whole = whole.map_or(text, |(whole, _)| whole);
    let start: i64 = whole.parse().map_err(|_| bad_parameter("start_time", "must be an integer"))?;
    // Vendor: only the streams of tickets refuse what is too recent; clients ask the measures for "since now" to see
    // whether they may.
    let of_tickets = ["/incremental/tickets", "/incremental/ticket_events"];
    let refuses = of_tickets.iter().any(|path| call.path.contains(path));
    if refuses && start > call.now.as_second() - WITHHELD_SECONDS {
        return Err(refused(
            400,
            "StartTimeTooRecent",
            "Too recent start_time. Use a start_time older than 60 seconds",
        ));
    }
    Ok(start)
}

fn per_page(zendesk: &Zendesk, call: &Call) -> usize {
    let asked = call.param("per_page").and_then(|text| text.parse().ok()).filter(|size| *size > 0);
    let size = asked.map_or(PAGE_MAX, |size: usize| size.min(PAGE_MAX));
    zendesk.small_page().map_or(size, |small| size.min(small * 4))
}

fn encode((generated, id): (i64, u64)) -> String {
    STANDARD.encode(format!("{generated}.0||{id}|"))
}

fn decode(text: &str) -> Option<(i64, u64)> {
    let plain = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (generated, rest) = plain.split_once(".0||")?;
    Some((generated.parse().ok()?, rest.strip_suffix('|')?.parse().ok()?))
}

/// A page of a stream ordered by `(second, id)`: the places on it, and the frame that leads on.
fn cut(
    zendesk: &Zendesk,
    call: &Call,
    stream: &BTreeSet<(i64, u64)>,
) -> Result<(Vec<u64>, Map<String, Value>), Reply> {
    let from = match call.param("cursor") {
        Some(text) => {
            let place = decode(text).ok_or_else(|| refused(400, "InvalidCursor", "The cursor is invalid"))?;
            Bound::Excluded(place)
        }
        None => Bound::Included((start_time(call)?, 0)),
    };
    let until = (call.now.as_second() - WITHHELD_SECONDS, u64::MAX);
    let mut rows = stream.range((from, Bound::Unbounded)).take_while(|place| **place <= until);
    let page: Vec<(i64, u64)> = rows.by_ref().take(per_page(zendesk, call)).copied().collect();
    let more = rows.next().is_some();
    let after = page.last().map(|place| encode(*place)).or_else(|| call.param("cursor").map(str::to_owned));
    let after_url = after.as_ref().map(|cursor| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("cursor", cursor);
        for (name, value) in call.query.iter().filter(|(name, _)| name != "cursor" && name != "start_time") {
            query.append_pair(name, value);
        }
        format!("{}{}.json?{}", call.origin(), call.path, query.finish())
    });
    let mut frame = Map::new();
    frame.insert("after_url".to_owned(), json!(after_url));
    frame.insert("after_cursor".to_owned(), json!(after));
    frame.insert("before_url".to_owned(), Value::Null);
    frame.insert("before_cursor".to_owned(), Value::Null);
    frame.insert("end_of_stream".to_owned(), json!(!more));
    Ok((page.iter().map(|(_, id)| *id).collect(), frame))
}

pub fn by_cursor(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let (mut ids, mut frame) = cut(zendesk, call, &book.stream)?;
    if call.param("exclude_deleted") == Some("true") {
        ids.retain(|id| book.living_ticket(*id).is_some());
    }
    frame.insert("tickets".to_owned(), rendered(book, &ids, &origin));
    shape::side_loads(book, call.param("include").unwrap_or(""), &ids, &origin, &mut frame);
    ok(Value::Object(frame))
}

pub fn users_by_cursor(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let stream = book.users.values().map(|user| (user.updated, user.id)).collect();
    let (ids, mut frame) = cut(zendesk, call, &stream)?;
    frame.insert("users".to_owned(), ids.iter().map(|id| shape::user(&book.users[id], &origin)).collect());
    ok(Value::Object(frame))
}

fn rendered(book: &Book, ids: &[u64], origin: &str) -> Value {
    ids.iter().filter_map(|id| Some(shape::ticket(book, book.tickets.get(id)?, origin))).collect()
}

/// A time-based page: rows from `start_time`, inclusive, and the second after which to go on.
/// With more rows in one second than a page holds, the next page is the same one: the vendor's known trap.
fn timed(
    zendesk: &Zendesk,
    call: &Call,
    name: &str,
    rows: Vec<(i64, u64)>,
    render: impl Fn(&[u64]) -> Value,
) -> Answer {
    let (start, size) = (start_time(call)?, per_page(zendesk, call));
    let until = call.now.as_second() - WITHHELD_SECONDS;
    let mut rows: Vec<_> = rows.into_iter().filter(|(at, _)| *at >= start && *at <= until).collect();
    rows.sort_unstable();
    let more = rows.len() > size;
    rows.truncate(size);
    let end = rows.last().map(|(at, _)| *at);
    let ids: Vec<u64> = rows.iter().map(|(_, id)| *id).collect();
    let next = end.map(|end| paging::with(call, &[("start_time", &end.to_string())], ""));
    ok(json!({
        name: render(&ids), "count": ids.len(), "end_of_stream": !more, "end_time": end, "next_page": next,
    }))
}

pub fn tickets(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    timed(zendesk, call, "tickets", book.stream.iter().copied().collect(), |ids| rendered(book, ids, &origin))
}

pub fn users(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let rows = book.users.values().map(|user| (user.updated, user.id)).collect();
    timed(zendesk, call, "users", rows, |ids| {
        ids.iter().map(|id| shape::user(&book.users[id], &origin)).collect()
    })
}

pub fn organizations(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let rows = book.organizations.values().map(|one| (one.created, one.id)).collect();
    timed(zendesk, call, "organizations", rows, |ids| {
        ids.iter().map(|id| shape::organization(&book.organizations[id], &origin)).collect()
    })
}

/// By time, or by cursor when the page's size is named.
pub fn metric_events(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let book = &account.book;
    if call.query.iter().any(|(name, _)| name.starts_with("page[")) {
        let start = if call.param("page[after]").is_some() { 0 } else { start_time(call)? };
        let told = book.metric_events.iter().enumerate().filter(|(_, event)| event.at >= start);
        let ids: Vec<u64> = told.map(|(index, _)| index as u64).collect();
        return paging::list(call, "ticket_metric_events", &ids, zendesk.small_page(), |index| {
            book.metric_events.get(*index as usize).map(shape::metric_event).unwrap_or_default()
        });
    }
    let rows = book.metric_events.iter().enumerate().map(|(index, event)| (event.at, index as u64)).collect();
    timed(zendesk, call, "ticket_metric_events", rows, |ids| {
        ids.iter()
            .filter_map(|index| Some(shape::metric_event(book.metric_events.get(*index as usize)?)))
            .collect()
    })
}

/// Audits of all tickets as events; comments come in full with `include=comment_events`.
pub fn ticket_events(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let book = &account.book;
    let whole = call.param("include").is_some_and(|include| include.contains("comment_events"));
    let all: std::collections::BTreeMap<u64, &super::book::Audit> =
        book.audits.values().flatten().map(|audit| (audit.id, audit)).collect();
    let rows = all.values().map(|audit| (audit.created, audit.id)).collect();
    timed(zendesk, call, "ticket_events", rows, |ids| {
        ids.iter().filter_map(|id| Some(ticket_event(all.get(id)?, whole))).collect()
    })
}

fn ticket_event(audit: &super::book::Audit, whole: bool) -> Value {
    let children = audit.events.iter().map(|event| {
        if event["type"] == "Comment" && !whole {
            return json!({ "id": event["id"], "event_type": "Comment", "via": "Web form", "comment_present": true, "comment_public": event["public"] });
        }
        let mut child = event.clone();
        child["event_type"] = event["type"].clone();
        child["via"] = json!("Web form");
        if let Some(field) = event["field_name"].as_str() {
            child[field] = event["value"].clone();
        }
        child
    });
    json!({
        "id": audit.id, "ticket_id": audit.ticket, "timestamp": audit.created, "created_at": shape::stamp(audit.created),
        "updater_id": audit.author, "via": "Web form", "system": {}, "metadata": { "custom": audit.custom },
        "event_type": "Audit", "child_events": children.collect::<Vec<_>>(),
    })
}

pub fn sample(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let start = start_time(call)?;
    let book = &account.book;
    let ids: Vec<u64> = book.stream.range((start, 0)..).take(SAMPLE_MAX).map(|(_, id)| *id).collect();
    ok(json!({ "tickets": rendered(book, &ids, &call.origin()), "count": ids.len() }))
}
