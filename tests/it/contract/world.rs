//! A sandbox, a connector to it, and a reader that follows it as the engine would: cursor, hints, bulk fetch, retries.

use super::door::Door;
use super::subject::Subject;
use axum::body::Body;
use dutyd_connectors::{Applied, Connector, ConnectorError, Ctx, Cursor, Fetched, Hint, Quarantined, build};
use dutyd_core::action::Action;
use dutyd_core::case::{CaseChange, CaseKey};
use dutyd_sandbox::{Options, Sandbox};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tower::ServiceExt;

pub const SOURCE: &str = "here";
/// How often a question is asked again while the sandbox is hostile.
const PATIENCE: usize = 12;
/// Pages of one scan: more means that it does not end.
const PAGES_MAX: usize = 3_000;

/// One sandbox with one vendor in it.
pub struct World {
    pub subject: &'static Subject,
    pub sandbox: Sandbox,
    pub connector: Arc<dyn Connector>,
    pub door: Door,
}

/// What a world is made of.
#[derive(Clone)]
pub struct Setting {
    pub hostile: bool,
    pub cases: u64,
    pub page_size: u32,
    /// Whether life goes on after the start, for so many days.
    pub live_days: Option<i64>,
    pub switches: Vec<(&'static str, Value)>,
    /// Changes the endpoints before the connector is built from them.
    pub endpoints: fn(&mut Value),
}

impl Setting {
    pub fn new(hostile: bool) -> Self {
        Self { hostile, cases: 30, page_size: 10, live_days: None, switches: Vec::new(), endpoints: |_| {} }
    }
}

impl World {
    pub async fn new(subject: &'static Subject, setting: &Setting) -> Self {
        let switch =
            |(name, value): &(&str, Value)| (subject.vendor.to_owned(), (*name).to_owned(), value.clone());
        let start: Timestamp = "2026-03-02T09:00:00Z".parse().expect("a valid instant");
        let options = Options {
            seed: 7,
            calm: !setting.hostile,
            vendors: vec![subject.vendor.to_owned()],
            cases: setting.cases,
            past_days: 10,
            stepped_from: Some(start),
            live: setting.live_days.is_some(),
            ends_at: setting.live_days.map(|days| start + SignedDuration::from_hours(24 * days)),
            switches: setting.switches.iter().map(switch).collect(),
            ..Options::default()
        };
        let sandbox = Sandbox::build(&options).await.expect("the sandbox is built");
        let mut endpoints = sandbox.inner.endpoints()[subject.vendor].clone();
        (setting.endpoints)(&mut endpoints);
        let (config, secrets) = (subject.source)(&endpoints, setting.page_size);
        let connector: Arc<dyn Connector> =
            build(SOURCE, &config, &secrets).expect("the connector is built").into();
        let profile = connector.profile();
        let router = sandbox.router(subject.vendor).expect("the vendor is there");
        let host = profile.origin.host_str().unwrap_or_default().to_owned();
        let door = Door::new(router, host, profile.sign_in.clone()).judged_by(&connector);
        Self { subject, sandbox, connector, door }
    }

    pub fn now(&self) -> Timestamp {
        self.sandbox.inner.stage.clock.now()
    }

    /// What the sandbox says of itself to whoever configures a connector.
    pub fn endpoints(&self) -> Value {
        self.sandbox.inner.endpoints()[self.subject.vendor].clone()
    }

    pub fn cx(&self) -> Ctx<'_> {
        Ctx { http: &self.door, now: self.now() }
    }

    pub async fn pass(&self, seconds: i64) {
        let to = self.now() + SignedDuration::from_secs(seconds);
        self.sandbox.inner.stepper.advance(to).await;
    }

