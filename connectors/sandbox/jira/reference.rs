//! What a site tells about itself: account, fields, statuses, priorities, projects, permissions, people, webhooks.

use super::ask::{Answer, Ask};
use super::errors;
use super::search::commas;
use super::site::{self, AccountType, Flavour, Webhook};
use super::text::stamp;
use crate::route::json as answer;
use serde_json::{Map, Value, json};

pub fn myself(ask: &mut Ask<'_>) -> Answer {
    let mut me = ask.look().user(ask.user);
    me["locale"] = json!("en_US");
    me["groups"] = json!({ "size": 1, "items": [] });
    me["applicationRoles"] = json!({ "size": 1, "items": [] });
    Ok(errors::ok(&me))
}

pub fn server_info(ask: &mut Ask<'_>) -> Answer {
    let cloud = ask.site.flavour == Flavour::Cloud;
    let (version, numbers, kind) = if cloud {
        ("1001.0.0-SNAPSHOT", json!([1001, 0, 0]), "Cloud")
    } else {
        ("10.3.5", json!([10, 3, 5]), "Server")
    };
    let zone = jiff::tz::TimeZone::UTC;
    Ok(errors::ok(&json!({
        "baseUrl": ask.origin(), "version": version, "versionNumbers": numbers, "deploymentType": kind,
        "buildNumber": 100_250, "buildDate": "2026-01-01T00:00:00.000+0000",
        "serverTime": stamp(ask.call.now, &zone), "scmInfo": "0", "serverTitle": "Jira", "serverTimeZone": { "timeZoneId": "UTC" },
    })))
}

fn all_fields() -> Vec<Value> {
    let system = site::SYSTEM_FIELDS.iter().map(|(id, name, kind)| {
        json!({
            "id": id, "key": id, "name": name, "custom": false, "orderable": true, "navigable": *id != "comment",
            "searchable": true, "clauseNames": [id], "schema": { "type": kind, "system": id },
        })
    });
    let custom = site::CUSTOM_FIELDS.iter().map(|(id, name, kind, custom)| {
        let number: u64 = id.trim_start_matches("customfield_").parse().unwrap_or(0);
        json!({
            "id": id, "key": id, "name": name, "custom": true, "orderable": true, "navigable": true, "searchable": true,
            "clauseNames": [format!("cf[{number}]"), name], "untranslatedName": name,
            "schema": { "type": kind, "custom": custom, "customId": number },
        })
    });
    system.chain(custom).collect()
}

pub fn fields(_: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&Value::Array(all_fields())))
}

pub fn search_fields(ask: &mut Ask<'_>) -> Answer {
    let kinds = ask.call.param("type").map(commas).unwrap_or_default();
    let query = ask.call.param("query").unwrap_or("").to_lowercase();
    let custom = |field: &Value| field.get("custom") == Some(&Value::Bool(true));
    let wanted = |field: &Value| {
        let kind = if custom(field) { "custom" } else { "system" };
        let name = field.get("name").and_then(Value::as_str).unwrap_or("").to_lowercase();
        (kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind)) && name.contains(&query)
    };
    let found: Vec<Value> = all_fields().into_iter().filter(wanted).collect();
    Ok(errors::ok(&paged(ask, found)))
}

/// The platform's page of a list.
pub fn paged(ask: &Ask<'_>, all: Vec<Value>) -> Value {
    let (start, max) = ask.paging(50, 100);
    let total = all.len();
    let values: Vec<Value> = all.into_iter().skip(start).take(max).collect();
    let last = start + values.len() >= total;
    let own = format!("{}{}", ask.origin(), ask.call.path);
    let mut page = json!({
        "self": format!("{own}?startAt={start}&maxResults={max}"), "maxResults": max, "startAt": start,
        "total": total, "isLast": last, "values": values,
    });
    if !last {
        page["nextPage"] = json!(format!("{own}?startAt={}&maxResults={max}", start + max));
    }
    page
}

