//! What we want shown, as edits; and whether it is shown already, by reading the issue itself.
//!
//! Invariant: the array of labels is never sent, only additions and removals of labels of ours
//! (`labels_of_others_are_never_sent`). No request here can reach a customer, change status, owner or priority, or
//! delete anything but our own issue property.

use super::config::Flavour;
use super::connector::Jira;
use super::marks::{self, Property};
use super::normalize::{is_id, property};
use super::note::{self, Audience};
use super::timeline::{People, of_comment};
use super::wire::{Comment, CommentPage, Issue, Project, Stamp, parse_time, readable, rows_of};
use crate::trail::Trail;
use crate::{Applied, ConnectorError, Ctx, Lane, Method, Request, Response};
use dutyd_core::action::{Action, Receipt, Want};
use dutyd_core::case::{CaseKey, Revision};
use jiff::Timestamp;
use serde_json::json;

/// The right to edit issues.
const EDIT: &str = "EDIT_ISSUES";
/// Pages of comments that are searched for a note.
const PAGES_MAX: usize = 60;

/// The issue as far as our marks are concerned.
struct Record {
    project: Option<String>,
    labels: Vec<String>,
    property: Property,
    service_desk: bool,
    updated_at: Option<Timestamp>,
}

/// The fields that could be edited now.
#[derive(serde::Deserialize)]
struct EditScreen {
    fields: serde_json::Map<String, serde_json::Value>,
}

/// What an edit would change. Empty: the record shows it already.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// `{"add": …}` and `{"remove": …}`.
    pub labels: Vec<serde_json::Value>,
    /// The issue property, if it changes; empty means: delete it.
    pub property: Option<Property>,
}

impl Edit {
    fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.property.is_none()
    }
}

/// What must change so that `wants` are shown on a record with these labels and this property.
pub fn edit<'a>(labels: &[String], present: &Property, wants: impl IntoIterator<Item = &'a Want>) -> Edit {
    let mut property = present.clone();
    let mut changes = Vec::new();
    for want in wants {
        match want {
            Want::Mark(marker) => {
                property.marks = marker.as_ref().map(dutyd_core::action::Marker::to_line);
                changes = marks::label_changes(labels, &marks::wanted_labels(marker.as_ref()));
            }
            Want::Why(why) => property.why.clone_from(why),
            Want::Note { .. } => {}
        }
    }
    Edit { labels: changes, property: (property != *present).then_some(property) }
}

impl Jira {
    /// One verdict per action, in their order. Actions of one issue go together.
    pub(super) async fn write(&self, cx: &Ctx<'_>, actions: &[Action]) -> Vec<Applied> {
        let mut results: Vec<Option<Result<Receipt, ConnectorError>>> = vec![None; actions.len()];
        let mut stopped: Option<ConnectorError> = None;
        for first in 0..actions.len() {
            if results[first].is_some() {
                continue;
            }
            let case = &actions[first].case;
            let group: Vec<usize> = (first..actions.len()).filter(|at| actions[*at].case == *case).collect();
            let wanted: Vec<&Action> = group.iter().map(|at| &actions[*at]).collect();
            let verdicts = match &stopped {
                Some(error) => vec![Err(error.clone()); wanted.len()],
                None => self.write_case(cx, case, &wanted).await,
            };
            stopped = verdicts
                .iter()
                .find_map(|verdict| verdict.as_ref().err().filter(|error| ends_batch(error)).cloned());
            for (at, verdict) in group.into_iter().zip(verdicts) {
                results[at] = Some(verdict);
            }
        }
        let verdict = |(action, result): (&Action, Option<_>)| Applied {
            action_id: action.id.clone(),
            result: result.expect("every action belongs to a group, and every group has its verdicts"),
        };
        actions.iter().zip(results).map(verdict).collect()
    }

    async fn write_case(
        &self,
        cx: &Ctx<'_>,
        case: &CaseKey,
        actions: &[&Action],
    ) -> Vec<Result<Receipt, ConnectorError>> {
        let record = match self.record(cx, case).await {
            Ok(record) => record,
            Err(error) => return vec![Err(error); actions.len()],
        };
        let wants = actions.iter().map(|action| &action.want);
        let marked = self.write_marks(cx, case, &record, edit(&record.labels, &record.property, wants)).await;
        let mut failed = marked.as_ref().err().cloned();
        let mut verdicts = Vec::with_capacity(actions.len());
        for action in actions {
            let verdict = match (&action.want, &failed) {
                (Want::Mark(_) | Want::Why(_), _) => {
                    marked.clone().map(|(at, revision)| receipt(action, at, revision))
                }
                (Want::Note { .. }, Some(error)) => Err(not_sent(error)),
                (Want::Note { marker, body }, None) => {
                    self.write_note(cx, action, &record, marker, body).await
                }
            };
            failed = failed.or_else(|| verdict.as_ref().err().cloned());
            verdicts.push(verdict);
        }
        verdicts
    }

