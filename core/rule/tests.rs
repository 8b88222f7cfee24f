//! Requirements of the language: what is refused, what holds, when it changes.

use super::*;
use crate::around::Around;
use crate::case::{Case, CaseKey, FieldValue, Party, Priority, Status};
use crate::policy::Policy;
use crate::sla::ClockReading;
use crate::state::CaseState;
use crate::timeline::{Actor, EventKind, TimelineEvent};
use jiff::Timestamp;

mod bombs;
mod ladder;
mod oracle;
mod texts;
mod time;
mod what_if;
mod written;

/// Monday, 2 March 2026, 09:00 UTC.
const START: i64 = 1_772_442_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).expect("within range")
}

fn names() -> Names {
    Names {
        clocks: ["first_response", "resolution"].map(str::to_owned).into(),
        signals: ["asks_to_escalate"].map(str::to_owned).into(),
    }
}

fn party(name: &str) -> Option<Party> {
    Some(Party { id: name.to_lowercase(), name: name.to_owned() })
}

fn case() -> Case {
    Case {
        number: "INC1".to_owned(),
        title: "Orders fail".to_owned(),
        status: Status::Open,
        status_raw: "2".to_owned(),
        priority: Some(Priority(2)),
        priority_raw: "2 - High".to_owned(),
        customer: party("ACME"),
        tier: Some("gold".to_owned()),
        owner: party("Ada"),
        team: party("Network"),
        tags: vec!["vip".to_owned(), "eu".to_owned()],
        fields: [
            ("region".to_owned(), FieldValue::Text("north".to_owned())),
            ("seats".to_owned(), FieldValue::Number(40.0)),
        ]
        .into(),
        ..Case::opened(CaseKey::new("desk", "1"), at(0))
    }
}

fn state(case: Case, events: Vec<TimelineEvent>) -> CaseState {
    CaseState { events, ..CaseState::new(case) }
}

fn event(seconds: i64, actor: Actor, kind: EventKind) -> TimelineEvent {
    TimelineEvent {
        id: format!("{seconds}-{kind:?}"),
        at: at(seconds),
        seen_at: at(seconds),
        actor,
        by: None,
        kind,
    }
}

fn reply(seconds: i64, actor: Actor) -> TimelineEvent {
    let signals = vec!["asks_to_escalate".to_owned()];
    event(seconds, actor, EventKind::Replied { public: true, signals })
}

fn passed(seconds: i64) -> TimelineEvent {
    event(seconds, Actor::Agent, EventKind::TeamChanged { from: party("A"), to: party("B") })
}

fn judge(source: &str, state: &CaseState, around: &Around, clocks: &[ClockReading], now: i64) -> Judgement {
    let policy = Policy::default();
    let facts = Facts::new(&policy, state, around, clocks, at(now));
    compile(source, Scope::Rule, &names())
        .unwrap_or_else(|faults| panic!("{source}: {faults:?}"))
        .judge(&facts)
}

fn holds(source: &str, state: &CaseState, now: i64) -> Option<bool> {
    judge(source, state, &Around::default(), &[], now).truth.known()
}

#[test]
fn conditions_on_the_case_hold_or_not() {
    let state = state(case(), Vec::new());
    let cases = [
        ("case.priority <= 2", true),
        ("case.priority == 2 && case.open", true),
        ("case.urgent", true),
        ("case.status == \"open\"", true),
        ("case.status in [\"new\", \"pending\"]", false),
        ("case.tier == \"gold\" || case.tier == \"platinum\"", true),
        ("case.tier != \"gold\"", false),
        ("\"vip\" in case.tags", true),
        ("case.tags.exists(tag, tag.startsWith(\"e\"))", true),
        ("case.tags.all(tag, size(tag) > 2)", false),
        ("case.tags.exists_one(tag, tag == \"eu\")", true),
        ("size(case.tags.filter(tag, tag != \"eu\")) == 1", true),
        ("\"VIP\" in case.tags.map(tag, tag + \"!\")", false),
        ("case.title.contains(\"fail\")", true),
        ("case.title.lowerAscii().startsWith(\"orders\")", true),
        ("case.title.matches(\"(?i)^ORDERS\\\\s\")", true),
        ("case.fields.region == \"north\"", true),
        ("case.fields[\"seats\"] >= 40", true),
        ("case.fields.seats * 2 == 80.0", true),
        ("has(case.fields.nothing)", false),
        ("has(case.contract)", false),
        ("case.contract == null", true),
        ("case.open ? case.priority == 2 : case.priority == 1", true),
        ("!(case.priority == 2)", false),
        ("2 >= case.priority", true),
    ];
    for (source, expected) in cases {
        assert_eq!(holds(source, &state, 60), Some(expected), "{source}");
    }
}

