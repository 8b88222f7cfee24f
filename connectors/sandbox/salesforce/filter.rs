//! Conditions of a query against rows: types checked first, as the vendor does, then evaluated row by row.
//! Knows fields and relationships; nothing of paging or rendering.

use super::Org;
use super::errors::ApiError;
use super::ids;
use super::schema::{self, Field, Kind};
use super::soql::{Expr, Item, Literal, Op, Query};
use super::store::{Cells, Object};
use super::time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use std::cmp::Ordering;

/// Steps of a dotted path.
const WALK_MAX: usize = 5;

/// What a query is run with.
pub struct View<'a> {
    pub org: &'a Org,
    pub now: Timestamp,
    pub zone: TimeZone,
}

/// A condition whose names and values are known to fit.
pub enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Compare(Vec<String>, Op, Operand),
    Within(Vec<String>, bool, Vec<Operand>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Null,
    /// Texts compare without regard to case, ids and instants as they stand.
    Text(String),
    Exact(String),
    Number(f64),
    Truth(bool),
    /// From, and before.
    Span(String, String),
}

impl View<'_> {
    /// The field at the end of a dotted path; `None` when there is no such column.
    pub fn field(&self, object: &Object, path: &[String]) -> Option<Field> {
        let (name, rest) = path.split_first()?;
        if rest.is_empty() {
            return object.column(name).map(|column| object.fields[column]);
        }
        if path.len() > WALK_MAX {
            return None;
        }
        let step = self.step(object, name)?;
        let Kind::Ref(targets) = step.kind else { return None };
        let fits =
            |target: &&&str| self.org.store.object(target).is_some_and(|o| self.field(o, rest).is_some());
        let target = targets.iter().find(fits)?;
        self.org.store.object(target).and_then(|object| self.field(object, rest))
    }

    /// The reference behind a relationship's name.
    pub fn step(&self, object: &Object, name: &str) -> Option<Field> {
        object
            .fields
            .iter()
            .find(|field| {
                matches!(field.kind, Kind::Ref(_))
                    && schema::relationship(field.name).is_some_and(|known| known.eq_ignore_ascii_case(name))
            })
            .copied()
    }

    /// The value at the end of a dotted path.
    pub fn value(&self, object: &Object, cells: &Cells, path: &[String]) -> Value {
        let Some((name, rest)) = path.split_first() else { return Value::Null };
        if rest.is_empty() {
            return self.cell(object, cells, name);
        }
        let Some(step) = self.step(object, name) else { return Value::Null };
        let id = object.text(cells, step.name);
        let Some((target, row)) = self.org.store.record(id) else { return Value::Null };
        row.visible(self.now).map_or(Value::Null, |cells| self.value(target, cells, rest))
    }

    /// A field of a row. Vendor: a milestone's violation is worked out when it is read.
    fn cell(&self, object: &Object, cells: &Cells, name: &str) -> Value {
        if object.shape.name == "CaseMilestone" && name.eq_ignore_ascii_case("IsViolated") {
            let (target, done) = (object.text(cells, "TargetDate"), object.text(cells, "CompletionDate"));
            let now = time::stamp(self.now);
            return Value::Bool(
                !target.is_empty() && if done.is_empty() { &*now > target } else { done > target },
            );
        }
        if object.shape.name == "CaseMilestone" && name.eq_ignore_ascii_case("IsCompleted") {
            return Value::Bool(!object.text(cells, "CompletionDate").is_empty());
        }
        if object.shape.name == "Case" && name.eq_ignore_ascii_case("Comments") {
            return Value::Null;
        }
        // Vendor: seen through a reference to users and groups, a user has a type too.
        if object.shape.name == "User" && name.eq_ignore_ascii_case("Type") {
            return Value::from("User");
        }
        object.column(name).and_then(|column| cells.get(column)).cloned().unwrap_or_default()
    }

    pub fn compile(&self, object: &Object, expr: &Expr) -> Result<Test, ApiError> {
        Ok(match expr {
            Expr::And(parts) => Test::All(self.compile_all(object, parts)?),
            Expr::Or(parts) => Test::Any(self.compile_all(object, parts)?),
            Expr::Not(part) => Test::Not(Box::new(self.compile(object, part)?)),
            Expr::Compare(name, op, literal) => {
                let (path, field) = self.filterable(object, name)?;
                Test::Compare(path, *op, self.operand(&field, name, literal)?)
            }
            Expr::In(name, wanted, list) => {
                let (path, field) = self.filterable(object, name)?;
                let list = list.iter().map(|literal| self.operand(&field, name, literal));
                Test::Within(path, *wanted, list.collect::<Result<_, _>>()?)
            }
            Expr::Among(name, wanted, query) => {
                let (path, field) = self.filterable(object, name)?;
                Test::Within(path, *wanted, self.joined(&field, query)?)
            }
        })
    }

    fn compile_all(&self, object: &Object, parts: &[Expr]) -> Result<Vec<Test>, ApiError> {
        parts.iter().map(|part| self.compile(object, part)).collect()
    }

    fn filterable(&self, object: &Object, name: &str) -> Result<(Vec<String>, Field), ApiError> {
        let (path, field) = self.known(object, name)?;
        match field.kind {
            Kind::LongText(_) | Kind::Any => Err(ApiError::new(
                400,
                "INVALID_FIELD",
                format!("field '{}' can not be filtered in a query call", field.name),
            )),
            _ => Ok((path, field)),
        }
    }

    /// A path that leads somewhere, or the vendor's complaint.
    pub fn known(&self, object: &Object, name: &str) -> Result<(Vec<String>, Field), ApiError> {
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        // An object's own name may stand before its fields.
        let path = match path.split_first() {
            Some((first, rest)) if !rest.is_empty() && first.eq_ignore_ascii_case(object.shape.name) => {
                rest.to_vec()
            }
            _ => path,
        };
        match self.field(object, &path) {
            Some(field) => Ok((path, field)),
            None => Err(ApiError::new(
                400,
                "INVALID_FIELD",
                format!(
                    "\nSELECT {name} FROM {entity}\n       ^\nERROR at Row:1:Column:8\nNo such column '{name}' on entity '{entity}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
                    entity = object.shape.name
                ),
            )),
        }
    }

    fn operand(&self, field: &Field, name: &str, literal: &Literal) -> Result<Operand, ApiError> {
        let wrong = |kind: &str, quotes: &str| {
            Err(ApiError::new(
                400,
                "INVALID_FIELD",
                format!(
                    "value of filter criterion for field '{name}' must be of type {kind} and should {quotes}be enclosed in quotes"
                ),
            ))
        };
        Ok(match (field.kind, literal) {
            (_, Literal::Null) => Operand::Null,
            (Kind::Id | Kind::Ref(_), Literal::Text(text)) if text.is_empty() => Operand::Null,
            (Kind::Id | Kind::Ref(_), Literal::Text(text)) => match ids::long(text) {
                Some(id) => Operand::Exact(id),
                None => {
                    return Err(ApiError::new(
                        400,
                        "INVALID_QUERY_FILTER_OPERATOR",
                        format!("invalid ID field: {text}"),
                    ));
                }
            },
            (Kind::Text(_) | Kind::Picklist(_), Literal::Text(text)) => Operand::Text(text.to_lowercase()),
            (Kind::Text(_) | Kind::Picklist(_) | Kind::Id | Kind::Ref(_), _) => return wrong("string", ""),
            (Kind::Bool, Literal::Truth(truth)) => Operand::Truth(*truth),
            (Kind::Bool, _) => return wrong("boolean", "not "),
            (Kind::Number, Literal::Number(number)) => Operand::Number(*number),
            (Kind::Number, _) => return wrong("double", "not "),
            (Kind::DateTime, Literal::Instant(text)) => {
                let at: Timestamp = text.parse().map_err(|_| ApiError::malformed("invalid dateTime"))?;
                Operand::Exact(time::stamp(at))
            }
            (Kind::DateTime, Literal::Relative(name, count)) => self.span(name, count.unwrap_or(0)),
            (Kind::DateTime, _) => return wrong("dateTime", "not "),
            (Kind::LongText(_) | Kind::Any, _) => Operand::Null,
        })
    }

    /// The values of a semi-join's only field.
    fn joined(&self, field: &Field, query: &Query) -> Result<Vec<Operand>, ApiError> {
        let [Item::Field(name)] = query.select.as_slice() else {
            return Err(ApiError::malformed("a semi-join selects one field"));
        };
        let object = self.object(&query.from)?;
        let (path, _) = self.known(object, name)?;
        if !matches!(field.kind, Kind::Id | Kind::Ref(_)) || path.len() > 1 {
            return Err(ApiError::malformed("a semi-join compares ids and references"));
        }
        let slots = self.matching(object, query, false)?;
        let cells = slots.iter().filter_map(|slot| object.row(*slot)?.visible(self.now));
        let ids = cells.map(|cells| object.text(cells, &path[0])).filter(|id| !id.is_empty());
        Ok(ids.map(|id| Operand::Exact(id.to_owned())).collect())
    }

    /// Vendor: a day begins at midnight in the zone of the user who asks, a week on Sunday, and the last n weeks or
    /// months do not hold the current one.
    fn span(&self, name: &str, count: i64) -> Operand {
        let today = self.now.to_zoned(self.zone.clone()).date();
        let days = |from: i64, to: i64| (today.saturating_add(from.days()), today.saturating_add(to.days()));
        let (which, unit) = name.rsplit_once('_').unwrap_or(("", name));
        let (from, to) = match which {
            "LAST" => (-1, 0),
            "NEXT" => (1, 2),
            "LAST_N" => (-count, 0),
            "NEXT_N" => (1, count + 1),
            _ => (0, 1),
        };
        let (from, to) = match (name, unit.trim_end_matches('S')) {
            ("YESTERDAY", _) => days(-1, 0),
            ("TOMORROW", _) => days(1, 2),
            ("N_DAYS_AGO", _) => days(-count, 1 - count),
            // Vendor: the last n days end with today.
            ("LAST_N_DAYS", _) => days(-count, 1),
            (_, "WEEK") => {
                let sunday = -i64::from(today.weekday().to_sunday_zero_offset());
                days(sunday + 7 * from, sunday + 7 * to)
            }
            (_, "MONTH") => {
                let first = today.first_of_month();
                (first.saturating_add(from.months()), first.saturating_add(to.months()))
            }
            (_, "YEAR") => {
                let first = today.first_of_year();
                (first.saturating_add(from.years()), first.saturating_add(to.years()))
            }
            _ => days(from, to),
        };
        let at = |day: jiff::civil::Date| {
            day.to_zoned(self.zone.clone())
                .map_or_else(|_| String::new(), |zoned| time::stamp(zoned.timestamp()))
        };
        Operand::Span(at(from), at(to))
    }

    pub fn holds(&self, object: &Object, cells: &Cells, test: &Test) -> bool {
        match test {
            Test::All(parts) => parts.iter().all(|part| self.holds(object, cells, part)),
            Test::Any(parts) => parts.iter().any(|part| self.holds(object, cells, part)),
            Test::Not(part) => !self.holds(object, cells, part),
            Test::Compare(path, op, operand) => compares(&self.value(object, cells, path), *op, operand),
            Test::Within(path, wanted, list) => {
                let value = self.value(object, cells, path);
                list.iter().any(|operand| compares(&value, Op::Is, operand)) == *wanted
            }
        }
    }
}

