//! The intake as strangers find it: framing tricks, wrong addresses, slow and silent callers, floods. Real sockets, the real
//! connectors, the real store.
//!
//! Goals G14 and G35 (`cargo test --test it security::intake`); threats S3 to S6. `DUTYD_SOCKETS=2000` for the goal's own
//! number.

use super::standing::Standing;
use crate::canary::Place;
use crate::contract::world::{SOURCE, Setting, World};
use crate::fuzz::signing::{SCHEMES, SERVICENOWS, Scheme, genuine};
use crate::reliability::wanted;
use dutyd::metrics::Metrics;
use dutyd::store::Store;
use dutyd::store::sqlite::SqliteStore;
use dutyd::webhook::{Bounds, Intake, router, serve};
use dutyd_connectors::{Connector, Delivery, build};
use dutyd_core::case::CaseKey;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Nothing in these tests takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

struct Gate {
    world: World,
    case: CaseKey,
    address: SocketAddr,
    store: Arc<SqliteStore>,
    _stop: watch::Sender<bool>,
    _dir: Place,
}

impl Gate {
    async fn new(scheme: &'static Scheme, bounds: Bounds) -> Self {
        let world = World::new(scheme.subject, &Setting::new(false)).await;
        let case = world.create("ringing").await;
        let endpoints = world.endpoints();
        let (config, secrets) = (scheme.subject.source)(&endpoints, 10);
        let connector: Arc<dyn Connector> = Arc::from(build(SOURCE, &config, &secrets).expect("a connector"));
        let dir = Place::new();
        dir.gives_those_of(&endpoints);
        let store = SqliteStore::open(&dir.path().join("dutyd.db"), 1, world.now()).await.expect("a store");
        let store = Arc::new(store);
        let intake = Intake {
            connectors: BTreeMap::from([(SOURCE.to_owned(), connector)]),
            rung: Arc::new(|_| {}),
            store: store.clone(),
            clock: Arc::new(Standing(world.now())),
            metrics: Arc::new(Metrics::default()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(serve(listener, router(Arc::new(intake)), bounds, stopping));
        Self { world, case, address, store, _stop: stop, _dir: dir }
    }

    fn good(&self) -> Delivery {
        genuine(&self.world, &self.case)
    }

    async fn hints(&self) -> u64 {
        self.store.sources(self.world.now()).await.expect("sources").iter().map(|row| row.hints).sum()
    }

    async fn send(&self, bytes: &[u8]) -> String {
        exchange(TcpStream::connect(self.address).await.expect("a connection"), bytes).await
    }

    /// A genuine delivery from an address of its own is answered.
    async fn serves_the_honest(&self) -> String {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::new(127, 9, 9, 9), 0).into()).expect("an address of loopback");
        exchange(socket.connect(self.address).await.expect("a connection"), &written(&self.good(), "")).await
    }
}

