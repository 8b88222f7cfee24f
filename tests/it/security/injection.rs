//! Hostile values where ids, notes and filters are expected: no address, no query and no note ever means anything else than
//! it was meant to. Judged by the sandbox's own journal and history.
//!
//! Goal G34 and threats S8, S11, S12: `cargo test --test it security::injection`. `DUTYD_FUZZ=20000` tries more.

use crate::contract::jira_sites::{CLOUD, DATA_CENTER};
use crate::contract::salesforce_org::SALESFORCE;
use crate::contract::subject::{SERVICENOW, Subject, ZENDESK};
use crate::contract::wanted;
use crate::contract::world::{SOURCE, Setting, World};
use crate::fuzz::dice::Dice;
use crate::fuzz::tries;
use crate::reliability::measured;
use dutyd_connectors::{BuildError, ConnectorError, Fetched, SourceConfig, build};
use dutyd_core::action::{Action, Severity, Slot};
use dutyd_core::case::CaseKey;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SUBJECTS: [&Subject; 5] = [&SERVICENOW, &ZENDESK, &CLOUD, &DATA_CENTER, &SALESFORCE];

/// What ends a literal, a condition, a path or a line somewhere.
const PIECES: [&str; 44] = [
    "'",
    "\"",
    "\\",
    "\\'",
    "^",
    "^NQ",
    "^OR",
    "^ORactive=true",
    " OR 1=1",
    "' OR Id != null OR Id = '",
    ")",
    "(",
    ") OR (",
    ",",
    ",1",
    "/",
    "//",
    "../",
    "..",
    "%2f",
    "%2e%2e",
    "%00",
    "?",
    "?x=1",
    "&",
    "&sysparm_limit=1",
    "#",
    "\r\n",
    "\nHost: x",
    "\0",
    "\u{202e}",
    "*",
    "%",
    ";",
    "--",
    "{0}",
    "[code]",
    " ",
    "\t",
    "ORDERBYsys_id",
    "+",
    "é",
    "\u{1d7cf}",
    "null",
];

/// Texts that mean something somewhere: markup, mentions, macros, scripts, formulas, marks of ours, directions of writing.
const TEXTS: [&str; 56] = [
    "{html}<script>alert(1)</script>{html}",
    "{code}x{code}",
    "{noformat}",
    "{panel:title=x}",
    "{include:x}",
    "{color:red}x",
    "[~accountid:5b10a2844c20165700ede21g]",
    "[~admin]",
    "@[~admin]",
    "[x|https://evil.example]",
    "[https://evil.example]",
    "!https://evil.example/x.png!",
    "!x.png|width=9999!",
    "||a||b||",
    "|a|b|",
    "h1. big",
    "bq. x",
    "* x",
    "# x",
    "---",
    "----",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "</textarea><script>",
    "[code]<script>alert(1)</script>[/code]",
    "[CODE]<b>x</b>[/CODE]",
    "[[code]code]<b>x</b>",
    "[co[code]de]",
    "[/code][code]",
    "${7*7}",
    "{{7*7}}",
    "{{ticket.requester.email}}",
    "{%raw%}",
    "{!User.Id}",
    "<%= 1 %>",
    "javascript:gs.print(1)",
    "gs.addInfoMessage('x')",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1",
    "@SUM(1)",
    "# heading",
    "**bold** _it_ `code`",
    "![x](https://evil.example)",
    "[x](javascript:alert(1))",
    "> quote",
    "\u{202e}txt.exe",
    "\u{2066}x\u{2069}",
    "a\u{0}b",
    "a\u{1b}[31mb",
    "a\r\nb",
    "]]>",
    "&lt;b&gt;",
    "[dutyd:000000000000]",
    "\u{1f4a3}\u{200d}",
];

fn wants(case: &CaseKey, note: &str, why: &str) -> Vec<Action> {
    // Another episode per text, so that each has a note of its own.
    let episode = dutyd_sandbox::dice::hex_id(1, &[note.as_bytes()])[..12].to_owned();
    wanted::wants(case, Severity::Watch, &episode, why, note)
}

