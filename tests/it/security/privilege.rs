//! What dutyd may do at all: verbs towards the vendors, files and sockets on its own machine.
//!
//! Threats S16, S17, S18 and S20: `cargo test --test it security::privilege`. The unit's exposure (G36) is in `tidy`; that no
//! request leaves the declared list is promise 21 of the contract; what a write may carry is in `injection`.

use crate::contract::jira_sites::{CLOUD, DATA_CENTER};
use crate::contract::salesforce_org::SALESFORCE;
use crate::contract::subject::{SERVICENOW, ZENDESK};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};

/// Everything that changes something at a vendor, and every question that is asked by POST. Whoever adds a line here gives
/// dutyd a power over customers' tickets.
const POWERS: [&str; 20] = [
    "DELETE /rest/api/2/issue/{id}/properties/dutyd",
    "DELETE /rest/api/3/issue/{id}/properties/dutyd",
    "PATCH /api/now/table/incident/{sys_id}",
    "PATCH /api/now/table/sn_customerservice_case/{sys_id}",
    "PATCH /services/data/{version}/composite/sobjects",
    "POST /oauth/tokens",
    "POST /oauth_token.do",
    "POST /rest/api/2/issue/{id}/comment",
    "POST /rest/api/2/search",
    "POST /rest/api/3/changelog/bulkfetch",
    "POST /rest/api/3/issue/bulkfetch",
    "POST /rest/api/3/issue/{id}/comment",
    "POST /rest/api/3/search/jql",
    "POST /services/data/{version}/composite",
    "POST /services/oauth2/token",
    "PUT /api/v2/tickets/{id}",
    "PUT /rest/api/2/issue/{id}",
    "PUT /rest/api/2/issue/{id}/properties/dutyd",
    "PUT /rest/api/3/issue/{id}",
    "PUT /rest/api/3/issue/{id}/properties/dutyd",
];

/// S16
#[test]
fn no_request_can_do_more_than_the_listed_powers() {
    let subjects = [&SERVICENOW, &ZENDESK, &CLOUD, &DATA_CENTER, &SALESFORCE];
    let all = subjects.iter().flat_map(|subject| subject.requests);
    let mut powers: Vec<&str> = all.copied().filter(|request| !request.starts_with("GET ")).collect();
    powers.sort_unstable();
    powers.dedup();
    assert_eq!(powers, POWERS);
}

const SOURCE: &str = "[secrets]\npw = { file = \"PLACE/pw\" }\n[servicenow]\norigin = \"http://127.0.0.1:9\"\nuser = \"dutyd\"\n\
[servicenow.sign_in.basic]\npassword = \"pw\"\n";

/// A configured directory whose secret lies in a file of this mode.
fn place(mode: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path();
    let settings = format!(
        "state_dir = \"{0}/state\"\n[webhook]\nlisten = \"off\"\n[metrics]\nlisten = \"off\"\n[control]\nsocket = \"{0}/control.sock\"\n",
        at.display()
    );
    std::fs::write(at.join("dutyd.toml"), settings).expect("settings");
    std::fs::create_dir(at.join("connectors")).expect("a folder");
    std::fs::write(at.join("connectors/desk.toml"), SOURCE.replace("PLACE", &at.display().to_string()))
        .expect("a source");
    std::fs::write(at.join("pw"), "hunter2hunter2").expect("a secret");
    std::fs::set_permissions(at.join("pw"), std::fs::Permissions::from_mode(mode)).expect("a mode");
    dir
}

