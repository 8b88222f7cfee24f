//! How a command ends: a code that scripts can rely on, and a sentence that people can act on.

use dutyd_core::problem::Problem;
use std::process::ExitCode;

/// Exit codes, after sysexits(3) where it has one. Listed in `dutyd --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// Problems were found, or what was asked for does not exist.
    Problems,
    /// A vendor's system or the running daemon cannot be reached.
    Unreachable,
    /// The program itself failed: a fault of ours.
    Internal,
    /// Reading or writing failed.
    Io,
    /// The configuration or policy is wrong.
    Config,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Problems => 1,
            Exit::Unreachable => 69,
            Exit::Internal => 70,
            Exit::Io => 74,
            Exit::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Why a command could not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    pub fn io(message: impl Into<String>) -> Self {
        Self::new(Exit::Io, message)
    }

    /// Mistakes in files.
    pub fn config(problems: &[Problem]) -> Self {
        let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
        Self::new(Exit::Config, lines.join("\n"))
    }

    /// Says on stderr why, and with which code to end.
    pub fn report(&self) -> Exit {
        eprintln!("dutyd: {}", self.message);
        self.exit
    }
}

/// Says on stderr what is wrong in files, though the command does without.
pub fn tell<'a>(problems: impl IntoIterator<Item = &'a Problem>) {
    for problem in problems {
        eprintln!("dutyd: {problem}");
    }
}
