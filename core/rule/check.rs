//! Checks of typed parts: types that do not go together, comparisons that say nothing, cost over the bound.
//!
//! Must not know: how a part came about.

use super::compile::{COST_MAX, Compiler, Typed};
use super::expr::{Expr, Skeleton};
use super::parse::Fault;
use super::value::{Comparison, Type, Value};
use super::vocabulary::Read;
use super::words::Word;
use super::write::write;
use cel::common::ast::IdedExpr;

impl Compiler<'_> {
    pub(super) fn check_members(&mut self, tree: &IdedExpr, element: &Typed, list: &Typed) {
        let Some(word) = element.word.filter(|word| !word.one_of.is_empty()) else { return };
        let Expr::List(members) = &list.expr else { return };
        for member in members {
            if let Some(Value::Text(text)) = member.constant() {
                self.check_choice(tree, word, &text);
            }
        }
    }

    pub(super) fn check_choice(&mut self, tree: &IdedExpr, word: &Word, text: &str) {
        if word.one_of.contains(&text) {
            return;
        }
        let remedy = match crate::problem::nearest(text, word.one_of.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("it is one of {}", word.one_of.join(", ")),
        };
        self.fault(tree, format!("`{}` is never \"{text}\"", word.path), remedy);
    }

    pub(super) fn expect(&mut self, tree: &IdedExpr, typed: &Typed, wanted: Type) {
        let fits = match wanted {
            Type::Any => true,
            Type::Number => typed.yields.is_number(),
            Type::Anys => typed.yields.element().is_some() || typed.yields == Type::Text,
            _ => typed.yields == wanted || typed.yields == Type::Any,
        };
        if !fits {
            self.fault(
                tree,
                format!("expected {}, found {}", wanted.one(), typed.yields.one()),
                match wanted {
                    Type::Bool => "compare it with something",
                    Type::Text => "this works on texts such as `case.title`",
                    Type::Number => "this works on numbers and time spans",
                    _ => "this works on lists such as `case.tags`, and on texts",
                },
            );
        }
    }

    pub(super) fn check_comparison(&mut self, tree: &IdedExpr, a: &Typed, comparison: Comparison, b: &Typed) {
        if a.yields == Type::Instant || b.yields == Type::Instant {
            if a.yields != Type::Null && b.yields != Type::Null {
                self.fault(tree, "instants are not compared", "compare the time left or passed, as in `clock.resolution.remaining <= hours(1)` or `case.age.wall >= days(2)`");
            }
            return;
        }
        if !comparable(a.yields, b.yields) || unlike_units(a, b) {
            let remedy = match (a.yields, b.yields) {
                (Type::Seconds, _) | (_, Type::Seconds) => {
                    "write time spans as `minutes(30)`, `hours(4)` or `days(2)`, and compare them with readings such as `idle.wall`"
                }
                (Type::Text, Type::Number) if b.is_constant() => {
                    "a text is compared with a text in quotes, as in `case.tier == \"gold\"`"
                }
                (Type::Number, Type::Text) | (Type::Text, Type::Number) => {
                    "take the quotes off the number, or compare the raw word, as in `case.priority_raw == \"High\"`"
                }
                _ => "compare values of one type",
            };
            self.fault(tree, format!("{} is compared with {}", a.yields.one(), b.yields.one()), remedy);
            return;
        }
        if a.is_constant() && b.is_constant() {
            self.fault(
                tree,
                "this does not depend on the case: it always says the same",
                "leave it out, or read a word such as `case.priority`",
            );
            return;
        }
        self.check_possible(tree, a, comparison, b);
        self.check_possible(tree, b, comparison.flipped(), a);
    }

    /// A comparison of a word with a constant must be able to go both ways.
    pub(super) fn check_possible(&mut self, tree: &IdedExpr, a: &Typed, comparison: Comparison, b: &Typed) {
        let (Some(word), Some(bound)) = (a.word, b.expr.constant()) else { return };
        if let Value::Text(text) = &bound
            && !word.one_of.is_empty()
        {
            self.check_choice(tree, word, text);
        }
        let Some(number) = bound.number() else { return };
        let (low, high) = word.range;
        use Comparison::*;
        let below = low.is_some_and(|low| match comparison {
            Less | AtLeast => number <= low,
            AtMost | Greater | Equal | NotEqual => number < low,
        });
        let above = high.is_some_and(|high| match comparison {
            Greater | AtMost => number >= high,
            AtLeast | Less | Equal | NotEqual => number > high,
        });
        if !below && !above {
            return;
        }
        let never = match comparison {
            Less | AtMost => below,
            Greater | AtLeast => above,
            Equal => true,
            NotEqual => false,
        };
        let message = if never { "can never hold" } else { "always holds once there is a value" };
        let limits = match (low, high) {
            (Some(low), Some(high)) => format!("`{}` is between {low} and {high}", word.path),
            (Some(low), None) => format!("`{}` is never less than {low}", word.path),
            _ => format!("dutyd words says what `{}` is", word.path),
        };
        self.fault(tree, format!("`{}` {message}", write(tree)), limits);
    }

    /// One atom.
    pub(super) fn afford(&mut self, tree: &IdedExpr, typed: &Typed) {
        self.cost = self.cost.saturating_add(typed.cost);
        if typed.cost > COST_MAX {
            self.fault(
                tree,
                format!("this takes up to {} steps, at most {COST_MAX} are allowed", typed.cost),
                "ask for elements with `in`, or loop over one list only",
            );
        }
    }

    /// All atoms together.
    pub(super) fn afford_all(&mut self, tree: &IdedExpr) {
        if self.cost > COST_MAX && self.faults.is_empty() {
            let message = format!(
                "the condition takes up to {} steps in all, at most {COST_MAX} are allowed",
                self.cost
            );
            self.fault(
                tree,
                message,
                "ask for elements with `in`, or split the condition into several rules",
            );
        }
    }

    /// Comparisons of one word with fixed values, joined by `&&`, must be able to hold together.
    pub(super) fn check_together(&mut self, skeleton: &Skeleton) {
        match skeleton {
            Skeleton::Atom(_) => {}
            Skeleton::Not(part) => self.check_together(part),
            Skeleton::If(parts) => parts.iter().for_each(|part| self.check_together(part)),
            Skeleton::Or(parts) => parts.iter().for_each(|part| self.check_together(part)),
            Skeleton::And(parts) => {
                parts.iter().for_each(|part| self.check_together(part));
                self.check_joined(parts);
            }
        }
    }

    fn check_joined(&mut self, parts: &[Skeleton]) {
        let fixed: Vec<(usize, Read, Comparison, Value<'static>)> = parts
            .iter()
            .filter_map(|part| match part {
                Skeleton::Atom(at) => {
                    self.atoms[*at].fixed().map(|(read, comparison, bound)| (*at, read, comparison, bound))
                }
                _ => None,
            })
            .collect();
        for (index, (at, read, comparison, bound)) in fixed.iter().enumerate() {
            let earlier = fixed[..index].iter().find(|(_, other_read, other, other_bound)| {
                other_read == read && excludes(*comparison, bound, *other, other_bound)
            });
            if let Some((other, ..)) = earlier {
                let message = format!(
                    "`{}` and `{}` can never hold together",
                    self.atoms[*other].text, self.atoms[*at].text
                );
                let remedy = "join them with `||`, or mend one of the values";
                self.faults.push(Fault::new(self.atom_places[*at], message, remedy));
            }
        }
    }
}

