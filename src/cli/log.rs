//! Logs on stderr: one sentence each, for people and the journal, or JSON for machines.

use crate::config::{LogFormat, LogSettings};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// Starts logging. RUST_LOG wins over `-v`, which wins over the settings.
pub fn start(settings: &LogSettings, verbose: u8) {
    let level = match verbose {
        0 => settings.level.word(),
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    // Libraries speak up for errors only: what matters of them is logged by us where it is handled.
    let ours = format!("error,dutyd={level},dutyd_core={level},dutyd_connectors={level}");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(ours));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let ansi = std::io::stderr().is_terminal();
    // A second start, as in tests, keeps the first.
    let _ = match (settings.format, std::env::var_os("JOURNAL_STREAM")) {
        (LogFormat::Json, _) => builder.json().flatten_event(true).with_timer(SystemTime).try_init(),
        (LogFormat::Text, Some(_)) => builder.with_ansi(false).without_time().try_init(),
        (LogFormat::Text, None) => builder.with_ansi(ansi).with_timer(SystemTime).try_init(),
    };
}
