//! The words a condition may use: looked up, suggested, documented. The table itself is in [`super::words`].
//!
//! Must not know: how a word's value is read.

use super::value::Type;
use super::words::{WORDS, Word};
use crate::around::GroupKind;
use crate::problem::nearest;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where a condition stands, which says what it may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A rule: everything but `event`.
    Rule,
    /// A condition on the case as of one moment: `case` and `event`.
    Moment,
}

/// Wall time, or business time by the calendar of the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    Wall,
    Business,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaseWord {
    Number,
    Title,
    Source,
    Status,
    StatusRaw,
    Open,
    Priority,
    PriorityRaw,
    Urgent,
    Customer,
    Important,
    Tier,
    Contract,
    Requester,
    Owner,
    Team,
    Product,
    Category,
    Channel,
    Tags,
    OpenedAt,
    DueAt,
}

/// A reading that grows by one each second, or falls by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpanWord {
    Age,
    Idle,
    Waiting,
    InStatus,
    WithOwner,
    WithTeam,
    SincePriorityRaise,
    UntilDue,
    LinkedIdle,
}

/// A count of events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tally {
    CustomerReplies,
    PublicReplies,
    InternalNotes,
    Reassignments,
    OwnerChanges,
    Reopenings,
    PriorityRaises,
    StatusChanges,
    Signal(Arc<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClockWord {
    Percent,
    Elapsed,
    Remaining,
    DueIn(Measure),
    State,
    Active,
    Breached,
    DueAt,
}

/// A fact of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupWord {
    Open,
    Urgent,
    Unowned,
    Unanswered,
    Sources,
}

impl GroupWord {
    pub const ALL: [Self; 5] = [Self::Open, Self::Urgent, Self::Unowned, Self::Unanswered, Self::Sources];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkedWord {
    Count,
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventWord {
    Type,
    Actor,
    Public,
    Field,
    From,
    To,
    By,
    Signals,
    Reopens,
}

/// A word, resolved: what is to be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read {
    Case(CaseWord),
    Field(Arc<str>),
    Span(SpanWord, Measure),
    Tally(Tally),
    /// A tally since our last public reply.
    TallySinceReply(Tally),
    /// A tally over the last so many seconds.
    TallyWithin(Tally, i64),
    Clock(Arc<str>, ClockWord),
    Group(GroupKind, GroupWord),
    Linked(LinkedWord),
    Event(EventWord),
}

impl Read {
    /// Whether the value moves with the time of day, so that a condition on it has to be solved.
    pub fn is_line(&self) -> bool {
        match self {
            Read::Span(..) => true,
            Read::Clock(_, word) => {
                use ClockWord::{DueIn, Elapsed, Percent, Remaining};
                matches!(word, Percent | Elapsed | Remaining | DueIn(_))
            }
            _ => false,
        }
    }

    /// Whether the value can step to another one while nothing happens.
    pub fn is_step(&self) -> bool {
        matches!(self, Read::TallyWithin(..) | Read::Clock(_, ClockWord::State | ClockWord::Breached))
    }
}

/// What kind of event moves a word's value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mover {
    Created,
    CustomerReply,
    PublicReply,
    InternalNote,
    Status,
    Priority,
    Owner,
    Team,
    /// Any mapped field, named as the last part of the word.
    Field,
    Link,
    /// Any act of a person.
    Activity,
}

impl Mover {
    pub fn word(&self) -> &'static str {
        match self {
            Mover::Created => "creation",
            Mover::CustomerReply => "customer reply",
            Mover::PublicReply => "our public reply",
            Mover::InternalNote => "internal note",
            Mover::Status => "status",
            Mover::Priority => "priority",
            Mover::Owner => "owner",
            Mover::Team => "team",
            Mover::Field => "the field",
            Mover::Link => "link",
            Mover::Activity => "any act of a person",
        }
    }
}

/// The names that only a policy knows.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pub clocks: BTreeSet<String>,
    pub signals: BTreeSet<String>,
}

/// A word found.
#[derive(Debug, Clone)]
pub struct Found {
    pub word: &'static Word,
    pub read: Read,
}

/// Why a name is not a word: what is wrong and what to write instead.
#[derive(Debug, Clone)]
pub struct Missing {
    pub message: String,
    pub remedy: String,
}

