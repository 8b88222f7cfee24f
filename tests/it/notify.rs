//! People are told: of what, when, how often, and in which form. A real engine over a scripted vendor, and a receiver on
//! loopback that notes what it hears.

mod forms;
mod killed;
mod reading;
mod receiver;
mod whom;

use crate::canary::Place;
use crate::engine::{Double, NoNetwork, Record, page, policies};
use crate::fixture::{HandClock, SOURCE, change, key, minutes, start};
use dutyd::config::{Mode, NetworkSettings};
use dutyd::engine::{ChannelSetup, Engine, Setup, SourceSetup, Unit};
use dutyd::http::Door;
use dutyd::metrics::Metrics;
use dutyd::notify::{Channel, DigestAt, Kind, Threshold};
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{NoticeBounds, Order, ParkedKind, Retention, Store, Token};
use dutyd_connectors::{ConnectorError, Page};
use dutyd_core::action::{Marker, Severity};
use dutyd_core::case::{CaseChange, Party, Priority, SeenMarks, Status};
use dutyd_core::policy::PolicySet;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use receiver::Receiver;
use secrecy::SecretString;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;

const RULES: &str = r#"
[[rules]]
name = "urgent"
title = "Urgent case"
text = "Priority is {case.priority}."
severity = "candidate"
when = "case.open && case.priority == 2"

[[rules]]
name = "burning"
title = "Burning case"
text = "Priority is {case.priority}."
severity = "critical"
when = "case.open && case.priority == 1"
"#;

/// An hour after the first version of every case.
fn noon() -> Timestamp {
    start() + minutes(60)
}

pub fn channel(kind: Kind) -> Channel {
    Channel {
        name: "duty".to_owned(),
        file: "duty.toml".to_owned(),
        severity: Threshold::Candidate,
        sources: Vec::new(),
        teams: Vec::new(),
        observe: false,
        group_above: 5,
        digest: None,
        zone: TimeZone::UTC,
        kind,
    }
}

pub const SIGNING_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

pub fn webhook(receiver: &Receiver) -> Channel {
    let url = receiver.address("/hook").parse().expect("an address");
    channel(Kind::Webhook { url, secret: SecretString::from(SIGNING_SECRET) })
}

/// A case at its `version`-th minute with this priority.
fn urgent(id: &str, version: i64, priority: u8) -> CaseChange {
    let mut change = change(id, version);
    change.case.priority = Some(Priority(priority));
    change
}

/// A daemon whose vendor, clock and receiver are in our hands.
struct Duty {
    directory: Arc<Place>,
    clock: Arc<HandClock>,
    double: Arc<Double>,
    store: Arc<SqliteStore>,
    engine: Engine,
    units: Vec<Arc<dyn Unit>>,
    policy: watch::Sender<Arc<PolicySet>>,
    mode: Mode,
    channel: Channel,
    metrics: Arc<Metrics>,
}

impl Duty {
    async fn new(channel: Channel) -> Self {
        Self::with(channel, Mode::Write, Arc::new(Double::new())).await
    }

    async fn with(channel: Channel, mode: Mode, double: Arc<Double>) -> Self {
        let directory = Arc::new(Place::new());
        directory.gives("the signing key", SIGNING_SECRET);
        let clock = Arc::new(HandClock::new(noon()));
        Self::over(directory, clock, double, mode, channel, policies(RULES)).await
    }

    async fn over(
        directory: Arc<Place>,
        clock: Arc<HandClock>,
        double: Arc<Double>,
        mode: Mode,
        channel: Channel,
        policies: PolicySet,
    ) -> Self {
        use dutyd::clock::Clock;
        let path = directory.path().join("dutyd.db");
        let store = Arc::new(SqliteStore::open(&path, 7, clock.now()).await.expect("a store"));
        let (policy, watched) = watch::channel(Arc::new(policies));
        let source = SourceSetup {
            name: SOURCE.to_owned(),
            connector: double.clone(),
            http: Arc::new(NoNetwork),
            mode,
            poll_interval: minutes(1),
            writes_per_hour: 1_000,
            start_from: None,
        };
        let door = Door::new(&channel, &NetworkSettings::default()).expect("a door");
        let metrics = Arc::new(Metrics::default());
        let setup = Setup {
            store: store.clone(),
            clock: clock.clone(),
            policy: watched,
            sources: vec![source],
            channels: vec![ChannelSetup {
                channel: Arc::new(channel.clone()),
                door,
                metrics: metrics.clone(),
            }],
            retention: Retention::default(),
            seed: 1,
        };
        let engine = Engine::new(setup).await.expect("an engine");
        let units = engine.units();
        Self { directory, clock, double, store, engine, units, policy, mode, channel, metrics }
    }

