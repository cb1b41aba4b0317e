//! The command line: arguments -> launch, or one command that needs no daemon. Our own processes
//! may start us as a helper instead, which no argument tells.

pub mod answer;
pub mod audit;
pub mod backup;
pub mod cancel;
pub mod candidates;
pub mod check;
mod completions;
pub mod diff;
pub mod exec;
pub mod fallback;
pub mod flow;
mod follow;
pub mod instant;
pub mod jobs;
pub mod logs;
mod man;
pub mod next;
pub mod nodes;
pub mod once;
pub mod pause;
pub mod reach;
pub mod reload;
pub mod retry;
mod returned;
pub mod run;
pub mod runs;
pub mod screen;
pub mod show;
pub mod status;
pub mod stop;
mod summary;
pub mod switch;
pub mod tasks;
pub mod token;
pub mod top;
mod tree;
mod webhook;
pub mod why;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::master::askpass;

/// The first of these that is a file is the configuration, as in the original.
pub const CANDIDATES: &str = "~/.loom.yaml,/etc/loom.yaml,/etc/loom/loom.yaml";

/// Cron for more than one machine: schedules from YAML files, run over ssh, accounted for in a
/// ledger. Without a command: launch the daemon.
#[derive(Debug, Parser)]
#[command(name = "loom", version, after_help = reach::EXIT_CODES)]
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
    Status(status::Args),
    Jobs(jobs::Args),
    Nodes(nodes::Args),
    Runs(runs::Args),
    Show(show::Args),
    Why(why::Args),
    Cancel(cancel::Args),
    Retry(retry::Args),
    Enable(switch::Enable),
    Disable(switch::Disable),
    Pause(pause::Pause),
    Resume(pause::Resume),
    Reload(reload::Args),
    Stop(stop::Args),
    Token(token::Args),
    Audit(audit::Args),
    Backup(backup::Args),
    Check(check::Args),
    Completions(completions::Args),
    /// Print the manual page, as roff
    #[command(hide = true)]
    Man,
    Exec(exec::Args),
    Flow(flow::Args),
    Logs(logs::Args),
    Next(next::Args),
    Once(once::Args),
    Run(run::Args),
    Tasks(tasks::Args),
    Top(top::Args),
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
        Some(Command::Status(args)) => status::status(&cli.config, &args),
        Some(Command::Jobs(args)) => jobs::jobs(&cli.config, &args),
        Some(Command::Nodes(args)) => nodes::nodes(&cli.config, &args),
        Some(Command::Runs(args)) => runs::runs(&cli.config, &args),
        Some(Command::Show(args)) => show::show(&cli.config, &args),
        Some(Command::Why(args)) => why::why(&cli.config, &args),
        Some(Command::Cancel(args)) => cancel::cancel(&cli.config, &args),
        Some(Command::Retry(args)) => retry::retry(&cli.config, &args),
        Some(Command::Enable(args)) => switch::enable(&cli.config, &args),
        Some(Command::Disable(args)) => switch::disable(&cli.config, &args),
        Some(Command::Pause(args)) => pause::pause(&cli.config, &args),
        Some(Command::Resume(args)) => pause::resume(&cli.config, &args),
        Some(Command::Reload(args)) => reload::reload(&cli.config, &args),
        Some(Command::Stop(args)) => stop::stop(&cli.config, &args),
        Some(Command::Token(args)) => token::token(&cli.config, &args),
        Some(Command::Audit(args)) => audit::audit(&cli.config, &args),
        Some(Command::Backup(args)) => backup::backup(&cli.config, &args),
        Some(Command::Check(args)) => check::check(&cli.config, &args),
        Some(Command::Completions(args)) => completions::completions(&args),
        Some(Command::Man) => man::man(),
        Some(Command::Exec(args)) => exec::exec(&cli.config, &args),
        Some(Command::Flow(args)) => flow::flow(&cli.config, &args),
        Some(Command::Logs(args)) => logs::logs(&cli.config, &args),
        Some(Command::Next(args)) => next::next(&cli.config, &args),
        Some(Command::Once(args)) => once::once(&cli.config, &args),
        Some(Command::Run(args)) => run::run(&cli.config, &args),
        Some(Command::Tasks(args)) => tasks::tasks(&cli.config, &args),
        Some(Command::Top(args)) => top::top(&cli.config, &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// `once` shows what nodes say while they say it, and completions are a shell's own words.
    const WITHOUT_JSON: [&str; 3] = ["completions", "man", "once"];

    fn without_json(command: &clap::Command, found: &mut Vec<String>) {
        for command in command.get_subcommands().filter(|each| each.get_name() != "help") {
            if command.has_subcommands() {
                without_json(command, found);
            } else if !command.get_arguments().any(|arg| arg.get_long() == Some("json")) {
                found.push(command.get_name().to_owned());
            }
        }
    }

    #[test]
    fn each_command_that_tells_something_tells_it_as_json_too() {
        let mut found = Vec::new();
        without_json(&Cli::command(), &mut found);
        found.sort();
        assert_eq!(found, WITHOUT_JSON);
    }
}
