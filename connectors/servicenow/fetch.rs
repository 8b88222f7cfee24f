//! Reading cases with their children: records, changes and messages, each asked for many cases at once.

use super::ServiceNow;
use super::client::{Children, by_address, mismatch};
use super::config::{Config, Table};
use super::history::{AuditRow, JournalRow};
use super::normalize::{self, Read};
use super::query::{List, is_sys_id};
use super::wire::{Cell, Problem, Row};
use crate::{ConnectorError, Ctx, Fetched, Lane, Quarantined};
use dutyd_core::case::CaseKey;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const AUDIT_FIELDS: &str =
    "sys_id,documentkey,fieldname,oldvalue,newvalue,user,sys_created_on,record_checkpoint";
const JOURNAL_FIELDS: &str = "sys_id,element_id,element,value,sys_created_on,sys_created_by";

/// A record as received.
struct Record {
    table: Table,
    /// `Err`: it came, but cannot be read as a record.
    row: Result<Row, String>,
    raw: String,
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
        let mut audit = self.audit(cx, &found, &records).await?;
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
        let quarantined = |reason: String| {
            let bad = Quarantined { id: key.id.clone(), reason, raw: record.raw.clone() };
            Fetched::Quarantined(key.clone(), bad)
        };
        let row = match &record.row {
            Ok(row) => row,
            Err(reason) => return quarantined(reason.clone()),
        };
        let read = Read { key, table: record.table, row, audit, journal, audit_complete, journal_complete };
        match normalize::change(&self.config, self.origin(), read, cx.now) {
            Ok(change) => Fetched::Case(Box::new(change)),
            Err(reason) => quarantined(reason),
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
                let mut list =
                    List::new(table.name(), query, fields.clone(), ids.len().try_into().unwrap_or(u32::MAX));
                list.with_display = true;
                list
            };
            let rest = question(&[]).path().len();
            for chunk in by_address(&missing, rest) {
                let page = self.list(cx, &question(chunk), Lane::Hot).await.map_err(Problem::into_error)?;
                for raw in &page.rows {
                    let row: Result<Row, _> = serde_json::from_str(raw.get());
                    let id =
                        row.as_ref().ok().and_then(|row| row.get("sys_id")).map(|cell| cell.value.clone());
                    let Some(id) = id.filter(|id| chunk.contains(&id.as_str())) else {
                        return Err(mismatch(table.name()));
                    };
                    let row = row.map_err(|error| error.to_string());
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
        records: &BTreeMap<String, Record>,
    ) -> Result<ByCase<AuditRow>, ConnectorError> {
        let mut all = ByCase { rows: BTreeMap::new(), complete: true };
        for table in &self.config.tables {
            let of_table = |id: &&str| records.get(*id).is_some_and(|record| record.table == *table);
            let ids: Vec<&str> = found.iter().copied().filter(of_table).collect();
            let names = normalize::audited(&self.config).join(",");
            let filter = |ids: &[&str]| {
                format!("tablename={}^documentkeyIN{}^fieldnameIN{names}", table.name(), ids.join(","))
            };
            let rest = List::new("sys_audit", filter(&[]), AUDIT_FIELDS, 0).path().len() + 200;
            for chunk in by_address(&ids, rest) {
                let children = self.to_the_end(cx, "sys_audit", &filter(chunk), AUDIT_FIELDS).await?;
                all.take("sys_audit", chunk, children, |row: &AuditRow| &row.documentkey.value)?;
            }
        }
        Ok(all)
    }

    async fn journal(&self, cx: &Ctx<'_>, found: &[&str]) -> Result<ByCase<JournalRow>, ConnectorError> {
        let mut all = ByCase { rows: BTreeMap::new(), complete: true };
        let filter = |ids: &[&str]| format!("element_idIN{}^elementINcomments,work_notes", ids.join(","));
        let rest = List::new("sys_journal_field", filter(&[]), JOURNAL_FIELDS, 0).path().len() + 200;
        for chunk in by_address(found, rest) {
            let children = self.to_the_end(cx, "sys_journal_field", &filter(chunk), JOURNAL_FIELDS).await?;
            all.take("sys_journal_field", chunk, children, |row: &JournalRow| &row.element_id.value)?;
        }
        Ok(all)
    }

    /// Which of the missing records were deleted. Where deletions may not be read, none is known to be: hidden.
    async fn deleted(&self, cx: &Ctx<'_>, missing: &[&str]) -> Result<BTreeSet<String>, ConnectorError> {
        let mut deleted = BTreeSet::new();
        let tables = self.config.tables.iter().map(|table| table.name()).collect::<Vec<_>>().join(",");
        let filter = |ids: &[&str]| format!("tablenameIN{tables}^documentkeyIN{}", ids.join(","));
        let rest = List::new("sys_audit_delete", filter(&[]), "sys_id,documentkey", 0).path().len() + 200;
        for chunk in by_address(missing, rest) {
            let asked = self.to_the_end(cx, "sys_audit_delete", &filter(chunk), "sys_id,documentkey").await;
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

fn scope_suffix(config: &Config) -> String {
    if config.scope.is_empty() { String::new() } else { format!("^{}", config.scope) }
}
