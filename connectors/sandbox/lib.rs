//! Local servers of the vendors' APIs, hostile by default and seeded, made to be used by strangers.
//! Written from vendor documents; knows nothing of dutyd, and of its crates imports the reader of recorded logs alone.
//!
//! `Sandbox::start` serves on loopback; `Sandbox::build` makes the same world without sockets, whose
//! `router` can be called in-process. Several live side by side: there is no global state.
// A refusal is a whole HTTP answer here; boxing each would buy nothing at a sandbox's pace.
#![allow(clippy::result_large_err)]

pub mod cast;
pub mod clock;
pub mod control;
pub mod dice;
pub mod export;
pub mod faults;
pub mod gate;
pub mod hooks;
pub mod jira;
pub mod journal;
pub mod life;
mod log;
mod phrases;
pub mod post;
pub mod route;
pub mod salesforce;
pub mod serve;
pub mod servicenow;
pub mod stepper;
#[cfg(test)]
mod tests;
pub mod vendor;
pub mod world;
pub mod zendesk;

use crate::cast::Cast;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::hooks::{Hooks, Knobs};
use crate::journal::Journal;
use crate::post::Post;
use crate::stepper::{Life, Pace, Stepper};
use crate::vendor::{Stage, Vendor};
use crate::world::Script;
use axum::Router;
use dutyd_incident_log::LogEnd;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::watch;

/// Pause of the delivery loop in wall mode.
const WALL_STEP: std::time::Duration = std::time::Duration::from_millis(20);

/// How a sandbox begins.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    /// No fault at all.
    pub calm: bool,
    /// Which vendors to play; empty: all.
    pub vendors: Vec<String>,
    /// Cases per vendor in the past of the world, unless a log is replayed.
    pub cases: u64,
    /// Days of past before the start.
    pub past_days: i64,
    /// New cases per day and vendor once life goes on; `None`: as many as in the past.
    pub cases_per_day: Option<f64>,
    /// Whether anything happens after the start.
    pub live: bool,
    /// Stepped time from this instant; `None`: the wall's time.
    pub stepped_from: Option<Timestamp>,
    /// Past this instant nothing happens any more.
    pub ends_at: Option<Timestamp>,
    /// Once nothing happens any more, no fault happens either, so that what was begun can be finished.
    pub calm_in_the_end: bool,
    /// Stepped time that passes after `ends_at` before the world counts as ended: so that pollers see its last changes.
    pub linger_seconds: i64,
    /// At most so many seconds of stepped time per second on the wall; 0: as fast as it goes.
    pub pace: u32,
    /// A ServiceNow log (`.csv` or `.csv.xz`) in place of the generated world. Stepped time begins at its first row.
    pub log: Option<PathBuf>,
    /// Each `wait` lasts at least so long: what falls due within the window is served together, at its end.
    pub coalesce_seconds: i64,
    /// Webhook address and misfortune. With `calm` only the address counts.
    pub webhooks: Knobs,
    /// Vendor switches: vendor, name, value.
    pub switches: Vec<(String, String, Value)>,
    /// First of the consecutive ports; port 0: any free ports.
    pub listen: SocketAddr,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 1,
            calm: false,
            vendors: Vec::new(),
            cases: 200,
            past_days: 21,
            cases_per_day: None,
            live: false,
            stepped_from: None,
            ends_at: None,
            calm_in_the_end: false,
            linger_seconds: 0,
            pace: 0,
            log: None,
            coalesce_seconds: 0,
            webhooks: Knobs { drop: 0.05, duplicate: 0.05, delay_seconds: 20, ..Knobs::default() },
            switches: Vec::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        }
    }
}

/// The parts of one sandbox.
pub struct Inner {
    pub stage: Arc<Stage>,
    pub journal: Arc<Journal>,
    pub stepper: Stepper,
    base_urls: OnceLock<Vec<String>>,
    control_url: OnceLock<String>,
    /// What the replayed log says of each incident in the end.
    pub log_ends: Vec<LogEnd>,
    started_at: Timestamp,
}

/// A world, served or not.
#[derive(Clone)]
pub struct Sandbox {
    pub inner: Arc<Inner>,
}

