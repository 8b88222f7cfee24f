//! What a case adds to the facts of its customer, owner and team, and the sums.

use crate::around::{Around, Contribution, Group, GroupFacts, GroupKind};
use crate::policy::Policy;
use crate::state::{CaseState, Presence};
use crate::timeline::{Actor, EventKind, TimelineEvent};
use std::collections::{BTreeSet, HashMap};

/// The facts of all groups, counted afresh from the cases themselves.
#[derive(Debug, Default)]
pub struct Census {
    facts: HashMap<Group, GroupFacts>,
    sources: HashMap<Group, BTreeSet<String>>,
}

impl Census {
    pub fn count(&mut self, policy: &Policy, state: &CaseState) {
        for (group, adds) in groups(policy, state) {
            if adds.open {
                let sources = self.sources.entry(group.clone()).or_default();
                sources.insert(state.case.key.source.clone());
            }
            let sum = self.facts.entry(group).or_default();
            sum.open += u32::from(adds.open);
            sum.urgent += u32::from(adds.urgent);
            sum.unowned += u32::from(adds.unowned);
            sum.unanswered += u32::from(adds.unanswered);
        }
    }

    /// The facts around one case; nothing of the cases it is linked to.
    pub fn around(&self, policy: &Policy, state: &CaseState) -> Around {
        let mut around = Around::default();
        for (group, _) in groups(policy, state) {
            let sources = self.sources.get(&group).map_or(0, BTreeSet::len) as u32;
            let facts = self.facts.get(&group).map(|facts| GroupFacts { sources, ..*facts });
            match group.kind {
                GroupKind::Customer => around.customer = facts,
                GroupKind::Owner => around.owner = facts,
                GroupKind::Team => around.team = facts,
            }
        }
        around
    }
}

/// The groups of a case and what it contributes to their counts. A done or vanished case contributes nothing.
pub fn groups(policy: &Policy, state: &CaseState) -> Vec<(Group, Contribution)> {
    let case = &state.case;
    let source = &case.key.source;
    let customer =
        case.customer.as_ref().map(|party| (GroupKind::Customer, policy.customer_key(source, party)));
    let owner = case.owner.as_ref().map(|party| (GroupKind::Owner, format!("{source}:{}", party.id)));
    let team = case.team.as_ref().map(|party| (GroupKind::Team, format!("{source}:{}", party.id)));
    let contribution = contribution(state);
    [customer, owner, team]
        .into_iter()
        .flatten()
        .map(|(kind, key)| (Group { kind, key }, contribution))
        .collect()
}

fn contribution(state: &CaseState) -> Contribution {
    let case = &state.case;
    if state.presence != Presence::Present || !case.status.is_open() {
        return Contribution::default();
    }
    Contribution {
        open: true,
        urgent: case.priority.is_some_and(|priority| priority.is_urgent()),
        unowned: case.owner.is_none(),
        unanswered: is_unanswered(&state.events),
    }
}

/// Whether the last public message is the customer's.
fn is_unanswered(events: &[TimelineEvent]) -> bool {
    events
        .iter()
        .rev()
        .find(|event| matches!(event.kind, EventKind::Replied { public: true, .. }))
        .is_some_and(|event| event.actor == Actor::Customer)
}
