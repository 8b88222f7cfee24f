//! Where a keyset scan goes on, given what a page held.
//!
//! Vendor: the limit is applied before access rules, so a page may be short or empty although more rows follow; only
//! the count tells, which is taken before access rules too (c_TableAPI, "sysparm_limit").

/// Beyond this many rows in a row that we may not see, the scan gives up instead of asking on for ever.
pub const OFFSET_MAX: u32 = 1_000_000;

/// How the last page was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub limit: u32,
    pub offset: u32,
    pub counted: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Done,
    /// Behind the last row of the page.
    Behind {
        counted: bool,
    },
    /// Behind the same row as before, further along.
    Again {
        offset: u32,
        counted: bool,
    },
    /// So many rows are hidden from us that there is no end to be found.
    Lost,
}

/// `rows`: how many came. `total`: how many match behind the row the question began at, hidden ones included.
pub fn next(asked: Asked, rows: usize, total: Option<u64>) -> Next {
    let reached = asked.offset.saturating_add(asked.limit);
    let total = total.filter(|_| asked.counted);
    if total.is_some_and(|total| total <= u64::from(reached)) {
        return Next::Done;
    }
    if rows >= asked.limit as usize {
        return Next::Behind { counted: false };
    }
    if rows > 0 {
        return Next::Behind { counted: true };
    }
    match (asked.counted, total) {
        (false, _) => Next::Again { offset: asked.offset, counted: true },
        // Asked for a count and got none: one step further must be empty too.
        (true, None) if asked.offset > 0 => Next::Done,
        (true, _) if reached > OFFSET_MAX => Next::Lost,
        (true, _) => Next::Again { offset: reached, counted: true },
    }
}
