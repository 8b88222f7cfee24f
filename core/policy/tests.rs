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
