//! Putting our marks on records, and looking whether they stand there.
//!
//! All that is wanted of one record goes into one PATCH: the mark, the sentence and the notes commit together or not at
//! all. Several notes become one entry of the journal, each body still ending with its own marker line; a PATCH per
//! note would be no safer and could stop halfway.
//!
//! Vendor: unknown columns in a body are ignored and long texts are cut without an error (c_RESTAPI), so the answer is
//! compared with what was sent. There is no conditional write and no idempotency key.

use super::ServiceNow;
use super::config::Table;
use super::query::{List, is_sys_id, parse_stamp, record_path};
use super::wire::{self, Problem, Row};
use crate::plain;
use crate::{Applied, ConnectorError, Ctx, Lane, Method, Request};
use dutyd_core::action::{Action, Receipt, Want, note_markers};
use dutyd_core::case::Revision;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const VERSION_FIELDS: &str = "sys_id,sys_updated_on,sys_mod_count,active";
/// Entries of a journal that are looked through for a marker; the query names the marker, so one would do.
const ENTRIES_MAX: u32 = 50;

type Verdict = Result<Receipt, ConnectorError>;

impl ServiceNow {
    pub(super) async fn write(&self, cx: &Ctx<'_>, actions: &[Action]) -> Vec<Applied> {
        let mut verdicts: Vec<Option<Verdict>> = actions.iter().map(|_| None).collect();
        let mut stopped: Option<ConnectorError> = None;
        let tables = match self.tables_of(cx, actions).await {
            Ok(tables) => tables,
            Err(error) => {
                stopped = Some(error);
                BTreeMap::new()
            }
        };
        for (id, indexes) in by_record(actions) {
            if let Some(error) = &stopped {
                indexes.iter().for_each(|index| verdicts[*index] = Some(Err(error.clone())));
                continue;
            }
            let wants: Vec<&Action> = indexes.iter().map(|index| &actions[*index]).collect();
            let answers = match tables.get(id) {
                Some(table) => self.patch(cx, *table, id, &wants).await,
                None => wants.iter().map(|_| Err(no_record())).collect(),
            };
            stopped = answers
                .iter()
                .filter_map(|verdict| verdict.as_ref().err())
                .find(|error| stops(error))
                .cloned();
            for (index, verdict) in indexes.into_iter().zip(answers) {
                verdicts[index] = Some(verdict);
            }
        }
        let verdicts = verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| Err(no_record())));
        let pairs = actions.iter().zip(verdicts);
        pairs.map(|(action, result)| Applied { action_id: action.id.clone(), result }).collect()
    }

    /// The table of each record: known without asking where there is only one.
    async fn tables_of(
        &self,
        cx: &Ctx<'_>,
        actions: &[Action],
    ) -> Result<BTreeMap<String, Table>, ConnectorError> {
        let ids = actions.iter().map(|action| action.case.id.as_str()).filter(|id| is_sys_id(id));
        let ids: std::collections::BTreeSet<&str> = ids.collect();
        if let [table] = self.config.tables.as_slice() {
            return Ok(ids.into_iter().map(|id| (id.to_owned(), *table)).collect());
        }
        let mut tables = BTreeMap::new();
        for table in &self.config.tables {
            let missing: Vec<&str> = ids.iter().copied().filter(|id| !tables.contains_key(*id)).collect();
            if missing.is_empty() {
                break;
            }
            let query = format!("sys_idIN{}", missing.join(","));
            let list = List::new(table.name(), query, "sys_id", self.children_limit());
            let found = self.to_the_end::<Row>(cx, &list, Lane::Write).await?;
            for row in &found.rows {
                let id = text(row, "sys_id");
                if missing.contains(&id) {
                    tables.insert(id.to_owned(), *table);
                }
            }
        }
        Ok(tables)
    }

    /// One PATCH; a verdict for each of the record's actions.
    async fn patch(&self, cx: &Ctx<'_>, table: Table, id: &str, wants: &[&Action]) -> Vec<Verdict> {
        let sent = self.body(wants);
        let columns: Vec<&str> =
            sent.keys().map(String::as_str).filter(|name| *name != "work_notes").collect();
        let fields = [&[VERSION_FIELDS], columns.as_slice()].concat().join(",");
        let body = Value::Object(sent.clone()).to_string();
        let request = Request::json(Method::Patch, record_path(table.name(), id, &fields), body, Lane::Write)
            .header("accept", "application/json");
        let answer = match cx.http.send(request).await {
            Err(error) => Err(ConnectorError::of_transport(error, true)),
            Ok(response) => wire::record(&response).map_err(|problem| of_write(response.status, problem)),
        };
        match answer {
            Err(error) => {
                let error = self.refused_or_sealed(cx, table, id, error).await;
                wants.iter().map(|_| Err(error.clone())).collect()
            }
            Ok(row) => wants.iter().map(|action| self.verdict(action, &sent, &row)).collect(),
        }
    }

    /// Access rules commonly forbid writes to closed records: a 403 on one is no fault that somebody could mend.
    async fn refused_or_sealed(
        &self,
        cx: &Ctx<'_>,
        table: Table,
        id: &str,
        error: ConnectorError,
    ) -> ConnectorError {
        let ConnectorError::Refused { status: 403, reason } = &error else { return error };
        let path = record_path(table.name(), id, VERSION_FIELDS);
        let row = self.get(cx, path, Lane::Write).await.and_then(|response| wire::record(&response));
        match row {
            Ok(row) if is_closed(&row) => sealed(reason),
            _ => error,
        }
    }

    /// The columns to set and the note to append.
    fn body(&self, wants: &[&Action]) -> Map<String, Value> {
        let mut body = Map::new();
        let mut notes = Vec::new();
        for action in wants {
            match &action.want {
                Want::Note { body, .. } => notes.push(as_text(body)),
                set => body
                    .extend(self.columns(set).map(|(name, value)| (name.to_owned(), Value::String(value)))),
            }
        }
        if !notes.is_empty() {
            body.insert("work_notes".to_owned(), Value::String(notes.join("\n\n")));
        }
        body
    }

    /// The columns that a want sets. A note sets none.
    fn columns(&self, want: &Want) -> impl Iterator<Item = (&str, String)> {
        let names = &self.config.marks;
        let pairs = match want {
            Want::Mark(marker) => {
                let severity = marker.as_ref().and_then(|marker| marker.severity);
                let severity = severity.map_or("", |severity| severity.word()).to_owned();
                let flags = marker.as_ref().map(|marker| marker.to_line()).unwrap_or_default();
                vec![(names.severity.as_str(), severity), (names.flags.as_str(), flags)]
            }
            Want::Why(why) => vec![(names.why.as_str(), why.clone().unwrap_or_default())],
            Want::Note { .. } => Vec::new(),
        };
        pairs.into_iter()
    }

    fn verdict(&self, action: &Action, sent: &Map<String, Value>, row: &Row) -> Verdict {
        for (name, _) in self.columns(&action.want) {
            let wanted = sent.get(name).and_then(Value::as_str).unwrap_or_default();
            match row.get(name) {
                None => {
                    return Err(refused(format!("there is no readable column {name}; see `dutyd setup`")));
                }
                Some(cell) if !same(&cell.value, wanted) && is_closed(row) => {
                    return Err(sealed(&format!("column {name} did not keep its value")));
                }
                Some(cell) if !same(&cell.value, wanted) && wanted.is_empty() => {
                    return Err(refused(format!(
                        "column {name} was not emptied: is it not writable, or has it a choice list? see `dutyd setup`"
                    )));
                }
                Some(cell) if !same(&cell.value, wanted) => {
                    return Err(refused(format!(
                        "column {name} did not keep its value: not writable or too short"
                    )));
                }
                Some(_) => {}
            }
        }
        receipt(action, row)
    }

    /// Whether the record shows what the action wants, read by its id.
    pub(super) async fn shows(
        &self,
        cx: &Ctx<'_>,
        action: &Action,
    ) -> Result<Option<Receipt>, ConnectorError> {
        if !is_sys_id(&action.case.id) {
            return Ok(None);
        }
        match &action.want {
            Want::Note { marker, .. } => self.shows_note(cx, action, marker).await,
            want => self.shows_columns(cx, action, want).await,
        }
    }

    async fn shows_columns(
        &self,
        cx: &Ctx<'_>,
        action: &Action,
        want: &Want,
    ) -> Result<Option<Receipt>, ConnectorError> {
        let wanted: Vec<(&str, String)> = self.columns(want).collect();
        let names: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
        let fields = [&[VERSION_FIELDS], names.as_slice()].concat().join(",");
        for table in &self.config.tables {
            let path = record_path(table.name(), &action.case.id, &fields);
            let answer = match self.get(cx, path, Lane::Write).await {
                Ok(response) if response.status == 404 => continue,
                Ok(response) => wire::record(&response),
                Err(problem) => Err(problem),
            };
            let row = answer.map_err(Problem::into_error)?;
            let held = wanted
                .iter()
                .all(|(name, value)| row.get(*name).is_some_and(|cell| same(&cell.value, value)));
            return if held { receipt(action, &row).map(Some) } else { Ok(None) };
        }
        Ok(None)
    }

    async fn shows_note(
        &self,
        cx: &Ctx<'_>,
        action: &Action,
        marker: &str,
    ) -> Result<Option<Receipt>, ConnectorError> {
        let query = format!("element_id={}^element=work_notes^valueLIKEdutyd:{marker}", action.case.id);
        let fields = "sys_id,element_id,value,sys_created_on";
        let list = List::new("sys_journal_field", format!("{query}^ORDERBYsys_id"), fields, ENTRIES_MAX);
        let page = self.list(cx, &list, Lane::Write).await.map_err(Problem::into_error)?;
        for raw in &page.rows {
            let row: Row = serde_json::from_str(raw.get()).unwrap_or_default();
            let is_here = text(&row, "element_id") == action.case.id;
            let is_it = note_markers(text(&row, "value")).iter().any(|found| found == marker);
            if is_here && is_it {
                let at = instant(&row, "sys_created_on")?;
                let (slot, generation) = (action.slot.clone(), action.generation);
                return Ok(Some(Receipt { slot, generation, at, revision: None }));
            }
        }
        match page.rows.is_empty() {
            true => Ok(None),
            false => Err(super::client::mismatch("sys_journal_field")),
        }
    }
}

