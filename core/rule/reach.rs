//! What can be said of conditions without a case: which thresholds of clocks they name, and which condition holds whenever
//! another does.

use super::expr::{Atom, Condition, Skeleton};
use super::value::Comparison;
use super::vocabulary::{ClockWord, Read};

/// A word of a clock compared with a fixed number.
#[derive(Debug)]
pub struct Threshold<'a> {
    pub clock: String,
    pub word: ClockWord,
    pub comparison: Comparison,
    pub bound: f64,
    /// As written.
    pub text: &'a str,
}

impl Condition {
    /// Words of clocks compared with fixed numbers, where the comparison helps the condition to hold.
    pub fn thresholds(&self) -> Vec<Threshold<'_>> {
        let mut atoms = Vec::new();
        helping(&self.skeleton, &mut atoms);
        atoms.into_iter().filter_map(|at| threshold(&self.atoms[at])).collect()
    }

    /// Whether it is sure that `other` holds whenever this does. Not every such pair is seen.
    pub fn implies(&self, other: &Condition) -> bool {
        let sides = Sides { left: &self.atoms, right: &other.atoms };
        sides.implies(&self.skeleton, &other.skeleton)
    }
}

fn helping(skeleton: &Skeleton, atoms: &mut Vec<usize>) {
    match skeleton {
        Skeleton::Atom(at) => atoms.push(*at),
        Skeleton::Not(_) => {}
        Skeleton::And(parts) | Skeleton::Or(parts) => parts.iter().for_each(|part| helping(part, atoms)),
        Skeleton::If(parts) => parts.iter().for_each(|part| helping(part, atoms)),
    }
}

fn threshold(atom: &Atom) -> Option<Threshold<'_>> {
    let (read, comparison, bound) = atom.fixed()?;
    match read {
        Read::Clock(clock, word) => {
            let (clock, bound) = (clock.to_string(), bound.number()?);
            Some(Threshold { clock, word, comparison, bound, text: &atom.text })
        }
        _ => None,
    }
}

struct Sides<'a> {
    left: &'a [Atom],
    right: &'a [Atom],
}

impl Sides<'_> {
    fn implies(&self, left: &Skeleton, right: &Skeleton) -> bool {
        match (left, right) {
            (Skeleton::Or(parts), _) => parts.iter().all(|part| self.implies(part, right)),
            (_, Skeleton::And(parts)) => parts.iter().all(|part| self.implies(left, part)),
            (Skeleton::And(parts), Skeleton::Or(others)) => {
                parts.iter().any(|part| self.implies(part, right))
                    || others.iter().any(|part| self.implies(left, part))
            }
            (Skeleton::And(parts), _) => parts.iter().any(|part| self.implies(part, right)),
            (_, Skeleton::Or(parts)) => parts.iter().any(|part| self.implies(left, part)),
            (Skeleton::Atom(left), Skeleton::Atom(right)) => {
                atom_implies(&self.left[*left], &self.right[*right])
            }
            _ => false,
        }
    }
}

fn atom_implies(left: &Atom, right: &Atom) -> bool {
    if left.text == right.text {
        return true;
    }
    let (Some((a, above, low)), Some((b, other, high))) = (left.fixed(), right.fixed()) else { return false };
    let (Some(low), Some(high)) = (low.number(), high.number()) else { return false };
    use Comparison::{AtLeast, AtMost, Equal, Greater, Less};
    let holds = match (above, other) {
        (Greater, Greater | AtLeast) | (AtLeast, AtLeast) => low >= high,
        (AtLeast, Greater) => low > high,
        (Less, Less | AtMost) | (AtMost, AtMost) => low <= high,
        (AtMost, Less) => low < high,
        (Equal, AtLeast) => low >= high,
        (Equal, Greater) => low > high,
        (Equal, AtMost) => low <= high,
        (Equal, Less) => low < high,
        _ => false,
    };
    a == b && holds
}
