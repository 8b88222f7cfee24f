//! Service Management: requests, their comments and SLA, organizations.

use super::ask::{Answer, Ask};
use super::children::NewComment;
use super::errors;
use super::issue::{Body, Comment, Issue};
use super::site;
use super::sla;
use crate::route::json as answer;
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub fn info(_: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(
        &json!({ "_expands": [], "version": "10.0.0", "platformVersion": "1001.0.0", "isLicensedForUse": true }),
    ))
}

/// Service Management's page of a list.
fn paged(ask: &Ask<'_>, all: Vec<Value>) -> Value {
    let number = |name: &str, otherwise: usize| {
        ask.call.param(name).and_then(|text| text.parse::<usize>().ok()).unwrap_or(otherwise)
    };
    let (start, limit) = (number("start", 0), number("limit", 50).min(100));
    let total = all.len();
    let values: Vec<Value> = all.into_iter().skip(start).take(limit).collect();
    let own = format!("{}{}", ask.origin(), ask.call.path);
    let mut links =
        json!({ "base": ask.origin(), "context": "", "self": format!("{own}?start={start}&limit={limit}") });
    let last = start + values.len() >= total;
    if !last {
        links["next"] = json!(format!("{own}?start={}&limit={limit}", start + limit));
    }
    json!({
        "_expands": [], "size": values.len(), "start": start, "limit": limit, "isLastPage": last, "_links": links,
        "values": values,
    })
}

fn request_of<'a>(ask: &'a Ask<'_>) -> Result<&'a Issue, Response> {
    let missing = || {
        answer(
            404,
            &json!({ "errorMessage": "The Request you were looking for could not be found.", "i18nErrorMessage": { "i18nKey": "sd.request.not.found", "parameters": [] } }),
        )
    };
    let issue = ask.issue().map_err(|_| missing())?;
    if ask.site.projects[issue.project].kind == "service_desk" { Ok(issue) } else { Err(missing()) }
}

fn shown(ask: &Ask<'_>, issue: &Issue) -> Value {
    let look = ask.look();
    let key = ask.site.key(issue);
    json!({
        "_expands": ["participant", "status", "sla", "requestType", "serviceDesk", "attachment", "action", "comment"],
        "issueId": issue.id.to_string(), "issueKey": key, "requestTypeId": "7", "serviceDeskId": "1",
        "createdDate": sla::date(&look, issue.created), "reporter": look.user(issue.reporter),
        "requestFieldValues": [{ "fieldId": "summary", "label": "Summary", "value": issue.summary }],
        "currentStatus": status(ask, issue),
        "_links": { "self": format!("{}/request/{}", sla::desk_base(&look), issue.id), "jiraRest": format!("{}/issue/{}", look.base, issue.id) },
    })
}

fn status(ask: &Ask<'_>, issue: &Issue) -> Value {
    let (word, category) = &site::STATUSES[issue.status];
    let category = match *category {
        "new" => "NEW",
        "done" => "DONE",
        _ => "INDETERMINATE",
    };
    json!({ "status": word.name, "statusCategory": category, "statusDate": sla::date(&ask.look(), issue.updated) })
}

/// The caller's own requests, latest activity first.
pub fn requests(ask: &mut Ask<'_>) -> Answer {
    let all = ask.call.param("requestOwnership") == Some("ALL_REQUESTS");
    let mut mine: Vec<&Issue> = ask.site.issues.values().collect();
    mine.retain(|issue| {
        ask.site.projects[issue.project].kind == "service_desk"
            && (all || issue.reporter == ask.user)
            && (!issue.hidden || ask.site.users[ask.user].admin)
    });
    mine.sort_by_key(|issue| std::cmp::Reverse((issue.updated, issue.id)));
    Ok(errors::ok(&paged(ask, mine.iter().map(|issue| shown(ask, issue)).collect())))
}

pub fn request(ask: &mut Ask<'_>) -> Answer {
    let issue = request_of(ask)?;
    let mut value = shown(ask, issue);
    let expand = super::search::listed(ask, "expand");
    if expand.iter().any(|name| name == "sla") {
        value["sla"] = paged(ask, metrics(ask, issue));
    }
    if expand.iter().any(|name| name == "status") {
        value["status"] = paged(ask, vec![status(ask, issue)]);
    }
    if expand.iter().any(|name| name == "comment") {
        value["comments"] =
            paged(ask, issue.comments.iter().map(|comment| comment_of(ask, issue, comment)).collect());
    }
    Ok(errors::ok(&value))
}

pub fn request_status(ask: &mut Ask<'_>) -> Answer {
    let issue = request_of(ask)?;
    Ok(errors::ok(&paged(ask, vec![status(ask, issue)])))
}

fn metrics(ask: &Ask<'_>, issue: &Issue) -> Vec<Value> {
    let look = ask.look();
    sla::METRICS.iter().map(|metric| sla::shown(&look, issue, metric)).collect()
}

pub fn slas(ask: &mut Ask<'_>) -> Answer {
    let issue = request_of(ask)?;
    Ok(errors::ok(&paged(ask, metrics(ask, issue))))
}

