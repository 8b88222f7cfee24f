//! Servers with bad certificates, made for this run: no request and no secret reaches any of them.
//!
//! Threat S15: `cargo test --test it security::tls`.

use super::standing::{Standing, door};
use dutyd::config::NetworkSettings;
use dutyd_connectors::{Lane, Request, Transport, TransportError};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion, version};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// A chain of certificates and the key of the first.
struct Papers {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

fn papers(by: &Authority, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Papers {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, by).expect("a certificate");
    Papers { chain: vec![certificate.der().clone()], key }
}

/// A server that answers 200 to anything; how many requests it was sent.
async fn server(
    papers: Papers,
    versions: &[&'static SupportedProtocolVersion],
) -> (SocketAddr, Arc<AtomicUsize>) {
    let key = PrivateKeyDer::try_from(papers.key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(papers.chain, key)
        .expect("a certificate with its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let requests: Arc<AtomicUsize> = Arc::default();
    let counted = requests.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, counted) = (acceptor.clone(), counted.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(socket).await else { return };
                let mut head = [0; 4096];
                if stream.read(&mut head).await.is_ok_and(|length| length > 0) {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                }
            });
        }
    });
    (address, requests)
}

fn trusting(file: Option<&Path>) -> NetworkSettings {
    NetworkSettings { proxy: None, ca_file: file.map(PathBuf::from) }
}

/// One request with a password to `https://localhost`.
async fn ask(address: SocketAddr, network: &NetworkSettings) -> Result<u16, TransportError> {
    let origin = format!("https://localhost:{}", address.port());
    let door = door(&origin, network, Arc::new(Standing::now()));
    door.send(Request::get("/", Lane::Hot)).await.map(|answer| answer.status)
}

/// S15
#[tokio::test]
async fn a_server_with_a_bad_certificate_is_sent_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, ours.as_ref().pem()).expect("a file");
    let past = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    };
    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(2090, 1, 1);
    let for_clients = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]
    };
    let key = KeyPair::generate().expect("a key");
    let alone = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let alone = alone.self_signed(&key).expect("a certificate");
    // A certificate that is no authority's signs another.
    let mut leaf = CertificateParams::new(vec!["leaf.example".to_owned()]).expect("parameters");
    leaf.distinguished_name.push(rcgen::DnType::CommonName, "leaf");
    let leaf = CertifiedIssuer::signed_by(leaf, KeyPair::generate().expect("a key"), &ours).expect("a leaf");
    let mut by_leaf = papers(&leaf, "localhost", |_| {});
    by_leaf.chain.push(leaf.as_ref().der().clone());
    let bad = [
        ("expired", papers(&ours, "localhost", past)),
        ("not yet valid", papers(&ours, "localhost", future)),
        ("of another host", papers(&ours, "other.example", |_| {})),
        ("of a host below", papers(&ours, "x.localhost", |_| {})),
        ("of a wildcard above", papers(&ours, "*", |_| {})),
        ("for clients only", papers(&ours, "localhost", for_clients)),
        ("signed by itself", Papers { chain: vec![alone.der().clone()], key }),
        ("of an unknown authority", papers(&theirs, "localhost", |_| {})),
        ("signed by no authority", by_leaf),
    ];
    let mut tried = 0;
    for (what, papers) in bad {
        let (address, requests) = server(papers, &[&version::TLS13, &version::TLS12]).await;
        let error = ask(address, &trusting(Some(&ca_file))).await.expect_err(what);
        assert!(matches!(error, TransportError::NotSent { .. }), "{what}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{what}: {error}");
        assert_eq!(requests.load(Ordering::SeqCst), 0, "{what}");
        tried += 1;
    }
    let (address, requests) = server(papers(&ours, "localhost", |_| {}), &[&version::TLS13]).await;
    let error = ask(address, &trusting(None)).await.expect_err("an authority that nobody configured");
    assert!(matches!(error, TransportError::NotSent { .. }), "{error}");
    assert_eq!(requests.load(Ordering::SeqCst), 0);
    println!("{tried} bad certificates and one unknown authority: no request");
}

/// S15
#[tokio::test]
async fn an_authority_of_the_admins_is_trusted_from_tls_1_2_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let ours = authority("ours");
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, ours.as_ref().pem()).expect("a file");
    for only in [&version::TLS13, &version::TLS12] {
        let (address, requests) = server(papers(&ours, "localhost", |_| {}), &[only]).await;
        assert_eq!(ask(address, &trusting(Some(&ca_file))).await.expect("an answer"), 200, "{only:?}");
        assert_eq!(requests.load(Ordering::SeqCst), 1);
    }
}

/// S15. No library of ours speaks TLS 1.1: the answer to the greeting is written by hand.
#[tokio::test]
async fn tls_1_1_and_older_are_refused() {
    for minor in [0, 1, 2] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a caller");
            let mut greeting = vec![0; 4096];
            let length = socket.read(&mut greeting).await.expect("a greeting");
            assert!(length > 5 && greeting[0] == 0x16, "a handshake");
            // ServerHello: version, 32 random bytes, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
            let mut hello = vec![0x02, 0, 0, 38, 3, minor];
            hello.extend([7; 32]);
            hello.extend([0, 0x00, 0x2f, 0]);
            let record = [&[0x16, 3, minor, 0, hello.len() as u8], hello.as_slice()].concat();
            socket.write_all(&record).await.expect("the caller listens");
            let mut rest = Vec::new();
            let _ = socket.read_to_end(&mut rest).await;
            rest
        });
        let error = ask(address, &trusting(None)).await.expect_err("an old TLS");
        assert!(matches!(error, TransportError::NotSent { .. }), "{error}");
        let said = server.await.expect("the server");
        assert!(said.is_empty() || said[0] == 0x15, "an alert and nothing else: {said:?}");
    }
}
