//! What the contract must know of a vendor to put its connector to the test.

use super::world::column;
use dutyd_connectors::{Secrets, SourceConfig};
use dutyd_connectors::{servicenow, zendesk};
use dutyd_sandbox::hooks::Ring;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One vendor under test.
#[derive(Clone, Copy)]
pub struct Subject {
    pub vendor: &'static str,
    /// Configuration and secrets for the sandbox's endpoints, with pages of this size where the vendor lets us choose.
    pub source: fn(&Value, u32) -> (SourceConfig, Secrets),
    /// Titles of all cases by id, from the sandbox's history.
    pub titles: fn(&Value) -> BTreeMap<String, String>,
    /// Messages per case id, from the sandbox's history.
    pub messages: fn(&Value) -> BTreeMap<String, usize>,
    /// Texts of the internal notes on all records.
    pub notes: fn(&Value) -> Vec<String>,
    /// Makes the endpoints such that signing in fails.
    pub wrong_secret: fn(&mut Value),
    /// How the sandbox's webhook about a case is named; `None`: the vendor sends none.
    pub ring: Option<fn(&str) -> Ring>,
    /// A well-formed id of no case.
    pub nowhere: &'static str,
    /// Requests of a poll that finds nothing new, at most.
    pub idle_requests: usize,
    /// Makes one record of a page unreadable, given its id; `None` where the answer does not hold it.
    pub spoil: fn(&[u8], &str) -> Option<Vec<u8>>,
    /// Every request the connector may send: `METHOD /path`, with `{…}` for one segment.
    pub requests: &'static [&'static str],
    /// Switches of the sandbox under which a record can be closed to all writes, and what is then done to it.
    pub seal: Seal,
    /// A sandbox switch that moves our account to another time zone.
    pub zone_switch: Option<&'static str>,
}

/// How a record comes to take no writes.
#[derive(Clone, Copy)]
pub struct Seal {
    pub switch: Option<&'static str>,
    /// Orders of the control port, one after the other: verb, and the fields of a `change`.
    pub orders: &'static [(&'static str, &'static str)],
}

impl Subject {
    /// Whether the connector says beforehand that it sends such requests. `path` has no query.
    pub fn declares(&self, method: &str, path: &str) -> bool {
        self.requests.iter().any(|pattern| is_declared(pattern, method, path))
    }
}

fn is_declared(pattern: &str, method: &str, path: &str) -> bool {
    let Some((wanted, pattern)) = pattern.split_once(' ') else { return false };
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    let same = |(known, found): (&&str, &&str)| known.starts_with('{') || known == found;
    wanted == method && pattern.len() == path.len() && pattern.iter().zip(&path).all(same)
}

pub fn secrets(pairs: &[(&str, &Value)]) -> Secrets {
    let secret = |value: &Value| value.as_str().unwrap_or_default().to_owned().into();
    Secrets(pairs.iter().map(|(name, value)| ((*name).to_owned(), secret(value))).collect())
}

const CLOSED_BY_NUMBER: &str = r#"{"state":"7","close_code":"Solved","close_notes":"done"}"#;

