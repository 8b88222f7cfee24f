//! What goes into the store and comes out of it, one type per engine verb.

use super::codec::Sealed;
use dutyd_connectors::{Cursor, Quarantined};
use dutyd_core::action::{Action, Receipt, Severity};
use dutyd_core::around::{Around, Contribution, Group, GroupKind};
use dutyd_core::case::{CaseKey, Revision, Status};
use dutyd_core::decide::Decision;
use jiff::{SignedDuration, Timestamp};

/// Names one holding of a lease. Random, from the engine's seeded source; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(pub i64);

/// How long a lease lasts without being renewed.
pub const LEASE_LIFE: SignedDuration = SignedDuration::from_secs(120);

/// The right to pull from and write to one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLease {
    pub source: String,
    pub token: Token,
    pub until: Timestamp,
}

/// A change on its way into the inbox, prepared outside of the writer.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub key: CaseKey,
    pub number: String,
    pub revision: Revision,
    /// Hash of what the change says, apart from when we learned it.
    pub digest: i64,
    /// Whether it brings the whole history.
    pub complete: bool,
    pub news: Sealed,
}

/// One page, ready to be committed.
#[derive(Debug, Clone, Default)]
pub struct PageCommit {
    pub changes: Vec<Incoming>,
    pub hints: Vec<dutyd_connectors::Hint>,
    pub quarantined: Vec<Quarantined>,
    pub next: Option<Cursor>,
    /// When the scan began: at its end, all that stood there then is known. `None`: now.
    pub begun: Option<Timestamp>,
    /// Whether the scan has more to read now; the first page without marks the end of the first import.
    pub more: bool,
}

/// What a page came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageSaved {
    /// Changes put into the inbox.
    pub changes: usize,
    /// Changes we already had.
    pub known: usize,
    /// Hints noted.
    pub hints: usize,
    /// Changes of which a webhook should have told us.
    pub expected: usize,
    /// Those of which none did.
    pub missed: usize,
}

/// A hint taken for fetching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenHint {
    pub key: CaseKey,
    /// A webhook asked for it.
    pub rung: bool,
    /// How often it had been rung when it was taken.
    pub rings: i64,
    /// A webhook asked, somebody may be waiting.
    pub hot: bool,
    /// When it was first asked for.
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HintBatch {
    pub hints: Vec<TakenHint>,
    /// When the next hint can be taken, if none could now.
    pub next_at: Option<Timestamp>,
}

/// What became of one taken hint.
#[derive(Debug, Clone)]
pub struct FetchedCase {
    pub hint: TakenHint,
    pub result: FetchResult,
}

#[derive(Debug, Clone)]
pub enum FetchResult {
    Case(Box<Incoming>),
    /// Deleted or hidden.
    Absent(Sealed),
    Quarantined(Quarantined),
    /// To be offered again at this instant.
    Later(Timestamp),
}

/// A due case under lease.
#[derive(Debug, Clone)]
pub struct DueCase {
    pub case: i64,
    pub key: CaseKey,
    pub token: Token,
    /// How often it had been woken when it was leased.
    pub rings: i64,
    pub state: Option<Sealed>,
    /// Unread news in order of arrival.
    pub news: Vec<Sealed>,
    /// The last unread news that was read.
    pub news_to: i64,
    pub around: Around,
    /// When its source was first read.
    pub watched_from: Option<Timestamp>,
}

#[derive(Debug, Clone, Default)]
pub struct DueBatch {
    pub cases: Vec<DueCase>,
    /// When the next case is due, if none is now.
    pub next_at: Option<Timestamp>,
}

/// An open flag as listed.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFlag {
    pub rule: String,
    pub severity: Severity,
    pub raised_at: Timestamp,
    pub episode: String,
    pub why: String,
    pub dismissed: bool,
}

/// What one evaluation came to, ready to be committed.
#[derive(Debug, Clone)]
pub struct OutcomeCommit {
    pub case: i64,
    pub token: Token,
    pub rings: i64,
    pub news_to: i64,
    /// `None`: the state stayed as it was.
    pub state: Option<Sealed>,
    pub number: String,
    /// Present and not done.
    pub open: bool,
    pub status: Status,
    pub updated_at: Timestamp,
    /// When a person last did something to it.
    pub moved_at: Timestamp,
    pub links: Vec<CaseKey>,
    pub decisions: Vec<Decision>,
    pub actions: Vec<Action>,
    /// What people are to be told.
    pub notices: Vec<NewNotice>,
    /// Notes that need not be written any more, unless already tried: slots as words.
    pub withdrawn: Vec<String>,
    /// The record is no more: nothing is written to it, tried or not.
    pub gone: bool,
    /// Older than the source's `start_from`: its actions wait until it changes.
    pub held: bool,
    /// Order of sending: lower goes first.
    pub rank: i64,
    pub flags: Vec<NewFlag>,
    /// What the case adds to the facts of its groups.
    pub groups: Vec<(Group, Contribution)>,
    pub due_at: Option<Timestamp>,
    /// It was judged while its source could not be seen: every open case is judged again when the source is, also if the
    /// daemon ends before.
    pub blind: bool,
    /// The stored state could not be read: fetch the case again.
    pub refetch: bool,
}

impl OutcomeCommit {
    /// An outcome that changes nothing.
    pub fn nothing(due: &DueCase) -> Self {
        Self {
            case: due.case,
            token: due.token,
            rings: due.rings,
            news_to: due.news_to,
            state: None,
            number: String::new(),
            open: true,
            status: Status::New,
            updated_at: Timestamp::UNIX_EPOCH,
            moved_at: Timestamp::UNIX_EPOCH,
            links: Vec::new(),
            decisions: Vec::new(),
            actions: Vec::new(),
            notices: Vec::new(),
            withdrawn: Vec::new(),
            gone: false,
            held: false,
            rank: 0,
            flags: Vec::new(),
            groups: Vec::new(),
            due_at: None,
            blind: false,
            refetch: false,
        }
    }
}

