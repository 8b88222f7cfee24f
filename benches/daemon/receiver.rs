//! The bare limit of intake: verifies the same signature and commits the body into SQLite, many with one sync.
//!
//! Knows: nothing of dutyd but how its webhooks are signed.

use crate::process::{outlive_owner, tell_owner};
use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::Connection;
use serde_json::json;
use sha2::Sha256;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// First argument of this binary where it is to be the receiver.
pub const ROLE: &str = "--be-the-receiver";
/// Bodies of one transaction.
const BATCH_MAX: usize = 512;

type Parcel = (Bytes, oneshot::Sender<bool>);

struct Receiver {
    secret: Vec<u8>,
    queue: mpsc::Sender<Parcel>,
}

/// Serves until its owner is gone. Arguments: database, secret.
pub async fn serve(mut given: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let database = given.next().context("which database?")?;
    let secret = given.next().context("which secret?")?.into_bytes();
    let connection = Connection::open(database)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE body (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);",
    )?;
    let (queue, parcels) = mpsc::channel(4_096);
    std::thread::spawn(move || keep(&connection, parcels));
    let router =
        Router::new().route("/hooks/servicenow", post(take)).with_state(Arc::new(Receiver { secret, queue }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    tell_owner(&json!({ "address": listener.local_addr()?.to_string() }))?;
    tokio::select! {
        served = async { axum::serve(listener, router).await } => Ok(served?),
        ended = tokio::task::spawn_blocking(outlive_owner) => Ok(ended?),
    }
}

async fn take(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !is_signed(&receiver.secret, &headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let (told, kept) = oneshot::channel();
    if receiver.queue.send((body, told)).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    match kept.await {
        Ok(true) => StatusCode::NO_CONTENT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn is_signed(secret: &[u8], headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(stamp), Some(signature)) = (text("x-dutyd-timestamp"), text("x-dutyd-signature")) else {
        return false;
    };
    let Some(claimed) = signature.strip_prefix("sha256=").and_then(|text| STANDARD.decode(text).ok()) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
    mac.update(stamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(&claimed).is_ok()
}

fn keep(connection: &Connection, mut parcels: mpsc::Receiver<Parcel>) {
    while let Some(first) = parcels.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Ok(next) = parcels.try_recv()
        {
            batch.push(next);
        }
        let kept = insert(connection, &batch).is_ok();
        for (_, told) in batch {
            told.send(kept).ok();
        }
    }
}

fn insert(connection: &Connection, batch: &[Parcel]) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut statement = connection.prepare_cached("INSERT INTO body (bytes) VALUES (?1)")?;
    for (body, _) in batch {
        statement.execute([&body[..]])?;
    }
    connection.execute_batch("COMMIT")
}
