//! Rows in memory with the indexes that polls need. Knows columns and values, no meaning of either.

use super::schema::{Column, Shape};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

pub type Text = Arc<str>;

/// Positions of the system columns, which stand first in every table.
pub const SYS_ID: usize = 0;
pub const CREATED_ON: usize = 1;
pub const CREATED_BY: usize = 2;
pub const UPDATED_ON: usize = 3;
pub const UPDATED_BY: usize = 4;
pub const MOD_COUNT: usize = 5;

#[derive(Clone, Debug)]
pub struct Row {
    pub values: Vec<Text>,
    /// Committed late: until this stamp readers see `before`, or nothing.
    pub hidden_until: Option<Text>,
    pub before: Option<Vec<Text>>,
}

impl Row {
    /// What a reader sees at `now` (a stamp).
    pub fn seen(&self, now: &str) -> Option<&[Text]> {
        match &self.hidden_until {
            Some(until) if &**until > now => self.before.as_deref(),
            _ => Some(&self.values),
        }
    }
}

pub struct Table {
    pub name: &'static str,
    pub columns: Vec<Column>,
    names: HashMap<&'static str, usize>,
    pub rows: Vec<Option<Row>>,
    pub by_id: BTreeMap<Text, usize>,
    pub by_updated: BTreeSet<(Text, Text, usize)>,
    keys: Vec<(usize, HashMap<Text, Vec<usize>>)>,
}

impl Table {
    pub fn new(shape: &Shape, custom: bool) -> Table {
        let columns = shape.columns(custom);
        let names: HashMap<_, _> =
            columns.iter().enumerate().map(|(index, column)| (column.name, index)).collect();
        let keys = shape.keys.iter().map(|key| (names[key], HashMap::new())).collect();
        Table {
            name: shape.name,
            columns,
            names,
            rows: Vec::new(),
            by_id: BTreeMap::new(),
            by_updated: BTreeSet::new(),
            keys,
        }
    }

    pub fn column(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub fn slot(&self, sys_id: &str) -> Option<usize> {
        self.by_id.get(sys_id).copied()
    }

    pub fn row(&self, slot: usize) -> Option<&Row> {
        self.rows.get(slot).and_then(Option::as_ref)
    }

    /// Slots by an indexed column; `None` when the column has no index.
    pub fn keyed(&self, column: usize, value: &str) -> Option<&[usize]> {
        let (_, index) = self.keys.iter().find(|(key, _)| *key == column)?;
        Some(index.get(value).map_or(&[], Vec::as_slice))
    }

    pub fn has_key(&self, column: usize) -> bool {
        self.keys.iter().any(|(key, _)| *key == column)
    }

    pub fn insert(&mut self, row: Row) -> usize {
        let slot = self.rows.len();
        self.index(&row.values, slot);
        self.rows.push(Some(row));
        slot
    }

    /// Puts another row into a slot, in all indexes.
    pub fn replace(&mut self, slot: usize, row: Row) {
        if let Some(Some(old)) = self.rows.get_mut(slot).map(Option::take) {
            self.unindex(&old.values, slot);
        }
        self.index(&row.values, slot);
        self.rows[slot] = Some(row);
    }

    pub fn remove(&mut self, slot: usize) -> Option<Row> {
        let row = self.rows.get_mut(slot)?.take()?;
        self.unindex(&row.values, slot);
        Some(row)
    }

    fn index(&mut self, values: &[Text], slot: usize) {
        self.by_id.insert(values[SYS_ID].clone(), slot);
        self.by_updated.insert((values[UPDATED_ON].clone(), values[SYS_ID].clone(), slot));
        for (column, index) in &mut self.keys {
            index.entry(values[*column].clone()).or_default().push(slot);
        }
    }

    fn unindex(&mut self, values: &[Text], slot: usize) {
        self.by_id.remove(&values[SYS_ID]);
        self.by_updated.remove(&(values[UPDATED_ON].clone(), values[SYS_ID].clone(), slot));
        for (column, index) in &mut self.keys {
            if let Some(slots) = index.get_mut(&values[*column]) {
                slots.retain(|held| *held != slot);
            }
        }
    }
}
