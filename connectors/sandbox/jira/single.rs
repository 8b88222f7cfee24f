//! One record of a list of words by its id, and what a site says of its own settings.
//! Knows shapes of answers; changes nothing.

use super::ask::{Answer, Ask};
use super::errors;
use super::neighbours;
use super::reference;
use super::site::{self, AccountType, Flavour};
use serde_json::{Value, json};

/// Position of a word by the id or the name in the path.
fn word_at<'a>(ask: &Ask<'_>, mut words: impl Iterator<Item = &'a site::Word>) -> Option<usize> {
    let wanted = ask.call.capture("id");
    words.position(|word| word.id == wanted || word.name.eq_ignore_ascii_case(wanted))
}

fn found(ask: &Ask<'_>, what: &str, value: Option<Value>) -> Answer {
    let missing = || format!("The {what} with id '{}' does not exist", ask.call.capture("id"));
    value.map(|value| errors::ok(&value)).ok_or_else(|| errors::messages(404, &missing()))
}

pub fn status(ask: &mut Ask<'_>) -> Answer {
    let at = word_at(ask, site::STATUSES.iter().map(|(word, _)| word));
    found(ask, "status", at.map(|at| ask.look().status(at)))
}

pub fn category(ask: &mut Ask<'_>) -> Answer {
    let wanted = ask.call.capture("id");
    let all = (0..site::STATUSES.len()).map(|at| ask.look().status(at)["statusCategory"].clone());
    let mut fits = all
        .filter(|one| one["id"].as_u64().is_some_and(|id| id.to_string() == wanted) || one["key"] == wanted);
    let category = fits.next();
    found(ask, "status category", category)
}

pub fn priority(ask: &mut Ask<'_>) -> Answer {
    let at = word_at(ask, site::PRIORITIES.iter());
    found(ask, "priority", at.map(|at| ask.look().priority(at)))
}

pub fn kind(ask: &mut Ask<'_>) -> Answer {
    let at = word_at(ask, site::TYPES.iter());
    found(ask, "issue type", at.map(|at| ask.look().kind(at)))
}

pub fn resolution(ask: &mut Ask<'_>) -> Answer {
    let done = (ask.call.capture("id") == "10000").then(|| reference::resolution(ask));
    found(ask, "resolution", done)
}

pub fn component(ask: &mut Ask<'_>) -> Answer {
    let wanted = ask.call.capture("id");
    let at = (0..ask.site.teams.len()).find(|team| ask.site.component(*team).0 == wanted);
    found(ask, "component", at.map(|team| ask.look().component(team)))
}

pub fn project_role(ask: &mut Ask<'_>) -> Answer {
    reference::project_of(ask)?;
    let wanted = ask.call.capture("role");
    let role = neighbours::ROLES.iter().find(|(id, _)| id.to_string() == wanted);
    let role = role.map(|role| {
        let mut shown = neighbours::role(ask, role);
        shown["actors"] = json!([]);
        shown
    });
    found(ask, "role", role)
}

/// GET /user/bulk: people by their account ids.
pub fn users(ask: &mut Ask<'_>) -> Answer {
    let asked = ask.call.query.iter().filter(|(name, _)| name == "accountId");
    let look = ask.look();
    let all = asked.filter_map(|(_, id)| Some(look.user(ask.site.find_user(id)?))).collect();
    Ok(errors::ok(&reference::paged(ask, all)))
}

/// GET /group, the old form: the group with its people.
pub fn group(ask: &mut Ask<'_>) -> Answer {
    let asked = [ask.call.param("groupname"), ask.call.param("groupId")];
    let (name, id) = neighbours::GROUP;
    if !asked.iter().flatten().any(|text| *text == name || *text == id) {
        return Err(errors::messages(404, "The group does not exist."));
    }
    let look = ask.look();
    let people = ask.site.users.iter().enumerate();
    let members: Vec<Value> = people
        .filter(|(_, user)| user.account_type == AccountType::Atlassian)
        .map(|(at, _)| look.user(at))
        .collect();
    let users = json!({ "size": members.len(), "items": members, "max-results": 50, "start-index": 0,
                        "end-index": members.len().saturating_sub(1) });
    let own = format!("{}/group?groupname={name}", ask.base);
    Ok(errors::ok(&json!({ "name": name, "groupId": id, "self": own, "users": users, "expand": "users" })))
}

pub fn configuration(_: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&json!({
        "votingEnabled": true, "watchingEnabled": true, "unassignedIssuesAllowed": true, "subTasksEnabled": false,
        "issueLinkingEnabled": true, "timeTrackingEnabled": true, "attachmentsEnabled": true,
        "timeTrackingConfiguration": { "workingHoursPerDay": 8.0, "workingDaysPerWeek": 5.0, "timeFormat": "pretty", "defaultUnit": "minute" },
    })))
}

/// What a query may name, for those who write one with help.
pub fn query_words(_: &mut Ask<'_>) -> Answer {
    let system = site::SYSTEM_FIELDS.iter().map(|(id, name, _)| (*id, *name));
    let custom = site::CUSTOM_FIELDS.iter().map(|(id, name, ..)| (*id, *name));
    let names: Vec<Value> = system
        .chain(custom)
        .map(|(id, name)| {
            json!({ "value": id, "displayName": format!("{name} - {id}"), "orderable": "true", "searchable": "true",
                    "operators": ["=", "!=", "in", "not in", "is", "is not"], "types": [] })
        })
        .collect();
    let functions = ["now()", "currentUser()", "startOfDay()", "endOfDay()"];
    let functions: Vec<Value> =
        functions.iter().map(|name| json!({ "value": name, "displayName": name, "types": [] })).collect();
    let words = json!({ "visibleFieldNames": names, "visibleFunctionNames": functions, "jqlReservedWords": ["and", "or", "not", "in", "is"] });
    Ok(errors::ok(&words))
}

/// Boards belong to the software side, where nobody made one.
pub fn boards(ask: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&reference::paged(ask, Vec::new())))
}

/// Vendor: settings of the whole site are for administrators.
pub fn for_administrators(ask: &mut Ask<'_>) -> Answer {
    let cloud = ask.site.flavour == Flavour::Cloud;
    let text = if cloud {
        "Only Jira administrators can access this."
    } else {
        "You do not have the permission to see this."
    };
    if ask.is_admin() { Ok(errors::ok(&json!([]))) } else { Err(errors::messages(403, text)) }
}
