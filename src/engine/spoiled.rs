//! How many of a source's last records could not be understood. A few are bad records and are quarantined one by one; many
//! mean that the vendor, its schema or our rights have changed, and the source is halted instead.

/// The records that are remembered, and how many bad ones among them are too many.
const LAST: f64 = 100.0;
const BAD_MAX: f64 = 20.0;

/// See the module.
#[derive(Debug, Default)]
pub struct Records {
    good: f64,
    bad: f64,
}

impl Records {
    /// Takes in what was read. Answers whether too many of the last records are bad, and then starts anew.
    pub fn are_spoiled_by(&mut self, good: usize, bad: usize) -> bool {
        (self.good, self.bad) = (self.good + good as f64, self.bad + bad as f64);
        let share = LAST / (self.good + self.bad).max(LAST);
        (self.good, self.bad) = (self.good * share, self.bad * share);
        let spoiled = bad > 0 && self.bad > BAD_MAX;
        if spoiled {
            *self = Self::default();
        }
        spoiled
    }
}

#[cfg(test)]
mod tests;
