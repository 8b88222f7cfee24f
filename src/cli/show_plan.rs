//! `dutyd plan` and `dutyd explain --verify` as text.

use super::words::{count, line, number};
use crate::desk::{Plan, Recount, Shifts};

/// What a policy would change on the open cases.
pub fn plan(plan: &Plan) -> String {
    let which = if plan.in_force { "in force" } else { "on disk, not in force" };
    let mut text = format!(
        "policy {} ({which}), {}, looked at {}\n{}\n",
        line(&plan.policy, 12),
        count(plan.rules as u64, "rule"),
        count(plan.cases, "case"),
        plan.sentence()
    );
    for (rule, shifts) in &plan.by_rule {
        text.push_str(&format!("\n{rule}\n"));
        for (what, shifts) in [("gain", &shifts.gain), ("lose", &shifts.lose), ("change", &shifts.change)] {
            text.push_str(&kind(what, shifts));
        }
    }
    if !plan.in_force {
        text.push_str("\ndutyd reload puts it in force\n");
    }
    text
}

fn kind(what: &str, shifts: &Shifts) -> String {
    if shifts.count == 0 {
        return String::new();
    }
    let examples: Vec<String> = shifts.examples.iter().map(|one| line(one, 120)).collect();
    let more = if shifts.count > examples.len() as u64 { ", …" } else { "" };
    format!("  {} {what}: {}{more}\n", number(shifts.count), examples.join("; "))
}

/// Whether evidence recomputes.
pub fn recount(found: &Recount) -> String {
    let mut text = format!(
        "evidence of {}: {} give the same verdict again, {} another one\n",
        count(found.decisions, "decision"),
        number(found.same),
        number(found.different)
    );
    let (kept, gone): (Vec<_>, Vec<_>) = found.policies.iter().partition(|(_, kept)| **kept);
    let names = |all: &[(&String, &bool)]| {
        all.iter().map(|(policy, _)| line(policy, 12)).collect::<Vec<_>>().join(", ")
    };
    if !kept.is_empty() {
        text.push_str(&format!("each judged by its policy then: {}\n", names(&kept)));
    }
    if !gone.is_empty() {
        text.push_str(&format!("not kept: {}\n", names(&gone)));
    }
    if found.untold > 0 {
        text.push_str(&format!(
            "{} cannot be recomputed: their policy or a long value is not kept\n",
            number(found.untold)
        ));
    }
    found.named.iter().for_each(|one| text.push_str(&format!("  {}\n", line(one, 300))));
    text
}
