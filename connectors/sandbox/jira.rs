//! Jira, Cloud and Data Center: two sites of one kind, each a vendor of its own on the stage.
//! Written from the vendor's documents; knows Jira's interface and no other vendor.

mod ask;
mod bells;
mod children;
mod desk;
mod dump;
mod errors;
mod fields;
mod files;
mod gateway;
mod issue;
mod issues;
mod jql;
mod life;
mod limits;
mod links;
mod moments;
mod neighbours;
mod orders;
mod reference;
mod render;
mod routes;
mod search;
mod select;
mod single;
mod site;
mod sla;
#[cfg(test)]
mod tests;
mod text;
mod weigh;
mod words;
mod work;

use crate::clock::lock;
use crate::dice;
use crate::faults::Fault;
use crate::hooks::{Rendered, Ring};
use crate::post::address;
use crate::route::{self, Account, Call, set_header};
use crate::vendor::{Command, Stage, Vendor};
use crate::world::Happening;
use ask::{Answer, Ask};
use axum::Router;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use site::{Flavour, Site, Webhook};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

const PARTS: &[&str] = &["issues", "users", "organizations"];
/// Rows of history given at once.
const HISTORY_PAGE: usize = 1_000;
/// Name of the instance at the gateway.
pub const CLOUD_ID: &str = "11111111-2222-3333-4444-555555555555";

/// What opens the site.
struct Secrets {
    /// Cloud: API token without scopes. Data Center: personal access token.
    integration: String,
    /// Cloud: API token with scopes, for the gateway only.
    scoped: String,
    reader: String,
    webhook: String,
}

pub struct Jira {
    stage: Arc<Stage>,
    flavour: Flavour,
    site: Mutex<Site>,
    secrets: Secrets,
    /// Where the site is served, for links in webhooks.
    base_url: Mutex<String>,
    /// Instants of writes by issue.
    writes: Mutex<HashMap<u64, Vec<i64>>>,
    /// Requests by endpoint and second, and points by hour.
    used: Mutex<BTreeMap<String, (i64, u64)>>,
    deliveries: Mutex<bells::Deliveries>,
}

impl Jira {
    pub fn make_cloud(stage: &Arc<Stage>) -> Arc<dyn Vendor> {
        Arc::new(Jira::new(stage, Flavour::Cloud))
    }

    pub fn make_data_center(stage: &Arc<Stage>) -> Arc<dyn Vendor> {
        Arc::new(Jira::new(stage, Flavour::DataCenter))
    }

    fn new(stage: &Arc<Stage>, flavour: Flavour) -> Jira {
        let name = name_of(flavour).as_bytes();
        let secret = |what: &str| dice::hex_id(stage.seed, &[b"secret", name, what.as_bytes()]);
        let secrets = Secrets {
            integration: format!("ATATT3x{}", secret("token")),
            scoped: format!("ATATT3s{}", secret("scoped")),
            reader: format!("ATATT3r{}", secret("reader")),
            webhook: secret("webhook"),
        };
        Jira {
            stage: stage.clone(),
            flavour,
            site: Mutex::new(Site::new(flavour, stage.seed, &stage.cast)),
            secrets,
            base_url: Mutex::new(format!("http://{}.sandbox", name_of(flavour))),
            writes: Mutex::default(),
            used: Mutex::default(),
            deliveries: Mutex::default(),
        }
    }

    /// Who calls: position in the site's users. At the gateway other tokens count than at the site.
    fn caller(&self, site: &Site, headers: &HeaderMap) -> Option<usize> {
        let (scheme, rest) = headers.get("authorization")?.to_str().ok()?.split_once(' ')?;
        let through = gateway::is_through(headers);
        let integration = if through { &self.secrets.scoped } else { &self.secrets.integration };
        let by_token = |token: &str| {
            let known = [(integration, site.integration), (&self.secrets.reader, site.reader)];
            known.into_iter().find(|(secret, _)| *secret == token).map(|(_, user)| user)
        };
        match (self.flavour, scheme.to_ascii_lowercase().as_str()) {
            (Flavour::DataCenter, "bearer") => by_token(rest.trim()),
            (Flavour::DataCenter, "basic") if site.switches.basic_disabled => None,
            (_, "basic") => {
                let decoded = BASE64_STANDARD.decode(rest.trim()).ok()?;
                let text = String::from_utf8(decoded).ok()?;
                let (name, token) = text.split_once(':')?;
                by_token(token).filter(|user| {
                    let user = &site.users[*user];
                    user.email.eq_ignore_ascii_case(name)
                        || (self.flavour == Flavour::DataCenter && user.name == name)
                })
            }
            _ => None,
        }
    }

