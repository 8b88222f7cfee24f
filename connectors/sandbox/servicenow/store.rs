//! All tables of the instance and what a write does to them: stamps, counts, journals, audit, deletions.
//! Knows stamps and counts; a task's own rules are in `rules.rs`, the records of a change in `books.rs`.

use super::rules;
use super::schema::{self, Kind, SHAPES, TASKS};
use super::table::{CREATED_BY, CREATED_ON, MOD_COUNT, Row, SYS_ID, Table, Text, UPDATED_BY, UPDATED_ON};
use super::time;
use crate::dice;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Dot-walks deeper than this find nothing.
const WALK_MAX: usize = 4;

pub struct Store {
    seed: u64,
    serial: u64,
    pub tables: BTreeMap<&'static str, Table>,
    numbers: BTreeMap<&'static str, u64>,
    pub(super) empty: Text,
}

/// Who writes, when, and how.
#[derive(Clone, Debug)]
pub struct Writer<'a> {
    pub user_name: &'a str,
    pub user_id: &'a str,
    pub at: Timestamp,
    /// Seconds until others see it.
    pub late_seconds: i64,
    /// Values and this `sys_mod_count` as a log gave them: no rules.
    pub revision: Option<u64>,
}

pub type Fields = Vec<(String, String)>;

impl Store {
    pub fn new(seed: u64, custom: bool) -> Store {
        let tables = SHAPES.iter().map(|shape| (shape.name, Table::new(shape, custom))).collect();
        let mut store = Store { seed, serial: 0, tables, numbers: BTreeMap::new(), empty: Text::from("") };
        store.fill_dictionary();
        store
    }

    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    pub(super) fn table_mut(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.get_mut(name)
    }

    /// The tables behind a name: itself, or the members of the union `task`.
    pub fn members(&self, name: &str) -> Vec<&Table> {
        if name == "task" {
            TASKS.iter().filter_map(|member| self.table(member)).collect()
        } else {
            self.table(name).into_iter().collect()
        }
    }

    /// The table in which a record stands, with its slot.
    pub fn find(&self, name: &str, sys_id: &str) -> Option<(&Table, usize)> {
        self.members(name).into_iter().find_map(|table| Some((table, table.slot(sys_id)?)))
    }

