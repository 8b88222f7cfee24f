//! Twins: the same people before the same vendor, the one daemon with webhooks as they suffer, the other by polling alone.
//! Hours after the last of it both must know the same, hold the same and show the same.

use super::families::{life, of_one, scaled};
use super::list::{List, Op};
use super::run::Simulation;
use super::tally::Tally;
use super::verdict::{self, facts, memory, open_flags, reader};
use super::wire::lock;
use crate::reliability::measured;
use dutyd::demo::read_back;
use dutyd_core::action::Severity;
use dutyd_core::case::{Case, CaseKey, Revision};
use dutyd_core::state::Presence;
use dutyd_core::timeline::{Actor, EventKind};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Longer than any poll, dwell or wait after the last that people did.
const REST: SignedDuration = SignedDuration::from_hours(12);

/// How webhooks come.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ways {
    Never,
    Promptly,
    /// Each one to twenty times, up to half an hour late, overtaking each other.
    Badly,
}

/// What is compared of one case. Not when a flag was raised, nor notes and flags that are no longer open: what was true for
/// a while between two polls, only the daemon that was rung could know of in time.
#[derive(Debug, Clone, PartialEq)]
struct End {
    case: Case,
    presence: Presence,
    happened: Vec<(Timestamp, Actor, EventKind)>,
    flags: BTreeMap<String, Severity>,
    marks: BTreeMap<String, Severity>,
    severity: Option<String>,
}

struct Twin {
    ends: Vec<End>,
    tally: Tally,
    broken: Vec<String>,
}

fn list(seed: u64, ways: Ways) -> List {
    let mut list = of_one(seed, 4, |draws| {
        let mut ops = Vec::new();
        life(draws, &mut ops, 8);
        ops
    });
    let bells = match ways {
        Ways::Never => Op::Bells { lost: 100, doubled: 0, late: 0 },
        Ways::Promptly => Op::Bells { lost: 0, doubled: 0, late: 0 },
        Ways::Badly => Op::Bells { lost: 0, doubled: 30, late: 1_800 },
    };
    let times = if ways == Ways::Badly { 20 } else { 1 };
    list.ops.splice(0..0, [bells, Op::RingAgain { times }]);
    list
}

/// Lives through a list and rests until the same instant as its twins.
async fn lived(list: &List) -> Twin {
    let mut simulation = Simulation::played(list).await;
    let passed = list.ops.iter().map(|op| if let Op::Pass { seconds } = op { (*seconds).into() } else { 0 });
    let end = simulation.began_at + SignedDuration::from_secs(passed.sum()) + REST;
    simulation.pass(end.duration_since(simulation.clock.vendor_now())).await;
    verdict::judge(&mut simulation).await;
    let ends = ends(&simulation).await;
    simulation.count_up();
    let tally = std::mem::take(&mut *lock(&simulation.ledger.tally));
    let broken = std::mem::take(&mut *lock(&simulation.ledger.broken));
    Twin { ends, tally, broken }
}

/// The vendors' ids are left out: one counter serves people's cases and our notes, whose number differs.
async fn ends(simulation: &Simulation) -> Vec<End> {
    let remembered = memory(simulation).await;
    let ids: Vec<String> = simulation.known.iter().map(|one| one.id.clone()).collect();
    let (connector, door) = reader(simulation, 0);
    let shown = read_back(connector.profile().vendor, &door, &ids).await.expect("a calm vendor answers");
    let ends = shown.into_iter().map(|shown| {
        let state = remembered.values().find(|state| state.case.key.id == shown.id);
        let state = state.unwrap_or_else(|| panic!("{} is not known", shown.id));
        let mut happened: Vec<_> = facts(&state.events).into_values().collect();
        happened.retain(|(_, actor, _)| *actor != Actor::Dutyd);
        happened.sort_by_key(|(at, _, kind)| (*at, format!("{kind:?}")));
        let case = Case {
            key: CaseKey { id: String::new(), ..state.case.key.clone() },
            number: String::new(),
            link: None,
            // Our own writes move these two, each at its time.
            updated_at: state.case.opened_at,
            revision: Revision::default(),
            ..state.case.clone()
        };
        let marks = shown.marker.iter().flat_map(|marker| &marker.flags);
        End {
            case,
            presence: state.presence,
            happened,
            flags: open_flags(state),
            marks: marks.map(|flag| (flag.rule.clone(), flag.severity)).collect(),
            severity: shown.severity,
        }
    });
    ends.collect()
}

fn alone(list: &List) -> Twin {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(lived(list))
}

/// A list in each of the ways at once.
fn twins(seed: u64) -> Vec<(Ways, Twin)> {
    let ways = [Ways::Never, Ways::Promptly, Ways::Badly];
    std::thread::scope(|scope| {
        let lives = ways.map(|ways| (ways, scope.spawn(move || alone(&list(seed, ways)))));
        lives.map(|(ways, life)| (ways, life.join().expect("no twin panics"))).into()
    })
}

#[test]
fn webhooks_in_any_number_and_order_or_none_at_all_come_to_the_same_end() {
    let lists = scaled(10);
    let (mut tally, mut cases, mut flags) = (Tally::default(), 0, 0);
    for seed in 1..=lists {
        let twins = twins(seed);
        let polled = twins[0].1.ends.clone();
        cases += polled.len();
        flags += polled.iter().map(|end| end.flags.len()).sum::<usize>();
        for (ways, twin) in twins {
            assert!(twin.broken.is_empty(), "seed {seed}, webhooks {ways:?}: {:#?}", twin.broken);
            assert_eq!(twin.ends, polled, "seed {seed}, webhooks {ways:?} (left), by polling alone (right)");
            tally.merge(twin.tally);
        }
    }
    assert!(
        flags > 0 && tally.of("webhooks delivered again") > 0 && tally.of("webhooks lost") > 0,
        "{tally}"
    );
    let figure = format!(
        "{lists} lists of people's doings, each by polling alone, with prompt webhooks, and with each 1 to 20 times, up to 30 min late, out of order: {} delivered, {} more times; {cases} cases with {flags} open flags: 0 that end otherwise",
        tally.of("webhooks delivered"),
        tally.of("webhooks delivered again")
    );
    measured("G13", &figure);
}
