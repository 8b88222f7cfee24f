//! Reading cases whole: tickets in bulk, then the audits of each, as far as the vendor lets us.
//!
//! Knows: which requests, and what each answer says of each case. Must not know: what tickets mean (`normalize`).

use super::bearings::Bearings;
use super::connector::{CHILD_PAGES_MAX, Zendesk, encoded, ends_the_batch, next, number_of};
use super::normalize::{Directory, Person, is_merged};
use super::refusals::error_of;
use super::timeline::people_named;
use super::wire::{self, Audit, Ticket, User};
use crate::trail::Trail;
use crate::{ConnectorError, Ctx, Fetched, Lane, Quarantined, Request};
use dutyd_core::case::CaseKey;
use jiff::Timestamp;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap, HashSet};

/// One answer per key.
pub async fn fetch(
    zendesk: &Zendesk,
    cx: &Ctx<'_>,
    cases: &[CaseKey],
) -> Result<Vec<Fetched>, ConnectorError> {
    let ids: Vec<u64> = cases.iter().filter_map(number_of).collect();
    let mut bearings = zendesk.bearings(cx, false).await?;
    let mut batch = Batch::default();
    if !ids.is_empty() {
        tickets(zendesk, cx, &ids, &mut batch).await?;
        children(zendesk, cx, &mut batch).await;
        let groups = batch.people.groups.keys();
        if groups.into_iter().any(|id| !bearings.groups.contains_key(id)) {
            bearings = zendesk.bearings(cx, true).await?;
        }
        missing_people(zendesk, cx, &mut batch).await?;
    }
    batch.people.groups.extend(bearings.groups.clone());
    let answers: Vec<Fetched> =
        cases.iter().map(|key| verdict(zendesk, key, &mut batch, &bearings, cx.now)).collect();
    match answers.first() {
        // Nothing was read: then the batch failed, and not one case of it; unless it is the cases that make no sense.
        Some(Fetched::Unread(_, error))
            if answers.iter().all(|one| matches!(one, Fetched::Unread(..)))
                && !matches!(error, ConnectorError::Malformed { .. }) =>
        {
            Err(error.clone())
        }
        _ => Ok(answers),
    }
}

async fn audits(
    zendesk: &Zendesk,
    cx: &Ctx<'_>,
    id: u64,
    people: &mut HashMap<i64, Person>,
) -> Result<(Vec<Audit>, bool), ConnectorError> {
    let (mut audits, mut trail) = (Vec::new(), Trail::of_children());
    let mut path = format!("/api/v2/tickets/{id}/audits?page[size]=100&include=users");
    for _ in 0..CHILD_PAGES_MAX {
        let response = zendesk.get(cx, &encoded(&path), Lane::Hot).await?;
        let page: wire::AuditPage = wire::parse(&response, "audits")?;
        let rows = page.audits.len();
        audits.extend(page.audits);
        note_people(people, page.users);
        match next(page.meta) {
            None => return Ok((audits, true)),
            Some(after) => {
                trail.follow("audits", &after, rows)?;
                path =
                    format!("/api/v2/tickets/{id}/audits?page[size]=100&include=users&page[after]={after}");
            }
        }
    }
    Ok((audits, false))
}

/// Reads tickets in bulk; those left out are asked for one by one, because only then it is told why.
async fn tickets(
    zendesk: &Zendesk,
    cx: &Ctx<'_>,
    ids: &[u64],
    batch: &mut Batch,
) -> Result<(), ConnectorError> {
    let list = ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let path = format!("/api/v2/tickets/show_many?ids={list}&include=users,groups,organizations");
    let response = zendesk.get(cx, &path, Lane::Hot).await?;
    batch.read_at = response.date().unwrap_or(cx.now);
    let page: wire::ShowMany<'_> = wire::parse(&response, "show_many")?;
    batch.directory(page.users, page.groups, page.organizations);
    for raw in page.tickets {
        batch.ticket(raw);
    }
    let missing = ids.iter().filter(|id| !batch.found.contains_key(id)).copied().collect::<Vec<_>>();
    for id in missing {
        let path = format!("/api/v2/tickets/{id}?include=users,groups,organizations");
        let request = Request::get(path, Lane::Hot).header("accept", "application/json");
        let response =
            cx.http.send(request).await.map_err(|error| ConnectorError::of_transport(error, false))?;
        match (response.status, error_of(&response, cx.now, false)) {
            (404, _) => drop(batch.found.insert(id, Found::Gone)),
            (403, _) => drop(batch.found.insert(id, Found::Hidden)),
            (_, Some(error)) => return Err(error),
            (_, None) => {
                let one: wire::ShowOne<'_> = wire::parse(&response, "ticket")?;
                batch.directory(one.users, one.groups, one.organizations);
                batch.ticket(one.ticket);
                // Invariant: a ticket that is there and cannot be read is not gone (fuzz::records).
                batch.found.entry(id).or_insert_with(|| {
                    let reason = "the answer is about another ticket";
                    Found::Bad(Quarantined::named(id.to_string(), one.ticket.get(), reason))
                });
            }
        }
    }
    Ok(())
}

