//! The verdict on a run, from the vendors' own records: everything is read again from the beginning by a connector without
//! memory, decided afresh, and held against what the daemon remembers and against what stands on the records.
//!
//! Stated residuals are counted, not forgiven silently: `docs/CONNECTORS.md` names them.

use super::run::{Simulation, subject};
use crate::contract::door::Door;
use base64::Engine as _;
use dutyd::demo::{Oracle, Shown, read_back};
use dutyd::store::{Store as _, open_state};
use dutyd_connectors::{Connector, Ctx, Cursor, Fetched, build};
use dutyd_core::action::Severity;
use dutyd_core::case::{Case, CaseChange, CaseKey, SeenMarks};
use dutyd_core::state::{CaseState, FlagState, Presence};
use dutyd_core::timeline::{Actor, EventKind, TimelineEvent};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Pages of one reading from the beginning.
const PAGES_MAX: usize = 200;

/// Where a cursor stands beyond what the vendor certainly shows by now.
pub fn beyond(vendor: &str, cursor: &Cursor, now: Timestamp) -> Option<String> {
    let body: Value = serde_json::from_str(&cursor.body).ok()?;
    let (reached, lag): (Vec<Timestamp>, i64) = match vendor {
        "jira" | "jira_dc" => (
            body["floor_ms"]
                .as_i64()
                .and_then(|at| Timestamp::from_millisecond(at).ok())
                .into_iter()
                .collect(),
            300,
        ),
        "zendesk" => {
            let after = body["after"].as_str()?;
            let text =
                String::from_utf8(base64::engine::general_purpose::STANDARD.decode(after).ok()?).ok()?;
            let seconds = text.split('.').next()?.parse().ok()?;
            (Timestamp::from_second(seconds).into_iter().collect(), 60)
        }
        _ => {
            let read_to = |position: &Value| position["read_to"].as_str().and_then(|at| at.parse().ok());
            (body["positions"].as_array()?.iter().filter_map(read_to).collect(), 10)
        }
    };
    let most = now - SignedDuration::from_secs(lag);
    let farthest = reached.into_iter().max()?;
    (farthest > most).then(|| format!("{farthest}, later than {most}"))
}

/// Judges a drained simulation. What is wrong is told to the ledger; residuals are counted.
pub async fn judge(simulation: &mut Simulation) -> BTreeMap<&'static str, usize> {
    let mut residuals = BTreeMap::new();
    let now = simulation.clock.vendor_now();
    no_request_is_undeclared(simulation);
    let mut fresh = Vec::new();
    for source in 0..simulation.desks.len() {
        fresh.extend(everything(simulation, source, now).await);
    }
    let policies = simulation.policies.clone();
    fresh.iter_mut().for_each(|change| policies.current.lexicon.distill(change));
    let memory = memory(simulation).await;
    let living: BTreeSet<&CaseKey> = fresh.iter().map(|change| &change.case.key).collect();
    let gone_unseen: Vec<CaseChange> =
        memory.values().filter(|state| is_gone_unseen(state, &living)).map(remembered).collect();
    let told = || fresh.iter().chain(&gone_unseen);
    let oracle = Oracle::consult(&policies, told().map(unmarked).collect(), now);
    let untouched_by_us = Oracle::consult(&policies, told().map(without_ours).collect(), now);
    if open(&oracle) != open(&untouched_by_us) {
        simulation.breaks(format_args!(
            "events of our own move clocks: {:?}, without them {:?}",
            open(&oracle),
            open(&untouched_by_us)
        ));
    }
    for change in &fresh {
        is_remembered(simulation, change, memory.get(&change.case.key), &oracle);
    }
    for change in &gone_unseen {
        match change.case.key.source.as_str() {
            // Only the webhook tells of a deletion there; where it is lost, the weekly census does.
            "jira" | "jira_dc" | "servicenow" => *residuals.entry("deletions never told").or_default() += 1,
            _ => simulation.breaks(format_args!("{} is gone and still remembered", change.case.key)),
        }
    }
    for source in 0..simulation.desks.len() {
        records(simulation, source, &fresh, &memory, &oracle).await;
    }
    nothing_is_parked(simulation, &fresh).await;
    residuals
}

fn is_gone_unseen(state: &CaseState, living: &BTreeSet<&CaseKey>) -> bool {
    state.presence == Presence::Present && !living.contains(&state.case.key)
}

/// A case that nobody told is gone counts on in the facts around others.
fn remembered(state: &CaseState) -> CaseChange {
    CaseChange {
        case: state.case.clone(),
        events: state.events.clone(),
        marks: state.marks.clone(),
        events_complete: !state.truncated,
        texts: Vec::new(),
    }
}