    async fn record(&self, cx: &Ctx<'_>, case: &CaseKey) -> Result<Record, ConnectorError> {
        if !is_id(&case.id) {
            let reason = format!("{:?} is not the id of an issue", case.id);
            return Err(ConnectorError::Refused { status: 404, reason });
        }
        let path = format!("issue/{}?fields=labels,project,updated&properties={}", case.id, marks::NAME);
        let request = Request::get(self.path(&path), Lane::Write);
        let response = self.send(cx, request, false).await?;
        let issue: Issue = self.decode(cx, response, "issue")?;
        let project = issue.field::<Project>("project");
        Ok(Record {
            labels: issue.field("labels").unwrap_or_default(),
            property: property(&issue),
            service_desk: project.as_ref().is_some_and(Project::is_service_desk),
            project: project.map(|project| project.key),
            updated_at: issue.field::<String>("updated").as_deref().and_then(parse_time),
        })
    }

    /// Labels and property in one edit, which Jira makes whole or not at all. When and as which version.
    async fn write_marks(
        &self,
        cx: &Ctx<'_>,
        case: &CaseKey,
        record: &Record,
        edit: Edit,
    ) -> Result<(Timestamp, Option<Revision>), ConnectorError> {
        if edit.is_empty() {
            return Ok((record.updated_at.unwrap_or(cx.now), record.updated_at.map(revision)));
        }
        let length = edit.property.as_ref().map_or(0, |property| property.to_value().to_string().len());
        if length > marks::PROPERTY_MAX {
            let reason = format!("the mark is {length} characters long, more than an issue property holds");
            return Err(ConnectorError::Refused { status: 413, reason });
        }
        let empty = edit.property.as_ref().is_some_and(Property::is_empty);
        let response = match &edit.property {
            // Only the property: no edit of the issue, so nobody is told and `updated` stays.
            Some(property) if edit.labels.is_empty() && !empty => {
                let path = self.path(&format!("issue/{}/properties/{}", case.id, marks::NAME));
                let body = property.to_value().to_string();
                self.send(cx, Request::json(Method::Put, path, body, Lane::Write), true).await?
            }
            _ if edit.labels.is_empty() => self.delete_property(cx, case).await?,
            _ => {
                let response = match self.send(cx, self.edit_request(case, &edit, empty), true).await {
                    Err(refused) => return Err(self.refused_or_sealed(cx, case, record, refused).await),
                    Ok(response) => response,
                };
                if empty {
                    self.delete_property(cx, case).await?;
                }
                response
            }
        };
        let updated_at = updated_of(&response);
        let at = updated_at.or_else(|| response.date()).unwrap_or(cx.now);
        Ok((at, updated_at.map(revision)))
    }

    /// Vendor: where the workflow keeps an issue from being edited (`jira.issue.editable`), or it is archived, no field is
    /// on its edit screen, whatever the account may do (api-group-issues, "Get edit issue metadata").
    async fn refused_or_sealed(
        &self,
        cx: &Ctx<'_>,
        case: &CaseKey,
        record: &Record,
        error: ConnectorError,
    ) -> ConnectorError {
        let ConnectorError::Refused { status: 400 | 403, reason } = &error else { return error };
        let path = self.path(&format!("issue/{}/editmeta", case.id));
        let screen: Result<EditScreen, _> = self.get(cx, path, "edit screen").await;
        let no_field = screen.is_ok_and(|screen| screen.fields.is_empty());
        let granted = self.granted(cx, EDIT, record.project.as_deref()).await;
        match no_field && granted.is_ok_and(|granted| granted.contains(EDIT)) {
            true => ConnectorError::Sealed {
                reason: format!("Jira lets nobody edit the issue in its present state: {reason}"),
            },
            false => error,
        }
    }

    fn edit_request(&self, case: &CaseKey, edit: &Edit, empty: bool) -> Request {
        let mut body = json!({ "update": { "labels": edit.labels } });
        if let Some(property) = edit.property.as_ref().filter(|_| !empty) {
            body["properties"] = json!([{ "key": marks::NAME, "value": property.to_value() }]);
        }
        let returning = if self.config.flavour == Flavour::Cloud { "?returnIssue=true" } else { "" };
        let path = self.path(&format!("issue/{}{returning}", case.id));
        Request::json(Method::Put, path, body.to_string(), Lane::Write)
    }

    async fn delete_property(&self, cx: &Ctx<'_>, case: &CaseKey) -> Result<Response, ConnectorError> {
        let path = self.path(&format!("issue/{}/properties/{}", case.id, marks::NAME));
        let mut request = Request::get(path, Lane::Write);
        request.method = Method::Delete;
        match self.send(cx, request, true).await {
            // Gone already is what we want.
            Err(ConnectorError::Refused { status: 404, .. }) => {
                Ok(Response { status: 204, headers: Vec::new(), body: bytes::Bytes::new() })
            }
            other => other,
        }
    }

