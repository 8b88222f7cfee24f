//! A compiled condition: a skeleton of `&&`, `||`, `!` and `? :` over atoms, each atom a typed test.
//!
//! Must not know: the syntax it came from, or where values come from.

use super::value::{Comparison, Reason, Type, Value};
use super::vocabulary::Read;
use regex::Regex;

/// An expression free of time.
#[derive(Debug, Clone)]
pub enum Expr {
    Const(Value<'static>),
    Read(Read),
    /// A loop variable, counted from the outermost loop.
    Variable(usize),
    List(Vec<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    If(Box<[Expr; 3]>),
    Compare(Comparison, Box<[Expr; 2]>),
    In(Box<[Expr; 2]>),
    Call(Function, Vec<Expr>),
    Matches(Box<Expr>, Regex),
    Each(Loop, Box<[Expr; 2]>),
}

impl Expr {
    pub fn constant(&self) -> Option<Value<'static>> {
        match self {
            Expr::Const(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// All constants, lists taken apart.
    pub fn constants(&self, found: &mut Vec<Value<'static>>) {
        if let Expr::Const(value) = self {
            found.push(value.clone());
        }
        self.parts().into_iter().for_each(|part| part.constants(found));
    }

    pub fn reads_anything(&self) -> bool {
        let mut reads = Vec::new();
        self.collect(&mut reads);
        !reads.is_empty() || self.has_variable()
    }

    fn has_variable(&self) -> bool {
        matches!(self, Expr::Variable(_)) || self.parts().iter().any(|part| part.has_variable())
    }

    fn parts(&self) -> Vec<&Expr> {
        match self {
            Expr::Const(_) | Expr::Read(_) | Expr::Variable(_) => Vec::new(),
            Expr::List(parts) | Expr::And(parts) | Expr::Or(parts) | Expr::Call(_, parts) => {
                parts.iter().collect()
            }
            Expr::If(parts) => parts.iter().collect(),
            Expr::Compare(_, parts) | Expr::In(parts) | Expr::Each(_, parts) => parts.iter().collect(),
            Expr::Matches(part, _) => vec![part],
        }
    }

    /// Everything the expression reads, in order, each once.
    pub fn collect(&self, reads: &mut Vec<Read>) {
        if let Expr::Read(read) = self
            && !reads.contains(read)
        {
            reads.push(read.clone());
        }
        for part in self.parts() {
            part.collect(reads);
        }
    }
}

/// Loops over a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loop {
    Exists,
    All,
    ExistsOne,
    Filter,
    Map,
}

impl Loop {
    const NAMES: [(Loop, &'static str); 5] = [
        (Loop::Exists, "exists"),
        (Loop::All, "all"),
        (Loop::ExistsOne, "exists_one"),
        (Loop::Filter, "filter"),
        (Loop::Map, "map"),
    ];

    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, known)| *known == name).map(|(kind, _)| kind)
    }

    pub fn name(self) -> &'static str {
        Self::NAMES.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    pub fn makes_list(self) -> bool {
        matches!(self, Loop::Filter | Loop::Map)
    }
}

/// Functions and operators on values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Negate,
    Not,
    Seconds,
    Minutes,
    Hours,
    Days,
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
}

impl Function {
    /// Name, whether it is called on something, number of parts in all.
    const NAMES: [(Function, &'static str, bool, usize); 17] = [
        (Function::Add, "_+_", false, 2),
        (Function::Subtract, "_-_", false, 2),
        (Function::Multiply, "_*_", false, 2),
        (Function::Divide, "_/_", false, 2),
        (Function::Remainder, "_%_", false, 2),
        (Function::Negate, "-_", false, 1),
        (Function::Not, "!_", false, 1),
        (Function::Seconds, "seconds", false, 1),
        (Function::Minutes, "minutes", false, 1),
        (Function::Hours, "hours", false, 1),
        (Function::Days, "days", false, 1),
        (Function::Size, "size", false, 1),
        (Function::Size, "size", true, 1),
        (Function::Contains, "contains", true, 2),
        (Function::StartsWith, "startsWith", true, 2),
        (Function::EndsWith, "endsWith", true, 2),
        (Function::LowerAscii, "lowerAscii", true, 1),
    ];
    const LOOPS_AND_MORE: [&'static str; 8] =
        ["exists", "all", "exists_one", "filter", "map", "matches", "has", "within"];

    pub fn find(name: &str, on_target: bool, parts: usize) -> Option<Self> {
        Self::NAMES
            .into_iter()
            .find(|(_, known, target, count)| (*known, *target, *count) == (name, on_target, parts))
            .map(|(function, ..)| function)
    }

    pub fn names() -> Vec<&'static str> {
        let mut names: Vec<_> = Self::NAMES.into_iter().map(|(_, name, ..)| name).collect();
        names.retain(|name| !name.contains('_'));
        names.extend(Self::LOOPS_AND_MORE);
        names.dedup();
        names
    }

    pub fn nearest(name: &str) -> Option<&'static str> {
        crate::problem::nearest(name, Self::names())
    }

    /// What each part must be.
    pub fn takes(self) -> Type {
        match self {
            Function::Not => Type::Bool,
            Function::Size => Type::Anys,
            Function::Contains | Function::StartsWith | Function::EndsWith | Function::LowerAscii => {
                Type::Text
            }
            _ => Type::Number,
        }
    }

