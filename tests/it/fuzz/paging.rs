//! Pages that lead nowhere, from each system, through the real connector and the real engine: the same cursor again, one of
//! before, always another one, empty pages for ever, the first page again, another host, lists that grow, counts that lie.
//! No question is asked more than twice again, no scan goes on for ever, and a source whose list has no end says so.
//!
//! Goal G10: `cargo test --test it fuzz::paging`; `DUTYD_PAGINGS=10000` for the goal's own number.

use super::dice::Dice;
use super::seed;
use crate::canary::Place;
use crate::contract::jira_sites::{CLOUD, DATA_CENTER};
use crate::contract::salesforce_org::SALESFORCE;
use crate::contract::subject::{SERVICENOW, Subject, ZENDESK};
use crate::contract::world::{SOURCE, Setting, World};
use crate::fixture::{HandClock, minutes};
use crate::fuzz::tape::{Tape, kind_of};
use crate::reliability::{measured, wanted};
use async_trait::async_trait;
use dutyd::config::Mode;
use dutyd::engine::{Engine, Setup, SourceSetup, Tick, Unit};
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{Retention, Store};
use dutyd_connectors::{Connector, Request, Response, Transport, TransportError, build};
use dutyd_core::policy::PolicySet;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// How often the same question may be asked at one instant: once, and twice again.
const SAME_MAX: usize = 3;
/// Questions at one instant: 200 empty pages, and what a few cases cost.
const ASKED_MAX: usize = 1_000;
/// How often the units may work at one instant.
const TICKS_MAX: usize = 1_000;

/// What is done to a list.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trick {
    /// The next page is always the same one.
    Same,
    /// The next page is one of the last three.
    Back,
    /// Always another next page, and the first one again.
    Again,
    /// Always another next page, and nothing on it.
    Empty,
    /// The next page is on another host.
    Elsewhere,
    /// Each page holds those before once more.
    Growing,
    /// Counts that are not true.
    Lies,
}

const TRICKS: [Trick; 7] =
    [Trick::Same, Trick::Back, Trick::Again, Trick::Empty, Trick::Elsewhere, Trick::Growing, Trick::Lies];

/// Where lists stand in answers.
const LISTS: [&str; 11] = [
    "tickets",
    "audits",
    "issues",
    "comments",
    "histories",
    "values",
    "records",
    "result",
    "issueChangeLogs",
    "ticket_fields",
    "groups",
];

/// One pagination: which list, what is done to it, and how far it got.
struct Twist {
    list: String,
    trick: Trick,
    /// Which part of an answer to several questions.
    part: usize,
    dice: Dice,
    pages: usize,
}

impl Twist {
    /// The next page, as this trick names it.
    fn next(&mut self) -> String {
        match self.trick {
            Trick::Same => "p0".to_owned(),
            Trick::Back => format!("p{}", self.pages % 3),
            Trick::Elsewhere => {
                let hosts = [
                    "https://evil.example/next",
                    "//evil.example/x",
                    "http://169.254.169.254/",
                    "/\\evil.example",
                ];
                (*self.dice.pick(&hosts)).to_owned()
            }
            _ => format!("p{}", self.pages),
        }
    }

    fn count(&mut self, honest: u64) -> u64 {
        match self.trick {
            Trick::Lies => *self.dice.pick(&[0, 1, honest + 1, 1_000, 1 << 31, u64::MAX / 2, u64::MAX]),
            _ => honest + 1_000 * (self.pages as u64 + 1),
        }
    }

