//! The only file that opens connections: one door per source, signed, budgeted, bounded, to one origin only.
//!
//! Knows: addresses, tokens, budgets, sizes and times. Must not know: what the requests mean, or any vendor by name.

mod address;
mod budget;
mod client;
mod post;
mod token;

pub use address::{Origin, is_loopback};
pub use budget::Allowance;
pub use client::{client, post_json};
pub use post::{Door, PostError, channel_address};
pub use token::{Token, TokenKeeper, TokenSignIn, Unsigned};

use crate::clock::Clock;
use crate::metrics::Metrics;
use async_trait::async_trait;
use base64::Engine as _;
use bytes::BytesMut;
use dutyd_connectors::transport::SignIn;
use dutyd_connectors::{Budget, Connector, Lane, Method, Request, Response, Transport, TransportError};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Until the connection stands.
pub const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Until the answer's head is there.
pub const HEAD_MAX: Duration = Duration::from_secs(15);
/// Until the answer is read.
pub const WHOLE_MAX: Duration = Duration::from_secs(60);
/// The longest answer.
pub const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// An offset of the vendor's clock below this is the grain of its `Date` header and the time on the way.
const OFFSET_MIN: SignedDuration = SignedDuration::from_secs(2);

/// The door to one source.
pub struct HttpTransport {
    source: String,
    origin: Origin,
    client: reqwest::Client,
    connector: Arc<dyn Connector>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    allowance: Allowance,
    tokens: TokenKeeper,
    /// All requests at once; reads leave one place to writes.
    places: Semaphore,
    read_places: Semaphore,
    /// Milliseconds that the vendor's clock is ahead of ours.
    offset_ms: AtomicI64,
}

