//! What the control socket promises.

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::desk::Desked;
use crate::store::sqlite::SqliteStore;
use dutyd_core::policy::PolicySet;

async fn desk(dir: &Path) -> Arc<Desk> {
    let clock = Arc::new(SystemClock::default());
    let store = SqliteStore::open(&dir.join("dutyd.db"), 1, clock.now()).await.expect("a store");
    let no_sources: [Desked; 0] = [];
    Arc::new(Desk {
        store: Arc::new(store),
        clock,
        policies: watch::channel(Arc::new(PolicySet::default())).1,
        sources: no_sources.into(),
        live: None,
    })
}

#[tokio::test]
async fn questions_are_answered_and_refusals_carried_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("control.sock");
    let socket = Socket::bind(&path).await.expect("a socket");
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(socket.serve(desk(dir.path()).await, stopped));

    let status = ask(&path, &Ask::Status).await.expect("a socket").expect("a daemon");
    assert!(matches!(status, Ok(Answer::Status(_))), "{status:?}");
    let case = Ask::Explain { case: "nosuch".to_owned(), at: None };
    let refusal = ask(&path, &case).await.expect("a socket").expect("a daemon");
    assert!(matches!(refusal, Err(Refusal::NotFound(_))), "{refusal:?}");

    stop.send_replace(true);
    serving.await.expect("an end");
    assert!(!path.exists(), "the socket goes with its owner");
    assert!(ask(&path, &Ask::Status).await.expect("no error").is_none(), "nobody is there");
}

#[tokio::test]
async fn only_its_owner_may_open_the_socket() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("control.sock");
    let _socket = Socket::bind(&path).await.expect("a socket");
    let mode = std::fs::metadata(&path).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let left: Vec<_> = std::fs::read_dir(dir.path())
        .expect("a list")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left, ["control.sock"], "nothing is left of how it was made");
}

#[tokio::test]
async fn a_start_that_broke_off_half_way_hinders_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("control.sock");
    std::fs::create_dir(dir.path().join("control.sock.d")).expect("a directory");
    drop(UnixListener::bind(dir.path().join("control.sock.d/s")).expect("a socket"));
    let socket = Socket::bind(&path).await.expect("a socket");
    assert!(tokio::net::UnixStream::connect(&path).await.is_ok(), "it can be reached at its place");
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_left_behind_is_replaced_and_one_in_use_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("control.sock");
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists(), "left behind");
    let _socket = Socket::bind(&path).await.expect("replaced");
    assert!(Socket::bind(&path).await.is_err(), "in use");
    let file = dir.path().join("file");
    std::fs::write(&file, "precious").expect("a file");
    assert!(Socket::bind(&file).await.is_err());
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "precious");
}

#[tokio::test]
async fn nonsense_is_answered_with_a_refusal() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("control.sock");
    let socket = Socket::bind(&path).await.expect("a socket");
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(socket.serve(desk(dir.path()).await, stopped));
    let mut stream = UnixStream::connect(&path).await.expect("a connection");
    stream.write_all(b"{\"dance\":1}\n").await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.contains("does not understand"), "{answer}");
}
