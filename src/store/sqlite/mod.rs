//! The store on SQLite: one writer thread that commits many requests with one sync, readers beside it.
//!
//! Durability: WAL with `synchronous = FULL`; nothing is answered before it is on the disk.

mod aside;
mod audit;
mod bells;
mod beside;
mod census;
mod intake;
mod ledger;
mod notices;
mod open;
mod outbox;
mod past;
mod reads;
mod rows;
mod sums;
mod surroundings;
mod upkeep;
mod work;
mod writer;

use super::*;
use beside::Beside;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use writer::{Keep, Writer};

pub use open::Start;

/// Reading connections.
const READERS_MAX: usize = 4;

/// See the module.
pub struct SqliteStore {
    path: PathBuf,
    writer: Writer<intake::Delivery>,
    readers: Arc<Mutex<Vec<Connection>>>,
    reading: Arc<Semaphore>,
    start: Start,
    /// `None`: of a store that only reads.
    upkeep: Option<open::Upkeep>,
    /// Likewise.
    beside: Option<Beside>,
    least: FreeMin,
    /// Whether a shortage was told.
    short: AtomicBool,
}

impl SqliteStore {
    /// Opens or creates the database. `instance` names this installation if the database is new.
    pub async fn open(path: &Path, instance: u64, now: Timestamp) -> Result<Self> {
        let opened = open::open(path, instance)?;
        let start = opened.start;
        let looks_after = opened.upkeep.clone();
        let closing = move |connection: &Connection| {
            open::set_meta(connection, "clean", "1").ok();
            looks_after.cut_log(connection).ok();
        };
        let writer = Writer::start(opened.connection, opened.lock, closing, intake::note_deliveries)?;
        let store = Self {
            path: path.to_owned(),
            writer,
            readers: Arc::default(),
            reading: Arc::new(Semaphore::new(READERS_MAX)),
            start,
            upkeep: Some(opened.upkeep.clone()),
            beside: Some(opened.beside),
            least: FreeMin::Bytes(0),
            short: AtomicBool::default(),
        };
        store.writer.write(Keep::Now, move |db| upkeep::recover(db, now)).await?;
        if start.new {
            store.writer.write(Keep::Now, move |db| outbox::note_birth(db, now)).await?;
        }
        // The disk may have lost what it had confirmed, or a bad page of the log all behind it.
        if start.unclean {
            store.writer.write(Keep::Now, move |db| outbox::note_crash(db, now)).await?;
        }
        if start.restored {
            tracing::warn!(
                "the database is an older copy: reading all sources again, asking before each write"
            );
            store.writer.write(Keep::Now, move |db| upkeep::distrust(db, now)).await?;
        }
        if open::is_checked_beside(path) {
            store.check_beside(opened.upkeep);
        }
        Ok(store)
    }

    /// With less than this free, [`Room::shortage`] says so.
    pub fn keeping_free(mut self, least: FreeMin) -> Self {
        self.least = least;
        self
    }

    /// A large database is checked while work goes on: a start must not take minutes. Damage ends the work.
    fn check_beside(&self, looks_after: open::Upkeep) {
        let (path, start, writer) = (self.path.clone(), self.start, self.writer.handle());
        let checked =
            std::thread::Builder::new().name("store check".to_owned()).spawn(
                move || match open::check_beside(&path, start, &looks_after) {
                    Ok(()) => tracing::info!(database = %path.display(), "database checked"),
                    Err(error) => writer.fail(error),
                },
            );
        drop(checked);
    }

    /// The next start looks at every page and sets the database aside if one is bad.
    pub fn suspect(&self) {
        if let Err(error) = aside::suspect(&self.path) {
            tracing::error!(%error, "cannot note that the database is damaged: move it away, then start again");
        }
    }

    /// A store over a database that another process owns or owned: it reads, and refuses to write.
    pub fn open_to_read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(StoreError::Unusable(format!("there is no {}", path.display())));
        }
        let first = open::open_reader(path)?;
        Ok(Self {
            path: path.to_owned(),
            writer: Writer::closed(),
            readers: Arc::new(Mutex::new(vec![first])),
            reading: Arc::new(Semaphore::new(READERS_MAX)),
            start: Start::default(),
            upkeep: None,
            beside: None,
            least: FreeMin::Bytes(0),
            short: AtomicBool::default(),
        })
    }

    /// How the database was found.
    pub fn start(&self) -> Start {
        self.start
    }

    /// Finishes what is queued and marks the database as closed in order.
    pub async fn close(&self) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.writer.close().await;
    }

    /// Outside of the writer's transaction, where a checkpoint could not run.
    async fn cut_log(&self) -> Result<()> {
        let Some(upkeep) = self.upkeep.clone() else { return Ok(()) };
        self.read(move |db| upkeep.cut_log(db)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.reading.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let (path, readers) = (self.path.clone(), self.readers.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let idle = readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = idle.map_or_else(|| open::open_reader(&path), Ok)?;
            let result = work(&connection);
            readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            result
        });
        reading.await.map_err(|error| StoreError::Unusable(error.to_string()))?
    }
}

