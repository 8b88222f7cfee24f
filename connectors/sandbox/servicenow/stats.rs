//! The Aggregate API: counts and figures over rows, in groups if asked.
//! Knows its parameters and shapes; rows come from `select.rs`.
// Vendor: api-reference/rest-apis/c_AggregateAPI.

use super::query::{self, Query};
use super::schema::Kind;
use super::select::{self, Cut, Found};
use super::store::Store;
use super::time;
use super::{ServiceNow, errors};
use crate::route::{Call, json};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;

const FIGURES: &[&str] = &["avg", "sum", "min", "max"];

type Rows<'a> = Vec<Found<'a>>;

/// GET /api/now/stats/{table}
pub fn stats(vendor: &ServiceNow, call: &Call) -> Response {
    vendor.signed_in(call, |instance, caller| {
        let name = call.capture("table");
        let store = &instance.store;
        if store.members(name).is_empty() {
            return errors::invalid_table(name);
        }
        let known = |field: &str| store.knows(name, field);
        let query = call.param("sysparm_query").map_or_else(
            || Query { groups: vec![Vec::new()], ..Query::default() },
            |text| query::parse(text, caller, &known),
        );
        let cut = Cut { offset: 0, limit: usize::MAX, count: true, shuffle: 0, others_hidden: false };
        let page = select::page(store, name, &query, &time::stamp(call.now), &cut);
        match call.param("sysparm_group_by").filter(|field| !field.is_empty()) {
            None => json(200, &json!({ "result": { "stats": figures(store, &page.rows, call) } })),
            Some(fields) => json(200, &json!({ "result": grouped(store, &page.rows, fields, call) })),
        }
    })
}

fn grouped(store: &Store, rows: &[Found<'_>], fields: &str, call: &Call) -> Vec<Value> {
    let by: Vec<&str> = fields.split(',').map(str::trim).collect();
    let value = |row: &Found<'_>, field: &str| store.walk(row.table, row.values, field);
    let mut groups: BTreeMap<Vec<String>, Rows<'_>> = BTreeMap::new();
    for row in rows {
        let key =
            by.iter().map(|field| value(row, field).map_or_else(String::new, |(value, _)| value.to_string()));
        groups.entry(key.collect()).or_default().push(*row);
    }
    let having = call.param("sysparm_having").unwrap_or("");
    let mut groups: Vec<_> = groups.into_iter().filter(|(_, rows)| fulfils(store, rows, having)).collect();
    for order in
        call.param("sysparm_order_by").unwrap_or("").split(',').rev().filter(|order| !order.is_empty())
    {
        let mut words: Vec<&str> = order.split('^').collect();
        let descending = words.last().is_some_and(|word| word.eq_ignore_ascii_case("DESC"));
        words.retain(|word| !matches!(word.to_uppercase().as_str(), "DESC" | "ASC"));
        groups.sort_by(|(a, a_rows), (b, b_rows)| {
            let order = match by.iter().position(|field| Some(field) == words.first()) {
                Some(at) => a[at].cmp(&b[at]),
                None => measure(store, a_rows, &words)
                    .partial_cmp(&measure(store, b_rows, &words))
                    .unwrap_or(Ordering::Equal),
            };
            if descending { order.reverse() } else { order }
        });
    }
    let shown = call.param("sysparm_display_value").unwrap_or("").to_lowercase();
    let group = |(values, rows): (Vec<String>, Rows<'_>)| {
        let fields = by.iter().zip(values).map(|(field, raw)| {
            let kind = rows.first().and_then(|row| value(row, field)).map(|(_, kind)| kind);
            let display =
                kind.and_then(|kind| store.display(kind, &raw)).map_or(raw.clone(), |text| text.to_string());
            match shown.as_str() {
                "true" => json!({ "field": field, "value": display }),
                "all" => json!({ "field": field, "value": raw, "display_value": display }),
                _ => json!({ "field": field, "value": raw }),
            }
        });
        let fields: Vec<Value> = fields.collect();
        json!({ "stats": figures(store, &rows, call), "groupby_fields": fields })
    };
    groups.into_iter().map(group).collect()
}

/// `count`, or one of the figures of a field.
fn measure(store: &Store, rows: &[Found<'_>], words: &[&str]) -> f64 {
    match words {
        [what, field, ..] if FIGURES.contains(&&*what.to_lowercase()) => {
            figure(store, rows, field, &what.to_lowercase()).parse().unwrap_or(0.0)
        }
        _ => rows.len() as f64,
    }
}

/// `count^priority^>^3`, several with commas between. Vendor: every part names a field, a count too.
fn fulfils(store: &Store, rows: &[Found<'_>], having: &str) -> bool {
    having.split(',').filter(|part| !part.is_empty()).all(|part| {
        let words: Vec<&str> = part.split('^').collect();
        let [what, field, sign, limit] = words.as_slice() else { return true };
        let (value, limit) = (measure(store, rows, &[what, field]), limit.parse::<f64>().unwrap_or(0.0));
        match *sign {
            "=" => value == limit,
            "!=" => value != limit,
            ">" => value > limit,
            ">=" => value >= limit,
            "<" => value < limit,
            "<=" => value <= limit,
            _ => true,
        }
    })
}

fn figures(store: &Store, rows: &[Found<'_>], call: &Call) -> Value {
    let mut stats = Map::new();
    if call.param("sysparm_count").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        stats.insert("count".to_owned(), json!(rows.len().to_string()));
    }
    for what in FIGURES {
        let Some(fields) = call.param(&format!("sysparm_{what}_fields")).filter(|fields| !fields.is_empty())
        else {
            continue;
        };
        let figures: Map<String, Value> = fields
            .split(',')
            .map(|field| (field.to_owned(), json!(figure(store, rows, field, what))))
            .collect();
        stats.insert((*what).to_owned(), Value::Object(figures));
    }
    Value::Object(stats)
}

fn figure(store: &Store, rows: &[Found<'_>], field: &str, what: &str) -> String {
    let found = rows.iter().filter_map(|row| store.walk(row.table, row.values, field));
    let values: Vec<_> = found.filter(|(value, _)| !value.is_empty()).collect();
    let order =
        |a: &&(super::table::Text, Kind), b: &&(super::table::Text, Kind)| query::compare(&a.0, &b.0, a.1);
    match what {
        "min" => values.iter().min_by(order).map_or_else(String::new, |(value, _)| value.to_string()),
        "max" => values.iter().max_by(order).map_or_else(String::new, |(value, _)| value.to_string()),
        _ => {
            let sum: f64 = values.iter().filter_map(|(value, _)| value.parse::<f64>().ok()).sum();
            let figure = if what == "avg" { sum / (values.len().max(1) as f64) } else { sum };
            format!("{figure:.4}")
        }
    }
}
