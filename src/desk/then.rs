//! An earlier instant: what was known of a case and of its neighbours then.

use super::{Desk, JudgedBy, Refusal};
use crate::store::{DecisionRow, Past, open_state};
use dutyd_core::around::{Around, LinkedCase};
use dutyd_core::case::CaseKey;
use dutyd_core::decide::{Census, Decision, DecisionKind, moved_at, whole_second};
use dutyd_core::policy::{Policy, PolicySet};
use dutyd_core::state::{CaseState, Flag, FlagState};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Cases looked through for the facts of neighbours; with more of them those facts are left out.
const CASES_MAX: usize = 100_000;
/// Cases read at once.
const PAGE: usize = 1_000;

/// The policies as they stood at an instant: the one in force then first, if its text is kept.
pub fn policies_at(policies: &PolicySet, past: &Past, at: Timestamp) -> (PolicySet, JudgedBy) {
    let Some(id) = past.policy_at(at) else { return (policies.clone(), JudgedBy::NotKnown) };
    if policies.current.id == id {
        return (policies.clone(), JudgedBy::InForceThen);
    }
    let Some(kept) = policies.older.get(id) else {
        return (policies.clone(), JudgedBy::NotKept(id.to_owned()));
    };
    let mut older = policies.older.clone();
    older.remove(id);
    older.insert(policies.current.id.clone(), policies.current.clone());
    (PolicySet { current: kept.clone(), older }, JudgedBy::InForceThen)
}

/// The case as known at an instant, with the flags that were open by the decision log and what people had said by then.
pub fn known_at(state: &CaseState, decisions: &[DecisionRow], at: Timestamp) -> Result<CaseState, Refusal> {
    let mut known = state.as_known_at(at);
    if known.events.is_empty() {
        let first = state.events.iter().map(|event| event.seen_at).min();
        let since = first.map(|at| format!("; it is known since {}", whole_second(at))).unwrap_or_default();
        let (number, at) = (&state.case.number, whole_second(at));
        return Err(Refusal::NotFound(format!("nothing was known of {number} at {at}{since}")));
    }
    known.overrides.retain(|said| said.at <= at);
    known.flags = flags_at(decisions, at);
    Ok(known)
}

fn flags_at(decisions: &[DecisionRow], at: Timestamp) -> Vec<Flag> {
    let mut flags: BTreeMap<&str, Flag> = BTreeMap::new();
    for decision in decisions.iter().map(|row| &row.decision).take_while(|decision| decision.at <= at) {
        match decision.kind {
            DecisionKind::Raise | DecisionKind::Adopt => {
                flags.insert(&decision.rule, flag_of(decision));
            }
            DecisionKind::Change => {
                if let Some(flag) = flags.get_mut(decision.rule.as_str()) {
                    (flag.severity, flag.peak) = (decision.severity, flag.peak.max(decision.severity));
                    flag.why.clone_from(&decision.why);
                }
            }
            DecisionKind::Clear => {
                flags.remove(decision.rule.as_str());
            }
            DecisionKind::Override => {}
        }
    }
    flags.into_values().collect()
}

fn flag_of(decision: &Decision) -> Flag {
    Flag {
        rule: decision.rule.clone(),
        state: FlagState::Open,
        severity: decision.severity,
        peak: decision.severity,
        since: decision.at,
        raised_at: decision.at,
        episode: decision.episode.clone(),
        why: decision.why.clone(),
        raises: vec![decision.at],
        leaving_since: None,
        cleared_at: None,
        of_wave: false,
    }
}

impl Desk {
    /// The facts around a case as of an instant, counted over all cases as known then. `None`: there are too many.
    pub(super) async fn around_at(
        &self,
        policy: &Policy,
        known: &CaseState,
        at: Timestamp,
    ) -> Result<Option<Around>, Refusal> {
        let (mut census, mut linked, mut after, mut seen) = (Census::default(), Vec::new(), 0, 0);
        loop {
            let rows = self.store.states(after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.case;
            seen += rows.len();
            if seen > CASES_MAX {
                return Ok(None);
            }
            for row in &rows {
                let then = open_state(&row.state)?.as_known_at(at);
                if then.events.is_empty() {
                    continue;
                }
                census.count(policy, &then);
                if known.case.links.contains(&row.key) {
                    linked.push(neighbour(&row.key, &then));
                }
            }
        }
        Ok(Some(Around { linked, ..census.around(policy, known) }))
    }
}

fn neighbour(key: &CaseKey, state: &CaseState) -> LinkedCase {
    LinkedCase {
        key: key.clone(),
        number: state.case.number.clone(),
        status: state.case.status,
        moved_at: moved_at(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dutyd_core::decide::end_of_second;
    use dutyd_core::sla::history::HistoryDoc;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        format!("2026-03-02T{text}Z").parse().expect("an instant")
    }

    /// A case whose only reply is learned within the second 09:00:05.
    fn case() -> CaseState {
        let doc: HistoryDoc = serde_json::from_value(json!({
            "case": { "number": "C-1" },
            "events": [
                { "at": at("09:00:00"), "what": "created" },
                { "at": at("09:00:05.400"), "by": "customer", "what": "reply" },
            ],
        }))
        .expect("a document");
        let mut state = doc.state().expect("a state");
        state.events[1].seen_at = at("09:00:05.700");
        state
    }

    #[test]
    fn what_was_learned_within_a_second_was_known_in_that_second_and_not_before() {
        let table = [
            ("09:00:04", 1),
            ("09:00:04.999", 1),
            ("09:00:05", 2),
            ("09:00:05.100", 2),
            ("09:00:05.999", 2),
            ("09:00:06", 2),
        ];
        for (asked, expected) in table {
            let known = known_at(&case(), &[], end_of_second(at(asked))).expect("a case");
            assert_eq!(known.events.len(), expected, "{asked}");
        }
    }

    #[test]
    fn before_anything_was_known_it_is_said_since_when() {
        let Err(Refusal::NotFound(said)) = known_at(&case(), &[], end_of_second(at("08:59:59.5"))) else {
            panic!("nothing was known")
        };
        let expected =
            "nothing was known of C-1 at 2026-03-02T08:59:59Z; it is known since 2026-03-02T09:00:00Z";
        assert_eq!(said, expected);
    }
}
