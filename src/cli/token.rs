//! `loom token`: who may speak with the daemon from elsewhere.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::answer::{all_or_json, list, or_json, print_answers};
use super::reach::{self, Reach};
use super::screen::{Cell, Screen, Table, Tone, escape, print};
use crate::access::Role;
use crate::api::access::{NewToken, Token, TokenRequest};
use crate::client::{Failure, Route};

/// Make, list and revoke tokens, with which the API can be used over the network
///
/// A viewer sees; an operator also runs jobs as they are written, cancels, retries, enables and
/// disables; an admin may do everything.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(Add),
    List(Listing),
    Revoke(Revoke),
}

/// Make a token and print it, this once
///
/// Only its hash is kept. Put it into a file that only you can read, for --token-file, or into
/// LOOM_TOKEN.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  (umask 077; loom token add ann --role operator > ~/.loom.token)
  loom token add ci --role operator --jobs 'deploy-*'")]
struct Add {
    /// Whose it is, for the audit: letters, digits, `.`, `_`, `-` and `@`
    name: String,

    /// viewer, operator or admin
    #[arg(long, value_name = "ROLE")]
    role: Role,

    /// Only for jobs whose names match one of these globs, with commas between them; others are not
    /// even seen
    #[arg(long, value_name = "GLOBS", num_args = 1.., value_delimiter = ',')]
    jobs: Vec<String>,

    #[command(flatten)]
    reach: Reach,
}

/// List tokens, revoked ones too; the secrets are not known to anybody
#[derive(Debug, clap::Args)]
struct Listing {
    #[command(flatten)]
    reach: Reach,
}

/// Revoke tokens: they are no longer good, at once
#[derive(Debug, clap::Args)]
struct Revoke {
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,

    #[command(flatten)]
    reach: Reach,
}

pub fn token(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(match &args.command {
        Command::Add(args) => add(candidates, args),
        Command::List(args) => show(candidates, args),
        Command::Revoke(args) => revoke(candidates, args),
    })
}

fn add(candidates: &str, args: &Add) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let Add { name, role, jobs, .. } = args;
    let (name, role) = (name.clone(), role.to_string());
    let request = TokenRequest { name, role, jobs: jobs.clone() };
    let answer: Value = client.post(&Route::to(["tokens"]), &request, None)?;
    if let Some(NewToken { token, .. }) = or_json(answer, args.reach.json)? {
        // Alone, so that it can be led into a file.
        print(&format!("{}\n", escape(&token)))?;
    }
    eprintln!("loom: this is the only time it is shown; keep it in a file with mode 0600");
    Ok(0)
}

fn show(candidates: &str, args: &Listing) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let items = list::<Value>(&client, &Route::to(["tokens"]), usize::MAX)?.items;
    let Some(tokens) = all_or_json::<Token>(items, args.reach.json)? else { return Ok(0) };
    if tokens.is_empty() {
        eprintln!("loom: no tokens; `loom token add NAME --role viewer` makes one");
        return Ok(0);
    }
    let screen = Screen::stdout();
    print(&table(&tokens, &screen).show(&screen))?;
    Ok(0)
}

fn table(tokens: &[Token], screen: &Screen) -> Table {
    let mut table = Table::new(["NAME", "ROLE", "JOBS", "MADE", "BY", "REVOKED"]);
    for token in tokens {
        let jobs = if token.jobs.is_empty() { "all".to_owned() } else { token.jobs.join(" ") };
        let revoked = screen.maybe_when(token.revoked_at);
        table.row([
            Cell::new(&token.name),
            Cell::new(&token.role),
            Cell::new(jobs),
            screen.when(token.created_at).into(),
            Cell::new(&token.created_by),
            Cell::toned(revoked, if token.revoked_at.is_some() { Tone::Warn } else { Tone::Plain }),
        ]);
    }
    table
}

fn revoke(candidates: &str, args: &Revoke) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let mut answers = Vec::new();
    let status = reach::each(&args.names, |name| {
        let answer: Value = client.delete(&Route::to(["tokens", name]))?;
        if args.reach.json {
            answers.push(answer);
            return Ok(());
        }
        print(&format!("{} is revoked\n", escape(name)))
    });
    if args.reach.json {
        print_answers(answers)?;
    }
    Ok(status)
}
