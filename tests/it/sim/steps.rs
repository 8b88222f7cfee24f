//! Steps at which a process can die: each transaction of the store and each request, before it and after it. A list
//! names one by its number, so that all of them can be gone through.

use super::watch::Ledger;
use super::wire::lock;
use std::fmt::Display;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The step of a list at which the process dies.
#[derive(Debug, Clone, Copy)]
struct Fatal {
    /// So many steps pass unharmed first.
    skip: u64,
    /// Once the step is done, and nobody heard of it.
    after: bool,
}

pub struct Steps {
    /// Rung when the process must die now.
    pub dies: Arc<Notify>,
    ledger: Arc<Ledger>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A starting process is no list's business.
    counts: bool,
    fatal: Option<Fatal>,
    passed: Vec<String>,
}

impl Steps {
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { dies: Arc::default(), ledger, state: Mutex::default() }
    }

    pub fn die_at(&self, skip: u64, after: bool) {
        lock(&self.state).fatal = Some(Fatal { skip, after });
    }

    pub fn live_on(&self) {
        lock(&self.state).fatal = None;
    }

    /// Whether steps count from now on.
    pub fn count(&self, counts: bool) {
        lock(&self.state).counts = counts;
    }

    /// The steps so far, in their order.
    pub fn passed(&self) -> Vec<String> {
        lock(&self.state).passed.clone()
    }

    /// Carries out a step, unless the process dies of it.
    pub async fn pass<T>(&self, name: impl Display, work: impl Future<Output = T>) -> T {
        match self.fate(&name) {
            None => work.await,
            Some(after) => {
                let when = if after { "after" } else { "before" };
                self.ledger.tell(format_args!("died {when} {name}"), 1);
                if after {
                    drop(work.await);
                }
                self.dead().await
            }
        }
    }

    /// Whether this step is the last: `true`, after it.
    fn fate(&self, name: &impl Display) -> Option<bool> {
        let state = &mut *lock(&self.state);
        if !state.counts {
            return None;
        }
        state.passed.push(name.to_string());
        let fatal = state.fatal.as_mut()?;
        if fatal.skip > 0 {
            fatal.skip -= 1;
            return None;
        }
        state.fatal.take().map(|fatal| fatal.after)
    }

    pub async fn dead(&self) -> ! {
        self.dies.notify_one();
        std::future::pending().await
    }
}
