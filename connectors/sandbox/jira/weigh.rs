//! Issues against conditions, and against each other: what a field of an issue holds.
//! Knows no queries as they are written.

use super::issue::{Issue, option_text};
use super::jql::Op;
use super::moments::dated;
use super::select::{Field, Node, Test};
use super::site::{self, Site};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::cmp::Ordering;

pub fn compare(field: &Field, a: &Issue, b: &Issue, site: &Site) -> Ordering {
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

/// Whether a condition is true of an issue.
pub fn holds(node: &Node, issue: &Issue, site: &Site) -> bool {
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
