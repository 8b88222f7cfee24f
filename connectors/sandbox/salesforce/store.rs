//! The rows of the org's objects: identity, what is visible when, indexes, and undoing a transaction.
//! Knows rows only; what a write means is in `rules.rs`.

use super::ids;
use super::schema::{self, Field, Kind, SHAPES, Shape};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub type Cells = Vec<Value>;

/// A record. Until `hidden_until` others see `before`, or nothing.
#[derive(Clone, Debug)]
pub struct Row {
    pub cells: Cells,
    pub hidden_until: Option<Timestamp>,
    pub before: Option<Cells>,
    /// Not shared with the API's accounts.
    pub unshared: bool,
}

pub struct Object {
    pub shape: &'static Shape,
    pub fields: Vec<Field>,
    columns: HashMap<String, usize>,
    rows: Vec<Option<Row>>,
    by_id: HashMap<String, usize>,
    by_stamp: BTreeSet<(String, usize)>,
    by_parent: HashMap<String, Vec<usize>>,
    serial: u64,
}

/// What a row was before a transaction touched it.
struct Undo {
    object: &'static str,
    slot: usize,
    row: Option<Row>,
}

pub struct Store {
    objects: BTreeMap<&'static str, Object>,
    case_number: u64,
    undo: Vec<Undo>,
    /// Transactions under way, one inside the other.
    depth: usize,
}

impl Object {
    fn new(shape: &'static Shape, custom_fields: bool) -> Object {
        let fields: Vec<Field> = shape
            .fields
            .iter()
            .copied()
            .filter(|field| custom_fields || !schema::is_dutyd(field.name))
            .collect();
        let columns =
            fields.iter().enumerate().map(|(at, field)| (field.name.to_ascii_lowercase(), at)).collect();
        Object {
            shape,
            fields,
            columns,
            rows: Vec::new(),
            by_id: HashMap::new(),
            by_stamp: BTreeSet::new(),
            by_parent: HashMap::new(),
            serial: 0,
        }
    }

    /// Position of a field, whatever the case of its name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.get(&name.to_ascii_lowercase()).copied()
    }

    pub fn empty(&self) -> Cells {
        let empty = |field: &Field| if field.kind == Kind::Bool { Value::Bool(false) } else { Value::Null };
        self.fields.iter().map(empty).collect()
    }

    pub fn row(&self, slot: usize) -> Option<&Row> {
        self.rows.get(slot)?.as_ref()
    }

    pub fn slot(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub fn slots(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.rows.len()).filter(|slot| self.rows[*slot].is_some())
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Slots whose stamp is at least `from`, in the order of their stamps.
    pub fn stamped_from(&self, from: &str) -> Vec<usize> {
        self.by_stamp.range((from.to_owned(), 0)..).map(|(_, slot)| *slot).collect()
    }

    pub fn children_of(&self, parent: &str) -> Vec<usize> {
        self.by_parent.get(parent).cloned().unwrap_or_default()
    }

    pub fn text<'a>(&self, cells: &'a Cells, field: &str) -> &'a str {
        self.column(field).and_then(|column| cells.get(column)).and_then(Value::as_str).unwrap_or("")
    }

    pub fn truth(&self, cells: &Cells, field: &str) -> bool {
        self.column(field).and_then(|column| cells.get(column)).and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn set(&self, cells: &mut Cells, field: &str, value: Value) {
        if let Some(column) = self.column(field) {
            cells[column] = value;
        }
    }

    fn unindex(&mut self, slot: usize) {
        let Some(row) = self.rows[slot].take() else { return };
        let (id, stamp) =
            (self.text(&row.cells, "Id").to_owned(), self.text(&row.cells, self.shape.stamp).to_owned());
        self.by_id.remove(&id);
        self.by_stamp.remove(&(stamp, slot));
        if let Some(parent) = self.shape.parent
            && let Some(slots) = self.by_parent.get_mut(self.text(&row.cells, parent))
        {
            slots.retain(|known| *known != slot);
        }
    }

    fn put(&mut self, slot: usize, row: Row) {
        self.unindex(slot);
        let (id, stamp) =
            (self.text(&row.cells, "Id").to_owned(), self.text(&row.cells, self.shape.stamp).to_owned());
        self.by_id.insert(id, slot);
        self.by_stamp.insert((stamp, slot));
        if let Some(parent) = self.shape.parent {
            let parent = self.text(&row.cells, parent).to_owned();
            self.by_parent.entry(parent).or_default().push(slot);
        }
        self.rows[slot] = Some(row);
    }
}

impl Row {
    pub fn new(cells: Cells) -> Row {
        Row { cells, hidden_until: None, before: None, unshared: false }
    }

