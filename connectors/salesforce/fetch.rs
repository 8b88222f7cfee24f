//! Cases by their ids, many at once, with comments, mails and history to the end.
//!
//! Must not know: what the rows mean.

use super::Salesforce;
use super::client::{Question, Rows};
use super::connector::{is_off, nothing};
use super::normalize::{self, Read};
use super::scan::Stream;
use super::soql::{id_list, record_id};
use super::wire;
use crate::quarantine::told;
use crate::{ConnectorError, Ctx, Fetched, Lane, Quarantined};
use dutyd_core::case::CaseKey;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const COMMENT_FIELDS: &str = "Id, ParentId, IsPublished, CommentBody, CreatedDate, CreatedBy.Username, CreatedBy.Name, CreatedBy.UserType";
const MAIL_FIELDS: &str = "Id, ParentId, Incoming, Subject, TextBody, FromName, FromAddress, MessageDate, CreatedDate, CreatedBy.Username, CreatedBy.Name, CreatedBy.UserType";
const HISTORY_FIELDS: &str = "Id, CaseId, Field, OldValue, NewValue, CreatedDate, CreatedBy.Username, CreatedBy.Name, CreatedBy.UserType";

/// Children of all cases of a batch, by the case they belong to.
struct ByCase {
    rows: BTreeMap<String, Vec<Value>>,
    /// Whether nothing was left out for length.
    complete: bool,
    /// Cases of which a child cannot be read.
    damaged: BTreeSet<String>,
    /// Cases whose children are all here although the reading broke off, and why it did.
    broken: Option<(BTreeSet<String>, ConnectorError)>,
}

/// Everything read for a batch.
struct Batch {
    records: BTreeMap<String, Value>,
    /// Records that cannot be read, by the id they tell.
    broken: BTreeMap<String, Quarantined>,
    /// Fields that our account may not read.
    absent: Vec<String>,
    comments: ByCase,
    mails: ByCase,
    history: ByCase,
}

