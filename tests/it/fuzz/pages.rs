//! Answers of vendors broken in every way, at every place of a conversation: status, headers, body. Every call of a connector
//! ends, with few requests, in an answer or in one of the seven errors.
//!
//! Goals G17, G10 and G20: `cargo test --test it fuzz::pages`.

use super::dice::Dice;
use super::{Stopwatch, mutate, seed, tries};
use crate::contract::door::Door;
use crate::contract::jira_sites::{CLOUD, DATA_CENTER};
use crate::contract::salesforce_org::SALESFORCE;
use crate::contract::subject::{SERVICENOW, Subject, ZENDESK};
use crate::contract::wanted;
use crate::contract::world::{SOURCE, Setting, World};
use async_trait::async_trait;
use dutyd::http::Origin;
use dutyd_connectors::{ConnectorError, Ctx, Cursor, Request, Response, Transport, TransportError};
use dutyd_core::action::{Action, Severity};
use dutyd_core::case::CaseKey;
use jiff::SignedDuration;
use serde_json::Value;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Requests of one call, at most. The longest honest one reads the children of a batch to their last page.
const REQUESTS_MAX: usize = 1_000;
/// A sandbox remembers what it was asked and told: after so many tries a new one takes its place.
pub const TRIES_PER_WORLD: u64 = 2_000;
const STATUSES: [u16; 24] = [
    100, 200, 200, 200, 201, 202, 204, 206, 301, 302, 304, 400, 401, 403, 404, 409, 410, 413, 414, 429, 500,
    502, 503, 599,
];
/// Headers that somebody reads.
const HEADERS: [&str; 22] = [
    "retry-after",
    "date",
    "link",
    "content-type",
    "x-total-count",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "ratelimit-reason",
    "x-rate-limit",
    "x-rate-limit-remaining",
    "x-rate-limit-reset",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "zendesk-ratelimit-incremental-exports-cursor",
    "zendesk-rate-limit-x",
    "sforce-limit-info",
    "x-ausername",
    "x-seraph-loginreason",
    "x-is-logged-in",
    "x-transaction-id",
];
const VALUES: [&str; 30] = [
    "",
    "0",
    "-1",
    "1",
    "60",
    "NaN",
    "inf",
    "-inf",
    "1e308",
    "99999999999999999999",
    "9223372036854775807",
    "18446744073709551615",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Sat, 30 Feb 2026 25:61:61 GMT",
    "2026-03-02T09:00:00Z",
    "9999-12-31T23:59:59Z",
    "-9999-01-01T00:00:00Z",
    "total=0;remaining=0;resets=99999999999999999999",
    "total=a;remaining=-1",
    "api-usage=18446744073709551615/0",
    "api-usage=/",
    "api-usage=1",
    "anonymous",
    "AUTHENTICATION_DENIED",
    "jira-quota-global",
    "text/html",
    "<https://evil.example/next>;rel=\"next\"",
    "<>;rel=next,<;rel=\"next\"",
    "\u{fffd}\u{1f600}",
];

/// A door whose answers are broken now and then.
struct Broken<'a> {
    subject: &'static Subject,
    /// In the place of the one in this process: what the real door would refuse is refused.
    origin: Origin,
    door: &'a Door,
    dice: Mutex<Dice>,
    sent: AtomicUsize,
    before: Mutex<Vec<u8>>,
}

impl Broken<'_> {
    /// Whatever a vendor answers, the next request stays on the declared list, with plain words for segments.
    fn judge(&self, request: &Request) {
        let path = request.path.split('?').next().unwrap_or_default();
        let method = format!("{:?}", request.method).to_uppercase();
        assert!(self.subject.declares(&method, path), "{method} {path} is not declared");
        let plain = |one: char| one.is_ascii_alphanumeric() || "/._-".contains(one);
        assert!(path.chars().all(plain) && !path.contains(".."), "{path}");
    }
}

#[async_trait]
impl Transport for Broken<'_> {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let sent = self.sent.fetch_add(1, Ordering::Relaxed);
        assert!(sent < REQUESTS_MAX, "a call without end, at {}", request.path);
        self.judge(&request);
        if let Err(reason) = self.origin.join(&request.path) {
            return Err(TransportError::Forbidden { reason });
        }
        let mut answer = self.door.send(request).await?;
        let mut dice = self.dice.lock().expect("nobody panics with it");
        let mut before = self.before.lock().expect("nobody panics with it");
        let whole = answer.body.to_vec();
        for _ in 0..dice.below(3) {
            spoil(&mut dice, &mut answer, &before);
        }
        *before = whole;
        Ok(answer)
    }

    fn offset(&self) -> SignedDuration {
        SignedDuration::from_secs(-3)
    }
}

