//! Makes life: new cases, replies, silence, handovers, reopens, from one seed, for as long as it is asked.
//! Every case is a small state machine that draws its next move and when; it never looks at the vendors,
//! so the same seed gives the same life whatever the daemon does.

use crate::Options;
use crate::cast::{Cast, Tier};
use crate::phrases;
use crate::world::{Happening, NewCase, Priority, Script, Status, What, Who};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

const DAY_SECONDS: f64 = 86_400.0;
/// From the start of life to the first outage, between two of them, and between two tools' cases about one.
const FIRST_OUTAGE: SignedDuration = SignedDuration::from_hours(5);
const OUTAGE_EVERY: SignedDuration = SignedDuration::from_hours(60);
const OUTAGE_SPREAD: SignedDuration = SignedDuration::from_mins(7);

/// An entry of the agenda.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// A new case comes.
    Arrival,
    /// A case moves.
    Case(u64),
    /// Something breaks for one customer, who reports it in every tool.
    Outage,
}

/// What a case is about, where it is not left to chance.
struct Trouble {
    product: usize,
    priority: Priority,
    words: (&'static str, &'static str),
}

pub struct Generator {
    cast: Arc<Cast>,
    rng: ChaCha8Rng,
    vendors: Vec<&'static str>,
    agenda: BinaryHeap<Reverse<(Timestamp, u64, Next)>>,
    /// Cases that still move.
    open: BTreeMap<u64, CaseLife>,
    /// What was decided and not yet given out, in order of time.
    ready: BTreeMap<(Timestamp, u64), Happening>,
    serial: u64,
    cases: u64,
    /// Cases still to come in the past, exactly as many as ordered.
    past_left: u64,
    live_gap_seconds: f64,
    began_at: Timestamp,
}

struct CaseLife {
    vendor: &'static str,
    contact: usize,
    customer: usize,
    team: usize,
    agent: Option<usize>,
    priority: Priority,
    status: Status,
    /// The customer spoke last.
    customer_waits: bool,
    moves: u32,
}

impl Generator {
    pub fn new(
        cast: &Arc<Cast>,
        options: &Options,
        vendors: Vec<&'static str>,
        began_at: Timestamp,
    ) -> Generator {
        let past_days = options.past_days.max(1) as f64;
        let total = options.cases * vendors.len() as u64;
        let past_gap_seconds = past_days * DAY_SECONDS / (total.max(1) as f64);
        let live_gap_seconds = options
            .cases_per_day
            .map_or(past_gap_seconds, |per_day| DAY_SECONDS / (per_day * vendors.len() as f64).max(0.001));
        let mut generator = Generator {
            cast: cast.clone(),
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            vendors,
            agenda: BinaryHeap::new(),
            open: BTreeMap::new(),
            ready: BTreeMap::new(),
            serial: 0,
            cases: 0,
            past_left: total,
            live_gap_seconds,
            began_at,
        };
        if !generator.vendors.is_empty() {
            let first = crate::past(began_at, options.past_days.max(1));
            generator.plan(first, Next::Arrival);
        }
        if generator.vendors.len() > 1 && options.live {
            generator.plan(later(began_at, FIRST_OUTAGE), Next::Outage);
        }
        generator
    }

    fn plan(&mut self, at: Timestamp, next: Next) {
        self.serial += 1;
        self.agenda.push(Reverse((at, self.serial, next)));
    }

    /// Does the next thing on the agenda; it may leave several happenings, or none.
    fn work(&mut self) -> Option<()> {
        let Reverse((at, _, next)) = self.agenda.pop()?;
        match next {
            Next::Arrival => self.arrive(at),
            Next::Case(case) => self.proceed(at, case),
            Next::Outage => self.outage(at),
        }
        Some(())
    }

