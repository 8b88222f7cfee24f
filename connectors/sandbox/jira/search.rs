//! Searches: by token (Cloud), by position (Data Center), counts and bulk reads.

use super::ask::{Answer, Ask};
use super::errors;
use super::issue::Issue;
use super::jql;
use super::render::Wanted;
use super::select::{Eyes, Ready, ready};
use super::site::Flavour;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Vendor: a page token dies after seven days.
const TOKEN_SECONDS: i64 = 7 * 24 * 3_600;
const RECONCILE_MAX: usize = 50;
const BULK_MAX: usize = 100;
/// What the closed schema of a search knows.
const KNOWN: &[&str] = &[
    "jql",
    "nextPageToken",
    "maxResults",
    "fields",
    "expand",
    "properties",
    "fieldsByKeys",
    "failFast",
    "reconcileIssues",
];

/// What a search asks for, from a query or a body.
struct Wish {
    jql: String,
    token: Option<String>,
    start: usize,
    max: i64,
    fields: Vec<String>,
    expand: Vec<String>,
    properties: Vec<String>,
    reconcile: Vec<u64>,
}

fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => {
            list.iter().filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
        }
        Some(Value::String(text)) => commas(text),
        _ => Vec::new(),
    }
}

pub fn commas(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// A parameter that may stand several times or with commas.
pub fn listed(ask: &Ask<'_>, name: &str) -> Vec<String> {
    let held = ask.call.query.iter().filter(|(key, _)| key == name);
    held.flat_map(|(_, value)| commas(value)).collect()
}

fn wish(ask: &Ask<'_>, closed: bool) -> Result<Wish, Response> {
    if ask.call.method == "GET" {
        let number = |name: &str, otherwise: i64| match ask.call.param(name) {
            None => Ok(otherwise),
            Some(text) => text.parse::<i64>().map_err(|_| errors::payload()),
        };
        return Ok(Wish {
            jql: ask.call.param("jql").unwrap_or("").to_owned(),
            token: ask.call.param("nextPageToken").map(str::to_owned),
            start: number("startAt", 0)?.max(0) as usize,
            max: number("maxResults", 50)?,
            fields: listed(ask, "fields"),
            expand: listed(ask, "expand"),
            properties: listed(ask, "properties"),
            reconcile: listed(ask, "reconcileIssues").iter().filter_map(|id| id.parse().ok()).collect(),
        });
    }
    let body = ask.body()?;
    if closed && body.keys().any(|key| !KNOWN.contains(&key.as_str())) {
        return Err(errors::payload());
    }
    if closed && matches!(body.get("expand"), Some(value) if !value.is_string()) {
        return Err(errors::payload());
    }
    let number = |name: &str, otherwise: i64| match body.get(name) {
        None | Some(Value::Null) => Ok(otherwise),
        Some(value) => value.as_i64().ok_or_else(errors::payload),
    };
    let reconcile = body.get("reconcileIssues").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(Wish {
        jql: body.get("jql").and_then(Value::as_str).unwrap_or("").to_owned(),
        token: body.get("nextPageToken").and_then(Value::as_str).map(str::to_owned),
        start: number("startAt", 0)?.max(0) as usize,
        max: number("maxResults", 50)?,
        fields: strings(body.get("fields")),
        expand: strings(body.get("expand")),
        properties: strings(body.get("properties")),
        reconcile: reconcile
            .iter()
            .map(|id| id.as_u64().ok_or_else(errors::payload))
            .collect::<Result<_, _>>()?,
    })
}

/// `/search/jql`. To nobody it answers that there is nothing.
pub fn by_token(ask: &mut Ask<'_>) -> Answer {
    if ask.site.flavour == Flavour::DataCenter {
        return Err(errors::no_endpoint(ask.call.method.as_str(), &ask.call.path));
    }
    if ask.anonymous {
        return Ok(errors::ok(&json!({ "issues": [], "isLast": true })));
    }
    let wish = wish(ask, true)?;
    if !(1..=5_000).contains(&wish.max) {
        return Err(errors::messages(400, "The max results parameter has to be between 1 and 5,000."));
    }
    if wish.reconcile.len() > RECONCILE_MAX {
        return Err(errors::messages(400, "At most 50 issues can be reconciled."));
    }
    ask.site.settle(ask.call.now);
    let page_max = page_max(ask, &wish);
    let eyes = eyes(ask);
    let ready = prepared(&wish.jql, &eyes)?;
    if !ready.is_bounded() {
        let text =
            "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.";
        return Err(errors::messages(400, text));
    }
    let after = wish.token.as_deref().map(|token| position(token, &wish.jql, ask.call.now)).transpose()?;
    let found = find(&ready, &eyes, &wish.reconcile, after, page_max + 1);
    let rest = found.len() > page_max;
    let page = &found[..found.len().min(page_max)];
    let (look, wanted) = (ask.look(), Wanted::new(&wish.fields, "id"));
    let issues: Vec<Value> =
        page.iter().map(|issue| look.issue(issue, &wanted, &wish.expand, &wish.properties)).collect();
    let mut answer = json!({ "issues": issues, "isLast": !rest });
    if rest {
        let next = after.unwrap_or(0) + page.len();
        answer["nextPageToken"] = json!(token(next, &wish.jql, ask.call.now));
    }
    Ok(errors::ok(&answer))
}

/// Pages get smaller the more is asked for, and smaller still in a hostile world.
fn page_max(ask: &Ask<'_>, wish: &Wish) -> usize {
    let slim = wish.fields.is_empty() || wish.fields.iter().all(|field| field == "id" || field == "key");
    let most = if slim { 5_000 } else { 100 };
    let asked = usize::try_from(wish.max).unwrap_or(1).min(most).min(ask.site.switches.page_max);
    let shrunk = ask.jira.stage.faults.chance(0.3, &[b"page", wish.jql.as_bytes(), &wish.max.to_le_bytes()]);
    if shrunk { (asked / 3).max(2).min(asked) } else { asked }
}

fn eyes<'a>(ask: &'a Ask<'_>) -> Eyes<'a> {
    Eyes { site: ask.site, user: ask.user, zone: ask.site.users[ask.user].zone(), now: ask.call.now }
}

fn prepared(text: &str, eyes: &Eyes<'_>) -> Result<Ready, Response> {
    let query = jql::parse(text).map_err(|message| errors::messages(400, &message))?;
    ready(&query, eyes).map_err(|message| errors::messages(400, &message))
}

/// Issues from the position `after` on, at most `count`.
fn find<'a>(
    ready: &Ready,
    eyes: &Eyes<'a>,
    reconcile: &[u64],
    after: Option<usize>,
    count: usize,
) -> Vec<&'a Issue> {
    let site = eyes.site;
    let indexed = site.by_updated(ready.updated_from);
    let seen = indexed.filter(|id| !reconcile.contains(id)).filter_map(|id| site.searched(id, false));
    let consistent = reconcile.iter().filter_map(|id| site.searched(*id, true));
    if ready.is_by_updated() && reconcile.is_empty() {
        let matching = seen.filter(|issue| ready.matches(issue, eyes));
        return matching.skip(after.unwrap_or(0)).take(count).collect();
    }
    let mut found: Vec<&Issue> = seen.chain(consistent).filter(|issue| ready.matches(issue, eyes)).collect();
    ready.sort(&mut found, site);
    found.into_iter().skip(after.unwrap_or(0)).take(count).collect()
}