pub static SERVICENOW: Subject = Subject {
    vendor: servicenow::VENDOR,
    source: |endpoints, page_size| {
        let config = json!({ "servicenow": {
            "origin": endpoints["base_url"],
            "user": endpoints["username"],
            "sign_in": { "oauth": { "client_id": endpoints["client_id"], "client_secret": "client" } },
            "webhook_secrets": ["old", "webhook"],
            "tables": ["incident", "sn_customerservice_case"],
            "page_size": page_size,
        }});
        let config = serde_json::from_value(config).expect("a valid configuration");
        let old = json!("the secret before");
        let known = [
            ("client", &endpoints["client_secret"]),
            ("old", &old),
            ("webhook", &endpoints["webhook_secret"]),
        ];
        (config, secrets(&known))
    },
    titles: |history| {
        let title = |row: &serde_json::Map<String, Value>| {
            row["short_description"].as_str().unwrap_or_default().to_owned()
        };
        column(&history["records"], "sys_id", title)
    },
    messages: |history| {
        let mut counts = BTreeMap::new();
        for row in history["sys_journal_field"].as_array().into_iter().flatten() {
            *counts.entry(row["element_id"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        counts
    },
    notes: |history| {
        let rows = history["sys_journal_field"].as_array().into_iter().flatten();
        let notes = rows.filter(|row| row["element"] == "work_notes");
        notes.map(|row| row["value"].as_str().unwrap_or_default().to_owned()).collect()
    },
    wrong_secret: |endpoints| endpoints["client_secret"] = json!("wrong"),
    ring: Some(|id| Ring { vendor: servicenow::VENDOR, key: id.to_owned(), note: Value::Null, attempt: 0 }),
    nowhere: "ffffffffffffffffffffffffffffffff",
    // One per table.
    idle_requests: 2,
    spoil: |body, id| {
        let mut page: Value = serde_json::from_slice(body).ok()?;
        let row = page["result"].as_array_mut()?.iter_mut().find(|row| row["sys_id"] == id)?;
        row["sys_updated_on"] = json!("yesterday");
        Some(page.to_string().into_bytes())
    },
    requests: servicenow::REQUESTS,
    seal: Seal { switch: Some("closed_read_only"), orders: &[("change", CLOSED_BY_NUMBER)] },
    zone_switch: Some("user_time_zone"),
};

pub static ZENDESK: Subject = Subject {
    vendor: zendesk::VENDOR,
    source: |endpoints, page_size| {
        let config = json!({ "zendesk": {
            "origin": endpoints["base_url"],
            "sign_in": { "oauth": { "client_id": endpoints["client_id"], "client_secret": "client" } },
            "webhook_secrets": ["old", "webhook"],
            "page_size": page_size,
        }});
        let config = serde_json::from_value(config).expect("a valid configuration");
        let old = json!("the secret before");
        let known = [
            ("client", &endpoints["client_secret"]),
            ("old", &old),
            ("webhook", &endpoints["webhook_secret"]),
        ];
        (config, secrets(&known))
    },
    titles: |history| {
        let tickets = history["tickets"].as_array().into_iter().flatten();
        let living = tickets.filter(|row| row["status"] != "deleted");
        let title = |row: &Value| row["subject"].as_str().unwrap_or_default().to_owned();
        living.map(|row| (row["id"].to_string(), title(row))).collect()
    },
    messages: |history| {
        let mut counts = BTreeMap::new();
        for (ticket, _) in comments(history) {
            *counts.entry(ticket).or_default() += 1;
        }
        // The first comment is the ticket's description, no message.
        counts.values_mut().for_each(|count| *count -= 1);
        counts
    },
    notes: |history| {
        let notes = comments(history).filter(|(_, comment)| comment["public"] == false);
        notes.map(|(_, comment)| comment["body"].as_str().unwrap_or_default().to_owned()).collect()
    },
    wrong_secret: |endpoints| endpoints["client_secret"] = json!("wrong"),
    ring: Some(|id| {
        let body = json!({ "type": "zen:event-type:ticket.created", "detail": { "id": id } });
        let note = json!({ "invocation": "01J8ZQ0000000000000000RING", "body": body });
        Ring { vendor: zendesk::VENDOR, key: id.to_owned(), note, attempt: 0 }
    }),
    nowhere: "999999999",
    idle_requests: 1,
    spoil: |body, id| {
        let mut page: Value = serde_json::from_slice(body).ok()?;
        let row =
            page["tickets"].as_array_mut()?.iter_mut().find(|row| row["id"].as_u64() == id.parse().ok())?;
        row["created_at"] = json!("yesterday");
        Some(page.to_string().into_bytes())
    },
    requests: zendesk::REQUESTS,
    seal: Seal {
        switch: None,
        orders: &[("change", r#"{"status":"solved"}"#), ("change", r#"{"status":"closed"}"#)],
    },
    zone_switch: None,
};

/// Ticket id and comment of every comment in a Zendesk history.
fn comments(history: &Value) -> impl Iterator<Item = (String, &Value)> {
    let audits = history["audits"].as_array().into_iter().flatten();
    audits.flat_map(|audit| {
        let events = audit["events"].as_array().into_iter().flatten();
        events
            .filter(|event| event["type"] == "Comment")
            .map(move |event| (audit["ticket_id"].to_string(), event))
    })
}
