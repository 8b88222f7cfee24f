//! A sandbox and a directory of files that make a daemon watch it.
//!
//! Must not know: what is measured.

use crate::process::{Owned, SANDBOX_ROLE};
use anyhow::{Context, bail};
use dutyd::control;
use dutyd::desk::{Answer, Ask, Status};
use dutyd::store::SourceRow;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often the daemon is asked how far it is. Asking costs it a little.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// The sandbox, in a process of its own.
pub struct Sandbox {
    /// Ends it when dropped.
    _process: Owned,
    pub base_url: String,
    pub username: String,
    pub password: String,
    pub webhook_secret: String,
    pub control_url: String,
    pub client: reqwest::Client,
    /// What it said of itself.
    pub endpoints: Value,
}

impl Sandbox {
    pub fn start(cases: u64) -> anyhow::Result<Self> {
        Self::of(cases, "servicenow")
    }

    /// Of these vendors, with commas between them; ServiceNow is one.
    pub fn of(cases: u64, vendors: &str) -> anyhow::Result<Self> {
        let (process, told) = Owned::role(SANDBOX_ROLE, &[cases.to_string(), vendors.to_owned()])?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("not said by the sandbox");
        let instance = &told["servicenow"];
        Ok(Self {
            _process: process,
            base_url: text(&instance["base_url"])?,
            username: text(&instance["username"])?,
            password: text(&instance["password"])?,
            webhook_secret: text(&instance["webhook_secret"])?,
            control_url: text(&told["control_url"])?,
            client: reqwest::Client::builder().no_proxy().build()?,
            endpoints: told.clone(),
        })
    }

