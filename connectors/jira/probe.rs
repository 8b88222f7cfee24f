//! `check --online`: who we are there, what we may do, and what is missing, in plain words with the remedy.
//!
//! Must not know: secrets. It asks and reports; it changes nothing.

use super::config::{Flavour, Notes};
use super::connector::Jira;
use super::pull::jql;
use super::site::missing;
use super::wire::{Field, Project, SearchPage, SearchRow, parse_time, readable};
use crate::{ConnectorError, Ctx, Finding, Identity, Lane, Method, Request};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub const BROWSE: &str = "BROWSE_PROJECTS";
/// What the account must be allowed, with what fails without it.
const NEEDED: [(&str, &str); 3] = [
    (BROWSE, "issues cannot be read"),
    ("EDIT_ISSUES", "marks cannot be written"),
    ("ADD_COMMENTS", "notes cannot be written"),
];
/// What the account should not be allowed.
const TOO_MUCH: [&str; 3] = ["ADMINISTER", "ADMINISTER_PROJECTS", "DELETE_ISSUES"];
/// Projects that are looked at one by one.
const PROJECTS_MAX: usize = 50;

impl Jira {
    pub(super) async fn examine(&self, cx: &Ctx<'_>) -> Result<Identity, ConnectorError> {
        let me = self.me(cx).await?;
        let mut findings = Vec::new();
        self.check_rights(cx, &mut findings).await?;
        self.check_projects(cx, &mut findings).await?;
        self.check_fields(cx, &mut findings).await?;
        self.check_scope(cx, &mut findings).await?;
        self.check_webhook(cx, &mut findings).await?;
        let account = match me.email_address {
            Some(email) => format!("{} <{email}>", me.display_name.unwrap_or_default()),
            None => me.shown().to_owned(),
        };
        Ok(Identity { account, time_zone: me.time_zone, findings, ..Identity::default() })
    }

    /// Which permissions are granted, in a project or somewhere. Vendor: Cloud wants to be told which ones are meant; Data
    /// Center has no such parameter and tells of all.
    pub(super) async fn granted(
        &self,
        cx: &Ctx<'_>,
        keys: &str,
        project: Option<&str>,
    ) -> Result<BTreeSet<String>, ConnectorError> {
        let meant = (self.config.flavour == Flavour::Cloud).then(|| format!("permissions={keys}"));
        let within = project.map(|key| format!("projectKey={key}"));
        let query: Vec<String> = meant.into_iter().chain(within).collect();
        let path = match query.join("&").as_str() {
            "" => self.path("mypermissions"),
            query => self.path(&format!("mypermissions?{query}")),
        };
        let answer: Value = self.get(cx, path, "permissions").await?;
        let permissions = answer.get("permissions").and_then(Value::as_object).into_iter().flatten();
        let have = permissions.filter(|(_, entry)| entry.get("havePermission") == Some(&Value::Bool(true)));
        Ok(have.map(|(key, _)| key.clone()).collect())
    }

    async fn check_rights(&self, cx: &Ctx<'_>, findings: &mut Vec<Finding>) -> Result<(), ConnectorError> {
        let keys: Vec<&str> = NEEDED.iter().map(|(key, _)| *key).chain(TOO_MUCH).collect();
        let keys = keys.join(",");
        let mut places: Vec<Option<&str>> =
            self.config.projects.iter().take(PROJECTS_MAX).map(|key| Some(&**key)).collect();
        if places.is_empty() {
            places.push(None);
        }
        for place in places {
            let granted = match self.granted(cx, &keys, place).await {
                Err(ConnectorError::Refused { .. }) => BTreeSet::new(),
                granted => granted?,
            };
            let whereabouts = place.map_or_else(|| "anywhere".to_owned(), |key| format!("in project {key}"));
            for (key, effect) in NEEDED.iter().filter(|(key, _)| !granted.contains(*key)) {
                let message = format!("the account has no {key} {whereabouts}: {effect}");
                findings.push(Finding::new(
                    true,
                    message,
                    "give its group this permission in the permission scheme",
                ));
            }
            for key in TOO_MUCH.iter().filter(|key| granted.contains(**key)) {
                let message = format!("the account has {key} {whereabouts}, which dutyd never needs");
                findings.push(Finding::new(
                    false,
                    message,
                    "take it away: use an account made for dutyd alone",
                ));
            }
        }
        Ok(())
    }

