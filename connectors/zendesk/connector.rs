//! The Zendesk connector: which requests are made for pull, fetch, holds and apply, and in which order.
//!
//! Must not know: what tickets mean (`normalize`), how marks look (`write`), waiting, storing, tokens.

use super::bearings::Bearings;
use super::config::{Config, SignInConfig};
use super::fetch::{Batch, quarantined};
use super::normalize::{Directory, FieldIds, Lens, is_merged};
use super::refusals::{account_budget, error_of};
use super::wire::{self, Ticket};
use super::{VENDOR, write};
use crate::trail::Trail;
use crate::transport::{SignIn, TokenForm};
use crate::{
    Applied, Budget, BuildError, Connector, ConnectorError, Ctx, Cursor, Delivery, Fetched, Hint, Identity,
    Lane, Method, Page, Profile, Request, Response, Sample, Secrets,
};
use async_trait::async_trait;
use dutyd_core::action::{Action, Receipt, Want};
use dutyd_core::case::CaseKey;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The export withholds the last minute; one more request of ten per minute may have to wait.
const LAG: SignedDuration = SignedDuration::from_secs(90);
/// Cases per fetch: each costs a request for its audits, and a throttle should cost little.
const FETCH_MAX: usize = 50;
/// Actions per apply.
const APPLY_MAX: usize = 20;
const CURSOR_VERSION: u16 = 1;
/// How far a scan reaches back when its cursor is not accepted any more.
const OVERLAP_SECONDS: i64 = 300;
/// Pages of audits and of comments that are read of one ticket, 100 each.
pub(super) const CHILD_PAGES_MAX: usize = 30;
/// Attempts of one update against a ticket that others change.
const UPDATES_MAX: usize = 3;
/// One Zendesk account.
pub struct Zendesk {
    pub(super) source: String,
    pub(super) config: Config,
    origin: String,
    profile: Profile,
    webhook_secrets: Vec<SecretString>,
    /// What was learned of the account since the start; read again when it does not fit.
    bearings: RwLock<Option<Arc<Bearings>>>,
}

/// Where a scan stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Position {
    /// The vendor's own cursor. `None` before the first page.
    after: Option<String>,
    /// Newest `generated_timestamp` seen: where to begin again if the cursor is not accepted.
    seen: i64,
    /// Whether the scan has been at the end once.
    caught_up: bool,
}

impl Zendesk {
    pub fn new(source: &str, config: &Config, secrets: &Secrets) -> Result<Self, BuildError> {
        let origin = config.validated()?;
        let webhook_secrets =
            config.webhook_secrets.iter().map(|name| secrets.get(name)).collect::<Result<Vec<_>, _>>()?;
        let profile = Profile {
            vendor: VENDOR,
            sign_in: sign_in(&config.sign_in, secrets)?,
            lag: LAG,
            fetch_max: FETCH_MAX,
            apply_max: APPLY_MAX,
            requests_per_minute: config.requests_per_minute,
            concurrency: config.concurrency,
            account: None,
            origin: origin.clone(),
        };
        let origin = origin.as_str().trim_end_matches('/').to_owned();
        let (source, config) = (source.to_owned(), config.clone());
        Ok(Self { source, config, origin, profile, webhook_secrets, bearings: RwLock::new(None) })
    }

    pub(super) async fn get(&self, cx: &Ctx<'_>, path: &str, lane: Lane) -> Result<Response, ConnectorError> {
        let request = Request::get(path, lane).header("accept", "application/json");
        let response =
            cx.http.send(request).await.map_err(|error| ConnectorError::of_transport(error, false))?;
        match error_of(&response, cx.now, false) {
            None => Ok(response),
            Some(error) => Err(error),
        }
    }

