//! Putting our marks on records, and looking whether they stand there.
//!
//! With a note: one composite request per case, all or none: our fields, the private comments, and the record read back
//! inside the same transaction. Without notes many cases go in one collection, with a verdict at each one's place.
//!
//! Vendor: there is no idempotency key; a comment has no custom fields, so its marker stands in its text.

use super::Salesforce;
use super::soql::{parse_instant, quoted, record_id};
use super::wire::{self, Part, Verdict, at, text};
use crate::plain;
use crate::{Applied, ConnectorError, Ctx, Lane, Method, Request};
use dutyd_core::action::{Action, Receipt, Want, note_marker_line, note_markers};
use dutyd_core::case::Revision;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Vendor: the body of a case comment has at most 4,000 bytes (object reference, CaseComment).
const NOTE_BYTES_MAX: usize = 4_000;
/// Vendor: a composite has at most 25 requests; two are ours for fields and reading back.
const NOTES_MAX: usize = 23;
/// Vendor: no assignment rules on our writes (headers_autoassign).
const NO_ASSIGNMENT: (&str, &str) = ("Sforce-Auto-Assign", "FALSE");

type Outcome = Result<Receipt, ConnectorError>;

/// The actions of one case, by their places in the batch.
struct OfCase<'a> {
    /// `None`: this is no id of a case.
    id: Option<String>,
    wants: Vec<(usize, &'a Action)>,
}

impl OfCase<'_> {
    fn has_note(&self) -> bool {
        self.wants.iter().any(|(_, action)| matches!(action.want, Want::Note { .. }))
    }
}

impl Salesforce {
    pub(super) async fn write(&self, cx: &Ctx<'_>, actions: &[Action]) -> Vec<Applied> {
        let mut outcomes: Vec<Outcome> = actions.iter().map(|_| Err(no_record())).collect();
        let cases = by_case(actions);
        let (alone, together): (Vec<_>, Vec<_>) =
            cases.into_iter().filter(|case| case.id.is_some()).partition(OfCase::has_note);
        let mut stopped: Option<ConnectorError> = None;
        if !together.is_empty() {
            let answers = self.write_together(cx, &together).await;
            settle(&together, answers, &mut outcomes, &mut stopped);
        }
        for case in alone {
            let answers = match &stopped {
                Some(error) => vec![case.wants.iter().map(|_| Err(error.clone())).collect()],
                None => vec![self.write_alone(cx, &case).await],
            };
            settle(&[case], answers, &mut outcomes, &mut stopped);
        }
        let pairs = actions.iter().zip(outcomes);
        pairs.map(|(action, result)| Applied { action_id: action.id.clone(), result }).collect()
    }

    /// The fields that a want sets. A note sets none.
    fn columns(&self, want: &Want) -> Vec<(&str, Value)> {
        let names = &self.config.marks;
        let or_null =
            |text: Option<String>| text.filter(|text| !text.is_empty()).map_or(Value::Null, Value::from);
        match want {
            Want::Mark(marker) => {
                let severity = marker.as_ref().and_then(|marker| marker.severity);
                let severity = severity.map(|severity| severity.word().to_owned());
                let flags = marker.as_ref().map(|marker| marker.to_line());
                vec![(names.severity.as_str(), or_null(severity)), (names.flags.as_str(), or_null(flags))]
            }
            Want::Why(why) => vec![(names.why.as_str(), or_null(why.clone()))],
            Want::Note { .. } => Vec::new(),
        }
    }

