//! Salesforce Service Cloud: the org, its switches and its place on the stage.
//! Written from the vendor's documents; knows the REST API's world and no other vendor.

mod api;
mod apply;
mod auth;
mod bulk;
mod commands;
mod composite;
mod describe;
mod errors;
mod external;
mod filter;
mod ids;
mod jobs;
mod paging;
mod people;
mod routes;
mod rules;
mod run;
mod schema;
mod search;
mod soap;
mod soql;
mod store;
mod sums;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod tokens;

use crate::clock::lock;
use crate::dice;
use crate::faults::Fault;
use crate::hooks::{Rendered, Ring};
use crate::route::{self, Account, Call, set_header};
use crate::vendor::{Command, Stage, Vendor};
use crate::world::Happening;
use api::Caller;
use auth::Accounts;
use axum::Router;
use axum::http::HeaderMap;
use axum::response::Response;
use errors::ApiError;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use people::People;
use rules::Writer;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use store::{Object, Store};

const NAME: &str = "salesforce";
/// Rows of history given at once.
const HISTORY_PAGE: usize = 1_000;
const HOUR_SECONDS: i64 = 3_600;

/// What the accounts may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rights {
    /// What an agent may do, except to delete cases.
    Standard,
    /// What `dutyd setup salesforce` asks for.
    Minimum,
    /// Our fields cannot be written.
    TooFew,
    /// Everything, all data.
    TooMany,
}

impl Rights {
    fn may_create_cases(self) -> bool {
        matches!(self, Rights::Standard | Rights::TooMany)
    }

    fn may_delete(self, object: &str) -> bool {
        self == Rights::TooMany || (self == Rights::Standard && object != "Case")
    }

    fn may_write(self, object: &str, field: &str) -> bool {
        match self {
            Rights::Standard | Rights::TooMany => true,
            Rights::Minimum => object != "Case" || schema::is_dutyd(field),
            Rights::TooFew => object != "Case" || !schema::is_dutyd(field),
        }
    }
}

/// Behaviours that differ between orgs.
#[derive(Clone, Debug)]
struct Switches {
    /// Whether an assignment rule is active.
    assignment_rule: bool,
    /// The text of a validation rule that stops every change of a case.
    validation_rule: Option<String>,
    /// So many updates of cases still meet a locked row.
    locked_rows: u64,
    /// Cases that an approval process holds.
    in_approval: BTreeSet<String>,
    /// Every change by others becomes visible so many seconds after its stamp.
    late_commit_seconds: Option<i64>,
    /// Calls in 24 hours.
    daily_limit: u64,
    /// Calls of the last day that other programs have made, at any time.
    used_by_others: u64,
    api_bursts: bool,
    /// Whether Entitlement Management and Email-to-Case are on.
    milestones: bool,
    email_to_case: bool,
    /// Calls are refused with a 401 that no new session cures.
    not_for_rest: bool,
}

pub struct Org {
    store: Store,
    people: People,
    accounts: Accounts,
    /// Record ids of the world's cases.
    cases: HashMap<u64, String>,
    switches: Switches,
    rights: Rights,
    locators: paging::Locators,
    jobs: jobs::Jobs,
    /// Calls by hour since the epoch.
    used: BTreeMap<i64, u64>,
}

impl Org {
    fn new(stage: &Stage, custom_fields: bool) -> Org {
        let mut store = Store::new(custom_fields);
        let accounts = Accounts::new(stage.seed);
        let people = people::fill(&mut store, &stage.cast, &accounts);
        let switches = Switches {
            assignment_rule: true,
            validation_rule: None,
            locked_rows: 0,
            in_approval: BTreeSet::new(),
            late_commit_seconds: None,
            daily_limit: 100_000,
            used_by_others: 0,
            api_bursts: false,
            milestones: false,
            email_to_case: true,
            not_for_rest: false,
        };
        Org {
            store,
            people,
            accounts,
            cases: HashMap::new(),
            switches,
            rights: Rights::Standard,
            locators: paging::Locators::default(),
            jobs: jobs::Jobs::default(),
            used: BTreeMap::new(),
        }
    }

