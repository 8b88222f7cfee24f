//! The daemon at work: its units step by step until all rest, and what must hold after every step.

use super::run::Simulation;
use super::verdict;
use super::wire::lock;
use dutyd::engine::{EngineError, Tick};
use dutyd::store::{StateRow, Store as _, open_state};
use dutyd_core::decide::DecisionKind;
use dutyd_core::state::Presence;
use jiff::{SignedDuration, Timestamp};

/// Rounds of all units in which the engine must come to rest.
const ROUNDS_MAX: usize = 300;
/// A vendor's clock is known to two seconds, and is told in whole ones; not so well while its answers are slow.
const EARLY_MAX: SignedDuration = SignedDuration::from_secs(3);

impl Simulation {
    /// All units until none has anything to do; until when, in the vendors' time.
    pub async fn settle(&mut self) -> Option<Timestamp> {
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
    pub async fn tick(&mut self, unit: usize) -> Option<Tick> {
        let life = self.life.as_ref()?;
        let unit = life.units[unit % life.units.len()].clone();
        let dies = self.steps.dies.clone();
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
                    self.fight();
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
        let gone = lock(&self.ledger.gone).clone();
        self.know_the_gone(&states);
        for row in states {
            let decisions = life.store.decisions(row.case).await.expect("decisions");
            let seen = self.decided.insert(row.case, decisions.len()).unwrap_or(0);
            for decision in decisions.iter().skip(seen).map(|row| &row.decision) {
                let (at, rule, kind) = (decision.at, &decision.rule, decision.kind);
                self.ledger
                    .say(now, format_args!("{} {rule} {kind:?} {:?} as of {at}", row.key, decision.severity));
                if gone.contains(&row.key) && decision.kind == DecisionKind::Raise {
                    self.ledger.breaks(now, format_args!("{} {rule} is raised, known to be gone", row.key));
                }
                let desk = self.desks.iter().find(|desk| desk.name == row.key.source);
                if at > now + EARLY_MAX + desk.map_or(SignedDuration::ZERO, |desk| desk.line.slowest()) {
                    self.ledger.breaks(now, format_args!("{} {rule} was decided early, as of {at}", row.key));
                }
            }
        }
    }

    /// Cases that the daemon knows to be gone are written to no more, and nothing is raised on them.
    fn know_the_gone(&self, states: &[StateRow]) {
        let mut gone = lock(&self.ledger.gone);
        for row in states {
            match open_state(&row.state).expect("a state").presence {
                Presence::Present => drop(gone.remove(&row.key)),
                _ => drop(gone.insert(row.key.clone())),
            }
        }
    }
}
