//! Lists of one shape each, for what the general ones reach too seldom. A goal of docs/RELIABILITY.md stands behind each;
//! `DUTYD_SIM` asks for as many times more of them as of the general lists.

use super::list::{Draws, List, Op, VENDORS};
use super::tally::Tally;
use super::{LISTS, asked, run, survey};
use crate::reliability::measured;
use std::collections::BTreeMap;

/// So many of a family where the ordinary suite runs `ordinary`.
pub fn scaled(ordinary: u64) -> u64 {
    (asked("DUTYD_SIM").unwrap_or(LISTS) * ordinary).div_ceil(LISTS)
}

/// A list about one system, whose operations are drawn.
pub fn of_one(seed: u64, cases: u8, ops: fn(&mut Draws) -> Vec<Op>) -> List {
    let mut draws = Draws::new(seed);
    let source = draws.byte(VENDORS.len() as u64);
    List { seed, sources: vec![source], cases, lockstep: true, ops: ops(&mut draws) }
}

/// What people do in the ordinary way, and a while for the daemon to act on it.
pub fn life(draws: &mut Draws, ops: &mut Vec<Op>, times: u64) {
    for _ in 0..times {
        ops.extend([doing(draws), Op::Pass { seconds: draws.seconds() }]);
    }
}

fn doing(draws: &mut Draws) -> Op {
    let case = draws.byte(6);
    match draws.below(6) {
        0 => Op::Open { source: 0, urgent: draws.yes() },
        1 => Op::CustomerReplies { case, alarmed: draws.yes() },
        2 => Op::AgentReplies { case, public: draws.yes() },
        3 => Op::Priority { case, level: draws.byte(4) },
        4 => Op::Status { case, to: draws.byte(4) },
        _ => Op::Rename { case },
    }
}

fn died(tally: &Tally) -> (usize, u64) {
    let steps: Vec<(&str, u64)> = tally.under("died ").collect();
    (steps.len(), steps.iter().map(|(_, times)| times).sum())
}

#[test]
fn a_database_that_is_lost_or_older_than_it_should_be_doubles_nothing() {
    let tally = survey(scaled(20), 1, false, |seed| {
        of_one(seed, 2, |draws| {
            let mut ops = Vec::new();
            life(draws, &mut ops, 2);
            let age = draws.one(&[60, 3_600, 86_400]);
            ops.extend([Op::Copy, Op::Pass { seconds: age / 2 }]);
            life(draws, &mut ops, 2);
            ops.push(Op::Pass { seconds: age / 2 });
            if draws.yes() {
                ops.push(Op::Unsure { source: 0, lost: 30, late: 10 });
                life(draws, &mut ops, 1);
            }
            ops.push(if draws.below(3) == 0 { Op::LoseDatabase } else { Op::Restore });
            ops.push(Op::Pass { seconds: draws.seconds() });
            ops
        })
    });
    let (lost, restored) = (tally.of("databases lost"), tally.of("databases restored"));
    assert!(lost > 0 && restored > 0, "{tally}");
    let figure = format!(
        "{lost} databases lost, {restored} put back from copies of 1 min, 1 h and 24 h; {} wants, {} writes: 0 doubled, 0 missing",
        tally.of("intents"),
        tally.of("writes")
    );
    measured("G3", &figure);
}

/// The same small story for each system, in which the process dies at one step.
fn story(seed: u64, source: u8, step: u16, after: bool) -> List {
    let ops = vec![
        Op::DieAt { step, after },
        Op::Pass { seconds: 60 },
        Op::Open { source: 0, urgent: true },
        Op::CustomerReplies { case: 0, alarmed: true },
        Op::Pass { seconds: 1_000 },
        Op::Priority { case: 0, level: 0 },
        Op::Pass { seconds: 4_000 },
    ];
    List { seed, sources: vec![source], cases: 1, lockstep: true, ops }
}

