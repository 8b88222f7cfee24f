//! What common clients ask for besides issues: screens for creating, groups, roles, and lists that
//! are empty on a site where nobody made anything of the kind.
//! Knows shapes of answers; changes nothing.

use super::ask::{Answer, Ask};
use super::errors;
use super::reference::{paged, project_of};
use super::site::{self, AccountType, Flavour};
use serde_json::{Value, json};

/// The one group of the site: everybody who is no customer.
pub const GROUP: (&str, &str) = ("jira-users", "952d12c3-5b5b-4d04-bb32-44d383afc4b2");
pub const ROLES: &[(u64, &str)] = &[(10_002, "Administrators"), (10_003, "Service Desk Team")];

/// Vendor: Cloud names the list by what it holds, Data Center calls it `values`.
fn named_page(ask: &Ask<'_>, name: &str, all: Vec<Value>) -> Value {
    let (start, max) = ask.paging(50, 200);
    let total = all.len();
    let shown: Vec<Value> = all.into_iter().skip(start).take(max).collect();
    let name = if ask.site.flavour == Flavour::Cloud { name } else { "values" };
    let last = start + shown.len() >= total;
    json!({ "startAt": start, "maxResults": max, "total": total, "isLast": last, name: shown })
}

/// The fields of the screen on which issues are made.
fn create_fields(ask: &Ask<'_>) -> Vec<Value> {
    let on_screen =
        ["project", "issuetype", "summary", "description", "priority", "labels", "components", "duedate"];
    let shown = site::SYSTEM_FIELDS.iter().filter(|(id, ..)| on_screen.contains(id));
    shown
        .map(|(id, name, kind)| {
            let needed = matches!(*id, "project" | "issuetype" | "summary");
            let operations = if *kind == "array" { json!(["add", "set", "remove"]) } else { json!(["set"]) };
            let mut field = json!({
                "required": needed, "schema": { "type": kind, "system": id }, "name": name, "key": id, "fieldId": id,
                "hasDefaultValue": false, "operations": operations,
            });
            if *id == "priority" {
                let look = ask.look();
                field["allowedValues"] = (0..site::PRIORITIES.len()).map(|at| look.priority(at)).collect();
            }
            field
        })
        .collect()
}

/// GET /issue/createmeta, the old form: all projects at once.
pub fn create_meta(ask: &mut Ask<'_>) -> Answer {
    let keys = ask.call.query.iter().filter(|(name, _)| name == "projectKeys");
    let keys: Vec<String> = keys.flat_map(|(_, text)| super::search::commas(text)).collect();
    let with_fields = ask.call.param("expand").is_some_and(|text| text.contains("issuetypes.fields"));
    let look = ask.look();
    let kinds: Vec<Value> = (0..site::TYPES.len())
        .map(|at| {
            let mut kind = look.kind(at);
            if with_fields {
                let fields = create_fields(ask).into_iter();
                kind["fields"] = fields
                    .map(|field| (field["key"].as_str().unwrap_or_default().to_owned(), field))
                    .collect();
            }
            kind
        })
        .collect();
    let wanted = |at: &usize| keys.is_empty() || keys.iter().any(|key| key == ask.site.projects[*at].key);
    let projects = (0..ask.site.projects.len()).filter(wanted).map(|at| {
        let mut project = look.project(at);
        project["issuetypes"] = json!(kinds);
        project
    });
    Ok(errors::ok(&json!({ "expand": "projects", "projects": projects.collect::<Vec<_>>() })))
}

pub fn create_kinds(ask: &mut Ask<'_>) -> Answer {
    project_of(ask)?;
    let look = ask.look();
    let all = (0..site::TYPES.len()).map(|at| look.kind(at)).collect();
    Ok(errors::ok(&named_page(ask, "issueTypes", all)))
}

pub fn create_screen(ask: &mut Ask<'_>) -> Answer {
    project_of(ask)?;
    let wanted = ask.call.capture("kind");
    if !site::TYPES.iter().any(|word| word.id == wanted) {
        return Err(errors::messages(404, "The issue type does not exist in the project."));
    }
    Ok(errors::ok(&named_page(ask, "fields", create_fields(ask))))
}

pub fn votes(ask: &mut Ask<'_>) -> Answer {
    let own = format!("{}/issue/{}/votes", ask.base, ask.issue()?.id);
    Ok(errors::ok(&json!({ "self": own, "votes": 0, "hasVoted": false, "voters": [] })))
}

/// A list without entries, as an array.
pub fn none(_: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&json!([])))
}

/// The same of a project.
pub fn none_of_project(ask: &mut Ask<'_>) -> Answer {
    project_of(ask)?;
    Ok(errors::ok(&json!([])))
}

/// A list without entries, as a page.
pub fn no_page(ask: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&paged(ask, Vec::new())))
}

pub fn no_page_of_project(ask: &mut Ask<'_>) -> Answer {
    project_of(ask)?;
    no_page(ask)
}

