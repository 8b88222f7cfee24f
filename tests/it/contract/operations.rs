//! The requests that the vendors' published descriptions allow, as far as connectors may use them: method, path, query,
//! body. Every request that passes the door of any test is held against this table.
//!
//! Written from the vendors' OpenAPI documents (Jira platform v3, Zendesk Support) and reference pages (Jira 10 REST,
//! ServiceNow Table API, Salesforce REST). A body is described by a small part of JSON Schema: `type` (one or a list),
//! `required`, `properties` (no others are allowed, unless `open`), `items`, `enum`, `max_items`.

use dutyd_connectors::{Method, Request};
use serde_json::{Value, json};

/// One operation. `{name}` stands for one segment; a query name that ends in `!` must be there.
struct Operation {
    method: &'static str,
    path: &'static str,
    query: &'static [&'static str],
    /// Names a description in [`schema`]. Empty: no body.
    body: &'static str,
}

const fn get(path: &'static str, query: &'static [&'static str]) -> Operation {
    Operation { method: "GET", path, query, body: "" }
}

const fn send(
    method: &'static str,
    path: &'static str,
    query: &'static [&'static str],
    body: &'static str,
) -> Operation {
    Operation { method, path, query, body }
}

const PAGED: &[&str] = &["page[size]", "page[after]"];
const LIST: &[&str] = &[
    "sysparm_query",
    "sysparm_fields",
    "sysparm_limit",
    "sysparm_offset",
    "sysparm_no_count",
    "sysparm_suppress_pagination_header",
    "sysparm_display_value",
    "sysparm_exclude_reference_link",
];
/// PATCH and GET of one record.
const RECORD: &[&str] = &["sysparm_fields", "sysparm_display_value"];
const COMMENTS: &[&str] = &["startAt", "maxResults", "orderBy", "expand"];
const RIGHTS: &[&str] = &["permissions!", "projectKey", "issueId"];
/// Data Center tells of all permissions.
const RIGHTS_SERVER: &[&str] = &["projectKey", "issueId"];
const SIDE_LOADS: &[&str] = &["include"];
const EXPORT: &[&str] = &["start_time", "cursor", "per_page", "include"];

const OPERATIONS: &[Operation] = &[
    // Jira Cloud.
    get("/rest/api/3/myself", &[]),
    get("/rest/api/3/field", &[]),
    get("/rest/api/3/status", &[]),
    get("/rest/api/3/mypermissions", RIGHTS),
    get("/rest/api/3/project/{key}", &[]),
    get("/rest/api/3/issue/{id}", &["fields", "properties"]),
    get("/rest/api/3/issue/{id}/editmeta", &[]),
    get("/rest/api/3/issue/{id}/comment", COMMENTS),
    send("POST", "/rest/api/3/search/jql", &[], "cloud search"),
    send("POST", "/rest/api/3/issue/bulkfetch", &[], "bulk fetch"),
    send("POST", "/rest/api/3/changelog/bulkfetch", &[], "bulk changelog"),
    send("PUT", "/rest/api/3/issue/{id}", &["returnIssue"], "edit"),
    send("PUT", "/rest/api/3/issue/{id}/properties/{key}", &[], "property"),
    send("DELETE", "/rest/api/3/issue/{id}/properties/{key}", &[], ""),
    send("POST", "/rest/api/3/issue/{id}/comment", &[], "document comment"),
    // Jira Data Center.
    get("/rest/api/2/myself", &[]),
    get("/rest/api/2/field", &[]),
    get("/rest/api/2/status", &[]),
    get("/rest/api/2/mypermissions", RIGHTS_SERVER),
    get("/rest/api/2/project/{key}", &[]),
    get("/rest/api/2/issue/{id}", &["fields", "properties", "expand"]),
    get("/rest/api/2/issue/{id}/editmeta", &[]),
    get("/rest/api/2/issue/{id}/changelog", &["startAt", "maxResults"]),
    get("/rest/api/2/issue/{id}/comment", COMMENTS),
    send("POST", "/rest/api/2/search", &[], "server search"),
    send("PUT", "/rest/api/2/issue/{id}", &[], "edit"),
    send("PUT", "/rest/api/2/issue/{id}/properties/{key}", &[], "property"),
    send("DELETE", "/rest/api/2/issue/{id}/properties/{key}", &[], ""),
    send("POST", "/rest/api/2/issue/{id}/comment", &[], "wiki comment"),
    // Webhooks of administrators, which both products document apart from the interface.
    get("/rest/webhooks/1.0/webhook", &[]),
    get("/rest/jira-webhook/1.0/webhooks", &[]),
    // Zendesk.
    get("/api/v2/oauth/tokens/current", &[]),
    get("/api/v2/users/me", &[]),
    get("/api/v2/users/show_many", &["ids!"]),
    get("/api/v2/ticket_fields", PAGED),
    get("/api/v2/groups", PAGED),
    get("/api/v2/organizations", PAGED),
    get("/api/v2/webhooks", &[]),
    get("/api/v2/incremental/tickets/cursor", EXPORT),
    get("/api/v2/tickets/show_many", &["ids!", "include"]),
    get("/api/v2/tickets/{id}", SIDE_LOADS),
    get("/api/v2/tickets/{id}/audits", &["page[size]", "page[after]", "include"]),
    get("/api/v2/tickets/{id}/comments", &["page[size]", "page[after]", "sort"]),
    send("PUT", "/api/v2/tickets/{id}", &[], "ticket update"),
    // ServiceNow.
    get("/api/now/table/{table}", LIST),
    get("/api/now/table/{table}/{id}", RECORD),
    send("PATCH", "/api/now/table/{table}/{id}", RECORD, "columns"),
    // Salesforce.
    get("/services/oauth2/userinfo", &[]),
    get("/services/data", &[]),
    get("/services/data/{version}/limits", &[]),
    get("/services/data/{version}/query", &["q!"]),
    get("/services/data/{version}/queryAll", &["q!"]),
    get("/services/data/{version}/query/{locator}", &[]),
    get("/services/data/{version}/sobjects/{object}/describe", &[]),
    get("/services/data/{version}/sobjects/{object}/{id}", &["fields"]),
    send("POST", "/services/data/{version}/composite", &[], "composite"),
    send("PATCH", "/services/data/{version}/composite/sobjects", &[], "collection"),
    // Only inside a composite.
    send("PATCH", "/services/data/{version}/sobjects/{object}/{id}", &[], "fields"),
    send("POST", "/services/data/{version}/sobjects/{object}", &[], "case comment"),
];

