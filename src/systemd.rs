//! What the service manager is told and what it tells us: ready, status, alive, stopping; stop and reload.
//!
//! Without a service manager nothing is told and signals work the same.

use crate::clock::{Clock, SystemClock, Wake};
use crate::desk::{Answer, Ask, Desk};
use crate::engine::Engine;
use jiff::SignedDuration;
use sd_notify::NotifyState;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Everything that must stand before others may rely on us stands.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    tell(&[NotifyState::Status(&line.replace('\n', " "))]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

/// How often the watchdog is looked after, where one is set: three times within its patience.
fn watchdog_every() -> Option<SignedDuration> {
    let patience = SignedDuration::try_from(sd_notify::watchdog_enabled()?).ok()?;
    Some(patience / 3)
}

/// Feeds the watchdog as long as no unit of the engine hangs. Uses the machine's clock, whatever the engine follows.
pub async fn feed_watchdog(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let Some(every) = watchdog_every() else { return };
    let (clock, never) = (SystemClock::default(), Wake::default());
    while !*stop.borrow() {
        let stalled = engine.stalled();
        if stalled.is_empty() {
            tell(&[NotifyState::Watchdog]);
        } else {
            let units = stalled.join(", ");
            tracing::error!(
                units,
                "parts of the engine hang; the watchdog is not fed and we shall be restarted"
            );
        }
        let next = clock.now().saturating_add(every).unwrap_or(jiff::Timestamp::MAX);
        tokio::select! {
            _ = clock.sleep_until(Some(next), &never) => {}
            _ = stop.changed() => {}
        }
    }
}

/// SIGTERM and SIGINT stop us in order; SIGHUP reloads the policy, and nothing else.
pub async fn obey(desk: Arc<Desk>, stop: watch::Sender<bool>) {
    let signals =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        tracing::error!("signals cannot be received: stop us with SIGKILL");
        return;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => drop(tokio::spawn(reload(desk.clone()))),
        }
    }
    tracing::info!("stopping: what is under way is finished, the rest waits in the database");
    stop.send_replace(true);
}

/// Beside the signals: a stop does not wait for it.
async fn reload(desk: Arc<Desk>) {
    match desk.answer(Ask::Reload).await {
        Ok(Answer::Done { said }) => tracing::info!("{said}"),
        Ok(_) => {}
        Err(refusal) => tracing::error!("{refusal}"),
    }
}
