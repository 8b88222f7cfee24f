//! Secrets that can be told from everything else, and a search for them in all that the daemon leaves and says: logs at the
//! most talkative level of every library, database, metrics, answers of all commands, errors.
//!
//! Goal G32 and threats S9 and S24: `cargo test --test it security::canary`.

use crate::canary::{Canaries, is_secret, kept_in};
use crate::play::{all_systems, dawn};
use crate::reliability::measured;
use dutyd::demo::Stage;
use dutyd_sandbox::Options;
use jiff::SignedDuration;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What was searched, and how much of it.
#[derive(Default)]
struct Search {
    bytes: usize,
    places: Vec<String>,
}

impl Search {
    fn look(&mut self, place: &str, bytes: &[u8], canaries: &Canaries) {
        self.bytes += bytes.len();
        self.places.push(place.to_owned());
        let found = canaries.stands_in(bytes);
        assert!(found.is_none(), "{found:?} stands in {place}");
    }
}

fn dutyd(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dutyd"));
    command.args(arguments).arg("--config").arg(dir).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
    command.env_remove("NOTIFY_SOCKET").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn metrics(port: u16) -> Vec<u8> {
    let mut answer = Vec::new();
    for path in ["/metrics", "/readyz", "/healthz"] {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the daemon listens");
        write!(socket, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
        socket.read_to_end(&mut answer).expect("an answer");
    }
    answer
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// G32, S9, S24
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stands_in_logs_database_metrics_or_any_answer() {
    let scratch = tempfile::tempdir().expect("a directory");
    let options =
        Options { calm: false, ends_at: Some(dawn() + SignedDuration::from_hours(3)), ..all_systems(3) };
    let stage = Stage::raise(&scratch.path().join("dutyd"), options, "5m").await.expect("a stage");
    let canaries = Canaries::of(&kept_in(&stage.dir));
    assert!(canaries.count >= 8, "{} secrets", canaries.count);
    let settings = stage.dir.join("dutyd.toml");
    let port = free_port();
    let text = std::fs::read_to_string(&settings).expect("settings");
    let text =
        text.replace("[metrics]\nlisten = \"off\"", &format!("[metrics]\nlisten = \"127.0.0.1:{port}\""));
    std::fs::write(&settings, text).expect("settings");

    let mut search = Search::default();
    let mut daemon = dutyd(&stage.dir, &["run"]).spawn().expect("dutyd runs");
    let mut errors = daemon.stderr.take().expect("a pipe");
    let log = tokio::task::spawn_blocking(move || {
        let mut log = Vec::new();
        errors.read_to_end(&mut log).expect("a log");
        log
    });
    let runs = || {
        let output = dutyd(&stage.dir, &["status", "--format", "json"]).output().expect("dutyd runs");
        serde_json::from_slice::<Value>(&output.stdout).is_ok_and(|status| status["running"] == true)
    };
    while !runs() {
        assert!(daemon.try_wait().expect("a child").is_none(), "the daemon has ended");
    }
    search.look("metrics", &metrics(port), &canaries);
    let log = log.await.expect("a log");
    daemon.wait().expect("an end");
    assert!(log.len() > 100_000, "the log tells everything: {} bytes", log.len());
    search.look("the log", &log, &canaries);

    for file in std::fs::read_dir(stage.dir.join("state")).expect("a state directory") {
        let path = file.expect("a file").path();
        if path.is_file() {
            search.look(&path.display().to_string(), &std::fs::read(&path).expect("bytes"), &canaries);
        }
    }
    let list = dutyd(&stage.dir, &["list", "--format", "json"]).output().expect("dutyd runs");
    let list: Value = serde_json::from_slice(&list.stdout).expect("JSON");
    let case = |nth: usize| {
        let flag = &list["flags"][nth];
        let word = |key: &str| flag[key].as_str().unwrap_or_default().to_owned();
        format!("{}/{}", word("source"), word("number"))
    };
    let (one, other) = (case(0), case(1));
    let mut asked: Vec<Vec<&str>> = vec![
        vec!["status"],
        vec!["list"],
        vec!["explain", &one],
        vec!["explain", &other, "--clocks"],
        vec!["check"],
        vec!["plan"],
        vec!["check", "--online"],
        vec!["parked", "list"],
        vec!["parked", "list", "--format", "json"],
        vec!["status", "--format", "json"],
        vec!["explain", &one, "--format", "json"],
        vec!["schema", "config"],
        vec!["schema", "policy"],
        vec!["man"],
    ];
    for vendor in ["servicenow", "jira", "zendesk", "salesforce"] {
        asked.push(vec!["setup", vendor]);
    }
    let said = |output: &Output| [output.stdout.as_slice(), &output.stderr].concat();
    for arguments in &asked {
        let output = dutyd(&stage.dir, arguments).output().expect("dutyd runs");
        search.look(&arguments.join(" "), &said(&output), &canaries);
    }
    // What is said when sign-in fails, when a secret cannot be sent, and when a file is wrong.
    for file in std::fs::read_dir(stage.dir.join("secrets")).expect("secrets") {
        let path = file.expect("a file").path();
        if is_secret(&path.to_string_lossy()) {
            let secret = std::fs::read_to_string(&path).expect("a secret");
            std::fs::write(&path, format!("{secret}\nX")).expect("written");
        }
    }
    for arguments in [&["check", "--online"][..], &["check"], &["status"]] {
        let output = dutyd(&stage.dir, arguments).output().expect("dutyd runs");
        search.look(&format!("{} with wrong secrets", arguments.join(" ")), &said(&output), &canaries);
    }
    let (places, bytes, secrets) = (search.places.len(), search.bytes, canaries.count);
    measured(
        "G32.talkative",
        &format!(
            "logging all that any library says: {secrets} secrets in all their forms, {places} places, {bytes} bytes: none found"
        ),
    );
}
