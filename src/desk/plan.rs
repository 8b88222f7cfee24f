//! `dutyd plan`, and what a reload says before it takes effect: which open cases would gain, lose or change a flag.

use super::{Desk, Live, Refusal};
use crate::store::{StateRow, open_state};
use dutyd_core::around::Around;
use dutyd_core::decide::{Shift, forecast};
use dutyd_core::policy::{Policy, PolicySet};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Cases read at once.
const PAGE: usize = 500;
/// Cases looked at; of more, those seen first are.
const CASES_MAX: u64 = 100_000;
/// Cases named for each rule and kind of change.
const EXAMPLES_MAX: usize = 3;

/// What the policy on disk would change on the cases as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Content hash of the policy on disk.
    pub policy: String,
    /// It is the one in force.
    pub in_force: bool,
    pub rules: usize,
    /// Cases that were looked at, done ones included.
    pub cases: u64,
    /// Whether these are all.
    pub complete: bool,
    /// Open cases that would gain, lose or change at least one flag.
    pub gain: u64,
    pub lose: u64,
    pub change: u64,
    /// By rule.
    pub by_rule: BTreeMap<String, RulePlan>,
}

/// What would become of one rule's flags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulePlan {
    pub gain: Shifts,
    pub lose: Shifts,
    pub change: Shifts,
}

/// How many flags, and some of their cases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shifts {
    pub count: u64,
    /// `source/number: warning -> candidate`.
    pub examples: Vec<String>,
}

impl Plan {
    /// In one sentence.
    pub fn sentence(&self) -> String {
        let all = if self.complete { "open cases" } else { "open cases among the first 100,000 known" };
        match (self.gain, self.lose, self.change) {
            (0, 0, 0) => format!("no flag changes on the {all}"),
            (gain, lose, change) => {
                format!(
                    "of the {all} {gain} gain, {lose} lose and {change} change a flag; marks follow, no notes"
                )
            }
        }
    }

    fn take(&mut self, case: &str, shifts: &[Shift]) {
        let any = |kind: fn(&Shift) -> bool| u64::from(shifts.iter().any(kind));
        self.gain += any(|shift| shift.from.is_none());
        self.lose += any(|shift| shift.to.is_none());
        self.change += any(|shift| shift.from.is_some() && shift.to.is_some());
        for shift in shifts {
            let rule = self.by_rule.entry(shift.rule.clone()).or_default();
            let kind = match (shift.from, shift.to) {
                (None, _) => &mut rule.gain,
                (_, None) => &mut rule.lose,
                _ => &mut rule.change,
            };
            kind.count += 1;
            if kind.examples.len() < EXAMPLES_MAX {
                let word = |severity: Option<dutyd_core::action::Severity>| {
                    severity.map_or("no flag", dutyd_core::action::Severity::word)
                };
                kind.examples.push(format!("{case}: {} -> {}", word(shift.from), word(shift.to)));
            }
        }
    }
}

impl Desk {
    /// What the policy on disk would change.
    pub(super) async fn plan(&self) -> Result<Plan, Refusal> {
        let policy = match &self.live {
            Some(live) => (live.reload.read)()?.policy,
            None => self.policies().current.clone(),
        };
        self.plan_of(policy).await
    }

    /// Reads the policy again, says what it will change, and puts it in force.
    pub(super) async fn reload(&self, live: &Live) -> Result<String, Refusal> {
        let draft = (live.reload.read)()?;
        let policy = draft.policy.clone();
        if policy.id == self.policies().current.id {
            return Ok("the policy is the same as before".to_owned());
        }
        let plan = self.plan_of(policy.clone()).await?;
        let (sentence, rules) = (plan.sentence(), policy.rules.len());
        tracing::info!(policy = policy.id, "a changed policy is about to take effect: {sentence}");
        (live.reload.enforce)(draft)?;
        Ok(format!("policy {} is in force; rules: {rules}; {sentence}", policy.id))
    }

    async fn plan_of(&self, policy: Arc<Policy>) -> Result<Plan, Refusal> {
        let before = self.policies();
        let in_force = before.current.id == policy.id;
        let mut older = before.older.clone();
        older.insert(before.current.id.clone(), before.current.clone());
        let mut plan = Plan {
            policy: policy.id.clone(),
            in_force,
            rules: policy.rules.len(),
            complete: true,
            ..Plan::default()
        };
        let policies = Arc::new(PolicySet { current: policy, older });
        let (now, mut after) = (self.now(), 0);
        loop {
            let rows = self.store.states(after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.case;
            if plan.cases >= CASES_MAX {
                plan.complete = false;
                break;
            }
            plan.cases += rows.len() as u64;
            let mut page = Vec::with_capacity(rows.len());
            for row in rows {
                let around = self.store.around(row.case).await?;
                // As if all were seen: what waits for that comes, too.
                page.push((Around { blind_since: None, ..around }, row));
            }
            let policies = policies.clone();
            plan = tokio::task::spawn_blocking(move || look(plan, &policies, &page, now))
                .await
                .map_err(|error| Refusal::Io(error.to_string()))?;
        }
        Ok(plan)
    }
}

/// One page of cases. A state that cannot be read is rebuilt elsewhere and says nothing here.
fn look(mut plan: Plan, policies: &PolicySet, page: &[(Around, StateRow)], now: Timestamp) -> Plan {
    for (around, row) in page {
        let Ok(state) = open_state(&row.state) else { continue };
        let shifts = forecast(policies, &state, around, now);
        if !shifts.is_empty() {
            plan.take(&format!("{}/{}", row.key.source, row.number), &shifts);
        }
    }
    plan
}