impl Salesforce {
    pub(super) async fn read_cases(
        &self,
        cx: &Ctx<'_>,
        cases: &[CaseKey],
    ) -> Result<Vec<Fetched>, ConnectorError> {
        let ids: BTreeSet<String> = cases.iter().filter_map(|key| record_id(&key.id)).collect();
        if ids.is_empty() {
            return Ok(cases.iter().map(|key| Fetched::Hidden(key.clone())).collect());
        }
        let mut batch = self.read_batch(cx, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        Ok(cases.iter().map(|key| self.assemble(cx, key, &mut batch)).collect())
    }

    fn assemble(&self, cx: &Ctx<'_>, key: &CaseKey, batch: &mut Batch) -> Fetched {
        if let Some(bad) = record_id(&key.id).and_then(|id| batch.broken.get(&id)) {
            return Fetched::Quarantined(key.clone(), bad.clone());
        }
        let Some((id, record)) =
            record_id(&key.id).and_then(|id| Some((id.clone(), batch.records.get(&id)?)))
        else {
            return Fetched::Hidden(key.clone());
        };
        if wire::at(record, "IsDeleted") == &Value::Bool(true) {
            return Fetched::Gone(key.clone());
        }
        let children = [&batch.comments, &batch.mails, &batch.history];
        if let Some(error) = children.iter().find_map(|children| children.missing(&id)) {
            return Fetched::Unread(key.clone(), error);
        }
        let take = |children: &mut ByCase| children.rows.remove(&id).unwrap_or_default();
        let read = Read {
            key,
            row: record,
            comments_complete: batch.comments.is_complete(&id),
            complete: batch.comments.is_complete(&id)
                && batch.mails.is_complete(&id)
                && batch.history.is_complete(&id),
            absent: &batch.absent,
            comments: take(&mut batch.comments),
            mails: take(&mut batch.mails),
            history: take(&mut batch.history),
        };
        match normalize::change(&self.config, self.origin(), read, cx.now) {
            Ok(change) => Fetched::Case(Box::new(change)),
            Err(reason) => {
                let bad = Quarantined::named(&key.id, &record.to_string(), reason);
                Fetched::Quarantined(key.clone(), bad)
            }
        }
    }

    /// Vendor: a field that the account may not read is unknown to it, and one unknown field fails the whole question
    /// (errorcodes, INVALID_FIELD). Fields that the configuration adds are left out then and called unread.
    async fn read_batch(&self, cx: &Ctx<'_>, ids: &[&str]) -> Result<Batch, ConnectorError> {
        let mut absent: Vec<String> = Vec::new();
        loop {
            let (parts, now) = self.ask(cx, &self.questions(ids, &absent), Lane::Hot).await?;
            let [cases, comments, mails, history] = parts.as_slice() else {
                return Err(wire::unavailable("the answer lacks a part".to_owned()));
            };
            let cases = match cases.found(Some(now)) {
                Ok(found) => found,
                Err(error) => match self.unknown_optional(&error, &absent) {
                    Some(column) => {
                        absent.push(column);
                        continue;
                    }
                    None => return Err(error),
                },
            };
            let mails = match mails.found(Some(now)) {
                Err(error) if is_off(Stream::Mails, &error) => nothing(),
                other => other?,
            };
            let (comments, history) = (comments.found(Some(now))?, history.found(Some(now))?);
            let records = self.to_the_end(cx, cases, Lane::Hot).await;
            records.end?;
            let asked: BTreeSet<&str> = ids.iter().copied().collect();
            let broken = records
                .broken
                .iter()
                .map(|raw| Quarantined::of(raw.get(), "Id", "the record is JSON that cannot be taken in"));
            let known = records.rows.into_iter().map(|row| (wire::text(&row, "Id").to_owned(), row));
            return Ok(Batch {
                records: known.filter(|(id, _)| asked.contains(id.as_str())).collect(),
                broken: broken.filter_map(|bad| Some((record_id(&bad.id)?, bad))).collect(),
                absent,
                comments: by_case(self.to_the_end(cx, comments, Lane::Hot).await, "ParentId"),
                mails: by_case(self.to_the_end(cx, mails, Lane::Hot).await, "ParentId"),
                history: by_case(self.to_the_end(cx, history, Lane::Hot).await, "CaseId"),
            });
        }
    }

    fn questions(&self, ids: &[&str], absent: &[String]) -> [Question; 4] {
        let list = id_list(ids);
        let fields = normalize::columns(&self.config, absent).join(", ");
        let scope = match self.config.scope.as_str() {
            "" => String::new(),
            scope => format!(" AND ({scope})"),
        };
        let children = |fields: &str, object: &str, parent: &str, more: &str| {
            format!(
                "SELECT {fields} FROM {object} WHERE {parent} IN ({list}){more} ORDER BY {parent}, CreatedDate, Id"
            )
        };
        let question = |reference, resource, text| Question { reference, resource, text };
        [
            question("cases", "queryAll", format!("SELECT {fields} FROM Case WHERE Id IN ({list}){scope}")),
            question("comments", "query", children(COMMENT_FIELDS, "CaseComment", "ParentId", "")),
            // Vendor: status 5 is a draft that nobody has sent (object reference, EmailMessage).
            question(
                "mails",
                "query",
                children(MAIL_FIELDS, "EmailMessage", "ParentId", " AND Status != '5'"),
            ),
            question("history", "query", children(HISTORY_FIELDS, "CaseHistory", "CaseId", "")),
        ]
    }

    /// The configured field that an error calls unknown.
    fn unknown_optional(&self, error: &ConnectorError, absent: &[String]) -> Option<String> {
        let ConnectorError::Refused { reason, .. } = error else { return None };
        let reason = reason.strip_prefix("INVALID_FIELD")?;
        let mentioned = |column: &str| {
            let own = column.split('.').next_back().unwrap_or(column);
            reason.contains(&format!("'{column}'")) || reason.contains(&format!("'{own}'"))
        };
        let optional = self.config.optional_columns().into_iter().map(|(_, column)| column.to_owned());
        optional.filter(|column| !absent.contains(column)).find(|column| mentioned(column))
    }
}

impl ByCase {
    fn is_complete(&self, id: &str) -> bool {
        self.complete && !self.damaged.contains(id)
    }

    /// Why the children of a case may be missing, if they may be.
    fn missing(&self, id: &str) -> Option<ConnectorError> {
        let (whole, error) = self.broken.as_ref()?;
        (!whole.contains(id)).then(|| error.clone())
    }
}

/// Sorts children to their cases. Where the reading broke off, all cases but the last one seen are whole, because rows
/// come case by case.
fn by_case(read: Rows, parent: &str) -> ByCase {
    let last = read.rows.last().map(|row| wire::text(row, parent).to_owned());
    let damaged = read.broken.iter().filter_map(|raw| record_id(&told(raw.get(), parent)?)).collect();
    let mut rows: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in read.rows {
        rows.entry(wire::text(&row, parent).to_owned()).or_default().push(row);
    }
    let whole = || rows.keys().filter(|id| Some(*id) != last.as_ref()).cloned().collect();
    let (complete, broken) = match read.end {
        Ok(complete) => (complete, None),
        Err(error) => (true, Some((whole(), error))),
    };
    ByCase { rows, complete, damaged, broken }
}
