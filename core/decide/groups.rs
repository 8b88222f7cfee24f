//! What a case adds to the facts of its customer, owner and team.

use crate::around::{Contribution, Group, GroupKind};
use crate::policy::Policy;
use crate::state::{CaseState, Presence};
use crate::timeline::{Actor, EventKind, TimelineEvent};

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
