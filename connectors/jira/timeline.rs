//! Changelog and comments, as events of the timeline.
//!
//! Must not know: how histories were read, or what the issue looks like now beyond who takes part.

use super::adf;
use super::config::Config;
use super::marks;
use super::site::Site;
use super::wire::{Comment, History, Item, User};
use super::words;
use dutyd_core::action::note_markers;
use dutyd_core::case::Party;
use dutyd_core::timeline::{ANSWER, Actor, EventKind, TimelineEvent};
use jiff::Timestamp;
use serde_json::Value;

/// Who is who on one issue.
pub struct People<'a> {
    pub config: &'a Config,
    pub site: &'a Site,
    pub reporter: Option<String>,
    /// Whether the project is Service Management: elsewhere `jsdPublic` says nothing.
    pub service_desk: bool,
}

impl People<'_> {
    /// The role in which somebody acts. Our own account counts as a person here: whether something is ours is told by
    /// what was done, because the account may be shared.
    pub fn role(&self, user: Option<&User>) -> Actor {
        let Some(user) = user else { return Actor::Vendor };
        let id = user.id().unwrap_or_default();
        let listed = |list: &[String]| list.iter().any(|known| known == id);
        match user.account_type.as_deref() {
            _ if listed(&self.config.automation_accounts) => Actor::Vendor,
            _ if listed(&self.config.customer_accounts) => Actor::Customer,
            Some("customer") => Actor::Customer,
            Some("app") if id != self.site.account => Actor::Vendor,
            // Colleagues who ask through the portal have full accounts: whoever reported the issue asks.
            _ if self.reporter.as_deref() == Some(id) => Actor::Customer,
            _ => Actor::Agent,
        }
    }

    fn is_us(&self, user: Option<&User>) -> bool {
        !self.site.account.is_empty() && user.and_then(User::id) == Some(&*self.site.account)
    }
}

/// The events of one entry of the changelog. Ids are `<history>:<item>`, so that re-reading is harmless.
pub fn of_history(people: &People<'_>, history: &History, seen_at: Timestamp) -> Vec<TimelineEvent> {
    let role = people.role(history.author.as_ref());
    let by = history.author.as_ref().map(|author| author.shown().to_owned());
    let kinds = kinds(people, &history.items);
    let event = |(index, kind): (usize, EventKind)| {
        let ours = matches!(kind, EventKind::MarkChanged { .. }) && people.is_us(history.author.as_ref());
        TimelineEvent {
            id: format!("{}:{index:02}", history.id),
            at: history.created.0,
            seen_at,
            actor: if ours { Actor::Dutyd } else { role },
            by: by.clone(),
            kind,
        }
    };
    kinds.into_iter().map(event).collect()
}

fn kinds(people: &People<'_>, items: &[Item]) -> Vec<(usize, EventKind)> {
    let mut kinds: Vec<(usize, EventKind)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let field = field_of(item);
        if field == "labels" {
            kinds.extend(of_labels(item).into_iter().map(|kind| (index, kind)));
        } else if people.is_team(field) {
            join_team(&mut kinds, index, item);
        } else if let Some(kind) = of_item(people, field, item) {
            kinds.push((index, kind));
        }
    }
    kinds.into_iter().filter(|(_, kind)| !is_empty_team(kind)).collect()
}

/// What an entry of the changelog tells that has no word of ours: the fields.
pub fn passed_over<'a>(people: &'a People<'_>, history: &'a History) -> impl Iterator<Item = String> + 'a {
    let fields = history.items.iter().map(|item| (field_of(item), item));
    let unheard = fields.filter(|(field, item)| {
        *field != "labels" && !people.is_team(field) && of_item(people, field, item).is_none()
    });
    unheard.map(|(field, _)| format!("change of {field}"))
}

/// Vendor: Data Center before 9 has no `fieldId`; `field` is then the English name of a system field or the name of a
/// custom field.
fn field_of(item: &Item) -> &str {
    let field = item.field_id.as_deref().unwrap_or(&item.field);
    match field {
        "Component" => "components",
        other => other,
    }
}

impl People<'_> {
    fn is_team(&self, field: &str) -> bool {
        self.site.ids.team.as_deref().is_some_and(|team| team == field)
    }
}

/// Vendor: a list such as `components` has one item per value added and one per value removed. A hand-over is one fact:
/// from the value removed to the value added.
fn join_team(kinds: &mut Vec<(usize, EventKind)>, index: usize, item: &Item) {
    let (left, entered) = (party(&item.from, &item.from_string), party(&item.to, &item.to_string));
    let earlier = kinds.iter_mut().find_map(|(_, kind)| match kind {
        EventKind::TeamChanged { from, to } => Some((from, to)),
        _ => None,
    });
    match earlier {
        Some((from, to)) => {
            *from = from.take().or(left);
            *to = entered.or(to.take());
        }
        None => kinds.push((index, EventKind::TeamChanged { from: left, to: entered })),
    }
}

fn is_empty_team(kind: &EventKind) -> bool {
    matches!(kind, EventKind::TeamChanged { from, to } if from == to)
}

