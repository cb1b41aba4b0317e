//! `loom flow run`: a flow that stands in a file of its own, now.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::api::MAX_LIMIT;
use crate::api::node::Node;
use crate::cli::follow::{self, End, How};
use crate::cli::reach::{self, Reach};
use crate::cli::run::{detail, post, status};
use crate::cli::screen::plan::{self, size};
use crate::cli::screen::{self, Screen, count, escape};
use crate::client::{Client, Failure, Route};
use crate::config;
use crate::config::folding::fold;
use crate::config::roadrunner::{Given, Hosts, Written, read_flow};
use crate::flow;
use crate::job::flow::FLOW;

/// Run a flow from a file now, or show what it would do
///
/// FILE is Roadrunner's job flow, in JSON as Roadrunner took it, or in YAML. Hosts are the daemon's
/// nodes: names, host sets (db[1-10]) and @tags. Everything that is wrong with the file is told at
/// once, and then nothing is started.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,

    /// Print what it would do, with the percentages worked out, and start nothing
    #[arg(long, conflicts_with_all = ["wait", "key"])]
    dry_run: bool,

    /// Take hosts that are no nodes: as ssh and its configuration find them
    #[arg(long)]
    any_host: bool,

    /// Show how it goes and wait for its end
    #[arg(long)]
    wait: bool,

    /// At the end, show what its jobs have said, nodes that said the same together
    #[arg(long, requires = "wait")]
    fold: bool,

    /// The same request with the same key is carried out once [default: a random one]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    #[command(flatten)]
    reach: Reach,
}

const HELP: &str = "\
Examples:
  loom flow run deploy.json --dry-run
  loom flow run deploy.json --wait && echo fine
  ./make-flow | loom flow run -

Exit status: 0 fine, 1 the flow did not succeed, 2 wrong usage, or the file has mistakes, 3 not \
allowed (role or token), 4 no daemon answers; 130 or 143 when Ctrl-C or SIGTERM detached from the \
flow, which goes on.";

/// What messages call standard input.
const STDIN: &str = "<stdin>";

/// More is no flow; the reader says so.
const MOST_READ: u64 = 17 << 20;

pub fn run(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let nodes = nodes(&client);
    // Without a daemon's word no name is wrong; all else may be.
    let hosts = Hosts { nodes: nodes.as_ref().ok(), any: args.any_host };
    let given = match read_flow(written(&args.file)?, hosts) {
        Ok(given) => given,
        Err(diagnostics) => {
            config::print(&diagnostics);
            let errors = diagnostics.iter().filter(|each| each.is_error()).count();
            eprintln!("loom: {}; nothing was started", count(errors, "error"));
            return Ok(reach::USAGE);
        }
    };
    config::print(&given.warnings);
    nodes?;
    if args.dry_run {
        return show(&given, args.reach.json).map(|()| 0);
    }
    start(&client, &given, args)
}

/// The tags of each node that the daemon knows.
fn nodes(client: &Client) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let nodes: Vec<Node> =
        client.list(&Route::to(["nodes"]).with("limit", MAX_LIMIT), usize::MAX)?;
    Ok(nodes.into_iter().map(|node| (node.name, node.tags)).collect())
}

fn written(file: &Path) -> Result<Written<'_>, Failure> {
    if file != Path::new("-") {
        return Ok(Written::File(file));
    }
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(MOST_READ)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::usage(format!("standard input cannot be read: {e}")))?;
    Ok(Written::Bytes { shown: STDIN, bytes })
}

fn show(given: &Given, json: bool) -> Result<(), Failure> {
    let whole = given.job.flow.as_ref().map(|whole| flow::plan::plan(whole, true));
    let Some(whole) = whole else { return Ok(()) };
    if json {
        return screen::print_json(&whole);
    }
    screen::print(&plan::plan(FLOW, &whole, &Screen::stdout()))?;
    if !given.strangers.is_empty() {
        let strangers: Vec<&String> = given.strangers.iter().collect();
        let (are, nodes) =
            if strangers.len() == 1 { ("is", "no node") } else { ("are", "no nodes") };
        let hosts = escape(&fold(&strangers));
        eprintln!("{hosts} {are} {nodes}: taken as ssh and its configuration find them");
    }
    eprintln!("{}; nothing was started", size(&whole));
    Ok(())
}

fn start(client: &Client, given: &Given, args: &Args) -> Result<u8, Failure> {
    let started = post(client, &Route::to(["flows"]), &given.request, args.key.as_deref())?;
    let id = started.run.ok_or_else(|| Failure::odd("nothing was started"))?;
    if args.wait {
        let how = How { fold: args.fold, json: args.reach.json };
        return match follow::wait(client, &detail(client, id)?, how)? {
            End::Over { run, .. } => Ok(status(&run)),
            End::Detached(status) => Ok(status),
        };
    }
    if args.reach.json {
        return screen::print_json(&started).map(|()| 0);
    }
    let from = escape(&given.request.from);
    let whole = given.job.flow.as_ref().map(|whole| size(&flow::plan::plan(whole, false)));
    screen::print(&format!("run {id} of {from}: {}\n", whole.unwrap_or_default()))?;
    eprintln!("`loom show {id}` tells how it goes, `loom cancel {id}` ends it");
    Ok(0)
}