    fn answer(&mut self, mut answer: Response) -> Response {
        self.pages += 1;
        if let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) {
            match body["compositeResponse"].as_array_mut() {
                Some(parts) => {
                    let at = self.part % parts.len().max(1);
                    parts.get_mut(at).into_iter().for_each(|part| self.twist(part));
                }
                None => self.twist(&mut body),
            }
            answer.body = body.to_string().into();
        }
        let counted = answer.header("x-total-count").and_then(|count| count.parse().ok()).unwrap_or(0);
        answer.headers.retain(|(name, _)| name != "x-total-count");
        answer.headers.push(("x-total-count".to_owned(), self.count(counted).to_string()));
        answer
    }

    fn twist(&mut self, node: &mut Value) {
        match node {
            Value::Array(list) => list.iter_mut().for_each(|node| self.twist(node)),
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    match value {
                        Value::Array(rows) if LISTS.contains(&key.as_str()) => self.rows(rows),
                        _ => self.twist(value),
                    }
                }
                self.lead_on(map);
            }
            _ => {}
        }
    }

    fn rows(&mut self, rows: &mut Vec<Value>) {
        match self.trick {
            Trick::Empty => rows.clear(),
            Trick::Growing => {
                let once = rows.clone();
                (1..self.pages.min(5)).for_each(|_| rows.extend(once.iter().cloned()));
            }
            _ => {}
        }
    }

    /// There is more, it says, wherever the form of the answer can say so.
    fn lead_on(&mut self, map: &mut serde_json::Map<String, Value>) {
        let is_list = LISTS.iter().any(|list| map.get(*list).is_some_and(Value::is_array));
        if !is_list && !map.contains_key("has_more") {
            return;
        }
        let next = self.next();
        for (key, value) in map.iter_mut() {
            match key.as_str() {
                "after_cursor" => *value = json!(next),
                "end_of_stream" | "done" | "isLast" => *value = json!(false),
                "has_more" => *value = json!(true),
                "total" | "totalSize" => *value = json!(self.count(value.as_u64().unwrap_or(0))),
                _ => {}
            }
        }
        let honest = self.trick == Trick::Lies;
        if map.contains_key("records") && !honest {
            let plain = next.starts_with('p');
            let next =
                if plain { format!("/services/data/v66.0/query/01g{next}-2000") } else { next.clone() };
            map.insert("nextRecordsUrl".to_owned(), json!(next));
        }
        if (map.contains_key("issues") || map.contains_key("issueChangeLogs"))
            && !map.contains_key("total")
            && !honest
        {
            map.insert("nextPageToken".to_owned(), json!(next));
        }
    }
}

/// A vendor out of a book: what it once answered, with one list of it twisted.
struct Scripted {
    tape: Arc<Tape>,
    twist: Mutex<Twist>,
    /// Whether it is a page of the twisted list, the question, and how often it was asked.
    asked: Mutex<HashMap<(bool, String), usize>>,
}

impl Scripted {
    /// An instant has passed: questions may be asked anew. How often one page was asked for until now, at most.
    fn forget(&self) -> usize {
        let asked = std::mem::take(&mut *self.asked.lock().expect("no panic"));
        asked
            .into_iter()
            .filter(|((is_twisted, _), _)| *is_twisted)
            .map(|(_, times)| times)
            .max()
            .unwrap_or(0)
    }
}

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let mut twist = self.twist.lock().expect("no panic");
        let what = format!("{} {:?}", request.path, request.body.as_ref().map(|(_, body)| body));
        let kind = kind_of(&request);
        let is_twisted = kind == twist.list || kind.contains("/query/");
        let mut asked = self.asked.lock().expect("no panic");
        let times = asked.entry((is_twisted, what.clone())).or_default();
        *times += 1;
        assert!(
            !is_twisted || *times <= SAME_MAX,
            "{:?} of {}: asked {times} times: {what}",
            twist.trick,
            twist.list
        );
        let all: usize = asked.values().sum();
        assert!(all <= ASKED_MAX, "{:?} of {}: {all} questions, the last {what}", twist.trick, twist.list);
        // The next page of a query is a page of the list that is twisted.
        let answer = match kind.contains("/query/") {
            true => self.tape.rest_of(&twist.list, twist.part),
            false => self.tape.answer(&request),
        };
        Ok(match is_twisted {
            true => twist.answer(answer),
            false => answer,
        })
    }
}

/// An engine with an empty database before that vendor. Without a rule, it polls each minute.
pub async fn engine(
    world: &World,
    connector: Arc<dyn Connector>,
    http: Arc<dyn Transport>,
    clock: Arc<HandClock>,
) -> (Engine, Arc<SqliteStore>, Place) {
    judging(world, PolicySet::default(), minutes(1), connector, http, clock).await
}

/// The same, with rules, and polling so often.
pub async fn judging(
    world: &World,
    policies: PolicySet,
    poll_interval: SignedDuration,
    connector: Arc<dyn Connector>,
    http: Arc<dyn Transport>,
    clock: Arc<HandClock>,
) -> (Engine, Arc<SqliteStore>, Place) {
    let directory = Place::new();
    directory.gives_those_of(&world.endpoints());
    let path = directory.path().join("dutyd.db");
    let store = Arc::new(SqliteStore::open(&path, 7, clock.read()).await.expect("a store"));
    let source = SourceSetup {
        name: SOURCE.to_owned(),
        connector,
        http,
        mode: Mode::Observe,
        poll_interval,
        writes_per_hour: 1_000,
        start_from: None,
    };
    let (_, policy) = watch::channel(Arc::new(policies));
    let setup = Setup {
        store: store.clone(),
        clock,
        policy,
        sources: vec![source],
        channels: Vec::new(),
        retention: Retention::default(),
        seed: 1,
    };
    (Engine::new(setup).await.expect("an engine"), store, directory)
}