    fn fields(&self, case: &OfCase<'_>) -> Map<String, Value> {
        let set = case.wants.iter().flat_map(|(_, action)| self.columns(&action.want));
        set.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// One composite; a verdict for each of the case's actions.
    async fn write_alone(&self, cx: &Ctx<'_>, case: &OfCase<'_>) -> Vec<Outcome> {
        let (parts, references) = self.series(case);
        let body = json!({ "allOrNone": true, "compositeRequest": parts }).to_string();
        let request = Request::json(Method::Post, self.path("composite"), body, Lane::Write);
        let request = request.header("sforce-auto-assign", NO_ASSIGNMENT.1);
        let answer = self.send(cx, request, true).await.and_then(|response| {
            let references: Vec<&str> = references.iter().map(String::as_str).collect();
            let now = response.date();
            let parts =
                wire::parts(&response, &references).map_err(|error| of_write(response.status, error))?;
            stands(&parts, now)
        });
        case.wants.iter().map(|(_, action)| self.verdict(action, answer.as_ref())).collect()
    }

    fn series(&self, case: &OfCase<'_>) -> (Vec<Value>, Vec<String>) {
        let id = case.id.as_deref().unwrap_or_default();
        let mut parts = Vec::new();
        let fields = self.fields(case);
        let columns: Vec<&str> = fields.keys().map(String::as_str).collect();
        let read = [&["Id", "SystemModstamp"], columns.as_slice()].concat().join(",");
        let record = self.path(&format!("sobjects/Case/{id}"));
        let headers = json!({ NO_ASSIGNMENT.0: NO_ASSIGNMENT.1 });
        if !fields.is_empty() {
            let set = json!({ "method": "PATCH", "url": record, "referenceId": "fields", "httpHeaders": headers, "body": fields });
            parts.push(set);
        }
        let notes = case.wants.iter().filter_map(|(_, action)| match &action.want {
            Want::Note { marker, body } => Some(bounded(marker, body)),
            _ => None,
        });
        for (nth, body) in notes.take(NOTES_MAX).enumerate() {
            let comment = json!({ "ParentId": id, "CommentBody": body, "IsPublished": false });
            parts.push(json!({
                "method": "POST", "url": self.path("sobjects/CaseComment"), "referenceId": format!("note{nth}"),
                "httpHeaders": headers, "body": comment,
            }));
        }
        parts.push(
            json!({ "method": "GET", "url": format!("{record}?fields={read}"), "referenceId": "after" }),
        );
        let reference = |part: &Value| text(part, "referenceId").to_owned();
        let references = parts.iter().map(reference).collect();
        (parts, references)
    }

    fn verdict(&self, action: &Action, answer: Result<&Value, &ConnectorError>) -> Outcome {
        let row = answer.map_err(ConnectorError::clone)?;
        for (name, wanted) in self.columns(&action.want) {
            if !same(at(row, name), &wanted) {
                let reason =
                    format!("field {name} did not keep its value: too short, or changed by automation");
                return Err(ConnectorError::Refused { status: 200, reason });
            }
        }
        receipt(action, row)
    }

    /// One collection; verdicts by case, at their places.
    async fn write_together(&self, cx: &Ctx<'_>, cases: &[OfCase<'_>]) -> Vec<Vec<Outcome>> {
        let records: Vec<Value> = cases
            .iter()
            .map(|case| {
                let mut fields = self.fields(case);
                fields.insert("attributes".to_owned(), json!({ "type": "Case" }));
                fields.insert("id".to_owned(), json!(case.id));
                Value::Object(fields)
            })
            .collect();
        let body = json!({ "allOrNone": false, "records": records }).to_string();
        let request = Request::json(Method::Patch, self.path("composite/sobjects"), body, Lane::Write);
        let request = request.header("sforce-auto-assign", NO_ASSIGNMENT.1);
        let answer = self.send(cx, request, true).await.and_then(|response| {
            let now = response.date();
            let read =
                wire::read::<Vec<Verdict>>(&response).map_err(|error| of_write(response.status, error))?;
            let unknown = |reason: &str| ConnectorError::Unknown { reason: reason.to_owned() };
            match (read.len() == cases.len(), now) {
                (true, Some(now)) => Ok((read, now)),
                (true, None) => Err(unknown("the answer tells no time")),
                (false, _) => Err(unknown("not one verdict per record")),
            }
        });
        let outcomes = cases.iter().enumerate().map(|(place, case)| {
            let verdict = answer.as_ref().map(|(verdicts, now)| (&verdicts[place], *now));
            case.wants.iter().map(|(_, action)| of_record(action, verdict)).collect()
        });
        outcomes.collect()
    }

    /// Whether the record shows what the action wants, read by its id.
    pub(super) async fn shows(
        &self,
        cx: &Ctx<'_>,
        action: &Action,
    ) -> Result<Option<Receipt>, ConnectorError> {
        let Some(id) = record_id(&action.case.id) else { return Ok(None) };
        match &action.want {
            Want::Note { marker, .. } => self.shows_note(cx, action, &id, marker).await,
            want => self.shows_fields(cx, action, &id, want).await,
        }
    }

    async fn shows_fields(
        &self,
        cx: &Ctx<'_>,
        action: &Action,
        id: &str,
        want: &Want,
    ) -> Result<Option<Receipt>, ConnectorError> {
        let wanted = self.columns(want);
        let names: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
        let fields = [&["Id", "SystemModstamp"], names.as_slice()].concat().join(",");
        let path = self.path(&format!("sobjects/Case/{id}?fields={fields}"));
        let response = self.get(cx, path, Lane::Write).await?;
        if response.status == 404 {
            return Ok(None);
        }
        let row: Value = wire::read(&response)?;
        match wanted.iter().all(|(name, wanted)| same(at(&row, name), wanted)) {
            true => receipt(action, &row).map(Some),
            false => Ok(None),
        }
    }

