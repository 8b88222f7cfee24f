//! Listeners: plain HTTP/1.1 over loopback, one task per connection, dropped connections on demand.
//! Knows routers and sockets, nothing of what is served.

use crate::gate::Hangup;
use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;

/// Binds `address` and serves `router` on it until `stop` turns true. Answers the bound address.
pub async fn listen(
    address: SocketAddr,
    router: Router,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let bound = listener.local_addr().context("no local address")?;
    tokio::spawn(accept(listener, router, stop));
    Ok(bound)
}

async fn accept(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(connection(stream, router.clone(), stop.clone()));
                }
            }
            _ = stop.changed() => return,
        }
    }
}

async fn connection(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
    let service =
        service_fn(move |request: Request<Incoming>| answer(router.clone(), request.map(Body::new)));
    let mut serving = std::pin::pin!(
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        // An error is a client gone or a connection dropped on purpose: neither is ours to report.
        _ = serving.as_mut() => {}
        _ = stop.changed() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}

async fn answer(router: Router, request: Request) -> Result<Response, std::io::Error> {
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if response.extensions().get::<Hangup>().is_some() {
        return Err(std::io::Error::other("hung up on purpose"));
    }
    Ok(response)
}
