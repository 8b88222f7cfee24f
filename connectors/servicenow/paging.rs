//! Where a keyset scan goes on, given what a page held.
//!
//! Vendor: the limit is applied before access rules, so a page may be short or empty although more rows follow; the
//! count is taken before access rules too (c_TableAPI, "sysparm_limit"). An instance may also serve fewer rows than
//! were asked for. So a short page ends a scan only where the count leaves no room for another row.

/// An instance serves at least this many visible rows per page, if it has and is asked for them.
pub const SERVED_MIN: u32 = 50;
/// Beyond this many rows in a row that we may not see, the scan gives up instead of asking on for ever.
pub const OFFSET_MAX: u32 = 1_000_000;

/// How a page is asked for, behind some row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub limit: u32,
    /// Rows to step over: more than none only while looking for the end of a stretch of hidden rows.
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
    /// Behind the same row as before, looking for the end of a stretch of hidden rows in small steps.
    Again {
        offset: u32,
    },
    /// So many rows are hidden from us that there is no end to be found.
    Lost,
}

/// `rows`: how many came. `total`: how many match behind the row the question began at, hidden ones included.
pub fn next(asked: Asked, rows: usize, total: Option<u64>) -> Next {
    let step = asked.limit.min(SERVED_MIN);
    let served = u32::try_from(rows).unwrap_or(u32::MAX);
    let looked_at = asked.offset.saturating_add(step.max(served));
    let total = total.filter(|_| asked.counted);
    if total.is_some_and(|total| total <= u64::from(looked_at)) {
        return Next::Done;
    }
    if rows > 0 {
        return Next::Behind { counted: served < asked.limit };
    }
    match (asked.counted, total) {
        (false, _) => Next::Again { offset: asked.offset },
        // Asked for a count and got none: one step further must be empty too.
        (true, None) if asked.offset > 0 => Next::Done,
        (true, _) if looked_at > OFFSET_MAX => Next::Lost,
        // A large page that was empty says only that its first rows are hidden, if the instance served a small one.
        (true, Some(_)) if asked.limit > SERVED_MIN => Next::Again { offset: asked.offset },
        (true, _) => Next::Again { offset: looked_at },
    }
}
