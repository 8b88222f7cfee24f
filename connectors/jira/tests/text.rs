//! Documents in and out, notes, and the marks' labels: whatever a text says, it stays text.

use crate::jira::config::{Flavour, Notes};
use crate::jira::note::{self, Audience};
use crate::jira::{adf, marks};
use dutyd_core::action::{Severity, note_markers};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Texts that mean something in some markup.
const HOSTILE: [&str; 16] = [
    "{html}<script>alert(1)</script>{html}",
    "[~accountid:5b10ac8d82e05b22cc7d4ef5] look",
    "!http://evil.example/x.png!",
    "<script>alert(1)</script>",
    "[code]<b>x</b>[/code]",
    "\u{202e}evil\u{202c}",
    "a\u{0000}b\u{0007}c",
    "{code:java}System.exit(0);{code}",
    "[click|http://evil.example]",
    "||heading||\n|cell|",
    "{\"type\":\"mention\",\"attrs\":{\"id\":\"x\"}}",
    "@everyone *bold* _it_ ~sub~ ^sup^",
    "\\[~admin]",
    "{color:red}x{color}{panel}",
    "\r\nX-Header: injected",
    "&lt;img src=x onerror=alert(1)&gt;",
];

fn kinds(node: &Value, out: &mut Vec<String>) {
    out.push(node["type"].as_str().unwrap_or("").to_owned());
    node["content"].as_array().into_iter().flatten().for_each(|child| kinds(child, out));
}

fn assert_plain(document: &Value) {
    let mut found = Vec::new();
    kinds(document, &mut found);
    assert!(found.iter().all(|kind| ["doc", "paragraph", "text"].contains(&&**kind)), "{found:?}");
    assert!(!document.to_string().contains("marks\":["), "no formatting");
}

#[test]
fn hostile_text_stays_text() {
    for text in HOSTILE {
        let document = adf::document(text);
        assert_plain(&document);
        let long = adf::document(&text.repeat(70_000));
        assert_plain(&long);
    }
}

proptest! {
    #[test]
    fn any_text_becomes_a_plain_document_and_comes_back(text in ".{0,200}(\n.{0,80}){0,4}") {
        let document = adf::document(&text);
        assert_plain(&document);
        let expected: Vec<String> = text.lines().map(adf::printable).collect();
        prop_assert_eq!(adf::text(&document).trim().to_owned(), expected.join("\n").trim().to_owned());
    }
}

#[test]
fn text_is_read_out_of_every_kind_of_node() {
    let document = json!({"type": "doc", "version": 1, "content": [
        {"type": "heading", "attrs": {"level": 2}, "content": [{"type": "text", "text": "Down"}]},
        {"type": "paragraph", "content": [
            {"type": "text", "text": "Hi "}, {"type": "mention", "attrs": {"id": "1", "text": "@Mia"}},
            {"type": "hardBreak"}, {"type": "text", "text": "see ", "marks": [{"type": "strong"}]},
            {"type": "inlineCard", "attrs": {"url": "https://x.example"}}]},
        {"type": "bulletList", "content": [{"type": "listItem", "content": [
            {"type": "paragraph", "content": [{"type": "text", "text": "production down"}]}]}]},
        {"type": "mediaSingle", "content": [{"type": "media", "attrs": {"id": "m"}}]},
    ]});
    assert_eq!(adf::text(&document), "Down\nHi @Mia\nsee https://x.example\nproduction down");
    assert_eq!(adf::text(&json!("plain *wiki* text\n")), "plain *wiki* text");
    assert_eq!(adf::text(&json!(null)), "");
}

#[test]
fn a_document_nested_without_end_is_not_followed_to_its_end() {
    let mut node = json!({"type": "text", "text": "deep"});
    for _ in 0..100 {
        node = json!({"type": "blockquote", "content": [node]});
    }
    assert_eq!(adf::text(&node), "");
}

