//! What people are told: one unit per channel sends what waits in the store, one message at a time.
//!
//! A channel cannot be asked whether it has a message already: after a lost answer it is sent again under the same id.

use super::retry::{WAIT_MAX, WAIT_MIN, after, backoff};
use super::{EngineError, Shared, Tick, Unit, lock};
use crate::http::{Door, PostError};
use crate::metrics::Metrics;
use crate::notify::{Channel, Content, Letter};
use crate::store::{LeasedMessage, NoticeBounds, NoticeVerdict};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex};

/// Flags that one message can stand for.
const TOGETHER_MAX: usize = 100;
/// Attempts before a message is left to a person: about an hour.
pub const ATTEMPTS_MAX: u32 = 12;

/// A channel and the way there.
pub struct ChannelSetup {
    pub channel: Arc<Channel>,
    pub door: Door,
    pub metrics: Arc<Metrics>,
}

/// See the module.
pub struct Tell {
    name: String,
    shared: Arc<Shared>,
    setup: Arc<ChannelSetup>,
    /// After failures, how many in a row there were, and until when nothing is sent.
    failures: Mutex<(u32, Option<Timestamp>)>,
}

impl Tell {
    pub fn new(shared: &Arc<Shared>, setup: &Arc<ChannelSetup>) -> Self {
        Self {
            name: format!("tell {}", setup.channel.name),
            shared: shared.clone(),
            setup: setup.clone(),
            failures: Mutex::default(),
        }
    }
}

#[async_trait]
impl Unit for Tell {
    fn name(&self) -> &str {
        &self.name
    }

    async fn tick(&self) -> Result<Tick, EngineError> {
        let (now, channel) = (self.shared.now(), &self.setup.channel);
        if let Some(until) = lock(&self.failures).1.filter(|until| *until > now) {
            return Ok(Tick::Idle { until: Some(until) });
        }
        let bounds = NoticeBounds { group_above: channel.group_above(), together_max: TOGETHER_MAX };
        let batch =
            self.shared.store.lease_notices(&channel.name, self.shared.dice.token(), bounds, now).await?;
        let Some(message) = batch.message else { return Ok(Tick::Idle { until: batch.next_at }) };
        let verdict = match self.send(&message, now).await {
            Ok(()) => {
                *lock(&self.failures) = (0, None);
                NoticeVerdict::Told
            }
            Err(error) => self.verdict(&message, error),
        };
        self.setup.metrics.message(&channel.name, verdict.word());
        self.shared.store.settle_notices(&channel.name, message, verdict, self.shared.now()).await?;
        Ok(Tick::Worked)
    }
}

impl Tell {
    async fn send(&self, message: &LeasedMessage, now: Timestamp) -> Result<(), PostError> {
        let unreadable = |because: String| PostError::Refused { because };
        let content: Result<Vec<Content>, _> =
            message.bodies.iter().map(|body| serde_json::from_str(body)).collect();
        let content = content.map_err(|error| unreadable(format!("the stored message: {error}")))?;
        let letter = Letter { id: message.message.clone(), now, content, test: false };
        let parcel = self.setup.channel.parcel(&letter).map_err(unreadable)?;
        self.setup.door.send(parcel, now).await
    }

    /// When to try a message again. The channel rests too, the longer the more failed in a row: it may be the receiver, or
    /// this message alone, which must not hold up others.
    fn rest(&self, attempt: u32, told: Option<SignedDuration>) -> Timestamp {
        let (now, dice) = (self.shared.now(), &self.shared.dice);
        let told = told.map(|wait| wait.clamp(WAIT_MIN, WAIT_MAX));
        let mut failures = lock(&self.failures);
        failures.0 = failures.0.saturating_add(1);
        let until = after(now, told.unwrap_or_else(|| backoff(failures.0, dice)));
        failures.1 = Some(until);
        after(now, backoff(attempt, dice)).max(until)
    }

    fn verdict(&self, message: &LeasedMessage, error: PostError) -> NoticeVerdict {
        let channel = &self.setup.channel.name;
        let (id, attempt) = (&message.message, message.attempt);
        let (because, wait) = match error {
            PostError::Refused { because } => (because, None),
            PostError::Later { because, wait } if attempt < ATTEMPTS_MAX => {
                (because, Some(self.rest(attempt, wait)))
            }
            PostError::Later { because, .. } => (format!("after {attempt} attempts: {because}"), None),
        };
        match wait {
            Some(at) => {
                tracing::warn!(%channel, message = %id, attempt, until = %at,
                    "nobody could be told on channel {channel}: {because}; trying again");
                NoticeVerdict::Retry { at, because }
            }
            None => {
                tracing::error!(%channel, message = %id, attempt,
                    "nobody was told on channel {channel}, the message is parked: {because}; see `dutyd parked list`");
                NoticeVerdict::Parked { because }
            }
        }
    }
}
