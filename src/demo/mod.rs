//! `dutyd demo`: the real daemon against the sandbox, on the sandbox's clock, and an honest account of what came of it.

mod board;
mod customers;
mod duty;
mod judge;
mod oracle;
mod read_back;
mod stage;
mod summary;

pub use customers::customers;
pub use duty::{Duty, Told};
pub use judge::{Ending, Judgement, judge};
pub use oracle::Oracle;
pub use read_back::{Shown, read_back};
pub use stage::{Stage, free_address};
pub use summary::{Summary, VendorSummary, compare};

use crate::clock::{Clock, StoppedClock};
use crate::config::{Config, Place, Source};
use crate::daemon::{Daemon, load_policy};
use crate::desk::recount;
use crate::http::{HttpTransport, client};
use crate::metrics::Metrics;
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, open_state};
use anyhow::Context as _;
use board::{Board, Progress};
use clap::Args;
use dutyd_connectors::{Connector, Ctx, Fetched, Transport};
use dutyd_core::Timestamp;
use dutyd_core::action::Severity;
use dutyd_core::case::{CaseChange, CaseKey};
use dutyd_core::decide::DecisionKind;
use dutyd_core::policy::PolicySet;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// How often the board is drawn.
const BOARD_EVERY: std::time::Duration = std::time::Duration::from_millis(250);

/// Rows read from the store at once.
const ROWS_MAX: usize = 1_000;

#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// How long the show lasts; eight hours of the world pass per second.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,

    /// The same seed gives the same world and the same summary.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Cases per vendor that the world begins with.
    #[arg(long, default_value_t = 60)]
    pub cases: u64,

    /// Replay this log of a real ServiceNow instance instead, as fast as it goes.
    #[arg(long, value_name = "CSV[.XZ]")]
    pub log: Option<PathBuf>,

    /// Vendors that misbehave: rate limits, lost answers, late and doubled webhooks.
    #[arg(long)]
    pub hostile: bool,

    /// Directory for the daemon's files and database; a demo's own one is emptied first.
    #[arg(long, value_name = "DIR", default_value = "dutyd-demo")]
    pub dir: PathBuf,
}

/// Runs the demo. With `quiet` nothing but the caller's own output goes to standard output.
pub async fn run(arguments: &Arguments, quiet: bool) -> anyhow::Result<Summary> {
    let stage = Stage::set(arguments).await?;
    let daemon = Daemon::start(&Place { dir: stage.dir.clone(), dev: false }).await?;
    let (_stop, stopped) = watch::channel(false);
    if quiet {
        daemon.run(stopped).await?;
    } else {
        println!("{}", opening(arguments, &stage));
        let mut board = Board::new(daemon.desk());
        let running = daemon.run(stopped);
        tokio::pin!(running);
        let mut drawn = tokio::time::interval(BOARD_EVERY);
        loop {
            tokio::select! {
                ended = &mut running => break ended?,
                _ = drawn.tick() => board.show(progress(&stage)).await?,
            }
        }
        board.leave();
    }
    account(&stage).await
}

fn opening(arguments: &Arguments, stage: &Stage) -> String {
    let temper = if arguments.hostile { "hostile" } else { "calm" };
    let what = match &arguments.log {
        Some(log) => format!("replaying {}", log.display()),
        None => format!("{} hours of a made-up world (seed {})", 8 * arguments.seconds, arguments.seed),
    };
    format!("dutyd demo: {what}, {temper} vendors on loopback, files in {}\n", stage.dir.display())
}

fn progress(stage: &Stage) -> Progress {
    let now = stage.running.sandbox().inner.stage.clock.now();
    let passed = now.duration_since(stage.begins_at).as_secs_f64();
    let share =
        stage.ends_at.map(|end| (passed / end.duration_since(stage.begins_at).as_secs_f64()).min(1.0));
    Progress { now, share, told: stage.duty.as_ref().map_or(0, Duty::count) }
}

/// Stops the world, reads everything back and compares it with the oracle.
pub async fn account(stage: &Stage) -> anyhow::Result<Summary> {
    let sandbox = stage.running.sandbox().inner.clone();
    sandbox.freeze().await;
    let now = sandbox.stage.clock.now();
    let place = Place { dir: stage.dir.clone(), dev: false };
    let policy = load_policy(&place).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let policies = PolicySet { current: policy, ..PolicySet::default() };
    let reader = Place { dir: stage.reader_dir.clone(), dev: false };
    let readers = Config::load(&reader).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let daemon = Config::load(&place).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;

    let calls: BTreeMap<String, u64> =
        sandbox.journal.counts().into_iter().map(|(vendor, counts)| (vendor, counts.requests)).collect();
    admit_readers(&sandbox)?;
    let mut histories = Vec::new();
    let mut ids: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut doors = BTreeMap::new();
    for source in &readers.sources {
        let door = Door::open(&readers, source, now)?;
        let mut changes =
            door.everything(now).await.with_context(|| format!("reading {} again", source.name))?;
        changes.iter_mut().for_each(|change| policies.current.lexicon.distill(change));
        ids.insert(&source.name, changes.iter().map(|change| change.case.key.id.clone()).collect());
        histories.extend(changes);
        doors.insert(source.name.as_str(), door);
    }
    let oracle = Oracle::consult(&policies, histories, now);

    let mut vendors = BTreeMap::new();
    for source in &daemon.sources {
        let name = source.name.as_str();
        let shown = read_back(source.config.vendor(), doors[name].http.as_ref(), &ids[name]).await?;
        let calls = calls.get(name).copied().unwrap_or(0);
        vendors.insert(name.to_owned(), compare(name, &shown, &oracle, calls));
    }
    let log = if stage.replays { Some(judged(stage, &oracle).await?) } else { None };
    let store = SqliteStore::open_to_read(&stage.dir.join("state").join(crate::daemon::DATABASE))?;
    let evidence = recount(&store, &policies).await?;
    let told = match &stage.duty {
        Some(duty) => {
            duty.write_samples(&stage.dir.join("messages"))?;
            Some(duty.account(&store.channels().await?))
        }
        None => None,
    };
    let world = [stage.begins_at.to_string(), now.to_string()];
    Ok(Summary { vendors, told, log, evidence, seed: stage.seed, world })
}

