//! Makes a failing list as short as it can be while it still fails: first by halves, then by single operations.

use super::failure;
use super::list::List;

/// Runs that shrinking may take.
const RUNS_MAX: usize = 300;

pub fn shrink(list: &List) -> List {
    let mut best = list.clone();
    let mut runs = 0;
    let mut fails = |candidate: &List| {
        runs += 1;
        runs <= RUNS_MAX && !failure(candidate).0.is_empty()
    };
    let mut size = best.ops.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < best.ops.len() {
            let mut candidate = best.clone();
            candidate.ops.drain(at..(at + size).min(best.ops.len()));
            if fails(&candidate) {
                best = candidate;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    for simpler in simpler(&best) {
        if fails(&simpler) {
            best = simpler;
        }
    }
    best
}

/// The same operations in a smaller world.
fn simpler(list: &List) -> Vec<List> {
    let mut worlds = Vec::new();
    for source in list.sources.iter().filter(|_| list.sources.len() > 1) {
        worlds.push(List { sources: vec![*source], ..list.clone() });
    }
    worlds.push(List { cases: 1, ..list.clone() });
    worlds
}