    /// The lines of the counter of messages, without its help.
    fn counted(&self) -> Vec<String> {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).expect("written");
        text.lines().filter(|line| line.starts_with("dutyd_messages_total")).map(str::to_owned).collect()
    }

    /// As after a crash: nothing is closed in order.
    async fn restarted(self) -> Self {
        let Self { directory, clock, double, store, engine, units, policy, mode, channel, metrics: _ } = self;
        let policies = PolicySet::clone(&policy.borrow());
        drop((store, engine, units));
        Self::over(directory, clock, double, mode, channel, policies).await
    }

    fn now(&self) -> Timestamp {
        self.clock.read()
    }

    /// Ticks all units until none has anything to do now.
    async fn settle(&self) {
        crate::fixture::settle(&self.units, 1_000).await;
    }

    async fn pass(&self, by: SignedDuration) {
        self.clock.pass(by);
        self.settle().await;
    }

    /// The vendor shows these changes at the next poll.
    async fn changes(&self, changes: Vec<CaseChange>) {
        self.double.page(Ok(Page { changes, ..page(&[], "next") }));
        self.pass(minutes(1)).await;
    }

    async fn parked(&self) -> Vec<String> {
        let rows = self.store.parked().await.expect("read");
        let notices = rows.into_iter().filter(|row| row.kind == ParkedKind::Notice);
        notices.map(|row| format!("{} {} {}", row.id, row.what, row.because)).collect()
    }
}

/// Cases of the flags of an event, with their severities.
fn flags(event: &Value) -> Vec<(String, String)> {
    let flags = event["data"]["flags"].as_array().expect("flags");
    let word = |flag: &Value, key: &str| flag[key].as_str().expect(key).to_owned();
    flags.iter().map(|flag| (word(flag, "number"), word(flag, "severity"))).collect()
}

#[tokio::test]
async fn a_candidate_is_told_once_and_again_only_when_it_is_worse_or_over() {
    let receiver = Receiver::new().await;
    let channel = Channel { observe: true, ..webhook(&receiver) };
    let duty = Duty::with(channel, Mode::Observe, Arc::new(Double::new())).await;
    duty.settle().await;
    assert!(receiver.heard().is_empty());
    duty.changes(vec![urgent("a", 61, 2), urgent("b", 61, 3)]).await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    heard[0].is_signed_with(SIGNING_SECRET);
    let event = heard[0].json();
    assert_eq!((&event["specversion"], &event["type"]), (&"1.0".into(), &"dutyd.flags.v1".into()));
    assert_eq!(event["id"], heard[0].header("webhook-id"));
    assert_eq!(flags(&event), [("INCa".to_owned(), "candidate".to_owned())]);
    let flag = &event["data"]["flags"][0];
    assert_eq!((&flag["why"], &flag["rule_title"]), (&"Priority is 2.".into(), &"Urgent case".into()));

    duty.pass(minutes(30)).await;
    duty.changes(vec![urgent("a", 95, 2)]).await;
    let heard = receiver.heard();
    assert!(heard.is_empty(), "nothing new: {heard:?}");
    duty.changes(vec![urgent("a", 96, 3)]).await;
    duty.pass(minutes(15)).await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].json()["data"]["flags"][0]["clears"], true);
}

#[tokio::test]
async fn a_mark_that_a_person_takes_off_is_told_as_over() {
    let receiver = Receiver::new().await;
    let duty = Duty::new(webhook(&receiver)).await;
    duty.settle().await;
    duty.changes(vec![urgent("a", 61, 2)]).await;
    assert_eq!(receiver.heard().len(), 1);
    duty.changes(vec![urgent("a", 95, 2)]).await;
    let heard = receiver.heard();
    assert_eq!(heard[0].json()["data"]["flags"][0]["clears"], true);
    duty.pass(minutes(60)).await;
    assert!(receiver.heard().is_empty());
}

