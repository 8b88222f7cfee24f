//! Simulation: lists of operations (people, time, webhooks, faults, deaths) run on the real core, connectors, engine,
//! store and sandbox, in one thread, on a clock that moves only when told. Afterwards everything is healed and drained,
//! and what the vendors' own records say is held against what the daemon remembers and shows.
//!
//! A list is a function of its seed, and each is run twice: both runs must write the same log. A failure prints the seed
//! and the shortest list that still fails, as code for [`reproductions`].
//!
//! What is not deterministic, and what is done about it: SQLite's writer and its readers are threads of their own, as is
//! the deciding; each is waited for before the simulation goes on, so only their timing differs, and no timing is read.
//! Hash maps are ordered differently in each process run; both runs of a list have maps of their own, so an order that
//! shows would differ. A webhook that the store does not note within two real seconds is answered 503: on a machine that
//! stops for so long a log may differ. Families that are not run twice ([`families`]) are held to the verdict alone.
//!
//! Not simulated: sockets, TLS, the loop that chooses whom to ask next (`drive`), two daemons at once, what a disk forgets
//! at a power cut, and deaths while a process starts (the tests of the real binary have those). A death at a transaction
//! is before its call or after its return: SQLite itself is not cut in two here.

mod bells;
mod families;
mod fight;
mod life;
mod list;
mod misfortune;
mod people;
mod reproductions;
mod run;
mod shelf;
mod shrink;
mod steps;
mod tally;
mod time;
mod twins;
mod verdict;
mod watch;
mod wire;
mod work;

use crate::reliability::measured;
use list::List;
use run::{Ran, Simulation};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tally::Tally;

/// Lists of the ordinary suite; `DUTYD_SIM` asks for more, `DUTYD_SIM_FROM` begins at another seed.
const LISTS: u64 = 300;

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs a list on this thread. A panic is a failure like any other.
fn run(list: &List) -> Ran {
    let ran = std::panic::catch_unwind(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(Simulation::run(list))
    });
    ran.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
        Ran { broken: vec![format!("panicked: {}", words.unwrap_or_default())], ..Ran::default() }
    })
}

/// Runs a list twice. What is wrong with it, first to last.
fn failure(list: &List) -> (Vec<String>, Ran) {
    let first = run(list);
    let mut broken = first.broken.clone();
    if !broken.is_empty() || !list.lockstep {
        return (broken, first);
    }
    let second = run(list);
    let differs = first.log.iter().zip(&second.log).find(|(one, other)| one != other);
    if let Some((one, other)) = differs {
        broken.push(format!("two runs differ:\n  {one}\n  {other}"));
    } else if first.log.len() != second.log.len() {
        broken.push("two runs differ in length".to_owned());
    }
    (broken, first)
}

/// So many lists between two words of progress.
const PROGRESS: u64 = 500;

/// Runs lists by number, on all cores, each twice where asked for. What they came to; the first that fails is shrunk and
/// shown.
fn survey(lists: u64, from: u64, twice: bool, drawn: impl Fn(u64) -> List + Sync) -> Tally {
    let (next, failed) = (AtomicU64::new(from), Mutex::new(BTreeMap::new()));
    let tally: Mutex<Tally> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + lists {
                        return;
                    }
                    if seed > from && (seed - from).is_multiple_of(PROGRESS) {
                        println!("{} of {lists} lists, {} failed", seed - from, wire::lock(&failed).len());
                    }
                    let list = drawn(seed);
                    let (broken, mut ran) = if twice { failure(&list) } else { once(&list) };
                    ran.tally.add("operations", list.ops.len() as u64);
                    for (what, count) in ran.residuals {
                        ran.tally.add(what, count as u64);
                    }
                    wire::lock(&tally).merge(ran.tally);
                    if let Some(first) = broken.first() {
                        println!("seed {seed}: {first}");
                        wire::lock(&failed).insert(seed, broken);
                    }
                }
            });
        }
    });
    let tally = tally.into_inner().expect("no thread panicked");
    println!("{lists} lists from seed {from}: {tally}");
    let failed = failed.into_inner().expect("no thread panicked");
    if let Some((seed, broken)) = failed.iter().next() {
        let list = shrink::shrink(&drawn(*seed));
        let (shown, ran) = failure(&list);
        if let Some(file) = std::env::var_os("DUTYD_SIM_LOG") {
            std::fs::write(file, ran.log.join("\n")).expect("a log");
        }
        let shown = if shown.is_empty() { broken } else { &shown };
        let seeds: Vec<_> = failed.keys().collect();
        panic!(
            "{} of {lists} lists fail, seeds {seeds:?}. Seed {seed}, shrunk:\n{}\n\n{}",
            failed.len(),
            list.code(),
            shown.join("\n")
        );
    }
    tally
}

fn once(list: &List) -> (Vec<String>, Ran) {
    let ran = run(list);
    (ran.broken.clone(), ran)
}

#[test]
fn whatever_happens_nothing_is_lost_doubled_or_different() {
    let lists = asked("DUTYD_SIM").unwrap_or(LISTS);
    let from = asked("DUTYD_SIM_FROM").unwrap_or(1);
    let tally = survey(lists, from, true, List::drawn);
    let of = |what: &str| tally.of(what);
    let faults: u64 = tally.under("fault ").map(|(_, count)| count).sum();
    let days = of("hours") / 24;
    let died: u64 = tally.under("died ").map(|(_, count)| count).sum();
    let varied = faults > 0 && died > 0 && of("writes") > 0 && of("deletes") > 0;
    assert!(varied || lists < LISTS, "{tally}");
    let figure = format!(
        "{lists} lists of {} operations, {days} virtual days, {} cases: {} requests, {} writes, {faults} faults of the vendor, {} writes landed late, {died} deaths at a request, {} between steps, {} databases lost, {} restored, {} webhooks ({} lost, {} doubled), {} deletes, {} merges; no promise broken, {} deletions never told",
        of("operations"),
        of("cases"),
        of("requests"),
        of("writes"),
        of("writes landed late"),
        of("crashes between steps"),
        of("databases lost"),
        of("databases restored"),
        of("webhooks"),
        of("webhooks lost"),
        of("webhooks doubled"),
        of("deletes"),
        of("merges"),
        of("deletions never told"),
    );
    measured("G6", &figure);
    measured("G7", &format!("{lists} lists run twice: the same log, line by line"));
}
