//! Who is asking: OAuth tokens with scopes and ends, API tokens, and the anonymous caller.
//! Knows grants and headers; knows users only by id.

use super::reply::{Answer, Reply, invalid_token, ok, unauthenticated};
use crate::route::Call;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::HashMap;

const LIFE_SECONDS: i64 = 1_800;
const REFRESH_SECONDS: i64 = 2_592_000;
/// Words that Zendesk knows as scopes; others are granted silently and allow nothing.
const RESOURCES: &[&str] = &[
    "tickets",
    "users",
    "organizations",
    "webhooks",
    "triggers",
    "automations",
    "macros",
    "requests",
    "hc",
    "apps",
    "targets",
    "auditlogs",
    "satisfaction_ratings",
];

/// The caller of a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `None`: nobody.
    pub user: Option<u64>,
    /// `None`: an API token, which may do what its user may.
    pub scopes: Option<Vec<String>>,
    pub token: Option<String>,
}

#[derive(Clone, Debug)]
struct Token {
    id: u64,
    user: u64,
    scopes: Vec<String>,
    ends: i64,
    refresh: String,
    refresh_ends: i64,
}

/// An OAuth client.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    pub secret: String,
    /// The user that its tokens act as.
    pub user: u64,
}

/// Credentials and tokens of one account.
#[derive(Debug)]
pub struct Auth {
    pub integration: Client,
    pub reader: Client,
    pub email: String,
    pub api_token: String,
    tokens: HashMap<String, Token>,
    serial: u64,
    seed: u64,
}

impl Auth {
    pub fn new(seed: u64, (integration, reader): (u64, u64), email: &str) -> Auth {
        let secret = |name: &[u8]| crate::dice::hex_id(seed, &[b"zendesk", name]);
        let client =
            |id: &str, secret: [String; 2], user| Client { id: id.to_owned(), secret: secret.concat(), user };
        Auth {
            integration: client("dutyd_sync", [secret(b"client"), secret(b"client2")], integration),
            reader: client("demo_reader", [secret(b"reader"), secret(b"reader2")], reader),
            email: email.to_owned(),
            api_token: secret(b"api token"),
            tokens: HashMap::new(),
            serial: 0,
            seed,
        }
    }

