//! What stands around every vendor's router: faults first and last, and the journal of every request.
//! Knows no vendor; a dropped connection is marked on the answer and carried out by the listener.

use crate::clock::{Clock, Stopwatch, pause};
use crate::faults::{Fault, Seen, When};
use crate::journal::{Entry, Journal, PATH_SHOWN_MAX, SHOWN_MAX};
use crate::route::{Account, BODY_MAX, code, plain};
use crate::vendor::{Stage, Vendor};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;

/// On an answer: the listener drops the connection instead of sending it. In-process callers see the
/// status 599 and the header `x-sandbox-hangup` and take it for a lost answer.
#[derive(Clone, Copy, Debug)]
pub struct Hangup;

pub const HANGUP_HEADER: &str = "x-sandbox-hangup";

struct Gate {
    vendor: Arc<dyn Vendor>,
    stage: Arc<Stage>,
    journal: Arc<Journal>,
}

/// The vendor's router with faults and journal around it.
pub fn guarded(vendor: &Arc<dyn Vendor>, stage: &Arc<Stage>, journal: &Arc<Journal>) -> Router {
    let gate = Arc::new(Gate { vendor: vendor.clone(), stage: stage.clone(), journal: journal.clone() });
    let router = vendor.clone().router();
    router.layer(from_fn(move |request: Request, next: Next| {
        let gate = gate.clone();
        async move { gate.pass(request, next).await }
    }))
}

impl Gate {
    async fn pass(&self, request: Request, next: Next) -> Response {
        let watch = Stopwatch::start();
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "body too large");
        };
        let method = parts.method.to_string();
        let path = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let seen = Seen { vendor: self.vendor.name(), method: &method, path: &path, body: &body };
        let bearer =
            parts.headers.get("authorization").is_some_and(|value| value.as_bytes().starts_with(b"Bearer "));
        // Only tokens expire; a password that was right stays right.
        let fault = self.stage.faults.decide(&seen).filter(|(_, fault)| bearer || *fault != Fault::Expired);
        let account =
            fault.as_ref().and_then(|_| self.vendor.account(&parts.headers, self.stage.clock.now()));
        let request = Request::from_parts(parts, Body::from(body.clone()));
        let mut response = match &fault {
            None => next.run(request).await,
            Some((When::Before, fault)) => self.before(fault, request, next).await,
            Some((When::After, fault)) => self.after(fault, request, next).await,
        };
        if let Some(account) = account
            && response.extensions().get::<Account>().is_none()
        {
            response.extensions_mut().insert(Account(account));
        }
        let date = self.stage.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        crate::route::set_header(&mut response, "date", &date);
        self.note(&self.stage.clock, (method, path, &body), &response, watch.millis(), fault);
        response
    }

    async fn before(&self, fault: &Fault, request: Request, next: Next) -> Response {
        match common(fault) {
            Some(response) => response,
            None => match fault {
                Fault::Slow { millis } => {
                    pause(Duration::from_millis(*millis)).await;
                    next.run(request).await
                }
                Fault::KillPid { pid, later_ms } => {
                    kill_later(*pid, *later_ms);
                    next.run(request).await
                }
                _ => self.vendor.fault_at(request.uri().path(), fault, None, self.stage.clock.now()),
            },
        }
    }

    async fn after(&self, fault: &Fault, request: Request, next: Next) -> Response {
        let path = request.uri().path().to_owned();
        let acted = next.run(request).await;
        if let Some(mut response) = common(fault) {
            keep_account(&acted, &mut response);
            return response;
        }
        match fault {
            Fault::Slow { millis } => {
                pause(Duration::from_millis(*millis)).await;
                return acted;
            }
            Fault::KillPid { pid, later_ms } => {
                kill_later(*pid, *later_ms);
                return acted;
            }
            _ => {}
        }
        let status = acted.status().as_u16();
        let account = acted.extensions().get::<Account>().cloned();
        let body = axum::body::to_bytes(acted.into_body(), usize::MAX).await.unwrap_or_default();
        let mut response = self.vendor.fault_at(&path, fault, Some((status, &body)), self.stage.clock.now());
        response.extensions_mut().extend(account.map(one).unwrap_or_default());
        response
    }

    fn note(
        &self,
        clock: &Clock,
        (method, path, body): (String, String, &Bytes),
        response: &Response,
        duration_ms: f64,
        fault: Option<(When, Fault)>,
    ) {
        let user =
            response.extensions().get::<Account>().map_or_else(String::new, |account| account.0.clone());
        let cut =
            |bytes: &[u8], max: usize| String::from_utf8_lossy(&bytes[..bytes.len().min(max)]).into_owned();
        self.journal.record(Entry {
            seq: 0,
            at: clock.now(),
            vendor: self.vendor.name().to_owned(),
            method,
            path: cut(path.as_bytes(), PATH_SHOWN_MAX),
            user,
            status: response.status().as_u16(),
            body: cut(body, SHOWN_MAX),
            duration_ms,
            fault: fault.map(|(when, fault)| format!("{when:?} {fault:?}")),
        });
    }
}

fn one(account: Account) -> axum::http::Extensions {
    let mut extensions = axum::http::Extensions::new();
    extensions.insert(account);
    extensions
}

fn keep_account(from: &Response, to: &mut Response) {
    if let Some(account) = from.extensions().get::<Account>() {
        to.extensions_mut().insert(account.clone());
    }
}

/// Faults that look the same at every vendor.
fn common(fault: &Fault) -> Option<Response> {
    match fault {
        Fault::Reset => Some(hangup()),
        Fault::KillPid { pid, later_ms: 0 } => {
            kill(*pid);
            Some(hangup())
        }
        Fault::Status { status, headers, body } => {
            let mut response = plain(code(*status), "text/html", body.clone());
            for (name, value) in headers {
                let name = axum::http::HeaderName::from_bytes(name.as_bytes());
                if let (Ok(name), Ok(value)) = (name, value.parse()) {
                    response.headers_mut().insert(name, value);
                }
            }
            Some(response)
        }
        _ => None,
    }
}

fn hangup() -> Response {
    let mut response = plain(code(599), "text/plain", "the sandbox hung up");
    response.extensions_mut().insert(Hangup);
    crate::route::set_header(&mut response, HANGUP_HEADER, "1");
    response
}

fn kill_later(pid: u32, millis: u64) {
    tokio::spawn(async move {
        pause(Duration::from_millis(millis)).await;
        kill(pid);
    });
}

/// Kills the process at this very moment and waits until the signal is sent.
pub fn kill(pid: u32) {
    let sent = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    if !sent.is_ok_and(|status| status.success()) {
        eprintln!("could not kill process {pid}");
    }
}