pub fn statuses(ask: &mut Ask<'_>) -> Answer {
    let look = ask.look();
    Ok(errors::ok(&(0..site::STATUSES.len()).map(|at| look.status(at)).collect()))
}

pub fn priorities(ask: &mut Ask<'_>) -> Answer {
    let look = ask.look();
    Ok(errors::ok(&(0..site::PRIORITIES.len()).map(|at| look.priority(at)).collect()))
}

pub fn search_priorities(ask: &mut Ask<'_>) -> Answer {
    let look = ask.look();
    let all = (0..site::PRIORITIES.len()).map(|at| look.priority(at)).collect();
    Ok(errors::ok(&paged(ask, all)))
}

pub fn kinds(ask: &mut Ask<'_>) -> Answer {
    let look = ask.look();
    Ok(errors::ok(&(0..site::TYPES.len()).map(|at| look.kind(at)).collect()))
}

pub fn resolution(ask: &Ask<'_>) -> Value {
    json!({ "self": format!("{}/resolution/10000", ask.base), "id": "10000", "name": "Done", "description": "" })
}

pub fn resolutions(ask: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&json!([resolution(ask)])))
}

pub fn projects(ask: &mut Ask<'_>) -> Answer {
    let look = ask.look();
    Ok(errors::ok(&(0..ask.site.projects.len()).map(|at| look.project(at)).collect()))
}

pub fn search_projects(ask: &mut Ask<'_>) -> Answer {
    let query = ask.call.param("query").unwrap_or("").to_lowercase();
    let look = ask.look();
    let wanted = |at: &usize| {
        let project = &ask.site.projects[*at];
        project.name.to_lowercase().contains(&query) || project.key.to_lowercase().contains(&query)
    };
    let all = (0..ask.site.projects.len()).filter(wanted).map(|at| look.project(at)).collect();
    Ok(errors::ok(&paged(ask, all)))
}

pub fn project_of(ask: &Ask<'_>) -> Result<usize, axum::response::Response> {
    let wanted = ask.call.capture("id");
    ask.site
        .project(wanted)
        .ok_or_else(|| errors::messages(404, &format!("No project could be found with key '{wanted}'.")))
}

pub fn project(ask: &mut Ask<'_>) -> Answer {
    let at = project_of(ask)?;
    let look = ask.look();
    let mut shown = look.project(at);
    shown["description"] = json!("");
    shown["lead"] = look.user(ask.site.reader);
    shown["issueTypes"] = (0..site::TYPES.len()).map(|at| look.kind(at)).collect();
    shown["components"] = (0..ask.site.teams.len()).map(|team| look.component(team)).collect();
    shown["versions"] = json!([]);
    shown["roles"] = json!({});
    Ok(errors::ok(&shown))
}

pub fn components(ask: &mut Ask<'_>) -> Answer {
    project_of(ask)?;
    let look = ask.look();
    Ok(errors::ok(&(0..ask.site.teams.len()).map(|team| look.component(team)).collect()))
}

pub fn project_statuses(ask: &mut Ask<'_>) -> Answer {
    project_of(ask)?;
    let look = ask.look();
    let statuses: Vec<Value> = (0..site::STATUSES.len()).map(|at| look.status(at)).collect();
    let by_kind = (0..site::TYPES.len()).map(|at| {
        let mut kind = look.kind(at);
        kind["statuses"] = json!(statuses);
        kind
    });
    Ok(errors::ok(&by_kind.collect()))
}

