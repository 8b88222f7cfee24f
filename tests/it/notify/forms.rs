//! How messages look in each channel, and that no value of a vendor can be more than text there.

use super::channel;
use dutyd::config::NetworkSettings;
use dutyd::http::{Door, PostError};
use dutyd::notify::{Because, Digest, Unseen, sample_digest, sample_flags};
use dutyd::notify::{Channel, Content, FlagNotice, Kind, Letter, MailSettings, Parcel, SmtpTls};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

pub fn now() -> Timestamp {
    "2026-03-02T02:12:00Z".parse().expect("an instant")
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn mail(port: u16) -> MailSettings {
    MailSettings {
        host: "127.0.0.1".to_owned(),
        port,
        tls: SmtpTls::None,
        user: None,
        password: None,
        from: "dutyd <dutyd@example.com>".to_owned(),
        to: vec!["duty@example.com".to_owned()],
    }
}

pub fn channels() -> Vec<Channel> {
    let local = || "http://127.0.0.1:1/x".parse().expect("an address");
    let url = || secret("http://127.0.0.1:1/x");
    let kinds = [
        Kind::Webhook { url: local(), secret: secret(super::SIGNING_SECRET) },
        Kind::Slack { url: url() },
        Kind::Teams { url: url() },
        Kind::PagerDuty { url: local(), routing_key: secret("R0") },
        Kind::Email(mail(1)),
    ];
    let zone = || TimeZone::get("Europe/Berlin").expect("a zone");
    kinds.into_iter().map(|kind| Channel { zone: zone(), ..channel(kind) }).collect()
}

pub fn letter(content: Vec<Content>) -> Letter {
    Letter { id: "msg_1".to_owned(), now: now(), content, test: false }
}

pub fn text(channel: &Channel, letter: &Letter) -> String {
    match channel.parcel(letter).expect("a parcel") {
        Parcel::Post(post) => post.body,
        Parcel::Mail(mail) => format!("{}\n{}\n{}", mail.subject, mail.text, mail.html),
    }
}

/// What somebody may type into a ticket to be more than text in a message.
const HOSTILE: [&str; 12] = [
    "<!channel> <@U123> <https://evil.example|click>",
    "*bold* _it_ ~no~ `code` ```block```",
    "[click](https://evil.example) **bold** # head",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "line\r\nBcc: evil@example.com\r\n\r\nbody",
    "{{DATE(2017-02-14T06:08:39Z)}} ${secret} @{triggerBody()}",
    "\u{202e}gnp.exe \u{0}\u{1b}[31m",
    "&lt;script&gt; &amp; &#x3C;",
    "javascript:alert(1)",
    "]]> <!-- -->",
    "\\\",\"routing_key\":\"x",
];

fn hostile(value: &str) -> Vec<Content> {
    let hostile = |content: Content| match content {
        Content::Flag(flag) => Content::Flag(Box::new(FlagNotice {
            title: value.to_owned(),
            number: value.to_owned(),
            customer: Some(value.to_owned()),
            owner: Some(value.to_owned()),
            team: Some(value.to_owned()),
            why: value.to_owned(),
            link: Some(value.to_owned()),
            ..*flag
        })),
        other => other,
    };
    sample_flags(1, now()).into_iter().map(hostile).collect()
}

/// Every string below a value, with the object it stands in.
fn strings<'a>(value: &'a Value, found: &mut Vec<(&'a Value, &'a str, &'a str)>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match inner {
                    Value::String(text) => found.push((value, key, text)),
                    inner => strings(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        _ => {}
    }
}

#[test]
fn no_value_of_a_vendor_is_more_than_text_in_any_channel() {
    for value in HOSTILE {
        let double: Vec<Content> = hostile(value).into_iter().chain(hostile(value)).collect();
        for channel in channels() {
            let letters = match channel.kind {
                Kind::PagerDuty { .. } => vec![letter(hostile(value))],
                _ => vec![letter(hostile(value)), letter(double.clone())],
            };
            for letter in letters {
                let told = text(&channel, &letter);
                harmless(&channel, &told, value);
            }
        }
    }
}

fn harmless(channel: &Channel, told: &str, value: &str) {
    if let Kind::Email(_) = channel.kind {
        let (subject, rest) = told.split_once('\n').expect("a subject");
        assert!(!subject.contains('\r'), "{value:?}");
        let html = &rest[rest.find("<!doctype").expect("HTML")..];
        for forbidden in ["<script", "<img", "<!--", "href=\"javascript", "\" onmouseover"] {
            assert!(!html.contains(forbidden), "{value:?} in {html}");
        }
        return;
    }
    let json: Value = serde_json::from_str(told).expect("JSON");
    let mut found = Vec::new();
    strings(&json, &mut found);
    for (object, key, text) in found {
        let kind = object["type"].as_str().unwrap_or_default();
        match (&channel.kind, key, kind) {
            (Kind::Slack { .. }, "text", "mrkdwn") => {
                assert!(
                    !text.contains("<!") && !text.contains("<@") && !text.contains("<https://evil"),
                    "{text}"
                );
                assert!(!text.contains("*bold*") && !text.contains("`code`"), "{text}");
            }
            (Kind::Slack { .. }, "text", "") => assert!(!text.contains('<'), "{text}"),
            (Kind::Teams { .. }, "type", _) => assert_ne!(text, "FactSet"),
            // Reads Markdown: nothing of a vendor's may stand there.
            (Kind::Teams { .. }, "text", "TextBlock") => {
                let ours = text.chars().all(|c| c.is_ascii_alphanumeric() || " ·:,;".contains(c));
                assert!(ours && !text.contains("evil"), "{text}");
            }
            (Kind::PagerDuty { .. }, "routing_key", _) => assert_eq!(text, "R0"),
            (_, "url" | "href", _) => assert!(text.starts_with("http"), "{text}"),
            _ => {}
        }
    }
}

#[test]
fn messages_stay_within_the_limits_of_their_channels() {
    let long = "x".repeat(10_000);
    let many: Vec<Content> = (0..100).flat_map(|_| hostile(&long)).collect();
    for channel in channels() {
        let letter = match channel.kind {
            Kind::PagerDuty { .. } => letter(hostile(&long)),
            _ => letter(many.clone()),
        };
        let told = text(&channel, &letter);
        match channel.kind {
            Kind::Slack { .. } => {
                let json: Value = serde_json::from_str(&told).expect("JSON");
                let blocks = json["blocks"].as_array().expect("blocks");
                assert!(blocks.len() <= 50, "{}", blocks.len());
                let mut found = Vec::new();
                strings(&json, &mut found);
                assert!(found.iter().all(|(_, _, text)| text.chars().count() <= 3_000));
                assert!(blocks[0]["text"]["text"].as_str().expect("a header").chars().count() <= 150);
            }
            Kind::Teams { .. } => assert!(told.len() <= 28_000, "{}", told.len()),
            Kind::PagerDuty { .. } => assert!(told.len() <= 512 * 1024),
            _ => {}
        }
    }
}

#[test]
fn a_message_says_at_a_glance_what_burns_whose_it_is_and_how_long_is_left() {
    for channel in channels().into_iter().skip(1) {
        let told = text(&channel, &letter(sample_flags(1, now())));
        for word in ["CRITICAL", "TEST-1", "Acme Corp", "5 h 12 min", "48 min until resolution", "nobody"] {
            assert!(told.contains(word), "{}: {word} in {told}", channel.kind.word());
        }
        assert!(told.contains("https://dutyd.example.com/test"), "{told}");
    }
    let slack = &channels()[1];
    assert!(
        text(slack, &letter(sample_flags(7, now())))
            .contains("7 cases need a look: 1 critical, 6 candidates")
    );
    assert!(text(slack, &letter(sample_digest(now()))).contains("first response in 3 h"));
}

#[test]
fn a_digest_says_first_which_sources_are_not_seen_a_line_each() {
    let unseen = |source: &str| Unseen {
        source: source.to_owned(),
        since: Some(now() - jiff::SignedDuration::from_hours(2)),
        because: Because::SignedOut,
        trouble: Some("401".to_owned()),
    };
    let quiet = Digest {
        day: "2026-03-02".to_owned(),
        unseen: vec![unseen("desk"), unseen("jira")],
        teams: Vec::new(),
        partial: false,
    };
    let head =
        "Digest 2026-03-02: not seen: desk, jira; otherwise nothing flagged, no target at risk within a day";
    let line = |source: &str| format!("not seen: {source} since Mon 01:12 CET (2 h ago): sign-in refused");
    for channel in channels() {
        if let Kind::PagerDuty { .. } = channel.kind {
            continue;
        }
        let told = text(&channel, &letter(vec![Content::Digest(quiet.clone())]));
        if let Kind::Webhook { .. } = channel.kind {
            assert_eq!(told.matches("\"because\":\"signed_out\"").count(), 2, "{told}");
            continue;
        }
        assert!(told.replace('\n', " ").contains(head), "{told}");
        let forms = if let Kind::Email(_) = channel.kind { 2 } else { 1 };
        for source in ["desk", "jira"] {
            assert_eq!(told.matches(&line(source)).count(), forms, "{}: {told}", channel.kind.word());
        }
    }
}

/// A relay that says no as often as it is told to, then takes one mail. What it was sent, in the end.
async fn relay(listener: TcpListener, refusals: usize) -> Vec<String> {
    let mut mails = Vec::new();
    for nth in 0..=refusals {
        let (stream, _) = listener.accept().await.expect("a caller");
        let (reading, mut writing) = stream.into_split();
        let mut lines = BufReader::new(reading).lines();
        writing.write_all(b"220 relay\r\n").await.expect("said");
        let mut mail: Option<String> = None;
        while let Ok(Some(line)) = lines.next_line().await {
            let answer = match (&mut mail, line.as_str()) {
                (Some(text), ".") => {
                    mails.push(std::mem::take(text));
                    mail = None;
                    if nth < refusals { "451 later" } else { "250 taken" }
                }
                (Some(text), line) => {
                    text.push_str(line);
                    text.push('\n');
                    continue;
                }
                (None, "DATA") => {
                    mail = Some(String::new());
                    "354 go on"
                }
                (None, "QUIT") => "221 bye",
                (None, _) => "250 yes",
            };
            if writing.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                break;
            }
            if mails.len() > nth {
                break;
            }
        }
    }
    mails
}

#[tokio::test]
async fn a_mail_has_the_same_id_at_each_attempt_and_reads_as_text_and_as_html() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let relay = tokio::spawn(relay(listener, 1));
    let channel = channel(Kind::Email(mail(port)));
    let letter = letter(sample_flags(1, now()));
    let send = async || {
        let door = Door::new(&channel, &NetworkSettings::default()).expect("a door");
        door.send(channel.parcel(&letter).expect("a parcel"), now()).await
    };
    let refused = send().await;
    assert!(
        matches!(&refused, Err(PostError::Later { because, .. }) if because.contains("later")),
        "{refused:?}"
    );
    send().await.expect("taken");
    let mails = relay.await.expect("a relay");
    assert_eq!(mails.len(), 2);
    for mail in &mails {
        assert!(mail.contains("Message-ID: <msg_1@example.com>"), "{mail}");
        assert!(mail.contains("Auto-Submitted: auto-generated"), "{mail}");
        assert!(mail.contains("text/plain") && mail.contains("text/html"), "{mail}");
    }
}
