//! A Zendesk Support account: its routes, its limits around them, and its place among the vendors.
//! Knows which request goes where; the tables and what requests do to them stand in the directory beside it.
// Vendor: https://developer.zendesk.com/api-reference/ , as listed route by route in FIDELITY.md.

mod auth;
mod book;
mod change;
mod directory;
mod exports;
mod fields;
mod jobs;
mod life;
mod limits;
mod neighbours;
mod paging;
mod relations;
mod reply;
mod requests;
mod routes;
mod search;
mod shape;
#[cfg(test)]
mod tests;
mod tickets;
mod uploads;
mod views;
mod webhooks;

use crate::clock::lock;
use crate::dice;
use crate::faults::Fault;
use crate::hooks::{Rendered, Ring};
use crate::route::{self, Call};
use crate::vendor::{Command, Stage, Vendor};
use crate::world::Happening;
use auth::{Auth, Caller};
use axum::Router;
use axum::http::Uri;
use axum::response::Response;
use book::Book;
use jiff::Timestamp;
use limits::Limits;
use reply::{Answer, Reply};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use webhooks::Webhooks;

pub const NAME: &str = "zendesk";
const ACCOUNT_ID: u64 = 18_525_119;
/// Updates of one ticket by one user in ten minutes.
const PER_TICKET: u64 = 30;
/// Requests per minute of a Suite Enterprise plan.
const PLAN: u64 = 700;
/// The account, its people and fields are older than the world's past: their changes are not withheld at the start.
const AGE_SECONDS: i64 = 400 * 86_400;
/// Rows of a list when the account is hostile: everybody must page.
const SMALL_PAGE: usize = 10;
/// Seconds by which the search index lags when the account is hostile.
const SEARCH_LAG: i64 = 60;
/// Rows per step of an export of the history.
const HISTORY_PAGE: usize = 1_000;
const PARTS: &[&str] = &["tickets", "audits", "users", "organizations", "groups", "ticket_fields"];

type Act = fn(&Zendesk, &mut Account, &Call, &Caller) -> Answer;

/// Everything that one account holds.
pub struct Account {
    pub book: Book,
    pub auth: Auth,
    pub limits: Limits,
    pub jobs: Vec<jobs::Job>,
    pub job_serial: u64,
    pub webhooks: Webhooks,
    /// Requests per minute of the plan; 0: no limit is kept.
    per_minute: u64,
    search_lag: Option<i64>,
}

pub struct Zendesk {
    pub stage: Arc<Stage>,
    account: Mutex<Account>,
    by_trigger: AtomicBool,
}

impl Zendesk {
    pub fn make(stage: &Arc<Stage>) -> Arc<dyn Vendor> {
        Arc::new(Zendesk::new(stage))
    }

    fn new(stage: &Arc<Stage>) -> Zendesk {
        let book = Book::new(&stage.cast, stage.clock.now().as_second() - AGE_SECONDS);
        let owner = book.users.get(&book::OWNER_USER).map(|user| user.email.clone()).unwrap_or_default();
        let account = Account {
            book,
            auth: Auth::new(stage.seed, (book::INTEGRATION_USER, book::READER_USER), &owner),
            limits: Limits::default(),
            jobs: Vec::new(),
            job_serial: 0,
            webhooks: Webhooks::new(stage.seed),
            per_minute: PLAN,
            search_lag: None,
        };
        Zendesk { stage: stage.clone(), account: Mutex::new(account), by_trigger: AtomicBool::new(false) }
    }

    pub fn by_trigger(&self) -> bool {
        self.by_trigger.load(Ordering::Relaxed)
    }

    /// The most that a list holds, when the account is hostile.
    pub fn small_page(&self) -> Option<usize> {
        self.stage.faults.hostile().then_some(SMALL_PAGE)
    }

    pub fn search_lag(&self, account: &Account) -> i64 {
        account.search_lag.unwrap_or(if self.stage.faults.hostile() { SEARCH_LAG } else { 0 })
    }

    fn token(&self, call: &Call) -> Response {
        let mut account = lock(&self.account);
        let reply = account.auth.grant(call).unwrap_or_else(|refusal| refusal);
        self.dressed(call, reply, "")
    }

