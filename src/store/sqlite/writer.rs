//! The one thread that writes: it owns the connection and commits many requests with one sync.
//!
//! Must not know: what the requests do.

use crate::store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, ffi};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the writer; more wait outside.
const QUEUE_MAX: usize = 4_096;
/// Requests of one transaction.
const BATCH_MAX: usize = 512;

/// What must be on the disk before the sender goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// This request and all before it.
    Now,
    /// Nothing: a power cut may undo it, never without what came after it. For leases of work that is here, not sent.
    Later,
}

/// Work with its sender waiting for the answer. It may be run again after all it did was undone.
trait Asked: Send {
    /// Why it failed, if it did.
    fn run(&mut self, db: &Connection) -> Option<StoreError>;
    /// Tells the sender what it came to, once it is known whether it is kept.
    fn tell(self: Box<Self>, kept: Result<(), StoreError>);
}

struct Question<T, F> {
    work: F,
    result: Result<T, StoreError>,
    /// What the work held goes back with the answer, to be dropped elsewhere.
    told: oneshot::Sender<(Result<T, StoreError>, F)>,
}

impl<T: Send, F: FnMut(&Connection) -> Result<T, StoreError> + Send> Asked for Question<T, F> {
    fn run(&mut self, db: &Connection) -> Option<StoreError> {
        self.result = (self.work)(db);
        self.result.as_ref().err().cloned()
    }

    fn tell(self: Box<Self>, kept: Result<(), StoreError>) {
        let Self { work, result, told } = *self;
        // A sender that went away does not want to know.
        told.send((kept.and(result), work)).ok();
    }
}

type Work = Box<dyn Asked>;

/// Works off small things of one kind together; answers one number for each.
pub type Together<I> = fn(&Connection, &[I]) -> Result<Vec<usize>, StoreError>;

/// Small things of one batch, each with a sender of its own. They fail together.
struct Gathered<I> {
    work: Together<I>,
    items: Vec<I>,
    senders: Vec<oneshot::Sender<Result<usize, StoreError>>>,
    result: Result<Vec<usize>, StoreError>,
}

impl<I> Gathered<I> {
    fn new(work: Together<I>) -> Self {
        Self { work, items: Vec::new(), senders: Vec::new(), result: Err(StoreError::Closed) }
    }
}

impl<I: Send> Asked for Gathered<I> {
    fn run(&mut self, db: &Connection) -> Option<StoreError> {
        self.result = (self.work)(db, &self.items);
        self.result.as_ref().err().cloned()
    }

    fn tell(self: Box<Self>, kept: Result<(), StoreError>) {
        let answers = kept.and(self.result);
        for (nth, told) in self.senders.into_iter().enumerate() {
            let answer = answers.as_ref().map(|answers| answers.get(nth).copied().unwrap_or(0));
            told.send(answer.map_err(Clone::clone)).ok();
        }
    }
}

enum Request<I> {
    Work(Work, Keep),
    /// To be kept now.
    Item(I, oneshot::Sender<Result<usize, StoreError>>),
    Close(oneshot::Sender<()>),
}

/// Sends requests to the writer thread.
#[derive(Debug)]
pub struct Writer<I> {
    queue: Option<mpsc::Sender<Request<I>>>,
    thread: Option<std::thread::JoinHandle<()>>,
    full: Arc<AtomicBool>,
}

/// Waits until the connection is closed, so that the database can be opened again at once.
impl<I> Drop for Writer<I> {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was told to whoever was waiting for it.
            thread.join().ok();
        }
    }
}

