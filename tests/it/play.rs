//! A play: a sandbox that owns the clock, the real `dutyd run` beside it, killed and started again as often as a test
//! likes, until its world has ended and everything is drained. Then all records are read back and held against the oracle.

use crate::canary::Place;
use crate::shim::Environment;
use dutyd::daemon::DATABASE;
use dutyd::demo::{Stage, Summary, VendorSummary, account};
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{Store, open_state};
use dutyd_core::decide::{Decision, DecisionKind};
use dutyd_core::state::CaseState;
use dutyd_sandbox::faults::{Fault, Match, Order, When};
use dutyd_sandbox::hooks::{Kill, Knobs};
use dutyd_sandbox::journal::Entry;
use dutyd_sandbox::vendor::Command;
use dutyd_sandbox::{Inner, Options};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{self, Child, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// A daemon that has not ended by then hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// The daemon's account at the vendor.
pub const DAEMONS_ACCOUNT: &str = "dutyd.integration";

/// How often the daemon polls.
pub const POLL: SignedDuration = SignedDuration::from_mins(5);

/// When every world of these tests begins.
pub fn dawn() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().expect("an instant")
}

/// A lively, calm ServiceNow for so many hours; tests change what they are about.
pub fn world(hours: i64) -> Options {
    Options {
        calm: true,
        vendors: vec!["servicenow".to_owned()],
        cases: 30,
        cases_per_day: Some(24.0),
        live: true,
        stepped_from: Some(dawn()),
        ends_at: Some(dawn() + SignedDuration::from_hours(hours)),
        calm_in_the_end: true,
        ..Options::default()
    }
}

/// All systems for so many hours, a few cases in each.
pub fn all_systems(hours: i64) -> Options {
    Options { vendors: Vec::new(), cases: 12, cases_per_day: Some(8.0), ..world(hours) }
}

/// How a run of the daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Killed,
    /// By itself: the world has ended and everything is drained.
    Drained,
    /// By itself: it cannot know any more what is on the disk.
    Storage,
}

/// The request at which the daemon is killed.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub method: Option<&'static str>,
    pub path: Option<&'static str>,
    pub body: Option<&'static str>,
    pub when: When,
    /// Real milliseconds after the answer; 0: instead of the answer.
    pub later_ms: u64,
}

impl Moment {
    /// So many requests like it pass unharmed first.
    fn order(&self, pid: u32, skip: u64) -> Order {
        Order {
            vendor: None,
            matching: Match {
                method: self.method.map(str::to_owned),
                path_contains: self.path.map(str::to_owned),
                body_contains: self.body.map(str::to_owned),
            },
            when: self.when,
            fault: Fault::KillPid { pid, later_ms: self.later_ms },
            skip,
            times: 1,
        }
    }
}

/// See the module. Dropping it leaves no process behind.
pub struct Play {
    pub stage: Stage,
    pub kills: u64,
    /// What the daemon's next runs are disturbed by.
    pub disturbed: Environment,
    /// How long a daemon may run.
    pub patience: Duration,
    dir: Place,
    child: Option<Child>,
}

impl Play {
    pub async fn of(options: Options) -> Self {
        Self::polling(options, POLL).await
    }

    pub async fn polling(options: Options, every: SignedDuration) -> Self {
        let dir = Place::new();
        let poll = format!("{}s", every.as_secs());
        let stage = Stage::raise(&dir.path().join("dutyd"), options, &poll).await.expect("a stage");
        Self { stage, kills: 0, disturbed: Environment::new(), patience: PATIENCE, dir, child: None }
    }

    pub fn sandbox(&self) -> Arc<Inner> {
        self.stage.running.sandbox().inner.clone()
    }

    /// Changes how webhooks suffer; the address stays.
    pub fn webhooks(&self, knobs: Knobs) {
        let hooks = &self.sandbox().stage.hooks;
        hooks.set_knobs(Knobs { to: hooks.knobs().to, ..knobs });
    }

    fn dutyd(&self, arguments: &[&str]) -> process::Command {
        let mut command = process::Command::new(env!("CARGO_BIN_EXE_dutyd"));
        command.args(arguments).arg("--config").arg(&self.stage.dir);
        command.env_remove("RUST_LOG").env_remove("NOTIFY_SOCKET").stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        command
    }

    fn begin(&mut self) -> u32 {
        let disturbed = self.disturbed.iter().cloned();
        let child = self.dutyd(&["run"]).envs(disturbed).spawn().expect("dutyd runs");
        let pid = child.id();
        self.child = Some(child);
        pid
    }

