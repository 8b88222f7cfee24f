//! Requirements of policies: what loads, what is refused, what examples say.

use super::*;

fn load(text: &str) -> Result<Policy, Vec<Problem>> {
    Policy::load(&[PolicyFile { name: "policy.toml".to_owned(), text: text.to_owned() }])
}

const SMALL: &str = r#"
[defaults]
calendar = "office"
zone = "Europe/Berlin"

[calendars.office]
zone = "Europe/Berlin"
week = { mon = ["09:00-17:00"], tue = ["09:00-17:00"], wed = ["09:00-17:00"], thu = ["09:00-17:00"], fri = ["09:00-17:00"] }

[signals.asks_to_escalate]
about = "asks for a manager"
phrases.en = ["speak to a manager"]

[customers.ACME]
important = true
aliases = [{ source = "desk", id = "42" }, { source = "jira", name = "Acme Corp" }]

[[rules]]
name = "customer-waiting"
title = "Customer waits"
text = "Customer has waited {customer.waiting.business} of business time[, {case.tier} contract]; message {replies.customer.since_reply} unanswered."

[rules.ladder]
warning = "customer.waiting.business >= hours(4)"
candidate = "customer.waiting.business >= hours(8) || signals.asks_to_escalate.since_reply > 0"

[[rules.examples]]
about = "nobody answers over night"
events = [{ after = "1h", by = "customer", what = "reply" }]
at = "1d"
expect = "warning"

[[rules.examples]]
about = "the customer wants a manager"
events = [{ after = "1h", by = "customer", what = "reply", text = "Let me speak to a manager." }]
at = "61m"
expect = "candidate"

[[rules.examples]]
about = "we answered"
events = [{ after = "1h", by = "customer", what = "reply" }, { after = "2h", what = "reply" }]
at = "3d"
expect = "quiet"
"#;

#[test]
fn a_small_policy_loads_and_its_examples_say_what_they_should() {
    let policy = Arc::new(load(SMALL).unwrap_or_else(|problems| panic!("{problems:#?}")));
    assert_eq!(policy.examples_count(), 3);
    assert_eq!(policy.run_examples(), Vec::new());
    assert_eq!(policy.findings(), &[]);
}

/// The files under `config/policy`, as installed.
fn shipped() -> Vec<PolicyFile> {
    fn below(dir: &std::path::Path, files: &mut Vec<PolicyFile>) {
        for entry in std::fs::read_dir(dir).expect("the policy directory can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                below(&path, files);
            } else {
                let name = path.strip_prefix(root()).expect("below the root").display().to_string();
                files.push(PolicyFile { name, text: std::fs::read_to_string(&path).expect("a text file") });
            }
        }
    }
    let mut files = Vec::new();
    below(&root(), &mut files);
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/policy")
}

#[test]
fn the_shipped_policy_loads_and_every_example_says_what_it_should() {
    let policy = Policy::load(&shipped()).unwrap_or_else(|problems| panic!("{}", shown(&problems)));
    let policy = Arc::new(policy);
    let wrong = policy.run_examples();
    assert!(wrong.is_empty(), "{}", shown(&wrong));
    assert!(policy.findings().is_empty(), "{}", shown(policy.findings()));
    assert!(policy.rules.len() >= 12 && policy.examples_count() >= 2 * policy.rules.len());
}

fn shown(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