/// The description of a body, by its name in the table.
fn schema(name: &str) -> Value {
    let text = || json!({ "type": "string" });
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    let number = || json!({ "type": "integer" });
    let properties = || {
        let entry = json!({ "type": "object", "required": ["key", "value"], "properties": { "key": { "type": "string" }, "value": {} } });
        json!({ "type": "array", "items": entry })
    };
    let comment = |body: Value| {
        let kind = json!({ "type": "string", "enum": ["group", "role"] });
        let visibility = json!({ "type": "object", "required": ["type", "value"], "properties": { "type": kind, "value": text() } });
        json!({ "type": "object", "required": ["body"], "properties": { "body": body, "visibility": visibility, "properties": properties() } })
    };
    match name {
        "cloud search" => json!({ "type": "object", "required": ["jql"], "properties": {
            "jql": text(), "maxResults": number(), "fields": texts(), "nextPageToken": text(),
            "reconcileIssues": { "type": "array", "items": number(), "max_items": 50 } } }),
        "server search" => json!({ "type": "object", "required": ["jql"], "properties": {
            "jql": text(), "maxResults": number(), "startAt": number(), "fields": texts() } }),
        "bulk fetch" => json!({ "type": "object", "required": ["issueIdsOrKeys"], "properties": {
            "issueIdsOrKeys": { "type": "array", "items": text(), "max_items": 100 }, "fields": texts(),
            "properties": { "type": "array", "items": text(), "max_items": 5 }, "expand": texts() } }),
        "bulk changelog" => json!({ "type": "object", "required": ["issueIdsOrKeys"], "properties": {
            "issueIdsOrKeys": { "type": "array", "items": text(), "max_items": 1_000 }, "maxResults": number(),
            "nextPageToken": text() } }),
        "edit" => {
            let change = json!({ "type": "object", "properties": { "add": text(), "remove": text() } });
            let update =
                json!({ "type": "object", "properties": { "labels": { "type": "array", "items": change } } });
            json!({ "type": "object", "properties": { "update": update, "properties": properties() } })
        }
        "property" => json!({ "type": "object", "open": true }),
        "document comment" => {
            comment(json!({ "type": "object", "required": ["type", "version", "content"], "properties": {
            "type": { "type": "string", "enum": ["doc"] }, "version": number(),
            "content": { "type": "array", "items": { "type": "object", "required": ["type"], "open": true } } } }))
        }
        "wiki comment" => comment(text()),
        "ticket update" => {
            let field = json!({ "type": "object", "required": ["id", "value"], "properties": { "id": number(), "value": { "type": ["string", "null"] } } });
            let comment = json!({ "type": "object", "required": ["body"], "properties": { "body": text(), "public": { "type": "boolean" } } });
            let ticket = json!({ "type": "object", "properties": {
                "custom_fields": { "type": "array", "items": field }, "comment": comment,
                "metadata": { "type": "object", "open": true }, "safe_update": { "type": "boolean" }, "updated_stamp": text() } });
            json!({ "type": "object", "required": ["ticket"], "properties": { "ticket": ticket } })
        }
        "columns" => json!({ "type": "object", "open": true, "each": { "type": "string" } }),
        "fields" => json!({ "type": "object", "open": true, "each": { "type": ["string", "null"] } }),
        "case comment" => json!({ "type": "object", "required": ["ParentId", "CommentBody"], "properties": {
            "ParentId": text(), "CommentBody": text(), "IsPublished": { "type": "boolean" } } }),
        "composite" => {
            let part = json!({ "type": "object", "required": ["method", "url", "referenceId"], "properties": {
                "method": { "type": "string", "enum": ["GET", "POST", "PATCH", "DELETE", "PUT"] }, "url": text(),
                "referenceId": text(), "body": { "type": "object", "open": true },
                "httpHeaders": { "type": "object", "open": true, "each": text() } } });
            json!({ "type": "object", "required": ["compositeRequest"], "properties": {
                "allOrNone": { "type": "boolean" },
                "compositeRequest": { "type": "array", "items": part, "max_items": 25 } } })
        }
        "collection" => {
            let record = json!({ "type": "object", "required": ["attributes", "id"], "open": true, "properties": {
                "attributes": { "type": "object", "required": ["type"], "properties": { "type": text() } }, "id": text() } });
            json!({ "type": "object", "required": ["records"], "properties": {
                "allOrNone": { "type": "boolean" }, "records": { "type": "array", "items": record, "max_items": 200 } } })
        }
        other => panic!("no description is called {other:?}"),
    }
}

