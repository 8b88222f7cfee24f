//! The facts of groups and linked cases at every instant of the past, rebuilt from the cases as they were known.
//!
//! Bounded: beyond [`STEPS_MAX`] changes nothing is kept and rules that read such facts are judged without them.

use super::groups;
use super::retrace::Learned;
use crate::around::{Around, Contribution, Group, GroupFacts, GroupKind, LinkedCase};
use crate::case::{CaseKey, Status};
use crate::policy::Policy;
use crate::rule::GroupWord;
use crate::state::CaseState;
use crate::timeline::{Actor, TimelineEvent};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Changes kept at most, of all groups and cases together: some 300 MB.
pub const STEPS_MAX: usize = 4_000_000;

/// What one case adds to its groups over time, and how it moved.
#[derive(Debug, Default)]
pub struct Footprint {
    key: Option<CaseKey>,
    number: String,
    links: Vec<CaseKey>,
    /// Second, group, by how much: open, urgent, unowned, unanswered.
    shifts: Vec<(i64, Group, [i32; 4])>,
    moves: Vec<(i64, Status, Timestamp)>,
}

impl Footprint {
    /// Only of kinds of groups, and of links, that the policy reads.
    pub fn of(policy: &Policy, learned: &Learned<'_>) -> Self {
        let mut found = Self::default();
        let kinds = kinds_read(policy);
        let mut before: Vec<(Group, Contribution)> = Vec::new();
        for (at, known) in learned.moments() {
            let second = at.as_second();
            let after: Vec<_> =
                groups(policy, &known).into_iter().filter(|(group, _)| kinds.contains(&group.kind)).collect();
            if after != before {
                let gone = before.iter().map(|(group, adds)| (group, counts(*adds).map(|count| -count)));
                let come = after.iter().map(|(group, adds)| (group, counts(*adds)));
                let by = gone.chain(come).filter(|(_, by)| *by != [0; 4]);
                found.shifts.extend(by.map(|(group, by)| (second, group.clone(), by)));
                before = after;
            }
            if policy.reads_links() {
                let moved = (second, known.case.status, moved_at(&known));
                if found.moves.last().is_none_or(|last| (last.1, last.2) != (moved.1, moved.2)) {
                    found.moves.push(moved);
                }
                found.links.clone_from(&known.case.links);
            }
            if found.key.is_none() {
                (found.key, found.number) = (Some(known.case.key.clone()), known.case.number.clone());
            }
        }
        found
    }
}

/// The kinds of groups of which any rule reads a fact.
fn kinds_read(policy: &Policy) -> Vec<GroupKind> {
    let kinds = [GroupKind::Customer, GroupKind::Owner, GroupKind::Team];
    kinds
        .into_iter()
        .filter(|kind| GroupWord::ALL.iter().any(|word| policy.reads_fact(*kind, *word)))
        .collect()
}

fn counts(adds: Contribution) -> [i32; 4] {
    [adds.open, adds.urgent, adds.unowned, adds.unanswered].map(i32::from)
}

/// When a person last did something to the case.
pub fn moved_at(state: &CaseState) -> Timestamp {
    let by_people = |event: &&TimelineEvent| matches!(event.actor, Actor::Customer | Actor::Agent);
    state.events.iter().filter(by_people).map(|event| event.at).max().unwrap_or(state.case.opened_at)
}

/// What holds from a second on.
type Line<T> = Vec<(i64, T)>;

/// A group's facts over time, and the seconds at which one changes that the policy reads.
#[derive(Debug, Default)]
struct Facts {
    line: Line<GroupFacts>,
    steps: Vec<i64>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Neighbourhood {
    policy: Arc<Policy>,
    groups: HashMap<Group, Facts>,
    linked: HashMap<CaseKey, (String, Line<(Status, Timestamp)>)>,
    reads_links: bool,
    /// There were more changes than are kept.
    pub overfull: bool,
}

/// Gathers footprints in the order of the cases.
#[derive(Default)]
pub struct Gathering {
    shifts: HashMap<Group, Vec<(i64, u16, [i32; 4])>>,
    sources: BTreeMap<String, u16>,
    moved: HashMap<CaseKey, (String, Line<(Status, Timestamp)>)>,
    targets: HashSet<CaseKey>,
    steps: usize,
}

impl Gathering {
    pub fn take(&mut self, footprint: Footprint) {
        let Some(key) = footprint.key else { return };
        self.steps += footprint.shifts.len() + footprint.moves.len();
        if self.steps > STEPS_MAX {
            self.shifts.clear();
            self.moved.clear();
            return;
        }
        let next = u16::try_from(self.sources.len()).unwrap_or(u16::MAX);
        let source = *self.sources.entry(key.source.clone()).or_insert(next);
        for (second, group, by) in footprint.shifts {
            self.shifts.entry(group).or_default().push((second, source, by));
        }
        if !footprint.moves.is_empty() {
            let moves = footprint.moves.into_iter().map(|(second, status, at)| (second, (status, at)));
            self.moved.insert(key, (footprint.number, moves.collect()));
        }
        self.targets.extend(footprint.links);
    }

