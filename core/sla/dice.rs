//! Seeded randomness for property tests, zones and instants worth asking about, and how many cases they run.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::sync::OnceLock;

/// Zones that do what others do not: half an hour of summer time, a day that never was, clocks changed at midnight.
const ODD: [&str; 6] = [
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Havana",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Asia/Kathmandu",
];

/// All zones of the machine's database.
pub(crate) fn zones() -> &'static [String] {
    static ZONES: OnceLock<Vec<String>> = OnceLock::new();
    ZONES.get_or_init(|| jiff::tz::db().available().map(|name| name.to_string()).collect())
}

/// From 2011 to 2035: seconds of the epoch.
pub(crate) const YEARS: std::ops::Range<i64> = 1_293_840_000..2_082_672_000;

/// A small generator (splitmix64): the same case number always draws the same case.
pub(crate) struct Dice(u64);

impl Dice {
    pub fn new(case: u64) -> Self {
        Self(case.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed)
    }

    /// How many cases to run: `DUTYD_CASES`, or the ordinary number.
    pub fn cases(ordinary: u64) -> u64 {
        crate::figure::wanted("DUTYD_CASES", ordinary)
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

    /// Any zone, odd ones more often.
    pub fn zone(&mut self) -> (&'static str, TimeZone) {
        let all = zones();
        let any = all[self.below(all.len() as u64) as usize].as_str();
        let name = if self.one_in(4) { ODD[self.below(ODD.len() as u64) as usize] } else { any };
        (name, TimeZone::get(name).unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// A transition of the zone between 2011 and 2035, or any instant where it has none; on a whole minute.
    pub fn moment(&mut self, zone: &TimeZone) -> i64 {
        let random = YEARS.start + self.below((YEARS.end - YEARS.start) as u64) as i64;
        let after = Timestamp::from_second(random).ok().and_then(|random| zone.following(random).next());
        let next = after.map(|transition| transition.timestamp().as_second());
        let moment = next.filter(|next| YEARS.contains(next) && !self.one_in(4)).unwrap_or(random);
        moment - moment.rem_euclid(60)
    }

    pub fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}
