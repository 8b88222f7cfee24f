//! Every route of the interface. `{v}` is the version: 2, 3 or latest on Cloud, 2 or latest on Data Center.

use super::{CLOUD_ID, Jira, children, desk, errors, issues, reference, search};
use crate::route::{Call, Route};
use axum::response::Response;
use serde_json::json;

/// A route whose caller must be signed in, or (`open`) need not be.
macro_rules! route {
    ($method:literal $path:literal $answer:expr) => {
        Route {
            method: $method,
            path: $path,
            answer: |jira: &Jira, call: &Call| jira.answer(call, false, $answer),
        }
    };
    (open $method:literal $path:literal $answer:expr) => {
        Route {
            method: $method,
            path: $path,
            answer: |jira: &Jira, call: &Call| jira.answer(call, true, $answer),
        }
    };
}

fn tenant(_: &Jira, _: &Call) -> Response {
    errors::ok(&json!({ "cloudId": CLOUD_ID }))
}

pub const ROUTES: &[Route<Jira>] = &[
    Route { method: "GET", path: "/_edge/tenant_info", answer: tenant },
    route!(open "GET" "/rest/api/{v}/search/jql" search::by_token),
    route!(open "POST" "/rest/api/{v}/search/jql" search::by_token),
    route!(open "GET" "/rest/api/{v}/search" search::by_position),
    route!(open "POST" "/rest/api/{v}/search" search::by_position),
    route!("POST" "/rest/api/{v}/search/approximate-count" search::count),
    route!("POST" "/rest/api/{v}/issue" issues::create),
    route!("POST" "/rest/api/{v}/issue/bulkfetch" search::bulk),
    route!("GET" "/rest/api/{v}/issue/{id}" issues::get),
    route!("PUT" "/rest/api/{v}/issue/{id}" issues::edit),
    route!("DELETE" "/rest/api/{v}/issue/{id}" issues::delete),
    route!("PUT" "/rest/api/{v}/issue/{id}/assignee" issues::assign),
    route!("GET" "/rest/api/{v}/issue/{id}/editmeta" issues::edit_meta),
    route!("GET" "/rest/api/{v}/issue/{id}/transitions" issues::transitions),
    route!("POST" "/rest/api/{v}/issue/{id}/transitions" issues::transition),
    route!("GET" "/rest/api/{v}/issue/{id}/changelog" children::changelog),
    route!("POST" "/rest/api/{v}/changelog/bulkfetch" children::bulk_changelog),
    route!("GET" "/rest/api/{v}/issue/{id}/comment" children::comments),
    route!("POST" "/rest/api/{v}/issue/{id}/comment" children::add_comment),
    route!("GET" "/rest/api/{v}/issue/{id}/comment/{comment}" children::comment),
    route!("PUT" "/rest/api/{v}/issue/{id}/comment/{comment}" children::edit_comment),
    route!("DELETE" "/rest/api/{v}/issue/{id}/comment/{comment}" children::delete_comment),
    route!("GET" "/rest/api/{v}/comment/{comment}/properties/{key}" children::comment_property),
    route!("GET" "/rest/api/{v}/issue/{id}/properties" children::properties),
    route!("GET" "/rest/api/{v}/issue/{id}/properties/{key}" children::property),
    route!("PUT" "/rest/api/{v}/issue/{id}/properties/{key}" children::put_property),
    route!("DELETE" "/rest/api/{v}/issue/{id}/properties/{key}" children::delete_property),
    route!("GET" "/rest/api/{v}/issue/{id}/remotelink" issues::remote_links),
    route!("POST" "/rest/api/{v}/issue/{id}/remotelink" issues::put_remote_link),
    route!("DELETE" "/rest/api/{v}/issue/{id}/remotelink" issues::delete_remote_link),
    route!("POST" "/rest/api/{v}/issueLink" issues::link),
    route!("GET" "/rest/api/{v}/issueLinkType" issues::link_types),
    route!("GET" "/rest/api/{v}/myself" reference::myself),
    route!(open "GET" "/rest/api/{v}/serverInfo" reference::server_info),
    route!("GET" "/rest/api/{v}/field" reference::fields),
    route!("GET" "/rest/api/{v}/field/search" reference::search_fields),
    route!("GET" "/rest/api/{v}/status" reference::statuses),
    route!("GET" "/rest/api/{v}/priority" reference::priorities),
    route!("GET" "/rest/api/{v}/priority/search" reference::search_priorities),
    route!("GET" "/rest/api/{v}/issuetype" reference::kinds),
    route!("GET" "/rest/api/{v}/resolution" reference::resolutions),
    route!("GET" "/rest/api/{v}/label" reference::labels),
    route!("GET" "/rest/api/{v}/project" reference::projects),
    route!("GET" "/rest/api/{v}/project/search" reference::search_projects),
    route!("GET" "/rest/api/{v}/project/{id}" reference::project),
    route!("GET" "/rest/api/{v}/project/{id}/components" reference::components),
    route!("GET" "/rest/api/{v}/project/{id}/statuses" reference::project_statuses),
    route!("GET" "/rest/api/{v}/permissions" reference::permissions),
    route!("GET" "/rest/api/{v}/mypermissions" reference::my_permissions),
    route!("GET" "/rest/api/{v}/user" reference::user),
    route!("GET" "/rest/api/{v}/user/search" reference::search_users),
    route!("GET" "/rest/api/{v}/users/search" reference::search_users),
    route!("GET" "/rest/api/{v}/webhook" reference::dynamic_webhooks),
    route!("POST" "/rest/api/{v}/webhook" reference::dynamic_webhooks),
    route!("GET" "/rest/webhooks/1.0/webhook" reference::webhooks),
    route!("POST" "/rest/webhooks/1.0/webhook" reference::add_webhook),
    route!("GET" "/rest/webhooks/1.0/webhook/{id}" reference::one_webhook),
    route!("PUT" "/rest/webhooks/1.0/webhook/{id}" reference::one_webhook),
    route!("DELETE" "/rest/webhooks/1.0/webhook/{id}" reference::one_webhook),
    route!("GET" "/rest/jira-webhook/1.0/webhooks" reference::webhooks),
    route!("POST" "/rest/jira-webhook/1.0/webhooks" reference::add_webhook),
    route!("GET" "/rest/jira-webhook/1.0/webhooks/{id}" reference::one_webhook),
    route!("PUT" "/rest/jira-webhook/1.0/webhooks/{id}" reference::one_webhook),
    route!("DELETE" "/rest/jira-webhook/1.0/webhooks/{id}" reference::one_webhook),
    route!("GET" "/rest/servicedeskapi/info" desk::info),
    route!("GET" "/rest/servicedeskapi/request" desk::requests),
    route!("GET" "/rest/servicedeskapi/request/{id}" desk::request),
    route!("GET" "/rest/servicedeskapi/request/{id}/status" desk::request_status),
    route!("GET" "/rest/servicedeskapi/request/{id}/sla" desk::slas),
    route!("GET" "/rest/servicedeskapi/request/{id}/sla/{metric}" desk::one_sla),
    route!("GET" "/rest/servicedeskapi/request/{id}/comment" desk::comments),
    route!("POST" "/rest/servicedeskapi/request/{id}/comment" desk::add_comment),
    route!("GET" "/rest/servicedeskapi/servicedesk" desk::desks),
    route!("GET" "/rest/servicedeskapi/organization" desk::organizations),
];
