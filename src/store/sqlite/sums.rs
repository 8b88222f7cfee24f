//! A sum of each page of the database's main file, kept beside it: a byte that flips while nobody writes is found at the
//! next start, whatever it belongs to.
//!
//! Only the writer's checkpoints write to the main file. After each one the sums of the pages that the log holds are taken
//! anew and kept with the file's length and time of change. Where these are not the file's own (a crash within a
//! checkpoint, a copy from elsewhere, another program's hand) the sums say nothing and are taken anew.
//!
//! Must not know: what pages mean.

use crate::store::codec::checksum;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

const PAGE_BYTES: usize = 4_096;
/// <https://www.sqlite.org/fileformat2.html#walformat>
const LOG_HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// Pages whose sums are looked at while a checkpoint waits.
const SLICE_PAGES: usize = 256;
/// Of pages whose sum nobody has taken.
const UNKNOWN: u64 = 0;
const MAGIC: u64 = u64::from_be_bytes(*b"dutydsm1");
const HEADER_WORDS: usize = 5;

/// By which the sums are known to be of this file as it is: length, seconds and nanoseconds of its last change.
type Stamp = [u64; 3];

/// See the module.
pub struct Sums {
    /// Never closed while the database is open: that would drop this process's locks on it.
    /// <https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_>
    main: File,
    log: PathBuf,
    side: File,
    of: Vec<u64>,
    stamp: Stamp,
    /// The log's present salts, its frames that were read, and the pages they hold.
    salts: [u8; 8],
    frames: u64,
    logged: BTreeSet<u32>,
}

impl Sums {
    pub fn open(path: &Path) -> io::Result<Self> {
        let main = File::open(path)?;
        let side = path.with_extension("sums");
        let side = File::options().read(true).write(true).create(true).truncate(false).open(side)?;
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let stamp = stamp(&main)?;
        let of = read(&side, stamp).unwrap_or_else(|| vec![UNKNOWN; pages(stamp)]);
        let (salts, logged) = ([0; 8], BTreeSet::new());
        Ok(Self { main, log: log.into(), side, of, stamp, salts, frames: 0, logged })
    }

    /// Runs a checkpoint, and takes the sums of the pages it copied.
    pub fn over<E>(&mut self, checkpoint: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let read = self.read_log();
        checkpoint()?;
        if let Err(error) = read.and_then(|()| self.take()) {
            tracing::warn!(%error, "the sums of the database's pages could not be kept");
            self.forget();
        }
        Ok(())
    }

    /// Of no page it is known what it should be.
    pub fn forget(&mut self) {
        self.of.fill(UNKNOWN);
        // Nor will it be at the next start.
        self.side.set_len(0).ok();
        (self.salts, self.stamp) = ([0; 8], stamp(&self.main).unwrap_or_default());
        self.of.resize(pages(self.stamp), UNKNOWN);
    }

    pub fn bytes(&self) -> u64 {
        self.stamp[0]
    }

    /// Compares the pages from this one on with their sums, a slice of them, and takes those that are missing. Answers
    /// where the next slice begins.
    pub fn compare(&mut self, from: usize) -> io::Result<Result<Option<usize>, Changed>> {
        let to = (from + SLICE_PAGES).min(self.of.len());
        for page in from..to {
            let found = self.sum(page)?;
            if self.of[page] != UNKNOWN && self.of[page] != found {
                return Ok(Err(Changed(page + 1)));
            }
            self.of[page] = found;
        }
        if to < self.of.len() {
            return Ok(Ok(Some(to)));
        }
        self.keep(0..self.of.len())?;
        Ok(Ok(None))
    }

    fn sum(&self, page: usize) -> io::Result<u64> {
        let mut bytes = [0; PAGE_BYTES];
        self.main.read_exact_at(&mut bytes, (page * PAGE_BYTES) as u64)?;
        Ok(checksum(&bytes).max(UNKNOWN + 1))
    }

    /// Which pages the log holds; what was read before is not read again.
    fn read_log(&mut self) -> io::Result<()> {
        let log = match File::open(&self.log) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            log => log?,
        };
        let mut header = [0; LOG_HEADER_BYTES];
        if log.read_exact_at(&mut header, 0).is_err() {
            return Ok(());
        }
        if header[16..24] != self.salts {
            // It begins anew only once all of it was copied back.
            self.salts.copy_from_slice(&header[16..24]);
            (self.frames, self.logged) = (0, BTreeSet::new());
        }
        let mut frame = [0; FRAME_HEADER_BYTES];
        loop {
            let at = LOG_HEADER_BYTES as u64 + self.frames * (FRAME_HEADER_BYTES + PAGE_BYTES) as u64;
            if log.read_exact_at(&mut frame, at).is_err() || frame[8..16] != self.salts {
                return Ok(());
            }
            self.logged.insert(u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]));
            self.frames += 1;
        }
    }

    fn take(&mut self) -> io::Result<()> {
        let now = stamp(&self.main)?;
        if now == self.stamp {
            return Ok(());
        }
        self.stamp = now;
        self.of.resize(pages(now), UNKNOWN);
        let logged = self.logged.iter().filter_map(|page| (*page as usize).checked_sub(1));
        let changed: Vec<usize> = logged.filter(|page| *page < self.of.len()).collect();
        for page in &changed {
            self.of[*page] = self.sum(*page)?;
        }
        self.keep(changed)
    }

    /// Writes these sums, and by what they hold. Nothing needs to be synced: a file that is not whole is not believed.
    fn keep(&self, changed: impl IntoIterator<Item = usize>) -> io::Result<()> {
        for page in changed {
            let at = (HEADER_WORDS + page) * size_of::<u64>();
            self.side.write_all_at(&self.of[page].to_le_bytes(), at as u64)?;
        }
        self.side.write_all_at(&bytes(&header(self.stamp, &self.of)), 0)
    }
}

/// A page that is not what was written, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("page {0} is not what was written to it")]
pub struct Changed(pub usize);

fn stamp(main: &File) -> io::Result<Stamp> {
    let found = main.metadata()?;
    Ok([found.len(), found.mtime() as u64, found.mtime_nsec() as u64])
}

fn pages(stamp: Stamp) -> usize {
    stamp[0] as usize / PAGE_BYTES
}

fn header(stamp: Stamp, of: &[u64]) -> [u64; HEADER_WORDS] {
    [MAGIC, stamp[0], stamp[1], stamp[2], checksum(&bytes(of))]
}

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The kept sums, if they are of this file as it is.
fn read(side: &File, stamp: Stamp) -> Option<Vec<u64>> {
    let mut found = vec![0; (HEADER_WORDS + pages(stamp)) * size_of::<u64>()];
    side.read_exact_at(&mut found, 0).ok()?;
    let (words, _) = found.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let (head, of) = words.split_at(HEADER_WORDS);
    (head == header(stamp, of)).then(|| of.to_vec())
}

#[cfg(test)]
mod tests;
