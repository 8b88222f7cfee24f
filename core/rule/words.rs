//! A word that a condition may read: what it resolves to, where it may stand, and which dotted names are it.
//!
//! Must not know: which words there are (`table`).

mod table;

pub use table::WORDS;

use super::value::Type;
use super::vocabulary::{
    CaseWord, ClockWord, EventWord, GroupWord, LinkedWord, Measure, Mover, Read, Scope, SpanWord, Tally,
};
use crate::around::GroupKind;
use std::sync::Arc;

/// What a word of the table resolves to. Where the word has a `*`, the name in its place is filled in.
#[derive(Debug, Clone, Copy)]
pub enum Key {
    Case(CaseWord),
    Field,
    Span(SpanWord, Measure),
    Tally(fn() -> Tally),
    Signal,
    Clock(ClockWord),
    Group(GroupKind, GroupWord),
    Linked(LinkedWord),
    Event(EventWord),
}

impl Key {
    pub fn read(self, name: &str) -> Read {
        match self {
            Key::Case(word) => Read::Case(word),
            Key::Field => Read::Field(Arc::from(name)),
            Key::Span(word, measure) => Read::Span(word, measure),
            Key::Tally(tally) => Read::Tally(tally()),
            Key::Signal => Read::Tally(Tally::Signal(Arc::from(name))),
            Key::Clock(word) => Read::Clock(Arc::from(name), word),
            Key::Group(kind, word) => Read::Group(kind, word),
            Key::Linked(word) => Read::Linked(word),
            Key::Event(word) => Read::Event(word),
        }
    }
}

impl Key {
    /// Whether something read is of this word.
    pub fn is_of(self, read: &Read) -> bool {
        match (self, read) {
            (Key::Field, Read::Field(_)) => true,
            (Key::Clock(word), Read::Clock(_, read)) => word == *read,
            (
                Key::Signal,
                Read::Tally(tally) | Read::TallySinceReply(tally) | Read::TallyWithin(tally, _),
            ) => {
                matches!(tally, Tally::Signal(_))
            }
            (
                Key::Tally(of),
                Read::Tally(tally) | Read::TallySinceReply(tally) | Read::TallyWithin(tally, _),
            ) => of() == *tally,
            (key, read) => key.read("") == *read,
        }
    }
}

/// One row.
#[derive(Debug)]
pub struct Word {
    /// Dotted; `*` stands for a name.
    pub path: &'static str,
    pub yields: Type,
    /// Smallest and largest possible value.
    pub range: (Option<f64>, Option<f64>),
    /// All possible values, where they are few.
    pub one_of: &'static [&'static str],
    pub about: &'static str,
    pub moved_by: &'static [Mover],
    pub key: Key,
}

impl Word {
    pub fn is_in(&self, scope: Scope) -> bool {
        match self.key {
            Key::Case(CaseWord::Important) => scope == Scope::Rule,
            Key::Case(_) | Key::Field => true,
            Key::Event(_) => scope == Scope::Moment,
            _ => scope == Scope::Rule,
        }
    }

    pub fn is_tally(&self) -> bool {
        matches!(self.key, Key::Tally(_) | Key::Signal)
    }

    /// Whether a dotted name is this word; what stands in place of `*`, empty where there is none.
    pub fn matches<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self.path.split_once('*') {
            None => (self.path == path).then_some(""),
            Some((before, after)) => {
                let name = path.strip_prefix(before)?.strip_suffix(after)?;
                let whole = matches!(self.key, Key::Field) || !name.contains('.');
                (!name.is_empty() && whole).then_some(name)
            }
        }
    }
}