    /// Who a request comes from. `user_of` finds a user by address.
    pub fn caller(&self, call: &Call, user_of: impl Fn(&str) -> Option<u64>) -> Result<Caller, Reply> {
        let Some(header) = call.header("authorization") else {
            return Ok(Caller { user: None, scopes: None, token: None });
        };
        if let Some(token) = header.strip_prefix("Bearer ").map(str::trim) {
            let known = self.tokens.get(token).filter(|known| call.now.as_second() < known.ends);
            let known = known.ok_or_else(invalid_token)?;
            let (user, scopes) = (Some(known.user), Some(known.scopes.clone()));
            return Ok(Caller { user, scopes, token: Some(token.to_owned()) });
        }
        let plain = header.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text.trim()).ok());
        let plain = plain.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(unauthenticated)?;
        // Sign-in with a password is retired; only `{email}/token:{api_token}` is taken.
        let (name, secret) = plain.split_once(':').ok_or_else(unauthenticated)?;
        let email =
            name.strip_suffix("/token").filter(|_| secret == self.api_token).ok_or_else(unauthenticated)?;
        let user = user_of(email).ok_or_else(unauthenticated)?;
        Ok(Caller { user: Some(user), scopes: None, token: None })
    }

    /// `POST /oauth/tokens`, with a form or JSON.
    pub fn grant(&mut self, call: &Call) -> Answer {
        let fields = fields_of(call);
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or("");
        let known = [&self.integration, &self.reader]
            .into_iter()
            .find(|client| client.id == field("client_id") && client.secret == field("client_secret"));
        let client =
            known.ok_or_else(|| oauth_error(401, "invalid_client", "Client authentication failed."))?;
        let now = call.now.as_second();
        let (user, scopes) = match field("grant_type") {
            "client_credentials" => (client.user, field("scope").to_owned()),
            "refresh_token" => {
                let old = self.tokens.iter().find(|(_, token)| token.refresh == field("refresh_token"));
                let old = old.filter(|(_, token)| now < token.refresh_ends).map(|(name, _)| name.clone());
                // A refresh ends both the old access token and the old refresh token.
                let old = old.and_then(|name| self.tokens.remove(&name));
                let old =
                    old.ok_or_else(|| oauth_error(400, "invalid_grant", "The refresh token is invalid."))?;
                (old.user, old.scopes.join(" "))
            }
            _ => return Err(oauth_error(400, "unsupported_grant_type", "The grant type is not supported.")),
        };
        let life = bounded(field("expires_in"), 300, 172_800, LIFE_SECONDS)?;
        let refresh_life = bounded(field("refresh_token_expires_in"), 604_800, 7_776_000, REFRESH_SECONDS)?;
        Ok(self.issue(
            user,
            if scopes.is_empty() { "read write" } else { &scopes },
            now,
            (life, refresh_life),
        ))
    }

    fn issue(&mut self, user: u64, scopes: &str, now: i64, (life, refresh_life): (i64, i64)) -> Reply {
        self.serial += 1;
        let random = |name: &[u8]| crate::dice::hex_id(self.seed, &[name, &self.serial.to_le_bytes()]);
        let (name, refresh) = (format!("{}{}", random(b"access"), random(b"access2")), random(b"refresh"));
        let token = Token {
            id: 90_000_000_000 + self.serial,
            user,
            scopes: scopes.split_whitespace().map(str::to_owned).collect(),
            ends: now + life,
            refresh: refresh.clone(),
            refresh_ends: now + refresh_life,
        };
        self.tokens.retain(|_, token| token.refresh_ends > now);
        self.tokens.insert(name.clone(), token);
        Reply::new(
            200,
            json!({
                "access_token": name, "token_type": "bearer", "scope": scopes, "expires_in": life,
                "refresh_token": refresh, "refresh_token_expires_in": refresh_life,
            }),
        )
    }

    /// `GET /oauth/tokens/current`.
    pub fn current(&self, caller: &Caller, origin: &str) -> Answer {
        let token = caller
            .token
            .as_ref()
            .and_then(|name| self.tokens.get(name))
            .ok_or_else(super::reply::no_record)?;
        let ends = super::shape::stamp(token.ends);
        ok(json!({ "token": {
            "id": token.id, "url": format!("{origin}/api/v2/oauth/tokens/{}.json", token.id), "user_id": token.user,
            "client_id": 70_000_000_001_u64, "scopes": token.scopes, "expires_at": ends, "refresh_token": null,
        }}))
    }

    /// All tokens end now.
    pub fn expire_all(&mut self) {
        self.tokens.values_mut().for_each(|token| token.ends = i64::MIN);
    }
}

/// Whether a caller's scopes allow a request. `resource` is the path's first word.
pub fn allowed(scopes: &[String], reading: bool, resource: &str) -> bool {
    let verb = if reading { "read" } else { "write" };
    let family = match resource {
        "incremental" | "search" | "ticket_fields" | "ticket_metrics" | "job_statuses" | "tags"
        | "deleted_tickets" => "tickets",
        other => other,
    };
    let known = |scope: &str| {
        matches!(scope, "read" | "write")
            || scope.split_once(':').is_some_and(|(name, _)| RESOURCES.contains(&name))
    };
    let free = reading && !RESOURCES.contains(&family);
    scopes.iter().any(|scope| scope == verb || *scope == format!("{family}:{verb}"))
        || (free && scopes.iter().any(|scope| known(scope)))
}

fn oauth_error(status: u16, code: &str, text: &str) -> Reply {
    Reply::new(status, json!({ "error": code, "error_description": text }))
}

fn bounded(text: &str, least: i64, most: i64, otherwise: i64) -> Result<i64, Reply> {
    if text.is_empty() {
        return Ok(otherwise);
    }
    let value = text.parse().ok().filter(|value| (least..=most).contains(value));
    value.ok_or_else(|| oauth_error(400, "invalid_request", "expires_in is out of range"))
}

fn fields_of(call: &Call) -> HashMap<String, String> {
    if let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(&call.body) {
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return object.into_iter().map(|(name, value)| (name, text(value))).collect();
    }
    call.form().into_iter().collect()
}