    fn file(&self, call: &Call) -> Response {
        match uploads::content(&lock(&self.account), call) {
            Some((kind, bytes)) => {
                let mut response = route::plain(route::code(200), "application/octet-stream", bytes);
                route::set_header(&mut response, "content-type", &kind);
                response
            }
            None => self.dressed(call, reply::no_record(), ""),
        }
    }

    /// Who asks, may they, is there room: then the answer, with the headers that every answer has.
    fn serve(&self, call: &Call, act: Act) -> Response {
        let mut guard = lock(&self.account);
        let account = &mut *guard;
        let book = &account.book;
        let caller = match account.auth.caller(call, |email| book.by_email.get(email).copied()) {
            Ok(caller) => caller,
            Err(refusal) => return self.dressed(call, refusal, ""),
        };
        let name =
            caller.user.and_then(|id| book.users.get(&id)).map(|user| user.email.clone()).unwrap_or_default();
        let mut headers = Vec::new();
        let admitted = admitted(account, call, &caller, &mut headers);
        let mut reply =
            admitted.and_then(|()| act(self, account, call, &caller)).unwrap_or_else(|refusal| refusal);
        reply.headers.extend(headers);
        self.dressed(call, reply, &name)
    }

    fn dressed(&self, call: &Call, reply: Reply, name: &str) -> Response {
        let id =
            dice::hex_id(self.stage.seed, &[call.path.as_bytes(), &call.now.as_millisecond().to_le_bytes()]);
        let date = call.now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let reply = reply.with("date", date).with("x-request-id", id).with("x-zendesk-api-version", "v2");
        let mut response = reply.with("cache-control", "max-age=0, private, must-revalidate").into_response();
        response.extensions_mut().insert(route::Account(name.to_owned()));
        response
    }
}

