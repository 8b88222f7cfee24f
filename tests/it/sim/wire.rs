//! The door to a simulated vendor: product code signs in, counts the budget and reads the vendor's clock, and the
//! sandbox's router is called in-process. Between them requests are slow, cut short by the death of the process, or land
//! after everybody has given up waiting.

use super::steps::Steps;
use super::time::SimClock;
use super::watch::Ledger;
use crate::contract::door::Door;
use async_trait::async_trait;
use dutyd::clock::Clock as _;
use dutyd::http::{Allowance, TokenKeeper, TokenSignIn, Unsigned, clock_offset};
use dutyd_connectors::transport::SignIn;
use dutyd_connectors::{Connector, Lane, Method, Request, Response, Transport, TransportError};
use dutyd_sandbox::dice;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process dies at a request.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    pub writes_only: bool,
    pub after: bool,
    pub skip: u8,
}

/// Of a hundred writes, so many are carried out and not answered, and so many land up to 90 seconds later.
#[derive(Debug, Clone, Copy)]
pub struct Unsure {
    pub lost: u8,
    pub late: u8,
    pub seed: u64,
}

/// What befalls a request.
enum Fate {
    Passes,
    Dies { after: bool },
    Lands { late: SignedDuration },
    AnswerLost,
}

/// A write without an answer may land this much later, when writes are unsure.
const LATE_MAX: u64 = 90;

/// What stands between the daemon and one vendor. Outlives the daemon.
pub struct Line {
    door: Door,
    clock: Arc<SimClock>,
    steps: Arc<Steps>,
    ledger: Arc<Ledger>,
    state: Mutex<Plight>,
}

#[derive(Default)]
struct Plight {
    slow: SignedDuration,
    slowest: SignedDuration,
    death: Option<Death>,
    land_late: Option<SignedDuration>,
    unsure: Option<Unsure>,
    /// Requests on their way, with what signs them.
    late: VecDeque<(Timestamp, Request, Option<String>)>,
}

impl Line {
    pub fn new(door: Door, clock: Arc<SimClock>, steps: Arc<Steps>, ledger: Arc<Ledger>) -> Self {
        Self { door, clock, steps, ledger, state: Mutex::default() }
    }

    pub fn slow(&self, by: SignedDuration) {
        let mut state = lock(&self.state);
        (state.slow, state.slowest) = (by, state.slowest.max(by));
    }

    /// The longest that an answer ever took: so well can the vendor's clock be known, its `Date` being of some instant of it.
    pub fn slowest(&self) -> SignedDuration {
        lock(&self.state).slowest
    }

    pub fn die_at(&self, death: Option<Death>) {
        lock(&self.state).death = death;
    }

    /// The next write gets no answer and lands so much later.
    pub fn land_late(&self, by: Option<SignedDuration>) {
        lock(&self.state).land_late = by;
    }

    pub fn unsure(&self, unsure: Option<Unsure>) {
        lock(&self.state).unsure = unsure;
    }

    /// When the next late request lands.
    pub fn next_landing(&self) -> Option<Timestamp> {
        lock(&self.state).late.iter().map(|(at, ..)| *at).min()
    }

    /// Lets what is due arrive at the vendor. Nobody hears the answer.
    pub async fn land(&self, now: Timestamp) {
        loop {
            let due = {
                let late = &mut lock(&self.state).late;
                let found = late.iter().position(|(at, ..)| *at <= now);
                found.and_then(|found| late.remove(found))
            };
            let Some((_, request, authorization)) = due else { return };
            self.door.carry(&request, authorization.as_deref()).await.ok();
        }
    }

    /// A request takes its time; what is due at this vendor meanwhile lands at its own instant.
    async fn wait(&self, by: SignedDuration) {
        let end = self.clock.vendor_now() + by;
        while let Some(at) = self.next_landing().filter(|at| *at <= end) {
            self.clock.to(at.max(self.clock.vendor_now()));
            self.land(at).await;
        }
        self.clock.to(end.max(self.clock.vendor_now()));
    }

