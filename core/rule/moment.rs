//! Conditions on the case as of one moment: what SLA policies and custom clocks ask.

use super::compile::compile;
use super::eval::View;
use super::expr::Condition;
use super::facts::{read_case, read_field};
use super::line::Line;
use super::parse::Fault;
use super::value::{Known, Reason, Truth, Value};
use super::vocabulary::{CaseWord, EventWord, Names, Read, Scope};
use crate::case::Case;
use crate::timeline::{Actor, EventKind, Moment, TimelineEvent};
use jiff::Timestamp;

impl Condition {
    /// Compiles a condition over `case` and `event`, free of time.
    pub fn of_moment(source: &str) -> Result<Self, Vec<Fault>> {
        compile(source, Scope::Moment, &Names::default())
    }

    /// Whether the condition holds for the case as it stands, apart from any event.
    pub fn holds(&self, case: &Case) -> Truth {
        self.judge(&AsOf { case, moment: None }).truth
    }

    /// Whether it held just after `moment`: status, priority, owner and team are those of the moment, the rest is the
    /// case's.
    pub fn holds_at(&self, case: &Case, moment: &Moment<'_>) -> Truth {
        self.judge(&AsOf { case, moment: Some(moment) }).truth
    }

    /// Whether the answer can differ between moments of one case.
    pub fn moves(&self) -> bool {
        self.reads().iter().any(|read| match read {
            Read::Event(_) => true,
            Read::Case(word) => matches!(
                word,
                CaseWord::Status
                    | CaseWord::Open
                    | CaseWord::Priority
                    | CaseWord::Urgent
                    | CaseWord::Owner
                    | CaseWord::Team
            ),
            _ => false,
        })
    }
}

/// The case as of a moment.
struct AsOf<'a> {
    case: &'a Case,
    moment: Option<&'a Moment<'a>>,
}

impl View for AsOf<'_> {
    fn now(&self) -> Timestamp {
        self.moment.map_or(self.case.updated_at, |moment| moment.at)
    }

    fn read<'v>(&'v self, read: &Read) -> Known<'v> {
        match read {
            Read::Case(word) => match self.moment {
                Some(moment) => read_moment(self.case, moment, *word),
                None => read_case(self.case, *word),
            },
            Read::Field(name) => read_field(self.case, name),
            Read::Event(word) => Ok(match self.moment.and_then(|moment| moment.event) {
                Some(event) => read_event(event, *word),
                None => Value::Null,
            }),
            _ => Ok(Value::Null),
        }
    }

    fn line(&self, _: &Read) -> Result<Option<Line<'_>>, Reason> {
        Ok(None)
    }

    fn is_at_least(&self, _: &Read) -> bool {
        false
    }

    fn steps(&self, _: &Read) -> Vec<(Timestamp, Value<'static>)> {
        Vec::new()
    }
}

fn read_moment<'v>(case: &'v Case, moment: &'v Moment<'_>, word: CaseWord) -> Known<'v> {
    let today = read_case(case, word)?;
    let name =
        |party: Option<&'v crate::case::Party>| Value::text_or_null(party.map(|party| party.name.as_str()));
    Ok(match word {
        CaseWord::Status => Value::text(moment.status.word()),
        CaseWord::Open => Value::Bool(moment.status.is_open()),
        CaseWord::Priority => moment.priority.map_or(Value::Null, |priority| Value::Int(priority.0.into())),
        CaseWord::Urgent => Value::Bool(moment.priority.is_some_and(|priority| priority.is_urgent())),
        CaseWord::Owner => name(moment.owner),
        CaseWord::Team => name(moment.team),
        _ => today,
    })
}

fn read_event(event: &TimelineEvent, word: EventWord) -> Value<'_> {
    match (word, &event.kind) {
        (EventWord::Type, kind) => Value::text(type_word(kind)),
        (EventWord::Actor, _) => Value::text(actor_word(event.actor)),
        (EventWord::By, _) => Value::text_or_null(event.by.as_deref()),
        (EventWord::Reopens, kind) => Value::Bool(kind.is_reopening()),
        (EventWord::Public, EventKind::Replied { public, .. }) => Value::Bool(*public),
        (EventWord::Signals, EventKind::Replied { signals, .. } | EventKind::Created { signals }) => {
            Value::Texts(signals)
        }
        (EventWord::Field, EventKind::FieldChanged { field, .. }) => Value::text(field),
        (EventWord::From, kind) => change_of(kind).0,
        (EventWord::To, kind) => change_of(kind).1,
        _ => Value::Null,
    }
}

/// The values before and after, as text.
fn change_of(kind: &EventKind) -> (Value<'_>, Value<'_>) {
    let priority = |value: &Option<crate::case::Priority>| {
        value.map_or(Value::Null, |priority| Value::Text(priority.0.to_string().into()))
    };
    match kind {
        EventKind::StatusChanged { from, to } => (Value::text(from.word()), Value::text(to.word())),
        EventKind::PriorityChanged { from, to } => (priority(from), priority(to)),
        EventKind::OwnerChanged { from, to } | EventKind::TeamChanged { from, to } => (
            Value::text_or_null(from.as_ref().map(|party| party.name.as_str())),
            Value::text_or_null(to.as_ref().map(|party| party.name.as_str())),
        ),
        EventKind::FieldChanged { from, to, .. } => {
            (Value::text_or_null(from.as_deref()), Value::text_or_null(to.as_deref()))
        }
        _ => (Value::Null, Value::Null),
    }
}

fn type_word(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Created { .. } => "created",
        EventKind::Replied { .. } => "replied",
        EventKind::StatusChanged { .. } => "status_changed",
        EventKind::PriorityChanged { .. } => "priority_changed",
        EventKind::OwnerChanged { .. } => "owner_changed",
        EventKind::TeamChanged { .. } => "team_changed",
        EventKind::FieldChanged { .. } => "field_changed",
        EventKind::MarkChanged { .. } => "mark_changed",
        EventKind::MergedInto { .. } => "merged_into",
        EventKind::Linked { .. } => "linked",
        EventKind::Unlinked { .. } => "unlinked",
        EventKind::TargetAdopted { .. } => "target_adopted",
    }
}

fn actor_word(actor: Actor) -> &'static str {
    match actor {
        Actor::Customer => "customer",
        Actor::Agent => "agent",
        Actor::Vendor => "vendor",
        Actor::Dutyd => "dutyd",
    }
}
