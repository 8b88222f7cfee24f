//! ServiceNow: the instance, its switches and its place on the stage.
//! Written from the vendor's documents; knows the Table API's world and no other vendor.

mod api;
mod apply;
mod attachments;
mod auth;
mod books;
mod commands;
mod errors;
mod extra;
mod neighbours;
mod people;
mod query;
mod render;
mod rules;
mod schema;
mod select;
mod sla;
mod stats;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod time;

use crate::clock::lock;
use crate::dice;
use crate::faults::Fault;
use crate::hooks::{Rendered, Ring};
use crate::route::{self, Account, Call, Route};
use crate::vendor::{Command, Stage, Vendor};
use crate::world::Happening;
use auth::Accounts;
use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use people::People;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use store::Store;
use time::Caller;

const NAME: &str = "servicenow";
/// Rows of history given at once.
const HISTORY_PAGE: usize = 1_000;

/// Every route of the API; each version of a path is a row of its own.
const ROUTES: &[Route<ServiceNow>] = &[
    Route { method: "GET", path: "/api/now/table/{table}", answer: api::list },
    Route { method: "POST", path: "/api/now/table/{table}", answer: api::create },
    Route { method: "GET", path: "/api/now/table/{table}/{id}", answer: api::get },
    Route { method: "PUT", path: "/api/now/table/{table}/{id}", answer: api::change },
    Route { method: "PATCH", path: "/api/now/table/{table}/{id}", answer: api::change },
    Route { method: "DELETE", path: "/api/now/table/{table}/{id}", answer: api::delete },
    Route { method: "GET", path: "/api/now/v1/table/{table}", answer: api::list },
    Route { method: "POST", path: "/api/now/v1/table/{table}", answer: api::create },
    Route { method: "GET", path: "/api/now/v1/table/{table}/{id}", answer: api::get },
    Route { method: "PUT", path: "/api/now/v1/table/{table}/{id}", answer: api::change },
    Route { method: "PATCH", path: "/api/now/v1/table/{table}/{id}", answer: api::change },
    Route { method: "DELETE", path: "/api/now/v1/table/{table}/{id}", answer: api::delete },
    Route { method: "GET", path: "/api/now/v2/table/{table}", answer: api::list },
    Route { method: "POST", path: "/api/now/v2/table/{table}", answer: api::create },
    Route { method: "GET", path: "/api/now/v2/table/{table}/{id}", answer: api::get },
    Route { method: "PUT", path: "/api/now/v2/table/{table}/{id}", answer: api::change },
    Route { method: "PATCH", path: "/api/now/v2/table/{table}/{id}", answer: api::change },
    Route { method: "DELETE", path: "/api/now/v2/table/{table}/{id}", answer: api::delete },
    Route { method: "GET", path: "/api/now/stats/{table}", answer: stats::stats },
    Route { method: "GET", path: "/api/now/v1/stats/{table}", answer: stats::stats },
    Route { method: "GET", path: "/api/now/v2/stats/{table}", answer: stats::stats },
    Route { method: "GET", path: "/api/now/attachment", answer: attachments::list },
    Route { method: "GET", path: "/api/now/attachment/{id}", answer: attachments::get },
    Route { method: "GET", path: "/api/now/attachment/{id}/file", answer: attachments::file },
    Route { method: "POST", path: "/api/now/attachment/file", answer: attachments::whole },
    Route { method: "POST", path: "/api/now/attachment/upload", answer: attachments::form },
    Route { method: "DELETE", path: "/api/now/attachment/{id}", answer: attachments::delete },
    Route { method: "GET", path: "/api/now/v1/attachment", answer: attachments::list },
    Route { method: "GET", path: "/api/now/v1/attachment/{id}", answer: attachments::get },
    Route { method: "GET", path: "/api/now/v1/attachment/{id}/file", answer: attachments::file },
    Route { method: "POST", path: "/api/now/v1/attachment/file", answer: attachments::whole },
    Route { method: "POST", path: "/api/now/v1/attachment/upload", answer: attachments::form },
    Route { method: "DELETE", path: "/api/now/v1/attachment/{id}", answer: attachments::delete },
    Route { method: "POST", path: "/api/now/v1/batch", answer: extra::batch },
    Route { method: "POST", path: "/api/now/tinyurl", answer: extra::tiny },
    Route { method: "POST", path: "/oauth_token.do", answer: extra::token },
];

