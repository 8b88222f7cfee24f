//! Whether the pages of a list lead anywhere: a page that leads back, or one empty page after the other, ends no list.
//!
//! Must not know: vendors, and what stands on a page.

use crate::ConnectorError;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Places that are remembered; a longer list is remembered from there on.
const PLACES_MAX: usize = 100_000;

/// The pages of one list so far.
#[derive(Debug)]
pub struct Trail {
    /// Places that may come again one after the other, and pages that may be empty.
    repeats_max: usize,
    empty_max: usize,
    places: HashSet<u64>,
    repeats: usize,
    empty: usize,
}

impl Trail {
    pub fn new(repeats_max: usize, empty_max: usize) -> Self {
        Self { repeats_max, empty_max, places: HashSet::new(), repeats: 0, empty: 0 }
    }

    /// A list that is short and stands still: no page of it leads back.
    pub fn of_children() -> Self {
        Self::new(0, 2)
    }

    /// Takes in a page behind which there shall be more. `next`: where that is. `content`: what tells the page from
    /// others, where its rows alone do.
    pub fn step(
        &mut self,
        next: impl Hash,
        rows: usize,
        content: Option<impl Hash>,
    ) -> Result<(), &'static str> {
        if self.places.len() >= PLACES_MAX {
            self.places.clear();
        }
        let known_place = !self.places.insert(hash("place", next));
        let known_page =
            content.is_some_and(|content| rows > 0 && !self.places.insert(hash("page", content)));
        self.repeats = if known_place || known_page { self.repeats + 1 } else { 0 };
        self.empty = if rows == 0 { self.empty + 1 } else { 0 };
        if self.repeats > self.repeats_max {
            return Err("its pages lead back to one that was read");
        }
        if self.empty > self.empty_max {
            return Err("it goes on and its pages are empty");
        }
        Ok(())
    }

    /// The same as an error of a list.
    pub fn follow(&mut self, list: &str, next: impl Hash, rows: usize) -> Result<(), ConnectorError> {
        self.step(next, rows, None::<()>).map_err(|reason| ConnectorError::Malformed {
            where_: list.to_owned(),
            reason: reason.to_owned(),
        })
    }
}

fn hash(kind: &str, value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, value).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places and rows of pages, and whether they lead anywhere.
    #[test]
    fn pages_that_lead_back_or_are_empty_for_long_lead_nowhere() {
        let mut long = Trail::new(1, 2);
        let table = [("a", 1, true), ("b", 1, true), ("a", 1, true), ("c", 1, true), ("a", 1, true)];
        assert!(table.iter().all(|(next, rows, good)| long.step(next, *rows, None::<()>).is_ok() == *good));
        assert!(long.step("b", 1, None::<()>).is_err(), "the second one in a row");
        let mut empty = Trail::new(1, 2);
        assert!((0..2).all(|next| empty.step(next, 0, None::<()>).is_ok()));
        assert!(empty.step(2, 0, None::<()>).is_err());
        let mut same = Trail::new(1, 2);
        assert!((0..2).all(|next| same.step(next, 1, Some("rows")).is_ok()), "once again is no matter");
        assert!(same.step(2, 1, Some("rows")).is_err(), "another place, and the same rows");
        let mut children = Trail::of_children();
        assert!(children.follow("list", 1, 0).is_ok() && children.follow("list", 1, 1).is_err());
    }
}
