//! One byte of the database, its log or the sums of its pages is flipped while nobody looks. Either the start sets the
//! database aside, or a sealed value refuses to open, or the log's end is gone as after a crash, or nothing changed. Never
//! a panic.

use crate::fuzz::dice::Dice;
use crate::play::{Moment, Play, world};
use crate::reliability::{measured, wanted};
use crate::shim::copy;
use dutyd::daemon::DATABASE;
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{Sealed, Store, open_news, open_state};
use dutyd_sandbox::faults::When;
use rusqlite::Connection;
use rusqlite::types::{Value, ValueRef};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Flips of the ordinary suite; `DUTYD_FLIPS` asks for more.
const FLIPS: u64 = 40;

const LOG: &str = "dutyd.db-wal";
const NAMES: [&str; 3] = [DATABASE, LOG, "dutyd.sums"];

/// Every value of every table, by table, column and row.
type Content = BTreeMap<(String, String, usize), Value>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    SetAside,
    /// A value's seal is broken.
    Sealed,
    /// The audit log's chain does not add up: `dutyd audit verify` says where.
    Chained,
    /// The log ends earlier, as after a crash.
    Earlier,
    Nothing,
    /// A value changed and nothing tells.
    Silent(String),
}

fn content(path: &Path) -> rusqlite::Result<Content> {
    let db = Connection::open(path)?;
    let mut names = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
    let tables: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut content = Content::new();
    for table in tables {
        let mut all = db.prepare(&format!("SELECT * FROM {table}"))?;
        let columns: Vec<String> = all.column_names().map(str::to_owned).collect();
        let mut rows = all.query([])?;
        let mut nth = 0;
        while let Some(row) = rows.next()? {
            for (at, column) in columns.iter().enumerate() {
                // A flipped byte may be no text any more.
                let value = match row.get_ref(at)? {
                    ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                    value => value.try_into()?,
                };
                content.insert((table.clone(), column.clone(), nth), value);
            }
            nth += 1;
        }
    }
    Ok(content)
}

struct Opened {
    content: Content,
    chain_holds: bool,
}

/// Opens as a daemon would and closes again. Answers what is in there, or `None` if it was set aside.
async fn opened(folder: &Path) -> Option<Opened> {
    let path = folder.join(DATABASE);
    let store = SqliteStore::open(&path, 1, crate::play::dawn()).await.expect("it opens, anew if need be");
    let chain_holds = store.verify_audit(None).await.is_ok_and(|verified| verified.is_whole());
    store.close().await;
    drop(store);
    let aside = folder.join(format!("{DATABASE}.damaged-1")).exists();
    (!aside).then(|| Opened { content: content(&path).expect("a sound database"), chain_holds })
}

/// Whether the changed value is one that no seal would give back.
fn is_sealed(table: &str, column: &str, value: Option<&Value>) -> bool {
    let Some(Value::Blob(bytes)) = value else { return false };
    let sealed = Sealed::from_bytes(bytes.clone());
    match (table, column) {
        ("state", "body") => open_state(&sealed).is_err(),
        ("inbox", "body") => open_news(&sealed).is_err(),
        _ => false,
    }
}

fn judge(before: &Content, after: Option<&Opened>, in_log: bool) -> Came {
    let Some(Opened { content: after, chain_holds }) = after else { return Came::SetAside };
    if before == after {
        return Came::Nothing;
    }
    if in_log {
        return Came::Earlier;
    }
    let differs = |(key, value): &(&(String, String, usize), &Value)| after.get(*key) != Some(*value);
    let mut came = Came::Sealed;
    for (key, _) in before.iter().filter(differs) {
        if !chain_holds && matches!(key.0.as_str(), "audit" | "decision") {
            came = Came::Chained;
        } else if !is_sealed(&key.0, &key.1, after.get(key)) {
            came = Came::Silent(format!("{}.{}", key.0, key.1));
        }
    }
    came
}

/// Flips bytes of copies of this folder, one each.
async fn flip_in(folder: &Path, flips: u64, seed: u64, counts: &mut BTreeMap<Came, u64>) {
    let trial = folder.with_extension("trial");
    let fresh = || {
        std::fs::remove_dir_all(&trial).ok();
        copy(folder, &trial);
        std::fs::remove_file(trial.join(format!("{DATABASE}-shm"))).ok();
        NAMES.iter().for_each(|name| rest_as(&folder.join(name), &trial.join(name)));
    };
    fresh();
    let before = opened(&trial).await.expect("a sound database").content;
    let length = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |data| data.len());
    let mut dice = Dice::new(seed);
    for _ in 0..flips {
        let (name, at) = place(NAMES.map(|name| (name, length(name))), dice.next());
        fresh();
        let file = std::fs::File::options().read(true).write(true).open(trial.join(name)).expect("a file");
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("a byte");
        byte[0] ^= 1 << dice.below(8);
        file.write_all_at(&byte, at).expect("flipped");
        drop(file);
        rest_as(&folder.join(name), &trial.join(name));
        let after = opened(&trial).await;
        *counts.entry(judge(&before, after.as_ref(), name == LOG)).or_default() += 1;
    }
}

/// Nobody wrote to the file: its times are those of the other.
fn rest_as(other: &Path, path: &Path) {
    let Ok(other) = std::fs::metadata(other) else { return };
    let file = std::fs::File::options().write(true).open(path).expect("a file");
    file.set_modified(other.modified().expect("a time")).expect("set");
}

/// The byte of all files together with this number, more or less.
fn place(files: [(&'static str, u64); 3], number: u64) -> (&'static str, u64) {
    let mut at = number % files.iter().map(|(_, length)| length).sum::<u64>();
    for (name, length) in files {
        if at < length {
            return (name, at);
        }
        at -= length;
    }
    unreachable!("the number is less than their sum")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_never_a_panic_and_is_found_or_changes_nothing() {
    let flips = wanted("DUTYD_FLIPS", FLIPS);
    let mut counts = BTreeMap::new();
    let mut play = Play::of(world(8)).await;
    let patch = Moment { method: Some("PATCH"), path: None, body: None, when: When::After, later_ms: 0 };
    play.run_until(patch, 9).await;
    // Once with a log, as after a crash, and once without, as after a stop.
    flip_in(&play.state_dir(), flips / 2, 1, &mut counts).await;
    play.run().await;
    flip_in(&play.state_dir(), flips - flips / 2, 2, &mut counts).await;
    let silent: u64 = counts.iter().filter(|(came, _)| matches!(came, Came::Silent(_))).map(|(_, n)| n).sum();
    assert_eq!(silent, 0, "{counts:?}");
    let of = |came: Came| counts.get(&came).copied().unwrap_or(0);
    for (came, count) in &counts {
        println!("{count:6} {came:?}");
    }
    measured(
        "G25",
        &format!(
            "{flips} flips: 0 panics; {} set aside, {} refused by their seal, {} found by the audit chain, {} cost the log's end, {} without effect, 0 unnoticed",
            of(Came::SetAside),
            of(Came::Sealed),
            of(Came::Chained),
            of(Came::Earlier),
            of(Came::Nothing)
        ),
    );
}
