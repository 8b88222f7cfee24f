//! Secrets that can be told from everything else, and a search for them in all that the daemon leaves and says: logs at the
//! most talkative level of every library, database, metrics, answers of all commands, errors.
//!
//! Goal G32 and threats S9 and S24: `cargo test --test it security::canary`.

use crate::play::{all_systems, dawn};
use crate::reliability::measured;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use dutyd::demo::Stage;
use dutyd_sandbox::Options;
use jiff::SignedDuration;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Endings of the files that hold a secret, in the demo's directory.
const SECRET: [&str; 6] =
    ["password", "client_secret", "api_token", "webhook_secret", "pat", "jwt_private_key_pem"];

/// A secret and every form in which it could be written down.
struct Canary {
    name: String,
    forms: Vec<String>,
}

impl Canary {
    fn stands_in<'a>(&'a self, text: &str) -> Option<&'a str> {
        self.forms.iter().find(|form| text.contains(form.as_str())).map(String::as_str)
    }
}

fn canary(name: &str, secret: &str) -> Canary {
    let mut forms = vec![secret.to_owned(), secret.chars().rev().collect()];
    forms.push(hex::encode(secret));
    forms.push(hex::encode_upper(secret));
    forms.push(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
    forms.push(Value::from(secret).to_string().trim_matches('"').to_owned());
    // What stands before it in `user:secret` moves it against the grid of base64.
    for before in 0..3 {
        let shifted = format!("{}{secret}", "x".repeat(before));
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            let whole = engine.encode(&shifted);
            // Without the letters that the neighbours have a part in.
            forms.push(whole[4..whole.len() - 4].to_owned());
        }
    }
    // Of a long one, a line of the middle.
    forms.extend(secret.lines().nth(3).map(str::to_owned));
    forms.retain(|form| form.len() >= 12);
    forms.sort_unstable();
    forms.dedup();
    Canary { name: name.to_owned(), forms }
}

fn canaries(dir: &Path) -> Vec<Canary> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir.join("secrets")).expect("secrets") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if SECRET.iter().any(|ending| name.ends_with(ending)) {
            found.push(canary(&name, &std::fs::read_to_string(&path).expect("a secret")));
        }
    }
    found
}

/// What was searched, and how much of it.
#[derive(Default)]
struct Search {
    bytes: usize,
    places: Vec<String>,
}

impl Search {
    fn look(&mut self, place: &str, bytes: &[u8], canaries: &[Canary]) {
        self.bytes += bytes.len();
        self.places.push(place.to_owned());
        let text = String::from_utf8_lossy(bytes);
        for canary in canaries {
            let found = canary.stands_in(&text);
            assert!(found.is_none(), "{} stands in {place}, as {found:?}", canary.name);
        }
        for scheme in ["Basic ", "Bearer "] {
            let told = text.match_indices(scheme).find(|(at, _)| {
                let word = text[at + scheme.len()..].chars().take_while(|one| one.is_ascii_alphanumeric());
                word.count() >= 16
            });
            assert!(told.is_none(), "credentials in {place}: {told:?}");
        }
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
    let canaries = canaries(&stage.dir);
    assert!(canaries.len() >= 8, "{} secrets", canaries.len());
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
        if SECRET.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
            let secret = std::fs::read_to_string(&path).expect("a secret");
            std::fs::write(&path, format!("{secret}\nX")).expect("written");
        }
    }
    for arguments in [&["check", "--online"][..], &["check"], &["status"]] {
        let output = dutyd(&stage.dir, arguments).output().expect("dutyd runs");
        search.look(&format!("{} with wrong secrets", arguments.join(" ")), &said(&output), &canaries);
    }
    let (places, bytes, secrets) = (search.places.len(), search.bytes, canaries.len());
    measured(
        "G32",
        &format!("{secrets} secrets in all their forms, {places} places, {bytes} bytes: none found"),
    );
}

/// The search finds what it is meant to find.
#[test]
fn a_planted_secret_is_found_in_every_form() {
    let secret = "S3cr3t/with+signs&öther";
    let canary = canary("planted", secret);
    let json = Value::from(format!("{secret}\n")).to_string();
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let basic = |user: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")));
    let places = [
        format!("x{secret}y"),
        json,
        encoded,
        basic("a"),
        basic("ab"),
        basic("abc"),
        hex::encode(secret),
        format!("{secret:?}"),
    ];
    for place in places {
        assert!(canary.stands_in(&place).is_some(), "{place}");
    }
    assert_eq!(canary.stands_in("nothing of it"), None);
}
