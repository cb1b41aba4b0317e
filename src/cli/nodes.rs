//! `loom nodes`: which nodes there are, and when each was last heard of.

use std::process::ExitCode;

use serde_json::Value;

use super::answer::{all_or_json, list, typed};
use super::candidates;
use super::reach::{self, Reach};
use super::screen::{Cell, Column, NOTHING, Screen, Table, Tone, print};
use crate::api::node::Node;
use crate::client::{Client, Failure, Route};

/// So many failures in a row stand for as many or more.
const MANY: u32 = 50;

/// List nodes: whether each is connected, when it last answered, and what failed there
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  loom nodes
  loom nodes --tag db --failing
  loom nodes db1 --json")]
pub struct Args {
    /// Only these; all when none is named
    #[arg(value_name = "NODE", add = candidates::nodes())]
    nodes: Vec<String>,

    /// Only those with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,

    /// Only those whose last unit did not succeed
    #[arg(long)]
    failing: bool,

    #[command(flatten)]
    reach: Reach,
}

pub fn nodes(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(show(candidates, args))
}

fn show(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let mut wanted = Vec::new();
    for answer in args.ask(&client)? {
        let node: Node = typed(answer.clone())?;
        if args.wants(&node) {
            wanted.push(answer);
        }
    }
    let Some(nodes) = all_or_json::<Node>(wanted, args.reach.json)? else { return Ok(0) };
    if nodes.is_empty() {
        eprintln!("loom: no nodes");
        return Ok(0);
    }
    let screen = Screen::stdout();
    print(&table(&nodes, &screen).show(&screen))?;
    Ok(0)
}

impl Args {
    /// One by one if they are named, so that a wrong name is told with a near one.
    fn ask(&self, client: &Client) -> Result<Vec<Value>, Failure> {
        if !self.nodes.is_empty() {
            let ask = |name| client.get(&Route::to(["nodes", name]));
            return self.nodes.iter().map(|name| ask(name.as_str())).collect();
        }
        let route = Route::to(["nodes"]).maybe("tag", self.tag.as_ref());
        Ok(list(client, &route, usize::MAX)?.items)
    }

    fn wants(&self, node: &Node) -> bool {
        self.tag.as_ref().is_none_or(|tag| node.tags.contains(tag))
            && !(self.failing && node.failures_in_a_row == 0)
    }
}

fn table(nodes: &[Node], screen: &Screen) -> Table {
    let columns = ["NODE", "ADDRESS", "CONNECTED", "LAST CONTACT"].map(Column::left);
    let more = [Column::right("FAILURES"), Column::left("LAST FAILURE"), Column::left("TAGS")];
    let mut table = Table::new(columns.into_iter().chain(more));
    for node in nodes {
        let (word, tone) = if node.connected { ("yes", Tone::Good) } else { ("no", Tone::Dim) };
        table.row([
            Cell::new(&node.name),
            Cell::new(address(node)),
            Cell::toned(word, tone),
            screen.maybe_when(node.last_contact).into(),
            failures(node.failures_in_a_row),
            last_failure(node, screen),
            Cell::new(node.tags.join(",")),
        ]);
    }
    table
}

fn address(Node { user, host, port, .. }: &Node) -> String {
    match port {
        Some(port) if host.contains(':') => format!("{user}@[{host}]:{port}"),
        Some(port) => format!("{user}@{host}:{port}"),
        None => format!("{user}@{host}"),
    }
}

fn failures(in_a_row: u32) -> Cell {
    match in_a_row {
        0 => "0".into(),
        MANY.. => Cell::toned(format!("{MANY}+"), Tone::Bad),
        some => Cell::toned(some.to_string(), Tone::Bad),
    }
}

/// That is history where the node is well.
fn last_failure(node: &Node, screen: &Screen) -> Cell {
    let Some(unit) = &node.last_failure else { return NOTHING.into() };
    let what = unit.summary.as_deref().or(unit.outcome.as_deref()).unwrap_or(&unit.state);
    let when = unit.finished_at.map_or(String::new(), |at| format!("{}: ", screen.when(at)));
    let tone = if node.failures_in_a_row == 0 { Tone::Dim } else { Tone::Plain };
    Cell::toned(format!("{when}{what}"), tone)
}
