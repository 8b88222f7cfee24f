//! What the contract must know of Salesforce.

use super::subject::{Seal, Subject, secrets};
use super::world::column;
use dutyd_connectors::salesforce;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub static SALESFORCE: Subject = Subject {
    vendor: salesforce::VENDOR,
    source: |endpoints, page_size| {
        let config = json!({ "salesforce": {
            "origin": endpoints["base_url"],
            "user": endpoints["username"],
            "sign_in": { "client_credentials": { "client_id": endpoints["client_id"], "client_secret": "client" } },
            "page_size": page_size,
            "columns": { "tier": "Account.Tier__c", "contract": "Entitlement.Name", "product": "Product__c" },
        }});
        let config = serde_json::from_value(config).expect("a valid configuration");
        (config, secrets(&[("client", &endpoints["client_secret"])]))
    },
    titles: |history| {
        let living = rows(history, "cases").filter(|row| row["IsDeleted"] == false).cloned().collect();
        column(&Value::Array(living), "Id", |row| row["Subject"].as_str().unwrap_or_default().to_owned())
    },
    messages: |history| {
        let mut counts = BTreeMap::new();
        for row in rows(history, "comments").chain(rows(history, "emails")) {
            *counts.entry(row["ParentId"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        counts
    },
    notes: |history| {
        let private = rows(history, "comments").filter(|row| row["IsPublished"] == false);
        private.map(|row| row["CommentBody"].as_str().unwrap_or_default().to_owned()).collect()
    },
    wrong_secret: |endpoints| endpoints["client_secret"] = json!("wrong"),
    ring: None,
    nowhere: "500dz000000zzzzAAA",
    // Four streams in one composite.
    idle_requests: 1,
    spoil: |body, id| {
        let mut answer: Value = serde_json::from_slice(body).ok()?;
        let parts = answer["compositeResponse"].as_array_mut()?.iter_mut();
        let mut records = parts.filter_map(|part| part["body"]["records"].as_array_mut()).flatten();
        let row = records.find(|row| row["Id"] == id)?;
        row["SystemModstamp"] = json!("yesterday");
        Some(answer.to_string().into_bytes())
    },
    requests: salesforce::REQUESTS,
    seal: Seal { switch: None, orders: &[("lock", "")] },
    zone_switch: Some("user_time_zone"),
};

fn rows<'a>(history: &'a Value, part: &str) -> impl Iterator<Item = &'a Value> {
    history[part].as_array().into_iter().flatten()
}