    async fn exchange(
        &self,
        request: &Request,
        authorization: Option<&str>,
    ) -> Result<Response, TransportError> {
        let writes = request.lane == Lane::Write && request.method != Method::Get;
        let (slow, fate) = self.plight(writes);
        self.wait(slow).await;
        if writes {
            self.ledger.tell("writes", 1);
        }
        let silent = || TransportError::NoAnswer { reason: "no head in time".to_owned() };
        match fate {
            Fate::Passes => {
                let name = if writes { "a write" } else { "a read" };
                self.steps.pass(name, self.door.carry(request, authorization)).await
            }
            Fate::Lands { late } => {
                self.ledger.tell("writes landed late", 1);
                let at = self.clock.vendor_now() + late;
                lock(&self.state).late.push_back((at, request.clone(), authorization.map(str::to_owned)));
                Err(silent())
            }
            Fate::AnswerLost => {
                self.ledger.tell("answers lost", 1);
                self.door.carry(request, authorization).await.ok();
                Err(silent())
            }
            Fate::Dies { after } => {
                let when = if after { "after" } else { "before" };
                let what = if writes { "a write" } else { "a read" };
                self.ledger.tell(format_args!("died {when} {what}"), 1);
                if after {
                    self.door.carry(request, authorization).await.ok();
                }
                self.steps.dead().await
            }
        }
    }

    /// What happens to this request.
    fn plight(&self, writes: bool) -> (SignedDuration, Fate) {
        let state = &mut *lock(&self.state);
        let struck = state.death.filter(|death| writes || !death.writes_only);
        if let Some(death) = struck {
            if death.skip == 0 {
                state.death = None;
                return (state.slow, Fate::Dies { after: death.after });
            }
            state.death = Some(Death { skip: death.skip - 1, ..death });
        }
        let late = if writes { state.land_late.take() } else { None };
        let fate = match (late, state.unsure.as_mut()) {
            (Some(late), _) => Fate::Lands { late },
            (None, Some(unsure)) if writes => unsure.next(),
            _ => Fate::Passes,
        };
        (state.slow, fate)
    }
}

impl Unsure {
    fn next(&mut self) -> Fate {
        self.seed = dice::hash(self.seed, &[b"unsure"]);
        let late = self.seed / 100 % LATE_MAX + 1;
        match (self.seed % 100) as u8 {
            roll if roll < self.lost => Fate::AnswerLost,
            roll if roll < self.lost + self.late => {
                Fate::Lands { late: SignedDuration::from_secs(late.cast_signed()) }
            }
            _ => Fate::Passes,
        }
    }
}

/// The transport of one life of the daemon.
pub struct Wire {
    line: Arc<Line>,
    connector: Arc<dyn Connector>,
    tokens: TokenKeeper,
    allowance: Allowance,
    offset_ms: AtomicI64,
}

impl Wire {
    pub fn new(line: Arc<Line>, connector: Arc<dyn Connector>) -> Self {
        let clock = line.clock.clone();
        let per_minute = connector.profile().requests_per_minute;
        let allowance = Allowance::new(per_minute, clock.clone());
        Self { line, connector, tokens: TokenKeeper::new(clock), allowance, offset_ms: AtomicI64::new(0) }
    }

    async fn authorization(
        &self,
        refused: Option<u64>,
    ) -> Result<(Option<String>, Option<u64>), TransportError> {
        let bearer = |token: &SecretString| Some(format!("Bearer {}", token.expose_secret()));
        let sign_in = match &self.connector.profile().sign_in {
            SignIn::Bearer { token } => return Ok((bearer(token), None)),
            SignIn::TokenForm(form) => TokenSignIn::Form(form),
            _ => return Ok((self.line.door.fixed_authorization(), None)),
        };
        let token = self.tokens.token(&sign_in, self, refused).await?;
        Ok((bearer(&token.value), Some(token.number)))
    }

    async fn exchange(
        &self,
        request: &Request,
        authorization: Option<&str>,
    ) -> Result<Response, TransportError> {
        let sent_at = self.line.clock.now();
        let response = self.line.exchange(request, authorization).await?;
        if let Some(budget) = self.connector.budget(&response) {
            self.allowance.told(budget);
        }
        let asked = (sent_at, self.line.clock.now());
        if let Some(offset) = clock_offset(&response, asked, self.offset()) {
            let offset_ms = i64::try_from(offset.as_millis()).unwrap_or(0);
            self.offset_ms.store(offset_ms, Ordering::Relaxed);
        }
        Ok(response)
    }
}

#[async_trait]
impl Unsigned for Wire {
    async fn send_unsigned(&self, request: Request) -> Result<Response, TransportError> {
        self.exchange(&request, None).await
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.allowance.take(request.lane).map_err(|until| TransportError::Throttled { until })?;
        let (authorization, number) = self.authorization(None).await?;
        let response = self.exchange(&request, authorization.as_deref()).await?;
        let Some(number) = number.filter(|_| self.connector.session_is_over(&response)) else {
            return Ok(response);
        };
        let (authorization, _) = self.authorization(Some(number)).await?;
        self.exchange(&request, authorization.as_deref()).await
    }

    fn offset(&self) -> SignedDuration {
        SignedDuration::from_millis(self.offset_ms.load(Ordering::Relaxed))
    }
}
