//! Tokens: fetched by one request at a time, renewed before they end, fetched anew when the vendor refuses one.
//!
//! Must not know: budgets, who asks.

use crate::clock::Clock;
use dutyd_connectors::transport::TokenForm;
use dutyd_connectors::{Method, Request, TransportError};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Part of a token's life after which it is renewed.
const RENEW_AT_SHARE: f64 = 0.8;
/// How long a refused sign-in is not tried again: repeated failures lock accounts.
const REFUSED_FOR: SignedDuration = SignedDuration::from_secs(60);
/// Life of the assertion we sign.
const ASSERTION_LIFE_SECONDS: i64 = 180;
const LIFE_SECONDS_MAX: u64 = 7 * 24 * 3600;

/// A token and the number of the sign-in that fetched it.
#[derive(Clone)]
pub struct Token {
    pub value: SecretString,
    pub number: u64,
}

/// The token of one source.
pub struct TokenKeeper {
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<(Token, Timestamp, Timestamp)>,
    fetched: u64,
    refused: Option<(String, Timestamp)>,
}

/// The vendor's answer to a token request.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<Seconds>,
}

/// Some servers write the number as a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

/// Sends a token request; the transport's unsigned door.
#[async_trait::async_trait]
pub trait Unsigned: Send + Sync {
    async fn send_unsigned(&self, request: Request) -> Result<dutyd_connectors::Response, TransportError>;
}

impl TokenKeeper {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, held: Mutex::default() }
    }

    /// A token that is still good. `refused`: the number of one that the vendor has just refused. Everyone else waits
    /// while one fetches.
    pub async fn token(
        &self,
        sign_in: &TokenSignIn<'_>,
        door: &dyn Unsigned,
        refused: Option<u64>,
    ) -> Result<Token, TransportError> {
        let mut held = self.held.lock().await;
        let now = self.clock.now();
        if let Some((token, renew_at, _)) = &held.token
            && now < *renew_at
            && refused.is_none_or(|number| number < token.number)
        {
            return Ok(token.clone());
        }
        if let Some((reason, until)) = &held.refused
            && now < *until
            && until.duration_since(now) <= REFUSED_FOR
        {
            return Err(TransportError::SignedOut { reason: reason.clone() });
        }
        match fetch(sign_in, door, now).await {
            Ok((value, life)) => Ok(held.keep(value, life, now)),
            // A renewal that fails while the token still lives is tried again with the next request.
            Err(error) => held.survive(error, now, refused),
        }
    }
}

impl Held {
    fn keep(&mut self, value: SecretString, life: SignedDuration, now: Timestamp) -> Token {
        let ends_at = now.saturating_add(life).unwrap_or(Timestamp::MAX);
        // Some servers hand out the same token until it ends: asking again before that would be in vain.
        let same =
            self.token.as_ref().is_some_and(|(old, _, _)| old.value.expose_secret() == value.expose_secret());
        let share = if same { 1.0 } else { RENEW_AT_SHARE };
        let renew_at = now.saturating_add(life.mul_f64(share)).unwrap_or(Timestamp::MAX);
        self.fetched += 1;
        self.refused = None;
        let token = Token { value, number: self.fetched };
        self.token = Some((token.clone(), renew_at, ends_at));
        token
    }

    fn survive(
        &mut self,
        error: TransportError,
        now: Timestamp,
        refused: Option<u64>,
    ) -> Result<Token, TransportError> {
        if let TransportError::SignedOut { reason } = &error {
            let until = now.saturating_add(REFUSED_FOR).unwrap_or(Timestamp::MAX);
            self.refused = Some((reason.clone(), until));
            return Err(error);
        }
        match &self.token {
            Some((token, _, ends_at)) if now < *ends_at && refused.is_none() => Ok(token.clone()),
            _ => Err(error),
        }
    }
}

/// A way to get a token.
pub enum TokenSignIn<'a> {
    Form(&'a TokenForm),
    Jwt {
        form: &'a TokenForm,
        issuer: &'a str,
        subject: &'a str,
        audience: &'a str,
        private_key_pem: &'a SecretString,
    },
}

