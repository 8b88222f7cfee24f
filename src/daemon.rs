//! The daemon, wired together: files → clock, store, connectors, engine, listeners.
//!
//! Knows: who is given what. Must not know: what any of them does with it.

use crate::archive::{Archive, POLICIES_MAX};
use crate::clock::{Clock, SandboxClock, SystemClock};
use crate::config::{self, Config, Place, Source};
use crate::control::Socket;
use crate::desk::{Desk, Desked, Draft, Live, Refusal, Reload};
use crate::engine::{ChannelSetup, Engine, EngineError, Setup, SourceSetup};
use crate::http::{Door, HttpTransport, client, post_json};
use crate::metrics::Metrics;
use crate::notify::Channel;
use crate::store::sqlite::SqliteStore;
use crate::store::{Retention, StoreError};
use crate::webhook::{Bounds, Intake, serve};
use crate::{health, systemd, webhook};
use axum::Router;
use dutyd_connectors::Connector;
use dutyd_core::policy::{Policy, PolicyFile, PolicySet};
use dutyd_core::problem::Problem;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Name of the database in the state directory.
pub const DATABASE: &str = "dutyd.db";

/// Why the daemon ended, one variant per exit code.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error("{}", lines(.0))]
    Config(Vec<Problem>),
    #[error("{0}")]
    Listen(String),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the sandbox's clock: {0}")]
    Clock(String),
    #[error("{0}")]
    Internal(String),
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

impl From<EngineError> for DaemonError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => Self::Store(error),
            error => Self::Internal(error.to_string()),
        }
    }
}

/// A daemon that has taken its database and addresses and not begun to work.
pub struct Daemon {
    pub engine: Arc<Engine>,
    pub metrics: Arc<Metrics>,
    desk: Arc<Desk>,
    store: Arc<SqliteStore>,
    listeners: Vec<(TcpListener, Router, Bounds)>,
    socket: Socket,
}

impl Daemon {
    /// Reads the files and takes what the daemon needs. Fails before anything is touched if a file is wrong.
    pub async fn start(place: &Place) -> Result<Self, DaemonError> {
        let config = load_config(place)?;
        let (policy, files) = read_policy(place).map_err(DaemonError::Config)?;
        let (rules, sources) = (policy.rules.len(), config.sources.len());
        tracing::info!(policy = policy.id, rules, sources, "dutyd starts");
        warn_of_strangers(&files, &config.sources);
        let clock = clock(&config).await?;
        let seed = seed(clock.as_ref());
        let state_dir = &config.settings.state_dir;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(|error| {
            StoreError::Unusable(format!("cannot create {}: {error}", state_dir.display()))
        })?;
        let store = SqliteStore::open(&state_dir.join(DATABASE), seed, clock.now()).await?;
        let store = Arc::new(store.keeping_free(config.settings.storage.free_min));
        let archive = Archive::new(state_dir);
        keep(&archive, &policy, &files);
        let older = archive.older(&policy.id);
        let (policies, policy) = watch::channel(Arc::new(PolicySet { current: policy, older }));
        let metrics = Arc::new(Metrics::default());
        let connectors: BTreeMap<String, Arc<dyn Connector>> = config
            .sources
            .iter()
            .map(|source| (source.name.clone(), Arc::from(source.connector())))
            .collect();
        let mut sources = Vec::new();
        for source in &config.sources {
            sources.push(setup(&config, source, &connectors[&source.name], &clock, &metrics)?);
        }
        let setup = Setup {
            store: store.clone(),
            clock: clock.clone(),
            policy: policy.clone(),
            sources,
            channels: channels(&config, &metrics)?,
            retention: retention(&config),
            seed,
        };
        let engine = Arc::new(Engine::new(setup).await?);
        let reload = reload(place.clone(), archive, policies, config.sources.clone());
        let desk = Arc::new(Desk {
            store: store.clone(),
            clock: clock.clone(),
            policies: policy,
            sources: config.sources.iter().map(Desked::of).collect(),
            live: Some(Live { engine: engine.clone(), reload }),
        });
        let rung = engine.clone();
        let intake = Arc::new(Intake {
            connectors,
            rung: Arc::new(move |source| rung.rung(source)),
            store: store.clone(),
            clock,
            metrics: metrics.clone(),
        });
        let pages = health::router(desk.clone(), metrics.clone());
        let listeners = listen(&config, webhook::router(intake), pages).await?;
        let path = &config.settings.control.socket;
        let socket = Socket::bind(path).await.map_err(|error| {
            DaemonError::Listen(format!("[control] socket {}: cannot listen: {error}", path.display()))
        })?;
        Ok(Self { engine, metrics, desk, store, listeners, socket })
    }

