//! Custom fields and tags of a ticket, which follow each other: a drop-down's choice is a tag, and a tag is a choice.
//! Knows rules; knows no requests.

use super::book::Book;
use super::change::{Draft, number};
use super::reply::{Reply, invalid};
use serde_json::{Map, Value, json};

impl Book {
    /// `tags` replaces; drop-downs follow their tags.
    pub(super) fn retag(&mut self, id: u64, change: &Map<String, Value>, draft: &mut Draft) {
        let Some(ticket) = self.tickets.get(&id) else { return };
        let before = ticket.tags.clone();
        let mut tags = change.get("tags").map_or_else(|| before.clone(), words);
        tags.extend(change.get("additional_tags").map(words).unwrap_or_default());
        let removed = change.get("remove_tags").map(words).unwrap_or_default();
        tags.retain(|tag| !removed.contains(tag));
        tags.sort();
        tags.dedup();
        if tags != before {
            self.put_tags(id, tags, draft);
            self.fields_follow_tags(id, draft);
        }
    }

    fn put_tags(&mut self, id: u64, tags: Vec<String>, draft: &mut Draft) {
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        let before = std::mem::replace(&mut ticket.tags, tags.clone());
        self.changed(draft, "tags", json!(before), json!(tags));
    }

    fn fields_follow_tags(&mut self, id: u64, draft: &mut Draft) {
        let Some(ticket) = self.tickets.get(&id) else { return };
        let mut news = Vec::new();
        for field in self.fields.values().filter(|field| field.kind == "tagger" && field.active) {
            let now = ticket.custom.get(&field.id).and_then(Value::as_str);
            let kept = now.filter(|tag| ticket.tags.iter().any(|one| one == tag));
            let to = kept.or_else(|| {
                field
                    .options
                    .iter()
                    .map(|(_, tag)| tag.as_str())
                    .find(|tag| ticket.tags.iter().any(|one| one == tag))
            });
            if to != now {
                news.push((field.id, json!(now), json!(to)));
            }
        }
        for (field, from, to) in news {
            if let Some(ticket) = self.tickets.get_mut(&id) {
                ticket.custom.insert(field, to.clone());
            }
            self.changed(draft, &field.to_string(), from, to);
        }
    }

    /// Custom fields; unknown and inactive ones are silently left out, a drop-down puts its tag on the ticket.
    pub(super) fn set_custom(
        &mut self,
        id: u64,
        list: Option<&Value>,
        draft: &mut Draft,
    ) -> Result<(), Reply> {
        for given in pairs(list) {
            let Some(field) =
                self.fields.get(&given.0).filter(|field| field.active && !field.system).cloned()
            else {
                continue;
            };
            let to = if given.1 == "" { Value::Null } else { given.1 };
            let Some(ticket) = self.tickets.get_mut(&id) else { return Ok(()) };
            let from = ticket.custom.get(&field.id).cloned().unwrap_or(Value::Null);
            if field.kind == "tagger" {
                let known = to.is_null() || field.options.iter().any(|(_, tag)| to == *tag);
                if !known {
                    return Err(invalid(
                        &field.id.to_string(),
                        &format!("{}: {to} is not a valid option", field.title),
                    ));
                }
                let mut tags: Vec<String> = ticket.tags.iter().filter(|tag| from != **tag).cloned().collect();
                tags.extend(to.as_str().map(str::to_owned));
                tags.sort();
                tags.dedup();
                ticket.custom.insert(field.id, to.clone());
                self.put_tags_if_new(id, tags, draft);
            } else {
                ticket.custom.insert(field.id, to.clone());
            }
            self.changed(draft, &field.id.to_string(), from, to);
        }
        Ok(())
    }

    fn put_tags_if_new(&mut self, id: u64, tags: Vec<String>, draft: &mut Draft) {
        if self.tickets.get(&id).is_some_and(|ticket| ticket.tags != tags) {
            self.put_tags(id, tags, draft);
        }
    }
}

/// Tags from a list or a string with blanks, in lower case.
pub fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_lowercase).collect(),
        Value::String(text) => {
            text.split([' ', ',']).filter(|tag| !tag.is_empty()).map(str::to_lowercase).collect()
        }
        _ => Vec::new(),
    }
}

/// `[{"id":1,"value":2}]` or `{"1": 2}`.
fn pairs(list: Option<&Value>) -> Vec<(u64, Value)> {
    match list {
        Some(Value::Array(items)) => {
            items.iter().filter_map(|item| Some((number(&item["id"])?, item["value"].clone()))).collect()
        }
        Some(Value::Object(object)) => {
            object.iter().filter_map(|(id, value)| Some((id.parse().ok()?, value.clone()))).collect()
        }
        _ => Vec::new(),
    }
}
