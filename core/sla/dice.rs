//! Seeded randomness for property tests, and how many cases they run.

/// A small generator (splitmix64): the same case number always draws the same case.
pub(crate) struct Dice(u64);

impl Dice {
    pub fn new(case: u64) -> Self {
        Self(case.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed)
    }

    /// How many cases to run: `DUTYD_CASES`, or the ordinary number.
    pub fn cases(ordinary: u64) -> u64 {
        std::env::var("DUTYD_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(ordinary)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    pub fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}
