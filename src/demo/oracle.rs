//! The oracle: what should be flagged, computed afresh from the vendors' own histories, with no memory and no store.

use dutyd_core::Timestamp;
use dutyd_core::around::{Around, Group, GroupFacts, GroupKind, LinkedCase};
use dutyd_core::case::{CaseChange, CaseKey};
use dutyd_core::decide::{decide, groups};
use dutyd_core::policy::PolicySet;
use dutyd_core::state::{CaseState, FlagState, News};
use std::collections::{BTreeMap, BTreeSet, HashMap};

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
        let counted = Counted::of(policies, alone.values());
        let around = |key: &CaseKey| alone.get(key).map(|state| counted.around(policies, state, &alone));
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

/// Counts over all groups.
struct Counted {
    facts: HashMap<Group, GroupFacts>,
}

impl Counted {
    fn of<'a>(policies: &PolicySet, states: impl Iterator<Item = &'a CaseState>) -> Self {
        let mut facts: HashMap<Group, GroupFacts> = HashMap::new();
        let mut sources: HashMap<Group, BTreeSet<&str>> = HashMap::new();
        for state in states {
            for (group, adds) in groups(&policies.current, state) {
                if adds.open {
                    sources.entry(group.clone()).or_default().insert(&state.case.key.source);
                }
                let sum = facts.entry(group).or_default();
                sum.open += u32::from(adds.open);
                sum.urgent += u32::from(adds.urgent);
                sum.unowned += u32::from(adds.unowned);
                sum.unanswered += u32::from(adds.unanswered);
            }
        }
        for (group, sources) in sources {
            facts.entry(group).or_default().sources = sources.len() as u32;
        }
        Self { facts }
    }

    fn around(&self, policies: &PolicySet, state: &CaseState, all: &BTreeMap<CaseKey, CaseState>) -> Around {
        let mut around = Around::default();
        for (group, _) in groups(&policies.current, state) {
            let facts = self.facts.get(&group).copied();
            match group.kind {
                GroupKind::Customer => around.customer = facts,
                GroupKind::Owner => around.owner = facts,
                GroupKind::Team => around.team = facts,
            }
        }
        around.linked = state.case.links.iter().filter_map(|key| all.get(key)).map(linked).collect();
        around
    }
}

fn linked(state: &CaseState) -> LinkedCase {
    LinkedCase {
        key: state.case.key.clone(),
        number: state.case.number.clone(),
        status: state.case.status,
        moved_at: state.events.iter().map(|event| event.at).max().unwrap_or(state.case.updated_at),
    }
}
