//! What the writer promises of syncs.

use super::{Keep, Writer};
use crate::store::StoreError;
use rusqlite::{Connection, ffi};
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
    let writer = Writer::<()>::start(connection, lock, |_| (), |_, _| Ok(Vec::new())).unwrap();
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

#[tokio::test]
async fn a_failure_undoes_its_own_request_and_no_other_of_the_batch() {
    let place = tempfile::tempdir().unwrap();
    let connection = Connection::open(place.path().join("d.db")).unwrap();
    connection.execute_batch("CREATE TABLE n (n INTEGER)").unwrap();
    let lock = File::create(place.path().join("d.lock")).unwrap();
    let writer = Writer::<()>::start(connection, lock, |_| (), |_, _| Ok(Vec::new())).unwrap();
    let add = |n: i64, fails: bool| {
        writer.write(Keep::Now, move |db| {
            db.execute("INSERT INTO n VALUES (?1)", [n])?;
            if fails { Err(StoreError::LeaseLost(n.to_string())) } else { Ok(()) }
        })
    };
    let (go, wait) = std::sync::mpsc::channel::<()>();
    // While the writer waits, the others queue up and become one batch.
    let held = writer.write(Keep::Now, move |_| Ok(wait.recv().ok()));
    let sent = async {
        let all = futures::future::join_all((1..=6).map(|n| add(n, n == 2 || n == 5)));
        let (results, ()) = futures::join!(all, async move { go.send(()).unwrap() });
        results
    };
    let (_, results) = futures::join!(held, sent);
    let failed: Vec<usize> =
        results.iter().enumerate().filter(|(_, result)| result.is_err()).map(|(nth, _)| nth + 1).collect();
    assert_eq!(failed, [2, 5]);
    let alone = add(7, true).await;
    assert!(matches!(alone, Err(StoreError::LeaseLost(name)) if name == "7"));
    let kept = writer.write(Keep::Now, |db| {
        let mut all = db.prepare("SELECT n FROM n ORDER BY n")?;
        let rows = all.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        Ok(rows)
    });
    assert_eq!(kept.await.unwrap(), [1, 3, 4, 6]);
}

#[test]
fn no_room_is_told_from_a_failing_disk() {
    let of = |code| StoreError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    assert!(matches!(of(ffi::SQLITE_FULL), StoreError::Full(_)));
    assert!(matches!(of(ffi::SQLITE_IOERR_SHMSIZE), StoreError::Full(_)));
    assert!(matches!(of(ffi::SQLITE_IOERR_FSYNC), StoreError::Broken(_)));
}