impl Sandbox {
    /// The world with its past, without sockets.
    pub async fn build(options: &Options) -> anyhow::Result<Sandbox> {
        let recorded = options.log.as_deref().map(dutyd_incident_log::read).transpose()?;
        let clock = Arc::new(match (&recorded, options.stepped_from) {
            (Some(log), _) => Clock::stepped(log.begins_at),
            (None, Some(from)) => Clock::stepped(past(from, options.past_days)),
            (None, None) => Clock::wall(),
        });
        let began_at = options.stepped_from.unwrap_or_else(|| clock.now());
        let knobs =
            if options.calm { Knobs { to: None, ..Knobs::default() } } else { options.webhooks.clone() };
        let stage = Arc::new(Stage {
            seed: options.seed,
            clock,
            cast: Arc::new(Cast::new(options.seed)),
            faults: Arc::new(Faults::new(options.seed, !options.calm)),
            hooks: Arc::new(Hooks::new(options.seed, Knobs { to: None, ..knobs })),
        });
        let vendors = vendor::chosen(&stage, &options.vendors)?;
        for (name, switch, value) in &options.switches {
            let vendor = vendors.iter().find(|vendor| vendor.name() == name);
            let vendor = vendor.ok_or_else(|| anyhow::anyhow!("no vendor {name:?}"))?;
            vendor.switch(switch, value).map_err(anyhow::Error::msg)?;
        }
        let names = vendors.iter().map(|vendor| vendor.name()).collect();
        let (script, log_ends): (Box<dyn Script>, _) = match recorded {
            Some(log) => (Box::new(log::script(log.rows)), log.ends),
            None => (Box::new(life::Generator::new(&stage.cast, options, names, began_at)), Vec::new()),
        };
        let stepper = Stepper {
            clock: stage.clock.clone(),
            hooks: stage.hooks.clone(),
            faults: options.calm_in_the_end.then(|| stage.faults.clone()),
            pace: Pace::new(options.pace),
            vendors,
            coalesce: Mutex::new(SignedDuration::from_secs(options.coalesce_seconds)),
            post: Post::default(),
            life: tokio::sync::Mutex::new(Life {
                script: Some(script),
                ends_at: options.ends_at,
                linger: SignedDuration::from_secs(options.linger_seconds),
            }),
        };
        if options.log.is_none() {
            stepper.live_through(began_at).await;
            stage.clock.set(began_at);
            if !options.live {
                stepper.end_life().await;
            }
        }
        stage.hooks.set_knobs(Knobs { to: options.webhooks.to.clone(), ..stage.hooks.knobs() });
        let inner = Inner {
            started_at: stage.clock.now(),
            stage,
            journal: Arc::new(Journal::default()),
            stepper,
            base_urls: OnceLock::new(),
            control_url: OnceLock::new(),
            log_ends,
        };
        Ok(Sandbox { inner: Arc::new(inner) })
    }

    /// Builds and serves: each vendor on a port of its own, then the control port.
    pub async fn start(options: Options) -> anyhow::Result<Running> {
        let sandbox = Sandbox::build(&options).await?;
        let (stop, stopping) = watch::channel(false);
        let mut address = options.listen;
        let mut base_urls = Vec::new();
        for vendor in &sandbox.inner.stepper.vendors {
            let router = gate::guarded(vendor, &sandbox.inner.stage, &sandbox.inner.journal);
            let bound = serve::listen(address, router, stopping.clone()).await?;
            base_urls.push(format!("http://{bound}"));
            if address.port() != 0 {
                address
                    .set_port(address.port().checked_add(1).ok_or_else(|| anyhow::anyhow!("no port left"))?);
            }
        }
        let bound = serve::listen(address, control::router(sandbox.inner.clone()), stopping.clone()).await?;
        let _ = sandbox.inner.base_urls.set(base_urls);
        let _ = sandbox.inner.control_url.set(format!("http://{bound}"));
        if sandbox.inner.stage.clock.mode() == clock::Mode::Wall {
            tokio::spawn(follow_the_wall(sandbox.inner.clone(), stopping));
        }
        Ok(Running { sandbox, stop })
    }

    /// A vendor's API with faults and journal around it, to be called in-process.
    pub fn router(&self, vendor: &str) -> Option<Router> {
        let vendor = self.inner.vendor(vendor)?;
        Some(gate::guarded(&vendor, &self.inner.stage, &self.inner.journal))
    }

    /// The control port's API, to be called in-process.
    pub fn control_router(&self) -> Router {
        control::router(self.inner.clone())
    }

    /// A vendor's whole history as JSON text.
    pub fn history(&self, vendor: &str) -> Option<Vec<u8>> {
        let vendor = self.inner.vendor(vendor)?;
        Some(export::chunks(vendor).flat_map(|chunk| chunk.to_vec()).collect())
    }
}

fn past(from: Timestamp, days: i64) -> Timestamp {
    from.saturating_sub(SignedDuration::from_hours(days.saturating_mul(24))).unwrap_or(from)
}

async fn follow_the_wall(inner: Arc<Inner>, stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        inner.stepper.advance(inner.stage.clock.now()).await;
        clock::pause(WALL_STEP).await;
    }
}

impl Inner {
    pub fn vendor(&self, name: &str) -> Option<Arc<dyn Vendor>> {
        self.stepper.vendors.iter().find(|vendor| vendor.name() == name).cloned()
    }

    /// No more happenings, no more faults; webhooks already waiting still come, on time.
    pub async fn freeze(&self) {
        self.stepper.end_life().await;
        self.stage.faults.calm();
        self.stage.hooks.calm();
    }

    /// The object of the first stdout line. Before `start` the addresses are in-process ones.
    pub fn endpoints(&self) -> Value {
        let mut all = Map::new();
        for (index, vendor) in self.stepper.vendors.iter().enumerate() {
            let served = self.base_urls.get().and_then(|urls| urls.get(index)).cloned();
            let base_url = served.unwrap_or_else(|| format!("http://{}.sandbox", vendor.name()));
            all.insert(vendor.name().to_owned(), vendor.endpoints(&base_url));
        }
        all.insert("control_url".to_owned(), json!(self.control_url.get().cloned().unwrap_or_default()));
        all.insert("started_at".to_owned(), json!(self.started_at));
        Value::Object(all)
    }
}

/// A served sandbox. Dropping it stops it too.
pub struct Running {
    sandbox: Sandbox,
    stop: watch::Sender<bool>,
}

impl Running {
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    pub fn endpoints(&self) -> Value {
        self.sandbox.inner.endpoints()
    }

    pub fn control_url(&self) -> String {
        self.sandbox.inner.control_url.get().cloned().unwrap_or_default()
    }

    /// Stops listening; answers under way are finished.
    pub fn stop(self) {
        let _ = self.stop.send(true);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}
