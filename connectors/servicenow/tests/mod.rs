//! Tests of the connector's parts without a sandbox.

mod hook;
mod normalize;
mod query;
mod scan;
mod wire;
mod write;

use super::{Config, ServiceNow};
use crate::{Request, Response, Secrets, Transport, TransportError};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Mutex;

/// The least configuration with `more` laid over it.
fn config(more: Value) -> Config {
    let mut config = json!({
        "origin": "https://acme.service-now.com",
        "user": "dutyd",
        "sign_in": { "basic": { "password": "password" } },
    });
    for (key, value) in more.as_object().cloned().unwrap_or_default() {
        config[key] = value;
    }
    serde_json::from_value(config).unwrap()
}

fn connector(more: Value) -> ServiceNow {
    let secrets = Secrets([("password".to_owned(), "pw".into())].into());
    ServiceNow::new("here", &config(more), &secrets).unwrap()
}

fn instant(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

/// Answers in order, and remembers what was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<Response, TransportError>>>,
    asked: Mutex<Vec<Request>>,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = Result<Response, TransportError>>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() }
    }

    fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.asked.lock().unwrap().push(request);
        let next = self.answers.lock().unwrap().pop_front();
        next.unwrap_or_else(|| Err(TransportError::NotSent { reason: "the script is over".to_owned() }))
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<String>) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body: body.into().into() }
}
