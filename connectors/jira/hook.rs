//! A webhook: whether it is Jira's, and which issues it is about. Pure.
//!
//! Must not know: what changed. A webhook is a doorbell; the issue is read afterwards.

use super::normalize::is_id;
use crate::signature::verify_sha256;
use crate::{ConnectorError, Delivery, Hint};
use dutyd_core::case::CaseKey;
use secrecy::SecretString;
use serde_json::Value;

/// Where the id of the issue stands, depending on the event.
const POINTERS: [&str; 4] =
    ["/issue/id", "/issueLink/sourceIssueId", "/issueLink/destinationIssueId", "/worklog/issueId"];

/// Where only an address tells the issue.
const ADDRESSES: [&str; 2] = ["/comment/self", "/attachment/self"];

pub fn hints(
    source: &str,
    secrets: &[SecretString],
    delivery: &Delivery,
) -> Result<Vec<Hint>, ConnectorError> {
    verify(secrets, delivery)?;
    let body: Value = serde_json::from_slice(&delivery.body).map_err(|error| ConnectorError::Malformed {
        where_: "webhook body".to_owned(),
        reason: error.to_string(),
    })?;
    // Vendor: the same on every retry, and unique in the site (developer.atlassian.com/cloud/jira/platform/webhooks).
    let delivery_id = delivery.header("x-atlassian-webhook-identifier").map(str::to_owned);
    let hint =
        |id: String| Hint { key: CaseKey::new(source, id), revision: None, delivery_id: delivery_id.clone() };
    Ok(issue_ids(&body).into_iter().map(hint).collect())
}

/// `X-Hub-Signature: sha256=<hex>` over the raw bytes. Without it a delivery is refused: whoever can reach us could
/// have sent it.
fn verify(secrets: &[SecretString], delivery: &Delivery) -> Result<(), ConnectorError> {
    let refused = |reason: &str| ConnectorError::Refused { status: 401, reason: reason.to_owned() };
    let mut signatures = delivery.headers.iter().filter(|(name, _)| name == "x-hub-signature");
    let (_, header) = signatures.next().ok_or_else(|| refused("the webhook is not signed"))?;
    if signatures.next().is_some() {
        return Err(refused("the webhook is signed twice"));
    }
    let mac =
        header.strip_prefix("sha256=").ok_or_else(|| refused("the signature's method is not sha256"))?;
    let mac = match hex::decode(mac) {
        // Written as Jira writes it, so that no changed header passes for the one that was sent.
        Ok(bytes) if hex::encode(&bytes) == mac => bytes,
        _ => return Err(refused("the signature is not in lower-case hexadecimal")),
    };
    match verify_sha256(secrets, &[&delivery.body], &mac) {
        true => Ok(()),
        false => Err(refused("the signature does not match")),
    }
}

/// Every issue that a body is about.
pub fn issue_ids(body: &Value) -> Vec<String> {
    let direct = POINTERS.iter().filter_map(|pointer| match body.pointer(pointer)? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    });
    let told = ADDRESSES.iter().filter_map(|pointer| id_in_address(body.pointer(pointer)?.as_str()?));
    let mut ids: Vec<String> = direct.chain(told).filter(|id| is_id(id)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// `…/issue/10002/comment/20001`. Vendor: comment events carry the issue in practice, without a promise.
fn id_in_address(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("/issue/")?;
    rest.split('/').next().map(str::to_owned)
}
