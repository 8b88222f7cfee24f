//! `Store`: what must survive. About a dozen methods, each one transaction, named after the engine's verbs, in batches.
//!
//! Knows: queues, leases, cursors, counts. Bytes of cases travel through it sealed ([`Sealed`]).
//! Must not know: policies, vendors, the time of day (`now` is always passed in).

mod codec;
pub mod error;
mod read;
mod room;
pub mod sqlite;
mod types;

pub use codec::{NEWS_VERSION, Sealed, open_news, open_state, seal_change, seal_news, seal_state};
pub use error::StoreError;
pub use read::{
    AuditQuestion, AuditRow, ChannelRow, Counts, DecisionRow, FlagRow, OutboxCounts, ParkedKind, ParkedRow,
    Past, PolicyRow, SourceRow, StateRow, Wanted,
};
pub use room::{FreeMin, Room};
pub use types::{
    ActionBatch, Brakes, DueBatch, DueCase, FactsRead, FetchResult, FetchedCase, HintBatch, Incoming,
    LEASE_LIFE, LeasedAction, LeasedMessage, NewFlag, NewNotice, NoticeBatch, NoticeBounds, NoticeVerdict,
    Order, OutcomeCommit, PageCommit, PageSaved, Retention, Settlement, SourceLease, Swept, TakenHint, Token,
    Verdict, Watched,
};

use crate::audit::Verified;
use async_trait::async_trait;
use dutyd_connectors::{Cursor, Hint};
use dutyd_core::around::Around;
use jiff::Timestamp;

type Result<T> = std::result::Result<T, StoreError>;

/// Everything that must survive. Each method is one transaction, durable when it returns.
#[async_trait]
pub trait Store: Send + Sync {
    /// After a jump of the clock, and by itself at a start: drops all leases; what was in flight to a vendor becomes
    /// "unknown", to be asked about before it is sent again.
    async fn recover(&self, now: Timestamp) -> Result<()>;

    /// Makes a source known and takes or renews its lease. `None`: another instance holds it.
    async fn lease_source(&self, source: &str, token: Token, now: Timestamp) -> Result<Option<SourceLease>>;

    /// Where the last committed page of a source ended.
    async fn cursor(&self, source: &str) -> Result<Option<Cursor>>;

    /// A verified webhook: its hints are durable when this returns. Answers how many deliveries were new.
    async fn note_delivery(&self, source: &str, hints: Vec<Hint>, now: Timestamp) -> Result<usize>;

    /// Cursor, changes, hints and quarantined records of one page, together or not at all.
    async fn commit_page(&self, lease: &SourceLease, page: PageCommit, now: Timestamp) -> Result<PageSaved>;

    /// Cases to be fetched, webhooks before pages, oldest first. A taken hint is offered again after its lease.
    async fn take_hints(&self, lease: &SourceLease, max: usize, now: Timestamp) -> Result<HintBatch>;

    /// What became of taken hints. A hint that was rung again meanwhile stays.
    async fn commit_fetched(
        &self,
        lease: &SourceLease,
        fetched: Vec<FetchedCase>,
        now: Timestamp,
    ) -> Result<usize>;

    /// Cases due at `now` with their state, unread news and surroundings.
    async fn lease_due(&self, token: Token, max: usize, now: Timestamp) -> Result<DueBatch>;

    /// The same without those that only a neighbour's fact or a new policy makes due: they wait.
    async fn lease_news(&self, token: Token, max: usize, now: Timestamp) -> Result<DueBatch>;

    /// State, decisions, wanted actions, next due time and facts of groups. Outcomes under a lost lease change nothing;
    /// answers how many were committed.
    async fn commit_outcomes(
        &self,
        outcomes: Vec<OutcomeCommit>,
        watched: Watched,
        now: Timestamp,
    ) -> Result<usize>;

