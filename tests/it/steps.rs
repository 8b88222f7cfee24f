//! Clocks that step, and machines that sleep, under the real binary: a timer fires once, never early in the vendor's time,
//! and soon after the daemon can run again.

use crate::play::dawn;
use crate::reliability::measured;
use crate::rig::{Daemon, Rig, now};
use crate::shim::{Dial, Environment, over};
use dutyd::daemon::DATABASE;
use dutyd::store::Store;
use dutyd::store::sqlite::SqliteStore;
use dutyd_core::decide::DecisionKind;
use dutyd_sandbox::Options;
use dutyd_sandbox::vendor::Command;
use jiff::SignedDuration;
use serde_json::json;

/// Fires two hours after a case was opened.
const RULE: &str = "[[rules]]\nname = \"old\"\ntitle = \"Old\"\ntext = \"Open for {case.age.wall}.\"\n\
                    severity = \"warning\"\nwhen = \"case.open && case.age.wall >= hours(2)\"\n";

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

/// A vendor whose time passes only when told, and a daemon whose clock can be set.
struct Bench {
    rig: Rig,
    daemon: Daemon,
    ours: Dial,
    number: String,
}

impl Bench {
    /// A case was opened just now, and the daemon knows it.
    async fn set() -> Self {
        Self::disturbed(Environment::new()).await
    }

    async fn disturbed(disturbances: Environment) -> Self {
        let rig = Rig::beside(Options { stepped_from: Some(dawn()), ..Options::default() }).await;
        std::fs::create_dir(rig.file("policy")).expect("a folder");
        std::fs::write(rig.file("policy/rules.toml"), RULE).expect("a policy");
        let ours = Dial::at(&rig.file("clock"), 0);
        let mut environment = over(&rig.state_dir());
        environment.push(("SHIM_CLOCK", ours.path()));
        environment.extend(disturbances);
        let daemon = rig.start(&environment);
        let sandbox = rig.sandbox.sandbox().inner.clone();
        let vendor = sandbox.vendor("servicenow").expect("ServiceNow plays");
        let fields = json!({ "title": "Printer on fire", "priority": "normal" });
        let order = Command::Create { fields: fields.as_object().expect("fields").clone() };
        let made = vendor.command(&order, sandbox.stage.clock.now()).expect("a case");
        let id = made["id"].as_str().unwrap_or_else(|| panic!("an id in {made}")).to_owned();
        let known = rig.until(&["status"], |status| status["counts"]["cases"] == 13);
        assert_eq!(known["running"], true);
        let number = format!("desk/{id}");
        Self { rig, daemon, ours, number }
    }

    /// The vendor's time goes on.
    async fn vendor_passes(&self, by: SignedDuration) {
        let sandbox = self.rig.sandbox.sandbox().inner.clone();
        sandbox.stepper.advance(sandbox.stage.clock.now() + by).await;
    }

    fn set_ours(&self, ahead: SignedDuration) {
        self.ours.turn(i64::try_from(ahead.as_nanos()).expect("a few hours"));
    }

    /// Several scans have ended since: polls go on, and the vendor's time was heard.
    fn several_scans(&self) {
        let pages = |status: &serde_json::Value| status["sources"][0]["row"]["pages"].as_u64().unwrap_or(0);
        let before = pages(&self.rig.json(&["status"]));
        self.rig.until(&["status"], |status| pages(status) >= before + 2);
    }

    fn is_flagged(&self) -> bool {
        let told = self.rig.json(&["explain", &self.number]);
        told["flags"].as_array().is_some_and(|flags| !flags.is_empty())
    }

    /// How often the case was flagged in all.
    async fn raised(self) -> usize {
        assert_eq!(self.daemon.stop().code(), Some(0), "{}", self.rig.log());
        let store = SqliteStore::open_to_read(&self.rig.state_dir().join(DATABASE)).expect("a database");
        let case = store.find_cases(&self.number).await.expect("read").remove(0).case;
        let decisions = store.decisions(case).await.expect("read");
        decisions.iter().filter(|row| row.decision.kind == DecisionKind::Raise).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_forth_and_back_by_three_hours_fires_nothing_early_and_stops_nothing() {
    let bench = Bench::set().await;
    for ahead in [3, 0, -3, 0] {
        bench.set_ours(hours(ahead));
        bench.several_scans();
        assert!(!bench.is_flagged(), "{ahead} h: {}", bench.rig.log());
        assert!(bench.rig.log().contains("the clock jumped"), "{}", bench.rig.log());
    }
    // Set back for good; then the vendor's two hours pass, and ours with them.
    bench.set_ours(hours(-3));
    bench.several_scans();
    bench.vendor_passes(hours(2)).await;
    bench.set_ours(hours(-1));
    bench.rig.until(&["explain", &bench.number], |told| told["flags"][0]["rule"] == "old");
    assert_eq!(bench.raised().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_slept_over_a_deadline_fires_it_once_and_soon() {
    let bench = Bench::set().await;
    bench.several_scans();
    assert!(!bench.is_flagged());
    bench.daemon.signal("STOP");
    bench.vendor_passes(hours(2)).await;
    bench.set_ours(hours(2));
    bench.daemon.signal("CONT");
    let woken = now();
    bench.rig.until(&["explain", &bench.number], |told| told["flags"][0]["rule"] == "old");
    let late = now().duration_since(woken).as_secs_f64();
    bench.several_scans();
    assert_eq!(bench.raised().await, 1);
    measured(
        "G22",
        &format!(
            "2 h asleep: fired once, {late:.1} s after waking; set by ±3 h, and ten times too fast: none early, each once"
        ),
    );
}

/// Both ways of a clock that cannot be relied on: ours goes ten times too fast, and is seen by the vendor's word only.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_ten_times_too_fast_fires_nothing_early_and_all_of_it_once() {
    let bench = Bench::disturbed(vec![("SHIM_DRIFT", "10".into())]).await;
    for minutes in [30, 60, 29] {
        bench.several_scans();
        assert!(!bench.is_flagged(), "{}", bench.rig.log());
        bench.vendor_passes(SignedDuration::from_mins(minutes)).await;
    }
    // A minute is left on the vendor's clock.
    bench.several_scans();
    assert!(!bench.is_flagged(), "{}", bench.rig.log());
    bench.vendor_passes(SignedDuration::from_mins(2)).await;
    bench.rig.until(&["explain", &bench.number], |told| told["flags"][0]["rule"] == "old");
    bench.several_scans();
    assert_eq!(bench.raised().await, 1);
}
