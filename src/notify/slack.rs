//! Slack by incoming webhook, in Block Kit. What comes from vendors stands in `plain_text`, which has no markup; where only
//! mrkdwn will do, its three control characters are escaped.
//!
//! <https://docs.slack.dev/reference/block-kit/blocks> <https://docs.slack.dev/messaging/formatting-message-text>

use super::letter::{Digest, FlagNotice, Letter, Parcel, Post};
use super::wording;
use dutyd_core::action::Severity;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde_json::{Value, json};

/// Slack refuses longer texts of a header, and more blocks.
const HEADER_MAX: usize = 150;
const BLOCKS_MAX: usize = 50;

pub fn parcel(letter: &Letter, url: &SecretString, zone: &TimeZone) -> Result<Parcel, String> {
    let mut blocks = match letter.digest() {
        Some(digest) => digest_blocks(digest, letter.now, zone),
        None => match letter.flags()[..] {
            [flag] => flag_blocks(flag, letter.now, zone),
            ref flags => group_blocks(flags, letter.now),
        },
    };
    if letter.test {
        blocks.insert(0, context(wording::TEST));
    }
    if blocks.len() > BLOCKS_MAX {
        blocks.truncate(BLOCKS_MAX - 1);
        blocks.push(context(wording::CUT));
    }
    // Shown in the notification, where blocks are not.
    let said = wording::subject(letter);
    let body =
        json!({ "text": escape(&said), "blocks": blocks, "unfurl_links": false, "unfurl_media": false });
    Ok(Parcel::Post(Post {
        url: url.clone(),
        headers: vec![("content-type", "application/json; charset=utf-8".to_owned())],
        body: body.to_string(),
    }))
}

fn flag_blocks(flag: &FlagNotice, now: Timestamp, zone: &TimeZone) -> Vec<Value> {
    let facts = wording::facts(flag, now, zone);
    let fields: Vec<Value> =
        facts.iter().map(|(name, value)| marked(&format!("*{name}*\n{}", escape(value)))).take(10).collect();
    let mut blocks = vec![
        header(&format!("{} {}", sign(flag), wording::glance(flag, now))),
        mrkdwn(&format!("*{}*\n{}", escape(&wording::title(flag)), escape(&wording::case(flag)))),
        section(&wording::why(flag)),
    ];
    blocks.extend(link(&flag.link).map(|link| mrkdwn(&format!("<{link}|Open {}>", number(flag)))));
    blocks.push(json!({ "type": "section", "fields": fields }));
    blocks
}

fn group_blocks(flags: &[&FlagNotice], now: Timestamp) -> Vec<Value> {
    let mut blocks = vec![header(&wording::group_headline(flags))];
    blocks.extend(flags.iter().take(wording::LISTED_MAX).map(|flag| item(flag, now)));
    blocks.extend(wording::more(flags.len(), wording::LISTED_MAX).map(|more| context(&more)));
    blocks
}

fn digest_blocks(digest: &Digest, now: Timestamp, zone: &TimeZone) -> Vec<Value> {
    let unseen = wording::unseen_lines(digest, now, zone);
    let mut blocks: Vec<Value> = unseen.iter().map(|line| section(line)).collect();
    blocks.push(header(&wording::digest_headline(digest)));
    for team in &digest.teams {
        blocks.push(json!({ "type": "divider" }));
        blocks.push(mrkdwn(&format!("*{}*", escape(&wording::team_name(team)))));
        blocks.extend(team.flags.iter().map(|flag| item(flag, now)));
        blocks.extend(wording::more(team.flags_count, team.flags.len()).map(|more| context(&more)));
        let risks = team.risks.iter().map(|risk| {
            let case = linked(&risk.link, &risk.number);
            let head = escape(&wording::risk_head(risk, now, zone));
            mrkdwn(&format!(":hourglass: {case} · {head}\n{}", escape(&wording::risk_title(risk))))
        });
        blocks.extend(risks);
        blocks.extend(wording::more(team.risks_count, team.risks.len()).map(|more| context(&more)));
    }
    blocks.extend(wording::partial(digest).map(context));
    blocks
}

fn item(flag: &FlagNotice, now: Timestamp) -> Value {
    let case = linked(&flag.link, &flag.number);
    let head = escape(&wording::listed_head(flag, now));
    let (title, why) = wording::listed_body(flag);
    mrkdwn(&format!("{} {case} · {head}\n*{}*\n{}", sign(flag), escape(&title), escape(&why)))
}

fn linked(address: &Option<String>, number: &str) -> String {
    let number = escape(&wording::plain(number, wording::NAME_MAX));
    link(address).map_or(number.clone(), |link| format!("<{link}|{number}>"))
}

fn number(flag: &FlagNotice) -> String {
    escape(&wording::plain(&flag.number, wording::NAME_MAX))
}

fn sign(flag: &FlagNotice) -> &'static str {
    match (flag.clears, flag.severity) {
        (true, _) => ":white_check_mark:",
        (false, Severity::Critical) => ":red_circle:",
        (false, _) => ":large_orange_circle:",
    }
}

fn header(text: &str) -> Value {
    json!({ "type": "header", "text": { "type": "plain_text", "text": wording::cut(text, HEADER_MAX - 1), "emoji": true } })
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": plain(text) })
}

fn context(text: &str) -> Value {
    json!({ "type": "context", "elements": [plain(text)] })
}

/// `text` is markup: what comes from vendors must have gone through [`escape`].
fn mrkdwn(text: &str) -> Value {
    json!({ "type": "section", "text": marked(text) })
}

/// Vendor: `verbatim` keeps what looks like an address or a channel from becoming a link; markup is read all the same.
fn marked(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

/// The three characters that can begin a link, a mention or an entity; and those that pair up to format, kept apart from
/// the words they would format.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '*' | '_' | '~' | '`' => {
                safe.push('\u{200b}');
                safe.push(letter);
                safe.push('\u{200b}');
            }
            letter => safe.push(letter),
        }
    }
    safe
}

/// An address that cannot end its link early.
fn link(address: &Option<String>) -> Option<String> {
    let safe = wording::web_link(address)?.replace('|', "%7C").replace('<', "%3C").replace('>', "%3E");
    Some(safe.replace('&', "&amp;"))
}
