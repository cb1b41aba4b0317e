//! `loom once`: run jobs now, without a daemon.

use std::process::ExitCode;

/// Run jobs now, without a daemon, and show their output
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(required = true)]
    pub jobs: Vec<String>,
}

pub fn once(config: &str, args: &Args) -> ExitCode {
    let _ = (config, args);
    ExitCode::SUCCESS
}