/// Something to tell, on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotice {
    pub channel: String,
    /// Computed from what is told: the same thing has the same one and is told once.
    pub key: String,
    /// The flag's episode it is about; empty for a digest.
    pub subject: String,
    /// It says that the flag is gone.
    pub clears: bool,
    /// Whether it is told, or only takes back what was not told yet.
    pub aloud: bool,
    /// Order of sending and listing: lower goes first.
    pub rank: i64,
    pub body: String,
}

/// Bounds on one lease of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeBounds {
    /// More messages than this within a minute become one. `None`: each goes alone.
    pub group_above: Option<usize>,
    /// What one message can stand for.
    pub together_max: usize,
}

/// A message on its way to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedMessage {
    /// What it is sent as, at each attempt.
    pub message: String,
    pub token: Token,
    /// This attempt's number, from 1.
    pub attempt: u32,
    /// What it tells, most urgent first.
    pub bodies: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoticeBatch {
    pub message: Option<LeasedMessage>,
    /// When one can be leased, if none could now.
    pub next_at: Option<Timestamp>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeVerdict {
    Told,
    Retry {
        at: Timestamp,
        because: String,
    },
    /// For a person.
    Parked {
        because: String,
    },
}

impl NoticeVerdict {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Retry { .. } => "retry",
            Self::Parked { .. } => "parked",
        }
    }
}

/// Which facts of one group the policy in force reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FactsRead {
    pub open: bool,
    pub urgent: bool,
    pub unowned: bool,
    pub unanswered: bool,
    pub sources: bool,
}

impl FactsRead {
    pub const ALL: Self = Self { open: true, urgent: true, unowned: true, unanswered: true, sources: true };

    /// Whether a change of the counts (open, urgent, unowned, unanswered) and of the number of sources can be seen.
    pub fn any_of(self, changed: [i64; 4], sources: i64) -> bool {
        let [open, urgent, unowned, unanswered] = changed.map(|by| by != 0);
        (open && self.open)
            || (sources != 0 && self.sources)
            || (urgent && self.urgent)
            || (unowned && self.unowned)
            || (unanswered && self.unanswered)
    }
}

/// Which facts of which groups the policy in force reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watched {
    pub customer: FactsRead,
    pub owner: FactsRead,
    pub team: FactsRead,
}

impl Watched {
    pub fn of(self, kind: GroupKind) -> FactsRead {
        match kind {
            GroupKind::Customer => self.customer,
            GroupKind::Owner => self.owner,
            GroupKind::Team => self.team,
        }
    }
}

/// Bounds on one lease of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brakes {
    /// Cases of one lease.
    pub cases_max: usize,
    /// Records that may be written within an hour.
    pub writes_per_hour: u32,
    /// An outage of the vendor has just ended: what failed in it waits no longer.
    pub recovered: bool,
}

/// An action on its way to the vendor.
#[derive(Debug, Clone, PartialEq)]
pub struct LeasedAction {
    pub row: i64,
    pub token: Token,
    pub case: i64,
    pub action: Action,
    /// This attempt's number, from 1.
    pub attempt: u32,
    /// It may stand on the record already: ask before sending.
    pub ask_first: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ActionBatch {
    pub actions: Vec<LeasedAction>,
    /// When the next action can be leased, if none could now.
    pub next_at: Option<Timestamp>,
    /// `writes_per_hour` is spent until then.
    pub braked_until: Option<Timestamp>,
}

/// What became of one leased action.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    pub row: i64,
    pub token: Token,
    pub case: i64,
    pub generation: u64,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It stands on the record.
    Done { receipt: Receipt, news: Sealed },
    /// It was certainly not sent or certainly not done: try again then. `counted`: as a failure.
    Retry { at: Timestamp, counted: bool, because: String },
    /// It may have been done: ask then.
    Unknown { ask_at: Timestamp, because: String },
    /// For a person.
    Parked { because: String },
    /// The record takes no writes: nobody needs to act, and it is tried again once the case changes.
    Sealed { because: String },
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Closed cases and their decisions, after their last change.
    pub closed: SignedDuration,
    /// Ids of webhook deliveries.
    pub deliveries: SignedDuration,
    /// Rows of the audit log. Their content goes with their case, if that is earlier.
    pub audit: SignedDuration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |count: i64| SignedDuration::from_hours(24 * count);
        Self { closed: days(400), deliveries: days(7), audit: days(400) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    pub cases: usize,
    pub deliveries: usize,
    /// Rows of the audit log.
    pub audited: usize,
    /// More of it can be done at once.
    pub more: bool,
}

/// What an operator may order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Stop pulling from and writing to a source, or go on.
    Pause {
        source: String,
        paused: bool,
    },
    /// Try parked actions again; fetch quarantined records again. `None`: all.
    RetryParked {
        id: Option<String>,
    },
    DropParked {
        id: Option<String>,
    },
    /// Fetch these cases now.
    Refetch {
        keys: Vec<CaseKey>,
    },
    /// Read a source from the beginning.
    Rewind {
        source: String,
    },
    /// Send nothing that was wanted so far until its case changes.
    Hold {
        source: String,
    },
    /// Forget everything about these cases, by the store's numbers; the audit log keeps its hashes.
    Erase {
        cases: Vec<i64>,
    },
    /// Remove rows of the audit log that are older.
    RetainAudit {
        before: Timestamp,
    },
    /// Send these, whatever was decided.
    Want {
        actions: Vec<Action>,
    },
}
