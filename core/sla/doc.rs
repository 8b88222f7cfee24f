//! SLA policies and custom clocks as written in TOML. Places are kept, so that a mistake is shown where it stands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use toml::Spanned;

/// One `[[sla]]` entry. Entries are tried in the order written; for each clock the first one whose `when` holds, and
/// that has the clock, gives its target.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlaDoc {
    /// Shown in explanations.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// Condition on the case as of each moment of its life, in the rule language; absent: every case.
    #[schemars(with = "Option<String>")]
    pub when: Option<Spanned<String>>,
    /// Preset: how clocks start, pause, reopen and change unless said otherwise here.
    pub like: Option<PresetName>,
    /// Name of the calendar of the targets, where neither the case's customer nor its team has one.
    #[schemars(with = "Option<String>")]
    pub calendar: Option<Spanned<String>>,
    /// Time already counted when the calendar of a running clock changes with team or customer: counted again by the
    /// new calendar (`last`), or kept (`sum`).
    pub calendar_change: Option<CalendarChange>,
    pub label: Option<Label>,
    /// What a running clock does when the policy is edited: `keep` its target, or `migrate` to the new one.
    pub policy_edit: Option<PolicyEdit>,
    pub on_priority_change: Option<OnPriorityChange>,
    pub on_reopen: Option<OnReopen>,
    /// A reopening so soon after the resolution is ignored: the clock keeps the verdict it had.
    #[schemars(with = "Option<String>")]
    pub ignore_within: Option<Spanned<String>>,
    /// Whether a clock that begins late, or again, counts from the opening of the case.
    pub retroactive_start: Option<bool>,
    /// Whether pauses before that are taken out.
    pub retroactive_pause: Option<bool>,
    #[schemars(with = "Option<MetricDoc>")]
    pub first_response: Option<Spanned<MetricDoc>>,
    #[schemars(with = "Option<MetricDoc>")]
    pub next_reply: Option<Spanned<MetricDoc>>,
    #[schemars(with = "Option<MetricDoc>")]
    pub periodic_update: Option<Spanned<MetricDoc>>,
    #[schemars(with = "Option<MetricDoc>")]
    pub pausable_update: Option<Spanned<MetricDoc>>,
    #[schemars(with = "Option<MetricDoc>")]
    pub requester_wait: Option<Spanned<MetricDoc>>,
    #[schemars(with = "Option<MetricDoc>")]
    pub agent_work: Option<Spanned<MetricDoc>>,
    #[schemars(with = "Option<MetricDoc>")]
    pub resolution: Option<Spanned<MetricDoc>>,
    #[schemars(with = "Option<MetricDoc>")]
    pub time_to_own: Option<Spanned<MetricDoc>>,
}

impl SlaDoc {
    /// The metrics written, in a fixed order.
    pub fn metrics(&self) -> impl Iterator<Item = (Metric, &Spanned<MetricDoc>)> {
        let all = [
            (Metric::FirstResponse, &self.first_response),
            (Metric::NextReply, &self.next_reply),
            (Metric::PeriodicUpdate, &self.periodic_update),
            (Metric::PausableUpdate, &self.pausable_update),
            (Metric::RequesterWait, &self.requester_wait),
            (Metric::AgentWork, &self.agent_work),
            (Metric::Resolution, &self.resolution),
            (Metric::TimeToOwn, &self.time_to_own),
        ];
        all.into_iter().filter_map(|(metric, doc)| Some((metric, doc.as_ref()?)))
    }

    /// The keys that stand for all its metrics.
    pub(super) fn shared(&self) -> MetricDoc {
        MetricDoc {
            calendar: self.calendar.clone(),
            label: self.label,
            on_priority_change: self.on_priority_change,
            on_reopen: self.on_reopen,
            ignore_within: self.ignore_within.clone(),
            retroactive_start: self.retroactive_start,
            retroactive_pause: self.retroactive_pause,
            ..MetricDoc::default()
        }
    }
}

