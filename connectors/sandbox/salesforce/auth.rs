//! Who calls: OAuth grants, sessions, and the old SOAP login. Time is the sandbox's.
//! Knows accounts and sessions; not what they may do to records.
// Vendor: help "OAuth 2.0 client credentials flow", "OAuth 2.0 JWT bearer flow", api-rest/guide/intro_oauth_and_connected_apps.

use crate::dice;
use axum::http::HeaderMap;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Seconds without a call after which a session ends; each call begins them anew.
pub const IDLE_SECONDS: i64 = 7_200;
/// Audiences that an assertion may name, besides the org's own host.
const AUDIENCES: &[&str] = &["https://login.salesforce.com", "https://test.salesforce.com"];

const PUBLIC_KEY: &str = include_str!("sandbox_only.public.pem");
/// The private half; it signs for this sandbox and for nothing else in the world.
pub const PRIVATE_KEY: &str = include_str!("sandbox_only.key.pem");

/// A technical account with the app that runs as it.
#[derive(Clone, Debug)]
pub struct Login {
    pub username: String,
    pub password: String,
    pub client_id: String,
    pub client_secret: String,
}

struct Session {
    username: String,
    used_at: i64,
}

pub struct Accounts {
    seed: u64,
    pub integration: Login,
    pub reader: Login,
    sessions: BTreeMap<String, Session>,
    issued: u64,
}

/// `error` and `error_description` of a refused grant.
pub type Refusal = (&'static str, &'static str);

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
}

/// The token of a request. Vendor: the first Bulk API has a header of its own for it.
fn token(headers: &HeaderMap) -> Option<&str> {
    if let Some(session) = headers.get("x-sfdc-session") {
        return session.to_str().ok();
    }
    let (kind, token) = headers.get("authorization")?.to_str().ok()?.split_once(' ')?;
    ["bearer", "oauth"].iter().any(|known| kind.eq_ignore_ascii_case(known)).then(|| token.trim())
}

impl Accounts {
    pub fn new(seed: u64) -> Accounts {
        let secret = |what: &str| dice::hex_id(seed, &[b"salesforce", what.as_bytes()]);
        let login = |name: &str| Login {
            username: format!("{name}@support.example"),
            password: format!("Pw-{}", &secret(name)[..20]),
            client_id: format!("3MVG9{}", secret(&format!("{name} client"))),
            client_secret: secret(&format!("{name} client secret")).to_uppercase(),
        };
        Accounts {
            seed,
            integration: login("dutyd.integration"),
            reader: login("demo.reader"),
            sessions: BTreeMap::new(),
            issued: 0,
        }
    }

    fn logins(&self) -> [&Login; 2] {
        [&self.integration, &self.reader]
    }

    /// The user name behind a request's token, if its session lives; the call keeps it alive.
    pub fn caller(&mut self, headers: &HeaderMap, now: Timestamp) -> Option<String> {
        let session = self.sessions.get_mut(token(headers)?)?;
        let now = now.as_second();
        if now - session.used_at > IDLE_SECONDS {
            return None;
        }
        session.used_at = now;
        Some(session.username.clone())
    }

    /// The same without keeping anything alive.
    pub fn named(&self, headers: &HeaderMap) -> Option<String> {
        self.sessions.get(token(headers)?).map(|session| session.username.clone())
    }

