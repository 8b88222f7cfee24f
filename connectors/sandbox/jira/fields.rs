//! Values of fields as clients send them, as changes; every refusal with the vendor's words for that field.

use super::issue::{Body, Change, Issue};
use super::site::{self, Flavour, Site};
use super::text;
use serde_json::{Map, Value};

/// Refusals by field.
pub type Refusals = Map<String, Value>;

fn off_screen(field: &str) -> String {
    format!("Field '{field}' cannot be set. It is not on the appropriate screen, or unknown.")
}

/// The refusals of an edit where no field may be edited.
pub fn all_off_screen(body: &Map<String, Value>) -> Refusals {
    let parts = ["fields", "update"].iter().filter_map(|part| body.get(*part)?.as_object());
    parts.flat_map(Map::keys).map(|name| (name.clone(), Value::String(off_screen(name)))).collect()
}

/// Changes of `fields` and `update` together: all of them, or the refusals.
pub fn changes(
    site: &Site,
    issue: &Issue,
    body: &Map<String, Value>,
    documents: bool,
) -> Result<Vec<Change>, Refusals> {
    let empty = Map::new();
    let part = |name: &str| body.get(name).and_then(Value::as_object).unwrap_or(&empty);
    let (fields, update) = (part("fields"), part("update"));
    let (mut changes, mut refused) = (Vec::new(), Refusals::new());
    for (name, value) in fields {
        if update.contains_key(name) {
            let text = format!("Field '{name}' cannot appear in both 'fields' and 'update'");
            refused.insert(name.clone(), Value::String(text));
            continue;
        }
        match set(site, name, value, documents) {
            Ok(change) => changes.push(change),
            Err(text) => drop(refused.insert(name.clone(), Value::String(text))),
        }
    }
    for (name, operations) in update.iter().filter(|(name, _)| *name != "comment") {
        match operate(site, issue, name, operations, documents) {
            Ok(change) => changes.push(change),
            Err(text) => drop(refused.insert(name.clone(), Value::String(text))),
        }
    }
    if refused.is_empty() { Ok(changes) } else { Err(refused) }
}

/// The field set to a value.
pub fn set(site: &Site, name: &str, value: &Value, documents: bool) -> Result<Change, String> {
    match name {
        "summary" => match value.as_str().map(str::trim) {
            None | Some("") => Err("You must specify a summary of the issue.".to_owned()),
            Some(text) if text.contains('\n') => {
                Err("The summary is invalid because it contains newline characters.".to_owned())
            }
            Some(text) if text.chars().count() > 255 => {
                Err("Summary can't exceed 255 characters.".to_owned())
            }
            Some(text) => Ok(Change::Summary(text.to_owned())),
        },
        "description" if value.is_null() => Ok(Change::Description(None)),
        "description" => {
            Body::read(value, documents).map(|body| Change::Description(Some(body))).ok_or_else(|| {
                "Operation value must be an Atlassian Document (see the Atlassian Document Format)".to_owned()
            })
        }
        "labels" if site.switches.labels_off_screen => Err(off_screen(name)),
        "labels" => labels(value.as_array().ok_or("data was not an array")?).map(Change::Labels),
        "priority" => word(site::PRIORITIES, value)
            .map(Change::Priority)
            .ok_or_else(|| "The priority selected is invalid.".to_owned()),
        "assignee" => assignee(site, value),
        "components" => {
            let list = value.as_array().ok_or("data was not an array")?;
            let found: Result<Vec<usize>, String> = list.iter().map(|entry| component(site, entry)).collect();
            found.map(Change::Components)
        }
        "duedate" => Ok(Change::Due(value.as_str().map(str::to_owned))),
        "project" => {
            let named = named(value, &["id", "key"]).ok_or("Specify a valid project ID or key")?;
            site.project(&named)
                .map(Change::Project)
                .ok_or_else(|| "Specify a valid project ID or key".to_owned())
        }
        site::ORGANIZATIONS => {
            let list = value.as_array().ok_or("data was not an array")?;
            let number = |entry: &Value| entry.as_u64().or_else(|| named(entry, &["id"])?.parse().ok());
            let ids: Option<Vec<usize>> =
                list.iter().map(|entry| usize::try_from(number(entry)?).ok()?.checked_sub(1)).collect();
            ids.map(Change::Organizations).ok_or_else(|| "Organization ids must be numbers.".to_owned())
        }
        site::TIER | site::PRODUCT | site::FLAGGED => Ok(Change::Custom(name.to_owned(), value.clone())),
        _ => Err(off_screen(name)),
    }
}