#[test]
fn comparisons_that_leave_room_for_a_value_are_allowed() {
    for source in [
        "case.priority >= 2 && case.priority <= 2",
        "idle.wall > hours(2) && idle.wall <= hours(4)",
        "case.status != \"new\" && case.status != \"open\"",
        "case.tier == null || case.tier == \"gold\"",
        "case.priority == 2 && case.priority != null",
    ] {
        assert!(compile(source, Scope::Rule, &names()).is_ok(), "{source}");
    }
}

#[test]
fn a_missing_value_is_less_than_equal_to_and_greater_than_nothing() {
    let state = state(Case { priority: None, tier: None, customer: None, ..case() }, Vec::new());
    let cases = [
        ("case.priority <= 2", false),
        ("case.priority > 2", false),
        ("case.priority == null", true),
        ("case.priority != 1", true),
        ("case.urgent", false),
        ("case.tier == \"gold\"", false),
        ("case.tier != \"gold\"", true),
        ("case.tier in [\"gold\"]", false),
        ("case.product.contains(\"x\")", false),
        ("case.fields.missing > 3", false),
        ("customer.urgent >= 2", false),
        ("customer.waiting.wall >= hours(1)", false),
        ("customer.waiting.wall == null", true),
        ("clock.resolution.percent >= 50", false),
        ("clock.resolution.active", false),
        ("since_priority_raise.wall <= hours(4)", false),
    ];
    for (source, expected) in cases {
        assert_eq!(holds(source, &state, 60), Some(expected), "{source}");
    }
}

#[test]
fn what_cannot_be_read_cannot_be_told_unless_it_does_not_matter() {
    let state = state(Case { unread: vec!["priority".to_owned(), "seats".to_owned()], ..case() }, Vec::new());
    let cases = [
        ("case.priority <= 2", None),
        ("!(case.priority <= 2)", None),
        ("case.priority <= 2 && case.open", None),
        ("case.priority <= 2 && !case.open", Some(false)),
        ("!case.open && case.priority <= 2", Some(false)),
        ("case.priority <= 2 || case.open", Some(true)),
        ("case.priority <= 2 || !case.open", None),
        ("case.open ? case.tier == \"gold\" : case.priority == 1", Some(true)),
        ("case.fields.seats > 3", None),
        ("case.tags.exists(tag, tag == \"vip\" || case.priority == 1)", Some(true)),
        ("case.tags.all(tag, tag == \"vip\" && case.priority == 1)", Some(false)),
        ("case.fields.region > 3", None),
    ];
    for (source, expected) in cases {
        assert_eq!(holds(source, &state, 60), expected, "{source}");
    }
}

#[test]
fn a_vendors_word_of_the_past_is_not_todays() {
    let done = EventKind::StatusChanged { from: Status::Open, to: Status::Resolved };
    let raised = EventKind::PriorityChanged { from: Some(Priority(3)), to: Some(Priority(1)) };
    let events = vec![event(100, Actor::Agent, done), event(200, Actor::Agent, raised)];
    let words = Case { status_raw: "Done".to_owned(), priority_raw: "High".to_owned(), ..case() };
    let today = state(words, events);
    let (between, then) = (today.as_known_at(at(150)), today.as_known_at(at(50)));
    for (source, expected) in [
        ("case.status_raw == 'Done'", [Some(true), Some(true), None]),
        ("case.priority_raw == 'High'", [Some(true), None, None]),
    ] {
        assert_eq!([&today, &between, &then].map(|state| holds(source, state, 300)), expected, "{source}");
    }
}

