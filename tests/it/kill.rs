//! The crash table of the design, row by row, on the real binary: the sandbox kills `dutyd run` at a chosen request,
//! before or after it acted on it; the daemon is started again until its world has ended and is drained; then nothing may
//! be missing on the vendor's records and nothing may stand there twice.

use crate::play::{End, Moment, Play, all_systems, world};
use crate::reliability::{measured, wanted};
use dutyd_sandbox::Options;
use dutyd_sandbox::faults::When;

/// Kills of each test in the ordinary suite; `DUTYD_KILLS` asks for more.
const KILLS: u64 = 3;
/// Kills in one world; more need more worlds.
const KILLS_PER_WORLD: u64 = 10;

fn kills() -> u64 {
    wanted("DUTYD_KILLS", KILLS)
}

const ANY: Moment = Moment { method: None, path: None, body: None, when: When::Before, later_ms: 0 };
const PAGE: Moment = Moment { path: Some("ORDERBYsys_updated_on"), ..ANY };
const FETCH: Moment = Moment { path: Some("incident?sysparm_query=sys_idIN"), ..ANY };
const HISTORY: Moment = Moment { path: Some("sys_audit?"), ..ANY };
const PATCH: Moment = Moment { method: Some("PATCH"), ..ANY };
const HOLDS: Moment = Moment { method: Some("GET"), path: Some("/table/incident/"), ..ANY };

fn after(moment: Moment) -> Moment {
    Moment { when: When::After, ..moment }
}

fn later(moment: Moment, later_ms: u64) -> Moment {
    Moment { when: When::After, later_ms, ..moment }
}

/// How many requests pass before the nth kill: different ones, close together and far apart.
fn skip(nth: u64) -> u64 {
    nth * 7 % 11
}

async fn check(row: &str, moments: &[Moment], loses_database: bool) -> String {
    check_in(&world(8), row, moments, loses_database).await
}

/// Kills at these moments in turn, in as many worlds as it takes, and looks at each world's end. Tells how many.
async fn check_in(options: &Options, row: &str, moments: &[Moment], loses_database: bool) -> String {
    let (mut killed, mut seed) = (0, 1);
    while killed < kills() {
        let mut play = Play::of(Options { seed, ..options.clone() }).await;
        for nth in 0..(kills() - killed).min(KILLS_PER_WORLD) {
            let moment = moments[nth as usize % moments.len()];
            if play.run_until(moment, skip(nth)).await == End::Drained {
                break;
            }
            if loses_database {
                play.lose_database();
            }
        }
        play.run().await;
        let what = format!("{row}, seed {seed}, {} kills", play.kills);
        play.is_right(&what).await;
        play.nobody_is_obeyed(&what).await;
        assert!(play.kills > 0, "{row}: nobody was killed with seed {seed}");
        (killed, seed) = (killed + play.kills, seed + 1);
    }
    format!("{killed} kills in {} worlds: 0 missing, 0 doubled", seed - 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_fetched_and_not_committed_is_read_again() {
    check("page", &[PAGE, after(PAGE), after(FETCH), FETCH], false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_half_read_is_read_again() {
    check("history", &[after(HISTORY), HISTORY], false).await;
}

/// Milliseconds after the last read answer the daemon stores, decides, stores and begins to write.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_between_reading_and_writing_decides_the_same_again() {
    check("inbox, decide, outbox", &[1, 4, 8, 14, 22, 35].map(|ms| later(HISTORY, ms)), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_wanted_and_not_sent_is_sent_after_the_restart() {
    check("outbox committed", &[PATCH], false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_vendor_applied_without_our_receipt_is_not_written_again() {
    check("applied, no receipt", &[after(PATCH), later(PATCH, 1), later(PATCH, 3)], false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_while_it_asks_what_stands_there_asks_again() {
    check("holds", &[after(PATCH), HOLDS, after(PATCH), after(HOLDS)], false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_the_whole_database_after_a_write_doubles_nothing() {
    check("database lost", &[after(PATCH), later(PATCH, 3), PATCH, after(HISTORY)], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_request_lose_and_double_nothing() {
    let moments = [ANY, after(ANY), later(ANY, 2), later(ANY, 9), later(ANY, 17)];
    measured("G1", &check("storm", &moments, false).await);
}

/// What each vendor's marks and notes are written with.
const ZENDESK: Moment = Moment { method: Some("PUT"), path: Some("/tickets/"), ..ANY };
const JIRA_MARK: Moment = Moment { method: Some("PUT"), path: Some("/properties/dutyd"), ..ANY };
const JIRA_NOTE: Moment = Moment { method: Some("POST"), path: Some("/comment"), ..ANY };
const SALESFORCE: Moment = Moment { method: Some("POST"), body: Some("Dutyd_Marks__c\":"), ..ANY };

#[tokio::test(flavor = "multi_thread")]
async fn kills_among_all_systems_lose_and_double_nothing() {
    let writes = [JIRA_NOTE, ZENDESK, SALESFORCE, JIRA_MARK, PATCH].map(after);
    check_in(&all_systems(6), "all systems", &writes, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_the_database_of_all_systems_after_a_write_doubles_nothing() {
    let writes = [ZENDESK, JIRA_NOTE, SALESFORCE, PATCH, JIRA_MARK].map(after);
    check_in(&all_systems(6), "all systems, database lost", &writes, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_answered_or_not_before_the_kill_is_not_lost() {
    let (mut killed, mut seed) = (0, 1);
    while killed < kills() {
        let mut play = Play::of(Options { seed, ..world(8) }).await;
        for nth in 0..(kills() - killed).min(KILLS_PER_WORLD) {
            let when = if nth % 2 == 0 { When::After } else { When::Before };
            if play.run_until_rung(when, skip(nth)).await == End::Drained {
                break;
            }
        }
        play.run().await;
        play.is_right(&format!("webhook, seed {seed}, {} kills", play.kills)).await;
        assert!(play.kills > 0, "nobody was killed with seed {seed}");
        (killed, seed) = (killed + play.kills, seed + 1);
    }
}
