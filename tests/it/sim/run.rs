//! Carries out a list on the real core, connectors, engine, store and sandbox, heals, drains, and has the end judged.

use super::life::{Desk, Life};
use super::list::{List, Op, VENDORS, Which};
use super::steps::Steps;
use super::tally::Tally;
use super::time::SimClock;
use super::verdict;
use super::watch::Ledger;
use super::wire::{Death, Line, Unsure, lock};
use crate::canary::Place;
use crate::contract::door::Door;
use crate::contract::subject::{SERVICENOW, Subject, ZENDESK};
use crate::contract::{jira_sites, salesforce_org};
use dutyd::clock::Clock as _;
use dutyd::store::Store as _;
use dutyd_connectors::build;
use dutyd_core::policy::{Policy, PolicyFile, PolicySet};
use dutyd_sandbox::faults::{Fault, Match};
use dutyd_sandbox::hooks::{Knobs, Rendered};
use dutyd_sandbox::vendor::Command;
use dutyd_sandbox::{Options, Sandbox};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// Instants at which something is due within one operation that lets time pass.
const INSTANTS_MAX: usize = 1_500;
/// Where webhooks seem to go; the simulation takes them out of the queue.
const ELSEWHERE: &str = "http://daemon.sandbox";

pub fn subject(vendor: &str) -> &'static Subject {
    match vendor {
        "servicenow" => &SERVICENOW,
        "zendesk" => &ZENDESK,
        "jira" => &jira_sites::CLOUD,
        "jira_dc" => &jira_sites::DATA_CENTER,
        _ => &salesforce_org::SALESFORCE,
    }
}

/// The policies between which reloads change.
static POLICIES: LazyLock<[Arc<Policy>; 4]> = LazyLock::new(|| {
    let shared = include_str!("policy/shared.toml");
    let rules = [
        include_str!("policy/first.toml"),
        include_str!("policy/second.toml"),
        include_str!("policy/third.toml"),
        include_str!("policy/opposing.toml"),
    ];
    rules.map(|rules| {
        let files = [("shared.toml", shared), ("rules.toml", rules)];
        let files = files.map(|(name, text)| PolicyFile { name: name.to_owned(), text: text.to_owned() });
        Arc::new(Policy::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}")))
    })
});

/// A case that came to be, and what people did to our mark on it.
#[derive(Debug, Clone)]
pub struct Known {
    pub source: usize,
    pub id: String,
    pub touched: bool,
}

/// What a run came to.
#[derive(Default)]
pub struct Ran {
    pub log: Vec<String>,
    pub broken: Vec<String>,
    pub residuals: BTreeMap<&'static str, usize>,
    pub tally: Tally,
    /// Steps at which the process could have died, in their order.
    pub steps: Vec<String>,
}

pub struct Simulation {
    pub sandbox: Sandbox,
    pub clock: Arc<SimClock>,
    pub ledger: Arc<Ledger>,
    pub desks: Vec<Desk>,
    pub known: Vec<Known>,
    pub policies: PolicySet,
    pub life: Option<Life>,
    pub steps: Arc<Steps>,
    pub began_at: Timestamp,
    /// Each webhook is delivered up to so many times.
    pub rings_max: u64,
    /// The vendor's automation answers each write of ours.
    pub fights: bool,
    /// Writes that it has answered.
    pub fought: usize,
    pub lives: u64,
    pub dir: Place,
    /// What was delivered once, to be said again.
    pub heard: Vec<(&'static str, Rendered)>,
    /// Decisions of each case already looked at.
    pub decided: BTreeMap<i64, usize>,
}

/// A disk in memory where there is one: the sync of a real disk would be most of the time.
fn place() -> Place {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).expect("a directory").into()
}

impl Simulation {
    pub async fn new(list: &List) -> Self {
        let start: Timestamp = "2026-03-02T09:00:00Z".parse().expect("an instant");
        let names: Vec<&'static str> = list.sources.iter().map(|source| VENDORS[*source as usize]).collect();
        let options = Options {
            seed: list.seed,
            calm: true,
            vendors: names.iter().map(|name| (*name).to_owned()).collect(),
            cases: u64::from(list.cases) * names.len() as u64,
            past_days: 2,
            stepped_from: Some(start),
            ..Options::default()
        };
        let sandbox = Sandbox::build(&options).await.expect("a sandbox");
        let stage = &sandbox.inner.stage;
        stage.hooks.set_knobs(Knobs { to: Some(ELSEWHERE.to_owned()), ..Knobs::default() });
        let clock = Arc::new(SimClock::new(stage.clock.clone(), list.lockstep));
        let ledger: Arc<Ledger> = Arc::default();
        let steps = Arc::new(Steps::new(ledger.clone()));
        let desks = names.iter().map(|name| desk(&sandbox, name, &clock, &steps, &ledger)).collect();
        let dir = place();
        names.iter().for_each(|name| dir.gives_those_of(&sandbox.inner.endpoints()[*name]));
        let policies = PolicySet { current: POLICIES[0].clone(), ..PolicySet::default() };
        Self {
            sandbox,
            clock,
            ledger,
            desks,
            known: Vec::new(),
            policies,
            life: None,
            steps,
            began_at: start,
            rings_max: 1,
            fights: false,
            fought: 0,
            lives: 0,
            dir,
            heard: Vec::new(),
            decided: BTreeMap::new(),
        }
    }

