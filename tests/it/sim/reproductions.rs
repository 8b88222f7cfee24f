//! Lists that once failed, each named after what it found.

use super::failure;
use super::list::{List, Op, Trouble, Which};

/// A list of the simulation that must hold.
fn holds(seed: u64, sources: &[u8], ops: &[Op]) {
    holds_with(1, seed, sources, ops);
}

/// With so many cases in the past of each source.
fn holds_with(cases: u8, seed: u64, sources: &[u8], ops: &[Op]) {
    let list = List { seed, sources: sources.to_vec(), cases, lockstep: true, ops: ops.to_vec() };
    let (broken, _) = failure(&list);
    assert!(broken.is_empty(), "{}\n{}", list.code(), broken.join("\n"));
}

#[test]
fn a_page_for_people_in_answer_to_a_write_is_no_receipt() {
    for jira in [2, 3] {
        let trouble = Trouble::Hibernating;
        let strike = Op::Strike { source: 0, which: Which::Writes, trouble, skip: 0, times: 2 };
        holds(66, &[jira], &[strike, Op::Pass { seconds: 346 }]);
    }
}

#[test]
fn a_clock_set_forward_makes_no_flag_early() {
    holds(55, &[1], &[Op::Pass { seconds: 60 }, Op::StepClock { by: 10_800 }, Op::Pass { seconds: 300 }]);
}

#[test]
fn a_daemon_that_starts_with_a_wrong_clock_makes_no_flag_early() {
    let ops = [Op::Pass { seconds: 60 }, Op::Crash, Op::StepClock { by: 10_800 }, Op::Pass { seconds: 300 }];
    holds(55, &[1], &ops);
}

#[test]
fn a_clock_set_back_makes_no_flag_late() {
    let ops =
        [Op::Open { source: 0, urgent: false }, Op::StepClock { by: 10_800 }, Op::Pass { seconds: 16_060 }];
    holds(34, &[3], &ops);
}

#[test]
fn a_clock_set_back_does_not_keep_us_from_asking() {
    let ops = [
        Op::Bells { lost: 100, doubled: 0, late: 0 },
        Op::StepClock { by: 10_800 },
        Op::Pass { seconds: 1_438 },
        Op::AgentReplies { case: 1, public: true },
    ];
    holds(62, &[0, 2], &ops);
}

#[test]
fn a_slow_vendor_does_not_move_our_idea_of_its_clock() {
    holds(86, &[3, 0], &[Op::Slow { source: 0, seconds: 40 }, Op::Pass { seconds: 704 }]);
}

#[test]
fn a_clock_set_forward_does_not_shorten_the_quiet_time_of_a_write() {
    for by in [-3, 600] {
        let trouble = Trouble::Reset;
        let strike = Op::Strike { source: 0, which: Which::Writes, trouble, skip: 0, times: 1 };
        let asks = Op::CustomerReplies { case: 0, alarmed: true };
        let ops = [asks, strike, Op::Pass { seconds: 1 }, Op::StepClock { by }, Op::Pass { seconds: 9 }];
        holds(123, &[0], &ops);
    }
}

#[test]
fn a_database_that_is_an_older_copy_asks_before_it_writes_a_note_again() {
    let dies = Op::CrashAt { source: 0, which: Which::Writes, after: false, skip: 1 };
    holds(8, &[0, 2, 4], &[Op::Copy, dies, Op::Pass { seconds: 29 }, Op::Restore]);
}

#[test]
fn what_happens_within_the_second_of_deciding_reaches_the_clocks() {
    let opens = |urgent| Op::Open { source: 0, urgent };
    let ops = [
        opens(false),
        opens(true),
        opens(false),
        Op::Pass { seconds: 6_752 },
        Op::ReplyAsUs { case: 1 },
        Op::Priority { case: 1, level: 3 },
    ];
    holds_with(3, 952, &[3], &ops);
}

#[test]
fn a_late_write_lands_while_a_slow_vendor_is_asked() {
    let (trouble, source) = (Trouble::UnavailableAfter, 0);
    let ops = [
        Op::Strike { source, which: Which::Writes, trouble, skip: 0, times: 6 },
        Op::Slow { source, seconds: 40 },
        Op::Pass { seconds: 113 },
        Op::LandLate { source, seconds: 102 },
        Op::Pass { seconds: 3_076 },
    ];
    holds_with(3, 848, &[3], &ops);
}

#[test]
fn a_write_without_an_answer_is_not_tried_again_on_a_record_that_is_gone() {
    let ops = [
        Op::CustomerReplies { case: 3, alarmed: false },
        Op::Pass { seconds: 1_188 },
        Op::Delete { case: 6 },
        Op::LandLate { source: 0, seconds: 49 },
        Op::Pass { seconds: 3_915 },
    ];
    holds_with(1, 1549, &[4], &ops);
}

#[test]
fn the_end_is_judged_once_no_flag_stands_out_its_dwell() {
    holds(1617, &[4, 1], &[Op::Priority { case: 0, level: 2 }, Op::Freeze { seconds: 600 }]);
}

#[test]
fn a_write_that_lands_after_the_database_was_lost_doubles_no_note() {
    for vendor in [0, 1, 2, 3, 4] {
        let late = Op::LandLate { source: 0, seconds: 100 };
        holds(
            8,
            &[vendor],
            &[
                Op::Pass { seconds: 200 },
                Op::Open { source: 0, urgent: true },
                late,
                Op::Pass { seconds: 1_000 },
                Op::LoseDatabase,
            ],
        );
    }
}

#[test]
fn a_death_before_what_was_judged_blind_is_judged_again() {
    let ops = [
        Op::Pass { seconds: 3_391 },
        Op::Freeze { seconds: 3_000_000 },
        Op::CrashAt { source: 0, which: Which::Any, after: true, skip: 2 },
        Op::Pass { seconds: 14_198 },
    ];
    holds(3748, &[0, 2, 4], &ops);
}

#[test]
fn what_is_held_back_is_asked_for_in_one_order() {
    let ops =
        [Op::Freeze { seconds: 20_000 }, Op::Status { case: 0, to: 0 }, Op::Open { source: 1, urgent: true }];
    holds_with(3, 6733, &[3, 0, 2], &ops);
}

#[test]
fn a_copy_taken_by_the_same_process_asks_before_it_writes_a_note_again() {
    let ops = [
        Op::Open { source: 0, urgent: true },
        Op::Copy,
        Op::Pass { seconds: 1_800 },
        Op::Unsure { source: 0, lost: 30, late: 10 },
        Op::Open { source: 0, urgent: true },
        Op::Pass { seconds: 10 },
        Op::Restore,
    ];
    holds(321, &[3], &ops);
}

#[test]
fn half_of_a_removal_of_ours_is_no_persons_answer() {
    let ops = [
        Op::Unsure { source: 0, lost: 30, late: 10 },
        Op::Pass { seconds: 13_731 },
        Op::Status { case: 0, to: 3 },
        Op::Pass { seconds: 86 },
        Op::Status { case: 0, to: 1 },
    ];
    holds_with(6, 129, &[3], &ops);
}

#[test]
fn a_write_of_a_lost_database_that_lands_on_a_new_mark_is_found() {
    let ops = [
        Op::LandLate { source: 1, seconds: 114 },
        Op::Pass { seconds: 22 },
        Op::LoseDatabase,
        Op::StepClock { by: -600 },
        Op::Pass { seconds: 4 },
    ];
    holds_with(2, 31_631, &[1, 3, 0], &ops);
}
