//! A scan under way: since when, the page read ahead, and whether its pages lead anywhere.
//!
//! Must not know: the store, or what becomes of a page.

use dutyd_connectors::Page;
use dutyd_connectors::trail::Trail;
use jiff::Timestamp;

/// Pages of a scan that may lead back one after the other, and that may be empty: what our account may not see leaves
/// pages empty.
const REPEATS_MAX: usize = 1;
const EMPTY_MAX: usize = 200;

/// A scan under way.
pub struct Scan {
    /// When it began: what it has seen at its end is all that stood there then.
    pub begun: Timestamp,
    /// A page already read.
    pub next: Option<Page>,
    trail: Trail,
}

impl Scan {
    pub fn new(begun: Timestamp) -> Self {
        Self { begun, next: None, trail: Trail::new(REPEATS_MAX, EMPTY_MAX) }
    }

    /// Why this page leads nowhere, if so.
    pub fn stuck_at(&mut self, page: &Page) -> Option<String> {
        let changes = page.changes.iter().map(|change| (&change.case.key, Some(change.case.revision)));
        let hints = page.hints.iter().map(|hint| (&hint.key, hint.revision));
        let records: Vec<_> = changes.chain(hints).collect();
        let rows = records.len() + page.quarantined.len();
        // Without versions the same cases may well stand on page after page.
        let told = records.iter().all(|(_, revision)| revision.is_some()) && page.quarantined.is_empty();
        let place = page.next.as_ref().map(|cursor| &cursor.body);
        let followed = if page.more { self.trail.step(place, rows, told.then_some(records)) } else { Ok(()) };
        page.stuck.clone().or_else(|| followed.err().map(str::to_owned))
    }
}