    pub fn finish(self, policy: Arc<Policy>) -> Neighbourhood {
        let overfull = self.steps > STEPS_MAX;
        let targets = self.targets;
        let groups = self.shifts.into_iter().map(|(group, shifts)| {
            let facts = summed(&policy, group.kind, shifts);
            (group, facts)
        });
        Neighbourhood {
            groups: groups.collect(),
            linked: self.moved.into_iter().filter(|(key, _)| targets.contains(key)).collect(),
            reads_links: policy.reads_links(),
            overfull,
            policy,
        }
    }
}

fn summed(policy: &Policy, kind: GroupKind, mut shifts: Vec<(i64, u16, [i32; 4])>) -> Facts {
    shifts.sort_by_key(|(second, _, _)| *second);
    let mut facts = Facts::default();
    let (mut sums, mut open): ([i32; 4], BTreeMap<u16, i32>) = ([0; 4], BTreeMap::new());
    for (nth, (second, source, by)) in shifts.iter().enumerate() {
        sums.iter_mut().zip(by).for_each(|(sum, by)| *sum += by);
        *open.entry(*source).or_default() += by[0];
        if shifts.get(nth + 1).is_some_and(|next| next.0 == *second) {
            continue;
        }
        let [opened, urgent, unowned, unanswered] = sums.map(|sum| u32::try_from(sum).unwrap_or(0));
        let sources = open.values().filter(|count| **count > 0).count() as u32;
        let sum = GroupFacts { open: opened, urgent, unowned, unanswered, sources };
        if facts.line.last().is_none_or(|(_, last)| differ(policy, kind, last, &sum)) {
            facts.steps.push(*second);
        }
        facts.line.push((*second, sum));
    }
    facts
}

fn differ(policy: &Policy, kind: GroupKind, one: &GroupFacts, other: &GroupFacts) -> bool {
    let reads = |word| policy.reads_fact(kind, word);
    reads(GroupWord::Open) && one.open != other.open
        || reads(GroupWord::Urgent) && one.urgent != other.urgent
        || reads(GroupWord::Unowned) && one.unowned != other.unowned
        || reads(GroupWord::Unanswered) && one.unanswered != other.unanswered
        || reads(GroupWord::Sources) && one.sources != other.sources
}

impl Neighbourhood {
    /// The facts around a case as it was known at an instant.
    pub fn around(&self, known: &CaseState, at: Timestamp) -> Around {
        let mut around = Around::default();
        for (group, _) in groups(&self.policy, known) {
            let facts =
                self.groups.get(&group).map(|facts| before(&facts.line, at).copied().unwrap_or_default());
            match group.kind {
                GroupKind::Customer => around.customer = facts,
                GroupKind::Owner => around.owner = facts,
                GroupKind::Team => around.team = facts,
            }
        }
        let links = known.case.links.iter().filter(|_| self.reads_links);
        around.linked = links
            .filter_map(|key| {
                let (number, line) = self.linked.get(key)?;
                let (status, moved_at) = *before(line, at)?;
                Some(LinkedCase { key: key.clone(), number: number.clone(), status, moved_at })
            })
            .collect();
        around
    }

    /// When a fact that such a case can read next changes.
    pub fn moves_after(&self, known: &CaseState, at: Timestamp) -> Option<Timestamp> {
        let second = at.as_second();
        let of_groups = groups(&self.policy, known).into_iter().filter_map(|(group, _)| {
            let steps = &self.groups.get(&group)?.steps;
            steps.get(steps.partition_point(|step| *step <= second)).copied()
        });
        let links = known.case.links.iter().filter(|_| self.reads_links);
        let of_links = links.filter_map(|key| {
            let line = &self.linked.get(key)?.1;
            line.get(line.partition_point(|(step, _)| *step <= second)).map(|(step, _)| *step)
        });
        Timestamp::from_second(of_groups.chain(of_links).min()?).ok()
    }
}

/// What holds at an instant.
fn before<T>(line: &[(i64, T)], at: Timestamp) -> Option<&T> {
    let upto = line.partition_point(|(second, _)| *second <= at.as_second());
    line[..upto].last().map(|(_, value)| value)
}
