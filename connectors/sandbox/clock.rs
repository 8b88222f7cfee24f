//! The sandbox's own clock: wall time with an offset, or stepped time that moves only when told.
//! Knows nothing of vendors or requests; the only file of this crate that reads the time or sleeps.
#![allow(clippy::disallowed_methods)] // The sandbox is a separate thing with a clock of its own.

use jiff::{SignedDuration, Timestamp};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Whether time passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Wall,
    Stepped,
}

/// One clock per sandbox. Never goes back.
pub struct Clock {
    mode: Mode,
    state: Mutex<State>,
}

struct State {
    now: Timestamp,
    offset: SignedDuration,
}

impl Clock {
    pub fn wall() -> Clock {
        Clock {
            mode: Mode::Wall,
            state: Mutex::new(State { now: Timestamp::now(), offset: SignedDuration::ZERO }),
        }
    }

    pub fn stepped(start: Timestamp) -> Clock {
        Clock { mode: Mode::Stepped, state: Mutex::new(State { now: start, offset: SignedDuration::ZERO }) }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn now(&self) -> Timestamp {
        let mut state = lock(&self.state);
        if self.mode == Mode::Wall {
            let wall = Timestamp::now().checked_add(state.offset).unwrap_or(Timestamp::MAX);
            state.now = state.now.max(wall);
        }
        state.now
    }

    /// Moves to `to`; a time in the past is ignored.
    pub fn set(&self, to: Timestamp) {
        let now = self.now();
        if to <= now {
            return;
        }
        let mut state = lock(&self.state);
        if self.mode == Mode::Wall {
            state.offset = to.duration_since(Timestamp::now());
        }
        state.now = to;
    }
}

/// Locks a mutex; a panic elsewhere while it was held does not spread.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The wall's present time, to begin a world with.
pub fn wall_now() -> Timestamp {
    Timestamp::now()
}

/// A stopwatch for the journal's durations.
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    pub fn millis(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1000.0
    }
}

/// Real waiting: slow answers, and the delivery loop of wall mode.
pub async fn pause(real: Duration) {
    tokio::time::sleep(real).await;
}
