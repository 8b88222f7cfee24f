//! What the intake promises to vendors, and to us about strangers.

use super::*;
use crate::bare::Bare;
use crate::clock::SystemClock;
use crate::store::sqlite::SqliteStore;
use dutyd_connectors::Hint;
use dutyd_connectors::transport::SignIn;
use dutyd_core::case::CaseKey;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Takes `x-key: good` for a signature and the body for a case's id.
fn rung_for(delivery: &Delivery) -> Result<Vec<Hint>, ConnectorError> {
    if delivery.header("x-key") != Some("good") {
        return Err(ConnectorError::Refused { status: 401, reason: "signature".to_owned() });
    }
    let id = String::from_utf8(delivery.body.to_vec()).map_err(|_| ConnectorError::Malformed {
        where_: "body".to_owned(),
        reason: "not text".to_owned(),
    })?;
    Ok(vec![Hint { key: CaseKey::new("acme", id), revision: None, delivery_id: None }])
}

struct Fixture {
    address: std::net::SocketAddr,
    store: Arc<SqliteStore>,
    rung: Arc<Mutex<Vec<String>>>,
    stop: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
    _dir: tempfile::TempDir,
}

async fn fixture(bounds: Bounds) -> Fixture {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(SystemClock::default());
    let store = SqliteStore::open(&dir.path().join("dutyd.db"), 1, clock.now()).await.expect("a store");
    let store = Arc::new(store);
    let rung: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = rung.clone();
    let origin = url::Url::parse("http://127.0.0.1:9").expect("an address");
    let connector: Arc<dyn Connector> = Arc::new(Bare { hints: rung_for, ..Bare::new(origin, SignIn::None) });
    let intake = Intake {
        connectors: BTreeMap::from([("acme".to_owned(), connector)]),
        rung: Arc::new(move |source| told.lock().expect("a list").push(source.to_owned())),
        store: store.clone(),
        clock,
        metrics: Arc::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(serve(listener, router(Arc::new(intake)), bounds, stopped));
    Fixture { address, store, rung, stop, serving, _dir: dir }
}

/// Sends bytes as they are and reads what comes until the connection is closed.
async fn raw(address: std::net::SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    // The other side may close before it has read everything.
    let _ = socket.write_all(request).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

async fn hints(fixture: &Fixture) -> u64 {
    let rows = fixture.store.sources(SystemClock::default().now()).await.expect("sources");
    rows.iter().map(|row| row.hints).sum()
}

#[tokio::test]
async fn a_delivery_is_answered_only_once_it_is_noted() {
    let fixture = fixture(Bounds::new(8)).await;
    let answer = raw(fixture.address, &request("/hooks/acme", "x-key: good\r\n", "case-1")).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert_eq!(hints(&fixture).await, 1);
    assert_eq!(*fixture.rung.lock().expect("a list"), ["acme"]);

    fixture.store.close().await;
    let answer = raw(fixture.address, &request("/hooks/acme", "x-key: good\r\n", "case-2")).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "a store that cannot note: {answer}");
    assert!(answer.contains("retry-after: 5"), "{answer}");
    assert_eq!(fixture.rung.lock().expect("a list").len(), 1, "nobody was woken");
}

#[tokio::test]
async fn strangers_are_turned_away_without_a_word() {
    let fixture = fixture(Bounds::new(8)).await;
    let long = "x".repeat(BODY_BYTES_MAX + 1);
    let good = "x-key: good\r\n";
    let chunked = format!(
        "POST /hooks/acme HTTP/1.1\r\nhost: x\r\n{good}transfer-encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    let announced = format!("POST /hooks/acme HTTP/1.1\r\nhost: x\r\n{good}content-length: 99999999\r\n\r\n");
    // An empty status: closed without an answer.
    let table: [(&str, Vec<u8>, &str); 9] = [
        ("no signature", request("/hooks/acme", "", "case"), "401"),
        ("a wrong signature", request("/hooks/acme", "x-key: bad\r\n", "case"), "401"),
        ("an unknown source", request("/hooks/nobody", good, "case"), "404"),
        ("another path", request("/admin", good, "case"), "404"),
        (
            "another method",
            b"GET /hooks/acme HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(),
            "405",
        ),
        ("a body that is announced too long", announced.into_bytes(), "413"),
        ("a body that does not tell its length", chunked.into_bytes(), "411"),
        (
            "a packed body",
            request("/hooks/acme", &format!("{good}content-encoding: gzip\r\n"), "case"),
            "415",
        ),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), ""),
    ];
    for (what, bytes, status) in table {
        let answer = raw(fixture.address, &bytes).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        assert_eq!(head.split(' ').nth(1).unwrap_or_default(), status, "{what}: {answer}");
        assert_eq!(body, "", "{what}");
    }
    assert_eq!(hints(&fixture).await, 0);
    assert!(fixture.rung.lock().expect("a list").is_empty());
}

#[tokio::test]
async fn one_address_cannot_take_all_connections_and_gets_its_seats_back() {
    let fixture = fixture(Bounds::new(2)).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut socket = TcpStream::connect(fixture.address).await.expect("a connection");
        socket.write_all(b"POST /hooks/acme HTTP/1.1\r\n").await.expect("half a head");
        held.push(socket);
    }
    let delivery = request("/hooks/acme", "x-key: good\r\n", "case-1");
    assert_eq!(raw(fixture.address, &delivery).await, "", "closed at once");
    drop(held);
    let answer = async {
        loop {
            let answer = raw(fixture.address, &delivery).await;
            if !answer.is_empty() {
                break answer;
            }
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), answer).await.expect("a seat");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

#[tokio::test]
async fn a_head_that_dribbles_is_cut_off() {
    let bounds = Bounds { head_max: Duration::from_millis(50), ..Bounds::new(8) };
    let fixture = fixture(bounds).await;
    let dribble = raw(fixture.address, b"POST /hooks/acme HTTP/1.1\r\nhost: ");
    let answer = tokio::time::timeout(Duration::from_secs(10), dribble).await.expect("an end");
    assert!(!answer.contains("204"), "{answer}");
}

#[tokio::test]
async fn the_stop_ends_idle_connections_and_the_listener() {
    let fixture = fixture(Bounds::new(8)).await;
    let mut idle = TcpStream::connect(fixture.address).await.expect("a connection");
    fixture.stop.send_replace(true);
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest).await;
    fixture.serving.await.expect("an end");
    assert!(TcpStream::connect(fixture.address).await.is_err(), "nobody listens any more");
}