    /// Waits until the daemon has ended, one way or the other.
    async fn end(&mut self) -> End {
        let mut errors = self.child.as_mut().and_then(|child| child.stderr.take()).expect("a daemon runs");
        let read = tokio::task::spawn_blocking(move || {
            let mut log = Vec::new();
            errors.read_to_end(&mut log).expect("a log");
            log
        });
        let log = tokio::time::timeout(self.patience, read).await.expect("the daemon ends").expect("a log");
        self.dir.hears(&log);
        let status = self.child.take().expect("a daemon runs").wait().expect("an end");
        self.sandbox().stage.faults.clear_orders();
        match (status.signal(), status.code()) {
            (Some(9), _) => {
                self.kills += 1;
                End::Killed
            }
            (_, Some(0)) => End::Drained,
            (_, Some(74)) => End::Storage,
            _ => panic!("dutyd ended with {status}: {}", String::from_utf8_lossy(&log)),
        }
    }

    /// Runs the daemon to the end of the world.
    pub async fn run(&mut self) {
        self.begin();
        assert_eq!(self.end().await, End::Drained);
    }

    /// Runs it until it ends, however it does.
    pub async fn run_disturbed(&mut self) -> End {
        self.begin();
        self.end().await
    }

    /// Runs it until it is killed at the request, or has drained before.
    pub async fn run_until(&mut self, moment: Moment, skip: u64) -> End {
        let pid = self.begin();
        assert!(self.sandbox().stage.faults.order(moment.order(pid, skip)));
        self.end().await
    }

    /// Runs it until whoever is given its process id has killed it, or it has drained before.
    pub async fn run_under(&mut self, given: impl FnOnce(u32)) -> End {
        given(self.begin());
        self.end().await
    }

    /// Runs it until it is killed while a webhook is delivered to it, or once it has answered one.
    pub async fn run_until_rung(&mut self, when: When, skip: u64) -> End {
        let pid = self.begin();
        self.webhooks(Knobs { kill: Some(Kill { pid, skip, when }), ..Knobs::default() });
        self.end().await
    }

    /// The whole state directory is lost.
    pub fn lose_database(&self) {
        assert!(self.child.is_none(), "nobody deletes a database in use");
        std::fs::remove_dir_all(self.state_dir()).expect("there was a state directory");
    }

    pub fn state_dir(&self) -> PathBuf {
        self.stage.dir.join("state")
    }

    /// What the daemon remembers of each case, and all it decided about it.
    pub async fn memory(&self) -> Vec<(CaseState, Vec<Decision>)> {
        let store = SqliteStore::open_to_read(&self.state_dir().join(DATABASE)).expect("a database");
        let (mut memory, mut after) = (Vec::new(), 0);
        loop {
            let rows = store.states(after, 1_000).await.expect("states");
            let Some(last) = rows.last() else { return memory };
            after = last.case;
            for row in rows {
                let decisions = store.decisions(row.case).await.expect("decisions");
                let decisions = decisions.into_iter().map(|row| row.decision).collect();
                memory.push((open_state(&row.state).expect("a state"), decisions));
            }
        }
    }

    /// How often the daemon wrote a mark to the vendor.
    pub fn writes(&self) -> usize {
        let journal = self.sandbox().journal.since(0, Some("servicenow"));
        let is_write = |entry: &&Entry| {
            let marks = entry.body.contains("u_dutyd_severity");
            entry.method == "PATCH" && entry.user == DAEMONS_ACCOUNT && marks
        };
        journal.iter().filter(is_write).count()
    }

    /// What somebody does in the vendor's own tool.
    pub fn act(&self, command: &Command) -> Value {
        self.act_at("servicenow", command)
    }

    /// The same in the tool of any vendor.
    pub fn act_at(&self, vendor: &str, command: &Command) -> Value {
        let sandbox = self.sandbox();
        let vendor = sandbox.vendor(vendor).expect("the vendor plays");
        vendor.command(command, sandbox.stage.clock.now()).expect("an order that the vendor knows")
    }

    /// Read back and compared.
    pub async fn summary(&self) -> Summary {
        account(&self.stage).await.expect("an account")
    }

    /// Nothing missing, nothing doubled, something to miss at each vendor. ServiceNow's figures.
    pub async fn is_right(&self, what: &str) -> VendorSummary {
        let mut summary = self.summary().await;
        for (name, vendor) in &summary.vendors {
            assert!(vendor.flagged + vendor.notes > 0, "{what}: {name} {vendor:?}");
            assert_eq!((vendor.missing, vendor.doubled), (0, 0), "{what}: {name} {vendor:?}");
        }
        summary.vendors.remove("servicenow").expect("ServiceNow plays")
    }

    /// Where nobody touched our marks, nobody is believed to have.
    pub async fn nobody_is_obeyed(&self, what: &str) {
        let memory = self.memory().await;
        let decisions = memory.iter().flat_map(|(_, decisions)| decisions);
        let obeyed: Vec<_> = decisions.filter(|one| one.kind == DecisionKind::Override).collect();
        assert!(obeyed.is_empty(), "{what}: {obeyed:?}");
    }

    /// A command beside the daemon or after it.
    pub fn ask(&self, arguments: &[&str]) -> Output {
        let output = self.dutyd(arguments).output().expect("dutyd runs");
        self.dir.hears_from(&output);
        output
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.ask(&[arguments, &["--format", "json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {output:?}"))
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
