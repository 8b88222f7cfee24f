//! SOSL and its form with parameters: words looked for in the texts of records.
//! Knows the language and which texts count; rows are found and rendered by `run.rs`.
// Vendor: soql-sosl-reference, "SOSL Syntax"; api-rest/guide/resources_search_parameterized.

use super::api::{Answered, Ask, Caller, ok, view};
use super::errors::ApiError;
use super::schema::Kind;
use super::soql::{self, Expr, Literal};
use super::store::Object;
use super::{Org, describe};
use serde_json::{Value, json};

/// Vendor: results of one search.
const FOUND_MAX: usize = 2_000;
/// From this version on the records stand in an envelope.
const ENVELOPE_SINCE: u32 = 37;

/// What is looked for, where, and what of it is told.
struct Search {
    term: String,
    scope: String,
    /// SOQL per object.
    returning: Vec<String>,
    limit: usize,
}

fn malformed(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "MALFORMED_SEARCH", message)
}

/// `GET /search?q=FIND {…} IN … FIELDS RETURNING …`.
pub fn sosl(org: &Org, caller: &Caller, ask: &Ask) -> Answered {
    let text = ask.param("q").unwrap_or("").trim();
    let no_term = || malformed("No search term found. The search term must be enclosed in braces.");
    let (head, rest) = text.split_once('{').ok_or_else(no_term)?;
    if !head.trim().eq_ignore_ascii_case("FIND") {
        return Err(malformed(format!("unexpected token: '{}'", head.trim())));
    }
    let end = (1..rest.len()).find(|at| {
        rest[..*at].chars().count() > 0 && rest.as_bytes()[*at] == b'}' && rest.as_bytes()[at - 1] != b'\\'
    });
    let (term, rest) = end.map(|at| (&rest[..at], &rest[at + 1..])).ok_or_else(no_term)?;
    let pattern = r"(?is)^\s*(?:IN\s+(\w+)\s+FIELDS)?\s*(?:RETURNING\s+(.*?))?\s*(?:LIMIT\s+(\d+))?\s*$";
    let parts = regex::Regex::new(pattern).ok().and_then(|pattern| pattern.captures(rest));
    let parts = parts.ok_or_else(|| malformed(format!("unexpected token: '{}'", rest.trim())))?;
    let returning = match parts.get(2) {
        Some(list) => between_commas(list.as_str()).iter().map(|item| as_soql(item)).collect(),
        None => searchable(org).map(|name| format!("SELECT Id FROM {name}")).collect(),
    };
    let limit = parts.get(3).and_then(|count| count.as_str().parse().ok()).unwrap_or(FOUND_MAX);
    let scope = parts.get(1).map_or("ALL", |scope| scope.as_str()).to_uppercase();
    answer(org, caller, ask, &Search { term: term.to_owned(), scope, returning, limit })
}

/// `GET` or `POST /parameterizedSearch`.
pub fn parameterized(org: &Org, caller: &Caller, ask: &Ask) -> Answered {
    let told = |name: &str| match &ask.body[name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => ask.param(name).map(str::to_owned),
    };
    let term = told("q").filter(|term| !term.is_empty()).ok_or_else(|| malformed("q is required"))?;
    let list = |value: &Value| -> Option<String> {
        let names: Vec<&str> = value.as_array()?.iter().filter_map(Value::as_str).collect();
        (!names.is_empty()).then(|| names.join(","))
    };
    let common = list(&ask.body["fields"]).or_else(|| told("fields")).unwrap_or_else(|| "Id".to_owned());
    let one = |name: &str, fields: Option<String>, limit: Option<String>, wanted: Option<String>| {
        let fields = fields.unwrap_or_else(|| common.clone());
        let wanted = wanted.map_or_else(String::new, |wanted| format!(" WHERE {wanted}"));
        let limit = limit.map_or_else(String::new, |limit| format!(" LIMIT {limit}"));
        format!("SELECT {fields} FROM {name}{wanted}{limit}")
    };
    let of_body = ask.body["sobjects"].as_array().into_iter().flatten().map(|object| {
        let text = |name: &str| {
            object[name].as_str().map(str::to_owned).or_else(|| object[name].as_u64().map(|n| n.to_string()))
        };
        one(object["name"].as_str().unwrap_or(""), list(&object["fields"]), text("limit"), text("where"))
    });
    let of_query =
        ask.query.iter().filter(|(name, _)| name == "sobject").flat_map(|(_, names)| names.split(',')).map(
            |name| {
                let of = |what: &str| ask.param(&format!("{name}.{what}")).map(str::to_owned);
                one(name, of("fields"), of("limit"), of("where"))
            },
        );
    let mut returning: Vec<String> = of_body.chain(of_query).collect();
    if returning.is_empty() {
        returning = searchable(org).map(|name| one(name, None, None, None)).collect();
    }
    let limit = told("overallLimit").and_then(|limit| limit.parse().ok()).unwrap_or(FOUND_MAX);
    let scope = told("in").unwrap_or_else(|| "ALL".to_owned()).to_uppercase();
    answer(org, caller, ask, &Search { term, scope, returning, limit })
}

