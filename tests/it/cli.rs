//! The commands as scripts and people see them: exit codes, messages, output.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// A configuration directory with these files.
fn configured(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let state = dir.path().join("state");
    let settings = format!(
        "state_dir = {state:?}\n[webhook]\nlisten = \"off\"\n[metrics]\nlisten = \"off\"\n[control]\nsocket = {socket:?}\n",
        socket = dir.path().join("control.sock"),
    );
    std::fs::write(dir.path().join("dutyd.toml"), settings).expect("settings");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    dir
}

fn dutyd(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dutyd"));
    command.args(arguments).arg("--config").arg(dir).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command.output().expect("dutyd runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("dutyd is not killed")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A source on an address where nobody listens.
const SOURCE: &str = r#"
[secrets]
pw = { env = "PATH" }
[servicenow]
origin = "http://127.0.0.1:9"
user = "dutyd"
[servicenow.sign_in.basic]
password = "pw"
"#;

#[test]
fn each_way_to_end_has_its_exit_code() {
    let good = configured(&[("connectors/acme.toml", SOURCE)]);
    let bad = configured(&[("connectors/acme.toml", "[servicenow]\norign = \"x\"\n")]);
    let rule = configured(&[("policy/rules.toml", "[[rules]]\nname = \"x\"\nwhen = \"case.opn\"\n")]);
    let empty = configured(&[]);
    let nowhere = Path::new("/nonexistent");
    let (from, to) = ("2026-03-02T09:00:00+01:00", "2026-03-03T09:00:00+01:00");
    let table: [(&Path, &[&str], i32); 21] = [
        (nowhere, &["calendar", "between", "office", from, to], 0),
        (nowhere, &["calendar", "between", "ofice", from, to], 1),
        (nowhere, &["calendar", "add", "office", from, "soon"], 1),
        (nowhere, &["calendar", "between", "office", "yesterday", to], 2),
        (good.path(), &["check", "--dev"], 0),
        (good.path(), &["schema", "config"], 0),
        (good.path(), &["completions", "bash"], 0),
        (good.path(), &["man"], 0),
        (good.path(), &["setup", "servicenow"], 0),
        (nowhere, &["setup", "jira"], 0),
        (nowhere, &["setup", "jira-dc"], 0),
        (good.path(), &["setup", "sevicenow"], 1),
        (bad.path(), &["check"], 1),
        (rule.path(), &["check"], 1),
        (good.path(), &["chek"], 2),
        (good.path(), &["explain"], 2),
        (good.path(), &["check", "--online", "--dev"], 69),
        (good.path(), &["status", "--dev"], 69),
        (good.path(), &["pause", "acme", "--dev"], 69),
        (nowhere, &["run"], 78),
        (empty.path(), &["run"], 78),
    ];
    for (dir, arguments, expected) in table {
        let output = dutyd(dir, arguments);
        assert_eq!(code(&output), expected, "{arguments:?}: {}{}", stdout(&output), stderr(&output));
    }
    let output = dutyd(bad.path(), &["run"]);
    assert_eq!(code(&output), 78);
}

#[test]
fn the_exit_codes_stand_in_the_help() {
    let help = stdout(&dutyd(Path::new("/nonexistent"), &["--help"]));
    for code in ["  0 ", "  1 ", "  2 ", "  69 ", "  70 ", "  74 ", "  78 "] {
        assert!(help.contains(code), "{code} in {help}");
    }
}

#[test]
fn a_secret_from_the_environment_is_refused_without_dev() {
    let dir = configured(&[("connectors/acme.toml", SOURCE)]);
    let output = dutyd(dir.path(), &["check"]);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("acme.toml:3:1: secret `pw`"), "{}", stdout(&output));
    assert!(stdout(&output).contains("-> use { credential"), "{}", stdout(&output));
}

#[test]
fn check_says_where_what_and_what_to_do_and_ends_with_a_summary() {
    let source = SOURCE.replace("user =", "usr =");
    let dir = configured(&[("connectors/acme.toml", &source)]);
    let output = dutyd(dir.path(), &["check", "--dev"]);
    let text = stdout(&output);
    assert!(text.contains("acme.toml:6:1: unknown key `usr`\n  -> did you mean `user`?"), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.starts_with("1 problem to mend")), "{text}");
    let json = dutyd(dir.path(), &["check", "--dev", "--format", "json"]);
    let report: Value = serde_json::from_slice(&json.stdout).expect("one JSON document");
    let places: Vec<_> =
        report["problems"].as_array().expect("a list").iter().map(|problem| &problem["line"]).collect();
    assert_eq!(places, [&Value::from(6)], "`usr` is unknown, and `user` is not missing too: {report}");
}

