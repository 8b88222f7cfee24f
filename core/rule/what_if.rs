//! What would change a rule's verdict: a smallest set of atoms which, said otherwise, would raise or clear it.
//!
//! Must not know: whether anybody can bring it about. Atoms are taken one by one, also where two read the same value.

use super::expr::{Condition, Skeleton};
use super::{Facts, Rule};
use crate::evidence::{AtomRead, ValueRead};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The most atoms that are said otherwise together.
const CHANGES_MAX: usize = 3;
/// The most atoms of a rule that are looked at; more make too many sets.
const ATOMS_MAX: usize = 40;

/// What would turn the verdict round.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WhatIf {
    /// Whether the rule would fire then; otherwise it would be quiet.
    pub fires: bool,
    /// All of these together, and no part of them alone.
    pub changes: Vec<AtomChange>,
}

/// One atom that would have to say something else.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AtomChange {
    pub text: String,
    /// What it would have to say.
    pub becomes: bool,
    /// What it reads now.
    pub reads: Vec<ValueRead>,
}

impl Rule {
    /// A smallest change that raises a quiet rule, or clears a firing one; `None` if the rule cannot tell, or if more
    /// than three atoms would have to change.
    pub fn what_if(&self, facts: &Facts<'_>) -> Option<WhatIf> {
        let mut atoms: Vec<AtomRead> = Vec::new();
        for atom in self.ladder.iter().flat_map(|(_, condition)| condition.atoms_read(facts)) {
            if atoms.iter().all(|known| known.text != atom.text) {
                atoms.push(atom);
            }
        }
        let said: Vec<Option<bool>> = atoms.iter().map(|atom| atom.holds).collect();
        let fires = self.fires_if(&atoms, &said)?;
        let changeable: Vec<usize> =
            (0..atoms.len().min(ATOMS_MAX)).filter(|at| said[*at].is_some()).collect();
        let found = (1..=CHANGES_MAX).find_map(|size| {
            smallest(&changeable, size, &mut Vec::new(), &mut |set| {
                let mut otherwise = said.clone();
                set.iter().for_each(|at| otherwise[*at] = said[*at].map(|holds| !holds));
                self.fires_if(&atoms, &otherwise) == Some(!fires)
            })
        })?;
        let changes = found.into_iter().map(|at| AtomChange {
            text: atoms[at].text.clone(),
            becomes: said[at] == Some(false),
            reads: atoms[at].reads.clone(),
        });
        Some(WhatIf { fires: !fires, changes: changes.collect() })
    }

    /// Whether any rung holds when its atoms say this; `None`: cannot tell.
    fn fires_if(&self, atoms: &[AtomRead], said: &[Option<bool>]) -> Option<bool> {
        let said: BTreeMap<&str, Option<bool>> =
            atoms.iter().map(|atom| atom.text.as_str()).zip(said.iter().copied()).collect();
        let rungs = self.ladder.iter().map(|(_, condition)| condition.holds_if(&said));
        any_of(rungs)
    }
}

impl Condition {
    fn holds_if(&self, said: &BTreeMap<&str, Option<bool>>) -> Option<bool> {
        holds(&self.skeleton, &|at| said.get(self.atoms[at].text.as_str()).copied().flatten())
    }
}

fn holds(skeleton: &Skeleton, atom: &dyn Fn(usize) -> Option<bool>) -> Option<bool> {
    match skeleton {
        Skeleton::Atom(at) => atom(*at),
        Skeleton::Not(part) => holds(part, atom).map(|value| !value),
        Skeleton::Or(parts) => any_of(parts.iter().map(|part| holds(part, atom))),
        Skeleton::And(parts) => {
            any_of(parts.iter().map(|part| holds(part, atom).map(|value| !value))).map(|value| !value)
        }
        Skeleton::If(parts) => {
            let [choice, yes, no] = parts.as_ref();
            holds(choice, atom).and_then(|choice| holds(if choice { yes } else { no }, atom))
        }
    }
}

/// Three-valued `||`.
fn any_of(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut unknown = false;
    for part in parts {
        match part {
            Some(true) => return Some(true),
            Some(false) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(false)
}

/// The first set of exactly `size` elements that satisfies, in order.
fn smallest(
    from: &[usize],
    size: usize,
    chosen: &mut Vec<usize>,
    satisfies: &mut dyn FnMut(&[usize]) -> bool,
) -> Option<Vec<usize>> {
    if size == 0 {
        return satisfies(chosen).then(|| chosen.clone());
    }
    for (index, at) in from.iter().enumerate() {
        chosen.push(*at);
        let found = smallest(&from[index + 1..], size - 1, chosen, satisfies);
        chosen.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::compile::compile;
    use super::super::vocabulary::{Names, Scope};
    use super::*;
    use proptest::prelude::*;

    fn condition(source: &str) -> Condition {
        compile(source, Scope::Rule, &Names::default()).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    #[test]
    fn sets_are_tried_from_the_smallest() {
        let mut tried = Vec::new();
        let found = (1..=2).find_map(|size| {
            smallest(&[1, 2, 3], size, &mut Vec::new(), &mut |set| {
                tried.push(set.to_vec());
                set == [1, 3]
            })
        });
        assert_eq!(found, Some(vec![1, 3]));
        assert_eq!(tried, [vec![1], vec![2], vec![3], vec![1, 2], vec![1, 3]]);
    }

    proptest! {
        /// Invariant: what is forced upon the atoms gives what the evaluator says when the atoms say it themselves.
        #[test]
        fn forcing_atoms_agrees_with_three_valued_logic(a in any::<Option<bool>>(), b in any::<Option<bool>>(), c in any::<Option<bool>>()) {
            let condition = condition("(case.open && !case.urgent) || (customer.important ? case.open : case.urgent)");
            let said: BTreeMap<&str, Option<bool>> = [("case.open", a), ("case.urgent", b), ("customer.important", c)].into();
            let both = match (a, b.map(|b| !b)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            let chosen = c.and_then(|c| if c { a } else { b });
            let expected = match (both, chosen) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
            prop_assert_eq!(condition.holds_if(&said), expected);
        }
    }
}
