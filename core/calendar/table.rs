//! Prefix sums of business time, prepared a chunk at a time when first asked for. Afterwards both questions are a
//! binary search.

use super::hours::Hours;
use std::sync::OnceLock;

/// 2^25 seconds: about 388 days.
const CHUNK_SECONDS_LOG2: u32 = 25;
/// 1900-01-01T00:00:00Z.
const FIRST: i64 = -2_208_988_800;
/// Up to the year 2200.
const CHUNKS: usize = 283;

pub(super) struct Table {
    chunks: Box<[OnceLock<Chunk>]>,
}

struct Chunk {
    opens: Vec<i64>,
    closes: Vec<i64>,
    /// Open seconds of the chunk before each stretch.
    before: Vec<i64>,
    total: i64,
}

impl Table {
    pub fn new() -> Self {
        Self { chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect() }
    }

    /// Open seconds in `from .. to`.
    pub fn between(&self, hours: &Hours, from: i64, to: i64) -> i64 {
        let from = from.max(FIRST);
        let to = to.min(FIRST + ((CHUNKS as i64) << CHUNK_SECONDS_LOG2) - 1);
        if to <= from {
            return 0;
        }
        let (first, last) = (index(from), index(to));
        let until_from = self.chunk(hours, first).until(from);
        let until_to = self.chunk(hours, last).until(to);
        let whole: i64 = (first..last).map(|chunk| self.chunk(hours, chunk).total).sum();
        whole + until_to - until_from
    }

    /// The earliest second at which `seconds` (at least 1) open seconds have passed since `from`.
    pub fn add(&self, hours: &Hours, from: i64, seconds: i64) -> Option<i64> {
        let from = from.max(FIRST);
        let first = index(from);
        if first >= CHUNKS {
            return None;
        }
        let mut needed = seconds.checked_add(self.chunk(hours, first).until(from))?;
        for index in first..CHUNKS {
            let chunk = self.chunk(hours, index);
            if needed <= chunk.total {
                return chunk.reaches(needed);
            }
            needed -= chunk.total;
        }
        None
    }

    fn chunk(&self, hours: &Hours, index: usize) -> &Chunk {
        self.chunks[index].get_or_init(|| {
            let from = FIRST + ((index as i64) << CHUNK_SECONDS_LOG2);
            Chunk::of(&hours.open_between(from, from + (1 << CHUNK_SECONDS_LOG2)))
        })
    }
}

/// Which chunk an instant at or after `FIRST` lies in.
fn index(at: i64) -> usize {
    ((at - FIRST) >> CHUNK_SECONDS_LOG2) as usize
}

impl Chunk {
    fn of(open: &[(i64, i64)]) -> Self {
        let mut total = 0;
        let before = open
            .iter()
            .map(|(opens, closes)| {
                let so_far = total;
                total += closes - opens;
                so_far
            })
            .collect();
        Self {
            opens: open.iter().map(|(opens, _)| *opens).collect(),
            closes: open.iter().map(|(_, closes)| *closes).collect(),
            before,
            total,
        }
    }

    /// Open seconds of the chunk before `at`.
    fn until(&self, at: i64) -> i64 {
        match self.opens.partition_point(|opens| *opens < at).checked_sub(1) {
            Some(last) => self.before[last] + at.min(self.closes[last]) - self.opens[last],
            None => 0,
        }
    }

    /// The earliest second at which `needed` (1 ..= total) open seconds of the chunk have passed.
    fn reaches(&self, needed: i64) -> Option<i64> {
        let stretch = self.before.partition_point(|before| *before < needed).checked_sub(1)?;
        Some(self.opens[stretch] + needed - self.before[stretch])
    }
}
