//! Files on issues: sent as a form, shown with the issue, read back byte by byte.
//! Knows forms; knows no thumbnails.

use super::ask::{Answer, Ask};
use super::errors;
use super::issue::Issue;
use super::render::Look;
use super::site::Flavour;
use crate::route;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Files on one issue.
const FILES_MAX: usize = 200;

#[derive(Clone, Debug)]
pub struct File {
    pub id: u64,
    name: String,
    kind: String,
    author: usize,
    created: Timestamp,
    bytes: Vec<u8>,
}

pub fn shown(look: &Look<'_>, file: &File) -> Value {
    let (base, id) = (&look.base, file.id);
    let origin = base.split_once("/rest/").map_or(base.as_str(), |(origin, _)| origin);
    let content = match look.site.flavour {
        Flavour::Cloud => format!("{base}/attachment/content/{id}"),
        Flavour::DataCenter => format!("{origin}/secure/attachment/{id}/{}", encoded(&file.name)),
    };
    json!({
        "self": format!("{base}/attachment/{id}"), "id": id.to_string(), "filename": file.name, "author": look.user(file.author),
        "created": look.at(file.created), "size": file.bytes.len(), "mimeType": file.kind, "content": content,
    })
}

fn encoded(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect()
}

/// Vendor: without `X-Atlassian-Token: no-check` a form counts as sent by another site's page.
pub fn attach(ask: &mut Ask<'_>) -> Answer {
    let id = ask.issue_id()?;
    let token = ask.call.header("x-atlassian-token").unwrap_or("");
    if !matches!(token, "no-check" | "nocheck") {
        return Err(route::plain(route::code(403), "text/plain", "XSRF check failed"));
    }
    let boundary = ask.call.header("content-type").and_then(|kind| kind.split_once("boundary="));
    let boundary =
        boundary.map(|(_, text)| text.split(';').next().unwrap_or("").trim_matches('"').to_owned());
    let boundary = boundary.ok_or_else(|| route::plain(route::code(415), "text/plain", "not a form"))?;
    let parts = files_of(&ask.call.body, &boundary);
    if parts.is_empty() {
        return Err(errors::messages(400, "No file was sent."));
    }
    let (author, created) = (ask.user, ask.jira.touch(ask.site, id, ask.call.now));
    let mut made = Vec::new();
    for (name, kind, bytes) in parts {
        let file = File { id: ask.site.next_id(), name, kind, author, created, bytes: bytes.to_vec() };
        made.push(file);
    }
    let all: Vec<Value> = made.iter().map(|file| shown(&ask.look(), file)).collect();
    let Some(issue) = ask.site.issues.get_mut(&id) else { return Err(errors::no_issue()) };
    if issue.files.len() + made.len() > FILES_MAX {
        return Err(errors::messages(413, "The issue has reached its limit of attachments."));
    }
    issue.files.extend(made);
    Ok(errors::ok(&json!(all)))
}

/// Name, type and bytes of each file of a form.
fn files_of<'a>(body: &'a [u8], boundary: &str) -> Vec<(String, String, &'a [u8])> {
    let mark = format!("--{boundary}").into_bytes();
    let starts: Vec<usize> = (0..body.len().saturating_sub(mark.len() - 1))
        .filter(|at| body[*at] == b'-' && body[*at..].starts_with(&mark))
        .collect();
    let parts = starts.windows(2).map(|pair| &body[pair[0] + mark.len()..pair[1]]);
    parts.filter_map(file_of).collect()
}

fn file_of(part: &[u8]) -> Option<(String, String, &[u8])> {
    let end = part.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&part[..end]).into_owned();
    let bytes = part[end + 4..].strip_suffix(b"\r\n").unwrap_or(&part[end + 4..]);
    let name = head.split_once("filename=\"")?.1.split('"').next()?.to_owned();
    let kind = head.lines().find_map(|line| {
        line.to_lowercase().strip_prefix("content-type:").map(|kind| kind.trim().to_owned())
    });
    Some((name, kind.unwrap_or_else(|| "application/octet-stream".to_owned()), bytes))
}

fn find<'a>(ask: &'a Ask<'_>) -> Result<(&'a Issue, &'a File), Response> {
    let wanted = ask.call.capture("id");
    let issues = ask.site.issues.values();
    let found = issues.flat_map(|issue| issue.files.iter().map(move |file| (issue, file)));
    let mut found = found.filter(|(issue, file)| {
        file.id.to_string() == wanted && ask.site.visible(&issue.id.to_string(), ask.user).is_some()
    });
    found
        .next()
        .ok_or_else(|| errors::messages(404, &format!("The attachment with id '{wanted}' does not exist")))
}

pub fn one(ask: &mut Ask<'_>) -> Answer {
    let (_, file) = find(ask)?;
    Ok(errors::ok(&shown(&ask.look(), file)))
}

pub fn content(ask: &mut Ask<'_>) -> Answer {
    let (_, file) = find(ask)?;
    let mut response = route::plain(route::code(200), "application/octet-stream", file.bytes.clone());
    route::set_header(&mut response, "content-type", &file.kind);
    Ok(response)
}

pub fn delete(ask: &mut Ask<'_>) -> Answer {
    let (issue, file) = find(ask)?;
    let (issue, file) = (issue.id, file.id);
    if let Some(issue) = ask.site.issues.get_mut(&issue) {
        issue.files.retain(|one| one.id != file);
    }
    ask.jira.touch(ask.site, issue, ask.call.now);
    Ok(errors::nothing())
}

pub fn settings(_: &mut Ask<'_>) -> Answer {
    Ok(errors::ok(&json!({ "enabled": true, "uploadLimit": route::BODY_MAX })))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_form_gives_its_files_with_their_bytes() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nno file\r\n--x\r\nContent-Disposition: form-data; \
            name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\none\r\n--two\r\n--x--\r\n";
        let files = super::files_of(body, "x");
        assert_eq!(files, [("a.txt".to_owned(), "text/plain".to_owned(), b"one\r\n--two".as_slice())]);
    }
}