    /// The operations of a list, until one breaks something.
    pub async fn played(list: &List) -> Self {
        let mut simulation = Self::new(list).await;
        simulation.find_cases();
        for op in &list.ops {
            simulation.say(format_args!("{op:?}"));
            simulation.carry_out(*op).await;
            if simulation.is_broken() {
                break;
            }
        }
        simulation
    }

    /// All of it, from the first operation to the verdict.
    pub async fn run(list: &List) -> Ran {
        let mut simulation = Self::played(list).await;
        if !simulation.is_broken() {
            simulation.heal_and_drain().await;
        }
        let mut residuals = BTreeMap::new();
        // What automation makes of a case in a fight is not what happened to it by the oracle's lights.
        let fights = list.ops.iter().any(|op| matches!(op, Op::Fight { .. }));
        if !simulation.is_broken() && !fights {
            residuals = verdict::judge(&mut simulation).await;
        }
        if fights {
            simulation.is_calm();
        }
        simulation.count_up();
        let tally = std::mem::take(&mut *lock(&simulation.ledger.tally));
        let steps = simulation.steps.passed();
        let log = simulation.whole_log();
        let broken = std::mem::take(&mut *lock(&simulation.ledger.broken));
        Ran { log, broken, residuals, tally, steps }
    }

    /// What is broken once is not looked at any further.
    fn is_broken(&self) -> bool {
        !lock(&self.ledger.broken).is_empty()
    }

    pub fn say(&self, what: impl std::fmt::Display) {
        self.ledger.say(self.clock.vendor_now(), what);
    }

    pub fn breaks(&self, what: impl std::fmt::Display) {
        self.ledger.breaks(self.clock.vendor_now(), what);
    }

    /// What was done, and every request that the vendors saw.
    fn whole_log(&self) -> Vec<String> {
        let mut log = std::mem::take(&mut *lock(&self.ledger.log));
        log.extend(self.sandbox.inner.journal.since(0, None).into_iter().map(|entry| {
            let (at, fault) = (entry.at, entry.fault.unwrap_or_default());
            format!(
                "{at} {} {} {} {} {} {fault}",
                entry.vendor, entry.user, entry.method, entry.path, entry.status
            )
        }));
        log
    }

    /// The cases of the world's past.
    fn find_cases(&mut self) {
        for (source, desk) in self.desks.iter().enumerate() {
            let titles = (subject(desk.name).titles)(&self.history(desk.name));
            self.known.extend(titles.into_keys().map(|id| Known { source, id, touched: false }));
        }
    }

    pub fn history(&self, vendor: &str) -> Value {
        let bytes = self.sandbox.history(vendor).expect("a history");
        serde_json::from_slice(&bytes).expect("a history is JSON")
    }

    fn source(&self, number: u8) -> usize {
        number as usize % self.desks.len()
    }

    pub fn case(&self, number: u8) -> Option<usize> {
        (!self.known.is_empty()).then(|| number as usize % self.known.len())
    }