fn open(oracle: &Oracle) -> BTreeMap<CaseKey, BTreeMap<String, Severity>> {
    oracle.states.iter().map(|(key, state)| (key.clone(), open_flags(state))).collect()
}

pub fn open_flags(state: &CaseState) -> BTreeMap<String, Severity> {
    let open = state.flags.iter().filter(|flag| flag.state == FlagState::Open);
    open.map(|flag| (flag.rule.clone(), flag.severity)).collect()
}

/// The oracle decides from what happened, not from what we wrote.
fn unmarked(change: &CaseChange) -> CaseChange {
    CaseChange { marks: SeenMarks { notes_complete: true, ..SeenMarks::default() }, ..change.clone() }
}

fn without_ours(change: &CaseChange) -> CaseChange {
    let mut change = unmarked(change);
    change.events.retain(|event| event.actor != Actor::Dutyd);
    change
}

/// Every case of a source with its history, by a connector that remembers nothing.
pub async fn everything(simulation: &Simulation, source: usize, now: Timestamp) -> Vec<CaseChange> {
    let (connector, door) = reader(simulation, source);
    let cx = Ctx { http: &door, now };
    let (mut cursor, mut keys, mut changes) = (None, BTreeSet::new(), BTreeMap::new());
    for _ in 0..PAGES_MAX {
        let page = connector.pull(&cx, cursor.as_ref()).await.expect("a calm vendor answers");
        keys.extend(page.hints.into_iter().map(|hint| hint.key));
        changes.extend(page.changes.into_iter().map(|change| (change.case.key.clone(), change)));
        cursor = page.next.or(cursor);
        if !page.more {
            break;
        }
    }
    let keys: Vec<CaseKey> = keys.into_iter().collect();
    for batch in keys.chunks(connector.profile().fetch_max) {
        for fetched in connector.fetch(&cx, batch).await.expect("a calm vendor answers") {
            match fetched {
                Fetched::Case(change) => drop(changes.insert(change.case.key.clone(), *change)),
                Fetched::Gone(key) | Fetched::Hidden(key) => drop(changes.remove(&key)),
                other => simulation.breaks(format_args!("not read in the end: {other:?}")),
            }
        }
    }
    changes.into_values().collect()
}

pub fn reader(simulation: &Simulation, source: usize) -> (Box<dyn Connector>, Door) {
    let desk = &simulation.desks[source];
    let connector = build(desk.name, &desk.config, &desk.secrets).expect("a connector");
    let profile = connector.profile();
    let host = profile.origin.host_str().unwrap_or_default().to_owned();
    let router = simulation.sandbox.router(desk.name).expect("it plays");
    let door = Door::new(router, host, profile.sign_in.clone());
    (connector, door)
}

pub async fn memory(simulation: &Simulation) -> BTreeMap<CaseKey, CaseState> {
    let life = simulation.life.as_ref().expect("it lives");
    let rows = life.store.states(0, 1_000).await.expect("states");
    rows.into_iter().map(|row| (row.key, open_state(&row.state).expect("a state"))).collect()
}

/// Whether a flag whose condition has ended still stands out its dwell, of which the oracle knows nothing.
pub async fn lingers(simulation: &Simulation) -> bool {
    memory(simulation).await.values().flat_map(|state| &state.flags).any(|flag| flag.leaving_since.is_some())
}

/// Whether the daemon knows the case as it is and judges it as the oracle does.
fn is_remembered(simulation: &Simulation, change: &CaseChange, state: Option<&CaseState>, oracle: &Oracle) {
    let key = &change.case.key;
    let Some(state) = state else { return simulation.breaks(format_args!("{key} is not known")) };
    if state.presence != Presence::Present {
        return simulation.breaks(format_args!("{key} is there and taken for {:?}", state.presence));
    }
    if state.case != change.case {
        simulation.breaks(format_args!("{key} is {:?}\nremembered as {:?}", change.case, state.case));
    }
    let (told, known) = (facts(&change.events), facts(&state.events));
    if told != known {
        simulation.breaks(format_args!("{key} has the events {told:#?}\nremembered are {known:#?}"));
    }
    let (should, are) = (oracle.states.get(key).map(open_flags).unwrap_or_default(), open_flags(state));
    if should != are {
        simulation.breaks(format_args!("{key} should have the flags {should:?}, has {are:?}"));
    }
}

