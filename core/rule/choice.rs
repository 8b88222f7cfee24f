//! Other values that the words of a rule could come to have: about each constant that a condition compares them with.
//!
//! Only what can still happen: an age grows, a count of everything that ever happened never falls.

use super::eval::View as _;
use super::expr::{Atom, Test};
use super::value::Value;
use super::vocabulary::{CaseWord, ClockWord, Read, SpanWord};
use super::words::{WORDS, Word};
use super::{Facts, Rule};
use std::cmp::Ordering;

/// The most other values of all words together; more make too many sets.
const CHOICES_MAX: usize = 80;
/// What a text could be that no condition names.
pub const SOMETHING_ELSE: &str = "something else";

/// One other value of one word.
pub struct Choice {
    pub read: Read,
    pub to: Value<'static>,
    /// How far the value is from the constant of the condition beside which it lies.
    pub beside: i64,
}

/// Other values that the words could come to have, those of lower rungs first.
pub fn choices(rule: &Rule, facts: &Facts<'_>) -> Vec<Choice> {
    let mut choices: Vec<Choice> = Vec::new();
    let conditions = rule.ladder.iter().rev().map(|(_, condition)| condition).chain(&rule.exit);
    for atom in conditions.flat_map(|condition| &condition.atoms) {
        for read in &atom.reads {
            let Ok(now) = facts.read(read) else { continue };
            for choice in other_values(atom, read, &now) {
                let known = choices.iter().any(|known| known.read == *read && known.to == choice.to);
                if !known && can_become(read, &now, &choice.to) {
                    choices.push(choice);
                }
            }
        }
    }
    choices.truncate(CHOICES_MAX);
    choices.sort_by_key(|choice| is_given(&choice.read));
    choices
}

/// What a case is given and rarely changes: named last.
fn is_given(read: &Read) -> bool {
    use CaseWord::*;
    match read {
        Read::Case(word) => {
            matches!(
                word,
                Important | Tier | Contract | Customer | Requester | Product | Category | Channel | Title
            )
        }
        _ => false,
    }
}

/// The values of one word about which an atom could say something else than of the present one.
fn other_values(atom: &Atom, read: &Read, now: &Value<'_>) -> Vec<Choice> {
    let choice = |to: Value<'static>, beside: i64| Choice { read: read.clone(), to, beside };
    let mut constants = Vec::new();
    match &atom.test {
        Test::Free(expr) => expr.constants(&mut constants),
        Test::Line { bound, .. } | Test::Window { bound, .. } => bound.constants(&mut constants),
    }
    let mut values: Vec<Choice> = match now {
        Value::Bool(truth) => vec![choice(Value::Bool(!truth), 0)],
        Value::Texts(_) | Value::List(_) => lists(now, &constants).map(|list| choice(list, 0)).collect(),
        _ => constants
            .iter()
            .flat_map(|constant| around(now, constant))
            .map(|(to, by)| choice(to, by))
            .collect(),
    };
    let names_texts = constants.iter().any(|constant| matches!(constant, Value::Text(_) | Value::Null));
    if names_texts
        && matches!(now, Value::Text(_) | Value::Null)
        && word(read).is_none_or(|word| word.one_of.is_empty())
    {
        values.push(choice(Value::text(SOMETHING_ELSE), 0));
    }
    values.retain(|choice| !choice.to.equals(now));
    values
}

/// A constant itself, and of a number its neighbours, the nearest to the present value first.
fn around(now: &Value<'_>, constant: &Value<'static>) -> Vec<(Value<'static>, i64)> {
    if constant.number().is_none() {
        return vec![(constant.clone(), 0)];
    }
    let mut values = [-1, 0, 1].map(|by| (beside(constant, by), by)).to_vec();
    if now.order(constant).is_some_and(Ordering::is_gt) {
        values.reverse();
    }
    values
}

pub fn beside(value: &Value<'_>, by: i64) -> Value<'static> {
    match value {
        Value::Int(number) => Value::Int(number.saturating_add(by)),
        Value::Double(number) => Value::Double(number + by as f64),
        _ => Value::Null,
    }
}

/// A list with each named text added or taken away, and the empty one.
fn lists<'c>(now: &Value<'_>, constants: &'c [Value<'static>]) -> impl Iterator<Item = Value<'static>> + 'c {
    let owned = |value: &Value<'_>| match value {
        Value::Text(text) => Value::Text(text.clone().into_owned().into()),
        Value::Bool(truth) => Value::Bool(*truth),
        Value::Int(number) => Value::Int(*number),
        Value::Double(number) => Value::Double(*number),
        _ => Value::Null,
    };
    let present: Vec<Value<'static>> = now.elements().iter().map(owned).collect();
    let toggled = move |constant: &Value<'static>| {
        let mut list = present.clone();
        match list.iter().position(|element| element.equals(constant)) {
            Some(at) => drop(list.remove(at)),
            None => list.push(constant.clone()),
        }
        Value::List(list)
    };
    let texts = constants.iter().filter(|constant| matches!(constant, Value::Text(_)));
    texts.map(toggled).chain([Value::List(Vec::new())])
}

fn word(read: &Read) -> Option<&'static Word> {
    WORDS.iter().find(|word| word.key.is_of(read))
}

/// Whether the value can still come about.
fn can_become(read: &Read, now: &Value<'_>, to: &Value<'_>) -> bool {
    let grows = || to.order(now).is_none_or(Ordering::is_gt);
    let (low, high) = word(read).map_or((None, None), |word| word.range);
    let counts = || {
        to.number().is_none_or(|number| {
            low.is_none_or(|low| number >= low) && high.is_none_or(|high| number <= high)
        })
    };
    match read {
        Read::Case(CaseWord::Number | CaseWord::Source | CaseWord::OpenedAt | CaseWord::Open) => false,
        Read::Span(SpanWord::Age, _) | Read::Tally(_) => counts() && grows(),
        Read::TallySinceReply(_) => counts() && (grows() || to.number() == Some(0.0)),
        Read::Clock(_, ClockWord::Percent | ClockWord::Elapsed) => counts() && grows(),
        Read::Clock(_, ClockWord::Remaining) => to.order(now).is_none_or(Ordering::is_lt),
        Read::Clock(_, ClockWord::Breached) => *to == Value::Bool(true),
        _ => counts(),
    }
}
