//! Addresses that a vendor's answer, a redirect or a mistake could lead us to: whatever it says, only the configured origin
//! is ever connected to. Canaries listen elsewhere and count.
//!
//! Goal G31 and threat S7: `cargo test --test it security::addresses`.

use super::standing::{Standing, door, door_of};
use crate::contract::jira_sites::{CLOUD, DATA_CENTER};
use crate::contract::salesforce_org::SALESFORCE;
use crate::contract::subject::{SERVICENOW, Subject, ZENDESK};
use crate::contract::world::{SOURCE, Setting, World};
use crate::fuzz::dice::Dice;
use crate::reliability::measured;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request as HttpRequest};
use axum::routing::any;
use dutyd::config::NetworkSettings;
use dutyd_connectors::{Connector, Ctx, Lane, Request, Transport, TransportError, build};
use dutyd_core::case::CaseKey;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

/// Listeners where nobody has any business.
pub struct Canaries {
    pub addresses: Vec<SocketAddr>,
    caught: Arc<AtomicUsize>,
}

impl Canaries {
    pub async fn new() -> Self {
        let caught: Arc<AtomicUsize> = Arc::default();
        let mut addresses = Vec::new();
        for place in ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"] {
            // Not every machine has IPv6.
            let Ok(listener) = TcpListener::bind(place).await else { continue };
            addresses.push(listener.local_addr().expect("an address"));
            let caught = caught.clone();
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    caught.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let canaries = Self { addresses, caught };
        // They do catch: one connection of our own each.
        for address in &canaries.addresses {
            TcpStream::connect(address).await.expect("a canary listens");
        }
        while canaries.caught.load(Ordering::SeqCst) < canaries.addresses.len() {
            tokio::task::yield_now().await;
        }
        canaries.caught.store(0, Ordering::SeqCst);
        canaries
    }

    /// Connections since, once what is under way has arrived: one of our own goes last.
    pub async fn caught(&self) -> usize {
        let before = self.caught.load(Ordering::SeqCst);
        for address in &self.addresses {
            TcpStream::connect(address).await.expect("a canary listens");
        }
        while self.caught.load(Ordering::SeqCst) < before + self.addresses.len() {
            tokio::task::yield_now().await;
        }
        self.caught.load(Ordering::SeqCst) - self.addresses.len()
    }

    /// Their addresses as they could be written to slip through a comparison.
    fn hosts(&self) -> Vec<String> {
        let (one, two) = (self.addresses[0].port(), self.addresses[1].port());
        let spellings = [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:127.0.0.1]",
            "0.0.0.0",
            "0",
            "①②⑦.⓪.⓪.①",
            "127。0。0。1",
            "１２７.0.0.1",
            "ⓛocalhost",
            "loc\u{ad}alhost",
            "%6c%6f%63alhost",
            "good.example@127.0.0.1",
            "good:pass@127.0.0.1",
            "127.0.0.1%2f",
        ];
        let mut hosts: Vec<String> = spellings.iter().map(|host| format!("{host}:{one}")).collect();
        hosts.push(format!("127.0.0.2:{two}"));
        hosts.extend(self.addresses.get(2).map(|six| format!("[::1]:{}", six.port())));
        hosts.extend(
            ["169.254.169.254", "metadata.google.internal", "evil.example", "xn--80ak6aa92e.com"]
                .map(str::to_owned),
        );
        hosts
    }

    /// Every way to write that a request should go there.
    pub fn forms(&self) -> Vec<String> {
        const FORMS: [&str; 36] = [
            "//{}/",
            "///{}/",
            "////{}",
            "\\\\{}\\",
            "/\\{}/",
            "\\/{}/",
            "/%2f{}/",
            "/%5c{}/",
            "/.//{}/",
            "/..//{}/",
            "/x/..//{}/",
            "http://{}/",
            "https://{}/",
            "HTTP://{}/",
            "http:{}/",
            "http:/{}/",
            "http:\\\\{}/",
            "http:///{}/",
            "hTtP:/\\{}/",
            "@{}/",
            "/@{}/",
            ":@{}/",
            ".{}/",
            "//good@{}/",
            "//{}#@good/",
            "//{}?@good/",
            "/\t/{}/",
            "\t//{}/",
            "/\r\nHost: {}\r\n",
            "/%0d%0aHost:%20{}",
            "ftp://{}/",
            "ws://{}/",
            "gopher://{}/_x",
            "//{}\\@good/",
            "／／{}/",
            " //{}/",
        ];
        let hosts = self.hosts();
        FORMS.iter().flat_map(|form| hosts.iter().map(|host| form.replace("{}", host))).collect()
    }
}