/// Whoever reads back is no part of the show: the plan's limit, which counts everybody, no longer holds him up.
fn admit_readers(sandbox: &dutyd_sandbox::Inner) -> anyhow::Result<()> {
    match sandbox.vendor("zendesk") {
        Some(zendesk) => {
            zendesk.switch("requests_per_minute", &serde_json::json!(0)).map_err(anyhow::Error::msg)
        }
        None => Ok(()),
    }
}

/// A source under an account that is not the daemon's.
struct Door {
    connector: Arc<dyn Connector>,
    http: Arc<dyn Transport>,
    source: String,
}

impl Door {
    fn open(config: &Config, source: &Source, now: Timestamp) -> anyhow::Result<Self> {
        let connector: Arc<dyn Connector> = Arc::from(source.connector());
        let clock: Arc<dyn Clock> = Arc::new(StoppedClock(now));
        let client = client(&config.settings.network, &source.origin).map_err(anyhow::Error::msg)?;
        let metrics = Arc::new(Metrics::default());
        let http = HttpTransport::new(&source.name, client, connector.clone(), clock, metrics);
        let http: Arc<dyn Transport> = Arc::new(http.map_err(anyhow::Error::msg)?.unmetered());
        Ok(Self { connector, http, source: source.name.clone() })
    }

    /// Every case with its history, read from the beginning.
    async fn everything(&self, now: Timestamp) -> anyhow::Result<Vec<CaseChange>> {
        let cx = Ctx { http: self.http.as_ref(), now };
        let (mut cursor, mut more) = (None, true);
        let (mut changes, mut keys) = (BTreeMap::new(), BTreeSet::new());
        while more {
            let page = self.connector.pull(&cx, cursor.as_ref()).await?;
            keys.extend(page.hints.into_iter().map(|hint| hint.key));
            changes.extend(page.changes.into_iter().map(|change| (change.case.key.clone(), change)));
            (cursor, more) = (page.next.or(cursor), page.more);
        }
        let keys: Vec<CaseKey> = keys.into_iter().collect();
        for batch in keys.chunks(self.connector.profile().fetch_max) {
            for fetched in self.connector.fetch(&cx, batch).await? {
                match fetched {
                    Fetched::Case(change) => {
                        changes.insert(change.case.key.clone(), *change);
                    }
                    Fetched::Gone(_) | Fetched::Hidden(_) => {}
                    other => anyhow::bail!("{}: {other:?}", self.source),
                }
            }
        }
        Ok(changes.into_values().collect())
    }
}

/// Judges the daemon's own decisions against the log's endings, and its case states against the sandbox's.
async fn judged(stage: &Stage, oracle: &Oracle) -> anyhow::Result<Judgement> {
    let database = stage.dir.join("state").join(crate::daemon::DATABASE);
    let store = SqliteStore::open_to_read(&database)?;
    let (mut after, mut flags, mut same) = (0, HashMap::new(), 0);
    let mut different = 0;
    loop {
        let rows = store.states(after, ROWS_MAX).await?;
        let Some(last) = rows.last() else { break };
        after = last.case;
        for row in &rows {
            let ours = open_state(&row.state)?.case;
            match oracle.states.get(&row.key) {
                Some(theirs) if ours == theirs.case => same += 1,
                theirs => {
                    different += 1;
                    tracing::warn!(case = %row.key, ?ours, theirs = ?theirs.map(|state| &state.case), "states differ");
                }
            }
            if let Some(at) = first_candidate(&store, row.case).await? {
                flags.insert(row.number.clone(), at);
            }
        }
    }
    let ends = &stage.running.sandbox().inner.log_ends;
    let endings: Vec<Ending> = ends
        .iter()
        .map(|end| Ending {
            number: end.number.clone(),
            missed_sla: !end.made_sla,
            resolved_at: end.resolved_at,
        })
        .collect();
    Ok(judge(&endings, &flags, different == 0 && same == oracle.states.len()))
}

async fn first_candidate(store: &SqliteStore, case: i64) -> anyhow::Result<Option<Timestamp>> {
    let decisions = store.decisions(case).await?;
    let raised = |kind| matches!(kind, DecisionKind::Raise | DecisionKind::Change | DecisionKind::Adopt);
    let first = decisions
        .into_iter()
        .map(|row| row.decision)
        .find(|decision| decision.severity >= Severity::Candidate && raised(decision.kind));
    Ok(first.map(|decision| decision.at))
}