    /// An order to the control port.
    pub async fn order(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.client.post(format!("{}{path}", self.control_url)).body(body.to_string());
        let answer = request.header("content-type", "application/json").send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("the sandbox refused {path}: {status} {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// Requests received after the entry of that number.
    pub async fn journal(&self, since: u64) -> anyhow::Result<Vec<Value>> {
        let url = format!("{}/_sandbox/journal?since={since}", self.control_url);
        let text = self.client.get(url).send().await?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Reads an address of the instance and throws the answer away; answers its length.
    pub async fn fetch(&self, path: &str) -> anyhow::Result<usize> {
        Ok(self.get(path).await?.len())
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<bytes::Bytes> {
        let request = self.client.get(format!("{}{path}", self.base_url));
        let request = request.basic_auth(&self.username, Some(&self.password));
        let answer = request.header("accept", "application/json").send().await?;
        if !answer.status().is_success() {
            bail!("{} for {path}", answer.status());
        }
        Ok(answer.bytes().await?)
    }
}

/// What differs from part to part.
pub struct Wishes {
    pub mode: &'static str,
    pub requests_per_minute: u32,
}

impl Wishes {
    /// The shipped allowance, so that the fetching that webhooks cause is what it would be.
    pub const OBSERVING: Self = Self { mode: "observe", requests_per_minute: 120 };
    pub const WRITING: Self = Self { mode: "write", requests_per_minute: 10_000 };
}

/// As shipped: one place is kept for writes, so reads go over one connection at a time.
pub const CONNECTIONS: usize = 2;
pub const PAGE_SIZE: u32 = 1_000;
/// The first import of a few cases, with the shipped allowance.
const IMPORT_MAX: Duration = Duration::from_secs(300);

/// Files, database and sockets of one daemon; gone when dropped.
pub struct Place {
    /// Where sockets have short names.
    short: TempDir,
    /// On a disk that keeps what is synced.
    state: TempDir,
    pub hooks: SocketAddr,
    pub pages: SocketAddr,
}

impl Place {
    pub fn new(sandbox: &Sandbox, wishes: &Wishes) -> anyhow::Result<Self> {
        let short = tempfile::tempdir()?;
        let state = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let (hooks, pages) = (free_address()?, free_address()?);
        let place = Self { short, state, hooks, pages };
        let dir = place.config();
        std::fs::create_dir_all(dir.join("connectors"))?;
        let main = format!(
            "state_dir = {:?}\n[webhook]\nlisten = \"{hooks}\"\n[metrics]\nlisten = \"{pages}\"\n\
             [control]\nsocket = {:?}\n[log]\nlevel = \"warn\"\n[storage]\nfree_min = \"0%\"\n",
            place.state.path(),
            place.socket(),
        );
        std::fs::write(dir.join("dutyd.toml"), main)?;
        for (name, secret) in [("password", &sandbox.password), ("webhook", &sandbox.webhook_secret)] {
            std::fs::write(dir.join(name), secret)?;
        }
        let Wishes { mode, requests_per_minute } = wishes;
        let start_from = jiff::Timestamp::now();
        let source = format!(
            "mode = \"{mode}\"\nwrites_per_hour = 100000\nstart_from = \"{start_from}\"\n\
             [secrets]\npassword = {{ file = {:?} }}\nwebhook = {{ file = {:?} }}\n\
             [servicenow]\norigin = {:?}\nuser = {:?}\nwebhook_secrets = [\"webhook\"]\n\
             requests_per_minute = {requests_per_minute}\nconcurrency = {CONNECTIONS}\npage_size = {PAGE_SIZE}\n\
             [servicenow.sign_in.basic]\npassword = \"password\"\n",
            dir.join("password"),
            dir.join("webhook"),
            sandbox.base_url,
            sandbox.username,
        );
        std::fs::write(dir.join("connectors/servicenow.toml"), source)?;
        Ok(place)
    }

    pub fn config(&self) -> PathBuf {
        self.short.path().join("etc")
    }

    pub fn state(&self) -> &Path {
        self.state.path()
    }

    fn socket(&self) -> PathBuf {
        self.short.path().join("control.sock")
    }

    /// Starts the daemon here.
    pub fn daemon(&self) -> anyhow::Result<(Owned, Duration)> {
        Owned::daemon(&self.config(), &self.short.path().join("notify.sock"))
    }

    /// Starts the daemon here and waits until it knows these cases and is at rest.
    pub async fn daemon_at_rest(&self, cases: u64) -> anyhow::Result<Owned> {
        let (daemon, _) = self.daemon()?;
        self.settled(cases, IMPORT_MAX).await?;
        Ok(daemon)
    }

    /// What `dutyd status` shows.
    pub async fn status(&self) -> anyhow::Result<Status> {
        match control::ask(&self.socket(), &Ask::Status).await?.context("no daemon")?? {
            Answer::Status(status) => Ok(*status),
            _ => bail!("the daemon answered something else"),
        }
    }

    /// Waits until the first import is done and all cases are read.
    pub async fn read(&self, cases: u64, max: Duration) -> anyhow::Result<()> {
        let read = |row: &SourceRow| row.imported && row.hints == 0 && row.cases >= cases;
        self.until(max, |status| status.sources.iter().all(|source| read(&source.row))).await?;
        Ok(())
    }

    /// Waits until all cases are read and judged, and nothing is due.
    pub async fn settled(&self, cases: u64, max: Duration) -> anyhow::Result<Status> {
        self.read(cases, max).await?;
        self.until(max, |Status { counts, .. }| counts.due == 0 && counts.inbox == 0 && counts.waking == 0)
            .await
    }

    /// Waits until nothing is due.
    pub async fn worked_off(&self, max: Duration) -> anyhow::Result<Status> {
        self.until(max, |Status { counts, .. }| counts.due == 0 && counts.inbox == 0).await
    }

    /// A second source, whose vendor is found at `origin`.
    pub fn add_zendesk(&self, sandbox: &Sandbox, origin: &str) -> anyhow::Result<()> {
        let word = |key: &str| sandbox.endpoints["zendesk"][key].as_str().context("no such endpoint");
        let secret = self.config().join("zendesk");
        std::fs::write(&secret, word("client_secret")?)?;
        let source = format!(
            "mode = \"observe\"\n[secrets]\nclient = {{ file = {secret:?} }}\n[zendesk]\norigin = {origin:?}\n\
             requests_per_minute = 10000\n\
             [zendesk.sign_in.oauth]\nclient_id = {:?}\nclient_secret = \"client\"\n",
            word("client_id")?
        );
        Ok(std::fs::write(self.config().join("connectors/zendesk.toml"), source)?)
    }

    async fn until(&self, max: Duration, is_so: impl Fn(&Status) -> bool) -> anyhow::Result<Status> {
        let began = Instant::now();
        loop {
            let status = self.status().await?;
            if is_so(&status) {
                return Ok(status);
            }
            if began.elapsed() > max {
                bail!(
                    "not so after {max:?}: {}",
                    json!({ "counts": status.counts, "sources": status.sources })
                );
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

/// An address that nobody listens on now.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
