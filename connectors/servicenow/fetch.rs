//! Reading cases with their children: records, changes and messages, each asked for many cases at once.

use super::ServiceNow;
use super::client::{Children, by_address, mismatch};
use super::config::{Config, Table};
use super::history::{AuditRow, JournalRow};
use super::normalize::{self, Read};
use super::paging::SERVED_MIN;
use super::query::{List, is_field, is_sys_id};
use super::wire::{Cell, Row};
use crate::quarantine::told;
use crate::{ConnectorError, Ctx, Fetched, Lane, Quarantined};
use dutyd_core::case::CaseKey;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

const AUDIT_FIELDS: &str =
    "sys_id,documentkey,fieldname,oldvalue,newvalue,user,sys_created_on,record_checkpoint";
const JOURNAL_FIELDS: &str = "sys_id,element_id,element,value,sys_created_on,sys_created_by";

/// What later pages add to an address: the keyset, the order, an offset.
const KEYSET_LENGTH: usize = 200;

/// A record as received.
struct Record {
    table: Table,
    /// Or why it cannot be read.
    row: Result<Row, String>,
    raw: String,
}

impl Record {
    fn class(&self) -> &str {
        let told = self.row.as_ref().ok().and_then(|row| row.get("sys_class_name"));
        told.map(|cell| cell.value.as_str()).filter(|class| is_field(class)).unwrap_or(self.table.name())
    }
}

#[derive(Deserialize)]
struct Deletion {
    documentkey: Cell,
}

/// Children of all cases of a batch, by the case they belong to.
struct ByCase<T> {
    rows: BTreeMap<String, Vec<T>>,
    complete: bool,
}

impl ServiceNow {
    pub(super) async fn read_cases(
        &self,
        cx: &Ctx<'_>,
        cases: &[CaseKey],
    ) -> Result<Vec<Fetched>, ConnectorError> {
        let ids: BTreeSet<&str> =
            cases.iter().map(|key| key.id.as_str()).filter(|id| is_sys_id(id)).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let records = self.records(cx, &ids).await?;
        let found: Vec<&str> = ids.iter().copied().filter(|id| records.contains_key(*id)).collect();
        let missing: Vec<&str> = ids.iter().copied().filter(|id| !records.contains_key(*id)).collect();
        let deleted = self.deleted(cx, &missing).await?;
        let mut audit = self.audit(cx, &found, &classes(&records)).await?;
        let mut journal = self.journal(cx, &found).await?;
        let answers = cases.iter().map(|key| match records.get(&key.id) {
            None if deleted.contains(&key.id) => Fetched::Gone(key.clone()),
            None => Fetched::Hidden(key.clone()),
            Some(record) => {
                let audit_rows = audit.rows.remove(&key.id).unwrap_or_default();
                let journal_rows = journal.rows.remove(&key.id).unwrap_or_default();
                self.assemble(cx, key, record, audit_rows, journal_rows, (audit.complete, journal.complete))
            }
        });
        Ok(answers.collect())
    }

    fn assemble(
        &self,
        cx: &Ctx<'_>,
        key: &CaseKey,
        record: &Record,
        audit: Vec<AuditRow>,
        journal: Vec<JournalRow>,
        (audit_complete, journal_complete): (bool, bool),
    ) -> Fetched {
        let table = record.table;
        let change = record.row.as_ref().map_err(Clone::clone).and_then(|row| {
            let read = Read { key, table, row, audit, journal, audit_complete, journal_complete };
            normalize::change(&self.config, self.origin(), read, cx.now)
        });
        match change {
            Ok(change) => Fetched::Case(Box::new(change)),
            Err(reason) => {
                Fetched::Quarantined(key.clone(), Quarantined::named(&key.id, &record.raw, reason))
            }
        }
    }