    /// An object that the API shows.
    fn readable(&self, name: &str) -> Option<&Object> {
        self.store.object(name).filter(|object| match object.shape.name {
            "CaseMilestone" | "MilestoneType" => self.switches.milestones,
            "EmailMessage" => self.switches.email_to_case,
            _ => true,
        })
    }

    fn user_id(&self, username: &str) -> String {
        match username == self.accounts.reader.username {
            true => self.people.reader.clone(),
            false => self.people.integration.clone(),
        }
    }

    /// What an update of a case may stumble over.
    fn stumble(&mut self, object: &str, id: &str, writer: &Writer) -> Result<(), ApiError> {
        if object != "Case" || !writer.api {
            return Ok(());
        }
        if self.switches.locked_rows > 0 {
            self.switches.locked_rows -= 1;
            let message = format!("unable to obtain exclusive access to this record or 1 records: {id}");
            return Err(ApiError::of_fields("UNABLE_TO_LOCK_ROW", message, &[]));
        }
        if self.switches.in_approval.contains(id) {
            return Err(ApiError::of_fields(
                "ENTITY_IS_LOCKED",
                "the entity is locked for editing".to_owned(),
                &[],
            ));
        }
        match &self.switches.validation_rule {
            Some(text) => {
                Err(ApiError::of_fields("FIELD_CUSTOM_VALIDATION_EXCEPTION", text.clone(), &["Status"]))
            }
            None => Ok(()),
        }
    }

    fn used_today(&mut self, now: Timestamp) -> u64 {
        let hour = now.as_second() / HOUR_SECONDS;
        self.used = self.used.split_off(&(hour - 23));
        self.used.values().sum::<u64>() + self.switches.used_by_others
    }

    fn spend(&mut self, calls: u64, now: Timestamp) {
        *self.used.entry(now.as_second() / HOUR_SECONDS).or_default() += calls;
    }

    /// `GET /limits`.
    fn limits(&mut self, now: Timestamp) -> Value {
        let (max, used) = (self.switches.daily_limit, self.used_today(now));
        let limit = |max: u64, used: u64| json!({ "Max": max, "Remaining": max.saturating_sub(used) });
        json!({
            "DailyApiRequests": limit(max, used), "DailyBulkV2QueryJobs": limit(10_000, 0),
            "DailyBulkApiBatches": limit(15_000, 0), "DailyBulkV2QueryFileStorageMB": limit(976_562, 0),
            "DailyDeliveredPlatformEvents": limit(10_000, 0), "DailyStreamingApiEvents": limit(10_000, 0),
            "DataStorageMB": limit(1_024, 3), "FileStorageMB": limit(1_024, 0),
        })
    }
}

pub struct Salesforce {
    pub stage: Arc<Stage>,
    org: Mutex<Org>,
}

impl Salesforce {
    pub fn make(stage: &Arc<Stage>) -> Arc<dyn Vendor> {
        Arc::new(Salesforce { stage: stage.clone(), org: Mutex::new(Org::new(stage, true)) })
    }

