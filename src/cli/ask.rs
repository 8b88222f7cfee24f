//! Commands that ask: the running daemon over its socket, or else the database.

use super::outcome::tell;
use super::{
    Exit, Failure, Format, audit, print_bytes, print_json, print_text, show, show_explain, show_plan,
};
use crate::archive::Archive;
use crate::clock::{Clock, StoppedClock, SystemClock};
use crate::config::{self, Connectors, Place, Settings};
use crate::control;
use crate::daemon::load_policy;
use crate::desk::{Answer, Ask, Desk, Desked, Recount, Refusal};
use crate::store::Store as _;
use crate::store::sqlite::SqliteStore;
use dutyd_core::policy::{Policy, PolicySet};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::path::Path;
use std::sync::Arc;

pub fn run(place: &Place, ask: Ask, format: Format) -> Result<Exit, Failure> {
    let (answer, settings) = answered(place, ask)?;
    let printed = print(&answer, format, &settings)?;
    Ok(match &answer {
        Answer::Verified(verified) if !verified.is_whole() => Exit::Problems,
        _ => printed,
    })
}

/// The answer, unprinted. What is wrong in files that it can do without is told on stderr.
pub fn answered(place: &Place, ask: Ask) -> Result<(Answer, Settings), Failure> {
    let (settings, problems) = config::settings_as_far(&place.dir);
    if !place.dir.is_dir() {
        return Err(Failure::config(&problems));
    }
    tell(&problems);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io(error.to_string()))?;
    let answer = runtime.block_on(answer(place, &settings, ask))?;
    Ok((answer, settings))
}

async fn answer(place: &Place, settings: &Settings, ask: Ask) -> Result<Answer, Failure> {
    let socket = &settings.control.socket;
    let live = control::ask(socket, &ask).await.map_err(|error| {
        Failure::new(
            Exit::Unreachable,
            format!("the daemon's socket {}: {error}{}", socket.display(), or_sudo(&error)),
        )
    })?;
    let answer = match live {
        Some(answer) => answer,
        None => {
            let desk = desk(place, settings, &ask).await?;
            desk.answer(ask).await
        }
    };
    answer.map_err(|refusal| Failure::new(exit(&refusal), refusal.to_string()))
}

fn exit(refusal: &Refusal) -> Exit {
    match refusal {
        Refusal::NotFound(_) => Exit::Problems,
        Refusal::NeedsDaemon(_) => Exit::Unreachable,
        Refusal::Policy(_) => Exit::Config,
        Refusal::Io(_) => Exit::Io,
    }
}

/// A desk over the database alone. It needs no secrets, and no more of the configuration than can be understood: a broken
/// one is the usual reason why no daemon runs.
async fn desk(place: &Place, settings: &Settings, ask: &Ask) -> Result<Desk, Failure> {
    let store = open(settings)?;
    let (sources, problems) = Connectors::read(&place.dir, settings).files();
    tell(&problems);
    let archive = Archive::new(&settings.state_dir);
    let policy = match load_policy(place) {
        Ok(policy) => policy,
        // This one is about the policy on disk.
        Err(problems) if *ask == Ask::Plan => return Err(Failure::config(&problems)),
        Err(problems) => {
            let last = last_in_force(&store, &archive).await?;
            let last = last.ok_or_else(|| Failure::config(&problems))?;
            tell(&problems);
            eprintln!("dutyd: answered by the policy last in force, {}", last.id);
            last
        }
    };
    let older = archive.older(&policy.id);
    let policies = Arc::new(PolicySet { current: policy, older });
    Ok(Desk {
        clock: clock(settings, &store).await?,
        store: Arc::new(store),
        policies: tokio::sync::watch::channel(policies).1,
        sources: sources.iter().map(Desked::of_file).collect(),
        live: None,
    })
}

