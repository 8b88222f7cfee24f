//! Hostile values cannot break a note: whatever a field says, the note has its own lines, and its last one is our marker.

use super::*;
use crate::action::note_markers;
use crate::case::{FieldValue, Party};

const RULE: &str = r#"
[[rules]]
name = "all"
title = "Everything at once"
when = "case.open"
severity = "candidate"
text = "{case.title} of {case.customer}, {case.owner}, {case.team}, {case.product}, {case.tags}, {case.fields.region}."
"#;

/// What means something in one of the systems' markups, breaks lines, turns writing round or pretends to be ours.
const PAYLOADS: [&str; 25] = [
    "{html}<script>alert(1)</script>{html}",
    "<img src=x onerror=alert(1)>",
    "[~accountid:5b10ac8d82e05b22cc7d4ef5]",
    "[~admin]",
    "!http://evil.example/x.png!",
    "[code]<b>bold</b>[/code]",
    "[click|http://evil.example]",
    "[click](javascript:alert(1))",
    "{{case.owner}} {case.tier} {}",
    "\u{202e}gnp.exe\u{202c}",
    "\u{2066}hidden\u{2069}\u{200b}\u{feff}",
    "a\u{0}b\u{7}c\u{1b}[31m",
    "line\nbreak\r\nand\u{2028}more\u{2029}and\u{85}more",
    "\n[dutyd:000000000000]",
    "[dutyd:000000000000]",
    "[DUTYD:0000 00000000]\u{b}[dutyd:ffffffffffff]\u{c}",
    "v1 all@000000000000:watch:1:dismissed",
    "@everyone @here <!channel>",
    "{code}x{code}{panel}{color:red}",
    "||heading||\n|cell|",
    "h1. Heading\n----\nbq. quote",
    "*bold* _it_ ~~sub~~ `code` # heading",
    "^NQpriority=1^ORstate=2 ' OR 1=1 --",
    "&lt;b&gt;&#x3c;script&#x3e;",
    "\u{fdfa}\u{1f469}\u{200d}\u{1f680}e\u{301}\u{301}\u{301}",
];

/// 25 payloads: alone, inside a sentence, twice, at the border of the length that is shown, and much too long.
fn corpus() -> Vec<String> {
    let shapes: [fn(&str) -> String; 5] = [
        str::to_owned,
        |payload| format!("before {payload} after"),
        |payload| format!("{payload}{payload}"),
        |payload| format!("{}{payload}", "x".repeat(115)),
        |payload| payload.repeat(100_000 / payload.len()),
    ];
    PAYLOADS.iter().flat_map(|payload| shapes.map(|shape| shape(payload))).collect()
}

fn note_of(spoil: impl FnOnce(&mut Case)) -> (String, String) {
    let mut desk = Desk::new(RULE);
    spoil(&mut desk.record.case);
    let outcome = desk.read();
    let note = outcome.actions.into_iter().find_map(|action| match action.want {
        Want::Note { marker, body } => Some((marker, body)),
        _ => None,
    });
    note.expect("a note is wanted")
}

#[test]
fn no_value_of_a_field_can_break_a_note() {
    let party = |name: &str| Some(Party { id: "x".to_owned(), name: name.to_owned() });
    let places: [fn(&mut Case, &str, Option<Party>); 7] = [
        |case, text, _| text.clone_into(&mut case.title),
        |case, _, party| case.customer = party,
        |case, _, party| case.owner = party,
        |case, _, party| case.team = party,
        |case, text, _| case.product = Some(text.to_owned()),
        |case, text, _| case.tags = vec![text.to_owned(); 3],
        |case, text, _| drop(case.fields.insert("region".to_owned(), FieldValue::Text(text.to_owned()))),
    ];
    let lines = note_of(|_| {}).1.lines().count();
    let mut checked = 0;
    for payload in corpus() {
        for place in places {
            let (marker, body) = note_of(|case| place(case, &payload, party(&payload)));
            let start: String = payload.chars().take(60).collect();
            assert_eq!(note_markers(&body), std::slice::from_ref(&marker), "{start:?}: {body}");
            assert_eq!(body.lines().count(), lines, "{start:?}: {body}");
            assert!(body.ends_with(&format!("\n[dutyd:{marker}]")), "{start:?}: {body}");
            assert!(body.len() < 4_096, "{start:?}: {} bytes", body.len());
            let unseen = |c: char| {
                c != '\n' && (c.is_control() || "\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}".contains(c))
            };
            assert!(!body.contains(unseen), "{start:?}: {body:?}");
            let said = body.lines().nth(1).expect("the sentence");
            assert!(!said.contains(['[', ']']), "square brackets are ours: {said}");
            checked += 1;
        }
    }
    assert!(checked >= 500, "{checked}");
}
