//! One life of the daemon: store, engine, units and webhook intake over simulated vendors, wired as `daemon.rs` wires
//! them, without sockets and without the loop. Ends by being dropped, as a killed process does.

use super::shelf::Shelf;
use super::steps::Steps;
use super::time::SimClock;
use super::watch::{Ledger, Watched};
use super::wire::{Line, Wire};
use axum::Router;
use dutyd::config::Mode;
use dutyd::engine::{Engine, Setup, SourceSetup, Unit};
use dutyd::metrics::Metrics;
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{Retention, StoreError};
use dutyd::webhook::{Intake, router};
use dutyd_connectors::{Connector, Secrets, SourceConfig, build};
use dutyd_core::policy::PolicySet;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

/// Attempts at a lock that a process, begun by another test at this moment, has inherited for as long as it begins.
const LOCK_TRIES_MAX: usize = 20_000;

async fn opened(database: &Path, seed: u64, now: Timestamp) -> SqliteStore {
    for _ in 0..LOCK_TRIES_MAX {
        match SqliteStore::open(database, seed, now).await {
            Err(StoreError::InUse(_)) => std::thread::yield_now(),
            opened => return opened.expect("a database"),
        }
    }
    panic!("the database stays in use");
}

/// How often the sources are polled.
pub const POLL: SignedDuration = SignedDuration::from_mins(15);
/// No brake: what it does is another test's.
const WRITES_PER_HOUR: u32 = 100_000;

/// A source as every life finds it.
pub struct Desk {
    pub name: &'static str,
    pub config: SourceConfig,
    pub secrets: Secrets,
    pub line: Arc<Line>,
}

pub struct Life {
    pub store: Arc<Shelf>,
    pub engine: Arc<Engine>,
    pub units: Vec<Arc<dyn Unit>>,
    pub intake: Router,
    pub policies: watch::Sender<Arc<PolicySet>>,
}

impl Life {
    /// `seed` differs from life to life, as it does for processes.
    pub async fn begin(
        database: &Path,
        desks: &[Desk],
        clock: &Arc<SimClock>,
        ledger: &Arc<Ledger>,
        steps: &Arc<Steps>,
        policies: Arc<PolicySet>,
        seed: u64,
    ) -> Self {
        use dutyd::clock::Clock as _;
        steps.count(false);
        let inner = Arc::new(opened(database, seed, clock.now()).await);
        let store = Arc::new(Shelf { inner, steps: steps.clone() });
        let mut connectors: BTreeMap<String, Arc<dyn Connector>> = BTreeMap::new();
        let mut sources = Vec::new();
        for desk in desks {
            let inner: Arc<dyn Connector> =
                Arc::from(build(desk.name, &desk.config, &desk.secrets).expect("a connector"));
            let http = Arc::new(Wire::new(desk.line.clone(), inner.clone()));
            let connector: Arc<dyn Connector> =
                Arc::new(Watched { inner, clock: clock.clone(), ledger: ledger.clone() });
            connectors.insert(desk.name.to_owned(), connector.clone());
            sources.push(SourceSetup {
                name: desk.name.to_owned(),
                connector,
                http,
                mode: Mode::Write,
                poll_interval: POLL,
                writes_per_hour: WRITES_PER_HOUR,
                start_from: None,
            });
        }
        let (policies, policy) = watch::channel(policies);
        let setup = Setup {
            store: store.clone(),
            clock: clock.clone(),
            policy,
            sources,
            channels: Vec::new(),
            seed,
            retention: Retention::default(),
        };
        let engine = Arc::new(Engine::new(setup).await.expect("an engine"));
        let rung = engine.clone();
        let intake = router(Arc::new(Intake {
            connectors,
            rung: Arc::new(move |source| rung.rung(source)),
            store: store.clone(),
            clock: clock.clone(),
            metrics: Arc::new(Metrics::default()),
        }));
        let units = engine.units();
        steps.count(true);
        Self { store, engine, units, intake, policies }
    }
}