    async fn carry_out(&mut self, op: Op) {
        match op {
            Op::Open { source, urgent } => self.open(self.source(source), urgent),
            Op::CustomerReplies { case, alarmed } => {
                let text = if alarmed { "This is unacceptable, please escalate." } else { "Any news?" };
                self.reply(case, true, true, text, false);
            }
            Op::AgentReplies { case, public } => self.reply(case, false, public, "We are on it.", false),
            Op::ReplyAsUs { case } => self.reply(case, false, true, "We know.", true),
            Op::Rename { case } => {
                let title = format!("Renamed at {}", self.clock.vendor_now());
                self.change(case, json!({ "title": title }), None);
            }
            Op::Priority { case, level } => {
                let word = ["urgent", "high", "normal", "low"][level as usize % 4];
                self.change(case, json!({ "priority": word }), None);
            }
            Op::Status { case, to } => {
                let word = ["open", "pending", "on_hold", "resolved"][to as usize % 4];
                self.change(case, json!({ "status": word }), None);
            }
            Op::Own { case, agent } => {
                let cast = &self.sandbox.inner.stage.cast;
                let name = cast.agents[agent as usize % cast.agents.len()].email.clone();
                self.change(case, json!({ "agent": name }), None);
            }
            Op::Team { case, team } => {
                let cast = &self.sandbox.inner.stage.cast;
                let name = cast.teams[team as usize % cast.teams.len()].name;
                self.change(case, json!({ "team": name }), None);
            }
            Op::Delete { case } => {
                let Some(case) = self.case(case) else { return };
                if self.command(case, |id| Command::Delete { id }) {
                    self.ledger.tell("deletes", 1);
                }
            }
            Op::Merge { case, into } => self.merge(case, into),
            Op::Touch { case, hand } => self.touch(case, hand),
            Op::Pass { seconds } => self.pass(SignedDuration::from_secs(seconds.into())).await,
            Op::Freeze { seconds } => self.freeze(SignedDuration::from_secs(seconds.into())).await,
            Op::StepClock { by } => {
                let wrong_by = self.clock.wrong_by() + SignedDuration::from_secs(by.into());
                self.set_clock(wrong_by).await;
            }
            Op::Tick { unit } => {
                self.live().await;
                self.tick(unit as usize).await;
            }
            Op::Bells { lost, doubled, late } => self.sandbox.inner.stage.hooks.set_knobs(Knobs {
                to: Some(ELSEWHERE.to_owned()),
                drop: f64::from(lost) / 100.0,
                duplicate: f64::from(doubled) / 100.0,
                delay_seconds: late.into(),
                kill: None,
            }),
            Op::Forge { source, replay } => self.forge(self.source(source), replay).await,
            Op::Strike { source, which, trouble, skip, times } => {
                self.strike(self.source(source), which, trouble, skip, times);
            }
            Op::LandLate { source, seconds } => {
                let by = SignedDuration::from_secs(seconds.into());
                self.desks[self.source(source)].line.land_late(Some(by));
            }
            Op::Slow { source, seconds } => {
                self.desks[self.source(source)].line.slow(SignedDuration::from_secs(seconds.into()));
            }
            Op::ExpireTokens { source } => {
                let order =
                    Self::order(self.desks[self.source(source)].name, Match::default(), Fault::Expired);
                self.sandbox.inner.stage.faults.order(order);
            }
            Op::Crash => {
                self.ledger.tell("crashes between steps", self.life.is_some().into());
                self.end_life();
            }
            Op::DieAt { step, after } => self.steps.die_at(step.into(), after),
            Op::Unsure { source, lost, late } => {
                let seed = self.sandbox.inner.stage.seed;
                self.desks[self.source(source)].line.unsure(Some(Unsure { lost, late, seed }));
            }
            Op::RingAgain { times } => self.rings_max = u64::from(times.max(1)),
            Op::Fight { on } => self.fights = on,
            Op::CrashAt { source, which, after, skip } => {
                let death = Death { writes_only: which == Which::Writes, after, skip };
                self.desks[self.source(source)].line.die_at(Some(death));
            }
            Op::LoseDatabase => self.lose_database(),
            Op::Copy => {
                self.live().await;
                self.copy(&self.state_dir(), &self.dir.path().join("copy"));
            }
            Op::Restore => self.restore(),
            Op::Reload { policy } => self.reload(policy),
        }
    }

    fn reload(&mut self, policy: u8) {
        let next = POLICIES[policy as usize % POLICIES.len()].clone();
        let before = std::mem::replace(&mut self.policies.current, next);
        self.policies.older.insert(before.id.clone(), before);
        if let Some(life) = &self.life {
            life.policies.send_replace(Arc::new(self.policies.clone()));
        }
    }

    async fn set_clock(&mut self, wrong_by: SignedDuration) {
        self.clock.set_wrong_by(wrong_by);
        self.jumped().await;
    }

    async fn jumped(&mut self) {
        let Some(life) = &self.life else { return };
        let engine = life.engine.clone();
        tokio::select! {
            biased;
            told = engine.jumped() => if let Err(error) = told {
                self.breaks(format_args!("after a jump: {error}"));
            },
            () = self.steps.dies.notified() => self.end_life(),
        }
    }

