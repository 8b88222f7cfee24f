//! The preloaded library of shim.c: compiled once, and told what to do by the daemon's environment.

use std::ffi::OsString;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What is set in the daemon's environment.
pub type Environment = Vec<(&'static str, OsString)>;

/// The library, compiled by the machine's C compiler, which building SQLite needs anyway.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (own, shared) = (place.join(format!("shim-{}.so", std::process::id())), place.join("shim.so"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/shim.c");
        let arguments = ["-O2", "-Wall", "-Wno-format-truncation", "-shared", "-fPIC", "-o"];
        let compiled = Command::new("cc").args(arguments).args([&own, &source]).status();
        assert!(compiled.expect("a C compiler").success());
        std::fs::rename(&own, &shared).expect("the library in its place");
        shared
    })
}

/// The library, for files below `root`.
pub fn over(root: &Path) -> Environment {
    vec![("LD_PRELOAD", library().into()), ("SHIM_ROOT", root.into())]
}

/// The library as a witness: what the daemon asks of the network is written to this file, a line each.
pub fn witness(file: &Path) -> Environment {
    vec![("LD_PRELOAD", library().into()), ("SHIM_SOCKETS", file.into())]
}

/// A number that the test turns while the daemon runs.
pub struct Dial(std::fs::File, PathBuf);

impl Dial {
    pub fn at(path: &Path, value: i64) -> Self {
        std::fs::write(path, value.to_ne_bytes()).expect("a dial");
        let file = std::fs::File::options().write(true).open(path).expect("a dial");
        Self(file, path.to_owned())
    }

    pub fn turn(&self, value: i64) {
        self.0.write_all_at(&value.to_ne_bytes(), 0).expect("turned");
    }

    pub fn path(&self) -> OsString {
        self.1.clone().into()
    }
}

/// A disk whose power fails at the nth sync. What is left of it is in `image`.
pub struct Cut {
    pub root: PathBuf,
    pub image: PathBuf,
}

impl Cut {
    pub fn beside(root: &Path) -> Self {
        Self { root: root.to_owned(), image: root.with_extension("image") }
    }

    /// Everything that stands there now is on the disk.
    pub fn arm(&self, nth: u64, seed: u64) -> Environment {
        std::fs::remove_dir_all(&self.image).ok();
        std::fs::create_dir_all(&self.root).expect("a directory");
        copy(&self.root, &self.image);
        let mut environment = over(&self.root);
        environment.push(("SHIM_IMAGE", self.image.clone().into()));
        environment.push(("SHIM_CUT", nth.to_string().into()));
        environment.push(("SHIM_SEED", seed.to_string().into()));
        environment
    }

    /// The power is back: only what reached the disk is there.
    pub fn restore(&self) {
        std::fs::remove_dir_all(&self.root).expect("a directory");
        std::fs::rename(&self.image, &self.root).expect("the image");
    }
}

/// A folder with all below it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}
