//! Room for more: what the database's disk has left, and what must stay free of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Of a large disk, no more than this is kept free for its part.
const PART_BYTES_MAX: u64 = 2_000_000_000;

/// What must stay free of a disk before more is taken in: a part of it, or so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub enum FreeMin {
    Percent(u64),
    Bytes(u64),
}

const UNITS: [(&str, u64); 3] = [("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)];

impl FreeMin {
    pub fn of(self, disk_bytes: u64) -> u64 {
        match self {
            FreeMin::Percent(percent) => (disk_bytes / 100 * percent).min(PART_BYTES_MAX),
            FreeMin::Bytes(bytes) => bytes,
        }
    }
}

impl TryFrom<String> for FreeMin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let percent =
            || text.strip_suffix('%')?.parse().ok().filter(|part| *part < 100).map(FreeMin::Percent);
        let size = |(unit, bytes): &(&str, u64)| {
            let count: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            count.checked_mul(*bytes).map(FreeMin::Bytes)
        };
        percent().or_else(|| UNITS.iter().find_map(size)).ok_or_else(|| {
            format!(
                "invalid free space `{text}`: write a part of the disk like \"5%\", or a size like \"500MB\""
            )
        })
    }
}

/// How the database's disk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Room {
    pub free_bytes: u64,
    /// With less than this free, webhooks are sent away; what is known already is worked off.
    pub least_bytes: u64,
    /// The last attempt to store anything met a full disk.
    pub full: bool,
}

impl Room {
    /// Whether webhooks are sent away without a try.
    pub fn is_short(&self) -> bool {
        self.free_bytes < self.least_bytes
    }

    /// What is wrong, and what to do.
    pub fn shortage(&self) -> Option<String> {
        let megabytes = |bytes: u64| bytes / 1_000_000;
        let (free, least) = (megabytes(self.free_bytes), megabytes(self.least_bytes));
        if self.full {
            return Some(format!(
                "disk full ({free} MB free): nothing can be stored; make room, the rest follows by itself"
            ));
        }
        self.is_short().then(|| {
            format!(
                "disk short ({free} MB free, {least} MB wanted): webhooks are sent away until there is room"
            )
        })
    }
}

#[cfg(test)]
mod tests;
