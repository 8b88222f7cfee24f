//! Windows and dates as people write them.

use super::hours::{DAY, Window};
use jiff::civil::Date;

/// `09:00-17:00`; an end not after the start means the next day.
pub(super) fn window_of(text: &str) -> Result<Window, String> {
    let refused = || format!("`{text}` is not a window");
    let (open, close) = text.split_once(['-', '–']).ok_or_else(refused)?;
    let open = clock_time(open.trim()).filter(|open| *open < DAY as i32).ok_or_else(refused)?;
    let close = clock_time(close.trim()).ok_or_else(refused)?;
    match close.cmp(&open) {
        std::cmp::Ordering::Greater => Ok(Window { open, close }),
        std::cmp::Ordering::Less => Ok(Window { open, close: close + DAY as i32 }),
        std::cmp::Ordering::Equal => Err(format!("the window `{text}` is empty")),
    }
}

/// Seconds of `9:00`, `09:00` or `09:00:30`; `24:00` is the end of the day.
fn clock_time(text: &str) -> Option<i32> {
    let mut parts = text.split(':');
    let mut number = |digits: std::ops::RangeInclusive<usize>| {
        let part = parts.next()?;
        let is_number = digits.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.parse::<i32>().ok() } else { None }
    };
    let (hour, minute) = (number(1..=2)?, number(2..=2)?);
    let second = if text.matches(':').count() == 2 { number(2..=2)? } else { 0 };
    let total = hour * 3_600 + minute * 60 + second;
    let is_whole = parts.next().is_none() && minute < 60 && second < 60 && total <= DAY as i32;
    is_whole.then_some(total)
}

/// `2026-12-25`, between 1900 and 2200.
pub(super) fn date_of(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok().filter(|_| text.len() == 10)?;
    (1900..2200).contains(&date.year()).then_some(date)
}
