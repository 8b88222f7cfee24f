//! Microsoft Teams by a workflow's webhook, as an Adaptive Card. What comes from vendors stands in text runs, which have no
//! markup; text blocks would read Markdown.
//!
//! <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>
//! <https://adaptivecards.io/explorer/RichTextBlock.html>

use super::letter::{Digest, FlagNotice, Letter, Parcel, Post};
use super::wording;
use crate::cli::words::line;
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
        body.insert(0, small(wording::TEST));
    }
    let open = match letter.flags()[..] {
        [flag] => wording::web_link(&flag.link).map(|url| (flag, url)),
        _ => None,
    };
    let actions: Vec<Value> = open
        .map(|(flag, url)| {
            let title = format!("Open {}", line(&flag.number, 60));
            json!({ "type": "Action.OpenUrl", "title": title, "url": url })
        })
        .into_iter()
        .collect();
    let mut message = card(&body, &actions);
    while message.len() > CARD_BYTES_MAX && body.len() > 1 {
        body.truncate(body.len() - 1);
        message = card(&body, &actions);
    }
    let headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
    Ok(Parcel::Post(Post { url: url.clone(), headers, body: message }))
}

fn card(body: &[Value], actions: &[Value]) -> String {
    let content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "body": body,
        "actions": actions,
    });
    let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": content });
    json!({ "type": "message", "attachments": [attachment] }).to_string()
}

fn flag_parts(flag: &FlagNotice, now: Timestamp, zone: &TimeZone) -> Vec<Value> {
    let mut parts = vec![
        rich(&[run(
            &wording::headline(flag),
            &[("weight", "Bolder"), ("size", "Large"), ("color", color(flag))],
        )]),
        rich(&[run(&wording::title(flag), &[("weight", "Bolder")])]),
        rich(&[run(&wording::why(flag), &[])]),
    ];
    for (name, value) in wording::facts(flag, now, zone) {
        parts.push(rich(&[run(&format!("{name}: "), &[("weight", "Bolder")]), run(&value, &[])]));
    }
    parts
}

fn group_parts(flags: &[&FlagNotice], now: Timestamp) -> Vec<Value> {
    let mut parts =
        vec![rich(&[run(&wording::group_headline(flags), &[("weight", "Bolder"), ("size", "Large")])])];
    parts.extend(flags.iter().take(wording::LISTED_MAX).map(|flag| item(flag, now)));
    parts.extend(wording::more(flags.len(), wording::LISTED_MAX).map(|more| small(&more)));
    parts
}

fn digest_parts(digest: &Digest, now: Timestamp, zone: &TimeZone) -> Vec<Value> {
    let headline = wording::digest_headline(digest);
    let mut parts = vec![rich(&[run(&headline, &[("weight", "Bolder"), ("size", "Large")])])];
    for team in &digest.teams {
        parts.push(rich(&[run(&wording::team_name(team), &[("weight", "Bolder")])]));
        parts.extend(team.flags.iter().map(|flag| item(flag, now)));
        parts.extend(wording::more(team.flags_count, team.flags.len()).map(|more| small(&more)));
        parts.extend(team.risks.iter().map(|risk| {
            let said = format!(" {}", wording::risk(risk, now, zone));
            rich(&[number(&risk.number, &risk.link, "Accent"), run(&said, &[])])
        }));
        parts.extend(wording::more(team.risks_count, team.risks.len()).map(|more| small(&more)));
    }
    parts.extend(wording::partial(digest).map(small));
    parts
}

fn item(flag: &FlagNotice, now: Timestamp) -> Value {
    let said = format!(" {}", wording::listed(flag, now));
    rich(&[number(&flag.number, &flag.link, color(flag)), run(&said, &[])])
}

fn number(number: &str, link: &Option<String>, color: &str) -> Value {
    let mut run = run(&line(number, 60), &[("weight", "Bolder"), ("color", color)]);
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
    let mut run = run(text, &[("size", "Small")]);
    run["isSubtle"] = json!(true);
    rich(&[run])
}