fn compares(value: &Value, op: Op, operand: &Operand) -> bool {
    if let Operand::Null = operand {
        return match op {
            Op::Is => value.is_null(),
            Op::IsNot => !value.is_null(),
            _ => false,
        };
    }
    if value.is_null() {
        return op == Op::IsNot;
    }
    let text = value.as_str().unwrap_or("");
    let order = match operand {
        Operand::Text(wanted) if op == Op::Like => return like(&text.to_lowercase(), wanted),
        Operand::Text(wanted) => text.to_lowercase().cmp(wanted),
        Operand::Exact(wanted) => text.cmp(wanted.as_str()),
        Operand::Number(wanted) => {
            value.as_f64().and_then(|number| number.partial_cmp(wanted)).unwrap_or(Ordering::Less)
        }
        Operand::Truth(wanted) => value.as_bool().unwrap_or(false).cmp(wanted),
        Operand::Span(from, _) if text < from.as_str() => Ordering::Less,
        Operand::Span(_, before) if text >= before.as_str() => Ordering::Greater,
        Operand::Span(..) | Operand::Null => Ordering::Equal,
    };
    match op {
        Op::Is => order.is_eq(),
        Op::IsNot => order.is_ne(),
        Op::Less => order.is_lt(),
        Op::AtMost => order.is_le(),
        Op::More => order.is_gt(),
        Op::AtLeast => order.is_ge(),
        Op::Like => false,
    }
}

/// `%` stands for any text, `_` for one character.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut next, mut star) = (0, 0, None);
    while at < text.len() {
        match pattern.get(next) {
            Some('%') => {
                star = Some((next, at));
                next += 1;
            }
            Some(wanted) if *wanted == '_' || *wanted == text[at] => {
                at += 1;
                next += 1;
            }
            _ => {
                let Some((behind, from)) = star else { return false };
                (next, at) = (behind + 1, from + 1);
                star = Some((behind, from + 1));
            }
        }
    }
    pattern[next..].iter().all(|rest| *rest == '%')
}
