//! Targets fitted on a log's own verdicts: what would our clocks have had to aim at to judge as that system did?
//!
//! Each verdict is that of a real clock: the log becomes timelines, a policy is loaded, clocks are folded and read.
//! Must not know: how the figures are printed.

mod log;
mod plan;
#[cfg(test)]
mod tests;

pub use log::Ended;
pub use plan::Plan;

use dutyd_core::Timestamp;
use dutyd_core::policy::PolicySet;
use dutyd_core::sla::{ClockReading, ClockState, read_clocks};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Fit {
    /// Fitted on cases closed before this instant, judged on cases opened from then on.
    pub split: Timestamp,
    pub fitted_on: usize,
    pub judged: usize,
    /// Cases of the log that were not resolved at its end.
    pub unresolved: usize,
    pub calendar_time: Counted,
    /// The calendar that agreed most often where it was fitted.
    pub business_time: Counted,
    /// How many ways to count were tried.
    pub tried: usize,
}

/// One way to count, fitted and judged.
#[derive(Debug, Serialize)]
pub struct Counted {
    /// For people.
    pub counting: String,
    pub priorities: Vec<OfPriority>,
    /// Over all priorities; shares from 0 to 1.
    pub agrees_fitted: f64,
    pub agrees: f64,
    /// The policy that gives these verdicts.
    pub policy: String,
}

/// Cases by their last priority.
#[derive(Debug, Serialize)]
pub struct OfPriority {
    pub priority: u8,
    pub target_seconds: i64,
    pub fitted_on: usize,
    /// Share of the cases fitted on in which our verdict is the log's.
    pub agrees_fitted: f64,
    pub judged: usize,
    /// Share of the cases judged in which our verdict is the log's.
    pub agrees: f64,
    /// The same share for one and the same verdict on all of them, whichever is better.
    pub agrees_blind: f64,
}

/// Reads a log, fits and judges.
pub fn run(path: &Path, split: Timestamp) -> Result<Fit, String> {
    let recorded = dutyd_incident_log::read(path).map_err(|error| format!("{error:#}"))?;
    let (cases, unresolved) = log::ended(recorded)?;
    fit(&cases, unresolved, split)
}

fn fit(cases: &[Ended], unresolved: usize, split: Timestamp) -> Result<Fit, String> {
    let cases: Vec<&Ended> =
        cases.iter().filter(|case| case.priority.is_some_and(|p| (1..=5).contains(&p))).collect();
    let (earlier, rest): (Vec<&Ended>, Vec<&Ended>) =
        cases.iter().partition(|case| case.closed_at.is_some_and(|closed_at| closed_at < split));
    let later: Vec<&Ended> = rest.into_iter().filter(|case| case.opened_at >= split).collect();
    if earlier.is_empty() || later.is_empty() {
        return Err(format!(
            "{} cases were closed before {split} and {} opened from then on: choose a split inside the log",
            earlier.len(),
            later.len()
        ));
    }
    let plans = Plan::all();
    let fitted = on_all_processors(&plans, |plan| targets(plan, &earlier));
    let fitted = plans.iter().zip(fitted.into_iter().collect::<Result<Vec<_>, _>>()?);
    let best = |is_business: bool| {
        let eligible = fitted.clone().filter(|(plan, _)| plan.is_business() == is_business);
        // Of equals the first, which is the simplest.
        eligible.rev().max_by_key(|(_, fitted)| fitted.agreeing).ok_or("no way to count was tried")
    };
    let (calendar, business) = (best(false)?, best(true)?);
    Ok(Fit {
        split,
        fitted_on: earlier.len(),
        judged: later.len(),
        unresolved,
        calendar_time: counted(calendar.0, &calendar.1.targets, &earlier, &later)?,
        business_time: counted(business.0, &business.1.targets, &earlier, &later)?,
        tried: plans.len(),
    })
}

#[derive(Clone)]
struct Fitted {
    /// Seconds by priority.
    targets: BTreeMap<u8, i64>,
    /// In how many cases they agree with the log.
    agreeing: usize,
}

/// The target of each priority that agrees most often with the log.
fn targets(plan: &Plan, cases: &[&Ended]) -> Result<Fitted, String> {
    let policies = plan.policies(&BTreeMap::new())?;
    let mut measured: BTreeMap<u8, Vec<(i64, bool)>> = BTreeMap::new();
    for case in cases {
        if let (Some(priority), Some(reading)) = (case.priority, resolution(&policies, case)) {
            measured.entry(priority).or_default().push((reading.elapsed_seconds, case.missed));
        }
    }
    let mut targets = BTreeMap::new();
    let mut agreeing = 0;
    for (priority, mut measured) in measured {
        let (target, of_priority) = cut(&mut measured);
        targets.insert(priority, target);
        agreeing += of_priority;
    }
    Ok(Fitted { targets, agreeing })
}