/// Scope, then the account's bucket, then the endpoint's.
fn admitted(
    account: &mut Account,
    call: &Call,
    caller: &Caller,
    headers: &mut Vec<(&'static str, String)>,
) -> Result<(), Reply> {
    let tail = call.path.strip_prefix("/api/v2/").unwrap_or("");
    let reading = call.method == axum::http::Method::GET;
    if caller.user.is_none() && tail != "users/me" {
        return Err(reply::unauthenticated());
    }
    let resource = tail.split('/').next().unwrap_or("");
    if caller.scopes.as_ref().is_some_and(|scopes| !auth::allowed(scopes, reading, resource)) {
        return Err(reply::forbidden());
    }
    let role = caller.user.and_then(|id| account.book.users.get(&id)).map_or("", |user| user.role.as_str());
    if tail.starts_with("incremental/") && role != "admin" {
        return Err(reply::refused(403, "Forbidden", "Only administrators may use incremental exports"));
    }
    if account.per_minute == 0 {
        return Ok(());
    }
    let now = call.now.as_second();
    let level = account.limits.take("account", account.per_minute, 60, now);
    headers.extend(limits::account_headers(level.unwrap_or_else(|level| level)));
    level.map_err(|level| limits::refusal("Number of allowed API requests per minute exceeded", level))?;
    if let Some((name, total, text)) = limits::endpoint(call.method.as_str(), &call.path, &call.raw_query) {
        // One bucket for all incremental exports, whichever header tells of it.
        let bucket = if tail.starts_with("incremental/") { "incremental" } else { name };
        let level = account.limits.take(bucket, total, 60, now);
        headers.push((name, limits::bucket_value(level.unwrap_or_else(|level| level))));
        level.map_err(|level| limits::refusal(text, level))?;
    }
    Ok(())
}

fn no_route(zendesk: &Zendesk, call: &Call) -> Response {
    zendesk.dressed(call, reply::no_endpoint(), "")
}

/// Paths work with and without `.json`.
fn without_suffix(mut request: axum::extract::Request) -> axum::extract::Request {
    let path = request.uri().path();
    let bare = path.strip_suffix(".json").unwrap_or(path).trim_end_matches('/').to_owned();
    let whole = request.uri().query().map_or_else(|| bare.clone(), |query| format!("{bare}?{query}"));
    if let Ok(uri) = whole.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    request
}

impl Vendor for Zendesk {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self, base_url: &str) -> Value {
        let account = lock(&self.account);
        let (auth, webhook_secret) = (&account.auth, account.webhooks.secret());
        json!({
            "base_url": base_url, "client_id": auth.integration.id, "client_secret": auth.integration.secret,
            "email": auth.email, "api_token": auth.api_token, "webhook_secret": webhook_secret,
            "reader_client_id": auth.reader.id, "reader_client_secret": auth.reader.secret,
        })
    }

    fn routes(&self) -> Vec<String> {
        route::names(routes::ROUTES)
    }

    fn router(self: Arc<Self>) -> Router {
        use tower::util::ServiceExt;
        let inner = route::router(&self, &self.stage.clock, routes::ROUTES, no_route);
        Router::new().fallback_service(inner.map_request(without_suffix))
    }

    fn apply(&self, happening: &Happening) {
        life::happening(self, &mut lock(&self.account), happening);
    }

    fn command(&self, command: &Command, now: Timestamp) -> Result<Value, String> {
        life::command(self, &mut lock(&self.account), command, now)
    }

    fn render(&self, ring: &Ring, now: Timestamp) -> Option<Rendered> {
        webhooks::render(&mut lock(&self.account), ring, now)
    }

    fn delivered(&self, ring: &Ring, status: Option<u16>, now: Timestamp) -> Option<Timestamp> {
        webhooks::delivered(&mut lock(&self.account), ring, status, now)
    }

    fn history_parts(&self) -> &'static [&'static str] {
        PARTS
    }

    fn history(&self, part: &str, from: usize) -> (Vec<Value>, Option<usize>) {
        life::history(&lock(&self.account), part, from, HISTORY_PAGE)
    }

    fn load(&self, parts: &Map<String, Value>) -> Result<(), String> {
        life::load(&mut lock(&self.account), parts)
    }

    fn fault(&self, fault: &Fault, acted: Option<(u16, &[u8])>, _: Timestamp) -> Response {
        match fault {
            Fault::Throttled { retry_after } => {
                let seconds = i64::try_from(*retry_after).unwrap_or(60);
                reply::limited("Number of allowed API requests per minute exceeded", seconds).into_response()
            }
            Fault::ThrottledBare => route::plain(route::code(429), "text/html", ""),
            Fault::Hibernating => route::plain(
                route::code(200),
                "text/html",
                "<html><head><title>Zendesk is currently under maintenance</title></head><body>Be right back.</body></html>",
            ),
            Fault::Expired => {
                lock(&self.account).auth.expire_all();
                reply::invalid_token().into_response()
            }
            Fault::Truncated => {
                let (status, body) = acted.unwrap_or((200, b"{"));
                route::plain(
                    route::code(status),
                    "application/json; charset=utf-8",
                    body[..body.len() / 2].to_vec(),
                )
            }
            _ => route::plain(
                route::code(503),
                "text/html",
                "<html><body><h1>Service Unavailable</h1>Sorry, we could not complete your request.</body></html>",
            ),
        }
    }

    fn switch(&self, name: &str, value: &Value) -> Result<(), String> {
        let mut account = lock(&self.account);
        match name {
            "requests_per_minute" => account.per_minute = value.as_u64().ok_or("a number")?,
            "search_lag_seconds" => account.search_lag = value.as_i64(),
            "webhooks_by_trigger" => {
                self.by_trigger.store(value.as_bool().ok_or("true or false")?, Ordering::Relaxed)
            }
            "integration_role" => {
                let role = value.as_str().ok_or("a role")?.to_owned();
                if let Some(user) = account.book.users.get_mut(&book::INTEGRATION_USER) {
                    user.role = role;
                }
            }
            "dutyd_fields" => {
                let active = value.as_bool().ok_or("true or false")?;
                let ours = account.book.fields.values_mut().filter(|field| field.title.starts_with("Dutyd "));
                ours.for_each(|field| field.active = active);
            }
            "expire_tokens" => account.auth.expire_all(),
            _ => return Err(format!("zendesk has no switch {name:?}")),
        }
        Ok(())
    }
}