/// Opaque to clients: position, query and time.
fn token(next: usize, jql: &str, now: Timestamp) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{next}|{}|{:x}", now.as_second(), fingerprint(jql)))
}

fn position(token: &str, jql: &str, now: Timestamp) -> Result<usize, Response> {
    let invalid = || errors::messages(400, "The provided next page token is invalid or expired.");
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid())?;
    let mut parts = text.split('|');
    let next = parts.next().and_then(|part| part.parse::<usize>().ok()).ok_or_else(invalid)?;
    let made = parts.next().and_then(|part| part.parse::<i64>().ok()).ok_or_else(invalid)?;
    let same = parts.next() == Some(&format!("{:x}", fingerprint(jql)));
    if same && now.as_second() - made <= TOKEN_SECONDS { Ok(next) } else { Err(invalid()) }
}

fn fingerprint(jql: &str) -> u64 {
    crate::dice::hash(0, &[jql.as_bytes()])
}

/// The old `/search`: removed from Cloud, alive on Data Center.
pub fn by_position(ask: &mut Ask<'_>) -> Answer {
    if ask.site.flavour == Flavour::Cloud {
        let text = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full migration guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046";
        return Err(errors::messages(410, text));
    }
    let wish = wish(ask, false)?;
    let empty =
        json!({ "expand": "schema,names", "startAt": 0, "maxResults": wish.max, "total": 0, "issues": [] });
    if ask.anonymous {
        return Ok(errors::ok(&empty));
    }
    ask.site.settle(ask.call.now);
    let eyes = eyes(ask);
    let ready = prepared(&wish.jql, &eyes)?;
    let found = find(&ready, &eyes, &[], None, usize::MAX);
    let max = usize::try_from(wish.max).unwrap_or(0).min(1_000).min(ask.site.switches.page_max);
    let (look, wanted) = (ask.look(), Wanted::new(&wish.fields, "*navigable"));
    let page = found.iter().skip(wish.start).take(max);
    let issues: Vec<Value> =
        page.map(|issue| look.issue(issue, &wanted, &wish.expand, &wish.properties)).collect();
    Ok(errors::ok(&json!({
        "expand": "schema,names", "startAt": wish.start, "maxResults": max, "total": found.len(), "issues": issues,
    })))
}

