//! What rules read about one case at one instant, and how each word is read. Built once per case, not per rule.

use super::eval::View;
use super::history::{Counted, History};
use super::line::{Line, Shape};
use super::value::{Known, Reason, Value};
use super::vocabulary::{CaseWord, ClockWord, GroupWord, LinkedWord, Measure, Read, SpanWord, Tally};
use crate::around::{Around, GroupFacts, GroupKind};
use crate::calendar::Calendar;
use crate::case::{Case, FieldValue};
use crate::policy::Policy;
use crate::sla::{ClockReading, ClockState};
use crate::state::CaseState;
use jiff::Timestamp;
use std::cell::OnceCell;
use std::sync::Arc;

const TRUNCATED: Reason = Reason::Borrowed("the oldest events of this case are not kept");

/// What rules read about one case at one instant.
pub struct Facts<'a> {
    pub policy: &'a Policy,
    pub state: &'a CaseState,
    pub around: &'a Around,
    pub clocks: &'a [ClockReading],
    pub now: Timestamp,
    history: OnceCell<History<'a>>,
    calendar: OnceCell<Arc<Calendar>>,
}

impl<'a> Facts<'a> {
    pub fn new(
        policy: &'a Policy,
        state: &'a CaseState,
        around: &'a Around,
        clocks: &'a [ClockReading],
        now: Timestamp,
    ) -> Self {
        let (history, calendar) = (OnceCell::new(), OnceCell::new());
        Self { policy, state, around, clocks, now, history, calendar }
    }

