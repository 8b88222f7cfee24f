//! What reading a case costs in Zendesk and Jira, beside a bare loop over the very same requests, in turns.

use crate::process::Owned;
use crate::puller::{BARE_ROLE, ROLE};
use crate::{quantile, sorted};
use anyhow::Context;
use dutyd::demo::Stage;
use dutyd_sandbox::Options;
use serde_json::{Value, json};

const ROUNDS: usize = 3;
/// A vendor that is measured, and who signs in for the bare loop.
struct Subject {
    vendor: &'static str,
    user: fn(&Value) -> String,
}

const SUBJECTS: [Subject; 2] = [
    Subject { vendor: "zendesk", user: |told| format!("{}/token", told["email"].as_str().unwrap_or("")) },
    Subject { vendor: "jira", user: |told| told["email"].as_str().unwrap_or("").to_owned() },
];

pub async fn measure(cases: u64) -> anyhow::Result<()> {
    println!(
        "pull: {cases} cases of each, read and stored by the daemon's pull unit and by reqwest, serde_json and SQLite alone"
    );
    for subject in &SUBJECTS {
        measure_one(subject, cases).await.with_context(|| subject.vendor)?;
    }
    Ok(())
}

async fn measure_one(subject: &Subject, cases: u64) -> anyhow::Result<()> {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let short = tempfile::tempdir()?;
    let options =
        Options { calm: true, vendors: vec![subject.vendor.to_owned()], cases, ..Options::default() };
    let stage = Stage::raise(&short.path().join("dutyd"), options, "60s").await?;
    let settings = stage.dir.join("dutyd.toml");
    let text = std::fs::read_to_string(&settings)?;
    // The clock of the wall, as in production.
    std::fs::write(&settings, text.split("[sandbox]").next().unwrap_or(&text))?;
    let vendor = stage.running.sandbox().inner.vendor(subject.vendor).context("no such vendor")?;
    if subject.vendor == "zendesk" {
        vendor.switch("requests_per_minute", &json!(0)).map_err(anyhow::Error::msg)?;
    }
    let told = stage.running.endpoints()[subject.vendor].clone();
    let text = |name: &str| told[name].as_str().map(str::to_owned).context("not said by the sandbox");
    let (base, password) = (text("base_url")?, text("api_token")?);
    let requests = place.path().join("requests.json").display().to_string();
    let database = |name: String| place.path().join(name).display().to_string();
    let dir = stage.dir.display().to_string();
    ours(&[dir.clone(), database("recorded.db".to_owned()), cases.to_string(), requests.clone()]).await?;
    let (mut mine, mut bare) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let given = [
            requests.clone(),
            database(format!("b{round}")),
            base.clone(),
            (subject.user)(&told),
            password.clone(),
        ];
        bare.push(role(BARE_ROLE, &given).await?);
        mine.push(
            ours(&[dir.clone(), database(format!("d{round}")), cases.to_string(), "-".to_owned()]).await?,
        );
    }
    print(subject.vendor, cases, &mine, &bare);
    Ok(())
}

async fn ours(given: &[String]) -> anyhow::Result<Value> {
    role(ROLE, given).await
}

async fn role(role: &'static str, given: &[String]) -> anyhow::Result<Value> {
    let given = given.to_vec();
    Ok(tokio::task::spawn_blocking(move || Owned::role(role, &given)).await??.1)
}

fn middle(rounds: &[Value], name: &str) -> f64 {
    quantile(&sorted(rounds.iter().filter_map(|round| round[name].as_f64()).collect()), 0.5)
}

fn print(vendor: &str, cases: u64, mine: &[Value], bare: &[Value]) {
    let per_case = |rounds: &[Value]| middle(rounds, "cpu") * 1e6 / cases as f64;
    let (ours, limit) = (per_case(mine), per_case(bare));
    let kilobytes = middle(bare, "bytes") / 1e3 / cases as f64;
    println!("  {vendor}: {:.0} requests, {kilobytes:.1} KB per case", middle(bare, "requests"));
    println!("    dutyd                     {ours:8.0} µs of processor time per case");
    println!("    bare                      {limit:8.0} µs");
    println!("    ratio                     {:8.2}     (goal at most 2.5)", ours / limit);
    println!(
        "    peak memory               {:8.1} MB  (goal at most 100; bare {:.1})",
        middle(mine, "peak_mb"),
        middle(bare, "peak_mb")
    );
}
