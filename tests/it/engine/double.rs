//! A vendor that answers as scripted and notes what it was asked, and no network behind it.
//!
//! Must not know: the engine.

use crate::fixture::change;
use async_trait::async_trait;
use dutyd_connectors::transport::SignIn;
use dutyd_connectors::{
    Applied, Connector, ConnectorError, Ctx, Cursor, Delivery, Fetched, Hint, Identity, Page, Profile,
    Request, Response, Transport, TransportError,
};
use dutyd_core::action::{Action, Receipt, Want};
use dutyd_core::case::{CaseChange, CaseKey, Priority, SeenMarks};
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;
use std::sync::Mutex;

pub struct NoNetwork;

#[async_trait]
impl Transport for NoNetwork {
    async fn send(&self, _request: Request) -> Result<Response, TransportError> {
        Err(TransportError::NotSent { reason: "no network in this test".to_owned() })
    }
}

pub type Answer = fn(&CaseKey) -> Fetched;
pub type Answers<T> = Mutex<VecDeque<Result<T, ConnectorError>>>;

/// Answers as scripted; with nothing scripted, as a healthy vendor without news. Notes what it was asked.
pub struct Double {
    profile: Profile,
    pub pages: Answers<Page>,
    writes: Answers<()>,
    pub held: Mutex<bool>,
    /// A record that lives at the vendor: what is written to it is read back.
    pub record: Mutex<Option<Record>>,
    /// What is answered for each case that is asked for by name, where not as by a healthy vendor.
    pub fetched: Mutex<Option<Answer>>,
    asked: Mutex<Vec<String>>,
}

pub struct Record {
    pub marks: SeenMarks,
    pub version: i64,
}

impl Record {
    fn write(&mut self, want: &Want) {
        self.version += 1;
        match want {
            Want::Mark(marker) => self.marks.marker.clone_from(marker),
            Want::Why(why) => self.marks.why.clone_from(why),
            Want::Note { marker, .. } => self.marks.notes.push(marker.clone()),
        }
    }

    /// An urgent case that nobody owns.
    fn read(&self) -> CaseChange {
        let mut change = change("a", self.version);
        change.case.priority = Some(Priority(1));
        change.marks = self.marks.clone();
        change
    }
}

impl Double {
    pub fn new() -> Self {
        let profile = Profile {
            vendor: "double",
            origin: "http://127.0.0.1:1/".parse().expect("an address"),
            sign_in: SignIn::None,
            lag: SignedDuration::from_secs(30),
            fetch_max: 10,
            apply_max: 10,
            requests_per_minute: 600,
            concurrency: 2,
            account: None,
        };
        Self {
            profile,
            pages: Mutex::default(),
            writes: Mutex::default(),
            held: Mutex::default(),
            record: Mutex::default(),
            fetched: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    fn note(&self, what: String) {
        self.asked.lock().expect("not poisoned").push(what);
    }

    pub fn page(&self, page: Result<Page, ConnectorError>) {
        self.pages.lock().expect("not poisoned").push_back(page);
    }

    pub fn write(&self, answer: Result<(), ConnectorError>) {
        self.writes.lock().expect("not poisoned").push_back(answer);
    }

    /// What was asked since the last look.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("not poisoned"))
    }
}

fn receipt(action: &Action, now: Timestamp) -> Receipt {
    Receipt { slot: action.slot.clone(), generation: action.generation, at: now, revision: None }
}

#[async_trait]
impl Connector for Double {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    async fn check(&self, _cx: &Ctx<'_>) -> Result<Identity, ConnectorError> {
        Ok(Identity::default())
    }

    async fn pull(&self, _cx: &Ctx<'_>, from: Option<&Cursor>) -> Result<Page, ConnectorError> {
        self.note(format!("pull from {}", from.map_or("the beginning", |cursor| &cursor.body)));
        let scripted = self.pages.lock().expect("not poisoned").pop_front();
        let living = self.record.lock().expect("not poisoned").as_ref().map(Record::read);
        let quiet = || Page { changes: living.into_iter().collect(), next: from.cloned(), ..Page::default() };
        scripted.unwrap_or_else(|| Ok(quiet()))
    }

    async fn fetch(&self, _cx: &Ctx<'_>, cases: &[CaseKey]) -> Result<Vec<Fetched>, ConnectorError> {
        self.note(format!("fetch {}", cases.iter().map(|key| key.id.as_str()).collect::<Vec<_>>().join(" ")));
        if let Some(answer) = *self.fetched.lock().expect("not poisoned") {
            return Ok(cases.iter().map(answer).collect());
        }
        let living = self.record.lock().expect("not poisoned").as_ref().map(Record::read);
        let read = |key: &CaseKey| living.clone().unwrap_or_else(|| change(&key.id, 1));
        Ok(cases.iter().map(|key| Fetched::Case(Box::new(read(key)))).collect())
    }

    async fn holds(&self, cx: &Ctx<'_>, action: &Action) -> Result<Option<Receipt>, ConnectorError> {
        self.note(format!("holds {}", action.slot.word()));
        let held = *self.held.lock().expect("not poisoned");
        Ok(held.then(|| receipt(action, cx.now)))
    }

    async fn apply(&self, cx: &Ctx<'_>, actions: &[Action]) -> Result<Vec<Applied>, ConnectorError> {
        let slots: Vec<_> = actions.iter().map(|action| action.slot.word()).collect();
        self.note(format!("apply {}", slots.join(" ")));
        let scripted = self.writes.lock().expect("not poisoned").pop_front();
        scripted.unwrap_or(Ok(()))?;
        if let Some(record) = self.record.lock().expect("not poisoned").as_mut() {
            actions.iter().for_each(|action| record.write(&action.want));
        }
        Ok(actions
            .iter()
            .map(|action| Applied { action_id: action.id.clone(), result: Ok(receipt(action, cx.now)) })
            .collect())
    }

    fn hints(&self, _delivery: &Delivery, _now: Timestamp) -> Result<Vec<Hint>, ConnectorError> {
        Ok(Vec::new())
    }
}

pub fn page(ids: &[&str], cursor: &str) -> Page {
    Page {
        changes: ids.iter().map(|id| change(id, 1)).collect(),
        next: Some(Cursor { version: 1, body: cursor.to_owned() }),
        ..Page::default()
    }
}
