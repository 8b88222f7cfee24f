//! Values as people read them: `5 h 12 min`, `87 %`, `Mon 2 Mar 09:00 CET`, `none`.
//!
//! Must not know: rules. Values come from outside and are made harmless here: one line, no control characters, short.

use super::facts::Facts;
use super::value::Value;
use super::vocabulary::{CaseWord, ClockWord, Measure, Read, SpanWord};
use jiff::Timestamp;

/// Longest value shown, in characters.
const SHOWN_MAX: usize = 120;

/// Words of a language that values need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    German,
    French,
    Spanish,
}

impl Language {
    /// By its code; anything unknown is shown in English.
    pub fn of(code: &str) -> Self {
        match code.get(..2) {
            Some("de") => Language::German,
            Some("fr") => Language::French,
            Some("es") => Language::Spanish,
            _ => Language::English,
        }
    }

    /// Whether [`Self::of`] has the words of this language.
    pub fn is_known(code: &str) -> bool {
        matches!(code.get(..2), Some("en" | "de" | "fr" | "es"))
    }

    fn none(self) -> &'static str {
        match self {
            Language::English => "none",
            Language::German => "keine Angabe",
            Language::French => "aucun",
            Language::Spanish => "ninguno",
        }
    }

    fn truth(self, value: bool) -> &'static str {
        match (self, value) {
            (Language::English, true) => "yes",
            (Language::English, false) => "no",
            (Language::German, true) => "ja",
            (Language::German, false) => "nein",
            (Language::French, true) => "oui",
            (Language::French, false) => "non",
            (Language::Spanish, true) => "sí",
            (Language::Spanish, false) => "no",
        }
    }

    /// A status in a sentence. Conditions use the words of the vocabulary.
    pub fn status(self, word: &str) -> String {
        let rows = [
            ("new", ["new", "neu", "nouveau", "nuevo"]),
            ("open", ["open", "offen", "ouvert", "abierto"]),
            (
                "pending",
                [
                    "waiting for the customer",
                    "wartet auf den Kunden",
                    "en attente du client",
                    "a la espera del cliente",
                ],
            ),
            ("on_hold", ["on hold", "zurückgestellt", "suspendu", "en pausa"]),
            ("resolved", ["resolved", "gelöst", "résolu", "resuelto"]),
            ("closed", ["closed", "geschlossen", "fermé", "cerrado"]),
        ];
        let said = rows.iter().find(|(known, _)| *known == word).map(|(_, said)| said[self as usize]);
        said.unwrap_or(word).to_owned()
    }

    /// A length of business time, by its name.
    fn business(self, length: &str) -> String {
        match self {
            Language::English => format!("{length} of business time"),
            Language::German => format!("{length} Geschäftszeit"),
            Language::French => format!("{length} de temps ouvré"),
            Language::Spanish => format!("{length} de horario laboral"),
        }
    }

    /// Time left, or overdrawn: `length`, that of so many seconds.
    fn left(self, seconds: i64, length: &str) -> String {
        if seconds == 0 {
            return match self {
                Language::English => "due now",
                Language::German => "jetzt fällig",
                Language::French => "à échéance maintenant",
                Language::Spanish => "vence ahora",
            }
            .to_owned();
        }
        match (self, seconds > 0) {
            (Language::English, true) => format!("{length} left"),
            (Language::English, false) => format!("overdue by {length}"),
            (Language::German, true) => format!("noch {length}"),
            (Language::German, false) => format!("seit {length} überfällig"),
            (Language::French, true) => format!("reste {length}"),
            (Language::French, false) => format!("en retard de {length}"),
            (Language::Spanish, true) => format!("quedan {length}"),
            (Language::Spanish, false) => format!("con retraso de {length}"),
        }
    }

    fn day(self) -> &'static str {
        match self {
            Language::French => "j",
            Language::German => "T",
            _ => "d",
        }
    }
}

