//! `dutyd run`: the daemon in the foreground, as systemd starts it.

use super::{Exit, Failure, log};
use crate::config::{self, Place};
use crate::daemon::{Daemon, DaemonError};
use crate::systemd;
use tokio::sync::watch;

/// Threads that wait on sockets; the store has its own.
const THREADS_MAX: usize = 4;

pub fn run(place: &Place, verbose: u8) -> Result<Exit, Failure> {
    let settings = config::settings(&place.dir).map_err(|problems| Failure::config(&problems))?;
    log::start(&settings.log, verbose);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io(error.to_string()))?;
    let ended = runtime.block_on(live(place));
    systemd::stopping();
    ended.map(|()| Exit::Done).map_err(|error| Failure::new(exit(&error), error.to_string()))
}

async fn live(place: &Place) -> Result<(), DaemonError> {
    let (stop, stopped) = watch::channel(false);
    let daemon = Daemon::start(place).await?;
    let signals = tokio::spawn(systemd::obey(daemon.desk(), stop));
    let ended = daemon.run(stopped).await;
    signals.abort();
    ended
}

fn exit(error: &DaemonError) -> Exit {
    match error {
        DaemonError::Config(_) => Exit::Config,
        DaemonError::Listen(_) | DaemonError::Store(_) => Exit::Io,
        DaemonError::Clock(_) => Exit::Unreachable,
        DaemonError::Internal(_) => Exit::Internal,
    }
}
