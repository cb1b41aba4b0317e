//! `loom run`: a job, now.

use std::process::ExitCode;

use super::candidates;
use super::follow::{self, End, How};
use super::reach::{self, Reach};
use super::screen::{self, count, escape};
use super::words::{self, Argument};
use crate::api::flow::Part;
use crate::api::job::{JobDetail, RunRequest};
use crate::api::run::{Run, RunDetail, Started};
use crate::client::{Client, Failure, Route, new_key};

/// Run a job now, whatever its schedule says
///
/// Prints the run's number; with --wait, what it says on each node as it comes, each line behind
/// the node's name, and a summary at the end. Ctrl-C while it waits asks whether to cancel the
/// run, to detach from it or to go on; where nobody can be asked, it detaches.
///
/// Of a flow, --wait shows slots, jobs and units as a tree, or in a pipe a line for each part that
/// begins or ends and each unit that fails; `loom logs` has what its parts say.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    #[arg(value_name = "JOB", add = candidates::jobs())]
    job: String,

    /// Run on these nodes instead of the job's own: names, host sets (db[1-4]) or @tags, separated
    /// by commas
    #[arg(long, value_name = "TARGETS", add = candidates::targets())]
    on: Option<String>,

    /// Give the task this argument instead of the job's own of that name; VALUE is read as in a
    /// manifest: 0755 and yes are a number and true, "yes" in quotes is text, [a, b] is a list
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    args: Vec<Argument>,

    /// Show its output and wait for its end
    #[arg(long)]
    wait: bool,

    /// Show no output before the end, then nodes that said the same together
    #[arg(long, requires = "wait")]
    fold: bool,

    /// The same request with the same key is carried out once [default: a random one]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    #[command(flatten)]
    reach: Reach,
}

const EXIT_CODES: &str = "\
Exit status: 0 fine, 1 the run did not succeed or was not started, 2 wrong usage, 3 not allowed \
(role or token), 4 no daemon answers, 5 no such job; 130 or 143 when Ctrl-C or SIGTERM \
detached from the run, which goes on.";

pub fn run(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(start(candidates, args))
}

fn start(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let request = RunRequest {
        on: args.on.clone(),
        args: words::arguments(&args.args).map_err(Failure::usage)?,
        wait: 0,
    };
    for warning in args.args.iter().flat_map(|argument| &argument.warnings) {
        eprintln!("loom: warning: {warning}");
    }
    let client = args.reach.client(candidates)?;
    let route = Route::to(["jobs", &args.job, "run"]);
    let started = post(&client, &route, &request, args.key.as_deref())?;
    let Some(id) = started.run else {
        if args.reach.json {
            screen::print_json(&started)?;
        }
        eprintln!("loom: {}", not_begun(&client, &args.job));
        return Ok(reach::FAILED);
    };
    if !args.wait {
        return tell(&client, id, &started, args);
    }
    let detail = detail(&client, id)?;
    let how = How { fold: args.fold, json: args.reach.json };
    match follow::wait(&client, &detail, how)? {
        End::Over { run, .. } => Ok(status(&run)),
        End::Detached(status) => Ok(status),
    }
}

/// Why there is no run. If nobody says what was to run, it is taken for a plain job.
fn not_begun(client: &Client, name: &str) -> String {
    let detail: Result<JobDetail, Failure> = client.get(&Route::to(["jobs", name]));
    let is_flow = detail.is_ok_and(|detail| detail.plan.is_some());
    let name = escape(name);
    match is_flow {
        true => format!(
            "{name} is not run: another run of it is under way, and its `overlap` allows no more; \
             `loom runs --job {name}` lists them"
        ),
        false => {
            format!(
                "{name} is not run: it still runs on all of these nodes; `loom why {name}` tells"
            )
        }
    }
}

/// With a key always, so that a lost answer is asked for again and nothing is started twice.
pub fn post<B: serde::Serialize>(
    client: &Client,
    route: &Route,
    request: &B,
    key: Option<&str>,
) -> Result<Started, Failure> {
    let key = match key {
        Some(key) => key.to_owned(),
        None => new_key()?,
    };
    client.post(route, request, Some(&key))
}

/// The exit status of who has waited for its end.
pub fn status(run: &Run) -> u8 {
    if run.state == "succeeded" { 0 } else { reach::FAILED }
}

pub fn detail(client: &Client, id: u64) -> Result<RunDetail, Failure> {
    client.get(&Route::to(["runs", &id.to_string()]))
}

fn tell(client: &Client, id: u64, started: &Started, args: &Args) -> Result<u8, Failure> {
    if args.reach.json {
        screen::print_json(started)?;
        return Ok(0);
    }
    // It runs, whatever else we get to know about it.
    let said = match detail(client, id) {
        Ok(RunDetail { slots: Some(slots), .. }) => announced_flow(id, &args.job, &slots),
        Ok(detail) => announced(id, Some(&args.job), Some(&detail.run)),
        Err(_) => announced(id, Some(&args.job), None),
    };
    screen::print(&format!("{said}\n"))?;
    eprintln!("`loom logs -f {id}` follows it, `loom cancel {id}` ends it");
    Ok(0)
}

/// `run 12 of deploy: 2 slots, 3 jobs, 116 units`.
pub fn announced_flow(id: u64, job: &str, slots: &[Vec<Part>]) -> String {
    let parts = || slots.iter().flatten();
    let units: usize = parts().map(|part| part.planned.targets.len()).sum();
    let counts = [(slots.len(), "slot"), (parts().count(), "job"), (units, "unit")];
    let [slots, jobs, units] = counts.map(|(number, word)| count(number, word));
    format!("run {id} of {}: {slots}, {jobs}, {units}", escape(job))
}

/// `run 12 of nightly on 5 nodes`.
pub fn announced(id: u64, job: Option<&str>, run: Option<&Run>) -> String {
    let job = job.map(|job| format!(" of {}", escape(job)));
    let nodes = run.map(|run| format!(" on {}", count(run.units.total as usize, "node")));
    format!("run {id}{}{}", job.unwrap_or_default(), nodes.unwrap_or_default())
}