#[test]
fn a_death_at_any_transaction_or_request_loses_and_doubles_nothing() {
    let mut places: BTreeMap<(u8, String, bool), Vec<u16>> = BTreeMap::new();
    for source in 0..VENDORS.len() as u8 {
        for (step, name) in (0..).zip(run(&story(1, source, u16::MAX, false)).steps) {
            for after in [false, true] {
                places.entry((source, name.clone(), after)).or_default().push(step);
            }
        }
    }
    let all: usize = places.values().map(Vec::len).sum();
    // Each kind of step in each system, then each again at another of its places.
    let places: Vec<_> = places.into_iter().collect();
    let tally = survey(scaled(100), 0, false, |nth| {
        let ((source, _, after), steps) = &places[nth as usize % places.len()];
        story(1, *source, steps[nth as usize / places.len() % steps.len()], *after)
    });
    let (points, times) = died(&tally);
    assert!(points >= 10, "{tally}");
    let rarest = tally.under("died ").map(|(_, times)| times).min().unwrap_or(0);
    let figure = format!(
        "{times} deaths before and after {points} kinds of step (transactions and requests; {all} places in one story of each of five systems), the rarest {rarest} times: 0 lost, 0 doubled"
    );
    measured("G4.simulated", &figure);
}

#[test]
fn writes_of_which_nobody_knows_whether_they_came_to_something_double_nothing() {
    let tally = survey(scaled(15), 1, false, |seed| {
        of_one(seed, 6, |draws| {
            let mut ops = vec![Op::Unsure { source: 0, lost: 30, late: 10 }];
            life(draws, &mut ops, 10);
            ops
        })
    });
    assert!(tally.of("answers lost") > 0 && tally.of("writes landed late") > 0, "{tally}");
    let figure = format!(
        "{} wants, {} writes, {} answers lost after the act, {} landed up to 90 s late: 0 doubled, notes included",
        tally.of("intents"),
        tally.of("writes"),
        tally.of("answers lost"),
        tally.of("writes landed late")
    );
    measured("G5", &figure);
}

#[test]
fn nothing_is_done_to_what_is_gone() {
    let tally = survey(scaled(15), 1, false, |seed| {
        of_one(seed, 6, |draws| {
            let mut ops = Vec::new();
            for _ in 0..10 {
                life(draws, &mut ops, 1);
                let (case, into) = (draws.byte(9), draws.byte(9));
                ops.push(if draws.yes() { Op::Delete { case } } else { Op::Merge { case, into } });
            }
            ops
        })
    });
    let (deletes, merges) = (tally.of("deletes"), tally.of("merges"));
    assert!(deletes > 0 && merges > 0, "{tally}");
    measured(
        "G12",
        &format!("{deletes} deletes, {merges} merges: 0 flags and 0 effects on what is known to be gone"),
    );
}

/// The daemon is away for 73 hours, in which people go on; webhooks are tried in vain for as long as the vendor cares to.
const AWAY_SECONDS: u32 = 73 * 3_600;
const DOINGS_AWAY: u32 = 12;

#[test]
fn an_outage_past_what_vendors_keep_is_filled_in_by_itself() {
    let outages = scaled(10);
    let tally = survey(outages, 1, false, |seed| {
        of_one(seed, 4, |draws| {
            let mut ops = Vec::new();
            life(draws, &mut ops, 4);
            ops.push(Op::Crash);
            for _ in 0..DOINGS_AWAY {
                ops.extend([doing(draws), Op::Freeze { seconds: AWAY_SECONDS / DOINGS_AWAY }]);
            }
            ops.push(Op::Pass { seconds: draws.seconds() });
            ops
        })
    });
    let figure = format!(
        "{outages} outages of 73 h, {} cases, {} webhooks, {} writes: 0 missed, 0 doubled",
        tally.of("cases"),
        tally.of("webhooks"),
        tally.of("writes")
    );
    measured("G11", &figure);
}

#[test]
fn a_fight_with_the_vendors_automation_stays_bearable() {
    let tally = survey(scaled(6), 1, false, |seed| {
        of_one(seed, 2, |draws| {
            let mut ops = vec![Op::Reload { policy: 3 }, Op::Fight { on: true }];
            ops.push(Op::Open { source: 0, urgent: draws.yes() });
            ops.push(Op::Pass { seconds: 20_000 });
            life(draws, &mut ops, 2);
            ops.push(Op::Pass { seconds: 20_000 });
            ops
        })
    });
    let answers = tally.of("answers of automation");
    assert!(answers > 0, "{tally}");
    let most = tally
        .under("cases with at most ")
        .filter_map(|(words, _)| words.split(' ').next()?.parse::<u64>().ok());
    let figure = format!(
        "{answers} times the automation turned round what our mark says: at most {} effects in 10 min and case",
        most.max().unwrap_or(0)
    );
    measured("G16", &figure);
}