    /// What is known of the account, read now if it is not known yet or `anew`.
    pub(super) async fn bearings(&self, cx: &Ctx<'_>, anew: bool) -> Result<Arc<Bearings>, ConnectorError> {
        let known = self.bearings.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|_| !anew) {
            return Ok(known);
        }
        let taken = Arc::new(super::bearings::take(self, cx).await?);
        *self.bearings.write().unwrap_or_else(PoisonError::into_inner) = Some(taken.clone());
        Ok(taken)
    }

    pub(super) fn lens<'a>(
        &'a self,
        bearings: &'a Bearings,
        directory: &'a Directory,
        seen_at: Timestamp,
        read_at: Timestamp,
    ) -> Lens<'a> {
        let own_id = bearings.own_id;
        Lens { own_id, read_at, ..self.lens_with(&bearings.fields, directory, seen_at) }
    }

    /// A look at recorded tickets, by fields that the documents name and under nobody's account.
    pub(super) fn lens_with<'a>(
        &'a self,
        fields: &'a FieldIds,
        directory: &'a Directory,
        now: Timestamp,
    ) -> Lens<'a> {
        Lens {
            source: &self.source,
            origin: &self.origin,
            config: &self.config,
            fields,
            directory,
            own_id: 0,
            seen_at: now,
            read_at: now,
        }
    }

    pub(super) fn in_scope(&self, ticket: &Ticket) -> bool {
        let allows =
            |list: &[i64], id: Option<i64>| list.is_empty() || id.is_some_and(|id| list.contains(&id));
        let scope = &self.config.scope;
        allows(&scope.groups, ticket.group_id)
            && allows(&scope.brands, ticket.brand_id)
            && allows(&scope.forms, ticket.ticket_form_id)
    }

    /// A page of the export; with a cursor that is not accepted any more, from a little before where it stood.
    async fn export(&self, cx: &Ctx<'_>, position: &Position) -> Result<(Response, bool), ConnectorError> {
        let lane = if position.caught_up { Lane::Hot } else { Lane::Backfill };
        let first = self.config.read_from.map_or(1, Timestamp::as_second).max(1);
        if let Some(after) = &position.after {
            let from = format!("cursor={}", quoted(after));
            match self.get(cx, &self.export_path(&from, position.caught_up), lane).await {
                Err(ConnectorError::Refused { status: 400 | 404 | 422, .. }) => {}
                other => return other.map(|response| (response, true)),
            }
        }
        let from = format!("start_time={}", (position.seen - OVERLAP_SECONDS).max(first));
        Ok((self.get(cx, &self.export_path(&from, position.caught_up), lane).await?, false))
    }

    fn export_path(&self, from: &str, caught_up: bool) -> String {
        let alone = caught_up || self.config.history_of_closed;
        let include = if alone { "" } else { "&include=users,groups,organizations,metric_sets" };
        format!("/api/v2/incremental/tickets/cursor?{from}&per_page={}{include}", self.config.page_size)
    }

    async fn ticket(&self, cx: &Ctx<'_>, id: u64) -> Result<Ticket, ConnectorError> {
        let response = self.get(cx, &format!("/api/v2/tickets/{id}"), Lane::Write).await?;
        let one: wire::ShowOne<'_> = wire::parse(&response, "ticket")?;
        read_ticket(one.ticket)
    }

    async fn note_at(
        &self,
        cx: &Ctx<'_>,
        id: u64,
        marker: &str,
    ) -> Result<Option<Timestamp>, ConnectorError> {
        let mut path = format!("/api/v2/tickets/{id}/comments?page[size]=100&sort=-created_at");
        let mut trail = Trail::of_children();
        for _ in 0..CHILD_PAGES_MAX {
            let response = self.get(cx, &encoded(&path), Lane::Write).await?;
            let page: wire::CommentPage = wire::parse(&response, "comments")?;
            if let Some(at) = write::note_stands(&page.comments, marker) {
                return Ok(Some(at));
            }
            match next(page.meta) {
                None => return Ok(None),
                Some(after) => {
                    trail.follow("comments", &after, page.comments.len())?;
                    path = format!(
                        "/api/v2/tickets/{id}/comments?page[size]=100&sort=-created_at&page[after]={after}"
                    );
                }
            }
        }
        Ok(None)
    }

    /// All actions of one ticket in one update, against the version just read; read again when somebody was faster.
    async fn update(
        &self,
        cx: &Ctx<'_>,
        id: u64,
        actions: &[&Action],
    ) -> Result<Vec<Verdict>, ConnectorError> {
        let mut bearings = self.bearings(cx, false).await?;
        if [bearings.fields.severity, bearings.fields.why, bearings.fields.flags].contains(&None) {
            bearings = self.bearings(cx, true).await?;
        }
        for _ in 0..UPDATES_MAX {
            let ticket = self.ticket(cx, id).await?;
            if matches!(ticket.status.as_str(), "closed" | "deleted") {
                let reason = format!("ticket {id} is {}: Zendesk takes no updates of it", ticket.status);
                return Err(ConnectorError::Sealed { reason });
            }
            let fields = &bearings.fields;
            let needed: Vec<&Action> =
                actions.iter().filter(|action| !write::shows(&ticket, action, fields)).copied().collect();
            if needed.is_empty() {
                return Ok(actions.iter().map(|action| Ok(write::receipt(action, &ticket))).collect());
            }
            let body = write::body_of(&write::update_of(&needed, fields)?, ticket.updated_at);
            let request = Request::json(Method::Put, format!("/api/v2/tickets/{id}"), body, Lane::Write)
                .header("accept", "application/json");
            let response =
                cx.http.send(request).await.map_err(|error| ConnectorError::of_transport(error, true))?;
            if response.status == 409 || was_closed_meanwhile(&response) {
                continue;
            }
            if let Some(error) = error_of(&response, cx.now, true) {
                return Err(error);
            }
            return updated(&response, actions, &needed, fields);
        }
        Err(ConnectorError::Unavailable {
            reason: format!("ticket {id} is being changed by others all the time"),
        })
    }
}