#[tokio::test]
async fn what_comes_at_once_or_within_a_minute_becomes_one_message_worst_first() {
    let receiver = Receiver::new().await;
    let duty = Duty::new(webhook(&receiver)).await;
    duty.settle().await;
    let mut many: Vec<CaseChange> = (0..12).map(|nth| urgent(&format!("c{nth}"), 61, 2)).collect();
    many.push(urgent("worst", 61, 1));
    duty.changes(many).await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1, "one message for thirteen");
    let told = flags(&heard[0].json());
    assert_eq!((told.len(), told[0].0.as_str()), (13, "INCworst"));

    for nth in 0..4 {
        duty.double.page(Ok(Page { changes: vec![urgent(&format!("d{nth}"), 62, 2)], ..page(&[], "next") }));
        duty.engine.retry_now();
        duty.pass(SignedDuration::from_secs(5)).await;
    }
    assert_eq!(receiver.heard().len(), 4, "up to five within a minute go alone");
    for nth in 4..8 {
        duty.double.page(Ok(Page { changes: vec![urgent(&format!("d{nth}"), 62, 2)], ..page(&[], "next") }));
        duty.engine.retry_now();
        duty.pass(SignedDuration::from_secs(5)).await;
    }
    assert!(receiver.heard().is_empty(), "the next ones wait");
    duty.pass(SignedDuration::from_secs(25)).await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1, "and become one");
    assert_eq!(flags(&heard[0].json()).len(), 4);
}

#[tokio::test]
async fn a_failing_receiver_is_tried_again_under_the_same_id_and_after_bounded_attempts_a_person_is_asked() {
    let receiver = Receiver::new().await;
    let duty = Duty::new(webhook(&receiver)).await;
    duty.settle().await;
    receiver.answers(&[503, 429, 200]);
    duty.changes(vec![urgent("a", 61, 2)]).await;
    duty.pass(minutes(20)).await;
    duty.pass(minutes(20)).await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 3);
    let ids: Vec<&str> = heard.iter().map(|one| one.header("webhook-id")).collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    assert!(duty.parked().await.is_empty());

    receiver.answers(&[503; 12]);
    duty.changes(vec![urgent("b", 120, 1)]).await;
    for _ in 0..30 {
        duty.pass(minutes(20)).await;
    }
    assert_eq!(receiver.heard().len(), 12);
    let parked = duty.parked().await;
    assert_eq!(parked.len(), 1);
    assert!(parked[0].contains("desk/INCb") && parked[0].contains("503"), "{parked:?}");
    duty.store.order(Order::RetryParked { id: None }, duty.now()).await.expect("ordered");
    duty.settle().await;
    let counted = |outcome: &str, count: u32| {
        format!("dutyd_messages_total{{channel=\"duty\",outcome=\"{outcome}\"}} {count}")
    };
    let mut lines = duty.counted();
    lines.sort();
    assert_eq!(lines, [counted("parked", 1), counted("retry", 13), counted("told", 2)]);
    assert_eq!((receiver.heard().len(), duty.parked().await.len()), (1, 0));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_refusal_is_left_to_a_person() {
    for (status, word) in [(302, "redirect"), (400, "400"), (410, "410")] {
        let receiver = Receiver::new().await;
        let duty = Duty::new(webhook(&receiver)).await;
        duty.settle().await;
        receiver.answers(&[status]);
        duty.changes(vec![urgent("a", 61, 2)]).await;
        duty.pass(minutes(60)).await;
        assert_eq!(receiver.heard().len(), 1, "{status}");
        let parked = duty.parked().await;
        assert!(parked.len() == 1 && parked[0].contains(word), "{parked:?}");
    }
}

#[tokio::test]
async fn a_message_sent_before_a_crash_without_a_receipt_goes_again_under_the_same_id() {
    let receiver = Receiver::new().await;
    let duty = Duty::new(webhook(&receiver)).await;
    duty.settle().await;
    receiver.answers(&[503]);
    duty.changes(vec![urgent("a", 61, 2)]).await;
    let first = receiver.heard().remove(0);
    duty.clock.pass(minutes(20));
    let bounds = NoticeBounds { group_above: Some(5), together_max: 100 };
    let flying = duty.store.lease_notices("duty", Token(77), bounds, duty.now()).await.expect("leased");
    assert_eq!(flying.message.expect("a message").message, first.header("webhook-id"));
    let duty = duty.restarted().await;
    duty.settle().await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].header("webhook-id"), first.header("webhook-id"));
    let duty = duty.restarted().await;
    duty.pass(minutes(5)).await;
    assert!(receiver.heard().is_empty(), "what was told is not told again");
}