/// Indexes of the actions of each record, records in the order of their first action.
fn by_record(actions: &[Action]) -> Vec<(&str, Vec<usize>)> {
    let mut records: Vec<(&str, Vec<usize>)> = Vec::new();
    for (index, action) in actions.iter().enumerate() {
        match records.iter_mut().find(|(id, _)| *id == action.case.id) {
            Some((_, indexes)) => indexes.push(index),
            None => records.push((&action.case.id, vec![index])),
        }
    }
    records
}

/// A note that stays text: what a customer wrote may stand in it.
///
/// Vendor: a journal entry shows what stands between `[code]` and `[/code]` as HTML (product documentation, journal fields).
fn as_text(body: &str) -> String {
    let mut text = plain::lines(body);
    for tag in ["[code]", "[/code]"] {
        while let Some(at) = text.to_ascii_lowercase().find(tag) {
            text.replace_range(at..at + 1, "(");
        }
    }
    text
}

/// Whether the rest of the batch would meet the same fate; it is left for later instead.
fn stops(error: &ConnectorError) -> bool {
    matches!(
        error,
        ConnectorError::Throttled { .. }
            | ConnectorError::Unavailable { .. }
            | ConnectorError::SignedOut { .. }
    )
}

/// What a failed answer to a PATCH means. Anything that came from behind the front door may have been done.
fn of_write(status: u16, problem: Problem) -> ConnectorError {
    match problem {
        Problem::Cut { reason } => ConnectorError::Unknown { reason },
        Problem::Failed(ConnectorError::Unavailable { reason }) if !was_turned_away(status, &reason) => {
            ConnectorError::Unknown { reason }
        }
        Problem::Failed(error) => error,
    }
}