pub fn one_sla(ask: &mut Ask<'_>) -> Answer {
    let issue = request_of(ask)?;
    let wanted = ask.call.capture("metric");
    let metric = sla::METRICS.iter().find(|metric| metric.0 == wanted);
    match metric {
        Some(metric) => Ok(errors::ok(&sla::shown(&ask.look(), issue, metric))),
        None => Err(errors::messages(404, "The SLA metric does not exist.")),
    }
}

fn comment_of(ask: &Ask<'_>, issue: &Issue, comment: &Comment) -> Value {
    let look = ask.look();
    json!({
        "_expands": ["attachment", "renderedBody"], "id": comment.id.to_string(), "body": comment.body.text(),
        "public": !comment.internal, "author": look.user(comment.author), "created": sla::date(&look, comment.created),
        "_links": { "self": format!("{}/request/{}/comment/{}", sla::desk_base(&look), issue.id, comment.id) },
    })
}

pub fn comments(ask: &mut Ask<'_>) -> Answer {
    let issue = request_of(ask)?;
    let asked = |name: &str| ask.call.param(name) != Some("false");
    let (public, internal) = (asked("public"), asked("internal"));
    let wanted = issue.comments.iter().filter(|comment| if comment.internal { internal } else { public });
    let all = wanted.map(|comment| comment_of(ask, issue, comment)).collect();
    Ok(errors::ok(&paged(ask, all)))
}

pub fn add_comment(ask: &mut Ask<'_>) -> Answer {
    let id = request_of(ask)?.id;
    let body = ask.body()?;
    let text = body.get("body").and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let Some(text) = text else { return Err(errors::messages(400, "Comment body can not be empty!")) };
    let public = body.get("public").and_then(Value::as_bool).unwrap_or(false);
    let mut properties = BTreeMap::new();
    if !public {
        properties.insert("sd.public.comment".to_owned(), json!({ "internal": true }));
    }
    let new = NewComment {
        author: ask.user,
        body: Body::Text(text.to_owned()),
        internal: !public,
        visibility: None,
        properties,
    };
    ask.jira.may_write(ask.site, id, ask.call.now)?;
    let made = ask.jira.comment(ask.site, id, new, ask.call.now);
    let issue = request_of(ask)?;
    let comment = issue.comments.iter().find(|comment| comment.id == made).ok_or_else(errors::no_issue)?;
    Ok(answer(201, &comment_of(ask, issue, comment)))
}

fn desk(ask: &Ask<'_>) -> Value {
    let project = &ask.site.projects[0];
    json!({
        "id": "1", "projectId": project.id.to_string(), "projectName": project.name, "projectKey": project.key,
        "_links": { "self": format!("{}/rest/servicedeskapi/servicedesk/1", ask.origin()) },
    })
}

pub fn desks(ask: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&paged(ask, vec![desk(ask)])))
}

/// The site's one desk, by its id or its project's key.
fn known_desk(ask: &Ask<'_>) -> Result<Value, Response> {
    let (wanted, desk) = (ask.call.capture("desk"), desk(ask));
    let known = [&desk["id"], &desk["projectKey"], &desk["projectId"]].iter().any(|name| **name == wanted);
    known.then_some(desk).ok_or_else(|| {
        answer(404, &json!({ "errorMessage": "The Service Desk you specified does not exist." }))
    })
}

pub fn one_desk(ask: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&known_desk(ask)?))
}

fn kind(ask: &Ask<'_>) -> Value {
    json!({
        "_expands": ["field"], "id": "7", "name": "Report a problem", "description": "", "helpText": "",
        "issueTypeId": site::TYPES[0].id, "serviceDeskId": "1", "groupIds": [], "icon": { "id": "1", "_links": {} },
        "_links": { "self": format!("{}/rest/servicedeskapi/servicedesk/1/requesttype/7", ask.origin()) },
    })
}

pub fn request_types(ask: &mut Ask<'_>) -> Answer {
    known_desk(ask)?;
    Ok(errors::ok(&paged(ask, vec![kind(ask)])))
}

fn missing(what: &str) -> Response {
    answer(404, &json!({ "errorMessage": format!("The {what} you were looking for could not be found.") }))
}

pub fn request_type(ask: &mut Ask<'_>) -> Answer {
    known_desk(ask)?;
    if ask.call.capture("kind") == "7" { Ok(errors::ok(&kind(ask))) } else { Err(missing("request type")) }
}

/// What a customer fills in.
pub fn request_fields(ask: &mut Ask<'_>) -> Answer {
    request_type(ask)?;
    let field = |id: &str, name: &str, required: bool| {
        json!({ "fieldId": id, "name": name, "description": "", "required": required, "defaultValues": [], "validValues": [],
                "presetValues": [], "jiraSchema": { "type": "string", "system": id }, "visible": true })
    };
    let fields = [field("summary", "Summary", true), field("description", "Description", false)];
    Ok(errors::ok(
        &json!({ "requestTypeFields": fields, "canRaiseOnBehalfOf": true, "canAddRequestParticipants": false }),
    ))
}

pub fn all_request_types(ask: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&paged(ask, vec![kind(ask)])))
}

