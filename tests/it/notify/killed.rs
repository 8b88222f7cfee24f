//! The real daemon, killed while a message is on its way: told again under the same id, and nothing else twice.

use super::SIGNING_SECRET;
use super::receiver::Receiver;
use crate::play::{End, Play, world};
use dutyd_sandbox::Options;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

const KILLS: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_while_it_tells_tells_again_under_the_same_id_and_keeps_its_audit_log() {
    let receiver = Receiver::new().await;
    let mut play = Play::of(Options { cases: 10, ..world(24) }).await;
    let write = |name: &str, text: &str| {
        let path = play.stage.dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    };
    write("cred/signing", SIGNING_SECRET);
    let hook = format!(
        "digest = \"09:00\"\n[secrets]\nsigning = {{ credential = \"signing\" }}\n[webhook]\nurl = {:?}\n\
         signing_secret = \"signing\"\n",
        receiver.address("/hook")
    );
    write("notify/duty.toml", &hook);
    let pid: Arc<Mutex<Option<u32>>> = Arc::default();
    let victim = pid.clone();
    // Before each third answer: the message has arrived, the receipt has not.
    receiver.before(move |count| {
        if count % 3 == 2
            && let Some(pid) = victim.lock().expect("not poisoned").take()
        {
            std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill runs");
        }
    });
    while play.kills < KILLS {
        let end = play.run_under(|child| *pid.lock().expect("not poisoned") = Some(child)).await;
        assert_eq!(end, End::Killed, "the world must last for {KILLS} kills");
    }
    play.run().await;
    let mut told: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
    for one in receiver.heard() {
        one.is_signed_with(SIGNING_SECRET);
        told.entry(one.header("webhook-id").to_owned()).or_default().push(one.json()["data"].clone());
    }
    let again = told.values().filter(|bodies| bodies.len() > 1).count() as u64;
    assert!((1..=play.kills).contains(&again), "{again} messages went again after {} kills", play.kills);
    let episodes = |body: &serde_json::Value| -> Vec<String> {
        let flags = body["flags"].as_array().into_iter().flatten();
        flags.map(|flag| format!("{} {} {}", flag["episode"], flag["severity"], flag["clears"])).collect()
    };
    let mut all: Vec<String> = told.values().flat_map(|bodies| episodes(&bodies[0])).collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "nothing is told under two ids");
    assert!(told.values().any(|bodies| bodies[0]["teams"].is_array()), "a digest came");
    play.is_right("killed while telling").await;
    let verified = play.json(&["audit", "verify"]);
    assert_eq!(verified["faults"], serde_json::json!([]), "{verified}");
    assert!(verified["rows"].as_u64().expect("rows") > count as u64);
}