#[test]
fn a_truncated_case_tells_what_more_of_the_past_could_not_change() {
    let events = vec![passed(100), passed(200), passed(300)];
    let state = CaseState { truncated: true, ..state(case(), events) };
    let cases = [
        ("reassignments >= 3", Some(true)),
        ("reassignments >= 4", None),
        ("reassignments < 3", Some(false)),
        ("reassignments == 2", Some(false)),
        ("reassignments == 3", None),
        ("reassignments.within(minutes(5)) >= 4", Some(false)),
        ("reassignments.within(hours(5)) >= 4", None),
        ("reassignments.within(hours(5)) >= 2", Some(true)),
        ("customer.waiting.wall >= hours(1)", None),
        ("status_for.wall >= hours(1)", None),
        ("team_for.wall >= seconds(100)", Some(true)),
        ("idle.wall >= seconds(100)", Some(true)),
    ];
    for (source, expected) in cases {
        assert_eq!(holds(source, &state, 400), expected, "{source}");
    }
}

/// Condition, the place of the fault, a part of the message, a part of the remedy.
const REFUSED: &[(&str, usize, &str, &str)] = &[
    ("case.priorty <= 2", 0, "unknown name `case.priorty`", "did you mean `case.priority`?"),
    ("case.open && caze.open", 13, "unknown name `caze.open`", "did you mean `case.open`?"),
    ("priority <= 2", 0, "unknown name `priority`", "did you mean `case.priority`?"),
    ("case.tier == gold", 13, "unknown name `gold`", "in quotes: 'gold'"),
    ("case.open and case.urgent", 10, "`and` joins nothing", "`&&`"),
    ("case.open or case.urgent", 10, "`or` joins nothing", "`||`"),
    ("case.priority = 1", 14, "a single `=` compares nothing", "`==`"),
    ("idle.wall > 4h", 13, "a time span is not written with a letter", "hours(4)"),
    ("case.open &&", 12, "it ends too early", "finish"),
    ("(case.open", 10, "it ends too early", "every bracket"),
    ("case.tier == “gold”", 13, "not straight", ""),
    ("idle >= hours(4)", 0, "`idle` is a group of words", "idle.business"),
    ("idle.wall", 0, "moves with time", ">= hours(4)"),
    ("idle.wall > 4 && idle.wall + 1 > 5", 17, "moves with time", ""),
    ("idle.wall > case.age.wall", 0, "both move with time", "compare each"),
    ("idle.wall > 4", 0, "a time span is compared with a number", "hours(4)"),
    ("4 < idle.wall", 0, "a time span", "hours(4)"),
    ("idle.wall > reopenings", 0, "a time span is compared with a number", "hours(4)"),
    ("reopenings > hours(2)", 0, "a number is compared with a time span", "hours(4)"),
    ("reopenings", 0, "a condition is true or false, this is a number", "reopenings >= 2"),
    ("case.tags", 0, "this is a list of texts", "in case.tags"),
    ("case.title", 0, "this is a text", "compare it"),
    ("case.priority == \"High\"", 0, "a number is compared with a text", "take the quotes off"),
    ("case.tier > 3", 0, "a text is compared with a number", "in quotes"),
    ("case.status == \"opened\"", 0, "`case.status` is never \"opened\"", "did you mean \"open\"?"),
    ("case.status in [\"new\", \"waiting\"]", 15, "is never \"waiting\"", "pending"),
    ("case.priority < 1", 0, "can never hold", "between 1 and 255"),
    ("reopenings >= 0", 0, "always holds", "never less than 0"),
    ("-1 > reopenings", 1, "can never hold", ""),
    ("clock.resolution.percent < 0", 0, "can never hold", ""),
    ("1 > 2", 0, "does not depend on the case", "leave it out"),
    ("true", 0, "does not depend on the case", "leave it out"),
    ("clock.resolutoin.percent > 50", 0, "there is no clock `resolutoin`", "did you mean `resolution`?"),
    (
        "signals.asks_to_escalat > 0",
        0,
        "there is no signal `asks_to_escalat`",
        "did you mean `asks_to_escalate`?",
    ),
    ("hours(case.title) > 3", 6, "expected a number, found a text", ""),
    ("hours(case.opened_at) > 3", 6, "expected a number, found an instant", ""),
    ("case.title.containz(\"x\")", 0, "unknown function `containz`", "did you mean `contains`?"),
    ("reassignments.within(hours(4))", 0, "moves with time", "on its own"),
    ("reassignments.within(case.priority) >= 3", 21, "not a fixed time span", "within(hours(4))"),
    ("reassignments.within(4) >= 3", 21, "not a fixed time span", "within(hours(4))"),
    ("reassignments.within(seconds(0)) >= 3", 0, "between one second and 400 days", ""),
    ("case.tags.within(hours(1)) > 2", 0, "within() counts events", "reassignments"),
    ("case.title.matches(case.tier)", 19, "a pattern must be a text in quotes", ""),
    ("case.title.matches(\"(\")", 19, "not a pattern", ""),
    ("case.title.matches(\"(x{1,50}){1,50}\")", 0, "too large when compiled", ""),
    ("case.opened_at > 3", 0, "instants are not compared", "case.age.wall"),
    ("event.type == \"created\"", 0, "cannot be read here", "clocks"),
    ("case.tags.map(a, case.tags.map(b, b)).exists(x, size(x) > 3)", 0, "cannot stand inside", "exists"),
    ("case.status == \"new\" && case.open && case.status == \"open\"", 37, "can never hold together", "||"),
    ("case.priority <= 2 && case.priority >= 3", 22, "can never hold together", "mend one"),
    ("idle.wall > hours(4) && idle.wall < hours(2)", 24, "can never hold together", "mend one"),
    ("case.priority == 1 && 2 <= case.priority", 22, "can never hold together", "mend one"),
    ("case.tags.exists(tag)", 0, "wants a variable", "case.tags.exists"),
    ("{\"a\": 1}.a == case.priority", 0, "only words", ""),
    ("", 0, "empty", ""),
    ("case.priority <= 2 / 0", 17, "cannot be computed: division by zero", ""),
    ("case.priority == 9223372036854775807 + 1", 17, "too large", ""),
    (
        "case.tags.exists(a, case.tags.exists(b, a + b == case.tier && a != b && b != a && size(a) > size(b)))",
        0,
        "steps",
        "",
    ),
    (
        "case.tags.exists(a, case.tags.exists(b, case.tags.exists(c, a == b && b == c)))",
        40,
        "rounds",
        "one list only",
    ),
];

