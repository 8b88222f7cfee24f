//! `Transport`: the only door to the network. It carries bytes, signs requests and keeps budgets; connectors describe.

use crate::Budget;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

/// Carries one request to the configured origin and back. In production reqwest behind budgets; in tests the
/// sandbox's router, called in-process.
#[async_trait]
pub trait Transport: Send + Sync {
    async fn send(&self, request: Request) -> Result<Response, TransportError>;

    /// How far the vendor's clock is ahead of ours, as far as its answers tell.
    fn offset(&self) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// What the vendor last said about its own limits.
    fn budget(&self) -> Option<Budget> {
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// Who goes first when the budget is short: writing back before hot reads before backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    Write,
    Hot,
    Backfill,
}

/// One request. `path` starts with `/` and is already percent-encoded; the origin is the source's, never a vendor's word.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    /// Path and query.
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    /// Content type and bytes.
    pub body: Option<(&'static str, Bytes)>,
    pub lane: Lane,
}

impl Request {
    pub fn get(path: impl Into<String>, lane: Lane) -> Self {
        Self { method: Method::Get, path: path.into(), headers: Vec::new(), body: None, lane }
    }

    /// A request with a JSON body.
    pub fn json(method: Method, path: impl Into<String>, body: impl Into<Bytes>, lane: Lane) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Some(("application/json", body.into())),
            lane,
        }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An answer, read whole within the size bound.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Response {
    /// First value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The vendor's clock when it answered, from its `Date` header.
    pub fn date(&self) -> Option<Timestamp> {
        http_date(self.header("date")?)
    }

    /// Whether this is a page for people and no data: a sign-in page, maintenance.
    pub fn is_page(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.contains("html"))
            || self.body.trim_ascii_start().first() == Some(&b'<')
    }
}

/// `Sat, 21 Nov 2026 09:30:12 GMT`.
pub fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|at| at.timestamp())
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TransportError {
    /// Our own budget is spent until then.
    #[error("own request budget spent until {until}")]
    Throttled { until: Timestamp },
    #[error("sign-in failed: {reason}")]
    SignedOut { reason: String },
    /// The request never left: it cannot have changed anything.
    #[error("not sent: {reason}")]
    NotSent { reason: String },
    /// It may have arrived.
    #[error("no answer: {reason}")]
    NoAnswer { reason: String },
    /// The path would leave the configured origin or break a bound.
    #[error("forbidden address: {reason}")]
    Forbidden { reason: String },
}

/// How a source signs in; `src` does it, stores what must be stored, and renews in time.
#[derive(Debug, Clone)]
pub enum SignIn {
    None,
    Basic {
        user: String,
        password: SecretString,
    },
    /// A token in `Authorization: Bearer`.
    Bearer {
        token: SecretString,
    },
    /// A POST of form fields to a token endpoint of the origin.
    TokenForm(TokenForm),
    /// A signed JWT exchanged for a token.
    JwtBearer {
        form: TokenForm,
        issuer: String,
        subject: String,
        audience: String,
        private_key_pem: SecretString,
    },
}

/// A token request.
#[derive(Debug, Clone)]
pub struct TokenForm {
    /// Path on the origin.
    pub path: String,
    pub fields: Vec<(&'static str, String)>,
    pub secrets: Vec<(&'static str, SecretString)>,
    /// Send the fields as JSON instead of a form.
    pub as_json: bool,
    /// Life of a token where the answer does not say it.
    pub default_life_seconds: u64,
}
