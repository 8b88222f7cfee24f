//! Files: uploaded under a token, hung on a comment by it, read back by anybody who knows the address.
//! Knows bytes and addresses; knows no tickets.

use super::auth::Caller;
use super::reply::{Answer, Reply, bad_parameter, no_record, ok};
use super::tickets::id_of;
use super::{Account, Zendesk};
use crate::dice;
use crate::route::Call;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Vendor: one file has at most 50 MB; the sandbox takes no body above `route::BODY_MAX`.
const FILES_MAX: usize = 10_000;
const FILES_FROM: u64 = 92_000_000_000;

/// A file as it was sent.
#[derive(Clone, Debug)]
pub struct File {
    /// How answers show it.
    pub shown: Value,
    pub bytes: Vec<u8>,
}

/// Files by id, and the ids under each token.
#[derive(Debug, Default)]
pub struct Uploads {
    files: BTreeMap<u64, File>,
    tokens: BTreeMap<String, Vec<u64>>,
}

impl Uploads {
    /// What the tokens of a comment hang on it. A token that nobody was given hangs nothing.
    pub fn under(&self, change: &Map<String, Value>) -> Value {
        let tokens = change.get("comment").map(|comment| &comment["uploads"]).and_then(Value::as_array);
        let ids = tokens.into_iter().flatten().filter_map(|token| self.tokens.get(token.as_str()?)).flatten();
        ids.filter_map(|id| Some(self.files.get(id)?.shown.clone())).collect()
    }
}

pub fn upload(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let name = call.param("filename").ok_or_else(|| bad_parameter("filename", "is missing"))?;
    let uploads = &mut account.book.uploads;
    let id = FILES_FROM + 1 + uploads.files.len() as u64;
    if uploads.files.len() >= FILES_MAX {
        return Err(super::reply::refused(
            422,
            "AttachmentTooLarge",
            "The account has no room for more files",
        ));
    }
    let token = call.param("token").filter(|token| uploads.tokens.contains_key(*token)).map_or_else(
        || dice::hex_id(zendesk.stage.seed, &[b"upload", &id.to_le_bytes()])[..16].to_owned(),
        str::to_owned,
    );
    let (origin, kind) = (call.origin(), call.header("content-type").unwrap_or("application/octet-stream"));
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let shown = json!({
        "url": format!("{origin}/api/v2/attachments/{id}.json"), "id": id, "file_name": name,
        "content_url": format!("{origin}/attachments/token/{token}/{id}?name={encoded}"),
        "mapped_content_url": format!("{origin}/attachments/token/{token}/{id}?name={encoded}"),
        "content_type": kind, "size": call.body.len(), "width": null, "height": null, "inline": false, "deleted": false,
        "malware_access_override": false, "malware_scan_result": "malware_not_found", "thumbnails": [],
    });
    uploads.files.insert(id, File { shown: shown.clone(), bytes: call.body.to_vec() });
    uploads.tokens.entry(token.clone()).or_default().push(id);
    let all: Value =
        uploads.tokens[&token].iter().filter_map(|id| Some(uploads.files.get(id)?.shown.clone())).collect();
    let answer =
        json!({ "upload": { "token": token, "expires_at": null, "attachment": shown, "attachments": all } });
    Ok(Reply::new(201, answer))
}

pub fn forget(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    account.book.uploads.tokens.remove(call.capture("token")).ok_or_else(no_record)?;
    Ok(Reply::new(204, Value::Null))
}

pub fn attachment(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let file = account.book.uploads.files.get(&id_of(call)?).ok_or_else(no_record)?;
    ok(json!({ "attachment": file.shown }))
}

/// The bytes. Vendor: whoever knows the address may read them, unless the account has private attachments.
pub fn content(account: &Account, call: &Call) -> Option<(String, Vec<u8>)> {
    let id: u64 = call.capture("id").parse().ok()?;
    let file = account.book.uploads.files.get(&id)?;
    let known = file.shown["content_url"].as_str()?.contains(call.capture("token"));
    known.then(|| (file.shown["content_type"].as_str().unwrap_or("").to_owned(), file.bytes.clone()))
}
