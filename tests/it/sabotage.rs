//! Sabotage: guards are taken away one at a time, in a copy of the tree, and each must turn something red.
//!
//! `tests/sabotage/table.toml` says what is taken away and which tests must notice. The ordinary run checks that the table
//! still speaks of the code; `DUTYD_SABOTAGE=DIR` copies the tree there, sabotages it, and prints what caught each.

use serde::Deserialize;
use std::path::Path;
use std::process::Command;

/// Guards that must at least be in the table.
const GUARDS_MIN: usize = 20;
/// Lists of the simulation for each sabotage.
const LISTS: &str = "60";

#[derive(Deserialize)]
struct Table {
    sabotage: Vec<Sabotage>,
}

/// One guard, and how it is taken away.
#[derive(Deserialize)]
struct Sabotage {
    guard: String,
    file: String,
    /// Stands exactly once in the file.
    text: String,
    becomes: String,
    /// Part of the names of the tests that must notice.
    tests: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_guard_taken_away_turns_something_red() {
    let text = std::fs::read_to_string(root().join("tests/sabotage/table.toml")).expect("the table");
    let table: Table = toml::from_str(&text).expect("a table of sabotages");
    assert!(table.sabotage.len() >= GUARDS_MIN);
    for one in &table.sabotage {
        let code = std::fs::read_to_string(root().join(&one.file)).expect("a file of code");
        let found = code.matches(&one.text).count();
        assert_eq!(found, 1, "{}: {:?} stands {found} times in {}", one.guard, one.text, one.file);
        assert_ne!(one.text, one.becomes, "{}", one.guard);
    }
    let Some(copy) = std::env::var_os("DUTYD_SABOTAGE") else { return };
    let copy = Path::new(&copy);
    copy_tree(copy);
    let mut unnoticed = Vec::new();
    for one in &table.sabotage {
        let caught_by = carry_out(copy, one);
        println!("{}: {}", one.guard, caught_by.join(", "));
        if caught_by.is_empty() {
            unnoticed.push(&one.guard);
        }
    }
    assert!(unnoticed.is_empty(), "nobody noticed that these were taken away: {unnoticed:?}");
}

/// What is under version control, as it stands now.
fn copy_tree(copy: &Path) {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git");
    for name in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|name| !name.is_empty()) {
        let to = copy.join(name);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::fs::copy(root().join(name), to).expect("a copy");
    }
}

/// The tests that failed without the guard. Code that does not compile is nobody's notice.
fn carry_out(copy: &Path, one: &Sabotage) -> Vec<String> {
    let path = copy.join(&one.file);
    let code = std::fs::read_to_string(&path).expect("a file of code");
    std::fs::write(&path, code.replacen(&one.text, &one.becomes, 1)).expect("sabotaged");
    let ran = Command::new("cargo")
        .args(["test", "--workspace", "--no-fail-fast", "--", &one.tests])
        .current_dir(copy)
        .env_remove("DUTYD_SABOTAGE")
        .env("DUTYD_SIM", LISTS)
        .output()
        .expect("cargo runs");
    std::fs::write(&path, code).expect("restored");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let failed = |line: &str| Some(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.to_owned());
    said.lines().filter_map(failed).collect()
}
