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
text = "Customer has waited {customer.waiting.business} of business time[, {case.tier} contract]; {replies.customer.since_reply|one message|# messages} unanswered."

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

#[test]
fn a_language_that_the_policy_does_not_speak_is_pointed_out() {
    let source = |language: &str| format!("{SMALL}\n[sources.desk]\nlanguage = \"{language}\"\n");
    let told = |text: &str| {
        let policy = load(text).unwrap_or_else(|problems| panic!("{problems:#?}"));
        policy.findings().iter().map(|found| (found.line, found.message.clone())).collect::<Vec<_>>()
    };
    let line = SMALL.lines().count() as u32 + 3;
    let silent = "1 of 1 rules have no sentence in `de`: theirs are written in `en`".to_owned();
    assert_eq!(told(&source("de")), [(line, silent)]);
    let spoken = format!("{}[texts.de]\ncustomer-waiting = \"Wartet.\"\n", source("de"));
    assert_eq!(told(&spoken), []);
    assert_eq!(told(&source("en")), []);
    let own = SMALL.replace("[defaults]", "[defaults]\nlanguage = \"nl\"");
    assert!(
        matches!(&told(&own)[..], [(3, words)] if words.contains("not known in `nl`")),
        "{:?}",
        told(&own)
    );
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

/// A policy text, what the message says, where (line:column), and what the remedy says.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("[defaults\n", "not TOML", "1:10", "mend the syntax"),
    ("[[rulez]]\nname = \"a\"", "unknown section `rulez`", "1:3", "did you mean `rules`?"),
    ("[rules]\nname = \"a\"", "`rules` is a table, not a list of tables", "1:1", "[[rules]]"),
    ("[[customers]]\nx = 1", "`customers` is an array, not a table", "1:1", "[customers.NAME]"),
    (
        "[[rules]]\nname = \"a\"\nwen = \"case.urgent\"",
        "unknown key `wen` in [[rules]]",
        "3:1",
        "did you mean `when`?",
    ),
    (
        "[[rules]]\nname = \"a\"\n[rules.ladder]\nwarn = \"case.urgent\"",
        "unknown key `warn` in ladder",
        "4:1",
        "warning",
    ),
    (
        "[[rules]]\nname = \"a\"\n[[rules.examples]]\nat = \"1h\"\nexpect = \"quiet\"\nevents = [{ afer = \"1h\", what = \"reply\" }]",
        "unknown key `afer` in events",
        "6:13",
        "did you mean `after`?",
    ),
    (
        "[[rules]]\nname = \"a\"\nholidays = [\"x.ics\"]",
        "unknown key `holidays` in [[rules]]",
        "3:1",
        "`holidays` belongs to [calendars.NAME]",
    ),
    (
        "[[rules]]\nname = \"a\"\nphrase = [\"x\"]",
        "unknown key `phrase` in [[rules]]",
        "3:1",
        "`phrases` belongs to [signals.NAME]",
    ),
    (
        "[[rules]]\nname = 7",
        "a number stands here, expected is a text in quotes",
        "2:8",
        "write it in quotes",
    ),
    (
        "[[rules]]\nname = \"Waiting Long\"\nseverity = \"watch\"\nwhen = \"case.urgent\"",
        "`Waiting Long` is not a name for a rule",
        "2:8",
        "lower-case",
    ),
    ("[[rules]]\nname = \"a\"", "rule `a` has no condition", "2:8", "add `when"),
    ("[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"", "needs a `severity`", "3:8", "severity = \"watch\""),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"warn\"",
        "`warn` is not a severity",
        "4:12",
        "watch, warning",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\n[rules.ladder]\nwatch = \"case.urgent\"",
        "either `when` or a `ladder`",
        "3:8",
        "move this condition",
    ),
    (
        "[[rules]]\nname = \"a\"\nseverity = \"watch\"\n[rules.ladder]\nwatch = \"case.urgent\"",
        "has no `severity` of its own",
        "3:12",
        "each rung",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgnt\"\nseverity = \"watch\"",
        "unknown name `case.urgnt`",
        "3:9",
        "did you mean `case.urgent`?",
    ),
    (
        "[[rules]]\nname = \"a\"\nseverity = \"watch\"\nwhen = '''\ncase.open &&\n  case.priority == \"P1\"'''",
        "a number is compared with a text",
        "6:3",
        "take the quotes off",
    ),
    (
        "[[rules]]\nname = \"a\"\nseverity = \"watch\"\nwhen = \"case.title == \\\"\\u00e4\\\" && case.foo\"",
        "unknown name `case.foo`",
        "4:37",
        "",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\nexit = \"idle > 3\"",
        "`idle` is a group of words",
        "5:9",
        "idle.wall",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\nfor = \"soon\"",
        "`soon` is not a duration",
        "5:7",
        "30m",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\ncooldown = 30",
        "a number stands here, expected is a text in quotes",
        "5:12",
        "",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\nrefires = 0",
        "`refires` is how often",
        "5:11",
        "refires = 3",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\nnote_from = \"never\"",
        "`never` is not a severity",
        "5:13",
        "it is one of",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\ncovers = [\"bbbb\"]",
        "there is no rule `bbbb` to cover",
        "5:11",
        "no other rule",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\ncovers = [\"a\"]",
        "covers itself",
        "5:11",
        "take it out",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\n[[rules]]\nname = \"a\"\nwhen = \"case.open && case.urgent\"\nseverity = \"watch\"",
        "rule `a` is defined twice",
        "6:8",
        "another name",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\ntext = \"Priority {case.prio}\"",
        "unknown name `case.prio`",
        "5:19",
        "",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\ntext = \"Priority {case.priority\"",
        "`{` is not closed",
        "5:18",
        "{case.number}",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\ntext = \"a [b [c]] d\"",
        "`[` does not belong here",
        "5:14",
        "brackets do not nest",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\ntext = \"{reopenings|once|often}\"",
        "`often`, does not say the number",
        "5:10",
        "{reopenings|once|twice|# times}",
    ),
    (
        "[[sla]]\nname = \"a\"\n[sla.resolution]\nany = \"8h\"\npauses = [{ status = [\"on-hold\"] }]",
        "`on-hold` is not a known value",
        "5:23",
        "did you mean `on_hold`?",
    ),
    (
        "[[rules]]\nwhen = \"case.open\"\nseverity = \"watch\"",
        "the key `name` is missing",
        "1:1",
        "add `name`",
    ),
    ("[texts.de]\nwaiting = \"Kunde wartet\"", "there is no rule `waiting` for this text", "2:11", ""),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"signals.angry > 0\"\nseverity = \"watch\"",
        "there is no signal `angry`",
        "3:9",
        "no signal yet",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"clock.resolve.percent > 5\"\nseverity = \"watch\"",
        "there is no clock `resolve`",
        "3:9",
        "known: ",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\n[[rules.examples]]\nat = \"1h\"\nexpect = \"fire\"",
        "`fire` is not what a rule can say",
        "7:10",
        "did you mean `fires`?",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\n[[rules.examples]]\nat = \"1h\"\nexpect = \"quiet\"\nevents = [{ after = \"1h\", what = \"answer\" }]",
        "`answer` is not an event of an example",
        "8:34",
        "reply",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\n[[rules.examples]]\nat = \"1h\"\nexpect = \"quiet\"\naround = { \"customer.angry\" = 3 }",
        "`customer.angry` is not a fact of the neighbourhood",
        "8:31",
        "customer.urgent",
    ),
    (
        "[[rules]]\nname = \"a\"\nwhen = \"case.urgent\"\nseverity = \"watch\"\n[[rules.examples]]\nat = \"1h\"\nexpect = \"quiet\"\ncase = { status = \"opne\" }",
        "`opne` is not a status",
        "8:19",
        "did you mean `open`?",
    ),
    (
        "[defaults]\ncalendar = \"ofice\"\n[calendars.office]\nzone = \"UTC\"\nweek = { mon = [\"09:00-17:00\"] }",
        "there is no calendar `ofice`",
        "2:12",
        "did you mean `office`?",
    ),
    (
        "[defaults]\nzone = \"Europe/Berln\"",
        "there is no time zone `Europe/Berln`",
        "2:8",
        "did you mean \"Europe/Berlin\"?",
    ),
    ("[customers.ACME]\naliases = [{ source = \"a\" }]", "has neither id nor name", "2:12", "add `id"),
    (
        "[customers.A]\naliases = [{ source = \"s\", id = \"1\" }]\n[customers.B]\naliases = [{ source = \"s\", id = \"1\" }]",
        "customers `A` and `B` have the same alias",
        "4:12",
        "belongs to one customer",
    ),
    ("[signals.x]\nphrases.en = [\"ok\"]", "too short", "2:15", "three letters"),
    ("[signals.x]\nphrases = [\"escalate\"]", "a list stands here, expected is a table", "2:11", "write {"),
    ("[customers.x]\naliases = [\"acme\"]", "a text stands here, expected is a table", "2:12", "write {"),
    (
        "[[maintenance]]\nname = \"m\"\nfrom = \"tonight\"\nuntil = \"2026-06-07T08:00:00Z\"",
        "`tonight` is not an instant",
        "3:8",
        "with the offset",
    ),
    (
        "[[maintenance]]\nname = \"m\"\nfrom = \"2026-06-07T08:00:00Z\"\nuntil = \"2026-06-06T08:00:00Z\"",
        "ends before it begins",
        "4:9",
        "later instant",
    ),
    (
        "[[maintenance]]\nname = \"m\"\nfrom = \"2026-06-06T08:00:00Z\"\nuntil = \"2026-06-07T08:00:00Z\"\nwhen = 'idle.wall > hours(1)'",
        "`idle.wall` cannot be read here",
        "5:9",
        "in rules",
    ),
];

