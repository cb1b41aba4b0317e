//! `loom audit`: who has changed what, and when.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::Value;

use super::answer::{List, all_or_json, list};
use super::instant;
use super::reach::{self, Reach};
use super::screen::{Cell, Screen, Table, print};
use crate::api::access::Audit;
use crate::client::{Failure, Route};

/// Show who has run, stopped and changed what, the latest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  loom audit
  loom audit --who token:ci --action run --since 1d")]
pub struct Args {
    /// Only what they did: a user of the daemon's machine, or token:NAME
    #[arg(long, value_name = "WHO")]
    who: Option<String>,

    /// Only this, like run, cancel, disable, reload or "token add"
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,

    /// Only since then: 2h or 1d for so long ago, or a time
    #[arg(long, value_name = "T", value_parser = instant::since)]
    since: Option<Timestamp>,

    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    #[command(flatten)]
    reach: Reach,
}

pub fn audit(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(show(candidates, args))
}

fn show(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let route =
        Route::to(["audit"]).maybe("who", args.who.as_ref()).maybe("action", args.action.as_ref());
    let List { items, more } = list::<Value>(&client, &route, args.limit as usize)?;
    let Some(entries) = all_or_json::<Audit>(items, args.reach.json)? else { return Ok(0) };
    if entries.is_empty() {
        eprintln!("loom: nothing");
        return Ok(0);
    }
    let screen = Screen::stdout();
    print(&table(&entries, &screen).show(&screen))?;
    if more && screen.is_terminal() {
        eprintln!("loom: these are the latest {}; --limit N shows more", entries.len());
    }
    Ok(0)
}

fn table(entries: &[Audit], screen: &Screen) -> Table {
    let mut table = Table::new(["WHEN", "WHO", "VIA", "ACTION", "WHAT", "DETAIL"]);
    for entry in entries {
        table.row([
            screen.when(entry.at).into(),
            Cell::new(&entry.who),
            Cell::new(&entry.via),
            Cell::new(&entry.action),
            Cell::new(&entry.subject),
            Cell::maybe(entry.detail.as_ref()),
        ]);
    }
    table
}
