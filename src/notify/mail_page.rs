//! The HTML of a mail: tables and inline styles, because that is what mail programs share. No picture, no script, nothing
//! fetched. Colours are readable on white and on black; none is set where the reader's own will do.
//!
//! <https://www.caniemail.com>

use super::letter::{Digest, FlagNotice};
use super::wording;
use dutyd_core::action::Severity;
use jiff::Timestamp;
use jiff::tz::TimeZone;

const TABLE: &str = "role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"";
const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.4;\
                    text-align:left;word-break:break-word;overflow-wrap:anywhere";
/// Less important; as readable on white as on black.
const MUTED: &str = "color:#767676";
/// Of what somebody must act upon.
const RED: &str = "#b3261e";
/// Of what is neither good nor bad.
const SLATE: &str = "#44546a";

/// A whole page of rows. `subject` is what a program shows that shows titles.
pub fn page(subject: &str, rows: &str, test: Option<&str>) -> String {
    let test = test.map(|said| row("padding:8px 16px", &format!("<i>{}</i>", escape(said))));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><meta name=\"supported-color-schemes\" content=\"light dark\">\
         <title>{}</title></head>\n<body style=\"margin:0;padding:0\">\n\
         <table {TABLE}><tr><td align=\"center\" style=\"padding:8px\">\n\
         <table {TABLE} style=\"max-width:600px;{FONT}\">\n{rows}{}</table>\n</td></tr></table>\n</body></html>\n",
        escape(subject),
        test.unwrap_or_default()
    )
}

pub fn flag(flag: &FlagNotice, now: Timestamp, zone: &TimeZone) -> String {
    let mut rows = hidden(&format!("{} {}", wording::title(flag), wording::why(flag)));
    rows.push_str(&band(
        color(flag),
        &format!("{} · {}", wording::glance(flag, now), wording::owner(&flag.owner)),
    ));
    let title = format!("<b style=\"font-size:18px\">{}</b>", escape(&wording::title(flag)));
    rows.push_str(&row("padding:12px 16px 0", &title));
    rows.push_str(&row(&format!("padding:0 16px;{MUTED}"), &escape(&wording::case(flag))));
    rows.push_str(&row("padding:12px 16px 0", &escape(&wording::why(flag))));
    if let Some(link) = wording::web_link(&flag.link) {
        let name = format!("Open {}", wording::plain(&flag.number, wording::NAME_MAX));
        rows.push_str(&row("padding:14px 16px 2px", &button(&link, &name)));
    }
    let facts = wording::facts(flag, now, zone);
    let facts = facts.iter().map(|(name, value)| {
        format!(
            "<tr><td width=\"88\" valign=\"top\" style=\"padding:2px 12px 2px 0;{MUTED};white-space:nowrap\">{name}</td>\
             <td valign=\"top\" style=\"padding:2px 0\">{}</td></tr>\n",
            escape(value)
        )
    });
    let facts: String = facts.collect();
    rows.push_str(&row("padding:12px 16px", &format!("<table {TABLE} style=\"{FONT}\">\n{facts}</table>")));
    rows
}

pub fn group(flags: &[&FlagNotice], now: Timestamp) -> String {
    let worst = flags.first().map_or(SLATE, |flag| color(flag));
    let mut rows = band(worst, &wording::group_headline(flags));
    rows.extend(flags.iter().take(wording::LISTED_MAX).map(|flag| item(flag, now)));
    rows.push_str(&aside(wording::more(flags.len(), wording::LISTED_MAX).as_deref()));
    rows
}

pub fn digest(digest: &Digest, now: Timestamp, zone: &TimeZone) -> String {
    let unseen = wording::unseen_lines(digest, now, zone);
    let mut rows: String = unseen.iter().map(|line| band(RED, line)).collect();
    rows.push_str(&band(SLATE, &wording::digest_headline(digest)));
    for team in &digest.teams {
        let name = format!("<b style=\"font-size:18px\">{}</b>", escape(&wording::team_name(team)));
        rows.push_str(&row("padding:18px 0 2px", &name));
        rows.extend(team.flags.iter().map(|flag| item(flag, now)));
        rows.push_str(&aside(wording::more(team.flags_count, team.flags.len()).as_deref()));
        if team.risks.is_empty() {
            continue;
        }
        rows.push_str(&row(&format!("padding:12px 0 2px;{MUTED}"), wording::AT_RISK));
        rows.extend(team.risks.iter().map(|risk| {
            let head = wording::risk_head(risk, now, zone);
            entry(SLATE, (&risk.number, &risk.link), &head, &wording::risk_title(risk), "")
        }));
        rows.push_str(&aside(wording::more(team.risks_count, team.risks.len()).as_deref()));
    }
    rows.push_str(&aside(wording::partial(digest)));
    rows
}

fn item(flag: &FlagNotice, now: Timestamp) -> String {
    let (title, why) = wording::listed_body(flag);
    entry(color(flag), (&flag.number, &flag.link), &wording::listed_head(flag, now), &title, &why)
}

/// A case in a list, with a stripe of colour in front.
fn entry(color: &str, (number, link): (&str, &Option<String>), head: &str, title: &str, why: &str) -> String {
    let number = escape(&wording::plain(number, wording::NAME_MAX));
    let number = wording::web_link(link).map_or(number.clone(), |link| anchor(&link, &number, ""));
    let why = if why.is_empty() { String::new() } else { format!("<br>{}", escape(why)) };
    let said = format!("<b>{number}</b> · {}<br><b>{}</b>{why}", escape(head), escape(title));
    let cells = format!(
        "<td width=\"4\" style=\"width:4px;font-size:0;background-color:{color}\" bgcolor=\"{color}\">&nbsp;</td>\
         <td style=\"padding:2px 12px\">{said}</td>"
    );
    row("padding:8px 0 0", &format!("<table {TABLE} style=\"{FONT}\"><tr>{cells}</tr></table>"))
}

/// What a phone shows below the subject, before the mail is opened.
fn hidden(said: &str) -> String {
    row(
        "padding:0",
        &format!("<div style=\"display:none;max-height:0;overflow:hidden\">{}</div>", escape(said)),
    )
}

fn band(color: &str, said: &str) -> String {
    format!(
        "<tr><td bgcolor=\"{color}\" style=\"background-color:{color};color:#ffffff;padding:10px 16px;font-size:18px;\
         font-weight:bold\">{}</td></tr>\n",
        escape(said)
    )
}

fn button(link: &str, name: &str) -> String {
    let color = "#1f4f8f";
    let looks = "color:#ffffff;text-decoration:none;font-weight:bold";
    format!(
        "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr><td bgcolor=\"{color}\" \
         style=\"background-color:{color};padding:9px 18px\">{}</td></tr></table>",
        anchor(link, &escape(name), looks)
    )
}

fn row(looks: &str, inner: &str) -> String {
    format!("<tr><td style=\"{looks}\">{inner}</td></tr>\n")
}

fn aside(said: Option<&str>) -> String {
    said.map(|said| row(&format!("padding:8px 0;{MUTED}"), &escape(said))).unwrap_or_default()
}

fn color(flag: &FlagNotice) -> &'static str {
    match (flag.clears, flag.severity) {
        (true, _) => "#1a7f37",
        (false, Severity::Critical) => RED,
        (false, _) => "#9a5b00",
    }
}

/// `inner` is markup already.
fn anchor(link: &str, inner: &str, looks: &str) -> String {
    format!("<a href=\"{}\" style=\"{looks}\">{inner}</a>", escape(link))
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
