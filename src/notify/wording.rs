//! The words that all channels share: short, worst first, for somebody who was asleep a minute ago.
//!
//! Must not know: any channel's markup. What comes from vendors is one line of plain text here, bounded.

use super::letter::{Digest, FlagNotice, Letter, Risk, TeamPart};
use crate::cli::words::{count, line, span};
use dutyd_core::action::Severity;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use url::Url;

pub const TITLE_MAX: usize = 120;
pub const WHY_MAX: usize = 500;
const NAME_MAX: usize = 60;
/// Flags listed in one message; the rest is counted.
pub const LISTED_MAX: usize = 20;

/// `CRITICAL · INC0010001 · Acme Corp`.
pub fn headline(flag: &FlagNotice) -> String {
    let what = if flag.clears { "CLEARED".to_owned() } else { flag.severity.word().to_uppercase() };
    let customer = flag.customer.as_deref().map(|name| format!(" · {}", line(name, NAME_MAX)));
    format!("{what} · {}{}", line(&flag.number, NAME_MAX), customer.unwrap_or_default())
}

/// What a phone shows before the message is opened.
pub fn subject(letter: &Letter) -> String {
    let test = if letter.test { "TEST · " } else { "" };
    if let Some(digest) = letter.digest() {
        return format!("{test}{}", digest_headline(digest));
    }
    match letter.flags()[..] {
        [flag] => format!("{test}{} · {}", headline(flag), line(&flag.title, 80)),
        ref flags => format!("{test}{}", group_headline(flags)),
    }
}

/// `7 cases need a look: 2 critical, 5 candidate`.
pub fn group_headline(flags: &[&FlagNotice]) -> String {
    let raised: Vec<_> = flags.iter().filter(|flag| !flag.clears).collect();
    let cleared = flags.len() - raised.len();
    let mut cases: Vec<_> = raised.iter().map(|flag| (&flag.source, &flag.number)).collect();
    cases.sort();
    cases.dedup();
    let of = |severity: Severity| raised.iter().filter(|flag| flag.severity == severity).count();
    let words = [Severity::Critical, Severity::Candidate]
        .into_iter()
        .filter(|severity| of(*severity) > 0)
        .map(|severity| format!("{} {}", of(severity), severity.word()));
    let words: Vec<String> = words.collect();
    let verb = if cases.len() == 1 { "needs" } else { "need" };
    match (raised.len(), cleared) {
        (0, cleared) => format!("{} cleared", count(cleared as u64, "flag")),
        (_, 0) => format!("{} {verb} a look: {}", count(cases.len() as u64, "case"), words.join(", ")),
        (_, cleared) => format!(
            "{} {verb} a look: {}; {cleared} cleared",
            count(cases.len() as u64, "case"),
            words.join(", ")
        ),
    }
}

pub fn title(flag: &FlagNotice) -> String {
    line(&flag.title, TITLE_MAX)
}

pub fn why(flag: &FlagNotice) -> String {
    line(&flag.why, WHY_MAX)
}

/// What else one must know, as name and value.
pub fn facts(flag: &FlagNotice, now: Timestamp, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let name = |name: &Option<String>| name.as_deref().map(|name| line(name, NAME_MAX));
    let mut facts = Vec::new();
    if !flag.clears {
        facts.push(("Time left", time_left(flag, now, zone)));
    }
    facts.push(("Owner", name(&flag.owner).unwrap_or_else(|| "nobody".to_owned())));
    facts.extend(name(&flag.team).map(|team| ("Team", team)));
    facts.push(("Rule", format!("{} ({})", line(&flag.rule_title, NAME_MAX), line(&flag.rule, NAME_MAX))));
    facts.push(("Since", clock_time(flag.raised_at, zone)));
    facts.push(("System", line(&flag.source, NAME_MAX)));
    facts
}

/// `48 min until resolution (14:05 CET)`, `resolution is 20 min over`, `no clock runs`.
fn time_left(flag: &FlagNotice, now: Timestamp, zone: &TimeZone) -> String {
    let (Some(clock), Some(due_at)) = (&flag.clock, flag.due_at) else { return "no clock runs".to_owned() };
    let clock = line(&clock.replace('_', " "), NAME_MAX);
    let apart = due_at.duration_since(now);
    match apart.is_positive() {
        true => format!("{} until {clock} ({})", span(apart), clock_time(due_at, zone)),
        false => format!("{clock} is {} over", span(apart)),
    }
}

/// `14:05 CET`, with the day in front where it is not obvious.
fn clock_time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %H:%M %Z").to_string()
}

/// One flag in one line of a list, without its case's number.
pub fn listed(flag: &FlagNotice, now: Timestamp) -> String {
    let what = if flag.clears { "cleared" } else { flag.severity.word() };
    let customer = flag.customer.as_deref().map(|name| format!(" · {}", line(name, NAME_MAX)));
    let left = match flag.due_at.filter(|_| !flag.clears).map(|due_at| due_at.duration_since(now)) {
        Some(apart) if apart.is_positive() => format!(" · {} left", span(apart)),
        Some(apart) => format!(" · {} over", span(apart)),
        None => String::new(),
    };
    let owner = owner(&flag.owner);
    format!("{what}{} · {}{left} · {owner}", customer.unwrap_or_default(), line(&flag.why, 160))
}

fn owner(name: &Option<String>) -> String {
    name.as_deref().map_or("no owner".to_owned(), |name| line(name, NAME_MAX))
}

pub fn risk(risk: &Risk, now: Timestamp, zone: &TimeZone) -> String {
    let customer = risk.customer.as_deref().map(|name| format!("{} · ", line(name, NAME_MAX)));
    let owner = owner(&risk.owner);
    let clock = line(&risk.clock.replace('_', " "), NAME_MAX);
    let left = span(risk.due_at.duration_since(now));
    format!(
        "{}{} · {clock} in {left} ({}) · {owner}",
        customer.unwrap_or_default(),
        line(&risk.title, 80),
        clock_time(risk.due_at, zone)
    )
}

/// `… and 12 more: dutyd list`.
pub fn more(all: usize, shown: usize) -> Option<String> {
    (all > shown).then(|| format!("… and {} more: dutyd list", all - shown))
}

pub fn digest_headline(digest: &Digest) -> String {
    let flags: usize = digest.teams.iter().map(|team| team.flags_count).sum();
    let risks: usize = digest.teams.iter().map(|team| team.risks_count).sum();
    match (flags, risks) {
        (0, 0) => format!("{}: no open flags, no target at risk within a day", digest.day),
        _ => format!(
            "{}: {}, {} at risk within a day",
            digest.day,
            count(flags as u64, "open flag"),
            count(risks as u64, "target")
        ),
    }
}

pub fn team_name(part: &TeamPart) -> String {
    part.team.as_deref().map_or("No team".to_owned(), |name| line(name, NAME_MAX))
}

/// A digest that did not look at all cases says so.
pub fn partial(digest: &Digest) -> Option<&'static str> {
    digest.partial.then_some("Only the first 200,000 cases were looked at for targets at risk.")
}

/// The line under every test.
pub const TEST: &str = "This is a test of the channel. The case does not exist; nobody needs to act.";

/// The address, if it is one that opens a page: nothing else becomes a link.
pub fn web_link(link: &Option<String>) -> Option<String> {
    let url = Url::parse(link.as_deref()?).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.to_string())
}
