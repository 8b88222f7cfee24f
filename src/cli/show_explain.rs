//! `dutyd explain` as text.

use super::words::{count, instant, line, number, relative, span, when};
use crate::desk::{CaseLine, ClockLine, Explanation, JudgedBy, RuleLine, Says};
use dutyd_core::around::{GroupFacts, LinkedCase};
use dutyd_core::evidence::AtomRead;
use dutyd_core::rule::{Change, WhatIf};
use dutyd_core::state::{FlagState, Override, OverrideKind, Presence};
use dutyd_core::timeline::{Actor, EventKind, TimelineEvent};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const SENTENCE_MAX: usize = 600;

/// What every rule says about a case and why.
pub fn explain(told: &Explanation, zone: &TimeZone) -> String {
    let mut text = case(&told.case, told.now);
    if let Some(since) = told.around.as_ref().and_then(|around| around.blind_since) {
        let since = when(since, told.now, zone);
        text.push_str(&format!(
            "Not seen since {since}: what time alone would raise waits; dutyd status says why\n"
        ));
    }
    section(&mut text, "Flags", flags(told, zone));
    section(&mut text, "Overrides by people", overrides(told, zone));
    section(
        &mut text,
        rules_heading(&told.case),
        told.rules.iter().map(|line| rule(line, told, zone)).collect(),
    );
    section(&mut text, "Clocks", told.clocks.iter().map(|line| clock(line, told.now, zone)).collect());
    section(&mut text, "Neighbours", neighbours(told, zone));
    let heading = format!(
        "Events, the last {} of {}{}",
        told.events.len(),
        number(told.events_count as u64),
        if told.truncated { " (older ones were dropped)" } else { "" }
    );
    section(&mut text, &heading, told.events.iter().map(|line| event(line, zone)).collect());
    section(&mut text, "Decisions", decisions(told, zone));
    if !told.then {
        section(&mut text, "On the vendor's record", record(told));
        section(&mut text, "Still to be shown there", outbox(told));
    }
    text.push_str(&format!("\nas of {}, {}\n", instant(told.now, zone), judged_by(told)));
    text
}

/// Rules are asked about open cases only.
fn rules_heading(case: &CaseLine) -> &'static str {
    match (case.presence, case.status.as_str()) {
        (Presence::Present, "resolved" | "closed") => {
            "Rules: not asked, because the case is done; what they would say"
        }
        (Presence::Present, _) => "Rules",
        _ => "Rules: not asked, because the record cannot be read; what they would say",
    }
}

fn judged_by(told: &Explanation) -> String {
    let policy = line(&told.policy, 12);
    let today = |because: &str| format!("by what was known then; {because}: judged by today's, {policy}");
    match &told.judged_by {
        _ if !told.then => format!("policy {policy}"),
        JudgedBy::InForceThen => format!("by what was known then; policy {policy}, in force then"),
        JudgedBy::NotKept(then) => today(&format!("policy {}, in force then, is not kept", line(then, 12))),
        JudgedBy::NotKnown => today("nothing says which policy was in force then"),
    }
}

