//! The command line: arguments -> launch, or one command that needs no daemon. Our own processes
//! may start us as a helper instead, which no argument tells.

pub mod backup;
pub mod candidates;
pub mod check;
mod completions;
pub mod diff;
mod man;
pub mod next;
pub mod once;
pub mod reach;
pub mod screen;
mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::master::askpass;

/// The first of these that is a file is the configuration, as in the original.
pub const CANDIDATES: &str = "~/.loom.yaml,/etc/loom.yaml,/etc/loom/loom.yaml";

/// Cron for more than one machine: schedules from YAML files, run over ssh, accounted for in a
/// ledger. Without a command: launch the daemon.
#[derive(Debug, Parser)]
#[command(name = "loom", version)]
pub struct Cli {
    /// Comma-separated list of possible configuration files; the first that exists is used
    #[arg(short, long, global = true, value_name = "FILES", default_value = CANDIDATES)]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    config: String,

    #[command(flatten)]
    launch: crate::launch::Options,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Backup(backup::Args),
    Check(check::Args),
    Completions(completions::Args),
    /// Print the manual page, as roff
    #[command(hide = true)]
    Man,
    Next(next::Args),
    Once(once::Args),
}

pub fn main() -> ExitCode {
    if askpass::is_helper() {
        return askpass::help();
    }
    if webhook::is_helper() {
        return webhook::help();
    }
    let cli = Cli::parse();
    match cli.command {
        None => crate::launch::launch(&cli.config, &cli.launch),
        Some(Command::Backup(args)) => backup::backup(&cli.config, &args),
        Some(Command::Check(args)) => check::check(&cli.config, &args),
        Some(Command::Completions(args)) => completions::completions(&args),
        Some(Command::Man) => man::man(),
        Some(Command::Next(args)) => next::next(&cli.config, &args),
        Some(Command::Once(args)) => once::once(&cli.config, &args),
    }
}
