//! From the documents of rules to compiled rules.

use super::document::{LadderDoc, RuleDoc};
use super::example::Example;
use super::load::{Sections, problem_in_text};
use super::read::Reader;
use super::{Policy, load::RULES_MAX, thresholds};
use crate::action::Severity;
use crate::calendar::parse_duration;
use crate::problem::{Problem, nearest};
use crate::rule::{Condition, Names, Rule, Scope, Template, compile as compile_condition};
use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use toml::Spanned;

/// How often a rule may raise a flag on one case within a day, where it does not say.
const REFIRES: usize = 3;
/// How long a condition must have been quiet before a flag clears, where the rule does not say: what flips by the minute
/// stays one flag.
const DWELL: SignedDuration = SignedDuration::from_mins(10);

/// Compiles all rules and examples into the policy; problems go to the readers.
/// `clocks_known`: the clocks of the policy are whole, so thresholds can be compared with their targets.
pub(super) fn compile(
    readers: &mut [Reader<'_>],
    sections: &Sections,
    names: &Names,
    clocks_known: bool,
    policy: &mut Policy,
) {
    let known: Vec<&str> =
        sections.rules.iter().map(|entry| entry.doc.get_ref().name.get_ref().as_str()).collect();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in &sections.rules {
        let doc = entry.doc.get_ref();
        let reader = &mut readers[entry.file];
        check_name(reader, doc, &mut seen);
        check_covers(reader, doc, &known);
        let before = reader.problems.len();
        let rule = compile_rule(reader, doc, sections, names);
        for example in &doc.examples {
            let parsed = Example::compile(reader, policy.rules.len(), example);
            policy.examples.extend(parsed);
        }
        if doc.examples.is_empty() {
            policy.findings.push(finding(
                reader,
                doc,
                "has no examples",
                "add `[[rules.examples]]`: one where it fires, one where it does not",
            ));
        }
        if doc.text.is_none() {
            policy.findings.push(finding(
                reader,
                doc,
                "has no text",
                "add `text = \"…\"`: what is true, since when, and what it means",
            ));
        }
        debug_assert!(rule.is_some() || reader.problems.len() > before, "a refused rule has a problem");
        if let Some(rule) = rule {
            if clocks_known {
                thresholds::check(reader, doc, &rule, &policy.sla);
            }
            policy.groups_read.extend(rule.groups_read());
            policy.links_read |= rule.reads_links();
            policy.rules.push(rule);
        }
    }
    check_texts(readers, sections, names, &known);
    if let Some(entry) = sections.rules.get(RULES_MAX) {
        readers[entry.file].problem(
            entry.doc.span().start,
            format!("more than {RULES_MAX} rules"),
            "join rules that ask the same",
        );
    }
}

fn finding(reader: &Reader<'_>, doc: &RuleDoc, message: &str, remedy: &str) -> Problem {
    let at = doc.name.span().start;
    Problem::at(
        &reader.file.name,
        &reader.file.text,
        at,
        format!("rule `{}` {message}", doc.name.get_ref()),
        remedy,
    )
}

fn check_name<'d>(reader: &mut Reader<'_>, doc: &'d RuleDoc, seen: &mut BTreeMap<&'d str, usize>) {
    let name = doc.name.get_ref().as_str();
    let at = doc.name.span().start;
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !letters || name.is_empty() || name.len() > 40 {
        let message = format!("`{name}` is not a name for a rule");
        reader.problem(
            at,
            message,
            "use at most 40 lower-case letters, digits and `-`, as in `customer-waiting`",
        );
    }
    if seen.insert(name, at).is_some() {
        reader.problem(at, format!("rule `{name}` is defined twice"), "give one of them another name");
    }
}

fn check_covers(reader: &mut Reader<'_>, doc: &RuleDoc, known: &[&str]) {
    for covered in &doc.covers {
        let name = covered.get_ref().as_str();
        let at = covered.span().start;
        if name == doc.name.get_ref() {
            reader.problem(at, format!("rule `{name}` covers itself"), "take it out of `covers`");
        } else if !known.contains(&name) {
            let others: Vec<&str> =
                known.iter().copied().filter(|other| other != doc.name.get_ref()).collect();
            reader.problem(at, format!("there is no rule `{name}` to cover"), suggestion(name, &others));
        }
    }
}

fn suggestion(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "the policy has no other rule; add one".to_owned(),
        None => format!("known rules: {}", known.join(", ")),
    }
}

