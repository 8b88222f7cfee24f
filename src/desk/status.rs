//! `dutyd status`: is everything seen, decided and shown; if not, since when and why.

use super::{Desk, Desked, Refusal};
use crate::engine::SourceHealth;
use crate::notify::Unseen;
use crate::store::{ChannelRow, Counts, Room, SourceRow};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The daemon and its sources at one instant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    pub now: Timestamp,
    /// Whether the daemon answered; else the database did.
    pub running: bool,
    /// Content hash of the policy in force.
    pub policy: String,
    pub rules: usize,
    pub sources: Vec<SourceLine>,
    /// Channels that were ever told anything.
    #[serde(default)]
    pub channels: Vec<ChannelRow>,
    pub counts: Counts,
    /// The disk of the database.
    pub storage: Room,
}

/// One source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceLine {
    pub name: String,
    pub vendor: String,
    pub mode: String,
    pub writes_per_hour: u32,
    /// After so many seconds without a finished scan we are blind.
    pub bound_seconds: i64,
    /// Seconds since everything was known.
    pub behind_seconds: Option<i64>,
    /// Since when changes may be missing.
    pub blind_since: Option<Timestamp>,
    /// Why what is known of its cases may be old, if it may.
    #[serde(default)]
    pub unseen: Option<Unseen>,
    /// Share of changes that no webhook announced, 0 to 1.
    pub missed_share: Option<f64>,
    pub row: SourceRow,
    /// What only the running daemon knows.
    pub live: Option<LiveLine>,
}

/// How a source is doing right now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LiveLine {
    pub signed_out: bool,
    pub read_trouble: Option<String>,
    pub read_again_at: Option<Timestamp>,
    pub write_trouble: Option<String>,
    pub write_again_at: Option<Timestamp>,
    /// `writes_per_hour` is spent until then.
    pub braked_until: Option<Timestamp>,
    /// How far the vendor's clock is ahead of ours.
    pub clock_offset_ms: i64,
}

impl Desk {
    pub(super) async fn status(&self) -> Result<Status, Refusal> {
        let now = self.now();
        let counts = self.store.counts(now).await?;
        let policies = self.policies();
        Ok(Status {
            now,
            running: self.live.is_some(),
            policy: policies.current.id.clone(),
            rules: policies.current.rules.len(),
            sources: self.source_lines(now).await?,
            channels: self.store.channels().await?,
            counts,
            storage: self.store.room(),
        })
    }

    pub(super) async fn source_lines(&self, now: Timestamp) -> Result<Vec<SourceLine>, Refusal> {
        let rows = self.store.sources(now).await?;
        let health = self.live.as_ref().map(|live| live.engine.health()).unwrap_or_default();
        let line = |source: &Desked| {
            let row = rows.iter().find(|row| row.source == source.name).cloned();
            let health = health.iter().find(|health| health.source == source.name);
            source_line(source, row.unwrap_or_default(), health, now)
        };
        Ok(self.sources.iter().map(line).collect())
    }
}

/// What the engine says, where it runs, wins over what follows from the database.
fn source_line(source: &Desked, row: SourceRow, live: Option<&SourceHealth>, now: Timestamp) -> SourceLine {
    let health = live.cloned().unwrap_or_else(|| stored_health(source, &row, now));
    SourceLine {
        name: source.name.clone(),
        vendor: source.vendor.to_owned(),
        mode: health.mode.word().to_owned(),
        writes_per_hour: source.brakes.writes_per_hour,
        bound_seconds: health.bound_seconds,
        behind_seconds: health.lag_seconds.map(|seconds| seconds.max(0)),
        blind_since: health.blind_since,
        unseen: Unseen::of(&health),
        missed_share: row.missed_share(),
        row,
        live: live.map(live_line),
    }
}

/// How a source is doing by the database alone.
fn stored_health(source: &Desked, row: &SourceRow, now: Timestamp) -> SourceHealth {
    let bound = source.bound();
    SourceHealth {
        source: source.name.clone(),
        vendor: source.vendor,
        mode: source.brakes.mode,
        paused: row.paused,
        caught_up_at: row.caught_up_at,
        lag_seconds: row.caught_up_at.map(|at| now.duration_since(at).as_secs()),
        bound_seconds: bound.as_secs(),
        blind_since: row.caught_up_at.filter(|at| now.duration_since(*at) > bound),
        ..SourceHealth::default()
    }
}

fn live_line(health: &SourceHealth) -> LiveLine {
    LiveLine {
        signed_out: health.signed_out,
        read_trouble: health.read_trouble.clone(),
        read_again_at: health.read_again_at,
        write_trouble: health.write_trouble.clone(),
        write_again_at: health.write_again_at,
        braked_until: health.braked_until,
        clock_offset_ms: health.clock_offset_ms,
    }
}