/// What happened, without when we learned it and without what we noted ourselves.
pub fn facts(events: &[TimelineEvent]) -> BTreeMap<String, (Timestamp, Actor, EventKind)> {
    let told = events.iter().filter(|event| !matches!(event.kind, EventKind::TargetAdopted { .. }));
    told.map(|event| (event.id.clone(), (event.at, event.actor, event.kind.clone()))).collect()
}

/// What stands on the records of a source, read by id without the connector.
async fn records(
    simulation: &mut Simulation,
    source: usize,
    fresh: &[CaseChange],
    memory: &BTreeMap<CaseKey, CaseState>,
    oracle: &Oracle,
) {
    let (connector, door) = reader(simulation, source);
    let name = simulation.desks[source].name;
    let mine: Vec<&CaseChange> = fresh.iter().filter(|change| change.case.key.source == name).collect();
    let ids: Vec<String> = mine.iter().map(|change| change.case.key.id.clone()).collect();
    let shown = read_back(connector.profile().vendor, &door, &ids).await.expect("a calm vendor answers");
    let touched = simulation.touched();
    for (change, shown) in mine.iter().zip(&shown) {
        let key = &change.case.key;
        if shown.doubled() > 0 {
            simulation.breaks(format_args!("{key} has a note twice: {:?}", shown.notes));
        }
        let ours = |event: &&TimelineEvent| {
            event.actor == Actor::Dutyd && matches!(event.kind, EventKind::Replied { .. })
        };
        // One message may carry several notes.
        let known_as_ours = change.events.iter().filter(ours).count();
        if known_as_ours > shown.notes.len() || (known_as_ours == 0) != shown.notes.is_empty() {
            simulation.breaks(format_args!(
                "{key}: {known_as_ours} messages taken for ours, {:?} are",
                shown.notes
            ));
        }
        if !touched.contains(&(source, key.id.clone()))
            && change.case.status != dutyd_core::case::Status::Closed
        {
            shows_what_it_should(simulation, key, shown, oracle);
        }
        if let Some(state) = memory.get(key) {
            notes_stand(simulation, state, shown);
        }
    }
}

/// Nobody touched the mark: it says exactly what the oracle holds.
fn shows_what_it_should(simulation: &Simulation, key: &CaseKey, shown: &Shown, oracle: &Oracle) {
    let should = oracle.states.get(key).map(open_flags).unwrap_or_default();
    let stands: BTreeMap<String, Severity> = shown
        .marker
        .iter()
        .flat_map(|marker| &marker.flags)
        .map(|flag| (flag.rule.clone(), flag.severity))
        .collect();
    let dismissed = shown.marker.iter().flat_map(|marker| &marker.flags).any(|flag| flag.dismissed);
    if should != stands || dismissed {
        simulation.breaks(format_args!("{key} should show {should:?}, shows {shown:?}"));
    }
    let severity = should.values().max().map(|severity| severity.word().to_owned());
    if shown.severity != severity {
        simulation.breaks(format_args!("{key} should show {severity:?} to people, shows {shown:?}"));
    }
}

/// What the record was last seen to carry is what it carries.
fn notes_stand(simulation: &Simulation, state: &CaseState, shown: &Shown) {
    let seen: BTreeSet<&String> = state.marks.notes.iter().collect();
    let stands: BTreeSet<&String> = shown.notes.iter().collect();
    if state.marks.notes_complete && seen != stands {
        let key = &state.case.key;
        simulation.breaks(format_args!("{key} carries the notes {stands:?}, known are {seen:?}"));
    }
}

async fn nothing_is_parked(simulation: &Simulation, fresh: &[CaseChange]) {
    let life = simulation.life.as_ref().expect("it lives");
    for row in life.store.parked().await.expect("parked") {
        let text = format!("{row:?}");
        // A write to what was deleted or closed meanwhile is rightly refused.
        let named = |case: &Case| case.number == row.what || case.key.id == row.what;
        let lives = fresh.iter().any(|change| change.case.key.source == row.source && named(&change.case));
        if lives && !text.contains("closed") {
            simulation.breaks(format_args!("parked: {text}"));
        }
    }
}

fn no_request_is_undeclared(simulation: &Simulation) {
    for desk in &simulation.desks {
        for entry in simulation.sandbox.inner.journal.since(0, Some(desk.name)) {
            let path = entry.path.split('?').next().unwrap_or_default();
            if !subject(desk.name).declares(&entry.method, path) {
                simulation.breaks(format_args!("{} {} is not declared", entry.method, entry.path));
            }
        }
    }
}