/// Permissions: key, name, and whether everybody with an account has it.
const PERMISSIONS: &[(&str, &str, bool)] = &[
    ("ADMINISTER", "Administer Jira", false),
    ("ADMINISTER_PROJECTS", "Administer Projects", false),
    ("BROWSE_PROJECTS", "Browse Projects", true),
    ("CREATE_ISSUES", "Create Issues", true),
    ("EDIT_ISSUES", "Edit Issues", true),
    ("ASSIGN_ISSUES", "Assign Issues", true),
    ("TRANSITION_ISSUES", "Transition Issues", true),
    ("LINK_ISSUES", "Link Issues", true),
    ("DELETE_ISSUES", "Delete Issues", false),
    ("ADD_COMMENTS", "Add Comments", true),
    ("EDIT_OWN_COMMENTS", "Edit Own Comments", true),
    ("EDIT_ALL_COMMENTS", "Edit All Comments", false),
    ("SYSTEM_ADMIN", "System Administrators", false),
];

fn permission(at: usize) -> Value {
    let (key, name, _) = PERMISSIONS[at];
    let kind = if key.starts_with("ADMINISTER") && !key.ends_with("PROJECTS") { "GLOBAL" } else { "PROJECT" };
    json!({ "id": at.to_string(), "key": key, "name": name, "type": kind, "description": "" })
}

pub fn permissions(_: &mut Ask<'_>) -> Answer {
    let all = (0..PERMISSIONS.len()).map(|at| (PERMISSIONS[at].0.to_owned(), permission(at)));
    Ok(errors::ok(&json!({ "permissions": all.collect::<Map<_, _>>() })))
}

/// Vendor: on Cloud the keys must be named, and one that is not known is refused; Data Center tells of all.
pub fn my_permissions(ask: &mut Ask<'_>) -> Answer {
    let cloud = ask.site.flavour == Flavour::Cloud;
    let named = ask.call.param("permissions").filter(|_| cloud).map(commas).unwrap_or_default();
    if named.is_empty() && cloud {
        return Err(errors::messages(400, "The 'permissions' query parameter is required."));
    }
    for key in ["projectKey", "projectId"] {
        if let Some(wanted) = ask.call.param(key) {
            let known = ask.site.project(wanted).is_some();
            let text = format!("No project could be found with key '{wanted}'.");
            if !known {
                return Err(errors::messages(404, &text));
            }
        }
    }
    for key in ["issueKey", "issueId"] {
        if ask.call.param(key).is_some_and(|wanted| ask.site.visible(wanted, ask.user).is_none()) {
            return Err(errors::no_issue());
        }
    }
    if let Some(odd) = named.iter().find(|name| !PERMISSIONS.iter().any(|(key, ..)| key == name)) {
        return Err(errors::field(odd, "Unrecognized permission"));
    }
    let admin = ask.is_admin();
    let shown = |at: usize| {
        let mut shown = permission(at);
        shown["havePermission"] = json!(admin || PERMISSIONS[at].2);
        (PERMISSIONS[at].0.to_owned(), shown)
    };
    let wanted = (0..PERMISSIONS.len())
        .filter(|at| named.is_empty() || named.iter().any(|name| name == PERMISSIONS[*at].0));
    Ok(errors::ok(&json!({ "permissions": wanted.map(shown).collect::<Map<_, _>>() })))
}

pub fn user(ask: &mut Ask<'_>) -> Answer {
    let key =
        if ask.site.flavour == Flavour::Cloud { ["accountId", "accountId"] } else { ["username", "key"] };
    let wanted = key.iter().find_map(|key| ask.call.param(key));
    let found = wanted.and_then(|wanted| ask.site.find_user(wanted));
    match found {
        Some(user) => Ok(errors::ok(&ask.look().user(user))),
        None => {
            Err(errors::messages(404, "The user does not exist or you do not have permission to view them."))
        }
    }
}

pub fn search_users(ask: &mut Ask<'_>) -> Answer {
    let query = ["query", "username", "accountId"]
        .iter()
        .find_map(|key| ask.call.param(key))
        .unwrap_or("")
        .to_lowercase();
    let (start, max) = ask.paging(50, 1_000);
    let look = ask.look();
    let matching = (0..ask.site.users.len()).filter(|at| {
        let user = &ask.site.users[*at];
        let shown = user.account_type != AccountType::App;
        shown
            && [&user.display_name, &user.email, &user.id]
                .iter()
                .any(|text| text.to_lowercase().contains(&query))
    });
    Ok(errors::ok(&matching.skip(start).take(max).map(|at| look.user(at)).collect()))
}

