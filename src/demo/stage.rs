//! The demo's stage: the sandbox in this process, and a directory with the configuration of a daemon that watches it.

use super::duty::{self, Duty};
use super::{Arguments, customers};
use anyhow::Context;
use dutyd_core::{SignedDuration, Timestamp};
use dutyd_sandbox::hooks::Knobs;
use dutyd_sandbox::{Options, Running, Sandbox};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file by which the demo knows a directory of its own again before it empties it.
const OURS: &str = ".dutyd-demo";

/// When the generated world begins, so that the same seed gives the same run on any day.
const BEGINS_AT: &str = "2026-03-02T08:00:00Z";

/// Time for the slowest vendor to show its last change and for the daemon to poll for it.
const LINGER_SECONDS: i64 = 15 * 60;

/// How much of the world's time passes per second of the demo.
const WORLD_HOURS_PER_SECOND: i64 = 8;

/// A year of log goes by in steps of at least this length; a flag is late by at most one.
const LOG_WINDOW_SECONDS: i64 = 600;

/// One vendor of the sandbox and the text of its connector file, with `{key}` for what the sandbox says of itself.
pub struct Template {
    pub vendor: &'static str,
    pub text: &'static str,
    /// What the daemon allows itself.
    pub requests_per_minute: u32,
}

/// All vendors the demo shows.
pub const TEMPLATES: [Template; 5] = [
    Template {
        vendor: "servicenow",
        text: include_str!("sources/servicenow.toml"),
        requests_per_minute: 6_000,
    },
    Template { vendor: "jira", text: include_str!("sources/jira.toml"), requests_per_minute: 6_000 },
    Template { vendor: "jira_dc", text: include_str!("sources/jira_dc.toml"), requests_per_minute: 6_000 },
    // Vendor: the sandbox keeps the limit of a Suite Enterprise plan.
    Template { vendor: "zendesk", text: include_str!("sources/zendesk.toml"), requests_per_minute: 700 },
    Template {
        vendor: "salesforce",
        text: include_str!("sources/salesforce.toml"),
        requests_per_minute: 6_000,
    },
];

/// A sandbox that runs, and the daemon's directory.
pub struct Stage {
    pub running: Running,
    /// `dutyd --config` of the daemon.
    pub dir: PathBuf,
    /// The same sources under accounts that are not the daemon's.
    pub reader_dir: PathBuf,
    pub begins_at: Timestamp,
    /// `None`: when the log ends.
    pub ends_at: Option<Timestamp>,
    pub seed: u64,
    /// Whether the world is a real log, with a verdict of its own.
    pub replays: bool,
    /// Whom the daemon tells.
    pub duty: Option<Duty>,
}

impl Stage {
    /// The demo's world, told by its arguments.
    pub async fn set(arguments: &Arguments) -> anyhow::Result<Self> {
        let begins_at: Timestamp = BEGINS_AT.parse().expect("a constant instant");
        let span = SignedDuration::from_hours(WORLD_HOURS_PER_SECOND * i64::from(arguments.seconds));
        let ends_at = arguments.log.is_none().then(|| begins_at + span);
        let options = Options {
            seed: arguments.seed,
            calm: !arguments.hostile,
            vendors: vendors(arguments),
            cases: arguments.cases,
            live: true,
            stepped_from: Some(begins_at),
            ends_at,
            calm_in_the_end: true,
            linger_seconds: LINGER_SECONDS,
            pace: if arguments.log.is_some() { 0 } else { WORLD_HOURS_PER_SECOND as u32 * 3600 },
            log: arguments.log.clone(),
            coalesce_seconds: if arguments.log.is_some() { LOG_WINDOW_SECONDS } else { 0 },
            ..Options::default()
        };
        if arguments.log.is_some() {
            return Self::raise(&arguments.dir, options, "15m").await;
        }
        let mut stage = Self::raise(&arguments.dir, options, "5m").await?;
        let duty = Duty::listen(arguments.seed).await?;
        let secret_file = stage.dir.join("secrets/duty-signing");
        let (file, secret) = duty.channel(&secret_file);
        write_secret(&secret_file, &secret)?;
        make_dir(&stage.dir.join("notify"))?;
        std::fs::write(stage.dir.join(format!("notify/{}.toml", duty::CHANNEL)), file)?;
        stage.duty = Some(duty);
        Ok(stage)
    }

    /// Starts a sandbox and writes the files of a daemon on its clock into an emptied directory.
    pub async fn raise(dir: &Path, options: Options, poll: &str) -> anyhow::Result<Self> {
        let dir = emptied(dir)?;
        let webhooks = free_address()?;
        let rhythm = Rhythm { poll, window_seconds: options.coalesce_seconds };
        let (seed, ends_at, replays) = (options.seed, options.ends_at, options.log.is_some());
        let knobs = Knobs { to: Some(format!("http://{webhooks}")), ..options.webhooks.clone() };
        let running = Sandbox::start(Options { webhooks: knobs, ..options })
            .await
            .context("cannot start the sandbox")?;
        let endpoints = running.endpoints();
        write_daemon(&dir, &endpoints, &running.control_url(), webhooks, rhythm)?;
        if !replays {
            customers::write_policy(&dir.join("policy"), running.sandbox())?;
        }
        let reader_dir = dir.join("reader");
        write_sources(&reader_dir, &as_reader(&endpoints), rhythm)?;
        let begins_at = running.sandbox().inner.stage.clock.now();
        Ok(Self { running, dir, reader_dir, begins_at, ends_at, seed, replays, duty: None })
    }
}