#[test]
fn mistakes_in_conditions_are_refused_with_place_and_remedy() {
    let mut missed = Vec::new();
    for (source, offset, message, remedy) in REFUSED {
        let faults = compile(source, Scope::Rule, &names()).err().unwrap_or_default();
        let found = faults.iter().any(|fault| {
            fault.offset == *offset && fault.message.contains(message) && fault.remedy.contains(remedy)
        });
        if !found {
            missed.push(format!("{source}: {faults:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn counts_and_spans_are_read_from_the_timeline() {
    let events = vec![
        reply(600, Actor::Customer),
        reply(900, Actor::Agent),
        passed(1_000),
        reply(1_200, Actor::Customer),
        reply(1_500, Actor::Customer),
        passed(2_000),
        reply(2_100, Actor::Dutyd),
        reply(9_000, Actor::Customer),
    ];
    let state = state(case(), events);
    let cases = [
        ("replies.customer == 3", true),
        ("replies.customer.since_reply == 2", true),
        ("replies.public == 1", true),
        ("signals.asks_to_escalate == 3", true),
        ("signals.asks_to_escalate.since_reply == 2", true),
        ("reassignments == 2", true),
        ("reassignments.within(minutes(10)) == 1", true),
        ("customer.waiting.wall == seconds(1000)", true),
        ("idle.wall == seconds(200)", true),
        ("team_for.wall == seconds(200)", true),
        ("case.age.wall == seconds(2200)", true),
        ("owner_for.business == seconds(2200)", true),
    ];
    for (source, expected) in cases {
        assert_eq!(holds(source, &state, 2_200), Some(expected), "{source}");
    }
}
