//! `loom backup`: a copy of the ledger, beside a running daemon or without one.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::config;
use crate::store;

/// Copy the ledger to FILE, whether or not a daemon is running
///
/// The copy is the ledger as it is at one instant. It appears under its name once it is complete
/// and checked, and a daemon can be started from it. Units' output beyond 4 kB is not in the
/// ledger, but in `output/` beside it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write the copy
    file: PathBuf,

    /// Replace FILE if it is there
    #[arg(long)]
    force: bool,

    /// The state directory; without it, the one of the configuration
    #[arg(long, value_name = "DIR")]
    statedir: Option<PathBuf>,

    /// Print an object with `file` and `bytes`
    #[arg(long)]
    json: bool,
}

pub fn backup(candidates: &str, args: &Args) -> ExitCode {
    let statedir = match &args.statedir {
        Some(dir) => dir.clone(),
        None => match config::load_or_report(candidates) {
            Ok(config) => config.settings.statedir,
            Err(code) => {
                eprintln!("loom: with --statedir no configuration is needed");
                return code;
            }
        },
    };
    match store::backup(&statedir, &args.file, args.force) {
        Ok(bytes) if args.json => {
            // A path need not be text; JSON is.
            let file = args.file.to_string_lossy();
            println!("{:#}", json!({"file": file, "bytes": bytes}));
            ExitCode::SUCCESS
        }
        Ok(bytes) => {
            println!("{}: {bytes} bytes", args.file.display());
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("loom: {e}");
            ExitCode::FAILURE
        }
    }
}
