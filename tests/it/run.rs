//! `dutyd run`, the real binary, against the sandbox on loopback: what systemd, operators and the vendor see of it.

use crate::canary::Place;
use dutyd_sandbox::{Options, Running, Sandbox};
use serde_json::Value;
use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A test that waits longer than this for something has found a fault.
const PATIENCE: Duration = Duration::from_secs(60);

/// The daemon under test with everything it was given.
struct Daemon {
    child: Child,
    dir: Place,
    notices: UnixDatagram,
    _sandbox: Running,
}

async fn daemon(extra: &[(&str, &str)]) -> Daemon {
    let listen = "127.0.0.1:0".parse().expect("an address");
    let options = Options { calm: true, cases: 12, live: false, listen, ..Options::default() };
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    let vendor = &sandbox.endpoints()["servicenow"];
    let word = |key: &str| vendor[key].as_str().expect(key).to_owned();
    let dir = Place::new();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("cred/pw", &word("password"));
    let settings = format!(
        "state_dir = {:?}\nmode = \"write\"\npoll_interval = \"5s\"\n[webhook]\nlisten = \"off\"\n[metrics]\n\
         listen = \"off\"\n[control]\nsocket = {:?}\n",
        dir.path().join("state"),
        dir.path().join("control.sock")
    );
    write("dutyd.toml", &settings);
    let source = format!(
        "[secrets]\npw = {{ credential = \"pw\" }}\n[servicenow]\norigin = {:?}\nuser = {:?}\n\
         requests_per_minute = 6000\n[servicenow.sign_in.basic]\npassword = \"pw\"\n",
        word("base_url"),
        word("username")
    );
    write("connectors/desk.toml", &source);
    for (name, text) in extra {
        write(name, text);
    }
    let notices = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
    notices.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let child = Command::new(env!("CARGO_BIN_EXE_dutyd"))
        .args(["run", "--dev", "--config"])
        .arg(dir.path())
        .env("NOTIFY_SOCKET", dir.path().join("notify"))
        .env("WATCHDOG_USEC", "3000000")
        .env_remove("WATCHDOG_PID")
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .spawn()
        .expect("dutyd runs");
    Daemon { child, dir, notices, _sandbox: sandbox }
}

