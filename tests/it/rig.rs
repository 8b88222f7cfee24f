//! A rig: the real `dutyd run` on the machine's clock, a calm sandbox, and callers that ring as fast as they are answered.
//! For what only load and a failing machine bring to light.

use crate::canary::Place;
use crate::shim::Environment;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dutyd::clock::{Clock, SystemClock};
use dutyd::daemon::DATABASE;
use dutyd::demo::free_address;
use dutyd::store::Store;
use dutyd::store::sqlite::SqliteStore;
use dutyd_sandbox::{Options, Running, Sandbox};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A test that waits longer than this for something has found a fault.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest answer to a webhook: a head without a body.
const ANSWER_MAX: usize = 4_096;
const CASES: u64 = 12;

/// See the module.
pub struct Rig {
    dir: Place,
    pub hooks: SocketAddr,
    pub pages: SocketAddr,
    secret: Arc<Vec<u8>>,
    pub sandbox: Running,
}

impl Rig {
    pub async fn new() -> Self {
        Self::beside(Options::default()).await
    }

    /// With its files on this disk.
    pub async fn on(disk: &Path) -> Self {
        Self::with(Options::default(), tempfile::tempdir_in(disk).expect("a directory").into()).await
    }

    /// Beside a sandbox of this kind.
    pub async fn beside(options: Options) -> Self {
        Self::with(options, Place::new()).await
    }

    async fn with(options: Options, dir: Place) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = Options { calm: true, cases: CASES, live: false, listen, ..options };
        let sandbox = Sandbox::start(options).await.expect("a sandbox");
        let vendor = &sandbox.endpoints()["servicenow"];
        let word = |key: &str| vendor[key].as_str().expect(key).to_owned();
        let (hooks, pages) = (free_address().expect("a port"), free_address().expect("a port"));
        for folder in ["state", "connectors", "cred"] {
            std::fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a file");
        write("cred/pw", &word("password"));
        write("cred/hook", &word("webhook_secret"));
        write(
            "dutyd.toml",
            &format!(
                "state_dir = {:?}\nmode = \"write\"\npoll_interval = \"5s\"\n[webhook]\nlisten = \"{hooks}\"\n\
                 [metrics]\nlisten = \"{pages}\"\n[storage]\nfree_min = \"0%\"\n[control]\nsocket = {:?}\n",
                dir.path().join("state"),
                dir.path().join("control.sock")
            ),
        );
        write(
            "connectors/desk.toml",
            &format!(
                "[secrets]\npw = {{ credential = \"pw\" }}\nhook = {{ credential = \"hook\" }}\n[servicenow]\n\
                 origin = {:?}\nuser = {:?}\nwebhook_secrets = [\"hook\"]\nrequests_per_minute = 6000\n\
                 [servicenow.sign_in.basic]\npassword = \"pw\"\n",
                word("base_url"),
                word("username")
            ),
        );
        let secret = Arc::new(word("webhook_secret").into_bytes());
        Self { dir, hooks, pages, secret, sandbox }
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What the next start keeps free on its disk.
    pub fn keeping_free(&self, least: &str) {
        let path = self.file("dutyd.toml");
        let before = std::fs::read_to_string(&path).expect("settings");
        std::fs::write(path, before.replace("\"0%\"", &format!("{least:?}"))).expect("settings");
    }

    /// Starts the daemon and waits until it is ready.
    pub fn start(&self, environment: &Environment) -> Daemon {
        let path = self.file("notify");
        std::fs::remove_file(&path).ok();
        let notices = UnixDatagram::bind(&path).expect("a socket");
        notices.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        // The next log takes its place.
        self.dir.hears(self.log().as_bytes());
        let log = std::fs::File::create(self.file("log")).expect("a log");
        let mut daemon = Daemon { child: self.command(environment).stderr(log).spawn().expect("dutyd runs") };
        let (waits, mut message) = (PATIENCE.as_millis() / 50, [0; 4096]);
        for _ in 0..waits {
            let told = notices.recv(&mut message).map(|length| message[..length].to_vec());
            if told.is_ok_and(|told| String::from_utf8_lossy(&told).contains("READY=1")) {
                return daemon;
            }
            if daemon.child.try_wait().expect("a child").is_some() {
                return daemon;
            }
        }
        panic!("never ready: {}", self.log());
    }

    fn command(&self, environment: &Environment) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dutyd"));
        command.args(["run", "--dev", "--config"]).arg(self.dir.path()).envs(environment.iter().cloned());
        command.env("NOTIFY_SOCKET", self.file("notify")).env_remove("RUST_LOG").stdout(Stdio::null());
        command
    }

