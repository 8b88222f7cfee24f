//! Evaluates a compiled condition: three answers, and the earliest instant at which the answer may differ.
//!
//! Must not know: rules, flags, severities.

use super::compile::LIST_MAX;
use super::expr::{Atom, Condition, Expr, Function, Loop, Skeleton, Test};
use super::line::Line;
use super::value::{Comparison, Known, Reason, Truth, Value};
use super::vocabulary::Read;
use jiff::Timestamp;
use std::borrow::Cow;

/// Where values come from.
pub trait View {
    fn now(&self) -> Timestamp;
    /// A value at this instant.
    fn read<'v>(&'v self, read: &Read) -> Known<'v>;
    /// A reading that moves; `None` if it stands still, or there is none.
    fn line(&self, read: &Read) -> Result<Option<Line<'_>>, Reason>;
    /// A count that is known from below only, because the oldest events are gone.
    fn is_at_least(&self, read: &Read) -> bool;
    /// Counts that a value steps to if nothing happens: the instants, in order, with the value from then on.
    fn steps(&self, read: &Read) -> Vec<(Timestamp, Value<'static>)>;
}

/// An answer, and the earliest later instant at which it may differ if nothing happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub truth: Truth,
    pub changes_at: Option<Timestamp>,
}

impl Judgement {
    fn fixed(truth: Truth) -> Self {
        Self { truth, changes_at: None }
    }
}

impl Condition {
    pub fn judge(&self, view: &dyn View) -> Judgement {
        judge(&self.skeleton, &self.atoms, view)
    }
}

fn judge(skeleton: &Skeleton, atoms: &[Atom], view: &dyn View) -> Judgement {
    match skeleton {
        Skeleton::Atom(at) => atoms[*at].judge(view),
        Skeleton::Not(part) => {
            let inner = judge(part, atoms, view);
            Judgement { truth: inner.truth.negated(), ..inner }
        }
        Skeleton::And(parts) => settle(parts, atoms, view, false),
        Skeleton::Or(parts) => settle(parts, atoms, view, true),
        Skeleton::If(parts) => choose(parts, atoms, view),
    }
}

/// `&&` is settled by one false part, `||` by one true part: as long as any settling part stays as it is, so does the
/// whole, whatever the others do. Otherwise the first part to change may change the whole.
fn settle(parts: &[Skeleton], atoms: &[Atom], view: &dyn View, settling: bool) -> Judgement {
    let mut settled: Option<Timestamp> = None;
    let mut open: Option<Timestamp> = None;
    let mut unknown = None;
    for part in parts {
        let Judgement { truth, changes_at } = judge(part, atoms, view);
        match truth.known() {
            Some(value) if value == settling => match changes_at {
                None => return Judgement::fixed(settling.into()),
                Some(at) => settled = settled.max(Some(at)),
            },
            _ => {
                open = earliest(open, changes_at);
                if let Truth::Unknown(reason) = truth {
                    unknown.get_or_insert(reason);
                }
            }
        }
    }
    match (settled, unknown) {
        (Some(at), _) => Judgement { truth: settling.into(), changes_at: Some(at) },
        (None, Some(reason)) => Judgement { truth: Truth::Unknown(reason), changes_at: open },
        (None, None) => Judgement { truth: (!settling).into(), changes_at: open },
    }
}

fn choose(parts: &[Skeleton; 3], atoms: &[Atom], view: &dyn View) -> Judgement {
    let [choice, yes, no] = parts;
    let choice = judge(choice, atoms, view);
    let taken = match choice.truth.known() {
        Some(true) => judge(yes, atoms, view),
        Some(false) => judge(no, atoms, view),
        None => return choice,
    };
    Judgement { changes_at: earliest(choice.changes_at, taken.changes_at), ..taken }
}

/// The earlier of two instants that may be missing.
pub fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl Atom {
    pub fn judge(&self, view: &dyn View) -> Judgement {
        match &self.test {
            Test::Free(expr) => {
                let truth = truth(expr, view, &mut Vec::new());
                let changes_at = if self.has_steps { self.next_step(view) } else { None };
                Judgement { truth, changes_at }
            }
            Test::Line { read, comparison, bound } => judge_line(view, read, *comparison, bound),
            Test::Window { read, comparison, bound } => judge_window(view, read, *comparison, bound),
        }
    }

    fn next_step(&self, view: &dyn View) -> Option<Timestamp> {
        self.reads
            .iter()
            .filter(|read| read.is_step())
            .filter_map(|read| view.steps(read).first().map(|(at, _)| *at))
            .min()
    }
}

