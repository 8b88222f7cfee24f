//! Names in conditions and texts that only connector files can explain: sources and custom fields.
//!
//! Must not know: which there are.

use super::compile::path_of;
use super::parse;
use cel::common::ast::{Expr as Tree, IdedExpr, LiteralValue, SourceInfo, operators};

/// A name, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mention {
    Source(String),
    Field(String),
}

/// Mentions with where they stand, as byte offsets.
pub type Mentions = Vec<(usize, Mention)>;

const FIELDS: &str = "case.fields.";

/// What a condition names: `case.fields.NAME`, and texts that are compared with `case.source`. None in one that does not
/// parse.
pub fn mentions_in_condition(source: &str) -> Mentions {
    if !source.contains("case.fields") && !source.contains("case.source") {
        return Mentions::new();
    }
    parse::with_room(|| {
        let mut found = Mentions::new();
        if let Ok((tree, places)) = parse::parse(source) {
            walk(&tree, &places, &mut found);
        }
        found
    })
}

/// The fields that a text shows.
pub fn mentions_in_text(text: &str) -> Mentions {
    let words = text.match_indices('{').filter_map(|(at, _)| {
        let word = text[at + 1..].split(['}', '|']).next()?;
        let name = word.trim().strip_prefix(FIELDS)?;
        Some((at + 1, Mention::Field(name.to_owned())))
    });
    words.collect()
}

fn walk(tree: &IdedExpr, places: &SourceInfo, found: &mut Mentions) {
    if let Some(name) = path_of(tree).as_deref().and_then(|path| path.strip_prefix(FIELDS)) {
        return found.push((parse::place(tree, places), Mention::Field(name.to_owned())));
    }
    if let Tree::Call(call) = &tree.expr
        && [operators::EQUALS, operators::NOT_EQUALS, operators::IN].contains(&call.func_name.as_str())
        && call.args.iter().any(|side| path_of(side).as_deref() == Some("case.source"))
    {
        call.args.iter().for_each(|side| texts(side, places, found));
    }
    parse::children(tree).into_iter().for_each(|child| walk(child, places, found));
}

/// A text in quotes, or those of a list.
fn texts(tree: &IdedExpr, places: &SourceInfo, found: &mut Mentions) {
    match &tree.expr {
        Tree::Literal(LiteralValue::String(text)) => {
            found.push((parse::place(tree, places), Mention::Source(text.inner().to_owned())));
        }
        Tree::List(list) => list.elements.iter().for_each(|element| texts(element, places, found)),
        _ => {}
    }
}