    /// Answers what `status`, `list` and `explain` ask.
    pub fn desk(&self) -> Arc<Desk> {
        self.desk.clone()
    }

    /// Where webhooks, health and metrics are served, in the order of the settings.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|(listener, _, _)| listener.local_addr().ok()).collect()
    }

    /// Works until `stop` turns true, the store fails, or a followed world has ended and is drained.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), DaemonError> {
        let (ending, ended) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (listener, router, bounds) in self.listeners {
            tasks.spawn(serve(listener, router, bounds, ended.clone()));
        }
        tasks.spawn(self.socket.serve(self.desk.clone(), ended.clone()));
        tasks.spawn(systemd::feed_watchdog(self.engine.clone(), ended.clone()));
        tasks.spawn(health::tell_status(self.desk.clone(), ended));
        systemd::ready();
        let result = self.engine.run(stop).await;
        ending.send_replace(true);
        while tasks.join_next().await.is_some() {}
        if matches!(result, Err(EngineError::Store(StoreError::Damaged(_)))) {
            self.store.suspect();
        }
        self.store.close().await;
        Ok(result?)
    }
}

/// The policy of a directory, or every mistake in it.
pub fn load_policy(place: &Place) -> Result<Arc<Policy>, Vec<Problem>> {
    read_policy(place).map(|(policy, _)| policy)
}

fn load_config(place: &Place) -> Result<Config, DaemonError> {
    let config = Config::load(place).map_err(DaemonError::Config)?;
    if config.sources.is_empty() {
        return Err(DaemonError::Config(vec![config::no_source(place)]));
    }
    Ok(config)
}

fn read_policy(place: &Place) -> Result<(Arc<Policy>, Vec<PolicyFile>), Vec<Problem>> {
    let files = config::policy_files(&place.dir)?;
    Policy::load(&files).map(|policy| (Arc::new(policy), files))
}

/// Names of sources and fields in the policy that this machine does not have: most are mistyped.
fn warn_of_strangers(files: &[PolicyFile], sources: &[Source]) {
    let sources = sources.iter().map(|source| (source.name.as_str(), &source.config));
    for remark in config::strangers(files, sources) {
        tracing::warn!("{remark}");
    }
}

/// Without the copy dutyd works; cases that refer to the policy would follow the next one after a restart.
fn keep(archive: &Archive, policy: &Policy, files: &[PolicyFile]) {
    if let Err(error) = archive.keep(&policy.id, files) {
        tracing::error!(policy = policy.id, %error, "the policy cannot be kept beside the database");
    }
}

/// The sandbox's clock where the settings name one: config has refused it beside real systems.
async fn clock(config: &Config) -> Result<Arc<dyn Clock>, DaemonError> {
    let Some(address) = &config.settings.sandbox.clock else { return Ok(Arc::new(SystemClock::default())) };
    let post = post_json(address).map_err(DaemonError::Clock)?;
    Ok(Arc::new(SandboxClock::start(post).await.map_err(DaemonError::Clock)?))
}

fn retention(config: &Config) -> Retention {
    let days = i64::from(config.settings.audit.keep_days);
    Retention { audit: SignedDuration::from_hours(24 * days), ..Retention::default() }
}

/// Differs between two processes on real time; the same in every replay.
fn seed(clock: &dyn Clock) -> u64 {
    if clock.is_lockstep() {
        return 1;
    }
    let nanoseconds = clock.now().as_nanosecond() as u64;
    nanoseconds ^ u64::from(std::process::id()).rotate_left(40)
}