fn section(text: &mut String, heading: &str, lines: Vec<String>) {
    if !lines.is_empty() {
        text.push_str(&format!("\n{heading}\n"));
        lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
}

fn case(case: &CaseLine, now: Timestamp) -> String {
    let or = |value: &Option<String>, none: &str| line(value.as_deref().unwrap_or(none), 60);
    let priority = case.priority.map_or("no priority".to_owned(), |priority| format!("P{priority}"));
    let tier = case.tier.as_ref().map(|tier| format!(" ({})", line(tier, 30))).unwrap_or_default();
    let gone = match case.presence {
        Presence::Present => "",
        Presence::Gone => "\nThe record was deleted.",
        Presence::Hidden => {
            "\nThe record cannot be read any more: deleted, out of scope, or our rights have changed."
        }
    };
    let raw = match case.status_raw.as_str() {
        "" => String::new(),
        raw => format!(" (\"{}\")", line(raw, 40)),
    };
    let link = case.link.as_ref().map(|link| format!("\n{}", line(link, 300))).unwrap_or_default();
    format!(
        "{}/{}  {}\n{priority}, {}{raw}, customer {}{tier}, owner {}, team {}, opened {}, last change {}{link}{gone}\n",
        case.source,
        line(&case.number, 40),
        line(&case.title, 200),
        case.status.replace('_', " "),
        or(&case.customer, "none"),
        or(&case.owner, "nobody"),
        or(&case.team, "none"),
        relative(case.opened_at, now),
        relative(case.updated_at, now),
    )
}

fn flags(told: &Explanation, zone: &TimeZone) -> Vec<String> {
    let one = |flag: &dutyd_core::state::Flag| match flag.state {
        FlagState::Pending => {
            format!("{}: holds since {}, not long enough yet", flag.rule, when(flag.since, told.now, zone))
        }
        FlagState::Open | FlagState::Cleared => format!(
            "{} {}, raised {}\n    {}",
            flag.severity.word().to_uppercase(),
            flag.rule,
            when(flag.raised_at, told.now, zone),
            line(&flag.why, SENTENCE_MAX)
        ),
    };
    told.flags.iter().map(one).collect()
}

fn overrides(told: &Explanation, zone: &TimeZone) -> Vec<String> {
    let one = |said: &Override| {
        format!("{}: {}", said.rule.as_deref().unwrap_or("all rules"), answer(said, told.now, zone))
    };
    told.overrides.iter().map(one).collect()
}

/// What a person said, who and when.
pub fn answer(said: &Override, now: Timestamp, zone: &TimeZone) -> String {
    let what = match &said.kind {
        OverrideKind::Dismissed { above } => format!("dismissed until it gets worse than {}", above.word()),
        OverrideKind::Snoozed { until, above } => {
            let until = until.map(|at| format!(" until {}", instant(at, zone))).unwrap_or_default();
            let above = above.map(|above| format!(" or worse than {}", above.word())).unwrap_or_default();
            format!("snoozed{until}{above}")
        }
        OverrideKind::Acknowledged => "acknowledged".to_owned(),
        OverrideKind::Escalated => "confirmed as escalation".to_owned(),
    };
    let by = said.by.as_deref().map(|by| format!(" by {}", line(by, 60))).unwrap_or_default();
    format!("{what}{by}, {}", when(said.at, now, zone))
}

fn rule(rule: &RuleLine, told: &Explanation, zone: &TimeZone) -> String {
    let raised = if rule.open { ", its flag is raised" } else { "" };
    let says = match (rule.says, rule.severity) {
        (Says::Fires, Some(severity)) => format!("fires, {}{raised}", severity.word()),
        (Says::Fires, None) => format!("fires{raised}"),
        (Says::CannotTell, _) => format!("cannot tell{raised}"),
        (Says::Quiet, _) => format!("quiet{raised}"),
    };
    let mut text = format!("{}: {says}", rule.rule);
    let mut below = |line: String| text.push_str(&format!("\n    {line}"));
    if let Some(why) = &rule.why {
        below(line(why, SENTENCE_MAX));
    }
    rule.atoms.iter().for_each(|part| below(atom(part, told.now, zone)));
    if rule.says == Says::Fires {
        counting(rule, told, zone).into_iter().for_each(&mut below);
    }
    outlook(rule, told.now, zone).into_iter().for_each(&mut below);
    text
}

/// The events that count, as far as they are told.
fn counting(rule: &RuleLine, told: &Explanation, zone: &TimeZone) -> Vec<String> {
    let counts = told.events.iter().filter(|known| rule.events.contains(&known.id));
    counts.map(|known| format!("counts: {}", event(known, zone))).collect()
}

/// What comes by itself, and what somebody could do.
fn outlook(rule: &RuleLine, now: Timestamp, zone: &TimeZone) -> Vec<String> {
    let (comes, done) = match rule.says {
        Says::Fires => ("clears", "would clear"),
        Says::Quiet => ("fires", "would fire"),
        Says::CannotTell => return Vec::new(),
    };
    let by_itself = match rule.turns_at {
        Some(at) => format!("if nothing happens: {comes} {}", when(at, now, zone)),
        None => format!("if nothing happens: stays so{}", changing(rule, now, zone)),
    };
    let becomes = |what_if: &WhatIf| match what_if.severity {
        Some(severity) => format!("{done} as {} with", severity.word()),
        None => format!("{done} with"),
    };
    let one = |change: &Change| {
        let (to, from) = (line(&change.becomes, 80), line(&change.now, 80));
        format!("{}: {to} (now {from})", change.path)
    };
    let with = match &rule.what_if {
        Some(what_if) => {
            let changes: Vec<String> = what_if.changes.iter().map(one).collect();
            format!("{} {}", becomes(what_if), changes.join(" and "))
        }
        None if rule.says == Says::Fires => "would clear: only when the case is resolved".to_owned(),
        None => "would fire: not by up to three values of this case changing".to_owned(),
    };
    vec![by_itself, with]
}

/// A change of severity still ahead.
fn changing(rule: &RuleLine, now: Timestamp, zone: &TimeZone) -> String {
    let severity = rule.changes_at.filter(|_| rule.says == Says::Fires);
    severity.map(|at| format!("; its severity may change {}", when(at, now, zone))).unwrap_or_default()
}

fn atom(atom: &AtomRead, now: Timestamp, zone: &TimeZone) -> String {
    let holds = match atom.holds {
        Some(true) => "yes",
        Some(false) => "no ",
        None => "?  ",
    };
    let reads: Vec<String> =
        atom.reads.iter().map(|read| format!("{} = {}", read.path, line(&read.value, 80))).collect();
    let next = atom.changes_at.map(|at| format!(", until {}", when(at, now, zone))).unwrap_or_default();
    format!("{holds} {}  ({}{next})", line(&atom.text, 120), reads.join(", "))
}

fn clock(clock: &ClockLine, now: Timestamp, zone: &TimeZone) -> String {
    let seconds = |seconds: i64| span(SignedDuration::from_secs(seconds));
    let used = match clock.target_seconds {
        Some(target) if target > 0 => {
            let percent = 100 * clock.elapsed_seconds / target;
            format!("{} of {} used ({percent} %)", seconds(clock.elapsed_seconds), seconds(target))
        }
        _ => format!("{} used, no target", seconds(clock.elapsed_seconds)),
    };
    let paused = clock.paused_because.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let end = match (clock.breached_at, clock.stopped_at, clock.due_at) {
        (Some(at), _, _) => format!("; missed {}", when(at, now, zone)),
        (None, Some(at), _) => format!("; stopped {}", when(at, now, zone)),
        (None, None, Some(at)) => format!("; due {}", when(at, now, zone)),
        (None, None, None) => String::new(),
    };
    format!("{}: {}{paused}, {used}{end}; calendar {}", clock.clock, clock.state, clock.calendar)
}

fn neighbours(told: &Explanation, zone: &TimeZone) -> Vec<String> {
    let Some(around) = &told.around else {
        return vec!["not told: there are too many cases to count them as of then".to_owned()];
    };
    let groups = [("customer", around.customer), ("owner", around.owner), ("team", around.team)];
    let group = |(name, facts): (&str, Option<GroupFacts>)| {
        let facts = facts?;
        let sources =
            if facts.sources > 1 { format!(" in {} systems", facts.sources) } else { String::new() };
        let counts =
            format!("{} urgent, {} unowned, {} unanswered", facts.urgent, facts.unowned, facts.unanswered);
        Some(format!("{name}: {} open{sources}; {counts}", facts.open))
    };
    let linked = |case: &LinkedCase| {
        let moved = when(case.moved_at, told.now, zone);
        format!(
            "linked {}: {}, last moved {moved}",
            line(&case.number, 40),
            case.status.word().replace('_', " ")
        )
    };
    groups.into_iter().filter_map(group).chain(around.linked.iter().map(linked)).collect()
}

/// What happened, when and by whom.
pub fn event(event: &TimelineEvent, zone: &TimeZone) -> String {
    let who = match event.actor {
        Actor::Customer => "customer",
        Actor::Agent => "agent",
        Actor::Vendor => "automation",
        Actor::Dutyd => "dutyd",
    };
    let person = event.by.as_deref().filter(|_| event.actor != Actor::Dutyd);
    let by = person.map(|by| format!(" {}", line(by, 40))).unwrap_or_default();
    format!("{}  {who}{by}: {}", instant(event.at, zone), happened(&event.kind))
}

fn happened(kind: &EventKind) -> String {
    let or = |value: Option<String>| line(&value.unwrap_or_else(|| "none".to_owned()), 60);
    let name = |party: &Option<dutyd_core::case::Party>| or(party.as_ref().map(|party| party.name.clone()));
    let priority =
        |priority: &Option<dutyd_core::case::Priority>| or(priority.map(|priority| priority.to_string()));
    match kind {
        EventKind::Created { signals } => format!("created{}", found(signals)),
        EventKind::Replied { public: true, signals } => format!("public reply{}", found(signals)),
        EventKind::Replied { public: false, signals } => format!("internal note{}", found(signals)),
        EventKind::StatusChanged { from, to } => format!("status {} -> {}", from.word(), to.word()),
        EventKind::PriorityChanged { from, to } => format!("priority {} -> {}", priority(from), priority(to)),
        EventKind::OwnerChanged { from, to } => format!("owner {} -> {}", name(from), name(to)),
        EventKind::TeamChanged { from, to } => format!("team {} -> {}", name(from), name(to)),
        EventKind::FieldChanged { field, from, to } => {
            format!("{} {} -> {}", line(field, 40), or(from.clone()), or(to.clone()))
        }
        EventKind::MarkChanged { from, to } => format!("our mark {} -> {}", or(from.clone()), or(to.clone())),
        EventKind::MergedInto { case } => format!("merged into {}", line(case, 60)),
        EventKind::Linked { case } => format!("linked to {}", line(case, 60)),
        EventKind::Unlinked { case } => format!("link to {} removed", line(case, 60)),
        EventKind::TargetAdopted { clock, policy } => {
            format!("{clock} takes its target from policy {}", line(policy, 12))
        }
    }
}

/// What the lexicon found in a text.
fn found(signals: &[String]) -> String {
    if signals.is_empty() { String::new() } else { format!(" ({})", signals.join(", ")) }
}

fn decisions(told: &Explanation, zone: &TimeZone) -> Vec<String> {
    let one = |said: &crate::desk::Saying| {
        let kind = format!("{:?}", said.kind).to_lowercase();
        let why = line(&said.why, SENTENCE_MAX);
        format!("{}  {kind} {} {}: {why}", instant(said.at, zone), said.severity.word(), said.rule)
    };
    told.decisions.iter().map(one).collect()
}

fn record(told: &Explanation) -> Vec<String> {
    let marks = &told.marks;
    let mut lines = Vec::new();
    match &marks.marker {
        None => lines.push("no mark of ours".to_owned()),
        Some(marker) => {
            let severity = marker.severity.map_or("none", dutyd_core::action::Severity::word);
            let cleared = if marks.severity_cleared { ", cleared by somebody" } else { "" };
            let rules: Vec<&str> = marker.flags.iter().map(|flag| flag.rule.as_str()).collect();
            lines.push(format!("severity {severity}{cleared}; flags: {}", rules.join(", ")));
        }
    }
    if let Some(why) = &marks.why {
        lines.push(format!("why: {}", line(why, SENTENCE_MAX)));
    }
    let complete = if marks.notes_complete { "" } else { " or more" };
    let notes = count(marks.notes.len() as u64, "note");
    lines.push(format!("{notes}{complete} of ours"));
    lines
}

fn outbox(told: &Explanation) -> Vec<String> {
    let one = |wanted: &crate::desk::OutboxLine| {
        let attempts =
            if wanted.attempts > 0 { format!(", {} attempts", wanted.attempts) } else { String::new() };
        let next = wanted.next_at.map(|at| format!(", next {}", relative(at, told.now))).unwrap_or_default();
        let because = wanted.because.as_ref().map(|why| format!(": {}", line(why, 200))).unwrap_or_default();
        format!("{} = {} [{}{attempts}{next}]{because}", wanted.slot, line(&wanted.want, 120), wanted.stage)
    };
    told.outbox.iter().map(one).collect()
}