/// The policy that the daemon worked by when it ended, if it is kept.
async fn last_in_force(store: &SqliteStore, archive: &Archive) -> Result<Option<Arc<Policy>>, Failure> {
    let past = store.past().await.map_err(|error| Failure::io(error.to_string()))?;
    Ok(past.policy_at(Timestamp::MAX).and_then(|id| archive.kept(id)))
}

/// The database, to read.
pub fn open(settings: &Settings) -> Result<SqliteStore, Failure> {
    let database = settings.state_dir.join(crate::daemon::DATABASE);
    SqliteStore::open_to_read(&database).map_err(|error| absent(&database, &error))
}

/// The machine's clock; of a database that followed a sandbox, the instant at which that world stood still.
pub async fn clock(settings: &Settings, store: &SqliteStore) -> Result<Arc<dyn Clock>, Failure> {
    let system = SystemClock::default();
    if settings.sandbox.clock.is_none() {
        return Ok(Arc::new(system));
    }
    let sources = store.sources(system.now()).await.map_err(|error| Failure::io(error.to_string()))?;
    let last = sources.iter().filter_map(|source| source.pulled_at).max();
    Ok(Arc::new(StoppedClock(last.unwrap_or(system.now()))))
}

/// What most often helps somebody who may not.
fn or_sudo(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => "; run it as root, with sudo",
        _ => "",
    }
}

fn absent(database: &Path, error: &dyn std::fmt::Display) -> Failure {
    let shown = database.display();
    match database.try_exists() {
        Ok(true) => return Failure::io(format!("the database {shown} cannot be read: {error}")),
        Err(error) => {
            return Failure::io(format!("the database {shown} cannot be read: {error}{}", or_sudo(&error)));
        }
        Ok(false) => {}
    }
    Failure::new(
        Exit::Unreachable,
        format!("no daemon runs, and there is no database {shown}; start it: dutyd run"),
    )
}

fn print(answer: &Answer, format: Format, settings: &Settings) -> Result<Exit, Failure> {
    let zone = TimeZone::get(&settings.text.zone).unwrap_or(TimeZone::UTC);
    match (format, answer) {
        (Format::Json, Answer::Status(status)) => print_json(status),
        (Format::Json, Answer::List(list)) => print_json(list),
        (Format::Json, Answer::Explanation(told)) => print_json(told),
        (_, Answer::History(history)) => print_json(&history.state),
        (Format::Json, Answer::Parked(rows)) => print_json(rows),
        (Format::Json, Answer::Audit(rows)) => print_json(rows),
        (Format::Json, Answer::Verified(verified)) => print_json(verified),
        (Format::Text, Answer::Audit(rows)) => print_text(&audit::rows(rows, &zone)),
        (Format::Text, Answer::Verified(verified)) => print_text(&audit::verdict(verified)),
        (Format::Json, Answer::Plan(plan)) => print_json(plan),
        (Format::Text, Answer::Plan(plan)) => print_text(&show_plan::plan(plan)),
        (_, Answer::Recount(found)) => recounted(found, format),
        (Format::Json, Answer::Done { said }) => print_json(&serde_json::json!({ "said": said })),
        (Format::Text, Answer::Status(status)) => print_text(&show::status(status, &zone)),
        (Format::Text, Answer::List(list)) => print_text(&show::list(list, &zone)),
        (Format::Text, Answer::Explanation(told)) => print_text(&show_explain::explain(told, &zone)),
        (Format::Text, Answer::Parked(rows)) => print_text(&show::parked(rows, SystemClock::default().now())),
        (Format::Text, Answer::Done { said }) => print_text(&format!("{said}\n")),
    }
}

/// Evidence that gives another verdict is a problem.
fn recounted(found: &Recount, format: Format) -> Result<Exit, Failure> {
    match format {
        Format::Json => print_json(found)?,
        Format::Text => print_bytes(show_plan::recount(found).as_bytes())?,
    };
    Ok(if found.different == 0 { Exit::Done } else { Exit::Problems })
}