    /// The token endpoint: the user name to begin a session for, or why not.
    pub fn grant(
        &self,
        form: &[(String, String)],
        headers: &HeaderMap,
        origin: &str,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let field =
            |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        let basic = crate::route::basic(headers);
        let (id, secret) = match (&basic, field("client_id")) {
            (Some((id, secret)), "") => (id.as_str(), secret.as_str()),
            (_, id) => (id, field("client_secret")),
        };
        match field("grant_type") {
            "client_credentials" => Ok(self.app(id, secret)?.username.clone()),
            "password" => {
                self.app(id, secret)?;
                self.by_password(field("username"), field("password"))
            }
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
                self.by_assertion(field("assertion"), origin, now)
            }
            "refresh_token" => {
                let refresh = field("refresh_token");
                let known =
                    self.logins().into_iter().find(|login| self.refresh_token(&login.username) == refresh);
                // Vendor: a public client sends no secret.
                let login = known.ok_or(("invalid_grant", "expired access/refresh token"))?;
                match secret {
                    "" if login.client_id == id => Ok(login.username.clone()),
                    _ => self.app(id, secret).map(|_| login.username.clone()),
                }
            }
            _ => Err(("unsupported_grant_type", "grant type not supported")),
        }
    }

    /// What a person's consent would have given the app; it does not end and does not rotate.
    pub fn refresh_token(&self, username: &str) -> String {
        format!("5Aep861{}", dice::hex_id(self.seed, &[b"refresh", username.as_bytes()]))
    }

    fn app(&self, id: &str, secret: &str) -> Result<&Login, Refusal> {
        let known = self.logins().into_iter().find(|login| login.client_id == id);
        let known = known.ok_or(("invalid_client_id", "client identifier invalid"))?;
        if known.client_secret == secret {
            Ok(known)
        } else {
            Err(("invalid_client", "invalid client credentials"))
        }
    }

    /// Vendor: the security token, where one is needed, is appended to the password.
    pub fn by_password(&self, username: &str, password: &str) -> Result<String, Refusal> {
        let known = self.logins().into_iter().find(|login| login.username == username);
        let known = known.filter(|login| password.starts_with(&login.password));
        known.map(|login| login.username.clone()).ok_or(("invalid_grant", "authentication failure"))
    }

    fn by_assertion(&self, assertion: &str, origin: &str, now: Timestamp) -> Result<String, Refusal> {
        let key = DecodingKey::from_rsa_pem(PUBLIC_KEY.as_bytes()).map_err(|_| ("server_error", "no key"))?;
        let mut validation = Validation::new(Algorithm::RS256);
        // The times are the sandbox's and are looked at below.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Claims>(assertion, &key, &validation)
            .map_err(|_| ("invalid_grant", "invalid assertion"))?
            .claims;
        if !AUDIENCES.contains(&claims.aud.as_str()) && claims.aud != origin {
            return Err(("invalid_grant", "audience is invalid"));
        }
        // Vendor: an end far away is taken; the vendor's own library writes milliseconds (@salesforce/core).
        if claims.exp < now.as_second() {
            return Err(("invalid_grant", "expired authorization code"));
        }
        if !self.logins().iter().any(|login| login.client_id == claims.iss) {
            return Err(("invalid_client_id", "client identifier invalid"));
        }
        let user = self.logins().into_iter().find(|login| login.username == claims.sub);
        user.map(|login| login.username.clone())
            .ok_or(("invalid_grant", "user hasn't approved this consumer"))
    }

    /// A session for a user: the living one, or a new one.
    pub fn begin(&mut self, org_id: &str, username: &str, now: Timestamp) -> String {
        let now = now.as_second();
        let living = self
            .sessions
            .iter_mut()
            .find(|(_, session)| session.username == username && now - session.used_at <= IDLE_SECONDS);
        if let Some((token, session)) = living {
            session.used_at = now;
            return token.clone();
        }
        self.sessions.retain(|_, session| now - session.used_at <= IDLE_SECONDS);
        self.issued += 1;
        let secret = dice::hex_id(self.seed, &[username.as_bytes(), &self.issued.to_le_bytes()]);
        let token = format!("{}!AQ0AQ{secret}", &org_id[..15]);
        self.sessions.insert(token.clone(), Session { username: username.to_owned(), used_at: now });
        token
    }

    pub fn end(&mut self, token: &str) -> bool {
        self.sessions.remove(token).is_some()
    }

    /// Takes all sessions back.
    pub fn expire(&mut self) {
        self.sessions.clear();
    }

    /// Base64 of a hash, as the answer of the token endpoint is signed.
    pub fn signature(&self, id_url: &str, issued_at: &str) -> String {
        BASE64_STANDARD.encode(dice::hex_id(self.seed, &[id_url.as_bytes(), issued_at.as_bytes()]))
    }
}
