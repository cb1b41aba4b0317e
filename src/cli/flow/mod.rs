//! `loom flow`: slots of jobs, from a file, and again from where they ended.

mod retry;
mod run;

use std::process::ExitCode;

use clap::Subcommand;

use super::reach;

/// Run slots of jobs: the jobs of a slot beside each other, the next slot when they have succeeded
///
/// A flow of the configuration is run as a job is, with `loom run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Retry(retry::Args),
    Run(run::Args),
}

pub fn flow(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(match &args.command {
        Command::Retry(args) => retry::retry(candidates, args),
        Command::Run(args) => run::run(candidates, args),
    })
}