/// Behaviours that differ between instances.
#[derive(Clone, Debug)]
struct Switches {
    invalid_query_returns_no_rows: bool,
    query_literals_in_user_zone: bool,
    acl_hidden_fraction: f64,
    require_close_code: bool,
    /// An ACL forbids everybody to change closed records.
    closed_read_only: bool,
    /// Fraction of the world's cases that are `sn_customerservice_case`.
    csm_fraction: f64,
    rate_limit_per_hour: Option<u64>,
    /// Name of a business rule that aborts every update.
    aborting_rule: Option<String>,
    /// A column of text that has a choice list all the same.
    choice_column: Option<String>,
}

pub struct Instance {
    store: Store,
    people: People,
    accounts: Accounts,
    /// Record ids of the world's cases.
    cases: HashMap<u64, String>,
    switches: Switches,
    tiny: BTreeMap<String, String>,
    /// Attached files by the id of their row.
    files: BTreeMap<String, Bytes>,
    /// Requests of an account in an hour, for the rate rule.
    used: BTreeMap<(String, i64), u64>,
}

pub struct ServiceNow {
    pub stage: Arc<Stage>,
    instance: Mutex<Instance>,
}

impl ServiceNow {
    pub fn make(stage: &Arc<Stage>) -> Arc<dyn Vendor> {
        Arc::new(ServiceNow { stage: stage.clone(), instance: Mutex::new(instance(stage, true)) })
    }

    fn lock(&self) -> MutexGuard<'_, Instance> {
        lock(&self.instance)
    }

    /// Runs `answer` for a caller who is known and within the rate rule.
    fn signed_in(&self, call: &Call, answer: impl FnOnce(&mut Instance, &Caller) -> Response) -> Response {
        let mut guard = self.lock();
        let instance = &mut *guard;
        let Some(user_name) = instance.accounts.caller(&call.headers, call.now) else {
            return errors::unauthenticated();
        };
        let mut response = match over_limit(instance, &user_name, call.now) {
            Some(refusal) => refusal,
            None => {
                let caller = caller(instance, &user_name, call.now);
                answer(instance, &caller)
            }
        };
        let transaction =
            &dice::hex_id(self.stage.seed, &[call.path.as_bytes(), call.raw_query.as_bytes()])[..12];
        for (name, value) in [
            ("server", "snow_adc"),
            ("x-is-logged-in", "true"),
            ("x-transaction-id", transaction),
            ("x-content-type-options", "nosniff"),
            ("pragma", "no-store,no-cache"),
            ("cache-control", "no-cache,no-store,must-revalidate,max-age=-1"),
            ("expires", "0"),
            ("set-cookie", "glide_session_store=5A0C4A; Max-Age=60; Path=/; HttpOnly"),
        ] {
            route::set_header(&mut response, name, value);
        }
        response.extensions_mut().insert(Account(user_name));
        response
    }

    fn wrote(&self, instance: &mut Instance, table: &str, id: &str, at: Timestamp) {
        apply::wrote(self, instance, table, id, at);
    }

    fn deleted(&self, id: &str, at: Timestamp) {
        self.ring(&format!("delete:{id}"), at);
    }

    /// An async business rule runs a moment later, collapsed, on whatever the record is then.
    fn ring(&self, key: &str, at: Timestamp) {
        if self.stage.hooks.wanted() {
            let at = at.checked_add(SignedDuration::from_secs(1)).unwrap_or(at);
            self.stage.hooks.queue(at, NAME, key, Value::Null, true);
        }
    }

    /// Seconds until a change of somebody else's becomes visible.
    fn lateness(&self, key: &str, at: Timestamp) -> i64 {
        let moment = at.as_second().to_le_bytes();
        let late = self.stage.faults.chance(0.03, &[b"late", key.as_bytes(), &moment]);
        if late { 1 + (dice::hash(self.stage.seed, &[key.as_bytes(), &moment]) % 8).cast_signed() } else { 0 }
    }

    /// A call behind a shortened URL, as if it had been sent whole.
    fn lengthened(&self, call: &Call) -> Call {
        let mut call = call.clone();
        let url = call.param("sysparm_tiny").and_then(|id| self.lock().tiny.get(id).cloned());
        if let Some((_, query)) = url.as_deref().and_then(|url| url.split_once('?')) {
            call.query = ::url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            call.raw_query = query.to_owned();
        }
        call
    }
}