fn judge_line(view: &dyn View, read: &Read, comparison: Comparison, bound: &Expr) -> Judgement {
    let bound = match value(bound, view, &mut Vec::new()) {
        Ok(bound) => bound,
        Err(reason) => return Judgement::fixed(Truth::Unknown(reason)),
    };
    match view.line(read) {
        Err(reason) => Judgement::fixed(Truth::Unknown(reason)),
        Ok(None) => Judgement::fixed(match view.read(read) {
            Ok(still) => comparison.holds(&still, &bound).into(),
            Err(reason) => Truth::Unknown(reason),
        }),
        Ok(Some(line)) => {
            let truth = comparison.holds(&line.value(view.now()), &bound).into();
            Judgement { truth, changes_at: line.changes_at(view.now(), comparison, &bound) }
        }
    }
}

fn judge_window(view: &dyn View, read: &Read, comparison: Comparison, bound: &Expr) -> Judgement {
    let bound = match value(bound, view, &mut Vec::new()) {
        Ok(bound) => bound,
        Err(reason) => return Judgement::fixed(Truth::Unknown(reason)),
    };
    let count = match view.read(read) {
        Ok(count) => count,
        Err(reason) => return Judgement::fixed(Truth::Unknown(reason)),
    };
    let truth = compare_count(view, read, comparison, &count, &bound);
    let changes_at = view
        .steps(read)
        .into_iter()
        .find(|(_, count)| compare_count(view, read, comparison, count, &bound) != truth)
        .map(|(at, _)| at);
    Judgement { truth, changes_at }
}

/// A count known only from below says something only where more of it would say the same.
fn compare_count(
    view: &dyn View,
    read: &Read,
    comparison: Comparison,
    count: &Value<'_>,
    bound: &Value<'_>,
) -> Truth {
    let holds = comparison.holds(count, bound);
    if !view.is_at_least(read) {
        return holds.into();
    }
    use Comparison::*;
    let more_than = Greater.holds(count, bound).unwrap_or(false);
    match (comparison, holds) {
        (AtLeast | Greater, Ok(true)) => Truth::True,
        (AtMost | Less, Ok(false)) => Truth::False,
        (Equal, _) if more_than => Truth::False,
        (NotEqual, _) if more_than => Truth::True,
        _ => Truth::Unknown("the oldest events of this case are not kept".into()),
    }
}

/// A value as true or false.
fn truth<'e>(expr: &'e Expr, view: &'e dyn View, variables: &mut Vec<Value<'e>>) -> Truth {
    if let Expr::Compare(comparison, sides) = expr
        && let [Expr::Read(read), bound] = sides.as_ref()
        && view.is_at_least(read)
    {
        return match (view.read(read), value(bound, view, variables)) {
            (Ok(count), Ok(bound)) => compare_count(view, read, *comparison, &count, &bound),
            (Err(reason), _) | (_, Err(reason)) => Truth::Unknown(reason),
        };
    }
    match value(expr, view, variables) {
        Ok(Value::Bool(value)) => value.into(),
        Ok(Value::Null) => Truth::False,
        Ok(other) => Truth::Unknown(format!("{} is neither true nor false", other.kind()).into()),
        Err(reason) => Truth::Unknown(reason),
    }
}

