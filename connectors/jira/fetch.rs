//! Cases by id, with history and comments to the end.
//!
//! Knows: the bulk forms of Cloud and the single ones of Data Center; what it means that an issue is not there. Must
//! not know: how a case is made of it (`normalize.rs`).

use super::config::Flavour;
use super::connector::Jira;
use super::normalize::{Reader, Whole, is_id};
use super::pull::{quarantine, scope};
use super::site::Site;
use super::wire::{
    BulkChangelogs, BulkIssues, ChangelogPage, Comment, CommentPage, History, Issue, Project, SearchPage,
    SearchRow, parse_time, readable, rows_of,
};
use super::{marks, probe};
use crate::trail::Trail;
use crate::{ConnectorError, Ctx, Fetched, Lane, Method, Request};
use dutyd_core::case::CaseKey;
use jiff::SignedDuration;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// Pages of one list that are followed. Vendor: an issue holds at most 5,000 comments, 100 to a page; bulk histories
/// come 10,000 to a page.
const PAGES_MAX: usize = 100;
const COMMENTS_PER_PAGE: usize = 100;
const HISTORIES_PER_PAGE: usize = 10_000;
/// Vendor: at most 50 ids may be read consistently by a search
/// (developer.atlassian.com/cloud/jira/platform/search-and-reconcile).
const RECONCILE_MAX: usize = 50;

/// An issue on its way to becoming a case.
enum Found {
    Issue(Box<Issue>),
    /// Not there, or not ours to see.
    Missing,
    Answer(Fetched),
}

impl Jira {
    pub(super) async fn read_cases(
        &self,
        cx: &Ctx<'_>,
        keys: &[CaseKey],
    ) -> Result<Vec<Fetched>, ConnectorError> {
        let site = self.site(cx).await?;
        let mut found = match self.config.flavour {
            Flavour::Cloud => self.bulk(cx, site, keys).await?,
            Flavour::DataCenter => BTreeMap::new(),
        };
        let mut answers: Vec<Option<Found>> = Vec::with_capacity(keys.len());
        let mut stopped: Option<ConnectorError> = None;
        for key in keys {
            let answer = match (found.remove(&key.id), &stopped) {
                (Some(ready), _) => ready,
                (None, Some(error)) => Found::Answer(Fetched::Unread(key.clone(), error.clone())),
                (None, None) => self.single(cx, site, key).await?,
            };
            stopped = stopped.or_else(|| throttle_of(&answer));
            answers.push(Some(answer));
        }
        if answers.iter().any(|answer| matches!(answer, Some(Found::Missing))) {
            let told = self.missing(cx).await?;
            for (key, answer) in keys.iter().zip(answers.iter_mut()) {
                if let Some(missing @ Found::Missing) = answer {
                    *missing = Found::Answer(told(key));
                }
            }
        }
        self.leave_scope(cx, keys, &mut answers).await?;
        let mut histories = self.bulk_histories(cx, &answers).await?;
        // What came whole is a case, though another one was held back.
        let mut stopped: Option<ConnectorError> = None;
        let mut done = Vec::with_capacity(keys.len());
        for (key, answer) in keys.iter().zip(answers) {
            done.push(match answer {
                Some(Found::Answer(answer)) => answer,
                None | Some(Found::Missing) => Fetched::Hidden(key.clone()),
                Some(Found::Issue(issue)) => match &stopped {
                    Some(error) => Fetched::Unread(key.clone(), error.clone()),
                    None => self.complete(cx, site, key, *issue, histories.remove(&key.id)).await?,
                },
            });
            stopped = stopped.or_else(|| done.last().and_then(throttled));
        }
        Ok(done)
    }

    /// All issues of the batch in one request. Those that are missing in the answer are missing in the result.
    async fn bulk(
        &self,
        cx: &Ctx<'_>,
        site: &Site,
        keys: &[CaseKey],
    ) -> Result<BTreeMap<String, Found>, ConnectorError> {
        let ids: Vec<&str> = keys.iter().map(|key| &*key.id).filter(|id| is_id(id)).collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let body = json!({
            "issueIdsOrKeys": ids, "fields": site.ids.wanted(), "properties": [marks::NAME],
        });
        let request = Request::json(Method::Post, self.path("issue/bulkfetch"), body.to_string(), Lane::Hot);
        let response = self.send(cx, request, false).await?;
        let bulk: BulkIssues = self.decode(cx, response, "issues")?;
        let read = |raw: &RawValue| {
            let id = serde_json::from_str::<SearchRow>(raw.get()).ok().map(|row| row.id)?;
            let key = CaseKey::new(&self.source, &id);
            Some((id, read_issue(&key, raw.get())))
        };
        Ok(bulk.issues.iter().filter_map(|raw| read(raw)).collect())
    }