pub fn labels(ask: &mut Ask<'_>) -> Answer {
    let all: std::collections::BTreeSet<&String> =
        ask.site.issues.values().flat_map(|issue| &issue.labels).collect();
    let all = all.into_iter().map(|label| json!(label)).collect();
    Ok(errors::ok(&paged(ask, all)))
}

fn webhook(ask: &Ask<'_>, hook: &Webhook) -> Value {
    let mut shown = hook.body.clone();
    let at_ten = ask.call.path.contains("/jira-webhook/");
    let signed = match at_ten {
        true => shown.pointer("/configuration/SECRET").is_some_and(Value::is_string),
        false => shown.get("secret").is_some_and(Value::is_string),
    };
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("secret");
        if let Some(configuration) = fields.get_mut("configuration").and_then(Value::as_object_mut) {
            configuration.remove("SECRET");
        }
        let path = if at_ten { "/rest/jira-webhook/1.0/webhooks" } else { "/rest/webhooks/1.0/webhook" };
        fields.insert("self".to_owned(), json!(format!("{}{path}/{}", ask.origin(), hook.id)));
        fields.entry("enabled").or_insert(json!(true));
        fields.insert("isSigned".to_owned(), json!(signed));
    }
    shown
}

fn admin_only(ask: &Ask<'_>) -> Result<(), axum::response::Response> {
    if ask.is_admin() {
        Ok(())
    } else {
        Err(errors::messages(
            403,
            "You are not authorized to perform this operation. Administrator privileges are required.",
        ))
    }
}

pub fn webhooks(ask: &mut Ask<'_>) -> Answer {
    admin_only(ask)?;
    let own = ask.jira.own_webhook();
    Ok(errors::ok(&own.iter().chain(&ask.site.webhooks).map(|hook| webhook(ask, hook)).collect()))
}

/// Vendor: a second registration of the same address is a second webhook.
pub fn add_webhook(ask: &mut Ask<'_>) -> Answer {
    admin_only(ask)?;
    let body = ask.body()?;
    if !body.get("url").is_some_and(Value::is_string) || !body.get("name").is_some_and(Value::is_string) {
        return Err(errors::messages(400, "A webhook needs a name and a URL."));
    }
    let id = ask.site.next_id();
    let hook = Webhook { id, body: Value::Object(body) };
    let shown = webhook(ask, &hook);
    ask.site.webhooks.push(hook);
    Ok(answer(201, &shown))
}

pub fn one_webhook(ask: &mut Ask<'_>) -> Answer {
    admin_only(ask)?;
    let wanted = ask.call.capture("id").to_owned();
    let Some(at) = ask.site.webhooks.iter().position(|hook| hook.id.to_string() == wanted) else {
        return Err(errors::messages(404, "The webhook does not exist."));
    };
    match ask.call.method.as_str() {
        "DELETE" => {
            ask.site.webhooks.remove(at);
            return Ok(errors::nothing());
        }
        "PUT" => {
            let body = ask.body()?;
            // Vendor: a secret that is left out stays.
            if let Some(known) = ask.site.webhooks[at].body.as_object_mut() {
                known.extend(body);
            }
        }
        _ => {}
    }
    Ok(errors::ok(&webhook(ask, &ask.site.webhooks[at])))
}

/// Dynamic webhooks belong to apps that sign in by OAuth.
pub fn dynamic_webhooks(_: &mut Ask<'_>) -> Answer {
    let text = "Only Connect and OAuth 2.0 apps can use this operation.";
    Err(errors::messages(403, text))
}
