//! Carries out a list on the real core, connectors, engine, store and sandbox, heals, drains, and has the end judged.

use super::life::{Desk, Life};
use super::list::{List, Op, VENDORS, Which};
use super::time::SimClock;
use super::verdict;
use super::watch::Ledger;
use super::wire::{Death, Line, lock};
use crate::contract::door::Door;
use crate::contract::subject::{SERVICENOW, Subject, ZENDESK};
use crate::contract::{jira_sites, salesforce_org};
use axum::body::Body;
use dutyd::clock::Clock as _;
use dutyd::engine::{EngineError, Tick};
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
use tokio::sync::Notify;
use tower::ServiceExt as _;

/// Rounds of all units in which the engine must come to rest.
const ROUNDS_MAX: usize = 300;
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
static POLICIES: LazyLock<[Arc<Policy>; 3]> = LazyLock::new(|| {
    let shared = include_str!("policy/shared.toml");
    let rules = [
        include_str!("policy/first.toml"),
        include_str!("policy/second.toml"),
        include_str!("policy/third.toml"),
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
}

pub struct Simulation {
    pub sandbox: Sandbox,
    pub clock: Arc<SimClock>,
    pub ledger: Arc<Ledger>,
    pub desks: Vec<Desk>,
    pub known: Vec<Known>,
    pub policies: PolicySet,
    pub life: Option<Life>,
    dies: Arc<Notify>,
    pub lives: u64,
    pub dir: tempfile::TempDir,
    /// What was delivered once, to be said again.
    heard: Vec<(&'static str, Rendered)>,
    /// Decisions of each case already looked at.
    pub decided: BTreeMap<i64, usize>,
}

/// A disk in memory where there is one: the sync of a real disk would be most of the time.
fn place() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).expect("a directory")
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
        let dies = Arc::new(Notify::new());
        let desks = names.iter().map(|name| desk(&sandbox, name, &clock, &dies)).collect();
        let policies = PolicySet { current: POLICIES[0].clone(), ..PolicySet::default() };
        Self {
            sandbox,
            clock,
            ledger: Arc::default(),
            desks,
            known: Vec::new(),
            policies,
            life: None,
            dies,
            lives: 0,
            dir: place(),
            heard: Vec::new(),
            decided: BTreeMap::new(),
        }
    }

    /// All of it, from the first operation to the verdict.
    pub async fn run(list: &List) -> Ran {
        let mut simulation = Self::new(list).await;
        simulation.find_cases();
        for op in &list.ops {
            simulation.say(format_args!("{op:?}"));
            simulation.carry_out(*op).await;
            if simulation.is_broken() {
                break;
            }
        }
        if !simulation.is_broken() {
            simulation.heal_and_drain().await;
        }
        let mut residuals = BTreeMap::new();
        if !simulation.is_broken() {
            residuals = verdict::judge(&mut simulation).await;
        }
        let log = simulation.whole_log();
        let broken = std::mem::take(&mut *lock(&simulation.ledger.broken));
        Ran { log, broken, residuals }
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
                self.command(case, |id| Command::Delete { id });
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
            Op::Crash => self.end_life(),
            Op::CrashAt { source, which, after, skip } => {
                let death = Death { writes_only: which == Which::Writes, after, skip };
                self.desks[self.source(source)].line.die_at(Some(death));
            }
            Op::LoseDatabase => {
                self.end_life();
                self.decided.clear();
                self.ledger.forget_marks();
                std::fs::remove_dir_all(self.state_dir()).ok();
            }
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
        if let Some(life) = &self.life
            && let Err(error) = life.engine.jumped().await
        {
            self.breaks(format_args!("after a jump: {error}"));
        }
    }

    /// The machine sleeps; vendors and webhooks go on without an answer.
    async fn freeze(&mut self, by: SignedDuration) {
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
                break;
            }
            self.clock.to(next.max(now + SignedDuration::from_secs(1)));
        }
        self.jumped().await;
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

    /// Delivers the webhooks that are due.
    async fn ring(&mut self) {
        let now = self.clock.vendor_now();
        for ring in self.sandbox.inner.stage.hooks.take(now) {
            let vendor = self.sandbox.inner.vendor(ring.vendor).expect("it plays");
            let Some(rendered) = vendor.render(&ring, now) else { continue };
            self.heard.push((ring.vendor, rendered.clone()));
            let status = self.deliver(ring.vendor, rendered).await;
            self.say(format_args!("rung by {}: {status}", ring.vendor));
            if !(200..300).contains(&status) && self.clock.wrong_by().abs() < SignedDuration::from_mins(2) {
                self.breaks(format_args!("a genuine webhook of {} was answered {status}", ring.vendor));
            }
            if let Some(again) = vendor.delivered(&ring, Some(status), now) {
                self.sandbox.inner.stage.hooks.again(again, ring);
            }
        }
    }

    async fn deliver(&mut self, vendor: &str, rendered: Rendered) -> u16 {
        let mut request = axum::http::Request::builder().method("POST").uri(format!("/hooks/{vendor}"));
        for (name, value) in rendered.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(rendered.body)).expect("a request");
        let intake = self.live().await.intake.clone();
        let Ok(answer) = intake.oneshot(request).await;
        answer.status().as_u16()
    }

    /// A stranger's delivery is refused; a repeated one is refused or changes nothing.
    async fn forge(&mut self, source: usize, replay: bool) {
        let name = self.desks[source].name;
        let heard = self.heard.iter().rev().find(|(vendor, _)| *vendor == name).cloned();
        let Some((_, mut rendered)) = heard else { return };
        if !replay {
            rendered.body.push(b' ');
        }
        let status = self.deliver(name, rendered).await;
        self.say(format_args!("forged: {status}"));
        if !replay && (200..300).contains(&status) {
            self.breaks(format_args!("a forged webhook of {name} was answered {status}"));
        }
    }

    /// All units until none has anything to do; until when, in the vendors' time.
    async fn settle(&mut self) -> Option<Timestamp> {
        for _ in 0..ROUNDS_MAX {
            let units = self.live().await.units.len();
            let (mut worked, mut until) = (false, None::<Timestamp>);
            for unit in 0..units {
                match self.tick(unit).await {
                    Some(Tick::Idle { until: at }) => until = [until, at].into_iter().flatten().min(),
                    // It died, or there is more to do.
                    _ => worked = true,
                }
                if self.life.is_none() {
                    break;
                }
            }
            if !worked {
                return until.map(|at| self.clock.in_truth(at));
            }
        }
        self.breaks("the engine does not come to rest");
        None
    }

    /// One step of one unit. `None`: the process died over it.
    async fn tick(&mut self, unit: usize) -> Option<Tick> {
        let life = self.life.as_ref()?;
        let unit = life.units[unit % life.units.len()].clone();
        let dies = self.dies.clone();
        let ticked = tokio::select! {
            biased;
            ticked = life.engine.step(unit.as_ref()) => Some(ticked),
            () = dies.notified() => None,
        };
        let name = unit.name().to_owned();
        drop(unit);
        match ticked {
            None => {
                self.say(format_args!("died in {name}"));
                self.end_life();
                None
            }
            Some(Ok(tick)) => {
                if tick == Tick::Worked {
                    self.look_after(&name).await;
                }
                Some(tick)
            }
            Some(Err(error)) => {
                self.failed(&name, &error);
                self.end_life();
                None
            }
        }
    }

    fn failed(&self, unit: &str, error: &EngineError) {
        self.breaks(format_args!("{unit} failed: {error}"));
    }

    /// What must hold after every step.
    async fn look_after(&mut self, unit: &str) {
        let now = self.clock.vendor_now();
        let Some(life) = &self.life else { return };
        if unit.starts_with("pull") {
            for desk in &self.desks {
                let Ok(Some(cursor)) = life.store.cursor(desk.name).await else { continue };
                if let Some(beyond) = verdict::beyond(desk.name, &cursor, now) {
                    self.breaks(format_args!("the cursor of {} is at {beyond}", desk.name));
                }
            }
        }
        if unit != "evaluate" {
            return;
        }
        let states = life.store.states(0, 1_000).await.expect("states");
        for row in states {
            let decisions = life.store.decisions(row.case).await.expect("decisions");
            let seen = self.decided.insert(row.case, decisions.len()).unwrap_or(0);
            for decision in decisions.iter().skip(seen).map(|row| &row.decision) {
                let (at, rule, kind) = (decision.at, &decision.rule, decision.kind);
                self.ledger
                    .say(now, format_args!("{} {rule} {kind:?} {:?} as of {at}", row.key, decision.severity));
                if at > now + EARLY_MAX {
                    self.ledger.breaks(now, format_args!("{} {rule} was decided early, as of {at}", row.key));
                }
            }
        }
    }

    /// No more trouble; then until nothing is left to do.
    async fn heal_and_drain(&mut self) {
        self.say("heal");
        self.sandbox.inner.freeze().await;
        for desk in &self.desks {
            desk.line.slow(SignedDuration::ZERO);
            desk.line.die_at(None);
            desk.line.land_late(None);
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
            if told && due == 0 && rows.iter().all(|row| row.hints == 0 && row.outbox.pending() == 0) {
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

/// A vendor's clock is known to two seconds, and is told in whole ones.
const EARLY_MAX: SignedDuration = SignedDuration::from_secs(3);
/// Longer than any wait after trouble.
const DRAIN: SignedDuration = SignedDuration::from_mins(50);
/// By then every vendor has shown a write of ours to a poll.
const ECHO_MAX: SignedDuration = SignedDuration::from_mins(22);
const DRAINS_MAX: usize = 40;

fn desk(sandbox: &Sandbox, name: &'static str, clock: &Arc<SimClock>, dies: &Arc<Notify>) -> Desk {
    let endpoints = sandbox.inner.endpoints()[name].clone();
    let (config, secrets) = (subject(name).source)(&endpoints, 10);
    let connector = build(name, &config, &secrets).expect("a connector");
    let profile = connector.profile();
    let host = profile.origin.host_str().unwrap_or_default().to_owned();
    let door = Door::new(sandbox.router(name).expect("it plays"), host, profile.sign_in.clone());
    Desk { name, config, secrets, line: Arc::new(Line::new(door, clock.clone(), dies.clone())) }
}
