//! Every decision's evidence, recomputed: whether the values that were recorded still give the verdict that was acted on.

use super::{Desk, Refusal};
use crate::store::Store;
use dutyd_core::decide::{Decision, DecisionKind};
use dutyd_core::policy::PolicySet;
use dutyd_core::rule::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Cases read at once.
const PAGE: usize = 500;
/// Decisions that differ are named up to this many.
const NAMED_MAX: usize = 20;

/// What became of the decisions in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recount {
    /// Raised, changed and cleared flags with evidence.
    pub decisions: u64,
    /// The evidence gives the same verdict.
    pub same: u64,
    /// The evidence gives another verdict.
    pub different: u64,
    /// The policy of the decision, or a value that was too long to keep, is not there any more.
    pub untold: u64,
    /// Policies by which decisions were made, by content hash; true: the text is kept.
    #[serde(default)]
    pub policies: BTreeMap<String, bool>,
    /// `source/number rule: raised candidate, recomputed quiet`, the first ones.
    pub named: Vec<String>,
}

impl Desk {
    pub(super) async fn recount(&self) -> Result<Recount, Refusal> {
        recount(self.store.as_ref(), &self.policies()).await
    }
}

/// Recomputes the evidence of every decision in the store.
pub async fn recount(store: &dyn Store, policies: &PolicySet) -> Result<Recount, Refusal> {
    let (mut found, mut after) = (Recount::default(), 0);
    loop {
        let rows = store.states(after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.case;
        for row in &rows {
            let decisions = store.decisions(row.case).await?;
            for decision in decisions.iter().map(|row| &row.decision) {
                found.take(&format!("{}/{}", row.key.source, row.number), decision, policies);
            }
        }
    }
    Ok(found)
}

impl Recount {
    fn take(&mut self, case: &str, decision: &Decision, policies: &PolicySet) {
        let acted_on = match decision.kind {
            DecisionKind::Raise | DecisionKind::Change => Verdict::Fires(decision.severity),
            DecisionKind::Clear => Verdict::Quiet,
            DecisionKind::Override | DecisionKind::Adopt => return,
        };
        let Some(evidence) = &decision.evidence else { return };
        self.decisions += 1;
        let policy = if policies.current.id == evidence.policy {
            Some(&policies.current)
        } else {
            policies.older.get(&evidence.policy)
        };
        if self.policies.len() < NAMED_MAX {
            self.policies.entry(evidence.policy.clone()).or_insert(policy.is_some());
        }
        let rule = policy.and_then(|policy| policy.rules.iter().find(|rule| rule.name == decision.rule));
        match rule.map(|rule| rule.recompute(evidence)) {
            None | Some(Verdict::CannotTell { .. }) => self.untold += 1,
            Some(verdict) if verdict == acted_on => self.same += 1,
            Some(verdict) => {
                self.different += 1;
                if self.named.len() < NAMED_MAX {
                    self.named.push(format!(
                        "{case} {}: acted on {acted_on:?}, recomputed {verdict:?}",
                        decision.rule
                    ));
                }
            }
        }
    }
}
