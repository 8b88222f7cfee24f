//! Examples of rules: a small timeline, an instant, and what the rule should say then.

use super::document::{EventDoc, ExampleCaseDoc, ExampleDoc};
use super::read::Reader;
use super::{Policy, PolicySet};
use crate::action::Severity;
use crate::around::{Around, GroupFacts};
use crate::calendar::parse_duration;
use crate::case::{Case, CaseKey, FieldValue, Party, Priority, Status};
use crate::problem::{Problem, nearest};
use crate::rule::{Facts, Verdict};
use crate::sla;
use crate::state::CaseState;
use crate::timeline::{self, Actor, EventKind, TimelineEvent};
use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::{Spanned, Value};

/// A checked example.
#[derive(Debug)]
pub struct Example {
    rule: usize,
    about: String,
    case: ExampleCaseDoc,
    status: Status,
    start: Option<Timestamp>,
    due: Option<i64>,
    events: Vec<Step>,
    around: Around,
    at: i64,
    expect: Expect,
    /// Where it stands, for messages.
    place: Problem,
}

/// One event, seconds after the opening.
#[derive(Debug)]
struct Step {
    after: i64,
    by: Actor,
    what: What,
}

#[derive(Debug)]
enum What {
    Reply { public: bool, text: String },
    Status(Status),
    Priority(Option<Priority>),
    Owner(Option<Party>),
    Team(Option<Party>),
    Field { field: String, to: Option<String> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Fires,
    At(Severity),
    Quiet,
    CannotTell,
}

impl Example {
    pub(super) fn compile(reader: &mut Reader<'_>, rule: usize, doc: &Spanned<ExampleDoc>) -> Option<Self> {
        let before = reader.problems.len();
        let at = doc.get_ref().expect.span().start;
        let place = Problem::at(&reader.file.name, &reader.file.text, at, "", "");
        let doc = doc.get_ref();
        let mut start = None;
        if let Some(text) = &doc.start {
            start = text.get_ref().parse().ok();
            if start.is_none() {
                reader.problem(
                    text.span().start,
                    format!("`{}` is not an instant", text.get_ref()),
                    "write it as 2026-03-02T09:00:00+01:00, with the offset",
                );
            }
        }
        let status = match &doc.case.status {
            Some(word) => status_of(reader, word.get_ref(), word.span().start),
            None => Some(Status::Open),
        };
        let due = doc.case.due.as_ref().map(|due| seconds(reader, due));
        let events: Vec<_> = doc.events.iter().filter_map(|event| step(reader, event)).collect();
        let around = around(reader, &doc.around);
        let at = seconds(reader, &doc.at);
        let expect = expect(reader, &doc.expect);
        if reader.problems.len() > before {
            return None;
        }
        Some(Self {
            rule,
            about: doc.about.clone(),
            case: doc.case.clone(),
            status: status?,
            start,
            due: due.flatten(),
            events,
            around,
            at: at?,
            expect: expect?,
            place,
        })
    }

    /// `None`: the rule says what is expected.
    pub(super) fn run(&self, policy: &Arc<Policy>) -> Option<Problem> {
        let rule = policy.rules.get(self.rule)?;
        let (state, now) = self.play(policy);
        let set = PolicySet { current: policy.clone(), older: BTreeMap::new() };
        let clocks = sla::read_clocks(&set, &state, now);
        let facts = Facts::new(policy, &state, &self.around, &clocks, now);
        let verdict = match state.case.status.is_open() {
            true => rule.read(&facts, false).verdict,
            false => Verdict::Quiet,
        };
        if self.expect.is_met(&verdict) {
            return None;
        }
        let said = match &verdict {
            Verdict::Fires(severity) => format!("fires as {}", severity.word()),
            Verdict::Quiet => "is quiet".to_owned(),
            Verdict::CannotTell { because } => format!("cannot tell: {because}"),
        };
        let about = if self.about.is_empty() { String::new() } else { format!(" ({})", self.about) };
        let atoms: Vec<String> = rule.evidence(&facts).atoms.iter().map(shown_atom).collect();
        Some(Problem {
            message: format!(
                "example of rule `{}`{about}: expected {}, but it {said}",
                rule.name,
                self.expect.word()
            ),
            remedy: format!("at {now}: {}", atoms.join("; ")),
            ..self.place.clone()
        })
    }

