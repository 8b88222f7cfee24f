//! Connections from strangers: HTTP/1.1 only, bounded in number, time and size.
//!
//! Must not know: what is served.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

/// Limits of one listener.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub connections_max: usize,
    pub connections_per_address: usize,
    /// Until the head of a request is there; an idle connection is closed after it.
    pub head_max: Duration,
    /// The longest head.
    pub head_bytes_max: usize,
    /// From the head of a request to its answer, the body included.
    pub request_max: Duration,
    /// How long one connection may last: whoever sends and never reads gives its place back.
    pub connection_max: Duration,
    /// How long open requests may go on after the stop.
    pub drain_max: Duration,
}

impl Bounds {
    pub fn new(connections_per_address: usize) -> Self {
        Self {
            connections_max: 512,
            connections_per_address,
            head_max: Duration::from_secs(10),
            head_bytes_max: 32 * 1024,
            request_max: Duration::from_secs(30),
            connection_max: Duration::from_secs(600),
            drain_max: Duration::from_secs(5),
        }
    }
}

/// How long accepting rests after the system refused a connection, for want of descriptors.
const REST: Duration = Duration::from_millis(100);

/// Serves until `stop` turns true, then lets open requests end.
pub async fn serve(listener: TcpListener, router: Router, bounds: Bounds, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let callers = Callers::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (socket, caller) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                let _ = tokio::time::timeout(REST, pending::<()>()).await;
                continue;
            }
        };
        // Both bounds close the connection at once: waiting would let a flood stand before honest callers.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        // Nobody holds more than are still free, so however many flood, the next caller finds a place.
        let most = bounds.connections_per_address.min(places.available_permits() + 1);
        let Some(seat) = callers.seat(caller.ip(), most) else { continue };
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            let _held = (place, seat);
            converse(socket, router, bounds, stop).await;
        });
    }
    drop(listener);
    let _ =
        tokio::time::timeout(bounds.drain_max, async { while connections.join_next().await.is_some() {} })
            .await;
}

async fn converse(socket: TcpStream, router: Router, bounds: Bounds, mut stop: watch::Receiver<bool>) {
    let _ = socket.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        answer(router.clone(), request.map(Body::new), bounds.request_max)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_max)
        .max_buf_size(bounds.head_bytes_max)
        .serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    // Errors of a connection are the caller's: half a request, a reset, a head that never ends.
    tokio::select! {
        ended = tokio::time::timeout(bounds.connection_max, connection.as_mut()) => {
            if ended.is_ok() {
                return;
            }
        }
        _ = stop.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(bounds.drain_max, connection).await;
}

async fn answer(router: Router, request: Request<Body>, max: Duration) -> Result<Response, Infallible> {
    match tokio::time::timeout(max, router.oneshot(request)).await {
        Ok(answered) => answered,
        // What was not read to its end would be read as the next request.
        Err(_) => Ok((StatusCode::REQUEST_TIMEOUT, [(header::CONNECTION, "close")]).into_response()),
    }
}

/// Connections by address.
#[derive(Clone, Default)]
struct Callers(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Callers {
    /// A seat for one more connection, given back when dropped.
    fn seat(&self, address: IpAddr, max: usize) -> Option<Seat> {
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = callers.entry(address).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Seat { callers: self.clone(), address })
    }
}

struct Seat {
    callers: Callers,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut callers = self.callers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = callers.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                callers.remove(&self.address);
            }
        }
    }
}
