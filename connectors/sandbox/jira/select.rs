//! Which issues a query means, and in which order.
//! Knows fields and functions; a field or value that is not there is an error in the vendor's words.

use super::issue::Issue;
use super::jql::{Clause, Expr, Op, Operand, Query, Value};
use super::moments::moment;
use super::site::{self, Site};
use super::weigh::{compare, holds};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::cmp::Ordering;

/// In whose eyes a query is read.
pub struct Eyes<'a> {
    pub site: &'a Site,
    pub user: usize,
    pub zone: TimeZone,
    pub now: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
    Project,
    Key,
    Status,
    Category,
    Priority,
    Kind,
    Assignee,
    Reporter,
    Creator,
    Labels,
    Component,
    Summary,
    Description,
    Comment,
    Text,
    Created,
    Updated,
    Resolved,
    Due,
    Resolution,
    Organizations,
    Custom(&'static str),
}

fn field(name: &str) -> Option<Field> {
    let lower = name.to_lowercase();
    Some(match lower.as_str() {
        "project" => Field::Project,
        "key" | "issuekey" | "id" | "issue" => Field::Key,
        "status" => Field::Status,
        "statuscategory" => Field::Category,
        "priority" => Field::Priority,
        "issuetype" | "type" => Field::Kind,
        "assignee" => Field::Assignee,
        "reporter" => Field::Reporter,
        "creator" => Field::Creator,
        "labels" => Field::Labels,
        "component" => Field::Component,
        "summary" => Field::Summary,
        "description" => Field::Description,
        "comment" => Field::Comment,
        "text" | "textfields" => Field::Text,
        "created" | "createddate" => Field::Created,
        "updated" | "updateddate" => Field::Updated,
        "resolved" | "resolutiondate" => Field::Resolved,
        "due" | "duedate" => Field::Due,
        "resolution" => Field::Resolution,
        "organizations" | "organization" => Field::Organizations,
        _ => custom(&lower)?,
    })
}

fn custom(lower: &str) -> Option<Field> {
    let number = lower.strip_prefix("cf[").and_then(|rest| rest.strip_suffix(']'));
    let wanted = number.map(|number| format!("customfield_{number}"));
    let found = site::CUSTOM_FIELDS.iter().find(|(id, name, ..)| {
        wanted.as_deref() == Some(*id) || *id == lower || name.to_lowercase() == lower
    });
    match found?.0 {
        site::ORGANIZATIONS => Some(Field::Organizations),
        site::TIER => Some(Field::Custom(site::TIER)),
        site::PRODUCT => Some(Field::Custom(site::PRODUCT)),
        _ => None,
    }
}

/// A query made ready: fields known, values looked up. Errors are the vendor's messages.
pub struct Ready {
    condition: Option<Node>,
    order: Vec<(Field, bool)>,
    /// No issue with an earlier `updated` can match.
    pub updated_from: i64,
}

pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(Test),
}

pub(super) enum Test {
    Moment {
        field: Field,
        op: Op,
        at: Timestamp,
    },
    /// Values in lower case.
    Among {
        field: Field,
        values: Vec<String>,
        wanted: bool,
    },
    Ranked {
        field: Field,
        op: Op,
        rank: i64,
    },
    Contains {
        field: Field,
        words: Vec<String>,
        wanted: bool,
    },
    Empty {
        field: Field,
        wanted: bool,
    },
}

pub fn ready(query: &Query, eyes: &Eyes<'_>) -> Result<Ready, String> {
    let condition = query.condition.as_ref().map(|expr| node(expr, eyes)).transpose()?;
    let mut order = Vec::new();
    for (name, descends) in &query.order {
        let known = field(name).ok_or_else(|| format!("Not able to sort using field '{name}'."))?;
        order.push((known, *descends));
    }
    let updated_from = condition.as_ref().map_or(i64::MIN, lower_bound);
    Ok(Ready { condition, order, updated_from })
}