    /// The case at the instant asked for.
    fn play(&self, policy: &Arc<Policy>) -> (CaseState, Timestamp) {
        let zone = policy.defaults.zone.clone().unwrap_or(TimeZone::UTC);
        let monday = date(2026, 3, 2).at(9, 0, 0, 0).to_zoned(zone).map(|zoned| zoned.timestamp());
        let start = self.start.or(monday.ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut case = self.opened(start);
        let said = self.case.text.as_deref().unwrap_or_default();
        let opening = format!("{}\n{said}", case.title);
        let created = TimelineEvent {
            id: "created".to_owned(),
            at: start,
            seen_at: start,
            actor: Actor::Customer,
            by: None,
            kind: EventKind::Created { signals: policy.lexicon.signals_in(&opening) },
        };
        let mut events = vec![created];
        for (index, step) in self.events.iter().enumerate() {
            let at = later(start, step.after);
            let kind = step.happen(&mut case, policy);
            events.push(TimelineEvent {
                id: format!("e{}", index + 1),
                at,
                seen_at: at,
                actor: step.by,
                by: None,
                kind,
            });
            case.updated_at = at;
        }
        let now = later(start, self.at);
        let mut state = CaseState { events, ..CaseState::new(case) };
        let set = PolicySet { current: policy.clone(), older: BTreeMap::new() };
        let adoptions = sla::adoptions(&set, &state, now);
        timeline::merge(&mut state.events, &adoptions);
        (state, now)
    }

    fn opened(&self, start: Timestamp) -> Case {
        let doc = &self.case;
        let party = |name: &Option<String>| name.as_deref().map(named);
        let due_at = self.due.map(|due| later(start, due));
        Case {
            number: "EXAMPLE-1".to_owned(),
            title: doc.title.clone().unwrap_or_else(|| "Example".to_owned()),
            status: self.status,
            status_raw: self.status.word().to_owned(),
            priority: doc.priority.map(Priority),
            priority_raw: doc.priority.map(|priority| priority.to_string()).unwrap_or_default(),
            customer: party(&doc.customer),
            tier: doc.tier.clone(),
            contract: doc.contract.clone(),
            requester: party(&doc.requester),
            owner: party(&doc.owner),
            team: party(&doc.team),
            product: doc.product.clone(),
            category: doc.category.clone(),
            channel: doc.channel.clone(),
            tags: doc.tags.clone(),
            fields: doc.fields.iter().map(|(name, value)| (name.clone(), field(value))).collect(),
            unread: doc.unread.clone(),
            due_at,
            ..Case::opened(CaseKey::new(doc.source.as_deref().unwrap_or("example"), "case"), start)
        }
    }
}

fn shown_atom(atom: &crate::evidence::AtomRead) -> String {
    let said = match atom.holds {
        Some(true) => "holds",
        Some(false) => "does not hold",
        None => "cannot be told",
    };
    let reads: Vec<String> =
        atom.reads.iter().map(|read| format!("{} is {}", read.path, read.value)).collect();
    format!("`{}` {said} ({})", atom.text, reads.join(", "))
}

impl Step {
    /// Changes the case and says what happened.
    fn happen(&self, case: &mut Case, policy: &Policy) -> EventKind {
        match &self.what {
            What::Reply { public, text } => {
                EventKind::Replied { public: *public, signals: policy.lexicon.signals_in(text) }
            }
            What::Status(to) => {
                case.status_raw = to.word().to_owned();
                EventKind::StatusChanged { from: std::mem::replace(&mut case.status, *to), to: *to }
            }
            What::Priority(to) => {
                EventKind::PriorityChanged { from: std::mem::replace(&mut case.priority, *to), to: *to }
            }
            What::Owner(to) => EventKind::OwnerChanged {
                from: std::mem::replace(&mut case.owner, to.clone()),
                to: to.clone(),
            },
            What::Team(to) => {
                EventKind::TeamChanged { from: std::mem::replace(&mut case.team, to.clone()), to: to.clone() }
            }
            What::Field { field, to } => {
                let value = to.clone().map(FieldValue::Text);
                let from = match value {
                    Some(value) => case.fields.insert(field.clone(), value),
                    None => case.fields.remove(field),
                };
                let from =
                    from.and_then(|from| if let FieldValue::Text(text) = from { Some(text) } else { None });
                EventKind::FieldChanged { field: field.clone(), from, to: to.clone() }
            }
        }
    }
}

impl Expect {
    fn is_met(self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Expect::Fires, Verdict::Fires(_)) | (Expect::Quiet, Verdict::Quiet) => true,
            (Expect::At(expected), Verdict::Fires(severity)) => expected == *severity,
            (Expect::CannotTell, Verdict::CannotTell { .. }) => true,
            _ => false,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Expect::Fires => "fires",
            Expect::Quiet => "quiet",
            Expect::CannotTell => "cannot tell",
            Expect::At(severity) => severity.word(),
        }
    }
}

