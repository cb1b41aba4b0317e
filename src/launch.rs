//! twistd's order of starting a daemon: pidfile, log, fork, rundir, umask, uid.

use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Stay in the foreground and log to stdout
    #[arg(short, long)]
    pub nodaemon: bool,
}

pub fn launch(config: &str, options: &Options) -> ExitCode {
    let _ = (config, options);
    ExitCode::SUCCESS
}
