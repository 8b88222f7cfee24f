//! A receiver on loopback: notes what it is sent, answers as scripted, checks signatures by itself.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Heard {
    pub headers: HeaderMap,
    pub body: String,
}

impl Heard {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// After the text of Standard Webhooks, not after our code.
    pub fn is_signed_with(&self, secret: &str) {
        let key = STANDARD.decode(&secret["whsec_".len()..]).expect("base64");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).expect("a key");
        for part in [self.header("webhook-id"), ".", self.header("webhook-timestamp"), ".", &self.body] {
            mac.update(part.as_bytes());
        }
        let given = self.header("webhook-signature").strip_prefix("v1,").expect("version 1");
        mac.verify_slice(&STANDARD.decode(given).expect("base64")).expect("the signature is right");
    }
}

/// What is done before a request is answered.
type Before = Box<dyn FnMut(usize) + Send>;

#[derive(Default)]
struct Memory {
    heard: Vec<Heard>,
    count: usize,
    answers: VecDeque<u16>,
    before: Option<Before>,
}

pub struct Receiver {
    port: u16,
    memory: Arc<Mutex<Memory>>,
}

async fn hear(
    State(memory): State<Arc<Mutex<Memory>>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap) {
    let mut memory = memory.lock().expect("not poisoned");
    memory.heard.push(Heard { headers, body: String::from_utf8(body.to_vec()).expect("UTF-8") });
    memory.count += 1;
    let count = memory.count;
    if let Some(before) = &mut memory.before {
        before(count);
    }
    let status = memory.answers.pop_front().unwrap_or(200);
    let mut headers = HeaderMap::new();
    headers.insert("location", "/elsewhere".parse().expect("a value"));
    (StatusCode::from_u16(status).expect("a status"), headers)
}

impl Receiver {
    pub async fn new() -> Self {
        let memory: Arc<Mutex<Memory>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let router = Router::new().fallback(hear).with_state(memory.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, memory }
    }

    pub fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The next answers; 200 after them.
    pub fn answers(&self, statuses: &[u16]) {
        self.memory.lock().expect("not poisoned").answers.extend(statuses);
    }

    /// Called with the number of each request before it is answered.
    pub fn before(&self, before: impl FnMut(usize) + Send + 'static) {
        self.memory.lock().expect("not poisoned").before = Some(Box::new(before));
    }

    /// What was heard since the last look.
    pub fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut self.memory.lock().expect("not poisoned").heard)
    }
}