fn later(start: Timestamp, seconds: i64) -> Timestamp {
    start.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

fn named(name: &str) -> Party {
    Party { id: name.to_lowercase(), name: name.to_owned() }
}

fn field(value: &Value) -> FieldValue {
    match value {
        Value::Integer(number) => FieldValue::Number(*number as f64),
        Value::Float(number) => FieldValue::Number(*number),
        Value::Boolean(truth) => FieldValue::Truth(*truth),
        Value::Array(list) => {
            FieldValue::List(list.iter().filter_map(|part| part.as_str().map(str::to_owned)).collect())
        }
        Value::String(text) => FieldValue::Text(text.clone()),
        other => FieldValue::Text(other.to_string()),
    }
}

fn seconds(reader: &mut Reader<'_>, text: &Spanned<String>) -> Option<i64> {
    match parse_duration(text.get_ref()) {
        Ok(seconds) => Some(seconds),
        Err(message) => {
            reader.problem(text.span().start, message, "write time after the opening as `90m`, `4h` or `2d`");
            None
        }
    }
}

fn choice<'c>(
    reader: &mut Reader<'_>,
    what: &str,
    word: &str,
    at: usize,
    known: impl IntoIterator<Item = &'c str> + Clone,
) {
    let remedy = match nearest(word, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it is one of {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    };
    reader.problem(at, format!("`{word}` is not {what}"), remedy);
}

fn status_of(reader: &mut Reader<'_>, word: &str, at: usize) -> Option<Status> {
    let found = Status::ALL.into_iter().find(|status| status.word() == word);
    if found.is_none() {
        choice(reader, "a status", word, at, Status::ALL.map(Status::word));
    }
    found
}

fn expect(reader: &mut Reader<'_>, word: &Spanned<String>) -> Option<Expect> {
    let found = match word.get_ref().as_str() {
        "fires" => Some(Expect::Fires),
        "quiet" => Some(Expect::Quiet),
        "cannot tell" => Some(Expect::CannotTell),
        other => Severity::from_word(other).map(Expect::At),
    };
    if found.is_none() {
        let known = ["fires", "quiet", "cannot tell", "watch", "warning", "candidate", "critical"];
        choice(reader, "what a rule can say", word.get_ref(), word.span().start, known);
    }
    found
}

fn step(reader: &mut Reader<'_>, event: &Spanned<EventDoc>) -> Option<Step> {
    let doc = event.get_ref();
    let after = seconds(reader, &doc.after);
    let by = match doc.by.as_ref().map(|by| (by.get_ref().as_str(), by.span().start)) {
        None | Some(("agent", _)) => Some(Actor::Agent),
        Some(("customer", _)) => Some(Actor::Customer),
        Some(("vendor", _)) => Some(Actor::Vendor),
        Some((other, at)) => {
            choice(reader, "somebody who acts", other, at, ["customer", "agent", "vendor"]);
            None
        }
    };
    let what = what(reader, doc);
    Some(Step { after: after?, by: by?, what: what? })
}

fn what(reader: &mut Reader<'_>, doc: &EventDoc) -> Option<What> {
    let at = doc.what.span().start;
    let to = doc.to.as_ref().map(Spanned::get_ref);
    let to_text = to.and_then(Value::as_str).map(str::to_owned);
    Some(match doc.what.get_ref().as_str() {
        "reply" => What::Reply { public: true, text: doc.text.clone() },
        "note" => What::Reply { public: false, text: doc.text.clone() },
        "status" => {
            let word = to_text.unwrap_or_default();
            What::Status(status_of(reader, &word, doc.to.as_ref().map_or(at, |to| to.span().start))?)
        }
        "priority" => {
            What::Priority(to.and_then(Value::as_integer).and_then(|to| u8::try_from(to).ok()).map(Priority))
        }
        "owner" => What::Owner(to_text.as_deref().map(named)),
        "team" => What::Team(to_text.as_deref().map(named)),
        "field" => What::Field { field: doc.field.clone().unwrap_or_default(), to: to_text },
        other => {
            let known = ["reply", "note", "status", "priority", "owner", "team", "field"];
            choice(reader, "an event of an example", other, at, known);
            return None;
        }
    })
}

fn around(reader: &mut Reader<'_>, facts: &BTreeMap<String, Spanned<u32>>) -> Around {
    let mut around = Around {
        customer: Some(GroupFacts::default()),
        owner: Some(GroupFacts::default()),
        team: Some(GroupFacts::default()),
        ..Around::default()
    };
    for (path, count) in facts {
        let (group, fact) = path.split_once('.').unwrap_or((path, ""));
        let facts = match group {
            "customer" => around.customer.as_mut(),
            "owner" => around.owner.as_mut(),
            "team" => around.team.as_mut(),
            _ => None,
        };
        let slot = facts.and_then(|facts| match fact {
            "open" => Some(&mut facts.open),
            "urgent" => Some(&mut facts.urgent),
            "unowned" => Some(&mut facts.unowned),
            "unanswered" => Some(&mut facts.unanswered),
            "sources" => Some(&mut facts.sources),
            _ => None,
        });
        match slot {
            Some(slot) => *slot = *count.get_ref(),
            None => reader.problem(
                count.span().start,
                format!("`{path}` is not a fact of the neighbourhood"),
                "write `customer.urgent`, `owner.open`, `team.unanswered` or the like",
            ),
        }
    }
    around
}
