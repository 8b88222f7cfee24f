//! A vendor that changed what it sends: fields missing, renamed, of another type, words nobody knows, one level deeper. Read by
//! the real connectors and judged by the shipped rules beside the same case as it was: nothing is raised that was not, and
//! nothing that stood is cleared. What cannot be read is not known, and what is not known is not false.
//!
//! Goal G19: `cargo test --test it fuzz::drift`; `DUTYD_DRIFTS=1000000` for the goal's own number, shared by five systems.

use super::dice::Dice;
use super::seed;
use crate::contract::jira_sites::{CLOUD, DATA_CENTER};
use crate::contract::salesforce_org::SALESFORCE;
use crate::contract::subject::{SERVICENOW, Subject, ZENDESK};
use crate::contract::world::{Setting, World};
use crate::fuzz::tape::Tape;
use crate::reliability::{measured, wanted};
use async_trait::async_trait;
use dutyd::config::shipped;
use dutyd_connectors::{Ctx, Fetched, Request, Response, Transport, TransportError};
use dutyd_core::around::Around;
use dutyd_core::case::{CaseChange, CaseKey};
use dutyd_core::decide::{DecisionKind, decide};
use dutyd_core::policy::{Policy, PolicySet};
use dutyd_core::state::{CaseState, FlagState, News};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// What names a record; without it there is no telling what it is about.
const IDS: [&str; 5] = ["sys_id", "id", "Id", "key", "attributes"];
/// Where the words for a status stand. Every organization has its own, and one that nobody knows is an open case: what is
/// open is looked at once too often rather than never.
const STATUS: [&str; 3] = ["state", "status", "Status"];
/// Where lists of cases stand, and the parts of a record that are lists of their own.
const LISTS: [&str; 4] = ["result", "tickets", "issues", "records"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drift {
    Missing,
    Renamed,
    Null,
    OtherType,
    NewWord,
    Deeper,
}

const DRIFTS: [Drift; 6] =
    [Drift::Missing, Drift::Renamed, Drift::Null, Drift::OtherType, Drift::NewWord, Drift::Deeper];

/// What became of a record: where it was changed, and how.
#[derive(Debug)]
struct Change {
    path: Vec<String>,
    drift: Drift,
}

impl Change {
    /// A value that a person could have chosen: another word for a status, none at all, a longer word in a text.
    fn may_be_honest(&self) -> bool {
        let in_status = self.path.iter().any(|step| STATUS.contains(&step.as_str()));
        match self.drift {
            Drift::Null => true,
            Drift::NewWord => !self.path.iter().any(|step| step.eq_ignore_ascii_case("priority")),
            Drift::OtherType => in_status,
            _ => false,
        }
    }
}

fn change(dice: &mut Dice, record: &mut Value) -> Change {
    let drift = *dice.pick(&DRIFTS);
    let mut path = Vec::new();
    let mut node = record;
    loop {
        let keys: Vec<String> = match &*node {
            Value::Object(map) if path.is_empty() => {
                map.keys().filter(|key| !IDS.contains(&key.as_str())).cloned().collect()
            }
            Value::Object(map) => map.keys().cloned().collect(),
            Value::Array(list) => (0..list.len()).map(|at| at.to_string()).collect(),
            _ => Vec::new(),
        };
        let key = dice.pick(&keys).clone();
        path.push(key.clone());
        let below = child(node, &key).expect("a key that was just seen");
        let goes_on = match &*below {
            Value::Object(map) => !map.is_empty() && !dice.one_in(3),
            Value::Array(list) => !list.is_empty() && !dice.one_in(3),
            _ => false,
        };
        if !goes_on {
            break;
        }
        node = child(node, &key).expect("the same key");
    }
    apply(node, path.last().expect("at least one step"), drift);
    Change { path, drift }
}

fn child<'a>(node: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    match node {
        Value::Array(list) => list.get_mut(key.parse::<usize>().ok()?),
        _ => node.get_mut(key),
    }
}