/// What an expression free of time comes to.
pub(super) fn value<'e>(expr: &'e Expr, view: &'e dyn View, variables: &mut Vec<Value<'e>>) -> Known<'e> {
    match expr {
        Expr::Const(Value::Text(text)) => Ok(Value::Text(Cow::Borrowed(text))),
        Expr::Const(constant) => Ok(constant.clone()),
        Expr::Read(read) => view.read(read),
        Expr::Variable(at) => Ok(variables.get(*at).cloned().unwrap_or(Value::Null)),
        Expr::List(parts) => {
            parts.iter().map(|part| value(part, view, variables)).collect::<Result<_, _>>().map(Value::List)
        }
        Expr::And(parts) => join(parts, view, variables, false),
        Expr::Or(parts) => join(parts, view, variables, true),
        Expr::If(parts) => {
            let [choice, yes, no] = parts.as_ref();
            match truth(choice, view, variables) {
                Truth::True => value(yes, view, variables),
                Truth::False => value(no, view, variables),
                Truth::Unknown(reason) => Err(reason),
            }
        }
        Expr::Compare(comparison, sides) => {
            let [left, right] = sides.as_ref();
            let (left, right) = (value(left, view, variables)?, value(right, view, variables)?);
            comparison.holds(&left, &right).map(Value::Bool)
        }
        Expr::In(sides) => contained(sides, view, variables),
        Expr::Matches(text, pattern) => match value(text, view, variables)? {
            Value::Null => Ok(Value::Bool(false)),
            Value::Text(text) => Ok(Value::Bool(pattern.is_match(&text))),
            other => Err(format!("{} has no pattern", other.kind()).into()),
        },
        Expr::Call(function, parts) => {
            let values: Result<Vec<_>, _> = parts.iter().map(|part| value(part, view, variables)).collect();
            apply(*function, values?)
        }
        Expr::Each(kind, parts) => each(*kind, parts, view, variables),
    }
}

fn join<'e>(
    parts: &'e [Expr],
    view: &'e dyn View,
    variables: &mut Vec<Value<'e>>,
    settling: bool,
) -> Known<'e> {
    let mut unknown = None;
    for part in parts {
        match truth(part, view, variables) {
            Truth::Unknown(reason) => {
                unknown.get_or_insert(reason);
            }
            known if known.is_true() == settling => return Ok(Value::Bool(settling)),
            _ => {}
        }
    }
    unknown.map_or(Ok(Value::Bool(!settling)), Err)
}

fn contained<'e>(sides: &'e [Expr; 2], view: &'e dyn View, variables: &mut Vec<Value<'e>>) -> Known<'e> {
    let [element, list] = sides;
    let (element, list) = (value(element, view, variables)?, value(list, view, variables)?);
    match list {
        Value::Null => Ok(Value::Bool(false)),
        Value::Texts(texts) => Ok(Value::Bool(match &element {
            Value::Text(element) => texts.iter().take(LIST_MAX).any(|text| text == element),
            _ => false,
        })),
        Value::List(list) => {
            Ok(Value::Bool(list.iter().take(LIST_MAX).any(|member| member.equals(&element))))
        }
        other => Err(format!("{} has no elements", other.kind()).into()),
    }
}

fn each<'e>(
    kind: Loop,
    parts: &'e [Expr; 2],
    view: &'e dyn View,
    variables: &mut Vec<Value<'e>>,
) -> Known<'e> {
    let [list, body] = parts;
    let elements = value(list, view, variables)?.elements();
    let mut kept = Vec::new();
    let mut answers = Vec::new();
    for element in elements.into_iter().take(LIST_MAX) {
        variables.push(element.clone());
        let outcome = if kind == Loop::Map {
            value(body, view, variables).map(|made| kept.push(made))
        } else {
            let answer = truth(body, view, variables);
            let outcome = match (&answer, kind) {
                (Truth::Unknown(reason), Loop::Filter) => Err(reason.clone()),
                (Truth::True, Loop::Filter) => {
                    kept.push(element);
                    Ok(())
                }
                _ => Ok(()),
            };
            answers.push(answer);
            outcome
        };
        variables.pop();
        outcome?;
        if settled(kind, answers.last()) {
            break;
        }
    }
    gathered(kind, kept, &answers)
}

/// Whether the rest of the list cannot matter any more.
fn settled(kind: Loop, answer: Option<&Truth>) -> bool {
    match kind {
        Loop::Exists => answer == Some(&Truth::True),
        Loop::All => answer == Some(&Truth::False),
        _ => false,
    }
}

fn gathered<'e>(kind: Loop, kept: Vec<Value<'e>>, answers: &[Truth]) -> Known<'e> {
    let count = answers.iter().filter(|answer| answer.is_true()).count();
    let unknown = answers.iter().find_map(|answer| match answer {
        Truth::Unknown(reason) => Some(reason.clone()),
        _ => None,
    });
    match (kind, unknown) {
        (Loop::Map | Loop::Filter, _) => Ok(Value::List(kept)),
        (Loop::Exists, _) if count > 0 => Ok(Value::Bool(true)),
        (Loop::All, _) if answers.contains(&Truth::False) => Ok(Value::Bool(false)),
        (_, Some(reason)) => Err(reason),
        (Loop::Exists, None) => Ok(Value::Bool(false)),
        (Loop::All, None) => Ok(Value::Bool(true)),
        (Loop::ExistsOne, None) => Ok(Value::Bool(count == 1)),
    }
}