    /// The records in scope, by id. A record stands in one table only; each table is asked for what is still missing.
    async fn records(&self, cx: &Ctx<'_>, ids: &[&str]) -> Result<BTreeMap<String, Record>, ConnectorError> {
        let mut records = BTreeMap::new();
        for table in &self.config.tables {
            let missing: Vec<&str> = ids.iter().copied().filter(|id| !records.contains_key(*id)).collect();
            let fields = normalize::columns(&self.config, *table).join(",");
            let question = |ids: &[&str]| {
                let scope = scope_suffix(&self.config);
                let query = format!("sys_idIN{}{scope}", ids.join(","));
                let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX).max(SERVED_MIN);
                let mut list = List::new(table.name(), query, fields.clone(), limit);
                list.with_display = true;
                list
            };
            let rest = question(&[]).path().len() + KEYSET_LENGTH;
            for chunk in by_address(&missing, rest) {
                let page = self.to_the_end::<Box<RawValue>>(cx, &question(chunk), Lane::Hot).await?;
                for raw in &page.rows {
                    let row = serde_json::from_str::<Row>(raw.get()).map_err(|error| error.to_string());
                    let id = told(raw.get(), "sys_id").filter(|id| chunk.contains(&id.as_str()));
                    let id = id.ok_or_else(|| mismatch(table.name()))?;
                    records.insert(id, Record { table: *table, row, raw: raw.get().to_owned() });
                }
            }
        }
        Ok(records)
    }

    async fn audit(
        &self,
        cx: &Ctx<'_>,
        found: &[&str],
        classes: &[&str],
    ) -> Result<ByCase<AuditRow>, ConnectorError> {
        let mut all = ByCase { rows: BTreeMap::new(), complete: true };
        let (classes, names) = (classes.join(","), normalize::audited(&self.config).join(","));
        let filter =
            |ids: &[&str]| format!("tablenameIN{classes}^documentkeyIN{}^fieldnameIN{names}", ids.join(","));
        let question =
            |ids: &[&str]| List::new("sys_audit", filter(ids), AUDIT_FIELDS, self.children_limit());
        let rest = question(&[]).path().len() + KEYSET_LENGTH;
        for chunk in by_address(found, rest) {
            let children = self.to_the_end(cx, &question(chunk), Lane::Hot).await?;
            all.take("sys_audit", chunk, children, |row: &AuditRow| &row.documentkey.value)?;
        }
        Ok(all)
    }

    async fn journal(&self, cx: &Ctx<'_>, found: &[&str]) -> Result<ByCase<JournalRow>, ConnectorError> {
        let mut all = ByCase { rows: BTreeMap::new(), complete: true };
        let filter = |ids: &[&str]| format!("element_idIN{}^elementINcomments,work_notes", ids.join(","));
        let question =
            |ids: &[&str]| List::new("sys_journal_field", filter(ids), JOURNAL_FIELDS, self.children_limit());
        let rest = question(&[]).path().len() + KEYSET_LENGTH;
        for chunk in by_address(found, rest) {
            let children = self.to_the_end(cx, &question(chunk), Lane::Hot).await?;
            all.take("sys_journal_field", chunk, children, |row: &JournalRow| &row.element_id.value)?;
        }
        Ok(all)
    }

    /// Which of the missing records were deleted, whatever their class was. Where deletions may not be read, none is known
    /// to be: hidden.
    async fn deleted(&self, cx: &Ctx<'_>, missing: &[&str]) -> Result<BTreeSet<String>, ConnectorError> {
        let mut deleted = BTreeSet::new();
        let filter = |ids: &[&str]| format!("documentkeyIN{}", ids.join(","));
        let fields = "sys_id,documentkey";
        let question =
            |ids: &[&str]| List::new("sys_audit_delete", filter(ids), fields, self.children_limit());
        let rest = question(&[]).path().len() + KEYSET_LENGTH;
        for chunk in by_address(missing, rest) {
            let asked = self.to_the_end(cx, &question(chunk), Lane::Hot).await;
            let children: Children<Deletion> = match asked {
                Err(ConnectorError::Refused { .. }) => continue,
                other => other?,
            };
            let keys = children.rows.into_iter().map(|row| row.documentkey.value);
            deleted.extend(keys.filter(|id| chunk.contains(&id.as_str())));
        }
        Ok(deleted)
    }
}

impl<T> ByCase<T> {
    /// Sorts children to their cases; one that belongs to none that was asked for means a condition was ignored.
    fn take(
        &mut self,
        table: &str,
        asked: &[&str],
        children: Children<T>,
        case: impl Fn(&T) -> &String,
    ) -> Result<(), ConnectorError> {
        self.complete &= children.complete;
        for row in children.rows {
            let id = case(&row).clone();
            if !asked.contains(&id.as_str()) {
                return Err(mismatch(table));
            }
            self.rows.entry(id).or_default().push(row);
        }
        Ok(())
    }
}

/// The classes of records, under which their history stands. Where the class may not be read, it is the table's own.
///
/// Vendor: a table shows the records of those that extend it, too; `sys_class_name` says which (c_TableAPI).
fn classes(records: &BTreeMap<String, Record>) -> Vec<&str> {
    let classes: BTreeSet<&str> = records.values().map(Record::class).collect();
    classes.into_iter().collect()
}

fn scope_suffix(config: &Config) -> String {
    if config.scope.is_empty() { String::new() } else { format!("^{}", config.scope) }
}
