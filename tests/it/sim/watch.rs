//! A connector under watch: what is asked and written is logged and held against the rule that a second attempt comes
//! only after asking, and after a write without an answer only once its quiet time is over.
//!
//! Remembers across the daemon's lives what the vendor may still be carrying out. Time is the vendors'.

use super::tally::Tally;
use super::time::SimClock;
use super::wire::lock;
use async_trait::async_trait;
use dutyd_connectors::{
    Applied, Budget, Connector, ConnectorError, Ctx, Cursor, Delivery, Fetched, Hint, Identity, Page,
    Profile, Response,
};
use dutyd_core::action::{Action, Receipt, Slot};
use dutyd_core::case::{CaseChange, CaseKey};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// A write without an answer may land this much later.
const QUIET: SignedDuration = SignedDuration::from_secs(120);

/// An attempt of which nobody knows whether it came to something.
#[derive(Debug, Clone, Copy)]
struct Open {
    at: Timestamp,
    /// It was sent and not answered.
    silent: bool,
    asked: bool,
    /// The database that knew of it is lost.
    forgotten: bool,
}

/// What is remembered of all lives.
#[derive(Default)]
pub struct Ledger {
    open: Mutex<BTreeMap<String, Open>>,
    /// When something was last written.
    pub wrote_at: Mutex<Option<Timestamp>>,
    /// What was ever wanted of a vendor: case, slot and generation.
    wanted: Mutex<BTreeSet<String>>,
    /// When each case was written to, one instant per request.
    pub effects: Mutex<BTreeMap<CaseKey, Vec<Timestamp>>>,
    /// Cases that the daemon was told are gone.
    pub gone: Mutex<BTreeSet<CaseKey>>,
    pub tally: Mutex<Tally>,
    pub log: Mutex<Vec<String>>,
    pub broken: Mutex<Vec<String>>,
}

impl Ledger {
    pub fn say(&self, at: Timestamp, what: impl std::fmt::Display) {
        lock(&self.log).push(format!("{at} {what}"));
    }

    pub fn breaks(&self, at: Timestamp, what: impl std::fmt::Display) {
        self.say(at, format_args!("BROKEN {what}"));
        lock(&self.broken).push(format!("{at} {what}"));
    }

    pub fn tell(&self, what: impl std::fmt::Display, count: u64) {
        lock(&self.tally).add(what, count);
    }

    pub fn intents(&self) -> u64 {
        lock(&self.wanted).len() as u64
    }

    /// A lost database cannot know of attempts. Marks may be set again; of notes it must ask.
    pub fn forget_marks(&self) {
        let mut open = lock(&self.open);
        open.retain(|slot, _| slot.contains("note:"));
        open.values_mut().for_each(|open| open.forgotten = true);
        drop(open);
        lock(&self.gone).clear();
    }

    fn slot(action: &Action) -> String {
        format!("{} {}", action.case, action.slot.word())
    }

    /// Invariant: no second attempt without asking, none before the first can no longer land.
    fn attempt(&self, action: &Action, now: Timestamp) {
        *lock(&self.wrote_at) = Some(now);
        if lock(&self.gone).contains(&action.case) {
            self.breaks(now, format_args!("{} is written to, known to be gone", action.case));
        }
        lock(&self.wanted).insert(format!("{} {} {}", action.case, action.slot.word(), action.generation));
        let mut effects = lock(&self.effects);
        let effects = effects.entry(action.case.clone()).or_default();
        if effects.last() != Some(&now) {
            effects.push(now);
        }
        let slot = Self::slot(action);
        let before = lock(&self.open)
            .insert(slot.clone(), Open { at: now, silent: true, asked: false, forgotten: false });
        match before {
            Some(Open { asked: false, .. }) => {
                self.breaks(now, format_args!("{slot}: written again without asking"));
            }
            Some(Open { at, silent: true, .. }) if now.duration_since(at) < QUIET => {
                self.breaks(now, format_args!("{slot}: written again while the first may still land"));
            }
            _ => {}
        }
    }

    fn answered(&self, action: &Action, verdict: &Result<Receipt, ConnectorError>) {
        let (slot, mut open) = (Self::slot(action), lock(&self.open));
        match verdict {
            Err(ConnectorError::Unknown { .. }) => {}
            Err(ConnectorError::Unavailable { .. }) => {
                open.entry(slot).and_modify(|open| open.silent = false);
            }
            _ => drop(open.remove(&slot)),
        }
    }

    /// Whoever cannot know of an attempt asks by reading the record with all its notes, once it can no longer land.
    fn read(&self, change: &CaseChange, now: Timestamp) {
        let of_case = format!("{} ", change.case.key);
        for (_, open) in lock(&self.open).iter_mut().filter(|(slot, _)| slot.starts_with(&of_case)) {
            let landed = now.duration_since(open.at) >= QUIET;
            open.asked |= open.forgotten && landed && change.marks.notes_complete;
        }
    }

