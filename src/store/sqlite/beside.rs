//! Beside the database: who used it last, how often it was opened, and how far its writes had come. If that is more than
//! the database knows, it is a copy from before.

use super::aside;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The small file.
#[derive(Debug)]
pub struct Beside {
    path: PathBuf,
    head: String,
}

impl Beside {
    pub fn of(database: &Path, instance: &str, boots: u64) -> Self {
        Self { path: database.with_extension("boot"), head: format!("{instance} {boots}") }
    }

    /// Whether somebody used a later database than one that leased writes so often.
    pub fn is_ahead_of(&self, leases: u64) -> bool {
        let Ok(text) = std::fs::read_to_string(&self.path) else { return true };
        // The first versions did not count leases.
        match text.strip_prefix(&self.head) {
            Some("") => false,
            Some(told) => told
                .strip_prefix(' ')
                .and_then(|told| told.parse().ok())
                .is_none_or(|told: u64| told > leases),
            None => true,
        }
    }

    /// On the disk when this returns.
    pub fn replace(&self, leases: u64) -> io::Result<()> {
        aside::replace(&self.path, &self.line(leases))
    }

    /// In place and not synced: after a power cut it may say less than the database, never more.
    pub fn note(&self, leases: u64) -> io::Result<()> {
        File::options().write(true).open(&self.path)?.write_all_at(self.line(leases).as_bytes(), 0)
    }

    /// Always as long.
    fn line(&self, leases: u64) -> String {
        format!("{} {leases:020}", self.head)
    }
}
