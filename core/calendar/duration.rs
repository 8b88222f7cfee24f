//! Durations as people write them: `90m`, `8h`, `2d` of 24 hours, `1h30m`. Whole seconds.

/// The longest duration accepted: 1,095 days, three years.
pub const DURATION_MAX: i64 = 1_095 * 86_400;

/// Seconds of `90s`, `90m`, `8h`, `2d` (24 hours each), `1w`, or several of them, largest first: `1h30m`.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let mut rest = text.trim();
    let mut total: i64 = 0;
    let mut unit_before = i64::MAX;
    if rest.is_empty() {
        return Err("the duration is empty".to_owned());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = unit_seconds(&rest[digits..digits + letters])
            .filter(|_| digits > 0)
            .ok_or_else(|| format!("`{text}` is not a duration"))?;
        if unit >= unit_before {
            return Err(format!("the units of `{text}` are not in order"));
        }
        let count: i64 = rest[..digits].parse().map_err(|_| format!("`{text}` is too long"))?;
        total = count.checked_mul(unit).and_then(|more| total.checked_add(more)).unwrap_or(i64::MAX);
        if total > DURATION_MAX {
            return Err(format!("`{text}` is longer than 1095 days"));
        }
        unit_before = unit;
        rest = rest[digits + letters..].trim_start();
    }
    Ok(total)
}

fn unit_seconds(unit: &str) -> Option<i64> {
    match unit {
        "s" | "sec" | "second" | "seconds" => Some(1),
        "m" | "min" | "minute" | "minutes" => Some(60),
        "h" | "hour" | "hours" => Some(3_600),
        "d" | "day" | "days" => Some(86_400),
        "w" | "week" | "weeks" => Some(7 * 86_400),
        _ => None,
    }
}

/// Seconds for people: `5 h 12 min`, `48 min`, `30 s`; a minus sign for time overdrawn.
pub fn format_seconds(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let total = seconds.unsigned_abs();
    let (hours, minutes, rest) = (total / 3_600, total / 60 % 60, total % 60);
    let parts = [(hours, "h"), (minutes, "min"), (rest, "s")];
    let shown: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .take(if hours > 0 && minutes > 0 { 2 } else { 3 })
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if shown.is_empty() { "0 s".to_owned() } else { format!("{sign}{}", shown.join(" ")) }
}
