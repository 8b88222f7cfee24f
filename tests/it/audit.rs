//! The audit log: everything stands in it, edits inside are found and named, and what must go can go.

use crate::fixture::{SOURCE, change, minutes, start};
use crate::store::{BRAKES, commit, done, due, outcome, settled, wanting};
use dutyd::audit::{Kind, Verified};
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{
    AuditQuestion, AuditRow, Order, OutcomeCommit, PageCommit, Retention, Store, Token, seal_change,
    seal_state,
};
use dutyd_core::action::Severity;
use dutyd_core::decide::{Decision, DecisionKind, decide};
use dutyd_core::policy::PolicySet;
use dutyd_core::state::News;
use jiff::SignedDuration;
use rusqlite::Connection;
use std::path::PathBuf;

const ALL: AuditQuestion = AuditQuestion { case: None, since: None, max: 1_000 };

/// A store with two cases: each has a decision, the first also a write; a policy and an order before them.
struct Desk {
    directory: tempfile::TempDir,
    store: SqliteStore,
}

impl Desk {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(&directory.path().join("dutyd.db"), 7, start()).await.expect("a store");
        let desk = Self { directory, store };
        desk.store.wake_all("p1", start()).await.expect("noted");
        let lease = desk.store.lease_source(SOURCE, Token(11), start()).await.expect("stored").expect("ours");
        let pause = Order::Pause { source: SOURCE.to_owned(), paused: false };
        desk.store.order(pause, start()).await.expect("ordered");
        let changes = ["a", "b"].map(|id| seal_change(change(id, 1)).expect("sealed")).to_vec();
        let page = PageCommit { changes, ..PageCommit::default() };
        desk.store.commit_page(&lease, page, start()).await.expect("committed");
        let cases = due(&desk.store, start()).await;
        let outcomes = cases.iter().zip([DecisionKind::Raise, DecisionKind::Override]).map(|(case, kind)| {
            let state = decide(
                &PolicySet::default(),
                None,
                &case.around,
                &[News::Change(Box::new(change(&case.key.id, 1)))],
                start(),
            );
            let state = seal_state(&state.expect("an outcome").state).expect("sealed");
            let plain =
                if kind == DecisionKind::Raise { wanting(case, "Acme waits", 1) } else { outcome(case) };
            OutcomeCommit { state: Some(state), decisions: vec![decision(kind)], ..plain }
        });
        assert_eq!(commit(&desk.store, outcomes.collect(), start()).await, 2);
        let batch = desk.store.lease_actions(&lease, Token(6), BRAKES, start()).await.expect("leased");
        let write = &batch.actions[0];
        desk.store.settle(&lease, settled(write, done(write)), start()).await.expect("settled");
        desk
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("dutyd.db")
    }

    async fn rows(&self) -> Vec<AuditRow> {
        self.store.audit_rows(ALL).await.expect("read")
    }

    async fn verified(&self) -> Verified {
        self.store.verify_audit(None).await.expect("read")
    }

    /// What somebody does to the file behind our back.
    fn tamper(&self, sql: &str) {
        let connection = Connection::open(self.path()).expect("a database");
        assert!(connection.execute(sql, []).expect(sql) > 0, "{sql}");
    }

    async fn closed(self) -> tempfile::TempDir {
        self.store.close().await;
        self.directory
    }
}

fn decision(kind: DecisionKind) -> Decision {
    Decision {
        at: start(),
        rule: "waiting".to_owned(),
        severity: Severity::Critical,
        episode: "0123456789ab".to_owned(),
        kind,
        why: "Acme has waited 5 h".to_owned(),
        evidence: None,
    }
}

fn kinds(rows: &[AuditRow]) -> Vec<Kind> {
    rows.iter().filter_map(|row| row.kind).collect()
}

#[tokio::test]
async fn what_is_decided_written_and_ordered_stands_in_a_chain_that_holds() {
    let desk = Desk::new().await;
    let rows = desk.rows().await;
    assert_eq!(kinds(&rows), [Kind::Policy, Kind::Order, Kind::Decision, Kind::Override, Kind::Write]);
    let verified = desk.verified().await;
    assert!(verified.is_whole(), "{verified:?}");
    assert_eq!((verified.rows, verified.first, verified.last), (5, 1, 5));
    assert_eq!(verified.head, rows[4].hash);
    let said = |row: usize, key: &str| rows[row].said.as_ref().expect("content")[key].clone();
    assert_eq!(said(2, "why"), "Acme has waited 5 h");
    assert_eq!(said(4, "outcome"), "written");
    assert_eq!(rows[4].case.as_deref(), Some("desk/INCa"));
    let case = AuditQuestion { case: Some(1), ..ALL };
    assert_eq!(kinds(&desk.store.audit_rows(case).await.expect("read")), [Kind::Decision, Kind::Write]);
}

