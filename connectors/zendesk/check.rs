//! What `check --online` measures of a Zendesk account: who we are, rights too few or too many, fields, webhook.
//!
//! Must not know: how the account is set up (`setup` says it), or what is done about a finding.

use super::bearings::Bearings;
use super::config::SignInConfig;
use super::connector::{Zendesk, encoded, next};
use super::normalize::TAG_PREFIX;
use super::wire;
use crate::{ConnectorError, Ctx, Finding, Identity, Lane};
use dutyd_core::action::Severity;
use dutyd_core::case::Party;
use dutyd_core::policy::Listed;

/// Pages of organizations that are looked at, 100 each.
const CUSTOMER_PAGES_MAX: usize = 10;
/// Seconds before now at which the export may be asked to start.
const PROBE_AGE_SECONDS: i64 = 3_600;

pub async fn check(zendesk: &Zendesk, cx: &Ctx<'_>) -> Result<Identity, ConnectorError> {
    let bearings = zendesk.bearings(cx, true).await?;
    let mut findings = Vec::new();
    findings.extend(role(&bearings));
    findings.extend(export(zendesk, cx).await?);
    findings.extend(fields(zendesk, &bearings));
    findings.extend(rights(zendesk, cx).await?);
    findings.extend(webhook(zendesk, cx).await?);
    let customers = customers(zendesk, cx).await?;
    let me = &bearings.me;
    let account = me.email.clone().unwrap_or_else(|| me.name.clone());
    let time_zone = me.iana_time_zone.clone().or_else(|| me.time_zone.clone());
    Ok(Identity { account: format!("{account} ({})", bearings.own_id), time_zone, findings, customers })
}

fn role(bearings: &Bearings) -> Option<Finding> {
    let role = bearings.me.role.as_deref().unwrap_or("unknown");
    (role != "admin").then(|| {
        Finding::new(
            true,
            format!("our account's role is {role:?}; the incremental export asks for an admin"),
            "give it the role Admin",
        )
    })
}

