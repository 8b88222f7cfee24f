//! Microsoft Teams by a workflow's webhook, as an Adaptive Card. What comes from vendors stands in text runs, which have no
//! markup; text blocks, which read Markdown, are for our own words.
//!
//! <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>
//! <https://adaptivecards.io/explorer/RichTextBlock.html>

use super::letter::{Digest, FlagNotice, Letter, Parcel, Post};
use super::wording;
use dutyd_core::action::Severity;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde_json::{Value, json};

/// Teams refuses messages beyond 28 KB.
const CARD_BYTES_MAX: usize = 26 * 1024;

pub fn parcel(letter: &Letter, url: &SecretString, zone: &TimeZone) -> Result<Parcel, String> {
    let mut body = match letter.digest() {
        Some(digest) => digest_parts(digest, letter.now, zone),
        None => match letter.flags()[..] {
            [flag] => flag_parts(flag, letter.now, zone),
            ref flags => group_parts(flags, letter.now),
        },
    };
    if letter.test {
        body.insert(1, small(wording::TEST));
    }
    let open = match letter.flags()[..] {
        [flag] => wording::web_link(&flag.link).map(|url| (flag, url)),
        _ => None,
    };
    let actions: Vec<Value> = open
        .map(|(flag, url)| {
            let title = format!("Open {}", wording::plain(&flag.number, wording::NAME_MAX));
            json!({ "type": "Action.OpenUrl", "title": title, "url": url })
        })
        .into_iter()
        .collect();
    let summary = wording::subject(letter);
    let mut message = card(&summary, &body, &actions);
    while message.len() > CARD_BYTES_MAX && body.len() > 2 {
        body.truncate(body.len() - 2);
        body.push(small(wording::CUT));
        message = card(&summary, &body, &actions);
    }
    let headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
    Ok(Parcel::Post(Post { url: url.clone(), headers, body: message }))
}

/// `summary` stands where a card cannot: in a notification, read aloud, in a program that does not know the card.
fn card(summary: &str, body: &[Value], actions: &[Value]) -> String {
    let content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": summary,
        "msteams": { "width": "Full" },
        "body": body,
        "actions": actions,
    });
    let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": content });
    json!({ "type": "message", "summary": summary, "attachments": [attachment] }).to_string()
}

fn flag_parts(flag: &FlagNotice, now: Timestamp, zone: &TimeZone) -> Vec<Value> {
    let mut parts = vec![
        heading(&wording::glance(flag, now), color(flag)),
        rich(&[run(&wording::title(flag), &[("weight", "Bolder")])]),
        subtle(&wording::case(flag)),
        rich(&[run(&wording::why(flag), &[])]),
    ];
    for (name, value) in wording::facts(flag, now, zone) {
        parts.push(rich(&[run(&format!("{name}: "), &[("weight", "Bolder")]), run(&value, &[])]));
    }
    parts
}

fn group_parts(flags: &[&FlagNotice], now: Timestamp) -> Vec<Value> {
    let mut parts = vec![heading(&wording::group_headline(flags), "Default")];
    parts.extend(flags.iter().take(wording::LISTED_MAX).flat_map(|flag| item(flag, now)));
    parts.extend(wording::more(flags.len(), wording::LISTED_MAX).map(|more| small(&more)));
    parts
}

fn digest_parts(digest: &Digest, now: Timestamp, zone: &TimeZone) -> Vec<Value> {
    let mut parts = vec![heading(&wording::digest_headline(digest), "Default")];
    let unseen = wording::unseen_lines(digest, now, zone);
    parts.extend(
        unseen.iter().map(|line| rich(&[run(line, &[("weight", "Bolder"), ("color", "Attention")])])),
    );
    for team in &digest.teams {
        parts.push(rich(&[run(&wording::team_name(team), &[("weight", "Bolder")])]));
        parts.extend(team.flags.iter().flat_map(|flag| item(flag, now)));
        parts.extend(wording::more(team.flags_count, team.flags.len()).map(|more| small(&more)));
        if !team.risks.is_empty() {
            parts.push(subtle(wording::AT_RISK));
        }
        parts.extend(team.risks.iter().flat_map(|risk| {
            let head = wording::risk_head(risk, now, zone);
            entry((&risk.number, &risk.link, "Accent"), &head, &wording::risk_title(risk), "")
        }));
        parts.extend(wording::more(team.risks_count, team.risks.len()).map(|more| small(&more)));
    }
    parts.extend(wording::partial(digest).map(small));
    parts
}

fn item(flag: &FlagNotice, now: Timestamp) -> [Value; 2] {
    let (title, why) = wording::listed_body(flag);
    entry((&flag.number, &flag.link, color(flag)), &wording::listed_head(flag, now), &title, &why)
}

/// A case in a list: two lines that belong together.
fn entry(
    (case, link, color): (&str, &Option<String>, &str),
    head: &str,
    title: &str,
    why: &str,
) -> [Value; 2] {
    let mut first = rich(&[number(case, link, color), run(&format!(" · {head}"), &[])]);
    first["spacing"] = json!("Medium");
    let mut second = rich(&[run(&format!("{title} "), &[("weight", "Bolder")]), run(why, &[])]);
    second["spacing"] = json!("None");
    [first, second]
}

fn number(number: &str, link: &Option<String>, color: &str) -> Value {
    let mut run = run(&wording::plain(number, wording::NAME_MAX), &[("weight", "Bolder"), ("color", color)]);
    if let Some(url) = wording::web_link(link) {
        run["selectAction"] = json!({ "type": "Action.OpenUrl", "url": url });
    }
    run
}

fn color(flag: &FlagNotice) -> &'static str {
    match (flag.clears, flag.severity) {
        (true, _) => "Good",
        (false, Severity::Critical) => "Attention",
        (false, _) => "Warning",
    }
}

/// `text` is of our own words alone. Vendor: a notification shows the first text block of a card, and nothing of runs.
fn heading(text: &str, color: &str) -> Value {
    json!({ "type": "TextBlock", "text": text, "weight": "Bolder", "size": "Large", "color": color, "wrap": true })
}

fn rich(inlines: &[Value]) -> Value {
    json!({ "type": "RichTextBlock", "spacing": "Small", "inlines": inlines })
}

fn run(text: &str, looks: &[(&str, &str)]) -> Value {
    let mut run = json!({ "type": "TextRun", "text": text });
    for (key, value) in looks {
        run[*key] = json!(value);
    }
    run
}

fn small(text: &str) -> Value {
    subtle_run(text, &[("size", "Small")])
}

fn subtle(text: &str) -> Value {
    subtle_run(text, &[])
}

fn subtle_run(text: &str, looks: &[(&str, &str)]) -> Value {
    let mut run = run(text, looks);
    run["isSubtle"] = json!(true);
    rich(&[run])
}