pub(super) fn comparable(a: Type, b: Type) -> bool {
    let any = |kind| matches!(kind, Type::Any | Type::Null);
    a == b
        || any(a)
        || any(b)
        || (a.is_number() && b.is_number())
        || (a.element().is_some() && b.element().is_some())
}

/// A time span against a count, a percentage or a number without its unit: whoever writes 4 means hours, and 4 would be
/// seconds. None at all, 0, has no unit.
fn unlike_units(a: &Typed, b: &Typed) -> bool {
    let is_span = |part: &Typed| part.yields == Type::Seconds;
    let is_none = |part: &Typed| part.expr.constant().and_then(|value| value.number()) == Some(0.0);
    let is_count = |part: &Typed| part.yields == Type::Number && !is_none(part);
    (is_span(a) && is_count(b)) || (is_span(b) && is_count(a))
}

/// Whether no value satisfies both comparisons.
fn excludes(a: Comparison, a_bound: &Value<'_>, b: Comparison, b_bound: &Value<'_>) -> bool {
    use Comparison::*;
    match (a, b) {
        (Equal, _) => b.holds(a_bound, b_bound) == Ok(false),
        (_, Equal) => a.holds(b_bound, a_bound) == Ok(false),
        (AtMost, AtLeast) => Less.holds(a_bound, b_bound) == Ok(true),
        (AtLeast, AtMost) => Greater.holds(a_bound, b_bound) == Ok(true),
        (Less | AtMost, Greater | AtLeast) => AtMost.holds(a_bound, b_bound) == Ok(true),
        (Greater | AtLeast, Less | AtMost) => AtLeast.holds(a_bound, b_bound) == Ok(true),
        _ => false,
    }
}
