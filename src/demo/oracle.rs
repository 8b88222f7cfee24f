//! The oracle: what should be flagged, computed afresh from the vendors' own histories, with no memory and no store.

use dutyd_core::Timestamp;
use dutyd_core::around::{Around, LinkedCase};
use dutyd_core::case::{CaseChange, CaseKey};
use dutyd_core::decide::{Census, decide};
use dutyd_core::policy::PolicySet;
use dutyd_core::state::{CaseState, FlagState, News};
use std::collections::{BTreeMap, BTreeSet};

/// What `decide` says of every case at one instant.
#[derive(Debug, Default)]
pub struct Oracle {
    pub states: BTreeMap<CaseKey, CaseState>,
}

impl Oracle {
    /// Folds every history, counts the groups, and decides each case among its neighbours.
    pub fn consult(policies: &PolicySet, changes: Vec<CaseChange>, now: Timestamp) -> Self {
        let news: Vec<News> = changes.into_iter().map(|change| News::Change(Box::new(change))).collect();
        let alone = decide_each(policies, &news, now, |_| Around::default());
        let mut census = Census::default();
        alone.values().for_each(|state| census.count(&policies.current, state));
        let around = |key: &CaseKey| {
            let state = alone.get(key)?;
            let linked = state.case.links.iter().filter_map(|key| alone.get(key)).map(linked).collect();
            Some(Around { linked, ..census.around(&policies.current, state) })
        };
        Self { states: decide_each(policies, &news, now, |key| around(key).unwrap_or_default()) }
    }

    /// The rules whose flags are open, by case.
    pub fn open(&self) -> BTreeMap<&CaseKey, BTreeSet<&str>> {
        self.states
            .iter()
            .map(|(key, state)| {
                let flags = state.flags.iter().filter(|flag| flag.state == FlagState::Open);
                (key, flags.map(|flag| flag.rule.as_str()).collect())
            })
            .collect()
    }
}

fn decide_each(
    policies: &PolicySet,
    news: &[News],
    now: Timestamp,
    around: impl Fn(&CaseKey) -> Around,
) -> BTreeMap<CaseKey, CaseState> {
    news.iter()
        .filter_map(|item| {
            let News::Change(change) = item else { return None };
            let around = around(&change.case.key);
            let outcome = decide(policies, None, &around, std::slice::from_ref(item), now)?;
            Some((change.case.key.clone(), outcome.state))
        })
        .collect()
}

fn linked(state: &CaseState) -> LinkedCase {
    LinkedCase {
        key: state.case.key.clone(),
        number: state.case.number.clone(),
        status: state.case.status,
        moved_at: state.events.iter().map(|event| event.at).max().unwrap_or(state.case.updated_at),
    }
}
