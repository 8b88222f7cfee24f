//! Webhooks that are forged or said again, through the intake to the engine, while the case has news that a genuine one would
//! bring to light: no decision comes of any of them, and one comes of the genuine one.
//!
//! Goal G14 and threats S1 and S2: `cargo test --test it security::decisions`; `DUTYD_REPLAYS=10000` for the goal's own number.

use super::forged::mutants;
use crate::canary::Place;
use crate::contract::door::Door;
use crate::contract::world::{SOURCE, Setting, World};
use crate::engine::policies;
use crate::fixture::HandClock;
use crate::fuzz::paging::judging;
use crate::fuzz::signing::{SCHEMES, Scheme, genuine, with};
use crate::reliability::{measured, wanted};
use axum::Router;
use axum::body::Body;
use axum::http::Request as HttpRequest;
use dutyd::engine::{Engine, Unit};
use dutyd::metrics::Metrics;
use dutyd::store::Store;
use dutyd::store::sqlite::SqliteStore;
use dutyd::webhook::{Intake, router};
use dutyd_connectors::Delivery;
use dutyd_core::case::CaseKey;
use futures::future::join_all;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::sync::Arc;
use tower::ServiceExt;

/// Deliveries under way at once.
const AT_ONCE: usize = 250;

/// What a delivery is known by again, where that stands in a header.
const IDS: [&str; 2] = ["x-zendesk-webhook-invocation-id", "x-atlassian-webhook-identifier"];

/// Each word in the title is news that makes one decision.
const RULES: &str = r#"
[[rules]]
name = "smoke"
title = "Smoke"
text = "There is smoke."
severity = "warning"
when = "case.open && case.title.contains('smoke')"

[[rules]]
name = "fire"
title = "Fire"
text = "There is fire."
severity = "critical"
when = "case.open && case.title.contains('fire')"
"#;

/// An engine that hears of changes by webhook alone, once it has read what there is.
struct Desk {
    world: World,
    case: CaseKey,
    clock: Arc<HandClock>,
    store: Arc<SqliteStore>,
    intake: Router,
    units: Vec<Arc<dyn Unit>>,
    _engine: Engine,
    _place: Place,
}

impl Desk {
    async fn of(scheme: &Scheme) -> Self {
        let world = World::new(scheme.subject, &Setting::new(false)).await;
        let case = world.create("ringing").await;
        world.pass_the_lag().await;
        let clock = Arc::new(HandClock::new(world.now()));
        let (connector, profile) = (world.connector.clone(), world.connector.profile());
        let vendor = world.sandbox.router(world.subject.vendor).expect("the vendor is there");
        let host = profile.origin.host_str().unwrap_or_default().to_owned();
        let door = Door::new(vendor, host, profile.sign_in.clone()).judged_by(&connector);
        let seldom = SignedDuration::from_hours(24);
        let (engine, store, place) =
            judging(&world, policies(RULES), seldom, connector.clone(), Arc::new(door), clock.clone()).await;
        let intake = Intake {
            connectors: BTreeMap::from([(SOURCE.to_owned(), connector)]),
            rung: Arc::new(|_| {}),
            store: store.clone(),
            clock: clock.clone(),
            metrics: Arc::new(Metrics::default()),
        };
        let (intake, units) = (router(Arc::new(intake)), engine.units());
        let desk = Self { world, case, clock, store, intake, units, _engine: engine, _place: place };
        desk.settle().await;
        desk
    }

    /// The case gets another title, of which only a webhook can tell.
    async fn news(&self, title: &str) -> Delivery {
        self.world.rename(&self.case, title).await;
        self.world.pass_the_lag().await;
        self.clock.set(self.world.now());
        let told = genuine(&self.world, &self.case);
        // Nothing that is signed: the sandbox gives all it is asked for about a case the same one.
        IDS.iter().fold(told, |told, name| with(&told, name, format!("{title} at {}", self.world.now())))
    }

    async fn settle(&self) {
        crate::fixture::settle(&self.units, 1_000).await;
    }

    /// Decisions about any case, after the engine did all there is to do.
    async fn decisions(&self) -> usize {
        self.settle().await;
        let states = self.store.states(0, 1_000).await.expect("states");
        let each = join_all(states.iter().map(|state| self.store.decisions(state.case))).await;
        each.into_iter().map(|decisions| decisions.expect("decisions").len()).sum()
    }

    /// Whether it was taken; `None`: HTTP has no words for it.
    async fn rings(&self, delivery: &Delivery) -> Option<bool> {
        let mut request =
            HttpRequest::post(format!("/hooks/{SOURCE}")).header("content-length", delivery.body.len());
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(delivery.body.clone())).ok()?;
        let Ok(answer) = self.intake.clone().oneshot(request).await;
        Some(answer.status().is_success())
    }
}

/// G14
#[tokio::test]
async fn forged_deliveries_make_no_decision_and_a_genuine_one_does() {
    let (mut sent, mut decided) = (0, 0);
    for scheme in SCHEMES {
        let desk = Desk::of(scheme).await;
        let vendor = scheme.subject.vendor;
        let before = desk.decisions().await;
        let other = genuine(&desk.world, &desk.world.create("another").await);
        let good = desk.news("smoke").await;
        for forged in mutants(scheme, &desk.world, &good, &other, wanted("DUTYD_FORGERIES", 1_250)) {
            let taken = desk.rings(&forged).await;
            assert_ne!(taken, Some(true), "{vendor}: {forged:?}");
            sent += usize::from(taken.is_some());
        }
        assert_eq!(desk.decisions().await, before, "{vendor}: forged ones are believed");
        assert_eq!(desk.rings(&good).await, Some(true), "{vendor}");
        decided += desk.decisions().await - before;
        assert_eq!(desk.decisions().await, before + 1, "{vendor}: the genuine one is not heard");
    }
    assert!(sent >= 5_000, "{sent} forged webhooks");
    measured(
        "G14.forged",
        &format!(
            "{sent} forged webhooks: 0 accepted, 0 decisions; {} genuine ones: {decided} decisions",
            SCHEMES.len()
        ),
    );
}

/// G14
#[tokio::test]
async fn replayed_deliveries_change_nothing() {
    let count = wanted("DUTYD_REPLAYS", 1_000) as usize;
    let mut decided = 0;
    for scheme in SCHEMES {
        let desk = Desk::of(scheme).await;
        let vendor = scheme.subject.vendor;
        let known = desk.news("smoke").await;
        assert_eq!(desk.rings(&known).await, Some(true), "{vendor}");
        let before = desk.decisions().await;
        assert!(before > 0, "{vendor}: the first time it is heard");
        desk.world.rename(&desk.case, "smoke and fire").await;
        desk.world.pass(30).await;
        desk.clock.set(desk.world.now());
        for batch in vec![known; count].chunks(AT_ONCE) {
            let taken = join_all(batch.iter().map(|again| desk.rings(again))).await;
            assert!(taken.iter().all(|taken| *taken == Some(true)), "{vendor}: taken as what is known");
        }
        assert_eq!(desk.decisions().await, before, "{vendor}: a replay counts as news");
        let news = desk.news("smoke and fire!").await;
        assert_eq!(desk.rings(&news).await, Some(true), "{vendor}");
        decided += desk.decisions().await - before;
        assert_eq!(desk.decisions().await, before + 1, "{vendor}: the genuine one is not heard");
    }
    let replayed = count * SCHEMES.len();
    measured(
        "G14.replayed",
        &format!(
            "{replayed} replayed ones: 0 decisions; {} genuine ones: {decided} decisions",
            SCHEMES.len()
        ),
    );
}
