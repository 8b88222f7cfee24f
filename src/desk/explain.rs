//! `dutyd explain CASE`: what every rule says about a case and why, what would change it, and what stands on the record.

use super::then::{known_at, policies_at};
use super::{Desk, Refusal};
use crate::store::{DecisionRow, StateRow, Wanted, open_state};
use dutyd_core::action::{Severity, Want};
use dutyd_core::around::Around;
use dutyd_core::case::SeenMarks;
use dutyd_core::decide::{DecisionKind, end_of_second, whole_second};
use dutyd_core::evidence::AtomRead;
use dutyd_core::policy::PolicySet;
use dutyd_core::rule::{Facts, Rule, Verdict, WhatIf};
use dutyd_core::sla::{ClockReading, ClockState, read_clocks};
use dutyd_core::state::{CaseState, Flag, FlagState, Override, Presence};
use dutyd_core::timeline::TimelineEvent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Events and decisions shown, the latest ones.
const LATEST: usize = 12;

/// Everything about one case at one instant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Explanation {
    /// The instant that is told of.
    pub now: Timestamp,
    /// An earlier instant was asked for: what is told was known then. What stands on the record and what is still to be
    /// shown there is left out.
    #[serde(default)]
    pub then: bool,
    /// The policy that judged.
    pub policy: String,
    /// Of an earlier instant: how that policy stands to the one in force then.
    #[serde(default)]
    pub judged_by: JudgedBy,
    pub case: CaseLine,
    pub rules: Vec<RuleLine>,
    /// Open and pending flags.
    pub flags: Vec<Flag>,
    pub overrides: Vec<Override>,
    pub clocks: Vec<ClockLine>,
    /// Facts of the customer, the owner, the team and linked cases. `None`: too many cases to count them as of then.
    #[serde(default)]
    pub around: Option<Around>,
    /// The latest, oldest first.
    pub events: Vec<TimelineEvent>,
    pub events_count: usize,
    /// The oldest events were dropped.
    pub truncated: bool,
    /// What of ours stood on the vendor's record when it was last read.
    pub marks: SeenMarks,
    /// What is still to be shown there.
    pub outbox: Vec<OutboxLine>,
    /// The latest, oldest first.
    pub decisions: Vec<Saying>,
}

/// All that is remembered about one case, and what time it is where it lives.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct History {
    pub now: Timestamp,
    pub state: CaseState,
}

/// Which policy judges an instant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgedBy {
    /// The one in force at that instant.
    #[default]
    InForceThen,
    /// Today's: of the one in force then, by this content hash, the text is not kept.
    NotKept(String),
    /// Today's: nothing says which one was in force then.
    NotKnown,
}

/// The case in one line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaseLine {
    pub source: String,
    pub id: String,
    pub number: String,
    pub title: String,
    pub link: Option<String>,
    pub status: String,
    pub status_raw: String,
    pub priority: Option<u8>,
    pub customer: Option<String>,
    pub tier: Option<String>,
    pub owner: Option<String>,
    pub team: Option<String>,
    pub opened_at: Timestamp,
    pub updated_at: Timestamp,
    pub presence: Presence,
}

/// What one rule says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RuleLine {
    pub rule: String,
    pub version: String,
    pub says: Says,
    pub severity: Option<Severity>,
    /// Whether its flag is raised now.
    pub open: bool,
    /// For a rule that fires: in words. For one that cannot tell: because of what.
    pub why: Option<String>,
    pub atoms: Vec<AtomRead>,
    /// The events that count, by id, the latest ones.
    #[serde(default)]
    pub events: Vec<String>,
    /// When its result may next change if nothing happens.
    pub changes_at: Option<Timestamp>,
    /// When it will fire if nothing happens, or, if it fires now, be quiet.
    #[serde(default)]
    pub turns_at: Option<Timestamp>,
    /// A smallest change that would raise it, or, if it fires now, clear it.
    #[serde(default)]
    pub what_if: Option<WhatIf>,
}

/// The three results of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    Fires,
    CannotTell,
    Quiet,
}