fn lower_bound(node: &Node) -> i64 {
    match node {
        Node::All(list) => list.iter().map(lower_bound).max().unwrap_or(i64::MIN),
        Node::Test(Test::Moment { field: Field::Updated, op: Op::AtLeast | Op::More | Op::Equal, at }) => {
            at.as_millisecond()
        }
        _ => i64::MIN,
    }
}

fn node(expr: &Expr, eyes: &Eyes<'_>) -> Result<Node, String> {
    let list = |list: &[Expr]| list.iter().map(|expr| node(expr, eyes)).collect::<Result<Vec<_>, _>>();
    Ok(match expr {
        Expr::All(inner) => Node::All(list(inner)?),
        Expr::Any(inner) => Node::Any(list(inner)?),
        Expr::Not(inner) => Node::Not(Box::new(node(inner, eyes)?)),
        Expr::Clause(clause) => Node::Test(test(clause, eyes)?),
    })
}

fn test(clause: &Clause, eyes: &Eyes<'_>) -> Result<Test, String> {
    let name = &clause.field;
    let field = field(name)
        .ok_or_else(|| format!("Field '{name}' does not exist or you do not have permission to view it."))?;
    let refused = || format!("The operator '{:?}' is not supported by the '{name}' field.", clause.op);
    let wanted = matches!(clause.op, Op::Equal | Op::In | Op::Is | Op::Contains);
    let dated = matches!(field, Field::Created | Field::Updated | Field::Resolved | Field::Due);
    let text = matches!(field, Field::Summary | Field::Description | Field::Comment | Field::Text);
    match (&clause.operand, clause.op) {
        (Operand::Empty, Op::Is | Op::Equal | Op::IsNot | Op::NotEqual) => Ok(Test::Empty { field, wanted }),
        (Operand::Single(value), Op::Contains | Op::NotContains) if text => {
            Ok(Test::Contains { field, words: words(&plain(value, name)?), wanted })
        }
        _ if text => Err(refused()),
        (Operand::Single(value), op) if dated && !matches!(op, Op::Contains | Op::NotContains) => {
            Ok(Test::Moment { field, op, at: moment(value, name, eyes)? })
        }
        _ if dated => Err(refused()),
        (Operand::Single(value), Op::Less | Op::AtMost | Op::More | Op::AtLeast) => {
            let rank = rank_of(&field, value, name, eyes).ok_or_else(refused)?;
            Ok(Test::Ranked { field, op: clause.op, rank })
        }
        (Operand::Single(value), Op::Equal | Op::NotEqual) => {
            let values = among(&field, std::slice::from_ref(value), name, eyes)?;
            Ok(Test::Among { field, values, wanted })
        }
        (Operand::List(list), Op::In | Op::NotIn) => {
            Ok(Test::Among { values: among(&field, list, name, eyes)?, field, wanted })
        }
        _ => Err(refused()),
    }
}

fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let exact = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match exact {
        Some(phrase) => vec![phrase.to_owned()],
        None => text.split_whitespace().map(|word| word.trim_end_matches('*').to_owned()).collect(),
    }
}

fn plain(value: &Value, field: &str) -> Result<String, String> {
    match value {
        Value::Text { text, .. } => Ok(text.clone()),
        Value::Function { name, .. } => {
            Err(format!("A value provided by the function '{name}' is invalid for the field '{field}'."))
        }
    }
}

/// The values that a field may have, in lower case. A value that nothing has is an error.
fn among(field: &Field, values: &[Value], name: &str, eyes: &Eyes<'_>) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for value in values {
        found.push(known(field, value, name, eyes)?.to_lowercase());
    }
    Ok(found)
}

