//! One customer in several systems: what rules count is the sum over all of them.

use crate::canary::Place;
use crate::contract::door::Door;
use crate::contract::jira_sites::CLOUD;
use crate::contract::subject::{SERVICENOW, Subject, ZENDESK};
use dutyd::clock::StoppedClock;
use dutyd::config::{Mode, shipped};
use dutyd::engine::{Engine, Setup, SourceSetup, Tick};
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{Retention, Store};
use dutyd_connectors::{Connector, Ctx, build};
use dutyd_core::policy::{Policy, PolicyFile, PolicySet};
use dutyd_sandbox::vendor::Command;
use dutyd_sandbox::{Options, Sandbox};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;

const RULE: &str = "customer-in-trouble";
const CUSTOMER: &str = "Northwind Logistics";
const SYSTEMS: [&Subject; 3] = [&SERVICENOW, &CLOUD, &ZENDESK];

/// A sandbox in which one customer has one urgent case per system.
async fn world() -> Sandbox {
    let start: Timestamp = "2026-03-02T09:00:00Z".parse().expect("an instant");
    let options = Options {
        seed: 7,
        calm: true,
        vendors: SYSTEMS.iter().map(|subject| subject.vendor.to_owned()).collect(),
        cases: 0,
        stepped_from: Some(start),
        ..Options::default()
    };
    let sandbox = Sandbox::build(&options).await.expect("a sandbox");
    for subject in SYSTEMS {
        let order = json!({ "title": "down", "text": "x", "priority": "urgent", "customer": CUSTOMER });
        let Value::Object(fields) = order else { unreachable!("an object") };
        let vendor = sandbox.inner.vendor(subject.vendor).expect("a vendor");
        vendor.command(&Command::Create { fields }, start).expect("a case");
    }
    sandbox.inner.stepper.advance(start + SignedDuration::from_mins(10)).await;
    sandbox
}

/// The shipped policy with another `customers.toml`.
fn policy(customers: &str) -> Policy {
    let mut files = shipped::policy();
    files.retain(|file| file.name != "customers.toml");
    files.push(PolicyFile { name: "customers.toml".to_owned(), text: customers.to_owned() });
    Policy::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// Lets the daemon's engine read and judge everything; the sources whose case has the flag, and its sentence.
async fn flagged(sandbox: &Sandbox, policy: Policy) -> Vec<(String, String)> {
    let now = sandbox.inner.stage.clock.now();
    let directory = Place::new();
    for subject in &SYSTEMS {
        directory.gives_those_of(&sandbox.inner.endpoints()[subject.vendor]);
    }
    let store = SqliteStore::open(&directory.path().join("dutyd.db"), 7, now).await.expect("a store");
    let store = Arc::new(store);
    let current = Arc::new(policy);
    let (_keep, policy) = watch::channel(Arc::new(PolicySet { current, ..PolicySet::default() }));
    let sources = SYSTEMS.iter().map(|subject| source(sandbox, subject)).collect();
    let clock = Arc::new(StoppedClock(now));
    let retention = Retention::default();
    let setup =
        Setup { store: store.clone(), clock, policy, sources, channels: Vec::new(), retention, seed: 1 };
    let engine = Engine::new(setup).await.expect("an engine");
    let units = engine.units();
    for _ in 0..100 {
        let mut worked = false;
        for unit in &units {
            worked |= unit.tick().await.expect("no failure of the store") == Tick::Worked;
        }
        if !worked {
            break;
        }
    }
    let flags = store.open_flags(100).await.expect("read");
    let ours = flags.into_iter().filter(|flag| flag.rule == RULE);
    let mut found: Vec<_> = ours.map(|flag| (flag.key.source, flag.why)).collect();
    found.sort();
    found
}

fn source(sandbox: &Sandbox, subject: &Subject) -> SourceSetup {
    let (config, secrets) = (subject.source)(&sandbox.inner.endpoints()[subject.vendor], 100);
    let connector: Arc<dyn Connector> =
        Arc::from(build(subject.vendor, &config, &secrets).expect("a connector"));
    let profile = connector.profile();
    let router = sandbox.router(subject.vendor).expect("the vendor is there");
    let host = profile.origin.host_str().unwrap_or_default().to_owned();
    let http = Arc::new(Door::new(router, host, profile.sign_in.clone()));
    SourceSetup {
        name: subject.vendor.to_owned(),
        connector,
        http,
        mode: Mode::Observe,
        poll_interval: SignedDuration::from_mins(5),
        writes_per_hour: 1_000,
        start_from: None,
    }
}

#[tokio::test]
async fn urgent_cases_of_one_customer_are_counted_over_all_systems() {
    let sandbox = world().await;
    let flags = flagged(&sandbox, policy(&dutyd::demo::customers(&sandbox))).await;
    let systems: Vec<&str> = flags.iter().map(|(source, _)| source.as_str()).collect();
    assert_eq!(systems, ["jira", "servicenow", "zendesk"], "{flags:?}");
    for (source, why) in &flags {
        let sum = "Northwind Logistics: 3 urgent cases open in 3 systems, 3 open in all.";
        assert_eq!(why, sum, "{source}");
    }
}

#[tokio::test]
async fn aliases_join_names_that_differ_by_the_ids_of_each_system() {
    let sandbox = world().await;
    let joined = dutyd::demo::customers(&sandbox).replace("\"Northwind Logistics\"]", "\"Contoso Group\"]");
    assert_ne!(joined, dutyd::demo::customers(&sandbox));
    assert_eq!(flagged(&sandbox, policy(&joined)).await.len(), 3);
}

#[tokio::test]
async fn without_an_alias_a_customer_of_one_system_is_not_known_in_another() {
    let sandbox = world().await;
    assert_eq!(flagged(&sandbox, policy("")).await, []);
}

#[tokio::test]
async fn customers_that_share_a_domain_are_suggested_until_an_alias_joins_them() {
    let sandbox = world().await;
    let mut listed = Vec::new();
    for subject in SYSTEMS {
        let SourceSetup { connector, http, .. } = source(&sandbox, subject);
        let cx = Ctx { http: http.as_ref(), now: sandbox.inner.stage.clock.now() };
        listed.extend(connector.check(&cx).await.expect("an identity").customers);
    }
    let sources: BTreeSet<&str> = listed.iter().map(|one| one.source.as_str()).collect();
    assert_eq!(sources, BTreeSet::from(["servicenow", "zendesk"]));
    let about = |policy: &Policy| {
        let told = policy.customer_suggestions(&listed);
        told.into_iter().filter(|text| text.contains(CUSTOMER)).collect::<Vec<_>>()
    };
    let strangers = about(&policy(""));
    assert!(
        matches!(&strangers[..], [one] if one.contains("servicenow") && one.contains("zendesk")),
        "{strangers:?}"
    );
    assert_eq!(about(&policy(&dutyd::demo::customers(&sandbox))), [""; 0]);
}