#[tokio::test]
async fn a_first_import_and_marks_taken_over_tell_nobody() {
    let receiver = Receiver::new().await;
    let duty = Duty::new(webhook(&receiver)).await;
    duty.double
        .page(Ok(Page { changes: vec![urgent("old", 5, 1), urgent("new", 61, 2)], ..page(&[], "one") }));
    duty.settle().await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(flags(&heard[0].json())[0].0, "INCnew", "what changed since we watch is news");

    let mark = "v1 urgent@0123456789ab:candidate:1772438400";
    let marks = SeenMarks { marker: Marker::from_line(mark), ..SeenMarks::default() };
    let mut marked = urgent("marked", 70, 2);
    marked.marks = SeenMarks { notes_complete: true, ..marks };
    duty.changes(vec![marked]).await;
    assert!(receiver.heard().is_empty(), "already raised, by whoever wrote the mark");
    let flags = duty.store.open_flags(10).await.expect("read");
    assert!(flags.iter().any(|flag| flag.number == "INCmarked" && flag.severity == Severity::Candidate));
}

#[tokio::test]
async fn a_database_that_was_lost_tells_nobody_again() {
    let receiver = Receiver::new().await;
    let double = Arc::new(Double::new());
    let marks = SeenMarks { notes_complete: true, ..SeenMarks::default() };
    *double.record.lock().expect("not poisoned") = Some(Record { marks, version: 61 });
    let duty = Duty::with(webhook(&receiver), Mode::Write, double.clone()).await;
    duty.settle().await;
    duty.pass(minutes(2)).await;
    assert_eq!(receiver.heard().len(), 1);
    let amnesiac = Duty::with(webhook(&receiver), Mode::Write, double).await;
    amnesiac.settle().await;
    amnesiac.pass(minutes(5)).await;
    assert!(receiver.heard().is_empty());
}

#[tokio::test]
async fn a_reload_wave_tells_nobody() {
    let receiver = Receiver::new().await;
    let duty = Duty::new(webhook(&receiver)).await;
    duty.changes(vec![urgent("a", 61, 3), urgent("b", 61, 2)]).await;
    assert_eq!(receiver.heard().len(), 1);
    let wider = RULES.replace("case.priority == 2", "case.priority == 3");
    duty.policy.send_replace(Arc::new(policies(&wider)));
    duty.settle().await;
    duty.pass(minutes(30)).await;
    let flagged = duty.store.open_flags(10).await.expect("read");
    assert_eq!((flagged.len(), flagged[0].number.as_str()), (1, "INCa"));
    let told: Vec<Value> = receiver.heard().iter().map(|one| one.json()["data"]["flags"].clone()).collect();
    // Once the dwell of a flag that the wave left behind is over, whoever was told of it hears that it is gone.
    assert!(told.iter().flat_map(|flags| flags.as_array()).flatten().all(|flag| flag["clears"] == true));
    duty.changes(vec![urgent("c", 100, 3)]).await;
    assert_eq!(receiver.heard().len(), 1, "what happens after the wave is told");
}

#[tokio::test]
async fn cases_that_are_only_observed_are_told_to_channels_that_ask_for_them() {
    for (observe, told) in [(false, 0), (true, 1)] {
        let receiver = Receiver::new().await;
        let channel = Channel { observe, ..webhook(&receiver) };
        let duty = Duty::with(channel, Mode::Observe, Arc::new(Double::new())).await;
        duty.settle().await;
        duty.changes(vec![urgent("a", 61, 2)]).await;
        assert_eq!(receiver.heard().len(), told, "observe = {observe}");
    }
}

