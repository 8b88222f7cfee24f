//! `dutyd explain --clocks`: the life of every clock of a case, as a table, as a picture and as JSON.

use super::calendar::{PolicyAt, local};
use super::moment::moment;
use super::{Exit, Failure, Format, ask, clocks_drawn, print_bytes, print_json};
use crate::archive::Archive;
use crate::clock::{Clock, SystemClock};
use crate::config::Place;
use crate::desk::{Answer, Ask};
use dutyd_core::calendar::Calendar;
use dutyd_core::decide::end_of_second;
use dutyd_core::policy::PolicySet;
use dutyd_core::sla::history::HistoryDoc;
use dutyd_core::sla::{ClockLife, ClockState, Label, Step, StepKind, lives};
use dutyd_core::state::CaseState;
use jiff::Timestamp;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to explain.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// `source/number`, `source/id`, or a number if it is unique.
    #[arg(required_unless_present_any = ["timeline", "verify"], conflicts_with_all = ["timeline", "verify"])]
    pub case: Option<String>,
    /// Show the life of every clock: each step with its reason, what was used and what is left.
    #[arg(long)]
    pub clocks: bool,
    /// The clocks of a case and its timeline in a JSON file; `dutyd schema timeline` describes it.
    #[arg(long, value_name = "FILE")]
    pub timeline: Option<PathBuf>,
    /// As of a second, by what was known by its end: 2026-03-02T14:05:00+01:00, 2026-03-02T13:05:00Z, or as explain
    /// prints it, "2026-03-02 13:05:00 UTC"; now without it.
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Instead of one case: whether the recorded evidence of every decision still gives the verdict that was acted on.
    #[arg(long, conflicts_with_all = ["timeline", "clocks", "at"])]
    pub verify: bool,
    #[command(flatten)]
    pub policy: PolicyAt,
}

pub fn run(place: &Place, explain: &Explain, format: Format) -> Result<Exit, Failure> {
    if explain.verify {
        return ask::run(place, Ask::Recount, format);
    }
    let at = asked_at(place, explain)?;
    let case = match (&explain.timeline, &explain.case) {
        (Some(path), _) => {
            let at = at.unwrap_or_else(|| SystemClock::default().now());
            return of_timeline(place, path, &explain.policy, at, format);
        }
        (None, case) => case.clone().unwrap_or_default(),
    };
    if !explain.clocks {
        if explain.policy.dir.is_some() {
            return Err(Failure::new(Exit::Problems, "--policy is about clocks: add --clocks"));
        }
        return ask::run(place, Ask::Explain { case, at }, format);
    }
    let (answer, settings) = ask::answered(place, Ask::History { case })?;
    match answer {
        Answer::History(history) => {
            let current = Arc::new(explain.policy.load(place)?);
            let older = Archive::new(&settings.state_dir).adopted_by(&history.state, &current.id);
            let at = at.unwrap_or(history.now);
            print(&PolicySet { current, older }, &history.state, at, format)
        }
        _ => Err(Failure::new(Exit::Io, "the daemon answered something else: is it of this version?")),
    }
}

/// The instant asked for, read in the zone in which instants are printed.
fn asked_at(place: &Place, explain: &Explain) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = &explain.at else { return Ok(None) };
    // Where no settings can be read, the question itself says so, if it needs them.
    let at = moment(text, &super::zone_of(place))
        .map_err(|message| Failure::new(Exit::Problems, format!("--at {message}")))?;
    Ok(Some(at))
}

/// All clocks of a case at an instant, as printed.
#[derive(Debug, Serialize)]
pub struct Told {
    pub case: String,
    pub at: Timestamp,
    pub opened_at: Timestamp,
    /// Content hash of the policy.
    pub policy: String,
    /// By clock, oldest life first.
    pub clocks: Vec<ToldClock>,
}

/// One life of a clock.
#[derive(Debug, Serialize)]
pub struct ToldClock {
    pub clock: String,
    pub label: Label,
    /// Name of the `[[sla]]` entry that gave the target.
    pub sla: String,
    /// 1 for the first life.
    pub cycle: u32,
    /// `running`, `paused`, `met`, `missed` or `cancelled`.
    pub state: &'static str,
    pub paused_because: Option<String>,
    pub calendar: String,
    pub zone: String,
    pub target_seconds: Option<i64>,
    /// Business seconds used, pauses taken out.
    pub elapsed_seconds: i64,
    pub remaining_seconds: Option<i64>,
    pub started_at: Timestamp,
    pub due_at: Option<Timestamp>,
    pub breached_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    /// From the start to the end or to `at`: elapsed, paused and off hours add up to it.
    pub wall_seconds: i64,
    pub paused_seconds: i64,
    pub off_hours_seconds: i64,
    pub steps: Vec<ToldStep>,
    #[serde(skip)]
    pub hours: Arc<Calendar>,
}