/// A server that answers everything, and counts.
async fn origin(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// G31. The door itself, given each form as a path, behind a path, and as a redirect of an honest request.
#[tokio::test]
async fn the_door_connects_to_its_origin_only() {
    let canaries = Canaries::new().await;
    let forms = canaries.forms();
    assert!(forms.len() >= 300, "{} forms", forms.len());
    let (seen, said) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(String::new())));
    let (counted, location) = (seen.clone(), said.clone());
    let router = Router::new().fallback(any(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let location = location.lock().expect("a word").clone();
        async move {
            let mut answer = axum::response::Response::new(Body::empty());
            *answer.status_mut() = axum::http::StatusCode::TEMPORARY_REDIRECT;
            for name in ["location", "refresh", "link", "content-location", "alt-svc"] {
                if let Ok(value) = HeaderValue::from_str(&location) {
                    answer.headers_mut().insert(HeaderName::from_static(name), value);
                }
            }
            answer
        }
    }));
    let address = origin(router).await;
    let door = door(&format!("http://{address}"), &NetworkSettings::default(), Arc::new(Standing::now()));
    let (mut refused, mut sent) = (0, 0);
    for form in &forms {
        said.lock().expect("a word").clone_from(form);
        for path in [
            form.clone(),
            format!("/{form}"),
            format!("/x{form}"),
            format!("/x?next={form}"),
            "/honest".to_owned(),
        ] {
            match door.send(Request::get(path.clone(), Lane::Write)).await {
                Err(TransportError::Forbidden { .. }) => refused += 1,
                Ok(answer) => {
                    assert_eq!(answer.status, 307, "{path}");
                    sent += 1;
                }
                Err(error) => panic!("{path:?}: {error}"),
            }
        }
    }
    assert_eq!(seen.load(Ordering::SeqCst), sent, "what was sent went to the origin");
    assert!(sent >= forms.len(), "the honest requests went out");
    assert_eq!(canaries.caught().await, 0, "somebody was led astray");
    measured(
        "G31.door",
        &format!(
            "{} addresses, as paths and redirects: {refused} requests refused, {sent} to the origin, 0 to others",
            forms.len()
        ),
    );
}

/// Says hostile addresses, one after the other, up to so many.
pub struct Liar {
    forms: std::iter::Cycle<std::vec::IntoIter<String>>,
    pub told: usize,
    most: usize,
    dice: Dice,
}

impl Liar {
    pub fn new(forms: Vec<String>, most: usize) -> Self {
        Self { forms: forms.into_iter().cycle(), told: 0, most, dice: Dice::new(1) }
    }

    /// Every other time the truth stays.
    fn lie(&mut self) -> Option<String> {
        if self.told == self.most || self.dice.one_in(2) {
            return None;
        }
        self.told += 1;
        self.forms.next()
    }
}

/// Puts a hostile address in the place of what looks like one in an answer.
fn poison(node: &mut Value, key: &str, liar: &mut Liar) {
    match node {
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| poison(value, key, liar)),
        Value::Array(list) => list.iter_mut().for_each(|value| poison(value, key, liar)),
        Value::String(text) => {
            let key = key.to_ascii_lowercase();
            let named = ["url", "self", "next", "link", "href", "cursor", "token_url", "site"]
                .iter()
                .any(|word| key.contains(word));
            if key != "access_token" && (named || text.starts_with("http") || text.starts_with('/')) {
                liar.lie().into_iter().for_each(|lie| *text = lie);
            }
        }
        _ => {}
    }
}

