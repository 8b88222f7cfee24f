//! Seeded randomness: lease tokens and jitter. The same seed gives the same run.

use crate::store::Token;
use jiff::SignedDuration;
use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64 (Steele, Lea, Flood 2014): one addition per draw, so that it can be shared.
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn draw(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn token(&self) -> Token {
        let drawn = i64::from_be_bytes(self.draw().to_be_bytes());
        Token(if drawn == 0 { 1 } else { drawn })
    }

    /// Evenly between nothing and `most`, in milliseconds.
    pub fn up_to(&self, most: SignedDuration) -> SignedDuration {
        let millis = u64::try_from(most.as_millis()).unwrap_or(0);
        let drawn = self.draw() % millis.saturating_add(1).max(1);
        SignedDuration::from_millis(i64::try_from(drawn).unwrap_or(i64::MAX))
    }
}
