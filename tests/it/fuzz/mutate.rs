//! Ways to break a text and a JSON document: drop, rename, retype, nest deep, huge numbers, doubled keys, lone surrogates,
//! cut off, flipped bits. Pure.

use super::dice::Dice;
use serde_json::{Map, Value};

/// What is put in the place of a value, as it stands in the text: much of it is no JSON value that `Value` could hold.
const TOKENS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-1",
    "-0",
    "1e308",
    "1e999",
    "-1e999",
    "0.1e-400",
    "18446744073709551615",
    "18446744073709551616",
    "9007199254740993",
    "-9223372036854775808",
    "9223372036854775807",
    "99999999999999999999999",
    "\"\"",
    "\" \"",
    "\"0\"",
    "\"-1\"",
    "\"NaN\"",
    "\"1e999\"",
    "\"true\"",
    "\"null\"",
    "\"\\u0000\"",
    "\"\\u202e\\u2066\"",
    "\"\\ud83d\\ude00\"",
    "\"9999-12-31T23:59:59Z\"",
    "\"-9999-01-01T00:00:00Z\"",
    "\"0000-00-00 00:00:00\"",
    "\"2026-02-30 25:61:61\"",
    "\"9999-12-31 23:59:59\"",
    "\"2026-03-02T09:00:00.000+9959\"",
    "\"+0000\"",
    "\"ä+000\"",
    "\"2026-03-02T09:00:00\u{1f600}\"",
    "\"/\"",
    "\"//evil.example/\"",
    "\"https://evil.example/\"",
    "\"^NQ\"",
    "\"' OR 1=1\"",
    "[]",
    "{}",
    "[null]",
    "[[[]]]",
    "{\"\":{}}",
    "[1,\"a\",{}]",
    "{\"type\":\"doc\",\"content\":[{\"type\":\"text\"}]}",
];

/// The same, for what only a vendor in ruins would send: not JSON, or not UTF-16.
const RUINS: &[&str] = &[
    "NaN",
    "Infinity",
    "-",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud800\\u0041\"",
    "\"\\x\"",
    "\"a\nb\"",
    "01",
    "1.",
    "{\"a\":1,\"a\":2}",
    "{\"a\"}",
    "[1,]",
    "",
];

/// What stands for a value until the text is written.
const PLACE: &str = "@@place@@";

/// A token; at times one too long or too deep to stand in the list.
pub fn token(dice: &mut Dice) -> String {
    match dice.below(16) {
        0 => format!("\"{}\"", "x".repeat(70_000)),
        1 => format!("{}{}", "[".repeat(200), "]".repeat(200)),
        2 => format!("{}0{}", "{\"a\":".repeat(5_000), "}".repeat(5_000)),
        3 => format!("[{}0]", "0,".repeat(3_000)),
        4 | 5 => (*dice.pick(RUINS)).to_owned(),
        _ => (*dice.pick(TOKENS)).to_owned(),
    }
}

/// Breaks one place of a document and writes it down. Keys in `spared` stay as they are.
pub fn json(dice: &mut Dice, document: &Value, spared: &[&str]) -> String {
    let mut document = document.clone();
    let path = somewhere(dice, &document, spared);
    let replacement = change(dice, &mut document, &path);
    let text = document.to_string();
    match replacement {
        Some(replacement) => text.replace(&format!("\"{PLACE}\""), &replacement),
        None => text,
    }
}

/// A step into a document.
#[derive(Debug, Clone)]
enum Step {
    Key(String),
    At(usize),
}

/// Steps to a value within, never to the document itself.
fn somewhere(dice: &mut Dice, document: &Value, spared: &[&str]) -> Vec<Step> {
    let mut path = Vec::new();
    let mut node = document;
    loop {
        let steps: Vec<Step> = match node {
            Value::Object(map) => {
                map.keys().filter(|key| !spared.contains(&key.as_str())).cloned().map(Step::Key).collect()
            }
            Value::Array(list) => (0..list.len()).map(Step::At).collect(),
            _ => return path,
        };
        if steps.is_empty() || (!path.is_empty() && dice.one_in(4)) {
            return path;
        }
        let step = dice.pick(&steps).clone();
        node = into(node, &step).expect("a step that was just seen");
        path.push(step);
    }
}

