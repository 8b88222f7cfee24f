//! Salesforce's pure parts: text into questions, answers into meaning, pages into a cursor, rows into a case.

mod cases;
mod questions;
mod scans;

use super::Config;
use serde_json::{Value, json};

/// The least configuration, with more keys where a test wants them.
fn config(more: Value) -> Config {
    let mut value = json!({
        "origin": "https://acme.my.salesforce.com",
        "user": "dutyd@acme.example",
        "sign_in": { "client_credentials": { "client_id": "3MVG9", "client_secret": "secret" } },
        "page_size": 10,
    });
    let more = more.as_object().cloned().unwrap_or_default();
    value.as_object_mut().unwrap().extend(more);
    serde_json::from_value(value).unwrap()
}
