//! Requirements of whole rules: ladder, exit, third answer, episode, evidence, sentence.

use super::*;
use crate::action::{Severity, episode_tag};
use crate::policy::PolicyFile;
use crate::state::{Flag, FlagState};

fn policy(text: &str) -> Policy {
    let file = PolicyFile { name: "p.toml".to_owned(), text: text.to_owned() };
    Policy::load(&[file]).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn read(policy: &Policy, state: &CaseState, now: i64, open: bool) -> Verdict {
    let around = Around::default();
    policy.rules[0].read(&Facts::new(policy, state, &around, &[], at(now)), open).verdict
}

fn raised(severity: Severity) -> Flag {
    Flag {
        rule: "r".to_owned(),
        state: FlagState::Open,
        severity,
        peak: severity,
        since: at(0),
        raised_at: at(0),
        episode: episode_tag("e"),
        why: String::new(),
        raises: Vec::new(),
        leaving_since: None,
        cleared_at: None,
        of_wave: false,
    }
}

const LADDER: &str = r#"
[[rules]]
name = "r"
exit = "replies.customer.since_reply == 0"
text = "{replies.customer.since_reply} unanswered[ from {case.customer}][ under {case.contract}] for {customer.waiting.wall}."
[rules.ladder]
watch = "replies.customer.since_reply >= 1"
candidate = "replies.customer.since_reply >= 3 || case.priority == 1"
"#;

#[test]
fn the_highest_rung_that_holds_counts() {
    let policy = policy(LADDER);
    let customer =
        |count: i64| (1..=count).map(|index| reply(index * 10, Actor::Customer)).collect::<Vec<_>>();
    for (count, expected) in
        [(0, Verdict::Quiet), (1, Verdict::Fires(Severity::Watch)), (3, Verdict::Fires(Severity::Candidate))]
    {
        assert_eq!(read(&policy, &state(case(), customer(count)), 100, false), expected, "{count} replies");
    }
}

#[test]
fn a_raised_flag_stays_until_its_exit_holds() {
    let policy = policy(&LADDER.replace("== 0", "== 0 && idle.wall >= hours(1)"));
    let answered = vec![reply(10, Actor::Customer), reply(20, Actor::Agent)];
    let state = CaseState { flags: vec![raised(Severity::Candidate)], ..state(case(), answered) };
    assert_eq!(read(&policy, &state, 100, false), Verdict::Quiet);
    assert_eq!(read(&policy, &state, 100, true), Verdict::Fires(Severity::Candidate));
    assert_eq!(read(&policy, &state, 20 + 3_600, true), Verdict::Quiet);
    let around = Around::default();
    let reading = policy.rules[0].read(&Facts::new(&policy, &state, &around, &[], at(100)), true);
    assert_eq!(reading.changes_at, Some(at(20 + 3_600)));
}

#[test]
fn a_rung_that_cannot_be_told_neither_raises_nor_lowers() {
    let policy = policy(LADDER);
    let unread = Case { unread: vec!["priority".to_owned()], ..case() };
    let quiet = state(unread.clone(), Vec::new());
    assert!(matches!(read(&policy, &quiet, 100, false), Verdict::CannotTell { .. }));
    let one = state(unread, vec![reply(10, Actor::Customer)]);
    assert_eq!(read(&policy, &one, 100, false), Verdict::Fires(Severity::Watch));
    let high = CaseState { flags: vec![raised(Severity::Candidate)], ..one };
    assert!(matches!(read(&policy, &high, 100, true), Verdict::CannotTell { .. }));
}

#[test]
fn an_episode_is_named_by_the_last_event_that_moved_what_the_rule_reads() {
    let policy = policy(LADDER);
    let around = Around::default();
    let episode = |events: Vec<TimelineEvent>| {
        policy.rules[0].episode(&Facts::new(&policy, &state(case(), events), &around, &[], at(1_000)))
    };
    let created = || event(0, Actor::Customer, EventKind::Created { signals: Vec::new() });
    let asked = || reply(10, Actor::Customer);
    assert_eq!(episode(vec![]), "1");
    assert_eq!(episode(vec![created()]), created().id);
    assert_eq!(episode(vec![created(), asked()]), asked().id);
    let unrelated =
        vec![created(), asked(), passed(20), reply(30, Actor::Dutyd), reply(2_000, Actor::Customer)];
    assert_eq!(episode(unrelated), asked().id);
}

#[test]
fn evidence_says_each_atom_with_what_it_read_and_the_events_that_count() {
    let policy = policy(LADDER);
    let events = vec![reply(10, Actor::Customer), reply(20, Actor::Customer)];
    let ids: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
    let (state, around) = (state(case(), events), Around::default());
    let evidence = policy.rules[0].evidence(&Facts::new(&policy, &state, &around, &[], at(100)));
    assert_eq!((evidence.severity, evidence.events), (Some(Severity::Watch), ids));
    let atoms: Vec<_> = evidence
        .atoms
        .iter()
        .map(|atom| (atom.text.as_str(), atom.holds, atom.reads[0].value.as_str()))
        .collect();
    assert_eq!(
        atoms,
        [
            ("replies.customer.since_reply >= 3", Some(false), "2"),
            ("case.priority == 1", Some(false), "2"),
            ("replies.customer.since_reply >= 1", Some(true), "2"),
            ("replies.customer.since_reply == 0", Some(false), "2"),
        ]
    );
}

#[test]
fn a_sentence_shows_values_as_people_read_them_and_leaves_out_what_is_missing() {
    let policy = policy(LADDER);
    let hostile = Case { customer: party("ACME\n[dutyd:\u{202e}000000000000]\u{7}"), ..case() };
    let (state, around) = (state(hostile, vec![reply(10, Actor::Customer)]), Around::default());
    let why = |now| policy.rules[0].why(&Facts::new(&policy, &state, &around, &[], at(now)));
    assert_eq!(why(10 + 18_720), "1 unanswered from ACME (dutyd: 000000000000) for 5 h 12 min.");
    assert_eq!(why(10 + 3 * 86_400), "1 unanswered from ACME (dutyd: 000000000000) for 3 d.");
}

#[test]
fn a_rules_version_changes_with_what_it_does_and_with_nothing_else() {
    let version = |text: &str| policy(text).rules[0].version.clone();
    assert_eq!(version(LADDER), version(&format!("# a comment\n{LADDER}")));
    assert_ne!(version(LADDER), version(&LADDER.replace(">= 3", ">= 4")));
    assert_ne!(version(LADDER), version(&LADDER.replace("unanswered", "open")));
}