#[tokio::test]
async fn a_channel_hears_of_its_severity_sources_and_teams_only() {
    let mut ours = urgent("ours", 61, 1);
    ours.case.team = Some(Party { id: "t1".to_owned(), name: "Payments".to_owned() });
    let mut theirs = urgent("theirs", 61, 1);
    theirs.case.team = Some(Party { id: "t2".to_owned(), name: "Search".to_owned() });
    let mut milder = ours.clone();
    milder.case.priority = Some(Priority(2));
    (milder.case.key, milder.case.number) = (key("mild"), "INCmild".to_owned());
    let table = [
        (Threshold::Critical, vec![], vec!["payments"], vec!["INCours"]),
        (Threshold::Candidate, vec![SOURCE], vec!["t1"], vec!["INCours", "INCmild"]),
        (Threshold::Candidate, vec!["elsewhere"], vec![], vec![]),
    ];
    for (severity, sources, teams, expected) in table {
        let receiver = Receiver::new().await;
        let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let channel =
            Channel { severity, sources: names(sources), teams: names(teams), ..webhook(&receiver) };
        let duty = Duty::new(channel).await;
        duty.settle().await;
        duty.changes(vec![ours.clone(), theirs.clone(), milder.clone()]).await;
        let told: Vec<String> =
            receiver.heard().iter().flat_map(|one| flags(&one.json())).map(|(number, _)| number).collect();
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn a_pager_is_triggered_and_resolved_under_one_key_even_by_a_wave() {
    let receiver = Receiver::new().await;
    let url = receiver.address("/v2/enqueue").parse().expect("an address");
    let duty = Duty::new(channel(Kind::PagerDuty { url, routing_key: SecretString::from("R0") })).await;
    duty.settle().await;
    duty.changes((0..7).map(|nth| urgent(&format!("c{nth}"), 61, 1)).collect()).await;
    let triggered = receiver.heard();
    assert_eq!(triggered.len(), 7, "each alert is opened by itself");
    let keys: Vec<Value> = triggered.iter().map(|one| one.json()["dedup_key"].clone()).collect();
    assert!(triggered.iter().all(|one| one.json()["event_action"] == "trigger"));
    let nothing = RULES.replace("case.priority == 1", "case.priority == 9");
    duty.policy.send_replace(Arc::new(policies(&nothing)));
    duty.settle().await;
    duty.pass(minutes(30)).await;
    let resolved = receiver.heard();
    assert_eq!(resolved.len(), 7);
    for one in resolved {
        let event = one.json();
        assert_eq!(event["event_action"], "resolve");
        assert!(keys.contains(&event["dedup_key"]), "{event}");
    }
}

#[tokio::test]
async fn what_is_over_before_it_was_told_is_not_told() {
    let receiver = Receiver::new().await;
    let duty = Duty::new(Channel { group_above: 1, ..webhook(&receiver) }).await;
    duty.settle().await;
    duty.changes(vec![urgent("a", 61, 2)]).await;
    assert_eq!(receiver.heard().len(), 1);
    duty.double.page(Ok(Page { changes: vec![urgent("b", 61, 2)], ..page(&[], "next") }));
    duty.engine.retry_now();
    duty.pass(SignedDuration::from_secs(5)).await;
    let mut done = urgent("b", 62, 2);
    done.case.status = Status::Resolved;
    duty.double.page(Ok(Page { changes: vec![done], ..page(&[], "next") }));
    duty.engine.retry_now();
    duty.pass(SignedDuration::from_secs(5)).await;
    duty.pass(minutes(5)).await;
    assert!(receiver.heard().is_empty(), "neither raised nor cleared");
}

#[tokio::test]
async fn the_digest_comes_once_a_day_across_restarts_at_the_channels_local_time() {
    let receiver = Receiver::new().await;
    let at = DigestAt(jiff::civil::time(10, 30, 0, 0));
    let zone = TimeZone::get("Europe/Berlin").expect("a zone");
    let duty = Duty::new(Channel { digest: Some(at), zone, ..webhook(&receiver) }).await;
    duty.settle().await;
    let mut case = urgent("a", 61, 2);
    case.case.team = Some(Party { id: "t1".to_owned(), name: "Payments".to_owned() });
    duty.changes(vec![case]).await;
    receiver.heard();
    // 9:01 UTC is 10:01 in Berlin.
    duty.pass(minutes(28)).await;
    assert!(receiver.heard().is_empty());
    duty.pass(minutes(1)).await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1);
    heard[0].is_signed_with(SIGNING_SECRET);
    let event = heard[0].json();
    assert_eq!((&event["type"], &event["data"]["day"]), (&"dutyd.digest.v1".into(), &"2026-03-02".into()));
    let team = &event["data"]["teams"][0];
    assert_eq!((&team["team"], &team["flags"][0]["number"]), (&"Payments".into(), &"INCa".into()));
    let duty = duty.restarted().await;
    duty.settle().await;
    duty.pass(minutes(60)).await;
    assert!(receiver.heard().is_empty(), "once a day");
    duty.pass(SignedDuration::from_hours(23)).await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].json()["data"]["day"], "2026-03-03");
    assert_eq!(heard[0].json()["data"]["unseen"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn a_digest_of_a_source_that_is_not_seen_does_not_say_that_all_is_well() {
    let receiver = Receiver::new().await;
    let at = DigestAt(jiff::civil::time(9, 30, 0, 0));
    let duty = Duty::new(Channel { digest: Some(at), ..webhook(&receiver) }).await;
    duty.settle().await;
    for _ in 0..100 {
        duty.double.page(Err(ConnectorError::SignedOut { reason: "401".to_owned() }));
    }
    duty.pass(minutes(31)).await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let event = heard[0].json();
    let unseen = &event["data"]["unseen"];
    assert_eq!((&unseen[0]["source"], &unseen[0]["because"]), (&SOURCE.into(), &"signed_out".into()));
    assert_eq!(unseen[0]["since"], noon().to_string());
}
