//! `dutyd demo`: runs it and prints what came of it.

use super::{Exit, Failure, Format, log, print_bytes, print_json};
use crate::config::shipped_settings;
use crate::demo::{self, Arguments};

pub fn run(arguments: &Arguments, format: Format, verbose: u8) -> Result<Exit, Failure> {
    let mut settings = shipped_settings().log;
    settings.level = crate::config::LogLevel::Error;
    log::start(&settings, verbose);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io(error.to_string()))?;
    let quiet = matches!(format, Format::Json);
    let summary = runtime.block_on(demo::run(arguments, quiet));
    let summary = summary.map_err(|error| Failure::new(Exit::Internal, format!("{error:#}")))?;
    match format {
        Format::Json => print_json(&summary)?,
        Format::Text => print_bytes(summary.page(&arguments.dir.display().to_string()).as_bytes())?,
    };
    Ok(if summary.is_right() { Exit::Done } else { Exit::Problems })
}