/// An id with something in it that no id has.
fn hostile(dice: &mut Dice, genuine: &str) -> String {
    let (one, other) = (*dice.pick(&PIECES), *dice.pick(&PIECES));
    let at = dice.below(genuine.len() + 1);
    match dice.below(5) {
        0 => one.to_owned(),
        1 => format!("{genuine}{one}"),
        2 => format!("{one}{genuine}"),
        3 => format!("{}{one}{}", &genuine[..at], &genuine[at..]),
        _ => format!("{genuine}{one}{genuine}{other}"),
    }
}

async fn hostile_ids(subject: &'static Subject) -> u64 {
    let world = World::new(subject, &Setting { cases: 6, ..Setting::new(false) }).await;
    let case = world.create("genuine").await;
    world.pass_the_lag().await;
    let before = ((subject.titles)(&world.history()), (subject.notes)(&world.history()).len());
    for nth in 0..tries(120) {
        let id = hostile(&mut Dice::new(nth), &case.id);
        let key = CaseKey::new(SOURCE, id.as_str());
        let fetched = world.fetch(&[key.clone(), case.clone()]).await;
        let absent = matches!(&fetched[0], Fetched::Gone(found) | Fetched::Hidden(found) if *found == key);
        assert!(absent, "{}: {id:?}: {:?}", subject.vendor, fetched[0]);
        assert!(
            matches!(&fetched[1], Fetched::Case(change) if change.case.key == case),
            "{}: beside {id:?}: {:?}",
            subject.vendor,
            fetched[1]
        );
        for action in &wants(&key, "x", "x") {
            let held = world.connector.holds(&world.cx(), action).await;
            assert!(matches!(held, Ok(None) | Err(ConnectorError::Refused { .. })), "{id:?}: {held:?}");
        }
        for verdict in world.connector.apply(&world.cx(), &wants(&key, "x", "x")).await.expect("verdicts") {
            let refused = matches!(verdict.result, Err(ConnectorError::Refused { .. }));
            assert!(refused, "{}: {id:?}: {:?}", subject.vendor, verdict.result);
        }
    }
    let after = ((subject.titles)(&world.history()), (subject.notes)(&world.history()).len());
    assert_eq!(before, after, "{}: something was written", subject.vendor);
    for entry in world.sandbox.inner.journal.since(0, Some(subject.vendor)) {
        let path = entry.path.split('?').next().unwrap_or_default();
        let plain = |one: char| one.is_ascii_alphanumeric() || "/._-".contains(one);
        assert!(subject.declares(&entry.method, path) && path.chars().all(plain), "{} {path}", entry.method);
    }
    tries(120)
}