    /// What the API shows of it at `now`.
    pub fn visible(&self, now: Timestamp) -> Option<&Cells> {
        match self.hidden_until {
            _ if self.unshared => None,
            Some(until) if until > now => self.before.as_ref(),
            _ => Some(&self.cells),
        }
    }
}

impl Store {
    pub fn new(custom_fields: bool) -> Store {
        let objects = SHAPES.iter().map(|shape| (shape.name, Object::new(shape, custom_fields))).collect();
        Store { objects, case_number: 1_000, undo: Vec::new(), depth: 0 }
    }

    /// An object by its name, whatever its case.
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.objects.get(name).or_else(|| {
            self.objects.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, o)| o)
        })
    }

    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// The object whose records have ids like this one.
    pub fn of_id(&self, id: &str) -> Option<&Object> {
        let prefix = id.get(..3)?;
        self.objects.values().find(|object| object.shape.prefix == prefix)
    }

    /// A record by id, as it truly is.
    pub fn record(&self, id: &str) -> Option<(&Object, &Row)> {
        let object = self.of_id(id)?;
        Some((object, object.row(object.slot(id)?)?))
    }

    /// A text field of a record, as it truly is.
    pub fn text(&self, id: &str, field: &str) -> String {
        self.record(id).map_or_else(String::new, |(object, row)| object.text(&row.cells, field).to_owned())
    }

    pub fn next_case_number(&mut self) -> String {
        self.case_number += 1;
        format!("{:08}", self.case_number)
    }

    pub fn insert(
        &mut self,
        name: &str,
        mut cells: Cells,
        hidden_until: Option<Timestamp>,
    ) -> Option<String> {
        let object = self.objects.get_mut(name)?;
        object.serial += 1;
        let id = ids::make(object.shape.prefix, object.serial);
        object.set(&mut cells, "Id", Value::from(id.as_str()));
        let slot = object.rows.len();
        object.rows.push(None);
        object.put(slot, Row { hidden_until, ..Row::new(cells) });
        if self.depth > 0 {
            self.undo.push(Undo { object: object.shape.name, slot, row: None });
        }
        Some(id)
    }

    /// Puts a row in the place of the one with this id.
    pub fn replace(&mut self, name: &str, id: &str, row: Row) {
        let Some(object) = self.objects.get_mut(name) else { return };
        let Some(slot) = object.slot(id) else { return };
        if self.depth > 0 {
            self.undo.push(Undo { object: object.shape.name, slot, row: object.row(slot).cloned() });
        }
        object.put(slot, row);
    }

    /// Removes a row without a trace.
    pub fn purge(&mut self, id: &str) {
        let Some(name) = self.of_id(id).map(|object| object.shape.name) else { return };
        if let Some(object) = self.objects.get_mut(name)
            && let Some(slot) = object.slot(id)
        {
            object.unindex(slot);
        }
    }

    /// Begins a transaction; the mark is what `end` wants back.
    pub fn begin(&mut self) -> usize {
        self.depth += 1;
        self.undo.len()
    }

    /// Ends a transaction, taking everything since `mark` back unless it is to stand.
    pub fn end(&mut self, mark: usize, stands: bool) {
        self.depth = self.depth.saturating_sub(1);
        let undone = if stands { Vec::new() } else { self.undo.split_off(mark) };
        for undo in undone.into_iter().rev() {
            let Some(object) = self.objects.get_mut(undo.object) else { continue };
            match undo.row {
                Some(row) => object.put(undo.slot, row),
                None => object.unindex(undo.slot),
            }
        }
        if self.depth == 0 {
            self.undo.clear();
        }
    }

    /// Empties an object before a world is loaded.
    pub fn clear(&mut self, name: &str) {
        if let Some(object) = self.objects.get_mut(name) {
            (0..object.rows.len()).for_each(|slot| object.unindex(slot));
        }
    }

    /// Takes a row as an export gave it, with its id.
    pub fn load(&mut self, name: &str, given: &serde_json::Map<String, Value>) -> Result<(), String> {
        let object = self.objects.get_mut(name).ok_or_else(|| format!("no object {name:?}"))?;
        let mut cells = object.empty();
        for (field, value) in given {
            object.column(field).ok_or_else(|| format!("{name} has no field {field:?}"))?;
            object.set(&mut cells, field, value.clone());
        }
        let id = ids::long(object.text(&cells, "Id")).ok_or_else(|| format!("a row of {name} has no id"))?;
        object.set(&mut cells, "Id", Value::from(id.as_str()));
        let slot = object.slot(&id).unwrap_or_else(|| {
            object.rows.push(None);
            object.rows.len() - 1
        });
        object.serial = object.serial.max(slot as u64 + 1_000_000);
        object.put(slot, Row::new(cells));
        Ok(())
    }
}
