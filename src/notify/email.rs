//! E-mail: a subject that says it all, plain text, and the same as HTML.
//!
//! Must not know: how mail is carried. Headers are encoded there; here a subject is one line.

use super::channel::MailSettings;
use super::letter::{Digest, FlagNotice, Letter, Mail, Parcel};
use super::wording;
use crate::cli::words::line;
use dutyd_core::action::Severity;
use jiff::Timestamp;
use jiff::tz::TimeZone;

const SUBJECT_MAX: usize = 160;

pub fn parcel(letter: &Letter, settings: &MailSettings, zone: &TimeZone) -> Parcel {
    let domain = settings.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let domain = domain.trim_end_matches('>');
    let (mut text, mut html) = match letter.digest() {
        Some(digest) => digest_bodies(digest, letter.now, zone),
        None => match letter.flags()[..] {
            [flag] => flag_bodies(flag, letter.now, zone),
            ref flags => group_bodies(flags, letter.now),
        },
    };
    if letter.test {
        text.push_str(&format!("\n{}\n", wording::TEST));
        html.push_str(&format!("<p><i>{}</i></p>", wording::TEST));
    }
    Parcel::Mail(Mail {
        id: format!("<{}@{domain}>", letter.id),
        subject: line(&format!("[dutyd] {}", wording::subject(letter)), SUBJECT_MAX),
        text,
        html: format!("<!doctype html><html><body style=\"font-family:sans-serif\">{html}</body></html>"),
    })
}

fn flag_bodies(flag: &FlagNotice, now: Timestamp, zone: &TimeZone) -> (String, String) {
    let (headline, title, why) = (wording::headline(flag), wording::title(flag), wording::why(flag));
    let mut text = format!("{headline}\n{title}\n\n{why}\n\n");
    let mut html = format!(
        "<h2 style=\"color:{}\">{}</h2><p><b>{}</b></p><p>{}</p><table>",
        color(flag),
        escape(&headline),
        escape(&title),
        escape(&why)
    );
    for (name, value) in wording::facts(flag, now, zone) {
        text.push_str(&format!("{:<10} {value}\n", format!("{name}:")));
        html.push_str(&format!(
            "<tr><td style=\"color:#666;padding-right:1em\">{name}</td><td>{}</td></tr>",
            escape(&value)
        ));
    }
    html.push_str("</table>");
    if let Some(link) = wording::web_link(&flag.link) {
        text.push_str(&format!("\n{link}\n"));
        html.push_str(&format!("<p>{}</p>", anchor(&link, &format!("Open {}", line(&flag.number, 60)))));
    }
    (text, html)
}

fn group_bodies(flags: &[&FlagNotice], now: Timestamp) -> (String, String) {
    let headline = wording::group_headline(flags);
    let (mut text, mut html) = (format!("{headline}\n\n"), format!("<h2>{}</h2><ul>", escape(&headline)));
    for flag in flags.iter().take(wording::LISTED_MAX) {
        item(&flag.number, &flag.link, color(flag), &wording::listed(flag, now), &mut text, &mut html);
    }
    html.push_str("</ul>");
    aside(wording::more(flags.len(), wording::LISTED_MAX).as_deref(), &mut text, &mut html);
    (text, html)
}

fn digest_bodies(digest: &Digest, now: Timestamp, zone: &TimeZone) -> (String, String) {
    let headline = wording::digest_headline(digest);
    let (mut text, mut html) = (format!("{headline}\n"), format!("<h2>{}</h2>", escape(&headline)));
    for team in &digest.teams {
        let name = wording::team_name(team);
        text.push_str(&format!("\n{name}\n"));
        html.push_str(&format!("<h3>{}</h3><ul>", escape(&name)));
        for flag in &team.flags {
            item(&flag.number, &flag.link, color(flag), &wording::listed(flag, now), &mut text, &mut html);
        }
        html.push_str("</ul>");
        aside(wording::more(team.flags_count, team.flags.len()).as_deref(), &mut text, &mut html);
        if team.risks.is_empty() {
            continue;
        }
        text.push_str("  at risk within a day:\n");
        html.push_str("<p>At risk within a day:</p><ul>");
        for risk in &team.risks {
            let said = wording::risk(risk, now, zone);
            item(&risk.number, &risk.link, "#000", &said, &mut text, &mut html);
        }
        html.push_str("</ul>");
        aside(wording::more(team.risks_count, team.risks.len()).as_deref(), &mut text, &mut html);
    }
    aside(wording::partial(digest), &mut text, &mut html);
    (text, html)
}

fn item(number: &str, link: &Option<String>, color: &str, said: &str, text: &mut String, html: &mut String) {
    let number = line(number, 60);
    let shown = match wording::web_link(link) {
        Some(link) => anchor(&link, &number),
        None => escape(&number),
    };
    text.push_str(&format!("- {number}  {said}\n"));
    html.push_str(&format!("<li style=\"color:{color}\">{shown} {}</li>", escape(said)));
}

fn aside(said: Option<&str>, text: &mut String, html: &mut String) {
    if let Some(said) = said {
        text.push_str(&format!("  {said}\n"));
        html.push_str(&format!("<p>{}</p>", escape(said)));
    }
}

fn color(flag: &FlagNotice) -> &'static str {
    match (flag.clears, flag.severity) {
        (true, _) => "#1a7f37",
        (false, Severity::Critical) => "#b00020",
        (false, _) => "#9a5b00",
    }
}

fn anchor(link: &str, text: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escape(link), escape(text))
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}
