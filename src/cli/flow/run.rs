//! `loom flow run`: a flow that stands in a file of its own, now.

use std::path::PathBuf;

use crate::cli::reach::Reach;
use crate::client::Failure;

/// Run a flow from a file now, or show what it would do
///
/// FILE is Roadrunner's job flow, in JSON or in YAML. Everything that is wrong with it is told at
/// once, and then nothing is started.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,

    #[command(flatten)]
    reach: Reach,
}

pub fn run(_candidates: &str, _args: &Args) -> Result<u8, Failure> {
    Err(Failure::usage("`loom flow run` is not built yet"))
}