/// Texts in `[texts.LANGUAGE]` must be whole, and of rules that exist.
fn check_texts(readers: &mut [Reader<'_>], sections: &Sections, names: &Names, known: &[&str]) {
    for (name, entry) in sections.texts.values().flatten() {
        template(&mut readers[entry.file], &entry.doc, names);
        if !known.contains(&name.as_str()) {
            let at = entry.doc.span().start;
            readers[entry.file].problem(
                at,
                format!("there is no rule `{name}` for this text"),
                suggestion(name, known),
            );
        }
    }
}

fn compile_rule(reader: &mut Reader<'_>, doc: &RuleDoc, sections: &Sections, names: &Names) -> Option<Rule> {
    let ladder = ladder(reader, doc, names);
    let exit = doc.exit.as_ref().map(|exit| condition(reader, exit, names));
    let texts = texts(reader, doc, sections, names);
    let note_from = match &doc.note_from {
        Some(word) => severity(reader, word),
        None => Some(Severity::Warning),
    };
    let hold_for = duration(reader, &doc.hold_for);
    let dwell = if doc.dwell.is_some() { duration(reader, &doc.dwell) } else { Some(DWELL) };
    let cooldown = duration(reader, &doc.cooldown);
    let refires_max = refires(reader, doc);
    let exit = match exit {
        Some(None) => return None,
        other => other.flatten(),
    };
    let name = doc.name.get_ref().clone();
    let mut rule = Rule {
        version: version(doc),
        hold_for: hold_for?,
        dwell: dwell?,
        cooldown: cooldown?,
        refires_max: refires_max?,
        note_from: note_from?,
        title: if doc.title.is_empty() { name.replace('-', " ") } else { doc.title.clone() },
        about: doc.about.clone(),
        covers: doc.covers.iter().map(|covered| covered.get_ref().clone()).collect(),
        ladder: ladder?,
        exit,
        texts: texts?,
        movers: Default::default(),
        fields: Default::default(),
        name,
    };
    rule.learn_movers();
    Some(rule)
}

fn ladder(reader: &mut Reader<'_>, doc: &RuleDoc, names: &Names) -> Option<Vec<(Severity, Condition)>> {
    let at = doc.name.span().start;
    let rungs = match (&doc.when, &doc.ladder) {
        (Some(when), None) => match &doc.severity {
            Some(word) => match severity(reader, word) {
                Some(severity) => vec![(severity, when)],
                None => {
                    condition(reader, when, names);
                    return None;
                }
            },
            None => {
                reader.problem(
                    when.span().start,
                    "a rule with `when` needs a `severity`",
                    "add `severity = \"watch\"`, `\"warning\"`, `\"candidate\"` or `\"critical\"`",
                );
                condition(reader, when, names);
                return None;
            }
        },
        (None, Some(ladder)) => {
            if let Some(word) = &doc.severity {
                reader.problem(
                    word.span().start,
                    "a rule with a ladder has no `severity` of its own",
                    "take it out; each rung has its severity",
                );
            }
            rungs(ladder)
        }
        (Some(when), Some(_)) => {
            reader.problem(
                when.span().start,
                "a rule has either `when` or a `ladder`",
                "move this condition into the ladder",
            );
            return None;
        }
        (None, None) => Vec::new(),
    };
    if rungs.is_empty() {
        reader.problem(
            at,
            format!("rule `{}` has no condition", doc.name.get_ref()),
            "add `when = \"…\"` with a `severity`, or `[rules.ladder]` with one condition per severity",
        );
        return None;
    }
    let count = rungs.len();
    let compiled: Vec<_> = rungs
        .into_iter()
        .filter_map(|(severity, source)| Some((severity, condition(reader, source, names)?)))
        .collect();
    (compiled.len() == count).then_some(compiled)
}

/// The conditions of a rule as written, the highest rung first.
pub(super) fn sources(doc: &RuleDoc) -> Vec<&Spanned<String>> {
    let ladder = doc.ladder.iter().flat_map(rungs).map(|(_, source)| source);
    doc.when.iter().chain(ladder).collect()
}

/// All conditions of a rule as written.
pub(super) fn all_sources(doc: &RuleDoc) -> impl Iterator<Item = &Spanned<String>> {
    sources(doc).into_iter().chain(&doc.exit)
}

/// Highest first.
fn rungs(ladder: &LadderDoc) -> Vec<(Severity, &Spanned<String>)> {
    let all = [
        (Severity::Critical, &ladder.critical),
        (Severity::Candidate, &ladder.candidate),
        (Severity::Warning, &ladder.warning),
        (Severity::Watch, &ladder.watch),
    ];
    all.into_iter().filter_map(|(severity, source)| Some((severity, source.as_ref()?))).collect()
}

fn condition(reader: &mut Reader<'_>, source: &Spanned<String>, names: &Names) -> Option<Condition> {
    match compile_condition(source.get_ref(), Scope::Rule, names) {
        Ok(condition) => Some(condition),
        Err(faults) => {
            for fault in faults {
                problem_in_text(reader, source, fault.offset, fault.message, fault.remedy);
            }
            None
        }
    }
}

fn severity(reader: &mut Reader<'_>, word: &Spanned<String>) -> Option<Severity> {
    let found = Severity::from_word(word.get_ref());
    if found.is_none() {
        let words = Severity::ALL.map(Severity::word);
        let remedy = match nearest(word.get_ref(), words) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", words.join(", ")),
        };
        reader.problem(word.span().start, format!("`{}` is not a severity", word.get_ref()), remedy);
    }
    found
}

