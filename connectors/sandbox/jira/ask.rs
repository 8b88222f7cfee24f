//! One request as the handlers see it: who asks, in which version, of which site.

use super::Jira;
use super::errors;
use super::issue::{Change, Issue, Item};
use super::render::Look;
use super::site::Site;
use crate::route::Call;
use axum::response::Response;
use serde_json::{Map, Value};

pub type Answer = Result<Response, Response>;

pub struct Ask<'a> {
    pub jira: &'a Jira,
    pub call: &'a Call,
    pub site: &'a mut Site,
    /// Position in the site's users; of no account when anonymous.
    pub user: usize,
    pub anonymous: bool,
    /// Version 3: texts are documents.
    pub documents: bool,
    /// Address of the interface as the client used it: `http://host:port/rest/api/3`.
    pub base: String,
}

impl Ask<'_> {
    /// The body as an object.
    pub fn body(&self) -> Result<Map<String, Value>, Response> {
        match serde_json::from_slice(&self.call.body) {
            Ok(Value::Object(body)) => Ok(body),
            _ => Err(errors::payload()),
        }
    }

    pub fn look(&self) -> Look<'_> {
        Look {
            site: self.site,
            user: self.user,
            zone: self.site.users[self.user].zone(),
            base: self.base.clone(),
            documents: self.documents,
            now: self.call.now,
        }
    }

    /// The issue of the path, if the caller may see it.
    pub fn issue(&self) -> Result<&Issue, Response> {
        self.site.visible(self.call.capture("id"), self.user).ok_or_else(errors::no_issue)
    }

    pub fn issue_id(&self) -> Result<u64, Response> {
        self.issue().map(|issue| issue.id)
    }

    /// The address of the site without the interface's path.
    pub fn origin(&self) -> &str {
        self.base.split_once("/rest/").map_or(&self.base, |(origin, _)| origin)
    }

    /// Changes an issue as the caller.
    pub fn change(&mut self, id: u64, changes: &[Change], metadata: Option<Value>) -> Vec<Item> {
        self.jira.change(self.site, (id, changes), self.user, self.call.now, metadata)
    }

    /// `startAt` and `maxResults`.
    pub fn paging(&self, otherwise: usize, most: usize) -> (usize, usize) {
        let number = |name: &str, otherwise: usize| {
            self.call.param(name).and_then(|text| text.parse::<usize>().ok()).unwrap_or(otherwise)
        };
        (number("startAt", 0), number("maxResults", otherwise).min(most))
    }

    pub fn is_admin(&self) -> bool {
        self.site.users[self.user].admin
    }
}
