//! `dutyd backtest`: what is asked, which policy stands beside the one tried, and how far it is.

use super::calendar::PolicyAt;
use super::moment::{day_or_moment, since};
use super::{Exit, Failure, Format, ask, print_bytes, print_json, show_backtest};
use crate::archive::Archive;
use crate::backtest::{self, Against, Contest, Pass, Question};
use crate::config::{self, Place, Settings};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store as _, StoreError};
use clap::ValueEnum;
use dutyd_core::action::Severity;
use dutyd_core::decide::Knowledge;
use dutyd_core::policy::{Policy, PolicySet};
use dutyd_core::problem::nearest;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

/// What to judge, and against what.
#[derive(Debug, clap::Args)]
pub struct Backtest {
    #[command(flatten)]
    pub policy: PolicyAt,
    /// Count flags raised from then on: a span back from the end (30d, 12h), a date, or an instant (RFC 3339).
    #[arg(long, value_name = "WHEN", default_value = "30d")]
    pub since: String,
    /// Judge up to then: a date, or an instant; now without it.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Print only this rule.
    #[arg(long, value_name = "NAME")]
    pub rule: Option<String>,
    /// Judge only the cases of this source; neighbours are counted in all.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// What counts as a bad end: an SLA target missed, a person's answer `escalated`, or the vendor's own escalated mark.
    #[arg(long, value_enum, default_value = "missed")]
    pub against: Bad,
    /// With `--against missed`: only the target of this clock.
    #[arg(long, value_name = "NAME")]
    pub clock: Option<String>,
    /// With `--against escalated`: what the connector file calls the vendor's field.
    #[arg(long, value_name = "NAME", default_value = "escalated")]
    pub field: String,
    /// A flag counts from when it is at least so severe: watch, warning, candidate or critical.
    #[arg(long, value_name = "SEVERITY", default_value = "watch", value_parser = severity)]
    pub severity: Severity,
    /// Count events from when they happened, not from when dutyd learned them: for the time before it was installed.
    #[arg(long)]
    pub as_it_happened: bool,
}

/// See [`Against`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Bad {
    Missed,
    Confirmed,
    Escalated,
}

pub fn run(place: &Place, asked: &Backtest, format: Format) -> Result<Exit, Failure> {
    let settings = config::settings(&place.dir).map_err(|problems| Failure::config(&problems))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io(error.to_string()))?;
    runtime.block_on(judge(place, &settings, asked, format))
}

async fn judge(
    place: &Place,
    settings: &Settings,
    asked: &Backtest,
    format: Format,
) -> Result<Exit, Failure> {
    let store = ask::open(settings)?;
    let question = question(asked, settings, &store).await?;
    let (contest, standing) = contest(place, settings, asked, &store).await?;
    check_names(asked, &contest, &store).await?;
    let cases = store.counts(question.until).await.map_err(|error| failed(&error))?.cases;
    let mut progress = Progress::new(cases);
    let found = backtest::run(&store, &contest, &question, |pass, read| progress.show(pass, read)).await;
    progress.end();
    let mut found = found.map_err(|error| failed(&error))?;
    if let Some(rule) = &asked.rule {
        found.rules.retain(|name, _| name == rule);
    }
    match format {
        Format::Json => print_json(&found),
        Format::Text => print_bytes(show_backtest::page(&found, standing, &question.zone).as_bytes()),
    }
}

fn failed(error: &StoreError) -> Failure {
    Failure::io(error.to_string())
}

async fn question(asked: &Backtest, settings: &Settings, store: &SqliteStore) -> Result<Question, Failure> {
    let zone = TimeZone::get(&settings.text.zone).unwrap_or(TimeZone::UTC);
    let now = ask::clock(settings, store).await?.now();
    let until = match &asked.until {
        Some(text) => day_or_moment(text, &zone).map_err(|wrong| wrong_when("--until", &wrong))?.min(now),
        None => now,
    };
    let since = since(&asked.since, &zone).map_err(|wrong| wrong_when("--since", &wrong))?.before(until);
    let watched = store.past().await.map_err(|error| failed(&error))?.watched_from;
    let since = match watched.values().min() {
        Some(first) if !asked.as_it_happened => since.max(*first),
        _ => since,
    };
    if since >= until {
        let message = format!("--since {since} is not before --until {until}: nothing lies between");
        return Err(Failure::new(Exit::Problems, message));
    }
    Ok(Question {
        since,
        until,
        source: asked.source.clone(),
        severity: asked.severity,
        against: match asked.against {
            Bad::Missed => Against::Missed { clock: asked.clock.clone() },
            Bad::Confirmed => Against::Confirmed,
            Bad::Escalated => Against::Escalated { field: asked.field.clone() },
        },
        knowledge: if asked.as_it_happened { Knowledge::AsHappened } else { Knowledge::AsLearned },
        zone,
    })
}

