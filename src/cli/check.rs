//! `loom check`: validate the configuration; print it; hand it to a daemon.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::diagnostic::Diagnostic;
use crate::config::{self, Config, Loaded};
use crate::protocol::frame;

/// Validate the configuration and say everything that is wrong with it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the resolved configuration as JSON, secrets masked
    #[arg(long)]
    pub dump: bool,

    /// Write the configuration to stdout as one frame, for a daemon
    #[arg(long, hide = true, conflicts_with = "dump")]
    pub frame: bool,
}

pub fn check(config: &str, args: &Args) -> ExitCode {
    match config::load(config) {
        Ok(loaded) => {
            config::print(&loaded.warnings);
            match hand_over(&loaded, args) {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => {
                    eprintln!("loom check: the configuration cannot be written: {e}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(diagnostics) => {
            config::print(&diagnostics);
            let errors = diagnostics.iter().filter(|d| d.is_error()).count();
            let found = join(count(errors, "error"), warnings(diagnostics.len() - errors));
            eprintln!("failed: {found}; nothing was loaded");
            ExitCode::FAILURE
        }
    }
}

fn hand_over(loaded: &Loaded, args: &Args) -> Result<(), frame::FrameError> {
    let mut stdout = io::stdout().lock();
    if args.frame {
        return frame::write(&mut stdout, &loaded.config, frame::CONFIG_CAP);
    }
    let summary = summary(&loaded.config, loaded.files, &loaded.warnings);
    if args.dump {
        let json = config::dump(&loaded.config);
        writeln!(stdout, "{json:#}")?;
        eprintln!("{summary}");
    } else {
        writeln!(stdout, "{summary}")?;
    }
    Ok(())
}

/// `ok: 12 jobs on 5 nodes from 3 files, 1 warning`
fn summary(config: &Config, files: usize, found: &[Diagnostic]) -> String {
    let jobs = count(config.jobs.len(), "job");
    let nodes = count(config.nodes.len(), "node");
    join(format!("ok: {jobs} on {nodes} from {}", count(files, "file")), warnings(found.len()))
}

fn warnings(number: usize) -> Option<String> {
    (number > 0).then(|| count(number, "warning"))
}

fn join(text: String, more: Option<String>) -> String {
    more.map_or(text.clone(), |more| format!("{text}, {more}"))
}

fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
