//! Carries sabotages out in a copy of the tree: builds, asks the named tests, puts the code back.
//!
//! Must not know: which guards there are.

use super::{Cut, Sabotage, root};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

/// Seconds that the tests of one sabotage may take, without the build.
const SECONDS_MAX: &str = "300";
/// The status with which `timeout` tells that it ended something.
const ENDED: i32 = 124;

/// What became of a tree.
enum Came {
    /// Tests that failed.
    Red(Vec<String>),
    /// All tests passed, so many.
    Green(usize),
    /// Neither: the row says nothing of the guard.
    Broken(String),
}

/// The arguments of `cargo test` for a row's tests.
pub fn asked(tests: &str) -> (Vec<&'static str>, Vec<&str>) {
    let mut words = tests.split_whitespace();
    let target = match words.next() {
        Some("core") => vec!["--package", "dutyd-core", "--lib"],
        Some("connectors") => vec!["--package", "dutyd-connectors", "--lib"],
        Some("daemon") => vec!["--package", "dutyd", "--lib"],
        Some("it") => vec!["--package", "dutyd", "--test", "it"],
        other => panic!("tests begin with core, connectors, daemon or it, not with {other:?}"),
    };
    (target, words.collect())
}

/// Carries out each, saying as it goes what caught it, and telling it to `caught`: nothing, if nobody noticed. Returns what
/// went wrong, a line each.
pub fn all(
    copy: &Path,
    mut rows: Vec<&Sabotage>,
    mut caught: impl FnMut(&Sabotage, Vec<String>),
) -> Vec<String> {
    copy_tree(copy);
    nothing_taken_away(copy, &rows);
    // Neighbours in this order have the least to build again.
    rows.sort_by_key(|row| (asked(&row.tests).0, &row.cut.file));
    let mut wrong = Vec::new();
    for row in rows {
        let (by, what) = match without(copy, row) {
            Came::Red(by) => (by.clone(), format!("caught by {}", by.join(", "))),
            Came::Green(count) => (Vec::new(), format!("NOBODY NOTICED, {count} tests are green")),
            Came::Broken(why) => (Vec::new(), format!("BROKEN ROW, {why}")),
        };
        let line = format!("{}: {what}", row.guard);
        say(&line);
        if by.is_empty() {
            wrong.push(line);
        }
        caught(row, by);
    }
    wrong
}

/// Tests that are red anyway would notice nothing.
fn nothing_taken_away(copy: &Path, rows: &[&Sabotage]) {
    let mut targets = BTreeMap::new();
    for row in rows {
        let (target, names) = asked(&row.tests);
        targets.entry(target).or_insert_with(BTreeSet::new).extend(names);
    }
    for (target, names) in targets {
        let names: Vec<_> = names.into_iter().collect();
        match run(copy, &target, &names) {
            Came::Green(count) => say(&format!("nothing taken away: {count} tests of {target:?} are green")),
            Came::Red(failed) => panic!("red before anything was taken away: {failed:?}"),
            Came::Broken(why) => panic!("before anything was taken away: {why}"),
        }
    }
}

/// Said at once: the test's own output is shown only at its end.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// All that is not ignored, as it stands now. What is there already and the same stays, so that it is not built again.
fn copy_tree(copy: &Path) {
    let listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").args(listing).current_dir(root()).output().expect("git");
    for name in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root().join(name), copy.join(name));
        let Ok(content) = std::fs::read(from) else { continue };
        if std::fs::read(&to).is_ok_and(|there| there == content) {
            continue;
        }
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::fs::write(to, content).expect("a copy");
    }
}

fn without(copy: &Path, row: &Sabotage) -> Came {
    let whole: Vec<_> = row.cuts().map(|cut| (copy.join(&cut.file), take_away(copy, cut))).collect();
    let (target, names) = asked(&row.tests);
    let came = run(copy, &target, &names);
    // Backwards: a file that was cut twice was whole before its first cut.
    for (path, code) in whole.into_iter().rev() {
        std::fs::write(path, code).expect("put back");
    }
    came
}

/// The code as it was.
fn take_away(copy: &Path, cut: &Cut) -> String {
    let path = copy.join(&cut.file);
    let code = std::fs::read_to_string(&path).expect("a file of code");
    std::fs::write(&path, code.replacen(&cut.text, &cut.becomes, 1)).expect("sabotaged");
    code
}

fn run(copy: &Path, target: &[&str], names: &[&str]) -> Came {
    let built = cargo(copy, "cargo", &["test", "--no-run"], target, &[]);
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        let why = said.lines().find(|line| line.starts_with("error")).unwrap_or("it says nothing");
        return Came::Broken(format!("it does not compile: {why}"));
    }
    let in_time = ["--kill-after=10", SECONDS_MAX, "cargo", "test", "--no-fail-fast"];
    let ran = cargo(copy, "timeout", &in_time, target, names);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let ended = |line: &str, how: &str| Some(line.strip_prefix("test ")?.strip_suffix(how)?.to_owned());
    let failed: Vec<_> = said.lines().filter_map(|line| ended(line, " ... FAILED")).collect();
    match ran.status.code() {
        _ if !failed.is_empty() => Came::Red(failed),
        Some(0) => Came::Green(said.lines().filter_map(|line| ended(line, " ... ok")).count()),
        Some(ENDED) => Came::Broken(format!("its tests did not end within {SECONDS_MAX} s")),
        status => Came::Broken(format!("its tests ended with {status:?}, and none is named")),
    }
}

fn cargo(copy: &Path, program: &str, first: &[&str], target: &[&str], names: &[&str]) -> Output {
    Command::new(program)
        .args(first)
        .args(target)
        .arg("--")
        .args(names)
        .current_dir(copy)
        .env_remove("DUTYD_SABOTAGE")
        .env_remove("RECORD")
        .env_remove("CARGO_MANIFEST_DIR")
        .output()
        .expect("cargo runs")
}