    /// An order on the control port; its answer.
    pub async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, value) = self.order(method, path, body).await;
        assert!(status.is_success(), "{method} {path} {body}: {status} {value}");
        value
    }

    async fn order(&self, method: &str, path: &str, body: &Value) -> (axum::http::StatusCode, Value) {
        let request = axum::http::Request::builder().method(method).uri(path);
        let request = request.body(Body::from(body.to_string())).expect("a valid order");
        let Ok(answer) = self.sandbox.control_router().oneshot(request).await;
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a whole answer");
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub async fn create(&self, title: &str) -> CaseKey {
        let order = json!({ "vendor": self.subject.vendor, "title": title, "text": "it does not work" });
        let made = self.control("POST", "/_sandbox/cases", &order).await;
        CaseKey::new(SOURCE, made["id"].as_str().expect("the id of the new case"))
    }

    pub async fn act(&self, case: &CaseKey, verb: &str, body: &Value) {
        let path = format!("/_sandbox/cases/{}/{}/{verb}", self.subject.vendor, case.id);
        self.control("POST", &path, body).await;
    }

    pub async fn rename(&self, case: &CaseKey, title: &str) {
        self.act(case, "change", &json!({ "fields": { "title": title } })).await;
    }

    /// Renames a case unless the vendor takes no more changes of it, as of a closed one.
    pub async fn rename_if_open(&self, case: &CaseKey, title: &str) {
        let path = format!("/_sandbox/cases/{}/{}/change", self.subject.vendor, case.id);
        let (status, _) = self.order("POST", &path, &json!({ "fields": { "title": title } })).await;
        assert!(status.is_success() || status == axum::http::StatusCode::BAD_REQUEST, "{path}: {status}");
    }

    pub async fn order_fault(&self, fault: Value, matching: Value, when: &str) {
        let order = json!({ "vendor": self.subject.vendor, "fault": fault, "match": matching, "when": when });
        self.control("POST", "/_sandbox/faults", &order).await;
    }

    /// The sandbox's own history, the oracle.
    pub fn history(&self) -> Value {
        let bytes = self.sandbox.history(self.subject.vendor).expect("the vendor is there");
        serde_json::from_slice(&bytes).expect("a history is JSON")
    }

    /// Whether asking again is the reaction to an error; time passes as it asks for.
    pub async fn waits(&self, error: &ConnectorError) -> bool {
        match error {
            ConnectorError::Throttled { until } => {
                let asked = until.map_or(30, |until| until.duration_since(self.now()).as_secs());
                self.pass(asked.clamp(1, 900)).await;
                true
            }
            ConnectorError::Unavailable { .. } => {
                self.pass(5).await;
                true
            }
            _ => false,
        }
    }

    /// Waits until a poll must show every change made so far.
    pub async fn pass_the_lag(&self) {
        self.pass(self.connector.profile().lag.as_secs().max(120)).await;
    }

    /// One answer per key; those that could not be read are asked for again.
    pub async fn fetch(&self, keys: &[CaseKey]) -> Vec<Fetched> {
        let mut answers = self.fetch_once(keys).await;
        for _ in 0..PATIENCE {
            let mut unread = Vec::new();
            for (index, answer) in answers.iter().enumerate() {
                if let Fetched::Unread(key, error) = answer {
                    assert!(self.waits(error).await, "{key}: {error}");
                    unread.push((index, key.clone()));
                }
            }
            if unread.is_empty() {
                return answers;
            }
            let asked: Vec<CaseKey> = unread.iter().map(|(_, key)| key.clone()).collect();
            for ((index, _), answer) in unread.into_iter().zip(self.fetch_once(&asked).await) {
                answers[index] = answer;
            }
        }
        panic!("some are never read: {answers:?}");
    }

    async fn fetch_once(&self, keys: &[CaseKey]) -> Vec<Fetched> {
        for _ in 0..PATIENCE {
            match self.connector.fetch(&self.cx(), keys).await {
                Ok(fetched) => return fetched,
                Err(error) => assert!(self.waits(&error).await, "fetch: {error}"),
            }
        }
        panic!("fetch never succeeds");
    }

    /// The one case, which must be readable.
    pub async fn read(&self, key: &CaseKey) -> CaseChange {
        match self.fetch(std::slice::from_ref(key)).await.remove(0) {
            Fetched::Case(change) => *change,
            other => panic!("{key}: {other:?}"),
        }
    }

    /// Makes actions true as the engine would: `holds` comes before a second attempt.
    pub async fn deliver(&self, actions: &[Action]) {
        for action in actions {
            self.deliver_one(action).await;
        }
    }

    async fn deliver_one(&self, action: &Action) {
        for attempt in 0..PATIENCE {
            if attempt > 0 && self.holds(action).await {
                return;
            }
            let applied = self.connector.apply(&self.cx(), std::slice::from_ref(action)).await;
            let verdict = applied.map(|mut applied: Vec<Applied>| applied.remove(0).result);
            match verdict.and_then(|verdict| verdict) {
                Ok(_) => return,
                Err(ConnectorError::Unknown { .. }) => self.pass(120).await,
                Err(error) => assert!(self.waits(&error).await, "apply: {error}"),
            }
        }
        panic!("apply never succeeds");
    }

    pub async fn holds(&self, action: &Action) -> bool {
        for _ in 0..PATIENCE {
            match self.connector.holds(&self.cx(), action).await {
                Ok(receipt) => return receipt.is_some(),
                Err(error) => assert!(self.waits(&error).await, "holds: {error}"),
            }
        }
        panic!("holds never succeeds");
    }
}

