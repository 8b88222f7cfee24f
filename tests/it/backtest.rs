//! `dutyd backtest`: the policy in force, judged on the past, raises what the daemon raised; a draft stands beside it.

use dutyd::config::Place;
use dutyd::daemon::{DATABASE, load_policy};
use dutyd::demo::{Arguments, run};
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{Store, open_state};
use dutyd_core::decide::{Decision, DecisionKind, Footprint, Gathering, Knowledge, Learned, retrace};
use dutyd_core::policy::PolicySet;
use dutyd_core::state::CaseState;
use dutyd_core::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// When a rule's flag came to be what: its severity, or gone.
type Told = (Timestamp, String, &'static str);

/// Of several judgements of one rule within one second, as when neighbours come in one after another, the last.
fn told<'a>(decisions: impl Iterator<Item = &'a Decision>) -> Vec<Told> {
    let mut told: BTreeMap<(Timestamp, String), &'static str> = BTreeMap::new();
    for decision in decisions {
        let shown = match decision.kind {
            DecisionKind::Raise | DecisionKind::Change => decision.severity.word(),
            DecisionKind::Clear => "gone",
            DecisionKind::Adopt | DecisionKind::Override => continue,
        };
        told.insert((decision.at, decision.rule.clone()), shown);
    }
    told.into_iter().map(|((at, rule), shown)| (at, rule, shown)).collect()
}

/// Every case with its state and its decision log.
async fn cases(store: &dyn Store) -> Vec<(String, CaseState, Vec<Decision>)> {
    let mut cases = Vec::new();
    for row in store.states(0, 100_000).await.expect("states") {
        let state = open_state(&row.state).expect("a state");
        let decisions = store.decisions(row.case).await.expect("decisions");
        cases.push((
            format!("{}/{}", row.key.source, row.number),
            state,
            decisions.into_iter().map(|row| row.decision).collect(),
        ));
    }
    cases
}

#[derive(Debug, Default)]
struct Compared {
    same: usize,
    different: Vec<String>,
}

/// What the past judged again says beside what the daemon decided when it happened.
async fn compare(dir: &Path) -> Compared {
    let store = SqliteStore::open_to_read(&dir.join("state").join(DATABASE)).expect("a database");
    let policy = load_policy(&Place { dir: dir.to_owned(), dev: false }).expect("a policy");
    let set = PolicySet { current: policy.clone(), ..PolicySet::default() };
    let cases = cases(&store).await;
    let states: Vec<CaseState> =
        cases.iter().map(|(_, state, _)| Learned::recast(state.clone(), Knowledge::AsLearned)).collect();
    let until = states.iter().flat_map(|s| &s.events).map(|e| e.at.max(e.seen_at)).max().unwrap_or_default();
    let mut gathering = Gathering::default();
    states.iter().for_each(|state| gathering.take(Footprint::of(&policy, &Learned::of(state, until))));
    let around = gathering.finish(policy);
    let mut compared = Compared::default();
    for ((name, _, decisions), state) in cases.iter().zip(&states) {
        let trace = retrace(&set, &Learned::of(state, until), &around, until);
        let (ours, theirs) =
            (told(trace.decisions.iter()), told(decisions.iter().filter(|one| one.at <= until)));
        compared.same += theirs.iter().filter(|one| ours.contains(one)).count();
        let more = ours.iter().filter(|one| !theirs.contains(one)).map(|one| ("backtest", one));
        let less = theirs.iter().filter(|one| !ours.contains(one)).map(|one| ("daemon", one));
        compared
            .different
            .extend(more.chain(less).map(|(who, one)| format!("{name}: only the {who}: {one:?}")));
    }
    compared
}

