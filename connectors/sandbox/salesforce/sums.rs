//! Groups of rows and what is counted over them.
//! Knows rows and aggregate functions; which rows there are is found by `run.rs`.
// Vendor: soql-sosl-reference, "Aggregate Functions", "GROUP BY", "HAVING".

use super::errors::ApiError;
use super::filter::View;
use super::run::ordered;
use super::soql::{Expr, Item, Literal, Op, Query};
use super::store::{Cells, Object};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;

type Group<'a> = Vec<&'a Cells>;

impl View<'_> {
    pub fn aggregated(
        &self,
        object: &Object,
        query: &Query,
        slots: &[usize],
    ) -> Result<Vec<Value>, ApiError> {
        let mut groups = self.groups(object, query, slots)?;
        if let Some(having) = &query.having {
            let kept = groups.iter().map(|group| self.fulfils(object, group, having));
            let kept: Vec<bool> = kept.collect::<Result<_, _>>()?;
            let mut kept = kept.into_iter();
            groups.retain(|_| kept.next().unwrap_or(false));
        }
        for (name, descending, nulls_last) in query.order.iter().rev() {
            let keys = groups.iter().map(|group| self.measure(object, group, name));
            let keys: Vec<Value> = keys.collect::<Result<_, _>>()?;
            let mut keyed: Vec<_> = keys.into_iter().zip(groups).collect();
            keyed.sort_by(|(a, _), (b, _)| ordered(a, b, *descending, *nulls_last));
            groups = keyed.into_iter().map(|(_, group)| group).collect();
        }
        let chosen = groups.iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX));
        chosen.map(|rows| self.aggregate(object, query, rows)).collect()
    }

    fn groups<'a>(
        &self,
        object: &'a Object,
        query: &Query,
        slots: &[usize],
    ) -> Result<Vec<Group<'a>>, ApiError> {
        let by: Vec<_> = query
            .group
            .iter()
            .map(|name| Ok(self.known(object, name)?.0))
            .collect::<Result<_, ApiError>>()?;
        let mut groups: BTreeMap<String, Group<'a>> = BTreeMap::new();
        for slot in slots {
            let Some(cells) = object.row(*slot).and_then(|row| row.visible(self.now)) else { continue };
            let key: Vec<Value> = by.iter().map(|path| self.value(object, cells, path)).collect();
            groups.entry(json!(key).to_string()).or_default().push(cells);
        }
        if groups.is_empty() && by.is_empty() {
            groups.insert("[]".to_owned(), Vec::new());
        }
        Ok(groups.into_values().collect())
    }

    /// A field of a group, or `COUNT(Id)` over it.
    fn measure(&self, object: &Object, rows: &Group<'_>, name: &str) -> Result<Value, ApiError> {
        match name.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((function, field)) => self.figure(object, rows, function, field),
            None => {
                let (path, _) = self.known(object, name)?;
                Ok(rows.first().map_or(Value::Null, |cells| self.value(object, cells, &path)))
            }
        }
    }

    fn fulfils(&self, object: &Object, rows: &Group<'_>, having: &Expr) -> Result<bool, ApiError> {
        Ok(match having {
            Expr::And(parts) => parts
                .iter()
                .try_fold(true, |all, part| Ok::<_, ApiError>(all & self.fulfils(object, rows, part)?))?,
            Expr::Or(parts) => parts
                .iter()
                .try_fold(false, |any, part| Ok::<_, ApiError>(any | self.fulfils(object, rows, part)?))?,
            Expr::Not(part) => !self.fulfils(object, rows, part)?,
            Expr::Compare(name, op, literal) => {
                let wanted = match literal {
                    Literal::Number(number) => json!(number),
                    Literal::Text(text) => json!(text),
                    Literal::Null => Value::Null,
                    _ => return Err(ApiError::malformed("HAVING compares with a number or a text here")),
                };
                let order = ordered(&self.measure(object, rows, name)?, &wanted, false, false);
                match op {
                    Op::Is => order == Ordering::Equal,
                    Op::IsNot => order != Ordering::Equal,
                    Op::Less => order == Ordering::Less,
                    Op::AtMost => order != Ordering::Greater,
                    Op::More => order == Ordering::Greater,
                    Op::AtLeast => order != Ordering::Less,
                    Op::Like => return Err(ApiError::malformed("unexpected token: 'LIKE'")),
                }
            }
            Expr::In(..) | Expr::Among(..) => return Err(ApiError::malformed("unexpected token: 'IN'")),
        })
    }

    fn figure(
        &self,
        object: &Object,
        rows: &Group<'_>,
        function: &str,
        field: &str,
    ) -> Result<Value, ApiError> {
        let (path, _) = self.known(object, field)?;
        let found = rows.iter().map(|cells| self.value(object, cells, &path));
        let mut values: Vec<Value> = found.filter(|value| !value.is_null()).collect();
        values.sort_by(|a, b| ordered(a, b, false, false));
        let sum: f64 = values.iter().filter_map(Value::as_f64).sum();
        Ok(match function {
            "COUNT" => json!(values.len()),
            "COUNT_DISTINCT" => {
                values.dedup();
                json!(values.len())
            }
            "SUM" | "AVG" if values.iter().any(|value| !value.is_number()) => {
                let message = format!("field {field} does not support aggregate operator {function}");
                return Err(ApiError::malformed(message));
            }
            "SUM" if !values.is_empty() => json!(sum),
            "AVG" if !values.is_empty() => json!(sum / values.len() as f64),
            "MIN" => values.first().cloned().unwrap_or_default(),
            "MAX" => values.last().cloned().unwrap_or_default(),
            _ => Value::Null,
        })
    }

    fn aggregate(&self, object: &Object, query: &Query, rows: &Group<'_>) -> Result<Value, ApiError> {
        let mut record = Map::new();
        record.insert("attributes".to_owned(), json!({ "type": "AggregateResult" }));
        let mut unnamed = 0;
        for item in &query.select {
            let (name, value) = match item {
                Item::Field(name) if query.group.iter().any(|known| known.eq_ignore_ascii_case(name)) => {
                    (self.known(object, name)?.1.name.to_owned(), self.measure(object, rows, name)?)
                }
                Item::Aggregate(function, field, alias) => {
                    let name = alias.clone().unwrap_or_else(|| {
                        unnamed += 1;
                        format!("expr{}", unnamed - 1)
                    });
                    (name, self.figure(object, rows, function, field)?)
                }
                _ => return Err(ApiError::malformed("Field must be grouped or aggregated")),
            };
            record.insert(name, value);
        }
        Ok(Value::Object(record))
    }
}