/// Runs a command as an admin with the usual mask would.
fn masked(dir: &Path, arguments: &str) -> Output {
    let line = format!("umask 022; exec \"$0\" {arguments} --config \"$1\"");
    let mut command = Command::new("sh");
    command.args(["-c", &line, env!("CARGO_BIN_EXE_dutyd")]).arg(dir).env_remove("RUST_LOG");
    command.output().expect("dutyd runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// S18
#[test]
fn a_secret_file_that_others_may_read_is_refused_with_the_remedy() {
    for (mode, refused) in
        [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o644, true), (0o666, true)]
    {
        let dir = place(mode);
        let said = text(&masked(dir.path(), "check"));
        assert_eq!(said.contains("may be read by others"), refused, "{mode:o}: {said}");
        assert_eq!(said.contains("chmod 600"), refused, "{mode:o}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
        let run = refused.then(|| masked(dir.path(), "run"));
        assert!(run.is_none_or(|run| run.status.code() == Some(78)), "the daemon does not start");
    }
}

/// S17, S20, S24
#[test]
fn database_and_control_socket_are_for_their_owner_only() {
    let dir = place(0o600);
    let line = "umask 022; exec \"$0\" run --config \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", line, env!("CARGO_BIN_EXE_dutyd")]).arg(dir.path()).env_remove("RUST_LOG");
    let mut daemon = command.stderr(std::process::Stdio::null()).spawn().expect("dutyd runs");
    let mut answered = false;
    for _ in 0..600 {
        answered = masked(dir.path(), "status --format json").status.success();
        if answered && dir.path().join("control.sock").exists() {
            break;
        }
    }
    let mode = |path: &Path| std::fs::symlink_metadata(path).map(|found| found.mode() & 0o777);
    let state = dir.path().join("state");
    let mut modes: Vec<(_, u32)> = vec![(dir.path().join("control.sock"), 0o600), (state.clone(), 0o700)];
    for file in std::fs::read_dir(&state).expect("a state directory").flatten() {
        if file.file_name().to_string_lossy().starts_with("dutyd.db")
            && file.path().extension().is_some_and(|end| end != "lock")
        {
            modes.push((file.path(), 0o600));
        }
    }
    let found: Vec<_> = modes.iter().map(|(path, _)| mode(path).ok()).collect();
    daemon.kill().expect("an end");
    daemon.wait().expect("an end");
    assert!(answered, "the daemon answered on its socket");
    assert!(modes.len() >= 4, "{modes:?}");
    for ((path, wanted), found) in modes.iter().zip(found) {
        // A write-ahead log may be gone by the time it is looked at.
        assert!(found.is_none_or(|found| found & !wanted == 0), "{}: {found:?}", path.display());
    }
}

type Version = (u64, u64, u64);

/// The advisories known when the dependencies were chosen (2026-08-21) and the one that RustSec does not list
/// (CVE-2026-25537): crate, and the first version that is free of it. Where no database of advisories can be reached,
/// this is what is left; `cargo deny check advisories` in `.ci/run` is the real one.
const ADVISED: [(&str, Option<Version>); 12] = [
    ("backoff", None),
    ("hpack", None),
    ("jsonwebtoken", Some((10, 3, 0))),
    ("quick-xml", Some((0, 41, 0))),
    ("rsa", None),
    ("serde_yaml", None),
    ("serde_yml", None),
    ("sqlx", Some((0, 8, 1))),
    ("time", Some((0, 3, 47))),
    ("tokio-postgres", Some((0, 7, 18))),
    ("tracing-subscriber", Some((0, 3, 20))),
    ("openssl", None),
];

fn version(text: &str) -> Version {
    let mut parts = text.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// S21
#[test]
fn no_locked_crate_has_an_advisory_that_we_know_of() {
    let lock = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"))
        .expect("a lock file");
    let lock: toml::Table = lock.parse().expect("TOML");
    let locked = lock["package"].as_array().expect("packages");
    assert!(locked.len() > 200, "{} packages", locked.len());
    for package in locked {
        let word = |key: &str| package.get(key).and_then(toml::Value::as_str).unwrap_or_default();
        let Some((name, free_from)) = ADVISED.iter().find(|(name, _)| *name == word("name")) else {
            continue;
        };
        let free = free_from.is_some_and(|free_from| version(word("version")) >= free_from);
        assert!(free, "{name} {} has an advisory", word("version"));
    }
}