fn dutyd(dir: &Path, arguments: &[&str]) -> (String, String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dutyd"));
    command.arg("--config").arg(dir).args(arguments).env_remove("RUST_LOG");
    let output = command.output().expect("dutyd runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn json(dir: &Path, arguments: &[&str]) -> Value {
    let (out, err, _) = dutyd(dir, &[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {err}"))
}

/// A copy of the demo's policy with one more rule.
fn draft(dir: &Path) -> PathBuf {
    let draft = dir.join("draft");
    std::fs::create_dir_all(&draft).expect("a directory");
    for entry in std::fs::read_dir(dir.join("policy")).expect("a policy").flatten() {
        if entry.path().is_file() {
            let text = std::fs::read_to_string(entry.path()).expect("a text");
            std::fs::write(draft.join(entry.file_name()), text).expect("a copy");
        }
    }
    let rule = "[[rules]]\nname = \"young\"\ntitle = \"Young\"\ntext = \"An hour old.\"\nseverity = \"watch\"\n\
                when = \"case.age.wall >= hours(1) && case.age.wall < hours(3)\"\n";
    std::fs::write(draft.join("young.toml"), rule).expect("a rule");
    draft
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_judged_again_is_what_happened_and_a_draft_stands_beside_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let dir = directory.path().join("demo");
    let arguments = Arguments { seconds: 4, seed: 5, cases: 16, log: None, hostile: false, dir: dir.clone() };
    run(&arguments, true).await.expect("a demo");
    // Another demo's or replay's directory can be compared, too.
    for dir in std::env::var("DUTYD_BACKTEST").map(PathBuf::from).into_iter().chain([dir.clone()]) {
        let compared = compare(&dir).await;
        let different = compared.different.join("\n");
        assert!(different.is_empty(), "{} same, {}:\n{different}", compared.same, compared.different.len());
        assert!(compared.same > 200, "{}", compared.same);
    }

    let database = dir.join("state").join(DATABASE);
    let before = std::fs::read(&database).expect("a database");
    figures_are_those_of_the_decision_log(&dir).await;
    a_draft_stands_beside_the_policy_in_force(&dir);
    a_question_that_cannot_be_answered_says_what_can(&dir);
    clocks_and_rules_are_told_at_the_same_instant(&dir);
    an_earlier_instant_is_judged_by_the_policy_in_force_then(&dir);
    assert_eq!(std::fs::read(&database).expect("a database"), before, "nothing was written");
}

/// Each raise in the log is one flag of its rule.
async fn figures_are_those_of_the_decision_log(dir: &Path) {
    let store = SqliteStore::open_to_read(&dir.join("state").join(DATABASE)).expect("a database");
    let mut raised: BTreeMap<String, u64> = BTreeMap::new();
    for (_, _, decisions) in cases(&store).await {
        for one in decisions.iter().filter(|one| one.kind == DecisionKind::Raise) {
            *raised.entry(one.rule.clone()).or_default() += 1;
        }
    }
    let told = json(dir, &["backtest"]);
    assert_eq!(told["beside"], Value::Null, "it is the policy in force");
    for (rule, figures) in told["rules"].as_object().expect("rules") {
        let expected = raised.get(rule).copied().unwrap_or(0);
        assert_eq!(figures["tried"]["raised"], expected, "{rule}");
    }
    assert_eq!(told["all"]["tried"]["raised"], raised.values().sum::<u64>());
    assert_eq!(told, json(dir, &["backtest"]), "the same database, the same figures");
}

fn a_draft_stands_beside_the_policy_in_force(dir: &Path) {
    let draft = draft(dir);
    let draft = draft.to_str().expect("a path");
    let told = json(dir, &["backtest", "--policy", draft]);
    let young = &told["rules"]["young"];
    assert_eq!(young["beside"], Value::Null, "a new rule");
    assert_eq!(young["tried"]["cases"], young["gained"]["count"]);
    assert!(young["gained"]["count"].as_u64() > Some(10), "{young}");
    let example = &young["gained"]["examples"][0];
    assert_eq!((&example["why"], &example["severity"]), (&"An hour old.".into(), &"watch".into()));
    for (rule, figures) in
        told["rules"].as_object().expect("rules").iter().filter(|(rule, _)| *rule != "young")
    {
        assert_eq!(figures["tried"], figures["beside"], "{rule} is the same in both");
    }
    let (page, _, _) = dutyd(dir, &["backtest", "--policy", draft, "--rule", "young"]);
    assert!(page.contains("young: flags - -> ") && page.contains(": An hour old."), "{page}");
    let (page, _, _) = dutyd(dir, &["backtest", "--policy", dir.join("policy").to_str().expect("a path")]);
    assert!(page.contains("(in force)"), "a copy elsewhere is the same policy: {page}");
}

fn a_question_that_cannot_be_answered_says_what_can(dir: &Path) {
    let table: [(&[&str], &str); 5] = [
        (&["--rule", "idel"], "--rule: no rule is called `idel`; did you mean `idle`?"),
        (&["--source", "servicenov"], "did you mean `servicenow`?"),
        (&["--clock", "resolutoin"], "did you mean `resolution`?"),
        (&["--since", "tomorrow"], "--since `tomorrow` is no instant; write date"),
        (&["--since", "2027-01-01"], "nothing lies between"),
    ];
    for (arguments, expected) in table {
        let (_, err, code) = dutyd(dir, &[&["backtest"], arguments].concat());
        assert!(err.contains(expected) && code == Some(1), "{arguments:?}: {err}");
    }
}

fn a_case(dir: &Path) -> String {
    let list = json(dir, &["list"]);
    let flag = &list["flags"][0];
    format!("{}/{}", flag["source"].as_str().expect("a source"), flag["number"].as_str().expect("a number"))
}

fn clocks_and_rules_are_told_at_the_same_instant(dir: &Path) {
    let case = a_case(dir);
    let (rules, clocks) = (json(dir, &["explain", &case]), json(dir, &["explain", &case, "--clocks"]));
    assert_eq!(rules["now"], clocks["at"]);
}

fn an_earlier_instant_is_judged_by_the_policy_in_force_then(dir: &Path) {
    let case = a_case(dir);
    let now = json(dir, &["explain", &case])["now"].as_str().expect("an instant").to_owned();
    let then: Timestamp = now.parse::<Timestamp>().expect("an instant") - SignedDuration::from_mins(30);
    let asked = ["explain", &case, "--at", &then.to_string()];
    let before = json(dir, &asked);
    // The files change, and no daemon takes them into force.
    std::fs::copy(dir.join("draft/young.toml"), dir.join("policy/young.toml")).expect("a rule");
    assert_ne!(json(dir, &["explain", &case])["policy"], before["policy"]);
    assert_eq!(json(dir, &asked)["policy"], before["policy"]);
    assert_eq!(json(dir, &asked)["rules"], before["rules"]);
    let policy = before["policy"].as_str().expect("an id");
    let (page, _, _) = dutyd(dir, &asked);
    assert!(page.contains(&format!("policy {policy}, in force then")), "{page}");
    let (page, _, _) = dutyd(dir, &["explain", "--verify"]);
    assert!(page.contains(&format!("each judged by its policy then: {policy}")), "{page}");
    // Its text is lost.
    std::fs::remove_dir_all(dir.join("state/policies")).expect("kept policies");
    let (page, _, _) = dutyd(dir, &asked);
    assert!(
        page.contains(&format!("policy {policy}, in force then, is not kept: judged by today's")),
        "{page}"
    );
}
