//! Spans, instants and counts as people read them at night.

use dutyd_core::action::Severity;
use dutyd_core::rule::is_unseen;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// `42 s`, `5 min`, `5 h 12 min`, `3 d 4 h`: the two largest units.
pub fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// `2 h ago`, `in 48 min`, `now`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let apart = at.duration_since(now);
    match apart.as_secs() {
        0 => "now".to_owned(),
        seconds if seconds < 0 => format!("{} ago", span(apart)),
        _ => format!("in {}", span(apart)),
    }
}

/// `2026-03-02 09:00:05 CET`.
pub fn instant(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// `2026-03-02 09:00:05 CET, 2 h ago`.
pub fn when(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    format!("{}, {}", instant(at, zone), relative(at, now))
}

/// `24,918`.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 rule`, `14 rules`.
pub fn count(amount: u64, noun: &str) -> String {
    let plural = if amount == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(amount))
}

/// `flagged cases: 5 critical, 9 candidate, 3 warning, 0 watch; 2 dismissed`: each case once, by its worst flag. The counts
/// begin with the least severe.
pub fn flagged(cases: &[u64; 4], dismissed: u64) -> String {
    let worst_first = Severity::ALL.iter().zip(cases).rev();
    let words: Vec<String> =
        worst_first.map(|(severity, count)| format!("{} {}", number(*count), severity.word())).collect();
    let head = match cases.iter().sum::<u64>() {
        0 => "no flagged cases".to_owned(),
        _ => format!("flagged cases: {}", words.join(", ")),
    };
    if dismissed > 0 { format!("{head}; {} dismissed", number(dismissed)) } else { head }
}

/// One line of what may hold anything: control characters, line breaks and invisible marks, such as those that turn the
/// direction of writing, become spaces; at most `max` characters.
pub fn line(text: &str, max: usize) -> String {
    let plain = text.chars().map(|letter| if is_unseen(letter) { ' ' } else { letter });
    let shown: String = plain.take(max).collect();
    if text.chars().count() > max { format!("{}…", shown.trim_end()) } else { shown.trim_end().to_owned() }
}

/// One line that takes at most `width` places of a terminal, where letters of some scripts take two: cut with `…`.
pub fn cut(text: &str, width: usize) -> String {
    let plain = line(text, usize::MAX);
    if plain.width() <= width {
        return plain;
    }
    let mut used = 0;
    let fits = |letter: &char| {
        used += letter.width().unwrap_or(0);
        used < width
    };
    let shown: String = plain.chars().take_while(fits).collect();
    format!("{}…", shown.trim_end())
}

/// Lines broken between words where a terminal would break them within one; what goes on stands two places further in. A
/// word longer than a line, as an address, stays whole, so that it can be copied.
pub fn wrapped(text: &str, width: usize) -> String {
    text.split_inclusive('\n').map(|line| wrapped_line(line, width)).collect()
}

fn wrapped_line(line: &str, width: usize) -> String {
    if line.width() <= width {
        return line.to_owned();
    }
    let indent = line.len() - line.trim_start_matches(' ').len();
    let (mut text, mut used) = (" ".repeat(indent), indent);
    for (nth, word) in line.trim_matches(['\n', ' ']).split(' ').enumerate() {
        if nth > 0 && used + 1 + word.width() > width {
            text.truncate(text.trim_end().len());
            text.push_str(&format!("\n{}", " ".repeat(indent + 2)));
            used = indent + 2;
        } else if nth > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += word.width();
    }
    let end = if line.ends_with('\n') { "\n" } else { "" };
    format!("{text}{end}")
}

/// A column: cut to its width or filled up to it.
pub fn column(text: &str, width: usize) -> String {
    let cut = cut(text, width);
    let missing = width.saturating_sub(cut.width());
    format!("{cut}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_with_their_two_largest_units() {
        let table = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (18_720, "5 h 12 min"),
            (86_400, "1 d"),
            (273_600, "3 d 4 h"),
            (-120, "2 min"),
        ];
        for (seconds, expected) in table {
            assert_eq!(span(SignedDuration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn a_line_cannot_break_out_of_its_line() {
        let table = [
            ("plain", "plain"),
            ("two\nlines\u{1b}[31m", "two lines [31m"),
            ("exe\u{202e}gnp.\u{2066}x", "exe gnp. x"),
            ("longer than twenty characters", "longer than twenty c…"),
        ];
        for (text, expected) in table {
            assert_eq!(line(text, 20), expected);
        }
    }

    #[test]
    fn a_column_takes_its_places_whatever_the_script() {
        let table = [
            ("", 4, "    "),
            ("Acme", 6, "Acme  "),
            ("Zürich Straße", 13, "Zürich Straße"),
            ("Zürich Straße", 8, "Zürich…"),
            ("東京電力", 8, "東京電力"),
            ("東京電力", 10, "東京電力  "),
            ("東京電力株式会社", 8, "東京電… "),
            ("e\u{301}te\u{301}", 4, "e\u{301}te\u{301} "),
            ("two\nlines", 10, "two lines "),
        ];
        for (text, width, expected) in table {
            assert_eq!(column(text, width), format!("{expected}{}", " ".repeat(width - expected.width())));
        }
    }

    #[test]
    fn a_long_line_is_broken_between_words_and_goes_on_further_in() {
        let table = [
            ("short\n  and indented\n", 20, "short\n  and indented\n"),
            ("  one two three four\nfive\n", 12, "  one two\n    three\n    four\nfive\n"),
            ("CRITICAL   jira/SUP-1  Acme\n", 20, "CRITICAL  \n  jira/SUP-1  Acme\n"),
            (
                "see https://acme.example/browse/SUP-1 now",
                20,
                "see\n  https://acme.example/browse/SUP-1\n  now",
            ),
            ("東京 電力 株式 会社", 9, "東京 電力\n  株式\n  会社"),
        ];
        for (text, width, expected) in table {
            let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
            assert_eq!(trimmed(&wrapped(text, width)), trimmed(expected));
        }
    }

    #[test]
    fn cases_are_counted_worst_first() {
        let table = [
            ([0; 4], 0, "no flagged cases"),
            ([0; 4], 2, "no flagged cases; 2 dismissed"),
            ([1_200, 3, 9, 5], 0, "flagged cases: 5 critical, 9 candidate, 3 warning, 1,200 watch"),
            ([1, 0, 0, 0], 4, "flagged cases: 0 critical, 0 candidate, 0 warning, 1 watch; 4 dismissed"),
        ];
        for (cases, dismissed, expected) in table {
            assert_eq!(flagged(&cases, dismissed), expected);
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (amount, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (24_918, "24,918"), (1_234_567, "1,234,567")]
        {
            assert_eq!(number(amount), expected);
        }
    }
}