impl SqliteStore {
    /// `all`: those that a walk makes due, too.
    async fn lease(&self, token: Token, max: usize, all: bool, now: Timestamp) -> Result<DueBatch> {
        let outlook = self.read(move |db| work::outlook(db, all)).await?;
        if !outlook.waking && outlook.next_at.is_none_or(|at| at > now) {
            return Ok(DueBatch { cases: Vec::new(), next_at: outlook.next_at });
        }
        let leased =
            self.writer.write(Keep::Later, move |db| work::lease_due(db, token, max, all, now)).await?;
        self.read(move |db| work::load(db, &leased, token)).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn recover(&self, now: Timestamp) -> Result<()> {
        let recover = move |db: &Connection| {
            upkeep::recover(db, now)?;
            outbox::note_jump(db, now)
        };
        self.writer.write(Keep::Now, recover).await
    }

    async fn lease_source(&self, source: &str, token: Token, now: Timestamp) -> Result<Option<SourceLease>> {
        let source = source.to_owned();
        self.writer.write(Keep::Now, move |db| intake::lease_source(db, &source, token, now)).await
    }

    async fn cursor(&self, source: &str) -> Result<Option<Cursor>> {
        let source = source.to_owned();
        self.read(move |db| intake::cursor(db, &source)).await
    }

    async fn note_delivery(&self, source: &str, hints: Vec<Hint>, now: Timestamp) -> Result<usize> {
        self.writer.gather(intake::Delivery { source: source.to_owned(), hints, now }).await
    }

    async fn commit_page(&self, lease: &SourceLease, page: PageCommit, now: Timestamp) -> Result<PageSaved> {
        let lease = lease.clone();
        self.writer.write(Keep::Now, move |db| intake::commit_page(db, &lease, &page, now)).await
    }

    async fn take_hints(&self, lease: &SourceLease, max: usize, now: Timestamp) -> Result<HintBatch> {
        let source = lease.source.clone();
        let next_at = self.read(move |db| intake::next_hint(db, &source)).await?;
        if next_at.is_none_or(|at| at > now) {
            return Ok(HintBatch { hints: Vec::new(), next_at });
        }
        let lease = lease.clone();
        self.writer.write(Keep::Later, move |db| intake::take_hints(db, &lease, max, now)).await
    }

    async fn commit_fetched(
        &self,
        lease: &SourceLease,
        mut fetched: Vec<FetchedCase>,
        now: Timestamp,
    ) -> Result<usize> {
        let lease = lease.clone();
        for case in &mut fetched {
            if let FetchResult::Case(change) = &mut case.result {
                change.complete = true;
            }
        }
        self.writer.write(Keep::Now, move |db| intake::commit_fetched(db, &lease, &fetched, now)).await
    }

    async fn lease_due(&self, token: Token, max: usize, now: Timestamp) -> Result<DueBatch> {
        self.lease(token, max, true, now).await
    }

    async fn lease_news(&self, token: Token, max: usize, now: Timestamp) -> Result<DueBatch> {
        self.lease(token, max, false, now).await
    }

    async fn commit_outcomes(
        &self,
        outcomes: Vec<OutcomeCommit>,
        watched: Watched,
        now: Timestamp,
    ) -> Result<usize> {
        let outcomes = work::prepared(outcomes)?;
        self.writer.write(Keep::Now, move |db| work::commit_outcomes(db, &outcomes, watched, now)).await
    }

    async fn lease_actions(
        &self,
        lease: &SourceLease,
        token: Token,
        brakes: Brakes,
        now: Timestamp,
    ) -> Result<ActionBatch> {
        let source = lease.source.clone();
        let next_at = self.read(move |db| outbox::next_action(db, &source)).await?;
        if !brakes.recovered && next_at.is_none_or(|at| at > now) {
            return Ok(ActionBatch { next_at, ..ActionBatch::default() });
        }
        let lease = lease.clone();
        let lease_actions = move |db: &Connection| {
            let batch = outbox::lease_actions(db, &lease, token, brakes, now)?;
            let leases = if batch.actions.is_empty() { None } else { Some(open::count_lease(db)?) };
            Ok((batch, leases))
        };
        let (batch, leases) = self.writer.write(Keep::Now, lease_actions).await?;
        if let (Some(leases), Some(beside)) = (leases, &self.beside) {
            beside.note(leases).map_err(|error| StoreError::Broken(error.to_string()))?;
        }
        Ok(batch)
    }

    async fn settle(
        &self,
        lease: &SourceLease,
        settlements: Vec<Settlement>,
        now: Timestamp,
    ) -> Result<usize> {
        let lease = lease.clone();
        self.writer.write(Keep::Now, move |db| outbox::settle(db, &lease, &settlements, now)).await
    }

    async fn lease_notices(
        &self,
        channel: &str,
        token: Token,
        bounds: NoticeBounds,
        now: Timestamp,
    ) -> Result<NoticeBatch> {
        let channel = channel.to_owned();
        let name = channel.clone();
        let next_at = self.read(move |db| notices::outlook(db, &name)).await?;
        if next_at.is_none_or(|at| at > now) {
            return Ok(NoticeBatch { message: None, next_at });
        }
        // Before it is sent it is known what it was sent as.
        self.writer.write(Keep::Now, move |db| notices::lease(db, &channel, token, bounds, now)).await
    }

    async fn settle_notices(
        &self,
        channel: &str,
        message: LeasedMessage,
        verdict: NoticeVerdict,
        now: Timestamp,
    ) -> Result<bool> {
        let channel = channel.to_owned();
        let settle = move |db: &Connection| notices::settle(db, &channel, &message, &verdict, now);
        self.writer.write(Keep::Now, settle).await
    }

    async fn note_digest(&self, notice: NewNotice, now: Timestamp) -> Result<bool> {
        self.writer.write(Keep::Now, move |db| notices::insert(db, 0, &notice, now)).await
    }

    async fn has_notice(&self, channel: &str, key: &str) -> Result<bool> {
        let (channel, key) = (channel.to_owned(), key.to_owned());
        self.read(move |db| notices::is_known(db, &channel, &key)).await
    }

    async fn channels(&self) -> Result<Vec<ChannelRow>> {
        self.read(notices::channels).await
    }

    async fn wake_all(&self, epoch: &str, now: Timestamp) -> Result<()> {
        let epoch = epoch.to_owned();
        self.writer.write(Keep::Now, move |db| upkeep::wake_all(db, &epoch, now)).await
    }

    async fn note_clocks(&self, clocks: &str, now: Timestamp) -> Result<()> {
        let clocks = clocks.to_owned();
        self.writer.write(Keep::Now, move |db| upkeep::note_clocks(db, &clocks, now)).await
    }

    async fn sweep(&self, retention: Retention, now: Timestamp) -> Result<Swept> {
        let swept = self.writer.write(Keep::Now, move |db| upkeep::sweep(db, retention, now)).await?;
        if upkeep::is_log_large(&self.path) {
            self.cut_log().await?;
        }
        Ok(swept)
    }

    async fn order(&self, order: Order, now: Timestamp) -> Result<usize> {
        let erases = matches!(order, Order::Erase { .. });
        let met = self.writer.write(Keep::Now, move |db| upkeep::order(db, &order, now)).await?;
        if erases {
            // The write-ahead log still holds what was erased.
            self.cut_log().await?;
        }
        Ok(met)
    }

    async fn find_cases(&self, name: &str) -> Result<Vec<StateRow>> {
        let name = name.to_owned();
        self.read(move |db| reads::find_cases(db, &name)).await
    }

    async fn states(&self, after: i64, max: usize) -> Result<Vec<StateRow>> {
        self.read(move |db| reads::states(db, after, max)).await
    }

    async fn open_flags(&self, max: usize) -> Result<Vec<FlagRow>> {
        self.read(move |db| reads::open_flags(db, max)).await
    }

    async fn around(&self, case: i64) -> Result<Around> {
        self.read(move |db| surroundings::around(db, case)).await
    }

    async fn decisions(&self, case: i64) -> Result<Vec<DecisionRow>> {
        self.read(move |db| reads::decisions(db, case)).await
    }

    async fn parked(&self) -> Result<Vec<ParkedRow>> {
        self.read(reads::parked).await
    }

    async fn wanted(&self, case: i64) -> Result<Vec<Wanted>> {
        self.read(move |db| reads::wanted(db, case)).await
    }

    fn room(&self) -> Room {
        let disk = self.path.parent().and_then(|folder| rustix::fs::statvfs(folder).ok());
        let (free, all) = disk.map_or((u64::MAX, u64::MAX), |disk| {
            (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize))
        });
        let room = Room { free_bytes: free, least_bytes: self.least.of(all), full: self.writer.is_full() };
        let shortage = room.shortage();
        if shortage.is_some() != self.short.swap(shortage.is_some(), Ordering::Relaxed) {
            match shortage {
                Some(why) => tracing::error!("{why}"),
                None => tracing::info!("the disk has room again"),
            }
        }
        room
    }

    async fn sources(&self, now: Timestamp) -> Result<Vec<SourceRow>> {
        self.read(move |db| reads::sources(db, now)).await
    }

    async fn audit_rows(&self, question: AuditQuestion) -> Result<Vec<AuditRow>> {
        self.read(move |db| audit::rows(db, &question)).await
    }

    async fn audit_head(&self) -> Result<(String, i64)> {
        self.read(|db| audit::head(db).map(|(hash, rows)| (hex::encode(hash), rows))).await
    }

    async fn verify_audit(&self, head: Option<String>) -> Result<Verified> {
        self.read(move |db| audit::verify(db, head.as_deref())).await
    }

    async fn past(&self) -> Result<Past> {
        self.read(past::past).await
    }

    async fn counts(&self, now: Timestamp) -> Result<Counts> {
        self.read(move |db| reads::counts(db, now)).await
    }
}
