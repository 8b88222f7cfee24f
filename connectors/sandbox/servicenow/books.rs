//! The platform's books: audit, journals, dictionary, and rows that come in without any bookkeeping.
//! Knows the tables that record what happened to others; decides nothing.

use super::schema::{self, Kind, TASKS};
use super::store::{Fields, Store, Writer, is_journal, late, set, writable};
use super::table::{CREATED_BY, CREATED_ON, MOD_COUNT, Row, SYS_ID, Text, UPDATED_BY, UPDATED_ON};
use super::time;
use jiff::Timestamp;

impl Store {
    pub(super) fn audit(
        &mut self,
        key: &Text,
        checkpoint: &Text,
        changes: Vec<(&'static str, Text, Text)>,
        writer: &Writer<'_>,
    ) {
        let (stamp, user, class) =
            (Text::from(time::stamp(writer.at)), Text::from(writer.user_name), self.class(key));
        for (field, old, new) in changes {
            let id = Text::from(self.new_id("sys_audit"));
            self.append(
                "sys_audit",
                id,
                &stamp,
                &user,
                writer,
                &[
                    ("tablename", class.clone()),
                    ("fieldname", Text::from(field)),
                    ("documentkey", key.clone()),
                    ("user", user.clone()),
                    ("oldvalue", old),
                    ("newvalue", new),
                    ("record_checkpoint", checkpoint.clone()),
                ],
            );
        }
    }

    /// `work_notes` and `comments` become rows of `sys_journal_field`; the record itself keeps nothing.
    pub(super) fn split_journals(
        &mut self,
        name: &'static str,
        sys_id: &str,
        fields: &Fields,
        writer: &Writer<'_>,
    ) {
        let (stamp, user) = (Text::from(time::stamp(writer.at)), Text::from(writer.user_name));
        let class = self.class(sys_id);
        for (field, value) in fields {
            if is_journal(field) && !value.is_empty() && TASKS.contains(&name) {
                let id = Text::from(self.new_id("sys_journal_field"));
                self.append(
                    "sys_journal_field",
                    id,
                    &stamp,
                    &user,
                    writer,
                    &[
                        ("name", class.clone()),
                        ("element", Text::from(field.as_str())),
                        ("element_id", Text::from(sys_id)),
                        ("value", Text::from(value.as_str())),
                    ],
                );
            }
        }
    }

    /// A bookkeeping row, without rules.
    pub(super) fn append(
        &mut self,
        name: &str,
        id: Text,
        stamp: &Text,
        user: &Text,
        writer: &Writer<'_>,
        fields: &[(&str, Text)],
    ) {
        let empty = self.empty.clone();
        let Some(table) = self.table_mut(name) else { return };
        let mut values = vec![empty; table.columns.len()];
        values[SYS_ID] = id;
        (values[CREATED_ON], values[UPDATED_ON]) = (stamp.clone(), stamp.clone());
        (values[CREATED_BY], values[UPDATED_BY]) = (user.clone(), user.clone());
        values[MOD_COUNT] = Text::from("0");
        for (field, value) in fields {
            if let Some(column) = table.column(field) {
                values[column] = value.clone();
            }
        }
        table.insert(Row { values, hidden_until: late(writer), before: None });
    }

    /// Changes values and nothing else: no stamp, no count, no audit, no rules.
    // Vendor: GlideRecord.autoSysFields(false) with setWorkflow(false).
    pub fn change_silently(&mut self, name: &str, sys_id: &str, fields: &Fields) {
        let Some((table, slot)) = self.find(name, sys_id) else { return };
        let Some(row) = table.row(slot) else { return };
        let mut row = row.clone();
        for (field, value) in fields.iter().filter(|(field, _)| writable(table, field)) {
            set(table, &mut row.values, field, value);
        }
        if let Some(table) = self.table_mut(name) {
            table.replace(slot, row);
        }
    }

    /// Empties a table.
    pub fn clear(&mut self, name: &str) {
        let slots = self.table(name).map_or(0, |table| table.rows.len());
        if let Some(table) = self.table_mut(name) {
            for slot in 0..slots {
                table.remove(slot);
            }
        }
    }

    /// A row as a history shows it, `sys_*` columns included.
    pub fn load(
        &mut self,
        name: &str,
        given: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<(), String> {
        let empty = self.empty.clone();
        let table = self.table_mut(name).ok_or_else(|| format!("no table {name:?}"))?;
        let mut values = vec![empty; table.columns.len()];
        for (field, value) in given {
            if let Some(column) = table.column(field) {
                values[column] = Text::from(value.as_str().unwrap_or_default());
            }
        }
        if values[SYS_ID].is_empty() || table.slot(&values[SYS_ID]).is_some() {
            return Err(format!("a row of {name} has no sys_id of its own"));
        }
        table.insert(Row { values, hidden_until: None, before: None });
        Ok(())
    }

    pub(super) fn fill_dictionary(&mut self) {
        let modelled = self.tables.values().filter(|table| !schema::NEIGHBOURS.contains(&table.name));
        let columns: Vec<_> = modelled.flat_map(|table| table.columns.clone()).collect();
        let (stamp, user) = (Text::from("2020-01-01 00:00:00"), Text::from("system"));
        let writer = Writer {
            user_name: "system",
            user_id: "",
            at: Timestamp::UNIX_EPOCH,
            late_seconds: 0,
            revision: None,
        };
        let mut seen = std::collections::BTreeSet::new();
        for column in columns {
            if !seen.insert((column.of, column.name)) {
                continue;
            }
            let (internal, reference) = schema::internal_type(column.kind);
            let audited = TASKS.contains(&column.of) || column.of == "task";
            let id = Text::from(self.new_id("sys_dictionary"));
            self.append(
                "sys_dictionary",
                id,
                &stamp,
                &user,
                &writer,
                &[
                    ("name", Text::from(column.of)),
                    ("element", Text::from(column.name)),
                    ("internal_type", Text::from(internal)),
                    ("reference", Text::from(reference)),
                    ("column_label", Text::from(column.name.replace('_', " "))),
                    ("active", Text::from("true")),
                    ("audit", Text::from(if audited { "true" } else { "false" })),
                    ("max_length", Text::from("4000")),
                    ("choice", Text::from(if matches!(column.kind, Kind::Choice(_)) { "1" } else { "" })),
                ],
            );
        }
    }

    /// Gives a column of text a choice list, wherever a table has it.
    pub fn list_choices(&mut self, element: &str) {
        let Some(table) = self.table("sys_dictionary") else { return };
        let Some(named) = table.column("element") else { return };
        let of_it = table.rows.iter().flatten().filter(|row| &*row.values[named] == element);
        let ids: Vec<Text> = of_it.map(|row| row.values[SYS_ID].clone()).collect();
        for id in ids {
            self.change_silently("sys_dictionary", &id, &vec![("choice".to_owned(), "1".to_owned())]);
        }
    }
}