fn apply(parent: &mut Value, key: &str, drift: Drift) {
    let old = child(parent, key).expect("it is there").clone();
    let new = match drift {
        Drift::Missing | Drift::Renamed => None,
        Drift::Null => Some(Value::Null),
        Drift::Deeper => Some(json!({ "as_of_v2": old })),
        Drift::NewWord => Some(json!("zz_unheard_of")),
        Drift::OtherType => Some(match &old {
            Value::Number(_) => json!("an odd text"),
            Value::String(_) => json!(987_654_321),
            Value::Bool(_) => json!("an odd text"),
            _ => json!(true),
        }),
    };
    match (parent, new) {
        (Value::Object(map), None) => {
            map.remove(key);
            if drift == Drift::Renamed {
                map.insert(format!("{key}_v2"), old);
            }
        }
        (Value::Array(list), None) => drop(list.remove(key.parse().expect("an index"))),
        (parent, Some(new)) => *child(parent, key).expect("it is there") = new,
        _ => {}
    }
}

fn names(record: &Value, id: &str) -> bool {
    ["sys_id", "id", "Id"].iter().any(|key| {
        let told = &record[*key];
        *told == *id || told["value"] == *id || told.as_u64().is_some_and(|found| found.to_string() == id)
    })
}

/// Changes the record of a case within an answer, if it is in it.
fn change_in(node: &mut Value, id: &str, dice: &mut Dice) -> Option<Change> {
    match node {
        Value::Object(map) => map.iter_mut().find_map(|(key, value)| {
            if let Some(rows) = value.as_array_mut().filter(|_| LISTS.contains(&key.as_str()))
                && let Some(record) = rows.iter_mut().find(|record| names(record, id))
            {
                return Some(change(dice, record));
            }
            change_in(value, id, dice)
        }),
        Value::Array(list) => list.iter_mut().find_map(|value| change_in(value, id, dice)),
        _ => None,
    }
}

/// The recorded vendor, one record of which has changed its form.
struct Drifted<'a> {
    tape: &'a Tape,
    id: &'a str,
    dice: Mutex<Dice>,
    change: Mutex<Option<Change>>,
}

#[async_trait]
impl Transport for Drifted<'_> {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let mut answer = self.tape.answer(&request);
        let mut changed = self.change.lock().expect("no panic");
        // A single issue of Data Center is no list.
        if changed.is_none()
            && let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body)
        {
            let dice = &mut *self.dice.lock().expect("no panic");
            let single = names(&body, self.id) && body["fields"].is_object();
            *changed =
                if single { Some(change(dice, &mut body)) } else { change_in(&mut body, self.id, dice) };
            if changed.is_some() {
                answer.body = body.to_string().into();
            }
        }
        Ok(answer)
    }
}

/// The tape itself.
struct Honest<'a>(&'a Tape);

#[async_trait]
impl Transport for Honest<'_> {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        Ok(self.0.answer(&request))
    }
}

fn judged(
    policies: &PolicySet,
    state: Option<&CaseState>,
    change: CaseChange,
    now: Timestamp,
) -> dutyd_core::decide::Outcome {
    let news = [News::Change(Box::new(change))];
    decide(policies, state, &Around::default(), &news, now).expect("a case")
}

/// Rules with an open flag, and how severe.
fn open(state: &CaseState) -> BTreeMap<String, String> {
    let flags = state.flags.iter().filter(|flag| flag.state == FlagState::Open);
    flags.map(|flag| (flag.rule.clone(), flag.severity.word().to_owned())).collect()
}

#[derive(Default)]
struct Count {
    read: u64,
    quarantined: u64,
    unread: u64,
    flags: usize,
    wrong: Vec<String>,
}

