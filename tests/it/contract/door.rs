//! The door to a sandbox called in-process: signs requests as the profile says, carries them, and can spoil answers.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dutyd_connectors::transport::{SignIn, TokenForm};
use dutyd_connectors::{Connector, Method, Request, Response, Transport, TransportError};
use secrecy::ExposeSecret;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// Changes the body of an answer to a path on its way to the connector.
pub type Spoil = Box<dyn Fn(&str, &[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// A transport without a socket.
pub struct Door {
    router: Router,
    host: String,
    sign_in: SignIn,
    token: Mutex<Option<String>>,
    pub spoil: Mutex<Option<Spoil>>,
    /// Whether a new session would cure an answer.
    over: Box<dyn Fn(&Response) -> bool + Send + Sync>,
}

impl Door {
    pub fn new(router: Router, host: String, sign_in: SignIn) -> Self {
        let over = Box::new(|answer: &Response| answer.status == 401);
        Self { router, host, sign_in, token: Mutex::new(None), spoil: Mutex::new(None), over }
    }

    /// The same, but the connector says when a session is over.
    pub fn judged_by(self, connector: &Arc<dyn Connector>) -> Self {
        let judge = connector.clone();
        Self { over: Box::new(move |answer| judge.session_is_over(answer)), ..self }
    }

    /// One request and its answer, without a socket.
    pub async fn carry(
        &self,
        request: &Request,
        authorization: Option<&str>,
    ) -> Result<Response, TransportError> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        };
        let mut built =
            axum::http::Request::builder().method(method).uri(&request.path).header("host", &self.host);
        for (name, value) in &request.headers {
            built = built.header(*name, value);
        }
        if let Some(authorization) = authorization {
            built = built.header("authorization", authorization);
        }
        if let Some((kind, _)) = &request.body {
            built = built.header("content-type", *kind);
        }
        let body = request.body.as_ref().map(|(_, bytes)| bytes.clone()).unwrap_or_default();
        let built = built
            .body(Body::from(body))
            .map_err(|error| TransportError::Forbidden { reason: error.to_string() })?;
        let Ok(answer) = self.router.clone().oneshot(built).await;
        read(answer).await
    }

    /// What signs a request where no token is fetched.
    pub fn fixed_authorization(&self) -> Option<String> {
        match &self.sign_in {
            SignIn::Basic { user, password } => {
                let pair = format!("{user}:{}", password.expose_secret());
                Some(format!("Basic {}", STANDARD.encode(pair)))
            }
            SignIn::Bearer { token } => Some(format!("Bearer {}", token.expose_secret())),
            _ => None,
        }
    }

    async fn authorization(&self, renew: bool) -> Result<Option<String>, TransportError> {
        let form = match &self.sign_in {
            SignIn::None | SignIn::Basic { .. } | SignIn::Bearer { .. } => {
                return Ok(self.fixed_authorization());
            }
            SignIn::TokenForm(form) => form,
            SignIn::JwtBearer { form, .. } => form,
        };
        let known = self.token.lock().expect("no test panics with the lock").clone();
        if let Some(token) = known.filter(|_| !renew) {
            return Ok(Some(token));
        }
        let token = format!("Bearer {}", self.sign_in_by(form).await?);
        *self.token.lock().expect("no test panics with the lock") = Some(token.clone());
        Ok(Some(token))
    }

    /// Asks a few times: a hostile sandbox strikes the token endpoint too.
    async fn sign_in_by(&self, form: &TokenForm) -> Result<String, TransportError> {
        let secrets = form.secrets.iter().map(|(name, secret)| (*name, secret.expose_secret().to_owned()));
        let fields: Vec<(&str, String)> =
            form.fields.iter().map(|(name, value)| (*name, value.clone())).chain(secrets).collect();
        let (kind, body) = match form.as_json {
            true => {
                let object: serde_json::Map<String, serde_json::Value> =
                    fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
                ("application/json", serde_json::Value::Object(object).to_string())
            }
            false => {
                let mut pairs = url::form_urlencoded::Serializer::new(String::new());
                for (name, value) in &fields {
                    pairs.append_pair(name, value);
                }
                ("application/x-www-form-urlencoded", pairs.finish())
            }
        };
        let mut request = Request::json(Method::Post, form.path.clone(), body, dutyd_connectors::Lane::Hot);
        request.body = request.body.map(|(_, bytes)| (kind, bytes));
        for _ in 0..3 {
            let Ok(answer) = self.carry(&request, None).await else { continue };
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            if let Some(token) = body["access_token"].as_str() {
                return Ok(token.to_owned());
            }
        }
        Err(TransportError::SignedOut { reason: "no token".to_owned() })
    }
}

/// An answer that the sandbox dropped is no answer.
async fn read(answer: axum::response::Response) -> Result<Response, TransportError> {
    if answer.headers().contains_key(dutyd_sandbox::gate::HANGUP_HEADER) {
        return Err(TransportError::NoAnswer { reason: "the connection was dropped".to_owned() });
    }
    let status = answer.status().as_u16();
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers =
        answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
    let body = body.map_err(|error| TransportError::NoAnswer { reason: error.to_string() })?;
    Ok(Response { status, headers, body })
}

#[async_trait]
impl Transport for Door {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        super::operations::assert_described(&request);
        let authorization = self.authorization(false).await?;
        let mut answer = self.carry(&request, authorization.as_deref()).await?;
        let renewable = matches!(self.sign_in, SignIn::TokenForm(_) | SignIn::JwtBearer { .. });
        // Twice: a token may run out and the hostile sandbox take the next one back.
        for _ in 0..2 {
            if renewable && (self.over)(&answer) {
                let authorization = self.authorization(true).await?;
                answer = self.carry(&request, authorization.as_deref()).await?;
            }
        }
        let spoil = self.spoil.lock().expect("no test panics with the lock");
        let spoiled = spoil.as_ref().and_then(|spoil| spoil(&request.path, &answer.body));
        if let Some(body) = spoiled {
            answer.body = body.into();
        }
        Ok(answer)
    }
}
