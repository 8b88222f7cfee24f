//! The encoded query grammar: text to conditions, and whether a row meets them.
//! Knows operators and script values by pattern; never evaluates code, never guesses.
// Vendor: platform-user-interface/c_EncodedQueryStrings, r_OpAvailableFiltersQueries.

use super::schema::Kind;
use super::store::Store;
use super::table::{Table, Text};
use super::time::{self, Caller};
use std::collections::HashSet;

#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Groups of the `^NQ` parts, any of which may hold; each is a list of alternatives that all must hold.
    pub groups: Vec<Vec<Vec<Condition>>>,
    /// Field and whether descending.
    pub order: Vec<(String, bool)>,
    /// Parts that were not understood and therefore dropped.
    pub dropped: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Condition {
    pub field: String,
    pub test: Test,
}

#[derive(Clone, Debug)]
pub enum Test {
    Equal(String),
    /// Equal to the raw value or to the one shown: the `field=value` shorthand of the Table API.
    Shown(String),
    Unequal(String),
    Less(String),
    LessOrEqual(String),
    More(String),
    MoreOrEqual(String),
    In(HashSet<String>),
    NotIn(HashSet<String>),
    Like(String),
    NotLike(String),
    Starts(String),
    Ends(String),
    Empty,
    NotEmpty,
    Anything,
    Between(String, String),
    NotBetween(String, String),
    /// Compared with another field: less, equal, more as accepted.
    Field(String, [bool; 3]),
}

/// Operators, longer before shorter where one begins with the other.
const OPERATORS: &[&str] = &[
    "ISNOTEMPTY",
    "ISEMPTY",
    "EMPTYSTRING",
    "ANYTHING",
    "NOT IN",
    "NOT LIKE",
    "DOES NOT CONTAIN",
    "STARTSWITH",
    "ENDSWITH",
    "BETWEEN",
    "CONTAINS",
    "NSAMEAS",
    "SAMEAS",
    "GT_OR_EQUALS_FIELD",
    "LT_OR_EQUALS_FIELD",
    "GT_FIELD",
    "LT_FIELD",
    "NOTON",
    "ON",
    "RELATIVEGT",
    "RELATIVEGE",
    "RELATIVELT",
    "RELATIVELE",
    "INSTANCEOF",
    "LIKE",
    "IN",
    "!=",
    "<=",
    ">=",
    "!*",
    "<",
    ">",
    "=",
    "*",
    "%",
];

/// Splits at single carets; a doubled one is a literal caret.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '^' {
            parts.last_mut().expect("one part at least").push(letter);
        } else if letters.next_if_eq(&'^').is_some() {
            parts.last_mut().expect("one part at least").push('^');
        } else {
            parts.push(String::new());
        }
    }
    parts
}

/// Parses for a table; `known` says which fields exist there.
pub fn parse(text: &str, caller: &Caller, known: &dyn Fn(&str) -> bool) -> Query {
    let mut query = Query { groups: vec![Vec::new()], ..Query::default() };
    for part in split(text) {
        if part.is_empty() || part == "EQ" || part.starts_with("GROUPBY") {
            continue;
        }
        if let Some(field) = part.strip_prefix("ORDERBYDESC") {
            query.order.push((field.to_owned(), true));
            continue;
        }
        if let Some(field) = part.strip_prefix("ORDERBY") {
            query.order.push((field.to_owned(), false));
            continue;
        }
        let (joined, body) = joint(&part);
        let condition = condition(body, caller).filter(|condition| known(&condition.field));
        if joined == Joint::NewQuery {
            query.groups.push(Vec::new());
        }
        let Some(condition) = condition else {
            query.dropped.push(body.to_owned());
            continue;
        };
        let group = query.groups.last_mut().expect("one group at least");
        match group.last_mut() {
            Some(alternatives) if joined == Joint::Or => alternatives.push(condition),
            _ => group.push(vec![condition]),
        }
    }
    query.order.retain(|(field, _)| known(field));
    query
}

#[derive(PartialEq)]
enum Joint {
    And,
    Or,
    NewQuery,
}

fn joint(part: &str) -> (Joint, &str) {
    if let Some(body) = part.strip_prefix("NQ") {
        (Joint::NewQuery, body)
    } else if let Some(body) = part.strip_prefix("OR") {
        (Joint::Or, body)
    } else {
        (Joint::And, part)
    }
}