    async fn check_projects(&self, cx: &Ctx<'_>, findings: &mut Vec<Finding>) -> Result<(), ConnectorError> {
        for key in self.config.projects.iter().take(PROJECTS_MAX) {
            match self.get::<Project>(cx, self.path(&format!("project/{key}")), "project").await {
                Ok(project) if project.is_service_desk() || self.config.notes != Notes::None => {}
                Ok(_) => findings.push(Finding::new(
                    false,
                    format!(
                        "project {key} is not Service Management and `notes` is none: it gets marks, no notes"
                    ),
                    "name a role or group under [jira.notes] if notes are wanted there",
                )),
                Err(ConnectorError::Refused { status, reason }) => findings.push(Finding::new(
                    true,
                    format!("project {key} cannot be read ({status}): {reason}"),
                    "correct `projects`, or give the account BROWSE_PROJECTS there",
                )),
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    async fn check_fields(&self, cx: &Ctx<'_>, findings: &mut Vec<Finding>) -> Result<(), ConnectorError> {
        let known: Vec<Field> = self.get(cx, self.path("field"), "list of fields").await?;
        for (key, name) in missing(&self.config, &known).into_iter().filter(|(_, name)| name != "project") {
            findings.push(Finding::new(
                false,
                format!(
                    "{key} names the field {name:?}, which this Jira does not have: it reads as no value"
                ),
                "write the field's name as in Settings > Issues > Custom fields, its id, or nothing",
            ));
        }
        Ok(())
    }

    /// The scope is a valid query, and a query by epoch milliseconds finds an issue by its own `updated`.
    async fn check_scope(&self, cx: &Ctx<'_>, findings: &mut Vec<Finding>) -> Result<(), ConnectorError> {
        let recent = format!("{} DESC, key DESC", jql(&self.config, 0).replace(" ASC, key ASC", ""));
        let page = match self.rows(cx, &recent).await {
            Err(ConnectorError::Refused { status: 400, reason }) => {
                let message = format!("Jira refuses the query of the scope: {reason}");
                findings.push(Finding::new(true, message, "correct `scope` and `projects`"));
                return Ok(());
            }
            page => page?,
        };
        let (rows, _) = readable::<SearchRow>(&page.issues);
        let Some(row) = rows.first() else {
            let message = "no issue is in scope";
            findings.push(Finding::new(
                false,
                message,
                "check `projects`, `scope` and what the account may browse",
            ));
            return Ok(());
        };
        let Some(updated) = row.fields.updated.as_deref().and_then(parse_time) else { return Ok(()) };
        let again = format!("id = {} AND updated >= {}", row.id, updated.as_millisecond());
        let (rows, _) = readable::<SearchRow>(&self.rows(cx, &again).await?.issues);
        if rows.is_empty() {
            findings.push(Finding::new(
                true,
                format!(
                    "a query by the time of issue {} does not find it: polling would miss changes",
                    row.id
                ),
                "report it to dutyd with the version of Jira",
            ));
        }
        Ok(())
    }

    async fn rows(&self, cx: &Ctx<'_>, jql: &str) -> Result<SearchPage, ConnectorError> {
        let path = if self.config.flavour == Flavour::Cloud { "search/jql" } else { "search" };
        let body = json!({ "jql": jql, "maxResults": 1, "fields": ["updated"] });
        let request = Request::json(Method::Post, self.path(path), body.to_string(), Lane::Hot);
        let response = self.send(cx, request, false).await?;
        self.decode(cx, response, "search result")
    }

    /// Webhooks can be listed by administrators only; an account as small as ours should be cannot.
    async fn check_webhook(&self, cx: &Ctx<'_>, findings: &mut Vec<Finding>) -> Result<(), ConnectorError> {
        let remedy = "`dutyd setup jira` prints the steps";
        if self.config.webhook_secrets.is_empty() {
            let message = "no webhook secret is configured: changes are seen by polling alone";
            findings.push(Finding::new(false, message, remedy));
            return Ok(());
        }
        let paths = match self.config.flavour {
            Flavour::Cloud => ["/rest/webhooks/1.0/webhook", "/rest/webhooks/1.0/webhook"],
            Flavour::DataCenter => ["/rest/jira-webhook/1.0/webhooks", "/rest/webhooks/1.0/webhook"],
        };
        let mut listed: Option<Vec<Value>> = None;
        for path in paths {
            if listed.is_none() {
                listed = self.get(cx, self.bare_path(path), "webhooks").await.ok();
            }
        }
        let Some(webhooks) = listed else {
            let message =
                "the account may not list webhooks, as it should be: whether one is set up cannot be checked";
            findings.push(Finding::new(
                false,
                message,
                "`dutyd status` tells how many changes came by webhook",
            ));
            return Ok(());
        };
        let tail = format!("/hooks/{}", self.source);
        let is_ours = |hook: &&Value| {
            hook.get("url")
                .and_then(Value::as_str)
                .is_some_and(|url| url.trim_end_matches('/').ends_with(&tail))
        };
        match webhooks.iter().find(is_ours) {
            None => findings.push(Finding::new(false, format!("no webhook leads to {tail}"), remedy)),
            Some(hook) if hook.get("isSigned") == Some(&Value::Bool(false)) => findings.push(Finding::new(
                true,
                format!("the webhook to {tail} is not signed: every delivery is refused"),
                "set its secret to the configured one",
            )),
            Some(_) => {}
        }
        Ok(())
    }
}
