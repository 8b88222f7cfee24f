//! Clocks against the vectors of other systems, against a naive oracle, and against mistakes in policies.

use super::*;
use crate::case::{Case, CaseKey, Party, Priority, Status};
use crate::policy::{Policy, PolicyFile};
use crate::problem::Problem;
use crate::state::CaseState;
use crate::timeline::merge;
use std::collections::BTreeMap;

mod bad;
mod custom;
mod mid_flight;
mod oracle;
mod vectors;

fn load(text: &str) -> Result<Policy, Vec<Problem>> {
    Policy::load(&[PolicyFile { name: "policy/targets.toml".to_owned(), text: text.to_owned() }])
}

fn policies(text: &str) -> PolicySet {
    let policy = load(text).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"));
    PolicySet { current: Arc::new(policy), older: BTreeMap::new() }
}

/// 2026-03-02 is a Monday. `09:00`, `09:00:30`, or `wed 09:00`.
fn at(text: &str) -> Timestamp {
    let (day, time) = text.split_once(' ').unwrap_or(("mon", text));
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "mon2", "tue2"];
    let day = days.iter().position(|name| *name == day).unwrap_or_else(|| panic!("{text}")) + 2;
    let time = if time.len() == 5 { format!("{time}:00") } else { time.to_owned() };
    format!("2026-03-{day:02}T{time}Z").parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn party(name: &str) -> Option<Party> {
    (name != "nobody").then(|| Party { id: name.to_owned(), name: name.to_owned() })
}

fn status(word: &str) -> Status {
    *Status::ALL.iter().find(|status| status.word() == word).unwrap_or_else(|| panic!("{word}"))
}

/// A case and its timeline from lines such as `09:30 status open`, `10:00 customer`, `10:50 agent`, `11:00 note`,
/// `12:00 priority 1`, `12:00 team db`, `12:00 owner ann`, `13:00 merged`.
fn case_of(lines: &[&str]) -> CaseState {
    let mut now = (Status::New, Some(Priority(3)), None, party("desk"));
    let mut events = Vec::new();
    for (nth, line) in lines.iter().enumerate() {
        let mut words: Vec<&str> = line.split(' ').collect();
        let time = if words[0].contains(':') {
            words.remove(0).to_owned()
        } else {
            words.drain(..2).collect::<Vec<_>>().join(" ")
        };
        let rest = words.get(1).copied().unwrap_or_default();
        let mut actor = Actor::Agent;
        let kind = match words[0] {
            "created" => {
                actor = Actor::Customer;
                EventKind::Created { signals: Vec::new() }
            }
            "opened-by-agent" => EventKind::Created { signals: Vec::new() },
            "customer" => {
                actor = Actor::Customer;
                EventKind::Replied { public: true, signals: Vec::new() }
            }
            "agent" => EventKind::Replied { public: true, signals: Vec::new() },
            "note" => EventKind::Replied { public: false, signals: Vec::new() },
            "ours" => {
                actor = Actor::Dutyd;
                EventKind::Replied { public: true, signals: Vec::new() }
            }
            "status" => {
                let from = std::mem::replace(&mut now.0, status(rest));
                EventKind::StatusChanged { from, to: now.0 }
            }
            "priority" => {
                let from = std::mem::replace(&mut now.1, rest.parse().ok().map(Priority));
                EventKind::PriorityChanged { from, to: now.1 }
            }
            "owner" => {
                let from = std::mem::replace(&mut now.2, party(rest));
                EventKind::OwnerChanged { from, to: now.2.clone() }
            }
            "team" => {
                let from = std::mem::replace(&mut now.3, party(rest));
                EventKind::TeamChanged { from, to: now.3.clone() }
            }
            "merged" => EventKind::MergedInto { case: "other".to_owned() },
            other => panic!("{other}"),
        };
        let at = at(&time);
        events.push(TimelineEvent { id: format!("e{nth:03}"), at, seen_at: at, actor, by: None, kind });
    }
    let opened_at = events[0].at;
    let updated_at = events.iter().map(|event| event.at).max().unwrap_or(opened_at);
    let mut ordered = Vec::new();
    merge(&mut ordered, &events);
    let case = Case {
        status: now.0,
        priority: now.1,
        owner: now.2,
        team: now.3,
        updated_at,
        ..Case::opened(CaseKey::new("test", "1"), opened_at)
    };
    CaseState { events: ordered, ..CaseState::new(case) }
}

fn read(policies: &PolicySet, state: &CaseState, clock: &str, now: &str) -> ClockReading {
    let readings = read_clocks(policies, state, at(now));
    let names: Vec<String> = readings.iter().map(|reading| reading.clock.clone()).collect();
    readings
        .into_iter()
        .find(|reading| reading.clock == clock)
        .unwrap_or_else(|| panic!("{clock} is not in {names:?}"))
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

/// A policy of one entry after a preset, around the clock.
fn like(preset: &str, rest: &str) -> PolicySet {
    policies(&format!("[[sla]]\nname = \"test\"\nlike = \"{preset}\"\n{rest}"))
}