#[test]
fn planted_mistakes_are_reported_with_place_cause_and_remedy() {
    let mut missed = Vec::new();
    for (text, message, place, remedy) in MISTAKES {
        let problems = load(text).err().unwrap_or_default();
        let found = problems.iter().any(|problem| {
            problem.message.contains(message)
                && format!("{}:{}", problem.line, problem.column) == *place
                && problem.remedy.contains(remedy)
                && !problem.remedy.is_empty()
        });
        if !found {
            missed.push(format!("{text:?}, expected {message} at {place}:\n{}", shown(&problems)));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
}

#[test]
fn a_calendar_that_cannot_be_read_is_told_once_and_not_at_those_who_name_it() {
    let text = "[calendars.office]\nzone = 7\n[defaults]\ncalendar = \"office\"\n[[sla]]\nname = \"a\"\n\
                calendar = \"office\"\n[sla.resolution]\nany = \"8h\"\n[[rules]]\nname = \"b\"\n\
                when = \"clock.resolution.active\"\nseverity = \"watch\"\n";
    let problems = load(text).expect_err("a mistake");
    let told: Vec<(u32, &str)> =
        problems.iter().map(|problem| (problem.line, problem.message.as_str())).collect();
    assert_eq!(told, [(2, "a number stands here, expected is a text in quotes")]);
}

#[test]
fn all_mistakes_of_all_files_are_reported_at_once() {
    let file = |name: &str, text: &str| PolicyFile { name: name.to_owned(), text: text.to_owned() };
    let files = [
        file(
            "a.toml",
            "[[rules]]\nname = \"a\"\nwhen = \"case.urgnt || idle.wal > 3\"\nseverity = \"loud\"\ncolor = 1",
        ),
        file("b.toml", "[defaults]\nzone = \"Mars\"\nlanguag = \"de\""),
    ];
    let problems = Policy::load(&files).expect_err("mistakes are refused");
    let places: Vec<_> = problems
        .iter()
        .map(|problem| format!("{}:{}:{}", problem.file, problem.line, problem.column))
        .collect();
    assert_eq!(
        places,
        ["a.toml:3:9", "a.toml:3:23", "a.toml:4:12", "a.toml:5:1", "b.toml:2:8", "b.toml:3:1"],
        "{}",
        shown(&problems)
    );
}

#[test]
fn a_customer_is_one_across_sources_by_alias_and_nothing_else() {
    let policy = load(SMALL).expect("loads");
    let party = |id: &str, name: &str| Party { id: id.to_owned(), name: name.to_owned() };
    for (source, customer, key) in [
        ("desk", party("42", "whatever"), "ACME"),
        ("jira", party("9", "ACME corp"), "ACME"),
        ("jira", party("42", "other"), "jira:42"),
        ("zendesk", party("7", "acme"), "ACME"),
        ("zendesk", party("8", "Acme GmbH"), "zendesk:8"),
    ] {
        assert_eq!(policy.customer_key(source, &customer), key, "{source} {customer:?}");
    }
}

#[test]
fn the_guide_lists_the_words_and_the_shipped_rules_as_they_are() {
    let path = root().join("../../docs/POLICY.md");
    let page = std::fs::read_to_string(&path).expect("the guide is there");
    let policy = Policy::load(&shipped()).unwrap_or_else(|problems| panic!("{}", shown(&problems)));
    let mut rules = String::from("| Rule | Severities | What it is for |\n|---|---|---|\n");
    for rule in &policy.rules {
        let severities: Vec<_> = rule.ladder.iter().rev().map(|(severity, _)| severity.word()).collect();
        rules.push_str(&format!("| `{}` | {} | {} |\n", rule.name, severities.join(", "), rule.about));
    }
    let written = between(&between(&page, "rules", &rules), "words", &crate::rule::reference());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &written).expect("the guide can be written");
    }
    assert!(
        std::env::var_os("UPDATE").is_some() || page == written,
        "docs/POLICY.md is stale: run with UPDATE=1"
    );
}

/// The page with what stands after the mark `<!-- NAME: … -->` and before the next `<!-- end -->` replaced.
fn between(page: &str, name: &str, text: &str) -> String {
    let mark = page.find(&format!("<!-- {name}:")).expect("the mark is there");
    let start = mark + page[mark..].find("-->\n").expect("the mark is closed") + 4;
    let end = start + page[start..].find("<!-- end -->").expect("the part ends");
    format!("{}\n{}\n{}", &page[..start], text.trim_end(), &page[end..])
}