/// A system of a sandbox on a real socket of its own, whose addresses lead elsewhere: in answers, headers and redirects.
/// `served` is how the sandbox calls the system's own address.
pub async fn poisoned(router: Router, served: &str, liar: &Arc<Mutex<Liar>>) -> SocketAddr {
    let (served, liar) = (served.to_owned(), liar.clone());
    let handler = move |request: HttpRequest<Body>| {
        let (router, served, liar) = (router.clone(), served.clone(), liar.clone());
        async move {
            let host = request.headers()["host"].to_str().unwrap_or_default().to_owned();
            let Ok(answer) = router.oneshot(request).await;
            let (mut head, body) = answer.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
            let mut liar = liar.lock().expect("a liar");
            for name in ["location", "link", "refresh"] {
                let lie = liar.lie().map(|lie| format!("<{lie}>; rel=\"next\""));
                if let Some(value) = lie.and_then(|lie| HeaderValue::from_str(&lie).ok()) {
                    head.headers.insert(HeaderName::from_static(name), value);
                }
            }
            let location = if liar.dice.one_in(8) { liar.lie() } else { None };
            if let Some(value) = location.and_then(|lie| HeaderValue::from_str(&lie).ok()) {
                head.status = axum::http::StatusCode::TEMPORARY_REDIRECT;
                head.headers.insert("location", value);
            }
            head.headers.remove("content-length");
            // Each request opens a connection.
            head.headers.insert("connection", HeaderValue::from_static("close"));
            let honest = String::from_utf8_lossy(&body).replace(&served, &format!("http://{host}"));
            let body = match serde_json::from_str::<Value>(&honest) {
                Ok(mut value) => {
                    poison(&mut value, "", &mut liar);
                    value.to_string().into()
                }
                Err(_) => body,
            };
            axum::response::Response::from_parts(head, Body::from(body))
        }
    };
    origin(Router::new().fallback(any(handler))).await
}

/// G31. Salesforce's `nextRecordsUrl` and `instance_url`, Zendesk's cursors and links, Jira's `self` and tokens.
#[tokio::test]
async fn no_address_in_an_answer_leads_a_connector_elsewhere() {
    let canaries = Canaries::new().await;
    let forms = canaries.forms();
    let subjects: [&'static Subject; 5] = [&SERVICENOW, &ZENDESK, &CLOUD, &DATA_CENTER, &SALESFORCE];
    for subject in subjects {
        let world = World::new(subject, &Setting::new(false)).await;
        world.pass_the_lag().await;
        let mut endpoints = world.endpoints();
        let served = endpoints["base_url"].as_str().expect("an address").to_owned();
        let router = world.sandbox.router(subject.vendor).expect("the vendor is there");
        let liar = Arc::new(Mutex::new(Liar::new(forms.clone(), usize::MAX)));
        endpoints["base_url"] = Value::from(format!("http://{}", poisoned(router, &served, &liar).await));
        let (config, secrets) = (subject.source)(&endpoints, 10);
        let connector: Arc<dyn Connector> = Arc::from(build(SOURCE, &config, &secrets).expect("a connector"));
        let clock = Arc::new(Standing(world.now()));
        let door = door_of(connector.clone(), &NetworkSettings::default(), clock).unmetered();
        let cx = Ctx { http: &door, now: world.now() };
        let keys: Vec<CaseKey> = (subject.titles)(&world.history())
            .into_keys()
            .take(5)
            .map(|id| CaseKey::new(SOURCE, id))
            .collect();
        let mut cursor = None;
        for _ in 0..60 {
            if let Ok(page) = connector.pull(&cx, cursor.as_ref()).await {
                cursor = page.next;
            }
            let _ = connector.fetch(&cx, &keys).await;
            let _ = connector.check(&cx).await;
        }
        let sent = world.sandbox.inner.journal.since(0, Some(subject.vendor)).len();
        assert!(sent > 60, "{}: {sent} requests reached the origin", subject.vendor);
        assert_eq!(canaries.caught().await, 0, "{}", subject.vendor);
        canaries.caught.store(0, Ordering::SeqCst);
    }
}
