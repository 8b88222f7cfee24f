//! Answers of the desk as text: what a tired person needs first.
//!
//! Must not know: where the answers come from.

use super::show_explain;
use super::words::{count, flagged, line, number, relative, span, when};
use crate::desk::{FlagLine, List, LiveLine, SourceLine, Status};
use crate::notify::unseen_line;
use crate::store::{ChannelRow, ParkedKind, ParkedRow};
use dutyd_core::state::OverrideKind;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

#[cfg(test)]
mod tests;

/// Longest sentence that is shown of a flag.
const WHY_MAX: usize = 400;
const TITLE_MAX: usize = 80;
/// Before what no daemon has looked at.
const STOPPED: &str = "dutyd does not run; this is what its database says";

/// Flagged cases, worst first: each once, under its worst flag. Before them what may be missing.
pub fn list(list: &List, zone: &TimeZone) -> String {
    let mut text = if list.running { String::new() } else { format!("{STOPPED}\n") };
    for unseen in &list.unseen {
        text.push_str(&format!("{}; dutyd status says more\n", unseen_line(unseen, list.now, zone)));
    }
    let known = if text.is_empty() { "" } else { "known: " };
    text.push_str(&format!("{known}{}\n", flagged(&list.cases, list.dismissed)));
    for (worst, others) in list.by_case() {
        text.push_str(&flag_lines(worst, &others, list.now, zone));
    }
    if list.left_out() > 0 {
        text.push_str(&format!("\n… and {}; --max shows them\n", count(list.left_out(), "more case")));
    }
    text
}

fn flag_lines(flag: &FlagLine, others: &[&FlagLine], now: Timestamp, zone: &TimeZone) -> String {
    let snoozed = flag.said.iter().any(|said| matches!(said.kind, OverrideKind::Snoozed { .. }));
    let severity = match (flag.dismissed, snoozed) {
        (true, true) => "snoozed".to_owned(),
        (true, false) => "dismissed".to_owned(),
        (false, _) => flag.severity.word().to_uppercase(),
    };
    let customer = flag.customer.as_deref().unwrap_or("no customer");
    let owner = flag.owner.as_deref().unwrap_or("nobody");
    let due = match flag.due_at {
        None => "no clock runs".to_owned(),
        Some(at) => {
            let clock = flag.clock.as_deref().unwrap_or("target").replace('_', " ");
            let late = if at < now { " OVERDUE," } else { "" };
            format!("{clock}{late} due {}", when(at, now, zone))
        }
    };
    let mut text = format!(
        "\n{severity:<10} {}/{}  {}  [{}]\n",
        flag.source,
        line(&flag.number, 40),
        line(customer, 60),
        flag.rule
    );
    text.push_str(&format!("           {}\n", line(&flag.title, TITLE_MAX)));
    let of_then = if flag.why_is_of_now { "" } else { "when raised: " };
    text.push_str(&format!("           {of_then}{}\n", line(&flag.why, WHY_MAX)));
    text.push_str(&format!(
        "           raised {}; {due}; owner {}\n",
        relative(flag.since, now),
        line(owner, 60)
    ));
    if !others.is_empty() {
        let words: Vec<String> = others.iter().map(|other| other_flag(other)).collect();
        text.push_str(&format!("           also {}\n", words.join(", ")));
    }
    for said in &flag.said {
        text.push_str(&format!("           {}\n", show_explain::answer(said, now, zone)));
    }
    if let Some(link) = &flag.link {
        text.push_str(&format!("           {}\n", line(link, 300)));
    }
    text
}

fn other_flag(flag: &FlagLine) -> String {
    let severity = if flag.dismissed { "dismissed" } else { flag.severity.word() };
    format!("{} ({severity})", flag.rule)
}

/// Is everything seen, decided and shown.
pub fn status(status: &Status, zone: &TimeZone) -> String {
    let counts = &status.counts;
    let running = if status.running { "dutyd runs" } else { STOPPED };
    let policy = line(&status.policy, 12);
    let mut text = format!("{running}; policy {policy} with {}\n", count(status.rules as u64, "rule"));
    text.push_str(&format!(
        "{} open of {}; {}\n",
        number(counts.open),
        count(counts.cases, "case"),
        flagged(&counts.flagged, counts.dismissed)
    ));
    if let Some(since) = counts.due_since.filter(|since| status.now.duration_since(*since) > SLOW) {
        text.push_str(&format!(
            "SLOW: {} wait to be evaluated, the first for {}\n",
            count(counts.due, "case"),
            span(status.now.duration_since(since))
        ));
    }
    if let Some(why) = status.storage.shortage() {
        text.push_str(&format!("STORAGE: {why}\n"));
    }
    for source in &status.sources {
        text.push_str(&source_lines(source, status.now, zone));
    }
    if status.sources.is_empty() {
        text.push_str("no source is configured\n");
    }
    let channels: String = status.channels.iter().map(|channel| channel_line(channel, status.now)).collect();
    if !channels.is_empty() {
        text.push_str(&format!("\n{channels}"));
    }
    text
}