fn spoil(dice: &mut Dice, answer: &mut Response, before: &[u8]) {
    match dice.below(10) {
        0 => answer.status = *dice.pick(&STATUSES),
        1 => {
            let value = match dice.one_in(4) {
                true => mutate::text(dice, "total=100;remaining=99;resets=60"),
                false => (*dice.pick(&VALUES)).to_owned(),
            };
            let name = *dice.pick(&HEADERS);
            answer.headers.retain(|(known, _)| known != name);
            answer.headers.push((name.to_owned(), value));
        }
        2 => drop(answer.headers.pop()),
        3 => answer.body = before.to_vec().into(),
        4 => answer.body = mutate::bytes(dice, &answer.body).into(),
        5 => answer.body = mutate::token(dice).into(),
        _ => {
            if let Ok(document) = serde_json::from_slice::<Value>(&answer.body) {
                answer.body = mutate::json(dice, &document, &[]).into();
            }
        }
    }
}

/// The mark, the sentence and a note of one case.
pub fn wants(case: &CaseKey) -> Vec<Action> {
    wanted::wants(case, Severity::Candidate, wanted::EPISODE, "because", "why")
}

/// A throttle that is believed must name a time that the engine can clamp.
fn judge(error: &ConnectorError) {
    let said = error.to_string();
    assert!(said.len() < 20_000, "an error of {} bytes", said.len());
}

/// A sandbox with a dozen cases, all of them to be seen.
pub async fn small(subject: &'static Subject) -> World {
    let world = World::new(subject, &Setting { cases: 12, ..Setting::new(false) }).await;
    world.pass_the_lag().await;
    world
}

async fn converse(subject: &'static Subject, ordinary: u64) {
    let (mut watch, tries) = (Stopwatch::new(subject.vendor), tries(ordinary));
    let (mut requests, mut errors) = (0, 0);
    for first in (0..tries).step_by(TRIES_PER_WORLD as usize) {
        let came = talk(subject, first..tries.min(first + TRIES_PER_WORLD), &mut watch).await;
        (requests, errors) = (requests + came.0, errors + came.1);
    }
    watch.tell(&format!("{requests} requests, {errors} calls failed"));
}

/// These tries with a sandbox of their own: how many requests it took, and how many calls failed.
async fn talk(subject: &'static Subject, tries: Range<u64>, watch: &mut Stopwatch) -> (usize, u64) {
    let world = small(subject).await;
    let keys: Vec<CaseKey> =
        (subject.titles)(&world.history()).into_keys().map(|id| CaseKey::new(SOURCE, id)).collect();
    let (mut cursor, mut requests, mut errors): (Option<Cursor>, usize, u64) = (None, 0, 0);
    for nth in tries {
        let mut dice = Dice::new(seed() * 1_000_000 + nth);
        let http = Broken {
            subject,
            origin: Origin::new(&"https://acme.example".parse().expect("an address")).expect("an origin"),
            door: &world.door,
            dice: Mutex::new(Dice::new(dice.next())),
            sent: AtomicUsize::new(0),
            before: Mutex::default(),
        };
        let cx = Ctx { http: &http, now: world.now() };
        let some = &keys[dice.below(keys.len())..];
        watch.start(nth);
        let failed = match dice.below(8) {
            0 => world.connector.check(&cx).await.err(),
            1..=3 => match world.connector.pull(&cx, cursor.as_ref()).await {
                Ok(page) => {
                    cursor = page.next.filter(|_| !dice.one_in(6));
                    None
                }
                Err(error) => Some(error),
            },
            4 | 5 => match world.connector.fetch(&cx, some).await {
                Ok(fetched) => {
                    assert_eq!(fetched.len(), some.len(), "{} {nth}: one answer per key", subject.vendor);
                    None
                }
                Err(error) => Some(error),
            },
            6 => world.connector.holds(&cx, &wants(&some[0])[dice.below(3)]).await.err(),
            _ => {
                let actions: Vec<Action> = some.iter().take(3).flat_map(wants).collect();
                match world.connector.apply(&cx, &actions).await {
                    Ok(applied) => {
                        assert_eq!(
                            applied.len(),
                            actions.len(),
                            "{} {nth}: one verdict each",
                            subject.vendor
                        );
                        None
                    }
                    Err(error) => Some(error),
                }
            }
        };
        watch.stop();
        errors += u64::from(failed.is_some());
        failed.iter().for_each(judge);
        requests += http.sent.load(Ordering::Relaxed);
        if nth % 50 == 49 {
            world.pass(90).await;
        }
    }
    (requests, errors)
}

/// G17
#[tokio::test]
async fn broken_answers_of_servicenow_end_in_an_answer_or_an_error() {
    converse(&SERVICENOW, 300).await;
}

/// G17
#[tokio::test]
async fn broken_answers_of_zendesk_end_in_an_answer_or_an_error() {
    converse(&ZENDESK, 300).await;
}

/// G17
#[tokio::test]
async fn broken_answers_of_jira_cloud_end_in_an_answer_or_an_error() {
    converse(&CLOUD, 300).await;
}

/// G17
#[tokio::test]
async fn broken_answers_of_jira_data_center_end_in_an_answer_or_an_error() {
    converse(&DATA_CENTER, 300).await;
}

/// G17
#[tokio::test]
async fn broken_answers_of_salesforce_end_in_an_answer_or_an_error() {
    converse(&SALESFORCE, 300).await;
}