impl TokenSignIn<'_> {
    fn form(&self) -> &TokenForm {
        match self {
            TokenSignIn::Form(form) | TokenSignIn::Jwt { form, .. } => form,
        }
    }

    /// The form's fields, with a freshly signed assertion where one is asked for.
    fn fields(&self, now: Timestamp) -> Result<Vec<(String, String)>, TransportError> {
        let form = self.form();
        let open = form.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let secret =
            form.secrets.iter().map(|(name, value)| ((*name).to_owned(), value.expose_secret().to_owned()));
        let mut fields: Vec<_> = open.chain(secret).collect();
        if let TokenSignIn::Jwt { issuer, subject, audience, private_key_pem, .. } = self {
            fields
                .push(("assertion".to_owned(), assertion(issuer, subject, audience, private_key_pem, now)?));
        }
        Ok(fields)
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
}

fn assertion(
    issuer: &str,
    subject: &str,
    audience: &str,
    key: &SecretString,
    now: Timestamp,
) -> Result<String, TransportError> {
    let unusable = |error: jsonwebtoken::errors::Error| TransportError::SignedOut {
        reason: format!("the private key cannot sign: {error}"),
    };
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(key.expose_secret().as_bytes()).map_err(unusable)?;
    let exp = now.as_second() + ASSERTION_LIFE_SECONDS;
    let claims = Claims { iss: issuer, sub: subject, aud: audience, exp };
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    jsonwebtoken::encode(&header, &claims, &key).map_err(unusable)
}

async fn fetch(
    sign_in: &TokenSignIn<'_>,
    door: &dyn Unsigned,
    now: Timestamp,
) -> Result<(SecretString, SignedDuration), TransportError> {
    let form = sign_in.form();
    let fields = sign_in.fields(now)?;
    let (kind, body) = if form.as_json {
        let object: serde_json::Map<String, serde_json::Value> =
            fields.into_iter().map(|(name, value)| (name, value.into())).collect();
        ("application/json", serde_json::Value::Object(object).to_string())
    } else {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        ("application/x-www-form-urlencoded", body)
    };
    let request = Request {
        method: Method::Post,
        path: form.path.clone(),
        headers: vec![("accept", "application/json".to_owned())],
        body: Some((kind, body.into())),
        lane: dutyd_connectors::Lane::Write,
    };
    let response = door.send_unsigned(request).await.map_err(never_sent)?;
    read_answer(&response, form.default_life_seconds, now)
}

/// Whatever happened to the token request, the request it was for has not been sent.
fn never_sent(error: TransportError) -> TransportError {
    match error {
        TransportError::NoAnswer { reason } => {
            TransportError::NotSent { reason: format!("sign-in: {reason}") }
        }
        other => other,
    }
}

fn read_answer(
    response: &dutyd_connectors::Response,
    default_life_seconds: u64,
    now: Timestamp,
) -> Result<(SecretString, SignedDuration), TransportError> {
    match response.status {
        200 | 201 => {}
        429 => {
            let seconds = response.header("retry-after").and_then(|text| text.trim().parse().ok());
            let wait = SignedDuration::from_secs(seconds.unwrap_or(60i64).clamp(1, 3600));
            return Err(TransportError::Throttled {
                until: now.saturating_add(wait).unwrap_or(Timestamp::MAX),
            });
        }
        status @ 400..=499 => {
            let reason = format!("the token endpoint answered {status}{}", oauth_reason(&response.body));
            return Err(TransportError::SignedOut { reason });
        }
        status => {
            let reason = format!("the token endpoint answered {status}");
            return Err(TransportError::NotSent { reason });
        }
    }
    let answer: Answer = serde_json::from_slice(&response.body).map_err(|_| TransportError::NotSent {
        reason: "the token endpoint answered with something that is not a token".to_owned(),
    })?;
    let life = match answer.expires_in {
        Some(Seconds::Number(seconds)) => seconds,
        Some(Seconds::Text(text)) => text.parse().unwrap_or(default_life_seconds),
        None => default_life_seconds,
    };
    let life = SignedDuration::from_secs(life.min(LIFE_SECONDS_MAX) as i64);
    Ok((SecretString::from(answer.access_token), life))
}

/// The error word of an OAuth answer. Its description is left out: it may repeat what we sent.
fn oauth_reason(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    serde_json::from_slice::<Refusal>(body)
        .ok()
        .filter(|refusal| refusal.error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        .map(|refusal| format!(" ({})", refusal.error))
        .unwrap_or_default()
}