async fn exchange(mut socket: TcpStream, bytes: &[u8]) -> String {
    let _ = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection never ends: {}", String::from_utf8_lossy(bytes));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Signed headers and what else stands in the head, without a length.
fn head(delivery: &Delivery, more: &str) -> String {
    let mut head = format!("POST /hooks/{SOURCE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}");
    for (name, value) in &delivery.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head
}

fn written(delivery: &Delivery, more: &str) -> Vec<u8> {
    let length = delivery.body.len();
    [format!("{}content-length: {length}\r\n\r\n", head(delivery, more)).as_bytes(), &delivery.body].concat()
}

fn chunked(delivery: &Delivery, more: &str) -> Vec<u8> {
    let size = format!("{:x}\r\n", delivery.body.len());
    [format!("{}\r\n{size}", head(delivery, more)).as_bytes(), &delivery.body, b"\r\n0\r\n\r\n"].concat()
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    assert!(text.contains(from), "{from:?} in {text}");
    text.replacen(from, to, 1).into_bytes()
}

/// A genuine delivery, framed, addressed or wrapped as nobody honest would.
fn tricks(scheme: &Scheme, good: &Delivery) -> Vec<(String, Vec<u8>)> {
    let plain = written(good, "");
    let (length, te) = (good.body.len(), "transfer-encoding: chunked\r\n");
    let mut all = vec![
        ("a length and chunks".to_owned(), chunked(good, &format!("content-length: {length}\r\n{te}"))),
        ("chunks and a length".to_owned(), chunked(good, &format!("{te}content-length: {length}\r\n"))),
        ("chunks and no length".to_owned(), chunked(good, te)),
        ("HTTP/2".to_owned(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("a packed body".to_owned(), written(good, "content-encoding: gzip\r\n")),
        (
            "packed, said second".to_owned(),
            written(good, "content-encoding: identity\r\ncontent-encoding: gzip\r\n"),
        ),
        (
            "a head without end".to_owned(),
            [plain.clone(), vec![b'x'; 10]].concat()[..plain.len() / 2].to_vec(),
        ),
        ("a long head".to_owned(), written(good, &format!("x-long: {}\r\n", "x".repeat(64 * 1024)))),
        ("many headers".to_owned(), written(good, &"x-many: 1\r\n".repeat(5_000))),
        (
            "too long a body".to_owned(),
            replaced(&plain, &format!("content-length: {length}"), "content-length: 99999999"),
        ),
        ("an unknown source".to_owned(), replaced(&plain, "/hooks/here", "/hooks/there")),
        ("no source".to_owned(), replaced(&plain, "/hooks/here", "/hooks/")),
        ("another path".to_owned(), replaced(&plain, "/hooks/here", "/hooks/here/x")),
        ("a path through".to_owned(), replaced(&plain, "/hooks/here", "/hooks/../hooks/here")),
        ("HTTP/0.9".to_owned(), replaced(&plain, " HTTP/1.1", "")),
        ("HTTP/3".to_owned(), replaced(&plain, "HTTP/1.1", "HTTP/3.0")),
        (
            "a folded header".to_owned(),
            replaced(&plain, &format!("{}: ", scheme.signature), &format!("{}:\r\n ", scheme.signature)),
        ),
        (
            "a blank before the colon".to_owned(),
            replaced(&plain, &format!("{}:", scheme.signature), &format!("{} :", scheme.signature)),
        ),
        ("a naked return".to_owned(), replaced(&plain, "host: x", "host: x\rx: y")),
        ("a zero byte".to_owned(), replaced(&plain, "host: x", "host: x\0")),
    ];
    for odd in ["+LEN", "-1", "LEN, LEN", "0xLEN", "LEN LEN", "", "99999999999999999999999"] {
        let odd = odd.replace("LEN", &length.to_string());
        all.push((
            format!("length {odd:?}"),
            replaced(&plain, &format!("content-length: {length}"), &format!("content-length: {odd}")),
        ));
    }
    for other in [length + 1, length - 1, 0] {
        all.push((
            format!("lengths {length} and {other}"),
            written(good, &format!("content-length: {other}\r\n")),
        ));
    }
    for odd in ["xchunked", "chunked, identity", "identity", "gzip, chunked, x"] {
        all.push((format!("encoding {odd:?}"), chunked(good, &format!("transfer-encoding: {odd}\r\n"))));
    }
    let chunks = chunked(good, te);
    for odd in ["fffffffffffffffff", "-1", "0x10", "g", "ffffffff"] {
        all.push((
            format!("chunk {odd:?}"),
            replaced(&chunks, &format!("\r\n{length:x}\r\n"), &format!("\r\n{odd}\r\n")),
        ));
    }
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "post", "POST\t"] {
        all.push((format!("method {method:?}"), replaced(&plain, "POST ", &format!("{method} "))));
    }
    for name in [Some(scheme.signature), scheme.timestamp].into_iter().flatten() {
        for again in [&b"x"[..], b"", b"\xff\xfe", "ä".as_bytes()] {
            let twice = [format!("{name}: ").as_bytes(), again, b"\r\n"].concat();
            let at = b"POST /hooks/here HTTP/1.1\r\n".len();
            all.push((format!("{name} twice: {again:?}"), [&plain[..at], &twice, &plain[at..]].concat()));
        }
        let upper = format!("{}: x\r\n", name.to_uppercase());
        all.push((format!("{name} twice, in capitals"), written(good, &upper)));
    }
    all
}

/// G14, G35
#[tokio::test]
async fn a_genuine_delivery_in_a_strange_frame_is_not_heard() {
    let mut tried = 0;
    for scheme in SCHEMES {
        let bounds = Bounds {
            head_max: Duration::from_secs(2),
            request_max: Duration::from_secs(2),
            ..Bounds::new(64)
        };
        let gate = Gate::new(scheme, bounds).await;
        let good = gate.good();
        for (what, bytes) in tricks(scheme, &good) {
            let answer = gate.send(&bytes).await;
            assert!(!answer.starts_with("HTTP/1.1 2"), "{}: {what}: {answer}", scheme.subject.vendor);
            assert_eq!(gate.hints().await, 0, "{}: {what}", scheme.subject.vendor);
            tried += 1;
        }
        // A request behind one whose end is in doubt is not read.
        let te = "transfer-encoding: chunked\r\ncontent-length: 1\r\n";
        let two = [chunked(&good, te), written(&good, "")].concat();
        let answer = gate.send(&replaced(&two, "connection: close\r\n", "")).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one answer, then the end: {answer}");
        assert!(gate.serves_the_honest().await.starts_with("HTTP/1.1 204"), "the genuine one is heard");
        assert_eq!(gate.hints().await, 1);
    }
    println!("{tried} strange frames");
}

/// G35
#[tokio::test]
async fn one_address_that_floods_takes_no_place_from_others() {
    let gate = Gate::new(&SERVICENOWS, Bounds { head_max: PATIENCE, ..Bounds::new(8) }).await;
    let mut held = Vec::new();
    for _ in 0..wanted("DUTYD_SOCKETS", 300) {
        let mut socket = TcpStream::connect(gate.address).await.expect("a connection");
        let _ = socket.write_all(b"POST /hooks/here HTTP/1.1\r\nx-slow: ").await;
        held.push(socket);
    }
    assert!(
        gate.serves_the_honest().await.starts_with("HTTP/1.1 204"),
        "an honest one between {}",
        held.len()
    );
    drop(held);
}

/// G35
#[tokio::test]
async fn a_flood_from_many_addresses_leaves_a_place_for_an_honest_one() {
    let bounds = Bounds { connections_max: 128, head_max: PATIENCE, ..Bounds::new(64) };
    let gate = Gate::new(&SERVICENOWS, bounds).await;
    let mut held = Vec::new();
    for nth in 0..wanted("DUTYD_SOCKETS", 600) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind((Ipv4Addr::new(127, 1, 0, (nth % 20 + 1) as u8), 0).into())
            .expect("an address of loopback");
        let mut socket = socket.connect(gate.address).await.expect("a connection");
        let _ = socket.write_all(b"POST /hooks/here HTTP/1.1\r\nx-slow: ").await;
        held.push(socket);
    }
    assert!(
        gate.serves_the_honest().await.starts_with("HTTP/1.1 204"),
        "an honest one between {}",
        held.len()
    );
    drop(held);
}

/// G35
#[tokio::test]
async fn a_flood_from_everywhere_is_bounded_and_passes() {
    let bounds = Bounds { connections_max: 32, head_max: Duration::from_millis(500), ..Bounds::new(4) };
    let gate = Gate::new(&SERVICENOWS, bounds).await;
    let mut held = Vec::new();
    for nth in 0..wanted("DUTYD_SOCKETS", 300) {
        let socket = TcpSocket::new_v4().expect("a socket");
        let from = Ipv4Addr::new(127, 1, (nth / 200) as u8, (nth % 200 + 1) as u8);
        socket.bind((from, 0).into()).expect("an address of loopback");
        let mut socket = socket.connect(gate.address).await.expect("a connection");
        let _ = socket.write_all(b"POST /hooks/here HTTP/1.1\r\nx-slow: ").await;
        held.push(socket);
    }
    for socket in held {
        let answer = exchange(socket, b"").await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    assert!(gate.serves_the_honest().await.starts_with("HTTP/1.1 204"), "all places are free again");
}

/// G35
#[tokio::test]
async fn whoever_sends_slowly_or_never_reads_is_put_out() {
    let bounds = Bounds {
        request_max: Duration::from_millis(300),
        connection_max: Duration::from_millis(900),
        drain_max: Duration::from_millis(100),
        ..Bounds::new(64)
    };
    let gate = Gate::new(&SERVICENOWS, bounds).await;
    let good = written(&gate.good(), "");
    let answer = gate.send(&good[..good.len() - 1]).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "a body that never ends: {answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    let mut socket = TcpStream::connect(gate.address).await.expect("a connection");
    let question = b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000);
    let asked = async { while socket.write_all(&question).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, asked).await.expect("whoever never reads its answers is put out");
    assert_eq!(gate.hints().await, 0);
}

/// G35. A body without end, sent as fast as it goes, is not read.
#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let gate = Gate::new(&SERVICENOWS, Bounds::new(64)).await;
    let mut socket = TcpStream::connect(gate.address).await.expect("a connection");
    let start = head(&gate.good(), "transfer-encoding: chunked\r\n") + "\r\n";
    socket.write_all(start.as_bytes()).await.expect("a head");
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let sending = async { while socket.write_all(&chunk).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, sending).await.expect("the end");
    assert_eq!(gate.hints().await, 0);
    assert!(gate.serves_the_honest().await.starts_with("HTTP/1.1 204"));
}