/// Looks up a dotted name.
pub fn find(path: &str, scope: Scope, names: &Names) -> Result<Found, Missing> {
    for word in WORDS.iter().filter(|word| word.is_in(scope)) {
        let Some(name) = word.matches(path) else { continue };
        check_name(word, name, names)?;
        return Ok(Found { word, read: word.key.read(name) });
    }
    Err(missing(path, scope, names))
}

/// The name in place of the table's `*` must be one that the policy has.
fn check_name(word: &Word, name: &str, names: &Names) -> Result<(), Missing> {
    let (what, known) = match word.path.split_once('.').map(|(root, _)| root) {
        Some("clock") => ("clock", &names.clocks),
        Some("signals") => ("signal", &names.signals),
        _ => return Ok(()),
    };
    if known.contains(name) {
        return Ok(());
    }
    let remedy = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("the policy has no {what} yet; add one"),
        None => format!("known: {}", known.iter().cloned().collect::<Vec<_>>().join(", ")),
    };
    Err(Missing { message: format!("there is no {what} `{name}`"), remedy })
}

fn missing(path: &str, scope: Scope, names: &Names) -> Missing {
    let below: Vec<_> = WORDS
        .iter()
        .filter(|word| word.is_in(scope) && word.path.starts_with(&format!("{path}.")))
        .map(|word| format!("`{}`", word.path))
        .take(8)
        .collect();
    if !below.is_empty() {
        return Missing {
            message: format!("`{path}` is a group of words, not a value"),
            remedy: format!("write one of {}", below.join(", ")),
        };
    }
    let elsewhere = WORDS.iter().find(|word| word.matches(path).is_some());
    if elsewhere.is_some() {
        let where_ = match scope {
            Scope::Rule => "in conditions of clocks",
            Scope::Moment => "in rules; here only `case` and `event` can be read",
        };
        return Missing {
            message: format!("`{path}` cannot be read here"),
            remedy: format!("it is known {where_}"),
        };
    }
    let known = all_paths(scope, names);
    let of_case = format!("case.{path}");
    let near = known.iter().find(|name| **name == of_case).map(String::as_str);
    let remedy = match near.or_else(|| nearest(path, known.iter().map(String::as_str))) {
        Some(near) => format!("did you mean `{near}`?"),
        None if path.contains('.') => "dutyd words lists those that can be used".to_owned(),
        None => {
            format!("if it is a text, write it in quotes: '{path}'; dutyd words lists those that can be used")
        }
    };
    Missing { message: format!("unknown name `{path}`"), remedy }
}

fn all_paths(scope: Scope, names: &Names) -> Vec<String> {
    let mut paths = Vec::new();
    for word in WORDS.iter().filter(|word| word.is_in(scope)) {
        match word.path.split_once('*') {
            None => paths.push(word.path.to_string()),
            Some(("clock.", rest)) => {
                paths.extend(names.clocks.iter().map(|name| format!("clock.{name}{rest}")));
            }
            Some(("signals.", _)) => {
                paths.extend(names.signals.iter().map(|name| format!("signals.{name}")));
            }
            Some(_) => {}
        }
    }
    paths
}

/// The reference of all words, as the tables of `docs/POLICY.md`.
pub fn reference() -> String {
    let mut page = String::new();
    for (scope, heading) in
        [(Scope::Rule, "Words of rules"), (Scope::Moment, "Words of conditions on one moment")]
    {
        page.push_str(&format!(
            "### {heading}\n\n| Word | Type | What it says | Moved by |\n|---|---|---|---|\n"
        ));
        for word in WORDS.iter().filter(|word| word.is_in(scope)) {
            let moved: Vec<_> = word.moved_by.iter().map(Mover::word).collect();
            let kind = if word.is_tally() { "count" } else { word.yields.word() };
            let about = if word.one_of.is_empty() {
                word.about.to_owned()
            } else {
                format!("{}: `{}`", word.about, word.one_of.join("`, `"))
            };
            let note = if word.yields == Type::Instant { "; texts only" } else { "" };
            let path = word.path.replace('*', "NAME");
            page.push_str(&format!("| `{path}` | {kind}{note} | {about} | {} |\n", moved.join(", ")));
        }
        page.push('\n');
    }
    page
}