#[test]
fn the_shipped_policy_has_no_problem_and_its_examples_run() {
    let dir = configured(&[("connectors/acme.toml", SOURCE)]);
    let output = dutyd(dir.path(), &["check", "--dev", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(report["problems"], Value::Array(Vec::new()));
    let rules = report["rules"].as_u64().expect("a number");
    assert!(rules >= 10, "{rules} rules");
    assert!(report["examples"].as_u64().expect("a number") >= 2 * rules, "each fires and each stays quiet");
}

#[test]
fn check_remarks_on_sources_and_fields_that_no_connector_file_has() {
    let policy = "[customers.Acme]\naliases = [{ source = \"acne\", id = \"1\" }]\n[[rules]]\nname = \"emea\"\ntext = \"t\"\n\
                  severity = \"watch\"\nwhen = \"case.fields.regoin == 'EMEA'\"\n[[rules.examples]]\nat = \"1h\"\nexpect = \"quiet\"\n";
    let source = format!("{SOURCE}[servicenow.fields.region]\ncolumn = \"location.u_region\"\n");
    let dir = configured(&[("connectors/acme.toml", &source), ("policy/mine.toml", policy)]);
    let output = dutyd(dir.path(), &["check", "--dev"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "another machine may have them: {text}");
    for told in [
        "mine.toml:2:23: no source here is called `acne`\n  -> did you mean `acme`?",
        "mine.toml:7:9: no connector file here maps a field `regoin`\n  -> did you mean `region`?",
    ] {
        assert!(text.contains(&format!("remark: {}/policy/{told}", dir.path().display())), "{told}: {text}");
    }
    assert!(
        text.lines().last().is_some_and(|line| line.starts_with("ok: ") && line.contains(" remarks; add")),
        "{text}"
    );
}

#[test]
fn setup_goes_by_the_admins_own_file_before_there_are_secrets() {
    let own = SOURCE.replace("http://127.0.0.1:9", "https://myco.service-now.com")
        + "[servicenow.marks]\nanswer = \"u_say\"\n";
    let own = own.replace("{ env = \"PATH\" }", "{ credential = \"not-yet\" }");
    let dir = configured(&[("connectors/desk.toml", &own)]);
    for system in ["servicenow", "desk"] {
        let output = dutyd(dir.path(), &["setup", system]);
        let text = stdout(&output);
        assert!(
            text.contains("https://myco.service-now.com") && text.contains("/hooks/desk"),
            "{system}: {text}"
        );
        assert!(text.contains("u_say") && !text.contains("example values"), "{system}: {text}");
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{system}");
    }
    for (system, address) in
        [("jira-dc", "https://jira.acme.example"), ("jira", "https://acme.atlassian.net")]
    {
        let text = stdout(&dutyd(dir.path(), &["setup", system]));
        assert!(
            text.starts_with("example values: no source of this kind is configured\n"),
            "{system}: {text}"
        );
        assert!(text.contains(address), "{system}: {text}");
    }
    let broken =
        configured(&[("connectors/desk.toml", "[servicenow]\norign = \"https://myco.service-now.com\"\n")]);
    let output = dutyd(broken.path(), &["setup", "servicenow"]);
    assert!(stdout(&output).starts_with("example values"), "{}", stdout(&output));
    assert!(stderr(&output).contains("desk.toml:2:1: unknown key `orign`"), "{}", stderr(&output));
}

#[test]
fn setup_says_which_lines_name_what_is_optional() {
    let table = [
        ("servicenow", "u_dutyd_answer", "servicenow-webhook"),
        ("zendesk", "Dutyd answer", "zendesk-webhook"),
        ("salesforce", "Dutyd_Answer__c", ""),
        ("jira", "", "jira-webhook"),
        ("jira-dc", "", "jira-dc-webhook"),
    ];
    for (system, answer, secret) in table {
        let text = stdout(&dutyd(Path::new("/nonexistent"), &["setup", system]));
        let says = |line: String| assert!(text.contains(&line), "{system}: {line} in:\n{text}");
        if !answer.is_empty() {
            says("The last one is optional".to_owned());
            says(format!("under [{system}.marks] of the connector file: answer = \"{answer}\""));
        }
        if !secret.is_empty() {
            says(format!("under [secrets]: {secret} = {{ credential = \"{secret}\" }}"));
            says(format!("webhook_secrets = [\"{secret}\"]"));
        }
    }
}

#[test]
fn check_says_that_nothing_is_watched_yet() {
    let text = stdout(&dutyd(configured(&[]).path(), &["check"]));
    assert!(
        text.contains("connectors: no source is configured\n  -> put one file per system there"),
        "{text}"
    );
}

/// The last line of `dutyd check` with these arguments and files.
fn last_line(files: &[(&str, &str)], arguments: &[&str]) -> (i32, String, String) {
    let output = dutyd(configured(files).path(), &[&["check", "--dev"], arguments].concat());
    let text = stdout(&output);
    (code(&output), text.lines().last().unwrap_or_default().to_owned(), text)
}

#[test]
fn the_last_line_of_check_says_whose_rules_and_how_many_systems_were_not_reached() {
    let source = ("connectors/acme.toml", SOURCE);
    let (ended, last, text) = last_line(&[source], &[]);
    assert!(
        ended == 0 && last.starts_with("ok: 1 source, ") && last.contains(" shipped rules with "),
        "{text}"
    );
    let (ended, last, text) = last_line(&[source, ("policy/README", "")], &[]);
    assert!(ended == 0 && last.starts_with("ok: 1 source, 0 rules with 0 examples, "), "{text}");
    assert!(text.contains("policy: there is no rule in it: nothing is ever flagged"), "{text}");
    let (ended, last, text) = last_line(&[source], &["--online"]);
    assert!(ended == 69 && last.starts_with("1 system not reached"), "{text}");
    let broken = ("connectors/broken.toml", "[servicenow");
    let (ended, last, text) = last_line(&[source, broken], &["--online"]);
    assert!(ended == 1 && last.starts_with("1 problem to mend, 1 system not reached"), "{text}");
    assert!(
        text.contains("acme: 127.0.0.1 cannot be reached"),
        "one broken file hides no other source: {text}"
    );
}

#[test]
fn an_unreachable_system_is_told_in_plain_words() {
    let dir = configured(&[("connectors/acme.toml", SOURCE)]);
    let output = dutyd(dir.path(), &["check", "--online", "--dev"]);
    let text = stdout(&output);
    assert!(text.contains("acme: 127.0.0.1 cannot be reached"), "{text}");
    assert!(text.contains("check the address, the network and the proxy"), "{text}");
}

#[test]
fn without_daemon_and_database_the_commands_say_how_to_begin() {
    let dir = configured(&[("connectors/acme.toml", SOURCE)]);
    for command in [&["status"][..], &["list"], &["explain", "INC1"], &["parked", "list"]] {
        let arguments = [command, &["--dev"]].concat();
        let output = dutyd(dir.path(), &arguments);
        assert!(stderr(&output).contains("start it: dutyd run"), "{command:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "nothing that a script could mistake for an answer");
    }
}

#[test]
fn what_an_error_points_to_is_inside_the_binary() {
    let nowhere = Path::new("/nonexistent");
    let shipped = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    for kind in ["servicenow", "jira", "jira-dc", "zendesk", "salesforce"] {
        let output = dutyd(nowhere, &["setup", kind, "--example"]);
        let file = shipped(&format!("config/connectors/{kind}.toml")).expect("a file");
        assert_eq!((code(&output), stdout(&output)), (0, file), "{kind}");
    }
    let configured = configured(&[("connectors/acme.toml", SOURCE)]);
    let of_source = stdout(&dutyd(configured.path(), &["setup", "acme", "--example", "--dev"]));
    assert_eq!(of_source, shipped("config/connectors/servicenow.toml").expect("a file"));
    assert_eq!(code(&dutyd(nowhere, &["setup", "acme", "--example"])), 1);
    let words = stdout(&dutyd(nowhere, &["words"]));
    let page = shipped("docs/POLICY.md").expect("a page");
    assert!(words.lines().all(|line| page.contains(line)), "as docs/POLICY.md has them: {words}");
    assert!(words.contains("| `case.priority` |"), "{words}");
}

#[test]
fn every_command_has_a_manual_page_and_a_completion() {
    let dir = tempfile::tempdir().expect("a directory");
    let pages = dir.path().join("man");
    std::fs::create_dir(&pages).expect("a folder");
    let output = dutyd(Path::new("/nonexistent"), &["man", &pages.display().to_string()]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let completion = stdout(&dutyd(Path::new("/nonexistent"), &["completions", "bash"]));
    for command in [
        "run", "check", "status", "list", "explain", "parked", "pause", "resume", "unmark", "setup", "schema",
    ] {
        assert!(pages.join(format!("dutyd-{command}.1")).exists(), "{command} has a page");
        assert!(completion.contains(&format!("dutyd,{command})")), "{command} is completed");
    }
}