    /// One issue by itself; also the second look at one that the bulk form left out.
    async fn single(&self, cx: &Ctx<'_>, site: &Site, key: &CaseKey) -> Result<Found, ConnectorError> {
        if !is_id(&key.id) {
            return Ok(Found::Answer(Fetched::Gone(key.clone())));
        }
        let expand = if self.config.flavour == Flavour::DataCenter { "&expand=changelog" } else { "" };
        let fields = site.ids.wanted().join(",");
        let path = format!("issue/{}?fields={fields}&properties={}{expand}", key.id, marks::NAME);
        match self.get::<Box<RawValue>>(cx, self.path(&path), "issue").await {
            Ok(raw) => Ok(read_issue(key, raw.get())),
            // Vendor: Data Center says 403 to an issue that is there and not ours to see.
            Err(ConnectorError::Refused { status: 403, .. }) => {
                Ok(Found::Answer(Fetched::Hidden(key.clone())))
            }
            Err(ConnectorError::Refused { status: 404 | 410, .. }) => Ok(Found::Missing),
            Err(signed_out @ ConnectorError::SignedOut { .. }) => Err(signed_out),
            Err(other) => Ok(Found::Answer(Fetched::Unread(key.clone(), other))),
        }
    }

    /// What is to be said of issues that answered 404. Vendor: Cloud answers the same to an issue that is deleted and to
    /// one that we may not see. While we can browse projects at all, a missing issue is taken for deleted; a right that was
    /// taken away comes back as hidden, and is therefore asked for behind the issues.
    async fn missing(&self, cx: &Ctx<'_>) -> Result<impl Fn(&CaseKey) -> Fetched, ConnectorError> {
        let granted = match self.granted(cx, probe::BROWSE, None).await {
            Err(signed_out @ ConnectorError::SignedOut { .. }) => return Err(signed_out),
            granted => granted.map(|granted| granted.contains(probe::BROWSE)),
        };
        Ok(move |key: &CaseKey| match &granted {
            Ok(true) => Fetched::Gone(key.clone()),
            Ok(false) => Fetched::Hidden(key.clone()),
            Err(error) => Fetched::Unread(key.clone(), error.clone()),
        })
    }

    /// Takes out the issues that are not, or no longer, in the configured scope.
    async fn leave_scope(
        &self,
        cx: &Ctx<'_>,
        keys: &[CaseKey],
        answers: &mut [Option<Found>],
    ) -> Result<(), ConnectorError> {
        if !self.config.projects.is_empty() {
            for answer in answers.iter_mut() {
                let outside = matches!(answer, Some(Found::Issue(issue)) if !self.in_projects(issue));
                if outside {
                    *answer = None;
                }
            }
        }
        if self.config.scope.trim().is_empty() {
            return Ok(());
        }
        let mut asked: Vec<&str> = Vec::new();
        for (key, answer) in keys.iter().zip(answers.iter()) {
            if matches!(answer, Some(Found::Issue(issue)) if self.is_settled(cx, issue)) {
                asked.push(&key.id);
            }
        }
        let mut inside: BTreeSet<String> = BTreeSet::new();
        for chunk in asked.chunks(RECONCILE_MAX) {
            inside.extend(self.in_scope(cx, chunk).await?);
        }
        for (key, answer) in keys.iter().zip(answers.iter_mut()) {
            if asked.contains(&&*key.id) && !inside.contains(&key.id) {
                *answer = None;
            }
        }
        Ok(())
    }

    fn in_projects(&self, issue: &Issue) -> bool {
        let project: Option<Project> = issue.field("project");
        project.is_some_and(|project| self.config.projects.contains(&project.key))
    }

    /// Whether a search must know the issue by now. Cloud reads named issues consistently; the index of Data Center
    /// needs its time, and until then an issue counts as inside.
    fn is_settled(&self, cx: &Ctx<'_>, issue: &Issue) -> bool {
        let updated = issue.field::<String>("updated").as_deref().and_then(parse_time);
        let lag = SignedDuration::from_secs(i64::from(self.config.lag_seconds));
        self.config.flavour == Flavour::Cloud || updated.is_some_and(|at| cx.now.duration_since(at) > lag)
    }