type Verdict = Result<Receipt, ConnectorError>;

/// Vendor: 422, `details.status`: "Status: closed prevents ticket update". The next look at the ticket says so too.
fn was_closed_meanwhile(response: &Response) -> bool {
    response.status == 422
        && String::from_utf8_lossy(&response.body).contains("closed prevents ticket update")
}

/// What became of each action, from the answer to the update.
fn updated(
    response: &Response,
    actions: &[&Action],
    sent: &[&Action],
    fields: &FieldIds,
) -> Result<Vec<Verdict>, ConnectorError> {
    let unknown = |reason: String| ConnectorError::Unknown { reason };
    let one: wire::ShowOne<'_> =
        serde_json::from_slice(&response.body).map_err(|error| unknown(error.to_string()))?;
    let ticket = read_ticket(one.ticket).map_err(|error| unknown(error.to_string()))?;
    let verdict = |action: &&Action| {
        let was_sent = sent.iter().any(|one| one.id == action.id);
        let refused =
            was_sent.then(|| write::refused_silently(&ticket, one.audit.as_ref(), action, fields)).flatten();
        refused.map_or_else(|| Ok(write::receipt(action, &ticket)), Err)
    };
    Ok(actions.iter().map(verdict).collect())
}

pub(super) fn read_ticket(raw: &RawValue) -> Result<Ticket, ConnectorError> {
    Ticket::read(raw.get())
        .map_err(|error| ConnectorError::Malformed { where_: "ticket".to_owned(), reason: error.to_string() })
}

/// Whether it is no use to ask for more in this batch.
pub(super) fn ends_the_batch(error: &ConnectorError) -> bool {
    matches!(error, ConnectorError::Throttled { .. } | ConnectorError::SignedOut { .. })
}

/// The page after this one, if there is one.
pub(super) fn next(meta: Option<wire::Meta>) -> Option<String> {
    let meta = meta.filter(|meta| meta.has_more)?;
    meta.after_cursor.map(|after| quoted(&after))
}