fn answer(org: &Org, caller: &Caller, ask: &Ask, search: &Search) -> Answered {
    let wanted = alternatives(&search.term);
    if wanted.iter().flatten().all(|word| word.trim_end_matches('*').chars().count() < 2) {
        return Err(malformed("search term must be longer than one character"));
    }
    let mut found = Vec::new();
    for text in &search.returning {
        let mut query = soql::parse(text)?;
        let view = view(org, caller);
        let object = view.object(&query.from)?;
        let rows = object.slots().filter_map(|slot| object.row(slot)?.visible(caller.now));
        let ids = rows.filter(|cells| {
            let words = words_of(object, cells, &search.scope);
            wanted.iter().any(|all| all.iter().all(|word| words.iter().any(|known| matches(known, word))))
        });
        let ids: Vec<Literal> =
            ids.take(FOUND_MAX).map(|cells| Literal::Text(object.text(cells, "Id").to_owned())).collect();
        if ids.is_empty() {
            continue;
        }
        let among = Expr::In("Id".to_owned(), true, ids);
        query.filter = Some(match query.filter.take() {
            Some(filter) => Expr::And(vec![among, filter]),
            None => among,
        });
        found.extend(view.run(&query, false, &ask.version)?.records);
    }
    found.truncate(search.limit.min(FOUND_MAX));
    let version: u32 =
        ask.version.trim_start_matches('v').trim_end_matches(".0").parse().unwrap_or(ENVELOPE_SINCE);
    ok(if version < ENVELOPE_SINCE { Value::Array(found) } else { json!({ "searchRecords": found }) })
}

fn searchable(org: &Org) -> impl Iterator<Item = &'static str> + '_ {
    let names = org.store.objects().map(|object| object.shape.name);
    names.filter(|name| describe::is_searchable(name))
}

/// The pieces between the commas that stand outside of parentheses.
fn between_commas(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut pieces) = (0_i32, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                pieces.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(text[from..].trim());
    pieces
}

/// `Case(Id, Subject WHERE … LIMIT 3)` as a query.
fn as_soql(item: &str) -> String {
    let Some((name, inner)) = item.split_once('(') else { return format!("SELECT Id FROM {item}") };
    let inner = inner.trim_end().strip_suffix(')').unwrap_or(inner);
    let behind = regex::Regex::new(r"(?i)\b(WHERE|ORDER\s+BY|LIMIT|OFFSET)\b");
    let at = behind.ok().and_then(|behind| behind.find(inner)).map_or(inner.len(), |found| found.start());
    format!("SELECT {} FROM {} {}", &inner[..at], name.trim(), &inner[at..])
}

/// Words that must all be there, once per alternative. Vendor: a space is AND.
fn alternatives(term: &str) -> Vec<Vec<String>> {
    let plain = term.replace('\\', "").replace(['"', '(', ')'], " ");
    let mut found = vec![Vec::new()];
    for word in plain.split_whitespace() {
        match word {
            "OR" => found.push(Vec::new()),
            "AND" => {}
            _ => {
                let word = word.to_lowercase();
                let pieces = word.split(|letter: char| !letter.is_alphanumeric() && letter != '*');
                found.last_mut().into_iter().for_each(|all: &mut Vec<String>| {
                    all.extend(pieces.clone().filter(|piece| !piece.is_empty()).map(str::to_owned));
                });
            }
        }
    }
    found.retain(|all| !all.is_empty());
    found
}

fn matches(known: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(begin) => known.starts_with(begin),
        None => known == wanted,
    }
}

fn words_of(object: &Object, cells: &[Value], scope: &str) -> Vec<String> {
    let texts = object.fields.iter().zip(cells).filter(|(field, _)| {
        let text = matches!(field.kind, Kind::Text(_) | Kind::LongText(_));
        text && match scope {
            "NAME" => matches!(field.name, "Name" | "FirstName" | "LastName" | "Subject" | "CaseNumber"),
            "EMAIL" => field.name.contains("Email"),
            "PHONE" => field.name.contains("Phone"),
            _ => true,
        }
    });
    let words = texts.filter_map(|(_, value)| value.as_str()).flat_map(|text| {
        let lower = text.to_lowercase();
        lower
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    words.collect()
}