/// What a daemon would know: fed by pages and fetches only.
#[derive(Default)]
pub struct Reader {
    pub cursor: Option<Cursor>,
    pub cases: BTreeMap<String, CaseChange>,
    pub gone: Vec<CaseKey>,
    pub quarantined: Vec<Quarantined>,
    pub pages: usize,
}

impl Reader {
    /// Reads until the scan has no more for now.
    pub async fn sync(&mut self, world: &World) {
        self.sync_with(world, async |_| {}).await;
    }

    /// The same, with something happening behind each page.
    pub async fn sync_with(&mut self, world: &World, between: impl AsyncFn(usize)) {
        let mut patience = PATIENCE;
        for page in 0..PAGES_MAX {
            match world.connector.pull(&world.cx(), self.cursor.as_ref()).await {
                Err(error) => {
                    patience -= 1;
                    assert!(patience > 0 && world.waits(&error).await, "pull: {error}");
                }
                Ok(read) => {
                    patience = PATIENCE;
                    self.pages += 1;
                    self.cursor = read.next.or(self.cursor.take());
                    self.quarantined.extend(read.quarantined);
                    read.changes.into_iter().for_each(|change| self.take(change));
                    self.follow(world, &read.hints).await;
                    between(page).await;
                    if !read.more {
                        return;
                    }
                }
            }
        }
        panic!("the scan does not end");
    }

    /// Fetches what the hints name and is not here in that revision yet.
    pub async fn follow(&mut self, world: &World, hints: &[Hint]) {
        let news = hints.iter().filter(|hint| {
            let known = self.cases.get(&hint.key.id).map(|change| change.case.revision);
            known.is_none() || hint.revision.is_none() || known < hint.revision
        });
        let keys: Vec<CaseKey> = news.map(|hint| hint.key.clone()).collect();
        for keys in keys.chunks(world.connector.profile().fetch_max) {
            let mut asked = keys.to_vec();
            for _ in 0..PATIENCE {
                if asked.is_empty() {
                    break;
                }
                let fetched = world.fetch(&asked).await;
                assert_eq!(fetched.len(), asked.len(), "one answer per key");
                asked = self.settle(world, fetched).await;
            }
            assert!(asked.is_empty(), "never read: {asked:?}");
        }
    }

    /// Takes the answers; the keys to ask for again.
    async fn settle(&mut self, world: &World, fetched: Vec<Fetched>) -> Vec<CaseKey> {
        let mut again = Vec::new();
        for answer in fetched {
            match answer {
                Fetched::Case(change) => self.take(*change),
                Fetched::Gone(key) | Fetched::Hidden(key) => {
                    self.cases.remove(&key.id);
                    self.gone.push(key);
                }
                Fetched::Quarantined(_, quarantined) => self.quarantined.push(quarantined),
                Fetched::Unread(key, error) => {
                    assert!(world.waits(&error).await, "{key}: {error}");
                    again.push(key);
                }
            }
        }
        again
    }

    /// Invariant of the engine: a case never moves to an older version.
    fn take(&mut self, change: CaseChange) {
        let id = change.case.key.id.clone();
        let known = self.cases.get(&id).map(|known| known.case.revision);
        if known.is_none_or(|known| known <= change.case.revision) {
            self.cases.insert(id, change);
        }
    }

    pub fn titles(&self) -> BTreeMap<String, String> {
        self.cases.iter().map(|(id, change)| (id.clone(), change.case.title.clone())).collect()
    }
}

/// A list of records by a text column, from a history.
pub fn column(
    records: &Value,
    id: &str,
    value: impl Fn(&Map<String, Value>) -> String,
) -> BTreeMap<String, String> {
    let rows = records.as_array().expect("a list of records").iter().filter_map(Value::as_object);
    rows.map(|row| (row[id].as_str().expect("an id").to_owned(), value(row))).collect()
}
