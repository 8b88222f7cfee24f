//! `dutyd check`: everything that is wrong, with its place and what to do; nothing is changed.

use super::words::count;
use super::{Exit, Failure, Format, print_json, print_text};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Place, Source, Survey, policy_files};
use crate::http::{HttpTransport, client};
use crate::metrics::Metrics;
use dutyd_connectors::{Connector, ConnectorError, Ctx, Finding};
use dutyd_core::policy::{Listed, Policy};
use dutyd_core::problem::Problem;
use serde::Serialize;
use std::sync::Arc;

/// What `check` found, as printed.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// In files: dutyd cannot start, or would not load the policy.
    problems: Vec<Problem>,
    /// Worth knowing; nothing is broken.
    remarks: Vec<Problem>,
    /// In the vendors' systems, with `--online`.
    systems: Vec<System>,
    /// Those whose files are right.
    sources: usize,
    /// By which people are told; `dutyd notify test NAME` tries one.
    channels: usize,
    rules: usize,
    /// Else the rules are the shipped ones.
    own_policy: bool,
    /// Examples in the rules that were run.
    examples: usize,
    /// Customers as the systems list them.
    #[serde(skip)]
    customers: Vec<Listed>,
}

/// One source as measured.
#[derive(Debug, Serialize)]
struct System {
    source: String,
    account: String,
    time_zone: Option<String>,
    findings: Vec<Finding>,
    /// It could not be measured.
    unreachable: Option<String>,
}

pub fn run(place: &Place, online: bool, format: Format) -> Result<Exit, Failure> {
    let survey = Survey::of(place);
    let mut report = Report {
        problems: survey.problems.clone(),
        remarks: survey.remarks.clone(),
        sources: survey.config.sources.len(),
        channels: survey.config.channels.len(),
        own_policy: config::has_own_policy(&place.dir),
        ..Report::default()
    };
    if survey.files.is_empty() && survey.problems.is_empty() {
        report.remarks.push(config::no_source(place));
    }
    if online {
        measured(place, &survey.config, &mut report)?;
    }
    policy(place, &survey, &mut report);
    report.remarks.extend(old_zones());
    match format {
        Format::Json => print_json(&report)?,
        Format::Text => print_text(&report.text(online))?,
    };
    Ok(report.exit())
}

/// One remark for all zones whose rules on this machine are older than the newest known.
fn old_zones() -> Option<Problem> {
    let found = dutyd_core::calendar::zone_database_findings();
    let first = found.first()?;
    let others: Vec<&str> = found.iter().skip(1).map(|finding| finding.zone.as_str()).collect();
    let others = if others.is_empty() { String::new() } else { format!("; so for {}", others.join(", ")) };
    Some(Problem::of_file("time zones", format!("{}{others}", first.message), &first.remedy))
}

fn policy(place: &Place, survey: &Survey, report: &mut Report) {
    let policy = policy_files(&place.dir).and_then(|files| Ok((Policy::load(&files)?, files)));
    match policy {
        Ok((policy, files)) => {
            let policy = Arc::new(policy);
            report.rules = policy.rules.len();
            report.examples = policy.examples_count();
            report.problems.extend(policy.run_examples());
            report.remarks.extend(policy.findings().iter().cloned());
            report.remarks.extend(policy.rules.is_empty().then(|| no_rule(place)));
            // With a source unknown every name could be its.
            if !survey.is_partial {
                let sources = survey.files.iter().map(|file| (file.name.as_str(), &file.config));
                report.remarks.extend(config::strangers(&files, sources));
            }
            let suggestions = policy.customer_suggestions(&report.customers).into_iter();
            report.remarks.extend(suggestions.map(|text| {
                Problem::of_file("policy/customers.toml", text, "or leave it: nothing is guessed")
            }));
        }
        Err(problems) => report.problems.extend(problems),
    }
}

fn no_rule(place: &Place) -> Problem {
    let folder = place.dir.join("policy").display().to_string();
    let remedy = "put rules there, or remove the folder: then the shipped policy is in force";
    Problem::of_file(&folder, "there is no rule in it: nothing is ever flagged", remedy)
}