    fn lock(&self) -> MutexGuard<'_, Org> {
        lock(&self.org)
    }

    /// Runs `answer` for a caller whose session lives and while the day's calls last.
    fn signed_in(&self, call: &Call, answer: impl FnOnce(&mut Org, &Caller) -> Response) -> Response {
        let mut guard = self.lock();
        let org = &mut *guard;
        let Some(username) = org.accounts.caller(&call.headers, call.now) else {
            return errors::session_expired().response();
        };
        let (used, max) = (org.used_today(call.now), org.switches.daily_limit);
        let mut response = if org.switches.not_for_rest {
            let message = "This session is not valid for use with the REST API";
            ApiError::new(401, "INVALID_SESSION_ID", message).response()
        } else if used >= max {
            errors::daily_limit().response()
        } else {
            org.spend(1, call.now);
            let user_id = org.user_id(&username);
            let zone = TimeZone::get(&org.store.text(&user_id, "TimeZoneSidKey")).unwrap_or(TimeZone::UTC);
            let caller = Caller { user_id, zone, now: call.now };
            answer(org, &caller)
        };
        let used = org.used_today(call.now);
        let bursts = if org.switches.api_bursts { "; api-bursts=1/750" } else { "" };
        set_header(&mut response, "sforce-limit-info", &format!("api-usage={used}/{max}{bursts}"));
        set_header(&mut response, "cache-control", "no-cache,must-revalidate,max-age=0,no-store,private");
        set_header(&mut response, "server", "sfdcedge");
        let request = dice::hex_id(self.stage.seed, &[call.path.as_bytes(), &used.to_le_bytes()]);
        set_header(&mut response, "x-sfdc-request-id", &request);
        response.extensions_mut().insert(Account(username));
        response
    }

    /// Seconds until a change of somebody else's becomes visible.
    fn lateness(&self, key: &str, at: Timestamp) -> i64 {
        let moment = at.as_second().to_le_bytes();
        let late = self.stage.faults.chance(0.03, &[b"late", NAME.as_bytes(), key.as_bytes(), &moment]);
        if late { 1 + (dice::hash(self.stage.seed, &[key.as_bytes(), &moment]) % 8).cast_signed() } else { 0 }
    }

    /// Vendor: the server may serve smaller pages than were asked for. A hostile one does, every fifth time.
    fn page_max(&self, call: &Call) -> usize {
        let moment = call.now.as_second().to_le_bytes();
        let parts: [&[u8]; 4] = [b"page", call.raw_query.as_bytes(), &call.body, &moment];
        match self.stage.faults.chance(0.2, &parts) {
            true => 5 + (dice::hash(self.stage.seed, &parts) % 40) as usize,
            false => usize::MAX,
        }
    }
}

/// What no route matches: an unknown resource, or a known one with a slash behind it.
fn otherwise(vendor: &Salesforce, call: &Call) -> Response {
    if call.path.starts_with("/services/data/v") {
        return api::rest(vendor, call);
    }
    ApiError::not_found().response()
}

/// Exported parts and the objects they come from.
const PARTS: &[(&str, &str)] = &[
    ("cases", "Case"),
    ("comments", "CaseComment"),
    ("emails", "EmailMessage"),
    ("histories", "CaseHistory"),
    ("users", "User"),
    ("queues", "Group"),
    ("accounts", "Account"),
    ("contacts", "Contact"),
];
const PART_NAMES: &[&str] =
    &["cases", "comments", "emails", "histories", "users", "queues", "accounts", "contacts"];

