//! The old SOAP login, for client libraries that begin with it; no other SOAP call is modelled.
// Vendor: api/sforce_api_calls_login. Announced to end for versions 31 to 64 in summer 2027.

use super::Salesforce;
use crate::route::{Call, plain};
use axum::http::StatusCode;
use axum::response::Response;

pub fn login(vendor: &Salesforce, call: &Call) -> Response {
    let body = String::from_utf8_lossy(&call.body);
    let (Some(username), Some(password)) = (element(&body, "username"), element(&body, "password")) else {
        return fault("UNKNOWN_EXCEPTION", "only login is modelled");
    };
    let mut org = vendor.lock();
    let Ok(username) = org.accounts.by_password(&username, &password) else {
        return fault("INVALID_LOGIN", "Invalid username, password, security token; or user locked out.");
    };
    let (org_id, user_id) = (org.people.org_id.clone(), org.user_id(&username));
    let session = org.accounts.begin(&org_id, &username, call.now);
    let server = format!("{}/services/Soap/u/{}/{}", call.origin(), call.capture("version"), &org_id[..15]);
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"urn:partner.soap.sforce.com\"><soapenv:Body><loginResponse><result><metadataServerUrl>{server}</metadataServerUrl><passwordExpired>false</passwordExpired><sandbox>false</sandbox><serverUrl>{server}</serverUrl><sessionId>{session}</sessionId><userId>{user_id}</userId><userInfo><organizationId>{org_id}</organizationId><sessionSecondsValid>7200</sessionSecondsValid><userId>{user_id}</userId><userName>{username}</userName></userInfo></result></loginResponse></soapenv:Body></soapenv:Envelope>"
    );
    plain(StatusCode::OK, "text/xml;charset=UTF-8", text)
}

fn fault(code: &str, message: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"urn:fault.partner.soap.sforce.com\"><soapenv:Body><soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring><detail><sf:LoginFault><sf:exceptionCode>{code}</sf:exceptionCode><sf:exceptionMessage>{message}</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    );
    plain(StatusCode::INTERNAL_SERVER_ERROR, "text/xml;charset=UTF-8", text)
}

/// The text of an element, whatever its namespace.
pub fn element(body: &str, name: &str) -> Option<String> {
    let pattern = format!(r"<(?:\w+:)?{name}>([^<]*)</(?:\w+:)?{name}>");
    let found = regex::Regex::new(&pattern).ok()?.captures(body)?.get(1)?.as_str();
    Some(
        found
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&amp;", "&"),
    )
}