fn condition(part: &str, caller: &Caller) -> Option<Condition> {
    if let Some(words) = part.strip_prefix("123TEXTQUERY321=") {
        return Some(Condition { field: "short_description".to_owned(), test: Test::Like(words.to_owned()) });
    }
    let end = part.find(|letter: char| {
        !(letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_.".contains(letter))
    });
    let (field, rest) = part.split_at(end.unwrap_or(part.len()));
    let operator = OPERATORS.iter().find(|operator| rest.starts_with(**operator))?;
    let value = &rest[operator.len()..];
    if field.is_empty() {
        return None;
    }
    Some(Condition { field: field.to_owned(), test: test(operator, value, caller)? })
}

fn test(operator: &str, value: &str, caller: &Caller) -> Option<Test> {
    let literal = |text: &str| time::literal(text, caller);
    let list = || value.split(',').map(|item| item.trim().to_owned()).collect();
    Some(match operator {
        "=" | "INSTANCEOF" if value == "NULL" || value.is_empty() => Test::Empty,
        "=" | "INSTANCEOF" => Test::Equal(literal(value)?),
        "!=" if value == "NULL" || value.is_empty() => Test::NotEmpty,
        "!=" => Test::Unequal(literal(value)?),
        "<" => Test::Less(literal(value)?),
        "<=" => Test::LessOrEqual(literal(value)?),
        ">" => Test::More(literal(value)?),
        ">=" => Test::MoreOrEqual(literal(value)?),
        "IN" => Test::In(list()),
        "NOT IN" => Test::NotIn(list()),
        "LIKE" | "*" | "CONTAINS" => Test::Like(value.to_owned()),
        "NOT LIKE" | "!*" | "DOES NOT CONTAIN" => Test::NotLike(value.to_owned()),
        "STARTSWITH" => Test::Starts(value.to_owned()),
        "ENDSWITH" | "%" => Test::Ends(value.to_owned()),
        "ISEMPTY" | "EMPTYSTRING" => Test::Empty,
        "ISNOTEMPTY" => Test::NotEmpty,
        "ANYTHING" => Test::Anything,
        "BETWEEN" => {
            let (low, high) = value.split_once('@')?;
            Test::Between(literal(low)?, literal(high)?)
        }
        "ON" | "NOTON" => {
            let mut parts = value.splitn(3, '@').skip(1);
            let (low, high) = (literal(parts.next()?)?, literal(parts.next()?)?);
            if operator == "ON" { Test::Between(low, high) } else { Test::NotBetween(low, high) }
        }
        "RELATIVEGT" => Test::More(time::relative(value, caller)?),
        "RELATIVEGE" => Test::MoreOrEqual(time::relative(value, caller)?),
        "RELATIVELT" => Test::Less(time::relative(value, caller)?),
        "RELATIVELE" => Test::LessOrEqual(time::relative(value, caller)?),
        "SAMEAS" => Test::Field(value.to_owned(), [false, true, false]),
        "NSAMEAS" => Test::Field(value.to_owned(), [true, false, true]),
        "GT_FIELD" => Test::Field(value.to_owned(), [false, false, true]),
        "LT_FIELD" => Test::Field(value.to_owned(), [true, false, false]),
        "GT_OR_EQUALS_FIELD" => Test::Field(value.to_owned(), [false, true, true]),
        "LT_OR_EQUALS_FIELD" => Test::Field(value.to_owned(), [true, true, false]),
        _ => return None,
    })
}

/// Whether a row meets the query.
pub fn holds(query: &Query, store: &Store, table: &Table, values: &[Text]) -> bool {
    query.groups.iter().any(|group| {
        group.iter().all(|alternatives| alternatives.iter().any(|one| meets(one, store, table, values)))
    })
}

fn meets(condition: &Condition, store: &Store, table: &Table, values: &[Text]) -> bool {
    let Some((value, kind)) = store.walk(table, values, &condition.field) else { return false };
    let value: &str = &value;
    let order = |other: &str| compare(value, other, kind);
    match &condition.test {
        Test::Equal(other) => value == other,
        Test::Shown(other) => {
            value == other || store.display(kind, value).is_some_and(|shown| *shown == **other)
        }
        Test::Unequal(other) => value != other,
        Test::Less(other) => !value.is_empty() && order(other).is_lt(),
        Test::LessOrEqual(other) => !value.is_empty() && order(other).is_le(),
        Test::More(other) => !value.is_empty() && order(other).is_gt(),
        Test::MoreOrEqual(other) => !value.is_empty() && order(other).is_ge(),
        Test::In(list) => list.contains(value),
        Test::NotIn(list) => !list.contains(value),
        Test::Like(part) => value.contains(part.as_str()),
        Test::NotLike(part) => !value.contains(part.as_str()),
        Test::Starts(part) => value.starts_with(part.as_str()),
        Test::Ends(part) => value.ends_with(part.as_str()),
        Test::Empty => value.is_empty(),
        Test::NotEmpty => !value.is_empty(),
        Test::Anything => true,
        Test::Between(low, high) => !value.is_empty() && order(low).is_ge() && order(high).is_le(),
        Test::NotBetween(low, high) => order(low).is_lt() || order(high).is_gt(),
        Test::Field(other, accepted) => store
            .walk(table, values, other)
            .is_some_and(|(other, _)| accepted[(order(&other) as i8 + 1) as usize]),
    }
}

/// Numbers by value, everything else by its letters.
pub fn compare(a: &str, b: &str, kind: Kind) -> std::cmp::Ordering {
    if matches!(kind, Kind::Whole | Kind::Choice(_))
        && let (Ok(a), Ok(b)) = (a.parse::<i64>(), b.parse::<i64>())
    {
        return a.cmp(&b);
    }
    a.cmp(b)
}
