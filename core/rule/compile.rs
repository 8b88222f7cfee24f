//! From the syntax tree to typed tests, or to faults with place and remedy. Everything that could go wrong later is
//! refused here: unknown names, wrong types, comparisons that can never hold, cost, time that cannot be solved.
//!
//! Must not know: cases. It works on words alone.

use super::expr::{Atom, Condition, Expr, Loop, Skeleton, Test};
use super::parse::{self, Fault};
use super::value::{Comparison, Type, Value};
use super::vocabulary::{self, Names, Read, Scope};
use super::words::Word;
use cel::common::ast::{CallExpr, Expr as Tree, IdedExpr, LiteralValue, SourceInfo, operators};

/// At most so many elements of a list are read.
pub const LIST_MAX: usize = 100;
/// Product of the bounds of nested lists.
pub(super) const LOOP_MAX: usize = 10_000;
/// Steps that one evaluation may take.
pub(super) const COST_MAX: usize = 50_000;
/// A pattern costs as much as so many comparisons.
pub(super) const PATTERN_COST: usize = 20;
/// So does whatever reads or makes a text from end to end: two loops, one inside the other, cannot do it.
pub(super) const TEXT_COST: usize = 10;
/// Compiled size of a pattern, in bytes.
pub(super) const PATTERN_SIZE_MAX: usize = 64 * 1024;
/// Longest window of a count.
const WINDOW_MAX: i64 = 400 * 86_400;

/// Compiles a condition within all bounds; all faults are reported.
pub fn compile(source: &str, scope: Scope, names: &Names) -> Result<Condition, Vec<Fault>> {
    parse::with_room(|| {
        let (tree, places) = parse::parse(source)?;
        let mut compiler = Compiler {
            scope,
            names,
            places,
            faults: Vec::new(),
            atoms: Vec::new(),
            atom_places: Vec::new(),
            variables: Vec::new(),
            cost: 0,
        };
        let skeleton = compiler.skeleton(&tree);
        compiler.afford_all(&tree);
        compiler.check_together(&skeleton);
        if compiler.faults.is_empty() {
            Ok(Condition::new(source, skeleton, compiler.atoms))
        } else {
            compiler.faults.sort_by_key(|fault| fault.offset);
            compiler.faults.dedup();
            Err(compiler.faults)
        }
    })
}

/// A typed part of a condition.
pub(super) struct Typed {
    pub expr: Expr,
    pub yields: Type,
    /// Steps of one evaluation.
    pub cost: usize,
    /// The table's row, if the part is a word.
    pub word: Option<&'static Word>,
    /// Most elements, if the part is a list.
    pub list_max: usize,
    pub has_map: bool,
}

impl Typed {
    pub(super) fn leaf(expr: Expr, yields: Type) -> Self {
        Self { expr, yields, cost: 1, word: None, list_max: LIST_MAX, has_map: false }
    }

    /// What a refused part is replaced with, so that the rest is checked too. Never evaluated.
    fn refused() -> Self {
        Self::leaf(Expr::Variable(usize::MAX), Type::Any)
    }

    pub(super) fn is_constant(&self) -> bool {
        !self.expr.reads_anything()
    }
}

pub(super) struct Compiler<'a> {
    scope: Scope,
    names: &'a Names,
    places: SourceInfo,
    pub(super) faults: Vec<Fault>,
    pub(super) atoms: Vec<Atom>,
    /// Where each atom begins.
    pub(super) atom_places: Vec<usize>,
    /// Names of loop variables in force, with their types and bounds of their lists.
    pub(super) variables: Vec<(String, Type, usize)>,
    /// Steps of all atoms so far.
    pub(super) cost: usize,
}

