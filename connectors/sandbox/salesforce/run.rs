//! A parsed query against the org: which rows, in what order, rendered how.
//! Knows rows and shapes of answers; paging is `locator.rs`'s.
// Vendor: api-rest/guide/resources_query; soql-sosl-reference.

use super::errors::ApiError;
use super::filter::{Operand, Test, View};
use super::schema::{Kind, Shape};
use super::soql::{Item, Op, Query};
use super::store::{Cells, Object};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// Vendor: the largest OFFSET (soql-sosl-reference, OFFSET).
const OFFSET_MAX: usize = 2_000;
/// Vendor: FIELDS() needs a LIMIT of at most this.
const FIELDS_LIMIT_MAX: usize = 200;

/// What a query found.
pub struct Found {
    pub records: Vec<Value>,
    /// `COUNT()`: the number alone.
    pub count: Option<usize>,
}

struct Plan {
    fields: Vec<Vec<String>>,
    children: Vec<(String, &'static str, &'static str, Query)>,
}

impl View<'_> {
    /// `all`: rows in the recycle bin too. `version` is the one in the links.
    pub fn run(&self, query: &Query, all: bool, version: &str) -> Result<Found, ApiError> {
        let object = self.object(&query.from)?;
        if query.offset > OFFSET_MAX {
            return Err(ApiError::new(
                400,
                "NUMBER_OUTSIDE_VALID_RANGE",
                "Maximum SOQL offset allowed is 2000",
            ));
        }
        let mut slots = self.matching(object, query, all)?;
        if query.select == [Item::CountAll] {
            let count = slots.len().min(query.limit.unwrap_or(usize::MAX));
            return Ok(Found { records: Vec::new(), count: Some(count) });
        }
        if !query.group.is_empty() || query.select.iter().any(|item| matches!(item, Item::Aggregate(..))) {
            let records = self.aggregated(object, query, &slots)?;
            return Ok(Found { records, count: None });
        }
        let plan = self.plan(object, query)?;
        self.sort(object, query, &mut slots)?;
        let chosen = slots.into_iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX));
        let cells = chosen.filter_map(|slot| object.row(slot)?.visible(self.now));
        let records = cells.map(|cells| self.render(object, cells, &plan, all, version));
        Ok(Found { records: records.collect::<Result<_, _>>()?, count: None })
    }

    pub fn object(&self, name: &str) -> Result<&Object, ApiError> {
        self.org.readable(name).ok_or_else(|| {
            ApiError::new(
                400,
                "INVALID_TYPE",
                format!(
                    "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
                ),
            )
        })
    }

    pub fn matching(&self, object: &Object, query: &Query, all: bool) -> Result<Vec<usize>, ApiError> {
        let test = query.filter.as_ref().map(|filter| self.compile(object, filter)).transpose()?;
        let mut slots = match test.as_ref().and_then(|test| candidates(object, test)) {
            Some(slots) => slots,
            None => object.slots().collect(),
        };
        slots.retain(|slot| {
            let cells = object.row(*slot).and_then(|row| row.visible(self.now));
            cells.is_some_and(|cells| {
                (all || !object.truth(cells, "IsDeleted"))
                    && test.as_ref().is_none_or(|test| self.holds(object, cells, test))
            })
        });
        Ok(slots)
    }

    fn sort(&self, object: &Object, query: &Query, slots: &mut Vec<usize>) -> Result<(), ApiError> {
        let mut keys = Vec::new();
        for (name, descending, nulls_last) in &query.order {
            let (path, field) = self.known(object, name)?;
            if matches!(field.kind, Kind::LongText(_) | Kind::Any) || unsortable(object.shape, field.name) {
                return Err(ApiError::malformed(format!("field '{name}' can not be sorted in a query call")));
            }
            keys.push((path, *descending, *nulls_last));
        }
        let mut rows: Vec<(Vec<Value>, usize)> = slots
            .iter()
            .filter_map(|slot| {
                let cells = object.row(*slot)?.visible(self.now)?;
                Some((keys.iter().map(|(path, ..)| self.value(object, cells, path)).collect(), *slot))
            })
            .collect();
        rows.sort_by(|(a, at), (b, bt)| {
            let places = a.iter().zip(b).zip(&keys);
            let order =
                places.map(|((a, b), (_, descending, nulls_last))| ordered(a, b, *descending, *nulls_last));
            order.fold(Ordering::Equal, Ordering::then).then(at.cmp(bt))
        });
        *slots = rows.into_iter().map(|(_, slot)| slot).collect();
        Ok(())
    }

    fn plan(&self, object: &Object, query: &Query) -> Result<Plan, ApiError> {
        let mut plan = Plan { fields: Vec::new(), children: Vec::new() };
        let mut seen = BTreeSet::new();
        for item in &query.select {
            match item {
                Item::Field(name) => {
                    let (path, _) = self.known(object, name)?;
                    if !seen.insert(path.join(".").to_ascii_lowercase()) {
                        return Err(ApiError::malformed(format!("duplicate field selected: {name}")));
                    }
                    plan.fields.push(path);
                }
                Item::Fields(which) => {
                    let custom = |name: &str| name.ends_with("__c");
                    if which != "STANDARD" && query.limit.is_none_or(|limit| limit > FIELDS_LIMIT_MAX) {
                        return Err(ApiError::malformed(
                            "The SOQL FIELDS function must have a LIMIT of at most 200",
                        ));
                    }
                    let wanted = |name: &str| match which.as_str() {
                        "STANDARD" => !custom(name),
                        "CUSTOM" => custom(name),
                        _ => true,
                    };
                    let names = object.fields.iter().map(|field| field.name).filter(|name| wanted(name));
                    plan.fields.extend(names.map(|name| vec![name.to_owned()]));
                }
                Item::Children(inner) => {
                    let known = object
                        .shape
                        .children
                        .iter()
                        .find(|(name, ..)| name.eq_ignore_ascii_case(&inner.from));
                    let Some((name, child, column)) = known else {
                        return Err(ApiError::new(
                            400,
                            "INVALID_TYPE",
                            format!(
                                "Didn't understand relationship '{}' in FROM part of query call.",
                                inner.from
                            ),
                        ));
                    };
                    plan.children.push(((*name).to_owned(), *child, *column, (**inner).clone()));
                }
                Item::CountAll | Item::Aggregate(..) => {
                    return Err(ApiError::malformed("Grouped field should not be mixed with COUNT()"));
                }
            }
        }
        Ok(plan)
    }

    fn render(
        &self,
        object: &Object,
        cells: &Cells,
        plan: &Plan,
        all: bool,
        version: &str,
    ) -> Result<Value, ApiError> {
        let mut record = Map::new();
        let id = object.text(cells, "Id");
        record.insert("attributes".to_owned(), attributes(object.shape.name, object.shape.name, id, version));
        for path in &plan.fields {
            self.place(&mut record, object, cells, path, version);
        }
        for (name, child, column, inner) in &plan.children {
            let mut query = inner.clone();
            query.from = (*child).to_owned();
            let of_parent = super::soql::Expr::Compare(
                (*column).to_owned(),
                Op::Is,
                super::soql::Literal::Text(id.to_owned()),
            );
            query.filter = Some(match query.filter.take() {
                Some(filter) => super::soql::Expr::And(vec![of_parent, filter]),
                None => of_parent,
            });
            let found = self.run(&query, all, version)?.records;
            let value = match found.len() {
                0 => Value::Null,
                total => json!({ "totalSize": total, "done": true, "records": found }),
            };
            record.insert(name.clone(), value);
        }
        Ok(Value::Object(record))
    }

    /// Puts a field where its path says, making the records on the way.
    fn place(
        &self,
        record: &mut Map<String, Value>,
        object: &Object,
        cells: &Cells,
        path: &[String],
        version: &str,
    ) {
        let Some((name, rest)) = path.split_first() else { return };
        if rest.is_empty() {
            let proper = object.column(name).map_or(name.as_str(), |column| object.fields[column].name);
            let proper = if name.eq_ignore_ascii_case("Type") { "Type" } else { proper };
            record.insert(proper.to_owned(), self.value(object, cells, path));
            return;
        }
        let Some(step) = self.step(object, name) else { return };
        let proper = super::schema::relationship(step.name).unwrap_or_else(|| name.clone());
        let target = self.org.store.record(object.text(cells, step.name));
        let Some((target, inner)) = target.and_then(|(target, row)| Some((target, row.visible(self.now)?)))
        else {
            record.insert(proper, Value::Null);
            return;
        };
        // Vendor: a reference to several objects is shown as their common ground, "Name".
        let polymorphic = matches!(step.kind, Kind::Ref(targets) if targets.len() > 1);
        let shown = if polymorphic { "Name" } else { target.shape.name };
        let id = target.text(inner, "Id").to_owned();
        let below = record
            .entry(proper)
            .or_insert_with(|| json!({ "attributes": attributes(shown, target.shape.name, &id, version) }));
        if let Some(below) = below.as_object_mut() {
            self.place(below, target, inner, rest, version);
        }
    }
}