fn duration(reader: &mut Reader<'_>, text: &Option<Spanned<String>>) -> Option<SignedDuration> {
    let Some(text) = text else { return Some(SignedDuration::ZERO) };
    match parse_duration(text.get_ref()) {
        Ok(seconds) => Some(SignedDuration::from_secs(seconds)),
        Err(message) => {
            reader.problem(text.span().start, message, "write it as `30m`, `4h` or `2d`");
            None
        }
    }
}

fn refires(reader: &mut Reader<'_>, doc: &RuleDoc) -> Option<usize> {
    let Some(refires) = &doc.refires else { return Some(REFIRES) };
    match usize::try_from(*refires.get_ref()) {
        Ok(count @ 1..=100) => Some(count),
        _ => {
            reader.problem(
                refires.span().start,
                "`refires` is how often a flag may be raised within a day, from 1 to 100",
                "write `refires = 3`",
            );
            None
        }
    }
}

/// Texts by language: the rule's own in the policy's language, others from `[texts.LANGUAGE]`.
fn texts(
    reader: &mut Reader<'_>,
    doc: &RuleDoc,
    sections: &Sections,
    names: &Names,
) -> Option<BTreeMap<String, Template>> {
    let language = sections.defaults.first().and_then(|entry| entry.doc.get_ref().language.as_ref());
    let own = language.map_or("en", |language| language.get_ref().as_str());
    let mut texts = BTreeMap::new();
    let mut whole = true;
    if let Some(text) = &doc.text {
        whole &= template(reader, text, names).map(|parsed| texts.insert(own.to_owned(), parsed)).is_some();
    }
    for (language, all) in &sections.texts {
        let parsed = all.get(doc.name.get_ref()).map(|text| Template::parse(text.doc.get_ref(), names));
        if let Some(Ok(parsed)) = parsed {
            texts.insert(language.clone(), parsed);
        }
    }
    whole.then_some(texts)
}

fn template(reader: &mut Reader<'_>, text: &Spanned<String>, names: &Names) -> Option<Template> {
    match Template::parse(text.get_ref(), names) {
        Ok(parsed) => Some(parsed),
        Err(faults) => {
            for fault in faults {
                problem_in_text(reader, text, fault.offset, fault.message, fault.remedy);
            }
            None
        }
    }
}

/// 12 hex digits over what the rule does and says.
fn version(doc: &RuleDoc) -> String {
    let empty = LadderDoc::default();
    let ladder = doc.ladder.as_ref().unwrap_or(&empty);
    let texts = [
        &doc.when,
        &doc.severity,
        &ladder.watch,
        &ladder.warning,
        &ladder.candidate,
        &ladder.critical,
        &doc.exit,
        &doc.hold_for,
        &doc.dwell,
        &doc.cooldown,
        &doc.note_from,
        &doc.text,
    ];
    let mut hash = Sha256::new();
    hash.update(doc.name.get_ref());
    for text in texts {
        hash.update([0]);
        hash.update(text.as_ref().map_or("", |text| text.get_ref()));
    }
    for covered in &doc.covers {
        hash.update([1]);
        hash.update(covered.get_ref());
    }
    hash.update(doc.refires.as_ref().map_or(0, |refires| *refires.get_ref()).to_be_bytes());
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
