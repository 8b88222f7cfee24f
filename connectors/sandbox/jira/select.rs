//! Which issues a query means, and in which order.
//! Knows fields and functions; a field or value that is not there is an error in the vendor's words.

use super::issue::{Issue, option_text};
use super::jql::{Clause, Expr, Op, Operand, Query, Value};
use super::site::{self, Site};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use std::cmp::Ordering;

/// In whose eyes a query is read.
pub struct Eyes<'a> {
    pub site: &'a Site,
    pub user: usize,
    pub zone: TimeZone,
    pub now: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
enum Field {
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

enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(Test),
}

enum Test {
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

/// An instant: epoch milliseconds, a date in the caller's zone cut to the minute, a span, or a function.
fn moment(value: &Value, name: &str, eyes: &Eyes<'_>) -> Result<Timestamp, String> {
    let here = eyes.now.to_zoned(eyes.zone.clone());
    match value {
        Value::Text { text, quoted } => {
            let number = text.parse::<i64>().ok().filter(|_| !quoted);
            let found = match number {
                Some(millis) => Timestamp::from_millisecond(millis).ok(),
                None => span(text)
                    .and_then(|span| eyes.now.checked_add(span).ok())
                    .or_else(|| dated(text, &eyes.zone)),
            };
            found.ok_or_else(|| {
                format!("Date value '{text}' for field '{name}' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'.")
            })
        }
        Value::Function { name: function, arguments } => {
            let start = function_start(&function.to_lowercase(), &here)
                .ok_or_else(|| format!("Unable to find JQL function '{function}'."))?;
            let shift = arguments.first().map(|text| span(text).or_else(|| span(&format!("{text}d"))));
            let shift = match shift {
                Some(None) => {
                    return Err(format!(
                        "Duration for function '{function}' should have the format (+/-)n(yMwdm), e.g -1M for 1 month earlier."
                    ));
                }
                Some(Some(shift)) => shift,
                None => SignedDuration::ZERO,
            };
            Ok(start.timestamp().saturating_add(shift).unwrap_or(eyes.now))
        }
    }
}

fn function_start(function: &str, here: &Zoned) -> Option<Zoned> {
    let day = |zoned: &Zoned| zoned.start_of_day().ok();
    let weekday = i64::from(here.weekday().to_monday_zero_offset());
    let last = |zoned: Zoned| zoned.checked_sub(1.millisecond()).ok();
    match function {
        "now" => Some(here.clone()),
        "startofday" => day(here),
        "endofday" => last(day(&here.checked_add(1.day()).ok()?)?),
        "startofweek" => day(&here.checked_sub(weekday.days()).ok()?),
        "endofweek" => last(day(&here.checked_add((7 - weekday).days()).ok()?)?),
        "startofmonth" => day(&here.first_of_month().ok()?),
        "endofmonth" => last(day(&here.first_of_month().ok()?.checked_add(1.month()).ok()?)?),
        "startofyear" => day(&here.first_of_year().ok()?),
        _ => None,
    }
}

/// `-15m`, `4w 2d`, `+1h`: weeks, days, hours, minutes.
fn span(text: &str) -> Option<SignedDuration> {
    let (negative, rest) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim().trim_start_matches('+')),
    };
    let mut minutes = 0_i64;
    if rest.is_empty() {
        return None;
    }
    for part in rest.split_whitespace() {
        let (number, unit) =
            part.split_at(part.len().checked_sub(1).filter(|at| part.is_char_boundary(*at))?);
        let number: i64 = number.parse().ok().filter(|number| (0..=1_000_000).contains(number))?;
        let each = match unit {
            "w" => 7 * 24 * 60,
            "d" => 24 * 60,
            "h" => 60,
            "m" => 1,
            _ => return None,
        };
        minutes += number * each;
    }
    Some(SignedDuration::from_mins(if negative { -minutes } else { minutes }))
}

