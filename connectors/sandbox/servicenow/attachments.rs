//! The Attachment API: files beside records, put there whole or as a form, listed, read back, taken away.
//! Knows files and their rows in `sys_attachment`; lists and single rows are the Table API's.
// Vendor: api-reference/rest-apis/c_AttachmentAPI.

use super::store::Writer;
use super::{ServiceNow, api, errors};
use crate::route::{Call, code, plain, set_header};
use axum::body::Bytes;
use axum::response::Response;
use std::collections::BTreeMap;

/// Files kept; the one with the smallest id goes when there is no room.
const FILES_MAX: usize = 200;
/// Vendor: com.glide.attachment.max_size is far larger; nobody needs that here.
const FILE_BYTES_MAX: usize = 5 * 1024 * 1024;

/// The same call as if the Table API had been asked for `sys_attachment`.
fn of_table(call: &Call) -> Call {
    let mut call = call.clone();
    call.captures.insert("table".to_owned(), "sys_attachment".to_owned());
    call
}

/// GET /api/now/attachment
pub fn list(vendor: &ServiceNow, call: &Call) -> Response {
    api::list(vendor, &of_table(call))
}

/// GET /api/now/attachment/{id}
pub fn get(vendor: &ServiceNow, call: &Call) -> Response {
    api::get(vendor, &of_table(call))
}

/// DELETE /api/now/attachment/{id}
pub fn delete(vendor: &ServiceNow, call: &Call) -> Response {
    let response = api::delete(vendor, &of_table(call));
    if response.status().is_success() {
        vendor.lock().files.remove(call.capture("id"));
    }
    response
}

/// GET /api/now/attachment/{id}/file
pub fn file(vendor: &ServiceNow, call: &Call) -> Response {
    vendor.signed_in(call, |instance, _| {
        let id = call.capture("id");
        let Some(bytes) = instance.files.get(id) else { return errors::no_record() };
        let mut response = plain(code(200), "application/octet-stream", bytes.clone());
        if let Some(kind) = instance.store.field("sys_attachment", id, "content_type") {
            set_header(&mut response, "content-type", &kind);
        }
        response
    })
}

/// POST /api/now/attachment/file: the body is the file, the rest stands in the query.
pub fn whole(vendor: &ServiceNow, call: &Call) -> Response {
    let fields = call.query.iter().cloned().collect();
    let kind = call.header("content-type").unwrap_or("application/octet-stream");
    keep(vendor, call, &fields, kind, call.body.clone())
}

/// POST /api/now/attachment/upload: a form with one file in it.
pub fn form(vendor: &ServiceNow, call: &Call) -> Response {
    let boundary = call.header("content-type").and_then(|kind| kind.split_once("boundary="));
    let Some((_, boundary)) = boundary else {
        return errors::envelope(
            400,
            "Exception while reading request",
            Some("the body is no multipart form"),
        );
    };
    let mut fields = BTreeMap::new();
    let mut file = None;
    for part in parts(&call.body, boundary.trim_matches('"').as_bytes()) {
        let Some(at) = find(&part, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&part[..at]).into_owned();
        let bytes = part.slice(at + 4..);
        let said = |what: &str| {
            let (_, rest) = head.split_once(&format!(" {what}=\""))?;
            Some(rest.split('"').next()?.to_owned())
        };
        match said("filename") {
            Some(name) => {
                let line = head
                    .lines()
                    .find_map(|line| line.to_lowercase().strip_prefix("content-type:").map(str::to_owned));
                fields.insert("file_name".to_owned(), name);
                file = Some((line.unwrap_or_default().trim().to_owned(), bytes));
            }
            None => {
                fields.insert(
                    said("name").unwrap_or_default(),
                    String::from_utf8_lossy(&bytes).trim().to_owned(),
                );
            }
        }
    }
    match file {
        Some((kind, bytes)) => keep(vendor, call, &fields, &kind, bytes),
        None => errors::envelope(400, "Exception while reading request", Some("the form holds no file")),
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// What stands between the boundaries, without the line breaks around it.
fn parts(body: &Bytes, boundary: &[u8]) -> Vec<Bytes> {
    let mark = [b"--", boundary].concat();
    let (mut found, mut from) = (Vec::new(), find(body, &mark));
    while let Some(start) = from {
        let begin = start + mark.len();
        from = find(&body[begin..], &mark).map(|next| begin + next);
        let Some(end) = from else { break };
        let part = body.slice(begin..end);
        let begin = if part.starts_with(b"\r\n") { 2 } else { 0 };
        let end = if part.ends_with(b"\r\n") { part.len() - 2 } else { part.len() };
        found.push(part.slice(begin..end.max(begin)));
    }
    found
}

fn keep(
    vendor: &ServiceNow,
    call: &Call,
    fields: &BTreeMap<String, String>,
    kind: &str,
    bytes: Bytes,
) -> Response {
    let given = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let (table, record, name) = (given("table_name"), given("table_sys_id"), given("file_name"));
    let made = vendor.signed_in(call, |instance, caller| {
        if instance.store.find(&table, &record).is_none() {
            let detail = format!("Invalid table_name or table_sys_id: {table}/{record}");
            return errors::envelope(400, "Invalid attachment", Some(&detail));
        }
        if name.is_empty() || bytes.len() > FILE_BYTES_MAX {
            return errors::envelope(
                400,
                "Invalid attachment",
                Some("file_name is needed, and at most 5 MB"),
            );
        }
        let writer = Writer {
            user_name: &caller.user_name,
            user_id: &caller.user_id,
            at: call.now,
            late_seconds: 0,
            revision: None,
        };
        let row = [
            ("file_name", name.clone()),
            ("content_type", kind.to_owned()),
            ("size_bytes", bytes.len().to_string()),
            ("table_name", table.clone()),
            ("table_sys_id", record.clone()),
        ];
        let row = row.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let Ok(id) = instance.store.insert("sys_attachment", &row, &writer) else {
            return errors::no_record();
        };
        let link = format!("{}/api/now/attachment/{id}/file", call.origin());
        instance.store.update("sys_attachment", &id, &vec![("download_link".to_owned(), link)], &writer);
        if instance.files.len() >= FILES_MAX {
            instance.files.pop_first();
        }
        instance.files.insert(id.clone(), bytes);
        plain(code(201), "text/plain", id)
    });
    if made.status() != code(201) {
        return made;
    }
    let id =
        futures::FutureExt::now_or_never(axum::body::to_bytes(made.into_body(), 64)).and_then(Result::ok);
    let mut call = of_table(call);
    call.captures.insert("id".to_owned(), String::from_utf8_lossy(&id.unwrap_or_default()).into_owned());
    let mut response = api::get(vendor, &call);
    *response.status_mut() = code(201);
    set_header(
        &mut response,
        "location",
        &format!("{}/api/now/attachment/{}", call.origin(), call.capture("id")),
    );
    response
}