/// One clock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClockLine {
    pub clock: String,
    pub state: String,
    /// Why it stands still.
    pub paused_because: Option<String>,
    pub calendar: String,
    pub target_seconds: Option<i64>,
    pub elapsed_seconds: i64,
    pub started_at: Timestamp,
    pub due_at: Option<Timestamp>,
    pub breached_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
}

/// One want that the vendor has not confirmed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutboxLine {
    pub slot: String,
    /// What shall be shown, shortened.
    pub want: String,
    pub stage: String,
    pub attempts: u32,
    pub next_at: Option<Timestamp>,
    pub because: Option<String>,
}

/// One entry of the decision log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Saying {
    pub at: Timestamp,
    pub rule: String,
    pub kind: DecisionKind,
    pub severity: Severity,
    pub why: String,
}

impl Desk {
    /// `at`: as of that second, by what was known by its end.
    pub(super) async fn explain(&self, name: &str, at: Option<Timestamp>) -> Result<Explanation, Refusal> {
        let row = self.one_case(name).await?;
        let state = open_state(&row.state)?;
        let decisions = self.store.decisions(row.case).await?;
        let (now, policies) = (self.now(), self.policies());
        match at.map(end_of_second) {
            Some(at) if at > end_of_second(now) => Err(Refusal::NotFound(format!(
                "--at {} is still to come; without --at each rule says when it will fire or clear by itself",
                whole_second(at)
            ))),
            Some(at) => {
                let known = known_at(&state, &decisions, at)?;
                let (policies, judged_by) = policies_at(&policies, &self.store.past().await?, at);
                let around = self.around_at(&policies.current, &known, at).await?;
                let before: Vec<DecisionRow> =
                    decisions.into_iter().filter(|row| row.decision.at <= at).collect();
                let told = tell(&policies, &known, around, &before, whole_second(at));
                Ok(Explanation { then: true, judged_by, marks: SeenMarks::default(), ..told })
            }
            None => {
                let mut around = self.store.around(row.case).await?;
                let engine = self.live.as_ref().map(|live| &live.engine);
                around.blind_since =
                    engine.and_then(|engine| engine.unseen_since(&row.key.source, around.blind_since));
                let outbox = self.store.wanted(row.case).await?;
                let told = tell(&policies, &state, Some(around), &decisions, now);
                Ok(Explanation { outbox: outbox.iter().map(outbox_line).collect(), ..told })
            }
        }
    }

    pub(super) async fn history(&self, name: &str) -> Result<History, Refusal> {
        let row = self.one_case(name).await?;
        Ok(History { now: self.now(), state: open_state(&row.state)? })
    }

    /// The one case that a name means.
    pub(super) async fn one_case(&self, name: &str) -> Result<StateRow, Refusal> {
        let mut found = self.store.find_cases(name).await?;
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(Refusal::NotFound(format!(
                "no case is known as `{name}`; write source/number, or see dutyd list"
            ))),
            _ => {
                let names: Vec<String> =
                    found.iter().take(5).map(|row| format!("{}/{}", row.key.source, row.number)).collect();
                Err(Refusal::NotFound(format!("`{name}` means several cases: {}", names.join(", "))))
            }
        }
    }
}

fn tell(
    policies: &PolicySet,
    state: &CaseState,
    around: Option<Around>,
    decisions: &[DecisionRow],
    now: Timestamp,
) -> Explanation {
    let policy = &policies.current;
    let clocks = read_clocks(policies, state, now);
    let unknown = Around::default();
    let facts = Facts::new(policy, state, around.as_ref().unwrap_or(&unknown), &clocks, now);
    let mut rules: Vec<RuleLine> = policy.rules.iter().map(|rule| rule_line(rule, &facts)).collect();
    rules.sort_by_key(|rule| {
        (rule.says, std::cmp::Reverse(rule.severity), rule.turns_at.is_none(), rule.turns_at)
    });
    let shown = |flag: &&Flag| flag.state != FlagState::Cleared;
    Explanation {
        now,
        then: false,
        policy: policy.id.clone(),
        judged_by: JudgedBy::InForceThen,
        case: case_line(state),
        rules,
        flags: state.flags.iter().filter(shown).cloned().collect(),
        overrides: state.overrides.clone(),
        clocks: clocks.iter().map(|clock| clock_line(clock, now)).collect(),
        around,
        events: latest(&state.events),
        events_count: state.events.len(),
        truncated: state.truncated,
        marks: state.marks.clone(),
        outbox: Vec::new(),
        decisions: latest(decisions).iter().map(said).collect(),
    }
}

