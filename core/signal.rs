//! Signals: what the text of a message says that rules may read. Texts are matched at intake and never stored.
//!
//! Matching is plain: phrases of several languages, whole words, without regard to case. A negation just before a phrase
//! takes it back. Quoted older messages are not looked at.

use crate::case::CaseChange;
use crate::policy::SignalDoc;
use aho_corasick::AhoCorasick;

/// The most bytes of one message that are looked at.
pub const TEXT_MAX: usize = 64 * 1024;
/// Phrases of all signals together.
const PHRASES_MAX: usize = 5_000;
/// How many words before a phrase may take it back.
const NEGATION_REACH: usize = 3;
/// What takes a phrase back where a signal does not list its own.
const NEGATIONS: [&str; 24] = [
    "not", "no", "never", "don't", "doesn't", "didn't", "won't", "isn't", "without", "nicht", "kein",
    "keine", "keinen", "nie", "ohne", "pas", "ne", "n'est", "jamais", "sans", "nunca", "sin", "tampoco",
    "ni",
];

/// What is wrong in a signal, and where in its file.
#[derive(Debug)]
pub struct PhraseFault {
    pub signal: String,
    pub at: usize,
    pub message: String,
    pub remedy: String,
}

/// All phrases of all signals, compiled.
#[derive(Debug, Default)]
pub struct Lexicon {
    phrases: Option<AhoCorasick>,
    /// Signal of each phrase.
    of: Vec<usize>,
    signals: Vec<Signal>,
}

#[derive(Debug)]
struct Signal {
    name: String,
    negations: Vec<String>,
}

impl Lexicon {
    pub fn compile(docs: &[(&str, &SignalDoc)]) -> Result<Self, Vec<PhraseFault>> {
        let mut faults = Vec::new();
        let mut lexicon = Self::default();
        let mut all = Vec::new();
        for (index, (name, doc)) in docs.iter().enumerate() {
            let fault = |at, message: &str, remedy: &str| PhraseFault {
                signal: (*name).to_owned(),
                at,
                message: message.to_owned(),
                remedy: remedy.to_owned(),
            };
            for phrase in doc.phrases.values().flatten() {
                let folded = fold(phrase.get_ref());
                if folded.chars().filter(|c| c.is_alphanumeric()).count() < 3 {
                    faults.push(fault(
                        phrase.span().start,
                        "the phrase is too short to mean anything",
                        "write at least three letters",
                    ));
                } else if all.len() >= PHRASES_MAX {
                    faults.push(fault(
                        phrase.span().start,
                        "too many phrases in all signals",
                        "leave out phrases that contain another one",
                    ));
                }
                all.push(folded);
                lexicon.of.push(index);
            }
            let own: Vec<String> = doc.negations.iter().map(|word| fold(word)).collect();
            let negations = if own.is_empty() { NEGATIONS.map(str::to_owned).to_vec() } else { own };
            lexicon.signals.push(Signal { name: (*name).to_owned(), negations });
        }
        if faults.is_empty() && !all.is_empty() {
            lexicon.phrases = AhoCorasick::new(&all).ok();
        }
        if faults.is_empty() { Ok(lexicon) } else { Err(faults) }
    }

    /// The signals a text gives, by name.
    pub fn signals_in(&self, text: &str) -> Vec<String> {
        let Some(phrases) = &self.phrases else { return Vec::new() };
        let text = fold(&fresh(text));
        let mut found: Vec<&str> = Vec::new();
        for hit in phrases.find_overlapping_iter(&text) {
            let signal = &self.signals[self.of[hit.pattern().as_usize()]];
            let known = found.contains(&signal.name.as_str());
            if !known && is_whole(&text, hit.start(), hit.end()) && !is_negated(&text[..hit.start()], signal)
            {
                found.push(&signal.name);
            }
        }
        found.sort_unstable();
        found.into_iter().map(str::to_owned).collect()
    }

    /// Turns the texts of a change into signals on its opening and its messages, and drops the texts.
    pub fn distill(&self, change: &mut CaseChange) {
        for (id, text) in std::mem::take(&mut change.texts) {
            let Some(event) = change.events.iter_mut().find(|event| event.id == id) else { continue };
            if let Some(signals) = event.kind.signals_mut() {
                *signals = self.signals_in(&text);
            }
        }
    }
}

/// The part of a message that its author wrote now: no quoted lines, nothing below a forwarded message.
fn fresh(text: &str) -> String {
    let cut = text.char_indices().nth(TEXT_MAX).map_or(text.len(), |(at, _)| at).min(text.len());
    text[..cut]
        .lines()
        .take_while(|line| !line.to_ascii_lowercase().contains("-----original message-----"))
        .filter(|line| !line.trim_start().starts_with('>'))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Lower case, plain apostrophes, single spaces; ends of sentences stay, line ends become one.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '\u{2018}' | '\u{2019}' | '\u{00b4}' | '`' => folded.push('\''),
            c if c.is_whitespace() => {
                if !folded.ends_with(' ') {
                    folded.push(' ');
                }
            }
            c => folded.extend(c.to_lowercase()),
        }
    }
    folded
}