/// A value that was read, for people.
pub fn show(read: &Read, value: &Value<'_>, facts: &Facts<'_>) -> String {
    let (language, zone) = facts.policy.manner_of(&facts.state.case);
    let language = Language::of(language);
    // Of a clock the word does not say by which time it counts, so its value does.
    let counted = |seconds: i64, clock: &str| match facts.clock(clock) {
        Some(clock) if clock.calendar.is_round_the_clock() => span(seconds, Measure::Wall, language),
        _ => language.business(&span(seconds, Measure::Business, language)),
    };
    match (value, kind(read)) {
        (Value::Null, _) => language.none().to_owned(),
        (Value::Int(seconds), Kind::Span(measure)) => span(*seconds, measure, language),
        (Value::Int(seconds), Kind::Left(measure)) => {
            language.left(*seconds, &span(seconds.abs(), measure, language))
        }
        (Value::Int(seconds), Kind::Used(clock)) => counted(*seconds, clock),
        (Value::Int(seconds), Kind::Unused(clock)) => language.left(*seconds, &counted(seconds.abs(), clock)),
        (value, Kind::Percent) => {
            value.number().map_or_else(String::new, |number| format!("{} %", number.floor()))
        }
        (Value::Text(text), Kind::Instant) => match text.parse::<Timestamp>() {
            Ok(at) => at.to_zoned(zone).strftime("%Y-%m-%d %H:%M %Z").to_string(),
            Err(_) => harmless(text),
        },
        (value, _) => plain(value, language),
    }
}

enum Kind<'r> {
    Plain,
    Span(Measure),
    Left(Measure),
    /// Of a clock's target.
    Used(&'r str),
    Unused(&'r str),
    Percent,
    Instant,
}

fn kind(read: &Read) -> Kind<'_> {
    match read {
        Read::Span(SpanWord::UntilDue, measure) => Kind::Left(*measure),
        Read::Span(_, measure) => Kind::Span(*measure),
        Read::Clock(clock, ClockWord::Elapsed) => Kind::Used(clock),
        Read::Clock(clock, ClockWord::Remaining) => Kind::Unused(clock),
        Read::Clock(_, ClockWord::DueIn(measure)) => Kind::Left(*measure),
        Read::Clock(_, ClockWord::Percent) => Kind::Percent,
        Read::Clock(_, ClockWord::DueAt) => Kind::Instant,
        Read::Case(CaseWord::OpenedAt | CaseWord::DueAt) => Kind::Instant,
        _ => Kind::Plain,
    }
}

fn plain(value: &Value<'_>, language: Language) -> String {
    match value {
        Value::Null => language.none().to_owned(),
        Value::Bool(truth) => language.truth(*truth).to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Text(text) => harmless(text),
        list => {
            let shown: Vec<_> = list.elements().iter().take(10).map(|value| plain(value, language)).collect();
            if shown.is_empty() { language.none().to_owned() } else { harmless(&shown.join(", ")) }
        }
    }
}

/// `40 s`, `12 min`, `5 h 12 min`; wall time beyond a day also `2 d 3 h`. Business days have no fixed length.
pub fn span(seconds: i64, measure: Measure, language: Language) -> String {
    let sign = if seconds < 0 { "−" } else { "" };
    let seconds = seconds.unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600, seconds / 60);
    let two = |a: u64, unit: &str, b: u64, small: &str| match b {
        0 => format!("{sign}{a} {unit}"),
        b => format!("{sign}{a} {unit} {b} {small}"),
    };
    match (seconds, measure) {
        (0..60, _) => format!("{sign}{seconds} s"),
        (60..3_600, _) => format!("{sign}{minutes} min"),
        (172_800.., Measure::Wall) => two(days, language.day(), hours % 24, "h"),
        _ => two(hours, "h", minutes % 60, "min"),
    }
}

/// Control characters, breaks of lines, and marks that nobody sees, such as those of direction.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// One line without control characters or invisible marks of direction, cut to a length that people read. Square
/// brackets become round ones: what stands in square brackets in a note is ours.
pub fn harmless(text: &str) -> String {
    let shown = |c: char| match c {
        '[' => '(',
        ']' => ')',
        c if is_unseen(c) => ' ',
        c => c,
    };
    let line: String = text.chars().map(shown).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_MAX) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

impl Read {
    /// The word as written in a condition.
    pub fn path(&self) -> String {
        match self {
            Read::TallySinceReply(tally) => format!("{}.since_reply", super::facts::tally_word(tally)),
            Read::TallyWithin(tally, seconds) => {
                let window = match (seconds % 86_400, seconds % 3_600, seconds % 60) {
                    (0, ..) => format!("days({})", seconds / 86_400),
                    (_, 0, _) => format!("hours({})", seconds / 3_600),
                    (.., 0) => format!("minutes({})", seconds / 60),
                    _ => format!("seconds({seconds})"),
                };
                format!("{}.within({window})", super::facts::tally_word(tally))
            }
            Read::Tally(tally) => super::facts::tally_word(tally),
            Read::Field(name) => format!("case.fields.{name}"),
            Read::Clock(name, _) => self.row_path().replace('*', name),
            _ => self.row_path().to_owned(),
        }
    }

    fn row_path(&self) -> &'static str {
        super::words::WORDS.iter().find(|word| word.key.is_of(self)).map_or("", |word| word.path)
    }
}
