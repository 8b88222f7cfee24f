//! `CaseState`: all that is remembered about one case between two decisions, as one versioned value.

use crate::action::{Marker, Receipt, Severity, Want};
use crate::case::{Case, CaseChange, Revision, SeenMarks};
use crate::timeline::{EventKind, TimelineEvent};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the stored form. Every version ever written has a fixture in the tests.
pub const STATE_VERSION: u16 = 1;

/// News about one case: what `decide` folds in. The store keeps it in the inbox until then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// The vendor told us something. Boxed: it is much larger than the others.
    Change(Box<CaseChange>),
    /// A write of ours is confirmed on the record, with what it wrote.
    Settled { receipt: Receipt, want: Want },
    /// The record was deleted.
    Gone { at: Timestamp },
    /// The record exists but we may not read it any more, or it left our scope.
    Hidden { at: Timestamp },
}

/// Whether the record can still be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    #[default]
    Present,
    Gone,
    Hidden,
}

/// Where a flag stands between quiet and raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlagState {
    /// The condition holds, but not yet for as long as the rule asks.
    Pending,
    Open,
    /// Quiet again; kept while cooldown and refire budget need it.
    Cleared,
}

/// At most one per (case, rule).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Flag {
    pub rule: String,
    pub state: FlagState,
    pub severity: Severity,
    /// The highest severity of this episode.
    pub peak: Severity,
    /// Since when the state is what it is: the condition holding (pending), raised (open) or quiet (cleared).
    pub since: Timestamp,
    /// When it was raised, whole seconds; for a pending flag when it began to hold.
    pub raised_at: Timestamp,
    /// 12 hex digits, see [`crate::action::episode_tag`].
    pub episode: String,
    /// What is true, since when and what it means: one or two sentences, rendered when it was raised or changed.
    pub why: String,
    /// Raises within the rule's refire window, oldest first.
    pub raises: Vec<Timestamp>,
    /// Since when the condition is quiet while the rule's dwell still holds the flag open.
    pub leaving_since: Option<Timestamp>,
    /// Of a pending flag that was open before: when it was cleared, for the rule's cooldown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared_at: Option<Timestamp>,
    /// Its condition held already when a changed policy came into force, and only a wait kept it from being raised then: it
    /// is raised without a note and without telling anybody, as the others of that wave.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_wave: bool,
}

/// What a person said about a flag, in their own tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Override {
    /// `None`: all flags of the case.
    pub rule: Option<String>,
    pub kind: OverrideKind,
    pub at: Timestamp,
    pub by: Option<String>,
}

impl Override {
    /// What is said of all flags is about those raised by then, but a snooze is about later ones, too.
    pub fn is_about(&self, flag: &Flag) -> bool {
        match (&self.rule, &self.kind) {
            (Some(rule), _) => *rule == flag.rule,
            (None, OverrideKind::Snoozed { .. }) => true,
            (None, _) => flag.raised_at <= self.at,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverrideKind {
    /// Not to be shown again until severity rises above this one.
    Dismissed {
        above: Severity,
    },
    /// Not to be shown before this instant; `above`: or until severity rises above it.
    Snoozed {
        until: Option<Timestamp>,
        above: Option<Severity>,
    },
    Acknowledged,
    /// A person confirmed the case as escalated.
    Escalated,
}

/// The mark on its way to the record, and as last known to stand there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MarkMemory {
    /// The sentence last wanted.
    pub why: Option<String>,
    /// Of the last want; 0: nothing was ever wanted.
    pub generation: u64,
    /// Wants since the last confirmed one, oldest first: what may turn up on the record without a person's doing.
    pub in_flight: Vec<InFlight>,
    pub shown: Option<ShownMark>,
    /// How often automation took the mark off and we put it back.
    pub put_back: u8,
}

impl MarkMemory {
    /// What the record shows once everything on its way has arrived.
    pub fn expected(&self) -> Option<&Marker> {
        match (self.in_flight.last(), &self.shown) {
            (Some(flight), _) => flight.marker.as_ref(),
            (None, Some(shown)) => shown.marker.as_ref(),
            (None, None) => None,
        }
    }
}

/// A mark that was wanted and is not yet confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InFlight {
    pub generation: u64,
    pub marker: Option<Marker>,
}

/// A mark known to stand on the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownMark {
    pub marker: Option<Marker>,
    /// Vendor time of the write, or of the read that found it.
    pub at: Timestamp,
    /// The record's version just after the write, where the vendor told it.
    pub revision: Option<Revision>,
}

/// A note that was wanted, is known to stand, or was deliberately left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoteMemory {
    pub rule: String,
    pub episode: String,
}

/// All that `decide` remembers about one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseState {
    pub version: u16,
    pub case: Case,
    pub presence: Presence,
    /// Ordered by time; see [`crate::timeline::merge`].
    pub events: Vec<TimelineEvent>,
    /// The oldest events were dropped: readings that need them answer "cannot tell".
    pub truncated: bool,
    /// What of ours stood on the record when it was last read.
    pub marks: SeenMarks,
    pub flags: Vec<Flag>,
    pub overrides: Vec<Override>,
    pub mark: MarkMemory,
    /// Newest last, bounded.
    pub notes: Vec<NoteMemory>,
    /// Content hash of the policy last decided under; a change of it changes marks without new notes.
    pub policy: String,
}

impl CaseState {
    /// A case to which nothing happened yet.
    pub fn new(case: Case) -> Self {
        Self {
            version: STATE_VERSION,
            case,
            presence: Presence::Present,
            events: Vec::new(),
            truncated: false,
            marks: SeenMarks::default(),
            flags: Vec::new(),
            overrides: Vec::new(),
            mark: MarkMemory::default(),
            notes: Vec::new(),
            policy: String::new(),
        }
    }

    /// Whether a mark of ours stands on the vendor's record, or is on its way there.
    pub fn is_marked(&self) -> bool {
        self.marks.marker.is_some() || self.mark.expected().is_some()
    }

    /// The case as it was known at an instant: what happened later, or was learned later, is taken back. The vendor's own
    /// words for a status or priority of then are not kept: they come back empty.
    pub fn as_known_at(&self, at: Timestamp) -> CaseState {
        let mut known = self.clone();
        let (kept, later): (Vec<_>, Vec<_>) =
            known.events.drain(..).partition(|event| event.at <= at && event.seen_at <= at);
        for event in later.into_iter().rev() {
            match event.kind {
                EventKind::StatusChanged { from, .. } => {
                    known.case.status = from;
                    known.case.status_raw.clear();
                }
                EventKind::PriorityChanged { from, .. } => {
                    known.case.priority = from;
                    known.case.priority_raw.clear();
                }
                EventKind::OwnerChanged { from, .. } => known.case.owner = from,
                EventKind::TeamChanged { from, .. } => known.case.team = from,
                EventKind::FieldChanged { field, from, .. } => known.case.take_back(&field, from),
                _ => {}
            }
        }
        known.events = kept;
        known.case.updated_at = known.case.updated_at.min(at).max(known.case.opened_at);
        known.case.resolved_at = known.case.resolved_at.filter(|resolved| *resolved <= at);
        known
    }
}