async fn drifted(subject: &'static Subject) {
    let policy = Policy::load(&shipped::policy()).expect("the shipped policy");
    let policies = PolicySet { current: Arc::new(policy), ..PolicySet::default() };
    let world = World::new(subject, &Setting { cases: 6, page_size: 50, ..Setting::new(false) }).await;
    world.pass_the_lag().await;
    let now = world.now() + SignedDuration::from_hours(30);
    // Each case as it was, with the marks that our rules want on it.
    let mut states: BTreeMap<CaseKey, CaseState> = BTreeMap::new();
    for (id, _) in (subject.titles)(&world.history()) {
        let key = CaseKey::new(crate::contract::world::SOURCE, id);
        let outcome = judged(&policies, None, world.read(&key).await, now);
        if outcome.state.case.status.is_open() {
            world.deliver(&outcome.actions).await;
            states.insert(key, outcome.state);
        }
        world.pass(60).await;
    }
    world.pass_the_lag().await;
    let tape = Tape::record(&world).await;
    let keys: Vec<CaseKey> = tape.keys.iter().filter(|key| states.contains_key(key)).cloned().collect();
    let mut clean: BTreeMap<CaseKey, CaseState> = BTreeMap::new();
    let honest = Honest(&tape);
    let cx = Ctx { http: &honest, now: world.now() };
    for fetched in world.connector.fetch(&cx, &tape.keys).await.expect("the tape") {
        let Fetched::Case(change) = fetched else { continue };
        let key = change.case.key.clone();
        if let Some(state) = states.get(&key) {
            assert_eq!(
                change.case.unread,
                Vec::<String>::new(),
                "{}: an honest record is read whole",
                subject.vendor
            );
            assert!(!change.marks.unread, "{}: and so are its marks", subject.vendor);
            clean.insert(key, judged(&policies, Some(state), *change, now).state);
        }
    }
    assert!(
        clean.values().any(|state| !open(state).is_empty()),
        "{}: no flag stands anywhere",
        subject.vendor
    );
    let (tries, mut count) = (wanted("DUTYD_DRIFTS", 2_000) / 5, Count::default());
    for nth in 0..tries {
        let key = &keys[nth as usize % keys.len()];
        let dice = Mutex::new(Dice::new(seed() * 10_000_000 + nth));
        let http = Drifted { tape: &tape, id: &key.id, dice, change: Mutex::default() };
        let cx = Ctx { http: &http, now: world.now() };
        let fetched = world.connector.fetch(&cx, &tape.keys).await;
        let Some(drift) = http.change.lock().expect("no panic").take() else { continue };
        count.read += 1;
        for one in fetched.into_iter().flatten() {
            match one {
                Fetched::Case(change) if change.case.key == *key => {
                    count.unread += u64::from(!change.case.unread.is_empty() || change.marks.unread);
                    compare(&policies, &clean[key], *change, &drift, now, &mut count);
                }
                Fetched::Quarantined(bad, _) if bad == *key => count.quarantined += 1,
                Fetched::Gone(gone) if gone == *key => {
                    count.wrong.push(format!("called gone: {drift:?}"));
                }
                _ => {}
            }
        }
    }
    let kinds: BTreeSet<&String> = count.wrong.iter().collect();
    let vendor = subject.vendor;
    assert!(count.wrong.is_empty(), "{vendor}: {} wrong: {kinds:#?}", count.wrong.len());
    assert!(count.unread > 0 && count.flags > 0, "{vendor}: nothing was ever at stake");
    measured(
        &format!("G19.{vendor}"),
        &format!(
            "{vendor}: {} drifted records, {} put aside, {} with fields not known: 0 flags raised or cleared wrongly",
            count.read, count.quarantined, count.unread
        ),
    );
}

fn compare(
    policies: &PolicySet,
    clean: &CaseState,
    change: CaseChange,
    drift: &Change,
    now: Timestamp,
    count: &mut Count,
) {
    let before = open(clean);
    count.flags += before.len();
    if drift.may_be_honest() {
        judged(policies, Some(clean), change, now);
        return;
    }
    // A daemon that knew the case, and one that sees it for the first time.
    let known = judged(policies, Some(clean), change.clone(), now);
    let cleared: Vec<_> = before.keys().filter(|rule| !open(&known.state).contains_key(*rule)).collect();
    let overruled = known.decisions.iter().any(|decision| decision.kind == DecisionKind::Override);
    if !cleared.is_empty() || overruled {
        count.wrong.push(format!("cleared {cleared:?} by {drift:?}"));
    }
    for state in [&known.state, &judged(policies, None, change, now).state] {
        let raised: Vec<_> = open(state).into_iter().filter(|(rule, _)| !before.contains_key(rule)).collect();
        if !raised.is_empty() {
            count.wrong.push(format!("raised {raised:?} by {drift:?}"));
        }
    }
}

/// G19
#[tokio::test]
async fn a_drifted_schema_of_servicenow_raises_and_clears_nothing() {
    drifted(&SERVICENOW).await;
}

/// G19
#[tokio::test]
async fn a_drifted_schema_of_zendesk_raises_and_clears_nothing() {
    drifted(&ZENDESK).await;
}

/// G19
#[tokio::test]
async fn a_drifted_schema_of_jira_cloud_raises_and_clears_nothing() {
    drifted(&CLOUD).await;
}

/// G19
#[tokio::test]
async fn a_drifted_schema_of_jira_data_center_raises_and_clears_nothing() {
    drifted(&DATA_CENTER).await;
}

/// G19
#[tokio::test]
async fn a_drifted_schema_of_salesforce_raises_and_clears_nothing() {
    drifted(&SALESFORCE).await;
}
