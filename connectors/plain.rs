//! Text for a note: letters and line ends, nothing that a terminal or a browser would obey.

/// Without control characters and without those that turn the direction of writing.
pub fn printable(line: &str) -> String {
    line.chars().filter(|letter| !letter.is_control() && !is_bidi(*letter)).collect()
}

/// The same for several lines.
pub fn lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

fn is_bidi(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