    /// What the daemon of the last start logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dutyd"));
        command.args(arguments).args(["--dev", "--format", "json", "--config"]).arg(self.dir.path());
        let output = command.output().expect("dutyd runs");
        self.dir.hears_from(&output);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {output:?}"))
    }

    /// Asks until it is so: the daemon works while we ask, each question is a process of its own.
    pub fn until(&self, arguments: &[&str], so: impl Fn(&Value) -> bool) -> Value {
        let began = now();
        while now().duration_since(began).unsigned_abs() < PATIENCE {
            let value = self.json(arguments);
            if so(&value) {
                return value;
            }
        }
        panic!("never came: {} {}", self.json(arguments), self.log());
    }

    /// Lets the daemon import everything, in peace, and stop. Answers the vendor's ids of the cases.
    pub async fn import(&self) -> Vec<String> {
        let daemon = self.start(&Environment::new());
        self.until(&["status"], |status| status["counts"]["cases"] == CASES);
        assert_eq!(daemon.stop().code(), Some(0), "{}", self.log());
        let store = SqliteStore::open_to_read(&self.state_dir().join(DATABASE)).expect("a database");
        store.states(0, 1_000).await.expect("states").into_iter().map(|row| row.key.id).collect()
    }

    /// A second source, of another vendor.
    pub fn add_zendesk(&self) {
        let vendor = &self.sandbox.endpoints()["zendesk"];
        let word = |key: &str| vendor[key].as_str().expect(key).to_owned();
        std::fs::write(self.file("cred/zendesk"), word("client_secret")).expect("a secret");
        let source = format!(
            "[secrets]\nclient = {{ credential = \"zendesk\" }}\n[zendesk]\norigin = {:?}\n\
             [zendesk.sign_in.oauth]\nclient_id = {:?}\nclient_secret = \"client\"\n",
            word("base_url"),
            word("client_id")
        );
        std::fs::write(self.file("connectors/zendesk.toml"), source).expect("a source");
    }

    /// All callers ring until `each` deliveries were tried or the daemon is gone.
    pub async fn hammer(&self, round: &str, callers: usize, each: usize, cases: &[String]) -> Hammered {
        let mut running = JoinSet::new();
        for caller in 0..callers {
            let (secret, to, round) = (self.secret.clone(), self.hooks, format!("{round}-{caller}"));
            let cases = cases.to_vec();
            running.spawn(async move {
                let mut came = Hammered::default();
                // A connection that breaks off is the daemon's end.
                came.ring(&secret, to, &round, each, &cases).await.ok();
                came
            });
        }
        let mut all = Hammered::default();
        while let Some(came) = running.join_next().await {
            let came = came.expect("a caller");
            all.add(came);
        }
        all
    }

    /// One page of the daemon's, status and body.
    pub async fn page(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.pages).await.expect("the pages' address");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        self.dir.hears(answer.as_bytes());
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }
}

/// Dropping it leaves no process behind.
pub struct Daemon {
    pub child: Child,
}

impl Daemon {
    pub fn end(mut self) -> ExitStatus {
        self.child.wait().expect("an end")
    }

    /// One that has ended meanwhile hears nothing.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).output();
        sent.expect("kill");
    }

    pub fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.end()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What became of many deliveries.
#[derive(Debug, Default)]
pub struct Hammered {
    /// Delivery ids that were answered 2xx.
    pub acknowledged: Vec<String>,
    /// Answered 503 with a time to come again.
    pub busy: usize,
}

impl Hammered {
    pub fn add(&mut self, more: Hammered) {
        self.acknowledged.extend(more.acknowledged);
        self.busy += more.busy;
    }

    async fn ring(
        &mut self,
        secret: &[u8],
        to: SocketAddr,
        name: &str,
        count: usize,
        cases: &[String],
    ) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let mut answer = Vec::with_capacity(ANSWER_MAX);
        for nth in 0..count {
            let event = format!("{name}-{nth}");
            stream.write_all(&delivery(secret, &cases[nth % cases.len()], &event)).await?;
            answer.clear();
            while !answer.ends_with(b"\r\n\r\n") {
                if answer.len() > ANSWER_MAX || stream.read_buf(&mut answer).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
            }
            let answer = String::from_utf8_lossy(&answer).to_lowercase();
            if answer.starts_with("http/1.1 204") {
                self.acknowledged.push(event);
            } else {
                assert!(answer.starts_with("http/1.1 503"), "{answer}");
                assert!(answer.contains("retry-after: "), "{answer}");
                self.busy += 1;
            }
        }
        Ok(())
    }
}

pub fn now() -> Timestamp {
    SystemClock::default().now()
}

/// What ServiceNow's business rule sends.
fn delivery(secret: &[u8], case: &str, event: &str) -> Vec<u8> {
    let now = now();
    let body = json!({
        "table": "incident", "sys_id": case, "number": "INC0010001", "operation": "update", "event_id": event,
        "sys_mod_count": "7", "sys_updated_on": now.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        "sys_updated_by": "somebody",
    });
    let (body, stamp) = (body.to_string(), now.as_second().to_string());
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key");
    for part in [stamp.as_bytes(), b".", body.as_bytes()] {
        mac.update(part);
    }
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let length = body.len();
    format!(
        "POST /hooks/desk HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         X-Dutyd-Timestamp: {stamp}\r\nX-Dutyd-Signature: sha256={signature}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
