//! The `dutyd` command.

use clap::Parser;
use dutyd::cli::{Cli, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    run(Cli::parse()).into()
}
