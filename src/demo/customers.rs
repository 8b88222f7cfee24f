//! One customer across the demo's systems: a policy whose aliases say how each system calls the customers of its cast.
//!
//! Knows: which part of a sandbox's history lists customers. Must not know: what rules make of them.

use crate::config::shipped;
use anyhow::Context as _;
use dutyd_sandbox::Sandbox;
use dutyd_sandbox::cast::Tier;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

/// Per vendor: where its customers are listed, and the names of their id and name there.
const LISTS: [(&str, &str, &str, &str); 5] = [
    ("servicenow", "companies", "sys_id", "name"),
    ("jira", "organizations", "id", "name"),
    ("jira_dc", "organizations", "id", "name"),
    ("zendesk", "organizations", "id", "name"),
    ("salesforce", "accounts", "Id", "Name"),
];

/// The file of the shipped policy in whose place the demo's customers stand.
const FILE: &str = "customers.toml";

/// Writes the shipped policy with the customers of the sandbox's cast.
pub fn write_policy(folder: &Path, sandbox: &Sandbox) -> anyhow::Result<()> {
    std::fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for file in shipped::policy() {
        let text = if file.name == FILE { customers(sandbox) } else { file.text };
        let path = folder.join(&file.name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The text of `customers.toml`: every customer of the cast with its id in every system; Gold ones are important.
pub fn customers(sandbox: &Sandbox) -> String {
    let lists: Vec<(&str, Vec<(String, String)>)> =
        LISTS.iter().map(|list| (list.0, listed(sandbox, list))).collect();
    let mut text =
        "# Written by `dutyd demo`: who is one customer in all systems of the sandbox.\n".to_owned();
    for customer in &sandbox.inner.stage.cast.customers {
        let _ = writeln!(text, "\n[customers.{:?}]\naliases = [", customer.name);
        for (source, rows) in &lists {
            for (id, _) in rows.iter().filter(|(_, name)| *name == customer.name) {
                let _ = writeln!(text, "    {{ source = {source:?}, id = {id:?} }},");
            }
        }
        let _ = writeln!(text, "]\nimportant = {}", customer.tier == Tier::Gold);
        let _ = writeln!(text, "domains = [{:?}]", customer.domain);
    }
    text
}

/// Id and name of every customer of one system; none where it is not played.
fn listed(sandbox: &Sandbox, (vendor, part, id, name): &(&str, &str, &str, &str)) -> Vec<(String, String)> {
    let Some(vendor) = sandbox.inner.vendor(vendor) else { return Vec::new() };
    let (mut rows, mut from) = (Vec::new(), Some(0));
    while let Some(position) = from {
        let (page, next) = vendor.history(part, position);
        rows.extend(page);
        from = next;
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    rows.iter().map(|row| (text(&row[*id]), text(&row[*name]))).collect()
}
