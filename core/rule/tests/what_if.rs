//! What would change a verdict: applied to the case itself, all of it turns the verdict and no part of it alone does.

use super::*;
use crate::around::GroupFacts;
use crate::policy::PolicyFile;
use proptest::prelude::*;
use serde_json::Value as Json;

fn policy(text: &str) -> Policy {
    let file = PolicyFile { name: "rules.toml".to_owned(), text: text.to_owned() };
    Policy::load(&[file]).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn told(rules: &str, case: Case, now: i64) -> Option<(Option<Severity>, Vec<String>)> {
    let (policy, around, state) = (policy(rules), Around::default(), state(case, Vec::new()));
    let found = policy.rules[0].what_if(&Facts::new(&policy, &state, &around, &[], at(now)), false)?;
    let change = |change: &Change| format!("{}: {}, now {}", change.path, change.becomes, change.now);
    Some((found.severity, found.changes.iter().map(change).collect()))
}

#[test]
fn what_would_change_a_verdict_is_named_in_words_of_values() {
    let rules = "[[rules]]\nname = \"r\"\nseverity = \"watch\"\nwhen = \"case.urgent && idle.wall >= hours(4) && (case.tier == 'gold' || reopenings > 0)\"";
    let idle = || "idle.wall: at least 4 h, now 1 min".to_owned();
    assert_eq!(told(rules, case(), 60), Some((Some(Severity::Watch), vec![idle()])));
    let calm = Case { priority: Some(Priority(4)), ..case() };
    let urgent = || "case.urgent: yes, now no".to_owned();
    assert_eq!(told(rules, calm, 60), Some((Some(Severity::Watch), vec![urgent(), idle()])));
    assert_eq!(told(rules, case(), 20_000), Some((None, vec!["case.urgent: no, now yes".to_owned()])));
    let silver = Case { tier: Some("silver".to_owned()), ..case() };
    let reopened = "reopenings: at least 1, now 0".to_owned();
    assert_eq!(told(rules, silver, 20_000), Some((Some(Severity::Watch), vec![reopened])));
    assert_eq!(told(rules, Case { unread: vec!["tier".to_owned()], ..case() }, 20_000), None);
}

#[test]
fn one_value_clears_all_rungs_that_read_it() {
    let rules = "[[rules]]\nname = \"r\"\n[rules.ladder]\nwatch = \"idle.wall >= hours(1)\"\nwarning = \"idle.wall >= hours(2)\"\n\
        candidate = \"idle.wall >= hours(3)\"\ncritical = \"idle.wall >= hours(4)\"";
    let cleared = vec!["idle.wall: less than 1 h, now 5 h".to_owned()];
    assert_eq!(told(rules, case(), 5 * 3_600), Some((None, cleared)));
}

#[test]
fn what_can_no_longer_happen_is_not_named() {
    let rules = "[[rules]]\nname = \"r\"\nseverity = \"watch\"\nwhen = \"case.age.wall >= hours(1) && reopenings == 0\"";
    let reopened = vec!["reopenings: at least 1, now 0".to_owned()];
    assert_eq!(told(rules, case(), 2 * 3_600), Some((None, reopened)), "a case does not grow younger");
    let rules = "[[rules]]\nname = \"r\"\nseverity = \"watch\"\nwhen = \"case.age.wall >= hours(1)\"";
    assert_eq!(told(rules, case(), 2 * 3_600), None);
}

/// A case whose values can be set one by one.
#[derive(Debug, Clone)]
struct World {
    case: Case,
    around: Around,
    passes: i64,
    idle: i64,
}

const NOW: i64 = 100_000;

impl World {
    fn set(&mut self, path: &str, to: &Json) {
        let number = || to.as_i64().unwrap_or_else(|| panic!("{path}: {to}"));
        let customer = self.around.customer.get_or_insert_default();
        match path {
            "case.priority" => self.case.priority = to.as_u64().map(|priority| Priority(priority as u8)),
            "case.tier" => self.case.tier = to.as_str().map(str::to_owned),
            "case.tags" => {
                let tags = to.as_array().expect("a list").iter();
                self.case.tags = tags.map(|tag| tag.as_str().expect("a tag").to_owned()).collect();
            }
            "customer.open" => customer.open = number() as u32,
            "customer.urgent" => customer.urgent = number() as u32,
            "reassignments" => self.passes = number(),
            "idle.wall" => self.idle = number(),
            other => panic!("nobody can set {other}"),
        }
    }

    fn verdict(&self, rule: &Rule) -> Verdict {
        self.asked(|facts| rule.read(facts, false).verdict)
    }

    fn asked<T>(&self, ask: impl FnOnce(&Facts<'_>) -> T) -> T {
        let pass = |index| {
            let kind = EventKind::TeamChanged { from: party("A"), to: party("B") };
            TimelineEvent { id: format!("pass-{index}"), ..event(1, Actor::Vendor, kind) }
        };
        let mut events: Vec<TimelineEvent> = (0..self.passes).map(pass).collect();
        let note = EventKind::Replied { public: false, signals: Vec::new() };
        events.push(event(NOW - self.idle, Actor::Agent, note));
        let (policy, state) = (Policy::default(), state(self.case.clone(), events));
        ask(&Facts::new(&policy, &state, &self.around, &[], at(NOW)))
    }
}

fn world() -> impl Strategy<Value = World> {
    let priority = proptest::option::of(1u8..=5);
    let tier = proptest::option::of(proptest::sample::select(vec!["gold", "silver", "bronze"]));
    let tags = proptest::sample::subsequence(vec!["vip", "eu", "new"], 0..=3);
    (priority, tier, tags, 0u32..6, 0u32..6, 0i64..6, 0i64..20_000).prop_map(
        |(priority, tier, tags, open, urgent, passes, idle)| World {
            case: Case {
                priority: priority.map(Priority),
                tier: tier.map(str::to_owned),
                tags: tags.into_iter().map(str::to_owned).collect(),
                ..case()
            },
            around: Around {
                customer: Some(GroupFacts { open, urgent, ..GroupFacts::default() }),
                ..Around::default()
            },
            passes,
            idle,
        },
    )
}

fn condition() -> impl Strategy<Value = String> {
    let sign = || proptest::sample::select(vec!["<", "<=", "==", "!=", ">=", ">"]);
    let number = |word: &'static str, range: std::ops::Range<i64>| {
        (sign(), range).prop_map(move |(sign, number)| format!("{word} {sign} {number}"))
    };
    let fixed = proptest::sample::select(vec![
        "case.tier == \"gold\"",
        "case.tier == null",
        "case.tier in [\"gold\", \"silver\"]",
        "\"vip\" in case.tags",
        "size(case.tags) >= 2",
        "case.tags.exists(t, t == \"eu\")",
    ]);
    let atom = prop_oneof![
        number("case.priority", 2..5),
        number("customer.open", 1..6),
        number("customer.urgent", 1..6),
        number("reassignments", 1..6),
        number("idle.wall", 1..20_000),
        fixed.prop_map(str::to_owned),
    ];
    atom.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn applied(world: &World, changes: &[&Change]) -> World {
    let mut world = world.clone();
    changes.iter().for_each(|change| world.set(&change.path, &change.to));
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Invariant: the counterfactual turns the verdict, and no part of it alone does.
    #[test]
    fn a_change_turns_the_verdict_and_no_part_of_it_alone_does(
        world in world(), low in condition(), high in condition(),
    ) {
        let text = format!("[[rules]]\nname = \"r\"\n[rules.ladder]\nwatch = '''{low}'''\ncritical = '''{high}'''\n");
        let loaded = Policy::load(&[PolicyFile { name: "rules.toml".to_owned(), text }]);
        prop_assume!(loaded.is_ok(), "comparisons that exclude each other are refused");
        let loaded = loaded.expect("just seen");
        let rule = &loaded.rules[0];
        let before = world.verdict(rule);
        let Some(found) = world.asked(|facts| rule.what_if(facts, false)) else { return Ok(()) };
        let changes: Vec<&Change> = found.changes.iter().collect();
        let then = found.severity.map_or(Verdict::Quiet, Verdict::Fires);
        prop_assert_ne!(then == Verdict::Quiet, before == Verdict::Quiet);
        prop_assert_eq!(applied(&world, &changes).verdict(rule), then, "{:?}", found);
        for part in 1..(1 << changes.len()) - 1 {
            let some: Vec<&Change> =
                (0..changes.len()).filter(|at| part >> at & 1 == 1).map(|at| changes[at]).collect();
            let turned = (applied(&world, &some).verdict(rule) == Verdict::Quiet) != (before == Verdict::Quiet);
            prop_assert!(!turned, "{:?} alone turns it, of {:?}", some, found);
        }
    }
}