pub fn count(ask: &mut Ask<'_>) -> Answer {
    let body = ask.body()?;
    let text = body.get("jql").and_then(Value::as_str).unwrap_or("");
    ask.site.settle(ask.call.now);
    let eyes = eyes(ask);
    let ready = prepared(text, &eyes)?;
    if !ready.is_bounded() {
        let text =
            "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.";
        return Err(errors::messages(400, text));
    }
    let found = find(&ready, &eyes, &[], None, usize::MAX).len();
    Ok(errors::ok(&json!({ "count": found })))
}

/// Vendor: what is not found is missing in the answer, and the order is by id.
pub fn bulk(ask: &mut Ask<'_>) -> Answer {
    const KNOWN: &[&str] = &["issueIdsOrKeys", "fields", "expand", "properties", "fieldsByKeys"];
    let body = ask.body()?;
    let named = strings(body.get("issueIdsOrKeys"));
    if body.keys().any(|key| !KNOWN.contains(&key.as_str()))
        || matches!(body.get("expand"), Some(value) if !value.is_array())
    {
        return Err(errors::payload());
    }
    if named.is_empty() || named.len() > BULK_MAX {
        return Err(errors::messages(400, "The number of issues has to be between 1 and 100."));
    }
    let (look, wanted) = (ask.look(), Wanted::new(&strings(body.get("fields")), "*navigable"));
    let (expand, properties) = (strings(body.get("expand")), strings(body.get("properties")));
    let mut found: Vec<&Issue> = named.iter().filter_map(|id| ask.site.visible(id, ask.user)).collect();
    found.sort_by_key(|issue| issue.id);
    found.dedup_by_key(|issue| issue.id);
    let issues: Vec<Value> =
        found.iter().map(|issue| look.issue(issue, &wanted, &expand, &properties)).collect();
    let mut answer = Map::new();
    answer.insert("expand".to_owned(), json!("renderedFields,names,schema,operations,editmeta,changelog"));
    answer.insert("issues".to_owned(), Value::Array(issues));
    answer.insert("issueErrors".to_owned(), json!([]));
    Ok(errors::ok(&Value::Object(answer)))
}
