//! What the README tells people to type, typed.

use crate::canary::Place;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn dutyd(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dutyd"));
    command.args(arguments).current_dir(dir).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command.output().expect("dutyd runs")
}

/// The one JSON document on standard output.
fn json(dir: &Place, arguments: &[&str]) -> Value {
    let output = dutyd(dir.path(), &[arguments, &["--format", "json"]].concat());
    dir.hears_from(&output);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {output:?}"))
}

#[test]
fn the_readmes_demo_prints_one_object_and_leaves_what_status_list_and_explain_answer_from() {
    let dir = Place::new();
    let summary = json(&dir, &["demo", "--seconds", "3", "--cases", "15"]);
    let vendors = summary["vendors"].as_object().expect("vendors");
    assert!(vendors.contains_key("servicenow"));
    for (name, vendor) in vendors {
        let figure = |key: &str| vendor[key].as_u64().unwrap_or_else(|| panic!("{name}.{key} in {summary}"));
        for key in ["cases", "flagged", "notes", "api_calls"] {
            assert!(figure(key) > 0, "{name}.{key} in {summary}");
        }
        assert_eq!((figure("missing"), figure("doubled")), (0, 0), "{name} in {summary}");
    }

    let config = ["--config", "dutyd-demo"];
    let status = json(&dir, &[&config[..], &["status"]].concat());
    assert_eq!(status["sources"].as_array().map(Vec::len), Some(vendors.len()));
    assert!(
        status["sources"].as_array().expect("sources").iter().all(|source| source["row"]["imported"] == true)
    );
    let list = json(&dir, &[&config[..], &["list"]].concat());
    let flag = &list["flags"][0];
    let case = format!(
        "{}/{}",
        flag["source"].as_str().expect("a source"),
        flag["number"].as_str().expect("a number")
    );
    let told = json(&dir, &[&config[..], &["explain", &case]].concat());
    assert_eq!(told["case"]["number"], flag["number"]);
    // The time of a decision, as printed, asks for what was known when it was made.
    let decisions = told["decisions"].as_array().expect("decisions");
    for decision in decisions.iter().filter(|decision| decision["kind"] == "raise") {
        let at = decision["at"].as_str().expect("an instant");
        let then = json(&dir, &[&config[..], &["explain", &case, "--at", at]].concat());
        let rules = then["rules"].as_array().expect("rules");
        let says: Vec<_> =
            rules.iter().filter(|rule| rule["rule"] == decision["rule"]).map(|rule| &rule["says"]).collect();
        assert_eq!(says, ["fires"], "{decision}");
    }
    assert!(!decisions.is_empty());
    let text = dutyd(dir.path(), &[&config[..], &["explain", &case]].concat());
    assert!(
        String::from_utf8_lossy(&text.stdout).contains(flag["why"].as_str().expect("a reason")),
        "{text:?}"
    );
}

/// The commands of the first block of a page behind `heading`, as they run where this machine is left alone: as who we are,
/// below `root`, with `dutyd` from the build. What builds, starts services or asks the network is left out.
fn commands(page: &str, heading: &str, root: &Path) -> Vec<String> {
    let path = format!("{}/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    let block = text.split_once(heading).and_then(|(_, rest)| rest.split("```").nth(1)).expect(heading);
    let elsewhere = |line: &str| {
        let sends = line.contains("notify test") && !line.contains("--show");
        sends || ["cargo ", "systemctl ", "/usr/bin/dutyd"].iter().any(|word| line.contains(word))
    };
    let below = |line: &str| {
        ["/etc/", "/usr/"].iter().fold(line.replace("sudo ", "").replace(" --online", ""), |line, dir| {
            line.replace(&format!(" {dir}"), &format!(" {}{dir}", root.display()))
        })
    };
    block.lines().filter(|line| !line.is_empty() && !elsewhere(line)).map(below).collect()
}

#[test]
fn what_the_pages_say_to_install_and_to_tell_people_works_as_it_is_written() {
    let root = tempfile::tempdir().expect("a directory");
    let bin = root.path().join("bin");
    std::fs::create_dir_all(root.path().join("etc/systemd/system")).expect("a folder");
    std::fs::create_dir(&bin).expect("a folder");
    let script = format!(
        "#!/bin/sh\nexec {} --config {}/etc/dutyd \"$@\"\n",
        env!("CARGO_BIN_EXE_dutyd"),
        root.path().display()
    );
    std::fs::write(bin.join("dutyd"), script).expect("a script");
    let path = std::env::var("PATH").expect("a PATH");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(bin.join("dutyd"), mode).expect("a mode");
    let blocks = [
        ("README.md", "## Install\n", "p4ssword", 8),
        ("docs/NOTIFICATIONS.md", "# Telling people\n", "https://hooks.example.com/services/T/B/x", 5),
    ];
    for (page, heading, secret, count) in blocks {
        let commands = commands(page, heading, root.path());
        assert_eq!(commands.len(), count, "{page}: {commands:#?}");
        for command in commands {
            let typed = format!("echo {secret} | {{ {}\n}}", command);
            let output = Command::new("sh")
                .args(["-c", &typed])
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .env("PATH", format!("{}:{path}", bin.display()))
                .output()
                .expect("a shell");
            assert!(output.status.success(), "{page}: {command}: {output:?}");
        }
    }
    let list = dutyd(root.path(), &["--config", "etc/dutyd", "notify", "list"]);
    assert!(String::from_utf8_lossy(&list.stdout).starts_with("duty-slack"), "{list:?}");
}

#[test]
fn a_directory_that_is_not_a_demos_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let precious = dir.path().join("dutyd-demo/precious");
    std::fs::create_dir(dir.path().join("dutyd-demo")).expect("a folder");
    std::fs::write(&precious, "mine").expect("a file");
    let output = dutyd(dir.path(), &["demo", "--seconds", "1", "--format", "json"]);
    assert_ne!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--dir"), "{output:?}");
    assert_eq!(std::fs::read_to_string(&precious).expect("still there"), "mine");
}

/// Where the README says the real log lies, seen from the project.
const LOG: &str = "../shared/data/servicenow-incident-log/incident_event_log.csv.xz";

#[test]
fn the_real_log_is_read_to_its_last_row_where_it_is_there() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join(LOG);
    if !log.exists() {
        println!("not run: log absent");
        return;
    }
    let log = dutyd_incident_log::read(&log).expect("the log can be read");
    assert_eq!(log.ends.len(), 24_918);
    assert!(log.ends.iter().any(|end| !end.made_sla) && log.ends.iter().any(|end| end.made_sla));
}