/// One step of a life, with where the clock stood just after.
#[derive(Debug, Serialize)]
pub struct ToldStep {
    pub at: Timestamp,
    /// The same instant in the calendar's zone.
    pub at_local: String,
    /// `attach`, `run`, `pause`, `aim`, `breach`, `stop` or `cancel`.
    pub what: &'static str,
    pub because: Option<String>,
    pub elapsed_seconds: i64,
    pub remaining_seconds: Option<i64>,
    pub due_at: Option<Timestamp>,
}

/// The clocks of a case in a JSON timeline.
fn of_timeline(
    place: &Place,
    path: &Path,
    policy: &PolicyAt,
    at: Timestamp,
    format: Format,
) -> Result<Exit, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::io(format!("cannot read {shown}: {error}")))?;
    let refused = |error: &dyn std::fmt::Display| {
        let remedy =
            "dutyd schema timeline describes the file; instants have an offset: 2026-03-02T09:00:00+01:00";
        Failure::new(Exit::Config, format!("{shown}: {error}\n  -> {remedy}"))
    };
    if text.trim_start().starts_with('[') {
        return Err(refused(&"this is a list; write {\"case\": {…}, \"events\": […]}"));
    }
    let doc: HistoryDoc = serde_json::from_str(&text).map_err(|error| refused(&error))?;
    let state = doc.state().map_err(|error| refused(&error))?;
    let policies = PolicySet { current: Arc::new(policy.load(place)?), ..PolicySet::default() };
    print(&policies, &state, at, format)
}

/// Prints the clocks of a case as known by the end of the second of `at`.
fn print(policies: &PolicySet, state: &CaseState, at: Timestamp, format: Format) -> Result<Exit, Failure> {
    let told = tell(policies, &state.as_known_at(end_of_second(at)), at);
    match format {
        Format::Json => print_json(&told),
        Format::Text => print_bytes(clocks_drawn::drawn(&told).as_bytes()),
    }
}

fn tell(policies: &PolicySet, state: &CaseState, at: Timestamp) -> Told {
    Told {
        case: state.case.number.clone(),
        at,
        opened_at: state.case.opened_at,
        policy: policies.current.id.clone(),
        clocks: lives(policies, state, at).into_iter().map(|life| told(life, at)).collect(),
    }
}

fn told(life: ClockLife, at: Timestamp) -> ToldClock {
    let ClockLife { reading, steps, wall_seconds, paused_seconds, off_hours_seconds } = life;
    let (state, paused_because) = match &reading.state {
        ClockState::Running => ("running", None),
        ClockState::Paused { reason } => ("paused", Some(reason.clone())),
        ClockState::Met => ("met", None),
        ClockState::Missed => ("missed", None),
        ClockState::Cancelled => ("cancelled", None),
    };
    ToldClock {
        remaining_seconds: reading.remaining_at(at),
        label: reading.label,
        sla: reading.sla.to_string(),
        cycle: reading.cycle,
        state,
        paused_because,
        calendar: reading.calendar.name.clone(),
        zone: reading.calendar.zone_name().to_owned(),
        target_seconds: reading.target_seconds,
        elapsed_seconds: reading.elapsed_seconds,
        started_at: reading.started_at,
        due_at: reading.due_at,
        breached_at: reading.breached_at,
        stopped_at: reading.stopped_at,
        wall_seconds,
        paused_seconds,
        off_hours_seconds,
        steps: steps.into_iter().map(|step| told_step(step, &reading.calendar)).collect(),
        clock: reading.clock,
        hours: reading.calendar,
    }
}

