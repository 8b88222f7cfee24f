//! What the writer promises of syncs.

use super::{Keep, Writer};
use crate::store::StoreError;
use rusqlite::Connection;
use std::fs::File;

/// As SQLite numbers them.
const NORMAL: i64 = 1;
const FULL: i64 = 2;

fn synchronous(db: &Connection) -> Result<i64, StoreError> {
    Ok(db.query_row("PRAGMA synchronous", [], |row| row.get(0))?)
}

#[tokio::test]
async fn what_is_to_be_kept_is_synced_whatever_came_before() {
    let place = tempfile::tempdir().unwrap();
    let connection = Connection::open(place.path().join("d.db")).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").unwrap();
    let lock = File::create(place.path().join("d.lock")).unwrap();
    let writer = Writer::start(connection, lock, |_| ()).unwrap();
    let table = [
        (Keep::Now, FULL),
        (Keep::Later, NORMAL),
        (Keep::Now, FULL),
        (Keep::Later, NORMAL),
        (Keep::Later, NORMAL),
        (Keep::Now, FULL),
    ];
    for (nth, (keep, expected)) in table.into_iter().enumerate() {
        let found = writer.write(keep, synchronous).await.unwrap();
        assert_eq!(found, expected, "request {nth}, {keep:?}");
    }
}