    fn say(&mut self, at: Timestamp, vendor: &'static str, case: u64, what: What) {
        self.serial += 1;
        self.ready.insert((at, self.serial), Happening { at, vendor, case, what });
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.rng.random_range(0..list.len())]
    }

    /// Seconds from an exponential distribution.
    fn some(&mut self, mean_seconds: f64) -> SignedDuration {
        let uniform: f64 = self.rng.random();
        SignedDuration::from_secs((-(1.0 - uniform).max(1e-9).ln() * mean_seconds) as i64 + 1)
    }

    fn arrive(&mut self, at: Timestamp) {
        let in_past = at < self.began_at;
        if !in_past || self.past_left > 0 {
            self.open_case(at);
        }
        self.past_left = self.past_left.saturating_sub(u64::from(in_past));
        // In the past the gaps are even enough to place exactly the ordered number before the start.
        let gap = if in_past && self.past_left > 0 {
            let left = self.began_at.duration_since(at).as_secs_f64();
            let even = left / self.past_left as f64;
            let jitter: f64 = self.rng.random();
            SignedDuration::from_secs((even * 2.0 * jitter).min(left - 2.0).max(0.0) as i64)
        } else {
            self.some(self.live_gap_seconds)
        };
        let mut next = later(at, gap);
        if in_past && self.past_left == 0 {
            next = next.max(later(self.began_at, gap));
        }
        self.plan(next, Next::Arrival);
    }

    /// One of the important customers reports the same trouble in every tool.
    fn outage(&mut self, at: Timestamp) {
        let gold: Vec<usize> = (0..self.cast.customers.len())
            .filter(|customer| self.cast.customers[*customer].tier == Tier::Gold)
            .collect();
        let (customer, product) = (self.pick(&gold), self.rng.random_range(0..self.cast.products.len()));
        let mut moment = at;
        for vendor in self.vendors.clone() {
            let trouble = Trouble { product, priority: Priority::Urgent, words: phrases::OUTAGE };
            self.open(moment, vendor, customer, Some(trouble));
            moment = later(moment, OUTAGE_SPREAD);
        }
        self.plan(later(at, OUTAGE_EVERY), Next::Outage);
    }

    fn open_case(&mut self, at: Timestamp) {
        let vendor_index = self.cases as usize % self.vendors.len();
        let vendor = self.vendors[vendor_index];
        let customers: Vec<usize> = (0..self.cast.customers.len())
            .filter(|customer| self.cast.uses(*customer, vendor_index, self.vendors.len()))
            .collect();
        let customer = self.pick(&customers);
        self.open(at, vendor, customer, None);
    }

    fn open(&mut self, at: Timestamp, vendor: &'static str, customer: usize, trouble: Option<Trouble>) {
        let case = self.cases;
        self.cases += 1;
        let contacts = self.cast.customers[customer].contacts.clone();
        let contact = self.pick(&contacts);
        let product = match &trouble {
            Some(trouble) => trouble.product,
            None => self.rng.random_range(0..self.cast.products.len()),
        };
        let team = if self.rng.random_bool(0.6) { self.cast.products[product].team } else { 0 };
        let priority = match &trouble {
            Some(trouble) => trouble.priority,
            None => self.some_priority(),
        };
        let agents = self.cast.teams[team].agents.clone();
        let agent = self.rng.random_bool(0.5).then(|| self.pick(&agents));
        let (title, text) = match &trouble {
            Some(trouble) => trouble.words,
            None => self.pick(phrases::TITLES),
        };
        let name = self.cast.products[product].name;
        let (title, text) = (title.replace("{product}", name), text.replace("{product}", name));
        let new = NewCase { customer, contact, product, team, agent, priority, title, text };
        self.say(at, vendor, case, What::Opened(new));
        let status = Status::New;
        let life = CaseLife {
            vendor,
            contact,
            customer,
            team,
            agent,
            priority,
            status,
            customer_waits: true,
            moves: 0,
        };
        self.open.insert(case, life);
        let gap = self.some(pace(priority) * DESK_SHARE);
        self.plan(later(at, gap), Next::Case(case));
    }

    fn some_priority(&mut self) -> Priority {
        match self.rng.random_range(0..100) {
            0..6 => Priority::Urgent,
            6..22 => Priority::High,
            22..80 => Priority::Normal,
            _ => Priority::Low,
        }
    }

    fn proceed(&mut self, at: Timestamp, case: u64) {
        let Some(mut life) = self.open.remove(&case) else { return };
        life.moves += 1;
        match life.status {
            Status::Resolved => self.after_resolution(at, case, &mut life),
            _ if life.customer_waits => self.someone_answers(at, case, &mut life),
            _ => self.customer_or_progress(at, case, &mut life),
        }
        if life.status == Status::Closed {
            return;
        }
        let mean = match life.status {
            Status::Resolved => 2.5 * DAY_SECONDS,
            Status::OnHold => pace(life.priority) * 2.0,
            _ if life.customer_waits => pace(life.priority) * DESK_SHARE,
            _ => pace(life.priority),
        };
        let next = later(at, self.some(mean));
        self.open.insert(case, life);
        self.plan(next, Next::Case(case));
    }

    /// The desk's turn: an answer in the shift, a handover, or silence while the customer asks again.
    fn someone_answers(&mut self, at: Timestamp, case: u64, life: &mut CaseLife) {
        let roll = self.rng.random_range(0..100);
        if roll < 10 {
            return self.customer_writes(at, case, life);
        }
        let agents = self.cast.teams[life.team].agents.clone();
        let agent = match life.agent {
            Some(agent) => agent,
            None => self.pick(&agents),
        };
        let on_shift = self.cast.agents[agent].on_shift(at);
        if on_shift > at {
            // Nobody is there: the case comes up again when the shift begins.
            life.moves -= 1;
            return;
        }
        if life.agent.is_none() {
            life.agent = Some(agent);
            self.say(at, life.vendor, case, What::OwnerChanged { agent, by: Who::Agent(agent) });
        }
        match roll {
            10..20 => self.hand_over(at, case, life, agent),
            20..30 => {
                let text = self.pick(phrases::AGENT_INTERNAL).to_owned();
                self.say(at, life.vendor, case, What::AgentReplied { agent, public: false, text });
            }
            _ => self.answer(at, case, life, agent),
        }
    }

    fn answer(&mut self, at: Timestamp, case: u64, life: &mut CaseLife, agent: usize) {
        let resolve = life.moves > 1 && self.rng.random_bool(0.4);
        let list = if resolve { phrases::AGENT_RESOLVED } else { phrases::AGENT_PUBLIC };
        let text = self.pick(list).to_owned();
        self.say(at, life.vendor, case, What::AgentReplied { agent, public: true, text });
        life.customer_waits = false;
        let to = match self.rng.random_range(0..100) {
            _ if resolve => Status::Resolved,
            0..45 => Status::Pending,
            45..55 => Status::OnHold,
            _ => Status::Open,
        };
        self.change_status(at, case, life, to, Who::Agent(agent));
    }

    fn hand_over(&mut self, at: Timestamp, case: u64, life: &mut CaseLife, by: usize) {
        let step = self.rng.random_range(1..self.cast.teams.len());
        life.team = (life.team + step) % self.cast.teams.len();
        let agents = self.cast.teams[life.team].agents.clone();
        life.agent = self.rng.random_bool(0.4).then(|| self.pick(&agents));
        let what = What::TeamChanged { team: life.team, agent: life.agent, by: Who::Agent(by) };
        self.say(at, life.vendor, case, what);
    }

    fn customer_writes(&mut self, at: Timestamp, case: u64, life: &mut CaseLife) {
        let alarmed = self.rng.random_bool(0.22);
        let list = if alarmed { phrases::CUSTOMER_SIGNALS } else { phrases::CUSTOMER_PLAIN };
        let text = self.pick(list).to_owned();
        let contact = if self.rng.random_bool(0.9) {
            life.contact
        } else {
            let contacts = self.cast.customers[life.customer].contacts.clone();
            self.pick(&contacts)
        };
        self.say(at, life.vendor, case, What::CustomerReplied { contact, text });
        if matches!(life.status, Status::Pending | Status::Resolved) {
            life.status = Status::Open;
        }
        life.customer_waits = true;
        if alarmed && life.priority > Priority::Urgent && self.rng.random_bool(0.35) {
            self.raise(later(at, SignedDuration::from_secs(90)), case, life);
        }
    }

    fn raise(&mut self, at: Timestamp, case: u64, life: &mut CaseLife) {
        life.priority = if life.priority == Priority::High { Priority::Urgent } else { Priority::High };
        let by = life.agent.map_or(Who::System, Who::Agent);
        self.say(at, life.vendor, case, What::PriorityChanged { to: life.priority, by });
    }

    /// The customer's turn, or the desk goes on by itself.
    fn customer_or_progress(&mut self, at: Timestamp, case: u64, life: &mut CaseLife) {
        match self.rng.random_range(0..100) {
            0..40 => self.customer_writes(at, case, life),
            40..48 => {}
            48..56 if life.status == Status::OnHold => {
                let by = life.agent.map_or(Who::System, Who::Agent);
                self.change_status(at, case, life, Status::Open, by);
            }
            48..56 if life.priority < Priority::Low => {
                let to = if life.priority == Priority::Urgent { Priority::High } else { Priority::Normal };
                if to != life.priority {
                    life.priority = to;
                    let by = life.agent.map_or(Who::System, Who::Agent);
                    self.say(at, life.vendor, case, What::PriorityChanged { to, by });
                }
            }
            _ => {
                let by = life.agent.map_or(Who::System, Who::Agent);
                self.change_status(at, case, life, Status::Resolved, by);
            }
        }
    }

    fn after_resolution(&mut self, at: Timestamp, case: u64, life: &mut CaseLife) {
        match self.rng.random_range(0..100) {
            0..15 => {
                life.status = Status::Open;
                self.say(at, life.vendor, case, What::Reopened { by: Who::Contact(life.contact) });
                let moment = later(at, SignedDuration::from_secs(2));
                self.customer_writes(moment, case, life);
            }
            15..40 => {
                let text = self.pick(phrases::CUSTOMER_THANKS).to_owned();
                self.say(at, life.vendor, case, What::CustomerReplied { contact: life.contact, text });
                let moment = later(at, SignedDuration::from_secs(5));
                self.change_status(moment, case, life, Status::Closed, Who::System);
            }
            _ => self.change_status(at, case, life, Status::Closed, Who::System),
        }
    }

    fn change_status(&mut self, at: Timestamp, case: u64, life: &mut CaseLife, to: Status, by: Who) {
        if life.status != to {
            life.status = to;
            self.say(at, life.vendor, case, What::StatusChanged { to, by });
        }
    }
}

/// The desk moves faster than its customers: a case that waits for it waits for this share of its pace.
const DESK_SHARE: f64 = 0.5;

/// Mean seconds between two moves of a case.
fn pace(priority: Priority) -> f64 {
    let hours = match priority {
        Priority::Urgent => 1.5,
        Priority::High => 5.0,
        Priority::Normal => 14.0,
        Priority::Low => 30.0,
    };
    hours * 3_600.0
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

impl Script for Generator {
    fn next_at(&mut self) -> Option<Timestamp> {
        loop {
            let planned = self.agenda.peek().map(|Reverse((at, ..))| *at);
            let ready = self.ready.keys().next().map(|(at, _)| *at);
            match (ready, planned) {
                (Some(ready), Some(planned)) if ready < planned => return Some(ready),
                (Some(ready), None) => return Some(ready),
                _ => self.work()?,
            }
        }
    }

    fn pop(&mut self) -> Option<Happening> {
        self.next_at()?;
        self.ready.pop_first().map(|(_, happening)| happening)
    }
}
