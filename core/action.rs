//! What the vendor's record should show. Nothing here can speak to a customer, change status, owner or priority, or
//! delete: no variant for it exists.

use crate::case::CaseKey;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How much a flag wants attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Watch,
    /// On its way to trouble.
    Warning,
    /// Escalation candidate: a manager should look.
    Candidate,
    /// A manager must act.
    Critical,
}

impl Severity {
    pub const ALL: [Severity; 4] =
        [Severity::Watch, Severity::Warning, Severity::Candidate, Severity::Critical];

    /// The word used in policies, on records and in output.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Watch => "watch",
            Severity::Warning => "warning",
            Severity::Candidate => "candidate",
            Severity::Critical => "critical",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.word() == word)
    }
}

/// One flag as listed in the mark: enough for a daemon that lost its memory to take it up again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct MarkedFlag {
    pub rule: String,
    /// 12 hex digits, see [`episode_tag`].
    pub episode: String,
    pub severity: Severity,
    /// Whole seconds.
    pub raised_at: Timestamp,
    /// A person said no; holds until severity rises above the one listed here.
    pub dismissed: bool,
}

/// The mark on a record: the severity people see and the flags behind it, ordered by rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Marker {
    /// The highest severity of the flags that are not dismissed. `None`: all are.
    pub severity: Option<Severity>,
    pub flags: Vec<MarkedFlag>,
}

impl Marker {
    /// The mark as one line of text, for a field that people do not read:
    /// `v1 rule@episode:severity:epoch_seconds[:dismissed] …`.
    pub fn to_line(&self) -> String {
        let mut line = String::from("v1");
        for flag in &self.flags {
            let dismissed = if flag.dismissed { ":dismissed" } else { "" };
            let (severity, at) = (flag.severity.word(), flag.raised_at.as_second());
            line.push_str(&format!(" {}@{}:{severity}:{at}{dismissed}", flag.rule, flag.episode));
        }
        line
    }

    /// Reads what [`Marker::to_line`] wrote. Parts that are not ours are left out; `None` if nothing of it is.
    pub fn from_line(line: &str) -> Option<Self> {
        let flags: Vec<_> =
            line.trim().strip_prefix("v1")?.split_whitespace().filter_map(parse_flag).collect();
        let severity = flags.iter().filter(|flag| !flag.dismissed).map(|flag| flag.severity).max();
        Some(Self { severity, flags })
    }
}

fn parse_flag(part: &str) -> Option<MarkedFlag> {
    let (rule, rest) = part.split_once('@')?;
    let mut pieces = rest.split(':');
    let flag = MarkedFlag {
        rule: rule.to_owned(),
        episode: pieces.next()?.to_owned(),
        severity: Severity::from_word(pieces.next()?)?,
        raised_at: Timestamp::from_second(pieces.next()?.parse().ok()?).ok()?,
        dismissed: pieces.next().is_some_and(|word| word == "dismissed"),
    };
    Some(flag)
}

/// A place on the vendor's record that we own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// Severity and the list of flags.
    Mark,
    /// One sentence for people.
    Why,
    /// One internal note per rule and episode.
    Note { rule: String, episode: String },
}

impl Slot {
    /// The slot as one word, for keys and logs: `mark`, `why`, `note:rule:episode`.
    pub fn word(&self) -> String {
        match self {
            Slot::Mark => "mark".to_owned(),
            Slot::Why => "why".to_owned(),
            Slot::Note { rule, episode } => format!("note:{rule}:{episode}"),
        }
    }
}

/// The desired appearance of a slot. `None` in `Mark` and `Why` means "nothing of ours".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    Mark(Option<Marker>),
    Why(Option<String>),
    /// Internal only. The last line of `body` is `[dutyd:<marker>]`.
    Note {
        marker: String,
        body: String,
    },
}

/// One thing to make true on a vendor's record. Level-triggered: a newer generation replaces an unsent older one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Action {
    /// Computed from source, case, slot and episode, never random: a crashed, restored or second instance computes the same.
    pub id: String,
    pub case: CaseKey,
    pub slot: Slot,
    pub want: Want,
    pub generation: u64,
}

impl Action {
    pub fn new(case: &CaseKey, slot: Slot, want: Want, generation: u64) -> Self {
        Self { id: action_id(case, &slot), case: case.clone(), slot, want, generation }
    }
}

/// 12 hex digits that name an action; the marker at the end of a note is the id of its action.
pub fn action_id(case: &CaseKey, slot: &Slot) -> String {
    short_hash(&[&case.source, &case.id, &slot.word()])
}

/// 12 hex digits that name an episode: the event whose change made the rule's values what they were when it rose.
pub fn episode_tag(event_id: &str) -> String {
    short_hash(&["episode", event_id])
}

fn short_hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// The last line of a note of ours.
pub fn note_marker_line(marker: &str) -> String {
    format!("[dutyd:{marker}]")
}

/// All markers of ours that stand in a text, in order.
pub fn note_markers(text: &str) -> Vec<String> {
    text.split("[dutyd:")
        .skip(1)
        .filter_map(|rest| rest.split_once(']'))
        .map(|(marker, _)| marker)
        .filter(|marker| marker.len() == 12 && marker.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(str::to_owned)
        .collect()
}

/// The vendor's confirmation that a slot shows what was wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    pub slot: Slot,
    pub generation: u64,
    /// Vendor time of the write, or of the read that found it there.
    pub at: Timestamp,
    /// The record's version just after the write, where the vendor tells it.
    pub revision: Option<crate::case::Revision>,
}