    /// Actions ready to be sent to one source: all of a case together, most severe first, then oldest. `token` names
    /// this attempt; an answer that comes after it was given up settles nothing.
    async fn lease_actions(
        &self,
        lease: &SourceLease,
        token: Token,
        brakes: Brakes,
        now: Timestamp,
    ) -> Result<ActionBatch>;

    /// What became of leased actions. Answers how many were still under their lease.
    async fn settle(
        &self,
        lease: &SourceLease,
        settlements: Vec<Settlement>,
        now: Timestamp,
    ) -> Result<usize>;

    /// One message to be sent to a channel now. What is sent together is decided here, once.
    async fn lease_notices(
        &self,
        channel: &str,
        token: Token,
        bounds: NoticeBounds,
        now: Timestamp,
    ) -> Result<NoticeBatch>;

    /// What became of a leased message. Whether it was still under its lease.
    async fn settle_notices(
        &self,
        channel: &str,
        message: LeasedMessage,
        verdict: NoticeVerdict,
        now: Timestamp,
    ) -> Result<bool>;

    /// A digest to be told. Whether it is new.
    async fn note_digest(&self, notice: NewNotice, now: Timestamp) -> Result<bool>;

    /// Whether a channel was or will be told this.
    async fn has_notice(&self, channel: &str, key: &str) -> Result<bool>;

    /// The policy changed: every open case becomes due, in slices, nearest deadline first. `epoch` names the policy;
    /// asking twice for the same one does nothing, unless a reason follows it, `policy+reason`, or cases were judged blind
    /// since.
    async fn wake_all(&self, epoch: &str, now: Timestamp) -> Result<()>;

    /// How the vendors' clocks stand to ours, by which what is due was derived: if it is not as noted before, every open
    /// case becomes due.
    async fn note_clocks(&self, clocks: &str, now: Timestamp) -> Result<()>;

    /// Retention, delivery ids, the census of open cases, checkpoint.
    async fn sweep(&self, retention: Retention, now: Timestamp) -> Result<Swept>;

    /// What an operator ordered. Answers how many rows it met.
    async fn order(&self, order: Order, now: Timestamp) -> Result<usize>;

    /// Cases by `source/number`, `source/id`, or a number alone.
    async fn find_cases(&self, name: &str) -> Result<Vec<StateRow>>;

    /// All states in the order they were first seen, a page at a time: those after `after`.
    async fn states(&self, after: i64, max: usize) -> Result<Vec<StateRow>>;

    /// The flags of the worst `max` cases, worst first.
    async fn open_flags(&self, max: usize) -> Result<Vec<FlagRow>>;

    /// The facts around a case, as an evaluation reads them. `blind_since` says since when its record is known to have
    /// changed and has not been read; how well its source is seen, the engine knows.
    async fn around(&self, case: i64) -> Result<Around>;

    /// The decision log of a case, oldest first.
    async fn decisions(&self, case: i64) -> Result<Vec<DecisionRow>>;

    /// Refused writes and quarantined records.
    async fn parked(&self) -> Result<Vec<ParkedRow>>;

    /// What is wanted on the vendor's record of a case and not yet confirmed.
    async fn wanted(&self, case: i64) -> Result<Vec<Wanted>>;

    /// How the database's disk stands.
    fn room(&self) -> Room;

    async fn sources(&self, now: Timestamp) -> Result<Vec<SourceRow>>;

    /// Channels that were ever told anything.
    async fn channels(&self) -> Result<Vec<ChannelRow>>;

    /// Rows of the audit log, oldest first.
    async fn audit_rows(&self, question: AuditQuestion) -> Result<Vec<AuditRow>>;

    /// Hash, in hex, and number of its last row.
    async fn audit_head(&self) -> Result<(String, i64)>;

    /// Reads the whole chain. `head`: a hash, in hex, that must be in it.
    async fn verify_audit(&self, head: Option<String>) -> Result<Verified>;

    /// What is kept of the past, apart from the cases.
    async fn past(&self) -> Result<Past>;

    async fn counts(&self, now: Timestamp) -> Result<Counts>;
}