    fn asked(&self, action: &Action, now: Timestamp, found: bool) {
        let (slot, mut open) = (Self::slot(action), lock(&self.open));
        let early = |open: &Open| open.silent && now.duration_since(open.at) < QUIET;
        match open.get_mut(&slot) {
            Some(_) if found => drop(open.remove(&slot)),
            // What is not there yet says nothing; for marks, that are only set, that is harmless.
            Some(attempt) if early(attempt) && matches!(action.slot, Slot::Note { .. }) => {}
            Some(attempt) => attempt.asked = true,
            None => {}
        }
    }
}

/// See the module.
pub struct Watched {
    pub inner: Arc<dyn Connector>,
    pub clock: Arc<SimClock>,
    pub ledger: Arc<Ledger>,
}

impl Watched {
    fn say(&self, what: impl std::fmt::Display) {
        self.ledger.say(self.clock.vendor_now(), what);
    }
}

fn told<T>(result: &Result<T, ConnectorError>, said: impl Fn(&T) -> String) -> String {
    match result {
        Ok(value) => said(value),
        Err(error) => format!("{error}"),
    }
}

#[async_trait]
impl Connector for Watched {
    fn profile(&self) -> &Profile {
        self.inner.profile()
    }

    async fn check(&self, cx: &Ctx<'_>) -> Result<Identity, ConnectorError> {
        self.inner.check(cx).await
    }

    async fn pull(&self, cx: &Ctx<'_>, from: Option<&Cursor>) -> Result<Page, ConnectorError> {
        let page = self.inner.pull(cx, from).await;
        let said = told(&page, |page| {
            let hints: Vec<_> = page.hints.iter().map(|hint| hint.key.to_string()).collect();
            let changes: Vec<_> = page.changes.iter().map(|change| change.case.key.to_string()).collect();
            format!("{hints:?} {changes:?} more: {} {:?}", page.more, page.next)
        });
        self.say(format_args!("pull {}: {said}", self.profile().origin));
        page
    }

    async fn fetch(&self, cx: &Ctx<'_>, cases: &[CaseKey]) -> Result<Vec<Fetched>, ConnectorError> {
        let fetched = self.inner.fetch(cx, cases).await;
        for one in fetched.iter().flatten() {
            if let Fetched::Case(change) = one {
                self.ledger.read(change, self.clock.vendor_now());
            }
        }
        let said = told(&fetched, |fetched| {
            let words = fetched.iter().map(|one| match one {
                Fetched::Case(change) => format!("{} {:?}", change.case.key, change.case.revision),
                Fetched::Gone(key) => format!("{key} gone"),
                Fetched::Hidden(key) => format!("{key} hidden"),
                Fetched::Quarantined(key, record) => format!("{key} quarantined: {}", record.reason),
                Fetched::Unread(key, error) => format!("{key} unread: {error}"),
            });
            words.collect::<Vec<_>>().join(", ")
        });
        self.say(format_args!("fetch {said}"));
        fetched
    }

    async fn holds(&self, cx: &Ctx<'_>, action: &Action) -> Result<Option<Receipt>, ConnectorError> {
        let held = self.inner.holds(cx, action).await;
        if let Ok(found) = &held {
            self.ledger.asked(action, self.clock.vendor_now(), found.is_some());
        }
        let said = told(&held, |found| format!("{}", found.is_some()));
        self.say(format_args!("holds {} {}: {said}", action.case, action.slot.word()));
        held
    }

    async fn apply(&self, cx: &Ctx<'_>, actions: &[Action]) -> Result<Vec<Applied>, ConnectorError> {
        for action in actions {
            self.say(format_args!("apply {} {} {}", action.case, action.slot.word(), action.generation));
            self.ledger.attempt(action, self.clock.vendor_now());
        }
        let applied = self.inner.apply(cx, actions).await;
        for action in actions {
            let verdict = match &applied {
                Err(error) => Err(error.clone()),
                Ok(applied) => {
                    let mine = applied.iter().find(|one| one.action_id == action.id);
                    mine.map_or_else(
                        || Err(ConnectorError::Unknown { reason: "no verdict".to_owned() }),
                        |one| one.result.clone(),
                    )
                }
            };
            self.ledger.answered(action, &verdict);
            let said = told(&verdict, |receipt| format!("{:?}", receipt.revision));
            self.say(format_args!("  {}: {said}", action.slot.word()));
        }
        applied
    }

    fn hints(&self, delivery: &Delivery, now: Timestamp) -> Result<Vec<Hint>, ConnectorError> {
        self.inner.hints(delivery, now)
    }

    fn session_is_over(&self, response: &Response) -> bool {
        self.inner.session_is_over(response)
    }

    fn budget(&self, response: &Response) -> Option<Budget> {
        self.inner.budget(response)
    }
}