fn operate(
    site: &Site,
    issue: &Issue,
    name: &str,
    operations: &Value,
    documents: bool,
) -> Result<Change, String> {
    let operations = operations.as_array().ok_or("data was not an array")?;
    if site.switches.labels_off_screen && name == "labels" {
        return Err(off_screen(name));
    }
    let (mut label_list, mut component_list) = (issue.labels.clone(), issue.components.clone());
    let mut change = None;
    for operation in operations {
        let (verb, value) =
            operation.as_object().and_then(|entry| entry.iter().next()).ok_or("no operation")?;
        change = Some(match (name, verb.as_str()) {
            (_, "set") => set(site, name, value, documents)?,
            ("labels", "add") => {
                label_list.extend(labels(std::slice::from_ref(value))?);
                Change::Labels(label_list.clone())
            }
            ("labels", "remove") => {
                let gone = labels(std::slice::from_ref(value))?;
                label_list.retain(|label| !gone.contains(label));
                Change::Labels(label_list.clone())
            }
            ("components", "add") => {
                component_list.push(component(site, value)?);
                Change::Components(component_list.clone())
            }
            ("components", "remove") => {
                let gone = component(site, value)?;
                component_list.retain(|team| *team != gone);
                Change::Components(component_list.clone())
            }
            _ => return Err(format!("The operation '{verb}' is not supported by the field '{name}'.")),
        });
        if let Some(Change::Labels(list)) = &change {
            label_list.clone_from(list);
        }
    }
    change.ok_or_else(|| off_screen(name))
}

fn labels(list: &[Value]) -> Result<Vec<String>, String> {
    list.iter()
        .map(|entry| match entry.as_str() {
            Some(label) if label.contains(char::is_whitespace) => {
                Err(format!("The label '{label}' contains spaces which is invalid."))
            }
            Some(label) if label.is_empty() || label.chars().count() > 255 => {
                Err("The label is invalid.".to_owned())
            }
            Some(label) => Ok(label.to_owned()),
            None => Err("string expected".to_owned()),
        })
        .collect()
}

fn named(value: &Value, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| match value.get(*key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// A word of a list by `id` or `name`.
pub fn word(words: &[site::Word], value: &Value) -> Option<usize> {
    let wanted = named(value, &["id", "name"])?;
    words.iter().position(|word| word.id == wanted || word.name.eq_ignore_ascii_case(&wanted))
}

/// A person, `null` for nobody. Vendor: Cloud knows account ids only, Data Center logins.
pub fn assignee(site: &Site, value: &Value) -> Result<Change, String> {
    if value.is_null() {
        return Ok(Change::Assignee(None));
    }
    let key = if site.flavour == Flavour::Cloud { "accountId" } else { "name" };
    let told = value.get(key).or_else(|| value.get("id"));
    let Some(told) = told.filter(|told| !told.is_null()) else { return Ok(Change::Assignee(None)) };
    let found = told.as_str().and_then(|text| site.find_user(text));
    let agent = found.filter(|user| site.users[*user].account_type != site::AccountType::Customer);
    agent
        .map(|user| Change::Assignee(Some(user)))
        .ok_or_else(|| format!("User '{}' cannot be assigned issues.", told.as_str().unwrap_or_default()))
}

fn component(site: &Site, value: &Value) -> Result<usize, String> {
    let wanted = named(value, &["id", "name"]).ok_or("Component name or id expected")?;
    let by_id = (0..site.teams.len()).find(|team| site.component(*team).0 == wanted);
    let by_name = || site.teams.iter().position(|team| team.eq_ignore_ascii_case(&wanted));
    by_id.or_else(by_name).ok_or_else(|| format!("Component name '{wanted}' is not valid"))
}

/// A new issue without a past, before its fields are set.
pub fn blank(site: &mut Site, project: usize, author: usize, at: jiff::Timestamp) -> Issue {
    let at = text::millis(at);
    site.projects[project].last += 1;
    let number = site.projects[project].last;
    Issue {
        id: site.next_id(),
        project,
        number,
        kind: 2,
        summary: String::new(),
        description: None,
        status: site::OPEN,
        priority: 2,
        odd_priority: None,
        labels: Vec::new(),
        assignee: None,
        reporter: author,
        creator: author,
        created: at,
        updated: at,
        resolved: None,
        due: None,
        components: Vec::new(),
        organizations: Vec::new(),
        custom: Map::new(),
        comments: Vec::new(),
        histories: Vec::new(),
        properties: std::collections::BTreeMap::new(),
        links: Vec::new(),
        remote_links: Vec::new(),
        worklogs: Vec::new(),
        files: Vec::new(),
        watchers: std::collections::BTreeSet::new(),
        hidden: false,
    }
}