fn instance(stage: &Stage, custom_columns: bool) -> Instance {
    let mut store = Store::new(stage.seed, custom_columns);
    let people = people::fill(&mut store, &stage.cast);
    let accounts = Accounts::new(stage.seed);
    people::fill_accounts(&mut store, &accounts);
    sla::fill(&mut store, &people::SYSTEM);
    neighbours::fill(&mut store, &stage.cast, &people, stage.seed);
    let switches = Switches {
        invalid_query_returns_no_rows: false,
        query_literals_in_user_zone: false,
        acl_hidden_fraction: 0.0,
        require_close_code: true,
        closed_read_only: false,
        csm_fraction: 0.0,
        rate_limit_per_hour: None,
        aborting_rule: None,
        choice_column: None,
    };
    let (cases, tiny, used, files) = (HashMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    Instance { store, people, accounts, cases, switches, tiny, used, files }
}

fn caller(instance: &Instance, user_name: &str, now: Timestamp) -> Caller {
    let user_id = instance.store.first_by("sys_user", "user_name", user_name).unwrap_or_default();
    let zone = instance.store.field("sys_user", &user_id, "time_zone");
    Caller {
        user_name: user_name.to_owned(),
        user_id,
        zone: zone.and_then(|name| TimeZone::get(&name).ok()).unwrap_or(TimeZone::UTC),
        now,
        literals_in_zone: instance.switches.query_literals_in_user_zone,
    }
}

fn over_limit(instance: &mut Instance, user_name: &str, now: Timestamp) -> Option<Response> {
    let limit = instance.switches.rate_limit_per_hour?;
    let hour = now.as_second() / 3_600;
    instance.used.retain(|(_, counted), _| *counted == hour);
    let used = instance.used.entry((user_name.to_owned(), hour)).or_default();
    *used += 1;
    let left = u64::try_from((hour + 1) * 3_600 - now.as_second()).unwrap_or(1);
    (*used > limit).then(|| errors::throttled(left, now))
}

fn no_route(_: &ServiceNow, call: &Call) -> Response {
    let known = ROUTES.iter().any(|route| extra::captures(route.path, &call.path).is_some());
    if known { errors::envelope(405, "Method not supported", None) } else { errors::no_resource(&call.path) }
}

/// Exported parts and the tables they come from.
const PARTS: &[(&str, &[&str])] = &[
    ("records", schema::TASKS),
    ("sys_audit", &["sys_audit"]),
    ("sys_journal_field", &["sys_journal_field"]),
    ("sys_audit_delete", &["sys_audit_delete"]),
    ("task_sla", &["task_sla"]),
    ("users", &["sys_user"]),
    ("groups", &["sys_user_group"]),
    ("companies", &["core_company"]),
    ("accounts", &["customer_account"]),
];
const PART_NAMES: &[&str] = &[
    "records",
    "sys_audit",
    "sys_journal_field",
    "sys_audit_delete",
    "task_sla",
    "users",
    "groups",
    "companies",
    "accounts",
];

impl Vendor for ServiceNow {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self, base_url: &str) -> Value {
        let instance = self.lock();
        let accounts = &instance.accounts;
        json!({
            "base_url": base_url,
            "username": accounts.integration.user_name,
            "password": accounts.integration.password,
            "client_id": accounts.client_id,
            "client_secret": accounts.client_secret,
            "webhook_secret": accounts.webhook_secret,
            "reader_username": accounts.reader.user_name,
            "reader_password": accounts.reader.password,
        })
    }

    fn routes(&self) -> Vec<String> {
        route::names(ROUTES)
    }

    fn router(self: Arc<Self>) -> Router {
        route::router(&self, &self.stage.clock, ROUTES, no_route)
    }

    fn account(&self, headers: &HeaderMap, now: Timestamp) -> Option<String> {
        self.lock().accounts.caller(headers, now)
    }

    fn apply(&self, happening: &Happening) {
        apply::happening(self, &mut self.lock(), happening);
    }

    fn command(&self, command: &Command, now: Timestamp) -> Result<Value, String> {
        commands::command(self, &mut self.lock(), command, now)
    }

    fn render(&self, ring: &Ring, now: Timestamp) -> Option<Rendered> {
        let instance = self.lock();
        let stamp = apply::epoch(now);
        let event_id = dice::hex_id(
            self.stage.seed,
            &[ring.key.as_bytes(), stamp.as_bytes(), &ring.attempt.to_le_bytes()],
        );
        let body = apply::payload(&instance, &ring.key, &event_id).to_string();
        let mut mac =
            Hmac::<sha2::Sha256>::new_from_slice(instance.accounts.webhook_secret.as_bytes()).ok()?;
        mac.update(format!("{stamp}.{body}").as_bytes());
        let signature = format!("sha256={}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        let headers = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("X-Dutyd-Timestamp".to_owned(), stamp),
            ("X-Dutyd-Signature".to_owned(), signature),
        ];
        Some(Rendered { headers, body: body.into_bytes() })
    }

    fn history_parts(&self) -> &'static [&'static str] {
        PART_NAMES
    }

    fn history(&self, part: &str, from: usize) -> (Vec<Value>, Option<usize>) {
        let instance = self.lock();
        let names = PARTS.iter().find(|(name, _)| *name == part).map_or(&[][..], |(_, tables)| tables);
        let tables: Vec<_> = names.iter().filter_map(|name| instance.store.table(name)).collect();
        let slots = tables.iter().flat_map(|table| table.rows.iter().map(move |row| (table, row)));
        let rows: Vec<Value> = slots
            .skip(from)
            .take(HISTORY_PAGE)
            .filter_map(|(table, row)| Some((table, row.as_ref()?)))
            .map(|(table, row)| {
                let cells = table.columns.iter().zip(&row.values);
                Value::Object(
                    cells.map(|(column, value)| (column.name.to_owned(), json!(&**value))).collect(),
                )
            })
            .collect();
        let total: usize = tables.iter().map(|table| table.rows.len()).sum();
        let next = from + HISTORY_PAGE;
        (rows, (next < total).then_some(next))
    }

    fn load(&self, parts: &Map<String, Value>) -> Result<(), String> {
        let mut instance = self.lock();
        for (part, rows) in parts {
            let (_, tables) =
                PARTS.iter().find(|(name, _)| name == part).ok_or_else(|| format!("no part {part:?}"))?;
            let rows = rows.as_array().ok_or_else(|| format!("{part} is not a list"))?;
            for table in *tables {
                instance.store.clear(table);
            }
            for row in rows {
                let row = row.as_object().ok_or_else(|| format!("a row of {part} is not an object"))?;
                let class = row.get("sys_class_name").and_then(Value::as_str);
                let table = tables.iter().find(|table| Some(**table) == class).or_else(|| tables.first());
                instance.store.load(table.copied().unwrap_or(""), row)?;
            }
        }
        Ok(())
    }

    fn fault(&self, fault: &Fault, acted: Option<(u16, &[u8])>, now: Timestamp) -> Response {
        if *fault == Fault::Expired {
            self.lock().accounts.expire();
        }
        errors::fault(fault, acted, now)
    }

    fn switch(&self, name: &str, value: &Value) -> Result<(), String> {
        let mut guard = self.lock();
        let truth = || value.as_bool().ok_or_else(|| format!("{name} is true or false"));
        let fraction = || value.as_f64().ok_or_else(|| format!("{name} is a number"));
        let user_name = guard.accounts.integration.user_name.clone();
        match name {
            "invalid_query_returns_no_rows" => guard.switches.invalid_query_returns_no_rows = truth()?,
            "query_literals_in_user_zone" => guard.switches.query_literals_in_user_zone = truth()?,
            "acl_hidden_fraction" => guard.switches.acl_hidden_fraction = fraction()?,
            "require_close_code" => guard.switches.require_close_code = truth()?,
            "closed_read_only" => guard.switches.closed_read_only = truth()?,
            "csm_fraction" => guard.switches.csm_fraction = fraction()?,
            "rate_limit_per_hour" => guard.switches.rate_limit_per_hour = value.as_u64(),
            "aborting_rule" => guard.switches.aborting_rule = value.as_str().map(ToOwned::to_owned),
            "choice_column" => {
                guard.switches.choice_column = value.as_str().map(ToOwned::to_owned);
                guard.store.list_choices(value.as_str().unwrap_or_default());
            }
            "custom_columns" => {
                let switches = guard.switches.clone();
                *guard = instance(&self.stage, truth()?);
                guard.switches = switches;
            }
            "rights" => people::grant(
                &mut guard.store,
                &user_name,
                match value.as_str() {
                    Some("too_few") => &["itil"],
                    Some("too_many") => {
                        &["itil", "sn_incident_write", "sn_customerservice_agent", "audit_viewer", "admin"]
                    }
                    _ => auth::MINIMUM_ROLES,
                },
            ),
            "user_time_zone" => {
                let zone = value.as_str().unwrap_or("GMT").to_owned();
                let id = guard.store.first_by("sys_user", "user_name", &user_name).unwrap_or_default();
                guard.store.change_silently("sys_user", &id, &vec![("time_zone".to_owned(), zone)]);
            }
            _ => return Err(format!("servicenow has no switch {name:?}")),
        }
        Ok(())
    }
}