    /// The same case at another instant, as far as it is known now.
    pub fn at(&self, now: Timestamp) -> Facts<'a> {
        Facts::new(self.policy, self.state, self.around, self.clocks, now)
    }

    pub fn history(&self) -> &History<'a> {
        self.history.get_or_init(|| History::of(self.state, self.now))
    }

    /// The calendar of the case's customer, team or source, else the policy's.
    pub fn calendar(&self) -> &Arc<Calendar> {
        self.calendar.get_or_init(|| self.policy.calendar_for(&self.state.case))
    }

    pub(super) fn clock(&self, name: &str) -> Option<&ClockReading> {
        self.clocks.iter().find(|clock| clock.clock == name)
    }

    fn group(&self, kind: GroupKind) -> Option<&GroupFacts> {
        match kind {
            GroupKind::Customer => self.around.customer.as_ref(),
            GroupKind::Owner => self.around.owner.as_ref(),
            GroupKind::Team => self.around.team.as_ref(),
        }
    }

    /// The events a count is made of.
    pub fn counted(&self, read: &Read) -> &[Counted] {
        match read {
            Read::Tally(tally) => self.history().tally(tally),
            Read::TallySinceReply(tally) => self.history().since_reply(tally),
            Read::TallyWithin(tally, seconds) => self.history().within(tally, *seconds, self.now),
            _ => &[],
        }
    }

    /// The event from which a span is measured, where one is.
    pub fn span_start(&self, word: SpanWord) -> Option<Counted> {
        let history = self.history();
        match word {
            SpanWord::Idle => history.active,
            SpanWord::Waiting => history.waiting,
            SpanWord::InStatus => history.status,
            SpanWord::WithOwner => history.owner,
            SpanWord::WithTeam => history.team,
            SpanWord::SincePriorityRaise => history.raised,
            SpanWord::Age | SpanWord::UntilDue | SpanWord::LinkedIdle => None,
        }
    }

    /// From when a span is measured; `None`: there is no such span now.
    fn span_since(&self, word: SpanWord) -> Result<Option<Timestamp>, Reason> {
        let opened = self.state.case.opened_at;
        let start = self
            .span_start(word)
            .map(|counted| Timestamp::from_second(counted.at).unwrap_or(self.state.events[counted.index].at));
        match word {
            SpanWord::Age => Ok(Some(opened)),
            SpanWord::UntilDue => Ok(None),
            SpanWord::LinkedIdle => Ok(self
                .around
                .linked
                .iter()
                .filter(|linked| linked.status.is_open())
                .map(|linked| linked.moved_at)
                .max()),
            _ if start.is_none() && self.state.truncated => Err(TRUNCATED),
            SpanWord::Waiting if self.state.truncated && self.history().replied.is_none() => Err(TRUNCATED),
            SpanWord::Waiting | SpanWord::SincePriorityRaise => Ok(start),
            SpanWord::Idle => Ok(Some(start.map_or(opened, |start| start.max(opened)))),
            SpanWord::InStatus | SpanWord::WithOwner | SpanWord::WithTeam => {
                Ok(Some(start.unwrap_or(opened)))
            }
        }
    }

    fn span_line(&self, word: SpanWord, measure: Measure) -> Result<Option<Line<'_>>, Reason> {
        if let Some(field) = span_field(word)
            && is_unread(&self.state.case, field)
        {
            return Err(unread(field));
        }
        if word == SpanWord::UntilDue {
            let case = &self.state.case;
            return Ok(case.due_at.map(|due| self.left_until(due, case.opened_at, measure)));
        }
        let (since, calendar) = (self.span_since(word)?, self.measured_by(measure));
        Ok(since.map(|since| Line { since: Some(since), before: 0, calendar, shape: Shape::Passed }))
    }

    /// `None`: wall time.
    fn measured_by(&self, measure: Measure) -> Option<&Calendar> {
        match measure {
            Measure::Wall => None,
            Measure::Business => Some(self.calendar().as_ref()),
        }
    }

    /// Time left until an instant, measured from an earlier one, so that it goes on below zero.
    fn left_until(&self, due: Timestamp, from: Timestamp, measure: Measure) -> Line<'_> {
        let (since, calendar) = (from.min(due), self.measured_by(measure));
        let total = match calendar {
            Some(calendar) => calendar.seconds_between(since, due),
            None => due.as_second() - since.as_second(),
        };
        Line { since: Some(since), before: 0, calendar, shape: Shape::LeftOf(total) }
    }

    fn clock_line(&self, name: &str, word: ClockWord) -> Option<Line<'_>> {
        let clock = self.clock(name)?;
        if let ClockWord::DueIn(measure) = word {
            let due = clock.due_at.filter(|_| clock.running_since.is_some())?;
            return Some(self.left_until(due, clock.started_at, measure));
        }
        let shape = match (word, clock.target_seconds) {
            (ClockWord::Elapsed, _) => Shape::Passed,
            (ClockWord::Remaining, Some(target)) if clock.is_active() => Shape::LeftOf(target),
            (ClockWord::Percent, Some(target)) => Shape::PercentOf(target),
            _ => return None,
        };
        let (since, before) = match clock.running_since {
            Some(since) => (Some(since), clock.elapsed_before),
            None => (None, clock.elapsed_seconds),
        };
        Some(Line { since, before, calendar: Some(&clock.calendar), shape })
    }

    fn read_clock(&self, name: &str, word: ClockWord) -> Value<'_> {
        let Some(clock) = self.clock(name) else { return Value::Null };
        match word {
            ClockWord::State => Value::text(state_word(&clock.state)),
            ClockWord::Active => Value::Bool(clock.is_active()),
            ClockWord::Breached => Value::Bool(is_breached(clock, self.now)),
            ClockWord::DueAt => instant(clock.due_at),
            _ => self.clock_line(name, word).map_or(Value::Null, |line| line.value(self.now)),
        }
    }

    /// When a running clock uses up its target.
    fn clock_step(&self, name: &str) -> Option<Timestamp> {
        let clock = self.clock(name)?;
        clock.reaches(clock.target_seconds?).filter(|at| at.as_second() > self.now.as_second())
    }

    fn read_case(&self, word: CaseWord) -> Known<'_> {
        let case = &self.state.case;
        match word {
            CaseWord::Important => Ok(Value::Bool(self.policy.is_important(case))),
            CaseWord::Customer => {
                readable(case, "customer")?;
                Ok(self.policy.customer_of(case).map_or_else(|| name_of(&case.customer), Value::text))
            }
            other => read_case(case, other),
        }
    }
}

