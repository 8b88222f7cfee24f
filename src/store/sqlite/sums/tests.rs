//! What the sums of pages promise.

use super::{Changed, PAGE_BYTES, Sums, UNKNOWN};
use rusqlite::Connection;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// A closed database of many pages, written in many commits with a checkpoint now and then.
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        File::create(place.path()).unwrap();
        let mut sums = Sums::open(&place.path()).unwrap();
        let db = Connection::open(place.path()).unwrap();
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE n (n INTEGER, text TEXT)",
        )
        .unwrap();
        for nth in 0..60 {
            db.execute("INSERT INTO n VALUES (?1, hex(randomblob(?1 * 50)))", [nth]).unwrap();
            db.execute("UPDATE n SET text = hex(randomblob(900)) WHERE n = ?1 / 2", [nth]).unwrap();
            if nth % 7 == 0 {
                sums.over(|| copy_back(&db)).unwrap();
            }
        }
        sums.over(|| copy_back(&db)).unwrap();
        drop(db);
        place
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("d.db")
    }

    fn flip(&self, at: u64, keeping_time: bool) {
        let file = File::options().read(true).write(true).open(self.path()).unwrap();
        let before = file.metadata().unwrap().modified().unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 4], at).unwrap();
        if keeping_time {
            file.set_modified(before).unwrap();
        }
    }
}

fn copy_back(db: &Connection) -> rusqlite::Result<()> {
    db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

fn compared(path: &Path) -> Result<(), Changed> {
    let (mut sums, mut next) = (Sums::open(path).unwrap(), Some(0));
    while let Some(from) = next {
        next = sums.compare(from).unwrap()?;
    }
    Ok(())
}

#[test]
fn a_byte_that_flips_on_any_page_while_nobody_writes_is_found() {
    let place = Place::new();
    let pages = std::fs::metadata(place.path()).unwrap().len() / PAGE_BYTES as u64;
    assert!(pages > 20, "{pages} pages");
    assert!(Sums::open(&place.path()).unwrap().of.iter().all(|sum| *sum != UNKNOWN), "all are known");
    assert_eq!(compared(&place.path()), Ok(()));
    for page in 0..pages {
        let at = page * PAGE_BYTES as u64 + page * 131 % PAGE_BYTES as u64;
        place.flip(at, true);
        assert_eq!(compared(&place.path()), Err(Changed(page as usize + 1)));
        place.flip(at, true);
    }
}

#[test]
fn a_file_that_somebody_else_wrote_to_or_put_there_is_not_held_against_old_sums() {
    let place = Place::new();
    place.flip(5_000, false);
    assert_eq!(compared(&place.path()), Ok(()));
    assert_eq!(compared(&place.path()), Ok(()), "and the sums are its own now");
    place.flip(5_000, true);
    assert_eq!(compared(&place.path()), Err(Changed(2)));
}

#[test]
fn damaged_sums_are_not_believed() {
    let place = Place::new();
    let side = File::options().write(true).open(place.dir.path().join("d.sums")).unwrap();
    side.write_all_at(&[0xa5], 100).unwrap();
    assert_eq!(compared(&place.path()), Ok(()));
}