    async fn write_note(
        &self,
        cx: &Ctx<'_>,
        action: &Action,
        record: &Record,
        marker: &str,
        body: &str,
    ) -> Result<Receipt, ConnectorError> {
        let Some(audience) = note::audience(record.service_desk, &self.config.notes) else {
            // The administrator wants no notes in such projects: nothing is missing.
            return Ok(receipt(action, record.updated_at.unwrap_or(cx.now), None));
        };
        if let Some(at) = self.find_note(cx, &action.case, marker, 1).await? {
            return Ok(receipt(action, at, None));
        }
        let comment = note::comment(self.config.flavour, audience, marker, body);
        let path = self.path(&format!("issue/{}/comment", action.case.id));
        let request = Request::json(Method::Post, path, comment.to_string(), Lane::Write);
        let response = self.send(cx, request, true).await?;
        let made = serde_json::from_slice::<Comment>(&response.body).map_err(|error| {
            ConnectorError::Unknown { reason: format!("the new comment cannot be read: {error}") }
        })?;
        if audience == Audience::Internal && made.jsd_public == Some(true) {
            let reason = format!("Jira made comment {} public although internal was asked for", made.id);
            return Err(ConnectorError::Refused { status: response.status, reason });
        }
        Ok(receipt(action, made.created.0, None))
    }

    /// Whether the record shows what the action wants, from the issue itself, never from the search index.
    pub(super) async fn shows(
        &self,
        cx: &Ctx<'_>,
        action: &Action,
    ) -> Result<Option<Receipt>, ConnectorError> {
        let record = self.record(cx, &action.case).await?;
        let at = record.updated_at.unwrap_or(cx.now);
        let version = record.updated_at.map(revision);
        if let Want::Note { marker, .. } = &action.want {
            if note::audience(record.service_desk, &self.config.notes).is_none() {
                return Ok(Some(receipt(action, at, None)));
            }
            let found = self.find_note(cx, &action.case, marker, PAGES_MAX).await?;
            return Ok(found.map(|at| receipt(action, at, None)));
        }
        let missing = edit(&record.labels, &record.property, [&action.want]);
        Ok(missing.is_empty().then(|| receipt(action, at, version)))
    }

    /// When a note with this marker was written, newest comments first.
    async fn find_note(
        &self,
        cx: &Ctx<'_>,
        case: &CaseKey,
        marker: &str,
        pages_max: usize,
    ) -> Result<Option<Timestamp>, ConnectorError> {
        let site = self.site(cx).await?;
        let people = People { config: &self.config, site, reporter: None, service_desk: false };
        let (mut start, mut trail) = (0, Trail::of_children());
        for _ in 0..pages_max {
            let request = Request::get(self.comments_path(&case.id, start, "-created"), Lane::Write);
            let response = self.send(cx, request, false).await?;
            let page: CommentPage = self.decode(cx, response, "comments")?;
            let (comments, _) = readable::<Comment>(&page.comments);
            for comment in &comments {
                let (event, _, markers) = of_comment(&people, comment, cx.now);
                if markers.iter().any(|found| found == marker) {
                    return Ok(Some(event.at));
                }
            }
            start += page.comments.len();
            if page.comments.is_empty() || start as u64 >= page.total {
                break;
            }
            trail.follow("comments", rows_of(&page.comments), page.comments.len())?;
        }
        Ok(None)
    }
}

fn receipt(action: &Action, at: Timestamp, revision: Option<Revision>) -> Receipt {
    Receipt { slot: action.slot.clone(), generation: action.generation, at, revision }
}

fn revision(updated_at: Timestamp) -> Revision {
    Revision { at_ms: updated_at.as_millisecond(), count: 0 }
}

/// With `returnIssue` the answer to an edit is the issue.
fn updated_of(response: &Response) -> Option<Timestamp> {
    let issue: Issue = serde_json::from_slice(&response.body).ok()?;
    issue.field::<Stamp>("updated").map(|stamp| stamp.0)
}

/// Errors that say the same about every other issue.
fn ends_batch(error: &ConnectorError) -> bool {
    matches!(error, ConnectorError::Throttled { .. } | ConnectorError::SignedOut { .. })
}

/// A note goes out only once the mark stands; what kept the mark back keeps the note back, without having been sent.
fn not_sent(error: &ConnectorError) -> ConnectorError {
    match error {
        ConnectorError::Unknown { reason } => {
            ConnectorError::Unavailable { reason: format!("the mark before it is not confirmed: {reason}") }
        }
        other => other.clone(),
    }
}