fn told_step(step: Step, calendar: &Calendar) -> ToldStep {
    let (what, because) = match step.kind {
        StepKind::Attach => ("attach", None),
        StepKind::Run => ("run", None),
        StepKind::Pause { reason } => ("pause", Some(reason.to_string())),
        StepKind::Aim { because } => ("aim", Some(because.to_owned())),
        StepKind::Breach => ("breach", None),
        StepKind::Stop => ("stop", None),
        StepKind::Cancel { because } => ("cancel", Some(because.to_owned())),
    };
    ToldStep {
        at: step.at,
        at_local: local(step.at, &calendar.zone()),
        what,
        because,
        elapsed_seconds: step.elapsed_seconds,
        remaining_seconds: step.remaining_seconds,
        due_at: step.due_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dutyd_core::policy::{Policy, PolicyFile};
    use dutyd_core::timeline::{Actor, EventKind, TimelineEvent};

    const POLICY: &str = "[calendars.office]\nzone = \"Europe/Berlin\"\n[calendars.office.week]\nmon = \"09:00-17:00\"\n\
        tue = \"09:00-17:00\"\n[[sla]]\nname = \"gold\"\ncalendar = \"office\"\n[sla.resolution]\nany = \"8h\"\n\
        pauses = [{ status = [\"on_hold\"], reason = \"with the vendor\" }]";
    const TIMELINE: &str = r#"{ "case": { "number": "INC1" }, "events": [
        { "at": "2026-03-02T09:00:00+01:00", "what": "created" },
        { "at": "2026-03-02T15:00:00+01:00", "what": "status", "to": "on_hold" },
        { "at": "2026-03-02T16:00:00+01:00", "what": "status", "to": "open" },
        { "at": "2026-03-03T14:00:00+01:00", "what": "status", "to": "resolved" } ] }"#;

    fn files(text: &str) -> Vec<PolicyFile> {
        vec![PolicyFile { name: "p.toml".to_owned(), text: text.to_owned() }]
    }

    fn told_at(at: &str) -> Told {
        let policy = Policy::load(&files(POLICY)).unwrap();
        let policies = PolicySet { current: Arc::new(policy), ..PolicySet::default() };
        let at: Timestamp = at.parse().unwrap();
        let state = serde_json::from_str::<HistoryDoc>(TIMELINE).unwrap().state().unwrap();
        tell(&policies, &state.as_known_at(at), at)
    }

    #[test]
    fn every_step_is_told_in_the_calendars_zone_with_what_is_used_and_left() {
        let told = told_at("2026-03-04T09:00:00Z");
        let clock = &told.clocks[0];
        let steps: Vec<(&str, &str, i64, Option<i64>)> = clock
            .steps
            .iter()
            .map(|step| {
                (
                    step.at_local.as_str(),
                    step.what,
                    step.elapsed_seconds / 60,
                    step.remaining_seconds.map(|left| left / 60),
                )
            })
            .collect();
        let expected = [
            ("2026-03-02T09:00:00+01:00", "attach", 0, Some(480)),
            ("2026-03-02T15:00:00+01:00", "pause", 360, Some(120)),
            ("2026-03-02T16:00:00+01:00", "run", 360, Some(120)),
            ("2026-03-03T10:00:00+01:00", "breach", 480, Some(0)),
            ("2026-03-03T14:00:00+01:00", "stop", 720, Some(-240)),
        ];
        assert_eq!(steps, expected);
        assert_eq!(clock.state, "missed");
        let parts = clock.elapsed_seconds + clock.paused_seconds + clock.off_hours_seconds;
        assert_eq!(parts, clock.wall_seconds);
    }

    #[test]
    fn an_earlier_instant_is_answered_by_what_was_known_then() {
        let told = told_at("2026-03-02T14:30:00Z");
        let clock = &told.clocks[0];
        assert_eq!((clock.state, clock.paused_because.as_deref()), ("paused", Some("with the vendor")));
        assert_eq!((clock.steps.len(), clock.remaining_seconds, clock.due_at), (2, Some(7_200), None));
    }

    #[test]
    fn the_picture_shows_work_pause_night_and_breach() {
        let drawn = clocks_drawn::drawn(&told_at("2026-03-04T09:00:00Z"));
        let picture = drawn.lines().find(|line| line.trim_start().starts_with('|')).unwrap();
        for mark in ['█', '╌', '░', '!'] {
            assert!(picture.contains(mark), "{drawn}");
        }
        let said = [
            "missed, 4 h late",
            "pause: with the vendor",
            "attach, target 8 h",
            "4 h over",
            "Mon 2 Mar 09:00",
        ];
        assert!(said.iter().all(|said| drawn.contains(said)), "{drawn}");
    }

    #[test]
    fn the_picture_of_a_running_clock_goes_on_to_its_due_time() {
        let drawn = clocks_drawn::drawn(&told_at("2026-03-02T11:00:00Z"));
        let pictures: Vec<&str> =
            drawn.lines().skip_while(|line| !line.trim_start().starts_with('|')).take(2).collect();
        assert!(pictures[0].contains('█') && pictures[0].contains('▒'), "{drawn}");
        assert!(pictures[1].contains("^now") && pictures[1].ends_with("due Mon 2 Mar 17:00"), "{drawn}");
        assert!(drawn.contains("due if nothing happens"), "{drawn}");
    }

    #[test]
    fn a_case_is_told_by_the_policy_its_clock_adopted() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::new(dir.path());
        let load = |text: &str| Policy::load(&files(text)).unwrap();
        let (older, current) = (load(POLICY), Arc::new(load(&POLICY.replace("\"8h\"", "\"2h\""))));
        archive.keep(&older.id, &files(POLICY)).unwrap();
        let mut state = serde_json::from_str::<HistoryDoc>(TIMELINE).unwrap().state().unwrap();
        let at = state.case.opened_at;
        let adopted = EventKind::TargetAdopted { clock: "resolution".to_owned(), policy: older.id.clone() };
        let event = TimelineEvent {
            id: "adopted".to_owned(),
            at,
            seen_at: at,
            actor: Actor::Dutyd,
            by: None,
            kind: adopted,
        };
        dutyd_core::timeline::merge(&mut state.events, &[event]);
        for (kept, target) in [(archive.adopted_by(&state, &current.id), 8), (Default::default(), 2)] {
            let policies = PolicySet { current: current.clone(), older: kept };
            assert_eq!(tell(&policies, &state, at).clocks[0].target_seconds, Some(target * 3_600));
        }
    }
}