    /// The value of a field of a row, following references at the dots.
    pub fn walk<'a>(&'a self, table: &'a Table, values: &'a [Text], path: &str) -> Option<(Text, Kind)> {
        let (mut table, mut values) = (table, values);
        let mut steps = path.split('.');
        let mut name = steps.next()?;
        for _ in 0..WALK_MAX {
            let column = table.column(name)?;
            let kind = table.columns[column].kind;
            let Some(next) = steps.next() else { return Some((values[column].clone(), kind)) };
            let Kind::Ref(target) = kind else { return None };
            let Some((found, slot)) = self.find(target, &values[column]) else {
                return Some((self.empty.clone(), Kind::Text));
            };
            (table, values, name) = (found, &found.row(slot)?.values, next);
        }
        None
    }

    /// Whether a field path leads anywhere in a table's columns.
    pub fn knows(&self, table: &str, path: &str) -> bool {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        if table == "task" && !schema::of_task(name) {
            return false;
        }
        let column =
            self.members(table).into_iter().find_map(|table| Some(table.columns[table.column(name)?].kind));
        match (column, rest) {
            (Some(_), None) => true,
            (Some(Kind::Ref(target)), Some(rest)) => self.knows(target, rest),
            _ => false,
        }
    }

    /// What stands for a raw value on a form; `None` where that is the value itself.
    pub fn display(&self, kind: Kind, value: &str) -> Option<Text> {
        match kind {
            Kind::Choice(choices) => {
                choices.iter().find(|(raw, _)| *raw == value).map(|(_, label)| Text::from(*label))
            }
            Kind::Ref(target) => {
                let (table, slot) = self.find(target, value)?;
                let column = table.column("name").or_else(|| table.column("number"))?;
                Some(table.row(slot)?.values[column].clone())
            }
            _ => None,
        }
    }

    pub(super) fn new_id(&mut self, table: &str) -> String {
        self.serial += 1;
        dice::hex_id(self.seed, &[table.as_bytes(), &self.serial.to_le_bytes()])
    }

    fn next_number(&mut self, table: &'static str) -> String {
        let (prefix, width) = if table == "incident" { ("INC", 7) } else { ("CS", 7) };
        let number = self.numbers.entry(table).or_insert(10_000);
        *number += 1;
        format!("{prefix}{number:0width$}")
    }

    /// Inserts a record; unknown fields are ignored. `Err` when its `sys_id` is taken.
    pub fn insert(&mut self, name: &str, fields: &Fields, writer: &Writer<'_>) -> Result<String, String> {
        let Some((name, _)) = self.tables.get_key_value(name).map(|(name, table)| (*name, table)) else {
            return Err(format!("no table {name}"));
        };
        let given =
            |wanted: &str| fields.iter().find(|(field, _)| field == wanted).map(|(_, value)| value.clone());
        let sys_id = match given("sys_id")
            .filter(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            Some(id) if self.tables[name].slot(&id).is_some() => return Err("duplicate sys_id".to_owned()),
            Some(id) => id,
            None => self.new_id(name),
        };
        let stamp = Text::from(time::stamp(writer.at));
        let mut values = vec![self.empty.clone(); self.tables[name].columns.len()];
        values[SYS_ID] = Text::from(sys_id.as_str());
        values[CREATED_ON] =
            given("sys_created_on").filter(|_| writer.revision.is_some()).map_or(stamp.clone(), Text::from);
        values[CREATED_BY] = Text::from(writer.user_name);
        values[UPDATED_ON] = stamp.clone();
        values[UPDATED_BY] = Text::from(writer.user_name);
        values[MOD_COUNT] = Text::from(writer.revision.unwrap_or(0).to_string());
        if TASKS.contains(&name) {
            let number = given("number").filter(|number| !number.is_empty());
            let number = number.unwrap_or_else(|| self.next_number(name));
            set(&self.tables[name], &mut values, "number", &number);
            let is_child = |class: &String| class == schema::CHILD && name == schema::PARENT;
            let class = given("sys_class_name").filter(is_child);
            set(&self.tables[name], &mut values, "sys_class_name", class.as_deref().unwrap_or(name));
        }
        let table = &self.tables[name];
        for (field, value) in fields {
            if writable(table, field) {
                set(table, &mut values, field, value);
            }
        }
        if TASKS.contains(&name) && writer.revision.is_none() {
            rules::on_insert(table, &mut values, writer, &stamp);
        }
        let row = Row { values, hidden_until: late(writer), before: None };
        if let Some(table) = self.table_mut(name) {
            table.insert(row);
        }
        self.split_journals(name, &sys_id, fields, writer);
        Ok(sys_id)
    }

    /// Changes what is given; what the rules add comes with it. Answers whether anything changed.
    pub fn update(&mut self, name: &str, sys_id: &str, fields: &Fields, writer: &Writer<'_>) -> bool {
        let Some((table, slot)) = self.find(name, sys_id) else { return false };
        let Some(row) = table.row(slot) else { return false };
        let (name, old) = (table.name, row.values.clone());
        let mut values = old.clone();
        for (field, value) in fields.iter().filter(|(field, _)| writable(table, field)) {
            set(table, &mut values, field, value);
        }
        let comment = fields.iter().any(|(field, value)| field == "comments" && !value.is_empty());
        if TASKS.contains(&name) && writer.revision.is_none() {
            rules::on_update(table, &old, &mut values, writer, comment);
        }
        let changed: Vec<usize> =
            (0..values.len()).filter(|column| values[*column] != old[*column]).collect();
        let journals = fields.iter().any(|(field, value)| is_journal(field) && !value.is_empty());
        if changed.is_empty() && !journals && writer.revision.is_none() {
            return false;
        }
        let count = old[MOD_COUNT].parse::<u64>().unwrap_or(0) + 1;
        values[UPDATED_ON] = Text::from(time::stamp(writer.at));
        values[UPDATED_BY] = Text::from(writer.user_name);
        values[MOD_COUNT] = Text::from(writer.revision.unwrap_or(count).to_string());
        let (checkpoint, key) = (values[MOD_COUNT].clone(), values[SYS_ID].clone());
        let audit: Vec<(&'static str, Text, Text)> = changed
            .iter()
            .map(|column| (table.columns[*column].name, old[*column].clone(), values[*column].clone()))
            .collect();
        let hidden_until = late(writer);
        let before = hidden_until.is_some().then_some(old);
        if let Some(table) = self.table_mut(name) {
            table.replace(slot, Row { values, hidden_until, before });
        }
        if TASKS.contains(&name) {
            self.audit(&key, &checkpoint, audit, writer);
        }
        self.split_journals(name, sys_id, fields, writer);
        true
    }

    /// Removes a record; tasks leave a row in `sys_audit_delete` unless `silently`.
    pub fn delete(&mut self, name: &str, sys_id: &str, writer: &Writer<'_>, silently: bool) -> bool {
        let Some((table, slot)) = self.find(name, sys_id) else { return false };
        let (name, class) = (table.name, self.class(sys_id));
        let Some(row) = self.table_mut(name).and_then(|table| table.remove(slot)) else { return false };
        if TASKS.contains(&name) && !silently {
            let shown = self.tables[name]
                .column("number")
                .map_or(self.empty.clone(), |column| row.values[column].clone());
            let (stamp, user) = (Text::from(time::stamp(writer.at)), Text::from(writer.user_name));
            let id = Text::from(self.new_id("sys_audit_delete"));
            self.append(
                "sys_audit_delete",
                id,
                &stamp,
                &user,
                writer,
                &[
                    ("tablename", class),
                    ("documentkey", Text::from(sys_id)),
                    ("display_value", shown),
                    ("user", user.clone()),
                ],
            );
        }
        true
    }

    /// What a task's records in other tables call its table.
    pub(super) fn class(&self, sys_id: &str) -> Text {
        self.field("task", sys_id, "sys_class_name").unwrap_or_else(|| self.empty.clone())
    }

    /// The first record whose indexed column has a value.
    pub fn first_by(&self, name: &str, column: &str, value: &str) -> Option<String> {
        let table = self.table(name)?;
        let slot = table.keyed(table.column(column)?, value)?.first()?;
        Some(table.row(*slot)?.values[SYS_ID].to_string())
    }

    /// A field of a record, raw.
    pub fn field(&self, name: &str, sys_id: &str, field: &str) -> Option<Text> {
        let (table, slot) = self.find(name, sys_id)?;
        Some(table.row(slot)?.values[table.column(field)?].clone())
    }
}

/// Journals are split off, `sys_*` columns belong to the system.
pub fn writable(table: &Table, field: &str) -> bool {
    !field.starts_with("sys_") && !is_journal(field) && table.column(field).is_some()
}

pub fn is_journal(field: &str) -> bool {
    matches!(field, "comments" | "work_notes")
}

pub fn set(table: &Table, values: &mut [Text], field: &str, value: &str) {
    if let Some(column) = table.column(field)
        && &*values[column] != value
    {
        values[column] = Text::from(value);
    }
}

pub fn late(writer: &Writer<'_>) -> Option<Text> {
    if writer.late_seconds == 0 {
        return None;
    }
    let until = writer.at.checked_add(SignedDuration::from_secs(writer.late_seconds)).ok()?;
    Some(Text::from(time::stamp(until)))
}