fn latest<T: Clone>(all: &[T]) -> Vec<T> {
    all[all.len().saturating_sub(LATEST)..].to_vec()
}

fn case_line(state: &CaseState) -> CaseLine {
    let case = &state.case;
    let named = |party: &Option<dutyd_core::case::Party>| party.as_ref().map(|party| party.name.clone());
    CaseLine {
        source: case.key.source.clone(),
        id: case.key.id.clone(),
        number: case.number.clone(),
        title: case.title.clone(),
        link: case.link.clone(),
        status: case.status.word().to_owned(),
        status_raw: case.status_raw.clone(),
        priority: case.priority.map(|priority| priority.0),
        customer: named(&case.customer),
        tier: case.tier.clone(),
        owner: named(&case.owner),
        team: named(&case.team),
        opened_at: case.opened_at,
        updated_at: case.updated_at,
        presence: state.presence,
    }
}

fn rule_line(rule: &Rule, facts: &Facts<'_>) -> RuleLine {
    let flag = facts.state.flags.iter().find(|flag| flag.rule == rule.name);
    let open = flag.is_some_and(|flag| flag.state == FlagState::Open);
    let reading = rule.read(facts, open);
    let (says, severity, why) = match reading.verdict {
        Verdict::Fires(severity) => (Says::Fires, Some(severity), Some(rule.why(facts))),
        Verdict::Quiet => (Says::Quiet, None, None),
        Verdict::CannotTell { because } => (Says::CannotTell, None, Some(because)),
    };
    let evidence = rule.evidence(facts);
    RuleLine {
        rule: rule.name.clone(),
        version: rule.version.clone(),
        says,
        severity,
        open,
        why,
        atoms: evidence.atoms,
        events: evidence.events,
        changes_at: reading.changes_at,
        turns_at: rule.turns_at(facts, open),
        what_if: rule.what_if(facts, open),
    }
}

fn clock_line(clock: &ClockReading, now: Timestamp) -> ClockLine {
    let (state, paused_because) = match &clock.state {
        ClockState::Running => ("running", None),
        ClockState::Paused { reason } => ("paused", Some(reason.clone())),
        ClockState::Met => ("met", None),
        ClockState::Missed => ("missed", None),
        ClockState::Cancelled => ("cancelled", None),
    };
    ClockLine {
        clock: clock.clock.clone(),
        state: state.to_owned(),
        paused_because,
        calendar: clock.calendar.name.clone(),
        target_seconds: clock.target_seconds,
        elapsed_seconds: clock.elapsed_at(now),
        started_at: clock.started_at,
        due_at: clock.due_at,
        breached_at: clock.breached_at,
        stopped_at: clock.stopped_at,
    }
}

fn outbox_line(wanted: &Wanted) -> OutboxLine {
    let want = match &wanted.action.want {
        Want::Mark(None) => "no mark".to_owned(),
        Want::Mark(Some(marker)) => marker.severity.map_or("no severity", Severity::word).to_owned(),
        Want::Why(None) => "nothing".to_owned(),
        Want::Why(Some(text)) => text.clone(),
        Want::Note { body, .. } => body.lines().next().unwrap_or_default().to_owned(),
    };
    OutboxLine {
        slot: wanted.action.slot.word(),
        want,
        stage: wanted.stage.to_string(),
        attempts: wanted.attempts,
        next_at: wanted.next_at,
        because: wanted.because.clone(),
    }
}

fn said(row: &DecisionRow) -> Saying {
    let decision = &row.decision;
    Saying {
        at: decision.at,
        rule: decision.rule.clone(),
        kind: decision.kind,
        severity: decision.severity,
        why: decision.why.clone(),
    }
}