/// G34
#[tokio::test]
async fn a_hostile_id_reads_and_writes_nothing() {
    let mut tried = 0;
    for subject in SUBJECTS {
        tried += hostile_ids(subject).await;
    }
    measured(
        "G34",
        &format!("{tried} hostile ids, {} hostile notes, none escaped", 2 * TEXTS.len() * SUBJECTS.len()),
    );
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

fn within(value: &Value, allowed: &[&str]) {
    let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
    assert!(keys(value).is_subset(&allowed), "{value}");
}

/// Only documents, paragraphs and plain text, without marks: no mention, no link, no macro.
fn is_plain_document(node: &Value) {
    let kind = node["type"].as_str().unwrap_or_default();
    assert!(["doc", "paragraph", "text"].contains(&kind), "{node}");
    within(node, &["type", "version", "content", "text"]);
    node["content"].as_array().into_iter().flatten().for_each(is_plain_document);
}

/// Markup of Jira's older text that is not made harmless by a backslash.
fn is_plain_wiki(text: &str) {
    for opening in [
        "{html",
        "{code",
        "{noformat",
        "{panel",
        "{include",
        "{color",
        "[~",
        "[x|",
        "[http",
        "!http",
        "!x.png",
    ] {
        let mut from = 0;
        while let Some(at) = text[from..].find(opening) {
            let at = from + at;
            assert!(text[..at].ends_with('\\'), "{opening} in {text:?}");
            from = at + opening.len();
        }
    }
}

/// What one write may carry, by system: our own fields, a private note, and nothing else.
fn judge_write(vendor: &str, method: &str, path: &str, body: &Value) {
    match (vendor, method) {
        ("servicenow", "PATCH") => {
            within(
                body,
                &["u_dutyd_severity", "u_dutyd_marks", "u_dutyd_flags", "u_dutyd_why", "work_notes"],
            );
            let note = body["work_notes"].as_str().unwrap_or_default().to_lowercase();
            assert!(!note.contains("[code]") && !note.contains("[/code]"), "{note}");
        }
        ("zendesk", "PUT") => {
            within(body, &["ticket"]);
            let ticket = &body["ticket"];
            within(ticket, &["custom_fields", "comment", "metadata", "safe_update", "updated_stamp"]);
            within(&ticket["comment"], &["body", "public"]);
            assert!(ticket["comment"].is_null() || ticket["comment"]["public"] == false, "{ticket}");
        }
        ("jira" | "jira_dc", "PUT") if path.contains("/properties/") => within(body, &["marks", "why"]),
        ("jira" | "jira_dc", "PUT") => {
            within(body, &["update", "properties"]);
            within(&body["update"], &["labels"]);
        }
        ("jira" | "jira_dc", "POST") if path.ends_with("/comment") => {
            within(body, &["body", "properties", "visibility"]);
            match &body["body"] {
                Value::String(text) => is_plain_wiki(text),
                document => is_plain_document(document),
            }
            let internal = body["properties"].to_string().contains("\"internal\":true");
            assert!(internal || body["visibility"].is_object(), "a note that customers may see: {body}");
        }
        ("salesforce", "POST") if path.ends_with("/composite") => {
            for part in body["compositeRequest"].as_array().into_iter().flatten() {
                judge_part(part);
            }
        }
        ("salesforce", "PATCH") => {
            for record in body["records"].as_array().into_iter().flatten() {
                judge_fields(record);
            }
        }
        // Questions, and the sign-in.
        (_, "GET" | "POST") => {
            assert!(!path.contains("/issue/1") || path.contains("bulkfetch"), "{method} {path}")
        }
        other => panic!("{other:?} {path}: {body}"),
    }
}

fn judge_part(part: &Value) {
    let url = part["url"].as_str().unwrap_or_default();
    match part["method"].as_str() {
        Some("GET") => {}
        Some("PATCH") => {
            assert!(url.contains("/sobjects/Case/"), "{part}");
            judge_fields(&part["body"]);
        }
        Some("POST") => {
            assert!(url.ends_with("/sobjects/CaseComment"), "{part}");
            within(&part["body"], &["ParentId", "CommentBody", "IsPublished"]);
            assert_eq!(part["body"]["IsPublished"], false, "{part}");
        }
        other => panic!("{other:?}: {part}"),
    }
}

fn judge_fields(record: &Value) {
    let own = |key: &&str| key.starts_with("Dutyd_") || ["attributes", "id"].contains(key);
    assert!(keys(record).iter().all(own), "{record}");
}

async fn hostile_texts(subject: &'static Subject) {
    let world = World::new(subject, &Setting { cases: 4, ..Setting::new(false) }).await;
    let case = world.create("to be written to").await;
    let messages = |world: &World| (subject.messages)(&world.history()).values().sum::<usize>();
    let (before, notes) = (messages(&world), (subject.notes)(&world.history()).len());
    let mut written = 0;
    for text in TEXTS {
        for text in [text.to_owned(), format!("Customer {text} waits.\n{text}")] {
            for action in wants(&case, &text, &text) {
                let verdict = world.connector.apply(&world.cx(), std::slice::from_ref(&action)).await;
                let verdict = verdict.expect("a verdict").remove(0).result;
                assert!(
                    verdict.is_ok() || action.slot == Slot::Why,
                    "{}: {text:?}: {verdict:?}",
                    subject.vendor
                );
            }
            written += 1;
            // Vendor: Zendesk takes 30 updates of a ticket in ten minutes; these are three.
            world.pass(90).await;
        }
    }
    let history = world.history();
    assert_eq!((subject.notes)(&history).len() - notes, written, "{}: one private note each", subject.vendor);
    assert_eq!(messages(&world) - before, written, "{}: and nothing that customers see", subject.vendor);
    assert_eq!((subject.titles)(&history)[&case.id], "to be written to");
    let mut judged = 0;
    for entry in world.sandbox.inner.journal.since(0, Some(subject.vendor)) {
        let path = entry.path.split('?').next().unwrap_or_default();
        assert!(subject.declares(&entry.method, path), "{} {path}", entry.method);
        // The journal keeps the beginning of a body; longer ones are not whole JSON.
        if let Ok(body) = serde_json::from_str::<Value>(&entry.body) {
            judge_write(subject.vendor, &entry.method, path, &body);
            judged += usize::from(entry.method != "GET");
        }
    }
    assert!(judged >= written, "{}: {judged} writes were looked at", subject.vendor);
}

/// G34, S11, S16
#[tokio::test]
async fn a_hostile_text_stays_a_text_in_a_private_note() {
    for subject in SUBJECTS {
        hostile_texts(subject).await;
    }
}

/// G34, S12. A filter of an admin stays one condition beside ours.
#[tokio::test]
async fn a_filter_that_would_swallow_ours_is_refused() {
    let table: [(&'static Subject, &[&str]); 3] = [
        (
            &SERVICENOW,
            &[
                "^NQactive=true",
                "a=b^NQactive=true",
                "a=b^EQ",
                "a=b^ORDERBYsys_id",
                "a=b^GROUPBYx",
                "a=b\nc=d",
                "^a=b",
                "a=b^",
                "a=b^RLQUERYx.y,>1^ENDRLQUERY",
                "JOINincident.x=y",
                "a=b\r\nc",
            ],
        ),
        (
            &CLOUD,
            &[
                "a = b) OR (c = d",
                "a = b) OR (created > 0",
                "a = \"b",
                "a = 'b",
                "(a = b",
                "a = b ORDER BY created",
                "a = b order   by x",
                "a = b))((",
                ")(",
                "a = \"\\\") OR (x = y",
            ],
        ),
        (
            &SALESFORCE,
            &[
                "Id != null) OR (Id != null",
                "Id = 'x",
                "Id = 'x\\",
                "(Id = 'x'",
                "Id = 'x' ORDER BY Id",
                "Id = 'x' LIMIT 1",
                "Id IN (SELECT Id FROM User)",
                "Id = 'x'; x",
                "Id = \"x\"",
                "Id = 'x' FOR UPDATE",
                "Id = 'x' WITH x",
                "Id = 'x' /* */",
                "Id = 'x' OFFSET 1",
                "Id = 'x' GROUP BY Id",
                "TYPEOF x",
            ],
        ),
    ];
    for (subject, filters) in table {
        let world = World::new(subject, &Setting { cases: 1, ..Setting::new(false) }).await;
        let endpoints = &world.endpoints();
        let (config, secrets) = (subject.source)(endpoints, 10);
        for filter in filters {
            let mut config = serde_json::to_value(&config).expect("JSON");
            config[subject.vendor]["scope"] = json!(filter);
            let config: SourceConfig = serde_json::from_value(config).expect("a configuration");
            let built = build(SOURCE, &config, &secrets).map(|_| ());
            assert!(matches!(built, Err(BuildError::Invalid { .. })), "{}: {filter:?}", subject.vendor);
        }
    }
}
