//! Texts of rules: `{word}` is replaced with its value, and a part in `[square brackets]` is left out when a value in it
//! is missing. No logic beyond that.

use super::eval::View;
use super::facts::Facts;
use super::shown::{Language, show};
use super::value::Value;
use super::vocabulary::{self, Names, Read, Scope};

/// Longest template, in bytes.
pub const TEMPLATE_MAX: usize = 1_000;

/// A checked text.
#[derive(Debug, Clone, Default)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Value(Read),
    Optional(Vec<Part>),
}

/// What is wrong in a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFault {
    pub offset: usize,
    pub message: String,
    pub remedy: String,
}

impl Template {
    pub fn parse(source: &str, names: &Names) -> Result<Self, Vec<TemplateFault>> {
        if source.len() > TEMPLATE_MAX {
            let message = format!("the text has {} bytes, at most {TEMPLATE_MAX} are allowed", source.len());
            return Err(vec![TemplateFault {
                offset: 0,
                message,
                remedy: "say it in two sentences".to_owned(),
            }]);
        }
        let mut faults = Vec::new();
        let mut outer: Option<Vec<Part>> = None;
        let mut parts: Vec<Part> = Vec::new();
        let mut at = 0;
        while at < source.len() {
            let rest = &source[at..];
            let next = rest.find(['{', '}', '[', ']']).unwrap_or(rest.len());
            if next > 0 {
                parts.push(Part::Text(rest[..next].to_owned()));
                at += next;
                continue;
            }
            match (rest.as_bytes()[0], outer.is_some()) {
                (b'{', _) => {
                    let Some(end) = rest.find('}') else {
                        faults.push(fault(at, "`{` is not closed", "write `{case.number}`"));
                        break;
                    };
                    match word(rest[1..end].trim(), names) {
                        Ok(read) => parts.push(Part::Value(read)),
                        Err((message, remedy)) => faults.push(fault(at + 1, message, remedy)),
                    }
                    at += end + 1;
                }
                (b'[', false) => {
                    outer = Some(std::mem::take(&mut parts));
                    at += 1;
                }
                (b']', true) => {
                    let inner = std::mem::replace(&mut parts, outer.take().unwrap_or_default());
                    parts.push(Part::Optional(inner));
                    at += 1;
                }
                (other, _) => {
                    let message = format!("`{}` does not belong here", char::from(other));
                    faults.push(fault(at, message, "`{word}` is a value, `[…]` is left out when a value in it is missing; brackets do not nest"));
                    at += 1;
                }
            }
        }
        if outer.is_some() {
            faults.push(fault(source.len(), "`[` is not closed", "end the optional part with `]`"));
        }
        if faults.is_empty() { Ok(Self { parts }) } else { Err(faults) }
    }

    pub fn render(&self, facts: &Facts<'_>) -> String {
        let mut text = String::new();
        render(&self.parts, facts, &mut text);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Every word the text shows.
    pub fn reads(&self) -> Vec<&Read> {
        fn walk<'t>(parts: &'t [Part], reads: &mut Vec<&'t Read>) {
            for part in parts {
                match part {
                    Part::Text(_) => {}
                    Part::Value(read) => reads.push(read),
                    Part::Optional(inner) => walk(inner, reads),
                }
            }
        }
        let mut reads = Vec::new();
        walk(&self.parts, &mut reads);
        reads
    }
}

fn fault(offset: usize, message: impl Into<String>, remedy: impl Into<String>) -> TemplateFault {
    TemplateFault { offset, message: message.into(), remedy: remedy.into() }
}

fn word(path: &str, names: &Names) -> Result<Read, (String, String)> {
    let found = |path: &str| vocabulary::find(path, Scope::Rule, names).map(|found| found.read);
    match path.strip_suffix(".since_reply").map(found) {
        Some(Ok(Read::Tally(tally))) => Ok(Read::TallySinceReply(tally)),
        _ => found(path).map_err(|missing| (missing.message, missing.remedy)),
    }
}

/// Returns whether every value was there.
fn render(parts: &[Part], facts: &Facts<'_>, text: &mut String) -> bool {
    let (language, zone) = facts.policy.manner_of(&facts.state.case);
    let mut complete = true;
    for part in parts {
        match part {
            Part::Text(plain) => text.push_str(plain),
            Part::Value(read) => {
                let value = facts.read(read).unwrap_or(Value::Null);
                complete &= value != Value::Null;
                text.push_str(&show(read, &value, Language::of(language), &zone));
            }
            Part::Optional(inner) => {
                let mut optional = String::new();
                if render(inner, facts, &mut optional) {
                    text.push_str(&optional);
                }
            }
        }
    }
    complete
}
