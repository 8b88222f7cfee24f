//! The words that all channels share: short, worst first, for somebody who was asleep a minute ago.
//!
//! Must not know: any channel's markup. What comes from vendors is one line of plain text here, bounded.

use super::letter::{Digest, FlagNotice, Letter, Risk, TeamPart};
use super::unseen::unseen_line;
use crate::cli::words::{count, line, span};
use dutyd_core::action::Severity;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use url::Url;

pub const TITLE_MAX: usize = 120;
pub const WHY_MAX: usize = 500;
pub const NAME_MAX: usize = 60;
/// Of a title and a reason in a list.
const LISTED_TITLE_MAX: usize = 80;
const LISTED_WHY_MAX: usize = 160;
/// Longer addresses become no links: no message has room for them.
const LINK_MAX: usize = 800;
/// Flags listed in one message; the rest is counted.
pub const LISTED_MAX: usize = 20;
/// Within this a weekday says which day is meant.
const THIS_WEEK: SignedDuration = SignedDuration::from_hours(6 * 24);

/// A value of a vendor: one line, bounded, and its direction of writing does not turn what stands around it.
pub fn plain(text: &str, max: usize) -> String {
    let line = line(text, max);
    let to_the_left = |c: char| matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}');
    if line.contains(to_the_left) { format!("\u{2068}{line}\u{2069}") } else { line }
}

/// Our own words with values in them, so long that they fit.
pub fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// `CRITICAL · 48 min left`: how bad, and for how long.
pub fn glance(flag: &FlagNotice, now: Timestamp) -> String {
    if flag.clears {
        return "CLEARED".to_owned();
    }
    let what = flag.severity.word().to_uppercase();
    match flag.due_at.map(|due_at| due_at.duration_since(now)) {
        Some(apart) if apart.is_positive() => format!("{what} · {} left", span(apart)),
        Some(apart) => format!("{what} · {} over", span(apart)),
        None => what,
    }
}

/// `INC0010001 · Acme Corp`.
pub fn case(flag: &FlagNotice) -> String {
    let customer = flag.customer.as_deref().map(|name| format!(" · {}", plain(name, NAME_MAX)));
    format!("{}{}", plain(&flag.number, NAME_MAX), customer.unwrap_or_default())
}

/// `CRITICAL · 48 min left · no owner · INC0010001 · Acme Corp`: in the order in which a phone cuts it off.
pub fn headline(flag: &FlagNotice, now: Timestamp) -> String {
    format!("{} · {} · {}", glance(flag, now), owner(&flag.owner), case(flag))
}

/// What a phone shows before the message is opened.
pub fn subject(letter: &Letter) -> String {
    let test = if letter.test { "TEST · " } else { "" };
    if let Some(digest) = letter.digest() {
        return format!("{test}{}", digest_headline(digest));
    }
    match letter.flags()[..] {
        [flag] => {
            format!("{test}{} · {}", headline(flag, letter.now), plain(&flag.title, LISTED_TITLE_MAX))
        }
        ref flags => {
            let first = flags.first().map(|flag| format!(" · first: {}", headline(flag, letter.now)));
            format!("{test}{}{}", group_headline(flags), first.unwrap_or_default())
        }
    }
}

/// `7 cases need a look: 2 critical, 5 candidates`.
pub fn group_headline(flags: &[&FlagNotice]) -> String {
    let raised: Vec<_> = flags.iter().filter(|flag| !flag.clears).collect();
    let cleared = flags.len() - raised.len();
    let mut cases: Vec<_> = raised.iter().map(|flag| (&flag.source, &flag.number)).collect();
    cases.sort();
    cases.dedup();
    let of = |severity: Severity| raised.iter().filter(|flag| flag.severity == severity).count() as u64;
    let mut words = Vec::new();
    if of(Severity::Critical) > 0 {
        words.push(format!("{} critical", of(Severity::Critical)));
    }
    if of(Severity::Candidate) > 0 {
        words.push(count(of(Severity::Candidate), "candidate"));
    }
    if raised.is_empty() {
        return format!("{} cleared", count(cleared as u64, "flag"));
    }
    let verb = if cases.len() == 1 { "needs" } else { "need" };
    let also =
        if cleared > 0 { format!("; {} cleared", count(cleared as u64, "flag")) } else { String::new() };
    format!("{} {verb} a look: {}{also}", count(cases.len() as u64, "case"), words.join(", "))
}

pub fn title(flag: &FlagNotice) -> String {
    plain(&flag.title, TITLE_MAX)
}

pub fn why(flag: &FlagNotice) -> String {
    plain(&flag.why, WHY_MAX)
}

/// What else one must know, as name and value.
pub fn facts(flag: &FlagNotice, now: Timestamp, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let name = |name: &Option<String>| name.as_deref().map(|name| plain(name, NAME_MAX));
    let mut facts = Vec::new();
    if !flag.clears {
        facts.push(("Time left", time_left(flag, now, zone)));
    }
    facts.push(("Owner", name(&flag.owner).unwrap_or_else(|| "nobody".to_owned())));
    facts.extend(name(&flag.team).map(|team| ("Team", team)));
    facts.push(("Rule", format!("{} ({})", plain(&flag.rule_title, NAME_MAX), plain(&flag.rule, NAME_MAX))));
    facts.push(("Since", clock_time(flag.raised_at, now, zone)));
    facts.push(("System", plain(&flag.source, NAME_MAX)));
    facts
}

