//! Finds the rows of a query: chooses an index, filters, orders, cuts the page.
//! Without an ORDERBY the order is shuffled on purpose, because the vendor promises none.

use super::query::{self, Condition, Query, Test};
use super::store::Store;
use super::table::{SYS_ID, Table, Text};
use crate::dice;
use std::cmp::Ordering;
use std::ops::Bound;

/// A found row: its table and what the reader sees of it.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    pub table: &'a Table,
    pub values: &'a [Text],
}

pub struct Page<'a> {
    pub rows: Vec<Found<'a>>,
    /// All that match, when it was counted.
    pub total: Option<usize>,
}

pub struct Cut {
    pub offset: usize,
    pub limit: usize,
    pub count: bool,
    /// Seed of the order that nobody asked for.
    pub shuffle: u64,
    /// Among the rows stand others that an ACL hides: they take up room in limit, offset and count.
    pub others_hidden: bool,
}

/// The page of `name` that meets `query` as seen at the stamp `now`.
pub fn page<'a>(store: &'a Store, name: &str, query: &Query, now: &str, cut: &Cut) -> Page<'a> {
    let members = store.members(name);
    let alone = members.len() == 1;
    let mut found = Vec::new();
    let mut in_order = false;
    for table in members {
        let (slots, ordered) = candidates(table, query);
        in_order = alone && ordered;
        let enough = if in_order && !cut.count { cut.offset.saturating_add(cut.limit) } else { usize::MAX };
        for slot in slots {
            if found.len() >= enough {
                break;
            }
            let Some(values) = table.row(slot).and_then(|row| row.seen(now)) else { continue };
            if query::holds(query, store, table, values) {
                found.push(Found { table, values });
            }
        }
    }
    if !in_order {
        sort(store, &mut found, query, cut.shuffle);
    }
    let with_hidden = cut.others_hidden && !names_records(query);
    let places = found.into_iter().flat_map(|row| {
        let hidden = with_hidden && dice::hash(13, &[row.values[SYS_ID].as_bytes()]).is_multiple_of(5);
        std::iter::once(Some(row)).chain(hidden.then_some(None))
    });
    let places: Vec<Option<Found<'_>>> = places.collect();
    let total = cut.count.then_some(places.len());
    // Vendor: the limit is applied before ACLs, so a page can be short while more follow.
    let rows = places.into_iter().skip(cut.offset).take(cut.limit).flatten().collect();
    Page { rows, total }
}

/// Whether the query asks for records by name, among which there are no others.
fn names_records(query: &Query) -> bool {
    let by_name = |one: &Condition| {
        matches!(one.field.as_str(), "sys_id" | "number")
            && matches!(one.test, Test::Equal(_) | Test::In(_) | Test::Shown(_))
    };
    query.groups.iter().any(|group| group.iter().any(|alternatives| alternatives.iter().any(by_name)))
}

type Slots<'a> = Box<dyn Iterator<Item = usize> + 'a>;

/// Slots that may match, never fewer than do, and whether they come in the order asked for.
fn candidates<'a>(table: &'a Table, query: &Query) -> (Slots<'a>, bool) {
    if let Some(slots) = direct(table, query) {
        return (Box::new(slots.into_iter()), false);
    }
    let order: Vec<(&str, bool)> = query.order.iter().map(|(field, down)| (field.as_str(), *down)).collect();
    match order.as_slice() {
        [("sys_updated_on", false), ("sys_id", false)] => {
            (stamped(table, envelope(query, "sys_updated_on")), true)
        }
        [("sys_created_on", false), ("sys_id", false)] if grows(table) => {
            (stamped(table, envelope(query, "sys_created_on")), true)
        }
        [("sys_id", false)] => (ids(table, query), true),
        _ => {
            let created = envelope(query, "sys_created_on").filter(|_| grows(table));
            (stamped(table, envelope(query, "sys_updated_on").or(created)), false)
        }
    }
}

/// Bookkeeping rows never change: created and updated are one instant.
fn grows(table: &Table) -> bool {
    matches!(table.name, "sys_audit" | "sys_journal_field" | "sys_audit_delete")
}

