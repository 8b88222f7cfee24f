//! `dutyd audit`: the log of decisions, writes, orders and messages, and whether it holds.

use super::Failure;
use super::backtest::wrong_when;
use super::moment::since;
use super::words::{count, instant, line, number};
use crate::audit::Verified;
use crate::desk::Ask;
use crate::store::AuditRow;
use clap::Subcommand;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Longest sentence shown of a row; --format json has all of it.
const SAID_MAX: usize = 200;

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Show its newest rows, oldest first.
    Show {
        /// Only about this case: `source/number`, or a number if it is unique.
        case: Option<String>,
        /// Only rows from then on: a span back from now (12h, 30d), a date, or an instant.
        #[arg(long, value_name = "WHEN")]
        since: Option<String>,
        /// How many rows.
        #[arg(long, default_value_t = 100)]
        max: usize,
    },
    /// Recompute the whole chain and name every row that does not hold.
    Verify {
        /// A hash that the journal showed on an earlier day: it must be in the chain, or the end was cut or written anew.
        #[arg(long, value_name = "HASH", value_parser = hash)]
        head: Option<String>,
    },
    /// Remove rows older than so many days now. `[audit] keep_days` does so every day by itself.
    Retain {
        /// How many.
        #[arg(value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: u32,
    },
}

impl Audit {
    /// `zone`: the one in which dates are meant.
    pub fn ask(&self, zone: &TimeZone) -> Result<Ask, Failure> {
        Ok(match self {
            Audit::Show { case, since: from, max } => {
                let from = from.as_deref().map(|text| since(text, zone)).transpose();
                let since = from.map_err(|wrong| wrong_when("--since", &wrong))?;
                Ask::Audit { case: case.clone(), since, max: *max }
            }
            Audit::Verify { head } => Ask::VerifyAudit { head: head.clone() },
            Audit::Retain { days } => Ask::RetainAudit { days: *days },
        })
    }
}

/// A mistyped hash is no sign that anybody touched the log.
fn hash(text: &str) -> Result<String, String> {
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash
        .then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "a hash has 64 digits, 0 to 9 and a to f".to_owned())
}

pub fn rows(rows: &[AuditRow], zone: &TimeZone) -> String {
    if rows.is_empty() {
        return "the audit log says nothing about that\n".to_owned();
    }
    rows.iter().map(|row| row_line(row, zone)).collect()
}

fn row_line(row: &AuditRow, zone: &TimeZone) -> String {
    let kind = row.kind.map_or("?", |kind| kind.word());
    let case = row.case.as_deref().map(|case| format!("{}  ", line(case, 60))).unwrap_or_default();
    let said = match &row.said {
        Some(said) => sentence(said),
        None => "(erased)".to_owned(),
    };
    format!("{:>8}  {}  {kind:<10} {case}{}\n", row.seq, instant(row.at, zone), line(&said, SAID_MAX))
}

/// A row's content in words: of a decision its reason, of a write what was written, of the rest its members.
fn sentence(said: &Value) -> String {
    let word = |key: &str| said[key].as_str();
    match (word("kind"), word("rule"), word("severity"), word("why")) {
        (Some(kind), Some(rule), Some(severity), Some(why)) => format!("{kind} {rule}, {severity}: {why}"),
        _ if said["want"].is_object() => {
            let (outcome, slot) = (word("outcome").unwrap_or("?"), word("slot").unwrap_or("?"));
            let because = word("because").map(|because| format!(" ({because})")).unwrap_or_default();
            format!("{outcome} {slot}: {}{because}", wanted(&said["want"]))
        }
        _ => {
            // An order is named once: the row's kind stands before it.
            let order = word("order").map(str::to_owned);
            let members = said.as_object().into_iter().flatten();
            let members = members.filter(|(key, value)| !value.is_null() && *key != "order");
            let members = members.map(|(key, value)| format!("{key} {}", plain(value)));
            order.into_iter().chain(members).collect::<Vec<_>>().join(", ")
        }
    }
}

/// The sentence, the note, or the severity of the mark.
fn wanted(want: &Value) -> String {
    let text = want["why"].as_str().or(want["note"]["body"].as_str()).or(want["mark"]["severity"].as_str());
    text.unwrap_or("nothing of ours").to_owned()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub fn verdict(verified: &Verified) -> String {
    let mut text = String::new();
    for fault in &verified.faults {
        text.push_str(&format!("row {}: {}\n", fault.row, fault.message));
    }
    if verified.holds_head == Some(false) {
        text.push_str("the given hash is not in the chain: its end was cut, or it was written anew\n");
    }
    let rows = count(verified.rows, "row");
    let erased = match verified.erased {
        0 => String::new(),
        erased => format!(", the content of {} erased in order", number(erased)),
    };
    if verified.is_whole() {
        format!("ok: {rows} ({} to {}){erased}\nhead {}\n", verified.first, verified.last, verified.head)
    } else {
        let faults = verified.faults.len() as u64 + u64::from(verified.holds_head == Some(false));
        format!("{text}the audit log does not hold: {} in {rows}\n", count(faults, "fault"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_order_is_named_once_with_what_it_was_about() {
        assert_eq!(sentence(&json!({ "order": "pause", "source": "jira" })), "pause, source jira");
        assert_eq!(sentence(&json!({ "order": "drop parked", "id": null })), "drop parked");
    }
}