pub fn attributes(shown: &str, object: &str, id: &str, version: &str) -> Value {
    json!({ "type": shown, "url": format!("/services/data/{version}/sobjects/{object}/{id}") })
}

/// Vendor: these columns of CaseMilestone may be filtered, not sorted (object reference, CaseMilestone).
fn unsortable(shape: &Shape, field: &str) -> bool {
    shape.name == "CaseMilestone" && matches!(field, "CaseId" | "TargetDate" | "IsViolated")
}

pub fn ordered(a: &Value, b: &Value, descending: bool, nulls_last: bool) -> Ordering {
    let order = match (a, b) {
        (Value::Null, Value::Null) => return Ordering::Equal,
        (Value::Null, _) if nulls_last => return Ordering::Greater,
        (Value::Null, _) => return Ordering::Less,
        (_, Value::Null) if nulls_last => return Ordering::Less,
        (_, Value::Null) => return Ordering::Greater,
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
    };
    if descending { order.reverse() } else { order }
}

/// Rows that may pass a test, by an index; `None` when only looking at all of them helps.
fn candidates(object: &Object, test: &Test) -> Option<Vec<usize>> {
    match test {
        Test::All(parts) => parts.iter().filter_map(|part| candidates(object, part)).min_by_key(Vec::len),
        Test::Any(parts) => {
            let found: Option<Vec<Vec<usize>>> = parts.iter().map(|part| candidates(object, part)).collect();
            let all: BTreeSet<usize> = found?.into_iter().flatten().collect();
            Some(all.into_iter().collect())
        }
        Test::Compare(path, op, Operand::Exact(value)) => {
            let [name] = path.as_slice() else { return None };
            if name.eq_ignore_ascii_case(object.shape.stamp) && matches!(op, Op::Is | Op::More | Op::AtLeast)
            {
                return Some(object.stamped_from(value));
            }
            (*op == Op::Is).then(|| keyed(object, name, value)).flatten()
        }
        Test::Within(path, true, list) => {
            let [name] = path.as_slice() else { return None };
            let found: Option<Vec<Vec<usize>>> = list
                .iter()
                .map(|operand| match operand {
                    Operand::Exact(value) => keyed(object, name, value),
                    _ => None,
                })
                .collect();
            found.map(|found| found.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect())
        }
        _ => None,
    }
}

fn keyed(object: &Object, name: &str, value: &str) -> Option<Vec<usize>> {
    if name.eq_ignore_ascii_case("Id") {
        return Some(object.slot(value).into_iter().collect());
    }
    object.shape.parent.filter(|parent| parent.eq_ignore_ascii_case(name)).map(|_| object.children_of(value))
}