    /// Answers a call that must be signed in, unless `open`.
    fn answer(&self, call: &Call, open: bool, answer: fn(&mut Ask<'_>) -> Answer) -> Response {
        let mut site = lock(&self.site);
        let version = call.capture("v");
        let known = match self.flavour {
            Flavour::Cloud => matches!(version, "" | "2" | "3" | "latest"),
            Flavour::DataCenter => matches!(version, "" | "2" | "latest"),
        };
        if !known {
            return errors::no_endpoint(call.method.as_str(), &call.path);
        }
        let caller = self.caller(&site, &call.headers);
        let mut response = match caller {
            None if !open => errors::unauthenticated(),
            _ => self.limited(&site, call).unwrap_or_else(|| {
                let shown = if version.is_empty() { "3" } else { version };
                let shown = if self.flavour == Flavour::DataCenter { "2" } else { shown };
                let mut ask = Ask {
                    jira: self,
                    call,
                    user: caller.unwrap_or(site.reader),
                    anonymous: caller.is_none(),
                    documents: version == "3",
                    base: format!("{}{}/rest/api/{shown}", call.origin(), gateway::prefix(&call.headers)),
                    site: &mut site,
                };
                answer(&mut ask).unwrap_or_else(|refusal| refusal)
            }),
        };
        self.dress(&site, call, caller, &mut response);
        response
    }

    /// Headers of every answer, and the account for the journal.
    fn dress(&self, site: &Site, call: &Call, caller: Option<usize>, response: &mut Response) {
        let trace =
            dice::hex_id(self.stage.seed, &[call.path.as_bytes(), call.raw_query.as_bytes(), &call.body]);
        let date = call.now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        set_header(response, "date", &date);
        set_header(response, "x-arequestid", &trace[..16]);
        set_header(response, "cache-control", "no-cache, no-store, no-transform");
        let user = caller.map(|user| &site.users[user]);
        match self.flavour {
            Flavour::Cloud => {
                set_header(response, "atl-traceid", &trace);
                set_header(response, "atl-request-id", &trace[..24]);
                match user {
                    Some(user) => set_header(response, "x-aaccountid", &user.id.replace(':', "%3A")),
                    None if call.header("authorization").is_some() => {
                        set_header(response, "x-seraph-loginreason", "AUTHENTICATED_FAILED");
                    }
                    None => {}
                }
            }
            Flavour::DataCenter => {
                set_header(response, "x-ausername", user.map_or("anonymous", |user| &user.name));
                if user.is_some() && response.status() != 429 {
                    for (name, value) in [
                        ("x-ratelimit-limit", "100"),
                        ("x-ratelimit-remaining", "99"),
                        ("x-ratelimit-interval-seconds", "1"),
                        ("x-ratelimit-fillrate", "10"),
                        ("retry-after", "0"),
                    ] {
                        set_header(response, name, value);
                    }
                }
            }
        }
        let name = user.map_or_else(|| "anonymous".to_owned(), |user| user.name.clone());
        response.extensions_mut().insert(Account(name));
    }

    /// The webhook that leads to the daemon, as the site's administrator made it.
    fn own_webhook(&self) -> Option<Webhook> {
        let to = self.stage.hooks.knobs().to?;
        let events = [
            "jira:issue_created",
            "jira:issue_updated",
            "jira:issue_deleted",
            "comment_created",
            "comment_updated",
            "comment_deleted",
        ];
        let body = json!({
            "name": "support", "url": address(&to, self.name()), "enabled": true, "active": true, "excludeBody": false,
            "events": events, "filters": { "issue-related-events-section": "" }, "secret": "set",
            "configuration": { "SECRET": "set" },
        });
        Some(Webhook { id: 1, body })
    }
}

fn name_of(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Cloud => "jira",
        Flavour::DataCenter => "jira_dc",
    }
}

fn no_route(_: &Jira, call: &Call) -> Response {
    errors::no_endpoint(call.method.as_str(), &call.path)
}

