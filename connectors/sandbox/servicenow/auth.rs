//! Who calls: Basic credentials, OAuth tokens and their grants, roles. Time is the sandbox's.
//! Knows accounts and tokens; what they may do to records is asked of `Rights`.
// Vendor: platform-security/authentication/r_OAuthAPIRequestParameters.

use super::store::Store;
use crate::dice;
use axum::http::HeaderMap;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Life of an access token.
pub const TOKEN_SECONDS: i64 = 1_800;

/// Roles that the connector's account needs.
pub const MINIMUM_ROLES: &[&str] = &["itil", "sn_incident_write", "sn_customerservice_agent", "audit_viewer"];

#[derive(Clone, Debug)]
pub struct User {
    pub user_name: String,
    pub password: String,
}

pub struct Accounts {
    seed: u64,
    pub integration: User,
    pub reader: User,
    pub client_id: String,
    pub client_secret: String,
    pub webhook_secret: String,
    /// Access token by user: its text and when it ends.
    tokens: BTreeMap<String, (String, i64)>,
    refresh: BTreeMap<String, String>,
    issued: u64,
}

impl Accounts {
    pub fn new(seed: u64) -> Accounts {
        let secret = |what: &str| dice::hex_id(seed, &[b"secret", what.as_bytes()]);
        let user =
            |name: &str| User { user_name: name.to_owned(), password: format!("Pw-{}", &secret(name)[..20]) };
        Accounts {
            seed,
            integration: user("dutyd.integration"),
            reader: user("demo.reader"),
            client_id: secret("client"),
            client_secret: secret("client secret"),
            webhook_secret: secret("webhook"),
            tokens: BTreeMap::new(),
            refresh: BTreeMap::new(),
            issued: 0,
        }
    }

    fn by_password(&self, name: &str, password: &str) -> Option<&User> {
        [&self.integration, &self.reader]
            .into_iter()
            .find(|user| user.user_name == name && user.password == password)
    }

    /// The user name behind a request's credentials.
    pub fn caller(&self, headers: &HeaderMap, now: Timestamp) -> Option<String> {
        if let Some((name, password)) = crate::route::basic(headers) {
            return self.by_password(&name, &password).map(|user| user.user_name.clone());
        }
        let header = headers.get("authorization")?.to_str().ok()?;
        let token = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer "))?.trim();
        let now = now.as_second();
        self.tokens
            .iter()
            .find(|(_, (text, ends_at))| text == token && *ends_at > now)
            .map(|(name, _)| name.clone())
    }

    /// `/oauth_token.do`: the token's JSON fields, `None` for any refusal.
    pub fn grant(&mut self, form: &[(String, String)], now: i64) -> Option<serde_json::Value> {
        let field =
            |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        if field("client_id") != self.client_id || field("client_secret") != self.client_secret {
            return None;
        }
        let user = match field("grant_type") {
            "password" => self.by_password(field("username"), field("password"))?.user_name.clone(),
            "client_credentials" => self.integration.user_name.clone(),
            "refresh_token" => self.refresh.get(field("refresh_token"))?.clone(),
            _ => return None,
        };
        let (token, ends_at) = self.token_of(&user, now);
        let refresh = format!("RT-{}", dice::hex_id(self.seed, &[b"refresh", user.as_bytes()]));
        self.refresh.insert(refresh.clone(), user);
        Some(serde_json::json!({
            "access_token": token,
            "refresh_token": refresh,
            "scope": "useraccount",
            "token_type": "Bearer",
            "expires_in": ends_at - now - 1,
        }))
    }

    /// The current token while it lives, a new one afterwards.
    fn token_of(&mut self, user: &str, now: i64) -> (String, i64) {
        if let Some((token, ends_at)) = self.tokens.get(user)
            && *ends_at > now + 1
        {
            return (token.clone(), *ends_at);
        }
        self.issued += 1;
        let token = format!("AT-{}", dice::hex_id(self.seed, &[user.as_bytes(), &self.issued.to_le_bytes()]));
        self.tokens.insert(user.to_owned(), (token.clone(), now + TOKEN_SECONDS));
        (token, now + TOKEN_SECONDS)
    }

    /// Takes all tokens back.
    pub fn expire(&mut self) {
        self.tokens.clear();
    }
}

/// Whether a user holds a role, or `admin`, by `sys_user_has_role`.
pub fn has_role(store: &Store, user_id: &str, role: &str) -> bool {
    let Some(table) = store.table("sys_user_has_role") else { return false };
    let (Some(user), Some(of)) = (table.column("user"), table.column("role")) else { return false };
    table.keyed(user, user_id).unwrap_or_default().iter().filter_map(|slot| table.row(*slot)).any(|row| {
        store
            .field("sys_user_role", &row.values[of], "name")
            .is_some_and(|name| *name == *role || *name == *"admin")
    })
}