    pub fn yields(self, texts: bool, spans: bool) -> Type {
        match self {
            Function::Seconds | Function::Minutes | Function::Hours | Function::Days => Type::Seconds,
            Function::Not | Function::Contains | Function::StartsWith | Function::EndsWith => Type::Bool,
            Function::LowerAscii => Type::Text,
            Function::Add if texts => Type::Text,
            Function::Size => Type::Number,
            _ if spans => Type::Seconds,
            _ => Type::Number,
        }
    }
}

/// One atom's test.
#[derive(Debug, Clone)]
pub enum Test {
    /// Free of time, but for clock states that step at a known instant.
    Free(Expr),
    /// A reading that moves with time against something that does not.
    Line { read: Read, comparison: Comparison, bound: Expr },
    /// A count over a window against something free of time.
    Window { read: Read, comparison: Comparison, bound: Expr },
}

/// A test with its text.
#[derive(Debug, Clone)]
pub struct Atom {
    pub text: String,
    pub test: Test,
    /// What it reads, in order.
    pub reads: Vec<Read>,
    /// Whether a value it reads can step while nothing happens.
    pub has_steps: bool,
}

impl Atom {
    pub fn new(text: String, test: Test) -> Self {
        let mut reads = Vec::new();
        match &test {
            Test::Free(expr) => expr.collect(&mut reads),
            Test::Line { read, bound, .. } | Test::Window { read, bound, .. } => {
                reads.push(read.clone());
                bound.collect(&mut reads);
            }
        }
        let has_steps = reads.iter().any(Read::is_step);
        Self { text, test, reads, has_steps }
    }

    /// The comparison of one word with a fixed value that the atom is, if it is one.
    pub fn fixed(&self) -> Option<(Read, Comparison, Value<'static>)> {
        match &self.test {
            Test::Line { read, comparison, bound } | Test::Window { read, comparison, bound } => {
                Some((read.clone(), *comparison, bound.constant()?))
            }
            Test::Free(Expr::Compare(comparison, sides)) => match sides.as_ref() {
                [Expr::Read(read), bound] => Some((read.clone(), *comparison, bound.constant()?)),
                [bound, Expr::Read(read)] => Some((read.clone(), comparison.flipped(), bound.constant()?)),
                _ => None,
            },
            Test::Free(_) => None,
        }
    }

    fn is_free(&self) -> bool {
        matches!(self.test, Test::Free(_)) && !self.has_steps
    }
}

/// How atoms are joined; by index.
#[derive(Debug, Clone)]
pub enum Skeleton {
    Atom(usize),
    Not(Box<Skeleton>),
    And(Vec<Skeleton>),
    Or(Vec<Skeleton>),
    If(Box<[Skeleton; 3]>),
}

impl Skeleton {
    pub fn and(a: Skeleton, b: Skeleton) -> Self {
        let mut parts = Vec::new();
        for part in [a, b] {
            match part {
                Skeleton::And(inner) => parts.extend(inner),
                other => parts.push(other),
            }
        }
        Skeleton::And(parts)
    }

    pub fn or(a: Skeleton, b: Skeleton) -> Self {
        let mut parts = Vec::new();
        for part in [a, b] {
            match part {
                Skeleton::Or(inner) => parts.extend(inner),
                other => parts.push(other),
            }
        }
        Skeleton::Or(parts)
    }

    /// Parts free of time first: where they settle the matter, no clock need be read.
    fn free_first(&mut self, atoms: &[Atom]) {
        match self {
            Skeleton::Atom(_) => {}
            Skeleton::Not(part) => part.free_first(atoms),
            Skeleton::If(parts) => parts.iter_mut().for_each(|part| part.free_first(atoms)),
            Skeleton::And(parts) | Skeleton::Or(parts) => {
                parts.iter_mut().for_each(|part| part.free_first(atoms));
                parts.sort_by_key(|part| !part.is_free(atoms));
            }
        }
    }

    fn is_free(&self, atoms: &[Atom]) -> bool {
        match self {
            Skeleton::Atom(at) => atoms[*at].is_free(),
            Skeleton::Not(part) => part.is_free(atoms),
            Skeleton::If(parts) => parts.iter().all(|part| part.is_free(atoms)),
            Skeleton::And(parts) | Skeleton::Or(parts) => parts.iter().all(|part| part.is_free(atoms)),
        }
    }
}

/// A checked, compiled condition.
#[derive(Debug, Clone)]
pub struct Condition {
    pub source: String,
    pub(super) skeleton: Skeleton,
    /// In the order written.
    pub(super) atoms: Vec<Atom>,
}

impl Condition {
    pub(super) fn new(source: &str, mut skeleton: Skeleton, atoms: Vec<Atom>) -> Self {
        skeleton.free_first(&atoms);
        Self { source: source.to_owned(), skeleton, atoms }
    }

    /// Everything the condition reads, each once.
    pub fn reads(&self) -> Vec<Read> {
        let mut reads: Vec<Read> = self.atoms.iter().flat_map(|atom| atom.reads.clone()).collect();
        reads.sort();
        reads.dedup();
        reads
    }
}

/// What a function of constants comes to.
pub(super) fn fold(function: Function, parts: Vec<Expr>) -> Result<Expr, Reason> {
    let constants: Option<Vec<Value<'static>>> = parts.iter().map(Expr::constant).collect();
    match constants {
        Some(values) => super::eval::apply(function, values).map(Expr::Const),
        None => Ok(Expr::Call(function, parts)),
    }
}