/// Targets and behaviour of one clock. A target is `"4h"` in the calendar, `"4h calendar time"`, `"end of business
/// day"`, `"end of next business day"` or `"due date"`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricDoc {
    #[schemars(with = "Option<String>")]
    pub p1: Option<Spanned<String>>,
    #[schemars(with = "Option<String>")]
    pub p2: Option<Spanned<String>>,
    #[schemars(with = "Option<String>")]
    pub p3: Option<Spanned<String>>,
    #[schemars(with = "Option<String>")]
    pub p4: Option<Spanned<String>>,
    #[schemars(with = "Option<String>")]
    pub p5: Option<Spanned<String>>,
    /// Target of the priorities not listed, and of cases without one.
    #[schemars(with = "Option<String>")]
    pub any: Option<Spanned<String>>,
    /// Name of the calendar of this clock, stronger than those of customer and team.
    #[schemars(with = "Option<String>")]
    pub calendar: Option<Spanned<String>>,
    /// Whether targets count in the calendar or around the clock, unless a target says so itself.
    pub time: Option<TimeBasis>,
    pub label: Option<Label>,
    /// When the clock does not count. Absent: as in the preset; `[]`: never.
    pub pauses: Option<Vec<PauseDoc>>,
    /// What ends the clock.
    pub stops_on: Option<Vec<StopOn>>,
    pub on_priority_change: Option<OnPriorityChange>,
    pub on_reopen: Option<OnReopen>,
    #[schemars(with = "Option<String>")]
    pub ignore_within: Option<Spanned<String>>,
    pub retroactive_start: Option<bool>,
    pub retroactive_pause: Option<bool>,
}

impl MetricDoc {
    /// This, with what it leaves open taken from `weaker`.
    pub(super) fn over(self, weaker: &MetricDoc) -> MetricDoc {
        MetricDoc {
            p1: self.p1.or_else(|| weaker.p1.clone()),
            p2: self.p2.or_else(|| weaker.p2.clone()),
            p3: self.p3.or_else(|| weaker.p3.clone()),
            p4: self.p4.or_else(|| weaker.p4.clone()),
            p5: self.p5.or_else(|| weaker.p5.clone()),
            any: self.any.or_else(|| weaker.any.clone()),
            calendar: self.calendar.or_else(|| weaker.calendar.clone()),
            time: self.time.or(weaker.time),
            label: self.label.or(weaker.label),
            pauses: self.pauses.or_else(|| weaker.pauses.clone()),
            stops_on: self.stops_on.or_else(|| weaker.stops_on.clone()),
            on_priority_change: self.on_priority_change.or(weaker.on_priority_change),
            on_reopen: self.on_reopen.or(weaker.on_reopen),
            ignore_within: self.ignore_within.or_else(|| weaker.ignore_within.clone()),
            retroactive_start: self.retroactive_start.or(weaker.retroactive_start),
            retroactive_pause: self.retroactive_pause.or(weaker.retroactive_pause),
        }
    }

    /// Targets of P1 to P5, then of any other priority.
    pub(super) fn targets(&self) -> [Option<&Spanned<String>>; 6] {
        [&self.p1, &self.p2, &self.p3, &self.p4, &self.p5, &self.any].map(Option::as_ref)
    }
}

/// A stretch in which a clock does not count.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseDoc {
    /// While the case has one of these statuses.
    #[serde(default)]
    pub status: Vec<crate::case::Status>,
    /// While this holds, in the rule language.
    #[schemars(with = "Option<String>")]
    pub when: Option<Spanned<String>>,
    /// Shown in explanations: "waiting for the customer".
    pub reason: String,
}

/// A clock with conditions of its own: `[clocks.NAME]`. Conditions are asked at each event of the case, in the order
/// stop, cancel, reset, pause or resume.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockDoc {
    /// The clock begins when this holds and `stop` does not.
    #[schemars(with = "String")]
    pub start: Spanned<String>,
    /// The clock ends, met or missed, when this holds.
    #[schemars(with = "Option<String>")]
    pub stop: Option<Spanned<String>>,
    #[schemars(with = "Option<String>")]
    pub pause: Option<Spanned<String>>,
    /// Absent: as soon as `pause` no longer holds.
    #[schemars(with = "Option<String>")]
    pub resume: Option<Spanned<String>>,
    /// The clock begins anew when this and `start` hold.
    #[schemars(with = "Option<String>")]
    pub reset: Option<Spanned<String>>,
    /// The clock no longer applies.
    #[schemars(with = "Option<String>")]
    pub cancel: Option<Spanned<String>>,
    /// Whether the clock is cancelled when `start` no longer holds.
    #[serde(default)]
    pub cancel_without_start: bool,
    /// Shown while paused.
    pub pause_reason: Option<String>,
    #[serde(default)]
    pub recurrence: Recurrence,
    /// Targets and the rest, as in a metric of `[[sla]]`.
    #[schemars(with = "MetricDoc")]
    pub target: Option<Spanned<MetricDoc>>,
    pub like: Option<PresetName>,
    pub policy_edit: Option<PolicyEdit>,
}

