//! Cases, changes and instants that several suites use.

use async_trait::async_trait;
use dutyd::clock::{Clock, Wake, Woke};
use dutyd::engine::{Tick, Unit};
use dutyd_core::case::{Case, CaseChange, CaseKey, Party, Priority, Revision, SeenMarks, Status};
use dutyd_core::timeline::{Actor, EventKind, TimelineEvent};
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub const SOURCE: &str = "desk";

/// Ticks all units until none has anything to do now, in so many rounds at the most.
pub async fn settle(units: &[Arc<dyn Unit>], rounds_max: usize) {
    for _ in 0..rounds_max {
        let mut worked = false;
        for unit in units {
            worked |= unit.tick().await.expect("no failure of the store") == Tick::Worked;
        }
        if !worked {
            return;
        }
    }
    panic!("the engine does not come to rest");
}

pub fn start() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().expect("an instant")
}

pub fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

pub fn key(id: &str) -> CaseKey {
    CaseKey::new(SOURCE, id)
}

/// An open case at its `version`-th version, one minute apart.
pub fn case(id: &str, version: i64) -> Case {
    let at = start() + minutes(version);
    Case {
        number: format!("INC{id}"),
        title: format!("Case {id}"),
        status: Status::Open,
        status_raw: "2".to_owned(),
        priority: Some(Priority(3)),
        priority_raw: "3".to_owned(),
        customer: Some(Party { id: "acme".to_owned(), name: "Acme".to_owned() }),
        updated_at: at,
        revision: Revision { at_ms: at.as_millisecond(), count: version.unsigned_abs() },
        ..Case::opened(key(id), start())
    }
}

pub fn change(id: &str, version: i64) -> CaseChange {
    let created = TimelineEvent {
        id: format!("{id}-created"),
        at: start(),
        seen_at: start(),
        actor: Actor::Customer,
        by: None,
        kind: EventKind::Created { signals: Vec::new() },
    };
    CaseChange {
        case: case(id, version),
        events: vec![created],
        marks: SeenMarks { notes_complete: true, ..SeenMarks::default() },
        events_complete: true,
        texts: Vec::new(),
    }
}

/// A clock that moves only when told.
pub struct HandClock {
    now: Mutex<Timestamp>,
    /// The next look at it says that it jumped.
    jumped: AtomicBool,
}

impl HandClock {
    pub fn new(now: Timestamp) -> Self {
        Self { now: Mutex::new(now), jumped: AtomicBool::default() }
    }

    pub fn read(&self) -> Timestamp {
        *self.now.lock().expect("not poisoned")
    }

    pub fn set(&self, now: Timestamp) {
        *self.now.lock().expect("not poisoned") = now;
    }

    /// As the machine's own clock when somebody sets it.
    pub fn jump(&self, now: Timestamp) {
        self.set(now);
        self.jumped.store(true, Ordering::Relaxed);
    }

    pub fn pass(&self, by: SignedDuration) {
        *self.now.lock().expect("not poisoned") += by;
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.read()
    }

    async fn sleep_until(&self, _until: Option<Timestamp>, _wake: &Wake) -> Woke {
        if self.jumped.swap(false, Ordering::Relaxed) { Woke::Jumped } else { Woke::Slept }
    }
}