fn the_queue(ask: &Ask<'_>) -> Value {
    let own = format!("{}/rest/servicedeskapi/servicedesk/1/queue/1", ask.origin());
    json!({ "id": "1", "name": "All open", "jql": "project = SUP AND statusCategory != Done ORDER BY created ASC",
            "fields": ["issuetype", "issuekey", "summary", "status", "created"], "_links": { "self": own } })
}

/// The one queue that every desk begins with.
pub fn queues(ask: &mut Ask<'_>) -> Answer {
    known_desk(ask)?;
    let mut queue = the_queue(ask);
    if ask.call.param("includeCount") == Some("true") {
        queue["issueCount"] = json!(open_requests(ask).len());
    }
    Ok(errors::ok(&paged(ask, vec![queue])))
}

pub fn queue(ask: &mut Ask<'_>) -> Answer {
    known_desk(ask)?;
    if ask.call.capture("queue") == "1" { Ok(errors::ok(&the_queue(ask))) } else { Err(missing("queue")) }
}

fn open_requests<'a>(ask: &'a Ask<'_>) -> Vec<&'a Issue> {
    let open = |issue: &&Issue| {
        ask.site.projects[issue.project].kind == "service_desk"
            && site::STATUSES[issue.status].1 != "done"
            && ask.site.visible(&issue.id.to_string(), ask.user).is_some()
    };
    ask.site.issues.values().filter(open).collect()
}

pub fn queue_issues(ask: &mut Ask<'_>) -> Answer {
    queue(ask)?;
    let (look, names) = (ask.look(), ["issuetype", "summary", "status", "created"].map(str::to_owned));
    let wanted = super::render::Wanted::new(&names, "*navigable");
    let all = open_requests(ask).into_iter().map(|issue| look.issue(issue, &wanted, &[], &[])).collect();
    Ok(errors::ok(&paged(ask, all)))
}

/// People who may ask on this desk.
pub fn customers(ask: &mut Ask<'_>) -> Answer {
    known_desk(ask)?;
    let query = ask.call.param("query").unwrap_or("").to_lowercase();
    let look = ask.look();
    let named = |at: &&usize| ask.site.users[**at].display_name.to_lowercase().contains(&query);
    let all = ask.site.contacts.iter().filter(named).map(|at| look.user(*at)).collect();
    Ok(errors::ok(&paged(ask, all)))
}

/// A request of the caller's own, or of the customer named in `raiseOnBehalfOf`.
pub fn create(ask: &mut Ask<'_>) -> Answer {
    let body = ask.body()?;
    let told = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    if told("serviceDeskId") != "1" || told("requestTypeId") != "7" {
        return Err(answer(
            400,
            &json!({ "errorMessage": "The request type is not valid for the service desk." }),
        ));
    }
    let mut fields = body.get("requestFieldValues").cloned().unwrap_or_else(|| json!({}));
    fields["project"] = json!({ "key": ask.site.projects[0].key });
    fields["issuetype"] = json!({ "id": site::TYPES[0].id });
    let behalf = told("raiseOnBehalfOf").to_owned();
    let customer = (!behalf.is_empty()).then(|| ask.site.find_user(&behalf)).flatten();
    if !behalf.is_empty() && customer.is_none() {
        return Err(answer(400, &json!({ "errorMessage": "The customer does not exist." })));
    }
    // Vendor: the interface of the desk speaks plain text only.
    ask.documents = false;
    let order = json!({ "fields": fields });
    let made = super::issues::create_one(ask, order.as_object().ok_or_else(errors::payload)?)?;
    let id = made["id"].as_str().and_then(|id| id.parse::<u64>().ok()).ok_or_else(errors::no_issue)?;
    let issue = ask.site.issues.get_mut(&id).ok_or_else(errors::no_issue)?;
    if let Some(customer) = customer {
        issue.reporter = customer;
    }
    let issue = ask.site.issues.get(&id).ok_or_else(errors::no_issue)?;
    Ok(answer(201, &shown(ask, issue)))
}

/// Requests have no further participants, and customers no transitions of their own.
pub fn none_of_request(ask: &mut Ask<'_>) -> Answer {
    request_of(ask)?;
    Ok(errors::ok(&paged(ask, Vec::new())))
}

fn organization_at(ask: &Ask<'_>, at: usize) -> Value {
    let mut organization = ask.site.organization(at);
    organization["_links"] =
        json!({ "self": format!("{}/rest/servicedeskapi/organization/{}", ask.origin(), at + 1) });
    organization
}

pub fn organizations(ask: &mut Ask<'_>) -> Answer {
    let all = (0..ask.site.customers.len()).map(|at| organization_at(ask, at)).collect();
    Ok(errors::ok(&paged(ask, all)))
}

pub fn organization(ask: &mut Ask<'_>) -> Answer {
    let at = ask.call.capture("id").parse::<usize>().ok().and_then(|id| id.checked_sub(1));
    match at.filter(|at| *at < ask.site.customers.len()) {
        Some(at) => Ok(errors::ok(&organization_at(ask, at))),
        None => Err(missing("organization")),
    }
}