impl HttpTransport {
    /// `client` from [`client()`]. The connector describes origin, sign-in and limits.
    pub fn new(
        source: impl Into<String>,
        client: reqwest::Client,
        connector: Arc<dyn Connector>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, String> {
        let profile = connector.profile();
        let places = profile.concurrency.max(1);
        Ok(Self {
            source: source.into(),
            origin: Origin::new(&profile.origin)?,
            client,
            allowance: Allowance::new(profile.requests_per_minute, clock.clone()),
            tokens: TokenKeeper::new(clock.clone()),
            places: Semaphore::new(places),
            read_places: Semaphore::new(places.saturating_sub(1).max(1)),
            offset_ms: AtomicI64::new(0),
            connector,
            clock,
            metrics,
        })
    }

    /// The same door without an allowance of our own, for whoever reads a demo's vendors back while their time stands.
    pub fn unmetered(self) -> Self {
        Self { allowance: Allowance::new(u32::MAX, self.clock.clone()), ..self }
    }

    /// The vendor's time, as far as its answers tell.
    pub fn vendor_now(&self) -> Timestamp {
        self.clock.now().saturating_add(self.offset()).unwrap_or(Timestamp::MAX)
    }

    /// How far the vendor's clock is ahead of ours; zero while the difference cannot be told from the way there.
    pub fn offset(&self) -> SignedDuration {
        SignedDuration::from_millis(self.offset_ms.load(Ordering::Relaxed))
    }

    /// Signs and sends; a token that is refused is renewed and the request sent once more.
    async fn send_signed(&self, request: Request) -> Result<Response, TransportError> {
        let (authorization, number) = self.authorization(None).await?;
        let response = self.exchange(&request, authorization.as_ref()).await?;
        let Some(number) = number.filter(|_| self.connector.session_is_over(&response)) else {
            return Ok(response);
        };
        let (authorization, _) = self.authorization(Some(number)).await?;
        self.take(request.lane)?;
        self.exchange(&request, authorization.as_ref()).await
    }

    /// The `Authorization` header and, for tokens that can be renewed, the token's number.
    async fn authorization(
        &self,
        refused: Option<u64>,
    ) -> Result<(Option<HeaderValue>, Option<u64>), TransportError> {
        let sign_in = match &self.connector.profile().sign_in {
            SignIn::None => return Ok((None, None)),
            SignIn::Basic { user, password } => {
                let pair = format!("{user}:{}", password.expose_secret());
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                return Ok((Some(secret_header(&format!("Basic {encoded}"))?), None));
            }
            SignIn::Bearer { token } => return Ok((Some(bearer(token)?), None)),
            SignIn::TokenForm(form) => TokenSignIn::Form(form),
            SignIn::JwtBearer { form, issuer, subject, audience, private_key_pem } => {
                TokenSignIn::Jwt { form, issuer, subject, audience, private_key_pem }
            }
        };
        let Token { value, number } = self.tokens.token(&sign_in, self, refused).await?;
        Ok((Some(bearer(&value)?), Some(number)))
    }

    fn take(&self, lane: Lane) -> Result<(), TransportError> {
        self.allowance.take(lane).map_err(|until| {
            self.metrics.request(&self.source, lane, "held_back");
            TransportError::Throttled { until }
        })
    }

    async fn place(&self, lane: Lane) -> (Option<SemaphorePermit<'_>>, Option<SemaphorePermit<'_>>) {
        let read = match lane {
            Lane::Write => None,
            Lane::Hot | Lane::Backfill => self.read_places.acquire().await.ok(),
        };
        (read, self.places.acquire().await.ok())
    }

    /// One request and its answer, within the bounds of time and size.
    async fn exchange(
        &self,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, TransportError> {
        let _place = self.place(request.lane).await;
        let built = self.build(request, authorization)?;
        let sent_at = self.clock.now();
        let outcome = self.carry(built).await;
        let label = match &outcome {
            Ok(response) => status_class(response.status),
            Err(TransportError::NotSent { .. }) => "not_sent",
            Err(_) => "no_answer",
        };
        self.metrics.request(&self.source, request.lane, label);
        let response = outcome?;
        self.learn(&response, sent_at);
        Ok(response)
    }

    async fn carry(&self, built: reqwest::Request) -> Result<Response, TransportError> {
        let waiting = self.client.execute(built);
        let head = tokio::time::timeout(HEAD_MAX, waiting).await.map_err(|_| no_answer("no head in time"))?;
        let mut answer = head.map_err(|error| sort_error(&error))?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| no_answer(&chain(&error)))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(no_answer("the answer is longer than 32 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body: body.freeze() })
    }

    fn build(
        &self,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<reqwest::Request, TransportError> {
        let forbidden = |reason: String| TransportError::Forbidden { reason };
        let url = self.origin.join(&request.path).map_err(forbidden)?;
        let mut built = reqwest::Request::new(method(request.method), url);
        let headers = built.headers_mut();
        for (name, value) in &request.headers {
            let value = HeaderValue::from_str(value).map_err(|_| {
                forbidden(format!("the header `{name}` has a value that headers cannot carry"))
            })?;
            headers.insert(HeaderName::from_static(name), value);
        }
        if let Some(authorization) = authorization {
            headers.insert(reqwest::header::AUTHORIZATION, authorization.clone());
        }
        if let Some((kind, body)) = &request.body {
            headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static(kind));
            *built.body_mut() = Some(body.clone().into());
        }
        Ok(built)
    }

    /// Takes from an answer what it tells by the way: the vendor's time and what is left of its limits.
    fn learn(&self, response: &Response, sent_at: Timestamp) {
        if let Some(budget) = self.connector.budget(response) {
            self.allowance.told(budget);
            self.metrics.vendor_budget(&self.source, &budget);
        }
        if let Some(offset) = clock_offset(response, (sent_at, self.clock.now()), self.offset()) {
            self.offset_ms.store(i64::try_from(offset.as_millis()).unwrap_or(0), Ordering::Relaxed);
        }
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.take(request.lane)?;
        self.send_signed(request).await
    }

    fn offset(&self) -> SignedDuration {
        HttpTransport::offset(self)
    }

    fn budget(&self) -> Option<Budget> {
        self.allowance.last_told()
    }
}

#[async_trait]
impl Unsigned for HttpTransport {
    async fn send_unsigned(&self, request: Request) -> Result<Response, TransportError> {
        self.exchange(&request, None).await
    }
}

/// How far the vendor's clock is ahead of ours, by the `Date` of an answer that was asked for and came at these instants
/// of ours. What is `known` stands as long as the answer does not contradict it. `None`: the answer does not tell.
pub fn clock_offset(
    response: &Response,
    (sent_at, came_at): (Timestamp, Timestamp),
    known: SignedDuration,
) -> Option<SignedDuration> {
    let date = rfc2822::parse(response.header("date")?).ok()?;
    // The header is cut to the second, so its middle is the best guess.
    let told = date.timestamp() + SignedDuration::from_millis(500);
    // The vendor looked at its clock at some instant in between.
    let (least, most) = (told.duration_since(came_at), told.duration_since(sent_at));
    if least - OFFSET_MIN < known && known < most + OFFSET_MIN {
        return Some(known);
    }
    // Of what is possible the least: nothing may be early by the vendor's time.
    Some(if least.abs() < OFFSET_MIN { SignedDuration::ZERO } else { least })
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

fn bearer(token: &SecretString) -> Result<HeaderValue, TransportError> {
    secret_header(&format!("Bearer {}", token.expose_secret()))
}

/// A header value that prints as `Sensitive`.
fn secret_header(text: &str) -> Result<HeaderValue, TransportError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| TransportError::SignedOut {
        reason: "the secret has characters that a header cannot carry; is there a line break in it?"
            .to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn status_class(status: u16) -> &'static str {
    match status {
        401 => "401",
        429 => "429",
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// Whether the request can have reached the vendor.
fn sort_error(error: &reqwest::Error) -> TransportError {
    if error.is_connect() || error.is_builder() {
        TransportError::NotSent { reason: chain(error) }
    } else {
        no_answer(&chain(error))
    }
}

fn no_answer(reason: &str) -> TransportError {
    TransportError::NoAnswer { reason: reason.to_owned() }
}

/// The causes of an error in one line, the address left out: its query may carry data of a case.
fn chain(error: &reqwest::Error) -> String {
    let mut words = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words.push(inner.to_string());
        cause = inner.source();
    }
    match words.is_empty() {
        true if error.is_timeout() => "no answer in time".to_owned(),
        true => "the connection failed".to_owned(),
        false => words.join(": "),
    }
}

#[cfg(test)]
mod tests;
