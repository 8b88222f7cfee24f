//! The control socket: one line of JSON asks, one line of JSON answers. Only our own user and root are heard.
//!
//! Must not know: what the questions mean; the desk answers them.

use crate::desk::{Answer, Ask, Desk, Refusal};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// The longest question.
const ASK_BYTES_MAX: u64 = 64 * 1024;
/// The longest answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Questions at once.
const CALLERS_MAX: usize = 16;
/// How long one caller may take.
const CALL_MAX: Duration = Duration::from_secs(60);

/// A socket that disappears with its owner.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Takes the path. A socket that nobody listens on is replaced; anything else there is an error.
    pub async fn bind(path: &Path) -> std::io::Result<Self> {
        if let Ok(metadata) = std::fs::symlink_metadata(path) {
            let taken = !metadata.file_type().is_socket() || UnixStream::connect(path).await.is_ok();
            if taken {
                return Err(std::io::ErrorKind::AddrInUse.into());
            }
            std::fs::remove_file(path)?;
        }
        Ok(Self { listener: bound_unseen(path)?, path: path.to_owned() })
    }

    /// Answers until `stop` turns true.
    pub async fn serve(self, desk: Arc<Desk>, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(CALLERS_MAX));
        let mut callers = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => break,
                accepted = self.listener.accept() => accepted,
                Some(_) = callers.join_next() => continue,
            };
            let Ok((stream, _)) = accepted else { continue };
            let Ok(place) = places.clone().try_acquire_owned() else { continue };
            let desk = desk.clone();
            callers.spawn(async move {
                let _place = place;
                let _ = tokio::time::timeout(CALL_MAX, converse(stream, &desk)).await;
            });
        }
    }
}

/// A socket is made with the permissions of the umask. So it is made in a directory that nobody else can enter, and moved
/// to its place once it has its own.
fn bound_unseen(path: &Path) -> std::io::Result<UnixListener> {
    let mut hall = path.as_os_str().to_owned();
    hall.push(".d");
    let (hall, made) = (PathBuf::from(&hall), PathBuf::from(hall).join("s"));
    // What a crash in the middle left behind.
    let _ = std::fs::remove_dir_all(&hall);
    std::fs::DirBuilder::new().mode(0o700).create(&hall)?;
    let bound = UnixListener::bind(&made).and_then(|listener| {
        std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&made, path)?;
        Ok(listener)
    });
    std::fs::remove_dir_all(&hall)?;
    bound
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn converse(stream: UnixStream, desk: &Desk) -> std::io::Result<()> {
    if !is_heard(&stream)? {
        tracing::warn!("a user other than root and ourselves tried the control socket and was refused");
        return Ok(());
    }
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reading.take(ASK_BYTES_MAX)).read_line(&mut line).await?;
    let answer: Result<Answer, Refusal> = match serde_json::from_str::<Ask>(&line) {
        Ok(ask) => desk.answer(ask).await,
        Err(error) => {
            Err(Refusal::NotFound(format!("this daemon does not understand the question: {error}")))
        }
    };
    let mut text = serde_json::to_vec(&answer).map_err(std::io::Error::other)?;
    text.push(b'\n');
    writing.write_all(&text).await?;
    writing.shutdown().await
}

/// By the kernel's word on who is at the other end.
fn is_heard(stream: &UnixStream) -> std::io::Result<bool> {
    let caller = stream.peer_cred()?.uid();
    let (here, _) = UnixStream::pair()?;
    let own = here.peer_cred()?.uid();
    Ok(caller == 0 || caller == own)
}

/// Asks the daemon behind the socket. `None`: there is none.
pub async fn ask(path: &Path, ask: &Ask) -> std::io::Result<Option<Result<Answer, Refusal>>> {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = serde_json::to_vec(ask).map_err(std::io::Error::other)?;
    text.push(b'\n');
    stream.write_all(&text).await?;
    let mut line = String::new();
    let mut reading = BufReader::new(stream.take(ANSWER_BYTES_MAX));
    tokio::time::timeout(CALL_MAX, reading.read_line(&mut line)).await.map_err(std::io::Error::other)??;
    if line.is_empty() {
        let message = "the daemon hung up without an answer; run as root or as the daemon's user";
        return Err(std::io::Error::other(message));
    }
    serde_json::from_str(&line).map(Some).map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests;
