//! From the text of a condition to its syntax tree, within bounds. The `cel` crate parses; it has no limits of its own
//! that fit a hostile text, so the text is measured before it gets to see it.
//!
//! Must not know: what the words mean.

use cel::Env;
use cel::common::ast::{Expr, IdedExpr, SourceInfo};

/// Longest condition, in bytes.
pub const SOURCE_MAX: usize = 4 * 1024;
/// Deepest nesting of brackets, prefix signs and `? :`.
pub const DEPTH_MAX: usize = 24;
/// Most operators in one condition.
pub const OPERATORS_MAX: usize = 200;
/// Deepest syntax tree: operators of one level lean to one side.
const TREE_DEPTH_MAX: usize = 64;
/// The parser needs far more stack per level than its input suggests.
const STACK: usize = 64 * 1024 * 1024;

/// What is wrong in a condition, and where: a byte offset into its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub offset: usize,
    pub message: String,
    pub remedy: String,
}

impl Fault {
    pub fn new(offset: usize, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { offset, message: message.into(), remedy: remedy.into() }
    }
}

/// Runs `work` where the parser and the walk over its tree have room enough.
pub fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .name("compile".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .expect("a thread can be started");
        match worker.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Parses a condition. Macros stay calls: [`super::compile`] gives them their meaning. Call inside [`with_room`].
pub fn parse(source: &str) -> Result<(IdedExpr, SourceInfo), Vec<Fault>> {
    measure(source).map_err(|fault| vec![fault])?;
    let (tree, places) = Env::default().parser().parse_with_source_info(source).map_err(|errors| {
        errors.errors.iter().take(3).map(|error| syntax_fault(source, error)).collect::<Vec<_>>()
    })?;
    if depth(&tree) > TREE_DEPTH_MAX {
        return Err(vec![Fault::new(
            0,
            "the condition is nested too deeply",
            "split it into several rules or shorten the chain of operators",
        )]);
    }
    Ok((tree, places))
}

fn syntax_fault(source: &str, error: &cel::ParseError) -> Fault {
    let (line, column) = error.pos;
    let start: usize =
        source.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0)).map(str::len).sum();
    let offset = start + usize::try_from(column - 1).unwrap_or(0);
    let said = error.msg.trim_start_matches("Syntax error: ");
    let said = said.split(" expecting ").next().unwrap_or(said);
    let offset = offset.min(source.len());
    let (what, remedy) = slip(source, offset).unwrap_or((
        said,
        "write comparisons joined with `&&`, `||` and `!`, as in `case.open && idle.wall >= hours(4)`",
    ));
    Fault::new(offset, format!("not a condition: {what}"), remedy)
}

/// What people often write at a place where the parser gives up.
fn slip(source: &str, offset: usize) -> Option<(&'static str, &'static str)> {
    let (before, rest) = (source.get(..offset)?.trim_end(), source.get(offset..)?.trim_start());
    let word = rest.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
    let after_digit = before.ends_with(|letter: char| letter.is_ascii_digit());
    match word.to_ascii_lowercase().as_str() {
        "and" => return Some(("`and` joins nothing", "write `&&`")),
        "or" => return Some(("`or` joins nothing", "write `||`")),
        "not" => return Some(("`not` turns nothing round", "write `!` before the part")),
        "s" | "m" | "min" | "h" | "d" if after_digit => {
            return Some((
                "a time span is not written with a letter",
                "write `minutes(30)`, `hours(4)` or `days(2)`",
            ));
        }
        _ => {}
    }
    let lone =
        rest.starts_with('=') && !rest.starts_with("==") || before.ends_with('=') && !before.ends_with("==");
    let compared = ["<=", ">=", "!="].iter().any(|sign| before.ends_with(sign));
    match rest.chars().next() {
        _ if lone && !compared => Some(("a single `=` compares nothing", "write `==`")),
        None => Some(("it ends too early", "finish the last comparison, and close every bracket and quote")),
        Some('“' | '”' | '„' | '‘' | '’') => {
            Some(("these quotes are not straight", "write \" or '"))
        }
        _ => None,
    }
}

/// Refuses, without recursion, what the parser should not be given.
fn measure(source: &str) -> Result<(), Fault> {
    if source.len() > SOURCE_MAX {
        return Err(Fault::new(
            0,
            format!("the condition has {} bytes, at most {SOURCE_MAX} are allowed", source.len()),
            "split it into several rules",
        ));
    }
    if source.trim().is_empty() {
        return Err(Fault::new(0, "the condition is empty", "write when the rule should fire"));
    }
    let (mut depth, mut deepest, mut operators, mut chain) = (0usize, 0usize, 0usize, 0usize);
    let mut at = 0;
    let bytes = source.as_bytes();
    while at < bytes.len() {
        let here = at;
        at = match bytes[at] {
            quote @ (b'"' | b'\'') => after_text(bytes, at, quote),
            b'/' if bytes.get(at + 1) == Some(&b'/') => after_line(bytes, at),
            _ => at + 1,
        };
        match bytes[here] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'!' | b'-' | b'?' => (operators, chain) = (operators + 1, chain + 1),
            b'+' | b'*' | b'/' | b'%' | b'&' | b'|' | b'<' | b'>' | b'=' | b':' | b'.' | b',' => {
                operators += 1;
                chain = 0;
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => chain = 0,
        }
        deepest = deepest.max(depth).max(chain);
        if deepest > DEPTH_MAX {
            return Err(Fault::new(
                here,
                format!("the condition is nested more than {DEPTH_MAX} deep"),
                "split it into several rules, or take away brackets that are not needed",
            ));
        }
    }
    if operators > OPERATORS_MAX * 3 {
        return Err(Fault::new(
            0,
            format!("the condition has more than {OPERATORS_MAX} operators and words"),
            "split it into several rules",
        ));
    }
    Ok(())
}

fn after_text(bytes: &[u8], start: usize, quote: u8) -> usize {
    let long = bytes.get(start + 1) == Some(&quote) && bytes.get(start + 2) == Some(&quote);
    let mut at = start + if long { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote && !long => return at + 1,
            byte if byte == quote && bytes[at..].starts_with(&[quote; 3]) => return at + 3,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn after_line(bytes: &[u8], start: usize) -> usize {
    bytes[start..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| start + end)
}

fn depth(tree: &IdedExpr) -> usize {
    1 + children(tree).into_iter().map(depth).max().unwrap_or(0)
}

/// Where a part begins.
pub fn place(tree: &IdedExpr, places: &SourceInfo) -> usize {
    let own = places.offset_for(tree.id).map_or(usize::MAX, |(start, _)| start as usize);
    children(tree).into_iter().map(|child| place(child, places)).fold(own, usize::min)
}

/// The nodes directly below one. Maps, structs and comprehensions have none here: they are refused.
pub fn children(tree: &IdedExpr) -> Vec<&IdedExpr> {
    match &tree.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&select.operand],
        _ => Vec::new(),
    }
}
