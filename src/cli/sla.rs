//! `dutyd sla`: what our clocks say of a log whose verdicts are known.

use super::words::number;
use super::{Exit, Failure, Format, print_bytes, print_json};
use crate::fit::{self, Counted, Fit};
use clap::Subcommand;
use dutyd_core::calendar::format_seconds;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::path::PathBuf;

/// What to do with a log.
#[derive(Debug, Subcommand)]
pub enum Question {
    /// Fit targets on the earlier cases of a real ServiceNow log, judge the later ones by our clocks, and print how often
    /// our resolution verdict is the log's `made_sla`, per priority, in calendar time and in the best business time.
    Fit {
        /// The incident log: a CSV file, or one packed as `.xz`.
        #[arg(long, value_name = "FILE")]
        log: PathBuf,
        /// Cases closed before this day are fitted on, cases opened from then on are judged.
        #[arg(long, value_name = "DAY", default_value = "2016-05-01")]
        split: Date,
    },
}

pub fn run(question: &Question, format: Format) -> Result<Exit, Failure> {
    let Question::Fit { log, split } = question;
    let split: Timestamp = split
        .to_zoned(TimeZone::UTC)
        .map_err(|error| Failure::new(Exit::Problems, error.to_string()))?
        .timestamp();
    if !log.is_file() {
        return Err(Failure::io(format!("there is no log {}", log.display())));
    }
    let fit = fit::run(log, split).map_err(|error| Failure::new(Exit::Problems, error))?;
    match format {
        Format::Json => print_json(&fit),
        Format::Text => print_bytes(page(&fit).as_bytes()),
    }
}

fn page(fit: &Fit) -> String {
    let day = fit.split.to_zoned(TimeZone::UTC).date();
    let mut text = format!(
        "Targets fitted on {} incidents closed before {day}, judged on {} opened from then on.\n\
         Agreement: how often our resolution clock, met or missed, says what the log's made_sla says.\n",
        number(fit.fitted_on as u64),
        number(fit.judged as u64),
    );
    if fit.unresolved > 0 {
        text += &format!(
            "Left out: {} incidents that the log leaves unresolved.\n",
            number(fit.unresolved as u64)
        );
    }
    text += "\nCalendar time";
    text += &block(&fit.calendar_time);
    text += &format!("\nBest business time of {} ways to count", number(fit.tried as u64 - 1));
    text += &block(&fit.business_time);
    text + "\n\"one verdict\": agreement of saying the same of all cases, whichever is better.\n\
            The policies stand in the JSON output (--format json).\n"
}

fn block(counted: &Counted) -> String {
    let mut text = format!(": {}\n\n", counted.counting);
    text += "       target           fitted on   agree     judged   agree   one verdict\n";
    for of in &counted.priorities {
        text += &format!(
            "  P{}   {:<15} {:>10} {}   {:>8} {}   {:>11}\n",
            of.priority,
            format_seconds(of.target_seconds),
            number(of.fitted_on as u64),
            percent(of.agrees_fitted),
            number(of.judged as u64),
            percent(of.agrees),
            percent(of.agrees_blind).trim_start(),
        );
    }
    text + &format!(
        "  all                             {}            {}\n",
        percent(counted.agrees_fitted),
        percent(counted.agrees)
    )
}

/// ` 97.1 %`.
fn percent(share: f64) -> String {
    format!("{:>5.1} %", share * 100.0)
}
