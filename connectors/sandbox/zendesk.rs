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
use crate::route::{self, Call, Route};
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

/// A row of the table whose answer is made for a caller who may ask.
macro_rules! to {
    ($method:literal, $path:literal, $act:path) => {
        Route {
            method: $method,
            path: $path,
            answer: |zendesk: &Zendesk, call: &Call| zendesk.serve(call, $act),
        }
    };
}

/// Every route; each is served with and without `.json` at its end.
const ROUTES: &[Route<Zendesk>] = &[
    Route { method: "POST", path: "/oauth/tokens", answer: Zendesk::token },
    Route { method: "GET", path: "/attachments/token/{token}/{id}", answer: Zendesk::file },
    to!("GET", "/api/v2/oauth/tokens/current", current_token),
    to!("POST", "/api/v2/uploads", uploads::upload),
    to!("DELETE", "/api/v2/uploads/{token}", uploads::forget),
    to!("GET", "/api/v2/attachments/{id}", uploads::attachment),
    to!("GET", "/api/v2/requests", requests::own),
    to!("GET", "/api/v2/requests/{id}", requests::request),
    to!("GET", "/api/v2/requests/{id}/comments", requests::comments),
    to!("GET", "/api/v2/tickets", tickets::list),
    to!("POST", "/api/v2/tickets", tickets::create),
    to!("GET", "/api/v2/tickets/count", tickets::count),
    to!("GET", "/api/v2/tickets/recent", tickets::list),
    to!("GET", "/api/v2/tickets/show_many", tickets::show_many),
    to!("PUT", "/api/v2/tickets/update_many", jobs::update_many),
    to!("POST", "/api/v2/tickets/create_many", jobs::create_many),
    to!("DELETE", "/api/v2/tickets/destroy_many", jobs::destroy_many),
    to!("GET", "/api/v2/tickets/{id}", tickets::show),
    to!("PUT", "/api/v2/tickets/{id}", tickets::update),
    to!("DELETE", "/api/v2/tickets/{id}", tickets::delete),
    to!("POST", "/api/v2/tickets/{id}/merge", jobs::merge),
    to!("GET", "/api/v2/tickets/{id}/comments", tickets::comments),
    to!("GET", "/api/v2/tickets/{id}/comments/count", tickets::comment_count),
    to!("PUT", "/api/v2/tickets/{id}/comments/{comment}/make_private", tickets::make_private),
    to!("GET", "/api/v2/tickets/{id}/audits", tickets::audits),
    to!("GET", "/api/v2/tickets/{id}/audits/{audit}", tickets::audit),
    to!("GET", "/api/v2/tickets/{id}/tags", tickets::tags),
    to!("POST", "/api/v2/tickets/{id}/tags", tickets::retag),
    to!("PUT", "/api/v2/tickets/{id}/tags", tickets::retag),
    to!("DELETE", "/api/v2/tickets/{id}/tags", tickets::retag),
    to!("GET", "/api/v2/tickets/{id}/collaborators", neighbours::none_of_ticket),
    to!("GET", "/api/v2/tickets/{id}/followers", neighbours::none_of_ticket),
    to!("GET", "/api/v2/tickets/{id}/incidents", neighbours::none_of_ticket),
    to!("GET", "/api/v2/tickets/{id}/metrics", tickets::metrics),
    to!("GET", "/api/v2/ticket_audits", neighbours::all_audits),
    to!("GET", "/api/v2/ticket_forms", neighbours::forms),
    to!("GET", "/api/v2/ticket_forms/{id}", neighbours::form),
    to!("GET", "/api/v2/locales", neighbours::locales),
    to!("GET", "/api/v2/views", views::list),
    to!("GET", "/api/v2/views/active", views::list),
    to!("GET", "/api/v2/views/compact", views::list),
    to!("GET", "/api/v2/views/count_many", views::counts),
    to!("GET", "/api/v2/views/{id}", views::view),
    to!("GET", "/api/v2/views/{id}/tickets", views::tickets),
    to!("GET", "/api/v2/views/{id}/execute", views::execute),
    to!("GET", "/api/v2/views/{id}/count", views::count),
    to!("GET", "/api/v2/problems", neighbours::none),
    to!("GET", "/api/v2/macros", neighbours::none),
    to!("GET", "/api/v2/macros/active", neighbours::none),
    to!("GET", "/api/v2/triggers", neighbours::none),
    to!("GET", "/api/v2/triggers/active", neighbours::none),
    to!("GET", "/api/v2/automations", neighbours::none),
    to!("GET", "/api/v2/automations/active", neighbours::none),
    to!("GET", "/api/v2/activities", neighbours::none),
    to!("GET", "/api/v2/audit_logs", neighbours::none),
    to!("GET", "/api/v2/business_hours/schedules", neighbours::none),
    to!("GET", "/api/v2/deleted_users", neighbours::none),
    to!("GET", "/api/v2/dynamic_content/items", neighbours::none),
    to!("GET", "/api/v2/group_slas/policies", neighbours::none),
    to!("GET", "/api/v2/recipient_addresses", neighbours::none),
    to!("GET", "/api/v2/sharing_agreements", neighbours::none),
    to!("GET", "/api/v2/skips", neighbours::none),
    to!("GET", "/api/v2/targets", neighbours::none),
    to!("GET", "/api/v2/channels/voice/phone_numbers", neighbours::none),
    to!("GET", "/api/v2/tickets/{id}/skips", neighbours::none_of_ticket),
    to!("GET", "/api/v2/help_center/categories", neighbours::none),
    to!("GET", "/api/v2/help_center/sections", neighbours::none),
    to!("GET", "/api/v2/help_center/articles", neighbours::none),
    to!("GET", "/api/v2/help_center/incremental/articles", neighbours::none),
    to!("GET", "/api/v2/community/topics", neighbours::none),
    to!("GET", "/api/v2/community/posts", neighbours::none),
    to!("GET", "/api/v2/slas/policies", neighbours::none),
    to!("GET", "/api/v2/suspended_tickets", neighbours::none),
    to!("GET", "/api/v2/satisfaction_ratings", neighbours::none),
    to!("GET", "/api/v2/custom_roles", neighbours::none),
    to!("GET", "/api/v2/user_fields", neighbours::user_fields),
    to!("GET", "/api/v2/organization_fields", neighbours::organization_fields),
    to!("GET", "/api/v2/ticket_metrics", tickets::all_metrics),
    to!("GET", "/api/v2/ticket_metrics/{id}", tickets::metrics),
    to!("GET", "/api/v2/deleted_tickets", tickets::deleted),
    to!("PUT", "/api/v2/deleted_tickets/{id}/restore", tickets::restore),
    to!("GET", "/api/v2/incremental/tickets/cursor", exports::by_cursor),
    to!("GET", "/api/v2/incremental/tickets", exports::tickets),
    to!("GET", "/api/v2/incremental/tickets/sample", exports::sample),
    to!("GET", "/api/v2/incremental/ticket_events", exports::ticket_events),
    to!("GET", "/api/v2/incremental/ticket_metric_events", exports::metric_events),
    to!("GET", "/api/v2/incremental/users", exports::users),
    to!("GET", "/api/v2/incremental/users/cursor", exports::users_by_cursor),
    to!("GET", "/api/v2/incremental/organizations", exports::organizations),
    to!("GET", "/api/v2/search", search::search),
    to!("GET", "/api/v2/search/count", search::count),
    to!("GET", "/api/v2/search/export", search::export),
    to!("GET", "/api/v2/users", directory::users),
    to!("POST", "/api/v2/users", directory::create_user),
    to!("GET", "/api/v2/users/me", directory::me),
    to!("GET", "/api/v2/users/show_many", directory::some_users),
    to!("GET", "/api/v2/users/search", directory::search_users),
    to!("POST", "/api/v2/users/create_or_update", neighbours::create_or_update_user),
    to!("GET", "/api/v2/users/count", relations::count),
    to!("GET", "/api/v2/users/autocomplete", directory::search_users),
    to!("GET", "/api/v2/users/{id}/identities", neighbours::identities),
    to!("GET", "/api/v2/users/{id}/groups", relations::groups_of),
    to!("GET", "/api/v2/users/{id}/group_memberships", relations::in_groups),
    to!("GET", "/api/v2/users/{id}/organizations", relations::organizations_of),
    to!("GET", "/api/v2/users/{id}/organization_memberships", relations::in_organizations),
    to!("GET", "/api/v2/users/{id}/related", relations::user_related),
    to!("GET", "/api/v2/users/{id}/requests", requests::of_user),
    to!("GET", "/api/v2/users/{id}/skips", neighbours::none),
    to!("GET", "/api/v2/users/{id}/tags", relations::no_tags),
    to!("GET", "/api/v2/users/{id}/tickets/ccd", relations::copied),
    to!("GET", "/api/v2/users/{id}", directory::user),
    to!("PUT", "/api/v2/users/{id}", directory::update_user),
    to!("GET", "/api/v2/users/{id}/tickets/requested", tickets::of_user),
    to!("GET", "/api/v2/users/{id}/tickets/assigned", tickets::of_user),
    to!("GET", "/api/v2/groups", directory::groups),
    to!("GET", "/api/v2/groups/assignable", directory::groups),
    to!("GET", "/api/v2/groups/{id}", directory::group),
    to!("GET", "/api/v2/groups/{id}/users", directory::users_of),
    to!("GET", "/api/v2/groups/count", relations::count),
    to!("GET", "/api/v2/groups/{id}/memberships", relations::in_groups),
    to!("GET", "/api/v2/group_memberships", relations::in_groups),
    to!("GET", "/api/v2/organization_memberships", relations::in_organizations),
    to!("GET", "/api/v2/organizations", directory::organizations),
    to!("POST", "/api/v2/organizations", neighbours::create_organization),
    to!("GET", "/api/v2/organizations/search", neighbours::search_organizations),
    to!("GET", "/api/v2/organizations/show_many", directory::some_organizations),
    to!("GET", "/api/v2/organizations/autocomplete", relations::autocomplete),
    to!("GET", "/api/v2/organizations/count", relations::count),
    to!("GET", "/api/v2/organizations/{id}", directory::organization),
    to!("PUT", "/api/v2/organizations/{id}", relations::update_organization),
    to!("GET", "/api/v2/organizations/{id}/organization_memberships", relations::in_organizations),
    to!("GET", "/api/v2/organizations/{id}/related", relations::organization_related),
    to!("GET", "/api/v2/organizations/{id}/requests", requests::of_organization),
    to!("GET", "/api/v2/organizations/{id}/tags", relations::no_tags),
    to!("GET", "/api/v2/organizations/{id}/users", directory::users_of),
    to!("GET", "/api/v2/organizations/{id}/tickets", tickets::of_organization),
    to!("GET", "/api/v2/ticket_fields", directory::fields),
    to!("POST", "/api/v2/ticket_fields", directory::create_field),
    to!("GET", "/api/v2/ticket_fields/{id}", directory::field),
    to!("GET", "/api/v2/ticket_fields/{id}/options", directory::options),
    to!("PUT", "/api/v2/ticket_fields/{id}", directory::update_field),
    to!("DELETE", "/api/v2/ticket_fields/{id}", directory::delete_field),
    to!("GET", "/api/v2/tags", directory::tags),
    to!("GET", "/api/v2/brands", directory::brands),
    to!("GET", "/api/v2/custom_statuses", directory::custom_statuses),
    to!("GET", "/api/v2/account/settings", directory::settings),
    to!("GET", "/api/v2/job_statuses", jobs::list),
    to!("GET", "/api/v2/job_statuses/show_many", jobs::list),
    to!("GET", "/api/v2/job_statuses/{id}", jobs::show),
    to!("GET", "/api/v2/webhooks", webhooks::list),
    to!("POST", "/api/v2/webhooks", webhooks::create),
    to!("GET", "/api/v2/webhooks/{id}", webhooks::show),
    to!("PUT", "/api/v2/webhooks/{id}", webhooks::change),
    to!("PATCH", "/api/v2/webhooks/{id}", webhooks::change),
    to!("DELETE", "/api/v2/webhooks/{id}", webhooks::delete),
    to!("GET", "/api/v2/webhooks/{id}/signing_secret", webhooks::secret),
    to!("POST", "/api/v2/webhooks/{id}/signing_secret", webhooks::secret),
    to!("GET", "/api/v2/webhooks/{id}/invocations", webhooks::invocations),
];

fn current_token(_: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    account.auth.current(caller, &call.origin())
}

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
        route::names(ROUTES)
    }

    fn router(self: Arc<Self>) -> Router {
        use tower::util::ServiceExt;
        let inner = route::router(&self, &self.stage.clock, ROUTES, no_route);
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
