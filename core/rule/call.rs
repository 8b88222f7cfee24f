//! Calls and operators: from the syntax tree to typed expressions free of time.

use super::check::comparable;
use super::compile::{Compiler, LIST_MAX, LOOP_MAX, PATTERN_COST, PATTERN_SIZE_MAX, TEXT_COST, Typed};
use super::expr::{Expr, Function, Loop, fold};
use super::value::{Comparison, Type, Value};
use cel::common::ast::{Expr as Tree, IdedExpr, LiteralValue};

impl Compiler<'_> {
    pub(super) fn join(&mut self, a: &IdedExpr, b: &IdedExpr, and: bool) -> Typed {
        let (left, right) = (self.truth(a), self.truth(b));
        let cost = left.cost + right.cost + 1;
        let parts = vec![left.expr, right.expr];
        Typed { cost, ..Typed::leaf(if and { Expr::And(parts) } else { Expr::Or(parts) }, Type::Bool) }
    }

    pub(super) fn truth(&mut self, tree: &IdedExpr) -> Typed {
        let typed = self.value(tree);
        self.expect(tree, &typed, Type::Bool);
        typed
    }

    pub(super) fn choose(&mut self, c: &IdedExpr, a: &IdedExpr, b: &IdedExpr) -> Typed {
        let (choice, left, right) = (self.truth(c), self.value(a), self.value(b));
        let yields = if left.yields == right.yields { left.yields } else { Type::Any };
        Typed {
            cost: 1 + choice.cost + left.cost.max(right.cost),
            has_map: left.has_map || right.has_map,
            list_max: left.list_max.max(right.list_max),
            ..Typed::leaf(Expr::If(Box::new([choice.expr, left.expr, right.expr])), yields)
        }
    }

    pub(super) fn compare(
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

    pub(super) fn contained(&mut self, tree: &IdedExpr, element: &IdedExpr, list: &IdedExpr) -> Typed {
        let (a, b) = (self.value(element), self.value(list));
        match b.yields.element() {
            None => self.fault(
                list,
                format!("`in` wants a list, this is {}", b.yields.one()),
                "write `x in [\"a\", \"b\"]`",
            ),
            Some(inner) if !comparable(a.yields, inner) => self.fault(
                tree,
                format!("{} is never in {}", a.yields.one(), b.yields.one()),
                "compare values of one type",
            ),
            Some(_) => self.check_members(list, &a, &b),
        }
        let cost = a.cost + b.cost + b.list_max.min(LIST_MAX);
        Typed { cost, ..Typed::leaf(Expr::In(Box::new([a.expr, b.expr])), Type::Bool) }
    }

    pub(super) fn has(&mut self, tree: &IdedExpr, word: &IdedExpr) -> Typed {
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

    pub(super) fn pattern(&mut self, tree: &IdedExpr, text: &IdedExpr, pattern: &IdedExpr) -> Typed {
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
    pub(super) fn each(
        &mut self,
        tree: &IdedExpr,
        kind: Loop,
        target: &IdedExpr,
        args: &[IdedExpr],
    ) -> Typed {
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
                format!("a loop wants a list, this is {}", list.yields.one()),
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

    pub(super) fn function(
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
        let own = if texts { TEXT_COST } else { 1 };
        let cost = own + parts.iter().map(|part| part.cost).sum::<usize>();
        let has_map = parts.iter().any(|part| part.has_map);
        match fold(function, parts.into_iter().map(|part| part.expr).collect()) {
            Ok(expr) => Typed { cost, has_map, ..Typed::leaf(expr, yields) },
            Err(reason) => {
                self.refuse(tree, format!("this cannot be computed: {reason}"), "use other numbers")
            }
        }
    }
}
