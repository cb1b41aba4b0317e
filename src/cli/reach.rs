//! What every subcommand that speaks with a daemon has: the options by which the daemon is found,
//! and the exit status its answer ends in.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use secrecy::SecretString;

use crate::client::{Class, Client, Failure, Options};

/// The thing itself failed.
pub const FAILED: u8 = 1;
/// What was asked for makes no sense; clap's own, too.
pub const USAGE: u8 = 2;
/// Not by this person.
pub const REFUSED: u8 = 3;
/// There is no daemon, or none that answers.
pub const UNREACHABLE: u8 = 4;
/// There is no such job, run, node or token.
pub const UNKNOWN: u8 = 5;

pub const EXIT_CODES: &str = "\
Exit status of the commands that speak with a daemon: 0 fine, 1 it failed or was refused as it is \
now, 2 wrong usage, 3 not allowed (role or token), 4 no daemon answers, 5 no such job, run, node or \
token.";

#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which daemon")]
pub struct Reach {
    /// The daemon's URL, like https://loom.example.com:7411, or unix:PATH for its socket; `local`
    /// is the one of this configuration [default: LOOM_HOST, else local]
    #[arg(long, value_name = "URL")]
    pub host: Option<String>,

    /// Read the token for --host from FILE, which nobody else may read [default: the token in
    /// LOOM_TOKEN]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Trust the certificates in FILE, and no others [default: LOOM_CACERT, else the system's]
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,

    /// Print what the API answers, as JSON
    #[arg(long, help_heading = clap::builder::Resettable::Reset)]
    pub json: bool,
}

impl Reach {
    /// `candidates`: what `--config` says.
    pub fn client(&self, candidates: &str) -> Result<Client, Failure> {
        self.client_within(candidates, None)
    }

    /// One that waits no longer than that for an answer.
    pub fn client_within(
        &self,
        candidates: &str,
        patience: Option<Duration>,
    ) -> Result<Client, Failure> {
        let client = Client::connect(&Options { patience, ..self.options(candidates) })?;
        if client.place().is_plain_text() {
            let daemon = client.place();
            eprintln!("loom: warning: {daemon} gets the token in plain text, without TLS");
        }
        Ok(client)
    }

    pub fn options(&self, candidates: &str) -> Options {
        let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name: &str| given(name).and_then(|value| value.into_string().ok());
        Options {
            candidates: candidates.to_owned(),
            host: self.host.clone().or_else(|| text("LOOM_HOST")),
            token: text("LOOM_TOKEN").map(SecretString::from),
            token_file: self.token_file.clone(),
            cacert: self.cacert.clone().or_else(|| given("LOOM_CACERT").map(PathBuf::from)),
            patience: None,
        }
    }
}

/// The exit status, after what has gone wrong is said.
pub fn finish(result: Result<u8, Failure>) -> ExitCode {
    match result {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            eprintln!("loom: {failure}");
            ExitCode::from(status(&failure))
        }
    }
}

/// Does the same to each of these, goes on after a failure, and returns the first one's status.
pub fn each<T>(of: &[T], mut work: impl FnMut(&T) -> Result<(), Failure>) -> u8 {
    let mut first = 0;
    for one in of {
        if let Err(failure) = work(one) {
            eprintln!("loom: {failure}");
            first = if first == 0 { status(&failure) } else { first };
        }
    }
    first
}

pub fn status(failure: &Failure) -> u8 {
    match failure.class() {
        Class::Failed => FAILED,
        Class::Usage => USAGE,
        Class::Refused => REFUSED,
        Class::Unreachable => UNREACHABLE,
        Class::Unknown => UNKNOWN,
    }
}