/// Brackets as they must stand in a query.
pub(super) fn encoded(path: &str) -> String {
    path.replace('[', "%5B").replace(']', "%5D")
}

fn quoted(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

pub(super) fn number_of(key: &CaseKey) -> Option<u64> {
    // As Zendesk writes it: `+5` and `05` would be other names of the same ticket.
    key.id.parse().ok().filter(|id: &u64| id.to_string() == key.id)
}

fn sign_in(config: &SignInConfig, secrets: &Secrets) -> Result<SignIn, BuildError> {
    Ok(match config {
        SignInConfig::Oauth { client_id, client_secret, scopes } => SignIn::TokenForm(TokenForm {
            path: "/oauth/tokens".to_owned(),
            fields: vec![
                ("grant_type", "client_credentials".to_owned()),
                ("client_id", client_id.clone()),
                ("scope", scopes.clone()),
            ],
            secrets: vec![("client_secret", secrets.get(client_secret)?)],
            as_json: true,
            default_life_seconds: 1_800,
        }),
        SignInConfig::ApiToken { email, token } => {
            SignIn::Basic { user: format!("{email}/token"), password: secrets.get(token)? }
        }
    })
}

#[async_trait]
impl Connector for Zendesk {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    async fn check(&self, cx: &Ctx<'_>) -> Result<Identity, ConnectorError> {
        super::check::check(self, cx).await
    }

    async fn pull(&self, cx: &Ctx<'_>, from: Option<&Cursor>) -> Result<Page, ConnectorError> {
        let position = from.map(position_of).unwrap_or_default();
        let bearings = self.bearings(cx, false).await?;
        let (response, by_cursor) = self.export(cx, &position).await?;
        let page: wire::ExportPage<'_> = wire::parse(&response, "incremental export")?;
        // Vendor: an export that names its own page as the next one never ends; the time-based one is known for it.
        if by_cursor && !page.end_of_stream && page.after_cursor == position.after {
            return Err(ConnectorError::Unavailable { reason: "the export does not advance".to_owned() });
        }
        let mut batch = Batch::default();
        batch.read_at = response.date().unwrap_or(cx.now);
        batch.directory(page.users, page.groups, page.organizations);
        batch.people.groups.extend(bearings.groups.clone());
        let solved: HashMap<u64, _> =
            page.metric_sets.iter().map(|set| (set.ticket_id, set.solved_at)).collect();
        let lens = self.lens(&bearings, &batch.people, cx.now, batch.read_at);
        let mut out = Page { more: !page.end_of_stream, ..Page::default() };
        let mut seen = position.seen;
        for raw in page.tickets {
            match self.row(raw, &lens, &solved, position.caught_up) {
                Ok((generated, item)) => {
                    seen = seen.max(generated);
                    match item {
                        Item::Change(change) => out.changes.push(*change),
                        Item::Hint(hint) => out.hints.push(hint),
                    }
                }
                Err(reason) => out.quarantined.push(quarantined(raw, reason)),
            }
        }
        // Vendor: with nothing to tell yet, `after_cursor` may be null: the position stays.
        let after = page.after_cursor.or(position.after);
        let caught_up = position.caught_up || page.end_of_stream;
        out.next = Some(cursor_of(&Position { after, seen, caught_up }));
        Ok(out)
    }

    async fn fetch(&self, cx: &Ctx<'_>, cases: &[CaseKey]) -> Result<Vec<Fetched>, ConnectorError> {
        super::fetch::fetch(self, cx, cases).await
    }

    async fn holds(&self, cx: &Ctx<'_>, action: &Action) -> Result<Option<Receipt>, ConnectorError> {
        let Some(id) = number_of(&action.case) else { return Ok(None) };
        let bearings = self.bearings(cx, false).await?;
        let ticket = match self.ticket(cx, id).await {
            Err(ConnectorError::Refused { status: 404, .. }) => return Ok(None),
            other => other?,
        };
        let stands = match &action.want {
            Want::Note { marker, .. } => self.note_at(cx, id, marker).await?.is_some(),
            _ => write::shows(&ticket, action, &bearings.fields),
        };
        Ok(stands.then(|| write::receipt(action, &ticket)))
    }

    async fn apply(&self, cx: &Ctx<'_>, actions: &[Action]) -> Result<Vec<Applied>, ConnectorError> {
        let mut verdicts: HashMap<&str, Verdict> = HashMap::new();
        let mut stop: Option<ConnectorError> = None;
        for first in actions {
            if verdicts.contains_key(first.id.as_str()) {
                continue;
            }
            let group: Vec<&Action> = actions.iter().filter(|action| action.case == first.case).collect();
            let results = match (&stop, number_of(&first.case)) {
                (Some(error), _) => Err(error.clone()),
                (None, Some(id)) => self.update(cx, id, &group).await,
                (None, None) => {
                    Err(ConnectorError::Refused { status: 404, reason: "not a ticket id".to_owned() })
                }
            };
            match results {
                Ok(results) => verdicts.extend(group.iter().map(|action| action.id.as_str()).zip(results)),
                Err(error) => {
                    stop = stop.or_else(|| ends_the_batch(&error).then(|| error.clone()));
                    verdicts.extend(group.iter().map(|action| (action.id.as_str(), Err(error.clone()))));
                }
            }
        }
        let applied = actions.iter().map(|action| Applied {
            action_id: action.id.clone(),
            result: verdicts.get(action.id.as_str()).cloned().expect("each action is of a group above"),
        });
        Ok(applied.collect())
    }

    fn hints(&self, delivery: &Delivery, now: Timestamp) -> Result<Vec<Hint>, ConnectorError> {
        super::hook::read(&self.source, &self.webhook_secrets, delivery, now)
    }

    fn sample(&self, documents: &[&[u8]], now: Timestamp) -> Result<Sample, ConnectorError> {
        super::sample::read(self, documents, now)
    }

    fn budget(&self, response: &Response) -> Option<Budget> {
        account_budget(response)
    }
}

enum Item {
    Change(Box<dutyd_core::case::CaseChange>),
    Hint(Hint),
}

impl Zendesk {
    /// A row of the export and its `generated_timestamp`.
    fn row(
        &self,
        raw: &RawValue,
        lens: &Lens<'_>,
        solved: &HashMap<u64, Option<Timestamp>>,
        caught_up: bool,
    ) -> Result<(i64, Item), String> {
        let row: wire::Row = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
        let generated = row.generated_timestamp.unwrap_or(0);
        if row.status == "closed" && !caught_up && !self.config.history_of_closed {
            let ticket: Ticket = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
            if !is_merged(&ticket) && self.in_scope(&ticket) {
                let snapshot = lens.snapshot(&ticket, ticket.solved_at(solved))?;
                return Ok((generated, Item::Change(Box::new(snapshot))));
            }
        }
        // The export withholds the last minute, so the second of `generated_timestamp` is over.
        let revision = dutyd_core::case::Revision { at_ms: generated.saturating_mul(1_000), count: 1 };
        let key = CaseKey::new(&self.source, row.id.to_string());
        Ok((generated, Item::Hint(Hint { key, revision: Some(revision), delivery_id: None })))
    }
}

fn position_of(cursor: &Cursor) -> Position {
    // A cursor of a version that is not known, or damaged: from the beginning, which costs time and loses nothing.
    let known = cursor.version == CURSOR_VERSION;
    serde_json::from_str(&cursor.body).ok().filter(|_| known).unwrap_or_default()
}

fn cursor_of(position: &Position) -> Cursor {
    let body = serde_json::to_string(position).expect("a position is plain data");
    Cursor { version: CURSOR_VERSION, body }
}