/// Reads the children of each ticket; after a throttle nothing more is asked, and the rest is left unread.
async fn children(zendesk: &Zendesk, cx: &Ctx<'_>, batch: &mut Batch) {
    let mut stop: Option<ConnectorError> = None;
    let mut read = Vec::new();
    for (id, found) in &batch.found {
        let Found::Ticket(ticket) = found else { continue };
        let fate = if ticket.status == "deleted" || is_merged(ticket) {
            Fate::Gone
        } else if !zendesk.in_scope(ticket) {
            Fate::Hidden
        } else if let Some(error) = &stop {
            Fate::Unread(error.clone())
        } else {
            match audits(zendesk, cx, *id, &mut batch.people.people).await {
                Ok((audits, complete)) => Fate::Read(audits, complete),
                Err(ConnectorError::Refused { status: 404, .. }) => Fate::Gone,
                Err(error) => {
                    stop = ends_the_batch(&error).then(|| error.clone());
                    Fate::Unread(error)
                }
            }
        };
        read.push((*id, fate));
    }
    batch.fates = read.into_iter().collect();
}

/// Names of owners who are in nobody's side-load: one request for all of them.
async fn missing_people(zendesk: &Zendesk, cx: &Ctx<'_>, batch: &mut Batch) -> Result<(), ConnectorError> {
    let audits = batch.fates.values().filter_map(|fate| match fate {
        Fate::Read(audits, _) => Some(audits),
        _ => None,
    });
    let named = audits.flat_map(|audits| people_named(audits)).filter(|id| *id > 0);
    let missing: HashSet<i64> = named.filter(|id| !batch.people.people.contains_key(id)).collect();
    let mut missing: Vec<_> = missing.into_iter().collect();
    missing.sort_unstable();
    for slice in missing.chunks(100) {
        let list = slice.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let response = zendesk.get(cx, &format!("/api/v2/users/show_many?ids={list}"), Lane::Hot).await?;
        let page: wire::UserPage = wire::parse(&response, "users")?;
        note_people(&mut batch.people.people, page.users);
    }
    Ok(())
}

fn verdict(
    zendesk: &Zendesk,
    key: &CaseKey,
    batch: &mut Batch,
    bearings: &Bearings,
    seen_at: Timestamp,
) -> Fetched {
    let Some(id) = number_of(key) else { return Fetched::Gone(key.clone()) };
    let fate = batch.fates.remove(&id);
    match (batch.found.get(&id), fate) {
        (Some(Found::Bad(bad)), _) => Fetched::Quarantined(key.clone(), bad.clone()),
        (Some(Found::Hidden), _) | (_, Some(Fate::Hidden)) => Fetched::Hidden(key.clone()),
        (Some(Found::Ticket(_)), Some(Fate::Unread(error))) => Fetched::Unread(key.clone(), error),
        (Some(Found::Ticket(ticket)), Some(Fate::Read(audits, complete))) => {
            let lens = zendesk.lens(bearings, &batch.people, seen_at, batch.read_at);
            match lens.change(ticket, &audits, complete) {
                Ok(change) => Fetched::Case(Box::new(change)),
                Err(reason) => {
                    let bad = Quarantined::named(&key.id, &format!("{ticket:?}"), reason);
                    Fetched::Quarantined(key.clone(), bad)
                }
            }
        }
        _ => Fetched::Gone(key.clone()),
    }
}

/// What was found of the tickets asked for.
enum Found {
    Ticket(Box<Ticket>),
    Gone,
    Hidden,
    Bad(Quarantined),
}

/// What is to be said of a ticket found.
enum Fate {
    Read(Vec<Audit>, bool),
    Gone,
    Hidden,
    Unread(ConnectorError),
}

#[derive(Default)]
pub struct Batch {
    found: BTreeMap<u64, Found>,
    fates: BTreeMap<u64, Fate>,
    pub people: Directory,
    pub read_at: Timestamp,
}

impl Batch {
    pub fn directory(
        &mut self,
        users: Vec<User>,
        groups: Vec<wire::Group>,
        organizations: Vec<wire::Organization>,
    ) {
        note_people(&mut self.people.people, users);
        self.people.groups.extend(groups.into_iter().map(|group| (group.id, group.name)));
        self.people.organizations.extend(organizations.into_iter().map(|one| (one.id, one)));
    }

    fn ticket(&mut self, raw: &RawValue) {
        match Ticket::read(raw.get()) {
            Ok(ticket) => drop(self.found.insert(ticket.id, Found::Ticket(Box::new(ticket)))),
            Err(error) => {
                let bad = quarantined(raw, error.to_string());
                if let Ok(id) = bad.id.parse() {
                    self.found.insert(id, Found::Bad(bad));
                }
            }
        }
    }
}

pub fn quarantined(raw: &RawValue, reason: String) -> Quarantined {
    Quarantined::of(raw.get(), "id", reason)
}

pub fn note_people(people: &mut HashMap<i64, Person>, users: Vec<User>) {
    let named = users.into_iter().map(|user| {
        let person = Person { name: user.name.unwrap_or_default(), role: user.role.unwrap_or_default() };
        (user.id, person)
    });
    people.extend(named);
}