/// A forbidden answer is a finding; other errors end the check.
async fn probe(
    zendesk: &Zendesk,
    cx: &Ctx<'_>,
    path: &str,
) -> Result<Option<crate::Response>, ConnectorError> {
    match zendesk.get(cx, path, Lane::Hot).await {
        Ok(response) => Ok(Some(response)),
        Err(ConnectorError::SignedOut { .. } | ConnectorError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn export(zendesk: &Zendesk, cx: &Ctx<'_>) -> Result<Option<Finding>, ConnectorError> {
    let from = cx.now.as_second() - PROBE_AGE_SECONDS;
    let path = format!("/api/v2/incremental/tickets/cursor?start_time={from}&per_page=1");
    let refused = probe(zendesk, cx, &path).await?.is_none();
    Ok(refused.then(|| {
        Finding::new(true, "the incremental export is refused", "role Admin and the scope tickets:read; a misspelled scope is granted silently and allows nothing")
    }))
}

fn fields(zendesk: &Zendesk, bearings: &Bearings) -> Vec<Finding> {
    let (marks, ids) = (&zendesk.config.marks, &bearings.fields);
    let mut found = Vec::new();
    for (title, id, kinds) in [
        (&marks.severity, ids.severity, &["tagger"][..]),
        (&marks.why, ids.why, &["text", "textarea"]),
        (&marks.flags, ids.flags, &["text", "textarea"]),
    ] {
        let definition = bearings.definitions.iter().find(|one| Some(one.id) == id);
        let Some(definition) = definition else {
            found.push(Finding::new(
                true,
                format!("there is no ticket field {title:?}"),
                "create it as `dutyd setup zendesk` says",
            ));
            continue;
        };
        if !definition.active {
            found.push(Finding::new(
                true,
                format!("the ticket field {title:?} is not active"),
                "activate it",
            ));
        }
        if !kinds.contains(&definition.kind.as_str()) {
            let message =
                format!("the ticket field {title:?} is of type {}, needed is {}", definition.kind, kinds[0]);
            found.push(Finding::new(true, message, "create it anew with that type"));
        }
        if definition.visible_in_portal {
            found.push(Finding::new(
                false,
                format!("customers can see the ticket field {title:?}"),
                "take it out of the portal",
            ));
        }
        if bearings.definitions.iter().filter(|one| one.active && one.title == *title).count() > 1 {
            found.push(Finding::new(
                false,
                format!("several ticket fields are called {title:?}"),
                "give the id in place of the title",
            ));
        }
    }
    found.extend(options(zendesk, bearings));
    for (name, _) in ids.mapped.iter().filter(|(_, id)| id.is_none()) {
        found.push(Finding::new(
            false,
            format!("the field for {name:?} does not exist"),
            "mend fields in the source's file",
        ));
    }
    found
}

fn options(zendesk: &Zendesk, bearings: &Bearings) -> Option<Finding> {
    let definition = bearings.definitions.iter().find(|one| Some(one.id) == bearings.fields.severity)?;
    let has = |word: &str| {
        definition.custom_field_options.iter().any(|one| one.value == format!("{TAG_PREFIX}{word}"))
    };
    let missing: Vec<_> = Severity::ALL.into_iter().map(Severity::word).filter(|word| !has(word)).collect();
    (!missing.is_empty()).then(|| {
        let message = format!(
            "the field {:?} lacks options with the tags of {}",
            zendesk.config.marks.severity,
            missing.join(", ")
        );
        Finding::new(
            true,
            message,
            format!("add options with the tags {TAG_PREFIX}{}", missing.join(&format!(", {TAG_PREFIX}"))),
        )
    })
}

/// Rights that are more than needed.
async fn rights(zendesk: &Zendesk, cx: &Ctx<'_>) -> Result<Option<Finding>, ConnectorError> {
    let SignInConfig::Oauth { scopes, .. } = &zendesk.config.sign_in else {
        return Ok(Some(Finding::new(
            false,
            "signed in with an API token, which may do whatever its user may; all end on 2027-04-30",
            "move to sign_in.oauth",
        )));
    };
    let Some(response) = probe(zendesk, cx, "/api/v2/oauth/tokens/current").await? else {
        return Ok(None);
    };
    let granted = wire::parse::<wire::TokenPage>(&response, "oauth token")?.token.scopes;
    let wanted: Vec<&str> = scopes.split_whitespace().collect();
    let broad: Vec<&str> = granted
        .iter()
        .map(String::as_str)
        .filter(|scope| !wanted.contains(scope) || *scope == "write")
        .collect();
    Ok((!broad.is_empty()).then(|| {
        let message = format!("the token may do more than dutyd needs: {}", broad.join(", "));
        Finding::new(false, message, "limit the OAuth client to the scopes of `dutyd setup zendesk`")
    }))
}

/// Organizations with their e-mail domains.
async fn customers(zendesk: &Zendesk, cx: &Ctx<'_>) -> Result<Vec<Listed>, ConnectorError> {
    let first = "/api/v2/organizations?page[size]=100";
    let (mut listed, mut path) = (Vec::new(), first.to_owned());
    for _ in 0..CUSTOMER_PAGES_MAX {
        let Some(response) = probe(zendesk, cx, &encoded(&path)).await? else { break };
        let page: wire::OrganizationPage = wire::parse(&response, "organizations")?;
        listed.extend(page.organizations.into_iter().map(|one| Listed {
            source: zendesk.source.clone(),
            customer: Party { id: one.id.to_string(), name: one.name },
            domains: one.domain_names.unwrap_or_default(),
        }));
        let Some(after) = next(page.meta) else { break };
        path = format!("{first}&page[after]={after}");
    }
    Ok(listed)
}

async fn webhook(zendesk: &Zendesk, cx: &Ctx<'_>) -> Result<Option<Finding>, ConnectorError> {
    let remedy = "create it as `dutyd setup zendesk` says; until then changes are seen by the poll, a minute or two later";
    let Some(response) = probe(zendesk, cx, "/api/v2/webhooks").await? else {
        return Ok(Some(Finding::new(
            false,
            "we may not see the webhooks",
            "add the scope webhooks:read, or check them by hand",
        )));
    };
    let path = format!("/hooks/{}", zendesk.source);
    let webhooks = wire::parse::<wire::WebhookPage>(&response, "webhooks")?.webhooks;
    let ours: Vec<_> =
        webhooks.iter().filter(|one| one.endpoint.trim_end_matches('/').ends_with(&path)).collect();
    Ok(match ours.iter().find(|one| one.status == "active").or(ours.first()) {
        None => Some(Finding::new(false, format!("no webhook leads to {path}"), remedy)),
        Some(one) if one.status != "active" => {
            Some(Finding::new(false, format!("the webhook to {path} is {}", one.status), "activate it"))
        }
        Some(one) if one.subscriptions.is_empty() => {
            Some(Finding::new(false, format!("the webhook to {path} is subscribed to nothing"), remedy))
        }
        Some(_) => None,
    })
}