fn dated(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim().replace('/', "-");
    let local = match text.split_once(' ') {
        Some(_) => DateTime::strptime("%Y-%m-%d %H:%M", &text).ok()?,
        None => text.parse::<Date>().ok()?.at(0, 0, 0, 0),
    };
    Some(local.to_zoned(zone.clone()).ok()?.timestamp())
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

fn compare(field: &Field, a: &Issue, b: &Issue, site: &Site) -> Ordering {
    match field {
        Field::Created => a.created.cmp(&b.created),
        Field::Updated => a.updated.cmp(&b.updated),
        Field::Resolved => a.resolved.cmp(&b.resolved),
        Field::Due => a.due.cmp(&b.due),
        Field::Key => (site.projects[a.project].key, a.number).cmp(&(site.projects[b.project].key, b.number)),
        // The most urgent counts as the highest.
        Field::Priority => b.priority.cmp(&a.priority),
        other => values(other, a, site).cmp(&values(other, b, site)),
    }
}

fn holds(node: &Node, issue: &Issue, site: &Site) -> bool {
    match node {
        Node::All(list) => list.iter().all(|node| holds(node, issue, site)),
        Node::Any(list) => list.iter().any(|node| holds(node, issue, site)),
        Node::Not(inner) => !holds(inner, issue, site),
        Node::Test(test) => passes(test, issue, site),
    }
}

fn passes(test: &Test, issue: &Issue, site: &Site) -> bool {
    match test {
        Test::Moment { field, op, at } => {
            let Some(value) = instant(field, issue) else { return false };
            // Vendor: the index of Data Center keeps whole seconds.
            let tick = if site.flavour == site::Flavour::DataCenter { 1_000 } else { 1 };
            let whole = |at: Timestamp| at.as_millisecond().div_euclid(tick);
            ordered(*op, whole(value).cmp(&whole(*at)))
        }
        Test::Among { field, values: wanted_values, wanted } => {
            let held = values(field, issue, site);
            // Vendor: a field without a value matches neither `=` nor `!=`.
            let any = held.iter().any(|value| wanted_values.contains(&value.to_lowercase()));
            if *wanted { any } else { !held.is_empty() && !any }
        }
        Test::Ranked { field, op, rank } => {
            let held = match field {
                Field::Priority => -i64::try_from(issue.priority).unwrap_or(0),
                _ => i64::try_from(issue.id).unwrap_or(0),
            };
            ordered(*op, held.cmp(rank))
        }
        Test::Contains { field, words, wanted } => {
            let text = text(field, issue).to_lowercase();
            words.iter().all(|word| text.contains(word)) == *wanted
        }
        Test::Empty { field, wanted } => {
            let empty = match field {
                Field::Summary | Field::Description | Field::Comment | Field::Text => {
                    text(field, issue).is_empty()
                }
                Field::Created | Field::Updated => false,
                Field::Resolved | Field::Due => instant(field, issue).is_none(),
                _ => values(field, issue, site).is_empty(),
            };
            empty == *wanted
        }
    }
}

fn ordered(op: Op, order: Ordering) -> bool {
    match op {
        Op::Less => order.is_lt(),
        Op::AtMost => order.is_le(),
        Op::More => order.is_gt(),
        Op::AtLeast => order.is_ge(),
        Op::NotEqual => order.is_ne(),
        _ => order.is_eq(),
    }
}

fn instant(field: &Field, issue: &Issue) -> Option<Timestamp> {
    match field {
        Field::Created => Some(issue.created),
        Field::Updated => Some(issue.updated),
        Field::Resolved => issue.resolved,
        Field::Due => dated(issue.due.as_deref()?, &TimeZone::UTC),
        _ => None,
    }
}

fn text(field: &Field, issue: &Issue) -> String {
    let description = || issue.description.as_ref().map_or_else(String::new, super::issue::Body::text);
    let comments = || issue.comments.iter().map(|comment| comment.body.text()).collect::<Vec<_>>().join("\n");
    match field {
        Field::Summary => issue.summary.clone(),
        Field::Description => description(),
        Field::Comment => comments(),
        _ => format!("{}\n{}\n{}", issue.summary, description(), comments()),
    }
}

/// The values of a field as they are compared.
fn values(field: &Field, issue: &Issue, site: &Site) -> Vec<String> {
    let person = |user: usize| site.users[user].id.clone();
    match field {
        Field::Project => vec![site.projects[issue.project].key.to_owned()],
        Field::Key => vec![issue.id.to_string()],
        Field::Status => vec![site::STATUSES[issue.status].0.id.to_owned()],
        Field::Category => vec![site::STATUSES[issue.status].1.to_owned()],
        Field::Priority => vec![site::PRIORITIES[issue.priority].id.to_owned()],
        Field::Kind => vec![site::TYPES[issue.kind].id.to_owned()],
        Field::Assignee => issue.assignee.map(person).into_iter().collect(),
        Field::Reporter => vec![person(issue.reporter)],
        Field::Creator => vec![person(issue.creator)],
        Field::Labels => issue.labels.clone(),
        Field::Component => issue.components.iter().map(|team| site.component(*team).0).collect(),
        Field::Organizations => issue
            .organizations
            .iter()
            .filter_map(|at| site.customers.get(*at))
            .map(|(name, _)| name.clone())
            .collect(),
        Field::Resolution => issue.resolved.map(|_| "Done".to_owned()).into_iter().collect(),
        Field::Custom(id) => {
            issue.custom.get(*id).map(option_text).filter(|text| !text.is_empty()).into_iter().collect()
        }
        _ => Vec::new(),
    }
}
