//! Search: the subset of the query language that is modelled, by offset and as an export by cursor.
//! Anything outside the subset is an error in the vendor's shape, never a guess.

use super::auth::Caller;
use super::book::{Book, Ticket};
use super::reply::{Answer, Reply, bad_parameter, ok, refused};
use super::{Account, Zendesk, paging, shape};
use crate::route::Call;
use serde_json::{Map, Value, json};

const RESULTS_MAX: usize = 1_000;
const STATUSES: [&str; 6] = ["new", "open", "pending", "hold", "solved", "closed"];
const PRIORITIES: [&str; 4] = ["low", "normal", "high", "urgent"];

/// One condition: `status<solved`, `-tags:vip`, a word.
#[derive(Clone, Debug, PartialEq)]
struct Term {
    negated: bool,
    key: String,
    sign: char,
    value: String,
}

fn terms(query: &str) -> Vec<Term> {
    let mut list = Vec::new();
    let mut rest = query.trim();
    while !rest.is_empty() {
        let end = word_end(rest);
        list.push(term(&rest[..end]));
        rest = rest[end..].trim_start();
    }
    list
}

/// A word ends at a blank that stands outside quotes.
fn word_end(text: &str) -> usize {
    let mut quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn term(word: &str) -> Term {
    let (negated, word) = word.strip_prefix('-').map_or((false, word), |rest| (true, rest));
    let sign_at = word.find([':', '<', '>']).filter(|at| *at > 0 && !word.starts_with('"'));
    let (key, sign, value) = match sign_at {
        None => ("", ':', word),
        Some(at) => (&word[..at], word[at..].chars().next().unwrap_or(':'), &word[at + 1..]),
    };
    let or_equal = value.strip_prefix('=');
    let sign = match (sign, or_equal.is_some()) {
        ('<', true) => '≤',
        ('>', true) => '≥',
        (sign, _) => sign,
    };
    Term {
        negated,
        key: key.to_lowercase(),
        sign,
        value: or_equal.unwrap_or(value).trim_matches('"').to_lowercase(),
    }
}

fn compared<T: PartialOrd>(left: T, sign: char, right: T) -> bool {
    match sign {
        '<' => left < right,
        '>' => left > right,
        '≤' => left <= right,
        '≥' => left >= right,
        _ => left == right,
    }
}

fn ranked(list: &[&str], left: Option<&str>, term: &Term) -> bool {
    if term.value == "none" {
        return left.is_none();
    }
    let rank = |word: &str| list.iter().position(|one| *one == word);
    left.and_then(rank).zip(rank(&term.value)).is_some_and(|(left, right)| compared(left, term.sign, right))
}

fn fits(book: &Book, ticket: &Ticket, term: &Term) -> Result<bool, Reply> {
    let id = |held: Option<u64>| match term.value.as_str() {
        "none" => held.is_none(),
        text => held.is_some() && (book.user_like(text) == held || text.parse().ok() == held),
    };
    let named = |name: Option<&String>| name.is_some_and(|name| name.to_lowercase().contains(&term.value));
    let found = match term.key.as_str() {
        "type" => term.value == "ticket" || ticket.kind.as_deref() == Some(term.value.as_str()),
        "ticket_type" => ticket.kind.as_deref() == Some(term.value.as_str()),
        "status" => ranked(&STATUSES, Some(&ticket.status), term),
        "priority" => ranked(&PRIORITIES, ticket.priority.as_deref(), term),
        "tags" => ticket.tags.contains(&term.value) || (term.value == "none" && ticket.tags.is_empty()),
        "assignee" | "assignee_id" => id(ticket.assignee),
        "requester" | "requester_id" => id(Some(ticket.requester)),
        "submitter" => id(Some(ticket.submitter)),
        "group" | "group_id" => id(ticket.group) || named(ticket.group.and_then(|id| book.groups.get(&id))),
        "organization" | "organization_id" => {
            id(ticket.organization)
                || named(ticket.organization.and_then(|id| Some(&book.organizations.get(&id)?.name)))
        }
        "subject" => ticket.subject.to_lowercase().contains(&term.value),
        "external_id" => ticket.external_id.as_deref().is_some_and(|one| one.to_lowercase() == term.value),
        "created" => dated(ticket.created, term)?,
        "updated" => dated(ticket.updated, term)?,
        "solved" => ticket.metrics.solved_at.map_or(Ok(false), |at| dated(at, term))?,
        "" => {
            term.value.parse() == Ok(ticket.id)
                || ticket.subject.to_lowercase().contains(&term.value)
                || book.comments(ticket.id).any(|(_, one)| {
                    one["body"].as_str().is_some_and(|text| text.to_lowercase().contains(&term.value))
                })
        }
        other => match other.strip_prefix("custom_field_").and_then(|id| id.parse::<u64>().ok()) {
            Some(id) => {
                ticket.custom.get(&id).and_then(Value::as_str).map(str::to_lowercase)
                    == Some(term.value.clone())
            }
            None => return Err(refused(422, "invalid", format!("Invalid search: unknown property {other}"))),
        },
    };
    Ok(found != term.negated)
}

/// A date stands for its whole day; an instant for its second.
fn dated(at: i64, term: &Term) -> Result<bool, Reply> {
    let text = term.value.to_uppercase();
    let day = text.parse::<jiff::civil::Date>().ok().filter(|_| !text.contains('T'));
    if let Some(day) = day {
        let start = day.to_zoned(jiff::tz::TimeZone::UTC).map(|at| at.timestamp().as_second()).unwrap_or(0);
        return Ok(compared(at.div_euclid(86_400), term.sign, start.div_euclid(86_400)));
    }
    let instant = text
        .parse::<jiff::Timestamp>()
        .map_err(|_| refused(422, "invalid", format!("Invalid search: invalid date {text}")))?;
    Ok(compared(at, term.sign, instant.as_second()))
}

/// Ids of tickets that fit and that the index has seen.
fn found(zendesk: &Zendesk, account: &Account, call: &Call) -> Result<Vec<u64>, Reply> {
    let query = call.param("query").ok_or_else(|| bad_parameter("query", "is missing"))?;
    let (terms, seen) = (terms(query), call.now.as_second() - zendesk.search_lag(account));
    let book = &account.book;
    let mut list = Vec::new();
    'tickets: for ticket in book.living().filter(|ticket| ticket.updated <= seen) {
        for term in &terms {
            if !fits(book, ticket, term)? {
                continue 'tickets;
            }
        }
        list.push(ticket);
    }
    let by = call.param("sort_by").unwrap_or("created_at");
    match by {
        "updated_at" => list.sort_by_key(|ticket| (ticket.updated, ticket.id)),
        "status" => {
            list.sort_by_key(|ticket| (STATUSES.iter().position(|one| *one == ticket.status), ticket.id))
        }
        "priority" => list.sort_by_key(|ticket| {
            (
                ticket.priority.as_deref().and_then(|word| PRIORITIES.iter().position(|one| *one == word)),
                ticket.id,
            )
        }),
        _ => list.sort_by_key(|ticket| (ticket.created, ticket.id)),
    }
    if call.param("sort_order") != Some("asc") {
        list.reverse();
    }
    Ok(list.iter().map(|ticket| ticket.id).collect())
}