impl Vendor for Salesforce {
    fn name(&self) -> &'static str {
        NAME
    }

    fn endpoints(&self, base_url: &str) -> Value {
        let org = self.lock();
        let (own, reader) = (&org.accounts.integration, &org.accounts.reader);
        json!({
            "base_url": base_url,
            "client_id": own.client_id,
            "client_secret": own.client_secret,
            "jwt_private_key_pem": auth::PRIVATE_KEY,
            "username": own.username,
            "password": own.password,
            "refresh_token": org.accounts.refresh_token(&own.username),
            "reader_client_id": reader.client_id,
            "reader_client_secret": reader.client_secret,
            "reader_username": reader.username,
            "reader_password": reader.password,
        })
    }

    fn routes(&self) -> Vec<String> {
        route::names(routes::ROUTES)
    }

    fn router(self: Arc<Self>) -> Router {
        route::router(&self, &self.stage.clock, routes::ROUTES, otherwise)
    }

    fn account(&self, headers: &HeaderMap, _now: Timestamp) -> Option<String> {
        self.lock().accounts.named(headers)
    }

    fn apply(&self, happening: &Happening) {
        apply::happening(self, &mut self.lock(), happening);
    }

    fn command(&self, command: &Command, now: Timestamp) -> Result<Value, String> {
        commands::command(self, &mut self.lock(), command, now)
    }

    /// Nothing is pushed: this org is polled.
    fn render(&self, _ring: &Ring, _now: Timestamp) -> Option<Rendered> {
        None
    }

    fn history_parts(&self) -> &'static [&'static str] {
        PART_NAMES
    }

    fn history(&self, part: &str, from: usize) -> (Vec<Value>, Option<usize>) {
        let org = self.lock();
        let name = PARTS.iter().find(|(known, _)| *known == part).map_or("", |(_, object)| object);
        let Some(object) = org.store.object(name) else { return (Vec::new(), None) };
        let to = from.saturating_add(HISTORY_PAGE).min(object.len());
        let rows = (from..to).filter_map(|slot| object.row(slot)).map(|row| {
            let cells = object.fields.iter().zip(&row.cells);
            Value::Object(cells.map(|(field, value)| (field.name.to_owned(), value.clone())).collect())
        });
        (rows.collect(), (to < object.len()).then_some(to))
    }

    fn load(&self, parts: &Map<String, Value>) -> Result<(), String> {
        let mut org = self.lock();
        for (part, rows) in parts {
            let (_, object) =
                PARTS.iter().find(|(name, _)| name == part).ok_or_else(|| format!("no part {part:?}"))?;
            let rows = rows.as_array().ok_or_else(|| format!("{part} is not a list"))?;
            org.store.clear(object);
            for row in rows {
                let row = row.as_object().ok_or_else(|| format!("a row of {part} is not an object"))?;
                org.store.load(object, row)?;
            }
        }
        Ok(())
    }

    fn fault(&self, fault: &Fault, acted: Option<(u16, &[u8])>, _now: Timestamp) -> Response {
        if *fault == Fault::Expired {
            self.lock().accounts.expire();
        }
        errors::fault(fault, acted)
    }

    fn fault_at(&self, path: &str, fault: &Fault, acted: Option<(u16, &[u8])>, now: Timestamp) -> Response {
        match path.starts_with("/services/data/v") {
            true => self.fault(fault, acted, now),
            false => errors::fault_outside(fault, acted),
        }
    }

    fn switch(&self, name: &str, value: &Value) -> Result<(), String> {
        let mut org = self.lock();
        let truth = || value.as_bool().ok_or_else(|| format!("{name} is true or false"));
        let number = || value.as_u64().ok_or_else(|| format!("{name} is a whole number"));
        match name {
            "assignment_rule" => org.switches.assignment_rule = truth()?,
            "validation_rule" => org.switches.validation_rule = value.as_str().map(str::to_owned),
            "locked_rows" => org.switches.locked_rows = number()?,
            "late_commit_seconds" => org.switches.late_commit_seconds = value.as_i64(),
            "daily_limit" => org.switches.daily_limit = number()?,
            "used_by_others" => org.switches.used_by_others = number()?,
            "api_bursts" => org.switches.api_bursts = truth()?,
            "milestones" => org.switches.milestones = truth()?,
            "email_to_case" => org.switches.email_to_case = truth()?,
            "not_for_rest" => org.switches.not_for_rest = truth()?,
            "custom_fields" => *org = Org::new(&self.stage, truth()?),
            "rights" => {
                org.rights = match value.as_str() {
                    Some("standard") => Rights::Standard,
                    Some("minimum") => Rights::Minimum,
                    Some("too_few") => Rights::TooFew,
                    Some("too_many") => Rights::TooMany,
                    _ => return Err("rights are standard, minimum, too_few or too_many".to_owned()),
                };
                people::grant_all(&mut org, value == "too_many");
            }
            "user_time_zone" => {
                let zone =
                    value.as_str().filter(|zone| TimeZone::get(zone).is_ok()).ok_or("not a time zone")?;
                people::move_to_zone(&mut org, zone);
            }
            _ => return Err(format!("salesforce has no switch {name:?}")),
        }
        Ok(())
    }
}
