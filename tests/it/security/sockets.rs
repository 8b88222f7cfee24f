//! The sockets of the real daemon, as a library preloaded into it sees them, while every system answers with addresses that
//! lead elsewhere: it connects to what is configured and asks for no other name.
//!
//! Goal G31 and threat S7: `cargo test --test it security::sockets`.

use super::addresses::{Canaries, Liar, poisoned};
use crate::play::{Play, all_systems};
use crate::reliability::measured;
use crate::shim::witness;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Hostile addresses that each system says, before it becomes honest.
const LIES: usize = 240;

/// What the witness wrote: `connect 127.0.0.1 8080`, `lookup example.org`.
fn attested(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).expect("a witness").lines().map(str::to_owned).collect()
}

fn connect(address: &SocketAddr) -> String {
    format!("connect {} {}", address.ip(), address.port())
}

/// Writes another address into the file of a source.
fn moved(play: &Play, vendor: &str, from: &str, to: &str) {
    let file = play.stage.dir.join(format!("connectors/{vendor}.toml"));
    let text = std::fs::read_to_string(&file).expect("a source");
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(&file, text.replace(from, to)).expect("a source");
}

/// G31, S7
#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_connects_to_its_configured_origins_only() {
    let canaries = Canaries::new().await;
    let mut forms = canaries.forms();
    assert!((300..LIES * 5).contains(&forms.len()), "{} forms", forms.len());
    let mut play = Play::of(all_systems(12)).await;
    let clock = play.stage.running.control_url();
    let clock: SocketAddr =
        clock.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address");
    let mut configured = BTreeSet::from([connect(&clock)]);
    let (mut liars, mut origins) = (Vec::new(), BTreeMap::new());
    let endpoints = play.stage.running.endpoints();
    for (vendor, endpoint) in endpoints.as_object().expect("vendors") {
        let Some(router) = play.stage.running.sandbox().router(vendor) else { continue };
        let served = endpoint["base_url"].as_str().expect("an address");
        forms.rotate_left(LIES);
        let liar = Arc::new(Mutex::new(Liar::new(forms.clone(), LIES)));
        let address = poisoned(router, served, &liar).await;
        moved(&play, vendor, served, &format!("http://{address}"));
        configured.insert(connect(&address));
        origins.insert(vendor.as_str(), format!("http://{address}"));
        liars.push(liar);
    }
    let file = play.stage.dir.join("sockets");
    play.disturbed = witness(&file);
    play.run().await;

    let told: usize = liars.iter().map(|liar| liar.lock().expect("a liar").told).sum();
    assert_eq!(told, liars.len() * LIES, "together they said every one");
    let status = play.json(&["status"]);
    let sources = status["sources"].as_array().expect("sources");
    assert!(sources.iter().all(|source| source["row"]["imported"] == true), "all were read: {status}");
    let sockets = attested(&file);
    let foreign: Vec<_> = sockets.iter().filter(|line| !configured.contains(*line)).collect();
    assert_eq!(foreign, Vec::<&String>::new());
    let used: BTreeSet<_> = sockets.iter().cloned().collect();
    assert_eq!(used, configured, "and the witness saw each of them");
    assert_eq!(canaries.caught().await, 0);

    // Told by its admin to go elsewhere, it does, and the witness sees that.
    let elsewhere = canaries.addresses[1];
    moved(&play, "zendesk", &origins["zendesk"], &format!("http://{elsewhere}"));
    moved(&play, "jira", &origins["jira"], &format!("http://localhost:{}", canaries.addresses[0].port()));
    let file = play.stage.dir.join("sockets-elsewhere");
    let mut check = Command::new(env!("CARGO_BIN_EXE_dutyd"));
    check.args(["check", "--online", "--config"]).arg(&play.stage.dir).envs(witness(&file));
    let said = check.output().expect("dutyd runs");
    let seen = attested(&file);
    for foreign in [connect(&elsewhere), "lookup localhost".to_owned()] {
        assert!(seen.contains(&foreign), "{foreign} in {seen:?}: {said:?}");
    }

    measured(
        "G31.sockets",
        &format!(
            "real daemon against {} systems that said {told} hostile addresses: {} connections, 0 of them foreign, no name asked for",
            liars.len(),
            sockets.len()
        ),
    );
}
