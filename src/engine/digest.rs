//! The daily digest: once per day and channel, at the channel's local time.

use super::{EngineError, Shared, Tick, Unit, lock};
use crate::notify::{Channel, Content, Digest, DigestAt, DigestBuilder, Unseen, digest_key};
use crate::store::{NewNotice, open_state};
use async_trait::async_trait;
use dutyd_core::around::Around;
use dutyd_core::state::FlagState;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A digest that could not be made in time is not made later than this.
const LATE_MAX: SignedDuration = SignedDuration::from_hours(2);
/// States read at once, and at all, for one digest.
const PAGE: usize = 500;
const CASES_MAX: usize = 200_000;

/// See the module.
pub struct DailyDigest {
    shared: Arc<Shared>,
    /// The last local day that is done with, by channel.
    done: Mutex<BTreeMap<String, Date>>,
}

impl DailyDigest {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: shared.clone(), done: Mutex::default() }
    }

    fn channels(&self) -> impl Iterator<Item = (&Arc<Channel>, DigestAt)> {
        let channels = self.shared.channels.iter().map(|setup| &setup.channel);
        channels.filter_map(|channel| Some((channel, channel.digest?)))
    }

    /// When the channel's next digest is due; `None`: now, for this day.
    fn due(&self, channel: &Channel, at: DigestAt, now: Timestamp) -> Result<Date, Timestamp> {
        let (today, due_at) = at.on_day_of(now, &channel.zone);
        let done = lock(&self.done).get(&channel.name) == Some(&today);
        match () {
            () if now < due_at => Err(due_at),
            () if done || now.duration_since(due_at) > LATE_MAX => Err(at.tomorrow(now, &channel.zone)),
            () => Ok(today),
        }
    }

    async fn make(&self, channel: &Arc<Channel>, day: Date, now: Timestamp) -> Result<(), EngineError> {
        let day_word = day.to_string();
        let key = digest_key(&channel.name, &day_word);
        if !self.shared.store.has_notice(&channel.name, &key).await? {
            let digest = self.look(channel, day_word, now).await?;
            let body = serde_json::to_string(&Content::Digest(digest))
                .map_err(|error| EngineError::Ended(error.to_string()))?;
            let channel_name = channel.name.clone();
            let notice = NewNotice {
                channel: channel_name,
                key,
                subject: String::new(),
                aloud: true,
                clears: false,
                rank: i64::MAX,
                body,
            };
            self.shared.store.note_digest(notice, now).await?;
        }
        lock(&self.done).insert(channel.name.clone(), day);
        Ok(())
    }

    async fn look(&self, channel: &Arc<Channel>, day: String, now: Timestamp) -> Result<Digest, EngineError> {
        let policies = self.shared.policy.borrow().clone();
        let told: Vec<String> = self.shared.told_sources(channel);
        let sources = self.shared.sources.values().map(|source| source.health(now));
        let unseen = sources.filter(|health| told.contains(&health.source));
        let unseen = unseen.filter_map(|health| Unseen::of(&health)).collect();
        let (mut builder, mut after, mut seen) = (DigestBuilder::new(channel, unseen, now), 0, 0);
        loop {
            let rows = self.shared.store.states(after, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(builder.finish(day, false)) };
            (after, seen) = (last.case, seen + rows.len());
            for row in rows.iter().filter(|row| told.contains(&row.key.source)) {
                // A state that cannot be read is reported when its case is next looked at.
                let Ok(state) = open_state(&row.state) else { continue };
                let flagged = state.flags.iter().any(|flag| flag.state == FlagState::Open);
                let around =
                    if flagged { self.shared.store.around(row.case).await? } else { Around::default() };
                builder.take(&policies, &state, &around);
            }
            if seen >= CASES_MAX {
                return Ok(builder.finish(day, true));
            }
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Unit for DailyDigest {
    fn name(&self) -> &str {
        "digest"
    }

    async fn tick(&self) -> Result<Tick, EngineError> {
        let now = self.shared.now();
        let mut until: Option<Timestamp> = None;
        for (channel, at) in self.channels() {
            match self.due(channel, at, now) {
                Err(next) => until = [until, Some(next)].into_iter().flatten().min(),
                Ok(day) => {
                    self.make(channel, day, now).await?;
                    return Ok(Tick::Worked);
                }
            }
        }
        Ok(Tick::Idle { until })
    }
}