/// Measures the sources whose files are right.
fn measured(place: &Place, config: &Config, report: &mut Report) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io(error.to_string()))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    for source in &config.sources {
        let network = &config.settings.network;
        let door = client(network, &source.origin).and_then(|client| {
            let connector: Arc<dyn Connector> = Arc::from(source.connector());
            let metrics = Arc::new(Metrics::default());
            let door = HttpTransport::new(&source.name, client, connector.clone(), clock.clone(), metrics)?;
            Ok((connector, door))
        });
        let (connector, door) = match door {
            Ok(door) => door,
            Err(reason) => {
                let file = place.dir.join("dutyd.toml").display().to_string();
                report.problems.push(Problem::of_file(&file, reason, "see [network]"));
                break;
            }
        };
        let cx = Ctx { http: &door, now: clock.now() };
        let mut identity = runtime.block_on(connector.check(&cx));
        if let Ok(identity) = &mut identity {
            report.customers.append(&mut identity.customers);
        }
        report.systems.push(system(source, identity));
    }
    Ok(())
}

fn system(source: &Source, identity: Result<dutyd_connectors::Identity, ConnectorError>) -> System {
    let name = source.name.clone();
    match identity {
        Ok(identity) => System {
            source: name,
            account: identity.account,
            time_zone: identity.time_zone,
            findings: identity.findings,
            unreachable: None,
        },
        Err(error) => System {
            source: name,
            account: String::new(),
            time_zone: None,
            findings: Vec::new(),
            unreachable: Some(in_words(source, &error)),
        },
    }
}

/// Why a system could not be measured, with the next step.
fn in_words(source: &Source, error: &ConnectorError) -> String {
    let host = source.origin.host_str().unwrap_or_default();
    match error {
        ConnectorError::SignedOut { reason } => {
            format!("{host} does not let us in: {reason}; check the account and its secret")
        }
        ConnectorError::Unavailable { reason } | ConnectorError::Unknown { reason } => {
            format!("{host} cannot be reached: {reason}; check the address, the network and the proxy")
        }
        ConnectorError::Throttled { .. } => format!("{host} asks us to wait: {error}; try again later"),
        ConnectorError::Refused { .. } | ConnectorError::Sealed { .. } | ConnectorError::Malformed { .. } => {
            format!("{host} does not answer as its documents say: {error}")
        }
    }
}

impl Report {
    fn blocking(&self) -> usize {
        let findings = self.systems.iter().flat_map(|system| &system.findings);
        findings.filter(|finding| finding.blocking).count()
    }

    fn unreached(&self) -> usize {
        self.systems.iter().filter(|system| system.unreachable.is_some()).count()
    }

    fn exit(&self) -> Exit {
        match (self.problems.len() + self.blocking(), self.unreached()) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::Unreachable,
            _ => Exit::Problems,
        }
    }

    fn text(&self, online: bool) -> String {
        let mut lines: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        lines.extend(self.remarks.iter().map(|remark| format!("remark: {remark}")));
        for system in &self.systems {
            lines.push(system.text());
        }
        lines.push(self.summary(online));
        lines.join("\n") + "\n"
    }

    fn summary(&self, online: bool) -> String {
        let counted = |many: usize, what: &str| (many > 0).then(|| count(many as u64, what));
        let wrong =
            counted(self.problems.len() + self.blocking(), "problem").map(|some| format!("{some} to mend"));
        let unreached = counted(self.unreached(), "system").map(|some| format!("{some} not reached"));
        let remarks = counted(self.remarks.len(), "remark");
        if wrong.is_some() || unreached.is_some() {
            return [wrong, unreached, remarks].into_iter().flatten().collect::<Vec<_>>().join(", ");
        }
        let rule = if self.own_policy { "rule" } else { "shipped rule" };
        let rules =
            format!("{} with {}", count(self.rules as u64, rule), count(self.examples as u64, "example"));
        let all = [
            Some(count(self.sources as u64, "source")),
            counted(self.channels, "channel"),
            Some(rules),
            remarks,
        ];
        let more = if online { "" } else { "; add --online to measure the systems themselves" };
        format!("ok: {}{more}", all.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl System {
    fn text(&self) -> String {
        let name = &self.source;
        if let Some(reason) = &self.unreachable {
            return format!("{name}: {reason}");
        }
        let zone = self.time_zone.as_deref().map(|zone| format!(", time zone {zone}")).unwrap_or_default();
        let mut text = format!("{name}: signed in as {}{zone}", self.account);
        for finding in &self.findings {
            let kind = if finding.blocking { "problem" } else { "remark" };
            text.push_str(&format!("\n  {kind}: {}\n    -> {}", finding.message, finding.remedy));
        }
        text
    }
}
