//! From the syntax tree to typed tests, or to faults with place and remedy. Everything that could go wrong later is
//! refused here: unknown names, wrong types, comparisons that can never hold, cost, time that cannot be solved.
//!
//! Must not know: cases. It works on words alone.

use super::expr::{Atom, Condition, Expr, Function, Loop, Skeleton, Test, fold};
use super::parse::{self, Fault};
use super::value::{Comparison, Type, Value};
use super::vocabulary::{self, Names, Read, Scope};
use super::words::Word;
use cel::common::ast::{CallExpr, Expr as Tree, IdedExpr, LiteralValue, SourceInfo, operators};

/// At most so many elements of a list are read.
pub const LIST_MAX: usize = 100;
/// Product of the bounds of nested lists.
const LOOP_MAX: usize = 10_000;
/// Steps that one evaluation may take.
const COST_MAX: usize = 50_000;
/// A pattern costs as much as so many comparisons.
const PATTERN_COST: usize = 20;
/// Compiled size of a pattern, in bytes.
const PATTERN_SIZE_MAX: usize = 64 * 1024;
/// Longest window of a count.
const WINDOW_MAX: i64 = 400 * 86_400;

/// Compiles a condition within all bounds; all faults are reported.
pub fn compile(source: &str, scope: Scope, names: &Names) -> Result<Condition, Vec<Fault>> {
    parse::with_room(|| {
        let (tree, places) = parse::parse(source)?;
        let mut compiler =
            Compiler { scope, names, places, faults: Vec::new(), atoms: Vec::new(), variables: Vec::new() };
        let skeleton = compiler.skeleton(&tree);
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
    fn leaf(expr: Expr, yields: Type) -> Self {
        Self { expr, yields, cost: 1, word: None, list_max: LIST_MAX, has_map: false }
    }

    /// What a refused part is replaced with, so that the rest is checked too. Never evaluated.
    fn refused() -> Self {
        Self::leaf(Expr::Variable(usize::MAX), Type::Any)
    }

    fn is_constant(&self) -> bool {
        !self.expr.reads_anything()
    }
}

pub(super) struct Compiler<'a> {
    scope: Scope,
    names: &'a Names,
    places: SourceInfo,
    faults: Vec<Fault>,
    atoms: Vec<Atom>,
    /// Names of loop variables in force, with their types and bounds of their lists.
    variables: Vec<(String, Type, usize)>,
}

impl Compiler<'_> {
    /// Where a part begins.
    fn place(&self, tree: &IdedExpr) -> usize {
        let own = self.places.offset_for(tree.id).map_or(usize::MAX, |(start, _)| start as usize);
        parse::children(tree).into_iter().map(|child| self.place(child)).fold(own, usize::min)
    }

    fn fault(&mut self, tree: &IdedExpr, message: impl Into<String>, remedy: impl Into<String>) {
        let offset = self.place(tree);
        self.faults.push(Fault::new(offset, message, remedy));
    }

    fn refuse(&mut self, tree: &IdedExpr, message: impl Into<String>, remedy: impl Into<String>) -> Typed {
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
            self.fault(
                tree,
                format!("a condition is true or false, this is a {}", typed.yields.word()),
                remedy,
            );
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
            Some(Value::Int(seconds)) if typed.is_constant() => seconds,
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

    fn afford(&mut self, tree: &IdedExpr, typed: &Typed) {
        if typed.cost > COST_MAX {
            self.fault(
                tree,
                format!("this takes up to {} steps, at most {COST_MAX} are allowed", typed.cost),
                "ask for elements with `in`, or loop over one list only",
            );
        }
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
            return self.refuse(tree, "only words such as `case.priority` can be read", "see docs/POLICY.md");
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

    fn join(&mut self, a: &IdedExpr, b: &IdedExpr, and: bool) -> Typed {
        let (left, right) = (self.truth(a), self.truth(b));
        let cost = left.cost + right.cost + 1;
        let parts = vec![left.expr, right.expr];
        Typed { cost, ..Typed::leaf(if and { Expr::And(parts) } else { Expr::Or(parts) }, Type::Bool) }
    }

    fn truth(&mut self, tree: &IdedExpr) -> Typed {
        let typed = self.value(tree);
        self.expect(tree, &typed, Type::Bool);
        typed
    }

    fn choose(&mut self, c: &IdedExpr, a: &IdedExpr, b: &IdedExpr) -> Typed {
        let (choice, left, right) = (self.truth(c), self.value(a), self.value(b));
        let yields = if left.yields == right.yields { left.yields } else { Type::Any };
        Typed {
            cost: 1 + choice.cost + left.cost.max(right.cost),
            has_map: left.has_map || right.has_map,
            list_max: left.list_max.max(right.list_max),
            ..Typed::leaf(Expr::If(Box::new([choice.expr, left.expr, right.expr])), yields)
        }
    }

    fn compare(
        &mut self,
        tree: &IdedExpr,
        left: &IdedExpr,
        comparison: Comparison,
        right: &IdedExpr,
    ) -> Typed {
        let (a, b) = (self.value(left), self.value(right));
        self.check_comparison(tree, &a, comparison, &b);
        let cost = a.cost + b.cost + 1;
        Typed { cost, ..Typed::leaf(Expr::Compare(comparison, Box::new([a.expr, b.expr])), Type::Bool) }
    }

    fn contained(&mut self, tree: &IdedExpr, element: &IdedExpr, list: &IdedExpr) -> Typed {
        let (a, b) = (self.value(element), self.value(list));
        match b.yields.element() {
            None => self.fault(
                list,
                format!("`in` wants a list, this is a {}", b.yields.word()),
                "write `x in [\"a\", \"b\"]`",
            ),
            Some(inner) if !comparable(a.yields, inner) => self.fault(
                tree,
                format!("a {} is never in a {}", a.yields.word(), b.yields.word()),
                "compare values of one type",
            ),
            Some(_) => self.check_members(list, &a, &b),
        }
        let cost = a.cost + b.cost + b.list_max.min(LIST_MAX);
        Typed { cost, ..Typed::leaf(Expr::In(Box::new([a.expr, b.expr])), Type::Bool) }
    }

    fn check_members(&mut self, tree: &IdedExpr, element: &Typed, list: &Typed) {
        let Some(word) = element.word.filter(|word| !word.one_of.is_empty()) else { return };
        let Expr::List(members) = &list.expr else { return };
        for member in members {
            if let Some(Value::Text(text)) = member.constant() {
                self.check_choice(tree, word, &text);
            }
        }
    }

    fn check_choice(&mut self, tree: &IdedExpr, word: &Word, text: &str) {
        if word.one_of.contains(&text) {
            return;
        }
        let remedy = match crate::problem::nearest(text, word.one_of.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("it is one of {}", word.one_of.join(", ")),
        };
        self.fault(tree, format!("`{}` is never \"{text}\"", word.path), remedy);
    }

    fn has(&mut self, tree: &IdedExpr, word: &IdedExpr) -> Typed {
        let typed = self.value(word);
        match &typed.expr {
            Expr::Read(_) => Typed {
                cost: 2,
                ..Typed::leaf(
                    Expr::Compare(Comparison::NotEqual, Box::new([typed.expr, Expr::Const(Value::Null)])),
                    Type::Bool,
                )
            },
            _ => self.refuse(tree, "has() asks whether a word has a value", "write `has(case.tier)`"),
        }
    }

    fn pattern(&mut self, tree: &IdedExpr, text: &IdedExpr, pattern: &IdedExpr) -> Typed {
        let typed = self.value(text);
        self.expect(text, &typed, Type::Text);
        let Tree::Literal(LiteralValue::String(source)) = &pattern.expr else {
            return self.refuse(
                pattern,
                "a pattern must be a text in quotes",
                "write the pattern itself, as in `case.title.matches(\"(?i)outage\")`",
            );
        };
        match regex::RegexBuilder::new(source.inner())
            .size_limit(PATTERN_SIZE_MAX)
            .dfa_size_limit(PATTERN_SIZE_MAX * 4)
            .build()
        {
            Ok(regex) => Typed {
                cost: typed.cost + PATTERN_COST,
                ..Typed::leaf(Expr::Matches(Box::new(typed.expr), regex), Type::Bool)
            },
            Err(regex::Error::CompiledTooBig(_)) => self.refuse(
                tree,
                "the pattern is too large when compiled",
                "take away counted repetitions such as `{1,50}`",
            ),
            Err(error) => {
                let said = error.to_string();
                let said = said.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.refuse(
                    pattern,
                    format!("not a pattern: {said}"),
                    "see the syntax of the regex crate; `\\` is written `\\\\` or in a raw text r\"…\"",
                )
            }
        }
    }

    /// `list.exists(x, …)` and its kin.
    fn each(&mut self, tree: &IdedExpr, kind: Loop, target: &IdedExpr, args: &[IdedExpr]) -> Typed {
        let list = self.value(target);
        let [variable, body] = args else {
            return self.refuse(
                tree,
                format!("`{}` wants a variable and what to do with it", kind.name()),
                format!("write `case.tags.{}(tag, tag == \"vip\")`", kind.name()),
            );
        };
        let Tree::Ident(name) = &variable.expr else {
            return self.refuse(
                variable,
                "the first part of a loop is a new name",
                "write `case.tags.exists(tag, tag == \"vip\")`",
            );
        };
        let Some(element) = list.yields.element() else {
            return self.refuse(
                target,
                format!("a loop wants a list, this is a {}", list.yields.word()),
                "loop over `case.tags` or a list",
            );
        };
        self.variables.push((name.clone(), element, list.list_max));
        let product: usize = self.variables.iter().map(|(.., bound)| *bound).product();
        let inner = self.value(body);
        self.variables.pop();
        if product > LOOP_MAX {
            self.fault(
                tree,
                format!("loops inside loops take {product} rounds, at most {LOOP_MAX} are allowed"),
                "loop over one list only",
            );
        }
        if kind.makes_list() && (inner.has_map || list.has_map) {
            self.fault(
                tree,
                "`map` and `filter` cannot stand inside or upon each other",
                "use `exists`, `all` or `in`",
            );
        }
        if kind != Loop::Map {
            self.expect(body, &inner, Type::Bool);
        }
        let yields = match kind {
            Loop::Filter => list.yields,
            Loop::Map => inner.yields.list_of(),
            _ => Type::Bool,
        };
        Typed {
            cost: (list.cost + inner.cost.saturating_mul(list.list_max)).saturating_add(1),
            has_map: kind.makes_list() || inner.has_map || list.has_map,
            list_max: list.list_max,
            ..Typed::leaf(Expr::Each(kind, Box::new([list.expr, inner.expr])), yields)
        }
    }

    fn function(
        &mut self,
        tree: &IdedExpr,
        name: &str,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
    ) -> Typed {
        if name == "within" {
            return self.refuse(
                tree,
                "within() counts events and takes one time span",
                "write `reassignments.within(hours(4)) >= 3`",
            );
        }
        let all: Vec<&IdedExpr> = target.into_iter().chain(args).collect();
        let Some(function) = Function::find(name, target.is_some(), all.len()) else {
            let remedy = match Function::nearest(name) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", Function::names().join(", ")),
            };
            return self.refuse(tree, format!("unknown function `{}`", name.trim_matches('_')), remedy);
        };
        let parts: Vec<_> = all.iter().map(|part| self.value(part)).collect();
        let texts = parts.iter().any(|part| part.yields == Type::Text);
        let wanted = match function {
            Function::Add if texts => Type::Text,
            Function::Add => Type::Number,
            other => other.takes(),
        };
        for (part, tree) in parts.iter().zip(&all) {
            self.expect(tree, part, wanted);
        }
        let spans = parts.iter().any(|part| part.yields == Type::Seconds);
        let yields = function.yields(texts, spans);
        let cost = 1 + parts.iter().map(|part| part.cost).sum::<usize>();
        let has_map = parts.iter().any(|part| part.has_map);
        match fold(function, parts.into_iter().map(|part| part.expr).collect()) {
            Ok(expr) => Typed { cost, has_map, ..Typed::leaf(expr, yields) },
            Err(reason) => {
                self.refuse(tree, format!("this cannot be computed: {reason}"), "use other numbers")
            }
        }
    }

    fn expect(&mut self, tree: &IdedExpr, typed: &Typed, wanted: Type) {
        let fits = match wanted {
            Type::Any => true,
            Type::Number => typed.yields.is_number(),
            Type::Anys => typed.yields.element().is_some() || typed.yields == Type::Text,
            _ => typed.yields == wanted || typed.yields == Type::Any,
        };
        if !fits {
            self.fault(
                tree,
                format!("expected a {}, found a {}", wanted.word(), typed.yields.word()),
                match wanted {
                    Type::Bool => "compare it with something",
                    Type::Text => "this works on texts such as `case.title`",
                    Type::Number => "this works on numbers and time spans",
                    _ => "this works on lists such as `case.tags`, and on texts",
                },
            );
        }
    }

    fn check_comparison(&mut self, tree: &IdedExpr, a: &Typed, comparison: Comparison, b: &Typed) {
        if a.yields == Type::Instant || b.yields == Type::Instant {
            if a.yields != Type::Null && b.yields != Type::Null {
                self.fault(tree, "instants are not compared", "compare the time left or passed, as in `clock.resolution.remaining <= hours(1)` or `case.age.wall >= days(2)`");
            }
            return;
        }
        if !comparable(a.yields, b.yields) || unlike_units(a, b) {
            let remedy = match (a.yields, b.yields) {
                (Type::Seconds, _) | (_, Type::Seconds) => {
                    "write time spans as `minutes(30)`, `hours(4)` or `days(2)`, and compare them with readings such as `idle.wall`"
                }
                (Type::Number, Type::Text) | (Type::Text, Type::Number) => {
                    "take the quotes off the number, or compare the raw word, as in `case.priority_raw == \"High\"`"
                }
                _ => "compare values of one type",
            };
            self.fault(tree, format!("a {} is compared with a {}", a.yields.word(), b.yields.word()), remedy);
            return;
        }
        if a.is_constant() && b.is_constant() {
            self.fault(
                tree,
                "this does not depend on the case: it always says the same",
                "leave it out, or read a word such as `case.priority`",
            );
            return;
        }
        self.check_possible(tree, a, comparison, b);
        self.check_possible(tree, b, comparison.flipped(), a);
    }

    /// A comparison of a word with a constant must be able to go both ways.
    fn check_possible(&mut self, tree: &IdedExpr, a: &Typed, comparison: Comparison, b: &Typed) {
        let (Some(word), Some(bound)) = (a.word, b.expr.constant()) else { return };
        if let Value::Text(text) = &bound
            && !word.one_of.is_empty()
        {
            self.check_choice(tree, word, text);
        }
        let Some(number) = bound.number() else { return };
        let (low, high) = word.range;
        use Comparison::*;
        let below = low.is_some_and(|low| match comparison {
            Less | AtLeast => number <= low,
            AtMost | Greater | Equal | NotEqual => number < low,
        });
        let above = high.is_some_and(|high| match comparison {
            Greater | AtMost => number >= high,
            AtLeast | Less | Equal | NotEqual => number > high,
        });
        if !below && !above {
            return;
        }
        let never = match comparison {
            Less | AtMost => below,
            Greater | AtLeast => above,
            Equal => true,
            NotEqual => false,
        };
        let message = if never { "can never hold" } else { "always holds once there is a value" };
        let limits = match (low, high) {
            (Some(low), Some(high)) => format!("`{}` is between {low} and {high}", word.path),
            (Some(low), None) => format!("`{}` is never less than {low}", word.path),
            _ => format!("see `{}` in docs/POLICY.md", word.path),
        };
        self.fault(tree, format!("`{}` {message}", super::write::write(tree)), limits);
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

fn comparable(a: Type, b: Type) -> bool {
    let any = |kind| matches!(kind, Type::Any | Type::Null);
    a == b
        || any(a)
        || any(b)
        || (a.is_number() && b.is_number())
        || (a.element().is_some() && b.element().is_some())
}

/// A time span against a count or a percentage. A plain number written in a condition may be seconds.
fn unlike_units(a: &Typed, b: &Typed) -> bool {
    let is_span = |part: &Typed| part.yields == Type::Seconds;
    let is_count = |part: &Typed| part.yields == Type::Number && !part.is_constant();
    (is_span(a) && is_count(b)) || (is_span(b) && is_count(a))
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
