//! Opening the database: one process only, the right SQLite, the right settings, the right schema, and sound.

use super::aside;
use super::beside::Beside;
use super::sums::Sums;
use crate::store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// SQLite before this has a race that can corrupt a database in WAL mode. <https://www.sqlite.org/wal.html#walresetbug>
const SQLITE_MIN: i32 = 3_051_003;
/// Databases up to this size are checked before work begins, larger ones beside it after an unclean stop.
const CHECK_AT_ONCE_BYTES: u64 = 64 * 1024 * 1024;
/// The write-ahead log is copied back after this many pages.
const CHECKPOINT_PAGES: i32 = 4_000;
const STATEMENTS_MAX: usize = 160;

/// Each entry takes the schema one version up.
const MIGRATIONS: &[&str] =
    &[include_str!("schema_1.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];

/// An opened database.
pub struct Opened {
    pub connection: Connection,
    /// Held as long as the store lives.
    pub lock: File,
    pub start: Start,
    pub upkeep: Upkeep,
    pub beside: Beside,
}

/// What looks after the main file and its log.
#[derive(Clone)]
pub struct Upkeep(Arc<Mutex<Sums>>);

impl Upkeep {
    fn new(path: &Path) -> Result<Self, StoreError> {
        let sums = Sums::open(path);
        let sums = sums.map_err(|error| StoreError::Unusable(format!("{}: {error}", path.display())))?;
        Ok(Self(Arc::new(Mutex::new(sums))))
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every page is what was written to it, as far as that is known. A checkpoint waits for a slice of them.
    pub fn check(&self) -> Result<(), StoreError> {
        let mut next = Some(0);
        while let Some(from) = next {
            let compared = self.sums().compare(from);
            let compared = compared.map_err(|error| StoreError::Broken(error.to_string()))?;
            next = compared.map_err(|page| StoreError::Damaged(page.to_string()))?;
        }
        Ok(())
    }

    /// After a commit, as `wal_autocheckpoint` does, but a sync that fails here is not passed over: what the log had said
    /// to be on the disk may not be there.
    fn copy_back(&self, log: &mut Wal, pages: i32) -> rusqlite::Result<()> {
        if pages < CHECKPOINT_PAGES {
            return Ok(());
        }
        self.sums().over(|| match log.checkpoint() {
            // Another connection does it, or somebody still reads the end of the log.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
            copied => copied,
        })
    }

    /// Copies the log back and cuts it. The writer may add to it meanwhile, so what is known of the pages is dropped.
    pub fn cut_log(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut sums = self.sums();
        // Answers "busy" instead of failing while somebody reads; the next sweep tries again.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        sums.forget();
        let is_small = sums.bytes() <= CHECK_AT_ONCE_BYTES;
        drop(sums);
        if is_small { self.check() } else { Ok(()) }
    }
}

/// How the database was found.
#[derive(Default, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The last process did not close it.
    pub unclean: bool,
    /// It is an older copy: a later one was opened, or sent writes.
    pub restored: bool,
    pub new: bool,
    /// How often it was opened, this time included.
    pub boots: u64,
}

pub fn open(path: &Path, instance: u64) -> Result<Opened, StoreError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(StoreError::Unusable(format!(
            "SQLite {} has a known corruption race",
            rusqlite::version()
        )));
    }
    let lock = lock(path)?;
    let opened = match open_sound(path, instance) {
        Err(StoreError::Damaged(because)) => {
            aside::set_aside(path, &because)?;
            open_sound(path, instance)
        }
        opened => opened,
    };
    let (connection, start, beside, upkeep) = opened?;
    Ok(Opened { connection, lock, start, upkeep, beside })
}

fn open_sound(path: &Path, instance: u64) -> Result<(Connection, Start, Beside, Upkeep), StoreError> {
    own(path)?;
    let upkeep = Upkeep::new(path)?;
    let is_suspect = aside::is_suspect(path);
    if is_suspect || size(path) <= CHECK_AT_ONCE_BYTES {
        upkeep.check()?;
    }
    let mut connection = Connection::open(path)?;
    settle_in(&connection, "synchronous = FULL")?;
    let copier = upkeep.clone();
    connection.wal_hook(Some(move |log: &mut Wal, pages| copier.copy_back(log, pages)))?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    secure_delete(&connection, "FAST")?;
    migrate(&connection)?;
    if is_suspect || size(path) <= CHECK_AT_ONCE_BYTES {
        check(&connection, "integrity_check")?;
    }
    if is_suspect {
        check_values(&connection)?;
        aside::acquit(path);
    }
    let (start, beside) = take_over(&connection, path, instance)?;
    Ok((connection, start, beside, upkeep))
}

/// Whether the database is too large to be checked before work begins.
pub fn is_checked_beside(path: &Path) -> bool {
    size(path) > CHECK_AT_ONCE_BYTES
}