/// The shortest target that agrees most often, where more than it is missed; and how often it agrees.
fn cut(measured: &mut [(i64, bool)]) -> (i64, usize) {
    measured.sort_unstable();
    let mut agreeing = measured.iter().filter(|(_, missed)| *missed).count();
    let is_below_all = measured.first().is_none_or(|(least, _)| *least > 1);
    let mut best = (1, if is_below_all { agreeing } else { 0 });
    for (nth, (elapsed, missed)) in measured.iter().enumerate() {
        agreeing = if *missed { agreeing - 1 } else { agreeing + 1 };
        let target = (*elapsed).max(1);
        let is_last_of_its_kind = measured.get(nth + 1).is_none_or(|(next, _)| *next > target);
        if is_last_of_its_kind && agreeing > best.1 {
            best = (target, agreeing);
        }
    }
    best
}

/// Judges all cases by the clocks of the fitted policy.
fn counted(
    plan: &Plan,
    targets: &BTreeMap<u8, i64>,
    earlier: &[&Ended],
    later: &[&Ended],
) -> Result<Counted, String> {
    let policies = plan.policies(targets)?;
    let of = |cases: &[&Ended], priority: u8| -> Tally {
        let cases = cases.iter().filter(|case| case.priority == Some(priority));
        cases.map(|case| (case.missed, verdict(&policies, case))).collect()
    };
    let (mut fitted_all, mut judged_all) = (Tally::default(), Tally::default());
    let mut priorities = Vec::new();
    for (&priority, &target_seconds) in targets {
        let (fitted, judged) = (of(earlier, priority), of(later, priority));
        priorities.push(OfPriority {
            priority,
            target_seconds,
            fitted_on: fitted.cases,
            agrees_fitted: fitted.share(),
            judged: judged.cases,
            agrees: judged.share(),
            agrees_blind: judged.blind(),
        });
        fitted_all.add(&fitted);
        judged_all.add(&judged);
    }
    Ok(Counted {
        counting: plan.words(),
        priorities,
        agrees_fitted: fitted_all.share(),
        agrees: judged_all.share(),
        policy: plan.policy_text(targets),
    })
}

/// The log's verdicts beside ours.
#[derive(Default)]
struct Tally {
    cases: usize,
    missed: usize,
    agreeing: usize,
}

impl FromIterator<(bool, Option<bool>)> for Tally {
    fn from_iter<I: IntoIterator<Item = (bool, Option<bool>)>>(pairs: I) -> Self {
        let mut tally = Tally::default();
        for (theirs, ours) in pairs {
            tally.cases += 1;
            tally.missed += usize::from(theirs);
            tally.agreeing += usize::from(ours == Some(theirs));
        }
        tally
    }
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.cases += other.cases;
        self.missed += other.missed;
        self.agreeing += other.agreeing;
    }

    fn share(&self) -> f64 {
        share(self.agreeing, self.cases)
    }

    fn blind(&self) -> f64 {
        share(self.missed.max(self.cases - self.missed), self.cases)
    }
}

/// Four decimals; 0 of nothing.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0 }
}

/// Whether our clock says that the case missed its target; `None` if it says neither.
fn verdict(policies: &PolicySet, case: &Ended) -> Option<bool> {
    match resolution(policies, case)?.state {
        ClockState::Met => Some(false),
        ClockState::Missed => Some(true),
        ClockState::Running | ClockState::Paused { .. } | ClockState::Cancelled => None,
    }
}

/// The resolution clock as it stands after all that happened.
fn resolution(policies: &PolicySet, case: &Ended) -> Option<ClockReading> {
    let now = case.state.case.updated_at;
    read_clocks(policies, &case.state, now).into_iter().find(|reading| reading.clock == "resolution")
}

/// Answers in the order asked, worked out side by side.
fn on_all_processors<T: Send>(plans: &[Plan], work: impl Fn(&Plan) -> T + Sync) -> Vec<T> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(plans.len().max(1));
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        while let Some((nth, plan)) = {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            plans.get(nth).map(|plan| (nth, plan))
        } {
            done.push((nth, work(plan)));
        }
        done
    };
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(take)).collect();
        handles.into_iter().flat_map(|handle| handle.join().expect("a worker does not panic")).collect()
    });
    all.sort_by_key(|(nth, _)| *nth);
    all.into_iter().map(|(_, answer)| answer).collect()
}