/// A function of values. A missing value makes numbers missing, and texts contain nothing.
pub(super) fn apply<'e>(function: Function, values: Vec<Value<'e>>) -> Known<'e> {
    use Function::*;
    match (function, values.as_slice()) {
        (Not, [Value::Bool(value)]) => Ok(Value::Bool(!value)),
        (Not, [Value::Null]) => Ok(Value::Bool(true)),
        (Contains | StartsWith | EndsWith, parts) if parts.contains(&Value::Null) => Ok(Value::Bool(false)),
        (Contains, [Value::Text(a), Value::Text(b)]) => Ok(Value::Bool(a.contains(b.as_ref()))),
        (StartsWith, [Value::Text(a), Value::Text(b)]) => Ok(Value::Bool(a.starts_with(b.as_ref()))),
        (EndsWith, [Value::Text(a), Value::Text(b)]) => Ok(Value::Bool(a.ends_with(b.as_ref()))),
        (LowerAscii, [Value::Text(a)]) => Ok(Value::Text(Cow::Owned(a.to_ascii_lowercase()))),
        (Size, [Value::Text(a)]) => Ok(Value::Int(a.chars().count() as i64)),
        (Size, [Value::Null]) => Ok(Value::Int(0)),
        (Size, [list @ (Value::Texts(_) | Value::List(_))]) => Ok(Value::Int(list.elements().len() as i64)),
        (Add, [Value::Text(a), Value::Text(b)]) => Ok(Value::Text(Cow::Owned(format!("{a}{b}")))),
        (_, parts) if parts.contains(&Value::Null) => Ok(Value::Null),
        (Seconds, [a]) => times(a, 1),
        (Minutes, [a]) => times(a, 60),
        (Hours, [a]) => times(a, 3_600),
        (Days, [a]) => times(a, 86_400),
        (Negate, [Value::Int(a)]) => a.checked_neg().map(Value::Int).ok_or_else(overflow),
        (Negate, [Value::Double(a)]) => Ok(Value::Double(-a)),
        (_, [Value::Int(a), Value::Int(b)]) => whole(function, *a, *b),
        (_, [a, b]) => match (a.number(), b.number()) {
            (Some(a), Some(b)) => broken(function, a, b),
            _ => Err(format!("{} and {} do not go together", a.kind(), b.kind()).into()),
        },
        (_, [a, ..]) => Err(format!("{} does not fit here", a.kind()).into()),
        (_, []) => Err("nothing to work on".into()),
    }
}

fn overflow() -> Reason {
    "the number is too large".into()
}

fn times(value: &Value<'_>, unit: i64) -> Known<'static> {
    match value {
        Value::Int(count) => count.checked_mul(unit).map(Value::Int).ok_or_else(overflow),
        Value::Double(count) if (count * unit as f64).abs() < 9e15 => {
            Ok(Value::Int((count * unit as f64).round() as i64))
        }
        Value::Double(_) => Err(overflow()),
        other => Err(format!("{} is no number of units", other.kind()).into()),
    }
}

fn whole(function: Function, a: i64, b: i64) -> Known<'static> {
    let result = match function {
        Function::Add => a.checked_add(b),
        Function::Subtract => a.checked_sub(b),
        Function::Multiply => a.checked_mul(b),
        Function::Divide | Function::Remainder if b == 0 => return Err("division by zero".into()),
        Function::Divide => a.checked_div(b),
        Function::Remainder => a.checked_rem(b),
        _ => return Err("this does not work on numbers".into()),
    };
    result.map(Value::Int).ok_or_else(overflow)
}

fn broken(function: Function, a: f64, b: f64) -> Known<'static> {
    let result = match function {
        Function::Add => a + b,
        Function::Subtract => a - b,
        Function::Multiply => a * b,
        Function::Divide if b == 0.0 => return Err("division by zero".into()),
        Function::Divide => a / b,
        _ => return Err("this does not work on numbers with a fraction".into()),
    };
    if result.is_finite() { Ok(Value::Double(result)) } else { Err(overflow()) }
}
