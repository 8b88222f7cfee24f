//! Writes a part of a condition as text again, for evidence and messages.

use super::expr::Function;
use cel::common::ast::{Expr as Tree, IdedExpr, LiteralValue, operators};

/// The part as a person would write it.
pub fn write(tree: &IdedExpr) -> String {
    match &tree.expr {
        Tree::Ident(name) => name.clone(),
        Tree::Select(select) => format!("{}.{}", write(&select.operand), select.field),
        Tree::Literal(literal) => write_literal(literal),
        Tree::List(list) => format!("[{}]", write_all(&list.elements)),
        Tree::Call(call) => write_call(&call.func_name, call.target.as_deref(), &call.args),
        _ => "…".to_owned(),
    }
}

fn write_all(parts: &[IdedExpr]) -> String {
    parts.iter().map(write).collect::<Vec<_>>().join(", ")
}

fn write_literal(literal: &LiteralValue) -> String {
    match literal {
        LiteralValue::Boolean(value) => value.inner().to_string(),
        LiteralValue::Int(value) => value.inner().to_string(),
        LiteralValue::UInt(value) => value.inner().to_string(),
        LiteralValue::Double(value) => value.inner().to_string(),
        LiteralValue::String(value) => format!("{:?}", value.inner()),
        LiteralValue::Null => "null".to_owned(),
        LiteralValue::Bytes(_) => "b\"…\"".to_owned(),
    }
}

fn write_call(name: &str, target: Option<&IdedExpr>, args: &[IdedExpr]) -> String {
    match (name, target, args) {
        (operators::CONDITIONAL, None, [c, a, b]) => {
            format!("{} ? {} : {}", write(c), write(a), write(b))
        }
        (operators::IN, None, [a, b]) => format!("{} in {}", inner(a), inner(b)),
        (operators::INDEX, None, [a, b]) => format!("{}[{}]", write(a), write(b)),
        (operators::LOGICAL_NOT, None, [a]) => format!("!{}", inner(a)),
        (operators::NEGATE, None, [a]) => format!("-{}", inner(a)),
        (name, None, [a, b]) if name.starts_with('_') => {
            format!("{} {} {}", inner(a), name.trim_matches('_'), inner(b))
        }
        (name, Some(target), args) => format!("{}.{name}({})", inner(target), write_all(args)),
        (name, None, args) => format!("{name}({})", write_all(args)),
    }
}

/// In brackets where the reading would change without.
fn inner(tree: &IdedExpr) -> String {
    let is_joined = matches!(&tree.expr, Tree::Call(call)
        if call.target.is_none() && call.args.len() > 1 && Function::find(&call.func_name, false, 1).is_none()
            && (call.func_name.starts_with('_') || call.func_name == operators::IN)
            && call.func_name != operators::INDEX);
    if is_joined { format!("({})", write(tree)) } else { write(tree) }
}