/// Whether a hit begins and ends at the border of a word.
fn is_whole(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let after = text[end..].chars().next();
    let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !inside(before) && !inside(after)
}

/// Whether one of the last words of the same sentence takes the phrase back.
fn is_negated(before: &str, signal: &Signal) -> bool {
    let sentence = before.rsplit(['.', '!', '?', ';', ':', ',']).next().unwrap_or_default();
    let words = sentence.split_whitespace().rev().take(NEGATION_REACH);
    words.into_iter().any(|word| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '\'');
        signal.negations.iter().any(|negation| negation == word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::EventKind;
    use std::collections::BTreeMap;
    use toml::Spanned;

    fn lexicon() -> Lexicon {
        let signal = |phrases: &[&str]| SignalDoc {
            about: String::new(),
            phrases: BTreeMap::from([(
                "en".to_owned(),
                phrases.iter().map(|phrase| Spanned::new(0..1, (*phrase).to_owned())).collect(),
            )]),
            negations: Vec::new(),
        };
        let escalate = signal(&["escalate", "speak to a manager", "Vorgesetzten sprechen"]);
        let down = signal(&["production is down", "système est en panne"]);
        Lexicon::compile(&[("escalate", &escalate), ("down", &down)]).expect("phrases compile")
    }

    #[test]
    fn phrases_are_found_as_whole_words_in_any_case_and_language() {
        let cases: &[(&str, &[&str])] = &[
            ("Please ESCALATE this now", &["escalate"]),
            ("This is an escalated\u{2019}s matter", &[]),
            ("de-escalate", &["escalate"]),
            ("I want to speak  to a\nmanager", &["escalate"]),
            ("Ich will Ihren Vorgesetzten sprechen!", &["escalate"]),
            ("Le système est en panne. Escalate.", &["down", "escalate"]),
            ("Thanks, all fine", &[]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(&lexicon().signals_in(text), expected, "{text}");
        }
    }

    #[test]
    fn a_negation_just_before_takes_a_phrase_back_and_a_distant_one_does_not() {
        let cases: &[(&str, bool)] = &[
            ("please do not escalate this", false),
            ("no need to escalate", false),
            ("we won\u{2019}t escalate yet", false),
            ("we cannot wait any longer, escalate", true),
            ("This does not work. Escalate it.", true),
            ("it is not what we agreed on so we escalate", true),
        ];
        for (text, found) in cases {
            assert_eq!(!lexicon().signals_in(text).is_empty(), *found, "{text}");
        }
    }

    #[test]
    fn quoted_and_forwarded_text_is_not_the_authors() {
        for text in ["Thanks!\n> please escalate", "Done\n-----Original Message-----\nplease escalate"] {
            assert!(lexicon().signals_in(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn an_opening_text_gives_signals_as_a_reply_does_and_no_text_is_kept() {
        let mut change = change();
        lexicon().distill(&mut change);
        let signals: Vec<_> = change.events.iter().filter_map(|event| event.kind.signals()).collect();
        assert_eq!(signals, [["down"], ["escalate"]]);
        assert!(change.texts.is_empty());
        let stored = serde_json::to_string(&change).expect("JSON");
        assert!(!stored.contains("since nine") && !stored.contains("manager"), "{stored}");
    }

    #[test]
    fn what_was_stored_before_openings_had_signals_can_still_be_read() {
        let old: EventKind = serde_json::from_str(r#"{"type":"created"}"#).expect("an old event");
        assert_eq!(old, EventKind::Created { signals: Vec::new() });
        assert_eq!(serde_json::to_string(&old).expect("JSON"), r#"{"type":"created"}"#);
    }

    /// A case opened and answered by its customer, with the texts of both.
    fn change() -> CaseChange {
        let event = |id: &str, kind: &str| {
            let at = "2026-03-02T09:00:00Z";
            format!(
                r#"{{"id":"{id}","at":"{at}","seen_at":"{at}","actor":"customer","by":null,"kind":{kind}}}"#
            )
        };
        let json = |text: String| serde_json::from_str(&text).expect("an event");
        // A stored state: ten bytes of version and checksum, then JSON.
        let state = &include_bytes!("../tests/it/stored/state_1")[10..];
        let state: serde_json::Value = serde_json::from_slice(state).expect("a stored state");
        CaseChange {
            case: serde_json::from_value(state["case"].clone()).expect("a case"),
            events: vec![
                json(event("1", r#"{"type":"created"}"#)),
                json(event("2", r#"{"type":"replied","public":true,"signals":[]}"#)),
            ],
            marks: Default::default(),
            events_complete: true,
            texts: vec![
                ("1".to_owned(), "Production is down since nine".to_owned()),
                ("2".to_owned(), "I want to speak to a manager".to_owned()),
            ],
        }
    }

    #[test]
    fn a_hostile_text_is_cut_and_ends() {
        let long = "escalat ".repeat(100_000) + "escalate";
        assert!(lexicon().signals_in(&long).is_empty());
        assert!(lexicon().signals_in(&"\u{130}".repeat(100_000)).is_empty());
    }
}
