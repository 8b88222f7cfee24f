//! Jira's two products under the contract.

use super::subject::{Seal, Subject, secrets};
use dutyd_connectors::{Secrets, SourceConfig, jira};
use dutyd_sandbox::hooks::Ring;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn config(base_url: &Value, flavour: &str, sign_in: Value, page_size: u32) -> SourceConfig {
    let config = json!({ "jira": {
        "flavour": flavour, "base_url": base_url, "sign_in": sign_in, "webhook_secrets": ["old", "webhook"],
        "page_size": page_size,
    }});
    serde_json::from_value(config).expect("a valid configuration")
}

fn cloud(endpoints: &Value, page_size: u32) -> (SourceConfig, Secrets) {
    let sign_in = json!({ "api_token": { "email": endpoints["email"], "token": "token" } });
    let old = json!("the secret before");
    let known =
        [("token", &endpoints["api_token"]), ("old", &old), ("webhook", &endpoints["webhook_secret"])];
    (config(&endpoints["base_url"], "cloud", sign_in, page_size), secrets(&known))
}

fn data_center(endpoints: &Value, page_size: u32) -> (SourceConfig, Secrets) {
    let sign_in = json!({ "personal_access_token": { "token": "token" } });
    let old = json!("the secret before");
    let known = [("token", &endpoints["pat"]), ("old", &old), ("webhook", &endpoints["webhook_secret"])];
    (config(&endpoints["base_url"], "data_center", sign_in, page_size), secrets(&known))
}

fn issues(history: &Value) -> impl Iterator<Item = (String, &Value)> {
    let rows = history["issues"].as_array().into_iter().flatten();
    rows.map(|row| (row["id"].as_str().unwrap_or_default().to_owned(), row))
}

fn comments(row: &Value) -> impl Iterator<Item = &Value> {
    row["comments"].as_array().into_iter().flatten()
}

fn titles(history: &Value) -> BTreeMap<String, String> {
    issues(history).map(|(id, row)| (id, row["summary"].as_str().unwrap_or_default().to_owned())).collect()
}

fn messages(history: &Value) -> BTreeMap<String, usize> {
    issues(history).map(|(id, row)| (id, comments(row).count())).collect()
}

fn notes(history: &Value) -> Vec<String> {
    let all = issues(history).flat_map(|(_, row)| comments(row));
    let internal = all.filter(|comment| comment["internal"] == true);
    internal.map(|comment| comment["body"].as_str().unwrap_or_default().to_owned()).collect()
}

/// One issue of a search or of a bulk read loses the time by which it is followed.
fn spoil(body: &[u8], id: &str) -> Option<Vec<u8>> {
    let mut page: Value = serde_json::from_slice(body).ok()?;
    let issues = page.get_mut("issues")?.as_array_mut()?;
    let issue = issues.iter_mut().find(|issue| issue["id"] == id)?;
    issue["fields"]["updated"] = json!("yesterday");
    Some(page.to_string().into_bytes())
}

pub static CLOUD: Subject = Subject {
    vendor: "jira",
    source: cloud,
    titles,
    messages,
    notes,
    wrong_secret: |endpoints| endpoints["api_token"] = json!("wrong"),
    ring: Some(|id| Ring { vendor: "jira", key: id.to_owned(), note: Value::Null, attempt: 0 }),
    nowhere: "999999999",
    idle_requests: 1,
    spoil,
    requests: jira::REQUESTS,
    seal: Seal { switch: Some("closed_read_only"), orders: &[("change", r#"{"status":"closed"}"#)] },
    zone_switch: Some("integration_zone"),
};

pub static DATA_CENTER: Subject = Subject {
    vendor: "jira_dc",
    source: data_center,
    wrong_secret: |endpoints| endpoints["pat"] = json!("wrong"),
    ring: Some(|id| Ring { vendor: "jira_dc", key: id.to_owned(), note: Value::Null, attempt: 0 }),
    requests: jira::REQUESTS_DATA_CENTER,
    ..CLOUD
};