impl View for Facts<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn read<'v>(&'v self, read: &Read) -> Known<'v> {
        Ok(match read {
            Read::Case(word) => return self.read_case(*word),
            Read::Field(name) => return read_field(&self.state.case, name),
            Read::Span(word, measure) => {
                self.span_line(*word, *measure)?.map_or(Value::Null, |line| line.value(self.now))
            }
            Read::Tally(_) | Read::TallySinceReply(_) | Read::TallyWithin(..) => {
                Value::Int(self.counted(read).len() as i64)
            }
            Read::Clock(name, word) => self.read_clock(name, *word),
            Read::Group(kind, word) => {
                self.group(*kind).map_or(Value::Null, |facts| group_value(facts, *word))
            }
            Read::Linked(word) => {
                let linked = &self.around.linked;
                let count = match word {
                    LinkedWord::Count => linked.len(),
                    LinkedWord::Open => linked.iter().filter(|linked| linked.status.is_open()).count(),
                };
                Value::Int(count as i64)
            }
            Read::Event(_) => Value::Null,
        })
    }

    fn line(&self, read: &Read) -> Result<Option<Line<'_>>, Reason> {
        match read {
            Read::Span(word, measure) => self.span_line(*word, *measure),
            Read::Clock(name, word) => Ok(self.clock_line(name, *word)),
            _ => Ok(None),
        }
    }

    fn is_at_least(&self, read: &Read) -> bool {
        let Some(kept_from) = self.history().kept_from else { return false };
        match read {
            Read::Tally(_) => true,
            Read::TallySinceReply(_) => self.history().replied.is_none(),
            Read::TallyWithin(_, seconds) => self.now.as_second() - seconds < kept_from,
            _ => false,
        }
    }

    fn steps(&self, read: &Read) -> Vec<(Timestamp, Value<'static>)> {
        match read {
            Read::TallyWithin(_, seconds) => window_steps(self.counted(read), *seconds),
            Read::Clock(name, _) => self.clock_step(name).map(|at| (at, Value::Null)).into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// Each event leaves its window when it is as old as the window is long.
fn window_steps(counted: &[Counted], seconds: i64) -> Vec<(Timestamp, Value<'static>)> {
    let mut steps: Vec<(Timestamp, Value<'static>)> = Vec::new();
    for (left, event) in counted.iter().enumerate() {
        let Ok(at) = Timestamp::from_second(event.at.saturating_add(seconds)) else { continue };
        let remaining = Value::Int((counted.len() - left - 1) as i64);
        match steps.last_mut() {
            Some((last, count)) if *last == at => *count = remaining,
            _ => steps.push((at, remaining)),
        }
    }
    steps
}

fn group_value(facts: &GroupFacts, word: GroupWord) -> Value<'static> {
    let count = match word {
        GroupWord::Open => facts.open,
        GroupWord::Urgent => facts.urgent,
        GroupWord::Unowned => facts.unowned,
        GroupWord::Unanswered => facts.unanswered,
        GroupWord::Sources => facts.sources,
    };
    Value::Int(i64::from(count))
}

fn state_word(state: &ClockState) -> &'static str {
    match state {
        ClockState::Running => "running",
        ClockState::Paused { .. } => "paused",
        ClockState::Met => "met",
        ClockState::Missed => "missed",
        ClockState::Cancelled => "cancelled",
    }
}

/// A clock still running in the second in which its target is used up is breached.
fn is_breached(clock: &ClockReading, now: Timestamp) -> bool {
    let used_up = clock.target_seconds.is_some_and(|target| clock.elapsed_at(now) >= target);
    clock.breached_at.is_some_and(|at| at <= now) || (clock.running_since.is_some() && used_up)
}

fn instant(at: Option<Timestamp>) -> Value<'static> {
    at.map_or(Value::Null, |at| Value::Text(at.to_string().into()))
}

fn name_of(party: &Option<crate::case::Party>) -> Value<'_> {
    Value::text_or_null(party.as_ref().map(|party| party.name.as_str()))
}

fn is_unread(case: &Case, field: &str) -> bool {
    case.unread.iter().any(|unread| unread == field)
}

fn unread(field: &str) -> Reason {
    format!("`{field}` of this case did not come, or not as we know it; may our account read it?").into()
}

fn readable(case: &Case, field: &str) -> Result<(), Reason> {
    if case.unread.is_empty() || !is_unread(case, field) { Ok(()) } else { Err(unread(field)) }
}

fn span_field(word: SpanWord) -> Option<&'static str> {
    match word {
        SpanWord::WithOwner => Some("owner"),
        SpanWord::WithTeam => Some("team"),
        SpanWord::SincePriorityRaise => Some("priority"),
        SpanWord::UntilDue => Some("due_at"),
        _ => None,
    }
}