fn row(account: &Account, id: u64, origin: &str) -> Value {
    let mut row =
        account.book.tickets.get(&id).map_or(Value::Null, |one| shape::ticket(&account.book, one, origin));
    row["result_type"] = json!("ticket");
    row
}

fn people(account: &Account, call: &Call) -> Option<Vec<u64>> {
    let query = call.param("query")?;
    let words = terms(query);
    let wanted = words.iter().find(|one| one.key == "type").map(|one| one.value.as_str())?;
    if wanted != "user" {
        return None;
    }
    let rest: Vec<_> = words.iter().filter(|one| one.key != "type").collect();
    let fits = |user: &super::book::User| {
        rest.iter().all(|one| match one.key.as_str() {
            "email" => user.email == one.value,
            "role" => user.role == one.value,
            _ => user.name.to_lowercase().contains(&one.value) || user.email == one.value,
        })
    };
    Some(account.book.users.values().filter(|user| fits(user)).map(|user| user.id).collect())
}

pub fn search(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let origin = call.origin();
    if let Some(users) = people(account, call) {
        return paging::list(call, "results", &users, None, |id| {
            let mut row = shape::user(&account.book.users[id], &origin);
            row["result_type"] = json!("user");
            row
        });
    }
    let ids = found(zendesk, account, call)?;
    let mut cut = paging::cut(call, &ids, None)?;
    let page: usize = call.param("page").and_then(|text| text.parse().ok()).unwrap_or(1);
    let size: usize = call.param("per_page").and_then(|text| text.parse().ok()).unwrap_or(100);
    if page.saturating_sub(1).saturating_mul(size) >= RESULTS_MAX {
        return Err(refused(
            422,
            "invalid",
            "Requested response size was greater than Search Response Limits",
        ));
    }
    cut.frame.insert("facets".to_owned(), Value::Null);
    cut.frame.insert("results".to_owned(), cut.ids.iter().map(|id| row(account, *id, &origin)).collect());
    shape::side_loads(&account.book, call.param("include").unwrap_or(""), &cut.ids, &origin, &mut cut.frame);
    ok(Value::Object(cut.frame))
}

pub fn count(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    ok(json!({ "count": found(zendesk, account, call)?.len() }))
}

pub fn export(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    if call.param("filter[type]") != Some("ticket") {
        return Err(bad_parameter("filter[type]", "must be ticket"));
    }
    let other = |one: &Term| one.key == "type" && one.value != "ticket";
    if call.param("query").is_some_and(|query| terms(query).iter().any(other)) {
        return Err(refused(422, "invalid", "Invalid search: the query's type is not the filter's"));
    }
    let mut ids = found(zendesk, account, call)?;
    ids.sort_unstable();
    let size = call.param("page[size]").map_or(100, |text| text.parse().unwrap_or(100)).min(1_000);
    let after: u64 = call.param("page[after]").and_then(|text| text.parse().ok()).unwrap_or(0);
    let rest: Vec<u64> = ids.into_iter().filter(|id| *id > after).collect();
    let page = &rest[..rest.len().min(size)];
    let more = rest.len() > page.len();
    let last = page.last().map(u64::to_string);
    let next = last.as_ref().filter(|_| more).map(|last| paging::with(call, &[("page[after]", last)], ""));
    let mut frame = Map::new();
    frame.insert("results".to_owned(), page.iter().map(|id| row(account, *id, &call.origin())).collect());
    frame.insert("facets".to_owned(), Value::Null);
    frame.insert("meta".to_owned(), json!({ "has_more": more, "after_cursor": last, "before_cursor": null }));
    frame.insert("links".to_owned(), json!({ "prev": null, "next": next }));
    ok(Value::Object(frame))
}
