//! `loom next`: coming fire times.

use std::process::ExitCode;

/// Print coming fire times, one a line
#[derive(Debug, clap::Args)]
pub struct Args {
    /// All jobs when none is named
    pub jobs: Vec<String>,
}

pub fn next(config: &str, args: &Args) -> ExitCode {
    let _ = (config, args);
    ExitCode::SUCCESS
}