fn vendors(arguments: &Arguments) -> Vec<String> {
    let shown = TEMPLATES.iter().map(|template| template.vendor.to_owned());
    if arguments.log.is_some() { vec!["servicenow".to_owned()] } else { shown.collect() }
}

/// How often the daemon polls, and by how much the steps of time may delay it.
#[derive(Clone, Copy)]
struct Rhythm<'a> {
    poll: &'a str,
    window_seconds: i64,
}

/// How late ServiceNow's sandbox shows a change at most.
const LAG_SECONDS: i64 = 10;

/// An empty directory; one that is neither empty nor ours is refused.
fn emptied(dir: &Path) -> anyhow::Result<PathBuf> {
    let taken = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if taken {
        let ours = dir.join(OURS).exists();
        anyhow::ensure!(ours, "{} exists and is not a demo's: name another with --dir", dir.display());
        std::fs::remove_dir_all(dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    make_dir(dir)?;
    std::fs::write(dir.join(OURS), "Made by `dutyd demo`, which empties this directory when it starts.\n")?;
    dir.canonicalize().with_context(|| format!("cannot find {}", dir.display()))
}

fn make_dir(dir: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("cannot create {}", dir.display()))
}

/// An address on which nobody listens now, on a port that the system gives to nobody who has not asked for it: a daemon
/// that is restarted finds it free again.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    for _ in 0..100 {
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
        let port = 10_000 + any.local_addr()?.port() % 20_000;
        if let Ok(free) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(free.local_addr()?);
        }
    }
    anyhow::bail!("no free port on loopback")
}

fn write_daemon(
    dir: &Path,
    endpoints: &Value,
    control_url: &str,
    webhooks: SocketAddr,
    rhythm: Rhythm<'_>,
) -> anyhow::Result<()> {
    make_dir(&dir.join("state"))?;
    let shown = dir.display();
    let settings = format!(
        "# Written by `dutyd demo`.\nstate_dir = \"{shown}/state\"\n\n\
         [webhook]\nlisten = \"{webhooks}\"\n\n[metrics]\nlisten = \"off\"\n\n\
         [control]\nsocket = \"{shown}/control.sock\"\n\n[log]\nlevel = \"warn\"\n\n[storage]\nfree_min = \"0%\"\n\n\
         [sandbox]\nclock = \"{control_url}\"\n"
    );
    std::fs::write(dir.join("dutyd.toml"), settings)?;
    write_sources(dir, endpoints, rhythm)
}

fn write_sources(dir: &Path, endpoints: &Value, rhythm: Rhythm<'_>) -> anyhow::Result<()> {
    let (connectors, secrets) = (dir.join("connectors"), dir.join("secrets"));
    make_dir(&connectors)?;
    make_dir(&secrets)?;
    for template in &TEMPLATES {
        let Some(endpoint) = endpoints.get(template.vendor).and_then(Value::as_object) else { continue };
        let mut values = BTreeMap::from([
            ("poll_interval".to_owned(), rhythm.poll.to_owned()),
            ("lag_seconds".to_owned(), (LAG_SECONDS + rhythm.window_seconds).to_string()),
            ("requests_per_minute".to_owned(), template.requests_per_minute.to_string()),
        ]);
        for (key, value) in endpoint {
            let Some(value) = value.as_str() else { continue };
            let file = secrets.join(format!("{}-{key}", template.vendor));
            write_secret(&file, value)?;
            values.insert(key.clone(), value.to_owned());
            values.insert(format!("file:{key}"), file.display().to_string());
        }
        let file = connectors.join(format!("{}.toml", template.vendor));
        std::fs::write(&file, filled(template.text, &values))?;
    }
    Ok(())
}

fn write_secret(file: &Path, value: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    let mut opened = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
    opened.write_all(value.as_bytes())?;
    Ok(())
}

fn filled(template: &str, values: &BTreeMap<String, String>) -> String {
    values.iter().fold(template.to_owned(), |text, (key, value)| text.replace(&format!("{{{key}}}"), value))
}

/// The endpoints with each `reader_*` value in the place of the daemon's own.
fn as_reader(endpoints: &Value) -> Value {
    let mut endpoints = endpoints.clone();
    for vendor in endpoints.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        let Some(keys) = vendor.as_object_mut() else { continue };
        let reader: Vec<_> = keys
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("reader_")?.to_owned(), value.clone())))
            .collect();
        keys.extend(reader);
    }
    endpoints
}