/// A word of the case itself. Missing values are `null`; those we may not read are an error.
pub(super) fn read_case(case: &Case, word: CaseWord) -> Known<'_> {
    if !case.unread.is_empty() {
        readable(case, case_field(word))?;
    }
    Ok(match word {
        CaseWord::Number => Value::text(&case.number),
        CaseWord::Title => Value::text(&case.title),
        CaseWord::Source => Value::text(&case.key.source),
        CaseWord::Status => Value::text(case.status.word()),
        CaseWord::StatusRaw => raw(&case.status_raw, true, "status")?,
        CaseWord::Open => Value::Bool(case.status.is_open()),
        CaseWord::Priority => case.priority.map_or(Value::Null, |priority| Value::Int(priority.0.into())),
        CaseWord::PriorityRaw => raw(&case.priority_raw, case.priority.is_some(), "priority")?,
        CaseWord::Urgent => Value::Bool(case.priority.is_some_and(|priority| priority.is_urgent())),
        CaseWord::Customer => name_of(&case.customer),
        CaseWord::Important => Value::Null,
        CaseWord::Tier => Value::text_or_null(case.tier.as_deref()),
        CaseWord::Contract => Value::text_or_null(case.contract.as_deref()),
        CaseWord::Requester => name_of(&case.requester),
        CaseWord::Owner => name_of(&case.owner),
        CaseWord::Team => name_of(&case.team),
        CaseWord::Product => Value::text_or_null(case.product.as_deref()),
        CaseWord::Category => Value::text_or_null(case.category.as_deref()),
        CaseWord::Channel => Value::text_or_null(case.channel.as_deref()),
        CaseWord::Tags => Value::Texts(&case.tags),
        CaseWord::OpenedAt => instant(Some(case.opened_at)),
        CaseWord::DueAt => instant(case.due_at),
    })
}

/// The vendor's own word, which a case of the past has lost ([`CaseState::as_known_at`]).
fn raw<'v>(word: &'v str, has_one: bool, field: &str) -> Known<'v> {
    match word {
        "" if has_one => Err(format!("the vendor's own word for the {field} of then is not kept").into()),
        _ => Ok(Value::text(word)),
    }
}

/// The field of [`Case`] that a word is read from, as connectors name it in `unread`.
fn case_field(word: CaseWord) -> &'static str {
    match word {
        CaseWord::Number => "number",
        CaseWord::Title => "title",
        CaseWord::Source => "source",
        CaseWord::Status | CaseWord::StatusRaw | CaseWord::Open => "status",
        CaseWord::Priority | CaseWord::PriorityRaw | CaseWord::Urgent => "priority",
        CaseWord::Customer | CaseWord::Important => "customer",
        CaseWord::Tier => "tier",
        CaseWord::Contract => "contract",
        CaseWord::Requester => "requester",
        CaseWord::Owner => "owner",
        CaseWord::Team => "team",
        CaseWord::Product => "product",
        CaseWord::Category => "category",
        CaseWord::Channel => "channel",
        CaseWord::Tags => "tags",
        CaseWord::OpenedAt => "opened_at",
        CaseWord::DueAt => "due_at",
    }
}

pub(super) fn read_field<'v>(case: &'v Case, name: &str) -> Known<'v> {
    readable(case, name)?;
    Ok(match case.fields.get(name) {
        None => Value::Null,
        Some(FieldValue::Text(text)) => Value::text(text),
        Some(FieldValue::Number(number)) => Value::Double(*number),
        Some(FieldValue::Truth(truth)) => Value::Bool(*truth),
        Some(FieldValue::Instant(at)) => instant(Some(*at)),
        Some(FieldValue::List(list)) => Value::Texts(list),
    })
}

/// The name under which a tally is known.
pub(super) fn tally_word(tally: &Tally) -> String {
    match tally {
        Tally::CustomerReplies => "replies.customer".to_owned(),
        Tally::PublicReplies => "replies.public".to_owned(),
        Tally::InternalNotes => "replies.internal".to_owned(),
        Tally::Reassignments => "reassignments".to_owned(),
        Tally::OwnerChanges => "owner_changes".to_owned(),
        Tally::Reopenings => "reopenings".to_owned(),
        Tally::PriorityRaises => "priority_raises".to_owned(),
        Tally::StatusChanges => "status_changes".to_owned(),
        Tally::Signal(name) => format!("signals.{name}"),
    }
}