pub fn dashboards(_: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&json!({ "startAt": 0, "maxResults": 20, "total": 0, "dashboards": [] })))
}

pub fn component_page(ask: &mut Ask<'_>) -> Answer {
    project_of(ask)?;
    let look = ask.look();
    let all = (0..ask.site.teams.len()).map(|team| look.component(team)).collect();
    Ok(errors::ok(&paged(ask, all)))
}

pub fn role(ask: &Ask<'_>, (id, name): &(u64, &str)) -> Value {
    json!({ "self": format!("{}/role/{id}", ask.base), "name": name, "id": id, "description": "" })
}

pub fn roles(ask: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&ROLES.iter().map(|one| role(ask, one)).collect()))
}

/// Names of the roles and where each can be read.
pub fn project_roles(ask: &mut Ask<'_>) -> Answer {
    let project = ask.site.projects[project_of(ask)?].id;
    let shown = ROLES
        .iter()
        .map(|(id, name)| ((*name).to_owned(), json!(format!("{}/project/{project}/role/{id}", ask.base))));
    Ok(errors::ok(&Value::Object(shown.collect())))
}

pub fn project_types(_: &mut Ask<'_>) -> Answer {
    let kind = |key: &str, shown: &str| json!({ "key": key, "formattedKey": shown, "descriptionI18nKey": "", "icon": "", "color": "" });
    Ok(errors::ok(&json!([kind("software", "Software"), kind("service_desk", "Service Management")])))
}

pub fn categories(ask: &mut Ask<'_>) -> Answer {
    let mut known: Vec<Value> = Vec::new();
    for at in 0..site::STATUSES.len() {
        let category = ask.look().status(at)["statusCategory"].clone();
        if !known.contains(&category) {
            known.push(category);
        }
    }
    Ok(errors::ok(&json!(known)))
}

/// GET /statuses/search: the newer form, with words of its own for categories.
pub fn search_statuses(ask: &mut Ask<'_>) -> Answer {
    let all = site::STATUSES.iter().map(|(word, category)| {
        let category = match *category {
            "new" => "TODO",
            "done" => "DONE",
            _ => "IN_PROGRESS",
        };
        json!({ "id": word.id, "name": word.name, "statusCategory": category, "scope": { "type": "GLOBAL" }, "description": "" })
    });
    let all = all.collect();
    Ok(errors::ok(&paged(ask, all)))
}

pub fn pick_groups(ask: &mut Ask<'_>) -> Answer {
    let query = ask.call.param("query").unwrap_or("").to_lowercase();
    let (name, id) = GROUP;
    let found =
        name.contains(&query).then(|| json!({ "name": name, "html": name, "labels": [], "groupId": id }));
    let found: Vec<Value> = found.into_iter().collect();
    let header = format!("Showing {0} of {0} matching groups", found.len());
    Ok(errors::ok(&json!({ "header": header, "total": found.len(), "groups": found })))
}

pub fn group_members(ask: &mut Ask<'_>) -> Answer {
    let asked = [ask.call.param("groupname"), ask.call.param("groupId")];
    if !asked.iter().flatten().any(|text| *text == GROUP.0 || *text == GROUP.1) {
        return Err(errors::messages(404, "The group does not exist."));
    }
    let look = ask.look();
    let members =
        (0..ask.site.users.len()).filter(|at| ask.site.users[*at].account_type == AccountType::Atlassian);
    let all = members.map(|at| look.user(at)).collect();
    Ok(errors::ok(&paged(ask, all)))
}

/// Whoever works on issues can be given one.
pub fn assignable(ask: &mut Ask<'_>) -> Answer {
    let asked = ["query", "username"].iter().find_map(|name| ask.call.param(name));
    let query = asked.unwrap_or("").to_lowercase();
    let (start, max) = ask.paging(50, 1_000);
    let look = ask.look();
    let named = |at: &&usize| {
        let user = &ask.site.users[**at];
        [&user.display_name, &user.email].iter().any(|text| text.to_lowercase().contains(&query))
    };
    let found = ask.site.agents.iter().filter(named).skip(start).take(max);
    Ok(errors::ok(&found.map(|at| look.user(*at)).collect()))
}

/// POST /comment/list: comments by id, over all issues.
pub fn comments_by_id(ask: &mut Ask<'_>) -> Answer {
    let body = ask.body()?;
    let ids = body.get("ids").and_then(Value::as_array).ok_or_else(errors::payload)?;
    let ids: Vec<u64> = ids.iter().filter_map(Value::as_u64).collect();
    let look = ask.look();
    let visible =
        ask.site.issues.values().filter(|issue| ask.site.visible(&issue.id.to_string(), ask.user).is_some());
    let found = visible.flat_map(|issue| issue.comments.iter().map(move |comment| (issue, comment)));
    let found = found.filter(|(_, comment)| ids.contains(&comment.id));
    let all = found.map(|(issue, comment)| look.comment(issue, comment)).collect();
    Ok(errors::ok(&paged(ask, all)))
}