async fn settle(units: &[Arc<dyn Unit>], what: &str) {
    for _ in 0..TICKS_MAX {
        let mut worked = false;
        for unit in units {
            worked |= unit.tick().await.expect("no failure of the store") == Tick::Worked;
        }
        if !worked {
            return;
        }
    }
    panic!("{what}: it goes on for ever");
}

/// Asks, on one pagination, and whether the source said so or put something aside.
async fn one(
    subject: &'static Subject,
    world: &World,
    connector: &Arc<dyn Connector>,
    tape: &Arc<Tape>,
    nth: u64,
) -> (usize, bool) {
    let mut dice = Dice::new(seed() * 1_000_000 + nth);
    let (list, is_scan) = dice.pick(tape.lists()).clone();
    let (trick, part) = (*dice.pick(&TRICKS), dice.below(4));
    let what = format!("{} {nth}: {trick:?} of {list}", subject.vendor);
    let twist = Twist { list, trick, part, dice, pages: 0 };
    let http = Arc::new(Scripted { tape: tape.clone(), twist: Mutex::new(twist), asked: Mutex::default() });
    let clock = Arc::new(HandClock::new(world.now()));
    let (engine, store, _directory) = engine(world, connector.clone(), http.clone(), clock.clone()).await;
    let units = engine.units();
    let (mut same, mut alarmed) = (0, false);
    for round in 0..2 {
        settle(&units, &what).await;
        let health = engine.health().remove(0);
        let row = store.sources(clock.read()).await.expect("read").remove(0);
        same = same.max(http.forget());
        let reason = health.read_trouble.clone().unwrap_or_default();
        alarmed |= reason.len() > 10 || row.quarantined > 0;
        // A list of cases that never ends has no end that could have been seen.
        let endless = is_scan && trick != Trick::Lies && trick != Trick::Growing;
        assert!(
            !endless || health.caught_up_at.is_none(),
            "{what}, round {round}: taken for read to its end"
        );
        assert!(!endless || alarmed, "{what}, round {round}: nobody is told");
        clock.pass(minutes(6));
    }
    (same, alarmed)
}

async fn hostile(subject: &'static Subject) {
    let world = World::new(subject, &Setting { cases: 6, page_size: 10, ..Setting::new(false) }).await;
    world.pass_the_lag().await;
    let tape = Arc::new(Tape::record(&world).await);
    let endpoints = &world.endpoints();
    let (config, secrets) = (subject.source)(endpoints, 10);
    let (count, mut same, mut alarmed) = (wanted("DUTYD_PAGINGS", 60), 0, 0);
    for nth in 0..count {
        // What a connector has learned of the site must not come from the book's last reader.
        let connector: Arc<dyn Connector> = Arc::from(build(SOURCE, &config, &secrets).expect("a connector"));
        let (most, told) = one(subject, &world, &connector, &tape, nth).await;
        same = same.max(most);
        alarmed += u64::from(told);
    }
    assert!(alarmed > 0, "{}: nobody was ever told", subject.vendor);
    measured(
        &format!("G10.{}", subject.vendor),
        &format!(
            "{}: {count} hostile paginations, each ended, no question asked more than {same} times, {alarmed} with an alarm",
            subject.vendor
        ),
    );
}

/// G10
#[tokio::test]
async fn hostile_pages_of_servicenow_end_with_an_alarm() {
    hostile(&SERVICENOW).await;
}

/// G10
#[tokio::test]
async fn hostile_pages_of_zendesk_end_with_an_alarm() {
    hostile(&ZENDESK).await;
}

/// G10
#[tokio::test]
async fn hostile_pages_of_jira_cloud_end_with_an_alarm() {
    hostile(&CLOUD).await;
}

/// G10
#[tokio::test]
async fn hostile_pages_of_jira_data_center_end_with_an_alarm() {
    hostile(&DATA_CENTER).await;
}

/// G10
#[tokio::test]
async fn hostile_pages_of_salesforce_end_with_an_alarm() {
    hostile(&SALESFORCE).await;
}