impl Vendor for Jira {
    fn name(&self) -> &'static str {
        name_of(self.flavour)
    }

    fn endpoints(&self, base_url: &str) -> Value {
        let site = lock(&self.site);
        *lock(&self.base_url) = base_url.trim_end_matches('/').to_owned();
        let (integration, reader) = (&site.users[site.integration], &site.users[site.reader]);
        match self.flavour {
            Flavour::Cloud => json!({
                "base_url": base_url, "email": integration.email, "api_token": self.secrets.integration,
                "account_id": integration.id, "webhook_secret": self.secrets.webhook, "cloud_id": CLOUD_ID,
                "scoped_api_token": self.secrets.scoped, "reader_email": reader.email,
                "reader_api_token": self.secrets.reader,
            }),
            Flavour::DataCenter => json!({
                "base_url": base_url, "pat": self.secrets.integration, "webhook_secret": self.secrets.webhook,
                "user_key": integration.id, "reader_pat": self.secrets.reader,
            }),
        }
    }

    fn routes(&self) -> Vec<String> {
        route::names(routes::ROUTES)
    }

    fn router(self: Arc<Self>) -> Router {
        let router = route::router(&self, &self.stage.clock, routes::ROUTES, no_route);
        match self.flavour {
            Flavour::Cloud => gateway::around(router, self.stage.clock.clone()),
            Flavour::DataCenter => router,
        }
    }

    fn account(&self, headers: &HeaderMap, _now: Timestamp) -> Option<String> {
        let site = lock(&self.site);
        self.caller(&site, headers).map(|user| site.users[user].name.clone())
    }

    fn apply(&self, happening: &Happening) {
        self.happen(&mut lock(&self.site), happening);
    }

    fn command(&self, command: &Command, now: Timestamp) -> Result<Value, String> {
        self.obey(&mut lock(&self.site), command, now)
    }

    fn render(&self, ring: &Ring, now: Timestamp) -> Option<Rendered> {
        self.bell(ring, now)
    }

    fn delivered(&self, ring: &Ring, status: Option<u16>, now: Timestamp) -> Option<Timestamp> {
        self.retry_at(ring, status, now)
    }

    fn history_parts(&self) -> &'static [&'static str] {
        PARTS
    }

    fn history(&self, part: &str, from: usize) -> (Vec<Value>, Option<usize>) {
        let site = lock(&self.site);
        let slice = |all: Vec<Value>| {
            let total = all.len();
            let rows: Vec<Value> = all.into_iter().skip(from).take(HISTORY_PAGE).collect();
            (rows, (from + HISTORY_PAGE < total).then_some(from + HISTORY_PAGE))
        };
        match part {
            "issues" => {
                let rows: Vec<Value> = site
                    .issues
                    .values()
                    .skip(from)
                    .take(HISTORY_PAGE)
                    .map(|issue| dump::exported(&site, issue))
                    .collect();
                (rows, (from + HISTORY_PAGE < site.issues.len()).then_some(from + HISTORY_PAGE))
            }
            "users" => slice(
                site.users
                    .iter()
                    .map(|user| json!({ "id": user.id, "name": user.display_name, "email": user.email }))
                    .collect(),
            ),
            "organizations" => slice((0..site.customers.len()).map(|at| site.organization(at)).collect()),
            _ => (Vec::new(), None),
        }
    }

    fn load(&self, parts: &Map<String, Value>) -> Result<(), String> {
        let mut site = lock(&self.site);
        for (part, rows) in parts {
            let rows = rows.as_array().ok_or_else(|| format!("{part} is not a list"))?;
            match part.as_str() {
                "issues" => {
                    site.clear();
                    rows.iter().try_for_each(|row| dump::load(&mut site, row))?;
                }
                // People and organizations are the cast's, the same in every world of a seed.
                "users" | "organizations" => {}
                _ => return Err(format!("no part {part:?}")),
            }
        }
        Ok(())
    }

    fn fault(&self, fault: &Fault, acted: Option<(u16, &[u8])>, now: Timestamp) -> Response {
        // A personal access token does not expire by the hour.
        let lasting = self.flavour == Flavour::DataCenter && *fault == Fault::Expired;
        errors::fault(if lasting { &Fault::Unavailable } else { fault }, acted, now)
    }

    fn switch(&self, name: &str, value: &Value) -> Result<(), String> {
        let mut site = lock(&self.site);
        let number = || value.as_u64().ok_or_else(|| format!("{name} is a number"));
        let optional = || if value.is_null() { Ok(None) } else { number().map(Some) };
        let truth = || value.as_bool().ok_or_else(|| format!("{name} is true or false"));
        match name {
            "index_lag_seconds" => site.switches.index_lag_seconds = optional()?.map(u64::cast_signed),
            "burst_per_second" => site.switches.burst_per_second = optional()?,
            "quota_points_per_hour" => site.switches.quota_points_per_hour = optional()?,
            "page_max" => site.switches.page_max = usize::try_from(number()?.max(1)).unwrap_or(usize::MAX),
            "numeric_created" => site.switches.numeric_created = truth()?,
            "labels_off_screen" => site.switches.labels_off_screen = truth()?,
            "closed_read_only" => site.switches.closed_read_only = truth()?,
            "basic_disabled" => site.switches.basic_disabled = truth()?,
            "integration_zone" => {
                let zone = value.as_str().filter(|zone| jiff::tz::TimeZone::get(zone).is_ok());
                let zone = zone.ok_or_else(|| format!("{name} is a time zone"))?.to_owned();
                let at = site.integration;
                site.users[at].zone = zone;
            }
            "integration_is_admin" => {
                let at = site.integration;
                site.users[at].admin = truth()?;
            }
            _ => return Err(format!("{} has no switch {name:?}", self.name())),
        }
        Ok(())
    }
}
