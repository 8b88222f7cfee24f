//! How a test keeps the figure that it reached for a goal. Crates of their own include this file by its path.
//!
//! Must not know: the goals. Several tests of one goal keep parts of its figure: `G17.hooks`, `G17.pages`.

use std::path::{Path, PathBuf};

/// The folder of the figures, from whichever crate of the workspace this is compiled into.
fn folder() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|place| place.join("docs/figures"));
    crates.into_iter().find(|folder| folder.is_dir()).expect("the figures' folder")
}

/// What a run came to: printed, and with `RECORD=1` kept for the table.
pub fn measured(id: &str, figure: &str) {
    println!("{id}: {figure}");
    if std::env::var_os("RECORD").is_some() {
        std::fs::write(folder().join(format!("{id}.txt")), format!("{figure}\n")).expect("a kept figure");
    }
}

/// A number of the long run from the environment, or the ordinary one.
pub fn wanted(variable: &str, ordinary: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(ordinary)
}