impl Compiler<'_> {
    /// Where a part begins.
    fn place(&self, tree: &IdedExpr) -> usize {
        parse::place(tree, &self.places)
    }

    pub(super) fn fault(&mut self, tree: &IdedExpr, message: impl Into<String>, remedy: impl Into<String>) {
        let offset = self.place(tree);
        self.faults.push(Fault::new(offset, message, remedy));
    }

    pub(super) fn refuse(
        &mut self,
        tree: &IdedExpr,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Typed {
        self.fault(tree, message, remedy);
        Typed::refused()
    }

    /// The part of a condition made of `&&`, `||`, `!` and `? :`; what is none of these is an atom.
    fn skeleton(&mut self, tree: &IdedExpr) -> Skeleton {
        if let Tree::Call(call) = &tree.expr {
            match (call.func_name.as_str(), call.args.as_slice()) {
                (operators::LOGICAL_AND, [a, b]) => {
                    return Skeleton::and(self.skeleton(a), self.skeleton(b));
                }
                (operators::LOGICAL_OR, [a, b]) => {
                    return Skeleton::or(self.skeleton(a), self.skeleton(b));
                }
                (operators::LOGICAL_NOT, [a]) => return Skeleton::Not(Box::new(self.skeleton(a))),
                (operators::CONDITIONAL, [c, a, b]) => {
                    let parts = [self.skeleton(c), self.skeleton(a), self.skeleton(b)];
                    return Skeleton::If(Box::new(parts));
                }
                _ => {}
            }
        }
        self.atom(tree)
    }

    fn atom(&mut self, tree: &IdedExpr) -> Skeleton {
        let test = self.test(tree);
        self.atom_places.push(self.place(tree));
        self.atoms.push(Atom::new(super::write::write(tree), test));
        Skeleton::Atom(self.atoms.len() - 1)
    }

    /// One atom: a comparison of a reading with something free of time, or anything free of time.
    fn test(&mut self, tree: &IdedExpr) -> Test {
        if let Tree::Call(call) = &tree.expr
            && let Some(comparison) = comparison(&call.func_name)
            && let [left, right] = call.args.as_slice()
            && let Some(test) = self.timed(tree, left, comparison, right)
        {
            return test;
        }
        let typed = self.value(tree);
        self.afford(tree, &typed);
        if !matches!(typed.yields, Type::Bool | Type::Any) {
            let remedy = match typed.yields {
                Type::Number => "compare it, as in `reopenings >= 2`",
                Type::Seconds => "compare it, as in `idle.wall >= hours(4)`",
                Type::Texts => "ask for an element, as in `\"vip\" in case.tags`",
                _ => "compare it, as in `case.tier == \"gold\"`",
            };
            self.fault(tree, format!("a condition is true or false, this is {}", typed.yields.one()), remedy);
        } else if typed.is_constant() {
            self.fault(
                tree,
                "this does not depend on the case: it always says the same",
                "leave it out, or read a word such as `case.priority`",
            );
        }
        Test::Free(typed.expr)
    }

    /// A comparison with a reading or a window count on one side; `None` if neither side is one.
    fn timed(
        &mut self,
        tree: &IdedExpr,
        left: &IdedExpr,
        comparison: Comparison,
        right: &IdedExpr,
    ) -> Option<Test> {
        let (read, other, comparison, side) = match (self.moving(left), self.moving(right)) {
            (None, None) => return None,
            (Some(_), Some(_)) => {
                self.fault(
                    tree,
                    "two readings that both move with time are compared: when that changes cannot be told",
                    "compare each with something fixed, as in `idle.wall >= hours(4) && case.age.wall >= days(1)`",
                );
                return Some(Test::Free(Expr::Const(Value::Null)));
            }
            (Some(read), None) => (read, right, comparison, left),
            (None, Some(read)) => (read, left, comparison.flipped(), right),
        };
        let bound = self.value(other);
        self.afford(other, &bound);
        let reading = self.typed_word(side, &read);
        self.check_comparison(tree, &reading, comparison, &bound);
        Some(match read {
            Read::TallyWithin(..) => Test::Window { read, comparison, bound: bound.expr },
            read => Test::Line { read, comparison, bound: bound.expr },
        })
    }

    /// The reading that this part is, if it moves with time.
    fn moving(&mut self, tree: &IdedExpr) -> Option<Read> {
        if let Tree::Call(call) = &tree.expr
            && call.func_name == "within"
            && let Some(target) = &call.target
        {
            return self.window(tree, target, &call.args);
        }
        let path = path_of(tree)?;
        let found = vocabulary::find(&path, self.scope, self.names).ok()?;
        found.read.is_line().then_some(found.read)
    }

    fn window(&mut self, tree: &IdedExpr, target: &IdedExpr, args: &[IdedExpr]) -> Option<Read> {
        let path = path_of(target)?;
        let Ok(found) = vocabulary::find(&path, self.scope, self.names) else { return None };
        let Read::Tally(tally) = found.read else { return None };
        let [window] = args else { return None };
        let known = self.faults.len();
        let typed = self.value(window);
        if self.faults.len() > known {
            return Some(Read::TallyWithin(tally, 1));
        }
        let seconds = match typed.expr.constant() {
            Some(Value::Int(seconds)) if typed.is_constant() && typed.yields == Type::Seconds => seconds,
            _ => {
                self.fault(window, "the window is not a fixed time span", "write it as `within(hours(4))`");
                return Some(Read::TallyWithin(tally, 1));
            }
        };
        if !(1..=WINDOW_MAX).contains(&seconds) {
            self.fault(
                tree,
                "the window must be between one second and 400 days",
                "write it as `within(hours(4))`",
            );
        }
        Some(Read::TallyWithin(tally, seconds.clamp(1, WINDOW_MAX)))
    }

    fn typed_word(&self, tree: &IdedExpr, read: &Read) -> Typed {
        let target = match &tree.expr {
            Tree::Call(CallExpr { target: Some(target), .. }) => target,
            _ => tree,
        };
        let word = path_of(target)
            .and_then(|path| vocabulary::find(&path, self.scope, self.names).ok())
            .map(|found| found.word);
        let yields = word.map_or(Type::Any, |word| word.yields);
        Typed { word, ..Typed::leaf(Expr::Read(read.clone()), yields) }
    }

    /// Anything free of time.
    pub(super) fn value(&mut self, tree: &IdedExpr) -> Typed {
        if let Some(read) = self.moving(tree) {
            let text = super::write::write(tree);
            let bound = if matches!(read, Read::TallyWithin(..)) { "3" } else { "hours(4)" };
            return self.refuse(
                tree,
                format!("`{text}` moves with time and can only be compared directly"),
                format!("write `{text} >= {bound}` on its own, joined to the rest with `&&` or `||`"),
            );
        }
        match &tree.expr {
            Tree::Literal(literal) => self.literal(tree, literal),
            Tree::List(list) => self.list(&list.elements),
            Tree::Call(call) if call.func_name == operators::INDEX => self.word(tree),
            Tree::Call(call) => self.call(tree, call),
            Tree::Ident(_) | Tree::Select(_) => self.word(tree),
            _ => self.refuse(
                tree,
                "maps and structures are not part of this language",
                "compare words with values or lists",
            ),
        }
    }

    fn literal(&mut self, tree: &IdedExpr, literal: &LiteralValue) -> Typed {
        match literal {
            LiteralValue::Boolean(value) => Typed::leaf(Expr::Const(Value::Bool(*value.inner())), Type::Bool),
            LiteralValue::Int(value) => Typed::leaf(Expr::Const(Value::Int(*value.inner())), Type::Number),
            LiteralValue::UInt(value) => match i64::try_from(*value.inner()) {
                Ok(value) => Typed::leaf(Expr::Const(Value::Int(value)), Type::Number),
                Err(_) => self.refuse(tree, "the number is too large", "use a smaller one"),
            },
            LiteralValue::Double(value) => {
                Typed::leaf(Expr::Const(Value::Double(*value.inner())), Type::Number)
            }
            LiteralValue::String(value) => {
                Typed::leaf(Expr::Const(Value::Text(value.inner().to_owned().into())), Type::Text)
            }
            LiteralValue::Null => Typed::leaf(Expr::Const(Value::Null), Type::Null),
            LiteralValue::Bytes(_) => {
                self.refuse(tree, "bytes are not part of this language", "write a text in quotes")
            }
        }
    }

    fn list(&mut self, elements: &[IdedExpr]) -> Typed {
        let parts: Vec<_> = elements.iter().map(|element| self.value(element)).collect();
        let first = parts.first().map_or(Type::Any, |part| part.yields);
        let same = parts.iter().all(|part| part.yields == first);
        Typed {
            cost: 1 + parts.iter().map(|part| part.cost).sum::<usize>(),
            list_max: parts.len().max(1),
            has_map: parts.iter().any(|part| part.has_map),
            ..Typed::leaf(
                Expr::List(parts.into_iter().map(|part| part.expr).collect()),
                if same { first.list_of() } else { Type::Anys },
            )
        }
    }

    /// A name: a loop variable or a word.
    fn word(&mut self, tree: &IdedExpr) -> Typed {
        let Some(path) = path_of(tree) else {
            return self.refuse(
                tree,
                "only words such as `case.priority` can be read",
                "dutyd words lists them",
            );
        };
        if let Some(at) = self.variables.iter().rposition(|(name, ..)| *name == path) {
            return Typed::leaf(Expr::Variable(at), self.variables[at].1);
        }
        if let Some(tally) = path.strip_suffix(".since_reply")
            && let Ok(found) = vocabulary::find(tally, self.scope, self.names)
            && let Read::Tally(tally) = found.read
        {
            let expr = Expr::Read(Read::TallySinceReply(tally));
            return Typed { word: Some(found.word), ..Typed::leaf(expr, found.word.yields) };
        }
        match vocabulary::find(&path, self.scope, self.names) {
            Ok(found) => Typed {
                word: Some(found.word),
                list_max: LIST_MAX,
                ..Typed::leaf(Expr::Read(found.read), found.word.yields)
            },
            Err(missing) => self.refuse(tree, missing.message, missing.remedy),
        }
    }

    fn call(&mut self, tree: &IdedExpr, call: &CallExpr) -> Typed {
        if let Some(comparison) = comparison(&call.func_name)
            && let [left, right] = call.args.as_slice()
        {
            return self.compare(tree, left, comparison, right);
        }
        if let Some(kind) = Loop::from_name(&call.func_name)
            && let Some(target) = &call.target
        {
            return self.each(tree, kind, target, &call.args);
        }
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            (operators::LOGICAL_AND, None, [a, b]) => self.join(a, b, true),
            (operators::LOGICAL_OR, None, [a, b]) => self.join(a, b, false),
            (operators::CONDITIONAL, None, [c, a, b]) => self.choose(c, a, b),
            (operators::IN, None, [element, list]) => self.contained(tree, element, list),
            (operators::HAS, None, [word]) => self.has(tree, word),
            ("matches", Some(text), [pattern]) => self.pattern(tree, text, pattern),
            (name, target, args) => self.function(tree, name, target, args),
        }
    }
}

fn comparison(operator: &str) -> Option<Comparison> {
    Some(match operator {
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::AtMost,
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::GREATER_EQUALS => Comparison::AtLeast,
        operators::GREATER => Comparison::Greater,
        _ => return None,
    })
}

/// The dotted name that a part spells; `case.fields["x y"]` is one, too.
pub(super) fn path_of(tree: &IdedExpr) -> Option<String> {
    match &tree.expr {
        Tree::Ident(name) => Some(name.clone()),
        Tree::Select(select) if !select.test => {
            Some(format!("{}.{}", path_of(&select.operand)?, select.field))
        }
        Tree::Call(call) if call.func_name == operators::INDEX => index_path(call),
        _ => None,
    }
}

fn index_path(call: &CallExpr) -> Option<String> {
    let [list, name] = call.args.as_slice() else { return None };
    let Tree::Literal(LiteralValue::String(name)) = &name.expr else { return None };
    Some(format!("{}.{}", path_of(list)?, name.inner()))
}
