//! Every route of the API. What the REST API proper is asked for, it reads from the path; bulk jobs of the old kind likewise.

use super::{Salesforce, api, bulk, soap};
use crate::route::{Call, Route};
use axum::response::Response;

type Answer = fn(&Salesforce, &Call) -> Response;

const fn to(method: &'static str, path: &'static str, answer: Answer) -> Route<Salesforce> {
    Route { method, path, answer }
}

const fn rest(method: &'static str, path: &'static str) -> Route<Salesforce> {
    to(method, path, api::rest)
}

const fn bulk(method: &'static str, path: &'static str) -> Route<Salesforce> {
    to(method, path, bulk::answer)
}

/// A slash at the end makes no difference.
pub const ROUTES: &[Route<Salesforce>] = &[
    to("POST", "/services/oauth2/token", api::token),
    to("POST", "/services/oauth2/revoke", api::revoke),
    to("GET", "/services/oauth2/revoke", api::revoke),
    to("GET", "/services/oauth2/userinfo", api::userinfo),
    to("POST", "/services/oauth2/userinfo", api::userinfo),
    to("GET", "/id/{org}/{user}", api::userinfo),
    to("POST", "/services/Soap/u/{version}", soap::login),
    bulk("POST", "/services/async/{version}/job"),
    bulk("GET", "/services/async/{version}/job/{id}"),
    bulk("POST", "/services/async/{version}/job/{id}"),
    bulk("POST", "/services/async/{version}/job/{id}/batch"),
    bulk("GET", "/services/async/{version}/job/{id}/batch"),
    bulk("GET", "/services/async/{version}/job/{id}/batch/{batch}"),
    bulk("GET", "/services/async/{version}/job/{id}/batch/{batch}/result"),
    bulk("GET", "/services/async/{version}/job/{id}/batch/{batch}/result/{result}"),
    to("GET", "/services/data", api::versions),
    to("GET", "/services/data/", api::versions),
    rest("GET", "/services/data/{version}"),
    rest("GET", "/services/data/{version}/limits"),
    rest("GET", "/services/data/{version}/query"),
    rest("GET", "/services/data/{version}/query/{locator}"),
    rest("GET", "/services/data/{version}/queryAll"),
    rest("GET", "/services/data/{version}/queryAll/{locator}"),
    rest("GET", "/services/data/{version}/sobjects"),
    rest("GET", "/services/data/{version}/sobjects/{object}"),
    rest("POST", "/services/data/{version}/sobjects/{object}"),
    rest("GET", "/services/data/{version}/sobjects/{object}/describe"),
    rest("GET", "/services/data/{version}/sobjects/{object}/updated"),
    rest("GET", "/services/data/{version}/sobjects/{object}/deleted"),
    rest("GET", "/services/data/{version}/sobjects/{object}/{id}"),
    rest("PATCH", "/services/data/{version}/sobjects/{object}/{id}"),
    rest("POST", "/services/data/{version}/sobjects/{object}/{id}"),
    rest("DELETE", "/services/data/{version}/sobjects/{object}/{id}"),
    rest("GET", "/services/data/{version}/sobjects/{object}/{field}/{value}"),
    rest("PATCH", "/services/data/{version}/sobjects/{object}/{field}/{value}"),
    rest("DELETE", "/services/data/{version}/sobjects/{object}/{field}/{value}"),
    rest("GET", "/services/data/{version}/search"),
    rest("GET", "/services/data/{version}/parameterizedSearch"),
    rest("POST", "/services/data/{version}/parameterizedSearch"),
    rest("GET", "/services/data/{version}/recent"),
    rest("POST", "/services/data/{version}/jobs/{kind}"),
    rest("GET", "/services/data/{version}/jobs/{kind}"),
    rest("GET", "/services/data/{version}/jobs/{kind}/{id}"),
    rest("PATCH", "/services/data/{version}/jobs/{kind}/{id}"),
    rest("DELETE", "/services/data/{version}/jobs/{kind}/{id}"),
    rest("PUT", "/services/data/{version}/jobs/{kind}/{id}/{part}"),
    rest("GET", "/services/data/{version}/jobs/{kind}/{id}/{part}"),
    rest("POST", "/services/data/{version}/composite"),
    rest("POST", "/services/data/{version}/composite/batch"),
    rest("POST", "/services/data/{version}/composite/sobjects"),
    rest("PATCH", "/services/data/{version}/composite/sobjects"),
    rest("DELETE", "/services/data/{version}/composite/sobjects"),
    rest("GET", "/services/data/{version}/composite/sobjects/{object}"),
    rest("POST", "/services/data/{version}/composite/sobjects/{object}"),
    rest("PATCH", "/services/data/{version}/composite/sobjects/{object}/{field}"),
];
