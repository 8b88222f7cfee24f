//! The live board: flagged cases, worst first, in a terminal; one line per case and severity where there is none.

use crate::cli::words::{column, cut, span};
use crate::desk::{Answer, Ask, Desk, FlagLine, List};
use crossterm::style::{Color, Stylize as _};
use crossterm::{cursor, execute, terminal};
use dutyd_core::action::Severity;
use dutyd_core::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

/// Cases that fit the board.
const ROWS_MAX: usize = 14;

/// Cases looked at for the next plain lines.
const LINES_MAX: usize = 100;

/// Shows flags on standard output.
pub struct Board {
    desk: Arc<Desk>,
    terminal: bool,
    told: HashSet<(String, Severity)>,
    rows_drawn: u16,
    said_at: Option<Timestamp>,
}

/// How far the run is.
pub struct Progress {
    pub now: Timestamp,
    /// Share of the world's time that has passed, 0 to 1; `None`: nobody knows the end.
    pub share: Option<f64>,
    /// Messages that somebody was sent.
    pub told: usize,
}

/// Longest sentence that is shown of a flag.
const WHY_MAX: usize = 400;

/// How much of the world's time passes between two plain progress lines.
const SAY_EVERY: SignedDuration = SignedDuration::from_hours(24);

impl Board {
    pub fn new(desk: Arc<Desk>) -> Self {
        let terminal = io::stdout().is_terminal();
        Self { desk, terminal, told: HashSet::new(), rows_drawn: 0, said_at: None }
    }

    /// Draws the board, or prints what is new.
    pub async fn show(&mut self, progress: Progress) -> anyhow::Result<()> {
        let max = if self.terminal { ROWS_MAX } else { LINES_MAX };
        let Answer::List(list) = self.desk.answer(Ask::List { max }).await? else { return Ok(()) };
        if self.terminal { Ok(self.draw(&list, &progress)?) } else { Ok(self.tell(&list, &progress)?) }
    }

    /// Leaves the last board standing and goes on below it.
    pub fn leave(&mut self) {
        self.rows_drawn = 0;
    }

    fn tell(&mut self, list: &List, progress: &Progress) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.said_at.is_none_or(|at| progress.now.duration_since(at) >= SAY_EVERY) {
            self.said_at = Some(progress.now);
            writeln!(out, "-- {}", head(list, progress))?;
        }
        let worst = list.by_case().into_iter().map(|(worst, _)| worst);
        for flag in worst.filter(|flag| !flag.dismissed && flag.severity >= Severity::Candidate) {
            if self.told.insert((format!("{}/{}", flag.source, flag.number), flag.severity)) {
                writeln!(out, "{}  {}", stamp(flag.since), line(flag, list.now))?;
            }
        }
        out.flush()
    }

    fn draw(&mut self, list: &List, progress: &Progress) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let width = usize::from(terminal::size().map_or(100, |(columns, _)| columns)).max(40);
        if self.rows_drawn > 0 {
            execute!(out, cursor::MoveToPreviousLine(self.rows_drawn))?;
        }
        execute!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
        writeln!(out, "{}", cut(&head(list, progress), width).bold())?;
        let mut shown = list.by_case();
        shown.retain(|(worst, _)| !worst.dismissed);
        shown.truncate(ROWS_MAX);
        for (worst, _) in &shown {
            writeln!(out, "{}", cut(&line(worst, list.now), width).with(color(worst.severity)))?;
        }
        self.rows_drawn = shown.len() as u16 + 1;
        out.flush()
    }
}

fn head(list: &List, progress: &Progress) -> String {
    let share = progress.share.map(|share| format!("{:>3.0} %  ", share * 100.0)).unwrap_or_default();
    let flagged = crate::cli::words::flagged(&list.cases, list.dismissed);
    let told = crate::cli::words::count(progress.told as u64, "message");
    format!("{share}{}  {flagged}; {told} sent", stamp(progress.now))
}

/// What a glance needs comes first, because a narrow terminal cuts the rest off.
fn line(flag: &FlagLine, now: Timestamp) -> String {
    let columns = [
        (flag.severity.word(), 9),
        (&format!("{}/{}", flag.source, flag.number), 21),
        (&left(flag, now), 32),
        (flag.customer.as_deref().unwrap_or("-"), 22),
    ];
    let columns = columns.map(|(text, width)| column(text, width));
    format!("{}  {}", columns.join("  "), crate::cli::words::line(&flag.why, WHY_MAX))
}

/// Until the end of the clock that ends first, or since it passed: `resolution in 2 h 25 min`, `next reply 40 min over`.
fn left(flag: &FlagLine, now: Timestamp) -> String {
    let (Some(clock), Some(due_at)) = (&flag.clock, flag.due_at) else { return "no clock runs".to_owned() };
    let (clock, apart) = (clock.replace('_', " "), due_at.duration_since(now));
    match apart.is_negative() {
        true => format!("{clock} {} over", span(apart)),
        false => format!("{clock} in {}", span(apart)),
    }
}

fn stamp(at: Timestamp) -> String {
    at.strftime("%a %d %b %H:%M").to_string()
}

fn color(severity: Severity) -> Color {
    match severity {
        Severity::Watch => Color::Grey,
        Severity::Warning => Color::Yellow,
        Severity::Candidate => Color::Magenta,
        Severity::Critical => Color::Red,
    }
}