#[tokio::test]
async fn an_edit_inside_is_found_and_its_row_named() {
    let table = [
        ("UPDATE audit SET at = at + 1 WHERE seq = 3", 3),
        ("UPDATE audit SET kind = 4 WHERE seq = 4", 4),
        ("UPDATE audit SET case_id = 2 WHERE seq = 3", 3),
        ("UPDATE audit SET body = replace(body, 'resume', 'pause') WHERE seq = 2", 2),
        ("UPDATE decision SET body = replace(body, 'Acme', 'Nobody') WHERE seq = 1", 3),
        ("UPDATE audit SET digest = zeroblob(32) WHERE seq = 1", 1),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq = 3", 4),
        ("DELETE FROM audit WHERE seq <= 2", 3),
        ("DELETE FROM decision WHERE seq = 1", 3),
        ("UPDATE audit SET body = NULL, salt = NULL WHERE seq = 5", 5),
    ];
    for (sql, row) in table {
        let desk = Desk::new().await;
        desk.tamper(sql);
        let verified = desk.verified().await;
        assert_eq!(verified.faults.first().map(|fault| fault.row), Some(row), "{sql}: {verified:?}");
    }
}

#[tokio::test]
async fn an_end_that_was_cut_is_found_by_a_hash_from_the_journal() {
    let desk = Desk::new().await;
    let (head, rows) = desk.store.audit_head().await.expect("read");
    assert_eq!(rows, 5);
    let with_head = desk.store.verify_audit(Some(head.clone())).await.expect("read");
    assert_eq!((with_head.is_whole(), with_head.holds_head), (true, Some(true)));
    desk.tamper("DELETE FROM audit WHERE seq = 5");
    assert!(desk.verified().await.is_whole(), "nothing inside tells");
    let cut = desk.store.verify_audit(Some(head)).await.expect("read");
    assert_eq!((cut.is_whole(), cut.holds_head), (false, Some(false)));
}

#[tokio::test]
async fn old_rows_go_behind_a_checkpoint_and_the_chain_holds() {
    let desk = Desk::new().await;
    let later = start() + SignedDuration::from_hours(24 * 32);
    desk.store.wake_all("p2", later).await.expect("noted");
    let keep = Retention { audit: SignedDuration::from_hours(24 * 30), ..Retention::default() };
    assert_eq!(desk.store.sweep(keep, later).await.expect("swept").audited, 5);
    assert_eq!(kinds(&desk.rows().await), [Kind::Policy, Kind::Checkpoint]);
    let verified = desk.verified().await;
    assert!(verified.is_whole(), "{verified:?}");
    assert_eq!(verified.first, 6);
    assert_eq!(desk.store.sweep(keep, later + minutes(10)).await.expect("swept").audited, 0, "once a day");

    let before = Order::RetainAudit { before: later + minutes(1) };
    assert_eq!(desk.store.order(before, later + minutes(2)).await.expect("ordered"), 2);
    assert!(desk.verified().await.is_whole());
    desk.tamper("DELETE FROM audit WHERE seq = (SELECT min(seq) FROM audit)");
    assert!(!desk.verified().await.is_whole(), "a removal without a checkpoint");
}

#[tokio::test]
async fn an_erased_customer_is_in_no_file_any_more_and_the_chain_holds() {
    let desk = Desk::new().await;
    desk.store.order(Order::Erase { cases: vec![1] }, start() + minutes(1)).await.expect("ordered");
    let rows = desk.rows().await;
    assert_eq!(kinds(&rows)[5..], [Kind::Order, Kind::Erasure]);
    let erased: Vec<i64> = rows.iter().filter(|row| row.said.is_none()).map(|row| row.seq).collect();
    assert_eq!(erased, [3, 5]);
    let verified = desk.verified().await;
    assert_eq!((verified.is_whole(), verified.erased), (true, 2), "{verified:?}");
    assert!(desk.store.find_cases("desk/INCa").await.expect("read").is_empty());
    assert_eq!(desk.store.find_cases("desk/INCb").await.expect("read").len(), 1);

    desk.store.order(Order::Erase { cases: vec![2] }, start() + minutes(2)).await.expect("ordered");
    let directory = desk.closed().await;
    for entry in std::fs::read_dir(directory.path()).expect("a directory") {
        let path = entry.expect("an entry").path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).expect("a file")).into_owned();
        assert!(!text.contains("Acme"), "{} still knows the customer", path.display());
    }
}

/// Without an audit log, and with one.
#[tokio::test]
async fn a_database_of_every_older_version_is_taken_up() {
    let steps = [
        include_str!("../../src/store/sqlite/schema_1.sql"),
        include_str!("../../src/store/sqlite/schema_2.sql"),
    ];
    let body = serde_json::to_string(&decision(DecisionKind::Raise)).expect("JSON");
    for version in 1..=steps.len() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("dutyd.db");
        let old = Connection::open(&path).expect("a database");
        old.execute_batch(&steps[..version].concat()).expect("its schema");
        old.execute("INSERT INTO decision (case_id, body) VALUES (1, ?1)", [&body]).expect("a decision");
        old.pragma_update(None, "user_version", version).expect("a version");
        drop(old);
        let store = SqliteStore::open(&path, 7, start()).await.expect("a store");
        assert_eq!(store.decisions(1).await.expect("read").len(), 1);
        store.wake_all("p1", start()).await.expect("noted");
        let verified = store.verify_audit(None).await.expect("read");
        assert_eq!((verified.is_whole(), verified.rows), (true, 1), "version {version}");
    }
}