/// `48 min until resolution (14:05 CET)`, `resolution is 20 min over`, `no target is running`.
fn time_left(flag: &FlagNotice, now: Timestamp, zone: &TimeZone) -> String {
    let (Some(clock), Some(due_at)) = (&flag.clock, flag.due_at) else {
        return "no target is running".to_owned();
    };
    let clock = plain(&clock.replace('_', " "), NAME_MAX);
    let apart = due_at.duration_since(now);
    let at = clock_time(due_at, now, zone);
    match apart.is_positive() {
        true => format!("{} until {clock} ({at})", span(apart)),
        false => format!("{clock} is {} over ({at})", span(apart)),
    }
}

/// `Mon 14:05 CET`, or with its date when that is not of this week.
pub fn clock_time(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let form = if at.duration_since(now).abs() < THIS_WEEK { "%a %H:%M %Z" } else { "%a %-d %b %Y %H:%M %Z" };
    at.to_zoned(zone.clone()).strftime(form).to_string()
}

/// A flag in a list, behind its case's number: `CRITICAL · 48 min left · no owner · Acme Corp`.
pub fn listed_head(flag: &FlagNotice, now: Timestamp) -> String {
    let customer = flag.customer.as_deref().map(|name| format!(" · {}", plain(name, NAME_MAX)));
    format!("{} · {}{}", glance(flag, now), owner(&flag.owner), customer.unwrap_or_default())
}

/// Its case's title and the reason.
pub fn listed_body(flag: &FlagNotice) -> (String, String) {
    (plain(&flag.title, LISTED_TITLE_MAX), plain(&flag.why, LISTED_WHY_MAX))
}

pub fn owner(name: &Option<String>) -> String {
    name.as_deref().map_or("no owner".to_owned(), |name| format!("owner {}", plain(name, NAME_MAX)))
}

/// A target at risk, behind its case's number: `first response in 3 h (Mon 14:05 CET) · no owner · Acme Corp`.
pub fn risk_head(risk: &Risk, now: Timestamp, zone: &TimeZone) -> String {
    let customer = risk.customer.as_deref().map(|name| format!(" · {}", plain(name, NAME_MAX)));
    let clock = plain(&risk.clock.replace('_', " "), NAME_MAX);
    let (left, at) = (span(risk.due_at.duration_since(now)), clock_time(risk.due_at, now, zone));
    format!("{clock} in {left} ({at}) · {}{}", owner(&risk.owner), customer.unwrap_or_default())
}

pub fn risk_title(risk: &Risk) -> String {
    plain(&risk.title, LISTED_TITLE_MAX)
}

/// `… and 12 more: dutyd list`.
pub fn more(all: usize, shown: usize) -> Option<String> {
    (all > shown).then(|| format!("… and {} more: dutyd list", all - shown))
}

/// Stands at the end of a message that its channel could not take whole.
pub const CUT: &str = "… and more than fits here: dutyd list";

pub fn digest_headline(digest: &Digest) -> String {
    let flags: usize = digest.teams.iter().map(|team| team.flags_count).sum();
    let risks: usize = digest.teams.iter().map(|team| team.risks_count).sum();
    match (flags, risks) {
        (0, 0) => format!(
            "Digest {}: {}nothing flagged, no target at risk within a day",
            digest.day,
            unseen(digest)
        ),
        _ => format!(
            "Digest {}: {}{} flagged, {} at risk within a day",
            digest.day,
            unseen(digest),
            count(flags as u64, "case"),
            count(risks as u64, "target")
        ),
    }
}

/// `not seen: jira, servicenow; otherwise `: before what could be taken for all there is.
fn unseen(digest: &Digest) -> String {
    let names: Vec<&str> = digest.unseen.iter().map(|unseen| unseen.source.as_str()).collect();
    match names[..] {
        [] => String::new(),
        _ => format!("not seen: {}; otherwise ", plain(&names.join(", "), NAME_MAX)),
    }
}

/// A line for each source that is not seen.
pub fn unseen_lines(digest: &Digest, now: Timestamp, zone: &TimeZone) -> Vec<String> {
    digest.unseen.iter().map(|unseen| unseen_line(unseen, now, zone)).collect()
}

pub fn team_name(part: &TeamPart) -> String {
    part.team.as_deref().map_or("No team".to_owned(), |name| plain(name, NAME_MAX))
}

/// Over the targets of a team.
pub const AT_RISK: &str = "At risk within a day";

/// A digest that did not look at all cases says so.
pub fn partial(digest: &Digest) -> Option<&'static str> {
    digest.partial.then_some("Only the first 200,000 cases were looked at for targets at risk.")
}

/// Before a sentence that is not of now.
pub const WHEN_RAISED: &str = "When raised: ";

/// The line under every test.
pub const TEST: &str = "This is a test of the channel. The case does not exist; nobody needs to act.";

/// The address, if it is one that opens a page: nothing else becomes a link.
pub fn web_link(link: &Option<String>) -> Option<String> {
    let url = Url::parse(link.as_deref()?).ok()?;
    let link = matches!(url.scheme(), "http" | "https").then(|| url.to_string())?;
    (link.len() <= LINK_MAX).then_some(link)
}
