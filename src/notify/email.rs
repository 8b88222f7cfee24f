//! E-mail: a subject that says it all, plain text of 78 columns, and the same as HTML.
//!
//! Must not know: how mail is carried. Headers are encoded there; here a subject is one line.

use super::channel::MailSettings;
use super::letter::{Digest, FlagNotice, Letter, Mail, Parcel};
use super::{mail_page, wording};
use jiff::Timestamp;
use jiff::tz::TimeZone;

const SUBJECT_MAX: usize = 160;
/// Columns of the text; only an address may be longer.
const WIDTH: usize = 78;

pub fn parcel(letter: &Letter, settings: &MailSettings, zone: &TimeZone) -> Parcel {
    let domain = settings.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let domain = domain.trim_end_matches('>');
    let (now, flags) = (letter.now, letter.flags());
    let (mut text, html) = match (letter.digest(), &flags[..]) {
        (Some(digest), _) => (digest_text(digest, now, zone), mail_page::digest(digest, now, zone)),
        (None, [flag]) => (flag_text(flag, now, zone), mail_page::flag(flag, now, zone)),
        (None, flags) => (group_text(flags, now), mail_page::group(flags, now)),
    };
    if letter.test {
        text.push_str(&format!("\n{}\n", wording::TEST));
    }
    let subject = wording::cut(&wording::subject(letter), SUBJECT_MAX);
    let html = mail_page::page(&subject, &html, letter.test.then_some(wording::TEST));
    Parcel::Mail(Mail { id: format!("<{}@{domain}>", letter.id), subject, text, html })
}

/// The subject says how bad it is; the first lines, which a phone shows below it, say what.
fn flag_text(flag: &FlagNotice, now: Timestamp, zone: &TimeZone) -> String {
    let mut text = String::new();
    paragraph(&mut text, "", &wording::title(flag));
    paragraph(&mut text, "", &wording::case(flag));
    text.push('\n');
    paragraph(&mut text, "", &wording::why(flag));
    address(&mut text, "\n", &flag.link);
    text.push('\n');
    let severity = if flag.clears { "cleared" } else { flag.severity.word() };
    let facts = std::iter::once(("Severity", severity.to_owned())).chain(wording::facts(flag, now, zone));
    for (name, value) in facts {
        text.push_str(&format!("{:<10} {value}\n", format!("{name}:")));
    }
    text
}

fn group_text(flags: &[&FlagNotice], now: Timestamp) -> String {
    let mut text = format!("{}\n", wording::group_headline(flags));
    flags.iter().take(wording::LISTED_MAX).for_each(|flag| item(&mut text, flag, now));
    aside(&mut text, wording::more(flags.len(), wording::LISTED_MAX).as_deref());
    text
}

fn digest_text(digest: &Digest, now: Timestamp, zone: &TimeZone) -> String {
    let mut text = String::new();
    wording::unseen_lines(digest, now, zone).iter().for_each(|line| paragraph(&mut text, "", line));
    paragraph(&mut text, "", &wording::digest_headline(digest));
    for team in &digest.teams {
        let name = wording::team_name(team);
        text.push_str(&format!("\n{name}\n{}\n", "-".repeat(name.chars().count())));
        team.flags.iter().for_each(|flag| item(&mut text, flag, now));
        aside(&mut text, wording::more(team.flags_count, team.flags.len()).as_deref());
        if team.risks.is_empty() {
            continue;
        }
        text.push_str(&format!("\n{}:\n", wording::AT_RISK));
        for risk in &team.risks {
            let number = wording::plain(&risk.number, wording::NAME_MAX);
            paragraph(&mut text, "", &format!("{number} · {}", wording::risk_head(risk, now, zone)));
            paragraph(&mut text, "  ", &wording::risk_title(risk));
            address(&mut text, "  ", &risk.link);
        }
        aside(&mut text, wording::more(team.risks_count, team.risks.len()).as_deref());
    }
    aside(&mut text, wording::partial(digest));
    text
}

fn item(text: &mut String, flag: &FlagNotice, now: Timestamp) {
    let number = wording::plain(&flag.number, wording::NAME_MAX);
    let (title, why) = wording::listed_body(flag);
    text.push('\n');
    paragraph(text, "", &format!("{number} · {}", wording::listed_head(flag, now)));
    paragraph(text, "  ", &title);
    paragraph(text, "  ", &why);
    address(text, "  ", &flag.link);
}

fn address(text: &mut String, before: &str, link: &Option<String>) {
    if let Some(link) = wording::web_link(link) {
        text.push_str(&format!("{before}{link}\n"));
    }
}

fn aside(text: &mut String, said: Option<&str>) {
    if let Some(said) = said {
        text.push_str(&format!("\n{said}\n"));
    }
}

/// Broken at spaces; every line after the first stands further in.
fn paragraph(text: &mut String, indent: &str, said: &str) {
    let mut width = 0;
    text.push_str(indent);
    for word in said.split_whitespace() {
        let long = word.chars().count();
        if width > 0 && indent.len() + width + 1 + long > WIDTH {
            text.push_str(&format!("\n{indent}"));
            width = 0;
        } else if width > 0 {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += long;
    }
    text.push('\n');
}
