//! What SQLite must not do by halves: the test makes the database itself refuse one row.

use super::{Bed, sqlite};
use crate::fixture::{SOURCE, start};
use rusqlite::Connection;

#[tokio::test]
async fn a_page_of_which_one_row_cannot_be_stored_moves_no_cursor_and_leaves_no_row() {
    let (bed, lease) = Bed::leased(sqlite).await;
    bed.save(&lease, &[("a", 1)]).await;
    let before = bed.store().cursor(SOURCE).await;
    assert_eq!(bed.due(start()).await.len(), 1);
    let hand = Connection::open(bed.path()).expect("the database");
    hand.execute_batch(
        "CREATE TRIGGER refused BEFORE INSERT ON cases WHEN new.vendor_id = 'c' BEGIN SELECT raise(ABORT, 'refused'); END",
    )
    .expect("a trigger");
    assert!(bed.page(&lease, &[("b", 1), ("c", 1)], true).await.is_err());
    assert_eq!(bed.store().cursor(SOURCE).await, before, "what was not stored is read again");
    assert!(bed.due(start()).await.is_empty(), "half a page is none");
    hand.execute_batch("DROP TRIGGER refused").expect("no trigger");
    assert!(bed.page(&lease, &[("b", 1), ("c", 1)], true).await.is_ok());
    assert_eq!(bed.due(start()).await.len(), 2);
}