/// For a large database, while work goes on. <https://www.sqlite.org/pragma.html#pragma_quick_check>
pub fn check_beside(path: &Path, start: Start, upkeep: &Upkeep) -> Result<(), StoreError> {
    upkeep.check()?;
    if start.unclean { check(&open_reader(path)?, "quick_check") } else { Ok(()) }
}

/// Makes a new database a file of its owner alone, whatever the mask; SQLite gives its log the same mode.
fn own(path: &Path) -> Result<(), StoreError> {
    let made = File::options().create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(|error| StoreError::Unusable(format!("cannot open {}: {error}", path.display())))
}

/// FAST: what is deleted is overwritten where its page is written anyway. ON: everywhere, for erasures.
pub fn secure_delete(connection: &Connection, how: &str) -> Result<(), StoreError> {
    connection.pragma_update(None, "secure_delete", how)?;
    Ok(())
}

/// A connection that cannot write.
pub fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Who only asks does not copy the log back.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    settle_in(&connection, "query_only = ON")?;
    connection.pragma_update(None, "cache_size", -4_000)?;
    Ok(connection)
}

fn settle_in(connection: &Connection, last: &str) -> Result<(), StoreError> {
    connection.busy_timeout(std::time::Duration::from_secs(30))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Without it SQLite prepares a statement again each time a value is bound that a partial index might know: a third
    // of the writer's time. <https://www.sqlite.org/c3ref/c_dbconfig_defensive.html#sqlitedbconfigenableqpsg>
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA {last};"
    ))?;
    Ok(())
}

/// One process at a time.
fn lock(path: &Path) -> Result<File, StoreError> {
    let name = path.with_extension("lock");
    let unusable = |error: std::io::Error| StoreError::Unusable(format!("{}: {error}", name.display()));
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

fn migrate(connection: &Connection) -> Result<(), StoreError> {
    let found: usize = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > MIGRATIONS.len() {
        return Err(StoreError::Unusable(format!(
            "schema version {found} was written by a newer dutyd; this one knows up to {}",
            MIGRATIONS.len()
        )));
    }
    for (version, step) in MIGRATIONS.iter().enumerate().skip(found) {
        let version = version + 1;
        connection
            .execute_batch(&format!("BEGIN IMMEDIATE; {step} PRAGMA user_version = {version}; COMMIT;"))?;
    }
    Ok(())
}

fn take_over(connection: &Connection, path: &Path, instance: u64) -> Result<(Start, Beside), StoreError> {
    let known = meta(connection, "instance")?;
    let count = |key| Ok::<u64, StoreError>(meta(connection, key)?.and_then(|n| n.parse().ok()).unwrap_or(0));
    let (boots, leases) = (count("boots")?, count(LEASES)?);
    let unclean = meta(connection, "clean")?.is_some_and(|clean| clean == "0");
    let id = known.clone().unwrap_or_else(|| format!("{instance:016x}"));
    let restored = known.is_some() && Beside::of(path, &id, boots).is_ahead_of(leases);
    let boots = boots + 1;
    set_meta(connection, "instance", &id)?;
    set_meta(connection, "clean", "0")?;
    // The side file first: a crash in between looks like a restored copy, which costs a scan and loses nothing.
    let beside = Beside::of(path, &id, boots);
    beside
        .replace(leases)
        .map_err(|error| StoreError::Unusable(format!("beside {}: {error}", path.display())))?;
    set_meta(connection, "boots", &boots.to_string())?;
    Ok((Start { unclean, restored, new: known.is_none(), boots }, beside))
}

/// Under this name the database knows how often writes were leased.
const LEASES: &str = "leases";

/// Writes are leased once more. Answers how often they were.
pub fn count_lease(connection: &Connection) -> Result<u64, StoreError> {
    let leases = meta(connection, LEASES)?.and_then(|text| text.parse().ok()).unwrap_or(0) + 1;
    set_meta(connection, LEASES, &leases.to_string())?;
    Ok(leases)
}

pub fn meta(connection: &Connection, key: &str) -> Result<Option<String>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

pub fn set_meta(connection: &Connection, key: &str, value: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value")?
        .execute([key, value])?;
    Ok(())
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

fn check(connection: &Connection, pragma: &str) -> Result<(), StoreError> {
    let found: String = connection.query_row(&format!("PRAGMA {pragma}(1)"), [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Damaged(found)) }
}

/// Every text is text: SQLite does not look at that, and a daemon that reads one that is not cannot go on.
fn check_values(connection: &Connection) -> Result<(), StoreError> {
    let mut names = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?;
    let tables: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for table in tables {
        let mut all = connection.prepare(&format!("SELECT * FROM {table:?}"))?;
        let columns = all.column_count();
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                if let ValueRef::Text(text) = row.get_ref(column)?
                    && std::str::from_utf8(text).is_err()
                {
                    return Err(StoreError::Damaged(format!("a value of table {table} is no text")));
                }
            }
        }
    }
    Ok(())
}