impl<I: Send + 'static> Writer<I> {
    /// A writer that refuses everything.
    pub fn closed() -> Self {
        Self { queue: None, thread: None, full: Arc::default() }
    }

    /// `closing` runs last, when the store is closed in order. `lock` is held as long as the connection. `together` works
    /// off what [`Writer::gather`] is given.
    pub fn start(
        connection: Connection,
        lock: File,
        closing: impl FnOnce(&Connection) + Send + 'static,
        together: Together<I>,
    ) -> Result<Self, StoreError> {
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        let full = Arc::new(AtomicBool::default());
        let meets_full = full.clone();
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                serve(&connection, requests, &meets_full, closing, together);
                drop(connection);
                drop(lock);
            })
            .map_err(|error| StoreError::Unusable(error.to_string()))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), full })
    }

    /// Runs `work` inside a transaction that others may share; returns once it is kept. An error undoes what
    /// `work` did, and nothing else. It may run twice, the second time after all it did was undone.
    pub async fn write<T: Send + 'static>(
        &self,
        keep: Keep,
        work: impl FnMut(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (told, answer) = oneshot::channel();
        let asked: Work = Box::new(Question { work, result: Err(StoreError::Closed), told });
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(Request::Work(asked, keep)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?.0
    }

    /// Whether the last transaction met a full disk.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// A way for another thread to say that nothing more may be stored.
    pub fn handle(&self) -> Handle<I> {
        Handle(self.queue.as_ref().map(mpsc::Sender::downgrade))
    }

    /// Works `item` off together with others that wait; returns once all are kept.
    pub async fn gather(&self, item: I) -> Result<usize, StoreError> {
        let (told, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(Request::Item(item, told)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Finishes what is queued and ends the thread.
    pub async fn close(&self) {
        let (told, closed) = oneshot::channel();
        let Some(queue) = &self.queue else { return };
        if queue.send(Request::Close(told)).await.is_ok() {
            closed.await.ok();
        }
    }
}

/// See [`Writer::handle`]. Does not keep the writer alive.
pub struct Handle<I>(Option<mpsc::WeakSender<Request<I>>>);

impl<I> Handle<I> {
    /// Whoever writes from now on gets this error. Blocks.
    pub fn fail(self, error: StoreError) {
        let Some(queue) = self.0.and_then(|queue| queue.upgrade()) else { return };
        let (told, _) = oneshot::channel();
        let work = move |_: &Connection| Err::<(), _>(error.clone());
        let refuse = Question { work, result: Err(StoreError::Closed), told };
        // A writer that is gone stores nothing more either.
        queue.blocking_send(Request::Work(Box::new(refuse), Keep::Later)).ok();
    }
}

fn serve<I: Send + 'static>(
    connection: &Connection,
    mut requests: mpsc::Receiver<Request<I>>,
    full: &AtomicBool,
    closing: impl FnOnce(&Connection) + Send + 'static,
    together: Together<I>,
) {
    let mut broken: Option<StoreError> = None;
    while let Some(request) = requests.blocking_recv() {
        let mut batch: Vec<Work> = Vec::new();
        let mut gathered = Gathered::new(together);
        let mut close = None;
        let mut keep = Keep::Later;
        let mut next = Some(request);
        while let Some(request) = next.take() {
            match request {
                Request::Work(work, wanted) => {
                    batch.push(work);
                    if wanted == Keep::Now {
                        keep = Keep::Now;
                    }
                }
                Request::Item(item, told) => {
                    gathered.items.push(item);
                    gathered.senders.push(told);
                    keep = Keep::Now;
                }
                Request::Close(told) => close = Some(told),
            }
            if close.is_none() && batch.len() + gathered.items.len() < BATCH_MAX {
                next = requests.try_recv().ok();
            }
        }
        if !gathered.items.is_empty() {
            batch.push(Box::new(gathered));
        }
        match &broken {
            None => {
                let failure = commit_together(connection, batch, keep);
                full.store(matches!(failure, Some(StoreError::Full(_))), Ordering::Relaxed);
                broken = failure.filter(StoreError::is_fatal);
            }
            // After a failed write or sync nothing is tried again: what the disk holds is unknown.
            Some(error) => batch.into_iter().for_each(|work| work.tell(Err(error.clone()))),
        }
        if let Some(told) = close {
            if broken.is_none() {
                closing(connection);
            }
            told.send(()).ok();
            break;
        }
    }
    if broken.is_some() {
        // Closing would copy the log back and sync again, which may now claim what is not so.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).ok();
    }
}

/// One transaction for all of `batch`. Failures are rare: only after one is everything undone and run again, each
/// request within a savepoint of its own. Answers what the disk would not take, if anything.
fn commit_together(connection: &Connection, mut batch: Vec<Work>, keep: Keep) -> Option<StoreError> {
    if batch.is_empty() {
        return None;
    }
    let mut failures = Vec::new();
    let mut committed = keep_so(connection, keep).and_then(|()| run(connection, "BEGIN IMMEDIATE"));
    if committed.is_ok() {
        let failed = batch.iter_mut().find_map(|work| work.run(connection));
        committed = match failed {
            None => run(connection, "COMMIT"),
            Some(error) if error.is_fatal() => Err(error),
            Some(error) => {
                undo(connection);
                failures.push(error);
                // What failed alone has been undone alone.
                if batch.len() > 1 { each_guarded(connection, &mut batch, &mut failures) } else { Ok(()) }
            }
        };
    }
    if committed.is_err() {
        undo(connection);
    }
    let told = |error: &&StoreError| error.is_fatal() || matches!(error, StoreError::Full(_));
    let failure = failures.iter().chain(committed.as_ref().err()).find(told).cloned();
    for work in batch {
        work.tell(committed.clone());
    }
    failure
}

fn undo(connection: &Connection) {
    // A full disk may have undone the transaction already.
    if !connection.is_autocommit() {
        run(connection, "ROLLBACK").ok();
    }
}

/// In WAL mode NORMAL leaves the sync to the next transaction that asks for one. SQLite changes the setting while it
/// prepares the statement, so it is prepared each time.
///
/// Invariant: what is to be kept is synced (`what_is_to_be_kept_is_synced_whatever_came_before`).
fn keep_so(connection: &Connection, keep: Keep) -> Result<(), StoreError> {
    let synchronous = match keep {
        Keep::Now => "FULL",
        Keep::Later => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    Ok(())
}

/// Runs each request so that its failure undoes only itself; an error here undoes the whole transaction.
fn each_guarded(
    connection: &Connection,
    batch: &mut [Work],
    failures: &mut Vec<StoreError>,
) -> Result<(), StoreError> {
    run(connection, "BEGIN IMMEDIATE")?;
    for work in batch {
        run(connection, "SAVEPOINT request")?;
        if let Some(error) = work.run(connection) {
            failures.push(error.clone());
            if connection.is_autocommit() {
                return Err(error);
            }
            run(connection, "ROLLBACK TO request")?;
        }
        run(connection, "RELEASE request")?;
    }
    run(connection, "COMMIT")
}

fn run(connection: &Connection, statement: &str) -> Result<(), StoreError> {
    connection.prepare_cached(statement)?.execute([])?;
    Ok(())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        // No value was ever written that we cannot read.
        if let rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) = error
        {
            return StoreError::Damaged(error.to_string());
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full(error.to_string()),
            // The index of the log cannot grow; nothing was written yet.
            Some(ErrorCode::SystemIoFailure) if is(&error, ffi::SQLITE_IOERR_SHMSIZE) => {
                StoreError::Full(error.to_string())
            }
            Some(ErrorCode::SystemIoFailure) => StoreError::Broken(error.to_string()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Damaged(error.to_string())
            }
            _ => StoreError::Unusable(error.to_string()),
        }
    }
}

fn is(error: &rusqlite::Error, code: i32) -> bool {
    error.sqlite_error().is_some_and(|told| told.extended_code == code)
}

#[cfg(test)]
mod tests;
