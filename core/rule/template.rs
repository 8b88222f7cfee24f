//! Texts of rules: `{word}` is replaced with its value, and a part in `[square brackets]` is left out when a value in it
//! is missing. `{word|# message|# messages}` is a number with its noun. No logic beyond that.

use super::eval::View;
use super::facts::Facts;
use super::shown::{Language, show};
use super::value::{Type, Value};
use super::vocabulary::{self, CaseWord, ClockWord, Names, Read, Scope};

/// Longest template, in bytes.
pub const TEMPLATE_MAX: usize = 1_000;
/// Forms of one number.
const FORMS_MAX: usize = 6;

/// A checked text.
#[derive(Debug, Clone, Default)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Value(Read),
    Counted(Read, Forms),
    Optional(Vec<Part>),
}

/// How a number is said: when it is 1, when it is 2, and so on; the last form for all others. `#` is the number.
#[derive(Debug, Clone)]
struct Forms {
    first: Vec<String>,
    others: String,
}

impl Forms {
    fn parse(written: &str) -> Result<Self, (String, String)> {
        let mut forms: Vec<String> = written.split('|').map(|form| form.trim().to_owned()).collect();
        let remedy = "write `{reopenings|once|twice|# times}`: for 1, for 2, and last for all other numbers";
        let wrong = |message: String| Err((message, remedy.to_owned()));
        if !(2..=FORMS_MAX).contains(&forms.len()) {
            return wrong(format!("a number has 2 to {FORMS_MAX} forms, this one has {}", forms.len()));
        }
        let others = forms.pop().unwrap_or_default();
        if !others.contains('#') {
            return wrong(format!("the last form, `{others}`, does not say the number: `#` stands for it"));
        }
        match forms.iter().any(String::is_empty) {
            true => wrong("a form is empty".to_owned()),
            false => Ok(Self { first: forms, others }),
        }
    }

    fn say(&self, number: i64) -> String {
        let nth = usize::try_from(number - 1).ok();
        let form = nth.and_then(|nth| self.first.get(nth)).unwrap_or(&self.others);
        form.replace('#', &number.to_string())
    }
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
                    match value(&rest[1..end], names) {
                        Ok(part) => parts.push(part),
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
                    Part::Value(read) | Part::Counted(read, _) => reads.push(read),
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

/// What stands between braces: a word, perhaps with the forms of its number.
fn value(written: &str, names: &Names) -> Result<Part, (String, String)> {
    let (path, forms) = match written.split_once('|') {
        Some((path, forms)) => (path.trim(), Some(forms)),
        None => (written.trim(), None),
    };
    let (read, yields) = word(path, names)?;
    let Some(forms) = forms else { return Ok(Part::Value(read)) };
    // A percentage is shown with its sign.
    if yields != Type::Number || matches!(read, Read::Clock(_, ClockWord::Percent)) {
        let remedy = format!("write `{{{path}}}`; forms are for counts, as in `{{reopenings|once|# times}}`");
        return Err((format!("`{path}` is not a count, it has no forms"), remedy));
    }
    Ok(Part::Counted(read, Forms::parse(forms)?))
}

fn word(path: &str, names: &Names) -> Result<(Read, Type), (String, String)> {
    let found =
        |path: &str| vocabulary::find(path, Scope::Rule, names).map(|found| (found.read, found.word.yields));
    match path.strip_suffix(".since_reply").map(found) {
        Some(Ok((Read::Tally(tally), yields))) => Ok((Read::TallySinceReply(tally), yields)),
        _ => found(path).map_err(|missing| (missing.message, missing.remedy)),
    }
}

/// Returns whether every value was there.
fn render(parts: &[Part], facts: &Facts<'_>, text: &mut String) -> bool {
    let language = Language::of(facts.policy.manner_of(&facts.state.case).0);
    let mut complete = true;
    for part in parts {
        match part {
            Part::Text(plain) => text.push_str(plain),
            Part::Value(read) | Part::Counted(read, _) => {
                let value = facts.read(read).unwrap_or(Value::Null);
                complete &= value != Value::Null;
                text.push_str(&match (part, &value, read) {
                    (Part::Counted(_, forms), Value::Int(number), _) => forms.say(*number),
                    (_, Value::Text(status), Read::Case(CaseWord::Status)) => language.status(status),
                    _ => show(read, &value, facts),
                });
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