    async fn in_scope(&self, cx: &Ctx<'_>, ids: &[&str]) -> Result<Vec<String>, ConnectorError> {
        let jql = format!("{} AND id in ({})", scope(&self.config), ids.join(", "));
        let mut inside = Vec::new();
        let (mut token, mut trail): (Option<String>, _) = (None, Trail::of_children());
        for _ in 0..PAGES_MAX {
            let mut body = json!({ "jql": jql, "maxResults": RECONCILE_MAX, "fields": ["updated"] });
            let path = match self.config.flavour {
                Flavour::Cloud => {
                    let numbers: Vec<u64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
                    body["reconcileIssues"] = json!(numbers);
                    if let Some(token) = &token {
                        body["nextPageToken"] = json!(token);
                    }
                    "search/jql"
                }
                Flavour::DataCenter => "search",
            };
            let request = Request::json(Method::Post, self.path(path), body.to_string(), Lane::Hot);
            let response = self.send(cx, request, false).await?;
            let page: SearchPage = self.decode(cx, response, "search result")?;
            let (rows, _) = readable::<SearchRow>(&page.issues);
            inside.extend(rows.into_iter().map(|row| row.id));
            let Some(next) = page.next_page_token else { break };
            trail.follow("search result", &next, page.issues.len())?;
            token = Some(next);
        }
        Ok(inside)
    }

    /// Histories of all issues of the batch, to the end. Data Center sends them with the issue.
    async fn bulk_histories(
        &self,
        cx: &Ctx<'_>,
        answers: &[Option<Found>],
    ) -> Result<BTreeMap<String, (Vec<History>, bool)>, ConnectorError> {
        let issues = answers.iter().filter_map(|answer| match answer {
            Some(Found::Issue(issue)) => Some(&*issue.id),
            _ => None,
        });
        let ids: Vec<&str> = issues.collect();
        let mut histories: BTreeMap<String, (Vec<History>, bool)> = BTreeMap::new();
        if self.config.flavour == Flavour::DataCenter || ids.is_empty() {
            return Ok(histories);
        }
        let (mut token, mut trail): (Option<String>, _) = (None, Trail::of_children());
        for _ in 0..PAGES_MAX {
            let mut body = json!({ "issueIdsOrKeys": ids, "maxResults": HISTORIES_PER_PAGE });
            if let Some(token) = &token {
                body["nextPageToken"] = json!(token);
            }
            let path = self.path("changelog/bulkfetch");
            let request = Request::json(Method::Post, path, body.to_string(), Lane::Hot);
            let response = self.send(cx, request, false).await?;
            let page: BulkChangelogs = self.decode(cx, response, "changelogs")?;
            let rows = page.issue_change_logs.len();
            for log in page.issue_change_logs {
                let (read, all) = readable(&log.change_histories);
                // Vendor: one issue's histories may go on in the next page.
                let entry = histories.entry(log.issue_id).or_insert_with(|| (Vec::new(), true));
                entry.0.extend(read);
                entry.1 &= all;
            }
            let Some(next) = page.next_page_token else { return Ok(histories) };
            trail.follow("changelogs", &next, rows)?;
            token = Some(next);
        }
        histories.values_mut().for_each(|entry| entry.1 = false);
        Ok(histories)
    }

    /// Reads what is still missing and makes the case.
    async fn complete(
        &self,
        cx: &Ctx<'_>,
        site: &Site,
        key: &CaseKey,
        issue: Issue,
        histories: Option<(Vec<History>, bool)>,
    ) -> Result<Fetched, ConnectorError> {
        let children = match self.children(cx, &issue, histories).await {
            Ok(children) => children,
            Err(signed_out @ ConnectorError::SignedOut { .. }) => return Err(signed_out),
            Err(ConnectorError::Refused { status: 404, .. }) => return Ok(self.missing(cx).await?(key)),
            Err(other) => return Ok(Fetched::Unread(key.clone(), other)),
        };
        let ((histories, histories_complete), (comments, comments_complete)) = children;
        let whole = Whole { issue, histories, comments, histories_complete, comments_complete };
        let (config, source, browse) = (&self.config, &*self.source, &*self.browse);
        let reader = Reader { source, config, site, browse, now: cx.now };
        Ok(match reader.change(&whole) {
            Ok(change) => Fetched::Case(Box::new(change)),
            Err(error) => {
                Fetched::Quarantined(key.clone(), quarantine(&raw_of(&whole.issue), error.to_string()))
            }
        })
    }