fn known(field: &Field, value: &Value, name: &str, eyes: &Eyes<'_>) -> Result<String, String> {
    let missing = |text: &str| format!("The value '{text}' does not exist for the field '{name}'.");
    if let Value::Function { name: function, .. } = value {
        let person = matches!(field, Field::Assignee | Field::Reporter | Field::Creator);
        return match function.to_lowercase().as_str() {
            "currentuser" if person => Ok(eyes.site.users[eyes.user].id.clone()),
            _ => Err(format!("Unable to find JQL function '{function}' for the field '{name}'.")),
        };
    }
    let text = plain(value, name)?;
    let word = |words: &[(&str, &str)]| {
        words
            .iter()
            .find(|(id, shown)| *id == text || shown.eq_ignore_ascii_case(&text))
            .map(|(id, _)| (*id).to_owned())
            .ok_or_else(|| missing(&text))
    };
    match field {
        Field::Status => {
            word(&site::STATUSES.iter().map(|(word, _)| (word.id, word.name)).collect::<Vec<_>>())
        }
        Field::Priority => {
            word(&site::PRIORITIES.iter().map(|word| (word.id, word.name)).collect::<Vec<_>>())
        }
        Field::Kind => word(&site::TYPES.iter().map(|word| (word.id, word.name)).collect::<Vec<_>>()),
        Field::Category => word(&[
            ("new", "To Do"),
            ("new", "new"),
            ("indeterminate", "In Progress"),
            ("indeterminate", "indeterminate"),
            ("done", "Done"),
        ]),
        Field::Project => {
            let found = eyes.site.project(&text).ok_or_else(|| missing(&text))?;
            Ok(eyes.site.projects[found].key.to_owned())
        }
        Field::Key => {
            let shape = text.parse::<u64>().is_ok()
                || text.split_once('-').is_some_and(|(_, number)| number.parse::<u64>().is_ok());
            match eyes.site.issue_id(&text) {
                Some(id) => Ok(id.to_string()),
                None if shape => {
                    Err(format!("An issue with key '{text}' does not exist for field '{name}'."))
                }
                None => Err(format!("The issue key '{text}' for field '{name}' is invalid.")),
            }
        }
        Field::Assignee | Field::Reporter | Field::Creator => Ok(eyes
            .site
            .find_user(&text)
            .map_or_else(|| text.clone(), |user| eyes.site.users[user].id.clone())),
        Field::Component => {
            let team = eyes.site.teams.iter().position(|team| team.eq_ignore_ascii_case(&text));
            let by_id = || (0..eyes.site.teams.len()).find(|team| eyes.site.component(*team).0 == text);
            team.or_else(by_id).map(|team| eyes.site.component(team).0).ok_or_else(|| missing(&text))
        }
        _ => Ok(text),
    }
}

fn rank_of(field: &Field, value: &Value, name: &str, eyes: &Eyes<'_>) -> Option<i64> {
    let id = known(field, value, name, eyes).ok()?;
    match field {
        Field::Priority => {
            let at = site::PRIORITIES.iter().position(|word| word.id == id)?;
            Some(-i64::try_from(at).ok()?)
        }
        Field::Key => id.parse().ok(),
        _ => None,
    }
}

impl Ready {
    pub fn is_bounded(&self) -> bool {
        self.condition.is_some()
    }

    pub fn matches(&self, issue: &Issue, eyes: &Eyes<'_>) -> bool {
        let seen = !issue.hidden || eyes.site.users[eyes.user].admin;
        seen && self.condition.as_ref().is_none_or(|node| holds(node, issue, eyes.site))
    }

    /// Whether issues come in the order in which the index keeps them.
    pub fn is_by_updated(&self) -> bool {
        matches!(
            self.order.as_slice(),
            [(Field::Updated, false)] | [(Field::Updated, false), (Field::Key, false)]
        )
    }

    pub fn sort(&self, issues: &mut [&Issue], site: &Site) {
        issues.sort_by(|a, b| {
            for (field, descends) in &self.order {
                let order = compare(field, a, b, site);
                let order = if *descends { order.reverse() } else { order };
                if order != Ordering::Equal {
                    return order;
                }
            }
            // Vendor: without an order the newest comes first.
            if self.order.is_empty() { b.id.cmp(&a.id) } else { a.id.cmp(&b.id) }
        });
    }
}