fn channel_line(channel: &ChannelRow, now: Timestamp) -> String {
    let told = match channel.told_at {
        Some(at) => format!("people last told {}", relative(at, now)),
        None => "nobody told yet".to_owned(),
    };
    let waiting = match channel.since {
        Some(since) => {
            format!(
                "; {} waiting, the first for {}",
                number(channel.pending),
                span(now.duration_since(since))
            )
        }
        None => String::new(),
    };
    let parked = match channel.parked {
        0 => String::new(),
        parked => format!("; PARKED: {}, dutyd parked list says why", count(parked, "message")),
    };
    format!("{}  {told}{waiting}{parked}\n", channel.channel)
}

/// A case should not wait longer than this for its evaluation.
const SLOW: SignedDuration = SignedDuration::from_secs(30);

fn source_lines(source: &SourceLine, now: Timestamp, zone: &TimeZone) -> String {
    let row = &source.row;
    let sight = match (row.paused, source.blind_since, source.behind_seconds) {
        (true, _, _) => format!("PAUSED; dutyd resume {} lets it go on", source.name),
        (false, Some(since), _) => {
            format!("BLIND since {}: changes may be missing; the log says why", when(since, now, zone))
        }
        (false, None, Some(seconds)) => {
            format!("sees everything up to {} ago", span(SignedDuration::from_secs(seconds)))
        }
        (false, None, None) => format!("first import runs, {} so far", count(row.cases, "case")),
    };
    let mut text = format!("\n{} ({}, {})  {sight}\n", source.name, source.vendor, source.mode);
    let missed = match source.missed_share {
        Some(share) => format!("{} received, {:.1} % missed", number(row.bells), share * 100.0),
        None => "none received yet".to_owned(),
    };
    text.push_str(&format!("    cases {}; webhooks: {missed}\n", number(row.cases)));
    let outbox = &row.outbox;
    let waiting = match outbox.since {
        Some(since) if outbox.pending() > 0 => format!(", the first for {}", span(now.duration_since(since))),
        _ => String::new(),
    };
    text.push_str(&format!(
        "    writes: {} of {} this hour, {} in all; {} waiting{waiting}\n",
        number(row.writes_last_hour),
        number(u64::from(source.writes_per_hour)),
        number(row.writes),
        number(outbox.pending())
    ));
    if let Some(live) = &source.live {
        text.push_str(&trouble(live, now, zone));
    }
    if outbox.parked + row.quarantined > 0 {
        text.push_str(&format!(
            "    PARKED: {}, {} that could not be read; see dutyd parked list\n",
            count(outbox.parked, "refused write"),
            count(row.quarantined, "record")
        ));
    }
    if outbox.sealed > 0 {
        text.push_str(&format!(
            "    {} left as they are on records that take no writes\n",
            count(outbox.sealed, "mark")
        ));
    }
    text
}

/// What hinders a source right now.
fn trouble(live: &LiveLine, now: Timestamp, zone: &TimeZone) -> String {
    let mut text = String::new();
    let again =
        |at: Option<Timestamp>| at.map(|at| format!("; again {}", relative(at, now))).unwrap_or_default();
    if live.signed_out {
        text.push_str(
            "    SIGNED OUT: the vendor does not let us in; see dutyd check --online, then restart\n",
        );
    }
    if let Some(reason) = &live.read_trouble {
        text.push_str(&format!(
            "    reading fails: {}{}\n",
            line(reason, WHY_MAX),
            again(live.read_again_at)
        ));
    }
    if let Some(reason) = &live.write_trouble {
        text.push_str(&format!(
            "    writing fails: {}{}\n",
            line(reason, WHY_MAX),
            again(live.write_again_at)
        ));
    }
    if let Some(until) = live.braked_until.filter(|until| *until > now) {
        text.push_str(&format!(
            "    BRAKED: writes_per_hour is spent; marks wait until {}\n",
            when(until, now, zone)
        ));
    }
    if live.clock_offset_ms != 0 {
        let offset = SignedDuration::from_millis(live.clock_offset_ms);
        let side = if live.clock_offset_ms > 0 { "ahead of" } else { "behind" };
        text.push_str(&format!("    the vendor's clock is {} {side} ours\n", span(offset)));
    }
    text
}

/// Refused writes and records that could not be understood.
pub fn parked(rows: &[ParkedRow], now: Timestamp) -> String {
    if rows.is_empty() {
        return "nothing is parked\n".to_owned();
    }
    let row = |row: &ParkedRow| {
        let kind = match row.kind {
            ParkedKind::Write => format!("refused write ({})", row.slot),
            ParkedKind::Sealed => format!("record takes no writes ({}); nothing to do", row.slot),
            ParkedKind::Notice => "message that nobody got".to_owned(),
            ParkedKind::Record => "record that could not be read".to_owned(),
        };
        let (what, because) = (line(&row.what, 60), line(&row.because, WHY_MAX));
        format!(
            "{:<6} {}/{what}  {kind}, {}\n       {because}\n",
            row.id,
            row.source,
            relative(row.since, now)
        )
    };
    let rows: String = rows.iter().map(row).collect();
    format!("{rows}\ndutyd parked retry ID tries again, dutyd parked drop ID gives up\n")
}