    /// Vendor: the text of a comment cannot be filtered, so all private ones of the case are looked through.
    async fn shows_note(
        &self,
        cx: &Ctx<'_>,
        action: &Action,
        id: &str,
        marker: &str,
    ) -> Result<Option<Receipt>, ConnectorError> {
        let question = format!(
            "SELECT Id, ParentId, CommentBody, CreatedDate FROM CaseComment WHERE ParentId = {} AND IsPublished = false \
             ORDER BY CreatedDate DESC, Id DESC",
            quoted(id)
        );
        let read = self.all(cx, &question, Lane::Write).await?;
        let is_it = |row: &&Value| {
            text(row, "ParentId") == id
                && note_markers(text(row, "CommentBody")).iter().any(|found| found == marker)
        };
        if let Some(row) = read.rows.iter().find(is_it) {
            let (slot, generation) = (action.slot.clone(), action.generation);
            return Ok(Some(Receipt { slot, generation, at: instant(row, "CreatedDate")?, revision: None }));
        }
        match read.end? {
            true => Ok(None),
            false => {
                Err(wire::unavailable("the case has more comments than can be looked through".to_owned()))
            }
        }
    }
}

/// Actions by case, in the order of each case's first action.
fn by_case(actions: &[Action]) -> Vec<OfCase<'_>> {
    let mut cases: Vec<(&str, OfCase<'_>)> = Vec::new();
    for (place, action) in actions.iter().enumerate() {
        let key = action.case.id.as_str();
        match cases.iter_mut().find(|(known, case)| *known == key && case.wants.len() < NOTES_MAX) {
            Some((_, case)) => case.wants.push((place, action)),
            None => cases.push((key, OfCase { id: record_id(key), wants: vec![(place, action)] })),
        }
    }
    cases.into_iter().map(|(_, case)| case).collect()
}

/// Puts outcomes at their places; one that the rest of the batch would meet too is remembered.
fn settle(
    cases: &[OfCase<'_>],
    answers: Vec<Vec<Outcome>>,
    outcomes: &mut [Outcome],
    stopped: &mut Option<ConnectorError>,
) {
    for (case, answers) in cases.iter().zip(answers) {
        for ((place, _), answer) in case.wants.iter().zip(answers) {
            if let Err(error @ (ConnectorError::Throttled { .. } | ConnectorError::SignedOut { .. })) =
                &answer
            {
                stopped.get_or_insert_with(|| error.clone());
            }
            outcomes[*place] = answer;
        }
    }
}

/// The record as it was read back, if everything stands. Vendor: where one part fails, the others say that they were
/// halted (resources_composite_composite, allOrNone).
fn stands(parts: &[Part], now: Option<Timestamp>) -> Result<Value, ConnectorError> {
    let failed = parts.iter().filter(|part| part.status >= 400);
    let cause = failed.min_by_key(|part| part.faults().iter().any(|fault| fault.code == "PROCESSING_HALTED"));
    if let Some(part) = cause {
        return Err(wire::of_faults(part.status, &part.faults(), now));
    }
    let after = parts.last().and_then(|part| part.body.as_ref()).map_or("null", |body| body.get());
    serde_json::from_str(after).map_err(|error| ConnectorError::Unknown { reason: error.to_string() })
}

fn of_record(action: &Action, verdict: Result<(&Verdict, Timestamp), &ConnectorError>) -> Outcome {
    let (verdict, at) = verdict.map_err(ConnectorError::clone)?;
    match verdict.success {
        true => Ok(Receipt { slot: action.slot.clone(), generation: action.generation, at, revision: None }),
        false => Err(wire::of_faults(400, &verdict.errors, Some(at))),
    }
}

/// What a failed answer to a write means. What came from behind the front door may have been done.
fn of_write(status: u16, error: ConnectorError) -> ConnectorError {
    match error {
        ConnectorError::Unavailable { reason } if matches!(status, 200..=299 | 500..=599 | 408) => {
            ConnectorError::Unknown { reason }
        }
        other => other,
    }
}

fn receipt(action: &Action, row: &Value) -> Outcome {
    let at = instant(row, "SystemModstamp")?;
    let revision = Some(Revision { at_ms: at.as_millisecond(), count: 0 });
    Ok(Receipt { slot: action.slot.clone(), generation: action.generation, at, revision })
}

fn instant(row: &Value, column: &str) -> Result<Timestamp, ConnectorError> {
    parse_instant(text(row, column))
        .ok_or_else(|| ConnectorError::Unknown { reason: format!("the answer has no readable {column}") })
}

/// Vendor: texts are stored without trailing blanks, with CRLF line ends in long ones.
fn same(found: &Value, wanted: &Value) -> bool {
    let plain = |value: &Value| value.as_str().unwrap_or_default().replace("\r\n", "\n").trim().to_owned();
    plain(found) == plain(wanted)
}

/// A note within its bound, the marker always on its last line.
pub fn bounded(marker: &str, body: &str) -> String {
    let last = note_marker_line(marker);
    let text = plain::lines(body);
    let text = text.trim_end();
    let text = text.strip_suffix(&last).unwrap_or(text).trim_end();
    let mut end = text.len().min(NOTE_BYTES_MAX - last.len() - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n{last}", &text[..end])
}

fn no_record() -> ConnectorError {
    ConnectorError::Refused { status: 404, reason: "no such case".to_owned() }
}