fn of_item(people: &People<'_>, field: &str, item: &Item) -> Option<EventKind> {
    let (config, site) = (people.config, people.site);
    let (from, to) = (item.from_string.as_deref().unwrap_or(""), item.to_string.as_deref().unwrap_or(""));
    match field {
        "status" => {
            let read = |id: &Option<String>, name: &str| {
                words::status(config, name, site.category(id.as_deref().unwrap_or(""), name))
            };
            Some(EventKind::StatusChanged { from: read(&item.from, from), to: read(&item.to, to) })
        }
        "priority" => Some(EventKind::PriorityChanged {
            from: words::priority(config, from),
            to: words::priority(config, to),
        }),
        "assignee" => Some(EventKind::OwnerChanged {
            from: party(&item.from, &item.from_string),
            to: party(&item.to, &item.to_string),
        }),
        "Link" => of_link(item),
        _ => {
            let name = mapped_name(people, field)?;
            let value = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
            Some(EventKind::FieldChanged {
                field: name,
                from: value(&item.from_string),
                to: value(&item.to_string),
            })
        }
    }
}

/// The name that rules use for a field.
fn mapped_name(people: &People<'_>, field: &str) -> Option<String> {
    let ids = &people.site.ids;
    let known = [
        ("customer", &ids.customer),
        ("tier", &ids.tier),
        ("contract", &ids.contract),
        ("product", &ids.product),
    ];
    let known =
        known.into_iter().find(|(_, id)| id.as_deref() == Some(field)).map(|(name, _)| name.to_owned());
    known.or_else(|| ids.custom.iter().find(|(_, id)| *id == field).map(|(name, _)| name.clone())).or_else(
        || {
            (field == "organizations" || ids.organizations.as_deref() == Some(field))
                .then(|| "customer".to_owned())
        },
    )
}

fn party(id: &Option<String>, name: &Option<String>) -> Option<Party> {
    let name = name.as_deref().filter(|name| !name.is_empty());
    let id = id.as_deref().filter(|id| !id.is_empty()).or(name)?;
    Some(Party { id: id.to_owned(), name: name.unwrap_or(id).to_owned() })
}

/// The key at the other end, as the changelog tells it.
fn of_link(item: &Item) -> Option<EventKind> {
    match (&item.from, &item.to) {
        (_, Some(to)) if !to.is_empty() => Some(EventKind::Linked { case: to.clone() }),
        (Some(from), _) if !from.is_empty() => Some(EventKind::Unlinked { case: from.clone() }),
        _ => None,
    }
}

/// Labels are told as the whole lists before and after, separated by spaces.
fn of_labels(item: &Item) -> Option<EventKind> {
    let list = |text: &Option<String>| -> Vec<String> {
        text.as_deref().unwrap_or("").split_whitespace().map(str::to_owned).collect()
    };
    let (before, after) = (list(&item.from_string), list(&item.to_string));
    let severity = |labels: &[String]| {
        marks::shown_severity(labels.iter().map(String::as_str)).map(|severity| severity.word().to_owned())
    };
    if severity(&before) != severity(&after) {
        return Some(EventKind::MarkChanged { from: severity(&before), to: severity(&after) });
    }
    let (said, says) = (marks::answer(&before), marks::answer(&after));
    if said != says {
        return Some(EventKind::FieldChanged { field: ANSWER.to_owned(), from: said, to: says });
    }
    let others = |labels: &[String]| -> String {
        labels.iter().filter(|label| !marks::is_ours(label)).cloned().collect::<Vec<_>>().join(" ")
    };
    let (before, after) = (others(&before), others(&after));
    (before != after).then(|| EventKind::FieldChanged {
        field: "tags".to_owned(),
        from: Some(before).filter(|text| !text.is_empty()),
        to: Some(after).filter(|text| !text.is_empty()),
    })
}

/// A comment as an event, its text, and the markers of ours that it carries.
pub fn of_comment(
    people: &People<'_>,
    comment: &Comment,
    seen_at: Timestamp,
) -> (TimelineEvent, String, Vec<String>) {
    let body = comment.body.as_ref().and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let text = body.map_or_else(String::new, |body| adf::text(&body));
    let ours = if people.is_us(comment.author.as_ref()) { note_markers(&text) } else { Vec::new() };
    let actor = if ours.is_empty() { people.role(comment.author.as_ref()) } else { Actor::Dutyd };
    let event = TimelineEvent {
        id: format!("comment:{}", comment.id),
        at: comment.created.0,
        seen_at,
        actor,
        by: comment.author.as_ref().map(|author| author.shown().to_owned()),
        kind: EventKind::Replied { public: is_public(people, comment), signals: Vec::new() },
    };
    (event, text, ours)
}

/// Vendor: `jsdPublic` is Cloud's word, `sd.public.comment` the property behind it, which Data Center shows instead.
fn is_public(people: &People<'_>, comment: &Comment) -> bool {
    let internal = comment.properties.iter().any(|property| {
        property.key == "sd.public.comment" && property.value.get("internal").is_some_and(is_true)
    });
    let hidden = people.service_desk && (comment.jsd_public == Some(false) || internal);
    !hidden && comment.visibility.as_ref().is_none_or(Value::is_null)
}

/// The property's value is written as truth by some and as text by others.
fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true) || value.as_str() == Some("true")
}