fn into<'a>(node: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Key(key) => node.get(key),
        Step::At(index) => node.get(index),
    }
}

fn into_mut<'a>(node: &'a mut Value, step: &Step) -> Option<&'a mut Value> {
    match step {
        Step::Key(key) => node.get_mut(key),
        Step::At(index) => node.get_mut(index),
    }
}

/// Changes the value at the path; the text that goes to [`PLACE`], if that was put there.
fn change(dice: &mut Dice, document: &mut Value, path: &[Step]) -> Option<String> {
    let Some((last, before)) = path.split_last() else {
        *document = Value::from(PLACE);
        return Some(token(dice));
    };
    let mut parent = document;
    for step in before {
        parent = into_mut(parent, step)?;
    }
    match (dice.below(8), &mut *parent, last) {
        (0, Value::Object(map), Step::Key(key)) => drop(map.remove(key)),
        (0, Value::Array(list), Step::At(index)) => drop(list.remove(*index)),
        (1, Value::Object(map), Step::Key(key)) => rename(map, key),
        (2, Value::Array(list), Step::At(index)) => list.push(list[*index].clone()),
        // A key that stands twice, which no `Value` can hold: the first goes into the text of the second.
        (3, Value::Object(map), Step::Key(key)) => {
            let old = map.insert(key.clone(), Value::from(PLACE))?;
            return Some(format!("{old},{}:{}", Value::from(key.as_str()), token(dice)));
        }
        _ => {
            *into_mut(parent, last)? = Value::from(PLACE);
            return Some(token(dice));
        }
    }
    None
}

fn rename(map: &mut Map<String, Value>, key: &str) {
    if let Some(value) = map.remove(key) {
        map.insert(format!("{key}_"), value);
    }
}

/// Breaks bytes: cut off, flipped bits, doubled or swapped parts, strange bytes put in.
pub fn bytes(dice: &mut Dice, original: &[u8]) -> Vec<u8> {
    let mut broken = original.to_vec();
    for _ in 0..=dice.below(3) {
        let length = broken.len();
        let (from, to) = (dice.below(length + 1), dice.below(length + 1));
        let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 200));
        match dice.below(8) {
            0 => broken.truncate(from),
            1 | 2 if length > 0 => broken[from.min(length - 1)] ^= 1 << dice.below(8),
            3 => drop(broken.drain(from..to)),
            4 => {
                let part = broken[from..to].to_vec();
                broken.splice(from..from, part);
            }
            5 => {
                let strange: &[&[u8]] =
                    &[b"\0", b"\xff\xfe", b"\r\n", b"\xed\xa0\x80", b"\"", b"[", b"{{{", b"\xef\xbb\xbf"];
                broken.splice(from..from, dice.pick(strange).iter().copied());
            }
            6 => {
                let number = token(dice).into_bytes();
                broken.splice(from..to, number);
            }
            _ => {
                let repeated = broken[from..to].repeat(1 + dice.below(40));
                broken.splice(from..to, repeated);
            }
        }
    }
    broken
}

/// The same for text, which stays text.
pub fn text(dice: &mut Dice, original: &str) -> String {
    String::from_utf8_lossy(&bytes(dice, original.as_bytes())).into_owned()
}

/// Takes, doubles, swaps and mixes whole lines, so that what comes out is often well-formed and seldom meaningful.
pub fn lines(dice: &mut Dice, original: &str) -> String {
    let mut lines: Vec<String> = original.lines().map(str::to_owned).collect();
    for _ in 0..=dice.below(4) {
        let length = lines.len().max(1);
        let (one, other) = (dice.below(length), dice.below(length));
        if one >= lines.len() || other >= lines.len() {
            break;
        }
        match dice.below(5) {
            0 => drop(lines.remove(one)),
            1 => lines.insert(one, lines[other].clone()),
            2 => lines.swap(one, other),
            3 => lines[one] = text(dice, &lines[one].clone()),
            _ => {
                let (head, tail) = (lines[one].clone(), lines[other].clone());
                let cut = |line: &str, at: usize| line.chars().take(at).collect::<String>();
                let half = head.chars().count() / 2;
                lines[one] = format!("{}{}", cut(&head, half), tail.trim_start());
            }
        }
    }
    lines.join("\n")
}