/// Slots by last update, then id, within a range of stamps.
fn stamped(table: &Table, range: Option<Range>) -> Slots<'_> {
    let (low, high) = range.unwrap_or_default();
    let from = (Text::from(low.unwrap_or_default()), Text::from(""), 0);
    let rows = table.by_updated.range((Bound::Included(from), Bound::Unbounded));
    let within = move |stamp: &Text| high.as_ref().is_none_or(|high| **stamp <= **high);
    Box::new(rows.take_while(move |(stamp, ..)| within(stamp)).map(|(.., slot)| *slot))
}

fn ids<'a>(table: &'a Table, query: &Query) -> Slots<'a> {
    let low = envelope(query, "sys_id").and_then(|(low, _)| low).unwrap_or_default();
    Box::new(table.by_id.range::<Text, _>(Text::from(low)..).map(|(_, slot)| *slot))
}

/// Slots by record ids or an indexed column, when every group names some.
fn direct(table: &Table, query: &Query) -> Option<Vec<usize>> {
    let mut slots = Vec::new();
    for group in &query.groups {
        let named = group.iter().find_map(|alternatives| named(table, alternatives))?;
        slots.extend(named);
    }
    slots.sort_unstable();
    slots.dedup();
    Some(slots)
}

fn named(table: &Table, alternatives: &[Condition]) -> Option<Vec<usize>> {
    let mut slots = Vec::new();
    for condition in alternatives {
        let column = table.column(&condition.field)?;
        let values: Vec<&str> = match &condition.test {
            Test::Equal(value) => vec![value.as_str()],
            Test::In(values) => values.iter().map(String::as_str).collect(),
            _ => return None,
        };
        if column != SYS_ID && !table.has_key(column) {
            return None;
        }
        for value in values {
            match table.keyed(column, value) {
                Some(keyed) => slots.extend(keyed),
                None => slots.extend(table.slot(value)),
            }
        }
    }
    Some(slots)
}

type Range = (Option<String>, Option<String>);

/// Bounds on a field that hold for every group; `None` when some group has none.
fn envelope(query: &Query, field: &str) -> Option<Range> {
    let mut whole: Option<Range> = None;
    for group in &query.groups {
        let mut range: Range = (None, None);
        for alternatives in group {
            if let [one] = alternatives.as_slice()
                && one.field == field
            {
                narrow(&mut range, &one.test);
            }
        }
        if range == (None, None) {
            return None;
        }
        whole = Some(match whole {
            None => range,
            Some((low, high)) => {
                (low.zip(range.0).map(|(a, b)| a.min(b)), high.zip(range.1).map(|(a, b)| a.max(b)))
            }
        });
    }
    whole
}

fn narrow((low, high): &mut Range, test: &Test) {
    let (at_least, at_most) = match test {
        Test::Equal(value) => (Some(value), Some(value)),
        Test::More(value) | Test::MoreOrEqual(value) => (Some(value), None),
        Test::Less(value) | Test::LessOrEqual(value) => (None, Some(value)),
        Test::Between(from, to) => (Some(from), Some(to)),
        _ => (None, None),
    };
    if let Some(value) = at_least {
        *low = Some(low.take().map_or_else(|| value.clone(), |held| held.max(value.clone())));
    }
    if let Some(value) = at_most {
        *high = Some(high.take().map_or_else(|| value.clone(), |held| held.min(value.clone())));
    }
}

/// Orders by the fields asked for; what the query leaves open is settled by chance.
fn sort(store: &Store, found: &mut Vec<Found<'_>>, query: &Query, shuffle: u64) {
    let mut keyed: Vec<_> = found
        .drain(..)
        .map(|row| {
            let fields = query.order.iter().map(|(field, _)| store.walk(row.table, row.values, field));
            let chance = dice::hash(shuffle, &[row.values[SYS_ID].as_bytes()]);
            (fields.collect::<Vec<_>>(), chance, row)
        })
        .collect();
    keyed.sort_by(|(left, left_chance, _), (right, right_chance, _)| {
        let mut order = Ordering::Equal;
        for ((left, right), (_, down)) in left.iter().zip(right).zip(&query.order) {
            let (Some((left, kind)), Some((right, _))) = (left, right) else { continue };
            let one = query::compare(left, right, *kind);
            order = order.then(if *down { one.reverse() } else { one });
        }
        order.then(left_chance.cmp(right_chance))
    });
    found.extend(keyed.into_iter().map(|(.., row)| row));
}
