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
//! stops for so long a log may differ. Not simulated: sockets, TLS, the loop that chooses whom to ask next (`drive`), two
//! daemons at once, and what a disk forgets at a power cut.

mod life;
mod list;
mod misfortune;
mod people;
mod reproductions;
mod run;
mod shrink;
mod time;
mod verdict;
mod watch;
mod wire;

use list::List;
use run::{Ran, Simulation};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

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

#[test]
fn whatever_happens_nothing_is_lost_doubled_or_different() {
    let lists = asked("DUTYD_SIM").unwrap_or(LISTS);
    let from = asked("DUTYD_SIM_FROM").unwrap_or(1);
    let (next, failed) = (AtomicU64::new(from), Mutex::new(BTreeMap::new()));
    let residuals: Mutex<BTreeMap<&'static str, usize>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + lists {
                        return;
                    }
                    let list = List::drawn(seed);
                    let (broken, ran) = failure(&list);
                    for (what, count) in ran.residuals {
                        *wire::lock(&residuals).entry(what).or_default() += count;
                    }
                    if !broken.is_empty() {
                        wire::lock(&failed).insert(seed, broken);
                    }
                }
            });
        }
    });
    println!("{lists} lists from seed {from}; stated residuals: {:?}", wire::lock(&residuals));
    let failed = failed.into_inner().expect("no thread panicked");
    if let Some((seed, broken)) = failed.iter().next() {
        let list = shrink::shrink(&List::drawn(*seed));
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
}