/// What speaks against a value, with the place; `None`: it fits.
fn misfit(value: &Value, schema: &Value, place: &str) -> Option<String> {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(|one| one == kind),
        one => one == kind,
    };
    if !allowed {
        return Some(format!("{place} is {kind}, not {}", schema["type"]));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Some(format!("{place} is none of {words:?}"));
    }
    match value {
        Value::Array(items) => {
            if schema["max_items"].as_u64().is_some_and(|most| items.len() as u64 > most) {
                return Some(format!("{place} has {} entries", items.len()));
            }
            items
                .iter()
                .enumerate()
                .find_map(|(at, item)| misfit(item, &schema["items"], &format!("{place}[{at}]")))
        }
        Value::Object(fields) => {
            let needed = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            if let Some(name) = needed.into_iter().find(|name| !fields.contains_key(*name)) {
                return Some(format!("{place} lacks {name}"));
            }
            fields.iter().find_map(|(name, inner)| {
                let place = format!("{place}.{name}");
                match (&schema["properties"][name], &schema["each"]) {
                    (Value::Null, Value::Null) if schema["open"] == true || schema["type"].is_null() => None,
                    (Value::Null, Value::Null) => Some(format!("{place} is not described")),
                    (Value::Null, each) => misfit(inner, each, &place),
                    (known, _) => misfit(inner, known, &place),
                }
            })
        }
        _ => None,
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    let fits = |(known, found): (&&str, &&str)| {
        if known.starts_with('{') { !found.is_empty() } else { known == found }
    };
    pattern.len() == path.len() && pattern.iter().zip(&path).all(fits)
}

/// What speaks against a request; `None`: its vendor describes it.
fn objection(method: &str, address: &str, body: Option<&Value>) -> Option<String> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    // A word of the path goes before a placeholder: `show_many` is no id.
    let fitting = OPERATIONS.iter().filter(|one| one.method == method && matches(one.path, path));
    let Some(operation) = fitting.min_by_key(|one| one.path.matches('{').count()) else {
        return Some("no such operation".to_owned());
    };
    let given: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let known = |name: &str| operation.query.iter().any(|one| one.trim_end_matches('!') == name);
    if let Some((name, _)) = given.iter().find(|(name, _)| !known(name)) {
        return Some(format!("the query names {name:?}"));
    }
    let needed = operation.query.iter().filter_map(|name| name.strip_suffix('!'));
    if let Some(name) = needed.into_iter().find(|name| !given.iter().any(|(one, _)| one == name)) {
        return Some(format!("the query lacks {name:?}"));
    }
    match (operation.body, body) {
        ("", None) => None,
        ("", Some(_)) => Some("it has a body".to_owned()),
        (name, None) => Some(format!("it lacks the body {name:?}")),
        (name, Some(body)) => misfit(body, &schema(name), "body").or_else(|| inner(body)),
    }
}