/// Data files in `policy/presets/`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PresetDoc {
    pub policy_edit: Option<PolicyEdit>,
    pub calendar_change: Option<CalendarChange>,
    /// For every metric.
    #[serde(default)]
    pub all: MetricDoc,
    /// For single metrics, stronger than `all`.
    #[serde(default)]
    pub metrics: BTreeMap<Metric, MetricDoc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PresetName {
    Zendesk,
    Jira,
    Servicenow,
    Salesforce,
}

/// What a built-in clock measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// From creation to the first answer of ours.
    FirstResponse,
    /// From the oldest unanswered message of a customer to our next public reply; again for each exchange.
    NextReply,
    /// From each public reply of ours to the next one, while the case is open.
    PeriodicUpdate,
    /// The same, but not while we wait for the customer.
    PausableUpdate,
    /// From creation to resolution, as far as the requester waits for us.
    RequesterWait,
    /// From creation to resolution, as far as it is in our hands.
    AgentWork,
    /// From creation to resolution.
    Resolution,
    /// From the moment a team gets a case that nobody owns until somebody does; again for each team.
    TimeToOwn,
}

impl Metric {
    pub const ALL: [Metric; 8] = [
        Metric::FirstResponse,
        Metric::NextReply,
        Metric::PeriodicUpdate,
        Metric::PausableUpdate,
        Metric::RequesterWait,
        Metric::AgentWork,
        Metric::Resolution,
        Metric::TimeToOwn,
    ];

    /// The name of its clock.
    pub fn word(self) -> &'static str {
        match self {
            Metric::FirstResponse => "first_response",
            Metric::NextReply => "next_reply",
            Metric::PeriodicUpdate => "periodic_update",
            Metric::PausableUpdate => "pausable_update",
            Metric::RequesterWait => "requester_wait",
            Metric::AgentWork => "agent_work",
            Metric::Resolution => "resolution",
            Metric::TimeToOwn => "time_to_own",
        }
    }

    /// Whether it begins with the case itself.
    pub fn begins_with_the_case(self) -> bool {
        matches!(self, Metric::FirstResponse | Metric::RequesterWait | Metric::AgentWork | Metric::Resolution)
    }
}

/// What a target is: for the customer, inside the house, or owed by a supplier. A label for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    #[default]
    Sla,
    Ola,
    Uc,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeBasis {
    #[default]
    Business,
    Calendar,
}

/// What ends a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopOn {
    /// An agent writes what the customer can read.
    PublicReply,
    /// An agent writes an internal note.
    Note,
    /// Somebody who is not the customer takes the case out of `new`.
    LeavesNew,
    /// Somebody owns the case.
    Owned,
    /// The case is resolved or closed.
    Resolved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnPriorityChange {
    /// The same clock takes the new target; time used stays used.
    #[default]
    Carry,
    /// The clock is cancelled and a new one begins.
    Restart,
    /// The same clock keeps whichever target is due earlier.
    StricterWins,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnReopen {
    /// The clock goes on from where it stopped.
    #[default]
    Resume,
    /// A new clock begins from zero; the old verdict stays.
    NewCycle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyEdit {
    #[default]
    Keep,
    Migrate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CalendarChange {
    #[default]
    Last,
    Sum,
}

/// Whether a custom clock begins again after it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recurrence {
    /// Once per case.
    None,
    /// At a later event at which `start` holds and `stop` does not.
    #[default]
    Rematch,
    /// At once, if `start` still holds when it ends.
    Independent,
    /// As `independent`, but not before the end of the target it met.
    Sequential,
}
