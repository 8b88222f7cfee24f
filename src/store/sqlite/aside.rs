//! A damaged database is set aside, never deleted: the vendors have everything it had but the log of decisions.

use crate::store::StoreError;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Damaged databases that are kept. More than these are no accident: the machine is failing.
const ASIDE_MAX: usize = 3;

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Written when a running daemon met damage: the next start looks at every page.
fn suspicion(path: &Path) -> PathBuf {
    path.with_extension("suspect")
}

pub fn suspect(path: &Path) -> std::io::Result<()> {
    replace(&suspicion(path), "")
}

pub fn is_suspect(path: &Path) -> bool {
    suspicion(path).exists()
}

pub fn acquit(path: &Path) {
    std::fs::remove_file(suspicion(path)).ok();
}

/// A small file, whole or not at all, on the disk when this returns.
pub fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = beside(path, ".new");
    let mut file = File::create(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

/// Moves the database and its log to a name of their own, so that a new one can be made.
pub fn set_aside(path: &Path, because: &str) -> Result<(), StoreError> {
    let free =
        (1..=ASIDE_MAX).map(|nth| beside(path, &format!(".damaged-{nth}"))).find(|name| !name.exists());
    let Some(aside) = free else {
        return Err(StoreError::Unusable(format!(
            "{} is damaged ({because}), and {ASIDE_MAX} damaged ones already stand beside it: this machine's disk or \
             memory is failing. Mend that, move them away, then start again; everything is read anew from the vendors",
            path.display()
        )));
    };
    let moved = move_away(path, &aside);
    moved.map_err(|error| StoreError::Unusable(format!("cannot set {} aside: {error}", path.display())))?;
    tracing::error!(
        database = %aside.display(), because,
        "the database was damaged and is set aside: everything is read anew from the vendors, nothing is marked \
         twice; only the log of decisions stays behind in it"
    );
    acquit(path);
    Ok(())
}

fn move_away(path: &Path, aside: &Path) -> std::io::Result<()> {
    // The log first: without it the rest is still damaged, with it a new database would be.
    for ending in ["-wal", ""] {
        let part = beside(path, ending);
        if part.exists() {
            std::fs::rename(&part, beside(aside, ending))?;
        }
    }
    std::fs::remove_file(beside(path, "-shm")).ok();
    File::open(path.parent().unwrap_or(path))?.sync_all()
}
