//! What must be known of a Zendesk account before its tickets make sense: our own id, fields by title, groups.
//!
//! Must not know: tickets.

use super::config::Config;
use super::connector::{Zendesk, encoded, next};
use super::normalize::FieldIds;
use super::wire::{self, FieldDefinition};
use crate::trail::Trail;
use crate::{ConnectorError, Ctx, Lane};
use std::collections::HashMap;

/// Pages of fields and groups, 100 each.
const LIST_PAGES_MAX: usize = 50;

/// Where we are: who we are there, and which fields and groups exist.
#[derive(Debug)]
pub struct Bearings {
    pub me: wire::Me,
    pub own_id: i64,
    pub fields: FieldIds,
    pub definitions: Vec<FieldDefinition>,
    pub groups: HashMap<i64, String>,
}

/// Asks who we are and which fields and groups exist.
pub async fn take(zendesk: &Zendesk, cx: &Ctx<'_>) -> Result<Bearings, ConnectorError> {
    let response = zendesk.get(cx, "/api/v2/users/me", Lane::Hot).await?;
    let me = wire::parse::<wire::MePage>(&response, "users/me")?.user;
    // Vendor: without credentials `users/me` answers 200 with the user "Anonymous user" and a null id.
    let own_id = me.id.ok_or_else(|| ConnectorError::SignedOut {
        reason: "Zendesk takes us for an anonymous user: the credentials are not accepted".to_owned(),
    })?;
    let (mut definitions, mut groups) = (Vec::new(), HashMap::new());
    let (mut path, mut trail) =
        (Some("/api/v2/ticket_fields?page[size]=100".to_owned()), Trail::of_children());
    for _ in 0..LIST_PAGES_MAX {
        let Some(asked) = path.take() else { break };
        let response = zendesk.get(cx, &encoded(&asked), Lane::Hot).await?;
        let page: wire::FieldPage = wire::parse(&response, "ticket_fields")?;
        if let Some(after) = next(page.meta) {
            trail.follow("ticket_fields", &after, page.ticket_fields.len())?;
            path = Some(format!("/api/v2/ticket_fields?page[size]=100&page[after]={after}"));
        }
        definitions.extend(page.ticket_fields);
    }
    let (mut path, mut trail) = (Some("/api/v2/groups?page[size]=100".to_owned()), Trail::of_children());
    for _ in 0..LIST_PAGES_MAX {
        let Some(asked) = path.take() else { break };
        let response = zendesk.get(cx, &encoded(&asked), Lane::Hot).await?;
        let page: wire::GroupPage = wire::parse(&response, "groups")?;
        if let Some(after) = next(page.meta) {
            trail.follow("groups", &after, page.groups.len())?;
            path = Some(format!("/api/v2/groups?page[size]=100&page[after]={after}"));
        }
        groups.extend(page.groups.into_iter().map(|group| (group.id, group.name)));
    }
    let fields = resolve(&zendesk.config, &definitions);
    Ok(Bearings { me, own_id, fields, definitions, groups })
}

/// The ids of configured fields: given as numbers, or by title.
pub fn resolve(config: &Config, definitions: &[FieldDefinition]) -> FieldIds {
    let find = |wanted: &str| {
        let wanted = wanted.trim();
        let by_id = wanted.parse().ok();
        let mut fit =
            definitions.iter().filter(|one| Some(one.id) == by_id || one.title == wanted).collect::<Vec<_>>();
        fit.sort_by_key(|one| !one.active);
        fit.first().filter(|_| !wanted.is_empty()).map(|one| one.id)
    };
    FieldIds {
        severity: find(&config.marks.severity),
        why: find(&config.marks.why),
        flags: find(&config.marks.flags),
        answer: find(&config.marks.answer),
        product: find(&config.columns.product),
        mapped: config.fields.iter().map(|(name, field)| (name.clone(), find(field))).collect(),
    }
}
