//! Orders of the control port: what a person does in Jira, in common words or in Jira's own.

use super::Jira;
use super::fields;
use super::issue::{self, Body, Change};
use super::life::priority;
use super::site::{self, Site};
use crate::vendor::Command;
use crate::world::Priority;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

impl Jira {
    /// An order of the control port.
    pub fn obey(&self, site: &mut Site, command: &Command, now: Timestamp) -> Result<Value, String> {
        match command {
            Command::Create { fields } => self.order_issue(site, fields, now),
            Command::Reply { id, from_customer, public, text, by } => {
                let id = known(site, id)?;
                let author = match by {
                    Some(by) => site.find_user(by).ok_or_else(|| format!("nobody named {by:?}"))?,
                    None if *from_customer => site.issues[&id].reporter,
                    None => agent_of(site, id),
                };
                self.say(site, id, author, text, *public || *from_customer, now);
                Ok(shown(site, id))
            }
            Command::Change { id, fields, by } => {
                let id = known(site, id)?;
                let user = match by {
                    Some(by) => site.find_user(by).ok_or_else(|| format!("nobody named {by:?}"))?,
                    None => agent_of(site, id),
                };
                let changes = self.raw(site, fields)?;
                self.change(site, (id, &changes), user, now, None);
                Ok(shown(site, id))
            }
            Command::Delete { id } => {
                let id = known(site, id)?;
                let answer = shown(site, id);
                let reader = site.reader;
                self.delete(site, id, reader, now);
                Ok(answer)
            }
            Command::Other { verb, id, fields } => {
                let id = known(site, id)?;
                self.other(site, verb, id, fields, now)?;
                Ok(shown(site, id))
            }
        }
    }

    fn other(
        &self,
        site: &mut Site,
        verb: &str,
        id: u64,
        fields: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<(), String> {
        match verb {
            "hide" | "show" => {
                self.touch(site, id, now);
                if let Some(issue) = site.issues.get_mut(&id) {
                    issue.hidden = verb == "hide";
                }
            }
            "vanish" => drop(site.remove(id)),
            "move" => {
                let key = fields.get("project").and_then(Value::as_str).unwrap_or("ENG");
                let project = site.project(key).ok_or_else(|| format!("no project {key:?}"))?;
                let user = agent_of(site, id);
                self.change(site, (id, &[Change::Project(project)]), user, now, None);
            }
            _ => return Err(format!("jira does not know {verb:?}")),
        }
        Ok(())
    }

    fn order_issue(
        &self,
        site: &mut Site,
        given: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Value, String> {
        let text = |name: &str| given.get(name).and_then(Value::as_str);
        let customer = match given.get("customer") {
            None => 0,
            Some(Value::Number(number)) => number.as_u64().unwrap_or(0) as usize,
            Some(name) => {
                let name = name.as_str().unwrap_or("");
                self.stage.cast.customer_named(name).ok_or_else(|| format!("no customer {name:?}"))?
            }
        };
        let contacts = self.stage.cast.customers.get(customer).ok_or("no such customer")?.contacts.clone();
        let reporter = match text("contact") {
            Some(name) => site.find_user(name).ok_or_else(|| format!("nobody named {name:?}"))?,
            None => site.contacts[contacts[0]],
        };
        let project = match text("project") {
            Some(key) => site.project(key).ok_or_else(|| format!("no project {key:?}"))?,
            None => 0,
        };
        let mut made = fields::blank(site, project, reporter, now);
        made.kind = 0;
        let id = made.id;
        let (_, tier) = site.customers[customer];
        let mut changes = vec![
            Change::Summary(text("title").unwrap_or("A case").to_owned()),
            Change::Organizations(vec![customer]),
            Change::Components(vec![0]),
            Change::Custom(site::TIER.to_owned(), issue::select(tier)),
        ];
        let mut rest = given.clone();
        rest.retain(|name, _| !matches!(name.as_str(), "customer" | "contact" | "project" | "title"));
        changes.extend(self.raw(site, &rest)?);
        self.insert(site, made, &changes, now);
        Ok(shown(site, id))
    }

    /// Common words as changes; any other is a field as clients name it, texts as plain text.
    fn raw(&self, site: &Site, given: &Map<String, Value>) -> Result<Vec<Change>, String> {
        let mut changes = Vec::new();
        for (name, value) in given {
            let text = value.as_str().unwrap_or("");
            changes.push(match name.as_str() {
                "title" => Change::Summary(text.to_owned()),
                "text" => Change::Description(Some(Body::Text(text.to_owned()))),
                "status" => Change::Status(status_word(text)),
                "priority" => match Priority::parse(text) {
                    Some(level) => Change::Priority(priority(level)),
                    None => Change::Priority(
                        site::PRIORITIES
                            .iter()
                            .position(|word| word.name.eq_ignore_ascii_case(text))
                            .ok_or_else(|| format!("no priority {text:?}"))?,
                    ),
                },
                "team" => {
                    let team = self.stage.cast.team_named(text).ok_or_else(|| format!("no team {text:?}"))?;
                    Change::Components(vec![team])
                }
                "agent" if text.is_empty() => Change::Assignee(None),
                "agent" => Change::Assignee(Some(
                    site.find_user(text).ok_or_else(|| format!("nobody named {text:?}"))?,
                )),
                _ => fields::set(site, name, value, false)?,
            });
        }
        Ok(changes)
    }
}

/// A common word or a status's own name.
fn status_word(word: &str) -> usize {
    let named = site::STATUSES.iter().position(|(known, _)| known.name.eq_ignore_ascii_case(word));
    match word {
        "new" => site::OPEN,
        "open" => site::WAITING_FOR_SUPPORT,
        "pending" => site::WAITING_FOR_CUSTOMER,
        "on_hold" | "hold" => site::PENDING,
        "resolved" | "solved" => site::RESOLVED,
        "closed" => site::CLOSED,
        _ => named.unwrap_or(site::WAITING_FOR_SUPPORT),
    }
}

fn known(site: &Site, id: &str) -> Result<u64, String> {
    site.issue_id(id).ok_or_else(|| format!("no issue {id:?}"))
}

fn agent_of(site: &Site, id: u64) -> usize {
    site.issues.get(&id).and_then(|issue| issue.assignee).unwrap_or(site.agents[0])
}

fn shown(site: &Site, id: u64) -> Value {
    match site.issues.get(&id) {
        Some(issue) => json!({
            "id": id.to_string(), "number": site.key(issue), "updated": issue.updated.to_string(),
            "status": site::STATUSES[issue.status].0.name,
        }),
        None => json!({ "id": id.to_string(), "number": "" }),
    }
}