/// A redirect, a 503, a full queue or a sleeping instance: the request was not run.
fn was_turned_away(status: u16, reason: &str) -> bool {
    matches!(status, 202 | 300..=399 | 503) || reason.contains("hibernating")
}

fn receipt(action: &Action, row: &Row) -> Verdict {
    let at = instant(row, "sys_updated_on")?;
    let count = text(row, "sys_mod_count").parse().unwrap_or(0);
    let revision = Some(Revision { at_ms: at.as_millisecond(), count });
    Ok(Receipt { slot: action.slot.clone(), generation: action.generation, at, revision })
}

fn instant(row: &Row, column: &str) -> Result<Timestamp, ConnectorError> {
    parse_stamp(text(row, column))
        .ok_or_else(|| ConnectorError::Unknown { reason: format!("the answer has no readable {column}") })
}

fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).map(|cell| cell.value.as_str()).unwrap_or_default()
}

/// Vendor: text columns are stored with CRLF line ends and without trailing blanks.
fn same(found: &str, wanted: &str) -> bool {
    let plain = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
    plain(found) == plain(wanted)
}

/// Vendor: `active` is false once a record is closed or cancelled (data-table-and-field-reference, Task).
fn is_closed(row: &Row) -> bool {
    text(row, "active") == "false"
}

fn sealed(reason: &str) -> ConnectorError {
    ConnectorError::Sealed { reason: format!("the record is closed, and the instance keeps it so: {reason}") }
}

fn refused(reason: String) -> ConnectorError {
    ConnectorError::Refused { status: 200, reason }
}

fn no_record() -> ConnectorError {
    ConnectorError::Refused { status: 404, reason: "no such record in the configured tables".to_owned() }
}