impl Daemon {
    /// Waits until systemd would have been told so.
    fn told(&self, wanted: &str) {
        let mut heard = Vec::new();
        let mut message = [0; 4096];
        loop {
            let length =
                self.notices.recv(&mut message).unwrap_or_else(|_| panic!("{wanted}, heard: {heard:?}"));
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            if text.contains(wanted) {
                return;
            }
            heard.push(text);
        }
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        let output = dutyd(self.dir.path(), arguments);
        self.dir.hears_from(&output);
        output
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.ask(&[arguments, &["--format", "json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {output:?}"))
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    /// Takes in what nobody waits for, as systemd does: a full socket would hold the daemon up.
    fn drain(&self) {
        self.notices.set_nonblocking(true).expect("a socket");
        while self.notices.recv(&mut [0; 4096]).is_ok() {}
        self.notices.set_nonblocking(false).expect("a socket");
    }

    /// Asks until it is so: the daemon works while we ask, each question is a process of its own.
    fn until(&self, arguments: &[&str], so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..6_000 {
            self.drain();
            let value = self.json(arguments);
            if so(&value) {
                return value;
            }
        }
        panic!("never came: {}", self.json(arguments));
    }

    /// Ends it and gives back its exit code and log.
    fn stop(mut self) -> (Option<i32>, String) {
        self.signal("TERM");
        let mut log = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut log).expect("text");
        self.dir.hears(log.as_bytes());
        (self.child.wait().expect("an end").code(), log)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn dutyd(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dutyd"));
    command.args(arguments).args(["--dev", "--config"]).arg(dir).output().expect("dutyd runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_tells_systemd_answers_operators_marks_cases_and_stops_in_order() {
    let daemon = daemon(&[]).await;
    daemon.told("READY=1");
    daemon.told("WATCHDOG=1");

    let status = daemon.until(&["status"], |status| status["sources"][0]["row"]["imported"] == true);
    assert_eq!(status["running"], true);
    assert_eq!(status["sources"][0]["blind_since"], Value::Null);
    let list =
        daemon.until(&["list"], |list| list["flags"].as_array().is_some_and(|flags| !flags.is_empty()));
    let flag = &list["flags"][0];
    let case = format!("desk/{}", flag["number"].as_str().expect("a number"));
    let told = daemon.until(&["explain", &case], |told| told["marks"]["marker"] != Value::Null);
    let rule = &flag["rule"];
    assert!(
        told["rules"]
            .as_array()
            .expect("rules")
            .iter()
            .any(|line| line["rule"] == *rule && line["says"] == "fires")
    );
    let text = String::from_utf8_lossy(&daemon.ask(&["explain", &case]).stdout).into_owned();
    for heading in ["Flags", "Rules", "Clocks", "Events, the last", "On the vendor's record"] {
        assert!(text.contains(heading), "{heading} in {text}");
    }
    let lives = daemon.json(&["explain", &case, "--clocks"]);
    let clocks = lives["clocks"].as_array().expect("clocks");
    assert!(clocks.iter().any(|clock| clock["clock"] == "resolution"), "{lives}");
    for clock in clocks {
        let seconds = |key: &str| clock[key].as_i64().expect("seconds");
        let parts = seconds("elapsed_seconds") + seconds("paused_seconds") + seconds("off_hours_seconds");
        assert_eq!(parts, seconds("wall_seconds"), "{clock}");
        assert_eq!(clock["steps"][0]["what"], "attach", "{clock}");
    }

    assert_eq!(daemon.ask(&["pause", "desk"]).status.code(), Some(0));
    assert_eq!(daemon.json(&["status"])["sources"][0]["row"]["paused"], true);
    assert_eq!(daemon.ask(&["resume", "desk"]).status.code(), Some(0));
    assert_eq!(daemon.ask(&["pause", "dsk"]).status.code(), Some(1), "no such source");
    assert_eq!(daemon.ask(&["parked", "retry", "w999"]).status.code(), Some(1), "nothing of that id");
    assert_eq!(daemon.json(&["parked", "list"]), Value::Array(Vec::new()));

    let said = |arguments: &[&str]| String::from_utf8_lossy(&daemon.ask(arguments).stdout).into_owned();
    assert!(said(&["unmark", "desk"]).contains("Nothing was changed; add --yes"));
    assert_eq!(daemon.json(&["status"])["sources"][0]["mode"], "write");
    let told = daemon.json(&["explain", &case]);
    assert_ne!(told["marks"]["marker"], Value::Null, "asking took nothing off");
    assert!(said(&["unmark", "desk", "--yes"]).contains("set its mode to \"observe\""));
    daemon.until(&["explain", &case], |told| told["marks"]["marker"] == Value::Null);
    assert_eq!(daemon.json(&["status"])["sources"][0]["mode"], "observe");

    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopping"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_policy_is_refused_by_reload_and_the_old_one_stays() {
    const RULE: &str = "[[rules]]\nname = \"old\"\ntitle = \"Old\"\ntext = \"Open for {case.age.wall}.\"\n\
                        severity = \"warning\"\nwhen = \"case.open && case.age.wall >= minutes(1)\"\n";
    let daemon = daemon(&[("policy/rules.toml", RULE)]).await;
    daemon.told("READY=1");
    let before = daemon.json(&["status"])["policy"].clone();
    let path = daemon.dir.path().join("policy/rules.toml");

    std::fs::write(&path, RULE.replace("case.open", "case.opn")).expect("a file");
    let refused = daemon.ask(&["reload"]);
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(message.contains("the one in force stays"), "{message}");
    assert!(message.contains("rules.toml:6:9"), "{message}");
    assert_eq!(daemon.json(&["status"])["policy"], before);

    let flags = |status: &Value| status["counts"]["flags"][1].as_u64().unwrap_or(0);
    let all = |status: &Value| flags(status) > 0 && status["counts"]["open"] == flags(status);
    let flagged = flags(&daemon.until(&["status"], all));
    std::fs::write(&path, RULE.replace("\"warning\"", "\"candidate\"")).expect("a file");
    for asked in [&["plan"][..], &["reload", "--dry-run"]] {
        let plan = daemon.json(asked);
        assert_eq!((&plan["change"], &plan["gain"], &plan["lose"]), (&flagged.into(), &0.into(), &0.into()));
        let example = plan["by_rule"]["old"]["change"]["examples"][0].as_str().expect("an example");
        assert!(example.ends_with(": warning -> candidate"), "{example}");
        assert_eq!(daemon.json(&["status"])["policy"], before, "a plan changes nothing");
    }
    let reloaded = daemon.ask(&["reload"]);
    let said = String::from_utf8_lossy(&reloaded.stdout).into_owned();
    assert!(said.contains(&format!("0 gain, 0 lose and {flagged} change a flag")), "{said}");

    let before = daemon.json(&["status"])["policy"].clone();
    std::fs::write(&path, RULE.replace("minutes(1)", "minutes(2)")).expect("a file");
    daemon.signal("HUP");
    daemon.until(&["status"], |status| status["policy"] != before);
    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_database_is_refused_and_without_one_the_database_answers() {
    let daemon = daemon(&[]).await;
    daemon.told("READY=1");
    daemon.until(&["status"], |status| status["sources"][0]["row"]["imported"] == true);
    let second = daemon.ask(&["run"]);
    assert_eq!(second.status.code(), Some(74), "{second:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use by another dutyd"), "{second:?}");
    let table: [(&[&str], i32, &str); 7] = [
        (&["parked", "retry", "nope"], 1, "nothing is parked as `nope`"),
        (&["parked", "drop", "w999"], 1, "nothing is parked as `w999`"),
        (&["pause", "nope"], 1, "no source is called `nope`"),
        (&["audit", "verify", "--head", "c0ffee"], 2, "a hash has 64 digits"),
        (&["explain", "x", "--at", "2200-01-01T00:00:00Z"], 1, "no case is known as `x`"),
        (&["explain", "x", "--at", "soon"], 1, "write date, time and offset"),
        (&["audit", "show", "--since", "soon"], 1, "or a date: 2026-03-27, or a span back: 12h"),
    ];
    for (asked, code, said) in table {
        let refused = daemon.ask(asked);
        assert_eq!(refused.status.code(), Some(code), "{asked:?}: {refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(said), "{asked:?}: {refused:?}");
    }

    for since in ["12h", "2020-01-01", "2020-01-01 09:00:00 UTC"] {
        let rows = daemon.json(&["audit", "show", "--since", since]);
        assert!(rows.as_array().is_some_and(|rows| !rows.is_empty()), "{since}: {rows}");
    }

    let dir = daemon.dir.path().to_owned();
    daemon.signal("KILL");
    let mut daemon = daemon;
    daemon.child.wait().expect("an end");
    let output = dutyd(&dir, &["status", "--format", "json"]);
    let status: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!((&status["running"], &status["counts"]["cases"]), (&Value::from(false), &Value::from(12)));
    let list = String::from_utf8_lossy(&dutyd(&dir, &["list"]).stdout).into_owned();
    assert!(list.starts_with("dutyd does not run; this is what its database says\n"), "{list}");
    let in_force = status["policy"].clone();
    assert_eq!(
        status["sources"][0]["bound_seconds"],
        5 + 10 + 60,
        "poll interval, lag, scan: without a secret"
    );

    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("a file");
    std::fs::create_dir(dir.join("policy")).expect("a folder");
    std::fs::rename(dir.join("cred/pw"), dir.join("cred/gone")).expect("a secret");
    write("policy/rules.toml", "[[rules]]\nname = \"x\"\nseverity = \"watch\"\nwhen = \"case.opn\"\n");
    write("connectors/broken.toml", "[servicenow");
    let settings = std::fs::read_to_string(dir.join("dutyd.toml")).expect("a file");
    write("dutyd.toml", &format!("{settings}[text]\nzone = \"Europe/Berln\"\n"));
    let asked: [&[&str]; 5] =
        [&["status"], &["list"], &["audit", "show"], &["parked", "list"], &["explain", "desk/INC0010001"]];
    for asked in asked {
        let output = dutyd(&dir, &[asked, &["--format", "json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{asked:?}: {said}");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        for wrong in
            ["dutyd.toml:", "broken.toml:1:", "rules.toml:4:", "answered by the policy last in force"]
        {
            assert!(said.contains(wrong), "{asked:?}: {wrong}: {said}");
        }
        if asked == ["status"] {
            assert_eq!((&answer["policy"], &answer["sources"][0]["name"]), (&in_force, &Value::from("desk")));
        }
    }
    let plan = dutyd(&dir, &["plan"]);
    assert_eq!(plan.status.code(), Some(78), "it asks about the policy on disk: {plan:?}");
    std::fs::rename(dir.join("cred/gone"), dir.join("cred/pw")).expect("a secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_first_which_sources_are_not_seen() {
    const DEAD: &str = "[secrets]\npw = { credential = \"pw\" }\n[servicenow]\norigin = \"http://127.0.0.1:9\"\n\
                        user = \"dutyd\"\n[servicenow.sign_in.basic]\npassword = \"pw\"\n";
    let daemon = daemon(&[("connectors/dead.toml", DEAD)]).await;
    daemon.told("READY=1");
    daemon.until(&["status"], |status| status["sources"][1]["row"]["imported"] == true);
    let list = daemon.until(&["list"], |list| list["unseen"][0]["trouble"].is_string());
    assert_eq!(list["running"], true);
    let unseen = list["unseen"].as_array().expect("sources");
    assert_eq!(
        (unseen.len(), &unseen[0]["source"], &unseen[0]["because"]),
        (1, &"dead".into(), &"importing".into())
    );
    let said = |arguments: &[&str]| String::from_utf8_lossy(&daemon.ask(arguments).stdout).into_owned();
    let text = said(&["list"]);
    let first = "not seen: dead: its first import is held up: ";
    assert!(text.starts_with(first), "{text}");
    assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("known: ")), "{text}");
    assert_eq!(daemon.ask(&["pause", "desk"]).status.code(), Some(0));
    let text = said(&["list"]);
    let paused = text.lines().nth(1).expect("a line");
    assert!(paused.starts_with("not seen: desk since ") && paused.contains(": paused; "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_forgotten_on_order_and_the_audit_log_holds() {
    let daemon = daemon(&[]).await;
    daemon.told("READY=1");
    daemon.until(&["list"], |list| list["flags"].as_array().is_some_and(|flags| !flags.is_empty()));
    let list = daemon.json(&["list"]);
    let customer = list["flags"][0]["customer"].as_str().expect("a customer").to_owned();
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let asked = daemon.ask(&["erase", &customer]);
    assert_eq!(asked.status.code(), Some(0), "{asked:?}");
    assert!(said(&asked).contains("Nothing was erased"), "{asked:?}");
    let erased = daemon.ask(&["erase", &customer, "--yes"]);
    assert!(said(&erased).contains("are forgotten"), "{erased:?}");
    let verified = daemon.json(&["audit", "verify"]);
    assert_eq!(verified["faults"], serde_json::json!([]), "{verified}");
    assert!(verified["erased"].as_u64().expect("a count") > 0, "{verified}");
    let head = verified["head"].as_str().expect("a hash");
    assert_eq!(daemon.ask(&["audit", "verify", "--head", head]).status.code(), Some(0));
    assert_eq!(daemon.ask(&["audit", "verify", "--head", &"0".repeat(64)]).status.code(), Some(1));
    assert_eq!(daemon.ask(&["erase", "Nobody At All", "--yes"]).status.code(), Some(1));
}