fn setup(
    config: &Config,
    source: &Source,
    connector: &Arc<dyn Connector>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Result<SourceSetup, DaemonError> {
    let client = client(&config.settings.network, &source.origin);
    let door = client.and_then(|client| {
        HttpTransport::new(&source.name, client, connector.clone(), clock.clone(), metrics.clone())
    });
    let door = door.map_err(|reason| {
        DaemonError::Config(vec![Problem::of_file(&source.file, reason, "see [network] in dutyd.toml")])
    })?;
    let brakes = &source.brakes;
    Ok(SourceSetup {
        name: source.name.clone(),
        connector: connector.clone(),
        http: Arc::new(door),
        mode: brakes.mode,
        poll_interval: brakes.poll_interval,
        writes_per_hour: brakes.writes_per_hour,
        start_from: brakes.start_from,
    })
}

fn channels(config: &Config, metrics: &Arc<Metrics>) -> Result<Vec<ChannelSetup>, DaemonError> {
    let setup = |channel: &Channel| {
        let door = Door::new(channel, &config.settings.network).map_err(|reason| {
            DaemonError::Config(vec![Problem::of_file(&channel.file, reason, "see [network] in dutyd.toml")])
        })?;
        Ok(ChannelSetup { channel: Arc::new(channel.clone()), door, metrics: metrics.clone() })
    };
    config.channels.iter().map(setup).collect()
}

/// Takes the addresses: one listener for both where they are the same.
async fn listen(
    config: &Config,
    hooks: Router,
    pages: Router,
) -> Result<Vec<(TcpListener, Router, Bounds)>, DaemonError> {
    let settings = &config.settings;
    let bounds = Bounds::new(settings.webhook.connections_per_address);
    let wanted = match (settings.webhook.listen.address(), settings.metrics.listen.address()) {
        (Some(hook), Some(page)) if hook == page => vec![(hook, hooks.merge(pages))],
        (hook, page) => hook.map(|at| (at, hooks)).into_iter().chain(page.map(|at| (at, pages))).collect(),
    };
    let mut listeners = Vec::new();
    for (address, router) in wanted {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| DaemonError::Listen(not_heard(settings, address, &error)))?;
        listeners.push((listener, router, bounds));
    }
    Ok(listeners)
}

/// How the files' policy is read and put in force; the one before is kept for cases that refer to it. A wrong one changes
/// nothing.
fn reload(
    place: Place,
    archive: Archive,
    policies: watch::Sender<Arc<PolicySet>>,
    sources: Vec<Source>,
) -> Reload {
    let read = move || {
        let (policy, files) = read_policy(&place).map_err(|problems| Refusal::Policy(lines(&problems)))?;
        Ok(Draft { policy, files })
    };
    let enforce = move |draft: Draft| {
        let before = policies.borrow().clone();
        let mut older = before.older.clone();
        older.insert(before.current.id.clone(), before.current.clone());
        if older.len() > POLICIES_MAX {
            return Err(Refusal::Policy("more than 100 policies in one run; restart dutyd".to_owned()));
        }
        keep(&archive, &draft.policy, &draft.files);
        warn_of_strangers(&draft.files, &sources);
        policies.send_replace(Arc::new(PolicySet { current: draft.policy, older }));
        Ok(())
    };
    Reload { read: Arc::new(read), enforce: Arc::new(enforce) }
}

/// Which key of dutyd.toml asks for an address that cannot be had, and what to do.
fn not_heard(settings: &config::Settings, address: SocketAddr, error: &std::io::Error) -> String {
    let key = if settings.webhook.listen.address() == Some(address) {
        "[webhook] listen"
    } else {
        "[metrics] listen"
    };
    let remedy = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another program has the port (ss -ltnp shows which): end it or take another port"
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has the address (ip address shows them)"
        }
        std::io::ErrorKind::PermissionDenied => "take a port above 1023",
        _ => "take another address",
    };
    format!("{key} {address}: {error}; {remedy}")
}