/// The requests inside a composite are held against the table as well.
fn inner(body: &Value) -> Option<String> {
    let parts = body["compositeRequest"].as_array().into_iter().flatten();
    parts.into_iter().find_map(|part| {
        let (method, url) = (part["method"].as_str()?, part["url"].as_str()?);
        let reference = part["referenceId"].as_str()?;
        if !reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Some(format!("the reference {reference:?} is no word"));
        }
        objection(method, url, part.get("body")).map(|reason| format!("{method} {url} inside: {reason}"))
    })
}

/// Refuses a request that its vendor does not describe.
pub fn assert_described(request: &Request) {
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    };
    let body = request.body.as_ref().map(|(kind, bytes)| {
        assert_eq!(*kind, "application/json", "{method} {}", request.path);
        serde_json::from_slice::<Value>(bytes).expect("a body is JSON")
    });
    let accepts =
        request.headers.iter().any(|(name, value)| *name == "accept" && value == "application/json");
    assert!(accepts, "{method} {}: does not say that it wants JSON", request.path);
    if let Some(reason) = objection(method, &request.path, body.as_ref()) {
        panic!("{method} {} is not described: {reason}; body {}", request.path, body.unwrap_or_default());
    }
}

#[test]
fn requests_that_no_vendor_describes_are_objected_to() {
    let update = json!({ "ticket": { "tags": ["a"] } });
    let doubtful: &[(&str, &str, Option<Value>, &str)] = &[
        ("GET", "/rest/api/3/nothing", None, "no such operation"),
        ("DELETE", "/rest/api/3/issue/1", None, "no such operation"),
        ("GET", "/api/v2/tickets/1.json/audits/2", None, "no such operation"),
        ("GET", "/rest/api/3/myself?expand=all", None, "the query names \"expand\""),
        ("GET", "/rest/api/3/mypermissions", None, "the query lacks \"permissions\""),
        ("POST", "/rest/api/3/search/jql", None, "it lacks the body \"cloud search\""),
        (
            "POST",
            "/rest/api/3/search/jql",
            Some(json!({ "jql": "a", "startAt": 0 })),
            "body.startAt is not described",
        ),
        ("POST", "/rest/api/3/search/jql", Some(json!({ "jql": 5 })), "body.jql is integer, not \"string\""),
        ("POST", "/rest/api/3/search/jql", Some(json!({})), "body lacks jql"),
        ("PUT", "/api/v2/tickets/1", Some(update), "body.ticket.tags is not described"),
        ("GET", "/services/data/v66.0/limits", Some(json!({})), "it has a body"),
    ];
    for (method, address, body, reason) in doubtful {
        assert_eq!(objection(method, address, body.as_ref()).as_deref(), Some(*reason), "{method} {address}");
    }
    let part =
        json!({ "method": "DELETE", "url": "/services/data/v66.0/sobjects/Case/5", "referenceId": "a" });
    let said =
        objection("POST", "/services/data/v66.0/composite", Some(&json!({ "compositeRequest": [part] })));
    assert!(said.is_some_and(|said| said.ends_with("inside: no such operation")));
}

#[test]
fn every_declared_request_is_described() {
    let subjects = [
        dutyd_connectors::servicenow::REQUESTS,
        dutyd_connectors::zendesk::REQUESTS,
        dutyd_connectors::jira::REQUESTS,
        dutyd_connectors::jira::REQUESTS_DATA_CENTER,
        dutyd_connectors::salesforce::REQUESTS,
    ];
    for declared in subjects.into_iter().flatten() {
        let (method, path) = declared.split_once(' ').expect("method and path");
        let signs_in = path.contains("oauth") && method == "POST" || path.ends_with("oauth_token.do");
        let described = OPERATIONS.iter().any(|one| one.method == method && matches(one.path, path));
        assert!(described || signs_in, "{declared}");
    }
}
