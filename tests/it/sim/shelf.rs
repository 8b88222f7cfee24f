//! The store under watch: the process can die before and after each transaction that changes something. What was committed
//! is there afterwards, what was not is not.

use super::steps::Steps;
use async_trait::async_trait;
use dutyd::audit::Verified;
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{
    ActionBatch, AuditQuestion, AuditRow, Brakes, ChannelRow, Counts, DecisionRow, DueBatch, FetchedCase,
    FlagRow, HintBatch, LeasedMessage, NewNotice, NoticeBatch, NoticeBounds, NoticeVerdict, Order,
    OutcomeCommit, PageCommit, PageSaved, ParkedRow, Past, Retention, Room, Settlement, SourceLease,
    SourceRow, StateRow, Store, StoreError, Swept, Token, Wanted, Watched,
};
use dutyd_connectors::{Cursor, Hint};
use dutyd_core::around::Around;
use jiff::Timestamp;
use std::sync::Arc;

type Result<T> = std::result::Result<T, StoreError>;

/// See the module.
pub struct Shelf {
    pub inner: Arc<SqliteStore>,
    pub steps: Arc<Steps>,
}

#[async_trait]
impl Store for Shelf {
    async fn recover(&self, now: Timestamp) -> Result<()> {
        self.steps.pass("recover", self.inner.recover(now)).await
    }

    async fn lease_source(&self, source: &str, token: Token, now: Timestamp) -> Result<Option<SourceLease>> {
        self.steps.pass("lease_source", self.inner.lease_source(source, token, now)).await
    }

    async fn cursor(&self, source: &str) -> Result<Option<Cursor>> {
        self.inner.cursor(source).await
    }

    async fn note_delivery(&self, source: &str, hints: Vec<Hint>, now: Timestamp) -> Result<usize> {
        self.steps.pass("note_delivery", self.inner.note_delivery(source, hints, now)).await
    }

    async fn commit_page(&self, lease: &SourceLease, page: PageCommit, now: Timestamp) -> Result<PageSaved> {
        self.steps.pass("commit_page", self.inner.commit_page(lease, page, now)).await
    }

    async fn take_hints(&self, lease: &SourceLease, max: usize, now: Timestamp) -> Result<HintBatch> {
        self.steps.pass("take_hints", self.inner.take_hints(lease, max, now)).await
    }

    async fn commit_fetched(
        &self,
        lease: &SourceLease,
        fetched: Vec<FetchedCase>,
        now: Timestamp,
    ) -> Result<usize> {
        self.steps.pass("commit_fetched", self.inner.commit_fetched(lease, fetched, now)).await
    }

    async fn lease_due(&self, token: Token, max: usize, now: Timestamp) -> Result<DueBatch> {
        self.steps.pass("lease_due", self.inner.lease_due(token, max, now)).await
    }

    async fn lease_news(&self, token: Token, max: usize, now: Timestamp) -> Result<DueBatch> {
        self.steps.pass("lease_news", self.inner.lease_news(token, max, now)).await
    }

    async fn commit_outcomes(
        &self,
        outcomes: Vec<OutcomeCommit>,
        watched: Watched,
        now: Timestamp,
    ) -> Result<usize> {
        self.steps.pass("commit_outcomes", self.inner.commit_outcomes(outcomes, watched, now)).await
    }

    async fn lease_actions(
        &self,
        lease: &SourceLease,
        token: Token,
        brakes: Brakes,
        now: Timestamp,
    ) -> Result<ActionBatch> {
        self.steps.pass("lease_actions", self.inner.lease_actions(lease, token, brakes, now)).await
    }

    async fn settle(
        &self,
        lease: &SourceLease,
        settlements: Vec<Settlement>,
        now: Timestamp,
    ) -> Result<usize> {
        self.steps.pass("settle", self.inner.settle(lease, settlements, now)).await
    }

    async fn lease_notices(
        &self,
        channel: &str,
        token: Token,
        bounds: NoticeBounds,
        now: Timestamp,
    ) -> Result<NoticeBatch> {
        self.steps.pass("lease_notices", self.inner.lease_notices(channel, token, bounds, now)).await
    }

    async fn settle_notices(
        &self,
        channel: &str,
        message: LeasedMessage,
        verdict: NoticeVerdict,
        now: Timestamp,
    ) -> Result<bool> {
        self.steps.pass("settle_notices", self.inner.settle_notices(channel, message, verdict, now)).await
    }

    async fn note_digest(&self, notice: NewNotice, now: Timestamp) -> Result<bool> {
        self.steps.pass("note_digest", self.inner.note_digest(notice, now)).await
    }

    async fn has_notice(&self, channel: &str, key: &str) -> Result<bool> {
        self.inner.has_notice(channel, key).await
    }

    async fn wake_all(&self, epoch: &str, now: Timestamp) -> Result<()> {
        self.steps.pass("wake_all", self.inner.wake_all(epoch, now)).await
    }

    async fn note_clocks(&self, clocks: &str, now: Timestamp) -> Result<()> {
        self.steps.pass("note_clocks", self.inner.note_clocks(clocks, now)).await
    }

    async fn sweep(&self, retention: Retention, now: Timestamp) -> Result<Swept> {
        self.steps.pass("sweep", self.inner.sweep(retention, now)).await
    }

    async fn order(&self, order: Order, now: Timestamp) -> Result<usize> {
        self.steps.pass("order", self.inner.order(order, now)).await
    }

    async fn find_cases(&self, name: &str) -> Result<Vec<StateRow>> {
        self.inner.find_cases(name).await
    }

    async fn states(&self, after: i64, max: usize) -> Result<Vec<StateRow>> {
        self.inner.states(after, max).await
    }

    async fn open_flags(&self, max: usize) -> Result<Vec<FlagRow>> {
        self.inner.open_flags(max).await
    }

    async fn around(&self, case: i64) -> Result<Around> {
        self.inner.around(case).await
    }

    async fn decisions(&self, case: i64) -> Result<Vec<DecisionRow>> {
        self.inner.decisions(case).await
    }

    async fn parked(&self) -> Result<Vec<ParkedRow>> {
        self.inner.parked().await
    }

    async fn wanted(&self, case: i64) -> Result<Vec<Wanted>> {
        self.inner.wanted(case).await
    }

    fn room(&self) -> Room {
        self.inner.room()
    }

    async fn sources(&self, now: Timestamp) -> Result<Vec<SourceRow>> {
        self.inner.sources(now).await
    }

    async fn channels(&self) -> Result<Vec<ChannelRow>> {
        self.inner.channels().await
    }

    async fn audit_rows(&self, question: AuditQuestion) -> Result<Vec<AuditRow>> {
        self.inner.audit_rows(question).await
    }

    async fn audit_head(&self) -> Result<(String, i64)> {
        self.inner.audit_head().await
    }

    async fn verify_audit(&self, head: Option<String>) -> Result<Verified> {
        self.inner.verify_audit(head).await
    }

    async fn counts(&self, now: Timestamp) -> Result<Counts> {
        self.inner.counts(now).await
    }

    async fn past(&self) -> Result<Past> {
        self.inner.past().await
    }
}