/// What is wrong with an option that takes a moment.
pub fn wrong_when(option: &str, wrong: &str) -> Failure {
    Failure::new(Exit::Problems, format!("{option} {wrong}"))
}

fn severity(word: &str) -> Result<Severity, String> {
    let known = || Severity::ALL.map(Severity::word).join(", ");
    Severity::ALL
        .into_iter()
        .find(|severity| severity.word() == word)
        .ok_or_else(|| format!("one of {}", known()))
}

/// How the policy tried stands to the one in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    InForce,
    Beside,
    /// The one in force is not kept, or no daemon has run yet.
    Alone,
}

async fn contest(
    place: &Place,
    settings: &Settings,
    asked: &Backtest,
    store: &SqliteStore,
) -> Result<(Contest, Standing), Failure> {
    let files = asked.policy.files(place)?;
    let tried = Arc::new(Policy::load(&files).map_err(|problems| Failure::config(&problems))?);
    let archive = Archive::new(&settings.state_dir);
    let in_force = store.past().await.map_err(|error| failed(&error))?.policy;
    let (beside, standing) = match &in_force {
        Some(id) if *id == tried.id => (None, Standing::InForce),
        Some(id) => archive.kept(id).map_or((None, Standing::Alone), |kept| (Some(kept), Standing::Beside)),
        None => (None, Standing::Alone),
    };
    let current = beside.clone().unwrap_or_else(|| tried.clone());
    let older = archive.older(&current.id);
    let alone = |current| PolicySet { current, ..PolicySet::default() };
    let clocks = PolicySet { current, older };
    Ok((Contest { tried: alone(tried), beside: beside.map(alone), clocks }, standing))
}

async fn check_names(asked: &Backtest, contest: &Contest, store: &SqliteStore) -> Result<(), Failure> {
    let policies = || std::iter::once(&contest.tried).chain(&contest.beside).map(|set| &set.current);
    let rules: BTreeSet<&str> =
        policies().flat_map(|policy| &policy.rules).map(|rule| rule.name.as_str()).collect();
    check_name("--rule", "no rule", asked.rule.as_deref(), &rules)?;
    let clocks = contest.clocks.current.sla.clock_names();
    check_name("--clock", "no clock", asked.clock.as_deref(), &clocks.into_iter().collect())?;
    let past = store.past().await.map_err(|error| failed(&error))?;
    let sources: BTreeSet<&str> = past.watched_from.keys().map(String::as_str).collect();
    check_name("--source", "no source", asked.source.as_deref(), &sources)
}

fn check_name(option: &str, none: &str, name: Option<&str>, known: &BTreeSet<&str>) -> Result<(), Failure> {
    let Some(name) = name.filter(|name| !known.contains(name)) else { return Ok(()) };
    let near = nearest(name, known.iter().copied());
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let all = known.iter().copied().collect::<Vec<_>>().join(", ");
    Err(Failure::new(Exit::Problems, format!("{option}: {none} is called `{name}`{hint} (known: {all})")))
}

/// How far it is, on stderr: one line that is written over in a terminal, a line per tenth elsewhere.
struct Progress {
    cases: u64,
    terminal: bool,
    told: u64,
}

impl Progress {
    fn new(cases: u64) -> Self {
        Self { cases: cases.max(1), terminal: std::io::stderr().is_terminal(), told: 0 }
    }

    fn show(&mut self, pass: Pass, read: u64) {
        let before = if pass == Pass::Cases { self.cases } else { 0 };
        let tenths = (10 * (before + read) / (2 * self.cases)).min(10);
        let what = match pass {
            Pass::Neighbours => "counting neighbours",
            Pass::Cases => "judging",
        };
        let mut stderr = std::io::stderr().lock();
        // Who does not read how far it is, loses nothing.
        if self.terminal {
            write!(stderr, "\r\x1b[K{what}: {read} of {} cases", self.cases).ok();
        } else if tenths > self.told {
            self.told = tenths;
            writeln!(stderr, "{what}: {read} of {} cases", self.cases).ok();
        }
        stderr.flush().ok();
    }

    fn end(&self) {
        if self.terminal {
            write!(std::io::stderr().lock(), "\r\x1b[K").ok();
        }
    }
}