    /// The machine sleeps; vendors and webhooks go on without an answer.
    async fn freeze(&mut self, by: SignedDuration) {
        self.ledger.tell("outages past retention", (by > RETENTION).into());
        let end = self.clock.vendor_now() + by;
        for _ in 0..INSTANTS_MAX {
            let now = self.clock.vendor_now();
            for ring in self.sandbox.inner.stage.hooks.take(now) {
                let vendor = self.sandbox.inner.vendor(ring.vendor).expect("it plays");
                if vendor.render(&ring, now).is_some()
                    && let Some(again) = vendor.delivered(&ring, None, now)
                {
                    self.sandbox.inner.stage.hooks.again(again, ring);
                }
            }
            for desk in &self.desks {
                desk.line.land(now).await;
            }
            let next = self.outside().filter(|next| *next < end).unwrap_or(end);
            if now >= end {
                return self.jumped().await;
            }
            self.clock.to(next.max(now + SignedDuration::from_secs(1)));
        }
        self.breaks("sleep does not come to its end");
    }

    /// What happens next without the daemon's doing.
    fn outside(&self) -> Option<Timestamp> {
        let landing = self.desks.iter().filter_map(|desk| desk.line.next_landing()).min();
        [self.sandbox.inner.stage.hooks.next_at(), landing].into_iter().flatten().min()
    }

    /// Time passes, everything at its own instant.
    pub async fn pass(&mut self, by: SignedDuration) {
        let end = self.clock.vendor_now() + by;
        for _ in 0..INSTANTS_MAX {
            self.ring().await;
            let idle_until = self.settle().await;
            let now = self.clock.vendor_now();
            if now >= end {
                return;
            }
            let due = [idle_until, self.outside()].into_iter().flatten().min();
            self.clock.to(due.unwrap_or(end).min(end).max(now + SignedDuration::from_millis(500)));
            for desk in &self.desks {
                desk.line.land(self.clock.vendor_now()).await;
            }
        }
        self.breaks("time does not come to the end of an operation");
    }

    /// No more trouble; then until nothing is left to do.
    async fn heal_and_drain(&mut self) {
        self.say("heal");
        self.sandbox.inner.freeze().await;
        self.steps.live_on();
        (self.fights, self.rings_max) = (false, 1);
        for desk in &self.desks {
            desk.line.slow(SignedDuration::ZERO);
            desk.line.die_at(None);
            desk.line.land_late(None);
            desk.line.unsure(None);
        }
        self.set_clock(SignedDuration::ZERO).await;
        for _ in 0..DRAINS_MAX {
            self.pass(DRAIN).await;
            if self.is_broken() {
                return;
            }
            let life = self.life.as_ref().expect("it lives");
            let now = self.clock.now();
            let rows = life.store.sources(now).await.expect("sources");
            let due = life.store.counts(now).await.expect("counts").due;
            let wrote_at = *lock(&self.ledger.wrote_at);
            let told = wrote_at.is_none_or(|at| self.clock.vendor_now().duration_since(at) > ECHO_MAX);
            let rests = due == 0 && rows.iter().all(|row| row.hints == 0 && row.outbox.pending() == 0);
            if told && rests && !verdict::lingers(self).await {
                return;
            }
        }
        self.breaks("work is left after a day without trouble");
    }

    /// The case keys of what people touched.
    pub fn touched(&self) -> BTreeSet<(usize, String)> {
        self.known.iter().filter(|one| one.touched).map(|one| (one.source, one.id.clone())).collect()
    }
}

/// What vendors keep of undelivered news, at most.
const RETENTION: SignedDuration = SignedDuration::from_hours(72);
/// Longer than any wait after trouble.
const DRAIN: SignedDuration = SignedDuration::from_mins(50);
/// By then every vendor has shown a write of ours to a poll.
const ECHO_MAX: SignedDuration = SignedDuration::from_mins(22);
const DRAINS_MAX: usize = 40;

fn desk(
    sandbox: &Sandbox,
    name: &'static str,
    clock: &Arc<SimClock>,
    steps: &Arc<Steps>,
    ledger: &Arc<Ledger>,
) -> Desk {
    let endpoints = sandbox.inner.endpoints()[name].clone();
    let (config, secrets) = (subject(name).source)(&endpoints, 10);
    let connector = build(name, &config, &secrets).expect("a connector");
    let profile = connector.profile();
    let host = profile.origin.host_str().unwrap_or_default().to_owned();
    let door = Door::new(sandbox.router(name).expect("it plays"), host, profile.sign_in.clone());
    Desk {
        name,
        config,
        secrets,
        line: Arc::new(Line::new(door, clock.clone(), steps.clone(), ledger.clone())),
    }
}
