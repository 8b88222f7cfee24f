//! What a vendor answered once, kept by the kind of question, so that a test can give the same answers again, changed, by
//! the hundred thousand and without a sandbox behind it.

use crate::contract::world::World;
use async_trait::async_trait;
use dutyd_connectors::{Ctx, Hint, Request, Response, Transport, TransportError};
use dutyd_core::case::CaseKey;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Pages of the recording.
const PAGES_MAX: usize = 100;

/// See the module.
pub struct Tape {
    answers: BTreeMap<String, Response>,
    /// Kinds of answers that hold lists, and whether it is the list of cases.
    lists: Vec<(String, bool)>,
    pub keys: Vec<CaseKey>,
}

/// What kind of question it is: its path, and what else tells lists of one path apart.
pub fn kind_of(request: &Request) -> String {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut kind = path.to_owned();
    if path.contains("/table/") {
        kind += if query.contains("_idIN") || query.contains("keyIN") { " by id" } else { " in order" };
    }
    if let Some((_, body)) = request.body.as_ref().filter(|_| path.ends_with("/composite")) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let parts = body["compositeRequest"].as_array().into_iter().flatten();
        let names: Vec<&str> = parts.filter_map(|part| part["referenceId"].as_str()).collect();
        kind += &format!(" of {}", names.join(","));
    }
    kind
}

struct Recorder<'a> {
    world: &'a World,
    answers: Mutex<BTreeMap<String, Response>>,
}

#[async_trait]
impl Transport for Recorder<'_> {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let kind = kind_of(&request);
        let answer = self.world.door.send(request).await?;
        if answer.status == 200 {
            self.answers.lock().expect("no panic").entry(kind).or_insert_with(|| answer.clone());
        }
        Ok(answer)
    }
}

impl Tape {
    /// Reads everything once: the list of cases, and all cases in one batch.
    pub async fn record(world: &World) -> Self {
        let http = Recorder { world, answers: Mutex::default() };
        let cx = Ctx { http: &http, now: world.now() };
        let (mut cursor, mut hints, mut keys): (_, Vec<Hint>, Vec<CaseKey>) = (None, Vec::new(), Vec::new());
        let mut scanned = Vec::new();
        for _ in 0..PAGES_MAX {
            let before: Vec<String> = http.answers.lock().expect("no panic").keys().cloned().collect();
            let page = world.connector.pull(&cx, cursor.as_ref()).await.expect("a page");
            let after = http.answers.lock().expect("no panic");
            scanned.extend(after.keys().filter(|kind| !before.contains(kind)).cloned());
            hints.extend(page.hints);
            keys.extend(page.changes.into_iter().map(|change| change.case.key));
            cursor = page.next;
            if !page.more {
                break;
            }
        }
        keys.extend(hints.into_iter().map(|hint| hint.key));
        keys.sort();
        keys.dedup();
        keys.truncate(world.connector.profile().fetch_max);
        world.connector.fetch(&cx, &keys).await.expect("the cases");
        let answers = http.answers.into_inner().expect("no panic");
        let holds_list = |answer: &Response| {
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            has_list(&body) && !body.is_array()
        };
        // What is asked before the list of cases, fields and groups, is read with it and is none of its pages.
        let is_scan = |kind: &str| {
            scanned.iter().any(|known| known == kind)
                && !["/ticket_fields", "/groups", "/field", "/users/me", "/myself"]
                    .iter()
                    .any(|end| kind.ends_with(end))
        };
        let lists = answers.iter().filter(|(_, answer)| holds_list(answer));
        let lists = lists.map(|(kind, _)| (kind.clone(), is_scan(kind))).collect();
        Self { answers, lists, keys }
    }

    pub fn lists(&self) -> &[(String, bool)] {
        &self.lists
    }

    /// What was answered to such a question; where none was asked, there is nothing.
    pub fn answer(&self, request: &Request) -> Response {
        self.answers.get(&kind_of(request)).cloned().unwrap_or_else(|| self.nothing())
    }

    fn nothing(&self) -> Response {
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            (
                "date".to_owned(),
                self.answers.values().find_map(|one| one.header("date")).unwrap_or_default().to_owned(),
            ),
        ];
        Response { status: 404, headers, body: "{}".into() }
    }

    /// Of an answer to several questions, one part by itself: what its next page looks like.
    pub fn rest_of(&self, list: &str, part: usize) -> Response {
        let mut answer = self.answers.get(list).cloned().unwrap_or_else(|| self.nothing());
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let parts = body["compositeResponse"].as_array().map_or(&[][..], Vec::as_slice);
        let part = parts.get(part % parts.len().max(1)).map(|part| part["body"].clone());
        answer.body = part.unwrap_or_else(|| json!({ "records": [], "done": true })).to_string().into();
        answer
    }
}

fn has_list(node: &Value) -> bool {
    match node {
        Value::Object(map) => map.values().any(|value| {
            value.as_array().is_some_and(|rows| rows.iter().any(Value::is_object)) || has_list(value)
        }),
        Value::Array(list) => list.iter().any(has_list),
        _ => false,
    }
}
