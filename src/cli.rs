//! The commands: what they are called, what they take, and with which code they end.
//!
//! Must not know: how anything is decided or stored; each command's file calls what does.

mod ask;
mod audit;
mod backtest;
mod calendar;
mod check;
mod clocks;
mod clocks_drawn;
#[cfg(feature = "demo")]
mod demo;
mod log;
mod moment;
mod notify;
mod outcome;
mod run;
mod sample;
mod setup;
mod show;
mod show_backtest;
mod show_explain;
mod show_plan;
mod sla;
pub mod words;

pub use outcome::{Exit, Failure};

use crate::config::{Place, SchemaOf};
use crate::desk::Ask;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

/// Watches support cases in Salesforce, Jira, Zendesk and ServiceNow and flags, on the case itself, what needs a manager.
#[derive(Debug, Parser)]
#[command(name = "dutyd", version, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    /// Directory with dutyd.toml, connectors/, policy/ and notify/.
    #[arg(long, global = true, value_name = "DIR", default_value = "/etc/dutyd")]
    pub config: PathBuf,

    /// How to print: text for people, json for machines. Logs go to stderr either way.
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub format: Format,

    /// Log more: -v for info, -vv for debug, -vvv for trace.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// For your own machine: secrets may come from the environment, and secret files may be readable by others.
    #[arg(long, global = true)]
    pub dev: bool,

    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0   done; for `check`: nothing wrong
  1   problems were found, or what was asked for does not exist
  2   the command line is wrong
  69  a vendor's system or the running daemon cannot be reached
  70  dutyd itself failed: please report it
  74  reading or writing failed, for example the database
  78  the configuration or policy is wrong";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon until it is stopped.
    Run,
    /// Say whether everything is seen, decided and shown; if not, since when and why.
    Status,
    /// List flagged cases across all sources, worst first.
    List {
        /// How many cases to show.
        #[arg(long, default_value_t = 50)]
        max: usize,
    },
    /// Say what every rule says about a case and why, what would change it, and what stands on the record.
    Explain(clocks::Explain),
    /// Writes that the vendor refused, records that could not be read, and messages that nobody got.
    Parked {
        #[command(subcommand)]
        what: Parked,
    },
    /// The log of decisions, writes, orders and messages, each row hashed over the one before.
    Audit {
        #[command(subcommand)]
        what: audit::Audit,
    },
    /// Forget all cases of a customer or requester: state, timeline, flags, messages, content of the audit log.
    Erase {
        /// Name or id of a customer or requester, or a key of customers.toml.
        who: String,
        /// Do it; without, only say what would be forgotten.
        #[arg(long)]
        yes: bool,
    },
    /// Channels by which people are told, and a test message to one.
    Notify {
        #[command(subcommand)]
        what: notify::Notify,
    },
    /// Stop reading from and writing to a source.
    Pause {
        /// Its name, as `dutyd status` shows it.
        source: String,
    },
    /// Let a paused source go on.
    Resume {
        /// Its name, as `dutyd status` shows it.
        source: String,
    },
    /// Take every mark of ours off the records of a source. Notes stay.
    Unmark {
        /// Its name, as `dutyd status` shows it.
        source: String,
        /// Do it; without, only say how many records have marks.
        #[arg(long)]
        yes: bool,
    },
    /// Say which open cases would gain, lose or change a flag under the policy on disk, by rule. Changes nothing.
    Plan,
    /// Judge a policy on the kept past, by what was known then: flags, per day, lead time, precision and recall of each rule,
    /// beside the policy in force. Reads only, also beside a running daemon.
    Backtest(backtest::Backtest),
    /// Make the running daemon read the policy again. It says first how many open cases gain, lose or change a flag. A wrong
    /// one is refused and the old one stays.
    Reload {
        /// Only say what would change, as `dutyd plan`.
        #[arg(long)]
        dry_run: bool,
    },
    /// Check configuration and policy, and run the examples in the rules. Reads only.
    Check {
        /// Also sign in to each source and measure rights, fields and webhooks there.
        #[arg(long)]
        online: bool,
    },
    /// Print what an administrator creates in a vendor's system: account, fields, webhook.
    Setup {
        /// `servicenow`, `jira`, `jira-dc`, `zendesk`, `salesforce`, or the name of a configured source.
        system: String,
        /// Where the vendor reaches this machine's webhooks.
        #[arg(long, value_name = "URL", default_value = "https://dutyd.example.com")]
        webhook_base: String,
        /// Print the documented connector file of such a system instead, to begin with.
        #[arg(long)]
        example: bool,
    },
    /// Show how recorded answers and webhook bodies are understood, without asking the vendor anything.
    Sample {
        /// `servicenow`, `jira`, `jira-dc`, `zendesk`, `salesforce`, or the name of a configured source.
        system: String,
        /// Files with JSON, read together: those that name people, fields or histories serve the others. `-`: stdin.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Say what a calendar counts: business time between two instants, added to one, or drawn for a month.
    Calendar {
        #[command(subcommand)]
        question: calendar::Question,
    },
    /// Compare our SLA clocks with a log whose verdicts are known.
    Sla {
        #[command(subcommand)]
        question: sla::Question,
    },
    /// Print the words that conditions and texts of rules may use.
    Words,
    /// Print the JSON Schema of a kind of file.
    Schema {
        /// Of which.
        of: SchemaOf,
    },
    /// See dutyd at work: the real daemon against local servers that behave like the vendors.
    #[cfg(feature = "demo")]
    Demo(crate::demo::Arguments),
    /// Print a completion script for a shell.
    Completions {
        /// Of which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of all commands into a directory.
    Man {
        /// An existing directory; without it the main page is printed.
        #[arg(value_name = "DIR")]
        into: Option<PathBuf>,
    },
}

/// What to do with parked things.
#[derive(Debug, Subcommand)]
pub enum Parked {
    /// Show them.
    List,
    /// Try one again, or all.
    Retry {
        /// As shown by `parked list`; without it, all.
        id: Option<String>,
    },
    /// Give one up.
    Drop {
        /// As shown by `parked list`.
        id: String,
    },
}

/// Runs a command to its end.
pub fn run(cli: Cli) -> Exit {
    let place = Place { dir: cli.config.clone(), dev: cli.dev };
    let ask = |ask: Ask| ask::run(&place, ask, cli.format);
    let pause = |source: &str, paused: bool| ask(Ask::Pause { source: source.to_owned(), paused });
    let done = match &cli.command {
        Command::Run => run::run(&place, cli.verbose),
        Command::Check { online } => check::run(&place, *online, cli.format),
        Command::Setup { system, webhook_base, example } => {
            setup::run(&place, system, webhook_base, *example)
        }
        Command::Sample { system, files } => sample::run(&place, system, files, cli.format),
        Command::Calendar { question } => calendar::run(&place, question, cli.format),
        Command::Explain(explain) => clocks::run(&place, explain, cli.format),
        Command::Sla { question } => sla::run(question, cli.format),
        Command::Backtest(asked) => backtest::run(&place, asked, cli.format),
        Command::Words => print_bytes(dutyd_core::rule::reference().as_bytes()),
        Command::Schema { of } => print_json(&crate::config::schema(*of)),
        #[cfg(feature = "demo")]
        Command::Demo(arguments) => demo::run(arguments, cli.format, cli.verbose),
        Command::Completions { shell } => completions(*shell),
        Command::Man { into } => man(into.as_deref()),
        Command::Status => ask(Ask::Status),
        Command::List { max } => ask(Ask::List { max: *max }),
        Command::Parked { what: Parked::List } => ask(Ask::Parked),
        Command::Parked { what: Parked::Retry { id } } => ask(Ask::RetryParked { id: id.clone() }),
        Command::Parked { what: Parked::Drop { id } } => ask(Ask::DropParked { id: Some(id.clone()) }),
        Command::Notify { what } => notify::run(&place, what, cli.format),
        Command::Audit { what } => what.ask(&zone_of(&place)).and_then(ask),
        Command::Erase { who, yes } => ask(Ask::Erase { who: who.clone(), sure: *yes }),
        Command::Pause { source } => pause(source, true),
        Command::Resume { source } => pause(source, false),
        Command::Unmark { source, yes } => ask(Ask::Unmark { source: source.clone(), sure: *yes }),
        Command::Plan | Command::Reload { dry_run: true } => ask(Ask::Plan),
        Command::Reload { dry_run: false } => ask(Ask::Reload),
    };
    done.unwrap_or_else(|failure| failure.report())
}

/// The zone in which people read, as far as the settings can be read.
fn zone_of(place: &Place) -> TimeZone {
    let (settings, _) = crate::config::settings_as_far(&place.dir);
    TimeZone::get(&settings.text.zone).unwrap_or(TimeZone::UTC)
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "dutyd", &mut text);
    print_bytes(&text)
}