#[test]
fn a_note_is_internal_in_service_management_and_restricted_or_absent_elsewhere() {
    let role = Notes::Role("Service Desk Team".to_owned());
    assert_eq!(note::audience(true, &Notes::None), Some(Audience::Internal));
    assert_eq!(note::audience(true, &role), Some(Audience::Internal));
    assert_eq!(note::audience(false, &Notes::None), None);
    assert_eq!(note::audience(false, &role), Some(Audience::Role("Service Desk Team")));
    let internal =
        note::comment(Flavour::Cloud, Audience::Internal, "0123456789ab", "x\n[dutyd:0123456789ab]");
    assert_eq!(internal["properties"][1], json!({"key": "sd.public.comment", "value": {"internal": true}}));
    assert_eq!(internal["properties"][0], json!({"key": "dutyd", "value": {"marker": "0123456789ab"}}));
    assert!(internal.get("visibility").is_none());
    let restricted = note::comment(Flavour::Cloud, Audience::Group("agents"), "0123456789ab", "x");
    assert_eq!(restricted["visibility"], json!({"type": "group", "value": "agents"}));
}

#[test]
fn the_marker_survives_any_body_and_any_length_in_both_products() {
    for text in HOSTILE {
        for flavour in [Flavour::Cloud, Flavour::DataCenter] {
            let body = format!("{}\n[dutyd:0123456789ab]", text.repeat(1_000));
            let comment = note::comment(flavour, Audience::Internal, "0123456789ab", &body);
            let read = adf::text(&comment["body"]);
            assert_eq!(note_markers(&read), ["0123456789ab"], "{flavour:?} {text}");
            assert!(read.len() < 9_000, "{flavour:?} {text}: {}", read.len());
        }
    }
}

#[test]
fn wiki_markup_means_nothing_in_a_note_for_data_center() {
    for text in HOSTILE {
        let comment = note::comment(Flavour::DataCenter, Audience::Internal, "0123456789ab", text);
        let body = comment["body"].as_str().expect("wiki text");
        let letters: Vec<char> = body.chars().collect();
        let mut escaped = false;
        for letter in letters {
            let special = matches!(letter, '{' | '[' | '!' | '|' | '*' | '_' | '^' | '~');
            assert!(escaped || !special, "{letter} stands unescaped in {body}");
            escaped = letter == '\\' && !escaped;
        }
    }
}

#[test]
fn labels_of_others_are_never_sent() {
    let present: Vec<String> =
        ["vip", "dutyd", "dutyd-warning", "dutyd-snooze-4h", "dutydish"].map(String::from).into();
    let wanted: Vec<String> = ["dutyd", "dutyd-critical"].map(String::from).into();
    assert_eq!(
        marks::label_changes(&present, &wanted),
        [json!({"add": "dutyd-critical"}), json!({"remove": "dutyd-warning"})]
    );
    assert_eq!(
        marks::label_changes(&present, &[]),
        [json!({"remove": "dutyd"}), json!({"remove": "dutyd-warning"})]
    );
    assert!(marks::label_changes(&wanted, &wanted).is_empty());
}

#[test]
fn marks_are_read_as_they_stand() {
    let line = "v1 waits@aaaaaaaaaaaa:warning:1790000000";
    let property = marks::Property { marks: Some(line.to_owned()), why: Some("waits".to_owned()) };
    let labels = |list: &[&str]| list.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
    // Labels, whether there is a marker, whether a person cleared it, the answer.
    let table: [(&[&str], bool, Option<&str>); 6] = [
        (&["dutyd", "dutyd-warning"], false, None),
        (&["dutyd"], true, None),
        (&[], true, None),
        (&["dutyd", "dutyd-warning", "dutyd-ack"], false, Some("ack")),
        (&["dutyd", "dutyd-warning", "dutyd-snooze-4h"], false, Some("snooze 4h")),
        (&["dutyd-worse"], true, Some("worse")),
    ];
    for (list, cleared, answer) in table {
        let seen = marks::seen(&labels(list), &property, Vec::new(), true);
        assert_eq!(seen.severity_cleared, cleared, "{list:?}");
        assert_eq!(seen.answer.as_deref(), answer, "{list:?}");
        assert_eq!(seen.marker.expect("the property has a marker").to_line(), line);
    }
    let bare = |list: &[&str]| marks::seen(&labels(list), &marks::Property::default(), Vec::new(), true);
    let nobodys = bare(&["dutyd", "dutyd-warning"]);
    assert!(!nobodys.severity_cleared);
    let marker = nobodys.marker.expect("it is shown, whoever put it there");
    assert_eq!((marker.severity, marker.flags.len()), (Some(Severity::Warning), 0));
    assert_eq!(bare(&["dutyd", "dutyd-ack"]).marker, None);
}