    async fn children(
        &self,
        cx: &Ctx<'_>,
        issue: &Issue,
        histories: Option<(Vec<History>, bool)>,
    ) -> Result<((Vec<History>, bool), (Vec<Comment>, bool)), ConnectorError> {
        let histories = match self.config.flavour {
            // An issue that never changed is not in the answer of the bulk form.
            Flavour::Cloud => histories.unwrap_or((Vec::new(), true)),
            Flavour::DataCenter => self.all_histories(cx, issue).await?,
        };
        Ok((histories, self.all_comments(cx, issue).await?))
    }

    async fn all_histories(
        &self,
        cx: &Ctx<'_>,
        issue: &Issue,
    ) -> Result<(Vec<History>, bool), ConnectorError> {
        let nothing = ChangelogPage::default();
        let first = issue.changelog.as_ref().unwrap_or(&nothing);
        let (mut histories, mut all) = readable(&first.histories);
        let mut read = first.histories.len();
        let (total, mut trail) = (first.total.unwrap_or(0) as usize, Trail::of_children());
        for _ in 0..PAGES_MAX {
            if read >= total {
                return Ok((histories, all));
            }
            let path = self.path(&format!("issue/{}/changelog?startAt={read}&maxResults=100", issue.id));
            let page: ChangelogPage = match self.get(cx, path, "changelog").await {
                // Vendor: Data Center has this resource since 9.0 only.
                Err(ConnectorError::Refused { status: 404, .. }) => return Ok((histories, false)),
                page => page?,
            };
            let (more, readable) = readable(&page.histories);
            if page.histories.is_empty() {
                return Ok((histories, false));
            }
            trail.follow("changelog", rows_of(&page.histories), page.histories.len())?;
            read += page.histories.len();
            histories.extend(more);
            all &= readable;
        }
        Ok((histories, false))
    }

    /// Comments to the end. Those that came with the issue serve if they are all.
    pub(super) async fn all_comments(
        &self,
        cx: &Ctx<'_>,
        issue: &Issue,
    ) -> Result<(Vec<Comment>, bool), ConnectorError> {
        let inline: CommentPage = issue.field("comment").unwrap_or_default();
        let whole = inline.comments.len() as u64 >= inline.total;
        // Data Center tells who may read a comment only in the list of comments.
        if whole && (self.config.flavour == Flavour::Cloud || inline.comments.is_empty()) {
            return Ok(readable(&inline.comments));
        }
        let (mut comments, mut all, mut start) = (Vec::new(), true, 0);
        let mut trail = Trail::of_children();
        for _ in 0..PAGES_MAX {
            let path = self.comments_path(&issue.id, start, "created");
            let page: CommentPage = self.get(cx, path, "comments").await?;
            let (more, readable) = readable(&page.comments);
            start += page.comments.len();
            comments.extend(more);
            all &= readable;
            if page.comments.is_empty() || start as u64 >= page.total {
                return Ok((comments, all));
            }
            trail.follow("comments", rows_of(&page.comments), page.comments.len())?;
        }
        Ok((comments, false))
    }

    /// A page of the comments of an issue.
    pub(super) fn comments_path(&self, id: &str, start: usize, order: &str) -> String {
        let expand = if self.config.flavour == Flavour::DataCenter { "&expand=properties" } else { "" };
        let paging = format!("startAt={start}&maxResults={COMMENTS_PER_PAGE}&orderBy={order}");
        self.path(&format!("issue/{id}/comment?{paging}{expand}"))
    }
}

fn read_issue(key: &CaseKey, raw: &str) -> Found {
    let bad = |reason| Found::Answer(Fetched::Quarantined(key.clone(), quarantine(raw, reason)));
    match serde_json::from_str::<Issue>(raw) {
        // Its id goes into further addresses and names the case: it must be the one that was asked for.
        Ok(issue) if issue.id == key.id => Found::Issue(Box::new(issue)),
        Ok(_) => bad("the answer is about another issue".to_owned()),
        Err(error) => bad(error.to_string()),
    }
}

fn raw_of(issue: &Issue) -> String {
    // Written, not built as a `Value`: the fields are raw and may be deeper than one can be.
    let fields = serde_json::to_string(&issue.fields).unwrap_or_default();
    format!("{{\"id\":{},\"key\":{},\"fields\":{fields}}}", json!(issue.id), json!(issue.key))
}

fn throttle_of(found: &Found) -> Option<ConnectorError> {
    match found {
        Found::Answer(answer) => throttled(answer),
        Found::Issue(_) | Found::Missing => None,
    }
}

/// A throttle ends the batch: what was not read yet is asked for again when it is over.
fn throttled(answer: &Fetched) -> Option<ConnectorError> {
    match answer {
        Fetched::Unread(_, error @ ConnectorError::Throttled { .. }) => Some(error.clone()),
        _ => None,
    }
}