fn man(into: Option<&std::path::Path>) -> Result<Exit, Failure> {
    match into {
        Some(dir) => {
            clap_mangen::generate_to(Cli::command(), dir)
                .map_err(|error| Failure::io(format!("cannot write into {}: {error}", dir.display())))?;
            Ok(Exit::Done)
        }
        None => {
            let mut page = Vec::new();
            let written = clap_mangen::Man::new(Cli::command()).render(&mut page);
            written.map_err(|error| Failure::io(error.to_string()))?;
            print_bytes(&page)
        }
    }
}

/// Prints one JSON document.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<Exit, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::io(error.to_string()))?;
    print_bytes(format!("{text}\n").as_bytes())
}

/// Narrower terminals are written to as if they were so wide.
const COLUMNS_MIN: usize = 40;

/// Prints sentences: to a terminal, broken where it ends; else as they are.
pub(crate) fn print_text(text: &str) -> Result<Exit, Failure> {
    if !std::io::stdout().is_terminal() {
        return print_bytes(text.as_bytes());
    }
    let columns = crossterm::terminal::size().map_or(usize::MAX, |(columns, _)| usize::from(columns));
    print_bytes(words::wrapped(text, columns.max(COLUMNS_MIN)).as_bytes())
}

/// Prints to stdout. A reader that has gone away (`dutyd list | head`) is no failure.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<Exit, Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::io(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(Exit::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        let arguments = command.get_arguments().filter(|argument| argument.get_help().is_none());
        found.extend(arguments.map(|argument| format!("{path}: {}", argument.get_id())));
        if command.get_about().is_none() {
            found.push(path.clone());
        }
        command.get_subcommands().for_each(|inner| silent(inner, &path, found));
    }

    #[test]
    fn every_command_and_argument_says_what_it_is_for() {
        let mut found = Vec::new();
        silent(&Cli::command(), "", &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }
}
